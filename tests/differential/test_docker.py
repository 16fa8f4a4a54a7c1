"""The same command lines under the Docker Engine and under pyrootless.

In: commands.txt, answers.json (what a real engine said), docs/differences.md.
Out: every command whose exit status, standard output or use of standard error differs, unless
the page has a row for it; every row of the page that no longer holds.
Never: a Docker Engine; test_engine.py asks one whether answers.json is still right.
"""

from __future__ import annotations

import fnmatch
import subprocess
from dataclasses import dataclass
from pathlib import Path

import box_images
import command_lines
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "differences.md"
SECTION = "\n## Commands beside a Docker Engine\n"
# How a range and one id are asked for; D gets the words.
MAPS = {
    "range": '"$PYROOTLESS" "$@"',
    "one id": """case $1 in
run|create) verb=$1; shift; "$PYROOTLESS" "$verb" --userns=single "$@" ;;
*) "$PYROOTLESS" "$@" ;;
esac""",
}


# With one id those alone to which ids, owners or other containers matter.
PARTS = {
    "range": ("",),
    "one id": (
        "user",
        "dir",
        "vol",
        "tmpfs",
        "read-only",
        "sec",
        "exec",
        "life",
        "ns",
        "streams",
    ),
}


@dataclass(frozen=True)
class Row:
    """A difference that is allowed.

    Attributes:
        names: of commands; they may hold `*`.
        maps: the maps of ids it is there under.
    """

    names: tuple[str, ...]
    maps: tuple[str, ...]


def rows() -> list[Row]:
    """The tables of the page; each row must give a reason."""
    section = PAGE.read_text().partition(SECTION)[2].partition("\n## ")[0]
    found = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `"):
            continue
        assert len(cells) == 5 and len(cells[4]) > 10, line
        maps = tuple(MAPS) if cells[1] == "both" else (cells[1],)
        assert set(maps) <= set(MAPS), line
        found.append(Row(tuple(cells[0].replace("`", "").split()), maps))
    return found


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, launcher: Path, engine_environment: dict[str, str]
) -> tuple[Path, dict[str, str]]:
    """A folder, and the environment of a store that has the images."""
    folder = tmp_path_factory.mktemp("docker")
    box_images.write_archive(folder / "box.tar")
    env = {**engine_environment, "PYROOTLESS": str(launcher)}
    env["PYROOTLESS_ROOT"] = str(folder / "store")
    words = [str(launcher), "load", "-i", str(folder / "box.tar")]
    subprocess.run(words, env=env, stdout=subprocess.DEVNULL, timeout=120, check=True)
    return folder, env


@pytest.mark.needs("user-namespaces", "busybox", "cgroup1-delegated")
@pytest.mark.parametrize(
    "ids",
    [
        pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap")),
        "one id",
    ],
)
def test_commands_answer_as_dockers(ids: str, place: tuple[Path, dict[str, str]]) -> None:
    folder, env = place
    (folder / ids).mkdir()
    ours = command_lines.ask_all(MAPS[ids], folder / ids, env, PARTS[ids])
    found = dict(command_lines.differences(ours, command_lines.recorded()))
    allowed = [name for row in rows() if ids in row.maps for name in row.names]
    surprising = [
        f"{name}: {command_lines.read()[name]}\n    {answers}"
        for name, answers in found.items()
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed)
    ]
    assert surprising == [], "\n".join(["docs/differences.md has no row for", *surprising])
    stale = [
        pattern
        for pattern in allowed
        if fnmatch.filter(ours, pattern) and not fnmatch.filter(found, pattern)
    ]
    assert stale == [], "rows of docs/differences.md without a difference"


def test_every_command_has_an_answer() -> None:
    assert list(command_lines.recorded()) == list(command_lines.read())
    assert len(command_lines.read()) > 350
