"""Limits under attack: processes, memory; with control groups of the user's own, and without.

In: what was delegated (tests/facts.py, cgroup1-delegated).  Out: what became of the attackers.
Never: a time.
"""

from __future__ import annotations

import getpass
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import facts
import pytest

import pyrootless as package

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
DELEGATED = pytest.mark.needs("cgroup1-delegated")
ALONE = pytest.mark.skipif(
    not facts.missing("cgroup1-delegated"), reason="control groups are delegated here"
)
FORKS = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(600)
        count += 1
except BlockingIOError:
    print(count)
"""
HOARD = "block = bytearray(200 << 20); print(len(block))"


def groups() -> list[str]:
    """The containers' groups that are there now."""
    places = Path("/sys/fs/cgroup").glob(f"*/{getpass.getuser()}/*")
    return sorted(str(place) for place in places if place.is_dir())


def test_a_fork_bomb_stops_at_the_limit(pyrootless: Runner) -> None:
    done = pyrootless("run", "--rm", "--pids-limit=10", "host", "python3", "-c", FORKS)
    assert (done.returncode, done.stdout) == (0, "9\n")


def test_two_containers_do_not_share_the_limit(pyrootless: Runner) -> None:
    with package.launch("host", ["sleep", "600"], pids_limit=2) as first:
        done = pyrootless("run", "--rm", "--pids-limit=5", "host", "python3", "-c", FORKS)
        assert done.stdout == "4\n"
        first.kill()


@DELEGATED
def test_a_hoarder_is_killed_at_the_limit(pyrootless: Runner) -> None:
    before = groups()
    done = pyrootless("run", "--rm", "--memory=64m", "host", "python3", "-c", HOARD)
    assert (done.returncode, done.stdout) == (137, "")
    said = "pyrootless: the container was killed at its --memory of 67108864 bytes (cgroup1)\n"
    assert done.stderr == said
    assert groups() == before


@DELEGATED
def test_the_result_says_what_held(engine_environment: dict[str, str]) -> None:
    root = engine_environment["PYROOTLESS_ROOT"]
    words = ["python3", "-c", HOARD]
    result = package.run("host", words, root=root, memory="64m", cpus=0.5, pids_limit=20)
    assert (result.ended_by, result.signal, result.stdout) == ("oom", 9, b"")
    assert result.enforced == {"memory": "cgroup1", "cpus": "cgroup1", "pids": "cgroup1"}
    assert result.exactness == {"memory": "exact", "cpus": "exact", "pids": "exact"}
    assert (result.usage.memory_peak_bytes, result.usage.oom_kills) == (64 << 20, 1)
    assert result.usage.cpu_ns > 0


@DELEGATED
def test_inspect_says_what_held(pyrootless: Runner) -> None:
    words = ["--name=held", "--memory=64m", "--pids-limit=30"]
    assert pyrootless("run", *words, "host", "python3", "-c", HOARD).returncode == 137
    found = json.loads(pyrootless("inspect", "held").stdout)[0]
    pyrootless("rm", "held")
    assert found["State"]["OOMKilled"] is True
    assert found["Limits"] == {
        "memory": {"HeldBy": "cgroup1", "Exactness": "exact"},
        "pids": {"HeldBy": "cgroup1", "Exactness": "exact"},
    }
    assert (found["HostConfig"]["Memory"], found["HostConfig"]["PidsLimit"]) == (64 << 20, 30)
    assert found["Usage"]["memory_peak_bytes"] == 64 << 20


@DELEGATED
def test_memory_that_is_not_reached_is_no_matter(pyrootless: Runner) -> None:
    words = ["--memory=256m", "--cpus=0.5", "--pids-limit=50"]
    done = pyrootless("run", "--rm", *words, "host", "echo", "fine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


@ALONE
@pytest.mark.parametrize("option", ["--memory=64m", "--cpus=0.5"])
def test_what_cannot_be_held_is_refused(pyrootless: Runner, option: str) -> None:
    done = pyrootless("run", "--rm", option, "host", "true")
    assert done.returncode == 125
    name = option.partition("=")[0]
    assert done.stderr.startswith(f"pyrootless: {name}: no control group for it is delegated")
    assert "--limits=best-effort" in done.stderr and "pyrootless doctor cgroup" in done.stderr


@ALONE
def test_the_weaker_rung_is_named(pyrootless: Runner) -> None:
    words = ["--limits=best-effort", "--memory=64m"]
    done = pyrootless("run", "--rm", *words, "host", "python3", "-c", HOARD)
    assert done.returncode != 0 and done.stdout == ""
    assert done.stderr.startswith("pyrootless: --memory is held by the watchdog alone")
