"""Archives as tests need them: well-formed ones, and such as no tar program would write.

In: what a member should say.  Out: bytes of a plain tar.
Never: a check: what is asked for is written, be it nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping

BLOCK = 512
END = bytes(2 * BLOCK)
USTAR = b"ustar\x0000"
GNU = b"ustar  \x00"
V7 = bytes(8)


def octal(value: int, length: int) -> bytes:
    """A number field: octal digits and a NUL."""
    return b"%0*o\0" % (length - 1, value)


def binary(value: int, length: int) -> bytes:
    """A number field in base 256."""
    raw = bytearray(value.to_bytes(length, "big", signed=True))
    raw[0] = raw[0] & 0x7F | 0x80
    return bytes(raw)


def padded(body: bytes) -> bytes:
    """Up to the next block."""
    return body + bytes(-len(body) % BLOCK)


def header(
    name: bytes,
    kind: bytes = b"0",
    *,
    size: int | bytes = 0,
    link: bytes = b"",
    mode: int | bytes = 0o644,
    uid: int | bytes = 0,
    gid: int | bytes = 0,
    mtime: int | bytes = 0,
    device: tuple[int, int] = (0, 0),
    magic: bytes = USTAR,
    prefix: bytes = b"",
    patches: Mapping[int, bytes] | None = None,
    signed: bool = False,
) -> bytes:
    """One header block with a right checksum.

    Args:
        patches: Offset → bytes written over the block before the checksum is made.
        signed: Add up signed bytes, as some old programs did.
    """

    def number(value: int | bytes, length: int) -> bytes:
        return value.ljust(length, b"\0") if isinstance(value, bytes) else octal(value, length)

    block = bytearray(BLOCK)
    fields = {
        0: name[:100],
        100: number(mode, 8),
        108: number(uid, 8),
        116: number(gid, 8),
        124: number(size, 12),
        136: number(mtime, 12),
        156: kind,
        157: link[:100],
        257: magic,
        329: octal(device[0], 8),
        337: octal(device[1], 8),
        345: prefix,
        **(patches or {}),
    }
    for at, text in fields.items():
        block[at : at + len(text)] = text
    block[148:156] = b" " * 8
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % total
    return bytes(block)


def member(name: str | bytes, body: bytes = b"", kind: bytes = b"0", **fields: object) -> bytes:
    """A header and its body."""
    raw = name.encode() if isinstance(name, str) else name
    fields.setdefault("size", len(body))
    return header(raw, kind, **fields) + padded(body)  # type: ignore[arg-type]


def directory(name: str | bytes, mode: int = 0o755, **fields: object) -> bytes:
    """A directory's member."""
    return member(name, kind=b"5", mode=mode, **fields)


def symlink(name: str | bytes, target: str | bytes, **fields: object) -> bytes:
    """A symbolic link's member."""
    raw = target.encode() if isinstance(target, str) else target
    return member(name, kind=b"2", link=raw, mode=0o777, **fields)


def hardlink(name: str | bytes, target: str | bytes, **fields: object) -> bytes:
    """A hard link's member."""
    raw = target.encode() if isinstance(target, str) else target
    return member(name, kind=b"1", link=raw, **fields)


def record(key: str, value: str | bytes) -> bytes:
    """One record of an extended header."""
    raw = value.encode() if isinstance(value, str) else value
    text = b" " + key.encode() + b"=" + raw + b"\n"
    length = len(text)
    while len(str(length)) + len(text) != length:
        length = len(str(length)) + len(text)
    return str(length).encode() + text


def pax(records: Mapping[str, str | bytes], kind: bytes = b"x") -> bytes:
    """An extended header: kind b"x" for the next member, b"g" for all that follow."""
    return member("pax", b"".join(record(k, v) for k, v in records.items()), kind)


def longname(name: bytes, kind: bytes = b"L") -> bytes:
    """GNU's long name (b"L") or long link (b"K") of the next member."""
    return member("././@LongLink", name + b"\0", kind, magic=GNU)
