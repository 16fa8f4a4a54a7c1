"""`pyrootless diff` and `commit`, under both maps of ids.

In: containers of a small image that change it in every way.
Out: the changes, in the words of a Docker Engine 26.1 for the same script; images of them.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small_image

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))
IMAGE = "small:commit"
SCRIPT = """
echo x > /new; rm /etc/shadow; mkdir /nd; touch /nd/x; rm -rf /root; mkdir /root; chmod 700 /tmp
mkfifo /fifo; ln -s /d /dl; ln -s nowhere /dangling; rm -rf /d; mkdir -p /d/sub
chown 7:8 /d/sub; touch /d/sub/fresh
chown -h 1000 /dl; echo more >> /etc/group; chown 9 /etc/group
"""
CHANGES = """\
C /d
D /d/one
C /d/sub
A /d/sub/fresh
D /d/sub/two
A /dangling
A /dl
C /etc
C /etc/group
D /etc/shadow
A /fifo
A /nd
A /nd/x
A /new
C /tmp
"""
"""What `docker diff` printed, sorted by path: its own order changes from call to call."""
OWN = {
    f"A /{name}"
    for name in (
        "run",
        "run/secrets",
        "run/.containerenv",
        "proc",
        "sys",
        "dev",
        "etc/hosts",
        "etc/hostname",
        "etc/resolv.conf",
        "etc/mtab",
    )
}
"""What podman makes in every container."""
LOOK = (
    "stat -c '%n %F %u:%g %a' /d /d/* /d/sub/* /dangling /etc/group /nd/x /tmp /root; ls /etc"
)


@pytest.fixture(scope="session")
def image(import_small: Callable[..., str]) -> str:
    return import_small(IMAGE, "-c", "ENV A=of-image")


@pytest.fixture(params=["single", RANGE])
def ids(request: pytest.FixtureRequest) -> str:
    return f"--userns={request.param}"


@pytest.fixture
def box(pyrootless: Run, image: str) -> Iterator[str]:
    """The name of a container that a test makes."""
    yield "of-commit"
    pyrootless("rm", "-f", "of-commit")


def run(pyrootless: Run, ids: str, box: str, script: str, *options: str) -> None:
    """A container that has done it all and is stopped."""
    done = pyrootless("run", "--name", box, ids, *options, IMAGE, "sh", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")


def look(pyrootless: Run, ids: str, image: str) -> list[str]:
    done = pyrootless("run", "--rm", ids, image, "sh", "-c", LOOK)
    return sorted(set(done.stdout.splitlines()) - {"hosts", "resolv.conf", "hostname", "mtab"})


def blob_names(store: Path, digest: str) -> list[str]:
    """Members of an image's top-most layer."""
    for path in (store / "blobs/sha256").iterdir():
        try:
            manifest = json.loads(path.read_bytes())
        except ValueError:
            continue
        if manifest.get("config", {}).get("digest") == digest:
            blob = manifest["layers"][-1]["digest"].removeprefix("sha256:")
            with (
                gzip.open(store / "blobs/sha256" / blob) as stream,
                tarfile.open(fileobj=stream) as made,
            ):
                return made.getnames()
    raise AssertionError(digest)


def test_every_kind_of_change_and_an_image_of_it(
    pyrootless: Run, ids: str, box: str, engine_environment: dict[str, str]
) -> None:
    run(pyrootless, ids, box, SCRIPT)
    assert pyrootless("diff", box).stdout == CHANGES
    done = pyrootless("commit", "-a", "me <a@b>", "-m", "said", "-c", "LABEL k=v",
                      "-c", 'CMD ["sh", "-c", "echo $A"]', box, "small:committed")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert look(pyrootless, ids, "small:committed") == [
        "/d directory 0:0 755",
        "/d/sub directory 7:8 755",
        "/d/sub/fresh regular empty file 0:0 644",
        "/dangling symbolic link 0:0 777",
        "/etc/group regular file 9:0 644",
        "/nd/x regular empty file 0:0 644",
        "/root directory 0:0 755",
        "/tmp directory 0:0 700",
        "group",
        "passwd",
    ]
    assert blob_names(Path(engine_environment["PYROOTLESS_ROOT"]), done.stdout.strip()) == [
        "d", "d/.wh..wh..opq", "d/sub", "d/sub/fresh", "dangling", "dl", "etc", "etc/group",
        "etc/.wh.shadow", "fifo", "nd", "nd/x", "new", "tmp",
    ]  # fmt: skip
    found = json.loads(pyrootless("inspect", "small:committed").stdout)[0]
    assert (found["Author"], found["Config"]["Labels"]) == ("me <a@b>", {"k": "v"})
    assert found["Config"]["Env"] == ["A=of-image"]
    assert len(found["RootFS"]["Layers"]) == 2
    assert pyrootless("run", "--rm", ids, "small:committed").stdout == "of-image\n"
    history = json.loads(pyrootless("history", "--json", "small:committed").stdout)
    assert history[0]["comment"] == "said"
    assert history[0]["created_by"].startswith("sh -c '\necho x")


def test_a_running_container_stands_still_and_goes_on(
    pyrootless: Run, ids: str, box: str, image: str
) -> None:
    """Both files grow by turns: an image of a moment has them at most one line apart."""
    script = "echo begun; while :; do echo 1 >> /a; echo 1 >> /b; done"
    assert (
        pyrootless("run", "-d", "--name", box, ids, image, "sh", "-c", script).returncode == 0
    )
    done = pyrootless("commit", box)
    assert done.returncode == 0, done.stderr
    count = "cat /a | wc -l; cat /b | wc -l"
    shown = pyrootless("run", "--rm", ids, done.stdout.strip(), "sh", "-c", count)
    first, second = map(int, shown.stdout.split())
    assert 0 <= first - second <= 1
    pid = json.loads(pyrootless("inspect", box).stdout)[0]["State"]["Pid"]
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert state in ("R", "S", "D")


def test_what_was_stopped_before_stays_stopped(
    pyrootless: Run, ids: str, box: str, image: str
) -> None:
    script = "sleep 1000 & kill -STOP $!; echo $!; sleep 2000"
    assert (
        pyrootless("run", "-d", "--name", box, ids, image, "sh", "-c", script).returncode == 0
    )
    lines = iter(lambda: pyrootless("logs", box).stdout, None)
    next(text for text in lines if text)
    before = pyrootless("top", box, "-o", "pid,stat,args").stdout
    assert pyrootless("commit", "--pause=true", box).returncode == 0
    after = pyrootless("top", box, "-o", "pid,stat,args").stdout
    stopped = [line.split()[0] for line in before.splitlines() if " T" in line]
    assert len(stopped) == 1
    assert stopped == [line.split()[0] for line in after.splitlines() if " T" in line]


def test_nothing_changed_is_an_image_too(pyrootless: Run, ids: str, box: str) -> None:
    run(pyrootless, ids, box, "true")
    assert pyrootless("diff", box).stdout == ""
    done = pyrootless("commit", box, "small:same")
    assert done.returncode == 0, done.stderr
    assert pyrootless("run", "--rm", ids, "small:same", "cat", "/d/one").stdout == "one\n"


def test_what_a_start_chose_is_in_the_configuration(
    pyrootless: Run, ids: str, box: str
) -> None:
    run(pyrootless, ids, box, "true", "-e", "B=mine", "-w", "/d", "-l", "x=y")
    assert pyrootless("commit", box, "small:chosen").returncode == 0
    config = json.loads(pyrootless("inspect", "small:chosen").stdout)[0]["Config"]
    assert config["Env"] == ["A=of-image", "B=mine"]
    assert (config["Cmd"], config["WorkingDir"]) == (["sh", "-c", "true"], "/d")
    assert config["Labels"] == {"x": "y"}


def test_a_commit_of_a_commit(pyrootless: Run, ids: str, box: str) -> None:
    run(pyrootless, ids, box, "echo 1 > /n; rm -rf /d")
    assert pyrootless("commit", box, "small:first").returncode == 0
    pyrootless("rm", box)
    done = pyrootless("run", "--name", box, ids, "small:first", "sh", "-c", "rm /n; mkdir /d")
    assert done.returncode == 0, done.stderr
    assert pyrootless("diff", box).stdout == "A /d\nD /n\n"
    assert pyrootless("commit", box, "small:second").returncode == 0
    assert pyrootless("run", "--rm", ids, "small:second", "ls", "/d", "/n").returncode == 1


def test_refusals(pyrootless: Run, box: str, image: str) -> None:
    assert pyrootless("run", "--name", box, "host", "true").returncode == 0
    said = pyrootless("commit", box).stderr
    assert f"container {box} has no image of the store" in said
    assert pyrootless("commit", "-c", "RUN true", box, "small:x").returncode == 125
    assert pyrootless("commit", "--pause=perhaps", box).returncode == 125
    pyrootless("rm", box)
    done = pyrootless("run", "-d", "--name", box, "--ephemeral", image, "sleep", "1000")
    if done.returncode == 0:
        assert "in memory" in pyrootless("diff", box).stderr


def test_an_image_that_is_gone(pyrootless: Run, box: str, tmp_path: Path) -> None:
    small_image.write_root(tmp_path / "root.tar")
    words = ["-c", "ENV B=1", str(tmp_path / "root.tar"), "small:gone"]
    assert pyrootless("import", *words).returncode == 0
    assert pyrootless("run", "--name", box, "small:gone", "touch", "/x").returncode == 0
    pyrootless("rmi", "-f", "small:gone")
    done = pyrootless("commit", box)
    # The layers of small:commit are the same: either is a base with the same files.
    assert done.returncode == 0, done.stderr


PLAIN = SCRIPT.replace("rm -rf /root; mkdir /root; ", "").replace("rm -rf /d; ", "")
"""Podman calls a directory that was removed and made anew deleted; docker says changed."""


@pytest.mark.needs("podman", "subordinate-ids", "newuidmap")
def test_podman_says_the_same(
    pyrootless: Run, box: str, image: str, tmp_path: Path, podman: Callable[..., list[str]]
) -> None:
    small_image.write_root(tmp_path / "root.tar")
    podman("import", "-q", str(tmp_path / "root.tar"), "small:podman")
    flags = ["--cgroups=disabled", "--network=none", "--name=p"]
    podman("run", *flags, "small:podman", "sh", "-c", PLAIN)
    theirs = {line for line in podman("diff", "p") if line} - OWN
    run(pyrootless, "--userns=range", box, PLAIN)
    assert theirs == set(pyrootless("diff", box).stdout.splitlines())
