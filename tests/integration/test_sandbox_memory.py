"""Memory of a box with a control group and without one: what counts, and what the end tells.

In: programs that touch memory in every form.  Out: verdicts, the same either way.
Never: a watchdog that has to be lucky: where one must miss something, it stands still.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrootless.sandbox import Limits, Outcome, ReadyBoxes, run

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.needs("gcc")]
Compile = Callable[[str], Path]
WAYS = ["best", "no-groups"]

HEAD = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#define MIB ((size_t)1 << 20)
static void touch_and_forget(size_t mib) {
    char *block = mmap(0, mib * MIB, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(block, 1, mib * MIB);
    munmap(block, mib * MIB);
}
static char *shared(size_t mib) {
    char *block = mmap(0, mib * MIB, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(block, 1, mib * MIB);
    return block;
}
static int file(const char *path, size_t mib) {
    static char block[1 << 20];
    memset(block, 1, sizeof block);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    while (mib--)
        if (write(fd, block, sizeof block) != sizeof block)
            return -1;
    return fd;
}
static char *mapped(const char *path, size_t mib) {
    char *block = mmap(0, mib * MIB, 3, MAP_SHARED, file(path, mib), 0);
    memset(block, 2, mib * MIB);
    return block;
}
static void stay(void) { for (int i = 0; i < 30; i++) usleep(10000); }
"""

PEAKS = {
    "itself": "touch_and_forget(129);",
    # Ended and reaped by the init when this goes on.
    "an orphan": "int p[2]; pid_t pid = 0; pipe(p); if (fork() == 0) { pid = fork();"
    " if (pid == 0) { touch_and_forget(129); _exit(0); } write(p[1], &pid, sizeof pid);"
    " _exit(0); } wait(0); read(p[0], &pid, sizeof pid);"
    " while (kill(pid, 0) == 0 || errno != ESRCH) usleep(1000);",
    "less": "touch_and_forget(100);",
}
JUDGE = """
import json, sys
from pyrootless.sandbox import Limits, run
limits = Limits(memory="128M", wall="60s", cpu="50s", idle=0)
files = {"p": sys.argv[1]}
outcome = run(["./p"], files=files, stdin=int(sys.argv[2]), limits=limits, rungs="no-groups")
print(json.dumps([outcome.verdict.name, outcome.memory_peak_bytes, sorted(outcome.flags)]))
"""


@pytest.mark.parametrize("who", PEAKS)
def test_the_recorded_peak_decides_at_the_end(compile_c: Compile, who: str) -> None:
    """The judge stands still while the program has too much, and sees none of it."""
    step = 'write(0, "d", 1); if (read(0, &c, 1) != 1) return 9;'
    program = compile_c(HEAD + f"int main(void) {{ char c; {step} {PEAKS[who]} {step} }}\n")
    mine, its = socket.socketpair()
    words = [sys.executable, "-c", JUDGE, str(program), str(its.fileno())]
    with (
        mine,
        subprocess.Popen(words, pass_fds=[its.fileno()], stdout=subprocess.PIPE) as judge,
    ):
        its.close()
        assert mine.recv(1) == b"d"
        judge.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, judge.pid, os.WSTOPPED | os.WNOWAIT)
        mine.send(b"g")
        assert mine.recv(1) == b"d"
        judge.send_signal(signal.SIGCONT)
        mine.send(b"g")
        verdict, peak, flags = json.loads(judge.communicate(timeout=60)[0])
    limit = 128 << 20
    expected = ("OK", False, []) if who == "less" else ("MLE", True, ["memory"])
    assert (verdict, peak > limit, flags) == expected


@pytest.fixture
def verdict(compile_c: Compile) -> Callable[[str, str], str]:
    """Of a main's body, with 64 MiB of memory and a larger disk."""

    def of(body: str, rungs: str) -> str:
        limits = Limits(memory="64M", disk="256M", wall="60s", cpu="50s", idle=0)
        program = compile_c(HEAD + "int main(void) {" + body + "}\n")
        outcome: Outcome = run(["./p"], files={"p": program}, limits=limits, rungs=rungs)
        return outcome.verdict.name

    return of


NAMED = 'prctl(0x53564d41, 0, s, 40 * MIB, "/dev/shm/x");'
# What is in memory at once → the verdict with 64 MiB.
COUNTED = [
    ('file("/dev/shm/x", 100);', "MLE"),
    ('file("/tmp/x", 100);', "MLE"),
    ('file("x", 100); unlink("x"); stay();', "MLE"),
    ('file("/dev/shm/x", 40); memset(sbrk(40 * MIB), 1, 40 * MIB); stay();', "MLE"),
    ('if (fork() == 0) { shared(40); stay(); _exit(0); } mapped("/dev/shm/x", 40); stay();'
     " wait(0);", "MLE"),
    (f"if (fork() == 0) {{ char *s = shared(40); {NAMED} stay(); _exit(0); }}"
     ' mapped("/dev/shm/x", 40); stay(); wait(0);', "MLE"),
    ('mapped("/dev/shm/x", 40); stay();', "OK"),
    ('mapped("x", 40); for (int i = 0; i < 3; i++) if (fork() == 0) { stay(); _exit(0); }'
     " while (wait(0) > 0);", "OK"),
    ('file("x", 40); unlink("x"); stay();', "OK"),
    ("shared(40); for (int i = 0; i < 3; i++) if (fork() == 0) { stay(); _exit(0); }"
     " while (wait(0) > 0);", "OK"),
    ('for (int i = 0; i < 20; i++) { close(file("x", 40)); unlink("x");'
     " touch_and_forget(40); }", "OK"),
]  # fmt: skip


@pytest.mark.parametrize("rungs", WAYS)
@pytest.mark.parametrize(("body", "word"), COUNTED)
def test_files_in_memory_count_once(
    verdict: Callable[[str, str], str], body: str, word: str, rungs: str
) -> None:
    assert verdict(body, rungs) == word


@pytest.mark.parametrize("rungs", WAYS)
def test_files_put_in_are_the_callers(rungs: str) -> None:
    limits = Limits(memory="32M", disk="128M", wall="60s", idle=0)
    files = {"large": bytes(40 << 20)}
    outcome = run(["sleep", "0.1"], files=files, limits=limits, rungs=rungs)
    assert outcome.verdict.name == "OK" and outcome.memory_peak_bytes < 32 << 20
    with ReadyBoxes(limits=limits, size=1, rungs=rungs) as boxes:
        assert boxes.run(["sleep", "0.1"], files=files).verdict.name == "OK"
