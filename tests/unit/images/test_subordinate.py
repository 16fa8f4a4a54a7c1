"""pyrootless.images.subordinate: which ids a (fake) machine grants a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless.images import subordinate
from pyrootless.images.subordinate import (
    ALL_IDS,
    MAX_RANGES,
    Caller,
    Range,
    SubordinateIds,
    subordinate_ids,
    this_caller,
)

INITIAL = f"0 0 {ALL_IDS}\n"


def machine(root: Path, subuid: str = "", subgid: str = "", maps: str = INITIAL) -> Caller:
    """alice, 1000:1001, on a machine with these files."""
    (root / "etc").mkdir()
    (root / "proc/self").mkdir(parents=True)
    (root / "etc/subuid").write_text(subuid)
    (root / "etc/subgid").write_text(subgid)
    (root / "proc/self/uid_map").write_text(maps)
    (root / "proc/self/gid_map").write_text(maps)
    return Caller(root, "alice", (1000, 1001))


def uids(root: Path, subuid: str, maps: str = INITIAL) -> tuple[Range, ...]:
    return subordinate_ids(machine(root, subuid, maps=maps)).uids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("alice:100000:65536\n", ((100000, 65536),)),
        ("1000:100000:65536\n", ((100000, 65536),)),
        ("bob:1:2\nalice:100:10\n1000:300:5\n", ((100, 10), (300, 5))),
        ("alice:300:5\nalice:100:10", ((300, 5), (100, 10))),
        ("alice:100:10\n1000:100:10\n", ((100, 10),)),
        ("alice:100:10\nalice:95:20\n", ((100, 10), (95, 5), (110, 5))),
        ("alice:990:20\n", ((990, 10), (1001, 9))),
        ("alice\nalice:1\nalice:x:9\nalice:-1:5\nalice:5:0\nalice:7:1:1\n#\n:9:9\n", ()),
        ("alice:4294967295:1\nalice:4294967290:5\nalice:1:99999999999\n", ((4294967290, 5),)),
        ("alice: 100:10\nalice:²:3\n", ()),
    ],
)
def test_lines(tmp_path: Path, text: str, expected: tuple[Range, ...]) -> None:
    assert uids(tmp_path, text) == expected


def test_groups_have_a_file_of_their_own(tmp_path: Path) -> None:
    caller = machine(tmp_path, "alice:1:2\n", "alice:5:6\n")
    assert subordinate_ids(caller) == SubordinateIds(((1, 2),), ((5, 6),))


def test_what_the_own_namespace_lacks_is_not_named(tmp_path: Path) -> None:
    assert uids(tmp_path, "alice:50:100\n", "0 1000 1\n1 100000 99\n") == ((50, 50),)


def test_single_id_namespace_has_none(tmp_path: Path) -> None:
    assert uids(tmp_path, "alice:100000:65536\n", "0 1000 1\n") == ()


def test_root_of_a_namespace_has_what_is_left(tmp_path: Path) -> None:
    caller = machine(tmp_path, maps="0 1000 1\n1 100000 65535\n")
    root = Caller(tmp_path, "root", (0, 0))
    assert subordinate_ids(root).uids == ((1, 65535),)
    assert subordinate_ids(caller).uids == ()


def test_root_of_the_machine_needs_a_grant(tmp_path: Path) -> None:
    machine(tmp_path, "root:100000:10\n")
    assert subordinate_ids(Caller(tmp_path, "root", (0, 0))) == SubordinateIds(((100000, 10),))


def test_missing_files(tmp_path: Path) -> None:
    assert subordinate_ids(Caller(tmp_path, "alice", (1000, 1000))) == SubordinateIds()


def test_more_ranges_than_a_map_takes(tmp_path: Path) -> None:
    lines = "".join(f"alice:{2000 + 2 * n}:1\n" for n in range(MAX_RANGES + 5))
    assert len(uids(tmp_path, lines)) == MAX_RANGES


def getsubids(root: Path, text: str) -> None:
    program = root / "usr/bin/getsubids"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{text}")
    program.chmod(0o755)


def test_the_name_service_goes_before_the_file(tmp_path: Path) -> None:
    caller = machine(tmp_path, "alice:1:2\n", "alice:5:6\n")
    getsubids(tmp_path, '[ "$1" = -g ] && exit 1\necho "0: $1 70000 3"\necho "1: $1 90000 4"\n')
    assert subordinate_ids(caller) == SubordinateIds(((70000, 3), (90000, 4)), ((5, 6),))


def test_a_name_service_that_talks_nonsense(tmp_path: Path) -> None:
    caller = machine(tmp_path, "alice:1:2\n")
    getsubids(tmp_path, 'echo "Error fetching ranges"\n')
    assert subordinate_ids(caller).uids == ((1, 2),)


def test_a_user_without_a_name(tmp_path: Path) -> None:
    machine(tmp_path, "1000:100:10\n:5:5\n")
    assert subordinate_ids(Caller(tmp_path, "", (1000, 1000))).uids == ((100, 10),)


def test_annotations() -> None:
    both = SubordinateIds(((1, 2), (3, 4)), ((5, 6),))
    assert both.annotations() == {
        "io.pyrootless.ids.uids": "1 2,3 4",
        "io.pyrootless.ids.gids": "5 6",
    }
    assert SubordinateIds(((1, 2),), ()).annotations() == {}


def in_first_namespace(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = root / "proc/self/ns/user"
    space.parent.mkdir(parents=True, exist_ok=True)
    space.touch()
    monkeypatch.setattr(subordinate, "FIRST_NAMESPACE", space.stat().st_ino)


def test_ids_that_files_alone_grant_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = machine(tmp_path, "alice:1:2\n", "alice:5:6\n")
    assert not subordinate_ids(caller).lasting  # who knows which namespace this is
    in_first_namespace(tmp_path, monkeypatch)
    found = subordinate_ids(caller)
    assert found.lasting
    assert found.annotations()["io.pyrootless.ids.lasting"] == "1"
    getsubids(tmp_path, 'echo "0: $1 1 3"\n')
    assert not subordinate_ids(caller).lasting


def test_this_caller_is_us() -> None:
    assert this_caller().root == Path("/")
