"""sandbox.warm.interpreter: which commands may begin warm, and by which interpreter."""

from __future__ import annotations

import pytest

from pyrootless.errors import UsageError
from pyrootless.sandbox.box import Program
from pyrootless.sandbox.warm.interpreter import Warm, as_warm, warm_for

PLAIN = ("python3",)
ISOLATED = ("python3", "-I")
DEV = ("python3", "-X", "dev")
# A command, the interpreter that is asked for → the words that start its zygote; None: cold.
COMMANDS = [
    ("python3 x.py", PLAIN, "python3"),
    ("python3 ./x.py -c", PLAIN, "python3"),
    ("python3 -c code", PLAIN, "python3"),
    ("python3 -m module a", PLAIN, "python3"),
    ("python3 -B -I x.py", PLAIN, "python3 -B -I"),
    ("python3 -IBu -c code", PLAIN, "python3 -IBu"),
    ("python3 -I -B x.py", ISOLATED, "python3 -I -B"),
    ("python3 -X dev x.py", DEV, "python3 -X dev"),
    ("python3", PLAIN, None),
    ("python3 -B", PLAIN, None),
    ("python3 -c", PLAIN, None),
    ("python3 -m", PLAIN, None),
    ("python3 -", PLAIN, None),
    ("python3 - x.py", PLAIN, None),
    ("python3 -i x.py", PLAIN, None),
    ("python3 -V", PLAIN, None),
    ("python3 -X dev x.py", PLAIN, None),
    ("python3 -Wignore x.py", PLAIN, None),
    ("python3 -ccode", PLAIN, None),
    ("python3 --help", PLAIN, None),
    ("python3 x.py", ISOLATED, None),
    ("python3.13 x.py", PLAIN, None),
    ("sh x.py", PLAIN, None),
]


@pytest.mark.parametrize(("command", "interpreter", "words"), COMMANDS)
def test_a_command_and_its_interpreter(
    command: str, interpreter: tuple[str, ...], words: str | None
) -> None:
    program = Program(tuple(command.split()), ())
    found = warm_for(program, Warm(("json",), interpreter))
    assert found == (None if words is None else Warm(("json",), tuple(words.split())))


def test_true_is_a_plain_python() -> None:
    asked = Warm(("json",), ISOLATED)
    assert [as_warm(warm) for warm in (True, False, asked)] == [Warm(), None, asked]


@pytest.mark.parametrize("name", ["a b", "", "1a", "a..b", "a.", "os;x", "-c"])
def test_what_is_no_module(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a module"):
        Warm((name,))
