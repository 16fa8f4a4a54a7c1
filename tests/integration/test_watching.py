"""`top`, `port`, `logs` and `container VERB` of real containers.

In: containers in the background.  Out: what each verb prints, and when it ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., str]

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces"),
]


def test_top_shows_the_container_and_what_exec_started(
    pyrootless: Run, start: Start, launcher: Path, engine_environment: dict[str, str]
) -> None:
    box = start("host", "sleep", "1000")
    words = [str(launcher), "exec", box, "sh", "-c", "echo up; sleep 2000; true"]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as second:
        assert second.stdout is not None
        assert second.stdout.readline() == b"up\n"
        done = pyrootless("top", box, "-o", "pid,args")
        lines = [line.split(None, 1) for line in done.stdout.splitlines()]
        assert lines[0] == ["PID", "COMMAND"]
        seen = {line[1] for line in lines[1:]}
        assert seen >= {"sleep 1000", "sleep 2000", "sh -c echo up; sleep 2000; true"}
        assert all("pyrootless" not in name for name in seen)
        assert pyrootless("container", "top", box).stdout.split()[:3] == ["UID", "PID", "PPID"]
        second.kill()


def test_top_sees_into_namespaces_below(
    pyrootless: Run, start: Start, launcher: Path, engine_environment: dict[str, str]
) -> None:
    nested = "unshare --user --map-root-user --pid --fork sh -c 'echo up; sleep 3000; true'"
    box = start("--security-opt=seccomp=unconfined", "host", "sh", "-c", nested)
    words = [str(launcher), "logs", "-f", box]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"up\n"
        reader.kill()
    seen = pyrootless("top", box, "-o", "pid,args").stdout
    assert " sh -c echo up; sleep 3000; true\n" in seen.replace("  ", " ")


def test_top_refusals(pyrootless: Run, start: Start) -> None:
    box = start("host", "sleep", "1000")
    for words, said in (
        (["-o", "args"], "ps shows no PID with these options"),
        (["-o", "user=PID"], 'specifying "user=PID" is not allowed'),
        (["--no-such-option"], "ps refuses these options: "),
    ):
        done = pyrootless("top", box, *words)
        assert (done.returncode, said in done.stderr) == (125, True), done.stderr
    pyrootless("kill", box)
    assert "is not running" in pyrootless("top", box).stderr


def test_logs_follow_until_the_end(
    pyrootless: Run, start: Start, tmp_path: Path, launcher: Path,
    engine_environment: dict[str, str],
) -> None:  # fmt: skip
    """A reader that began before the first line has them all, and ends with the container."""
    (tmp_path / "go").mkdir()
    wait = "echo first; while [ ! -e /go/now ]; do sleep 0.05; done; seq 1000; printf last"
    box = start("-v", f"{tmp_path}/go:/go", "host", "sh", "-c", wait)
    words = [str(launcher), "logs", "-f", box]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"first\n"
        (tmp_path / "go/now").touch()
        rest, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0
    assert rest == b"".join(b"%d\n" % i for i in range(1, 1001)) + b"last"
    assert pyrootless("logs", "-n", "2", box).stdout == "1000\nlast"
    assert pyrootless("container", "logs", "--tail", "0", box).stdout == ""


def test_logs_of_a_terminal_that_is_removed_at_its_end(
    start: Start, tmp_path: Path, launcher: Path, engine_environment: dict[str, str]
) -> None:
    (tmp_path / "go").mkdir()
    wait = "echo first; while [ ! -e /go/now ]; do sleep 0.05; done; echo last"
    box = start("--rm", "-t", "-v", f"{tmp_path}/go:/go", "host", "sh", "-c", wait)
    words = [str(launcher), "logs", "--follow", box]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"first\r\n"
        (tmp_path / "go/now").touch()
        assert reader.communicate(timeout=60)[0] == b"last\r\n"
    assert reader.returncode == 0


def test_words_that_logs_does_not_know(pyrootless: Run, start: Start) -> None:
    box = start("host", "echo", "hello")
    for words, said in (
        (["--tail=x"], '"x" is no number of lines'),
        (["--since=yesterday"], '"yesterday" is no time: write --since=2026-01-31T12:00:00'),
        (["--until=10x"], '"10x" is no time'),
        (["more"], '"more" is one word too many'),
    ):
        done = pyrootless("logs", box, *words)
        assert (done.returncode, done.stdout) == (125, "")
        assert said in done.stderr


def test_ports_of_a_container_without_any(pyrootless: Run, start: Start) -> None:
    box = start("host", "sleep", "1000")
    assert (pyrootless("port", box).returncode, pyrootless("port", box).stdout) == (0, "")
    done = pyrootless("port", box, "80")
    assert done.returncode == 125
    assert f"no public port '80/tcp' published for {box}" in done.stderr


@pytest.mark.needs("pasta")
def test_published_ports(pyrootless: Run, start: Start) -> None:
    box = start("--network=pasta", "-p", "127.0.0.1::80", "-p", "127.0.0.1::53/udp",
                "host", "sleep", "1000")  # fmt: skip
    lines = pyrootless("port", box).stdout.splitlines()
    assert [line.rpartition(":")[0] for line in lines] == [
        "53/udp -> 127.0.0.1",
        "80/tcp -> 127.0.0.1",
    ]
    assert pyrootless("port", box, "53/udp").stdout.strip() == lines[0].split(" -> ")[1]
    assert pyrootless("port", box, "53").returncode == 125


def test_verbs_below_container(pyrootless: Run, start: Start) -> None:
    box = start("--name", "of-container", "host", "sleep", "1000")
    assert pyrootless("container", "ls", "-q").stdout == pyrootless("ps", "-q").stdout
    assert pyrootless("container", "inspect", "of-container").returncode == 0
    assert pyrootless("container", "exec", box, "echo", "in").stdout == "in\n"
    assert pyrootless("container", "run", "--rm", "host", "echo", "new").stdout == "new\n"
    assert pyrootless("container", "kill", box).stdout.strip() == box
    assert "there is no `container mount` here" in pyrootless("container", "mount", box).stderr
    done = pyrootless("container", "prune", "-f")
    assert box in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1].startswith("Total reclaimed space: ")


def test_lists_by_filter_and_format(pyrootless: Run, start: Start) -> None:
    first = start("--name", "listed-1", "-l", "team=a", "host", "sleep", "1000")
    second = start("--name", "listed-2", "host", "sleep", "1000")
    pyrootless("kill", second)
    assert pyrootless("ps", "-q", "--no-trunc", "-f", "name=listed").stdout == f"{first}\n"
    assert pyrootless("ps", "-lq", "--no-trunc").stdout == f"{second}\n"
    assert pyrootless("ps", "-n", "2", "-q").stdout == f"{second[:12]}\n{first[:12]}\n"
    newer = pyrootless("ps", "-aq", "--filter", "since=listed-1", "--filter", "name=listed")
    assert newer.stdout == f"{second[:12]}\n"
    done = pyrootless("ps", "-a", "--filter", "name=listed", "--format",
                      r'table {{.Names}}\t{{.State}}\t{{.Label "team"}}')  # fmt: skip
    assert done.stdout == (
        "NAMES      STATE     team\nlisted-2   exited\nlisted-1   running   a\n"
    )
    done = pyrootless(
        "container", "inspect", "-f", "{{.Name}} {{.State.Status}}", first, second
    )
    assert done.stdout == "/listed-1 running\n/listed-2 exited\n"
    done = pyrootless("inspect", "-f", "{{.Nothing}}", first)
    assert (done.returncode, 'no entry for key "Nothing"' in done.stderr) == (125, True)
    assert " (virtual " in pyrootless("ps", "-s", "-f", "name=listed").stdout
    assert '"Size":"0B"' in pyrootless("ps", "--format", "json", "-f", "name=listed").stdout
