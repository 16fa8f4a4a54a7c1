"""The commands of commands.txt and what an engine answers to each.

In: commands.txt; how an engine is called; answers.json, what the Docker Engine said.
Out: per command its exit status, standard output, and whether it wrote to standard error.
Never: an engine of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ANSWERS = HERE / "answers.json"
SECONDS = 60
# What no two runs have in common.
VARYING = ((re.compile(r"\b[0-9a-f]{64}\b"), "ID"), (re.compile(r"\b[0-9a-f]{12}\b"), "ID"))


@dataclass(frozen=True)
class Answer:
    """What one engine did.

    Attributes:
        exit: exit status of the shell lines.
        stdout: standard output, without what is new in every run.
        stderr: "" when nothing was said there, else "said".
    """

    exit: int
    stdout: str
    stderr: str


def read() -> dict[str, str]:
    """The shell lines by name, in the order of the file."""
    rows: dict[str, str] = {}
    name = ""
    for line in (HERE / "commands.txt").read_text().splitlines():
        if line.startswith((" ", "\t")):
            rows[name] += f"\n{line.strip()}"
        elif line and not line.startswith("#"):
            name, _, script = line.partition(": ")
            assert name not in rows, name
            rows[name] = script
    return rows


def ask(engine: str, script: str, folder: Path, env: Mapping[str, str]) -> Answer:
    """Run one row's shell lines; `engine` is a shell function body that gets the words of D."""
    folder.mkdir()
    lines = f"D() {{\n{engine}\n}}\n{script}\n"
    done = subprocess.run(
        ["sh", "-c", lines],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    stdout = done.stdout.decode(errors="backslashreplace")
    for form, word in VARYING:
        stdout = form.sub(word, stdout)
    return Answer(done.returncode, stdout, "said" if done.stderr else "")


def ask_all(
    engine: str, folder: Path, env: Mapping[str, str], begins: tuple[str, ...] = ("",)
) -> dict[str, Answer]:
    """Each command whose name begins so, one after the other: all use the same names."""
    chosen = {name: script for name, script in read().items() if name.startswith(begins)}
    return {name: ask(engine, script, folder / name, env) for name, script in chosen.items()}


def recorded() -> dict[str, Answer]:
    """What the Docker Engine said when answers.json was made."""
    rows = json.loads(ANSWERS.read_text())
    return {name: Answer(**row) for name, row in rows.items()}


def record(answers: Mapping[str, Answer]) -> None:
    """Write answers.json, a line each."""
    rows = [f"  {json.dumps(name)}: {json.dumps(asdict(row))}" for name, row in answers.items()]
    ANSWERS.write_text("{\n" + ",\n".join(rows) + "\n}\n")


def differences(
    these: Mapping[str, Answer], those: Mapping[str, Answer]
) -> Iterator[tuple[str, str]]:
    """(name of a command, both answers) where they are not the same."""
    for name, answer in these.items():
        if answer != those[name]:
            yield name, f"{answer}\n    and not {those[name]}"
