"""What nothing uses any more goes: filters of every `prune`, and stopped containers.

What comes in: docker's filters `until`, `label`, `label!`.
What goes out: a test of an age and labels; what was removed.
Must never: remove a container that runs.

Source: docker-container-prune(1), docker-system-prune(1).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pyrootless import units
from pyrootless.config import Directories
from pyrootless.engine.containers import Found, describe, labels, list_found, remove_container
from pyrootless.engine.volumes import has_label
from pyrootless.errors import ContainerStateError, UsageError

KEYS = frozenset({"until", "label", "label!"})
_SPAN = re.compile(r"(?:[0-9.]+(?:ns|us|ms|s|m|h|d))+")
_PART = re.compile(r"[0-9.]+[a-z]+")

Test = Callable[[int, Mapping[str, str]], bool]
"""(when something was made, ns since 1970; its labels) → whether it may go."""


@dataclass(frozen=True, slots=True)
class PrunedContainers:
    """What was removed.

    Attributes:
        ids: Whole, the newest first.
        bytes: What they took of the disk.
    """

    ids: tuple[str, ...]
    bytes: int


def prune_test(filters: Mapping[str, Sequence[str]], *more: str) -> Test:
    """What filters say of one thing.

    Args:
        filters: From `parse_filters`.
        more: Keys that the caller looks after.

    Raises:
        UsageError: A key is unknown, or a value has no meaning.
    """
    if wrong := set(filters) - KEYS - set(more):
        raise UsageError(f"invalid filter '{min(wrong)}'")
    moments = [parse_moment(text) for text in filters.get("until", ())]
    if len(moments) > 1:
        raise UsageError("more than one until filter specified")
    with_, without = filters.get("label", ()), filters.get("label!", ())

    def test(created_unix_ns: int, own: Mapping[str, str]) -> bool:
        return (
            all(created_unix_ns < moment for moment in moments)
            and all(has_label(own, word) for word in with_)
            and not any(has_label(own, word) for word in without)
        )

    return test


def prune_containers(
    directories: Directories, filters: Mapping[str, Sequence[str]] | None = None
) -> PrunedContainers:
    """Remove containers that do not run; their volumes stay.

    Raises:
        UsageError: A filter is unknown, or a value has no meaning.
        StoreError: Something of a container cannot be removed.
    """
    from pyrootless.core._layers import tree_bytes

    test = prune_test(filters or {})
    removed, size_bytes = [], 0
    for container in list_found(directories):
        if container.running or not test(
            container.created_unix_ns, _labels(container, filters)
        ):
            continue
        own = tree_bytes(container.directory)
        try:
            remove_container(directories, container, force=False)
        except ContainerStateError:
            continue  # started again meanwhile
        removed.append(container.id)
        size_bytes += own
    return PrunedContainers(tuple(removed), size_bytes)


def _labels(container: Found, filters: Mapping[str, Sequence[str]] | None) -> Mapping[str, str]:
    """Its configuration is read only where a filter asks for it."""
    return labels(describe(container)) if {"label", "label!"} & set(filters or {}) else {}


def parse_moment(text: str) -> int:
    """A span before now ("24h", "1h30m"), a Unix time, or a date and time, as ns since 1970.

    Raises:
        UsageError: It is none of these.
    """
    if _SPAN.fullmatch(text):
        parts = _PART.findall(text)
        return time.time_ns() - sum(units.parse_duration_ns(part) for part in parts)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return int(float(text) * 1_000_000_000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"invalid filter 'until={text}'",
            remedy="write 24h, a Unix time, or 2026-12-01T09:00",
        ) from None
    zone = moment if moment.tzinfo else moment.astimezone(UTC)
    return int(zone.timestamp() * 1_000_000_000)
