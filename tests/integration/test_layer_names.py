"""Layers of the store are named from where they lie; what cannot be named has descriptors.

In: images of a few and of many small layers.  Out: the root they make together, the options of
its mount as the container sees them, and the error when a layer is missing.
Never: an image of somebody else.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from image_layouts import Entry, directory, file, layer_tar, link, write_layout

Run = Callable[..., "subprocess.CompletedProcess[str]"]
FUSE = pytest.param("fuse-overlayfs", marks=pytest.mark.needs("fuse", "fuse-overlayfs"))
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids"))
UPPERS = [(), ("--ephemeral",)]
APPLETS = ("cat", "head", "ls", "sh", "stat", "wc")
PAGE_LAYERS = 53
"""So many names of 64 digits and /tree fit into the page of options beside the upper, with one
of 64 digits and /points-KEY."""

pytestmark = pytest.mark.needs("user-namespaces", "busybox")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A store and a runtime directory of this module's own."""
    base = tmp_path_factory.mktemp("names")
    (base / "run").mkdir(mode=0o700)
    return {"PYROOTLESS_ROOT": str(base / "store"), "XDG_RUNTIME_DIR": str(base / "run")}


def base_layer() -> list[Entry]:
    """A shell and what every root file system has."""
    busybox = Path(str(shutil.which("busybox"))).read_bytes()
    rows = [directory(name) for name in ("bin", "dev", "etc", "proc", "sys")]
    rows.append(file("bin/busybox", busybox, 0o755))
    return rows + [link(f"bin/{name}", "busybox") for name in APPLETS]


def layers_of(count: int) -> list[bytes]:
    """The base, and above it layers with one more file of /etc each; all write /etc/top."""
    above = [
        layer_tar([directory("etc"), file(f"etc/{n}"), file("etc/top", str(n).encode())])
        for n in range(1, count)
    ]
    return [layer_tar(base_layer()), *above]


def digests(layers: list[bytes]) -> list[str]:
    """Their diff IDs, the top-most first."""
    return [hashlib.sha256(layer).hexdigest() for layer in reversed(layers)]


def start(pyrootless: Run, own: dict[str, str], *words: str) -> str:
    done = pyrootless("run", "--rm", *words, env=own)
    assert (done.returncode, done.stderr) == (0, "")
    return str(done.stdout)


def lowers(row: str) -> list[str]:
    """The layers in the options of the root's mount."""
    found = re.search(r"[ ,]lowerdir=([^, ]*)", row)
    assert found is not None
    return found[1].split(":")


@pytest.mark.parametrize("upper", UPPERS, ids=["disk", "tmpfs"])
def test_layers_are_named_by_their_digests(
    pyrootless: Run, own: dict[str, str], tmp_path: Path, upper: tuple[str, ...]
) -> None:
    """Above them their mount points, over which an upper in memory lies: by descriptor."""
    layers = layers_of(3)
    write_layout(tmp_path, "1", layers)
    script = "head -n 1 /proc/self/mountinfo; cat /etc/top; ls /etc/1 /etc/2"
    row, *seen = start(
        pyrootless, own, *upper, f"oci:{tmp_path}:1", "sh", "-c", script
    ).splitlines()
    assert seen == ["2/etc/1", "/etc/2"]
    named = [f"{digest}/tree" for digest in digests(layers)]
    first, *others = lowers(row)
    assert others == named
    points = rf"{digests(layers)[0]}/points-[0-9a-f]{{12}}"
    assert re.fullmatch(r"/proc/self/fd/[0-9]+" if upper else points, first)
    assert own["PYROOTLESS_ROOT"] not in row


@pytest.mark.parametrize("upper", UPPERS, ids=["disk", "tmpfs"])
def test_one_layer_is_where_the_mount_is_made_from(
    pyrootless: Run, own: dict[str, str], upper: tuple[str, ...]
) -> None:
    words = (*upper, "host", "head", "-n", "1", "/proc/self/mountinfo")
    row = start(pyrootless, own, *words)
    assert lowers(row) == ["."]
    assert own["PYROOTLESS_ROOT"] not in row


@pytest.mark.parametrize("upper", UPPERS, ids=["disk", "tmpfs"])
@pytest.mark.parametrize("more", [0, 1], ids=["names", "descriptors"])
def test_where_the_page_of_options_ends(
    pyrootless: Run, own: dict[str, str], tmp_path: Path, more: int, upper: tuple[str, ...]
) -> None:
    """One layer more than has room by name: all have descriptors."""
    layers = layers_of(PAGE_LAYERS + more)
    write_layout(tmp_path, "1", layers)
    script = "head -n 1 /proc/self/mountinfo; ls /etc | wc -l"
    row, count = start(
        pyrootless, own, *upper, f"oci:{tmp_path}:1", "sh", "-c", script
    ).splitlines()
    last = digests(layers)[-1]
    assert lowers(row)[-1] == f"{last}/tree" if not more else lowers(row)[-1].isdigit()
    own_files = 4  # hosts, hostname, mtab, resolv.conf
    assert int(count) == len(layers) + own_files  # one each but the base; top


@pytest.mark.parametrize("upper", UPPERS, ids=["disk", "tmpfs"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("which", [0, -1], ids=["top", "bottom"])
def test_a_missing_layer_is_named(
    pyrootless: Run,
    own: dict[str, str],
    tmp_path: Path,
    which: int,
    count: int,
    upper: tuple[str, ...],
) -> None:
    own_file = file(f"{count}{which}{upper}")  # or another round would have the same image
    layers = [*layers_of(count)[:-1], layer_tar([*base_layer(), own_file])]
    write_layout(tmp_path, "1", layers)
    name = f"lost-{count}{which}{len(upper)}"
    done = pyrootless("pull", f"oci:{tmp_path}:1", env=own)
    image = done.stdout.split()[-1]
    start(pyrootless, own, image, "ls")
    tree = Path(own["PYROOTLESS_ROOT"], "layers", digests(layers)[which], "tree")
    tree.rename(tree.with_name(name))
    try:
        done = pyrootless("run", "--rm", *upper, image, "ls", env=own)
    finally:
        tree.with_name(name).rename(tree)
    assert done.returncode == 125
    assert f"rootfs: open({tree}): No such file or directory" in done.stderr


# Mount points: in a layer of their own above all others.


ROWS = "stat -c '%n %a %Y' /etc; ls -A /dev /proc/1 /sys > /dev/null; wc -c < /etc/passwd"


def upper_of(own: dict[str, str], name: str) -> list[str]:
    """What a kept container's upper holds."""
    upper = Path(own["PYROOTLESS_ROOT"], "names", name, "upper")
    return sorted(str(path.relative_to(upper)) for path in upper.rglob("*"))


@pytest.mark.parametrize("driver", ["overlay", FUSE])
@pytest.mark.parametrize("userns", ["single", RANGE])
def test_a_start_makes_nothing_in_its_upper(
    pyrootless: Run, own: dict[str, str], tmp_path: Path, driver: str, userns: str
) -> None:
    rows = [row for row in base_layer() if row.path not in ("dev", "etc", "proc", "sys")]
    rows += [
        directory("etc", 0o711, mtime=1_500_000_000),
        file("etc/passwd", b"root:x:0:0::/:"),
    ]
    write_layout(tmp_path, "1", [layer_tar(rows), layer_tar([file("more")])])
    name = f"quiet-{driver}-{userns}"
    options = (f"--storage-driver={driver}", f"--userns={userns}", f"--name={name}")
    done = pyrootless("run", *options, f"oci:{tmp_path}:1", "sh", "-c", ROWS, env=own)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[0].split() == ["/etc", "711", "1500000000"]
    assert upper_of(own, name) == []
    pyrootless("rm", name, env=own)


@pytest.mark.parametrize("driver", ["overlay", FUSE])
def test_what_an_image_has_below_dev_is_not_seen(
    pyrootless: Run, own: dict[str, str], tmp_path: Path, driver: str
) -> None:
    """As ever: something is mounted on it."""
    write_layout(tmp_path, "1", [layer_tar([*base_layer(), file("dev/left", b"behind")])])
    options = ("--rm", f"--storage-driver={driver}")
    words = (f"oci:{tmp_path}:1", "sh", "-c", "ls /dev/left /proc/self/status")
    done = pyrootless("run", *options, *words, env=own)
    assert done.stdout == "/proc/self/status\n"


def test_a_link_for_a_system_directory_still_ends_the_start(
    pyrootless: Run, own: dict[str, str], tmp_path: Path
) -> None:
    rows = [row for row in base_layer() if row.path != "dev"]
    write_layout(tmp_path, "1", [layer_tar([*rows, link("dev", "tmp")])])
    done = pyrootless("run", "--rm", f"oci:{tmp_path}:1", "ls", env=own)
    assert done.returncode == 125
    assert "/dev" in done.stderr


def test_localhost_has_a_name_where_nothing_is_mounted(
    pyrootless: Run, own: dict[str, str], tmp_path: Path
) -> None:
    """A file without it would keep a distribution from writing its own."""
    write_layout(tmp_path, "1", [layer_tar(base_layer())])
    words = ("--network=host", f"oci:{tmp_path}:1", "head", "-n", "1", "/etc/hosts")
    assert start(pyrootless, own, *words) == "127.0.0.1\tlocalhost\n"


def test_the_images_own_hosts_is_its_own(
    pyrootless: Run, own: dict[str, str], tmp_path: Path
) -> None:
    """Seen where nothing is mounted on it."""
    rows = [*base_layer(), file("etc/hosts", b"10.0.0.1 db\n")]
    write_layout(tmp_path, "1", [layer_tar(rows)])
    words = ("--network=host", f"oci:{tmp_path}:1", "cat", "/etc/hosts")
    assert start(pyrootless, own, *words) == "10.0.0.1 db\n"
