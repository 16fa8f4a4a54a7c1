"""What keeps one run's failure its own: an edit that takes it away, and its tests.

In: nothing.  Out: OUTCOME_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: what that file says of its own.
"""

from __future__ import annotations

from mutation import Mutation, one

IN_FLIGHT = "tests/integration/test_rights_in_flight.py"
FAILS = "tests/faults/test_one_run_fails.py"

OUTCOME_MUTATIONS = (
    Mutation(
        "a box is made while this user may send no more descriptors",
        one(
            "csrc/launch/steps/handover.c",
            "errno == ETOOMANYREFS && wait)",
            "errno == 0 && wait)",
        ),
        (f"{IN_FLIGHT}::test_no_box_needs_to_send_a_descriptor",),
    ),
    Mutation(
        "what failed around a box is tried once more",
        one(
            "pyrootless/sandbox/concurrency.py",
            "except Exception:  # whatever it is",
            "except ZeroDivisionError:",
        ),
        (
            f"{FAILS}::test_a_call_that_fails_once",
            f"{FAILS}::test_what_fails_for_one_submission_is_that_ones",
        ),
    ),
    Mutation(
        "a run whose box was lost is not its program's",
        one(
            "csrc/sandbox/run.c",
            "return !w->has_outcome && !w->killed",
            "return !w->report && !w->killed",
        ),
        (f"{FAILS}::test_a_box_that_is_lost_is_nobodys_fault",),
    ),
    Mutation(
        "what lies in a root that was shut is read",
        one("pyrootless/sandbox/collect.py", "if mode & _LIST != _LIST:", "if mode < 0:"),
        ("tests/integration/test_shut_root.py::test_a_run",),
    ),
)
