"""What more layers cost at the start of a container: one, 10, 40, 200, with either driver.

In: options.  Out: one table, one JSON document (results/layers.json).
Never: a measurement as root, a store other than one made for the run, a file left behind.

The images hold the same files: a static busybox and FILES small ones in a few directories; they
differ in how many layers these are spread over. They are pulled from a directory, as any image.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import bench
import harness
import peers
import report
import scenarios

from pyrootless.images import platforms

COUNTS = (1, 10, 40, 200)
FUSE_COUNTS = (1, 40)
FILES = 400
OCI = "application/vnd.oci."
SCENARIO = report.Scenario(
    "layers",
    "start `busybox true` in an image of n layers that hold the same files",
    ("layers-1", "layers-1-fuse"),
)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line.  Raises SystemExit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    results = bench.HERE / "results" / "layers.json"
    add("--out", type=Path, default=results, metavar="FILE", help="default: %(default)s")
    add("--rounds", type=int, default=100, metavar="N", help="default: %(default)s")
    add("--warmup", type=int, default=5, metavar="N", help="default: %(default)s")
    add("--pause-ms", type=float, default=0.0, metavar="MS", help="idle before each start")
    launcher = bench.found_launcher()
    add("--pyrootless", type=Path, default=launcher, metavar="PROGRAM")
    add("--work", type=Path, default=Path("/var/tmp"), metavar="DIR", help="where the store is")
    return parser.parse_args(words)


def make_layers(busybox: Path, count: int) -> list[bytes]:
    """Archives of `count` layers with the files spread over them, busybox in the first."""
    layers: list[dict[str, bytes]] = [{} for _ in range(count)]
    for number in range(FILES):
        folder = ("etc", "usr/lib", "usr/share", "var/lib")[number % 4]
        layers[-1 - number % count][f"{folder}/file-{number}"] = f"{number}\n".encode()
    base = io.BytesIO()
    with tarfile.open(fileobj=base, mode="w") as archive:
        for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp"):
            add_member(archive, name, kind=tarfile.DIRTYPE)
        add_member(archive, "bin/busybox", busybox.read_bytes())
        add_member(archive, "bin/true", kind=tarfile.SYMTYPE)
        add_files(archive, layers[0])
    return [base.getvalue(), *map(make_archive, layers[1:])]


def make_archive(files: Mapping[str, bytes]) -> bytes:
    """A layer of these files alone."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        add_files(archive, files)
    return stream.getvalue()


def add_files(archive: tarfile.TarFile, files: Mapping[str, bytes]) -> None:
    """Files, after the directories they lie in."""
    for folder in sorted({str(above) for path in files for above in Path(path).parents}):
        if folder != ".":
            add_member(archive, folder, kind=tarfile.DIRTYPE)
    for path, data in files.items():
        add_member(archive, path, data)


def add_member(
    archive: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE
) -> None:
    """One member, root's; a link leads to busybox."""
    member = tarfile.TarInfo(name)
    member.type, member.size, member.mode = kind, len(data), 0o755
    member.linkname = "busybox" if kind == tarfile.SYMTYPE else ""
    archive.addfile(member, io.BytesIO(data))


def write_layout(layout: Path, layers: Sequence[bytes]) -> None:
    """An OCI layout with one image of plain layers, tagged "1"."""
    (layout / "blobs/sha256").mkdir(parents=True)
    rows = [put_blob(layout, layer, "image.layer.v1.tar") for layer in layers]
    config = {
        "architecture": platforms.host_platform().architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["true"]},
        "rootfs": {"type": "layers", "diff_ids": [row["digest"] for row in rows]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}image.manifest.v1+json",
        "config": put_blob(layout, json.dumps(config).encode(), "image.config.v1+json"),
        "layers": rows,
    }
    row = put_blob(layout, json.dumps(manifest).encode(), "image.manifest.v1+json")
    row["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [row]}))


def put_blob(layout: Path, data: bytes, kind: str) -> dict[str, object]:
    """A blob, and its descriptor."""
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": OCI + kind, "digest": f"sha256:{digest}", "size": len(data)}


def prepare_store(place: peers.Place) -> None:
    """The images, prepared.  Raises CalledProcessError."""
    env = peers.environment(place, os.environ)

    def call(*words: str) -> str:
        argv = [str(place.launcher), *words]
        done = subprocess.run(argv, env=env, capture_output=True, timeout=600, check=True)
        return done.stdout.decode()

    for count in COUNTS:
        layout = place.base / f"layout-{count}"
        write_layout(layout, make_layers(peers.find_busybox(), count))
        image = call("pull", f"oci:{layout}:1").split()[-1]
        call("tag", image, f"layers-{count}")
        call("run", "--rm", f"layers-{count}", "true")


def candidates(place: peers.Place) -> list[harness.Candidate]:
    """One for each count, and some again with fuse-overlayfs."""
    missing = "" if shutil.which("fuse-overlayfs") else "fuse-overlayfs is not installed"
    run = (str(place.launcher), "run", "--rm")
    rows = [harness.Candidate(f"layers-{n}", (*run, f"layers-{n}", "true"), "") for n in COUNTS]
    for n in FUSE_COUNTS:
        argv = (*run, "--storage-driver=fuse-overlayfs", f"layers-{n}", "true")
        rows.append(harness.Candidate(f"layers-{n}-fuse", argv, unavailable=missing))
    return rows


def main() -> int:
    """An ordinary user measures."""
    options = parse(sys.argv[1:])
    if os.getuid() == 0:
        print("bench_layers: root needs no user namespace; run it as an ordinary user")
        return 1
    harness.become_subreaper()
    with tempfile.TemporaryDirectory(prefix="pyrootless-bench-", dir=options.work) as base:
        place = peers.prepare(Path(base), options.pyrootless, Path(sys.executable))
        prepare_store(place)
        bench.warn(options.rounds)
        plan = harness.Plan(options.rounds, options.warmup, options.pause_ms)
        env = scenarios.environment(place, os.environ)
        run = scenarios.Bench(place, plan, env, frozenset(), bench.tell)
        document = scenarios.measure_rows(run, SCENARIO, candidates(place))
        report.write(options.out, document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
