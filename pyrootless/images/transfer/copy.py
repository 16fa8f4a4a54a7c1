"""An image of a registry → the same bytes in another repository, past the store.

What comes in: the store, whose folder for temporary files is used, two references, a platform.
What goes out: the manifest's digest; blobs that the target lacks.
Must never: change a byte; keep a blob here; name a manifest before all that it names is there.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from pyrootless.errors import IntegrityError, UsageError
from pyrootless.images.archive import open_unnamed
from pyrootless.images.manifest import Contents, Descriptor, read_contents
from pyrootless.images.platforms import Platform
from pyrootless.images.reference import DEFAULT_TAG, Reference
from pyrootless.images.registry import (
    RegistryClient,
    Uploads,
    load_settings,
)
from pyrootless.images.store import writing
from pyrootless.images.transfer.parallel import run_all
from pyrootless.images.transfer.pull import (
    MAX_NESTED,
    Progress,
    Silence,
    fetch_manifest,
    fetch_named,
)
from pyrootless.images.transfer.push import Pushed

if TYPE_CHECKING:
    from pyrootless.images.store import Store


def copy_image(
    store: Store,
    source: Reference,
    target: Reference,
    *,
    platform: Platform | None = None,
    progress: Progress | None = None,
) -> Pushed:
    """Have an image of a registry in another repository too.

    An index is copied with all that it lists, so that the digest stays.

    Args:
        store: Gets nothing; blobs on their way lie in its folder for temporary files, unnamed.
        source: Where it is.
        target: Its name there; without a tag and digest it gets the tag "latest".
        platform: The image of an index that is copied alone; None: the whole index.
        progress: None: nobody is told.

    Raises:
        UsageError: The target's digest is another, or there is no image for the platform.
        RegistryError: A registry refused, failed, is out of reach or too slow.
        IntegrityError: Something is not what its digest says, or cannot be copied.
        StoreError: The store cannot be written.
    """
    settings = load_settings()
    with (
        store.pin(),
        RegistryClient(source.domain, settings) as there,
        RegistryClient(target.domain, settings) as here,
    ):
        if platform is None:
            raw, kind, digest = fetch_named(there, source)
        else:
            chosen = fetch_manifest(there, source, platform)
            raw, kind, digest = chosen.raw, chosen.media_type, chosen.digest
        if target.digest not in (None, digest):
            raise UsageError(f"{target}: the image has the digest {digest}; copy it to a tag")
        mounts = [source.path] if source.domain == target.domain else []
        told = progress or Silence()
        copy = _Copy(store, source, there, here, here.uploads(target.path), mounts, told)
        name = target.tag or target.digest or DEFAULT_TAG
        copy.send(name, raw, read_contents(raw, kind), digest)
    return Pushed(target, digest, len(raw))


@dataclass(slots=True)
class _Copy:
    """One copy of one image or index."""

    store: Store
    source: Reference
    there: RegistryClient
    here: RegistryClient
    uploads: Uploads
    mounts: list[str]
    progress: Progress
    done: set[str] = field(default_factory=set)

    def send(
        self, name: str, raw: bytes, contents: Contents, digest: str, depth: int = 0
    ) -> None:
        """A manifest or index, after all that it names."""
        if depth > MAX_NESTED:
            raise IntegrityError(f"{self.source}: more than {MAX_NESTED} indexes in each other")
        for entry in contents.manifests:
            if entry.digest in self.done:
                continue
            child, _, _ = self.there.manifest(
                self.source.path, entry.digest, (entry.media_type,)
            )
            listed = read_contents(child, entry.media_type)
            self.send(entry.digest, child, listed, entry.digest, depth + 1)
            self.done.add(entry.digest)
        self._send_blobs(contents.blobs)
        self.uploads.put_manifest(name, raw, contents.media_type, digest)

    def _send_blobs(self, blobs: tuple[Descriptor, ...]) -> None:
        """Those that were not sent before, some at once; ends the others when one fails."""
        left = {each.digest: each for each in blobs if each.digest not in self.done}
        for blob in left.values():
            self.progress.layer_started(blob.digest, blob.size)
        run_all(self._send_blob, left.values(), self.there, self.here)
        self.done.update(left)

    def _send_blob(self, blob: Descriptor) -> None:
        told = partial(self.progress.layer_advanced, blob.digest)
        with ExitStack() as stack:
            fetched: list[BinaryIO] = []

            def opened() -> BinaryIO:
                """Again after a broken connection: the blob is fetched once."""
                if not fetched:
                    fetched.append(stack.enter_context(self._fetch(blob)))
                return os.fdopen(os.dup(fetched[0].fileno()), "rb")

            sent = self.uploads.put_blob(blob, opened, told, self.mounts)
        self.progress.layer_done(blob.digest, sent.value)

    def _fetch(self, blob: Descriptor) -> BinaryIO:
        """The whole blob, verified, in a file that ends with its descriptor."""
        file = open_unnamed(self.store.directories.temporary)
        try:
            self._fill(file, blob)
        except BaseException:
            file.close()
            raise
        return file

    def _fill(self, file: BinaryIO, blob: Descriptor) -> None:
        place = self.store.directories.temporary
        algorithm, _, digits = blob.digest.partition(":")
        found = hashlib.new(algorithm)
        for chunk in self.there.blob(self.source.path, blob):
            found.update(chunk)
            with writing(place):
                file.write(chunk)
        with writing(place):
            file.flush()
        if found.hexdigest() != digits:
            raise IntegrityError(
                f"registry {self.source.domain}, repository {self.source.path}: blob "
                f"{blob.digest} has the digest {algorithm}:{found.hexdigest()}",
                remedy="the image is damaged in the registry: push it again",
            )
