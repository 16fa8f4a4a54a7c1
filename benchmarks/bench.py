"""`make bench` and `pyrootless bench`: what containers cost, beside floors and peers.

In: options.  Out: a table and a JSON document for each scenario, the aims and whether they are
met.
Never: a measurement as root (root needs no user namespace, so it would measure something else),
a store other than one made for the run, a file left behind but the documents.

As root it makes a private mount namespace, shows a plain cgroup v2 tree in it (crun refuses the
hybrid layout) and a tmpfs as runtime directory (as a login session has one), and begins again
in there as the ordinary user.  None of this is inside any timing.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness
import idle
import machine
import peers
import plot
import report
import scenarios
import targets

HERE = Path(__file__).resolve().parent
FEW_ROUNDS = 40
STAGE_VARIABLE = "PYROOTLESS_BENCH_STAGE"
VERSION1 = ("memory", "pids", "cpu", "cpuacct")
NAMES = tuple(row.name for row in scenarios.SCENARIOS)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line.  Raises SystemExit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--results", type=Path, default=results_directory(), metavar="DIR",
        help="where the documents go (default: %(default)s)")  # fmt: skip
    add("--scenario", default=",".join(NAMES), metavar="NAME,…", help="default: all")
    add("--plot", type=Path, metavar="DIR", help="draw PNG and SVG into this directory")
    add("--rounds", type=int, default=100, metavar="N", help="default: %(default)s")
    add("--warmup", type=int, default=5, metavar="N", help="default: %(default)s")
    add("--pause-ms", type=float, default=0.0, metavar="MS", help="idle before each start")
    add("--only", default="", metavar="NAME,…", help="measure these candidates alone")
    add("--pyrootless", type=Path, default=found_launcher(), metavar="PROGRAM")
    add("--work", type=Path, default=Path("/var/tmp"), metavar="DIR", help="where the store is")
    add(
        "--user",
        default=machine.ORDINARY_USER,
        help="as root: who measures (default: %(default)s)",
    )
    options = parser.parse_args(words)
    for name in options.scenario.split(","):
        if name not in NAMES:
            parser.error(f"--scenario: no {name!r}; there are: {', '.join(NAMES)}")
    if options.rounds < 1 or options.warmup < 0 or options.pause_ms < 0:
        parser.error("--rounds is at least 1, --warmup and --pause-ms at least 0")
    return options


def found_launcher() -> Path:
    """The launcher of this interpreter's environment, or of PATH."""
    beside = Path(sys.executable).parent / "pyrootless"
    other = shutil.which("pyrootless")
    return Path(other) if other and not beside.exists() else beside


def results_directory() -> Path:
    """benchmarks/results of a checkout; where this is installed, the working directory."""
    results = HERE / "results"
    return results if results.is_dir() else Path("pyrootless-bench")


def tell(text: str) -> None:
    """A line for whoever waits; the tables alone go to standard output."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


# --- as root ---------------------------------------------------------------------------------


def as_ordinary_user(options: argparse.Namespace) -> int:
    """Run this script again as the ordinary user; bring the documents home.

    Returns: the exit status.  Raises SystemExit when there is no such user.
    """
    user = machine.measuring_user(options.user)
    work = Path(tempfile.mkdtemp(prefix="pyrootless-bench-", dir=options.work))
    try:
        os.chown(work, user.pw_uid, user.pw_gid)
        words = ["unshare", "--mount", "--propagation=private", *own_command(options, work)]
        env = {**os.environ, STAGE_VARIABLE: "mounts"}
        status = subprocess.run(words, env=env, check=False).returncode
        for source in sorted((work / "out").glob("*.json")):
            report.write_text(options.results / source.name, source.read_text())
            tell(f"wrote {options.results / source.name}")
        return status
    finally:
        shutil.rmtree(work, ignore_errors=True)


def own_command(options: argparse.Namespace, work: Path) -> list[str]:
    """This script once more, writing into `work`."""
    plan = (f"--rounds={options.rounds}", f"--warmup={options.warmup}")
    return [
        *(sys.executable, "-B", str(HERE / "bench.py"), *plan),
        *(f"--pause-ms={options.pause_ms}", f"--only={options.only}", f"--user={options.user}"),
        *(f"--pyrootless={options.pyrootless.absolute()}", f"--work={work}"),
        *(f"--results={work / 'out'}", f"--scenario={options.scenario}"),
    ]


def in_private_mounts(options: argparse.Namespace) -> None:
    """Root, in the private mount namespace: mount what is needed, become the user.

    Raises:
        CalledProcessError: a mount was refused.
    """
    user = pwd.getpwnam(options.user)
    cgroup, kind = Path("/sys/fs/cgroup"), machine.cgroup_kind(Path("/sys/fs/cgroup"))
    runtime = options.work / "runtime"
    runtime.mkdir()
    mounts = [["-t", "tmpfs", "-o", runtime_options(user), "runtime", str(runtime)]]
    for name in VERSION1 if kind != "v2" else ():
        if (cgroup / name / "cgroup.procs").exists():
            (options.work / "cgroup" / name).mkdir(parents=True)
            mounts.append(["--bind", str(cgroup / name), str(options.work / "cgroup" / name)])
    if kind != "v2":
        mounts.append(["-t", "cgroup2", "cgroup2", str(cgroup)])
    for words in mounts:
        subprocess.run(["mount", *words], check=True, timeout=60)
    seen = "" if kind == "v2" else f"; /sys/fs/cgroup is {kind} on the machine, v2 in there"
    context = f"begun by root: as an ordinary user in a private mount namespace{seen}"
    identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
    settings = [f"{machine.CONTEXT_VARIABLE}={context}", f"XDG_RUNTIME_DIR={runtime}"]
    settings.append(f"{STAGE_VARIABLE}=mounts")
    words = [*identity, "--reset-env", "env", f"--chdir={options.work}", *settings]
    os.execvp("setpriv", ["setpriv", *words, *own_command(options, options.work)])


def runtime_options(user: pwd.struct_passwd) -> str:
    """Mount options of a runtime directory as pam_systemd makes it."""
    return f"mode=0700,uid={user.pw_uid},gid={user.pw_gid},size=10%,nosuid,nodev"


# --- as the ordinary user --------------------------------------------------------------------


def warn(rounds: int) -> None:
    """Say beforehand what would make the numbers worth little."""
    busy, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if rounds < FEW_ROUNDS:
        tell(f"{rounds} rounds are for trying: publish nothing below {FEW_ROUNDS}")
    if busy > cpus / 2:
        tell(f"the machine is busy (load {busy:.1f}, {cpus} CPUs): compare ratios only")


def prepare_host(place: peers.Place, env: dict[str, str]) -> None:
    """Make the launch template before anything is timed; a failure shows in the rounds."""
    if not peers.launcher_missing(place):
        argv = [str(place.launcher), "run", "--rm", "--ephemeral", "host", "true"]
        subprocess.run(argv, env=env, capture_output=True, timeout=300, check=False)


def measure(options: argparse.Namespace, base: Path) -> None:
    """Every scenario that was asked for, each document written when it is there."""
    place = peers.prepare(base, options.pyrootless, Path(sys.executable))
    env = scenarios.environment(place, os.environ)
    prepare_host(place, env)
    plan = harness.Plan(options.rounds, options.warmup, options.pause_ms)
    only = frozenset(name for name in options.only.split(",") if name)
    bench = scenarios.Bench(place, plan, env, only, tell)
    warn(options.rounds)
    for row in scenarios.SCENARIOS:
        if row.name not in options.scenario.split(","):
            continue
        tell(row.name)
        if document := row.run(bench, row.name, row.title):
            report.write(options.results / f"{row.name}.json", document)


def documents(directory: Path) -> dict[str, dict[str, Any]]:
    """What lies there of ours, by scenario."""
    found = {name: directory / f"{name}.json" for name in NAMES}
    return {name: json.loads(path.read_text()) for name, path in found.items() if path.exists()}


def conclude(options: argparse.Namespace) -> int:
    """The aims, and the pictures.  Returns the exit status."""
    found = documents(options.results)
    verdicts = targets.judge(found)
    print(targets.describe(verdicts), flush=True)
    report.write(options.results / "targets.json", {"aims": targets.as_rows(verdicts)})
    if options.plot is None:
        return 0
    try:
        for path in plot.draw(found, options.plot):
            tell(f"wrote {path}")
    except plot.PlotError as error:
        tell(str(error))
        return 1
    return 0


def bench(options: argparse.Namespace) -> int:
    """As the ordinary user: measure.  Returns the exit status."""
    harness.become_subreaper()
    with tempfile.TemporaryDirectory(
        prefix="pyrootless-bench-", dir=options.work, ignore_cleanup_errors=True
    ) as base:
        measure(options, Path(base))
        for pid in idle.descendants(os.getpid()):  # podman leaves a process behind for good
            os.kill(pid, signal.SIGKILL)
    return 0


def main() -> int:
    """Root prepares and hands over; an ordinary user measures."""
    options = parse(sys.argv[1:])
    try:
        if os.environ.get(STAGE_VARIABLE) == "mounts":
            if os.getuid() == 0:
                in_private_mounts(options)
            return bench(options)
        status = bench(options) if os.getuid() != 0 else as_ordinary_user(options)
        return status or conclude(options)
    except peers.PeersError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
