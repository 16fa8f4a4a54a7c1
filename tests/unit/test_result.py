"""pyrootless.result: what is derived from a record."""

from __future__ import annotations

from dataclasses import replace

from pyrootless.result import Result

DONE = Result(("true",), "exit", 0, None, b"a\xff", b"", 5, 3, 1, 4096)


def test_success() -> None:
    assert DONE.ok
    assert (DONE.shell_code, DONE.cpu_ns, DONE.text) == (0, 4, "a\ufffd")


def test_failure_and_signal() -> None:
    assert not replace(DONE, exit_code=3).ok
    assert replace(DONE, exit_code=3).shell_code == 3
    killed = replace(DONE, ended_by="timeout", exit_code=None, signal=9)
    assert (killed.ok, killed.shell_code) == (False, 137)
