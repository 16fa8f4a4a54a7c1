"""Volumes: made, filled on their first use, shared, held, removed, under both maps of ids.

In: containers of a small image with a VOLUME, and of hostile ones.
Out: what they find in their volumes, and what is left of these afterwards.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
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
MAPS = pytest.mark.parametrize("userns", ["single", RANGE])
IMAGE = "small:volume"
LOOK = "stat -c '%n %a %u:%g %Y' /d /d/one /d/sub /d/sub/two; cat /d/one"
FOUND = f"""\
/d 755 0:0 {small_image.MTIME}
/d/one 644 1000:1000 {small_image.MTIME}
/d/sub 755 0:0 {small_image.MTIME}
/d/sub/two 644 0:0 {small_image.MTIME}
one
"""
ID = r"[0-9a-f]{64}"


@pytest.fixture(scope="module")
def image(
    launcher: Path, engine_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    path = tmp_path_factory.mktemp("small") / "root.tar"
    small_image.write_root(path)
    words = [str(launcher), "import", "-c", "VOLUME /d /made/by/nobody", str(path), IMAGE]
    subprocess.run(words, env=engine_environment, check=True, capture_output=True, timeout=120)
    return IMAGE


@pytest.fixture(autouse=True)
def clean(pyrootless: Run) -> Iterator[None]:
    """No volume and no container is left of one test to the next."""
    yield
    for name in pyrootless("ps", "-aq").stdout.split():
        pyrootless("rm", "-f", "-v", name)
    pyrootless("volume", "prune", "-af")


@pytest.fixture
def store(engine_environment: dict[str, str]) -> Path:
    return Path(engine_environment["PYROOTLESS_ROOT"])


def names(pyrootless: Run, *words: str) -> list[str]:
    done = pyrootless("volume", "ls", "-q", *words)
    assert done.stderr == ""
    return done.stdout.split()


@MAPS
def test_the_first_use_copies_what_the_image_has(
    pyrootless: Run, image: str, userns: str
) -> None:
    box = ("run", "--rm", f"--userns={userns}", "-v", "data:/d", image, "sh", "-c")
    assert pyrootless(*box, LOOK).stdout == FOUND
    assert pyrootless(*box, "echo changed >/d/one; rm -r /d/sub").stderr == ""
    assert pyrootless(*box, "cat /d/one; ls /d").stdout == "changed\none\n"
    empty = pyrootless("run", "--rm", "-v", "e1:/d:nocopy", image, "ls", "/d")
    mount = "type=volume,src=e2,dst=/d,volume-nocopy"
    other = pyrootless("run", "--rm", "--mount", mount, image, "ls", "/d")
    assert (empty.stdout, other.stdout, other.stderr) == ("", "", "")


@pytest.mark.needs("subordinate-ids", "newuidmap")
def test_the_root_of_another_map_owns_a_new_one(pyrootless: Run, image: str) -> None:
    """And what is copied has the owners that the image's files have under this map."""
    box = ("--userns=keep-id", "-u", "0", "-v", "new:/n", image, "stat", "-c", "%n %u:%g")
    files = ("/d", "/d/one", "/n")
    ours = pyrootless("run", "--rm", *box, *files)
    plain = pyrootless("run", "--ephemeral", *box, *files)
    assert ours.stdout.splitlines()[2] == "/n 0:0"
    assert (ours.stdout, ours.stderr) == (plain.stdout, "")


def test_no_map_without_the_caller(pyrootless: Run, image: str) -> None:
    done = pyrootless("run", "--rm", "--userns=nomap", "-v", "data:/d", image, "true")
    assert done.returncode == 125
    assert "volumes are your own" in done.stderr or "subordinate" in done.stderr


def test_a_volume_outlives_its_container(pyrootless: Run, image: str) -> None:
    label = "src=data,dst=/new/place,volume-label=a=b c,readonly"
    assert (
        pyrootless("run", "--rm", "-v", "data:/x", image, "sh", "-c", "echo 1 >/x/f").stderr
        == ""
    )
    done = pyrootless("run", "--rm", "--mount", label, image, "cat", "/new/place/f")
    assert done.stdout == "1\n"
    done = pyrootless("run", "--rm", "-v", "data:/x:ro", image, "touch", "/x/g")
    assert "Read-only file system" in done.stderr
    done = pyrootless("run", "--rm", "--mount", label.replace("data", "fresh"), image, "true")
    assert done.stderr == ""
    assert (
        pyrootless("volume", "inspect", "-f", "{{.Labels}}", "fresh").stdout == "map[a:b c]\n"
    )
    assert names(pyrootless) == ["data", "fresh"]


@MAPS
def test_the_volumes_of_an_image(pyrootless: Run, image: str, userns: str, store: Path) -> None:
    """Anonymous ones, writable even where the root is not, which go with `--rm`."""
    box = ("run", f"--userns={userns}", "--read-only", "--name=box")
    touch = "touch /made/by/nobody/x /d/x && ! touch /x 2>/dev/null; ls /d"
    done = pyrootless(*box, "--rm", image, "sh", "-c", touch)
    assert (done.stdout, done.stderr) == ("one\nsub\nx\n", "")
    assert names(pyrootless) == []
    assert pyrootless(*box, image, "touch", "/d/x").stderr == ""
    made = names(pyrootless)
    assert [bool(re.fullmatch(ID, name)) for name in made] == [True, True]
    assert names(pyrootless, "-f", "dangling=true") == []
    assert sorted(os.listdir(store / "volumes")) == made
    mounts = json.loads(pyrootless("inspect", "box").stdout)[0]["Mounts"]
    assert {(m["Type"], m["Destination"], m["Driver"], m["RW"]) for m in mounts} == {
        ("volume", "/d", "local", True),
        ("volume", "/made/by/nobody", "local", True),
    }
    assert sorted(m["Name"] for m in mounts) == made
    assert pyrootless("rm", "box").stdout == "box\n"
    assert names(pyrootless, "-f", "dangling=1") == made
    done = pyrootless("volume", "prune", "-f")
    assert done.stdout.splitlines()[:3] == ["Deleted Volumes:", *made]
    assert pyrootless(*box, image, "true").returncode == 0
    assert pyrootless("rm", "-v", "box").stdout == "box\n"
    assert names(pyrootless) == []


def test_an_option_at_the_place_of_an_images_volume(pyrootless: Run, image: str) -> None:
    done = pyrootless(
        "run", "--name=box", "-v", "data:/d", "--tmpfs=/made/by/nobody", image, "true"
    )
    assert (done.stderr, names(pyrootless)) == ("", ["data"])


def test_an_ephemeral_container_makes_none(pyrootless: Run, image: str) -> None:
    box = ("run", "--ephemeral", "-v", "/mine", image, "sh", "-c")
    done = pyrootless(*box, "touch /d/x /mine 2>&1; ls /d")
    assert done.stdout == "one\nsub\nx\n"
    assert names(pyrootless) == []


def test_volumes_of_another_container(pyrootless: Run, image: str, tmp_path: Path) -> None:
    words = ("-v", "data:/x", "-v", f"{tmp_path}:/host", "--tmpfs=/t")
    pyrootless("run", "--name=one", *words, image, "sh", "-c", "echo 1 >/x/f; echo 2 >/d/g")
    show = "cat /x/f /d/g; touch /x/n /host/n; ls -d /t 2>&1"
    done = pyrootless("run", "--rm", "--volumes-from=one", image, "sh", "-c", show)
    assert done.stdout == "1\n2\nls: /t: No such file or directory\n"
    assert (tmp_path / "n").exists()
    look = "touch /x/m; touch /host/m; cat /x/f /d/g"
    done = pyrootless("run", "--rm", "--volumes-from", "one:ro", image, "sh", "-c", look)
    assert done.stdout == "1\n2\n"
    assert done.stderr.count("Read-only file system") == 2
    over = ("--volumes-from=one", "-v", f"{tmp_path}:/x")
    assert pyrootless("run", "--rm", *over, image, "ls", "/x").stdout == "n\n"
    done = pyrootless("run", "--rm", "--volumes-from=nosuch", image, "true")
    assert (done.returncode, "No such container: nosuch" in done.stderr) == (
        125,
        True,
    )
    assert len(names(pyrootless)) == 3  # what one's anonymous ones are, was nobody else's


def test_a_name_for_a_directory_of_the_host(
    pyrootless: Run, image: str, tmp_path: Path, store: Path
) -> None:
    create = ("volume", "create", "-o", "type=none", "-o", "o=bind", "-o")
    assert pyrootless(*create, f"device={tmp_path}", "there").stdout == "there\n"
    done = pyrootless("run", "--rm", "-v", "there:/x", image, "sh", "-c", "echo 1 >/x/f; ls /x")
    assert (done.stdout, (tmp_path / "f").read_text()) == ("f\n", "1\n")
    assert pyrootless(*create, f"device={store}/layers", "inside").returncode == 0
    done = pyrootless("run", "--rm", "-v", "inside:/x", image, "ls", "/x")
    assert (done.returncode, "belongs to pyrootless itself" in done.stderr) == (125, True)
    done = pyrootless("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "mem")
    assert (done.returncode, "give a container its own with --tmpfs" in done.stderr) == (
        125,
        True,
    )


def test_a_volume_in_use_stays(pyrootless: Run, image: str) -> None:
    one = pyrootless("run", "-d", "-v", "data:/x", image, "sleep", "100").stdout.strip()
    pyrootless("run", "--name=two", "-v", "data:/x", image, "true")
    two = pyrootless("ps", "-aq", "--no-trunc", "-f", "name=two").stdout.strip()
    done = pyrootless("volume", "rm", "data")
    assert done.returncode == 1
    users = ", ".join(sorted([one, two]))
    assert f"remove data: volume is in use - [{users}]\n" in done.stderr
    assert pyrootless("volume", "prune", "-af").stdout == "Total reclaimed space: 0B\n"
    assert pyrootless("ps", "-aq", "--no-trunc", "-f", "volume=data").stdout.split() == [
        two,
        one,
    ]
    pyrootless("rm", "-f", one, "two")
    assert pyrootless("volume", "rm", "data", "data").stdout == "data\n"


def test_two_starts_fill_one_volume_once(pyrootless: Run, image: str) -> None:
    """Whoever comes second waits for the copy, and nobody sees a part of it."""
    seen: list[str] = []

    def start() -> None:
        seen.append(pyrootless("run", "--rm", "-v", "data:/d", image, "sh", "-c", LOOK).stdout)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [FOUND] * 6


def test_a_removal_and_a_start_have_one_winner(pyrootless: Run, image: str) -> None:
    """Either the volume is in use, or the start makes it again; a start never fails."""
    failed: list[str] = []
    over = threading.Event()

    def remove() -> None:
        while not over.is_set():
            done = pyrootless("volume", "rm", "data")
            if done.returncode and "in use" not in done.stderr and "no such" not in done.stderr:
                failed.append(done.stderr)

    thread = threading.Thread(target=remove)
    thread.start()
    for _ in range(15):
        done = pyrootless("run", "--rm", "-v", "data:/d", image, "sh", "-c", "cat /d/one")
        failed += [done.stderr] if (done.returncode, done.stdout) != (0, "one\n") else []
    over.set()
    thread.join()
    assert failed == []


def test_a_killed_monitor_leaves_no_anonymous_volume(
    launcher: Path, engine_environment: dict[str, str], pyrootless: Run, image: str
) -> None:
    words = [
        str(launcher),
        "run",
        "--rm",
        "-v",
        "data:/x",
        image,
        "sh",
        "-c",
        "echo up; sleep 100",
    ]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert len(names(pyrootless)) == 3
        process.send_signal(signal.SIGKILL)
    pyrootless("ps")
    assert names(pyrootless) == ["data"]
    assert pyrootless("volume", "rm", "data").stdout == "data\n"


def test_what_is_no_volume_is_named_and_left_alone(
    pyrootless: Run, image: str, store: Path
) -> None:
    pyrootless("volume", "create", "good")
    foreign = store / "volumes" / "foreign"
    foreign.mkdir()
    (foreign / "file").write_text("mine")
    try:
        done = pyrootless("volume", "ls", "-q")
        assert done.stdout == "good\n"
        assert f"{foreign} is no volume of pyrootless, or its record is damaged" in done.stderr
        assert pyrootless("volume", "rm", "-f", "foreign").returncode == 1
        done = pyrootless("run", "--rm", "-v", "foreign:/x", image, "true")
        assert (done.returncode, "is no volume of pyrootless" in done.stderr) == (125, True)
        pyrootless("volume", "prune", "-af")
        assert (foreign / "file").read_text() == "mine"
    finally:
        (foreign / "file").unlink()
        foreign.rmdir()


@pytest.mark.needs("strace")
def test_a_start_without_volumes_asks_for_none(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    for words in ([], ["strace", "-f", "-o", str(trace)]):
        run = [*words, str(launcher), "run", "--rm", "host", "true"]
        subprocess.run(run, env=engine_environment, check=True, timeout=60)
    assert "volumes" not in trace.read_text()


@pytest.mark.needs("podman", "subordinate-ids", "newuidmap")
def test_podman_says_the_same(
    pyrootless: Run, image: str, podman: Callable[..., list[str]], tmp_path: Path
) -> None:
    """First use, in use, and what is left: the same words to both."""
    small_image.write_root(tmp_path / "root.tar")
    podman("import", "-q", "-c", "VOLUME /d", str(tmp_path / "root.tar"), "small:podman")
    flags = ("--cgroups=disabled", "--network=none", "--userns=host")

    def ours(*words: str) -> list[str]:
        return pyrootless(*words).stdout.splitlines()

    def both(*words: str) -> tuple[list[str], list[str]]:
        return ours(*words), podman(*words)

    for words in (("volume", "create", "--label=a=b", "data"), ("volume", "ls", "-q")):
        assert both(*words) == (["data"], ["data"])
    fields = "{{.Name}} {{.Driver}} {{.Labels}} {{.Scope}}"
    one, two = both("volume", "inspect", "--format", fields, "data")
    assert one == two == ["data local map[a:b] local"]
    shown = ours("run", "--rm", "-v", "data:/d", image, "sh", "-c", LOOK)
    assert shown == podman(
        "run", "--rm", *flags, "-v", "data:/d", "small:podman", "sh", "-c", LOOK
    )
    ours("run", "--rm", image, "true")
    podman("run", "--rm", *flags, "small:podman", "true")
    one, two = both("volume", "ls", "-q")
    assert one == two == ["data"]
    assert both("volume", "rm", "data") == (["data"], ["data"])
