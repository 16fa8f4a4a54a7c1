"""The containers' control groups that this process of pytest answers for.

In: the groups of this user, the processes in them.
Out: what a test has left behind.
Never: a group of another process of pytest (pytest-xdist), whose ready boxes are filled again
in the background while it waits for its turn.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
# A group that another worker just made or is taking away has no process to tell it by.
EMPTY_SECONDS = 5.0


def there() -> set[str]:
    """The groups that are there now, but those with a process of another worker's."""
    places = GROUPS.rglob("pyrootless-" + "[0-9a-f]" * 64)
    own = (place for place in places if os.access(place, os.W_OK))
    return {str(place) for place in own if not has_another_worker(place)}


def left_since(before: set[str]) -> set[str]:
    """The groups that came since; where there are other workers, those that stay."""
    left = there() - before
    until = time.monotonic() + EMPTY_SECONDS
    while left and "PYTEST_XDIST_WORKER" in os.environ and time.monotonic() < until:
        time.sleep(0.05)
        left = there() - before
    return left


def has_another_worker(group: Path) -> bool:
    """Whether a process in it descends from pytest's controller, and not from this worker."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return False
    pids = [int(pid) for file in group.rglob("cgroup.procs") for pid in text_of(file).split()]
    above = [ancestors(pid) for pid in pids]
    return any(os.getppid() in line and os.getpid() not in line for line in above)


def ancestors(pid: int) -> list[int]:
    """The process's parent, its parent's parent, and so on, as far as it can be read."""
    found = []
    while status := text_of(Path(f"/proc/{pid}/status")):
        pid = int(re.findall(r"^PPid:\t(\d+)$", status, re.MULTILINE)[0])
        found.append(pid)
    return found


def text_of(path: Path) -> str:
    """A file's text; "" where the process or group it tells of has just ended."""
    try:
        return path.read_text()
    except OSError:
        return ""
