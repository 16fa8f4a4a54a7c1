"""pyrootless.engine.child: a running container in this process's hands."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import types
from pathlib import Path

import pytest

from pyrootless import launch
from pyrootless.engine.child import DEVNULL, PIPE, Child
from pyrootless.errors import StoreError, UsageError

pytestmark = pytest.mark.usefixtures("engine")


def line_of(child: Child) -> bytes:
    """The next line of its output."""
    assert child.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        piece = child.stdout.read(1)
        assert piece, f"output ended after {line!r}"
        line += piece
    return line


def test_streams_are_pipes_while_it_runs() -> None:
    with launch("host", ["cat"], stdin=PIPE) as child:
        assert child.stdin is not None and child.result is None
        child.stdin.write(b"hello\n")
        assert line_of(child) == b"hello\n"
        child.stdin.close()
        result = child.wait()
    assert (result.ended_by, result.exit_code, result.args) == ("exit", 0, ("cat",))
    assert child.result is result and child.wait() is result


def test_the_descriptor_tells_the_end() -> None:
    with launch("host", ["cat"], stdin=PIPE) as child:
        poll = select.poll()
        poll.register(child.fileno(), select.POLLIN)
        assert poll.poll(0) == []
        assert child.stdin is not None
        child.stdin.close()
        assert poll.poll(30_000) == [(child.fileno(), select.POLLIN)]
        assert child.wait().exit_code == 0


def test_wait_gives_up_and_the_container_goes_on() -> None:
    with launch("host", ["cat"], stdin=PIPE) as child:
        with pytest.raises(TimeoutError, match=f"{child.id[:12]} still runs after 0 s"):
            child.wait(timeout=0)
        with pytest.raises(TimeoutError):
            child.wait(timeout=0.05)
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(timeout=30).exit_code == 0


def test_the_wall_limit_ends_it_however_short_the_wait() -> None:
    with launch("host", ["sleep", "600"], timeout=0.2) as child:
        assert child.deadline_ns is not None
        result = child.wait(timeout=30)
    assert (result.ended_by, result.signal) == ("timeout", signal.SIGKILL)


def test_without_a_limit_there_is_no_deadline() -> None:
    with launch("host", ["true"]) as child:
        assert child.deadline_ns is None


def test_kill() -> None:
    with launch("host", ["sleep", "600"]) as child:
        child.kill()
        result = child.wait()
        assert (result.ended_by, result.exit_code, result.signal) == ("killed", None, 9)
        child.kill()  # of what has ended: nothing
        child.signal(signal.SIGTERM)


def test_a_signal_reaches_a_handler() -> None:
    script = "trap 'echo caught; exit 3' USR1; echo ready; while :; do read x; done"
    with launch("host", ["sh", "-c", script], stdin=PIPE) as child:
        assert line_of(child) == b"ready\n"
        child.signal(signal.SIGUSR1)
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a shell whose `read` the signal ends
            child.stdin.write(b"\n")
        assert line_of(child) == b"caught\n"
        assert child.wait().exit_code == 3


def test_a_signal_that_ends_a_process_ends_pid_1() -> None:
    with launch("host", ["sleep", "600"]) as child:
        child.signal(signal.SIGTERM)
        result = child.wait(timeout=30)
    assert (result.exit_code, result.signal) == (None, signal.SIGTERM)


def test_leaving_the_block_kills(engine: Path) -> None:
    with launch("host", ["sleep", "600"]) as child:
        pidfd = os.pidfd_open(child.pid)
        place = engine / "run/pyrootless/containers" / child.id
        assert place.is_dir()
    assert select.select([pidfd], [], [], 30)[0] == [pidfd]
    os.close(pidfd)
    assert not place.exists()


def test_close_twice() -> None:
    child = launch("host", ["sleep", "600"], stdin=PIPE)
    child.close()
    child.close()
    assert child.stdin is not None and child.stdin.closed
    assert child.stdout is not None and child.stdout.closed


def test_garbage_is_killed(engine: Path) -> None:
    child = launch("host", ["sleep", "600"], stdout=DEVNULL, stderr=DEVNULL)
    pidfd, place = os.pidfd_open(child.pid), engine / "run/pyrootless/containers" / child.id
    del child
    assert select.select([pidfd], [], [], 30)[0] == [pidfd]
    os.close(pidfd)
    assert not place.exists()


def test_garbage_of_another_thread_is_killed() -> None:
    children: list[Child] = []
    command = ["sleep", "600"]
    thread = threading.Thread(
        target=lambda: children.append(launch("host", command, stdout=DEVNULL, stderr=DEVNULL))
    )
    thread.start()
    thread.join(60)
    pidfd = os.pidfd_open(children[0].pid)
    children.clear()
    assert select.select([pidfd], [], [], 30)[0] == [pidfd]
    os.close(pidfd)


def test_it_outlives_the_thread_that_launched_it() -> None:
    children: list[Child] = []
    thread = threading.Thread(
        target=lambda: children.append(launch("host", ["cat"], stdin=PIPE))
    )
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    with children[0] as child:
        assert child.stdin is not None
        child.stdin.write(b"still here\n")
        assert line_of(child) == b"still here\n"
        child.stdin.close()
        assert child.wait().exit_code == 0


def test_files_are_lent(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"from a file")
    with (
        open(tmp_path / "in", "rb") as source,
        open(tmp_path / "out", "wb") as sink,
        launch("host", ["cat"], stdin=source, stdout=sink, stderr=sink.fileno()) as child,
    ):
        assert (child.stdin, child.stdout, child.stderr) == (None, None, None)
        assert child.wait().exit_code == 0
    assert (tmp_path / "out").read_bytes() == b"from a file"


def test_a_terminal_is_refused(engine: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    master, slave = os.openpty()
    with pytest.raises(UsageError, match="a container cannot get the caller.s terminal"):
        launch("host", ["true"], stdin=slave)
    os.close(master)
    os.close(slave)
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert list((engine / "run/pyrootless/containers").iterdir()) == []


def test_a_number_that_is_no_stream_is_refused() -> None:
    with pytest.raises(UsageError, match="-7 is not a stream"):
        launch("host", ["true"], stdout=-7)


def test_wait_with_a_timeout_needs_no_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Child, "fileno", lambda child: -1)
    with launch("host", ["sh", "-c", "read line; exit 3"], stdin=PIPE) as child:
        with pytest.raises(TimeoutError):
            child.wait(0)
        with pytest.raises(TimeoutError):
            child.wait(0.02)
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60).exit_code == 3
    with launch("host", ["sleep", "600"], timeout=0.05) as child:
        assert child.wait(60).ended_by == "timeout"


def test_what_cannot_be_removed_is_a_warning() -> None:
    """That the core tells it, tests/faults/test_nth_failure.py holds."""
    with launch("host", ["sh", "-c", "exit 3"]) as child:
        real = child._container
        failed = StoreError("state: remove(/store): Input/output error")
        child._container = types.SimpleNamespace(  # type: ignore[assignment]
            wait=lambda limit_ns: (*real.wait(limit_ns)[:7], failed, {}),
            wall_limit_ns=0,
            close=real.close,
        )
        with pytest.warns(RuntimeWarning, match=r"^state: remove\("):
            assert child.wait().exit_code == 3
