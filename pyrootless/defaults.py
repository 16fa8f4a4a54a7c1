"""The user's own values for options of `run` and `create`: one TOML file.

What comes in: $XDG_CONFIG_HOME/pyrootless/config.toml (docs/configuration.md describes it).
What goes out: `Defaults`: words that the option table takes, and how the launcher reads them
(csrc/config/defaults.c).
Must never: give an option a meaning, pass over a key it does not know, touch a sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.errors import UsageError

FILE_NAME = "config.toml"
OPTIONS = frozenset(
    (
        *(
            "add-host",
            "cpus",
            "dns",
            "dns-option",
            "dns-search",
            "init",
            "limits",
            "log-driver",
        ),
        *("log-opt", "memory", "network", "pids-limit", "shm-size", "stop-timeout"),
        *("storage-driver", "ulimit", "userns"),
    )
)
"""Options that a person wants for every container alike; the others are about one."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the file says; without a file, nothing.

    Attributes:
        path: Where the file is, or would be; None: there is no place for it.
        stamp: Which state of the file was read: seconds, nanoseconds, bytes, inode; "": none.
        words: "NAME=VALUE" of options, in the order of the file.
    """

    path: Path | None = None
    stamp: str = ""
    words: tuple[str, ...] = ()

    @property
    def packed(self) -> bytes:
        """The words as C takes them, a zero byte after each."""
        return b"".join(word.encode(errors="surrogateescape") + b"\0" for word in self.words)

    @property
    def note(self) -> bytes:
        """What DATA/cache/options holds: the stamp, and the words."""
        return self.stamp.encode() + b"\0" + self.packed


def read_defaults(environ: Mapping[str, str] | None = None) -> Defaults:
    """What the user's file says.

    Raises:
        UsageError: It cannot be read, or says something that has no meaning; names the key.
    """
    path = find_file(os.environ if environ is None else environ)
    try:
        if path is None:
            return Defaults()
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            text = file.read().decode()
    except (FileNotFoundError, NotADirectoryError):
        return Defaults(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    seconds, ns = divmod(facts.st_mtime_ns, 1_000_000_000)
    stamp = f"{seconds} {ns} {facts.st_size} {facts.st_ino}"
    return Defaults(path, stamp, parse_defaults(text, path))


def find_file(environ: Mapping[str, str]) -> Path | None:
    """Where config.toml is looked for; relative values count as unset (XDG directories)."""
    given, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
    if given.startswith("/"):
        return Path(given, "pyrootless", FILE_NAME)
    return Path(home, ".config/pyrootless", FILE_NAME) if home.startswith("/") else None


def parse_defaults(text: str, path: Path) -> tuple[str, ...]:
    """The words of the file's text.

    Args:
        path: Named in errors.

    Raises:
        UsageError: Not TOML, an unknown key, or a value of the wrong kind; names the key.
    """
    import tomllib  # most users have no such file

    try:
        document = tomllib.loads(text)
        unknown = sorted(set(document) - {"run"})
        if unknown:
            raise ValueError(f'there is no table "{unknown[0]}"; the one that there is: [run]')
        table = document.get("run", {})
        if not isinstance(table, dict):
            raise ValueError("run is a table: write [run]")
        return tuple(word for name, value in table.items() for word in _words_of(name, value))
    except ValueError as error:  # tomllib.TOMLDecodeError is one
        raise UsageError(f"{path}: {error}; see docs/configuration.md") from error


def _words_of(name: str, value: Any) -> list[str]:
    if name not in OPTIONS:
        known = ", ".join(sorted(OPTIONS))
        raise ValueError(f"run.{name} has no meaning; these have one: {known}")
    values = value if isinstance(value, list) else [value]
    return [f"{name}={_text_of(name, item)}" for item in values]


def _text_of(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float) and "\0" not in str(value):
        return str(value)
    raise ValueError(f"run.{name} is a text, a number, true or false, or a list of texts")
