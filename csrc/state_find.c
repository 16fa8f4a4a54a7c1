/* state_find.c: a name or id → a running container.
 * In: what a person typed, RUNTIME/running, DATA/names.  Out: its first process, held by
 * descriptors.  Never: a lock taken; a process that only has the number of a dead one. */
#include "base/io.h"
#include "base/own.h"
#include "base/pool.h"
#include "base/sys.h"
#include "state_entry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { NONE, ONE, SEVERAL };

static int fail_find(const char *text, const char *why, struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_STATE, ESRCH, "container", "\"%.80s\" %s", text, why);
}

/* Ids in a directory that begin with text; the last of them into id. */
static int find_begin(int dir_fd, const char *name, const char *text, char id[PRL_ID_LEN + 1])
{
    int found = NONE;
    _cleanup_closedir_ DIR *dir = prl_io_list(dir_fd, name);
    for (const struct dirent *entry; dir && found != SEVERAL && (entry = readdir(dir));) {
        if (!prl_entry_is_id(entry->d_name) || strncmp(entry->d_name, text, strlen(text)) != 0)
            continue;
        memcpy(id, entry->d_name, PRL_ID_LEN + 1);
        found++;
    }
    return found;
}

/* The id that is meant, of a container that may have ended by now. */
static int find_id(const struct prl_dirs *dirs, const char *text, char id[PRL_ID_LEN + 1],
                   struct prl_error *reterr)
{
    char kept[PRL_ID_LEN + 1];
    if (text[0] == '\0')
        return fail_find(text, "is no container", reterr);
    if (prl_name_find(dirs->data_fd, text, id))
        return 0;
    if (prl_entry_is_id(text)) {
        memcpy(id, text, PRL_ID_LEN + 1);
        return 0;
    }
    switch (find_begin(dirs->runtime_fd, "running", text, id)) {
    case ONE:
        return 0;
    case SEVERAL:
        return fail_find(text, "is the begin of several ids", reterr);
    default:
        return fail_find(text,
                         find_begin(dirs->data_fd, "containers", text, kept) == NONE
                             ? "is no container"
                             : "is not running",
                         reterr);
    }
}

static int load(const struct prl_dirs *dirs, struct prl_running *running)
{
    char path[32 + PRL_ID_LEN];
    struct prl_entry entry = {0};
    snprintf(path, sizeof path, "running/%.64s", running->id);
    _cleanup_close_ int fd =
        openat(dirs->runtime_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = prl_entry_read(fd, &entry);
    if (r == 0)
        r = prl_process_hold(entry.pid, entry.start_ticks, &running->target);
    if (r == 0)
        running->directory = steal_ptr(&entry.directory);
    prl_entry_free(&entry);
    return r;
}

int prl_state_find(const struct prl_dirs *dirs, const char *text, struct prl_running *ret,
                   struct prl_error *reterr)
{
    struct prl_running running = {.target = {.pidfd = -1, .proc_fd = -1}};
    struct stat st;
    char path[32 + PRL_ID_LEN];
    int r = find_id(dirs, text, running.id, reterr);
    if (r < 0)
        return r;
    r = load(dirs, &running);
    if (r == 0) {
        *ret = running;
        return 0;
    }
    prl_running_free(&running);
    snprintf(path, sizeof path, "containers/%.64s", running.id);
    bool kept = fstatat(dirs->data_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    return fail_find(text, kept || r != -ENOENT ? "is not running" : "is no container", reterr);
}

void prl_running_free(struct prl_running *running)
{
    prl_pool_free(running->directory);
    running->directory = NULL;
    prl_process_release(&running->target);
}
