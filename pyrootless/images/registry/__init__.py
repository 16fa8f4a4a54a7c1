"""Registries: settings, authentication, transport, the distribution protocol.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.images.registry.auth import AccessDenied as AccessDenied
    from pyrootless.images.registry.auth import Credential as Credential
    from pyrootless.images.registry.client import RegistryClient as RegistryClient
    from pyrootless.images.registry.credentials import erase_credential as erase_credential
    from pyrootless.images.registry.credentials import save_credential as save_credential
    from pyrootless.images.registry.exchange import ConnectionLost as ConnectionLost
    from pyrootless.images.registry.host import NotThere as NotThere
    from pyrootless.images.registry.search import Match as Match
    from pyrootless.images.registry.settings import RegistrySettings as RegistrySettings
    from pyrootless.images.registry.settings import load_settings as load_settings
    from pyrootless.images.registry.settings import parse_host as parse_host
    from pyrootless.images.registry.upload import Sent as Sent
    from pyrootless.images.registry.upload import Uploads as Uploads

_HOME = {
    "AccessDenied": "auth",
    "ConnectionLost": "exchange",
    "Credential": "auth",
    "Match": "search",
    "NotThere": "host",
    "RegistryClient": "client",
    "RegistrySettings": "settings",
    "Sent": "upload",
    "Uploads": "upload",
    "erase_credential": "credentials",
    "load_settings": "settings",
    "parse_host": "settings",
    "save_credential": "credentials",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
