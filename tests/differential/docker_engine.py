"""A real Docker Engine for comparisons, neither installed nor started as a service.

In: root; apt, which fetches the packages of `docker` in tools/packages.txt; a folder.
Out: an environment with which `docker` speaks to an engine in namespaces of its own.
Never: an installed package, a mount, interface or process outside those namespaces.

The engine has no bridge, so a container without --network has a loopback alone, as one of ours.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PURPOSE = "docker"
START_SECONDS = 60

# It sees control groups of version 1 alone where both are mounted: runc takes no mixture.
INSIDE = r"""
set -eu
mount --make-rprivate /
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
mount -t tmpfs tmpfs /run
ip link set lo up
exec dockerd --host "unix://$1/socket" --data-root "$1/data" --exec-root /run/docker \
    --pidfile /run/docker.pid --bridge none --iptables=false --ip6tables=false \
    --exec-opt native.cgroupdriver=cgroupfs
"""


def packages() -> list[str]:
    """Debian packages that an engine is made of."""
    lines = (ROOT / "tools" / "packages.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return [name for purpose, name in rows if purpose == PURPOSE]


def unpack(folder: Path) -> Path:
    """Where the programs are; fetched once into `folder`.

    Raises:
        subprocess.CalledProcessError: apt cannot fetch a package, or it does not unpack.
    """
    place = folder / "programs"
    if place.exists():
        return place
    fetched = folder / "packages"
    fetched.mkdir(parents=True, exist_ok=True)
    words = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *packages()]
    subprocess.run(words, cwd=fetched, timeout=300, check=True)
    making = folder / f"making-{os.getpid()}"
    for package in sorted(fetched.glob("*.deb")):
        subprocess.run(["dpkg", "-x", package, making], timeout=120, check=True)
    making.rename(place)
    return place


def environment(programs: Path, folder: Path) -> dict[str, str]:
    """What `docker` and the engine are called with."""
    own = f"{programs}/usr/sbin:{programs}/usr/bin"
    return {
        "PATH": f"{own}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "DOCKER_HOST": f"unix://{folder}/socket",
    }


@contextlib.contextmanager
def started(programs: Path, folder: Path) -> Iterator[dict[str, str]]:
    """An engine that keeps everything below `folder`; it ends, with all its containers.

    Raises:
        RuntimeError: it did not begin; the end of its log is in the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    env = environment(programs, folder)
    words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    words += ["bash", "-c", INSIDE, "bash", str(folder)]
    with (folder / "log").open("wb") as log:
        engine = subprocess.Popen(
            words,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_for(engine, folder, env)
        yield env
    finally:
        _end(engine)


def _wait_for(engine: subprocess.Popen[bytes], folder: Path, env: dict[str, str]) -> None:
    """Until it answers; it says so nowhere else than on its socket."""
    last = time.monotonic() + START_SECONDS
    while time.monotonic() < last and engine.poll() is None:
        words = ["docker", "version", "--format", "{{.Server.Version}}"]
        if subprocess.run(words, env=env, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    tail = (folder / "log").read_text(errors="replace").splitlines()[-3:]
    raise RuntimeError("the Docker Engine did not start: " + " / ".join(tail))


def _end(engine: subprocess.Popen[bytes]) -> None:
    """Ask it to end; the namespace of processes ends what is left with it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(engine.pid, signal.SIGTERM)
    try:
        engine.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(engine.pid, signal.SIGKILL)
        engine.wait(timeout=20)
