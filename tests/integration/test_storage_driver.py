"""Both storage drivers show the same root file system, end with it, and say why they failed.

In: images of layers made here (a static busybox below, changes above), the launcher.
Out: what a program saw and left, which processes stay.
Never: an image of somebody else, a wait that is not for an event.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]
FUSE = pytest.mark.needs("fuse", "fuse-overlayfs")
DRIVERS = ["overlay", pytest.param("fuse-overlayfs", marks=FUSE)]
APPLETS = "cat cp grep head id ln ls mkdir mv rm sh sleep stat sync touch true tty wc".split()
KERNEL_LAYERS = 500
LIMIT_SECONDS = 60

pytestmark = [pytest.mark.alone, pytest.mark.needs("user-namespaces", "busybox")]


@dataclass(frozen=True)
class Bench:
    """One store with a prepared `host`, whose launch template other images are made from."""

    run: Run
    base: Path

    @property
    def store(self) -> Path:
        """The store's directory."""
        return self.base / "store"

    def layer(self, name: str) -> Path:
        """A new empty layer."""
        path = self.base / "layers" / name
        path.mkdir(parents=True)
        return path

    def image(self, name: str, layers: list[Path]) -> str:
        """Make an image of layers, the top-most first."""
        template = next((self.store / "images").glob("host-*/config.json"))
        config = json.loads(template.read_text())
        notes = config["annotations"]
        notes["io.pyrootless.rootfs.lower"] = "\n".join(map(str, layers))
        notes["io.pyrootless.template.sources"] = f"0 0 {self.base}/never"
        config["mounts"] = [m for m in config["mounts"] if m["type"] != "bind"]
        config["process"].update(cwd="/", env=["PATH=/bin"])
        folder = self.store / "images" / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        (self.store / "refs" / name).symlink_to(f"../images/{name}")
        return name

    def sh(self, driver: str, image: str, script: str, *options: str) -> Done:
        """A shell script in a container of this image."""
        words = ("run", "--rm", f"--storage-driver={driver}", *options, image)
        return self.run(*words, "sh", "-c", script)


def base_layer(bench: Bench, name: str) -> Path:
    """A layer with busybox and the directories every root file system has."""
    root = bench.layer(name)
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp", "run", "var/tmp"):
        (root / folder).mkdir(parents=True)
    busybox = shutil.which("busybox", path="/bin:/usr/bin")
    assert busybox
    shutil.copy(busybox, root / "bin" / "busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    return root


@pytest.fixture(scope="module")
def bench(
    launcher: Path, engine_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Bench:
    """A store of this module alone."""
    base = tmp_path_factory.mktemp("drivers")
    (base / "runtime").mkdir(mode=0o700)
    env = {
        **engine_environment,
        "PYROOTLESS_ROOT": str(base / "store"),
        "XDG_RUNTIME_DIR": str(base / "runtime"),
    }

    def run(*words: str | Path, before: tuple[str, ...] = (), **options: object) -> Done:
        settings: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "capture_output": True,
            **options,
        }
        return subprocess.run(
            [*before, str(launcher), *map(str, words)],
            env=env,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
            **settings,  # type: ignore[call-overload]
        )

    done = run("run", "--rm", "host", "true")
    assert (done.returncode, done.stderr) == (0, "")
    return Bench(run, base)


@pytest.fixture(scope="module")
def layered(bench: Bench) -> str:
    """An image of two layers: the upper one hides, covers and adds."""
    low, top = base_layer(bench, "low"), bench.layer("top")
    (low / "gone").write_text("hidden by a whiteout\n")
    (low / "kept").write_text("from below\n")
    (low / "tree" / "sub").mkdir(parents=True)
    (low / "tree" / "sub" / "leaf").write_text("leaf\n")
    (low / "opaque").mkdir()
    (low / "opaque" / "hidden").write_text("below an opaque directory\n")
    os.mknod(top / "gone", stat.S_IFCHR | 0o600, 0)
    (top / "opaque").mkdir()
    (top / "opaque" / "shown").write_text("in the opaque directory\n")
    os.setxattr(top / "opaque", "user.overlay.opaque", b"y")
    (top / "added").write_text("from above\n")
    os.setxattr(top / "added", "user.colour", b"green")
    return bench.image("layered", [top, low])


def servers() -> dict[int, str]:
    """fuse-overlayfs processes of this user: pid → state letter."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid != os.getuid():
                continue
            text = (path / "stat").read_text()
        except OSError:
            continue
        if "(fuse-overlayfs)" in text:
            found[int(path.name)] = text.rpartition(") ")[2][0]
    return found


@pytest.fixture
def no_server_stays() -> Iterator[None]:
    """None is there afterwards that was not there before."""
    before = set(servers())
    yield
    assert set(servers()) - before == set()


def fine(done: Done) -> str:
    """What a script that went well wrote."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


SCRIPTS = {
    "reads both layers": ("cat /kept /added", "from below\nfrom above\n"),
    "writes": ("echo new > /kept; echo 1 > /fresh; cat /kept /fresh", "new\n1\n"),
    "appends to a lower file": ("echo more >> /kept; cat /kept", "from below\nmore\n"),
    "sees no file under a whiteout": ("ls -d /gone 2>/dev/null || echo absent", "absent\n"),
    "makes a whiteout": ("rm /kept; ls -d /kept 2>/dev/null || echo absent", "absent\n"),
    "puts a file over a whiteout": ("echo back > /gone; cat /gone", "back\n"),
    "sees what an opaque directory shows": ("ls /opaque", "shown\n"),
    "makes an opaque directory": ("rm -r /tree; mkdir /tree; ls /tree; echo done", "done\n"),
    "renames a lower directory": ("mv /tree /moved; cat /moved/sub/leaf; ls -d /tr*", None),
    "makes hard links": ("ln /kept /link; echo x > /link; stat -c %h /kept; cat /kept", None),
    "executes a copied program": ("cp /bin/busybox /tmp/echo; /tmp/echo ran", "ran\n"),
    "owns everything": ("stat -c %u:%g / /kept /added", "0:0\n0:0\n0:0\n"),
    "keeps modes": ("touch /m; busybox chmod 4711 /m; stat -c %a /m", "4711\n"),
}
OTHER = {
    "renames a lower directory": "leaf\n",
    "makes hard links": "2\nx\n",
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("what", SCRIPTS)
@pytest.mark.usefixtures("no_server_stays")
def test_a_program(bench: Bench, layered: str, driver: str, what: str) -> None:
    script, expected = SCRIPTS[what]
    done = bench.sh(driver, layered, script)
    assert done.stdout == (OTHER[what] if expected is None else expected), done.stderr
    assert done.returncode == (1 if "renames" in what else 0)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_extended_attributes_are_read_and_written(bench: Bench, driver: str) -> None:
    script = (
        "import os; os.setxattr('/note', 'user.a', b'1'); print(os.getxattr('/note', 'user.a'))"
    )
    words = ("run", "--rm", f"--storage-driver={driver}", "host", "sh", "-c")
    done = bench.run(*words, f'touch /note; exec /usr/bin/python3 -c "{script}"')
    assert fine(done) == "b'1'\n"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_the_root_is_of_the_driver_asked_for(bench: Bench, layered: str, driver: str) -> None:
    kind = {"overlay": "overlay", "fuse-overlayfs": "fuse.fuse-overlayfs"}[driver]
    row = fine(bench.sh(driver, layered, "head -n 1 /proc/self/mountinfo")).split()
    assert (row[4], row[row.index("-") + 1]) == ("/", kind)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_as_many_layers_as_the_kernel_takes(bench: Bench, driver: str) -> None:
    name = f"many-{driver}"
    layers = [bench.layer(f"{name}/{n}") for n in range(KERNEL_LAYERS - 1)]
    for number, layer in enumerate(layers):
        (layer / "etc").mkdir()
        (layer / "etc" / str(number)).touch()
    bench.image(name, [*layers, base_layer(bench, f"{name}-base")])
    assert fine(bench.sh(driver, name, "ls /etc | wc -l; ls /etc | grep -x 498")) == (
        f"{KERNEL_LAYERS}\n498\n"
    )


def test_one_layer_more_is_refused_with_its_number(bench: Bench) -> None:
    bench.image("too-many", [bench.layer(f"too-many/{n}") for n in range(KERNEL_LAYERS + 1)])
    done = bench.sh("auto", "too-many", "true")
    assert done.returncode == 125
    assert "has 501 directories and the kernel's overlay takes 500" in done.stderr


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_a_small_limit_on_descriptors_holds_inside_alone(bench: Bench, driver: str) -> None:
    """The soft limit is raised for the set-up, and is what it was in the container."""
    name = f"limited-{driver}"
    layers = [bench.layer(f"{name}/{n}") for n in range(99)]
    bench.image(name, [*layers, base_layer(bench, f"{name}-base")])
    words = ("run", "--rm", f"--storage-driver={driver}", name, "sh", "-c", "ulimit -n")
    done = bench.run(*words, before=("/bin/sh", "-c", 'ulimit -Sn 64; exec "$0" "$@"'))
    assert fine(done) == "64\n"


def test_too_few_descriptors_are_told(bench: Bench) -> None:
    layers = [bench.layer(f"starved/{n}") for n in range(99)]
    bench.image("starved", [*layers, base_layer(bench, "starved-base")])
    words = ("run", "--rm", "--storage-driver=overlay", "starved", "true")
    done = bench.run(*words, before=("/bin/sh", "-c", 'ulimit -n 64; exec "$0" "$@"'))
    assert done.returncode == 125
    assert "ulimit -n 1024" in done.stderr


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_a_read_only_root(bench: Bench, layered: str, driver: str) -> None:
    script = "cat /kept; echo x > /new || echo refused; echo x > /tmp/y && cat /tmp/y"
    done = bench.sh(driver, layered, script, "--read-only")
    assert (done.returncode, done.stdout) == (0, "from below\nrefused\nx\n"), done.stderr
    assert "Read-only file system" in done.stderr


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_an_ephemeral_root_stops_at_its_size(bench: Bench, layered: str, driver: str) -> None:
    script = (
        "busybox dd if=/dev/zero of=/big bs=64k count=256 2>/dev/null || echo full; cat /kept"
    )
    done = bench.sh(driver, layered, script, "--ephemeral", "--ephemeral-size=4m")
    assert fine(done) == "full\nfrom below\n"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_an_ephemeral_directory_is_left_as_it_was(bench: Bench, driver: str) -> None:
    root = base_layer(bench, f"own-{driver}")
    words = ("run", "--rm", "--ephemeral", f"--storage-driver={driver}", "--rootfs", root)
    assert fine(bench.run(*words, "/bin/sh", "-c", "echo x > /new; rm /bin/id; ls /new")) == (
        "/new\n"
    )
    assert (root / "bin" / "id").is_symlink()
    assert not (root / "new").exists()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_a_kept_container_has_all_it_wrote(bench: Bench, layered: str, driver: str) -> None:
    """Unsynced writes reach the disk before the launcher returns."""
    name = f"kept-{driver}"
    words = ("run", "--name", name, f"--storage-driver={driver}", layered, "sh", "-c")
    fine(bench.run(*words, "busybox dd if=/dev/zero of=/big bs=64k count=64 2>/dev/null"))
    upper = bench.store / "names" / name / "upper"
    assert (upper / "big").stat().st_size == 64 * 65536
    fine(bench.run("rm", name))


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_an_init_is_process_1(bench: Bench, layered: str, driver: str) -> None:
    assert fine(bench.sh(driver, layered, "echo $$", "--init")) == "2\n"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("no_server_stays")
def test_a_terminal(bench: Bench, layered: str, driver: str) -> None:
    master, slave = pty.openpty()
    words = ("run", "--rm", "-it", f"--storage-driver={driver}", layered, "sh", "-c", "tty")
    try:
        assert (
            bench.run(*words, stdin=slave, capture_output=False, stdout=slave).returncode == 0
        )
        assert os.read(master, 100) == b"/dev/pts/0\r\n"
    finally:
        os.close(master)
        os.close(slave)


# What ends the server, and what it says when it cannot begin.


@FUSE
def test_a_killed_launcher_leaves_no_server(bench: Bench, layered: str, launcher: Path) -> None:
    before = set(servers())
    words = ("run", "--rm", "--storage-driver=fuse-overlayfs", layered, "sh", "-c")
    env = {
        "PYROOTLESS_ROOT": str(bench.store),
        "XDG_RUNTIME_DIR": str(bench.base / "runtime"),
        "HOME": str(bench.base),
    }
    child = subprocess.Popen(
        [str(launcher), *words, "echo ready; exec sleep 1000"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        (server,) = set(servers()) - before
        pidfd = os.pidfd_open(server)
        child.send_signal(signal.SIGKILL)
    wait_for_end(pidfd)
    assert servers().get(server, "Z") == "Z"  # ended; reaping it is for whoever adopted it


def wait_for_end(pidfd: int) -> None:
    """Until the process of this descriptor has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(LIMIT_SECONDS * 1000)
    os.close(pidfd)


@FUSE
def test_the_container_outlives_no_server(bench: Bench, layered: str, launcher: Path) -> None:
    """A server that is killed: the program sees a dead root, and the launcher returns."""
    before = set(servers())
    words = ("run", "--rm", "-i", "--storage-driver=fuse-overlayfs", layered, "sh", "-c")
    env = {
        "PYROOTLESS_ROOT": str(bench.store),
        "XDG_RUNTIME_DIR": str(bench.base / "runtime"),
        "HOME": str(bench.base),
    }
    child = subprocess.Popen(
        [str(launcher), *words, "echo ready; read line; cat /kept; exit 3"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with child:
        assert child.stdout
        assert child.stdin
        assert child.stdout.readline() == b"ready\n"
        (server,) = set(servers()) - before
        pidfd = os.pidfd_open(server)
        os.kill(server, signal.SIGKILL)
        wait_for_end(pidfd)
        child.stdin.write(b"\n")
        child.stdin.close()
        assert child.stdout.read() == b""
        assert child.wait(LIMIT_SECONDS) != 0
    assert set(servers()) - before == set()


@FUSE
@pytest.mark.usefixtures("no_server_stays")
def test_a_server_that_cannot_begin_says_why(bench: Bench, layered: str) -> None:
    done = bench.run("run", "--print-spec", "--storage-driver=fuse-overlayfs", layered, "true")
    config = json.loads(fine(done))
    notes = config["annotations"]
    assert notes["io.pyrootless.rootfs.fuse.program"].endswith("/fuse-overlayfs")
    script = bench.base / "refuses"
    script.write_text("#!/bin/sh\necho 'cannot do: reason of the server' >&2\nexit 1\n")
    script.chmod(0o755)
    notes["io.pyrootless.rootfs.fuse.program"] = str(script)
    spec = bench.base / "refused.json"
    spec.write_text(json.dumps(config))
    failed = bench.run("run", "--spec", spec)
    assert failed.returncode == 125
    assert "cannot do: reason of the server" in failed.stderr


@FUSE
@pytest.mark.usefixtures("no_server_stays")
def test_a_program_that_is_not_there_is_named(bench: Bench, layered: str) -> None:
    done = bench.run("run", "--print-spec", "--storage-driver=fuse-overlayfs", layered, "true")
    config = json.loads(fine(done))
    config["annotations"]["io.pyrootless.rootfs.fuse.program"] = "/nowhere/fuse-overlayfs"
    spec = bench.base / "nowhere.json"
    spec.write_text(json.dumps(config))
    failed = bench.run("run", "--spec", spec)
    assert failed.returncode == 125
    assert "execve(/nowhere/fuse-overlayfs)" in failed.stderr


# The choice.


@FUSE
@pytest.mark.needs("strace")
@pytest.mark.parametrize("error", ["EPERM", "ENODEV", "EINVAL"])
@pytest.mark.usefixtures("no_server_stays")
def test_auto_takes_the_program_where_the_kernel_refuses(
    bench: Bench, layered: str, error: str
) -> None:
    name = f"fallback-{error}"
    done = bench.run(
        "run",
        "--userns=single",
        "--name",
        name,
        layered,
        "cat",
        "/added",
        before=refusing(error),
    )
    assert fine(done) == "from above\n"
    kept = json.loads((bench.store / "names" / name / "config.json").read_text())
    assert kept["annotations"]["io.pyrootless.rootfs.driver"] == "fuse-overlayfs"
    fine(bench.run("rm", name))


def refusing(error: str) -> tuple[str, ...]:
    """A kernel that answers the mount of "overlay" with this error, and no other."""
    inject = f"inject=mount:error={error}"
    return ("strace", "-f", "-qqq", "-o/dev/null", "-Poverlay", "-emount", "-e", inject)


@pytest.mark.needs("strace")
def test_the_kernels_driver_asked_for_by_name_is_the_only_one(
    bench: Bench, layered: str
) -> None:
    words = ("run", "--rm", "--userns=single", "--storage-driver=overlay", layered, "true")
    done = bench.run(*words, before=refusing("EPERM"))
    assert done.returncode == 125
    assert "rootfs: mount(overlay): Operation not permitted" in done.stderr


@FUSE
@pytest.mark.needs("unshare")
@pytest.mark.usefixtures("no_server_stays")
def test_a_store_on_an_overlay(bench: Bench, launcher: Path, tmp_path: Path) -> None:
    """The kernel takes no upper on an overlay: a real refusal, in a container of another
    engine."""
    script = (
        "mkdir l u w m run && chmod 0700 run && mount -t overlay overlay -o "
        'lowerdir=l,upperdir=u,workdir=w,userxattr m && export XDG_RUNTIME_DIR="$PWD/run" '
        'PYROOTLESS_ROOT="$PWD/m/store" PYROOTLESS_SCRATCH="$PWD/m/scratch" && '
        'exec "$0" run --rm host "$@"'
    )
    head = ("head", "-n", "1", "/proc/self/mountinfo")
    done = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            str(launcher),
            *head,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert " fuse.fuse-overlayfs " in fine(done)


# A store where no upper can be: on FUSE, as a network home is to the kernel.


FOREIGN = """
mkdir low up work home run scratch && chmod 0700 run scratch
fuse-overlayfs -o lowerdir=low,upperdir=up,workdir=work home 2>/dev/null
trap 'umount home' EXIT
export XDG_RUNTIME_DIR="$PWD/run" PYROOTLESS_ROOT="$PWD/home/store" HOME="$PWD"
export PYROOTLESS_SCRATCH="$PWD/scratch"
"""


def on_foreign(launcher: Path, place: Path, script: str) -> Done:
    """A script whose store lies on FUSE, with the launcher as $0."""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", FOREIGN + script]
        + [str(launcher)],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@FUSE
@pytest.mark.needs("unshare")
def test_writes_go_to_the_scratch_directory(launcher: Path, tmp_path: Path) -> None:
    """The kernel's overlay, its upper on a local disk, seen through the store."""
    script = """
    "$0" run --name noted host sh -c 'head -n 1 /proc/self/mountinfo; echo written > /note'
    cat home/store/names/noted/upper/note
    ls scratch | wc -l
    "$0" rm noted > /dev/null
    ls scratch | wc -l
    """
    lines = fine(on_foreign(launcher, tmp_path, script)).splitlines()
    assert " overlay overlay " in lines[0]
    assert lines[1:] == ["written", "1", "0"]


@FUSE
@pytest.mark.needs("unshare")
def test_a_container_that_goes_leaves_no_scratch(launcher: Path, tmp_path: Path) -> None:
    script = '"$0" run --rm host sh -c "echo x > /note"; ls scratch home/store/containers'
    assert fine(on_foreign(launcher, tmp_path, script)).split() == [
        "home/store/containers:",
        "scratch:",
    ]


@FUSE
@pytest.mark.needs("unshare")
def test_a_scratch_directory_open_to_others_is_refused(launcher: Path, tmp_path: Path) -> None:
    script = 'chmod 0755 scratch; "$0" run --rm host true'
    done = on_foreign(launcher, tmp_path, script)
    assert done.returncode == 125
    assert "it must be yours and 0700" in done.stderr


@FUSE
@pytest.mark.needs("unshare")
def test_the_scratch_directory_is_no_volume(launcher: Path, tmp_path: Path) -> None:
    done = on_foreign(launcher, tmp_path, '"$0" run --rm -v "$PWD/scratch:/x" host true')
    assert done.returncode == 125
    assert "belongs to pyrootless itself" in done.stderr


# The choice by name.


def test_a_driver_of_another_name_is_refused(bench: Bench, layered: str) -> None:
    done = bench.sh("vfs", layered, "true")
    assert done.returncode == 125
    assert '"vfs" is no driver: overlay, fuse-overlayfs or auto' in done.stderr
