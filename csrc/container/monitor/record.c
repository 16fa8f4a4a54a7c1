/* record.c: records of the control socket; see record.h.
 * In, out: as there.  Never: SIGPIPE, an inheritable descriptor, a byte beyond what came. */
#include "container/monitor/record.h"

#include "base/own.h"
#include "base/process/pass.h"

#include <errno.h>

/* They travel as they lie in memory. */
_Static_assert(sizeof(struct prl_status) == 160 && sizeof(struct prl_error) == 256,
               "another form of a payload is another PRL_RECORD_VERSION");
_Static_assert(sizeof(struct prl_status) <= PRL_RECORD_BYTES, "a status is one record");

static bool is_known(unsigned kind)
{
    return (kind >= PRL_RECORD_ATTACH && kind <= PRL_RECORD_EXEC) ||
           (kind >= PRL_RECORD_ATTACHED && kind <= PRL_RECORD_EXEC_ENDED);
}

/* How long the payload must be; -1: any. */
static long payload_size(unsigned kind)
{
    switch (kind) {
    case PRL_RECORD_INPUT:
    case PRL_RECORD_OUTPUT:
    case PRL_RECORD_EXEC:
    case PRL_RECORD_REFUSED:
    case PRL_RECORD_ENDED:
        return -1;
    case PRL_RECORD_FAILED:
        return sizeof(struct prl_error);
    default:
        return 0;
    }
}

int prl_record_check(const struct prl_record *record, size_t size)
{
    const struct prl_record_head *head = &record->head;
    if (size < sizeof head->version)
        return -EPROTO;
    if (head->version != PRL_RECORD_VERSION)
        return -EPROTONOSUPPORT;
    if (size < sizeof *head || head->len != size - sizeof *head || !is_known(head->kind))
        return -EPROTO;
    long wanted = payload_size(head->kind);
    if (wanted >= 0 && head->len != (size_t)wanted)
        return -EPROTO;
    if (head->kind == PRL_RECORD_ENDED && head->len != 0 &&
        head->len != sizeof(struct prl_status))
        return -EPROTO;
    return 0;
}

static int send_record(int fd, const struct prl_record_head *head, const void *payload,
                       int passed_fd)
{
    struct prl_record_head sent = *head;
    const struct iovec parts[] = {{&sent, sizeof sent},
                                  {(void *)(uintptr_t)payload, head->len}};
    sent.version = PRL_RECORD_VERSION;
    if (prl_pass_send(fd, parts, head->len ? 2 : 1, &passed_fd, 1) < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    return 0;
}

int prl_record_send(int fd, const struct prl_record_head *head, const void *payload)
{
    return send_record(fd, head, payload, -1);
}

int prl_record_send_fd(int fd, const struct prl_record_head *head, int passed_fd)
{
    return send_record(fd, head, NULL, passed_fd);
}

int prl_record_receive(int fd, struct prl_record *ret, int *ret_fd)
{
    /* A longer one is cut by the kernel, and then its length is not what it says. */
    ssize_t n = prl_pass_receive(fd, ret, sizeof *ret, ret_fd);
    /* A peer that left without having read all is told once, before what it had sent. */
    if (n == 0)
        n = prl_pass_receive(fd, ret, sizeof *ret, ret_fd);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    int r = prl_record_check(ret, (size_t)n);
    if (r < 0)
        prl_close_p(ret_fd);
    return r < 0 ? r : 1;
}
