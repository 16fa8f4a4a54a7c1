"""The one table of options: complete rows, and each reaches what it says it reaches.

In: prl_option_table through the binding, the launcher's --print-spec.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTE = "io.pyrootless."
# Rows without help are not for people: name → who uses them.
HIDDEN = {"seccomp-program": "Python, after compiling a filter for --security-opt"}
TOPS = {"process", "root", "hostname", "domainname", "mounts", "linux", "annotations"}

# Whatever is delegated here, or nothing.
WEAK = ["--limits=best-effort"]

# Native rows with a field → arguments that change it.  DIR, FILE, PROGRAM are filled in.
SAMPLES: dict[str, list[str]] = {
    "add-host": ["--add-host=db:10.0.0.1"],
    "allow-host": ["--network=pasta", "--allow-host=192.0.2.1:443"],
    "annotation": ["--annotation=org.example.key=value"],
    "cap-add": ["--cap-add=SYS_ADMIN"],
    "cap-drop": ["--cap-drop=CHOWN"],
    "dns": ["--dns=192.0.2.53"],
    "dns-option": ["--dns-option=ndots:2"],
    "dns-search": ["--dns-search=example.org"],
    "cgroupns": ["--cgroupns=host"],
    "cpu-period": ["--cpu-period=50000"],
    "cpu-quota": [*WEAK, "--cpu-quota=50000"],
    "cpu-shares": [*WEAK, "--cpu-shares=512"],
    "cpu-time": [*WEAK, "--cpu-time=1.5"],
    "cpus": [*WEAK, "--cpus=1.5"],
    "cpuset-cpus": [*WEAK, "--cpuset-cpus=0"],
    "device": ["--device=/dev/full:/dev/lent"],
    "domainname": ["--domainname=example.org"],
    "entrypoint": ["--entrypoint=/bin/echo"],
    "env": ["--env=NAME=value"],
    "env-file": ["--env-file=FILE"],
    "ephemeral": ["--ephemeral"],
    "ephemeral-inodes": ["--ephemeral", "--ephemeral-inodes=1000"],
    "ephemeral-size": ["--ephemeral", "--ephemeral-size=16m"],
    "expose": ["--expose=80-81/udp"],
    "group-add": ["--userns=range", "--group-add=5"],
    "fake-root": ["--fake-root=remember"],
    "hostname": ["--hostname=other"],
    "init": ["--init"],
    "interactive": ["--interactive"],
    "ipc": ["--ipc=host"],
    "verify": ["--verify"],
    "health-cmd": ["--health-cmd=true"],
    "health-interval": ["--health-interval=10s"],
    "health-retries": ["--health-retries=2"],
    "health-start-interval": ["--health-start-interval=1s"],
    "health-start-period": ["--health-start-period=20s"],
    "health-timeout": ["--health-timeout=5s"],
    "no-healthcheck": ["--no-healthcheck"],
    "log-driver": ["--log-driver=k8s-file"],
    "log-opt": ["--log-opt=max-size=10m"],
    "label": ["--label=KEY=value"],
    "label-file": ["--label-file=FILE"],
    "mac-address": ["--network=pasta", "--mac-address=02:00:00:00:00:01"],
    "limits": ["--limits=best-effort"],
    "memory": [*WEAK, "--memory=64m"],
    "memory-reservation": [*WEAK, "--memory-reservation=32m"],
    "memory-swap": [*WEAK, "--memory=64m", "--memory-swap=128m"],
    "mount": ["--mount=type=bind,src=DIR,dst=/there"],
    "name": ["--name=contract-test"],
    "no-holder": ["--userns=range", "--no-holder"],
    "network": ["--network=host"],
    "oom-score-adj": ["--oom-score-adj=1000"],
    "pids-limit": [*WEAK, "--pids-limit=64"],
    "privileged": ["--privileged"],
    "publish": ["--network=pasta", "--publish=18080:80"],
    "publish-all": ["--network=pasta", "--publish-all"],
    "read-only": ["--read-only"],
    "read-only-tmpfs": ["--read-only", "--read-only-tmpfs=true"],
    "restart": ["--restart=on-failure:3"],
    "rm": ["--rm"],
    "rootfs": ["--rootfs"],
    "seccomp-program": ["--seccomp-program=PROGRAM"],
    "security-opt": ["--security-opt=seccomp=unconfined"],
    "shm-size": ["--shm-size=1m"],
    "stop-signal": ["--stop-signal=INT"],
    "stop-timeout": ["--stop-timeout=3"],
    "storage-size": ["--ephemeral", "--storage-size=16m"],
    "storage-opt": ["--ephemeral", "--storage-opt=size=16m"],
    "storage-driver": ["--storage-driver=overlay"],
    "sysctl": ["--sysctl=kernel.msgmax=65536"],
    "timeout": ["--timeout=5"],
    "tmpfs": ["--tmpfs=/scratch"],
    "tty": ["--tty"],
    "ulimit": ["--ulimit=nofile=64:64"],
    "user": ["--user=1:1"],
    "userns": ["--userns=range"],
    "uts": ["--uts=host"],
    "volume": ["--volume=DIR:/there"],
    "volumes-from": ["--volumes-from=box"],
    "workdir": ["--workdir=/tmp"],
}

# What these rows change stands in a mounted file, or in the container's directory, which
# --print-spec does not make: they have tests of their own.
NOT_PRINTED = {"add-host", "dns", "dns-option", "dns-search", "ephemeral", "publish-all"}
NOT_PRINTED |= {"volumes-from"}  # tests/integration/test_volumes.py

# Arguments without which a row would change nothing.
BASES = {
    "no-holder": ["--userns=range"],
    "read-only-tmpfs": ["--read-only", "--read-only-tmpfs=false"],
}

# These need something of the machine.
NEEDS = {
    "allow-host": ("pasta",),
    "group-add": ("subordinate-ids", "newuidmap"),
    "mac-address": ("pasta",),
    "no-holder": ("subordinate-ids", "newuidmap"),
    "publish": ("pasta",),
    "userns": ("subordinate-ids", "newuidmap"),
}
# These need a disk by name, and a control group: tests/integration/test_limits.py.
DISKS = {f"device-{way}-{what}" for way in ("read", "write") for what in ("bps", "iops")}
DISKS |= {"io-max"}

# These need more than one id.
RANGES = {"group-add", "no-holder", "userns"}


def sample(name: str) -> Any:
    """A row's sample, with what it needs of the machine."""
    needs = NEEDS.get(name)
    return pytest.param(name, marks=[pytest.mark.needs(*needs)] if needs else [])


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def table() -> list[dict[str, Any]]:
    from pyrootless.core import _containers

    return list(_containers.option_rows())


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return table()


def is_native(row: dict[str, Any]) -> bool:
    """Whether the launcher serves the row itself."""
    return not row["engine"]


def test_names_and_letters_are_unique(rows: list[dict[str, Any]]) -> None:
    from pyrootless.core import _containers

    for verb, bit in _containers.VERBS.items():
        own = [row for row in rows if int(row["verbs"]) & bit]
        names = [row["name"] for row in own]
        letters = [row["letter"] for row in own if row["letter"]]
        assert sorted(set(names)) == sorted(names), verb
        assert sorted(set(letters)) == sorted(letters), verb
    assert len(rows) > 30


def test_names_are_spelled_alike(rows: list[dict[str, Any]]) -> None:
    assert [r["name"] for r in rows if not re.fullmatch(r"[a-z]+(-[a-z]+)*", r["name"])] == []


def test_help_is_one_line_without_a_full_stop(rows: list[dict[str, Any]]) -> None:
    wrong = []
    for row in rows:
        text = row["help"]
        if row["name"] in HIDDEN:
            assert text == "", "a hidden row has no help"
        elif not text or "\n" in text or text.endswith(".") or text[0].isupper():
            wrong.append((row["name"], text))
    assert wrong == []


def test_flags_take_no_value_and_others_name_theirs(rows: list[dict[str, Any]]) -> None:
    wrong = [r["name"] for r in rows if (r["kind"] in (0, "flag")) != (r["metavar"] == "")]
    assert wrong == []


def test_fields_are_fields(rows: list[dict[str, Any]]) -> None:
    documented = (ROOT / "docs/reference/annotations.md").read_text()
    for row in rows:
        field = row["field"]
        if field.startswith("/"):
            assert field.split("/")[1] in TOPS, row["name"]
        elif field != "-":
            assert field.startswith(NOTE), row["name"]
            assert f"`{field}`" in documented, row["name"]


def test_every_row_with_a_field_has_a_sample(rows: list[dict[str, Any]]) -> None:
    wanted = {row["name"] for row in rows if is_native(row) and row["field"] != "-"}
    assert wanted == set(SAMPLES) | DISKS


def value_at(config: dict[str, Any], field: str) -> Any:
    """What stands at a field: a JSON pointer, or an annotation's name."""
    if field.startswith(NOTE):
        if field.endswith(".KEY"):
            prefix = field.removesuffix("KEY")
            notes = config["annotations"].items()
            return {name: text for name, text in notes if name.startswith(prefix)}
        return config["annotations"].get(field)
    node: Any = config
    for part in field.split("/")[1:]:
        node = node.get(part) if isinstance(node, dict) else None
    return node


def printed_spec(pyrootless: Run, *arguments: str) -> dict[str, Any]:
    """config.json of a launch, with the container's own id written as ID."""
    done = pyrootless("run", "--print-spec", *arguments)
    assert done.returncode == 0, done.stderr
    ident = json.loads(done.stdout)["annotations"][f"{NOTE}id"]
    text = done.stdout.replace(ident, "ID").replace(ident[:12], "SHORT")
    return dict(json.loads(text))


@pytest.fixture
def replacements(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "file").write_text("NAME=value\n")
    program = tmp_path / "program.bpf"
    # One instruction: BPF_RET | BPF_K, SECCOMP_RET_ALLOW, native (little-endian) order.
    program.write_bytes(bytes([6, 0, 0, 0, 0, 0, 255, 127]))
    return {"DIR": str(tmp_path), "FILE": str(tmp_path / "file"), "PROGRAM": str(program)}


@pytest.mark.needs("user-namespaces")
@pytest.mark.parametrize("name", [sample(name) for name in sorted(set(SAMPLES) - NOT_PRINTED)])
def test_row_reaches_its_field(
    name: str, pyrootless: Run, replacements: dict[str, str], rows: list[dict[str, Any]]
) -> None:
    field = next(row["field"] for row in rows if row["name"] == name)
    arguments = []
    for word in SAMPLES[name]:
        for key, text in replacements.items():
            if word.endswith(f"={key}") or f"={key}:" in word or f"={key}," in word:
                word = word.replace(key, text, 1)
        arguments.append(word)
    base = BASES.get(name, [])
    subject = [replacements["DIR"], "/bin/true"] if name == "rootfs" else ["host", "true"]
    before = printed_spec(pyrootless, *base, "host", "true")
    after = printed_spec(pyrootless, *arguments, *subject)
    assert value_at(after, field) != value_at(before, field)


@pytest.mark.needs("user-namespaces")
def test_add_host_reaches_its_file(pyrootless: Run) -> None:
    show = ("run", "--rm", "--add-host=db:10.0.0.1", "host", "grep", "-w", "db", "/etc/hosts")
    done = pyrootless(*show)
    assert done.stdout.split() == ["10.0.0.1", "db"], done.stderr


@pytest.mark.needs("user-namespaces")
@pytest.mark.parametrize(("option", "volatile"), [("--ephemeral", False), ("--rm", True)])
def test_upper_is_where_it_was_asked_for(pyrootless: Run, option: str, volatile: bool) -> None:
    """In memory, or on disk and not synced: the options of the mount tell, and no path."""
    done = pyrootless("run", option, "host", "grep", " / / ", "/proc/self/mountinfo")
    options = done.stdout.split(" - ")[1].split()[2].split(",")
    [directory] = [word for word in options if word.startswith("upperdir=")]
    assert re.fullmatch(r"upperdir=/proc/self/fd/\d+(/upper)?", directory)
    assert any("volatile" in word for word in options) == volatile


def test_man_page_names_every_row(rows: list[dict[str, Any]]) -> None:
    verbs = ("run", "attach", "logs", "start", "restart")
    pages = [(ROOT / "docs" / "man" / f"pyrootless-{verb}.1") for verb in verbs]
    page = "".join(path.read_text() for path in pages).replace("\\-", "-")
    shown = [row["name"] for row in rows if row["help"]]
    assert [name for name in shown if f"--{name}" not in page] == []
    assert [name for name in HIDDEN if f"--{name}" in page] == []
