"""`RUN --mount`: what a program sees of other files, and what stays between builds.

What comes in: mounts with their variables put in.
What goes out: binds for one launch, with the environment and the stubs they leave.
Must never: write a secret below the store; let a path of a mount lead out of what it names;
let a program's cache mount hold more than its own directory.

Cache mounts lie in DATA/cache/mounts/KEY, KEY a digest of the mount's id. A directory that a
`locked` mount uses is flock'd; a `private` one takes the next free directory.
Source: Dockerfile reference, RUN --mount.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import posixpath
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pyrootless.build import dockerfile as ins
from pyrootless.build.bench import Bench, Place
from pyrootless.build.context import Context, digest_members, info_of
from pyrootless.build.request import Agents, Secrets
from pyrootless.config import runtime_directory
from pyrootless.engine.files import Bind, Layering, header_of
from pyrootless.errors import UsageError
from pyrootless.images.store import writing
from pyrootless.units import parse_size

_READ_ONLY = ("rbind", "rprivate", "nosuid", "nodev", "ro")
_WRITABLE = ("rbind", "rprivate", "nosuid", "nodev", "rw")
_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent.0"
_PREFIX = "pyrootless-secrets-"
_TRUE = ("true", "1", "")
_BLOCK = 512
HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


class Planned(Protocol):
    """What is known of a RUN before it runs."""

    @property
    def mounts(self) -> tuple[ins.Mount, ...]:
        """Its mounts."""

    @property
    def script(self) -> str:
        """Content of a here-document that is a program."""

    @property
    def args(self) -> tuple[str, ...]:
        """Program and arguments."""

    @property
    def network(self) -> str:
        """As of `run --network`."""


Open = Callable[[str], AbstractContextManager[Context]]
"""Name of a stage, image or context ("": the build's) → its files."""


@dataclass(slots=True)
class PreparedMounts:
    """For one launch.

    Attributes:
        binds: Mounts.
        env: Variables that secrets and agents bring.
        stubs: Places that may be made to mount on.
    """

    binds: list[Bind | Mapping[str, Any]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    stubs: list[str] = field(default_factory=list)


class MountMaker:
    """Makes the mounts of one stage's programs.

    Attributes:
        default_network: What RUN has when it does not say.
    """

    def __init__(
        self,
        bench: Bench,
        open_context: Open,
        key_of: Callable[[str], str],
        asked: tuple[Secrets, Agents, str],
    ) -> None:
        """Take the bench and how files of other stages are found.

        Args:
            bench: Of the build.
            open_context: Files by name.
            key_of: A digest of all files of a name where there is one without reading; "".
            asked: Who has secrets and agents, and the default network.
        """
        self._bench = bench
        self._open = open_context
        self._key_of = key_of
        self._secrets, self._agents, self.default_network = asked

    def key(self, mount: ins.Mount) -> tuple[object, ...]:
        """What a step's key says of a mount: of a bind its content; of secrets no bytes."""
        options = {k: v for k, v in mount.options.items() if k not in ("required", "sharing")}
        said = (mount.kind, tuple(sorted(options.items())))
        if mount.kind != "bind":
            return said
        name, source = options.get("from", ""), options.get("source", "")
        known = self._key_of(name)
        if known:
            return (*said, known)
        with self._open(name) as context:
            path = _clean(source)
            if context.look(path) is None:
                raise UsageError(f'--mount: "/{path}" is not there')
            return (*said, digest_members(context.walk(path)))

    @contextmanager
    def prepare(self, plan: Planned, place: Place) -> Iterator[PreparedMounts]:
        """Everything one launch needs, gone afterwards but for cache mounts.

        Raises:
            UsageError: A mount cannot be made.
        """
        made = PreparedMounts()
        with ExitStack() as stack:
            self._own_files(plan, place, made)
            for number, mount in enumerate(plan.mounts):
                if mount.kind == "tmpfs":
                    made.binds.append(_tmpfs(mount))
                    made.stubs.append(mount.options["target"])
                elif mount.kind == "secret":
                    self._secret(mount, made, stack)
                elif mount.kind == "ssh":
                    self._agent(mount, made)
                elif mount.kind == "cache":
                    self._cache(mount, made, stack)
                else:
                    self._bind(mount, number, place, made)
            yield made

    def _own_files(self, plan: Planned, place: Place, made: PreparedMounts) -> None:
        """/etc/hosts and resolv.conf, which programs may write to and no layer has."""
        hosts = place.directory / "etc-hosts"
        hosts.write_text(HOSTS)
        made.binds.append(Bind(str(hosts), "/etc/hosts"))
        if plan.network != "none":
            resolver = place.directory / "resolv.conf"
            known = Path("/etc/resolv.conf")
            resolver.write_bytes(known.read_bytes() if known.is_file() else b"")
            made.binds.append(Bind(str(resolver), "/etc/resolv.conf"))
        if plan.script:
            script = place.directory / "script"
            script.write_text(plan.script)
            script.chmod(0o755)
            made.binds.append(Bind(str(script), plan.args[0], _READ_ONLY))

    def _secret(self, mount: ins.Mount, made: PreparedMounts, stack: ExitStack) -> None:
        options = mount.options
        target = options.get("target", "")
        name = options.get("id") or posixpath.basename(target)
        if not name:
            raise UsageError("--mount: a secret needs an id: id=NAME")
        data = self._secrets.secret(name)
        if data is None:
            if options.get("required", "false") in _TRUE:
                raise UsageError(f"the secret {name} is required: --secret id={name},src=FILE")
            return
        if "env" in options:
            made.env[options["env"] or name] = data.decode("utf-8", "surrogateescape")
            if not target:
                return
        target = target or f"{_SECRETS}/{name}"
        directory = stack.enter_context(secret_directory())
        path = directory / "secret"
        path.write_bytes(data)
        self._settle(path, options, 0o400)
        made.binds.append(Bind(str(path), target, _READ_ONLY))
        made.stubs.append(target)

    def _agent(self, mount: ins.Mount, made: PreparedMounts) -> None:
        name = mount.options.get("id") or "default"
        socket = self._agents.agent(name)
        if socket is None:
            if mount.options.get("required", "false") in _TRUE:
                raise UsageError(f"an ssh agent is required: --ssh {name}")
            return
        target = mount.options.get("target") or _AGENT
        made.binds.append(Bind(os.path.realpath(socket), target))
        made.env["SSH_AUTH_SOCK"] = target
        made.stubs.append(target)

    def _settle(self, path: Path, options: Mapping[str, str], mode: int) -> None:
        """Mode and owner, as the mount says."""
        given = options.get("mode", "")
        if given and not (given.isdigit() and all(letter in "01234567" for letter in given)):
            raise UsageError(f"--mount: mode={given}: write it in octal, as 0400")
        ids = [options.get("uid", "0"), options.get("gid", "0")]
        if not all(text.isascii() and text.isdigit() for text in ids):
            raise UsageError("--mount: uid and gid are numbers")
        path.chmod(int(given, 8) if given else mode)
        if ids != ["0", "0"]:
            with self._bench.writer.alone:
                self._bench.writer.own(path, int(ids[0]), int(ids[1]))

    def _cache(self, mount: ins.Mount, made: PreparedMounts, stack: ExitStack) -> None:
        options = mount.options
        name = options.get("id") or options["target"]
        path = stack.enter_context(
            self._cache_directory(name, options.get("sharing", "shared"), options)
        )
        read_only = options.get("readonly", "false") in _TRUE
        words = _READ_ONLY if read_only else _WRITABLE
        made.binds.append(Bind(str(path), options["target"], words))
        made.stubs.append(options["target"])

    @contextmanager
    def _cache_directory(
        self, name: str, sharing: str, options: Mapping[str, str]
    ) -> Iterator[Path]:
        parent = self._bench.store.directories.cache / "mounts"
        key = hashlib.sha256(f"{self._bench.launcher.kind}\0{name}".encode()).hexdigest()[:32]
        with writing(parent):
            parent.mkdir(mode=0o700, exist_ok=True)
        number = 0
        while True:
            place = parent / (f"{key}-{number}" if number else key)
            with writing(place):
                place.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if sharing == "private":
                    try:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        number += 1
                        continue
                else:
                    fcntl.flock(
                        descriptor, fcntl.LOCK_EX if sharing == "locked" else fcntl.LOCK_SH
                    )
                if not place.exists():  # pruned meanwhile
                    continue
                self._fill_cache(place, name, options)
                os.utime(place)
                yield place / "files"
                return
            finally:
                os.close(descriptor)

    def _fill_cache(self, place: Path, name: str, options: Mapping[str, str]) -> None:
        """What a cache mount begins with, once; whoever else wants it waits."""
        if (place / "files").is_dir():
            return
        with (place / "id").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (place / "files").is_dir():
                return
            (place / "id").write_text(name)
            fresh = place / "fresh"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            if options.get("from"):
                self._copy(options["from"], options.get("source", ""), fresh)
            self._settle(fresh, options, 0o755)
            fresh.rename(place / "files")

    def _bind(self, mount: ins.Mount, number: int, place: Place, made: PreparedMounts) -> None:
        options = mount.options
        target = options["target"]
        holder = place.directory / f"mount-{number}"
        holder.mkdir()
        is_file = self._copy(options.get("from", ""), options.get("source", ""), holder)
        writable = options.get("readwrite", "false") in _TRUE or (
            "readonly" in options and options["readonly"] not in _TRUE
        )
        source = holder / "file" if is_file else holder
        made.binds.append(Bind(str(source), target, _WRITABLE if writable else _READ_ONLY))
        made.stubs.append(target)

    def _copy(self, name: str, source: str, target: Path) -> bool:
        """Files of another place into a directory; True: it is one file, called "file"."""
        path = _clean(source)
        bench = self._bench
        with self._open(name) as context, bench.writer.alone:
            top = context.look(path)
            if top is None:
                raise UsageError(f'--mount: "/{path}" is not there')
            bench.writer.use(Layering([str(target)]))
            with bench.writer.writing() as out:
                for entry, content in context.walk(path):
                    below = entry.path[len(path) :].lstrip("/") if path else entry.path
                    info = info_of(entry)
                    info.name = below or ("." if top.is_directory else "file")
                    if entry.same_as and path:
                        info.linkname = entry.same_as[len(path) :].lstrip("/")
                    write_member(out, header_of(info), content, info.size)
                write_all(out, bytes(2 * _BLOCK))
            return not stat.S_ISDIR(top.mode)


def write_member(
    out: int, header: bytes, content: Callable[[], Iterator[bytes]], size_bytes: int
) -> None:
    """One member of an archive."""
    write_all(out, header)
    if size_bytes:
        for chunk in content():
            write_all(out, chunk)
        write_all(out, bytes(-size_bytes % _BLOCK))


def write_all(out: int, data: bytes) -> None:
    """All of it."""
    left = memoryview(data)
    while left:
        left = left[os.write(out, left) :]


def _tmpfs(mount: ins.Mount) -> Mapping[str, Any]:
    words = ["nosuid", "nodev", "noexec", "mode=1777"]
    if mount.options.get("size"):
        words.append(f"size={parse_size(mount.options['size'])}")
    target = mount.options["target"]
    return {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": words}


def _clean(path: str) -> str:
    return posixpath.normpath(posixpath.join("/", path)).lstrip("/")


@contextmanager
def secret_directory() -> Iterator[Path]:
    """A directory in memory for one secret, gone afterwards, whoever is killed."""
    parent = runtime_directory(os.environ).parent
    if _is_on_disk(parent) and Path("/dev/shm").is_dir():
        parent = Path("/dev/shm")
    sweep_secrets(parent)
    path, descriptor = _locked_directory(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _locked_directory(parent: Path) -> tuple[Path, int]:
    """A fresh directory, and the descriptor that keeps sweeps away."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getuid()}-", dir=parent))
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # swept before it was locked
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.is_dir():
            return path, descriptor
        os.close(descriptor)


def sweep_secrets(parent: Path) -> None:
    """Remove what builds left that were killed."""
    for path in parent.glob(f"{_PREFIX}{os.getuid()}-*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass  # its build lives
        finally:
            os.close(descriptor)


def _is_on_disk(path: Path) -> bool:
    """Whether a directory lies in no memory file system."""
    found = os.path.realpath(path)
    best, kind = "", ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        point = fields.split()[4]
        inside = found == point or found.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, rest.split()[0]
    return kind not in ("tmpfs", "ramfs")
