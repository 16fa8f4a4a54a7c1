/* hold.c: the volumes of one container, from before its start to its end.
 * In: the rows of its spec.  Out: each is there, locked, linked to the container; what is to be
 * filled is said.  Never: two that fill one volume: the second waits, and finds it full.
 *
 * They are taken in the order of their names, so that two starts that wait for each other's
 * copies cannot wait for ever. */
#include "container/state/volumes/parts.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* The texts of one kind that io.pyrootless.volumes.new has for a name. */
struct texts {
    char *copy;
    const char *list[2][32]; /* labels, options; with a NULL */
};

static void read_texts(const char *text, const char *name, struct texts *ret)
{
    static const char kinds[2][12] = {" label ", " option "};
    size_t used[2] = {0}, len = strlen(name);
    char *save = NULL;
    *ret = (struct texts){.copy = strdup(text)};
    for (char *line = ret->copy ? strtok_r(ret->copy, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save))
        for (size_t k = 0; k < 2; k++)
            if (strncmp(line, name, len) == 0 &&
                strncmp(line + len, kinds[k], strlen(kinds[k])) == 0 && used[k] < 31)
                ret->list[k][used[k]++] = line + len + strlen(kinds[k]);
}

static int make(const struct prl_dirs *dirs, const struct prl_spec *spec,
                const struct prl_volume *volume, struct prl_error *reterr)
{
    struct texts texts = {0};
    if (spec->volumes_new)
        read_texts(spec->volumes_new, volume->name, &texts);
    const struct prl_volume_want want = {.name = volume->name,
                                         .labels = texts.list[0],
                                         .options = texts.list[1],
                                         .anonymous = volume->anonymous};
    int r = prl_volume_make(dirs, &want, reterr);
    free(texts.copy);
    return r;
}

static int fail(const struct prl_dirs *dirs, const char *name, int r, struct prl_error *reterr)
{
    if (r == -EBADMSG)
        return prl_failf(reterr, PRL_STAGE_VOLUMES, EBADMSG, "open",
                         "%s/volumes/%s is no volume of pyrootless, or its record is damaged",
                         dirs->data, name);
    return prl_failf(reterr, PRL_STAGE_VOLUMES, -r, "open", "cannot use the volume %s: %s",
                     name, strerror(-r));
}

static bool refuse(int dir_fd, const struct prl_dirent *entry, void *data)
{
    (void)dir_fd;
    (void)entry;
    (void)data;
    return false;
}

/* 1: nothing in it, 0: something. */
static int is_empty(int dir_fd)
{
    _cleanup_close_ int fd =
        openat(dir_fd, "_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : prl_state_each(fd, refuse, NULL);
}

/* The right to fill it: an empty one, or one whose copy was broken off. */
static int take_filling(struct prl_held_volume *held, bool *ret_fill)
{
    struct stat st;
    for (;;) {
        int empty = is_empty(held->lock_fd);
        bool begun = fstatat(held->lock_fd, "filling", &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (empty < 0 || (!empty && !begun))
            return empty;
        _cleanup_close_ int fd =
            openat(held->lock_fd, "filling", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
            return -errno;
        while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
            ;
        if (fstat(fd, &st) < 0 || st.st_nlink == 0)
            continue; /* who had it has ended */
        held->filling_fd = steal_fd(&fd);
        *ret_fill = true;
        return 0;
    }
}

/* Locked before it is linked; made where it is missing. */
static int open_held(const struct prl_dirs *dirs, const struct prl_spec *spec,
                     struct prl_held_volume *held, struct prl_error *reterr)
{
    for (;;) {
        held->lock_fd = prl_volume_open(dirs->data_fd, held->volume->name, false);
        if (held->lock_fd >= 0)
            return 0;
        int r = held->lock_fd == -ENOENT
                    ? make(dirs, spec, held->volume, reterr)
                    : fail(dirs, held->volume->name, held->lock_fd, reterr);
        held->lock_fd = -1;
        if (r < 0)
            return r;
    }
}

static int hold_one(const struct prl_dirs *dirs, const struct prl_state *state,
                    struct prl_spec *spec, struct prl_held_volume *held,
                    struct prl_error *reterr)
{
    struct prl_volume *volume = (struct prl_volume *)(uintptr_t)held->volume;
    int r = open_held(dirs, spec, held, reterr);
    if (r < 0)
        return r;
    r = prl_volume_record_read(held->lock_fd, NULL, &held->device);
    if (r == 0)
        r = prl_volume_join(held->lock_fd, state);
    if (r == 0 && volume->copy && !held->device)
        r = take_filling(held, &volume->fill);
    return r < 0 ? fail(dirs, volume->name, r, reterr) : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct prl_held_volume *)a)->volume->name,
                  ((const struct prl_held_volume *)b)->volume->name);
}

int prl_volumes_hold(const struct prl_dirs *dirs, const struct prl_state *state,
                     struct prl_spec *spec, struct prl_held_volumes *ret,
                     struct prl_error *reterr)
{
    struct prl_held_volumes all = {NULL, spec->volumes_len};
    int r = 0;
    *ret = (struct prl_held_volumes){NULL, 0};
    if (all.len == 0)
        return 0;
    all.held = calloc(all.len, sizeof *all.held);
    if (!all.held)
        return prl_fail_with(reterr, PRL_STAGE_VOLUMES, ENOMEM, "malloc", "volumes");
    for (size_t i = 0; i < all.len; i++)
        all.held[i] = (struct prl_held_volume){
            .volume = &spec->volumes[i], .lock_fd = -1, .filling_fd = -1};
    qsort(all.held, all.len, sizeof *all.held, by_name);
    for (size_t i = 0; r == 0 && i < all.len; i++) {
        /* Twice in one container: the first has the right to fill it. */
        bool again = i > 0 && by_name(&all.held[i - 1], &all.held[i]) == 0;
        r = again ? 0 : hold_one(dirs, state, spec, &all.held[i], reterr);
    }
    if (r < 0) {
        prl_volumes_settle(&all, false);
        prl_volumes_release(&all);
        return r;
    }
    *ret = all;
    return 0;
}

void prl_volumes_settle(struct prl_held_volumes *all, bool started)
{
    for (size_t i = 0; i < all->len; i++) {
        struct prl_held_volume *held = &all->held[i];
        if (held->filling_fd >= 0 && (started || is_empty(held->lock_fd) > 0))
            unlinkat(held->lock_fd, "filling", 0);
        prl_close_p(&held->filling_fd);
    }
}

void prl_volumes_release(struct prl_held_volumes *all)
{
    for (size_t i = 0; i < all->len; i++) {
        prl_close_p(&all->held[i].filling_fd);
        prl_close_p(&all->held[i].lock_fd);
        free(all->held[i].device);
    }
    free(all->held);
    *all = (struct prl_held_volumes){NULL, 0};
}
