"""One config.json, two runtimes: a program sees the same, but for docs/differences.md.

In: crun, a static busybox as the whole root file system, docs/differences.md.
Out: every fact that differs, by name; every row of the page that no longer holds.
Never: root, a change to the machine's cgroups.

crun refuses to start where cgroup v1 and v2 are mixed, even without a manager.  Both runtimes
therefore run in a bubblewrap that shows an empty /sys/fs/cgroup and changes nothing else.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "differences.md"
SECONDS = 60
ABSENT = "absent"
PLACE = ("bwrap", "--dev-bind", "/", "/", "--tmpfs", "/sys/fs/cgroup")
DIRECTORIES = ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "var/tmp")

# A fact a line: name, tab, value.  $$ is the program itself, process 1.  What the shell changes
# while it starts a child (its signal mask, its descriptors) is read in the child, from `self`.
PROBE = r"""
b=/bin/busybox
tab=$($b printf '\t')
echo "id$tab$($b id)"
echo "cwd$tab$($b pwd)"
echo "hostname$tab$($b hostname)"
echo "session$tab$($b cut -d' ' -f 1,5,6,7 /proc/$$/stat)"
echo "uid_map$tab$($b tr -s ' ' < /proc/self/uid_map)"
echo "gid_map$tab$($b tr -s ' ' < /proc/self/gid_map)"
echo "setgroups$tab$($b cat /proc/self/setgroups)"
echo "oom_score_adj$tab$($b cat /proc/self/oom_score_adj)"
$b grep -E '^(Umask|Uid|Gid|Groups|Sig(Blk|Ign)|Cap.*|NoNewPrivs|Seccomp.*):' \
    /proc/self/status | $b sed 's/^/status /'
$b sed -E '1d; s/^/limit /; s/  +/\t/; s/  +/ /g' /proc/self/limits
$b env | $b sed -n 's/^/env /; s/=/\t/p'
$b ip -o link | $b sed -E 's/^[0-9]+: ([^:]*): /link \1\t/'
$b ip -o addr | $b sed -E 's/^[0-9]+: ([^ ]*) +([^ ]*) ([^ ]*).*/address \1 \3\t\2/'
while read -r _ _ _ _ at flags rest; do
    type=${rest#*- }
    echo "mount $at$tab${type%% *} $flags"
done < /proc/self/mountinfo
for path in /dev/* /dev/pts/*; do
    if [ -L "$path" ]; then
        echo "dev ${path#/dev/}${tab}link $($b readlink "$path")"
    else
        echo "dev ${path#/dev/}$tab$($b stat -c '%A %u:%g %t:%T' "$path")"
    fi
done
echo "descriptors$tab"$($b ls /proc/self/fd)
try() { name=$1; shift; echo "try $name$tab$("$@" 2>&1 < /dev/null; echo "status $?")"; }
try mount $b mount -t tmpfs none /tmp
try umount $b umount /proc
try remount $b mount -o remount,rw /sys
try unshare $b unshare -U $b true
try mknod $b mknod /tmp/zero c 1 5
try chroot $b chroot / $b true
try sysctl $b sh -c 'echo x > /proc/sys/kernel/domainname'
try kcore $b head -c 1 /proc/kcore
try keys $b cat /proc/keys
try hostname $b hostname other
try nice $b nice -n -5 $b true
"""
OPTIONS = {
    "default": [],
    "asked": [
        *("--ulimit", "nofile=512:1024", "--ulimit", "core=0", "--env", "GREETING=hello"),
        *("--workdir", "/tmp", "--tmpfs", "/run:size=1m", "--shm-size", "2m"),
    ],
    "locked": ["--read-only", "--cap-drop", "ALL", "--cap-add", "CHOWN"],
}


@dataclass(frozen=True)
class Row:
    """A difference that is allowed: `fact` may hold `*`."""

    fact: str
    ours: str
    theirs: str


def first_section() -> str:
    """What docs/differences.md says of crun."""
    return PAGE.read_text().partition("\n## ")[0]


def rows() -> list[Row]:
    """The first table of docs/differences.md; each row must give a reason."""
    found = []
    for line in first_section().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            assert len(cells) == 4 and len(cells[3]) > 5, line
            found.append(Row(cells[0].strip("`"), cells[1], cells[2]))
    return found


def facts_of(output: str, masked: list[str]) -> dict[str, str]:
    """The lines of the probe by name, with each flag of a mount a fact of its own."""
    found: dict[str, str] = {}
    name = ""
    for line in output.splitlines():
        head, tab, value = line.partition("\t")
        if not tab:  # a value of several lines
            found[name] += f"\n{line}"
            continue
        name = head
        if not head.startswith("mount "):
            found[head] = value
            continue
        path = head.removeprefix("mount ")
        kind = "mask" if path in masked else "mount"
        kernel_type, _, flags = value.partition(" ")
        found[f"{kind} {path}"] = kernel_type
        found.update({f"{kind} {path} {flag}": "yes" for flag in flags.split(",")})
    return found


def differences(ours: dict[str, str], theirs: dict[str, str]) -> list[Row]:
    """Each fact that is not the same on both sides."""
    pairs = [
        Row(name, ours.get(name, ABSENT), theirs.get(name, ABSENT))
        for name in sorted(ours.keys() | theirs.keys())
    ]
    return [row for row in pairs if row.ours != row.theirs]


def allowed(found: Row, row: Row) -> bool:
    """Whether a row of the page speaks of this difference."""
    same = (found.ours, found.theirs) == (row.ours, row.theirs)
    return same and fnmatch.fnmatchcase(found.fact, row.fact)


def call(argv: list[str], env: dict[str, str]) -> str:
    """Output of a command that must succeed and say nothing else."""
    done = subprocess.run(
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), argv
    return done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A store and a runtime directory of this test alone."""
    (tmp_path / "runtime").mkdir(mode=0o700)
    env = {name: os.environ[name] for name in ("PATH", "HOME", "USER") if name in os.environ}
    env["PYROOTLESS_ROOT"] = str(tmp_path / "store")
    env["XDG_RUNTIME_DIR"] = str(tmp_path / "runtime")
    env["PYROOTLESS_HOLDER_IDLE"] = "0"
    return env


def bundle(base: Path, launcher: Path, env: dict[str, str], options: list[str]) -> Path:
    """A directory with config.json of this launch and the root file system it names."""
    root = base / "rootfs"
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox
    shutil.copy2(busybox, root / "bin" / "busybox")
    (root / "probe").write_text(PROBE)
    words = [*options, "--hostname", "differ", "--rootfs", str(root)]
    program = ["/bin/busybox", "sh", "/probe"]
    text = call([str(launcher), "run", "--print-spec", *words, *program], env)
    (base / "config.json").write_text(text)
    return base


def both(
    base: Path, launcher: Path, env: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """What the program sees under pyrootless, and under crun."""
    config = base / "config.json"
    masked = json.loads(config.read_text())["linux"]["maskedPaths"]
    ours = call([*PLACE, str(launcher), "run", "--spec", str(config)], env)
    crun = ["crun", "--cgroup-manager=disabled", f"--root={base / 'crun'}", "run"]
    theirs = call([*PLACE, *crun, f"--bundle={base}", f"differ-{os.getpid()}"], env)
    return facts_of(ours, masked), facts_of(theirs, masked)


@pytest.mark.needs("crun", "bwrap", "busybox", "user-namespaces")
@pytest.mark.parametrize("name", OPTIONS)
def test_same_as_crun(
    name: str, tmp_path: Path, launcher: Path, environment: dict[str, str]
) -> None:
    base = bundle(tmp_path, launcher, environment, OPTIONS[name])
    ours, theirs = both(base, launcher, environment)
    # The probe looked at all it should: a probe that failed would be the same on both sides.
    assert ours["id"].startswith("uid=0 gid=0")
    assert ours["hostname"] == "differ"
    assert ours["status NoNewPrivs:"] == "1"
    assert ours["mount /proc"] == "proc"
    assert ours["dev null"].endswith(" 1:3")
    assert "status 1" in ours["try mount"]
    assert len(ours) > 120
    found = differences(ours, theirs)
    page = rows()
    assert [row for row in found if not any(allowed(row, one) for one in page)] == []
    assert [one for one in page if not any(allowed(row, one) for row in found)] == []


def test_the_page_is_read() -> None:
    page = rows()
    assert Row("dev core", ABSENT, "link /proc/kcore") in page
    assert len(page) == len({row.fact for row in page})
    assert len(page) == len(re.findall(r"^\| `", first_section(), re.MULTILINE))


def test_a_difference_without_a_row_is_seen() -> None:
    ours = facts_of("id\tuid=0\nmount /proc\tproc rw,nosuid\ntry x\tone\ntwo", ["/proc"])
    assert ours == {
        "id": "uid=0",
        "mask /proc": "proc",
        "mask /proc rw": "yes",
        "mask /proc nosuid": "yes",
        "try x": "one\ntwo",
    }
    theirs = {**ours, "id": "uid=1"}
    del theirs["mask /proc rw"]
    found = differences(ours, theirs)
    assert found == [Row("id", "uid=0", "uid=1"), Row("mask /proc rw", "yes", ABSENT)]
    assert allowed(found[1], Row("mask * rw", "yes", ABSENT))
    assert not allowed(found[1], Row("mask * rw", ABSENT, "yes"))
    assert not allowed(found[0], Row("mask * rw", "yes", ABSENT))
