""".dockerignore: which files of a context are not there for a build.

What comes in: the file's text; paths.  What goes out: whether a path is left out.
Must never: open a file.

The last rule that fits counts.  A rule that fits a directory fits what is in it; a rule with
"!" brings a file back even when its directory is left out.
Source: Dockerfile reference, ".dockerignore file"; what it leaves open is as
moby/patternmatcher does it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pyrootless.build.dockerfile.patterns import compile_pattern


@dataclass(frozen=True, slots=True)
class Rule:
    """One line.

    Attributes:
        written: As it stands in the file, cleaned.
        pattern: What fits it.
        keeps: It begins with "!".
    """

    written: str
    pattern: re.Pattern[str]
    keeps: bool


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """All lines of one file.

    Attributes:
        rules: In their order.
    """

    rules: tuple[Rule, ...] = ()

    def leaves_out(self, path: str) -> bool:
        """Whether a path, relative and without "./", is not in the context."""
        left_out = False
        parents = _with_parents(path)
        for rule in self.rules:
            if rule.keeps == left_out and any(map(rule.pattern.fullmatch, parents)):
                left_out = not rule.keeps
        return left_out

    def may_keep_below(self, directory: str) -> bool:
        """Whether something in a directory that is left out may be brought back."""
        return any(rule.keeps for rule in self.rules) and any(
            _could_be_below(rule.written, directory) for rule in self.rules if rule.keeps
        )


def parse_ignore(text: str) -> IgnoreRules:
    """The rules of a .dockerignore.

    Raises:
        PatternError: A line has no meaning.
    """
    return make_rules(_lines(text))


def make_rules(patterns: Iterable[str]) -> IgnoreRules:
    """Rules of patterns, as `--exclude` gives them.  Raises PatternError."""
    found = []
    for pattern in patterns:
        keeps = pattern.startswith("!")
        text = pattern[1:].strip() if keeps else pattern
        if not text:
            continue
        cleaned = posixpath.normpath(text)
        if len(cleaned) > 1:
            cleaned = cleaned.lstrip("/")
        if cleaned:
            found.append(Rule(cleaned, compile_pattern(cleaned), keeps))
    return IgnoreRules(tuple(found))


def _lines(text: str) -> Iterable[str]:
    for line in text.removeprefix("\ufeff").splitlines():
        if line.startswith("#"):
            continue
        bare = line.strip()
        if bare:
            yield bare


def _with_parents(path: str) -> list[str]:
    """The path, and each directory that it is in."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _could_be_below(pattern: str, directory: str) -> bool:
    """Whether a path that fits may lie in a directory; True when that is not clear."""
    for part, name in zip(pattern.split("/"), directory.split("/"), strict=False):
        if "**" in part:
            return True
        if not compile_pattern(part).fullmatch(name):
            return False
    return True
