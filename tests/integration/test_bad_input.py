"""What a person gets wrong is refused with 125, 126 or 127, in one clear sentence.

In: the launcher with wrong images, programs, values, volumes, configurations, directories.
Out: the exit code, the words of the error, and nothing left in the store.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.needs("user-namespaces")

# Option and wrong value → words of the message.
BAD_VALUES = {
    "--add-host=db": '"db" is not NAME:ADDRESS',
    "--add-host=db:x": '"x" is not an IPv4 or IPv6 address',
    "--annotation=x": '"x" is not KEY=VALUE',
    "--cap-add=NOPE": '"NOPE" is not a capability',
    "--cap-drop=NOPE": '"NOPE" is not a capability',
    "--cidfile=/nowhere/id": "cannot write /nowhere/id: No such file or directory",
    "--detach-keys=ctrl-": '"ctrl-" is not a list of keys',
    "--device=/dev/nowhere": "there is no /dev/nowhere on this machine",
    "--entrypoint=[bad": '"[bad" is not a JSON array of texts',
    "--env-file=/nowhere": "/nowhere cannot be opened",
    "--env==x": '"=x" has no name',
    "--ephemeral-inodes=x": '"x" is not a whole number',
    "--ephemeral-size=q": '"q" is not a size',
    "--hostname=-x": '"-x" cannot be a host name',
    "--init=2": '"2" is neither true nor false',
    "--label==x": '"=x" is not KEY=VALUE',
    "--mount=type=bind,dst=/x": "it does not say what: add src=PATH",
    "--mount=type=nfs,dst=/x": "there is no type=nfs here",
    "--name=a/b": '"a/b" cannot be a container\'s name',
    "--pidfile=/nowhere/pid": "cannot write /nowhere/pid: No such file or directory",
    "--read-only=maybe": '"maybe" is neither true nor false',
    "--rm=maybe": '"maybe" is neither true nor false',
    "--security-opt=zz": '"zz" is not understood',
    "--shm-size=big": '"big" is not a size',
    "--stop-signal=SIGFOO": '"SIGFOO" is not a signal',
    "--stop-timeout=x": '"x" is not a whole number',
    "--sysctl=kernel": '"kernel" is not KEY=VALUE',
    "--sysctl=kernel.pid_max=5": "kernel.pid_max is not the container's own",
    "--timeout=soon": '"soon" is not a duration',
    "--tmpfs=/x:size=q": '"size=q" is no option of a tmpfs',
    "--tmpfs=rel": '"rel" is not a path in the container',
    "--ulimit=nofile=9:3": 'the soft limit of "nofile=9:3" is above its hard limit',
    "--ulimit=x": '"x" names no limit',
    "--user=99999999999": "99999999999 is no user id",
    "--user=a:b:c": '"a:b:c" is not USER[:GROUP]',
    "--volume=/tmp:/x:zz": '"zz" is no option of a volume',
    "--volume=/tmp:rel": '"rel" is not a path in the container',
    "--volume=a:/b": '"a" includes invalid characters for a local volume name',
    "--volume=rel": '"rel" is not [SOURCE:]TARGET[:OPTIONS]',
    "--workdir=rel": '"rel" is not a path in the container',
}

# The text of a config.json → words of the message.
BAD_CONFIGS = {
    "": "config.json is empty",
    "[]": "config.json is an array, expected an object",
    '{"ociVersion": 5}': "/ociVersion is a number, expected a string",
    '{"ociVersion": "1.2.0", "process": {}}': "/root is missing",
    '{"ociVersion": "1.2.0", "process"': "config.json ends too early",
    "[" * 10_000 + "]" * 10_000: "config.json is nested deeper than 64 levels",
    '{"a":' * 10_000 + "1" + "}" * 10_000: "config.json is nested deeper than 64 levels",
}


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """An environment with a store and a runtime directory of this test alone."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {
        "PYROOTLESS_ROOT": str(tmp_path / "store"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }


@pytest.fixture
def clean(place: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same; after the test no container and no half-made thing may be in it."""
    yield place
    assert left_behind(place) == []


def left_behind(place: dict[str, str]) -> list[str]:
    """Files of containers in store and runtime directory."""
    store, runtime = Path(place["PYROOTLESS_ROOT"]), Path(place["XDG_RUNTIME_DIR"])
    rooms = [store / name for name in ("containers", "names", "tmp", "trash")]
    rooms += [runtime / "pyrootless" / name for name in ("running", "containers", "mnt")]
    return [str(entry) for room in rooms if room.is_dir() for entry in room.iterdir()]


def refused(done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    """The call ended with this code, wrote nothing, and said these words first."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    first = done.stderr.splitlines()[0]
    assert first.startswith("pyrootless: ") and words in first


def test_an_unknown_image_names_the_near_one(pyrootless: Run, clean: dict[str, str]) -> None:
    done = pyrootless("run", "--rm", "--pull=never", "hots", "true", env=clean)
    refused(done, 125, 'there is no image "hots" here; did you mean "host"?')


def test_an_image_like_nothing_gets_no_guess(pyrootless: Run, clean: dict[str, str]) -> None:
    done = pyrootless("run", "--pull=never", "example.org/z/qqqq:9", "true", env=clean)
    refused(done, 125, 'there is no image "example.org/z/qqqq:9" here')
    assert "did you mean" not in done.stderr


@pytest.mark.parametrize("program", ["nowhere", "/nowhere/at-all"])
def test_a_missing_program(pyrootless: Run, clean: dict[str, str], program: str) -> None:
    done = pyrootless("run", "--rm", "host", program, env=clean)
    refused(done, 127, f"execve({program}): No such file or directory")


@pytest.mark.parametrize("program", ["/etc/passwd", "/tmp"])
def test_what_is_not_executable(pyrootless: Run, clean: dict[str, str], program: str) -> None:
    done = pyrootless("run", "--rm", "host", program, env=clean)
    refused(done, 126, f"execve({program}): Permission denied")


def test_a_program_of_another_machine(
    pyrootless: Run, clean: dict[str, str], tmp_path: Path
) -> None:
    # An ELF64 header, little endian, of machine 0x9026 (Alpha), which no one runs this on.
    fields = (2, 0x9026, 1, 0x10000, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    foreign = tmp_path / "foreign"
    foreign.write_bytes(ident + struct.pack("<HHIQQQIHHHHHH", *fields) + bytes(256))
    foreign.chmod(0o755)
    done = pyrootless("run", "--rm", "-v", f"{foreign}:/p:ro", "host", "/p", env=clean)
    refused(done, 126, "execve(/p): Exec format error")
    assert "architecture" in done.stderr


def test_a_user_the_image_lacks(pyrootless: Run, clean: dict[str, str]) -> None:
    done = pyrootless("run", "--rm", "-u", "nobody-here", "host", "true", env=clean)
    refused(done, 125, 'has no user "nobody-here"')
    assert "see which names the image has" in done.stderr


def test_a_group_the_image_lacks(pyrootless: Run, clean: dict[str, str]) -> None:
    done = pyrootless("run", "--rm", "-u", "0:nobody-here", "host", "true", env=clean)
    refused(done, 125, 'has no group "nobody-here"')


def test_a_workdir_that_is_a_file(pyrootless: Run, clean: dict[str, str]) -> None:
    done = pyrootless("run", "--rm", "-w", "/etc/passwd", "host", "true", env=clean)
    refused(done, 125, "chdir(/etc/passwd): Not a directory")


def test_a_workdir_below_a_file(pyrootless: Run, clean: dict[str, str]) -> None:
    done = pyrootless("run", "--rm", "-w", "/etc/passwd/x", "host", "true", env=clean)
    refused(done, 125, "chdir(/etc/passwd/x): Not a directory")


def test_a_workdir_a_bare_directory_lacks(
    pyrootless: Run, clean: dict[str, str], tmp_path: Path
) -> None:
    done = pyrootless("run", "--rm", "-w", "/nowhere", "--rootfs", tmp_path, "true", env=clean)
    refused(done, 125, "chdir(/nowhere): No such file or directory")
    assert not (tmp_path / "nowhere").exists()


def test_an_unknown_option(pyrootless: Run, clean: dict[str, str]) -> None:
    done = pyrootless("run", "--memroy", "1g", "host", "true", env=clean)
    refused(done, 125, "--memroy: there is no such option")


def test_a_misspelt_option_gets_a_suggestion(pyrootless: Run, clean: dict[str, str]) -> None:
    done = pyrootless("run", "--reed-only", "host", "true", env=clean)
    refused(done, 125, "--reed-only: there is no such option: did you mean --read-only?")


@pytest.mark.parametrize("option", BAD_VALUES)
def test_a_malformed_value(pyrootless: Run, clean: dict[str, str], option: str) -> None:
    name = option.partition("=")[0]
    done = pyrootless("run", "--rm", option, "host", "true", env=clean)
    refused(done, 125, f"pyrootless: {name}: ")
    assert BAD_VALUES[option] in done.stderr
    assert "remedy: " in done.stderr


def test_a_value_that_is_missing(pyrootless: Run, clean: dict[str, str]) -> None:
    refused(pyrootless("run", "--timeout", env=clean), 125, "--timeout: a value is missing")


def test_no_image_at_all(pyrootless: Run, clean: dict[str, str]) -> None:
    refused(pyrootless("run", "--rm", env=clean), 125, 'write "pyrootless run')


def test_a_volume_without_source(
    pyrootless: Run, clean: dict[str, str], tmp_path: Path
) -> None:
    source = tmp_path / "missing"
    done = pyrootless("run", "--rm", "-v", f"{source}:/v", "host", "true", env=clean)
    refused(done, 125, f"--volume: there is no {source} on this machine")
    assert not source.exists()


def test_a_linked_volume_shows_where_the_link_leads(
    pyrootless: Run, clean: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("behind the link\n")
    (tmp_path / "link").symlink_to("real")
    volume = f"{tmp_path / 'link'}:/v:ro"
    done = pyrootless("run", "--rm", "-v", volume, "host", "cat", "/v/file", env=clean)
    assert (done.returncode, done.stdout) == (0, "behind the link\n"), done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An almost empty root file system."""
    (tmp_path / "tree/etc").mkdir(parents=True)
    return tmp_path / "tree"


@pytest.mark.parametrize("form", ["{}", "{}:O"])
def test_a_target_behind_a_link_that_leads_out(
    pyrootless: Run, clean: dict[str, str], tree: Path, form: str
) -> None:
    (tree / "link").symlink_to("../../../home")
    words = ("-v", "/usr:/link/v", "--rootfs", form.format(tree), "/true")
    done = pyrootless("run", "--rm", *words, env=clean)
    refused(done, 125, "open mount point(/link/v): No such file or directory")
    assert "no link leads out of it" in done.stderr


@pytest.mark.parametrize("form", ["{}", "{}:O"])
def test_a_device_directory_that_is_a_file(
    pyrootless: Run, clean: dict[str, str], tree: Path, form: str
) -> None:
    (tree / "dev").touch()
    done = pyrootless("run", "--rm", "--rootfs", form.format(tree), "/true", env=clean)
    refused(done, 125, "mount(/dev): Not a directory")
    assert "/dev of a root file system must be directories" in done.stderr


@pytest.mark.needs("plain-user")
@pytest.mark.parametrize("form", ["/usr", "/usr:O"])
def test_a_tree_of_somebody_else(pyrootless: Run, clean: dict[str, str], form: str) -> None:
    done = pyrootless("run", "--rm", "--rootfs", form, "/bin/true", env=clean)
    refused(done, 125, "mounts: open mount point(/")
    assert "in a tree of somebody else's" in done.stderr


def test_a_dangling_link_is_a_missing_source(
    pyrootless: Run, clean: dict[str, str], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    done = pyrootless("run", "--rm", "-v", f"{link}:/v", "host", "true", env=clean)
    refused(done, 125, f"--volume: there is no {link} on this machine")


@pytest.mark.parametrize("text", BAD_CONFIGS, ids=range(len(BAD_CONFIGS)))
def test_a_broken_config(
    pyrootless: Run, clean: dict[str, str], tmp_path: Path, text: str
) -> None:
    spec = tmp_path / "config.json"
    spec.write_text(text)
    done = pyrootless("run", "--rm", "--spec", spec, env=clean)
    refused(done, 125, BAD_CONFIGS[text])


def test_a_config_cut_short_anywhere(
    pyrootless: Run, clean: dict[str, str], tmp_path: Path
) -> None:
    whole = pyrootless("run", "--print-spec", "host", "true", env=clean).stdout.rstrip()
    spec = tmp_path / "config.json"
    for length in range(1, len(whole), len(whole) // 20):
        spec.write_text(whole[:length])
        done = pyrootless("run", "--rm", "--spec", spec, env=clean)
        refused(done, 125, "config.json ends too early")


@pytest.mark.parametrize("wrong", [None, True, 7, "text", ["list"], {"an": "object"}])
@pytest.mark.parametrize("key", ["process", "root", "mounts", "linux", "hostname"])
def test_a_config_of_the_wrong_types(
    pyrootless: Run, clean: dict[str, str], tmp_path: Path, key: str, wrong: object
) -> None:
    whole = pyrootless("run", "--print-spec", "host", "true", env=clean).stdout
    document = json.loads(whole)
    if type(document.get(key, "")) is type(wrong):
        wrong = 7.5
    spec = tmp_path / "config.json"
    spec.write_text(json.dumps({**document, key: wrong}))
    done = pyrootless("run", "--rm", "--spec", spec, env=clean)
    refused(done, 125, f"/{key} is ")


def test_a_config_that_is_not_there(
    pyrootless: Run, clean: dict[str, str], tmp_path: Path
) -> None:
    done = pyrootless("run", "--rm", "--spec", tmp_path / "no.json", env=clean)
    refused(done, 125, f"--spec: cannot read {tmp_path / 'no.json'}: No such file")


def test_no_home(
    launcher: Path, engine_environment: dict[str, str], place: dict[str, str]
) -> None:
    env = {**engine_environment, **place}
    env.pop("HOME", None)
    done = call(launcher, env, "run", "--rm", "host", "sh", "-c", "echo $HOME")
    assert (done.returncode, done.stdout) == (0, "/root\n"), done.stderr
    assert left_behind(place) == []


def test_no_runtime_directory(
    launcher: Path, engine_environment: dict[str, str], place: dict[str, str]
) -> None:
    env = {**engine_environment, **place}
    del env["XDG_RUNTIME_DIR"]
    done = call(launcher, env, "run", "--rm", "host", "echo", "runs")
    assert (done.returncode, done.stdout) == (0, "runs\n"), done.stderr
    fallback = Path(f"/tmp/pyrootless-{os.getuid()}").lstat()
    assert (fallback.st_mode & 0o777, fallback.st_uid) == (0o700, os.getuid())


def call(launcher: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher in exactly this environment."""
    return subprocess.run(
        [str(launcher), *args], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.needs("plain-user")
def test_a_store_that_cannot_be_made(pyrootless: Run, place: dict[str, str]) -> None:
    store = Path(place["PYROOTLESS_ROOT"])
    store.mkdir(mode=0o555)
    done = pyrootless("run", "--rm", "host", "true", env=place)
    refused(done, 125, f"cannot make the store's directory {store}/images: Permission denied")
    assert list(store.iterdir()) == []


@pytest.mark.needs("plain-user")
def test_a_store_that_cannot_be_written(pyrootless: Run, place: dict[str, str]) -> None:
    containers = Path(place["PYROOTLESS_ROOT"]) / "containers"
    assert pyrootless("run", "--rm", "host", "true", env=place).returncode == 0
    containers.chmod(0o555)
    done = pyrootless("run", "host", "true", env=place)
    containers.chmod(0o755)
    refused(done, 125, f"mkdir({containers}/")
    assert "Permission denied" in done.stderr and "--root DIR" in done.stderr
    assert left_behind(place) == []


# A store of 8 MiB on a tmpfs of its own, full or with $FREE KiB left.  What the launch left is
# the rest of the output.
SMALL_STORE = """
mount -t tmpfs -o size=8m tmpfs "$PYROOTLESS_ROOT"
if [ "$FREE" = all ]; then "$0" run --rm host true; fi
left=$(df -k --output=avail "$PYROOTLESS_ROOT" | tail -1)
[ "$FREE" = all ] && FREE=0
head -c $(((left - FREE) * 1024)) /dev/zero > "$PYROOTLESS_ROOT/fill"
"$0" "$@"
code=$?
rm "$PYROOTLESS_ROOT/fill"
cd "$PYROOTLESS_ROOT"
rm -r "$XDG_RUNTIME_DIR/pyrootless/flat"  # a start's gift to the next one
find containers names tmp trash "$XDG_RUNTIME_DIR"/pyrootless/*/ -mindepth 1
find images -mindepth 1 -name "host-*" -prune -o -mindepth 1 -print
"$0" run --rm host true || echo "not even with room"
exit $code
"""


def in_a_small_store(
    launcher: Path, env: dict[str, str], free: str, *words: str
) -> subprocess.CompletedProcess[str]:
    """`pyrootless run WORDS…` in a mount namespace whose store has this many KiB left."""
    Path(env["PYROOTLESS_ROOT"]).mkdir(mode=0o700)
    argv = ["unshare", "-Urm", "sh", "-c", SMALL_STORE, str(launcher), "run", *words]
    return subprocess.run(
        argv,
        env={**env, "FREE": free},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("options", [["--rm"], ["--name", "kept"], ["--rm", "--init"]])
def test_a_full_store(
    launcher: Path,
    engine_environment: dict[str, str],
    place: dict[str, str],
    options: list[str],
) -> None:
    env = {**engine_environment, **place}
    done = in_a_small_store(launcher, env, "all", *options, "host", "echo", "ran")
    refused(done, 125, ": No space left on device")
    assert "the disk (or its inodes) is full" in done.stderr and "--ephemeral" in done.stderr


def test_a_full_store_does_not_hinder_what_is_kept_in_memory(
    launcher: Path, engine_environment: dict[str, str], place: dict[str, str]
) -> None:
    env = {**engine_environment, **place}
    words = ("--rm", "--ephemeral", "host", "echo", "ran")
    done = in_a_small_store(launcher, env, "all", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


@pytest.mark.parametrize("free", ["0", "64", "256", "400"])
def test_a_store_too_small_for_the_image(
    launcher: Path, engine_environment: dict[str, str], place: dict[str, str], free: str
) -> None:
    env = {**engine_environment, **place}
    done = in_a_small_store(launcher, env, free, "--rm", "host", "echo", "ran")
    refused(done, 125, ": No space left on device")
    assert place["PYROOTLESS_ROOT"] in done.stderr and "remedy: " in done.stderr


@pytest.mark.parametrize("options", [["--rm"], ["--rm", "--ephemeral"], ["--rm", "--init"]])
def test_a_killed_launcher_takes_its_container_along(
    pyrootless: Run,
    launcher: Path,
    engine_environment: dict[str, str],
    place: dict[str, str],
    tmp_path: Path,
    options: list[str],
) -> None:
    pidfile, script = tmp_path / "pid", "touch /work/x; echo ready; exec sleep 600"
    argv = [launcher, "run", *options, "--pidfile", pidfile, "host", "sh", "-c", script]
    with subprocess.Popen(
        list(map(str, argv)),
        env={**engine_environment, **place},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            while child.poll() is None and not (pidfile.exists() and pidfile.read_text()):
                pass  # the program may be faster than its launcher
            process = os.pidfd_open(int(pidfile.read_text()))
        finally:
            child.kill()
        assert child.wait(timeout=30) == -signal.SIGKILL
    ended = select.poll()
    ended.register(process, select.POLLIN)
    assert ended.poll(30_000), "the container outlived its launcher"
    os.close(process)
    done = pyrootless("run", "--rm", "host", "echo", "next", env=place)
    assert (done.returncode, done.stdout) == (0, "next\n"), done.stderr
    assert left_behind(place) == []
    assert len(pyrootless("ps", "-a", env=place).stdout.splitlines()) == 1
