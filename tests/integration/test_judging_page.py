"""docs/judging.md: its commands do what the page says they do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "judging.md"
pytestmark = pytest.mark.needs("user-namespaces", "gcc")


def test_the_commands_of_the_page(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    script = "".join(text for kind, text in blocks if kind == "sh")
    [printed] = [text for kind, text in blocks if kind == ""]
    env = {**engine_environment, "PATH": f"{launcher.parent}:{engine_environment['PATH']}"}
    words = ["sh", "-euc", script]
    done = subprocess.run(
        words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")
    page = (tmp_path / "sum" / "report.html").read_text()
    assert page.startswith("<!doctype html>") and "ann" in page
