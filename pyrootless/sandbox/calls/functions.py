"""Functions of a student, called from a teacher's tests across a process wall.

    >>> from pyrootless.sandbox import call
    >>> with call("def area(a, b): return a * b", function="area") as area:
    ...     area(3, 4)
    12

What comes in: a source, a function's name, plain data. What goes out: plain data.
Must never: run the student's code in this process, unpickle, trust a word about success: only
values cross, and this process compares them.

Each call is a box and an interpreter of its own, under its own limits.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyrootless.closing import Closing
from pyrootless.errors import UsageError
from pyrootless.printable import printable
from pyrootless.sandbox import DEFAULT_LIMITS, File, FileLike, Limits, Outcome, Verdict, run
from pyrootless.sandbox.calls import plain_data
from pyrootless.sandbox.languages import find_language
from pyrootless.units import format_size

if TYPE_CHECKING:
    from pyrootless.sandbox.warm import Warm

SOURCE = "solution.py"
_REQUEST, _RESULT = ".request", ".result"
_RESULT_MAX_BYTES = 4 << 20
_TOO = "the result is too "
_DRIVER_IMPORTS = ("base64", "json", "importlib.machinery")


@dataclass(frozen=True, slots=True)
class CallError:
    """What the student's code raised; all of it text that the student's side wrote.

    Attributes:
        kind: Name of the exception's class.
        message: Its text.
        traceback: As Python prints it.
    """

    kind: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Called:
    """One call.

    Attributes:
        ok: The function returned plain data.
        value: What it returned; None when it did not.
        args: Its positional arguments afterwards, for functions that change them.
        error: What it raised; None when it returned, or was ended.
        outcome: The box: verdict, times, memory, what was printed. A result that is too large,
            or too costly to take over, is OLE, with the reason as its cause.
    """

    ok: bool
    value: Any
    args: tuple[Any, ...]
    error: CallError | None
    outcome: Outcome

    @property
    def why(self) -> str:
        """About what went wrong, printable; "" when nothing did."""
        if self.ok:
            return ""
        if self.error:
            return printable(f"{self.error.kind}: {self.error.message}", kept="\n")
        if self.outcome.cause.startswith(_TOO):
            return f"{self.outcome.verdict.name}: {self.outcome.cause}"
        if not self.outcome.ok:
            return f"{self.outcome.verdict.name}: {self.outcome.verdict.value}"
        return "it ended without returning"


class CallFailed(Exception):
    """The function did not return. `called` says how."""

    def __init__(self, function: str, called: Called) -> None:
        super().__init__(f"{function}: {called.why}")
        self.called = called


class Function(Closing):
    """A student's function. Calling it returns its value or raises `CallFailed`."""

    def __init__(
        self,
        files: Mapping[str, FileLike],
        function: str,
        limits: Limits,
        run: Callable[..., Outcome],
    ) -> None:
        """Use `call`, or `Sandbox.call`."""
        self.name = function
        self._files = files
        self._limits = find_language("python").program_limits(limits)
        self._run = run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value.

        Raises:
            CallFailed: It raised, exceeded a limit, ended, or returned no plain data.
            TypeError: An argument is no plain data.
        """
        called = self.attempt(*args, **kwargs)
        if not called.ok:
            raise CallFailed(self.name, called)
        return called.value

    def attempt(self, *args: Any, **kwargs: Any) -> Called:
        """The same, and nothing the function does raises.

        Raises:
            TypeError: An argument is no plain data.
        """
        nonce = secrets.token_hex(16)
        request = plain_data.to_text((nonce, SOURCE, self.name, list(args), kwargs))
        language = find_language("python")
        outcome = self._run(
            ["python3", "-I", "-B", "-c", _driver()],
            files=dict(self._files) | {_REQUEST: request.encode()},
            limits=self._limits,
            collect=[f"{_RESULT}?"],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **language.env},
        )
        return _called(outcome, nonce)

    def close(self) -> None:
        """Nothing: nothing outlives a call."""


def call(
    source: str | bytes | os.PathLike[str],
    function: str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    files: Mapping[str, FileLike] | None = None,
    **where: Any,
) -> Function:
    """A function of a student's Python source.

    Args:
        source: Its text, or the path of its file.
        function: Its name; dots lead into classes ("Stack.from_list").
        limits: Of each call; what the interpreter itself needs is added.
        files: What else the source finds in its working directory: modules, data.
        **where: `image`, `rootfs`, `stdin`, `exact`, `rungs`, `allow_hosts`, `warm`, `root`, as
            for `run`.

    Raises:
        UsageError: No name of a function, or the source cannot be read.
    """
    given = function_files(source, function, files or {})
    if where.get("warm"):
        from pyrootless.sandbox.warm import as_warm

        where["warm"] = with_driver(as_warm(where["warm"]))
    return Function(given, function, limits, partial(run, **where))


def with_driver(warm: Warm | None) -> Warm | None:
    """What the driver imports is imported already as well."""
    return warm and replace(warm, imports=(*warm.imports, *_DRIVER_IMPORTS))


def function_files(
    source: str | bytes | os.PathLike[str], function: str, files: Mapping[str, FileLike]
) -> dict[str, FileLike]:
    """What the box of a call holds, but for the arguments.

    Raises:
        UsageError: As of `call`.
    """
    if not all(part.isidentifier() for part in function.split(".")):
        raise UsageError(f"function={function!r} is no name of a function")
    given = dict(files)
    if given.keys() & {SOURCE, _REQUEST, _RESULT}:
        taken = ", ".join((SOURCE, _REQUEST, _RESULT))
        raise UsageError(f"files: {taken} are names of the call's own")
    given[SOURCE] = _source(source)
    return given


def _source(source: str | bytes | os.PathLike[str]) -> FileLike:
    if isinstance(source, str):
        return source.encode()
    return source if isinstance(source, bytes) else File(_read(Path(source)))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"the source cannot be read: {error}") from error


@cache
def _driver() -> str:
    """Program text for the student's side."""
    folder = Path(__file__).parent
    parts = [(folder / name).read_text() for name in ("plain_data.py", "driver.py")]
    parts[1] = parts[1].replace("from __future__ import annotations\n", "")
    return "\n".join([*parts, f"main({_REQUEST!r}, {_RESULT!r}, {_RESULT_MAX_BYTES})"])


def _called(outcome: Outcome, nonce: str) -> Called:
    text = outcome.files.get(_RESULT, b"")
    failed = Called(False, None, (), None, outcome)
    if not outcome.ok or not text:
        return failed
    if len(text) > _RESULT_MAX_BYTES:
        return _too_large(outcome, len(text))
    try:
        answer: Any = plain_data.from_text(text)
        said, kind, value, args = answer
        if said != nonce:
            raise ValueError("not the answer to this call")
        if kind == "value":
            return Called(True, value, tuple(args), None, outcome)
        if kind == "large":
            return _too_large(outcome, int(value))
        words = [str(word) for word in value]
        return replace(failed, error=CallError(*words))
    except plain_data.CostlyError as error:
        return _refused(outcome, f"costly: {error}")
    except (ValueError, TypeError):
        return failed


def _too_large(outcome: Outcome, size: int) -> Called:
    limit = format_size(_RESULT_MAX_BYTES)
    return _refused(outcome, f"large: {size} bytes as text; a call may return {limit}")


def _refused(outcome: Outcome, reason: str) -> Called:
    refused = replace(outcome, verdict=Verdict.OLE, cause=f"{_TOO}{reason}")
    return Called(False, None, (), None, refused)
