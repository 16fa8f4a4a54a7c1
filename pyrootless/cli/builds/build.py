"""`pyrootless build [OPTION…] CONTEXT`: an image of a Dockerfile.

What comes in: a directory, "-" (an archive or a Dockerfile on standard input) or a URL.
What goes out: an image; with -q its ID alone; with --push the same image in registries.
Must never: show a secret; send an image whose build failed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pyrootless.build import (
    Context,
    GivenSecrets,
    Progress,
    Quiet,
    Request,
    build_image,
    check,
    open_directory,
    open_place,
    parse_dockerfile,
    parse_output,
)
from pyrootless.cli import Parser
from pyrootless.cli.builds.progress import PlainProgress, TerminalProgress
from pyrootless.cli.registries import show_progress
from pyrootless.errors import UsageError
from pyrootless.images import Reference, parse_reference, push_image
from pyrootless.images.store import Store, StoredImage, open_store

_EPOCH = "SOURCE_DATE_EPOCH"
_MAPS = ("auto", "single", "range")


def main(args: list[str]) -> int:
    """Build; see the file's head."""
    options = _parser().parse_args(args)
    names = [parse_reference(text) for text in options.tag]
    if options.userns not in _MAPS:
        raise UsageError(f"--userns {options.userns[:40]}: write {', '.join(_MAPS)}")
    if options.push and not names:
        raise UsageError(
            "--push: the image has no name to be sent to", remedy="add -t HOST/NAME:TAG"
        )
    outputs = [parse_output(text) for text in options.output]
    store = open_store(options.root)
    progress = _progress(options.progress, options.quiet)
    with ExitStack() as stack:
        stack.callback(getattr(progress, "close", lambda: None))
        opened = stack.enter_context(
            open_place(store, options.context, options.file, sys.stdin.buffer)
        )
        if options.check:
            return _check(opened.dockerfile, opened.name)
        if isinstance(progress, PlainProgress):
            progress.began(0, f"building {opened.name} of {options.context}")
            progress.ended(0)
        request = Request(
            dockerfile=opened.dockerfile,
            context=opened.context,
            name=opened.name,
            args=_pairs("--build-arg", options.build_arg, from_environment=True),
            target=options.target,
            labels=_pairs("--label", options.label, from_environment=False),
            platform=options.platform,
            network=options.network,
            no_cache=options.no_cache,
            no_cache_stages=_split(options.no_cache_filter),
            pull=options.pull,
            contexts=_contexts(options.build_context),
            secrets=_secrets(options.secret),
            agents=_agents(options.ssh),
            progress=progress,
            epoch=_epoch(options.timestamp),
            userns=options.userns,
            words=_words(options),
        )
        built = build_image(store, request, names, options.root, outputs)
    if options.iidfile:
        _write_id(Path(options.iidfile), built.image.id)
    if options.push:
        _push(store, built.image, names, quiet=options.quiet)
    if options.quiet:
        print(built.image.id)
    return 0


def _push(store: Store, image: StoredImage, names: list[Reference], *, quiet: bool) -> None:
    """Send the image to the registry of each of its names."""
    for name in names:
        with show_progress(quiet=quiet) as progress:
            pushed = push_image(store, image, name, progress=progress)
        if not quiet:
            sys.stderr.write(f"pushed {name.canonical}: digest: {pushed.digest}\n")


def _check(text: str, name: str) -> int:
    """Warnings alone; 1 when there are any, as docker has it."""
    found = check(parse_dockerfile(text, name))
    print(
        "".join(f"{line}\n" for line in found) or "Check complete, no warnings found.\n", end=""
    )
    return 1 if found else 0


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless build",
        description="Build an image of a Dockerfile.",
        epilog="CONTEXT is a directory, - (an archive or a Dockerfile on standard input), the "
        "URL of an archive, or of a Git repository as in URL#REF:DIRECTORY.",
    )
    add = parser.add_argument
    add("--build-arg", metavar="NAME[=VALUE]", action="append", default=[],
        help="a build argument; NAME alone takes the caller's variable")  # fmt: skip
    add("--build-context", metavar="NAME=PLACE", action="append", default=[],
        help="for --from=NAME: a directory, or docker-image://IMAGE")  # fmt: skip
    add("--check", action="store_true", help="build nothing: tell what is better not written")
    add("-f", "--file", metavar="FILE", help="the Dockerfile; - reads standard input")
    add("--iidfile", metavar="FILE", help="write the image's ID to this file")
    add("--label", metavar="KEY=VALUE", action="append", default=[], help="a label of it")
    add("--memory", "-m", metavar="SIZE", help="memory of each RUN, as of run")
    add("--network", metavar="NETWORK", default="none",
        help="of RUN, as of run: none (default), host, auto, pasta, …")  # fmt: skip
    add("--no-cache", action="store_true", help="do every step, whatever was done before")
    add("--no-cache-filter", metavar="STAGE", action="append", default=[],
        help="the same for these stages alone")  # fmt: skip
    add("-o", "--output", metavar="OUTPUT", action="append", default=[],
        help="also: DIR, -, or type=local|tar|oci|docker|image,dest=PATH")  # fmt: skip
    add("--platform", metavar="OS/ARCH", default="", help="build for this platform")
    add("--progress", choices=("auto", "plain", "tty", "quiet"), default="auto",
        help="how to show it (default: tty on a terminal, else plain)")  # fmt: skip
    add("--pull", action="store_true", help="ask registries for newer base images")
    add("--push", action="store_true", help="send it to the registry of each -t as well")
    add("-q", "--quiet", action="store_true", help="print nothing but the image's ID")
    add("--root", metavar="DIR", help="the engine's directory")
    add("--secret", metavar="id=ID[,src=FILE|,env=NAME]", action="append", default=[],
        help="a secret for RUN --mount=type=secret")  # fmt: skip
    add("--ssh", metavar="default|ID[=SOCKET]", action="append", default=[],
        help="an ssh agent for RUN --mount=type=ssh")  # fmt: skip
    add("-t", "--tag", metavar="NAME", action="append", default=[], help="name the image")
    add("--target", metavar="STAGE", default="", help="build this stage; by name or number")
    add("--timestamp", metavar="SECONDS",
        help=f"seconds since 1970 that stand for every time (default: ${_EPOCH})")  # fmt: skip
    add("--ulimit", metavar="NAME=SOFT[:HARD]", action="append", default=[],
        help="a resource limit of each RUN, as of run")  # fmt: skip
    add("--userns", metavar="MAP", default="auto",
        help="ids in RUN: auto, single or range; the image is the same")  # fmt: skip
    add("context", metavar="CONTEXT")
    return parser


def _progress(kind: str, quiet: bool) -> Progress:
    if quiet or kind == "quiet":
        return Quiet()
    terminal = kind == "tty" or (kind == "auto" and sys.stderr.isatty())
    return TerminalProgress() if terminal else PlainProgress()


def _pairs(option: str, given: Sequence[str], *, from_environment: bool) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f"{option} {text[:80]}: a name is missing")
        if equals:
            found[name] = value
        elif not from_environment:
            found[name] = ""
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


def _split(given: Sequence[str]) -> list[str]:
    return [name for text in given for name in text.split(",")]


def _contexts(given: Sequence[str]) -> dict[str, Context | str]:
    found: dict[str, Context | str] = {}
    for text in given:
        name, equals, place = text.partition("=")
        if not name or not equals or not place:
            raise UsageError(f"--build-context {text[:80]}: write NAME=DIRECTORY")
        if place.startswith("docker-image://"):
            found[name] = place
        elif "://" in place:
            raise UsageError(
                f"--build-context {text[:80]}: a directory or docker-image://IMAGE"
            )
        else:
            found[name] = open_directory(Path(place))
    return found


def _secrets(given: Sequence[str]) -> GivenSecrets:
    found = {}
    for text in given:
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        name = fields.get("id", "")
        source = fields.get("src") or fields.get("source") or ""
        variable = fields.get("env", "")
        if not name or set(fields) - {"id", "src", "source", "env", "type"}:
            raise UsageError("--secret: write id=ID,src=FILE or id=ID,env=NAME")
        if not source and (variable or name in os.environ):
            found[name] = os.environb.get(os.fsencode(variable or name), b"")
            continue
        try:
            found[name] = Path(source or name).read_bytes()
        except OSError as error:
            raise UsageError(f"--secret {name}: {source or name}: {error.strerror}") from error
    return GivenSecrets(found)


def _agents(given: Sequence[str]) -> GivenSecrets:
    found = {}
    for text in given:
        name, _, place = text.partition("=")
        socket = place or os.environ.get("SSH_AUTH_SOCK", "")
        if not socket or not Path(socket).is_socket():
            raise UsageError(f"--ssh {text[:80]}: there is no agent's socket {socket}")
        found[name] = socket
    return GivenSecrets(agents=found)


def _epoch(given: str | None) -> int | None:
    text = os.environ.get(_EPOCH, "") if given is None else given
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise UsageError(f'"{text[:40]}" is no number of seconds since 1970')
    return int(text)


def _words(options: argparse.Namespace) -> list[str]:
    """Words of `run` for every RUN."""
    words = [f"--ulimit={text}" for text in options.ulimit]
    return [*words, f"--memory={options.memory}"] if options.memory else words


def _write_id(path: Path, image_id: str) -> None:
    try:
        path.write_text(image_id)
    except OSError as error:
        raise UsageError(f"--iidfile {path}: {error.strerror}") from error
