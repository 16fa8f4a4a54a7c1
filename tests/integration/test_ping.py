"""Who may ping: without a capability, where a network leads further than its loopback.

In: a machine of the test's own, with both helpers (network_machine.py).
Out: whether an echo comes back.
Never: a packet to the real network.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from own_machine import HELPERS, Machine

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.needs("user-namespaces", "tun", "ip", "ipv6")

# An echo by the socket that pings alone, to the container's own loopback.
PING = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
    s.settimeout(10)
    s.sendto(bytes([8, 0, 0, 0, 0, 0, 0, 1]) + b"hello", ("127.0.0.1", 0))
    print(s.recv(100)[8:].decode())
"""


@pytest.mark.parametrize("helper", HELPERS)
def test_everybody_may_ping_where_a_network_leads_out(machine: Machine, helper: str) -> None:
    """Without CAP_NET_RAW, which nobody has by default."""
    words = [f"--network={helper}", "--cap-drop=ALL", "host", "python3", "-c", PING]
    done = machine.run(*words)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


@pytest.mark.needs("subordinate-ids", "newuidmap", "pasta")
@pytest.mark.parametrize(
    ("option", "answers"),
    [((), True), (("--sysctl=net.ipv4.ping_group_range=5 5",), False)],
)
def test_every_user_of_a_container_may(
    pyrootless: Runner, option: tuple[str, ...], answers: bool
) -> None:
    """Unless an option says who."""
    words = ("--userns=range", "--network=pasta", "-u", "1000:1000", *option)
    done = pyrootless("run", "--rm", *words, "host", "python3", "-c", PING)
    assert (done.returncode == 0, done.stdout) == (answers, "hello\n" if answers else "")


def test_on_a_loopback_whom_an_option_says(pyrootless: Runner) -> None:
    """The twin: nobody without one."""
    done = pyrootless("run", "--rm", "host", "python3", "-c", PING)
    assert done.returncode == 1 and "PermissionError" in done.stderr
    words = ["--sysctl=net.ipv4.ping_group_range=0 0"]
    done = pyrootless("run", "--rm", *words, "host", "python3", "-c", PING)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
