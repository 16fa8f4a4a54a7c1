"""Files and variables that docker puts into a container, whatever the image has.

In: an image of busybox without them, the image `host`.  Out: what programs inside read.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import small_image

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))
MAPS = pytest.mark.parametrize("ids", ["single", RANGE])
LOCAL = "127.0.0.1\tlocalhost"


@pytest.fixture
def image(pyrootless: Run, tmp_path: Path) -> str:
    """An image whose /etc has none of these files."""
    small_image.write_root(tmp_path / "root.tar")
    done = pyrootless("import", tmp_path / "root.tar", "etc:1")
    assert done.returncode == 0, done.stderr
    return "etc:1"


@pytest.fixture
def shell(pyrootless: Run) -> Callable[..., list[str]]:
    """shell(script, *options, image): what a script printed, in lines."""

    def call(script: str, *words: str) -> list[str]:
        done = pyrootless("run", "--rm", *words, "sh", "-c", script)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return call


@MAPS
def test_the_files_are_there(shell: Callable[..., list[str]], image: str, ids: str) -> None:
    script = (
        "head -n 1 /etc/hosts; cat /etc/hostname; wc -c </etc/resolv.conf; "
        "busybox readlink /etc/mtab; stat -c '%a %s %F' /.dockerenv"
    )
    expected = [LOCAL, "box", "0", "/proc/mounts", "755 0 regular empty file"]
    assert shell(script, f"--userns={ids}", "-h", "box", image) == expected


def test_the_name_is_the_containers(pyrootless: Run, image: str, tmp_path: Path) -> None:
    for name in (image, "host"):
        file = tmp_path / name.partition(":")[0]
        script = "cat /etc/hostname; env | busybox grep ^HOSTNAME="
        done = pyrootless("run", "--rm", "--cidfile", file, name, "sh", "-c", script)
        short = file.read_text()[:12]
        assert done.stdout.splitlines() == [short, f"HOSTNAME={short}"]


def test_a_file_of_the_images_is_bound_over_by_an_option(
    pyrootless: Run, shell: Callable[..., list[str]], tmp_path: Path
) -> None:
    small_image.FILES["etc/hostname"] = b"builder\n"
    try:
        small_image.write_root(tmp_path / "root.tar")
    finally:
        del small_image.FILES["etc/hostname"]
    assert pyrootless("import", tmp_path / "root.tar", "etc:named").returncode == 0
    assert shell("cat /etc/hostname", "etc:named") == ["builder"]
    assert shell("cat /etc/hostname", "-h", "box", "etc:named") == ["box"]


@pytest.mark.parametrize(
    "mount",
    [("--tmpfs", "/etc"), ("--tmpfs", "/etc/:size=1m"), ("--mount", "type=tmpfs,dst=/etc")],
)
def test_a_tmpfs_on_etc_hides_none_of_them(
    shell: Callable[..., list[str]], image: str, mount: tuple[str, ...]
) -> None:
    script = "ls /etc; head -n 1 /etc/hosts; cat /etc/hostname; cat /etc/resolv.conf"
    words = (*mount, "-h", "box", "--dns", "192.0.2.1", image)
    seen = shell(script, *words)
    assert seen == ["hostname", "hosts", "resolv.conf", LOCAL, "box", "nameserver 192.0.2.1"]


def test_a_directory_on_etc_has_those_that_it_names(
    shell: Callable[..., list[str]], image: str, tmp_path: Path
) -> None:
    """Nothing is made in a directory of the caller's, and nothing of it is written."""
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "hosts").write_text("mine\n")
    for mode in ("rw", "ro"):
        volume = ("-v", f"{etc}:/etc:{mode}", "-h", "box", image)
        assert shell("ls /etc; head -n 1 /etc/hosts", *volume) == ["hosts", LOCAL]
    assert [path.name for path in etc.iterdir()] == ["hosts"]
    assert (etc / "hosts").read_text() == "mine\n"
