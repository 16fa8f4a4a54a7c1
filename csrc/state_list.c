/* state_list.c: containers as they lie on disk.
 * In: DATA/containers, RUNTIME/running.  Out: one row a container.  Never: a directory or a
 * file that another user made; a file of the container's own; waiting for a lock. */
#include "base/io.h"
#include "base/own.h"
#include "base/pool.h"
#include "base/sys.h"
#include "state_entry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct list {
    const struct prl_dirs *dirs;
    struct prl_listed *rows;
    size_t len, room;
    bool no_memory;
};

static struct prl_listed *add(struct list *list, const char *id, char *directory)
{
    if (list->len == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct prl_listed *rows = reallocarray(list->rows, room, sizeof *rows);
        if (rows) {
            list->rows = rows;
            list->room = room;
        }
    }
    if (!directory || list->len == list->room) {
        prl_pool_free(directory);
        list->no_memory = true;
        return NULL;
    }
    struct prl_listed *row = &list->rows[list->len++];
    *row = (struct prl_listed){.directory = directory};
    memcpy(row->id, id, PRL_ID_LEN + 1);
    return row;
}

/* One that runs: its monitor holds the lock of its entry. */
static bool add_running(int running_fd, const struct prl_dirent *found, void *data)
{
    struct list *list = data;
    struct prl_entry entry = {0};
    if (!prl_entry_is_id(found->d_name))
        return true;
    _cleanup_close_ int fd =
        openat(running_fd, found->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || prl_entry_read(fd, &entry) < 0)
        return true;
    if (!prl_entry_is_held(fd)) {
        prl_entry_free(&entry);
        return true;
    }
    struct prl_listed *row = add(list, found->d_name, entry.directory);
    if (row) {
        row->pid = entry.pid;
        row->start_ticks = entry.start_ticks;
        row->running = true;
    }
    return !list->no_memory;
}

static bool is_listed(const struct list *list, size_t running, const char *id)
{
    for (size_t i = 0; i < running; i++)
        if (strcmp(list->rows[i].id, id) == 0)
            return true;
    return false;
}

static int fail_list(const char *directory, const char *name, int errnum,
                     struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_STATE, errnum, "list", "cannot list %s/%s: %s",
                     directory, name, strerror(errnum));
}

static int list_running(struct list *list, struct prl_error *reterr)
{
    if (list->dirs->runtime_fd < 0)
        return 0;
    _cleanup_close_ int running_fd =
        openat(list->dirs->runtime_fd, "running", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (running_fd < 0)
        return errno == ENOENT ? 0 : fail_list(list->dirs->runtime, "running", errno, reterr);
    return prl_state_each(running_fd, add_running, list) || list->no_memory
               ? 0
               : fail_list(list->dirs->runtime, "running", errno, reterr);
}

static int list_kept(struct list *list, struct prl_error *reterr)
{
    size_t running = list->len;
    if (list->dirs->data_fd < 0)
        return 0;
    _cleanup_closedir_ DIR *kept = prl_io_list(list->dirs->data_fd, "containers");
    if (!kept)
        return errno == ENOENT ? 0 : fail_list(list->dirs->data, "containers", errno, reterr);
    for (const struct dirent *found; !list->no_memory && (found = readdir(kept));)
        if (prl_entry_is_id(found->d_name) && !is_listed(list, running, found->d_name))
            add(list, found->d_name,
                prl_pool_print("%s/containers/%s", list->dirs->data, found->d_name));
    return 0;
}

int prl_state_list(const struct prl_dirs *dirs, struct prl_listed **ret, size_t *ret_len,
                   struct prl_error *reterr)
{
    struct list list = {.dirs = dirs};
    int r = list_running(&list, reterr);
    if (r == 0)
        r = list_kept(&list, reterr);
    if (r == 0 && list.no_memory)
        r = prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc", "list of containers");
    if (r < 0) {
        prl_listed_free(list.rows, list.len);
        return r;
    }
    *ret = list.rows;
    *ret_len = list.len;
    return 0;
}

void prl_listed_free(struct prl_listed *rows, size_t len)
{
    for (size_t i = 0; i < len; i++)
        prl_pool_free(rows[i].directory);
    free(rows);
}
