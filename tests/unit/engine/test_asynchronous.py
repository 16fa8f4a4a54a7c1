"""pyrootless.engine.asynchronous: the same containers on an event loop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

import pyrootless
from pyrootless import AsyncChild, launch_async, run_async
from pyrootless.engine.child import DEVNULL, PIPE, Child
from pyrootless.errors import LaunchError, UsageError

T = TypeVar("T")
pytestmark = pytest.mark.usefixtures("engine")


def on_a_loop(work: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(bounded())


async def line_of(child: AsyncChild) -> bytes:
    assert child.stdout is not None
    return await child.stdout.readline()


def say(child: AsyncChild, data: bytes) -> None:
    assert child.stdin is not None
    child.stdin.write(data)


def hang_up(child: AsyncChild) -> None:
    assert child.stdin is not None
    child.stdin.close()


def test_it_is_public() -> None:
    assert {"AsyncChild", "launch_async", "run_async"} <= set(pyrootless.__all__)


def test_run_tells_output_and_code() -> None:
    script = "printf out; printf err >&2; exit 7"
    result = on_a_loop(run_async("host", ["sh", "-c", script]))
    assert (result.stdout, result.stderr, result.exit_code) == (b"out", b"err", 7)


def test_what_needs_a_filter_of_its_own_gets_it() -> None:
    unshare = run_async(
        "host", ["unshare", "-Ur", "echo", "nested"], security_opt=["nested-userns"]
    )
    assert on_a_loop(unshare).stdout == b"nested\n"


@pytest.mark.parametrize("size", [0, 1, 1_000_003])
def test_input_arrives_whole(size: int) -> None:
    result = on_a_loop(run_async("host", ["cat"], input=b"x" * size))
    assert result.ok and result.stdout == b"x" * size


def test_input_that_nobody_reads_is_no_failure() -> None:
    assert on_a_loop(run_async("host", ["true"], input=bytes(1_000_000))).exit_code == 0


def test_the_limit_of_time() -> None:
    script = "echo begun; exec sleep 600"
    result = on_a_loop(run_async("host", ["sh", "-c", script], timeout=0.4))
    assert (result.ended_by, result.stdout) == ("timeout", b"begun\n")


def test_many_at_once() -> None:
    async def work() -> list[str]:
        runs = [run_async("host", ["echo", str(number)]) for number in range(8)]
        return [result.text for result in await asyncio.gather(*runs)]

    assert on_a_loop(work()) == [f"{number}\n" for number in range(8)]


def test_streams_while_it_runs() -> None:
    async def work() -> None:
        async with await launch_async("host", ["cat"], stdin=PIPE) as child:
            say(child, b"hello\n")
            assert await line_of(child) == b"hello\n"
            assert child.result is None and child.pid > 0 and len(child.id) == 64
            hang_up(child)
            result = await child.wait()
            assert (result.exit_code, result.args) == (0, ("cat",))
            assert child.result is result and await child.wait() is result
            assert await line_of(child) == b""

    on_a_loop(work())


def test_a_wait_that_is_given_up_leaves_it_running() -> None:
    async def work() -> None:
        async with await launch_async("host", ["cat"], stdin=PIPE) as child:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(child.wait(), 0.05)
            say(child, b"on\n")
            assert await line_of(child) == b"on\n"
            hang_up(child)
            assert (await child.wait()).exit_code == 0

    on_a_loop(work())


def test_kill_and_signal() -> None:
    async def work() -> None:
        script = "trap 'exit 3' USR1; echo ready; while :; do read x; done"
        async with await launch_async("host", ["sh", "-c", script], stdin=PIPE) as child:
            assert await line_of(child) == b"ready\n"
            child.signal(signal.SIGUSR1)
            say(child, b"\n")
            assert (await child.wait()).exit_code == 3
            child.kill()  # of what has ended: nothing
        async with await launch_async("host", ["sleep", "600"]) as child:
            child.kill()
            assert (await child.wait()).ended_by == "killed"

    on_a_loop(work())


def test_leaving_the_block_kills_and_close_is_idempotent(engine: Path) -> None:
    async def work() -> None:
        async with await launch_async("host", ["sleep", "600"], stdin=PIPE) as child:
            place = engine / "run/pyrootless/containers" / child.id
            assert place.is_dir()
        assert child.result is not None and child.result.ended_by == "killed"
        assert not place.exists()
        await child.close()

    on_a_loop(work())


def test_cancelling_a_run_kills_the_container(engine: Path) -> None:
    running = engine / "run/pyrootless/running"

    async def work(fifo: Path) -> None:
        os.mkfifo(fifo)
        begun = asyncio.Event()
        fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(fd, begun.set)
        script = "echo begun > /d/fifo; exec sleep 600"
        task = asyncio.create_task(
            run_async("host", ["sh", "-c", script], volume=[f"{fifo.parent}:/d"])
        )
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)
        assert list(running.iterdir()) == []

    (engine / "fifo").mkdir()
    on_a_loop(work(engine / "fifo/fifo"))


def test_cancelling_a_launch_leaves_nothing(engine: Path) -> None:
    async def work() -> None:
        task = asyncio.create_task(launch_async("host", ["sleep", "600"]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The launch goes on in its thread; the end of the loop waits for it.

    on_a_loop(work())
    gc.collect()
    assert list((engine / "run/pyrootless/running").iterdir()) == []


def test_errors_are_those_of_launch() -> None:
    with pytest.raises(LaunchError) as caught:
        on_a_loop(run_async("host", ["/no/such"]))
    assert (caught.value.stage, caught.value.errno) == ("exec", 2)
    with pytest.raises(UsageError, match="there is no option 'colour'"):
        on_a_loop(run_async("host", ["true"], colour="red"))


def test_without_a_pidfd_a_thread_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Child, "fileno", lambda self: -1)

    async def work() -> None:
        assert (await run_async("host", ["echo", "x"])).stdout == b"x\n"
        assert (await run_async("host", ["sleep", "600"], timeout=0.2)).ended_by == "timeout"
        async with await launch_async("host", ["sleep", "600"]) as child:
            child.kill()
            assert (await child.wait()).ended_by == "killed"

    on_a_loop(work())


def test_streams_that_were_not_asked_for() -> None:
    async def work() -> None:
        async with await launch_async("host", ["true"], stdout=DEVNULL, stderr=None) as child:
            assert (child.stdin, child.stdout, child.stderr) == (None, None, None)
            assert (await child.wait()).ok

    on_a_loop(work())


def test_descriptors_do_not_grow() -> None:
    on_a_loop(run_async("host", ["true"]))
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert on_a_loop(run_async("host", ["cat"], input=b"x")).stdout == b"x"
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
