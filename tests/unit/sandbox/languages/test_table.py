"""pyrootless.sandbox.languages.table: profiles as data, the user's own, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless.errors import UsageError
from pyrootless.sandbox.languages.table import find_language, languages, parse_language
from pyrootless.sandbox.limits import Limits


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    directory = tmp_path / "pyrootless" / "languages"
    directory.mkdir(parents=True)
    return directory


def test_those_that_come_along() -> None:
    expected = {"c", "cpp", "go", "java", "javascript", "python", "ruby", "rust", "shell"}
    assert set(languages()) == expected


@pytest.mark.parametrize(
    ("name", "language"),
    [("c", "c"), ("sum.c", "c"), ("a/b.cc", "cpp"), ("x.py", "python"), ("Main.java", "java")],
)
def test_by_name_and_by_file(name: str, language: str) -> None:
    assert find_language(name).name == language


@pytest.mark.parametrize("name", ["cobol", "a.cob", ".c.d", "", "Makefile"])
def test_unknown(name: str) -> None:
    with pytest.raises(UsageError, match="is no language known here: c, cpp"):
        find_language(name)


def test_placeholders() -> None:
    limits = Limits(memory="64M", stack="8M")
    words = ["{sources}", "-o{stem}", "-Xmx{memory_mb}m", "{stack_mb}", "{main}"]
    made = find_language("c").command(words, ["src/a.c", "b.c"], limits)
    assert made == ["src/a.c", "b.c", "-oa", "-Xmx64m", "8", "src/a.c"]


HOSTILE = ["-specs=x", "--version", "@x", "-", "-d/x", "+x", "{memory_mb}", "-{stem}"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("profile", sorted(languages()))
def test_a_name_is_no_option(profile: str, name: str) -> None:
    """Of the compiler or the interpreter: every word that is not the profile's is a path."""
    language = languages()[profile]
    sources = [f"{name}{end}" for end in language.extensions] + [f"a/{name}.x", "main.x"]
    for words in (language.compile, language.run):
        made = language.command(words, sources, Limits(), "Main")
        own = language.command(words, ["main"] * len(sources), Limits(), "Main")
        theirs = [word for word in made if word not in own]
        assert [word for word in theirs if word[0] in "-@+"] == []
        paths = [word.removeprefix("./") for word in theirs]
        assert paths == [each for each in sources if each in paths]
    if language.compile:
        assert set(theirs) <= {"Main"}


def test_every_place_for_a_name() -> None:
    words = ["{main}", "{stem}", "{stem}.o", "--in={main}", "{class}", "x{main}"]
    made = find_language("c").command(words, ["-a/-b.c"], Limits(), "Main")
    assert made == ["./-a/-b.c", "./-b", "./-b.o", "--in=-a/-b.c", "Main", "x-a/-b.c"]


def test_a_runtime_takes_its_own_beside_the_programs() -> None:
    limits = find_language("java").program_limits(Limits(memory="64M", procs=2))
    assert (limits.memory_bytes, limits.procs) == ((64 + 128) << 20, 2 + 32)
    free = find_language("java").program_limits(Limits(memory=None, procs=None))
    assert (free.memory_bytes, free.procs) == (0, None)


def test_the_users_own_win(config: Path) -> None:
    (config / "c.toml").write_text('extensions = [".c"]\nrun = ["tcc", "-run", "{main}"]\n')
    (config / "lua.toml").write_text('extensions = [".lua"]\nrun = ["lua", "{main}"]\n')
    assert find_language("c").run == ("tcc", "-run", "{main}")
    assert find_language("x.lua").name == "lua"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run = [", "lua.toml: "),
        ("", "run: the command is missing"),
        ('run = "lua"', "run must be a list of texts"),
        ('run = ["x"]\nspeed = 3', "speed: not known"),
        ('run = ["x"]\ncompile_limits = {cpu = "soon"}', "is not a duration"),
        ('run = ["x"]\nclasses = "scala"', 'classes must be "java"'),
        ('run = ["x"]\ncompile_limits = {cpus = 2}', "cpus"),
    ],
)
def test_a_file_that_is_wrong(config: Path, text: str, message: str) -> None:
    (config / "lua.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        languages()


def test_a_table() -> None:
    language = parse_language("x", {"run": ["x"], "extra_memory": "8M", "extra_procs": 2})
    assert (language.extra_memory_bytes, language.extra_procs) == (8 << 20, 2)
    assert language.compile_limits.cpu_ns == 10 * 10**9
