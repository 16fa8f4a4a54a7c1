"""tests/vm: a copy of the checkout can be reached by the guest's user."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

VM = Path(__file__).resolve().parents[2] / "vm"


def open_parents(target: str) -> str:
    """As tests/vm/base.py has it, whose import changes PATH: in a process of its own."""
    program = f"import base; print(base.open_parents({target!r}))"
    words = [sys.executable, "-B", "-c", program]
    done = subprocess.run(words, cwd=VM, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_closed_directory_above_the_copy_lets_its_user_pass(tmp_path: Path) -> None:
    """As /root is closed in the guest, where a checkout of root's lies."""
    for name in ("root", "root/src", "root/src/tree"):
        (tmp_path / name).mkdir(mode=0o700)
    line = open_parents("/root/src/tree").replace("/root", shlex.quote(f"{tmp_path}/root"))
    subprocess.run(["sh", "-ec", line], check=True)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("root", "root/src")]
    assert modes == [0o711, 0o711]
    assert (tmp_path / "root/src/tree").stat().st_mode & 0o777 == 0o700


def test_nothing_is_opened_above_a_directory_of_the_root() -> None:
    assert open_parents("/work") == ":"


def test_what_cannot_be_changed_is_left() -> None:
    subprocess.run(["sh", "-ec", open_parents("/proc/sys/kernel")], check=True)
