"""Unpacked layers under the kernel's overlay: what is hidden, and what hides it.

In: layers unpacked here, mounted in a user namespace with `userxattr`, as the launcher mounts
them.  Out: what a process sees.  Both forms of whiteouts are tried: the second in a process
for which mknod is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tar_builder import END, directory, member, symlink

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
UNPACK = """
import sys
from pathlib import Path
from pyrootless.images.layers.unpacking import unpack_layer

class Writer:
    def __init__(self, directory):
        self.directory = directory
    def commit(self, diff_id):
        pass

with open(sys.argv[1], "rb") as stream:
    unpack_layer([stream.read()], Writer(Path(sys.argv[2])), "", expected_diff_id=None)
"""
LOOK = 'mount -t overlay -o "userxattr,lowerdir=$1" overlay "$2" && cd "$2" && find . | sort'

LOWER = directory("d") + member("d/old", b"1") + member("d/kept", b"2") + directory("gone")
LOWER += member("gone/inner", b"3") + member("file", b"4") + directory("again")
LOWER += member("again/old", b"5") + directory("opaque") + member("opaque/old", b"6")
LOWER += symlink("link", "file") + directory("late") + member("late/old", b"7")
UPPER = member("d/.wh.old") + member(".wh.gone") + member(".wh.link") + member(".wh.again")
UPPER += member("again/new", b"8") + member("opaque/.wh..wh..opq") + member("opaque/new", b"9")
# Out of order: whiteouts first, then what makes their directory opaque.
UPPER += member("late/.wh.old") + member("late/new", b"10") + member("late/.wh..wh..opq")
SEEN = """\
.
./again
./again/new
./d
./d/kept
./file
./late
./late/new
./opaque
./opaque/new
"""

pytestmark = pytest.mark.needs("gcc", "user-namespaces", "unshare")


@pytest.fixture(scope="module")
def deny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/faults/deny.c, compiled."""
    target = tmp_path_factory.mktemp("deny") / "deny"
    source = ROOT / "tests" / "faults" / "deny.c"
    words = ["gcc", "-O1", str(source), "-o", str(target)]
    subprocess.run(words, check=True, timeout=SECONDS)
    return target


def unpack(data: bytes, layer: Path, before: list[str]) -> None:
    layer.mkdir()
    archive = layer.with_suffix(".tar")
    archive.write_bytes(data + END)
    words = [*before, sys.executable, "-c", UNPACK, str(archive), str(layer)]
    subprocess.run(words, check=True, timeout=SECONDS)


@pytest.mark.parametrize("form", ["device", "attribute"])
def test_what_is_hidden(form: str, deny: Path, tmp_path: Path) -> None:
    before = [str(deny), "mknodat", "--"] if form == "attribute" else []
    unpack(LOWER, tmp_path / "lower", [])
    unpack(UPPER, tmp_path / "upper", before)
    whiteout = (tmp_path / "upper/tree/gone").lstat()
    assert (whiteout.st_rdev == 0, whiteout.st_size) == (True, 0)
    attributes = os.listxattr(tmp_path / "upper/tree/gone", follow_symlinks=False)
    assert attributes == (["user.overlay.whiteout"] if form == "attribute" else [])
    (tmp_path / "merged").mkdir()
    lowers = f"{tmp_path}/upper/tree:{tmp_path}/lower/tree"
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", LOOK, "look"]
    done = subprocess.run(
        [*inside, lowers, str(tmp_path / "merged")],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.stdout, done.stderr) == (SEEN, "")
