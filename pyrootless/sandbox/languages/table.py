"""Languages: how a source becomes a program, as data files.

What comes in: `languages/*.toml` beside this file, and the user's own below
`$XDG_CONFIG_HOME/pyrootless/languages/`, which win over those of the same name.
What goes out: `Language` values. Must never: run anything, look for a compiler.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pyrootless.errors import UsageError
from pyrootless.sandbox import Limits

_OWN = Path(__file__).parent
_COMPILE_LIMITS = {"cpu": "10s", "memory": "512M", "procs": 64, "disk": "128M", "inodes": 8192}
_MIB = 1 << 20
_PLACE = re.compile(r"\{\w+\}")
_KNOWN = {
    *("extensions", "needs", "source", "compile", "artifacts", "run", "env"),
    *("compile_limits", "extra_memory", "extra_procs", "classes"),
}


@dataclass(frozen=True, slots=True)
class Language:
    """One language.

    Attributes:
        name: As it is asked for.
        extensions: Of source files, with the dot.
        needs: Programs the image must have.
        source: Name the only source gets in the box; "": its own.
        compile: Command; () for none. "{sources}" stands for all sources, "{main}" for the
            first, "{stem}" for its name without extension. None of them can be an option.
        artifacts: Patterns of what the compiler leaves for the run; () with no compiler: the
            sources.
        run: Command; beside the above "{memory_mb}" and "{stack_mb}", the program's limits, and
            "{class}", see `classes`.
        env: Variables beside PATH, HOME and LANG.
        compile_limits: Of the compiler.
        extra_memory_bytes: What the runtime itself needs, added to a program's limit.
        extra_procs: Threads of the runtime itself, added likewise.
        classes: "java": a source's file is named by its public type, and "{class}" stands for
            the class with main() among the artifacts; "": neither.
    """

    name: str
    run: tuple[str, ...]
    extensions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    source: str = ""
    compile: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    compile_limits: Limits = field(default_factory=lambda: Limits(**_COMPILE_LIMITS))  # type: ignore[arg-type]
    extra_memory_bytes: int = 0
    extra_procs: int = 0
    classes: str = ""

    def program_limits(self, limits: Limits) -> Limits:
        """Limits for a run: the program's own, and what its runtime takes beside it."""
        return _more(limits, self.extra_memory_bytes, self.extra_procs)

    def command(
        self,
        words: Sequence[str],
        sources: Sequence[str],
        limits: Limits,
        main_class: str = "",
    ) -> list[str]:
        """A command with its placeholders filled in."""
        main = sources[0] if sources else ""
        names = {
            "{main}": main,
            "{stem}": main.rsplit("/", 1)[-1].rsplit(".", 1)[0],
            "{class}": main_class,
        }
        numbers = {
            "{memory_mb}": limits.memory_bytes // _MIB if limits.memory_bytes else 512,
            "{stack_mb}": limits.stack_bytes // _MIB,
        }
        values = names | {key: str(max(1, number)) for key, number in numbers.items()}
        made: list[str] = []
        for word in words:
            if word == "{sources}":
                made += map(_no_option, sources)
                continue
            filled = _PLACE.sub(lambda match: values.get(match[0], match[0]), word)
            made.append(_no_option(filled) if word.startswith(tuple(names)) else filled)
        return made


def _no_option(name: str) -> str:
    """A name that no program takes for an option ("-c.py") or a list of some ("@x.c")."""
    plain = not name or name[0].isalnum() or name.startswith(("_", "/", "./"))
    return name if plain else f"./{name}"


@lru_cache(maxsize=64)
def _more(limits: Limits, memory_bytes: int, procs: int) -> Limits:
    """The same for every test of a submission."""
    return replace(
        limits,
        memory=limits.memory_bytes + memory_bytes if limits.memory_bytes else None,
        procs=None if limits.procs is None else limits.procs + procs,
    )


def find_language(name: str) -> Language:
    """The language of a name ("c", "python"), or of a file's name ("sum.c").

    Raises:
        UsageError: There is none; the text lists those that are known.
    """
    known = languages()
    if name in known:
        return known[name]
    suffix = Path(name).suffix
    for language in known.values():
        if suffix and suffix in language.extensions:
            return language
    raise UsageError(
        f"{name!r} is no language known here: {', '.join(sorted(known))}",
        remedy=f"describe it in a file: {user_directory()}/NAME.toml",
    )


def languages() -> dict[str, Language]:
    """All there are, the user's own winning."""
    own = _read_all(_OWN)
    return own | _read_all(user_directory())


def user_directory() -> Path:
    """Where the user's own profiles lie; it need not exist."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".config"
    return home / "pyrootless" / "languages"


def _read_all(directory: Path) -> dict[str, Language]:
    if not directory.is_dir():
        return {}
    files = sorted(directory.glob("*.toml"))
    return {file.stem: _read(file, file.stat().st_mtime_ns) for file in files}


@cache
def _read(file: Path, _moment: int) -> Language:
    try:
        table = tomllib.loads(file.read_text())
        return parse_language(file.stem, table)
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise UsageError(f"{file}: {error}") from error
    except UsageError as error:
        raise UsageError(f"{file}: {error.args[0]}") from None


def parse_language(name: str, table: Mapping[str, Any]) -> Language:
    """A profile from its table.

    Raises:
        UsageError: A key that is not known, or of the wrong kind.
    """
    unknown = set(table) - _KNOWN
    if unknown:
        raise UsageError(f"{', '.join(sorted(unknown))}: not known; known: {sorted(_KNOWN)}")
    if not table.get("run"):
        raise UsageError("run: the command is missing")
    words = {
        key: _words(key, table[key])
        for key in ("run", "extensions", "needs", "compile", "artifacts")
        if key in table
    }
    return Language(
        name=name,
        source=_text("source", table.get("source", "")),
        env={key: _text("env", value) for key, value in table.get("env", {}).items()},
        compile_limits=Limits(**(_COMPILE_LIMITS | table.get("compile_limits", {}))),
        extra_memory_bytes=Limits(memory=table.get("extra_memory") or None).memory_bytes,
        extra_procs=int(table.get("extra_procs", 0)),
        classes=_classes(table.get("classes", "")),
        **words,
    )


def _words(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"{key} must be a list of texts")
    return tuple(value)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{key} must be text")
    return value


def _classes(value: object) -> str:
    if value not in ("", "java"):
        raise UsageError('classes must be "java", or left out')
    return str(value)
