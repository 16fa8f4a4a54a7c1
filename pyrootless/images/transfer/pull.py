"""A reference → an image in the store: manifest, configuration, layers fetched and unpacked.

What comes in: the store, a reference, a platform.  What goes out: the stored image, tagged.
Must never: give an image a name before all of it is there and verified, fetch what is there,
start a container.

Each blob makes one pass: from the network into its file, and beside it, in another thread, out
of its compression into the layer's tree. What breaks off leaves a partial blob for the next try
and nothing else.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pyrootless.errors import IntegrityError, PyrootlessError, RegistryError, UsageError
from pyrootless.images.config import ImageConfig, parse_image_config
from pyrootless.images.layers import Channel, ChannelClosed, make_owners, unpack_layer
from pyrootless.images.manifest import (
    Descriptor,
    Index,
    Manifest,
    choose_platform,
    parse_manifest,
)
from pyrootless.images.platforms import Platform, host_platform, normalize, runnable
from pyrootless.images.reference import DEFAULT_TAG, Reference
from pyrootless.images.registry import (
    ConnectionLost,
    NotThere,
    RegistryClient,
    RegistrySettings,
    load_settings,
)
from pyrootless.images.template import compile_default_filter
from pyrootless.images.transfer.parallel import run_all
from pyrootless.journal import add_event

if TYPE_CHECKING:
    from pyrootless.images.store import BlobWriter, Store
    from pyrootless.images.store.images import StoredImage

MAX_CONFIG_BYTES = 4 << 20
MAX_NESTED = 2
"""Indexes that may lie in each other."""

ALREADY = "already there"
FETCHED = "downloaded"
UNPACKED = "unpacked"
COMPLETE = "downloaded and unpacked"


class Progress(Protocol):
    """Who wants to know how a pull goes on; called from several threads."""

    def layer_started(self, digest: str, size: int) -> None:
        """A layer of `size` bytes is next; in the order of the layers."""

    def layer_advanced(self, digest: str, count: int) -> None:
        """`count` more bytes of it are there."""

    def layer_done(self, digest: str, what: str) -> None:
        """It is finished; ALREADY, FETCHED, UNPACKED or COMPLETE."""

    def owners_set(self, count: int, total: int) -> None:
        """Of `total` layers `count` have their owners; called a few times a second too."""


class Silence:
    """A Progress that says nothing."""

    def layer_started(self, digest: str, size: int) -> None:
        """See Progress."""

    def layer_advanced(self, digest: str, count: int) -> None:
        """See Progress."""

    def layer_done(self, digest: str, what: str) -> None:
        """See Progress."""

    def owners_set(self, count: int, total: int) -> None:
        """See Progress."""


@dataclass(frozen=True, slots=True)
class LayerJob:
    """One layer of an image.

    Attributes:
        blob: As the registry has it.
        diff_id: Digest of the plain archive.
    """

    blob: Descriptor
    diff_id: str


def pull_image(
    store: Store,
    reference: Reference,
    *,
    platform: Platform | None = None,
    progress: Progress | None = None,
    settings: RegistrySettings | None = None,
) -> StoredImage:
    """Fetch an image and name it.

    Args:
        reference: Its digest counts more than its tag.
        platform: None: this machine's.
        progress: None: nobody is told.
        settings: None: the user's file.

    Raises:
        RegistryError: The registry refused, failed, is out of reach or too slow, or has no such
            image.
        IntegrityError: Something is not what its digest says, or no image.
        UsageError: The image is not made for the platform.
        StoreError: The store cannot be written.
    """
    chosen = load_settings() if settings is None else settings
    told = progress or Silence()
    with (
        _telling_of_mirrors(reference),
        store.pin(),
        RegistryClient(reference.domain, chosen) as client,
    ):
        manifest = fetch_manifest(client, reference, platform)
        pull = _Pull(store, client, reference.path, told)
        config = pull.fetch_config(manifest.config)
        if platform is not None:
            _check_platform(reference, config, platform)
        pull.fetch_layers(layer_jobs(manifest, config))
        trees = [store.layers.tree(layer) for layer in dict.fromkeys(config.diff_ids)]
        make_owners(store.directories.data, trees, told.owners_set)
        _make_filter(store)
        store.put_image(manifest)
        store.tag(reference, manifest.digest)
    image = store.find(manifest.digest)
    if image is None:
        raise RegistryError(
            f"{reference}: it was removed while it was pulled", remedy="pull it again"
        )
    name = reference.familiar
    add_event(store.directories, "image", "pull", name, {**config.labels, "name": name})
    return image


@contextmanager
def _telling_of_mirrors(reference: Reference) -> Iterator[None]:
    """Where a registry is out of reach the distribution's mirrors may not be."""
    try:
        yield
    except ConnectionLost as error:
        if error.cause == "unreachable":
            suite = (reference.tag or "").removesuffix("-slim")
            debian = reference.path.split("/")[-1] == "debian"
            named = debian and suite.isalpha() and suite != "latest"
            error.remedy += (
                "; or without a registry, from Debian's mirrors: pyrootless bootstrap "
                f"debian{':' + suite if named else ''}"
            )
        raise


def fetch_manifest(
    client: RegistryClient, reference: Reference, platform: Platform | None
) -> Manifest:
    """The manifest of the image for a platform.

    Raises:
        RegistryError, IntegrityError, UsageError: As pull_image.
    """
    raw, kind, _ = fetch_named(client, reference)
    for _ in range(MAX_NESTED + 1):
        document = parse_manifest(raw, kind)
        if isinstance(document, Manifest):
            return document
        entry = _choose(reference, document, platform)
        raw, kind, _ = client.manifest(reference.path, entry.digest)
    raise IntegrityError(f"{reference}: more than {MAX_NESTED} indexes in each other")


def fetch_named(client: RegistryClient, reference: Reference) -> tuple[bytes, str | None, str]:
    """What has the name: bytes, type, digest, as of `RegistryClient.manifest`.

    Raises:
        RegistryError, IntegrityError: As pull_image.
    """
    wanted = reference.digest or reference.tag or DEFAULT_TAG
    try:
        return client.manifest(reference.path, wanted)
    except NotThere as error:
        raise _unknown(client, reference) from error


def layer_jobs(manifest: Manifest, config: ImageConfig) -> list[LayerJob]:
    """The layers to have, each once, the lowest first.

    Raises:
        IntegrityError: Manifest and configuration name different numbers of layers.
    """
    if len(manifest.layers) != len(config.diff_ids):
        raise IntegrityError(
            f"manifest {manifest.digest} has {len(manifest.layers)} layers, its configuration "
            f"{len(config.diff_ids)}",
            remedy="the image is malformed; build or push it again",
        )
    pairs = zip(manifest.layers, config.diff_ids, strict=True)
    jobs = {(blob.digest, diff_id): LayerJob(blob, diff_id) for blob, diff_id in pairs}
    return list(jobs.values())


class _Pull:
    """One pull of one image."""

    def __init__(
        self, store: Store, client: RegistryClient, path: str, progress: Progress
    ) -> None:
        self._store = store
        self._client = client
        self._path = path
        self._progress = progress

    def fetch_config(self, blob: Descriptor) -> ImageConfig:
        """The configuration, in the store after this."""
        if blob.size > MAX_CONFIG_BYTES:
            raise IntegrityError(
                f"configuration {blob.digest} has {blob.size} bytes; "
                f"at most {MAX_CONFIG_BYTES} are allowed"
            )
        blobs = self._store.blobs
        if blobs.has(blob.digest):
            try:
                return parse_image_config(blobs.read(blob.digest))
            except IntegrityError:
                pass  # set aside as damaged: fetched anew
        with blobs.writer(blob.digest, blob.size) as writer:
            for chunk in self._client.blob(self._path, blob, writer.offset):
                writer.write(chunk)
            writer.commit()
        return parse_image_config(blobs.read(blob.digest))

    def fetch_layers(self, jobs: list[LayerJob]) -> None:
        """All layers, some at once, the largest first; ends the others when one fails."""
        for job in jobs:
            self._progress.layer_started(job.blob.digest, job.blob.size)
        ordered = sorted(jobs, key=lambda job: job.blob.size, reverse=True)
        run_all(self._finish_layer, ordered, self._client)

    def _finish_layer(self, job: LayerJob) -> None:
        self._progress.layer_done(job.blob.digest, self._have_layer(job))

    def _have_layer(self, job: LayerJob) -> str:
        """Do what is missing; which word describes it."""
        unpacked = self._store.layers.has(job.diff_id)
        if self._store.blobs.has(job.blob.digest):
            if unpacked:
                return ALREADY
            try:
                self._unpack_stored(job)
                return UNPACKED
            except IntegrityError:
                if self._store.blobs.verify(job.blob.digest):
                    raise  # the blob is what it should be, its content is not
        return self._fetch_layer(job, unpacked=unpacked)

    def _fetch_layer(self, job: LayerJob, *, unpacked: bool) -> str:
        blob = job.blob
        with self._store.blobs.writer(blob.digest, blob.size, wait=True) as writer:
            if not writer.done and writer.offset == 0 and not unpacked:
                self._fetch_and_unpack(job, writer)
                return COMPLETE
            if not writer.done:
                self._advance(blob, writer.offset)
                self._fetch(blob, writer.offset, [writer.write])
                writer.commit()
        if unpacked:
            return FETCHED
        if not self._store.layers.has(job.diff_id):
            self._unpack_stored(job)
        return COMPLETE

    def _fetch_and_unpack(self, job: LayerJob, writer: BlobWriter) -> None:
        """The one pass: this thread fetches and writes, another one unpacks."""
        channel = Channel()
        with ThreadPoolExecutor(1, "unpack") as beside:
            unpacking = beside.submit(self._unpack_channel, channel, job)
            try:
                self._fetch(job.blob, 0, [writer.write, channel.put])
                writer.commit()
            except ChannelClosed:
                pass  # the unpacker failed: its error follows
            except BaseException as error:
                channel.end(error)
                raise
            channel.end()
            self._result(unpacking, writer)

    def _result(self, unpacking: Future[None], writer: BlobWriter) -> None:
        try:
            unpacking.result()
        except IntegrityError:
            writer.discard()  # not worth going on from
            raise

    def _unpack_channel(self, channel: Channel, job: LayerJob) -> None:
        try:
            self._unpack(channel, job)
            for _ in channel:
                pass  # what follows the archive's end still belongs to the blob
        finally:
            channel.close()

    def _unpack_stored(self, job: LayerJob) -> None:
        self._unpack(self._store.blobs.stream(job.blob.digest), job)

    def _unpack(self, chunks: Iterable[bytes], job: LayerJob) -> None:
        layers = self._store.layers
        with layers.alone(job.diff_id) as there:
            if there:
                return  # another pull was faster
            with layers.writer(job.diff_id) as writer:
                unpack_layer(chunks, writer, job.blob.media_type, expected_diff_id=job.diff_id)

    def _fetch(self, blob: Descriptor, offset: int, takers: list[Callable[..., None]]) -> None:
        for chunk in self._client.blob(self._path, blob, offset):
            for take in takers:
                take(chunk)
            self._advance(blob, len(chunk))

    def _advance(self, blob: Descriptor, count: int) -> None:
        self._progress.layer_advanced(blob.digest, count)


def _make_filter(store: Store) -> None:
    """The filter of most starts, at a store's first pull; a start looks whether it fits."""
    if any((store.directories.cache / "seccomp").glob("*.bpf")):
        return
    with suppress(PyrootlessError, OSError):  # the first start says why
        compile_default_filter(store.directories)


def _choose(reference: Reference, index: Index, platform: Platform | None) -> Descriptor:
    try:
        return choose_platform(index, platform or host_platform())
    except UsageError as error:
        raise UsageError(f"{reference}: {error.args[0]}", remedy=error.remedy) from error


def _check_platform(reference: Reference, config: ImageConfig, wanted: Platform) -> None:
    """A name for one platform alone is not that of another.  Raises UsageError."""
    if normalize(config.platform) not in runnable(wanted):
        raise UsageError(
            f"{reference}: there is no image for {wanted}; there is {config.platform}",
            remedy=f"choose that: --platform {config.platform}",
        )


def _unknown(client: RegistryClient, reference: Reference) -> RegistryError:
    """The error for a tag or digest that is not there; names near tags if it can."""
    place = f"registry {reference.domain}, repository {reference.path}"
    if reference.digest:
        return RegistryError(
            f"{place}: there is no manifest {reference.digest}", remedy="check the digest"
        )
    tag = reference.tag or DEFAULT_TAG
    try:
        tags = client.tags(reference.path)
    except PyrootlessError:
        return RegistryError(
            f'{place}: there is no tag "{tag}"',
            remedy="check the name: HOST[:PORT]/PATH:TAG",
        )
    near = difflib.get_close_matches(tag, tags, n=3, cutoff=0.4) or sorted(tags)[-3:]
    quoted = " or ".join(f'"{name}"' for name in near)
    hint = f"did you mean {quoted}?" if near else "push one first: the repository has no tags"
    return RegistryError(f'{place}: there is no tag "{tag}"', remedy=hint)
