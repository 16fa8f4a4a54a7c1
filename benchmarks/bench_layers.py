"""What more layers cost at the start of a container: one, 10, 40, 200, with either driver.

In: options.  Out: one table, one JSON document (results/layers.json).
Never: a measurement as root, a store other than one made for the run, a file left behind.

The images hold the same files: a static busybox and FILES small ones in a few directories; they
differ in how many layers these are spread over.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bench
import harness
import peers
import report
import scenarios

COUNTS = (1, 10, 40, 200)
FUSE_COUNTS = (1, 40)
FILES = 400
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


def make_layers(base: Path, busybox: Path, count: int) -> list[Path]:
    """Spread the files over `count` layers; the top-most first, busybox in the lowest."""
    layers = [base / f"{count}-{number}" for number in range(count)]
    for number in range(FILES):
        folder = layers[number % count] / ("etc", "usr/lib", "usr/share", "var/lib")[number % 4]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number}").write_text(f"{number}\n")
    lowest = layers[-1]
    for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp"):
        (lowest / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(busybox, lowest / "bin" / "busybox")
    (lowest / "bin" / "true").symlink_to("busybox")
    return layers


def make_image(store: Path, name: str, layers: Sequence[Path]) -> None:
    """An image of these layers, from the launch template of `host`."""
    config = json.loads(next((store / "images").glob("host-*/config.json")).read_text())
    notes = config["annotations"]
    notes["io.pyrootless.rootfs.lower"] = "\n".join(map(str, layers))
    notes["io.pyrootless.template.sources"] = f"0 0 {store}/never"
    config["mounts"] = [mount for mount in config["mounts"] if mount["type"] != "bind"]
    config["process"].update(cwd="/", env=["PATH=/bin"])
    (store / "images" / name).mkdir()
    (store / "images" / name / "config.json").write_text(json.dumps(config))
    (store / "refs" / name).symlink_to(f"../images/{name}")


def prepare_store(place: peers.Place) -> None:
    """`host`, and from its template the images.  Raises CalledProcessError."""
    argv = [str(place.launcher), "run", "--rm", "host", "true"]
    env = peers.environment(place, os.environ)
    subprocess.run(argv, env=env, capture_output=True, timeout=300, check=True)
    store = Path(env["PYROOTLESS_ROOT"])
    for count in COUNTS:
        layers = make_layers(store / "layers", peers.find_busybox(), count)
        make_image(store, f"layers-{count}", layers)


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
