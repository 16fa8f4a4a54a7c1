"""A machine that `make test` has set up misses no program that a test needs.

In: tests/facts.py and tools/packages.txt.  Out: the packages that nothing would install.
"""

from __future__ import annotations

from pathlib import Path

import facts

PACKAGES = Path(__file__).resolve().parents[2] / "tools" / "packages.txt"
# Brought by another package of the list.
BROUGHT = {"default-jre-headless": "default-jdk-headless"}


def test_every_program_a_test_needs_is_installed_beforehand() -> None:
    rows = [line.split() for line in PACKAGES.read_text().splitlines() if line[:1] not in "#"]
    installed = {package for purpose, package in rows if purpose in ("build", "test")}
    needed = {BROUGHT.get(package, package) for package in facts.PROGRAMS.values()}
    assert needed - installed == set()
