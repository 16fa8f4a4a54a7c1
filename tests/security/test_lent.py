"""The engine's own directories are shown by no volume, by whatever way a path leads there.

In: a store, its parent under other names (bind mounts by bwrap), a source that is exchanged for
a link before and while containers start.
Out: what a container sees there, or why it did not start.
Never: the store of anybody else.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
STARTS = 24
# Between the decision and the mount: the clone waits so long, in microseconds.
PAUSE = [
    "strace",
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    "inject=clone3,clone:delay_enter=50000",
]
OWN = "belongs to pyrootless itself"
CHANGED = "the path was replaced while the container was started"

# renameat2 with RENAME_EXCHANGE: the name is always there.
EXCHANGE = """
import ctypes, os, select, sys
source, link = (os.fsencode(word) for word in sys.argv[1:])
libc = ctypes.CDLL(None, use_errno=True)
print("swapping", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(100):
        assert libc.renameat2(-100, source, -100, link, 2) == 0, os.strerror(ctypes.get_errno())
if os.path.islink(source):
    libc.renameat2(-100, source, -100, link, 2)
"""


@dataclass(frozen=True)
class Place:
    """A store below `parent`, in which the file "planted" lies, and how a container is started.

    Attributes:
        aliases: source → name under which it is to be mounted too.
    """

    launcher: Path
    env: dict[str, str]
    parent: Path
    aliases: tuple[tuple[Path, Path], ...] = ()
    before: tuple[str, ...] = ()

    @property
    def store(self) -> Path:
        return self.parent / "store"

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """`pyrootless WORDS`, with the aliases in place."""
        command = [*self.before, str(self.launcher), *map(str, words)]
        if self.aliases:
            binds = [str(word) for pair in self.aliases for word in ("--bind", *pair)]
            command = ["bwrap", "--dev-bind", "/", "/", *binds, *command]
        return subprocess.run(
            command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    def find(self, volume: str) -> subprocess.CompletedProcess[str]:
        """Whether a container that is lent this finds what was planted below /lent."""
        words = ("run", "--rm", "-v", volume, "host")
        return self.run(*words, "find", "/lent", "-name", "planted")


@pytest.fixture
def place(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> Iterator[Place]:
    """One whose store is ready for `host`."""
    env = engine_environment | {"PYROOTLESS_ROOT": str(tmp_path / "home/parent/store")}
    made = Place(launcher, env, tmp_path / "home/parent")
    made.parent.mkdir(parents=True)
    assert made.run("run", "--rm", "host", "true").returncode == 0
    (made.store / "planted").touch()
    (made.store / "containers/planted").touch()
    (made.parent / "beside").mkdir()
    (made.parent / "beside/planted").touch()
    yield made


def under(place: Place, *aliases: tuple[Path, Path]) -> Place:
    """The same with these names too."""
    for _, name in aliases:
        name.mkdir(parents=True, exist_ok=True)
    return Place(place.launcher, place.env, place.parent, aliases)


def test_what_lies_beside_the_store_is_lent(place: Place) -> None:
    """The twin of all others."""
    done = place.find(f"{place.parent}:/lent")
    assert (done.returncode, done.stdout) == (0, "/lent/beside/planted\n"), done.stderr


@pytest.mark.needs("bwrap")
def test_another_name_of_its_parent_shows_no_store(place: Place, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    done = under(place, (place.parent, alias)).find(f"{alias}:/lent")
    assert (done.returncode, done.stdout) == (0, "/lent/beside/planted\n"), done.stderr
    done = under(place, (place.parent.parent, alias)).find(f"{alias}:/lent")
    assert (done.returncode, done.stdout) == (0, "/lent/parent/beside/planted\n"), done.stderr


@pytest.mark.needs("bwrap")
def test_another_name_below_what_is_lent_shows_no_store(place: Place, tmp_path: Path) -> None:
    """Its parent, the store itself, and a part of it; what is no part of it stays."""
    lent = tmp_path / "lent space"
    pairs = (
        (place.parent, lent / "parent"),
        (place.store, lent / "store"),
        (place.store / "containers", lent / "part"),
    )
    done = under(place, *pairs).find(f"{lent}:/lent")
    assert (done.returncode, done.stdout) == (0, "/lent/parent/beside/planted\n"), done.stderr


@pytest.mark.needs("bwrap")
@pytest.mark.parametrize("part", ["", "containers"])
def test_another_name_of_the_store_is_refused(place: Place, tmp_path: Path, part: str) -> None:
    alias = tmp_path / "alias"
    done = under(place, (place.store / part, alias)).find(f"{alias}:/lent")
    assert done.returncode == 125 and OWN in done.stderr, done.stderr


@pytest.mark.needs("bwrap", "busybox")
def test_a_root_in_place_shows_no_store(place: Place, tmp_path: Path) -> None:
    """Its parent under another name, as the container's own root."""
    alias, shell = tmp_path / "alias", "/bin/busybox"
    (place.parent / "bin").mkdir()
    (place.parent / "bin/busybox").write_bytes(Path(shell).read_bytes())
    (place.parent / "bin/busybox").chmod(0o755)
    other = under(place, (place.parent, alias))
    for directory in (str(alias), f"{alias}:O"):
        words = ("run", "--rm", "--rootfs", directory, shell, "find", "/beside", "/store")
        done = other.run(*words)
        assert (done.returncode, done.stdout) == (0, "/beside\n/beside/planted\n/store\n")


@pytest.mark.needs("bwrap")
def test_what_hides_it_is_read_back(place: Place, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    other = under(place, (place.parent, alias))
    done = other.run(
        "run", "--rm", "--verify", "-v", f"{alias}:/lent", "host", "ls", "/lent/store"
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def replay(place: Place, tmp_path: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """A start whose source became a link to `target` after its path was looked up."""
    source = tmp_path / "source"
    source.mkdir()
    words = (
        "run",
        "--rm",
        "-v",
        f"{source}:/lent",
        "host",
        "find",
        "/lent",
        "-name",
        "planted",
    )
    spec = place.run("run", "--print-spec", *words[1:])
    assert json.loads(spec.stdout)["annotations"]["io.pyrootless.lent"] == "/lent"
    (tmp_path / "spec.json").write_text(spec.stdout)
    source.rmdir()
    source.symlink_to(target)
    return place.run("run", "--spec", tmp_path / "spec.json")


def test_a_link_in_its_place_shows_no_store(place: Place, tmp_path: Path) -> None:
    done = replay(place, tmp_path, place.parent)
    assert (done.returncode, done.stdout) == (0, "/lent/beside/planted\n"), done.stderr


@pytest.mark.parametrize("part", ["", "containers"])
def test_a_link_in_its_place_is_no_way_into_the_store(
    place: Place, tmp_path: Path, part: str
) -> None:
    done = replay(place, tmp_path, place.store / part)
    assert done.returncode == 125 and OWN in done.stderr, done.stderr


@pytest.mark.parametrize(
    "before",
    [(), pytest.param(tuple(PAUSE), marks=pytest.mark.needs("strace"))],
    ids=["", "wide"],
)
def test_a_source_that_is_exchanged_all_the_time_shows_no_store(
    place: Place, tmp_path: Path, before: tuple[str, ...]
) -> None:
    """Refused, or what lies there at one of the times, without the store."""
    place = dataclasses.replace(place, before=before)
    source, link = tmp_path / "source", tmp_path / "link"
    source.mkdir()
    link.symlink_to(place.parent)
    words = [sys.executable, "-c", EXCHANGE, source, link]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as swap:
        assert swap.stdin is not None and swap.stdout is not None
        assert swap.stdout.readline() == "swapping\n"
        found = [place.find(f"{source}:/lent") for _ in range(STARTS)]
        swap.stdin.close()
        assert swap.wait(60) == 0
    outputs = {done.stdout for done in found}
    assert outputs <= {"", "/lent/beside/planted\n"}
    told = [done.stderr for done in found if done.returncode]
    assert all(CHANGED in text for text in told), told
    assert len(told) < STARTS  # some of the time it is one or the other
