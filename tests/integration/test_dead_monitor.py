"""A container whose monitor was killed: each command sweeps what it looks at.

In: `run -d`, and SIGKILL for its monitor.  Out: the entry of RUNTIME/running and the control
groups are gone after any verb that looks at containers; what was kept says how it ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rungs import Rung, environment_for

pytestmark = pytest.mark.needs("user-namespaces")

VERBS = [
    pytest.param(words, code, id=" ".join(words))
    for words, code in [
        (["ps"], 0),
        (["ps", "-a"], 0),
        (["ps", "-q", "-a"], 0),
        (["ps", "--json"], 0),
        (["inspect", "lost"], 0),
        (["stop", "lost"], 0),
        (["kill", "lost"], 1),
        (["rm", "lost"], 0),
        (["rm", "-f", "lost"], 0),
        (["exec", "lost", "true"], 125),
        (["info"], 0),
        (["system", "df"], 0),
        (["system", "prune", "-f"], 0),
        (["run", "--ephemeral", "host", "true"], 0),
        (["run", "--rm", "--network=container:lost", "host", "true"], 125),
        (["run", "--rm", "--name=lost", "host", "true"], 125),
    ]
]
LEAVES_NONE = {"rm", "system prune"}


@dataclass(frozen=True)
class Lost:
    """A container whose monitor is dead.

    Attributes:
        entry: Its file below RUNTIME/running.
        groups: Its control groups.
        directory: Where it lies.
    """

    rung: Rung
    entry: Path
    groups: tuple[Path, ...]
    directory: Path


def inspected(rung: Rung, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rung.call("inspect", name).stdout)[0]
    return found


def groups_of(found: dict[str, Any]) -> tuple[Path, ...]:
    lines = found["Annotations"].get("io.pyrootless.limits.cgroups", "").splitlines()
    return tuple(Path(line.split(" ", 2)[2]) for line in lines)


def kill_monitor(first: int) -> None:
    """SIGKILL for the parent of a container's first process; both have ended afterwards."""
    monitor = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
    ends = [os.pidfd_open(pid) for pid in (first, monitor)]
    os.kill(monitor, signal.SIGKILL)
    for descriptor in ends:
        select.select([descriptor], [], [])
        os.close(descriptor)


def lose(rung: Rung, *options: str) -> Lost:
    started = rung.call("run", "-d", "--name=lost", *options, "host", "sleep", "600")
    assert started.returncode == 0, started.stderr
    key, found = started.stdout.strip(), inspected(rung, "lost")
    (shown,) = [
        item for item in json.loads(rung.call("ps", "--json").stdout) if item["id"] == key
    ]
    entry = Path(rung.env["XDG_RUNTIME_DIR"], "pyrootless/running", key)
    lost = Lost(rung, entry, groups_of(found), Path(shown["directory"]))
    assert entry.exists() and all(group.is_dir() for group in lost.groups)
    kill_monitor(found["State"]["Pid"])
    assert entry.exists() and all(group.is_dir() for group in lost.groups)
    return lost


@pytest.fixture
def rung(launcher: Path, engine_environment: dict[str, str], tmp_path: Path) -> Iterator[Rung]:
    """A store of this test's own."""
    env = engine_environment | {"PYROOTLESS_ROOT": str(tmp_path / "data")}
    yield Rung("none", (), launcher, env)


@pytest.fixture(
    params=[
        pytest.param("cgroup2", marks=pytest.mark.needs("cgroup2-delegated")),
        pytest.param("cgroup1", marks=pytest.mark.needs("cgroup1-delegated")),
    ]
)
def limited(request: pytest.FixtureRequest, rung: Rung) -> Rung:
    name = str(request.param)
    return replace(rung, name=name, env=environment_for(name, rung.env))


@pytest.mark.parametrize(("words", "code"), VERBS)
def test_each_verb_sweeps_what_it_looks_at(rung: Rung, words: list[str], code: int) -> None:
    lost = lose(rung)
    done = rung.call(*words)
    assert done.returncode == code, done.stderr
    assert not lost.entry.exists()
    kept = " ".join(words[:2]) not in LEAVES_NONE and words[0] not in LEAVES_NONE
    assert lost.directory.exists() is kept
    if kept:
        status = json.loads((lost.directory / "status.json").read_text())
        assert (status["ended_by"], status["signal"]) == ("lost", signal.SIGKILL)
        assert inspected(rung, "lost")["State"]["Status"] == "exited"


@pytest.mark.parametrize(
    "words", [["rm", "lost"], ["rm", "-f", "lost"], ["ps"], ["stop", "lost"]]
)
def test_its_control_groups_go(limited: Rung, words: list[str]) -> None:
    lost = lose(limited, "--memory=64m", "--pids-limit=20")
    assert lost.groups
    limited.call(*words)
    assert [group for group in lost.groups if group.exists()] == []


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_rm_finds_the_groups_of_a_container_without_its_entry(limited: Rung, how: str) -> None:
    """The runtime directory goes with the last session of a user; the groups stay."""
    lost = lose(limited, "--memory=64m")
    if how == "gone":
        lost.entry.unlink()
    else:
        lost.entry.write_text("no entry\n")
    assert limited.call("rm", "lost").returncode == 0
    assert [group for group in lost.groups if group.exists()] == []
    assert not lost.directory.exists()


def test_a_scan_finds_the_groups_of_what_goes_with_its_end(limited: Rung) -> None:
    """--rm, and the runtime directory went while the monitor was dead."""
    lost = lose(limited, "--memory=64m", "--rm")
    for path in (lost.entry, *lost.entry.parent.parent.glob("scanned-*")):
        path.unlink()
    assert limited.call("run", "--ephemeral", "host", "true").returncode == 0
    assert [group for group in lost.groups if group.exists()] == []
    assert not lost.directory.exists()


@pytest.mark.needs("strace")
def test_ps_reads_no_file_of_what_it_does_not_show(rung: Rung, tmp_path: Path) -> None:
    """A thousand stopped containers beside one that runs."""
    for number in range(1000):
        place = tmp_path / "data/containers" / f"{number:064x}"
        place.mkdir(parents=True)
        (place / "config.json").write_text("{}")
        (place / "status.json").write_text("{}")
    assert rung.call("run", "-d", "--name=seen", "host", "sleep", "600").returncode == 0
    trace = tmp_path / "trace"
    traced = replace(rung, before=("strace", "-f", "-e", "trace=openat,open", "-o", str(trace)))
    reads = [(["ps", "-q", "-a"], 0), (["ps"], 2), (["stop", "-t0", "seen"], 2)]
    for words, most in reads:
        assert traced.call(*words).returncode == 0
        lines = trace.read_text().splitlines()
        assert sum('"config.json"' in line for line in lines) <= most
    assert rung.call("rm", "-f", "seen").returncode == 0
