"""Prepared containers: set up before anybody asks, each used once and thrown away.

A box is a whole container, every restriction in force, whose process 1 is a tiny program that
waits to be told what to execute (csrc/init/barrier.c). A run takes one, executes, and gives the
answer; taking the box apart and preparing the next happen afterwards, in other threads.

What comes in: an image and options as of `launch`, once; then programs.
What goes out: `Result` or `Child`, as `run` and `launch` give them.
Must never: use a box twice, hand a box's state to the next, keep a box when its owner is gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypedDict, Unpack

from pyrootless.closing import Closing
from pyrootless.core import _containers
from pyrootless.engine import (
    DEVNULL,
    PIPE,
    Child,
    OptionValue,
    Stream,
    find_template,
    make_result,
    open_container,
    prepared_words,
    to_argv,
)
from pyrootless.engine.pool.box import Box, PooledChild
from pyrootless.engine.pool.feed import Feed
from pyrootless.engine.pool.stock import Stock
from pyrootless.errors import UsageError
from pyrootless.held import HeldLimit, held_limits
from pyrootless.result import Result

_PLACE = "prepared"
"""Stands in config.json where a run's program and arguments come."""


class Changes(TypedDict, total=False):
    """What one program of a pool may have otherwise than its pool.

    env: variables beside, or instead of, the pool's. workdir: a directory that is there.
    timeout: seconds the program may take.
    """

    env: Mapping[str, str] | None
    workdir: str | None
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Wish:
    """A program as the start barrier is told of it."""

    args: list[str]
    env: list[str] | None
    workdir: str | None
    limit_ns: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all boxes of a pool have in common, read from the first one's config.json."""

    prefix: tuple[str, ...]
    env: tuple[str, ...]
    limits: tuple[HeldLimit, ...]
    limit_ns: int

    @classmethod
    def of(cls, container: _containers.Container) -> _Plan:
        config = json.loads(container.config)
        process = config["process"]
        limits = held_limits(config.get("annotations", {}))
        prefix = tuple(process["args"][:-1])
        return cls(prefix, tuple(process.get("env", ())), limits, container.wall_limit_ns)

    def wish(self, args: Sequence[str], changes: Changes) -> Wish:
        """This program, after the image's entrypoint if it has one.

        Raises:
            UsageError: It is none.
        """
        if isinstance(args, str) or not args or not (*self.prefix, *args)[0]:
            raise UsageError("name the program as a list: pool.run(['sort', '-n'])")
        unknown = sorted(changes.keys() - Changes.__annotations__.keys())
        if unknown:
            raise UsageError(f"{unknown[0]!r} is an option of the pool and not of one program")
        workdir = changes.get("workdir")
        if workdir is not None and not workdir.startswith("/"):
            raise UsageError(f"workdir is an absolute path and not {workdir!r}")
        env, limit_ns = self._env_of(changes.get("env")), self._limit_of(changes.get("timeout"))
        return Wish([*self.prefix, *args], env, workdir, limit_ns)

    def _env_of(self, more: Mapping[str, str] | None) -> list[str] | None:
        if not more:
            return None
        kept = [line for line in self.env if line.partition("=")[0] not in more]
        return kept + [f"{name}={value}" for name, value in more.items()]

    def _limit_of(self, timeout: float | None) -> int:
        if timeout is None:
            return self.limit_ns
        if timeout <= 0:
            raise UsageError("timeout is a number of seconds above 0, or None")
        return max(1, int(timeout * 1e9))


class Pool(Closing):
    """Containers of one image and one set of options, prepared and waiting.

    >>> with pyrootless.Pool("host", size=2) as pool:
    ...     pool.run(["echo", "hello"]).text
    'hello\\n'

    A run gets a box of its own, fresh in every namespace, and nothing of it reaches the next.
    Any number of threads may use a pool at once. What a box costs while it waits: about 0.3 MiB
    of memory, one process, and some descriptors of this process.

    A regular file that is lent as a standard stream can be used, but not opened again by its
    name (/dev/stdin): the box was confined before it knew the file.

    Attributes:
        size: How many boxes wait at most.
    """

    def __init__(self, image: str, *, size: int | None = None, **options: OptionValue) -> None:
        """Prepare the first box.

        Args:
            image: As for `launch`.
            size: How many boxes are kept ready; None: two for each processor.
            **options: As for `launch`. `timeout` counts from the start of each program.

        Raises:
            UsageError: An option has no meaning, or cannot be had of a prepared box.
            LaunchError, HostUnsupportedError: As for `launch`.
        """
        self._stock = Stock(partial(_prepare, *_describe(image, options)), size)
        self.size = self._stock.size
        self._plan: _Plan | None = None
        try:
            self._stock.give_back(self._stock.take())
        except BaseException:
            self.close()
            raise

    def run(
        self, args: Sequence[str], *, input: bytes | None = None, **changes: Unpack[Changes]
    ) -> Result:
        """Run a program in a box and wait for it.

        Args:
            args: The program and its arguments; an image's entrypoint comes before them.
            input: What it reads from standard input; None: nothing.
            **changes: `env`: variables beside, or instead of, those of the pool. `workdir`: a
                directory that is there. `timeout`: seconds the program may take.

        Returns:
            How it ended and what it printed. A program that fails is a Result and not an
            exception.

        Raises:
            UsageError, LaunchError, HostUnsupportedError: As for `launch`.
        """
        box = self._stock.take()
        try:
            wish = self._plan_of(box).wish(args, changes)
            with Feed(input) as feed:
                lent = (feed.lent, -1, -1)
                box.container.go(wish.args, wish.env, wish.workdir, lent)
                feed.close_lent()
                ending, usage, out, err = box.container.collect(
                    wish.limit_ns, feed.hand_over(), *box.hand_over()
                )
        finally:
            self._stock.replace(box)
        limits = self._plan_of(box).limits
        return make_result(tuple(wish.args), (ending, usage), limits, (out, err))

    def launch(
        self,
        args: Sequence[str],
        *,
        stdin: Stream = DEVNULL,
        stdout: Stream = PIPE,
        stderr: Stream = PIPE,
        **changes: Unpack[Changes],
    ) -> Child:
        """Start a program in a box and return at once.

        Args:
            args, changes: As for `run`.
            stdin, stdout, stderr: PIPE, DEVNULL, a descriptor or an open file.

        Raises:
            UsageError, LaunchError, HostUnsupportedError: As for `launch`.
        """
        box = self._stock.take()
        try:
            plan = self._plan_of(box)
            wish = plan.wish(args, changes)
            child = PooledChild(box, wish.args, plan.limits, wish.limit_ns)
            child.execute(wish.env, wish.workdir, (stdin, stdout, stderr))
        except BaseException:
            box.close()
            raise
        finally:
            self._stock.refill()
        return child

    def close(self) -> None:
        """End the boxes that wait. Programs that run go on. Safe to call twice."""
        self._stock.close()

    def _plan_of(self, box: Box) -> _Plan:
        if self._plan is None:
            self._plan = _Plan.of(box.container)
        return self._plan


def _describe(image: str, options: Mapping[str, OptionValue]) -> tuple[list[str], str | None]:
    """The words of `run` for every box of a pool, and the store."""
    for name in ("name", "rm", "tty", "cidfile", "pidfile", "detach", "verify"):
        if options.get(name):
            raise UsageError(f"{name!r} is not an option of a pool: use launch() or run()")
    chosen = {**options, "ephemeral": True}
    root = None if chosen.get("root") is None else str(chosen["root"])
    return prepared_words(to_argv(image, [_PLACE], chosen), root), root


def _prepare(words: list[str], root: str | None) -> Box:
    container = open_container(words, root)
    find_template(container, root)
    container.create()
    return Box(container)
