"""What is read and tried to know the host: `Host` and `Probe`.

What comes in: a root directory (the machine's, or a test's fake tree) and a probe object.
What goes out: small facts: text of a file, mode of a device, a program's place, the answer of
the kernel to a trial.
Must never: judge (host_checks_*.py do), change anything on the machine.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from pyrootless.config import Directories

PROGRAM_DIRECTORIES = ("usr/bin", "bin", "usr/sbin", "sbin", "usr/local/bin", "usr/local/sbin")
PROBE_TIMEOUT_SECONDS = 30


State = Literal["ok", "weaker", "missing", "unknown"]
"""ok: all there; weaker: works with less; missing: does not; unknown: could not be tried."""

Need = Literal["now", "later"]
"""now: this release uses it; later: a coming one will."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of `pyrootless doctor`.

    Attributes:
        name: Stable name, as in `pyrootless doctor NAME` and in the remedies of errors.
        state: See State.
        needed: See Need.
        consequence: One sentence: what was found and what it means.
        fix: Command (or lines of commands) that mends it; "" when nothing needs to be done, or
            nothing can be.
    """

    name: str
    state: State
    needed: Need
    consequence: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """How a trial went.

    Attributes:
        step: The step that failed; "" when none did.
        errnum: Positive errno; 0: it worked.
    """

    step: str = ""
    errnum: int = 0

    @property
    def ok(self) -> bool:
        """True when it worked."""
        return self.errnum == 0

    def __str__(self) -> str:
        return "ok" if self.ok else f"{self.step}: {os.strerror(self.errnum)}"


class Probe(Protocol):
    """What cannot be read from a file. Tests give their own."""

    def trial(self, name: str) -> Trial | None:
        """The outcome of a trial of probe.py; None: it was not made."""

    def landlock_abi(self) -> int:
        """Version of the kernel's Landlock, 0 for none."""

    def writable(self, path: Path) -> bool:
        """Whether this user may write there."""

    def private(self, path: Path) -> bool:
        """Whether it is not there, or a directory that this user alone made and enters."""

    def free_bytes(self, path: Path) -> int | None:
        """Bytes free for this user on the file system of an existing path."""

    def file_capabilities(self, path: Path) -> bool:
        """Whether a program carries file capabilities."""

    def subordinate_ids(self, login: str, kind: str) -> str | None:
        """Output of `getsubids` ("-g" for kind "gid"); None when it cannot be asked."""


class KernelProbe:
    """The real one: one small process tries everything, once."""

    def __init__(self, directories: Directories) -> None:
        self._directories = directories

    def trial(self, name: str) -> Trial | None:
        """See Probe."""
        answer = self._answers.get(name)
        return None if answer is None else Trial(str(answer[0]), int(answer[1]))

    def landlock_abi(self) -> int:
        """See Probe."""
        step, errnum = self._answers.get("landlock", ("landlock", 0))
        return -int(errnum) if step == "abi" else 0

    def writable(self, path: Path) -> bool:
        """See Probe."""
        return os.access(path, os.W_OK)

    def private(self, path: Path) -> bool:
        """See Probe."""
        try:
            facts = path.lstat()
        except OSError:
            return True
        return (
            stat.S_ISDIR(facts.st_mode)
            and facts.st_uid == os.geteuid()
            and stat.S_IMODE(facts.st_mode) & 0o777 == 0o700
        )

    def free_bytes(self, path: Path) -> int | None:
        """See Probe."""
        try:
            facts = os.statvfs(path)
        except OSError:
            return None
        return facts.f_bavail * facts.f_frsize

    def file_capabilities(self, path: Path) -> bool:
        """See Probe."""
        try:
            return bool(os.getxattr(path, "security.capability"))
        except OSError:
            return False

    def subordinate_ids(self, login: str, kind: str) -> str | None:
        """See Probe. Knows what files do not: ranges of a directory service (sssd, LDAP)."""
        program = shutil.which("getsubids")
        if program is None:
            return None
        flags = ["-g"] if kind == "gid" else []
        try:
            done = subprocess.run(
                [program, *flags, login], capture_output=True, text=True, timeout=5, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else ""

    @cached_property
    def _answers(self) -> Mapping[str, tuple[str, int]]:
        """Every trial, made in one process that starts small: nothing large is ever forked."""
        script = Path(__file__).with_name("probe.py")
        with tempfile.TemporaryDirectory(prefix="pyrootless-doctor-") as scratch:
            store = self._directories.temporary
            place = str(store) if os.access(store, os.W_OK | os.X_OK) else scratch
            try:
                done = subprocess.run(
                    [sys.executable, "-I", "-S", str(script), place],
                    capture_output=True,
                    timeout=PROBE_TIMEOUT_SECONDS,
                    check=False,
                )
                return dict(json.loads(done.stdout))
            except (OSError, ValueError, subprocess.TimeoutExpired):
                return {}


@dataclass(frozen=True)
class Host:
    """One user on one machine.

    Attributes:
        root: Everything is read below it.
        probe: Everything that must be tried is asked here.
        directories: The engine's directories.
        uid: The user.
        login: Its name; None when there is none.
        environ: The environment.
        launcher: Path of the native launcher; None: not installed.
    """

    root: Path
    probe: Probe
    directories: Directories
    uid: int
    login: str | None
    environ: Mapping[str, str]
    launcher: Path | None = None

    def read(self, path: str) -> str | None:
        """First 64 KiB of a file as text without outer white space; None when unreadable."""
        try:
            with (self.root / path.lstrip("/")).open("rb") as stream:
                return stream.read(65536).decode(errors="replace").strip()
        except OSError:
            return None

    def integer(self, path: str) -> int | None:
        """The number in a file; None when there is none."""
        text = self.read(path)
        try:
            return int(text) if text is not None else None
        except ValueError:
            return None

    def mode(self, path: str) -> int | None:
        """st_mode of a path, links followed; None when it does not exist."""
        try:
            return (self.root / path.lstrip("/")).stat().st_mode
        except OSError:
            return None

    def folders(self, path: str) -> list[str]:
        """Names of the directories in one; [] when it cannot be read."""
        try:
            with os.scandir(self.root / path.lstrip("/")) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except OSError:
            return []

    def program(self, name: str) -> Path | None:
        """Where a program is, in the standard directories; None when it is not installed."""
        for directory in PROGRAM_DIRECTORIES:
            path = self.root / directory / name
            if path.is_file():
                return path
        return None

    def writable(self, path: str) -> bool:
        """Whether this user may write to a path below the root."""
        return self.probe.writable(self.root / path.lstrip("/"))

    def private(self, path: str) -> bool:
        """See Probe; of a path below the root."""
        return self.probe.private(self.root / path.lstrip("/"))

    @cached_property
    def mounts(self) -> tuple[Mount, ...]:
        """/proc/self/mountinfo, in its order."""
        lines = (self.read_whole("proc/self/mountinfo") or "").splitlines()
        return tuple(mount for line in lines if (mount := parse_mount(line)) is not None)

    def read_whole(self, path: str) -> str | None:
        """All of a file of /proc, which may be longer than what `read` takes."""
        try:
            return (self.root / path).read_bytes().decode(errors="surrogateescape")
        except OSError:
            return None

    def mount_of(self, path: Path) -> Mount | None:
        """The mount a path lies on: the longest mount point, the last of equals."""
        best: Mount | None = None
        for mount in self.mounts:
            nearer = best is None or len(mount.point) >= len(best.point)
            if nearer and path.is_relative_to(mount.point):
                best = mount
        return best

    @cached_property
    def distribution(self) -> str:
        """Family by /etc/os-release: debian, ubuntu, fedora, arch, alpine, suse; else ""."""
        text = self.read("etc/os-release") or self.read("usr/lib/os-release") or ""
        pairs = (line.partition("=") for line in text.splitlines())
        values = {key: value.strip("\"'") for key, _, value in pairs}
        words = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
        return next((_FAMILIES[word] for word in words if word in _FAMILIES), "")


_FAMILIES = {
    "debian": "debian", "raspbian": "debian", "ubuntu": "ubuntu", "linuxmint": "ubuntu",
    "pop": "ubuntu", "fedora": "fedora", "rhel": "fedora", "centos": "fedora",
    "rocky": "fedora", "almalinux": "fedora", "arch": "arch", "manjaro": "arch",
    "alpine": "alpine", "suse": "suse", "opensuse": "suse", "opensuse-leap": "suse",
    "opensuse-tumbleweed": "suse", "sles": "suse",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo (proc_pid_mountinfo(5)).

    Attributes:
        point: Mount point, absolute.
        kind: File-system type: "ext4", "nfs4", "fuse.sshfs".
        options: Per-mount options: {"rw", "nosuid"}.
        super_options: Per-superblock options, as they stand.
    """

    point: str
    kind: str
    options: frozenset[str]
    super_options: str


def parse_mount(line: str) -> Mount | None:
    """A line of mountinfo; None when it is not one."""
    left, separator, right = line.partition(" - ")
    fields, rest = left.split(" "), right.split(" ")
    if not separator or len(fields) < 6 or len(rest) < 3:
        return None
    point = fields[4]
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, char)
    return Mount(point, rest[0], frozenset(fields[5].split(",")), rest[2].strip())


def this_host(directories: Directories, launcher: Path | None) -> Host:
    """The machine this runs on, and its user."""
    try:
        login: str | None = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        login = None
    return Host(
        root=Path("/"),
        probe=KernelProbe(directories),
        directories=directories,
        uid=os.getuid(),
        login=login,
        environ=os.environ,
        launcher=launcher,
    )
