"""The table of `make mutate-security` is in step with the sources and with SECURITY.md.

In: tools/security_mutations.py.
Out: edits whose text is gone, tests that do not exist, rows of SECURITY.md that no mutation
tries.  The mutations themselves take minutes: `make mutate-security` runs them.
"""

from __future__ import annotations

import re
from pathlib import Path

from security_mutations import MUTATIONS

ROOT = Path(__file__).resolve().parents[2]
NAMED_TEST = re.compile(r"`(tests/[a-z_/]+\.py::test_[a-z0-9_]+)`")

# Rows that several nets hold at once, or another program's own rule: taking one net away shows
# nothing.  The begin of the row → the nets.
HELD_TWICE = {
    "… forwarded callers never look like": "pasta's and slirp4netns' own rule",
    "… the helper has no privilege to gain": "pasta and slirp4netns confine themselves too",
    "… its death harms no container": "the kernel's own rule",
    "… it ends with the container": "parent-death signal, the end of a pipe, pasta's own watch",
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


def test_every_row_of_security_md_was_seen_red() -> None:
    """A row is an invariant with its tests: one of them fails under a mutation."""
    red = {test for mutation in MUTATIONS for test in mutation.tests}
    section = (ROOT / "SECURITY.md").read_text().split("## Invariants")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 15
    names = [row.split("|")[1].strip() for row in rows if not red & {*NAMED_TEST.findall(row)}]
    assert [name for name in names if not name.startswith(tuple(HELD_TWICE))] == []
    assert len(names) == len(HELD_TWICE)
