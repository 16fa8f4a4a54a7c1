"""pyrootless.cli: verbs, their output and their exit codes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pyrootless import __version__
from pyrootless.cli import main as door
from pyrootless.cli.system import completion
from pyrootless.errors import LaunchError


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYROOTLESS_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_no_verb_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main([]) == 0
    out = capsys.readouterr().out
    assert [verb for verb in door.VERBS if f"  {verb} " not in out] == []
    assert max(len(line) for line in out.splitlines()) <= 96


def test_help_of_a_verb_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["help", "ps"]) == 0
    assert "usage: pyrootless ps" in capsys.readouterr().out


def test_every_verb_has_its_file() -> None:
    assert [verb for verb in door.VERBS if find_spec(door.module_of(verb)) is None] == []


def test_unknown_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["docter"]) == 125
    assert 'did you mean "pyrootless doctor"?' in capsys.readouterr().err


def test_usage_error_of_a_verb_is_125(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["ps", "--no-such"]) == 125
    assert "unrecognized arguments: --no-such" in capsys.readouterr().err


STORE_VERBS = sorted(
    door.VERBS.keys() - {*door.NATIVE, *("run", "create", "unshare", "help", "bench")}
)


@pytest.mark.parametrize("verb", STORE_VERBS)
def test_usage_errors_have_one_style(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """That of the launcher: the subject, what is wrong, the command that helps."""
    assert door.main([verb, "--no-such", "--neither"]) == 125
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"pyrootless: {verb}: ")
    assert second == (
        f"  remedy: every option with the form of its value: pyrootless {verb} --help"
    )


def test_a_usage_error_below_a_verb_names_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["image", "prune", "--older"]) == 125
    assert door.main(["system", "df", "--json=1"]) == 125
    first, _, third, fourth = capsys.readouterr().err.splitlines()
    assert first == "pyrootless: image prune: unrecognized arguments: --older"
    assert third == "pyrootless: system df: argument --json: ignored explicit argument '1'"
    assert fourth.endswith(": pyrootless system df --help")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["--version"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"pyrootless {__version__}"
    assert door.main(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == __version__


@pytest.mark.parametrize("verb", door.ELSEWHERE)
def test_a_verb_of_docker_has_a_sentence_and_no_neighbour(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb not in door.VERBS
    assert door.main([verb, "x"]) == 125
    said = capsys.readouterr().err
    assert said == f"pyrootless: there is no `{verb}` here; {door.ELSEWHERE[verb]}\n"


def test_host_is_no_stored_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["tag", "host", "a"], ["history", "host"], ["save", "-o", "x", "host"]):
        assert door.main(["--root", str(tmp_path / "store"), *words]) == 125, words
        said = capsys.readouterr().err
        assert "this machine's own root file system, built in" in said, words
        assert "did you mean" not in said


@pytest.mark.parametrize("name", ["nosuch", "NOSUCH", "a b"])
def test_inspect_of_nothing_speaks_of_both(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(["--root", str(tmp_path / "store"), "inspect", name]) == 1
    said = capsys.readouterr().err
    assert f'there is no container, image or volume "{name}" here' in said
    assert "pyrootless ps -a; pyrootless images" in said


def test_root_before_the_verb(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYROOTLESS_ROOT", "unused")
    for words in (["--root", str(tmp_path / "a")], [f"--root={tmp_path / 'a'}"]):
        assert door.main([*words, "prepare", "--pull=never", "nothing"]) == 125
        assert 'there is no image "nothing"' in capsys.readouterr().err


def test_failures_have_their_exit_code_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> int:
        raise LaunchError.from_record(("exec", 2, "execve", "/bin/nothing", False), "look")

    monkeypatch.setattr("pyrootless.cli.containers.ps.main", fail)
    assert door.main(["ps"]) == 127
    assert capsys.readouterr().err == (
        "pyrootless: exec: execve(/bin/nothing): No such file or directory\n  remedy: look\n"
    )


def test_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("pyrootless.cli.containers.ps.main", interrupt)
    assert door.main(["ps"]) == 130


def test_completion_is_read_from_where_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "lib/python3/site-packages/pyrootless"
    monkeypatch.setattr("pyrootless.__file__", str(package / "__init__.py"))
    monkeypatch.setattr("sys.prefix", str(tmp_path / "elsewhere"))
    assert door.main(["completion", "fish"]) == 125
    assert "were not installed" in capsys.readouterr().err
    place = tmp_path / completion.FILES["fish"][1]
    place.parent.mkdir(parents=True)
    place.write_text("complete -c pyrootless\n")
    assert door.main(["completion", "fish"]) == 0
    assert capsys.readouterr().out == "complete -c pyrootless\n"


NOT_FOR_A_PULL = (
    "fractions", "tomllib", "urllib.request", "pyrootless.images.archive.images",
    "pyrootless.images.archive.layout",
)  # fmt: skip


def python(code: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-I", "-c", code]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)


def test_a_pull_imports_what_it_needs() -> None:
    done = python("import sys, pyrootless.cli.registries.pull; print('\\n'.join(sys.modules))")
    loaded = set(done.stdout.split())
    assert "pyrootless.images.transfer.pull" in loaded
    assert [name for name in NOT_FOR_A_PULL if name in loaded] == []


LEAVE = """
import atexit, sys, threading
from pyrootless.cli import main
atexit.register(print, "taken apart")
print("said")  # to a pipe: waits in the buffer
if {thread}:  # at work until the interpreter waits for it
    work = lambda: (threading.main_thread().join(), print("worked"))
    threading.Thread(target=work).start()
main.leave(["{verb}"], 3)
"""


@pytest.mark.parametrize(
    ("verb", "thread", "said"),
    [
        ("pull", False, ["said"]),
        ("pull", True, ["said", "worked", "taken apart"]),
        ("images", False, ["said", "taken apart"]),
    ],
)
def test_leaving_at_once_loses_nothing(verb: str, thread: bool, said: list[str]) -> None:
    done = python(LEAVE.format(verb=verb, thread=thread))
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines() == said


def test_collection_is_on_while_a_verb_works(tmp_path: Path) -> None:
    """`python -m pyrootless` imports without it."""
    probe = "import gc; gc.disable(); from pyrootless.cli import main; main.main(['version'])"
    done = python(f"{probe}; print(gc.isenabled(), gc.get_freeze_count() > 1000)")
    assert done.stdout.splitlines()[-1] == "True True"


BLOCKS = """
import resource
from pyrootless.cli.registries import pull
{prepare}
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    blocks = [b"x" * (1 << 19) for _ in range(4)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_pull_uses_its_memory_again() -> None:
    """2 MiB are touched once, and not a hundred times."""
    pages = (2 << 20) // resource.getpagesize()
    assert int(python(BLOCKS.format(prepare="")).stdout) > 10 * pages
    assert int(python(BLOCKS.format(prepare="pull.keep_freed_memory()")).stdout) < 2 * pages
