"""--ipc, --uts and --cgroupns: which namespaces are the container's own, and which the host's.

In: the links of /proc/self/ns on both sides.  Out: what is shared is what was asked for.
Never: a file of the host's /dev/shm beyond the one made here.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("user-namespaces")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


def shared(pyrootless: Run, *words: str) -> set[str]:
    """The kinds of namespaces that such a container has in common with this process."""
    script = f"for kind in {' '.join(KINDS)}; do readlink /proc/self/ns/$kind; done"
    done = pyrootless("run", "--rm", "--verify", *words, "host", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split()) & {os.readlink(f"/proc/self/ns/{kind}") for kind in KINDS}


def test_none_is_the_hosts_unless_asked_for(pyrootless: Run) -> None:
    own = ("--ipc=private", "--uts=private", "--cgroupns=private")
    assert shared(pyrootless) == shared(pyrootless, *own) == set()
    assert shared(pyrootless, "--ipc=shareable") == shared(pyrootless, "--ipc=none") == set()


@pytest.mark.parametrize("kind", ["ipc", "uts", "cgroup"])
def test_the_one_that_was_asked_for_is_the_hosts(pyrootless: Run, kind: str) -> None:
    option = f"--{kind}ns=host" if kind == "cgroup" else f"--{kind}=host"
    assert shared(pyrootless, option) == {os.readlink(f"/proc/self/ns/{kind}")}


def test_shared_memory_is_the_hosts_with_its_namespace(pyrootless: Run) -> None:
    place = Path("/dev/shm") / f"pyrootless-{uuid.uuid4().hex}"
    script = f"cat {place}; echo inside >{place}"
    place.write_text("outside\n")
    try:
        refused = pyrootless("run", "--rm", "host", "cat", str(place))
        assert refused.returncode == 1
        done = pyrootless("run", "--rm", "--ipc=host", "host", "sh", "-c", script)
        assert (done.returncode, done.stdout) == (0, "outside\n"), done.stderr
        assert place.read_text() == "inside\n"
    finally:
        place.unlink()


def test_the_hosts_name_stays(pyrootless: Run) -> None:
    words = ("run", "--rm", "--uts=host", "--cap-add=SYS_ADMIN", "host", "sh", "-c")
    done = pyrootless(*words, "uname -n; hostname other")
    assert done.stdout == f"{os.uname().nodename}\n"
    assert done.returncode != 0
