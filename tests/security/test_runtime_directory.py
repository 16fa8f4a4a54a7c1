"""Another local user against the caller's runtime directory, and what a killed monitor leaves.

In: a subordinate id, which is another user to the kernel; a process of the caller's own.
Out: that process lives; the command says whose directory it is.
Never: a directory outside the test's own.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

KEY = "a" * 64
SECONDS = 30


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the caller's that the stranger would have ended."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def born(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@pytest.fixture
def planted(
    tmp_path: Path, pyrootless: Any, victim: subprocess.Popen[bytes]
) -> Iterator[dict[str, str]]:
    """The runtime directory is a stranger's; it names the victim, locked, as a container."""
    place = tmp_path / "run" / "pyrootless"
    (place / "running").mkdir(parents=True)
    (place / "containers" / KEY).mkdir(parents=True)
    (tmp_path / "run").chmod(0o700)
    note = {"annotations": {"io.pyrootless.name": "web"}}
    (place / "containers" / KEY / "config.json").write_text(json.dumps(note))
    entry = place / "running" / KEY
    entry.write_text(
        f"{victim.pid:010d} {born(victim.pid):020d} {place}/containers/{KEY} "
        "remove,throw-away,name=web\n"
    )
    with entry.open("r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for path in (entry, place / "containers" / KEY, place / "running", place):
            path.chmod(0o777)
        words = ["unshare", "--", "chown", "-R", "1:1", str(place)]
        assert pyrootless(*words).returncode == 0
        try:
            yield {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
        finally:
            assert pyrootless("unshare", "--", "chown", "-R", "0:0", str(place)).returncode == 0


@pytest.mark.needs("subordinate-ids", "newuidmap")
@pytest.mark.parametrize(
    "words",
    [
        ("ps",),
        ("stop", "web"),
        ("kill", "web"),
        ("rm", "-f", "web"),
        ("inspect", "web"),
        ("exec", "web", "true"),
        ("run", "--rm", "host", "true"),
        ("system", "df"),
        ("system", "prune", "--force"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_a_strangers_runtime_directory_is_refused(
    pyrootless: Any,
    planted: dict[str, str],
    victim: subprocess.Popen[bytes],
    words: tuple[str, ...],
) -> None:
    done = pyrootless(*words, env=planted)
    assert victim.poll() is None
    assert done.returncode == 125, done.stderr
    assert f"{planted['XDG_RUNTIME_DIR']}/pyrootless belongs to uid" in done.stderr


def groups_of(key: str) -> list[Path]:
    return [path for path in Path("/sys/fs/cgroup").rglob(f"pyrootless-{key}") if path.is_dir()]


@pytest.mark.needs("cgroup1-delegated")
def test_rm_after_a_killed_monitor_leaves_no_control_group(
    pyrootless: Any, engine_environment: dict[str, str]
) -> None:
    words = ("run", "-d", "--name=orphan", "--pids-limit=50", "host", "sleep", "600")
    started = pyrootless(*words)
    assert started.returncode == 0, started.stderr
    key = started.stdout.strip()
    entry = Path(engine_environment["XDG_RUNTIME_DIR"], "pyrootless/running", key)
    process = int(entry.read_text().split()[0])
    assert groups_of(key) != []
    monitor = int(
        next(
            line.split()[1]
            for line in Path(f"/proc/{process}/status").read_text().splitlines()
            if line.startswith("PPid:")
        )
    )
    gone = os.pidfd_open(process)
    os.kill(monitor, signal.SIGKILL)
    assert select.select([gone], [], [], SECONDS)[0]
    os.close(gone)
    assert pyrootless("rm", "orphan").returncode == 0
    assert groups_of(key) == []
    assert not entry.exists()
