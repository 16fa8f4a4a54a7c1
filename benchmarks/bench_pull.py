"""What a pull costs: a Debian base from a local docker-registry, beside podman.

In: a root file system as a plain tar (--tar), made by mmdebstrap.
Out: a table, and results/pull.json.
Never: a measurement as root, a store used twice, a deletion before the end (ext4 avoids inodes
that were freed a moment ago; creating files then costs ten times as much).

The image is pushed as gzip and as zstd; every round each engine pulls both, each into a fresh
store: manifest, configuration, blob written and flushed, layer unpacked.  As root it begins
again as the ordinary user.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import harness
import machine
import report

HERE = Path(__file__).resolve().parent
FORMS = ("gzip", "zstd")
FEW_ROUNDS = 10
WAIT_SECONDS = 30.0
SCENARIO = report.Scenario(
    "pull",
    "pull a Debian base from a registry on this machine into an empty store",
    tuple(f"podman-{form}" for form in FORMS),
)
VERSIONS = {
    "podman": ("podman", "--version"),
    "skopeo": ("skopeo", "--version"),
    "docker-registry": ("docker-registry", "--version"),
}
_OCI = "application/vnd.oci.image"


@dataclass(frozen=True)
class Place:
    """Where everything of a run lies.

    Attributes:
        base: Working directory, this run's own.
        host: HOST:PORT of the registry.
        launcher: The `pyrootless` executable.
    """

    base: Path
    host: str
    launcher: Path


def parse(
    words: Sequence[str], result: str = "pull.json", about: str | None = __doc__
) -> argparse.Namespace:
    """The command line.  Raises SystemExit."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    add = parser.add_argument
    beside = Path(sys.executable).parent / "pyrootless"
    add("--tar", type=Path, required=True, metavar="FILE", help="root file system, plain tar")
    add("--out", type=Path, default=HERE / "results" / result, metavar="FILE")
    add("--rounds", type=int, default=FEW_ROUNDS, metavar="N", help="default: %(default)s")
    add("--warmup", type=int, default=1, metavar="N", help="default: %(default)s")
    add("--pyrootless", type=Path, default=beside, metavar="PROGRAM")
    add("--work", type=Path, default=Path("/var/tmp"), metavar="DIR", help="where stores are")
    add(
        "--user",
        default=machine.ORDINARY_USER,
        help="as root: who measures (default: %(default)s)",
    )
    return parser.parse_args(words)


def tell(text: str) -> None:
    """A line for whoever waits."""
    print(f"bench_pull: {text}", file=sys.stderr, flush=True)


# --- the registry ----------------------------------------------------------------------------


@contextmanager
def serve(base: Path) -> Iterator[str]:
    """A docker-registry without authentication; its HOST:PORT."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = base / "registry.yml"
    settings.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {base / 'registry'}}}}}\n"
        f"http: {{addr: '{host}'}}\n"
    )
    words = ["docker-registry", "serve", str(settings)]
    null = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=null, stderr=null) as process:
        try:
            wait_for(host)
            yield host
        finally:
            process.terminate()


def wait_for(host: str) -> None:
    """Until somebody listens.  Raises SystemExit."""
    name, _, port = host.partition(":")
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection((name, int(port)), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("bench_pull: docker-registry does not listen")


def push(base: Path, tar: Path, host: str) -> None:
    """The tar as an image of one layer, in both compressions."""
    plain = write_layout(base / "plain", tar)
    for form in FORMS:
        push_layout(plain, base / form, form, f"{host}/base/{form}:1")


def push_layout(plain: Path, packed: Path, form: str, name: str) -> None:
    """A layout of plain layers, compressed, under a name of the registry."""
    run("skopeo", "copy", "-q", f"--dest-compress-format={form}", f"oci:{plain}:base",
        f"oci:{packed}:base")  # fmt: skip
    run("skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false",
        f"oci:{packed}:base", f"docker://{name}")  # fmt: skip


def run(*words: str) -> None:
    """Raises SystemExit with what the program said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bench_pull: {words[0]}: {done.stderr.strip()}")


def write_layout(layout: Path, *tars: Path) -> Path:
    """An OCI image layout whose layers are plain tars, the lowest first."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layers = [put_layer(blobs, tar) for tar in tars]
    config = put(
        blobs,
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [row["digest"] for row in layers]},
        },
        f"{_OCI}.config.v1+json",
    )
    document = {"schemaVersion": 2, "config": config, "layers": layers}
    entry = put(blobs, document, f"{_OCI}.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "base"}
    index = {"schemaVersion": 2, "manifests": [entry]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return layout


def put_layer(blobs: Path, tar: Path) -> dict[str, object]:
    """Copy a plain tar; its descriptor."""
    with tar.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    shutil.copyfile(tar, blobs / digest)
    kind, size = f"{_OCI}.layer.v1.tar", tar.stat().st_size
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": size}


def put(blobs: Path, document: dict[str, object], media_type: str) -> dict[str, object]:
    """Write a JSON blob; its descriptor."""
    data = json.dumps({**document, "mediaType": media_type}).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


# --- measuring -------------------------------------------------------------------------------


def candidates(place: Place) -> list[harness.Candidate]:
    """Both engines with both forms; `fresh` gives each start a store of its own."""
    found = []
    for form in FORMS:
        image = f"{place.host}/base/{form}:1"
        ours = (str(place.launcher), "--root", "@STORE@/data", "pull", "-q", image)
        found.append(harness.Candidate(f"pyrootless-{form}", fresh(place, ours)))
        store = ("--root", "@STORE@/root", "--runroot", "@STORE@/run")
        words = ("--storage-driver", "overlay", "pull", "-q", "--tls-verify=false", image)
        theirs = ("podman", *store, *words)
        missing = "" if shutil.which("podman") else "podman is not on PATH"
        found.append(
            harness.Candidate(f"podman-{form}", fresh(place, theirs), unavailable=missing)
        )
    return found


def fresh(place: Place, argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command with a new directory for @STORE@: two small programs, a few milliseconds."""
    parts = " ".join(
        f'"$store"{word.removeprefix("@STORE@")}' if word.startswith("@STORE@") else word
        for word in argv
    )
    script = f'store=$(mktemp -d "$1/XXXXXXXX") && exec {parts}'
    return ("/bin/sh", "-c", script, "sh", str(place.base / "stores"))


def measure(place: Place, options: argparse.Namespace) -> None:
    """Rounds, memory, table, document."""
    plan = harness.Plan(options.rounds, options.warmup, sync=True)
    env = {name: os.environ[name] for name in ("PATH", "HOME", "USER", "XDG_RUNTIME_DIR")
           if name in os.environ}  # fmt: skip
    before = machine.load()
    gathered = harness.run_rounds(candidates(place), plan, env, tell)
    after = machine.load()
    floor = place.base / "floor"
    run("cc", "-O2", "-static", "-o", str(floor), str(HERE / "floor.c"))
    for series in gathered:
        harness.measure_memory(series, floor, env, times=1)
    versions = {**VERSIONS, "pyrootless": (str(place.launcher), "--version")}
    facts = {**machine.facts({"store": place.base}, versions), "load_before": before,
             "load_after": after, "tar_bytes": options.tar.stat().st_size}  # fmt: skip
    print(report.table(SCENARIO, gathered), flush=True)
    names = {str(place.base): "$WORK", str(HERE.parent): "$CHECKOUT", place.host: "$REGISTRY"}
    report.write(options.out, report.document(SCENARIO, plan, gathered, facts, names))
    tell(f"wrote {options.out}")


def as_ordinary_user(
    options: argparse.Namespace, script: str = "bench_pull.py", before: Sequence[str] = ()
) -> int:
    """Run a script again as the ordinary user; bring the document home.

    Args:
        options: As `parse` gives them.
        script: Its name.
        before: Words that put the command after them into some other surroundings.
    """
    user = machine.measuring_user(options.user)
    work = Path(tempfile.mkdtemp(prefix="pyrootless-bench-", dir=options.work))
    try:
        runtime = work / "runtime"
        runtime.mkdir(mode=0o700)
        for path in (work, runtime):
            os.chown(path, user.pw_uid, user.pw_gid)
        identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
        own = [
            *(sys.executable, "-B", str(HERE / script), f"--tar={options.tar}"),
            *(f"--rounds={options.rounds}", f"--warmup={options.warmup}", f"--work={work}"),
            *(f"--pyrootless={options.pyrootless.absolute()}", f"--out={work}/out.json"),
        ]
        settings = [f"--chdir={work}", f"XDG_RUNTIME_DIR={runtime}"]
        words = [*before, "setpriv", *identity, "--reset-env", "env", *settings, *own]
        status = subprocess.run(words, check=False).returncode
        if (work / "out.json").exists():
            report.write_text(options.out, (work / "out.json").read_text())
            tell(f"wrote {options.out}")
        return status
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def workplace(parent: str | Path | None) -> Iterator[Path]:
    """A directory with one for stores; removed at the end, whoever of the user owns files."""
    base = Path(tempfile.mkdtemp(prefix="pyrootless-bench-", dir=parent))
    try:
        (base / "stores").mkdir()
        yield base
    finally:
        words = ["podman", "unshare", "rm", "-rf", str(base)]
        subprocess.run(words, capture_output=True, timeout=600, check=False)
        shutil.rmtree(base, ignore_errors=True)


def main() -> int:
    """Root hands over; an ordinary user measures."""
    options = parse(sys.argv[1:])
    if os.getuid() == 0:
        return as_ordinary_user(options)
    harness.become_subreaper()
    with workplace(options.work) as base, serve(base) as host:
        push(base, options.tar, host)
        measure(Place(base, host, options.pyrootless), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
