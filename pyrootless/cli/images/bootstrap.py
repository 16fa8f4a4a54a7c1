"""`pyrootless bootstrap debian[:SUITE]`: an image from the distribution's mirrors.

What comes in: a suite, packages, a variant, a mirror.  What goes out: an image in the store,
and its name on standard output.
Must never: leave an image when mmdebstrap failed.
"""

from __future__ import annotations

import io
import sys

from pyrootless.cli import Parser
from pyrootless.images import bootstrap

CHUNK_BYTES = 1 << 20
CHANGES = ('CMD ["/bin/bash"]',)


def main(args: list[str]) -> int:
    """Make the image; see the file's head."""
    options = _parser().parse_args(args)
    from pyrootless.images import parse_reference, subordinate_ids
    from pyrootless.images.archive import import_rootfs
    from pyrootless.images.store import open_store

    wanted = bootstrap.parse_wanted(
        options.distribution, options.include, options.variant, options.mirror
    )
    reference = parse_reference(options.tag or f"debian:{wanted.suite}")
    ids = subordinate_ids()
    mode = bootstrap.choose_mode(many_ids=bool(ids.uids and ids.gids))
    words = bootstrap.command(wanted, mode)
    store = open_store(options.root)
    say = _be_silent if options.quiet else _say
    with bootstrap.Archive(words, say, wanted.suite) as archive:
        import_rootfs(store, io.BufferedReader(archive, CHUNK_BYTES), reference, CHANGES)
    print(reference.familiar)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless bootstrap",
        description="Make an image from the distribution's mirrors, with mmdebstrap.",
    )
    parser.add_argument(
        "distribution", metavar="debian[:SUITE]", help="release; default stable"
    )
    parser.add_argument(
        "--include", metavar="PKG[,PKG…]", action="append", default=[], help="more packages"
    )
    parser.add_argument(
        "--variant", metavar="NAME", default="minbase", help="how much: minbase, apt, standard"
    )
    parser.add_argument("--mirror", metavar="URL", help="archive to take packages from")
    parser.add_argument("-t", "--tag", metavar="NAME", help="name; default debian:SUITE")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    return parser


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _be_silent(_line: str) -> None:
    """For --quiet."""
