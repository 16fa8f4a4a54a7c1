"""Files that a box's disk cannot hold, which a submission made too large: its outcome.

In: gcc, python3.  Out: DLE with the file's name, CE where it is the compiler's box.
Never: an exception, or another run's end.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrootless.errors import UsageError
from pyrootless.sandbox import Limits, ReadyBoxes, Sandbox, call, run
from pyrootless.sandbox.calls.functions import CallFailed
from pyrootless.sandbox.concurrency import Quiet
from pyrootless.sandbox.isolate.place import Place
from pyrootless.sandbox.isolate.run import Wish, run_in_place
from pyrootless.sandbox.jobe.runs import RUN_ERROR, parse_spec, run_spec
from pyrootless.sandbox.outcome import Outcome
from pyrootless.sandbox.verdict import Verdict

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.needs("user-namespaces", "gcc")]
Runner = Callable[..., "subprocess.CompletedProcess[str]"]

LARGE = "char a[17 << 20] = {1}; int main(void) { return a[0] - 1; }"
SMALL = LARGE.replace("17", "1")
LIMITS = Limits(disk="4M", inodes=100)
MANY = {f"f{number}": b"" for number in range(100)}


def check(outcome: Outcome, limit: str, most: str, name: str) -> None:
    assert (outcome.verdict, outcome.flags) == (Verdict.DLE, {limit})
    assert outcome.cause == f"{limit}: the files put in are more than its {most}, at {name}"
    assert set(outcome.enforced) == {"disk", "inodes"}  # nothing ran that another one held
    assert (outcome.exit_code, outcome.signal, outcome.cpu_ns, outcome.wall_ns) == (
        (None, None, 0, 0)
    )
    assert (outcome.stdout, outcome.files, outcome.files_bad) == (b"", {}, {})


def test_what_was_compiled() -> None:
    with Sandbox(limits=LIMITS) as box:
        built = box.compile({"a.c": LARGE.encode()})
        check(box.run(built, collect=["out"]), "disk", "4194304 bytes", "prog")
        assert box.run(box.compile({"a.c": SMALL.encode()})).ok


def test_a_source() -> None:
    with Sandbox(limits=LIMITS) as box:
        large = box.compile({"a.py": b"#" * (5 << 20)})
        check(box.run(large), "disk", "4194304 bytes", "a.py")
        built = box.compile({"a.c": LARGE.encode()}, limits=LIMITS)
        assert (built.ok, built.outcome and built.outcome.verdict) == (False, Verdict.CE)
        unfit = box.compile({"a.c": b"/" * (5 << 20)}, limits=LIMITS).outcome
        assert unfit is not None and unfit.verdict is Verdict.CE
        assert unfit.cause == (
            "DLE: disk: the files put in are more than its 4194304 bytes, at a.c"
        )


@pytest.mark.parametrize("rungs", ["best", "least"])
def test_files_of_a_run(rungs: str) -> None:
    outcome = run(["true"], files={"a": bytes(5 << 20)}, limits=LIMITS, rungs=rungs)
    check(outcome, "disk", "4194304 bytes", "a")
    outcome = run(["true"], files=MANY, limits=LIMITS, rungs=rungs)
    assert (outcome.verdict, outcome.flags) == (Verdict.DLE, {"inodes"})
    assert "more than its 100 files, at f" in outcome.cause
    assert run(["true"], files={"a": bytes(3 << 20)}, limits=LIMITS, rungs=rungs).ok


@pytest.mark.parametrize("warm", [False, True])
def test_a_ready_box(warm: bool) -> None:
    words = ["python3", "-c", "print(1)"]
    with ReadyBoxes(size=1, limits=LIMITS, warm=warm) as boxes:
        check(boxes.run(words, files={"d/a": bytes(5 << 20)}), "disk", "4194304 bytes", "d/a")
        assert boxes.run(words).text == "1\n"


def test_a_function() -> None:
    with pytest.raises(CallFailed, match="DLE: filled its disk"):
        call(f"def f(): return 1\n#{'#' * (5 << 20)}", "f", limits=LIMITS)()


def test_jobe() -> None:
    document = {"language_id": "c", "sourcecode": LARGE, "parameters": {"disklimit": 4}}
    result = run_spec(parse_spec({"run_spec": document}), lambda name: None, Quiet())
    assert result["outcome"] == RUN_ERROR
    assert "more than its 4194304 bytes, at prog***" in result["stderr"]


def test_isolate(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "a").write_bytes(bytes(5 << 20))
    with pytest.raises(UsageError, match="more than its 4194304 bytes, at a"):
        run_in_place(place, Wish(("true",), "/box", {"PATH": "/usr/bin"}, LIMITS))
    assert (tmp_path / "box" / "a").stat().st_size == 5 << 20


def test_a_batch(pyrootless: Runner, tmp_path: Path) -> None:
    """One submission of three: its tests are DLE, and the others have their points."""
    (tmp_path / "TASK.toml").write_text(
        '[limits]\ndisk = "4M"\n[[group]]\nname = "a"\npoints = 1\ntests = "*.in"\n'
    )
    for test in ("1", "2"):
        (tmp_path / f"{test}.in").write_text("")
        (tmp_path / f"{test}.ans").write_text("1")
    sources = {
        "ann.py": "print(1)",
        "bob.c": LARGE.replace("{ return", '{ puts("1"); return'),
        "cy.c": SMALL.replace("{ return", '{ puts("1"); return'),
    }
    for name, text in sources.items():
        head = "#include <stdio.h>\n" if name.endswith(".c") else ""
        (tmp_path / name).write_text(head + text)
    paths = [tmp_path / name for name in sources]
    done = pyrootless("judge", "--json", "-", tmp_path / "TASK.toml", *paths)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["submissions"]
    assert [(row["name"], row["verdict"]) for row in found] == [
        ("ann.py", "AC"),
        ("bob.c", "DLE"),
        ("cy.c", "AC"),
    ]
    texts = [test["text"] for group in found[1]["groups"] for test in group["tests"]]
    assert texts == ["disk: the files put in are more than its 4194304 bytes, at prog"] * 2
