"""The image that a person means, or why there is none; which of a list somebody means.

What comes in: a name, an ID or the begin of one; filters.  What goes out: `StoredImage` values.
Must never: fetch anything; take a filter for granted that it does not know.

Source of the filters: docker-images(1). Values of `reference` are alternatives; those of others
must all fit.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence

from pyrootless.errors import UsageError
from pyrootless.images.inspection import created_unix_ns
from pyrootless.images.reference import Reference
from pyrootless.images.store import Store, StoredImage

HOST = "host"
"""The image that is no stored one (images/template/host.py)."""

Row = tuple[StoredImage, Reference]
Test = Callable[[Row], bool]
Moment = Callable[[str], int]


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


def select_images(
    store: Store, rows: Sequence[Row], filters: Mapping[str, Sequence[str]], moment: Moment
) -> list[Row]:
    """Those that fit, in their order.

    Args:
        store: Where `before` and `since` are looked for.
        rows: Named images.
        filters: Key → values.
        moment: What a value of `until` says, as ns since 1970.

    Raises:
        UsageError: A key is unknown, or a value has no meaning or names no image.
    """
    tests = [_test(store, key, values, moment) for key, values in filters.items()]
    return [row for row in rows if all(test(row) for test in tests)]


def _test(store: Store, key: str, values: Sequence[str], moment: Moment) -> Test:
    if key == "dangling":  # what has no name is in no list
        wanted = {_boolean(value) for value in values}
        return lambda row: False in wanted
    if key == "label":
        return lambda row: all(_has_label(row[0].config.labels, value) for value in values)
    if key == "reference":
        return lambda row: any(_fits(row[1], value) for value in values)
    if key == "before":
        first = min(_made(store, value) for value in values)
        return lambda row: created_unix_ns(row[0].config.created) < first
    if key == "since":
        last = max(_made(store, value) for value in values)
        return lambda row: created_unix_ns(row[0].config.created) > last
    if key == "until":
        least = min(moment(value) for value in values)
        return lambda row: created_unix_ns(row[0].config.created) < least
    raise UsageError(f"invalid filter '{key}'", remedy="see them: pyrootless images --help")


def _boolean(value: str) -> bool:
    if value.lower() not in ("true", "false", "1", "0"):
        raise UsageError(f"invalid filter 'dangling={value}'")
    return value.lower() in ("true", "1")


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    name, equals, text = wanted.partition("=")
    return name in labels and (not equals or labels[name] == text)


def _made(store: Store, text: str) -> int:
    image = store.find(text)
    if image is None:
        raise UsageError(f"No such image: {text}")
    return created_unix_ns(image.config.created)


def _fits(name: Reference, pattern: str) -> bool:
    """A pattern of the shell's for the short or the whole name, with the tag or without."""
    short, _, tag = name.familiar.rpartition(":")
    shown = (name.familiar, short or tag, name.canonical, name.name)
    return any(fnmatch.fnmatchcase(text, pattern) for text in shown)
