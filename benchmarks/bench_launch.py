"""`make bench`: what the start of a container costs, beside its floor and its peers.

In: options.  Out: a table for each scenario, and a JSON document for each: launch.json (command
lines) and launch_inproc.json (starts made inside a process) beside it.
Never: a measurement as root (root needs no user namespace, so it would measure something else),
a store other than one made for the run, a file left behind but the documents.

As root it makes a private mount namespace, shows a plain cgroup v2 tree in it (crun refuses the
hybrid layout) and a tmpfs as runtime directory (as a login session has one), and begins again
in there as the ordinary user.  None of this is inside any timing.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import harness
import machine
import peers
import report

HERE = Path(__file__).resolve().parent
ORDINARY_USER = "pyrootless-test"
FEW_ROUNDS = 40
STAGE_VARIABLE = "PYROOTLESS_BENCH_STAGE"
LAUNCH = report.Scenario(
    "launch",
    "start `busybox true` in a container and wait for it: from the command line",
    ("spawn", "floor", "bwrap", "crun"),
)
IN_PROCESS = report.Scenario(
    "launch_inproc",
    "start `busybox true` in a container and wait for it: from inside a process",
    ("c-floor", "python-floor", "python-run-0", "python-bwrap", "python-crun"),
)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line.  Raises SystemExit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    results = HERE / "results" / "launch.json"
    add("--out", type=Path, default=results, metavar="FILE", help="default: %(default)s")
    add("--rounds", type=int, default=100, metavar="N", help="default: %(default)s")
    add("--warmup", type=int, default=5, metavar="N", help="default: %(default)s")
    add("--pause-ms", type=float, default=0.0, metavar="MS", help="idle before each start")
    add("--only", default="", metavar="NAME,…", help="measure these candidates alone")
    add("--pyrootless", type=Path, default=found_launcher(), metavar="PROGRAM")
    add("--work", type=Path, default=Path("/var/tmp"), metavar="DIR", help="where the store is")
    add("--user", default=ORDINARY_USER, help="as root: who measures (default: %(default)s)")
    options = parser.parse_args(words)
    if options.rounds < 1 or options.warmup < 0 or options.pause_ms < 0:
        parser.error("--rounds is at least 1, --warmup and --pause-ms at least 0")
    return options


def found_launcher() -> Path:
    """The launcher of this interpreter's environment, or of PATH."""
    beside = Path(sys.executable).parent / "pyrootless"
    other = shutil.which("pyrootless")
    return Path(other) if other and not beside.exists() else beside


def inproc_path(out: Path) -> Path:
    """Where the second document goes: launch.json → launch_inproc.json."""
    return out.with_name(f"{out.stem}_inproc{out.suffix}")


def tell(text: str) -> None:
    """A line for whoever waits; the tables alone go to standard output."""
    print(f"bench_launch: {text}", file=sys.stderr, flush=True)


# --- as root ---------------------------------------------------------------------------------


def as_ordinary_user(options: argparse.Namespace) -> int:
    """Run this script again as the ordinary user; bring the documents home.

    Returns: the exit status.  Raises SystemExit when there is no such user.
    """
    try:
        user = pwd.getpwnam(options.user)
    except KeyError:
        raise SystemExit(
            f"bench_launch: measures as an ordinary user, and there is no {options.user}; "
            "make one (useradd --create-home NAME) and name it with --user, or run "
            "`make test` once, which makes it"
        ) from None
    work = Path(tempfile.mkdtemp(prefix="pyrootless-bench-", dir=options.work))
    try:
        os.chown(work, user.pw_uid, user.pw_gid)
        words = ["unshare", "--mount", "--propagation=private", *own_command(options, work)]
        env = {**os.environ, STAGE_VARIABLE: "mounts"}
        status = subprocess.run(words, env=env, check=False).returncode
        for source in (work / "out.json", inproc_path(work / "out.json")):
            if source.exists():
                name = options.out if source.stem == "out" else inproc_path(options.out)
                report.write_text(name, source.read_text())
                tell(f"wrote {name}")
        return status
    finally:
        shutil.rmtree(work, ignore_errors=True)


def own_command(options: argparse.Namespace, work: Path) -> list[str]:
    """This script once more, writing into `work`."""
    plan = (f"--rounds={options.rounds}", f"--warmup={options.warmup}")
    return [
        *(sys.executable, "-B", str(HERE / "bench_launch.py"), *plan),
        *(f"--pause-ms={options.pause_ms}", f"--only={options.only}", f"--user={options.user}"),
        *(f"--pyrootless={options.pyrootless.absolute()}", f"--work={work}"),
        f"--out={work / 'out.json'}",
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
    if kind != "v2":
        mounts.append(["-t", "cgroup2", "cgroup2", str(cgroup)])
    for words in mounts:
        subprocess.run(["mount", *words], check=True, timeout=60)
    seen = "" if kind == "v2" else f"; /sys/fs/cgroup is {kind} on the machine, v2 in there"
    context = f"begun by root: as {user.pw_name} in a private mount namespace{seen}"
    identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
    settings = [f"{machine.CONTEXT_VARIABLE}={context}", f"XDG_RUNTIME_DIR={runtime}"]
    words = [*identity, "--reset-env", "env", f"--chdir={options.work}", *settings]
    os.execvp("setpriv", ["setpriv", *words, *own_command(options, options.work)])


def runtime_options(user: pwd.struct_passwd) -> str:
    """Mount options of a runtime directory as pam_systemd makes it."""
    return f"mode=0700,uid={user.pw_uid},gid={user.pw_gid},size=10%,nosuid,nodev"


# --- as the ordinary user --------------------------------------------------------------------


def chosen(candidates: Sequence[harness.Candidate], only: str) -> list[harness.Candidate]:
    """Those that --only names, all without it.  Names of the other scenario are fine."""
    names = {name for name in only.split(",") if name}
    return [row for row in candidates if not names or row.name in names]


def check_names(only: str, candidates: Sequence[harness.Candidate]) -> None:
    """Raises SystemExit: --only asks for what there is not."""
    known = [row.name for row in candidates]
    for name in only.split(","):
        if name and name not in known:
            raise SystemExit(
                f"bench_launch: --only: no candidate {name!r}; there are: {', '.join(known)}"
            )


def warn(rounds: int) -> None:
    """Say beforehand what would make the numbers worth little."""
    busy, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if rounds < FEW_ROUNDS:
        tell(f"{rounds} rounds are for trying: publish nothing below {FEW_ROUNDS}")
    if busy > cpus / 2:
        tell(f"the machine is busy (load {busy:.1f}, {cpus} CPUs): compare ratios only")


def measure(
    scenario: report.Scenario,
    candidates: Sequence[harness.Candidate],
    place: peers.Place,
    options: argparse.Namespace,
) -> dict[str, object]:
    """One scenario: rounds, memory, table.  Returns its document."""
    plan = harness.Plan(options.rounds, options.warmup, options.pause_ms)
    env = peers.environment(place, os.environ)
    places = {"store": place.base, "tmp": Path("/tmp"), "runtime": runtime_directory()}
    before = machine.load()
    gathered = harness.run_rounds(candidates, plan, env, tell)
    after = machine.load()
    for series in gathered:
        harness.measure_memory(series, place.floor, env)
    versions = {**peers.VERSIONS, "pyrootless": (str(place.launcher), "--version")}
    facts = {**machine.facts(places, versions), "load_before": before, "load_after": after}
    print(report.table(scenario, gathered), flush=True)
    names = {str(place.base): "$WORK", str(HERE.parent): "$CHECKOUT"}
    return report.document(scenario, plan, gathered, facts, names)


def runtime_directory() -> Path:
    """Where running containers are noted: $XDG_RUNTIME_DIR, else below /tmp."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")


def prepare_host(place: peers.Place) -> None:
    """Make the launch template before anything is timed; a failure shows in the rounds."""
    if not peers.launcher_missing(place):
        argv = [str(place.launcher), "run", "--rm", "--ephemeral", "host", "true"]
        env = peers.environment(place, os.environ)
        subprocess.run(argv, env=env, capture_output=True, timeout=300, check=False)


def bench(options: argparse.Namespace) -> int:
    """Both scenarios.  Returns the exit status: 0 when documents were written."""
    harness.become_subreaper()
    with tempfile.TemporaryDirectory(
        prefix="pyrootless-bench-", dir=options.work, ignore_cleanup_errors=True
    ) as base:
        place = peers.prepare(Path(base), options.pyrootless, Path(sys.executable))
        prepare_host(place)
        lines = [*peers.floors(place), *peers.namespaces(place), *peers.runtimes(place)]
        lines += peers.launcher(place)
        inside = peers.in_process(place, machine.available_memory_bytes())
        check_names(options.only, [*lines, *inside])
        warn(options.rounds)
        for scenario, rows, out in (
            (LAUNCH, lines, options.out),
            (IN_PROCESS, inside, inproc_path(options.out)),
        ):
            if rows := chosen(rows, options.only):
                report.write(out, measure(scenario, rows, place, options))
    return 0


def main() -> int:
    """Root prepares and hands over; an ordinary user measures."""
    options = parse(sys.argv[1:])
    try:
        if os.getuid() != 0:
            return bench(options)
        if os.environ.get(STAGE_VARIABLE) == "mounts":
            in_private_mounts(options)
        return as_ordinary_user(options)
    except peers.PeersError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
