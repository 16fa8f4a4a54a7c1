"""The table of SECURITY.md, and what a probe answered, compared.

In: SECURITY.md, the text that tests/security/probe.c printed.
Out: questions and answers; each question the two answer differently.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"<!-- posture -->\n(.*?)<!-- /posture -->", re.DOTALL)


def documented() -> dict[str, str]:
    """Question → answer, as SECURITY.md has them; "A or B" where the host decides."""
    block = BLOCK.search((ROOT / "SECURITY.md").read_text())
    assert block, "SECURITY.md has no table between its posture markers"
    rows = [line.strip().strip("|").split("|") for line in block[1].splitlines() if line]
    assert [cell.strip() for cell in rows[0]] == ["question", "answer"]
    cells = [(question.strip(), answer.strip()) for question, answer in rows[2:]]
    assert len(dict(cells)) == len(cells), "a question stands twice"
    return dict(cells)


def answers(output: str) -> dict[str, str]:
    """Question → answer, as the probe printed them."""
    rows = [line.partition("\t") for line in output.splitlines()]
    assert len({question for question, _, _ in rows}) == len(rows), "a question was asked twice"
    return {question: " ".join(answer.split()) for question, _, answer in rows}


def wrong(probed: dict[str, str], table: dict[str, str]) -> list[str]:
    """Each question the two answer differently, and those only one of them has."""
    found = []
    for question in sorted({*probed, *table}):
        answer, promise = probed.get(question), table.get(question)
        if answer is None or promise is None or answer not in promise.split(" or "):
            found.append(f"{question}: probe {answer!r}, SECURITY.md {promise!r}")
    return found
