"""Blobs under way at once.

What comes in: items, what is to be done with each, the registries it is done with.
What goes out: the end of all of it, or the first failure.
Must never: leave a thread at work when it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from pyrootless.images.registry import RegistryClient

Item = TypeVar("Item")

PARALLEL = 3
"""Blobs under way at once, as docker does."""


def run_all(
    work: Callable[[Item], None], items: Iterable[Item], *clients: RegistryClient
) -> None:
    """Some at once, in their order; when one fails, the others are ended.

    Args:
        work: Called for each item, in a thread.
        clients: Whose connections are broken when one fails.

    Raises:
        Exception: The first that `work` raised.
    """
    with ThreadPoolExecutor(PARALLEL, "transfer") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            for client in clients:
                client.abort()
            raise
