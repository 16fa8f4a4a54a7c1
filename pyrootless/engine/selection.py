"""Which containers of a list somebody means: docker's `--filter`.

What comes in: containers, the newest first; keys and values of filters.
What goes out: those that fit.
Must never: take a key for granted that it does not know; read a configuration that no filter
asks for.

Source: docker-ps(1). Values of one key are alternatives; those of `label` must all fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from pyrootless.config import Directories
from pyrootless.engine.containers import (
    Container,
    find_container,
    labels,
    read_annotations,
    read_config,
)
from pyrootless.engine.control import published_ports
from pyrootless.engine.mount_points import Mount, read_mounts
from pyrootless.errors import UsageError

STATES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
_NOTE = "io.pyrootless."
_LAYER = re.compile(r"/layers/([a-f0-9]{64})/tree")

Filters = Mapping[str, Sequence[str]]
Test = Callable[[Container], bool]


def parse_filters(words: Iterable[str]) -> dict[str, list[str]]:
    """KEY=VALUE each.

    Raises:
        UsageError: A word is something else.
    """
    found: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f'"{word}" is no filter; write KEY=VALUE, as in status=exited')
        found.setdefault(key.strip().lower(), []).append(value.strip())
    return found


def select(
    directories: Directories,
    everything: Sequence[Container],
    filters: Filters,
    *,
    stopped: bool = False,
    last: int = 0,
) -> list[Container]:
    """Those that fit, in their order.

    Args:
        directories: The engine's.
        everything: From `list_containers`.
        filters: From `parse_filters`.
        stopped: Those that do not run too; a filter for states has them anyhow.
        last: So many of the newest, running or not; 0: all.

    Raises:
        UsageError: A key is unknown, or a value has no meaning for it.
        ContainerStateError: `before` or `since` names no container.
    """
    tests = [_test(directories, key, values) for key, values in filters.items()]
    every = stopped or last > 0 or "status" in filters
    fits = (
        item
        for item in everything
        if (every or item.has_monitor) and all(test(item) for test in tests)
    )
    return [item for number, item in enumerate(fits) if not last or number < last]


def network(container: Container) -> str:
    """What it was connected by: "none", "host", "container:ID", or the helper's name."""
    config = read_config(container.directory)
    notes = config.get("annotations", {})
    if shared := notes.get(f"{_NOTE}network.container"):
        return f"container:{shared}"
    kinds = {item.get("type") for item in config.get("linux", {}).get("namespaces", [])}
    if "network" not in kinds:
        return "host"
    return str(notes.get(f"{_NOTE}network", "none"))


def mounts(container: Container) -> list[Mount]:
    """What somebody mounted in it."""
    return read_mounts(read_config(container.directory))


def _test(directories: Directories, key: str, values: Sequence[str]) -> Test:
    simple: dict[str, Callable[[Container, str], bool]] = {
        "id": lambda item, value: bool(_pattern(value).search(item.id)),
        "name": lambda item, value: bool(_pattern(value.lstrip("/")).search(item.name)),
        "volume": _mounts,
        "network": lambda item, value: network(item) == value,
        "health": lambda item, value: (item.health or "none") == value,
        "is-task": lambda item, value: value.lower() in ("false", "0"),
        "publish": _publishes,
        "expose": _exposes,
    }
    if key in simple:
        return lambda item: any(simple[key](item, value) for value in values)
    if key == "label":
        return lambda item: all(_has_label(item, value) for value in values)
    if key == "status":
        return _states(values)
    if key == "exited":
        return _codes(values)
    if key in ("before", "since"):
        return _times(directories, key, values)
    if key == "ancestor":
        return _ancestors(directories, values)
    raise UsageError(f"invalid filter '{key}'", remedy="see them: pyrootless ps --help")


def _pattern(value: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except re.error:
        return re.compile(re.escape(value))


def _has_label(item: Container, value: str) -> bool:
    name, equals, text = value.partition("=")
    own = labels(item)
    return name in own and (not equals or own[name] == text)


def _mounts(item: Container, value: str) -> bool:
    """A volume's name, a source or a destination."""
    every = mounts(item)
    return any(value in (one.name, one.source, one.destination) for one in every if value)


def _states(values: Sequence[str]) -> Test:
    for value in values:
        if value not in STATES:
            raise UsageError(f"invalid filter 'status={value}'")
    return lambda item: item.state in values


def _codes(values: Sequence[str]) -> Test:
    try:
        wanted = {int(value) for value in values}
    except ValueError:
        raise UsageError(f"invalid filter 'exited={values[0]}'") from None
    return lambda item: not item.has_processes and exit_code(item) in wanted


def exit_code(item: Container) -> int | None:
    """As a shell shows it: 128 and the signal; None: unknown."""
    if item.exit_code is not None:
        return item.exit_code
    return None if item.signal is None else 128 + item.signal


def _times(directories: Directories, key: str, values: Sequence[str]) -> Test:
    moments = [find_container(directories, value).created_unix_ns for value in values]
    if key == "before":
        return lambda item: item.created_unix_ns < min(moments)
    return lambda item: item.created_unix_ns > max(moments)


def _ancestors(directories: Directories, values: Sequence[str]) -> Test:
    from pyrootless.images.store import Store  # most lists are not filtered by image

    store = Store(directories)
    wanted: list[set[str]] = []
    for value in values:
        image = store.find(value)
        if image is not None:
            wanted.append({item.removeprefix("sha256:") for item in image.config.diff_ids})
    return partial(_descends, names=frozenset(values), wanted=wanted)


def _descends(item: Container, names: frozenset[str], wanted: list[set[str]]) -> bool:
    if item.image in names or item.image.removesuffix(":latest") in names:
        return True
    own = set(_LAYER.findall(str(read_annotations(item).get(f"{_NOTE}rootfs.lower", ""))))
    return any(layers and layers <= own for layers in wanted)


def _publishes(item: Container, value: str) -> bool:
    ports = {(port.port, port.protocol) for port in published_ports(item)}
    return bool(ports & set(_ports(value)))


def _exposes(item: Container, value: str) -> bool:
    lines = str(read_annotations(item).get(f"{_NOTE}image.ports", "")).split()
    exposed = {port for line in lines for port in _ports(line)}
    return bool(exposed & set(_ports(value))) or _publishes(item, value)


def _ports(value: str) -> list[tuple[int, str]]:
    """ "80", "53/udp" or "8000-8010"."""
    numbers, _, protocol = value.partition("/")
    first, _, last = numbers.partition("-")
    try:
        span = range(int(first), int(last or first) + 1)
    except ValueError:
        raise UsageError(f"invalid filter: {value} is no port") from None
    if len(span) > 65536:
        raise UsageError(f"invalid filter: {value} is no port")
    return [(number, protocol or "tcp") for number in span]
