"""What a group of the caller's is refused, with many ids: gone by default, held if asked.

In: a user with a group beside its own, and a file that refuses that group what all others have.
Out: whether a container's user reads it, also when its root tries to leave the group.
Never: a file outside the test's own directory.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.needs("another-group", "subordinate-ids", "newuidmap")
KEEP = "--group-add=keep-groups"
# Who is in no group is one of the others.
LEAVE = """
import os
try:
    os.setgroups([])
except PermissionError:
    print("may not leave")
os.setresuid(1000, 1000, 1000)
try:
    print(open("/lent").read(), end="")
except PermissionError:
    print("may not read")
"""


@pytest.fixture
def refusing(tmp_path: Path) -> Path:
    """A file of mode 0604 of a group beside the caller's own."""
    path = tmp_path / "file"
    path.write_text("read\n")
    os.chown(path, -1, min(set(os.getgroups()) - {os.getgid()}))
    path.chmod(0o604)
    return path


@pytest.mark.parametrize("userns", ["range", "keep-id"])
@pytest.mark.parametrize(("options", "reads"), [((), True), ((KEEP,), False)])
def test_a_user_of_the_container_reads_what_the_group_may_not(
    pyrootless: Runner, refusing: Path, userns: str, options: tuple[str, ...], reads: bool
) -> None:
    """As podman has it: SECURITY.md says so, and which option holds it."""
    user = "1000:1000" if userns == "range" else "7:7"
    words = (f"--userns={userns}", "-u", user, "-v", f"{refusing}:/lent", *options)
    done = pyrootless("run", "--rm", *words, "host", "cat", "/lent")
    assert (done.returncode == 0, done.stdout) == (reads, "read\n" if reads else "")
    assert reads or "Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ((KEEP,), "read\n"),
        ((KEEP, "--cap-drop=SETGID"), "may not leave\nmay not read\n"),
    ],
)
def test_root_inside_leaves_a_group_unless_it_may_not(
    pyrootless: Runner, refusing: Path, options: tuple[str, ...], heard: str
) -> None:
    words = ("--userns=range", "-v", f"{refusing}:/lent", *options)
    done = pyrootless("run", "--rm", *words, "host", "python3", "-c", LEAVE)
    assert (done.returncode, done.stdout) == (0, heard), done.stderr


def test_what_exec_brings_in_keeps_them_too(pyrootless: Runner, refusing: Path) -> None:
    words = ("--userns=range", "--name=kept-groups", "-v", f"{refusing}:/lent", KEEP)
    started = pyrootless("run", "-d", "--rm", *words, "host", "sleep", "600")
    assert started.returncode == 0, started.stderr
    done = pyrootless("exec", "-u", "1000:1000", "kept-groups", "cat", "/lent")
    pyrootless("rm", "-f", "kept-groups")
    assert done.returncode == 1 and "Permission denied" in done.stderr


def test_nobody_leaves_a_group_with_one_id(pyrootless: Runner) -> None:
    """The kernel's own wall."""
    program = "import os; os.setgroups([])"
    done = pyrootless("run", "--rm", "--userns=single", "host", "python3", "-c", program)
    assert done.returncode == 1 and "PermissionError" in done.stderr


def test_they_go_with_no_other_group(pyrootless: Runner) -> None:
    done = pyrootless("run", "--rm", "--userns=range", KEEP, "--group-add=5", "host", "true")
    assert done.returncode == 125
    assert "keep-groups goes with no other group: leave 5 out" in done.stderr
