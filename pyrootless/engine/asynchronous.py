"""The asyncio twin of `launch` and `run`.

What comes in: what `launch` takes.
What goes out: `AsyncChild` with asyncio streams, or a `Result`.
Must never: block the event loop, hold a thread for a container that runs, leave one behind.
"""

from __future__ import annotations

import asyncio
import signal as signals
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import BinaryIO, Self

from pyrootless.engine.arguments import OptionValue
from pyrootless.engine.child import DEVNULL, PIPE, Child, Stream
from pyrootless.engine.launch import launch
from pyrootless.result import Result

_Transports = list[asyncio.ReadTransport | asyncio.WriteTransport]


class AsyncChild:
    """One running container in the hands of an event loop.

    The wall limit (`timeout=` of the launch) is kept by the loop, whether anybody waits or not.

    Attributes:
        stdin: Writable when stdin=PIPE was asked for, else None.
        stdout: Readable when stdout=PIPE was asked for, else None.
        stderr: The same for standard error.
    """

    def __init__(self, child: Child) -> None:
        """Use `launch_async`, which opens the streams too."""
        self._child = child
        self._transports: _Transports = []
        self._reaping = False
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._end = asyncio.get_running_loop().create_task(self._reap())

    @property
    def id(self) -> str:
        """64 hex digits."""
        return self._child.id

    @property
    def pid(self) -> int:
        """Process id of the container's pid 1 as the host sees it; -1 after the end."""
        return self._child.pid

    @property
    def args(self) -> tuple[str, ...]:
        """The program and its arguments."""
        return self._child.args

    @property
    def result(self) -> Result | None:
        """How it ended; None while it runs."""
        return self._child.result

    async def wait(self) -> Result:
        """Wait for the end. Any number of tasks may; cancelling one leaves it running."""
        return await asyncio.shield(self._end)

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process."""
        if not self._reaping:
            self._child.signal(number)

    def kill(self) -> None:
        """End it at once, whatever it does. wait() then tells ended_by "killed"."""
        self.signal(signals.SIGKILL)

    async def close(self) -> None:
        """Kill it if it runs, wait for its end, close the streams. Safe to call twice."""
        self.kill()
        try:
            await asyncio.wait([self._end])
        finally:
            for transport in self._transports:
                _drop(transport)
            if self._end.done():
                self._child.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _open_streams(self) -> None:
        child = self._child
        if child.stdin is not None:
            self.stdin = await self._open_writer(child.stdin)
        if child.stdout is not None:
            self.stdout = await self._open_reader(child.stdout)
        if child.stderr is not None:
            self.stderr = await self._open_reader(child.stderr)

    async def _open_writer(self, pipe: BinaryIO) -> asyncio.StreamWriter:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self._transports.append(transport)
        return asyncio.StreamWriter(transport, protocol, None, loop)

    async def _open_reader(self, pipe: BinaryIO) -> asyncio.StreamReader:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self._transports.append(transport)
        return reader

    async def _reap(self) -> Result:
        """Wait for the pidfd or the wall limit, then let the core take the status."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        pidfd = self._child.fileno()
        if pidfd < 0:  # FALLBACK: a thread waits; remove when kernel >= 5.3 is required
            return await asyncio.to_thread(self._child.wait)
        loop.add_reader(pidfd, ended.set)
        try:
            async with asyncio.timeout(_seconds_left(self._child)):
                await ended.wait()
        except TimeoutError:
            pass  # the limit has passed: the core's wait kills
        finally:
            loop.remove_reader(pidfd)
        self._reaping = True  # from here on the descriptor is the core's alone
        return await asyncio.to_thread(self._child.wait)


async def launch_async(
    image: str,
    args: Sequence[str] = (),
    *,
    stdin: Stream = DEVNULL,
    stdout: Stream = PIPE,
    stderr: Stream = PIPE,
    **options: OptionValue,
) -> AsyncChild:
    """Start a container without blocking the event loop.

    Args:
        image, args, stdin, stdout, stderr, options: As for `launch`.

    Returns:
        The running container; `async with await launch_async(…) as child:` ends it in any case.

    Raises:
        UsageError, LaunchError, HostUnsupportedError: As for `launch`.
    """
    return await start_async(
        partial(launch, image, args, stdin=stdin, stdout=stdout, stderr=stderr, **options)
    )


async def start_async(start: Callable[[], Child]) -> AsyncChild:
    """Call `start` in a thread, and hold what it returns."""
    starting = asyncio.get_running_loop().run_in_executor(None, start)
    try:
        started = AsyncChild(await asyncio.shield(starting))
    except asyncio.CancelledError:
        starting.add_done_callback(_close_late)
        await asyncio.wait([starting])  # a launch cannot be stopped half-way, and is short
        raise
    try:
        await started._open_streams()
    except BaseException:
        await started.close()
        raise
    return started


async def run_async(
    image: str,
    args: Sequence[str] = (),
    *,
    input: bytes | None = None,
    **options: OptionValue,
) -> Result:
    """Run a program in a fresh container and wait for it; cancelling the task kills it.

    Args:
        image, args, options: As for `launch`.
        input: What it reads from standard input; None: nothing.

    Returns:
        How it ended and what it printed. A program that fails is a Result and not an exception.

    Raises:
        UsageError, LaunchError, HostUnsupportedError: As for `launch`.
    """
    stdin = PIPE if input else DEVNULL
    child = await launch_async(image, args, stdin=stdin, stdout=PIPE, stderr=PIPE, **options)
    return await exchange(child, input)


async def exchange(child: AsyncChild, data: bytes | None) -> Result:
    """Feed data, collect both outputs, wait, and close in any case."""
    async with child:
        stdout, stderr, _ = await asyncio.gather(
            _read(child.stdout), _read(child.stderr), _feed(child.stdin, data or b"")
        )
        return replace(await child.wait(), stdout=stdout, stderr=stderr)


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


async def _feed(stdin: asyncio.StreamWriter | None, data: bytes) -> None:
    """Write it all and close; a program that stopped reading is not our failure."""
    if stdin is None:
        return
    try:
        stdin.write(data)
        await stdin.drain()
        stdin.close()
        await stdin.wait_closed()
    except ConnectionError:
        pass


def _seconds_left(child: Child) -> float | None:
    if child.deadline_ns is None:
        return None
    return max(0.0, (child.deadline_ns - time.monotonic_ns()) / 1e9)


def _drop(transport: asyncio.ReadTransport | asyncio.WriteTransport) -> None:
    """Close at once; what was not written yet has no reader any more."""
    if transport.is_closing():
        return
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
    else:
        transport.close()


def _close_late(starting: asyncio.Future[Child]) -> None:
    """The launch that nobody waits for any more has ended."""
    if not starting.cancelled() and starting.exception() is None:
        starting.result().close()
