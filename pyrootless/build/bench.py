"""Where the steps of one build are done: helpers, upper directories, layers into the store.

What comes in: the store, and what the build was asked for.
What goes out: roots to read and write, layers.
Must never: leave anything behind but layers: all work lies in a directory that is swept.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pyrootless.build.context import LayersContext
from pyrootless.build.request import Request
from pyrootless.build.state import State
from pyrootless.engine.files import LayeredLauncher, Layering, LayerTree
from pyrootless.images.archive import StoredLayer, compress_layer
from pyrootless.images.store import Store, StoredStep, remove_tree
from pyrootless.images.template import resolve_user


@dataclass(frozen=True, slots=True)
class Place:
    """Directories of one step.

    Attributes:
        directory: Its own.
        layering: The stage's layers, and an upper.
    """

    directory: Path
    layering: Layering

    @property
    def side(self) -> str:
        """File for the claims of a fake root."""
        return str(self.directory / "claims")


class Bench:
    """One build's tools; a context manager.

    Attributes:
        store: Pinned as long as this is open.
        work: A directory of the build's own.
    """

    def __init__(self, store: Store, request: Request, root: str | None) -> None:
        self.store = store
        self.request = request
        self._root = root
        self._stack = ExitStack()
        self._numbers = itertools.count()
        self._making = threading.RLock()
        self._launcher: LayeredLauncher | None = None
        self._writer: LayerTree | None = None
        self._reader: LayerTree | None = None

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.store.pin())
            self.work = self._stack.enter_context(self.store.scratch())
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def launcher(self) -> LayeredLauncher:
        """Starts programs on layers; made when a step is done that is not stored."""
        with self._making:
            if self._launcher is None:
                request = self.request
                self._launcher = LayeredLauncher(
                    self.store, self._root, request.userns, request.words
                )
            return self._launcher

    @property
    def writer(self) -> LayerTree:
        """The helper that roots are changed with, as `launcher`."""
        with self._making:
            if self._writer is None:
                self._writer = self._open_tree("writer")
            return self._writer

    def _open_tree(self, name: str) -> LayerTree:
        directory = self.work / name
        directory.mkdir()
        return self._stack.enter_context(LayerTree(directory, self.launcher.kind))

    @contextmanager
    def reading(self, state: State) -> Iterator[LayersContext]:
        """The files of another stage; one at a time."""
        with self._making:
            if self._reader is None:
                self._reader = self._open_tree("reader")
            reader = self._reader
        with reader.alone:
            reader.use(Layering(self.launcher.lowers(state.diff_ids)))
            yield LayersContext(reader)

    def new_directory(self, name: str) -> Path:
        """A fresh directory of the build's own."""
        path = self.work / f"{name}-{next(self._numbers)}"
        path.mkdir(0o755)
        return path

    @contextmanager
    def place(self, diff_ids: Sequence[str], *, points: bool = False) -> Iterator[Place]:
        """An upper on layers, gone afterwards."""
        directory = self.new_directory("step")
        for name in ("changes", "work"):
            (directory / name).mkdir()
            (directory / name).chmod(0o755)
        lowers = self.launcher.lowers(diff_ids, points=points)
        layering = Layering(lowers, str(directory / "changes"), str(directory / "work"))
        try:
            yield Place(directory, layering)
        finally:
            remove_tree(directory, foreign=self.launcher.kind == "range")

    def commit(
        self, place: Place, stubs: Sequence[str] = (), *, keeps_claims: bool = False
    ) -> StoredLayer:
        """What a step changed becomes a layer of the store."""
        with self.writer.alone:
            chunks = self.writer.layer(
                place.layering, place.side, stubs, keeps_claims=keeps_claims,
                newest_s=self.request.epoch,
            )  # fmt: skip
            return compress_layer(self.store, chunks)

    def resolve(self, state: State, user: str) -> tuple[int, int, tuple[int, ...], str]:
        """(uid, gid, further groups, home) of a user in a stage.  Raises IntegrityError."""
        trees = [self.store.layers.tree(d) for d in dict.fromkeys(reversed(state.diff_ids))]
        found = resolve_user(user, trees)
        return found.uid, found.gid, found.groups, found.home

    def now(self) -> str:
        """The time, RFC 3339."""
        epoch = self.request.epoch
        seconds = time.time() if epoch is None else epoch
        form = "%Y-%m-%dT%H:%M:%SZ" if epoch is not None else "%Y-%m-%dT%H:%M:%S.%fZ"
        return datetime.fromtimestamp(seconds, UTC).strftime(form)

    def find_step(self, key: str) -> StoredStep | None:
        """A step that was done before, and whose layer is there."""
        step = self.store.steps.find(key)
        if step is None or step.descriptor is None:
            return None
        there = self.store.layers.has(step.diff_id) and self.store.blobs.has(
            step.descriptor.digest, step.descriptor.size
        )
        return step if there else None

    def keep_step(self, key: str, layer: StoredLayer, created: str, title: str) -> None:
        """Remember what a step made."""
        self.store.steps.put(StoredStep(key, layer.diff_id, layer.descriptor, created, title))
