"""What images cost beside podman: pulls, twenty at once, first starts with many ids, the disk.

In: a root file system as a plain tar (--tar), made by mmdebstrap.
Out: two tables (an idle machine, and one whose processors are all busy), results/images.json.
Never: a measurement as root; a store used twice where a first time is measured; a deletion
before the end.

Everything runs in one pair of interleaved runs.  The image of 40 layers has files of another
owner in each of them; the sparse one has three files of 80 MiB that hold 28 KiB (podman writes
them out, into every store).  As root it
shows a plain cgroup2 tree in a private mount namespace (crun refuses a hybrid one), and begins
again as the ordinary user.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bench_pull
import harness
import machine
import peers
import report

LAYERS = 40
FOREIGN = 33
"""The other owner, and his group."""
SPARSE_BYTES = 80 << 20
SPARSE_DATA = 28 << 10
AT_ONCE = 20
FIRST = ("layers", "sparse")
START_SECONDS = 300.0
"""Twenty pulls at once, on processors that do something else too."""
SCENARIO = report.Scenario(
    "images",
    "pulls, first and later starts with many ids, and the table of the disk",
    ("podman-gzip", "podman-zstd", "podman-at-once", "podman-layers-first",
     "podman-layers-later", "podman-sparse-first", "podman-df"),
)  # fmt: skip
PLAIN_CGROUP2 = (
    *("unshare", "--mount", "--propagation=private", "sh", "-c"),
    *('mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"', "sh"),
)


@dataclass(frozen=True)
class Engine:
    """How one of the two is called; "@STORE@" stands for its store's directory."""

    name: str
    program: tuple[str, ...]
    pull: tuple[str, ...]
    run: tuple[str, ...]

    def words(self, verb: Sequence[str], *more: str) -> tuple[str, ...]:
        """A command line."""
        return (*self.program, *verb, *more)


def engines(place: bench_pull.Place) -> list[Engine]:
    """Both."""
    store = ("--root", "@STORE@/root", "--runroot", "@STORE@/run", "--storage-driver=overlay")
    run = ("run", "--rm", "--network=none")
    return [
        Engine(
            "pyrootless",
            (str(place.launcher), "--root", "@STORE@/data"),
            ("pull", "-q"),
            (*run, "--userns=range"),
        ),
        Engine("podman", ("podman", *store), ("pull", "-q", "--tls-verify=false"), run),
    ]


# --- images ----------------------------------------------------------------------------------


def push_layers(base: Path, host: str) -> None:
    """LAYERS layers, each with a few files, one of them another's."""
    tars = [base / f"layer-{number}.tar" for number in range(LAYERS)]
    for number, tar in enumerate(tars):
        with tarfile.open(tar, "w") as archive:
            if number == 0:
                add_busybox(archive)
            for mine in range(10):
                add(archive, f"srv/{number}/file-{mine}", b"%d\n" % mine)
            add(archive, f"srv/{number}/another's", b"his\n", FOREIGN)
    plain = bench_pull.write_layout(base / "layers-plain", *tars)
    bench_pull.push_layout(plain, base / "layers", "gzip", f"{host}/layers/gzip:1")


def push_sparse(base: Path, host: str) -> None:
    """Three files of holes, in the form that podman reads too (GNU tar, "PAX format 1.0")."""
    top, tar = base / "sparse-files", base / "sparse.tar"
    (top / "bin").mkdir(parents=True)
    shutil.copy2(peers.find_busybox(), top / "bin/busybox")
    (top / "bin/true").symlink_to("busybox")
    for number in range(3):
        with (top / f"disk-{number}").open("wb") as stream:
            stream.truncate(SPARSE_BYTES)
            stream.seek(SPARSE_BYTES // 2)
            stream.write(b"x" * SPARSE_DATA)
    words = (
        "tar",
        "--format=posix",
        "--sparse",
        f"--owner={FOREIGN}",
        f"--group={FOREIGN}",
        "--numeric-owner",
    )
    bench_pull.run(*words, "-cf", str(tar), "-C", str(top), ".")
    plain = bench_pull.write_layout(base / "sparse-plain", tar)
    bench_pull.push_layout(plain, base / "sparse", "gzip", f"{host}/sparse/gzip:1")


def add_busybox(archive: tarfile.TarFile) -> None:
    """/bin/busybox and /bin/true."""
    add(archive, "bin/busybox", peers.find_busybox().read_bytes())
    link = tarfile.TarInfo("bin/true")
    link.type, link.linkname = tarfile.SYMTYPE, "busybox"
    archive.addfile(link)


def add(archive: tarfile.TarFile, name: str, data: bytes, owner: int = 0) -> None:
    """One file."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uid, member.gid = len(data), 0o755, owner, owner
    archive.addfile(member, io.BytesIO(data))


# --- candidates ------------------------------------------------------------------------------


def in_store(words: Sequence[str]) -> str:
    """A shell's words for them, "$store" where the store stands."""
    return " ".join(
        f'"$store"{word.removeprefix("@STORE@")}' if word.startswith("@STORE@") else f"'{word}'"
        for word in words
    )


def at_once(place: bench_pull.Place, engine: Engine, image: str) -> tuple[str, ...]:
    """AT_ONCE pulls into one fresh store; all must end well."""
    pull = in_store(engine.words(engine.pull, image))
    script = (
        'store=$(mktemp -d "$1/XXXXXXXX") || exit; all=; n=0; '
        f'while [ $n -lt {AT_ONCE} ]; do {pull} & all="$all $!"; n=$((n+1)); done; '
        "for one in $all; do wait $one || exit; done"
    )
    return ("/bin/sh", "-c", script, "sh", str(place.base / "stores"))


def first(stores: Path, words: Sequence[str]) -> tuple[str, ...]:
    """The command in the next of the stores that were made for it."""
    script = (
        'n=$(cat "$1/next") && echo $((n+1)) > "$1/next" && store=$1/$n && '
        f'[ -d "$store" ] && exec {in_store(words)}'
    )
    return ("/bin/sh", "-c", script, "sh", str(stores))


def fixed(store: Path, words: Sequence[str]) -> tuple[str, ...]:
    """The command in one store."""
    found = tuple(word.replace("@STORE@", str(store)) for word in words)
    return (shutil.which(found[0]) or found[0], *found[1:])


def candidates(place: bench_pull.Place) -> list[harness.Candidate]:
    """Each thing by both engines."""
    rows = []
    for engine in engines(place):
        missing = "" if shutil.which(engine.program[0]) else f"{engine.name} is not on PATH"
        image, base = f"{place.host}/layers/gzip:1", f"{place.host}/base"
        store = place.base / f"used-{engine.name}"
        commands = {
            form: bench_pull.fresh(place, engine.words(engine.pull, f"{base}/{form}:1"))
            for form in bench_pull.FORMS
        }
        commands["at-once"] = at_once(place, engine, f"{base}/gzip:1")
        for kind in FIRST:
            run = engine.words(engine.run, f"{place.host}/{kind}/gzip:1", "true")
            commands[f"{kind}-first"] = first(place.base / f"{kind}-{engine.name}", run)
        commands["layers-later"] = fixed(store, engine.words(engine.run, image, "true"))
        commands["df"] = fixed(store, engine.words(("system", "df")))
        rows += [
            harness.Candidate(f"{engine.name}-{name}", words, unavailable=missing)
            for name, words in commands.items()
        ]
    return rows


def make_stores(place: bench_pull.Place, env: Mapping[str, str], count: int) -> None:
    """Stores in which a first start is still to come, and one for each engine in use."""
    for engine in engines(place):
        for kind in FIRST:
            image = engine.words(engine.pull, f"{place.host}/{kind}/gzip:1")
            stores = place.base / f"{kind}-{engine.name}"
            stores.mkdir()
            for number in range(count):
                bench_pull.tell(f"{engine.name}: store {number + 1} of {count} for {kind}")
                call(fixed(stores / str(number), image), env)
            (stores / "next").write_text("0\n")
        store = place.base / f"used-{engine.name}"
        for name in ("base/gzip:1", "base/zstd:1", "layers/gzip:1", "sparse/gzip:1"):
            call(fixed(store, engine.words(engine.pull, f"{place.host}/{name}")), env)


def call(words: Sequence[str], env: Mapping[str, str]) -> None:
    """Raises SystemExit with what the program said."""
    Path(words[words.index("--root") + 1]).parent.mkdir(exist_ok=True)
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bench_images: {' '.join(words)}: {done.stderr.strip()}")


# --- measuring -------------------------------------------------------------------------------


@contextmanager
def busy() -> Iterator[None]:
    """As many loops as there are processors."""
    loop = ["/bin/sh", "-c", "while :; do :; done"]
    loops = [subprocess.Popen(loop) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for process in loops:
            process.kill()
            process.wait()


def measure(place: bench_pull.Place, options: argparse.Namespace) -> None:
    """Idle, then busy; tables and one document."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "USER", "XDG_RUNTIME_DIR")
           if name in os.environ}  # fmt: skip
    plan = harness.Plan(options.rounds, options.warmup, sync=True)
    make_stores(place, env, 2 * (1 + options.warmup + options.rounds))
    names = {str(place.base): "$WORK", str(bench_pull.HERE.parent): "$CHECKOUT",
             place.host: "$REGISTRY"}  # fmt: skip
    versions = {**bench_pull.VERSIONS, "pyrootless": (str(place.launcher), "--version")}
    facts = machine.facts({"store": place.base}, versions)
    facts["tar_bytes"] = options.tar.stat().st_size

    def run() -> dict[str, object]:
        before = machine.load()
        gathered = harness.run_rounds(candidates(place), plan, env, bench_pull.tell)
        loads = {"load_before": before, "load_after": machine.load()}
        print(report.table(SCENARIO, gathered), flush=True)
        return report.document(SCENARIO, plan, gathered, {**facts, **loads}, names)

    idle = run()
    with busy():
        loaded = run()
    report.write(
        options.out,
        {"format": report.FORMAT, "scenario": SCENARIO.name, "title": SCENARIO.title,
         "idle": idle, "busy": loaded},
    )  # fmt: skip
    bench_pull.tell(f"wrote {options.out}")


def main() -> int:
    """Root hands over; an ordinary user measures."""
    options = bench_pull.parse(sys.argv[1:], "images.json", __doc__)
    if os.getuid() == 0:
        hybrid = machine.cgroup_kind(Path("/sys/fs/cgroup")) != "v2"
        before = PLAIN_CGROUP2 if hybrid else ()
        return bench_pull.as_ordinary_user(options, "bench_images.py", before)
    harness.become_subreaper()
    harness.START_SECONDS = START_SECONDS
    with bench_pull.workplace(options.work) as base, bench_pull.serve(base) as host:
        bench_pull.push(base, options.tar, host)
        push_layers(base, host)
        push_sparse(base, host)
        measure(bench_pull.Place(base, host, options.pyrootless), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
