"""A machine of the test's own, and a world beyond it: run in fresh user, network and mount
namespaces.

In: argv[1], a directory for its files.  Out: two network namespaces, joined by a cable; the
servers below; "ready" on standard output.  Never: the real machine's network; an end before its
standard input ends.

| where | what |
|---|---|
| the machine: 203.0.113.2, 2001:db8::2 | its own addresses; port 7000 |
| its loopback: 127.0.0.1 port 7001 | TCP: what nobody inside a container may reach |
| its loopback: 127.0.0.53 port 53 | UDP: the names below, of corp.example |
| the world: 203.0.113.1, 2001:db8::1 | the router |
| the world: 198.51.100.1 and .2, 2001:db8:1::1 and ::2 | two places; port 7000 |
| the world: 198.51.100.1 ports 7002 and 53 | another service; the names |
| port 7003 of 203.0.113.2 and 198.51.100.1 | answers when all earlier calls are written down |
| argv[1]/seen | a line for each call: "tcp or udp ADDRESS PORT" |

Ports from 7000 on say the caller's address over TCP, and "pong" over UDP.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

MACHINE_LINKS = """
link set lo up
link add up0 type veth peer name up1
addr add 203.0.113.2/24 dev up0
-6 addr add 2001:db8::2/64 dev up0 nodad
link set up0 up
route add default via 203.0.113.1
-6 route add default via 2001:db8::1
"""
WORLD_LINKS = """
link set lo up
addr add 198.51.100.1/32 dev lo
addr add 198.51.100.2/32 dev lo
-6 addr add 2001:db8:1::1/128 dev lo nodad
-6 addr add 2001:db8:1::2/128 dev lo nodad
addr add 203.0.113.1/24 dev up1
-6 addr add 2001:db8::1/64 dev up1 nodad
link set up1 up
"""
DOMAIN = ".corp.example"
NAMES: dict[str, list[str]] = {
    "build": ["198.51.100.7"],
    "good": ["198.51.100.1", "2001:db8:1::1"],
    "moving": ["198.51.100.1"],
    "inward": ["198.51.100.1", "127.0.0.1"],
    "mother": ["203.0.113.2"],
    "metadata": ["169.254.169.254"],
    "six": ["::1"],
}
MOVED = ["198.51.100.2"]  # where the world has it: the answer that comes later
ALIASES = {"alias": "good"}
A, CNAME, AAAA = 1, 5, 28

Answer = Callable[[socket.socket], None]


def record(kind: int, data: bytes) -> bytes:
    """A resource record of the name that was asked for, which nobody may keep."""
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


def find(name: str, kind: int) -> list[bytes] | None:
    """The answers to a question; None: there is no such name."""
    label = name.removesuffix(DOMAIN)
    if label in ALIASES:
        target = ALIASES[label].encode()
        alias = bytes([len(target)]) + target + b"\xc0" + bytes([13 + len(label)])
        # Whose address it is stands in the answer before, behind its head.
        place = 12 + len(name) + 2 + 4 + 12
        more = find(ALIASES[label] + DOMAIN, kind) or []
        moved = [struct.pack("!H", 0xC000 | place) + answer[2:] for answer in more]
        return [record(CNAME, alias), *moved]
    if label not in NAMES or not name.endswith(DOMAIN):
        return None
    family = socket.AF_INET6 if kind == AAAA else socket.AF_INET
    found = [x for x in NAMES[label] if kind in (A, AAAA) and (":" in x) == (kind == AAAA)]
    return [record(kind, socket.inet_pton(family, x)) for x in found]


def answer_name(server: socket.socket) -> None:
    """A name server (RFC 1035, section 4)."""
    question, peer = server.recvfrom(512)
    at, labels = 12, []
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += question[at] + 1
    [kind] = struct.unpack("!H", question[at + 1 : at + 3])
    found = find(".".join(labels), kind)
    flags = 0x8583 if found is None else 0x8580
    head = struct.pack("!HHHHH", flags, 1, len(found or []), 0, 0)
    server.sendto(question[:2] + head + question[12 : at + 5] + b"".join(found or []), peer)


class Servers:
    """Everything that one of the two listens on, served in one thread."""

    def __init__(self, base: Path) -> None:
        self.seen = (base / "seen").open("a", buffering=1)
        self.answers: dict[socket.socket, Answer] = {}

    def greet(self, server: socket.socket) -> None:
        """Tell a caller its address."""
        self.seen.write("tcp {} {}\n".format(*server.getsockname()))
        connection, peer = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(peer[0].encode())

    def pong(self, server: socket.socket) -> None:
        """Answer a datagram."""
        self.seen.write("udp {} {}\n".format(*server.getsockname()))
        server.sendto(b"pong", server.recvfrom(512)[1])

    def serve_names(self, address: str) -> None:
        """One name server."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((address, 53))
        self.answers[server] = answer_name

    def serve_greeting(self, address: str, port: int) -> None:
        """One greeter, on TCP and UDP."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        datagrams.bind((address, port))
        self.answers[datagrams] = self.pong
        self.answers[socket.create_server((address, port), family=family)] = self.greet

    def run(self) -> None:
        """Say that all is there; serve, in the order of the list, until standard input ends."""
        print("ready", flush=True)
        while True:
            ready = select.select([sys.stdin, *self.answers], [], [])[0]
            if sys.stdin in ready:
                return
            for server, answer in self.answers.items():
                if server in ready:
                    answer(server)


def configure(lines: str) -> None:
    """Arguments of ip(8), a line each."""
    for line in lines.strip().splitlines():
        subprocess.run(["ip", *line.split()], check=True, timeout=30)


def serve(base: Path, names: str, greeters: Sequence[tuple[str, int]]) -> None:
    """The one that answers when all is written down comes last."""
    servers = Servers(base)
    servers.serve_names(names)
    for address, port in greeters:
        servers.serve_greeting(address, port)
    servers.run()


def be_world(base: Path) -> None:
    """The other side of the cable."""
    NAMES["moving"] = MOVED
    assert sys.stdin.readline() == "connected\n"
    configure(WORLD_LINKS)
    places = ("198.51.100.1", "198.51.100.2", "2001:db8:1::1", "2001:db8:1::2")
    ports = [*((place, 7000) for place in places), ("198.51.100.1", 7002)]
    serve(base, "198.51.100.1", [*ports, ("198.51.100.1", 7003)])


def be_machine(base: Path, world: subprocess.Popen[str]) -> None:
    """Make the machine and its cable, and wait for the world."""
    assert world.stdin is not None
    assert world.stdout is not None
    configure(MACHINE_LINKS)
    configure(f"link set up1 netns {world.pid}")
    world.stdin.write("connected\n")
    world.stdin.flush()
    assert world.stdout.readline() == "ready\n"
    resolv = base / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.53\nsearch corp.example\noptions ndots:1\n")
    subprocess.run(["mount", "--bind", str(resolv), "/etc/resolv.conf"], check=True, timeout=30)
    ports = [("203.0.113.2", 7000), ("2001:db8::2", 7000), ("127.0.0.1", 7001)]
    serve(base, "127.0.0.53", [*ports, ("203.0.113.2", 7003)])


def main() -> None:
    """Be one of the two; the world's input ends with the machine."""
    base = Path(sys.argv[1])
    if len(sys.argv) > 2:
        be_world(base)
        return
    command = ["unshare", "--net", "python3", __file__, str(base), "world"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as world:
        be_machine(base, world)


if __name__ == "__main__":
    main()
