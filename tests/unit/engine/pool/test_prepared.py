"""pyrootless.engine.pool.prepared: prepared containers, real ones, from this process."""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyrootless
from pyrootless.errors import LaunchError, StoreError, UsageError

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(scope="module")
def shared(session_store: Path) -> Iterator[pyrootless.Pool]:
    """One pool for the tests that only run programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYROOTLESS_ROOT", str(session_store / "store"))
        patch.setenv("XDG_RUNTIME_DIR", str(session_store / "run"))
        with pyrootless.Pool("host", size=2) as pool:
            yield pool


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def gone(pid: int) -> bool:
    """Not there, or dead and waiting for somebody to look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_output_code_and_times(shared: pyrootless.Pool) -> None:
    script = "printf out; printf err >&2; exit 7"
    result = shared.run(["sh", "-c", script])
    assert (result.stdout, result.stderr) == (b"out", b"err")
    assert (result.ended_by, result.exit_code, result.signal) == ("exit", 7, None)
    assert result.args == ("sh", "-c", script)
    assert 0 < result.wall_ns < 60 * 10**9


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 1_000_003])
def test_input_arrives_whole(shared: pyrootless.Pool, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    result = shared.run(["cat"], input=data)
    assert result.ok and result.stdout == data


def test_input_that_nobody_reads_is_no_failure(shared: pyrootless.Pool) -> None:
    assert shared.run(["true"], input=bytes(1_000_000)).exit_code == 0


def test_both_outputs_larger_than_a_pipe(shared: pyrootless.Pool) -> None:
    result = shared.run(["sh", "-c", "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2"])
    assert (len(result.stdout), len(result.stderr)) == (300_000, 200_000)


def test_a_signal_is_told_apart_from_a_code(shared: pyrootless.Pool) -> None:
    with shared.launch(["sleep", "600"]) as child:
        child.signal(signal.SIGTERM)
        assert child.wait().shell_code == 128 + signal.SIGTERM


def test_what_one_program_has_otherwise(shared: pyrootless.Pool) -> None:
    script = "echo $HOME $NEW $(pwd)"
    assert shared.run(["sh", "-c", script], workdir="/").text == "/root /\n"
    changed = shared.run(["sh", "-c", script], env={"HOME": "/h", "NEW": "n"}, workdir="/tmp")
    assert changed.text == "/h n /tmp\n"


def test_arguments_longer_than_the_barriers_room(shared: pyrootless.Pool) -> None:
    words = [f"{number:0100}" for number in range(8000)]
    result = shared.run(["sh", "-c", "echo $# $1 $8000", "sh", *words])
    assert result.text.split() == ["8000", words[0], f"{words[7]}000"]
    assert shared.run(["printf", "%s", "x" * 100_000]).stdout == b"x" * 100_000


def test_arguments_that_are_too_long(shared: pyrootless.Pool) -> None:
    with pytest.raises(LaunchError) as caught:
        shared.run(["true", "x" * 200_000])
    assert (caught.value.stage, caught.value.errno) == ("exec", errno.E2BIG)


@pytest.mark.parametrize(
    "program",
    ["/no/such", "no-such", "/etc/hosts", "/etc", "/proc/self/exe", "/proc/self/fd/1"],
)
def test_a_program_that_cannot_be_executed(shared: pyrootless.Pool, program: str) -> None:
    """The start barrier answers as the direct way does."""
    seen = []
    for run in (shared.run, lambda args: pyrootless.run("host", args)):
        with pytest.raises(LaunchError) as caught:
            run([program])
        seen.append((caught.value.stage, caught.value.errno, str(caught.value)))
    assert seen[0] == seen[1] and seen[0][0] == "exec"


@pytest.mark.parametrize(
    ("workdir", "number"), [("/no/such", errno.ENOENT), ("/etc/passwd", errno.ENOTDIR)]
)
def test_a_directory_that_is_none(shared: pyrootless.Pool, workdir: str, number: int) -> None:
    with pytest.raises(UsageError) as caught:
        shared.run(["true"], workdir=workdir)
    assert os.strerror(number) in str(caught.value)


def test_a_script_starts_and_its_interpreter_is_looked_at(tmp_path: Path) -> None:
    lines = {"good": "#!/bin/sh", "twin": "#!../bin/sh", "odd": "#!"}
    lines |= {"bad": "#! /proc/self/exe x", "near": "#!../proc/self/exe"}
    for name, line in lines.items():
        (tmp_path / name).write_text(f"{line}\necho $0 $1\n")
        (tmp_path / name).chmod(0o755)
    with pyrootless.Pool("host", size=1, volume=[f"{tmp_path}:/d"], workdir="/d") as pool:
        for name in ("./good", "/d/twin"):
            assert pool.run([name, "a"]).text == f"{name} a\n"
        refused = {"./bad": errno.EACCES, "/d/near": errno.EACCES, "/d/odd": errno.ENOEXEC}
        for name, number in refused.items():
            with pytest.raises(LaunchError) as caught:
                pool.run([name])
            assert caught.value.errno == number


def test_the_limit_of_time_counts_from_the_program() -> None:
    with pyrootless.Pool("host", size=1, timeout=0.4) as pool:
        box = pool._stock._ready[0]
        with pyrootless.launch("host", ["sleep", "0.5"]) as clock:  # longer than the limit
            clock.wait()
        assert pool._stock._ready[0] is box
        assert pool.run(["echo", "in time"]).text == "in time\n"
        result = pool.run(["sh", "-c", "echo begun; exec sleep 600"])
        assert (result.ended_by, result.stdout) == ("timeout", b"begun\n")
        assert 0.4e9 <= result.wall_ns < 30e9
        with pool.launch(["sleep", "600"]) as child:
            assert child.wait().ended_by == "timeout"


def test_a_run_may_have_a_limit_of_time_of_its_own() -> None:
    """One that waited for the pool's would not end while this test may run."""
    with pyrootless.Pool("host", size=1, timeout=100_000) as pool:
        assert pool.run(["sleep", "600"], timeout=0.05).ended_by == "timeout"


def test_a_small_init_can_be_process_1() -> None:
    with pyrootless.Pool("host", size=1, init=True) as pool:
        assert pool.run(["sh", "-c", "echo $$; exit 3"]).text == "2\n"
        assert pool.run(["sh", "-c", "kill -USR1 $$"]).shell_code == 128 + signal.SIGUSR1
        with pytest.raises(LaunchError) as caught:
            pool.run(["/etc/hosts"])
        assert (caught.value.stage, caught.value.errno) == ("exec", errno.EACCES)


def test_streams_of_a_launch(shared: pyrootless.Pool, tmp_path: Path) -> None:
    script = ["sh", "-c", "read line; echo out $line; echo err >&2"]
    with shared.launch(script, stdin=subprocess.PIPE) as child:
        assert child.stdin and child.stdout and child.stderr
        child.stdin.write(b"word\n")
        assert (child.stdout.read(), child.stderr.read()) == (b"out word\n", b"err\n")
        assert child.wait().ok
    with (tmp_path / "out").open("w+b") as file:
        with shared.launch(script, stdout=file, stderr=subprocess.DEVNULL) as child:
            assert child.stdout is None and child.stderr is None
            assert child.wait().ok
        assert (tmp_path / "out").read_bytes() == b"out\n"


def test_a_limit_holds_and_is_named() -> None:
    fork = "for i in 1 2 3 4 5 6 7 8; do sleep 600 & done"
    with pyrootless.Pool("host", size=1, pids_limit=4, limits="best-effort") as pool:
        result = pool.run(["sh", "-c", fork])
        assert set(result.enforced) == {"pids"} and result.enforced["pids"] != "none"
        assert b"fork" in result.stderr.lower()


def test_a_box_that_was_killed_is_not_given_out() -> None:
    with pyrootless.Pool("host", size=1) as pool:
        killed = pool._stock._ready[0].container
        os.kill(killed.pid, signal.SIGKILL)
        os.waitid(os.P_PIDFD, killed.pidfd, os.WEXITED | os.WNOWAIT)
        assert pool.run(["echo", "alive"]).text == "alive\n"


def test_a_run_ends_what_it_started(shared: pyrootless.Pool) -> None:
    result = shared.run(["sh", "-c", "sleep 600 & echo done"])
    assert result.text == "done\n"


def test_many_threads_at_once(shared: pyrootless.Pool) -> None:
    results: dict[int, bytes] = {}

    def one(number: int) -> None:
        results[number] = shared.run(["echo", str(number)]).stdout

    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {number: f"{number}\n".encode() for number in range(16)}


def test_a_thread_that_ends_does_not_take_its_containers_along() -> None:
    with pyrootless.Pool("host", size=1) as pool:
        children: list[pyrootless.Child] = []
        start = lambda: children.append(pool.launch(["sh", "-c", "read _; echo on"], stdin=-1))  # noqa: E731
        thread = threading.Thread(target=start)
        thread.start()
        thread.join(60)
        with children[0] as child:
            assert child.stdin and child.stdout
            child.stdin.write(b"\n")
            assert child.stdout.read() == b"on\n"


def test_closing_leaves_nothing(engine: Path) -> None:
    with pyrootless.Pool("host", size=1) as first:
        first.run(["true"])  # what lasts as long as the process is there from here on
    settle()
    before = descriptors()
    pool = pyrootless.Pool("host", size=3)
    ids = [box.container.id for box in pool._stock._ready]
    pool.run(["true"])
    pool.close()
    assert not pool._stock._ready
    pool.close()
    with pytest.raises(UsageError, match="closed"):
        pool.run(["true"])
    assert descriptors() == before
    assert ids and not known(engine) & {*ids}


def known(engine: Path) -> set[str]:
    """Ids of what has a directory or counts as running."""
    places = (engine / "run/pyrootless" / name for name in ("containers", "running"))
    return {path.name for place in places for path in place.iterdir()}


def settle() -> None:
    """Until the lasting threads have done what was handed to them."""
    from pyrootless.engine.pool import builders

    done = [threading.Event() for _ in range(builders.most_threads())]
    together = threading.Barrier(len(done))

    def arrive(event: threading.Event) -> None:
        together.wait(60)
        event.set()

    for event in done:
        builders.submit(lambda event=event: arrive(event))  # type: ignore[misc]
    assert all(event.wait(60) for event in done)


def test_a_pool_that_nobody_holds_is_closed() -> None:
    pool = pyrootless.Pool("host", size=2)
    settle()
    pids = [box.container.pid for box in pool._stock._ready]
    assert len(pids) == 2 and not any(map(gone, pids))
    del pool
    gc.collect()
    assert all(map(gone, pids))


OWNER = """
import pyrootless, sys
pool = pyrootless.Pool("host", size=2)
child = pool.launch(["sleep", "600"])
while len(pool._stock._ready) < 2:
    pass
boxes = [box.container for box in pool._stock._ready]
print(*[box.pid for box in boxes], child.pid, *[box.id for box in boxes], child.id, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, None])
def test_boxes_end_with_their_owner(engine: Path, how: signal.Signals | None) -> None:
    """Killed, or come to its end: nothing waits for it, and the next command sweeps."""
    words = [sys.executable, "-c", OWNER]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout and owner.stdin
        words = owner.stdout.readline().split()
        watched = [os.pidfd_open(int(pid)) for pid in words[:3]]
        assert len(words) == 6 and {*words[3:]} <= known(engine)
        if how:
            owner.send_signal(how)
        else:
            owner.stdin.close()
        owner.wait(60)
    for fd in watched:
        with open(fd, closefd=True):
            assert wait_readable(fd)
    assert pyrootless.run("host", ["true"]).ok
    assert not known(engine) & {*words[3:]}


def wait_readable(fd: int) -> bool:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(60_000))


def test_a_forked_child_has_no_part_in_it() -> None:
    with pyrootless.Pool("host", size=1) as pool:
        code = (
            "import os, sys, pyrootless\n"
            "pool = pyrootless.Pool('host', size=1)\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    try:\n"
            "        pool.run(['true'])\n"
            "    except pyrootless.UsageError as error:\n"
            "        os._exit(42 if 'fork' in str(error) else 1)\n"
            "    os._exit(2)\n"
            "code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
            "assert pool.run(['true']).ok\n"
            "pool.close()\n"
            "sys.exit(code)\n"
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False
        )
        assert done.returncode == 42
        assert pool.run(["true"]).ok


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "x"}, "'name'"),
        ({"tty": True}, "'tty'"),
        ({"size": 0}, "at least 1"),
        ({"colour": "red"}, "no option 'colour'"),
    ],
)
def test_options_a_pool_does_not_have(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        pyrootless.Pool("host", **options)  # type: ignore[arg-type]


def test_wishes_without_a_meaning(shared: pyrootless.Pool) -> None:
    for words, changes in (
        ("sort", {}),
        ([], {}),
        ([""], {}),
        (["true"], {"workdir": "tmp"}),
        (["true"], {"timeout": 0}),
        (["true"], {"memory": "1G"}),
    ):
        with pytest.raises(UsageError):
            shared.run(words, **changes)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NUL"):
        shared.run(["echo", "a\0b"])
    assert shared.run(["true"]).ok


def test_a_failure_to_prepare_is_the_makers() -> None:
    with pytest.raises((StoreError, UsageError)):
        pyrootless.Pool("host", root="/proc/no-store")


def test_a_filter_under_which_nobody_could_wish(tmp_path: Path) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["recvmsg"], "action": "SCMP_ACT_ERRNO"}],
    }
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    options = {"security_opt": [f"seccomp={tmp_path}/profile.json"]}
    assert pyrootless.run("host", ["true"], **options).ok  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="recvmsg"):
        pyrootless.Pool("host", **options)  # type: ignore[arg-type]


def test_without_no_new_privs() -> None:
    with pyrootless.Pool("host", security_opt=["no-new-privileges=false"]) as pool:
        status = pool.run(["cat", "/proc/self/status"]).text
        assert "NoNewPrivs:\t0" in status and "Seccomp:\t2" in status


def test_an_images_entrypoint_comes_first() -> None:
    with pyrootless.Pool("host", size=1, entrypoint="echo") as pool:
        assert pool.run(["hello"]).text == "hello\n"


FORKS = """
import os, sys, pyrootless
from pyrootless.config import find_directories
from pyrootless.engine.containers import list_containers
pool = pyrootless.Pool("host", size=1)
waits = pool._stock.take()
child = pyrootless.launch("host", ["sleep", "600"])
if os.fork() == 0:
    sys.exit()  # all that ends with an interpreter ends: finalizers, objects of modules
os.wait()
print(waits.alive, {each.state for each in list_containers(find_directories())})
child.close()
"""


def test_a_forked_copy_of_the_owner_ends_none_of_its_parents() -> None:
    words = [sys.executable, "-W", "ignore", "-c", FORKS]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("True {'running'}\n", "")
