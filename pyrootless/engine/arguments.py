"""Keyword options → the words of `pyrootless run`.

What comes in: Python values named as the options are ("read_only", "env", "timeout").
What goes out: a list of str that the C option table parses; the same meaning, one parser.
Must never: check a value or know a default: the table does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache

from pyrootless.core import _containers
from pyrootless.errors import UsageError

OptionValue = (
    bool
    | str
    | int
    | float
    | os.PathLike[str]
    | Sequence[str | os.PathLike[str]]
    | Mapping[str, str]
    | None
)
"""bool: a flag; Mapping: NAME=VALUE once each; Sequence: once for each; None: not given."""


@cache
def _kinds() -> dict[str, str]:
    """Name of each option of `run` → its kind."""
    run = _containers.VERBS["run"]
    rows = [row for row in _containers.option_rows() if int(str(row["verbs"])) & run]
    return {str(row["name"]): str(row["kind"]) for row in rows}


def to_argv(image: str, args: Sequence[str], options: Mapping[str, OptionValue]) -> list[str]:
    """The words after `run`.

    Args:
        image: Image name; a directory when options has rootfs=True.
        args: The program and its arguments; empty: what the image says.
        options: Options of `pyrootless run` with "_" for "-".

    Raises:
        UsageError: There is no such option, or a value of the wrong type.
    """
    words: list[str] = []
    for key, value in options.items():
        words += _words_of(key.rstrip("_").replace("_", "-"), value)
    return [*words, "--", image, *args]


def _words_of(name: str, value: OptionValue) -> list[str]:
    kind = _kinds().get(name)
    if kind is None:
        raise UsageError(f"there is no option {name!r}; `pyrootless run --help` lists them")
    if value is None:
        return []
    if isinstance(value, bool):
        if kind != "flag":
            raise UsageError(f"option {name!r} takes a value and not {value}")
        return [f"--{name}={'true' if value else 'false'}"]
    if kind == "flag":
        raise UsageError(f"option {name!r} is a flag: write True or False")
    if isinstance(value, Mapping):
        return [f"--{name}={key}={text}" for key, text in value.items()]
    if isinstance(value, str | os.PathLike | int | float):
        return [f"--{name}={os.fspath(value) if isinstance(value, os.PathLike) else value}"]
    return [f"--{name}={os.fspath(item)}" for item in value]
