"""The default OCI runtime configuration, from which every launch template is made.

What comes in: facts of one image (environment, user, directories) and the compiled filter.
What goes out: a complete config.json as plain dictionaries and lists, ready for json.dumps.
Must never: read or write a file, ask the machine anything.

Sources of the defaults: OCI runtime specification 1.2.0; what docker 28 and podman 5 give a
container that asks for nothing (capabilities, masked and read-only paths, mounts). The
annotations are described in docs/reference/annotations.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyrootless.config import TEMPLATE_VERSION

OCI_VERSION = "1.2.0"

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DEFAULT_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""Docker's without two. They count inside the container's user namespace alone.

CAP_AUDIT_WRITE means nothing there: the kernel hears the audit messages of its first user
namespace alone. CAP_NET_RAW is for ping, which works without it (launch/steps/sysctl.c), and
reads what passes a network that two containers share. CAP_MKNOD stays: the kernel makes no
device for it there, and a fake root makes what stat(2) calls one, which installers of packages
need.
"""

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
)
"""What docker and podman hide, united. Paths a kernel does not have cost one failed open."""

READONLY_PATHS = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)

NAMESPACES = ("user", "mount", "pid", "ipc", "uts", "cgroup", "network")


@dataclass(frozen=True, slots=True)
class SeccompProgram:
    """A compiled filter.

    Attributes:
        section: The OCI linux.seccomp section it was made from (for other runtimes).
        path: The array of struct sock_filter, absolute.
        digest: "sha256:HEX" of these bytes.
    """

    section: Mapping[str, Any]
    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory of the host that the image shows read-only at the same place.

    Attributes:
        path: Absolute, on the host and in the container.
    """

    path: str


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What one image brings to its template.

    Attributes:
        name: As it is asked for, "host".
        lowers: Overlay lower directories, absolute, top-most first.
        binds: Directories of the host it is made of, in mount order.
        env: "NAME=value" each.
        cwd: Absolute, in the container.
        entrypoint: Image's entry point; () for none.
        cmd: Image's command, used when the caller names none.
        stop_signal: Number.
        user: uid and gid the program runs as, in the container.
        groups: Further groups of that user.
        notes: Annotations of its own, whole names → texts.
    """

    name: str
    lowers: tuple[str, ...]
    binds: tuple[Bind, ...] = ()
    env: tuple[str, ...] = (f"PATH={DEFAULT_PATH}",)
    cwd: str = "/"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ("/bin/sh",)
    stop_signal: int = 15
    user: tuple[int, int] = (0, 0)
    groups: tuple[int, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A host path whose change makes a template stale.

    Attributes:
        path: Absolute; links are followed.
        mtime_ns: Modification time in nanoseconds; 0 with inode 0: it must not exist.
        inode: Inode number.
    """

    path: str
    mtime_ns: int
    inode: int

    def line(self) -> str:
        """The source as one line of the annotation: "MTIME_NS INODE PATH"."""
        return f"{self.mtime_ns} {self.inode} {self.path}"


def default_config(
    image: ImageFacts,
    *,
    owner: tuple[int, int],
    seccomp: SeccompProgram | None,
    sources: tuple[Source, ...] = (),
) -> dict[str, Any]:
    """The complete config.json of an image's launch template.

    No rlimits and no oomScoreAdj: a container that asks for none keeps those of its caller, who
    could not raise them anyway. The overlay's upper is left out: the launcher chooses disk or
    tmpfs for each start.

    Args:
        image: What the image brings.
        owner: uid and gid on the host that become root of the container.
        seccomp: The compiled default filter; None: no filter.
        sources: What makes the template stale.
    """
    return {
        "ociVersion": OCI_VERSION,
        "process": _process(image),
        "root": {"path": image.lowers[0], "readonly": False},
        "mounts": [_bind_mount(bind) for bind in image.binds] + _default_mounts(),
        "linux": _linux(owner, seccomp),
        "annotations": _annotations(image, seccomp, sources),
    }


def encode_config(config: Mapping[str, Any]) -> bytes:
    """The bytes of a config.json: compact, UTF-8, in the order given, newline at the end.

    The order counts: "mounts" is a sequence, and equal templates must have equal bytes.
    """
    return json.dumps(config, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _process(image: ImageFacts) -> dict[str, Any]:
    capabilities = list(DEFAULT_CAPABILITIES)
    user: dict[str, Any] = {"uid": image.user[0], "gid": image.user[1], "umask": 0o022}
    if image.groups:
        user["additionalGids"] = list(image.groups)
    return {
        "terminal": False,
        "user": user,
        "args": list(image.entrypoint + image.cmd),
        "env": list(image.env),
        "cwd": image.cwd,
        # inheritable and ambient stay empty (CVE-2022-29162 and its kin).
        "capabilities": {
            "bounding": capabilities,
            "effective": capabilities,
            "permitted": capabilities,
        },
        "noNewPrivileges": True,
    }


def _bind_mount(bind: Bind) -> dict[str, Any]:
    return {
        "destination": bind.path,
        "type": "bind",
        "source": bind.path,
        "options": ["rbind", "rro", "rnosuid", "rnodev"],
    }


def _default_mounts() -> list[dict[str, Any]]:
    """/proc, /dev and what lies in it, /sys: docker's, without gid=5 (that id is not mapped).

    /sys/fs/cgroup is not mounted: nothing is delegated to a container yet, and /sys without it
    shows an empty directory.  It comes last: it waits for the network namespace.
    """
    hardened = ["nosuid", "noexec", "nodev"]
    return [
        _mount("/proc", "proc", hardened),
        _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount(
            "/dev/pts",
            "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        ),
        _mount("/dev/mqueue", "mqueue", hardened),
        _mount("/dev/shm", "tmpfs", [*hardened, "mode=1777", "size=65536k"], source="shm"),
        _mount("/sys", "sysfs", [*hardened, "ro"]),
    ]


def _mount(
    destination: str, kind: str, options: list[str], source: str | None = None
) -> dict[str, Any]:
    return {
        "destination": destination,
        "type": kind,
        "source": source or kind,
        "options": options,
    }


def _linux(owner: tuple[int, int], seccomp: SeccompProgram | None) -> dict[str, Any]:
    uid, gid = owner
    section: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in NAMESPACES],
        "uidMappings": [{"containerID": 0, "hostID": uid, "size": 1}],
        "gidMappings": [{"containerID": 0, "hostID": gid, "size": 1}],
        "maskedPaths": list(MASKED_PATHS),
        "readonlyPaths": list(READONLY_PATHS),
    }
    if seccomp is not None:
        section["seccomp"] = dict(seccomp.section)
    return section


def _annotations(
    image: ImageFacts, seccomp: SeccompProgram | None, sources: tuple[Source, ...]
) -> dict[str, str]:
    """Source: docs/reference/annotations.md.

    Keyring "inherit": the default filter refuses keyring calls.
    """
    notes = {
        "io.pyrootless.template.version": TEMPLATE_VERSION,
        "io.pyrootless.template.sources": "\n".join(source.line() for source in sources),
        "io.pyrootless.image": image.name,
        "io.pyrootless.image.entrypoint": json.dumps(list(image.entrypoint)),
        "io.pyrootless.image.cmd": json.dumps(list(image.cmd)),
        "io.pyrootless.rootfs.lower": "\n".join(image.lowers),
        "io.pyrootless.stop-signal": str(image.stop_signal),
        "io.pyrootless.landlock": "1",
        "io.pyrootless.keyring": "inherit" if seccomp is not None else "new",
    }
    if seccomp is not None:
        notes["io.pyrootless.seccomp.program"] = str(seccomp.path)
        notes["io.pyrootless.seccomp.digest"] = seccomp.digest
    return notes | dict(image.notes)
