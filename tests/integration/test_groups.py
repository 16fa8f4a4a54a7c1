"""Who a program is, its groups and its HOME: by the image, by `-u` and in `exec`, in both maps.

In: an image of busybox whose user has two groups more.  Out: what `id` says inside; the values
are those of a Docker Engine.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small_image

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))
MAPS = pytest.mark.parametrize("ids", ["single", RANGE])
GROUP = b"root:x:0:\nbin:x:2:root\nbob:x:1000:\nstaff:x:50:bob\nvideo:x:44:bob,root\n"
SHOW = "busybox id | sed 's/([a-z]*)//g'; echo $HOME"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system of all images here."""
    archive = tmp_path_factory.mktemp("groups") / "root.tar"
    small_image.write_root(archive)
    with tarfile.open(archive, "a") as made:
        info = tarfile.TarInfo("etc/group")
        info.size = len(GROUP)
        made.addfile(info, io.BytesIO(GROUP))
    return archive


@pytest.fixture
def image(pyrootless: Run, images: Path) -> Callable[..., str]:
    """image("USER bob") → the name of such an image."""

    def make(*changes: str) -> str:
        name = f"groups-{'-'.join(changes).lower().replace(' ', '-').replace('=', '-')}:1"
        name = name.replace("/", "-")
        words = [word for change in changes for word in ("-c", change)]
        done = pyrootless("import", *words, images, name)
        assert done.returncode == 0, done.stderr
        return name

    return make


@pytest.fixture
def keep(pyrootless: Run) -> Iterator[Callable[..., str]]:
    """keep(*words): a container that only waits → its id."""
    started: list[str] = []

    def call(*words: str) -> str:
        done = pyrootless("run", "-d", "--rm", *words, "sleep", "1000")
        assert done.returncode == 0, done.stderr
        started.append(done.stdout.strip())
        return started[-1]

    yield call
    for ident in started:
        pyrootless("rm", "-f", ident)


def shown(text: str) -> tuple[str, set[str], str]:
    """("UID GID", what getgroups(2) told, HOME) of SHOW's lines."""
    ids, home = text.splitlines()
    uid, gid, groups = (word.partition("=")[2] for word in ids.split())
    return f"{uid} {gid}", set(groups.split(",")), home


@MAPS
@pytest.mark.parametrize(
    ("user", "words", "expected"),
    [
        ("root", (), ("0 0", {"0", "2", "44"}, "/root")),
        ("bob", (), ("1000 1000", {"1000", "44", "50"}, "/")),
        ("root", ("-u", "bob"), ("1000 1000", {"1000", "44", "50"}, "/")),
        ("root", ("-u", "1000"), ("1000 1000", {"1000", "44", "50"}, "/")),
        ("bob", ("-u", "root"), ("0 0", {"0", "2", "44"}, "/root")),
        ("bob", ("-u", "1000:50"), ("1000 50", {"50"}, "/")),
        ("bob", ("--group-add", "77"), ("1000 1000", {"1000", "44", "50", "77"}, "/")),
        ("root", ("-u", "4:5"), ("4 5", {"5"}, "/")),
    ],
)
def test_the_first_group_is_one_of_the_others(
    pyrootless: Run,
    image: Callable[..., str],
    ids: str,
    user: str,
    words: tuple[str, ...],
    expected: tuple[str, set[str], str],
) -> None:
    """A set-group-id program could shed it else (CVE-2022-36109); with one id it is claimed."""
    options = ("--rm", f"--userns={ids}", *words)
    done = pyrootless("run", *options, image(f"USER {user}"), "sh", "-c", SHOW)
    assert shown(done.stdout) == expected, done.stderr


@MAPS
def test_exec_has_the_groups_of_its_user_and_those_that_were_added(
    pyrootless: Run, image: Callable[..., str], keep: Callable[..., str], ids: str
) -> None:
    """With one id its supervisor cannot read them in the program's memory."""
    ident = keep(f"--userns={ids}", "--group-add=77", "--group-add=2", image("USER bob"))
    for words, expected in (
        ((), ("1000 1000", {"1000", "44", "50", "77", "2"}, "/")),
        (("-u", "root"), ("0 0", {"0", "2", "44", "77"}, "/root")),
        (("-u", "1000:50"), ("1000 50", {"50", "77", "2"}, "/")),
    ):
        done = pyrootless("exec", *words, ident, "sh", "-c", SHOW)
        assert shown(done.stdout) == expected, done.stderr


@MAPS
def test_a_home_that_was_given_stays(
    pyrootless: Run,
    image: Callable[..., str],
    keep: Callable[..., str],
    tmp_path: Path,
    ids: str,
) -> None:
    """By the image, or by `run`; what exec itself is given goes before it."""
    (tmp_path / "env").write_text("HOME=/given\n")
    user = ("-u", "bob")
    for words in (
        ("-e", "HOME=/given", image("USER root")),
        ("--env-file", str(tmp_path / "env"), image("USER root")),
        (image("USER root", "ENV HOME=/given"),),
    ):
        ident = keep(f"--userns={ids}", *words)
        done = pyrootless("exec", *user, ident, "sh", "-c", "echo $HOME")
        assert done.stdout == "/given\n", done.stderr
        done = pyrootless("exec", *user, "-e", "HOME=/mine", ident, "sh", "-c", "echo $HOME")
        assert done.stdout == "/mine\n"
    name = image("USER root", "ENV HOME=/given")
    done = pyrootless("run", "--rm", *user, name, "sh", "-c", "echo $HOME")
    assert done.stdout == "/given\n"


@MAPS
def test_a_claimed_user_is_verified_as_the_one_there_is(
    pyrootless: Run, image: Callable[..., str], ids: str
) -> None:
    words = ("--rm", f"--userns={ids}", "--verify", "--group-add", "77", image("USER bob"))
    done = pyrootless("run", *words, "busybox", "id", "-u")
    assert (done.stdout, done.stderr) == ("1000\n", "")
