"""The machine's disk, kernel and initial RAM disk, made from the distribution's packages.

In: the files below guest/, names of further packages, a mirror.
Out: base.raw, vmlinuz, initrd, an ssh key and known_hosts in CACHE, and image.json about them.
Never: root, a mount, a half-made image: everything is renamed into place at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import initrd
from base import CACHE, HERE, Failure, checked, log

GUEST = HERE / "guest"
SUITE = "trixie"
DISK_BYTES = 8 << 30
FILES = ("base.raw", "initrd", "vmlinuz", "id_ed25519", "known_hosts")

PACKAGES = """
systemd systemd-sysv udev dbus-user-session libpam-systemd kmod procps iproute2
iputils-ping linux-sysctl-defaults openssh-server ca-certificates apparmor strace busybox-static
uidmap fuse3 fuse-overlayfs slirp4netns passt crun bubblewrap nftables
python3 python3-venv python3-pytest gcc libc6-dev libseccomp2 libseccomp-dev
""".split()

# The kernel without its package's hooks: the initial RAM disk is our own.
FETCH_KERNEL = (
    'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; '
    'k=$(apt-cache depends linux-image-amd64 | sed -n "s/.*Depends: //p" | head -1); '
    'cd "$1/root" && apt-get -q download "$k" && dpkg-deb -x "$k"_*.deb "$1/root/k" && '
    'rm -f "$k"_*.deb && mv "$1"/root/k/boot/vmlinuz-* "$1/boot/vmlinuz" && '
    'mkdir -p "$1/usr/lib/modules" && '
    'cp -a "$1"/root/k/usr/lib/modules/. "$1/usr/lib/modules/" && '
    'rm -rf "$1/root/k" && chroot "$1" depmod "$(ls "$1/usr/lib/modules")"'
)


@dataclass(frozen=True, slots=True)
class Image:
    """What image.json says.

    Attributes:
        recipe: digest of all it was made from.
        extra: packages beyond PACKAGES.
        seconds: how long it took.
    """

    recipe: str
    extra: tuple[str, ...]
    seconds: float


def find_image() -> Image | None:
    """The image in the cache; None: there is none."""
    try:
        row = json.loads((CACHE / "image.json").read_text())
    except FileNotFoundError:
        return None
    return Image(row["recipe"], tuple(row["extra"]), row["seconds"])


def require_image() -> Image:
    """The image in the cache.  Raises Failure when there is none."""
    if found := find_image():
        return found
    raise Failure(f"no image in {CACHE}: run `tests/vm/vm.py build` first")


def guest_files() -> list[Path]:
    """The files that are put over the plain system, in one order."""
    return sorted(path for path in GUEST.rglob("*") if path.is_file())


def recipe_of(extra: Sequence[str]) -> str:
    """A digest of all that an image is made from."""
    parts = (SUITE, DISK_BYTES, PACKAGES, sorted(extra), initrd.MODULES)
    digest = hashlib.sha256(repr(parts).encode())
    for path in guest_files():
        digest.update(str(path.relative_to(GUEST)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def build_lock() -> Iterator[None]:
    """One build or snapshot at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build_image(extra: Sequence[str], mirror: str | None) -> None:
    """Make an image and put it into the cache; snapshots of the old one go."""
    start = time.monotonic()
    # Below the cache and not /tmp: the unpacked system needs about 2 GB.
    with tempfile.TemporaryDirectory(prefix="build-", dir=CACHE) as name:
        work = Path(name)
        log(f"installing {len(PACKAGES) + len(extra)} packages of Debian {SUITE} (mmdebstrap)")
        rootfs = _bootstrap(work, extra, mirror)
        log(f"making the disk ({time.monotonic() - start:.0f} s so far)")
        _make_disk(rootfs, work / "base.raw")
        initrd.make_initrd(rootfs, work / "initrd")
        kind, key = (work / "hostkey.pub").read_text().split()[:2]
        (work / "known_hosts").write_text(f"vm {kind} {key}\n")
        shutil.rmtree(CACHE / "snapshots", ignore_errors=True)
        (CACHE / "image.json").unlink(missing_ok=True)
        for file in FILES:
            (work / file).replace(CACHE / file)
    seconds = round(time.monotonic() - start, 1)
    row = {"recipe": recipe_of(extra), "extra": list(extra), "seconds": seconds}
    (CACHE / "image.json").write_text(json.dumps(row, indent=1) + "\n")
    log(f"image built in {seconds} s")


def _bootstrap(work: Path, extra: Sequence[str], mirror: str | None) -> Path:
    """Install the packages; returns the root file system as a tar file, vmlinuz beside it."""
    for name in ("hostkey", "id_ed25519"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "pyrootless-vm"]
        checked([*words, "-f", work / name])
    overlay = _overlay(work)
    # mmdebstrap's unshare mode reads and writes as another user.
    work.chmod(0o755)
    overlay.chmod(0o644)
    boot = work / "boot"
    boot.mkdir()
    boot.chmod(0o777)
    rootfs = work / "root.tar"
    command: list[str | Path] = [
        *("mmdebstrap", "--variant=minbase", "--format=tar", "--quiet"),
        "--include=" + ",".join([*PACKAGES, *extra]),
        '--aptopt=APT::Install-Recommends "false"',
        # A mirror that stands still serves a machine for tests as well as a fresh one.
        *(f'--aptopt=Acquire::Check-{name} "false"' for name in ("Valid-Until", "Date")),
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")),
        "--customize-hook=" + FETCH_KERNEL,
        f"--customize-hook=tar-in {overlay} /",
        '--customize-hook=chroot "$1" sh -eu /usr/local/lib/vm/setup',
        f"--customize-hook=copy-out /boot/vmlinuz {boot}",
        *(SUITE, rootfs),
    ]
    checked([*command, mirror] if mirror else command)
    (boot / "vmlinuz").replace(work / "vmlinuz")
    return rootfs


def _overlay(work: Path) -> Path:
    """Everything that is put over the plain system, owned by root, as a tar file."""
    out = work / "overlay.tar"
    with tarfile.open(out, "w") as tar:

        def add(name: str, data: bytes, mode: int) -> None:
            info = tarfile.TarInfo(f"./{name}")
            info.size, info.mode, info.mtime = len(data), mode, int(time.time())
            tar.addfile(info, io.BytesIO(data))

        for path in guest_files():
            data = path.read_bytes()
            mode = 0o755 if data.startswith(b"#!") else 0o644
            add(str(path.relative_to(GUEST)), data, mode)
        add("etc/ssh/ssh_host_ed25519_key", (work / "hostkey").read_bytes(), 0o600)
        add("etc/ssh/ssh_host_ed25519_key.pub", (work / "hostkey.pub").read_bytes(), 0o644)
        key = (work / "id_ed25519.pub").read_bytes()
        add("usr/local/lib/vm/authorized_keys", key, 0o644)
    return out


def _make_disk(rootfs: Path, disk: Path) -> None:
    """A sparse raw disk with an ext4 file system of the tar file's content."""
    with disk.open("wb") as handle:
        os.truncate(handle.fileno(), DISK_BYTES)
    form = ["-t", "ext4", "-O", "^has_journal", "-m", "0", "-L", "vm"]
    options = ["-E", "lazy_itable_init=1,root_owner=0:0", "-d", str(rootfs)]
    checked(["mke2fs", "-q", "-F", *form, *options, disk])
