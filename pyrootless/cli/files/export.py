"""`pyrootless export [-o FILE] CONTAINER`: a container's root file system as a tar archive.

What comes in: a container, running or stopped.  What goes out: the archive, without mounts.
Must never: write an archive to a terminal; leave half of one under the name that was asked for.
"""

from __future__ import annotations

import os
from pathlib import Path

from pyrootless.cli import Parser
from pyrootless.config import find_directories
from pyrootless.engine import find_container
from pyrootless.engine.files import open_root, stream_out
from pyrootless.errors import StoreError, UsageError


def main(args: list[str]) -> int:
    """Write the archive; see the file's head."""
    parser = Parser(
        prog="pyrootless export", description="Write a container's root as a tar archive."
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="not to standard output")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    words = parser.parse_args(args)
    if words.output is None and os.isatty(1):
        raise UsageError("an archive is not written to a terminal", remedy="write: -o FILE")
    container = find_container(find_directories(words.root), words.container)
    with open_root(container) as tree:
        if words.output is None:
            stream_out(tree, "/.", 1)
            return 0
        half = Path(f"{words.output}.partial-{os.getpid()}")
        try:
            with half.open("xb") as stream:
                stream_out(tree, "/.", stream.fileno())
            half.rename(words.output)
        except OSError as error:
            raise StoreError(f"cannot write {words.output}: {error.strerror}") from error
        finally:
            half.unlink(missing_ok=True)
    return 0
