"""The journal of events: what happened is written down.

What comes in: the engine's directories, an event in docker's words.  What goes out: a line of
DATA/events, which the C core adds.
Must never: fail what happened because it could not be written down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.errors import PyrootlessError


def add_event(
    directories: Directories, kind: str, action: str, key: str, attributes: Mapping[str, str]
) -> None:
    """Write down what happened.

    Args:
        directories: The engine's.
        kind: "container", "image", "volume".
        action: Docker's word for it.
        key: Of what it happened to.
        attributes: What docker says of it.
    """
    text = json.dumps(dict(attributes), separators=(",", ":"))[1:-1]
    places = str(directories.data), str(directories.runtime)
    with suppress(PyrootlessError, OSError):
        _containers.add_event(*places, kind, action, key, text)
