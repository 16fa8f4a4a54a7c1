"""User-mode networks through both helpers: out, in, names, and nothing left behind.

In: a machine of the test's own (network_machine.py) for everything that needs an internet; the
real one for what needs a plain user.
Out: what programs inside and outside saw; which helpers live.
Never: a packet to the real network; a wait that is not for an event.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from own_machine import CLIENT, HELPERS, LIMIT_SECONDS, RAW, Machine, Serve, calls

HELPER_SECONDS = 20
pytestmark = pytest.mark.needs("user-namespaces", "tun", "ip", "ipv6")


def inside(machine: Machine, helper: str, host: str, port: int = 7000) -> str:
    """What a client in a container hears from a server."""
    done = machine.run(
        f"--network={helper}", "host", "python3", "-c", CLIENT, "tcp", host, str(port)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("helper", HELPERS)
def test_the_way_out(machine: Machine, helper: str) -> None:
    assert inside(machine, helper, "198.51.100.1") == "203.0.113.2"


@pytest.mark.parametrize("helper", HELPERS)
def test_the_way_out_with_ipv6(machine: Machine, helper: str) -> None:
    """From the first moment on."""
    assert inside(machine, helper, "2001:db8:1::1") == "2001:db8::2"


@pytest.mark.parametrize("helper", HELPERS)
def test_the_host_has_a_name(machine: Machine, helper: str) -> None:
    """And only what listens on its own address answers."""
    assert inside(machine, helper, "host.docker.internal") == "203.0.113.2"
    assert inside(machine, helper, "host.docker.internal", 7001).startswith("failed: ")


@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.1", "10.0.2.2", "::1"])
def test_the_hosts_loopback_is_out_of_reach(
    machine: Machine, helper: str, address: str
) -> None:
    """Neither as the container's own, nor behind the gateway of either helper."""
    script = CLIENT.replace("settimeout(10)", "settimeout(2)")
    words = ["python3", "-c", script, "tcp", address, "7001"]
    done = machine.run(f"--network={helper}", "host", *words)
    assert done.stdout.startswith("failed: "), done.stdout + done.stderr


@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "0.0.0.0", "127.0.0.2", "::1", "::", "::ffff:127.0.0.1"]
)
def test_nor_by_frames_of_ones_own(machine: Machine, helper: str, address: str) -> None:
    """What routes would never send out, to all that means its loopback to the host.

    pasta ends when it is asked for IPv4 in the clothes of IPv6, and the network with it.
    """
    options = [f"--network={helper}", "--privileged", f"--volume={RAW}:/raw.py"]
    words = [address, "loopback", "198.51.100.1", "plain"]
    before = calls(machine)
    done = machine.run(*options, "host", "python3", "/raw.py", *words)
    # Without pasta the interface is down, gone, or gone with its routes, as time will have it.
    without = ("Network is down", "No such device or address", "Network is unreachable")
    ended = helper == "pasta" and address.startswith("::ffff:")
    ended = ended and any(words in done.stderr for words in without)
    assert done.stdout == "done\n" or ended, done.stdout + done.stderr
    assert set(calls(machine)[len(before) :]) <= {"tcp 198.51.100.1 7000"}


@pytest.mark.parametrize("helper", HELPERS)
def test_nor_by_a_raw_socket_on_the_interface(machine: Machine, helper: str) -> None:
    """With the capability that it takes."""
    program = """
import socket, struct, sys
sys.path.insert(0, "/")
from raw import body, default_route, ipv4, own_address
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, default_route()[0].encode())
    own = own_address("198.51.100.1")
    for address, port in [("127.0.0.1", 7001), ("198.51.100.1", 7000)]:
        to = socket.inet_aton(address)
        s.sendto(ipv4(own, to, body(own, to, (40000, port), 2)), (address, 0))
socket.create_connection(("198.51.100.1", 7000)).close()
"""
    options = [f"--network={helper}", "--cap-add=NET_RAW", f"--volume={RAW}:/raw.py"]
    before = calls(machine)
    done = machine.run(*options, "host", "python3", "-c", program)
    assert done.returncode == 0, done.stderr
    assert set(calls(machine)[len(before) :]) == {"tcp 198.51.100.1 7000"}


@pytest.mark.parametrize("helper", HELPERS)
def test_host_gateway_is_an_address_for_any_name(machine: Machine, helper: str) -> None:
    words = ["python3", "-c", CLIENT, "tcp", "mother", "7000"]
    done = machine.run(f"--network={helper}", "--add-host=mother:host-gateway", "host", *words)
    assert done.stdout.strip() == "203.0.113.2", done.stderr


@pytest.mark.parametrize("helper", HELPERS)
def test_a_stub_on_the_hosts_loopback_answers(machine: Machine, helper: str) -> None:
    """systemd-resolved's 127.0.0.53, its search domains and options."""
    done = machine.run(
        f"--network={helper}", "host", "sh", "-c", "getent ahostsv4 build; cat /etc/resolv.conf"
    )
    assert done.stdout.split()[0] == "198.51.100.7", done.stderr
    assert "127.0.0.53" not in done.stdout
    assert done.stdout.endswith("search corp.example\noptions ndots:1\n")


@pytest.mark.parametrize("helper", HELPERS)
def test_a_name_server_of_ones_own(machine: Machine, helper: str) -> None:
    options = ["--dns=198.51.100.1", "--dns-search=corp.example", "--dns-option=timeout:5"]
    script = "getent ahostsv4 build; cat /etc/resolv.conf"
    done = machine.run(f"--network={helper}", *options, "host", "sh", "-c", script)
    assert done.stdout.split()[0] == "198.51.100.7", done.stderr
    wanted = "nameserver 198.51.100.1\nsearch corp.example\noptions timeout:5\n"
    assert done.stdout.endswith(wanted)


def test_the_hosts_network_has_the_hosts_name_servers(machine: Machine) -> None:
    done = machine.run("--network=host", "host", "cat", "/etc/resolv.conf")
    assert done.stdout.startswith("nameserver 127.0.0.53\n"), done.stderr


@pytest.mark.parametrize("helper", HELPERS)
def test_published_ports(machine: Machine, serve: Serve, helper: str) -> None:
    """From the loopback and from the host's own address, and never as the loopback."""
    serve([f"--network={helper}", "-p", "8080:80"], "tcp", 80)
    for address in ("127.0.0.1", "203.0.113.2"):
        port, peer = machine.ask("tcp", address, 8080).split()
        assert port == "80"
        assert peer not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")


@pytest.mark.needs("pasta")
def test_published_ports_on_ipv6(machine: Machine, serve: Serve) -> None:
    serve(["--network=pasta", "-p", "8080:80", "-p", "[::1]:8081:81"], "tcp", 80, 81)
    assert machine.ask("tcp", "2001:db8::2", 8080).split()[0] == "80"
    assert machine.ask("tcp", "::1", 8081).split()[0] == "81"
    assert machine.ask("tcp", "127.0.0.1", 8081).startswith("failed: ")


@pytest.mark.needs("slirp4netns")
def test_slirp4netns_says_that_it_has_no_ipv6_ports(machine: Machine) -> None:
    done = machine.run("--network=slirp4netns", "-p", "[::1]:8081:81", "host", "true")
    assert done.returncode == 125
    assert "take --network pasta" in done.stderr


@pytest.mark.parametrize("helper", HELPERS)
def test_an_address_is_all_that_is_bound(machine: Machine, serve: Serve, helper: str) -> None:
    serve([f"--network={helper}", "-p", "127.0.0.1:8080:80"], "tcp", 80)
    assert machine.ask("tcp", "127.0.0.1", 8080).split()[0] == "80"
    assert machine.ask("tcp", "203.0.113.2", 8080).startswith("failed: ")


@pytest.mark.parametrize("helper", HELPERS)
def test_a_range_of_udp_ports(machine: Machine, serve: Serve, helper: str) -> None:
    options = [f"--network={helper}", "-p", "5000-5002:6000-6002/udp"]
    serve(options, "udp", 6000, 6001, 6002)
    # Not from the loopback: slirp4netns takes the answers to it for attempts to reach it.
    for offset in range(3):
        answer = machine.ask("udp", "203.0.113.2", 5000 + offset).split()
        assert answer[:2] == [str(6000 + offset), "ping"]


@pytest.mark.parametrize("helper", HELPERS)
def test_a_free_port_is_written_down(machine: Machine, serve: Serve, helper: str) -> None:
    options = [f"--network={helper}", "-p", "127.0.0.1::80", "-p", "81"]
    process = serve([*options, f"--cidfile={machine.base}/id-{helper}"], "tcp", 80, 81)
    ident = (machine.base / f"id-{helper}").read_text()
    config = json.loads((machine.base / "store/containers" / ident / "config.json").read_text())
    lines = config["annotations"]["io.pyrootless.network.ports"].splitlines()
    assert [line.split()[:2] + line.split()[3:] for line in lines] == [
        ["tcp", "127.0.0.1", "80", "1"],
        ["tcp", "*", "81", "1"],
    ]
    for line in lines:
        assert (
            machine.ask("tcp", "127.0.0.1", int(line.split()[2])).split()[0] == line.split()[3]
        )
    assert process.poll() is None


def test_a_port_alone_brings_a_network(machine: Machine, serve: Serve) -> None:
    serve(["-p", "8090:80"], "tcp", 80)
    assert machine.ask("tcp", "127.0.0.1", 8090).split()[0] == "80"


@pytest.mark.parametrize("helper", HELPERS)
def test_a_taken_port_starts_nothing(machine: Machine, helper: str) -> None:
    mark = machine.base / "mark"
    lend = f"--volume={machine.base}:/out"
    for port in ("127.0.0.1:7001", "7000"):
        options = [f"--network={helper}", lend, "-p", f"{port}:80"]
        done = machine.run(*options, "host", "touch", "/out/mark")
        assert done.returncode == 125
        number = port.rpartition(":")[2]
        assert f"port {number}/tcp of " in done.stderr
        assert "ss -ltnup" in done.stderr
        assert not mark.exists()


@pytest.mark.parametrize("helper", HELPERS)
def test_mtu_and_mac_address(machine: Machine, helper: str) -> None:
    options = [f"--network={helper}:mtu=1400", "--mac-address=02:00:00:00:00:07"]
    script = "cd /sys/class/net; for i in *; do cat $i/mtu $i/address; done"
    done = machine.run(*options, "host", "sh", "-c", script)
    assert sorted(done.stdout.split()) == sorted(
        ["1400", "02:00:00:00:00:07", "65536", "00:00:00:00:00:00"]
    ), done.stderr


@pytest.mark.parametrize("helper", HELPERS)
def test_without_a_device_there_is_no_network(machine: Machine, helper: str) -> None:
    """In pasta's own words, which opens it; slirp4netns gets it open from us."""
    hide = 'mount --bind /dev/null /dev/net/tun && exec "$@"'
    command = [
        str(machine.launcher),
        "run",
        "--rm",
        f"--network={helper}",
        "host",
        "echo",
        "ran",
    ]
    done = machine.call("unshare", "--mount", "sh", "-c", hide, "sh", *command)
    assert done.returncode == 125
    assert done.stdout == ""
    said = {"pasta": "/usr/bin/pasta: ", "slirp4netns": "ioctl TUNSETIFF(/dev/net/tun): "}
    assert f"network: {said[helper]}" in done.stderr
    assert " tun\n" in done.stderr


def test_the_choice_is_measured_once(machine: Machine) -> None:
    facts = machine.base / "store/cache/network.json"
    assert machine.run("--network=auto", "host", "true").returncode == 0
    known = json.loads(facts.read_text())
    assert known["chosen"] in known["helpers"]
    before = facts.stat().st_mtime_ns
    assert machine.run("--network=auto", "host", "true").returncode == 0
    assert facts.stat().st_mtime_ns == before
    facts.write_text(facts.read_text().replace(os.uname().release, "2.6.32"))
    assert machine.run("--network=auto", "host", "true").returncode == 0
    assert json.loads(facts.read_text())["kernel"] == os.uname().release


# --- as the plain user, on the real machine's own network namespace: nothing leaves it ---


@dataclass
class Running:
    """A launcher with a container that sleeps, and its helper."""

    process: subprocess.Popen[bytes]
    helper: int

    def helper_ends(self) -> bool:
        """Wait for the end of the helper's process."""
        ended = bool(select.select([self.helper], [], [], HELPER_SECONDS)[0])
        if not ended:
            signal.pidfd_send_signal(self.helper, signal.SIGKILL)
        os.close(self.helper)
        return ended

    def ends(self) -> int:
        """Wait for the end of the launcher; its status as Popen has it."""
        self.process.communicate(timeout=LIMIT_SECONDS)
        return int(self.process.returncode)


def start_sleeper(
    launcher: Path, environment: dict[str, str], helper: str, *options: str
) -> Running:
    command = [str(launcher), "run", "--rm", f"--network={helper}", *options, "host"]
    process = subprocess.Popen(
        [*command, "sh", "-c", "echo up; exec sleep 600"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return Running(process, os.pidfd_open(helper_of(process.pid, helper)))


def helper_of(launcher: int, name: str) -> int:
    """The child of a launcher that is pasta (also as pasta.avx2) or slirp4netns."""
    words = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    comms = {int(word): Path(f"/proc/{word}/comm").read_text().strip() for word in words}
    [pid] = [child for child, comm in comms.items() if comm.startswith(name)]
    return pid


MAPS = [
    "single",
    pytest.param("keep-id", marks=pytest.mark.needs("subordinate-ids", "newuidmap")),
]


@pytest.mark.context_root
@pytest.mark.context_single
@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize("userns", MAPS)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_helper_ends_with_the_container(
    launcher: Path, engine_environment: dict[str, str], helper: str, userns: str, end: int
) -> None:
    """When the program is ended, and when the launcher is killed without a word."""
    options = [f"--userns={userns}", "-p", "127.0.0.1::80"]
    running = start_sleeper(launcher, engine_environment, helper, *options)
    running.process.send_signal(end)
    assert running.helper_ends()
    assert running.ends() == (-9 if end == signal.SIGKILL else 143)


@pytest.mark.context_root
@pytest.mark.context_single
@pytest.mark.parametrize("helper", HELPERS)
def test_the_helper_is_fenced(
    launcher: Path, engine_environment: dict[str, str], helper: str
) -> None:
    """No privilege to gain, and a filter of its own."""
    running = start_sleeper(launcher, engine_environment, helper)
    pid = helper_of(running.process.pid, helper)
    status = Path(f"/proc/{pid}/status")
    assert "NoNewPrivs:\t1\n" in status.read_text()
    # pasta says that it is ready, and then puts its filter on.
    deadline = time.monotonic() + HELPER_SECONDS
    while "Seccomp:\t2\n" not in status.read_text():
        assert time.monotonic() < deadline
        os.sched_yield()
    running.process.kill()
    assert running.helper_ends()
    running.ends()


@pytest.mark.needs("pasta")
def test_the_helper_holds_nothing_of_ours(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    """A stand-in for the helper writes down what it was started with, and gives up."""
    words = [str(launcher), "run", "--network=pasta"]
    show = subprocess.run(
        [*words, "--print-spec", "host", "true"],
        env=engine_environment,
        capture_output=True,
        timeout=LIMIT_SECONDS,
        check=True,
    )
    helper, seen = tmp_path / "helper", tmp_path / "seen"
    look = "grep NoNewPrivs /proc/$$/status; pwd; env | sort; ls /proc/$$/fd"
    helper.write_text(f"#!/bin/sh\n{{ {look}; }} > {seen}\necho no luck >&2\nexit 3\n")
    helper.chmod(0o755)
    config = json.loads(show.stdout)
    config["annotations"]["io.pyrootless.network.program"] = str(helper)
    (tmp_path / "config.json").write_text(json.dumps(config))
    planted = fcntl.fcntl(0, fcntl.F_DUPFD, 60)
    done = subprocess.run(
        [str(launcher), "run", f"--spec={tmp_path}/config.json"],
        env=engine_environment | {"SECRET": "planted"},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        pass_fds=[planted],
        check=False,
    )
    os.close(planted)
    assert f"network: {helper}: no luck\n" in done.stderr
    privileges, directory, *rest = seen.read_text().splitlines()
    assert (privileges, directory) == ("NoNewPrivs:\t1", "/")
    names = [line.partition("=")[0] for line in rest if "=" in line]
    assert set(names) <= {"LC_ALL", "PATH", "PWD", "OLDPWD", "SHLVL", "_"}
    # 10 and 11 are the shell's own: the script, its standard output.
    assert {int(line) for line in rest if "=" not in line} <= {0, 1, 2, 3, 4, 5, 10, 11}


@pytest.mark.parametrize("helper", HELPERS)
def test_a_container_sees_no_helper(
    launcher: Path, engine_environment: dict[str, str], helper: str
) -> None:
    command = [str(launcher), "run", "--rm", f"--network={helper}", "host"]
    done = subprocess.run(
        [*command, "sh", "-c", "cat /proc/[0-9]*/comm"],
        env=engine_environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert set(done.stdout.split()) <= {"cat", "sh"}, done.stderr


@pytest.mark.needs("plain-user", "pasta")
def test_a_low_port_is_explained(launcher: Path, engine_environment: dict[str, str]) -> None:
    start = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if start <= 1:
        pytest.skip("every port is open to users here")
    command = [str(launcher), "run", "--rm", "--network=pasta", "-p", "127.0.0.1:1:80", "host"]
    done = subprocess.run(
        [*command, "true"],
        env=engine_environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 125
    assert "ip_unprivileged_port_start" in done.stderr


@pytest.mark.context_root
@pytest.mark.context_single
def test_python_launches_on_a_network(
    launcher: Path, engine_environment: dict[str, str]
) -> None:
    script = (
        "import pyrootless\n"
        "done = pyrootless.run('host', ['ls', '/sys/class/net'], network='auto')\n"
        "print(done.stdout.decode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=engine_environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert len(done.stdout.split()) == 2, done.stderr
