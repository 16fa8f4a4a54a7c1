/* rename.c: another name for a container, whether it runs or not.
 * In: a container, a name.  Out: the name leads to it, and the old one to nobody.
 * Never: a moment at which no name leads to it; a name taken from another container.
 *
 * The new link is made first, and its making decides who of several has the name; then the line
 * of the running entry and config.json, and the old link goes.  Killed in between, two names
 * lead to the container, and both go with it. */
#include "base/io.h"
#include "base/own.h"
#include "base/span.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static const char NOTE[] = "io.pyrootless.name";

/* One change of a container's files at a time.  A descriptor of its directory, or -errno. */
int prl_state_hold(const char *directory)
{
    struct stat st;
    _cleanup_close_ int fd =
        open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            break; /* a file system without locks */
    if (fstat(fd, &st) < 0 || st.st_nlink == 0)
        return -ENOENT;
    return steal_fd(&fd);
}

static int write_entry(const struct prl_dirs *dirs, const char *id, const char *name,
                       struct prl_error *reterr)
{
    char path[32 + PRL_ID_LEN];
    struct prl_entry entry = {0};
    snprintf(path, sizeof path, "running/%.64s", id);
    _cleanup_close_ int fd =
        dirs->runtime_fd < 0
            ? -1
            : openat(dirs->runtime_fd, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return 0; /* it does not run */
    int r = prl_entry_read(fd, &entry);
    snprintf(entry.name, sizeof entry.name, "%s", name);
    if (r == 0)
        r = prl_entry_rewrite(fd, &entry);
    prl_entry_free(&entry);
    return r < 0 ? prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "%s/%s", dirs->runtime, path)
                 : 0;
}

/* What config.json says of the name, if it says something. */
static int write_note(int dir_fd, const char *directory, const char *name,
                      struct prl_error *reterr)
{
    char quoted[PRL_NAME_MAX + 3];
    _cleanup_free_ char *config = NULL, *changed = NULL;
    struct prl_span json, old;
    size_t len;
    if (prl_state_read(directory, PRL_STATE_CONFIG, &config, &json.len) < 0)
        return 0;
    json.at = config;
    if (!prl_span_find(json, "annotations", NOTE, &old))
        return 0;
    int n = snprintf(quoted, sizeof quoted, "\"%s\"", name);
    changed = prl_span_replace(json, old, (struct prl_span){quoted, (size_t)n}, &len);
    return changed ? prl_state_replace_config(dir_fd, directory, changed, len, reterr)
                   : prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc", "config.json");
}

static int rename_held(const struct prl_dirs *dirs, const struct prl_listed *row, int dir_fd,
                       const char *name, struct prl_error *reterr)
{
    const size_t len = strlen(dirs->runtime);
    struct prl_state state = {.name = (char *)(uintptr_t)name, .path = row->directory};
    memcpy(state.id, row->id, sizeof state.id);
    state.ephemeral = strncmp(row->directory, dirs->runtime, len) == 0;
    int r = prl_name_take(dirs, &state, reterr);
    if (r == 0)
        r = write_entry(dirs, row->id, name, reterr);
    if (r == 0)
        r = write_note(dir_fd, row->directory, name, reterr);
    if (r < 0 || !row->name[0])
        return r;
    r = prl_name_release(dirs->data_fd, row->name, row->id, true);
    return r < 0 ? prl_failf(reterr, PRL_STAGE_STATE, -r, "remove", "%s/names/%s", dirs->data,
                             row->name)
                 : 0;
}

static int rename_row(const struct prl_dirs *dirs, struct prl_listed *row, const char *name,
                      struct prl_error *reterr)
{
    char id[sizeof row->id];
    _cleanup_close_ int dir_fd = prl_state_hold(row->directory);
    memcpy(id, row->id, sizeof id);
    free(row->directory);
    row->directory = NULL;
    if (dir_fd < 0)
        return prl_find_fail(id, reterr);
    /* Whoever had it before may have given it another name. */
    int r = prl_state_look_up(dirs, id, row, reterr);
    if (r < 0)
        return r;
    if (strcmp(row->name, name) == 0)
        return prl_failf(reterr, PRL_STAGE_STATE, EEXIST, "rename",
                         "container %.12s has the name \"%.80s\" already", id, name);
    if (prl_entry_settle(dirs, id) == -EBUSY)
        return prl_failf(reterr, PRL_STAGE_STATE, EBUSY, "rename",
                         "container %.12s is being started or removed by another command", id);
    return rename_held(dirs, row, dir_fd, name, reterr);
}

int prl_state_rename(const struct prl_dirs *dirs, const char *text, const char *name,
                     struct prl_error *reterr)
{
    struct prl_listed row = {0};
    name += name[0] == '/'; /* as inspect shows it */
    int r = prl_name_check(name, reterr);
    if (r == 0)
        r = prl_state_look_up(dirs, text, &row, reterr);
    if (r == 0)
        r = rename_row(dirs, &row, name, reterr);
    free(row.directory);
    return r;
}
