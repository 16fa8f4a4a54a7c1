"""`pyrootless bench`: measure containers on this machine, compared with other installed tools.

What comes in: options of benchmarks/bench.py, untouched.  What goes out: nothing: the benchmark
takes this process's place.
Must never: be slow to start, or know an option.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyrootless.errors import HostUnsupportedError

PLACE = Path("share", "pyrootless", "benchmarks", "bench.py")


def find_bench() -> Path:
    """The benchmark of the checkout this package lies in, or of the installed package.

    Raises:
        HostUnsupportedError: it is at neither place.
    """
    checkout = Path(__file__).resolve().parents[3] / "benchmarks" / "bench.py"
    for path in (checkout, Path(sys.prefix) / PLACE):
        if path.is_file():
            return path
    raise HostUnsupportedError(
        f"the benchmarks are not installed: {Path(sys.prefix) / PLACE} is not there",
        remedy="install the package again: pip install --force-reinstall pyrootless",
    )


def main(args: list[str]) -> int:
    """Become the benchmark."""
    os.execv(sys.executable, [sys.executable, "-B", str(find_bench()), *args])
    raise AssertionError("execv returned")
