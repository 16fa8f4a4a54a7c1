"""Health checks of real containers: from starting to healthy, unhealthy and back.

In: containers with a check that looks for a file.
Out: what ps, inspect and events say, and what is kept of the results.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., str]

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces"),
]


@pytest.fixture
def start(pyrootless: Run) -> Iterator[Start]:
    started: list[str] = []

    def call(*words: str | Path) -> str:
        done = pyrootless("run", "-d", *words)
        assert done.returncode == 0, done.stderr
        started.append(done.stdout.strip())
        return started[-1]

    yield call
    for ident in started:
        pyrootless("rm", "-f", ident)


def health(environment: dict[str, str], key: str) -> dict[str, Any]:
    path = Path(environment["PYROOTLESS_ROOT"], "containers", key, "health.json")
    return dict(json.loads(path.read_text())) if path.exists() else {}


def until(environment: dict[str, str], key: str, good: Callable[[dict[str, Any]], bool]) -> Any:
    limit = time.monotonic() + 60
    while not (found := health(environment, key)) or not good(found):
        assert time.monotonic() < limit, found
        time.sleep(0.01)
    return found


def test_from_starting_to_healthy_to_unhealthy(
    pyrootless: Run, start: Start, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "go").mkdir()
    key = start(
        "--name=box", "--health-cmd", "echo seen; test -e /go/well", "--health-interval=100ms",
        "--health-retries=2", "--health-start-period=1h", "--health-start-interval=50ms",
        "-v", f"{tmp_path}/go:/go", "host", "sleep", "1000",
    )  # fmt: skip
    found = until(engine_environment, key, lambda h: len(h["Log"]) >= 3)
    assert (found["Status"], found["FailingStreak"]) == ("starting", 0)  # they do not count yet
    assert "(health: starting)" in pyrootless("ps").stdout
    (tmp_path / "go/well").touch()
    until(engine_environment, key, lambda h: h["Status"] == "healthy")
    assert "(healthy)" in pyrootless("ps").stdout
    assert pyrootless("ps", "-q", "--filter", "health=healthy").stdout == f"{key[:12]}\n"
    assert pyrootless("ps", "-q", "--filter", "health=none").stdout == ""
    (tmp_path / "go/well").unlink()
    found = until(engine_environment, key, lambda h: h["Status"] == "unhealthy")
    assert found["FailingStreak"] >= 2
    found = until(engine_environment, key, lambda h: len(h["Log"]) == 5)
    assert {result["Output"] for result in found["Log"]} == {"seen\n"}
    assert found["Log"][-1]["ExitCode"] == 1
    shown = json.loads(pyrootless("inspect", "box").stdout)[0]
    assert shown["State"]["Health"]["Status"] == "unhealthy"
    assert shown["Config"]["Healthcheck"] == {
        "Test": ["CMD-SHELL", "echo seen; test -e /go/well"],
        "Interval": 100_000_000,
        "StartPeriod": 3_600_000_000_000,
        "StartInterval": 50_000_000,
        "Retries": 2,
    }
    told = pyrootless("events", "--since=1h", "--until=0s", "--filter=event=health_status")
    words = [line.split(" (")[0].split()[2:4] for line in told.stdout.splitlines()]
    assert words == [["health_status:", "healthy"], ["health_status:", "unhealthy"]]


def test_a_check_that_takes_too_long_is_ended(
    start: Start, engine_environment: dict[str, str], pyrootless: Run
) -> None:
    line = "echo begun; exec sleep 4321"
    key = start(
        "--health-cmd", line, "--health-interval=50ms", "--health-timeout=200ms",
        "--health-retries=1", "host", "sleep", "1000",
    )  # fmt: skip
    found = until(engine_environment, key, lambda h: h["Status"] == "unhealthy")
    result = found["Log"][0]
    assert result["ExitCode"] == -1
    assert result["Output"] == "Health check exceeded timeout (0.2s): begun\n"
    until(engine_environment, key, lambda h: len(h["Log"]) >= 2)
    # At most the one that runs now: those before it are gone with their starters.
    assert pyrootless("top", key, "-o", "pid,args").stdout.count("sleep 4321") <= 1


def test_output_is_bounded_and_the_program_is_the_containers(
    start: Start, engine_environment: dict[str, str]
) -> None:
    line = 'echo "$HOME $WORD"; head -c 100000 /dev/zero | tr "\\0" x'
    key = start(
        "-e",
        "WORD=own",
        "--health-cmd",
        line,
        "--health-interval=50ms",
        "host",
        "sleep",
        "1000",
    )
    found = until(engine_environment, key, lambda h: bool(h["Log"]))
    output = found["Log"][0]["Output"]
    assert found["Log"][0]["ExitCode"] == 0
    assert " own\nxxx" in output and output.endswith("x...")
    assert len(output) == 4096 + len("...")


def test_no_check(pyrootless: Run, start: Start, engine_environment: dict[str, str]) -> None:
    key = start("--no-healthcheck", "host", "sleep", "1000")
    assert health(engine_environment, key) == {}
    assert "Health" not in json.loads(pyrootless("inspect", key).stdout)[0]["State"]
    done = pyrootless("run", "-d", "--no-healthcheck", "--health-cmd=true", "host", "true")
    assert (done.returncode, done.stdout) == (125, "")
    assert "--no-healthcheck: it cannot be used with --health-cmd" in done.stderr


def test_a_container_that_ends_in_a_check_takes_it_along(
    pyrootless: Run, start: Start, engine_environment: dict[str, str]
) -> None:
    key = start(
        "--name=box",
        "--health-cmd=sleep 1000",
        "--health-interval=10ms",
        "host",
        "sleep",
        "0.5",
    )
    assert pyrootless("wait", "box").stdout == "0\n"
    assert pyrootless("rm", "box").returncode == 0
    assert health(engine_environment, key) == {}
