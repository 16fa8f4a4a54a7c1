"""`import pyrootless` is light, and every public name is there."""

from __future__ import annotations

import subprocess
import sys

import pyrootless

HEAVY = ("argparse", "asyncio", "ctypes", "json", "subprocess", "pyrootless.core._containers")


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, pyrootless; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=str(__import__("pathlib").Path(pyrootless.__file__).parents[1]),
    )
    loaded = set(done.stdout.split())
    assert "pyrootless" in loaded
    assert [name for name in HEAVY if name in loaded] == []
    assert [name for name in loaded if name.startswith("pyrootless.")] == []


def test_errors_and_result_are_public() -> None:
    from pyrootless.errors import LaunchError
    from pyrootless.result import Result

    assert pyrootless.LaunchError is LaunchError
    assert pyrootless.Result is Result
    assert "LaunchError" in dir(pyrootless)


def test_unknown_names_are_attribute_errors() -> None:
    assert not hasattr(pyrootless, "no_such_name")
