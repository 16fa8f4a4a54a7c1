"""Debian, made from its mirrors, as a machine people work on: apt, users, PostgreSQL.

In: the network that apt has on this machine.  Out: the same with one id and with a range.
Never: a package from this machine's own disk.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = [
    pytest.mark.needs("mmdebstrap", "debian-mirror", "subordinate-ids", "newuidmap"),
    pytest.mark.slow,
]

MAPS = {"range": ["--userns=range"], "single": ["--userns=single", "--fake-root=remember"]}
APT = "apt-get -qq update && apt-get -qq install -y --no-install-recommends"


@pytest.fixture(scope="session")
def debian(launcher: object, engine_environment: dict[str, str]) -> str:
    """The name of an image made by `pyrootless bootstrap`."""
    words = [str(launcher), "bootstrap", "--quiet", "debian:trixie"]
    done = subprocess.run(
        words, env=engine_environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stdout) == (0, "debian:trixie\n"), done.stderr
    return done.stdout.strip()


def _inside(pyrootless: Runner, debian: str, map_name: str, script: str) -> list[str]:
    words = ["--rm", "--network=host", "-e", "DEBIAN_FRONTEND=noninteractive"]
    full = f"set -e; exec 3>&1 1>&2; {script}"
    done = pyrootless("run", *words, *MAPS[map_name], debian, "sh", "-c", full, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("map_name", MAPS)
def test_the_owners_of_the_distribution(pyrootless: Runner, debian: str, map_name: str) -> None:
    script = "stat -c '%n %U:%G %a' /etc/shadow /var/mail /var/cache/apt/archives/partial >&3"
    assert _inside(pyrootless, debian, map_name, script) == [
        "/etc/shadow root:shadow 640",
        "/var/mail root:mail 2775",
        "/var/cache/apt/archives/partial _apt:root 700",
    ]


def test_nothing_of_the_builder_is_in_it(
    pyrootless: Runner, debian: str, engine_environment: dict[str, str]
) -> None:
    (image,) = json.loads(pyrootless("inspect", debian).stdout)
    (layer,) = image["RootFS"]["Layers"]
    tree = Path(engine_environment["PYROOTLESS_ROOT"]) / "layers" / layer[7:] / "tree"
    assert not (tree / "etc/hostname").exists()
    assert (tree / "etc/resolv.conf").read_bytes() == b""
    machine = tree / "etc/machine-id"
    assert not machine.exists() or machine.read_text().strip() in ("", "uninitialized")


@pytest.mark.parametrize("map_name", MAPS)
def test_postgresql_runs_as_its_own_user(
    pyrootless: Runner, debian: str, map_name: str
) -> None:
    script = f"""
        {APT} postgresql >&2
        pg_ctlcluster 17 main start || pg_ctlcluster 17 main status
        su postgres -c "psql -Atc 'select current_user, 6*7'" >&3
        stat -c '%U:%G %a' /var/lib/postgresql/17/main >&3
        ps -o user= -C postgres 2>/dev/null | sort -u >&3 || true
        su postgres -c id >&3
        pg_ctlcluster 17 main stop
    """
    lines = _inside(pyrootless, debian, map_name, script)
    assert lines[:2] == ["postgres|42", "postgres:postgres 700"]
    assert "(postgres)" in lines[-1] and lines[-1].startswith("uid=")


@pytest.mark.parametrize("map_name", MAPS)
def test_a_package_that_adds_users_and_changes_owners(
    pyrootless: Runner, debian: str, map_name: str
) -> None:
    script = f"""
        {APT} openssh-client cron >&2
        stat -c '%n %U:%G %a' /usr/bin/ssh-agent /usr/bin/crontab >&3
        adduser --disabled-password --gecos '' student >&2
        su student -c 'cd && touch mine && stat -c %U:%G mine' >&3
        install -o daemon -g www-data -m 0640 /etc/passwd /tmp/copy
        stat -c '%U:%G %a' /tmp/copy >&3
        tar -C /tmp -cf /tmp/a.tar copy && tar -tvf /tmp/a.tar | cut -d' ' -f1,2 >&3
    """
    assert _inside(pyrootless, debian, map_name, script) == [
        "/usr/bin/ssh-agent root:_ssh 2755",
        "/usr/bin/crontab root:crontab 2755",
        "student:student",
        "daemon:www-data 640",
        "-rw-r----- daemon/www-data",
    ]
