"""What the sandbox's filter refuses, each with what must go on working."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pyrootless.sandbox import Limits, Outcome, Sandbox, run
from pyrootless.sandbox.box import CWD, Program, environment, image_base
from pyrootless.sandbox.files import file_rows
from pyrootless.sandbox.filter import killed_calls, part_filter
from pyrootless.sandbox.runs import Job, run_job

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.needs("x86_64", "gcc")]

HEAD = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
static void burn(long ms) {
    struct timespec t;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
}
#define REFUSED(call, why) (((long)(call) == -1 && errno == (why)) ? 0 : 1)
"""


@pytest.fixture
def main(compile_c: Callable[[str], Path]) -> Callable[..., Outcome]:
    """Compile a main's body and run it."""

    def run_main(body: str) -> Outcome:
        program = compile_c(HEAD + "int main(void) {" + body + "}\n")
        return run(["./p"], files={"p": program}, limits=Limits(cpu="10s"))

    return run_main


FORBIDDEN = [
    "mount(0, 0, 0, 0, 0)",
    'umount2("/proc", 0)',
    "setns(0, 0)",
    "syscall(SYS_bpf, 0, 0, 0)",
    "syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0)",
    "syscall(SYS_kexec_load, 0, 0, 0, 0)",
    "syscall(SYS_init_module, 0, 0, 0)",
    "syscall(SYS_open_by_handle_at, 0, 0, 0)",
    "syscall(SYS_pidfd_getfd, 0, 0, 0)",
    "syscall(39 | 0x40000000)",
]


@pytest.mark.parametrize("call", FORBIDDEN)
def test_a_forbidden_call_is_a_verdict(main: Callable[..., Outcome], call: str) -> None:
    outcome = main(f"{call}; return 0;")
    assert (outcome.verdict.name, outcome.signal) == ("SV", 31)


REFUSED = [
    ("ptrace(PTRACE_ATTACH, 1, 0, 0)", "EPERM"),
    ("unshare(CLONE_NEWUSER)", "EPERM"),
    ("syscall(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0)", "EPERM"),
    ("syscall(SYS_clone3, 0, 0)", "ENOSYS"),
    ('syscall(SYS_memfd_create, "x", 0)', "ENOSYS"),
    ("shmget(IPC_PRIVATE, 4096, 0600)", "ENOSYS"),
    ("syscall(SYS_msgget, 0, 0600)", "ENOSYS"),
    ("syscall(SYS_io_uring_setup, 1, 0)", "ENOSYS"),
    ("syscall(SYS_keyctl, 0, 0)", "ENOSYS"),
    ("syscall(SYS_add_key, 0, 0, 0, 0, 0)", "ENOSYS"),
    ("syscall(SYS_userfaultfd, 0)", "EPERM"),
    ("syscall(SYS_perf_event_open, 0, 0, 0, 0, 0)", "EPERM"),
    ("syscall(SYS_inotify_init1, 0)", "ENOSYS"),
    ("socket(AF_INET, SOCK_STREAM, 0)", "EAFNOSUPPORT"),
    ("socket(AF_NETLINK, SOCK_RAW, 0)", "EAFNOSUPPORT"),
    ("socket(40, SOCK_STREAM, 0)", "EAFNOSUPPORT"),
    ("prctl(31, 0, 0, 0, 0)", "EPERM"),
    ("prctl(32, 0, 0, 0, 0)", "EPERM"),
    ("syscall(SYS_prctl, 0x10000001fL, 0, 0, 0, 0)", "EPERM"),
    ("mlockall(MCL_CURRENT | MCL_FUTURE)", "ENOMEM"),
    ("setpriority(PRIO_PROCESS, 0, -5)", "EACCES"),
    ('open("/proc/1/mem", O_RDONLY)', "EACCES"),
    ('open("/proc/1/environ", O_RDONLY)', "EACCES"),
    ('mknod("d", 020666, 0x101)', "EPERM"),
]


@pytest.mark.parametrize(("call", "why"), REFUSED)
def test_a_call_that_answers_no(main: Callable[..., Outcome], call: str, why: str) -> None:
    assert main(f"return REFUSED({call}, {why});").verdict.name == "OK"


WORKS = [
    "return socket(AF_UNIX, SOCK_STREAM, 0) < 0;",
    "int p[2]; return socketpair(AF_UNIX, SOCK_STREAM, 0, p);",
    "sync(); return syscall(SYS_syncfs, 0) != 0;",
    'return prctl(PR_SET_NAME, "x", 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)'
    " || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)"
    " || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;",
    'return open("/dev/shm/x", O_CREAT | O_RDWR, 0600) < 0;',
]


@pytest.mark.parametrize("body", WORKS)
def test_what_programs_need(main: Callable[..., Outcome], body: str) -> None:
    assert main(body).verdict.name == "OK"


def test_the_clock_cannot_be_switched_off(main: Callable[..., Outcome]) -> None:
    outcome = main("prctl(31, 0, 0, 0, 0); burn(200); return 0;")
    assert outcome.ok and outcome.cpu_ns >= 0.97 * 200e6


CPU_LIMITS = [
    "setrlimit(RLIMIT_CPU, &one)",
    "syscall(SYS_setrlimit, RLIMIT_CPU, &one)",
    "syscall(SYS_prlimit64, 0, RLIMIT_CPU, &one, 0)",
    "syscall(SYS_prlimit64, 0x100000000L, 0x100000000L, &one, 0)",
]


@pytest.mark.parametrize("call", CPU_LIMITS)
def test_a_limit_of_processor_time_of_its_own_has_no_effect(
    main: Callable[..., Outcome], call: str
) -> None:
    """It would end by a signal that nobody can tell from another; other kinds can be set."""
    outcome = main(
        "struct rlimit was, one = {1, 1}, now, files = {9, 9};"
        f"getrlimit(RLIMIT_CPU, &was); if ({call} != 0) return 2;"
        "getrlimit(RLIMIT_CPU, &now); if (now.rlim_cur != was.rlim_cur) return 3;"
        "if (now.rlim_max != was.rlim_max || setrlimit(RLIMIT_NOFILE, &files)) return 4;"
        "getrlimit(RLIMIT_NOFILE, &now); return now.rlim_cur != 9 || now.rlim_max != 9;"
    )
    assert outcome.exit_code == 0, outcome


NAMED = {
    "mount(0, 0, 0, 0, 0)": "mount",
    "syscall(SYS_acct, 0)": "acct",
    "vhangup()": "vhangup",
    "syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0)": "process_vm_readv",
    # what is refused, and not killed for, is not named; of several one is
    '(syscall(SYS_ptrace, 0, 0, 0, 0), umount2("/", 0), mount(0, 0, 0, 0, 0))': "mount",
    # x32's getpid
    "syscall(0x40000000 + 39)": "one of another architecture",
}


@pytest.mark.parametrize("call", NAMED)
def test_the_call_that_killed_is_named(call: str, compile_c: Callable[[str], Path]) -> None:
    program = compile_c(HEAD + f"int main(void) {{ {call}; return 0; }}\n")
    with Sandbox(limits=Limits(cpu="10s")) as box:
        box.put({"p": program})
        outcome = box.run(["./p"], explain=True)
        assert (outcome.verdict.name, outcome.cause) == ("SV", NAMED[call])
        assert box.run(["./p"]).cause == ""
        assert box.run(["true"], explain=True).ok


def test_filters_in_parts_refuse_what_the_whole_one_kills(
    compile_c: Callable[[str], Path],
) -> None:
    """No part lets a call through: all of them are EPERM in the filter that kills for none."""
    calls = "".join(
        f"\n#ifdef SYS_{name}\nn++; bad |= REFUSED(syscall(SYS_{name}, -1), EPERM);\n#endif\n"
        for name in killed_calls()
    )
    body = f"int main(void) {{ int bad = 0, n = 0; {calls} return bad || n < 25; }}\n"
    program = compile_c(HEAD + body)
    base = replace(image_base("host"), notes=part_filter(None, 0, 0))
    files = tuple(file_rows({"p": program}, CWD))
    job = Job(base, Program(("./p",), environment(None, CWD)), files, Limits(cpu="10s"))
    assert run_job(job).verdict.name == "OK"
    for low in range(0, len(killed_calls()), 8):
        part = replace(base, notes=part_filter(None, low, low + 8))
        assert run_job(replace(job, base=part)).verdict.name == "SV"
