"""pyrootless.images.transfer.pull: a scripted registry, the real store, the real unpacker."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from scripted_images import Said, ScriptedImages, digest_of, tar_of
from scripted_server import Request, ScriptedServer, head, reply

from pyrootless.errors import IntegrityError, RegistryError, StoreError, UsageError
from pyrootless.images import subordinate
from pyrootless.images.layers import ranges
from pyrootless.images.layers.channel import Channel, ChannelClosed
from pyrootless.images.layers.owners import range_key
from pyrootless.images.platforms import Platform
from pyrootless.images.reference import Reference, parse_reference
from pyrootless.images.registry.settings import Patience, RegistrySettings
from pyrootless.images.store import layers as store_layers
from pyrootless.images.store.disk import LayerWriter, Store, StoredImage, open_store
from pyrootless.images.subordinate import SubordinateIds
from pyrootless.images.transfer import pull

QUICK = Patience(
    connect_seconds=5, window_seconds=2, window_bytes=1, tries=3, pause_seconds=0.01
)
NOISE = bytes(itertools.islice(itertools.cycle(range(251)), 300_000))
BASE = {"etc/name": b"base\n", "usr/noise": NOISE}


class Heard:
    """A Progress that notes what it is told."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []
        self.bytes: dict[str, int] = {}
        self.done: dict[str, str] = {}
        self.owners: list[tuple[int, int]] = []

    def layer_started(self, digest: str, size: int) -> None:
        self.started.append((digest, size))

    def layer_advanced(self, digest: str, count: int) -> None:
        self.bytes[digest] = self.bytes.get(digest, 0) + count

    def owners_set(self, count: int, total: int) -> None:
        self.owners.append((count, total))

    def layer_done(self, digest: str, what: str) -> None:
        self.done[digest] = what


class Place:
    """One registry and one store."""

    def __init__(self, directory: Path, images: ScriptedImages, server: ScriptedServer) -> None:
        self.directory = directory
        self.images = images
        self.server = server
        self.heard = Heard()

    @property
    def store(self) -> Store:
        return open_store(str(self.directory))

    def reference(self, tail: str = ":1") -> Reference:
        return parse_reference(f"{self.server.host}/a/b{tail}")

    def pull(self, tail: str = ":1", platform: Platform | None = None) -> StoredImage:
        self.heard = Heard()
        return pull.pull_image(
            self.store,
            self.reference(tail),
            platform=platform or Platform("linux", "amd64", ""),
            progress=self.heard,
            settings=RegistrySettings(patience=QUICK),
        )

    def layers(self, tag: str = "1") -> list[str]:
        return [
            str(item["digest"]) for item in json.loads(self.images.manifests[tag][0])["layers"]
        ]

    def asked(self, digest: str) -> list[str]:
        """Range headers of the requests for a blob."""
        return [
            item.headers.get("range", "")
            for item in self.server.requests
            if item.target.endswith(digest)
        ]

    def leftovers(self) -> list[str]:
        tmp = self.directory / "tmp"
        return sorted(path.name for path in tmp.iterdir()) if tmp.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    images = ScriptedImages()
    images.add_image("1", [BASE, {"etc/name": b"top\n"}])
    with ScriptedServer(images) as server:
        yield Place(tmp_path / "store", images, server)


def test_an_image_arrives(place: Place) -> None:
    image = place.pull()
    base, top = place.layers()
    assert image.manifest.raw == place.images.manifests["1"][0]
    assert [item.canonical for item in image.references] == [f"{place.server.host}/a/b:1"]
    trees = [place.store.layers.tree(diff_id) for diff_id in image.config.diff_ids]
    assert (trees[0] / "usr/noise").read_bytes() == NOISE
    assert [(tree / "etc/name").read_bytes() for tree in trees] == [b"base\n", b"top\n"]
    assert place.store.blobs.read(base) == place.images.blobs[base]
    sizes = {digest: len(place.images.blobs[digest]) for digest in (base, top)}
    assert place.heard.started == list(sizes.items())
    assert place.heard.bytes == sizes
    assert place.heard.done == {base: pull.COMPLETE, top: pull.COMPLETE}
    assert place.leftovers() == []
    assert len(list((place.directory / "cache/seccomp").glob("*.bpf"))) == 1


def test_what_is_there_is_not_fetched(place: Place) -> None:
    place.pull()
    before = len(place.server.requests)
    place.pull()
    assert [item.target for item in place.server.requests[before:]] == [
        "/v2/",
        "/v2/a/b/manifests/1",
    ]
    assert set(place.heard.done.values()) == {pull.ALREADY}


def test_a_shared_layer_is_fetched_once(place: Place) -> None:
    place.images.add_image("2", [BASE, {"etc/name": b"other\n"}])
    place.pull(":1")
    place.pull(":2")
    base, other = place.layers("2")
    assert place.heard.done == {base: pull.ALREADY, other: pull.COMPLETE}
    assert place.asked(base) == [""]


def test_the_same_layer_twice_in_one_image(place: Place) -> None:
    place.images.add_image("2", [BASE, BASE])
    assert len(place.pull(":2").config.diff_ids) == 2
    assert place.asked(place.layers("2")[0]) == [""]


def test_a_blob_without_its_layer_is_unpacked(place: Place) -> None:
    base, top = place.layers()
    place.store.blobs.put(place.images.blobs[base])
    place.pull()
    assert place.heard.done == {base: pull.UNPACKED, top: pull.COMPLETE}
    assert place.asked(base) == []


def test_a_layer_without_its_blob_gets_it(place: Place) -> None:
    image = place.pull()
    base, top = place.layers()
    place.store.blobs.path(base).unlink()
    place.pull()
    assert place.heard.done == {base: pull.FETCHED, top: pull.ALREADY}
    assert place.store.blobs.has(base)
    assert image.config == place.pull().config


def test_a_damaged_blob_is_healed(place: Place) -> None:
    image = place.pull()
    base = place.layers()[0]
    for diff_id in image.config.diff_ids[:1]:
        place.store.layers.path(diff_id).rename(place.directory / "trash/old")
    path = place.store.blobs.path(base)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    place.pull()
    assert place.store.blobs.read(base) == place.images.blobs[base]
    assert place.heard.done[base] == pull.COMPLETE


def test_a_damaged_configuration_is_healed(place: Place) -> None:
    image = place.pull()
    path = place.store.blobs.path(image.manifest.config.digest)
    path.chmod(0o600)
    path.write_bytes(b"x" * path.stat().st_size)
    assert place.pull().config == image.config


def test_a_partial_blob_is_gone_on_with(place: Place) -> None:
    base = place.layers()[0]
    data = place.images.blobs[base]
    with place.store.blobs.writer(base, len(data)) as writer:
        writer.write(data[:100])
    place.pull()
    assert place.asked(base) == ["bytes=100-"]
    assert place.store.blobs.read(base) == data
    assert place.heard.bytes[base] == len(data)


# --- names and platforms ---------------------------------------------------------------------


def test_the_platform_is_chosen(place: Place) -> None:
    entries = [
        place.images.add_image("x", [{"a": b"amd64"}]),
        place.images.add_image("y", [{"a": b"arm64"}], architecture="arm64"),
    ]
    place.images.add_index("both", entries)
    image = place.pull(":both", Platform("linux", "arm64", ""))
    assert image.config.platform.architecture == "arm64"
    assert (place.store.layers.tree(image.config.diff_ids[0]) / "a").read_bytes() == b"arm64"
    with pytest.raises(UsageError, match="a/b:both: there is no image for linux/s390x"):
        place.pull(":both", Platform("linux", "s390x", ""))


def test_an_image_for_another_machine_alone(place: Place) -> None:
    place.images.add_image("arm", [{"a": b""}], architecture="arm64")
    with pytest.raises(UsageError, match="--platform linux/arm64"):
        place.pull(":arm")


def test_an_index_within_an_index(place: Place) -> None:
    inner = place.images.add_index("inner", [place.images.add_image("x", [{"a": b"x"}])])
    place.images.add_index("outer", [inner])
    assert place.pull(":outer").config.platform.architecture == "amd64"


def test_indexes_do_not_nest_for_ever(place: Place) -> None:
    entry = place.images.add_image("x", [{"a": b"x"}])
    for level in range(5):
        entry = place.images.add_index(f"i{level}", [entry])
    with pytest.raises(IntegrityError, match="more than 2 indexes in each other"):
        place.pull(":i4")


def test_a_digest_counts_more_than_a_tag(place: Place) -> None:
    digest = digest_of(place.images.manifests["1"][0])
    place.images.add_image("2", [{"a": b"2"}])
    image = place.pull(f":2@{digest}")
    assert image.manifest.digest == digest
    assert place.store.find(f"{place.server.host}/a/b@{digest}") is not None


def test_an_unknown_tag_names_the_near_ones(place: Place) -> None:
    for tag in ("trixie", "bookworm", "bookworm-slim"):
        place.images.add_image(tag, [{"a": b""}])
    with pytest.raises(RegistryError) as caught:
        place.pull(":bookwurm")
    assert caught.value.args[0].endswith('repository a/b: there is no tag "bookwurm"')
    assert re.findall('"(.*?)"', caught.value.remedy) == ["bookworm", "bookworm-slim"]


def test_an_unknown_repository(place: Place) -> None:
    unknown = parse_reference(f"{place.server.host}/no/such:1")
    with pytest.raises(
        RegistryError, match=r'(?s)repository no/such: there is no tag "1".*check'
    ):
        pull.pull_image(place.store, unknown, settings=RegistrySettings(patience=QUICK))


def test_an_unknown_digest(place: Place) -> None:
    with pytest.raises(RegistryError, match="there is no manifest sha256:0"):
        place.pull("@sha256:" + "0" * 64)


# --- what is wrong with an image -------------------------------------------------------------


def nothing_named(place: Place) -> bool:
    return place.store.find(place.reference().canonical) is None


def test_wrong_bytes_are_not_kept(place: Place) -> None:
    base = place.layers()[0]
    good = place.images.blobs[base]
    place.images.blobs[base] = good[:-1] + b"?"
    with pytest.raises(IntegrityError):
        place.pull()
    assert nothing_named(place)
    assert not place.store.blobs.has(base)
    assert not [name for name in place.leftovers() if name.startswith(("layer-", "blob-"))]
    place.images.blobs[base] = good
    assert place.pull().references


def test_a_blob_that_is_another(place: Place) -> None:
    base, top = place.layers()
    swapped = place.images.blobs[base][: len(place.images.blobs[top])]
    place.images.blobs[top] = swapped
    with pytest.raises(IntegrityError):
        place.pull()
    assert not place.store.blobs.has(top)


def test_content_that_the_configuration_denies(place: Place) -> None:
    """The blob is right by its own digest; what is in it is not what the image says."""
    place.images.add_image("2", [{"a": b"x"}], diff_ids=["sha256:" + "1" * 64])
    with pytest.raises(IntegrityError, match="sha256:1111"):
        place.pull(":2")
    assert place.store.layers.list_all() == []


def test_more_layers_than_diff_ids(place: Place) -> None:
    place.images.add_image("2", [{"a": b"x"}], diff_ids=[])
    with pytest.raises(IntegrityError, match="has 1 layers, its configuration 0"):
        place.pull(":2")


def test_a_layer_that_leaves_its_tree(place: Place) -> None:
    place.images.add_image("2", [{"../../evil": b"x"}])
    with pytest.raises(IntegrityError):
        place.pull(":2")
    assert not [path for path in place.directory.parent.rglob("evil")]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schemaVersion":1}',
        b'{"schemaVersion":2,"layers":[],"manifests":[]}',
    ],
)
def test_what_is_no_manifest(place: Place, document: bytes) -> None:
    place.images.manifests["2"] = (document, "application/vnd.oci.image.manifest.v1+json")
    with pytest.raises(IntegrityError):
        place.pull(":2")


def test_the_first_failure_is_told_and_ends_the_others(place: Place) -> None:
    """A refused layer must not wait for one that drips on."""
    base, top = place.layers()

    def before(request: Request) -> Said | None:
        if request.target.endswith(base):
            return slow(request, place.images.blobs[base])
        return reply(403) if request.target.endswith(top) else None

    place.images.before = before
    begin = time.monotonic()
    with pytest.raises(RegistryError, match="access denied"):
        place.pull()
    assert time.monotonic() - begin < 10
    assert nothing_named(place)


def slow(request: Request, data: bytes) -> Iterator[bytes]:
    yield head(200, f"Content-Length: {len(data)}")
    for at in range(len(data)):
        if request.server.stopped.wait(0.05):
            return
        yield data[at : at + 1]


# --- at once, and interrupted ----------------------------------------------------------------


def test_two_pulls_at_once_fetch_once(place: Place) -> None:
    together = threading.Barrier(2)

    def one() -> StoredImage:
        together.wait(timeout=20)
        return pull.pull_image(
            open_store(str(place.directory)),
            place.reference(),
            platform=Platform("linux", "amd64", ""),
            settings=RegistrySettings(patience=QUICK),
        )

    with ThreadPoolExecutor(2) as pool:
        images = [future.result(timeout=60) for future in [pool.submit(one), pool.submit(one)]]
    assert images[0].manifest == images[1].manifest
    assert {len(place.asked(digest)) for digest in place.layers()} == {1}
    assert place.leftovers() == []


def test_many_pulls_at_once_unpack_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that unpacks goes on when the others have the blob and want its layer too."""
    place.images.add_image("1", [BASE])
    pulls, began, waiting = 6, [], threading.Event()
    unpack, alone = pull.unpack_layer, store_layers.Layers.alone
    claims = itertools.count(1)

    def counted(*args: object, **named: object) -> str:
        began.append(args)
        assert waiting.wait(20)
        return unpack(*args, **named)  # type: ignore[arg-type]

    def claim(layers: store_layers.Layers, diff_id: str) -> AbstractContextManager[bool]:
        if next(claims) == pulls:
            waiting.set()
        return alone(layers, diff_id)

    monkeypatch.setattr(pull, "unpack_layer", counted)
    monkeypatch.setattr(store_layers.Layers, "alone", claim)

    def fetch(_: int) -> StoredImage:
        platform, settings = Platform("linux", "amd64", ""), RegistrySettings(patience=QUICK)
        store = open_store(str(place.directory))
        return pull.pull_image(store, place.reference(), platform=platform, settings=settings)

    with ThreadPoolExecutor(pulls) as pool:
        found = list(pool.map(fetch, range(pulls)))
    assert len(began) == 1
    assert len({image.id for image in found}) == 1
    assert place.asked(place.layers()[0]) == [""]
    assert place.leftovers() == []


def test_owners_are_set_by_the_pull(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By one process for all layers, so that the first start does not wait for them."""
    ids = SubordinateIds(((100000, 65536),), ((100000, 65536),))
    monkeypatch.setattr(subordinate, "subordinate_ids", lambda: ids)
    calls, helper = tmp_path / "calls", tmp_path / "launcher"
    helper.write_text(f"""#!/bin/sh
        echo "$1 $2 $3 $4" >> {calls}; shift 8; echo "$1 $(($# - 2))" >> {calls}; shift 2
        for layer in "$@"; do mkdir $layer/range-{range_key(ids.uids, ids.gids)}; echo; done
        """)
    helper.chmod(0o755)
    monkeypatch.setattr(ranges, "find_launcher", lambda: helper)
    unpack = pull.unpack_layer

    def owned(chunks: Iterable[bytes], writer: LayerWriter, *args: str, **named: str) -> str:
        (writer.directory / "owners").write_text("7 7 etc/name\n")
        return unpack(chunks, writer, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(pull, "unpack_layer", owned)
    place.pull()
    key = range_key(ids.uids, ids.gids)
    assert calls.read_text() == f"unshare --map range --\n{place.directory} 2\n"
    assert len(list((place.directory / "layers").glob(f"*/range-{key}"))) == 2
    assert place.heard.owners[0] == (0, 2)
    assert place.heard.owners[-1] == (2, 2)
    place.pull()
    assert calls.read_text().count("unshare") == 1


def test_an_interrupted_pull_leaves_what_can_be_gone_on_with(place: Place) -> None:
    base = place.layers()[0]
    data = place.images.blobs[base]

    def half(request: Request) -> Said | None:
        if not request.target.endswith(base):
            return None
        begin = [head(200, f"Content-Length: {len(data)}"), data[:500]]
        return itertools.chain(begin, hang(request))

    class Impatient(Heard):
        def layer_advanced(self, digest: str, count: int) -> None:
            super().layer_advanced(digest, count)
            if self.bytes.get(base, 0) >= 500:
                raise KeyboardInterrupt

    place.images.before = half
    with pytest.raises(KeyboardInterrupt):
        pull.pull_image(
            place.store,
            place.reference(),
            platform=Platform("linux", "amd64", ""),
            progress=Impatient(),
            settings=RegistrySettings(patience=QUICK),
        )
    assert place.leftovers() == [f"partial-{base.removeprefix('sha256:')}"]
    place.images.before = lambda _: None
    place.pull()
    assert place.asked(base)[-1] == "bytes=500-"


def hang(request: Request) -> Iterator[bytes]:
    request.server.stopped.wait(20)
    yield b""


def test_a_store_that_cannot_be_written(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(chunks: object, *_: object, **__: object) -> str:
        raise StoreError("cannot write the layer: No space left on device")

    monkeypatch.setattr(pull, "unpack_layer", full)
    with pytest.raises(StoreError, match="No space left"):
        place.pull()
    assert nothing_named(place)


# --- the channel -----------------------------------------------------------------------------


def test_channel_hands_on_in_order() -> None:
    channel = Channel(limit_bytes=10)
    sent = [bytes([n]) * 7 for n in range(50)]
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(list, channel)
        for chunk in sent:
            channel.put(chunk)
        channel.end()
        assert received.result(timeout=20) == sent


def test_channel_hands_on_a_failure_after_the_bytes() -> None:
    channel = Channel()
    channel.put(b"x")
    channel.end(OSError("broke"))
    stream = iter(channel)
    assert next(stream) == b"x"
    with pytest.raises(OSError, match="broke"):
        next(stream)


def test_channel_lets_the_writer_go() -> None:
    channel = Channel(limit_bytes=1)
    channel.put(b"x")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(channel.put, b"y")
        channel.close()
        with pytest.raises(ChannelClosed):
            waiting.result(timeout=20)


def test_tar_of_is_what_the_store_unpacks() -> None:
    """The images of this file are real ones."""
    assert tar_of({"a": b"x"})[257:262] == b"ustar"


@pytest.mark.parametrize(
    ("path", "suite"),
    [
        ("library/debian:trixie", "debian:trixie"),
        ("library/debian:bookworm-slim", "debian:bookworm"),
        ("library/debian:13", "debian"),
        ("library/debian:latest", "debian"),
        ("library/python:3", "debian"),
    ],
)
def test_out_of_reach_names_what_needs_no_registry(
    tmp_path: Path, path: str, suite: str
) -> None:
    with ScriptedServer(ScriptedImages()) as server:
        gone = server.host
    settings = RegistrySettings(patience=QUICK)
    reference = parse_reference(f"{gone}/{path}")
    with pytest.raises(RegistryError, match="cannot be reached") as lost:
        pull.pull_image(open_store(str(tmp_path)), reference, settings=settings)
    assert lost.value.remedy.endswith(f"from Debian's mirrors: pyrootless bootstrap {suite}")
