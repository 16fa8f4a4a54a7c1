"""`pyrootless info`: facts of this machine, the store, and what would hold limits."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
from images.stored import make_image, make_store

from pyrootless.cli import main as door
from pyrootless.cli.system import info
from pyrootless.core import _containers
from pyrootless.held import LIMITS

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests stays in its group, and their store is empty."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("PYROOTLESS_ROOT", str(tmp_path / "store"))


def test_every_limit_has_a_rung() -> None:
    rows = _containers.offered_enforcement()
    assert [name for name, _, _ in rows] == [name for name in LIMITS if name != "storage"]
    exact = {"cgroup2", "cgroup1", "rlimit-nproc"}
    for name, enforcement, exactness in rows:
        assert (exactness == "exact") == (enforcement in exact), name


def test_the_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    store = make_store(tmp_path)
    make_image(store, "base:1")
    monkeypatch.setenv("PYROOTLESS_ROOT", str(store.directories.data))
    assert door.main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["host", "store", "limits", "options", "doctor"]
    assert found["host"]["kernel"] == platform.release()
    assert (found["store"]["images"], found["store"]["containers"]) == (1, 0)
    assert sorted(found["limits"]) == sorted(LIMITS)
    assert sorted(found["doctor"]) == sorted(info.ENTRIES)


def test_the_lines() -> None:
    facts = {
        "host": {"kernel": "6.12"},
        "limits": {"memory": {"held_by": "watchdog", "exactness": "late"},
                   "cpus": {"held_by": "cgroup2", "exactness": "exact"}},
    }  # fmt: skip
    assert info.format_facts(facts).splitlines() == [
        "host:",
        "  kernel  6.12",
        "limits:",
        "  memory  watchdog (late)",
        "  cpus    cgroup2 (exact)",
    ]
