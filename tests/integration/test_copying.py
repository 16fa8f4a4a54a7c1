"""`pyrootless cp` and `export`, of running and stopped containers, under both maps of ids.

In: containers of a small image; hostile ones.  Out: what lies on the other side: what a Docker
Engine 26.1 did with the same words, but for docs/differences.md.
"""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import small_image

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., str]

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))
IMAGE = "small:copying"


@pytest.fixture(scope="session")
def image(import_small: Callable[..., str]) -> str:
    return import_small(IMAGE)


Starter = Callable[[str], Start]


@pytest.fixture
def starter(
    pyrootless: Run, image: str, engine_environment: dict[str, str]
) -> Iterator[Starter]:
    """starter(MAP)(SCRIPT, option…) → the id of a container that has executed the script."""
    started: list[str] = []

    def call(ids: str, script: str, *options: str) -> str:
        name = f"box{len(started)}"
        words = ["-d", f"--name={name}", f"--userns={ids}", *options, image, "sh", "-c"]
        done = pyrootless("run", *words, f"{script}; echo ready; sleep 1000")
        assert done.returncode == 0, done.stderr
        started.append(done.stdout.strip())
        with subprocess.Popen(
            [done.args[0], "logs", "-f", started[-1]],
            env=engine_environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as reader:
            assert reader.stdout is not None
            assert "ready\n" in iter(reader.stdout.readline, "")
            reader.kill()
        return started[-1]

    yield lambda ids: partial(call, ids)
    for ident in started:
        pyrootless("rm", "-f", ident)


@pytest.fixture(params=["single", RANGE])
def start(starter: Starter, request: pytest.FixtureRequest) -> Start:
    """Under both maps: where owners are read or written."""
    return starter(request.param)


@pytest.fixture
def start_one(starter: Starter) -> Start:
    """Under the map that everybody has: where owners do not matter."""
    return starter("single")


def owners(pyrootless: Run, box: str, *paths: str) -> list[str]:
    """Owner and name, as a program inside sees them."""
    done = pyrootless("exec", box, "stat", "-c", "%u:%g %n", *paths)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def tree(folder: Path) -> dict[str, str]:
    """Relative path → content, link's text in <>, or / for a directory."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"<{os.readlink(path)}>"
        else:
            found[name] = "/" if path.is_dir() else path.read_text()
    return found


SUB = {"sub": "/", "sub/two": "two\n"}
CONTENT = {"one": "one\n", **SUB}


def test_out_of_a_container(pyrootless: Run, start_one: Start, tmp_path: Path) -> None:
    """The table of docker-cp(1), one container for all of it."""
    box = start_one("ln -s /d /dl; ln -s nowhere /dangling; mkfifo /fifo; chmod 4755 /d/one")
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("old")

    def cp(source: str, target: str, *options: str) -> str:
        done = pyrootless("cp", *options, f"{box}:{source}", target, cwd=tmp_path)
        assert (done.returncode == 0) == (done.stderr == ""), done.stderr
        return done.stderr.partition("\n")[0].removeprefix("pyrootless: ")

    assert cp("/d", "new") == ""
    assert tree(tmp_path / "new") == CONTENT
    assert stat.S_IMODE((tmp_path / "new/one").stat().st_mode) == 0o755  # set-id stays inside
    assert (tmp_path / "new/one").stat().st_uid == os.getuid()
    assert cp("/d", "there") == ""
    assert tree(tmp_path / "there") == {"d": "/", **{f"d/{k}": v for k, v in CONTENT.items()}}
    assert cp("d/../d/.", "contents") == ""
    assert tree(tmp_path / "contents") == CONTENT
    assert cp("/etc/passwd", "file") == ""
    assert (tmp_path / "file").read_bytes() == small_image.FILES["etc/passwd"]
    assert cp("/dl", "link") == ""
    assert os.readlink(tmp_path / "link") == "/d"
    assert cp("/dl", "followed", "-L") == ""
    assert cp("/dl/", "slash") == ""
    assert tree(tmp_path / "followed") == tree(tmp_path / "slash") == CONTENT
    assert cp("/dangling", "dangling") == ""
    assert os.readlink(tmp_path / "dangling") == "nowhere"
    assert cp("/fifo", "fifo") == ""
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
    assert cp("/nosuch", "x") == "could not find the file /nosuch in container box0"
    assert cp("/dangling", "x", "-L") == "could not find the file /dangling in container box0"
    assert cp("/d", "file") == "cannot copy directory /d to the file file"
    assert cp("/d/one", "nodir/") == "nodir/: no such directory"
    assert cp("/d/one", "no/x") == 'invalid output path: directory "no" does not exist'
    assert cp("/d/one", "file/") == "file/: not a directory"
    assert not (tmp_path / "x").exists()


def test_into_a_container(pyrootless: Run, start: Start, tmp_path: Path) -> None:
    box = start("ln -s /d /dl; ln -s made /dangling; mkdir /rooted; ln -s /rooted /up")
    (tmp_path / "f").write_text("new\n")
    (tmp_path / "l").symlink_to("f")
    (tmp_path / "dir/in").mkdir(parents=True)
    (tmp_path / "dir/in/x").write_text("x\n")
    (tmp_path / "dirl").symlink_to("dir")

    def cp(source: str, target: str, *options: str) -> str:
        done = pyrootless("cp", *options, source, f"{box}:{target}", cwd=tmp_path)
        assert (done.returncode == 0) == (done.stderr == ""), done.stderr
        return done.stderr.partition("\n")[0].removeprefix("pyrootless: ")

    for source, target, *options in (
        ("f", "/newf"), ("f", "/d"), ("f", "/d/one"), ("f", "/dangling"), ("f", "/up"),
        ("dir", "/d"), ("dir/.", "/d2"), ("l", "/vial"), ("l", "/vialL", "-L"),
        ("dirl", "/dirl"), ("dirl/", "/dirl2"), ("f", "/tmp/../etc/hosts"),
    ):  # fmt: skip
        assert cp(source, target, *options) == "", source
    shown = pyrootless(
        "exec", box, "sh", "-c",
        "for f in newf d/f d/one made rooted/f vialL d2/in/x d/dir/in/x dirl2/in/x; do "
        "echo $f $(cat /$f); done; ls -l /vial /dirl | sed 's/.* //'; head -1 /etc/hosts",
    ).stdout  # fmt: skip
    assert shown.splitlines() == [
        "newf new", "d/f new", "d/one new", "made new", "rooted/f new", "vialL new",
        "d2/in/x x", "d/dir/in/x x", "dirl2/in/x x",
    ] + shown.splitlines()[9:]  # fmt: skip
    assert shown.splitlines()[-1] == "new"  # a file that is a mount is written into
    assert owners(pyrootless, box, "/newf", "/d/one", "/d2", "/d2/in/x") == [
        "0:0 /newf", "0:0 /d/one", "0:0 /d2", "0:0 /d2/in/x",
    ]  # fmt: skip
    assert cp("f", "/nodir/x") == "could not find the file /nodir in container box0"
    assert cp("f", "/nodir/") == "/nodir/: no such directory"
    assert cp("dir", "/newf") == "cannot copy directory dir to the file /newf"
    assert cp("dir", "/no/such") == "could not find the file /no in container box0"
    assert cp("nofile", "/") == "cannot read nofile: No such file or directory"
    assert pyrootless("exec", box, "ls", "/nodir").returncode != 0


def test_streams(pyrootless: Run, start: Start, tmp_path: Path, launcher: Path,
                 engine_environment: dict[str, str]) -> None:  # fmt: skip
    """Owners of an archive are the container's ids, out and in."""
    box = start("chown 7:8 /d/sub/two")

    def out(path: str) -> list[tuple[str, int, int]]:
        done = subprocess.run(
            [str(launcher), "cp", f"{box}:{path}", "-"],
            env=engine_environment, capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        (tmp_path / "stream.tar").write_bytes(done.stdout)
        with tarfile.open(tmp_path / "stream.tar") as made:
            return [(item.name, item.uid, item.gid) for item in made]

    assert out("/d/one") == [("one", 1000, 1000)]
    assert out("/d/.") == [(".", 0, 0), ("./one", 1000, 1000), ("./sub", 0, 0),
                           ("./sub/two", 7, 8)]  # fmt: skip
    assert [row[0] for row in out("d")] == ["d", "d/one", "d/sub", "d/sub/two"]
    with (tmp_path / "stream.tar").open("rb") as stream:
        assert pyrootless("cp", "-", f"{box}:/root", stdin=stream).returncode == 0
    assert owners(pyrootless, box, "/root/d/one", "/root/d/sub/two") == [
        "1000:1000 /root/d/one", "7:8 /root/d/sub/two",
    ]  # fmt: skip
    done = pyrootless("cp", "-", f"{box}:/d/one")
    assert done.stderr.startswith('pyrootless: destination "box0:/d/one" must be a dir')


def test_archive_keeps_the_callers_own_owner_as_root(
    pyrootless: Run, start_one: Start, tmp_path: Path
) -> None:
    box = start_one("true")
    (tmp_path / "f").write_text("x")
    assert pyrootless("cp", "-a", tmp_path / "f", f"{box}:/f").returncode == 0
    assert owners(pyrootless, box, "/f") == ["0:0 /f"]


def test_links_of_the_container_never_lead_to_the_host(
    pyrootless: Run, start_one: Start, tmp_path: Path
) -> None:
    """Absolute links, too many "..", and the magic links of /proc: all count from its root."""
    secret, place = tmp_path / "secret", tmp_path / "place"
    secret.write_text("of the host")
    place.mkdir()
    box = start_one(
        f"ln -s {secret} /a; ln -s ../../../../../..{secret} /b; "
        f"ln -s /proc/1/root{secret} /c; ln -s {place} /w; ln -s /proc/self/cwd /e; "
        f"ln -s /proc/1/cwd{secret} /g"
    )
    for name in ("a", "b", "c", "g"):
        done = pyrootless("cp", "-L", f"{box}:/{name}", tmp_path / "got")
        assert done.returncode == 125, name
        assert "could not find the file" in done.stderr, name
    assert not (tmp_path / "got").exists()
    for target in ("/w", "/w/x", "/a", "/b", "/e/x"):
        pyrootless("cp", secret, f"{box}:{target}")
    assert list(place.iterdir()) == []
    assert secret.read_text() == "of the host"


SWAP = """
mkdir -p /srv/x; echo mine > /srv/x/secret
while :; do mv /srv/x /srv/y; ln -s {0} /srv/x; rm /srv/x; mv /srv/y /srv/x; done & true"""


def test_links_that_move_while_it_works(
    pyrootless: Run, start_one: Start, tmp_path: Path
) -> None:
    """A directory and a link to a place of the host's take turns: no copy reaches the host."""
    place = tmp_path / "host"
    place.mkdir()
    (place / "secret").write_text("of the host")
    box = start_one(SWAP.format(place))
    (tmp_path / "new").write_text("new")
    seen = set()
    for number in range(6):
        target = tmp_path / f"got{number}"
        pyrootless("cp", f"{box}:/srv/x/secret", target)
        pyrootless("cp", f"{box}:/srv/.", tmp_path / f"tree{number}")
        pyrootless("cp", tmp_path / "new", f"{box}:/srv/x/{number}")
        if target.exists():
            seen.add(target.read_text())
    assert seen <= {"mine\n"}
    for copied in tmp_path.glob("tree*/*/secret"):
        assert (
            copied.is_symlink()
            or copied.parent.is_symlink()
            or (copied.read_text() == "mine\n")
        )
    assert [path.name for path in place.iterdir()] == ["secret"]


ODD = r"""mkdir /odd; cd /odd; echo 0 > 'a b'; echo 0 > ./-rf; echo 0 > '*'
printf 1 > "$(printf 'n\nl')"; printf 1 > "$(printf '\377')"; true"""


def test_names_no_terminal_and_no_tool_expects(
    pyrootless: Run, start_one: Start, tmp_path: Path
) -> None:
    box = start_one(ODD)
    assert pyrootless("cp", f"{box}:/odd", tmp_path / "odd").returncode == 0
    names = set(os.listdir(os.fsencode(tmp_path / "odd")))
    assert names == {b"a b", b"-rf", b"*", b"n\nl", b"\xff"}
    assert pyrootless("cp", tmp_path / "odd", f"{box}:/back").returncode == 0
    done = pyrootless("exec", box, "sh", "-c", "cat /back/*; ls /back | wc -l")
    assert (done.stdout.replace("\n", ""), done.stderr) == ("000115", "")


def test_a_stopped_container(pyrootless: Run, start: Start, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    box = start("echo kept > /kept; chown bob /kept", "-v", f"{tmp_path}/shared:/vol")
    pyrootless("kill", box)
    (tmp_path / "f").write_text("later\n")
    assert pyrootless("cp", f"{box}:/kept", tmp_path / "kept").returncode == 0
    assert (tmp_path / "kept").read_text() == "kept\n"
    assert pyrootless("cp", tmp_path / "f", f"{box}:/d/later").returncode == 0
    assert pyrootless("cp", tmp_path / "f", f"{box}:/vol/").returncode == 0
    assert (tmp_path / "shared/f").read_text() == "later\n"
    assert pyrootless("cp", f"{box}:/d", tmp_path / "d").returncode == 0
    assert tree(tmp_path / "d") == {"later": "later\n", **CONTENT}
    assert "A /d/later" in pyrootless("diff", box).stdout.splitlines()


def test_export_is_the_root_without_its_mounts(
    pyrootless: Run, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/host").write_text("x")
    box = start("echo new > /new; rm /etc/shadow; chown 5:6 /d/sub/two",
                "-v", f"{tmp_path}/shared:/vol", "--tmpfs", "/tmp")  # fmt: skip
    for again in (False, True):
        done = pyrootless("export", "-o", tmp_path / "root.tar", box)
        assert done.returncode == 0, done.stderr
        with tarfile.open(tmp_path / "root.tar") as made:
            found = {item.name: (item.uid, item.gid) for item in made}
        names = set(found)
        assert {"new", "d/one", "bin/busybox", "etc/passwd"} <= {
            n.removeprefix("./") for n in names
        }
        assert not [n for n in names if n.startswith(("./proc/", "./dev/", "./sys/", "./vol/"))]
        assert "./etc/shadow" not in names
        assert (found["./d/one"], found["./d/sub/two"]) == ((1000, 1000), (5, 6))
        if not again:
            pyrootless("kill", box)
    assert [path.name for path in tmp_path.glob("root.tar*")] == ["root.tar"]


def test_a_full_disk_is_told_and_leaves_no_half(
    pyrootless: Run, start_one: Start, tmp_path: Path
) -> None:
    box = start_one(
        "dd if=/dev/zero of=/big bs=1M count=3 2>/dev/null", "--tmpfs", "/s:size=64k"
    )
    with open("/dev/full", "wb") as full:
        done = pyrootless(
            "export", box, stdout=full, capture_output=False, stderr=subprocess.PIPE
        )
    assert done.returncode == 125
    assert "No space left on device" in done.stderr
    (tmp_path / "big").write_bytes(b"x" * 1_000_000)
    done = pyrootless("cp", tmp_path / "big", f"{box}:/s/")
    assert (done.returncode, "No space left on device" in done.stderr) == (125, True), (
        done.stderr
    )


def test_the_container_ends_in_the_middle(
    pyrootless: Run, start_one: Start, launcher: Path, engine_environment: dict[str, str]
) -> None:
    """The archive is whole, or the failure is told; nothing waits for ever."""
    box = start_one("dd if=/dev/zero of=/d/big bs=1M count=20 2>/dev/null")
    with subprocess.Popen(
        [str(launcher), "cp", f"{box}:/d", "-"],
        env=engine_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as copy:  # fmt: skip
        assert copy.stdout is not None
        begin = copy.stdout.read(1 << 20)
        assert pyrootless("kill", box).returncode == 0
        rest = copy.stdout.read()
        assert copy.stderr is not None
        said = copy.stderr.read()
    if copy.returncode == 0:
        with tarfile.open(fileobj=io.BytesIO(begin + rest)) as made:
            assert made.getnames() == ["d", "d/big", "d/one", "d/sub", "d/sub/two"]
    else:
        assert (copy.returncode, said[:12]) == (125, b"pyrootless: ")


def test_the_reader_goes(
    start_one: Start, launcher: Path, engine_environment: dict[str, str]
) -> None:
    box = start_one("dd if=/dev/zero of=/d/big bs=1M count=20 2>/dev/null")
    with subprocess.Popen(
        [str(launcher), "export", box],
        env=engine_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as copy:  # fmt: skip
        assert copy.stdout is not None
        copy.stdout.read(1000)
        copy.stdout.close()
        assert copy.wait(60) == 141


def test_between_containers_and_without_one(pyrootless: Run) -> None:
    assert (
        "copying between containers is not supported" in pyrootless("cp", "a:/", "b:/").stderr
    )
    assert "must specify at least one container source" in pyrootless("cp", "a", "b").stderr
    assert pyrootless("cp", "nosuch:/a", "b").returncode == 125
