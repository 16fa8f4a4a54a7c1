"""pyrootless.images.registry.settings: the file, and what each key does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyrootless.errors import UsageError
from pyrootless.images.registry.settings import (
    Endpoint,
    Patience,
    host_name,
    is_loopback,
    load_settings,
    parse_settings,
)

PAGE = Path(__file__).resolve().parents[4] / "docs" / "registries.md"


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    settings = load_settings({"HOME": str(tmp_path)})
    assert settings.patience == Patience()
    assert settings.endpoints("docker.io", "library/debian") == (
        Endpoint("registry-1.docker.io", "library/debian"),
    )
    assert settings.certificates[0] == tmp_path / ".config/containers/certs.d"


def test_the_file_is_found_where_the_user_keeps_settings(tmp_path: Path) -> None:
    place = tmp_path / "pyrootless"
    place.mkdir()
    (place / "registries.toml").write_text('insecure = ["reg.lan:5000"]\n')
    settings = load_settings({"XDG_CONFIG_HOME": str(tmp_path), "HOME": "/nonexistent"})
    assert settings.is_insecure("reg.lan:5000")


def test_the_example_of_the_page_means_what_the_page_says() -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    settings = parse_settings(example[1])
    assert settings.is_insecure("registry.lan:5000")
    assert settings.is_insecure("10.1.2.3:5000")
    assert not settings.is_insecure("registry.lan:5001")
    assert settings.expand_alias("tools:1.2") == "registry.lan:5000/team/tools:1.2"
    assert [place.host for place in settings.endpoints("docker.io", "library/debian")] == [
        "mirror.example.org",
        "registry.lan:5000",
        "registry-1.docker.io",
    ]
    assert settings.endpoints("docker.io", "library/debian")[1].path == "hub/library/debian"
    assert settings.patience.window_seconds == 60
    keys = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert {key.replace("-", "_") for key in keys} >= {
        "connect_seconds", "window_seconds", "window_bytes", "tries", "pause_seconds",
        "pause_limit_seconds",
    }  # fmt: skip


def test_the_mirrors_of_the_longest_prefix_count() -> None:
    settings = parse_settings(
        '[mirrors]\n"docker.io" = ["a"]\n"docker.io/library" = ["b/x"]\n'
        '"docker.io/lib" = ["never"]\n'
    )
    assert settings.endpoints("docker.io", "library/debian")[0] == Endpoint("b", "x/debian")
    assert settings.endpoints("docker.io", "me/app")[0] == Endpoint("a", "me/app")
    assert len(settings.endpoints("quay.io", "me/app")) == 1


@pytest.mark.parametrize(
    ("host", "name", "loopback"),
    [
        ("localhost:5000", "localhost", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.9.9.9:1", "127.9.9.9", True),
        ("[::1]:5000", "::1", True),
        ("::1", "::1", True),
        ("localhost.example.org", "localhost.example.org", False),
        ("127.0.0.1.example.org:1", "127.0.0.1.example.org", False),
        ("10.0.0.1:5000", "10.0.0.1", False),
    ],
)
def test_loopback(host: str, name: str, loopback: bool) -> None:
    assert host_name(host) == name
    assert is_loopback(name) is loopback
    assert parse_settings("").is_insecure(host) is loopback


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tools", "r.lan/team/tools"),
        ("tools:2", "r.lan/team/tools:2"),
        ("tools@sha256:ab", "r.lan/team/tools@sha256:ab"),
        ("toolsmith", "toolsmith"),
        ("x/tools", "x/tools"),
    ],
)
def test_aliases(typed: str, meant: str) -> None:
    assert (
        parse_settings('[aliases]\ntools = "r.lan/team/tools"\n').expand_alias(typed) == meant
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("insecure = 1", '"insecure" is not a list'),
        ("insecure = [1]", '"insecure" is not a name'),
        ('insecure = ["http://reg:5000"]', "without http://"),
        ('insecure = ["10.0.0.0/99"]', "10.0.0.0/99"),
        ("mirrors = 1", '"mirrors" is not a table'),
        ('[mirrors]\n"a" = "b"', 'mirrors."a"'),
        ("[aliases]\na = 1", "aliases.a"),
        ("[patience]\nhurry = 1", 'no key "patience.hurry"'),
        ("[patience]\ntries = 0", '"patience.tries" is too small'),
        ("[patience]\ntries = 1.5", "whole number"),
        ("[patience]\nconnect-seconds = true", "is not a number"),
        ("[patience]\nwindow-bytes = -1", "too small"),
        ('unsecure = ["a"]', 'no key "unsecure"'),
        ("= broken", "registries.toml"),
    ],
)
def test_what_has_no_meaning_is_named(text: str, named: str) -> None:
    with pytest.raises(UsageError, match=re.escape(named)):
        parse_settings(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyrootless/registries.toml").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"registries\.toml cannot be read"):
        load_settings({"XDG_CONFIG_HOME": str(tmp_path)})
