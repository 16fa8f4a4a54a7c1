"""Inside a container, with every capability: frames past the kernel's own ideas, to its router.

In: argv: pairs of a target and what to send there.  Out: "answered TARGET" for each target
whose SYN|ACK came, then "done".  Never: an end before the last target, to which a plain SYN is
allowed, has answered: what was sent before it has been dealt with by then.

| word | frame to TARGET, port 7000 |
|---|---|
| plain | TCP SYN |
| loopback | the same to port 7001 |
| published | the same from port 80, which the host publishes |
| finack, null | from port 80, flags that begin nothing |
| options | the SYN behind IPv4 options |
| fragment | the SYN in two fragments |
| hop | the SYN behind IPv6 hop-by-hop options |
| vlan | the SYN with a VLAN tag |
| udp, udp80 | a datagram, from an own port and from port 80 |
| mapped | the SYN in IPv6, to ::ffff:TARGET |
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
from pathlib import Path

SYN, FIN_ACK = 0x02, 0x11
SIOCGIFHWADDR = 0x8927


def sum16(data: bytes) -> int:
    """The checksum of RFC 1071."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def body(
    source: bytes, target: bytes, ports: tuple[int, int], flags: int | None
) -> tuple[int, bytes]:
    """Protocol and TCP segment or UDP datagram (flags None)."""
    protocol = 17 if flags is None else 6
    if flags is None:
        data = struct.pack("!HHHH", *ports, 12, 0) + b"ping"
    else:
        data = struct.pack("!HHIIBBHHH", *ports, 1, 0, 0x50, flags, 65535, 0, 0)
    pseudo = source + target + struct.pack("!II", len(data), protocol)
    check = struct.pack("!H", sum16(pseudo + data) or 0xFFFF)
    at = 6 if flags is None else 16
    return protocol, data[:at] + check + data[at + 2 :]


def ipv4(source: bytes, target: bytes, what: tuple[int, bytes], options: bytes = b"") -> bytes:
    """A packet in one piece."""
    protocol, data = what
    size = 20 + len(options)
    head = struct.pack("!BBHHH", 0x40 | size // 4, 0, size + len(data), 7, 0)
    tail = source + target + options
    check = sum16(head + struct.pack("!BBH", 64, protocol, 0) + tail)
    return head + struct.pack("!BBH", 64, protocol, check) + tail + data


def fragments(packet: bytes) -> list[bytes]:
    """The same packet in two pieces of 8 and of more bytes."""
    pieces = []
    for begin, more, data in ((0, 0x2000, packet[20:28]), (1, 0, packet[28:])):
        head = packet[:2] + struct.pack("!HHH", 20 + len(data), 7, more | begin) + packet[8:10]
        check = struct.pack("!H", sum16(head + b"\0\0" + packet[12:20]))
        pieces.append(head + check + packet[12:20] + data)
    return pieces


def ipv6(source: bytes, target: bytes, what: tuple[int, bytes], hop: bool = False) -> bytes:
    """A packet, with hop-by-hop options or without."""
    protocol, data = what
    if hop:
        data, protocol = bytes([protocol, 0, 1, 4, 0, 0, 0, 0]) + data, 0
    return struct.pack("!IHBB", 0x60000000, len(data), protocol, 64) + source + target + data


def own_address(target: str) -> bytes:
    """The address of this container that belongs to the target's family."""
    six = ":" in target
    family = socket.AF_INET6 if six else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(("2001:db8:1::1" if six else "198.51.100.1", 9))
        return socket.inet_pton(family, probe.getsockname()[0])


def packets(word: str, target: str, port: int) -> tuple[int, list[bytes]]:
    """Type of Ethernet and packets of one word."""
    mapped = word == "mapped"
    six = ":" in target or mapped
    family = socket.AF_INET6 if six else socket.AF_INET
    to = socket.inet_pton(family, f"::ffff:{target}" if mapped else target)
    source = own_address("::" if six else target)
    if word in ("published", "finack", "null", "udp80"):
        port = 80
    flags = {"finack": FIN_ACK, "null": 0, "udp": None, "udp80": None}.get(word, SYN)
    what = body(source, to, (port, 7001 if word == "loopback" else 7000), flags)
    if six:
        return 0x86DD, [ipv6(source, to, what, word == "hop")]
    plain = ipv4(source, to, what, b"\x01" * 4 if word == "options" else b"")
    return 0x0800, fragments(plain) if word == "fragment" else [plain]


def default_route() -> tuple[str, bytes]:
    """The interface that leads to the world, and the router's address."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        name, target, gateway = line.split()[:3]
        if target == "00000000":
            return name, struct.pack("=I", int(gateway, 16))
    raise SystemExit("no route")


def router(link: socket.socket, own: bytes, address: bytes) -> bytes:
    """The hardware address of the router."""
    me = own_address("198.51.100.1")
    question = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + own + me + bytes(6)
    link.send(b"\xff" * 6 + own + b"\x08\x06" + question + address)
    while True:
        frame = link.recv(2048)
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2":
            return frame[22:28]


def answered(frame: bytes) -> str | None:
    """Who accepts a connection with this frame."""
    kind = frame[12:14]
    if kind == b"\x08\0" and frame[23] == 6 and frame[47] & 0x12 == 0x12:
        return socket.inet_ntoa(frame[26:30])
    if kind == b"\x86\xdd" and frame[20] == 6 and frame[67] & 0x12 == 0x12:
        return socket.inet_ntop(socket.AF_INET6, frame[22:38])
    return None


def main() -> None:
    """Send everything; listen until the last target has answered."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as link:
        name, gateway = default_route()
        link.bind((name, 3))
        link.settimeout(20)
        ask = struct.pack("256s", name.encode())
        own = fcntl.ioctl(link.fileno(), SIOCGIFHWADDR, ask)[18:24]
        head = router(link, own, gateway) + own
        for number, (target, word) in enumerate(
            zip(sys.argv[1::2], sys.argv[2::2], strict=True)
        ):
            kind, list_ = packets(word, target, 40000 + number)
            tag = struct.pack("!HH", 0x8100, 1) if word == "vlan" else b""
            for packet in list_:
                link.send(head + tag + struct.pack("!H", kind) + packet)
        while (who := answered(link.recv(70000))) != sys.argv[-2]:
            if who:
                print("answered", who)
        print("done")


if __name__ == "__main__":
    main()
