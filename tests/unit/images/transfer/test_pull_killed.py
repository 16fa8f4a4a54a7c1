"""A pull that is killed at any stage loses nothing, and the next one finishes it.

In: a scripted registry in a process of its own, and pulls in children that are killed before
the nth call that changes the store or feeds the unpacker, for n = 1, 3, 5 … until one lives: a
pull has threads, and which of two neighbouring calls comes first differs from run to run.
Out: after each the image that was there is whole, nothing half is found, the same pull
succeeds, and a sweep leaves nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted_images import ScriptedImages, digest_of
from scripted_server import ScriptedServer

from pyrootless.core._layers import Unpacker
from pyrootless.images.layers import unpacking
from pyrootless.images.platforms import Platform
from pyrootless.images.reference import parse_reference
from pyrootless.images.registry.settings import Patience, RegistrySettings
from pyrootless.images.store import layers as store_layers
from pyrootless.images.store.disk import Store, open_store
from pyrootless.images.transfer import pull

CHANGES = (
    "open",
    "mkdir",
    "rename",
    "replace",
    "unlink",
    "rmdir",
    "symlink",
    "write",
    "fchmod",
)
"""Functions of os through which the store changes anything."""
MAX_STEPS = 400
NOISE = os.urandom(700_000)
OLD = [{"etc/name": b"base\n"}]
NEW = [{"etc/name": b"base\n"}, {"noise": NOISE, "a/b": b"x"}, {"top": b"t"}]
PATIENCE = Patience(connect_seconds=5, window_seconds=5, window_bytes=1, tries=3,
                    pause_seconds=0.01)  # fmt: skip


def make_images() -> ScriptedImages:
    made = ScriptedImages()
    made.add_image("old", OLD)  # type: ignore[arg-type]
    made.add_image("new", NEW)  # type: ignore[arg-type]
    return made


@pytest.fixture
def host() -> Iterator[str]:
    """Where the images are served; this process stays without threads, so that it may fork."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with ScriptedServer(make_images()) as server:
            os.write(writing, server.host.encode())
            os.close(writing)
            signal.pause()
    os.close(writing)
    with os.fdopen(reading) as stream:
        yield stream.read()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def fetch(store: Store, host: str, tag: str) -> None:
    pull.pull_image(
        store,
        parse_reference(f"{host}/a/b:{tag}"),
        platform=Platform("linux", "amd64", ""),
        settings=RegistrySettings(patience=PATIENCE),
    )


def die_before(step: int) -> None:
    """From here on count calls of all threads, and be killed instead of the one numbered so."""
    count, lock = 0, threading.Lock()

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            nonlocal count
            with lock:
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)

        return call

    class Counted(Unpacker):  # type: ignore[misc]
        feed = counted(Unpacker.feed)
        finish = counted(Unpacker.finish)

    unpacking.Unpacker = Counted  # type: ignore[misc]
    for name in CHANGES:
        setattr(os, name, counted(getattr(os, name)))


def fetch_killed(base: Path, host: str, step: int) -> bool:
    """Pull in a child; True when it lived to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store = open_store(str(base))
            die_before(step)
            fetch(store, host, "new")
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code == 0


def whole(store: Store) -> dict[str, list[dict[str, bytes]]]:
    """Tag → the files of each layer, of all images there; every blob compared on the way."""
    found = {}
    for image in store.images():
        for blob in (image.manifest.config, *image.manifest.layers):
            assert digest_of(store.blobs.read(blob.digest)) == blob.digest
        trees = [store.layers.tree(diff_id) for diff_id in image.config.diff_ids]
        (name,) = image.references
        found[str(name.tag)] = [
            {str(path.relative_to(tree)): path.read_bytes()
             for path in tree.rglob("*") if path.is_file()}
            for tree in trees
        ]  # fmt: skip
    return found


def test_killed_at_every_stage(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(store_layers, "flush_file_system", lambda _: None)
    before = {"old": OLD}
    child = os.fork()  # in a child too: a pull has threads
    if child == 0:
        code = 1
        try:
            fetch(open_store(str(tmp_path / "first")), host, "old")
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for step in range(1, MAX_STEPS, 2):
        base = tmp_path / str(step)
        shutil.copytree(tmp_path / "first", base, symlinks=True)
        lived = fetch_killed(base, host, step)
        found = whole(open_store(str(base)))
        assert found in (before, before | {"new": NEW}), step
        assert fetch_killed(base, host, MAX_STEPS)
        store = open_store(str(base))
        assert whole(store) == before | {"new": NEW}, step
        store.sweep()
        assert list((base / "tmp").iterdir()) + list((base / "trash").iterdir()) == [], step
        shutil.rmtree(base)
        if lived:
            assert found == before | {"new": NEW}
            assert step > 50
            return
    raise AssertionError("the pull never came to its end")
