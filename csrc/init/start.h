/* start.h: the first instruction of a program without a C library.
 * In: a function `bare_main(long *stack)` of the one file that includes this.  Out: _start.
 * Never: a second file of one program including it.  Source: the psABI of each machine. */
#pragma once

#include "init/bare.h"

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall "
        "bare_main\n\thlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x0, sp\n\tbl bare_main\n\tbrk #0\n");
#endif
