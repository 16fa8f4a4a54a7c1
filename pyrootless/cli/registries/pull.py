"""`pyrootless pull [-q] [--platform P] NAME…`: fetch images from registries.

What comes in: names.  What goes out: the full name of each image, a line each, on standard
output; progress on standard error.
Must never: leave a half-fetched image under a name.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from pyrootless.cli import Parser
from pyrootless.cli.images import warn_of_lost_owners
from pyrootless.cli.registries.progress import show_progress
from pyrootless.images import parse_platform, parse_reference, pull_image
from pyrootless.images.archive import parse_place, pull_place
from pyrootless.images.registry import load_settings
from pyrootless.images.store import open_store
from pyrootless.images.store.images import StoredImage

KEPT_BYTES = 16 << 20
"""Freed memory that the process keeps: more than all blocks on their way through a pull."""


def main(args: list[str]) -> int:
    """Fetch each; see the file's head."""
    keep_freed_memory()
    options = _parser().parse_args(args)
    settings = load_settings()
    store = open_store(options.root)
    platform = parse_platform(options.platform) if options.platform else None
    fetched: list[StoredImage] = []
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        for name in options.names:
            place = parse_place(name)
            if place is not None:
                fetched.append(pull_place(store, place, platform))
                print(fetched[-1].shown)
                continue
            reference = parse_reference(settings.expand_alias(name))
            if not options.quiet:
                sys.stderr.write(f"pulling {reference.canonical}\n")
            with show_progress(quiet=options.quiet) as progress:
                image = pull_image(
                    store, reference, platform=platform, progress=progress, settings=settings
                )
            fetched.append(image)
            print(reference.canonical)
        warn_of_lost_owners(store, fetched)
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def keep_freed_memory() -> None:
    """Let the blocks of a pull lie in the same memory again and again.

    glibc returns what is freed to the kernel at once, until something larger was freed
    (mallopt(3), "M_MMAP_THRESHOLD"): each block of plain bytes would be mapped, and filled with
    zeros, anew.  These bytes are zeros that nobody touches: they take no memory.
    """
    bytes(KEPT_BYTES)


def _parser() -> Parser:
    parser = Parser(prog="pyrootless pull", description="Fetch images from registries.")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--platform", metavar="OS/ARCH[/VARIANT]", help="default: this machine's"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument(
        "names", metavar="NAME", nargs="+",
        help="NAME[:TAG|@DIGEST], or oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE",
    )  # fmt: skip
    return parser


class _Terminated(BaseException):
    """SIGTERM arrived; what is under way is tidied up first."""


def _terminated(number: int, frame: FrameType | None) -> None:
    raise _Terminated
