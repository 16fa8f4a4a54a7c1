"""Holes that were found in other engines and have no place in test_escapes.py.

In: hostile root file systems, terminals, descriptors and mounts around the launcher.
Out: a canary as it was; a named refusal or the right file; and the honest twin, which works.
Never: a busy wait; races are many starts beside a thread that does nothing but swap a link.
Source: the CVE each test names; SECURITY.md, "Holes of others", has the whole list.
"""

from __future__ import annotations

import ctypes
import json
import os
import pty
import re
import select
import stat
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import World

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Compile = Callable[[str, str], Path]

pytestmark = [
    pytest.mark.context_root,
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]
RENAME_EXCHANGE = 2
AT_FDCWD = -100
STARTS = 40
OVERLAY = ("run", "--rm", "--userns=single", "--ephemeral")


def overlay(world: World) -> tuple[str, str]:
    """--rootfs and its value: the tree below an upper in memory."""
    return "--rootfs", f"{world.root}:O"


# A link that is swapped while containers start: CVE-2021-30465, CVE-2024-45310.
class Swapper(threading.Thread):
    """Exchanges two names without a pause, until it is told to stop."""

    def __init__(self, one: Path, other: Path) -> None:
        super().__init__(daemon=True)
        self._names = (bytes(one), bytes(other))
        self._over = threading.Event()
        self.swaps = 0

    def run(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        while not self._over.is_set():
            one, other = self._names
            assert libc.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0
            self.swaps += 1

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def __enter__(self) -> Swapper:
        self.start()
        return self


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["in-place", "overlay"])
def test_a_link_that_is_swapped_leads_nowhere_else(
    pyrootless: Run, world: World, tmp_path: Path, kind: str
) -> None:
    """Each start finds the directory or the link; none writes or mounts in the canary."""
    (world.root / "place").mkdir()
    (world.root / "swapped").symlink_to(world.canary)
    (tmp_path / "lent").write_text("lent\n")
    before = world.fingerprint()
    target = overlay(world) if kind == "overlay" else ("--rootfs", str(world.root))
    options = ("run", "--rm", "--userns=single", "-v", f"{tmp_path / 'lent'}:/place/new")
    options += ("--ephemeral",) if kind == "overlay" else ()
    codes = set()
    with Swapper(world.root / "place", world.root / "swapped") as swapper:
        for _ in range(STARTS):
            done = pyrootless(*options, *target, "/bin/cat", "/place/new")
            codes.add(done.returncode)
            assert done.returncode in (0, 1, 125), done.stderr
            if done.returncode == 125:
                assert re.search(r"mounts: |rootfs: ", done.stderr), done.stderr
    assert swapper.swaps > 100 * STARTS
    assert world.fingerprint() == before
    assert len(codes) > 1, "the swaps never met a start"


@pytest.mark.needs("strace")
@pytest.mark.parametrize("lent_dev", [False, True])
def test_targets_of_mounts_are_descriptors(
    launcher: Path,
    engine_environment: dict[str, str],
    world: World,
    tmp_path: Path,
    lent_dev: bool,
) -> None:
    """What no name leads to cannot be swapped: the trace knows no target but descriptors, one
    of which may be the working directory, and names in two directories that nobody else can
    change: a new tmpfs on /dev, and /proc."""
    trace = tmp_path / "trace"
    (tmp_path / "dev").mkdir()
    lent = ["-v", f"{tmp_path}/dev:/dev"] if lent_dev else ["-v", f"{tmp_path}:/inside/new"]
    tracer = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=mount,move_mount"]
    subprocess.run(
        [*tracer, str(launcher), *OVERLAY, *lent, *overlay(world), "/bin/true"],
        env=engine_environment,
        check=True,
        timeout=60,
        capture_output=True,
    )
    calls = trace.read_text()
    targets = set(re.findall(r' mount\((?:"[^"]*"|NULL), "([^"]*)"', calls))
    moved = re.findall(r'move_mount\(\d+<[^>]*>, "", (\S+), "([^"]*)"', calls)
    assert all(re.fullmatch(r"\d+<.*>", fd) for fd, _ in moved) and moved
    own = [f"{world.root}/proc>"] if lent_dev else [f"{world.root}/dev>", f"{world.root}/proc>"]
    assert sorted({fd.partition("<")[2] for fd, name in moved if name}) == own
    assert all(re.fullmatch("[a-z_-]*", name) for _, name in moved)
    runtime = engine_environment["XDG_RUNTIME_DIR"]
    allowed = {"/", str(world.root)} | {name for name in targets if name.startswith(runtime)}
    allowed |= {name for name in targets if re.fullmatch(r"/proc/self/fd/\d+|\.", name)}
    new = set() if lent_dev else {"pts", "shm"}
    fd_path = re.compile(r"/proc/self/fd/\d+/")
    found = {fd_path.sub("", name) for name in targets - allowed}
    assert found - {"mqueue"} == new, calls  # which may wait for its namespace, and then is one


# Files that the engine binds by itself: CVE-2024-9341.
@pytest.mark.parametrize("name", ["hosts", "hostname", "resolv.conf"])
@pytest.mark.parametrize("form", ["absolute", "relative"])
def test_files_the_engine_brings_follow_no_link_out(
    pyrootless: Run, world: World, name: str, form: str
) -> None:
    text = str(world.canary / "keep")
    if form == "relative":
        text = os.path.relpath(text, world.root / "etc")
    (world.root / "etc" / name).symlink_to(text)
    before = world.fingerprint()
    options = ("--add-host", "h:10.0.0.1", "--dns", "10.0.0.2", "--hostname", "h")
    done = pyrootless(*OVERLAY, *options, *overlay(world), "/bin/cat", f"/etc/{name}")
    assert done.returncode == 0, done.stderr
    assert {
        "hosts": "10.0.0.1\th\n",
        "hostname": "h\n",
        "resolv.conf": "nameserver 10.0.0.2\n",
    }[name] in done.stdout
    assert world.fingerprint() == before


@pytest.mark.parametrize("chain", [1, 3, 9])
def test_files_the_engine_brings_are_made_where_a_link_leads(
    pyrootless: Run, world: World, chain: int
) -> None:
    """As /etc/resolv.conf of an image with systemd-resolved: ../run/systemd/resolve/…."""
    links = ["/etc/resolv.conf", *(f"/etc/link-{number}" for number in range(1, chain))]
    for link, text in zip(links, [*links[1:], "../run/resolve/stub.conf"], strict=True):
        (world.root / link[1:]).symlink_to(text)
    words = ("/bin/cat", "/etc/resolv.conf", "/run/resolve/stub.conf")
    done = pyrootless(*OVERLAY, "--dns", "10.0.0.2", *overlay(world), *words)
    if chain > 8:
        assert done.returncode == 125
        assert "mounts: open mount point(/etc/resolv.conf): " in done.stderr
    else:
        assert (done.returncode, done.stdout.count("10.0.0.2")) == (0, 2), done.stderr


def test_files_the_engine_brings_are_there(pyrootless: Run, world: World) -> None:
    options = ("--add-host", "h:10.0.0.1")
    done = pyrootless(*OVERLAY, *options, *overlay(world), "/bin/cat", "/etc/hosts")
    assert done.returncode == 0, done.stderr
    assert "10.0.0.1\th\n" in done.stdout


# Lists of groups without an end: CVE-2024-9676.
def plant_fifo(path: Path) -> None:
    os.mkfifo(path)


def plant_zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def plant_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2 << 30)


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (plant_fifo, "is not a plain file"),
        (plant_zero, 'has no group "wheel"'),
        (plant_sparse, "is larger than 1 MiB"),
    ],
)
@pytest.mark.parametrize("options", [("-u", "tester:wheel"), ("--group-add", "wheel")])
def test_a_group_without_an_end_is_answered_at_once(
    pyrootless: Run,
    world: World,
    plant: Callable[[Path], None],
    words: str,
    options: tuple[str, ...],
) -> None:
    plant(world.root / "etc" / "group")
    done = pyrootless(*OVERLAY, *options, *overlay(world), "/bin/id", timeout=10)
    assert (done.returncode, done.stdout) == (125, "")
    assert words in done.stderr
    assert "remedy: " in done.stderr


# A mount point below a directory that others may only search: tend#1279.
@pytest.mark.needs("subordinate-ids", "newuidmap")
def test_a_source_below_a_directory_that_may_only_be_searched(
    pyrootless: Run, world: World, tmp_path: Path
) -> None:
    lent = tmp_path / "closed" / "lent"
    lent.mkdir(parents=True)
    (lent / "file").write_text("lent\n")
    closed = pyrootless("unshare", "--map", "range", "--", "sh", "-c", SHUT, "sh", lent.parent)
    assert closed.returncode == 0, closed.stderr
    assert stat.S_IMODE(lent.parent.stat().st_mode) == 0o711
    if os.getuid():
        with pytest.raises(PermissionError):
            list(lent.parent.iterdir())
    done = pyrootless(
        *OVERLAY, "-v", f"{lent}:/inside", *overlay(world), "/bin/cat", "/inside/file"
    )
    pyrootless("unshare", "--map", "range", "--", "chown", "0:0", lent.parent)
    assert (done.returncode, done.stdout) == (0, "lent\n"), done.stderr


SHUT = 'chmod 711 "$1" && chown 5:5 "$1"'


# A null device that the image brings, and masks made of it: CVE-2025-31133, CVE-2026-88265.
STAT = "for p in {paths}; do stat -c '%F %t:%T %n' $p; done"


def plant_null_file(dev: Path, world: World) -> None:
    (dev / "null").write_text("no device\n")


def plant_null_link(dev: Path, world: World) -> None:
    (dev / "null").symlink_to(world.canary / "null")


@pytest.mark.parametrize("plant", [plant_null_file, plant_null_link])
def test_masks_are_made_of_the_hosts_null_device(
    pyrootless: Run, world: World, plant: Callable[[Path, World], None]
) -> None:
    (world.root / "dev").mkdir()
    plant(world.root / "dev", world)
    before = world.fingerprint()
    (world.root / "etc" / "secret").write_text("secret\n")
    options = ("--security-opt", "mask=/etc/secret:/inside")
    script = STAT.format(paths="/proc/keys /etc/secret") + "; cat /etc/secret; ls /inside"
    done = pyrootless(*OVERLAY, *options, *overlay(world), "/bin/sh", "-c", script)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert rows == [
        f"character special file 1:3 {path}" for path in ("/proc/keys", "/etc/secret")
    ]
    assert world.fingerprint() == before


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1, 2)])
def test_closed_streams_are_the_null_device(
    launcher: Path, engine_environment: dict[str, str], world: World, closed: Sequence[int]
) -> None:
    """Not what the image calls /dev/null (CVE-2026-88265), nor a directory of the engine's that
    lies on the free number (the class of CVE-2024-21626).
    """
    (world.root / "dev").mkdir()
    plant_null_link(world.root / "dev", world)
    before = world.fingerprint()
    shut = " ".join(f"{fd}{'<' if fd == 0 else '>'}&-" for fd in closed)
    seen = world.root.with_name("seen")
    seen.mkdir()
    script = (
        "stat -L -c '%F %t:%T' /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 >/inside/out"
    )
    command = [*OVERLAY, "-v", f"{seen}:/inside", *overlay(world), "/bin/sh", "-c", script]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {shut}', "sh", str(launcher), *command],
        env=engine_environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = (seen / "out").read_text().splitlines()
    assert rows[0] == "character special file 1:3"
    assert all(rows[fd] == "character special file 1:3" for fd in closed if fd != 1), rows
    assert world.fingerprint() == before


# A console that is no terminal of the container's: CVE-2025-52565, CVE-2026-88264.
def test_the_console_is_the_containers_own_terminal(pyrootless: Run, world: World) -> None:
    (world.root / "dev").mkdir()
    (world.root / "dev" / "console").symlink_to(world.canary / "keep")
    (world.root / "dev" / "pts").symlink_to(world.canary)
    before = world.fingerprint()
    script = (
        "stat -L -c '%t:%T' /dev/console /dev/pts/0 /proc/self/fd/0; stat -f -c %T /dev/pts"
    )
    done = pyrootless(*OVERLAY, "-t", *overlay(world), "/bin/sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["88:0", "88:0", "88:0", "devpts"]
    assert world.fingerprint() == before


# Input pushed back into the caller's terminal: CVE-2017-5226.
INJECT = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
int main(void)
{
    char paste[] = {3, 'x'}, key = 'x';
    int own = open("/dev/tty", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        if (ioctl(fd, TIOCSTI, &key) == 0 || ioctl(fd, TIOCLINUX, paste) == 0)
            puts("injected");
    puts(own < 0 ? "no terminal" : "own terminal");
    return 0;
}
"""


def in_a_terminal(command: Sequence[str], env: dict[str, str]) -> str:
    """What a command says that has a terminal for its controlling one; what is typed in it."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(command[0], list(command), env)
    said = b""
    while select.select([master], [], [], 60)[0]:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        said += chunk
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
    return said.decode()


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("streams", [(), ("-i",), ("-t",), ("-i", "-t")])
@pytest.mark.parametrize(
    "options", [(), ("--init",), ("--privileged",), ("--security-opt", "seccomp=unconfined")]
)
def test_nothing_is_typed_into_the_callers_terminal(
    pyrootless: Run,
    launcher: Path,
    engine_environment: dict[str, str],
    world: World,
    compiled: Compile,
    streams: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    assert pyrootless("run", "--rm", "host", "true").returncode == 0
    volume = ("-v", f"{compiled('inject', INJECT)}:/inject:ro")
    command = [str(launcher), *OVERLAY, *streams, *options, *volume, *overlay(world), "/inject"]
    said = in_a_terminal(command, engine_environment)
    own = "-t" in streams
    open_filter = own and ("--privileged" in options or "seccomp=unconfined" in options)
    words = [line for line in said.replace("x", "").split("\n") if line.strip()]
    if not open_filter:  # its own terminal is its own to type into
        assert "injected" not in said, said
    assert words[-1].strip() == ("own terminal" if own else "no terminal"), said


# Files of /proc that are another file: CVE-2019-16884, CVE-2025-52881.
SYSCTL = """
[ -z "$2" ] || mount --bind "$2" "$1/net/ipv4/ip_forward" || exit 3
mount --rbind "$1" /proc/sys || exit 3
shift 2
exec "$@"
"""


@pytest.mark.needs("unshare")
@pytest.mark.parametrize("other", ["", "/proc/sys/net/ipv4/ip_default_ttl", None])
def test_a_sysctl_is_not_written_elsewhere(
    pyrootless: Run,
    launcher: Path,
    engine_environment: dict[str, str],
    world: World,
    tmp_path: Path,
    other: str | None,
) -> None:
    """Sysctls of namespaces have names of their own there, so all of /proc/sys is covered."""
    plain = tmp_path / "net" / "ipv4" / "ip_forward"
    plain.parent.mkdir(parents=True)
    plain.write_text("untouched\n")
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    begin = ["sh", "-c", SYSCTL, "sh", str(tmp_path), str(other)]
    # Not a procfs of its own: the kernel makes none where anything lies over the caller's.
    options = ("--network=none", "--sysctl", "net.ipv4.ip_forward=1", "--print-spec")
    script = ("/bin/cat", "/proc/sys/net/ipv4/ip_forward")
    printed = pyrootless(*OVERLAY, *options, *overlay(world), *script)
    config = json.loads(printed.stdout)
    [proc] = [mount for mount in config["mounts"] if mount["destination"] == "/proc"]
    proc |= {"type": "bind", "source": "/proc", "options": ["rbind"]}
    config["linux"]["uidMappings"][0]["hostID"] = 0
    config["linux"]["gidMappings"][0]["hostID"] = 0
    done = subprocess.run(
        [
            *unshare,
            *([] if other is None else begin),
            str(launcher),
            "run",
            "--rm",
            "--spec",
            "-",
        ],
        env=engine_environment,
        input=json.dumps(config),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if other is None:
        assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
        return
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    call = "open" if other else "fstatfs"  # no permission would be another reason
    begins = f"pyrootless: sysctl: {call}(net/ipv4/ip_forward): "
    first = done.stderr.splitlines()[0]  # the C libraries' words differ in their begin
    assert first.startswith(begins) and first.lower().endswith("cross-device link"), first
    assert plain.read_text() == "untouched\n"


# Files that the caller names are made, never followed or overwritten: nsjail#323.
@pytest.mark.parametrize("option", ["--cidfile", "--pidfile"])
@pytest.mark.parametrize("there", ["link", "dangling", "file"])
def test_an_id_file_is_not_written_through_a_link(
    pyrootless: Run, world: World, tmp_path: Path, option: str, there: str
) -> None:
    path = tmp_path / "id"
    if there == "file":
        path.write_text("kept\n")
    else:
        path.symlink_to(world.canary / ("keep" if there == "link" else "new"))
    before = world.fingerprint()
    done = pyrootless(*OVERLAY, option, path, *overlay(world), "/bin/true")
    assert done.returncode == 125
    assert f"{option}: " in done.stderr
    assert world.fingerprint() == before
    path.unlink()
    assert pyrootless(*OVERLAY, option, path, *overlay(world), "/bin/true").returncode == 0
    assert path.read_text().strip().isalnum()


# Flags of the kernel's own file systems: nsjail#283.
def test_file_systems_of_the_kernel_are_mounted_without_power(
    pyrootless: Run, world: World
) -> None:
    done = pyrootless(*OVERLAY, *overlay(world), "/bin/cat", "/proc/self/mountinfo")
    flags = {row.split()[4]: set(row.split()[5].split(",")) for row in done.stdout.splitlines()}
    for path in ("/proc", "/sys", "/dev/mqueue"):
        assert {"nosuid", "nodev", "noexec"} <= flags[path], path
    assert {"nosuid", "noexec"} <= flags["/dev/pts"]
    assert {"nosuid", "nodev", "noexec"} <= flags["/dev/shm"]
    assert "nosuid" in flags["/dev"]
    assert "ro" in flags["/sys"]


# The launcher with file capabilities: CVE-2020-5291.
@pytest.mark.needs("subordinate-ids", "unshare", "setpriv")
@pytest.mark.parametrize(("capabilities", "code"), [("", 0), ("cap_net_raw+ep", 125)])
def test_a_launcher_with_file_capabilities_refuses_to_start(
    launcher: Path,
    engine_environment: dict[str, str],
    tmp_path: Path,
    capabilities: str,
    code: int,
) -> None:
    script = 'cp "$1" "$2" && chmod 755 "$2" && { [ -z "$3" ] || setcap "$3" "$2"; } && exec '
    script += 'setpriv --reuid=1 --regid=1 --clear-groups "$2" run --help'
    copy = Path("/tmp") / f"pyrootless-caps-{os.getpid()}-{code}"
    command = ["unshare", "--user", "--map-auto", "--map-root-user", "sh", "-c", script, "sh"]
    done = subprocess.run(
        [*command, str(launcher), str(copy), capabilities],
        env={**engine_environment, "PATH": f"{engine_environment['PATH']}:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    copy.unlink(missing_ok=True)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith("Usage: pyrootless run") == (code == 0)


def test_every_security_option_is_in_the_kernels_answers(pyrootless: Run, world: World) -> None:
    """Accepted is applied: CVE-2025-65105.  --verify reads each back (test_verify.py)."""
    options = ("--verify", "--cap-drop", "ALL", "--cap-add", "CHOWN", "--read-only")
    done = pyrootless(*OVERLAY, *options, *overlay(world), "/bin/cat", "/proc/self/status")
    assert done.returncode == 0, done.stderr
    assert "CapEff:\t0000000000000001\n" in done.stdout
    printed = pyrootless(*OVERLAY, "--print-spec", *options, *overlay(world), "/bin/true")
    assert json.loads(printed.stdout)["annotations"]["io.pyrootless.verify"] == "1"
