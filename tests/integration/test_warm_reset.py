"""Warm runs: nothing of one is in the next, a copy holds no power, and the zygote is sealed.

Each program of the corpus says "clean" or "traces", and then leaves one.  Where nothing is
reset (twice in one interpreter) the second must find it, or the program would prove nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pyrootless.sandbox import Limits, Outcome, ReadyBoxes, Sandbox, Verdict, Warm, run
from pyrootless.sandbox.box import CWD, Program, environment, image_base
from pyrootless.sandbox.runs import Job
from pyrootless.sandbox.warm import cache, zygote_main
from pyrootless.sandbox.warm.interpreter import Zygote
from pyrootless.sandbox.warm.kinds import Shelf
from pyrootless.sandbox.warm.ready import ReadyBox

pytestmark = pytest.mark.usefixtures("engine")

LIMITS = Limits(cpu="2s", wall="60s", memory="128M", procs=16)

# Name → what a trace of the last run would be, and how one is left.
TRACES = {
    "file in /tmp": ("os.path.exists('/tmp/t')", "open('/tmp/t', 'w')"),
    "file in the box": ("os.path.exists('t')", "open('t', 'w')"),
    "hidden file": ("os.path.exists('/box/.t')", "os.mkfifo('/box/.t')"),
    "shared memory": (
        "os.path.exists('/dev/shm/t')",
        "import multiprocessing.shared_memory as s\n"
        "m = s.SharedMemory('t', True, 9, track=False)",
    ),
    "named semaphore": ("os.path.exists('/dev/shm/sem.t')", "open('/dev/shm/sem.t', 'w')"),
    "abstract socket": (
        "socket.socket(socket.AF_UNIX).connect_ex('\\0t') == 0",
        "s = socket.socket(socket.AF_UNIX); s.bind('\\0t'); s.listen()",
    ),
    "environment": ("'T' in os.environ", "os.environ['T'] = '1'"),
    "environment of libc": ("libc.getenv(b'T') != 0", "libc.setenv(b'T', b'1', 1)"),
    "new module": ("'t' in sys.modules", "sys.modules['t'] = sys"),
    "patched module": ("json.dumps(1) != '1'", "json.dumps = repr; json.dumps = lambda x: 'x'"),
    "patched builtin": ("len(()) != 0", "import builtins; builtins.len = lambda x: 5"),
    "attribute of a module": ("hasattr(json, 't')", "json.t = 1"),
    "attribute of a class": ("hasattr(json.JSONDecoder, 't')", "json.JSONDecoder.t = 1"),
    "sys.path": ("'/t' in sys.path", "sys.path.append('/t')"),
    "import hook": (
        "sys.meta_path.count(sys.meta_path[0]) > 1",
        "sys.meta_path.append(sys.meta_path[0])",
    ),
    "main": ("'t' in vars(sys.modules['__main__'])", "sys.modules['__main__'].t = 1"),
    "atexit": ("atexit._ncallbacks() > 40", "[atexit.register(int) for _ in range(50)]"),
    "thread": (
        "threading.active_count() > 1",
        "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
    ),
    "signal handler": (
        "signal.getsignal(12) is not signal.SIG_DFL",
        "signal.signal(12, print)",
    ),
    "blocked signal": (
        "signal.pthread_sigmask(0, [])",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [12])",
    ),
    "timer": ("signal.getitimer(0)[0] > 0", "signal.signal(14, print); signal.setitimer(0, 9)"),
    "open descriptor": ("opens(9)", "os.dup2(1, 9)"),
    "working directory": ("os.getcwd() != '/box'", "os.chdir('/tmp')"),
    "umask": ("os.umask(0o22) != 0o22", "os.umask(0)"),
    "soft limit": (
        "resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 50",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 99))",
    ),
    "nice value": ("os.nice(0) > 0", "os.nice(5)"),
    "processor": ("len(os.sched_getaffinity(0)) < cpus", "os.sched_setaffinity(0, [cpu])"),
    "process name": ("open('/proc/self/comm').read() == 't\\n'", "libc.prctl(15, b't')"),
    "leftover process": (
        "len([n for n in os.listdir('/proc') if n.isdigit()]) > 2",
        "os.fork() or (os.setpgid(0, 0), time.sleep(0.2 if twice else 9), os._exit(0))",
    ),
    "recursion limit": ("sys.getrecursionlimit() != 1000", "sys.setrecursionlimit(900)"),
    "hook": ("sys.excepthook is not sys.__excepthook__", "sys.excepthook = print"),
    "collector": ("not gc.isenabled()", "gc.disable()"),
    "warnings": (
        "('ignore', None, Warning, None, 0) in warnings.filters",
        "warnings.simplefilter('ignore')",
    ),
    "stream": ("sys.stdout.encoding != 'utf-8'", "sys.stdout.reconfigure(encoding='latin-1')"),
    "random state": ("random.getstate() == seeded", "random.seed(1)"),
    "own executable": (
        "os.stat('/proc/self/exe').st_mtime == 5",
        "change(os.utime, '/proc/self/exe', (5, 5))",
    ),
}

# Refused to every program of a sandbox: there is nothing that could be left.
REFUSED = {
    "key": "libc.syscall(248, b'user', b't', b't', 1, -3)",
    "System V memory": "libc.shmget(5, 4096, 0o1666)",
    "System V semaphore": "libc.semget(5, 1, 0o1666)",
    "System V queue": "libc.msgget(5, 0o1666)",
    "POSIX queue": "libc.mq_open(b'/t', 66, 0o666, 0)",
    "memory file": "libc.memfd_create(b't', 0)",
    "host name": "libc.sethostname(b't', 1)",
    "user namespace": "libc.unshare(0x10000000)",
}

# Modules that the programs use are the zygote's, where their traces could stay.
IMPORTS = ("json", "random", "threading", "signal", "atexit", "socket", "ctypes")

COMMON = """
import atexit, ctypes, gc, json, os, random, resource, signal, socket, sys, threading, time
import warnings
libc = ctypes.CDLL(None)
def opens(fd):
    try: return bool(os.fstat(fd))
    except OSError: return False
def change(call, *args):
    try: call(*args)
    except OSError: pass
r = random.Random(1); seeded = r.getstate()
cpus, cpu = CPUS, CPU
twice = False
"""


def program(name: str) -> str:
    cpus = sorted(os.sched_getaffinity(0))
    common = COMMON.replace("CPUS", str(len(cpus))).replace("CPU", str(cpus[0]))
    look, leave = TRACES[name]
    return f"{common}\nprint('traces' if {look} else 'clean', flush=True)\n{leave}\n"


@pytest.fixture(scope="module")
def boxes(engine_environment: dict[str, str]) -> Iterator[ReadyBoxes]:
    root, warm = engine_environment["PYROOTLESS_ROOT"], Warm(IMPORTS)
    with ReadyBoxes(limits=LIMITS, size=2, warm=warm, root=root) as ready:
        yield ready


Door = Callable[[list[str]], Outcome]
DOORS = ("ready", "run", "sandbox")


@pytest.fixture(scope="module", params=DOORS)
def door(
    request: pytest.FixtureRequest, engine_environment: dict[str, str], boxes: ReadyBoxes
) -> Iterator[Door]:
    """Each way to warm runs."""
    root = engine_environment["PYROOTLESS_ROOT"]
    with (
        Sandbox(limits=LIMITS, warm=Warm(IMPORTS), root=root) as box,
        Shelf() as shelf,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(cache, "_shelf", lambda: shelf)
        doors: dict[str, Door] = {
            "ready": boxes.run,
            "run": partial(run, limits=LIMITS, warm=Warm(IMPORTS), root=root),
            "sandbox": box.run,
        }
        yield doors[request.param]


@pytest.mark.parametrize("name", TRACES)
def test_nothing_of_a_run_is_in_the_next(door: Door, name: str) -> None:
    args = ["python3", "-c", program(name)]
    for _ in range(3):
        outcome = door(args)
        assert outcome.stdout.startswith(b"clean\n"), outcome
        assert outcome.warm
        assert outcome.verdict in (Verdict.OK, Verdict.RE), outcome


WITHOUT_RESET = sorted(set(TRACES) - {"own executable"})


@pytest.mark.parametrize("name", WITHOUT_RESET)
def test_a_trace_is_seen_where_nothing_is_reset(name: str) -> None:
    text = program(name).replace("twice = False", "twice = True")
    code = f"names = {{}}\nfor _ in (1, 2): exec({text!r}, globals())"
    outcome = run(["python3", "-c", code], limits=LIMITS)
    assert outcome.stdout.replace(b"x", b"").startswith(b"clean\ntraces\n"), outcome


@pytest.mark.parametrize("what", REFUSED)
def test_what_could_not_be_reset_is_refused(boxes: ReadyBoxes, what: str) -> None:
    code = f"import ctypes; libc = ctypes.CDLL(None); print({REFUSED[what]} & 0xffffffff)"
    assert boxes.run(["python3", "-c", code]).stdout == b"4294967295\n"


CHANCE = {
    "random": "import random; print(random.random())",
    "uuid": "import uuid; print(uuid.uuid4())",
    "secrets": "import secrets; print(secrets.token_hex())",
    "tempfile": "import tempfile; print(tempfile.mktemp())",
}
NUMPY_CHANCE = {
    "global": "import numpy; print(numpy.random.rand())",
    "global state": "import numpy.random as r; print(r.get_state()[1][:8])",
    "new generator": "import numpy; print(numpy.random.default_rng().random())",
    "new state": "import numpy; print(numpy.random.RandomState().rand())",
}


def different(door: Door, code: str) -> int:
    outcomes = [door(["python3", "-c", code]) for _ in range(4)]
    assert all(outcome.ok and outcome.warm for outcome in outcomes), outcomes
    return len({outcome.stdout for outcome in outcomes})


@pytest.mark.parametrize("what", CHANCE)
def test_chance_is_new_in_every_run(boxes: ReadyBoxes, what: str) -> None:
    assert different(boxes.run, CHANCE[what]) == 4


@pytest.fixture(scope="module")
def numeric(engine_environment: dict[str, str]) -> Iterator[ReadyBoxes]:
    limits, warm = Limits(cpu="5s", wall="60s", memory="512M"), Warm(("numpy",))
    root = engine_environment["PYROOTLESS_ROOT"]
    with ReadyBoxes(limits=limits, size=1, warm=warm, root=root) as ready:
        yield ready


@pytest.mark.needs("numpy")
@pytest.mark.parametrize("what", NUMPY_CHANCE)
def test_chance_of_numpy_is_new_in_every_run(numeric: ReadyBoxes, what: str) -> None:
    assert different(numeric.run, NUMPY_CHANCE[what]) == 4


STATUS = r"""
import os, re
text = open("/proc/self/status").read()
print(re.findall("(?:Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups|Sig(?:Blk|Ign|Cgt)|Umask).*", text))
print(sorted(os.listdir("/proc/self/fd")), os.getuid(), os.getcwd(), os.uname().nodename)
print(sorted(n for n in os.listdir("/proc") if not n.isdigit()))
print([line.split(" - ")[0].split()[3:] for line in open("/proc/self/mountinfo")])
print(open("/proc/self/oom_score_adj").read(), open("/proc/self/setgroups").read())
print(sorted(os.listdir("/")), sorted(os.listdir("/dev")), os.getppid())
"""


def test_a_copy_is_confined_as_a_program_of_a_cold_box() -> None:
    args = ["python3", "-c", STATUS]
    cold = run(args, limits=LIMITS)
    assert b"CapBnd:\\t0000000000000000" in cold.stdout
    with ReadyBoxes(limits=LIMITS, size=1, warm=True) as boxes:
        assert boxes.run(args).stdout == cold.stdout


def test_a_copy_has_no_descriptor_but_its_streams(boxes: ReadyBoxes) -> None:
    code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"
    assert boxes.run(["python3", "-c", code]).stdout == b"[0, 1, 2, 3]\n"  # 3 lists them


KINDS = ("user", "mnt", "pid", "ipc", "uts", "net")


def test_every_run_has_namespaces_of_its_own(engine: None) -> None:
    code = f"import os; print(*[os.readlink('/proc/self/ns/' + k) for k in {KINDS!r}])"
    env = environment(None, CWD)
    job = Job(image_base("host"), Program(("python3", "-c", code), env), limits=LIMITS)
    zygote = Zygote(Warm(), env, LIMITS, None)
    ready = [ReadyBox(job, zygote) for _ in range(2)]  # both at once: numbers come again
    seen = [[str(Path("/proc/self/ns", kind).readlink()) for kind in KINDS]]
    seen += [each.run_for_facts(job)[0]["stdout"].decode().split() for each in ready]
    for each in ready:
        each.close()
    for numbers in zip(*seen, strict=True):
        assert len(set(numbers)) == 3, seen


def test_a_copy_sees_its_init_and_itself(boxes: ReadyBoxes) -> None:
    code = "import os; print([n for n in os.listdir('/proc') if n.isdigit()], os.getpid())"
    assert boxes.run(["python3", "-c", code]).stdout == b"['1', '3'] 3\n"


def test_a_copy_cannot_enter_namespaces_as_its_zygote_may(boxes: ReadyBoxes) -> None:
    code = "import ctypes; ctypes.CDLL(None).setns(0, 0)"
    assert boxes.run(["python3", "-c", code]).verdict is Verdict.SV


# --- the zygote's own tree ---


@pytest.fixture(scope="module")
def python_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of the caller's own, in which a program may write wherever nothing stops it."""
    tree = tmp_path_factory.mktemp("python")
    program = Path(sys.executable).resolve()
    listed = subprocess.run(
        ["ldd", program], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    libraries = [word for word in listed.split() if word.startswith("/")]
    for source in [str(program), *libraries]:
        target = tree / source.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    standard = Path(sysconfig.get_path("stdlib"))
    unwanted = shutil.ignore_patterns("test", "__pycache__", "idlelib", "*.so", "site-packages")
    shutil.copytree(standard, tree / str(standard).lstrip("/"), ignore=unwanted, symlinks=True)
    for name in ("proc", "dev", "tmp"):
        (tree / name).mkdir(exist_ok=True)
    return tree


CHANGES = """
import os
for call in ("os.chmod(exe, 0o711)", "os.utime(exe, (5, 5))", "os.truncate(exe, 1)"):
    exe = "/proc/self/exe"
    try: eval(call)
    except OSError as error: print(error.errno, end=" ")
    else: print("changed", end=" ")
print(oct(os.stat(exe).st_mode), os.stat(exe).st_mtime == 5)
"""


def test_the_zygotes_files_are_nobodys_to_change(python_tree: Path) -> None:
    python = str(Path(sys.executable).resolve())
    warm = Warm(interpreter=(python, "-S"))
    with ReadyBoxes(rootfs=python_tree, limits=LIMITS, size=1, warm=warm) as boxes:
        said = [boxes.run([python, "-S", "-c", CHANGES]).stdout for _ in range(2)]
    assert said == [b"30 30 30 0o100755 False\n"] * 2  # EROFS


def test_an_import_that_keeps_shared_memory_is_refused() -> None:
    main = Path(zygote_main.__file__)
    code = (
        f"import mmap; kept = mmap.mmap(-1, 4096, {{}})\n"
        f"import runpy; runpy.run_path({str(main)!r})['_check_memory']()"
    )
    for flags, refused in (("mmap.MAP_SHARED", True), ("mmap.MAP_PRIVATE", False)):
        words = [sys.executable, "-c", code.format(flags)]
        ended = subprocess.run(words, capture_output=True, timeout=60, check=False)
        assert (b"writable memory that is shared" in ended.stderr) is refused, ended.stderr
