"""Documents in step with the code.

In: ARCHITECTURE.md, README.md, CONTRIBUTING.md, docs/, completions/, and what they describe.
Out: each word that one side has and the other lacks.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ANNOTATIONS = ROOT / "docs" / "reference" / "annotations.md"
FUNCTIONS = ROOT / "docs" / "reference" / "functions.md"
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SECURITY.md")
NOTE = re.compile(r"io\.pyrootless((?:\.[a-z][a-z-]*)+)")
MAKE_TARGET = re.compile(r"`make ([a-z][a-z-]*)")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)(?:#[^)]*)?\)")


def documented_annotations() -> set[str]:
    """First columns of the tables in docs/reference/annotations.md, without "io.pyrootless"."""
    return {
        name.removesuffix(".KEY").removeprefix("io.pyrootless") for name in annotation_cells()
    }


def annotation_cells() -> list[str]:
    rows = re.findall(r"^\| (`io\.pyrootless[^|]*)\|", ANNOTATIONS.read_text(), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def function_rows() -> list[tuple[list[str], list[str], list[str]]]:
    """Functions, files and tests of each row in docs/reference/functions.md."""
    rows = re.findall(
        r"^\| [^|]+ \| (`[^|]+) \| ([^|]+) \| ([^|]+) \|$", FUNCTIONS.read_text(), re.M
    )
    return [
        (re.findall(r"`([^`]+)`", names), files.split(", "), tests.split(", "))
        for names, files, tests in rows
    ]


def code_annotations() -> dict[str, str]:
    """Every annotation that code names → a file that does."""
    found = {}
    files = [*(ROOT / "csrc").rglob("*.[ch]"), *(ROOT / "pyrootless").rglob("*.py*")]
    for path in files:
        if path.suffix not in (".c", ".h", ".py", ".pyx"):
            continue
        # A macro for the prefix (NOTE "rootfs.upper") reads as the whole name.
        text = re.sub(r'\bNOTE "', '"io.pyrootless.', path.read_text())
        for match in NOTE.finditer(text):
            found.setdefault(match[1].rstrip("."), str(path.relative_to(ROOT)))
    return found


def covered(name: str, documented: set[str]) -> bool:
    """A name of the table, a beginning of one, or below a label."""
    return any(name == row or row.startswith(f"{name}.") for row in documented) or (
        name.startswith(".label")
    )


def test_the_table_of_annotations_is_found() -> None:
    assert ".rootfs.lower" in documented_annotations()
    assert len(documented_annotations()) > 15


def test_an_annotation_stands_once() -> None:
    cells = annotation_cells()
    assert sorted(name for name in set(cells) if cells.count(name) > 1) == []


def test_functions_of_the_table_are_in_their_files() -> None:
    rows = function_rows()
    assert len(rows) > 30
    missing = [
        path
        for _, files, tests in rows
        for path in (*files, *tests)
        if not (ROOT / path).exists()
    ]
    assert missing == []
    wrong = []
    for names, files, _ in rows:
        text = "\n".join((ROOT / path).read_text() for path in files)
        defined = set(re.findall(r"^[a-z][\w *]*[ *](\w+)[(:]", text, re.MULTILINE))
        wrong += [(name, files) for name in names if name not in defined]
    assert wrong == []


def test_annotations_of_the_code_are_documented() -> None:
    documented = documented_annotations()
    used = code_annotations()
    wrong = {name: used[name] for name in used if not covered(name, documented)}
    assert wrong == {}


def test_documented_annotations_are_used() -> None:
    used = set(code_annotations())
    source = "".join(
        path.read_text()
        for path in [*(ROOT / "csrc").rglob("*.[ch]"), *(ROOT / "pyrootless").rglob("*.py")]
    )
    wrong = [
        name
        for name in documented_annotations()
        if name not in used and f'"{name.lstrip(".")}"' not in source
    ]
    assert sorted(wrong) == []


def test_the_steps_of_a_launch_are_those_of_the_table() -> None:
    """ARCHITECTURE.md names every step of csrc/launch/start.c, in its order."""
    table = (
        (ROOT / "csrc" / "launch/start.c")
        .read_text()
        .split("} steps[] = {")[1]
        .split("\n};")[0]
    )
    steps = re.findall(r'^    \{"([a-z]+)", prl_', table, re.MULTILINE)
    assert len(steps) > 20
    section = (ROOT / "ARCHITECTURE.md").read_text().split("\n## The steps of a launch\n")[1]
    named = re.findall(r"\*\* \(`([a-z ]+)`\)", section.split("\n## ")[0])
    assert " ".join(named).split() == list(dict.fromkeys(steps))


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z][a-z-]*):.*## ", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_of_documents_exist(name: str) -> None:
    named = set(MAKE_TARGET.findall((ROOT / name).read_text()))
    assert named, f"{name} names no target"
    assert named - make_targets() == set()


def test_every_make_target_is_documented() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert make_targets() - set(MAKE_TARGET.findall(text)) == set()


def test_links_lead_somewhere() -> None:
    wrong = []
    pages = [ROOT / name for name in DOCUMENTS if (ROOT / name).exists()]
    for page in [*pages, *(ROOT / "docs").rglob("*.md")]:
        for target in LINK.findall(page.read_text()):
            if not (page.parent / target).exists():
                wrong.append(f"{page.relative_to(ROOT)}: {target}")
    assert wrong == []


def test_a_decision_has_a_number_of_its_own() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").iterdir())
    assert [name for name in names if not re.fullmatch(r"\d{4}-[a-z-]+\.md", name)] == []
    numbers = [name[:4] for name in names]
    assert [number for number in numbers if numbers.count(number) > 1] == []


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_the_manual_and_every_completion_know_every_verb() -> None:
    from pyrootless.cli.main import VERBS

    pages = [ROOT / "docs/man/pyrootless.1", *(ROOT / "completions").glob("*/*")]
    missing = [
        (page.name, verb)
        for page in pages
        for verb in VERBS
        if not re.search(rf"(\\fB|\b){verb}\b", page.read_text())
    ]
    assert (len(pages), missing) == (4, [])


def test_generated_pages_are_the_committed_ones() -> None:
    """Man pages and completions come from the table: `make docs` after changing a row."""
    import gen_docs

    wrong = [
        path
        for path, text in gen_docs.generate().items()
        if not (ROOT / path).exists() or (ROOT / path).read_text() != text
    ]
    assert wrong == []
