"""Two sockets into a machine: lines with a deadline, and qemu's own control protocol (QMP).

In: a Unix socket's path, a function that says whether qemu is alive.  Out: answers.
Never: a wait without an end.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from base import Failure

CONNECT_SECONDS = 30
POLL_SECONDS = 0.02
TRANSFER_ENDS = ("failed", "cancelled")


class LineSocket:
    """Lines over a Unix socket; all limits are in seconds."""

    def __init__(self, path: Path, alive: Callable[[], bool], limit: float) -> None:
        self._alive, self._buffer = alive, b""
        deadline = time.monotonic() + limit
        while True:
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.connect(str(path))
                return
            except (FileNotFoundError, ConnectionRefusedError):
                self.close()
                if not alive() or time.monotonic() > deadline:
                    raise Failure("qemu did not open its socket") from None
                time.sleep(POLL_SECONDS)

    def send(self, text: str) -> None:
        """Send one line."""
        self._socket.sendall(text.encode() + b"\n")

    def line(self, limit: float) -> str:
        """The next line.  Raises Failure when none comes in time, or qemu ended."""
        deadline = time.monotonic() + limit
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"no answer from the machine in {limit} s")
            self._buffer += self._receive(min(left, 1))
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode(errors="replace")

    def _receive(self, limit: float) -> bytes:
        """What came within the limit; b"" for nothing yet."""
        self._socket.settimeout(limit)
        try:
            chunk = self._socket.recv(65536)
        except TimeoutError:
            if self._alive():
                return b""
            chunk = b""
        except ConnectionError:
            chunk = b""
        if not chunk:
            raise Failure("qemu has ended")
        return chunk

    def close(self) -> None:
        """Close it; a second time does nothing."""
        self._socket.close()


class Qmp:
    """qemu's control protocol: one command, one answer (qemu's docs/interop/qmp-spec)."""

    def __init__(self, path: Path, alive: Callable[[], bool]) -> None:
        self._lines = LineSocket(path, alive, CONNECT_SECONDS)
        json.loads(self._lines.line(CONNECT_SECONDS))
        self("qmp_capabilities")

    def __call__(self, command: str, limit: float = 60, **arguments: object) -> Any:
        """Run a command; its return value.  Raises Failure with qemu's own words."""
        message: dict[str, object] = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        self._lines.send(json.dumps(message))
        while True:
            reply = json.loads(self._lines.line(limit))
            if "error" in reply:
                raise Failure(f"qemu: {command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]

    def wait_transfer(self, limit: float) -> None:
        """Wait until a saved state is written or read completely."""
        deadline = time.monotonic() + limit
        while True:
            info = self("query-migrate")
            if info.get("status") == "completed":
                return
            if info.get("status") in TRANSFER_ENDS:
                raise Failure(f"qemu: state transfer failed: {info.get('error-desc', '')}")
            if time.monotonic() > deadline:
                raise Failure("qemu: state transfer takes too long")
            time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Close the socket."""
        self._lines.close()
