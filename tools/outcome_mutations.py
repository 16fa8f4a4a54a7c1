"""What keeps one run's failure its own: an edit that takes it away, and its tests.

In: nothing.  Out: OUTCOME_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: what that file says of its own.
"""

from __future__ import annotations

from mutation import Mutation, one

OUTCOME_MUTATIONS = (
    Mutation(
        "a box is made while this user may send no more descriptors",
        one("csrc/base/handover.c", "errno == ETOOMANYREFS && wait)", "errno == 0 && wait)"),
        ("tests/integration/test_rights_in_flight.py::test_no_box_needs_to_send_a_descriptor",),
    ),
)
