"""A start like one before: the same config.json and the same container as one made in full.

In: the launcher, options.  Out: for each set of options two starts, the first in full, the next
recalled (PYROOTLESS_TRACE=1 tells which it was): config.json on disk and what the program sees
are the same, but for id, name and arguments.  What must not be recalled is made in full.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import termios
import threading
from collections.abc import Iterator
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
    """One start: config.json with the id taken out, what the program saw, the trace's steps."""

    config: str
    view: str
    steps: tuple[str, ...]

    @property
    def recalled(self) -> bool:
        """Nothing was merged and nothing parsed."""
        assert ("spec" in self.steps) != ("merge" in self.steps)
        return "spec" in self.steps


@dataclass(frozen=True)
class Place:
    """A store and a runtime directory of this file alone."""

    launcher: Path
    env: dict[str, str]

    @property
    def runtime(self) -> Path:
        return Path(self.env["XDG_RUNTIME_DIR"], "pyrootless")

    def run(
        self,
        *options: str,
        words: tuple[str, ...] = ("x",),
        image: str = "host",
        cwd: Path | None = None,
        **more: str,
    ) -> Seen:
        """One start, looked at from inside and outside while it runs."""
        argv = [str(self.launcher), "run", "-i", *options, image]
        argv += ["sh", "-c", LOOK, "sh", *words]
        entrypoint = [word for word in options if word.startswith("--entrypoint")]
        if entrypoint:
            argv.remove("sh")
        with subprocess.Popen(
            argv,
            env={**self.env, "PYROOTLESS_TRACE": "1", **more},
            cwd=cwd,
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
        steps = tuple(row.split()[3] for row in errors.splitlines() if ": trace: " in row)
        both = [text.replace(container, "ID") for text in (config, "".join(lines))]
        both = [text.replace(container[:12], "SHORT") for text in both]
        # The numbers of descriptors, which two tasks take in any order.
        return Seen(both[0], re.sub(r"dir=/proc/self/fd/\d+", "dir=N", both[1]), steps)

    def config(self) -> str:
        """config.json of the one container that runs."""
        (entry,) = (self.runtime / "running").iterdir()
        stores = (self.runtime, Path(self.env["PYROOTLESS_ROOT"]))
        files = [store / "containers" / entry.name / "config.json" for store in stores]
        (found,) = (file for file in files if file.exists())
        return found.read_text()

    def forget(self) -> None:
        """As after a boot: what starts left for others is gone."""
        shutil.rmtree(self.runtime / "flat", ignore_errors=True)


@pytest.fixture(scope="module")
def place(launcher: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    base = tmp_path_factory.mktemp("recall")
    (base / "run").mkdir(mode=0o700)
    (base / "home").mkdir()
    (base / "home" / "env").write_text("A=1\n")
    (base / "home" / "link").symlink_to("env")
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


@contextlib.contextmanager
def written(path: Path, text: str) -> Iterator[None]:
    """Somebody writes once into a FIFO."""
    writer = threading.Thread(target=path.write_text, args=(text,))
    writer.start()
    yield
    writer.join()


ALIKE = [
    ("--rm",),
    ("--rm", "--ephemeral"),
    ("--ephemeral", "--ephemeral-size=8m", "--ephemeral-inodes=1000"),
    ("--rm", "--ephemeral", "-eA=B", "-e", "HOME=/nowhere", "-eA=C", "-w/tmp"),
    ("--rm", "--ephemeral", "--hostname=box", "--label=a=b", "--annotation=org.example=c"),
    ("--rm", "--ephemeral", "--tmpfs=/scratch:size=64k", "--shm-size=1m"),
    ("--rm", "--ephemeral", "--read-only"),
    ("--rm", "--read-only", "--read-only-tmpfs=false"),
    ("--rm", "--ephemeral", "--cap-drop=CHOWN", "--ulimit=nofile=100:200", "--ulimit=core=0"),
    ("--rm", "--ephemeral", "--network=host"),
    ("--rm", "--ephemeral", "--network=none", "--sysctl=net.ipv4.ip_default_ttl=33"),
    ("--rm", "--ephemeral", "--userns=single", "--init", "--stop-signal=INT"),
    ("--rm", "--ephemeral", "--userns=auto"),
    ("--rm", "--ephemeral", "--timeout=50", "--stop-timeout=3", "--entrypoint=sh"),
    ("--rm", "--ephemeral", "--storage-size=8m"),
    ("--rm", "--storage-size=8m", "--limits=best-effort"),
    ("--rm", "--ephemeral", "--pids-limit=-1", "--limits=strict"),
    *(
        ("--rm", "--ephemeral", "--limits=best-effort", *words)
        for words in (
            ("--memory=256m",),
            ("--memory=256m", "--memory-swap=300m", "--memory-reservation=100m"),
            ("--pids-limit=100",),
            ("--cpus=1", "--cpu-shares=512"),
            ("--cpu-period=50000", "--cpu-quota=50000"),
            ("--cpuset-cpus=0",),
            ("--cpu-time=50",),
            ("--memory=256m", "--pids-limit=100", "--cpus=1", "--cpu-time=50"),
        )
    ),
    *(
        ("--rm", "--ephemeral", *words)
        for words in (
            ("-v{home}:/work",),
            ("-v{home}/env:/file:ro,noexec", "-v", "{home}/../home:/other"),
            ("--mount=type=bind,src={home},dst=/work,ro", "--mount=type=tmpfs,dst=/t"),
            ("-v{home}/link:/file", "-v{home}/..:/base"),
            ("--device=/dev/zero:/dev/mine:rw", "-v/dev/full:/dev/other"),
            ("-e", "GIVEN", "-e", "NOT_GIVEN"),
            ("-u0",),
            ("-u", "user"),
            ("-u1000:1000", "--fake-root=off"),
            ("--fake-root=remember", "-u7"),
            ("--fake-root=silent", "--group-add=0"),
            ("--security-opt=mask=/usr/lib/os-release", "--security-opt=landlock=off"),
            ("--security-opt=no-new-privileges=false", "--security-opt=unmask=ALL"),
            ("--privileged",),
            ("--verify",),
            ("--storage-driver=overlay",),
            ("--add-host=name:192.0.2.1", "--dns=192.0.2.2", "--dns-search=."),
        )
    ),
    ("--rm", "-v{home}:/work", "--storage-driver=auto"),
]


@pytest.mark.parametrize("options", ALIKE, ids=" ".join)
def test_the_second_start_is_like_the_first(place: Place, options: tuple[str, ...]) -> None:
    options = tuple(word.format(home=place.env["HOME"]) for word in options)
    place.forget()
    full, again = (place.run(*options, GIVEN="1") for _ in range(2))
    assert (full.recalled, again.recalled) == (False, True)
    assert again.config == full.config
    assert again.view == full.view


@pytest.mark.needs("subordinate-ids", "newuidmap")
@pytest.mark.parametrize(
    "options", [(), ("--userns=range",), ("--userns=keep-id",)], ids=" ".join
)
def test_many_ids_are_recalled(place: Place, options: tuple[str, ...]) -> None:
    """Another name of host, which would have one id under its own."""
    place.forget()
    name = Path(place.env["PYROOTLESS_ROOT"], "refs", "many")
    if not name.is_symlink():
        name.symlink_to("host")
    words = ("--rm", "--ephemeral", "--no-holder", *options)
    full, again = (place.run(*words, image="many") for _ in range(2))
    assert (full.recalled, again.recalled) == (False, True)
    assert (again.config, again.view) == (full.config, full.view)
    annotations = json.loads(again.config)["annotations"]
    chosen = "keep-id" if "--userns=keep-id" in options else "range"
    assert annotations["io.pyrootless.userns"] == chosen


WORDS = [
    (),
    ("",),
    ("a b", 'c"d', "e\\f", "g\nh\ti", "$HOME", "'", "/"),
    ("x" * 20000,),
    tuple(map(str, range(500))),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: f"{len(words)} {words[:1]}"[:20])
def test_arguments_differ_from_start_to_start(place: Place, words: tuple[str, ...]) -> None:
    options = ("--rm", "--ephemeral")
    place.forget()
    place.run(*options, words=("first",))
    again = place.run(*options, words=words)
    assert again.recalled
    place.forget()
    full = place.run(*options, words=words)
    assert not full.recalled
    assert (again.config, again.view) == (full.config, full.view)
    assert json.loads(again.config)["process"]["args"][4:] == list(words)


def test_names_differ_from_start_to_start(place: Place) -> None:
    place.forget()
    full = place.run("--rm", "--ephemeral", "--name=one")
    again = place.run("--rm", "--ephemeral", "--name=the-other.one")
    assert (full.recalled, again.recalled) == (False, True)
    assert again.config == full.config.replace(
        '"io.pyrootless.name":"one"', '"io.pyrootless.name":"the-other.one"'
    )
    assert not place.run("--rm", "--ephemeral").recalled


def test_a_letter_that_the_launcher_does_not_write_itself(place: Place) -> None:
    place.forget()
    for _ in range(2):
        seen = place.run("--rm", "--ephemeral", words=("ä", "\x01"))
        assert not seen.recalled
        assert json.loads(seen.config)["process"]["args"][4:] == ["ä", "\x01"]


def test_lines_of_a_file_are_part_of_the_key(place: Place) -> None:
    home = Path(place.env["HOME"])
    place.forget()
    for text in ("# one\n A=1\r\n\nB=two words", "A=2\nHOME=/nowhere\n", ""):
        (home / "lines").write_text(text)
        words = (
            "--rm",
            "--ephemeral",
            f"--env-file={home}/lines",
            f"--label-file={home}/lines",
        )
        full, again = (place.run(*words) for _ in range(2))
        assert (full.recalled, again.recalled) == (False, True)
        assert (again.config, again.view) == (full.config, full.view)


def test_lines_that_ask_for_more_are_read_each_time(place: Place) -> None:
    home = Path(place.env["HOME"])
    (home / "asks").write_text("A=1\nGIVEN\n")
    os.mkfifo(home / "pipe")
    place.forget()
    for value in ("1", "2"):
        seen = place.run("--rm", f"--env-file={home}/asks", GIVEN=value)
        assert not seen.recalled and f"GIVEN={value}\n" in seen.view
    for value in ("1", "2"):
        with written(home / "pipe", f"PIPED={value}\n"):
            seen = place.run("--rm", f"--env-file={home}/pipe")
        assert not seen.recalled and f"PIPED={value}\n" in seen.view


@pytest.mark.needs("busybox")
def test_a_root_of_ones_own(place: Place) -> None:
    """Its users are those of its own files, as they are at each start."""
    root = Path(place.env["HOME"], "root")
    for name in ("bin", "etc", "proc", "dev", "sys"):
        (root / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", root / "bin" / "busybox")
    for name in ("sh", "id", "env", "sed", "cut", "grep", "sort", "hostname", "cat", "ls"):
        (root / "bin" / name).symlink_to("busybox")
    place.forget()
    for home in ("/one", "/two"):
        lines = f"root:x:0:0:root:{home}:/bin/sh\nme:x:7:8:me:{home}:/bin/sh\n"
        (root / "etc" / "passwd").write_text(lines)
        for words in (("-u", "me"), ("-u", "7", "--ephemeral"), ()):
            full, again = (
                place.run("--rm", *words, "--rootfs", image=f"{root}:O") for _ in range(2)
            )
            assert (full.recalled, again.recalled) == (False, True)
            assert (again.config, again.view) == (full.config, full.view)
            assert f"HOME={home}\n" in full.view
    argv = [str(place.launcher), "run", "--rm", "--print-spec", "--rootfs", f"{root}:O", "true"]
    shown = subprocess.run(argv, env=place.env, capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["annotations"]["io.pyrootless.image"] == f"{root}:O"
    (root / "etc" / "passwd").unlink()
    argv = [str(place.launcher), "run", "--rm", "-u", "me", "--rootfs", f"{root}:O", "true"]
    done = subprocess.run(argv, env=place.env, capture_output=True, text=True, check=False)
    assert done.returncode == 125 and 'has no user "me"' in done.stderr


def test_another_value_of_the_callers_is_another_start(place: Place) -> None:
    place.forget()
    for value in ("1", "2", ""):
        full, again = (place.run("--rm", "-e", "GIVEN", GIVEN=value) for _ in range(2))
        assert (full.recalled, again.recalled) == (False, True)
        assert f"GIVEN={value}\n" in full.view and again.view == full.view


def test_a_terminal_has_its_size(place: Place) -> None:
    argv = [str(place.launcher), "run", "--rm", "-t", "host", "stty", "size"]
    place.forget()
    steps = []
    for size in ((24, 80), (24, 80), (50, 132), (50, 132)):
        outer, inner = os.openpty()
        termios.tcsetwinsize(inner, size)
        with subprocess.Popen(
            argv,
            env={**place.env, "PYROOTLESS_TRACE": "1"},
            stdin=inner,
            stdout=inner,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            os.close(inner)
            said = os.read(outer, 100)
            _, errors = process.communicate(timeout=SECONDS)
        os.close(outer)
        assert (process.returncode, said.split()) == (0, [b"%d" % side for side in size])
        steps.append([row.split()[3] for row in errors.splitlines() if ": trace: " in row])
    made = ["spec" not in row for row in steps]
    assert made == [True, False, True, False]


@pytest.mark.needs("pasta")
@pytest.mark.parametrize(
    "words",
    [
        ("--network=pasta",),
        ("--network=pasta:mtu=1400", "--dns-search=example.org"),
        ("-p127.0.0.1:47013:80", "--mac-address=02:00:00:00:00:07"),
    ],
    ids=" ".join,
)
def test_a_helpers_network_is_recalled(place: Place, words: tuple[str, ...]) -> None:
    place.forget()
    full, again = (place.run("--rm", "--ephemeral", *words) for _ in range(2))
    assert (full.recalled, again.recalled) == (False, True)
    assert (again.config, again.view) == (full.config, full.view)


def test_a_source_that_leads_elsewhere_is_another_start(place: Place) -> None:
    home = Path(place.env["HOME"])
    for name in ("one", "two"):
        (home / name).mkdir()
    place.forget()
    for name in ("one", "two"):
        (home / "way").unlink(missing_ok=True)
        (home / "way").symlink_to(name)
        full, again = (place.run("--rm", f"-v{home}/way:/work") for _ in range(2))
        assert (full.recalled, again.recalled) == (False, True)
        for seen in (full, again):
            assert f"{home}/{name}" in seen.config and f"/{name} /work " in seen.view


def test_a_source_that_is_typed_from_here_is_another_one_from_there(place: Place) -> None:
    home = Path(place.env["HOME"])
    for name in ("here", "there"):
        (home / name / "below").mkdir(parents=True)
    place.forget()
    for name in ("here", "there"):
        full, again = (place.run("--rm", "-v./below:/work", cwd=home / name) for _ in range(2))
        assert (full.recalled, again.recalled) == (False, True)
        for seen in (full, again):
            assert f"{home}/{name}/below" in seen.config


def test_a_source_that_is_gone_is_told_as_ever(place: Place) -> None:
    source = Path(place.env["HOME"], "gone")
    argv = [str(place.launcher), "run", "--rm", f"-v{source}:/work", "host", "true"]
    for _ in range(2):
        source.mkdir()
        subprocess.run(argv, env=place.env, check=True)
        source.rmdir()
        done = subprocess.run(argv, env=place.env, capture_output=True, text=True, check=False)
        assert done.returncode == 125
        assert f"there is no {source} on this machine" in done.stderr


def test_a_directory_in_place_of_a_file_is_another_start(place: Place) -> None:
    source = Path(place.env["HOME"], "either")
    place.forget()
    source.write_text("")
    assert not place.run("--rm", f"-v{source}:/thing").recalled
    source.unlink()
    source.mkdir()
    assert not place.run("--rm", f"-v{source}:/thing").recalled


def test_another_template_is_another_start(place: Place) -> None:
    """Written again, byte for byte: it could be another one."""
    place.forget()
    place.run("--rm", "--ephemeral")
    assert place.run("--rm", "--ephemeral").recalled
    (template,) = Path(place.env["PYROOTLESS_ROOT"], "images").glob("host-*/config.json")
    copy = template.with_name("copy")
    copy.write_bytes(template.read_bytes())
    copy.rename(template)
    assert not place.run("--rm", "--ephemeral").recalled


def test_one_name_of_an_image_is_not_another(place: Place) -> None:
    """io.pyrootless.image is the name as it was typed."""
    place.forget()
    Path(place.env["PYROOTLESS_ROOT"], "refs", "mine").symlink_to("host")
    options = ("--rm", "--ephemeral", "--userns=single")
    for image in ("host", "mine"):
        full, again = (place.run(*options, image=image) for _ in range(2))
        assert (full.recalled, again.recalled) == (False, True)
        for seen in (full, again):
            assert json.loads(seen.config)["annotations"]["io.pyrootless.image"] == image


def test_what_is_left_for_others_is_ours_alone(place: Place) -> None:
    place.forget()
    place.run("--rm", "--ephemeral")
    folder = place.runtime / "flat"
    assert folder.stat().st_mode & 0o7777 == 0o700
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("more", [(), ("--name=mine",)], ids=["meanwhile", "before"])
def test_a_start_whose_template_is_stale_begins_anew(
    place: Place, more: tuple[str, ...]
) -> None:
    """Seen while its child is set up already, but where the directory is made first."""
    options = ("--rm", "--ephemeral", "--hostname=stale", *more)
    wanted = place.run(*options)
    assert place.run(*options).recalled
    for source in Path(place.env["PYROOTLESS_ROOT"]).glob("cache/seccomp/*.bpf"):
        os.utime(source)
    (place.runtime / "id").unlink(missing_ok=True)
    found = place.run(*options, f"--cidfile={place.runtime}/id")
    assert (found.recalled, found.view) == (False, wanted.view)
    assert place.run(*options).recalled
    assert list((place.runtime / "running").iterdir()) == []


@pytest.mark.needs("strace")
def test_a_program_waits_for_the_look_at_the_sources(place: Place, tmp_path: Path) -> None:
    """Its template is stale, which is seen late: it begins once, from the new one."""
    (filter_path,) = Path(place.env["PYROOTLESS_ROOT"]).glob("cache/seccomp/*.bpf")
    run = [str(place.launcher), "run", "--rm", "--ephemeral", f"-v{tmp_path}:/out", "host"]
    run += ["sh", "-c", "echo began >> /out/log"]
    for _ in range(2):
        subprocess.run(run, env=place.env, check=True, timeout=SECONDS)
    (tmp_path / "log").unlink()
    os.utime(filter_path)
    late = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(filter_path)]
    late += ["-e", "trace=newfstatat", "-e", "inject=newfstatat:delay_enter=300000"]
    subprocess.run([*late, *run], env=place.env, check=True, timeout=SECONDS)
    assert (tmp_path / "log").read_text() == "began\n"
