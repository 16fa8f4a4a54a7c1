"""A build: a request → an image of the store.

What comes in: `Request`.  What goes out: `Built`.
Must never: name an image that is not whole; leave a program running when it ends.

Stages are threads: each waits for the stages it reads, when it reads them.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from pyrootless.build.bench import Bench
from pyrootless.build.dockerfile import (
    Dockerfile,
    check_dockerfile,
    makes_errors,
    parse_dockerfile,
)
from pyrootless.build.output import Output, write_output
from pyrootless.build.request import Request
from pyrootless.build.stages import Plan, plan_build, unused_args
from pyrootless.build.stagework import StageWork
from pyrootless.build.state import State, make_key
from pyrootless.engine import Child
from pyrootless.errors import BuildError
from pyrootless.images import (
    ImageConfig,
    Reference,
    Taken,
    encode_image_config,
    keep,
    make_manifest,
)
from pyrootless.images.store import Store, StoredImage, StoredStep

_LEFT_OUT = "a build that failed elsewhere"


@dataclass(frozen=True, slots=True)
class Built:
    """What a build came to.

    Attributes:
        image: In the store.
        warnings: What should be told of the Dockerfile.
    """

    image: StoredImage
    warnings: tuple[str, ...] = ()


def build_image(
    store: Store,
    request: Request,
    names: Sequence[Reference] = (),
    root: str | None = None,
    outputs: Sequence[Output] = (),
) -> Built:
    """Build an image.

    Args:
        store: Where it goes.
        request: What is asked for.
        names: It gets; none: it is kept under its ID.
        root: Value of --root that the store was opened with.
        outputs: Where else it goes.

    Raises:
        BuildError: The Dockerfile is wrong, or a step failed.
        RegistryError, StoreError, HostUnsupportedError: As of their rooms.
    """
    file = parse_dockerfile(request.dockerfile, request.name)
    plan = plan_build(file, request.args, request.target, request.platform)
    warnings = (*check(file), *_unused(plan, request))
    for text in warnings:
        request.progress.warned(text)
    if warnings and makes_errors(file):
        raise BuildError(f"{file.source.name}: {len(warnings)} warnings are errors here")
    with Bench(store, request, root) as bench:
        build = Build(bench, plan)
        state = build.run()
        image = build.export(state, names)
        for output in outputs:
            build.write(image, output)
        return Built(image, warnings)


def check(file: Dockerfile) -> tuple[str, ...]:
    """What is better not written in a Dockerfile, a sentence each."""
    return tuple(
        f"{found.rule}: {found.text} ({file.source.name}:{found.line})"
        for found in check_dockerfile(file)
    )


def _unused(plan: Plan, request: Request) -> list[str]:
    names = unused_args(plan, request.args)
    return [f"the build argument {name} is not used: no ARG declares it" for name in names]


def build(
    context: str | os.PathLike[str] = ".",
    *,
    tag: str | Sequence[str] = (),
    file: str | None = None,
    root: str | None = None,
    secrets: Mapping[str, bytes] | None = None,
    **options: Any,
) -> StoredImage:
    """Build an image from a directory, an archive's or a repository's URL.

    Args:
        context: Where the files are.
        tag: Names of the image.
        file: The Dockerfile; None: Dockerfile or Containerfile in the context.
        root: The engine's directory; None: the user's own.
        secrets: For `RUN --mount=type=secret`.
        **options: As of `Request`: args={"V": "1"}, target="build", no_cache=True, …

    Returns:
        The image; `.id` is what `run` takes.

    Raises:
        BuildError: The Dockerfile is wrong, or a step failed; `.line`, `.instruction`.
        UsageError, RegistryError, StoreError, HostUnsupportedError: As of their rooms.
    """
    from pyrootless.build.places import open_place
    from pyrootless.build.request import GivenSecrets
    from pyrootless.images import parse_reference
    from pyrootless.images.store import open_store

    store = open_store(root)
    names = [parse_reference(text) for text in ([tag] if isinstance(tag, str) else tag)]
    given = GivenSecrets(dict(secrets or {}))
    with open_place(store, os.fspath(context), file) as opened:
        request = Request(
            opened.dockerfile, opened.context, opened.name, secrets=given, **options
        )
        return build_image(store, request, names, root).image


class Build:
    """One build under way.

    Attributes:
        bench: Where steps are done.
        plan: What is done.
    """

    def __init__(self, bench: Bench, plan: Plan) -> None:
        self.bench = bench
        self.plan = plan
        self.failed = threading.Event()
        self._vertices = itertools.count(1)
        self._futures: dict[int, Future[State]] = {}
        self._children: set[Child] = set()
        self._lock = threading.Lock()

    @property
    def file(self) -> Dockerfile:
        """The Dockerfile."""
        return self.plan.file

    def run(self) -> State:
        """All needed stages; the target's state at its end.

        Raises:
            BuildError: A step failed; programs of others are ended.
        """
        many = max(1, min(self.bench.request.parallel, len(self.plan.stages)))
        with ThreadPoolExecutor(many, thread_name_prefix="stage") as pool:
            try:
                for index, stage in self.plan.stages.items():  # what is read comes before
                    work = StageWork(self, stage)
                    self._futures[index] = pool.submit(work.run)
                for future in self._futures.values():
                    future.add_done_callback(self._look)
                return self._wait()
            except BaseException:
                self._stop()
                raise

    def _wait(self) -> State:
        """The first failure that is a cause counts, not those that follow of it."""
        for future in self._futures.values():
            error = future.exception()
            if error is not None and not isinstance(error, StageLost):
                raise error
        return self._futures[self.plan.target].result()

    def _look(self, future: Future[State]) -> None:
        if not future.cancelled() and future.exception() is not None:
            self._stop()

    def _stop(self) -> None:
        self.failed.set()
        for future in self._futures.values():
            future.cancel()
        with self._lock:
            for child in self._children:
                child.kill()

    def stage_state(self, index: int) -> State:
        """Another stage at its end; waits for it.

        Raises:
            StageLost: It failed.
        """
        try:
            return self._futures[index].result()
        except BaseException as error:
            raise StageLost(str(error)) from error

    def began(self, title: str) -> int:
        """A new piece of work; its number.

        Raises:
            StageLost: Another stage has failed.
        """
        if self.failed.is_set():
            raise StageLost(_LEFT_OUT)
        number = next(self._vertices)
        self.bench.request.progress.began(number, title)
        return number

    def watch(self, child: Child) -> None:
        """A program runs: it ends when the build does."""
        with self._lock:
            self._children.add(child)
        if self.failed.is_set():
            child.kill()

    def forget(self, child: Child) -> None:
        """It has ended."""
        with self._lock:
            self._children.discard(child)

    def export(self, state: State, names: Sequence[Reference]) -> StoredImage:
        """An image of the target's state."""
        number = self.began("exporting to image")
        store = self.bench.store
        config = self._final_config(state)
        raw = encode_image_config(config)
        store.blobs.put(raw)
        manifest = make_manifest(raw, [layer.descriptor for layer in state.layers])
        store.put_image(manifest)
        taken = Taken(manifest.digest, manifest.config.digest, tuple(names))
        image = keep(store, taken)
        progress = self.bench.request.progress
        progress.wrote(number, f"writing image {image.id} done")
        for name in names:
            progress.wrote(number, f"naming to {name.canonical} done")
        progress.ended(number)
        return image

    def write(self, image: StoredImage, output: Output) -> None:
        """The image goes somewhere else too.  Raises StoreError."""
        if output.kind == "image":
            return
        number = self.began(f"exporting to {output.kind}")
        write_output(self.bench, image, output)
        self.bench.request.progress.ended(number)

    def _final_config(self, state: State) -> ImageConfig:
        request = self.bench.request
        labels = {**state.config.labels, **request.labels}
        config = replace(state.config, labels=labels, diff_ids=state.diff_ids, raw=b"")
        created = state.created or self._noted_time(config, state.key)
        history = tuple(
            replace(entry, created=entry.created or created) for entry in config.history
        )
        return replace(config, history=history, created=created)

    def _noted_time(self, config: ImageConfig, key: str) -> str:
        """Of an image without a layer of its own: the same one again has the same time."""
        if self.bench.request.epoch is not None:
            return self.bench.now()
        key = make_key(key, "image", encode_image_config(config))
        steps = self.bench.store.steps
        step = steps.find(key)
        if step is None:
            step = StoredStep(key, "", None, self.bench.now(), "image")
            steps.put(step)
        return step.created


class StageLost(Exception):
    """A stage is given up because of another one."""
