/* await.c: the end of a container that its monitor records.
 * In: an id, a directory.  Out: the monitor is done with it; how it ended.  Never: a tick, a
 * lock that is kept. */
#include "base/own.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

enum { BRIEF_MS = 10000, BRIEF_STEP_MS = 5 };

int prl_state_await(const struct prl_dirs *dirs, const char *id, struct prl_error *reterr)
{
    _cleanup_close_ int fd = prl_entry_open(dirs, id, O_RDONLY);
    if (fd < 0)
        return errno == ENOENT ? 0
                               : prl_failf(reterr, PRL_STAGE_STATE, errno, "open",
                                           "%s/running/%s", dirs->runtime, id);
    while (flock(fd, LOCK_SH) < 0)
        if (errno != EINTR)
            return prl_failf(reterr, PRL_STAGE_STATE, errno, "flock", "%s/running/%s",
                             dirs->runtime, id);
    return 0;
}

/* A look now and then: flock(2) waits for ever or not at all. */
bool prl_entry_await_free(int fd)
{
    const struct timespec step = {.tv_nsec = BRIEF_STEP_MS * 1000000L};
    for (int waited = 0; waited < BRIEF_MS; waited += BRIEF_STEP_MS) {
        if (!prl_entry_is_held(fd))
            return true;
        nanosleep(&step, NULL);
    }
    return false;
}

int prl_state_await_briefly(const struct prl_dirs *dirs, const char *id)
{
    char path[32 + PRL_ID_LEN];
    snprintf(path, sizeof path, "running/%.64s", id);
    _cleanup_close_ int fd =
        openat(dirs->runtime_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 || prl_entry_await_free(fd) ? 0 : -ETIME;
}

/* What prl_state_record wrote begins so. */
int prl_state_read_end(const char *directory, struct prl_status *ret)
{
    _cleanup_free_ char *text = NULL;
    char word[16];
    int code, signal;
    size_t len;
    int r = prl_state_read(directory, PRL_STATE_STATUS, &text, &len);
    if (r < 0)
        return r;
    if (sscanf(text, "{\"ended_by\":\"%15[a-z-]\",\"exit_code\":%d,\"signal\":%d", word, &code,
               &signal) != 3)
        return -EBADMSG;
    bool exited = strcmp(word, "exit") == 0;
    *ret = (struct prl_status){.ended_by = exited ? PRL_ENDED_EXIT : PRL_ENDED_SIGNAL,
                               .exit_code = exited ? code : -1,
                               .signal = signal};
    return 0;
}
