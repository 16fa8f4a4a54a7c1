"""A machine of the test's own: run inside fresh user, network and mount namespaces.

In: argv[1], a directory for its files.  Out: one interface with IPv4 and IPv6 and default
routes that lead nowhere; name servers and TCP servers below; "ready" on standard output.
Never: the real machine's network; an end before its standard input ends.

| where | what |
|---|---|
| 203.0.113.2, 2001:db8::2 | the machine's own addresses, on up0 |
| 198.51.100.1, 2001:db8:1::1 | "the internet": on lo, so that whoever goes out arrives |
| port 7000 of all | TCP: says the caller's address |
| 127.0.0.1 port 7001 | TCP: what nobody inside a container may reach |
| 127.0.0.53 and 198.51.100.1 port 53 | UDP: build.corp.example is 198.51.100.7 |
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

LINKS = """
link set lo up
link add up0 type veth peer name up1
link set up1 up
addr add 203.0.113.2/24 dev up0
-6 addr add 2001:db8::2/64 dev up0 nodad
addr add 198.51.100.1/32 dev lo
-6 addr add 2001:db8:1::1/128 dev lo nodad
link set up0 up
route add default via 203.0.113.1
-6 route add default via 2001:db8::1
"""
NAME = "build.corp.example"
ANSWER = socket.inet_aton("198.51.100.7")


def greet(server: socket.socket) -> None:
    """Tell every caller its address."""
    while True:
        connection, peer = server.accept()
        with connection:
            connection.sendall(peer[0].encode())


def answer(server: socket.socket) -> None:
    """A name server of one name (RFC 1035, section 4)."""
    while True:
        question, peer = server.recvfrom(512)
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += question[at] + 1
        [kind] = struct.unpack("!H", question[at + 1 : at + 3])
        known = ".".join(labels) == NAME
        found = known and kind == 1
        head = struct.pack("!HHHHH", 0x8580 if known else 0x8583, 1, int(found), 0, 0)
        reply = question[:2] + head + question[12 : at + 5]
        if found:
            reply += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + ANSWER
        server.sendto(reply, peer)


def serve_names(address: str) -> None:
    """One name server."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    threading.Thread(target=answer, args=(server,), daemon=True).start()


def serve_greeting(address: str, port: int) -> None:
    """One greeter."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, port), family=family)
    threading.Thread(target=greet, args=(server,), daemon=True).start()


def main() -> None:
    """Make the machine, serve until the test closes our standard input."""
    for line in LINKS.strip().splitlines():
        subprocess.run(["ip", *line.split()], check=True, timeout=30)
    resolv = Path(sys.argv[1]) / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.53\nsearch corp.example\noptions ndots:1\n")
    subprocess.run(["mount", "--bind", str(resolv), "/etc/resolv.conf"], check=True, timeout=30)
    for address in ("127.0.0.53", "198.51.100.1"):
        serve_names(address)
    for address in ("203.0.113.2", "198.51.100.1", "2001:db8::2", "2001:db8:1::1"):
        serve_greeting(address, 7000)
    serve_greeting("127.0.0.1", 7001)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
