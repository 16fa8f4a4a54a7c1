"""pyrootless.engine.launch: real containers from this process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import pyrootless
from pyrootless.errors import LaunchError, UsageError
from pyrootless.result import Result

pytestmark = pytest.mark.usefixtures("engine")


def sh(script: str, **options: object) -> Result:
    return pyrootless.run("host", ["sh", "-c", script], **options)  # type: ignore[arg-type]


def test_output_code_and_times() -> None:
    result = sh("printf out; printf err >&2; exit 7")
    assert (result.stdout, result.stderr) == (b"out", b"err")
    assert (result.ended_by, result.exit_code, result.signal) == ("exit", 7, None)
    assert result.args == ("sh", "-c", "printf out; printf err >&2; exit 7")
    assert not result.ok and result.shell_code == 7
    assert 0 < result.wall_ns < 60 * 10**9 and result.max_rss_bytes > 0


WITHOUT_TEMPLATE = """
import sys
from pyrootless import errors; from pyrootless.core import _containers
for step in "describe", "create":
    container = _containers.Container(sys.argv[1:])
    try:
        getattr(container, step)()
    except errors.UsageError as error:
        print(step, error.args[0])
    container.close()
"""


@pytest.mark.parametrize("words", [["--spec=/gone"], ["--", "host"]])
def test_without_a_template_nothing_is_described_or_created(words: list[str]) -> None:
    """In a process of its own: it was killed by SIGSEGV."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TEMPLATE, *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = [f"{step} config: config.json is empty" for step in ("describe", "create")]
    assert (done.returncode, done.stdout.splitlines()) == (0, said)


@pytest.mark.parametrize("size", [0, 1, 65536, 1_000_003])
def test_input_arrives_whole(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    result = pyrootless.run("host", ["cat"], input=data)
    assert result.ok and result.stdout == data


def test_no_input_is_an_empty_one() -> None:
    assert pyrootless.run("host", ["cat"]).stdout == b""


def test_input_that_nobody_reads_is_no_failure() -> None:
    assert pyrootless.run("host", ["true"], input=bytes(1_000_000)).exit_code == 0


def test_both_outputs_larger_than_a_pipe() -> None:
    result = sh("head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2")
    assert (len(result.stdout), len(result.stderr)) == (300_000, 200_000)


def test_a_signal_is_told_apart_from_a_code() -> None:
    result = sh("kill -USR1 $$; exit 1", init=True)
    assert result.shell_code == 128 + signal.SIGUSR1


def test_the_limit_of_time() -> None:
    result = sh("echo begun; exec sleep 600", timeout=0.4)
    assert (result.ended_by, result.exit_code, result.signal) == ("timeout", None, 9)
    assert result.stdout == b"begun\n"
    assert 0.4e9 <= result.wall_ns < 30e9


def test_options_have_their_meaning(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("lent")
    result = sh(
        'echo "$A $(hostname) $(pwd) $(cat f)"; echo x > f',
        env={"A": "1"}, hostname="box", volume=[f"{tmp_path}:/d:ro"], workdir="/d",
    )  # fmt: skip
    assert result.stdout == b"1 box /d lent\n"
    assert result.exit_code != 0 and (tmp_path / "f").read_text() == "lent"


@pytest.mark.parametrize(("program", "errno"), [("/no/such", 2), ("/etc/hosts", 13)])
def test_a_program_that_cannot_be_executed(program: str, errno: int) -> None:
    with pytest.raises(LaunchError) as caught:
        pyrootless.run("host", [program])
    assert (caught.value.stage, caught.value.errno) == ("exec", errno)


def test_usage_errors() -> None:
    with pytest.raises(UsageError, match="there is no option 'colour'"):
        pyrootless.run("host", ["true"], colour="red")
    with pytest.raises(UsageError):
        pyrootless.run("host", ["true"], memory="much")
    with pytest.raises(ValueError, match="NUL"):
        pyrootless.run("host", ["echo", "a\0b"])


def test_nothing_stays_on_disk(engine: Path) -> None:
    assert pyrootless.run("host", ["true"]).ok
    assert list((engine / "run/pyrootless/containers").iterdir()) == []
    assert list((engine / "run/pyrootless/running").iterdir()) == []


def test_the_configuration_is_the_one_on_disk(engine: Path) -> None:
    with pyrootless.launch("host", ["sleep", "600"], hostname="box") as child:
        written = engine / "run/pyrootless/containers" / child.id / "config.json"
        assert written.read_bytes() == child.config
        assert json.loads(child.config)["hostname"] == "box"


def test_many_threads_at_once() -> None:
    results: dict[int, bytes] = {}

    def one(number: int) -> None:
        results[number] = pyrootless.run("host", ["echo", str(number)]).stdout

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {number: f"{number}\n".encode() for number in range(8)}


def test_no_descriptor_is_left() -> None:
    pyrootless.run("host", ["true"])
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert pyrootless.run("host", ["cat"], input=b"x").stdout == b"x"
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_failed_launch_leaves_no_descriptor(engine: Path) -> None:
    for _ in range(2):
        before = sorted(os.listdir("/proc/self/fd"))
        with pytest.raises(LaunchError):
            pyrootless.run("host", ["/no/such"], input=b"x")
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert list((engine / "run/pyrootless/running").iterdir()) == []


def test_a_start_like_one_before_is_the_same() -> None:
    """The first makes the template's flat form (csrc/config/mapped.c), which others map."""
    told = []
    for word in ("first", "ä", "second"):
        with pyrootless.launch("host", ["cat", "-", word], stdin=subprocess.PIPE) as child:
            config = json.loads(child.config)
            assert child.args == ("cat", "-", word) == tuple(config["process"].pop("args"))
            assert config["annotations"].pop("io.pyrootless.id") == child.id
            told.append(
                json.dumps(config).replace(child.id, "ID").replace(child.id[:12], "SHORT")
            )
            assert child.limits == ()
            child.kill()
            assert child.wait().args == child.args
    assert told[0] == told[1] == told[2]


def test_limits_are_told_of_every_start() -> None:
    for _ in range(2):
        with pyrootless.launch("host", ["true"], pids_limit=50, limits="best-effort") as child:
            assert [limit.name for limit in child.limits] == ["pids"]
            assert set(child.wait().enforced) == {"pids"}
