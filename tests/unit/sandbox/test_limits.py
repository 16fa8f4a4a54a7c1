"""pyrootless.sandbox.limits: whole numbers from what people write, and refusals."""

from __future__ import annotations

import pytest

from pyrootless.errors import UsageError
from pyrootless.sandbox.limits import Limits


def test_units() -> None:
    limits = Limits(cpu="250ms", wall="1.5s", memory="64M", output="64K", disk="2M")
    assert (limits.cpu_ns, limits.wall_ns) == (250_000_000, 1_500_000_000)
    assert (limits.memory_bytes, limits.output_bytes) == (64 << 20, 64 << 10)
    assert limits.disk_bytes == 2 << 20


@pytest.mark.parametrize(
    ("cpu", "wall_ns"),
    [("1s", 3 * 10**9), ("100ms", 10**9), (20, 60 * 10**9), (None, 10 * 10**9)],
)
def test_there_is_always_a_deadline(cpu: str | int | None, wall_ns: int) -> None:
    assert Limits(cpu=cpu).wall_ns == wall_ns


def test_no_limit_is_none() -> None:
    limits = Limits(cpu=None, memory=None, procs=None, output=None, file_size=None)
    assert (limits.cpu_ns, limits.memory_bytes, limits.procs) == (0, 0, None)
    assert limits.output_bytes == limits.file_size_bytes == 2**63 - 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"cpu": 0},
        {"wall": "0s"},
        {"memory": "1M"},
        {"procs": 0},
        {"disk": 0},
        {"inodes": -1},
        {"memory": "lots"},
        {"open_files": 0},
    ],
)
def test_what_no_program_runs_with(wrong: dict[str, str | int]) -> None:
    with pytest.raises(UsageError):
        Limits(**wrong)  # type: ignore[arg-type]


def test_a_value() -> None:
    assert Limits(cpu="1s") == Limits() and hash(Limits()) == hash(Limits())
    assert Limits(cpu="1s") != Limits(cpu="2s")
