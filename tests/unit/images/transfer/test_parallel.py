"""parallel: what becomes of the others when one fails.

In: work that waits for its registry's end.  Out: the failure, and who was begun.
Never: a registry.
"""

from __future__ import annotations

import threading
from typing import cast

import pytest

from pyrootless.images.registry import RegistryClient
from pyrootless.images.transfer.parallel import PARALLEL, run_all


class Waiting:
    """A client whose transfers stand still until it is ended."""

    def __init__(self) -> None:
        self.begun = threading.Barrier(PARALLEL)
        self.ended = threading.Event()

    def abort(self) -> None:
        self.ended.set()


def test_all_is_done() -> None:
    done: list[int] = []
    run_all(done.append, range(10))
    assert sorted(done) == list(range(10))


def test_a_failure_ends_the_others() -> None:
    client, begun = Waiting(), []

    def work(number: int) -> None:
        begun.append(number)
        client.begun.wait(30)
        if number == 0:
            raise ValueError("the first one")
        assert client.ended.wait(30)

    with pytest.raises(ValueError, match="the first one"):
        run_all(work, range(PARALLEL), cast("RegistryClient", client))
    assert sorted(begun) == list(range(PARALLEL))


def test_what_has_not_begun_never_does() -> None:
    client, begun = Waiting(), []

    def work(number: int) -> None:
        begun.append(number)
        if number < PARALLEL:
            client.begun.wait(30)
        if number == 0:
            raise ValueError
        assert client.ended.wait(30)

    with pytest.raises(ValueError):
        run_all(work, range(100), cast("RegistryClient", client))
    assert len(begun) <= PARALLEL + 1  # one in the place of the first
