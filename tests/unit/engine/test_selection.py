"""pyrootless.engine.selection: docker's filters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from pyrootless.config import Directories
from pyrootless.engine.containers import Container
from pyrootless.engine.selection import labels, mounts, network, parse_filters, select
from pyrootless.errors import ContainerStateError, UsageError


def make(
    tmp_path: Path,
    key: str,
    name: str,
    *,
    running: bool = True,
    code: int | None = None,
    signal: int | None = None,
    born: int = 0,
    notes: dict[str, str] | None = None,
    hosted: bool = False,
) -> Container:
    directory = tmp_path / key
    directory.mkdir()
    kinds = [] if hosted else [{"type": "network"}]
    config = {
        "annotations": {f"io.pyrootless.{k}": v for k, v in (notes or {}).items()},
        "linux": {"namespaces": kinds},
        "mounts": [
            {"destination": "/vol", "source": "/data"},
            {"destination": "/proc", "source": "proc"},
        ],
    }
    (directory / "config.json").write_text(json.dumps(config))
    state: Literal["running", "exited"] = "running" if running else "exited"
    image = f"image:{name}"
    return Container(
        key * 32, name, image, ("sh",), state, 0, 0, born, "", code, signal, directory
    )  # fmt: skip


@pytest.fixture
def four(tmp_path: Path) -> list[Container]:
    """The newest first."""
    return [
        make(tmp_path, "aa", "web", born=4, notes={"label.tier": "front", "label.x": "",
             "network": "pasta", "network.ports": "tcp * 8080 80 1", "lent": "/vol"}),
        make(tmp_path, "ab", "webdb", born=3, notes={"label.tier": "back"}, hosted=True),
        make(tmp_path, "cd", "job", born=2, running=False, code=3,
             notes={"image.ports": "53/udp"}),
        make(tmp_path, "ef", "old", born=1, running=False, signal=9),
    ]  # fmt: skip


def names(found: list[Container]) -> list[str]:
    return [item.name for item in found]


def pick(tmp_path: Path, four: list[Container], *words: str, **how: int) -> list[str]:
    places = Directories(data=tmp_path, runtime=tmp_path)
    return names(select(places, four, parse_filters(words), **how))  # type: ignore[arg-type]


def test_running_ones_unless_asked(tmp_path: Path, four: list[Container]) -> None:
    assert pick(tmp_path, four) == ["web", "webdb"]
    assert pick(tmp_path, four, stopped=True) == ["web", "webdb", "job", "old"]
    assert pick(tmp_path, four, last=3) == ["web", "webdb", "job"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["name=web"], ["web", "webdb"]),
        (["name=^/?web$"], ["web"]),
        (["name=("], []),
        (["name=job", "name=old"], ["job", "old"]),
        (["id=ab"], ["web", "webdb"][1:]),
        (["label=tier"], ["web", "webdb"]),
        (["label=tier=back"], ["webdb"]),
        (["label=tier", "label=x"], ["web"]),
        (["status=exited"], ["job", "old"]),
        (["status=paused"], []),
        (["exited=3"], ["job"]),
        (["exited=137"], ["old"]),
        (["volume=/data"], ["web"]),
        (["volume=/vol"], ["web"]),
        (["volume=/proc"], []),
        (["network=host"], ["webdb"]),
        (["network=pasta", "network=host"], ["web", "webdb"]),
        (["publish=80"], ["web"]),
        (["publish=70-90/tcp"], ["web"]),
        (["publish=80/udp"], []),
        (["expose=53/udp"], ["job"]),
        (["health=none", "status=exited"], ["job", "old"]),
        (["is-task=true"], []),
        (["ancestor=image:job"], ["job"]),
    ],
)
def test_keys(
    tmp_path: Path, four: list[Container], words: list[str], wanted: list[str]
) -> None:
    assert pick(tmp_path, four, *words, stopped=True) == wanted


def test_a_state_is_asked_for_among_all(tmp_path: Path, four: list[Container]) -> None:
    assert pick(tmp_path, four, "status=exited") == ["job", "old"]
    assert pick(tmp_path, four, "exited=3") == []


@pytest.mark.parametrize(
    "word", ["nope=1", "status=x", "exited=x", "publish=x", "publish=1-999999999"]
)
def test_what_has_no_meaning(tmp_path: Path, four: list[Container], word: str) -> None:
    with pytest.raises(UsageError, match="invalid filter"):
        pick(tmp_path, four, word)


def test_words_that_are_no_filters(tmp_path: Path, four: list[Container]) -> None:
    with pytest.raises(UsageError, match="is no filter"):
        parse_filters(["status"])
    with pytest.raises(ContainerStateError):
        pick(tmp_path, four, "before=nobody")


def test_values_of_a_container(four: list[Container]) -> None:
    assert labels(four[0]) == {"tier": "front", "x": ""}
    assert [(one.source, one.destination) for one in mounts(four[0])] == [("/data", "/vol")]
    assert [network(item) for item in four] == ["pasta", "host", "none", "none"]
