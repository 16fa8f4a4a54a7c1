"""Start containers from Python: `launch`, and `run` for the whole of it.

What comes in: an image, a program, options as of `pyrootless run`.
What goes out: a `Child`, or a `Result` with what it printed.
Must never: copy this process (the core shares its memory until exec), start an interpreter,
know an option.
"""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import BinaryIO

from pyrootless.config import find_launcher
from pyrootless.core import _containers
from pyrootless.defaults import read_defaults
from pyrootless.engine.arguments import OptionValue, to_argv
from pyrootless.engine.child import DEVNULL, PIPE, Child, Stream
from pyrootless.errors import HostUnsupportedError, UsageError
from pyrootless.result import Result

_CHUNK_BYTES = 65536


def launch(
    image: str,
    args: Sequence[str] = (),
    *,
    stdin: Stream = DEVNULL,
    stdout: Stream = PIPE,
    stderr: Stream = PIPE,
    **options: OptionValue,
) -> Child:
    """Start a container and return at once.

    Args:
        image: "host", or a directory when rootfs=True.
        args: Program and arguments; empty: what the image says.
        stdin, stdout, stderr: PIPE, DEVNULL, a descriptor or an open file.
        **options: Options of `pyrootless run` with "_" for "-": env={"A": "1"},
            volume=["/data:/data:ro"], timeout=2.5, read_only=True, … Containers are ephemeral
            unless name or ephemeral=False is given.

    Returns:
        The running container; use it as a context manager or wait for it.

    Raises:
        UsageError: An option or value has no meaning.
        LaunchError: A step of the launch failed; `.stage`, `.errno`, `.remedy`.
        HostUnsupportedError: This machine lacks something; `.check` names the doctor's entry.
    """
    chosen = dict(options)
    if "name" not in chosen and "rm" not in chosen:
        chosen.setdefault("ephemeral", True)
    root = None if chosen.get("root") is None else str(chosen["root"])
    words = to_argv(image, list(args), chosen)
    container = open_container(words, root, read_defaults().packed)
    find_template(container, root)
    return Child(container, stdin, stdout, stderr)


def run(
    image: str,
    args: Sequence[str] = (),
    *,
    input: bytes | None = None,
    **options: OptionValue,
) -> Result:
    """Run a program in a fresh container and wait for it.

    Args:
        image, args, options: As for `launch`.
        input: What it reads from standard input; None: nothing.

    Returns:
        How it ended and what it printed. A program that fails is a Result and not an exception.

    Raises:
        UsageError, LaunchError, HostUnsupportedError: As for `launch`.
    """
    stdin = PIPE if input else DEVNULL
    with launch(image, args, stdin=stdin, stdout=PIPE, stderr=PIPE, **options) as child:
        carry = _communicate_watched if child.limits else communicate
        stdout, stderr = carry(child, input or b"")
        return replace(child.wait(), stdout=stdout, stderr=stderr)


def _communicate_watched(child: Child, data: bytes) -> tuple[bytes, bytes]:
    """The same while a thread waits: some limits are held by looks that are part of a wait."""
    waiter = threading.Thread(target=child.wait, daemon=True)
    waiter.start()
    try:
        return communicate(child, data, watched=True)
    except BaseException:
        child.kill()
        raise
    finally:
        waiter.join()


def communicate(child: Child, data: bytes, *, watched: bool = False) -> tuple[bytes, bytes]:
    """Feed data and collect both outputs until the container has closed them.

    At the child's wall limit it is killed, by another thread's wait where there is one
    (watched); what it had written until then is returned.
    """
    outputs: dict[BinaryIO, bytearray] = {}
    with selectors.DefaultSelector() as selector:
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                outputs[stream] = bytearray()
                selector.register(stream, selectors.EVENT_READ)
        pending = memoryview(data)
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(None if watched else _seconds_left(child))
            if not ready:
                child.wait()  # the limit has passed: wait() kills
                continue
            for key, _ in ready:
                if key.fileobj is child.stdin:
                    pending = _feed(selector, child.stdin, pending)
                else:
                    _drain(selector, key.fileobj, outputs)  # type: ignore[arg-type]
    return _bytes_of(outputs, child.stdout), _bytes_of(outputs, child.stderr)


def _seconds_left(child: Child) -> float | None:
    deadline_ns = child.deadline_ns
    if deadline_ns is None or child.result is not None:
        return None
    return max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9)


def _feed(selector: selectors.BaseSelector, stdin: BinaryIO, pending: memoryview) -> memoryview:
    """Write what fits; a program that stopped reading is not our failure."""
    try:
        pending = pending[os.write(stdin.fileno(), pending[:_CHUNK_BYTES]) :]
    except BrokenPipeError:
        pending = pending[len(pending) :]
    if not pending:
        selector.unregister(stdin)
        stdin.close()
    return pending


def _drain(
    selector: selectors.BaseSelector, stream: BinaryIO, outputs: dict[BinaryIO, bytearray]
) -> None:
    chunk = os.read(stream.fileno(), _CHUNK_BYTES)
    if chunk:
        outputs[stream] += chunk
    else:
        selector.unregister(stream)


def _bytes_of(outputs: dict[BinaryIO, bytearray], stream: BinaryIO | None) -> bytes:
    return b"" if stream is None else bytes(outputs[stream])


def open_container(
    words: list[str], root: str | None, defaults: bytes = b""
) -> _containers.Container:
    """The container that the words after `run` describe, with all that Python prepares.

    Args:
        defaults: `Defaults.packed`, for containers that a person asked for.
    """
    container = _containers.Container(words, root, _launcher(), defaults)
    if not container.needs_engine:
        return container
    return _containers.Container(_prepare_words(words, defaults), root, _launcher())


def prepared_words(words: list[str], root: str | None) -> list[str]:
    """The same words, or those that Python's preparations made of them.

    Raises:
        UsageError: They have no meaning.
    """
    return _prepare_words(words) if _containers.Container(words, root).needs_engine else words


def _prepare_words(words: list[str], defaults: bytes = b"") -> list[str]:
    from pyrootless.engine.prepare import parse, prepare

    return prepare(parse(words, defaults))


@cache
def _launcher() -> str | None:
    """The native launcher, for containers with a fake root; None: they will say so."""
    try:
        return str(find_launcher())
    except HostUnsupportedError:
        return None


def find_template(container: _containers.Container, root: str | None) -> None:
    """Make sure the launch template is there, preparing it when it is missing or stale."""
    from pyrootless.images import launch_name, prepare_image

    image = container.image
    if image is None:
        raise UsageError("spec= is for the command line; give an image")
    base = "host" if container.own_root else image
    if container.load_template(base):
        return
    directory = prepare_image(base, root)
    if not container.load_template(launch_name(base, root, directory)):
        raise UsageError(f"image {base!r} is stale right after it was prepared")
