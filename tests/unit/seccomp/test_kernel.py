"""The default filter in the running kernel: a forked child installs it and reports errnos.

In: the compiled default profile.  Out: what real system calls answer, which signal ends a
child that makes an x32 or 32-bit call.  Never: a filter in the test process itself.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import signal
import struct
from collections.abc import Callable

import pytest

from pyrootless.seccomp import profiles

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 numbers")

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
PR_SET_NO_NEW_PRIVS, NR_SECCOMP = 38, 317
HIGH = 1 << 32


@pytest.fixture(scope="module")
def code() -> bytes:
    section = profiles.resolve_profile(
        profiles.load_profile(None), capabilities=frozenset(), arch="x86_64"
    )
    return profiles.compile_section(section)


def syscall(number: int, *args: int) -> int:
    """0 or more: what the call returned; below: -errno."""
    words = [ctypes.c_long(arg if arg < 1 << 63 else arg - (1 << 64)) for arg in args]
    result = int(libc.syscall(ctypes.c_long(number), *words))
    return -ctypes.get_errno() if result == -1 else result


def install(code: bytes) -> None:
    """Put the filter on the calling process, as the launcher does."""
    filters = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(filters))
    program = ctypes.create_string_buffer(head, len(head))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if result := syscall(NR_SECCOMP, 1, 0, ctypes.addressof(program)):
        raise OSError(-result, "seccomp")


def in_child(work: Callable[[], int]) -> tuple[int, int]:
    """Run `work` in a forked child: (its answer, 0), or (0, the signal that ended it)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, struct.pack("q", work()))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return 0, os.WTERMSIG(status)
    return int(struct.unpack("q", answer)[0]), 0


def under_filter(code: bytes, number: int, *args: int) -> tuple[int, int]:
    def work() -> int:
        install(code)
        return syscall(number, *args)

    return in_child(work)


@pytest.mark.parametrize(
    ("name", "number", "args", "error"),
    [
        ("unshare", 272, (0x10000000,), errno.EPERM),
        ("clone", 56, (0x10000000 | 17, 0, 0, 0, 0), errno.EPERM),
        ("clone with high bits", 56, (HIGH | 0x10000000 | 17, 0, 0, 0, 0), errno.EPERM),
        ("clone3", 435, (0, 0), errno.ENOSYS),
        ("setns", 308, (-1, 0), errno.EPERM),
        ("mount", 165, (0, 0, 0, 0, 0), errno.EPERM),
        ("open_tree", 428, (-1, 0, 0), errno.EPERM),
        ("open_tree_attr", 467, (-1, 0, 0, 0, 0), errno.EPERM),
        ("io_uring_setup", 425, (1, 0), errno.ENOSYS),
        ("perf_event_open", 298, (0, 0, 0, 0, 0), errno.EPERM),
        ("keyctl", 250, (0, -3, 0), errno.ENOSYS),
        ("add_key", 248, (0, 0, 0, 0, 0), errno.ENOSYS),
        ("bpf", 321, (0, 0, 0), errno.EPERM),
        ("userfaultfd", 323, (1,), errno.EPERM),
        ("open_by_handle_at", 304, (-1, 0, 0), errno.EPERM),
        ("vsock", 41, (40, 1, 0), errno.EAFNOSUPPORT),
        ("alg", 41, (38, 5, 0), errno.EAFNOSUPPORT),
        ("packet", 41, (17, 3, 0), errno.EAFNOSUPPORT),
        ("netfilter", 41, (16, 3, 12), errno.EAFNOSUPPORT),
        ("TIOCSTI", 16, (-1, 0x5412, 0), errno.EPERM),
        ("TIOCSTI with high bits", 16, (-1, HIGH | 0x5412, 0), errno.EPERM),
        ("TIOCSTI, sign-extended", 16, (-1, 0xFFFFFFFF00005412, 0), errno.EPERM),
        ("TIOCLINUX with high bits", 16, (-1, 1 << 63 | 0x541C, 0), errno.EPERM),
        ("another ioctl reaches the kernel", 16, (-1, 0x5401, 0), errno.EBADF),
        ("personality", 135, (0x40000,), errno.EPERM),
        ("an unknown call", 599, (), errno.ENOSYS),
    ],
)
def test_refused(
    code: bytes, name: str, number: int, args: tuple[int, ...], error: int
) -> None:
    assert under_filter(code, number, *args) == (-error, 0), name


def test_allowed(code: bytes) -> None:
    """The twin: what must keep working does."""

    def work() -> int:
        install(code)
        sockets = [syscall(41, family, 1, 0) for family in (1, 2)] + [syscall(41, 16, 3, 0)]
        child = os.fork()
        if child == 0:
            os._exit(3)
        status = os.waitpid(child, 0)[1]
        good = all(fd >= 0 for fd in sockets) and syscall(135, 0xFFFFFFFF) == 0
        return os.waitstatus_to_exitcode(status) if good else -1

    assert in_child(work) == (3, 0)


def test_an_x32_call_kills(code: bytes) -> None:
    assert under_filter(code, 0x40000000 | 39) == (0, signal.SIGSYS)


def call_of_i386() -> int:
    """getpid by int 0x80: mov eax, 20; int 0x80; ret."""
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
        place = ctypes.c_char.from_buffer(page)
        answer = int(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(place))())
        del place
    return answer


def test_a_32_bit_call_kills(code: bytes) -> None:
    if in_child(call_of_i386)[1]:
        pytest.skip("this kernel takes no 32-bit calls at all")

    def work() -> int:
        install(code)
        return call_of_i386()

    assert in_child(work) == (0, signal.SIGSYS)
