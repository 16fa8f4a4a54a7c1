"""`pyrootless exec` and `pyrootless run -d`: one more program in a running container.

In: the launcher; containers in the background, ended after each test.
Out: exit codes, what the second program sees, what is left when either of the two ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest
from log_records import output

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., str]

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.context_root,
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces"),
]
# Says so when its handlers are there, and then waits for signals.
WAITING = (
    "trap 'echo hup; exit 5' HUP; trap 'exit 6' TERM; echo ready; while :; do sleep 1; done"
)
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))


@pytest.fixture
def box(start: Start) -> str:
    """A container that only waits."""
    return start("--rm", "host", "sleep", "1000")


def entry_pid(environment: dict[str, str], ident: str) -> int:
    """Process 1 of a container, as the host sees it."""
    path = Path(environment["XDG_RUNTIME_DIR"], "pyrootless", "running", ident)
    return int(path.read_text().split()[0])


def wait_for_end(pid: int) -> None:
    """Return when this process is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([descriptor], [], [], 30)[0], f"{pid} goes on"
    os.close(descriptor)


def wait_for_file(path: Path, text: str) -> None:
    """Return when text stands in a file that another process writes."""
    with subprocess.Popen(["tail", "-c", "+1", "-F", path], stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        for line in tail.stdout:
            if text in line.decode():
                break
        tail.kill()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -9 $$"), 137),
        (("sh", "-c", "kill -TERM $$"), 143),
        (("/etc",), 126),
        (("no-such-program",), 127),
    ],
)
def test_exit_codes_are_podmans(
    pyrootless: Run, box: str, words: tuple[str, ...], code: int
) -> None:
    assert pyrootless("exec", box, *words).returncode == code


def test_streams_are_the_callers(pyrootless: Run, box: str) -> None:
    script = "cat; echo err >&2"
    done = pyrootless("exec", "-i", box, "sh", "-c", script, input="in")
    assert (done.stdout, done.stderr) == ("in", "err\n")
    closed = pyrootless("exec", box, "sh", "-c", script, input="in")
    assert (closed.stdout, closed.stderr) == ("", "err\n")


@pytest.mark.parametrize("how", ["name", "id", "begin"])
def test_a_container_is_found(pyrootless: Run, start: Start, how: str) -> None:
    ident = start("--rm", "--name", f"found-by-{how}", "host", "sleep", "1000")
    wanted = {"name": f"found-by-{how}", "id": ident, "begin": ident[:12]}[how]
    assert pyrootless("exec", wanted, "hostname").stdout == f"{ident[:12]}\n"


def test_what_does_not_run_is_told_from_what_is_not_there(
    pyrootless: Run, start: Start, engine_environment: dict[str, str]
) -> None:
    ident = start("--name", "ended", "host", "true")
    running = Path(engine_environment["XDG_RUNTIME_DIR"], "pyrootless", "running", ident)
    if running.exists():
        wait_for_end(entry_pid(engine_environment, ident))
    for name, why in (
        ("ended", '"ended" is not running'),
        ("never-was", "No such container: never-was"),
    ):
        done = pyrootless("exec", name, "true")
        assert done.returncode == 125
        assert done.stderr.splitlines() == [
            f"pyrootless: state: {why}",
            "  remedy: see which containers there are: pyrootless ps -a",
        ]


def test_usage_errors_name_the_option(pyrootless: Run, box: str) -> None:
    for words, text in (
        ((), 'pyrootless: CONTAINER: it is missing: write "pyrootless exec [OPTION…] C'),
        ((box,), 'pyrootless: PROGRAM: it is missing: write "pyrootless exec [OPTION…] '),
        (("--volume=/a:/b", box, "true"), "--volume: there is no such option"),
        (("-u", "nobody-knows", box, "true"), "--user"),
        (("-it", box, "true"), "--tty: the input device is not a TTY"),
    ):
        done = pyrootless("exec", *words)
        assert done.returncode == 125
        assert text in done.stderr, words


@pytest.mark.parametrize("ids", ["single", RANGE])
def test_all_namespaces_are_the_containers(
    pyrootless: Run, start: Start, engine_environment: dict[str, str], ids: str
) -> None:
    ident = start("--rm", f"--userns={ids}", "host", "sleep", "1000")
    own = Path("/proc", str(entry_pid(engine_environment, ident)), "ns")
    show = "for n in user pid net ipc uts cgroup mnt; do readlink /proc/self/ns/$n; done"
    seen = pyrootless("exec", ident, "sh", "-c", show).stdout.split()
    names = ("user", "pid", "net", "ipc", "uts", "cgroup", "mnt")
    assert seen == [os.readlink(own / name) for name in names]


def test_the_hosts_network_stays_the_hosts(pyrootless: Run, start: Start) -> None:
    ident = start("--rm", "--network=host", "host", "sleep", "1000")
    seen = pyrootless("exec", ident, "readlink", "/proc/self/ns/net").stdout.strip()
    assert seen == os.readlink("/proc/self/ns/net")


def test_environment_and_directory_are_the_containers_unless_given(
    pyrootless: Run, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "env").write_text("FROM_FILE=file\n")
    given = ("-e", "A=container", "-e", "B=kept", "-w", "/usr")
    ident = start("--rm", *given, "host", "sleep", "1000")
    show = ("sh", "-c", "echo $A $B $FROM_FILE; pwd")
    assert pyrootless("exec", ident, *show).stdout == "container kept\n/usr\n"
    mine = ("-e", "A=mine", "--env-file", tmp_path / "env", "-w", "/usr/bin")
    assert pyrootless("exec", *mine, ident, *show).stdout == "mine kept file\n/usr/bin\n"


@pytest.mark.needs("subordinate-ids", "newuidmap")
def test_the_user_is_looked_up_in_the_container(pyrootless: Run, start: Start) -> None:
    ident = start("--rm", "--userns=range", "host", "sleep", "1000")
    done = pyrootless("exec", "-u", "7:8", ident, "id")
    assert done.stdout.startswith("uid=7"), done.stderr
    assert " gid=8" in done.stdout
    status = pyrootless("exec", "-u", "7:8", ident, "cat", "/proc/self/status").stdout
    sets = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    assert [sets[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Amb")] == ["0" * 16] * 4


CLAIM = (
    "id -u; id -g; grep -E '^Cap(Prm|Eff)' /proc/self/status | tr -d '\\n\\t '; echo; "
    "touch /tmp/mine && chown 12 /tmp/mine; stat -c %u /tmp/mine"
)
NO_CAPS = f"CapPrm:{'0' * 16}CapEff:{'0' * 16}"


@pytest.mark.parametrize("mode", ["off", "silent", "remember"])
def test_another_user_of_a_container_of_one_id_is_claimed(
    pyrootless: Run, start: Start, mode: str
) -> None:
    """As `run -u` does, whatever the container's own fake root is."""
    ident = start("--rm", "--userns=single", f"--fake-root={mode}", "host", "sleep", "1000")
    done = pyrootless("exec", "-u", "7:8", ident, "sh", "-c", CLAIM)
    assert done.stdout.splitlines() == ["7", "8", NO_CAPS, "7"], done.stderr
    assert "Operation not permitted" in done.stderr
    assert pyrootless("exec", "-u", "nobody", ident, "id", "-un").stdout == "nobody\n"
    assert pyrootless("exec", ident, "id", "-u").stdout == "0\n"


def test_root_has_its_capabilities_beside_a_claimed_user(pyrootless: Run, start: Start) -> None:
    words = ("--rm", "--userns=single", "--fake-root=remember", "host", "sleep", "1000")
    root, other = start(*words), start("-u", "7", *words)
    caps = ("grep", "^Cap", "/proc/self/status")
    expected = pyrootless("exec", root, *caps).stdout
    assert NO_CAPS not in expected.replace("\t", "").replace("\n", "")
    assert pyrootless("exec", "-u", "0", other, *caps).stdout == expected
    kept = pyrootless("exec", other, *caps).stdout
    assert NO_CAPS in kept.replace("\t", "").replace("\n", "")


def test_the_one_id_that_is_taken_is_named(pyrootless: Run, start: Start) -> None:
    ident = start("--rm", "--userns=single", "-u", "7", "host", "sleep", "1000")
    assert pyrootless("exec", "-u", "7", ident, "id", "-u").stdout == "7\n"
    done = pyrootless("exec", "-u", "0", ident, "true")
    assert done.returncode == 125
    assert "one id, which user 7 took at its start" in done.stderr


def test_privileged_is_for_containers_that_are(pyrootless: Run, start: Start, box: str) -> None:
    refused = pyrootless("exec", "--privileged", box, "true")
    assert refused.returncode == 125
    assert "started without CAP_SYS_ADMIN" in refused.stderr
    ident = start("--rm", "--privileged", "host", "sleep", "1000")
    mount = "mount -t tmpfs none /mnt && grep -c ' /mnt ' /proc/self/mounts"
    assert pyrootless("exec", "--privileged", ident, "sh", "-c", mount).stdout == "1\n"


def test_signals_reach_the_program_and_not_the_container(
    launcher: Path, engine_environment: dict[str, str], pyrootless: Run, box: str
) -> None:
    words = [str(launcher), "exec", box, "sh", "-c", WAITING]
    with subprocess.Popen(
        words, env=engine_environment, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGHUP)
        assert child.stdout.read() == "hup\n"
        assert child.wait(30) == 5
    assert pyrootless("exec", box, "true").returncode == 0


def test_a_program_without_a_handler_ends_as_outside(
    launcher: Path, engine_environment: dict[str, str], box: str
) -> None:
    words = [str(launcher), "exec", box, "sh", "-c", "echo ready; exec sleep 1000"]
    with subprocess.Popen(
        words, env=engine_environment, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.terminate()
        assert child.wait(30) == 143


def test_a_killed_launcher_takes_its_program_and_leaves_the_container(
    launcher: Path, engine_environment: dict[str, str], pyrootless: Run, box: str
) -> None:
    words = [str(launcher), "exec", box, "sh", "-c", "echo ready; exec sleep 1000"]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        pid = children_of(child.pid)[-1]  # the joiner before it may still be going
        child.kill()
    wait_for_end(pid)
    assert pyrootless("exec", box, "true").returncode == 0


def children_of(pid: int) -> list[int]:
    """Process ids of a process's children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_containers_end_ends_the_program(
    launcher: Path, engine_environment: dict[str, str], pyrootless: Run, start: Start
) -> None:
    ident = start("--rm", "host", "sleep", "1000")
    words = [str(launcher), "exec", ident, "sh", "-c", "echo ready; exec sleep 1000"]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        pyrootless("rm", "-f", ident)
        assert child.wait(30) == 137


def test_processes_of_both_see_and_signal_each_other(pyrootless: Run, start: Start) -> None:
    """Landlock puts the two in domains of their own; that must not keep exec from its work."""
    ident = start("--rm", "host", "sh", "-c", WAITING)
    assert pyrootless("exec", ident, "sh", "-c", "kill -0 1 && echo seen").stdout == "seen\n"
    assert pyrootless("exec", ident, "kill", "-TERM", "1").returncode == 0


def test_a_terminal_is_the_programs_own(
    launcher: Path, engine_environment: dict[str, str], box: str
) -> None:
    words = ["exec", "-it", "-e", "PS1=ask> ", box, "sh"]
    child = pexpect.spawn(
        str(launcher),
        words,
        env={**engine_environment, "TERM": "xterm"},
        encoding="utf-8",
        timeout=30,
        dimensions=(33, 101),
    )
    child.expect_exact("ask> ")
    child.sendline("stty size; tty; exit 9")
    child.expect_exact("33 101\r\n/dev/pts/0\r\n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 9


def test_keys_leave_the_terminal_and_the_program_goes_on(
    launcher: Path, engine_environment: dict[str, str], pyrootless: Run, box: str
) -> None:
    words = ["exec", "-it", "--detach-keys", "ctrl-a,x", box, "sh", "-c", "echo on; sleep 1000"]
    child = pexpect.spawn(str(launcher), words, env=engine_environment, timeout=30)
    child.expect_exact("on")
    child.send("\x01x")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "sleep 1000" in pyrootless("exec", box, "ps", "-eo", "tty,args").stdout


ANSWER = "mkfifo /tmp/go /tmp/said; read word </tmp/go; echo $word $A $(id -u) >/tmp/said"
ASK = "while [ ! -p /tmp/said ]; do sleep 0.01; done; echo word >/tmp/go; cat /tmp/said"


@pytest.mark.parametrize("more", [(), ("-i",), ("-t",), ("-it",)])
def test_in_the_background_a_program_goes_on(
    pyrootless: Run, box: str, more: tuple[str, ...]
) -> None:
    """It has nothing of the caller's, or this call would wait for its end."""
    words = ("-d", *more, "-e", "A=b", "-u", "7", box, "sh", "-c", ANSWER)
    done = pyrootless("exec", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert pyrootless("exec", box, "sh", "-c", ASK).stdout == "word b 7\n"


def test_what_cannot_be_started_in_the_background_is_told(pyrootless: Run, box: str) -> None:
    for words, code in ((("no-such-program",), 127), (("/etc",), 126)):
        done = pyrootless("exec", "-d", box, *words)
        assert (done.returncode, done.stdout) == (code, "")
        assert f"execve({words[0]})" in done.stderr


def test_the_containers_end_ends_a_program_in_the_background(
    pyrootless: Run, start: Start, tmp_path: Path
) -> None:
    """And the process that keeps it."""
    ident = start("--rm", "-v", f"{tmp_path}:/mnt", "host", "sleep", "1000")
    os.mkfifo(tmp_path / "held")
    holding = "exec sleep 1000 >/mnt/held"
    assert pyrootless("exec", "-d", ident, "sh", "-c", holding).returncode == 0
    with (tmp_path / "held").open("rb") as stream:
        keepers = [pid for pid, words in words_of_processes().items() if ident in words]
        assert keepers
        pyrootless("rm", "-f", ident)
        assert stream.read() == b""
    for pid in keepers:
        wait_for_end(pid)


def words_of_processes() -> dict[int, str]:
    """The command lines of `pyrootless exec` that run on this machine."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if " exec " in words:
                found[int(path.parent.name)] = words
    return found


@pytest.mark.parametrize("mode", ["remember", "silent"])
def test_a_fake_root_is_the_programs_too(pyrootless: Run, start: Start, mode: str) -> None:
    ident = start("--rm", "--userns=single", f"--fake-root={mode}", "host", "sleep", "1000")
    script = "touch /tmp/f && chown 12:13 /tmp/f && stat -c %u:%g /tmp/f"
    shown = {"remember": "12:13\n", "silent": "0:0\n"}[mode]
    done = pyrootless("exec", ident, "sh", "-c", script)
    assert (done.stdout, done.stderr) == (shown, "")
    assert pyrootless("exec", ident, "stat", "-c", "%u:%g", "/tmp/f").stdout == shown


# A child goes on, asks its fake root when somebody writes to one pipe, and answers on another.
LEAVE = (
    "mkfifo /tmp/go /tmp/said; "
    "(read word </tmp/go; touch /tmp/f; chown 12:13 /tmp/f; stat -c %u:%g /tmp/f >/tmp/said) "
    ">/dev/null 2>&1 &"
)


def supervisors(ident: str) -> list[int]:
    """Processes that answer the calls of this container's fake roots."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"_fakeroot" in words and ident.encode() in b" ".join(words):
                found.append(int(path.parent.name))
    return found


def test_what_a_program_leaves_keeps_its_fake_root(pyrootless: Run, start: Start) -> None:
    """`exec` does not wait for it; its supervisor ends with the container alone."""
    ident = start("--rm", "--userns=single", "--fake-root=remember", "host", "sleep", "1000")
    assert pyrootless("exec", ident, "sh", "-c", LEAVE).returncode == 0
    ask = "echo word >/tmp/go; cat /tmp/said"
    assert pyrootless("exec", ident, "sh", "-c", ask).stdout == "12:13\n"
    assert pyrootless("exec", ident, "sh", "-c", "sleep 1000 >/dev/null 2>&1 &").returncode == 0
    pids = supervisors(ident)
    assert len(pids) >= 2
    pyrootless("rm", "-f", ident)
    for pid in pids:
        wait_for_end(pid)


LOOK = (
    "mkfifo /tmp/go /tmp/said; ln -s nowhere /tmp/link; echo ready; "
    "while read word </tmp/go; do stat -c %u:%g /tmp/link >/tmp/said; done"
)


def test_supervisors_of_a_container_know_of_each_others_claims(
    pyrootless: Run, start: Start
) -> None:
    """A link takes no attribute: its claim is in the file that both write."""
    ident = start("--rm", "--userns=single", "--fake-root=remember", "host", "sh", "-c", LOOK)
    ask = "while [ ! -p /tmp/said ]; do sleep 0.01; done; echo word >/tmp/go; cat /tmp/said"
    assert pyrootless("exec", ident, "sh", "-c", ask).stdout == "0:0\n"
    for owner in ("12:13", "14:15", "0:0"):
        change = f"chown -h {owner} /tmp/link; {ask}"
        assert pyrootless("exec", ident, "sh", "-c", change).stdout == f"{owner}\n"


def test_limits_hold_for_the_program_too(pyrootless: Run, start: Start) -> None:
    """Whatever holds them on this host: a group, or the limits of each process."""
    ident = start("--rm", "--limits=best-effort", "--pids-limit=20", "host", "sleep", "1000")
    forks = "for i in $(seq 40); do sleep 100 >/dev/null 2>&1 & done"
    done = pyrootless("exec", ident, "sh", "-c", forks)
    assert done.returncode == 2
    assert "Cannot fork" in done.stderr


def test_output_in_the_background_goes_into_the_log(
    pyrootless: Run, start: Start, engine_environment: dict[str, str]
) -> None:
    ident = start("--name", "logs", "host", "sh", "-c", "echo out; echo err >&2; echo end")
    place = Path(engine_environment["PYROOTLESS_ROOT"], "containers", ident)
    wait_for_file(place / "status.json", "exit")
    # Each stream in its own order: they are two pipes, so that a reader can tell them apart.
    assert output(place / "log", "stdout") == b"out\nend\n"
    assert output(place / "log", "stderr") == b"err\n"
    assert (place / "log").stat().st_mode & 0o777 == 0o600
    status = json.loads((place / "status.json").read_text())
    assert (status["ended_by"], status["exit_code"]) == ("exit", 0)


def test_a_terminal_in_the_background_is_logged(
    pyrootless: Run, start: Start, engine_environment: dict[str, str]
) -> None:
    ident = start("--rm", "-t", "host", "sh", "-c", "tty; test -t 1 && echo yes; sleep 1000")
    place = Path(engine_environment["PYROOTLESS_ROOT"], "containers", ident)
    wait_for_file(place / "log", "yes")
    assert output(place / "log") == b"/dev/pts/0\r\nyes\r\n"


def test_input_in_the_background_never_ends(pyrootless: Run, start: Start) -> None:
    ident = start("--rm", "-i", "host", "cat")
    assert pyrootless("exec", ident, "cat", "/proc/1/comm").stdout == "cat\n"


def test_a_start_in_the_background_that_fails_says_so(
    pyrootless: Run, engine_environment: dict[str, str]
) -> None:
    """No container is there that was not before: of other tests one may just be going."""
    assert pyrootless("run", "--rm", "host", "true").returncode == 0
    folder = Path(engine_environment["PYROOTLESS_ROOT"], "containers")
    before = set(folder.iterdir())
    done = pyrootless("run", "-d", "--rm", "host", "no-such-program")
    assert (done.returncode, done.stdout) == (127, "")
    assert "execve(no-such-program): No such file" in done.stderr
    assert set(folder.iterdir()) - before == set()


def test_the_monitor_holds_nothing_of_the_callers(
    launcher: Path, engine_environment: dict[str, str], pyrootless: Run
) -> None:
    """A pipe that the caller left open ends although the container goes on."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    words = [str(launcher), "run", "-d", "--rm", "host", "sleep", "1000"]
    done = subprocess.run(
        words,
        env=engine_environment,
        capture_output=True,
        text=True,
        check=True,
        close_fds=False,
        timeout=60,
    )
    os.close(writing)
    try:
        assert os.read(reading, 1) == b""
        assert pyrootless("exec", done.stdout.strip(), "true").returncode == 0
    finally:
        os.close(reading)
        pyrootless("rm", "-f", done.stdout.strip())


def test_a_killed_monitor_takes_its_container(
    pyrootless: Run, start: Start, engine_environment: dict[str, str]
) -> None:
    ident = start("--rm", "host", "sleep", "1000")
    pid = entry_pid(engine_environment, ident)
    monitor = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(monitor, signal.SIGKILL)
    wait_for_end(pid)
    assert pyrootless("exec", ident, "true").returncode == 125
    pyrootless("run", "--rm", "host", "true")  # sweeps
    assert ident[:12] not in pyrootless("ps", "-a").stdout


def test_what_was_the_first_programs_alone_is_not_the_seconds(
    pyrootless: Run, start: Start
) -> None:
    """Terminal, init and time limit, whether an option changes the rest or not."""
    ident = start("--rm", "-t", "--init", "--timeout=1000", "host", "sleep", "1000")
    script = "test -t 1 || echo no terminal; grep -c init /proc/$$/comm"
    for options in ((), ("-e", "A=b")):
        done = pyrootless("exec", *options, ident, "sh", "-c", script)
        assert done.stdout == "no terminal\n0\n"


def test_stop_asks_first_and_kill_sends_what_is_named(
    pyrootless: Run, start: Start, engine_environment: dict[str, str]
) -> None:
    for words, code in ((("stop",), 6), (("kill", "-s", "HUP"), 5)):
        ident = start("host", "sh", "-c", WAITING)
        log = Path(engine_environment["PYROOTLESS_ROOT"], "containers", ident, "log")
        wait_for_file(log, "ready")
        done = pyrootless(*words, ident)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{ident}\n", "")
        wait_for_file(log.with_name("status.json"), "exit")
        assert json.loads(log.with_name("status.json").read_text())["exit_code"] == code


def test_stop_does_not_wait_for_what_the_kernel_drops(pyrootless: Run, start: Start) -> None:
    """`sleep` as process 1 has no handler: a wait of an hour would show."""
    ident = start("--rm", "--stop-timeout=3600", "host", "sleep", "10000")
    assert pyrootless("stop", ident).returncode == 0
    assert pyrootless("stop", ident).returncode == 1  # --rm: it is gone
    for words in (("kill", ident), ("exec", ident, "true")):
        assert pyrootless(*words).returncode != 0


# While it waits the kernel shows the signal as neither blocked nor caught, as if it were lost.
SIGWAIT = r"""
#include <signal.h>
#include <unistd.h>
int main(void)
{
    int number;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    write(1, "ready\n", 6);
    sigwait(&set, &number);
    return 6;
}
"""


@pytest.mark.needs("gcc")
def test_stop_gives_its_time_to_a_program_in_sigwait(
    pyrootless: Run,
    start: Start,
    compile_c: Callable[[str], Path],
    engine_environment: dict[str, str],
) -> None:
    program = compile_c(SIGWAIT)
    ident = start("-v", f"{program.parent}:/mnt", "host", f"/mnt/{program.name}")
    assert stopped(pyrootless, engine_environment, ident) == 6


@pytest.mark.needs("tini")
def test_stop_gives_its_time_to_the_child_of_a_tini(
    pyrootless: Run, start: Start, engine_environment: dict[str, str]
) -> None:
    ident = start("host", "tini", "--", "sh", "-c", WAITING)
    assert stopped(pyrootless, engine_environment, ident) == 6


def stopped(pyrootless: Run, engine_environment: dict[str, str], ident: str) -> int:
    """The exit code that `stop` led to: -1 for a signal."""
    log = Path(engine_environment["PYROOTLESS_ROOT"], "containers", ident, "log")
    wait_for_file(log, "ready")
    wait_for_sleep(entry_pid(engine_environment, ident))
    assert pyrootless("stop", "-t", "-1", ident).returncode == 0
    record = log.with_name("status.json")
    wait_for_file(record, "ended_by")
    return int(json.loads(record.read_text())["exit_code"])


def wait_for_sleep(pid: int) -> None:
    """It has nothing more to do before a signal comes."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.01)


def test_a_python_child_takes_one_more_program(
    engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyrootless as library

    for name in ("PYROOTLESS_ROOT", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, engine_environment[name])
    words = {"hostname": "inside", "userns": "single", "fake_root": "remember"}
    with library.launch("host", ["sleep", "1000"], **words) as child:
        before = children_of(os.getpid())
        done = child.run_inside(
            ["sh", "-c", "hostname; cat; exit 3"], input=b"in", env={"A": "b"}
        )
        assert (done.returncode, done.stdout, done.stderr) == (3, b"inside\nin", b"")
        assert child.run_inside(["cat"]).stdout == b""
        assert children_of(os.getpid()) == before  # none of ours is left to be reaped
        with pytest.raises(library.UsageError):
            child.run_inside(["true"], nonsense=True)
