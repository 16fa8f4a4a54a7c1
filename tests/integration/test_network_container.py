"""`--network container:NAME`: one network for two containers, and nothing else of each other.

In: the launcher; a first container in the foreground or background, ended after each test.
Out: what both see of each other, over the network and otherwise.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from own_machine import HELPERS, LIMIT_SECONDS

Run = Callable[..., "subprocess.CompletedProcess[str]"]
First = Callable[..., str]

pytestmark = [
    pytest.mark.context_root,
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces"),
]
MANY = pytest.mark.needs("subordinate-ids", "newuidmap")
MAPS = [
    "single",
    pytest.param("range", marks=MANY),
    pytest.param("keep-id", marks=MANY),
]
SERVER = """
import socket
s = socket.create_server(("127.0.0.1", 7000))
a = socket.socket(socket.AF_UNIX)
a.bind("\\0first")
a.listen()
print("up", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"hello")
    c.close()
"""
CLIENT = (
    "import socket\n"
    "print(socket.create_connection(('127.0.0.1', 7000), 20).recv(9).decode(), flush=True)\n"
)
FACTS = (
    "grep -E '^(Cap|NoNewPrivs|Seccomp|Groups|Uid|Gid)' /proc/self/status;"
    " cd /proc/self; sort mountinfo | cat uid_map gid_map - |"
    " sed 's/^[0-9: ]*//; s/dir=[^,]*//g'"
)


def landlock_abi() -> int:
    """The kernel's Landlock ABI, 0 without one."""
    libc = ctypes.CDLL(None, use_errno=True)
    abi: int = libc.syscall(444, None, 0, 1)
    return max(0, abi)


@pytest.fixture
def first(
    launcher: Path, engine_environment: dict[str, str], pyrootless: Run
) -> Iterator[First]:
    """Start a container that serves, and wait until it does: first(*options) → its name."""
    started: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(*options: str) -> str:
        name = f"first-{os.getpid()}-{len(started)}"
        command = [str(launcher), "run", "--rm", f"--name={name}", *options, "host"]
        process = subprocess.Popen(
            [*command, "python3", "-c", SERVER],
            env=engine_environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        started.append((name, process))
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return name

    yield start
    for name, process in started:
        pyrootless("rm", "-f", name)
        process.communicate(timeout=LIMIT_SECONDS)


def beside(pyrootless: Run, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return pyrootless("run", "--rm", f"--network=container:{name}", *words)


@pytest.mark.parametrize("userns", MAPS)
def test_the_loopback_is_one(pyrootless: Run, first: First, userns: str) -> None:
    name = first(f"--userns={userns}")
    for options in ([], ["--verify"], ["--init"]):
        done = beside(pyrootless, name, *options, "host", "python3", "-c", CLIENT)
        assert done.stdout == "hello\n", done.stderr


def test_a_third_joins_the_second(pyrootless: Run, first: First) -> None:
    """And a program that is brought into the second is in the network too."""
    name = first()
    second = beside(pyrootless, name, "-d", "host", "sleep", "600").stdout.strip()
    third = beside(pyrootless, second, "host", "python3", "-c", CLIENT)
    brought = pyrootless("exec", second, "python3", "-c", CLIENT)
    pyrootless("rm", "-f", second)
    assert (third.stdout, brought.stdout) == ("hello\n", "hello\n"), third.stderr


@pytest.mark.needs("tun")
@pytest.mark.parametrize("helper", HELPERS)
def test_the_helpers_interface_is_there(pyrootless: Run, first: First, helper: str) -> None:
    name = first(f"--network={helper}")
    script = "ls /sys/class/net; cat /etc/resolv.conf /etc/hosts"
    done = beside(pyrootless, name, "host", "sh", "-c", script)
    own = pyrootless("exec", name, "sh", "-c", script)
    lines = done.stdout.splitlines()
    assert len(own.stdout.split("nameserver")[0].split()) >= 2, own.stderr
    assert lines[:-1] == own.stdout.splitlines()
    assert lines[-1].startswith("127.0.1.1\t")


def test_the_namespaces_are_two_of_many(pyrootless: Run, first: First) -> None:
    name = first()
    script = "cd /proc/self/ns; for n in user net mnt pid ipc uts cgroup; do readlink $n; done"
    of_first = pyrootless("exec", name, "sh", "-c", script).stdout.splitlines()
    of_second = beside(pyrootless, name, "host", "sh", "-c", script).stdout.splitlines()
    same = [one == other for one, other in zip(of_first, of_second, strict=True)]
    assert same == [True, True, False, False, False, False, False]


@pytest.mark.parametrize("userns", MAPS)
def test_the_posture_is_that_of_any_container(
    pyrootless: Run, first: First, userns: str
) -> None:
    """Powers, filter, ids and mounts."""
    name = first(f"--userns={userns}")
    options = ["--ephemeral", "--no-holder", "host", "sh", "-c", FACTS]
    alone = pyrootless("run", f"--userns={userns}", *options)
    done = beside(pyrootless, name, *options)
    assert "NoNewPrivs:\t1\n" in done.stdout, done.stderr

    def without_files(text: str) -> list[str]:
        return sorted(line for line in text.splitlines() if "/etc/hosts" not in line)

    assert without_files(done.stdout) == without_files(alone.stdout)


@pytest.mark.parametrize("options", [[], ["--privileged"]])
def test_the_first_is_neither_seen_nor_signalled(
    pyrootless: Run, first: First, options: list[str]
) -> None:
    """Not even with every capability over the user namespace of both."""
    name = first()
    attack = "cd /proc; set -- [0-9]*; cat [0-9]*/comm; echo $#; kill -9 -1; kill -9 2 3 4 5"
    done = beside(pyrootless, name, *options, "host", "sh", "-c", attack)
    assert set(done.stdout.split()) <= {"sh", "cat", "1", "2", "3"}, done.stderr
    alive = beside(pyrootless, name, "host", "python3", "-c", CLIENT)
    assert alive.stdout == "hello\n", alive.stderr


@pytest.mark.skipif(landlock_abi() < 6, reason="needs Landlock ABI 6 (Linux 6.12) for scopes")
def test_abstract_sockets_are_each_ones_own(pyrootless: Run, first: First) -> None:
    """They belong to the network; over them a process could be handed over."""
    name = first()
    script = (
        "import socket\n"
        "try: socket.socket(socket.AF_UNIX).connect('\\0first')\n"
        "except OSError as e: print(e.errno)\n"
    )
    assert beside(pyrootless, name, "host", "python3", "-c", script).stdout == "1\n"
    assert pyrootless("exec", name, "python3", "-c", script).stdout == ""


def test_hosts_and_name_servers_are_those_of_the_first(pyrootless: Run, first: First) -> None:
    name = first("--add-host=db:192.0.2.7", "--dns=192.0.2.53", "--hostname=one")
    options = ["--hostname=two", "--add-host=own:192.0.2.8"]
    script = "hostname; tail -n4 /etc/hosts; cat /etc/resolv.conf"
    done = beside(pyrootless, name, *options, "host", "sh", "-c", script)
    assert done.stdout.splitlines()[:6] == [
        "two",
        "127.0.1.1\tone",
        "192.0.2.7\tdb",
        "127.0.1.1\ttwo",
        "192.0.2.8\town",
        "nameserver 192.0.2.53",
    ], done.stderr


def test_the_second_goes_on_when_the_first_ends(
    launcher: Path, engine_environment: dict[str, str], pyrootless: Run, first: First
) -> None:
    name = first()
    script = (
        f"{CLIENT}\ninput()\n"
        "s = socket.create_server(('127.0.0.1', 7000))\n"
        "c = socket.create_connection(('127.0.0.1', 7000))\n"
        "print(c.getpeername()[1])\n"
    )
    command = [str(launcher), "run", "--rm", "-i", f"--network=container:{name}", "host"]
    with subprocess.Popen(
        [*command, "python3", "-c", script],
        env=engine_environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as second:
        assert second.stdout is not None
        assert second.stdout.readline() == b"hello\n"
        pyrootless("rm", "-f", name)
        gone = beside(pyrootless, name, "host", "true")
        out, _ = second.communicate(b"\n", timeout=LIMIT_SECONDS)
    assert (out, second.returncode) == (b"7000\n", 0)
    assert gone.returncode == 125
    assert "No such container" in gone.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-p", "8080:80"], "--publish: the network is the other container's"),
        (["-P"], "--publish-all: the network is the other container's"),
        (["--mac-address=02:00:00:00:00:01"], "--mac-address: the network is"),
        (["--allow-host=192.0.2.1"], "--allow-host: the network is"),
        (["--dns=192.0.2.53"], "--dns: the network is"),
        (["--dns-search=corp.example"], "--dns-search: the network is"),
        (["--dns-option=ndots:1"], "--dns-option: the network is"),
        (["--sysctl=net.core.somaxconn=5"], "the other container's: leave one"),
        (["--add-host=up:host-gateway"], "host.docker.internal and its own are here too"),
        (["--userns=keep-id"], "whose map is single: leave --userns out"),
        (["-u", "7:7"], "add -u 0:0"),
    ],
)
def test_what_belongs_to_the_first_is_asked_of_it(
    pyrootless: Run, first: First, options: list[str], said: str
) -> None:
    done = beside(pyrootless, first("--userns=single", "-u", "0:0"), *options, "host", "true")
    assert done.returncode == 125
    assert said in done.stderr


def test_who_shares_the_hosts_network_has_none_to_share(
    pyrootless: Run, launcher: Path, engine_environment: dict[str, str]
) -> None:
    other = pyrootless("run", "-d", "--rm", "--network=host", "host", "sleep", "600")
    done = beside(pyrootless, other.stdout.strip(), "host", "true")
    pyrootless("rm", "-f", other.stdout.strip())
    assert done.returncode == 125
    assert "take --network host" in done.stderr
