"""`pyrootless push [-q] [-a] IMAGE [DEST]`: send images to registries.

What comes in: an image, the name it gets there.  What goes out: tag, digest and size of the
manifest, a line each, on standard output; progress on standard error.
Must never: take a password from the command line.

Source: docker-push(1), podman-push(1).
"""

from __future__ import annotations

import argparse
import sys

from pyrootless.cli import Parser
from pyrootless.cli.registries.progress import show_progress
from pyrootless.cli.registries.sent import tell_sent
from pyrootless.errors import UsageError
from pyrootless.images import (
    Reference,
    find_image,
    parse_reference,
    push_image,
    push_references,
)
from pyrootless.images.registry import RegistrySettings, load_settings
from pyrootless.images.store import Store, StoredImage, open_store


def main(args: list[str]) -> int:
    """Send each; see the file's head."""
    options = _parser().parse_args(args)
    settings = load_settings()
    store = open_store(options.root)
    jobs = _jobs(store, options, settings)
    name = jobs[0][1]
    if not options.quiet:
        sys.stderr.write(f"the push refers to repository {name.domain}/{name.path}\n")
    for image, reference in jobs:
        with show_progress(quiet=options.quiet) as progress:
            pushed = push_image(store, image, reference, progress=progress, settings=settings)
        tell_sent(pushed, options)
    return 0


def _jobs(
    store: Store, options: argparse.Namespace, settings: RegistrySettings
) -> list[tuple[StoredImage, Reference]]:
    """What is sent, and as what."""
    dest = (options.dest or options.image).removeprefix("docker://")
    name = parse_reference(settings.expand_alias(dest))
    if options.all_tags:
        if options.dest or name.digest or ":" in dest.split("/")[-1]:
            raise UsageError("--all-tags: name a repository: pyrootless push -a HOST/NAME")
        return push_references(store, name)
    image = find_image(store, options.image)
    if options.dest is None and name not in image.references:
        raise UsageError(
            f"{options.image} is no name of the image that says where to",
            remedy=f"name the place: pyrootless push {options.image} HOST/NAME:TAG",
        )
    return [(image, name)]


def _parser() -> Parser:
    parser = Parser(prog="pyrootless push", description="Send images to registries.")
    parser.add_argument(
        "-a", "--all-tags", action="store_true", help="every tag of the repository"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--digestfile", metavar="FILE", help="write the manifest's digest there"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument(
        "--disable-content-trust", action="store_true", help=argparse.SUPPRESS
    )  # docker's default
    parser.add_argument("image", metavar="IMAGE", help="name, ID or beginning of an ID")
    parser.add_argument(
        "dest", metavar="NAME", nargs="?", help="its name there; if not given, IMAGE"
    )
    return parser
