"""What the fault tests share: the denier, a place of one test alone, and what is left in it.

In: deny.c, the launcher under test, a store in which `host` is prepared.
Out: `deny` (a program), `place` (run a container there; name what it left), `stored` (an image
of the store at that place).
Never: a store that another test uses, a change outside temporary directories.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import holders
import pytest
from stored_trees import store_tree

from pyrootless.config import Directories

HERE = Path(__file__).resolve().parent
PREPARED = HERE.parent / "security" / "prepared_run.py"
SECONDS = 60
APPLETS = ("busybox", "cat", "echo", "grep", "id", "ls", "sh", "sort", "true")
# Everything below these belongs to a container that exists, and none does after --rm.
EMPTY_DATA = ("containers", "names", "tmp", "trash")
SPENT = ("upper", "work")
EMPTY_RUNTIME = ("running", "containers")


@dataclass(frozen=True)
class Place:
    """A store and a runtime directory of one test.

    Attributes:
        launcher: the `pyrootless` executable.
        base: directory of this test; `store` and `runtime` are in it.
        environment: all variables of a call.
        ids: words before a call, and options of it, for its map of ids.
        runs: what `run` is asked of; empty: the launcher.
    """

    launcher: Path
    base: Path
    environment: dict[str, str]
    ids: tuple[tuple[str, ...], tuple[str, ...]] = ((), ("--userns=single",))
    runs: tuple[str, ...] = ()

    def run(
        self, *argv: str, before: Sequence[str | Path] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Call `pyrootless run ARGV… MARK`, started by `before`.

        The mark is the store's path as the last word: it names this test in the command line of
        the launcher, of its child, and of the program in the container.
        """
        return self.call("run", *self.ids[1], *argv, self.mark, before=before)

    def settle(self, *argv: str) -> None:
        """Three starts sweep, and leave for the next one what each finds in the long run."""
        for _ in range(3):
            done = self.run(*argv)
            assert (done.returncode, done.stderr) == (0, "")

    def forget(self) -> None:
        """Take away what earlier starts left for the next one."""
        gone = Path(tempfile.mkdtemp(dir=self.base))
        for room in ("store", "runtime/pyrootless"):
            for path in (self.base / room).glob("sp[ae]*"):
                path.rename(gone / f"{path.parent.name}-{path.name}")

    def call(
        self, *argv: str, before: Sequence[str | Path] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Call `pyrootless ARGV…`, started by `before`."""
        asked = self.runs if argv[:1] == ("run",) and self.runs else (str(self.launcher),)
        return subprocess.run(
            [*self.ids[0], *map(str, before), *asked, *argv],
            env=self.environment,
            cwd=self.base,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @contextmanager
    def monitor_of(self, ident: str) -> Iterator[int]:
        """A descriptor that becomes readable when a container's monitor is gone."""
        entry = self.base / "runtime" / "pyrootless" / "running" / ident
        stat = Path("/proc", str(int(entry.read_text().split()[0])), "stat").read_text()
        descriptor = os.pidfd_open(int(stat.rpartition(")")[2].split()[1]))
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @property
    def mark(self) -> str:
        """A word that no other test has."""
        return self.environment["PYROOTLESS_ROOT"]

    def left(self) -> list[str]:
        """Files, processes and mounts that a call left behind; [] is right."""
        store, runtime = self.base / "store", self.base / "runtime" / "pyrootless"
        folders = [store / name for name in EMPTY_DATA]
        folders += [runtime / name for name in EMPTY_RUNTIME]
        files = [str(path) for one in folders if one.exists() for path in one.iterdir()]
        # What waits for the next start is empty.
        files += [str(path) for path in store.glob("spent/*") if path.name not in SPENT]
        files += [str(path) for path in store.glob("spent/upper/*")]
        return sorted(files) + self._processes() + self._mounts()

    def _processes(self) -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:  # it ended meanwhile
                continue
            if self.mark.encode() in words:
                found.append(f"process {path.parent.name}: {words!r}")
        return found

    def _mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if str(self.base) in line]


@pytest.fixture(scope="session")
def deny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """deny.c, compiled once."""
    path = tmp_path_factory.mktemp("deny") / "deny"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-static"]
    subprocess.run(
        ["gcc", *flags, str(HERE / "deny.c"), "-o", str(path)], check=True, timeout=SECONDS
    )
    return path


@pytest.fixture
def place(launcher: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A fresh place whose store has `host` prepared, by a run that must succeed.

    Parameter "range": maps of many ids. A traced or filtered launcher has no use of a setuid
    newuidmap, so it is started as root of a user namespace, where it writes its maps itself.
    Parameter "held": the same, in a namespace that lasts, with a holder for its launches.
    Parameter "prepared": `run` is a prepared container, and its going.
    """
    (tmp_path / "runtime").mkdir(mode=0o700)
    kept = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "ASAN_OPTIONS")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env["PYROOTLESS_ROOT"] = str(tmp_path / "store")
    env["XDG_RUNTIME_DIR"] = str(tmp_path / "runtime")
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env[holders.IDLE] = "0"
    found = Place(launcher, tmp_path, env)
    kind = getattr(request, "param", "single")
    with lasting_namespace(launcher, env) if kind == "held" else nullcontext(()) as inside:
        if kind in ("range", "held"):
            outer = inside or (str(launcher), "unshare", "--")
            found = Place(launcher, tmp_path, env, (outer, ("--userns=range",)))
        if kind == "held":
            holders.warm(launcher, env, inside)
        if kind == "prepared":
            found = Place(launcher, tmp_path, env, runs=(sys.executable, str(PREPARED)))
        done = found.run("--rm", "host", "busybox", "echo", "ready")
        assert (done.returncode, done.stderr) == (0, "")
        assert found.left() == []
        yield found
        holders.dismiss(env)


@contextmanager
def lasting_namespace(launcher: Path, env: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """A user namespace of the caller's ids; the words that start a command in it."""
    words = [str(launcher), "unshare", "--", "sh", "-c", "echo ready; read line"]
    with subprocess.Popen(
        words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == "ready\n"
        enter = ("nsenter", f"--target={outer.pid}", "--user", "--mount")
        yield (*enter, "--preserve-credentials")
        outer.communicate("end\n", timeout=SECONDS)


@pytest.fixture
def stored(place: Place) -> str:
    """An image of busybox in the place's store; its name."""
    tree = place.base / "tree"
    for name in ("bin", "etc", "tmp"):
        (tree / name).mkdir(parents=True)
    busybox = shutil.which("busybox", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    assert busybox, "the test is to be marked needs('busybox')"
    for applet in APPLETS:
        (tree / "bin" / applet).symlink_to("program")
    shutil.copy(busybox, tree / "bin" / "program")
    directories = Directories(place.base / "store", place.base / "runtime" / "pyrootless")
    name = store_tree(tree, directories, place.base / "layout")
    done = place.run("--rm", name, "busybox", "echo", "ready")
    assert (done.returncode, done.stderr) == (0, "")
    return name
