"""Kinds of hosts that need no virtual machine: each works, is weaker, or says why not.

In: docs/hosts.md; outer containers, homes, locales and users made for one test each.
Out: the document's row beside what host_probe.py finds there.
Never: a change outside temporary directories; a mount outside a namespace of the test's own.
tests/vm/test_hosts.py has the kinds of hosts that need a kernel of their own.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hosts_table
import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

TESTS = Path(__file__).resolve().parents[1]
SECONDS = 240
ROWS = hosts_table.hosts("here")
# What this machine lacks for everybody has no place in a row about one kind of host.
OF_THE_MACHINE = {"cgroup weaker", "cgroup missing", "perf weaker", "perf missing"}
# What docker and podman hide (their default lists), each where the kernel has it.
MASKED_FILES = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug"]
MASKED_FOLDERS = ["/proc/acpi", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"]

pytestmark = pytest.mark.needs(
    "user-namespaces", "plain-user", "subordinate-ids", "newuidmap", "fuse", "tun",
    "fuse-overlayfs",
)  # fmt: skip


@dataclass
class Bench:
    """A place for one test: a home, a runtime directory, and how a probe is started there."""

    base: Path
    launcher: Path
    env: dict[str, str]
    own_store: bool = True
    before: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return Path(self.env["HOME"])

    def probe(self) -> dict[str, Any]:
        """Run host_probe.py; the home's path reads HOME in what it found."""
        words = ["/usr/bin/python3", str(TESTS / "host_probe.py"), str(self.launcher)]
        words += [str(self.base / "stores")] if self.own_store else []
        done = self.call([*self.before, *words])
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.replace(str(self.base / "home"), "HOME"))
        return found

    def call(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run any command with this place's environment."""
        return subprocess.run(
            words,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def in_script(self, script: str) -> None:
        """Start the probe as root of a user namespace, after a script in it."""
        shell = ["sh", "-c", f'{script} && exec "$@"', "sh"]
        self.before = ["unshare", "-Urmpf", "--mount-proc", *shell]


@pytest.fixture
def bench(tmp_path: Path, launcher: Path) -> Bench:
    for name in ("home", "stores", "etc"):
        (tmp_path / name).mkdir()
    (tmp_path / "runtime").mkdir(mode=0o700)
    kept = ("PATH", "USER", "LOGNAME", "LANG", "ASAN_OPTIONS", "PYROOTLESS_HOLDER_IDLE")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env["HOME"] = str(tmp_path / "home")
    env["XDG_RUNTIME_DIR"] = str(tmp_path / "runtime")
    env["PYROOTLESS_SCRATCH"] = str(tmp_path / "scratch")
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    return Bench(tmp_path, launcher, env)


def agrees(bench: Bench, host: str) -> None:
    """What the probe finds is what the document says."""
    observed = bench.probe()
    assert hosts_table.cells(observed, OF_THE_MACHINE, ROWS[host]) == ROWS[host]
    assert hosts_table.said_well(observed) == []


def outer_container(*, masked: bool) -> list[str]:
    """Another engine's container: its own /proc and /dev, no FUSE, no tun, no setuid."""
    words = ["bwrap", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    if not masked:
        return words
    for name in filter(os.path.exists, MASKED_FILES):
        words += ["--ro-bind", "/dev/null", name]
    for name in filter(os.path.isdir, MASKED_FOLDERS):
        words += ["--tmpfs", name]
    for name in filter(os.path.isdir, READ_ONLY):
        words += ["--ro-bind", name, name]
    return words


def with_etc(bench: Bench, passwd: str | None = None) -> list[str]:
    """An outer container whose /etc has no subuid and subgid, and a passwd of the test's."""
    etc = bench.base / "etc"
    readable = (path for path in Path("/etc").iterdir() if os.access(path, os.R_OK))
    for path in readable:
        target = etc / path.name
        if path.is_symlink():
            target.symlink_to(path.readlink())
        elif path.is_file():
            shutil.copy(path, target)
    for name in ("subuid", "subgid"):
        (etc / name).unlink(missing_ok=True)
    if passwd is not None:
        (etc / "passwd").write_text(passwd)
    return ["bwrap", "--dev-bind", "/", "/", "--bind", str(etc), "/etc"]


def passwd_without_me() -> str:
    """/etc/passwd, less the line of this user."""
    name = pwd.getpwuid(os.getuid()).pw_name
    lines = Path("/etc/passwd").read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(f"{name}:"))


@pytest.mark.needs("bwrap", "gcc")
def test_inside_a_container_like_dockers(bench: Bench) -> None:
    deny = bench.base / "deny"
    source = TESTS / "faults" / "deny.c"
    subprocess.run(["gcc", "-O1", "-static", source, "-o", deny], check=True, timeout=SECONDS)
    bench.before = [*outer_container(masked=True), str(deny), "--userns", "EPERM", "--"]
    agrees(bench, "docker-like")


@pytest.mark.needs("bwrap")
def test_inside_a_container_like_podmans(bench: Bench) -> None:
    bench.before = outer_container(masked=True)
    agrees(bench, "podman-like")


@pytest.mark.needs("bwrap")
def test_inside_a_container_that_hides_nothing(bench: Bench) -> None:
    bench.before = outer_container(masked=False)
    agrees(bench, "unmasked container")


@pytest.mark.needs("unshare")
def test_root_of_a_user_namespace_with_one_id(bench: Bench) -> None:
    bench.before = ["unshare", "-Ur"]
    agrees(bench, "namespace root, one id")


@pytest.mark.needs("unshare")
def test_root_of_a_user_namespace_with_many_ids(bench: Bench) -> None:
    bench.before = ["unshare", "-Ur", "--map-auto"]
    agrees(bench, "namespace root, many ids")


@pytest.mark.needs("unshare")
def test_a_proc_that_hides_processes(bench: Bench) -> None:
    bench.in_script("mount -t proc -o hidepid=invisible proc /proc")
    agrees(bench, "hidepid")


@pytest.mark.needs("unshare")
@pytest.mark.parametrize("option", ["noexec", "nosuid"])
def test_a_home_that_refuses(bench: Bench, option: str) -> None:
    bench.own_store = False
    bench.in_script(f"mount -t tmpfs -o {option} none {bench.home}")
    agrees(bench, f"{option} home")


@pytest.mark.needs("bindfs")
def test_a_home_without_user_attributes(bench: Bench) -> None:
    """As NFS has them: none.  What containers write goes to the scratch directory."""
    (bench.base / "disk").mkdir()
    options = ["--no-allow-other", "--xattr-none"]
    mounted = bench.call(["bindfs", *options, str(bench.base / "disk"), str(bench.home)])
    assert mounted.returncode == 0, mounted.stderr
    try:
        bench.own_store = False
        agrees(bench, "home without user attributes")
        trash = bench.home / ".local/share/pyrootless/trash"
        assert list(trash.iterdir()) == []
    finally:
        bench.call(["fusermount3", "-u", "-z", str(bench.home)])


def test_a_tight_umask(bench: Bench) -> None:
    bench.before = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    agrees(bench, "umask 077")


@pytest.mark.needs("bwrap")
def test_no_file_of_subordinate_ids(bench: Bench) -> None:
    bench.before = with_etc(bench)
    agrees(bench, "no /etc/subuid")


@pytest.mark.needs("bwrap")
def test_a_user_without_a_line_in_passwd(bench: Bench) -> None:
    bench.before = with_etc(bench, passwd_without_me())
    for name in ("USER", "LOGNAME"):
        bench.env.pop(name, None)
    agrees(bench, "user not in passwd")


@pytest.mark.needs("bwrap")
def test_no_home_variable_takes_the_home_of_passwd(bench: Bench) -> None:
    me = f"me:x:{os.getuid()}:{os.getgid()}::{bench.home}:/bin/sh\n"
    bench.before = [*with_etc(bench, passwd_without_me() + me), "--unsetenv", "HOME"]
    bench.own_store = False
    agrees(bench, "HOME unset")
    assert (bench.home / ".local/share/pyrootless/images").is_dir()


@pytest.mark.needs("bwrap")
def test_neither_home_variable_nor_passwd(bench: Bench) -> None:
    bench.before = [*with_etc(bench, passwd_without_me()), "--unsetenv", "HOME"]
    done = bench.call([*bench.before, str(bench.launcher), "run", "--rm", "host", "true"])
    assert (done.returncode, done.stdout) == (125, "")
    assert "HOME" in done.stderr
    assert "remedy: " in done.stderr


def test_a_read_only_home(bench: Bench) -> None:
    bench.own_store = False
    bench.home.chmod(0o555)
    agrees(bench, "read-only home")


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_locale_without_utf_8(bench: Bench, locale: str) -> None:
    bench.env["LC_ALL"] = locale
    agrees(bench, f"LC_ALL={locale}")


def latin_1(bench: Bench) -> None:
    """Make the locale, and choose it."""
    target = str(bench.base / "en_US.ISO-8859-1")
    made = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", target]
    assert bench.call(made).returncode == 0
    bench.env |= {"LC_ALL": "en_US.ISO-8859-1", "LOCPATH": str(bench.base)}
    check = [sys.executable, "-I", "-c", "import sys; print(sys.stdout.encoding)"]
    assert bench.call(check).stdout.lower().strip() == "iso8859-1"


@pytest.mark.needs("localedef")
def test_latin_1(bench: Bench) -> None:
    latin_1(bench)
    agrees(bench, "latin-1")


@pytest.mark.needs("localedef", "bwrap")
@pytest.mark.parametrize("words", [("doctor",), ("help",), ("run", "--help"), ("images",)])
def test_latin_1_prints_what_it_cannot_write(bench: Bench, words: tuple[str, ...]) -> None:
    """Sentences and commands have letters that this locale lacks."""
    latin_1(bench)
    done = subprocess.run(
        [*outer_container(masked=True), str(bench.launcher), *words],
        env={**bench.env, "PYROOTLESS_ROOT": str(bench.base / "stores")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr


def run_bytes(bench: Bench, *words: bytes) -> subprocess.CompletedProcess[bytes]:
    """pyrootless run --rm WORDS…, in bytes."""
    return subprocess.run(
        [os.fsencode(bench.launcher), b"run", b"--rm", *words],
        env={**bench.env, "PYROOTLESS_ROOT": str(bench.base / "stores")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.needs("localedef")
@pytest.mark.parametrize("locale", ["C", "POSIX", "latin-1"])
def test_utf_8_names_do_not_depend_on_the_locale(bench: Bench, locale: str) -> None:
    if locale == "latin-1":
        latin_1(bench)
    else:
        bench.env["LC_ALL"] = locale
    name = "/caf\u00e9 \u2026".encode()
    lent = os.fsencode(bench.base) + name
    os.mkdir(lent)
    volume = lent + b":" + name
    done = run_bytes(bench, b"-v", volume, b"host", b"sh", b"-c", b'cd "$0" && pwd', name)
    assert (done.returncode, done.stdout) == (0, name + b"\n"), done.stderr


NO_UTF_8 = [(b"host", b"echo", b"\xe9"), (b"-e", b"A=\xe9", b"host", b"true")]


@pytest.mark.parametrize("words", NO_UTF_8)
def test_bytes_that_are_no_utf_8_are_refused(bench: Bench, words: tuple[bytes, ...]) -> None:
    """config.json is the one description of a launch, and it is text."""
    done = run_bytes(bench, *words)
    assert (done.returncode, done.stdout) == (125, b"")
    error, remedy = done.stderr.decode().splitlines()
    assert "is not UTF-8" in error
    assert remedy.startswith("  remedy: write it in UTF-8")
