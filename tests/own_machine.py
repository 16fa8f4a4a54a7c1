"""A machine of the test's own, seen from the test: what runs on it, and who serves there.

In: a running integration/network_machine.py.  Out: what programs on it, or in containers of it,
said.  Never: the real machine's network.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]
LIMIT_SECONDS = 60
RAW = Path(__file__).parent / "integration/raw_frames.py"
HELPERS = [
    pytest.param("pasta", marks=pytest.mark.needs("pasta")),
    pytest.param("slirp4netns", marks=pytest.mark.needs("slirp4netns")),
]

# What a server inside says to its callers: the address they come from.
SERVER = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
socks = []
for port in sys.argv[2:]:
    s = socket.socket(socket.AF_INET6, kind)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", int(port)))
    if kind == socket.SOCK_STREAM: s.listen()
    socks.append(s)
print("up", flush=True)
import select
while True:
    for s in select.select(socks, [], [])[0]:
        port = str(s.getsockname()[1])
        if kind == socket.SOCK_DGRAM:
            data, peer = s.recvfrom(100)
            s.sendto((port + " " + data.decode() + " " + peer[0]).encode(), peer)
        else:
            c, peer = s.accept()
            c.sendall((port + " " + peer[0]).encode())
            c.close()
"""

# For each "PROTOCOL HOST PORT" of WORDS a line: what came back, or why nothing did.
ASK = """
import socket
for word in WORDS:
    protocol, host, port = word.split()
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    try:
        family, _, _, _, address = socket.getaddrinfo(host, int(port), type=kind)[0]
        with socket.socket(family, kind) as s:
            s.settimeout(10)
            s.connect(address)
            if protocol == "udp": s.send(b"ping")
            print("yes" if s.recv(100) else "nothing", address[0])
    except OSError as error:
        print("no", type(error).__name__)
"""

CLIENT = """
import socket, sys
protocol, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
try:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
    with socket.socket(family, kind) as s:
        s.settimeout(10)
        s.connect(address)
        if protocol == "udp": s.send(b"ping")
        print(s.recv(100).decode())
except OSError as error:
    print("failed:", error)
"""


@dataclass(frozen=True)
class Machine:
    """The namespaces of a running network_machine.py, and a store of its own."""

    pid: int
    launcher: Path
    base: Path

    @property
    def environment(self) -> dict[str, str]:
        """What every command gets."""
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.base),
            "PYROOTLESS_ROOT": str(self.base / "store"),
            "XDG_RUNTIME_DIR": str(self.base / "run"),
            "PYROOTLESS_HOLDER_IDLE": "0",
        }

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` on this machine."""
        flags = ["--preserve-credentials", "--user", "--net", "--mount", f"--target={self.pid}"]
        return ["nsenter", *flags, "--", *argv]

    def call(self, *argv: str) -> Done:
        """Run a program of this machine to its end."""
        return subprocess.run(
            self.enter(argv),
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=LIMIT_SECONDS,
            check=False,
        )

    def run(self, *arguments: str) -> Done:
        """`pyrootless run --rm …`."""
        return self.call(str(self.launcher), "run", "--rm", *arguments)

    def ask(self, protocol: str, host: str, port: int) -> str:
        """What a server answers to a client on this machine."""
        return self.call("python3", "-c", CLIENT, protocol, host, str(port)).stdout.strip()


Serve = Callable[..., "subprocess.Popen[str]"]


def calls(machine: Machine) -> list[str]:
    """Whom anybody has called until now, these two questions left out."""
    for address in ("203.0.113.2", "198.51.100.1"):
        assert machine.ask("tcp", address, 7003) == "203.0.113.2"
    lines = (machine.base / "seen").read_text().splitlines()
    return [line for line in lines if not line.endswith(" 7003")]


def asked(*words: str) -> str:
    """A program for Python that asks these servers ("tcp 192.0.2.1 80")."""
    return f"WORDS = {words!r}\n{ASK}"
