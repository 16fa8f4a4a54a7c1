"""pyrootless.engine.control.processes: the lines of ps, and whose they are."""

from __future__ import annotations

import os

import pytest

from pyrootless.engine.control.processes import ProcessList, container_pids, parse_ps
from pyrootless.errors import UsageError

PS = """\
UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 09:05 ?        00:00:01 /sbin/init splash
h           1477    1453  0 09:05 pts/0    00:00:00 sh -c echo  a b
h           1609    1477  0 09:05 ?        00:00:00 sleep 0.1
"""


def test_rows_of_the_members_alone_and_the_last_cell_whole() -> None:
    assert parse_ps(PS, {1477, 1609}) == ProcessList(
        ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"),
        (
            ("h", "1477", "1453", "0", "09:05", "pts/0", "00:00:00", "sh -c echo  a b"),
            ("h", "1609", "1477", "0", "09:05", "?", "00:00:00", "sleep 0.1"),
        ),
    )


def test_threads_belong_to_the_process_above_them() -> None:
    text = "PID LWP CMD\n1 - init\n- 1 -\n7 - a\n- 7 -\n- 8 -\n9 - b\n- 9 -\n"
    assert parse_ps(text, {7}).rows == (("7", "-", "a"), ("-", "7", "-"), ("-", "8", "-"))


@pytest.mark.parametrize("text", ["", "CMD\nsh\n", "PID CMD\nx sh\n"])
def test_without_process_ids_nobody_can_tell(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ps(text, {1})


def test_our_own_namespace_holds_us_and_a_number_without_a_process_nobody() -> None:
    assert os.getpid() in container_pids(os.getpid())
    assert container_pids(2**22 + 1) == set()
