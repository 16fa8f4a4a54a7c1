"""pyrootless.cli.registries.progress: lines, bars, silence."""

from __future__ import annotations

import io

import pytest

from pyrootless.cli.registries.progress import (
    BarProgress,
    LineProgress,
    OwnersLine,
    short_digest,
    show_progress,
)

DIGEST = "sha256:0123456789abcdef" + "0" * 48


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Shut(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def tell(stream: io.StringIO, *, quiet: bool = False) -> str:
    with show_progress(quiet=quiet, stream=stream) as progress:
        progress.layer_started(DIGEST, 2048)
        progress.layer_advanced(DIGEST, 1024)
        progress.layer_done(DIGEST, "already there")
    return stream.getvalue()


def test_lines_where_nobody_watches() -> None:
    assert tell(io.StringIO()) == "0123456789ab: 2KiB\n0123456789ab: already there\n"


def test_nothing_when_quiet() -> None:
    assert tell(io.StringIO(), quiet=True) == ""
    assert tell(Terminal(), quiet=True) == ""


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    text = tell(Terminal())
    assert "0123456789ab" in text
    assert "already there" in text
    assert "━" in text


def test_forty_layers_fit_and_have_a_total(monkeypatch: pytest.MonkeyPatch) -> None:
    """What moves is shown, never more than the screen has, and the sum below."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "10")
    digests = [f"sha256:{number:02x}{0:062x}" for number in range(40)]
    with show_progress(quiet=False, stream=Terminal()) as progress:
        assert isinstance(progress, BarProgress)
        for digest in digests:
            progress.layer_started(digest, 100)
        progress.layer_done(digests[0], "already there")
        progress.layer_advanced(digests[30], 50)
        bars = progress._bars  # what is drawn
        shown = [task for task in bars.tasks if task.visible]
        assert len(shown) == 8
        assert short_digest(digests[30]) in [task.fields["layer"] for task in shown]
        assert (shown[-1].fields["layer"], shown[-1].completed, shown[-1].total) == (
            "all",
            150,
            4000,
        )
        assert shown[-1].description == "1 of 40 layers"
        for digest in digests[1:]:
            progress.layer_done(digest, "pulled")
        assert shown[-1].description == "40 of 40 layers"
        assert len([task for task in bars.tasks if task.visible]) == 8


@pytest.mark.parametrize("term", ["dumb", None])
def test_lines_on_a_terminal_that_cannot(
    monkeypatch: pytest.MonkeyPatch, term: str | None
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    if term:
        monkeypatch.setenv("TERM", term)
    assert tell(Terminal()) == "0123456789ab: 2KiB\n0123456789ab: already there\n"


def test_a_reader_that_went_away_does_not_end_the_transfer() -> None:
    LineProgress(Shut()).layer_done(DIGEST, "downloaded")


def test_owners_are_told_of_when_they_take_long() -> None:
    now, screen = [0.0], Terminal()
    line = OwnersLine(screen, lambda: now[0])
    for now[0], count in ((0.0, 0), (0.4, 1), (0.49, 1)):
        line(count, 3)
    assert screen.getvalue() == ""
    for now[0], count in ((0.5, 1), (0.9, 2), (1.0, 3)):
        line(count, 3)
    told = "\rsetting owners, once: {} of 3 layers"
    assert screen.getvalue() == told.format(1) + told.format(2) + "\r\x1b[K"
    line(3, 3)
    assert screen.getvalue().endswith("layers\r\x1b[K")


def test_owners_are_told_of_on_a_terminal_alone() -> None:
    now, file = [0.0], io.StringIO()
    line = OwnersLine(file, lambda: now[0])
    for now[0] in (0.0, 5.0):
        line(1, 3)
    assert file.getvalue() == ""


def test_owners_are_told_of_above_the_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(OwnersLine, "PATIENCE_SECONDS", -1.0)
    screen = Terminal()
    with show_progress(quiet=False, stream=screen) as progress:
        for count in (0, 1, 3):
            progress.owners_set(count, 3)
    assert screen.getvalue().count("setting owners of 3 layers") == 1


def test_short_digest() -> None:
    assert short_digest(DIGEST) == "0123456789ab"
