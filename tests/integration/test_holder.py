"""The holder of user namespaces: used when it is there, missed by nobody when it is not.

In: the launcher, subordinate ids of this user, a runtime directory of one test alone.
Out: whose child a container's namespace is, as the kernel tells; what the holder holds; that
its death, a stale socket, a stranger's socket or a stopped process cost nothing but time.
Never: a guess by the clock at which way a start took.
"""

from __future__ import annotations

import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import holders
import pytest

pytestmark = pytest.mark.needs("user-namespaces", "subordinate-ids", "newuidmap")

SECONDS = 60
WAIT = ("sh", "-c", "echo ready; read line; id -u; touch /tmp/x; chown 7:8 /tmp/x; exit 3")
MAPS = ("range", "keep-id")
SO_PEERPIDFD = 77


@dataclass(frozen=True)
class Place:
    """A store and a runtime directory of one test.

    Attributes:
        launcher: the executable.
        environment: all variables of a call.
        before: words in front of each call.
    """

    launcher: Path
    environment: dict[str, str]
    before: list[str] = field(default_factory=list)

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """`pyrootless run --rm --ephemeral WORDS`."""
        return subprocess.run(
            [*self.before, str(self.launcher), "run", "--rm", "--ephemeral", *words],
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @contextmanager
    def running(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
        """A container that waits for a line, with its launcher and its process 1."""
        pidfile = Path(self.environment["XDG_RUNTIME_DIR"]) / f"pid-{os.urandom(6).hex()}"
        call = [str(self.launcher), "run", "--rm", "--ephemeral", "-i", f"--pidfile={pidfile}"]
        with subprocess.Popen(
            [*self.before, *call, *words, "host", *WAIT],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                yield process, await_number(pidfile)
            finally:
                process.kill()

    def warm(self, idle: int = 600) -> int:
        return holders.warm(self.launcher, self.environment, self.before, idle)


def await_number(path: Path) -> int:
    """The process id that the launcher writes while its program already runs."""
    while not (path.exists() and (text := path.read_text()).endswith("\n")):
        select.select([], [], [], 0.005)
    return int(text)


def go_on(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Let a container of `running` end: what it printed, its status."""
    output, _ = process.communicate("go\n", timeout=SECONDS)
    return output, process.returncode


@pytest.fixture
def place(tmp_path: Path, launcher: Path) -> Iterator[Place]:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    kept = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "ASAN_OPTIONS")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {"PYROOTLESS_ROOT": str(tmp_path / "store"), "XDG_RUNTIME_DIR": str(runtime)}
    made = Place(launcher, {**env, holders.IDLE: "0"})
    yield made
    holders.dismiss(made.environment)


def own_namespace() -> int:
    return holders.user_namespace(os.getpid())


def is_held(place: Place, holder: int, *words: str) -> bool:
    """Whether a start with these words goes through the holder; the kernel tells."""
    with place.running(*words) as (process, pid):
        above = holders.parent_namespace(pid)
        assert go_on(process) == ("0\n", 3)
    assert above in (own_namespace(), holders.user_namespace(holder))
    return above == holders.user_namespace(holder)


# --- used when it is there -----------------------------------------------------------------


def test_the_first_start_leaves_one_for_the_next(place: Place) -> None:
    assert holders.sockets(place.environment) == []
    holder = place.warm()
    assert is_held(place, holder, "--userns=range")
    assert holders.holders(place.environment) == [holder]


@pytest.mark.parametrize("ids", MAPS)
def test_a_namespace_below_the_holders(place: Place, ids: str) -> None:
    """Maps that cut the same ids differently share one holder, not one namespace."""
    holder = place.warm()
    options = (f"--userns={ids}", "-u0")
    with place.running(*options) as (one, first), place.running(*options) as (two, second):
        spaces = {holders.user_namespace(pid) for pid in (first, second, holder)}
        assert len(spaces) == 3
        above = {holders.parent_namespace(pid) for pid in (first, second)}
        assert above == {holders.user_namespace(holder)}
        assert [go_on(one), go_on(two)] == [("0\n", 3)] * 2


@pytest.mark.parametrize("ids", MAPS)
def test_the_maps_are_those_of_newuidmap(place: Place, ids: str) -> None:
    """As this side sees them: which of the machine's ids they are."""
    shown = []
    for words in ((), ("--no-holder",)):
        holder = place.warm()
        with place.running(f"--userns={ids}", "-u0", *words) as (process, pid):
            found = [Path(f"/proc/{pid}/{name}").read_text() for name in ("uid_map", "gid_map")]
            shown.append([[line.split() for line in text.splitlines()] for text in found])
            shown[-1].append([[Path(f"/proc/{pid}/setgroups").read_text()]])
            held = holders.parent_namespace(pid) == holders.user_namespace(holder)
            assert held == (not words)
            assert go_on(process) == ("0\n", 3)
    assert shown[0] == shown[1]


def test_no_holder_is_neither_used_nor_started(place: Place) -> None:
    holder = place.warm()
    assert not is_held(place, holder, "--userns=range", "--no-holder")
    holders.dismiss(place.environment)
    words = ("--userns=range", "--no-holder", "host", "true")
    assert place.run(*words, **{holders.IDLE: "600"}).returncode == 0
    assert holders.sockets(place.environment) == []


def test_a_map_of_one_id_needs_none(place: Place) -> None:
    done = place.run("--userns=single", "host", "true", **{holders.IDLE: "600"})
    assert (done.returncode, holders.sockets(place.environment)) == (0, [])


def test_an_idle_time_of_zero_starts_none(place: Place) -> None:
    done = place.run("--userns=range", "host", "true", **{holders.IDLE: "0"})
    assert (done.returncode, holders.sockets(place.environment)) == (0, [])


def test_many_starts_at_once_leave_one(place: Place) -> None:
    env = {**place.environment, holders.IDLE: "600"}
    words = [
        str(place.launcher),
        "run",
        "--rm",
        "--ephemeral",
        "--userns=range",
        "host",
        "true",
    ]
    assert place.run("host", "true").returncode == 0  # the launch template
    many = [subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL) for _ in range(6)]
    assert [one.wait(SECONDS) for one in many] == [0] * 6
    holder = holders.await_holder(place.environment)
    assert holders.sockets(place.environment) == [holders.sockets(place.environment)[0]]
    assert is_held(place, holder, "--userns=range")


def test_another_limit_of_the_caller_is_another_holder(place: Place) -> None:
    """A namespace keeps the limits it was made with."""
    holder = place.warm()
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    other = 50000 if soft == resource.RLIM_INFINITY else soft - 1
    resource.setrlimit(resource.RLIMIT_NPROC, (other, hard))
    try:
        assert not is_held(place, holder, "--userns=range")
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    assert is_held(place, holder, "--userns=range")


@pytest.mark.needs("pasta")
def test_a_network_through_the_holder(place: Place) -> None:
    holder = place.warm()
    assert is_held(place, holder, "--userns=range", "--network=pasta")


@pytest.mark.needs("fuse", "fuse-overlayfs")
def test_a_program_as_storage_driver_through_the_holder(place: Place) -> None:
    holder = place.warm()
    assert is_held(place, holder, "--userns=range", "--storage-driver=fuse-overlayfs")


@pytest.mark.parametrize("words", [("--init",), ("--privileged",), ("--network=host",)])
def test_options_through_the_holder(place: Place, words: tuple[str, ...]) -> None:
    holder = place.warm()
    assert is_held(place, holder, "--userns=range", *words)


def test_a_limit_of_processes_counts_the_container_alone(place: Place) -> None:
    """RLIMIT_NPROC is counted in the container's namespace, which is not the holder's."""
    holder = place.warm()
    script = 'set -- ; for i in 1 2 3 4 5 6 7 8; do sleep 9 & done 2>/dev/null; echo "$!"'
    limit = ("--limits=best-effort", "--pids-limit=4")
    with place.running("--userns=range") as (process, pid):
        assert holders.parent_namespace(pid) == holders.user_namespace(holder)
        done = place.run("--userns=range", *limit, "host", "sh", "-c", f"{script}; exit 5")
        plain = place.run("--userns=range", *limit, "--no-holder", "host", "sh", "-c", script)
        assert go_on(process) == ("0\n", 3)
    assert done.stdout == plain.stdout


# --- missed by nobody when it is not -------------------------------------------------------


def test_its_death_harms_no_container(place: Place) -> None:
    holder = place.warm()
    with place.running("--userns=range") as (process, pid):
        space = holders.user_namespace(pid)
        os.kill(holder, signal.SIGKILL)
        holders.await_end(holder)
        assert holders.user_namespace(pid) == space
        assert go_on(process) == ("0\n", 3)


def test_a_stale_socket_is_replaced(place: Place) -> None:
    holder = place.warm()
    os.kill(holder, signal.SIGKILL)
    holders.await_end(holder)
    (stale,) = holders.sockets(place.environment)
    assert holders.listener(stale) == 0
    second = place.warm()
    assert second != holder
    assert holders.sockets(place.environment) == [stale]
    assert is_held(place, second, "--userns=range")


def test_a_stopped_holder_is_used_all_the_same(place: Place) -> None:
    """Nobody asks it anything."""
    holder = place.warm()
    os.kill(holder, signal.SIGSTOP)
    try:
        assert is_held(place, holder, "--userns=range")
    finally:
        os.kill(holder, signal.SIGCONT)


def test_a_full_backlog_costs_time_alone(place: Place) -> None:
    holder = place.warm()
    os.kill(holder, signal.SIGSTOP)
    (path,) = holders.sockets(place.environment)
    program = f"""
        import os, resource, socket, sys
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        os.chdir({str(path.parent)!r})
        kept = []
        try:
            while True:
                one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                one.setblocking(False)
                one.connect({path.name!r})
                kept.append(one)
        except BlockingIOError:
            print("full", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as flood:
        assert flood.stdout is not None
        try:
            assert flood.stdout.readline() == "full\n"
            with place.running("--userns=range", "--network=host") as (process, pid):
                assert holders.parent_namespace(pid) == own_namespace()
                assert go_on(process) == ("0\n", 3)
        finally:
            flood.kill()
            os.kill(holder, signal.SIGCONT)


def test_a_strangers_socket_is_not_believed(place: Place) -> None:
    """Who listens must be the caller: here one of its subordinate ids does, by its name."""
    holder = place.warm()
    (path,) = holders.sockets(place.environment)
    holders.dismiss(place.environment)
    program = f"""
        import os, socket, sys
        os.chdir({str(path.parent)!r})
        one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        one.bind({path.name!r})
        os.setresuid(1, 1, 1)
        one.listen(16)
        print("listening", flush=True)
        sys.stdin.read()
    """
    call = [str(place.launcher), "unshare", "--", "/usr/bin/python3", "-c"]
    with subprocess.Popen(
        [*call, textwrap.dedent(program)],
        env=place.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "listening\n"
        assert holders.listener(path) not in (0, holder)
        with place.running("--userns=range") as (process, pid):
            assert holders.parent_namespace(pid) == own_namespace()
            assert go_on(process) == ("0\n", 3)
        stranger.communicate(timeout=SECONDS)


@pytest.mark.parametrize("what", ["a file", "a link", "for others"])
def test_a_directory_that_is_not_ours_alone_gets_no_holder(place: Place, what: str) -> None:
    folder = holders.folder(place.environment)
    assert place.run("host", "true").returncode == 0  # the directories above
    if what == "a file":
        folder.write_text("")
    elif what == "a link":
        (folder.parent / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to("elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o755)
    words = [*holders.RANGE[1:]]
    done = place.run(*words[2:], **{holders.IDLE: "1"})
    assert (done.returncode, done.stderr) == (0, "")
    assert place.run(*words[2:]).returncode == 0
    assert folder.is_file() if what == "a file" else holders.sockets(place.environment) == []


def test_it_leaves_when_it_has_been_idle(place: Place) -> None:
    holder = place.warm(idle=1)
    holders.await_end(holder)
    folder = holders.folder(place.environment)
    assert [path.name for path in folder.iterdir()] == ["lock"]
    assert place.run("--userns=range", "host", "true").returncode == 0


@pytest.mark.parametrize("what", ["the socket", "the directory"])
def test_it_leaves_at_once_when_its_socket_goes(place: Place, what: str) -> None:
    holder = place.warm()
    if what == "the socket":
        holders.sockets(place.environment)[0].unlink()
    else:
        shutil.rmtree(holders.folder(place.environment))
    holders.await_end(holder)


def test_another_version_takes_over(place: Place) -> None:
    """A holder of an older protocol is not found; the newer one lets it go."""
    older = place.warm()
    (path,) = holders.sockets(place.environment)
    path.rename(path.with_name(path.name.replace("2-", "0-", 1)))
    holders.await_end(older)  # its socket has gone
    assert place.warm() != older


# --- what is each container's own -----------------------------------------------------------


def spaces(pid: int) -> tuple[int, int]:
    """A process' user and network namespace."""
    names = ("user", "net")
    user, net = (Path(f"/proc/{pid}/ns/{name}").stat().st_ino for name in names)
    return user, net


def test_each_has_namespaces_of_its_own_below_the_holders(place: Place) -> None:
    """Even where the holder is stopped: nothing is asked of it."""
    holder = place.warm()
    os.kill(holder, signal.SIGSTOP)
    try:
        with (
            place.running("--userns=range") as (first, pid1),
            place.running("--userns=range") as (second, pid2),
        ):
            seen = [spaces(pid) for pid in (pid1, pid2)]
            assert len({user for user, _ in seen}) == len({net for _, net in seen}) == 2
            above = {holders.parent_namespace(pid) for pid in (pid1, pid2)}
            assert above == {holders.user_namespace(holder)}
            assert [go_on(one) for one in (first, second)] == [("0\n", 3)] * 2
    finally:
        os.kill(holder, signal.SIGCONT)


NETWORK = """
cat /proc/net/dev /proc/net/if_inet6 /proc/net/fib_trie /proc/net/unix
cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/rp_filter
ipcs -a | grep -c 0x
"""
CHANGE = """
mount -o remount,rw /proc/sys 2>/dev/null
for name in ip_forward conf/all/rp_filter; do echo 1 > /proc/sys/net/ipv4/$name; done
ip addr add 192.0.2.7/32 dev lo && ipcmk -M 4096 && echo changed
"""


@pytest.mark.needs("ip")
def test_nothing_of_one_container_reaches_the_next(place: Place) -> None:
    """Its network and all that is in it are what newuidmap's way gives, however often."""
    look = ("host", "sh", "-c", NETWORK)
    expected = place.run("--userns=range", "--no-holder", *look).stdout
    place.warm()
    for _ in range(2):
        done = place.run("--userns=range", "--privileged", "host", "sh", "-c", CHANGE)
        assert done.stdout.splitlines()[-1] == "changed", done
        assert place.run("--userns=range", *look).stdout == expected


# --- what it holds, and who reaches it -----------------------------------------------------


def test_the_holder_holds_nothing(place: Place) -> None:
    holder = place.warm()
    status = status_of(holder)
    for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert status[name].strip() == "0" * 16, name
    assert status["NoNewPrivs"].strip() == "1"
    assert status["PPid"].strip() != str(os.getpid())
    assert os.getsid(holder) != os.getsid(0)
    links = [os.readlink(path) for path in Path(f"/proc/{holder}/fd").iterdir()]
    kinds = sorted(link.split(":")[0] for link in links)
    folder = str(holders.folder(place.environment))
    ours = ["/dev/null"] * 3 + [folder, f"{folder}/lock", "socket"]
    ours += ["anon_inode"]  # inotify
    assert kinds == sorted(ours)
    assert Path(f"/proc/{holder}/environ").read_bytes() == b""
    assert os.readlink(f"/proc/{holder}/cwd") == "/"


def status_of(pid: int) -> dict[str, str]:
    """/proc/PID/status: name → value."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


REACH = """
for what in ns/user ns/mnt ns/net mem root cwd environ fd/0 maps; do
  for pid in $PIDS; do
    path=/host/$pid/$what
    (exec 3<$path) 2>/dev/null && echo "opened $path"
    readlink $path >/dev/null && echo "read $path"
  done
done
for pid in $PIDS; do test -e /host/$pid/status || echo "$pid is not there"; done
echo tried
"""


@pytest.mark.parametrize("options", [(), ("--privileged",)])
def test_nobody_inside_reaches_the_holder_or_its_neighbour(
    place: Place, options: tuple[str, ...]
) -> None:
    """Even with the host's /proc lent, which names them both."""
    holder = place.warm()
    with place.running("--userns=range", "--privileged") as (process, pid):
        assert holders.parent_namespace(pid) == holders.user_namespace(holder)
        script = f'PIDS="{holder} {pid}"; {REACH}'
        words = ("--userns=range", *options, "-v", "/proc:/host", "host", "sh", "-c", script)
        done = place.run(*words)
        assert (done.stdout, done.returncode) == ("tried\n", 0)
        assert go_on(process) == ("0\n", 3)


HOSTILE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void tried(const char *what, long result)
{
    if (result < 0)
        return;
    printf("reached: %s\n", what);
    reached = 1;
}

int main(int argc, char **argv)
{
    int space = open("/proc/self/ns/user", O_RDONLY);
    if (space < 0)
        return 2;
    tried("the namespace above", ioctl(space, 0xb702));
    for (int i = 1; i < argc; i++) {
        pid_t pid = (pid_t)atol(argv[i]);
        tried("a process: kill", kill(pid, 0));
        tried("a process: ptrace", ptrace(PTRACE_SEIZE, pid, NULL, NULL));
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        tried("a process: pidfd", pidfd);
        tried("a process: setns", pidfd < 0 ? -1 : setns(pidfd, CLONE_NEWUSER));
    }
    tried("somebody else", kill(-1, 0));
    puts("tried");
    return reached;
}
"""


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("options", [(), ("--privileged",)])
def test_a_hostile_program_finds_nobody(
    place: Place, tmp_path: Path, options: tuple[str, ...]
) -> None:
    program = tmp_path / "hostile"
    (tmp_path / "hostile.c").write_text(HOSTILE)
    words = ["gcc", "-static", "-O1", "-o", str(program), str(tmp_path / "hostile.c")]
    subprocess.run(words, check=True, timeout=SECONDS)
    holder = place.warm()
    with place.running("--userns=range") as (process, pid):
        targets = [str(holder), str(pid), str(process.pid)]
        call = ("--userns=range", *options, "-v", f"{program}:/hostile:ro", "host", "/hostile")
        done = place.run(*call, *targets)
        assert (done.stdout, done.returncode) == ("tried\n", 0)
        assert holders.is_alive(holder)
        assert go_on(process) == ("0\n", 3)


def test_its_directory_is_not_lent(place: Place) -> None:
    place.warm()
    runtime = place.environment["XDG_RUNTIME_DIR"]
    words = ("--userns=range", "-v", f"{runtime}:/lent", "host", "ls", "-A", "/lent/pyrootless")
    done = place.run(*words)
    assert "holder" not in done.stdout


# --- in another process, in another namespace ----------------------------------------------

IN_PROCESS = """
import os, sys, threading
import pyrootless
ballast = bytearray(50 << 20)
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
before = sorted(os.listdir("/proc/self/fd"))
for _ in range(5):
    result = pyrootless.run("host", ["sh", "-c", "chown 1:1 /tmp && exit 7"], userns="range")
    assert result.exit_code == 7, result
after = sorted(os.listdir("/proc/self/fd"))
assert before == after, (before, after)
assert os.stat("/proc/self/status").st_uid == os.getuid()  # still dumpable
assert os.readlink("/proc/self/ns/user") == sys.argv[1]
try:
    os.waitpid(-1, os.WNOHANG)
    raise SystemExit("a child is left")
except ChildProcessError:
    pass
stop.set()
thread.join()
print("done")
"""


def test_a_process_with_threads_stays_as_it_was(place: Place) -> None:
    holder = place.warm()
    done = subprocess.run(
        [sys.executable, "-c", IN_PROCESS, os.readlink("/proc/self/ns/user")],
        env=place.environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
    assert holders.is_alive(holder)


@pytest.fixture
def inner(place: Place, tmp_path: Path) -> Iterator[Place]:
    """The same, called by root of a user namespace that lasts for the test."""
    call = [str(place.launcher), "unshare", "--", "sh", "-c", "echo ready; read line"]
    with subprocess.Popen(
        call, env=place.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == "ready\n"
        words = ["nsenter", f"--target={outer.pid}", "--user", "--mount"]
        yield Place(place.launcher, place.environment, [*words, "--preserve-credentials"])
        outer.communicate("end\n", timeout=SECONDS)


def test_one_for_each_namespace_that_is_called_from(place: Place, inner: Place) -> None:
    """Whoever is root of a namespace of its own writes maps itself, and so does the holder."""
    outer = place.warm()
    words = ("--userns=range", "host", "true")
    assert inner.run(*words, **{holders.IDLE: "600"}).returncode == 0
    while len(found := holders.holders(place.environment)) < 2:
        select.select([], [], [], 0.005)
    (second,) = [pid for pid in found if pid != outer]
    assert holders.parent_namespace(second) not in (own_namespace(), 0)
    with inner.running("--userns=range") as (process, pid):
        above = holders.parent_namespace(pid)
        assert go_on(process) == ("0\n", 3)
    assert above == holders.user_namespace(second)
    assert is_held(place, outer, "--userns=range")


@pytest.fixture
def deny(tmp_path: Path) -> Path:
    """The denier of tests/faults, which makes a call answer ENOSYS."""
    path = tmp_path / "deny"
    source = Path(__file__).resolve().parents[1] / "faults" / "deny.c"
    subprocess.run(["gcc", "-static", "-O1", "-o", path, source], check=True, timeout=SECONDS)
    return path


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(
    ("call", "held"),
    [
        ("setns", False),
        ("getsockopt", False),
        ("clone3", True),
        ("pidfd_open", True),
        (f"--option={SO_PEERPIDFD}", True),
    ],
)
def test_a_kernel_that_lacks_a_call(
    place: Place, inner: Place, deny: Path, call: str, held: bool
) -> None:
    """Linux before 5.8 joins no namespace by pidfd, before 6.5 a peer has a number alone."""
    holder = inner.warm()
    words = [*inner.before, str(deny), *call.split("="), "--"]
    lacking = Place(place.launcher, place.environment, words)
    with lacking.running("--userns=range") as (process, pid):
        above = holders.parent_namespace(pid)
        assert go_on(process) == ("0\n", 3)
    assert (above == holders.user_namespace(holder)) == held
