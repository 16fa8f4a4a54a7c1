"""pyrootless.images.store.layers and store_removal: layers come whole, and go all."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from image_fixture import diff_id_of, put_layer

from pyrootless.config import Directories
from pyrootless.errors import IntegrityError, StoreError
from pyrootless.images.store import files, layers, removal
from pyrootless.images.store.disk import Store

DIFF_ID = diff_id_of("text")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Directories(tmp_path / "data", tmp_path / "run"))


def leftovers(store: Store) -> list[Path]:
    return [*store.directories.temporary.iterdir(), *store.directories.trash.iterdir()]


def test_a_layer(store: Store) -> None:
    assert not store.layers.has(DIFF_ID)
    before = os.umask(0o077)
    try:
        put_layer(store, "text")
    finally:
        os.umask(before)
    assert store.layers.has(DIFF_ID)
    tree = store.directories.data / "layers" / DIFF_ID[7:] / "tree"
    assert store.layers.tree(DIFF_ID) == tree
    assert (tree / "file").read_text() == "text"
    assert stat.S_IMODE(tree.stat().st_mode) == 0o755
    assert store.layers.size_bytes(DIFF_ID) == 4
    assert store.layers.list_all() == [DIFF_ID]
    assert leftovers(store) == []


def test_without_commit_nothing_stays(store: Store) -> None:
    with pytest.raises(RuntimeError), store.layers.writer() as writer:
        (writer.directory / "tree/d").mkdir(mode=0o000)
        raise RuntimeError
    assert leftovers(store) == []
    assert store.layers.list_all() == []


def test_two_writers_both_succeed(store: Store) -> None:
    with store.layers.writer() as first, store.layers.writer(DIFF_ID) as second:
        assert first.directory != second.directory
        (first.directory / "tree/first").touch()
        assert first.commit(DIFF_ID) == second.commit(DIFF_ID) == store.layers.path(DIFF_ID)
    assert (store.layers.tree(DIFF_ID) / "first").exists()
    assert leftovers(store) == []


def test_another_layer_than_announced(store: Store) -> None:
    with pytest.raises(IntegrityError, match=f"is {DIFF_ID}, and should be sha256:00"):
        with store.layers.writer(f"sha256:{0:064x}") as writer:
            writer.commit(DIFF_ID)
    assert store.layers.list_all() == []
    assert leftovers(store) == []


@pytest.mark.parametrize("text", ["", "sha256:..", f"sha512:{'0' * 128}", DIFF_ID[7:]])
def test_what_is_no_diff_id(store: Store, text: str) -> None:
    with pytest.raises(IntegrityError, match="is not a diff ID"):
        store.layers.path(text)


def test_a_layer_of_an_earlier_boot_that_was_not_flushed_is_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_layer(store, "text")
    (store.layers.tree(DIFF_ID) / "file").write_text("")  # what a power cut makes of it
    boot = tmp_path / "boot"
    boot.write_text("another boot\n")
    monkeypatch.setattr(files, "_BOOT", boot)
    assert not store.layers.has(DIFF_ID)
    put_layer(store, "text")
    assert store.layers.has(DIFF_ID)
    assert (store.layers.tree(DIFF_ID) / "file").read_text() == "text"
    assert [path.name for path in leftovers(store)][0].startswith(DIFF_ID[7:])
    store.sweep()
    assert leftovers(store) == []


def test_a_flushed_layer_is_trusted_after_a_boot(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_layer(store, "text")
    mark = store.layers.path(DIFF_ID) / "unflushed"
    assert mark.exists()
    store.layers.flush([DIFF_ID])
    assert not mark.exists()
    boot = tmp_path / "boot"
    boot.write_text("another boot\n")
    monkeypatch.setattr(files, "_BOOT", boot)
    assert store.layers.has(DIFF_ID)


def test_flushing_happens_once_for_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []
    monkeypatch.setattr(layers, "flush_file_system", calls.append)
    for text in ("a", "b", "c"):
        put_layer(store, text)
    ids = [diff_id_of(text) for text in ("a", "b", "c")]
    store.layers.flush(ids)
    store.layers.flush(ids)
    assert calls == [store.directories.layers]


def test_trees_for_many_ids_are_flushed_with_their_layer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not in its place keeps its mark, and one that a power cut tore."""
    calls: list[Path] = []
    monkeypatch.setattr(layers, "flush_file_system", calls.append)
    put_layer(store, "text")
    store.layers.flush([DIFF_ID])
    layer = store.layers.path(DIFF_ID)
    for tree in ("range-0123", "range-89ab"):
        (layer / tree).mkdir()
    for tree in ("range-0123", "range-4567"):
        (layer / f"{tree}.unflushed").write_text(files.boot_id())
    (layer / "range-89ab.unflushed").write_text("another boot")
    store.layers.flush([DIFF_ID])
    assert len(calls) == 2
    assert sorted(path.name for path in layer.glob("*unflushed")) == [
        "range-4567.unflushed", "range-89ab.unflushed",
    ]  # fmt: skip


def test_one_unpacks_and_the_others_wait(store: Store) -> None:
    """Whoever waited finds the layer there; a lock that a dead process left holds nobody."""
    found: list[bool] = []

    def work() -> None:
        with store.layers.alone(DIFF_ID) as there:
            if not there:
                put_layer(store, "text")
            found.append(there)

    with store.layers.alone(DIFF_ID) as there:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        assert (there, found) == (False, [])
    for thread in threads:
        thread.join()
    assert sorted(found) == [False, *[True] * 7]
    assert leftovers(store) == []
    (store.directories.temporary / f"alone-{DIFF_ID[7:]}").touch()
    with store.layers.alone(DIFF_ID) as there:
        assert there


def test_another_takes_over_from_the_killed(store: Store) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with store.layers.alone(DIFF_ID):
            os.write(writing, b"x")
            signal.pause()
    os.read(reading, 1)
    found: list[bool] = []

    def work() -> None:
        with store.layers.alone(DIFF_ID) as there:
            found.append(there)

    waiting = threading.Thread(target=work)
    waiting.start()
    assert found == []
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    waiting.join()
    assert found == [False]
    assert leftovers(store) == []
    os.close(reading)
    os.close(writing)


def test_a_lock_of_the_dead_is_swept(store: Store) -> None:
    with store.layers.alone(DIFF_ID):
        lock = store.directories.temporary / f"alone-{DIFF_ID[7:]}"
        store.sweep()
        assert lock.exists()
    lock.touch()
    store.sweep()
    assert leftovers(store) == []


def test_what_a_layer_takes_is_its_blocks(store: Store) -> None:
    put_layer(store, "text")
    layer = store.layers.path(DIFF_ID)
    with (layer / "tree/file").open("r+b") as stream:
        stream.truncate(1 << 30)
    os.link(layer / "tree/file", layer / "tree/again")
    blocks = sum((layer / name).stat().st_blocks for name in ("tree", "tree/file"))
    assert layers.layer_disk_bytes(layer) == 512 * blocks
    facts = json.loads((layer / "layer.json").read_text()) | {"diskBytes": 12345}
    (layer / "layer.json").write_text(json.dumps(facts))
    (layer / "range-0123.bytes").write_text("55\n")
    (layer / "range-4567.bytes").write_text("what\n")
    assert layers.layer_disk_bytes(layer) == 12345 + 55


def test_a_failing_disk_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(5, "Input/output error")

    put_layer(store, "text")
    monkeypatch.setattr(layers, "flush_file_system", fail)
    with pytest.raises(StoreError, match=r"cannot write .*: Input/output error"):
        store.layers.flush([DIFF_ID])
    assert (store.layers.path(DIFF_ID) / "unflushed").exists()


def test_the_real_flush(tmp_path: Path) -> None:
    from pyrootless.images.store.files import flush_file_system

    flush_file_system(tmp_path)
    with pytest.raises(FileNotFoundError):
        flush_file_system(tmp_path / "nothing")


def odd_tree(top: Path) -> None:
    """Files and directories with modes of images, links, a FIFO, and a long way down."""
    (top / "a/b/c").mkdir(parents=True)
    (top / "a/b/c/file").touch()
    (top / "a/link").symlink_to("/etc/passwd")
    (top / "loop").symlink_to(".")
    os.mkfifo(top / "fifo")
    (top / "a/b/c").chmod(0o000)
    (top / "a/b").chmod(0o555)
    (top / "a").chmod(0o000)
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


def test_removal_copes_with_modes_and_depth(tmp_path: Path) -> None:
    top = tmp_path / "tree"
    top.mkdir()
    odd_tree(top)
    top.chmod(0o000)
    before = len(os.listdir("/proc/self/fd"))
    removal.remove_tree(top)
    assert not top.exists()
    assert len(os.listdir("/proc/self/fd")) == before


def test_removal_follows_no_link(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    top = tmp_path / "tree"
    top.mkdir()
    (top / "link").symlink_to(kept)
    removal.remove_tree(top)
    link = tmp_path / "link"
    link.symlink_to(kept)
    removal.remove_tree(link)
    assert not link.is_symlink()
    assert (kept / "file").exists()


def test_removal_of_a_file_and_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    removal.remove_tree(tmp_path / "file")
    removal.remove_tree(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def launcher_that(tmp_path: Path, text: str) -> Path:
    script = tmp_path / "launcher"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return script


def refuse(_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_files_of_other_ids_go_with_a_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "tree"
    (top / "d").mkdir(parents=True)
    script = launcher_that(tmp_path, f'echo "$@" > {tmp_path}/said; shift 2; exec "$@"')
    monkeypatch.setattr(removal, "find_launcher", lambda: script)
    monkeypatch.setattr(removal._Removal, "run", refuse)
    with pytest.raises(StoreError, match="cannot remove .*not permitted"):
        removal.remove_tree(top, foreign=False)
    removal.remove_tree(top)
    assert (tmp_path / "said").read_text() == f"unshare -- rm -rf {top}\n"
    assert not top.exists()


def test_what_no_namespace_removes_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = launcher_that(tmp_path, "echo no range for you >&2; exit 1")
    monkeypatch.setattr(removal, "find_launcher", lambda: script)
    monkeypatch.setattr(removal._Removal, "run", refuse)
    with pytest.raises(StoreError, match="other ids: no range for you\n.*pyrootless doctor"):
        removal.remove_tree(tmp_path)


@pytest.mark.needs("subordinate-ids", "newuidmap", "unshare", "user-namespaces", "plain-user")
def test_real_files_of_other_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of a subordinate id, closed to its owner's group: only a namespace helps."""
    top = tmp_path / "tree"
    (top / "below").mkdir(parents=True)
    (top / "below/file").touch()
    map_all = ["unshare", "--user", "--map-auto", "--map-root-user"]
    for words in (["chown", "-R", "7:7"], ["chmod", "700"]):
        subprocess.run([*map_all, *words, str(top / "below")], check=True, timeout=60)
    script = launcher_that(tmp_path, f'shift 2; exec {" ".join(map_all)} "$@"')
    monkeypatch.setattr(removal, "find_launcher", lambda: script)
    with pytest.raises(StoreError, match="Permission denied|not permitted"):
        removal.remove_tree(top, foreign=False)
    assert top.is_dir()
    removal.remove_tree(top)
    assert not top.exists()
