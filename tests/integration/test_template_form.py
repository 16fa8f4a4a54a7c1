"""The flat form of a launch template: a start that has it is like the one that makes it.

In: the launcher, options.  Out: config.json on disk and what the program sees, the same from
the first start on, but for the id; the form is made anew with the template.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("plain-user", "user-namespaces")

LOOK = """
cut -d' ' -f4- /proc/self/mountinfo | sed 's/ master:[0-9]*//; s/ shared:[0-9]*//' | sort
grep -E '^(Cap|Seccomp:|NoNewPrivs|Uid|Gid|Groups|Sig(Ign|Blk))' /proc/self/status
env | sort; pwd; hostname; id; umask; ulimit -a; cat /proc/self/uid_map /proc/self/gid_map
cat /etc/hosts /proc/self/cmdline /proc/1/comm; ls -l /proc/self/ns | grep -c .
for word; do echo "word $word"; done; echo ready; read end
"""
SECONDS = 60


@dataclass(frozen=True)
class Seen:
    """One start: config.json with the id taken out, and what the program saw."""

    config: str
    view: str


@dataclass(frozen=True)
class Place:
    """A store and a runtime directory of this file alone."""

    launcher: Path
    env: dict[str, str]

    @property
    def runtime(self) -> Path:
        return Path(self.env["XDG_RUNTIME_DIR"], "pyrootless")

    def run(self, *options: str) -> Seen:
        """One start, looked at from inside and outside while it runs."""
        argv = [str(self.launcher), "run", "-i", *options, "host", "sh", "-c", LOOK, "sh", "x"]
        with subprocess.Popen(
            argv,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            lines = []
            while (line := process.stdout.readline()) not in ("ready\n", ""):
                lines.append(line)
            config = self.config() if line else ""
            _, errors = process.communicate("\n", timeout=SECONDS)
        assert process.returncode == 0 and line, errors
        container = json.loads(config)["annotations"]["io.pyrootless.id"]
        both = [text.replace(container, "ID") for text in (config, "".join(lines))]
        both = [text.replace(container[:12], "SHORT") for text in both]
        # The numbers of descriptors, which two tasks take in any order.
        return Seen(both[0], re.sub(r"dir=/proc/self/fd/\d+", "dir=N", both[1]))

    def config(self) -> str:
        """config.json of the one container that runs."""
        (entry,) = (self.runtime / "running").iterdir()
        stores = (self.runtime, Path(self.env["PYROOTLESS_ROOT"]))
        files = [store / "containers" / entry.name / "config.json" for store in stores]
        (found,) = (file for file in files if file.exists())
        return found.read_text()

    def forms(self) -> set[tuple[str, int]]:
        """The flat forms of templates that starts left: names and inodes."""
        return {(file.name, file.stat().st_ino) for file in (self.runtime / "flat").iterdir()}

    def forget(self) -> None:
        """As after a boot: what starts left for others is gone."""
        shutil.rmtree(self.runtime / "flat", ignore_errors=True)


@pytest.fixture(scope="module")
def place(launcher: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    base = tmp_path_factory.mktemp("form")
    (base / "run").mkdir(mode=0o700)
    (base / "home").mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(base / "home"),
        "PYROOTLESS_ROOT": str(base / "store"),
        "XDG_RUNTIME_DIR": str(base / "run"),
    }
    subprocess.run(
        [str(launcher), "run", "--rm", "host", "true"], env=env, check=True, timeout=SECONDS
    )
    return Place(launcher, env)


ALIKE = [
    ("--rm",),
    ("--rm", "--ephemeral", "--network=none", "-eA=B", "-u7", "--read-only"),
    (
        "--rm",
        "--ephemeral",
        "--privileged",
        "-v{home}:/work",
        "--memory=256m",
        "--limits=best-effort",
    ),
]


@pytest.mark.parametrize("options", ALIKE, ids=" ".join)
def test_the_second_start_is_like_the_first(place: Place, options: tuple[str, ...]) -> None:
    options = tuple(word.format(home=place.env["HOME"]) for word in options)
    place.forget()
    first = place.run(*options)
    assert len(place.forms()) == 1
    second = place.run(*options)
    assert second == first


def test_another_template_has_another_form(place: Place) -> None:
    """Written again, byte for byte: it could be another one."""
    place.forget()
    place.run("--rm", "--ephemeral")
    before = place.forms()
    place.run("--rm", "--ephemeral", "-eA=B")
    assert place.forms() == before
    (template,) = Path(place.env["PYROOTLESS_ROOT"], "images").glob("host-*/config.json")
    copy = template.with_name("copy")
    copy.write_bytes(template.read_bytes())
    copy.rename(template)
    place.run("--rm", "--ephemeral")
    assert place.forms() - before


def test_what_is_left_for_others_is_ours_alone(place: Place) -> None:
    place.forget()
    place.run("--rm", "--ephemeral")
    folder = place.runtime / "flat"
    assert folder.stat().st_mode & 0o7777 == 0o700
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o7777 == 0o600


def test_a_stale_template_is_made_anew_before_the_start(place: Place) -> None:
    """What its form says of the sources is what the template says."""
    wanted = place.run("--rm", "--ephemeral")
    before = place.forms()
    for source in Path(place.env["PYROOTLESS_ROOT"]).glob("cache/seccomp/*.bpf"):
        os.utime(source)
    assert place.run("--rm", "--ephemeral").view == wanted.view
    assert place.forms() - before
    assert list((place.runtime / "running").iterdir()) == []
