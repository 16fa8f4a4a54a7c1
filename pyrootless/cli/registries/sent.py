"""What `push` and `copy` say of the manifest that a registry has now.

What comes in: a `Pushed`, the options.  What goes out: a line on standard output, a file.
Must never: speak of an image that has not arrived.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pyrootless.errors import StoreError
from pyrootless.images import DEFAULT_TAG, Pushed


def tell_sent(pushed: Pushed, options: argparse.Namespace) -> None:
    """Tag, digest and size, or with `quiet` the name; the digest into `digestfile`.

    Raises:
        StoreError: That file cannot be written.
    """
    if options.quiet:
        print(pushed.reference.canonical)
    else:
        tag = pushed.reference.tag or DEFAULT_TAG
        print(f"{tag}: digest: {pushed.digest} size: {pushed.size}")
    if options.digestfile:
        _write(Path(options.digestfile), pushed.digest)


def _write(path: Path, digest: str) -> None:
    try:
        path.write_text(digest)
    except OSError as error:
        raise StoreError(f"--digestfile: cannot write {path}: {error.strerror}") from error
