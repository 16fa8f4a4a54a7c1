"""Asks the kernel by trying: runs as a small process of its own, `python -I -S THIS [STORE]`.

What comes in: optionally a writable directory of the store.
What goes out: one JSON object on standard output: probe → [step, errno]; 0 is success.
Must never: import anything of pyrootless, leave a mount, process or file behind, touch the
machine outside namespaces of its own (every probe forks, and the mounts die with the fork).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

CLONE = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
}
MS_NOSUID_NODEV_NOEXEC = 0xE
MS_REC_PRIVATE = 0x44000
PR_SET_NO_NEW_PRIVS = 38
SYS_SECCOMP = {"x86_64": 317, "aarch64": 277, "riscv64": 277, "ppc64le": 358, "s390x": 348}
SYS_LANDLOCK_CREATE_RULESET = 444  # the same on every architecture
ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # BPF_RET | SECCOMP_RET_ALLOW

libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A step that the kernel refused."""

    def __init__(self, step: str, errnum: int) -> None:
        super().__init__(step, errnum)
        self.step = step
        self.errnum = errnum


def call(step: str, result: int) -> int:
    """The result of a libc call, or Failed with its errno."""
    if result < 0:
        raise Failed(step, ctypes.get_errno())
    return result


def enter(*kinds: str) -> None:
    """Unshare a user namespace and these others, and become its root."""
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE["user"]
    for kind in kinds:
        flags |= CLONE[kind]
    call("unshare", libc.unshare(flags))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        try:
            Path("/proc/self", name).write_text(text)
        except OSError as error:
            raise Failed(name, error.errno or 0) from error


def mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    """mount(2)."""
    result = libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()
    )
    call(f"mount {kind}", result)


def private_mounts() -> None:
    """No mount of this probe may ever be seen outside."""
    call("mount private", libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC_PRIVATE), None))


def probe_user() -> None:
    """A user namespace and its map."""
    enter()


def probe_powers() -> None:
    """Whether root of the new namespace has its powers: a mount is the first that needs one."""
    enter("mount")
    private_mounts()
    mount("probe", "/tmp", "tmpfs", MS_NOSUID_NODEV_NOEXEC, "size=64k")


def namespace_probe(kind: str) -> Callable[[], None]:
    """A probe for one kind of namespace."""

    def probe() -> None:
        enter(kind)

    return probe


def probe_proc() -> None:
    """A new /proc for a new process-id namespace."""
    enter("mount", "pid")
    private_mounts()
    child = os.fork()
    if child == 0:
        finish(lambda: mount("proc", "/proc", "proc", MS_NOSUID_NODEV_NOEXEC, ""), None)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise Failed("mount proc", os.waitstatus_to_exitcode(status))


def probe_sysfs() -> None:
    """A new /sys for a new network namespace."""
    enter("mount", "network")
    private_mounts()
    mount("sysfs", "/sys", "sysfs", MS_NOSUID_NODEV_NOEXEC | 1, "")


def overlay_on(directory: str) -> None:
    """Mount an overlay whose layers lie in this directory, and write through it."""
    for name in ("lower", "upper", "work", "merged"):
        Path(directory, name).mkdir()
    parts = [f"{name}dir={directory}/{name}" for name in ("lower", "upper", "work")]
    mount("overlay", f"{directory}/merged", "overlay", 0, ",".join([*parts, "userxattr"]))
    try:
        Path(directory, "merged/file").write_text("x")
    except OSError as error:
        raise Failed("write", error.errno or 0) from error


def probe_overlay_tmpfs() -> None:
    """Overlay with its upper in memory."""
    enter("mount")
    private_mounts()
    mount("probe", "/tmp", "tmpfs", MS_NOSUID_NODEV_NOEXEC, "size=1m")
    overlay_on("/tmp")


def store_probe(store: str) -> Callable[[], None]:
    """Overlay with its upper in the store."""

    def probe() -> None:
        enter("mount")
        private_mounts()
        overlay_on(store)

    return probe


def probe_seccomp() -> None:
    """no_new_privs and a filter that allows everything."""
    number = SYS_SECCOMP.get(platform.machine())
    call("prctl", libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if number is None:
        raise Failed("seccomp", errno.ENOSYS)
    code = ctypes.create_string_buffer(ALLOW_ALL, len(ALLOW_ALL))
    program = struct.pack("@HP", 1, ctypes.addressof(code))
    call("seccomp", libc.syscall(number, 1, 0, ctypes.create_string_buffer(program)))


def probe_xattr(store: str) -> Callable[[], None]:
    """user.* attributes in the store."""

    def probe() -> None:
        try:
            os.setxattr(store, "user.pyrootless.probe", b"1")
        except OSError as error:
            raise Failed("setxattr", error.errno or 0) from error

    return probe


def finish(probe: Callable[[], None], pipe: int | None) -> None:
    """In the fork: run the probe, say how it went, end."""
    step, errnum = "", 0
    try:
        probe()
    except Failed as failure:
        step, errnum = failure.step, failure.errnum
    except OSError as error:
        step, errnum = "probe", error.errno or errno.EIO
    if pipe is not None:
        os.write(pipe, json.dumps([step, errnum]).encode())
    os._exit(min(errnum, 255))


def run(probe: Callable[[], None]) -> list[object]:
    """[step, errno] of one probe, tried in a fork."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        finish(probe, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return list(json.loads(answer)) if answer else ["probe", errno.EIO]


def landlock() -> list[object]:
    """["abi", -N] is version N; else [step, errno]."""
    version = libc.syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, 1)
    return ["abi", -version] if version > 0 else ["landlock", ctypes.get_errno()]


def remove_scratch(scratch: Path) -> None:
    """Overlay leaves work/work with mode 000, which nobody but root could remove as it is."""
    for path in (scratch / "work/work", scratch / "work/index"):
        if path.is_dir():
            path.chmod(0o700)
    shutil.rmtree(scratch, ignore_errors=True)


def probe_all(store: str | None) -> dict[str, list[object]]:
    """Every probe; those of the store only when one is given."""
    kinds = ("mount", "pid", "ipc", "uts", "cgroup", "network")
    probes: dict[str, Callable[[], None]] = {"user": probe_user, "powers": probe_powers}
    probes |= {f"namespace {kind}": namespace_probe(kind) for kind in kinds}
    probes |= {"proc": probe_proc, "sysfs": probe_sysfs, "seccomp": probe_seccomp}
    probes |= {"overlay tmpfs": probe_overlay_tmpfs}
    answers = {name: run(probe) for name, probe in probes.items()}
    answers["landlock"] = landlock()
    if store is not None:
        scratch = tempfile.mkdtemp(prefix="doctor-", dir=store)
        try:
            answers["overlay store"] = run(store_probe(scratch))
            answers["xattr store"] = run(probe_xattr(scratch))
        finally:
            remove_scratch(Path(scratch))
    return answers


if __name__ == "__main__":
    json.dump(probe_all(sys.argv[1] if len(sys.argv) > 1 else None), sys.stdout)
