"""What running the tests as another user prepares, on a stand-in for the machine."""

from __future__ import annotations

import os
from pathlib import Path

import ordinary_user
import pytest


@pytest.fixture
def user(tmp_path: Path) -> ordinary_user.OrdinaryUser:
    """The caller itself: chown to oneself needs no rights."""
    return ordinary_user.OrdinaryUser(
        "tester", os.getuid(), os.getgid(), tmp_path, tmp_path / "tree", tmp_path / "run"
    )


def controller(base: Path, *names: str) -> None:
    for name in names:
        (base / name).mkdir(parents=True)
        (base / name / "cgroup.procs").touch()


def test_version_1_gets_a_directory_per_controller(
    user: ordinary_user.OrdinaryUser, tmp_path: Path
) -> None:
    controller(tmp_path / "cg", "memory", "pids", "devices")
    done = ordinary_user.delegate_cgroups(user, tmp_path / "cg")
    assert done == [f"{tmp_path}/cg/{name}/tester delegated" for name in ("memory", "pids")]
    assert not (tmp_path / "cg" / "devices" / "tester").exists()


def test_version_2_gets_one_directory(user: ordinary_user.OrdinaryUser, tmp_path: Path) -> None:
    controller(tmp_path, "cg")
    (tmp_path / "cg" / "cgroup.controllers").touch()
    done = ordinary_user.delegate_cgroups(user, tmp_path / "cg")
    assert done == [f"{tmp_path}/cg/tester delegated"]


def test_a_controller_that_refuses_is_told(
    user: ordinary_user.OrdinaryUser, tmp_path: Path
) -> None:
    controller(tmp_path / "cg", "memory")
    (tmp_path / "cg" / "memory" / "tester").touch()
    done = ordinary_user.delegate_cgroups(user, tmp_path / "cg")
    assert done == [f"{tmp_path}/cg/memory/tester not delegated: File exists"]


def test_a_foreign_link_in_a_public_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SystemExit, match="is not ours"):
        ordinary_user.own_directory(tmp_path / "run", 0o700, os.getuid(), os.getgid())


def test_a_copied_file_keeps_time_and_loses_group_rights(
    user: ordinary_user.OrdinaryUser, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_text("one")
    source.chmod(0o664)
    os.utime(source, ns=(5, 1_000_000_000))
    user.tree.mkdir()
    owner = (user.uid, user.gid)
    ordinary_user.copy_file(source, user.tree, "a/b/c", owner)
    copy = user.tree / "a" / "b" / "c"
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("one", 0o644)
    assert copy.stat().st_mtime_ns == 1_000_000_000
    inode = copy.stat().st_ino
    ordinary_user.copy_file(source, user.tree, "a/b/c", owner)
    assert copy.stat().st_ino == inode, "an unchanged file is not copied again"
    source.write_text("two!")
    ordinary_user.copy_file(source, user.tree, "a/b/c", owner)
    assert copy.read_text() == "two!"


def test_only_named_variables_reach_the_user(
    user: ordinary_user.OrdinaryUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_INDEX_URL", "https_proxy", "SECRET_TOKEN"):
        monkeypatch.setenv(name, "value")
    monkeypatch.setenv("HOME", str(user.home))
    words = ordinary_user.command_as(user, ["true"], {"EXTRA": "1"})
    assert words[0] == "setpriv"
    assert "--reset-env" in words
    assert {"PIP_INDEX_URL=value", "https_proxy=value", "EXTRA=1"} <= set(words)
    assert not any("SECRET_TOKEN" in word for word in words)
    assert words[-1] == "true"
