/* find.c: a name or id → a running container.
 * In: what a person typed, RUNTIME/running, DATA/names.  Out: its first process, held by
 * descriptors.  Never: a lock taken; a process that only has the number of a dead one. */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NONE, ONE, SEVERAL };

static int fail_find(const char *text, const char *why, struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_STATE, ESRCH, "container", "\"%.80s\" %s", text, why);
}

/* Docker's words. */
int prl_find_fail(const char *text, struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_STATE, ESRCH, "container", "No such container: %.80s",
                     text);
}

static int fail_still(const char *text, bool kept, struct prl_error *reterr)
{
    return kept ? fail_find(text, "is not running", reterr) : prl_find_fail(text, reterr);
}

/* A search of directories of ids. */
struct search {
    const struct prl_dirs *dirs;
    const char *text;
    char id[PRL_ID_LEN + 1];
    int found;
};

static bool match_begin(int dir_fd, const struct prl_dirent *entry, void *data)
{
    struct search *search = data;
    (void)dir_fd;
    if (!prl_entry_is_id(entry->d_name) ||
        strncmp(entry->d_name, search->text, strlen(search->text)) != 0 ||
        strcmp(entry->d_name, search->id) == 0) /* it runs and is kept */
        return true;
    memcpy(search->id, entry->d_name, PRL_ID_LEN + 1);
    search->found++;
    return search->found < SEVERAL;
}

/* The name in the entry of one that runs: its store may be another one. */
static bool match_name(int running_fd, const struct prl_dirent *found, void *data)
{
    struct search *search = data;
    struct prl_entry entry = {0};
    (void)running_fd;
    if (!prl_entry_is_id(found->d_name))
        return true;
    _cleanup_close_ int fd = prl_entry_open(search->dirs, found->d_name, O_RDONLY);
    if (fd < 0 || prl_entry_read(fd, &entry) < 0)
        return true;
    prl_entry_free(&entry);
    if (strcmp(entry.name, search->text) != 0 || !prl_entry_is_held(fd))
        return true;
    memcpy(search->id, found->d_name, PRL_ID_LEN + 1);
    search->found = ONE;
    return false;
}

static void search_in(int parent_fd, const char *name, prl_state_visit match,
                      struct search *search)
{
    _cleanup_close_ int fd =
        parent_fd < 0 ? -1 : openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && search->found < SEVERAL)
        (void)prl_state_each(fd, match, search);
}

int prl_find_id(const struct prl_dirs *dirs, const char *text, bool kept,
                char id[PRL_ID_LEN + 1], struct prl_error *reterr)
{
    text += *text == '/'; /* as docker shows names */
    struct search search = {.dirs = dirs, .text = text};
    if (text[0] == '\0')
        return prl_find_fail(text, reterr);
    if (prl_name_find(dirs->data_fd, text, id))
        return 0;
    if (prl_entry_is_id(text)) {
        memcpy(id, text, PRL_ID_LEN + 1);
        return 0;
    }
    search_in(dirs->runtime_fd, "running", match_name, &search);
    if (!search.found)
        search_in(dirs->runtime_fd, "running", match_begin, &search);
    if (kept && search.found != SEVERAL)
        search_in(dirs->data_fd, "containers", match_begin, &search);
    if (search.found == SEVERAL)
        return fail_find(text, "is the begin of several ids", reterr);
    memcpy(id, search.id, PRL_ID_LEN + 1);
    if (search.found == ONE)
        return 0;
    search_in(dirs->data_fd, "containers", match_begin, &search);
    return fail_still(text, search.found > 0, reterr);
}

/* Its row, when it runs; one whose monitor is dead is swept.  1: it does not. */
static int load_running(const struct prl_dirs *dirs, struct prl_listed *row)
{
    struct prl_entry entry = {0};
    struct prl_error ignored; /* the next look tries again */
    unsigned budget = PRL_SWEEP_NAMES;
    _cleanup_close_ int fd = prl_entry_open(dirs, row->id, O_RDONLY);
    if (fd < 0)
        return 1;
    if (!prl_entry_is_held(fd)) {
        (void)prl_sweep_one(dirs, row->id, &budget, &ignored);
        return 1;
    }
    if (prl_entry_read(fd, &entry) < 0)
        return 1;
    row->directory = steal_ptr(&entry.directory);
    prl_listed_run(dirs, row, &entry, fd);
    return 0;
}

bool prl_find_kept(const struct prl_dirs *dirs, const char *id)
{
    char path[32 + PRL_ID_LEN];
    struct stat st;
    snprintf(path, sizeof path, "containers/%.64s", id);
    return fstatat(dirs->data_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int prl_state_look_up(const struct prl_dirs *dirs, const char *text, struct prl_listed *ret,
                      struct prl_error *reterr)
{
    struct prl_listed row = {0};
    int r = prl_find_id(dirs, text, true, row.id, reterr);
    if (r < 0)
        return r;
    if (load_running(dirs, &row) == 1) {
        if (!prl_find_kept(dirs, row.id))
            return prl_find_fail(text, reterr);
        row.directory = prl_io_format("%s/containers/%s", dirs->data, row.id);
        if (!row.directory)
            return prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc",
                                 "a container's path");
        prl_listed_rest(&row);
    }
    if (!row.name[0])
        prl_listed_name(dirs, &row);
    prl_listed_date(&row);
    *ret = row;
    return 0;
}

int prl_state_find(const struct prl_dirs *dirs, const char *text, struct prl_running *ret,
                   struct prl_error *reterr)
{
    struct prl_listed row = {0};
    struct prl_joinable target;
    int r = prl_find_id(dirs, text, false, row.id, reterr);
    if (r < 0)
        return r;
    if (load_running(dirs, &row) == 0) {
        if (prl_process_hold(row.pid, row.start_ticks, &target) == 0) {
            *ret = (struct prl_running){
                .directory = row.directory, .target = target, .life = row.life};
            memcpy(ret->id, row.id, sizeof ret->id);
            return 0;
        }
        free(row.directory);
        return fail_find(text, "is not running", reterr);
    }
    return fail_still(text, prl_find_kept(dirs, row.id), reterr);
}

void prl_running_free(struct prl_running *running)
{
    free(running->directory);
    running->directory = NULL;
    prl_process_release(&running->target);
}
