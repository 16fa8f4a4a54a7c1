"""What limits by control groups of version 2 add to a start, where they are delegated already.

In: a machine whose only control groups are those of version 2, a group of one's own (a systemd
scope with Delegate=yes).  Out: rows for the harness, whether the machine is emulated.
Never: a group that is not the caller's; a start that has to ask systemd, which takes longer
than the start itself.

The benchmark's own processes step aside into the group that launchers use for themselves, as
the launcher of a delegated scope does: what they start may then make groups beside it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import machine
import peers
from harness import Candidate

ASIDE = "pyrootless-launcher"
"""PRL_CGROUP_LAUNCHER of csrc/limits/files.h."""
LIMITS = ("--memory=256m", "--pids-limit=100", "--cpus=1")
START = ("--rm", "--ephemeral")
INSIDE = ("host", "busybox", "true")


def rows(place: peers.Place) -> Sequence[Candidate]:
    """The same start without and with limits; none where version 2 is not delegated."""
    if machine.delegated_version() != 2 or not step_aside():
        return []
    missing, launcher = peers.launcher_missing(place), str(place.launcher)
    own = [
        Candidate(name, (launcher, "run", *START, *words, *INSIDE), note, unavailable=missing)
        for name, words, note in (
            ("pyrootless", (), "limits (none asked for)"),
            ("pyrootless-limits-2", LIMITS, "nothing; memory, processes, processors limited"),
        )
    ]
    return [*(row for row in peers.floors(place) if row.name == "floor"), *own]


def step_aside() -> bool:
    """All processes of our group into a group below it; False: the kernel refuses."""
    own = Path("/sys/fs/cgroup") / _own_path().lstrip("/")
    if own.name == ASIDE:
        return True
    try:
        (own / ASIDE).mkdir(exist_ok=True)
        for pid in (own / "cgroup.procs").read_text().split():
            (own / ASIDE / "cgroup.procs").write_text(pid)
    except OSError:
        return False
    return True


def is_emulated() -> bool:
    """Whether a program plays the processor, so that times are those of no real machine."""
    detect = shutil.which("systemd-detect-virt")
    if detect is None:
        return False
    done = subprocess.run([detect], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.strip() == "qemu"  # with KVM it says "kvm"


def _own_path() -> str:
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next(line[3:] for line in lines if line.startswith("0::"))
