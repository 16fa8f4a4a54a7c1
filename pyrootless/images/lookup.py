"""The image that a person means, or words for why there is none.

What comes in: a name, an ID or the begin of one.  What goes out: `StoredImage`.
Must never: fetch anything.
"""

from __future__ import annotations

from pyrootless.errors import UsageError
from pyrootless.images.store import Store, StoredImage

HOST = "host"
"""The image that is no stored one (images/template/host.py)."""


def find_image(store: Store, text: str) -> StoredImage:
    """The image of a name.

    Raises:
        UsageError: There is none; near names are given.
        IntegrityError: It is damaged.
    """
    image = store.find(text)
    if image is None and text == HOST:
        raise UsageError(
            '"host" is this machine\'s own root file system, built in: it has no layers, '
            "history or other names",
            remedy="run it: pyrootless run host COMMAND; make an image of a tree: "
            "tar -C DIR -c . | pyrootless import - NAME",
        )
    if image is None:
        raise UsageError(
            f'there is no image "{text}" here{near_names(store, text)}',
            remedy=f"see those that are here: pyrootless images; or: pyrootless pull {text}",
        )
    return image


def near_names(store: Store, text: str) -> str:
    """ "; did you mean …?" for names like this one, "" when there are none."""
    near = " or ".join(f'"{name}"' for name in store.near(text))
    return f"; did you mean {near}?" if near else ""
