"""One run of the isolate-shaped front: a box's files in, the run, its files back.

What comes in: what the command line said. What goes out: an outcome, and why it was ended.
Must never: give the program the box's own directory: it works on a copy, so that links,
devices and whatever else it makes stay inside, and the disk quota holds without any quota of
the host.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pyrootless.errors import UsageError
from pyrootless.sandbox import box, isolate_place
from pyrootless.sandbox.files import File, FileLike, file_rows
from pyrootless.sandbox.isolate_place import Place
from pyrootless.sandbox.isolate_rules import Rule, host_path
from pyrootless.sandbox.limits import Limits
from pyrootless.sandbox.outcome import Outcome
from pyrootless.sandbox.runs import Job, killed_for, run_for_facts, to_outcome

_ALL = ("**?",)


@dataclass(frozen=True, slots=True)
class Wish:
    """A command line of --run.

    Attributes:
        args: Program and arguments.
        cwd: Absolute, in the box.
        env: Every variable.
        limits: With the extra time in them.
        rules: Directories besides the box's own.
        bare: Without the host's programs: only what `rules` bind.
        stdin, stdout, stderr: Paths in the box; "": this process's own.
        stderr_to_stdout: Both go where standard output goes.
    """

    args: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    limits: Limits
    rules: tuple[Rule, ...] = ()
    bare: bool = False
    stdin: str = ""
    stdout: str = ""
    stderr: str = ""
    stderr_to_stdout: bool = False


def run_in_place(place: Place, wish: Wish) -> tuple[Outcome, str]:
    """Run it; the box's directory then holds what the run left.

    Returns:
        The outcome, and the limit for which the box was ended ("" when none).

    Raises:
        UsageError, LaunchError, StoreError: The run could not be made.
    """
    before = isolate_place.read_files(place)
    bound = any(rule.inside == box.CWD for rule in wish.rules)
    with ExitStack() as stack:
        streams = Streams(place, wish, before)
        lent = stack.enter_context(streams.opened())
        job = _job(wish, {} if bound else before)
        job = replace(job, stdin=lent[0], stdout=lent[1], stderr=lent[2])
        facts, found = run_for_facts(job)
        outcome = to_outcome(job, facts, found)
        if not bound:
            after = {name: File(data, found.modes[name]) for name, data in found.files.items()}
            isolate_place.write_back(place, before, after, set(found.bad))
        streams.keep()
    return outcome, killed_for(facts)


def _job(wish: Wish, files: Mapping[str, FileLike]) -> Job:
    words = box.check_program(_program(wish, files), wish.cwd)
    env = tuple(f"{name}={value}" for name, value in wish.env.items())
    rows = {f"{box.CWD}/{name}": value for name, value in files.items()}
    rows |= {rule.inside: None for rule in wish.rules if not rule.outside}
    rows.setdefault(wish.cwd, None) if wish.cwd != box.CWD else None
    return Job(
        _base(wish),
        box.Program(words, env, wish.cwd),
        tuple(file_rows(rows, "/")),
        wish.limits,
        collect=_ALL,
        collect_in=box.CWD,
    )


def _program(wish: Wish, files: Mapping[str, FileLike]) -> tuple[str, ...]:
    """A name without "/" is one of the working directory first: there is no PATH to search."""
    name = wish.args[0] if wish.args else ""
    here = posixpath.relpath(posixpath.join(wish.cwd, name), box.CWD)
    return (f"./{name}", *wish.args[1:]) if "/" not in name and here in files else wish.args


def _base(wish: Wish) -> box.Base:
    mounts = tuple(rule.mount() for rule in wish.rules if rule.outside)
    base = box.image_base("host")
    if wish.bare:
        return box.Base(_empty_tree(), mounts, base.notes)
    return replace(base, binds=(*base.binds, *mounts))


def _empty_tree() -> str:
    """A root with nothing in it."""
    path = isolate_place.find_place(0).path.parent / "empty"
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return str(path)


class Streams:
    """Where the three streams lead."""

    def __init__(self, place: Place, wish: Wish, files: Mapping[str, FileLike]) -> None:
        self._place, self._wish, self._files = place, wish, files
        self._made: dict[str, Path] = {}

    @contextmanager
    def opened(self) -> Iterator[tuple[bytes | int, int, int]]:
        """Descriptors to lend, and bytes for a file of the box."""
        with ExitStack() as stack:
            stdin = self._stdin(stack)
            stdout = self._output(stack, self._wish.stdout, 1)
            stderr = self._output(stack, self._wish.stderr, 2)
            yield stdin, stdout, stdout if self._wish.stderr_to_stdout else stderr

    def keep(self) -> None:
        """Output that was asked for in a file of the box becomes that file."""
        for name, path in self._made.items():
            isolate_place.put(self._place, name, File(path.read_bytes()))
            path.unlink()

    def _inside(self, path: str) -> tuple[str, str]:
        """(name below /box or "", path of the host or "") of a path that the program sees."""
        whole = posixpath.normpath(posixpath.join(self._wish.cwd, path))
        bound = host_path(whole, self._wish.rules)
        if bound or not whole.startswith(f"{box.CWD}/"):
            return "", bound or ("/dev/null" if whole == "/dev/null" else "")
        return whole.removeprefix(f"{box.CWD}/"), ""

    def _stdin(self, stack: ExitStack) -> bytes | int:
        path = self._wish.stdin
        if not path:
            return 0
        name, outside = self._inside(path)
        file = self._files.get(name)
        if isinstance(file, File) and isinstance(file.data, bytes):
            return file.data
        if not outside:
            raise UsageError(f'open("{path}"): no such file in the box, nor below a --dir')
        return _open(stack, outside, os.O_RDONLY)

    def _output(self, stack: ExitStack, path: str, own: int) -> int:
        if not path:
            return own
        name, outside = self._inside(path)
        if outside:
            return _open(stack, outside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        if not name:
            raise UsageError(f'open("{path}"): neither in the box nor below a --dir')
        if name not in self._made:
            self._made[name] = self._place.path / f"stream-{own}"
        return _open(stack, self._made[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def _open(stack: ExitStack, path: str | Path, flags: int) -> int:
    try:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise UsageError(f'open("{path}"): {error.strerror}') from error
    stack.callback(os.close, fd)
    return fd
