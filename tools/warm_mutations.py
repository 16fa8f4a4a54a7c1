"""The safeguards of warm runs: for each an edit that takes it away and the tests that see it.

In: nothing.  Out: WARM_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: as there.
"""

from __future__ import annotations

from mutation import Mutation, one

RESET = "tests/integration/test_warm_reset.py"
_GIVE_UP = "if (take_descriptors() < 0 || drop_powers() < 0 || load_filter() < 0)"

WARM_MUTATIONS = (
    Mutation(
        "a zygote's files are read-only",
        one(
            "pyrootless/sandbox/box.py",
            'config["root"]["readonly"] = True',
            'config["root"]["readonly"] = False',
        ),
        (f"{RESET}::test_the_zygotes_files_are_nobodys_to_change",),
    ),
    Mutation(
        "an import that keeps shared memory is refused",
        one(
            "pyrootless/sandbox/warm/zygote_main.py",
            'if "w" in words[1] and "s" in words[1]:',
            'if "z" in words[1]:',
        ),
        (f"{RESET}::test_an_import_that_keeps_shared_memory_is_refused",),
    ),
    Mutation(
        "a copy has no descriptor of the zygote's",
        one(
            "csrc/sandbox/zygote/module.c",
            "call(NR_CLOSE_RANGE, WISH_FD + 1, ~0u, 0, 0)",
            "call(NR_CLOSE_RANGE, WISH_FD + 90, ~0u, 0, 0)",
        ),
        (f"{RESET}::test_a_copy_has_no_descriptor_but_its_streams",),
    ),
    Mutation(
        "a copy enters every namespace of its box",
        one("csrc/sandbox/zygote/module.c", "CLONE_NEWUTS | CLONE_NEWNS;", "CLONE_NEWNS;"),
        (f"{RESET}::test_every_run_has_namespaces_of_its_own",),
    ),
    Mutation(
        "a copy gives up the capabilities that its box's namespace brought",
        one(
            "csrc/sandbox/zygote/module.c",
            _GIVE_UP,
            "if (take_descriptors() < 0 || load_filter() < 0)",
        ),
        (f"{RESET}::test_a_copy_is_confined_as_a_program_of_a_cold_box",),
    ),
)
