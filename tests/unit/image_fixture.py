"""Images made by hand, for the tests of what stores and uses them.

In: a store and some text.  Out: an image of as many layers as texts, each one file.
Never: a real archive: a layer's blob is its text, its diff ID the text's digest.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from pyrootless.images import manifest as m
from pyrootless.images.manifest import (
    Descriptor,
    ImageConfig,
    Manifest,
    Platform,
    encode_image_config,
    encode_manifest,
    parse_manifest,
)
from pyrootless.images.reference import parse_reference
from pyrootless.images.store.disk import Store


def diff_id_of(text: str) -> str:
    """The diff ID of the layer with this text."""
    return m.digest_of(text.encode())


def put_layer(store: Store, text: str) -> Descriptor:
    """A layer's tree and its blob."""
    with store.layers.writer(diff_id_of(text)) as writer:
        (writer.directory / "tree" / "file").write_text(text)
        (writer.directory / "layer.json").write_text(json.dumps({"bytes": len(text)}))
        writer.commit(diff_id_of(text))
    blob = gzip.compress(text.encode(), mtime=0)
    return Descriptor(m.OCI_LAYER_GZIP, store.blobs.put(blob), len(blob))


def make_manifest(store: Store, *texts: str, cmd: str = "sh") -> Manifest:
    """Layers and configuration in the store, and the manifest that joins them."""
    layers = [put_layer(store, text) for text in texts]
    diff_ids = tuple(diff_id_of(text) for text in texts)
    config = encode_image_config(
        ImageConfig(b"", Platform("linux", "amd64"), cmd=(cmd,), diff_ids=diff_ids)
    )
    described = Descriptor(m.OCI_CONFIG, store.blobs.put(config), len(config))
    made = parse_manifest(encode_manifest(described, layers), None)
    assert isinstance(made, Manifest)
    return made


def put_image(store: Store, name: str, *texts: str, cmd: str = "sh") -> Manifest:
    """A whole image with a name."""
    with store.pin():
        made = make_manifest(store, *(texts or (name,)), cmd=cmd)
        store.put_image(made)
        store.tag(parse_reference(name), made.digest)
    return made


def put_container(store: Store, key: str, *texts: str, name: str = "") -> Path:
    """A kept container that stands on layers, the lowest first."""
    directory = store.directories.data / "containers" / (key * 64)[:64]
    directory.mkdir(parents=True)
    lowers = [str(store.layers.tree(diff_id_of(text))) for text in reversed(texts)]
    notes = {"io.pyrootless.rootfs.lower": "\n".join(lowers), "io.pyrootless.name": name}
    (directory / "config.json").write_text(json.dumps({"annotations": notes}))
    if name:
        link = store.directories.data / "names" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"../containers/{directory.name}")
    return directory


def listing(store: Store) -> set[str]:
    """Every path of the store that is not a directory, and every layer and image."""
    data = store.directories.data
    found = {str(path.relative_to(data)) for path in data.rglob("*") if not path.is_dir()}
    return found | {
        str(path.relative_to(data))
        for parent in (store.directories.layers, store.directories.images)
        if parent.is_dir()
        for path in parent.iterdir()
    }
