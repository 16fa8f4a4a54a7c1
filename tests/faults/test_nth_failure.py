"""A launch in which a system call fails ends with an error that says which, and leaves nothing.

In: deny.c (a call answers EIO whenever it is made), strace (the nth one does).
Out: exit status 125, one line with stage, what failed and why, no file, process or mount left.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Place

pytestmark = pytest.mark.needs("gcc", "busybox", "strace", "user-namespaces")

ECHO = ("busybox", "echo", "hello")
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))
with_both_maps = pytest.mark.parametrize("place", ["single", RANGE], indirect=True)
FUSE = pytest.mark.needs("fuse", "fuse-overlayfs")
DRIVERS = ["overlay", pytest.param("fuse-overlayfs", marks=FUSE)]
UPPERS = {"ephemeral": ("--rm", "--ephemeral"), "disk": ("--rm",)}
BOTH = tuple(UPPERS)
ALWAYS = {
    "capset": "caps: capset(process.capabilities): ",
    "chroot": "rootfs: chroot(.): ",
    "landlock_add_rule": "landlock: landlock_add_rule(/): ",
    "landlock_restrict_self": "landlock: landlock_restrict_self(): ",
    "mkdirat": "state: mkdir(",
    "mount_setattr": "mounts: bind(/usr): ",
    "move_mount": "mounts: bind(/usr): ",
    "open_tree": "mounts: bind(/usr): ",
    "openat2": "mounts: open mount point(/usr): ",
    "pipe2": "clone: pipe2(report): ",
    "prctl": "caps: prctl PR_CAPBSET_DROP(): ",
    "seccomp": "seccomp: seccomp(filter): ",
    "sethostname": "sysctl: sethostname(fault): ",
    "setsid": "terminal: setsid(): ",
    "socket": "network: socket(AF_INET): ",
    "symlinkat": "devices: symlink(fd): ",
}
"""Call that answers EIO → how the error begins: stage, call or step, subject."""
ABSORBED = ("pidfd_open", "pivot_root", "close_range")
"""Calls that are not made here, or whose absence is no reason not to start."""
COUNTED = ("mount", "openat2", "openat", "mkdirat", "clone3", "mount_setattr", "open_tree")
COUNTED += ("move_mount", "unlinkat", "symlinkat", "fchmodat", "pipe2", "renameat", "socket")
MOST = 200
# `pyrootless: STAGE: …`: one lower-case word, then what and on what.
ERROR = re.compile(r"pyrootless: [a-z]+: \S.*")
FULL_ERROR = re.compile(
    r"pyrootless: [a-z]+: .+: (I/O|Input/output) error"
    r"|pyrootless: rootfs: fuse-overlayfs\(.+: Input/output error\): .+"  # its own words
)
FULL_WARNING = re.compile(r"pyrootless: warning: state: .+: (I/O|Input/output) error")
# Errors that name stage and step alone.
SHORT = ("clone: new namespaces", "rootfs: move of the new root")
SHORT += ("rootfs: tmpfs for the upper directory", "rootfs: upper directory on tmpfs")


SERVED = ("socketpair", "sendmsg", "recvmsg", "recvfrom", "setgroups", "mount")
"""Calls of a launch whose maps the parent writes."""


ABSENT_IS_FINE = ("connect", "getsockopt", "setns", "clone3")
"""Calls whose failure costs the holder's help and nothing else."""


def first_line(text: str) -> str:
    """The error itself, without its remedy and what strace has to say of itself."""
    return re.sub(r"(?m)^strace: .*\n", "", text).partition("\n")[0]


@pytest.mark.parametrize("upper", BOTH)
@pytest.mark.parametrize("call", ALWAYS)
def test_a_failing_call(call: str, upper: str, deny: Path, place: Place) -> None:
    words = [*UPPERS[upper], "--hostname", "fault", "host", *ECHO]
    done = place.run(*words, before=[deny, "--fail", call, "--"])
    assert (done.returncode, done.stdout) == (125, "")
    assert first_line(done.stderr).startswith(f"pyrootless: {ALWAYS[call]}")
    assert FULL_ERROR.fullmatch(first_line(done.stderr))
    assert "\n  remedy: " in done.stderr
    assert place.left() == []


def test_a_failing_mount(deny: Path, place: Place) -> None:
    """Of a call that every upper makes for another purpose first: the overlay's own."""
    words = [*UPPERS["disk"], "host", *ECHO]
    done = place.run(*words, before=[deny, "--fail", "mount", "--"])
    assert (done.returncode, done.stdout) == (125, "")
    assert first_line(done.stderr).startswith("pyrootless: rootfs: mount(overlay): ")
    assert FULL_ERROR.fullmatch(first_line(done.stderr))
    assert place.left() == []


@pytest.mark.parametrize("call", ABSORBED)
def test_a_call_that_is_no_reason_to_stop(call: str, deny: Path, place: Place) -> None:
    done = place.run(*UPPERS["disk"], "host", *ECHO, before=[deny, "--fail", call, "--"])
    assert (done.returncode, done.stdout, done.stderr) == (0, f"hello {place.mark}\n", "")
    assert place.left() == []


def test_an_entry_that_a_sweep_took_is_made_under_another_id(place: Place) -> None:
    """Nothing has begun for the id that is lost, and nothing of it stays."""
    words = ("--rm", "--ephemeral", "host", *ECHO)
    place.settle(*words)
    log = place.base / "trace"
    tracer = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", "trace=flock,clone3"]
    locked = place.run(*words, before=tracer)
    assert locked.returncode == 0
    own = [line for line in log.read_text().splitlines() if "flock(" in line]
    at = next(n for n, line in enumerate(own, 1) if "/running/" in line)  # a sweep's come later
    inject = ["-e", f"inject=flock:error=EAGAIN:when={at}"]
    done = place.run(*words, before=[*tracer, *inject])
    assert (done.returncode, done.stdout) == (0, f"hello {place.mark}\n")
    made = re.findall(r"flock\(\d+<[^>]*/running/([0-9a-f]+)", log.read_text())
    assert len(set(made)) == 2
    assert log.read_text().count("clone3({flags=CLONE_VM|CLONE_PIDFD|") == 1
    assert place.left() == []


def test_nothing_begins_before_the_containers_own_files(place: Place) -> None:
    """config.json cannot be made: no child was."""
    (place.base / "lent").mkdir()
    lent = f"--volume={place.base / 'lent'}:/lent"
    words = ("--rm", "--ephemeral", lent, "host", "busybox", "sh", "-c", ": > /lent/began")
    for _ in range(3):
        assert place.run(*words).returncode == 0
    (place.base / "lent/began").unlink()
    log = place.base / "trace"
    tracer = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=fchmod,clone3,execve"]
    inject = ["-e", "inject=fchmod:error=EIO:when=1"]
    done = place.run(*words, before=[*tracer, *inject])
    assert (done.returncode, done.stdout) == (125, "")
    assert "/config.json): " in first_line(done.stderr)
    assert [path.name for path in (place.base / "lent").iterdir()] == []
    calls = log.read_text()
    assert calls.count("clone3({flags=CLONE_VM|CLONE_PIDFD|") == 0
    assert calls.count("execve(") == 1
    assert place.left() == []


def nth(place: Place, call: str, n: int, words: tuple[str, ...]) -> tuple[int, str, str] | None:
    """One launch whose nth `call` (of each process) answers EIO; None when there is no nth."""
    log = place.base / "trace"
    tracer = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", str(log), "-e", f"trace={call}"]
    tracer += ["-e", f"inject={call}:error=EIO:when={n}"]
    done = place.run(*words, before=tracer)
    if "(INJECTED)" not in log.read_text():
        assert (done.returncode, first_line(done.stderr)) == (0, "")
        return None
    return done.returncode, done.stdout, first_line(done.stderr)


def check(place: Place, found: tuple[int, str, str]) -> bool:
    """Hold one failed launch against the invariant; True when it was ended by the fault."""
    status, output, error = found
    said = f"hello {place.mark}\n"
    if status == 0 and error:  # what failed was the removal after the program
        assert output == said and FULL_WARNING.fullmatch(error)
        return True
    if status == 0:
        assert (output, error) == (said, "")
        return False
    # The program that could not be looked at was not executable.
    assert status == (126 if error.startswith("pyrootless: exec: execve(") else 125), found
    assert output in ("", said)  # its pid could not be recorded while it ran already
    assert FULL_ERROR.fullmatch(error) or error.removeprefix("pyrootless: ") in SHORT, error
    # Nothing may stay; only a removal that failed after the program is finished by the next.
    assert place.left() == []
    return True


def fail_each(place: Place, call: str, words: tuple[str, ...], *, settled: bool = True) -> int:
    """Fail the first, second, third … of a call; how many launches that ended.

    Each launch finds the directory of an earlier one, or none.
    """
    ended = 0
    for n in range(1, MOST):
        if settled:
            place.settle(*words)
        else:
            place.forget()
        found = nth(place, call, n, words)
        if found is None:
            break
        ended += check(place, found)
        assert not [line for line in place.left() if line.startswith("process")]
    else:
        pytest.fail(f"{call} was still made after {MOST} of them")
    # The launch without a fault came last: it has swept what a failed removal left.
    assert place.left() == []
    return ended


@pytest.mark.parametrize("upper", BOTH)
@pytest.mark.parametrize("call", COUNTED)
def test_nth_failure(call: str, upper: str, place: Place) -> None:
    ended = fail_each(place, call, (*UPPERS[upper], "host", *ECHO))
    assert ended > 0 or call in ("openat", "renameat", "fchmodat")


@pytest.mark.parametrize("upper", BOTH)
@pytest.mark.parametrize("call", ("mkdirat", "fchmodat", "unlinkat"))
def test_nth_failure_without_a_directory_of_another(
    call: str, upper: str, place: Place
) -> None:
    assert fail_each(place, call, (*UPPERS[upper], "host", *ECHO), settled=False) > 0


@pytest.mark.needs("subordinate-ids", "newuidmap")
@pytest.mark.parametrize("place", ["range"], indirect=True)
@pytest.mark.parametrize("call", SERVED)
def test_nth_failure_of_a_served_launch(call: str, place: Place) -> None:
    assert fail_each(place, call, (*UPPERS["disk"], "host", *ECHO)) > 0


@pytest.mark.needs("subordinate-ids", "newuidmap")
@pytest.mark.parametrize("place", ["range"], indirect=True)
def test_the_reason_is_the_childs_and_not_who_cannot_serve_it(place: Place) -> None:
    """It fails where it waits for its maps; the file for them is opened when it has ended."""
    late = ["-e", "trace=recvfrom,openat", "-e", "inject=openat:delay_enter=30000"]
    tracer = ["strace", "-f", "-qq", "-o", "/dev/null", *late]
    tracer += ["-e", "inject=recvfrom:error=EIO:when=1"]
    done = place.run(*UPPERS["disk"], "host", *ECHO, before=tracer)
    assert done.returncode == 125
    assert first_line(done.stderr).startswith("pyrootless: idmap: recv(id maps): ")
    assert FULL_ERROR.fullmatch(first_line(done.stderr))
    assert place.left() == []


HELD = (*SERVED[:-1], "connect", "getsockopt", "setns", "clone3", "openat", "write", "wait4")
"""Calls of a launch through a holder: without it newuidmap's part is done by the launcher."""


@pytest.mark.needs("subordinate-ids", "newuidmap")
@pytest.mark.parametrize("place", ["held"], indirect=True)
def test_nth_failure_of_a_held_launch(place: Place) -> None:
    words = ("--rm", "--ephemeral", "host", *ECHO)
    ended = {call: fail_each(place, call, words) for call in HELD}
    assert {
        call: times for call, times in ended.items() if call in ABSENT_IS_FINE and times
    } == {}
    assert ended["socketpair"] > 0


OF_IMAGES = ("clone3", "openat", "openat2", "mount", "open_tree", "move_mount", "unlinkat")
OF_IMAGES += ("socketpair", "recvmsg", "pipe2", "sendmsg")


@with_both_maps
@pytest.mark.parametrize("driver", DRIVERS)
def test_nth_failure_of_an_image(driver: str, place: Place, stored: str) -> None:
    """With one id the fake root's supervisor is started too; the upper is on disk."""
    words = ("--rm", f"--storage-driver={driver}", stored, *ECHO)
    # strace counts in each process: the server's nth openat and the launcher's, in a removal,
    # would fail in one launch; and its nth openat2 hides a file from the container.
    server = ("openat", "openat2") if driver == "fuse-overlayfs" else ()
    calls = [call for call in OF_IMAGES if call not in server]
    ended = {call: fail_each(place, call, words) for call in calls}
    assert [call for call, times in ended.items() if times == 0] == []
