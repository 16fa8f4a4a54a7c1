/* report.c: what the parent hears of its child until that executes its program; shared
 * by a launch (start.c) and by joining a running container (join.c).
 * In: a set-up, a child.  Out: its hand-overs served, its report read.  Never: a step of the
 * set-up; waiting beyond exec. */
#include "launch/report.h"

#include "base/own.h"
#include "base/report.h"
#include "launch/serve/parent.h"
#include "launch/steps/exports.h"
#include "userns/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GUARD_BYTES = 4096 };

/* The child's stack, with a page below it that stops an overflow. */
void *prl_stack_map(void)
{
    void *stack = prl_sys_stack_map(PRL_STACK_BYTES);
    if (stack)
        mprotect(stack, GUARD_BYTES, PROT_NONE);
    return stack;
}

void prl_stack_unmap(void *stack)
{
    if (stack)
        munmap(stack, PRL_STACK_BYTES);
}

/* #2: one piece of work for the child, or what it brought. */
static int serve_one(struct prl_setup *s, struct prl_child *child, char kind, int fd,
                     struct prl_error *reterr)
{
    switch (kind) {
    case PRL_HANDOVER_MAPS: {
        const struct prl_mapping maps = {s->spec->uid_maps, s->spec->gid_maps,
                                         s->spec->uid_maps_len, s->spec->gid_maps_len};
        return prl_mapping_write(child->pid, &maps, reterr);
    }
    case PRL_HANDOVER_FUSE: {
        int r = prl_serve_fuse(s, child, fd, reterr);
        prl_close_p(&fd);
        return r;
    }
    case PRL_HANDOVER_TAP:
        s->tap_fd = fd;
        return 0;
    case PRL_HANDOVER_WATCH:
        return prl_serve_watch(s->spec, child->pid, reterr);
    case PRL_HANDOVER_NETWORK:
        return prl_serve_network(s, child, fd, reterr);
    case PRL_HANDOVER_TERMINAL:
        child->terminal_fd = fd;
        return 0;
    case PRL_HANDOVER_SCRATCH:
        s->box->scratch_fd = fd;
        return 0;
    case PRL_HANDOVER_CLOCK:
        *(s->box ? &s->box->clock_fd : &s->clock_fd) = fd;
        return 0;
    case PRL_HANDOVER_ROOT:
        s->box->root_fd = fd;
        return 0;
    case PRL_HANDOVER_LISTENER: {
        int r = prl_serve_fakeroot(s, child, fd, reterr);
        prl_close_p(&fd);
        return r;
    }
    default:
        prl_close_p(&fd);
        return prl_fail_with(reterr, PRL_STAGE_CLONE, EPROTO, "recvmsg", "hand-over");
    }
}

/* Until the child has executed its program or is gone. */
static int serve(struct prl_setup *s, int socket_fd, struct prl_child *child,
                 struct prl_error *reterr)
{
    for (;;) {
        char kind;
        int fd;
        int r = prl_handover_receive(socket_fd, child->pidfd, &kind, &fd);
        if (r == 0)
            return 0;
        r = r < 0 ? prl_fail_with(reterr, PRL_STAGE_CLONE, -r, "recvmsg", "hand-over")
                  : serve_one(s, child, kind, fd, reterr);
        if (r < 0)
            return r;
        r = s->served ? prl_handover_answer(socket_fd) : 0;
        if (r < 0 && r != -EPIPE) /* a child that is gone shows in its report */
            return prl_fail_with(reterr, PRL_STAGE_CLONE, -r, "sendmsg", "hand-over");
    }
}

int prl_channels_open(struct prl_setup *s, struct prl_channels *ret, struct prl_error *reterr)
{
    if (pipe2(ret->report, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "pipe2", "report");
    s->report_fd = ret->report[1];
    if (!s->served && !s->spec->process.terminal && !s->box && !prl_box_wants_clock(s))
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret->service) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "socketpair", "hand-over");
    s->parent_fd = ret->service[0];
    s->service_fd = ret->service[1];
    /* The init's record of how a sandbox's program ended. */
    if (!s->box)
        return 0;
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "pipe2", "outcome");
    s->box->outcome_fd = pair[0];
    s->outcome_fd = ret->outcome = pair[1];
    return 0;
}

static void close_pair(int pair[2])
{
    prl_close_p(&pair[0]);
    prl_close_p(&pair[1]);
}

void prl_channels_close(struct prl_channels *channels)
{
    close_pair(channels->report);
    close_pair(channels->service);
    prl_close_p(&channels->outcome);
}

/* The child's ends are closed here first: the end of file tells of the exec. */
int prl_channels_follow(struct prl_setup *s, struct prl_channels *channels,
                        struct prl_child *child, struct prl_error *reterr)
{
    int r = 0;
    prl_close_p(&channels->report[1]);
    prl_close_p(&channels->service[1]);
    prl_close_p(&channels->outcome); /* its number stays: a served child still needs that */
    if (channels->service[0] >= 0)
        r = serve(s, channels->service[0], child, reterr);
    if (r == 0 && s->spec->verify)
        r = prl_serve_verify(s, child->pid, reterr);
    if (r < 0) { /* a child that has failed before cannot be served: that is the reason */
        int said = prl_report_said(channels->report[0], reterr);
        return said < 0 ? said : r;
    }
    r = prl_report_read(channels->report[0], reterr);
    if (r == 0 && s->spec->process.terminal && child->terminal_fd < 0)
        r = prl_fail_with(reterr, PRL_STAGE_TERMINAL, EPROTO, "recvmsg", "pty master");
    return r;
}
