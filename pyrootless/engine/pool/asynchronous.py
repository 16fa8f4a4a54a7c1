"""The asyncio twin of `Pool`.

What comes in: what `Pool` takes.
What goes out: `AsyncChild` with asyncio streams, or a `Result`.
Must never: block the event loop, hold a thread for a container that runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from pyrootless.engine import (
    DEVNULL,
    PIPE,
    AsyncChild,
    OptionValue,
    Stream,
    exchange,
    start_async,
)
from pyrootless.engine.pool.prepared import Changes, Pool
from pyrootless.errors import UsageError
from pyrootless.result import Result


class AsyncPool:
    """A `Pool` for an event loop.

    async with pyrootless.AsyncPool("host", size=4) as pool:
        results = await asyncio.gather(*(pool.run(["echo", str(n)]) for n in range(100)))
    """

    def __init__(self, image: str, *, size: int | None = None, **options: OptionValue) -> None:
        """As `Pool`; the boxes are prepared on entering."""
        self._open = partial(Pool, image, size=size, **options)
        self._pool: Pool | None = None

    async def run(
        self, args: Sequence[str], *, input: bytes | None = None, **changes: Unpack[Changes]
    ) -> Result:
        """Run a program in a box and wait for it; cancelling the task kills it.

        Args, Returns, Raises: As `Pool.run`.
        """
        stdin = PIPE if input else DEVNULL
        return await exchange(await self.launch(args, stdin=stdin, **changes), input)

    async def launch(
        self,
        args: Sequence[str],
        *,
        stdin: Stream = DEVNULL,
        stdout: Stream = PIPE,
        stderr: Stream = PIPE,
        **changes: Unpack[Changes],
    ) -> AsyncChild:
        """Start a program in a box.

        Args, Raises: As `Pool.launch`.
        """
        if self._pool is None:
            raise UsageError("enter the pool first: async with pyrootless.AsyncPool(…) as pool")
        streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        return await start_async(partial(self._pool.launch, args, **streams, **changes))

    async def close(self) -> None:
        """End the boxes that wait. Programs that run go on. Safe to call twice."""
        if self._pool is not None:
            await asyncio.to_thread(self._pool.close)

    async def __aenter__(self) -> Self:
        self._pool = await asyncio.to_thread(self._open)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
