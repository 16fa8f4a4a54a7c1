"""Containers that stay in the background, for what is measured beside them.

In: a place, a stack that ends them.  Out: candidates that start a program in one of them.
Never: a container that outlives the stack.

All of them run the same `busybox sleep`; pyrootless and podman from their own images, the
runtimes from the bundles of peers.py with another program.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import peers
from harness import Candidate

SECONDS = 120.0
SLEEP = ("busybox", "sleep", "100000")
INSIDE = ("/bin/busybox", "true")
NAMESPACES = ("-U", "-m", "-p", "-n", "-i", "-u", "-C")

Starter = Callable[[peers.Place, Mapping[str, str], ExitStack], tuple[str, ...]]
"""Starts one container, puts its end on the stack, and gives the words of one exec."""


class BackgroundError(Exception):
    """It could not be started; the text is for the report."""


def call(argv: Sequence[str | Path], env: Mapping[str, str]) -> str:
    """What a command prints.  Raises BackgroundError.

    Its output goes to a file: a monitor that stays may keep it open.
    """
    words = [str(word) for word in argv]
    scratch = Path(env["PYROOTLESS_BENCH_SCRATCH"])
    with (scratch / "out").open("w+b") as out, (scratch / "err").open("w+b") as err:
        try:
            done = subprocess.run(
                words,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BackgroundError(f"{words[0]}: {error}") from None
        out.seek(0)
        err.seek(0)
        if done.returncode != 0:
            text = err.read().decode(errors="replace").strip()
            raise BackgroundError(f"{Path(words[0]).name}: {done.returncode}: {text[-500:]}")
        return out.read().decode(errors="replace").strip()


def found(name: str, package: str) -> str:
    """The program's path.  Raises BackgroundError, with the words that bring it."""
    path = shutil.which(name)
    if path is None:
        raise BackgroundError(f"{name} is not on PATH (Debian: apt-get install {package})")
    return path


def pyrootless(place: peers.Place, env: Mapping[str, str], stack: ExitStack) -> tuple[str, ...]:
    """A throw-away container of `host`."""
    if missing := peers.launcher_missing(place):
        raise BackgroundError(missing)
    launcher = str(place.launcher)
    ident = call([launcher, "run", "-d", "--rm", "--ephemeral", "host", *SLEEP], env)
    stack.callback(call, [launcher, "rm", "-f", ident], env)
    return (launcher, "exec", ident, "busybox", "true")


def nsenter(place: peers.Place, env: Mapping[str, str], stack: ExitStack) -> tuple[str, ...]:
    """Into the namespaces of a pyrootless container, by util-linux."""
    program = found("nsenter", "util-linux")
    ident = pyrootless(place, env, stack)[2]
    entry = Path(env["XDG_RUNTIME_DIR"], "pyrootless", "running", ident)
    pid = str(int(entry.read_text().split()[0]))
    return (
        program,
        f"--target={pid}",
        *NAMESPACES,
        "--preserve-credentials",
        *SLEEP[:1],
        "true",
    )


def _runtime(
    tool: Sequence[str], place: peers.Place, env: Mapping[str, str], stack: ExitStack
) -> tuple[str, ...]:
    """A container of an OCI runtime; tool: its name and options."""
    name, program = tool[0], found(tool[0], tool[0])
    ident = f"bench-{os.getpid()}-{len(list(place.base.iterdir()))}"
    bundle = place.base / f"{name}-{ident}"
    bundle.mkdir()
    config = peers.bundle_config(place)
    process = config["process"]
    assert isinstance(process, dict)
    process["args"] = ["/bin/busybox", *SLEEP[1:]]
    (bundle / "config.json").write_text(json.dumps(config))
    tool = [program, *tool[1:], f"--root={place.base / f'{name}-state'}"]
    call([*tool, "run", "--detach", f"--bundle={bundle}", ident], env)
    stack.callback(call, [*tool, "delete", "--force", ident], env)
    return (*tool, "exec", ident, *INSIDE)


def crun(place: peers.Place, env: Mapping[str, str], stack: ExitStack) -> tuple[str, ...]:
    """crun run --detach; nobody of crun's stays."""
    return _runtime(("crun", "--cgroup-manager=disabled"), place, env, stack)


def runc(place: peers.Place, env: Mapping[str, str], stack: ExitStack) -> tuple[str, ...]:
    """runc run --detach; nobody of runc's stays."""
    return _runtime(("runc",), place, env, stack)


def podman(place: peers.Place, env: Mapping[str, str], stack: ExitStack) -> tuple[str, ...]:
    """podman run -d; its monitor stays."""
    tool = [found("podman", "podman"), f"--root={place.base / 'podman'}"]
    rootfs = ["--network=none", "--rootfs", f"{place.rootfs}:O", "/bin/busybox", *SLEEP[1:]]
    ident = call([*tool, "run", "-d", *rootfs], env)
    stack.callback(call, [*tool, "rm", "-f", "-t", "0", ident], env)
    return (*tool, "exec", ident, *INSIDE)


EXEC: tuple[tuple[str, Starter, str], ...] = (
    ("pyrootless-exec", pyrootless, "nothing: filter, capabilities, Landlock, own session"),
    ("nsenter", nsenter, "all but the namespaces: no filter, no capability dropped, no group"),
    ("crun-exec", crun, "filter; the container's own has none"),
    ("runc-exec", runc, "filter; the container's own has none"),
    ("podman-exec", podman, "nothing; adds a session and a monitor of its own"),
)


def exec_candidates(
    place: peers.Place, env: Mapping[str, str], stack: ExitStack
) -> list[Candidate]:
    """One candidate for each row of EXEC, its container running."""
    rows = []
    for name, starter, leaves_out in EXEC:
        try:
            words, why = starter(place, env, stack), ""
        except BackgroundError as error:
            words, why = (name,), str(error)
        rows.append(Candidate(name, words, leaves_out, unavailable=why))
    return rows
