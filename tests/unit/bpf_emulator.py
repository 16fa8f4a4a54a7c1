"""A classic-BPF interpreter for seccomp programs.

What comes in: the bytes of a struct sock_filter array and one struct seccomp_data.
What goes out: the SECCOMP_RET_* value the kernel would act on, and how many instructions ran.
Must never: accept what the kernel's checker refuses (seccomp_check_filter, bpf_check_classic):
a test that passes here must not hide a program that cannot be installed.

Source: Linux kernel/seccomp.c, net/core/filter.c; uapi linux/bpf_common.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

X86_64 = 0xC000003E
AARCH64 = 0xC00000B7
I386 = 0x40000003
_MASK = 0xFFFFFFFF
_MAX_INSTRUCTIONS = 4096
_LD_ABS, _LDX_IMM, _ST, _RET_K, _RET_A, _JA = 0x20, 0x01, 0x02, 0x06, 0x16, 0x05
_ALU = {
    0x04: lambda a, k: a + k,
    0x14: lambda a, k: a - k,
    0x44: lambda a, k: a | k,
    0x54: lambda a, k: a & k,
    0x64: lambda a, k: a << k,
    0x74: lambda a, k: a >> k,
    0xA4: lambda a, k: a ^ k,
}
_JUMPS = {
    0x15: lambda a, k: a == k,
    0x25: lambda a, k: a > k,
    0x35: lambda a, k: a >= k,
    0x45: lambda a, k: a & k != 0,
}


class BadProgram(Exception):
    """The kernel would refuse this program with EINVAL."""


@dataclass(frozen=True)
class Call:
    """One struct seccomp_data: `number` as 32 bits, `args` of 64 bits each."""

    number: int
    args: tuple[int, ...] = ()
    arch: int = X86_64
    instruction_pointer: int = 0

    def words(self) -> tuple[int, ...]:
        """The sixteen 32-bit words of the structure, little-endian."""
        args = tuple(self.args) + (0,) * (6 - len(self.args))
        packed = struct.pack(
            "<II7Q", self.number & _MASK, self.arch, self.instruction_pointer, *args
        )
        return struct.unpack("<16I", packed)


class Program:
    """A checked program; `run` may be called as often as one likes."""

    def __init__(self, code: bytes) -> None:
        if not code or len(code) % 8 or len(code) > 8 * _MAX_INSTRUCTIONS:
            raise BadProgram(f"{len(code)} bytes")
        self.code = list(struct.iter_unpack("<HBBI", code))
        for place, (op, jt, jf, k) in enumerate(self.code):
            self._check(place, op, jt, jf, k)
        if self.code[-1][0] not in (_RET_K, _RET_A):
            raise BadProgram("does not end in a return")

    def __len__(self) -> int:
        return len(self.code)

    def _check(self, place: int, op: int, jt: int, jf: int, k: int) -> None:
        rest = len(self.code) - place - 1
        if op == _LD_ABS and (k % 4 or k >= 64):
            raise BadProgram(f"{place}: load from offset {k}")
        if op == _JA and k >= rest:
            raise BadProgram(f"{place}: jump past the end")
        if op in _JUMPS and (jt >= rest or jf >= rest):
            raise BadProgram(f"{place}: conditional jump past the end")
        if op not in (_LD_ABS, _RET_K, _RET_A, _JA) and op not in _JUMPS and op not in _ALU:
            raise BadProgram(f"{place}: instruction {op:#x} is not understood")

    def run(self, call: Call) -> int:
        """The verdict for one call."""
        return self.trace(call)[0]

    def trace(self, call: Call) -> tuple[int, int]:
        """The verdict for one call, and the number of instructions it took."""
        words = call.words()
        accumulator, place, steps = 0, 0, 0
        while True:
            op, jt, jf, k = self.code[place]
            steps += 1
            place += 1
            if op == _LD_ABS:
                accumulator = words[k // 4]
            elif op in _JUMPS:
                place += jt if _JUMPS[op](accumulator, k) else jf
            elif op == _JA:
                place += k
            elif op == _RET_K:
                return k, steps
            elif op == _RET_A:
                return accumulator, steps
            else:
                accumulator = _ALU[op](accumulator, k) & _MASK
