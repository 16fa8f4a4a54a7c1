"""Root file systems, canaries and programs for the security tests, and the way they start.

In: gcc and busybox of the machine; PYROOTLESS_TEST_WAY (`make test-ways`): "prepared" or
"holder", where the direct start is the usual one.
Out: static programs, compiled once a run; a fresh root with a canary directory just outside it,
which can become an image of the run's store.
Never: a change outside temporary directories.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import holders
import pytest
from stored_trees import store_tree

from pyrootless.config import Directories

HERE = Path(__file__).resolve().parent
APPLETS = ("cat", "env", "id", "ls", "pwd", "sh", "sha256sum", "stat", "touch", "true")
PASSWD = "root:x:0:0:root:/root:/bin/sh\ntester:x:0:0:tester:/:/bin/sh\n"

Compile = Callable[[str, str], Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
WAYS = ("direct", "holder", "prepared")
LAUNCHERS_ALONE = {"-d", "-t", "--tty", "--print-spec", "--spec"}
"""What no prepared container has: such a run is the launcher's, whatever the way."""


@dataclass(frozen=True)
class World:
    """A hostile root file system and what lies just outside it.

    Attributes:
        root: the tree.
        canary: a directory beside it.
        directories: the store it can become an image of.
    """

    root: Path
    canary: Path
    directories: Directories

    def image(self) -> str:
        """The root as it is now, as an image of the store."""
        return store_tree(self.root, self.directories, self.root.with_name("layout"))

    def fingerprint(self) -> list[tuple[str, int, int, int, str]]:
        """Name, mode, owner, time of change and content of all that is in the canary."""
        rows = []
        for path in [self.canary, *sorted(self.canary.rglob("*"))]:
            st = path.lstat()
            text = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            changed = 0 if path == self.canary else st.st_mtime_ns
            rows.append((path.name, st.st_mode, st.st_uid, changed, text))
        return rows


def is_held(request: pytest.FixtureRequest) -> bool:
    """The test has a parameter that ends in "held"."""
    parameters = getattr(request.node, "callspec", None)
    values = parameters.params.values() if parameters else ()
    return any(isinstance(value, str) and value.endswith("held") for value in values)


@pytest.fixture(autouse=True)
def holder(
    request: pytest.FixtureRequest, launcher: Path, engine_environment: dict[str, str]
) -> Iterator[None]:
    """A holder of user namespaces for the tests with a parameter that ends in "held"."""
    if not is_held(request):
        yield
        return
    pid = holders.warm(launcher, engine_environment)
    yield
    assert holders.holders(engine_environment) == [pid]
    holders.dismiss(engine_environment)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile C text into a static program: compiled("name", source) → its path."""
    folder = tmp_path_factory.mktemp("programs")

    def build(name: str, source: str) -> Path:
        program = folder / name
        if not program.exists():
            (folder / f"{name}.c").write_text(source)
            command = ["gcc", "-static", "-O1", "-o", str(program), str(folder / f"{name}.c")]
            subprocess.run(command, check=True, timeout=120)
        return program

    return build


@pytest.fixture(scope="session")
def probe(compiled: Compile) -> Path:
    """The static probe."""
    return compiled("probe", (HERE / "probe.c").read_text())


@pytest.fixture
def world(tmp_path: Path, engine_environment: dict[str, str]) -> World:
    """A root file system of busybox alone, and a canary beside it."""
    busybox = shutil.which("busybox", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    assert busybox, "the test is to be marked needs('busybox')"
    store, runtime = (
        Path(engine_environment[name]) for name in ("PYROOTLESS_ROOT", "XDG_RUNTIME_DIR")
    )
    directories = Directories(store, runtime / "pyrootless")
    made = World(tmp_path / "root", tmp_path / "canary", directories)
    for folder in (made.root / "bin", made.root / "etc", made.root / "inside", made.canary):
        folder.mkdir(parents=True)
    shutil.copy(busybox, made.root / "bin" / "busybox")
    for applet in APPLETS:
        (made.root / "bin" / applet).symlink_to("busybox")
    (made.root / "etc" / "passwd").write_text(PASSWD)
    for name in ("keep", "ptmx", "null"):
        (made.canary / name).write_text(f"canary {name}\n")
        (made.canary / name).chmod(0o600)
    return made


@pytest.fixture
def pyrootless(pyrootless: Run, request: pytest.FixtureRequest) -> Run:
    """As the fixture of the same name; `run` goes the way that PYROOTLESS_TEST_WAY names."""
    way = os.environ.get("PYROOTLESS_TEST_WAY", "direct")
    assert way in WAYS, f"PYROOTLESS_TEST_WAY: no {way!r}; there are: {', '.join(WAYS)}"
    if way == "direct":
        return pyrootless
    env = request.getfixturevalue("engine_environment")
    if way == "holder" and not is_held(request):
        holders.warm(request.getfixturevalue("launcher"), env)
        request.addfinalizer(lambda: holders.dismiss(env))

    def call(*args: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in args]
        if words[:1] != ["run"] or LAUNCHERS_ALONE & set(words):
            return pyrootless(*args, **options)
        if way == "holder":
            chosen = any(word.startswith(("--userns", "--fake-root")) for word in words)
            return pyrootless(
                "run", *([] if chosen else ["--userns=range"]), *words[1:], **options
            )
        return run_prepared(words, env, options)

    return call


def run_prepared(
    words: list[str], env: dict[str, str], options: dict[str, object]
) -> subprocess.CompletedProcess[str]:
    """`pyrootless WORDS` through a prepared container (prepared_run.py)."""
    settings: dict[str, object] = {"stdin": subprocess.DEVNULL, "timeout": 60, **options}
    if "input" in settings:
        del settings["stdin"]
    own = settings.pop("env", None) or {}
    return subprocess.run(
        [sys.executable, str(HERE / "prepared_run.py"), *words],
        env={**env, **own},  # type: ignore[dict-item]
        capture_output=True,
        text=True,
        check=False,
        **settings,  # type: ignore[call-overload]
    )
