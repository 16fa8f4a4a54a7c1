"""An image in the store → the same image in a registry.

What comes in: the store, an image, the reference it gets there.
What goes out: the manifest's digest; blobs that the registry lacks.
Must never: change a byte of what was pulled; name a manifest before all its blobs are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from pyrootless.errors import StoreError, UsageError
from pyrootless.images.manifest import Descriptor
from pyrootless.images.reference import DEFAULT_TAG, Reference
from pyrootless.images.registry import (
    RegistryClient,
    RegistrySettings,
    Uploads,
    load_settings,
)
from pyrootless.images.transfer.parallel import run_all
from pyrootless.images.transfer.pull import Progress, Silence
from pyrootless.journal import add_event

if TYPE_CHECKING:
    from pyrootless.images.store import Store
    from pyrootless.images.store.images import StoredImage

_FOREIGN = ("foreign", "nondistributable")
"""In the type of a layer that stays where it is (OCI image specification, layer.md)."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a registry has now.

    Attributes:
        reference: Its name there, with a tag or digest.
        digest: Of the manifest.
        size: Bytes of the manifest.
    """

    reference: Reference
    digest: str
    size: int


def push_image(
    store: Store,
    image: StoredImage,
    reference: Reference,
    *,
    progress: Progress | None = None,
    settings: RegistrySettings | None = None,
) -> Pushed:
    """Send an image to a registry.

    Layers that the registry has are not sent; those that it has in another repository, as far
    as names in this store tell, it is asked to take from there.

    Args:
        store: Where the image is.
        image: From `find_image`.
        reference: Its name there; without a tag and digest it gets the tag "latest".
        progress: None: nobody is told.
        settings: None: the user's file.

    Raises:
        UsageError: The reference names another digest than the image's.
        StoreError: A layer's blob is not in the store.
        RegistryError: The registry refused, failed, is out of reach or too slow.
    """
    manifest = image.manifest
    if reference.digest not in (None, manifest.digest):
        raise UsageError(
            f"{reference}: the image has the digest {manifest.digest}; push it under a tag"
        )
    name = reference.tag or reference.digest or DEFAULT_TAG
    told = progress or Silence()
    chosen = load_settings() if settings is None else settings
    with store.pin(), RegistryClient(reference.domain, chosen) as client:
        uploads = client.uploads(reference.path)
        push = _Push(store, uploads, told, _repositories(store, reference))
        push.send_layers(client, _blobs(store, image))
        push.send_config(manifest.config)
        raw = store.blobs.read(manifest.digest)
        uploads.put_manifest(name, raw, manifest.media_type, manifest.digest)
    familiar = reference.familiar
    add_event(
        store.directories, "image", "push", familiar, {**image.config.labels, "name": familiar}
    )
    return Pushed(reference, manifest.digest, len(raw))


def _blobs(store: Store, image: StoredImage) -> list[Descriptor]:
    """The layers to send, each once.  Raises StoreError."""
    layers = [
        layer
        for layer in {each.digest: each for each in image.manifest.layers}.values()
        if not any(word in layer.media_type for word in _FOREIGN)
    ]
    for layer in (*layers, image.manifest.config):
        if not store.blobs.has(layer.digest, layer.size):
            raise StoreError(
                f"image {image.shown}: its blob {layer.digest} is not in the store",
                remedy=f"fetch it again: pyrootless pull {image.shown}",
            )
    return layers


def _repositories(store: Store, reference: Reference) -> dict[str, list[str]]:
    """Digest of a layer → other repositories of the same registry that may have it."""
    found: dict[str, list[str]] = {}
    for image in store.images(damaged=lambda _: None):
        paths = [
            name.path
            for name in image.references
            if name.domain == reference.domain and name.path != reference.path
        ]
        for layer in image.manifest.layers if paths else ():
            found.setdefault(layer.digest, []).extend(paths)
    return found


@dataclass(frozen=True, slots=True)
class _Push:
    """One push of one image."""

    store: Store
    uploads: Uploads
    progress: Progress
    sources: dict[str, list[str]]

    def send_layers(self, client: RegistryClient, layers: list[Descriptor]) -> None:
        """All layers, some at once, the largest first; ends the others when one fails."""
        for layer in layers:
            self.progress.layer_started(layer.digest, layer.size)
        ordered = sorted(layers, key=lambda layer: layer.size, reverse=True)
        run_all(self._send_layer, ordered, client)

    def send_config(self, blob: Descriptor) -> None:
        """The configuration, of which nobody is told."""
        self.uploads.put_blob(blob, partial(self._open, blob), lambda _: None)

    def _send_layer(self, layer: Descriptor) -> None:
        told = partial(self.progress.layer_advanced, layer.digest)
        sources = self.sources.get(layer.digest, ())
        sent = self.uploads.put_blob(layer, partial(self._open, layer), told, sources)
        self.progress.layer_done(layer.digest, sent.value)

    def _open(self, blob: Descriptor) -> BinaryIO:
        try:
            return self.store.blobs.path(blob.digest).open("rb")
        except OSError as error:
            raise StoreError(f"blob {blob.digest}: {error.strerror}") from error


def push_references(store: Store, name: Reference) -> list[tuple[StoredImage, Reference]]:
    """Every image of the store that has a tag in a repository.

    Raises:
        UsageError: There is none.
    """
    found = [
        (image, each)
        for image in store.images(damaged=lambda _: None)
        for each in image.references
        if (each.domain, each.path) == (name.domain, name.path) and each.tag
    ]
    if not found:
        raise UsageError(
            f"no image here has a tag in {name.name}", remedy="see: pyrootless images"
        )
    return sorted(found, key=lambda pair: str(pair[1]))
