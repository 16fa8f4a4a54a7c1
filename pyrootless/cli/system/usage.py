"""`pyrootless system df`: what the store takes of the disk, kind by kind or thing by thing.

What comes in: the store, volumes and containers.  What goes out: docker's tables, JSON, lines.
Must never: change anything.

Source: docker-system-df(1). What docker has no row for comes after its four.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from typing import Any

from pyrootless import units
from pyrootless.cli.rows import align, format_list
from pyrootless.engine import list_containers, list_volumes, measure_volumes
from pyrootless.errors import UsageError
from pyrootless.images.store import Store, UsageRow, open_store

TITLES = {
    "Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}  # fmt: skip
USUAL = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"
NOTHING = UsageRow(0, 0, 0, 0)
IMAGES = ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE")
CONTAINERS = ("CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS")
VOLUMES = ("VOLUME NAME", "LINKS", "SIZE")
BUILDS = ("CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED")


def show_usage(options: argparse.Namespace) -> int:
    """Serve `df`; see the file's head."""
    store = open_store(options.root)
    if options.verbose:
        if options.format is not None or options.json:
            raise UsageError("system df: a format is for the summary: leave -v out")
        print(_every_thing(store), end="")
        return 0
    rows = usage_rows(store)
    if options.json:
        print(json.dumps({kind: dataclasses.asdict(row) for kind, _, row in rows}, indent=2))
        return 0
    fields = [_fields(title, row) for _, title, row in rows]
    print(format_list(options.format or "table", fields, TITLES, USUAL), end="")
    return 0


def usage_rows(store: Store) -> list[tuple[str, str, UsageRow]]:
    """(name in JSON, title, row) of each kind."""
    usage = store.usage()
    return [
        ("images", "Images", usage.images),
        ("containers", "Containers", usage.containers),
        ("volumes", "Local Volumes", measure_volumes(list_volumes(store.directories))),
        ("builds", "Build Cache", NOTHING),
        ("unnamed", "Unnamed layers and blobs", usage.unnamed),
        ("leftovers", "Leftovers", usage.leftovers),
        ("cache", "Cache", usage.cache),
    ]


def _fields(title: str, row: UsageRow) -> dict[str, Any]:
    part = f" ({row.reclaimable_bytes * 100 // row.size_bytes}%)" if row.size_bytes else ""
    return {
        "Type": title,
        "TotalCount": str(row.total),
        "Active": str(row.active),
        "Size": units.format_decimal(row.size_bytes),
        "Reclaimable": units.format_decimal(row.reclaimable_bytes) + part,
    }


def _every_thing(store: Store) -> str:
    volumes = [
        (item.name, str(len(item.users)), units.format_decimal(item.size_bytes))
        for item in list_volumes(store.directories)
    ]
    return "".join((
        _section("Images space usage:", [(*IMAGES, "CONTAINERS"), *_images(store)]),
        _section("Containers space usage:", [(*CONTAINERS, "NAMES"), *_containers(store)]),
        _section("Local Volumes space usage:", [VOLUMES, *volumes]),
        _section("Build cache usage: 0B", [BUILDS]),
    )).removesuffix("\n")  # fmt: skip


def _section(head: str, rows: list[tuple[str, ...]]) -> str:
    return f"{head}\n\n{align(rows)}\n"


def _images(store: Store) -> list[tuple[str, ...]]:
    from pyrootless.cli.images import image_cells

    found = []
    for item in store.image_usage():
        sizes = (item.size_bytes, item.shared_bytes, item.size_bytes - item.shared_bytes)
        shown = [units.format_decimal(size) for size in sizes]
        for name in item.image.references:
            repository, tag, _, ident, age, _ = image_cells(
                item.image, name, time.time_ns(), False
            )
            found.append((repository, tag, ident, age, *shown, str(item.containers)))
    return found


def _containers(store: Store) -> list[tuple[str, ...]]:
    from pyrootless.cli.containers import container_fields, written_bytes

    fields = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
    found = []
    for item in list_containers(store.directories):
        size = units.format_decimal(written_bytes(item))
        row = container_fields(item, time.time_ns(), False, size)
        found.append(tuple(str(row[field]) for field in fields))
    return found
