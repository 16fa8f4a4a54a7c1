"""The journal of events: docker's names, attributes, order and filters, of real containers.

In: containers that are started, stopped, removed; images that are tagged.
Out: the lines and objects of `events`, and what the journal holds.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces"),
]


@pytest.fixture
def happened(pyrootless: Run) -> Callable[..., list[dict[str, Any]]]:
    """What there is of some events since the test began: the store is every test's."""
    begin = f"--since={time.time():.9f}"

    def call(*words: str) -> list[dict[str, Any]]:
        done = pyrootless("events", begin, "--until=0s", "--format=json", *words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return call


def actions(events: list[dict[str, Any]]) -> list[str]:
    return [event["Action"] for event in events]


def test_a_container_from_its_begin_to_its_removal(
    pyrootless: Run, happened: Callable[..., list[dict[str, Any]]]
) -> None:
    done = pyrootless("run", "-d", "--name=life", "--label=team=web", "host", "sleep", "1000")
    key = done.stdout.strip()
    pyrootless("kill", "-s", "CONT", "life")
    pyrootless("stop", "-t", "0", "life")
    pyrootless("rm", "life")
    found = happened("--filter=container=life")
    assert actions(found) == [
        "create", "start", "kill", "kill", "kill", "die", "stop", "destroy"
    ]  # fmt: skip
    own = {"image": "host", "name": "life", "team": "web"}
    first, died = found[0], found[5]
    assert list(first) == [
        "status", "id", "from", "Type", "Action", "Actor", "scope", "time", "timeNano"
    ]  # fmt: skip
    assert first["Actor"] == {"ID": key, "Attributes": own}
    assert (first["status"], first["id"], first["from"]) == ("create", key, "host")
    assert [found[at]["Actor"]["Attributes"]["signal"] for at in (2, 3, 4)] == ["18", "15", "9"]
    assert died["Actor"]["Attributes"] == own | {"execDuration": "0", "exitCode": "137"}
    times = [event["timeNano"] for event in found]
    assert times == sorted(times)
    assert actions(happened("--filter=label=team=web", "--filter=event=die")) == ["die"]
    assert happened("--filter=label=team=other") == []
    assert happened("--filter=container=life", "--filter=type=image") == []


def test_a_second_program_and_who_attaches(
    pyrootless: Run, happened: Callable[..., list[dict[str, Any]]]
) -> None:
    """A check of the health is a second program too, and is told to nobody."""
    check = ("--health-cmd=true", "--health-interval=20ms")
    pyrootless("run", "-d", "--name=second", *check, "host", "sleep", "1.5")
    assert pyrootless("exec", "second", "sh", "-c", 'echo "a\\b"; exit 3').returncode == 3
    pyrootless("attach", "--no-stdin", "second")
    pyrootless("rm", "second")
    found = happened("--filter=container=second")
    words = [word for word in actions(found) if word != "health_status: healthy"]
    line = 'sh -c echo "a\\b"; exit 3'
    assert words == [
        "create", "start", f"exec_create: {line}", f"exec_start: {line}", "exec_die", "attach",
        "die", "destroy",
    ]  # fmt: skip
    of_exec = [event["Actor"]["Attributes"] for event in found if "exec" in event["Action"]]
    assert len({told["execID"] for told in of_exec}) == 1
    assert [told.get("exitCode") for told in of_exec] == [None, None, "3"]
    asked = happened("--filter=container=second", "--filter=event=exec_start")
    assert actions(asked) == [f"exec_start: {line}"]


def test_lines_and_templates(pyrootless: Run) -> None:
    pyrootless("run", "-d", "--rm", "--name=lines", "host", "true")
    pyrootless("wait", "lines")
    words = (
        "events",
        "--since=1h",
        "--until=0s",
        "--filter=event=die",
        "--filter=container=lines",
    )
    line = pyrootless(*words).stdout
    assert line.endswith("(execDuration=0, exitCode=0, image=host, name=lines)\n")
    assert line.split()[1:3] == ["container", "die"]
    made = pyrootless(*words, "--format", "{{.Type}}/{{.Actor.Attributes.name}}").stdout
    assert made == "container/lines\n"
    done = pyrootless("events", "--filter=colour=red")
    assert (done.returncode, "invalid filter 'colour'" in done.stderr) == (125, True)


def test_a_reader_sees_what_happens_now(
    pyrootless: Run, launcher: Path, engine_environment: dict[str, str]
) -> None:
    words = [str(launcher), "events", "--since=0", "--filter=container=now"]
    words += ["--format={{.Action}}"]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        pyrootless("run", "-d", "--rm", "--name=now", "host", "true")
        seen = [reader.stdout.readline() for _ in range(4)]
        reader.terminate()
    assert seen == [b"create\n", b"start\n", b"die\n", b"destroy\n"]


def test_one_without_a_name_pays_for_no_event(
    pyrootless: Run, engine_environment: dict[str, str]
) -> None:
    root = Path(engine_environment["PYROOTLESS_ROOT"])
    before = (root / "events").read_bytes() if (root / "events").exists() else b""
    assert pyrootless("run", "--rm", "host", "true").returncode == 0
    assert ((root / "events").read_bytes() if before else b"") == before
    assert before or not (root / "events").exists()


def test_a_full_journal_is_rotated_and_read_on(
    pyrootless: Run, engine_environment: dict[str, str],
    happened: Callable[..., list[dict[str, Any]]],
) -> None:  # fmt: skip
    root = Path(engine_environment["PYROOTLESS_ROOT"])
    pyrootless("run", "-d", "--name=old", "host", "true")
    pyrootless("wait", "old")
    with (root / "events").open("ab") as journal:
        journal.write(b"no event\n" * (1 << 20))
    pyrootless("run", "-d", "--name=new", "host", "true")
    pyrootless("wait", "new")
    assert (root / "events.1").stat().st_size > 8 << 20 > (root / "events").stat().st_size
    names = [event["Actor"]["Attributes"]["name"] for event in happened("--filter=event=die")]
    assert names[-2:] == ["old", "new"]
    assert actions(happened("--filter=container=new")) == ["create", "start", "die"]
    os.remove(root / "events.1")
    for name in ("old", "new"):
        pyrootless("rm", name)
