"""Man pages and completions, from the one table of options.

In: pyrootless.core._containers.option_rows(), the verbs of pyrootless.cli.main and their
parsers.
Out: docs/man/*.1, completions/{bash,zsh,fish}.
Never: a word about an option that is not in its row.

`make docs` writes the files; tests/contracts/test_docs.py compares them with what is committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import completion_verbs
import gen_completion

from pyrootless.cli.main import VERBS
from pyrootless.core._containers import VERBS as BITS

ROOT = Path(__file__).resolve().parent.parent
# Values of enum prl_option_kind, and the bits of a row's verbs (csrc/config/options/parse.h).
KINDS = ("flag", "text", "integer", "size", "duration", "signal", "path")
RUN = 1


@dataclass(frozen=True)
class Row:
    """One option as documents need it.

    Attributes:
        name: without dashes.
        letter: "" when there is none.
        kind: one of `KINDS`.
        metavar: "" for flags.
        group: heading in the man page; "Options" where the table has no groups.
    """

    name: str
    letter: str
    kind: str
    metavar: str
    group: str
    help: str


def read_rows(raw: Iterable[dict[str, Any]], verb: int) -> list[Row]:
    """The rows of a verb that people may see, in the order of the table."""
    rows = []
    for row in raw:
        if not row["help"] or not row_has_verb(row["verbs"], verb):
            continue
        kind = row["kind"]
        rows.append(
            Row(
                name=row["name"],
                letter=row["letter"] or "",
                kind=KINDS[kind] if isinstance(kind, int) else str(kind),
                metavar=row["metavar"],
                group=row.get("group") or "Options",
                help=row["help"],
            )
        )
    return rows


def row_has_verb(verbs: Any, verb: int) -> bool:
    """Whether a row's verbs (bits, or names) hold this one."""
    return bool(verbs & verb) if isinstance(verbs, int) else "run" in verbs


def roff(text: str) -> str:
    """Plain text as roff: no backslash, dash or leading dot keeps a second meaning."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def man_option(row: Row) -> str:
    """A row as a tagged paragraph."""
    names = [f"\\-{row.letter}"] if row.letter else []
    names.append(f"\\-\\-{roff(row.name)}")
    value = f"=\\fI{roff(row.metavar)}\\fR" if row.metavar else ""
    return f".TP\n\\fB{', '.join(names)}\\fR{value}\n{roff(row.help)}\n"


def man_run(rows: list[Row]) -> str:
    """docs/man/pyrootless-run.1"""
    parts = [
        '.TH PYROOTLESS\\-RUN 1 "" "pyrootless" "pyrootless"\n',
        ".SH NAME\npyrootless\\-run \\- run a program in a new container\n",
        ".SH SYNOPSIS\n.B pyrootless run\n[\\fIoptions\\fR] \\fIimage\\fR "
        "[\\fIcommand\\fR [\\fIargument\\fR ...]]\n",
        ".SH DESCRIPTION\n"
        "Starts a container of \\fIimage\\fR as the calling user, without root and without a "
        "daemon, and waits for its end.\n"
        "The image \\fBhost\\fR is built in: this machine's own programs, read\\-only, and "
        "nothing of anybody's files.\n"
        "Options end at the image; everything after it belongs to the program.\n",
    ]
    for group in dict.fromkeys(row.group for row in rows):
        title = "OPTIONS" if group == "Options" else f"OPTIONS: {group.upper()}"
        parts.append(f".SH {title}\n")
        parts += [man_option(row) for row in rows if row.group == group]
    parts += [
        ".SH EXIT STATUS\n.TP\n\\fB125\\fR\npyrootless itself failed\n"
        ".TP\n\\fB126\\fR\nthe program cannot be executed\n"
        ".TP\n\\fB127\\fR\nthe program was not found\n"
        ".TP\n\\fB128+n\\fR\nsignal n ended the program\n"
        ".PP\nOtherwise the program's own.\n",
        ".SH ENVIRONMENT\n.TP\n\\fBPYROOTLESS_ROOT\\fR\n"
        "where images and containers are kept, as \\-\\-root\n"
        ".TP\n\\fBXDG_DATA_HOME\\fR, \\fBXDG_RUNTIME_DIR\\fR\n"
        "where they are kept otherwise, and where running containers leave their traces\n"
        ".TP\n\\fBPYROOTLESS_TRACE\\fR\n"
        "1: say on standard error, at the end, how long each step of the start took\n",
        ".SH SEE ALSO\n.BR pyrootless (1)\n",
    ]
    return "".join(parts)


@dataclass(frozen=True)
class Page:
    """What the man page of a verb says beside its options."""

    summary: str
    words: str
    text: str
    status: str


PAGES = {
    "attach": Page(
        "connect to the streams of a running container",
        "\\fIcontainer\\fR",
        "Shows what a container of \\fBrun \\-d\\fR or \\fBrun \\-t\\fR wrote last and what it "
        "writes, and sends it what is typed.\n"
        "Several may be attached at once. The container goes on when one leaves.\n",
        "The container's own; 0 after the detach keys; 125: pyrootless itself failed.\n",
    ),
    "logs": Page(
        "show what a container in the background has written",
        "\\fIcontainer\\fR",
        "Shows the log of a container of \\fBrun \\-d\\fR: standard output on standard output, "
        "standard error on standard error.\n",
        "0; 125: there is no such container, or it keeps no log.\n",
    ),
    "start": Page(
        "start containers that were made before",
        "\\fIcontainer\\fR ...",
        "Starts containers that \\fBpyrootless create\\fR made, and runs ended ones again on "
        "the files they wrote.\n"
        "They run in the background, and what they write goes to their logs. "
        "One that runs already is left as it is.\n",
        "0; 1: one of them could not be started; with \\fB\\-a\\fR or \\fB\\-i\\fR the "
        "container's own; 125: pyrootless itself failed.\n",
    ),
    "restart": Page(
        "stop containers and start them again",
        "\\fIcontainer\\fR ...",
        "As \\fBpyrootless stop\\fR and \\fBpyrootless start\\fR; one that does not run is "
        "started.\n",
        "0; 1: one of them could not be restarted; 125: pyrootless itself failed.\n",
    ),
    "update": Page(
        "change limits and restart policies of containers",
        "\\fIcontainer\\fR ...",
        "The limits of a container that runs are changed at once, in its control groups; what "
        "no group of its own holds cannot be changed before it is stopped.\n",
        "0; 1: one of them could not be changed; 125: pyrootless itself failed.\n",
    ),
}
"""Verb of the launcher → its page."""


def man_verb(verb: str, rows: list[Row]) -> str:
    """docs/man/pyrootless-VERB.1"""
    page = PAGES[verb]
    return (
        f'.TH PYROOTLESS\\-{verb.upper()} 1 "" "pyrootless" "pyrootless"\n'
        f".SH NAME\npyrootless\\-{verb} \\- {page.summary}\n"
        f".SH SYNOPSIS\n.B pyrootless {verb}\n[\\fIoptions\\fR] {page.words}\n"
        f".SH DESCRIPTION\n{page.text}"
        ".SH OPTIONS\n" + "".join(map(man_option, rows)) + f".SH EXIT STATUS\n{page.status}"
        ".SH SEE ALSO\n.BR pyrootless (1),\n.BR pyrootless\\-run (1)\n"
    )


def man_main() -> str:
    """docs/man/pyrootless.1"""
    verbs = "".join(f".TP\n\\fB{name}\\fR\n{roff(text)}\n" for name, text in VERBS.items())
    return (
        '.TH PYROOTLESS 1 "" "pyrootless" "pyrootless"\n'
        ".SH NAME\npyrootless \\- containers without root\n"
        ".SH SYNOPSIS\n.B pyrootless\n\\fIcommand\\fR [\\fIoptions\\fR]\n"
        ".SH DESCRIPTION\nRuns programs in isolated containers as an ordinary user: no root, "
        "no daemon, nothing setuid of its own.\n"
        f".SH COMMANDS\n{verbs}"
        ".SH SEE ALSO\n.BR pyrootless\\-run (1)\n"
    )


def generate(raw: Iterable[dict[str, Any]] | None = None) -> dict[str, str]:
    """Every generated file: path from the checkout's root → text.

    Args:
        raw: rows as the binding gives them; None: from the binding.
    """
    if raw is None:
        from pyrootless.core import _containers

        raw = _containers.option_rows()
    raw = list(raw)
    rows, verbs = read_rows(raw, RUN), completion_verbs.read_verbs(raw)
    return {
        "docs/man/pyrootless.1": man_main(),
        "docs/man/pyrootless-run.1": man_run(rows),
        **{
            f"docs/man/pyrootless-{verb}.1": man_verb(verb, read_rows(raw, BITS[verb]))
            for verb in PAGES
        },
        "completions/bash/pyrootless": gen_completion.bash_completion(verbs),
        "completions/zsh/_pyrootless": gen_completion.zsh_completion(verbs),
        "completions/fish/pyrootless.fish": gen_completion.fish_completion(verbs),
    }


def main() -> None:
    """Write the files."""
    for name, text in generate().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
