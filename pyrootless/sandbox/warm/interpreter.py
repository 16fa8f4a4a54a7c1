"""Warm runs: an interpreter with modules imported, copied into each box instead of started.

What comes in: what boxes stand on, words that start an interpreter, modules to import.
What goes out: a zygote (csrc/sandbox/zygote.c) that lives; programs, checked to be for it.
Must never: give a run to an interpreter started with another environment or other options;
let a zygote of an older image bring programs into boxes of a newer one.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pyrootless.core import _boxes
from pyrootless.errors import LaunchError, UsageError
from pyrootless.sandbox import Limits, Row, box

_PLACE = "pyrootless-zygote"
_MAIN = "zygote_main.py"
_WAIT_MS = 60_000
_LOG_BYTES = 64 << 10
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_OPTIONS = re.compile(r"-[BEIOPSbdqsu]+")
"""Options of an interpreter that say nothing about the program, and take no word."""
_OWN_VARIABLES = ("PYTHON", "MALLOC_", "GLIBC_TUNABLES", "LD_", "LC_", "LANG")
"""Begins of variables that an interpreter, or what lies below it, reads at its start alone."""


@dataclass(frozen=True, slots=True)
class Warm:
    """How warm runs begin.

    Attributes:
        imports: Modules, in the order in which they are imported. They are trusted: they run
            before any program, once for all of them.
        interpreter: First words of every command: Python 3.9 or later, with its options.
    """

    imports: tuple[str, ...] = ()
    interpreter: tuple[str, ...] = ("python3",)

    def __post_init__(self) -> None:
        """Refuse what no interpreter could import.

        Raises:
            UsageError: A name is none of a module, or there is no interpreter.
        """
        for name in self.imports:
            if not _MODULE.fullmatch(name):
                raise UsageError(f"imports: {name!r} is no name of a module")
        if not self.interpreter:
            raise UsageError("interpreter: there is no program")

    def check(self, program: box.Program, started: Sequence[str]) -> None:
        """Whether a warm run of this program would be what a cold one is.

        Args:
            started: "NAME=value" each, with which the interpreter was started.

        Raises:
            UsageError: It would not be.
        """
        count = len(self.interpreter)
        if program.args[:count] != self.interpreter or not _is_program(program.args[count:]):
            raise self.refusal("options of the interpreter belong into `interpreter`")
        mine, others = _at_start(program.env), _at_start(started)
        if mine != others:
            name = sorted({line.split("=", 1)[0] for line in mine ^ others})[0]
            raise UsageError(
                f"env: {name} is read when an interpreter starts, and a warm one has started",
                remedy="give it to all boxes (ReadyBoxes(env=…))",
            )

    def refusal(self, more: str = "options of the interpreter before it") -> UsageError:
        """What a program is told that is not for this interpreter."""
        shown = " ".join(self.interpreter)
        return UsageError(
            f"a warm box runs {shown} FILE, {shown} -c CODE or {shown} -m MODULE",
            remedy=f"{more}; other programs into boxes without `warm`",
        )


def as_warm(warm: bool | Warm) -> Warm | None:
    """True: a plain Python; False: none."""
    return (Warm() if warm else None) if isinstance(warm, bool) else warm


def warm_for(program: box.Program, asked: Warm) -> Warm | None:
    """How this program would begin warm: its command's own options are the interpreter's too.

    None: it is no program for that interpreter, or not plainly one.
    """
    words, count = program.args, len(asked.interpreter)
    if words[:count] != asked.interpreter:
        return None
    while count < len(words) and _OPTIONS.fullmatch(words[count]):
        count += 1
    return Warm(asked.imports, words[:count]) if _is_program(words[count:]) else None


def _is_program(words: Sequence[str]) -> bool:
    if words and words[0] in ("-c", "-m"):
        return len(words) > 1
    return bool(words) and not words[0].startswith("-") and words[0] != ""


def _at_start(env: Sequence[str]) -> set[str]:
    return {line for line in env if line.startswith(_OWN_VARIABLES)}


class Zygote:
    """The interpreter of a set of boxes, started when it is first wanted, and when it is gone.

    Any number of threads may ask for it; it lives as long as the thread that started it.
    """

    def __init__(
        self, warm: Warm, env: Sequence[str], limits: Limits, root: str | None
    ) -> None:
        """Remember what it is.

        Args:
            env: "NAME=value" each, of the interpreter.
            limits: Of the boxes. Those of each process are the interpreter's own.
        """
        self._warm, self._env, self._root = warm, tuple(env), root
        self._limits = limits
        self._lock = threading.Lock()
        self._base: box.Base | None = None
        self._living: _boxes.Zygote | None = None

    def below(self, base: box.Base) -> _boxes.Zygote:
        """The one for boxes that stand on this.

        Raises:
            UsageError: The interpreter ended: the imports cannot be had.
            LaunchError, HostUnsupportedError: It cannot be started here.
        """
        with self._lock:
            if self._living is None or self._base != base or not _lives(self._living):
                self._living = None  # its boxes keep it; without any it ends here
                self._living = self._start(base)
                self._base = base
            return self._living

    def renew(self) -> None:
        """The next to ask gets another: this one may be ending."""
        with self._lock:
            self._living = None

    def _start(self, base: box.Base) -> _boxes.Zygote:
        warm = self._warm
        words = (*warm.interpreter, f"/{_PLACE}/{_MAIN}", str(len(warm.interpreter)))
        program = box.Program((*words, *warm.imports), self._env, "/")
        limits = replace(self._limits, disk=self._limits.disk_bytes + _own_bytes())
        config = box.zygote_config(base, program, limits, self._root)
        log = os.memfd_create("zygote", os.MFD_CLOEXEC)
        try:
            return _boxes.Zygote(config, _boxes.Files(list(_own_rows())), log, _WAIT_MS)
        except LaunchError as error:
            written = os.pread(log, _LOG_BYTES, 0).decode(errors="replace").strip()
            if not written:
                raise
            last = written.splitlines()[-1]
            raise UsageError(f"warm: the interpreter could not begin: {last}") from error
        finally:
            os.close(log)


def _lives(zygote: _boxes.Zygote) -> bool:
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PIDFD, zygote.pidfd, flags) is None


def _own_rows() -> tuple[Row, ...]:
    main = Path(__file__).with_name(_MAIN).read_bytes()
    return (
        ("dev/shm", None, 0o1777),
        (_PLACE, None, 0o755),
        (f"{_PLACE}/{_MAIN}", main, 0o444),
        (f"{_PLACE}/_zygote.abi3.so", _boxes.ZYGOTE_MODULE, 0o555),
    )


def _own_bytes() -> int:
    return 1 << 20
