"""PYROOTLESS_TRACE=1: which steps a launch tells of, and in which order.  No times: those are
the benchmarks' to judge."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROW = re.compile(r"^pyrootless: trace: (launcher|child|both) +([a-z]+) +(\d+\.\d) us$")
BEFORE = "options directories template state merge text files signals streams prepare"
CHILD = (
    "clone watch cgroup beside idmap null sources early overlay fuse rootfs late volumes "
    "mounts proc devices netns network sys sysctl terminal workdir fill netns masks seal stdio "
    "enter meter rlimits fds chdir landlock domain class resolve privileges loopback filter"
).split()
AFTER = "exec entry sweep program finish".split()
PREPARED = ("run", "--rm", "--ephemeral", "host", "true")


def run(
    launcher: Path, env: dict[str, str], *words: str, trace: str = "1"
) -> subprocess.CompletedProcess[str]:
    """The launcher with these words."""
    return subprocess.run(
        [str(launcher), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**env, "PYROOTLESS_TRACE": trace},
    )


def rows(text: str) -> list[tuple[str, str]]:
    """Who and which step, line by line; every line must be one of the trace."""
    found = [ROW.match(line) for line in text.splitlines()]
    assert None not in found, text
    return [(match[1], match[2]) for match in found if match]


@pytest.fixture
def prepared(launcher: Path, engine_environment: dict[str, str]) -> dict[str, str]:
    """The environment, with the launch template of `host` made."""
    assert run(launcher, engine_environment, *PREPARED, trace="0").returncode == 0
    return engine_environment


@pytest.mark.needs("plain-user", "user-namespaces")
def test_every_step_is_named_in_its_order(launcher: Path, prepared: dict[str, str]) -> None:
    done = run(launcher, prepared, *PREPARED)
    assert (done.returncode, done.stdout) == (0, "")
    wanted = [("launcher", name) for name in BEFORE.split()]
    wanted += [("child", name) for name in CHILD]
    wanted += [("launcher", name) for name in AFTER]
    assert rows(done.stderr) == [*wanted, ("both", "total")]


@pytest.mark.needs("plain-user", "user-namespaces")
def test_the_sum_is_the_sum(launcher: Path, prepared: dict[str, str]) -> None:
    lines = run(launcher, prepared, *PREPARED).stderr.splitlines()
    times = [float(match[3]) for match in map(ROW.match, lines) if match]
    assert times[-1] == pytest.approx(sum(times[:-1]), abs=0.1 * len(times))


@pytest.mark.needs("plain-user", "user-namespaces")
@pytest.mark.parametrize("trace", ["", "0", "yes"])
def test_nothing_is_said_unless_asked(
    launcher: Path, prepared: dict[str, str], trace: str
) -> None:
    done = run(launcher, prepared, *PREPARED, trace=trace)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.needs("plain-user", "user-namespaces")
def test_a_launch_that_fails_tells_how_far_it_came(
    launcher: Path, prepared: dict[str, str]
) -> None:
    done = run(launcher, prepared, "run", "--rm", "--ephemeral", "host", "/no/such/program")
    assert done.returncode == 127
    told = [line for line in done.stderr.splitlines() if line.startswith("pyrootless: trace:")]
    assert ("child", "landlock") in rows("\n".join(told))
    assert ("child", "resolve") not in rows("\n".join(told))
