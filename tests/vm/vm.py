#!/usr/bin/env python3
"""A small real machine for tests: Debian with systemd and cgroup v2, under qemu.

Commands run in it as the unprivileged user "student", inside a systemd user scope with
Delegate=yes.  It needs neither KVM nor root.  README.md beside this file has the details.

In: an action and its options.  Out: the command's output and exit status; 124 after a timeout;
125 when the machine itself failed.  Never: anything kept from one machine to the next.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import image
from base import CACHE, Failure, log, missing_packages
from machine import EXIT_HARNESS, MOUNTS, Call, Machine, Shape, Start
from snapshot import find_snapshot, make_snapshot
from variants import VARIANTS

GUEST_HOME = "/home/student"
Action = Callable[[argparse.Namespace], int]


def build(options: argparse.Namespace) -> int:
    """Make the image and its snapshot, if they are not up to date."""
    if lacking := missing_packages():
        line = f"apt-get install -y --no-install-recommends {' '.join(lacking)}"
        raise Failure(f"this host cannot make a machine; an administrator runs: {line}")
    extra = [name for item in options.packages for name in item.split(",") if name]
    with image.build_lock():
        found = image.find_image()
        if found and found.recipe == image.recipe_of(extra) and not options.force:
            log(f"image is up to date ({CACHE})")
        else:
            image.build_image(extra, options.mirror)
        make_snapshot(Shape(), force=False)
    return 0


def snapshot(options: argparse.Namespace) -> int:
    """Save a booted machine of another number of processors or size of memory."""
    image.require_image()
    with image.build_lock():
        make_snapshot(Shape(options.cpus, options.mem), force=options.force)
    return 0


def run(options: argparse.Namespace) -> int:
    """Start a fresh machine, run a command in it, end the machine."""
    call = command_of(options)
    machine, workdir = start_machine(options, detached=False)
    try:
        return machine.execute(call(workdir))
    finally:
        machine.stop()


def up(options: argparse.Namespace) -> int:
    """Start a machine that stays."""
    path = record_of(options.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if find_machine(options.name):
            raise Failure(f"machine {options.name!r} is up already")
        machine, workdir = start_machine(options, detached=True)
        machine.open_master()
        machine.info |= {"workdir": workdir, "variants": options.variant}
        path.write_text(json.dumps(machine.info, indent=1) + "\n")
    seconds, pid = machine.info["boot_seconds"], machine.info["pid"]
    log(f"machine {options.name!r} is up (qemu pid {pid}, {seconds} s)")
    return 0


def execute(options: argparse.Namespace) -> int:
    """Run a command in a machine that is up."""
    call = command_of(options)
    machine = require_machine(options.name)
    return machine.execute(call(machine.info["workdir"]))


def copy(options: argparse.Namespace) -> int:
    """Copy host directories anew into a machine that is up."""
    machine = require_machine(options.name)
    for source, target in copies_of(options.folder):
        machine.copy_in(source, target, options.exclude)
    return 0


def down(options: argparse.Namespace) -> int:
    """End a machine that is up."""
    machine = find_machine(options.name)
    if machine is None:
        log(f"no machine {options.name!r} is up")
        return 0
    machine.stop()
    record_of(options.name).unlink(missing_ok=True)
    log(f"machine {options.name!r} is down")
    return 0


def status(_: argparse.Namespace) -> int:
    """Print what there is."""
    print(f"cache     {CACHE}")
    found = image.find_image()
    print(f"image     {f'Debian, built in {found.seconds} s' if found else 'none'}")
    for path in sorted(CACHE.glob("snapshots/*/meta.json")):
        print(f"snapshot  {path.parent.name}")
    for path in sorted(CACHE.glob("machines/*.json")):
        if machine := find_machine(path.stem):
            info = machine.info
            place = f"qemu pid {info['pid']}, ssh port {info['port']}"
            print(f"machine   {path.stem}: {place} {' '.join(info['variants'])}".rstrip())
    return 0


def variants(_: argparse.Namespace) -> int:
    """List what --variant takes."""
    for name, (text, _script) in VARIANTS.items():
        print(f"{name:18} {text}")
    return 0


def start_machine(options: argparse.Namespace, *, detached: bool) -> tuple[Machine, str]:
    """A machine with its variants, mounts and copies; and where commands start in it."""
    image.require_image()
    mounts, copies = mounts_of(options.mount), copies_of(options.copy)
    for name in options.variant:
        if name not in VARIANTS:
            raise Failure(f"no variant {name!r}; there are: {', '.join(VARIANTS)}")
    shape = Shape(options.cpus, options.mem, options.append)
    saved = None if options.cold or options.append else find_snapshot(shape)
    if saved is None and not (options.cold or options.append):
        log("no saved state for this shape: a full boot takes a while (`snapshot` makes one)")
    start = Start(
        backing=saved / "disk.qcow2" if saved else CACHE / "base.raw",
        state=saved / "state" if saved else None,
        shares=[source for source, _ in mounts],
        net=options.net,
        detached=detached,
    )
    machine = Machine.start(shape, start)
    try:
        machine.prepare(mounts, options.variant)
        for source, target in copies:
            machine.copy_in(source, target, options.exclude)
    except BaseException:
        machine.stop()
        raise
    return machine, next((target for _, target in [*copies, *mounts]), "")


def folder_of(option: str, item: str) -> tuple[str, str]:
    """DIR[:PATH] as a host directory and a guest path ("": none given)."""
    source, _, target = item.partition(":")
    if not Path(source).is_dir():
        raise Failure(f"{option}: not a directory: {source}")
    if target and not target.startswith("/"):
        raise Failure(f"{option}: the guest path must be absolute: {target}")
    return os.path.abspath(source), os.path.normpath(target) if target else ""


def mounts_of(items: list[str]) -> list[tuple[str, str]]:
    """--mount's words as (host, guest) pairs."""
    if len(items) > MOUNTS:
        raise Failure(f"--mount: {MOUNTS} at most")
    pairs = [folder_of("--mount", item) for item in items]
    return [(one, two or f"/mnt/host{i or ''}") for i, (one, two) in enumerate(pairs)]


def copies_of(items: list[str]) -> list[tuple[str, str]]:
    """--copy's words as (host, guest) pairs; never the guest's home or a top directory."""
    pairs = []
    for source, given in (folder_of("--copy", item) for item in items):
        target = given or f"{GUEST_HOME}/{os.path.basename(source) or 'root'}"
        if target.count("/") < 2 or target == GUEST_HOME:
            raise Failure(f"--copy: would replace the guest's {target}")
        pairs.append((source, target))
    return pairs


def command_of(options: argparse.Namespace) -> Callable[[str], Call]:
    """The command asked for, still without the directory it starts in by default."""
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        raise Failure("no COMMAND given")
    return lambda workdir: Call(
        words=words,
        workdir=options.workdir or workdir,
        root=options.root,
        plain=options.plain,
        env=options.env,
        stdin=options.stdin,
        tty=options.tty,
        timeout=options.timeout,
    )


def record_of(name: str) -> Path:
    """Where a machine that stays is written down."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name):
        raise Failure(f"not a machine's name: {name}")
    return CACHE / "machines" / f"{name}.json"


def find_machine(name: str) -> Machine | None:
    """A machine that is up; None: there is none of that name."""
    path = record_of(name)
    try:
        info = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    machine = Machine(Path(info["rundir"]), info)
    if machine.alive():
        return machine
    machine.stop()
    path.unlink(missing_ok=True)
    return None


def require_machine(name: str) -> Machine:
    """A machine that is up.  Raises Failure when there is none of that name."""
    if machine := find_machine(name):
        return machine
    raise Failure(f"no machine {name!r} is up")


def add_shape(parser: argparse.ArgumentParser) -> None:
    """--cpus, --mem"""
    shape = Shape()
    parser.add_argument("--cpus", type=int, default=shape.cpus)
    parser.add_argument("--mem", type=int, default=shape.memory_mib, metavar="MIB")


def add_exclude(parser: argparse.ArgumentParser) -> None:
    """--exclude"""
    text = "what --copy leaves out, as for tar; .git and __pycache__ always; repeatable"
    parser.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help=text)


def add_start(parser: argparse.ArgumentParser) -> None:
    """What `run` and `up` share."""
    add_shape(parser)
    add_exclude(parser)
    add = parser.add_argument
    text = f"share a directory read-only at PATH (default /mnt/host, …); {MOUNTS} at most"
    add("--mount", action="append", default=[], metavar="DIR[:PATH]", help=text)
    text = "put a copy at PATH (default: its name in the user's home), the user's own"
    add("--copy", action="append", default=[], metavar="DIR[:PATH]", help=text)
    text = "change the host first, see `variants`; repeatable"
    add("--variant", action="append", default=[], metavar="NAME", help=text)
    add("--net", action="store_true", help="let the guest open connections")
    add("--cold", action="store_true", help="boot in full, without the saved state")
    add("--append", default="", metavar="ARGS", help="further kernel arguments; implies --cold")


def add_command(parser: argparse.ArgumentParser) -> None:
    """What `run` and `exec` share."""
    add = parser.add_argument
    add("--timeout", type=float, metavar="SECONDS", help="end COMMAND after this long")
    text = "where to start (default: the first copy, else the first mount, else home)"
    add("--workdir", default="", metavar="PATH", help=text)
    add("-e", "--env", action="append", default=[], metavar="NAME=VALUE")
    add("-i", "--stdin", action="store_true", help="pass standard input on")
    add("-t", "--tty", action="store_true", help="give COMMAND a terminal")
    add("--root", action="store_true", help="run as root, not as student")
    add("--plain", action="store_true", help="in the login's own scope, not a delegated one")
    add("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …")


def add_build(parser: argparse.ArgumentParser) -> None:
    """What `build` takes."""
    add = parser.add_argument
    add("--force", action="store_true", help="also when it is up to date")
    text = "further Debian packages to install"
    add("--packages", action="append", default=[], metavar="A,B", help=text)
    add("--mirror", help="Debian mirror (default: mmdebstrap's own)")


def parse_words() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="vm.py", description=(__doc__ or "").split("\n")[0])
    sub = parser.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, function: Action, *named: str) -> argparse.ArgumentParser:
        added = sub.add_parser(name, help=(function.__doc__ or "").rstrip("."))
        added.set_defaults(function=function)
        if "named" in named:
            added.add_argument("--name", default="default", help="of the machine")
        return added

    add_build(action("build", build))
    one = action("snapshot", snapshot)
    add_shape(one)
    one.add_argument("--force", action="store_true")
    one = action("run", run)
    add_start(one)
    add_command(one)
    add_start(action("up", up, "named"))
    add_command(action("exec", execute, "named"))
    one = action("copy", copy, "named")
    add_exclude(one)
    one.add_argument("folder", nargs="+", metavar="DIR[:PATH]")
    action("down", down, "named")
    action("status", status)
    action("variants", variants)
    return parser.parse_args()


def main() -> int:
    """Do one action; its exit status."""
    options = parse_words()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return int(options.function(options))
    except Failure as problem:
        log(problem)
        return EXIT_HARNESS
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
