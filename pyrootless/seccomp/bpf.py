"""Seccomp rules of one architecture → classic BPF, as a balanced tree of comparisons.

What comes in: `Rule` values (system call number, verdict, conditions on arguments), a default
verdict, the architecture's audit number.  What goes out: the bytes of a struct sock_filter
array for little-endian 64-bit machines.
Must never: know names of system calls, read files, decide what is allowed, or guess where two
rules contradict each other (`OverlapError` instead).

How: the rules become a decision diagram whose nodes split one 32-bit word of struct
seccomp_data into ranges, or test a bit mask in it; equal nodes are one node.  Numbers with the
same fate thus melt into ranges, and a range tree finds the fate in log2(ranges) steps.  The
diagram is written from its leaves backwards, so every jump's distance is known when it is
written; one that does not fit 8 bits goes through a long jump.

Source: Linux Documentation/userspace-api/seccomp_filter.rst, uapi linux/bpf_common.h.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_INSTRUCTIONS = 4096
"""BPF_MAXINSNS: the kernel refuses longer programs."""
KILL_PROCESS = 0x80000000
X32_BIT = 0x40000000
"""Set in the numbers of x32 calls on x86-64."""

_WORD_MAX = 0xFFFFFFFF
_NR, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data
_NODES_MAX = 20_000
_LD, _AND, _JA, _JEQ, _JGE, _JSET, _RET = 0x20, 0x54, 0x05, 0x15, 0x35, 0x45, 0x06


class OverlapError(Exception):
    """Two rules with different verdicts hold for the same call: not decided here.

    Attributes:
        number: The call's number.
    """

    def __init__(self, number: int = -1) -> None:
        super().__init__(f"rules of call {number} contradict each other")
        self.number = number


class SizeError(Exception):
    """The rules need a diagram or program larger than is sensible."""


@dataclass(frozen=True)
class Condition:
    """One comparison of a 64-bit argument.

    Attributes:
        index: Argument, 0 to 5.
        op: "NE" "LT" "LE" "EQ" "GE" "GT" "MASKED_EQ", unsigned.
        value: The operand; the mask for MASKED_EQ.
        value_two: What the masked argument must equal (its bits outside the mask are ignored).
    """

    index: int
    op: str
    value: int
    value_two: int = 0


@dataclass(frozen=True)
class Rule:
    """All `conditions` hold for system call `number` → `verdict` (a SECCOMP_RET_* value)."""

    number: int
    verdict: int
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, order=True)
class _Between:
    """The word at `offset` lies in [low, high]."""

    offset: int
    low: int
    high: int


@dataclass(frozen=True, order=True)
class _Masked:
    """The word at `offset`, and-ed with `mask`, is `value`."""

    offset: int
    mask: int
    value: int


_Test = _Between | _Masked
_Box = tuple[frozenset[_Test], int]


def assemble(rules: Iterable[Rule], *, default: int, audit_arch: int, x32: bool) -> bytes:
    """BPF program for `rules`; calls of any other architecture kill the process.

    Args:
        rules: Rules of one call are alternatives; the first without conditions beats all.
        default: Verdict for everything no rule speaks of.
        audit_arch: AUDIT_ARCH_* value of the one architecture.
        x32: Numbers with the x32 bit kill the process (true for x86-64).

    Raises:
        OverlapError: Two rules with different verdicts overlap.
        SizeError: The program would be too long.
    """
    diagram = _Diagram(default)
    by_number: dict[int, list[Rule]] = {}
    for rule in rules:
        by_number.setdefault(rule.number, []).append(rule)
    starts = [(0, diagram.default)]
    for number in sorted(by_number):
        try:
            node = diagram.decide(_boxes(by_number[number]))
        except OverlapError:
            raise OverlapError(number) from None
        if starts[-1][0] == number:
            starts.pop()
        starts += [(number, node), (number + 1, diagram.default)]
    kill = diagram.verdict(KILL_PROCESS)
    if x32:
        # A tracer that skips a call writes -1: no x32 call, although the bit is set.
        starts += [(X32_BIT, kill), (_WORD_MAX, diagram.default)]
    calls = diagram.split(_NR, starts)
    root = diagram.split(_ARCH, [(0, kill), (audit_arch, calls), (audit_arch + 1, kill)])
    code = _Assembler(diagram).program(root)
    if len(code) > MAX_INSTRUCTIONS:
        raise SizeError(f"{len(code)} instructions, the kernel takes {MAX_INSTRUCTIONS}")
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _boxes(rules: Sequence[Rule]) -> frozenset[_Box]:
    """The rules of one call as alternatives of word tests."""
    boxes: set[_Box] = set()
    for rule in rules:
        needed = [c for c in rule.conditions if c.op != "MASKED_EQ" or c.value]
        if not needed:
            return frozenset([(frozenset(), rule.verdict)])
        for parts in itertools.product(*(_alternatives(c) for c in needed)):
            boxes.add((frozenset(itertools.chain(*parts)), rule.verdict))
    return frozenset(boxes)


def _alternatives(condition: Condition) -> list[tuple[_Test, ...]]:
    """One 64-bit comparison as an "or" of "and"s over its two words (little-endian)."""
    low_at = _ARGS + 8 * condition.index
    high_at = low_at + 4
    high, low = condition.value >> 32, condition.value & _WORD_MAX
    if condition.op == "MASKED_EQ":
        wanted = condition.value_two & condition.value
        words = ((high_at, high, wanted >> 32), (low_at, low, wanted & _WORD_MAX))
        return [tuple(_mask_test(at, mask, value) for at, mask, value in words if mask)]
    same = _Between(high_at, high, high)
    found: list[tuple[_Test, ...]] = []
    if condition.op in ("NE", "LT", "LE"):
        found += [(t,) for t in _range(high_at, 0, high - 1)]
        found += [(same, t) for t in _range(low_at, 0, low - (condition.op != "LE"))]
    if condition.op in ("NE", "GT", "GE"):
        found += [(t,) for t in _range(high_at, high + 1, _WORD_MAX)]
        found += [(same, t) for t in _range(low_at, low + (condition.op != "GE"), _WORD_MAX)]
    if condition.op == "EQ":
        found.append((same, _Between(low_at, low, low)))
    return found


def _range(offset: int, low: int, high: int) -> list[_Test]:
    return [_Between(offset, low, high)] if low <= high else []


def _mask_test(offset: int, mask: int, value: int) -> _Test:
    """A mask of leading ones is a range; any other stays a mask."""
    tail = ~mask & _WORD_MAX
    if tail & (tail + 1) == 0:
        return _Between(offset, value, value | tail)
    return _Masked(offset, mask, value)


def _order(offset: int) -> int:
    """Words are examined by argument, high word first."""
    return offset ^ 4


@dataclass(frozen=True)
class _Split:
    """children[i] holds from bounds[i] up to bounds[i + 1]; bounds[0] is 0."""

    offset: int
    bounds: tuple[int, ...]
    children: tuple[int, ...]


@dataclass(frozen=True)
class _Branch:
    """The masked word equals the value → yes, else no."""

    test: _Masked
    yes: int
    no: int


_Node = int | _Split | _Branch  # an int is a verdict


class _Diagram:
    """Decision nodes, each stored once; a node is named by its place in `nodes`."""

    def __init__(self, default: int) -> None:
        self.nodes: list[_Node] = []
        self._places: dict[_Node, int] = {}
        self._decided: dict[frozenset[_Box], int] = {}
        self.default = self.verdict(default)

    def verdict(self, value: int) -> int:
        return self._intern(value)

    def split(self, offset: int, starts: Sequence[tuple[int, int]]) -> int:
        """Node for "from start on: child", neighbours with the same child melted."""
        kept: list[tuple[int, int]] = []
        for start, child in starts:
            if not kept or kept[-1][1] != child:
                kept.append((start, child))
        if len(kept) == 1:
            return kept[0][1]
        bounds, children = zip(*kept, strict=True)
        return self._intern(_Split(offset, bounds, children))

    def decide(self, boxes: frozenset[_Box]) -> int:
        """Node that gives the verdict of the box whose tests all hold.

        Raises:
            OverlapError: Boxes with different verdicts can hold at once.
            SizeError: More nodes than is sensible.
        """
        if boxes not in self._decided:
            self._decided[boxes] = self._decide(boxes)
        return self._decided[boxes]

    def _decide(self, boxes: frozenset[_Box]) -> int:
        if not boxes:
            return self.default
        if any(not tests for tests, _ in boxes):
            verdicts = {verdict for _, verdict in boxes}
            if len(verdicts) > 1:
                raise OverlapError
            return self.verdict(verdicts.pop())
        tests = {test for tests, _ in boxes for test in tests}
        offset = min((test.offset for test in tests), key=_order)
        ranges = [t for t in tests if isinstance(t, _Between) and t.offset == offset]
        masks = [t for t in tests if isinstance(t, _Masked) and t.offset == offset]
        if not ranges:
            return self._branch(boxes, min(masks))
        cuts = sorted({0, *(t.low for t in ranges), *(t.high + 1 for t in ranges)})
        ends = [cut - 1 for cut in cuts[1:]] + [_WORD_MAX]
        starts = [
            (low, self.decide(_within(boxes, offset, low, high)))
            for low, high in zip(cuts, ends, strict=True)
            if low <= _WORD_MAX
        ]
        return self.split(offset, starts)

    def _branch(self, boxes: frozenset[_Box], test: _Masked) -> int:
        holds = frozenset(
            (tests - {test}, verdict)
            for tests, verdict in boxes
            if not any(_contradicts(other, test) for other in tests)
        )
        fails = frozenset(box for box in boxes if test not in box[0])
        yes, no = self.decide(holds), self.decide(fails)
        return yes if yes == no else self._intern(_Branch(test, yes, no))

    def _intern(self, node: _Node) -> int:
        if node not in self._places:
            if len(self.nodes) == _NODES_MAX:
                raise SizeError(f"more than {_NODES_MAX} decisions")
            self._places[node] = len(self.nodes)
            self.nodes.append(node)
        return self._places[node]


def _contradicts(test: _Test, held: _Masked) -> bool:
    if not isinstance(test, _Masked) or test.offset != held.offset:
        return False
    return bool((test.value ^ held.value) & test.mask & held.mask)


def _within(boxes: frozenset[_Box], offset: int, low: int, high: int) -> frozenset[_Box]:
    """What is left of the boxes when the word at `offset` lies in [low, high]."""
    left: set[_Box] = set()
    for tests, verdict in boxes:
        open_tests: set[_Test] = set()
        for test in tests:
            if test.offset != offset or (isinstance(test, _Masked) and low != high):
                open_tests.add(test)
            elif isinstance(test, _Masked):
                if low & test.mask != test.value:
                    break
            elif not test.low <= low <= test.high:
                break
        else:
            left.add((frozenset(open_tests), verdict))
    return frozenset(left)


_Instruction = tuple[int, int, int, int]  # code, jt, jf, k


class _Assembler:
    """Writes a diagram from its leaves to its root; `_code` is in reverse order.

    A place is an index into `_code`: a jump written next to place p skips
    len(_code) - 1 - p instructions.
    """

    def __init__(self, diagram: _Diagram) -> None:
        self._nodes = diagram.nodes
        self._code: list[_Instruction] = []
        self._verdicts: dict[int, int] = {}  # verdict → place of its nearest return
        self._bodies: dict[int, int] = {}  # node → place where its word is already loaded
        self._entries: dict[int, int] = {}  # node → place of its load
        self._loading: set[int] = set()

    def program(self, root: int) -> list[_Instruction]:
        """The instructions that decide node `root`, first to last."""
        order = self._leaves_first(root)
        self._loading = {root}.union(
            child
            for node in order
            for child in self._children(node)
            if self._carried(node) != self._word(child)
        )
        for node in order:
            self._write(node)
        return self._code[::-1]

    def _leaves_first(self, root: int) -> list[int]:
        order: list[int] = []
        seen: set[int] = set()
        stack = [(root, False)]
        while stack:
            node, finished = stack.pop()
            if finished:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack += [(child, False) for child in self._children(node)]
        return order

    def _children(self, place: int) -> tuple[int, ...]:
        node = self._nodes[place]
        if isinstance(node, _Split):
            return node.children
        return (node.yes, node.no) if isinstance(node, _Branch) else ()

    def _word(self, place: int) -> int | None:
        """Offset of the word that the node looks at."""
        node = self._nodes[place]
        if isinstance(node, _Split):
            return node.offset
        return node.test.offset if isinstance(node, _Branch) else None

    def _carried(self, place: int) -> int | None:
        """Offset of the word that is still in the accumulator after the node."""
        node = self._nodes[place]
        if isinstance(node, _Branch) and not _is_one_jump(node.test):
            return None
        return self._word(place)

    def _write(self, place: int) -> None:
        node = self._nodes[place]
        if isinstance(node, int):
            self._return(node)
            return
        if isinstance(node, _Split):
            self._tree(place, node, 0, len(node.bounds) - 1)
        else:
            self._test(place, node)
        self._bodies[place] = len(self._code) - 1
        if place in self._loading:
            self._entries[place] = self._emit(_LD, 0, 0, self._word(place) or 0)

    def _tree(self, place: int, node: _Split, first: int, last: int) -> int:
        """Comparisons that choose among children[first..last]; returns where they start."""
        if first == last:
            return self._target(place, node.children[first])
        outer, inner = node.children[first], node.children[first + 1]
        if last - first == 2 and outer == node.children[last]:
            value = node.bounds[first + 1]
            if node.bounds[last] == value + 1:
                there, elsewhere = self._target(place, inner), self._target(place, outer)
                return self._jump(_JEQ, value, there, elsewhere)
        middle = (first + last + 1) // 2
        above = self._tree(place, node, middle, last)
        below = self._tree(place, node, first, middle - 1)
        return self._jump(_JGE, node.bounds[middle], above, below)

    def _test(self, place: int, node: _Branch) -> None:
        yes, no = self._target(place, node.yes), self._target(place, node.no)
        test = node.test
        if not test.value:
            self._jump(_JSET, test.mask, no, yes)
        elif _is_one_jump(test):
            self._jump(_JSET, test.mask, yes, no)
        else:
            self._jump(_JEQ, test.value, yes, no)
            self._emit(_AND, 0, 0, test.mask)

    def _target(self, parent: int, child: int) -> int:
        node = self._nodes[child]
        if isinstance(node, int):
            return self._verdicts[node]
        loaded = self._carried(parent) == self._word(child)
        return self._bodies[child] if loaded else self._entries[child]

    def _jump(self, code: int, k: int, yes: int, no: int) -> int:
        yes, no = self._near(yes), self._near(no)
        here = len(self._code) - 1
        return self._emit(code, here - yes, here - no, k)

    def _near(self, target: int) -> int:
        """A place that leads to target and is within an 8-bit jump, one instruction spared."""
        distance = len(self._code) - 1 - target
        if distance < 255:
            return target
        code, _, _, k = self._code[target]
        return self._return(k) if code == _RET else self._emit(_JA, 0, 0, distance)

    def _return(self, verdict: int) -> int:
        self._verdicts[verdict] = self._emit(_RET, 0, 0, verdict)
        return self._verdicts[verdict]

    def _emit(self, code: int, jt: int, jf: int, k: int) -> int:
        self._code.append((code, jt, jf, k))
        return len(self._code) - 1


def _is_one_jump(test: _Masked) -> bool:
    """The test is a single JSET, which leaves the accumulator alone."""
    return test.value == 0 or (test.value == test.mask and test.mask & (test.mask - 1) == 0)
