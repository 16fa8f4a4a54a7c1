"""pyrootless.engine.containers with `ps` and `rm`: containers as they lie on disk."""

from __future__ import annotations

import fcntl
import json
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrootless.cli.containers import ps
from pyrootless.cli.main import main
from pyrootless.config import Directories
from pyrootless.engine import containers
from pyrootless.errors import ContainerStateError, StoreError
from pyrootless.images.store.users import list_users

A, B, C = "a" * 64, "b" * 64, "ab" + "c" * 62


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Directories:
    monkeypatch.setenv("PYROOTLESS_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "data/containers").mkdir(parents=True)
    (tmp_path / "data/names").mkdir()
    (tmp_path / "pyrootless").mkdir(mode=0o700)
    (tmp_path / "pyrootless/running").mkdir()
    return Directories(tmp_path / "data", tmp_path / "pyrootless")


def keep(store: Directories, key: str, name: str = "", **status: object) -> Path:
    """A kept container, as the launcher writes it."""
    place = store.data / "containers" / key
    place.mkdir()
    notes = {"io.pyrootless.image": "host"} | ({"io.pyrootless.name": name} if name else {})
    config = {"process": {"args": ["sleep", "1 0"]}, "annotations": notes}
    (place / "config.json").write_text(json.dumps(config))
    os.utime(place / "config.json", ns=(0, 1_000_000_000))
    if status:
        (place / "status.json").write_text(json.dumps(status))
    if name:
        (store.data / "names" / name).symlink_to(f"../containers/{key}")
    return place


@pytest.fixture
def passer_by() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the caller's own, which no container began."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for a container's process 1: in a user namespace of its own."""
    words = ["unshare", "--user", "sh", "-c", "echo; exec cat"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        yield process
        process.kill()


def run_entry(store: Directories, key: str, place: Path, pid: int, ticks: int) -> int:
    """A locked running entry, as csrc/container/state/entry.c writes it; the result holds the
    lock."""
    path = store.runtime / "running" / key
    path.write_text(f"{pid:010d} {ticks:020d} {place} kept\n")
    descriptor = os.open(path, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def ticks_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_kept_containers_with_their_end(store: Directories) -> None:
    keep(store, A, "web", ended_by="exit", exit_code=3, signal=0)
    keep(store, B, ended_by="timeout", exit_code=-1, signal=9)
    first, second = containers.list_containers(store)
    assert (first.id, first.name, first.image, first.command) == (
        A,
        "web",
        "host",
        ("sleep", "1 0"),
    )
    assert (first.state, first.exit_code, first.signal) == ("exited", 3, None)
    assert (second.ended_by, second.exit_code, second.signal) == ("timeout", None, 9)


def test_running_is_what_is_locked(store: Directories) -> None:
    place = keep(store, A)
    lock = run_entry(store, A, place, 4242, 77)
    (item,) = containers.list_containers(store)
    assert (item.state, item.pid, item.start_ticks) == ("running", 4242, 77)
    os.close(lock)
    (item,) = containers.list_containers(store)
    assert (item.state, item.pid) == ("exited", 0)


def test_ephemeral_containers_are_found_by_their_entry(store: Directories) -> None:
    place = store.runtime / "containers" / B
    place.mkdir(parents=True)
    (place / "config.json").write_text('{"process":{"args":["id"]}}')
    lock = run_entry(store, B, place, 1, 1)
    (item,) = containers.list_containers(store)
    assert (item.id, item.command, item.directory) == (B, ("id",), place)
    os.close(lock)
    assert containers.list_containers(store) == []


@pytest.mark.parametrize(
    "text", ["", "x", "12 13 /a kept\n", "0000000001 00000000000000000001 a b\n"]
)
def test_damaged_entries_and_files_are_survived(store: Directories, text: str) -> None:
    place = keep(store, A)
    (place / "config.json").write_text("[" * 100_000)
    (store.runtime / "running" / A).write_text(text)
    (store.data / "containers/not-an-id").mkdir()
    (item,) = containers.list_containers(store)
    assert (item.state, item.command, item.image) == ("exited", (), "")


def test_find(store: Directories) -> None:
    keep(store, A, "web")
    keep(store, C)
    assert containers.find_container(store, "web").id == A
    assert containers.find_container(store, C).id == C
    assert containers.find_container(store, "abc").id == C
    with pytest.raises(ContainerStateError, match="begin of several"):
        containers.find_container(store, "a")
    with pytest.raises(ContainerStateError, match="No such container: zzz"):
        containers.find_container(store, "zzz")


def test_rm_takes_name_files_and_entry(
    store: Directories, capsys: pytest.CaptureFixture[str]
) -> None:
    place = keep(store, A, "web")
    (place / "work/work").mkdir(parents=True)
    (place / "work/work").chmod(0)
    (store.runtime / "running" / A).write_text(f"{0:010d} {0:020d} {place} kept\n")
    assert main(["rm", "web"]) == 0
    assert capsys.readouterr().out == "web\n"
    for folder in ("containers", "names", "trash"):
        assert list((store.data / folder).iterdir()) == [], folder
    assert list((store.runtime / "running").iterdir()) == []


def test_rm_leaves_a_name_that_another_took(store: Directories) -> None:
    keep(store, A, "web")
    link = store.data / "names/web"
    link.unlink()
    link.symlink_to(f"../containers/{B}")
    assert main(["rm", A]) == 0
    assert link.is_symlink()


def test_rm_goes_on_after_a_failure(
    store: Directories, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, A, "web")
    assert main(["rm", "nothing", "web"]) == 1
    streams = capsys.readouterr()
    assert (streams.out, "No such container: nothing" in streams.err) == ("web\n", True)


def test_rm_refuses_a_running_container(
    store: Directories, sleeper: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    place = keep(store, A, "web")
    lock = run_entry(store, A, place, sleeper.pid, ticks_of(sleeper.pid))
    assert main(["rm", "web"]) == 1
    assert "pyrootless rm -f web" in capsys.readouterr().err
    assert sleeper.poll() is None
    assert place.is_dir()
    os.close(lock)


def test_rm_force_kills_and_waits_for_the_monitor(
    store: Directories, sleeper: subprocess.Popen[bytes]
) -> None:
    place = keep(store, A, "web")
    lock = run_entry(store, A, place, sleeper.pid, ticks_of(sleeper.pid))
    monitor = os.fork()
    if monitor == 0:  # stands for the launcher: holds the lock until its container is gone
        select.select([os.pidfd_open(sleeper.pid)], [], [])
        os._exit(0)
    os.close(lock)
    assert main(["rm", "-f", "web"]) == 0
    assert sleeper.wait(timeout=10) == -9
    os.waitpid(monitor, 0)
    assert not place.exists()


def test_rm_force_never_kills_a_recycled_pid(
    store: Directories, sleeper: subprocess.Popen[bytes]
) -> None:
    place = keep(store, A)
    lock = run_entry(store, A, place, sleeper.pid, ticks_of(sleeper.pid) + 1)
    item = containers.find_container(store, A)
    os.close(lock)
    containers.remove_container(store, item, force=True)
    assert sleeper.poll() is None
    assert not place.exists()


@pytest.mark.parametrize("words", [["stop", "web"], ["kill", "web"]])
def test_a_process_that_no_container_began_is_not_signalled(
    store: Directories, passer_by: subprocess.Popen[bytes], words: list[str]
) -> None:
    place = keep(store, A, "web")
    lock = run_entry(store, A, place, passer_by.pid, ticks_of(passer_by.pid))
    assert main(words) == 1
    assert passer_by.poll() is None
    os.close(lock)
    assert main(["rm", "-f", "web"]) == 0
    assert passer_by.poll() is None


def test_an_entry_is_a_plain_file_of_the_callers(
    store: Directories, passer_by: subprocess.Popen[bytes]
) -> None:
    """A FIFO would hang, /dev/zero never ends, a second name may be anybody's."""
    place = keep(store, A)
    running = store.runtime / "running"
    os.mkfifo(running / A)
    (running / B).symlink_to("/dev/zero")
    lock = run_entry(store, C, place, passer_by.pid, ticks_of(passer_by.pid))
    os.link(running / C, store.runtime / "second")
    (item,) = containers.list_containers(store)
    assert (item.id, item.state) == (A, "exited")
    os.close(lock)


@pytest.mark.parametrize("how", ["mode", "link"])
def test_a_runtime_directory_that_others_may_write_is_refused(
    store: Directories, tmp_path: Path, how: str
) -> None:
    keep(store, A)
    if how == "mode":
        store.runtime.chmod(0o777)
    else:
        store.runtime.rename(tmp_path / "elsewhere")
        store.runtime.symlink_to(tmp_path / "elsewhere")
    for act in (
        lambda: containers.list_containers(store),
        lambda: containers.find_container(store, A),
        lambda: list_users(store),
    ):
        with pytest.raises(StoreError, match=str(store.runtime)):
            act()


def test_ps_table(store: Directories) -> None:
    ended = {"exit_code": 0, "signal": 0, "finished_unix_ns": 59_000_000_000}
    keep(store, A, "web", ended_by="exit", **ended)
    keep(store, B, ended_by="timeout", exit_code=-1, signal=9)
    found = containers.list_containers(store)
    lines = ps.format_table(found, 61_000_000_000).splitlines()
    assert lines == [
        "CONTAINER ID  IMAGE  COMMAND      CREATED             STATUS                    "
        "PORTS  NAMES",
        "aaaaaaaaaaaa  host   sleep '1 0'  About a minute ago  Exited (0) 2 seconds ago  "
        "       web",
        "bbbbbbbbbbbb  host   sleep '1 0'  About a minute ago  Exited (137), by timeout",
    ]


def test_ps_shows_running_ones_unless_all_are_asked_for(
    store: Directories, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, A, "web", ended_by="exit", exit_code=0, signal=0)
    assert main(["ps", "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["ps", "-a", "-q"]) == 0
    assert capsys.readouterr().out == f"{A[:12]}\n"
    assert main(["ps", "-a", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)
    assert (item["id"], item["name"], item["exit_code"]) == (A, "web", 0)
