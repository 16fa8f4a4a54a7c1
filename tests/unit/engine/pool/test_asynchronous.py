"""pyrootless.engine.pool.asynchronous: prepared containers and an event loop."""

from __future__ import annotations

import asyncio

import pytest

import pyrootless
from pyrootless.errors import LaunchError, UsageError

pytestmark = pytest.mark.usefixtures("engine")


def test_many_at_once() -> None:
    async def main() -> list[bytes]:
        async with pyrootless.AsyncPool("host", size=2) as pool:
            many = (pool.run(["cat"], input=str(number).encode()) for number in range(12))
            return [result.stdout for result in await asyncio.gather(*many)]

    assert asyncio.run(main()) == [str(number).encode() for number in range(12)]


def test_a_launch_and_its_streams() -> None:
    async def main() -> tuple[bytes, int | None]:
        async with (
            pyrootless.AsyncPool("host", size=1) as pool,
            await pool.launch(["sh", "-c", "read a; echo $a; exit 4"], stdin=-1) as child,
        ):
            assert child.stdin and child.stdout
            child.stdin.write(b"word\n")
            return await child.stdout.read(), (await child.wait()).exit_code

    assert asyncio.run(main()) == (b"word\n", 4)


def test_the_limit_of_time_and_a_cancelled_task() -> None:
    async def main() -> str:
        async with pyrootless.AsyncPool("host", size=1) as pool:
            late = await pool.run(["sleep", "600"], timeout=0.1)
            task = asyncio.create_task(pool.run(["sleep", "600"]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await pool.run(["true"])).ok
            return late.ended_by

    assert asyncio.run(main()) == "timeout"


def test_errors_arrive() -> None:
    async def main() -> None:
        pool = pyrootless.AsyncPool("host", size=1)
        with pytest.raises(UsageError, match="enter the pool"):
            await pool.run(["true"])
        async with pool:
            with pytest.raises(LaunchError):
                await pool.run(["/no/such"])
        await pool.close()

    asyncio.run(main())
