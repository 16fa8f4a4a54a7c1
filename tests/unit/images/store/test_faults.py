"""The store under faults: killed at every step, a full disk, a read-only disk.

Each writer runs in a child that is killed before the nth call that changes something, for
n = 1, 2, 3 … until it lives to its end. After each the store must open, hold the old state or
the new one, take the same write again, and a sweep must leave nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from image_fixture import diff_id_of, listing, make_manifest, put_image, put_layer

from pyrootless.config import Directories
from pyrootless.errors import StoreError
from pyrootless.images.reference import parse_reference
from pyrootless.images.store import layers as store_layers
from pyrootless.images.store.disk import Store

CHANGES = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "symlink", "write",
           "fsync", "fchmod", "ftruncate", "chmod")  # fmt: skip
"""Functions of os through which the store changes anything."""

MAX_STEPS = 400


@pytest.fixture(autouse=True)
def no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill leaves does not depend on flushing, and the tests are many."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(store_layers, "flush_file_system", lambda _: None)


def store_at(base: Path) -> Store:
    return Store(Directories(base / "data", base / "run"))


def die_before(step: int) -> None:
    """From here on count calls, and be killed instead of the one with this number."""
    count = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)

        return call

    for name in CHANGES:
        setattr(os, name, counted(getattr(os, name)))


def run_killed(base: Path, step: int, work: Callable[[Store], None]) -> bool:
    """Do the work in a child; True when it lived to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store = store_at(base)
            die_before(step)
            work(store)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def put_blob(store: Store) -> None:
    store.blobs.put(b"new blob")


def put_new_layer(store: Store) -> None:
    put_layer(store, "new layer")


def put_new_image(store: Store) -> None:
    put_image(store, "new", "base", "new layer")


def move_name(store: Store) -> None:
    store.tag(parse_reference("old"), put_image(store, "new", "base").digest)


def remove_image(store: Store) -> None:
    if store.find("old") is None:
        store.collect()  # a removal that was cut off left the rest to the next collection
    else:
        store.remove("old")


def collect(store: Store) -> None:
    store.untag(parse_reference("old"))
    store.collect()


WORKS = {
    "blob": put_blob,
    "layer": put_new_layer,
    "image": put_new_image,
    "name": move_name,
    "remove": remove_image,
    "collect": collect,
}


def state(store: Store) -> frozenset[str]:
    """What a reader can find: named images, whole layers, blobs."""
    images = {f"image {image.shown} {image.manifest.digest}" for image in store.images()}
    layers = {f"layer {item}" for item in store.layers.list_all() if store.layers.has(item)}
    blobs = {f"blob {item.digest}" for item in store.blobs.list_all()}
    for item in store.blobs.list_all():
        store.blobs.read(item.digest)
    return frozenset(images | layers | blobs)


def prepared(base: Path) -> Store:
    store = store_at(base)
    put_image(store, "old", "base", "old layer")
    put_image(store, "kept", "base")
    return store


def check(store: Store, work: Callable[[Store], None], kept: frozenset[str]) -> None:
    """Whole, sweepable, and the same work succeeds afterwards."""
    found = state(store)
    assert kept <= found
    store.sweep()
    left = [path.name for path in store.directories.temporary.iterdir()]
    assert [name for name in left if not name.startswith("partial-")] == []
    assert list(store.directories.trash.iterdir()) == []
    work(store)
    store.sweep()
    assert kept <= state(store)


@pytest.mark.parametrize("name", WORKS)
def test_killed_at_every_step(tmp_path: Path, name: str) -> None:
    work = WORKS[name]
    prepared(tmp_path / "first")
    model = prepared(tmp_path / "model")
    before = state(model)
    work(model)
    kept = before & state(model)
    assert kept
    for step in range(1, MAX_STEPS):
        base = tmp_path / str(step)
        shutil.copytree(tmp_path / "first", base, symlinks=True)
        store = store_at(base)
        lived = run_killed(base, step, work)
        check(store, work, kept)
        assert state(store) == state(model), step
        if lived:
            assert step > 5
            return
    raise AssertionError("the work never came to its end")


def test_killed_before_there_was_a_store(tmp_path: Path) -> None:
    for step in range(1, MAX_STEPS):
        base = tmp_path / str(step)
        lived = run_killed(base, step, put_blob)
        store = store_at(base)
        put_image(store, "a")
        assert store.find("a") is not None
        assert not [
            path for path in store.directories.temporary.iterdir()
            if not path.name.startswith("partial-")
        ]  # fmt: skip
        if lived:
            return
    raise AssertionError("the work never came to its end")


FULL = """
import os, subprocess, sys
from pathlib import Path
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", sys.argv[1]], check=True)
from pyrootless.config import Directories
from pyrootless.errors import StoreError
from pyrootless.images.store.disk import Store
import image_fixture as fixture

base = Path(sys.argv[1])
store = Store(Directories(base / "data", base / "run"))
fixture.put_image(store, "old", "base")
before = fixture.listing(store)
data = os.urandom(1 << 20)
digest = fixture.m.digest_of(data)
try:
    with store.blobs.writer(digest, len(data)) as writer:
        for start in range(0, len(data), 16384):
            writer.write(data[start : start + 16384])
    print("written")
except StoreError as error:
    print(error)
kept = store.directories.temporary / f"partial-{digest[7:]}"
print("partial", 0 < kept.stat().st_size < len(data), data.startswith(kept.read_bytes()))
try:
    with store.layers.writer() as layer:
        (layer.directory / "tree/file").write_bytes(b"")
        layer.commit(fixture.diff_id_of("x"))
        fixture.make_manifest(store, "y" * 70000)
    print("layer")
except (StoreError, OSError) as error:
    print(type(error).__name__)
print("whole", [image.shown for image in store.images()], before <= fixture.listing(store))
store.collect()
print("same", fixture.listing(store) - {"collect.lock"} == before - {"collect.lock"})
fixture.put_image(store, "new", "more")
print("again", [image.shown for image in store.images()])
"""


@pytest.mark.needs("user-namespaces", "unshare")
def test_a_full_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "-Urm", sys.executable, "-c", FULL, str(tmp_path)],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("cannot write to the store at ")
    assert lines[0].endswith(": No space left on device")
    assert lines[1].startswith("  remedy: make room (pyrootless system prune), or choose")
    assert lines[2] == "partial True True"
    assert lines[3] in ("StoreError", "OSError")
    assert lines[4:] == [
        "whole ['old:latest'] True", "same True", "again ['new:latest', 'old:latest']",
    ]  # fmt: skip


READ_ONLY = """
import subprocess, sys
from pathlib import Path
subprocess.run(["mount", "--bind", sys.argv[1], sys.argv[1]], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", sys.argv[1]], check=True)
from pyrootless.config import Directories
from pyrootless.errors import IntegrityError, StoreError
from pyrootless.images.reference import parse_reference
from pyrootless.images.store.disk import Store

base = Path(sys.argv[1])
store = Store(Directories(base / "data", base / "run"))
image = store.find("old")
print([item.shown for item in store.images()], image.shown, store.usage().images.total)
for write in (
    lambda: store.blobs.put(b"new"),
    lambda: store.layers.writer().__enter__(),
    lambda: store.tag(parse_reference("b"), image.manifest.digest),
    lambda: store.untag(parse_reference("old")),
    lambda: store.remove("old"),
    lambda: store.pin().__enter__(),
    store.collect,
):
    try:
        write()
        print("written")
    except StoreError as error:
        print(str(error).replace(sys.argv[1], ""))
try:
    store.blobs.read(sys.argv[2])
except IntegrityError as error:
    print(str(error).splitlines()[0])
"""


@pytest.mark.needs("user-namespaces", "unshare")
def test_a_read_only_disk(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    put_image(store, "old", "base")
    damaged = store.blobs.put(b"right")
    store.blobs.path(damaged).chmod(0o600)
    store.blobs.path(damaged).write_bytes(b"wrong")
    before = listing(store)
    done = subprocess.run(
        ["unshare", "-Urm", sys.executable, "-c", READ_ONLY, str(tmp_path), damaged],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "['old:latest'] old:latest 1"
    assert lines[-1] == f"blob {damaged} in the store is corrupted"
    failures = lines[1:-1]
    assert len(failures) == 14
    for text, remedy in zip(failures[::2], failures[1::2], strict=True):
        assert text.startswith("cannot write to the store at /data"), text
        assert text.endswith(": Read-only file system"), text
        assert remedy.startswith("  remedy: choose another place: pyrootless --root DIR")
    assert listing(store) == before


def test_a_write_that_fails_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = prepared(tmp_path)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(
        StoreError, match=r"cannot write to .*: Input/output error\n.*disk fails"
    ):
        store.blobs.put(b"new")
    monkeypatch.undo()
    assert store.blobs.put(b"new")


def test_two_pulls_and_a_collection_at_once(tmp_path: Path) -> None:
    """Three processes on one store, again and again; nothing that has a name is ever lost."""
    store = prepared(tmp_path)
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                own = store_at(tmp_path)
                for turn in range(12):
                    name = f"n{number}"
                    if number < 3:
                        put_image(own, name, "base", "shared", f"{name} {turn}")
                        assert own.find(name) is not None
                    else:
                        own.collect()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0, 0, 0, 0]
    store.collect()
    assert [image.shown for image in store.images()] == [
        "kept:latest", "n0:latest", "n1:latest", "n2:latest", "old:latest",
    ]  # fmt: skip
    wanted = {diff_id_of(text) for text in ("base", "shared", "old layer")}
    wanted |= {diff_id_of(f"n{number} 11") for number in range(3)}
    assert set(store.layers.list_all()) == wanted
    assert list(store.directories.temporary.iterdir()) == []
    assert list(store.directories.trash.iterdir()) == []
    for image in store.images():
        assert make_manifest(store, *_texts(image.shown)).digest == image.manifest.digest


def _texts(name: str) -> tuple[str, ...]:
    if name.startswith("n"):
        return ("base", "shared", f"{name[:2]} 11")
    return ("base", "old layer") if name.startswith("old") else ("base",)
