"""pyrootless.cli.system.doctor: table, JSON, exit code."""

from __future__ import annotations

import json

import pytest

from pyrootless.cli.main import main
from pyrootless.cli.system import doctor
from pyrootless.host import doctor as host

GOOD = host.Entry("kernel", "ok", "now", "Linux 6.18.")
BAD = host.Entry(
    "overlay", "missing", "now", "Images cannot be mounted.", "sudo modprobe overlay"
)
LATER = host.Entry("tun", "missing", "later", "There is no /dev/net/tun.", "one\ntwo")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[host.Entry]:
    entries = [GOOD, LATER]
    monkeypatch.setattr(host, "examine", lambda machine, names: list(entries))
    return entries


def test_table() -> None:
    assert doctor.format_table([GOOD, BAD, LATER]).splitlines() == [
        "kernel   ok                Linux 6.18.",
        "overlay  missing           Images cannot be mounted.",
        "    sudo modprobe overlay",
        "tun      missing (later)   There is no /dev/net/tun.",
        "    one",
        "    two",
    ]
    assert doctor.format_table([]) == ""


def test_long_sentences_wrap_in_their_column() -> None:
    entry = host.Entry("store", "weaker", "now", "word " * 40 + "end.")
    lines = doctor.format_table([entry]).splitlines()
    assert max(len(line) for line in lines) <= 96
    assert {line[:25].strip() for line in lines[1:]} == {""}


def test_exit_code(found: list[host.Entry], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    found.append(BAD)
    assert main(["doctor"]) == 1


def test_json_has_the_documented_keys(
    found: list[host.Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    objects = json.loads(capsys.readouterr().out)
    assert objects[0] == {
        "name": "kernel",
        "state": "ok",
        "needed": "now",
        "consequence": "Linux 6.18.",
        "fix": "",
    }
    assert len(objects) == 2


def test_unknown_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "kernle"]) == 125
    assert 'did you mean "kernel"?' in capsys.readouterr().err
