"""A container's root as a descriptor: of one that runs, or its layers mounted anew.

What comes in: a descriptor of its process 1; or the directories of its root.
What goes out: this process in its user namespace, and a descriptor of its root.
Must never: have a container's root as its own: nothing is loaded or looked up there.

A thread of its own process joins the mount namespace, opens "/" and hands the descriptor over;
this process stays in the mount namespace it came from.
Source: setns(2), mount(2), overlayfs.rst.
"""

from __future__ import annotations

import array
import ctypes
import os
import socket
from collections.abc import Sequence
from contextlib import suppress

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NODEV, _MS_NOSUID, _MS_NOEXEC, _MS_BIND, _MS_REC = 1, 4, 2, 8, 4096, 16384
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_MNT_DETACH = 2
_OPTION_BYTES = 4095


def join_root(pidfd: int, pid: int) -> int:
    """Join a process's user namespace; a descriptor of its mount namespace's root.

    Args:
        pidfd: The process; it must not have ended while pid is looked up.
        pid: The same, as a number.

    Raises:
        OSError: It has ended, or may not be joined.
    """
    _set_namespace(pidfd, pid, _CLONE_NEWUSER, "user")
    with suppress(OSError):  # not every map has a root
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            _set_namespace(pidfd, pid, _CLONE_NEWNS, "mnt")
            root = array.array("i", [os.open("/", _DIRECTORY)])
            theirs.sendmsg([b"r"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, root)])
        except OSError as error:
            theirs.send(str(error.errno or 0).encode())
        os._exit(0)
    theirs.close()
    with ours:
        found, data = _receive(ours)
    os.waitpid(child, 0)
    if found < 0:
        number = int(data or b"5")
        raise OSError(number, os.strerror(number), "mount namespace")
    return found


def mount_layers(target: str, lowers: Sequence[str], upper: str = "", work: str = "") -> int:
    """An overlay on a directory, in a mount namespace of this process's own; its descriptor.

    Args:
        target: Any directory.
        lowers: The top-most first.
        upper: "": read-only.
        work: Beside it.

    Raises:
        OSError: The kernel refuses.
    """
    if not upper and len(lowers) == 1:
        return os.open(lowers[0], _DIRECTORY)
    held = [os.open(path, _DIRECTORY) for path in lowers]
    options = "userxattr,lowerdir=" + ":".join(f"/proc/self/fd/{fd}" for fd in held)
    if upper:
        held += [os.open(upper, _DIRECTORY), os.open(work, _DIRECTORY)]
        options += f",upperdir=/proc/self/fd/{held[-2]},workdir=/proc/self/fd/{held[-1]}"
    if len(options) > _OPTION_BYTES:
        raise OSError(7, f"{len(lowers)} layers are more than the kernel takes", target)
    flags = _MS_NODEV | _MS_NOSUID | (0 if upper else _MS_RDONLY)
    _mount("overlay", target, "overlay", flags, options)
    for descriptor in held:
        os.close(descriptor)
    return os.open(target, _DIRECTORY)


def unmount(target: str) -> None:
    """Take the top-most mount of a directory away; nothing happens where there is none."""
    _LIBC.umount2(os.fsencode(target), _MNT_DETACH)


def bind(source: str, target: int) -> None:
    """Show a file or directory of the caller's at an O_PATH descriptor.  Raises OSError."""
    _mount(source, f"/proc/self/fd/{target}", "", _MS_BIND | _MS_REC, "")


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    words = [os.fsencode(word) for word in (source, target, kind)]
    if _LIBC.mount(*words, ctypes.c_ulong(flags), os.fsencode(options)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def _set_namespace(pidfd: int, pid: int, flag: int, name: str) -> None:
    """By the process's descriptor; where the kernel cannot yet (before 5.8), by its number."""
    if _LIBC.setns(pidfd, flag) == 0:
        return
    number = ctypes.get_errno()
    if number != 22:
        raise OSError(number, os.strerror(number), f"{name} namespace")
    descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(descriptor, flag) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), f"{name} namespace")
    finally:
        os.close(descriptor)


def _receive(ours: socket.socket) -> tuple[int, bytes]:
    data, rights, _, _ = ours.recvmsg(16, socket.CMSG_SPACE(4))
    for level, kind, payload in rights:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            return array.array("i", payload)[0], data
    return -1, data
