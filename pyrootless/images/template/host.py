"""The built-in image `host`: the machine's own toolchain, read-only, with no download.

What comes in: the machine's root directory, the store, the compiled default filter.
What goes out: DATA/images/host-KEY/{config.json,rootfs/} and DATA/refs/host pointing to it.
Must never: show /home, /root, /var, /run or secrets of /etc; change an image in place.

Everything commits by rename: a template is whole or not there. KEY is a digest of all that went
in, so equal machines give equal names and a change gives a new directory, while containers keep
the old one by their lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrootless
from pyrootless.config import TEMPLATE_VERSION, Directories, find_launcher
from pyrootless.errors import HostUnsupportedError, StoreError
from pyrootless.images import subordinate
from pyrootless.images.store import Temporaries, move_to_trash, remedy_of, remove_tree
from pyrootless.images.template import runtime_config
from pyrootless.images.template.skeleton import Skeleton, collect_skeleton, resolver_source

NAME = "host"

SOURCES = (
    "etc/ld.so.cache",
    "etc/alternatives",
    "etc/ssl/certs",
    "etc/localtime",
    "etc/os-release",
)
"""Paths whose change makes the template stale."""

MAX_SOURCES = 12
"""With resolvers, the launcher, the filter and subordinate.FILES it is 12."""


@dataclass(frozen=True, slots=True)
class HostMachine:
    """Where the facts are read.

    Attributes:
        root: The machine's root directory; a test gives a fake one.
        owner: uid and gid of the caller.
        engine: Files of the engine whose change makes the template stale (the launcher).
        ids: What else the caller may map, for --userns=range.
    """

    root: Path
    owner: tuple[int, int]
    engine: tuple[Path, ...]
    ids: subordinate.SubordinateIds = field(default_factory=subordinate.SubordinateIds)


def this_machine() -> HostMachine:
    """The machine this runs on, as the caller sees it."""
    engine = [Path(runtime_config.__file__)]
    with suppress(HostUnsupportedError):
        engine.append(find_launcher())
    ids = subordinate.subordinate_ids()
    return HostMachine(Path("/"), (os.getuid(), os.getgid()), tuple(engine), ids)


def prepare_host_image(
    directories: Directories,
    machine: HostMachine | None = None,
    seccomp: runtime_config.SeccompProgram | None = None,
) -> Path:
    """Make the launch template of `host`, or find that it is there already.

    Args:
        directories: The store; made when missing.
        machine: Where facts are read; None: this machine.
        seccomp: The compiled default filter; None: compile it.

    Returns:
        The image's directory, DATA/images/host-KEY.

    Raises:
        StoreError: The store cannot be written, or its path cannot stand in a template.
    """
    facts = this_machine() if machine is None else machine
    if "\n" in str(directories.data):
        raise StoreError(f"the store's path has a line break: {str(directories.data)!r}")
    directories.make()
    program = compile_default_filter(directories) if seccomp is None else seccomp
    try:
        with _locked(directories.images):
            image = _install(directories, facts, program)
            _point(directories.refs / NAME, f"../images/{image.name}")
            _remove_unused(directories, image)
    except OSError as error:
        raise StoreError(
            f"cannot write the image `host` at {error.filename or directories.images}: "
            f"{error.strerror}",
            remedy=remedy_of(error),
        ) from error
    return image


def compile_default_filter(directories: Directories) -> runtime_config.SeccompProgram:
    """The default seccomp profile for the default capabilities, compiled into the cache.

    Raises:
        UsageError: The profile is malformed.
        OSError: The cache cannot be written.
    """
    from pyrootless.seccomp import profiles  # heavy: loads libseccomp

    section = profiles.resolve_profile(
        profiles.load_profile(None),
        capabilities=frozenset(runtime_config.DEFAULT_CAPABILITIES),
        arch=os.uname().machine,
    )
    path, digest = profiles.compile_to_cache(section, directories.cache)
    return runtime_config.SeccompProgram(section, path, digest)


def _install(
    directories: Directories, facts: HostMachine, program: runtime_config.SeccompProgram
) -> Path:
    skeleton = collect_skeleton(facts.root)
    sources = _sources(facts, program)
    image = directories.images / f"{NAME}-{_key(skeleton, facts, program, sources)}"
    config = runtime_config.encode_config(
        _config(facts, _image_facts(skeleton, str(image / "rootfs")), program, sources)
    )
    if _is_complete(image, config):
        return image
    _build(directories, image, skeleton, config)
    return image


def _config(
    facts: HostMachine,
    image: runtime_config.ImageFacts,
    program: runtime_config.SeccompProgram,
    sources: tuple[runtime_config.Source, ...],
) -> dict[str, Any]:
    config = runtime_config.default_config(
        image, owner=facts.owner, seccomp=program, sources=sources
    )
    config["annotations"] |= facts.ids.annotations()
    return config


def _image_facts(skeleton: Skeleton, lower: str) -> runtime_config.ImageFacts:
    return runtime_config.ImageFacts(
        name=NAME,
        lowers=(lower,),
        binds=tuple(runtime_config.Bind(path) for path in skeleton.binds),
        env=(f"PATH={runtime_config.DEFAULT_PATH}", "HOME=/root", "LANG=C.UTF-8"),
        cwd="/work",
    )


def _key(
    skeleton: Skeleton,
    facts: HostMachine,
    program: runtime_config.SeccompProgram,
    sources: tuple[runtime_config.Source, ...],
) -> str:
    """Sixteen hex digits over versions, caller, content and freshness."""
    config = _config(facts, _image_facts(skeleton, "rootfs"), program, sources)
    parts = (pyrootless.__version__, TEMPLATE_VERSION, str(facts.owner), skeleton.digest())
    total = hashlib.sha256("\0".join(parts).encode() + runtime_config.encode_config(config))
    return total.hexdigest()[:16]


def _sources(
    facts: HostMachine, program: runtime_config.SeccompProgram
) -> tuple[runtime_config.Source, ...]:
    """What the launcher compares by stat before every start; at most MAX_SOURCES."""
    paths = [facts.root / name for name in SOURCES]
    paths += [facts.root / "etc/resolv.conf", facts.root / resolver_source(facts.root)]
    paths += [*facts.engine, program.path]
    paths += [facts.root / name.lstrip("/") for name in subordinate.FILES]
    unique = dict.fromkeys(str(path) for path in paths)
    found = [source for path in unique if (source := _source(path)) is not None]
    return tuple(found[:MAX_SOURCES])


def _source(path: str) -> runtime_config.Source | None:
    """None when the path cannot be examined: then the launcher could not either."""
    if "\n" in path:
        return None
    try:
        facts = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return runtime_config.Source(path, 0, 0)
    except OSError:
        return None
    return runtime_config.Source(path, facts.st_mtime_ns, facts.st_ino)


def _is_complete(image: Path, config: bytes) -> bool:
    try:
        same = (image / "config.json").read_bytes() == config
    except OSError:
        return False
    return same and (image / "rootfs/etc/passwd").is_file()


def _build(directories: Directories, image: Path, skeleton: Skeleton, config: bytes) -> None:
    """Write everything beside its place, flush it, and rename it into place."""
    work, lock = Temporaries(directories).make_directory(f"{image.name}.")
    try:
        (work / "rootfs").mkdir()
        skeleton.write(work / "rootfs")
        (work / "rootfs").chmod(0o755)
        descriptor = os.open(work / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(config)
        _flush_tree(work)
        if image.exists():
            _discard(directories, image)  # damaged: the same name with other bytes
        work.rename(image)
        _flush_directory(directories.images)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(lock)


def _point(link: Path, target: str) -> None:
    """Make or replace a symbolic link in one step."""
    if link.is_symlink() and str(link.readlink()) == target:
        return
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        fresh.unlink()
    fresh.symlink_to(target)
    fresh.replace(link)
    _flush_directory(link.parent)


def _remove_unused(directories: Directories, keep: Path) -> None:
    """Remove other host-* images that no container holds by its lock."""
    for image in directories.images.glob(f"{NAME}-*"):
        if image == keep or image.is_symlink():
            continue
        try:
            descriptor = os.open(image, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _discard(directories, image)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _discard(directories: Directories, image: Path) -> None:
    grave = move_to_trash(directories, image)
    if grave is not None:
        with suppress(StoreError):  # the next sweep tries again
            remove_tree(grave)


class _locked:
    """One preparation at a time: an exclusive lock on the directory itself."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor = -1

    def __enter__(self) -> None:
        self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _flush_tree(directory: Path) -> None:
    """Flush every file: after a power cut a template must not stand on empty files.

    Not syncfs: on a busy machine that waits for everybody else's data (measured: 2 s to 40 ms).
    """
    for parent, _, names in os.walk(directory):
        for path in (Path(parent, name) for name in names):
            if not path.is_symlink():
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
