"""Maps of many ids: `--userns`, `unshare`, and that what they leave can be removed.

In: the launcher, the image `host`, subordinate ids of this user, a root of busybox.
Out: ids inside, owners outside, groups, errors, and nothing left.
Never: a change of /etc/subuid; the machine's own helpers.
"""

from __future__ import annotations

import io
import json
import os
import select
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import holders
import pytest

from pyrootless.images.subordinate import Range, subordinate_ids

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.needs("user-namespaces", "subordinate-ids", "newuidmap")

SECONDS = 60
OWNED = "mkdir -p /opt/a/b && touch /opt/a/b/c && chown -R 33:34 /opt/a && chmod 700 /opt/a"


@dataclass(frozen=True)
class Place:
    """A store of one test alone.

    Attributes:
        data: the store.
        environment: all variables of a call.
        launcher: the executable.
    """

    data: Path
    environment: dict[str, str]
    launcher: Path

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.launcher), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.launcher), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kept(self) -> list[str]:
        """What lies below the store's containers/ and trash/."""
        places = (self.data / "containers", self.data / "trash")
        return [path.name for place in places if place.exists() for path in place.iterdir()]

    def upper(self) -> Path:
        """The upper directory of the only container."""
        (container,) = (self.data / "containers").iterdir()
        return container / "upper"


@pytest.fixture
def place(tmp_path: Path, launcher: Path) -> Iterator[Place]:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    kept = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "ASAN_OPTIONS")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {"PYROOTLESS_ROOT": str(tmp_path / "store"), "XDG_RUNTIME_DIR": str(runtime)}
    env[holders.IDLE] = "0"
    made = Place(tmp_path / "store", env, launcher)
    yield made
    made("unshare", "--", "rm", "-rf", str(made.data))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root of busybox with users and groups, which everybody may enter."""
    base = tmp_path / "root"
    for name in ("bin", "etc", "proc", "sys", "dev"):
        (base / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", base / "bin/busybox")
    for applet in ("sh", "id", "cat", "stat", "touch", "chown", "mkdir", "chmod", "grep"):
        (base / "bin" / applet).symlink_to("busybox")
    (base / "etc/passwd").write_text("root:x:0:0::/:\nalice:x:33:34::/home/alice:\n")
    (base / "etc/group").write_text("root:x:0:\nalice:x:34:\nstaff:x:50:alice\ntape:x:26:x\n")
    return base


def first(ranges: tuple[Range, ...]) -> int:
    return ranges[0][0]


def numbers(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_range_maps_the_caller_and_its_subordinate_ids(place: Place) -> None:
    ids = subordinate_ids()
    done = place("run", "--rm", "--userns=range", "host", "cat", "/proc/self/uid_map")
    rows = [line.split() for line in done.stdout.splitlines()]
    inside, expected = 1, [["0", str(os.getuid()), "1"]]
    for low, count in ids.uids:
        expected.append([str(inside), str(low), str(count)])
        inside += count
    assert rows == expected


@pytest.mark.parametrize("options", [(), ("--init",), ("--ephemeral",), ("--privileged",)])
def test_range_has_other_users(place: Place, options: tuple[str, ...]) -> None:
    script = "id -u; touch /tmp/x; chown 33:34 /tmp/x; stat -c '%u %g' /tmp/x"
    done = place("run", "--rm", "--userns=range", *options, "host", "sh", "-c", script)
    assert numbers(done) == ["0", "33", "34"]


def test_files_outside_belong_to_subordinate_ids(place: Place) -> None:
    ids = subordinate_ids()
    done = place("run", "--name=kept", "--userns=range", "host", "sh", "-c", OWNED)
    assert (done.returncode, done.stderr) == (0, "")
    facts = (place.upper() / "opt/a").stat()
    assert (facts.st_uid, facts.st_gid) == (first(ids.uids) + 32, first(ids.gids) + 33)
    assert (place.upper() / "opt").stat().st_uid == os.getuid()


def test_rm_removes_files_of_other_ids(place: Place) -> None:
    assert place("run", "--name=kept", "--userns=range", "host", "sh", "-c", OWNED).stderr == ""
    done = place("rm", "kept")
    assert (done.returncode, done.stdout, done.stderr) == (0, "kept\n", "")
    assert place.kept() == []


def test_run_rm_removes_files_of_other_ids(place: Place) -> None:
    done = place("run", "--rm", "--userns=range", "host", "sh", "-c", OWNED)
    assert (done.returncode, done.stderr) == (0, "")
    assert place.kept() == []


def test_the_sweep_removes_what_a_killed_launcher_left(place: Place) -> None:
    script = f"{OWNED}; echo ready; exec sleep 1000"
    process = place.start("run", "--rm", "--userns=range", "host", "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait(SECONDS)
    process.stdout.close()
    assert len(place.kept()) == 1
    assert place("run", "--rm", "host", "true").returncode == 0
    assert place.kept() == []


def test_keep_id_is_the_caller(place: Place) -> None:
    own = [str(os.getuid()), str(os.getgid())]
    script = "id -u; id -g; stat -c '%u %g' / /dev; touch /tmp/x; stat -c '%u %g' /tmp/x"
    done = place("run", "--rm", "--userns=keep-id", "host", "sh", "-c", script)
    assert numbers(done) == [*own, *own, "0", "0", *own]
    done = place("run", "--rm", "--userns=keep-id", "-u0", "host", "id", "-u")
    assert numbers(done) == ["0"]


def test_keep_id_writes_volumes_as_the_caller(place: Place, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    words = ("run", "--rm", "--userns=keep-id", "-v", f"{volume}:/v", "host", "touch", "/v/x")
    assert place(*words).returncode == 0
    assert (volume / "x").stat().st_uid == os.getuid()


@pytest.mark.needs("busybox")
def test_nomap_is_without_the_caller(place: Place, root: Path) -> None:
    for path in (root, *root.parents):
        if path.stat().st_uid == os.getuid():
            path.chmod(0o755)
    script = "id -u; stat -c '%u' / /dev; cat /proc/self/uid_map"
    done = place("run", "--rm", "--userns=nomap", "--rootfs", str(root), "sh", "-c", script)
    found = numbers(done)
    assert found[:3] == ["0", "65534", "0"]
    assert found[3:5] == ["0", str(first(subordinate_ids().uids))]
    assert str(os.getuid()) not in found[4::3]


def test_nomap_refuses_images_of_the_store(place: Place) -> None:
    done = place("run", "--rm", "--userns=nomap", "host", "true")
    assert done.returncode == 125
    assert done.stderr.startswith(
        "pyrootless: --userns: nomap cannot show an image of the store"
    )
    assert place.kept() == []


def test_host_is_single_unless_asked(place: Place) -> None:
    done = place("run", "--print-spec", "host", "true")
    config = json.loads(done.stdout)
    assert config["annotations"]["io.pyrootless.userns"] == "single"
    assert [row["size"] for row in config["linux"]["uidMappings"]] == [1]
    assert not [name for name in config["annotations"] if ".ids." in name]


@pytest.mark.needs("busybox")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-u", "alice"), "33 34 34 50"),
        (("-u", "33"), "33 34 34 50"),
        (("-u", "alice:tape"), "33 26 26"),
        (("-u", "1234"), "1234 0 0"),
        (("-u", "alice", "--group-add", "tape", "--group-add=99"), "33 34 34 26 50 99"),
        ((), "0 0 0"),
    ],
)
def test_groups_are_the_images(
    place: Place, root: Path, options: tuple[str, ...], expected: str
) -> None:
    words = ("--userns=range", *options, "--rootfs", str(root))
    done = place("run", "--rm", *words, "sh", "-c", "id -u; id -g; id -G")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == expected.split()


def test_the_callers_other_groups_are_gone(place: Place) -> None:
    done = place(
        "run", "--rm", "--userns=range", "host", "grep", "^Groups:", "/proc/self/status"
    )
    assert done.stdout.split() == [
        "Groups:",
        "0",
    ]  # root's own


def test_a_terminal_belongs_to_its_group(place: Place) -> None:
    script = "tty >/dev/null && stat -c '%u %g %a' $(tty)"
    done = subprocess.run(
        [
            *("script", "-qec"),
            f"{place.launcher} run --rm -t --userns=range host sh -c {script!r}".replace(
                "$(tty)", "/dev/pts/0"
            ),
            "/dev/null",
        ],
        env=place.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout.split() == ["0", "5", "620"]


def test_an_id_beyond_the_ranges(place: Place) -> None:
    done = place("run", "--rm", "--userns=range", "-u", "2000000000", "host", "true")
    assert done.returncode == 125
    assert "--userns: the program's user 2000000000 is none of the " in done.stderr
    assert "pyrootless doctor subordinate-ids" in done.stderr


def test_a_map_that_is_not_the_users(place: Place, tmp_path: Path) -> None:
    """config.json asks for ids that /etc/subuid does not grant: the helper speaks."""
    done = place("run", "--print-spec", "--userns=range", "--ephemeral", "host", "true")
    config = json.loads(done.stdout)
    config["linux"]["uidMappings"][1]["hostID"] = 3_000_000_000
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = place("run", "--spec", str(tmp_path / "config.json"))
    assert done.returncode == 125
    assert done.stderr.startswith("pyrootless: idmap: newuidmap says: newuidmap: ")
    assert "pyrootless doctor subordinate-ids" in done.stderr
    assert place.kept() == []


def test_unshare_is_root_of_all_ids(place: Place) -> None:
    done = place("unshare", "sh", "-c", "id -u; echo $PYROOTLESS_UNSHARED; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "0\n1\n", "")
    done = place("unshare", "--", "cat", "/proc/self/uid_map")
    low, count = subordinate_ids().uids[0]
    assert done.stdout.split()[:6] == ["0", str(os.getuid()), "1", "1", str(low), str(count)]
    done = place("unshare", "--map=single", "cat", "/proc/self/uid_map")
    assert done.stdout.split() == ["0", str(os.getuid()), "1"]


def test_unshare_starts_the_shell(place: Place) -> None:
    done = subprocess.run(
        [str(place.launcher), "unshare"],
        env={**place.environment, "SHELL": "/bin/sh"},
        input="id -u; exit 3\n",
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "0\n")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--map", "wide", "true"), 125, '"wide" is not taken'),
        (("--what", "true"), 125, '"--what" is not taken'),
        (("/no/such",), 127, "execve(/no/such): No such file"),
        (("/etc/passwd",), 126, "execve(/etc/passwd): Permission denied"),
    ],
)
def test_unshare_refuses(place: Place, words: tuple[str, ...], code: int, text: str) -> None:
    done = place("unshare", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr


def test_unshare_help(place: Place) -> None:
    done = place("unshare", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: pyrootless unshare ")
    assert place("help", "unshare").stdout == done.stdout


def test_root_of_a_namespace_writes_its_maps_itself(place: Place) -> None:
    """Inside `unshare` the caller is root; newuidmap could not help it."""
    nested = f"{place.launcher} run --rm --userns=range host cat /proc/self/uid_map"
    done = place("unshare", "sh", "-c", nested)
    assert (done.returncode, done.stderr) == (0, "")
    total = sum(count for _, count in subordinate_ids().uids)
    assert done.stdout.split() == ["0", "0", "1", "1", "1", str(total)]


def with_helper(place: Place, tmp_path: Path, helper: Path) -> subprocess.Popen[str]:
    """Start a container of many ids where `helper` lies over newuidmap and newgidmap.

    In a mount namespace of our own; the launcher has no powers there, as an ordinary user.
    """
    done = place("run", "--print-spec", "--userns=range", "--ephemeral", "host", "true")
    (tmp_path / "config.json").write_text(done.stdout)
    mount = f"mount --bind {helper} /usr/bin/new"
    script = f"{mount}uidmap && {mount}gidmap && exec setpriv {DROP} $0 $@"
    outer = ["unshare", "--user", "--map-current-user", "--mount", "--keep-caps", "sh", "-c"]
    return subprocess.Popen(
        [*outer, script, str(place.launcher), "run", "--spec", str(tmp_path / "config.json")],
        env=place.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def script_helper(tmp_path: Path, text: str) -> Path:
    helper = tmp_path / "newuidmap"
    helper.write_text(f"#!/bin/sh\n{text}\n")
    helper.chmod(0o755)
    return helper


DROP = "--ambient-caps -all --inh-caps -all"
needs_mounts = pytest.mark.needs("unshare", "setpriv")


@needs_mounts
def test_a_helper_that_is_not_there(place: Place, tmp_path: Path) -> None:
    process = with_helper(place, tmp_path, Path("/dev/null"))
    output, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, output) == (125, "")
    assert errors.startswith("pyrootless: idmap: execve(newuidmap): No such file")
    assert "pyrootless doctor newuidmap" in errors
    assert place.kept() == []


@needs_mounts
def test_a_helper_that_refuses(place: Place, tmp_path: Path) -> None:
    helper = script_helper(tmp_path, "echo 'not on my watch' >&2; echo more >&2; exit 1")
    process = with_helper(place, tmp_path, helper)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 125
    assert errors.startswith("pyrootless: idmap: newuidmap says: not on my watch\n")
    assert place.kept() == []


@needs_mounts
def test_a_helper_that_lies(place: Place, tmp_path: Path) -> None:
    """It says that it wrote the maps, and did not: no program runs without them."""
    process = with_helper(place, tmp_path, script_helper(tmp_path, "exit 0"))
    output, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, output) == (125, "")
    assert "mkdir(upper directory on tmpfs): " in errors
    assert place.kept() == []


@needs_mounts
def test_a_launcher_killed_while_its_child_waits(place: Place, tmp_path: Path) -> None:
    """The child, which waits for its map, ends; the next command sweeps the rest."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    helper = script_helper(tmp_path, f"echo $PPID $1 > {fifo}; exec cat {fifo}")
    process = with_helper(place, tmp_path, helper)
    parent, child = map(int, fifo.read_text().split())
    waiting = os.pidfd_open(child)
    assert parent == process.pid
    process.kill()
    process.communicate(timeout=SECONDS)
    assert select.select([waiting], [], [], SECONDS)[0] == [waiting]
    os.close(waiting)
    with fifo.open("w"):
        pass
    assert place("run", "--rm", "host", "true").returncode == 0
    assert place.kept() == []


def import_far(place: Place, root: Path, folder: Path) -> None:
    """An image with a file of an id that no grant has, one of an id that all have, and a hard
    link to a symbolic link."""
    with tarfile.open(folder / "far.tar", "w") as archive:
        archive.add(root, ".", filter=lambda info: info.replace(uid=0, gid=0, deep=False))
        for name, uid in (("far", 2_000_000_000), ("near", 33)):
            info = tarfile.TarInfo(name)
            info.uid, info.size = uid, 1
            archive.addfile(info, io.BytesIO(b"x"))
        link, more = tarfile.TarInfo("l"), tarfile.TarInfo("m")
        link.type, link.linkname, link.uid = tarfile.SYMTYPE, "near", 33
        more.type, more.linkname, more.uid = tarfile.LNKTYPE, "l", 33
        archive.addfile(link)
        archive.addfile(more)
    done = place("import", str(folder / "far.tar"), "far:1")
    assert done.returncode == 0, done.stderr


LOOK = ("far:1", "stat", "-c", "%u %N", "/far", "/near", "/l", "/m")


@pytest.mark.parametrize("options", [(), ("--userns=range",)])
def test_owners_beyond_the_map_end_the_start(
    place: Place, root: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The first and every other; they are named, with the line that would bring them."""
    import_far(place, root, tmp_path)
    for _ in range(2):
        done = place("run", "--rm", *options, *LOOK)
        assert (done.returncode, done.stdout) == (125, "")
        assert "the image has files of 2000000000: (/far), beyond your " in done.stderr
        assert "; usermod --add-subuids " in done.stderr
        assert "--userns=range:overflow" in done.stderr
        assert "--userns=single" in done.stderr


def test_owners_beyond_the_map_are_nobodys_on_demand(
    place: Place, root: Path, tmp_path: Path
) -> None:
    import_far(place, root, tmp_path)
    done = place("run", "--rm", "--userns=range:overflow", *LOOK)
    assert (done.returncode, done.stderr) == (0, "")
    seen = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert [uid for uid, _ in seen] == ["65534", "33", "33", "33"]
    assert ["near" in name and "->" in name for _, name in seen] == [False, False, True, True]


def test_owners_beyond_the_map_with_one_id(place: Place, root: Path, tmp_path: Path) -> None:
    """The fake root shows them: it needs no other id."""
    import_far(place, root, tmp_path)
    done = place("run", "--rm", "--userns=single", "far:1", "stat", "-c", "%u", "/far", "/near")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["2000000000", "33"]
