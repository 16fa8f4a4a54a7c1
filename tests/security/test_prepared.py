"""The promises of SECURITY.md, kept by prepared containers as by direct ones.

In: the tests of the direct path, with `pyrootless run` going through a prepared container
(prepared_run.py); two runs of one pool.
Out: the same answers; nothing of one run in the next.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pyrootless as package
from tests.security.conftest import run_prepared

# The same tests, through this module's `pyrootless`: those about what the start barrier does
# itself, and about what was set up before it.
from tests.security.test_escapes import (  # noqa: F401
    test_a_descriptor_of_the_caller_is_not_inherited,
    test_a_planted_variable_is_not_seen,
    test_a_script_with_an_interpreter_inside_starts,
    test_abstract_sockets_of_the_host,
    test_leaving_a_chroot_ends_at_the_containers_root,
    test_mountinfo_names_no_path_of_the_host,
    test_no_descriptor_is_a_working_directory,
    test_the_executable_of_process_1_is_not_the_launcher,
    test_the_launcher_is_not_executed_inside,
)
from tests.security.test_posture import documented, run_probe, wrong

Run = Callable[..., "subprocess.CompletedProcess[str]"]
HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.needs("user-namespaces", "gcc", "busybox")


@pytest.fixture
def pyrootless(engine_environment: dict[str, str]) -> Iterator[Run]:
    """As the fixture of the same name, through a prepared container."""

    def call(*args: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        return run_prepared([str(word) for word in args], engine_environment, options)

    yield call


@pytest.mark.needs("x86_64")
def test_the_probe_answers_the_same(pyrootless: Run, probe: Path) -> None:
    assert wrong(run_probe(pyrootless, probe), documented()) == []


LEAVE = r"""
echo left >/left; echo left >/tmp/left; echo left >/dev/shm/left; echo left >/root/left
busybox hostname left 2>/dev/null
mkdir /dev/mqueue/left 2>/dev/null; : >/dev/mqueue/left
busybox ip link add left type dummy 2>/dev/null
busybox sleep 600 & exec 3>/dev/shm/open
umask 077; ulimit -n 64; cd /tmp; export LEFT=left
"""
FIND = r"""
find / -xdev -name 'left*' 2>/dev/null; ls -A /dev/shm /dev/mqueue /tmp
busybox hostname | grep left; busybox ip link | grep left; busybox ps -o args | grep '[s]leep'
env | grep LEFT; pwd; umask; ulimit -n
"""
NAMESPACES = "readlink /proc/self/ns/" + " /proc/self/ns/".join(
    ("user", "mnt", "pid", "ipc", "uts", "net", "cgroup")
)


@pytest.fixture
def store(engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYROOTLESS_ROOT", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, engine_environment[name])


@pytest.mark.usefixtures("store")
def test_nothing_of_a_run_is_in_the_next() -> None:
    with package.Pool("host", size=1) as pool:
        clean = pool.run(["sh", "-c", FIND])
        left = pool.run(["sh", "-c", LEAVE + FIND])
        after = pool.run(["sh", "-c", FIND])
    assert b"left" in left.stdout and b"sleep" in left.stdout
    assert (after.stdout, after.stderr) == (clean.stdout, clean.stderr)
    assert b"left" not in after.stdout


@pytest.mark.usefixtures("store")
def test_every_run_has_namespaces_of_its_own() -> None:
    with package.Pool("host", size=1) as pool:
        seen = [pool.run(["sh", "-c", NAMESPACES]).text.split() for _ in range(2)]
    # A number that was given back may be given out again: what must differ is the host's.
    host = subprocess.run(
        ["sh", "-c", NAMESPACES], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    for found in seen:
        assert len(found) == 7 and not set(found) & set(host)


@pytest.mark.usefixtures("store")
def test_two_at_once_share_no_namespace() -> None:
    command = ["sh", "-c", f"{NAMESPACES}; read -r _"]
    with (
        package.Pool("host", size=2) as pool,
        pool.launch(command, stdin=subprocess.PIPE) as one,
        pool.launch(command, stdin=subprocess.PIPE) as other,
    ):
        assert one.stdout and other.stdout
        names = [set(child.stdout.read(65536).split()) for child in (one, other)]
    assert [len(found) for found in names] == [7, 7] and not names[0] & names[1]


@pytest.mark.usefixtures("store")
def test_what_waits_is_confined_already(tmp_path: Path) -> None:
    """Before it knows its program: filter, no_new_privs, capabilities, own root."""
    with package.Pool("host", size=1) as pool:
        box = pool._stock._ready[0]
        status = Path(f"/proc/{box.container.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        bounding = json.loads(box.container.config)["process"]["capabilities"]["bounding"]
        descriptors = sorted(
            path.name for path in Path(f"/proc/{box.container.pid}/fd").iterdir()
        )
        environment = Path(f"/proc/{box.container.pid}/environ").read_bytes()
        root = Path(f"/proc/{box.container.pid}/root")
        assert not (root / str(tmp_path).lstrip("/")).exists()
    assert (fields["Seccomp"], fields["NoNewPrivs"]) == ("2", "1")
    assert int(fields["CapBnd"], 16).bit_count() == len(bounding)
    assert len(descriptors) == 4, descriptors  # the streams and the socket
    assert environment == b""
