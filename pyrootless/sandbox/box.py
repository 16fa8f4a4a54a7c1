"""The box a run takes place in: its config.json.

What comes in: an image, limits, a program. What goes out: bytes of an OCI config.json.
Must never: name a directory of the host that the program could write, give it a capability, a
network, or an environment that was not listed.

What differs from a container of `pyrootless run`: one id, which is not root; one capped tmpfs
that takes every write, /dev and /dev/shm among them; /proc shows processes and nothing of the
machine; no /sys, no terminal; an init of its own, which tells how the program ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pyrootless.errors import PyrootlessError, UsageError
from pyrootless.printable import is_utf8
from pyrootless.sandbox.filter import strict_filter
from pyrootless.sandbox.limits import Limits

CWD = "/box"
UID = 1000
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_FRESH_S = 5.0
_OOM_SCORE = 800
_SIGNALS = 256
"""Queued signals and timers of a box; a user has a few thousand, for all processes together."""
_NONE = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Base:
    """What a box stands on.

    Attributes:
        lowers: Overlay lower directories, absolute, top-most first, one a line.
        binds: Mounts that belong to it (of the host image: /usr).
        notes: Annotations of the filter, and of the network when it has one; later ones win.
        lent: A directory of the caller's is in it, which he may want to unmount after the run.
    """

    lowers: str
    binds: tuple[Mapping[str, Any], ...] = field(hash=False)
    notes: tuple[tuple[str, str], ...]
    lent: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """What is executed.

    Attributes:
        args: Program and arguments.
        env: "NAME=value" each.
        cwd: Absolute, in the box.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str = CWD


def image_base(image: str, root: str | None = None) -> Base:
    """What an image brings, prepared when missing; looked at again after a few seconds."""
    return _image_base(image, root, int(time.monotonic() / _FRESH_S))


def rootfs_base(directory: str | os.PathLike[str], root: str | None = None) -> Base:
    """A box over an unpacked tree, with the filter of the host image.

    Raises:
        UsageError: It is no directory.
    """
    path = Path(directory).resolve()
    if not path.is_dir():
        raise UsageError(f"rootfs={str(directory)!r} is not a directory")
    if "\n" in str(path):
        raise UsageError(f"rootfs={str(directory)!r} has a line end in its name")
    return Base(str(path), (), strict_filter(root), lent=True)


@lru_cache(maxsize=64)
def _image_base(image: str, root: str | None, moment: int) -> Base:
    directory_fd = _fresh_image(image, root)
    if directory_fd is None:
        directory_fd = _prepared_image(image, root)
    fd = os.open("config.json", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory_fd)
    with os.fdopen(fd, "rb") as stream:
        config = json.load(stream)
    notes = config["annotations"]
    return Base(
        lowers=notes["io.pyrootless.rootfs.lower"],
        binds=tuple(mount for mount in config["mounts"] if mount["type"] == "bind"),
        notes=strict_filter(root),
    )


def _fresh_image(image: str, root: str | None) -> int | None:
    """The directory of an image whose launch template is there and fresh, as `run` finds it."""
    from pyrootless.core import _containers

    try:
        container = _containers.Container(["--", image], root)
        return _hold(container.template_fd) if container.load_template(image) else None
    except PyrootlessError:
        return None  # preparing it says what is wrong


def _prepared_image(image: str, root: str | None) -> int:
    from pyrootless.images import prepare_image  # a third of what a fresh one takes

    fd = os.open(prepare_image(image, root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        return _hold(fd)
    finally:
        os.close(fd)


_held: dict[tuple[int, int], int] = {}


def _hold(directory_fd: int) -> int:
    """Keep the image from being removed while this process may start boxes of it.

    Args:
        directory_fd: The image's directory under a shared lock.

    Returns:
        A descriptor of it that stays open.
    """
    facts = os.fstat(directory_fd)
    known = (facts.st_dev, facts.st_ino)
    if known not in _held:
        _held[known] = os.dup(directory_fd)
    return _held[known]


def box_config(base: Base, program: Program, limits: Limits, exact: bool = False) -> bytes:
    """The config.json of one run; exact: refuse where a limit is not held exactly."""
    frame = _frame(base, limits, exact, (os.getuid(), os.getgid()))
    words = {"args": program.args, "env": program.env, "cwd": program.cwd}
    return (_text({"process": words})[:-2] + frame).encode(errors="surrogateescape")


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=64)
def _frame(base: Base, limits: Limits, exact: bool, ids: tuple[int, int]) -> str:
    """What follows after the words of the program: the same for many runs."""
    config = {
        "process": _process(limits),
        "ociVersion": "1.2.0",
        "root": {"path": base.lowers.split("\n", 1)[0]},
        "hostname": "box",
        "mounts": [*base.binds, _proc()],
        "linux": _linux(limits, ids),
        "annotations": _annotations(base, limits, exact),
    }
    return _text(config).replace('{"process":{', ",", 1)


def zygote_config(base: Base, program: Program, limits: Limits, root: str | None) -> bytes:
    """The config.json of an interpreter that waits for runs in boxes with these limits.

    Nothing limits all its runs together, and nothing can be written in it: what its files are
    would be seen by every run.
    """
    limits = replace(limits, memory=None, procs=None)
    base = replace(base, notes=strict_filter(root, "zygote"))
    config = json.loads(box_config(base, program, limits))
    config["root"]["readonly"] = True
    return json.dumps(config).encode(errors="surrogateescape")


def _proc() -> dict[str, Any]:
    options = ["nosuid", "noexec", "nodev", "subset=pid"]
    return {"destination": "/proc", "type": "proc", "source": "proc", "options": options}


def _process(limits: Limits) -> dict[str, Any]:
    return {
        "user": {"uid": UID, "gid": UID, "umask": 0o022},
        "capabilities": {},
        "noNewPrivileges": True,
        "oomScoreAdj": _OOM_SCORE,
        "rlimits": [
            _rlimit("RLIMIT_CORE", 1),  # 0 would let it through to a helper of the host's
            _rlimit("RLIMIT_STACK", limits.stack_bytes),
            _rlimit("RLIMIT_NOFILE", limits.open_files),
            _rlimit("RLIMIT_FSIZE", min(limits.file_size_bytes, limits.disk_bytes)),
            _rlimit("RLIMIT_MEMLOCK", 65536),
            _rlimit("RLIMIT_SIGPENDING", _SIGNALS),
            _rlimit("RLIMIT_MSGQUEUE", 0),
            _rlimit("RLIMIT_RTPRIO", 0),
            _rlimit("RLIMIT_NICE", 0),
            *_inherited_cpu(),
        ],
    }


def _rlimit(kind: str, value: int) -> dict[str, Any]:
    """No more than this process has itself: it could not be raised."""
    most = _hard_limit(kind)
    value = value if most < 0 else min(value, most)
    return {"type": kind, "soft": value, "hard": value}


def _inherited_cpu() -> list[dict[str, Any]]:
    """This process's own soft limit of processor time is none of the program's."""
    most = _hard_limit("RLIMIT_CPU")
    soft = resource.getrlimit(resource.RLIMIT_CPU)[0]
    if most >= 0:
        return [_rlimit("RLIMIT_CPU", most)]
    return [{"type": "RLIMIT_CPU", "soft": _NONE, "hard": _NONE}] if soft >= 0 else []


def inherited_cpu_ns() -> int | None:
    """What each process in a box may use at most, whatever its limits are; None: no end."""
    most = _hard_limit("RLIMIT_CPU")
    return None if most < 0 else most * 1_000_000_000


@cache
def _hard_limit(kind: str) -> int:
    """Of this process; -1: none."""
    return resource.getrlimit(getattr(resource, kind))[1]


def _linux(limits: Limits, ids: tuple[int, int]) -> dict[str, Any]:
    kinds = ("user", "mount", "pid", "ipc", "uts", "network")
    resources: dict[str, Any] = {}
    if limits.memory_bytes:
        resources["memory"] = {"limit": limits.memory_bytes}
    if limits.procs is not None:
        resources["pids"] = {"limit": limits.procs}
    return {
        "namespaces": [{"type": kind} for kind in kinds],
        "uidMappings": [{"containerID": UID, "hostID": ids[0], "size": 1}],
        "gidMappings": [{"containerID": UID, "hostID": ids[1], "size": 1}],
        "resources": resources,
    }


def _annotations(base: Base, limits: Limits, exact: bool) -> dict[str, str]:
    notes = {
        "io.pyrootless.rootfs.lower": base.lowers,
        "io.pyrootless.rootfs.upper": "tmpfs",
        "io.pyrootless.rootfs.upper.size": str(limits.disk_bytes),
        "io.pyrootless.rootfs.upper.inodes": str(limits.inodes),
        "io.pyrootless.init": "1",
        "io.pyrootless.landlock": "0",
        "io.pyrootless.keyring": "inherit",
        "io.pyrootless.limits": "strict" if exact else "best-effort",
    }
    return notes | dict(base.notes)


def default_environment(cwd: str) -> dict[str, str]:
    """The least that programs expect."""
    return {"PATH": DEFAULT_PATH, "HOME": cwd, "LANG": "C.UTF-8"}


def environment(given: Mapping[str, str] | None, cwd: str) -> tuple[str, ...]:
    """What the program finds: exactly what was given, or the least that programs expect."""
    if given is None:
        return _default_lines(cwd)
    for name, value in given.items():
        if not name or "=" in name or "\0" in name + value:
            raise UsageError(f"env: {name!r} is no name of a variable")
    return tuple(f"{name}={value}" for name, value in given.items())


@lru_cache(maxsize=64)
def _default_lines(cwd: str) -> tuple[str, ...]:
    return environment(default_environment(cwd), cwd)


def check_program(args: Sequence[str], cwd: str) -> tuple[str, ...]:
    """The words of a command.

    Raises:
        UsageError: There is none, or a word no program can be given.
    """
    words = (args,) if isinstance(args, str) else tuple(args)
    if not words or any(not isinstance(word, str) or "\0" in word for word in words):
        raise UsageError("args must be a list of texts, the program first")
    if not all(map(is_utf8, words)):
        raise UsageError(
            f"args: {next(word for word in words if not is_utf8(word))!r} is no UTF-8",
            remedy="give the file another name",
        )
    if not cwd.startswith("/") or ".." in cwd.split("/"):
        raise UsageError(f"cwd={cwd!r} is not an absolute path in the box")
    return words
