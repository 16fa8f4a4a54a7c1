"""Logs of real containers: drivers, rotation, followers, bounds, a killed monitor, a full disk.

In: containers in the background that write much, long or odd lines.
Out: what `logs` shows, and what another reader of docker's format finds in the files.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from log_records import output, records

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., Path]

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces"),
]


@pytest.fixture
def start(pyrootless: Run, engine_environment: dict[str, str]) -> Iterator[Start]:
    """`run -d`: the container's directory."""
    started: list[str] = []

    def call(*words: str | Path) -> Path:
        done = pyrootless("run", "-d", *words)
        assert done.returncode == 0, done.stderr
        started.append(done.stdout.strip())
        return Path(engine_environment["PYROOTLESS_ROOT"], "containers", started[-1])

    yield call
    for ident in started:
        pyrootless("rm", "-f", ident)


def raw_logs(launcher: Path, environment: dict[str, str], *words: str) -> tuple[bytes, bytes]:
    done = subprocess.run(
        [str(launcher), "logs", *words], env=environment, capture_output=True, check=True,
        timeout=60,
    )  # fmt: skip
    return done.stdout, done.stderr


def test_the_streams_are_apart_and_the_times_true(
    pyrootless: Run, start: Start, launcher: Path, engine_environment: dict[str, str]
) -> None:
    before = datetime.now(UTC)
    script = r"echo out; echo err >&2; printf 'a\377\tb\n'; printf end"
    place = start("--name=box", "host", "sh", "-c", script)
    assert pyrootless("wait", "box").stdout == "0\n"
    shown = raw_logs(launcher, engine_environment, "box")
    assert shown == ("out\na\ufffd\tb\nend".encode(), b"err\n")
    for record in records(place / "log"):
        assert record["time"].endswith("Z")
        moment = datetime.fromisoformat(record["time"][:26].rstrip("Z") + "+00:00")
        assert before - timedelta(seconds=1) <= moment <= datetime.now(UTC)
    out, err = raw_logs(launcher, engine_environment, "-t", "box")
    stamp, _, text = out.splitlines()[0].partition(b" ")
    assert (len(stamp), text) == (len("2026-12-01T17:52:05.123456789Z"), b"out")
    assert err.endswith(b"Z err\n")


def test_since_until_and_tail(
    pyrootless: Run, start: Start, launcher: Path, engine_environment: dict[str, str]
) -> None:
    place = start("--name=box", "host", "true")
    pyrootless("wait", "box")
    lines = [
        {"log": f"{at}\n", "stream": "stdout", "time": f"2026-01-31T12:00:0{at}Z"}
        for at in range(6)
    ]
    texts = [json.dumps(line, separators=(",", ":")) for line in lines]
    (place / "log").write_text("\n".join([*texts, ""]))

    def shown(*words: str) -> str:
        return raw_logs(launcher, engine_environment, *words, "box")[0].decode()

    unix = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())
    assert shown("--since=2026-01-31T12:00:02Z", "--until=2026-01-31T13:00:04+01:00") == (
        "2\n3\n4\n"
    )
    assert shown(f"--since={unix + 3}.5") == "4\n5\n"
    assert shown("--tail=3", "--until=2026-01-31T12:00:04Z") == "3\n4\n"
    assert shown("--since=1h") == ""
    assert shown("--since=2026-01-30") == "0\n1\n2\n3\n4\n5\n"
    assert shown("-n", "-1") == shown("--tail", "all") == shown()


@pytest.mark.parametrize("files", ["1", "4"])
def test_a_reader_across_rotation_and_the_end(
    pyrootless: Run, start: Start, launcher: Path, engine_environment: dict[str, str],
    tmp_path: Path, files: str,
) -> None:  # fmt: skip
    """With several files it has all lines, of files too that are long gone at the end."""
    (tmp_path / "go").mkdir()
    wait = "echo first; while [ ! -e /go/now ]; do sleep 0.05; done; "
    count = "n=0; while [ $n -lt 600 ]; do echo line $n; n=$((n+1)); sleep 0.002; done"
    place = start(
        "--name=box", "--log-opt=max-size=4k", f"--log-opt=max-file={files}",
        "-v", f"{tmp_path}/go:/go", "host", "sh", "-c", wait + count,
    )  # fmt: skip
    words = [str(launcher), "logs", "-f", "box"]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"first\n"
        (tmp_path / "go/now").touch()
        rest, _ = reader.communicate(timeout=60)
    expected = "".join(f"line {n}\n" for n in range(600))
    kept = sorted(path.name for path in place.glob("log*"))
    if files == "4":
        assert rest.decode() == expected
        assert kept == ["log", "log.1", "log.2", "log.3"]
        assert all(path.stat().st_size < 4096 + 200 for path in place.glob("log*"))
        last = raw_logs(launcher, engine_environment, "-n", "120", "box")[0].decode()
        assert last == "".join(f"line {n}\n" for n in range(480, 600))
    else:  # one file is emptied: what was in it is gone for who comes too late
        assert kept == ["log"]
        assert rest.endswith(b"line 599\n")


def test_long_lines_and_letters_come_back_whole(
    pyrootless: Run, start: Start, launcher: Path, engine_environment: dict[str, str]
) -> None:
    script = "import sys; sys.stdout.write('é'*50000 + '\\n' + 'x'*16384 + '\\n' + 'y'*40000)"
    place = start("--name=box", "host", "python3", "-c", script)
    pyrootless("wait", "box")
    expected = ("é" * 50000 + "\n" + "x" * 16384 + "\n" + "y" * 40000).encode()
    assert raw_logs(launcher, engine_environment, "box")[0] == expected
    assert max(len(record["log"].encode()) for record in records(place / "log")) == 16384
    stamped = raw_logs(launcher, engine_environment, "-t", "box")[0]
    assert len(stamped) == len(expected) + 3 * 31


def test_the_other_drivers(
    pyrootless: Run, start: Start, launcher: Path, engine_environment: dict[str, str],
    tmp_path: Path,
) -> None:  # fmt: skip
    script = "printf 'a\\377b\\n'; echo err >&2"
    place = start("--name=k8s", "--log-driver=k8s-file", "host", "sh", "-c", script)
    pyrootless("wait", "k8s")
    assert raw_logs(launcher, engine_environment, "k8s") == (b"a\xffb\n", b"err\n")
    assert b" stdout F a\xffb\n" in (place / "log").read_bytes()
    place = start("--name=none", "--log-driver=none", "host", "sh", "-c", script)
    pyrootless("wait", "none")
    done = pyrootless("logs", "none")
    assert (done.returncode, place.joinpath("log").exists()) == (125, False)
    assert "was started with --log-driver none" in done.stderr
    own = tmp_path / "own"
    words = [str(launcher), "run", "-d", "--rm", "--log-driver=passthrough", "host", "sh", "-c"]
    with own.open("wb") as out:
        subprocess.run(
            [*words, "sleep 0.2; echo passed"], env=engine_environment, stdout=out,
            stderr=subprocess.DEVNULL, check=True, timeout=30,
        )  # fmt: skip
    limit = time.monotonic() + 30
    while b"passed\n" not in own.read_bytes():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_words_that_are_refused(pyrootless: Run) -> None:
    for words, said in (
        (["--log-driver=syslog"], '"syslog" is no log driver: write json-file'),
        (["--log-opt=max-sise=1m"], '"max-sise=1m" is no option of this log driver'),
        (["--log-driver=none", "--log-opt=max-size=1m"], "the others have none"),
        (["--log-opt=max-file=0"], "max-file is 0: write a number from 1 to 1000"),
    ):
        done = pyrootless("run", "-d", *words, "host", "true")
        assert (done.returncode, done.stdout) == (125, "")
        assert said in done.stderr
    if not Path("/run/systemd/journal/socket").exists():
        before = pyrootless("ps", "-aq").stdout
        done = pyrootless("run", "-d", "--log-driver=journald", "host", "true")
        assert done.returncode == 125
        assert "this machine has no journal to write to" in done.stderr
        assert pyrootless("ps", "-aq").stdout == before


def test_a_killed_monitor_leaves_every_line_that_was_written(
    pyrootless: Run, start: Start, engine_environment: dict[str, str]
) -> None:
    """No record is missing in between, and none is torn but the last."""
    script = (
        "import os\n"
        "n = 0\n"
        "while True:\n"
        "    os.write(1, b'%d %s\\n' % (n, b'x' * (n % 500)))\n"
        "    n += 1\n"
    )
    place = start("--name=box", "host", "python3", "-c", script)
    limit = time.monotonic() + 30
    while not (place / "log").exists() or (place / "log").stat().st_size < 1 << 20:
        assert time.monotonic() < limit
        time.sleep(0.005)
    runtime = Path(engine_environment["XDG_RUNTIME_DIR"], "pyrootless", "running", place.name)
    first = int(runtime.read_text().split()[0])
    stat = Path(f"/proc/{first}/stat").read_text()
    os.kill(int(stat.rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
    pyrootless("wait", "box")
    whole = output(place / "log").decode().splitlines()
    assert [line.split(" ")[0] for line in whole] == [str(n) for n in range(len(whole))]
    assert all(len(line.partition(" ")[2]) == n % 500 for n, line in enumerate(whole))
    shown = pyrootless("logs", "box").stdout.splitlines()
    assert shown[: len(whole)] == whole and len(shown) <= len(whole) + 1
