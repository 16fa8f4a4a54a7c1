"""Fake root that remembers: what a container of one id is told about owners and users.

In: the launcher, a root of busybox, hostile programs; for the last tests a Debian from the
mirror.  Out: what programs inside saw, and what is left outside.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

HERE = Path(__file__).resolve().parent
APPLETS = (
    *("cat", "chgrp", "chmod", "chown", "cp", "echo", "id", "install", "ln", "ls", "mkdir"),
    *("mkfifo", "mknod", "mv", "rm", "sh", "stat", "su", "tar", "test", "touch", "true"),
)
PASSWD = "root:x:0:0:root:/:/bin/sh\ndaemon:x:1:2:daemon:/:/bin/sh\n"
GROUP = "root:x:0:\nbin:x:2:\nmail:x:8:daemon\n"
WAIT_MS = 30_000

pytestmark = pytest.mark.needs("user-namespaces", "busybox", "gcc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system of busybox alone."""
    made = tmp_path / "root"
    for name in ("bin", "etc", "tmp"):
        (made / name).mkdir(parents=True)
    busybox = shutil.which("busybox", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    assert busybox
    shutil.copy(busybox, made / "bin" / "busybox")
    for applet in APPLETS:
        (made / "bin" / applet).symlink_to("busybox")
    (made / "etc" / "passwd").write_text(PASSWD)
    (made / "etc" / "group").write_text(GROUP)
    return made


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of fake_root_hostile.c, static."""
    target = tmp_path_factory.mktemp("hostile") / "hostile"
    source = HERE / "fake_root_hostile.c"
    subprocess.run(
        ["gcc", "-static", "-O1", "-pthread", "-w", "-o", str(target), str(source)],
        check=True,
        timeout=120,
    )
    return target


@pytest.fixture
def shell(pyrootless: Run, root: Path) -> Callable[..., str]:
    """shell(script, *options): what a script in the root printed, both streams."""

    def call(script: str, *options: str, mode: str = "remember", timeout: float = 60) -> str:
        done = pyrootless(
            *("run", "--ephemeral", f"--fake-root={mode}", *options),
            *("--rootfs", f"{root}:O", "/bin/sh", "-c", f"exec 2>&1; {script}"),
            timeout=timeout,
        )
        assert not done.stderr, done.stderr
        return done.stdout

    return call


Shell = Callable[..., str]


def test_an_owner_is_remembered(shell: Shell) -> None:
    script = (
        "touch f; mkdir d; chown 5:6 f; chgrp 7 d; stat -c '%n %u:%g' f d; chown 0:0 f; "
        "stat -c '%n %u:%g' f"
    )
    assert shell(script).splitlines() == ["f 5:6", "d 0:7", "f 0:0"]


def test_a_link_has_an_owner_of_its_own(shell: Shell) -> None:
    script = (
        "touch f; ln -s f l; mkfifo p; chown -h 5:6 l; chown 8:0 l; chown 9:9 p; "
        "stat -c '%n %u:%g' f l p"
    )
    assert shell(script).splitlines() == ["f 8:0", "l 5:6", "p 9:9"]


def test_a_claim_goes_with_the_file(shell: Shell) -> None:
    script = (
        "touch f; chown 5:6 f; mv f g; ln g h; chmod 600 g; stat -c '%u:%g %a' g h; "
        "rm g h; touch f; stat -c '%u:%g' f"
    )
    assert shell(script).splitlines() == ["5:6 600", "5:6 600", "0:0"]


def test_set_id_bits_fall_with_the_owner(shell: Shell) -> None:
    script = "touch f; chmod 6755 f; chown 5 f; stat -c %a f"
    assert shell(script) == "755\n"


def test_an_archive_brings_its_owners(shell: Shell) -> None:
    script = (
        "mkdir d; touch d/f; mkfifo d/p; chown 5:6 d/f; chown 7:8 d/p; chown 9:10 d; "
        "tar -cf a.tar d; rm -r d; tar -xf a.tar; stat -c '%n %u:%g' d d/f d/p"
    )
    assert shell(script).splitlines() == ["d 9:10", "d/f 5:6", "d/p 7:8"]


def test_a_device_is_shown(shell: Shell) -> None:
    script = (
        "mknod -m 640 c c 5 1; mknod b b 259 70000; chown 3 c; "
        "stat -c '%n %F %t %T %u %a' c b; cat c; rm c; test -e c || echo gone"
    )
    assert shell(script).splitlines() == [
        "c character special file 5 1 3 640",
        "b block special file 103 11170 0 644",
        "gone",
    ]


def test_without_its_capability_there_is_no_device(shell: Shell) -> None:
    out = shell("mknod c c 5 1; test -e c || echo none", "--cap-drop=MKNOD")
    assert out.splitlines() == ["mknod: c: Operation not permitted", "none"]


def test_su_becomes_the_user(shell: Shell) -> None:
    assert shell("su daemon -c 'id; sh -c id'").splitlines() == [
        "uid=1(daemon) gid=2(bin) groups=2(bin),8(mail)",
        "uid=1(daemon) gid=2(bin) groups=2(bin),8(mail)",
    ]


def test_a_user_owns_what_it_makes(shell: Shell) -> None:
    make = "touch f; mkdir d; ln -s f l; mkfifo p; echo > t; mv t u; chgrp 8 u"
    script = f"chmod 1777 /tmp; cd /tmp; su daemon -c '{make}'; stat -c '%n %u:%g' f d l p u"
    assert shell(script).splitlines() == ["f 1:2", "d 1:2", "l 1:2", "p 1:2", "u 1:8"]


def test_a_group_comes_from_the_directory(shell: Shell) -> None:
    script = "mkdir d; chown 1:6 d; chmod 2777 d; su daemon -c 'touch d/f'; stat -c %u:%g d/f"
    assert shell(script) == "1:6\n"


def test_a_user_may_not_what_only_root_may(shell: Shell) -> None:
    script = "touch f; su daemon -c 'chown 1 f; chgrp 6 f'; su daemon -c 'su root -c id'; id -u"
    out = shell(script)
    assert out.splitlines()[:2] == [
        "chown: f: Operation not permitted",
        "chgrp: f: Operation not permitted",
    ]
    assert "uid=0" not in out
    assert out.splitlines()[-1] == "0"


def test_the_user_option_becomes_a_claim(shell: Shell) -> None:
    script = "id -u; touch /tmp/f; stat -c %u:%g /tmp/f; grep ^CapEff /proc/self/status"
    script = script.replace("grep ^CapEff /proc/self/status", "cat /proc/self/uid_map")
    out = shell(script, "-u", "33:44").splitlines()
    assert out[:2] == ["33", "33:44"]
    assert out[2].split() == ["0", str(os.getuid()), "1"]


def test_off_and_silent(shell: Shell) -> None:
    script = "touch f; chown 5 f && echo yes; stat -c %u f"
    assert shell(script, mode="silent").splitlines() == ["yes", "0"]
    off = shell(script, mode="off").splitlines()
    assert off == ["chown: f: Invalid argument", "0"]


def test_an_unknown_mode_is_refused(pyrootless: Run) -> None:
    done = pyrootless("run", "--fake-root=forget", "host", "true")
    assert done.returncode == 125
    assert '"forget" is not understood: use remember, silent or off' in done.stderr


def test_a_read_only_place_refuses(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    out = shell("chown 5 /there/f; stat -c %u /there/f", "-v", f"{tmp_path}:/there:ro")
    assert out.splitlines() == ["chown: /there/f: Read-only file system", "0"]


def test_claims_outlive_the_container(
    pyrootless: Run, root: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    """A second launch of the same config.json finds attributes, links and sockets again."""
    script = "cd /; touch f; ln -s f l; chown 5:6 f; chown -h 7:8 l"
    run = ("run", "--fake-root=remember", "--cidfile", tmp_path / "id")
    done = pyrootless(*run, "--rootfs", f"{root}:O", "/bin/sh", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    ident = (tmp_path / "id").read_text().strip()
    kept = Path(engine_environment["PYROOTLESS_ROOT"]) / "containers" / ident
    config = json.loads((kept / "config.json").read_text())
    config["process"]["args"] = ["/bin/stat", "-c", "%n %u:%g", "/f", "/l"]
    config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/etc/hosts"]
    (tmp_path / "again.json").write_text(json.dumps(config))
    again = pyrootless("run", "--spec", tmp_path / "again.json")
    assert again.stdout.splitlines() == ["/f 5:6", "/l 7:8"], again.stderr


def test_python_starts_it_too(root: Path, engine_environment: dict[str, str]) -> None:
    script = (
        "import pyrootless, sys; r = pyrootless.run(sys.argv[1], ['/bin/sh', '-c', "
        "'touch f; chown 5 f; stat -c %u f'], rootfs=True, fake_root='remember'); "
        "print(r.stdout.decode(), r.stderr.decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, f"{root}:O"],
        env=engine_environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["5"], done.stderr


@pytest.mark.needs("x86_64")
def test_bad_addresses(shell: Shell, hostile: Path) -> None:
    assert shell("/h pointers", "-v", f"{hostile}:/h:ro").splitlines() == [
        "path nowhere EFAULT",
        "path off the edge EFAULT",
        "path at the edge 0",
        "stat into nowhere EFAULT",
        "stat over the edge EFAULT",
        "stat into text EFAULT",
        "getresuid EFAULT",
        "setgroups EFAULT",
        "setgroups many EINVAL",
        "getgroups -1 EINVAL",
    ]


def test_bad_paths(shell: Shell, hostile: Path) -> None:
    assert shell("/h paths", "-v", f"{hostile}:/h:ro").splitlines() == [
        "a million letters ENAMETOOLONG",
        "a long name ENAMETOOLONG",
        "mknod of a long name ENAMETOOLONG",
        "nothing ENOENT",
        "nothing made ENOENT",
        "dot dot EEXIST",
        "no descriptor EBADF",
        "flags EINVAL",
        "loop ELOOP",
        "through a file ENOTDIR",
        "process 1's root ELOOP",
    ]


def test_access_lists_that_name_somebody(shell: Shell, hostile: Path) -> None:
    """Are not supported; all others are the kernel's."""
    options = ("-v", f"{hostile}:/h:ro")
    kernel = ["of root 0", "cut EINVAL", "another 0", "no name EFAULT", "no list EFAULT"]
    calls = [*"0123", "handed on"]
    assert shell("/h lists", *options).splitlines() == [
        *[f"{call} EOPNOTSUPP" for call in calls], *kernel
    ]  # fmt: skip
    refused = shell("/h lists", *options, mode="off").splitlines()
    assert refused[:3] + refused[4:] == [
        *[f"{call} EINVAL" for call in calls if call != "3"], *kernel
    ]  # fmt: skip


def test_ids_cannot_be_forged(shell: Shell, hostile: Path) -> None:
    out = shell("su daemon -c '/h limit'", "-v", f"{hostile}:/h:ro").splitlines()
    assert out == ["setrlimit 0", "getrlimit 0", "unlimited 1", "uid 1"]


def test_a_hundred_processes_at_once(shell: Shell, hostile: Path) -> None:
    """Fifteen thousand calls that one process answers, each in its turn of a processor."""
    assert shell("/h many", "-v", f"{hostile}:/h:ro", timeout=600) == "good 100\n"


def test_paths_that_change_under_the_supervisor(
    shell: Shell, hostile: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "passwd"
    canary.write_text("canary\n")
    before = (canary.stat(), os.listxattr(canary))
    assert shell("/h race", "-v", f"{hostile}:/h:ro") == "done\n"
    assert (canary.stat(), os.listxattr(canary)) == before


def test_processes_killed_in_the_middle(shell: Shell, hostile: Path) -> None:
    assert shell("/h killed", "-v", f"{hostile}:/h:ro") == "done 0\n"


# A supervisor of system calls around the launcher, as an outer fake root is one.
SUPERVISED = r"""
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    struct sock_filter allow[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    struct sock_fprog program = {1, allow};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                     &program);
    if (fd < 0 || fcntl(fd, F_SETFD, 0) < 0)
        return 99;
    execv(argv[1], argv + 1);
    return 98;
}
"""


def test_one_supervisor_is_all_the_kernel_takes(
    launcher: Path, engine_environment: dict[str, str], root: Path, tmp_path: Path
) -> None:
    wrapper = tmp_path / "supervised"
    build = ["gcc", "-w", "-xc", "-", "-o", str(wrapper)]
    subprocess.run(build, input=SUPERVISED, text=True, check=True, timeout=60)
    run = [str(wrapper), str(launcher), "run", "--ephemeral"]
    subject = ["--rootfs", f"{root}:O", "/bin/echo", "there"]
    settings = {"capture_output": True, "text": True, "timeout": 60, "check": False}
    done = subprocess.run(  # type: ignore[call-overload]
        [*run, "--fake-root=remember", *subject], env=engine_environment, **settings
    )
    assert done.returncode == 125
    assert "fakeroot: seccomp(listener): " in done.stderr
    assert "the kernel allows only one; go without: --fake-root=off" in done.stderr
    done = subprocess.run(  # type: ignore[call-overload]
        [*run, "--fake-root=silent", *subject], env=engine_environment, **settings
    )
    assert (done.returncode, done.stdout) == (0, "there\n"), done.stderr


@dataclass
class Living:
    """A container that is up, and its supervisor."""

    launcher: subprocess.Popen[str]
    supervisor: int


def supervisor_of(pid: int) -> int:
    """The launcher's child that is the supervisor."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"_fakeroot" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("the launcher has no supervisor")


@pytest.fixture
def living(launcher: Path, engine_environment: dict[str, str], root: Path) -> Iterator[Living]:
    """A shell that said "up" and reads commands."""
    words = ["run", "-i", "--ephemeral", "--fake-root=remember", "--rootfs", f"{root}:O"]
    with subprocess.Popen(
        [str(launcher), *words, "/bin/sh"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=engine_environment,
        bufsize=1,
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write("echo up\n")
        assert process.stdout.readline() == "up\n"
        yield Living(process, supervisor_of(process.pid))
        process.kill()


def wait_for_end(pidfd: int) -> None:
    """Until the process has ended; a minute is too long."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(WAIT_MS), "it did not end"
    os.close(pidfd)


def test_a_killed_supervisor_hangs_nobody(living: Living) -> None:
    pidfd = os.pidfd_open(living.supervisor)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    wait_for_end(pidfd)
    out, _ = living.launcher.communicate("chown 5 /etc; echo still here\n", timeout=30)
    assert out.splitlines() == ["chown: /etc: Function not implemented", "still here"]


def test_the_supervisor_ends_with_the_container(living: Living) -> None:
    pidfd = os.pidfd_open(living.supervisor)
    living.launcher.communicate("exit 7\n", timeout=30)
    wait_for_end(pidfd)
    assert living.launcher.returncode == 7


def test_the_supervisor_ends_with_the_launcher(living: Living) -> None:
    pidfd = os.pidfd_open(living.supervisor)
    living.launcher.kill()
    wait_for_end(pidfd)


def test_nothing_inside_sees_the_supervisor(living: Living) -> None:
    out, _ = living.launcher.communicate("cat /proc/[0-9]*/cmdline; echo\n", timeout=30)
    assert "_fakeroot" not in out
    assert "/bin/sh" in out


def test_the_supervisor_holds_little(living: Living) -> None:
    status = Path(f"/proc/{living.supervisor}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, SYS_CHROOT, SYS_PTRACE
    assert int(fields["CapEff"], 16) == 1 << 1 | 1 << 2 | 1 << 3 | 1 << 18 | 1 << 19
    assert fields["CapPrm"] == fields["CapEff"]
