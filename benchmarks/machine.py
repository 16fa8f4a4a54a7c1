"""What a measurement was made on: facts that explain a number, and that compare two runs.

In: /proc, /sys, version output of peers, git.  Out: plain dictionaries for JSON.
Never: a fact that names a person or a host; an exception because a fact is missing ("" or None
stands for it).
"""

from __future__ import annotations

import datetime
import os
import platform
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

QUERY_SECONDS = 20.0
CONTEXT_VARIABLE = "PYROOTLESS_BENCH_CONTEXT"
"""How the run was begun, in words, where a wrapper began it."""


ORDINARY_USER = "pyrootless-test"
"""Who measures when root begins: the user of the tests (tools/ordinary_user.py)."""


def measuring_user(name: str) -> pwd.struct_passwd:
    """The ordinary user who measures; that of the tests is made where there is none yet.

    Raises:
        SystemExit: There is no such user, and it is not ours to make.
    """
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    if name != ORDINARY_USER:
        raise SystemExit(
            f"measures as an ordinary user, and there is no {name}; make one: "
            f"useradd --create-home {name}"
        )
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
    import ordinary_user

    ordinary_user.make_user(name, subordinate_ids=True)
    return pwd.getpwnam(name)


def facts(
    places: Mapping[str, Path], peers: Mapping[str, tuple[str, ...]]
) -> dict[str, object]:
    """Everything that stays the same during a run.

    Args:
        places: name → directory whose file system matters ("store", "tmp", …).
        peers: name → command that prints a version.
    """
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git_revision": git_revision(Path(__file__).parent),
        "context": os.environ.get(CONTEXT_VARIABLE, f"as uid {os.getuid()}, as it is"),
        "uid": os.getuid(),
        "scheduling": scheduling(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        **_cpu_facts(_read("/proc/cpuinfo")),
        "memory_bytes": _memory_bytes("MemTotal"),
        "transparent_huge_pages": _chosen(_read("/sys/kernel/mm/transparent_hugepage/enabled")),
        "cgroup": cgroup_kind(Path("/sys/fs/cgroup")),
        "mounts": len(_read("/proc/self/mountinfo").splitlines()),
        "file_systems": {name: file_system(path) for name, path in sorted(places.items())},
        "python": platform.python_version(),
        "versions": {name: version(words) for name, words in sorted(peers.items())},
    }


def scheduling() -> str:
    """Policy and priority that every candidate inherits; "other 0" is the usual."""
    names = {os.SCHED_OTHER: "other", os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr"}
    policy = os.sched_getscheduler(0)
    return f"{names.get(policy, policy)} {os.sched_getparam(0).sched_priority}"


def load() -> dict[str, object]:
    """How busy the machine is now: load averages, threads, stalls for want of a CPU so far."""
    words = _read("/proc/loadavg").split()
    return {
        "average_1_5_15": [float(word) for word in words[:3]],
        "threads": int(words[3].split("/")[1]) if len(words) > 3 else None,
        "cpu_stall_us": _stall_us(_read("/proc/pressure/cpu")),
    }


def available_memory_bytes() -> int:
    """What could be touched without swapping, bytes; 0 when the kernel does not say."""
    return _memory_bytes("MemAvailable") or 0


def cgroup_kind(base: Path) -> str:
    """v2, hybrid (v1 with a v2 tree beside it), v1, or none, as `base` shows it."""
    if (base / "cgroup.controllers").exists():
        return "v2"
    if (base / "unified" / "cgroup.controllers").exists():
        return "hybrid"
    known = ("memory", "pids", "cpu")
    return "v1" if any((base / name / "cgroup.procs").exists() for name in known) else "none"


def delegated_version() -> int | None:
    """The version of control groups with memory in which we may make our own; None: none."""
    parent = memory_parent()
    if parent is None:
        return None
    return 1 if (parent / "memory.usage_in_bytes").exists() else 2


def memory_parent() -> Path | None:
    """A directory of control groups with memory in which we may make one; None: there is none.

    Version 1: a directory of the user's name; version 2: our own group.  Source: cgroups(7).
    """
    for line in _read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        point, kind = left.split()[4], right.split()
        if kind[0] == "cgroup" and "memory" in kind[2].split(","):
            own = Path(point, pwd.getpwuid(os.getuid()).pw_name)
            if os.access(own / "cgroup.procs", os.W_OK):
                return own
    groups = [line for line in _read("/proc/self/cgroup").splitlines() if line[:3] == "0::"]
    own = Path("/sys/fs/cgroup", groups[0][4:]) if groups else Path("/")
    has_memory = "memory" in _read(str(own / "cgroup.controllers")).split()
    return own if has_memory and os.access(own, os.W_OK) else None


def file_system(path: Path, mountinfo: str | None = None) -> str:
    """The type of the file system a path lies on; "" when it cannot be told.

    Args:
        mountinfo: text of /proc/self/mountinfo; None reads it.  Source: proc_pid_mountinfo(5).
    """
    text = _read("/proc/self/mountinfo") if mountinfo is None else mountinfo
    real = path.resolve()
    best, kind = "", ""
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        point = fields[4].replace("\\040", " ")
        # The last of equal mount points lies on top.
        if real.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def version(words: Iterable[str]) -> str:
    """First line that a version command prints; "" when it is not there or fails."""
    argv = list(words)
    if shutil.which(argv[0]) is None:
        return ""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=QUERY_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else ""


def git_revision(directory: Path) -> str:
    """Commit of the checkout, with "+changes" when files differ from it; "" without git."""
    git = ("git", "-c", "safe.directory=*", "-C", str(directory))
    revision = version((*git, "rev-parse", "HEAD"))
    if revision and version((*git, "status", "--porcelain", "--untracked-files=no")):
        return f"{revision}+changes"
    return revision


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _cpu_facts(cpuinfo: str) -> dict[str, object]:
    """Model, number usable by us, and whether this is a guest of a hypervisor."""
    rows = [line.partition(":") for line in cpuinfo.splitlines()]
    first: dict[str, str] = {}
    for key, _, value in rows:
        first.setdefault(key.strip(), value.strip())
    return {
        "cpu": first.get("model name", platform.processor()),
        "cpus": len(os.sched_getaffinity(0)),
        "virtual_machine": "hypervisor" in first.get("flags", "").split(),
    }


def _memory_bytes(key: str) -> int | None:
    for line in _read("/proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    return None


def _chosen(text: str) -> str:
    """The word in brackets of a kernel setting such as "always [madvise] never"."""
    return text.partition("[")[2].partition("]")[0]


def _stall_us(pressure: str) -> int | None:
    """Total of the line "some".  Source: the kernel's document on PSI."""
    for line in pressure.splitlines():
        if line.startswith("some "):
            return int(line.rpartition("total=")[2])
    return None
