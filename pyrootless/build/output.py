"""Where the result of a build goes beside the store: `--output`.

What comes in: "type=local,dest=DIR" and its kin; the image.
What goes out: files.
Must never: write outside the destination; follow a link of the image's on this machine.

Source: docker-buildx-build(1), --output.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pyrootless.build.bench import Bench
from pyrootless.build.stagework import state_of
from pyrootless.engine.files import Extractor, PlainStream, open_below
from pyrootless.errors import StoreError, UsageError
from pyrootless.images.archive import save_images, write_layout
from pyrootless.images.store import StoredImage

KINDS = ("image", "local", "tar", "oci", "docker")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Output:
    """One destination.

    Attributes:
        kind: One of `KINDS`.
        dest: A path, or "-" for standard output; "" for `image`.
        tar: OCI's layout is an archive and no directory.
    """

    kind: str
    dest: str
    tar: bool = True


def parse_output(text: str) -> Output:
    """What `--output` means: a directory, "-", or "type=KIND,dest=PATH".

    Raises:
        UsageError: It has no meaning.
    """
    if "=" not in text:
        return Output("tar", "-") if text == "-" else Output("local", text)
    given = dict(part.partition("=")[::2] for part in text.split(","))
    kind, dest = given.pop("type", ""), given.pop("dest", "")
    tar = given.pop("tar", "true").lower() != "false"
    given.pop("name", None)
    if kind not in KINDS:
        raise UsageError(f"--output {text[:80]}: type is one of {', '.join(KINDS)}")
    if given:
        raise UsageError(f"--output {text[:80]}: there is no {next(iter(given))}")
    if kind == "local" and dest in ("", "-"):
        raise UsageError("--output type=local needs a directory: dest=DIR")
    return Output(kind, dest or ("" if kind == "image" else "-"), tar)


def write_output(bench: Bench, image: StoredImage, output: Output) -> None:
    """Write an image somewhere.

    Raises:
        StoreError: It cannot be written.
        UsageError: Its name cannot stand in that form.
    """
    try:
        if output.kind == "local":
            _write_local(bench, image, Path(output.dest))
        elif output.kind == "oci" and not output.tar:
            tag = image.references[0].tag if image.references else None
            write_layout(bench.store, image, Path(output.dest), tag or "latest")
        elif output.kind != "image":
            with _destination(output.dest) as stream:
                _write_stream(bench, image, output.kind, stream)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise StoreError(
            f"cannot write {error.filename or output.dest}: {error.strerror}"
        ) from error


def _write_stream(bench: Bench, image: StoredImage, kind: str, stream: BinaryIO) -> None:
    if kind == "tar":
        with bench.reading(state_of(image)) as context:
            with context.tree.reading("/", "") as descriptor:
                while data := os.read(descriptor, _CHUNK_BYTES):
                    stream.write(data)
        return
    names = [name.canonical for name in image.references if name.tag] or [image.id]
    form = "oci-archive" if kind == "oci" else "docker-archive"
    save_images(bench.store, names, stream, form)  # type: ignore[arg-type]


def _write_local(bench: Bench, image: StoredImage, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    base = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        extractor = Extractor(lambda folder: open_below(base, folder))
        with bench.reading(state_of(image)) as context:
            with context.tree.reading("/", "") as descriptor:
                extractor.run_plain(PlainStream(descriptor))
    finally:
        os.close(base)


@contextmanager
def _destination(dest: str) -> Iterator[BinaryIO]:
    """A file that is there when it is whole; "-": standard output."""
    if dest == "-":
        with os.fdopen(os.dup(1), "wb") as stream:
            yield stream
        return
    path = Path(dest)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("xb") as stream:
            yield stream
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
