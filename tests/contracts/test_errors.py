"""The one table of remedies: a row for each stage, and rows that Python and doctor know.

In: prl_remedies through the binding, the classes of pyrootless.errors, doctor's entries.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENUM = re.compile(r"^\s+PRL_STAGE_(\w+)", re.MULTILINE)


def stages() -> list[str]:
    """Names of the stages without NONE, in the order of enum prl_stage."""
    from pyrootless.core import _containers

    return list(_containers.stage_names())[1:]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    from pyrootless.core import _containers

    return list(_containers.remedy_rows())


def test_every_stage_of_the_header_has_a_name() -> None:
    body = (ROOT / "csrc" / "prl.h").read_text().split("enum prl_stage {")[1].split("};")[0]
    wanted = [name for name in ENUM.findall(body) if name not in ("NONE", "COUNT")]
    assert len(wanted) > 15
    assert len(set(stages())) == len(wanted)
    assert all(re.fullmatch(r"[a-z]+", name) for name in stages())


def test_every_stage_has_a_row_for_any_errno(rows: list[dict[str, object]]) -> None:
    covered = {str(row["stage"]) for row in rows if row["errnum"] == 0}
    assert [stage for stage in stages() if stage not in covered] == []


def test_rows_are_unique(rows: list[dict[str, object]]) -> None:
    keys = [(str(row["stage"]), row["errnum"]) for row in rows]
    assert sorted(set(keys)) == sorted(keys)


def test_classes_exist_and_are_ours(rows: list[dict[str, object]]) -> None:
    from pyrootless import errors

    names = {str(row["klass"]) for row in rows}
    for name in names:
        assert issubclass(getattr(errors, name), errors.PyrootlessError), name


def test_remedies_say_something(rows: list[dict[str, object]]) -> None:
    for row in rows:
        text = str(row["text"])
        assert len(text) > 10, row
        assert not text.endswith("."), f"{row}: ends with a command, so without a full stop"


def test_checks_are_entries_of_doctor(rows: list[dict[str, object]]) -> None:
    """The page of doctor and its code know every entry that a remedy names."""
    names = sorted({str(row["check"]) for row in rows if row["check"]})
    code = "".join(path.read_text() for path in (ROOT / "pyrootless" / "host").glob("*.py"))
    page = (ROOT / "docs" / "doctor.md").read_text()
    assert [name for name in names if f'"{name}"' not in code] == []
    assert [name for name in names if name not in page] == []
