"""The mounts of a container that has ended are the kernel's to take apart, unless it was lent
something of the caller's.

In: runs of the built-in image.  Out: the root file system is gone in the end (IN_UNMOUNT of
inotify(7)); strace tells which runs left theirs and which waited.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import subprocess
import time
from pathlib import Path

import pytest

SECONDS = 60
IN_UNMOUNT = 0x2000
EVENT = struct.Struct("iIII")
libc = ctypes.CDLL(None, use_errno=True)


def watch_root(pid: int) -> int:
    """An inotify descriptor on the root directory that `pid` sees."""
    fd: int = libc.inotify_init1(os.O_CLOEXEC)
    assert fd >= 0
    path = os.fsencode(f"/proc/{pid}/root")
    assert libc.inotify_add_watch(fd, path, IN_UNMOUNT) >= 0, os.strerror(ctypes.get_errno())
    return fd


def wait_for_line(path: Path, words: str, process: subprocess.Popen[str]) -> None:
    """Until a line of the file holds the words.  Looked at again and again: strace tells nobody
    when it writes."""
    while not path.exists() or words not in path.read_text():
        assert process.poll() is None, f"ended before {path} told {words}"
        time.sleep(0.01)


@pytest.mark.needs("plain-user", "user-namespaces")
def test_the_root_is_unmounted(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    pidfile = tmp_path / "pid"
    options = ["-d", "--rm", "--ephemeral", f"--pidfile={pidfile}"]
    command = [str(launcher), "run", *options, "host", "sleep", "1000"]
    name = subprocess.check_output(command, env=engine_environment, text=True).strip()
    fd = watch_root(int(pidfile.read_text()))
    try:
        subprocess.run([str(launcher), "kill", name], env=engine_environment, check=True)
        assert select.select([fd], [], [], SECONDS)[0] == [fd]
        _, mask, _, _ = EVENT.unpack_from(os.read(fd, 4096))
    finally:
        os.close(fd)
    assert mask & IN_UNMOUNT


@pytest.mark.needs("plain-user", "user-namespaces", "strace")
@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--rm", "--ephemeral"], True),
        (["--rm"], True),
        ([], False),
        (["--rm", "--ephemeral", "-v{lent}:/mnt"], False),
        (["--rm", "--ephemeral", "--mount=type=bind,src={lent},dst=/mnt"], False),
        (["--rm", "--ephemeral", "--device=/dev/null:/dev/mine"], False),
        (["--rm", "-vmine:/mnt", "-v/anonymous"], True),
    ],
    ids=["throw-away", "disk", "kept", "volume", "mount", "device", "named"],
)
def test_who_waits_for_the_mounts(
    launcher: Path,
    engine_environment: dict[str, str],
    tmp_path: Path,
    options: list[str],
    left: bool,
) -> None:
    """A container that is kept is started again at once, and what was lent is given back."""
    path = tmp_path / "trace"
    words = [option.replace("{lent}", str(tmp_path)) for option in options]
    run = [str(launcher), "run", "-i", *words, "host", "sh", "-c", "read end"]
    with subprocess.Popen(
        ["strace", "-o", str(path), "-e", "trace=ioctl,sendmsg,ppoll", *run],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=engine_environment,
    ) as process:
        wait_for_line(path, "ppoll(", process)  # the monitor's: what precedes it is done
        _, errors = process.communicate("end\n", timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    lines = path.read_text().splitlines()
    held = [line for line in lines if "0xff, 0x3" in line or "PIDFD_GET_MNT" in line]
    handed = [line for line in lines if "SCM_RIGHTS" in line]
    assert (len(held), len(handed)) == ((1, 1) if left else (0, 0))
