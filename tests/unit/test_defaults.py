"""config.toml → words of options.  In: texts.  Out: words, or an error that names the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless.defaults import Defaults, find_file, parse_defaults, read_defaults
from pyrootless.errors import UsageError

PATH = Path("/etc/x/config.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("[run]", ()),
        ('[run]\nnetwork = "auto"', ("network=auto",)),
        ("[run]\ninit = true\ncpus = 0.5\nmemory = 7", ("init=true", "cpus=0.5", "memory=7")),
        ('[run]\ndns = ["::1", "::2"]', ("dns=::1", "dns=::2")),
    ],
)
def test_words(text: str, words: tuple[str, ...]) -> None:
    assert parse_defaults(text, PATH) == words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run = 1", "run is a table"),
        ("[start]", 'no table "start"'),
        ("[run]\nname = 'x'", "run.name has no meaning"),
        ("[run]\ndns = [[]]", "run.dns is a text"),
        ("[run]\ndns = {}", "run.dns is a text"),
        ('[run]\ndns = "a\\u0000b"', "run.dns is a text"),
        ("[run", "Expected"),
    ],
)
def test_what_has_no_meaning(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"^/etc/x/config.toml: ") as caught:
        parse_defaults(text, PATH)
    assert said in str(caught.value)
    assert "docs/configuration.md" in str(caught.value)


def test_where_it_is() -> None:
    home = {"HOME": "/h"}
    assert find_file(home) == Path("/h/.config/pyrootless/config.toml")
    assert find_file(home | {"XDG_CONFIG_HOME": "c"}) == find_file(home)
    assert find_file(home | {"XDG_CONFIG_HOME": "/c"}) == Path("/c/pyrootless/config.toml")
    assert find_file({}) is None
    assert read_defaults({}) == Defaults()


def test_a_file_that_is_not_there_or_not_readable(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    path = tmp_path / "pyrootless/config.toml"
    assert read_defaults(env) == Defaults(path)
    path.parent.mkdir()
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read"):
        read_defaults(env)


def test_the_note_begins_with_the_state_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pyrootless/config.toml"
    path.parent.mkdir()
    path.write_text('[run]\nnetwork = "auto"\ninit = true\n')
    facts = path.stat()
    seconds, ns = divmod(facts.st_mtime_ns, 1_000_000_000)
    note = read_defaults({"XDG_CONFIG_HOME": str(tmp_path)}).note
    stamp = f"{seconds} {ns} {facts.st_size} {facts.st_ino}"
    assert note == stamp.encode() + b"\0network=auto\0init=true\0"
