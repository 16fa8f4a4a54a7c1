"""Escapes that other engines had, tried on this one; each has a twin that must keep working.

In: hostile root file systems and programs, a canary directory just outside the root.
Out: a named refusal or a world without the canary; the canary as it was.
Source: the CVE each test names; capabilities(7), landlock(7), proc(5).
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Compile = Callable[[str, str], Path]

pytestmark = [
    pytest.mark.context_root,
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]
FUSE = pytest.mark.needs("fuse", "fuse-overlayfs")
RANGE = pytest.mark.needs("subordinate-ids", "newuidmap")
MODES = [
    *("in-place", "ephemeral", "overlay"),
    pytest.param("fuse", marks=FUSE),
    pytest.param("in-place range", marks=RANGE),
    pytest.param("overlay range", marks=RANGE),
    pytest.param("overlay range held", marks=RANGE),
    pytest.param("fuse range", marks=[FUSE, RANGE]),
    "image",
    pytest.param("image-fuse", marks=FUSE),
    pytest.param("image range", marks=RANGE),
    pytest.param("image range held", marks=RANGE),
    pytest.param("image-fuse range", marks=[FUSE, RANGE]),
]
in_every_mode = pytest.mark.parametrize("mode", MODES)
LINKS = pytest.mark.parametrize("form", ["absolute", "relative"])
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class World(Protocol):
    """A hostile root file system and what lies just outside it (conftest.py)."""

    root: Path
    canary: Path

    def fingerprint(self) -> list[tuple[str, int, int, int, str]]: ...
    def image(self) -> str: ...


ESCAPE = r"""
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    if (fd < 0 || chroot("/inside") < 0 || fchdir(fd) < 0)
        return 3;
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0)
            return 4;
    if (chroot(".") < 0)
        return 5;
    DIR *dir = opendir("/");
    for (struct dirent *e; dir && (e = readdir(dir));)
        puts(e->d_name);
    return 0;
}
"""
CONNECT = r"""
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t length = argc > 1 ? strlen(argv[1]) : 0;
    memcpy(a.sun_path + 1, argv[1], length);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int r = connect(fd, (void *)&a, offsetof(struct sockaddr_un, sun_path) + 1 + length);
    puts(r == 0 ? "connected" : errno == EPERM ? "EPERM" : strerror(errno));
    return 0;
}
"""


def start(mode: str, world: World, *options: str | Path) -> list[str]:
    """The command line up to the program, for one kind of root and map of ids.

    Images of the store are written to on disk, the others in memory; those with one id have
    their fake root.
    """
    kind, _, ids = mode.partition(" ")
    words = [f"--userns={ids.removesuffix(' held') or 'single'}"]
    words += ["--ephemeral"] if kind in ("ephemeral", "overlay", "fuse") else []
    words += ["--storage-driver=fuse-overlayfs"] if kind.endswith("fuse") else []
    target = ["--rootfs", f"{world.root}:O" if kind == "overlay" else str(world.root)]
    if kind.startswith("image"):
        target = [world.image()]
    return ["run", "--rm", *words, *map(str, options), *target]


def link_to_canary(form: str, link: Path, target: Path) -> None:
    """Plant a link that leads out of the root, written as an absolute or a relative path."""
    text = os.path.relpath(target, link.parent) if form == "relative" else str(target)
    link.symlink_to(text)


def refused(done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    """A refusal: its exit status, its words, a remedy, and nothing printed by a program."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert words in done.stderr
    assert "remedy: " in done.stderr


# The root file system's own links: CVE-2026-47766, CVE-2026-41579, CVE-2019-19921, -2023-27561.
@in_every_mode
@LINKS
@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
def test_a_link_for_a_system_directory_is_refused(
    pyrootless: Run, world: World, mode: str, form: str, name: str
) -> None:
    link_to_canary(form, world.root / name, world.canary)
    before = world.fingerprint()
    done = pyrootless(*start(mode, world), "/bin/ls", f"/{name}/")
    refused(done, 125, f"mounts: open mount point(/{name}): ")
    assert world.fingerprint() == before


@in_every_mode
@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
def test_a_link_within_the_root_for_a_system_directory_is_refused(
    pyrootless: Run, world: World, mode: str, name: str
) -> None:
    """It leads nowhere outside, but masks and devices would lie in the wrong place."""
    (world.root / name).symlink_to("inside")
    done = pyrootless(*start(mode, world), "/bin/ls", "/inside/")
    refused(done, 125, f"mounts: open mount point(/{name}): ")


@in_every_mode
@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
def test_a_file_for_a_system_directory_is_refused(
    pyrootless: Run, world: World, mode: str, name: str
) -> None:
    (world.root / name).write_text("")
    refused(pyrootless(*start(mode, world), "/bin/true"), 125, f"mounts: mount(/{name}): ")


@in_every_mode
def test_system_directories_are_made_where_missing(
    pyrootless: Run, world: World, mode: str
) -> None:
    done = pyrootless(*start(mode, world), "/bin/ls", "/")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["bin", "dev", "etc", "inside", "proc", "sys"]


# Links for the nodes in /dev: CVE-2026-88264, CVE-2025-31133.
@in_every_mode
@LINKS
@pytest.mark.parametrize("terminal", [(), ("-t",)])
def test_links_for_devices_are_not_followed(
    pyrootless: Run, world: World, mode: str, form: str, terminal: tuple[str, ...]
) -> None:
    (world.root / "dev").mkdir()
    for name, target in (("null", "null"), ("console", "keep"), ("ptmx", "ptmx")):
        link_to_canary(form, world.root / "dev" / name, world.canary / target)
    before = world.fingerprint()
    script = "echo x >/dev/null; stat -c '%F %t:%T' /dev/null"
    script += "; [ ! -e /dev/console ] || echo x >/dev/console"
    done = pyrootless(*start(mode, world, *terminal), "/bin/sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0].strip() == "character special file 1:3"
    assert world.fingerprint() == before


# Mount points behind links: CVE-2026-87766, CVE-2019-18837.
@in_every_mode
@LINKS
@pytest.mark.parametrize("below", ["", "/new", "/new/deeper"])
@pytest.mark.parametrize("kind", ["file", "directory", "tmpfs"])
def test_a_mount_point_behind_a_link_out_is_refused(
    pyrootless: Run, world: World, mode: str, form: str, below: str, kind: str, tmp_path: Path
) -> None:
    link_to_canary(form, world.root / "link", world.canary)
    before = world.fingerprint()
    source = tmp_path / "lent"
    source.mkdir() if kind == "directory" else source.write_text("lent\n")
    option = (
        ("--tmpfs", f"/link{below}") if kind == "tmpfs" else ("-v", f"{source}:/link{below}")
    )
    done = pyrootless(*start(mode, world, *option), "/bin/touch", "/link/made")
    refused(done, 125, f"mounts: open mount point(/link{below}): ")
    assert world.fingerprint() == before


@in_every_mode
@pytest.mark.parametrize("text", ["/inside", "inside", "../../inside"])
def test_a_link_within_the_root_leads_to_its_place(
    pyrootless: Run, world: World, mode: str, text: str, tmp_path: Path
) -> None:
    (world.root / "link").symlink_to(text)
    (tmp_path / "lent").write_text("lent\n")
    options = ("-v", f"{tmp_path / 'lent'}:/link/new:ro")
    done = pyrootless(*start(mode, world, *options), "/bin/cat", "/link/new", "/inside/new")
    assert (done.returncode, done.stdout) == (0, "lent\nlent\n"), done.stderr


# A passwd that never ends: CVE-2024-9676.
def plant_fifo(path: Path) -> None:
    os.mkfifo(path)


def plant_zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def plant_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2 << 30)


@in_every_mode
@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (plant_fifo, "is not a plain file"),
        (plant_zero, 'has no user "tester"'),
        (plant_sparse, "is larger than 1 MiB"),
    ],
)
def test_a_passwd_without_an_end_is_answered_at_once(
    pyrootless: Run, world: World, mode: str, plant: Callable[[Path], None], words: str
) -> None:
    (world.root / "etc" / "passwd").unlink()
    plant(world.root / "etc" / "passwd")
    done = pyrootless(*start(mode, world, "-u", "tester"), "/bin/id", timeout=10)
    refused(done, 125, words)


@in_every_mode
def test_a_plain_passwd_is_read(pyrootless: Run, world: World, mode: str) -> None:
    done = pyrootless(*start(mode, world, "-u", "tester"), "/bin/id", "-u")
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


@LINKS
def test_a_passwd_that_links_out_is_not_read(pyrootless: Run, world: World, form: str) -> None:
    (world.root / "etc" / "passwd").unlink()
    (world.canary / "keep").write_text("tester:x:0:0:::\n")
    link_to_canary(form, world.root / "etc" / "passwd", world.canary / "keep")
    done = pyrootless(*start("overlay", world, "-u", "tester"), "/bin/id")
    refused(done, 125, 'has no user "tester"')


# A descriptor the caller left open: CVE-2024-21626.
def with_descriptor_9(
    launcher: Path, env: dict[str, str], canary: Path, command: list[str]
) -> subprocess.CompletedProcess[str]:
    """Start the launcher with descriptor 9 open on the canary."""
    opener = ["sh", "-c", 'exec 9<"$0"; exec "$@"', str(canary), str(launcher), *command]
    return subprocess.run(
        opener, env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("number", range(3, 21))
def test_no_descriptor_is_a_working_directory(
    launcher: Path, engine_environment: dict[str, str], world: World, number: int
) -> None:
    directory = f"/proc/self/fd/{number}"
    command = [*start("overlay", world, "-w", directory), "/bin/ls", "."]
    done = with_descriptor_9(launcher, engine_environment, world.canary, command)
    refused(done, 125, f"fds: chdir({directory}): ")


def test_a_descriptor_of_the_caller_is_not_inherited(
    launcher: Path, engine_environment: dict[str, str], world: World
) -> None:
    script = "pwd; [ -e /proc/1/fd/9 ] || echo closed; cd /proc/1/fd; echo *"
    command = [*start("overlay", world, "-w", "/inside"), "/bin/sh", "-c", script]
    done = with_descriptor_9(launcher, engine_environment, world.canary, command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["/inside", "closed"]
    assert {"0", "1", "2"} <= set(done.stdout.splitlines()[2].split())


# The engine's own executable: CVE-2019-5736.
def own_hashes(launcher: Path) -> list[str]:
    """What a hostile program would like to overwrite: the launcher and the extension."""
    found = importlib.util.find_spec("pyrootless")
    assert found and found.submodule_search_locations
    folders = [Path(text) for text in found.submodule_search_locations]
    files = [launcher.resolve(), *(path for f in folders for path in sorted(f.glob("*.so")))]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def plant_script(path: Path) -> None:
    path.write_text("#!/proc/self/exe\n")
    path.chmod(0o755)


def plant_link(path: Path) -> None:
    path.symlink_to("/proc/self/exe")


@in_every_mode
@pytest.mark.parametrize("plant", [plant_script, plant_link])
def test_the_launcher_is_not_executed_inside(
    pyrootless: Run, launcher: Path, world: World, mode: str, plant: Callable[[Path], None]
) -> None:
    plant(world.root / "entry")
    before = own_hashes(launcher)
    refused(pyrootless(*start(mode, world), "/entry"), 126, "exec: execve(/entry): ")
    assert own_hashes(launcher) == before


@pytest.mark.parametrize("options", [(), ("--init",)])
def test_the_executable_of_process_1_is_not_the_launcher(
    pyrootless: Run, launcher: Path, world: World, options: tuple[str, ...]
) -> None:
    before = own_hashes(launcher)
    script = "{ echo x >/proc/1/exe; } 2>/dev/null; sha256sum </proc/1/exe"
    done = pyrootless(*start("overlay", world, *options), "/bin/sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] not in before
    assert own_hashes(launcher) == before


@in_every_mode
def test_a_script_with_an_interpreter_inside_starts(
    pyrootless: Run, world: World, mode: str
) -> None:
    (world.root / "entry").write_text("#!/bin/sh\necho entered\n")
    (world.root / "entry").chmod(0o755)
    done = pyrootless(*start(mode, world), "/entry")
    assert (done.returncode, done.stdout) == (0, "entered\n"), done.stderr


# The caller's environment: CVE-2020-14370.
def test_a_planted_variable_is_not_seen(pyrootless: Run, world: World) -> None:
    done = pyrootless(*start("overlay", world), "/bin/env", env={"PLANTED": "secret"})
    home, hostname, path = sorted(done.stdout.splitlines())
    assert (done.returncode, home, path) == (0, "HOME=/root", f"PATH={PATH}")
    assert re.fullmatch("HOSTNAME=[0-9a-f]{12}", hostname)


def test_a_variable_asked_for_is_seen(pyrootless: Run, world: World) -> None:
    command = start("overlay", world, "-e", "PLANTED")
    done = pyrootless(*command, "/bin/env", env={"PLANTED": "secret"})
    assert "PLANTED=secret" in done.stdout.splitlines()


# The engine's store below a volume, and a prefix that is no parent: CVE-2026-48785.
def list_store(run: Run, world: World, tmp_path: Path, store: str, volume: str) -> list[str]:
    """What a container sees of VOLUME/store, with the store in another or the same place."""
    for name in ("data", "data2"):
        (tmp_path / name / "store").mkdir(parents=True, exist_ok=True)
    (tmp_path / volume / "store" / "planted").touch()
    options = ("--root", tmp_path / store / "store", "-v", f"{tmp_path / volume}:/lent")
    done = run(*start("overlay", world, *options), "/bin/ls", "/lent/store")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", ["data", "data2"])
def test_the_store_below_a_volume_is_masked(
    pyrootless: Run, world: World, tmp_path: Path, name: str
) -> None:
    assert list_store(pyrootless, world, tmp_path, name, name) == []


@pytest.mark.parametrize(("store", "volume"), [("data2", "data"), ("data", "data2")])
def test_a_volume_with_a_like_name_is_not_masked(
    pyrootless: Run, world: World, tmp_path: Path, store: str, volume: str
) -> None:
    assert list_store(pyrootless, world, tmp_path, store, volume) == ["planted"]


def test_a_volume_beside_the_store_with_a_like_name_is_lent(
    pyrootless: Run, world: World, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store2").mkdir()
    (tmp_path / "store2" / "planted").touch()
    options = ("--root", tmp_path / "store", "-v", f"{tmp_path / 'store2'}:/lent")
    done = pyrootless(*start("overlay", world, *options), "/bin/ls", "/lent")
    assert (done.returncode, done.stdout) == (0, "planted\n"), done.stderr


# The old way out of a chroot.
@in_every_mode
@pytest.mark.needs("gcc")
@pytest.mark.parametrize("options", [(), ("--security-opt", "landlock=off"), ("--privileged",)])
def test_leaving_a_chroot_ends_at_the_containers_root(
    pyrootless: Run, world: World, compiled: Compile, mode: str, options: tuple[str, ...]
) -> None:
    """The positive control: the program does leave the chroot it made, and sees /bin."""
    volume = f"{compiled('escape', ESCAPE)}:/inside/escape:ro"
    done = pyrootless(*start(mode, world, *options, "-v", volume), "/inside/escape")
    assert done.returncode == 0, done.stderr
    seen = set(done.stdout.split()) - {".", "..", ".dockerenv"}
    assert seen == {"bin", "dev", "etc", "inside", "proc", "sys"}


LEAVING_THE_MACHINES_ROOT = """
import os, sys
def look():
    return os.listdir(sys.argv[1]), os.stat("/dev").st_dev, os.stat("/proc").st_dev
before = look()
os.chroot("/usr")
[os.chdir("..") for _ in range(50)]
os.chroot(".")
assert look() == before and before[0] == [], (before, look())
"""


@pytest.mark.parametrize("options", [(), ("--security-opt", "landlock=off"), ("--privileged",)])
def test_leaving_a_chroot_on_the_machines_own_root(
    pyrootless: Run, engine_environment: dict[str, str], options: tuple[str, ...]
) -> None:
    """Beneath --rootfs / lie the host's /dev and /proc and the store: they are not reached."""
    store = engine_environment["PYROOTLESS_ROOT"]
    program = (sys.executable, "-c", LEAVING_THE_MACHINES_ROOT, store)
    done = pyrootless("run", "--rm", *options, "--rootfs", "/", *program)
    assert done.returncode == 0, done.stderr


# Abstract sockets do not belong to the file system: CVE-2020-15257.
def landlock_abi() -> int:
    """The kernel's Landlock ABI, 0 without one."""
    libc = ctypes.CDLL(None, use_errno=True)
    abi: int = libc.syscall(444, None, 0, 1)
    return max(0, abi)


@pytest.mark.needs("gcc")
@pytest.mark.skipif(landlock_abi() < 6, reason="needs Landlock ABI 6 (Linux 6.12) for scopes")
@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ((), "Connection refused"),
        (("--network", "host"), "EPERM"),
        (("--network", "host", "--security-opt", "landlock=off"), "connected"),
    ],
)
def test_abstract_sockets_of_the_host(
    pyrootless: Run, world: World, compiled: Compile, options: tuple[str, ...], answer: str
) -> None:
    name = f"pyrootless-test-{secrets.token_hex(8)}"
    volume = f"{compiled('connect', CONNECT)}:/connect:ro"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        command = start("overlay", world, "-v", volume, *options)
        done = pyrootless(*command, "/connect", name)
    assert (done.returncode, done.stdout) == (0, f"{answer}\n"), done.stderr


# Privilege the launcher must never have: CVE-2026-41163.
@pytest.mark.needs("subordinate-ids", "unshare")
@pytest.mark.parametrize(("mode", "code"), [("0755", 0), ("4755", 125), ("2755", 125)])
def test_a_setuid_launcher_refuses_to_start(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path, mode: str, code: int
) -> None:
    """Inside a user namespace a plain user can make a real setuid file of another id."""
    script = 'cp "$1" "$2" && chown 1:1 "$2" && chmod "$3" "$2" && exec "$2" run --help'
    copy = tmp_path / "copy"
    command = ["unshare", "--user", "--map-auto", "--map-root-user", "sh", "-c", script, "sh"]
    done = subprocess.run(
        [*command, str(launcher), str(copy), mode],
        env=engine_environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith("Usage: pyrootless run") == (code == 0)
    assert ("setuid" in done.stderr) == (code != 0)


# What mountinfo tells about the host.
def test_mountinfo_names_no_path_of_the_host(
    pyrootless: Run, world: World, tmp_path: Path
) -> None:
    """The volume asked for, and the generated /etc/hosts, and nothing else."""
    (tmp_path / "lent").mkdir()
    command = start("overlay", world, "-v", f"{tmp_path / 'lent'}:/inside")
    done = pyrootless(*command, "/bin/cat", "/proc/self/mountinfo")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    session = tmp_path.parent.name
    named = [row[4] for row in rows if session in " ".join(row)]
    assert sorted(named) == ["/etc/hosts", "/inside"]
