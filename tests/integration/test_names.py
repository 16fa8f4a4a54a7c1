"""Names of containers that were given none.

In: starts without --name.  Out: an adjective and a surname where a container stays or somebody
sits at its terminal, and no link in the store's names/ for the others.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from rungs import Rung

pytestmark = pytest.mark.needs("user-namespaces")

WORDS = Path(__file__).resolve().parents[2] / "csrc/container/state/words.c"
MADE_UP = re.compile(r"[a-z]+_[a-z]+")


@pytest.fixture
def engine_of_its_own(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> Rung:
    env = engine_environment | {"PYROOTLESS_ROOT": str(tmp_path / "data")}
    return Rung("none", (), launcher, env)


def names_of(rung: Rung, others: set[str]) -> list[str]:
    """Of what was started here: all stores of a user share what runs."""
    found = json.loads(rung.call("ps", "-a", "--json").stdout)
    return [item["name"] for item in found if item["id"] not in others]


@pytest.fixture
def others(engine_of_its_own: Rung) -> set[str]:
    """Ids of what runs already."""
    return set(engine_of_its_own.call("ps", "-q", "--no-trunc").stdout.split())


def word_lists() -> list[list[str]]:
    tables = re.findall(r"\[\]\[\d+\] = \{(.*?)\};", WORDS.read_text(), re.DOTALL)
    return [re.findall(r'"([a-z]+)"', table) for table in tables]


@pytest.mark.parametrize("options", [[], ["-d"], ["-d", "--rm"], ["-d", "--ephemeral"]])
def test_what_stays_gets_a_name_and_is_found_by_it(
    engine_of_its_own: Rung, others: set[str], options: list[str]
) -> None:
    words = ["sleep", "600"] if options else ["true"]
    assert engine_of_its_own.call("run", *options, "host", *words).returncode == 0
    (name,) = names_of(engine_of_its_own, others)
    assert MADE_UP.fullmatch(name)
    inspected = json.loads(engine_of_its_own.call("inspect", name).stdout)[0]
    assert inspected["Name"] == f"/{name}"
    assert inspected["Annotations"]["io.pyrootless.name"] == name
    assert name in engine_of_its_own.call("ps", "-a").stdout.split()
    assert engine_of_its_own.call("rm", "-f", name).stdout == f"{name}\n"
    assert names_of(engine_of_its_own, others) == []
    assert list(Path(engine_of_its_own.env["PYROOTLESS_ROOT"], "names").iterdir()) == []


@pytest.mark.parametrize("option", ["--rm", "--ephemeral"])
def test_what_goes_with_its_command_takes_none(
    engine_of_its_own: Rung, others: set[str], option: str
) -> None:
    words = engine_of_its_own.words("run", option, "-i", "host", "sh", "-c", "echo up; cat")
    with subprocess.Popen(
        words, env=engine_of_its_own.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == b"up\n"
        assert list(Path(engine_of_its_own.env["PYROOTLESS_ROOT"], "names").iterdir()) == []
        assert names_of(engine_of_its_own, others) == [""]


def test_a_name_that_is_taken_is_not_given_twice(engine_of_its_own: Rung) -> None:
    """Every pair of words is somebody's: the next name has a number too."""
    adjectives, surnames = word_lists()
    assert engine_of_its_own.call("run", "host", "true").returncode == 0
    names = Path(engine_of_its_own.env["PYROOTLESS_ROOT"], "names")
    (target,) = [link.readlink() for link in names.iterdir()]
    for first in adjectives:
        for second in surnames:
            link = names / f"{first}_{second}"
            if not link.is_symlink():
                link.symlink_to(target)
    before = {link.name for link in names.iterdir()}
    assert len(before) == len(adjectives) * len(surnames)
    assert engine_of_its_own.call("run", "host", "true").returncode == 0
    (name,) = {link.name for link in names.iterdir()} - before
    assert re.fullmatch(r"[a-z]+_[a-z]+\d+", name)


def test_each_word_stands_once_in_its_list() -> None:
    for words in word_lists():
        assert len(words) == len(set(words)) > 90
