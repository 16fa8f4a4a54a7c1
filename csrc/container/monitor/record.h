/* record.h: what is said over a container's control socket.
 * In, out: whole records on a SOCK_SEQPACKET socket, in the machine's own byte order.
 * Never: a record that is not listed here; a record without its version.  Kinds, payloads and
 * rules are in docs/reference/control.md. */
#pragma once

#include "prl.h"

enum { PRL_RECORD_VERSION = 1, PRL_RECORD_BYTES = 32768 };

enum prl_record_kind {
    PRL_RECORD_ATTACH = 1,    /* value: enum prl_record_attach */
    PRL_RECORD_INPUT,         /* bytes for standard input, within the window */
    PRL_RECORD_INPUT_END,     /* no more of it: standard input ends, unless it is a terminal */
    PRL_RECORD_RESIZE,        /* value: rows << 16 | columns */
    PRL_RECORD_SIGNAL,        /* value: its number */
    PRL_RECORD_WAIT,          /* ENDED comes when the container is over and recorded */
    PRL_RECORD_LEAVE,         /* of who started it: it goes on without us */
    PRL_RECORD_STREAM,        /* a descriptor comes along; value: the stream of the next EXEC */
    PRL_RECORD_EXEC,          /* words, each with its NUL; value: so many of them are options */
    PRL_RECORD_ATTACHED = 64, /* value: enum prl_record_attach, what there is */
    PRL_RECORD_OUTPUT,        /* value: 1 or 2, bytes of that stream */
    PRL_RECORD_TAKEN,         /* value: bytes of INPUT that were taken: the window opens */
    PRL_RECORD_LOST,          /* value: bytes of output that came too fast for this client */
    PRL_RECORD_ENDED,         /* struct prl_status; nothing when that is not known */
    PRL_RECORD_REFUSED,       /* value: errno, text: why */
    PRL_RECORD_FAILED,        /* struct prl_error, to who started it alone */
    PRL_RECORD_EXEC_ENDED,    /* value: the exit status of an EXEC */
};

enum prl_record_attach {
    PRL_ATTACH_INPUT = 1,    /* standard input is to be written; there is one */
    PRL_ATTACH_REPLAY = 2,   /* what was written last comes first */
    PRL_ATTACH_TERMINAL = 4, /* it has a terminal */
};

struct prl_record_head {
    uint16_t version, kind;
    int32_t value;
    uint32_t len; /* of the payload */
};

struct prl_record {
    struct prl_record_head head;
    char bytes[PRL_RECORD_BYTES];
};

/* What came is a record of a kind we know; `size` bytes came.  -EPROTO, -EPROTONOSUPPORT: of
 * another version. */
int prl_record_check(const struct prl_record *record, size_t size);
/* The version is filled in.  0, -EAGAIN where the socket does not wait, -EPIPE: the peer is
 * gone. */
int prl_record_send(int fd, const struct prl_record_head *head, const void *payload);
/* The same without a payload, and a descriptor goes along. */
int prl_record_send_fd(int fd, const struct prl_record_head *head, int passed_fd);
/* 1: a record, *ret_fd came along or is -1; 0: the peer is gone; -errno: see prl_record_check.
 */
int prl_record_receive(int fd, struct prl_record *ret, int *ret_fd);
