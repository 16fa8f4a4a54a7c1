"""docs/volumes.md: its commands do what the page says they do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "volumes.md"
PRINTED = re.compile(
    r"(?:This prints|Then the store has none):\n\n```\n(.*?)^```$", re.M | re.S
)
pytestmark = pytest.mark.needs("user-namespaces")


def test_the_commands_of_the_page(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    script = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.M | re.S))
    path = f"{launcher.parent}:{engine_environment['PATH']}"
    env = {**engine_environment, "PATH": path, "PYROOTLESS_ROOT": str(tmp_path / "store")}
    words = ["sh", "-euc", script]
    done = subprocess.run(
        words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    printed = "".join(PRINTED.findall(PAGE.read_text()))
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")
