"""`pyrootless ps`: containers, running ones or all, as a table, ids, JSON or by a format.

What comes in: the engine's directories.  What goes out: a table, ids, JSON, a format's lines.
Must never: change a container; read a file of one that is not shown.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyrootless import units
from pyrootless.cli import Parser, format_age, format_rows
from pyrootless.config import find_directories
from pyrootless.engine import (
    Container,
    Found,
    describe,
    exit_code,
    labels,
    list_found,
    mounts,
    parse_filters,
    published_ports,
    select,
)
from pyrootless.engine.selection import network
from pyrootless.printable import printable

HEAD = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
MAX_COMMAND = 30
DOCKER_COMMAND = 20
"""Characters that docker shows of a command."""
MAX_PLACE = 15
"""Characters that docker shows of a volume's name or a path."""
REASONS = {"timeout": ", by timeout", "oom": ", by --memory", "cpu-time": ", by --cpu-time"}
"""What ended it → words after the rest, where the code alone would mislead."""
TITLES: dict[str, Any] = {
    "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED", "Ports": "PORTS", "State": "STATE", "Status": "STATUS",
    "Size": "SIZE", "Names": "NAMES", "Labels": "LABELS", "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES", "Networks": "NETWORKS", "Label": lambda name: name,
}  # fmt: skip
USUAL = (
    "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
)


def main(args: list[str]) -> int:
    """List containers; see the file's head."""
    options = _parser().parse_args(args)
    directories = find_directories(options.root)
    last = 1 if options.latest else max(0, options.last)
    filters = parse_filters(options.filter)
    found = list_found(directories, kept=options.all or last > 0 or "status" in filters)
    if not filters:
        found = found[: last or None]
    if options.quiet and not (filters or options.json):
        print("".join(f"{_id(item, options.no_trunc)}\n" for item in found), end="")
        return 0
    every = [describe(item) for item in found]
    shown = select(directories, every, filters, stopped=options.all, last=last)
    if options.json:
        print(json.dumps([as_object(item) for item in shown], indent=2))
    elif options.quiet:
        print("".join(f"{_id(item, options.no_trunc)}\n" for item in shown), end="")
    elif options.format is not None:
        print(_formatted(options, shown), end="")
    else:
        print(format_table(shown, time.time_ns(), options.no_trunc, options.size), end="")
    return 0


def as_object(container: Container) -> dict[str, object]:
    """The JSON form: the attributes of Container, paths as text."""
    return dataclasses.asdict(container) | {"directory": str(container.directory)}


def format_table(
    containers: list[Container], now_unix_ns: int, whole: bool = False, sizes: bool = False
) -> str:
    """Columns as wide as their widest cell."""
    head = (*HEAD, "SIZE") if sizes else HEAD
    rows = [_row(item, now_unix_ns, whole) for item in containers]
    if sizes:
        rows = [(*row, _size(item)) for row, item in zip(rows, containers, strict=True)]
    return format_rows([head, *rows])


def container_fields(
    item: Container, now_unix_ns: int, whole: bool, size: str
) -> dict[str, Any]:
    """What docker's `--format` calls a container's values."""
    own = labels(item)
    places = [mount for mount in mounts(item) if mount.kind != "tmpfs"]
    command = json.dumps(_shortened(shlex.join(item.command), whole), ensure_ascii=False)
    born = datetime.fromtimestamp(item.created_unix_ns // 1_000_000_000, UTC)
    return {
        "Command": command,
        "CreatedAt": born.strftime("%Y-%m-%d %H:%M:%S +0000 UTC"),
        "ID": _id(item, whole),
        "Image": item.image,
        "Label": lambda name: own.get(name, ""),
        "Labels": ",".join(f"{name}={text}" for name, text in own.items()),
        "LocalVolumes": str(sum(mount.kind == "volume" for mount in places)),
        "Mounts": ",".join(_shown(mount.name or mount.source, whole) for mount in places),
        "Names": item.name,
        "Networks": network(item),
        "Ports": _ports(item),
        "RunningFor": format_age(item.created_unix_ns, now_unix_ns),
        "Size": size,
        "State": item.state,
        "Status": _status(item, now_unix_ns),
    }


def _formatted(options: argparse.Namespace, shown: list[Container]) -> str:
    from pyrootless.cli import format_list

    usual = f"{USUAL}\t{{{{.Size}}}}" if options.size else USUAL
    sized = options.size or ".Size" in options.format
    rows = [
        container_fields(item, time.time_ns(), options.no_trunc, _size(item) if sized else "0B")
        for item in shown
    ]
    return format_list(options.format, rows, TITLES, usual)


def _row(item: Container, now_unix_ns: int, whole: bool) -> tuple[str, ...]:
    command = printable(shlex.join(item.command).replace("\n", " "))
    if not whole and len(command) > MAX_COMMAND:
        command = f"{command[: MAX_COMMAND - 1]}…"
    created = format_age(item.created_unix_ns, now_unix_ns)
    status = _status(item, now_unix_ns)
    return (_id(item, whole), item.image, command, created, status, _ports(item), item.name)


def _id(item: Container | Found, whole: bool) -> str:
    return item.id if whole else item.id[:12]


def _shown(place: str, whole: bool) -> str:
    """As docker cuts names and paths."""
    return place if whole or len(place) <= MAX_PLACE else f"{place[: MAX_PLACE - 1]}…"


def _shortened(command: str, whole: bool) -> str:
    cut = len(command) > DOCKER_COMMAND and not whole
    return f"{command[: DOCKER_COMMAND - 1]}…" if cut else command


def _ports(item: Container) -> str:
    """ "0.0.0.0:8080->80/tcp, …"."""
    return ", ".join(
        f"{port.place}->{port.port}/{port.protocol}" for port in published_ports(item)
    )


def _size(item: Container) -> str:
    """What the container wrote, and with its image."""
    from pyrootless.engine import read_annotations
    from pyrootless.images.store import layer_bytes

    notes = read_annotations(item)
    own = written_bytes(item)
    lowers = str(notes.get("io.pyrootless.rootfs.lower", "")).splitlines()
    trees = [Path(line) for line in lowers if line.endswith("/tree")]
    below = sum(layer_bytes(tree.parent) for tree in trees)
    return f"{units.format_size(own)} (virtual {units.format_size(own + below)})"


def written_bytes(item: Container) -> int:
    """What the container wrote to its root."""
    from pyrootless.core._layers import tree_bytes

    upper = item.directory / "upper"
    return tree_bytes(upper.resolve()) if upper.is_dir() else 0


def _status(item: Container, now_unix_ns: int) -> str:
    """In docker's words: "Up 2 minutes", "Exited (137) 3 seconds ago"."""
    if item.has_processes:
        began = item.started_unix_ns or item.created_unix_ns
        up = f"Up {units.format_span(max(0, now_unix_ns - began))}"
        if item.state == "paused":
            return f"{up} (Paused)"
        words = {"": "", "starting": " (health: starting)"}
        return f"{up}{words.get(item.health, f' ({item.health})')}"
    if item.state == "created":
        return "Created"
    code = exit_code(item)
    if code is None:
        return "Ended"
    ended = f" {format_age(item.ended_unix_ns, now_unix_ns)}" if item.ended_unix_ns else ""
    word = "Restarting" if item.state == "restarting" else "Exited"
    return f"{word} ({code}){ended}{REASONS.get(item.ended_by, '')}"


def _parser() -> Parser:
    parser = Parser(prog="pyrootless ps", description="List containers.")
    parser.add_argument("-a", "--all", action="store_true", help="stopped ones too")
    parser.add_argument(
        "-f", "--filter", metavar="KEY=VALUE", action="append", default=[],
        help="only those with: ancestor, before, exited, expose, health, id, label, name, "
        "network, publish, since, status, volume; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--format", metavar="FORMAT", help="table, table TEMPLATE, json, or a Go template"
    )
    parser.add_argument("--json", action="store_true", help="a list of objects")
    parser.add_argument(
        "-n", "--last", type=int, metavar="N", default=-1, help="the N newest, stopped or not"
    )
    parser.add_argument("-l", "--latest", action="store_true", help="the newest")
    parser.add_argument("--no-trunc", action="store_true", help="whole ids and commands")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids alone")
    parser.add_argument("-s", "--size", action="store_true", help="what each has written")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    return parser
