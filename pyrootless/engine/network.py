"""Which network helper this machine gets: looked at once, measured once, then remembered.

One of pasta and slirp4netns may be a thousand times slower than the other on a given kernel, so
`--network auto` takes what a short upload showed to be the better one.

What comes in: the helpers that are installed.
What goes out: DATA/cache/network.json (host/network.py), which the launcher reads natively.
Must never: measure again while kernel and helpers are the same and one of them worked; open a
port to other machines (the measurement listens on this host's own address, takes one
connection and is gone within seconds).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from pyrootless.config import Directories, find_directories, find_launcher
from pyrootless.errors import StoreError
from pyrootless.host import (
    Facts,
    Helper,
    encode_facts,
    facts_path,
    find_programs,
    is_current,
    read_facts,
)

ASK_SECONDS = 5
SEND_SECONDS = 0.4
TRIAL_SECONDS = 20
"""All of a trial: the container's start too, and a helper that is a thousand times slower."""
TRIALS = 2
"""The slower one counts: what goes wrong are stalls."""
PREFERENCE = 2
"""slirp4netns must be this many times faster: pasta keeps clients' addresses and has IPv6."""
_GATEWAY = ("--map-guest-addr", "169.254.1.2")
"""Taken by a pasta of August 2024 and later."""
_SENDER = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as s:
    s.sendall(b"!")
    end, data = time.monotonic() + float(sys.argv[3]), bytes(1 << 18)
    while time.monotonic() < end:
        s.sendall(data)
"""


def prepare_network(kind: str, root: str | None) -> None:
    """Make sure that the facts are there which a network needs.

    Args:
        kind: "pasta", "slirp4netns", or "auto", which needs a measurement too.
        root: Value of --root.

    Raises:
        StoreError: They cannot be written.
    """
    directories = find_directories(root).make()
    facts = read_facts(directories.cache)
    if facts is None or not is_current(facts):
        facts = examine_helpers()
        write_facts(directories, facts)
    if kind == "auto" and not facts.chosen:
        write_facts(directories, measure_helpers(facts, directories))


def examine_helpers() -> Facts:
    """What the helpers say of themselves."""
    helpers = {}
    for name, (path, stamp) in find_programs().items():
        gateway = name == "pasta" and _ask(path, *_GATEWAY)[0] == 0
        version = _first_line(_ask(path)[1], "")
        helpers[name] = Helper(path, stamp, version, gateway)
    return Facts(os.uname().release, helpers)


def measure_helpers(facts: Facts, directories: Directories) -> Facts:
    """Try each, and choose.  The facts must have been written: the trials are launches."""
    tried = {
        name: _tried(name, replace(helper, upload_bytes_per_s=None), directories)
        for name, helper in facts.helpers.items()
    }
    chosen = choose(tried)
    reason = "" if chosen else _reason(tried)
    return replace(facts, helpers=tried, chosen=chosen, reason=reason)


def choose(helpers: dict[str, Helper]) -> str:
    """The helper for `--network auto`; "": none works."""
    working = {name: helper for name, helper in helpers.items() if not helper.problem}
    if len(working) < 2:
        return next(iter(working), "")
    pasta = working["pasta"].upload_bytes_per_s
    slirp = working["slirp4netns"].upload_bytes_per_s
    if pasta is not None and slirp is not None and slirp > PREFERENCE * pasta:
        return "slirp4netns"
    return "pasta"


def write_facts(directories: Directories, facts: Facts) -> None:
    """Replace the file in one piece.

    Raises:
        StoreError: The disk is full or the store is not writable.
    """
    try:
        with tempfile.NamedTemporaryFile("w", dir=directories.temporary, delete=False) as file:
            file.write(encode_facts(facts))
        Path(file.name).replace(facts_path(directories.cache))
    except OSError as error:
        raise StoreError(f"cannot write {error.filename}: {error.strerror}") from error


def own_address() -> str | None:
    """The address from which this host speaks to the world; None: it has none.

    No packet is sent: connecting a datagram socket only looks the route up (RFC 5737 address).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def _reason(tried: dict[str, Helper]) -> str:
    if not tried:
        return "neither pasta nor slirp4netns is installed"
    return "; ".join(f"{name}: {helper.problem}" for name, helper in tried.items())[:150]


def _tried(name: str, helper: Helper, directories: Directories) -> Helper:
    address = own_address()
    reachable = name != "pasta" or helper.gateway
    if address is None or not reachable:
        problem = _launch(name, directories, ["/bin/true"])
        return replace(helper, problem=problem)
    tried = helper
    for _ in range(TRIALS):
        with socket.create_server((address, 0)) as server:
            tried = _measured(name, tried, directories, server)
        if tried.problem:
            break
    return tried


def _measured(
    name: str, helper: Helper, directories: Directories, server: socket.socket
) -> Helper:
    """One upload from a container to `server`; a slower earlier one stands."""
    python, lend = _interpreter()
    port = str(server.getsockname()[1])
    program = [python, "-I", "-S", "-c", _SENDER, "host.docker.internal", port]
    command = _command(name, directories, [*lend], [*program, str(SEND_SECONDS)])
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        try:
            rate = _receive(server, child)
            _, said = child.communicate(timeout=TRIAL_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            return replace(helper, problem="no answer in time")
    if child.returncode != 0:
        return replace(helper, problem=_complaint(said))
    rates = [r for r in (rate, helper.upload_bytes_per_s) if r is not None]
    return replace(helper, upload_bytes_per_s=min(rates, default=None), problem="")


def _receive(server: socket.socket, child: subprocess.Popen[bytes]) -> int | None:
    """Bytes a second of the one connection; None: nobody came before the child's end."""
    server.settimeout(0.1)
    deadline = time.monotonic() + TRIAL_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        try:
            connection, _ = server.accept()
        except TimeoutError:
            continue
        with connection:
            return _drain(connection)
    return None


def _drain(connection: socket.socket) -> int | None:
    connection.settimeout(ASK_SECONDS)
    start, total, buffer = time.monotonic(), 0, bytearray(1 << 18)
    try:
        while count := connection.recv_into(buffer):
            total += count
    except OSError:
        return None
    return int(total / max(time.monotonic() - start, SEND_SECONDS))


def _launch(name: str, directories: Directories, program: list[str]) -> str:
    """Start a container on this helper; "" or what it complained of."""
    try:
        done = subprocess.run(
            _command(name, directories, [], program),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "no answer in time"
    return "" if done.returncode == 0 else _complaint(done.stderr)


def _command(
    name: str, directories: Directories, options: list[str], program: list[str]
) -> list[str]:
    root = f"--root={directories.data}"
    launcher = str(find_launcher())
    run = [launcher, "run", "--rm", "--ephemeral", root, f"--network={name}", *options]
    return [*run, "host", *program]


def _interpreter() -> tuple[str, list[str]]:
    """A Python that the image `host` shows, and the options that make it do so."""
    path = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    if path.is_relative_to("/usr"):
        return str(path), []
    return str(path), [f"--volume={sys.base_prefix}:{sys.base_prefix}:ro"]


def _ask(path: str, *options: str) -> tuple[int, str]:
    """Exit status of PROGRAM OPTIONS --version, and what it wrote; -1: it could not be run.

    On a terminal of its own: pasta writes to a pipe what fits into one buffer, or nothing.
    """
    reader, writer = os.openpty()
    try:
        done = subprocess.run(
            [path, *options, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.DEVNULL,
            timeout=ASK_SECONDS,
            check=False,
        )
        os.write(writer, b"\n")  # there is something to read, whatever it wrote
        return done.returncode, os.read(reader, 4096).decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return -1, ""
    finally:
        os.close(reader)
        os.close(writer)


def _complaint(stderr: bytes) -> str:
    line = _first_line(stderr.decode(errors="replace"), "it failed without a word")
    return line.removeprefix("pyrootless: ")


def _first_line(text: str, otherwise: str) -> str:
    return (text.strip().splitlines() or [otherwise])[0].strip()
