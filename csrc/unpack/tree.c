/* tree.c: the layer's tree as it grows: where a path's directory is, and what lies there.
 *
 * In: cleaned paths.  Out: descriptors of directories inside the tree.
 * Never: a link followed out of the tree.
 *
 * An archive names its members directory by directory, so a few descriptors of the last
 * directories answer nearly every question.  The rest is one openat2 that takes no link.  Only
 * where that fails, because of a link or because something is missing, is the path walked name
 * by name; the walk reads links itself, as a process with this tree as its root would. */
#include "unpack/parts.h"

#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { LINKS_MAX = 40 };

int prl_unpack_tree_refuse(struct prl_unpack_tree *tree, const char *path, const char *why)
{
    char shown[PRL_UNPACK_SHOWN];
    return prl_failf(tree->error, PRL_STAGE_LAYER, EBADMSG, "member",
                     "the archive's member %s %s", prl_unpack_path_show(path, shown), why);
}

int prl_unpack_tree_fail(struct prl_unpack_tree *tree, const char *call, const char *path)
{
    char shown[PRL_UNPACK_SHOWN];
    int reason = errno;
    if (reason == ENAMETOOLONG)
        return prl_unpack_tree_refuse(tree, path, "has a name that is too long");
    if (reason == ELOOP)
        return prl_unpack_tree_refuse(tree, path, "lies behind links that go in circles");
    if (reason == ENOTDIR)
        return prl_unpack_tree_refuse(tree, path, "lies in something that is no directory");
    return prl_failf(tree->error, PRL_STAGE_LAYER, reason, call, "cannot %s %s: %s", call,
                     prl_unpack_path_show(path, shown), strerror(reason));
}

void prl_unpack_tree_allow_member(struct prl_unpack_tree *tree)
{
    tree->work_left += PRL_UNPACK_WORK_A_MEMBER;
}

int prl_unpack_tree_spend(struct prl_unpack_tree *tree, uint64_t work)
{
    tree->work_left = work < tree->work_left ? tree->work_left - work : 0;
    return tree->work_left == 0 ? -EBADMSG : 0;
}

static void slot_free(struct prl_unpack_slot *slot)
{
    if (slot->key)
        close(slot->fd);
    free(slot->key);
    free(slot->real);
    *slot = (struct prl_unpack_slot){.fd = -1};
}

static void forget_all(struct prl_unpack_tree *tree)
{
    for (size_t i = 0; i < PRL_UNPACK_CACHED; i++)
        slot_free(&tree->slots[i]);
    tree->stale = false;
}

void prl_unpack_tree_free(struct prl_unpack_tree *tree)
{
    forget_all(tree);
    prl_unpack_dirs_free(&tree->dirs);
    prl_close_p(&tree->root_fd);
}

/* The walk: where it is, how it got there, and the rest of the path. The rest is kept at the
 * end of its buffer, so that a name can be taken from it, and a link's text put before it,
 * without moving the rest. */
struct walk {
    struct prl_unpack_tree *tree;
    int fd;
    bool make;
    int links;
    size_t real_len, at;
    char real[PATH_MAX];
    char text[2 * PATH_MAX];
};

static void walk_end(struct walk *w)
{
    prl_close_p(&w->fd);
}

static int walk_stand(struct walk *w, int fd, size_t real_len)
{
    if (fd < 0)
        return -errno;
    prl_close_p(&w->fd);
    w->fd = fd;
    w->real_len = real_len;
    w->real[real_len] = '\0';
    return 0;
}

static int walk_to_root(struct walk *w)
{
    return walk_stand(w, openat(w->tree->root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), 0);
}

/* A step onto something that is no directory: a link, a whiteout that makes way, or nothing.
 * `again`: where the name stands in what is left. */
static int walk_other(struct walk *w, const char *name, size_t again)
{
    char target[PATH_MAX];
    struct prl_unpack_place place = {w->fd, w->real, name};
    ssize_t len = readlinkat(w->fd, name, target, sizeof target - 1);
    if (len >= 0) {
        target[len] = '\0';
        /* The name is a link: its text comes before what is left. */
        if (++w->links > LINKS_MAX)
            return -ELOOP;
        if ((size_t)len + 1 > w->at)
            return -ENAMETOOLONG;
        w->text[--w->at] = '/';
        w->at -= (size_t)len;
        memcpy(w->text + w->at, target, (size_t)len);
        return target[0] == '/' ? walk_to_root(w) : 0;
    }
    if (errno != EINVAL && errno != ENOENT)
        return -errno;
    if (errno == EINVAL && !prl_unpack_whiteout_is(&place))
        return -ENOTDIR;
    if (!w->make)
        return -ENOENT;
    /* A directory that the archive has not named (yet): 0755, as everybody makes them. */
    char path[PATH_MAX];
    int r = prl_unpack_path_join(w->real, name, path);
    if (r >= 0)
        r = prl_unpack_whiteout_mkdir(&place);
    if (r >= 0)
        r = prl_unpack_dirs_note(&w->tree->dirs, path, 0755, NULL);
    if (r >= 0)
        w->at = again; /* step onto it again */
    return r;
}

static int walk_step(struct walk *w, const char *name, size_t again)
{
    size_t len = strlen(name), at = w->real_len ? w->real_len + 1 : 0;
    int r = prl_unpack_tree_spend(w->tree, 1);
    if (r < 0 || strcmp(name, ".") == 0)
        return r;
    if (strcmp(name, "..") == 0) {
        /* ".." of a link's text: one up, never above the root. Nobody else changes the tree
         * while it grows, so the directory above is the one the walk came through. */
        const char *slash = strrchr(w->real, '/');
        if (w->real_len == 0)
            return 0;
        return walk_stand(w, openat(w->fd, "..", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                          slash ? (size_t)(slash - w->real) : 0);
    }
    int fd = openat(w->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOTDIR || errno == ENOENT || errno == ELOOP))
        return walk_other(w, name, again);
    if (fd >= 0 && at + len >= PATH_MAX) {
        close(fd);
        return -ENAMETOOLONG;
    }
    if (fd >= 0) {
        w->real[w->real_len] = '/'; /* of the root: the name comes over it */
        memcpy(w->real + at, name, len);
    }
    return walk_stand(w, fd, at + len);
}

/* Take the first name off what is left; 0: nothing was left. */
static int walk_next(struct walk *w, char name[NAME_MAX + 1])
{
    w->at += strspn(w->text + w->at, "/");
    size_t len = strcspn(w->text + w->at, "/");
    if (len > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, w->text + w->at, len);
    name[len] = '\0';
    w->at += len;
    return len > 0;
}

/* The directory `path` by a walk: fills the slot's real path and descriptor. */
static int walk_path(struct prl_unpack_tree *tree, const char *path, bool make,
                     struct prl_unpack_slot *ret)
{
    struct walk w __attribute__((cleanup(walk_end))) = {.tree = tree, .fd = -1, .make = make};
    char name[NAME_MAX + 1];
    w.at = sizeof w.text - strlen(path) - 1;
    memcpy(w.text + w.at, path, strlen(path) + 1);
    int r = walk_to_root(&w);
    while (r >= 0 && (r = walk_next(&w, name)) > 0)
        r = walk_step(&w, name, w.at - strlen(name));
    if (r < 0)
        return r;
    ret->real = strdup(w.real);
    if (!ret->real)
        return -ENOMEM;
    ret->fd = steal_fd(&w.fd);
    return 0;
}

/* The directory `path` into an empty slot. */
static int slot_fill(struct prl_unpack_tree *tree, const char *path, bool make,
                     struct prl_unpack_slot *slot)
{
    int fd = prl_sys_open_in_root_nofollow(tree->root_fd, path[0] ? path : ".",
                                           O_PATH | O_DIRECTORY);
    if (fd >= 0) {
        slot->fd = fd;
        slot->real = strdup(path);
    } else if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == ENAMETOOLONG) {
        int r = walk_path(tree, path, make, slot);
        if (r < 0)
            return r;
    } else {
        return -errno;
    }
    slot->key = strdup(path);
    if (slot->key && slot->real)
        return 0;
    prl_close_p(&slot->fd);
    free(slot->key);
    slot->key = NULL; /* slot_free closes what has a key */
    slot_free(slot);
    return -ENOMEM;
}

static struct prl_unpack_slot *cached(struct prl_unpack_tree *tree, const char *path,
                                      struct prl_unpack_slot **ret_oldest)
{
    *ret_oldest = &tree->slots[0];
    for (size_t i = 0; i < PRL_UNPACK_CACHED; i++) {
        struct prl_unpack_slot *slot = &tree->slots[i];
        if (slot->key && strcmp(slot->key, path) == 0)
            return slot;
        if (slot->used < (*ret_oldest)->used)
            *ret_oldest = slot;
    }
    return NULL;
}

int prl_unpack_tree_find(struct prl_unpack_tree *tree, const char *path, bool make,
                         struct prl_unpack_place *ret)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    memcpy(parent, path, len);
    parent[len] = '\0';
    if (tree->stale)
        forget_all(tree);
    struct prl_unpack_slot *oldest, *slot = cached(tree, parent, &oldest);
    if (!slot) {
        slot = oldest;
        slot_free(slot);
        int r = slot_fill(tree, parent, make, slot);
        if (r == -ENOENT && !make)
            return r;
        if (r == -EBADMSG)
            return prl_unpack_tree_refuse(tree, path,
                                          tree->work_left == 0 ? PRL_UNPACK_TOO_MUCH_WORK
                                                               : "is one directory too many");
        errno = -r;
        if (r < 0)
            return prl_unpack_tree_fail(tree, "open the directory of", path);
    }
    slot->used = ++tree->clock;
    *ret = (struct prl_unpack_place){slot->fd, slot->real, slash ? slash + 1 : path};
    return 0;
}

int prl_unpack_tree_clear(struct prl_unpack_tree *tree, const struct prl_unpack_place *place)
{
    bool whiteout = prl_unpack_whiteout_is(place);
    tree->stale = true;
    tree->replaced += !whiteout;
    int r = 0;
    if (unlinkat(place->dir_fd, place->name, 0) < 0)
        r = errno == EISDIR || errno == EPERM ? prl_io_remove_tree(place->dir_fd, place->name)
                                              : -errno;
    if (r == 0 || r == -ENOENT)
        return whiteout;
    errno = -r;
    return prl_unpack_tree_fail(tree, "remove", place->name);
}
