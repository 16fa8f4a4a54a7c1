"""`pyrootless copy [-q] [--platform P] SOURCE TARGET`: an image from registry to registry.

What comes in: two names.  What goes out: tag, digest and size of what the target has, a line on
standard output; progress on standard error.
Must never: add an image to the store.

Source: skopeo-copy(1).
"""

from __future__ import annotations

import sys

from pyrootless.cli import Parser
from pyrootless.cli.registries.progress import show_progress
from pyrootless.cli.registries.sent import tell_sent
from pyrootless.images import copy_image, parse_platform, parse_reference
from pyrootless.images.registry import load_settings
from pyrootless.images.store import open_store


def main(args: list[str]) -> int:
    """Copy it; see the file's head."""
    options = _parser().parse_args(args)
    settings = load_settings()
    source, target = (
        parse_reference(settings.expand_alias(name.removeprefix("docker://")))
        for name in (options.source, options.target)
    )
    platform = parse_platform(options.platform) if options.platform else None
    store = open_store(options.root)
    if not options.quiet:
        sys.stderr.write(f"copying {source.canonical} to {target.domain}/{target.path}\n")
    with show_progress(quiet=options.quiet) as progress:
        copied = copy_image(store, source, target, platform=platform, progress=progress)
    tell_sent(copied, options)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless copy", description="Copy an image from one registry to another."
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--platform", metavar="OS/ARCH[/VARIANT]", help="this image alone; default: all"
    )
    parser.add_argument(
        "--digestfile", metavar="FILE", help="write the manifest's digest there"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("source", metavar="SOURCE", help="name of the image in a registry")
    parser.add_argument("target", metavar="TARGET", help="its name in the other one")
    return parser
