/* held.c: a sandbox in two halves: a box that is set up; then one run in it.
 * In: a spec with an init; later files, a program, limits of time and output.  Out: as
 * run.c.
 * Never: a second program in a box; a file put into it once the program runs; its own set-up,
 * or the wait, billed to the program.
 *
 * Limits that the box is made with stay: memory, processes, disk and the limits of each
 * process. The parent puts the files in through the container's "/", while only the start
 * barrier runs there, with the permissions of the box's own user, who is the caller. */
#include "sandbox/run.h"

#include "base/error.h"
#include "base/own.h"
#include "launch/exports.h"
#include "launch/steps/exports.h"
#include "sandbox/parts.h"
#include "sandbox/zygote.h"

#include <errno.h>
#include <string.h>

struct prl_sandbox_held {
    struct prl_sandbox want;
    struct prl_sandbox_watch watch;
};

static int launch(struct prl_sandbox_watch *w, struct prl_error *reterr)
{
    struct prl_stdio stdio;
    struct prl_zygote *zygote = w->want->zygote;
    int r = prl_sandbox_streams(w, &stdio, reterr);
    if (r < 0)
        return r;
    w->box.later = true;
    if (!zygote)
        return prl_launch_box_held(w->want->spec, &stdio, &w->box, &w->child, reterr);
    w->box.meter = false; /* the clock is the copy's */
    w->box.zygote_fd = prl_zygote_pidfd(zygote);
    r = prl_launch_box(w->want->spec, &stdio, &w->box, &w->child, reterr);
    return r < 0 ? r : prl_zygote_bring(zygote, w, reterr);
}

int prl_sandbox_hold(const struct prl_sandbox *want, struct prl_sandbox_held **ret,
                     struct prl_error *reterr)
{
    struct prl_sandbox_held *held = malloc(sizeof *held);
    if (!held)
        return prl_fail_with(reterr, PRL_STAGE_BOX, ENOMEM, "malloc", "box");
    held->want = *want;
    prl_sandbox_watch_init(&held->watch, &held->want);
    int r = launch(&held->watch, reterr);
    if (r < 0) {
        prl_sandbox_held_free(held);
        return r;
    }
    held->want.files = NULL; /* the caller's, and put in */
    held->watch.box.files = NULL;
    held->want.files_len = held->watch.box.files_len = 0;
    prl_close_p(&held->watch.lent[PRL_STREAM_OUT]);
    prl_close_p(&held->watch.lent[PRL_STREAM_ERR]);
    *ret = held;
    return 0;
}

/* Time and processor time count from here. */
static int start(struct prl_sandbox_held *held, const struct prl_sandbox_go *go,
                 struct prl_error *reterr)
{
    struct prl_sandbox_watch *w = &held->watch;
    int r = prl_box_put(w->box.root_fd, go->files, go->files_len, reterr);
    prl_close_p(&w->box.root_fd);
    if (r < 0)
        return r;
    prl_sandbox_count_put(w, go->files, go->files_len);
    held->want.limits = go->limits;
    memcpy(held->want.stdio, go->program.fds, sizeof held->want.stdio);
    prl_sandbox_begin(w);
    return prl_child_go(&w->child, held->want.spec, &go->program, reterr);
}

int prl_sandbox_release(struct prl_sandbox_held *held, const struct prl_sandbox_go *go,
                        struct prl_sandbox_report *ret, struct prl_error *reterr)
{
    *ret = PRL_SANDBOX_REPORT_NONE;
    if (held->watch.box.root_fd < 0)
        return prl_fail_with(reterr, PRL_STAGE_CLONE, EALREADY, "sendmsg",
                             "the box was used already");
    held->watch.report = ret;
    int r = start(held, go, reterr);
    if (r == 0)
        r = prl_sandbox_follow(&held->watch, reterr);
    if (r < 0)
        prl_sandbox_report_free(ret);
    held->watch.report = NULL;
    return prl_sandbox_unfit(r, reterr, ret);
}

int prl_sandbox_held_pidfd(const struct prl_sandbox_held *held)
{
    return held->watch.child.pidfd;
}

void prl_sandbox_held_free(struct prl_sandbox_held *held)
{
    if (!held)
        return;
    prl_sandbox_close(&held->watch);
    free(held);
}
