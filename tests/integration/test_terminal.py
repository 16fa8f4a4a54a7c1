"""A terminal in a container behaves as one outside: shell, editor, pager, keys, size.

In: the launcher on a real pty, driven by pexpect.  Out: what the terminal showed, the exit
code, what is left running.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

Spawn = Callable[..., "pexpect.spawn[str]"]

pytestmark = pytest.mark.needs("user-namespaces")


@pytest.fixture
def place(engine_environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment with a store and a runtime directory of this test alone."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {
        **engine_environment,
        "PYROOTLESS_ROOT": str(tmp_path / "store"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "TERM": "xterm",
    }


@pytest.fixture
def spawn(launcher: Path, place: dict[str, str]) -> Iterator[Spawn]:
    """Start the launcher on a terminal of 33 lines and 101 columns; closed after the test."""
    children: list[pexpect.spawn[str]] = []

    def start(*args: str | Path) -> pexpect.spawn[str]:
        child = pexpect.spawn(
            str(launcher),
            [str(word) for word in args],
            env=place,
            encoding="utf-8",
            timeout=30,
            dimensions=(33, 101),
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)


def shell(spawn: Spawn, *options: str | Path) -> pexpect.spawn[str]:
    """A shell at its prompt."""
    child = spawn("run", "-it", "-e", "PS1=ask> ", *options, "host", "sh")
    child.expect_exact("ask> ")
    return child


def ask(child: pexpect.spawn[str], line: str) -> str:
    """What a line at the prompt printed, its own echo checked and cut off."""
    child.sendline(line)
    child.expect_exact("ask> ")
    assert child.before is not None and child.before.startswith(f"{line}\r\n")
    return child.before.removeprefix(f"{line}\r\n")


def ended(child: pexpect.spawn[str]) -> int | None:
    """The exit status, once the terminal is closed."""
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_a_shell_answers_and_gives_its_exit_code(spawn: Spawn) -> None:
    child = shell(spawn, "--rm")
    assert ask(child, "echo $((6 * 7))") == "42\r\n"
    assert ask(child, "test -t 0 && test -t 1 && test -t 2; echo $?") == "0\r\n"
    child.sendline("exit 5")
    assert ended(child) == 5


def test_the_window_has_the_callers_size(spawn: Spawn) -> None:
    child = shell(spawn, "--rm")
    assert ask(child, "stty size") == "33 101\r\n"
    child.sendline(
        "trap 'echo new size: $(stty size)' WINCH; echo set; while :; do read x; done"
    )
    child.expect_exact("\r\nset\r\n")
    child.setwinsize(20, 50)
    child.expect_exact("new size: 20 50\r\n")


def test_ctrl_d_ends_the_shell(spawn: Spawn) -> None:
    child = shell(spawn, "--rm")
    child.sendeof()
    assert ended(child) == 0


def test_ctrl_c_reaches_the_program(spawn: Spawn) -> None:
    child = shell(spawn, "--rm")
    child.sendline("sh -c 'echo started; exec sleep 600'")
    child.expect_exact("\r\nstarted\r\n")
    child.sendintr()
    child.expect_exact("ask> ")
    assert ask(child, "echo $?") == "130\r\n"


@pytest.mark.needs("vim.tiny")
def test_vim_edits_a_file(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    text = tmp_path / "shared" / "text"
    text.write_text("first\nsecond\n")
    volume = f"{tmp_path / 'shared'}:/v"
    child = spawn("run", "--rm", "-it", "-v", volume, "host", "vim.tiny", "/v/text")
    child.expect_exact("second")
    child.send("Gothird\x1b:wq\r")
    assert ended(child) == 0
    assert text.read_text() == "first\nsecond\nthird\n"


@pytest.mark.needs("less")
def test_less_pages(spawn: Spawn, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("".join(f"line {number}.\n" for number in range(1, 201)))
    child = spawn("run", "--rm", "-it", "-v", f"{text}:/t:ro", "host", "less", "/t")
    child.expect_exact("line 32.")
    child.send(" ")
    child.expect_exact("line 64.")
    child.send("G")
    child.expect_exact("line 200.")
    child.send("q")
    assert ended(child) == 0


@pytest.mark.parametrize(
    ("options", "keys"),
    [([], "\x10\x11"), (["--detach-keys", "ctrl-x,d"], "\x18d")],
)
def test_detach_keys_leave_it_running(spawn: Spawn, options: list[str], keys: str) -> None:
    child = shell(spawn, "--rm", "--name", "left", *options)
    child.send(keys)
    child.expect_exact("pyrootless: detached; container left goes on running")
    assert ended(child) == 0
    listed = spawn("ps")
    listed.expect(r"host +sh .* Up .* left\r\n")
    assert ended(listed) == 0
    removed = spawn("rm", "-f", "left")
    removed.expect_exact("left\r\n")
    assert ended(removed) == 0
    empty = spawn("ps", "-a")
    empty.expect(pexpect.EOF)
    assert empty.before is not None and len(empty.before.splitlines()) == 1


def test_without_detach_keys_the_program_gets_them(spawn: Spawn) -> None:
    child = shell(spawn, "--rm", "--detach-keys", "")
    child.sendline(
        "stty raw -echo; echo go; dd bs=1 count=2 2>/dev/null | od -An -tx1; stty sane"
    )
    child.expect_exact("go")
    child.send("\x10\x11")
    child.expect_exact("10 11")
