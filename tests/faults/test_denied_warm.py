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
# One program is refused; a sandbox's step begins cold; so does a judge's, who says why.
OTHERS = """
from pathlib import Path
from pyrootless.cli import judge
from pyrootless.errors import HostUnsupportedError
from pyrootless.sandbox import Sandbox, run
ONE = ["python3", "-c", "print(1)"]
try:
    run(ONE, warm=True)
except HostUnsupportedError as error:
    print(str(error).splitlines()[0])
with Sandbox(warm=True) as box:
    for _ in range(3):
        outcome = box.run(ONE)
        print(outcome.stdout, outcome.warm)
group = "[[group]]\\nname = 'a'\\ntests = '*.in'\\n"
Path("TASK.toml").write_text("[task]\\nwarm = true\\n" + group)
Path("1.in").write_text("")
Path("1.ans").write_text("1")
Path("sum.py").write_text("print(1)")
judge.main(["TASK.toml", "sum.py"])
"""
NEEDS = (
    "  remedy: warm runs need setns(2) of a pidfd (Linux 5.8) and close_range(2) (5.9), which "
    "the kernel lacks or a filter hides; leave `warm` out, the verdicts are the same; see: "
    "uname -r"
)


def said(place: Place, program: str, before: Sequence[str | Path]) -> list[str]:
    """Lines that a Python program of this place wrote, those of standard error last."""
    done = subprocess.run(
        [*map(str, before), sys.executable, "-c", program],
        env=place.environment,
        cwd=place.base,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return (done.stdout + done.stderr).splitlines()


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


def test_cold_where_that_is_promised(deny: Path, place: Place) -> None:
    lines = said(place, OTHERS, [deny, "setns", "--"])
    missing = f"warm: setns(the zygote's namespaces): {ENOSYS}"
    assert lines[:4] == [missing, *["b'1\\n' False"] * 3]
    assert lines[5].split() == ["sum.py", "python", "AC", "0/0"]
    assert lines[6:] == [
        "sum.py: AC 0",
        f"programs began cold: {missing}",
        NEEDS,
        "  more: pyrootless doctor kernel",
    ]
    assert place.left() == []
