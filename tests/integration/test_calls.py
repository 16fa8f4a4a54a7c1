"""Functions called across the wall, and the cheats that aim at a grader in the same process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless import Limits, Sandbox
from pyrootless.errors import UsageError
from pyrootless.sandbox import CallFailed, call

pytestmark = pytest.mark.usefixtures("engine")


def test_values_cross_and_come_back() -> None:
    source = "def same(*a, **k):\n    print('shown')\n    return a, k"
    with call(source, "same") as same:
        given = (1, "é", b"\x00", (1.5, None), {1, 2}, {"k": [True]}, {(1, 2): 3})
        assert same(*given, x=2j) == (given, {"x": 2j})
        assert same.attempt(1).outcome.stdout == b"shown\n"


def test_arguments_changed_in_place_and_classes() -> None:
    source = "class Box:\n    @staticmethod\n    def sort(values): values.sort()"
    called = call(source, "Box.sort").attempt([3, 1, 2])
    assert (called.ok, called.value, called.args) == (True, None, ([1, 2, 3],))


def test_each_call_is_a_box_of_its_own() -> None:
    source = (
        "import os\nn = 0\ndef f():\n    global n\n    n += 1\n"
        "    open('left', 'a').write('x')\n    return n, sorted(os.listdir('.'))"
    )
    with call(source, "f") as f:
        assert f() == f() == (1, [".result", "left", "solution.py"])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import os; os._exit(0)", "it ended without returning"),
        (r"raise ValueError('\x1b[2J')", r"ValueError: \x1b[2J"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("while True: pass", "TLE: used more processor time than allowed"),
        ("return object()", "TypeError: object is no plain data"),
        ("import os; os.kill(os.getpid(), 9)", "SG: ended by a signal"),
        (
            "return 'x' * 5_000_000",
            "OLE: the result is too large: 5000069 bytes as text; a call may return 4MiB",
        ),
        (
            "return 'x' * 50_000_000",
            "OLE: the result is too large: 50000069 bytes as text; a call may return 4MiB",
        ),
    ],
)
def test_failures_fail_this_call_alone(body: str, why: str) -> None:
    source = f"def f(fail):\n    if fail:\n        {body}\n    return 5"
    with call(source, "f", limits=Limits(cpu="1s", wall="30s")) as f:
        with pytest.raises(CallFailed) as failed:
            f(True)
        assert failed.value.called.why == why
        assert f(False) == 5


LARGE_FILE = """
import os
with open(".result", "wb") as stream: stream.write(bytes(4 << 20 | 1))
os._exit(0)
"""
ALIKE = """
def f():
    first = (0,) * 300
    return {(*first, n * (2**61 - 1)) for n in range(300)}
"""


def test_a_result_that_this_process_does_not_take_over() -> None:
    called = call(LARGE_FILE, "f").attempt()
    assert (called.ok, called.outcome.verdict.name) == (False, "OLE")
    assert called.why == (
        "OLE: the result is too large: 4194305 bytes as text; a call may return 4MiB"
    )
    called = call(ALIKE, "f", limits=Limits(cpu="10s", wall="60s")).attempt()
    assert (called.ok, called.outcome.verdict.name) == (False, "OLE")
    assert called.why == "OLE: the result is too costly: too many values of one hash"


def test_equality_that_is_always_true_is_compared_as_data() -> None:
    source = (
        "class Always(int):\n    def __eq__(self, other): return True\n"
        "    __hash__ = int.__hash__\ndef area(a, b): return Always(0)"
    )
    value = call(source, "area")(3, 4)
    assert value != 12
    assert type(value) is int


FORGED = """
import os, sys
for name in (".result", "/proc/self/fd/3", "/dev/stdout"):
    try: open(name, "w").write('{"$tuple":["0", "value", 12, []]}')
    except OSError: pass
os._exit(0)
"""


def test_a_forged_answer_without_the_nonce_is_none() -> None:
    called = call(FORGED, "area").attempt(3, 4)
    assert (called.ok, called.why) == (False, "it ended without returning")


def test_a_link_instead_of_an_answer_is_none() -> None:
    source = (
        "import os\nos.unlink('.result')\nos.symlink('/etc/passwd', '.result')\nos._exit(0)"
    )
    assert not call(source, "f").attempt().ok


def test_patches_of_the_grader_reach_nobody() -> None:
    source = (
        "import builtins, json, sys, traceback\n"
        "builtins.isinstance = lambda *a: True\njson.dumps = lambda *a, **k: '12'\n"
        "sys.modules['pytest'] = None\ndef area(a, b): return 0"
    )
    assert not call(source, "area").attempt(3, 4).ok
    assert isinstance(3, int) and not isinstance(3, str)


def test_tests_are_not_there_to_be_read() -> None:
    source = (
        "import os, sys\ndef f():\n"
        "    seen = [a for a in sys.argv] + os.listdir('.') + list(os.environ.values())\n"
        "    for p in filter(str.isdigit, os.listdir('/proc')):\n"
        "        seen.append(open(f'/proc/{p}/cmdline').read())\n"
        "    return seen"
    )
    seen = " ".join(call(source, "f")())
    assert Path(__file__).name not in seen
    assert str(Path(__file__).parent) not in seen


def test_sources_that_do_not_load() -> None:
    assert call("def f(:", "f").attempt().why.startswith("SyntaxError: ")
    assert call("x = 1", "f").attempt().why.startswith("AttributeError: ")
    with pytest.raises(UsageError, match="no name of a function"):
        call("", "__import__('os')")
    with pytest.raises(TypeError, match="no plain data"):
        call("def f(x): pass", "f")(object())


def test_files_beside_it_and_sandbox(tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text("import other\ndef f(): return other.N + len(open('data').read())")
    with Sandbox(limits=Limits(memory="64M")) as box:
        box.put({"other.py": b"N = 1", "data": b"abc"})
        assert box.call(main, "f")() == 4
