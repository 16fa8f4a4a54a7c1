"""Boxes that are ready before anybody asks: a sandbox's run without the set-up.

Each waits complete up to the program, every restriction and limit in force
(csrc/sandbox/held.c), is used once, and is taken apart after the answer.

What comes in: what all boxes have in common, once; then programs, files, input.
What goes out: an `Outcome` each, as `run` gives it.
Must never: use a box twice; let a run have another limit than its box was made with.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

from pyrootless.closing import Closing
from pyrootless.core import _boxes
from pyrootless.engine.pool import Stock
from pyrootless.errors import HostUnsupportedError, LaunchError, UsageError
from pyrootless.sandbox import (
    DEFAULT_LIMITS,
    SHARED_MEMORY,
    Collected,
    FileLike,
    Job,
    Limits,
    Outcome,
    box,
    file_rows,
    gather_for,
    host_for,
    lend_stdin,
    numbers_of,
    run_for_facts,
    to_outcome,
)
from pyrootless.sandbox.warm.interpreter import Warm, Zygote, as_warm

OF_A_RUN = ("cpu", "wall", "output", "idle")
"""Limits that a run may have of its own."""
FEWEST_FILES = 16
"""Open files that a waiting box needs."""
PLACE = box.Program(("prepared",), ())
"""Stands in config.json where a run's program comes."""


class ReadyBox:
    """One box that waits. Closing it ends it."""

    def __init__(self, job: Job, zygote: Zygote | None = None) -> None:
        """Prepare it, in a thread that lasts as long as the box.

        Args:
            zygote: Whose copy is to be told what to run; None: it will be executed.
        """
        config = box.box_config(job.base, job.program, job.limits, job.exact)
        files = _boxes.Files([SHARED_MEMORY])
        living = None if zygote is None else zygote.below(job.base)
        self._warm = living is not None
        self._held = _boxes.Held(host_for(job.rungs), config, files, living)

    @property
    def alive(self) -> bool:
        """It waits still: nobody killed it."""
        if self._held.pidfd < 0:  # FALLBACK: remove when kernel >= 5.4 is required
            return True
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PIDFD, self._held.pidfd, flags) is None

    def run_for_facts(self, job: Job) -> tuple[dict[str, Any], Collected]:
        """The program of this job, to its end; as `runs.run_for_facts`."""
        with lend_stdin(job.stdin) as lent:
            facts, found = self._held.run(
                (job.program.args, job.program.env),
                (lent, job.stdout, job.stderr),
                _boxes.Files(list(job.rows)),
                numbers_of(job.limits),
                gather_for(job),
            )
        return facts | {"warm": self._warm}, found or Collected()

    def close(self) -> None:
        """End it, remove what it had. Safe to call twice."""
        self._held.close()


class ReadyBoxes(Closing):
    """Sandbox boxes of one image and one set of limits, prepared and waiting.

    >>> with ReadyBoxes(limits=Limits(memory="64M"), size=2) as boxes:
    ...     boxes.run(["cat"], stdin=b"hello").stdout
    b'hello'

    A run gets a box of its own, fresh in every namespace, and nothing of it reaches the next.
    Any number of threads may use them at once. Time and processor time count from the program.
    """

    def __init__(  # noqa: PLR0913  # what a box is made of, one keyword each
        self,
        *,
        image: str = "host",
        rootfs: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = box.CWD,
        limits: Limits = DEFAULT_LIMITS,
        exact: bool = False,
        rungs: str = "best",
        warm: bool | Warm = False,
        size: int | None = None,
        root: str | None = None,
    ) -> None:
        """Prepare the first box.

        Args:
            image, rootfs, env, cwd, limits, exact, rungs, root: As for `run`.
            warm: In each box waits a copy of a Python that has started already, with modules
                imported (`Warm`). True: the image's python3, and none.
            size: How many boxes are kept ready; None: two for each processor.

        Raises:
            UsageError: An argument has no meaning, leaves a waiting box too few descriptors, or
                `warm` names what the interpreter cannot import.
            LaunchError, HostUnsupportedError: As for `run`.
        """
        if limits.open_files < FEWEST_FILES:
            raise UsageError(f"a ready box needs open_files of {FEWEST_FILES} or more")
        box.check_program(PLACE.args, cwd)
        self.limits = limits
        self._env, self._cwd = box.environment(env, cwd), cwd
        find_base = partial(_find_base, image, rootfs, root)
        place = replace(PLACE, cwd=cwd)
        self._find_base = find_base
        self._job = Job(find_base(), place, limits=limits, exact=exact, rungs=rungs)
        self._warm = as_warm(warm)
        zygote = Zygote(self._warm, self._env, limits, root) if self._warm else None
        self._stock = Stock(partial(_prepare, self._job, find_base, zygote), size)
        try:
            self._stock.give_back(self._stock.take())
        except BaseException:
            self.close()
            raise

    def run(  # noqa: PLR0913  # one keyword for each thing a run may be given
        self,
        args: Sequence[str],
        *,
        files: Mapping[str, FileLike] | None = None,
        stdin: bytes | int = b"",
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        collect: Sequence[str] = (),
    ) -> Outcome:
        """Run one program in a ready box and say how it went.

        Args:
            args, files, stdin, collect: As for `run`.
            env: The whole environment; None: that of the boxes.
            limits: None: those of the boxes. They may have their own `cpu`, `wall`, `output`
                and `idle`; the others hold a box from its beginning.

        Raises:
            UsageError: An argument has no meaning.
            LaunchError, HostUnsupportedError: As for `run`.
        """
        own = self.limits if limits is None else self._check_limits(limits)
        lines = self._env if env is None else box.environment(env, self._cwd)
        program = box.Program(box.check_program(args, self._cwd), lines, self._cwd)
        if self._warm:
            self._warm.check(program, self._env)
        rows = tuple(file_rows(files, self._cwd, at_once=True))
        job = replace(
            self._job,
            program=program,
            rows=rows,
            limits=own,
            stdin=stdin,
            collect=tuple(collect),
        )
        return to_outcome(job, *run_in(self._stock, job, self._find_base))

    async def run_async(self, args: Sequence[str], **options: Any) -> Outcome:
        """`run` in a thread; cancelling the task abandons the run, which ends by its limits."""
        import asyncio  # few want it, and it takes long to import

        return await asyncio.to_thread(self.run, args, **options)

    def close(self) -> None:
        """End the boxes that wait. Programs that run go on. Safe to call twice."""
        self._stock.close()

    def _check_limits(self, limits: Limits) -> Limits:
        for limit in fields(Limits):
            mine, other = getattr(self.limits, limit.name), getattr(limits, limit.name)
            if limit.init and limit.name not in OF_A_RUN and mine != other:
                raise UsageError(
                    f"{limit.name}={other!r} is not what these boxes have, {mine!r}",
                    remedy=f"only {', '.join(OF_A_RUN)} are a run's own; make other boxes",
                )
        return limits


def _find_base(image: str, rootfs: str | os.PathLike[str] | None, root: str | None) -> box.Base:
    return box.rootfs_base(rootfs, root) if rootfs else box.image_base(image, root)


def _prepare(job: Job, find_base: partial[box.Base], zygote: Zygote | None) -> ReadyBox:
    return make_ready(replace(job, base=find_base()), zygote)


def run_in(
    stock: Stock[ReadyBox], job: Job, find_base: Callable[[], box.Base]
) -> tuple[dict[str, Any], Collected]:
    """A job in the next box of a stock; a box of its own where it cannot be told to that one.

    What waits is told by a message with descriptors. A program of another box may have so many
    in flight that this user may send no more (unix(7), ETOOMANYREFS); a new box inherits them.
    """
    try:
        ready = stock.take()
        try:
            return ready.run_for_facts(job)
        finally:
            stock.replace(ready)
    except LaunchError as error:
        if not _may_send_no_more(error):
            raise
    return run_for_facts(replace(job, base=find_base()))


def _may_send_no_more(error: Exception) -> bool:
    return isinstance(error, LaunchError) and error.errno == errno.ETOOMANYREFS


def make_ready(job: Job, zygote: Zygote | None) -> ReadyBox:
    """A box; where its zygote was killed, as whatever takes much memory may be, of another."""
    try:
        return ReadyBox(job, zygote)
    except (LaunchError, HostUnsupportedError) as error:
        if zygote is None or _may_send_no_more(error):
            raise
    zygote.renew()
    return ReadyBox(job, zygote)
