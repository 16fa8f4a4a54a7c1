"""C tests as pytest items.

In: tests/csrc/*/test_*.c, programs on tests/csrc/check.h (c_programs.py tells how they name
what they need).
Out: one item per TEST(name), run as `program name`.  Never: a file outside the build directory.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from c_programs import CompileError, program_of

TEST = re.compile(r"^TEST\((\w+)\)", re.MULTILINE)
TIMEOUT_SECONDS = 120


class CheckItem(pytest.Item):
    """One TEST of a C program."""

    def runtest(self) -> None:
        """Run `program name`; the program must say "ok name" and end with 0."""
        done = subprocess.run(
            [str(program_of(self.path)), self.name],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        output = f"{done.stdout}{done.stderr}"
        lines = done.stdout.splitlines()
        for line in lines:
            if line.startswith(f"skip {self.name}"):
                pytest.skip(line.removeprefix(f"skip {self.name}").strip(" :"))
        if done.returncode != 0 or f"ok {self.name}" not in lines:
            raise CompileError(f"{output.strip()}\nexit status {done.returncode}")

    def repr_failure(self, excinfo, style=None):  # type: ignore[no-untyped-def]
        """What the compiler or the program said, without a Python traceback."""
        if isinstance(excinfo.value, CompileError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the test stands."""
        return self.path, 0, self.name


class CheckFile(pytest.File):
    """A tests/csrc/*/test_*.c file."""

    def collect(self) -> Iterator[CheckItem]:
        """One item per TEST, in the order of the file."""
        for name in TEST.findall(self.path.read_text()):
            yield CheckItem.from_parent(self, name=name)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CheckFile | None:
    """Take the C files that pytest itself would pass over."""
    if file_path.suffix == ".c" and file_path.name.startswith("test_"):
        return CheckFile.from_parent(parent, path=file_path)
    return None
