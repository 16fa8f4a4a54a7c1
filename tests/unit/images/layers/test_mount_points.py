"""pyrootless.images.layers.mount_points: what lies above an image's layers."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from images.stored import make_image, make_store

from pyrootless.errors import StoreError
from pyrootless.images.layers import mount_points
from pyrootless.images.layers.mount_points import Point, add_mount_points, plan_points
from pyrootless.images.layers.view import read_merged
from pyrootless.images.manifest import MAX_LAYERS
from pyrootless.images.store.disk import Store
from pyrootless.images.template.image import lower_trees, write_template
from pyrootless.images.template.skeleton import HOSTS as LOCALHOST

HEX = "0123456789abcdef" * 4
TIME = 1_600_000_000_000_000_000
HIDDEN = [
    Point("dev", 0o755, None, "opaque"),
    Point("proc", 0o555, None, "opaque"),
    Point("sys", 0o555, None, "opaque"),
]
FILES = [
    Point("etc/hosts", 0o644, None, "file"),
    Point("etc/resolv.conf", 0o644, None, "file"),
    Point("etc/hostname", 0o777, None, "link"),
    Point("etc/mtab", 0o777, None, "link"),
]
MARK = Point(".dockerenv", 0o755, None, "file")
HOSTS = [Point("etc", 0o755, None, "merged"), *FILES, MARK]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def tree(store: Store) -> Path:
    """The only layer of an image, empty."""
    return new_tree(store, HEX)


def new_tree(store: Store, digits: str) -> Path:
    path = store.directories.layers / digits / "tree"
    path.mkdir(parents=True)
    return path


def put(path: Path, mode: int) -> None:
    """A directory of this mode, and of TIME."""
    path.mkdir()
    path.chmod(mode)
    os.utime(path, ns=(TIME, TIME))


def facts(path: Path) -> tuple[int, int]:
    found = path.stat()
    return stat.S_IMODE(found.st_mode), found.st_mtime_ns


def test_an_image_that_has_none_of_them(tree: Path) -> None:
    assert list(plan_points([tree])) == HIDDEN + HOSTS


def test_directories_are_repeated_as_they_are(store: Store, tree: Path) -> None:
    for name, mode in (("dev", 0o700), ("proc", 0o500), ("sys", 0o1777), ("etc", 0o555)):
        put(tree / name, mode)
    before = os.umask(0o077)
    try:
        made = add_mount_points(store, [tree])
    finally:
        os.umask(before)
    assert made is not None
    assert made.parent == tree.parent
    found = {name: facts(made / name) for name in sorted(os.listdir(made)) if name[0] != "."}
    assert found == {
        "dev": (0o700, TIME), "etc": (0o555, TIME), "proc": (0o500, TIME),
        "sys": (0o1777, TIME),
    }  # fmt: skip
    assert facts(made)[0] == 0o755
    assert (facts(made / "etc/hosts")[0], (made / "etc/hosts").read_text()) == (
        0o644,
        LOCALHOST,
    )
    marks = {name: os.listxattr(made / name) for name in ("dev", "etc", "proc", "sys")}
    opaque = ["user.overlay.opaque"]
    assert marks == {"dev": opaque, "etc": [], "proc": opaque, "sys": opaque}
    assert list(store.directories.temporary.iterdir()) == []


def test_the_top_most_directory_counts(store: Store, tree: Path) -> None:
    low = new_tree(store, HEX[::-1])
    put(low / "dev", 0o700)
    put(tree / "dev", 0o711)
    put(low / "etc", 0o750)
    (low / "etc/hosts").touch()
    os.utime(low / "etc", ns=(TIME, TIME))
    dev = Point("dev", 0o711, TIME, "opaque")
    etc = Point("etc", 0o750, TIME, "merged")
    assert list(plan_points([tree, low])) == [dev, *HIDDEN[1:], etc, *FILES[1:], MARK]


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_directory_stays_in_sight(tree: Path, name: str, kind: str) -> None:
    """A start that would mount over it is refused, as it is without this layer."""
    if kind == "link":
        (tree / name).symlink_to("elsewhere")
    else:
        (tree / name).touch()
    assert [point for point in HIDDEN if point.path != name] + HOSTS == list(
        plan_points([tree])
    )


def etc_link(tree: Path) -> None:
    (tree / "etc").symlink_to("usr/etc")


def etc_owner(tree: Path) -> None:
    (tree / "etc").mkdir()
    (tree.parent / "owners").write_text("33 33 etc\n")


def etc_attribute(tree: Path) -> None:
    (tree / "etc").mkdir()
    os.setxattr(tree / "etc", "user.note", b"1")


@pytest.mark.parametrize("make", [etc_link, etc_owner, etc_attribute])
def test_an_etc_that_cannot_be_repeated_is_left_alone(
    tree: Path, make: Callable[[Path], None]
) -> None:
    make(tree)
    assert list(plan_points([tree])) == [*HIDDEN, MARK]


def test_what_the_image_has_stays_in_sight(tree: Path) -> None:
    (tree / "etc").mkdir(0o755)
    for name in ("hosts", "resolv.conf", "hostname", "mtab"):
        (tree / "etc" / name).symlink_to("nowhere")
    (tree / ".dockerenv").symlink_to("nowhere")
    assert list(plan_points([tree])) == HIDDEN


def test_what_dockers_programs_look_for_is_there(store: Store, tree: Path) -> None:
    made = add_mount_points(store, [tree])
    assert made is not None
    assert (made / "etc/resolv.conf").read_text() == ""
    assert str((made / "etc/hostname").readlink()) == "/proc/sys/kernel/hostname"
    assert str((made / "etc/mtab").readlink()) == "/proc/mounts"
    assert facts(made / ".dockerenv")[0] == 0o755


def test_a_hosts_that_a_layer_took_away_is_made(store: Store, tree: Path) -> None:
    low = new_tree(store, HEX[::-1])
    (low / "etc").mkdir()
    (low / "etc/hosts").touch()
    put(tree / "etc", 0o755)
    (tree / "etc/hosts").touch()
    os.setxattr(tree / "etc/hosts", "user.overlay.whiteout", b"y")
    os.setxattr(tree / "etc", "user.overlay.opaque", b"x")
    os.utime(tree / "etc", ns=(TIME, TIME))
    points = list(plan_points([tree, low]))
    assert points == [*HIDDEN, Point("etc", 0o755, TIME, "merged"), *FILES, MARK]


def test_a_damaged_list_of_owners_makes_none(store: Store, tree: Path) -> None:
    (tree.parent / "owners").write_text("33\n")
    assert add_mount_points(store, [tree]) is None


@pytest.fixture
def shut(tree: Path) -> Iterator[Path]:
    """The layer's etc, whose mode will keep its owner out."""
    put(tree / "etc", 0o755)
    yield tree / "etc"
    (tree / "etc").chmod(0o755)


def test_an_etc_that_its_owner_cannot_enter(shut: Path, tree: Path) -> None:
    """Whether it has hosts is not known: a start makes it where it is missing."""
    shut.chmod(0)
    assert list(plan_points([tree])) == [*HIDDEN, MARK]


def test_what_a_shut_directory_hides_is_not_guessed(
    store: Store, shut: Path, tree: Path
) -> None:
    lower = new_tree(store, "f" * 64)
    put(lower / "etc", 0o755)
    (lower / "etc/passwd").write_text("other:x:7:7::/:\n")
    shut.chmod(0o300)
    assert read_merged([tree], "etc/passwd", 99) is None
    with pytest.raises(PermissionError):
        read_merged([tree, lower], "etc/passwd", 99)


def test_a_store_that_cannot_be_written_is_not_full(store: Store) -> None:
    image = make_image(store, "shut:1")
    place = store.image_directory(image.manifest.digest)
    place.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="Permission denied") as caught:
            write_template(store, image)
    finally:
        place.chmod(0o700)
    assert "make room" not in str(caught.value)
    assert caught.value.remedy.startswith("choose another place")


def test_it_is_made_once_and_shared_by_what_looks_the_same(store: Store, tree: Path) -> None:
    low, other = new_tree(store, HEX[::-1]), new_tree(store, "f" * 64)
    first = add_mount_points(store, [tree, low])
    assert first is not None
    inode = first.stat().st_ino
    assert add_mount_points(store, [tree, other]) == first
    assert first.stat().st_ino == inode
    (other / "dev").mkdir(0o700)
    second = add_mount_points(store, [tree, other])
    assert second is not None
    assert (second.parent, second == first) == (first.parent, False)


def test_the_kernels_limit_goes_before_it(store: Store, tree: Path) -> None:
    trees = [tree] * MAX_LAYERS
    assert add_mount_points(store, trees) is None
    assert add_mount_points(store, trees[1:]) is not None
    assert add_mount_points(store, []) is None


def test_a_store_without_attributes(
    store: Store, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    made = add_mount_points(store, [tree])
    assert made is not None
    assert sorted(os.listdir(made)) == [".dockerenv", "dev", "etc", "proc", "sys"]


def test_who_was_faster_is_believed(
    store: Store, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = mount_points._finish

    def lose(path: Path, point: Point) -> None:
        finish(path, point)
        if point == mount_points.ROOT:
            monkeypatch.undo()
            assert add_mount_points(store, [tree]) is not None

    monkeypatch.setattr(mount_points, "_finish", lose)
    made = add_mount_points(store, [tree])
    assert made is not None
    assert sorted(os.listdir(made)) == [".dockerenv", "dev", "etc", "proc", "sys"]
    assert list(store.directories.temporary.iterdir()) == []


def test_killed_between_it_leaves_nothing_that_counts(store: Store, tree: Path) -> None:
    """Before its name is given: the next one makes it, and a sweep takes the rest away."""
    child = os.fork()
    if child == 0:
        mount_points.flush_directory = mount_points._finish = (  # type: ignore[assignment]
            lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        )
        add_mount_points(store, [tree])
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert [path.name for path in tree.parent.iterdir()] == ["tree"]
    [left] = store.directories.temporary.iterdir()
    assert add_mount_points(store, [tree]) is not None
    store.temporaries.sweep()
    assert not left.exists()


def test_a_full_disk_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make_image(store, "full:1")
    monkeypatch.setattr(mount_points, "_put", fill)
    with pytest.raises(StoreError, match="cannot write the launch template") as caught:
        write_template(store, image)
    assert "No space left on device" in str(caught.value)
    monkeypatch.undo()
    assert (write_template(store, image) / "config.json").is_file()


def fill(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_it_goes_with_its_layer(store: Store) -> None:
    image = make_image(store, "gone:1")
    write_template(store, image)
    [top] = lower_trees(store, image)
    assert len(list(top.parent.glob("points-*"))) == 1
    store.remove("gone:1")
    assert not top.parent.exists()
