"""pyrootless.config: the same places as csrc/container/state/dirs.c finds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyrootless.config import find_directories, find_launcher, runtime_directory
from pyrootless.errors import HostUnsupportedError, StoreError


def test_root_option_beats_everything(tmp_path: Path) -> None:
    env = {"PYROOTLESS_ROOT": "/env", "XDG_DATA_HOME": "/xdg", "HOME": "/home/a"}
    assert find_directories(str(tmp_path), env).data == tmp_path.resolve()
    assert find_directories(None, env).data == Path("/env")
    del env["PYROOTLESS_ROOT"]
    assert find_directories(None, env).data == Path("/xdg/pyrootless")
    env["XDG_DATA_HOME"] = "relative"
    assert find_directories(None, env).data == Path("/home/a/.local/share/pyrootless")


def test_data_has_no_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert find_directories(str(tmp_path / "link"), {}).data == (tmp_path / "real").resolve()


def test_runtime_directory_must_be_ours(tmp_path: Path) -> None:
    fallback = Path(f"/tmp/pyrootless-{os.getuid()}")
    assert runtime_directory({}) == fallback
    assert runtime_directory({"XDG_RUNTIME_DIR": "relative"}) == fallback
    assert runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path / "missing")}) == fallback
    (tmp_path / "link").symlink_to(tmp_path)
    assert runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path / "link")}) == fallback
    assert runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "pyrootless"


def test_make_is_private_and_idempotent(tmp_path: Path) -> None:
    directories = find_directories(str(tmp_path / "a/b"), {}).make().make()
    assert stat.S_IMODE(directories.images.stat().st_mode) == 0o700
    assert sorted(path.name for path in directories.data.iterdir()) == [
        "cache",
        "images",
        "refs",
        "tmp",
    ]


def test_make_names_the_place_that_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file.*\n.*--root DIR"):
        find_directories(str(tmp_path / "file/store"), {}).make()


def test_a_script_is_not_the_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin/python3"))
    script = tmp_path / "pyrootless"
    script.write_text("#!/usr/bin/python3\n")
    script.chmod(0o755)
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    with pytest.raises(HostUnsupportedError, match="native launcher"):
        find_launcher(env)
    script.write_bytes(b"\x7fELF...")
    assert find_launcher(env) == script
    other = tmp_path / "other"
    other.write_bytes(b"\x7fELF...")
    other.chmod(0o755)
    assert find_launcher(env | {"PYROOTLESS_LAUNCHER": str(other)}) == other
