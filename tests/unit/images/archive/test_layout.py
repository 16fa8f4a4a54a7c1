"""pyrootless.images.archive.layout: layouts in directories and archives, hostile ones too."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from images.stored import BASE, make_image, make_store
from images.tars import files

from pyrootless.errors import IntegrityError, StoreError, UsageError
from pyrootless.images.archive import layout as oci_layout
from pyrootless.images.archive.images import load_images
from pyrootless.images.archive.layout import (
    FULL_NAME,
    REF_NAME,
    blobs_of,
    describe_image,
    read_layout,
    take_image,
    write_layout,
)
from pyrootless.images.archive.source import blob_path
from pyrootless.images.imported import MAX_NAMES, Taken
from pyrootless.images.manifest import Descriptor, Platform, digest_of, encode_index
from pyrootless.images.store.disk import Store, StoredImage

OTHER = Platform("linux", "s390x")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return make_store(tmp_path / "two")


def layout(store: Store, image: StoredImage, *entries: Descriptor) -> dict[str, bytes]:
    """The files of a layout with these entries and the image's blobs."""
    contents = {
        blob_path(blob.digest): store.blobs.path(blob.digest).read_bytes()
        for blob in blobs_of(image)
    }
    contents["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    contents["index.json"] = encode_index(entries or [describe_image(image, {})])
    return contents


def load(store: Store, contents: dict[str, bytes]) -> list[str]:
    return load_images(store, io.BytesIO(files(contents)))


def nested(contents: dict[str, bytes], entries: list[Descriptor], **notes: str) -> Descriptor:
    """Put an index of these entries into a layout; the entry that leads to it."""
    raw = encode_index(entries)
    contents[blob_path(digest_of(raw))] = raw
    media_type = "application/vnd.oci.image.index.v1+json"
    return Descriptor(media_type, digest_of(raw), len(raw), annotations=notes)


def test_a_directory_there_and_back(store: Store, other: Store, tmp_path: Path) -> None:
    image = make_image(store, "base:1", [BASE, {"top": b""}])
    write_layout(store, image, tmp_path / "layout", "1")
    found = read_layout(other, tmp_path / "layout", None)
    assert (found.id, found.manifest.raw) == (image.id, image.manifest.raw)
    assert json.loads((tmp_path / "layout/oci-layout").read_bytes()) == {
        "imageLayoutVersion": "1.0.0"
    }


def test_tags_of_a_directory(store: Store, other: Store, tmp_path: Path) -> None:
    first, second = make_image(store, "a:1"), make_image(store, "b:1", [{"b": b""}])
    for image, tag in ((first, "one"), (second, "two"), (second, "one")):
        write_layout(store, image, tmp_path, tag)
    write_layout(store, first, tmp_path, "latest")
    assert read_layout(other, tmp_path, "one").id == second.id
    assert read_layout(other, tmp_path, None).id == first.id  # "latest" counts
    assert read_layout(other, tmp_path, f"@{second.manifest.digest}").id == second.id
    with pytest.raises(UsageError, match="no image 'three'; it has: latest, one, two"):
        read_layout(other, tmp_path, "three")


def test_several_images_need_a_tag(store: Store, tmp_path: Path) -> None:
    for tag in ("one", "two"):
        write_layout(store, make_image(store, f"{tag}:1", [{tag: b""}]), tmp_path, tag)
    with pytest.raises(UsageError, match="several images; it has: one, two"):
        read_layout(store, tmp_path, None)


def test_a_directory_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write the layout"):
        write_layout(store, make_image(store, "a:1"), tmp_path / "file", "1")


@pytest.mark.parametrize(
    ("notes", "name"),
    [
        ({FULL_NAME: "docker.io/library/a:1", REF_NAME: "1"}, "a:1"),
        ({REF_NAME: "docker.io/library/a:1"}, "a:1"),
        ({REF_NAME: "quay.io/x/a"}, "quay.io/x/a:latest"),
        ({REF_NAME: "a:1"}, "localhost/a:1"),
        ({REF_NAME: "1"}, "localhost/1:latest"),
    ],
)
def test_names_of_a_layout(
    store: Store, other: Store, notes: dict[str, str], name: str
) -> None:
    image = make_image(store, "base:1")
    assert load(other, layout(store, image, describe_image(image, notes))) == [name]


def test_a_nested_index_gives_the_image_for_this_machine(store: Store, other: Store) -> None:
    image = make_image(store, "base:1")
    contents = layout(store, image)
    mine = describe_image(image, {})
    foreign = Descriptor(mine.media_type, "sha256:" + "0" * 64, 7, OTHER)
    attested = Descriptor(
        mine.media_type, "sha256:" + "1" * 64, 7, Platform("unknown", "unknown"),
        {"vnd.docker.reference.type": "attestation-manifest"},
    )  # fmt: skip
    inner = nested(contents, [foreign, attested, mine])
    outer = nested(contents, [inner], **{FULL_NAME: "docker.io/library/multi:2"})
    contents["index.json"] = encode_index([outer])
    assert load(other, contents) == ["multi:2"]
    assert len(other.layers.list_all()) == 1


def test_one_name_for_several_machines(store: Store, other: Store) -> None:
    image = make_image(store, "base:1")
    mine = describe_image(image, {REF_NAME: "quay.io/a:1"})
    foreign = Descriptor(mine.media_type, "sha256:" + "0" * 64, 7, OTHER, mine.annotations)
    assert load(other, layout(store, image, foreign, mine)) == ["quay.io/a:1"]


def test_images_for_other_machines_only(store: Store, other: Store) -> None:
    image = make_image(store, "base:1")
    contents = layout(store, image)
    foreign = Descriptor(
        "application/vnd.oci.image.manifest.v1+json", "sha256:" + "0" * 64, 7, OTHER
    )
    contents["index.json"] = encode_index([nested(contents, [foreign, foreign])])
    with pytest.raises(UsageError, match="there is linux/s390x"):
        load(other, contents)


def change(
    store: Store, image: StoredImage, which: str, data: bytes | None
) -> dict[str, bytes]:
    contents = layout(store, image)
    blobs = {"manifest": 0, "config": 1, "layer": 2}
    key = blob_path(list(blobs_of(image))[blobs[which]].digest) if which in blobs else which
    if data is None:
        del contents[key]
    else:
        contents[key] = data
    return contents


def deep(store: Store, image: StoredImage) -> dict[str, bytes]:
    contents = layout(store, image)
    entry = describe_image(image, {})
    for _ in range(6):
        entry = nested(contents, [entry])
    contents["index.json"] = encode_index([entry])
    return contents


def wrong_size(store: Store, image: StoredImage) -> dict[str, bytes]:
    right = describe_image(image, {})
    return layout(store, image, Descriptor(right.media_type, right.digest, right.size + 1))


HOSTILE: dict[str, Callable[[Store, StoredImage], dict[str, bytes]]] = {
    "no manifest": lambda store, image: change(store, image, "manifest", None),
    "no config": lambda store, image: change(store, image, "config", None),
    "no layer": lambda store, image: change(store, image, "layer", None),
    "another manifest": lambda store, image: change(store, image, "manifest", b"{}"),
    "another config": lambda store, image: change(store, image, "config", b"{}"),
    "another layer": lambda store, image: change(store, image, "layer", files({"evil": b""})),
    "a longer layer": lambda store, image: change(store, image, "layer", bytes(1 << 20)),
    "a newer layout": lambda store, image: change(
        store, image, "oci-layout", b'{"imageLayoutVersion":"2.0.0"}'
    ),
    "no version": lambda store, image: change(store, image, "oci-layout", b"{}"),
    "an index that is none": lambda store, image: change(store, image, "index.json", b"[]"),
    "a manifest for an index": lambda store, image: change(
        store, image, "index.json", image.manifest.raw
    ),
    "a size that is wrong": wrong_size,
    "indexes without an end": deep,
    "a name that is none": lambda store, image: layout(
        store, image, describe_image(image, {FULL_NAME: "UPPER"})
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_refused_changes_nothing(store: Store, other: Store, what: str) -> None:
    contents = HOSTILE[what](store, make_image(store, "base:1"))
    with pytest.raises(IntegrityError):
        load(other, contents)
    assert other.refs.references() == {}
    assert other.layers.list_all() == []


def test_images_have_a_bound(store: Store, other: Store) -> None:
    image = make_image(store, "base:1")
    entries = [describe_image(image, {REF_NAME: f"n{n}"}) for n in range(MAX_NAMES + 1)]
    with pytest.raises(IntegrityError, match="the archive lists 2001 names"):
        load(other, layout(store, image, *entries))
    assert other.layers.list_all() == other.blobs.list_all() == []


def test_an_image_of_many_names_is_read_once(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, read = make_image(store, "base:1"), []

    def count(place: Store, raw: object, entry: Descriptor) -> Taken:
        read.append(entry.digest)
        return take_image(place, raw, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(oci_layout, "take_image", count)
    entries = [describe_image(image, {REF_NAME: f"n{n}"}) for n in range(5)]
    assert load(other, layout(store, image, *entries)) == [
        f"localhost/n{n}:latest" for n in range(5)
    ]
    assert read == [image.manifest.digest]


def test_links_in_a_directory_are_not_followed(
    store: Store, other: Store, tmp_path: Path
) -> None:
    image = make_image(store, "base:1")
    write_layout(store, image, tmp_path / "layout", "1")
    blob = tmp_path / "layout" / blob_path(image.manifest.layers[0].digest)
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="no readable"):
        read_layout(other, tmp_path / "layout", None)


def test_what_is_no_layout(store: Store, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="no readable oci-layout"):
        read_layout(store, tmp_path, None)
    with pytest.raises(StoreError, match="cannot open the directory"):
        read_layout(store, tmp_path / "gone", None)
