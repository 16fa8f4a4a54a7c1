/* place.c: one member of the archive → what it is on disk.
 *
 * In: an entry.  Out: the file, directory, link or whiteout in the tree, and lines in the
 * lists. Never: a device node; an existing thing written into, since it may be a link, or
 * linked: what is in the way is removed, but a directory where a directory comes; a mode set by
 * name. */
#include "unpack/parts.h"

#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WHITEOUT        ".wh."
#define WHITEOUT_META   ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

enum { DEVICE_HEAD = 96 };

/* What every step of one member needs. */
struct job {
    struct prl_unpack_tree *tree;
    const struct prl_unpack_entry *entry;
    struct prl_unpack_lists *lists;
    struct prl_unpack_place place;
    char real[PATH_MAX]; /* the path without links, for the lists */
};

static int fail(const struct job *job, const char *call)
{
    return prl_unpack_tree_fail(job->tree, call, job->entry->path);
}

/* After something was replaced every owner is told, so that the last line of a path counts. */
static int note_owner(const struct job *job)
{
    char head[32];
    const struct prl_unpack_entry *entry = job->entry;
    if (entry->uid == 0 && entry->gid == 0 && job->tree->replaced == 0)
        return 0;
    snprintf(head, sizeof head, "%u %u", entry->uid, entry->gid);
    return prl_unpack_list_add(&job->lists->owners, head, job->real, job->tree->error);
}

/* A file's capabilities in hexadecimal digits; "-" undoes the line of one that was replaced. */
static int note_capability(const struct job *job, const struct prl_unpack_xattrs *xattrs)
{
    enum { LONGEST = 64 }; /* the kernel's structure has 20 or 24 bytes */
    char head[2 * LONGEST + 1] = "-";
    if (!xattrs->file_capability && job->lists->capabilities.lines == 0)
        return 0;
    if (xattrs->file_capability_len > LONGEST)
        return prl_unpack_tree_refuse(job->tree, job->entry->path,
                                      "has malformed file capabilities");
    for (size_t i = 0; i < xattrs->file_capability_len; i++)
        snprintf(head + 2 * i, 3, "%02x", xattrs->file_capability[i]);
    return prl_unpack_list_add(&job->lists->capabilities, head, job->real, job->tree->error);
}

static int note_acl(const struct job *job, char kind, const struct prl_unpack_acl *acl)
{
    enum { LONGEST = 8192 }; /* a thousand entries */
    char head[2 * LONGEST + 4];
    if (!acl->value)
        return 0;
    if (acl->len > LONGEST)
        return prl_unpack_tree_refuse(job->tree, job->entry->path,
                                      "has an endless access list");
    snprintf(head, sizeof head, "%c%c ", kind, acl->text ? 't' : 'b');
    for (size_t i = 0; i < acl->len; i++)
        snprintf(head + 3 + 2 * i, 3, "%02x", acl->value[i]);
    return prl_unpack_list_add(&job->lists->acls, head, job->real, job->tree->error);
}

/* Access lists in hexadecimal digits, the entry's own and what a directory hands on; "- -"
 * undoes the lines of an entry that was replaced. */
static int note_acls(const struct job *job, const struct prl_unpack_xattrs *xattrs)
{
    struct prl_unpack_list *list = &job->lists->acls;
    int r = 0;
    if (job->tree->replaced > 0 && list->lines > 0)
        r = prl_unpack_list_add(list, "- -", job->real, job->tree->error);
    if (r >= 0)
        r = note_acl(job, 'a', &xattrs->access);
    return r < 0 || job->entry->kind != PRL_UNPACK_DIRECTORY
               ? r
               : note_acl(job, 'd', &xattrs->inherited);
}

/* Attributes and owner of what is open at fd; -1: a thing that takes no attributes. */
static int describe(const struct job *job, int fd, bool known)
{
    struct prl_unpack_xattrs xattrs = {0};
    int r = prl_unpack_xattr_apply(job->tree, job->entry, fd, &xattrs);
    job->lists->xattrs_skipped += xattrs.skipped;
    if (r >= 0 && fd >= 0)
        r = prl_unpack_xattr_owner(job->tree, job->entry, fd, known);
    if (r >= 0 && job->entry->kind == PRL_UNPACK_FILE)
        r = note_capability(job, &xattrs);
    if (r >= 0 && fd >= 0)
        r = note_acls(job, &xattrs);
    return r < 0 ? r : note_owner(job);
}

/* The call failed: on EEXIST what is in the way is removed, and 1 asks for another try. */
static int make_way(const struct job *job, const char *call)
{
    if (errno != EEXIST)
        return fail(job, call);
    int r = prl_unpack_tree_clear(job->tree, &job->place);
    return r < 0 ? r : 1;
}

static int place_file(struct job *job, int *ret_fd)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int fd = openat(job->place.dir_fd, job->place.name, flags, 0600);
    if (fd < 0) {
        int r = make_way(job, "create");
        if (r < 0)
            return r;
        fd = openat(job->place.dir_fd, job->place.name, flags, 0600);
    }
    if (fd < 0)
        return fail(job, "create");
    int r = describe(job, fd, false);
    if (r < 0)
        return r;
    *ret_fd = steal_fd(&fd);
    return 0;
}

int prl_unpack_place_close(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           int *fd)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, entry->mtime};
    if (fchmod(*fd, entry->mode) < 0)
        return prl_unpack_tree_fail(tree, "set the mode of", entry->path);
    if (futimens(*fd, times) < 0)
        return prl_unpack_tree_fail(tree, "set the time of", entry->path);
    if (close(steal_fd(fd)) < 0)
        return prl_unpack_tree_fail(tree, "close", entry->path);
    return 0;
}

/* The same inode under both names already: there is nothing to do. */
static bool same_inode(const struct prl_unpack_place *a, const struct prl_unpack_place *b)
{
    struct stat one, other;
    return fstatat(a->dir_fd, a->name, &one, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(b->dir_fd, b->name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static int refuse_target(const struct job *job, const char *why)
{
    char shown[PRL_UNPACK_SHOWN];
    char text[PRL_UNPACK_SHOWN + 64];
    snprintf(text, sizeof text, "is a hard link to %s, %s",
             prl_unpack_path_show(job->entry->target, shown), why);
    return prl_unpack_tree_refuse(job->tree, job->entry->path, text);
}

/* An ordinary user cannot make one: it is written to the list, and nothing is put in its
 * place. */
static int note_device(struct job *job, const char *head)
{
    struct stat st;
    int r = 0;
    if (fstatat(job->place.dir_fd, job->place.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        r = prl_unpack_tree_clear(job->tree, &job->place);
    if (r < 0)
        return r;
    r = prl_unpack_devices_add(&job->lists->known, head, job->real);
    if (r == -EBADMSG)
        return prl_unpack_tree_refuse(job->tree, job->entry->path, "is one device too many");
    if (r < 0)
        return prl_fail_with(job->tree->error, PRL_STAGE_LAYER, -r, "realloc", "devices");
    return prl_unpack_list_add(&job->lists->devices, head, job->real, job->tree->error);
}

/* A hard link to a device: another name of it in the list. 1: the target is no device. */
static int link_device(struct job *job, const struct prl_unpack_place *from)
{
    enum { WORK_BYTES = 4096 }; /* looked through for one step of work */
    char real[PATH_MAX], head[DEVICE_HEAD];
    const struct prl_unpack_devices *known = &job->lists->known;
    if (prl_unpack_tree_spend(job->tree, 1 + known->len / WORK_BYTES) < 0)
        return prl_unpack_tree_refuse(job->tree, job->entry->path, PRL_UNPACK_TOO_MUCH_WORK);
    if (prl_unpack_path_join(from->dir, from->name, real) < 0)
        return 1;
    const char *found = prl_unpack_devices_find(known, real);
    if (!found)
        return 1;
    snprintf(head, sizeof head, "%s", found);
    return strcmp(real, job->real) == 0 ? 0 : note_device(job, head);
}

/* linkat without AT_SYMLINK_FOLLOW: a link to a symbolic link is a link to that. */
static int place_hardlink(struct job *job)
{
    static const char missing[] = "which this layer does not hold";
    struct prl_unpack_place from;
    int r = -ENOENT;
    if (job->entry->target[0])
        r = prl_unpack_tree_find(job->tree, job->entry->target, false, &from);
    if (r == -ENOENT)
        return refuse_target(job, missing);
    if (r < 0)
        return r;
    if (prl_unpack_whiteout_is(&from))
        return refuse_target(job, missing);
    if (faccessat(from.dir_fd, from.name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        r = link_device(job, &from);
        return r == 1 ? refuse_target(job, missing) : r;
    }
    for (int tries = 0; tries < 2; tries++) {
        if (linkat(from.dir_fd, from.name, job->place.dir_fd, job->place.name, 0) == 0)
            return note_owner(job);
        if (errno == ENOENT)
            return refuse_target(job, missing);
        if (errno == EPERM)
            return refuse_target(job, "which cannot be linked to: a directory?");
        if (errno == EEXIST && same_inode(&from, &job->place))
            return note_owner(job);
        r = make_way(job, "link");
        if (r < 0)
            return r;
    }
    return fail(job, "link");
}

static int place_symlink(struct job *job)
{
    const struct prl_unpack_place *at = &job->place;
    const char *target = job->entry->target;
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, job->entry->mtime};
    if (!target[0])
        return prl_unpack_tree_refuse(job->tree, job->entry->path, "is a link to nothing");
    int r = symlinkat(target, at->dir_fd, at->name);
    if (r < 0) {
        r = make_way(job, "link");
        if (r < 0)
            return r;
        r = symlinkat(target, at->dir_fd, at->name);
    }
    if (r < 0)
        return fail(job, "link");
    if (utimensat(at->dir_fd, at->name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(job, "set the time of");
    return describe(job, -1, false);
}

static int place_fifo(struct job *job)
{
    char link[32];
    const struct prl_unpack_place *at = &job->place;
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, job->entry->mtime};
    int r = mkfifoat(at->dir_fd, at->name, 0600);
    if (r < 0) {
        r = make_way(job, "make");
        if (r < 0)
            return r;
        r = mkfifoat(at->dir_fd, at->name, 0600);
    }
    if (r < 0)
        return fail(job, "make");
    _cleanup_close_ int fd = openat(at->dir_fd, at->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || chmod(prl_sys_fd_path(fd, link), job->entry->mode) < 0)
        return fail(job, "set the mode of");
    if (utimensat(at->dir_fd, at->name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(job, "set the time of");
    return describe(job, -1, false);
}

/* The mode and the time come at the end; until then we may put things into it. */
static int place_directory(struct job *job)
{
    const struct prl_unpack_entry *entry = job->entry;
    int made = 1;
    if (entry->path[0]) {
        made = prl_unpack_whiteout_mkdir(&job->place);
        errno = made < 0 ? -made : 0;
        if (made < 0)
            return fail(job, "make");
    }
    int r = prl_unpack_dirs_note(&job->tree->dirs, job->real, entry->mode, &entry->mtime);
    if (r == -EBADMSG)
        return prl_unpack_tree_refuse(job->tree, entry->path, "is one directory too many");
    if (r < 0)
        return prl_fail_with(job->tree->error, PRL_STAGE_LAYER, -r, "realloc", "directories");
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int fd = entry->path[0] ? openat(job->place.dir_fd, job->place.name, flags)
                                            : openat(job->tree->root_fd, ".", flags);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
        errno = EEXIST;
        r = make_way(job, "make");
        return r < 0 ? r : place_directory(job);
    }
    return fd < 0 ? fail(job, "open") : describe(job, fd, made);
}

static int place_by_kind(struct job *job, int *ret_fd)
{
    switch (job->entry->kind) {
    case PRL_UNPACK_FILE:
        return place_file(job, ret_fd);
    case PRL_UNPACK_HARDLINK:
        return place_hardlink(job);
    case PRL_UNPACK_SYMLINK:
        return place_symlink(job);
    case PRL_UNPACK_CHAR:
    case PRL_UNPACK_BLOCK_DEVICE: {
        char head[DEVICE_HEAD];
        const struct prl_unpack_entry *entry = job->entry;
        snprintf(head, sizeof head, "%c %u %u %o %u %u",
                 entry->kind == PRL_UNPACK_CHAR ? 'c' : 'b', entry->major, entry->minor,
                 (unsigned)entry->mode, entry->uid, entry->gid);
        return note_device(job, head);
    }
    case PRL_UNPACK_DIRECTORY:
        return place_directory(job);
    case PRL_UNPACK_FIFO:
        return place_fifo(job);
    case PRL_UNPACK_NOTHING:
        return 0;
    }
    return 0;
}

/* Names that aufs reserved, anywhere in the path: they are not part of the image. */
static bool is_aufs(const char *path)
{
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, WHITEOUT_META, strlen(WHITEOUT_META)) == 0 &&
            strcmp(p, WHITEOUT_OPAQUE) != 0)
            return true;
    }
    return false;
}

int prl_unpack_place_entry(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           struct prl_unpack_lists *lists, int *ret_fd)
{
    struct job job = {.tree = tree, .entry = entry, .lists = lists};
    *ret_fd = -1;
    if (entry->kind == PRL_UNPACK_NOTHING || is_aufs(entry->path))
        return 0;
    if (!entry->path[0]) {
        if (entry->kind != PRL_UNPACK_DIRECTORY)
            return prl_unpack_tree_refuse(tree, entry->path, "is given as something else");
        return place_directory(&job);
    }
    int r = prl_unpack_tree_find(tree, entry->path, true, &job.place);
    if (r < 0)
        return r;
    if (prl_unpack_path_join(job.place.dir, job.place.name, job.real) < 0) {
        errno = ENAMETOOLONG;
        return fail(&job, "place");
    }
    if (strncmp(job.place.name, WHITEOUT, strlen(WHITEOUT)) == 0) {
        /* ".wh.NAME" and ".wh..wh..opq". */
        struct prl_unpack_place *at = &job.place;
        if (strcmp(at->name, WHITEOUT_OPAQUE) == 0) {
            _cleanup_close_ int fd =
                openat(at->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            r = fd < 0 ? -errno : prl_unpack_whiteout_opaque(fd);
            errno = -r;
            return r < 0 ? fail(&job, "hide what is below") : 0;
        }
        at->name += strlen(WHITEOUT);
        if (!at->name[0] || strcmp(at->name, ".") == 0 || strcmp(at->name, "..") == 0)
            return prl_unpack_tree_refuse(job.tree, job.entry->path,
                                          "is a whiteout of no name");
        r = prl_unpack_whiteout_make(job.tree, at);
        errno = -r;
        return r < 0 ? fail(&job, "make the whiteout") : 0;
    }
    return place_by_kind(&job, ret_fd);
}
