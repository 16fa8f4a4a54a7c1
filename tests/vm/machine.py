"""One running machine: its qemu, root's channel into it, commands over ssh, its end.

In: a disk and a saved state from the cache, host directories.
Out: a started machine, exit statuses of commands in it.
Never: a signal to a process that this program did not start; a write to the saved disk.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from base import CACHE, PREFIX, RUN, Failure, checked, log, open_parents
from control import LineSocket, Qmp
from variants import VARIANTS

MOUNTS = 4  # 9p devices every machine has
BOOT_SECONDS = 600
ROOT_SECONDS = 120
COPY_SECONDS = 600
STATE_SECONDS = 120
END_SECONDS = 5
PORT_TRIES = 5
EXIT_TIMEOUT, EXIT_HARNESS = 124, 125
SSH_FAILED = 255
STATE_CAPABILITIES = [{"capability": "mapped-ram", "state": True}]
PR_SET_PDEATHSIG = 1

KERNEL_ARGS = (
    "root=/dev/vda rw console=ttyS0 quiet loglevel=3 panic=-1 net.ifnames=0 "
    "systemd.show_status=0 mitigations=off init_on_alloc=0 nowatchdog audit=0 "
    "no_timer_check tsc=reliable rcupdate.rcu_expedited=1 "
    "security=apparmor apparmor=1"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a machine is made of: a saved state fits one shape alone."""

    cpus: int = 2
    memory_mib: int = 2048
    kernel_args: str = ""

    def words(self) -> list[str]:
        """The part of qemu's command line that a saved state depends on.

        Nehalem is x86-64-v2.  A richer processor is slower here: what it adds costs more when
        it is emulated.  KVM is not used, so that the machine is the same everywhere.
        """
        shares = range(MOUNTS)
        devices = [
            "virtio-blk-pci,drive=disk",
            "virtio-net-pci,netdev=net,romfile=",
            "virtio-serial-pci",
            "virtserialport,chardev=ctl,name=vm.ctl",
            "virtio-9p-pci,fsdev=xfer,mount_tag=xfer",
            *(f"virtio-9p-pci,fsdev=fs{i},mount_tag=share{i}" for i in shares),
        ]
        return [
            *("-machine", "q35,vmport=off,i8042=off", "-accel", "tcg,thread=multi,tb-size=512"),
            *("-cpu", "Nehalem", "-smp", str(self.cpus), "-m", str(self.memory_mib)),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-append", f"{KERNEL_ARGS} {self.kernel_args}".strip()),
            *("-device", "vmgenid,guid=auto"),
            *(word for device in devices for word in ("-device", device)),
        ]


@dataclass(frozen=True, slots=True)
class Start:
    """How a machine starts.

    Attributes:
        shares: host directories, in the order of `Machine.prepare`'s mounts.
        backing: disk whose content it sees; it is not written to.
        state: saved memory to go on from; None: a full boot.
        net: whether connections may leave the guest.
        detached: whether it outlives this program.
    """

    backing: Path
    state: Path | None = None
    shares: Sequence[str] = ()
    net: bool = False
    detached: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One command in a machine: where it starts, as whom, with what."""

    words: Sequence[str]
    workdir: str = ""
    root: bool = False
    plain: bool = False
    env: Sequence[str] = ()
    stdin: bool = False
    tty: bool = False
    timeout: float | None = None


@dataclass
class Machine:
    """A running qemu.  Its files lie in a private directory, gone with it."""

    rundir: Path
    info: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None
    _control: LineSocket | None = field(default=None, repr=False)

    @classmethod
    def start(cls, shape: Shape, start: Start) -> Machine:
        """Start a machine and wait until root's channel answers."""
        remove_leftovers()
        rundir = Path(tempfile.mkdtemp(prefix=PREFIX, dir=RUN))
        info = {"cpus": shape.cpus, "mem": shape.memory_mib, "rundir": str(rundir)}
        self = cls(rundir, info)
        try:
            self._start(shape, start)
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self, shape: Shape, start: Start) -> None:
        began = time.monotonic()
        for name in ("empty", "xfer"):
            (self.rundir / name).mkdir(mode=0o755)
        # What it writes may grow to gigabytes: beside the image, not in a tmpfs.
        disk = disk_file(self.rundir)
        disk.parent.mkdir(exist_ok=True)
        make_overlay(start.backing, disk)
        qmp = self._spawn(shape, start)
        pid = self.info["pid"]
        self.info["start"] = process_start(pid)
        (self.rundir / "owner").write_text(f"{pid} {self.info['start']}\n")
        if start.state:
            qmp("migrate-set-capabilities", capabilities=STATE_CAPABILITIES)
            qmp("migrate-incoming", uri=f"file:{start.state}")
            qmp.wait_transfer(STATE_SECONDS)
            qmp("cont")
        qmp.close()
        self.root("true", limit=BOOT_SECONDS)
        self.info["boot_seconds"] = round(time.monotonic() - began, 2)

    def _spawn(self, shape: Shape, start: Start) -> Qmp:
        """Start qemu on a free port; another one when somebody was faster."""
        for attempt in range(PORT_TRIES):
            port = self.info["port"] = free_port()
            words = [*shape.words(), *self._private_words(start, port)]
            before: Callable[[], None] | None = None if start.detached else die_with_parent
            with (self.rundir / "qemu.log").open("ab") as out:
                self.process = subprocess.Popen(
                    ["qemu-system-x86_64", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    preexec_fn=before,
                )
            self.info["pid"] = self.process.pid
            try:
                return Qmp(self.rundir / "qmp", self.alive)
            except Failure:
                text = (self.rundir / "qemu.log").read_text(errors="replace")
                again = "Could not set up host forwarding rule" in text
                if not again or attempt + 1 == PORT_TRIES:
                    raise Failure(f"qemu did not start:\n{text[-2000:]}") from None
                self.process.wait()
        raise AssertionError("the last try returns or raises")

    def _private_words(self, start: Start, port: int) -> list[str]:
        """The part of qemu's command line that is this machine's own."""
        run = self.rundir
        folders = [*start.shares, *[str(run / "empty")] * (MOUNTS - len(start.shares))]
        shares = [("xfer", str(run / "xfer"))]
        shares += [(f"fs{i}", path) for i, path in enumerate(folders)]
        local = "local,id={},security_model=none,readonly=on,multidevs=remap,path={}"
        fsdevs = [local.format(name, escaped(path)) for name, path in shares]
        restrict = "off" if start.net else "on"
        disk = escaped(disk_file(run))
        return [
            *("-kernel", str(CACHE / "vmlinuz"), "-initrd", str(CACHE / "initrd")),
            *("-serial", f"file:{run}/console.log"),
            *("-qmp", f"unix:{run}/qmp,server=on,wait=off"),
            *("-chardev", f"socket,id=ctl,path={run}/ctl,server=on,wait=off"),
            "-drive",
            f"id=disk,if=none,format=qcow2,cache=unsafe,discard=unmap,file={disk}",
            *("-netdev", f"user,id=net,restrict={restrict},hostfwd=tcp:127.0.0.1:{port}-:22"),
            *(word for text in fsdevs for word in ("-fsdev", text)),
            *(("-incoming", "defer") if start.state else ()),
        ]

    def alive(self) -> bool:
        """Whether this machine's own qemu runs: pid and start time must both match."""
        if self.process is not None:
            return self.process.poll() is None
        start = process_start(self.info["pid"])
        return start is not None and start == self.info["start"]

    def stop(self) -> None:
        """End this machine's qemu, and nothing else."""
        if self._control:
            self._control.close()
        if "pid" in self.info and self.alive():
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.info["pid"], number)
                deadline = time.monotonic() + END_SECONDS
                while self.alive() and time.monotonic() < deadline:
                    time.sleep(0.02)
        disk_file(self.rundir).unlink(missing_ok=True)
        shutil.rmtree(self.rundir, ignore_errors=True)

    def root(self, script: str, limit: float = ROOT_SECONDS) -> str:
        """Run a shell script as root; what it printed.

        Raises:
            Failure: it exited with another status than 0, or did not end in `limit` seconds.
        """
        if self._control is None:
            self._control = LineSocket(self.rundir / "ctl", self.alive, 30)
        tag = os.urandom(4).hex()
        self._control.send(f"{tag} {base64.b64encode(script.encode()).decode()}")
        words = [""]
        while words[0] != tag or len(words) != 3:
            try:
                words = self._control.line(limit).split(" ")
            except Failure as problem:
                raise Failure(f"{problem}\n{self._console()}") from None
        output = base64.b64decode(words[2]).decode(errors="replace")
        if words[1] != "0":
            raise Failure(f"in the guest, as root: exit {words[1]}\n{output}")
        return output

    def _console(self) -> str:
        with contextlib.suppress(OSError):
            return (self.rundir / "console.log").read_text(errors="replace")[-1500:]
        return ""

    def prepare(self, mounts: Sequence[tuple[str, str]], variants: Sequence[str]) -> None:
        """Set the clock, mount the shares (host, guest), apply the variants."""
        script = [f"date -s @{time.time():.3f} >/dev/null", "set -e"]
        options = "ro,trans=virtio,version=9p2000.L,msize=512000,cache=mmap"
        for i, (_, target) in enumerate(mounts):
            where = shlex.quote(target)
            script += [f"mkdir -p {where}", f"mount -t 9p -o {options} share{i} {where}"]
        script += [VARIANTS[name][1] for name in variants]
        self.root("\n".join(script))

    def copy_in(self, source: str, target: str, excluded: Sequence[str] = ()) -> None:
        """Replace a guest directory by a copy of the host's, owned by the guest's user.

        The directories above it let that user pass, /root too.
        """
        archive = self.rundir / "xfer" / "copy.tar"
        left_out = ["./.git", "__pycache__", *excluded]
        patterns = [f"--exclude={pattern}" for pattern in left_out]
        checked(["tar", "-C", source, *patterns, "-cf", archive, "."])
        archive.chmod(0o644)
        where = shlex.quote(target)
        script = f"""set -e
            mkdir -p /run/vm-xfer
            mountpoint -q /run/vm-xfer ||
                mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000 xfer /run/vm-xfer
            rm -rf {where}; mkdir -p {where}; chown student:student {where}
            {open_parents(target)}
            runuser -u student -- tar -C {where} -xpf /run/vm-xfer/copy.tar --no-same-owner
            umount /run/vm-xfer"""
        self.root(script, limit=COPY_SECONDS)
        archive.unlink()

    def _ssh(self, user: str, *options: str) -> list[str]:
        settings = {
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(CACHE / "known_hosts"),
            "HostKeyAlias": "vm",
            "StrictHostKeyChecking": "yes",
            "KexAlgorithms": "curve25519-sha256",
            "Ciphers": "aes128-ctr",
            "MACs": "hmac-sha1",
            "GSSAPIAuthentication": "no",
            "PreferredAuthentications": "publickey",
            "ControlPath": f"{self.rundir}/{user}",
        }
        words = ["ssh", "-F", "none", "-q", "-p", str(self.info["port"]), "-l", user]
        words += ["-i", str(CACHE / "id_ed25519")]
        pairs = [("-o", f"{name}={value}") for name, value in settings.items()]
        return [*words, *(word for pair in pairs for word in pair), *options, "127.0.0.1"]

    def open_master(self) -> None:
        """One shared connection, so that each later command skips the handshake."""
        quiet = subprocess.DEVNULL
        words = self._ssh("student", "-f", "-N", "-M", "-o", "ControlPersist=yes")
        subprocess.run(
            words, stdin=quiet, stdout=quiet, stderr=quiet, timeout=ROOT_SECONDS, check=False
        )

    def execute(self, call: Call) -> int:
        """Run a command; its exit status, 124 after its timeout."""
        unit = f"vm-{os.urandom(4).hex()}"
        mode = "root" if call.root else "plain" if call.plain else "scope"
        # env: status 127 when there is no such command
        remote = ["/usr/local/lib/vm/session", mode, unit, call.workdir, "env", "--"]
        remote += [*call.env, *call.words]
        options = ["-tt" if call.tty else "-T"] + ([] if call.stdin or call.tty else ["-n"])
        words = self._ssh("root" if call.root else "student", *options)
        process = subprocess.Popen([*words, shlex.join(remote)])
        try:
            code = process.wait(call.timeout)
        except BaseException as problem:
            process.kill()
            process.wait()
            self._end_unit(unit)
            if isinstance(problem, subprocess.TimeoutExpired):
                log(f"timeout: ended after {call.timeout} s")
                return EXIT_TIMEOUT
            raise
        if code == SSH_FAILED:
            if not self.alive():
                raise Failure("the machine has ended")
            log("status 255: the command's own, or ssh failed")
        return code

    def _end_unit(self, unit: str) -> None:
        """End what a command left, by its own cgroup."""
        script = (
            f"for d in $(find /sys/fs/cgroup -type d -name '{unit}.scope'); "
            "do echo 1 >$d/cgroup.kill; done; true"
        )
        if self.alive():
            with contextlib.suppress(Failure, OSError):
                self.root(script, limit=20)


def process_start(pid: int | str) -> str | None:
    """The start time of a process, which with its id names it for good."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def free_port() -> int:
    """A TCP port of loopback that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def escaped(path: str | Path) -> str:
    """A path as qemu's option parser reads it."""
    return str(path).replace(",", ",,")


def make_overlay(backing: Path, target: Path) -> None:
    """A qcow2 file that keeps what is written over another disk."""
    form = "qcow2" if backing.suffix == ".qcow2" else "raw"
    base = os.path.relpath(backing, target.parent)
    checked(["qemu-img", "create", "-q", "-f", "qcow2", "-F", form, "-b", base, target])


def die_with_parent() -> None:
    """In the child: end with the program that started it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def disk_file(rundir: Path) -> Path:
    """Where a machine's own writes go."""
    return CACHE / "disks" / f"{rundir.name}.qcow2"


def remove_leftovers() -> None:
    """Clean up after machines whose program was killed outright."""
    for rundir in RUN.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            pid, start = (rundir / "owner").read_text().split()
            if process_start(pid) != start:
                disk_file(rundir).unlink(missing_ok=True)
                shutil.rmtree(rundir, ignore_errors=True)
