/* list.c: containers as they lie on disk.
 * In: DATA/containers, DATA/names, RUNTIME/running.  Out: one row a container, and nothing left
 * of one whose monitor was killed.  Never: a directory or a file that another user made; a read
 * of a file of the container's own; waiting for a lock. */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct list {
    const struct prl_dirs *dirs;
    struct prl_listed *rows;
    size_t len, room;
    unsigned budget; /* of what is swept on the way */
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
        free(directory);
        list->no_memory = true;
        return NULL;
    }
    struct prl_listed *row = &list->rows[list->len++];
    *row = (struct prl_listed){.directory = directory};
    memcpy(row->id, id, PRL_ID_LEN + 1);
    return row;
}

/* One that runs: its monitor holds the lock of its entry.  Of one whose monitor is dead the
 * rest goes, or is recorded, before anybody sees it. */
static bool add_running(int running_fd, const struct prl_dirent *found, void *data)
{
    struct list *list = data;
    struct prl_entry entry = {0};
    struct prl_error ignored; /* the next look tries again */
    (void)running_fd;
    if (!prl_entry_is_id(found->d_name))
        return true;
    _cleanup_close_ int fd = prl_entry_open(list->dirs, found->d_name, O_RDONLY);
    if (fd < 0)
        return true;
    if (!prl_entry_is_held(fd)) {
        (void)prl_sweep_one(list->dirs, found->d_name, &list->budget, &ignored);
        return true;
    }
    if (prl_entry_read(fd, &entry) < 0)
        return true;
    struct prl_listed *row = add(list, found->d_name, steal_ptr(&entry.directory));
    if (row) {
        prl_listed_run(list->dirs, row, &entry, fd);
        prl_listed_date(row);
    }
    return !list->no_memory;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct prl_listed *)a)->id, ((const struct prl_listed *)b)->id);
}

static struct prl_listed *find_row(const struct list *list, size_t len, const char *id)
{
    struct prl_listed key;
    memcpy(key.id, id, PRL_ID_LEN + 1);
    return len ? bsearch(&key, list->rows, len, sizeof key, by_id) : NULL;
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

static void date_in(struct prl_listed *row, int dir_fd, const char *directory)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/config.json", directory);
    if (n < (int)sizeof path && fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        row->created_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static void rest_in(struct prl_listed *row, int dir_fd, const char *directory)
{
    row->life =
        prl_state_is_marked(dir_fd, directory, "created") ? PRL_LIFE_CREATED : PRL_LIFE_EXITED;
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
        if (prl_entry_is_id(found->d_name) && !find_row(list, running, found->d_name)) {
            struct prl_listed *row =
                add(list, found->d_name,
                    prl_io_format("%s/containers/%s", list->dirs->data, found->d_name));
            if (!row)
                continue;
            date_in(row, dirfd(kept), found->d_name);
            rest_in(row, dirfd(kept), found->d_name);
        }
    return 0;
}

static void take_name(const char *name, const char *id, void *data)
{
    struct list *list = data;
    struct prl_listed *row = find_row(list, list->len, id);
    if (row && !row->name[0] && strlen(name) <= PRL_NAME_MAX)
        memcpy(row->name, name, strlen(name) + 1);
}

static bool is_named(const struct list *list)
{
    bool named = true;
    for (size_t i = 0; i < list->len; i++)
        named = named && list->rows[i].name[0];
    return named;
}

static void sort(struct list *list)
{
    if (list->len)
        qsort(list->rows, list->len, sizeof *list->rows, by_id);
}

static int list_all(struct list *list, bool kept, struct prl_error *reterr)
{
    int r = list_running(list, reterr);
    sort(list);
    if (r == 0 && kept)
        r = list_kept(list, reterr);
    if (r < 0 || list->no_memory)
        return r;
    sort(list);
    if (!is_named(list))
        prl_name_each(list->dirs->data_fd, take_name, list);
    return 0;
}

int prl_state_list(const struct prl_dirs *dirs, bool kept, struct prl_listed **ret,
                   size_t *ret_len, struct prl_error *reterr)
{
    struct list list = {.dirs = dirs, .budget = PRL_SWEEP_NAMES};
    int r = list_all(&list, kept, reterr);
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

void prl_listed_date(struct prl_listed *row)
{
    date_in(row, AT_FDCWD, row->directory);
}

static void take_its_name(const char *name, const char *id, void *data)
{
    struct prl_listed *row = data;
    if (strcmp(id, row->id) == 0 && strlen(name) <= PRL_NAME_MAX)
        memcpy(row->name, name, strlen(name) + 1);
}

void prl_listed_name(const struct prl_dirs *dirs, struct prl_listed *row)
{
    prl_name_each(dirs->data_fd, take_its_name, row);
}

void prl_listed_rest(struct prl_listed *row)
{
    rest_in(row, AT_FDCWD, row->directory);
}

/* Between two runs of one that is started again its last end is recorded. */
static enum prl_life life_of(const struct prl_listed *row)
{
    if (row->pid == 0)
        return PRL_LIFE_CREATED;
    if (prl_state_is_marked(AT_FDCWD, row->directory, "status.json"))
        return PRL_LIFE_RESTARTING;
    return prl_state_is_marked(AT_FDCWD, row->directory, "paused") ? PRL_LIFE_PAUSED
                                                                   : PRL_LIFE_RUNNING;
}

/* Its name may be another one since it was written down (rename), and a store of its own says
 * so:
 * "" then, to be looked for there. */
void prl_listed_run(const struct prl_dirs *dirs, struct prl_listed *row,
                    const struct prl_entry *entry, int fd)
{
    struct stat st;
    size_t len = dirs->data ? strlen(dirs->data) : 0;
    bool here = dirs->data_fd >= 0 && strncmp(row->directory, dirs->data, len) == 0 &&
                row->directory[len] == '/';
    row->pid = entry->pid;
    row->start_ticks = entry->start_ticks;
    row->running = true;
    row->life = life_of(row);
    row->restarts = entry->restarts;
    if (fstat(fd, &st) == 0 && row->pid > 0)
        row->started_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (!here || !entry->name[0] || !prl_name_is_lost(dirs->data_fd, entry->name, row->id))
        memcpy(row->name, entry->name, sizeof row->name);
}

void prl_listed_free(struct prl_listed *rows, size_t len)
{
    for (size_t i = 0; i < len; i++)
        free(rows[i].directory);
    free(rows);
}
