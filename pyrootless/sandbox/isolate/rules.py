"""Directory and environment rules of the isolate-shaped front.

What comes in: words of --dir and --env in their order. What goes out: mounts, variables.
Must never: look into a directory that is bound.

Source: isolate(1), "Environment rules", "Directory rules".
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.errors import UsageError

_OPTIONS = frozenset({"rw", "dev", "noexec", "maybe", "fs", "tmp", "norec"})
_GIVEN = frozenset({"/box", "/dev", "/proc"})
"""What every box has of its own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One directory of the box.

    Attributes:
        inside: Absolute, in the box.
        outside: Absolute, of the host; "" for a directory of the box's own.
        options: Words after the colon.
    """

    inside: str
    outside: str
    options: frozenset[str]

    def mount(self) -> dict[str, Any]:
        """The row of config.json."""
        words = ["bind" if "norec" in self.options else "rbind", "nosuid"]
        words.append("rw" if "rw" in self.options else "ro")
        words += ["noexec"] if "noexec" in self.options else []
        words += [] if "dev" in self.options else ["nodev"]
        source = self.outside
        return {"destination": self.inside, "type": "bind", "source": source, "options": words}


def parse_rules(texts: Sequence[str]) -> list[Rule]:
    """The rules that hold at the end; later ones win.

    Raises:
        UsageError: A rule has no meaning, or asks for what no box can have.
    """
    rules: dict[str, Rule | None] = {}
    for text in texts:
        spec, _, words = text.partition(":")
        inside, equals, outside = spec.partition("=")
        options = frozenset(
            filter(None, words.split(",") if "," in words else words.split(":"))
        )
        if options - _OPTIONS or not inside:
            raise UsageError(f"--dir={text}: known options are {', '.join(sorted(_OPTIONS))}")
        path = posixpath.normpath("/" + inside.strip("/"))
        if ".." in inside.split("/") or path == "/":
            raise UsageError(f"--dir={text}: {inside!r} is no directory in a box")
        removed = bool(equals) and not outside and not options & {"tmp", "fs"}
        rules[path] = None if removed else _rule(text, path, outside or path, options)
    return [rule for rule in rules.values() if rule is not None]


def _rule(text: str, path: str, outside: str, options: frozenset[str]) -> Rule | None:
    if "fs" in options:
        if path == "/proc" and outside in ("/proc", "proc"):
            return None
        raise UsageError(f"--dir={text}: a box has no file system of the kernel but /proc")
    if "tmp" in options:
        return Rule(path, "", options)
    if path in _GIVEN and outside in (path, "./box", "box"):
        return None
    if "maybe" in options and not Path(outside).is_dir():
        return None
    if not Path(outside).is_dir():
        raise UsageError(f"--dir={text}: {outside} is not a directory")
    return Rule(path, str(Path(outside).resolve()), options)


def rule_of(path: str, rules: Sequence[Rule]) -> Rule | None:
    """The rule that bound what a path of the box leads to; None: the box's own."""
    fitting = [rule for rule in rules if rule.outside and _below(path, rule.inside)]
    return max(fitting, key=lambda one: len(one.inside), default=None)


def _below(path: str, directory: str) -> bool:
    return path.startswith(directory + "/")


def environment(
    rules: Sequence[str], inherited: Mapping[str, str], everything: bool
) -> dict[str, str]:
    """The program's variables: exactly those that were asked for."""
    found = dict(inherited) if everything else {}
    for rule in ("LIBC_FATAL_STDERR_=1", *rules):
        name, equals, value = rule.partition("=")
        if not equals and name in inherited:
            found[name] = inherited[name]
        elif value:
            found[name] = value
        elif equals:
            found.pop(name, None)
    return found
