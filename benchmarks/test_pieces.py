"""The pieces a contributor works on, each alone: pytest-benchmark decides how often.

In: command lines, templates, profiles, layers, containers, made by fixtures.
Out: a group for each piece.
Never: a container started in what is timed.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import bench
import harness
import many
import peers
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.engine.containers import list_containers
from pyrootless.images.layers.unpacking import unpack_layer
from pyrootless.seccomp import profiles

WORDS = [
    *("--rm", "--ephemeral", "--memory=256m", "--pids-limit=100", "-e", "A=1", "-e", "B=2"),
    *(
        "-v",
        "/etc:/mnt:ro",
        "-w",
        "/mnt",
        "--cap-drop=ALL",
        "--read-only",
        "--",
        "host",
        "true",
    ),
]
STOPPED = 200
LAYER_FILES = 2000
UNPACK_ROUNDS = 10


@pytest.mark.benchmark(group="option parsing")
def test_option_parsing(benchmark: BenchmarkFixture) -> None:
    values, image, args = benchmark(_containers.parse_options, "run", WORDS)
    assert (len(values), image, args) == (10, "host", ["true"])


@pytest.mark.benchmark(group="template merge")
def test_template_merge(benchmark: BenchmarkFixture, in_store: Path) -> None:
    """Options and the template of `host` → config.json."""

    def merge() -> bytes:
        container = _containers.Container(WORDS, str(in_store))
        assert container.load_template("host")
        return container.describe()

    assert json.loads(benchmark(merge))["process"]["args"] == ["true"]


@pytest.fixture
def spec_file(in_store: Path, tmp_path: Path) -> Path:
    """A config.json."""
    container = _containers.Container(WORDS, str(in_store))
    assert container.load_template("host")
    file = tmp_path / "config.json"
    file.write_bytes(container.describe())
    return file


@pytest.mark.benchmark(group="spec reading and writing")
@pytest.mark.parametrize("what", ["read and write", "spawn"])
def test_spec(
    benchmark: BenchmarkFixture, spawner: harness.Spawner, spec_file: Path, what: str
) -> None:
    """config.json → spec → config.json by the launcher, beside its mere start."""
    printing = ("run", "--print-spec", "--spec", str(spec_file))
    words = ("unshare", "--help") if what == "spawn" else printing
    benchmark(spawner.measure, (str(bench.found_launcher()), *words))


@pytest.mark.benchmark(group="filter compilation")
def test_filter_compilation(benchmark: BenchmarkFixture) -> None:
    """Docker's form of the default profile → classic BPF."""
    profile = profiles.load_profile(None)

    def compile_profile() -> bytes:
        section = profiles.resolve_profile(
            profile, capabilities=frozenset({"CAP_CHOWN"}), arch="x86_64"
        )
        return profiles.compile_section(section)

    assert len(benchmark(compile_profile)) % 8 == 0


@dataclass(frozen=True)
class Writer:
    """Where a layer goes."""

    directory: Path

    def commit(self, diff_id: str) -> None:
        """It stays where it is."""


@pytest.fixture(scope="session")
def layers() -> Mapping[str, bytes]:
    """One layer by compression."""
    import gzip

    from backports import zstd

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number in range(LAYER_FILES):
            member = tarfile.TarInfo(f"usr/share/{number % 50}/file-{number}")
            data = b"%d\n" % number * 500
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    plain = stream.getvalue()
    return {"plain": plain, "gzip": gzip.compress(plain, 6), "zstd": zstd.compress(plain)}


@pytest.mark.benchmark(group="layer unpacking")
@pytest.mark.parametrize("form", ["plain", "gzip", "zstd"])
def test_layer_unpacking(
    benchmark: BenchmarkFixture,
    form: str,
    layers: Mapping[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Each round into a directory of its own; nothing is removed before the end."""

    def setup() -> tuple[tuple[Path], dict[str, object]]:
        return (tmp_path_factory.mktemp(form),), {}

    def unpack(directory: Path) -> str:
        return unpack_layer([layers[form]], Writer(directory), "", expected_diff_id=None)

    pedantic: Callable[..., str] = benchmark.pedantic
    found = pedantic(unpack, setup=setup, rounds=UNPACK_ROUNDS, warmup_rounds=1)
    assert found.startswith("sha256:")


@pytest.fixture(scope="session")
def stopped(place: peers.Place, env: Mapping[str, str]) -> Directories:
    """A store with STOPPED stopped containers."""
    store = place.base / "stopped"
    many.make_stopped(store, place.launcher, env, STOPPED)
    return Directories(store, place.base / "no-runtime")


@pytest.mark.benchmark(group="listing of containers")
def test_listing(benchmark: BenchmarkFixture, stopped: Directories) -> None:
    listed: Callable[[Directories], list[object]] = list_containers  # type: ignore[assignment]
    assert len(benchmark(listed, stopped)) == STOPPED
