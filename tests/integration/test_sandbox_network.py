"""allow_hosts: a box speaks to the hosts of its list and to nobody else.

In: a machine of the test's own, with two places on its "internet" (network_machine.py).
Out: what programs in boxes heard, and which servers outside were called.
Never: a packet to the real network.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from own_machine import Machine, asked, calls

from pyrootless.errors import UsageError
from pyrootless.sandbox import run

pytestmark = pytest.mark.needs("user-namespaces", "tun", "ip", "ipv6", "pasta")

# Runs one box, says how that went and whether this process has a child afterwards.
BOX = """
import json, os, sys
from pyrootless.errors import PyrootlessError
from pyrootless.sandbox import Limits, Sandbox
code, options, limits = json.loads(sys.argv[1])
try:
    box = Sandbox(limits=Limits(**{"cpu": "20s", "wall": "60s"} | limits), **options)
    outcome = box.run(["python3", "-c", code])
    said = outcome.stdout.decode() + outcome.stderr.decode()
    found = [outcome.verdict.name, sorted(outcome.flags), said.splitlines()]
except PyrootlessError as error:
    found = [type(error).__name__, [], [str(error)]]
left = open(f"/proc/self/task/{os.getpid()}/children").read()
print(json.dumps([*found, left]))
"""


def boxed(
    machine: Machine, code: str, hosts: list[str], limits: dict[str, Any] | None = None
) -> list[Any]:
    """The verdict, the flags and the lines of a run, nothing of which is left."""
    wish = json.dumps([code, {"allow_hosts": hosts}, limits or {}])
    done = machine.call(sys.executable, "-c", BOX, wish)
    assert done.returncode == 0, done.stderr
    *found, left = json.loads(done.stdout)
    assert left == ""
    return found


def test_a_listed_host_is_reached_and_no_other(machine: Machine) -> None:
    listed = ["tcp 198.51.100.1 7000", "udp 198.51.100.1 7000", "tcp 2001:db8:1::1 7000"]
    others = ["198.51.100.2 7000", "203.0.113.2 7000", "198.51.100.1 7002", "10.0.2.2 7000"]
    before = calls(machine)
    code = asked(*listed, *(f"{kind} {place}" for place in others for kind in ("tcp", "udp")))
    hosts = ["198.51.100.1:7000", "[2001:db8:1::1]:7000"]
    verdict, _flags, lines = boxed(machine, code, hosts)
    assert verdict == "OK"
    assert lines[:3] == ["yes 198.51.100.1", "yes 198.51.100.1", "yes 2001:db8:1::1"]
    assert lines[3:] == ["no OSError"] * 8
    assert sorted(calls(machine)[len(before) :]) == sorted(listed)


def test_a_listed_name_is_known_and_no_other(machine: Machine) -> None:
    code = asked("tcp alias.corp.example 7000", "tcp build.corp.example 7000")
    _verdict, _flags, lines = boxed(machine, code, ["alias.corp.example:7000"])
    assert lines[0] in ("yes 198.51.100.1", "yes 2001:db8:1::1")
    assert lines[1:] == ["no gaierror"]


def test_other_protocols_stay_refused(machine: Machine) -> None:
    code = (
        "import socket\n"
        "for family in (16, 17, 31, 38, 40, 44):\n"
        "    try: socket.socket(family, 3)\n"
        "    except OSError as error: print(error.errno)\n"
        "try: socket.socket(2, 3, 1)\n"
        "except OSError as error: print(error.errno)\n"
    )
    assert boxed(machine, code, ["198.51.100.1"])[2] == [*["97"] * 6, "1"]


def test_who_waits_for_an_answer_is_not_stuck(machine: Machine) -> None:
    """Somebody outside may still send it: the wall limit ends it, not the look for idleness."""
    code = "import socket\ns = socket.socket(2, 2)\ns.connect(('198.51.100.1', 9))\ns.recv(9)"
    found = boxed(machine, code, ["198.51.100.1"], {"wall": "2s"})
    assert found[:2] == ["ILE", ["wall"]]


def test_the_helper_is_none_of_the_processes(machine: Machine) -> None:
    code = (
        "import subprocess\n"
        "more = [subprocess.Popen(['sleep', '9']) for _ in range(3)]\n"
        "[each.kill() for each in more]"
    )
    assert boxed(machine, code, ["198.51.100.1"], {"procs": 4})[0] == "OK"


def test_what_is_no_list(machine: Machine) -> None:
    with pytest.raises(UsageError, match="a list of texts"):
        run(["true"], allow_hosts="198.51.100.1")
    for host, why in (("x:99999", "99999"), ("no.corp.example", "no address")):
        kind, _flags, [said] = boxed(machine, "", [host])
        assert kind in ("UsageError", "LaunchError") and why in said
