"""The safeguards of what boxes share: for each an edit that takes it away and its tests.

In: nothing.  Out: SHARED_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: as there.
"""

from __future__ import annotations

from mutation import Mutation, one

SHARED = "tests/integration/test_shared_resources.py"
TAKEN = f"{SHARED}::test_what_others_use_is_not_taken"
VERDICTS = "tests/unit/seccomp/test_shared.py::test_verdicts"
STRICT = "pyrootless/seccomp/strict.json"
REFUSALS = "pyrootless/seccomp/shared.py"
UNUSED = "(0x7FFFFFFF, 0x7FFFFFFF)"


def _refusal(mechanism: str, old: str, new: str) -> Mutation:
    return Mutation(mechanism, one(REFUSALS, old, new), (TAKEN, VERDICTS))


SHARED_MUTATIONS = (
    Mutation(
        "a box takes no asynchronous requests of the machine's",
        one(STRICT, '"io_setup", "io_submit"', '"io_submit"'),
        (TAKEN, VERDICTS),
    ),
    Mutation(
        "a box has some hundred queued signals and timers",
        one("pyrootless/sandbox/box.py", "_SIGNALS = 256", "_SIGNALS = 1 << 30"),
        (TAKEN,),
    ),
    _refusal(
        "the box's init cannot be made to wait",
        "_INIT = (1, 1)",
        f"_INIT = {UNUSED}",
    ),
    _refusal(
        "… nor by its group or user",
        "{0: (1, _WORD_MAX)}, errno.EPERM)",
        f"{{0: {UNUSED}}}, errno.EPERM)",
    ),
    _refusal(
        "F_NOTIFY shows nothing of others",
        "{1: (1026, 1026)}",
        f"{{1: {UNUSED}}}",
    ),
    _refusal("leases show nothing of others", "{1: (1024, 1024)}", f"{{1: {UNUSED}}}"),
    Mutation(
        "the page cache shows nothing of others",
        one(STRICT, '"names": ["cachestat"]', '"names": ["getcpu"]'),
        (TAKEN, VERDICTS),
    ),
    Mutation(
        "… nor do reads that do not wait",
        one(STRICT, '"SCMP_ACT_ERRNO", "errnoRet": 95', '"SCMP_ACT_ALLOW", "errnoRet": 95'),
        (TAKEN, VERDICTS),
    ),
    _refusal("pipes keep their size", "{1: (1031, 1031)}", f"{{1: {UNUSED}}}"),
    Mutation(
        "no disk is flushed",
        one(STRICT, '"fdatasync", "fsync", "sync"', '"fdatasync", "sync"'),
        (TAKEN, VERDICTS),
    ),
    _refusal("nothing is dropped from the page cache", "{3: (4, 4)}", f"{{3: {UNUSED}}}"),
    _refusal("pages are not merged", "{2: (12, 12)}", f"{{2: {UNUSED}}}"),
    _refusal("… nor paged out", "{2: (21, 21)}", f"{{2: {UNUSED}}}"),
    Mutation(
        "huge pages stay the machine's",
        one(STRICT, '"SCMP_ACT_ERRNO", "errnoRet": 12', '"SCMP_ACT_ALLOW", "errnoRet": 12'),
        (VERDICTS,),
    ),
    Mutation(
        "no processor is kept from others by a cookie",
        one(REFUSALS, "{0: (62, 62)}", f"{{0: {UNUSED}}}"),
        (VERDICTS,),
    ),
    _refusal("no filter is compiled for a socket", "2: (26, 26)}", f"2: {UNUSED}}}"),
    _refusal("buffers of sockets keep their size", "2: (7, 8)}", f"2: {UNUSED}}}"),
    Mutation(
        "full sockets are memory where no group counts them",
        one(
            "csrc/sandbox/look.c",
            "    used = kept > used ? kept : used;\n",
            "    (void)kept;\n",
        ),
        (TAKEN,),
    ),
    Mutation(
        "a box gives pipes back while they are scarce",
        one(
            "csrc/sandbox/look.c",
            "return prl_sandbox_takes_pipes(w->child.pid) ? 0 : PIPES_NS;",
            "return PIPES_NS;",
        ),
        (TAKEN,),
    ),
    Mutation(
        "a box takes no swap",
        one("csrc/sandbox/plan.c", "resources.swapless = true;", "resources.swapless = false;"),
        (f"{SHARED}::test_a_box_takes_no_swap",),
    ),
)
