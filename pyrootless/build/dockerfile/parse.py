"""A Dockerfile's text → stages of instructions.

What comes in: text.  What goes out: a `Dockerfile`.
Must never: open a file, look a variable up, run anything.

Source: Dockerfile reference; what it leaves open is as BuildKit does it.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pyrootless.build.dockerfile import instructions as ins
from pyrootless.build.dockerfile.lines import Line, split_flags, split_lines
from pyrootless.build.dockerfile.source import Place, Source
from pyrootless.build.dockerfile.words import WordError
from pyrootless.errors import BuildError, UsageError
from pyrootless.units import parse_duration_ns

_STAGE_NAME = re.compile(r"[a-z][a-z0-9._-]*")
_CHECKSUM = re.compile(r"[a-z0-9]+:[0-9a-f]{32,128}|[0-9a-f]{40}|[0-9a-f]{64}")
_DURATION = re.compile(r"[0-9.]+[a-z]+")
_DURATIONS = re.compile(r"(?:[0-9.]+(?:ns|us|ms|s|m|h))+", re.ASCII)
_MOUNT_KEYS = {
    "target": "target", "dst": "target", "destination": "target",
    "source": "source", "src": "source", "from": "from", "id": "id",
    "readonly": "readonly", "ro": "readonly", "readwrite": "readwrite", "rw": "readwrite",
    "required": "required", "sharing": "sharing", "mode": "mode", "uid": "uid", "gid": "gid",
    "size": "size", "env": "env",
}  # fmt: skip
_MOUNT_FLAGS = ("readonly", "readwrite", "required")
_MOUNT_KINDS = {
    "bind": ("target", "source", "from", "readonly", "readwrite"),
    "cache": ("target", "source", "from", "id", "readonly", "readwrite", "sharing", "mode",
              "uid", "gid"),
    "tmpfs": ("target", "size"),
    "secret": ("target", "id", "required", "mode", "uid", "gid", "env"),
    "ssh": ("target", "id", "required", "mode", "uid", "gid"),
}  # fmt: skip


def parse_dockerfile(text: str, name: str = "Dockerfile") -> ins.Dockerfile:
    """Read a Dockerfile.

    Args:
        text: Of the file.
        name: For messages.

    Raises:
        BuildError: It is malformed; line, column and the lines are told.
    """
    found = split_lines(text, name)
    reader = _Reader(found.source, found.escape)
    parsed = [reader.read(line) for line in found.lines]
    globals_, stages = _stages(found.source, parsed)
    return ins.Dockerfile(
        source=found.source,
        escape=found.escape,
        directives=found.directives,
        globals=globals_,
        stages=stages,
        gaps=tuple(line.place for line in found.lines if line.gaps),
        words=tuple((line.written, line.place) for line in found.lines),
    )


def parse_instruction(text: str, name: str, escape: str = "\\") -> ins.Instruction:
    """One instruction, as a trigger of ONBUILD has it.

    Raises:
        BuildError: It is malformed, or there is more than one.
    """
    found = split_lines(text, name)
    if len(found.lines) != 1:
        raise found.source.failure("one instruction is expected here", found.lines[1].place)
    return _Reader(found.source, escape).read(found.lines[0])


def _stages(
    source: Source, parsed: list[ins.Instruction]
) -> tuple[tuple[ins.Arg, ...], tuple[ins.Stage, ...]]:
    globals_: list[ins.Arg] = []
    stages: list[tuple[ins.From, list[ins.Instruction]]] = []
    for item in parsed:
        if isinstance(item, ins.From):
            stages.append((item, []))
        elif stages:
            stages[-1][1].append(item)
        elif isinstance(item, ins.Arg):
            globals_.append(item)
        else:
            raise source.failure(
                "no build stage yet: the first instruction is FROM", item.place
            )
    if not stages:
        raise source.failure("there is no FROM in it", parsed[-1].place)
    made = [ins.Stage(base, tuple(steps), at) for at, (base, steps) in enumerate(stages)]
    return tuple(globals_), tuple(made)


@dataclass(slots=True)
class _Flags:
    """The flags of one instruction, by the names it knows."""

    source: Source
    place: Place
    given: Mapping[str, list[str]]

    def text(self, name: str) -> str:
        return self.given[name][-1] if name in self.given else ""

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(self.given.get(name, ()))

    def truth(self, name: str) -> bool | None:
        """True, False, or None where it was not given."""
        value = self.given.get(name, [""])[-1]
        if name not in self.given:
            return None
        if value.lower() not in ("true", "false", ""):
            raise self.source.failure(
                f"--{name}={value}: write true or false", self.place, value
            )
        return value.lower() != "false"

    def duration_ns(self, name: str) -> int:
        value = self.text(name)
        if not value:
            return 0
        try:
            found = sum(map(parse_duration_ns, _DURATION.findall(value)))
            if not _DURATIONS.fullmatch(value):
                parse_duration_ns(value)  # says what is wrong with it
                raise UsageError(f'"{value[:40]}" needs a unit: write 30s, 1m30s or 200ms')
        except UsageError as error:
            raise self.source.failure(f"--{name}: {error.args[0]}", self.place, value) from None
        if 0 < found < 1_000_000:
            raise self.source.failure(f"--{name}={value}: 1ms is the least", self.place, value)
        return found


class _Reader:
    """Instructions of one file."""

    def __init__(self, source: Source, escape: str) -> None:
        self._source = source
        self._escape = escape

    def read(self, line: Line) -> ins.Instruction:
        """One line's instruction.  Raises BuildError."""
        read = _READERS.get(line.word)
        if read is None:
            hint = _near(line.word, _READERS)
            raise self._wrong(
                line, f"there is no instruction {line.word[:40]}{hint}", line.written
            )
        if not line.rest and line.word != "HEALTHCHECK":
            raise self._wrong(line, "something must follow")
        return read(self, line)

    def _wrong(self, line: Line, message: str, token: str = "") -> BuildError:
        return self._source.failure(message, line.place, token)

    def _flags(self, line: Line, known: Mapping[str, str]) -> _Flags:
        """known: name → "text", "flag" or "repeat"."""
        given: dict[str, list[str]] = {}
        for flag in line.flags:
            name, equals, value = flag.removeprefix("--").partition("=")
            kind = known.get(name)
            if kind is None:
                hint = _near(name, known, "--")
                raise self._wrong(line, f"it has no flag --{name[:40]}{hint}", f"--{name}")
            if kind != "flag" and not equals:
                raise self._wrong(line, f"--{name} needs a value: --{name}=…", flag)
            if name in given and kind != "repeat":
                raise self._wrong(line, f"--{name} stands there twice", flag)
            given.setdefault(name, []).append(value)
        return _Flags(self._source, line.place, given)

    def from_(self, line: Line) -> ins.Instruction:
        flags = self._flags(line, {"platform": "text"})
        words = line.rest.split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
            raise self._wrong(line, "write FROM IMAGE, or FROM IMAGE AS NAME")
        name = words[2].lower() if len(words) == 3 else ""
        if name and not _STAGE_NAME.fullmatch(name):
            raise self._wrong(
                line, f'"{name[:40]}" is no stage name: a letter, then a-z 0-9 . _ -', words[2]
            )
        if name == "scratch":
            raise self._wrong(line, "no stage can have the name scratch", words[2])
        return ins.From(line.place, line.original, words[0], name, flags.text("platform"))

    def arg(self, line: Line) -> ins.Instruction:
        self._flags(line, {})
        pairs = []
        for word in self._words(line, line.rest):
            name, equals, value = word.partition("=")
            if not name:
                raise self._wrong(line, "a name is missing before =", word)
            pairs.append(ins.Pair(name, value if equals else None))
        return ins.Arg(line.place, line.original, tuple(pairs))

    def env(self, line: Line) -> ins.Instruction:
        self._flags(line, {})
        pairs, old = self._pairs(line)
        return ins.Env(line.place, line.original, pairs, old)

    def label(self, line: Line) -> ins.Instruction:
        self._flags(line, {})
        pairs, old = self._pairs(line)
        return ins.Label(line.place, line.original, pairs, old)

    def _pairs(self, line: Line) -> tuple[tuple[ins.Pair, ...], bool]:
        words = self._words(line, line.rest)
        if "=" not in words[0]:
            parts = line.rest.split(None, 1)
            if len(parts) < 2:
                raise self._wrong(line, f"write {line.word} NAME=VALUE", parts[0])
            return (ins.Pair(parts[0], parts[1]),), True
        pairs = []
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                raise self._wrong(line, f'"{word[:40]}" has no =: write NAME=VALUE', word)
            if not name:
                raise self._wrong(line, "a name is missing before =", word)
            pairs.append(ins.Pair(name, value))
        return tuple(pairs), False

    def _words(self, line: Line, text: str) -> tuple[str, ...]:
        """Split at white space, quotes and variables as they are."""
        try:
            return _split_words(text, self._escape)
        except WordError as error:
            raise self._wrong(line, str(error)) from None

    def run(self, line: Line) -> ins.Instruction:
        known = {"mount": "repeat", "network": "text", "security": "text", "device": "repeat"}
        flags = self._flags(line, known)
        for name, most in (("network", ("default", "none", "host")),
                           ("security", ("sandbox", "insecure"))):  # fmt: skip
            value = flags.text(name)
            if value and value not in most and "$" not in value:
                raise self._wrong(line, f"--{name}={value}: write {', '.join(most)}", value)
        mounts = tuple(self._mount(line, text) for text in flags.all("mount"))
        command = self._command(line, line.rest)
        return ins.Run(
            line.place, line.original, command, line.heredocs, mounts, flags.text("network"),
            flags.text("security"),
        )  # fmt: skip

    def _mount(self, line: Line, text: str) -> ins.Mount:
        try:
            fields = next(csv.reader([text], strict=True), [])
        except csv.Error as error:
            raise self._wrong(line, f"--mount: {error}", text) from None
        found: dict[str, str] = {}
        kind = "bind"
        for word in fields:
            key, equals, value = word.strip().partition("=")
            key = key.lower()
            if key == "type":
                kind = value.lower()
                continue
            name = _MOUNT_KEYS.get(key)
            if name is None:
                hint = _near(key, _MOUNT_KEYS)
                raise self._wrong(line, f'--mount: there is no "{key[:40]}"{hint}', key)
            if not equals and name not in _MOUNT_FLAGS:
                raise self._wrong(line, f"--mount: {key} needs a value: {key}=…", key)
            found[name] = value if equals else "true"
        return self._checked_mount(line, kind, found)

    def _checked_mount(self, line: Line, kind: str, found: dict[str, str]) -> ins.Mount:
        known = _MOUNT_KINDS.get(kind)
        if known is None:
            hint = _near(kind, _MOUNT_KINDS)
            raise self._wrong(line, f'--mount: there is no type "{kind[:40]}"{hint}', kind)
        for name in found:
            if name not in known:
                raise self._wrong(line, f"--mount: a {kind} mount has no {name}", name)
        if kind in ("bind", "cache", "tmpfs") and not found.get("target"):
            raise self._wrong(line, f"--mount: a {kind} mount needs a target: target=DIR")
        sharing = found.get("sharing", "shared")
        if sharing not in ("shared", "private", "locked") and "$" not in sharing:
            raise self._wrong(
                line, f"--mount: sharing={sharing}: write shared, private or locked", sharing
            )
        return ins.Mount(kind, found)

    def copy(self, line: Line) -> ins.Instruction:
        known = {"from": "text", "chown": "text", "chmod": "text", "link": "flag",
                 "parents": "flag", "exclude": "repeat"}  # fmt: skip
        return self._copy(line, self._flags(line, known), adds=False)

    def add(self, line: Line) -> ins.Instruction:
        known = {"chown": "text", "chmod": "text", "link": "flag", "exclude": "repeat",
                 "checksum": "text", "keep-git-dir": "flag", "unpack": "flag"}  # fmt: skip
        flags = self._flags(line, known)
        checksum = flags.text("checksum")
        if checksum and "$" not in checksum and not _CHECKSUM.fullmatch(checksum):
            raise self._wrong(line, "--checksum: write sha256:HEX, or a commit", checksum)
        return self._copy(line, flags, adds=True)

    def _copy(self, line: Line, flags: _Flags, *, adds: bool) -> ins.Instruction:
        words = self._listing(line.rest)[0]
        if len(words) < 2:
            raise self._wrong(line, f"write {line.word} SOURCE… TARGET")
        named = {doc.written: doc for doc in line.heredocs}
        if words[-1] in named:
            raise self._wrong(line, "a here-document is no target", words[-1])
        return ins.Copy(
            line.place, line.original, adds, words[:-1], words[-1], line.heredocs,
            flags.text("from"), flags.text("chown"), flags.text("chmod"),
            bool(flags.truth("link")), bool(flags.truth("parents")), flags.all("exclude"),
            flags.text("checksum"), bool(flags.truth("keep-git-dir")), flags.truth("unpack"),
        )  # fmt: skip

    def text(self, line: Line) -> ins.Instruction:
        self._flags(line, {})
        return ins.Text(line.place, line.original, line.rest)

    def listing(self, line: Line) -> ins.Instruction:
        self._flags(line, {})
        words, is_json = self._listing(line.rest)
        if not words or "" in words:
            raise self._wrong(line, "an entry is empty")
        return ins.Listing(line.place, line.original, words, is_json)

    def _listing(self, rest: str) -> tuple[tuple[str, ...], bool]:
        found = _json_texts(rest)
        return (tuple(rest.split()), False) if found is None else (found, True)

    def program(self, line: Line) -> ins.Instruction:
        self._flags(line, {})
        return ins.Program(line.place, line.original, self._command(line, line.rest))

    def shell(self, line: Line) -> ins.Instruction:
        self._flags(line, {})
        words = _json_texts(line.rest)
        if not words:
            raise self._wrong(line, 'write it as JSON: SHELL ["/bin/sh", "-c"]')
        return ins.Shell(line.place, line.original, words)

    def _command(self, line: Line, text: str) -> ins.Command:
        words = _json_texts(text)
        return ins.Command((text,), True) if words is None else ins.Command(words, False)

    def health(self, line: Line) -> ins.Instruction:
        known = dict.fromkeys(("interval", "timeout", "start-period", "start-interval"), "text")
        flags = self._flags(line, {**known, "retries": "text"})
        parts = line.rest.split(None, 1)
        kind = parts[0].upper() if parts else ""
        if kind == "NONE":
            if len(parts) > 1:
                raise self._wrong(line, "nothing follows NONE", parts[1])
            return ins.Health(line.place, line.original, None)
        if kind != "CMD":
            raise self._wrong(line, "write HEALTHCHECK NONE, or HEALTHCHECK CMD COMMAND")
        if len(parts) < 2:
            raise self._wrong(line, "a command is missing after CMD")
        retries = flags.text("retries")
        if retries and not (retries.isascii() and retries.isdigit()):
            raise self._wrong(line, f"--retries={retries}: write a number", retries)
        return ins.Health(
            line.place, line.original, self._command(line, parts[1]),
            flags.duration_ns("interval"), flags.duration_ns("timeout"),
            flags.duration_ns("start-period"), flags.duration_ns("start-interval"),
            int(retries or 0),
        )  # fmt: skip

    def onbuild(self, line: Line) -> ins.Instruction:
        self._flags(line, {})
        word = line.rest.split(None, 1)[0].upper()
        if word in ("ONBUILD", "FROM", "MAINTAINER"):
            raise self._wrong(line, f"{word} cannot be a trigger", word)
        parts = line.rest.split(None, 1)
        inner_flags, inner_rest = split_flags(parts[1] if len(parts) > 1 else "")
        inner = Line(
            word, parts[0], inner_flags, inner_rest, line.heredocs, line.place, False, line.rest
        )
        self.read(inner)  # what is wrong with it is told now
        bodies = "".join(f"\n{doc.plain}{doc.name}" for doc in line.heredocs)
        return ins.OnBuild(line.place, line.original, line.rest + bodies)


_READERS: dict[str, Callable[[_Reader, Line], ins.Instruction]] = {
    "ADD": _Reader.add,
    "ARG": _Reader.arg,
    "CMD": _Reader.program,
    "COPY": _Reader.copy,
    "ENTRYPOINT": _Reader.program,
    "ENV": _Reader.env,
    "EXPOSE": _Reader.listing,
    "FROM": _Reader.from_,
    "HEALTHCHECK": _Reader.health,
    "LABEL": _Reader.label,
    "MAINTAINER": _Reader.text,
    "ONBUILD": _Reader.onbuild,
    "RUN": _Reader.run,
    "SHELL": _Reader.shell,
    "STOPSIGNAL": _Reader.text,
    "USER": _Reader.text,
    "VOLUME": _Reader.listing,
    "WORKDIR": _Reader.text,
}


def _near(word: str, known: Iterable[str], prefix: str = "") -> str:
    """ "; did you mean …?" where one looks like it."""
    found = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {prefix}{found[0]}?" if found else ""


def _split_words(text: str, escape: str) -> tuple[str, ...]:
    """At white space that is neither quoted nor escaped; nothing else changes.

    Raises:
        WordError: A quote does not end.
    """
    words: list[str] = []
    at, start = 0, -1
    quote = ""
    while at < len(text):
        letter = text[at]
        if not quote and letter.isspace():
            if start >= 0:
                words.append(text[start:at])
                start = -1
            at += 1
            continue
        start = at if start < 0 else start
        if letter == quote:
            quote = ""
        elif not quote and letter in "'\"":
            quote = letter
        elif letter == escape and quote != "'":
            at += 1
        at += 1
    if start >= 0:
        words.append(text[start:])
    return tuple(words)


def _json_texts(text: str) -> tuple[str, ...] | None:
    """A JSON array of texts; None: it is none, and taken as words or for a shell."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text, strict=True)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        return None
    return tuple(found)
