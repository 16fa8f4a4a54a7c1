"""Programs in `host` behave as outside, and every option of `run` does what it says.

In: the launcher and the machine's own toolchain.  Out: what the program saw, its exit code,
what is left in the store.  The faults are in test_bad_input.py, the terminal in
test_terminal.py.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.needs("user-namespaces")

THREADS = """
import threading
total = [0] * 8
def work(i):
    for n in range(1000):
        total[i] += n
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sum(total))
"""

SERVER = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
def serve():
    with server.accept()[0] as peer:
        peer.sendall(peer.recv(100).upper())
thread = threading.Thread(target=serve)
thread.start()
with socket.create_connection(server.getsockname(), timeout=30) as client:
    client.sendall(b"over loopback")
    print(client.recv(100).decode())
thread.join()
"""

# A grandchild whose parent leaves becomes process 1's; it is reaped when its entry in /proc
# goes.  The end of the pipe says that it has ended, so the wait is for the reaper alone.
ORPHAN = """
import os, select
down, up = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.write(up, b"%d" % os.getpid())
        os._exit(0)
    os._exit(0)
os.wait()
os.close(up)
orphan = os.read(down, 20)
while os.path.exists(b"/proc/" + orphan):
    os.sched_yield()
print("reaped by", open("/proc/1/comm").read().strip())
"""


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """An environment with a store and a runtime directory of this test alone."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {
        "PYROOTLESS_ROOT": str(tmp_path / "store"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }


def left_behind(place: dict[str, str]) -> list[str]:
    """Files of containers in store and runtime directory."""
    store, runtime = Path(place["PYROOTLESS_ROOT"]), Path(place["XDG_RUNTIME_DIR"])
    rooms = [store / name for name in ("containers", "names", "tmp", "trash")]
    rooms += [runtime / "pyrootless" / name for name in ("running", "containers", "mnt")]
    return [str(entry) for room in rooms if room.is_dir() for entry in room.iterdir()]


def output(done: subprocess.CompletedProcess[str]) -> str:
    """What a program that ended well wrote."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def sh(pyrootless: Run, *options: str | Path, script: str) -> str:
    """What a shell script in a container with these options wrote."""
    return output(pyrootless("run", "--rm", *options, "host", "sh", "-c", script))


# Programs


@pytest.mark.needs("gcc")
def test_gcc_compiles_a_program_that_runs(pyrootless: Run) -> None:
    source = '#include <stdio.h>\nint main(void) { puts("compiled here"); return 7; }\n'
    build = "cat > a.c && gcc -Wall -Werror -o a a.c && exec ./a"
    run = ("run", "--rm", "-i", "-w", "/work", "host", "sh", "-c", build)
    done = pyrootless(*run, input=source)
    assert (done.returncode, done.stdout, done.stderr) == (7, "compiled here\n", "")


def test_python_runs_threads(pyrootless: Run) -> None:
    done = pyrootless("run", "--rm", "host", "/usr/bin/python3", "-c", THREADS)
    assert output(done) == "3996000\n"


def test_a_server_and_its_client_meet_on_loopback(pyrootless: Run) -> None:
    done = pyrootless("run", "--rm", "host", "/usr/bin/python3", "-c", SERVER)
    assert output(done) == "OVER LOOPBACK\n"


def test_standard_input_is_given_only_with_i(pyrootless: Run) -> None:
    given = pyrootless("run", "--rm", "-i", "host", "cat", input="through\n")
    assert output(given) == "through\n"
    assert output(pyrootless("run", "--rm", "host", "cat", input="kept away\n")) == ""


# Signals and exit codes


@pytest.mark.parametrize("code", [0, 1, 7, 125, 126, 127, 255])
def test_the_exit_code_is_the_programs(pyrootless: Run, code: int) -> None:
    done = pyrootless("run", "--rm", "host", "sh", "-c", f"exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_child_killed_under_init_is_137(pyrootless: Run) -> None:
    done = pyrootless("run", "--rm", "--init", "host", "sh", "-c", "kill -KILL $$")
    assert done.returncode == 137


def test_a_timeout_kills_and_says_so(pyrootless: Run) -> None:
    done = pyrootless("run", "--rm", "--timeout", "200ms", "host", "sleep", "600")
    assert done.returncode == 137
    words = "pyrootless: the container was killed when its --timeout had passed\n"
    assert done.stderr == words


def test_a_timeout_that_does_not_pass_changes_nothing(pyrootless: Run) -> None:
    done = pyrootless("run", "--rm", "--timeout", "1h", "host", "sh", "-c", "exit 3")
    assert (done.returncode, done.stderr) == (3, "")


def test_init_is_process_1_and_keeps_the_exit_code(pyrootless: Run) -> None:
    done = pyrootless("run", "--rm", "--init", "host", "sh", "-c", "echo $$; exit 9")
    assert (done.returncode, done.stdout) == (9, "2\n")


def test_init_reaps_what_others_leave(pyrootless: Run) -> None:
    done = pyrootless("run", "--rm", "--init", "host", "/usr/bin/python3", "-c", ORPHAN)
    assert output(done) == "reaped by memfd:init\n"


# The process


def test_the_environment_is_the_containers_own(pyrootless: Run) -> None:
    done = pyrootless("run", "--rm", "host", "env", env={"SECRET": "outside"})
    names = [line.partition("=")[0] for line in output(done).splitlines()]
    assert names == ["PATH", "HOME", "LANG", "HOSTNAME"]


def test_variables(pyrootless: Run, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# a comment\n\nFROM_FILE=f\nTAKEN\nBOTH=file\n")
    options = ("--env-file", file, "-e", "PLAIN=a b=c", "-e", "CALLER", "--env", "BOTH=option")
    script = 'echo "$PLAIN|$CALLER|$FROM_FILE|$TAKEN|$BOTH|${ABSENT-unset}"'
    run = ("run", "--rm", *options, "-e", "ABSENT", "host", "sh", "-c", script)
    done = pyrootless(*run, env={"CALLER": "mine", "TAKEN": "too"})
    assert output(done) == "a b=c|mine|f|too|option|unset\n"


@pytest.mark.parametrize("directory", ["/work", "/tmp", "/usr/lib", "/"])
def test_a_workdir(pyrootless: Run, directory: str) -> None:
    assert sh(pyrootless, "-w", directory, script="/bin/pwd; pwd") == f"{directory}\n" * 2


def test_a_workdir_the_image_lacks_is_made(pyrootless: Run) -> None:
    script = "pwd; stat -c '%a %u' . ..; touch here"
    assert sh(pyrootless, "-w", "/nowhere/yet", script=script) == "/nowhere/yet\n755 0\n755 0\n"


def test_a_workdir_is_made_before_the_root_is_read_only(pyrootless: Run) -> None:
    assert sh(pyrootless, "--read-only", "-w", "/nowhere", script="pwd") == "/nowhere\n"


@pytest.mark.parametrize(
    ("user", "ids"),
    [("1000", "1000 1000"), ("user", "1000 1000"), ("root", "0 0"), ("1234:0", "1234 0")],
)
def test_a_user(pyrootless: Run, user: str, ids: str) -> None:
    assert sh(pyrootless, "-u", user, script="echo $(id -u) $(id -g)") == f"{ids}\n"


def test_the_user_has_a_home_it_can_write(pyrootless: Run) -> None:
    script = "touch ~/x /work/x /tmp/x && echo $HOME"
    assert sh(pyrootless, "-u", "user", script=script) == "/home/user\n"


def test_a_hostname(pyrootless: Run) -> None:
    assert sh(pyrootless, "--hostname", "box", script="uname -n") == "box\n"


def test_a_host_to_add(pyrootless: Run) -> None:
    script = "getent hosts db six | tr -s ' '"
    options = ("--add-host", "db:10.0.0.5", "--add-host", "six:fd00::6")
    assert sh(pyrootless, *options, script=script) == "10.0.0.5 db\nfd00::6 six\n"


def test_limits(pyrootless: Run) -> None:
    options = ("--ulimit", "nofile=64:128")
    assert sh(pyrootless, *options, script="ulimit -Sn; ulimit -Hn") == "64\n128\n"


def test_a_kernel_parameter(pyrootless: Run) -> None:
    options = ("--sysctl", "net.ipv4.ip_default_ttl=33")
    script = "cat /proc/sys/net/ipv4/ip_default_ttl"
    assert sh(pyrootless, *options, script=script) == "33\n"


# Files


def test_a_tmpfs_has_its_size_and_flags(pyrootless: Run) -> None:
    script = "findmnt -no FSTYPE /scratch; df -k --output=size /scratch | tail -1 | tr -d ' '"
    out = sh(pyrootless, "--tmpfs", "/scratch:size=1m", script=script)
    assert out == "tmpfs\n1024\n"
    full = ("run", "--rm", "--tmpfs", "/scratch:size=1m", "host")
    done = pyrootless(*full, "dd", "if=/dev/zero", "of=/scratch/f", "bs=64k", "count=17")
    assert done.returncode == 1 and "No space left on device" in done.stderr


def test_dev_shm_has_the_size_asked_for(pyrootless: Run) -> None:
    script = "df -k --output=size /dev/shm | tail -1 | tr -d ' '"
    assert sh(pyrootless, "--shm-size", "2m", script=script) == "2048\n"


def test_a_read_only_root_keeps_its_tmpfs(pyrootless: Run) -> None:
    script = "for d in / /work /tmp /run /var/tmp; do touch $d/x 2>&- && echo $d; done; true"
    assert sh(pyrootless, "--read-only", script=script) == "/tmp\n/run\n/var/tmp\n"
    bare = ("--read-only", "--read-only-tmpfs=false")
    assert sh(pyrootless, *bare, script=script) == ""


@pytest.mark.parametrize("form", ["-v={}:/v:ro", "--mount=type=bind,src={},dst=/v,ro"])
def test_a_read_only_volume(pyrootless: Run, tmp_path: Path, form: str) -> None:
    (tmp_path / "file").write_text("lent\n")
    script = "cat /v/file; touch /v/new 2>&- || echo refused"
    assert sh(pyrootless, form.format(tmp_path), script=script) == "lent\nrefused\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("form", ["-v={}:/v", "--mount=type=bind,src={},dst=/v"])
def test_a_writable_volume(pyrootless: Run, tmp_path: Path, form: str) -> None:
    assert sh(pyrootless, form.format(tmp_path), script="echo given > /v/new") == ""
    made = tmp_path / "new"
    assert (made.read_text(), made.stat().st_uid) == ("given\n", os.getuid())


def test_a_mount_of_type_tmpfs(pyrootless: Run) -> None:
    script = "touch /m/x && findmnt -no FSTYPE /m"
    assert sh(pyrootless, "--mount", "type=tmpfs,dst=/m", script=script) == "tmpfs\n"


def test_the_toolchain_is_read_only(pyrootless: Run) -> None:
    script = "for d in /usr /usr/bin /bin/ /etc/ssl; do touch $d/x 2>&- && echo $d; done; true"
    written = sh(pyrootless, script=script).split()
    assert "/usr" not in written and "/usr/bin" not in written and "/bin/" not in written


def test_nothing_of_the_hosts_homes_is_in_sight(pyrootless: Run) -> None:
    script = "ls -A /home /root /home/user /srv /mnt /media 2>&-; true"
    seen = sh(pyrootless, script=script).split()
    assert [name for name in seen if not name.endswith(":")] == ["user"]


# Life of a container


def test_an_ephemeral_container_leaves_nothing(pyrootless: Run, place: dict[str, str]) -> None:
    for extra in ([], ["--ephemeral"], ["--name", "gone"], ["--init"]):
        run = ("run", "--rm", *extra, "host", "sh", "-c", "echo x > /work/x; exit 4")
        assert pyrootless(*run, env=place).returncode == 4
        assert left_behind(place) == []


def test_a_container_is_kept_listed_and_removed(
    pyrootless: Run, place: dict[str, str], tmp_path: Path
) -> None:
    cidfile, pidfile = tmp_path / "cid", tmp_path / "pid"
    options = ("--name", "kept", "--cidfile", cidfile, "--pidfile", pidfile)
    assert pyrootless("run", *options, "host", "sh", "-c", "exit 5", env=place).returncode == 5
    container = cidfile.read_text().strip()
    assert len(container) == 64 and int(container, 16) > 0 and int(pidfile.read_text()) > 1
    assert len(output(pyrootless("ps", env=place)).splitlines()) == 1
    _, row = output(pyrootless("ps", "-a", env=place)).splitlines()
    assert row.startswith(container[:12]) and row.endswith("  kept") and "Exited (5) " in row
    assert output(pyrootless("rm", "kept", env=place)) == "kept\n"
    assert len(output(pyrootless("ps", "-a", env=place)).splitlines()) == 1
    assert left_behind(place) == []


def test_a_name_can_be_taken_once(pyrootless: Run, place: dict[str, str]) -> None:
    run = ("run", "--name", "mine", "host", "true")
    assert pyrootless(*run, env=place).returncode == 0
    kept = left_behind(place)
    again = pyrootless(*run, env=place)
    assert (
        again.returncode == 125
        and 'The container name "/mine" is already in use' in again.stderr
    )
    assert left_behind(place) == kept
    assert output(pyrootless("rm", "mine", env=place)) == "mine\n"
    assert pyrootless(*run, env=place).returncode == 0


def test_a_cidfile_is_never_written_over(
    pyrootless: Run, place: dict[str, str], tmp_path: Path
) -> None:
    cidfile = tmp_path / "cid"
    cidfile.write_text("another's")
    done = pyrootless("run", "--rm", "--cidfile", cidfile, "host", "true", env=place)
    assert done.returncode == 125 and done.stderr.startswith("pyrootless: --cidfile: ")
    assert cidfile.read_text() == "another's" and left_behind(place) == []


def test_a_printed_spec_replays(pyrootless: Run, place: dict[str, str], tmp_path: Path) -> None:
    options = ("-e", "A=1", "-w", "/work", "-u", "1000", "--hostname", "box", "--tmpfs", "/s")
    script = "id -u; pwd; uname -n; env | sort; findmnt -no FSTYPE /s; ulimit -n; exit 6"
    argv = (*options, "host", "sh", "-c", script)
    printed = output(pyrootless("run", "--print-spec", *argv, env=place))
    assert json.loads(printed)["process"]["args"] == ["sh", "-c", script]
    assert left_behind(place) == []
    spec = tmp_path / "config.json"
    spec.write_text(printed)
    first = pyrootless("run", "--rm", *argv, env=place)
    again = pyrootless("run", "--rm", "--spec", spec, env=place)
    assert (first.returncode, first.stdout.split()[:3]) == (6, ["1000", "/work", "box"])
    assert (again.returncode, again.stdout) == (6, first.stdout)


def test_a_mount_lies_over_the_one_before_it(
    pyrootless: Run, place: dict[str, str], tmp_path: Path
) -> None:
    """Names in the container's own /dev are usually new; a specification may name one twice."""
    script = "cd /dev/shm; stat -fc %T .; stat -c %a .; grep -c ' /dev/shm ' /proc/self/mounts"
    config = json.loads(output(pyrootless("run", "--print-spec", "host", "sh", "-c", script)))
    shm = next(mount for mount in config["mounts"] if mount["destination"] == "/dev/shm")
    config["mounts"].append({**shm, "options": ["mode=0750"]})
    spec = tmp_path / "config.json"
    spec.write_text(json.dumps(config))
    done = pyrootless("run", "--rm", "--spec", spec, env=place)
    assert (done.returncode, done.stdout.split()) == (0, ["tmpfs", "750", "2"]), done.stderr


@pytest.mark.parametrize("entry", [(), ("--privileged",)], ids=["move", "pivot"])
def test_the_machines_own_root_is_a_root_in_place(
    pyrootless: Run, engine_environment: dict[str, str], entry: tuple[str, ...]
) -> None:
    """With devices and processes of its own, and without the engine's store."""
    store = engine_environment["PYROOTLESS_ROOT"]
    script = f"echo > /dev/null && echo $$ && ls -A {store} && stat -c %i / /.."
    script += " && grep -c ' / / ' /proc/self/mountinfo && cat /dev/zero"
    words = ("run", "--rm", *entry, "--rootfs", "/", "sh", "-c", f"({script}) | head -c 60")
    done = pyrootless(*words)
    inode = Path("/").stat().st_ino
    expected = f"1\n{inode}\n{inode}\n1\n"
    assert done.stdout == expected + "\0" * (60 - len(expected)), done.stderr
