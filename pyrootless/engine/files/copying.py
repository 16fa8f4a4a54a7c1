"""Files between a container and the host, by the rules of `docker cp`.

What comes in: a container's tree, a path in it, a path of the host.
What goes out: files on the other side; how many bytes, and what was left out.
Must never: follow a link of the container's on the host; change what is not named.

Source: docker-cp(1), the rules for SRC_PATH and DEST_PATH.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pyrootless.engine import Container, read_config
from pyrootless.engine.files.owners import Owners, Row
from pyrootless.engine.files.pack import Packer
from pyrootless.engine.files.stream import PlainStream
from pyrootless.engine.files.trees import ContainerTree, PathStat, Tree, TreeError
from pyrootless.engine.files.unpack import ArchiveError, Extractor, open_below
from pyrootless.errors import StoreError, UsageError

_READABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CHUNK_BYTES = 1 << 20
MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy came to.

    Attributes:
        size_bytes: Of the files' content.
        left_out: Devices, which a user cannot make.
    """

    size_bytes: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a copy goes: into `folder`, its top member called `member`; "." is the folder."""

    folder: str
    member: str
    makes: str = ""


def copy_out(tree: ContainerTree, source: str, target: str, *, follow: bool = False) -> Copied:
    """From a container to the host.

    Args:
        tree: Of the container.
        source: A path in it; relative ones count from "/".
        target: A path of the host.
        follow: A link that is the source itself means what it names (-L).

    Raises:
        UsageError: The two do not go together.
        TreeError: The source cannot be read.
        StoreError: The target cannot be written.
    """
    path = clean_path(source)
    found = _stat_source(tree, path, follow=follow)
    place = choose_place(path, stat.S_ISDIR(found.mode), target, _host_mode(target))
    try:
        if place.makes:
            Path(place.makes).mkdir(0o700)
        base = os.open(place.folder, _READABLE)
    except FileNotFoundError:
        raise UsageError(
            f'invalid output path: directory "{place.folder}" does not exist'
        ) from None
    except OSError as error:
        raise StoreError(f"cannot write to {place.folder}: {error.strerror}") from error
    try:
        extractor = Extractor(lambda folder: open_below(base, folder, 0o700))
        tree.send(_request(tree, path, found, follow, place.member))
        stream = PlainStream(tree.output.fileno())
        _carry(tree, path, lambda: extractor.run_plain(stream))
    finally:
        os.close(base)
    return Copied(extractor.size_bytes, tuple(extractor.left_out))


def stream_out(tree: ContainerTree, source: str, out: int, *, follow: bool = False) -> Copied:
    """From a container as a tar stream.

    Args:
        tree, source, follow: As for `copy_out`.
        out: Descriptor the archive is written to.
    """
    path = clean_path(source)
    found = _stat_source(tree, path, follow=follow)
    member = "." if path.endswith("/.") else posixpath.basename(path.rstrip("/")) or "."
    tree.send(_request(tree, path, found, follow, member))
    size = 0

    def carry() -> None:
        nonlocal size
        size = pass_on(tree.output, out)

    _carry(tree, path, carry)
    return Copied(size)


def pass_on(stream: IO[bytes], out: int) -> int:
    """All of a pipe to a descriptor; how many bytes."""
    size, source = 0, stream.fileno()
    while True:
        try:
            moved = os.splice(source, out, _CHUNK_BYTES)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EBADF):
                raise
            data = os.read(source, _CHUNK_BYTES)
            moved = len(data)
            left = memoryview(data)
            while left:
                left = left[os.write(out, left) :]
        if not moved:
            return size
        size += moved


def copy_in(
    tree: ContainerTree,
    source: str,
    target: str,
    *,
    follow: bool = False,
    archive: bool = False,
) -> Copied:
    """From the host into a container.

    Args:
        tree: Of the container, open for writing.
        source: A path of the host.
        target: A path in the container; relative ones count from "/".
        follow: A link that is the source itself means what it names (-L).
        archive: Owners stay (-a), as far as the container has them; else all is root's.

    Raises:
        UsageError: The two do not go together.
        TreeError: The target cannot be written.
        StoreError: The source cannot be read.
    """
    try:
        place_of = Path(source)
        whole = follow or source.endswith(("/", "/."))
        status = place_of.stat() if whole else place_of.lstat()
    except OSError as error:
        raise StoreError(f"cannot read {source}: {error.strerror}") from error
    path = resolve_last(tree, clean_path(target))
    place = choose_place(source, stat.S_ISDIR(status.st_mode), path, _mode_of(tree, path))
    if place.makes:  # the top member is that directory
        parent = posixpath.dirname(place.makes) or "/"
        place = _Place(parent, posixpath.basename(place.makes))
    owners = _owners_here(tree.container) if archive else None

    def write() -> None:
        packer = Packer(tree.input.fileno(), owners)
        _pack_host(packer, source, place.member, whole)
        packer.end()

    return _put(tree, place.folder, write, as_root=not archive, plain=True)


def stream_in(tree: ContainerTree, source: int, target: str) -> Copied:
    """From a tar stream into a directory of a container; owners are those of the archive.

    Raises:
        UsageError: The target is no directory.
        TreeError: The archive cannot be unpacked there.
    """
    path = clean_path(target)
    mode = _mode_of(tree, path)
    if mode is None or not stat.S_ISDIR(mode):
        raise UsageError(f'destination "{tree.shown}:{target}" must be a directory')

    def write() -> None:
        while data := os.read(source, _CHUNK_BYTES):
            left = memoryview(data)
            while left:
                left = left[os.write(tree.input.fileno(), left) :]

    return _put(tree, path, write, as_root=False, plain=False)


def clean_path(path: str) -> str:
    """From the root, without ".." and doubled "/"; a "/" or "/." at its end stays."""
    joined = posixpath.normpath(posixpath.join("/", path)).replace("//", "/")
    if path.endswith("/.") or path == ".":
        return joined.rstrip("/") + "/."
    return joined.rstrip("/") + "/" if path.endswith("/") else joined


def choose_place(source: str, is_directory: bool, target: str, mode: int | None) -> _Place:
    """Docker's table of what goes where.

    Args:
        source: As it was written.
        is_directory: What it is.
        target: As it was written.
        mode: What the target is; None: nothing.

    Raises:
        UsageError: The two do not go together.
    """
    bare = target.rstrip("/") if target.rstrip("/") else "/"
    bare = bare.removesuffix("/.") or "/"
    name = posixpath.basename(posixpath.normpath(posixpath.join("/", source))) or "."
    if mode is not None and stat.S_ISDIR(mode):
        contents = is_directory and (source.endswith("/.") or source == "." or name == ".")
        return _Place(bare, "." if contents else name)
    if mode is not None and target.endswith(("/", "/.")):
        raise UsageError(f"{target}: not a directory")
    if is_directory:
        if mode is not None:
            raise UsageError(f"cannot copy directory {source} to the file {target}")
        return _Place(bare, ".", makes=bare)
    if target.endswith(("/", "/.")):
        raise UsageError(f"{target}: no such directory")
    return _Place(posixpath.dirname(bare) or ".", posixpath.basename(bare))


def _request(
    tree: ContainerTree, path: str, found: PathStat, follow: bool, member: str
) -> dict[str, Any]:
    return {
        "verb": "get",
        "path": path,
        "follow": follow,
        "member": member,
        "hollow": kernel_mounts(tree.container),
        "kind": stat.S_IFMT(found.mode),
    }


def _carry(tree: ContainerTree, path: str, work: Callable[[], None]) -> None:
    """Take an archive over; what the helper says of it is the better reason."""
    try:
        work()
    except ArchiveError as error:
        tree.answer(path)
        raise TreeError(f"{path}: {error}") from error
    except OSError as error:
        tree.output.close()
        with suppress(TreeError):
            tree.answer(path)
        if isinstance(error, BrokenPipeError):
            raise
        raise StoreError(
            f"cannot write {error.filename or 'the copy'}: {error.strerror}",
            remedy="see what the disk says: df -h",
        ) from error
    tree.answer(path)


def _put(
    tree: ContainerTree, folder: str, write: Callable[[], None], *, as_root: bool, plain: bool
) -> Copied:
    """plain: what is written comes from a Packer."""
    try:
        tree.stat(folder, follow=True)
    except TreeError as error:
        raise _missing(tree, folder, error) from None
    tree.send({"verb": "put", "path": folder, "as_root": as_root, "plain": plain})
    try:
        write()
        tree.input.close()
    except BrokenPipeError:
        pass  # the helper says why
    except OSError as error:
        tree.input.close()
        with suppress(TreeError):
            tree.answer(folder)
        raise StoreError(f"cannot read {error.filename}: {error.strerror}") from error
    found = tree.answer(folder)
    return Copied(found["bytes"], tuple(found["left_out"]))


def _pack_host(packer: Packer, source: str, member: str, follow: bool) -> None:
    """A file or tree of the caller's own."""
    path = os.fsencode(source)
    if not follow:
        folder, name = os.path.split(path.rstrip(b"/"))
        at = os.open(folder or b".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    else:
        real = os.path.realpath(path)
        folder, name = os.path.split(real)
        at = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        packer.add(at, name or b".", member.encode("utf-8", "surrogateescape"))
    finally:
        os.close(at)


def _stat_source(tree: ContainerTree, path: str, *, follow: bool) -> PathStat:
    try:
        return tree.stat(path, follow=follow)
    except TreeError as error:
        raise _missing(tree, path, error) from None


def _missing(tree: ContainerTree, path: str, error: TreeError) -> TreeError:
    """In docker's words, when that is what the error says."""
    if error.errno != errno.ENOENT:
        return error
    return TreeError(f"could not find the file {path} in container {tree.shown}", errno.ENOENT)


def _mode_of(tree: Tree, path: str) -> int | None:
    try:
        return tree.stat(path, follow=True).mode
    except TreeError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def resolve_last(tree: Tree, path: str) -> str:
    """A target that is a link means what it names, be it there or not."""
    for _ in range(MAX_LINKS):
        try:
            found = tree.stat(path, follow=False)
        except TreeError as error:
            if error.errno == errno.ENOENT:
                return path
            raise
        if not stat.S_ISLNK(found.mode):
            return path
        path = clean_path(posixpath.join(posixpath.dirname(path), found.target))
    raise TreeError(f"{path}: {os.strerror(errno.ELOOP)}", errno.ELOOP)


def kernel_mounts(container: Container) -> list[str]:
    """Where the kernel's own file systems are: not copied with what is around them."""
    kinds = ("proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2")
    mounts = read_config(container.directory).get("mounts", [])
    return ["/dev", *(str(item["destination"]) for item in mounts if item.get("type") in kinds)]


def _host_mode(target: str) -> int | None:
    try:
        return Path(target).stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot write to {target}: {error.strerror}") from error


def _owners_here(container: Container) -> Owners:
    """The host's ids as the container calls them; those it cannot name are root's."""
    linux = read_config(container.directory).get("linux", {})
    rows: list[tuple[Row, ...]] = [
        tuple((row["containerID"], row["hostID"], row["size"]) for row in linux.get(key, []))
        for key in ("uidMappings", "gidMappings")
    ]
    return Owners(uids=rows[0], gids=rows[1], unknown=0)
