"""The benchmarks' harness: its arithmetic, its order, and that nothing is dropped in silence.

In: benchmarks/*.py, floor.c compiled once.  Out: exact values; never a statement about speed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import harness  # noqa: E402
import machine  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402

ENV = {"PATH": "/usr/bin:/bin"}
SHELL = "/bin/sh"


def sh(name: str, script: str) -> harness.Candidate:
    """A candidate that is a shell script, so that a test says what happens."""
    return harness.Candidate(name, (SHELL, "-c", script))


def series(name: str, *walls: int, cpu_ns: int = 7) -> harness.Series:
    """A series of these wall times, nanoseconds."""
    samples = [harness.Sample(wall, cpu_ns) for wall in walls]
    return harness.Series(harness.Candidate(name, ("/x",), "all"), samples)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled floor; libfloor.so lies beside it."""
    program, _ = peers.build_floor(tmp_path_factory.mktemp("floor"))
    return program


# --- arithmetic ------------------------------------------------------------------------------


def test_percentile_is_a_measured_value() -> None:
    values = [50, 10, 40, 20, 30]
    assert harness.percentile(values, 0.90) == 50
    assert harness.percentile(values, 0.80) == 40
    assert harness.percentile(values, 0.01) == 10
    assert harness.percentile(values, 1.0) == 50


def test_percentile_rank_survives_binary_fractions() -> None:
    assert harness.percentile(range(1, 101), 0.55) == 55
    assert harness.percentile(range(1, 101), 0.99) == 99


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1], 0.0), ([1], 1.1)])
def test_percentile_of_nothing(values: list[int], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        harness.percentile(values, share)


def test_summary() -> None:
    samples = [harness.Sample(wall, wall * 2) for wall in (4, 1, 3, 2)]
    expected = harness.Summary(
        starts=4, min_ns=1, median_ns=2, p90_ns=4, p99_ns=4, cpu_median_ns=5
    )
    assert harness.summarise(samples) == expected


def test_ratio_is_of_medians() -> None:
    assert harness.ratio(series("a", 1, 30, 900), series("b", 20, 20, 20)) == 1.5
    assert harness.ratio(series("a", 1), series("b")) is None


# --- order -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(1, 13))
def test_every_round_has_every_candidate_once(count: int) -> None:
    for number in range(2 * count):
        assert sorted(harness.order_of_round(number, count)) == list(range(count))


@pytest.mark.parametrize("count", range(2, 13))
def test_everyone_follows_everyone_equally_often(count: int) -> None:
    rounds = count if count % 2 == 0 else 2 * count
    pairs: Counter[tuple[int, int]] = Counter()
    for number in range(rounds):
        order = harness.order_of_round(number, count)
        pairs.update(zip(order, order[1:], strict=False))
    wanted = {(a, b) for a in range(count) for b in range(count) if a != b}
    assert set(pairs) == wanted
    assert set(pairs.values()) == {1 if count % 2 == 0 else 2}


def test_no_candidates() -> None:
    assert harness.order_of_round(3, 0) == []


# --- rounds ----------------------------------------------------------------------------------


def test_rounds_are_interleaved(tmp_path: Path) -> None:
    log = tmp_path / "log"
    rows = [sh(name, f"echo {name} >> {log}") for name in "abc"]
    gathered = harness.run_rounds(rows, harness.Plan(rounds=4, warmup=2), ENV)
    assert [len(found.samples) for found in gathered] == [4, 4, 4]
    said = log.read_text().split()
    # A trial each, then 2 + 4 rounds with everyone once.
    assert said[:3] == ["a", "b", "c"]
    rounds = [said[at : at + 3] for at in range(3, len(said), 3)]
    assert rounds == [["abc"[i] for i in harness.order_of_round(n, 3)] for n in range(6)]


def test_a_candidate_that_fails_is_told() -> None:
    rows = [sh("good", "exit 0"), sh("bad", "echo no such thing >&2; exit 3")]
    good, bad = harness.run_rounds(rows, harness.Plan(rounds=2, warmup=0), ENV)
    assert (good.status, good.failures, good.error) == ("measured", 0, "")
    assert (bad.status, bad.failures, bad.samples) == ("failed", 1, [])
    assert bad.error == "sh: exit status 3: no such thing"


def test_a_candidate_that_fails_later_keeps_its_samples(tmp_path: Path) -> None:
    # Works twice (its trial and one round), fails from then on.
    script = f"echo >> {tmp_path}/n; [ $(wc -l < {tmp_path}/n) -le 2 ]"
    (found,) = harness.run_rounds([sh("x", script)], harness.Plan(rounds=3, warmup=0), ENV)
    assert (found.status, len(found.samples), found.failures) == ("measured", 1, 2)
    assert found.error == "sh: exit status 1: it said nothing"


def test_signal_missing_program_and_absent_peer() -> None:
    rows = [
        sh("killed", "kill -KILL $$"),
        harness.Candidate("missing", ("/nonexistent/program",)),
        harness.Candidate("absent", ("/x",), unavailable="not installed"),
    ]
    killed, missing, absent = harness.run_rounds(rows, harness.Plan(rounds=1), ENV)
    assert killed.error == "sh: signal 9: it said nothing"
    assert missing.error == "/nonexistent/program: No such file or directory"
    assert (absent.status, absent.error, absent.failures) == ("absent", "not installed", 0)


def test_a_start_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "START_SECONDS", 0.05)
    before = harness.child_pids()  # a server that other tests share
    (found,) = harness.run_rounds([sh("x", "kill -STOP $$")], harness.Plan(rounds=1), ENV)
    assert found.error == "did not end within 0.05 s; killed"
    assert harness.child_pids() == before


def test_candidates_get_the_given_environment_and_no_input(tmp_path: Path) -> None:
    script = f"env > {tmp_path}/env; cat > {tmp_path}/input; echo out; echo err >&2"
    harness.run_rounds([sh("x", script)], harness.Plan(1, 0), {"PATH": "/bin", "A": "1"})
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "A"}
    assert (tmp_path / "input").read_bytes() == b""


def test_descriptors_and_children_are_given_back() -> None:
    before = (sorted(os.listdir("/proc/self/fd")), harness.child_pids())
    harness.run_rounds([sh("x", "exit 0"), sh("y", "exit 1")], harness.Plan(1, 0), ENV)
    assert (sorted(os.listdir("/proc/self/fd")), harness.child_pids()) == before


# --- what starts leave behind ----------------------------------------------------------------

ORPHAN = "import os, sys\nif os.fork():\n    os._exit(0)\n"


def in_subreaper(body: str) -> str:
    """Run statements in a process of its own that adopts orphans; what they print."""
    head = "import sys, harness\nfrom harness import *\nbecome_subreaper()\n"
    done = subprocess.run(
        [sys.executable, "-c", head + body],
        cwd=ROOT / "benchmarks",
        env={**ENV, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_cpu_time_of_an_orphan_is_counted() -> None:
    """The parent ends at once; its child burns 50 ms of CPU time."""
    burn = ORPHAN + "import time\nwhile time.process_time_ns() < 50_000_000: pass\n"
    said = in_subreaper(
        f"rows = [Candidate('x', (sys.executable, '-I', '-c', {burn!r}))]\n"
        "found, = run_rounds(rows, Plan(1, 0), {})\n"
        "print(found.error, found.left_behind, found.samples[0].cpu_ns > 50_000_000)"
    )
    assert said == "0 True"


def test_an_orphan_that_stays_is_told_and_left_alone() -> None:
    stay = ORPHAN + "import signal\nsignal.pause()\n"
    said = in_subreaper(
        "harness.ORPHAN_SECONDS = 0.05\n"
        f"rows = [Candidate('x', (sys.executable, '-I', '-c', {stay!r}))]\n"
        "found, = run_rounds(rows, Plan(1, 0), {})\n"
        "print(found.status, found.left_behind, len(child_pids()))\n"
        "for pid in child_pids(): os.kill(pid, 9)"
    )
    assert said == "measured 1 2"


# --- workers ---------------------------------------------------------------------------------


def worker(name: str, script: str) -> harness.Candidate:
    return harness.Candidate(name, (SHELL, "-c", script), worker=True)


def test_a_worker_answers_once_a_round() -> None:
    script = "n=0; while read -r line; do n=$((n + 1)); echo $n $((n * 2)); done"
    (found,) = harness.run_rounds([worker("x", script)], harness.Plan(3, 1), ENV)
    # 1 was the trial, 2 the warm-up.
    assert found.samples == [harness.Sample(n, n * 2) for n in (3, 4, 5)]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("read -r line; echo error no room", "no room"),
        ("echo cannot begin >&2", "sh: ended: cannot begin"),
        ("read -r line; echo twelve 3", "twelve 3"),
    ],
)
def test_a_worker_that_fails_is_told(script: str, error: str) -> None:
    (found,) = harness.run_rounds([worker("x", script)], harness.Plan(1, 0), ENV)
    assert (found.status, found.error) == ("failed", error)


# --- floor.c ---------------------------------------------------------------------------------


def call(*words: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    argv = [str(word) for word in words]
    return subprocess.run(
        argv, input=text, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.needs("gcc", "user-namespaces")
def test_floor_makes_all_seven_namespaces(floor: Path) -> None:
    names = ("user", "mnt", "pid", "ipc", "uts", "cgroup", "net")
    script = f"for n in {' '.join(names)}; do readlink /proc/self/ns/$n; done; id -u; echo $$"
    done = call(floor, SHELL, "-c", script)
    assert done.stderr == ""
    inside, (uid, pid) = done.stdout.split()[:-2], done.stdout.split()[-2:]
    outside = [os.readlink(f"/proc/self/ns/{name}") for name in names]
    assert len(inside) == 7
    assert set(inside) & set(outside) == set()
    assert (uid, pid) == ("0", "1")


@pytest.mark.needs("gcc")
def test_floor_spawn_makes_none(floor: Path) -> None:
    done = call(floor, "--spawn", SHELL, "-c", "readlink /proc/self/ns/user")
    assert done.stdout.strip() == os.readlink("/proc/self/ns/user")


@pytest.mark.needs("gcc", "user-namespaces")
def test_floor_hands_on_the_exit_status(floor: Path) -> None:
    assert call(floor, SHELL, "-c", "exit 7").returncode == 7
    assert call(floor, "--spawn", SHELL, "-c", "kill -TERM $$").returncode == 128 + 15


@pytest.mark.needs("gcc", "user-namespaces")
def test_floor_measures(floor: Path) -> None:
    lines = call(floor, "--loop", "3", SHELL, "-c", ":").stdout.splitlines()
    assert [len(line.split()) for line in lines] == [2, 2, 2]
    assert all(int(word) > 0 for line in lines for word in line.split())
    assert len(call(floor, "--serve", SHELL, "-c", ":", text="\n\n").stdout.splitlines()) == 2
    assert int(call(floor, "--spawn", "--usage", SHELL, "-c", ":").stdout) > 0


@pytest.mark.needs("gcc", "user-namespaces")
@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["/nonexistent"], "floor: execve of /nonexistent: No such file or directory"),
        ([], "floor: name the program to start, by its path"),
        (["--loop", "0", "/x"], "floor: --loop takes a number of starts, at least 1"),
        (["--loop"], "floor: unknown option, or --loop without its number"),
    ],
)
def test_floor_refuses(floor: Path, words: list[str], error: str) -> None:
    done = call(floor, *words)
    assert (done.returncode, done.stderr.splitlines()[0]) == (125, error)


@pytest.mark.needs("gcc")
def test_memory_is_not_that_of_the_harness(floor: Path) -> None:
    # As it is measured: in no namespaces of floor's.
    script = f"[ $(readlink /proc/self/ns/user) = '{os.readlink('/proc/self/ns/user')}' ]"
    (found,) = harness.run_rounds([sh("x", script)], harness.Plan(1, 0), ENV)
    harness.measure_memory(found, floor, ENV)
    assert found.max_rss_bytes is not None
    assert 0 < found.max_rss_bytes < 8 << 20


@pytest.mark.needs("gcc", "user-namespaces")
def test_in_process_script(floor: Path) -> None:
    script = ROOT / "benchmarks" / "inproc.py"
    library_words = ("--library", str(floor.with_name("libfloor.so")))
    words = ("--rounds", "2", "--touched-mib", "3", *library_words, "floor", SHELL, "-c")
    done = call(sys.executable, "-B", script, *words, ":")
    content = json.loads(done.stdout)
    assert (content["touched_bytes"], len(content["wall_ns"])) == (3 << 20, 2)
    failed = call(sys.executable, "-B", script, "--serve", *words, "exit 5", text="\n")
    assert failed.stdout == "error StartError: wait status 1280\n"


# --- report ----------------------------------------------------------------------------------

SCENARIO = report.Scenario("s", "a title", ("base", "gone"))


def gathered() -> list[harness.Series]:
    gone = harness.Series(harness.Candidate("gone", ("/g",), unavailable="not installed"))
    gone.error = "not installed"
    slow = series("slow", 3_000_000, 5_000_000, 4_000_000, cpu_ns=1_500_000)
    slow.max_rss_bytes = 3 << 20
    return [series("base", 2_000_000), slow, gone]


def test_document_holds_everything() -> None:
    content = report.document(SCENARIO, harness.Plan(3, 1), gathered(), {"kernel": "k"})
    read = json.loads(report.to_json(content))
    assert read == content
    assert read["format"] == 1
    assert read["plan"] == {"rounds": 3, "warmup": 1, "pause_ms": 0.0, "sync": False}
    base, slow, gone = read["candidates"]
    assert slow["wall_ns"] == [3_000_000, 5_000_000, 4_000_000]
    assert slow["summary"]["p99_ns"] == 5_000_000
    assert (gone["status"], gone["error"], gone["summary"]) == ("absent", "not installed", None)
    assert base["error"] is None
    assert read["ratios_of_medians"]["slow"] == {"base": 2.0, "gone": None}


def test_document_does_not_tell_where_the_checkout_lies() -> None:
    candidate = harness.Candidate("x", ("/home/me/tree/bin/x", "--root=/home/me/tree/tmp/w"))
    found = harness.Series(candidate, error="/home/me/tree/bin/x: no\nremedy: none")
    names = {"/home/me/tree": "$CHECKOUT", "/home/me/tree/tmp": "$WORK"}
    content = report.document(SCENARIO, harness.Plan(), [found], {}, names)
    (row,) = json.loads(report.to_json(content))["candidates"]
    assert row["argv"] == ["$CHECKOUT/bin/x", "--root=$WORK/w"]
    assert row["error"] == "$CHECKOUT/bin/x: no\nremedy: none"
    last = report.table(SCENARIO, [found]).splitlines()[-1]
    assert last.endswith(": /home/me/tree/bin/x: no; remedy: none")


def test_json_keeps_samples_on_one_line() -> None:
    assert report.to_json({"a": [1, 2], "b": {}, "c": ["x"], "d": None}) == (
        '{\n  "a": [1, 2],\n  "b": {},\n  "c": [\n    "x"\n  ],\n  "d": null\n}\n'
    )


def test_table_names_what_was_not_measured() -> None:
    lines = report.table(SCENARIO, gathered()).splitlines()
    assert lines[2].split() == ["min", "median", "p90", "p99", "CPU", "RSS", "/base", "/gone"]
    assert lines[3].split()[:3] == ["base", "2.00", "2.00"]
    slow = ["slow", "3.00", "4.00", "5.00", "5.00", "1.50", "3.0", "2.00", "-"]
    assert lines[4].split() == slow
    assert lines[-1].split() == ["gone", "absent:", "not", "installed"]


def test_written_in_one_step(tmp_path: Path) -> None:
    report.write(tmp_path / "new" / "x.json", {"a": 1})
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.json"]
    assert (tmp_path / "new" / "x.json").read_text() == '{\n  "a": 1\n}\n'


# --- machine facts ---------------------------------------------------------------------------

MOUNTS = """\
20 1 8:1 / / rw - ext4 /dev/sda rw
21 20 0:5 / /tmp rw shared:1 - tmpfs tmpfs rw
22 20 8:2 / /tmpfoo rw - xfs /dev/sdb rw
23 21 0:6 / /tmp rw - btrfs /dev/sdc rw
24 20 0:7 / /with\\040space rw - nfs4 host:/ rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/usr/none", "ext4"),
        ("/tmp/none", "btrfs"),
        ("/tmpfoo/none", "xfs"),
        ("/with space/none", "nfs4"),
    ],
)
def test_file_system(path: str, kind: str) -> None:
    assert machine.file_system(Path(path), MOUNTS) == kind


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["cgroup.controllers"], "v2"),
        (["unified/cgroup.controllers", "memory/cgroup.procs"], "hybrid"),
        (["memory/cgroup.procs"], "v1"),
        ([], "none"),
    ],
)
def test_cgroup_kind(tmp_path: Path, files: list[str], kind: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert machine.cgroup_kind(tmp_path) == kind


def test_version_of_what_is_not_there() -> None:
    assert machine.version(("/nonexistent/program", "--version")) == ""
    assert machine.version((SHELL, "-c", "echo first; echo second")) == "first"
    assert machine.version((SHELL, "-c", "echo first; exit 1")) == ""


def test_facts_are_json(tmp_path: Path) -> None:
    facts = machine.facts({"store": tmp_path}, {"sh": (SHELL, "-c", "echo 1.2")})
    assert json.loads(json.dumps(facts)) == facts
    assert facts["versions"] == {"sh": "1.2"}
    assert facts["uid"] == os.getuid()
    assert set(machine.load()) == {"average_1_5_15", "threads", "cpu_stall_us"}


# --- peers -----------------------------------------------------------------------------------


def place(base: Path) -> peers.Place:
    names = ("rootfs", "busybox", "floor", "libfloor.so", "launcher", "python")
    return peers.Place(base, *(base / name for name in names))


def test_every_candidate_says_what_it_leaves_out(tmp_path: Path) -> None:
    at = place(tmp_path)
    rows = [*peers.floors(at), *peers.namespaces(at), *peers.runtimes(at), *peers.launcher(at)]
    rows += peers.in_process(at, 1 << 40)
    assert [row.name for row in rows if not row.leaves_out] == []
    names = [row.name for row in rows]
    assert sorted(set(names)) == sorted(names)
    assert {"spawn", "floor", "unshare", "bwrap", "crun", "pyrootless"} <= set(names)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    at = place(tmp_path)
    reasons = {row.unavailable for row in peers.launcher(at)}
    assert reasons == {f"{tmp_path}/launcher is not there: `make build`"}
    at.launcher.touch(mode=0o755)
    assert {row.unavailable for row in peers.launcher(at)} == {""}
    sweep = [row for row in peers.in_process(at, 700 << 20) if "-run-" in row.name]
    assert [row.unavailable for row in sweep] == [
        *("", ""),
        *("not enough free memory to touch 500 MiB",),
        *("not enough free memory to touch 2000 MiB",),
    ]


def test_bundle_asks_for_all_namespaces_and_one_uid(tmp_path: Path) -> None:
    config = json.loads(json.dumps(peers.bundle_config(place(tmp_path))))
    kinds = {row["type"] for row in config["linux"]["namespaces"]}
    assert kinds == {"user", "mount", "pid", "ipc", "uts", "cgroup", "network"}
    assert config["linux"]["uidMappings"] == [
        {"containerID": 0, "hostID": os.getuid(), "size": 1}
    ]
    assert "seccomp" not in config["linux"]


def test_environment_is_small(tmp_path: Path) -> None:
    current = {"PATH": "/bin", "SECRET": "1", "HOME": "/home/x"}
    ours = {"PYROOTLESS_ROOT": f"{tmp_path}/store", "PYROOTLESS_HOLDER_IDLE": "30"}
    expected = {"PATH": "/bin", "HOME": "/home/x", **ours}
    assert peers.environment(place(tmp_path), current) == expected
