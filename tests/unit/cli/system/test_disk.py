"""pyrootless.cli.system.disk and image: what they print, ask, and leave alone."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from image_fixture import diff_id_of, put_container, put_image

from pyrootless.cli import main as door
from pyrootless.engine import create_volume, list_volumes
from pyrootless.images.reference import parse_reference
from pyrootless.images.store.disk import Store, open_store
from pyrootless.units import format_decimal


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("PYROOTLESS_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return open_store()


def names(store: Store) -> list[str]:
    return [image.shown for image in store.images()]


def test_df_of_nothing(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["system", "df"]) == 0
    assert capsys.readouterr().out == (
        "TYPE                       TOTAL     ACTIVE    SIZE      RECLAIMABLE\n"
        "Images                     0         0         0B        0B\n"
        "Containers                 0         0         0B        0B\n"
        "Local Volumes              0         0         0B        0B\n"
        "Build Cache                0         0         0B        0B\n"
        "Unnamed layers and blobs   0         0         0B        0B\n"
        "Leftovers                  0         0         0B        0B\n"
        "Cache                      0         0         0B        0B\n"
    )
    assert not store.directories.data.exists()


def test_df(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    put_image(store, "a", "one")
    put_image(store, "b", "two")
    put_container(store, "c", "one")
    usage = store.usage().images
    assert door.main(["system", "df"]) == 0
    part = usage.reclaimable_bytes * 100 // usage.size_bytes
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:3] == ["Images", "2", "1"]
    assert line.endswith(f"({part}%)")
    assert door.main(["system", "df", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["images"] == {
        "total": 2, "active": 1, "size_bytes": usage.size_bytes,
        "reclaimable_bytes": usage.reclaimable_bytes,
    }  # fmt: skip


def test_df_of_each_thing(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Docker's four tables; "b" has a layer of "a"."""
    one = put_image(store, "a", "one")
    put_image(store, "b", "one", "two")
    put_container(store, "c", "one")
    create_volume(store.directories, "data")
    used = {item.image.shown: item for item in store.image_usage()}
    assert (used["a:latest"].containers, used["b:latest"].containers) == (1, 0)
    assert 0 < used["a:latest"].shared_bytes == used["b:latest"].shared_bytes
    assert door.main(["system", "df", "-v"]) == 0
    text = capsys.readouterr().out
    heads = [line for line in text.splitlines() if "usage:" in line]
    assert heads == [
        "Images space usage:", "Containers space usage:", "Local Volumes space usage:",
        "Build cache usage: 0B",
    ]  # fmt: skip
    rows = [line.split() for line in text.splitlines() if line]
    assert ["data", "0", "0B"] in rows
    assert next(row for row in rows if row[0] == "a")[-1] == "1"
    assert one.digest not in text
    assert door.main(["system", "df", "--format", "{{.Type}} {{.Active}}"]) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        "Images 1", "Containers 0", "Local Volumes 0", "Build Cache 0",
    ]  # fmt: skip


def test_filters_of_prune(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """What a filter does not mean stays."""
    put_image(store, "a", "one")
    store.untag(parse_reference("a"))
    for words in (["--filter=label=x"], ["--filter=until=0"]):
        assert door.main(["image", "prune", "-f", *words]) == 0
        assert capsys.readouterr().out == "Total reclaimed space: 0B\n"
    assert store.layers.has(diff_id_of("one"))
    for words, said in {
        ("image", "prune", "-f", "--filter=name=x"): "invalid filter 'name'",
        ("system", "prune", "-f", "--volumes", "--filter=until=1h"): "is not supported",
        ("container", "prune", "-f", "--filter=until=soon"): "invalid filter 'until=soon'",
        ("volume", "prune", "-f", "--filter=until=1h"): "invalid filter 'until'",
    }.items():
        assert door.main(list(words)) == 125
        assert said in capsys.readouterr().err
    assert door.main(["image", "prune", "-f", "--filter=until=1h", "--filter=label!=x"]) == 0
    assert not store.layers.has(diff_id_of("one"))


def test_volumes_of_a_prune(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that nobody named, and only when they are asked for."""
    store.directories.runtime.mkdir(mode=0o700)
    create_volume(store.directories, "named")
    loose = create_volume(store.directories)
    marked = create_volume(store.directories, labels={"keep": ""})
    assert door.main(["system", "prune", "-f"]) == 0
    assert len(list_volumes(store.directories)) == 3
    words = ["system", "prune", "-f", "--volumes", "--filter=label!=keep"]
    assert door.main(words) == 0
    assert f"Deleted Volumes:\n{loose.name}\n\n" in capsys.readouterr().out
    left = [volume.name for volume in list_volumes(store.directories)]
    assert left == sorted(["named", marked.name])


@pytest.mark.parametrize("words", [["image", "prune"], ["system", "prune", "-a"]])
def test_nothing_goes_without_a_yes(
    store: Store, words: list[str], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    put_image(store, "a", "one")
    store.untag(parse_reference("a"))
    assert door.main(words) == 125
    assert "remedy: say yes beforehand: --force" in capsys.readouterr().err
    terminal = io.StringIO("n\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", terminal)
    assert door.main(words) == 1
    assert capsys.readouterr().err.endswith("Are you sure you want to continue? [y/N] ")
    assert store.layers.has(diff_id_of("one"))


def test_a_yes(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = put_image(store, "a", "one")
    put_image(store, "b", "two")
    store.untag(parse_reference("a"))
    terminal = io.StringIO("y\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", terminal)
    size = format_decimal(store.collect(dry_run=True).bytes)
    assert door.main(["image", "prune"]) == 0
    assert capsys.readouterr().out == (
        f"Deleted Images:\nDeleted: {made.digest}\nDeleted: {diff_id_of('one')}\n\n"
        f"Total reclaimed space: {size}\n"
    )
    assert names(store) == ["b:latest"]


def test_a_dry_run(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    put_image(store, "a", "one")
    store.untag(parse_reference("a"))
    assert door.main(["image", "prune", "--dry-run"]) == 0
    assert f"Deleted: {diff_id_of('one')}\n" in capsys.readouterr().out
    assert store.layers.has(diff_id_of("one"))


def test_all_keeps_what_containers_use(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    put_image(store, "used", "one")
    gone = put_image(store, "unused", "two")
    store.tag(parse_reference("also"), gone.digest)
    put_container(store, "a", "one")
    assert door.main(["image", "prune", "-af"]) == 0
    assert capsys.readouterr().out.splitlines()[:5] == [
        "Deleted Images:", "Untagged: also:latest", "Untagged: unused:latest",
        f"Deleted: {gone.digest}", f"Deleted: {diff_id_of('two')}",
    ]  # fmt: skip
    assert names(store) == ["used:latest"]


def test_system_prune_removes_stopped_containers_too(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    put_image(store, "kept", "one")
    put_image(store, "gone", "two")
    place = put_container(store, "a", "two")
    store.directories.runtime.mkdir(mode=0o700)
    (store.directories.runtime / "running").mkdir()
    store.untag(parse_reference("gone"))
    assert door.main(["system", "prune", "--force"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Deleted Containers:\n{place.name}\n\nDeleted Images:\n")
    assert not place.exists()
    assert store.layers.list_all() == [diff_id_of("one")]
    assert names(store) == ["kept:latest"]


def test_what_cannot_be_removed_is_said(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyrootless.images.store import removal

    def refuse(_: object) -> None:
        raise PermissionError(1, os.strerror(1))

    put_image(store, "a", "one")
    store.untag(parse_reference("a"))
    monkeypatch.setattr(removal._Removal, "run", refuse)
    monkeypatch.setattr(removal, "find_launcher", lambda: Path("/bin/false"))
    assert door.main(["image", "prune", "-f"]) == 1
    printed = capsys.readouterr()
    assert "files of other ids" in printed.err
    assert "Total reclaimed space" in printed.out
    assert store.layers.list_all() == []


def test_a_verb_is_needed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("image", "system"):
        assert door.main([verb]) == 125
        assert "required: VERB" in capsys.readouterr().err
