"""Man pages and completions, from the one table of options.

In: pyrootless._core.option_rows(), the verbs of pyrootless.cli.main.
Out: docs/man/*.1, completions/{bash,zsh,fish}.
Never: a word about an option that is not in its row.

`make docs` writes the files; tests/contracts/test_docs.py compares them with what is committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.cli.main import VERBS

ROOT = Path(__file__).resolve().parent.parent
# Values of enum prl_option_kind, and the bits of a row's verbs (csrc/cli/options.h).
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


def option_words(rows: list[Row]) -> list[str]:
    """Everything that may be typed for an option."""
    words = [f"--{row.name}" for row in rows]
    return words + [f"-{row.letter}" for row in rows if row.letter]


def bash_completion(rows: list[Row]) -> str:
    """completions/bash/pyrootless: verbs, then options of run, then files."""
    with_path = "|".join(f"--{row.name}" for row in rows if row.kind == "path")
    with_value = "|".join(
        word for row in rows if row.kind not in ("flag", "path") for word in option_words([row])
    )
    return f"""# bash completion of pyrootless; generated from the table of options (make docs)
_pyrootless()
{{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "{" ".join(VERBS)}" -- "$current")
        return
    fi
    [ "${{COMP_WORDS[1]}}" = run ] || return
    case $previous in
    {with_path})
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    {with_value})
        return
        ;;
    esac
    case $current in
    -*)
        mapfile -t COMPREPLY < <(compgen -W "{" ".join(option_words(rows))}" -- "$current")
        ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W host -- "$current"; compgen -c -- "$current")
        ;;
    esac
}}
complete -o bashdefault -F _pyrootless pyrootless
"""


def quoted(text: str) -> str:
    """Text for single quotes of a shell."""
    return text.replace("'", "'\\''")


def zsh_option(row: Row) -> str:
    """A row as an argument of _arguments."""
    text = quoted(row.help).replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    meta = quoted(row.metavar).replace(":", "\\:").lower()
    value = f":{meta}:{'_files' if row.kind == 'path' else ''}" if row.metavar else ""
    names = f"{{-{row.letter},--{row.name}}}" if row.letter else f"--{row.name}"
    equals = "=" if row.metavar and not row.letter else ""
    return f"        '*'{names}'{equals}[{text}]{value}'"


def zsh_completion(rows: list[Row]) -> str:
    """completions/zsh/_pyrootless"""
    verbs = "\n".join(f"        '{name}:{quoted(text)}'" for name, text in VERBS.items())
    options = " \\\n".join(zsh_option(row) for row in rows)
    return f"""#compdef pyrootless
# zsh completion of pyrootless; generated from the table of options (make docs)
_pyrootless_run()
{{
    _arguments -S \\
{options} \\
        '1:image:(host)' '*::program:_normal'
}}

_pyrootless()
{{
    local -a verbs
    verbs=(
{verbs}
    )
    if ((CURRENT == 2)); then
        _describe command verbs
    elif [[ $words[2] == run ]]; then
        shift words
        ((CURRENT--))
        _pyrootless_run
    fi
}}
_pyrootless "$@"
"""


def fish_completion(rows: list[Row]) -> str:
    """completions/fish/pyrootless.fish"""
    lines = [
        "# fish completion of pyrootless; generated from the table of options (make docs)",
        "complete -c pyrootless -f",
    ]
    for name, text in VERBS.items():
        lines.append(f"complete -c pyrootless -n __fish_use_subcommand -a {name} -d '{text}'")
    condition = "-n '__fish_seen_subcommand_from run'"
    for row in rows:
        letter = f" -s {row.letter}" if row.letter else ""
        value = " -r" if row.metavar else ""
        files = " -F" if row.kind == "path" else ""
        text = row.help.replace("\\", "\\\\").replace("'", "\\'")
        names = f"{letter} -l {row.name}{value}{files}"
        lines.append(f"complete -c pyrootless {condition}{names} -d '{text}'")
    return "\n".join(lines) + "\n"


def generate(raw: Iterable[dict[str, Any]] | None = None) -> dict[str, str]:
    """Every generated file: path from the checkout's root → text.

    Args:
        raw: rows as the binding gives them; None: from the binding.
    """
    if raw is None:
        from pyrootless import _core

        raw = _core.option_rows()
    rows = read_rows(raw, RUN)
    return {
        "docs/man/pyrootless.1": man_main(),
        "docs/man/pyrootless-run.1": man_run(rows),
        "completions/bash/pyrootless": bash_completion(rows),
        "completions/zsh/_pyrootless": zsh_completion(rows),
        "completions/fish/pyrootless.fish": fish_completion(rows),
    }


def main() -> None:
    """Write the files."""
    for name, text in generate().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
