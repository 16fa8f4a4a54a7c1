/* state_groups.c: the control group that the next container will have, and that of the last
 * one. In: the runtime directory, a base of version 2.  Out: RUNTIME/groups; empty groups,
 * removed ones.  Never: a group in which a process ever was for another container; a wait.
 *
 * A group and its box take as long to make as a dozen mounts, and to remove.  So a start makes
 * those of a later one while its program runs, under the id that this one will have, and
 * removes those of one that has ended.
 * RUNTIME/groups is one line, "SPARE SPENT BASE\n": two ids, or dashes.  Who has its lock may
 * change it; who does not get that at once makes and removes groups as ever.
 * A group that is there is named by this line, by its container's config.json, or by both:
 *   spare  is written, then made; taken out when a config.json has it
 *   spent  is written while its container's program runs; taken out when the container's entry
 *          is gone and the group is removed
 * Killed anywhere, the next start with limits goes on.  A spare that somebody removed is made
 * when it is needed: nothing depends on it but time. */
#include "base/leaf.h"
#include "base/own.h"
#include "state_entry.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>

#define NOBODY "----------------------------------------------------------------"

enum { SPENT_AT = PRL_ID_LEN + 1, BASE_AT = 2 * SPENT_AT, LINE_BYTES = 4096 };

struct record {
    int fd;
    const char *spare, *spent; /* NULL: none */
    const char *base;
    char line[LINE_BYTES];
};

static const char *id_at(const struct record *record, size_t at)
{
    return prl_entry_is_id(record->line + at) ? record->line + at : NULL;
}

/* What is no such line names nothing. */
static void parse(struct record *record, ssize_t n)
{
    char *line = record->line, *end = n > BASE_AT ? memchr(line, '\n', (size_t)n) : NULL;
    record->spare = record->spent = NULL;
    record->base = "";
    if (!end || end - line <= BASE_AT || line[SPENT_AT - 1] != ' ' ||
        line[BASE_AT - 1] != ' ' || line[BASE_AT] != '/')
        return;
    *end = line[SPENT_AT - 1] = line[BASE_AT - 1] = '\0';
    record->base = line + BASE_AT;
    record->spare = id_at(record, 0);
    record->spent = id_at(record, SPENT_AT);
}

/* Locked and read; false: there is none, it cannot be read, or somebody else is at it. */
static bool open_record(const struct prl_dirs *dirs, int create, struct record *ret)
{
    ret->fd =
        openat(dirs->runtime_fd, "groups", O_RDWR | create | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (ret->fd < 0)
        return false;
    bool locked = flock(ret->fd, LOCK_EX | LOCK_NB) == 0;
    ssize_t n = locked ? pread(ret->fd, ret->line, sizeof ret->line, 0) : -1;
    if (n < 0) {
        prl_close_p(&ret->fd);
        return false;
    }
    parse(ret, n);
    return true;
}

/* A process that was forked meanwhile must not keep the lock. */
static void release(int *fd)
{
    (void)flock(*fd, LOCK_UN);
    prl_close_p(fd);
}

/* One write inside one page: a SIGKILL leaves it whole or not done. */
static bool write_at(int fd, const char *text, size_t len, size_t at)
{
    return pwrite(fd, text, len, (off_t)at) == (ssize_t)len;
}

bool prl_groups_adopt(const struct prl_dirs *dirs, const char *base, struct prl_state *state)
{
    struct record record;
    if (!open_record(dirs, 0, &record))
        return false;
    if (!record.spare || strcmp(record.base, base) != 0 ||
        asprintf(&state->group, "%s/pyrootless-%s", base, record.spare) < 0) {
        state->group = NULL;
        release(&record.fd);
        return false;
    }
    memcpy(state->id, record.spare, PRL_ID_LEN + 1);
    state->group_fd = record.fd;
    return true;
}

int prl_groups_settle(const struct prl_dirs *dirs, struct prl_state *state, bool named,
                      struct prl_error *reterr)
{
    if (state->group_fd < 0)
        return 0;
    if (!named)
        (void)prl_leaf_remove(state->group);
    if (!write_at(state->group_fd, NOBODY, PRL_ID_LEN, 0))
        return prl_failf(reterr, PRL_STAGE_STATE, errno, "write", "%s/groups", dirs->runtime);
    release(&state->group_fd);
    if (!named) {
        free(state->group);
        state->group = NULL;
    }
    return 0;
}

/* Remove the group that *slot names, if any; false: it stays, and is tried again by the next.
 * base_fd: the record's base, or -1. */
static bool clear(const struct prl_dirs *dirs, const struct record *record, const char **slot,
                  int base_fd)
{
    char path[LINE_BYTES + 16 + PRL_ID_LEN], entry[32 + PRL_ID_LEN];
    if (!*slot)
        return true;
    snprintf(entry, sizeof entry, "running/%s", *slot);
    if (faccessat(dirs->runtime_fd, entry, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return false; /* its container's, or what a killed one left to a sweep */
    snprintf(path, sizeof path, "%s/pyrootless-%s", record->base, *slot);
    if ((base_fd < 0 || prl_leaf_drop(base_fd, *slot) < 0) && prl_leaf_remove(path) < 0)
        return false;
    *slot = NULL;
    return true;
}

/* One write: a spare that is to be made next, and whose group will be left. */
static bool write_line(int fd, const char *spare, const char *spent, const char *base)
{
    char line[LINE_BYTES];
    int n = snprintf(line, sizeof line, "%s %s %s\n", spare ? spare : NOBODY,
                     spent ? spent : NOBODY, base);
    return n < LINE_BYTES && !strchr(base, '\n') && write_at(fd, line, (size_t)n, 0);
}

/* A line is of one base: while a group of another one cannot be removed nothing is left. */
static bool renew(const struct prl_dirs *dirs, struct record *record,
                  const struct prl_groups_wish *wish)
{
    char id[PRL_ID_LEN + 1];
    bool foreign = strcmp(record->base, wish->base) != 0;
    bool cleared = clear(dirs, record, &record->spent, foreign ? -1 : wish->base_fd);
    if (foreign && (!cleared || !clear(dirs, record, &record->spare, -1)))
        return false;
    const char *spare = record->spare, *spent = cleared ? wish->spent : record->spent;
    if (!spare && prl_id_new(id) == 0)
        spare = id;
    if (!write_line(record->fd, spare, spent, wish->base))
        return false;
    if (spare == id)
        (void)prl_leaf_make(wish->base_fd, id);
    return cleared && spent;
}

bool prl_groups_renew(const struct prl_dirs *dirs, const struct prl_groups_wish *wish)
{
    struct record record;
    if (!open_record(dirs, O_CREAT, &record))
        return false;
    bool left = renew(dirs, &record, wish);
    release(&record.fd);
    return left;
}

void prl_groups_drop(const struct prl_dirs *dirs)
{
    struct record record;
    if (!open_record(dirs, 0, &record))
        return;
    (void)clear(dirs, &record, &record.spent, -1);
    (void)clear(dirs, &record, &record.spare, -1);
    if (record.base[0])
        (void)write_line(record.fd, record.spare, record.spent, record.base);
    release(&record.fd);
}
