"""`--allow-host`: a container reaches what is on the list, and by no way anything else.

In: a machine of the test's own, with two places on its "internet" (network_machine.py).
Out: what programs inside heard, and which servers outside were called.
Never: a packet to the real network.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from own_machine import CLIENT, HELPERS, LIMIT_SECONDS, RAW, Done, Machine, Serve, asked, calls

END_SECONDS = 20
pytestmark = pytest.mark.needs("user-namespaces", "tun", "ip", "ipv6")
each_helper = pytest.mark.parametrize("helper", HELPERS)


def ask(machine: Machine, options: list[str], *words: str) -> list[str]:
    """What a container hears from each of these servers."""
    done = machine.run(*options, "host", "python3", "-c", asked(*words))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def refused(machine: Machine, *options: str) -> str:
    """What is said to a start that is none."""
    done = machine.run(*options, "host", "echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    return done.stderr


@each_helper
def test_what_is_on_the_list_is_reached(machine: Machine, helper: str) -> None:
    options = [f"--network={helper}", "--allow-host=198.51.100.1", "--allow-host=2001:db8:1::1"]
    words = ["tcp 198.51.100.1 7000", "udp 198.51.100.1 7000", "tcp 2001:db8:1::1 7000"]
    assert ask(machine, options, *words, "udp 2001:db8:1::1 7000") == [
        "yes 198.51.100.1",
        "yes 198.51.100.1",
        "yes 2001:db8:1::1",
        "yes 2001:db8:1::1",
    ]


@each_helper
def test_nothing_else_is(machine: Machine, helper: str) -> None:
    """And a program is told so at once, for TCP and UDP, IPv4 and IPv6."""
    options = [f"--network={helper}", "--allow-host=198.51.100.1:7000"]
    places = [f"{address} 7000" for address in ("198.51.100.2", "203.0.113.2", "10.0.2.2")]
    places += [f"{address} 7000" for address in ("2001:db8:1::2", "2001:db8::2", "fd00::2")]
    places += ["198.51.100.1 7002", "198.51.100.1 53", "10.0.2.3 53", "169.254.1.1 53"]
    words = [f"{protocol} {place}" for place in places for protocol in ("tcp", "udp")]
    before = calls(machine)
    answers = ask(machine, options, *words, "tcp 198.51.100.1 7000")
    assert set(answers[:-1]) <= {"no OSError", "no PermissionError"}
    assert answers[-1] == "yes 198.51.100.1"
    assert calls(machine)[len(before) :] == ["tcp 198.51.100.1 7000"]


@each_helper
def test_a_network_and_a_port(machine: Machine, helper: str) -> None:
    options = [f"--network={helper}", "--allow-host=198.51.100.0/31:7002"]
    options.append("--allow-host=[2001:db8:1::/127]:7000")
    words = [f"tcp 198.51.100.1 {port}" for port in (7000, 7002)]
    words += [f"tcp 2001:db8:1::{last} 7000" for last in (1, 2)]
    answers = ask(machine, options, *words)
    assert answers == [
        "no OSError",
        "yes 198.51.100.1",
        "yes 2001:db8:1::1",
        "no PermissionError",
    ]


@each_helper
def test_a_network_of_one_family_opens_nothing_of_the_other(
    machine: Machine, helper: str
) -> None:
    """Also where an IPv6 socket speaks to IPv4: what leaves then is IPv4."""
    words = ["tcp 198.51.100.1 7000", "tcp ::ffff:198.51.100.1 7000", "tcp 2001:db8:1::1 7000"]
    six = ask(machine, [f"--network={helper}", "--allow-host=::/0"], *words)
    four = ask(machine, [f"--network={helper}", "--allow-host=0.0.0.0/0"], *words)
    assert six == ["no OSError", "no OSError", "yes 2001:db8:1::1"]
    assert four == ["yes 198.51.100.1", "yes ::ffff:198.51.100.1", "no PermissionError"]


@each_helper
def test_a_name_is_looked_up_outside(machine: Machine, helper: str) -> None:
    """Also one that stands for another; inside nobody needs a name server."""
    options = [f"--network={helper}", "--allow-host=alias.corp.example:7000"]
    words = ["tcp alias.corp.example 7000", "tcp 198.51.100.1 7000", "tcp 2001:db8:1::1 7000"]
    first, *rest = ask(machine, options, *words, "tcp build.corp.example 7000")
    assert first in ("yes 198.51.100.1", "yes 2001:db8:1::1")
    assert rest == ["yes 198.51.100.1", "yes 2001:db8:1::1", "no gaierror"]


# Says what a name is here and for the server at 198.51.100.1, and calls both.
REBIND = """
import socket, sys
here = socket.gethostbyname(sys.argv[1])
labels = b"".join(bytes([len(x)]) + x.encode() for x in sys.argv[1].split("."))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(10)
    s.connect(("198.51.100.1", 53))
    s.send(b"id" + bytes([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + labels + bytes([0, 0, 1, 0, 1]))
    there = socket.inet_ntoa(s.recv(512)[-4:])
print(here, there)
for address in here, there:
    try:
        socket.create_connection((address, 7000), 10).close()
        print("yes", address)
    except OSError as error:
        print("no", type(error).__name__)
"""


@each_helper
def test_a_name_that_moves_stays_where_it_was(machine: Machine, helper: str) -> None:
    """DNS rebinding: another answer, which lives for no second, leads to another place."""
    options = [f"--network={helper}", "--allow-host=moving.corp.example:7000"]
    options.append("--allow-host=198.51.100.1:53")
    before = calls(machine)
    done = machine.run(*options, "host", "python3", "-c", REBIND, "moving.corp.example")
    names, first, second = done.stdout.splitlines() or [done.stderr, "", ""]
    here, there = names.split()
    assert (here, there) == ("198.51.100.1", "198.51.100.2")
    assert (first, second) == ("yes 198.51.100.1", "no OSError")
    assert calls(machine)[len(before) :] == ["tcp 198.51.100.1 7000"]


@pytest.mark.needs("pasta")
@pytest.mark.parametrize(
    "name",
    ["inward", "mother", "metadata", "six", "localhost"],
)
def test_a_name_that_leads_inwards_starts_nothing(machine: Machine, name: str) -> None:
    """Its owner would choose what of this machine is open."""
    text = refused(machine, "--network=pasta", f"--allow-host={name}")
    assert f"--allow-host: {name} leads to " in text
    assert "write the address" in text


@pytest.mark.needs("pasta")
def test_what_cannot_be_held_starts_nothing(machine: Machine) -> None:
    """Never a list that is silently not there."""
    one = "--allow-host=198.51.100.1"
    assert "take auto" in refused(machine, "--network=host", one)
    assert "take auto" in refused(machine, "--network=none", one)
    assert "getent ahosts nobody.corp.example" in refused(
        machine, "--allow-host=nobody.corp.example"
    )
    assert "the container's own loopback" in refused(machine, "--allow-host=127.0.0.1:80")
    assert "host-gateway" in refused(machine, "--allow-host=[::1]:80")


@each_helper
def test_without_a_device_nothing_starts(machine: Machine, helper: str) -> None:
    hide = 'mount --bind /dev/null /dev/net/tun && exec "$@"'
    options = [f"--network={helper}", "--allow-host=198.51.100.1"]
    command = [str(machine.launcher), "run", "--rm", *options, "host", "echo", "ran"]
    done = machine.call("unshare", "--mount", "sh", "-c", hide, "sh", *command)
    assert (done.returncode, done.stdout) == (125, "")
    assert "pyrootless doctor tun" in done.stderr


@each_helper
def test_the_host_itself_by_permission(machine: Machine, helper: str) -> None:
    options = [f"--network={helper}", "--allow-host=host-gateway:7000"]
    words = ["tcp host.docker.internal 7000", "tcp host.docker.internal 7001"]
    assert ask(machine, options, *words) == ["yes 203.0.113.2", "no OSError"]


def test_a_list_alone_brings_a_network(machine: Machine) -> None:
    words = ["tcp 198.51.100.1 7000", "tcp 198.51.100.2 7000"]
    answers = ask(machine, ["--allow-host=198.51.100.1"], *words)
    assert answers == ["yes 198.51.100.1", "no OSError"]


@each_helper
def test_every_capability_lifts_nothing(machine: Machine, helper: str) -> None:
    """Raw frames of every kind, from a container that owns its network."""
    far = "198.51.100.2"
    options = [f"--network={helper}", "--privileged", "-p", "8090:80", "-p", "8090:80/udp"]
    options += ["--allow-host=198.51.100.1:7000", f"--volume={RAW}:/raw.py"]
    words = ["plain", "published", "finack", "null", "options", "fragment", "vlan", "mapped"]
    tries = [(far, word) for word in [*words, "udp", "udp80"]]
    tries += [("2001:db8:1::2", word) for word in ("plain", "hop", "published", "udp", "udp80")]
    tries += [(own, "plain") for own in ("127.0.0.1", "0.0.0.0", "203.0.113.2", "10.0.2.2")]
    tries += [("198.51.100.1", "plain")]
    before = calls(machine)
    flat = [text for pair in tries for text in pair]
    done = machine.run(*options, "host", "python3", "/raw.py", *flat)
    assert done.stdout == "done\n", done.stdout + done.stderr
    # The twin's own connection, which was never used, may be seen or not.
    assert set(calls(machine)[len(before) :]) <= {"tcp 198.51.100.1 7000"}


@each_helper
def test_the_raw_frames_are_good_ones(machine: Machine, helper: str) -> None:
    """The twin: where all is allowed, the same frames arrive."""
    options = [f"--network={helper}", "--privileged", "--allow-host=0.0.0.0/0"]
    options += ["--allow-host=::/0", f"--volume={RAW}:/raw.py"]
    for target, word in [("198.51.100.2", "plain"), ("2001:db8:1::2", "plain")]:
        done = machine.run(*options, "host", "python3", "/raw.py", target, word)
        assert done.stdout == "done\n", done.stderr


@each_helper
def test_the_network_is_nobodys_to_rebuild(machine: Machine, helper: str) -> None:
    """Other routes, other addresses, and the interface itself: its other end is held."""
    script = """
ip addr add 203.0.113.77/24 dev tap0 && ip link set tap0 mtu 1400 || exit 1
python3 -c "$0"
python3 - <<END
import fcntl, struct
with open("/dev/net/tun", "r+b", buffering=0) as tun:
    try: fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"tap0", 0x1002))
    except OSError as error: print(error.strerror)
END
"""
    options = [f"--network={helper}", "--privileged", "--device=/dev/net/tun"]
    options.append("--allow-host=198.51.100.1:7000")
    words = ["tcp 198.51.100.2 7000", "tcp 198.51.100.1 7000"]
    done = machine.run(*options, "host", "sh", "-c", script, asked(*words))
    assert done.stdout.splitlines() == [
        "no OSError",
        "yes 198.51.100.1",
        "Device or resource busy",
    ], done.stderr


@each_helper
@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.2"])
def test_a_published_server_answers(
    machine: Machine, serve: Serve, helper: str, address: str
) -> None:
    """Whoever asks, on the list or not."""
    options = [f"--network={helper}", "--allow-host=198.51.100.1", "-p", "8091:80"]
    serve(options, "tcp", 80)
    port, peer = machine.ask("tcp", address, 8091).split()
    assert port == "80"
    assert peer not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")


@each_helper
def test_a_published_udp_server_answers(machine: Machine, serve: Serve, helper: str) -> None:
    options = [f"--network={helper}", "--allow-host=198.51.100.1", "-p", "5010:6010/udp"]
    serve(options, "udp", 6010)
    assert machine.ask("udp", "203.0.113.2", 5010).split()[:2] == ["6010", "ping"]


@pytest.mark.needs("pasta")
def test_a_published_server_on_ipv6(machine: Machine, serve: Serve) -> None:
    options = ["--network=pasta", "--allow-host=198.51.100.1", "-p", "8092:80"]
    serve(options, "tcp", 80)
    assert machine.ask("tcp", "2001:db8::2", 8092).split()[0] == "80"


@each_helper
def test_many_bytes_pass(machine: Machine, helper: str) -> None:
    """Both ways at once, whole and in order, also in small frames.

    The helper resets a connection whose other side does not answer for two seconds, as happens
    where others take the processors: then it is tried again.
    """
    program = """
import hashlib, os, socket, sys, threading
data = bytes(range(251)) * 2000
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
got = hashlib.sha256()
while chunk := s.recv(1 << 18): got.update(chunk)
print(got.hexdigest() == hashlib.sha256(data).hexdigest())
"""
    mirror = """
import socket
server = socket.create_server(("203.0.113.2", 0))
print(server.getsockname()[1], flush=True)
c, _ = server.accept()
while chunk := c.recv(1 << 18): c.sendall(chunk)
"""
    for mtu in ("", ":mtu=1400"):
        for _ in range(3):
            with subprocess.Popen(
                machine.enter(["python3", "-c", mirror]), stdout=subprocess.PIPE, text=True
            ) as server:
                assert server.stdout is not None
                port = server.stdout.readline().strip()
                options = [f"--network={helper}{mtu}", f"--allow-host=203.0.113.2:{port}"]
                words = ["python3", "-c", program, "203.0.113.2", port]
                done = machine.run(*options, "host", *words)
            if "ConnectionResetError" not in done.stderr:
                break
        assert done.stdout == "True\n", done.stderr


def started(
    launcher: Path, environment: dict[str, str], *options: str
) -> subprocess.Popen[str]:
    """A container that has said "up" and sleeps."""
    command = [
        str(launcher),
        "run",
        "--rm",
        *options,
        "host",
        "sh",
        "-c",
        "echo up; exec sleep 600",
    ]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def descendants(pid: int) -> dict[int, list[str]]:
    """Living processes outside the container that a launcher has: pid → command line."""
    found: dict[int, list[str]] = {}
    for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{word}/cmdline").read_bytes().decode().split("\0")[:-1]
        if words and words[0] not in ("sh", "sleep"):
            found |= {int(word): words} | descendants(int(word))
    return found


def all_end(pids: list[int]) -> bool:
    """Wait for the end of these processes, which were opened before."""
    return all(select.select([pid], [], [], END_SECONDS)[0] for pid in pids)


@pytest.mark.context_single
@each_helper
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_filter_ends_with_the_container(
    launcher: Path, engine_environment: dict[str, str], helper: str, end: int
) -> None:
    """The launcher asked to end, or killed: two of the egress filter's and the helper."""
    options = [f"--network={helper}", "--allow-host=192.0.2.1"]
    process = started(launcher, engine_environment, *options)
    outside = descendants(process.pid)
    assert sum("_egress-filter" in words for words in outside.values()) == 2
    assert len(outside) == 3
    pids = [os.pidfd_open(pid) for pid in outside]
    process.send_signal(end)
    assert all_end(pids)
    process.communicate(timeout=LIMIT_SECONDS)
    for pid in pids:
        os.close(pid)


@pytest.mark.context_single
@each_helper
def test_the_egress_filter_is_confined(
    launcher: Path, engine_environment: dict[str, str], helper: str
) -> None:
    """Strict mode, which leaves read, write and exit; no privilege to gain."""
    options = [f"--network={helper}", "--allow-host=192.0.2.1"]
    process = started(launcher, engine_environment, *options)
    for pid, words in descendants(process.pid).items():
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1\n" in status
        assert ("Seccomp:\t1\n" in status) == ("_egress-filter" in words)
    process.kill()
    process.communicate(timeout=LIMIT_SECONDS)


@each_helper
def test_without_its_filter_a_network_is_shut(
    machine: Machine, serve: Serve, helper: str
) -> None:
    """Killed under a running container: nothing passes, and nothing opens."""
    options = [f"--network={helper}", "--allow-host=198.51.100.1", "-p", "8093:80"]
    process = serve(options, "tcp", 80)
    assert machine.ask("tcp", "203.0.113.2", 8093).split()[0] == "80"
    egress_filter = next(
        pid for pid, words in descendants(process.pid).items() if "_egress-filter" in words
    )
    opened = os.pidfd_open(egress_filter)
    os.kill(egress_filter, signal.SIGKILL)
    assert all_end([opened])
    os.close(opened)
    quick = CLIENT.replace("settimeout(10)", "settimeout(1)")
    done = machine.call("python3", "-c", quick, "tcp", "203.0.113.2", "8093")
    assert not done.stdout.startswith("80")


def test_the_list_stands_in_the_record(machine: Machine) -> None:
    """Names with the addresses that they had."""
    options = [
        "--network=pasta",
        "--allow-host=good.corp.example:443",
        "--allow-host=10.0.0.0/8",
    ]
    done = machine.call(str(machine.launcher), "run", "--print-spec", *options, "host", "true")
    notes = json.loads(done.stdout)["annotations"]
    assert notes["io.pyrootless.network.allow"].splitlines() == [
        "198.51.100.1/32 443 good.corp.example",
        "2001:db8:1::1/128 443 good.corp.example",
        "10.0.0.0/8 *",
    ]


@pytest.mark.context_single
def test_python_passes_the_list(launcher: Path, engine_environment: dict[str, str]) -> None:
    script = (
        "import pyrootless\n"
        "words = ['ls', '/sys/class/net']\n"
        "done = pyrootless.run('host', words, allow_host=['192.0.2.1:443'])\n"
        "print(done.stdout.decode())\n"
    )
    done: Done = subprocess.run(
        [sys.executable, "-c", script],
        env=engine_environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.stdout.split() == ["lo", "tap0"], done.stderr
