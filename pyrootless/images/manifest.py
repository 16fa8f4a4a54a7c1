"""Manifests and indexes: bytes of a registry or an archive → checked values.

What comes in: bytes and the media type they were announced with.
What goes out: `Manifest`, `Index` or `Contents`, with descriptors whose digests and sizes are
well-formed; the image for a platform; the bytes of a manifest made here.
Must never: open a file, contact a registry, take a document for two things at once (a media
type that contradicts another is refused, CVE-2021-41190).

Sources: OCI image specification 1.1 (manifest.md, image-index.md, descriptor.md); distribution,
"Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyrootless.errors import IntegrityError, UsageError
from pyrootless.images.config import (
    Healthcheck,
    HistoryEntry,
    ImageConfig,
    encode_image_config,
    parse_image_config,
)
from pyrootless.images.document import Node, encode_document, parse_document
from pyrootless.images.platforms import (
    Platform,
    host_platform,
    normalize,
    parse_platform,
    runnable,
)
from pyrootless.images.reference import check_digest

__all__ = [
    "Descriptor", "Healthcheck", "HistoryEntry", "ImageConfig", "Index", "Manifest", "Platform",
    "choose_platform", "encode_image_config", "encode_index", "encode_manifest",
    "host_platform", "parse_image_config", "parse_manifest", "parse_platform",
]  # fmt: skip

_OCI = "application/vnd.oci.image."
_DOCKER = "application/vnd.docker."
OCI_MANIFEST = f"{_OCI}manifest.v1+json"
OCI_INDEX = f"{_OCI}index.v1+json"
OCI_CONFIG = f"{_OCI}config.v1+json"
OCI_LAYER = f"{_OCI}layer.v1.tar"
OCI_LAYER_GZIP = f"{OCI_LAYER}+gzip"
OCI_LAYER_ZSTD = f"{OCI_LAYER}+zstd"
DOCKER_MANIFEST = f"{_DOCKER}distribution.manifest.v2+json"
DOCKER_INDEX = f"{_DOCKER}distribution.manifest.list.v2+json"
DOCKER_CONFIG = f"{_DOCKER}container.image.v1+json"
DOCKER_LAYER = f"{_DOCKER}image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = f"{DOCKER_LAYER}.gzip"
DOCKER_LAYER_ZSTD = f"{DOCKER_LAYER}.zstd"

MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)
CONFIG_OF = {OCI_MANIFEST: OCI_CONFIG, DOCKER_MANIFEST: DOCKER_CONFIG}
"""Manifest's media type → the one its configuration must have."""
COMPRESSION = {
    OCI_LAYER: "", OCI_LAYER_GZIP: "gzip", OCI_LAYER_ZSTD: "zstd",
    DOCKER_LAYER: "", DOCKER_LAYER_GZIP: "gzip", DOCKER_LAYER_ZSTD: "zstd",
}  # fmt: skip
"""Media type of a layer → how it is compressed."""
ACCEPT = (*MANIFEST_TYPES, *INDEX_TYPES)
"""What to ask a registry for."""

MAX_LAYERS = 500
"""Lower directories of one overlay (Linux, OVL_MAX_STACK)."""

_SCHEMA_1 = f"{_DOCKER}distribution.manifest.v1+"
_FOREIGN = ("image.rootfs.foreign.diff.", "layer.nondistributable.")
_ATTESTATION = "vnd.docker.reference.type"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What another document says of a blob.

    Attributes:
        media_type: What the blob is.
        digest: "sha256:HEX" or "sha512:HEX".
        size: Bytes.
        platform: What it runs on; None when not said.
        annotations: Name → text.
    """

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image.

    Attributes:
        raw: The bytes, whose digest names the image.
        media_type: OCI_MANIFEST or DOCKER_MANIFEST.
        digest: "sha256:HEX" of `raw`.
        config: The configuration's blob.
        layers: Blobs of the layers, the lowest first.
        annotations: Name → text.
    """

    raw: bytes
    media_type: str
    digest: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Index:
    """Several images under one name.

    Attributes:
        raw: The bytes.
        media_type: OCI_INDEX or DOCKER_INDEX.
        digest: "sha256:HEX" of `raw`.
        manifests: What it lists: manifests, and things that are no images.
        annotations: Name → text.
    """

    raw: bytes
    media_type: str
    digest: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a manifest or index names, whatever it is of: who copies it needs no more.

    Attributes:
        media_type: OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX or DOCKER_INDEX.
        manifests: What an index lists.
        blobs: Configuration and layers of a manifest, but those that only its publisher gives.
    """

    media_type: str
    manifests: tuple[Descriptor, ...]
    blobs: tuple[Descriptor, ...]


def digest_of(raw: bytes) -> str:
    """ "sha256:" and the hexadecimal digest of some bytes."""
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def parse_manifest(raw: bytes, media_type: str | None) -> Manifest | Index:
    """The manifest or index in some bytes.

    Args:
        raw: At most 4 MiB.
        media_type: As announced (Content-Type, a descriptor); None: not announced. Types that
            say nothing ("application/json") count as none.

    Raises:
        IntegrityError: Malformed, contradicting itself, of the first schema, or no image.
    """
    node, kind = _document(raw, media_type)
    annotations = node.pairs("annotations")
    if kind in INDEX_TYPES:
        listed = tuple(_descriptor(item) for item in node.children("manifests"))
        return Index(raw, kind, digest_of(raw), listed, annotations)
    config = _descriptor(node.child("config"))
    if config.media_type != CONFIG_OF[kind]:
        raise _not_an_image(node, kind, config.media_type)
    layers = tuple(_layer(item) for item in node.children("layers"))
    if len(layers) > MAX_LAYERS:
        raise IntegrityError(
            f"manifest: {len(layers)} layers; an overlay file system takes at most {MAX_LAYERS}"
        )
    return Manifest(raw, kind, digest_of(raw), config, layers, annotations)


def read_contents(raw: bytes, media_type: str | None) -> Contents:
    """What a manifest or index names: of an image, an attestation or another artifact.

    Args:
        raw, media_type: As of `parse_manifest`.

    Raises:
        IntegrityError: Malformed, contradicting itself, or of the first schema.
    """
    node, kind = _document(raw, media_type)
    if kind in INDEX_TYPES:
        return Contents(kind, tuple(map(_descriptor, node.children("manifests"))), ())
    layers = map(_descriptor, node.children("layers"))
    own = [layer for layer in layers if not _is_foreign(layer)]
    return Contents(kind, (), (_descriptor(node.child("config")), *own))


def choose_platform(index: Index, wanted: Platform) -> Descriptor:
    """The entry of an index that fits a platform best.

    An index inside an index is taken when it says the platform, or is the only entry.

    Raises:
        UsageError: None fits; the text names what there is.
    """
    images = [item for item in index.manifests if _is_image(item)]
    if len(images) == 1 and images[0].platform is None:
        return images[0]
    by_platform: dict[Platform, Descriptor] = {}
    for item in images:
        if item.platform is not None:
            by_platform.setdefault(normalize(item.platform), item)
    for candidate in runnable(wanted):
        if candidate in by_platform:
            return by_platform[candidate]
    there = ", ".join(sorted({str(item.platform) for item in images if item.platform}))
    raise UsageError(
        f"there is no image for {wanted}; there is {there or 'none for any platform'}",
        remedy="choose one of these: --platform OS/ARCHITECTURE" if there else "",
    )


def encode_manifest(
    config: Descriptor, layers: Sequence[Descriptor], media_type: str = OCI_MANIFEST
) -> bytes:
    """The bytes of a manifest; equal in, equal out."""
    return encode_document(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": encode_descriptor(config),
            "layers": [encode_descriptor(layer) for layer in layers],
        }
    )


def encode_index(manifests: Sequence[Descriptor], media_type: str = OCI_INDEX) -> bytes:
    """The bytes of an index; equal in, equal out."""
    return encode_document(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [encode_descriptor(item) for item in manifests],
        }
    )


def encode_descriptor(descriptor: Descriptor) -> dict[str, Any]:
    """A descriptor as a JSON object."""
    members: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.platform is not None:
        platform = descriptor.platform
        members["platform"] = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            members["platform"]["variant"] = platform.variant
    if descriptor.annotations:
        members["annotations"] = dict(descriptor.annotations)
    return members


def _document(raw: bytes, announced: str | None) -> tuple[Node, str]:
    """A manifest or index that does not contradict itself, and its type."""
    node = parse_document(raw, "manifest")
    kind = _media_type(node, announced)
    _check_kind(node, kind)
    return node, kind


def _media_type(node: Node, announced: str | None) -> str:
    """What the document is: its own word, the announced one, or what its members show."""
    own = node.text("mediaType", "")
    given = (announced or "").partition(";")[0].strip().lower()
    for kind in (own, given):
        if kind.startswith(_SCHEMA_1):
            raise _schema_1()
    if own and given in ACCEPT and own != given:
        raise IntegrityError(f'manifest: announced as "{given}", but says it is "{own}"')
    kind = own or (given if given in ACCEPT else "")
    if kind:
        return kind
    return OCI_INDEX if "manifests" in node.members else OCI_MANIFEST


def _check_kind(node: Node, kind: str) -> None:
    version = node.members.get("schemaVersion")
    if version == 1 or "fsLayers" in node.members:
        raise _schema_1()
    if type(version) is not int or version != 2:
        raise node.wrong("schemaVersion", "must be 2")
    if kind not in ACCEPT:
        raise IntegrityError(f'manifest: "{kind[:96]}" is not the type of an image')
    needed = ("manifests",) if kind in INDEX_TYPES else ("config", "layers")
    for key in needed:
        if key not in node.members:
            raise node.wrong(key, "is missing")
    for key in node.members:
        name = _KEYS.get(key.lower())
        other = name in ("config", "layers", "manifests") and name not in needed
        if name is not None and (other or key != name):
            raise IntegrityError(f'manifest: "{key}" contradicts its type {kind}')


_KEYS = {
    key.lower(): key
    for key in ("config", "layers", "manifests", "mediaType", "schemaVersion", "fsLayers")
}
"""Members that decide what a document is. Parsers that ignore case would read a second one."""


def _descriptor(node: Node) -> Descriptor:
    digest = node.text("digest")
    try:
        check_digest(digest)
    except UsageError as error:
        raise IntegrityError(f"{node.place}: {error}") from None
    platform = None
    if node.members.get("platform") is not None:
        part = node.child("platform")
        platform = Platform(
            part.text("os", ""), part.text("architecture", ""), part.text("variant", "")
        )
    return Descriptor(
        media_type=node.text("mediaType"),
        digest=digest,
        size=node.size("size"),
        platform=platform,
        annotations=node.pairs("annotations"),
    )


def _layer(node: Node) -> Descriptor:
    layer = _descriptor(node)
    if _is_foreign(layer):
        raise IntegrityError(
            f"{node.place}: {layer.digest} is a foreign layer: its publisher gives it out from "
            "addresses of its own alone, as base images of Windows do",
            remedy="choose an image for linux: --platform linux/ARCHITECTURE",
        )
    if layer.media_type not in COMPRESSION:
        raise IntegrityError(
            f'{node.place}: "{layer.media_type[:96]}" is not a layer of a container image'
        )
    return layer


def _is_foreign(layer: Descriptor) -> bool:
    return any(word in layer.media_type for word in _FOREIGN)


def _is_image(item: Descriptor) -> bool:
    """Not an attestation, a signature or another thing beside the images."""
    known = item.media_type in ACCEPT and _ATTESTATION not in item.annotations
    platform = item.platform
    return known and (platform is None or platform.architecture != "unknown")


def _not_an_image(node: Node, kind: str, found: str) -> IntegrityError:
    if found in (OCI_CONFIG, DOCKER_CONFIG):
        return IntegrityError(f"manifest: a configuration of type {found} contradicts {kind}")
    artifact = node.text("artifactType", "") or found
    return IntegrityError(f'manifest: "{artifact[:96]}" is an artifact, not a container image')


def _schema_1() -> IntegrityError:
    return IntegrityError(
        "manifest: the image has the first schema of Docker's registry, which was given up in "
        "2017 and whose layers have no checked identity",
        remedy="have it pushed again: skopeo copy --format v2s2 docker://OLD docker://NEW",
    )
