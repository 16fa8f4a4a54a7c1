"""pyrootless-isolate as its clients call it: Judge0, Piston, CMS.

In: the console script.  Out: its exit codes, its meta-file, the box's files afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).parent / "pyrootless-isolate")
PATH = "PATH=/usr/local/bin:/usr/bin:/bin"


class Isolate:
    """One box."""

    def __init__(self, environment: dict[str, str], meta: Path) -> None:
        self._environment = environment
        self._meta = meta
        self.place = Path(self.call("--init", "--cg").stdout.strip())

    def call(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, "--box-id=7", *words],
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def run(self, *words: str, stdin: str = "") -> tuple[int, dict[str, str]]:
        """Exit code and meta; output is in the box."""
        done = self.call("--cg", "-s", "-M", str(self._meta), "--run", *words, stdin=stdin)
        lines = self._meta.read_text().splitlines()
        meta = dict(line.split(":", 1) for line in lines)
        return done.returncode, meta

    def put(self, name: str, text: str) -> None:
        (self.place / "box" / name).write_text(text)

    def read(self, name: str) -> str:
        return (self.place / "box" / name).read_text()


@pytest.fixture
def box(engine_environment: dict[str, str], tmp_path: Path) -> Iterator[Isolate]:
    made = Isolate(engine_environment, tmp_path / "meta")
    yield made
    assert made.call("--cg", "--cleanup").returncode == 0
    assert not made.place.exists()


def test_judge0_compiles_and_runs(box: Isolate) -> None:
    """Two --run of one box: what the first left, the second finds; streams are inherited."""
    box.put(
        "compile",
        "printf 'read a b; echo $((a + b))' > sum && chmod +x sum && mkdir d && echo built\n",
    )
    common = ["-x", "1", "-k", "128000", "-p60", "--cg-timing", "--cg-mem=262144", "-f", "4096",
              "-E", "HOME=/tmp", "-E", PATH, "-E", "LANG", "-d", "/etc:noexec"]  # fmt: skip
    compiled = box.call(
        "--cg", "-s", "-M", "/dev/null", "--stderr-to-stdout", "-i", "/dev/null",
        "-t", "5", "-w", "10", *common, "--run", "--", "/bin/bash", "compile",
    )  # fmt: skip
    assert (compiled.returncode, compiled.stdout) == (0, "built\n")
    done = box.call(
        "--cg", "-s", "-M", "/dev/null", "-t", "2", "-w", "5", *common,
        "--run", "--", "/bin/bash", "sum", stdin="2 3\n",
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


def test_piston_runs_with_a_working_directory(box: Isolate) -> None:
    (box.place / "box" / "submission").mkdir()
    box.put("submission/a.py", "import os; print(os.getcwd(), os.environ.get('X'))")
    done = box.call(
        "--run", "-s", "-c", "/box/submission", "-E", "HOME=/tmp", "-E", "X=1", "-p64",
        "--open-files=2048", "--fsize=10000", "--wall-time=3", "--extra-time=0", "--cg",
        "--cg-mem=262144", "--", "/usr/bin/python3", "a.py",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "/box/submission 1\n")


def test_cms_redirects_and_binds(box: Isolate, tmp_path: Path) -> None:
    """CMS binds a directory of its own as /tmp, and names streams in it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "input.txt").write_text("abc")
    code, meta = box.run(
        f"--dir=/tmp={home}:rw", "--chdir=/tmp", "--full-env", "--stdin=input.txt",
        "--stdout=output.txt", "--stderr=errors.txt", "--time=1", "--wall-time=3",
        "--", "/usr/bin/tr", "a-z", "A-Z",
    )  # fmt: skip
    assert (code, meta["exitcode"], "status" in meta) == (0, "0", False)
    assert (home / "output.txt").read_text() == "ABC"
    switches = {"csw-voluntary", "csw-forced"}
    assert set(meta) == {"time", "time-wall", "max-rss", "cg-mem", "exitcode"} | switches


def test_switches_to_others_are_counted(box: Isolate) -> None:
    """A sleep may be over before the processor is given away: no switch then."""
    box.put(
        "a.py",
        "import resource, time\n"
        "while (usage := resource.getrusage(resource.RUSAGE_SELF)).ru_nvcsw < 100:\n"
        "    time.sleep(0.0001)\n"
        "print(usage.ru_nvcsw, usage.ru_nivcsw)\n",
    )
    _code, meta = box.run("-o", "out", "--", "/usr/bin/python3", "a.py")
    yields, preemptions = (int(word) for word in box.read("out").split())
    assert 100 <= yields <= int(meta["csw-voluntary"]) < yields + 50
    assert preemptions <= int(meta["csw-forced"])
    code, meta = box.run("-w", "0.5", "--", "/usr/bin/sleep", "9")
    assert (code, meta["killed"], int(meta["csw-voluntary"]) > 0) == (1, "1", True)


@pytest.mark.parametrize(
    ("script", "status", "more"),
    [
        ("exit 3", "RE", {"exitcode": "3", "message": "Exited with error status 3"}),
        ("kill -11 $$", "SG", {"exitsig": "11", "message": "Caught fatal signal 11"}),
        ("while :; do :; done", "TO", {"killed": "1", "message": "Time limit exceeded"}),
        ("exec sleep 9", "TO", {"killed": "1", "message": "Time limit exceeded (wall clock)"}),
        ("exec head -c 9000 /dev/zero", "SG", {"exitsig": "25"}),
    ],
)
def test_statuses(box: Isolate, script: str, status: str, more: dict[str, str]) -> None:
    """A busy machine gives a spinner its time by and by; a sleeper waits its limit out."""
    wall = "0.5" if script == "exec sleep 9" else "60"
    code, meta = box.run(
        "-t",
        "0.2",
        "-w",
        wall,
        "-o",
        "out",
        "-f",
        "8",
        "-E",
        PATH,
        "--",
        "/bin/sh",
        "-c",
        script,
    )
    assert (code, meta["status"]) == (1, status)
    assert meta | more == meta


def test_time_in_the_grace_is_measured_and_too_much(box: Isolate) -> None:
    """--extra-time: the program ends by itself, and has used too much all the same."""
    code, meta = box.run(
        "-t", "0.001", "-x", "20", "--", "/usr/bin/python3", "-c", "sum(range(10**5))"
    )
    assert (code, meta["status"], meta["exitcode"]) == (1, "TO", "0")
    assert "killed" not in meta
    assert float(meta["time"]) > 0.001


def test_memory_of_all_together(box: Isolate) -> None:
    code, meta = box.run("--cg-mem=32768", "--", "/usr/bin/python3", "-c", "b'x' * (200 << 20)")
    assert (code, meta["status"], meta["exitsig"], meta["cg-oom-killed"]) == (1, "SG", "9", "1")


def test_links_and_devices_stay_in_the_box(box: Isolate) -> None:
    """The attack on Judge0: a link where the caller will look for a file."""
    script = (
        "ln -s /etc/passwd result; mkfifo pipe; mkdir d; echo a > d/f; rm gone; echo n > new"
    )
    box.put("gone", "x")
    code, _meta = box.run("-p", "-E", PATH, "--", "/bin/sh", "-c", script)
    assert code == 0
    left = {str(path.relative_to(box.place / "box")) for path in (box.place / "box").rglob("*")}
    assert left == {"d", "d/f", "new"}


def test_quota_of_init_holds_in_run(
    box: Isolate,
) -> None:
    assert box.call("--init", "--quota=64,20").returncode == 0
    script = "head -c 200000 /dev/zero > f; wc -c < f"
    code, _meta = box.run("-p", "-o", "out", "-E", PATH, "--", "/bin/sh", "-c", script)
    assert code == 0
    assert int(box.read("out")) <= 64 * 1024


def test_only_what_dir_binds(box: Isolate) -> None:
    words = ["-D", "-d", "usr", "-d", "lib=/usr/lib", "-d", "lib64=/usr/lib64:maybe"]
    code, _meta = box.run(*words, "-o", "out", "--", "/usr/bin/ls", "/")
    assert code == 0
    assert {"usr", "lib", "box"} <= set(box.read("out").split())
    assert {"bin", "etc"} & set(box.read("out").split()) == set()


def test_failures_of_the_sandbox(box: Isolate) -> None:
    code, meta = box.run("--", "/nonexistent")
    assert (code, meta["status"]) == (2, "XX")
    assert "No such file or directory" in meta["message"]
    for words in (["--share-net"], ["--inherit-fds"], ["-i", "missing"], ["-d", "/x=/nowhere"]):
        assert box.run(*words, "--", "/bin/true")[0] == 2
    assert box.call("--frobnicate").returncode == 2
    assert box.call("--box-id=1000", "--init").returncode == 2
    assert box.call("--box-id=8", "--run", "--", "/bin/true").returncode == 2


def test_streams_below_a_bound_directory_follow_no_link(box: Isolate, tmp_path: Path) -> None:
    """A program that could write there leaves links for the next run's streams."""
    home, secret = tmp_path / "home", tmp_path / "secret"
    home.mkdir()
    secret.mkdir()
    (secret / "f").write_text("kept")
    (home / "sub").symlink_to(secret)
    (home / "f").symlink_to(secret / "f")
    for name in ("sub/f", "f"):
        for option in ("-i", "-o", "-r"):
            code, meta = box.run(
                f"--dir=/tmp={home}:rw", "-c", "/tmp", option, name, "--", "/bin/true"
            )
            assert (code, meta["status"]) == (2, "XX")
    assert (secret / "f").read_text() == "kept"


def test_streams_through_fifos(box: Isolate, tmp_path: Path) -> None:
    """CMS lets two programs talk so; who comes alone is given up at the wall limit."""
    home = tmp_path / "home"
    home.mkdir()
    os.mkfifo(home / "in")
    words = [f"--dir=/fifo={home}:rw", "-i", "/fifo/in", "-o", "out", "--", "/bin/cat"]
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(box.run, "-w", "60", *words)
        (home / "in").write_text("said\n")
        assert run.result()[0] == 0
    assert box.read("out") == "said\n"
    code, meta = box.run("-w", "0.2", *words)
    assert (code, meta["status"]) == (2, "XX")
    assert "nobody opened the other end" in meta["message"]


def test_names_of_files_are_shown_and_not_obeyed(box: Isolate) -> None:
    script = r'name=$(printf "a\033[2J\377"); touch "$name"; chmod 0 "$name"'
    done = box.call("-v", "-p", "-E", PATH, "--run", "--", "/bin/sh", "-c", script)
    assert "box/a\\x1b[2J\\udcff was left behind: permission denied\n" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("limits", "end"),
    [(("-t", "0.3"), "while True: pass"), (("-w", "0.5"), "import time; time.sleep(60)")],
)
def test_the_peak_of_a_program_that_was_ended(
    box: Isolate, limits: tuple[str, ...], end: str
) -> None:
    """No memory limit, so that nothing watches its memory meanwhile."""
    code = f"held = bytearray(64 << 20)\n{end}"
    status, meta = box.run(*limits, "-E", PATH, "--", "/usr/bin/python3", "-c", code)
    assert (status, meta["status"], meta["killed"]) == (1, "TO", "1")
    assert 64 << 10 <= int(meta["max-rss"]) < 128 << 10
    status, meta = box.run(*limits, "-E", PATH, "--", "/bin/sh", "-c", "while :; do :; done")
    assert (status, meta["status"]) == (1, "TO")
    assert 0 < int(meta["max-rss"]) < 16 << 10
