"""`--verify`: what was asked for is read back from the kernel before the program begins.

In: containers of every kind; a kernel that says "done" and did nothing (tests/faults/deny.c).
Out: a program that ran; or an error that names what is missing, and a program that never began.
"""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pyrootless as package

if TYPE_CHECKING:
    from conftest import World

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Compile = Callable[[str, str], Path]

DENY = Path(__file__).resolve().parents[1] / "faults" / "deny.c"
FUSE = pytest.mark.needs("fuse", "fuse-overlayfs")
RANGE = pytest.mark.needs("subordinate-ids", "newuidmap")

pytestmark = [
    pytest.mark.context_root,
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]

KINDS = [
    (),
    ("--init",),
    ("-t",),
    ("--userns=single",),
    pytest.param(("--userns=range", "-u", "1000:1000"), marks=RANGE),
    pytest.param(("--userns=range", "--group-add", "5", "--init"), marks=RANGE),
    pytest.param(("--userns=keep-id",), marks=RANGE),
    ("--fake-root=remember", "--init"),
    ("--network=host",),
    ("--privileged", "-t"),
    ("--cap-drop=ALL", "--read-only"),
    ("--security-opt", "seccomp=unconfined", "--security-opt", "landlock=off"),
    ("--security-opt", "no-new-privileges=false"),
    ("--security-opt", "mask=/usr/share:/etc/hosts", "--tmpfs", "/tmp/x"),
    ("--ulimit", "nofile=64:128", "--limits=best-effort", "--memory=64m", "--pids-limit=50"),
    pytest.param(("--storage-driver=fuse-overlayfs",), marks=FUSE),
    pytest.param(("--storage-driver=fuse-overlayfs", "--userns=range"), marks=[FUSE, RANGE]),
]


@pytest.mark.parametrize("options", KINDS)
def test_what_was_asked_for_is_found(pyrootless: Run, options: tuple[str, ...]) -> None:
    done = pyrootless("run", "--rm", "--verify", *options, "host", "echo", "began")
    assert (done.returncode, done.stdout.strip()) == (0, "began"), done.stderr


@pytest.mark.parametrize("options", [(), ("--init",)])
def test_an_image_of_the_store_is_found_as_asked(
    pyrootless: Run, world: World, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Mount points behind links of the image's own among them."""
    (world.root / "link").symlink_to("inside")
    volume = ("-v", f"{tmp_path}:/link/new:ro")
    done = pyrootless(
        "run", "--rm", "--verify", *options, *volume, world.image(), "/bin/ls", "/"
    )
    assert done.returncode == 0, done.stderr
    assert "link" in done.stdout.split()


def landlock_abi() -> int:
    """The kernel's Landlock ABI, 0 without one."""
    abi: int = ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1)
    return max(0, abi)


LANDLOCK = pytest.mark.skipif(landlock_abi() < 2, reason="needs Landlock ABI 2 (Linux 5.19)")
LIES = [
    ("prctl", (), "CapBnd"),
    ("seccomp", (), "Seccomp_filters"),
    ("mount_setattr", (), "mount "),
    ("umount2", ("--privileged",), "mounts: asked for one root"),
    ("prlimit64", ("--ulimit", "nofile=64:128"), "resource limit 7"),
    ("umask", (), "Umask"),
    ("close_range", (), "descriptors"),
    pytest.param("landlock_restrict_self", (), "Landlock", marks=LANDLOCK),
]


def lied_to(
    launcher: Path, env: dict[str, str], deny: Path, call: str, options: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """A start on a kernel that lies about one call; descriptor 9 and no mask come with it."""
    shell = ["sh", "-c", 'umask 077; exec 9</; exec "$@"', "sh"]
    begin = [str(deny), "--lie", call, "--", str(launcher), "run", "--rm", "--ephemeral"]
    return subprocess.run(
        [*shell, *begin, *options, "echo", "began"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(("call", "options", "words"), LIES)
def test_a_lie_of_the_kernel_is_found(
    pyrootless: Run,
    launcher: Path,
    engine_environment: dict[str, str],
    compiled: Compile,
    call: str,
    options: tuple[str, ...],
    words: str,
) -> None:
    assert pyrootless("run", "--rm", "host", "true").returncode == 0
    deny = compiled("deny", DENY.read_text())
    done = lied_to(launcher, engine_environment, deny, call, ("--verify", *options, "host"))
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    assert words in done.stderr.splitlines()[0]
    assert "remedy: " in done.stderr


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("call", ["seccomp", "mount_setattr"])
def test_without_the_option_the_lie_is_believed(
    launcher: Path, engine_environment: dict[str, str], compiled: Compile, call: str
) -> None:
    """The positive control: it is the reading back that finds it."""
    deny = compiled("deny", DENY.read_text())
    done = lied_to(launcher, engine_environment, deny, call, ("host",))
    assert (done.returncode, done.stdout) == (0, "began\n"), done.stderr


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("options", [(), ("--init",)])
def test_a_volume_that_is_not_there_is_found(
    launcher: Path,
    engine_environment: dict[str, str],
    compiled: Compile,
    world: World,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    (world.root / "bin" / "echo").symlink_to("busybox")
    deny = compiled("deny", DENY.read_text())
    words = ("--verify", "--userns=single", *options, "-v", f"{tmp_path}:/inside/new")
    done = lied_to(launcher, engine_environment, deny, "move_mount", (*words, world.image()))
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    assert re.search(r"mounts: asked for \S+, the kernel has none there", done.stderr)


def test_a_filter_of_other_bytes_is_found(pyrootless: Run, tmp_path: Path) -> None:
    """The file that is loaded is not the one whose digest was asked for."""
    printed = pyrootless("run", "--rm", "--verify", "--print-spec", "host", "echo", "began")
    config = json.loads(printed.stdout)
    program = Path(config["annotations"]["io.pyrootless.seccomp.program"]).read_bytes()
    other = tmp_path / "other.bpf"
    other.write_bytes(program[:-8] + b"\x06\0\0\0\0\0\xff\x7f")
    for path, code in ((None, 0), (str(other), 125)):
        if path is not None:
            config["annotations"]["io.pyrootless.seccomp.program"] = path
        done = pyrootless("run", "--rm", "--spec", "-", input=json.dumps(config))
        assert done.returncode == code, done.stderr
    assert "seccomp filter: asked for sha256:" in done.stderr


def test_a_program_that_is_not_there_is_told_as_ever(pyrootless: Run) -> None:
    for options in ((), ("--init",)):
        done = pyrootless("run", "--rm", "--verify", *options, "host", "nosuchprogram")
        assert (done.returncode, done.stdout) == (127, "")
        assert "exec: execve(nosuchprogram)" in done.stderr


def test_from_python(
    engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in engine_environment.items():
        monkeypatch.setenv(name, value)
    result = package.run("host", ["echo", "began"], verify=True, rm=True)
    assert (result.stdout, result.verified) == (b"began\n", True)
    assert package.run("host", ["true"], rm=True).verified is False
