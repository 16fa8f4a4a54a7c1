"""What warm runs need of the kernel: without it an error names the call, or it is not needed.

In: deny.c, which makes the named calls answer ENOSYS.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Place

# `warm` is refused; the same program in cold boxes is not.
READY = """
import sys
from pyrootless.errors import HostUnsupportedError
from pyrootless.sandbox import ReadyBoxes
for warm in (True, False):
    try:
        with ReadyBoxes(size=1, warm=warm) as boxes:
            print(warm, boxes.run(["python3", "-c", "print(1)"]).stdout)
    except HostUnsupportedError as error:
        print(warm, *str(error).splitlines(), sep="|")
"""
ENOSYS = "Function not implemented"
NEEDS = (
    "  remedy: warm runs need setns(2) of a pidfd (Linux 5.8) and close_range(2) (5.9), which "
    "the kernel lacks or a filter hides; leave `warm` out, the verdicts are the same; see: "
    "uname -r"
)


def said(place: Place, program: str, before: Sequence[str | Path]) -> list[str]:
    """Lines that a Python program of this place wrote."""
    done = subprocess.run(
        [*map(str, before), sys.executable, "-c", program],
        env=place.environment,
        cwd=place.base,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("missing", "first"),
    [
        ("setns", f"warm: setns(the zygote's namespaces): {ENOSYS}"),
        ("close_range", f"warm: close_range(descriptors of the zygote): {ENOSYS}"),
    ],
)
def test_what_is_missing_is_named(missing: str, first: str, deny: Path, place: Place) -> None:
    lines = said(place, READY, [deny, missing, "--"])
    assert lines == [f"True|{first}|{NEEDS}|  more: pyrootless doctor kernel", "False b'1\\n'"]
    assert place.left() == []


@pytest.mark.parametrize("missing", ["pidfd_open", "clone3", "perf_event_open"])
def test_what_is_not_needed_may_be_missing(missing: str, deny: Path, place: Place) -> None:
    lines = said(place, READY, [deny, missing, "--"])
    assert lines == ["True b'1\\n'", "False b'1\\n'"]
    assert place.left() == []
