"""The skeleton of the image `host`: a small root file system copied and made from facts.

What comes in: the machine's root directory (or a test's fake one).
What goes out: `Skeleton`, a value: paths with their directories, links and file contents; its
digest; and the same written below a directory.
Must never: follow a link out of what it copies, copy what is not readable by everybody, take
names of users, keys, secrets or the machine's identity.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_ENTRIES = 20_000
MAX_TOTAL_BYTES = 128 * 1024 * 1024
MAX_DEPTH = 16

TOOLCHAIN = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Beside /usr: bound when a real directory, linked when a link (merged /usr)."""

ETC = (
    # names, and the loader
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld-musl-*.path",
    # certificates (never ssl/private, never keys)
    "ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "ca-certificates", "ca-certificates.conf",
    "pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf", "pki/ca-trust/extracted",
    "crypto-policies",
    # time, identity of the distribution, tables of names
    "localtime", "timezone", "os-release", "debian_version", "alpine-release",
    "protocols", "services", "rpc", "mime.types", "magic", "shells", "gai.conf", "host.conf",
    "locale.alias", "terminfo",
    # shells and programs that refuse to start without their settings
    "bash.bashrc", "profile", "inputrc", "python3*", "java-*", "perl", "fonts", "vim",
)  # fmt: skip
"""Below /etc, exactly these; patterns match the last component alone."""

NEVER = ("private", "shadow*", "gshadow*", "*.key", "*.p12", "*.jks", "machine-id", "sudoers*",
         "*_key", "*.swp", "*~")  # fmt: skip
"""Names that are passed over wherever they lie below ETC."""

EMPTY = {
    "dev": 0o755, "home": 0o755, "home/user": 0o755, "media": 0o755, "mnt": 0o755,
    "opt": 0o755, "proc": 0o555, "root": 0o700, "run": 0o755, "srv": 0o755, "sys": 0o555,
    "tmp": 0o1777, "usr": 0o755, "var": 0o755, "var/cache": 0o755, "var/lib": 0o755,
    "var/log": 0o755, "var/spool": 0o755, "var/tmp": 0o1777, "work": 0o755,
}  # fmt: skip
"""Directories with their modes. The caller owns all of them."""

NSSWITCH = """passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
ethers: files
rpc: files
"""

HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
"""

_STUB_RESOLVERS = frozenset({"127.0.0.53", "127.0.0.54"})


@dataclass(frozen=True, slots=True)
class Node:
    """One entry: kind "d" (mode), "l" (content is the link's text) or "f" (content, mode)."""

    kind: str
    mode: int = 0o755
    content: bytes = b""


@dataclass(slots=True)
class Skeleton:
    """The whole of it.

    Attributes:
        nodes: Path relative to the root → entry; parents come before their children.
        binds: Absolute paths of the host that belong to the image, in mount order.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    binds: list[str] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, path: str, node: Node) -> None:
        """Enter a node and the parents it lacks; passed over when the skeleton is full."""
        self.size_bytes += len(node.content)
        if len(self.nodes) >= MAX_ENTRIES or self.size_bytes > MAX_TOTAL_BYTES:
            return
        parent = path.rpartition("/")[0]
        if parent and parent not in self.nodes:
            self.add(parent, Node("d"))
        self.nodes[path] = node

    def digest(self) -> str:
        """SHA-256 (hex) over every path, kind, mode and content, and the binds."""
        total = hashlib.sha256()
        for path in sorted(self.nodes):
            node = self.nodes[path]
            head = f"{node.kind} {node.mode:o} {len(node.content)} ".encode()
            total.update(head + os.fsencode(path) + b"\0" + node.content)
        total.update("\n".join(self.binds).encode())
        return total.hexdigest()

    def write(self, root: Path) -> None:
        """Write it below the existing empty directory `root`, with exact modes and flushed.

        Raises:
            OSError: As the file system says.
        """
        for path, node in self.nodes.items():
            target = root / path
            if node.kind == "d":
                target.mkdir()
            elif node.kind == "l":
                target.symlink_to(os.fsdecode(node.content))
            else:
                _write_file(target, node)
        for path, node in reversed(self.nodes.items()):
            if node.kind == "d":
                (root / path).chmod(node.mode)


def collect_skeleton(root: Path) -> Skeleton:
    """The skeleton for the machine whose root directory is `root`."""
    skeleton = Skeleton()
    for path, mode in EMPTY.items():
        skeleton.add(path, Node("d", mode))
    skeleton.add("var/run", Node("l", content=b"/run"))
    _add_toolchain(root, skeleton)
    for pattern in ETC:
        for path in _match(root, f"etc/{pattern}"):
            _copy(root, path, skeleton, MAX_DEPTH)
    _add_synthesised(root, skeleton)
    return skeleton


def resolver_source(root: Path) -> str:
    """Which file names the resolvers: "etc/resolv.conf", or systemd's when that is a stub."""
    servers = _nameservers(_read_text(root / "etc/resolv.conf"))
    upstream = "run/systemd/resolve/resolv.conf"
    if servers and _STUB_RESOLVERS.issuperset(servers) and _read_text(root / upstream):
        return upstream
    return "etc/resolv.conf"


def _add_toolchain(root: Path, skeleton: Skeleton) -> None:
    skeleton.binds.append("/usr")
    for name in TOOLCHAIN:
        path = root / name
        if path.is_symlink():
            skeleton.add(name, Node("l", content=os.fsencode(path.readlink())))
        elif path.is_dir():
            skeleton.add(name, Node("d"))
            skeleton.binds.append(f"/{name}")


def _add_synthesised(root: Path, skeleton: Skeleton) -> None:
    shell = "/bin/bash" if (root / "usr/bin/bash").exists() else "/bin/sh"
    texts = {
        "passwd": f"root:x:0:0:root:/root:{shell}\nuser:x:1000:1000:user:/home/user:{shell}\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        "group": "root:x:0:\ntty:x:5:\nuser:x:1000:\nnogroup:x:65534:\n",
        "hosts": HOSTS,
        "nsswitch.conf": NSSWITCH,
        "resolv.conf": _resolvers(_read_text(root / resolver_source(root))),
    }
    for name, text in texts.items():
        skeleton.add(f"etc/{name}", Node("f", 0o644, text.encode()))
    for name, target in (("hostname", "/proc/sys/kernel/hostname"), ("mtab", "/proc/mounts")):
        skeleton.add(f"etc/{name}", Node("l", content=target.encode()))


def _resolvers(text: str) -> str:
    """Only the lines that name servers, domains and options: no comments, nothing else."""
    wanted = ("nameserver", "search", "domain", "options")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines if line.split(" ")[0] in wanted)


def _nameservers(text: str) -> set[str]:
    words = [line.split() for line in text.splitlines()]
    return {line[1] for line in words if len(line) > 1 and line[0] == "nameserver"}


def _read_text(path: Path) -> str:
    """A small text file of the machine, links followed; "" when it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return stream.read(65536).decode(errors="replace")


def _match(root: Path, pattern: str) -> Iterator[str]:
    """Names below `root` that the pattern's last component matches; no parent may be a link."""
    parent, _, name = pattern.rpartition("/")
    walked = root
    for part in parent.split("/"):
        walked = walked / part
        if walked.is_symlink() or not walked.is_dir():
            return
    try:
        entries = sorted(entry.name for entry in walked.iterdir())
    except OSError:
        return
    yield from (f"{parent}/{entry}" for entry in entries if fnmatch.fnmatchcase(entry, name))


def _copy(root: Path, path: str, skeleton: Skeleton, depth: int) -> None:
    """Enter one path, recursively; what may not or need not be copied is passed over."""
    name = path.rpartition("/")[2]
    if depth == 0 or any(fnmatch.fnmatchcase(name, never) for never in NEVER):
        return
    try:
        facts = (root / path).lstat()
        if stat.S_ISLNK(facts.st_mode):
            skeleton.add(path, Node("l", content=os.fsencode((root / path).readlink())))
        elif stat.S_ISDIR(facts.st_mode) and facts.st_mode & 0o005 == 0o005:
            skeleton.add(path, Node("d"))
            for entry in sorted(child.name for child in (root / path).iterdir()):
                _copy(root, f"{path}/{entry}", skeleton, depth - 1)
        elif stat.S_ISREG(facts.st_mode):
            _copy_file(root / path, path, skeleton)
    except OSError:
        return  # vanished or unreadable while it was looked at: not needed, then


def _copy_file(source: Path, path: str, skeleton: Skeleton) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(source, flags), "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode) or not facts.st_mode & 0o004:
            return
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES or b"PRIVATE KEY-----" in content:
        return
    skeleton.add(path, Node("f", 0o755 if facts.st_mode & 0o001 else 0o644, content))


def _write_file(target: Path, node: Node) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o600), "wb") as stream:
        stream.write(node.content)
        os.fchmod(stream.fileno(), node.mode)
