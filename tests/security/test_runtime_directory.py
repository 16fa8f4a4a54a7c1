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
import time
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


def shown_in_a_command_line(word: bytes) -> bool:
    """Whether a process has the word in its command line, which every user can read."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes()
        except OSError:
            continue
        if word in text:
            return True
    return False


@pytest.mark.parametrize("way", ["-d", "foreground", "exec"])
@pytest.mark.parametrize("form", [("-e", "TOKEN={}"), ("-eTOKEN={}",), ("--env=TOKEN={}",)])
def test_a_secret_is_in_no_command_line(
    pyrootless: Any,
    launcher: Path,
    engine_environment: dict[str, str],
    way: str,
    form: tuple[str, ...],
) -> None:
    """The program inside has it, and tells when it runs."""
    secret = f"s3cret{os.getpid()}{way.strip('-')}{len(form)}{len(form[0])}"
    options = [word.format(secret) for word in form]
    program = ("sh", "-c", 'test -n "$TOKEN" && echo ready && exec cat')
    words = {
        "-d": ("run", "-d", "-i", "--name=teller", *options, "host", *program),
        "foreground": ("run", "--rm", "-i", *options, "host", *program),
        "exec": ("exec", "-i", *options, "keeper", *program),
    }[way]
    if way == "exec":
        assert pyrootless("run", "-d", "--name=keeper", "host", "sleep", "600").returncode == 0
    try:
        if way == "-d":
            assert pyrootless(*words).returncode == 0
            assert not shown_in_a_command_line(secret.encode())
            return
        with subprocess.Popen(
            [launcher, *words],
            env=engine_environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None and process.stdin is not None
            assert process.stdout.readline() == b"ready\n"
            end = time.monotonic() + SECONDS
            while shown_in_a_command_line(secret.encode()):  # the program was the quicker one
                assert time.monotonic() < end
            process.stdin.close()
    finally:
        pyrootless("rm", "-f", "teller" if way == "-d" else "keeper")


def test_a_table_shows_no_escape_of_an_image(pyrootless: Any) -> None:
    words = ("sh", "-c", "exit 3 # \x1b[2J\x9b31m")
    assert pyrootless("run", "--name=loud", "host", *words).returncode == 3
    shown = pyrootless("ps", "-a").stdout
    assert pyrootless("rm", "loud").returncode == 0
    assert all(line.isprintable() for line in shown.splitlines())
    assert "\\x1b" in shown
