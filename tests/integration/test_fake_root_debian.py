"""Debian's own tools under the fake root: apt, dpkg, adduser, su, setpriv, PostgreSQL.

In: a Debian made by mmdebstrap from the mirror this machine uses, once a run.
Out: packages installed with one id, a server under a user of its own.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.needs("user-namespaces", "mmdebstrap", "debian-mirror")

# The machine's way to its mirror: sources and, where there is one, a proxy.
MACHINE_APT = ("/etc/apt/sources.list.d", "/etc/apt/sources.list", "/etc/resolv.conf")
INSTALL = (
    "exec 3>&1 >/tmp/log 2>&1; trap 'test $? = 0 || tail -n 40 /tmp/log >&3' EXIT; "
    "apt-get update || true; export DEBIAN_FRONTEND=noninteractive; "
    "apt-get install -y --no-install-recommends"
)
TIMEOUT_SECONDS = 600


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked Debian with apt, its files owned by the caller."""
    folder = tmp_path_factory.mktemp("debian")
    archive, tree = folder / "debian.tar", folder / "tree"
    tree.mkdir()
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    make = ["mmdebstrap", "--quiet", "--variant=apt", "--include=passwd", suite, "-"]
    with archive.open("wb") as out:
        subprocess.run(make, check=True, stdout=out, timeout=TIMEOUT_SECONDS, cwd="/")
    unpack = ["tar", "-C", str(tree), "-xf", str(archive), "--exclude=./dev/*"]
    subprocess.run([*unpack, "--no-same-owner"], check=True, timeout=TIMEOUT_SECONDS)
    archive.unlink()
    (tree / "etc/apt/sources.list").unlink(missing_ok=True)  # the machine's are lent
    return tree


@pytest.fixture
def apt(pyrootless: Run, debian: Path) -> Callable[[str], str]:
    """apt(script): what it printed, in a throw-away Debian that reaches the mirror."""
    volumes = []
    parts = [*MACHINE_APT, *map(str, Path("/etc/apt/apt.conf.d").glob("*"))]
    for path in parts:
        name = Path(path).name
        fits = "docker" not in name and name not in ("01autoremove", "70debconf")
        if os.path.exists(path) and fits:
            volumes += ["-v", f"{path}:{path}:ro"]

    def call(script: str) -> str:
        done = pyrootless(
            *("run", "--rm", "--fake-root=remember", "--network=host", *volumes),
            *("--rootfs", f"{debian}:O", "sh", "-c", f"exec 2>&1; set -e; {script}"),
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr
        return done.stdout

    return call


def test_packages_whose_scripts_change_owners(apt: Callable[[str], str]) -> None:
    """A set-group-id program, a directory of a user's own, and what dpkg says about them."""
    out = apt(
        f"{INSTALL} openssh-client man-db; exec >&3 2>&1; "
        "stat -c '%n %A %U:%G' /usr/bin/ssh-agent /var/cache/man; dpkg --audit"
    )
    assert out.splitlines() == [
        "/usr/bin/ssh-agent -rwxr-sr-x root:_ssh",
        "/var/cache/man drwxr-xr-x man:man",
    ]


def test_users_and_their_tools(apt: Callable[[str], str]) -> None:
    out = apt(
        "useradd -m -u 1234 somebody; stat -c %u:%g:%a /home/somebody; "
        "su somebody -c 'id -un; touch ~/f'; stat -c %U ~somebody/f; "
        "setpriv --reuid 33 --regid 33 --clear-groups id -G; "
        "install -o 33 -g 8 -m 640 /etc/passwd /p; stat -c '%u:%g %a' /p; "
        "tar -C / -cf /t p home/somebody; rm -r /p; tar -C /mnt -xpf /t; stat -c %u:%g /mnt/p"
    )
    assert out.splitlines() == [
        "1234:1234:700",
        "somebody",
        "somebody",
        "33",
        "33:8 640",
        "33:8",
    ]


def test_postgresql_runs_under_its_own_user(apt: Callable[[str], str]) -> None:
    """It refuses root and a data directory of another user's, and asks who its peer is."""
    out = apt(
        f"{INSTALL} postgresql; exec >&3 2>&1; "
        "set -- $(pg_lsclusters -h); echo $5; pg_ctlcluster $1 main start; "
        "stat -c %U $6 $6/PG_VERSION; su postgres -c \"psql -Atc 'select current_user'\"; "
        "su postgres -c \"createdb one && psql -Atc 'select 6*7' one\"; "
        "pg_ctlcluster $1 main stop"
    )
    assert out.splitlines() == ["postgres", "postgres", "postgres", "postgres", "42"]
