"""The configuration of an image: what to run in it, and the diff IDs of its layers.

What comes in: bytes of a blob of type image.config (OCI image specification, "Image
Configuration") or container.image (Docker's, of the same form).
What goes out: `ImageConfig`, and bytes again.
Must never: open a file, resolve a user or a path, lose a member it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyrootless.errors import IntegrityError
from pyrootless.images.document import Node, encode_document, parse_document
from pyrootless.images.platforms import Platform

_DIFF_ID = re.compile(r"sha256:[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step by which an image was made.

    Attributes:
        created: RFC 3339, "" when unknown.
        created_by: The command.
        comment: Free text.
        author: Who did it.
        empty_layer: No layer belongs to this step.
    """

    created: str = ""
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How to tell that a container works. Durations in nanoseconds, 0: inherited or default.

    Attributes:
        test: ("NONE",), ("CMD", …) or ("CMD-SHELL", TEXT); () when inherited.
        interval_ns: Between two tests.
        timeout_ns: Of one test.
        start_period_ns: Failures do not count so long.
        start_interval_ns: Between two tests in that time.
        retries: Failures in a row that mean unhealthy.
    """

    test: tuple[str, ...] = ()
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's configuration. Empty texts and tuples: the image does not say.

    Attributes:
        raw: The blob's bytes; b"" for one that was made here and not encoded yet.
        platform: What it runs on.
        env: "NAME=VALUE" each.
        entrypoint: Program and first arguments.
        cmd: Default arguments.
        working_dir: Absolute path, "" for /.
        user: "USER[:GROUP]", names or numbers; "" for root.
        exposed_ports: "PORT/PROTOCOL" each.
        volumes: Paths.
        labels: Name → value.
        stop_signal: Name or number.
        healthcheck: None when the image has none.
        shell: For the shell form of instructions.
        diff_ids: Digests of the plain layer archives, the lowest first.
        history: How it was made, the oldest first.
        created: RFC 3339.
        author: Who made it.
        on_build: Instructions for images built from it.
    """

    raw: bytes
    platform: Platform
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] = ()
    diff_ids: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    created: str = ""
    author: str = ""
    on_build: tuple[str, ...] = ()


def parse_image_config(raw: bytes) -> ImageConfig:
    """The configuration in a blob.

    Raises:
        IntegrityError: It is malformed; the text names the member.
    """
    node = parse_document(raw, "image configuration")
    section = node.child("config")
    rootfs = node.child("rootfs")
    if rootfs.text("type", "layers") != "layers":
        raise rootfs.wrong("type", 'must be "layers"')
    return ImageConfig(
        raw=raw,
        platform=Platform(node.text("os"), node.text("architecture"), node.text("variant", "")),
        env=_environment(section),
        entrypoint=_plain_texts(section, "Entrypoint"),
        cmd=_plain_texts(section, "Cmd"),
        working_dir=_plain(section, "WorkingDir"),
        user=_plain(section, "User"),
        exposed_ports=_ports(section),
        volumes=tuple(sorted(section.child("Volumes").members)),
        labels=section.pairs("Labels"),
        stop_signal=section.text("StopSignal", ""),
        healthcheck=_healthcheck(section),
        shell=section.texts("Shell"),
        diff_ids=_diff_ids(rootfs),
        history=tuple(_history_entry(entry) for entry in node.children("history")),
        created=node.text("created", ""),
        author=node.text("author", ""),
        on_build=section.texts("OnBuild"),
    )


def encode_image_config(config: ImageConfig) -> bytes:
    """The bytes of a configuration: its values, and what `raw` holds that has no value here.

    So a derived image keeps unknown members: `encode_image_config(replace(config, env=…))`.
    """
    members: dict[str, Any] = json.loads(config.raw) if config.raw else {}
    platform = config.platform
    _put(members, "created", config.created)
    _put(members, "author", config.author)
    members |= {"architecture": platform.architecture, "os": platform.os}
    _put(members, "variant", platform.variant)
    members["config"] = _encode_section(config, dict(members.get("config") or {}))
    members["rootfs"] = {"type": "layers", "diff_ids": list(config.diff_ids)}
    _put(members, "history", [_encode_history(entry) for entry in config.history])
    return encode_document(members)


def _encode_section(config: ImageConfig, section: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Env": list(config.env),
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "Healthcheck": _encode_healthcheck(config.healthcheck),
        "Volumes": {path: {} for path in config.volumes},
        "WorkingDir": config.working_dir,
        "OnBuild": list(config.on_build),
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
        "Shell": list(config.shell),
    }
    for key, value in values.items():
        _put(section, key, value)
    return section


def _put(members: dict[str, Any], key: str, value: Any) -> None:
    """Set a member; an empty value takes it out."""
    if value:
        members[key] = value
    else:
        members.pop(key, None)


def _encode_history(entry: HistoryEntry) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key in ("created", "created_by", "author", "comment", "empty_layer"):
        _put(members, key, getattr(entry, key))
    return members


def _encode_healthcheck(check: Healthcheck | None) -> dict[str, Any] | None:
    if check is None:
        return None
    members: dict[str, Any] = {"Test": list(check.test)}
    for key, value in (
        ("Interval", check.interval_ns),
        ("Timeout", check.timeout_ns),
        ("StartPeriod", check.start_period_ns),
        ("StartInterval", check.start_interval_ns),
        ("Retries", check.retries),
    ):
        _put(members, key, value)
    return members


def _history_entry(node: Node) -> HistoryEntry:
    return HistoryEntry(
        created=node.text("created", ""),
        created_by=node.text("created_by", ""),
        comment=node.text("comment", ""),
        author=node.text("author", ""),
        empty_layer=node.flag("empty_layer"),
    )


def _healthcheck(section: Node) -> Healthcheck | None:
    if not section.members.get("Healthcheck"):
        return None
    node = section.child("Healthcheck")
    return Healthcheck(
        test=node.texts("Test"),
        interval_ns=node.number("Interval"),
        timeout_ns=node.number("Timeout"),
        start_period_ns=node.number("StartPeriod"),
        start_interval_ns=node.number("StartInterval"),
        retries=node.number("Retries"),
    )


def _diff_ids(rootfs: Node) -> tuple[str, ...]:
    found = rootfs.texts("diff_ids")
    for diff_id in found:
        if not _DIFF_ID.fullmatch(diff_id):
            raise IntegrityError(
                f'{rootfs.place}: "{diff_id[:96]}" is not a diff ID ("sha256:" and 64 '
                "hexadecimal digits)"
            )
    return found


def _environment(section: Node) -> tuple[str, ...]:
    """Entries without "=" are dropped, as Docker does: they name nothing."""
    return tuple(entry for entry in _plain_texts(section, "Env") if "=" in entry[1:])


def _ports(section: Node) -> tuple[str, ...]:
    """They stand one a line in the launch template: no port may be two."""
    found = tuple(sorted(section.child("ExposedPorts").members))
    if any("\0" in port or "\n" in port for port in found):
        raise section.wrong("ExposedPorts", "holds a zero byte or a line break")
    return found


def _plain_texts(section: Node, key: str) -> tuple[str, ...]:
    found = section.texts(key)
    if any("\0" in text for text in found):
        raise section.wrong(key, "holds a zero byte")
    return found


def _plain(section: Node, key: str) -> str:
    found = section.text(key, "")
    if "\0" in found or "\n" in found:
        raise section.wrong(key, "holds a zero byte or a line break")
    return found
