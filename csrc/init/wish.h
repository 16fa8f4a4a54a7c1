/* wish.h: the message a prepared container waits for: which program to execute, in one flat
 * block. In: what the command line or Python asks for.  Out: the same bytes on both sides of a
 * socket pair. Never: a pointer: a field called "…_at" counts bytes from the beginning of the
 * block.
 *
 * An array consists of 64-bit numbers up to a zero; each says where a string begins.  Before
 * args_at there are PRL_WISH_SPARE free numbers, in which the small init puts its own
 * arguments. The descriptors of `streams` come with the head (SCM_RIGHTS), in the order of
 * their bits. */
#pragma once

#include <stdint.h>

enum { PRL_WISH_SPARE = 3 };

struct prl_wish_head {
    uint32_t size;        /* bytes of the block, which follows */
    uint32_t args_at;     /* array: the program's arguments */
    uint32_t env_at;      /* array: its environment */
    uint32_t programs_at; /* array: paths to try, absolute */
    uint32_t cwd_at;      /* a string; 0: stay */
    uint32_t streams;     /* bit n: a descriptor for stream n is with the head */
    uint32_t typed;       /* 1: execute args[0] as it was typed, which is a path */
};
