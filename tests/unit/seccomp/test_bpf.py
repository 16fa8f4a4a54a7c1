"""The emitter of filters: equal to the rules' meaning, and to libseccomp where it is right.

In: random small rule sets, and a few built to hit the format's edges.  Out: verdicts compared
call by call through the emulator.  The oracle is the rules' plain meaning in ten lines; where
several rules of one call use NE or an ordering, libseccomp 2.6 sometimes has another opinion,
so it is asked only about what it gets right.
"""

from __future__ import annotations

import pytest
from bpf_emulator import AARCH64, I386, X86_64, BadProgram, Call, Program
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrootless.seccomp import bpf, profiles
from pyrootless.seccomp.bpf import Condition, Rule

ALLOW, LOG, ENOSYS, EPERM, KILL = 0x7FFF0000, 0x7FFC0000, 0x50026, 0x50001, 0x80000000
VALUES = (
    *(0, 1, 2, 3, 5, 0xF0, 0x5412, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF),
    *(1 << 32, (1 << 32) + 1, 0x500000005, 1 << 63, (1 << 64) - 1, 0xFFFFFFFF00000000),
)
PROBES = sorted({v + d for v in VALUES for d in (-1, 0, 1) if 0 <= v + d < 1 << 64})
OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")


def assemble(rules: list[Rule], default: int = ENOSYS) -> Program:
    return Program(bpf.assemble(rules, default=default, audit_arch=X86_64, x32=True))


def holds(c: Condition, args: tuple[int, ...]) -> bool:
    """The plain meaning of a comparison."""
    arg = args[c.index]
    if c.op == "MASKED_EQ":
        return arg & c.value == c.value_two & c.value
    table = {"NE": arg != c.value, "LT": arg < c.value, "LE": arg <= c.value}
    table |= {"EQ": arg == c.value, "GE": arg >= c.value, "GT": arg > c.value}
    return table[c.op]


def meaning(rules: list[Rule], call: Call, default: int) -> int:
    """The verdict the rules give when they do not contradict each other."""
    found = {
        rule.verdict
        for rule in rules
        if rule.number == call.number and all(holds(c, call.args) for c in rule.conditions)
    }
    assert len(found) < 2
    return found.pop() if found else default


def conditions(operators: tuple[str, ...]) -> st.SearchStrategy[tuple[Condition, ...]]:
    one = st.builds(
        Condition,
        st.integers(0, 2),
        st.sampled_from(operators),
        st.sampled_from(VALUES),
        st.sampled_from(VALUES),
    )
    return st.lists(one, max_size=3, unique_by=lambda c: c.index).map(tuple)


def rule_lists(operators: tuple[str, ...], most: int = 4) -> st.SearchStrategy[list[Rule]]:
    """Rules for calls 0 to 2, each call with one verdict, so that none contradict."""
    verdicts = {0: ALLOW, 1: EPERM, 2: LOG}
    return st.lists(
        st.builds(
            lambda number, c: Rule(number, verdicts[number], c),
            st.integers(0, 2),
            conditions(operators),
        ),
        max_size=most,
    )


def probes() -> st.SearchStrategy[list[tuple[int, ...]]]:
    return st.lists(st.tuples(*[st.sampled_from(PROBES)] * 3), min_size=40, max_size=40)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rules=rule_lists(OPERATORS), vectors=probes())
def test_any_rules_mean_what_they_say(
    rules: list[Rule], vectors: list[tuple[int, ...]]
) -> None:
    program = assemble(rules)
    for args in vectors:
        for number in range(4):
            call = Call(number, args)
            assert program.run(call) == meaning(rules, call, ENOSYS), call


def section_of(rules: list[Rule]) -> dict[str, object]:
    """The rules as an OCI section; calls 0 to 2 are read, write, open on x86-64."""
    actions: dict[int, dict[str, object]] = {
        ALLOW: {"action": "SCMP_ACT_ALLOW"},
        LOG: {"action": "SCMP_ACT_LOG"},
        EPERM: {"action": "SCMP_ACT_ERRNO", "errnoRet": 1},
    }
    calls = [
        actions[rule.verdict]
        | {
            "names": [("read", "write", "open")[rule.number]],
            "args": [
                {"index": c.index, "op": f"SCMP_CMP_{c.op}", "value": c.value}
                | {"valueTwo": c.value_two}
                for c in rule.conditions
            ],
        }
        for rule in rules
    ]
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": calls,
    }


def equal_to_libseccomp(rules: list[Rule], vectors: list[tuple[int, ...]]) -> None:
    section = section_of(rules)
    ours = Program(profiles.compile_section(section))
    theirs = Program(profiles.compile_with_libseccomp(section, optimize=1))
    for args in vectors:
        for number in range(4):
            call = Call(number, args)
            assert ours.run(call) == theirs.run(call), call


@settings(max_examples=100, deadline=None, derandomize=True)
@given(rules=rule_lists(("EQ", "MASKED_EQ")), vectors=probes())
def test_equal_to_libseccomp_for_equalities(
    rules: list[Rule], vectors: list[tuple[int, ...]]
) -> None:
    equal_to_libseccomp(rules, vectors)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(rules=rule_lists(OPERATORS, most=1), vectors=probes())
def test_equal_to_libseccomp_for_single_rules(
    rules: list[Rule], vectors: list[tuple[int, ...]]
) -> None:
    equal_to_libseccomp(rules, vectors)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", VALUES)
def test_every_operator_at_its_boundaries(operator: str, value: int) -> None:
    rules = [Rule(7, ALLOW, (Condition(5, operator, value, value),))]
    program = assemble(rules)
    for probe in PROBES:
        call = Call(7, (0, 0, 0, 0, 0, probe))
        assert program.run(call) == meaning(rules, call, ENOSYS), hex(probe)


def test_libseccomp_is_wrong_about_two_ordered_rules() -> None:
    """Why the oracle is not libseccomp: 0xFFFFFFFF is neither below itself nor that large."""
    rules = [
        Rule(1, EPERM, (Condition(2, "GE", 0xFFFFFFFF00000000),)),
        Rule(1, EPERM, (Condition(2, "LT", 0xFFFFFFFF),)),
    ]
    assert assemble(rules).run(Call(1, (0, 0, 0xFFFFFFFF))) == ENOSYS


def test_other_architectures_and_x32_kill_the_process() -> None:
    program = assemble([Rule(39, ALLOW)])
    assert program.run(Call(39)) == ALLOW
    assert program.run(Call(39, arch=I386)) == KILL
    assert program.run(Call(39, arch=AARCH64)) == KILL
    assert program.run(Call(39, arch=X86_64 - 1)) == KILL
    assert program.run(Call(39, arch=X86_64 + 1)) == KILL
    for number in (0x40000000, 0x40000027, 0x7FFFFFFF, 0x80000027, 0xFFFFFFFE):
        assert program.run(Call(number)) == KILL, hex(number)
    assert program.run(Call(0x3FFFFFFF)) == ENOSYS
    assert program.run(Call(0xFFFFFFFF)) == ENOSYS, "a tracer's skipped call"


def test_a_default_of_allow_does_not_open_x32() -> None:
    program = assemble([Rule(39, EPERM)], default=ALLOW)
    assert program.run(Call(38)) == ALLOW
    assert program.run(Call(39)) == EPERM
    assert program.run(Call(39 | 0x40000000)) == KILL


def test_far_jumps() -> None:
    """More code than an 8-bit jump spans, between the tree and its leaves and among them."""
    rules = []
    for number in range(400):
        errno = 0x50000 | (number % 97 + 1)
        conditions_ = tuple(Condition(i, "MASKED_EQ", 6, number & 6) for i in range(3))
        rules.append(Rule(number, errno, conditions_ if number % 3 else ()))
    program = assemble(rules)
    assert 700 < len(program) <= bpf.MAX_INSTRUCTIONS
    assert any(op == 0x05 for op, _, _, _ in program.code), "no long jump was needed"
    for number in range(401):
        for base in (0, 2, 4, 6):
            call = Call(number, (base, base, base | 1))
            assert program.run(call) == meaning(rules, call, ENOSYS), call


def test_neighbours_with_the_same_fate_melt() -> None:
    rules = [Rule(number, ALLOW) for number in range(100, 300)]
    program = assemble(rules)
    assert len(program) == 10
    assert [program.run(Call(n)) for n in (99, 100, 299, 300)] == [ENOSYS, ALLOW, ALLOW, ENOSYS]


def test_prefix_masks_become_ranges() -> None:
    """All 32-bit values but one, as 32 prefixes, cost two comparisons and not 32."""
    keep = 0x5412
    rules = [
        Rule(16, ALLOW, (Condition(1, "MASKED_EQ", -(1 << b) & 0xFFFFFFFF, keep ^ (1 << b)),))
        for b in range(32)
    ]
    program = assemble(rules)
    assert len(program) < 16
    for high in (0, 1 << 32, 0xFFFFFFFF << 32):
        assert program.run(Call(16, (0, high | keep))) == ENOSYS
        assert program.run(Call(16, (0, high | keep + 1))) == ALLOW
        assert program.run(Call(16, (0, high | keep - 1))) == ALLOW


def test_the_first_rule_without_conditions_beats_all() -> None:
    only_one = (Condition(0, "EQ", 1),)
    rules = [Rule(5, EPERM, only_one), Rule(5, ALLOW), Rule(5, LOG)]
    assert assemble(rules).run(Call(5, (1,))) == ALLOW
    empty_mask = [Rule(5, EPERM, only_one), Rule(5, LOG, (Condition(0, "MASKED_EQ", 0, 1),))]
    assert assemble(empty_mask).run(Call(5, (1,))) == LOG


def test_contradicting_rules_are_refused() -> None:
    rules = [
        Rule(5, ALLOW, (Condition(0, "LT", 10),)),
        Rule(5, EPERM, (Condition(0, "EQ", 3),)),
    ]
    with pytest.raises(bpf.OverlapError) as caught:
        assemble(rules)
    assert caught.value.number == 5


def test_too_long_a_program_is_refused() -> None:
    rules = [Rule(number, 0x50000 | number % 2 + 1) for number in range(9000)]
    with pytest.raises(bpf.SizeError, match="4096"):
        assemble(rules)


@pytest.mark.parametrize(
    "code",
    [
        b"",
        b"\0" * 7,
        b"\x15\0\1\0\0\0\0\0\x06\0\0\0\0\0\0\0",
        b"\x20\0\0\0\x40\0\0\0\x06\0\0\0\0\0\0\0",
        b"\x20\0\0\0\0\0\0\0",
        b"\x28\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0",
    ],
)
def test_the_emulator_refuses_what_the_kernel_refuses(code: bytes) -> None:
    with pytest.raises(BadProgram):
        Program(code)
