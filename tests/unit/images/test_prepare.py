"""pyrootless.images.prepare: names → launch templates; when a registry is asked."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from images.stored import HOST, make_image, make_store

from pyrootless.errors import HostUnsupportedError, RegistryError, UsageError
from pyrootless.images.archive.layout import write_layout
from pyrootless.images.prepare import known_images, launch_name, prepare_image
from pyrootless.images.store.disk import Store, StoredImage
from pyrootless.images.template import image as image_template


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def pulls(monkeypatch: pytest.MonkeyPatch, store: Store) -> list[str]:
    """A registry that has `remote` and nothing else; the names it was asked for."""
    asked: list[str] = []

    def pull_image(
        store: Store, reference: Any, *, platform: Any = None, progress: Any = None
    ) -> StoredImage:
        asked.append(reference.familiar + (f" for {platform}" if platform else ""))
        if reference.path != "library/remote":
            raise RegistryError("no such image there", remedy="log in")
        return make_image(store, "remote:latest")

    module = types.ModuleType("pyrootless.images.transfer.pull")
    module.pull_image = pull_image  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyrootless.images.transfer.pull", module)
    return asked


def data(store: Store) -> str:
    return str(store.directories.data)


def test_a_stored_image(store: Store, pulls: list[str]) -> None:
    image = make_image(store, "base:1")
    directory = prepare_image("base:1", data(store))
    assert directory == store.image_directory(image.manifest.digest)
    assert json.loads((directory / "config.json").read_bytes())["process"]["args"] == ["/run"]
    assert pulls == []


def test_what_was_typed_leads_to_the_name(store: Store, pulls: list[str]) -> None:
    make_image(store, "base:latest")
    directory = prepare_image("base", data(store))
    link = store.directories.refs / "base"
    assert str(link.readlink()) == "docker.io%2Flibrary%2Fbase:latest"
    assert launch_name("base", data(store), directory) == "base"
    prepare_image("docker.io/library/base:latest", data(store))
    assert [path.name for path in store.directories.refs.iterdir() if path.name[0] == "d"] == [
        "docker.io%2Flibrary%2Fbase:latest"
    ]


def test_an_id_is_looked_at_anew_each_time(store: Store, pulls: list[str]) -> None:
    image = make_image(store, "base:1")
    begin = image.id[7:19]
    directory = prepare_image(begin, data(store))
    assert launch_name(begin, data(store), directory) == image.manifest.digest
    assert not (store.directories.refs / begin).exists()


def test_missing_images_are_fetched(store: Store, pulls: list[str]) -> None:
    prepare_image("remote", data(store))
    prepare_image("remote", data(store))
    assert pulls == ["remote:latest"]


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> str:
    """A platform that this machine executes by an emulator; so it is made to believe."""
    name = "riscv64" if HOST.architecture != "riscv64" else "s390x"
    real = image_template.check_platform
    monkeypatch.setattr(
        image_template,
        "check_platform",
        lambda platform, text: None if platform.architecture == name else real(platform, text),
    )
    return name


def test_an_image_of_another_platform_is_fetched_anew(
    store: Store, pulls: list[str], other: str
) -> None:
    make_image(store, "remote:latest")
    own = f"linux/{HOST.architecture}"
    prepare_image("remote", data(store), platform=own)
    prepare_image("remote", data(store), platform=HOST.architecture)
    assert pulls == []
    prepare_image("remote", data(store), platform=f"linux/{other}")
    assert pulls == [f"remote:latest for linux/{other}"]
    with pytest.raises(UsageError, match=f"is for {own}, and not for linux/{other}") as never:
        prepare_image("remote", data(store), pull="never", platform=other)
    assert never.value.remedy == f"fetch it: pyrootless pull --platform linux/{other} NAME"


def test_a_platform_that_cannot_be_executed_is_not_fetched(
    store: Store, pulls: list[str]
) -> None:
    with pytest.raises(HostUnsupportedError, match="remote that is asked for is for win"):
        prepare_image("remote", data(store), platform="windows/amd64")
    with pytest.raises(UsageError, match="is not a platform"):
        prepare_image("remote", data(store), platform="a//b")
    assert pulls == []


def test_the_image_host_has_the_machines_platform(store: Store, other: str) -> None:
    prepare_image("host", data(store), platform=f"linux/{HOST.architecture}")
    with pytest.raises(UsageError, match="the image host is this machine's own"):
        prepare_image("host", data(store), platform=other)


def test_always_asks_the_registry(store: Store, pulls: list[str]) -> None:
    make_image(store, "remote:latest")
    prepare_image("remote", data(store), pull="always")
    assert pulls == ["remote:latest"]


def test_an_id_cannot_be_fetched(store: Store, pulls: list[str]) -> None:
    image = make_image(store, "base:1")
    prepare_image(image.id[7:], data(store), pull="always")
    assert pulls == []


def test_never_is_content_with_what_is_here(store: Store, pulls: list[str]) -> None:
    make_image(store, "base:1")
    with pytest.raises(UsageError, match=r'no image "bose:1" here; did you mean "base:1"\?'):
        prepare_image("bose:1", data(store), pull="never")
    with pytest.raises(UsageError, match=r'did you mean "host"\?[^$]*--rootfs'):
        prepare_image("hots", data(store), pull="never")
    assert pulls == []


def test_what_nobody_has(store: Store, pulls: list[str]) -> None:
    with pytest.raises(RegistryError, match=r"^no such image there\n  remedy: log in$"):
        prepare_image("zzz", data(store))
    make_image(store, "base:1")
    words = r'no image "bose:1" here; did you mean "base:1"\?.*: no such image there\n.*log in'
    with pytest.raises(RegistryError, match=words):
        prepare_image("bose:1", data(store))


def test_policies(store: Store) -> None:
    with pytest.raises(UsageError, match="write missing, always or never"):
        prepare_image("base", data(store), pull="sometimes")


def test_places(store: Store, pulls: list[str], tmp_path: Path) -> None:
    image = make_image(store, "base:1")
    write_layout(store, image, tmp_path / "layout", "1")
    other = make_store(tmp_path / "other")
    for text in (f"oci:{tmp_path}/layout", f"oci:{tmp_path}/layout:1"):
        directory = prepare_image(text, data(other))
        assert directory.name == image.manifest.digest[7:]
        assert launch_name(text, data(other), directory) == image.manifest.digest
    assert [ref.name for ref in other.refs.references()] == ["localhost/unnamed"]
    assert other.find(image.id[7:20]) is not None
    with pytest.raises(UsageError, match="no image 'x'; it has: 1"):
        prepare_image(f"oci:{tmp_path}/layout:x", data(other))
    with pytest.raises(UsageError, match="no such file or directory"):
        prepare_image(f"oci-archive:{tmp_path}/gone", data(other))
    with pytest.raises(UsageError, match="names no path"):
        prepare_image("docker-archive:", data(other))


def test_known_images(store: Store) -> None:
    make_image(store, "base:1")
    make_image(store, "quay.io/a/b:2")
    assert known_images(store.directories) == ["base:1", "host", "quay.io/a/b:2"]


def test_a_name_that_is_too_long_for_a_link(tmp_path: Path) -> None:
    assert launch_name("oci:/" + "x/" * 200, str(tmp_path), Path("/s/00")) == "sha256:00"
