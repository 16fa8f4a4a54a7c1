"""pyrootless.sandbox.verdict: one word a run, and the rule of precedence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyrootless.sandbox.verdict import End, Verdict, judge

FINE = End(
    killed_for="",
    flags=frozenset(),
    exit_code=0,
    signal=None,
    running=False,
    files_bad=False,
)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "OK"),
        ({"exit_code": 1}, "RE"),
        ({"exit_code": None, "signal": 11}, "SG"),
        ({"exit_code": None, "signal": 31}, "SV"),
        ({"exit_code": None, "signal": 24}, "TLE"),
        ({"exit_code": None, "signal": 25}, "DLE"),
        ({"exit_code": None, "signal": 9, "killed_for": "cpu"}, "TLE"),
        ({"exit_code": None, "signal": 9, "killed_for": "idle"}, "ILE"),
        ({"exit_code": None, "signal": 9, "killed_for": "wall"}, "ILE"),
        ({"exit_code": None, "signal": 9, "killed_for": "wall", "running": True}, "TLE"),
        ({"exit_code": None, "signal": 9, "killed_for": "memory"}, "MLE"),
        ({"exit_code": None, "signal": 9, "flags": {"memory"}}, "MLE"),
        ({"exit_code": None, "signal": 9, "killed_for": "stdout"}, "OLE"),
        ({"exit_code": None, "signal": 9, "killed_for": "stderr"}, "OLE"),
        ({"exit_code": 1, "flags": {"disk"}}, "DLE"),
        ({"flags": {"inodes"}}, "DLE"),
        ({"flags": {"cpu"}}, "TLE"),
        ({"flags": {"processes"}}, "OK"),
        ({"files_bad": True}, "FE"),
        ({"files_bad": True, "exit_code": 2}, "RE"),
        # What we ended it for wins over what else was touched.
        ({"signal": 9, "killed_for": "stdout", "flags": {"stdout", "cpu", "memory"}}, "OLE"),
        ({"exit_code": None, "signal": 11, "flags": {"memory", "disk"}}, "MLE"),
    ],
)
def test_precedence(change: dict[str, object], verdict: str) -> None:
    assert judge(replace(FINE, **change)).name == verdict  # type: ignore[arg-type]


def test_a_word_and_a_sentence() -> None:
    assert str(Verdict.TLE) == "TLE"
    assert Verdict.TLE.value == "used more processor time than allowed"
