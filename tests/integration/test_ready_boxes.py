"""Ready boxes: the same posture, limits and verdicts as a direct run, each box used once."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pyrootless
from pyrootless.errors import LaunchError, PyrootlessError, UsageError
from pyrootless.sandbox import File, Limits, ReadyBoxes, run
from pyrootless.sandbox.box import Program
from pyrootless.sandbox.runs import RUNGS, Job

pytestmark = pytest.mark.usefixtures("engine")

LIMITS = Limits(cpu="2s", wall="60s", memory="64M", procs=16, output="64K", disk="4M")


@pytest.fixture
def boxes(engine: None) -> Iterator[ReadyBoxes]:
    with ReadyBoxes(limits=LIMITS, size=1) as ready:
        yield ready


# Every restriction that a program can see of itself, and all that it finds.
POSTURE = """
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Sig(Blk|Ign|Cgt)|NSpid)' /proc/self/status
cut -d' ' -f 5- /proc/self/mountinfo
ls /proc/self/fd | wc -l; stat -c '%A %u %N' /* /dev/* /tmp /box; ls -A /box /tmp /dev/shm
ulimit -a; pwd; umask; hostname; echo $0 $PPID; export
for kind in user mnt pid ipc uts net; do test -e /proc/self/ns/$kind && echo $kind; done
"""


def shown(text: bytes) -> list[str]:
    """Line by line, without the numbers of the descriptors that an overlay was made of."""
    return re.sub(r"(?<=dir=/proc/self/fd/)\d+", "", text.decode()).splitlines()


def test_a_program_cannot_tell_it_from_a_direct_run(boxes: ReadyBoxes) -> None:
    args = ["sh", "-c", POSTURE]
    direct, ready = run(args, limits=LIMITS), boxes.run(args)
    assert direct.ok and ready.ok and len(shown(direct.stdout)) > 60
    assert shown(ready.stdout) == shown(direct.stdout)
    assert ready.stderr == direct.stderr
    assert ready.enforced == direct.enforced


SPIN = "while True: pass"
ENDS = [
    ("pass", "OK"),
    ("raise SystemExit(3)", "RE"),
    ("import os; os.abort()", "SG"),
    ("import os; os.kill(1, 9); os.kill(os.getpid(), 9)", "SG"),
    ("import signal; signal.pause()", "ILE"),
    ("x = bytearray(200 << 20)", "MLE"),
    ("print('x' * (1 << 20))", "OLE"),
    ("open('/tmp/big', 'wb').write(bytes(8 << 20))", "DLE"),
    ("import ctypes; ctypes.CDLL(None).syscall(165, 0, 0, 0, 0, 0)", "SV"),
]


@pytest.mark.parametrize(("code", "verdict"), ENDS)
def test_verdicts_are_those_of_a_direct_run(boxes: ReadyBoxes, code: str, verdict: str) -> None:
    if verdict == "SV" and os.uname().machine != "x86_64":
        pytest.skip("165 is mount(2) on x86_64 alone")
    outcome = boxes.run(["python3", "-c", code])
    assert outcome.verdict.name == verdict, outcome


def test_threads_orphans_and_children_nobody_reaps_are_billed(boxes: ReadyBoxes) -> None:
    code = "import os\nfor n in range(4): os.fork()\nos.setsid()\nwhile True: pass"
    outcome = boxes.run(["python3", "-c", code], limits=_cpu("200ms"))
    assert outcome.verdict.name == "TLE"
    assert outcome.cpu_ns >= 200_000_000


def _cpu(cpu: str) -> Limits:
    return Limits(cpu=cpu, wall="60s", memory="64M", procs=16, output="64K", disk="4M")


@pytest.mark.parametrize("rungs", RUNGS)
def test_every_rung_holds_the_clock(rungs: str) -> None:
    with ReadyBoxes(limits=LIMITS, rungs=rungs, size=1) as ready:
        ended = ready.run(["python3", "-c", SPIN], limits=_cpu("100ms"))
        fine = ready.run(["true"])
    assert (ended.verdict.name, fine.verdict.name) == ("TLE", "OK")
    assert ended.enforced == run(["true"], limits=LIMITS, rungs=rungs).enforced


def test_waiting_is_not_billed_and_no_limit_of_time_runs(boxes: ReadyBoxes) -> None:
    with ReadyBoxes(limits=Limits(cpu="200ms", wall="300ms"), size=1) as ready:
        time.sleep(0.4)  # longer than the wall limit: time is what this is about
        outcome = ready.run(["true"])
    assert outcome.verdict.name == "OK"
    assert outcome.wall_ns < 300_000_000


LEAVE = """
echo secret > /tmp/left; echo secret > /dev/shm/left; echo secret > /box/left
(setsid sleep 1000 &) ; mkfifo /tmp/pipe; ln -s /etc /box/link
"""
FIND = "ls -A /tmp /dev/shm /box; ls -d /proc/[0-9]*"


def fork_until(over: threading.Event) -> None:
    """Children, one after the other, with copies of all descriptors for a while."""
    while not over.is_set():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            time.sleep(0.01)
            os._exit(0)
        os.waitpid(pid, 0)


@pytest.mark.needs("gcc")
def test_a_child_made_meanwhile_does_not_keep_a_program_from_starting(
    compile_c: Callable[[str], Path],
) -> None:
    """It has a copy of the descriptor by which the program is written: ETXTBSY, a while."""
    program = compile_c("int main(void) { return 0; }").read_bytes() + bytes(32 << 20)
    over = threading.Event()
    forks = threading.Thread(target=fork_until, args=[over])
    with ReadyBoxes(limits=Limits(wall="60s", disk="64M", memory=None), size=1) as boxes:
        forks.start()
        try:
            outcomes = [boxes.run(["./p"], files={"p": File(program, 0o755)}) for _ in range(6)]
        finally:
            over.set()
            forks.join()
    assert [outcome.verdict.name for outcome in outcomes] == ["OK"] * 6


def test_nothing_reaches_the_next_run(boxes: ReadyBoxes) -> None:
    found = [boxes.run(["sh", "-c", FIND]).stdout]
    for _ in range(3):
        assert boxes.run(["sh", "-c", LEAVE]).ok
        found.append(boxes.run(["sh", "-c", FIND]).stdout)
    assert b"left" not in found[0] and b"/proc/1\n" in found[0]
    assert len(set(found)) == 1


def test_files_input_environment_and_what_is_collected(boxes: ReadyBoxes) -> None:
    outcome = boxes.run(
        ["sh", "-c", "./a.sh; cat d/b; cat; echo $X; echo out > o; ls -l a.sh"],
        files={"a.sh": File(b"#!/bin/sh\necho a\n", 0o700), "d/b": b"b\n", "/tmp/c": b""},
        stdin=b"in\n",
        env={"X": "x", "PATH": "/usr/bin:/bin"},
        collect=["o", "no?"],
    )
    assert outcome.stdout.startswith(b"a\nb\nin\nx\n-rwx------"), outcome
    assert outcome.files == {"o": b"out\n"}


def test_a_descriptor_can_be_lent(boxes: ReadyBoxes) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"through a pipe")
    os.close(writer)
    try:
        assert boxes.run(["cat"], stdin=reader).stdout == b"through a pipe"
    finally:
        os.close(reader)


def test_no_link_is_followed_and_the_box_is_not_used_again(boxes: ReadyBoxes) -> None:
    with pytest.raises(LaunchError, match="bin"):
        boxes.run(["true"], files={"/bin/x": b"through the link /bin"})
    assert boxes.run(["true"]).ok


def test_a_program_that_is_not_there_is_named(boxes: ReadyBoxes) -> None:
    with pytest.raises(LaunchError, match="no-such-program"):
        boxes.run(["no-such-program"])
    assert boxes.run(["true"]).ok


def test_limits_that_made_the_box_are_not_a_runs(boxes: ReadyBoxes) -> None:
    with pytest.raises(UsageError, match="memory='32M'"):
        boxes.run(["true"], limits=Limits(memory="32M"))


def test_too_few_descriptors_for_a_waiting_box_are_refused() -> None:
    with pytest.raises(UsageError, match="open_files of 16"):
        ReadyBoxes(limits=Limits(open_files=8))


def test_a_box_that_was_killed_while_it_waited_is_not_given_out() -> None:
    with ReadyBoxes(limits=LIMITS, size=1) as ready:
        waiting = ready._stock._ready[0]
        signal.pidfd_send_signal(waiting._held.pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, waiting._held.pidfd, os.WEXITED | os.WNOWAIT)
        assert ready.run(["true"]).ok


def test_a_box_is_used_once(boxes: ReadyBoxes) -> None:
    ready = boxes._stock.take()
    job = Job(boxes._job.base, Program(("true",), ()), limits=LIMITS)
    try:
        assert ready.run_for_facts(job)[0]["wait_status"] == 0
        with pytest.raises(PyrootlessError, match="used already"):
            ready.run_for_facts(job)
    finally:
        ready.close()


def test_an_event_loop_runs_them_side_by_side() -> None:
    async def all_of(ready: ReadyBoxes) -> list[bytes]:
        runs = (ready.run_async(["echo", str(n)]) for n in range(6))
        return [outcome.stdout for outcome in await asyncio.gather(*runs)]

    with ReadyBoxes(limits=LIMITS, size=2) as ready:
        assert asyncio.run(all_of(ready)) == [b"%d\n" % n for n in range(6)]


# In a process of its own: in this one other tests' threads, files and children come and go.
CLOSED = """
import contextlib, os
from pathlib import Path
from pyrootless.errors import UsageError
from pyrootless.sandbox import Limits, ReadyBoxes

def held():
    found = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended
            found += (task / "children").read_text().split()
    return len(os.listdir("/proc/self/fd")), sorted(found)

def use():
    with ReadyBoxes(limits=Limits(wall="60s", memory="64M"), size=2) as ready:
        assert ready.run(["true"]).ok
    with contextlib.suppress(UsageError):
        ready.run(["true"])
        raise AssertionError("it is closed")

use()  # what is made once for all: threads, the held image
before = held()
for _ in range(3):
    use()
assert held() == before, (before, held())
"""


def test_closed_boxes_leave_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_streams_that_do_not_fit_are_an_error_and_not_another_descriptor() -> None:
    with pyrootless.Pool("host", size=1, ulimit=["nofile=5:5"]) as pool:
        null = os.open("/dev/null", os.O_RDWR)
        try:
            with pytest.raises(LaunchError, match="standard streams"):
                pool.launch(["true"], stdin=null, stdout=null, stderr=null)
        finally:
            os.close(null)


FORKS = """
import os, sys
from pyrootless.sandbox import ReadyBoxes
boxes = ReadyBoxes(size=1, warm={warm})
waits = boxes._stock.take()
if os.fork() == 0:
    sys.exit()  # all that ends with an interpreter ends: finalizers, objects of modules
os.wait()
print(waits.alive, boxes.run(["python3", "-c", "print(1)"]).stdout)
"""


@pytest.mark.parametrize("warm", [False, True])
def test_a_forked_copy_of_the_owner_ends_no_box_of_its_parents(warm: bool) -> None:
    words = [sys.executable, "-W", "ignore", "-c", FORKS.format(warm=warm)]
    done = subprocess.run(words, capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"True b'1\\n'\n", b"")
