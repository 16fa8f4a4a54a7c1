"""pyrootless.images.template.image: a stored image → its launch template."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from images.stored import BASE, HOST, make_image, make_store

from pyrootless.errors import HostUnsupportedError, IntegrityError, StoreError
from pyrootless.images import subordinate
from pyrootless.images.config import Healthcheck, ImageConfig
from pyrootless.images.layers import ranges
from pyrootless.images.layers.owners import owners_layer, range_key
from pyrootless.images.platforms import Platform, host_platform
from pyrootless.images.store import layers as store_layers
from pyrootless.images.store.disk import Store, StoredImage
from pyrootless.images.subordinate import SubordinateIds
from pyrootless.images.template.image import check_platform, lower_trees, write_template

FULL = ImageConfig(
    raw=b"", platform=HOST, env=("A=1",), entrypoint=("/init",), cmd=("a", "b"),
    working_dir="/srv/app", user="www", exposed_ports=("80/tcp", "53/udp"),
    labels={"b": "2", "a": "1"}, stop_signal="SIGQUIT", created="2024-02-03T04:05:06Z",
    healthcheck=Healthcheck(("CMD", "/check", "a b"), interval_ns=5_000_000_000, retries=2),
)  # fmt: skip
IDS = SubordinateIds(((100000, 65536),), ((200000, 65536),))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture(autouse=True)
def ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ids whoever runs the tests."""
    monkeypatch.setattr(subordinate, "subordinate_ids", lambda: IDS)


def load(store: Store, image: StoredImage) -> dict[str, Any]:
    directory = write_template(store, image)
    found: dict[str, Any] = json.loads((directory / "config.json").read_bytes())
    return found


def notes(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    start = f"io.pyrootless.{prefix}"
    return {
        key.removeprefix(start): value
        for key, value in config["annotations"].items()
        if key.startswith(start)
    }


def test_everything_an_image_says(store: Store) -> None:
    config = load(store, make_image(store, "full:1", config=FULL))
    process = config["process"]
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert process["env"] == ["A=1", path, "HOME=/srv"]
    assert process["args"] == ["/init", "a", "b"]
    assert process["cwd"] == "/srv/app"
    assert process["user"] == {"uid": 33, "gid": 33, "umask": 0o022}
    assert notes(config, "image.") == {
        "entrypoint": '["/init"]', "cmd": '["a", "b"]', "ports": "53/udp\n80/tcp",
    }  # fmt: skip
    assert notes(config, "label.") == {"a": "1", "b": "2"}
    assert notes(config, "health.") == {
        "test": '["CMD", "/check", "a b"]', "interval-ns": "5000000000", "retries": "2",
    }  # fmt: skip
    assert notes(config)["stop-signal"] == "3"
    assert notes(config)["fake-root"] == "remember"
    assert notes(config, "ids.") == {"uids": "100000 65536", "gids": "200000 65536"}
    assert Path(notes(config)["seccomp.program"]).is_file()


def test_layers_are_lasting_before_a_template_names_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = make_image(store, "fresh:1", config=FULL)
    template = store.image_directory(image.manifest.digest) / "config.json"
    marks = store.directories.layers
    seen = []

    def flush(_: Path) -> None:
        seen.append((template.exists(), len(list(marks.glob("*/unflushed")))))

    monkeypatch.setattr(store_layers, "flush_file_system", flush)
    write_template(store, image)
    assert seen == [(False, 1)]
    assert (template.exists(), list(marks.glob("*/unflushed"))) == (True, [])


def test_an_image_that_says_nothing(store: Store) -> None:
    image = make_image(store, "bare:1", [{"x": b""}], ImageConfig(b"", HOST))
    config = load(store, image)
    assert config["process"]["args"] == []
    assert config["process"]["cwd"] == "/"
    assert config["process"]["user"]["uid"] == 0
    assert config["process"]["env"][1:] == ["HOME=/"]
    assert notes(config)["image"] == image.id


def test_layers_lie_top_most_first(store: Store) -> None:
    image = make_image(store, "l:1", [{"a": b"1"}, {"b": b"2"}, {"a": b"1"}])
    trees = lower_trees(store, image)
    assert [sorted(os.listdir(tree)) for tree in trees] == [
        ["a"],
        ["b"],
    ]
    config = load(store, image)
    points, *below = notes(config)["rootfs.lower"].splitlines()
    assert below == [str(tree) for tree in trees]
    assert re.fullmatch(rf"{trees[0].parent}/points-[0-9a-f]{{12}}", points)
    assert config["root"]["path"] == points


def test_two_hundred_layers(store: Store) -> None:
    image = make_image(store, "many:1", [{"f": b"%d" % n} for n in range(200)])
    assert len(notes(load(store, image))["rootfs.lower"].splitlines()) == 201


@pytest.mark.parametrize(
    ("layers", "above", "above_owners"), [(498, 1, 1), (499, 1, 0), (500, 0, 0)]
)
def test_mount_points_never_are_one_layer_too_many(
    store: Store, monkeypatch: pytest.MonkeyPatch, layers: int, above: int, above_owners: int
) -> None:
    """One layer has an owners layer."""
    image = make_image(store, "many:1", [{"f": b"%d" % n} for n in range(layers)])
    low = lower_trees(store, image)[-1].parent
    (low / "owners").write_text("33 33 run\n")
    owners_layer(low, range_key(IDS.uids, IDS.gids)).mkdir()
    found = notes(load(store, image))
    assert len(found["rootfs.lower"].splitlines()) == layers + above
    assert len(found["rootfs.lower.range"].splitlines()) == layers + 1 + above_owners


def test_an_image_without_layers(store: Store) -> None:
    image = make_image(store, "scratch:1", [])
    lower = Path(notes(load(store, image))["rootfs.lower"])
    assert lower == store.image_directory(image.manifest.digest) / "empty"
    assert list(lower.iterdir()) == []


def test_a_user_the_image_lacks_is_left_to_the_launcher(store: Store) -> None:
    config = load(store, make_image(store, "u:1", config=replace(FULL, user="bob:x")))
    assert notes(config, "image.")["user"] == "bob:x"
    assert config["process"]["user"]["uid"] == 0


def test_owners_layers_are_made_and_lie_above_their_trees(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = make_image(store, "o:1", [BASE, {"mine": b""}])
    top, low = lower_trees(store, image)
    (low.parent / "owners").write_text("33 33 run\n")
    made = owners_layer(low.parent, range_key(IDS.uids, IDS.gids))
    helper = tmp_path / "launcher"
    helper.write_text(
        f'#!/bin/sh\n[ "$1 $2 $3 $4" = "unshare --map range --" ] && mkdir {made}\n'
    )
    helper.chmod(0o755)
    monkeypatch.setattr(ranges, "find_launcher", lambda: helper)
    lower = notes(load(store, image))["rootfs.lower.range"]
    points = notes(load(store, image))["rootfs.lower"].splitlines()[0]
    assert lower.splitlines() == [points, str(top), str(made), str(low)]
    helper.write_text("#!/bin/sh\nexit 9\n")  # not asked again
    assert notes(load(store, image))["rootfs.lower.range"] == lower


def test_without_a_map_of_many_ids_the_template_offers_none(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = make_image(store, "o:1")
    (lower_trees(store, image)[0].parent / "owners").write_text("33 33 run\n")
    helper = tmp_path / "launcher"
    helper.write_text("#!/bin/sh\necho no newuidmap >&2; exit 125\n")
    helper.chmod(0o755)
    monkeypatch.setattr(ranges, "find_launcher", lambda: helper)
    config = load(store, image)
    assert notes(config, "ids.") == {}
    assert "rootfs.lower.range" not in notes(config)
    assert "cannot be set: no newuidmap" in notes(config)["rootfs.lower.unfit"]
    assert "/usr/bin/newuidmap" in notes(config)["template.sources"]


def test_equal_inputs_give_equal_bytes(store: Store, tmp_path: Path) -> None:
    image = make_image(store, "full:1", config=FULL)
    path = write_template(store, image) / "config.json"
    first, inode = path.read_bytes(), path.stat().st_ino
    make_image(store, "other:name", config=FULL)
    write_template(store, image)
    assert path.stat().st_ino == inode
    path.write_bytes(b"{}")
    write_template(store, image)
    assert path.read_bytes() == first
    assert list(store.directories.temporary.iterdir()) == []


def test_sources_are_what_the_launcher_will_stat(store: Store) -> None:
    config = load(store, make_image(store, "full:1", config=FULL))
    lines = notes(config)["template.sources"].splitlines()
    facts = {line.split(" ", 2)[2]: line.split(" ", 2)[:2] for line in lines}
    program = Path(notes(config)["seccomp.program"]).stat()
    assert facts[notes(config)["seccomp.program"]] == [
        str(program.st_mtime_ns), str(program.st_ino),
    ]  # fmt: skip
    assert {"/etc/subuid", "/etc/subgid"} <= set(facts)


def test_lost_layers_are_unpacked_again(store: Store) -> None:
    image = make_image(store, "base:1")
    shutil.rmtree(store.layers.path(image.config.diff_ids[0]))
    config = load(store, image)
    _, lower = notes(config)["rootfs.lower"].splitlines()
    assert (Path(lower) / "run").read_bytes() == b"#!"


def test_a_lost_blob_is_an_error_that_says_what_heals(store: Store) -> None:
    image = make_image(store, "base:1")
    shutil.rmtree(store.layers.path(image.config.diff_ids[0]))
    store.blobs.path(image.manifest.layers[0].digest).unlink()
    with pytest.raises(IntegrityError, match=r"missing from the store[^$]*pyrootless pull"):
        write_template(store, image)


@pytest.mark.parametrize("at", [0, 5, -1])
def test_a_damaged_blob_of_a_lost_layer_is_named(store: Store, at: int) -> None:
    """Whatever its bytes look like to the unpacker; the next pull fetches it anew."""
    image = make_image(store, "base")
    layer, diff_id = image.manifest.layers[0].digest, image.config.diff_ids[0]
    store.layers.path(diff_id).rename(store.directories.temporary / "lost")
    path = store.blobs.path(layer)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    with pytest.raises(
        IntegrityError, match=f"blob {layer} in the store is corrupted"
    ) as caught:
        write_template(store, image)
    assert "pyrootless pull" in caught.value.remedy
    assert not store.blobs.has(layer)


@pytest.mark.parametrize(
    "config",
    [replace(FULL, stop_signal="SIGNOPE"), replace(FULL, working_dir="/a/../b")],
)
def test_configurations_without_meaning(store: Store, config: ImageConfig) -> None:
    with pytest.raises(IntegrityError):
        write_template(store, make_image(store, "bad:1", config=config))


def test_a_template_the_launcher_could_not_read_is_refused(store: Store) -> None:
    config = replace(FULL, user="", entrypoint=("a" * 2_100_000,))
    with pytest.raises(IntegrityError, match="at most 4194304 are allowed"):
        write_template(store, make_image(store, "long:1", config=config))


def test_a_line_break_in_the_path_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a\nb")
    with pytest.raises(StoreError, match="line break"):
        write_template(store, make_image(store, "base:1"))


def test_other_machines(tmp_path: Path) -> None:
    machine = host_platform()
    check_platform(replace(machine, variant=""), "x")
    other = "s390x"
    words = rf"the image x is for linux/{other}, and this machine is [^$]*--platform linux/"
    with pytest.raises(HostUnsupportedError, match=words):
        check_platform(Platform("linux", other), "x", tmp_path)
    with pytest.raises(HostUnsupportedError, match="is for windows/amd64"):
        check_platform(Platform("windows", "amd64"), "x", tmp_path)
    (tmp_path / "qemu-s390x").write_text("enabled\ninterpreter /usr/bin/qemu\nflags: F\n")
    check_platform(Platform("linux", other), "x", tmp_path)
    (tmp_path / "qemu-s390x").write_text("disabled\n")
    with pytest.raises(HostUnsupportedError):
        check_platform(Platform("linux", other), "x", tmp_path)
