"""The safeguards of the judge's own side: names and calls that a student chose.

In: nothing.  Out: JUDGE_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: an edit that merely breaks a run.
"""

from __future__ import annotations

from mutation import Mutation
from mutation import one as _one

FILTER = "tests/integration/test_sandbox_filter.py"
NAMES = "tests/unit/sandbox/languages/test_table.py"
DATA = "tests/unit/sandbox/calls/test_plain_data.py"
SHOWN = "tests/integration/test_judge.py"

JUDGE_MUTATIONS = (
    Mutation(
        "a source's name is never an option",
        _one(
            "pyrootless/sandbox/languages/table.py",
            'return name if plain else f"./{name}"',
            "return name",
        ),
        (f"{NAMES}::test_a_name_is_no_option", f"{NAMES}::test_every_place_for_a_name"),
    ),
    Mutation(
        "names of submissions are printable",
        _one(
            "pyrootless/sandbox/judge/submission.py",
            'names = [printable_name("/".join(path.parts[-parts:])) for path in paths]',
            'names = ["/".join(path.parts[-parts:]) for path in paths]',
        ),
        (f"{SHOWN}::test_names_that_are_no_text",),
    ),
    Mutation(
        "a filter that names a call refuses the others",
        _one(
            "pyrootless/sandbox/filter.py",
            '"action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM}',
            '"action": "SCMP_ACT_ALLOW"}',
        ),
        (f"{FILTER}::test_filters_in_parts_refuse_what_the_whole_one_kills",),
    ),
    Mutation(
        "the caller of a function compares no more than it counted",
        _one(
            "pyrootless/sandbox/calls/plain_data.py",
            "self._spend(before * self._parts(item))",
            "self._parts(item)",
        ),
        (f"{DATA}::test_values_of_one_hash_are_refused",),
    ),
)
