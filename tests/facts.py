"""Facts about this machine that tests need, each with the words for when it is not there.

In: the machine.  Out: per fact "" (there) or what is missing and what brings it.
Never: changing the machine, importing pyrootless.

A test names its facts: @pytest.mark.needs("crun", "fuse").  A fact without a row is an error.
"""

from __future__ import annotations

import functools
import os
import platform
import pwd
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

# Program → Debian package that brings it.
PROGRAMS = {
    "busybox": "busybox-static",
    "bindfs": "bindfs",
    "buildah": "buildah",
    "bwrap": "bubblewrap",
    "capsh": "libcap2-bin",
    "crun": "crun",
    "docker-registry": "docker-registry",
    "fish": "fish",
    "fuse-overlayfs": "fuse-overlayfs",
    "g++": "g++",
    "gcc": "gcc",
    "git": "git",
    "go": "golang-go",
    "htpasswd": "apache2-utils",
    "ip": "iproute2",
    "java": "default-jre-headless",
    "javac": "default-jdk-headless",
    "less": "less",
    "localedef": "locales",
    "mmdebstrap": "mmdebstrap",
    "musl-gcc": "musl-tools",
    "openssl": "openssl",
    "newuidmap": "uidmap",
    "node": "nodejs",
    "pasta": "passt",
    "pipx": "pipx",
    "podman": "podman",
    "ruby": "ruby",
    "rustc": "rustc",
    "setpriv": "util-linux",
    "skopeo": "skopeo",
    "slirp4netns": "slirp4netns",
    "strace": "strace",
    "tini": "tini",
    "umoci": "umoci",
    "unshare": "util-linux",
    "vim.tiny": "vim-tiny",
    "zsh": "zsh",
}


def _program(name: str) -> str:
    # The environment the tests run in counts too: pipx may come from there.
    beside = str(Path(sys.executable).parent)
    if shutil.which(name, path=f"{beside}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        return ""
    return f"{name} is not on PATH (apt-get install -y {PROGRAMS[name]})"


def _device(path: str) -> str:
    if not Path(path).exists():
        return f"{path} does not exist"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path} is not readable and writable for this user (chmod 0666 {path})"
    return ""


def _user_namespaces() -> str:
    if missing := _program("unshare"):
        return missing
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if done.returncode == 0 else f"no user namespaces here: {done.stderr.strip()}"


def _subordinate_ids() -> str:
    user = pwd.getpwuid(os.getuid())
    for name in ("/etc/subuid", "/etc/subgid"):
        path = Path(name)
        lines = path.read_text().splitlines() if path.exists() else []
        owners = {line.split(":")[0] for line in lines}
        if not owners & {user.pw_name, str(user.pw_uid)}:
            return f"user {user.pw_name} has no range in {name} (usermod --add-subuids …)"
    return ""


def _single_id() -> str:
    return "" if _subordinate_ids() else "this user has subordinate ids"


def _root() -> str:
    return "" if os.getuid() == 0 else "this user is not root"


def _real_time() -> str:
    """A thread of its own may take a real-time class."""
    least = os.sched_get_priority_min(os.SCHED_RR)
    if os.getuid() == 0 or resource.getrlimit(resource.RLIMIT_RTPRIO)[0] >= least:
        return ""
    return "this user may have no real-time class (RLIMIT_RTPRIO)"


def _plain_user() -> str:
    return "this user is root" if os.getuid() == 0 else ""


def _x86_64() -> str:
    return "" if platform.machine() == "x86_64" else f"this is {platform.machine()}"


def _ipv6() -> str:
    return "" if Path("/proc/sys/net/ipv6").is_dir() else "the kernel has no IPv6"


def _debian_mirror() -> str:
    """Asked as apt would ask: what its sources name first, through its own proxies."""
    helper = Path("/usr/lib/apt/apt-helper")
    system = platform.freedesktop_os_release()
    if not helper.exists() or system.get("ID") != "debian":
        return "this is not a Debian with apt"
    form = "$(REPO_URI)dists/$(RELEASE)/Release"
    words = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    listed = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if not listed.stdout:
        return "apt's sources name no mirror"
    url = listed.stdout.split("\n")[0]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(helper), "download-file", url, f"{folder}/Release"],
            capture_output=True,
            timeout=120,
            check=False,
        )
    return "" if done.returncode == 0 else "Debian's mirror does not answer from here"


def _virtual_machine() -> str:
    """Minutes of an emulated machine are for those who ask for them."""
    if os.environ.get("PYROOTLESS_TEST_VM") == "1":
        return ""
    return "a virtual machine is started by `make test-vm` alone"


def _docker_engine() -> str:
    """Minutes of a Docker Engine are for those who ask for them."""
    if os.environ.get("PYROOTLESS_TEST_DOCKER") != "1":
        return "a Docker Engine is started by `make test-docker` alone"
    return _root() or ("" if shutil.which("apt-get") else "apt-get is not on PATH")


def _cgroup1_delegated() -> str:
    user = pwd.getpwuid(os.getuid()).pw_name
    lacking = [
        name
        for name in ("memory", "pids", "cpu", "cpuset", "blkio")
        if not os.access(f"/sys/fs/cgroup/{name}/{user}/cgroup.procs", os.W_OK)
    ]
    names = ", ".join(lacking)
    return f"no group of {user}'s own below /sys/fs/cgroup for {names}" if lacking else ""


def _freezer_delegated() -> str:
    """Version 2 freezes by itself, version 1 has a hierarchy for it."""
    user = pwd.getpwuid(os.getuid()).pw_name
    one = os.access(f"/sys/fs/cgroup/freezer/{user}/cgroup.procs", os.W_OK)
    return "" if one else _cgroup2_delegated() and f"no freezer's group of {user}'s own"


def _cgroup2_delegated() -> str:
    """By systemd's manager of this user, which hands down what its own group has."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.access(f"{runtime}/systemd/private", os.W_OK):
        return "no systemd manager of this user"
    number = os.getuid()
    own = Path(f"/sys/fs/cgroup/user.slice/user-{number}.slice/user@{number}.service")
    path = own / "cgroup.controllers"
    there = path.read_text().split() if path.exists() else []
    lacking = [name for name in ("memory", "pids", "cpu", "cpuset", "io") if name not in there]
    return f"systemd does not delegate {', '.join(lacking)}" if lacking else ""


def disk_below(path: Path) -> str:
    """The device of the whole disk on which a path lies; "" when there is none."""
    number = os.stat(path).st_dev
    place = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not place.exists():
        return ""
    place = place.resolve()
    disk = place.parent if (place / "partition").exists() else place
    return f"/dev/{disk.name}" if Path(f"/dev/{disk.name}").exists() else ""


def _perf_clock() -> str:
    """perf lends an ordinary user a clock of its own processes."""
    path = Path("/proc/sys/kernel/perf_event_paranoid")
    if not path.exists():
        return "a kernel without perf"
    return "" if int(path.read_text()) <= 2 else "perf_event_paranoid is 3 or more"


def _numpy() -> str:
    """NumPy of the machine's own Python, which programs in boxes see."""
    words = ["/usr/bin/python3", "-c", "import numpy"]
    done = subprocess.run(words, stderr=subprocess.DEVNULL, timeout=60, check=False)
    return "" if done.returncode == 0 else "no NumPy (apt-get install -y python3-numpy)"


def _another_group() -> str:
    """This user is in a group beside its own."""
    return "" if set(os.getgroups()) - {os.getgid()} else "this user is in one group alone"


FACTS: dict[str, Callable[[], str]] = {
    **{name: functools.partial(_program, name) for name in PROGRAMS},
    "another-group": _another_group,
    "cgroup1-delegated": _cgroup1_delegated,
    "cgroup2-delegated": _cgroup2_delegated,
    "debian-mirror": _debian_mirror,
    "docker-engine": _docker_engine,
    "freezer-delegated": _freezer_delegated,
    "fuse": functools.partial(_device, "/dev/fuse"),
    "tun": functools.partial(_device, "/dev/net/tun"),
    "ipv6": _ipv6,
    "numpy": _numpy,
    "perf-clock": _perf_clock,
    "plain-user": _plain_user,
    "real-time": _real_time,
    "root": _root,
    "single-id": _single_id,
    "subordinate-ids": _subordinate_ids,
    "user-namespaces": _user_namespaces,
    "vm": _virtual_machine,
    "x86_64": _x86_64,
}


@functools.cache
def missing(fact: str) -> str:
    """What is missing for a fact, "" when it is there.

    Raises:
        KeyError: no row knows this fact.
    """
    return FACTS[fact]()
