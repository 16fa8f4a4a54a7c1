"""Words of an instruction: quotes, escapes and variables.

What comes in: a text, the escape character, how to look a variable up.
What goes out: the text expanded, its words, and the variables that were not set.
Must never: run anything, look at this process's own environment.

Source: Dockerfile reference, "Environment replacement"; POSIX.1-2017, Shell Command Language
2.6.2. What is documented nowhere is as BuildKit does it: a pattern knows * and ?, and nothing
in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

Lookup = Callable[[str], str | None]
"""A variable's name → its value; None: it is not set."""

_SPECIAL = frozenset("@*#?-$!0")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DIGITS = re.compile(r"[0-9]+")
MAX_DEPTH = 100
"""Of substitutions in each other."""


class WordError(ValueError):
    """A text that no shell would take; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """What came of a text.

    Attributes:
        text: All of it as one word.
        words: Split at white space that was not quoted.
        unset: Names that have no value.
    """

    text: str
    words: tuple[str, ...]
    unset: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """How quotes, escapes and variables are taken.

    Attributes:
        escape: The escape character.
        raw: Quotes and escapes stay in the text.
        keep_unset: A variable without a value stays as it is written.
    """

    escape: str = "\\"
    raw: bool = False
    keep_unset: bool = False


def nothing_set(_: str) -> None:
    """A `Lookup` without variables."""


def expand(text: str, lookup: Lookup, rules: Rules = Rules()) -> Expanded:
    """Take quotes and escapes away and put values in.

    Raises:
        WordError: A quote or substitution is not closed, or has no meaning.
    """
    walk = _Walk(text, lookup, rules)
    whole = walk.until("", rules.raw)
    return Expanded(whole, tuple(walk.words.done()), tuple(dict.fromkeys(walk.unset)))


def expand_document(text: str, lookup: Lookup, escape: str) -> Expanded:
    """Put values into a here-document, as a shell does: a quote is a letter like others.

    Raises:
        WordError: A substitution has no meaning.
    """
    found: list[str] = []
    unset: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        after = text[at + 1 : at + 2]
        if letter == escape and after and after in f"${escape}":
            found.append(after)
            at += 2
        elif letter == "$":
            walk = _Walk(text, lookup, Rules(escape))
            walk.at = at
            found.append(walk.variable())
            unset += walk.unset
            at = walk.at
        else:
            found.append(letter)
            at += 1
    whole = "".join(found)
    return Expanded(whole, (), tuple(dict.fromkeys(unset)))


@dataclass(slots=True)
class _Words:
    """Words as they grow; quoted white space does not end one."""

    found: list[str] = field(default_factory=list)
    at_hand: list[str] | None = None

    def add(self, text: str) -> None:
        """Text without quotes."""
        for letter in text:
            if letter.isspace():
                self.end()
            else:
                self.add_quoted(letter)

    def add_quoted(self, text: str) -> None:
        """Text in quotes, which makes a word even where it is empty."""
        if self.at_hand is None:
            self.at_hand = []
        self.at_hand.append(text)

    def end(self) -> None:
        if self.at_hand is not None:
            self.found.append("".join(self.at_hand))
            self.at_hand = None

    def done(self) -> list[str]:
        self.end()
        return self.found


class _Walk:
    def __init__(self, text: str, lookup: Lookup, rules: Rules) -> None:
        self.text = text
        self.at = 0
        self.words = _Words()
        self.unset: list[str] = []
        self._lookup = lookup
        self._rules = rules
        self._depth = 0

    def until(self, stop: str, raw_escapes: bool) -> str:
        """The text up to a letter, which is passed over.  "": to the end."""
        found: list[str] = []
        while self.at < len(self.text):
            letter = self.text[self.at]
            if stop and letter == stop:
                self.at += 1
                return "".join(found)
            if letter in "'\"$":
                part, quoted = self._special(letter)
                found.append(part)
                if quoted:
                    self.words.add_quoted(part)
                else:
                    self.words.add(part)
                continue
            self.at += 1
            if letter == self._rules.escape:
                part = self._escaped(raw_escapes)
                found.append(part)
                if part:
                    self.words.add_quoted(part)
                continue
            found.append(letter)
            self.words.add(letter)
        if stop:
            raise WordError(f'a "{stop}" is missing at the end of a substitution')
        return "".join(found)

    def _escaped(self, raw: bool) -> str:
        """The letter after the escape character; at the very end there is none."""
        letter = self.text[self.at : self.at + 1]
        self.at += 1
        return self._rules.escape + letter if raw and letter else letter

    def _special(self, letter: str) -> tuple[str, bool]:
        if letter == "'":
            return self._single(), True
        if letter == '"':
            return self._double(), True
        return self.variable(), False

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise WordError("a ' is missing: the quotation does not end")
        inside = self.text[self.at + 1 : end]
        self.at = end + 1
        return f"'{inside}'" if self._rules.raw else inside

    def _double(self) -> str:
        found: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == '"':
                self.at += 1
                inside = "".join(found)
                return f'"{inside}"' if self._rules.raw else inside
            if letter == "$":
                found.append(self.variable())
                continue
            self.at += 1
            if letter == self._rules.escape:
                found.append(self._escaped_in_double())
            else:
                found.append(letter)
        raise WordError('a " is missing: the quotation does not end')

    def _escaped_in_double(self) -> str:
        """Only these letters are escaped there; before others the escape stays."""
        escape = self._rules.escape
        letter = self.text[self.at : self.at + 1]
        self.at += 1
        if letter and letter in f'"${escape}' and not self._rules.raw:
            return letter
        return escape + letter

    def variable(self) -> str:
        """What stands at a "$", which is passed over."""
        self.at += 1
        if self.text[self.at : self.at + 1] != "{":
            name = self._name()
            return self._value(name, f"${name}") if name else "$"
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise WordError("too many substitutions in each other")
        self.at += 1
        outer, self.words = self.words, _Words()  # words inside are not words of the text
        try:
            return self._braces()
        finally:
            self.words = outer
            self._depth -= 1

    def _braces(self) -> str:
        start = self.at
        if self.text[start : start + 1] in ("", "{", "}", ":"):
            raise WordError(f'"${{{self.text[start : start + 1]}" names no variable')
        name = self._name()
        kind = self.text[self.at : self.at + 1]
        self.at += 1
        if kind == "}":
            return self._value(name, f"${{{name}}}")
        if not kind:
            raise WordError(f'a "}}" is missing after "${{{name}"')
        if kind == "/":
            return self._replaced(name)
        colon = kind == ":"
        if colon:
            kind = self.text[self.at : self.at + 1]
            self.at += 1
        if kind in ("#", "%") and not colon:
            return self._trimmed(name, kind)
        if kind not in ("-", "+", "?"):
            shown = f":{kind}" if colon else kind
            raise WordError(f'"{shown}" is no modifier of a substitution: ${{{name}{shown}…}}')
        word = self.until("}", False)
        return self._chosen(name, kind, word, colon)

    def _chosen(self, name: str, kind: str, word: str, colon: bool) -> str:
        value = self._lookup(name)
        missing = value is None or (colon and value == "")
        if kind == "+":
            return "" if missing else word
        if not missing:
            return value or ""
        if kind == "-":
            return word
        reason = word or (
            "is not allowed to be empty" if colon else "is not allowed to be unset"
        )
        raise WordError(f"{name}: {reason}")

    def _trimmed(self, name: str, kind: str) -> str:
        longest = self.text[self.at : self.at + 1] == kind
        if longest:
            self.at += 1
        pattern = re.compile(
            shell_pattern(self.until("}", True), self._rules.escape), re.DOTALL
        )
        value = self._value(name, "")
        lengths = range(len(value) + 1)
        for count in reversed(lengths) if longest else lengths:
            cut = value[:count] if kind == "#" else value[len(value) - count :]
            if pattern.fullmatch(cut):
                return value[count:] if kind == "#" else value[: len(value) - count]
        return value

    def _replaced(self, name: str) -> str:
        every = self.text[self.at : self.at + 1] == "/"
        if every:
            self.at += 1
        pattern = re.compile(
            shell_pattern(self.until("/", True), self._rules.escape), re.DOTALL
        )
        word = self.until("}", False)
        value = self._value(name, "")
        return pattern.sub(lambda _: word, value, count=0 if every else 1)

    def _value(self, name: str, written: str) -> str:
        value = self._lookup(name)
        if value is not None:
            return value
        self.unset.append(name)
        return written if self._rules.keep_unset else ""

    def _name(self) -> str:
        letter = self.text[self.at : self.at + 1]
        if letter and letter in _SPECIAL:
            self.at += 1
            return letter
        match = (_DIGITS if letter.isdigit() else _NAME).match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]


def shell_pattern(pattern: str, escape: str = "\\") -> str:
    """A shell's pattern of * and ? as a regular expression."""
    found, at = [], 0
    while at < len(pattern):
        letter = pattern[at]
        at += 1
        if letter == escape and at < len(pattern):
            found.append(re.escape(pattern[at]))
            at += 1
        elif letter == "*":
            found.append(".*")
        elif letter == "?":
            found.append(".")
        else:
            found.append(re.escape(letter))
    return "".join(found)
