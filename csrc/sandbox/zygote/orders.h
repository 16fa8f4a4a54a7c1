/* orders.h: the order to a zygote: bring a copy of itself into a box.
 * In: one message on a SOCK_SEQPACKET socket, with descriptors.  Out: the same bytes on both
 * sides; the answer is a struct prl_error, all zero when the copy is there and waits.
 * Never: a byte of a program; what is to be run comes on the copy's own socket (init/wish.h).
 *
 * The first answer comes unasked, when everything is imported. */
#pragma once

#include <stdint.h>

/* The descriptors of a message, in this order. */
enum {
    PRL_ZYGOTE_BOX,  /* pidfd of the box's process 1 */
    PRL_ZYGOTE_WISH, /* on which the copy waits */
    PRL_ZYGOTE_OUT,
    PRL_ZYGOTE_ERR,
    PRL_ZYGOTE_FDS
};

enum { PRL_ZYGOTE_FILTER_BYTES = 4096 * 8, PRL_ZYGOTE_CWD_BYTES = 4096 };

struct prl_zygote_order {
    uint32_t filter_bytes; /* of the filter, which follows: struct sock_filter */
    uint32_t umask;
    char cwd[PRL_ZYGOTE_CWD_BYTES]; /* in the box, absolute */
};
