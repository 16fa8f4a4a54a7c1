"""pyrootless.held: what holds the limits, read from annotations."""

from __future__ import annotations

from pyrootless.held import HeldLimit, held_limits

NOTES = {
    "io.pyrootless.limits": "best-effort",
    "io.pyrootless.limits.pids": "rlimit-nproc",
    "io.pyrootless.limits.pids.exactness": "each",
    "io.pyrootless.limits.memory": "cgroup2",
    "io.pyrootless.limits.memory.exactness": "exact",
    "io.pyrootless.limits.cgroups": "2 memory /sys/fs/cgroup/x",
}


def test_limits_in_their_order() -> None:
    assert held_limits(NOTES) == (
        HeldLimit("memory", "cgroup2", "exact"),
        HeldLimit("pids", "rlimit-nproc", "each"),
    )


def test_nothing_was_limited() -> None:
    assert held_limits({"io.pyrootless.image": "host"}) == ()
