"""What several integration tests share: a store for this process, C programs compiled once, and
a machine with a network of its own.

In: the run's store, network_machine.py.  Out: the environment pointing at it; static programs;
the machine, running; podman.  Never: a change outside temporary directories; the real network.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import small_image
from own_machine import LIMIT_SECONDS, SERVER, Machine, Serve

Start = Callable[..., str]


@pytest.fixture
def engine(engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """This process uses the run's store too."""
    for name in ("PYROOTLESS_ROOT", "XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.setenv(name, engine_environment[name])


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """C text → a static program, each compiled once."""
    made: dict[str, Path] = {}

    def compile_text(text: str) -> Path:
        if text not in made:
            source = tmp_path_factory.mktemp("c") / "p.c"
            source.write_text(text)
            program = source.with_suffix("")
            words = ["gcc", "-O1", "-w", "-pthread", "-static", "-o", program, source]
            subprocess.run(words, check=True, timeout=120)
            made[text] = program
        return made[text]

    return compile_text


@pytest.fixture
def start(pyrootless: Callable[..., subprocess.CompletedProcess[str]]) -> Iterator[Start]:
    """Start a container in the background: start("--rm", "host", "sleep", "9") → its id."""
    started: list[str] = []

    def call(*words: str | Path) -> str:
        done = pyrootless("run", "-d", *words)
        assert done.returncode == 0, done.stderr
        started.append(done.stdout.strip())
        return started[-1]

    yield call
    for ident in started:
        pyrootless("rm", "-f", ident)


@pytest.fixture(scope="session")
def import_small(
    launcher: Path, engine_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """The small image in the run's store: import_small(NAME, option…) → NAME."""

    def call(name: str, *options: str) -> str:
        path = tmp_path_factory.mktemp("small") / "root.tar"
        small_image.write_root(path)
        words = [str(launcher), "import", *options, str(path), name]
        subprocess.run(
            words, env=engine_environment, check=True, capture_output=True, timeout=120
        )
        return name

    return call


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory, launcher: Path) -> Iterator[Machine]:
    base = tmp_path_factory.mktemp("machine")
    (base / "run").mkdir(mode=0o700)
    program = str(Path(__file__).with_name("network_machine.py"))
    command = ["unshare", "--user", "--map-root-user", "--net", "--mount", "python3", program]
    with subprocess.Popen(
        [*command, str(base)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield Machine(process.pid, launcher, base)


@pytest.fixture
def serve(machine: Machine) -> Iterator[Serve]:
    """Start a container that serves; it has begun to listen when this returns."""
    started: list[subprocess.Popen[str]] = []

    def start(options: Sequence[str], protocol: str, *ports: int) -> subprocess.Popen[str]:
        words = ["python3", "-c", SERVER, protocol, *map(str, ports)]
        process = subprocess.Popen(
            machine.enter([str(machine.launcher), "run", "--rm", *options, "host", *words]),
            env=machine.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "up\n", line or process.communicate(timeout=LIMIT_SECONDS)[1]
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=LIMIT_SECONDS)


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., list[str]]]:
    """Lines that a command printed in podman: podman("run", …).

    crun takes a host whose controllers are on cgroup v1 when it sees a plain cgroup2, which a
    user may mount in a namespace of his own.
    """
    base = tmp_path_factory.mktemp("podman")
    (base / "run").mkdir(mode=0o700)
    env = {**os.environ, "HOME": str(base), "XDG_RUNTIME_DIR": str(base / "run")}
    env["PODMAN_IGNORE_CGROUPSV1_WARNING"] = "1"
    places = ["--root", str(base / "root"), "--runroot", str(base / "run/root")]
    podman = ["podman", *places, "--storage-driver=overlay", "--cgroup-manager=cgroupfs"]
    inside = 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'
    prefix = [*podman, "unshare", "unshare", "-Cm", "sh", "-c", inside, "sh"]

    def call(*words: str) -> list[str]:
        done = subprocess.run(
            [*prefix, *podman, *words], env=env, capture_output=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().splitlines()

    yield call
    # Its pause process keeps a mount; what it unpacked belongs to ids that only a namespace
    # which has them may remove.
    subprocess.run([*podman, "system", "migrate"], env=env, timeout=120, check=True)
    remove = ["unshare", "--map-auto", "--map-root-user", "rm", "-rf", str(base)]
    subprocess.run(remove, timeout=120, check=True)
