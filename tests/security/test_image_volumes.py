"""VOLUMEs of hostile images: what is copied into a volume comes out of the image's own root.

In: images whose links lead to a directory of the host, or to places of their own.
Out: what the container finds in its volumes, and what is left on the host.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
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


def write_links(path: Path, outside: Path) -> None:
    """An image in which the path of a directory of the host is one of its own as well."""
    small_image.write_root(path)
    own = str(outside).lstrip("/")
    with tarfile.open(path, "a") as made:
        for part in [*reversed(Path(own).parents)][1:] + [Path(own)]:
            row = tarfile.TarInfo(str(part))
            row.type, row.mode = tarfile.DIRTYPE, 0o755
            made.addfile(row)
        data = b"of the image\n"
        row = tarfile.TarInfo(f"{own}/file")
        row.size, row.mode = len(data), 0o644
        made.addfile(row, io.BytesIO(data))
        for name, target in (
            ("whole", str(outside)),
            ("up", f"../../../../../..{outside}"),
            ("d/link", f"{outside}/file"),
        ):
            row = tarfile.TarInfo(name)
            row.type, row.linkname = tarfile.SYMTYPE, target
            made.addfile(row)


@pytest.mark.parametrize("place", ["/whole", "/up"])
def test_a_link_in_the_place_of_a_volume_leads_into_the_image(
    pyrootless: Run, tmp_path: Path, place: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("of the host\n")
    write_links(tmp_path / "root.tar", outside)
    name = f"hostile{place}:1"
    pyrootless("import", "-c", f"VOLUME {place} /d", tmp_path / "root.tar", name)
    look = f"cat {place}/file; touch {place}/new; ls -l /d/link"
    done = pyrootless("run", "--rm", name, "sh", "-c", look)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "of the image")
    assert done.stdout.endswith(f"/d/link -> {outside}/file\n")
    assert os.listdir(outside) == ["file"]


@pytest.mark.parametrize("place", ["/", "/proc", "/proc/x", "..", "/a/../.."])
def test_a_place_that_an_image_may_not_choose(
    pyrootless: Run, tmp_path: Path, place: str
) -> None:
    small_image.write_root(tmp_path / "root.tar")
    pyrootless("import", "-c", f"VOLUME {place}", tmp_path / "root.tar", "hostile:place")
    done = pyrootless("run", "--rm", "hostile:place", "true")
    assert (done.returncode, "is no place for a volume" in done.stderr) == (125, True)


def test_a_volume_of_an_image_gets_its_files(pyrootless: Run, tmp_path: Path) -> None:
    """The twin: a plain place."""
    small_image.write_root(tmp_path / "root.tar")
    pyrootless("import", "-c", "VOLUME /d /a/../b", tmp_path / "root.tar", "plain:place")
    done = pyrootless("run", "--rm", "plain:place", "sh", "-c", "cat /d/one; ls -d /b")
    assert (done.returncode, done.stdout) == (0, "one\n/b\n")
