"""`pyrootless-isolate`: the command line of isolate, served without root.

What comes in: isolate's options. What goes out: its status line, its meta-file, its exit codes:
0 the program ended well, 1 it did not, 2 the sandbox failed.
Must never: take an option that it does not carry out.

Source: isolate(1).
"""

from __future__ import annotations

import argparse
import os
import posixpath
import sys
from pathlib import Path

from pyrootless import __version__
from pyrootless.errors import PyrootlessError, UsageError
from pyrootless.printable import printable_name
from pyrootless.sandbox import Limits, box
from pyrootless.sandbox.isolate import (
    Status,
    Wish,
    environment,
    failure,
    meta_of,
    parse_rules,
    run_in_place,
    seconds,
    status_of,
    to_text,
)
from pyrootless.sandbox.isolate import place as isolate_place
from pyrootless.units import parse_duration_ns

EXIT_INTERNAL = 2
_KIB = 1024
_NO_WALL = "3650d"
_DISK_BYTES = 1 << 30
_INODES = 1 << 16
_STACK = "64M"
_STACK_ALONE = "256M"
_MANY_FILES = 1 << 16


def main(argv: list[str] | None = None) -> int:
    """Serve one command line."""
    try:
        words = parse(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:
        return 0 if stop.code in (0, None) else EXIT_INTERNAL
    try:
        return _serve(words)
    except (PyrootlessError, OSError) as error:
        _write_meta(words.meta, failure(Status("XX", str(error).partition("\n")[0])))
        sys.stderr.write(f"{error}\n")
        return EXIT_INTERNAL


def _serve(words: argparse.Namespace) -> int:
    if words.print_cg_root:
        raise UsageError("boxes have no control group in common; --cg works without one")
    place = isolate_place.find_place(words.box_id)
    if words.init:
        isolate_place.make(place, words.quota or "", words.wait)
        print(place.path)
        return 0
    if words.cleanup:
        isolate_place.remove(place, words.wait)
        return 0
    _write_meta(words.meta, {})
    with isolate_place.held(place, words.wait):
        return _run(place, words)


def _run(place: isolate_place.Place, words: argparse.Namespace) -> int:
    wish = wish_of(words, place.quota)
    outcome, killed_for = run_in_place(place, wish)
    status = status_of(outcome, words.time, words.wall_time, killed_for)
    _write_meta(words.meta, meta_of(outcome, status, words.cg))
    if not words.silent:
        spent = f"({seconds(outcome.cpu_ns)} sec real, {seconds(outcome.wall_ns)} sec wall)"
        sys.stderr.write(f"{status.message or f'OK {spent}'}\n")
    if words.verbose:
        held = ", ".join(f"{name}: {rung}" for name, rung in sorted(outcome.enforced.items()))
        sys.stderr.write(f"limits enforced by {held}\n")
        for name, why in outcome.files_bad.items():
            sys.stderr.write(f"box/{printable_name(name)} was left behind: {why}\n")
    return 1 if status.code else 0


def _write_meta(path: str | None, meta: dict[str, str]) -> None:
    if path == "-":
        sys.stdout.write(to_text(meta))
    elif path:
        Path(path).write_text(to_text(meta), encoding="utf-8", errors="surrogateescape")


def wish_of(words: argparse.Namespace, quota: str) -> Wish:
    """What is to be run, and with what.

    Raises:
        UsageError: An option has no meaning, or asks for what no box can give.
    """
    for name in ("share_net", "inherit_fds", "tty_hack", "special_files"):
        if getattr(words, name):
            raise UsageError(f"--{name.replace('_', '-')} is refused: no box has that")
    if not words.command:
        raise UsageError("--run mode requires a command to run")
    return Wish(
        args=tuple(words.command),
        cwd=posixpath.normpath(posixpath.join(box.CWD, words.chdir or "")),
        env=environment(words.env, os.environ, words.full_env),
        limits=limits_of(words, quota),
        rules=tuple(parse_rules(words.dir)),
        bare=words.no_default_dirs,
        streams=(words.stdin or "", words.stdout or "", words.stderr or ""),
        stderr_to_stdout=words.stderr_to_stdout,
    )


def limits_of(words: argparse.Namespace, quota: str) -> Limits:
    """Limits of the box. Time limits have the extra time in them."""
    blocks, inodes = _quota(words.quota or quota)
    memory = min(filter(None, (words.mem, words.cg_mem)), default=None)
    stack = _STACK_ALONE if words.processes == 1 else _STACK
    return Limits(
        cpu=_limit(words.time, words.extra_time),
        wall=_limit(words.wall_time, words.extra_time) or _NO_WALL,
        memory=memory and memory * _KIB,
        procs=words.processes or None,
        output=None,
        disk=blocks * _KIB or _DISK_BYTES,
        inodes=inodes or _INODES,
        file_size=words.fsize and words.fsize * _KIB,
        stack=words.stack * _KIB if words.stack else stack,
        open_files=words.open_files or _MANY_FILES,
        idle=0,
    )


def _limit(limit_ns: int, extra_ns: int) -> str | None:
    return f"{limit_ns + extra_ns}ns" if limit_ns else None


def _quota(text: str) -> tuple[int, int]:
    blocks, comma, inodes = text.partition(",")
    if not text:
        return 0, 0
    if not comma or not (blocks + inodes).isdigit():
        raise UsageError(f"--quota={text}: write BLOCKS,INODES")
    return int(blocks), int(inodes)


def parse(argv: list[str]) -> argparse.Namespace:
    """The words; raises SystemExit as argparse does."""
    options, dashes, command = _split(argv)
    parser = argparse.ArgumentParser(
        prog="pyrootless-isolate",
        description="Run a program in a box: the command line of isolate, without root.",
    )
    _add_modes(parser)
    _add_limits(parser)
    _add_surroundings(parser)
    words = parser.parse_args(options)
    if dashes:
        words.command = [*words.command, *command]
    return words


def _split(argv: list[str]) -> tuple[list[str], bool, list[str]]:
    """Options, whether "--" ended them, and what stands behind it.

    A bare -p takes no word of its own: its number must be attached.
    """
    end = argv.index("--") if "--" in argv else len(argv)
    head = ["--processes=0" if word in ("-p", "--processes") else word for word in argv[:end]]
    return head, end < len(argv), argv[end + 1 :]


def _add_modes(parser: argparse.ArgumentParser) -> None:
    modes = parser.add_mutually_exclusive_group(required=True)
    modes.add_argument("-I", "--init", action="store_true", help="make a box, print its place")
    modes.add_argument("-R", "--run", action="store_true", help="run a program in a box")
    modes.add_argument("-C", "--cleanup", action="store_true", help="remove a box")
    modes.add_argument("--print-cg-root", action="store_true", help="refused: there is none")
    version = f"pyrootless {__version__}, command line of isolate 2"
    modes.add_argument("--version", action="version", version=version)
    add = parser.add_argument
    add("command", nargs=argparse.REMAINDER, metavar="-- PROGRAM [ARG…]")
    add("-b", "--box-id", type=int, default=0, metavar="ID")
    add("-M", "--meta", metavar="FILE", help="write the meta-file there")
    add("-s", "--silent", action="store_true", help="no status line")
    add("-v", "--verbose", action="count", default=0, help="say what enforced the limits")
    add("--wait", action="store_true", help="wait for a box that is in use")
    add("--cg", action="store_true", help="report memory of the whole box")
    add("--cg-timing", action="store_true", help="always so")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-t", "--time", type=_seconds, default=0, metavar="S", help="processor time")
    add("-w", "--wall-time", type=_seconds, default=0, metavar="S")
    add("-x", "--extra-time", type=_seconds, default=0, metavar="S", help="grace")
    add("-m", "--mem", type=_count, metavar="KB", help="memory of all processes together")
    add("--cg-mem", type=_count, metavar="KB", help="the same")
    add("-k", "--stack", type=_count, metavar="KB")
    add("-f", "--fsize", type=_count, metavar="KB", help="size of any one file")
    add("-q", "--quota", metavar="BLOCKS,INODES", help="all files together")
    add("-n", "--open-files", type=_count, default=64, metavar="N", help="0: very many")
    add("-p", "--processes", type=_count, default=1, metavar="N", help="without N: no limit")
    add("--core", type=_count, default=0, metavar="KB", help="taken and ignored: no cores")


def _add_surroundings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-i", "--stdin", metavar="FILE", help="in the box")
    add("-o", "--stdout", metavar="FILE", help="in the box")
    add("-r", "--stderr", metavar="FILE", help="in the box")
    add("--stderr-to-stdout", action="store_true")
    add("-c", "--chdir", metavar="DIR", help="in the box")
    add("-E", "--env", action="append", default=[], metavar="VAR[=VALUE]")
    add("-e", "--full-env", action="store_true", help="every variable")
    add("-d", "--dir", action="append", default=[], metavar="IN[=OUT][:OPTIONS]")
    add("-D", "--no-default-dirs", action="store_true", help="only what --dir binds")
    for name in ("share-net", "inherit-fds", "tty-hack", "special-files"):
        add(f"--{name}", action="store_true", help="refused")


def _seconds(text: str) -> int:
    try:
        return parse_duration_ns(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("at least 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
