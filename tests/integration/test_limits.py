"""Limits under attack on each rung: control groups of version 2, of version 1, and none.

In: what is delegated (tests/facts.py, cgroup1-delegated and cgroup2-delegated); where there are
groups, the last rung is reached inside an outer container that has none.
Out: what became of the attackers, what held them, and nothing left.
Never: a limit of time; what the kernel promises about time is compared as it promises it.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import facts
import own_groups
import pytest
from rungs import NO_GROUPS, WEAKER, Rung, environment_for

import pyrootless as package

# It counts the control groups of this user.
pytestmark = pytest.mark.alone
Runner = Callable[..., "subprocess.CompletedProcess[str]"]
MIB = 1 << 20
PYTHON = ("python3", "-c")
PASTA = pytest.mark.needs("pasta", "tun")
SLIRP = pytest.mark.needs("slirp4netns", "tun")
# What holds which limit where no group is delegated.
ALONE = {"memory": "watchdog", "cpus": "affinity", "cpuset": "affinity", "pids": "rlimit-nproc"}

# A scope of one's own, in which launchers stand beside the containers: systemd is not asked.
SCOPE = ["systemd-run", "--user", "--scope", "--quiet", "--property=Delegate=yes"]
ASIDE = """
own=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
mkdir "$own/pyrootless-launcher" && echo $$ > "$own/pyrootless-launcher/cgroup.procs"
"""
# The first start has the controllers handed down to the next one's group.
AGAIN = """
"$@" run --rm $LIMITS --cpuset-cpus=0 host true &&
    $BEFORE "$@" run $OPTIONS host sleep 600 &&
    cd "$(dirname "$(grep -l "populated 1" "$own"/pyrootless-[0-9a-f]*/cgroup.events)")" &&
    cat memory.max memory.oom.group pids.max cpu.max
"""
# The set-up child then waits for the end of its second task.
NO_FUTEX = """
"$@" run --rm $LIMITS host true &&
    exec strace -f -qq -o /dev/null -e inject=futex:error=ENOSYS \\
        "$@" run --rm $LIMITS host busybox dd if=/dev/zero of=/dev/null bs=200M count=1
"""
TWICE = 'for name in one two; do PYROOTLESS_TRACE=1 "$@" run --name=$name $OPTIONS; done'

HOARD = "block = bytearray(200 << 20); print(len(block))"
HOARD_TOGETHER = """
import os, time
for _ in range(10):
    if os.fork() == 0:
        block = bytearray(16 << 20)
        time.sleep(600)
time.sleep(600)
"""
HOARD_IN_FILES = """
import os
fd = os.memfd_create("hoard")
for _ in range(200):
    os.write(fd, bytes(1 << 20))
print("held")
"""
FORKS = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(600)
        count += 1
except BlockingIOError:
    print(count)
"""
THREADS = """
import threading, os
wait, count = threading.Event(), 0
threading.stack_size(65536)
try:
    while True:
        threading.Thread(target=wait.wait, daemon=True).start()
        count += 1
except RuntimeError:
    print(count, flush=True)
    os._exit(0)
"""
BURN = """
import os
for _ in range(3):
    if os.fork() == 0:
        break
while True:
    pass
"""
MOVE = """
import os
print(sorted(os.sched_getaffinity(0)), flush=True)
try:
    os.sched_setaffinity(0, {1})
except OSError:
    pass
print(sorted(os.sched_getaffinity(0)))
"""
FILL = """
import os
written, fd = 0, os.open("/big", os.O_WRONLY | os.O_CREAT)
try:
    while True:
        written += os.write(fd, bytes(65536))
except OSError as error:
    print(written, error.errno)
"""
MANY_FILES = """
import os
count = 0
try:
    while True:
        os.close(os.open(f"/f{count}", os.O_WRONLY | os.O_CREAT))
        count += 1
except OSError as error:
    print(count, error.errno)
"""
DIRECT_WRITES = """
import mmap, os, time
page = mmap.mmap(-1, 1 << 20)
fd = os.open("/disk/big", os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
begin = time.monotonic_ns()
for _ in range(12):
    os.write(fd, page)
print(time.monotonic_ns() - begin)
"""
REWRITE = """
import os, subprocess
kinds = [("cgroup2", "rw"), ("cgroup", "memory"), ("cgroup", "pids"), ("cgroup", "cpu")]
for number, (kind, options) in enumerate(kinds):
    place = f"/mnt/{number}"
    os.mkdir(place)
    words = ["mount", "-t", kind, "-o", options, "attack", place]
    if subprocess.run(words, stderr=subprocess.DEVNULL).returncode:
        continue
    for folder, _, names in os.walk(place):
        for name in names:
            for value in ("max", "-1", "1000000000"):
                try:
                    with open(f"{folder}/{name}", "w") as file:
                        file.write(value)
                except OSError:
                    pass
print("ready", flush=True)
input()
"""


def holder(rung: Rung, limit: str) -> str:
    """What holds a limit here."""
    return ALONE[limit] if rung.name == "none" else rung.name


def has_groups() -> bool:
    """Some control group is this user's, of one controller of version 1 at least."""
    user = pwd.getpwuid(os.getuid()).pw_name
    version1 = Path("/sys/fs/cgroup").glob(f"*/{user}/cgroup.procs")
    own = any(os.access(path, os.W_OK) for path in version1)
    return own or not facts.missing("cgroup2-delegated")


RUNGS = [
    pytest.param("cgroup2", marks=pytest.mark.needs("cgroup2-delegated")),
    pytest.param("cgroup1", marks=pytest.mark.needs("cgroup1-delegated")),
    pytest.param("none", marks=pytest.mark.needs("bwrap")),
]
ON_GROUPS = pytest.mark.parametrize("rung", RUNGS[:2], indirect=True)
ON_NONE = pytest.mark.parametrize("rung", RUNGS[2:], indirect=True)


@pytest.fixture(params=RUNGS)
def rung(
    request: pytest.FixtureRequest, launcher: Path, engine_environment: dict[str, str]
) -> Iterator[Rung]:
    """A rung; what it made is gone afterwards."""
    name = str(request.param)
    env = environment_for(name, engine_environment)
    before = NO_GROUPS if name == "none" and has_groups() else ()
    before_it = own_groups.there()  # of another test one may just be going
    yield Rung(name, before, launcher, env, WEAKER if name == "none" else ())
    assert own_groups.left_since(before_it) == set()


# --- memory ---


def test_a_hoarder_gets_no_more_than_its_limit(rung: Rung) -> None:
    done = rung.run("--memory=64m", "host", *PYTHON, HOARD)
    assert done.stdout == ""
    if rung.name == "none":  # RLIMIT_DATA: the program is told
        assert done.returncode == 1 and "MemoryError" in done.stderr
        return
    said = f"the container was killed at its --memory of 67108864 bytes ({rung.name})"
    assert (done.returncode, done.stderr) == (137, f"pyrootless: {said}\n")


def test_hoarders_together_get_no_more_than_one(rung: Rung) -> None:
    found = rung.kept("together", "--memory=64m", "host", *PYTHON, HOARD_TOGETHER)
    assert (found["State"]["EndedBy"], found["State"]["ExitCode"]) == ("oom", 137)
    assert found["State"]["OOMKilled"] is True
    assert found["Limits"]["memory"]["HeldBy"] == holder(rung, "memory")
    if rung.name == "none":
        assert found["Limits"]["memory"]["Exactness"] == "late"
        assert found["Usage"]["memory_peak_bytes"] > 64 * MIB  # what the watchdog saw
    else:
        assert found["Limits"]["memory"]["Exactness"] == "exact"
        assert found["Usage"]["memory_peak_bytes"] <= 64 * MIB


@ON_GROUPS
def test_files_in_memory_count(rung: Rung) -> None:
    done = rung.run("--memory=64m", "host", *PYTHON, HOARD_IN_FILES)
    assert (done.returncode, done.stdout) == (137, "")


FROM_PYTHON = """
import sys, pyrootless
result = pyrootless.run("host", sys.argv[1:], memory="64m", limits="best-effort")
print(result.ended_by, result.enforced["memory"])
"""


@ON_NONE
def test_the_watchdog_looks_while_python_carries_the_output(rung: Rung) -> None:
    program = [sys.executable, "-c", FROM_PYTHON, *PYTHON, HOARD_TOGETHER]
    done = subprocess.run(
        [*rung.before, *program],
        env=rung.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "oom watchdog\n", done.stderr


def test_limits_hold_in_the_background(rung: Rung) -> None:
    """The monitor is another process than the one that found the groups."""
    weak = ["--limits=best-effort"] if rung.name == "none" else []
    for name in ("first", "second"):
        limits = ("--memory=64m", "--pids-limit=10")
        done = rung.call("run", "-d", f"--name={name}", *weak, *limits, "host", "sleep", "600")
        assert (done.returncode, len(done.stdout)) == (0, 65), done.stderr
        [found] = json.loads(rung.call("inspect", name).stdout)
        held = {limit: how["HeldBy"] for limit, how in found["Limits"].items()}
        assert held == {limit: holder(rung, limit) for limit in ("memory", "pids")}
        assert found["State"]["Status"] == "running"
    assert rung.call("rm", "-f", "first", "second").returncode == 0


def test_a_start_like_one_before_is_held_alike(rung: Rung) -> None:
    """The second one has groups of its own."""
    scope, aside = (SCOPE, ASIDE) if rung.name == "cgroup2" else ([], "")
    limits = "--memory=64m --pids-limit=50 --cpus=1 --cpu-time=60 host grep . /proc/self/cgroup"
    weak = "--limits=best-effort" if rung.name == "none" else ""
    left = Path(rung.env["XDG_RUNTIME_DIR"], "pyrootless", "flat")
    shutil.rmtree(left, ignore_errors=True)  # a place in it may be another start's
    done = subprocess.run(
        [*scope, "sh", "-c", aside + TWICE, "sh", *rung.words()],
        env={**rung.env, "OPTIONS": f"{weak} {limits}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    [one], [two] = (json.loads(rung.call("inspect", name).stdout) for name in ("one", "two"))
    held = {limit: how["HeldBy"] for limit, how in one["Limits"].items()}
    assert held["memory"] == holder(rung, "memory") and held["pids"] == holder(rung, "pids")
    assert two["Limits"] == one["Limits"] and set(two["Usage"]) == set(one["Usage"])
    told = [line for line in done.stderr.splitlines() if "is held by" in line]
    for lines in (told, done.stdout.splitlines()):
        assert lines[: len(lines) // 2] * 2 == lines
    assert rung.call("rm", "one", "two").returncode == 0


LIMITED = "--memory=64m --pids-limit=20 --cpus=0.5"


def run_in_scope(rung: Rung, script: str, **words: str) -> subprocess.CompletedProcess[str]:
    """A script, in a scope of its own."""
    return subprocess.run(
        [*SCOPE, "sh", "-c", ASIDE + script, "sh", *rung.words()],
        env={**rung.env, "LIMITS": LIMITED, **words},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_again(rung: Rung, options: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """AGAIN, with these options of the second start."""
    return run_in_scope(rung, AGAIN, OPTIONS=f"{LIMITED} {options}", BEFORE=before)


@pytest.mark.parametrize("rung", RUNGS[:1], indirect=True)
@pytest.mark.parametrize("before", ["", "taskset -c 0"])
@pytest.mark.parametrize("way", ["", "--network=host", "--userns=range --no-holder"])
def test_limits_are_in_force_when_the_program_begins(rung: Rung, way: str, before: str) -> None:
    """Whichever task of the child writes them."""
    done = run_again(rung, f"-d --name=again {way}", before)
    rung.call("rm", "-f", "again")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["67108864", "1", "20", "50000 100000"]


@pytest.mark.needs("busybox", "strace")
@pytest.mark.parametrize("rung", RUNGS[:1], indirect=True)
def test_limits_are_in_force_where_no_task_can_be_woken(rung: Rung) -> None:
    done = run_in_scope(rung, NO_FUTEX)
    said = "the container was killed at its --memory of 67108864 bytes (cgroup2)"
    assert (done.returncode, done.stdout, done.stderr) == (137, "", f"pyrootless: {said}\n")


@pytest.mark.parametrize("rung", RUNGS[:1], indirect=True)
@pytest.mark.parametrize("way", ["", "--network=host"])
def test_a_limit_that_the_kernel_refuses_is_named(rung: Rung, way: str) -> None:
    done = run_again(rung, f"--rm --cpuset-cpus=999 {way}")
    assert done.returncode == 125
    told = done.stderr.splitlines()[0]
    assert told.startswith("pyrootless: limits: /sys/fs/cgroup/")
    assert told.endswith("/cpuset.cpus: cannot be set to 999")


def test_a_crash_is_not_taken_for_the_limit(rung: Rung) -> None:
    fault = "import ctypes; ctypes.string_at(0)"
    found = rung.kept("crash", "--memory=256m", "host", *PYTHON, fault)
    state = found["State"]
    assert (state["EndedBy"], state["OOMKilled"], state["ExitCode"]) == ("signal", False, 139)
    assert found["Usage"]["oom_kills"] == 0


# --- processes ---


def test_a_fork_bomb_stops_at_the_limit(rung: Rung) -> None:
    done = rung.run("--pids-limit=10", "host", *PYTHON, FORKS)
    assert (done.returncode, done.stdout) == (0, "9\n")


@pytest.mark.parametrize(
    "options",
    [
        ("--init",),
        ("--fake-root=remember",),
        ("--init", "--fake-root=remember"),
        pytest.param(("--network=pasta",), marks=PASTA),
        pytest.param(("--network=pasta", "--allow-host=192.0.2.1"), marks=PASTA),
        pytest.param(("--network=slirp4netns",), marks=SLIRP),
        pytest.param(("--network=slirp4netns", "--allow-host=192.0.2.1"), marks=SLIRP),
    ],
)
def test_our_own_processes_take_nothing_from_the_limit(
    rung: Rung, options: tuple[str, ...]
) -> None:
    words = ("--pids-limit=10", "--userns=single", *options)
    found = rung.run(*words, "host", *PYTHON, FORKS)
    assert (found.returncode, found.stdout) == (0, "9\n"), found.stderr
    kept = rung.kept("counted", *words, "host", *PYTHON, FORKS)
    assert kept["HostConfig"]["PidsLimit"] == 10
    assert kept["Usage"]["pids_peak"] in (10, None)


# One outer container for both, where there is one: nobody joins from beside it.
JOIN = r"""
launcher=$0
id=$("$launcher" run -d --rm --pids-limit=10 --userns=single "$@" host sleep 1000) || exit
"$launcher" exec $EXEC "$id" $PYTHON "$FORKS"
"$launcher" rm -f "$id" >/dev/null
"""


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("options", [(), ("--init",), ("--fake-root=remember",)])
def test_a_program_that_joins_has_the_rest_of_the_limit(
    rung: Rung, options: tuple[str, ...], merged: bool
) -> None:
    """However its configuration is made: with an option of its own it is merged."""
    words = [*rung.before, "sh", "-c", JOIN, str(rung.launcher), *rung.options, *options]
    more = {"EXEC": "-e A=b" if merged else "", "PYTHON": " ".join(PYTHON)}
    more["FORKS"] = FORKS
    done = subprocess.run(
        words, env=rung.env | more, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "8\n"), done.stderr


def test_threads_count_as_processes_do(rung: Rung) -> None:
    done = rung.run("--pids-limit=10", "host", *PYTHON, THREADS)
    assert (done.returncode, done.stdout) == (0, "9\n")


def test_two_containers_do_not_share_the_limit(rung: Rung) -> None:
    words = rung.words("run", "--rm", "-i", "--pids-limit=2", "host", "cat")
    with subprocess.Popen(
        words, env=rung.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdin is not None and first.stdout is not None
        first.stdin.write("there\n")
        first.stdin.flush()
        assert first.stdout.readline() == "there\n"
        assert rung.run("--pids-limit=5", "host", *PYTHON, FORKS).stdout == "4\n"
        first.stdin.close()
        assert first.wait(60) == 0


# --- processors ---


@ON_GROUPS
def test_burners_get_no_more_than_their_share(rung: Rung) -> None:
    """At most the quota in each period that was begun, and one more for the begin."""
    found = rung.kept("burn", "--cpus=0.3", "--timeout=2", "host", *PYTHON, BURN)
    assert found["State"]["EndedBy"] == "timeout"
    wall_ns, used_ns = found["Usage"]["wall_ns"], found["Usage"]["cpu_ns"]
    periods = wall_ns // 100_000_000 + 2
    # A slice of 5 ms may be left over on each processor (sched-bwc.rst).
    slack_ns = (os.cpu_count() or 1) * 5_000_000
    assert 0 < used_ns <= periods * 30_000_000 + slack_ns
    assert found["Usage"]["throttled_ns"] > 0


@pytest.mark.skipif(os.cpu_count() == 1, reason="this machine has one processor")
def test_a_program_stays_on_its_processors(rung: Rung) -> None:
    done = rung.run("--cpuset-cpus=0", "host", *PYTHON, MOVE)
    moved = "[1]" if rung.name == "none" else "[0]"
    assert (done.returncode, done.stdout) == (0, f"[0]\n{moved}\n")


# --- disks ---


@ON_GROUPS
@pytest.mark.parametrize("limit", ["--device-write-bps={}:4m", "--io-max={}:rbps=max,wbps=4m"])
def test_writes_go_no_faster_than_allowed(rung: Rung, tmp_path: Path, limit: str) -> None:
    """12 MiB at 4 MiB a second; the first slice of the kernel's may pass at once."""
    if disk := facts.disk_below(tmp_path):
        limit = limit.format(disk)
        done = rung.run(limit, "-v", f"{tmp_path}:/disk", "host", *PYTHON, DIRECT_WRITES)
        assert (done.returncode, done.stderr) == (0, "")
        assert int(done.stdout) >= 2_000_000_000
    else:
        pytest.skip(f"{tmp_path} lies on no disk of its own")


RATES = ("--device-read-bps={}:1m", "--device-write-bps={}:2048", "--device-read-iops={}:3")


def test_io_max_is_all_rates_of_a_disk_in_one(pyrootless: Runner) -> None:
    if not (disk := facts.disk_below(Path.home())):
        pytest.skip(f"{Path.home()} lies on no disk of its own")
    weak = ("run", "--print-spec", "--limits=best-effort")

    def asked(*options: str) -> dict[str, object]:
        words = [option.format(disk) for option in options]
        done = pyrootless(*weak, *words, "host", "true")
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)["linux"]["resources"]["blockIO"]
        return found

    both = asked("--io-max={}:rbps=1m,riops=3,wbps=2k,wiops=max")
    assert both == asked(*RATES)
    assert len(both) == len(RATES)
    assert asked("--io-max={}:riops=3", "--io-max={}:wbps=2k,rbps=1m") == both


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{}", "is not understood: write --io-max=/dev/sda:rbps=10m"),
        ("{}:", "is not understood"),
        ("{}:10m", "is not understood"),
        ("{}:bps=10m", "is not understood"),
        ("{}:rbps=1m,", "is not understood"),
        ("{}:rbps=0", "a rate of 0 would stop it for ever"),
        ("{}:riops=-1", "a rate of 0 would stop it for ever"),
        ("{}:rbps=much", "much"),
        ("/dev/null:rbps=1m", "/dev/null is no disk of this machine"),
    ],
)
def test_an_io_max_that_says_nothing_is_refused(
    pyrootless: Runner, value: str, words: str
) -> None:
    if not (disk := facts.disk_below(Path.home())):
        pytest.skip(f"{Path.home()} lies on no disk of its own")
    done = pyrootless("run", f"--io-max={value.format(disk)}", "host", "true")
    assert (done.returncode, done.stdout) == (125, "")
    assert "pyrootless: --io-max: " in done.stderr and words in done.stderr


@pytest.mark.parametrize("rung", RUNGS[1:2], indirect=True)
@pytest.mark.parametrize("option", ["--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined"])
def test_a_disk_limit_that_could_be_rewritten_is_refused(rung: Rung, option: str) -> None:
    if not (disk := facts.disk_below(Path.home())):
        pytest.skip(f"{Path.home()} lies on no disk of its own")
    limit = f"--device-write-bps={disk}:4m"
    done = rung.run(option, limit, "host", "true")
    assert done.returncode == 125
    assert done.stderr.startswith("pyrootless: --io-max: it would be held by a group ")
    done = rung.run("--limits=best-effort", option, limit, "host", "true")
    assert done.returncode == 0
    assert "--io-max is held by a group of version 1" in done.stderr


def test_files_fit_into_the_storage(rung: Rung) -> None:
    done = rung.run("--ephemeral", "--storage-size=8m", "host", *PYTHON, FILL)
    written, errnum = map(int, done.stdout.split())
    assert 7 * MIB < written <= 8 * MIB
    assert errnum == 28  # ENOSPC


def test_empty_files_count_too(rung: Rung) -> None:
    done = rung.run("--ephemeral", "--storage-size=8m", "host", *PYTHON, MANY_FILES)
    count, errnum = map(int, done.stdout.split())
    assert 1900 < count <= 2048  # one for each page
    assert errnum == 28


def test_on_a_disk_nothing_holds_the_storage(rung: Rung) -> None:
    done = rung.call("run", "--rm", "--storage-size=8m", "host", "true")
    assert done.returncode == 125 and "--ephemeral" in done.stderr
    words = ["--limits=best-effort", "--storage-size=8m", "host", *PYTHON, FILL]
    found = rung.kept("fill", *words)
    assert found["Limits"]["storage"] == {"HeldBy": "rlimit-fsize", "Exactness": "each"}


# --- what is asked, what is told, what is left ---


ALL = {
    "--memory=64m": "memory",
    "--memory-swap=96m": "memory-swap",
    "--memory-reservation=32m": "memory-reservation",
    "--cpus=0.5": "cpus",
    "--cpu-shares=512": "cpu-shares",
    "--cpuset-cpus=0": "cpuset",
    "--pids-limit=20": "pids",
}
WRITTEN = {
    "cgroup2": {
        "memory.max": "67108864",
        "memory.low": "33554432",
        "memory.oom.group": "1",
        "cpu.max": "50000 100000",
        "cpu.weight": "20",
        "cpuset.cpus": "0",
        "pids.max": "20",
    },
    "cgroup1": {
        "memory.limit_in_bytes": "67108864",
        "memory.soft_limit_in_bytes": "33554432",
        "cpu.cfs_quota_us": "50000",
        "cpu.cfs_period_us": "100000",
        "cpu.shares": "512",
        "cpuset.cpus": "0",
        "pids.max": "20",
    },
}
SWAP = {"cgroup2": ("memory.swap.max", "33554432"),
        "cgroup1": ("memory.memsw.limit_in_bytes", "100663296")}  # fmt: skip


def read_limits(rung: Rung, name: str) -> dict[str, str]:
    """The limits of a running container as its groups have them."""
    found = json.loads(rung.call("inspect", name).stdout)[0]
    lines = found["Annotations"]["io.pyrootless.limits.cgroups"].splitlines()
    places = [Path(line.split(" ", 2)[2]) for line in lines]
    wanted = [*WRITTEN[rung.name], SWAP[rung.name][0]]
    files = [place / file for place in places for file in wanted if (place / file).exists()]
    return {file.name: file.read_text().strip() for file in files}


@ON_GROUPS
def test_a_program_cannot_rewrite_its_limits(rung: Rung) -> None:
    """With the power to mount: the groups it then sees are those below its limits."""
    options = [option for option in ALL if "swap" not in option]
    words = rung.words("run", "-i", "--name=rewrite", "--cap-add=SYS_ADMIN", *options, "host")
    with subprocess.Popen(
        [*words, *PYTHON, REWRITE], env=rung.env, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    ) as attacker:  # fmt: skip
        assert attacker.stdin is not None and attacker.stdout is not None
        assert attacker.stdout.readline() == "ready\n"
        limits = read_limits(rung, "rewrite")
        attacker.stdin.write("\n")
        attacker.stdin.close()
        assert attacker.wait(60) == 0
    rung.call("rm", "rewrite")
    swap = SWAP[rung.name][0]
    assert limits.pop(swap, None) in (None, "67108864", "134217728")  # as much again
    assert limits == WRITTEN[rung.name]


@ON_GROUPS
def test_swap_counts(rung: Rung) -> None:
    words = ["-i", "--name=swap", "--memory=64m", "--memory-swap=96m", "host"]
    with subprocess.Popen(
        rung.words("run", *words, *PYTHON, 'print("ready", flush=True); input()'),
        env=rung.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdin is not None and program.stdout is not None
        told = program.stdout.readline()
        limits = read_limits(rung, "swap") if told else {}
        program.stdin.write("\n")
        program.stdin.close()
        status = program.wait(60)
    rung.call("rm", "swap")
    name, value = SWAP[rung.name]
    if told:
        assert (status, limits[name]) == (0, value)
    else:  # a kernel that does not count swap: bind or refuse
        assert status == 125


@ON_NONE
@pytest.mark.parametrize("option", [option for option in ALL if "pids" not in option])
def test_what_cannot_be_held_is_refused(rung: Rung, option: str) -> None:
    beside = ["--memory=64m"] if "swap" in option else []
    done = rung.call("run", "--rm", *beside, option, "host", "true")
    name = "--memory" if beside else option.partition("=")[0]
    assert done.returncode == 125
    assert done.stderr.startswith(f"pyrootless: {name}: no control group for it is delegated")
    assert "--limits=best-effort" in done.stderr and "pyrootless doctor cgroup" in done.stderr


@ON_NONE
def test_the_weaker_rung_is_named(rung: Rung) -> None:
    words = ["--limits=best-effort", "--memory=64m", "--cpus=1", "--cpu-shares=512"]
    done = rung.call("run", "--rm", *words, "host", "true")
    assert done.stderr.splitlines() == [
        "pyrootless: --memory is held by the watchdog alone, which looks again and again and "
        "may be late (--limits=best-effort)",
        "pyrootless: --cpus is held by the processors of each process, which a program may "
        "change itself (--limits=best-effort)",
        "pyrootless: --cpu-shares is held by nothing (--limits=best-effort)",
    ]


@ON_NONE
def test_a_part_of_a_processor_is_a_whole_one_in_a_mask(rung: Rung) -> None:
    for cpus, told in (("0.3", "1 whole processor"), ("1.5", "2 whole processors")):
        done = rung.call("run", "--rm", *WEAKER, f"--cpus={cpus}", "host", "true")
        assert f"may change itself: {told} instead of {cpus} (--limits" in done.stderr


@ON_NONE
def test_what_nobody_measured_is_no_zero(rung: Rung) -> None:
    usage = rung.kept("unmeasured", "host", "true")["Usage"]
    assert usage["wall_ns"] > 0
    for name in ("pids_peak", "pids_refused", "memory_peak_bytes", "oom_kills", "cpu_ns"):
        assert usage[name] is None, name


def test_what_is_not_reached_is_no_matter(rung: Rung) -> None:
    options = [option for option in ALL if "swap" not in option]
    done = rung.run(*options, "host", "echo", "fine")
    assert (done.returncode, done.stdout) == (0, "fine\n")
    assert (done.stderr == "") == (rung.name != "none")


@pytest.mark.skipif(not has_groups(), reason="no control group is delegated")
def test_the_result_says_what_held(
    engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where systemd must be asked, this very process is moved, once."""
    monkeypatch.setenv("PYROOTLESS_ROOT", engine_environment["PYROOTLESS_ROOT"])
    words = [*PYTHON, HOARD]
    for _ in range(2):
        result = package.run("host", words, memory="64m", cpus=0.5, pids_limit=20)
        assert (result.ended_by, result.signal, result.stdout) == ("oom", 9, b"")
        held = set(result.enforced.values())
        assert list(result.enforced) == ["memory", "cpus", "pids"]
        assert held <= {"cgroup1", "cgroup2"} and len(held) == 1
        assert result.exactness == dict.fromkeys(result.enforced, "exact")
        assert result.usage.memory_peak_bytes <= 64 * MIB
        assert result.usage.oom_kills > 0 and result.usage.cpu_ns > 0
