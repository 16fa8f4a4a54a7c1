"""What `exec` brings into a container: no power and no descriptor the container was not given.

In: probe.c and hostile programs in running containers, which wait for a program to join them.
Out: the table of SECURITY.md for the joined program; nothing seen of the launcher on its way.
Source: CVE-2016-9962 (descriptors of what is not a program yet), CVE-2019-5736 (the engine's
own file as the program), CVE-2022-29162 (inheritable capabilities).
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from posture_table import answers, documented, wrong

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., str]
Compile = Callable[[str, str], Path]

pytestmark = [
    pytest.mark.context_root,
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "gcc"),
]
ROUNDS = 40
FENCES = ["landlock", "sealed"]
"""What keeps the launcher's file out of reach: the second fence, or a copy nobody can write."""

QUIET = "int main(void) { return 0; }\n"
STOP = '#include <sys/stat.h>\nint main(void) { return mkdir("/tmp/stop", 0755); }\n'

# Looks at every process but the first and itself, without a pause: its executable, and its
# descriptors beyond 0, 1, 2 (the program that joins opens none).  Ends when /tmp/stop is there.
WATCH = r"""
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static long looks, found;
static void look(int pid)
{
    char path[64], target[512];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n > 0 && (target[n] = 0, strstr(target, "pyrootless")))
        found++, printf("executable %s\n", target);
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (atoi(e->d_name) > 2 && (n = readlinkat(dirfd(dir), e->d_name, target, 511)) > 0)
            found++, printf("descriptor %s: %.*s\n", e->d_name, (int)n, target);
    if (dir)
        closedir(dir);
    looks++;
}
int main(void)
{
    printf("ready\n");
    fflush(stdout);
    while (access("/tmp/stop", F_OK) < 0) {
        DIR *dir = opendir("/proc");
        for (struct dirent *e; (e = readdir(dir));)
            if (atoi(e->d_name) > 1 && atoi(e->d_name) != getpid())
                look(atoi(e->d_name));
        closedir(dir);
    }
    printf("%s, found %ld\n", looks > 0 ? "looked" : "saw nobody", found);
    return 0;
}
"""

# Makes /tmp/program a harmless program and a script for /proc/self/exe in turns, without a
# pause, and tries to open what runs meanwhile for writing.
FLIP = r"""
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    long found = 0;
    (void)argc;
    printf("ready\n");
    fflush(stdout);
    for (unsigned turn = 0; access("/tmp/stop", F_OK) < 0; turn++) {
        unlink("/tmp/next");
        if (symlink(turn % 2 ? "/tmp/script" : "/quiet", "/tmp/next") < 0 ||
            rename("/tmp/next", "/tmp/program") < 0)
            return 3;
        DIR *dir = opendir("/proc");
        for (struct dirent *e; (e = readdir(dir));) {
            char path[300];
            struct stat st;
            snprintf(path, sizeof path, "/proc/%s/exe", e->d_name);
            int fd = atoi(e->d_name) > 1 ? open(path, O_RDONLY) : -1;
            if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == strtoul(argv[1], NULL, 10))
                found++;
            if (fd >= 0)
                close(fd);
        }
        closedir(dir);
    }
    printf("found %ld\n", found);
    return 0;
}
"""


@pytest.fixture
def start(pyrootless: Run) -> Iterator[Start]:
    """Start a container in the background; ended after the test."""
    started: list[str] = []

    def call(*words: str | Path) -> str:
        done = pyrootless("run", "-d", "--rm", *words)
        assert done.returncode == 0, done.stderr
        started.append(done.stdout.strip())
        return started[-1]

    yield call
    for ident in started:
        pyrootless("rm", "-f", ident)


def fence(name: str) -> list[str]:
    """Options of a container that has this fence."""
    return ["--security-opt=landlock=off"] if name == "sealed" else []


@pytest.mark.needs("x86_64")
@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ((), {}),
        (("--fake-root=remember",), {"mknod of a device": "allowed"}),
        (("--cap-drop=ALL",), {"CapEff": "0" * 16, "CapBnd": "0" * 16, "chroot": "EPERM"}),
        pytest.param(
            ("--userns=range",), {}, marks=pytest.mark.needs("subordinate-ids", "newuidmap")
        ),
    ],
)
def test_a_joined_program_may_what_the_container_may(
    pyrootless: Run,
    probe: Path,
    start: Start,
    options: tuple[str, ...],
    changed: dict[str, str],
) -> None:
    ident = start(*options, "-v", f"{probe}:/probe:ro", "host", "sleep", "1000")
    done = pyrootless("exec", ident, "/probe")
    assert done.returncode == 0, done.stderr
    beside = {"processes in sight": "2"}  # the container's first one too
    first = pyrootless("run", "--rm", *options, "-v", f"{probe}:/probe:ro", "host", "/probe")
    if "--cap-drop=ALL" not in options:
        assert wrong(answers(done.stdout), documented() | changed | beside) == []
    assert {key: answers(done.stdout)[key] for key in changed} == changed
    assert answers(done.stdout) == answers(first.stdout) | beside


@pytest.mark.parametrize("name", FENCES)
def test_the_container_sees_nothing_of_the_launcher(
    pyrootless: Run,
    launcher: Path,
    engine_environment: dict[str, str],
    compiled: Compile,
    start: Start,
    name: str,
) -> None:
    """Neither its executable nor a descriptor, however often the container looks.

    Where root calls, root inside owns /proc/PID/fd and may count what it may not follow.
    """
    programs = (("quiet", QUIET), ("stop", STOP), ("watch", WATCH))
    volumes = [f"-v{compiled(key, text)}:/{key}:ro" for key, text in programs]
    ident = start(*fence(name), "--tmpfs=/tmp", *volumes, "host", "sleep", "1000")
    words = [str(launcher), "exec", ident, "/watch"]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline() == b"ready\n"
        codes = [pyrootless("exec", ident, "/quiet").returncode for _ in range(ROUNDS)]
        pyrootless("exec", ident, "/stop")
        assert watch.stdout.read().decode().splitlines()[-1] == "looked, found 0"
    assert codes == [0] * ROUNDS


@pytest.mark.parametrize("name", FENCES)
def test_no_race_makes_the_launcher_the_program(
    pyrootless: Run,
    launcher: Path,
    engine_environment: dict[str, str],
    compiled: Compile,
    start: Start,
    name: str,
) -> None:
    programs = (("quiet", QUIET), ("stop", STOP), ("flip", FLIP))
    volumes = [f"-v{compiled(key, text)}:/{key}:ro" for key, text in programs]
    ident = start(*fence(name), "--tmpfs=/tmp", *volumes, "host", "sleep", "1000")
    script = "printf '#!/proc/self/exe\\n' > /tmp/script && chmod 755 /tmp/script"
    assert pyrootless("exec", ident, "sh", "-c", script).returncode == 0
    before = launcher.read_bytes()
    words = [str(launcher), "exec", ident, "/flip", str(launcher.stat().st_ino)]
    with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as flip:
        assert flip.stdout is not None
        assert flip.stdout.readline() == b"ready\n"
        for _ in range(ROUNDS):
            pyrootless("exec", ident, "/tmp/program")
        pyrootless("exec", ident, "/stop")
        assert flip.stdout.read() == b"found 0\n"
    assert launcher.read_bytes() == before


@pytest.mark.parametrize("verb", ["run", "exec"])
@pytest.mark.parametrize("line", ["#!/proc/self/exe", "#!proc/self/exe", "#!../proc/self/exe"])
def test_no_script_names_the_launcher(
    pyrootless: Run, start: Start, tmp_path: Path, verb: str, line: str
) -> None:
    """An interpreter's name may be relative: the kernel looks it up from the directory."""
    (tmp_path / "script").write_text(f"{line}\n")
    (tmp_path / "twin").write_text("#!bin/sh\necho twin $0\n")
    for name in ("script", "twin"):
        (tmp_path / name).chmod(0o755)
    place = "/usr" if ".." in line else "/"
    words = ["--privileged", "-w", place, f"-v{tmp_path}:/s:ro", "host"]

    def call(program: str) -> subprocess.CompletedProcess[str]:
        if verb == "run":
            return pyrootless("run", "--rm", *words, program)
        return pyrootless("exec", start(*words, "sleep", "1000"), program)

    refused = call("/s/script")
    assert (refused.returncode, refused.stdout) == (126, "")
    words[2] = "/"
    assert call("/s/twin").stdout == "twin /s/twin\n"


def test_the_sealed_copy_is_what_runs_without_the_second_fence(
    launcher: Path, engine_environment: dict[str, str], start: Start
) -> None:
    for name, same in zip(FENCES, (True, False), strict=True):
        ident = start(*fence(name), "host", "sleep", "1000")
        script = "trap 'echo hup' HUP; echo ready; while :; do sleep 1; done"
        words = [str(launcher), "exec", ident, "sh", "-c", script]
        with subprocess.Popen(words, env=engine_environment, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            child.send_signal(signal.SIGHUP)
            assert child.stdout.readline() == b"hup\n"  # the launcher waits by now
            executed = os.stat(f"/proc/{child.pid}/exe")
            child.terminate()
        assert (executed.st_ino == launcher.stat().st_ino) == same


def test_descriptors_of_the_caller_stay_outside(
    launcher: Path, engine_environment: dict[str, str], start: Start, tmp_path: Path
) -> None:
    ident = start("host", "sleep", "1000")
    with (tmp_path / "open").open("w") as lent:
        done = subprocess.run(
            [str(launcher), "exec", ident, "ls", "/proc/self/fd"],
            env=engine_environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            pass_fds=[lent.fileno()],
        )
    assert done.stdout.split() == ["0", "1", "2", "3"]  # 3: the directory that ls reads
