"""What completions offer: verbs, their options, and what belongs where.

In: the rows of the option table, the parsers of the verbs that Python serves.
Out: values that gen_completion.py writes down for each shell.
Never: a word for an option that its row does not have
(tests/unit/cli/system/test_completion.py).
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from pyrootless.cli.arguments import Parser
from pyrootless.cli.main import NATIVE, VERBS, module_of

TABLED = ("run", "create", *NATIVE)
"""Verbs whose options are rows of the table."""

VALUES = {
    "fake-root": "remember silent off",
    "limits": "strict best-effort",
    "log-driver": "json-file k8s-file journald passthrough none",
    "network": "none host auto pasta slirp4netns container:",
    "pull": "missing always never",
    "restart": "no on-failure always unless-stopped",
    "storage-driver": "auto overlay fuse-overlayfs",
    "userns": "auto single range range:overflow keep-id nomap",
}
"""Option of run → the words it takes; "container:" is followed by a container's name."""

OF_FILES = ("volume", "device")
PLACES = {
    **dict.fromkeys(("run", "create"), ("bases", "program")),
    "exec": ("containers", "program"),
    "attach": ("containers", "nothing"),
    "prepare": ("bases", "bases"),
    "unshare": ("program", "program"),
    "inspect": ("all", "all"),
    "import": ("files", "nothing"),
    "judge": ("files", "files"),
    "tag": ("images", "nothing"),
    "commit": ("containers", "images"),
    "cp": ("files", "files"),
    "images": ("images", "nothing"),
    **dict.fromkeys(("stop", "kill", "rm", "wait"), ("containers", "containers")),
    **dict.fromkeys(("start", "restart", "update"), ("containers", "containers")),
    **dict.fromkeys(("pause", "unpause"), ("containers", "containers")),
    "rename": ("containers", "nothing"),
    **dict.fromkeys(("top", "port", "logs", "export", "diff"), ("containers", "nothing")),
    "stats": ("containers", "containers"),
    **dict.fromkeys(("history", "rmi", "save", "pull"), ("images", "images")),
}
"""Verb → what its first word is, and what the others are: `bases` are images and `host`, `all`
are containers and images."""


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        names: all ways to write it, the long one first.
        value: the value's name for people; "" for a flag.
        takes: words, or ("files",), or () where nothing is known of the value.
        help: one line.
    """

    names: tuple[str, ...]
    value: str
    takes: tuple[str, ...]
    help: str


UNSHARE_MAP = Option(("--map",), "MAP", ("range", "single"), "which ids there are")
"""csrc/cli/unshare.c reads its one option itself."""


@dataclass(frozen=True)
class Verb:
    """One verb: words are those that alone may come first, as `df` of system."""

    name: str
    help: str
    options: tuple[Option, ...]
    words: tuple[str, ...]
    first: str
    rest: str


class _CaughtError(Exception):
    """The parser of a verb, at the moment it was to be used."""


def read_verbs(raw: Iterable[dict[str, Any]]) -> list[Verb]:
    """All verbs, in the order of the help."""
    rows = list(raw)
    return [_verb(name, text, rows) for name, text in VERBS.items()]


def _verb(name: str, text: str, rows: list[dict[str, Any]]) -> Verb:
    from pyrootless.core._containers import VERBS as bits  # of a row's verbs

    words: tuple[str, ...] = tuple(VERBS) if name == "help" else ()
    options: list[Option] = []
    if name in TABLED:
        options = [_row(row) for row in rows if row["help"] and row["verbs"] & bits[name]]
    elif name == "unshare":
        options = [UNSHARE_MAP]
    elif name not in ("bench", "help"):
        options, words = _parsed(_parser_of(name))
    return Verb(name, text, tuple(options), words, *PLACES.get(name, ("nothing", "nothing")))


def _row(row: dict[str, Any]) -> Option:
    name, letter = row["name"], row["letter"]
    names = (f"--{name}", f"-{letter}") if letter else (f"--{name}",)
    takes = tuple(VALUES.get(name, "").split())
    if str(row["kind"]) == "path" or name in OF_FILES:
        takes = ("files",)
    return Option(names, row["metavar"], takes, row["help"])


def _parser_of(name: str) -> Parser:
    def catch(self: Parser, *_: object) -> NoReturn:
        raise _CaughtError(self)

    before = Parser.parse_args
    Parser.parse_args = catch  # type: ignore[assignment, method-assign]
    try:
        importlib.import_module(module_of(name)).main([])
    except _CaughtError as caught:
        return caught.args[0]  # type: ignore[no-any-return]
    finally:
        Parser.parse_args = before  # type: ignore[method-assign]
    raise AssertionError(f"{name} has no parser")


def _parsed(parser: argparse.ArgumentParser) -> tuple[list[Option], tuple[str, ...]]:
    """Options, those of verbs below it among them, and the words that may come first."""
    options: dict[str, Option] = {}
    words: tuple[str, ...] = ()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            words = tuple(action.choices)
            for below in action.choices.values():
                options |= {option.names[0]: option for option in _parsed(below)[0]}
        elif not action.option_strings:
            words = words or tuple(map(str, action.choices or ()))
        else:
            option = _action(action)
            options[option.names[0]] = option
    return list(options.values()), words


def _action(action: argparse.Action) -> Option:
    names = tuple(sorted(action.option_strings, key=len, reverse=True))
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    takes = tuple(map(str, action.choices or ()))
    if value in ("FILE", "DIR", "DIRECTORY"):
        takes = ("files",)
    return Option(names, value, takes, " ".join((action.help or "").split()))
