"""`pyrootless save [-o FILE] [--format FORM] IMAGE…`: images into an archive.

What comes in: names or IDs.  What goes out: an archive in a file or on standard output.
Must never: write an archive to a terminal, leave half an archive under the file's name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyrootless.cli import Parser
from pyrootless.errors import StoreError, UsageError
from pyrootless.images import find_image
from pyrootless.images.archive import FORMS, Form, save_images, write_layout
from pyrootless.images.store import Store, open_store

LAYOUT = "oci-dir"


def main(args: list[str]) -> int:
    """Save images; see the file's head."""
    parser = Parser(prog="pyrootless save", description="Save images as an archive.")
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="default: standard output"
    )
    parser.add_argument(
        "--format", choices=(*FORMS, LAYOUT), default=FORMS[0],
        help=f"default: {FORMS[0]}; {LAYOUT}: the layout's directory is given by -o",
    )  # fmt: skip
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("images", metavar="IMAGE", nargs="+")
    options = parser.parse_args(args)
    store = open_store(options.root)
    if options.format == LAYOUT:
        _save_layout(store, options.images, options.output)
    elif options.output == "-":
        _save_to_output(store, options.images, options.format)
    else:
        _save_to_file(store, options.images, Path(options.output), options.format)
    return 0


def _save_layout(store: Store, names: list[str], output: str) -> None:
    """Each image under its tag; two of one tag under their whole names."""
    if output == "-":
        raise UsageError(f"--format {LAYOUT} needs a directory", remedy="give it: -o DIR")
    images = [find_image(store, name) for name in names]
    tags = [image.references[0].tag or "latest" for image in images]
    for image, tag in zip(images, tags, strict=True):
        alone = tags.count(tag) == 1
        name = tag if alone else image.references[0].canonical
        write_layout(store, image, Path(output), name)


def _save_to_output(store: Store, names: list[str], form: Form) -> None:
    if sys.stdout.isatty():
        raise UsageError(
            "an archive is no text for a terminal", remedy="give a file: -o FILE; or use a pipe"
        )
    save_images(store, names, sys.stdout.buffer, form)


def _save_to_file(store: Store, names: list[str], path: Path, form: Form) -> None:
    """What is no plain file (a pipe, a device) is written as it is."""
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                save_images(store, names, stream, form)
            return
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with fresh.open("xb") as stream:
                save_images(store, names, stream, form)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror}", remedy="choose another file: -o FILE"
        ) from error
