"""The verbs of images: images, rmi, inspect, history, tag, load, save, import."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from images.stored import BASE, make_image, make_store
from images.tars import files

from pyrootless.cli import main as door
from pyrootless.images.store.disk import Store

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    store = make_store(tmp_path)
    monkeypatch.setenv("PYROOTLESS_ROOT", str(store.directories.data))
    return store


def call(capsys: Capture, *words: str, code: int = 0) -> str:
    """Standard output of a command line that ends with this code."""
    assert door.main(list(words)) == code, capsys.readouterr().err
    return capsys.readouterr().out


def test_images(store: Store, capsys: Capture) -> None:
    image = make_image(store, "base:1")
    make_image(store, "quay.io/a/b:2", [{"b": b"12345"}])
    lines = call(capsys, "images").splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert lines[1].split()[:3] == ["base", "1", image.id[7:19]]
    assert lines[2].split()[0] == "quay.io/a/b" and lines[2].endswith("5B")
    assert call(capsys, "images", "-q").splitlines()[0] == image.id[7:19]
    assert call(capsys, "images", "-q", "--no-trunc").splitlines()[0] == image.id
    assert image.manifest.digest in call(capsys, "images", "--digests")
    found = json.loads(call(capsys, "images", "--json", "quay.io/a/b"))
    assert [(item["repository"], item["tag"], item["size_bytes"]) for item in found] == [
        ("quay.io/a/b", "2", 5)
    ]
    assert len(call(capsys, "images", "base:2").splitlines()) == 1


def test_an_image_without_a_name(store: Store, capsys: Capture) -> None:
    image = make_image(store, "")
    assert call(capsys, "images").splitlines()[1].split()[:3] == [
        "<none>", "<none>", image.id[7:19],
    ]  # fmt: skip
    call(capsys, "tag", image.id[7:19], "named:1")
    rows = [line.split()[0] for line in call(capsys, "images").splitlines()[1:]]
    assert rows == ["named", "host"]


def test_host_is_listed_for_people_and_not_for_scripts(store: Store, capsys: Capture) -> None:
    """`rmi $(images -q)` must not meet what cannot be removed."""
    row = ["host", "<built-in>", "<none>", "-", "0B"]
    assert call(capsys, "images").splitlines()[1].split() == row
    assert call(capsys, "images", "host").splitlines()[1].split() == row
    digests = call(capsys, "images", "--digests").splitlines()[1].split()
    assert digests == [*row[:2], "<none>", *row[2:]]
    assert len(call(capsys, "images", "other").splitlines()) == 1
    assert call(capsys, "images", "-q") == ""
    assert json.loads(call(capsys, "images", "--json")) == []


def test_tag_and_rmi(store: Store, capsys: Capture) -> None:
    image = make_image(store, "base:1")
    call(capsys, "tag", "base:1", "other:2")
    assert call(capsys, "rmi", "base:1") == "Untagged: base:1\n"
    assert call(capsys, "rmi", "other:2").startswith("Untagged: other:2\nDeleted: ")
    assert store.find(image.id) is None
    assert door.main(["rmi", "gone:1"]) == 1
    assert 'there is no image "gone:1"' in capsys.readouterr().err
    assert door.main(["tag", "gone:1", "x"]) == 125
    assert door.main(["tag", "gone:1", "UPPER"]) == 125


def test_inspect(store: Store, capsys: Capture) -> None:
    image = make_image(store, "base:1")
    (found,) = json.loads(call(capsys, "inspect", "base:1"))
    assert (found["Id"], found["RepoTags"]) == (image.id, ["base:1"])
    assert found["RepoDigests"] == [f"docker.io/library/base@{image.manifest.digest}"]
    assert found["Config"] == {"Cmd": ["/run"]}
    assert found["RootFS"]["Layers"] == list(image.config.diff_ids)
    assert json.loads(call(capsys, "inspect", "gone", "base:1", code=1))[0]["Id"] == image.id
    assert json.loads(call(capsys, "inspect", "--type", "container", "base:1", code=1)) == []


def test_inspect_of_a_container(store: Store, capsys: Capture) -> None:
    directory = store.directories.data / "containers" / ("a" * 64)
    directory.mkdir(parents=True)
    notes = {"io.pyrootless.name": "web", "io.pyrootless.image": "base:1",
             "io.pyrootless.label.k": "v"}  # fmt: skip
    config: dict[str, Any] = {
        "process": {"args": ["sleep", "9"], "env": ["A=1"], "cwd": "/x",
                    "user": {"uid": 3, "gid": 4}},
        "mounts": [{"destination": "/data", "type": "bind", "source": "/s",
                    "options": ["rbind", "ro"]}],
        "annotations": notes | {"io.pyrootless.lent": "/data"},
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "status.json").write_text('{"ended_by":"signal","signal":9}')
    (store.directories.data / "names").mkdir()
    (store.directories.data / "names/web").symlink_to(f"../containers/{directory.name}")
    (found,) = json.loads(call(capsys, "inspect", "web"))
    assert (found["Id"], found["Name"], found["Path"], found["Args"]) == (
        "a" * 64, "/web", "sleep", ["9"],
    )  # fmt: skip
    assert (found["State"]["Status"], found["State"]["ExitCode"]) == ("exited", 137)
    assert found["Config"]["Labels"] == {"k": "v"}
    assert (found["Config"]["User"], found["Config"]["WorkingDir"]) == ("3:4", "/x")
    assert found["Mounts"] == [
        {
            "Type": "bind",
            "Source": "/s",
            "Destination": "/data",
            "Mode": "ro",
            "RW": False,
            "Propagation": "rprivate",
        }
    ]


def test_history(store: Store, capsys: Capture) -> None:
    image = make_image(store, "base:1", [BASE, {"top": b"123"}])
    lines = call(capsys, "history", "base:1").splitlines()
    assert lines[0].split() == ["LAYER", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert lines[1].split() == [image.config.diff_ids[1][7:19], "unknown", "step", "1", "3B"]
    found = json.loads(call(capsys, "history", "--json", "base:1"))
    assert [step["created_by"] for step in found] == ["step 1", "step 0"]
    assert call(capsys, "history", "-q", "--no-trunc", "base:1").splitlines() == list(
        reversed(image.config.diff_ids)
    )


def test_save_and_load(store: Store, capsys: Capture, tmp_path: Path) -> None:
    image = make_image(store, "base:1")
    archive = tmp_path / "archive.tar"
    for form in ("docker-archive", "oci-archive"):
        call(capsys, "save", "--format", form, "-o", str(archive), "base:1")
        call(capsys, "rmi", "base:1")
        assert call(capsys, "load", "-i", str(archive)) == "Loaded image: base:1\n"
    call(capsys, "save", "-o", str(archive), image.id)
    call(capsys, "rmi", "base:1")
    assert call(capsys, "load", "-i", str(archive)) == f"Loaded image ID: {image.id}\n"
    call(capsys, "save", "--format", "oci-dir", "-o", str(tmp_path / "layout"), image.id)
    assert (tmp_path / "layout/index.json").is_file()


def test_failed_saves_leave_no_file(store: Store, capsys: Capture, tmp_path: Path) -> None:
    make_image(store, "base:1")
    target = tmp_path / "archive.tar"
    target.write_bytes(b"before")
    assert door.main(["save", "-o", str(target), "base:1", "gone:1"]) == 125
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir() if "archive" in path.name] == [
        "archive.tar"
    ]
    assert door.main(["save", "-o", str(tmp_path / "gone/x.tar"), "base:1"]) == 125
    assert "choose another file" in capsys.readouterr().err
    assert door.main(["save", "--format", "oci-dir", "base:1"]) == 125


def test_terminals_get_no_archive(
    store: Store, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image(store, "base:1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert door.main(["save", "base:1"]) == 125
    assert door.main(["load"]) == 125
    assert "standard input is a terminal" in capsys.readouterr().err


def test_import(
    store: Store, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rootfs.tar").write_bytes(files(BASE))
    words = [
        "import",
        "-c",
        'CMD ["/run"]',
        "-m",
        "hello",
        str(tmp_path / "rootfs.tar"),
        "base:1",
    ]
    image = store.find(call(capsys, *words).strip())
    assert image is not None and image.config.cmd == ("/run",)
    assert image.config.history[0].comment == "hello"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(files(BASE))))
    image = store.find(call(capsys, "import", "-").strip())
    assert image is not None and image.config.history[0].comment == "Imported from -"
    assert door.main(["import", str(tmp_path / "gone.tar")]) == 125
    assert "cannot read" in capsys.readouterr().err


def test_filters_of_images(store: Store, capsys: Capture) -> None:
    """Docker's keys; a value that names nothing is said."""
    make_image(store, "base:1", [BASE])
    make_image(store, "example.org/web/site:2", [BASE, {"top": b"1"}])
    for words, shown in {
        ("reference=base",): ["base:1"],
        ("reference=*:2",): ["example.org/web/site:2"],
        ("reference=base:*", "reference=example.org/web/*"): [
            "base:1",
            "example.org/web/site:2",
        ],
        ("dangling=false",): ["base:1", "example.org/web/site:2"],
        ("dangling=true",): [],
        ("label=nothing",): [],
        ("until=1h", "reference=base"): ["base:1"],
        ("since=base:1",): [],
    }.items():
        options = [f"--filter={word}" for word in words]
        text = call(capsys, "images", *options, "--format", "{{.Repository}}:{{.Tag}}")
        assert text.split() == shown, words
    for word in ("nosuch=1", "before=nosuch", "dangling=perhaps", "until=soon"):
        assert door.main(["images", "-f", word]) == 125
        assert "nosuch" in (said := capsys.readouterr().err) or "invalid filter" in said


def test_the_verbs_of_images_below_image(store: Store, capsys: Capture) -> None:
    image = make_image(store, "base:1", [BASE])
    assert call(capsys, "image", "ls", "-q") == call(capsys, "images", "-q")
    assert call(capsys, "image", "list", "-aq") == call(capsys, "images", "-q")
    assert json.loads(call(capsys, "image", "inspect", "base:1"))[0]["Id"] == image.id
    assert call(capsys, "image", "tag", "base:1", "other:1") == ""
    assert call(capsys, "image", "rm", "other:1") == "Untagged: other:1\n"
    assert door.main(["image", "mount", "x"]) == 125
    assert "there is no `image mount` here" in capsys.readouterr().err
