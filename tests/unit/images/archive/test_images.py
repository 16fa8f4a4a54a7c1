"""pyrootless.images.archive.images: save and load, and archives that must be refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from images.stored import BASE, HOST, gzipped, make_image, make_store, name
from images.tars import directory, files, make_tar, symlink

from pyrootless.errors import IntegrityError, StoreError, UsageError
from pyrootless.images.archive import docker as archive_docker
from pyrootless.images.archive.images import Form, load_images, save_images
from pyrootless.images.archive.layer import take_layer
from pyrootless.images.config import ImageConfig, encode_image_config
from pyrootless.images.imported import MAX_IMAGES, MAX_NAMES
from pyrootless.images.manifest import MAX_LAYERS
from pyrootless.images.reference import Reference
from pyrootless.images.store.disk import Store

FORMS: tuple[Form, ...] = ("docker-archive", "oci-archive")
LAYER = files(BASE)
TOP = files({"top": b"x" * 2000})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return make_store(tmp_path / "two")


def save(store: Store, *names: str, form: Form = "docker-archive") -> bytes:
    out = io.BytesIO()
    save_images(store, names, out, form)
    return out.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {
            item.name: stream.read()
            for item in archive
            if (stream := archive.extractfile(item)) is not None
        }


def hex_of(data: bytes) -> str:
    return sha256(data).hexdigest()


def snapshot(store: Store) -> dict[str, object]:
    """Everything a load may not change when it fails: names, and what they lead to."""
    return {str(ref): digest for ref, digest in store.refs.references().items()}


@pytest.mark.parametrize("form", FORMS)
def test_there_and_back(store: Store, other: Store, form: Form) -> None:
    image = make_image(store, "base:1", [BASE, {"top": b"1"}])
    data = save(store, "base:1", form=form)
    assert load_images(other, io.BytesIO(data)) == ["base:1"]
    loaded = other.find("base:1")
    assert loaded is not None and loaded.id == image.id
    assert loaded.config.raw == image.config.raw
    assert (other.layers.tree(image.config.diff_ids[0]) / "run").read_bytes() == b"#!"
    if form == "oci-archive":
        assert loaded.manifest.raw == image.manifest.raw
    assert list(other.temporaries.directory.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_equal_images_give_equal_archives(store: Store, other: Store, form: Form) -> None:
    make_image(store, "base:1")
    data = save(store, "base:1", form=form)
    load_images(other, io.BytesIO(data))
    assert save(store, "base:1", form=form) == data == save(other, "base:1", form=form)


@pytest.mark.parametrize("form", FORMS)
def test_several_images_share_layers(store: Store, other: Store, form: Form) -> None:
    make_image(store, "a:1", [BASE])
    make_image(store, "quay.io/b/b:1", [BASE, {"b": b""}])
    store.tag(name("c:2"), store.find("a:1").manifest.digest)  # type: ignore[union-attr]
    data = save(store, "a:1", "quay.io/b/b:1", "c:2", form=form)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
    assert sorted(load_images(other, io.BytesIO(data))) == ["a:1", "c:2", "quay.io/b/b:1"]
    assert len(other.layers.list_all()) == 2


@pytest.mark.parametrize("form", FORMS)
def test_an_image_without_a_name(store: Store, other: Store, form: Form) -> None:
    image = make_image(store, "base:1")
    data = save(store, image.id[7:19], form=form)
    assert load_images(other, io.BytesIO(data)) == [image.id]
    assert other.find(image.id) is not None
    assert load_images(store, io.BytesIO(data)) == [image.id]
    assert [str(ref) for ref in store.refs.references()] == ["docker.io/library/base:1"]


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_compressed_archives(
    store: Store, other: Store, compress: Callable[[bytes], bytes]
) -> None:
    make_image(store, "base:1")
    assert load_images(other, io.BytesIO(compress(save(store, "base:1")))) == ["base:1"]


def test_unknown_names(store: Store) -> None:
    make_image(store, "base:1")
    with pytest.raises(UsageError, match=r'no image "bose:1" here; did you mean "base:1"\?'):
        save(store, "bose:1")


def test_a_damaged_blob_is_never_saved(store: Store) -> None:
    image = make_image(store, "base:1")
    blob = store.blobs.path(image.manifest.layers[0].digest)
    blob.chmod(0o644)
    for form in FORMS:
        data = bytearray(blob.read_bytes() if blob.exists() else b"")
        data[len(data) // 2] ^= 0xFF
        blob.write_bytes(data)
        with pytest.raises(IntegrityError):
            save(store, "base:1", form=form)
        data[len(data) // 2] ^= 0xFF
        blob.write_bytes(data)


def docker(
    config: ImageConfig | None = None, **changes: Any
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """An entry of manifest.json and the members it names, as docker before 25 wrote them."""
    diff_ids = tuple(f"sha256:{hex_of(layer)}" for layer in (LAYER, TOP))
    base = config or ImageConfig(raw=b"", platform=HOST, cmd=("/run",))
    raw = encode_image_config(replace(base, diff_ids=diff_ids))
    entry = {
        "Config": f"{hex_of(raw)}.json",
        "RepoTags": ["old:1", "quay.io/x/old:2"],
        "Layers": ["a/layer.tar", "b/layer.tar"],
    } | changes
    return entry, {f"{hex_of(raw)}.json": raw, "a/layer.tar": LAYER, "b/layer.tar": TOP}


def archive(entry: Any, contents: dict[str, bytes], *more: Any) -> bytes:
    listed = [entry] if isinstance(entry, dict) else entry
    return make_tar(*contents.items(), *more, ("manifest.json", json.dumps(listed).encode()))


def test_what_docker_wrote(store: Store) -> None:
    entry, contents = docker()
    data = archive(
        entry, contents, directory("a"), ("repositories", b"{}"), ("a/VERSION", b"1.0")
    )
    assert load_images(store, io.BytesIO(data)) == ["old:1", "quay.io/x/old:2"]
    image = store.find("old:1")
    assert image is not None and image.id == f"sha256:{hex_of(next(iter(contents.values())))}"
    assert load_images(store, io.BytesIO(data)) == ["old:1", "quay.io/x/old:2"]


def test_layers_that_are_links(store: Store) -> None:
    entry, contents = docker()
    del contents["b/layer.tar"]
    contents["real"] = TOP
    data = archive(entry, contents, symlink("b/layer.tar", "../real"))
    assert load_images(store, io.BytesIO(data)) == ["old:1", "quay.io/x/old:2"]


@pytest.mark.parametrize("compress", [gzipped, zstd.compress])
def test_compressed_layers_stay_as_they_are(
    store: Store, compress: Callable[[bytes], bytes]
) -> None:
    entry, contents = docker(RepoTags=None)
    contents |= {key: compress(contents[key]) for key in ("a/layer.tar", "b/layer.tar")}
    (found,) = load_images(store, io.BytesIO(archive(entry, contents)))
    image = store.find(found)
    assert image is not None
    stored = [store.blobs.path(layer.digest).read_bytes() for layer in image.manifest.layers]
    assert stored == [contents["a/layer.tar"], contents["b/layer.tar"]]


def changed(**changes: Any) -> bytes:
    return archive(*docker(**changes))


def without(member: str) -> bytes:
    entry, contents = docker()
    del contents[member]
    return archive(entry, contents)


def with_member(member: str, data: bytes) -> bytes:
    entry, contents = docker()
    return archive(entry, contents | {member: data})


HOSTILE: dict[str, Callable[[], bytes]] = {
    "no archive": lambda: b"nonsense" * 200,
    "nothing in it": lambda: make_tar(),
    "a root file system": lambda: LAYER,
    "before docker 1.10": lambda: files({"repositories": b"{}"}),
    "not JSON": lambda: files({"manifest.json": b"{"}),
    "no list": lambda: files({"manifest.json": b"{}"}),
    "an empty list": lambda: files({"manifest.json": b"[]"}),
    "a list of texts": lambda: files({"manifest.json": b'["x"]'}),
    "closes the list itself": lambda: files({"manifest.json": b'[],"images":[{}]'}),
    "config that is not there": lambda: changed(Config="gone.json"),
    "config that leads out": lambda: changed(Config="../x.json"),
    "absolute config": lambda: changed(Config="/etc/passwd"),
    "config that is a number": lambda: changed(Config=7),
    "layer that is not there": lambda: without("b/layer.tar"),
    "layer that leads out": lambda: changed(Layers=["../../a", "b/layer.tar"]),
    "too few layers": lambda: changed(Layers=["a/layer.tar"]),
    "layers the other way round": lambda: changed(Layers=["b/layer.tar", "a/layer.tar"]),
    "another layer": lambda: with_member("b/layer.tar", files({"evil": b""})),
    "a layer that is cut off": lambda: with_member("b/layer.tar", TOP[:1000]),
    "a layer with junk before it": lambda: with_member("b/layer.tar", b"\x1f\x8b junk"),
    "a name that is none": lambda: changed(RepoTags=["UPPER:1"]),
    "a name with a scheme": lambda: changed(RepoTags=["http://x/y"]),
    "cut off": lambda: changed()[:5000],
    "cut off in compressed form": lambda: gzip.compress(changed())[:-20],
    "a member twice": lambda: archive(*docker(), ("a/layer.tar", TOP)),
    "a layer that is a link out": lambda: archive(
        docker(Layers=["a/layer.tar", "l"])[0], docker()[1], symlink("l", "/etc/passwd")
    ),
    "a layer in a circle": lambda: archive(
        docker(Layers=["a/layer.tar", "l"])[0], docker()[1], symlink("l", "l")
    ),
    "a second image that is damaged": lambda: archive(
        [docker()[0], docker(Layers=["b/layer.tar", "a/layer.tar"])[0]], docker()[1]
    ),
    "a layout without an index": lambda: files(
        {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_refused_changes_nothing(store: Store, what: str) -> None:
    image = make_image(store, "old:1", [{"mine": b""}])
    before = snapshot(store)
    with pytest.raises(IntegrityError):
        load_images(store, io.BytesIO(HOSTILE[what]()))
    assert snapshot(store) == before
    assert store.find("old:1") == image
    assert list(store.temporaries.directory.glob("[!p]*")) == []


def kept(store: Store) -> list[Path]:
    """Every blob, layer, image and piece of work that a store keeps."""
    names = ("blobs/sha256", "layers", "images", "refs", "tmp", "trash")
    return sorted(p for name in names for p in (store.directories.data / name).glob("*"))


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_refused_leaves_nothing(store: Store, what: str) -> None:
    make_image(store, "old:1", [{"mine": b""}])
    before = kept(store)
    with pytest.raises(IntegrityError):
        load_images(store, io.BytesIO(HOSTILE[what]()))
    assert kept(store) == before


@pytest.mark.parametrize(
    ("images", "names"), [(1, MAX_NAMES + 1), (MAX_IMAGES + 1, 1), (900, 3)]
)
def test_names_have_a_bound(store: Store, images: int, names: int) -> None:
    entry, contents = docker(RepoTags=[f"n{n}:1" for n in range(names)])
    with pytest.raises(IntegrityError, match=r"the archive lists \d+ (names|images); "):
        load_images(store, io.BytesIO(archive([entry] * images, contents)))
    assert kept(store) == []


def test_a_layer_that_is_listed_often_is_read_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def count(*args: Any, **options: Any) -> Any:
        read.append(options["diff_id"])
        return take_layer(*args, **options)

    monkeypatch.setattr(archive_docker, "take_layer", count)
    raw = encode_image_config(
        ImageConfig(raw=b"", platform=HOST, diff_ids=(f"sha256:{hex_of(LAYER)}",) * 400)
    )
    entry = {"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l"] * 400}
    data = archive([entry] * 20, {"c.json": raw, "l": LAYER})
    assert load_images(store, io.BytesIO(data)) == ["x:1"] * 20
    assert len(read) == 1


def test_layers_have_a_bound(store: Store) -> None:
    count = MAX_LAYERS + 1
    raw = encode_image_config(
        ImageConfig(raw=b"", platform=HOST, diff_ids=(f"sha256:{hex_of(LAYER)}",) * count)
    )
    entry = {"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l"] * count}
    with pytest.raises(IntegrityError, match="500 are the most that an image has"):
        load_images(store, io.BytesIO(archive(entry, {"c.json": raw, "l": LAYER})))
    assert kept(store) == []


def test_configurations_have_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, contents = docker()
    size = len(contents[entry["Config"]])
    monkeypatch.setattr(archive_docker, "MAX_CONFIGS_BYTES", size)
    contents["again.json"] = contents[entry["Config"]]
    other = entry | {"Config": "again.json", "RepoTags": None}
    with pytest.raises(IntegrityError, match="longer together"):
        load_images(store, io.BytesIO(archive([entry, other], contents)))
    assert kept(store) == []
    assert load_images(store, io.BytesIO(archive([entry], contents))) == entry["RepoTags"]


def test_names_come_all_or_not_at_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, contents = docker(RepoTags=["new:1", "old:1", "third:1"])
    image = make_image(store, "old:1", [{"mine": b""}])
    before, files_before = snapshot(store), kept(store)
    tag = Store.tag

    def fail_third(self: Store, reference: Reference, digest: str) -> None:
        if reference == name("third:1"):
            raise StoreError("no room")
        tag(self, reference, digest)

    monkeypatch.setattr(Store, "tag", fail_third)
    with pytest.raises(StoreError, match="no room"):
        load_images(store, io.BytesIO(archive(entry, contents)))
    assert snapshot(store) == before
    assert store.find("old:1") == image
    assert kept(store) == files_before


def test_a_config_that_is_not_what_its_name_says(store: Store) -> None:
    entry, contents = docker()
    entry["Config"] = f"{'0' * 64}.json"
    contents[entry["Config"]] = contents[next(iter(contents))]
    with pytest.raises(IntegrityError, match="other content than its digest says"):
        load_images(store, io.BytesIO(archive(entry, contents)))


def test_no_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make_image(store, "base:1")
    data = save(store, "base:1")
    store.temporaries.directory.chmod(0o500)
    if os.access(store.temporaries.directory, os.W_OK):
        pytest.skip("needs plain-user: root writes everywhere")
    try:
        with pytest.raises(StoreError):
            load_images(store, io.BytesIO(data))
    finally:
        store.temporaries.directory.chmod(0o700)
