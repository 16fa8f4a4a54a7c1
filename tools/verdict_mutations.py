"""What holds the sandbox's verdicts, each taken away at a time.

In: nothing.  Out: rows for tools/mutate_security.py.
Never: a file touched.
"""

from __future__ import annotations

from mutation import Mutation, one

FILTER = "tests/integration/test_sandbox_filter.py"
CLOCK = "tests/integration/test_sandbox_clock.py"
CPU_TIME = "tests/integration/test_cpu_time.py"
MEMORY = "tests/integration/test_sandbox_memory.py"
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
    Mutation(
        "a group that is delegated bills processor time",
        one(
            "csrc/sandbox/plan.c",
            "    return meter ? use(p, meter, controller, reterr) : 0;",
            "    *ret_used = false;\n    return meter ? 0 * controller : 0;",
        ),
        (f"{CLOCK}::test_a_group_bills_where_one_is_delegated",),
    ),
    Mutation(
        "perf's clock is not exact where a hypervisor takes time",
        one("csrc/sandbox/plan.c", "if (!prl_steal_happens())", "if (prl_steal_happens() < 2)"),
        (f"{CLOCK}::test_stolen_time_is_not_billed_and_perf_not_called_exact",),
    ),
    Mutation(
        "perf's clock is not exact for --cpu-time either",
        one(
            "csrc/limits/plan.c",
            "host->stolen ? 1u << PRL_LIMIT_CPU_TIME : 0",
            "0 * host->stolen",
        ),
        (f"{CPU_TIME}::test_perf_is_not_called_exact_where_time_is_stolen",),
    ),
    Mutation(
        "what a hypervisor took is not billed",
        one(
            "csrc/sandbox/look.c",
            "if (perf_ns <= tree_ns || !prl_steal_happens())",
            "if (perf_ns != tree_ns || !prl_steal_happens())",
        ),
        (f"{CLOCK}::test_stolen_time_is_not_billed_and_perf_not_called_exact",),
    ),
    Mutation(
        "the recorded peak of memory decides at the end",
        one(
            "csrc/sandbox/run.c", "peak_bytes > limit_bytes))", "peak_bytes > UINT64_MAX - 1))"
        ),
        (f"{MEMORY}::test_the_recorded_peak_decides_at_the_end",),
    ),
    Mutation(
        "the recorded peak of memory is any process's that the init reaped",
        one(
            "csrc/init/pid1.c",
            "outcome.usage.ru_maxrss = most_kib;",
            "most_kib = outcome.usage.ru_maxrss;",
        ),
        (f"{MEMORY}::test_the_recorded_peak_decides_at_the_end",),
    ),
    Mutation(
        "files in memory count as memory",
        one(
            "csrc/sandbox/look.c",
            "return bytes > w->put_bytes ? bytes - w->put_bytes : 0;",
            "return bytes > UINT64_MAX - w->put_bytes - 1;",
        ),
        (f"{MEMORY}::test_files_in_memory_count_once",),
    ),
    Mutation(
        "files in memory that are mapped count once",
        one(
            "csrc/container/monitor/watch.c",
            "kib -= shared > nameless ? shared - nameless : 0;",
            "kib -= nameless > nameless + 1 ? shared : 0;",
        ),
        (f"{MEMORY}::test_files_in_memory_count_once",),
    ),
    Mutation(
        "shared memory without a file counts beside files in memory",
        one(
            "csrc/container/monitor/watch.c",
            "&path) < 1 || shared != 's')",
            "&path) < 1 || shared)",
        ),
        (f"{MEMORY}::test_files_in_memory_count_once",),
    ),
    Mutation(
        "who is gone when the wall limit passes was busy too",
        one("csrc/sandbox/deadlock/busy.c", "busy->sum_ns += passed_ns;", "busy->sum_ns += 0;"),
        (f"{CLOCK}::test_processes_that_are_gone_waited_for_a_processor_too",),
    ),
    Mutation(
        "who sleeps is not busy",
        one(
            "csrc/sandbox/deadlock/busy.c",
            "state == 'R' || state == '?'",
            "state != 'R' || state != '?'",
        ),
        (f"{CLOCK}::test_processes_that_slept_are_idle",),
    ),
)
