"""`pyrootless serve jobe`: answer the requests of other systems until a signal comes.

What comes in: an address, keys. What goes out: a line when it listens.
Must never: listen to other machines without a key.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
import signal
from pathlib import Path

from pyrootless.cli.arguments import Parser
from pyrootless.cli.values import positive
from pyrootless.errors import HostUnsupportedError, UsageError

_PORT = 4000


def main(args: list[str]) -> int:
    """Serve."""
    words = _parse(args)
    keys = _keys(words.api_key_file)
    if not keys and not _is_loopback(words.listen):
        raise UsageError(
            f"--listen={words.listen} lets other machines run programs here",
            remedy="give --api-key-file FILE with one key a line",
        )
    try:
        import h11  # noqa: F401  # the extra
    except ImportError:
        raise HostUnsupportedError(
            "the servers need h11", remedy="pip install 'pyrootless[api]'"
        ) from None
    asyncio.run(_serve(words, keys))
    return 0


def _parse(args: list[str]) -> argparse.Namespace:
    parser = Parser(prog="pyrootless serve", description="Run a server for other systems.")
    add = parser.add_argument
    add("kind", choices=["jobe"], help="jobe: REST as Moodle's CodeRunner speaks it")
    add("--listen", default="127.0.0.1", metavar="ADDRESS", help="default: only this machine")
    add("--port", type=int, default=_PORT, metavar="N", help=f"default: {_PORT}; 0: any")
    add("-j", "--jobs", type=positive, metavar="N", help="runs at once (default: processors)")
    add("--api-key-file", type=Path, metavar="FILE", help="keys of clients, one a line")
    return parser.parse_args(args)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _keys(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    try:
        keys = frozenset(filter(None, map(str.strip, path.read_text().splitlines())))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--api-key-file: {error}") from error
    if not keys:
        raise UsageError(f"--api-key-file: {path} has no key")
    return keys


async def _serve(words: argparse.Namespace, keys: frozenset[str]) -> None:
    from pyrootless.api import PREFIX, Jobe, Server
    from pyrootless.sandbox.jobe import FileCache

    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    jobe = Jobe(words.jobs or len(os.sched_getaffinity(0)), keys, FileCache())
    server = Server(jobe.answer)
    try:
        host, port = await server.listen(words.listen, words.port)
    except OSError as error:
        raise UsageError(f"cannot listen on {words.listen}:{words.port}: {error}") from error
    shown = f"[{host}]" if ":" in host else host
    print(f"listening on http://{shown}:{port}{PREFIX}", flush=True)
    await over.wait()
    await server.close()
    jobe.close()
