"""A program that takes all permissions from its own root: its files are read all the same.

In: every way in which files of a box come back to its caller.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyrootless.sandbox import ReadyBoxes, Sandbox, call, run
from pyrootless.sandbox.outcome import Outcome

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.needs("user-namespaces")]

SHUT = "import os; open('out', 'w').write('42'); [os.chmod(n, 0) for n in ('.', '/')]"
WORDS = ["python3", "-c", SHUT]


def found(outcome: Outcome) -> tuple[str, dict[str, bytes], dict[str, str]]:
    return outcome.verdict.name, dict(outcome.files), dict(outcome.files_bad)


RIGHT = ("OK", {"out": b"42"}, {})


def test_a_run() -> None:
    assert found(run(WORDS, collect=["out"])) == RIGHT


@pytest.mark.parametrize("warm", [False, True])
def test_a_ready_box(warm: bool) -> None:
    with ReadyBoxes(size=1, warm=warm) as boxes:
        assert found(boxes.run(WORDS, collect=["out"])) == RIGHT


def test_what_is_kept() -> None:
    with Sandbox() as box:
        assert found(box.run(WORDS, keep=True, collect=["out"])) == RIGHT
        assert box.run(["cat", "out"]).stdout == b"42"


def test_a_function() -> None:
    source = "import os\ndef f():\n    os.chmod('/', 0)\n    return 42\n"
    assert call(source, "f")() == 42


def test_isolate(engine_environment: dict[str, str]) -> None:
    program = str(Path(sys.executable).parent / "pyrootless-isolate")

    def isolate(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "--box-id=11", *words],
            env=engine_environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    place = Path(isolate("--init").stdout.strip())
    try:
        done = isolate("-s", "-M", "-", "-E", "PATH=/usr/bin:/bin", "--run", "--", *WORDS)
        assert (done.returncode, done.stderr) == (0, "")
        assert "status" not in done.stdout
        assert (place / "box" / "out").read_text() == "42"
        assert os.access(place / "box", os.R_OK | os.W_OK | os.X_OK)
    finally:
        assert isolate("--cleanup").returncode == 0
