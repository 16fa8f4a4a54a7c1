"""What a program in a container of the default posture can do: the table of SECURITY.md.

In: probe.c, run in the image `host` and in one of the store; SECURITY.md.
Out: every line the two do not share, and every test that SECURITY.md names and nobody wrote.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from posture_table import answers, documented, wrong

if TYPE_CHECKING:
    from conftest import World

Run = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).resolve().parents[2]
NAMED_TEST = re.compile(r"`((?:tests/)[a-z_/]+\.py)::(test_[a-z0-9_]+)`")

pytestmark = pytest.mark.needs("user-namespaces", "gcc")


def run_probe(
    pyrootless: Run, probe: Path, *options: str, image: str = "host"
) -> dict[str, str]:
    """The probe's answers with these options."""
    volume = f"{probe}:/probe:ro"
    done = pyrootless("run", "--rm", "--ephemeral", *options, "-v", volume, image, "/probe")
    assert done.returncode == 0, done.stderr
    return answers(done.stdout)


@pytest.mark.context_root
@pytest.mark.context_single
@pytest.mark.context_nested
@pytest.mark.needs("x86_64")
def test_the_probe_answers_what_security_md_says(pyrootless: Run, probe: Path) -> None:
    assert wrong(run_probe(pyrootless, probe), documented()) == []


@pytest.mark.needs("x86_64", "subordinate-ids", "newuidmap")
@pytest.mark.parametrize("way", ["newuidmap", "held"])
@pytest.mark.parametrize("options", [(), ("--group-add", "5")])
def test_a_map_of_many_ids_permits_nothing_more(
    pyrootless: Run, probe: Path, options: tuple[str, ...], way: str
) -> None:
    assert wrong(run_probe(pyrootless, probe, "--userns=range", *options), documented()) == []


@pytest.mark.needs("x86_64")
def test_the_fake_root_changes_one_answer(pyrootless: Run, probe: Path) -> None:
    table = documented() | {"mknod of a device": "allowed"}
    assert wrong(run_probe(pyrootless, probe, "--fake-root=remember"), table) == []


STORED = {"create in /usr": "allowed"}
"""What differs in an image of the store: its files are the container's own to change."""
FAKE_ROOT = {"mknod of a device": "allowed"}
SINGLE = "--userns=single"
RANGE = pytest.param(
    "--userns=range", {}, "", marks=pytest.mark.needs("subordinate-ids", "newuidmap")
)
HELD = pytest.param(
    "--userns=range", {}, "held", marks=pytest.mark.needs("subordinate-ids", "newuidmap")
)
DRIVERS = [
    "overlay",
    pytest.param("fuse-overlayfs", marks=pytest.mark.needs("fuse", "fuse-overlayfs")),
]


@pytest.mark.context_root
@pytest.mark.context_single
@pytest.mark.needs("x86_64", "busybox")
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("ids", "changed", "way"), [(SINGLE, FAKE_ROOT, ""), RANGE, HELD])
def test_an_image_of_the_store_permits_nothing_more(
    pyrootless: Run,
    probe: Path,
    world: World,
    driver: str,
    ids: str,
    changed: dict[str, str],
    way: str,
) -> None:
    for name in ("tmp", "usr"):
        (world.root / name).mkdir()
    options = (f"--storage-driver={driver}", ids)
    probed = run_probe(pyrootless, probe, *options, image=world.image())
    assert wrong(probed, documented() | STORED | changed) == []


def test_a_difference_is_told_both_ways() -> None:
    table = {"a": "EPERM", "b": "ENOENT or ENXIO", "c": "allowed"}
    assert wrong({"a": "EPERM", "b": "ENXIO", "c": "allowed"}, table) == []
    assert wrong({"a": "allowed", "b": "EIO", "d": "EPERM"}, table) == [
        "a: probe 'allowed', SECURITY.md 'EPERM'",
        "b: probe 'EIO', SECURITY.md 'ENOENT or ENXIO'",
        "c: probe None, SECURITY.md 'allowed'",
        "d: probe 'EPERM', SECURITY.md None",
    ]


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (
            ("--security-opt", "seccomp=unconfined"),
            {"Seccomp": "0", "keyctl": "allowed", "io_uring_setup": "allowed"},
        ),
        (
            ("--cap-drop", "ALL"),
            {"CapEff": "0" * 16, "CapBnd": "0" * 16, "chroot": "EPERM"},
        ),
        (
            ("--network", "host"),
            {"socket AF_INET": "allowed", "socket AF_VSOCK": "EAFNOSUPPORT"},
        ),
    ],
)
def test_a_security_option_is_applied(
    pyrootless: Run, probe: Path, options: tuple[str, ...], changed: dict[str, str]
) -> None:
    """The probe can tell: what an option gives or takes shows in its answers."""
    probed = run_probe(pyrootless, probe, *options)
    assert {question: probed[question] for question in changed} == changed


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--cap-add", "ALL"),
        ("--privileged",),
        ("-u", "1000:1000"),
        ("--userns=single", "-u", "1000:1000"),
        ("--userns=range",),
        ("--userns=range", "-u", "1000:1000"),
        ("--userns=range", "--cap-add", "ALL", "-u", "1000:1000"),
        ("--userns=keep-id",),
        ("--userns=keep-id", "--privileged"),
        ("--init",),
        ("--cap-add", "NET_ADMIN", "--security-opt", "seccomp=unconfined"),
    ],
)
@pytest.mark.needs("subordinate-ids", "busybox")
@pytest.mark.parametrize("place", ["host", "image"])
def test_no_flag_leaves_inheritable_or_ambient_capabilities(
    pyrootless: Run, probe: Path, world: World, place: str, options: tuple[str, ...]
) -> None:
    image = world.image() if place == "image" else place
    probed = run_probe(pyrootless, probe, *options, image=image)
    assert (probed["CapInh"], probed["CapAmb"]) == ("0" * 16, "0" * 16)


def test_security_md_names_tests_that_exist() -> None:
    named = NAMED_TEST.findall((ROOT / "SECURITY.md").read_text())
    assert len(named) > 10
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert missing == []


@pytest.mark.context_root
@pytest.mark.parametrize("option", ["--privileged", "--security-opt=unmask=ALL"])
def test_the_hosts_kernel_settings_stay_read_only(pyrootless: Run, option: str) -> None:
    # For a caller who is root the kernel's owner check passes; only the mount refuses.
    path = "/proc/sys/kernel/core_pattern"
    script = f"(: 3<>{path}) 2>/dev/null && echo opened; test -r {path} && echo readable"
    done = pyrootless("run", "--rm", "--ephemeral", option, "host", "sh", "-c", script)
    assert done.stdout == "readable\n"
