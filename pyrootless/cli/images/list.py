"""`pyrootless images [-q] [-f FILTER] [--digests] [--format F] [NAME]`: images of the store.

What comes in: the store.  What goes out: a table, IDs, or JSON.  The table, which people read,
ends with the built-in `host`; IDs and JSON, which scripts hand to `rmi`, are the store's alone.
Must never: change anything.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

from pyrootless import units
from pyrootless.cli import Parser, format_age, format_rows
from pyrootless.engine import parse_filters, parse_moment
from pyrootless.images import (
    HOST,
    Reference,
    created_unix_ns,
    is_named,
    parse_reference,
    select_images,
)
from pyrootless.images.store import StoredImage, open_store

HEAD = ("REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE")
DIGEST_COLUMN = 2
NONE = "<none>"
HOST_CELLS = (HOST, "<built-in>", NONE, NONE, "-", units.format_size(0))
"""The row of the image that is this machine's own files: it takes nothing of the disk."""

TITLES = {
    "Containers": "CONTAINERS", "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE",
    "CreatedAt": "CREATED AT", "CreatedSince": "CREATED", "Digest": "DIGEST",
    "ID": "IMAGE ID", "Repository": "REPOSITORY", "Size": "SIZE", "Tag": "TAG",
}  # fmt: skip
USUAL = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"

Row = tuple[StoredImage, Reference]


def main(args: list[str]) -> int:
    """List images; see the file's head."""
    parser = Parser(prog="pyrootless images", description="List images.")
    parser.add_argument(
        "-a", "--all", action="store_true", help="taken and ignored: there are no others"
    )
    parser.add_argument(
        "-f", "--filter", metavar="KEY=VALUE", action="append", default=[],
        help="only those with: before, dangling, label, reference, since, until",
    )  # fmt: skip
    parser.add_argument("-q", "--quiet", action="store_true", help="only IDs")
    parser.add_argument("--no-trunc", action="store_true", help="whole IDs")
    parser.add_argument("--digests", action="store_true", help="digests of manifests too")
    parser.add_argument(
        "--format", metavar="FORMAT", help="table, table TEMPLATE, json, or a Go template"
    )
    parser.add_argument("--json", action="store_true", help="a list of objects")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("name", metavar="NAME", nargs="?", help="only this repository or name")
    options = parser.parse_args(args)
    store = open_store(options.root)
    found = store.images(damaged=lambda error: print(f"pyrootless: {error}", file=sys.stderr))
    rows = [(image, name) for image in found for name in image.references]
    rows = [row for row in rows if _is_wanted(row[1], options.name)]
    if filters := parse_filters(options.filter):
        rows = select_images(store, rows, filters, parse_moment)
    if options.json:
        print(json.dumps([as_object(*row) for row in rows], indent=2))
    elif options.quiet:
        ids = dict.fromkeys(_id(image, options.no_trunc) for image, _ in rows)
        print("".join(f"{text}\n" for text in ids), end="")
    elif options.format is not None:
        print(_formatted(options, rows), end="")
    else:
        cells = [image_cells(*row, time.time_ns(), options.no_trunc) for row in rows]
        built_in = [HOST_CELLS] if not filters and options.name in (None, HOST) else []
        print(format_table([*cells, *built_in], options.digests), end="")
    return 0


def _formatted(options: argparse.Namespace, rows: list[Row]) -> str:
    from pyrootless.cli import format_list

    now, fields = time.time_ns(), []
    for image, name in rows:
        repository, tag, digest, ident, age, size = image_cells(
            image, name, now, options.no_trunc
        )
        born = datetime.fromtimestamp(created_unix_ns(image.config.created) // 10**9, UTC)
        fields.append({
            "CreatedAt": born.strftime("%Y-%m-%d %H:%M:%S +0000 UTC"), "CreatedSince": age,
            "Containers": "N/A", "SharedSize": "N/A", "UniqueSize": "N/A",
            "Digest": digest, "ID": ident, "Repository": repository, "Size": size, "Tag": tag,
        })  # fmt: skip
    return format_list(options.format, fields, TITLES, USUAL)


def as_object(image: StoredImage, name: Reference) -> dict[str, Any]:
    """The JSON form of a row."""
    return {
        "id": image.id,
        "repository": _repository(name),
        "tag": name.tag if is_named(name) else None,
        "reference": name.canonical,
        "digest": image.manifest.digest,
        "created": image.config.created,
        "size_bytes": image.size_bytes,
        "platform": str(image.config.platform),
    }


def format_table(rows: list[tuple[str, ...]], digests: bool) -> str:
    """The table; the column of digests only when it was asked for."""
    cells = [HEAD, *rows]
    if not digests:
        cells = [row[:DIGEST_COLUMN] + row[DIGEST_COLUMN + 1 :] for row in cells]
    return format_rows(cells)


def image_cells(
    image: StoredImage, name: Reference, now_unix_ns: int, whole_ids: bool
) -> tuple[str, ...]:
    """A row of the table: repository, tag, digest, ID, age, size."""
    return (
        _repository(name) or NONE,
        (name.tag if is_named(name) else None) or NONE,
        image.manifest.digest,
        _id(image, whole_ids),
        format_age(created_unix_ns(image.config.created), now_unix_ns),
        units.format_size(image.size_bytes),
    )


def _repository(name: Reference) -> str | None:
    """The name as a person types it, without a tag."""
    if not is_named(name):
        return None
    tagged = Reference(name.domain, name.path, "latest").familiar
    return tagged.removesuffix(":latest")


def _id(image: StoredImage, whole: bool) -> str:
    return image.id if whole else image.id.removeprefix("sha256:")[:12]


def _is_wanted(name: Reference, wanted: str | None) -> bool:
    if wanted is None:
        return True
    asked = parse_reference(wanted)
    written_tag = wanted.endswith(f":{asked.tag}") or asked.digest is not None
    same = name.name == asked.name
    return same and (not written_tag or name.tag == asked.tag)
