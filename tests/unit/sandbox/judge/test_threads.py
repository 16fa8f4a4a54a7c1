"""sandbox.judge.threads: idle threads help, and nobody waits for one that has not begun."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from pyrootless.sandbox.judge.threads import Hands

SECONDS = 60


def test_results_are_in_the_order_of_the_things() -> None:
    """The first is done last: it waits for the second, which another thread must have taken."""
    second = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert second.wait(SECONDS)
        else:
            second.set()
        return number * number

    with ThreadPoolExecutor(2) as pool:
        found = pool.submit(Hands(pool, 2).map, work, [0, 1, 2]).result(SECONDS)
    assert found == [0, 1, 4]


def test_no_more_threads_than_there_are_and_none_is_waited_for() -> None:
    """A batch of one thread, which is the caller's."""
    with ThreadPoolExecutor(1) as pool:
        hands = Hands(pool, 2)
        threads = pool.submit(hands.map, lambda _: threading.get_ident(), range(20)).result(
            SECONDS
        )
    assert len(set(threads)) == 1 and len(threads) == 20


@pytest.mark.parametrize("hands", [Hands(), Hands(count=4)])
def test_alone(hands: Hands) -> None:
    assert hands.map(str, [1, 2]) == ["1", "2"]
    assert hands.map(str, []) == []


def test_a_failure_of_a_helper_ends_all() -> None:
    here, begun, ended = threading.get_ident(), threading.Event(), threading.Event()
    seen: list[int] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, work: Callable[..., Any], /, *args: Any, **names: Any) -> Future[Any]:
            future = super().submit(work, *args, **names)
            future.add_done_callback(lambda _: ended.set())
            return future

    def work(number: int) -> None:
        seen.append(number)
        if threading.get_ident() != here:
            assert begun.wait(SECONDS)
            raise ValueError("of a helper")
        begun.set()
        assert ended.wait(SECONDS)

    with Pool(1) as pool, pytest.raises(ValueError, match="of a helper"):
        Hands(pool, 2).map(work, range(10))
    assert len(seen) == 2


def test_a_failure_here_comes_first() -> None:
    def work(number: int) -> None:
        raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 0"):
        Hands().map(work, range(3))


def test_after_an_interrupt_nobody_helps() -> None:
    pool = ThreadPoolExecutor(2)
    pool.shutdown()
    assert Hands(pool, 2).map(str, [1, 2]) == ["1", "2"]
