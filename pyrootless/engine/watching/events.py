"""What happened to containers, images and volumes: the journal, read and followed.

What comes in: the engine's directories, what is wanted of the journal.
What goes out: events as docker's objects, in the order in which they happened.
Must never: fail what happened because it could not be written down; wait when nothing more is
wanted.

Source: Docker Engine API 1.45, SystemEvents; docker-system-events(1).
"""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.engine import Container, event_attributes
from pyrootless.errors import UsageError
from pyrootless.journal import add_event

Event = dict[str, Any]
Filters = Mapping[str, Sequence[str]]

_LOOK_SECONDS = 0.2
"""Without notice of changes (inotify's instances are few): the journal is looked at."""
_CHUNK_BYTES = 1 << 20
_OLD, _NEW = "events.1", "events"


def container_event(
    directories: Directories, container: Container, action: str, **attributes: str
) -> None:
    """Write down what happened to a container; of one without a name nothing is.

    Args:
        directories: The engine's.
        container: Whose image, name and labels are added.
        action: Docker's word for it.
        attributes: Of this event alone.
    """
    if not container.name:
        return
    own = event_attributes(container)
    add_event(directories, "container", action, container.id, {**own, **attributes})


def read_events(
    directories: Directories,
    filters: Filters,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> Iterator[Event]:
    """Events as they happen, and those that happened before, where a bound says so.

    Args:
        directories: The engine's.
        filters: From `parse_filters`; checked by `check_event_filters`.
        since_ns: From this time on, since 1970; None: from now on, or with `until_ns` all.
        until_ns: Up to this time, which may be to come; None: for ever.

    Raises:
        UsageError: A filter has no meaning.
    """
    check_event_filters(filters)
    for event in _in_time(directories, since_ns, until_ns):
        if _fits(event, filters):
            yield event


def check_event_filters(filters: Filters) -> None:
    """Raises UsageError: a key is unknown."""
    for key in filters:
        if key not in _TESTS:
            raise UsageError(
                f"invalid filter '{key}'", remedy=f"there are: {', '.join(sorted(_TESTS))}"
            )


def _in_time(
    directories: Directories, since_ns: int | None, until_ns: int | None
) -> Iterator[Event]:
    with _Journal(directories) as journal:
        past = journal.read_past()
        if since_ns is not None or until_ns is not None:
            first = since_ns if since_ns is not None else 0
            last = until_ns if until_ns is not None else 2**63
            yield from (event for event in past if first <= _time_of(event) <= last)
        while until_ns is None or time.time_ns() < until_ns:
            journal.wait(until_ns)
            for event in journal.read_more():
                if until_ns is not None and _time_of(event) > until_ns:
                    return
                if since_ns is None or _time_of(event) >= since_ns:
                    yield event


class _Journal:
    """The newest file held open; what is added to it, and to the one that follows it."""

    def __init__(self, directories: Directories) -> None:
        self._data = directories.data
        self._watch = -1
        self._file = -1
        self._rest = b""

    def __enter__(self) -> _Journal:
        if self._data.is_dir():
            self._watch = _containers.watch_directory(str(self._data))
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self._watch, self._file):
            with suppress(OSError):
                os.close(descriptor)

    def read_past(self) -> list[Event]:
        """Everything there is, the oldest first."""
        old = self._open(_OLD)
        before = _events(_read_all(old)) if old >= 0 else []
        with suppress(OSError):
            os.close(old)
        return sorted([*before, *self.read_more()], key=_time_of)

    def read_more(self) -> list[Event]:
        """What was added since the last call."""
        found: list[Event] = []
        while True:
            if self._file < 0:
                self._file = self._open(_NEW)
            if self._file < 0:
                return found
            renamed = not self._is_newest()
            text = self._rest + _read_all(self._file)
            whole, newline, self._rest = text.rpartition(b"\n")
            found += _events(whole + newline)
            if not renamed:
                return found
            os.close(self._file)
            self._file, self._rest = -1, b""

    def wait(self, until_ns: int | None) -> None:
        """Until something may have been added."""
        left = None if until_ns is None else max(0.0, (until_ns - time.time_ns()) / 1e9)
        if self._watch < 0:
            time.sleep(_LOOK_SECONDS if left is None else min(left, _LOOK_SECONDS))
            return
        ready, _, _ = select.select([self._watch], [], [], left)
        if ready:
            os.read(self._watch, _CHUNK_BYTES)

    def _open(self, name: str) -> int:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            return os.open(self._data / name, flags)
        except OSError:
            return -1

    def _is_newest(self) -> bool:
        try:
            newest = (self._data / _NEW).lstat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._file)
        return (newest.st_ino, newest.st_dev) == (mine.st_ino, mine.st_dev)


def _read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, _CHUNK_BYTES):
        pieces.append(piece)
    return b"".join(pieces)


def _events(text: bytes) -> list[Event]:
    """One a line; what is none is passed over."""
    found = []
    for line in text.splitlines():
        with suppress(ValueError, KeyError, TypeError, RecursionError, AttributeError):
            found.append(_event(json.loads(line)))
    return found


def _event(said: dict[str, Any]) -> Event:
    """Docker's object; its older names (status, id, from) say the same again."""
    kind, actor = said["Type"], said["Actor"]
    attributes = dict(sorted(actor["Attributes"].items()))
    old = {"status": said["Action"], "id": actor["ID"]}
    old |= {"from": attributes.get("image", "")} if kind == "container" else {}
    return {
        **(old if kind in ("container", "image") else {}),
        "Type": kind,
        "Action": said["Action"],
        "Actor": {"ID": actor["ID"], "Attributes": attributes},
        "scope": "local",
        "time": int(said["time"]),
        "timeNano": int(said["timeNano"]),
    }


def _time_of(event: Event) -> int:
    return int(event["timeNano"])


def _attribute(event: Event, name: str) -> str:
    return str(event["Actor"]["Attributes"].get(name, ""))


def _is_of(event: Event, kind: str, value: str) -> bool:
    key = str(event["Actor"]["ID"])
    name = _attribute(event, "name")
    return event["Type"] == kind and (name == value or (bool(value) and key.startswith(value)))


def _is_of_image(event: Event, value: str) -> bool:
    names = [_attribute(event, "image")]
    if event["Type"] != "container":
        names = [_attribute(event, "name"), str(event["Actor"]["ID"])]
    return any(value in (name, name.rpartition(":")[0]) for name in names)


def _has_label(event: Event, value: str) -> bool:
    name, equals, text = value.partition("=")
    own = event["Actor"]["Attributes"]
    return name in own and (not equals or own[name] == text)


_TESTS: dict[str, Callable[[Event, str], bool]] = {
    "container": lambda event, value: _is_of(event, "container", value.lstrip("/")),
    "event": lambda event, value: value in (event["Action"], event["Action"].split(":")[0]),
    "image": _is_of_image,
    "label": _has_label,
    "network": lambda event, value: _is_of(event, "network", value),
    "scope": lambda event, value: event.get("scope") == value,
    "type": lambda event, value: event["Type"] == value,
    "volume": lambda event, value: _is_of(event, "volume", value),
}
"""Docker's keys of `--filter`; values of one key are alternatives, but for labels."""


def _fits(event: Event, filters: Filters) -> bool:
    return all(
        (all if key == "label" else any)(_TESTS[key](event, value) for value in values)
        for key, values in filters.items()
    )
