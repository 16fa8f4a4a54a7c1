"""A store whose file system has no user.* attributes: the owners of an image's files.

In: deny.c, which makes fsetxattr(2) answer ENOSYS; images in archives and layouts.
Out: one warning a command that says what is lost; none where nothing is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from image_layouts import directory, file, layer_tar, write_layout

if TYPE_CHECKING:
    from conftest import Place

DENIED = "fsetxattr"
pytestmark = pytest.mark.needs("user-namespaces", "gcc")


def warning(place: Place) -> str:
    return (
        f"pyrootless: warning: {place.base / 'store'} takes no user.* attributes: "
        "with one id (--userns=single) all files of the image are shown as root's: "
        "pyrootless doctor store\n"
    )


def layouts(place: Place, owner: tuple[int, int]) -> list[str]:
    made = []
    for tag in ("1", "2"):
        entries = [directory("d"), file("d/f", tag.encode(), owner=owner)]
        folder = place.base / f"layout{tag}-{owner[0]}"
        write_layout(folder, tag, [layer_tar(entries)])
        made.append(f"oci:{folder}:{tag}")
    return made


def test_once_for_all_that_a_command_pulls(place: Place, deny: Path) -> None:
    done = place.call("pull", *layouts(place, (5, 6)), before=[deny, DENIED, "--"])
    assert (done.returncode, done.stderr) == (0, warning(place))


def test_where_all_is_roots_or_attributes_are_kept(place: Place, deny: Path) -> None:
    done = place.call("pull", *layouts(place, (0, 0)), before=[deny, DENIED, "--"])
    assert (done.returncode, done.stderr) == (0, "")
    done = place.call("pull", *layouts(place, (5, 6)))
    assert (done.returncode, done.stderr) == (0, "")


def test_import_and_load(place: Place, deny: Path) -> None:
    tar = place.base / "root.tar"
    tar.write_bytes(layer_tar([directory("d"), file("d/f", owner=(5, 6))]))
    before = [deny, DENIED, "--"]
    done = place.call("import", str(tar), "own:1", before=before)
    assert (done.returncode, done.stderr) == (0, warning(place))
    saved = place.base / "saved.tar"
    assert place.call("save", "-o", str(saved), "own:1").returncode == 0
    assert place.call("rmi", "own:1").returncode == 0
    done = place.call("load", "-i", str(saved), before=before)
    assert (done.returncode, done.stderr) == (0, warning(place))
