"""The command lines that are compared, and the place they need.

In: a working directory, the compiled floor, the launcher and the interpreter under test.
Out: candidates for harness.py, each with a note of what it leaves out.
Never: a peer slowed down by options it does not need; a peer's own wrapper inside the timing.

All peers start the same static program, `busybox true`, from the same small root file system
where they take one.  The built-in image `host` shows the machine's own busybox: the same file.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import machine
from harness import Candidate

HERE = Path(__file__).resolve().parent
COMPILE_SECONDS = 120
TOUCHED_MIB = (0, 100, 500, 2000)
"""Memory that the calling Python process has touched, for the sweep."""

VERSIONS = {
    "busybox": ("busybox", "--help"),
    "unshare": ("unshare", "--version"),
    "bwrap": ("bwrap", "--version"),
    "crun": ("crun", "--version"),
    "runc": ("runc", "--version"),
    "podman": ("podman", "--version"),
    "nsjail": ("nsjail", "--version"),
}
"""Peer → command that prints its version on the first line."""

_C_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
_DIRECTORIES = ("bin", "dev", "etc", "proc", "sys", "tmp")
_MASKED = ("acpi", "asound", "kcore", "keys", "latency_stats", "timer_list", "sched_debug")
_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_FLOOR = "all but the seven namespaces and the id map"
_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_NAMESPACES = ("user", "mount", "pid", "ipc", "uts", "cgroup", "network")


class PeersError(Exception):
    """The place cannot be made; the text says what to do."""


@dataclass(frozen=True)
class Place:
    """Where candidates live.

    Attributes:
        base: working directory of this run, ours alone.
        rootfs: small root file system: busybox and empty directories.
        busybox: the machine's statically linked busybox.
        floor: the compiled floor; `shared`: the same as a shared library.
        launcher: the `pyrootless` executable; need not exist.
        python: interpreter that can `import pyrootless`.
    """

    base: Path
    rootfs: Path
    busybox: Path
    floor: Path
    shared: Path
    launcher: Path
    python: Path


def prepare(base: Path, launcher: Path, python: Path) -> Place:
    """Make the root file system, the bundles and the floor below `base`.

    Raises:
        PeersError: no static busybox, or no compiler.
        OSError: `base` cannot be written.
    """
    busybox = find_busybox()
    rootfs = base / "rootfs"
    for name in _DIRECTORIES:
        (rootfs / name).mkdir(parents=True)
    shutil.copy2(busybox, rootfs / "bin" / "busybox")
    floor, shared = build_floor(base)
    place = Place(base, rootfs, busybox, floor, shared, launcher, python)
    for peer in ("crun", "runc"):
        bundle = base / peer
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(bundle_config(place), indent=1))
    return place


def find_busybox() -> Path:
    """A busybox that runs in an empty root.  Raises PeersError."""
    found = shutil.which("busybox", path="/usr/bin:/bin")
    if found and b"/ld-" not in Path(found).read_bytes()[:4096]:
        return Path(found)
    raise PeersError(
        "bench: no statically linked busybox in /usr/bin or /bin; "
        "`make bench-setup` installs it (Debian: apt-get install busybox-static)"
    )


def build_floor(base: Path) -> tuple[Path, Path]:
    """Compile floor.c: the program with musl where there is one, and the library.

    Raises:
        PeersError: no compiler, or it refused.
    """
    source, floor, library = HERE / "floor.c", base / "floor", base / "libfloor.so"
    musl = ["musl-gcc"] if shutil.which("musl-gcc") else ["gcc"]
    shared = ["-DFLOOR_LIBRARY", "-shared", "-fPIC", "-fvisibility=hidden"]
    _compile([*musl, *_C_FLAGS, "-static", "-s", str(source), "-o", str(floor)])
    _compile(["gcc", *_C_FLAGS, *shared, str(source), "-o", str(library)])
    return floor, library


def _compile(argv: list[str]) -> None:
    try:
        subprocess.run(
            argv, check=True, capture_output=True, text=True, timeout=COMPILE_SECONDS
        )
    except FileNotFoundError:
        raise PeersError(
            f"bench: {argv[0]} is not on PATH (Debian: apt-get install gcc libc6-dev)"
        ) from None
    except subprocess.CalledProcessError as error:
        raise PeersError(f"bench: {' '.join(argv)}:\n{error.stderr}") from None


def bundle_config(place: Place) -> dict[str, object]:
    """config.json for the OCI runtimes: what `crun spec --rootless` and `runc spec --rootless`
    have in common, with all seven namespaces and one uid.

    No seccomp: the runtimes would compile it at every start, which is their way and not the
    work of a start.  Source: the OCI runtime specification, config.md and config-linux.md.
    """
    capabilities = {
        kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted", "ambient")
    }
    return {
        "ociVersion": "1.0.0",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/busybox", "true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": capabilities,
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": str(place.rootfs), "readonly": True},
        "hostname": "bench",
        "mounts": _bundle_mounts(),
        "linux": {
            "uidMappings": [{"containerID": 0, "hostID": os.getuid(), "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": os.getgid(), "size": 1}],
            "namespaces": [{"type": name} for name in _NAMESPACES],
            "maskedPaths": [*(f"/proc/{name}" for name in _MASKED), "/sys/firmware"],
            "readonlyPaths": [f"/proc/{name}" for name in _READ_ONLY],
        },
    }


def _bundle_mounts() -> list[dict[str, object]]:
    """The mounts of a default rootless configuration, but /sys/fs/cgroup."""
    quiet = ["nosuid", "noexec", "nodev"]
    rows: list[tuple[str, str, str, list[str]]] = [
        ("/proc", "proc", "proc", quiet),
        ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        (
            "/dev/pts",
            "devpts",
            "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        ),
        ("/dev/shm", "tmpfs", "shm", [*quiet, "mode=1777", "size=65536k"]),
        ("/dev/mqueue", "mqueue", "mqueue", quiet),
        ("/sys", "sysfs", "sysfs", [*quiet, "ro"]),
    ]
    return [
        {"destination": at, "type": kind, "source": source, "options": options}
        for at, kind, source, options in rows
    ]


def _peer(name: str, package: str, argv: list[str], leaves_out: str) -> Candidate:
    """A candidate whose argv[0] is looked for; absent with the words that bring it."""
    found = shutil.which(argv[0])
    missing = "" if found else f"{argv[0]} is not on PATH (Debian: apt-get install {package})"
    return Candidate(
        name, (found or argv[0], *argv[1:]), leaves_out=leaves_out, unavailable=missing
    )


def floors(place: Place) -> list[Candidate]:
    """What no container tool can be faster than."""
    program = [str(place.busybox), "true"]
    floor = str(place.floor)
    return [
        Candidate("spawn", (*program,), "everything: posix_spawn, wait"),
        Candidate(
            "spawn-dynamic",
            (shutil.which("true") or "/bin/true",),
            "everything; a dynamically linked true",
        ),
        Candidate(
            "floor-exec",
            (floor, "--spawn", *program),
            "everything: a static program that starts another (clone3, exec, wait)",
        ),
        Candidate(
            "floor",
            (floor, *program),
            f"{_FLOOR}: no mount, no root, no capability dropped, no filter, no limit, "
            "loopback down",
        ),
    ]


def namespaces(place: Place) -> list[Candidate]:
    """Tools that are not OCI runtimes."""
    inside = ["/bin/busybox", "true"]
    unshare = "--user --map-root-user --mount --pid --ipc --uts --net --cgroup --fork"
    rootfs = str(place.rootfs)
    usual = ["--unshare-all", "--proc", "/proc", "--dev", "/dev"]
    filters = "filter, limits, masked paths, /sys, mqueue"
    return [
        _peer(
            "unshare",
            "util-linux",
            ["unshare", *unshare.split(), str(place.busybox), "true"],
            "root, mounts, capabilities, filter, limits, loopback: namespaces and map alone",
        ),
        _peer(
            "bwrap",
            "bubblewrap",
            ["bwrap", *usual[:1], "--ro-bind", rootfs, "/", *usual[1:], *inside],
            f"overlay (read-only root), {filters}",
        ),
        _peer(
            "bwrap-overlay",
            "bubblewrap",
            [
                *("bwrap", *usual[:1], "--overlay-src", rootfs, "--tmp-overlay", "/"),
                *(*usual[1:], *inside),
            ],
            f"{filters}; the nearest to a container with a writable root",
        ),
        _peer(
            "nsjail",
            "nsjail",
            ["nsjail", "-Mo", "-Q", "--chroot", rootfs, "--", *inside],
            "overlay (read-only root), filter, masked paths, mqueue",
        ),
    ]


def runtimes(place: Place) -> list[Candidate]:
    """OCI runtimes, and podman on top of one."""
    missing = "overlay (read-only root), filter, limits, image, store, log"
    crun = ["crun", "--cgroup-manager=disabled", f"--root={place.base / 'crun-state'}"]
    runc = ["runc", f"--root={place.base / 'runc-state'}"]
    podman = ["podman", f"--root={place.base / 'podman'}", "run", "--rm", "--network=none"]
    return [
        _peer(
            "crun",
            "crun",
            [*crun, "run", f"--bundle={place.base / 'crun'}", "bench"],
            f"{missing}, loopback; --cgroup-manager=disabled",
        ),
        _peer(
            "runc",
            "runc",
            [*runc, "run", f"--bundle={place.base / 'runc'}", "bench"],
            f"{missing}",
        ),
        _peer(
            "podman",
            "podman",
            [*podman, "--rootfs", f"{place.rootfs}:O", "/bin/busybox", "true"],
            "image (--rootfs :O); adds a log and a monitor process that outlives the command",
        ),
    ]


def launcher_missing(place: Place) -> str:
    """Why the launcher cannot be measured; "" when it can be tried."""
    try:
        mode = place.launcher.stat().st_mode
    except OSError:
        return f"{place.launcher} is not there: `make build`"
    return "" if stat.S_ISREG(mode) and mode & 0o111 else f"{place.launcher}: not a program"


FULL = "limits (none asked for)"
INSIDE = ("busybox", "true")
LAUNCHER: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("pyrootless", ("--rm", "--ephemeral", "host", *INSIDE), FULL),
    ("pyrootless-init", ("--rm", "--ephemeral", "--init", "host", *INSIDE), FULL),
    (
        "pyrootless-rootfs",
        ("--rm", "--ephemeral", "--rootfs", "{rootfs}:O", "/bin/busybox", "true"),
        f"{FULL}; the peers' root file system, under an overlay",
    ),
    (
        "pyrootless-dynamic",
        ("--rm", "--ephemeral", "host", "true"),
        f"{FULL}; the program of spawn-dynamic",
    ),
    (
        "pyrootless-range-holder",
        ("--rm", "--ephemeral", "--userns=range", "host", *INSIDE),
        f"{FULL}; many ids, by the holder that the warm-up left",
    ),
)
"""The product from the command line: name, words after `run`, what is left out."""

_LIMITS = ("--memory=256m", "--pids-limit=100")
KEPT: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("pyrootless-disk", ("--rm", "host", *INSIDE), f"{FULL}; upper on disk"),
    (
        "pyrootless-range",
        ("--rm", "--ephemeral", "--userns=range", "--no-holder", "host", *INSIDE),
        f"{FULL}; many ids, by newuidmap",
    ),
    LAUNCHER[-1],
    (
        "pyrootless-pasta",
        ("--rm", "--ephemeral", "--network=pasta", "host", *INSIDE),
        f"{FULL}; with a network, by pasta",
    ),
    (
        "pyrootless-limits-{version}",
        ("--rm", "--ephemeral", *_LIMITS, "host", *INSIDE),
        "nothing; memory and processes limited by control groups",
    ),
)
"""The same with what costs more."""


def _own(place: Place, rows: Iterable[tuple[str, tuple[str, ...], str]]) -> list[Candidate]:
    """Candidates of rows as above."""
    missing, version = launcher_missing(place), machine.delegated_version()
    found = []
    for name, words, note in rows:
        argv = [word.replace("{rootfs}", str(place.rootfs)) for word in words]
        found.append(
            Candidate(
                name.replace("{version}", str(version or "none")),
                (str(place.launcher), "run", *argv),
                note,
                unavailable=missing,
            )
        )
    return found


def launcher(place: Place) -> list[Candidate]:
    """The product from the command line."""
    return _own(place, LAUNCHER)


def kept(place: Place) -> list[Candidate]:
    """The same with what costs more."""
    return _own(place, KEPT)


def in_process(place: Place, available_bytes: int) -> list[Candidate]:
    """Starts made by a long-lived process, without a program of ours for each of them.

    Args:
        available_bytes: memory that may be touched in all; the sweep leaves out what would
            need more, and says so.
    """
    program = (str(place.busybox), "true")
    inside, full = ("busybox", "true"), "limits (none asked for)"
    missing = launcher_missing(place)
    rows = [
        Candidate("c-floor", (str(place.floor), "--serve", *program), _FLOOR, worker=True),
        _python(place, "python-floor", ("floor", *program), _FLOOR),
        _python(place, "python-launch", ("launch", *inside), f"{full}; no output captured"),
        _python(place, "python-pool", ("pool", *inside), f"{full}; prepared beforehand"),
    ]
    for touched in TOUCHED_MIB:
        available_bytes -= (touched + 100) << 20
        short = "" if available_bytes > 0 else f"not enough free memory to touch {touched} MiB"
        name, ballast = f"python-run-{touched}", ("--touched-mib", str(touched))
        found = _python(place, name, (*ballast, "run", *inside), full)
        rows.append(replace(found, unavailable=missing or short))
    rows[2:4] = [replace(row, unavailable=missing) for row in rows[2:4]]
    return [*rows, *_subprocess_peers(place)]


def _python(place: Place, name: str, words: tuple[str, ...], note: str) -> Candidate:
    shared = ("--library", str(place.shared))
    argv = (str(place.python), "-B", str(HERE / "inproc.py"), "--serve", *shared, *words)
    return Candidate(name, argv, note, worker=True)


def _subprocess_peers(place: Place) -> list[Candidate]:
    """What a Python program does without us: subprocess.run of a peer."""
    found = [*namespaces(place), *runtimes(place)]
    return [
        replace(
            _python(place, f"python-{peer.name}", ("subprocess", *peer.argv), peer.leaves_out),
            unavailable=peer.unavailable,
        )
        for peer in found
        if peer.name in ("bwrap", "crun")
    ]


def environment(place: Place, current: Mapping[str, str]) -> dict[str, str]:
    """What every candidate gets: little, and the same."""
    kept = ("PATH", "HOME", "USER", "LANG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
    env = {name: current[name] for name in kept if name in current}
    # The holder outlives the rounds, but not the bench by much.
    env["PYROOTLESS_HOLDER_IDLE"] = "30"
    return {**env, "PYROOTLESS_ROOT": str(place.base / "store")}
