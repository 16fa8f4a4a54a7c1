"""What all tests share: facts, contexts, the launcher under test.

In: the checkout's virtual environment; PYROOTLESS_TEST_CONTEXT (user, single, root, nested)
and PYROOTLESS_TEST_REPORT (a JSON file of contexts that already ran), both set by
tools/run_tests.py.
Out: skips that name the missing fact, fixtures, the table of contexts before the closing line.
Never: a change to the machine outside temporary directories.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import facts
import holders
import pytest
import turns

ROOT = Path(__file__).resolve().parent.parent

# Which way a start takes is for a test to say: none leaves a holder of user namespaces behind.
os.environ[holders.IDLE] = "0"

Runner = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests whose facts are not there, naming the first that is missing."""
    for item in items:
        names = [fact for marker in item.iter_markers("needs") for fact in marker.args]
        reasons = (
            f"needs {name}: {facts.missing(name)}" for name in names if facts.missing(name)
        )
        if reason := next(reasons, ""):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test marked `alone` runs while no other process of this run has one."""
    worker = hasattr(item.config, "workerinput")
    shared = Path(item.config.option.basetemp).parent if worker else None
    with turns.turn(shared, alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _files_of_other_ids(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A pull sets owners: pytest alone cannot remove what has ids of the user's range."""
    yield
    found = [str(path) for path in _owners_layers(tmp_path_factory.getbasetemp())]
    launcher = Path(sys.executable).parent / "pyrootless"
    if found and launcher.exists():
        words = [str(launcher), "unshare", "--", "rm", "-rf", *found]
        subprocess.run(words, capture_output=True, timeout=120, check=False)


def _owners_layers(base: Path) -> Iterator[Path]:
    """…/layers/HEX/range-KEY below it, without looking into trees."""
    for place, folders, _ in os.walk(base):
        if Path(place).parent.name == "layers":
            yield from (Path(place, name) for name in folders if name.startswith("range-"))
            folders.clear()
        elif Path(place).name in ("blobs", "containers", "rootfs"):
            folders.clear()


def pytest_report_header() -> str:
    """Name the context, so that a log says who ran."""
    return f"context: {context_name()} (uid {os.getuid()})"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which contexts ran and why any did not; the closing line stays the last one."""
    report = os.environ.get("PYROOTLESS_TEST_REPORT")
    if not report or not Path(report).exists():
        return
    terminalreporter.section("contexts")
    for row in json.loads(Path(report).read_text()):
        line = f"{row['name']:8} {row['state']:8} {row['reason']}"
        terminalreporter.write_line(line.rstrip())


def context_name() -> str:
    """The context this run is in: user, single, root or nested."""
    given = os.environ.get("PYROOTLESS_TEST_CONTEXT")
    return given or ("root" if os.getuid() == 0 else "user")


def pytest_configure() -> None:
    """Under nohup SIGHUP is ignored, and SIGINT and SIGQUIT by a shell's background job.

    What ignores a signal hands none on to its container.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def context() -> str:
    """The context this run is in: user, single, root or nested."""
    return context_name()


@pytest.fixture(scope="session")
def launcher() -> Path:
    """The `pyrootless` executable of this environment."""
    path = Path(sys.executable).parent / "pyrootless"
    assert path.exists(), f"{path} is not there: run `make build`"
    return path


@pytest.fixture(scope="session")
def engine_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose store and runtime directory belong to this test run alone.

    The store is shared by the tests of a run, so that `host` is prepared once.
    """
    base = tmp_path_factory.mktemp("engine")
    (base / "runtime").mkdir(mode=0o700)
    kept = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LD_PRELOAD", "ASAN_OPTIONS")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env["PYROOTLESS_ROOT"] = str(base / "store")
    env["XDG_RUNTIME_DIR"] = str(base / "runtime")
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env[holders.IDLE] = "0"
    return env


@pytest.fixture
def pyrootless(launcher: Path, engine_environment: dict[str, str]) -> Iterator[Runner]:
    """Call the launcher: pyrootless("run", "--rm", "host", "true", input="…", timeout=60).

    Returns the completed process (text); its exit status is for the test to judge.
    """

    def call(
        *args: str | Path,
        env: dict[str, str] | None = None,
        timeout: float = 60,
        **options: object,
    ) -> subprocess.CompletedProcess[str]:
        settings: dict[str, object] = {"capture_output": True, "check": False, **options}
        if "input" not in settings:
            settings.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(
            [str(launcher), *map(str, args)],
            env={**engine_environment, **(env or {})},
            text=True,
            timeout=timeout,
            **settings,  # type: ignore[call-overload]
        )

    yield call
