/* wish.h: the message a prepared container waits for: which program, in one flat block.
 * In: what cli or Python wish.  Out: the same bytes on both sides of a socket pair.
 * Never: a pointer: what is named "at" counts bytes from the begin of the block.
 *
 * An array is of 64-bit numbers up to a zero; each is where a string begins.  Before args_at
 * lie PRL_WISH_SPARE free numbers: the small init puts its own arguments there.  The
 * descriptors of `streams` come with the head (SCM_RIGHTS), in the order of their bits. */
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
