"""Completions offer what belongs at a place, and start nothing to know it.

In: completions/bash/pyrootless in a real bash, a store.  Out: what is offered.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from images.stored import make_image, make_store

from pyrootless.core import _containers

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT / "tools"))
IDS = ("ab" * 32, "ac" * 32)
ASK = """
source "$1"; shift
PATH=/nowhere
COMP_LINE=$1; COMP_POINT=${#1}; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_pyrootless
printf '%s\\n' "${COMPREPLY[@]}"
"""
Offer = Callable[[str], list[str]]


@pytest.fixture
def offer(tmp_path: Path) -> Offer:
    """What a line is completed with at its end, as the words of bash become."""
    bash = shutil.which("bash")
    assert bash is not None
    store = make_store(tmp_path)
    data = store.directories.data
    make_image(store, "debian:12")
    make_image(store, "quay.io/a/tool:1")
    (data / "refs/host").symlink_to("../images/host-0")
    (data / "names").mkdir(exist_ok=True)
    for ident, name in zip(IDS, ("web", "worker"), strict=True):
        (data / "containers" / ident).mkdir(parents=True)
        (data / "names" / name).symlink_to(f"../containers/{ident}")

    def call(line: str, root: str = str(data)) -> list[str]:
        words = re.findall(r"[=:]|[^\s=:]+", line) + ([""] if line.endswith(" ") else [])
        done = subprocess.run(
            [bash, "-c", ASK, "bash", ROOT / "completions/bash/pyrootless", line, *words],
            env={"PYROOTLESS_ROOT": root, "HOME": "/nowhere"},
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return sorted(set(done.stdout.splitlines()) - {""})

    return call


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("stop ", ["web", "worker"]),
        ("rm -f web w", ["web", "worker"]),
        ("exec -u 0 -e A=B wo", ["worker"]),
        ("kill ab", [IDS[0][:12]]),
        (f"kill {'ab' * 7}", [IDS[0]]),
        ("run ", ["debian:12", "host", "quay.io/a/tool:1"]),
        ("run --rm -v /a:/b d", ["debian:12"]),
        ("run --name x debian:", ["12"]),
        ("run docker.io/", ["docker.io/library/debian:12"]),
        ("rmi ", ["debian:12", "quay.io/a/tool:1"]),
        ("inspect w", ["web", "worker"]),
        ("inspect q", ["quay.io/a/tool:1"]),
        ("tag debian:12 ", []),
        ("system ", ["df", "info", "prune"]),
        ("image r", ["rm"]),
        ("volume ", ["create", "inspect", "list", "ls", "prune", "remove", "rm"]),
        ("serve j", ["jobe"]),
        ("completion ", ["bash", "fish", "zsh"]),
        ("help sys", ["system"]),
        ("run --userns ke", ["keep-id"]),
        ("run --userns=", ["auto", "keep-id", "nomap", "range", "range:overflow", "single"]),
        ("run --pull=al", ["always"]),
        ("run --limits b", ["best-effort"]),
        ("run --network=container:wo", ["worker"]),
        ("run --network pa", ["pasta"]),
        ("run --memory ", []),
        ("run --vol", ["--volume", "--volume-driver", "--volumes-from"]),
        ("ps --nothing", []),
        ("ps --no", ["--no-trunc"]),
        ("system prune --fo", ["--force", "--format"]),
        ("unshare --map s", ["single"]),
        ("ru", ["run"]),
    ],
)
def test_what_bash_offers(offer: Offer, line: str, offered: list[str]) -> None:
    assert offer(f"pyrootless {line}") == offered


def test_the_store_is_the_one_of_the_line(offer: Offer, tmp_path: Path) -> None:
    (tmp_path / "other/names").mkdir(parents=True)
    (tmp_path / "other/names/mine").symlink_to("../containers/0")
    assert offer(f"pyrootless --root {tmp_path}/other rm ") == ["mine"]
    assert offer(f"pyrootless rm --root={tmp_path}/other ") == ["mine"]


def test_files_are_offered_where_files_belong(offer: Offer, tmp_path: Path) -> None:
    (tmp_path / "tree.tar").touch()
    assert offer("pyrootless import tr") == ["tree.tar"]
    assert offer("pyrootless load -i tr") == ["tree.tar"]
    assert offer("pyrootless run --env-file=tr") == ["tree.tar"]


def test_words_of_an_option_are_its_rows() -> None:
    import completion_verbs

    rows = {row["name"]: f"{row['metavar']} {row['help']}" for row in _containers.option_rows()}
    for name, words in completion_verbs.VALUES.items():
        for word in words.split():
            spoken = "silen" if word == "silent" else word.removesuffix(":")
            assert spoken in rows[name], (name, word)


@pytest.mark.parametrize(
    "shell",
    [
        "bash",
        pytest.param("zsh", marks=pytest.mark.needs("zsh")),
        pytest.param("fish", marks=pytest.mark.needs("fish")),
    ],
)
def test_the_text_is_the_shells(shell: str) -> None:
    (text,) = (ROOT / "completions" / shell).iterdir()
    done = subprocess.run([shell, "-n", text], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
