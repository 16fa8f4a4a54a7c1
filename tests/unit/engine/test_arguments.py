"""pyrootless.engine.arguments: keyword options become the words of `pyrootless run`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless.engine.arguments import OptionValue, to_argv
from pyrootless.errors import UsageError


def words(**options: OptionValue) -> list[str]:
    return to_argv("host", [], options)[: -len(["--", "host"])]


def test_image_and_program_come_last() -> None:
    assert to_argv("host", ["echo", "--rm", "a b"], {"rm": True}) == [
        "--rm=true", "--", "host", "echo", "--rm", "a b",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"read_only": True}, ["--read-only=true"]),
        ({"read_only": False}, ["--read-only=false"]),
        ({"read_only": None}, []),
        ({"env": {"A": "1", "B": "x=y"}}, ["--env=A=1", "--env=B=x=y"]),
        ({"env": {}}, []),
        ({"env": None}, []),
        ({"volume": ["/a:/b", Path("/c")]}, ["--volume=/a:/b", "--volume=/c"]),
        ({"volume": []}, []),
        ({"volume": "/a:/b:ro"}, ["--volume=/a:/b:ro"]),
        ({"workdir": Path("/work")}, ["--workdir=/work"]),
        ({"timeout": 2.5}, ["--timeout=2.5"]),
        ({"stop_timeout": -1}, ["--stop-timeout=-1"]),
        ({"hostname": ""}, ["--hostname="]),
        ({"name": "-x"}, ["--name=-x"]),
    ],
)
def test_a_value_is_written_as_the_command_line_would(
    options: dict[str, OptionValue], expected: list[str]
) -> None:
    assert words(**options) == expected


def test_the_order_of_the_call_is_kept() -> None:
    assert words(user="1", rm=True, env={"A": "1"}) == ["--user=1", "--rm=true", "--env=A=1"]


def test_a_trailing_underscore_is_for_words_of_python() -> None:
    assert words(init_=True) == ["--init=true"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "there is no option 'colour'"),
        ({"hostname": True}, "option 'hostname' takes a value and not True"),
        ({"read_only": "yes"}, "option 'read-only' is a flag: write True or False"),
        ({"read_only": 1}, "option 'read-only' is a flag: write True or False"),
    ],
)
def test_what_has_no_meaning_is_refused(options: dict[str, OptionValue], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        words(**options)
