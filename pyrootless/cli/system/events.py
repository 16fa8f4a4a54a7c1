"""`pyrootless events`: what happens to containers and images, as it happens.

What comes in: the engine's directories, bounds, filters.  What goes out: a line an event.
Must never: end by itself without a bound.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from pyrootless.cli import Parser, format_list
from pyrootless.config import find_directories
from pyrootless.core._containers import read_moment
from pyrootless.engine import parse_filters
from pyrootless.engine.watching import check_event_filters, read_events
from pyrootless.printable import printable


def main(args: list[str]) -> int:
    """Print events; see the file's head."""
    options = _parser().parse_args(args)
    filters = parse_filters(options.filter)
    check_event_filters(filters)
    since = read_moment("--since", options.since) if options.since else None
    until = read_moment("--until", options.until) if options.until else None
    directories = find_directories(options.root)
    for event in read_events(directories, filters, since_ns=since, until_ns=until):
        sys.stdout.write(_shown(event, options.format))
        sys.stdout.flush()
    return 0


def as_line(event: dict[str, Any]) -> str:
    """ "TIME TYPE ACTION ID (KEY=VALUE, …)", as docker writes it."""
    seconds, ns = divmod(event["timeNano"], 1_000_000_000)
    moment = datetime.fromtimestamp(seconds).astimezone()
    zone = moment.strftime("%z")
    shown_zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{ns:09d}{shown_zone}"
    actor = event["Actor"]
    pairs = ", ".join(f"{key}={value}" for key, value in actor["Attributes"].items())
    line = f"{stamp} {event['Type']} {event['Action']} {actor['ID']}"
    return printable(f"{line} ({pairs})" if pairs else line)


def _shown(event: dict[str, Any], form: str | None) -> str:
    if not form:
        return f"{as_line(event)}\n"
    if form.strip() in ("json", "{{json .}}"):
        return f"{json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n"
    fields = {
        "Status": event.get("status", ""),
        "ID": event.get("id", ""),
        "From": event.get("from", ""),
        "Type": event["Type"],
        "Action": event["Action"],
        "Actor": event["Actor"],
        "Scope": event.get("scope", ""),
        "Time": event.get("time", 0),
        "TimeNano": event["timeNano"],
    }
    return format_list(form, [fields], {}, "")


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless events",
        description="Show what happens to containers that have a name, and to images.",
    )
    parser.add_argument(
        "-f", "--filter", metavar="KEY=VALUE", action="append", default=[],
        help="only those with: container, event, image, label, type, volume; may be repeated",
    )  # fmt: skip
    parser.add_argument("--format", metavar="FORMAT", help="json, or a Go template")
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="from this time on: a date, seconds, or 10m (ago)",
    )
    parser.add_argument("--until", metavar="TIME", help="end at this time")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    return parser
