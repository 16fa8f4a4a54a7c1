"""`warm=` of `run`, `Sandbox` and `call`: where it holds, where it is refused, how it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyrootless.errors import HostUnsupportedError, UsageError
from pyrootless.sandbox import CallFailed, Limits, Sandbox, Warm, call, run, run_async
from pyrootless.sandbox.runs import Job
from pyrootless.sandbox.warm import cache
from pyrootless.sandbox.warm import kinds as shelf_module
from pyrootless.sandbox.warm.interpreter import Zygote
from pyrootless.sandbox.warm.kinds import Shelf
from pyrootless.sandbox.warm.ready import ReadyBox

pytestmark = pytest.mark.usefixtures("engine")

LIMITS = Limits(cpu="2s", wall="60s", memory="64M", procs=16)
ONE = ["python3", "-c", "print(1)"]


@pytest.fixture(autouse=True)
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """The boxes that `run` keeps, of one test alone."""
    with Shelf(1) as own:
        monkeypatch.setattr(cache, "_shelf", lambda: own)
        yield own


def test_a_call_begins_warm_where_that_is_asked_for() -> None:
    outcomes = [run(ONE, limits=LIMITS, warm=warm) for warm in (False, True, True)]
    assert [outcome.stdout for outcome in outcomes] == [b"1\n"] * 3
    assert [outcome.warm for outcome in outcomes] == [False, True, True]


def test_everything_else_of_a_call_is_as_without_warm() -> None:
    code = "import os; open('out', 'w').write(input() + open('in').read() + os.environ['A'])"
    outcome = run(
        ["python3", "-B", "-c", code],
        files={"in": b"file"},
        stdin=b"input\n",
        env={"PATH": "/usr/bin:/bin", "A": "env"},
        limits=LIMITS,
        collect=["out"],
        warm=True,
    )
    assert (outcome.files, outcome.warm) == ({"out": b"inputfileenv"}, True)


def test_options_of_the_command_are_the_interpreters() -> None:
    code = "import sys; print(sys.flags.isolated, sys.flags.optimize, sys.orig_argv)"
    args = ["python3", "-IB", "-O", "-c", code]
    cold, warm = run(args, limits=LIMITS), run(args, limits=LIMITS, warm=True)
    assert (warm.stdout, warm.warm) == (cold.stdout, True)
    assert warm.stdout.startswith(b"1 1 ")


def test_modules_are_there() -> None:
    code = "import sys; print('decimal' in sys.modules)"
    said = [run(["python3", "-c", code], warm=w).stdout for w in (True, Warm(("decimal",)))]
    assert said == [b"False\n", b"True\n"]


@pytest.mark.parametrize(
    "words", [["true"], ["python3"], ["python3", "-X", "dev", "x"], ["python3", "-i", "x"]]
)
def test_other_programs_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="a warm box runs python3 FILE, python3 -c CODE or"):
        run(words, warm=True)


@pytest.mark.needs("pasta")
def test_a_network_is_refused() -> None:
    with pytest.raises(UsageError, match="a warm run has no allow_hosts"):
        run(ONE, warm=True, allow_hosts=["192.0.2.1"])


def test_too_few_descriptors_are_refused() -> None:
    with pytest.raises(UsageError, match="open_files of 16 or more"):
        run(ONE, warm=True, limits=Limits(open_files=8))


def test_the_kind_used_longest_ago_makes_room(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf
) -> None:
    monkeypatch.setattr(shelf_module, "_MOST_KINDS", 2)
    for megabytes in (64, 65, 64, 66):
        assert run(ONE, limits=Limits(memory=f"{megabytes}M"), warm=True).warm
    assert [kind.limits[0] for kind in shelf._stocks] == ["64M", "66M"]
    # A cold kind takes nobody's place.
    box = Sandbox(shelf=shelf)
    assert [box.run(["true"]).ok for _ in range(3)] == [True] * 3
    assert len(shelf._stocks) == 2


def test_threads_and_an_event_loop_share_what_is_kept() -> None:
    def square(number: int) -> bytes:
        return run(["python3", "-c", f"print({number}**2)"], limits=LIMITS, warm=True).stdout

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(square, range(8)))
    assert said == [b"%d\n" % n**2 for n in range(8)]
    outcome = asyncio.run(run_async(ONE, limits=LIMITS, warm=True))
    assert (outcome.stdout, outcome.warm) == (b"1\n", True)


FORKS = """
import os, sys
from pyrootless.sandbox import run
def one(): return run(["python3", "-c", "print(1)"], warm=True)
print(one().warm, flush=True)
child = os.fork()
if child == 0:
    print(one().warm, flush=True)
    sys.exit()
os.wait()
print(one().warm)
"""


def test_a_forked_copy_keeps_boxes_of_its_own() -> None:
    words = [sys.executable, "-W", "ignore", "-c", FORKS]
    done = subprocess.run(words, capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"True\nTrue\nTrue\n", b"")


# --- several steps ---


def test_steps_in_python_begin_warm_and_others_cold() -> None:
    with Sandbox(limits=LIMITS, warm=True) as box:
        built = box.compile({"main.py": b"import sys; print(sys.argv[1])"})
        steps = [box.run(built, args=["a"]), box.run(["sh", "-c", "echo b"]), box.run(ONE)]
    assert [step.stdout for step in steps] == [b"a\n", b"b\n", b"1\n"]
    assert [step.warm for step in steps] == [True, False, True]


def test_what_a_warm_step_leaves_is_the_next_ones() -> None:
    with Sandbox(limits=LIMITS, warm=True) as box:
        first = box.run(["python3", "-c", "open('a', 'w').write('x')"], keep=True)
        second = box.run(["python3", "-c", "print(open('a').read())"])
    assert (first.warm, second.warm, second.stdout) == (True, True, b"x\n")


@pytest.mark.needs("pasta")
def test_a_step_with_a_network_begins_cold() -> None:
    with Sandbox(limits=LIMITS, warm=True, allow_hosts=["192.0.2.1"]) as box:
        outcome = box.run(ONE)
    assert (outcome.stdout, outcome.warm) == (b"1\n", False)


def test_steps_begin_cold_where_none_can_be_warm(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf
) -> None:
    tried, make_cold = [], shelf_module.make_ready

    def refuse(job: Job, zygote: Zygote | None) -> ReadyBox:
        if zygote is None:
            return make_cold(job, None)
        tried.append(job)
        raise HostUnsupportedError("warm: setns(the zygote's namespaces): no")

    monkeypatch.setattr(shelf_module, "make_ready", refuse)
    with Sandbox(limits=LIMITS, warm=True, shelf=shelf) as box:
        outcomes = [box.run(ONE) for _ in range(3)]
    assert [(each.stdout, each.warm) for each in outcomes] == [(b"1\n", False)] * 3
    assert shelf.cold_because == "warm: setns(the zygote's namespaces): no"
    assert len(tried) == 1
    with pytest.raises(HostUnsupportedError, match="setns"):
        run(ONE, warm=True)  # of one program it was a condition


# --- functions ---

SOURCE = "calls = []\ndef f(x):\n    calls.append(x)\n    return calls"


def test_calls_of_a_function_are_warm_and_apart() -> None:
    with call(SOURCE, "f", limits=LIMITS, warm=True) as f:
        called = [f.attempt(number) for number in range(3)]
    assert [(each.value, each.outcome.warm) for each in called] == [
        ([0], True),
        ([1], True),
        ([2], True),
    ]


def test_a_sandbox_calls_in_its_own_warm_boxes() -> None:
    with Sandbox(limits=LIMITS, warm=Warm(("decimal",))) as box:
        box.put({"data.txt": b"7"})
        source = "import sys\ndef f(): return open('data.txt').read(), 'decimal' in sys.modules"
        called = box.call(source, "f").attempt()
        assert (called.value, called.outcome.warm) == (("7", True), True)
        with pytest.raises(CallFailed, match="ZeroDivisionError"):
            box.call("def f(): 1 / 0", "f")()


def test_modules_of_the_driver_are_there_before_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one that the driver imports in any case, so a student's code sees no other."""
    source = "import sys\ndef f(): return sorted(sys.modules)"
    with call(source, "f", limits=LIMITS) as f:
        cold = set(f())
    with call(source, "f", limits=LIMITS, warm=True) as f:
        assert set(f()) - cold <= {"gc"}  # the zygote's own, built in
