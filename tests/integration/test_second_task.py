"""The network namespace that is made beside the mounts, and what has to wait for it.

In: the launcher on one processor and on all, a limit of one process, a root with links, a user
namespace that may have no more network namespaces.  Out: the same container each time.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.needs("plain-user", "user-namespaces")

SHOW = """
ls /sys/class/net
sed -n 's/ *\\(lo\\):.*/\\1/p' /proc/net/dev
grep -c . /proc/net/if_inet6
grep -c ' /proc/[^ ]* ' /proc/self/mountinfo
grep -c ' /sys[^ ]* ' /proc/self/mountinfo
sh -c 'echo $$'
"""


def shown(pyrootless: Run, *options: str) -> list[str]:
    """What a container tells of its network, its masks and its numbers."""
    done = pyrootless("run", "--rm", *options, "host", "sh", "-c", SHOW)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.needs("ipv6")
def test_one_processor_makes_the_same_container(pyrootless: Run) -> None:
    wanted = shown(pyrootless)
    assert wanted[:3] == ["lo", "lo", "1"]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert shown(pyrootless) == wanted
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.needs("cgroup1-delegated")
def test_one_process_is_enough(pyrootless: Run) -> None:
    done = pyrootless("run", "--rm", "--pids-limit=1", "host", "cat", "/proc/net/dev")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2].split(":")[0].strip() == "lo"


@pytest.mark.parametrize(("kind", "told"), [("net", "network"), ("ipc", "IPC")])
def test_no_namespace_left_is_told(
    pyrootless: Run, launcher: Path, kind: str, told: str
) -> None:
    none_left = f'echo 0 > /proc/sys/user/max_{kind}_namespaces && exec "$@"'
    assert pyrootless("run", "--rm", "host", "true").returncode == 0
    run = [str(launcher), "run", "--rm", "--ephemeral", "host", "true"]
    done = pyrootless_before(["unshare", "-Ur", "sh", "-c", none_left, "sh", *run])
    assert done.returncode == 125
    assert done.stderr.splitlines()[0] == (
        f"pyrootless: clone: unshare({told} namespace): No space left on device"
    )


@pytest.mark.needs("strace")
def test_a_start_that_fails_waits_for_the_second_task(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    """Its stack is the parent's memory, which the parent takes away when the first is gone."""
    (tmp_path / "file").write_text("")
    run = [str(launcher), "run", "--rm", "--ephemeral", "-v", f"{tmp_path}/file:/usr/bin"]
    trace = tmp_path / "trace"
    for tracer in ([], ["strace", "-f", "-e", "trace=wait4,clone3", "-o", str(trace)]):
        done = pyrootless_before([*tracer, *run, "host", "true"], engine_environment)
        assert done.returncode == 125, done.stderr
    calls = re.findall(r"(\d+) +(\w+)\((.*)", trace.read_text())
    makers = {pid for pid, name, rest in calls if name == "clone3" and "CLONE_FILES" in rest}
    waiters = {pid for pid, name, _ in calls if name == "wait4"}
    assert len(makers) == (1 if len(os.sched_getaffinity(0)) > 1 else 0)
    assert makers <= waiters


def pyrootless_before(
    words: list[str], env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command line that ends in the launcher's."""
    return subprocess.run(
        words, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_volume_over_sys_lies_over_it(pyrootless: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("of the volume")
    for place in ("/sys", "/sys/kernel"):
        volume = f"--volume={tmp_path}:{place}"
        done = pyrootless("run", "--rm", volume, "host", "cat", f"{place}/mine")
        assert (done.returncode, done.stdout) == (0, "of the volume")


@pytest.mark.needs("busybox")
def test_a_volume_over_a_link_into_sys_lies_over_it(pyrootless: Run, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/busybox").write_bytes(Path("/usr/bin/busybox").read_bytes())
    (root / "bin/busybox").chmod(0o755)
    (root / "link").symlink_to("/sys/kernel")
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/mine").write_text("of the volume")
    words = ["--rm", f"--volume={tmp_path}/volume:/link", "--rootfs", f"{root}:O"]
    done = pyrootless("run", *words, "/bin/busybox", "cat", "/sys/kernel/mine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "of the volume", "")
    masked = ["/bin/busybox", "grep", "-c", " /proc/keys ", "/proc/self/mountinfo"]
    done = pyrootless("run", *words, *masked)
    assert (done.returncode, done.stdout) == (0, "1\n")


HIDDEN = ("/sys/kernel/mm", "/sys/kernel/uevent_seqnum", "/sys/kernel/nowhere", "/sys/power")


def test_what_is_masked_in_sys_is_whoever_masks_it(pyrootless: Run) -> None:
    option = f"--security-opt=mask={':'.join(HIDDEN)}"
    show = "ls /sys/kernel/mm; cat /sys/kernel/uevent_seqnum; ls /sys/kernel | grep -c seqnum"
    before = os.sched_getaffinity(0)
    for processors in (before, {min(before)}):
        os.sched_setaffinity(0, processors)
        try:
            done = pyrootless("run", "--rm", option, "host", "sh", "-c", show)
        finally:
            os.sched_setaffinity(0, before)
        assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@pytest.mark.needs("strace")
def test_what_cannot_be_masked_in_sys_ends_the_start(
    launcher: Path, engine_environment: dict[str, str]
) -> None:
    run = [str(launcher), "run", "--rm", "--ephemeral", "host", "true"]
    assert pyrootless_before(run, engine_environment).returncode == 0
    fail = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", "/sys/firmware"]
    fail += ["-e", "trace=openat2", "-e", "inject=openat2:error=EIO"]
    done = pyrootless_before([*fail, *run], engine_environment)
    assert done.returncode == 125
    assert done.stderr.startswith("pyrootless: mounts: open path to hide(/sys/firmware): ")
