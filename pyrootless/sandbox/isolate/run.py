"""One run of the isolate-shaped front: a box's files in, the run, its files back.

What comes in: what the command line said. What goes out: an outcome, and why it was ended.
Must never: give the program the box's own directory: it works on a copy, so that links,
devices and whatever else it makes stay inside, and the disk quota holds without any quota of
the host.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from pyrootless.errors import UsageError
from pyrootless.sandbox import (
    File,
    FileLike,
    Job,
    Limits,
    Outcome,
    box,
    file_rows,
    killed_for,
    run_for_facts,
    to_outcome,
)
from pyrootless.sandbox.isolate import place as isolate_place
from pyrootless.sandbox.isolate.place import Place
from pyrootless.sandbox.isolate.rules import Rule
from pyrootless.sandbox.isolate.streams import Streams, Surroundings

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
        streams: Paths in the box of the three; "": this process's own.
        stderr_to_stdout: Both go where standard output goes.
    """

    args: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    limits: Limits
    rules: tuple[Rule, ...] = ()
    bare: bool = False
    streams: tuple[str, str, str] = ("", "", "")
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
        where = Surroundings(place, wish.cwd, wish.rules, before, wish.limits.wall_ns)
        streams = Streams(where, wish.streams)
        lent = stack.enter_context(streams.opened(wish.stderr_to_stdout))
        job = _job(wish, {} if bound else before)
        job = replace(job, stdin=lent[0], stdout=lent[1], stderr=lent[2])
        facts, found = run_for_facts(job)
        outcome = to_outcome(job, facts, found)
        if facts["unfit"]:
            raise UsageError(outcome.cause, remedy="a larger --quota")
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
        tuple(file_rows(rows, "/", at_once=True)),
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
        return box.Base(_empty_tree(), mounts, base.notes, lent=bool(mounts))
    return replace(base, binds=(*base.binds, *mounts), lent=bool(mounts))


def _empty_tree() -> str:
    """A root with nothing in it."""
    path = isolate_place.find_place(0).path.parent / "empty"
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return str(path)
