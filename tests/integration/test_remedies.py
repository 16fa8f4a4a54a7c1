"""What a person reads after a mistake: remedies of csrc/base/remedy.c that a command provokes.

In: wrong commands.  Out: the sentence that names the mistake, and the command that mends it.
Never: a remedy about another mistake.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.needs("user-namespaces")

# Words of `run --rm`, what failed, what to do.
MISTAKES = {
    "volume": ("-v /nosuch:/x host true", "there is no /nosuch", "ls -ld PATH"),
    "user": ("-u nosuch host true", 'has no user "nosuch"', "cat /etc/passwd /etc/group"),
    "disk": ("--io-max /dev/null:rbps=1m host true", "is no disk", "lsblk"),
    "name": (
        "--network auto --allow-host nosuch.invalid host true",
        "nosuch.invalid has no address",
        "cat /etc/resolv.conf",
    ),
    "size": ("--memory x host true", "--memory", "run --help"),
    "rootfs": ("--rootfs /etc/passwd true", "/etc/passwd", "ls -ld PATH"),
    "file-on-directory": ("-v /etc/passwd:/tmp host true", "/tmp", "ls -ld SOURCE TARGET"),
    "device": ("--device /dev/nosuch host true", "/dev/nosuch", "ls -l"),
    "sysctl": ("--sysctl net.nosuch=1 host true", "net", "ls /proc/sys/net"),
    "ulimit": ("--ulimit nofile=9:5 host true", "nofile", "run --help"),
    "workdir-file": ("-w /etc/passwd host true", "/etc/passwd", "choose another: -w /"),
    "program": ("host nosuch", "nosuch", "run --rm IMAGE ls -l /usr/bin"),
    "not-executable": ("host /etc/passwd", "/etc/passwd", "chmod +x PROGRAM"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_and_its_remedy_is_about_it(pyrootless: Run, mistake: str) -> None:
    words, named, remedy = MISTAKES[mistake]
    done = pyrootless("run", "--rm", *words.split())
    assert done.returncode in (125, 126, 127)
    first, _, rest = done.stderr.partition("\n")
    assert named in first
    assert remedy in rest


def test_a_published_port_that_is_taken(pyrootless: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = pyrootless("run", "--rm", "-p", f"127.0.0.1:{port}:80", "host", "true")
    assert done.returncode == 125
    assert "ss -ltnup" in done.stderr


def test_what_is_no_archive(pyrootless: Run, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("these are notes and no archive\n" * 100)
    done = pyrootless("load", "-i", text)
    assert "this is no tar archive" in done.stderr
    assert "pyrootless import FILE NAME" in done.stderr
    done = pyrootless("import", text, "notes")
    assert done.returncode == 125
    assert "tar -C DIR -c ." in done.stderr and "pyrootless load -i FILE" in done.stderr
    assert "pull" not in done.stderr


def test_a_container_and_a_name_that_are_not_there(pyrootless: Run) -> None:
    done = pyrootless("exec", "nosuch", "true")
    assert "pyrootless ps -a" in done.stderr
    assert pyrootless("run", "--name=taken", "host", "true").returncode == 0
    try:
        done = pyrootless("run", "--name=taken", "host", "true")
        assert "pyrootless rm NAME" in done.stderr
    finally:
        pyrootless("rm", "taken")
