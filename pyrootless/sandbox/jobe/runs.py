"""Runs as Jobe's clients describe them.

What comes in: a run_spec as Jobe's REST interface has it. What goes out: its result object.
Must never: raise for what a program did; take a language whose tools are not there.

Source: Jobe's restapi.pdf and its behaviour: output on standard error is a run-time error, an
exit code alone is not.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pyrootless.printable import is_utf8
from pyrootless.sandbox import FileLike, Limits, Outcome, Quiet, Sandbox, Verdict, run
from pyrootless.sandbox.languages import Language, languages

COMPILE_ERROR, RUN_ERROR, TIME_LIMIT, SUCCESS = 11, 12, 13, 15
MEMORY_LIMIT, ILLEGAL_CALL, INTERNAL_ERROR, OVERLOAD = 17, 19, 20, 21

_LANGUAGES = {
    "c": ("c", "prog.c", ("gcc", "--version")),
    "cpp": ("cpp", "prog.cpp", ("g++", "--version")),
    "python3": ("python", "prog.py", ("python3", "--version")),
    "java": ("java", "", ("java", "-version")),
    "nodejs": ("javascript", "prog.js", ("node", "--version")),
    "go": ("go", "prog.go", ("go", "version")),
    "rust": ("rust", "prog.rs", ("rustc", "--version")),
    "ruby": ("ruby", "prog.rb", ("ruby", "--version")),
    "bash": ("shell", "prog.sh", ("bash", "--version")),
}
"""Jobe's name → ours, the source's usual name, what prints a version."""
_DEFAULTS = {"cputime": 5, "memorylimit": 400, "disklimit": 20, "streamsize": 2, "numprocs": 30}
_WORDS = ("compileargs", "linkargs", "interpreterargs", "runargs")
_CPU_MOST_S = 120
_SOURCE = re.compile(r"[\w][\w.+-]{0,200}")
_FILE = re.compile(r"[A-Za-z0-9._-]{1,200}", re.ASCII)
_OUTCOMES = {
    Verdict.TLE: TIME_LIMIT,
    Verdict.ILE: TIME_LIMIT,
    Verdict.MLE: MEMORY_LIMIT,
    Verdict.SV: ILLEGAL_CALL,
    Verdict.OLE: RUN_ERROR,
    Verdict.DLE: RUN_ERROR,
    Verdict.SG: RUN_ERROR,
}


class SpecError(Exception):
    """A request that cannot be carried out; `status` is HTTP's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Spec:
    """One run_spec, checked.

    Attributes:
        language: With the client's arguments in its commands.
        name: The source's, in the box.
        source, input: Bytes.
        files: (id in the cache, name in the box).
        args: Further words of the program.
        limits: Of the run.
    """

    language: Language
    name: str
    source: bytes
    input: bytes
    files: tuple[tuple[str, str], ...]
    args: tuple[str, ...]
    limits: Limits


def parse_spec(document: Any) -> Spec:
    """A run_spec.

    Raises:
        SpecError: It has no meaning, or asks for more than is given.
    """
    spec = document.get("run_spec") if isinstance(document, dict) else None
    if not isinstance(spec, dict):
        raise SpecError("missing or invalid run_spec parameter")
    for name in ("sourcecode", "language_id"):
        if not isinstance(spec.get(name), str):
            raise SpecError(f"run_spec is missing the required attribute '{name}'")
    parameters = spec.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise SpecError("parameters must be an object")
    language, usual = _language(spec["language_id"])
    words = {name: _words(parameters, name) for name in _WORDS}
    return Spec(
        _with_arguments(language, words),
        _source_name(spec.get("sourcefilename"), usual),
        _bytes(spec["sourcecode"]),
        _bytes(spec.get("input") or ""),
        _files(spec.get("file_list") or []),
        words["runargs"],
        _limits(parameters),
    )


def _language(name: str) -> tuple[Language, str]:
    row = _LANGUAGES.get(name.lower())
    if row is None or not _is_here(row[0]):
        raise SpecError(f"Language '{name[:40]}' is not known")
    return languages()[row[0]], row[1]


def _is_here(name: str) -> bool:
    language = languages().get(name)
    return language is not None and all(shutil.which(need) for need in language.needs)


def _with_arguments(language: Language, words: Mapping[str, tuple[str, ...]]) -> Language:
    compiler = (*language.compile, *words["compileargs"], *words["linkargs"])
    program = (*language.run[:1], *words["interpreterargs"], *language.run[1:])
    return replace(language, compile=compiler if language.compile else (), run=program)


def _source_name(given: Any, usual: str) -> str:
    if not given or given == "prog.java":
        return usual or "Main.java"
    if not isinstance(given, str) or not _SOURCE.fullmatch(given):
        raise SpecError("The sourcefilename for the run_spec is illegal")
    return given


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise SpecError("input must be a string")
    return text.encode(errors="surrogatepass")


def _files(rows: Any) -> tuple[tuple[str, str], ...]:
    found = []
    for row in rows if isinstance(rows, list) else [rows]:
        right = isinstance(row, list) and len(row) in (2, 3)
        if not right or not all(isinstance(word, str) for word in row[:2]):
            raise SpecError("Invalid file specifier")
        if not _FILE.fullmatch(row[1]) or not row[1].strip("."):
            raise SpecError("Invalid file specifier")
        found.append((row[0], row[1]))
    return tuple(found)


def _words(parameters: Mapping[str, Any], name: str) -> tuple[str, ...]:
    words = parameters.get(name) or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise SpecError(f"{name} must be a list of strings")
    if any("\0" in word or not is_utf8(word) for word in words):
        raise SpecError(f"{name} must be a list of strings")
    return tuple(words)


def _limits(parameters: Mapping[str, Any]) -> Limits:
    numbers = {name: _number(parameters, name) for name in _DEFAULTS}
    cpu = numbers["cputime"] or _DEFAULTS["cputime"]
    if cpu > _CPU_MOST_S:
        raise SpecError(
            f"cputime exceeds maximum allowed on this Jobe server ({_CPU_MOST_S} secs)"
        )
    memory = numbers["memorylimit"]
    return Limits(
        cpu=f"{cpu * 1000:.0f}ms",
        wall=f"{cpu * 2000:.0f}ms",
        memory=max(int(memory * 2**20), 4 << 20) if memory else None,
        procs=int(numbers["numprocs"]) or None,
        output=int(numbers["streamsize"] * 2**20),
        disk=max(int(numbers["disklimit"] * 2**20), 1 << 20),
    )


def _number(parameters: Mapping[str, Any], name: str) -> float:
    value = parameters.get(name, _DEFAULTS[name])
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 2**20:
        raise SpecError(f"{name} must be a number")
    return number


def run_spec(
    spec: Spec, find_file: Callable[[str], bytes | None], quiet: Quiet | None = None
) -> dict[str, Any]:
    """Compile and run; the result object, an internal error where its boxes failed twice.

    Args:
        quiet: Who may run beside whom; None: nothing else runs.

    Raises:
        SpecError: A file is not in the cache (404: the client puts it and asks again).
    """
    files: dict[str, FileLike] = {}
    for name, called in spec.files:
        data = find_file(name)
        if data is None:
            text = "One or more of the specified files is missing/unavailable"
            raise SpecError(text, 404)
        files[called] = data
    try:
        return (quiet or Quiet()).twice(lambda: _run(spec, files))
    except Exception as error:
        return failed(error)


def failed(error: Exception) -> dict[str, Any]:
    """The result of a run that this server failed to make."""
    return _result(INTERNAL_ERROR, stderr=f"***{error or type(error).__name__}***\n".encode())


def _run(spec: Spec, files: Mapping[str, FileLike]) -> dict[str, Any]:
    with Sandbox(limits=spec.limits) as box:
        built = box.compile({spec.name: spec.source}, spec.language, others=files)
        if not built.ok:
            cause = built.outcome.cause if built.outcome else ""
            text = built.log or f"The program did not compile: {cause}".encode()
            return _result(COMPILE_ERROR, cmpinfo=text)
        return _ran(box.run(built, args=spec.args, files=files, stdin=spec.input))


def _ran(outcome: Outcome) -> dict[str, Any]:
    stderr = outcome.stderr
    if outcome.verdict in (Verdict.OLE, Verdict.DLE):
        why = f"{outcome.verdict.value}: {outcome.cause}"
        stderr += f"\n***{why}***\n".encode(errors="replace")
    if outcome.verdict is Verdict.SG:
        stderr += f"\n***Terminated by signal {outcome.signal}***\n".encode()
    code = _OUTCOMES.get(outcome.verdict, RUN_ERROR if outcome.stderr else SUCCESS)
    return _result(code, outcome.stdout, stderr)


def _result(
    outcome: int, stdout: bytes = b"", stderr: bytes = b"", cmpinfo: bytes = b""
) -> dict[str, Any]:
    return {
        "run_id": None,
        "outcome": outcome,
        "cmpinfo": clean(cmpinfo),
        "stdout": clean(stdout),
        "stderr": clean(stderr),
    }


def overload() -> dict[str, Any]:
    """The result of a run for which there was no room."""
    return _result(OVERLOAD)


def clean(data: bytes) -> str:
    r"""UTF-8 as it is; else printable ASCII, and \xHH for every other byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(
            chr(byte) if 32 <= byte <= 126 or byte in b"\n\r\t" else f"\\x{byte:02x}"
            for byte in data
        )


@cache
def language_versions() -> tuple[tuple[str, str], ...]:
    """(Jobe's name, version) of every language whose tools are here."""
    return tuple(
        (name, _version(command))
        for name, (ours, _, command) in _LANGUAGES.items()
        if _is_here(ours)
    )


def _version(command: tuple[str, ...]) -> str:
    outcome = run(list(command), limits=Limits(cpu="10s", memory="1G", procs=100))
    match = re.search(rb"\d+(\.\d+)+", outcome.stdout + outcome.stderr)
    return match[0].decode() if match else "Unknown"
