"""cli.containers.run: from the launcher to the launcher, by way of engine/prepare.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyrootless.cli.containers import run
from pyrootless.errors import HostUnsupportedError


class Executed(Exception):
    """Instead of execve."""


def test_main_becomes_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def execve(path: str, argv: list[str], environ: dict[str, str]) -> None:
        seen.extend((path, argv, environ["PYROOTLESS_PREPARED"]))
        raise Executed

    monkeypatch.delenv("PYROOTLESS_PREPARED", raising=False)
    monkeypatch.setattr(run, "find_launcher", lambda: Path("/bin/launcher"))
    monkeypatch.setattr(
        run, "prepare", lambda asked, announce: ["--rm=true", "--", *asked.args]
    )
    monkeypatch.setattr("os.execve", execve)
    with pytest.raises(Executed):
        run.main(["--rm", "host", "echo", "-n", "hi"])
    argv = ["/bin/launcher", "run", "--rm=true", "--", "echo", "-n", "hi"]
    assert seen == ["/bin/launcher", argv, "1"]


def test_a_second_visit_is_an_error_and_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYROOTLESS_PREPARED", "1")
    monkeypatch.setattr(run, "find_launcher", lambda: Path("/bin/launcher"))
    with pytest.raises(HostUnsupportedError, match="twice"):
        run.main(["host"])
