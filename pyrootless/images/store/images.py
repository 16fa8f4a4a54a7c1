"""Images in the store: found by what a person types, put together from blobs.

What comes in: a name, an alias, an ID, the begin of one, or a digest.
What goes out: `StoredImage` values.
Must never: contact a registry, take a lock, write.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from pyrootless.errors import IntegrityError, PyrootlessError, UsageError
from pyrootless.images import (
    DEFAULT_TAG,
    Manifest,
    Reference,
    parse_image_config,
    parse_manifest,
    parse_reference,
)
from pyrootless.images.manifest import ImageConfig
from pyrootless.images.store.blobs import Blobs
from pyrootless.images.store.layers import Layers
from pyrootless.images.store.refs import BUILT_IN, Refs

_LATEST = f":{DEFAULT_TAG}"
_ID_BEGIN = re.compile(r"(?:sha256:)?([a-f0-9]{1,64})")


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that can be run.

    Attributes:
        manifest: Its manifest, verified.
        config: Its configuration, verified.
        references: Its names, sorted.
        size_bytes: Bytes of its unpacked layers.
    """

    manifest: Manifest
    config: ImageConfig
    references: tuple[Reference, ...]
    size_bytes: int

    @property
    def id(self) -> str:
        """ "sha256:HEX" of the configuration, as docker counts images."""
        return self.manifest.config.digest

    @property
    def shown(self) -> str:
        """Its first name in short, else the begin of its ID."""
        return self.references[0].familiar if self.references else self.id[7:19]


class Images:
    """The images of one store."""

    def __init__(self, blobs: Blobs, layers: Layers, refs: Refs) -> None:
        self._blobs = blobs
        self._layers = layers
        self._refs = refs

    def load(self, manifest_digest: str, references: tuple[Reference, ...]) -> StoredImage:
        """An image by the digest of its manifest.

        Raises:
            IntegrityError: A blob is missing or corrupted, or the blobs do not fit together.
        """
        try:
            manifest = parse_manifest(self._blobs.read(manifest_digest), None)
            if not isinstance(manifest, Manifest):
                raise IntegrityError(f"{manifest_digest} is an index, not an image")
            config = parse_image_config(self._blobs.read(manifest.config.digest))
        except IntegrityError as error:
            raise _named(error, references) from error
        size = sum(self._layers.size_bytes(diff_id) for diff_id in set(config.diff_ids))
        return StoredImage(manifest, config, references, size)

    def list_all(
        self, damaged: Callable[[PyrootlessError], None] | None = None
    ) -> list[StoredImage]:
        """Every image that has a name, sorted by its first.

        Args:
            damaged: Called with the reason for each that cannot be read; None: raise the first.

        Raises:
            IntegrityError: An image cannot be read.
        """
        by_digest: dict[str, list[Reference]] = {}
        for reference, digest in self._refs.references().items():
            by_digest.setdefault(digest, []).append(reference)
        found = []
        for digest, references in by_digest.items():
            try:
                found.append(self.load(digest, tuple(references)))
            except PyrootlessError as error:
                if damaged is None:
                    raise
                damaged(error)
        return found

    def find(self, text: str) -> StoredImage | None:
        """The image somebody means: reference, alias, ID or begin of one, manifest's digest.

        Raises:
            UsageError: Several images fit, or the text has no meaning at all.
            IntegrityError: The image cannot be read.
        """
        digest = self.resolve(text)
        if digest is not None:
            return self.load(digest, self.names_of(digest))
        match = _ID_BEGIN.fullmatch(text)
        if match is not None:
            found = self._find_by_id(text, match[1])
            if found is not None:
                return found
        if match is None:
            parse_reference(text)  # says what is wrong with it
        return None

    def resolve(self, text: str) -> str | None:
        """The digest of the manifest that a name means; None when there is no such name."""
        try:
            reference = parse_reference(text)
        except UsageError:
            alias = self._refs.find_alias(text)
            return self._refs.find(alias) if alias else None
        digest = self._refs.find(reference)
        if digest is not None:
            return digest
        alias = self._refs.find_alias(text)
        if alias is not None:
            return self._refs.find(alias)
        return self._find_by_digest(reference) if reference.digest else None

    def names_of(self, manifest_digest: str) -> tuple[Reference, ...]:
        """Every reference of an image."""
        every = self._refs.references().items()
        return tuple(reference for reference, digest in every if digest == manifest_digest)

    def near(self, text: str) -> list[str]:
        """Names in the store, or built in, that look like what was typed; the nearest first."""
        names = [reference.familiar for reference in self._refs.references()]
        known = {name.removesuffix(_LATEST) for name in (*names, *self._refs.aliases())}
        known |= set(BUILT_IN)
        return difflib.get_close_matches(text.removesuffix(_LATEST), sorted(known), n=3)

    def _find_by_digest(self, reference: Reference) -> str | None:
        """name@sha256:… of an image that has this name with another tag."""
        for other, digest in self._refs.references().items():
            if digest == reference.digest and other.name == reference.name:
                return digest
        return None

    def _find_by_id(self, text: str, digits: str) -> StoredImage | None:
        fits = {
            image.manifest.digest: image
            for image in self.list_all(damaged=lambda _: None)
            if image.id[7:].startswith(digits) or image.manifest.digest[7:].startswith(digits)
        }
        if len(fits) > 1:
            shown = ", ".join(image.shown for image in fits.values())
            raise UsageError(
                f'"{text}" is the begin of the IDs of several images: {shown}',
                remedy="write more digits, or the name",
            )
        return next(iter(fits.values()), None)


def _named(error: IntegrityError, references: tuple[Reference, ...]) -> IntegrityError:
    """The same failure, with the image's name in it and in the remedy."""
    if not references:
        return error
    name = references[0].familiar
    return IntegrityError(
        f"image {name}: {error.args[0]}", remedy=f"fetch it again: pyrootless pull {name}"
    )
