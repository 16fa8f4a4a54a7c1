"""images.store.disk: images put together, found, named, removed, collected, counted."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from pathlib import Path

import pytest
from image_fixture import (
    diff_id_of,
    listing,
    make_manifest,
    put_container,
    put_image,
    put_layer,
)

from pyrootless.config import Directories
from pyrootless.errors import (
    ContainerStateError,
    IntegrityError,
    PyrootlessError,
    StoreError,
    UsageError,
)
from pyrootless.images import manifest as m
from pyrootless.images.manifest import Manifest
from pyrootless.images.reference import parse_reference
from pyrootless.images.store import layers as store_layers
from pyrootless.images.store.disk import Store, Swept, open_store
from pyrootless.images.store.removal import Budget


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Directories(tmp_path / "data", tmp_path / "run"))


@pytest.fixture(autouse=True)
def no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of blobs and layers flush; these are many."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(store_layers, "flush_file_system", lambda _: None)


def names(store: Store) -> list[str]:
    return [image.shown for image in store.images()]


def test_an_image(store: Store) -> None:
    made = put_image(store, "debian:12", "base", "top")
    found = store.find("debian:12")
    assert found is not None
    assert found.manifest == made
    assert found.config.diff_ids == (diff_id_of("base"), diff_id_of("top"))
    assert found.references == (parse_reference("debian:12"),)
    assert found.id == made.config.digest
    assert found.size_bytes == 7
    link = store.directories.refs / "docker.io%2Flibrary%2Fdebian:12"
    assert os.readlink(link) == f"../images/{made.digest[7:]}"
    assert link.resolve() == store.image_directory(made.digest)
    assert (store.directories.data / "version").read_text() == "1\n"
    assert not list(store.directories.temporary.iterdir())


def test_an_image_of_no_layers(store: Store) -> None:
    with store.pin():
        made = make_manifest(store)
        store.put_image(made)
        store.tag(parse_reference("scratch"), made.digest)
    assert names(store) == ["scratch:latest"]


def test_one_image_with_many_names(store: Store) -> None:
    made = put_image(store, "b")
    for name in ("a", "c:1", "x.io/y"):
        store.tag(parse_reference(name), made.digest)
    (found,) = store.images()
    assert [name.familiar for name in found.references] == [
        "a:latest", "b:latest", "c:1", "x.io/y:latest",
    ]  # fmt: skip


def test_an_image_without_its_parts_is_refused(store: Store) -> None:
    made = put_image(store, "a", "one", "two")
    layer = store.layers.path(diff_id_of("two"))
    layer.rename(layer.with_name("away"))
    with pytest.raises(StoreError, match=f"layer {diff_id_of('two')} is not stored"):
        store.put_image(made)
    layer.with_name("away").rename(layer)
    store.blobs.path(made.layers[0].digest).unlink()
    with pytest.raises(StoreError, match=f"layer {diff_id_of('one')} is not stored"):
        store.put_image(made)
    store.blobs.path(made.config.digest).unlink()
    with pytest.raises(IntegrityError, match=f"blob {made.config.digest} is missing"):
        store.put_image(made)


def test_parts_that_do_not_fit_are_refused(store: Store) -> None:
    made = put_image(store, "a", "one", "two")
    raw = m.encode_manifest(made.config, made.layers[:1])
    short = m.parse_manifest(raw, None)
    assert isinstance(short, Manifest)
    with pytest.raises(IntegrityError, match="manifest has 1 layers, its configuration 2"):
        store.put_image(short)
    assert not store.blobs.has(short.digest)


def test_a_name_for_nothing_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="there is no image sha256:0"):
        store.tag(parse_reference("a"), f"sha256:{0:064x}")
    assert names(store) == []


def test_an_image_does_not_wait_until_its_layers_are_lasting(store: Store) -> None:
    put_image(store, "a", "one", "two")
    assert len(list(store.directories.layers.glob("*/unflushed"))) == 2


def test_find(store: Store) -> None:
    made = put_image(store, "debian:12", "one")
    other = put_image(store, "x.io/y", "two")
    store.refs.set_alias("debian", parse_reference("debian:12"))
    wanted = {
        "debian:12", "docker.io/library/debian:12", "debian", made.config.digest,
        made.config.digest[7:], made.config.digest[7:19], made.config.digest[:19], made.digest,
        made.digest[7:], made.digest[7:19], f"debian@{made.digest}",
    }  # fmt: skip
    for text in wanted:
        found = store.find(text)
        assert found is not None, text
        assert found.manifest.digest == made.digest, text
    for text in ("debian:13", "y", f"y@{other.digest}", f"debian@{other.digest}", "0" * 64):
        assert store.find(text) is None, text
    with pytest.raises(UsageError, match="must be lower case"):
        store.find("Debian")


def test_a_name_comes_before_an_id(store: Store) -> None:
    made = put_image(store, "debian", "one")
    begin = made.config.digest[7:11]
    named = put_image(store, begin, "two")
    found = store.find(begin)
    assert found is not None
    assert found.manifest.digest == named.digest


def test_an_ambiguous_begin(store: Store) -> None:
    digits = set()
    for number in range(17):
        digits.add(put_image(store, f"n{number}", str(number)).config.digest[7])
    begins = [image.id[7] for image in store.images()]
    twice = next(letter for letter in begins if begins.count(letter) > 1)
    with pytest.raises(UsageError, match=f'"{twice}" is the begin of the IDs of several'):
        store.find(twice)


def test_two_names_of_one_image_are_not_ambiguous(store: Store) -> None:
    made = put_image(store, "a")
    store.tag(parse_reference("b"), made.digest)
    found = store.find(made.config.digest[7:11])
    assert found is not None
    assert len(found.references) == 2


def test_near(store: Store) -> None:
    put_image(store, "debian:12")
    put_image(store, "quay.io/team/service")
    assert store.near("debain:12") == ["debian:12"]
    assert store.near("quay.io/team/servise") == ["quay.io/team/service"]
    assert store.near("hots") == ["host"]
    assert store.near("zzz") == []


def test_aliases(store: Store) -> None:
    put_image(store, "debian:12")
    reference = parse_reference("debian:12")
    store.refs.set_alias("deb", reference)
    assert os.readlink(store.directories.refs / "deb") == "docker.io%2Flibrary%2Fdebian:12"
    assert store.refs.aliases() == {"deb": reference.canonical}
    store.refs.set_alias(reference.canonical, reference)
    assert names(store) == ["debian:12"]
    with pytest.raises(UsageError, match="built-in"):
        store.refs.set_alias("host", reference)
    assert store.untag(reference)
    assert list(store.directories.refs.iterdir()) == []
    assert not store.untag(reference)


def test_the_built_in_image_is_not_touched(store: Store) -> None:
    put_image(store, "a")
    (store.directories.images / "host-0123").mkdir()
    (store.directories.refs / "host").symlink_to("../images/host-0123")
    store.untag(parse_reference("a"))
    store.collect()
    assert names(store) == []
    assert (store.directories.refs / "host").exists()
    assert store.find("host") is None


def test_reading_makes_nothing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "nothing"))
    assert store.images() == []
    assert store.find("a") is None
    assert store.near("host") == ["host"]
    assert store.usage().images.total == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "words"), [
    ("2\n", "a newer pyrootless wrote the store .* version 2.*knows version 1"),
    ("99", "version 99"), ("", "damaged"), ("0", "damaged"), ("x", "damaged"),
    ("-1", "damaged"),
])  # fmt: skip
def test_a_store_of_another_version_is_left_alone(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "version").write_text(text)
    with pytest.raises(StoreError, match=f"(?s){words}"):
        open_store(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["version"]


def test_a_store_that_becomes_newer_is_not_written(store: Store) -> None:
    put_image(store, "a")
    before = listing(store)
    (store.directories.data / "version").write_text("2\n")
    for write in (
        lambda: store.blobs.put(b"x"),
        lambda: store.tag(parse_reference("b"), "x"),
        store.collect,
        lambda: store.pin().__enter__(),
    ):
        with pytest.raises(StoreError, match="newer pyrootless"):
            write()
    assert listing(store) == before


def test_damage_names_the_image_and_what_heals(store: Store) -> None:
    made = put_image(store, "debian:12")
    put_image(store, "sound")
    path = store.blobs.path(made.config.digest)
    path.chmod(0o600)
    path.write_bytes(b"{}")
    with pytest.raises(IntegrityError) as caught:
        store.find("debian:12")
    assert str(caught.value).splitlines() == [
        f"image debian:12: blob {made.config.digest} in the store is corrupted",
        "  remedy: fetch it again: pyrootless pull debian:12",
    ]
    with pytest.raises(IntegrityError, match="image debian:12: .*missing"):
        store.images()
    seen: list[PyrootlessError] = []
    assert [image.shown for image in store.images(seen.append)] == ["sound:latest"]
    assert len(seen) == 1
    before = listing(store)
    with pytest.raises(IntegrityError, match="image debian:12"):
        store.collect()
    assert listing(store) == before
    put_image(store, "debian:12")
    assert store.find("debian:12") is not None
    assert len(store.images()) == 2


def test_a_damaged_image_can_be_removed(store: Store) -> None:
    made = put_image(store, "a", "one")
    store.blobs.path(made.digest).unlink()
    assert store.remove("a")[0] == "Untagged: a:latest"
    assert store.images() == []
    assert store.layers.list_all() == []


def test_collect_keeps_what_is_named(store: Store) -> None:
    kept = put_image(store, "kept", "shared", "own")
    gone = put_image(store, "gone", "shared", "other")
    store.untag(parse_reference("gone"))
    before = listing(store)
    plan = store.collect(dry_run=True)
    assert listing(store) == before
    assert plan.images == (gone.digest,)
    assert plan.layers == (diff_id_of("other"),)
    assert set(plan.blobs) == {gone.digest, gone.config.digest, gone.layers[1].digest}
    sizes = [store.blobs.path(digest).stat().st_size for digest in plan.blobs]
    assert plan.bytes == sum(sizes) + disk_bytes(store, "other")
    assert store.collect() == plan
    assert names(store) == ["kept:latest"]
    assert store.layers.has(diff_id_of("shared"))
    assert store.collect() == type(plan)()
    assert store.find("kept") is not None
    store.put_image(kept)


def test_an_image_that_lost_its_name_to_another_is_collected(store: Store) -> None:
    old = put_image(store, "a", "old")
    put_image(store, "a", "new")
    assert store.collect().images == (old.digest,)
    assert store.layers.list_all() == [diff_id_of("new")]


def test_collect_keeps_what_containers_stand_on(store: Store) -> None:
    put_image(store, "a", "one", "two")
    put_container(store, "a", "one", "two")
    store.untag(parse_reference("a"))
    store.collect()
    assert set(store.layers.list_all()) == {diff_id_of("one"), diff_id_of("two")}
    (store.directories.data / "containers" / ("a" * 64) / "config.json").unlink()
    store.collect()
    assert store.layers.list_all() == []


def test_collect_keeps_layers_of_owners_and_of_ephemeral_containers(store: Store) -> None:
    put_image(store, "a", "one")
    put_image(store, "b", "two")
    place = put_container(store, "a")
    above = store.layers.path(diff_id_of("one")) / "range-0123"
    notes = {"io.pyrootless.rootfs.lower.range": f"{above}\n/elsewhere"}
    (place / "config.json").write_text(json.dumps({"annotations": notes}))
    runtime, key = store.directories.runtime, "b" * 64
    runs = runtime / "containers" / key
    runs.mkdir(parents=True)
    runtime.chmod(0o700)
    (runtime / "running").mkdir()
    entry = runtime / "running" / key
    entry.write_text(f"{0:010d} {0:020d} {runs} remove,throw-away\n")
    lock = os.open(entry, os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)  # as its monitor does
    notes = {"io.pyrootless.rootfs.lower": str(store.layers.tree(diff_id_of("two")))}
    (runs / "config.json").write_text(json.dumps({"annotations": notes}))
    for name in ("a", "b"):
        store.untag(parse_reference(name))
    assert store.collect().layers == ()
    assert len(store.layers.list_all()) == 2


def test_collect_keeps_an_image_that_a_launch_holds(store: Store) -> None:
    made = put_image(store, "a", "one")
    directory = store.image_directory(made.digest)
    notes = {"io.pyrootless.rootfs.lower": str(store.layers.tree(diff_id_of("one")))}
    (directory / "config.json").write_text(json.dumps({"annotations": notes}))
    store.untag(parse_reference("a"))
    before = listing(store)
    launch = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(launch, fcntl.LOCK_SH)
        assert store.collect().images == ()
        assert listing(store) == before
        store.blobs.path(made.digest).unlink()  # then the template alone says what it needs
        assert store.collect().layers == ()
    finally:
        os.close(launch)
    assert store.collect().layers == (diff_id_of("one"),)
    assert not directory.exists()


def test_collect_does_not_go_on_when_it_cannot_tell(store: Store) -> None:
    put_image(store, "a", "one")
    config = put_container(store, "a", "one") / "config.json"
    store.untag(parse_reference("a"))
    config.unlink()
    config.mkdir()
    with pytest.raises(StoreError, match="cannot tell which layers are used"):
        store.collect()
    assert store.layers.list_all() == [diff_id_of("one")]


def test_collect_removes_partials_and_lost_aliases_and_damage(store: Store) -> None:
    put_image(store, "a", "one")
    (store.directories.refs / "x").symlink_to("docker.io%2Flibrary%2Fx:latest")
    (store.directories.temporary / "partial-00").write_bytes(b"x")
    damaged = store.directories.blobs / "sha256" / f"{'0' * 64}.damaged"
    damaged.write_bytes(b"x")
    before = listing(store)
    store.sweep()
    assert listing(store) == before
    store.collect()
    assert not damaged.exists()
    assert not list(store.directories.temporary.iterdir())
    assert [path.name for path in store.directories.refs.iterdir()] == [
        "docker.io%2Flibrary%2Fa:latest"
    ]


def test_a_collection_waits_for_a_pin(store: Store) -> None:
    waiting, done = threading.Event(), threading.Event()
    other = Store(store.directories)

    def collect() -> None:
        other.collect(waiting=waiting.set)
        done.set()

    with store.pin():
        put_layer(store, "incoming")
        thread = threading.Thread(target=collect)
        thread.start()
        assert waiting.wait(30)
        assert not done.is_set()
        assert store.layers.has(diff_id_of("incoming"))
        made = make_manifest(store, "incoming")
        store.put_image(made)
        store.tag(parse_reference("a"), made.digest)
    thread.join(timeout=30)
    assert done.is_set()
    assert names(store) == ["a:latest"]
    assert store.layers.has(diff_id_of("incoming"))


def test_a_collection_inside_a_pin_is_refused(store: Store) -> None:
    with store.pin(), pytest.raises(StoreError, match="inside a pull"):
        store.collect()


def test_pins_stand_beside_each_other(store: Store) -> None:
    with store.pin(), Store(store.directories).pin():
        put_image(store, "a")
    assert names(store) == ["a:latest"]


def test_remove(store: Store) -> None:
    made = put_image(store, "a", "one")
    store.tag(parse_reference("b"), made.digest)
    assert store.remove("a") == ["Untagged: a:latest"]
    assert store.remove("b") == [
        "Untagged: b:latest", f"Deleted: {made.digest}", f"Deleted: {diff_id_of('one')}",
    ]  # fmt: skip
    left = {name for name in listing(store) if not name.startswith("cache")}
    assert left == {"version", "collect.lock", "events"}


def test_remove_by_id(store: Store) -> None:
    made = put_image(store, "a", "one")
    store.tag(parse_reference("b"), made.digest)
    with pytest.raises(
        ContainerStateError, match="several names: a:latest, b:latest"
    ) as caught:
        store.remove(made.config.digest[7:19])
    assert (
        caught.value.remedy == f"remove them all: pyrootless rmi -f {made.config.digest[7:19]}"
    )
    lines = store.remove(made.config.digest[7:19], force=True)
    assert lines[:2] == ["Untagged: a:latest", "Untagged: b:latest"]
    assert store.images() == []


def test_remove_by_alias(store: Store) -> None:
    put_image(store, "debian:12")
    store.refs.set_alias("debian", parse_reference("debian:12"))
    assert store.remove("debian")[0] == "Untagged: debian:12"
    assert list(store.directories.refs.iterdir()) == []


def test_remove_of_nothing_names_what_is_near(store: Store) -> None:
    put_image(store, "debian:12")
    with pytest.raises(UsageError, match='no image "debain:12"; did you mean "debian:12"'):
        store.remove("debain:12")


def test_remove_refuses_what_a_container_uses(store: Store) -> None:
    made = put_image(store, "a", "one")
    put_container(store, "b", "one", name="web")
    with pytest.raises(ContainerStateError) as caught:
        store.remove("a")
    assert str(caught.value).splitlines() == [
        "image a is used by container web", "  remedy: remove it first: pyrootless rm web",
    ]  # fmt: skip
    store.tag(parse_reference("b"), made.digest)
    assert store.remove("a") == ["Untagged: a:latest"]
    assert store.remove("b", force=True)[0] == "Untagged: b:latest"
    assert store.layers.has(diff_id_of("one"))


def test_a_layer_that_stands_twice_in_an_image(store: Store) -> None:
    made = put_image(store, "a", "one", "empty", "two", "empty")
    put_container(store, "b", "one", "empty", "two")
    (image,) = store.images()
    assert image.size_bytes == len("oneemptytwo")
    assert [user.id for user in store.users(image)] == ["b" * 64]
    with pytest.raises(ContainerStateError, match="used by container bbbbbbbbbbbb"):
        store.remove("a")
    assert store.usage().images.active == 1
    assert len(made.layers) == 4


@pytest.mark.needs("plain-user")
@pytest.mark.parametrize("name", ["refs", "blobs/sha256", "layers", "images", "containers"])
def test_what_cannot_be_listed_is_not_taken_for_missing(store: Store, name: str) -> None:
    put_image(store, "a", "one")
    put_container(store, "b", "one")
    before = listing(store)
    closed = store.directories.data / name
    closed.chmod(0o000)
    try:
        with pytest.raises(StoreError, match="cannot list|cannot be read"):
            store.collect()
    finally:
        closed.chmod(0o700)
    assert listing(store) == before


def test_remove_refuses_what_a_launch_holds(store: Store) -> None:
    made = put_image(store, "a", "one")
    launch = os.open(store.image_directory(made.digest), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(launch, fcntl.LOCK_SH)
        with pytest.raises(ContainerStateError, match="image a is used by a container that is"):
            store.remove("a")
    finally:
        os.close(launch)


def test_remove_beside_a_pull_takes_the_name_alone(store: Store) -> None:
    put_image(store, "a", "one")
    with Store(store.directories).pin():
        assert store.remove("a") == ["Untagged: a:latest"]
        assert store.layers.has(diff_id_of("one"))
    store.collect()
    assert store.layers.list_all() == []


def disk_bytes(store: Store, *texts: str) -> int:
    """Blocks of the layers' trees: each is a directory with one file."""
    trees = [store.layers.tree(diff_id_of(text)) for text in texts]
    return sum(512 * path.stat().st_blocks for tree in trees for path in (tree, tree / "file"))


def test_usage(store: Store) -> None:
    put_image(store, "a", "shared", "top")
    put_image(store, "b", "shared", "other")
    put_image(store, "c", "lost")
    store.untag(parse_reference("c"))
    (put_container(store, "a", "shared", "top") / "upper").mkdir()
    (store.directories.temporary / "partial-0").write_bytes(b"x" * 5000)
    usage = store.usage()
    assert (usage.images.total, usage.images.active) == (2, 1)
    blobs = sum(path.stat().st_size for path in store.directories.blobs.rglob("*/*"))
    plan = store.collect(dry_run=True)
    assert usage.unnamed.size_bytes == usage.unnamed.reclaimable_bytes == plan.bytes
    layers = disk_bytes(store, "shared", "top", "other", "lost")
    assert usage.images.size_bytes == blobs + layers - plan.bytes
    assert (usage.containers.total, usage.containers.active) == (1, 0)
    assert usage.containers.size_bytes == usage.containers.reclaimable_bytes > 0
    assert usage.leftovers.total == 1
    assert usage.leftovers.size_bytes >= 5000


def age(path: Path, hours: int) -> None:
    then = time.time() - hours * 3600
    os.utime(path, (then, then), follow_symlinks=False)


def test_sweep(store: Store) -> None:
    put_image(store, "a")
    temporary, trash = store.directories.temporary, store.directories.trash
    for name in ("layer-dead", "scratch-dead", "foreign-new", "foreign-old"):
        (temporary / name / "tree").mkdir(parents=True)
    for name in ("blob-dead", "partial-new", "partial-old", "version-dead"):
        (temporary / name).write_bytes(b"x")
    (temporary / "link-dead").symlink_to("x")
    (trash / "grave/d").mkdir(parents=True)
    for name in ("foreign-old", "partial-old"):
        age(temporary / name, 25)
    with store.layers.writer() as writer, store.scratch() as scratch:
        swept = store.sweep()
        assert swept.problems == ()
        living = {writer.directory.name, scratch.name}
        assert {path.name for path in temporary.iterdir()} == {
            "partial-new", "foreign-new", *living,
        }  # fmt: skip
    assert list(trash.iterdir()) == []
    assert {path.name for path in temporary.iterdir()} == {"partial-new", "foreign-new"}
    assert names(store) == ["a:latest"]


def test_a_sweep_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_image(store, "a")
    monkeypatch.setattr("pyrootless.images.store.temporary.MAX_SWEPT", 3)
    for number in range(7):
        (store.directories.trash / str(number)).mkdir()
    left = []
    while list(store.directories.trash.iterdir()):
        store.sweep()
        left.append(len(list(store.directories.trash.iterdir())))
    assert left == [4, 1, 0]


def test_the_trash_is_emptied_as_far_as_the_budget_goes(store: Store) -> None:
    put_image(store, "a")
    for number in range(25):
        (store.directories.trash / f"grave/{number % 2}/{number}").mkdir(parents=True)
    empty = store.temporaries.empty_trash
    assert [empty(Budget(max_names=10)).removed for _ in range(4)] == [10, 10, 8, 0]
    assert list(store.directories.trash.iterdir()) == []


def test_a_sweep_takes_no_longer_than_it_may(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_image(store, "a")
    for number in range(9):
        (store.directories.trash / f"grave/{number}").mkdir(parents=True)
    clock = iter(range(1000))
    monkeypatch.setattr("pyrootless.images.store.temporary.MAX_SECONDS", 25)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    removed = store.sweep().removed
    monkeypatch.undo()
    assert 0 < removed < 9
    store.collect()
    assert list(store.directories.trash.iterdir()) == []


def test_a_pull_does_not_wait_for_the_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a collection takes trees off the disk its lock is free."""
    put_image(store, "a", "one")
    store.untag(parse_reference("a"))
    pinned = []

    def look(*_: object, **__: object) -> Swept:
        with Store(store.directories).pin():
            pinned.append(True)
        return Swept(0, ())

    monkeypatch.setattr(store.temporaries, "empty_trash", look)
    assert store.collect().layers == (diff_id_of("one"),)
    assert pinned == [True]


def test_removing_an_image_leaves_partials_alone(store: Store) -> None:
    put_image(store, "a")
    (store.directories.temporary / "partial-00").write_bytes(b"x")
    store.remove("a")
    assert [path.name for path in store.directories.temporary.iterdir()] == ["partial-00"]


def test_scratch_is_gone_afterwards(store: Store) -> None:
    with pytest.raises(RuntimeError), store.scratch() as place:
        (place / "file").touch()
        raise RuntimeError
    assert not place.exists()
