"""The exceptions of pyrootless, one tree.

    PyrootlessError
    ├── UsageError (also ValueError)      the caller asked for something that has no meaning
    ├── HostUnsupportedError              this machine or user lacks something: .check .remedy
    ├── LaunchError (also OSError)        a launch failed: .stage .syscall .errno .filename
    ├── RegistryError                     a registry refused, failed or could not be reached
    ├── IntegrityError                    bytes are not what their digest says
    ├── StoreError                        the engine's own directories cannot be used
    ├── BuildError                        a build failed: .line .instruction
    └── ContainerStateError               no such container, name taken, still running

What comes in: facts about one failure, as the C core recorded them or as Python met them.
What goes out: an exception whose text says what failed, on what, and what to do.
Must never: guess a remedy (the table of remedies is csrc/base/remedy.c), print, exit.
"""

from __future__ import annotations

import errno as errno_names
import os

from pyrootless.printable import printable

EXIT_ENGINE = 125
"""Exit code: pyrootless itself failed (ARCHITECTURE.md, "Exit codes")."""
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127

_SENTENCE_STAGES = frozenset({"options", "config", "image"})
"""Stages whose subject is a whole sentence (csrc/base/error.c, is_sentence)."""
Record = tuple[str, int, str, str, bool]
"""Stage's name, positive errno, call, subject; whether that is a whole sentence."""


class PyrootlessError(Exception):
    """Root of the tree.

    Attributes:
        remedy: What to do about it, usually ending in a command; "" when nothing is known.
    """

    remedy: str = ""

    @property
    def exit_code(self) -> int:
        """Exit code a shell should see: 125, or what the kind of failure says (int)."""
        return EXIT_ENGINE


class _RemediedError(PyrootlessError):
    """What the kinds share that are a sentence and a remedy, and nothing else."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        return _with_remedy(str(self.args[0]), self.remedy)


class UsageError(_RemediedError, ValueError):
    """The caller asked for something that has no meaning: unknown option, malformed value."""


class HostUnsupportedError(PyrootlessError):
    """This machine, kernel or user lacks something the launch needs.

    Attributes:
        check: Name of the `pyrootless doctor` entry that examines it; "" when there is none.
        remedy: The fixing command or sentence; "" when nothing is known.
    """

    def __init__(self, message: str, *, check: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.check = check
        self.remedy = remedy

    def __str__(self) -> str:
        return _with_remedy(str(self.args[0]), self.remedy, self.check)


class LaunchError(PyrootlessError, OSError):
    """A step of a launch failed.

    Attributes:
        stage: Name of the step: "clone", "mounts", "exec", … (csrc/prl.h, enum prl_stage).
        syscall: The kernel's or library's call that failed, "" when there was none.
        errno: Positive errno, as in every OSError.
        filename: On what it failed: a path, a value or a whole sentence.
        remedy: What to do; "" when nothing is known.
    """

    stage: str = ""
    syscall: str = ""
    _sentence: bool = False

    @classmethod
    def from_record(cls, record: Record, remedy: str) -> LaunchError:
        """The exception for one error record of the C core (csrc/prl.h, struct prl_error)."""
        stage, errnum, syscall, subject, sentence = record
        error = cls(errnum, os.strerror(errnum), subject)
        error.stage, error.syscall, error.remedy = stage, syscall, remedy
        error._sentence = sentence
        return error

    @property
    def exit_code(self) -> int:
        """127: program not found; 126: found but not executable; else 125.

        Source: podman-run(1), "Exit Status"; csrc/base/error.c, prl_error_exit_code.
        """
        if self.stage != "exec":
            return EXIT_ENGINE
        missing = (errno_names.ENOENT, errno_names.ENOTDIR)
        return EXIT_NOT_FOUND if self.errno in missing else EXIT_NOT_EXECUTABLE

    def __str__(self) -> str:
        record = (self.stage, self.errno or 0, self.syscall, str(self.filename))
        return _with_remedy(_describe((*record, self._sentence)), self.remedy)


class RegistryError(_RemediedError):
    """A registry refused, failed or could not be reached."""


class IntegrityError(_RemediedError):
    """Bytes are not what their digest says."""


class StoreError(_RemediedError):
    """The engine's own directories cannot be read or written."""


class BuildError(PyrootlessError):
    """A build failed.

    Attributes:
        line: Line of the Dockerfile, counted from 1; 0 when no line is to blame.
        column: Column in it, counted from 1; 0 as of `line`.
        instruction: The instruction as written; "" when none is to blame.
    """

    def __init__(
        self, message: str, *, line: int = 0, column: int = 0, instruction: str = ""
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.instruction = instruction

    @property
    def exit_code(self) -> int:
        """1, as docker's: the Dockerfile's own failure and not the engine's."""
        return 1

    def __str__(self) -> str:
        return printable(str(self.args[0]), kept="\n\t")


class ContainerStateError(_RemediedError):
    """No such container, a name that is taken, or the wrong state for what was asked."""


def error_from_record(record: Record, klass: str, check: str, remedy: str) -> PyrootlessError:
    """The exception for an error record and its row of the table in csrc/base/remedy.c.

    Args:
        record: Of the C core.
        klass: Class name of the row; "" when the table has no row: a LaunchError.
        check: `pyrootless doctor` entry of the row, or "".
        remedy: Text of the row, or "".

    Returns:
        The exception, not raised.
    """
    message = _describe(record)
    if klass == "UsageError":  # an option's own remedy is for a shell: `pyrootless run --help`
        return UsageError(message, remedy="" if record[0] == "options" else remedy)
    if klass == "HostUnsupportedError":
        return HostUnsupportedError(message, check=check, remedy=remedy)
    if klass == "StoreError":
        return StoreError(message, remedy=remedy)
    if klass == "IntegrityError":
        return IntegrityError(message, remedy=remedy)
    if klass == "ContainerStateError":
        return ContainerStateError(message, remedy=remedy)
    return LaunchError.from_record(record, remedy)


def _describe(record: Record) -> str:
    """One line, as csrc/base/error.c writes it: "mounts: mount(/proc): Operation not …"."""
    stage, errnum, syscall, subject, sentence = record
    if sentence or stage in _SENTENCE_STAGES:
        word = syscall[:1] == "-" or "A" <= syscall[:1] <= "Z"  # an option, or as IMAGE
        return f"{syscall if word else stage}: {subject}"
    return f"{stage}: {syscall}({subject}): {os.strerror(errnum)}"


def _with_remedy(message: str, remedy: str, check: str = "") -> str:
    """What a person reads; names in it may be a hostile image's or registry's."""
    lines = [message]
    if remedy:
        lines.append(f"  remedy: {remedy}")
    if check:
        lines.append(f"  more: pyrootless doctor {check}")
    return printable("\n".join(lines), kept="\n\t")
