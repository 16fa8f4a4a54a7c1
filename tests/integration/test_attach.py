"""A container's monitor and those who speak to it: attach, detach, replay, sizes, the log.

In: the launcher on real terminals (pexpect) and pipes; records written by hand.
Out: what each of them saw, what the log holds, how the container ended.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from log_records import output

from pyrootless.config import find_directories
from pyrootless.engine.containers import find_container
from pyrootless.engine.control.attachment import Attachment, Ending, Execution, wait_container
from pyrootless.errors import ContainerStateError

pytestmark = pytest.mark.needs("user-namespaces")

SECONDS = 30
ATTACH, INPUT, INPUT_END, RESIZE, SIGNAL, WAIT, EXEC = 1, 2, 3, 4, 5, 6, 9
ATTACHED, OUTPUT, TAKEN, LOST, ENDED, REFUSED = 64, 65, 66, 67, 68, 69
EXEC_ENDED = 71
WANTS_INPUT, WANTS_REPLAY = 1, 2
HEAD = struct.Struct("=HHiI")
WINDOW = 32768


class Machine:
    """A store and a runtime directory of one test, and the launcher in them."""

    def __init__(self, launcher: Path, environment: dict[str, str], runtime: Path) -> None:
        self.launcher, self.environment, self.runtime = launcher, environment, runtime
        self.terminals: list[pexpect.spawn[str]] = []
        self.clients: list[Client] = []

    def run(self, *words: str, **how: object) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        return subprocess.run(
            [str(self.launcher), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            **{"stdin": subprocess.DEVNULL, **how},  # type: ignore[call-overload]
        )

    def start(self, *words: str) -> str:
        """`run -d`: the id of what runs."""
        done = self.run("run", "-d", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def popen(self, *words: str, **how: object) -> subprocess.Popen[bytes]:
        """One command beside the test, on pipes."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [str(self.launcher), *words],
            env=self.environment,
            **{**pipes, **how},  # type: ignore[call-overload]
        )

    def spawn(self, *words: str) -> pexpect.spawn[str]:
        """One command on a terminal of 33 lines and 101 columns."""
        child = pexpect.spawn(
            str(self.launcher),
            list(words),
            env=self.environment,
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(33, 101),
        )
        self.terminals.append(child)
        return child

    def directory(self, key: str) -> Path:
        """Where a kept container lies."""
        return Path(self.environment["PYROOTLESS_ROOT"]) / "containers" / key

    def log(self, key: str, wanted: bytes) -> bytes:
        """What its log says, once that holds these bytes."""
        path = self.directory(key) / "log"
        limit = time.monotonic() + SECONDS
        while wanted not in (said := output(path)):
            assert time.monotonic() < limit, said
            time.sleep(0.01)
        return said

    def socket_of(self, key: str) -> str:
        return str(self.runtime / "pyrootless" / "control" / key)

    def client(self, key: str) -> Client:
        """A new connection to a container's monitor."""
        self.clients.append(Client(self.socket_of(key)))
        return self.clients[-1]

    def monitor_of(self, key: str) -> int:
        """The parent of the container's first process."""
        entry = self.runtime / "pyrootless" / "running" / key
        status = Path(f"/proc/{int(entry.read_text().split()[0])}/stat").read_text()
        return int(status.rsplit(")", 1)[1].split()[1])


@pytest.fixture
def machine(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> Iterator[Machine]:
    """The launcher with a runtime directory of this test alone; what it left is removed."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    environment = {
        **engine_environment,
        "XDG_RUNTIME_DIR": str(runtime),
        "TERM": "xterm",
    }
    made = Machine(launcher, environment, runtime)
    yield made
    for terminal in made.terminals:
        terminal.close(force=True)
    for client in made.clients:
        client.socket.close()
    running = runtime / "pyrootless" / "running"
    for entry in list(running.iterdir()) if running.exists() else []:
        made.run("rm", "-f", entry.name)
    made.run("rm", "-f", "box")


class Client:
    """A program that speaks to a monitor by records of its own making."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(SECONDS)
        directory = os.open(os.path.dirname(path), os.O_PATH)
        try:
            self.socket.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
        finally:
            os.close(directory)

    def send(self, kind: int, value: int = 0, payload: bytes = b"") -> None:
        self.socket.send(HEAD.pack(1, kind, value, len(payload)) + payload)

    def receive(self) -> tuple[int, int, bytes]:
        """(kind, value, payload); (0, 0, b"") when the monitor hung up."""
        try:
            data = self.socket.recv(HEAD.size + WINDOW)
        except ConnectionResetError:
            return self.receive()
        if not data:
            return 0, 0, b""
        version, kind, value, size = HEAD.unpack_from(data)
        assert version == 1 and size == len(data) - HEAD.size
        return kind, value, data[HEAD.size :]

    def until(self, wanted: int) -> tuple[int, bytes]:
        """(value, payload) of the next record of this kind; what comes before is skipped."""
        while True:
            kind, value, payload = self.receive()
            assert kind, "the monitor hung up"
            if kind == wanted:
                return value, payload

    def output_until(self, text: bytes) -> bytes:
        """Output up to these bytes."""
        seen = b""
        while text not in seen:
            seen += self.until(OUTPUT)[1]
        return seen


def ended(child: pexpect.spawn[str]) -> int | None:
    """The exit status, once the terminal is closed."""
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


ECHO = (
    "echo ready; while read line; do echo got $line; test $line = quit && exit 5; done; exit 9"
)


def test_two_terminals_at_once_and_again_after_the_keys(machine: Machine) -> None:
    key = machine.start("-it", "--name=box", "host", "sh", "-c", ECHO)
    first, second = machine.spawn("attach", "box"), machine.spawn("attach", "box")
    for terminal in (first, second):
        terminal.expect_exact("ready\r\n")  # written before it came
    first.sendline("one")
    for terminal in (first, second):
        terminal.expect_exact("got one\r\n")
    first.send("\x10\x11")
    first.expect_exact("detached; container box goes on running")
    assert ended(first) == 0
    second.sendline("two")
    second.expect_exact("got two\r\n")
    third = machine.spawn("attach", "--detach-keys=ctrl-a,x", key[:12])
    third.expect_exact("got one\r\n")
    third.expect_exact("got two\r\n")
    third.send("\x01x")
    assert ended(third) == 0
    machine.log(key, b"got two\r\n")
    second.sendline("quit")
    assert ended(second) == 5
    assert machine.log(key, b"got quit").startswith(b"ready\r\n")


def test_after_the_keys_of_run_the_log_goes_on_and_attach_comes_back(machine: Machine) -> None:
    first = machine.spawn("run", "-it", "--name=box", "host", "sh", "-c", ECHO)
    first.expect_exact("ready\r\n")
    first.send("\x10\x11")
    assert ended(first) == 0
    again = machine.spawn("attach", "box")
    again.expect_exact("ready\r\n")
    again.sendline("later")
    again.expect_exact("got later\r\n")
    (key,) = os.listdir(machine.runtime / "pyrootless" / "running")
    assert b"ready" not in machine.log(key, b"got later\r\n")
    again.sendline("quit")
    assert ended(again) == 5


def test_a_detached_terminal_has_the_size_of_who_attaches(machine: Machine) -> None:
    script = "trap 'echo size $(stty size).' WINCH; echo set; while :; do read line; done"
    machine.start("-it", "--name=box", "host", "sh", "-c", script)
    terminal = machine.spawn("attach", "box")
    terminal.expect_exact("size 33 101.\r\n")
    terminal.setwinsize(20, 50)
    terminal.expect_exact("size 20 50.\r\n")


def test_the_end_of_input_is_seen_inside_and_output_goes_on(machine: Machine) -> None:
    script = "cat; echo over; echo bad >&2; read line < /wait; echo last; exit 6"
    fifo = machine.runtime / "fifo"
    os.mkfifo(fifo)
    machine.start("-i", "--name=box", "-v", f"{fifo}:/wait", "host", "sh", "-c", script)
    with machine.popen("attach", "box") as child:
        assert child.stdin and child.stdout and child.stderr
        child.stdin.write(b"some words\n")
        child.stdin.close()
        assert child.stdout.readline() == b"some words\n"
        assert child.stdout.readline() == b"over\n"
        fifo.write_text("go\n")
        assert child.stdout.read() == b"last\n"
        assert child.stderr.read() == b"bad\n"
        assert child.wait(SECONDS) == 6


def test_much_input_goes_through_the_window(machine: Machine) -> None:
    data = os.urandom(1 << 20)
    machine.start("-i", "--name=box", "host", "sh", "-c", "sleep 0.2; exec cksum")
    done = subprocess.run(
        [str(machine.launcher), "attach", "box"],
        env=machine.environment,
        input=data,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    summed = subprocess.run(["cksum"], input=data, capture_output=True, check=True)
    assert (done.stdout, done.returncode) == (summed.stdout, 0)


def test_without_stdin_nothing_typed_goes_in(machine: Machine) -> None:
    machine.start("-it", "--name=box", "host", "sh", "-c", ECHO)
    terminal = machine.spawn("attach", "--no-stdin", "box")
    terminal.expect_exact("ready\r\r\n")  # its own terminal is not raw
    terminal.sendline("quit")
    other = machine.spawn("attach", "box")
    other.sendline("word")
    terminal.expect_exact("got word\r\r\n")
    assert "got quit" not in (terminal.before or "")


def test_signals_go_to_the_container_or_end_the_client_alone(machine: Machine) -> None:
    script = "trap 'echo caught; exit 4' TERM; echo ready; while :; do sleep 0.01; done"
    machine.start("--name=box", "host", "sh", "-c", script)
    with machine.popen("attach", "--sig-proxy=false", "box") as alone:
        assert alone.stdout and alone.stdout.readline() == b"ready\n"
        alone.send_signal(signal.SIGTERM)
        assert alone.wait(SECONDS) == -signal.SIGTERM
    with machine.popen("attach", "box") as child:
        assert child.stdout and child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.read() == b"caught\n"
        assert child.wait(SECONDS) == 4


def test_a_window_that_changes_is_told_without_a_terminal(machine: Machine) -> None:
    looks = "for i in $(seq 3000); do sleep 0.01; done"
    script = f"trap 'echo caught; exit 4' WINCH; echo ready; {looks}"
    machine.start("--name=box", "host", "sh", "-c", script)
    with machine.popen("attach", "box") as child:
        assert child.stdout and child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGWINCH)
        assert child.stdout.read() == b"caught\n"
        assert child.wait(SECONDS) == 4


def test_three_who_wait_are_told_the_same(machine: Machine) -> None:
    key = machine.start("-i", "--name=box", "host", "sh", "-c", "read line; exit 7")
    clients = [machine.client(key) for _ in range(3)]
    for client in clients:
        client.send(WAIT)
    clients[0].send(ATTACH, WANTS_INPUT)
    assert clients[0].until(ATTACHED)[0] == WANTS_INPUT
    clients[0].send(INPUT, 0, b"go\n")
    endings = [client.until(ENDED)[1] for client in clients]
    assert len(set(endings)) == 1
    ended_by, code, number = struct.unpack_from("=Iii", endings[0])
    assert (ended_by, code, number) == (1, 7, 0)
    assert not Path(machine.socket_of(key)).exists()


def test_a_killed_monitor_is_seen_by_who_is_attached(machine: Machine) -> None:
    key = machine.start("--name=box", "host", "sh", "-c", "echo ready; exec sleep 600")
    with machine.popen("attach", "box") as child:
        assert child.stdout and child.stderr
        assert child.stdout.readline() == b"ready\n"
        os.kill(machine.monitor_of(key), signal.SIGKILL)
        assert b"monitor was killed" in child.stderr.read()
        assert child.wait(SECONDS) == 125
    assert machine.run("run", "--rm", "host", "true").returncode == 0  # it sweeps
    assert not Path(machine.socket_of(key)).exists()
    assert '"ended_by":"lost"' in (machine.directory(key) / "status.json").read_text()


def test_who_does_not_read_stops_neither_the_log_nor_the_others(machine: Machine) -> None:
    """A client that stands still loses what is more than the ring holds, and is told."""
    script = "read line; seq 400000; echo last line; read line; exit 3"
    key = machine.start("-i", "--name=box", "host", "sh", "-c", script)
    slow, quick = machine.client(key), machine.client(key)
    for client in (slow, quick):
        client.send(ATTACH, WANTS_INPUT)
        client.until(ATTACHED)
    quick.send(INPUT, 0, b"go\n")
    log = machine.log(key, b"last line\n")
    assert log == b"".join(b"%d\n" % number for number in range(1, 400001)) + b"last line\n"
    lost = 0
    seen = b""
    while b"last line\n" not in seen:
        kind, value, payload = slow.receive()
        lost += value if kind == LOST else 0
        seen += payload if kind == OUTPUT else b""
    assert lost > 0 and len(seen) + lost == len(log)
    quick.send(INPUT, 0, b"go\n")
    assert struct.unpack_from("=Iii", slow.until(ENDED)[1]) == (1, 3, 0)


def test_a_client_that_dies_in_the_middle_loses_nothing_of_the_log(machine: Machine) -> None:
    script = "read line; seq 200000; echo last line; exec sleep 600"
    key = machine.start("-i", "--name=box", "host", "sh", "-c", script)
    with machine.popen("attach", "box") as child:
        assert child.stdin and child.stdout
        child.stdin.write(b"go\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"1\n"
        child.kill()
    log = machine.log(key, b"last line\n")
    assert log == b"".join(b"%d\n" % number for number in range(1, 200001)) + b"last line\n"


def test_the_starters_own_terminal_loses_nothing(machine: Machine) -> None:
    """It may be slow: the container then waits for it, as for any terminal."""
    child = machine.spawn("run", "-t", "--rm", "host", "sh", "-c", "seq 200000; echo last line")
    time.sleep(0.3)
    child.expect_exact("last line\r\r\n")
    assert child.before == "".join(f"{number}\r\r\n" for number in range(1, 200001))


BAD = {
    "nothing known": (HEAD.pack(1, 999, 0, 0), 71),
    "too short": (b"\1\0\1", 71),
    "another version": (HEAD.pack(2, WAIT, 0, 0), 93),
    "longer than it says": (HEAD.pack(1, INPUT, 0, 1) + b"xxxx", 71),
    "shorter than it says": (HEAD.pack(1, INPUT, 0, 100) + b"xxxx", 71),
    "a payload where none belongs": (HEAD.pack(1, WAIT, 0, 4) + b"xxxx", 71),
    "larger than a record": (HEAD.pack(1, INPUT, 0, WINDOW + 1) + b"x" * (WINDOW + 1), 71),
    "what a monitor alone says": (HEAD.pack(1, ENDED, 0, 0), 71),
}


def test_what_is_no_record_is_refused_and_harms_nobody(machine: Machine) -> None:
    key = machine.start("-i", "--name=box", "host", "sh", "-c", ECHO)
    good = machine.client(key)
    good.send(ATTACH, WANTS_INPUT | WANTS_REPLAY)
    good.output_until(b"ready\n")
    for name, (bytes_sent, errnum) in BAD.items():
        bad = machine.client(key)
        bad.socket.send(bytes_sent)
        kind, value, text = bad.receive()
        assert (kind, value) == (REFUSED, errnum), name
        assert re.fullmatch(rb"[a-z ]+", text), name
        assert bad.receive() == (0, 0, b""), name
    greedy = machine.client(key)
    greedy.send(SIGNAL, 10_000)  # there is none
    greedy.send(RESIZE, -1)  # nor a terminal
    good.send(INPUT, 0, b"still here\n")
    good.output_until(b"got still here\n")
    assert machine.monitor_of(key) > 1


def test_more_input_than_the_window_is_refused(machine: Machine) -> None:
    key = machine.start("-i", "--name=box", "host", "sleep", "600")  # it reads nothing
    client = machine.client(key)
    client.send(ATTACH, WANTS_INPUT)
    taken = sent = 0
    while True:
        try:
            client.send(INPUT, 0, b"x" * WINDOW)
        except BrokenPipeError:
            break
        sent += WINDOW
        kind, value, _ = client.receive()
        taken += value if kind == TAKEN else 0
        if kind == REFUSED:
            break
    assert taken <= sent
    other = machine.client(key)
    other.send(ATTACH)
    assert other.until(ATTACHED)[0] == WANTS_INPUT


def test_clients_beyond_the_last_place_are_refused(machine: Machine) -> None:
    key = machine.start("--name=box", "host", "sleep", "600")
    held = [machine.client(key) for _ in range(32)]
    for client in held:
        client.send(ATTACH)
        client.until(ATTACHED)
    assert machine.client(key).receive()[:2] == (REFUSED, 16)
    held.pop().socket.close()
    while True:
        late = machine.client(key)
        late.send(ATTACH)
        if late.receive()[0] == ATTACHED:
            break


def test_a_runtime_directory_longer_than_an_address(
    launcher: Path, machine: Machine, tmp_path: Path
) -> None:
    machine.runtime = tmp_path / ("d" * 150)
    machine.runtime.mkdir(mode=0o700)
    machine.environment["XDG_RUNTIME_DIR"] = str(machine.runtime)
    key = machine.start("-it", "--name=box", "host", "sh", "-c", ECHO)
    assert len(machine.socket_of(key)) > 200
    terminal = machine.spawn("attach", "box")
    terminal.expect_exact("ready\r\n")
    terminal.sendline("quit")
    assert ended(terminal) == 5


def test_the_socket_is_its_owners_alone(machine: Machine) -> None:
    key = machine.start("--name=box", "host", "sleep", "600")
    path = Path(machine.socket_of(key))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_one_in_the_foreground_has_its_streams_there(machine: Machine) -> None:
    words = ("run", "--rm", "--name=box", "host", "sh", "-c", "echo ready; exec sleep 600")
    with machine.popen(*words) as child:
        assert child.stdout and child.stdout.readline() == b"ready\n"
        done = machine.run("attach", "box")
        while '"box" is not running' in done.stderr:  # its program is faster than its entry
            done = machine.run("attach", "box")
        machine.run("kill", "box")
    assert done.returncode == 125
    assert "runs in the foreground of the process that started it" in done.stderr


@pytest.mark.parametrize("options", [["-d"], ["-d", "--rm"]])
def test_three_commands_wait_for_one_container(machine: Machine, options: list[str]) -> None:
    words = ("run", "-i", *options, "--name=box", "host", "sh", "-c", "read line; exit 7")
    key = machine.run(*words).stdout.strip()
    waiting = [machine.popen("wait", name) for name in ("box", key, key[:12])]
    client = machine.client(key)
    client.send(ATTACH, WANTS_INPUT)
    client.until(ATTACHED)
    for child in waiting:
        await_waiting(child)
    client.send(INPUT, 0, b"go\n")
    for child in waiting:
        with child:
            assert child.stdout and child.stderr
            assert (child.stdout.read(), child.stderr.read()) == (b"7\n", b"")
            assert child.wait(SECONDS) == 0


RECVMSG = {"x86_64": "47", "aarch64": "212"}


def await_waiting(child: subprocess.Popen[bytes]) -> None:
    """Until a process sleeps in the call that receives a record: it has sent its own."""
    limit = time.monotonic() + SECONDS
    wanted = RECVMSG[os.uname().machine]
    while Path(f"/proc/{child.pid}/syscall").read_text().split()[0] != wanted:
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_wait_for_what_has_ended_and_for_the_foreground(machine: Machine) -> None:
    assert machine.run("run", "--name=box", "host", "sh", "-c", "exit 3").returncode == 3
    done = machine.run("wait", "box", "nosuch", "box")
    assert (done.returncode, done.stdout) == (1, "3\n3\n")
    assert "No such container: nosuch" in done.stderr
    machine.run("rm", "box")
    words = ("run", "-i", "--name=box", "host", "sh", "-c", "echo ready; read line; exit 4")
    with machine.popen(*words) as child:
        assert child.stdout and child.stdout.readline() == b"ready\n"
        with machine.popen("wait", "box") as waiting:
            child.communicate(b"go\n")
            assert waiting.stdout and waiting.stdout.read() == b"4\n"


def test_wait_when_the_monitor_is_killed(machine: Machine) -> None:
    key = machine.start("--name=box", "host", "sleep", "600")
    with machine.popen("wait", "box") as child:
        await_waiting(child)
        os.kill(machine.monitor_of(key), signal.SIGKILL)
        assert child.stdout and child.stdout.read() == b"137\n"
    assert machine.run("wait", "box").stdout == "137\n"


def test_the_engine_attaches_and_waits(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(machine.runtime))
    places = find_directories(machine.environment["PYROOTLESS_ROOT"])
    script = "echo ready; cat | cksum; echo bad >&2; exit 6"
    machine.start("-i", "--name=box", "host", "sh", "-c", script)
    container = find_container(places, "box")
    data = b"word\n" * 30000
    summed = subprocess.run(["cksum"], input=data, capture_output=True, check=True).stdout
    with Attachment(places, container) as box:
        assert (box.has_input, box.has_terminal) == (True, False)
        box.write(data)
        box.end_input()
        seen = {1: b"", 2: b""}
        while (piece := box.read()) is not None:
            seen[piece[0]] += piece[1]
        assert seen == {1: b"ready\n" + summed, 2: b"bad\n"}
        assert box.ending == Ending("exit", 6, None)
    assert wait_container(places, container) == Ending("exit", 6, None)
    with pytest.raises(ContainerStateError, match="has no monitor of its own"):
        Attachment(places, container)


def test_the_monitor_starts_a_program_and_tells_its_end(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(machine.runtime))
    places = find_directories(machine.environment["PYROOTLESS_ROOT"])
    machine.start("--name=box", "host", "sh", "-c", "echo ready; exec sleep 600")
    container = find_container(places, "box")
    ours, theirs = os.pipe()
    script = "read line; echo $line $WORD $PPID; exit 8"
    with Execution(
        places, container, ["sh", "-c", script], (-1, theirs, -1), env="WORD=x"
    ) as one:
        os.close(theirs)
        assert one.wait() == 8
    with os.fdopen(ours) as stream:
        assert stream.read() == "x 0\n"  # its parent is outside
    with Execution(places, container, ["no-such-program"]) as one:
        assert one.wait() == 127
    with Execution(places, container, ["sleep", "600"]) as one:
        machine.run("kill", "box")
        assert one.wait() == 137


def test_words_that_are_no_program_start_nothing(machine: Machine) -> None:
    key = machine.start("--name=box", "host", "sleep", "600")
    for options, words in (
        (0, b""),
        (0, b"no end"),
        (1, b"-i\0"),
        (-1, b"true\0"),
        (9, b"a\0"),
    ):
        client = machine.client(key)
        client.send(EXEC, options, words)
        assert client.receive()[:2] == (REFUSED, 71), words
    client = machine.client(key)
    client.send(EXEC, 1, b"--no-such-option\0true\0")
    assert client.receive() == (EXEC_ENDED, 125, b"")


@pytest.mark.needs("subordinate-ids", "newuidmap")
def test_a_stranger_is_turned_away(machine: Machine) -> None:
    """Another user whom the directory's mode lets in all the same."""
    key = machine.start("--name=box", "host", "sleep", "600")
    path = Path(machine.socket_of(key))
    path.parent.chmod(0o711)
    path.chmod(0o666)
    script = (
        "import os, socket, sys\n"
        f"place = os.open({str(path.parent)!r}, os.O_PATH)\n"
        "os.setgid(1); os.setuid(int(sys.argv[1]))\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        f"s.connect(f'/proc/self/fd/{{place}}/{key}')\n"
        f"s.send({HEAD.pack(1, ATTACH, 0, 0)!r})\n"
        "print(len(s.recv(100)))\n"
    )

    def ask(user: int) -> str:
        words = ("unshare", "python3", "-c", script, str(user))
        done = machine.run(*words)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    assert ask(0) == str(HEAD.size)  # the owner, by the same way
    assert ask(1) in ("0", "ConnectionResetError: [Errno 104] Connection reset by peer",
                      "BrokenPipeError: [Errno 32] Broken pipe")  # fmt: skip
