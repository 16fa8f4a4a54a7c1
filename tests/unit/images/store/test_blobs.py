"""pyrootless.images.store.blobs: verified bytes, partial writes, two writers, damage."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from pyrootless.config import Directories
from pyrootless.errors import IntegrityError
from pyrootless.images.store.disk import Store

DATA = b"some bytes"
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
SHA512 = f"sha512:{hashlib.sha512(DATA).hexdigest()}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Directories(tmp_path / "data", tmp_path / "run"))


def temporaries(store: Store) -> list[str]:
    return sorted(path.name for path in store.directories.temporary.iterdir())


def test_put_and_read(store: Store) -> None:
    assert store.blobs.put(DATA) == DIGEST
    path = store.directories.data / "blobs/sha256" / DIGEST[7:]
    assert store.blobs.path(DIGEST) == path
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert store.blobs.has(DIGEST)
    assert store.blobs.has(DIGEST, len(DATA))
    assert not store.blobs.has(DIGEST, len(DATA) + 1)
    assert store.blobs.read(DIGEST) == DATA
    assert b"".join(store.blobs.stream(DIGEST)) == DATA
    assert temporaries(store) == []


def test_putting_again_changes_nothing(store: Store) -> None:
    store.blobs.put(DATA)
    inode = store.blobs.path(DIGEST).stat().st_ino
    store.blobs.put(DATA)
    assert store.blobs.path(DIGEST).stat().st_ino == inode


def test_reading_needs_no_store(store: Store) -> None:
    assert not store.blobs.has(DIGEST)
    with pytest.raises(IntegrityError, match=f"blob {DIGEST} is missing") as caught:
        store.blobs.read(DIGEST)
    assert caught.value.remedy == "fetch it again: pyrootless pull IMAGE"
    assert not store.directories.data.exists()


@pytest.mark.parametrize("digest", ["", "sha256:../../x", "md5:0", f"{DIGEST}/", "x" * 64])
def test_what_is_no_digest_is_no_path(store: Store, digest: str) -> None:
    with pytest.raises(IntegrityError, match="digest"):
        store.blobs.path(digest)
    with pytest.raises(IntegrityError, match="digest"):
        store.blobs.writer(digest, 1)


@pytest.mark.parametrize("digest", [DIGEST, SHA512])
def test_a_writer(store: Store, digest: str) -> None:
    with store.blobs.writer(digest, len(DATA)) as writer:
        assert (writer.offset, writer.done) == (0, False)
        writer.write(DATA[:4])
        writer.write(memoryview(DATA)[4:])
        assert writer.offset == len(DATA)
        assert not store.blobs.has(digest)
        writer.commit()
    assert store.blobs.read(digest) == DATA
    assert temporaries(store) == []


def test_an_empty_blob(store: Store) -> None:
    digest = f"sha256:{hashlib.sha256(b'').hexdigest()}"
    with store.blobs.writer(digest, 0) as writer:
        writer.commit()
    assert store.blobs.read(digest) == b""


def test_a_partial_is_gone_on_with(store: Store) -> None:
    with store.blobs.writer(DIGEST, len(DATA)) as writer:
        writer.write(DATA[:3])
    assert temporaries(store) == [f"partial-{DIGEST[7:]}"]
    with store.blobs.writer(DIGEST, len(DATA)) as writer:
        assert writer.offset == 3
        writer.write(DATA[3:])
    with store.blobs.writer(DIGEST, len(DATA)) as writer:
        assert writer.offset == len(DATA)
        writer.commit()
    assert store.blobs.read(DIGEST) == DATA
    assert temporaries(store) == []


def test_a_partial_that_is_too_long_begins_again(store: Store) -> None:
    store.blobs.put(b"")
    (store.directories.temporary / f"partial-{DIGEST[7:]}").write_bytes(b"x" * 99)
    with store.blobs.writer(DIGEST, len(DATA)) as writer:
        assert writer.offset == 0
        writer.write(DATA)
        writer.commit()
    assert store.blobs.read(DIGEST) == DATA


def test_discard_keeps_nothing(store: Store) -> None:
    with store.blobs.writer(DIGEST, len(DATA)) as writer:
        writer.write(DATA)
        writer.discard()
    assert temporaries(store) == []


def test_nothing_written_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.blobs.writer(DIGEST, len(DATA)):
        raise KeyboardInterrupt
    assert temporaries(store) == []


def test_too_short(store: Store) -> None:
    with pytest.raises(IntegrityError, match=f"{DIGEST} ended after 4 of 10 bytes"):
        with store.blobs.writer(DIGEST, len(DATA)) as writer:
            writer.write(DATA[:4])
            writer.commit()
    assert temporaries(store) == [f"partial-{DIGEST[7:]}"]
    assert not store.blobs.has(DIGEST)


def test_too_long(store: Store) -> None:
    with pytest.raises(IntegrityError, match="longer than the 10 bytes announced"):
        with store.blobs.writer(DIGEST, len(DATA)) as writer:
            writer.write(DATA)
            writer.write(b"!")
    assert temporaries(store) == []
    assert not store.blobs.has(DIGEST)


def test_other_bytes(store: Store) -> None:
    wrong = b"x" * len(DATA)
    with pytest.raises(IntegrityError, match=hashlib.sha256(wrong).hexdigest()):
        with store.blobs.writer(DIGEST, len(DATA)) as writer:
            writer.write(wrong)
            writer.commit()
    assert temporaries(store) == []
    assert not store.blobs.has(DIGEST)


def test_two_writers_at_once_both_succeed(store: Store) -> None:
    with store.blobs.writer(DIGEST, len(DATA)) as first:
        first.write(DATA[:2])
        with store.blobs.writer(DIGEST, len(DATA)) as second:
            assert second.offset == 0
            second.write(DATA)
            second.commit()
        assert store.blobs.read(DIGEST) == DATA
        first.write(DATA[2:])
        first.commit()
    assert store.blobs.read(DIGEST) == DATA
    assert temporaries(store) == []


def test_the_second_writer_s_rest_is_not_kept(store: Store) -> None:
    with store.blobs.writer(DIGEST, len(DATA)) as first:
        first.write(DATA[:2])
        with store.blobs.writer(DIGEST, len(DATA)) as second:
            second.write(DATA[:5])
        assert temporaries(store) == [f"partial-{DIGEST[7:]}"]


def test_waiting_for_the_other_writer(store: Store) -> None:
    seen: list[bool] = []

    def wait() -> None:
        with store.blobs.writer(DIGEST, len(DATA), wait=True) as writer:
            seen.append(writer.done)

    with store.blobs.writer(DIGEST, len(DATA)) as first:
        thread = threading.Thread(target=wait)
        thread.start()
        first.write(DATA)
        assert seen == []
        first.commit()
    thread.join(timeout=30)
    assert seen == [True]
    assert store.blobs.read(DIGEST) == DATA
    assert temporaries(store) == []


def test_an_opened_partial_that_was_swept_is_not_written_to(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is taken on a file that lost its name between open and flock."""
    store.blobs.put(b"")
    path = store.directories.temporary / f"partial-{DIGEST[7:]}"
    real = fcntl.flock
    calls: list[int] = []

    def flock(descriptor: int, operation: int) -> None:
        if not calls:
            path.unlink()
        calls.append(descriptor)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with store.blobs.writer(DIGEST, len(DATA)) as writer:
        writer.write(DATA)
        writer.commit()
    assert store.blobs.read(DIGEST) == DATA


def corrupt(store: Store) -> Path:
    path = store.blobs.path(DIGEST)
    path.chmod(0o600)
    path.write_bytes(b"some bytez")
    return path


def test_damage_is_named_and_healed(store: Store) -> None:
    store.blobs.put(DATA)
    path = corrupt(store)
    with pytest.raises(
        IntegrityError, match=f"blob {DIGEST} in the store is corrupted"
    ) as caught:
        store.blobs.read(DIGEST)
    assert "pyrootless pull IMAGE" in str(caught.value)
    assert not store.blobs.has(DIGEST)
    assert path.with_name(f"{path.name}.damaged").read_bytes() == b"some bytez"
    store.blobs.put(DATA)
    assert store.blobs.read(DIGEST) == DATA


def test_damage_shows_at_the_end_of_a_stream(store: Store) -> None:
    store.blobs.put(DATA)
    corrupt(store)
    with pytest.raises(IntegrityError, match="corrupted"):
        list(store.blobs.stream(DIGEST))


def test_verify(store: Store) -> None:
    assert not store.blobs.verify(DIGEST)
    store.blobs.put(DATA)
    assert store.blobs.verify(DIGEST)
    corrupt(store)
    assert not store.blobs.verify(DIGEST)
    assert not store.blobs.has(DIGEST)


@pytest.mark.parametrize("way", ["put", "writer"])
def test_writing_again_replaces_damage_that_nobody_read(store: Store, way: str) -> None:
    store.blobs.put(DATA)
    corrupt(store)
    if way == "put":
        store.blobs.put(DATA)
    else:
        with store.blobs.writer(DIGEST, len(DATA)) as writer:
            assert writer.done
            writer.write(DATA)
            writer.commit()
    assert store.blobs.read(DIGEST) == DATA


def test_a_blob_healed_while_it_was_read_stays(store: Store) -> None:
    store.blobs.put(DATA)
    corrupt(store)
    parts = store.blobs.stream(DIGEST)
    next(parts)
    store.blobs.put(DATA)
    with pytest.raises(IntegrityError, match="corrupted"):
        next(parts)
    assert store.blobs.read(DIGEST) == DATA


def test_a_small_read_of_a_large_blob(store: Store) -> None:
    store.blobs.put(DATA)
    with pytest.raises(IntegrityError, match="has 10 bytes; at most 9"):
        store.blobs.read(DIGEST, max_bytes=9)
    assert store.blobs.has(DIGEST)


def test_no_descriptor_is_left(store: Store) -> None:
    store.blobs.put(DATA)
    before = len(os.listdir("/proc/self/fd"))
    test_two_writers_at_once_both_succeed(store)
    store.blobs.read(DIGEST)
    assert len(os.listdir("/proc/self/fd")) == before
