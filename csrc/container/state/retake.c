/* retake.c: a container between two of its runs: let go of, and taken again.
 * In: what was made, or a name.  Out: an entry that is released, or locked again.
 * Never: two who have the same container: whoever starts or removes it has its entry first.
 *
 * The file `created` says that nobody has started it yet: what lies in the store without an
 * entry and without this file has run.  A launcher that is killed before its container begins
 * leaves an entry with `again`, which a sweep takes away, and nothing else. */
#include "base/io.h"
#include "base/own.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { ATTEMPTS = 16 };

static int fail_below(const struct prl_state *state, const char *syscall, const char *name,
                      struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_STATE, errno, syscall, "%s/%s", state->path, name);
}

int prl_state_leave(const struct prl_dirs *dirs, struct prl_state *state,
                    struct prl_error *reterr)
{
    int r = prl_state_create_file(state->dir_fd, "created", "", 0);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "%s/created", state->path);
    if (unlinkat(state->dir_fd, "remove", 0) < 0 && errno != ENOENT)
        return fail_below(state, "unlink", "remove", reterr);
    r = prl_removal_forget(dirs, state->id, reterr);
    if (r == 0)
        prl_state_close(state);
    return r;
}

/* Its entry, made anew.  1: somebody else has it now; -ENOENT: it is gone. */
static int take(const struct prl_dirs *dirs, struct prl_state *state, struct prl_error *reterr)
{
    char path[32 + PRL_ID_LEN];
    int r = prl_entry_create(dirs, state, reterr);
    if (r == 1 || r == -EEXIST)
        return 1;
    if (r < 0)
        return r;
    snprintf(path, sizeof path, "containers/%s", state->id);
    state->dir_fd =
        openat(dirs->data_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (state->dir_fd >= 0)
        return 0;
    r = prl_fail(reterr, PRL_STAGE_STATE, "open", state->path);
    struct prl_error ignored;
    (void)prl_removal_forget(dirs, state->id, &ignored);
    return r;
}

static int describe(struct prl_listed *row, struct prl_state *ret, struct prl_error *reterr)
{
    *ret = (struct prl_state){.path = steal_ptr(&row->directory),
                              .dir_fd = -1,
                              .lock_fd = -1,
                              .marker_fd = -1,
                              .again = true};
    memcpy(ret->id, row->id, sizeof ret->id);
    ret->name = row->name[0] ? strdup(row->name) : NULL;
    if (!row->name[0] || ret->name)
        return 0;
    return prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc", "name of the container");
}

static int fail_busy(const char *text, struct prl_error *reterr)
{
    return prl_failf(
        reterr, PRL_STAGE_STATE, EBUSY, "start",
        "container %.80s is being started or removed by another command, which does "
        "not come to an end",
        text);
}

int prl_state_retake(const struct prl_dirs *dirs, const char *text, struct prl_state *ret,
                     struct prl_error *reterr)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct prl_listed row = {0};
        int r = prl_state_look_up(dirs, text, &row, reterr);
        if (r < 0)
            return r;
        int begun = prl_entry_settle(dirs, row.id);
        r = describe(&row, ret, reterr);
        if (r == 0 && begun < 0)
            r = fail_busy(text, reterr);
        if (r < 0 || begun == 1) {
            if (r < 0)
                prl_state_close(ret);
            return r < 0 ? r : 1;
        }
        r = take(dirs, ret, reterr);
        if (r == 0)
            return 0;
        prl_state_close(ret);
        if (r != 1 && r != -ENOENT) /* gone: the next look says so */
            return r;
    }
    return fail_busy(text, reterr);
}
