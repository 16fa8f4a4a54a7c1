"""Launch templates: a stored image → the config.json its starts begin with.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.images.template.host import compile_default_filter as compile_default_filter
    from pyrootless.images.template.image import check_platform as check_platform
    from pyrootless.images.template.image import write_template as write_template
    from pyrootless.images.template.runtime_config import (
        DEFAULT_CAPABILITIES as DEFAULT_CAPABILITIES,
    )
    from pyrootless.images.template.skeleton import HOSTS as HOSTS
    from pyrootless.images.template.user import resolve_user as resolve_user

_HOME = {
    "DEFAULT_CAPABILITIES": "runtime_config",
    "HOSTS": "skeleton",
    "check_platform": "image",
    "compile_default_filter": "host",
    "resolve_user": "user",
    "write_template": "image",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
