"""The table of `make mutate-security` is in step with the sources and with SECURITY.md.

In: tools/security_mutations.py.
Out: edits whose text is gone, tests that do not exist, rows of SECURITY.md's two tables that no
mutation tries and that do not say why.  The mutations themselves take minutes: `make
mutate-security` runs them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from security_mutations import MUTATIONS

ROOT = Path(__file__).resolve().parents[2]
NAMED_TEST = re.compile(r"`(tests/[a-z_/]+\.py::test_[a-z0-9_]+)`")


# What a row says whose safeguard is not code of ours.
NOT_OURS = "not ours to take away"

# Tests beside others of their row, which no mutation makes fail, and why.
HELD_TWICE = {
    "test_the_executable_of_process_1_is_not_the_launcher": "execve(2) itself",
    "test_no_race_makes_the_launcher_the_program": "a look before, and either of two fences",
    "test_nothing_of_one_container_reaches_the_next": "it leaves when its container does",
    "test_paths_that_change_under_the_supervisor": "each lookup is one call, and so is none",
    "test_nothing_inside_sees_the_supervisor": "it was never in the container's namespaces",
    "test_the_supervisor_ends_with_the_launcher": "a parent-death signal and a hang-up",
    "test_the_helper_is_fenced": "pasta and slirp4netns confine themselves",
    "test_a_container_sees_no_helper": "it was never in the container's namespaces",
    "test_a_taken_port_starts_nothing": "pasta and slirp4netns refuse it too",
    "test_a_hostile_program_finds_nobody": "user namespace, process ids and no capability",
    "test_its_death_harms_no_container": "a namespace lasts as long as those below it",
    "test_without_its_filter_a_network_is_shut": "frames that nobody reads go nowhere",
    "test_the_filter_ends_with_the_container": "a parent-death signal and a closed interface",
}


def test_every_edit_has_its_text_once() -> None:
    edits = [edit for mutation in MUTATIONS for edit in mutation.edits]
    wrong = [edit for edit in edits if (ROOT / edit.file).read_text().count(edit.old) != 1]
    assert wrong == []


def test_every_edit_changes_something() -> None:
    assert [m.mechanism for m in MUTATIONS for edit in m.edits if edit.old == edit.new] == []


def test_every_named_test_exists() -> None:
    named = {test for mutation in MUTATIONS for test in mutation.tests}
    assert len(named) > 20
    missing = []
    for test in sorted(named):
        path, _, name = test.partition("::")
        if not re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE):
            missing.append(test)
    assert missing == []


def rows(title: str, column: int) -> dict[str, list[str]]:
    """Rows of a table of SECURITY.md: the row's text → the tests in a column, without twins."""
    section = (ROOT / "SECURITY.md").read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = {line: re.split(r"; twins?: ", line.split("|")[column])[0] for line in lines}
    return {line: NAMED_TEST.findall(cell) for line, cell in cells.items()}


TABLES = [("Invariants", 3, 45), ("Holes of others", 2, 25), ("Verdicts", 3, 1)]


@pytest.mark.parametrize(("title", "column", "least"), TABLES)
def test_every_row_of_security_md_was_seen_red(title: str, column: int, least: int) -> None:
    """A row is a safeguard with its tests: one of them fails under a mutation."""
    found = rows(title, column)
    assert len(found) >= least
    red = {test for mutation in MUTATIONS for test in mutation.tests}
    silent = [line for line, tests in found.items() if not red & {*tests}]
    assert [line for line in silent if NOT_OURS not in line] == []
    assert [line for line in found if NOT_OURS in line and line not in silent] == []


def test_every_test_of_security_md_was_seen_red_or_says_why_not() -> None:
    red = {test for mutation in MUTATIONS for test in mutation.tests}
    named = {
        test
        for title, column, _ in TABLES
        for tests in rows(title, column).values()
        for test in tests
    }
    never = {test.partition("::")[2] for test in named - red}
    assert sorted(never) == sorted(HELD_TWICE)


def test_every_shared_resource_is_tried_or_says_why_not() -> None:
    """A row of SECURITY.md's table names files that try it, or is documented alone."""
    section = (ROOT / "SECURITY.md").read_text().split("\n## Shared resources\n")[1]
    lines = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    tried = {line: re.findall(r"`(tests/[^`]+)`", line.split("|")[4]) for line in lines[2:]}
    assert len(tried) >= 40
    files = {name for names in tried.values() for name in names}
    assert [name for name in sorted(files) if not (ROOT / name).is_file()] == []
    assert [
        line for line, names in tried.items() if not names and "documented" not in line
    ] == []
