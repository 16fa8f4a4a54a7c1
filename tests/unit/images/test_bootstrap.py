"""pyrootless.images.bootstrap: what is asked of mmdebstrap, and what its failure leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pyrootless.errors import HostUnsupportedError, StoreError, UsageError
from pyrootless.images import bootstrap
from pyrootless.images.bootstrap import Wanted, choose_mode, command, parse_wanted


def test_a_suite_and_packages() -> None:
    wanted = parse_wanted("debian:trixie", ["vim,less", "gcc"], "apt", None)
    assert wanted == Wanted("trixie", ("vim", "less", "gcc"), "apt", None)


def test_the_suite_may_be_left_out() -> None:
    assert parse_wanted("debian", [], "minbase", None) == Wanted("stable")


@pytest.mark.parametrize("text", ["fedora", "debian:", "ubuntu:noble"])
def test_another_distribution_is_refused(text: str) -> None:
    if text == "debian:":
        assert parse_wanted(text, [], "minbase", None).suite == "stable"
        return
    with pytest.raises(UsageError, match="bootstrap makes `debian"):
        parse_wanted(text, [], "minbase", None)


@pytest.mark.parametrize("package", ["--help", "a b", "../x", "x;y", "-"])
def test_a_word_that_is_no_package_never_becomes_an_option(package: str) -> None:
    with pytest.raises(UsageError, match="neither a suite nor the name of a package"):
        parse_wanted("debian:trixie", [package], "minbase", None)
    with pytest.raises(UsageError, match="neither a suite nor the name of a package"):
        parse_wanted(f"debian:{package}", [], "minbase", None)


def test_the_command() -> None:
    wanted = Wanted("trixie", ("vim",), "apt", "http://mirror.example/debian")
    assert command(wanted, "unshare") == [
        "mmdebstrap",
        "--mode=unshare",
        "--variant=apt",
        "--components=main",
        "--format=tar",
        '--customize-hook=rm -f "$1"/etc/hostname "$1"/etc/resolv.conf '
        '"$1"/var/lib/dbus/machine-id; : > "$1"/etc/resolv.conf',
        "--include=vim",
        "--",
        "trixie",
        "-",
        "http://mirror.example/debian",
    ]


def _path_with(monkeypatch: pytest.MonkeyPatch, place: Path, *names: str) -> None:
    for name in names:
        (place / name).write_text("#!/bin/sh\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(place))


@pytest.mark.needs("plain-user")
def test_the_mode_follows_what_the_user_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _path_with(monkeypatch, tmp_path)
    with pytest.raises(HostUnsupportedError, match="not installed") as missing:
        choose_mode(many_ids=True)
    assert missing.value.remedy == "as administrator: apt install mmdebstrap"
    _path_with(monkeypatch, tmp_path, "mmdebstrap")
    assert choose_mode(many_ids=True) == "unshare"
    with pytest.raises(HostUnsupportedError, match="subordinate ids, or fakechroot"):
        choose_mode(many_ids=False)
    _path_with(monkeypatch, tmp_path, "fakechroot", "fakeroot")
    assert choose_mode(many_ids=False) == "fakechroot"


def _shell(script: str) -> list[str]:
    return [shutil.which("sh") or "/bin/sh", "-c", script]


@pytest.mark.parametrize(
    ("suite", "begin"),
    [
        ("bokworm", "is bokworm the name of a release, did you mean debian:bookworm? If it is"),
        ("noble", "is noble the name of a release? If it is"),
        ("bookworm", "see whether the mirror can be reached"),
    ],
)
def test_a_misspelt_suite_is_named(suite: str, begin: str) -> None:
    with (
        bootstrap.Archive(_shell("exit 2"), lambda line: None, suite) as archive,
        pytest.raises(StoreError, match=f"failed to make {suite} with exit status 2") as found,
    ):
        archive.read(9)
    assert found.value.remedy.startswith(begin)


def test_a_whole_archive_ends() -> None:
    said: list[str] = []
    with bootstrap.Archive(_shell("echo I: busy >&2; printf tar"), said.append) as archive:
        assert archive.read(9) == b"tar"
        assert archive.read(9) == b""
    assert said == ["I: busy"]


def test_half_an_archive_never_ends_well() -> None:
    script = "printf half; echo 'E: no mirror' >&2; exit 3"
    with bootstrap.Archive(_shell(script), lambda line: None) as archive:
        assert archive.read(9) == b"half"
        with pytest.raises(StoreError, match="exit status 3: E: no mirror"):
            archive.read(9)


LISTENER = """
import signal, sys
from pyrootless.errors import StoreError
from pyrootless.images import bootstrap

signal.signal(signal.SIGHUP, lambda number, frame: print("heard", number))
with bootstrap.Archive(sys.argv[1:], lambda line: None) as archive:
    try:
        archive.read(9)
    except StoreError as error:
        print("exit status" in str(error))
"""


def test_its_signals_reach_nobody_else() -> None:
    """mmdebstrap sends SIGHUP to its process group when it fails.

    Who listens has a session of its own: else a signal that got through would end the tests.
    """
    words = [sys.executable, "-c", LISTENER, *_shell("kill -HUP 0; exit 7")]
    done = subprocess.run(
        words, capture_output=True, text=True, start_new_session=True, timeout=60, check=True
    )
    assert done.stdout == "True\n"


@pytest.mark.parametrize("end", ["exit 0", "exit 3", "exec sleep 600"])
def test_what_it_leaves_in_its_place_goes(
    end: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    script = f"mkdir -p $TMPDIR/root/d; chmod 0 $TMPDIR/root/d; : > $TMPDIR/f; echo x; {end}"
    with bootstrap.Archive(_shell(script), lambda line: None) as archive:
        assert archive.read(2) == b"x\n"
        (place,) = tmp_path.iterdir()
        assert place.stat().st_mode & 0o777 == 0o711
    assert list(tmp_path.iterdir()) == []


def test_leaving_early_ends_the_program(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"echo $$ > {mark}; echo ready; exec sleep 600"
    with bootstrap.Archive(_shell(script), lambda line: None) as archive:
        assert archive.read(6) == b"ready\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
