"""The hostile corpus against real boxes: its verdicts, and nothing changed outside.

An ordinary run takes one way; `make test-hostile` (PYROOTLESS_TEST_HOSTILE=all) takes all.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyrootless.sandbox import session
from pyrootless.sandbox.collect import Collected
from pyrootless.sandbox.runs import Job
from pyrootless.sandbox.selftest.attacks import Attack, find_attacks, own_corpus, parse_attack
from pyrootless.sandbox.selftest.certificate import WAYS, Case, Certificate, certify
from pyrootless.sandbox.warm.ready import ReadyBox, ReadyBoxes

pytestmark = [
    pytest.mark.alone,
    pytest.mark.usefixtures("engine"),
    pytest.mark.needs("gcc", "g++"),
]

ATTACKS = find_attacks()
ALL = os.environ.get("PYROOTLESS_TEST_HOSTILE") == "all"
Runner = Callable[..., "subprocess.CompletedProcess[str]"]


def wrong_of(certificate: Certificate) -> dict[str, tuple[str, ...]]:
    return {case.attack: case.wrong for case in certificate.cases if case.wrong}


@pytest.mark.parametrize("way", WAYS if ALL else ["eight", "warm"])
def test_every_attack_is_withstood(way: str) -> None:
    certificate = certify(ATTACKS, [way])
    if way in certificate.not_tried:
        pytest.skip(certificate.not_tried[way])
    assert (wrong_of(certificate), certificate.left) == ({}, ())
    mine = [each for each in ATTACKS if not WAYS[way].warm or each.path.suffix == ".py"]
    missing = certificate.not_tried.keys() & {each.name for each in mine}
    assert len(certificate.cases) + len(missing) == len(mine) > 5


def in_a_ready_box(job: Job) -> tuple[dict[str, Any], Collected]:
    """One step of a sandbox in a box that waited for it."""
    ready = ReadyBox(job)
    try:
        return ready.run_for_facts(job)
    finally:
        ready.close()


@pytest.mark.skipif(not ALL, reason="in ready boxes too: `make test-hostile` alone")
@pytest.mark.parametrize("way", [way for way in WAYS if not WAYS[way].warm])
def test_every_attack_is_withstood_by_a_ready_box(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "run_for_facts", in_a_ready_box)
    test_every_attack_is_withstood(way)


def one(tmp_path: Path, name: str, text: str) -> Case:
    """The case of an attack that a test wrote itself."""
    path = tmp_path / name
    path.write_text(text)
    [case] = certify([parse_attack(path, text)], ["no-groups"]).cases
    return case


HEAD = "# attack: a test\n# verdict: {}\n# outside: nothing changes\n"

# What is wrong → the program that shows whether the harness sees it.
SEEN = [
    ("SV and not OK", "OK", "", "import ctypes; ctypes.CDLL(None).umount2(b'/', 0)"),
    ("RE and not OK", "OK", "", "raise SystemExit(1)"),
    ("exit-code is 3", "RE", "# holds: exit-code 4..5\n", "raise SystemExit(3)"),
    ("of its processor time is on the bill", "OK", "# burns: 900s\n", "pass"),
]


@pytest.mark.parametrize(("words", "verdict", "more", "body"), SEEN)
def test_the_harness_sees_what_goes_wrong(
    tmp_path: Path, words: str, verdict: str, more: str, body: str
) -> None:
    case = one(tmp_path, "own.py", HEAD.format(verdict) + more + "\n" + body + "\n")
    assert any(words in text for text in case.wrong), case.wrong


def test_an_own_attack_is_run_and_reported(pyrootless: Runner, tmp_path: Path) -> None:
    own = tmp_path / "own.sh"
    own.write_text(HEAD.format("RE") + "\nexit 4\n")
    words = ("selftest", "--hostile", "--way", "eight", "--json", "--only", "own.sh", own)
    done = pyrootless(*words)
    report = json.loads(done.stdout)
    [case] = report["cases"]
    assert (done.returncode, report["ok"], case["verdict"]) == (0, True, "RE")
    own.write_text(HEAD.format("OK") + "\nexit 4\n")
    done = pyrootless(*words)
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (1, False)


def test_the_certificate_names_rungs_and_excess(pyrootless: Runner) -> None:
    only = ("--only", "cpu-loop.c", "--only", "flood-stdout.c")
    done = pyrootless("selftest", "--hostile", "--way", "no-groups", *only)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert rows["memory"][:4] == ["memory", "no-groups", "watchdog", "no"]
    assert rows["stdout"][1:] == ["no-groups", "pipe", "yes", "1", "0", "B"]
    assert rows["cpu"][4] == "1" and rows["cpu"][-1] == "ms"
    assert "2 of 2 cases held" in done.stdout


def attack_names() -> list[str]:
    return [attack.name for attack in ATTACKS]


def test_the_corpus_is_all_there() -> None:
    files = {path.name for path in own_corpus().iterdir() if path.is_file()}
    assert files - {"README.md"} == set(attack_names())


def described(attack: Attack) -> bool:
    return bool(attack.about and attack.outside and attack.verdicts)


def test_each_attack_says_what_it_is() -> None:
    assert [attack.name for attack in ATTACKS if not described(attack)] == []


def test_boxes_that_wait_meanwhile_are_not_called_left() -> None:
    [attack] = [each for each in ATTACKS if each.name == "sleep.c"]
    with ReadyBoxes(size=1):
        certificate = certify([attack], ["eight"])
    assert (wrong_of(certificate), certificate.left) == ({}, ())
