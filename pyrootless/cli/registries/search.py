"""`pyrootless search [-f FILTER] [--limit N] [--list-tags] [HOST/]TERM`: find images.

What comes in: a term, of Docker Hub when no host stands before it.
What goes out: a table, JSON, or lines of a Go template, on standard output.
Must never: fetch an image.

Source: docker-search(1), podman-search(1).
"""

from __future__ import annotations

import argparse

from pyrootless.cli import Parser, format_list
from pyrootless.engine import parse_filters
from pyrootless.errors import UsageError
from pyrootless.images import parse_reference
from pyrootless.images.registry import Match, RegistryClient, load_settings
from pyrootless.printable import printable

HUB = "docker.io"
DESCRIPTION_CHARS = 45
LIMITS = range(1, 101)
TITLES = {
    "Description": "DESCRIPTION", "IsAutomated": "AUTOMATED", "IsOfficial": "OFFICIAL",
    "Name": "NAME", "StarCount": "STARS",
}  # fmt: skip
TAG_TITLES = {"Name": "NAME", "Tag": "TAG"}
USUAL = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}"


def main(args: list[str]) -> int:
    """Search; see the file's head."""
    options = _parser().parse_args(args)
    if options.limit not in LIMITS:
        raise UsageError(f"--limit {options.limit}: write a number from 1 to {LIMITS[-1]}")
    if options.list_tags:
        print(_tags(options), end="")
        return 0
    filters = parse_filters(options.filter)
    for key in filters:
        if key not in ("is-automated", "is-official", "stars"):
            raise UsageError(f"-f {key}: write is-official=, is-automated= or stars=")
    wanted = {key: _last(key, values) for key, values in filters.items()}
    host, term = _parts(options.term)
    with RegistryClient(host, load_settings()) as client:
        found = client.search(term, options.limit)
    rows = [_fields(match, host, options) for match in found if _is_wanted(match, wanted)]
    print(format_list(options.format or "table", rows, TITLES, USUAL), end="")
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless search",
        description="Find images of Docker Hub, or of another registry.",
        epilog="Without a search of its own, a registry is asked for its catalog, which tells "
        "names alone.",
    )
    add = parser.add_argument
    add("-f", "--filter", metavar="KEY=VALUE", action="append", default=[],
        help="only those with: is-official=BOOL, is-automated=BOOL, stars=LEAST")  # fmt: skip
    add("--format", metavar="FORMAT", help="table TEMPLATE, json, or a Go template")
    add("--limit", metavar="N", type=int, default=25, help="at most so many (default: 25)")
    add("--list-tags", action="store_true", help="TERM is a repository: list its tags")
    add("--no-trunc", action="store_true", help="whole descriptions")
    add("term", metavar="[HOST/]TERM")
    return parser


def _parts(text: str) -> tuple[str, str]:
    """Host and term."""
    first, slash, rest = text.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        host, term = first, rest
    else:
        host, term = HUB, text
    if host in (HUB, "index.docker.io") and not term:
        raise UsageError("search: Docker Hub wants a word to search for")
    return (HUB if host == "index.docker.io" else host), term


def _last(key: str, values: list[str]) -> int:
    """What the filter asks for: stars, or a truth as 0 or 1."""
    text = values[-1]
    if key == "stars" and text.isascii() and text.isdigit():
        return int(text)
    if key != "stars" and text.lower() in ("true", "1", "false", "0"):
        return int(text.lower() in ("true", "1"))
    kind = "a number" if key == "stars" else "true or false"
    raise UsageError(f"-f {key}={text}: write {kind}")


def _is_wanted(match: Match, wanted: dict[str, int]) -> bool:
    return (
        match.stars >= wanted.get("stars", 0)
        and match.official == wanted.get("is-official", match.official)
        and match.automated == wanted.get("is-automated", match.automated)
    )


def _fields(match: Match, host: str, options: argparse.Namespace) -> dict[str, str]:
    text = printable(match.description)
    if not options.no_trunc and len(text) > DESCRIPTION_CHARS:
        text = text[: DESCRIPTION_CHARS - 1] + "…"
    as_json = options.format == "json" or "json" in (options.format or "")
    no, yes = ("false", "true") if as_json else ("", "[OK]")
    return {
        "Description": text,
        "IsAutomated": yes if match.automated else no,
        "IsOfficial": yes if match.official else no,
        "Name": printable(match.name if host == HUB else f"{host}/{match.name}"),
        "StarCount": str(match.stars),
    }


def _tags(options: argparse.Namespace) -> str:
    """A line for each tag of a repository."""
    settings = load_settings()
    reference = parse_reference(settings.expand_alias(options.term))
    with RegistryClient(reference.domain, settings) as client:
        tags = client.tags(reference.path)[: options.limit]
    name = reference.familiar.rpartition(":")[0] if reference.tag else reference.familiar
    fields = [{"Name": name, "Tag": printable(tag)} for tag in tags]
    return format_list(options.format or "table", fields, TAG_TITLES, "{{.Name}}\t{{.Tag}}")
