"""A program that may mount reaches no control group but those of its own container.

In: what is delegated of version 1 or 2; a container beside it, with limits; a group of another
tool's; the same where no group can be had, since another mount hides them.
Out: which groups such a program sees, by every way to a cgroup namespace, and what became of
the neighbours' files.
Never: a group that is left; a group that is not the test's own.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import facts
import pytest
from rungs import NO_GROUPS, Rung, environment_for

POWERS = (
    ("--privileged",),
    ("--cap-add=SYS_ADMIN",),
    ("--security-opt=nested-userns",),
    ("--security-opt=seccomp=unconfined", "--security-opt=landlock=off"),
)
IDENT = 64 * "[0-9a-f]"

# Mounts every hierarchy there is; says which it could, what it saw there, and whether the root
# of one was its own to change.  WAY: what leads to the namespace it is tried in.
ATTACK = """
import json, os, subprocess
lines = [line.strip().split(":", 2) for line in open("/proc/self/cgroup")]
found = {"own": lines, "mounted": [], "groups": [], "made": []}
os.makedirs("/tmp/mounts", exist_ok=True)
for number, names, _own in lines:
    place = f"/tmp/mounts/{number}"
    os.makedirs(place, exist_ok=True)
    kind = ["cgroup", "-o", names] if names else ["cgroup2"]
    words = ["mount", "-t", *kind, "attack", place]
    if subprocess.run(words, stderr=subprocess.DEVNULL).returncode:
        continue
    found["mounted"].append(names)
    for folder, folders, files in os.walk(place):
        found["groups"] += folders
        for file in {"pids.max", "cgroup.freeze", "freezer.state"} & set(files):
            try:
                open(f"{folder}/{file}", "w").write("7" if file == "pids.max" else "THAWED")
            except OSError:
                pass
    try:
        os.mkdir(f"{place}/made")
        os.rmdir(f"{place}/made")
        found["made"].append(names)
    except OSError:
        pass
    subprocess.run(["umount", place], check=True)
print(json.dumps(found))
"""
WAYS = {
    "as it is": (),
    "unshare": ("unshare", "-C", "-m"),
    "nested": ("unshare", "-U", "-r", "-C", "-m"),
}


def own_places() -> list[Path]:
    """Directories of control groups that this user may make groups in, one a hierarchy."""
    user = pwd.getpwuid(os.getuid()).pw_name
    below = Path("/sys/fs/cgroup").glob(f"*/{user}")
    return sorted(place for place in below if os.access(place, os.W_OK))


def has_groups() -> bool:
    """Some are this user's."""
    return bool(own_places()) or not facts.missing("cgroup2-delegated")


def delegated(environment: dict[str, str]) -> dict[str, str]:
    """The environment in which groups are found."""
    version = "cgroup1" if facts.missing("cgroup2-delegated") else "cgroup2"
    return environment_for(version, environment)


@pytest.fixture
def stranger() -> Iterator[str]:
    """The name of groups that no engine made, beside those of the containers'."""
    name = f"test-{secrets.token_hex(8)}"
    made = [place / name for place in own_places()]
    for place in made:
        place.mkdir()
    yield name
    for place in made:
        place.rmdir()


@pytest.fixture(params=["shown", "hidden"])
def rung(
    request: pytest.FixtureRequest, launcher: Path, engine_environment: dict[str, str]
) -> Rung:
    """With the groups that are delegated; with none to be had, since they are hidden."""
    if not has_groups():
        pytest.skip("needs a control group of this user's own")
    if request.param == "shown":
        return Rung("shown", (), launcher, delegated(engine_environment))
    if facts.missing("bwrap"):
        pytest.skip(f"needs bwrap: {facts.missing('bwrap')}")
    return Rung("hidden", NO_GROUPS, launcher, engine_environment)


@pytest.fixture
def victim(rung: Rung) -> Iterator[dict[str, Path]]:
    """The groups of a container with limits that runs beside: VERSION and names → path."""
    plain = Rung("plain", (), rung.launcher, delegated(rung.env))
    name = f"victim-{secrets.token_hex(4)}"
    started = plain.call(
        "run", "-d", f"--name={name}", "--pids-limit=64", "host", "sleep", "600"
    )
    assert started.returncode == 0, started.stderr
    found = json.loads(plain.call("inspect", name).stdout)[0]
    lines = found["Annotations"]["io.pyrootless.limits.cgroups"].splitlines()
    yield {line.rsplit(" ", 1)[0]: Path(line.split(" ", 2)[2]) for line in lines}
    plain.call("rm", "-f", name)


def attack(rung: Rung, options: tuple[str, ...], way: str) -> subprocess.CompletedProcess[str]:
    """What a program finds that was given all of this."""
    return rung.run(
        "--tmpfs=/tmp:mode=1777", *options, "host", *WAYS[way], "python3", "-c", ATTACK
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("options", POWERS, ids=lambda words: words[0].lstrip("-"))
def test_who_may_mount_sees_no_group_but_its_own(
    rung: Rung, victim: dict[str, Path], stranger: str, options: tuple[str, ...], way: str
) -> None:
    done = attack(rung, options, way)
    if done.returncode == 0:
        found = json.loads(done.stdout)
        strangers = [
            name for name in found["groups"] if name.startswith(("pyrootless-", "test-"))
        ]
        assert (strangers, stranger in found["groups"]) == ([], False)
        assert rung.name == "shown" or found["mounted"] == []
    else:  # there is no way to such a namespace
        assert done.returncode == 1 and "unshare" in done.stderr, done.stderr
    files = [path / "pids.max" for path in victim.values() if (path / "pids.max").exists()]
    assert [file.read_text().strip() for file in files] == ["64"]


@pytest.mark.parametrize("rung", ["shown"], indirect=True)
@pytest.mark.parametrize("options", POWERS[:2], ids=lambda words: words[0].lstrip("-"))
def test_who_may_mount_makes_groups_below_its_own(rung: Rung, options: tuple[str, ...]) -> None:
    """The twin: a container engine inside needs that."""
    found = json.loads(attack(rung, options, "as it is").stdout)
    assert {own for _, _, own in found["own"]} == {"/"}
    assert found["mounted"] and set(found["mounted"]) >= set(found["made"]) != set()


@pytest.mark.alone
@pytest.mark.parametrize("rung", ["shown"], indirect=True)
def test_the_groups_go_with_the_container(rung: Rung) -> None:
    done = rung.run("--privileged", "--verify", "host", "cat", "/proc/self/cgroup")
    assert done.returncode == 0, done.stderr
    left = [path for place in own_places() for path in place.glob(f"pyrootless-{IDENT}")]
    names = {path.name for path in left}
    running = set(Path(rung.env["XDG_RUNTIME_DIR"], "pyrootless/running").glob("*"))
    assert names <= {f"pyrootless-{path.name}" for path in running}


@pytest.mark.parametrize("rung", ["hidden"], indirect=True)
def test_where_no_group_can_be_had_there_is_no_cgroup_namespace(rung: Rung) -> None:
    """And --verify knows it, with the filter that keeps one from being made."""
    done = rung.run("--privileged", "--verify", "host", "readlink", "/proc/self/ns/cgroup")
    assert (done.returncode, done.stdout.strip()) == (0, os.readlink("/proc/self/ns/cgroup"))
    done = rung.run("host", "readlink", "/proc/self/ns/cgroup")
    assert done.returncode == 0
    assert done.stdout.strip() != os.readlink("/proc/self/ns/cgroup")
