"""A container's life by its verbs: created, started, run again, and who gets there first.

In: the launcher with a store and a runtime directory of one test.
Out: what each verb printed, the files the container wrote, its state in ps and inspect.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.needs("user-namespaces")

SECONDS = 60
Done = subprocess.CompletedProcess[str]


class Box:
    """One store, one runtime directory, and the launcher in them."""

    def __init__(self, launcher: Path, environment: dict[str, str]) -> None:
        self.launcher, self.environment = str(launcher), environment
        self.data = Path(environment["PYROOTLESS_ROOT"])
        self.runtime = Path(environment["XDG_RUNTIME_DIR"]) / "pyrootless"

    def call(self, *words: str, **how: Any) -> Done:
        """One command, to its end."""
        return subprocess.run(
            [self.launcher, *words],
            **{
                "env": self.environment,
                "stdin": subprocess.DEVNULL,
                "capture_output": True,
                "text": True,
                "timeout": SECONDS,
                "check": False,
                **how,
            },
        )

    def ok(self, *words: str, **how: Any) -> str:
        """What a command printed that must not fail."""
        done = self.call(*words, **how)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return str(done.stdout).strip()

    def popen(self, *words: str) -> subprocess.Popen[str]:
        """One command beside the test."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [self.launcher, *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def inspect(self, name: str) -> dict[str, Any]:
        found = json.loads(self.ok("inspect", "--type", "container", name))
        assert isinstance(found[0], dict)
        return found[0]

    def state(self, name: str) -> dict[str, Any]:
        state = self.inspect(name)["State"]
        assert isinstance(state, dict)
        return state

    def status(self, name: str) -> str:
        """The column STATUS of ps -a."""
        return self.ok("ps", "-a", "--filter", f"name=^{name}$", "--format", "{{.Status}}")

    def entries(self) -> list[str]:
        return sorted(path.name for path in (self.runtime / "running").iterdir())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of this file's: its image is prepared once, and each test leaves it empty."""
    return tmp_path_factory.mktemp("life") / "data"


@pytest.fixture
def box(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path, store: Path
) -> Iterator[Box]:
    (tmp_path / "run").mkdir(mode=0o700)
    environment = engine_environment | {
        "PYROOTLESS_ROOT": str(store),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    made = Box(launcher, environment)
    yield made
    left = [path.name for path in (store / "containers").iterdir()] if store.exists() else []
    if left:
        made.ok("rm", "-f", *left)


# --- created, started


def test_create_makes_and_starts_nothing(box: Box) -> None:
    key = box.ok("create", "--name=web", "host", "sh", "-c", "echo began")
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert box.entries() == []
    assert box.ok("ps", "-q") == ""
    assert box.status("web") == "Created"
    assert box.ok("ps", "-aq", "--no-trunc", "--filter", "status=created") == key
    state = box.state(key[:12])
    assert (state["Status"], state["Running"], state["Pid"]) == ("created", False, 0)
    assert (state["ExitCode"], state["Error"]) == (0, "")
    assert state["StartedAt"] == state["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert not (box.data / "containers" / key / "log").exists()


def test_create_takes_what_run_takes(box: Box) -> None:
    words = ("-e", "A=1", "--hostname=there", "--label=team=a", "-w", "/tmp", "host", "env")
    run = json.loads(box.ok("run", "--print-spec", *words))
    created = box.ok("create", *words)
    made = json.loads((box.data / "containers" / created / "config.json").read_text())
    for part in ("process", "hostname", "linux"):
        assert made[part] == run[part]
    done = box.call("create", "-d", "host", "true")
    assert done.returncode == 125
    assert "there is no such option" in done.stderr


def test_start_runs_it_in_the_background_and_prints_what_was_named(box: Box) -> None:
    key = box.ok("create", "--name=web", "host", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert box.ok("start", "web") == "web"
    assert box.ok("wait", "web") == "7"
    logs = box.call("logs", key)
    assert (logs.returncode, logs.stdout, logs.stderr) == (0, "out\n", "err\n")
    state = box.state("web")
    assert (state["Status"], state["ExitCode"], state["Error"]) == ("exited", 7, "")
    assert "0001" < state["StartedAt"] < state["FinishedAt"]
    assert re.match(r"Exited \(7\) ", box.status("web"))


def test_start_of_an_ended_one_runs_it_again_on_its_files(box: Box) -> None:
    program = "echo run >>/srv/runs; cat /srv/runs; wc -l </srv/runs >/srv/count"
    box.ok("run", "-d", "--name=web", "host", "sh", "-c", program)
    box.ok("wait", "web")
    created = box.inspect("web")["Created"]
    assert box.ok("start", "web") == "web"
    assert box.ok("wait", "web") == "0"
    assert box.ok("logs", "web").splitlines() == ["run"] * 3
    again = box.inspect("web")
    assert again["Created"] == created
    assert again["State"]["Status"] == "exited"


def test_start_of_a_running_one_is_a_success_and_does_nothing(box: Box) -> None:
    box.ok("run", "-d", "--name=web", "host", "sleep", "600")
    before = box.state("web")["Pid"]
    assert box.ok("start", "web") == "web"
    assert box.state("web")["Pid"] == before


def test_start_goes_on_after_a_failure(box: Box) -> None:
    box.ok("create", "--name=one", "host", "sleep", "600")
    box.ok("create", "--name=two", "host", "sleep", "600")
    done = box.call("start", "one", "nosuch", "two")
    assert (done.returncode, done.stdout) == (1, "one\ntwo\n")
    assert "No such container: nosuch" in done.stderr
    assert box.ok("ps", "--format", "{{.Names}}").split() == ["two", "one"]


def test_start_attached_shows_every_byte_and_its_exit_status(box: Box) -> None:
    """More than the ring of the monitor holds, from a program that waits for nobody."""
    program = "head -c 3000000 /dev/zero | tr '\\0' x; echo bad >&2; exit 9"
    box.ok("create", "--name=web", "host", "sh", "-c", program)
    done = box.call("start", "-a", "web")
    assert (done.returncode, done.stdout, done.stderr) == (9, "x" * 3000000, "bad\n")
    logs = box.call("logs", "web")
    assert (logs.returncode, logs.stdout, logs.stderr) == (0, "x" * 3000000, "bad\n")
    assert box.call("start", "-a", "web").returncode == 9


def test_start_interactive_gives_it_the_input(box: Box) -> None:
    box.ok("create", "-i", "--name=web", "host", "sh", "-c", "tr a-z A-Z; exit 3")
    for flag in ("-i", "-ai"):
        done = box.call("start", flag, "web", stdin=None, input="hello\n")
        assert (done.returncode, done.stdout) == (3, "HELLO\n"), flag
    assert box.inspect("web")["Config"]["OpenStdin"] is True


def test_start_attached_leaves_it_when_it_is_killed(box: Box) -> None:
    """Whoever watches is not its owner, as with docker."""
    box.ok("create", "--name=web", "host", "sh", "-c", "echo up; sleep 600")
    with box.popen("start", "-a", "web") as front:
        assert front.stdout is not None
        assert front.stdout.readline() == "up\n"
        front.kill()
    assert box.state("web")["Running"] is True
    assert box.ok("logs", "web") == "up"


def test_start_attaches_to_one_alone(box: Box) -> None:
    box.ok("create", "--name=web", "host", "true")
    done = box.call("start", "-a", "web", "web")
    assert done.returncode == 125
    assert "you cannot start and attach multiple containers at once" in done.stderr


def test_what_is_to_be_removed_goes_after_its_end(box: Box) -> None:
    key = box.ok("create", "--rm", "--name=web", "host", "sh", "-c", "exit 4")
    assert box.inspect("web")["HostConfig"]["AutoRemove"] is True
    assert box.call("start", "-a", "web").returncode == 4
    assert box.ok("ps", "-aq") == ""
    assert not (box.data / "containers" / key).exists()
    assert list((box.data / "names").iterdir()) == []


def test_an_ephemeral_one_can_be_created(box: Box) -> None:
    """Its description lies in the store until it has run, and what it writes in memory."""
    key = box.ok("create", "--ephemeral", "--name=web", "host", "sh", "-c", "echo x >/srv/x")
    assert box.ok("start", "web") == "web"
    box.call("wait", "web")
    assert not (box.data / "containers" / key).exists()


def test_a_failed_start_leaves_it_created_and_says_why(box: Box) -> None:
    box.ok("create", "--name=web", "host", "/nonexistent")
    done = box.call("start", "web")
    assert (done.returncode, done.stdout) == (1, "")
    assert "/nonexistent" in done.stderr
    state = box.state("web")
    assert (state["Status"], state["ExitCode"]) == ("created", 127)
    assert state["Error"] == "exec: execve(/nonexistent): No such file or directory"
    assert box.entries() == []
    box.ok("create", "--rm", "--name=gone", "host", "/nonexistent")
    assert box.call("start", "gone").returncode == 1
    assert box.ok("ps", "-a", "--format", "{{.Names}}") == "web"


def test_limits_hold_again(box: Box) -> None:
    """The control groups are made anew, by what the host offers now."""
    words = ("--limits=best-effort", "--pids-limit=40", "--memory=64m")
    box.ok("create", *words, "--name=web", "host", "sh", "-c", "sleep 600")
    for _ in range(2):
        box.ok("start", "web")
        limits = box.inspect("web")["Limits"]
        assert {"memory", "pids"} <= set(limits)
        box.ok("kill", "web")
        box.ok("wait", "web")
    groups = str(box.inspect("web")["Annotations"].get("io.pyrootless.limits.cgroups", ""))
    assert [line for line in groups.splitlines() if Path(line.split(" ", 2)[2]).exists()] == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_starter_that_is_killed_leaves_it_as_it_was(box: Box, kept: bool) -> None:
    """An entry of somebody who is gone before his container began."""
    box.ok("create", *([] if kept else ["--rm"]), "--name=web", "host", "true")
    key = box.ok("ps", "-aq", "--no-trunc")
    line = f"{0:010} {0:020} {box.data}/containers/{key} kept,again,name=web\n"
    entry = box.runtime / "running" / key
    entry.write_text(line)
    entry.chmod(0o600)
    assert box.status("web") == "Created"
    assert box.entries() == []
    box.ok("start", "web")
    box.call("wait", "web")
    assert (box.status("web") != "") == kept


def test_docker_words(box: Box) -> None:
    """`container VERB` is the verb."""
    key = box.ok("container", "create", "--name=web", "host", "sleep", "600")
    assert box.ok("container", "start", "web") == "web"
    assert box.state(key)["Status"] == "running"


def test_help_of_the_verbs_is_the_tables(box: Box) -> None:
    for verb, words in (("create", "--hostname NAME"), ("start", "-a, --attach")):
        text = box.ok("help", verb)
        assert text.startswith(f"Usage: pyrootless {verb} [OPTION…] ")
        assert words in text
        assert text == box.ok(verb, "--help")
    assert "--detach " not in box.ok("help", "create")
    assert os.fspath(box.data) not in box.ok("help", "start")


# --- restarted


def test_restart_stops_and_starts(box: Box) -> None:
    box.ok("run", "-d", "--name=web", "host", "sh", "-c", "echo up; exec sleep 600")
    first = box.state("web")
    assert box.ok("restart", "web") == "web"
    second = box.state("web")
    assert second["Running"] is True
    assert second["Pid"] != first["Pid"]
    assert second["StartedAt"] > first["StartedAt"]
    assert box.ok("logs", "web").split() == ["up", "up"]
    assert box.inspect("web")["RestartCount"] == 0


def test_restart_of_one_that_does_not_run_starts_it(box: Box) -> None:
    box.ok("create", "--name=made", "host", "sleep", "600")
    box.ok("run", "-d", "--name=over", "host", "true")
    box.ok("wait", "over")
    done = box.call("restart", "made", "nosuch", "over")
    assert (done.returncode, done.stdout) == (1, "made\nover\n")
    assert "No such container: nosuch" in done.stderr
    assert box.state("made")["Running"] is True


TRAPS = "trap 'exit 5' HUP; trap 'echo term' TERM; echo ready; while :; do sleep 0.02; done"


def test_restart_by_a_signal_and_in_a_time(box: Box) -> None:
    box.ok("run", "-d", "--name=web", "host", "sh", "-c", TRAPS)
    for words, code in ((("-s", "HUP"), "5"), (("-t", "0"), "137")):
        with box.popen("wait", "web") as waiting:
            listen(box, "web", 2)
            assert box.ok("restart", *words, "web") == "web"
            assert waiting.communicate()[0] == f"{code}\n"
    assert box.call("restart", "-t", "-2", "web").returncode == 125


def listen(box: Box, name: str, count: int) -> None:
    """Until so many processes are connected to its monitor, or a second has passed."""
    key = box.inspect(name)["Id"]
    path = str(box.runtime / "control" / key)
    for _ in range(SECONDS * 20):
        table = Path("/proc/net/unix").read_text().splitlines()
        if sum(line.endswith(path[-40:]) for line in table) >= count:
            return
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError(table)


def test_a_policy_starts_it_again_until_it_has_tried_so_often(box: Box) -> None:
    program = "echo run >>/srv/runs; cat /srv/runs >/srv/all; echo out; exit 3"
    box.ok("run", "-d", "--restart=on-failure:2", "--name=web", "host", "sh", "-c", program)
    end(box, "web")
    found = box.inspect("web")
    assert found["RestartCount"] == 2
    assert found["HostConfig"]["RestartPolicy"] == {
        "Name": "on-failure",
        "MaximumRetryCount": 2,
    }
    state = found["State"]
    assert (state["Status"], state["ExitCode"], state["Restarting"]) == ("exited", 3, False)
    assert box.ok("logs", "web").split() == ["out"] * 3
    box.ok("start", "web")
    end(box, "web")
    assert box.inspect("web")["RestartCount"] == 2
    assert box.ok("logs", "web").split() == ["out"] * 6


def end(box: Box, name: str) -> None:
    """Wait for its last end."""
    while box.state(name)["Running"]:
        box.call("wait", name)


def test_a_good_end_is_no_failure(box: Box) -> None:
    box.ok("run", "-d", "--restart=on-failure", "--name=web", "host", "sh", "-c", "exit 0")
    end(box, "web")
    assert box.inspect("web")["RestartCount"] == 0


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_stop_ends_a_policy_until_the_next_start(box: Box, policy: str, verb: str) -> None:
    box.ok("run", "-d", f"--restart={policy}", "--name=web", "host", "sleep", "600")
    first = box.state("web")["Pid"]
    os.kill(first, 9)  # nobody asked the engine for this end
    again = until(box, "web", "running", other=first)
    assert again["Pid"] != first
    assert box.inspect("web")["RestartCount"] == 1
    assert box.ok(verb, "web") == "web"
    box.ok("wait", "web")
    assert (box.state("web")["Status"], box.entries()) == ("exited", [])
    box.ok("start", "web")
    assert box.inspect("web")["RestartCount"] == 0
    second = box.state("web")["Pid"]
    os.kill(second, 9)
    until(box, "web", "running", other=second)


def until(box: Box, name: str, status: str, other: int = 0) -> dict[str, Any]:
    """Its state, once it is this one, with another process than `other`."""
    for _ in range(SECONDS * 20):
        state = box.state(name)
        if state["Status"] == status and state["Pid"] != other:
            return state
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError(state)


def test_between_two_runs_it_is_restarting(box: Box) -> None:
    box.ok("run", "-d", "--restart=always", "--name=web", "host", "sh", "-c", "exit 2")
    state = until(box, "web", "restarting")
    assert (state["Running"], state["Restarting"], state["ExitCode"]) == (True, True, 2)
    rows = ["ps", "--filter", "status=restarting", "--format", "{{.Names}} {{.Status}}"]
    while not (shown := box.ok(*rows)):  # its next run may have begun
        pass
    assert re.match(r"web Restarting \(2\) ", shown)
    done = box.call("rm", "web")
    assert (done.returncode, "is running" in done.stderr) == (1, True)
    assert box.ok("start", "web") == "web"  # it is on its way already
    assert box.ok("stop", "web") == "web"
    assert (box.state("web")["Status"], box.entries()) == ("exited", [])
    assert box.ok("logs", "web") == ""


def test_rm_ends_one_that_is_restarting(box: Box) -> None:
    key = box.ok("run", "-d", "--restart=always", "--name=web", "host", "false")
    until(box, "web", "restarting")
    assert box.ok("rm", "-f", "web") == "web"
    assert (box.entries(), (box.data / "containers" / key).exists()) == ([], False)


def test_a_restart_that_fails_is_the_end_and_says_why(box: Box) -> None:
    """The program takes itself away."""
    box.ok("run", "--rm", "host", "true")
    program = "cp /bin/false /srv/p; exec /srv/p"
    box.ok("run", "-d", "--restart=always", "--name=web", "host", "sh", "-c", program)
    until(box, "web", "restarting")
    config = box.data / "containers" / box.inspect("web")["Id"] / "config.json"
    config.write_text(config.read_text().replace('"sh","-c"', '"/nonexistent","-c"'))
    end(box, "web")
    state = box.state("web")
    assert (state["Status"], state["ExitCode"]) == ("exited", 127)
    assert "/nonexistent" in state["Error"]


def test_a_policy_and_rm_do_not_go_together(box: Box) -> None:
    for option, other in (("--rm", "--rm"), ("--ephemeral", "--ephemeral")):
        done = box.call("run", option, "--restart=always", "host", "true")
        assert done.returncode == 125
        assert f"conflicting options: cannot specify both --restart and {other}" in done.stderr
    assert box.call("run", "--rm", "--restart=no", "host", "true").returncode == 0
    done = box.call("run", "--restart=sometimes", "host", "true")
    assert 'invalid restart policy "sometimes": unknown policy' in done.stderr


def test_who_watches_sees_one_run(box: Box) -> None:
    """As with docker: the command ends with the first run, and the container goes on."""
    done = box.call(
        "run", "--restart=always", "--name=web", "host", "sh", "-c", "echo a; exit 4"
    )
    assert (done.returncode, done.stdout) == (4, "a\n")
    assert until(box, "web", "restarting")["Running"] is True


# --- renamed


def names(box: Box) -> list[str]:
    return sorted(path.name for path in (box.data / "names").iterdir())


@pytest.mark.parametrize("state", ["running", "created", "exited"])
def test_rename(box: Box, state: str) -> None:
    how = {"running": ("run", "-d"), "created": ("create",), "exited": ("run",)}[state]
    box.ok(
        *how,
        "--name=a-long-name",
        "host",
        *(["sleep", "600"] if state != "exited" else ["true"]),
    )
    created = box.inspect("a-long-name")["Created"]
    for old, new, left in (("a-long-name", "db", "db"), ("db", "/even-a-longer-one", "")):
        assert box.ok("rename", old, new) == ""
        shown = left or new[1:]
        assert names(box) == [shown]
        assert box.ok("ps", "-a", "--format", "{{.Names}}") == shown
        found = box.inspect(shown)
        assert (found["Name"], found["State"]["Status"]) == (f"/{shown}", state)
        assert found["Annotations"]["io.pyrootless.name"] == shown
        assert found["Created"] == created
        assert "No such container" in box.call("inspect", "--type=container", old).stderr
    box.ok("rm", "-f", "even-a-longer-one")
    assert names(box) == []


def test_a_renamed_one_that_is_removed_at_its_end_leaves_no_name(box: Box) -> None:
    box.ok("run", "-d", "--rm", "--name=web", "host", "sleep", "600")
    box.ok("rename", "web", "other-name")
    box.ok("stop", "other-name")
    assert (names(box), box.entries()) == ([], [])


def test_rename_takes_no_name_of_another(box: Box) -> None:
    key = box.ok("create", "--name=one", "host", "true")
    box.ok("create", "--name=two", "host", "true")
    done = box.call("rename", "two", "one")
    assert done.returncode == 125
    expected = f'The container name "/one" is already in use by container "{key[:12]}"'
    assert f"Conflict. {expected}." in done.stderr
    assert names(box) == ["one", "two"]
    for words in (["two", "-bad"], ["two", "x"], ["two", "two"], ["nosuch", "three"], ["two"]):
        assert box.call("rename", *words).returncode == 125, words
    assert names(box) == ["one", "two"]


# --- changed


@pytest.mark.needs("cgroup1-delegated")
def test_update_changes_the_limits_of_one_that_runs(box: Box) -> None:
    box.ok("run", "-d", "-m", "64m", "--pids-limit=50", "--name=web", "host", "sleep", "600")
    groups = dict(
        line.split(" ")[1:]
        for line in box.inspect("web")["Annotations"][
            "io.pyrootless.limits.cgroups"
        ].splitlines()
    )
    memory, pids = Path(groups["memory"]), Path(groups["pids"])
    for words, bytes_, both, count in (
        (("-m", "32m"), 32 << 20, 64 << 20, 50),
        (("-m", "256m", "--memory-swap=512m"), 256 << 20, 512 << 20, 50),
        (("--memory-swap=-1", "--pids-limit=20"), 256 << 20, None, 20),
        (("--pids-limit=-1",), 256 << 20, None, 4194304),
    ):
        assert box.ok("update", *words, "web") == "web"
        assert int((memory / "memory.limit_in_bytes").read_text()) == bytes_
        if both:
            assert int((memory / "memory.memsw.limit_in_bytes").read_text()) == both
        assert int((pids / "pids.max").read_text()) == count
        host = box.inspect("web")["HostConfig"]
        assert (host["Memory"], host["PidsLimit"]) == (bytes_, count)
    done = box.call("update", "--cpus=1", "web")
    assert done.returncode == 1
    assert "--cpus: the container has no control group of its own for it" in done.stderr
    box.ok("stop", "web")
    assert box.ok("update", "--cpus=1", "web") == "web"
    box.ok("start", "web")
    assert box.inspect("web")["HostConfig"]["CpuQuota"] == 100000


def test_update_changes_what_is_started_later(box: Box) -> None:
    words = ("--limits=best-effort", "-m", "64m", "--name=web", "host", "sleep", "600")
    box.ok("create", *words)
    before = box.inspect("web")
    box.ok("update", "-m", "96m", "--restart=on-failure:2", "web")
    after = box.inspect("web")
    assert after["HostConfig"]["Memory"] == 96 << 20
    assert after["HostConfig"]["RestartPolicy"]["MaximumRetryCount"] == 2
    assert after["Created"] == before["Created"]
    box.ok("update", "--restart=no", "web")
    assert box.inspect("web")["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_update_of_a_policy_counts_from_the_next_end(box: Box) -> None:
    box.ok("run", "-d", "--restart=always", "--name=web", "host", "sleep", "600")
    box.ok("update", "--restart=no", "web")
    os.kill(box.state("web")["Pid"], 9)
    box.ok("wait", "web")
    assert (box.state("web")["Status"], box.entries()) == ("exited", [])


def test_update_refuses_what_has_no_meaning(box: Box) -> None:
    box.ok("create", "--rm", "--name=web", "host", "true")
    for words, said in (
        ((), "you must provide one or more flags"),
        (("--memory=1k",), "is less than 6m"),
        (("--restart=always",), "AutoRemove is enabled for the container"),
        (("--hostname=x",), "there is no such option"),
    ):
        done = box.call("update", *words, "web")
        assert done.returncode != 0
        assert said in done.stderr


# --- paused

TICKS = "while :; do echo tick; sleep 0.01; done"


def ticking(box: Box, *words: str) -> None:
    box.ok("run", "-d", "--name=web", *words, "host", "sh", "-c", TICKS)
    while not box.ok("logs", "web"):
        pass


def stands_still(box: Box) -> bool:
    """What it writes within ten of its rounds."""
    before = box.ok("logs", "web")
    subprocess.run(["sleep", "0.1"], check=True)
    return box.ok("logs", "web") == before


@pytest.mark.needs("freezer-delegated")
def test_pause_and_unpause(box: Box) -> None:
    ticking(box)
    assert box.ok("pause", "web") == "web"
    assert stands_still(box)
    state = box.state("web")
    assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
    assert re.match(r"Up .* \(Paused\)$", box.status("web"))
    assert box.ok("ps", "-q", "--filter", "status=paused") != ""
    for words, said in (
        (("pause", "web"), "Container web is already paused"),
        (("exec", "web", "true"), "Container web is paused, unpause the container before exec"),
        (("attach", "web"), "You cannot attach to a paused container, unpause it first"),
    ):
        done = box.call(*words)
        assert (done.returncode != 0, said in done.stderr) == (True, True), words
    assert box.ok("unpause", "web") == "web"
    assert not stands_still(box)
    assert "Container web is not paused" in box.call("unpause", "web").stderr
    assert box.ok("exec", "web", "echo", "in") == "in"


@pytest.mark.needs("freezer-delegated")
@pytest.mark.parametrize("words", [["stop"], ["kill"], ["rm", "-f"], ["restart"]])
def test_whoever_ends_a_paused_one_thaws_it(box: Box, words: list[str]) -> None:
    ticking(box)
    box.ok("pause", "web")
    (group,) = groups_of(box, "web")
    assert box.ok(*words, "web") == "web"
    if words == ["restart"]:
        assert box.state("web")["Status"] == "running"
        box.ok("stop", "web")
    if words == ["kill"]:
        assert box.ok("wait", "web") == "137"
    assert box.entries() == []
    assert not group.exists()


def groups_of(box: Box, name: str) -> list[Path]:
    link = box.data / "containers" / box.inspect(name)["Id"] / "freezer"
    return [link.readlink()] if link.is_symlink() else []


@pytest.mark.needs("freezer-delegated")
def test_a_killed_monitor_of_a_paused_one_leaves_nothing(box: Box) -> None:
    """Who stands still does not die of a signal: the sweep lets it go on first."""
    ticking(box)
    first = box.state("web")["Pid"]
    box.ok("pause", "web")
    (group,) = groups_of(box, "web")
    monitor = int(Path(f"/proc/{first}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(monitor, 9)
    assert box.state("web")["Status"] == "exited"
    assert (box.entries(), group.exists(), is_alive(first)) == ([], False, False)


def is_alive(pid: int) -> bool:
    """A zombie waits for a parent that is not ours."""
    place = Path(f"/proc/{pid}/stat")
    return place.exists() and place.read_text().rsplit(")", 1)[1].split()[0] not in "ZX"


@pytest.mark.needs("freezer-delegated")
def test_every_process_stands_still(box: Box) -> None:
    """Those of `exec`, and those that are born while it is paused."""
    forks = "while :; do (:) & wait; echo born >>/srv/born; done"
    ticking(box)
    with box.popen("exec", "web", "sh", "-c", forks):
        born = "cat /srv/born 2>/dev/null || :"
        while not box.ok("exec", "web", "sh", "-c", born):
            pass
        box.ok("pause", "web")
        upper = box.data / "containers" / box.inspect("web")["Id"] / "upper/srv/born"
        before = upper.stat().st_size
        subprocess.run(["sleep", "0.2"], check=True)
        assert upper.stat().st_size == before
        box.ok("rm", "-f", "web")


def test_pause_of_what_does_not_run(box: Box) -> None:
    box.ok("create", "--name=web", "host", "true")
    done = box.call("pause", "web", "nosuch")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Container web is not running" in done.stderr
    assert "No such container: nosuch" in done.stderr


def test_pause_without_a_group_is_refused(box: Box) -> None:
    """In the foreground of a command nobody could remove a group after its end."""
    with box.popen("run", "--name=web", "host", "sh", "-c", "echo up; sleep 600") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        try:
            while box.state("web")["Status"] != "running":
                pass  # the program may be quicker than the note of its start
            done = box.call("pause", "web")
            assert done.returncode == 1
            said = "Cannot pause container web: it has no control group that can be frozen"
            assert said in done.stderr
            assert box.state("web")["Status"] == "running"
        finally:
            box.ok("kill", "web")


# --- races: one clean winner, one clear error


def race(box: Box, *commands: list[str]) -> list[Done]:
    """Several commands at once."""
    started = [box.popen(*words) for words in commands]
    ends = [child.communicate(timeout=SECONDS) for child in started]
    return [
        subprocess.CompletedProcess(words, child.returncode, *end)
        for words, child, end in zip(commands, started, ends, strict=True)
    ]


ROUNDS = 8


def test_two_stops(box: Box) -> None:
    for _ in range(ROUNDS):
        box.ok("run", "-d", "--name=web", "host", "sleep", "600")
        done = race(box, ["stop", "web"], ["stop", "web"])
        assert [(one.returncode, one.stdout, one.stderr) for one in done] == [
            (0, "web\n", "")
        ] * 2
        assert box.state("web")["ExitCode"] == 137
        box.ok("rm", "web")


def test_two_starts_are_one(box: Box) -> None:
    program = "echo run >>/srv/runs; sleep 600"
    for _ in range(ROUNDS):
        key = box.ok("create", "--name=web", "host", "sh", "-c", program)
        done = race(box, *[["start", "web"]] * 4)
        assert [(one.returncode, one.stdout, one.stderr) for one in done] == [
            (0, "web\n", "")
        ] * 4
        box.ok("stop", "web")
        assert (box.data / f"containers/{key}/upper/srv/runs").read_text() == "run\n"
        box.ok("rm", "web")


def test_rm_during_start(box: Box) -> None:
    for _ in range(ROUNDS):
        key = box.ok("create", "--name=web", "host", "sleep", "600")
        start, remove = race(box, ["start", "web"], ["rm", "web"])
        if remove.returncode == 0:
            assert (start.returncode, "No such container" in start.stderr) == (1, True)
            assert not (box.data / "containers" / key).exists()
        else:
            assert "container web is running" in remove.stderr
            assert start.returncode == 0
            assert box.state("web")["Status"] == "running"
            box.ok("rm", "-f", "web")
        assert (box.entries(), names(box)) == ([], [])


def test_renames_to_one_name(box: Box) -> None:
    for _ in range(ROUNDS):
        for number in range(3):
            box.ok("create", f"--name=old{number}", "host", "true")
        commands = [["rename", f"old{number}", "new"] for number in range(3)]
        done = race(box, *commands, ["create", "--name=new", "host", "true"])
        assert sorted(one.returncode for one in done) == [0, 125, 125, 125]
        lost = [one.stderr for one in done if one.returncode]
        assert all("is already in use by container" in said for said in lost)
        assert len(names(box)) == (4 if done[3].returncode == 0 else 3)
        box.ok("rm", *names(box))
        assert box.ok("ps", "-aq") == ""


def test_two_renames_of_one_container(box: Box) -> None:
    for _ in range(ROUNDS):
        box.ok("run", "-d", "--name=web", "host", "sleep", "600")
        done = race(box, ["rename", "web", "one"], ["rename", "web", "two"])
        codes = sorted(one.returncode for one in done)
        assert codes in ([0, 0], [0, 125])  # the second may find its name gone
        (name,) = names(box)
        assert box.ok("ps", "--format", "{{.Names}}") == name
        box.ok("rm", "-f", name)
        assert names(box) == []


# --- from Python


def test_the_engine_has_the_same(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyrootless import engine
    from pyrootless.config import find_directories
    from pyrootless.engine.control import kill_container, stop_container
    from pyrootless.errors import ContainerStateError

    for name, value in box.environment.items():
        monkeypatch.setenv(name, value)
    places = find_directories(None)
    made = engine.create_container(places, "host", ["sleep", "600"], name="web", env={"A": "1"})
    assert (made.state, made.name, made.command) == ("created", "web", ("sleep", "600"))
    running = engine.start_container(places, "web")
    assert (running.state, running.id, running.has_processes) == ("running", made.id, True)
    engine.rename_container(places, "web", "shop")
    with pytest.raises(ContainerStateError, match="No such container: web"):
        engine.pause_container(places, "web")
    with pytest.raises(ContainerStateError, match="Container shop is not paused"):
        engine.unpause_container(places, "shop")
    stop_container(places, "shop", 0)
    ended = engine.find_container(places, "shop")
    assert (ended.state, engine.exit_code(ended)) == ("exited", 137)
    assert 0 < ended.started_unix_ns < ended.ended_unix_ns
    with pytest.raises(ContainerStateError, match="is not running"):
        kill_container(places, "shop", 15)
