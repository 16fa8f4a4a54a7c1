"""pyrootless.images.archive.tar: members of an archive, and archives that are refused."""

from __future__ import annotations

import io
import tarfile

import pytest
from images.tars import directory, entry, files, make_tar, symlink

from pyrootless.errors import IntegrityError
from pyrootless.images.archive import tar
from pyrootless.images.archive.tar import Member, clean_name, follow_links, read_members


def read(data: bytes, start: int = 0) -> dict[str, Member]:
    return read_members(io.BytesIO(data), start)


def content(data: bytes, name: str) -> bytes:
    member = follow_links(read(data), name)
    assert member is not None
    return data[member.offset : member.offset + member.size_bytes]


def test_files_directories_and_links() -> None:
    data = make_tar(
        directory("./"), directory("a/"), ("./a//b", b"x" * 513), ("empty", b""),
        symlink("a/up", "../empty"), entry("hard", tarfile.LNKTYPE, "a/b"),
    )  # fmt: skip
    found = read(data)
    assert {name: member.kind for name, member in found.items()} == {
        "a": "directory", "a/b": "file", "empty": "file", "a/up": "link", "hard": "link",
    }  # fmt: skip
    assert content(data, "a/b") == content(data, "hard") == b"x" * 513
    assert content(data, "a/up") == b""
    assert follow_links(found, "a") is None
    assert follow_links(found, "missing") is None


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_long_names(form: int) -> None:
    name = "/".join(["d" * 60] * (2 if form == tarfile.USTAR_FORMAT else 9)) + "/ü"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        header = tarfile.TarInfo(name)
        header.size = 3
        archive.addfile(header, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.LNKTYPE, name
        if form != tarfile.USTAR_FORMAT:
            archive.addfile(link)
    assert content(out.getvalue(), name) == b"abc"
    if form != tarfile.USTAR_FORMAT:
        assert content(out.getvalue(), "link") == b"abc"


def test_an_archive_may_begin_later() -> None:
    data = b"head" + files({"a": b"1"})
    member = read(data, 4)["a"]
    assert data[member.offset : member.offset + 1] == b"1"


def test_sizes_beyond_octal_digits() -> None:
    header = tarfile.TarInfo("big")
    header.size = 9 << 30
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with pytest.raises(IntegrityError, match="cut off in the middle"):
            read(header.tobuf(form) + bytes(1024))


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "a/..", ".."])
def test_names_that_lead_out(name: str) -> None:
    with pytest.raises(IntegrityError, match="leads out of the archive"):
        read(make_tar((name, b"")))
    with pytest.raises(IntegrityError, match="leads out of the archive"):
        clean_name(name)


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("l", tarfile.SYMTYPE, "/etc/shadow"),
        ("l", tarfile.SYMTYPE, ".."),
        ("a/l", tarfile.SYMTYPE, "../../x"),
        ("a/l", tarfile.LNKTYPE, "../x"),
        ("l", tarfile.LNKTYPE, "/x"),
        ("l", tarfile.SYMTYPE, ""),
    ],
)
def test_links_that_lead_out(name: str, kind: bytes, target: str) -> None:
    with pytest.raises(IntegrityError, match="leads out of the archive, to"):
        read(make_tar(entry(name, kind, target)))


def test_links_in_a_circle() -> None:
    members = read(make_tar(symlink("a", "b"), symlink("b", "a")))
    with pytest.raises(IntegrityError, match="circle"):
        follow_links(members, "a")


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"V"])
def test_kinds_that_no_image_has(kind: bytes) -> None:
    with pytest.raises(IntegrityError, match="neither file, directory nor link"):
        read(make_tar(entry("x", kind)))


def test_a_name_twice() -> None:
    with pytest.raises(IntegrityError, match="two members named 'a'"):
        read(make_tar(("a", b"1"), ("./a", b"2")))
    with pytest.raises(IntegrityError, match="two members named 'a'"):
        read(make_tar(("a", b"1"), directory("a")))
    assert list(read(make_tar(directory("a"), directory("a/")))) == ["a"]


def test_cut_off_anywhere() -> None:
    whole = make_tar(("a", b"x" * 700), ("b", b"y"))
    assert list(read(whole)) == ["a", "b"]
    for length in range(0, len(whole) - 1024, 100):
        with pytest.raises(IntegrityError):
            read(whole[:length])


def test_what_is_no_archive() -> None:
    for data in (b"", b"not a tar" * 100, b"\x7fELF" + bytes(600)):
        with pytest.raises(IntegrityError):
            read(data)


def test_a_changed_header() -> None:
    data = bytearray(files({"a": b"1", "b": b"2"}))
    data[1024] ^= 1
    with pytest.raises(IntegrityError, match="checksum"):
        read(bytes(data))


def pax(records: bytes) -> bytes:
    header = tarfile.TarInfo("pax")
    header.type, header.size = b"x", len(records)
    return header.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)


@pytest.mark.parametrize(
    "records",
    [b"x", b"5 a", b"99 path=a\n", b"0 path=a\n", b"-9 path=a\n", b"10 path=ab", b"8 path\n"],
)
def test_malformed_pax_headers(records: bytes) -> None:
    with pytest.raises(IntegrityError, match="malformed"):
        read(pax(records) + files({"a": b""}))


def test_headers_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that comes again is no new member, and what says more about one is none."""
    again = make_tar(*[directory("d")] * 31)
    more = pax(b"9 a=bcde\n") * 31 + files({"a": b""})
    monkeypatch.setattr(tar, "MAX_HEADERS", 30)
    for data in (again, more):
        with pytest.raises(IntegrityError, match="more headers than any archive"):
            read(data)
    monkeypatch.setattr(tar, "MAX_HEADERS", 32)
    assert (list(read(again)), list(read(more))) == (["d"], ["a"])
    monkeypatch.setattr(tar, "MAX_EXTENSIONS_BYTES", 31 * 9 - 1)
    with pytest.raises(IntegrityError, match="more headers than any archive"):
        read(more)


def test_many_pax_records() -> None:
    records = b"".join(b"%d k%05d=v\n" % (12, n) for n in range(5000))
    data = pax(records + b"10 path=b\n") + files({"a": b"1"})
    assert content(data, "b") == b"1"


def test_a_pax_size_that_is_no_number() -> None:
    with pytest.raises(IntegrityError, match="no number"):
        read(pax(b"11 size=-5\n") + files({"a": b""}))


def test_a_header_that_is_too_long() -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = b"x", 1 << 40
    with pytest.raises(IntegrityError):
        read(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    header.size = 70_000
    with pytest.raises(IntegrityError, match="too long"):
        read(header.tobuf(tarfile.USTAR_FORMAT) + bytes(80_000))
