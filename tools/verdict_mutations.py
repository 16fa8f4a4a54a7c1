"""What holds the sandbox's verdicts, each taken away at a time.

In: nothing.  Out: rows for tools/mutate_security.py.
Never: a file touched.
"""

from __future__ import annotations

from mutation import Mutation, one

FILTER = "tests/integration/test_sandbox_filter.py"
SANDBOX = "tests/integration/test_sandbox.py"

VERDICT_MUTATIONS = (
    Mutation(
        "a program's own limit of processor time has no effect",
        one(
            "pyrootless/seccomp/strict.json",
            '"value": 4294967295, "valueTwo": 0}]',
            '"value": 4294967295, "valueTwo": 99}]',
        ),
        (f"{FILTER}::test_a_limit_of_processor_time_of_its_own_has_no_effect",),
    ),
    Mutation(
        "the caller's own limit of processor time is told as one",
        one(
            "pyrootless/sandbox/runs.py",
            "most_ns is not None and cpu_ns >= _TICKS_SHARE * most_ns",
            "False",
        ),
        (f"{SANDBOX}::test_the_callers_own_limit_of_processor_time",),
    ),
)
