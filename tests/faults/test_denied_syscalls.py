"""A launch on a kernel that lacks newer calls gives the same container.

In: deny.c, which makes the named calls answer ENOSYS.
Out: the same output as without it, and nothing left behind.
"""

from __future__ import annotations

import select
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Place

MOUNT_CALLS = "open_tree,move_mount,mount_setattr,fsopen,fsconfig,fsmount"
DENIED = {
    "openat2": "openat2",
    "clone3": "clone3",
    "the mount API": MOUNT_CALLS,
    "open_tree": "open_tree",
    "move_mount": "move_mount",
    "mount_setattr": "mount_setattr",
    "close_range": "close_range",
    "pidfd_open": "pidfd_open",
    "faccessat2": "faccessat2",
    "Landlock": "landlock_create_ruleset,landlock_add_rule,landlock_restrict_self",
    "keyctl": "keyctl",
    "processors": "sched_setaffinity",
    "all": f"openat2,clone3,{MOUNT_CALLS},close_range,pidfd_open,faccessat2",
}
"""What is missing → the calls; each is a kernel, or a filter around us, that exists."""
WITHOUT_OPENAT2 = "host: openat2(prepared containers): Function not implemented"
MANY = pytest.mark.needs("subordinate-ids", "newuidmap")
RANGE = pytest.param("range", marks=MANY)
HELD = pytest.param("held", marks=MANY)
on_every_path = pytest.mark.parametrize(
    "place", ["single", RANGE, HELD, "prepared"], indirect=True
)
by_both_doors = pytest.mark.parametrize("place", ["single", "prepared"], indirect=True)
with_both_maps = pytest.mark.parametrize("place", ["single", RANGE, HELD], indirect=True)
UPPERS = {"ephemeral": ["--ephemeral"], "disk": []}

# Everything a fallback could get wrong, and nothing that differs between two launches: the
# mounts with their flags but without ids, capabilities, filters, devices, descriptors.
LOOK = r"""
id
grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
while read -r _ _ _ _ at flags _; do
    case "$at" in /etc/hosts) ;; *) echo "$at $flags" ;; esac
done < /proc/self/mountinfo | sort
ls /dev /proc/self/fd
cat /proc/sys/kernel/domainname /proc/self/uid_map /proc/net/dev
pwd
umask
echo 'written' > /tmp/file && cat /tmp/file
echo x > /proc/sysrq-trigger || echo 'sysrq refused'
"""


DRIVERS = [
    "overlay",
    pytest.param("fuse-overlayfs", marks=pytest.mark.needs("fuse", "fuse-overlayfs")),
]


def needs_openat2(place: Place, missing: str) -> bool:
    """Kernels without it have no prepared containers (docs/decisions/0007-prepared.md)."""
    return bool(place.runs) and "openat2" in DENIED.get(missing, "")


def look(
    place: Place, words: list[str], before: list[str | Path], image: str = "host"
) -> tuple[int, str, str]:
    """Exit status, output and errors of one look around."""
    done = place.run("--rm", *words, image, "sh", "-c", LOOK, before=before)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.needs("gcc", "busybox", "user-namespaces")
@on_every_path
@pytest.mark.parametrize("upper", UPPERS)
@pytest.mark.parametrize("missing", [*DENIED, "setns"])
def test_same_container(missing: str, upper: str, deny: Path, place: Place) -> None:
    expected = look(place, UPPERS[upper], [])
    assert expected[0] == 0
    assert "written\n" in expected[1]
    assert "NoNewPrivs:\t1\n" in expected[1]
    found = look(place, UPPERS[upper], [deny, DENIED.get(missing, missing), "--"])
    if needs_openat2(place, missing):
        assert (found[0], WITHOUT_OPENAT2 in found[2]) == (125, True)
    else:
        assert found == expected
    assert place.left() == []


@pytest.mark.needs("gcc", "busybox", "user-namespaces")
@with_both_maps
@pytest.mark.parametrize("driver", DRIVERS)
def test_same_container_of_an_image(driver: str, deny: Path, place: Place, stored: str) -> None:
    """Layers, owners and the fake root need no newer call either; the upper is on disk."""
    words = [f"--storage-driver={driver}"]
    expected = look(place, words, [], stored)
    assert (expected[0], "written\n" in expected[1]) == (0, True), expected
    for missing, calls in DENIED.items():
        assert look(place, words, [deny, calls, "--"], stored) == expected, missing
        assert place.left() == [], missing


@pytest.mark.needs("gcc", "busybox", "user-namespaces")
@by_both_doors
@pytest.mark.parametrize("missing", DENIED)
def test_same_exit_status(missing: str, deny: Path, place: Place) -> None:
    words = ["--rm", "host", "sh", "-c", "exit 37"]
    done = place.run(*words, before=[deny, DENIED[missing], "--"])
    if needs_openat2(place, missing):
        assert (done.returncode, WITHOUT_OPENAT2 in done.stderr) == (125, True)
    else:
        assert (done.returncode, done.stdout, done.stderr) == (37, "", "")
    assert place.left() == []


@pytest.mark.needs("gcc", "busybox", "user-namespaces")
@by_both_doors
@pytest.mark.parametrize("missing", DENIED)
def test_a_missing_program_is_still_named(missing: str, deny: Path, place: Place) -> None:
    done = place.run("--rm", "host", "/nowhere", before=[deny, DENIED[missing], "--"])
    if needs_openat2(place, missing):
        assert (done.returncode, WITHOUT_OPENAT2 in done.stderr) == (125, True)
    else:
        assert (done.returncode, done.stdout) == (127, "")
        assert "/nowhere" in done.stderr
    assert place.left() == []


@pytest.mark.needs("gcc", "busybox", "user-namespaces")
@pytest.mark.parametrize("missing", DENIED)
def test_joined_program_is_the_same(missing: str, deny: Path, place: Place) -> None:
    """`exec`: without pidfds the namespaces are joined one by one."""
    started = place.run("-d", "--rm", "host", "sh", "-c", "sleep 1000")
    assert started.returncode == 0, started.stderr
    ident = started.stdout.strip()
    words = (ident, "sh", "-c", LOOK)
    expected = place.call("exec", *words)
    assert (expected.returncode, "written\n" in expected.stdout) == (0, True), expected
    done = place.call("exec", *words, before=[deny, DENIED[missing], "--"])
    with place.monitor_of(ident) as gone:
        assert place.call("rm", "-f", ident).returncode == 0
        assert select.select([gone], [], [], 30)[0]
    assert (done.returncode, done.stdout, done.stderr) == (
        expected.returncode,
        expected.stdout,
        expected.stderr,
    )
    assert place.left() == []


@pytest.mark.needs("gcc", "busybox", "user-namespaces")
def test_same_container_without_futex(deny: Path, place: Place) -> None:
    """By itself: a C library that misses it ends its program, so a static one looks."""
    shows = "cat /proc/net/dev /proc/self/mountinfo"
    words = ("--rm", "host", "busybox", "sh", "-c", shows)
    done = place.run(*words, before=[deny, "futex", "--"])
    assert (done.returncode, done.stderr) == (0, ""), done
    assert [line.split()[0] for line in done.stdout.splitlines() if "lo:" in line] == ["lo:"]
    places = [line.split()[4] for line in done.stdout.splitlines() if " - " in line]
    assert [places.count(one) for one in ("/sys", "/dev/mqueue")] == [1, 1]
    assert place.left() == []


@pytest.mark.needs("gcc")
def test_the_denier_denies(deny: Path, place: Place) -> None:
    """The twin: without it a denier that does nothing would pass every test above."""
    before: list[str | Path] = [deny, "mount,move_mount", "--"]
    done = place.run("--rm", "host", "busybox", "true", before=before)
    assert done.returncode == 125
    assert done.stderr.startswith(
        "pyrootless: rootfs: mount(overlay): Function not implemented"
    )
    assert place.left() == []
