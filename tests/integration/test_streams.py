"""Standard streams that a program's user can open anew, as services do that log to /dev/stdout.

In: an image of busybox whose user is not root; pipes, files, terminals of the caller's.
Out: what arrives; that nothing of the caller's changed hands.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
import small_image

import pyrootless as library

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))
MAPS = pytest.mark.parametrize("ids", ["single", RANGE])
OPEN = (
    "for f in /dev/stdout /proc/1/fd/1 /proc/self/fd/1; do echo out >>$f; done; "
    "for f in /dev/stderr /proc/1/fd/2; do echo err >>$f; done"
)


@pytest.fixture
def image(pyrootless: Run, tmp_path: Path) -> str:
    """An image of bob's, 1000:1000."""
    small_image.write_root(tmp_path / "root.tar")
    done = pyrootless("import", "-c", "USER bob", tmp_path / "root.tar", "streams:1")
    assert done.returncode == 0, done.stderr
    return "streams:1"


@MAPS
def test_pipes_of_the_callers(pyrootless: Run, image: str, ids: str) -> None:
    done = pyrootless("run", "--rm", f"--userns={ids}", image, "sh", "-c", OPEN)
    assert (done.stdout, done.stderr) == ("out\n" * 3, "err\n" * 2)


@MAPS
def test_a_file_of_the_callers_stays_the_callers(
    launcher: Path, engine_environment: dict[str, str], image: str, tmp_path: Path, ids: str
) -> None:
    file = tmp_path / "out"
    words = [str(launcher), "run", "--rm", f"--userns={ids}", image, "sh", "-c", OPEN]
    with file.open("ab") as stream:
        os.fchmod(stream.fileno(), 0o640)
        subprocess.run(
            words, env=engine_environment, stdout=stream, stderr=stream, timeout=60, check=True
        )
    assert file.read_text() == "out\n" * 3 + "err\n" * 2
    assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (os.getuid(), 0o640)


@MAPS
def test_both_streams_in_one_pipe_keep_their_order(
    launcher: Path, engine_environment: dict[str, str], image: str, ids: str
) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do echo $i; echo $i >&2; done"
    words = [str(launcher), "run", "--rm", f"--userns={ids}", image, "sh", "-c", script]
    done = subprocess.run(
        words,
        env=engine_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [
        number for digit in b"12345678" for number in (b"%c" % digit,) * 2
    ]


@MAPS
def test_the_log_and_programs_of_exec(pyrootless: Run, image: str, ids: str) -> None:
    words = ("-d", "--name", f"log-{ids}", f"--userns={ids}", image)
    ident = pyrootless("run", *words, "sh", "-c", OPEN).stdout.strip()
    assert pyrootless("wait", ident).stdout == "0\n"
    logged = pyrootless("logs", ident)
    assert (logged.stdout, logged.stderr) == ("out\n" * 3, "err\n" * 2)
    pyrootless("rm", ident)
    ident = pyrootless("run", "-d", "--rm", f"--userns={ids}", image, "sleep", "1000").stdout
    script = OPEN.replace("/proc/1/", "/proc/self/")
    done = pyrootless("exec", ident.strip(), "sh", "-c", script)
    pyrootless("rm", "-f", ident.strip())
    assert (done.stdout, done.stderr) == ("out\n" * 3, "err\n" * 2)


@MAPS
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_terminal_is_its_users(
    launcher: Path,
    engine_environment: dict[str, str],
    pyrootless: Run,
    image: str,
    ids: str,
    verb: str,
) -> None:
    """It can be opened by its name."""
    script = "echo begin; echo opened >$(busybox tty); stat -c '%u %a' $(busybox tty)"
    words = ["run", "--rm", "-it", f"--userns={ids}", image, "sh", "-c", script]
    started = ""
    if verb == "exec":
        background = ("run", "-d", "--rm", f"--userns={ids}", image, "sleep", "1000")
        started = pyrootless(*background).stdout.strip()
        words = ["exec", "-it", started, "sh", "-c", script]
    child = pexpect.spawn(
        str(launcher), words, env=engine_environment, encoding="utf-8", timeout=30
    )
    child.expect_exact("begin\r\nopened\r\n")
    child.expect_exact("1000 620\r\n" if ids == "range" else " ")
    child.expect(pexpect.EOF)
    child.close()
    if started:
        pyrootless("rm", "-f", started)
    assert child.exitstatus == 0


@MAPS
@pytest.mark.usefixtures("engine")
def test_pipes_of_a_python_programs(image: str, ids: str) -> None:
    done = library.run(image, ["sh", "-c", OPEN], userns=ids)
    assert (done.stdout, done.stderr) == (b"out\n" * 3, b"err\n" * 2)


@MAPS
def test_who_closes_early_ends_the_program(
    launcher: Path, engine_environment: dict[str, str], image: str, ids: str
) -> None:
    words = [
        str(launcher),
        "run",
        "--rm",
        f"--userns={ids}",
        image,
        "sh",
        "-c",
        "exec busybox yes",
    ]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.read(4) == b"y\ny\n"
        child.stdout.close()
        assert child.wait(60) != 0
