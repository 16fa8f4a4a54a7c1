"""`pyrootless volume ls [-q] [-f FILTER] [--format F]`: list volumes.

What comes in: the engine's directories.  What goes out: a table, names, JSON, a format's lines;
on standard error what lies among the volumes and is none.
Must never: change anything.
"""

from __future__ import annotations

import sys
from typing import Any

from pyrootless.cli import Parser, format_list
from pyrootless.config import find_directories
from pyrootless.engine import Volume, list_volumes, parse_filters, select_volumes

TITLES: dict[str, Any] = {
    "Availability": "AVAILABILITY", "Driver": "DRIVER", "Group": "GROUP", "Labels": "LABELS",
    "Label": lambda name: name, "Links": "LINKS", "Mountpoint": "MOUNTPOINT",
    "Name": "VOLUME NAME", "Scope": "SCOPE", "Size": "SIZE", "Status": "STATUS",
}  # fmt: skip
USUAL = "{{.Driver}}\t{{.Name}}"


def main(args: list[str]) -> int:
    """List them; see the file's head."""
    parser = Parser(prog="pyrootless volume ls", description="List volumes.")
    parser.add_argument(
        "-f", "--filter", metavar="KEY=VALUE", action="append", default=[],
        help="only those with: dangling, driver, label, name; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--format", metavar="FORMAT", default="table",
        help="table, table TEMPLATE, json, or a Go template",
    )  # fmt: skip
    parser.add_argument("-q", "--quiet", action="store_true", help="names alone")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    options = parser.parse_args(args)
    found = list_volumes(
        find_directories(options.root),
        damaged=lambda error: print(f"pyrootless: {error}", file=sys.stderr),
    )
    shown = select_volumes(found, parse_filters(options.filter))
    if options.quiet:
        print("".join(f"{volume.name}\n" for volume in shown), end="")
    else:
        rows = [as_fields(volume) for volume in shown]
        print(format_list(options.format, rows, TITLES, USUAL), end="")
    return 0


def as_fields(volume: Volume) -> dict[str, Any]:
    """What docker's `--format` calls a volume's values. Docker counts links and sizes in
    `system df -v` alone."""
    labels = volume.labels
    return {
        "Availability": "N/A",
        "Driver": "local",
        "Group": "N/A",
        "Label": lambda name: labels.get(name, ""),
        "Labels": ",".join(f"{name}={text}" for name, text in labels.items()),
        "Links": "N/A",
        "Mountpoint": str(volume.mountpoint),
        "Name": volume.name,
        "Scope": "local",
        "Size": "N/A",
        "Status": "N/A",
    }
