"""A directory tree → an image of two layers in a store, as if it had been pulled.

In: a tree, be it hostile; the store's directories.  Out: the word to run it by.
Never: a file of the tree followed, changed or read by anything but tar; a new interpreter: the
engine's own modules do the work here, so that hundreds of tests can afford it.

What lies in the tree's `bin` is the lower layer, all the rest the upper one: what a hostile
image's author puts above a base that anybody has.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from unittest import mock

from image_layouts import write_layout

from pyrootless.config import Directories
from pyrootless.images.archive.layout import read_layout
from pyrootless.images.reference import parse_reference
from pyrootless.images.store.disk import Store
from pyrootless.images.template.image import write_template

SECONDS = 60
TAR = ["tar", "--format=posix", "--sparse", "--sort=name", "--owner=0", "--group=0",
       "--numeric-owner", "--mtime=@1600000000", "-cf", "-"]  # fmt: skip


def store_tree(tree: Path, directories: Directories, layout: Path) -> str:
    """Make the image; its layout is left at `layout`.

    Returns:
        Its name, by which the launcher finds it without Python.
    """
    layers = [_archive(tree, "bin"), _archive(tree, "--exclude=./bin", ".")]
    digest = write_layout(layout, "tree", layers, compression="")
    store = Store(directories.make())
    reference = parse_reference(f"localhost/tree:{digest.removeprefix('sha256:')[:16]}")
    # Of a store that goes with the run nothing has to outlive a power cut.
    with mock.patch("os.fsync"), mock.patch("os.fdatasync"), store.pin():
        image = read_layout(store, layout, "tree")
        store.tag(reference, image.manifest.digest)
        write_template(store, image)
    return reference.canonical


def _archive(tree: Path, *words: str) -> bytes:
    done = subprocess.run(
        [*TAR, "-C", str(tree), *words], capture_output=True, timeout=SECONDS, check=True
    )
    return done.stdout
