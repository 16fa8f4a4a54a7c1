"""pyrootless.sandbox.run: real programs in real boxes, one a verdict, and what a box shows."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyrootless.core import _boxes
from pyrootless.errors import HostUnsupportedError
from pyrootless.sandbox import File, Limits, Outcome, ReadyBoxes, run
from pyrootless.sandbox.runs import RUNGS

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.needs("gcc")]

HEAD = """
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static void burn(long ms) {
    struct timespec t;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
}
static void *spin(void *arg) { (void)arg; for (;;); }
"""


@pytest.fixture
def judge(compile_c: Callable[[str], Path]) -> Callable[..., Outcome]:
    """Compile a main's body and run it under limits."""

    def run_body(body: str, rungs: str = "best", **limits: str | int | None) -> Outcome:
        return run(
            ["./p"],
            files={"p": compile_c(HEAD + "int main(void) {" + body + "}\n")},
            limits=Limits(**limits),
            rungs=rungs,
        )  # type: ignore[arg-type]

    return run_body


def sh(script: str, **options: object) -> Outcome:
    return run(["sh", "-c", script], **options)  # type: ignore[arg-type]


Judge = Callable[..., Outcome]

# Body of a main → verdict and the flag that goes with it. Limits are wide enough for a machine
# with other work: a verdict must not depend on who else runs.
ENDS = [
    ("return 0;", {}, "OK", None),
    ("return 3;", {}, "RE", None),
    ("*(volatile int *)0 = 1;", {}, "SG", None),
    ("abort();", {}, "SG", None),
    ("kill(-1, 9); kill(1, 9); kill(getpid(), 9);", {}, "SG", None),
    ("for (;;);", {"cpu": "100ms", "wall": "60s"}, "TLE", "cpu"),
    (
        "pthread_t t; for (int i = 0; i < 3; i++) pthread_create(&t, 0, spin, 0); spin(0);",
        {"cpu": "100ms", "wall": "60s"},
        "TLE",
        "cpu",
    ),
    ("for (;;) fork();", {"cpu": "100ms", "wall": "60s", "procs": 16}, "TLE", "cpu"),
    ("pause();", {"wall": "60s"}, "ILE", "idle"),
    ("sleep(1000);", {"wall": "60s"}, "ILE", "idle"),
    (
        "pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;"
        "pthread_mutex_lock(&m); pthread_mutex_lock(&m);",
        {"wall": "60s"},
        "ILE",
        "idle",
    ),
    (
        "int p[2]; char c; pipe(p); if (fork() == 0) read(p[0], &c, 1); read(p[0], &c, 1);",
        {"wall": "60s"},
        "ILE",
        "idle",
    ),
    ("int p[2]; pipe(p); for (;;) write(p[1], p, 4);", {"wall": "60s"}, "ILE", "idle"),
    (
        "sigset_t s; sigemptyset(&s); sigaddset(&s, SIGALRM); int n;"
        "sigprocmask(SIG_BLOCK, &s, 0); alarm(1); sigwait(&s, &n); return n;",
        {"wall": "60s"},
        "RE",
        None,
    ),
    (
        "sigset_t s; sigemptyset(&s); sigaddset(&s, SIGALRM); sigprocmask(SIG_BLOCK, &s, 0);"
        "char c[128]; int f = signalfd(-1, &s, 0); alarm(1); return read(f, c, 128) / 128;",
        {"wall": "60s"},
        "RE",
        None,
    ),
    (
        "sigset_t s; sigfillset(&s); sigprocmask(SIG_BLOCK, &s, 0);"
        "pthread_t t; pthread_create(&t, 0, (void *(*)(void *))pause, 0); pause();",
        {"wall": "60s"},
        "ILE",
        "idle",
    ),
    ("for (;;) usleep(20000);", {"wall": "600ms"}, "ILE", "wall"),
    ("for (;;) memset(malloc(1 << 20), 1, 1 << 20);", {"memory": "64M"}, "MLE", "memory"),
    (
        "size_t n = 1 << 29; memset(mmap(0, n, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0), 1, n);",
        {"memory": "64M"},
        "MLE",
        "memory",
    ),
    (
        "mmap(0, 100UL << 30, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);"
        " return 0;",
        {"memory": "64M"},
        "OK",
        None,
    ),
    ('for (;;) puts("x");', {}, "OLE", "stdout"),
    ('for (;;) fputs("x", stderr);', {}, "OLE", "stderr"),
]


@pytest.mark.parametrize("rungs", RUNGS)
@pytest.mark.parametrize(("body", "limits", "verdict", "flag"), ENDS)
def test_verdicts(
    judge: Judge, body: str, limits: dict[str, str], verdict: str, flag: str | None, rungs: str
) -> None:
    outcome = judge(body, rungs=rungs, **({"cpu": "10s"} | limits))
    assert (outcome.verdict.name, flag in outcome.flags or flag is None) == (verdict, True)


def test_a_full_disk() -> None:
    outcome = sh("head -c 9000000 /dev/zero > a; head -c 9000000 /dev/zero > b")
    assert (outcome.verdict.name, outcome.cause) == ("DLE", "disk")
    outcome = sh(
        "i=0; while [ $i -lt 2000 ]; do : > f$i; i=$((i + 1)); done", limits=Limits(cpu="10s")
    )
    assert (outcome.verdict.name, outcome.cause) == ("DLE", "inodes")


def test_a_file_that_grows_too_large() -> None:
    outcome = sh("exec head -c 5000 /dev/zero > f", limits=Limits(file_size=1000))
    assert (outcome.verdict.name, outcome.cause, outcome.flags) == (
        "DLE", "file size", {"file_size"},
    )  # fmt: skip


CAUSES = [
    ("while :; do :; done", {"cpu": "50ms"}, ("TLE", "cpu")),
    ("while :; do :; done", {"cpu": None, "wall": "300ms"}, ("TLE", "wall")),
    ("sleep 1000", {"wall": "300ms", "idle": 0}, ("ILE", "wall")),
    ("sleep 1000", {"wall": "60s"}, ("ILE", "idle")),
    ("yes", {"output": "1K"}, ("OLE", "stdout")),
    ("yes >&2", {"output": "1K"}, ("OLE", "stderr")),
    ("exit 1", {}, ("RE", "")),
]


@pytest.mark.parametrize(("script", "limits", "said"), CAUSES)
def test_the_limit_that_ended_a_run_is_named(
    script: str, limits: dict[str, object], said: tuple[str, str]
) -> None:
    outcome = sh(script, limits=Limits(**({"cpu": "60s"} | limits)))  # type: ignore[arg-type]
    assert (outcome.verdict.name, outcome.cause) == said


def test_shared_memory_counts_as_disk() -> None:
    outcome = sh("head -c 20000000 /dev/zero > /dev/shm/x")
    assert outcome.verdict.name == "DLE"


def test_streams_input_and_code() -> None:
    outcome = sh("cat; printf err >&2; exit 5", stdin=b"in\x00\xff")
    assert (outcome.stdout, outcome.stderr) == (b"in\x00\xff", b"err")
    assert (outcome.exit_code, outcome.signal, outcome.verdict.name) == (5, None, "RE")


def test_output_is_kept_up_to_its_limit() -> None:
    outcome = run(["yes"], limits=Limits(output=1000))
    assert outcome.stdout == b"y\n" * 500 and outcome.truncated == {"stdout"}


def test_files_in_and_out(tmp_path: Path) -> None:
    given = tmp_path / "tool"
    given.write_text("#!/bin/sh\necho made > made.txt\n")
    given.chmod(0o755)
    outcome = sh(
        "./bin/tool && cat data/in.txt && ls -A && stat -c %a data/in.txt",
        files={
            "bin/tool": given,
            "data/in.txt": File(b"text\n", 0o640),
            "empty": None,
        },
        collect=["made.txt", "data/*", "none?"],
    )
    assert outcome.text == "text\nbin\ndata\nempty\nmade.txt\n640\n"
    assert outcome.files == {"made.txt": b"made\n", "data/in.txt": b"text\n"}


def test_a_large_file_is_whole_and_counts_its_size(tmp_path: Path) -> None:
    """It may lie in large pages.  What the program makes does not: in a sparse file they would
    count what nobody wrote."""
    given = tmp_path / "given"
    given.write_bytes(bytes(range(256)) * 2891)
    outcome = sh(
        "stat -c %b given bytes; truncate -s 8M sparse;"
        " dd if=given of=sparse bs=1 count=1 seek=4M conv=notrunc status=none;"
        " stat -c %b sparse",
        files={"given": given, "bytes": given.read_bytes()},
        collect=["given", "bytes"],
    )
    assert outcome.text == "1448\n1448\n8\n"
    assert outcome.files == dict.fromkeys(["given", "bytes"], given.read_bytes())


@pytest.mark.needs("strace", "busybox")
def test_large_pages_are_for_what_is_put_in(
    engine_environment: dict[str, str], tmp_path: Path
) -> None:
    """Without a failure, where the kernel has them: nobody would see one but by the clock."""
    if not Path("/sys/kernel/mm/transparent_hugepage").is_dir():
        pytest.skip("this kernel has no large pages")
    code = """if True:
        import sys
        from pyrootless.sandbox import run
        assert run(["true"], files={"x": bytes(int(sys.argv[1]))}).ok"""
    found = []
    for size in ("65535", "65536"):
        words = ["strace", "-f", "-o", str(tmp_path / "trace"), "-e", "trace=mount"]
        command = [*words, sys.executable, "-c", code, size]
        subprocess.run(command, env=engine_environment, check=True, timeout=120)
        lines = (tmp_path / "trace").read_text().splitlines()
        found.append([line.split('"')[-2:] for line in lines if "huge=" in line])
    assert found == [[], [["huge=within_size", ") = 0"], ["huge=never", ") = 0"]]]


@pytest.mark.needs("strace")
def test_nobody_looks_before_a_limit_can_be_reached(
    engine_environment: dict[str, str], tmp_path: Path
) -> None:
    code = """if True:
        from pyrootless.sandbox import Limits, run
        assert run(["true"], limits=Limits(cpu="60s", memory=None, idle=0)).ok"""
    words = ["strace", "-o", str(tmp_path / "trace"), "-e", "trace=openat", sys.executable]
    subprocess.run([*words, "-c", code], env=engine_environment, check=True, timeout=120)
    assert "/task" not in (tmp_path / "trace").read_text()


def test_what_may_not_be_collected() -> None:
    outcome = sh(
        "ln -s /etc/passwd link; mkfifo fifo; mkdir dir; ln -s /etc folder",
        collect=["link", "fifo", "dir", "folder/passwd", "gone"],
    )
    assert outcome.verdict.name == "FE" and outcome.files == {}
    assert outcome.files_bad == {
        "link": "a symbolic link",
        "fifo": "not a regular file",
        "dir": "not a regular file",
        "folder/passwd": "missing",
        "gone": "missing",
    }


def test_what_a_box_shows() -> None:
    outcome = sh(
        "env; id -u; grep CapEff /proc/self/status; ls /proc/self/fd; cat /proc/self/net/dev"
    )
    lines = outcome.text.splitlines()
    assert {"HOME=/box", "LANG=C.UTF-8", "PWD=/box"} <= set(lines)
    assert "1000" in lines and "CapEff:\t0000000000000000" in lines
    assert [line for line in lines if line.isdecimal() and int(line) > 3] == ["1000"]
    assert [line.split(":")[0].strip() for line in lines if ":" in line][-1] == "lo"


_DEV = """\
. directory 755 1000
fd symbolic link 777 1000
full character special file 666 65534
null character special file 666 65534
ptmx symbolic link 777 1000
random character special file 666 65534
shm directory 1777 1000
stderr symbolic link 777 1000
stdin symbolic link 777 1000
stdout symbolic link 777 1000
urandom character special file 666 65534
zero character special file 666 65534
"""


def test_what_lies_in_dev() -> None:
    outcome = sh("umask 077; cd /dev; stat -c '%n %F %a %u' . * | sort; readlink fd std* ptmx")
    links = "/proc/self/fd\n/proc/self/fd/2\n/proc/self/fd/0\n/proc/self/fd/1\npts/ptmx\n"
    assert outcome.text == _DEV + links


@pytest.mark.needs("busybox")
def test_devices_of_an_image_are_never_taken(tmp_path: Path) -> None:
    """Files and links where the devices belong: the host's own are there all the same."""
    root = tmp_path / "root"
    for name in ("bin", "dev", "proc"):
        (root / name).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", root / "bin/busybox")
    (root / "dev/null").write_text("the image's\n")
    (root / "dev/zero").symlink_to("/etc/passwd")
    (root / "dev/full").mkdir()
    words = ["/bin/busybox", "stat", "-c", "%n %F %t:%T", "/dev/null", "/dev/zero", "/dev/full"]
    kind = "character special file"
    assert run(words, rootfs=root).text == (
        f"/dev/null {kind} 1:3\n/dev/zero {kind} 1:5\n/dev/full {kind} 1:7\n"
    )
    assert (root / "dev/null").read_text() == "the image's\n"


@pytest.mark.needs("cgroup1-delegated")
def test_a_group_of_version_1_is_the_box_itself() -> None:
    """Nothing in a box can mount it, so its limits need no group above."""
    text = sh("cat /proc/self/cgroup; mkdir g; mount -t cgroup -o memory none g 2>&1").text
    (path,) = [line for line in text.splitlines() if ":memory:" in line]
    assert path.rpartition("/")[2].startswith("pyrootless-")
    assert text.endswith("Bad system call\n")  # mount kills it


def test_no_path_of_the_host(engine_environment: dict[str, str]) -> None:
    text = sh("cat /proc/self/mountinfo").text
    assert (
        engine_environment["PYROOTLESS_ROOT"] not in text and os.fspath(Path.home()) not in text
    )
    roots = {line.split()[3] for line in text.splitlines()}
    assert roots == {"/", "/usr", "/null", "/zero", "/full", "/random", "/urandom"}


@pytest.mark.parametrize("rungs", RUNGS)
def test_memory_ends_a_run_whose_survivors_only_wait(judge: Judge, rungs: str) -> None:
    body = "if (fork() == 0) for (;;) memset(malloc(1 << 20), 1, 1 << 20);"
    outcome = judge(body + " for (;;) usleep(20000);", rungs, memory="64M", wall="20s")
    assert (outcome.verdict.name, outcome.flags) == ("MLE", frozenset({"memory"}))


@pytest.fixture
def urgent() -> Iterator[None]:
    """This thread has a real-time class."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.mark.context_root
@pytest.mark.needs("real-time")
@pytest.mark.usefixtures("urgent")
def test_a_box_is_not_as_urgent_as_its_caller() -> None:
    code = "import os; print(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))"
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    direct = run(["python3", "-c", code])
    with ReadyBoxes(size=1) as boxes:
        ready = boxes.run(["python3", "-c", code])
    assert os.sched_getscheduler(0) == os.SCHED_RR
    wanted = f"{os.SCHED_OTHER} {niceness}\n".encode()
    assert (direct.stdout, ready.stdout) == (wanted, wanted)


PREPARES = """
import sys
from pyrootless.sandbox import run
assert run(["true"]).ok
print(*sorted({"pyrootless.images.prepare", "pyrootless.seccomp.profiles"} & set(sys.modules)))
"""


def test_a_process_prepares_only_what_is_stale(
    engine_environment: dict[str, str], tmp_path: Path
) -> None:
    env = engine_environment | {"PYROOTLESS_ROOT": str(tmp_path)}

    def loaded() -> list[str]:
        words = [sys.executable, "-c", PREPARES]
        done = subprocess.run(words, env=env, check=True, capture_output=True, timeout=120)
        return done.stdout.decode().split()

    both = ["pyrootless.images.prepare", "pyrootless.seccomp.profiles"]
    assert (loaded(), loaded()) == (both, [])
    [note] = tmp_path.glob("cache/seccomp/strict-*")
    note.write_text(note.read_text().replace(" /", "1 /", 1))  # an inode that changed
    assert (loaded(), loaded()) == (both[1:], [])
    Path(note.with_name(note.read_text()[7:71] + ".bpf")).unlink()
    assert (loaded(), loaded()) == (both[1:], [])
    config = (tmp_path / "refs/host").resolve() / "config.json"
    config.write_text(config.read_text().replace("/etc/localtime", "/etc/localtim"))
    assert (loaded(), loaded()) == (both, [])


def test_nothing_outlives_a_box(judge: Judge) -> None:
    outcome = judge("if (fork() == 0) { setsid(); close(1); close(2); sleep(600); } return 0;")
    assert outcome.verdict.name == "OK"


@pytest.mark.parametrize(
    ("rungs", "share"), [("best", 0.97), ("no-groups", 0.97), ("least", 0.9)]
)
def test_unreaped_children_are_billed(judge: Judge, rungs: str, share: float) -> None:
    body = "signal(SIGCHLD, SIG_IGN); for (int i = 0; i < 5; i++) if (fork() == 0) { burn(100);"
    end = " _exit(0); } while (wait(0) > 0); return 0;"
    outcome = judge(body + end, rungs=rungs, cpu="10s", wall="60s")
    # Where a hypervisor takes time, perf's clock is billed without all that it may have taken.
    taken_ns = 0 if outcome.enforced["cpu"].exact else outcome.noise.steal_ns + 20_000_000
    assert outcome.verdict.name == "OK" and outcome.cpu_ns + taken_ns >= share * 500e6


def test_time_is_billed_however_late_the_caller_runs_again(judge: Judge) -> None:
    """More boxes than processors: a program may be done before its monitor looks at it."""
    judge("burn(100); return 0;")  # compiled
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(
            pool.map(lambda _: judge("burn(100); return 0;", wall="60s"), range(32))
        )
    assert [outcome for outcome in outcomes if not outcome.ok or outcome.cpu_ns < 97e6] == []


@pytest.mark.parametrize("rungs", RUNGS)
def test_an_unreadable_program_meets_its_limit(judge: Judge, rungs: str) -> None:
    body = 'chmod("p", 0111); if (access("again", F_OK)) { close(creat("again", 0600));'
    outcome = judge(
        body + ' execl("./p", "p", (char *)0); } burn(3000); return 0;',
        rungs=rungs,
        cpu="200ms",
        wall="60s",
    )
    assert outcome.verdict.name == "TLE" and outcome.cpu_ns < 1000e6


def test_each_limit_names_what_held_it(judge: Judge) -> None:
    enforced = judge("return 0;").enforced
    assert set(enforced) == {
        "cpu", "wall", "memory", "processes", "stdout", "stderr", "disk", "inodes",
        "file_size", "stack", "open_files",
    }  # fmt: skip
    assert (enforced["file_size"].rung, enforced["file_size"].exact) == ("rlimit", True)
    assert enforced["disk"].rung == "tmpfs" and enforced["disk"].exact


def test_exact_or_not_at_all(judge: Judge) -> None:
    with pytest.raises(HostUnsupportedError, match="memory"):
        run(["true"], rungs="no-groups", exact=True)
    if not run(["true"], rungs="no-groups").enforced["cpu"].exact:
        with pytest.raises(HostUnsupportedError, match="perf"):
            run(["true"], rungs="no-groups", exact=True, limits=Limits(memory=None))
        return
    outcome = run(["true"], rungs="no-groups", exact=True, limits=Limits(memory=None))
    assert outcome.ok and all(each.exact for each in outcome.enforced.values())


@pytest.mark.needs("plain-user")
def test_groups_of_a_killed_caller_go() -> None:
    script = (
        "import os; from pyrootless.sandbox import run, Limits;"
        "print(os.getpid(), flush=True);"
        "run(['sleep', '600'], limits=Limits(wall='600s', idle=0))"
    )
    base = Path("/sys/fs/cgroup/memory", pwd.getpwuid(os.getuid()).pw_name)
    if run(["true"]).enforced["memory"].rung != "cgroup1" or not base.is_dir():
        pytest.skip("no memory group of version 1 is delegated")
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        mark = f"{int(caller.stdout.readline()):08x}"
        mine = f"pyrootless-5a4db0c5????????{mark}*"
        while not any(path.read_text() for path in base.glob(f"{mine}/cgroup.procs")):
            assert caller.poll() is None
        caller.kill()
    assert list(base.glob(mine)) != []
    while list(base.glob(mine)):  # its box ends with it, in a moment
        _boxes.Host()


LEAVES = """
import sys
from pyrootless.sandbox import run
outcome = run(["/bin/busybox", "cat"], stdin=0, **eval(sys.argv[1]))
assert outcome.stdout == b"end", outcome
"""


@pytest.mark.needs("strace", "busybox")
@pytest.mark.parametrize("own", [True, False])
def test_who_waits_for_the_mounts(
    engine_environment: dict[str, str], tmp_path: Path, own: bool
) -> None:
    """A tree that the caller lent is his again when the run is over."""
    (tmp_path / "tree/bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", tmp_path / "tree/bin/busybox")
    options = {} if own else {"rootfs": str(tmp_path / "tree")}
    path = tmp_path / "trace"
    words = ["strace", "-o", str(path), "-e", "trace=sendmsg,ppoll", sys.executable]
    command = [*words, "-c", LEAVES, repr(options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=engine_environment) as process:
        while not path.exists() or "ppoll(" not in path.read_text():
            assert process.poll() is None  # what precedes the monitor's first wait is done then
        process.communicate(b"end", timeout=120)
    assert process.returncode == 0
    # The namespace, the scratch and the socket itself.
    left = re.findall(r"SCM_RIGHTS, cmsg_data=\[([^]]*)\]", path.read_text())
    assert [len(fds.split(",")) for fds in left] == ([3] if own else [])


def test_the_wall_time_begins_with_the_program() -> None:
    """Not when the caller runs again: by then a short program may be over.

    The processor time has the init's own share of some hundred microseconds in it.
    """
    outcomes = [run(["true"]) for _ in range(20)]
    times = [(outcome.wall_ns, outcome.cpu_ns) for outcome in outcomes]
    assert all(2 * wall_ns > cpu_ns for wall_ns, cpu_ns in times), times


INHERITED = """
import resource, sys
from pyrootless.sandbox import Limits, run
resource.setrlimit(resource.RLIMIT_CPU, (2, int(sys.argv[1])))
limits = Limits(cpu="2300ms", wall="60s")
print(run(["./p"], files={"p": sys.argv[2]}, limits=limits).verdict)
"""


@pytest.mark.parametrize(("hard", "body"), [("-1", "burn(2100);"), ("2", "for (;;);")])
def test_the_callers_own_limit_of_processor_time(
    compile_c: Callable[[str], Path], hard: str, body: str
) -> None:
    """Its soft value is not the program's; its hard value is a limit as any other."""
    program = compile_c(HEAD + "int main(void) {" + body + "}\n")
    done = subprocess.run(
        [sys.executable, "-c", INHERITED, hard, str(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == {"-1": "OK\n", "2": "TLE\n"}[hard], done.stderr
