"""pyrootless.engine.network: what is chosen, and what is remembered."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pyrootless.config import find_directories
from pyrootless.engine import network
from pyrootless.host.network import Facts, Helper, facts_path, read_facts

PASTA = Helper("/usr/bin/pasta", "1.000000000 2", "pasta 1", gateway=True)
SLIRP = Helper("/usr/bin/slirp4netns", "3.000000000 4")


def measured(helper: Helper, rate: int | None, problem: str = "") -> Helper:
    return replace(helper, upload_bytes_per_s=rate, problem=problem)


@pytest.mark.parametrize(
    ("pasta", "slirp", "chosen"),
    [
        (measured(PASTA, 100), measured(SLIRP, 100), "pasta"),
        (measured(PASTA, 100), measured(SLIRP, 200), "pasta"),
        (measured(PASTA, 100), measured(SLIRP, 201), "slirp4netns"),
        (measured(PASTA, None), measured(SLIRP, 900), "pasta"),
        (measured(PASTA, None, "no tun"), measured(SLIRP, 1), "slirp4netns"),
        (measured(PASTA, 1), measured(SLIRP, None, "no tun"), "pasta"),
        (measured(PASTA, None, "no tun"), measured(SLIRP, None, "no tun"), ""),
    ],
)
def test_the_choice(pasta: Helper, slirp: Helper, chosen: str) -> None:
    assert network.choose({"pasta": pasta, "slirp4netns": slirp}) == chosen


def test_one_helper_is_no_choice() -> None:
    assert network.choose({"slirp4netns": measured(SLIRP, None)}) == "slirp4netns"
    assert network.choose({}) == ""


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Both helpers installed; what was done with them, in order."""
    done: list[str] = []
    known = {"pasta": (PASTA.path, PASTA.stamp), "slirp4netns": (SLIRP.path, SLIRP.stamp)}
    monkeypatch.setattr(network, "find_programs", lambda: known)
    monkeypatch.setattr("pyrootless.host.network.find_programs", lambda: known)

    def ask(path: str, *options: str) -> tuple[int, str]:
        done.append(f"ask {Path(path).name}")
        return 0, "version 7\n(C) somebody\n"

    def tried(name: str, helper: Helper, directories: object) -> Helper:
        done.append(f"try {name}")
        return measured(helper, 1000 if name == "pasta" else 10)

    monkeypatch.setattr(network, "_ask", ask)
    monkeypatch.setattr(network, "_tried", tried)
    return done


def test_a_named_helper_is_not_measured(helpers: list[str], tmp_path: Path) -> None:
    network.prepare_network("pasta", str(tmp_path))
    assert helpers == ["ask pasta", "ask pasta", "ask slirp4netns"]
    facts = read_facts(find_directories(str(tmp_path)).cache)
    assert facts is not None
    assert (facts.chosen, facts.kernel) == ("", os.uname().release)
    assert facts.helpers["pasta"] == replace(PASTA, version="version 7")
    assert facts.helpers["slirp4netns"].gateway is False


def test_measured_once(helpers: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        network.prepare_network("auto", str(tmp_path))
    assert helpers[3:] == ["try pasta", "try slirp4netns"]
    facts = read_facts(find_directories(str(tmp_path)).cache)
    assert facts is not None
    assert facts.chosen == "pasta"
    assert facts.helpers["slirp4netns"].upload_bytes_per_s == 10


@pytest.mark.parametrize("change", [("version", "2"), ("kernel", "2.6"), ("stamp", "9 9")])
def test_measured_again_when_something_changed(
    helpers: list[str], tmp_path: Path, change: tuple[str, str]
) -> None:
    network.prepare_network("auto", str(tmp_path))
    del helpers[:]
    path = facts_path(find_directories(str(tmp_path)).cache)
    old = {"version": '"version": 1', "kernel": os.uname().release, "stamp": PASTA.stamp}
    text = path.read_text()
    new = f'"version": {change[1]}' if change[0] == "version" else change[1]
    path.write_text(text.replace(old[change[0]], new))
    network.prepare_network("auto", str(tmp_path))
    assert helpers[-2:] == ["try pasta", "try slirp4netns"]


def test_when_none_works_it_is_tried_again(
    helpers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, helper: Helper, directories: object) -> Helper:
        helpers.append(f"try {name}")
        return replace(helper, problem="no tun")

    monkeypatch.setattr(network, "_tried", broken)
    for _ in range(2):
        network.prepare_network("auto", str(tmp_path))
    assert helpers[3:] == ["try pasta", "try slirp4netns"] * 2
    facts = read_facts(find_directories(str(tmp_path)).cache)
    assert facts is not None
    assert facts.reason == "pasta: no tun; slirp4netns: no tun"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version":1}', '{"helpers":[]}'])
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    facts_path(tmp_path).write_text(text)
    assert read_facts(tmp_path) is None


def test_a_store_that_cannot_be_written_is_named(
    helpers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = find_directories(str(tmp_path)).make()
    directories.temporary.rmdir()
    with pytest.raises(network.StoreError, match="cannot write"):
        network.write_facts(directories, Facts("6.1"))
