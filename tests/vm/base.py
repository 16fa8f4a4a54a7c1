"""What all parts of the virtual machine share: places, words to the caller, host commands.

In: XDG_CACHE_HOME, the host's PATH.  Out: paths, `Failure`, the output of host commands.
Never: a shell, a file outside the cache and the machine's own directory below /tmp.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pyrootless-vm"
RUN = Path("/tmp")  # sockets are made below it: their paths must be short
PREFIX = f"pyrootless-vm-{os.getuid()}-"
HOST_COMMAND_SECONDS = 1800
# Where Debian keeps mke2fs, and an ordinary user does not look.
os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
# Command → Debian package.
HOST_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}


class Failure(Exception):
    """The machine itself could not do what was asked (never: the command in it failed)."""


def log(message: object) -> None:
    """A line of our own on standard error."""
    print(f"vm: {message}", file=sys.stderr, flush=True)


def checked(words: Sequence[str | Path]) -> str:
    """Run a host command and return what it printed.

    Raises:
        Failure: it is not installed, or exited with another status than 0.
    """
    name = str(words[0])
    try:
        done = subprocess.run(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            timeout=HOST_COMMAND_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        package = HOST_TOOLS.get(name, name)
        raise Failure(f"no {name} on this host: apt-get install -y {package}") from None
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise Failure(f"{name} exited {done.returncode}\n{text[-4000:]}")
    return text


def missing_packages() -> list[str]:
    """Debian packages this host lacks, sorted; [] when a machine can be built and started."""
    packages = {package for tool, package in HOST_TOOLS.items() if not shutil.which(tool)}
    try:
        ctypes.CDLL("libarchive.so.13")  # mke2fs reads a tar file through it
    except OSError:
        packages.add("libarchive13t64")
    return sorted(packages)


def open_parents(target: str) -> str:
    """A line of shell that lets everybody pass the directories above one; a share stays."""
    above = [str(parent) for parent in reversed(Path(target).parents)][1:]
    return f"chmod a+x {shlex.join(above)} 2>/dev/null || :" if above else ":"
