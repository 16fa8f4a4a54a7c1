"""What an instruction says, as values.  Variables in them are not put in yet.

What comes in: nothing.  What goes out: one class an instruction.
Must never: decide anything.

Source: Dockerfile reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrootless.build.dockerfile.lines import Heredoc
from pyrootless.build.dockerfile.source import Place, Source


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and its value as written, quotes included; None: no value."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be executed.

    Attributes:
        words: One text in shell form.
        shell: A shell gets it.
    """

    words: tuple[str, ...]
    shell: bool


@dataclass(frozen=True, slots=True)
class Mount:
    """`RUN --mount=`; texts may hold variables.

    Attributes:
        kind: bind, cache, tmpfs, secret or ssh.
        options: Name → value; a flag alone is "true".
    """

    kind: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Instruction:
    """What all have.

    Attributes:
        place: Where it stands.
        original: Its text, here-documents apart.
    """

    place: Place
    original: str


@dataclass(frozen=True, slots=True)
class From(Instruction):
    """A stage begins.  image: as written; name: "" for none; platform: as written."""

    image: str
    name: str
    platform: str


@dataclass(frozen=True, slots=True)
class Arg(Instruction):
    """Build arguments and what they are without one."""

    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Env(Instruction):
    """Variables.  old: "ENV NAME value" without "="."""

    pairs: tuple[Pair, ...]
    old: bool = False


@dataclass(frozen=True, slots=True)
class Label(Instruction):
    """Labels; old: as of `Env`."""

    pairs: tuple[Pair, ...]
    old: bool = False


@dataclass(frozen=True, slots=True)
class Run(Instruction):
    """A program that changes the files."""

    command: Command
    heredocs: tuple[Heredoc, ...]
    mounts: tuple[Mount, ...]
    network: str
    security: str


@dataclass(frozen=True, slots=True)
class Copy(Instruction):
    """COPY and ADD.

    Attributes:
        adds: It is ADD.
        sources: Paths, patterns, URLs; a here-document's word stands for that.
        target: Where they go.
        heredocs: Texts among the sources.
        source_of: `--from`: a stage, image or named context; "": the build's context.
        chown, chmod: As written; "": none.
        link, parents: Flags.
        exclude: Patterns.
        checksum: "ALGORITHM:HEX"; "": none.
        keep_git: The .git directory of a repository stays.
        unpack: Archives are unpacked; None: those that ADD unpacks.
    """

    adds: bool
    sources: tuple[str, ...]
    target: str
    heredocs: tuple[Heredoc, ...]
    source_of: str
    chown: str
    chmod: str
    link: bool
    parents: bool
    exclude: tuple[str, ...]
    checksum: str = ""
    keep_git: bool = False
    unpack: bool | None = None


@dataclass(frozen=True, slots=True)
class Text(Instruction):
    """WORKDIR, USER, STOPSIGNAL and MAINTAINER; `place.instruction` says which."""

    text: str


@dataclass(frozen=True, slots=True)
class Listing(Instruction):
    """EXPOSE and VOLUME; `place.instruction` says which.  json: it was a JSON array."""

    words: tuple[str, ...]
    json: bool


@dataclass(frozen=True, slots=True)
class Program(Instruction):
    """CMD and ENTRYPOINT; `place.instruction` says which."""

    command: Command


@dataclass(frozen=True, slots=True)
class Shell(Instruction):
    """What gets commands in shell form."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Health(Instruction):
    """A health check; command None: NONE.  Times in nanoseconds, 0: the default."""

    command: Command | None
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class OnBuild(Instruction):
    """An instruction for images built from this one, as its text with here-documents."""

    text: str


@dataclass(frozen=True, slots=True)
class Stage:
    """From a FROM to the next.

    Attributes:
        base: Its FROM.
        steps: What follows, in order.
        index: Counted from 0.
    """

    base: From
    steps: tuple[Instruction, ...]
    index: int


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A whole file.

    Attributes:
        source: Its text.
        escape: Its escape character.
        directives: `syntax`, `escape`, `check`.
        globals: ARG before the first FROM.
        stages: In the order they stand.
        gaps: Instructions with empty lines inside.
        words: Instructions as they were written, and where.
    """

    source: Source
    escape: str
    directives: Mapping[str, str]
    globals: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    gaps: tuple[Place, ...] = ()
    words: tuple[tuple[str, Place], ...] = ()
