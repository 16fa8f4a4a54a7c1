"""`pyrootless import [-c CHANGE]… [-m MESSAGE] FILE|- [NAME]`: an image of a root file system.

What comes in: a tar archive of a root file system, compressed or not, from a file or standard
input.  What goes out: the image's ID.
Must never: run anything of it.
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.cli.images.load import open_input
from pyrootless.cli.images.lost_owners import warn_of_lost_owners
from pyrootless.images import parse_reference
from pyrootless.images.archive import import_rootfs
from pyrootless.images.store import open_store


def main(args: list[str]) -> int:
    """Import a root file system; see the file's head."""
    parser = Parser(
        prog="pyrootless import",
        description="Make an image of a root file system's tar archive.",
    )
    parser.add_argument(
        "-c", "--change", metavar="CHANGE", action="append", default=[],
        help="a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, "
        "VOLUME, WORKDIR; may be repeated",
    )  # fmt: skip
    parser.add_argument("-m", "--message", default="", help="for the image's history")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("file", metavar="FILE", help="- for standard input")
    parser.add_argument("name", metavar="NAME", nargs="?", help="as in mybase:1")
    options = parser.parse_args(args)
    reference = parse_reference(options.name) if options.name else None
    message = options.message or f"Imported from {options.file}"
    with open_input(options.file, "import", "FILE") as stream:
        store = open_store(options.root)
        image = import_rootfs(store, stream, reference, options.change, message)
    print(image.id)
    warn_of_lost_owners(store, [image])
    return 0
