/* passwd.c: "-u USER[:GROUP]" → numbers, groups and a home, out of the root file system's own
 * files. In: directories that make up the root.  Out: ids and home.  Never: the host's passwd,
 * a link that leads out, a FIFO or device, more than 1 MiB.
 *
 * A file is first opened as a mere path (O_PATH), which neither waits for a FIFO's other end
 * nor wakes a device; only when that is a regular file is it opened for reading. */
#define _GNU_SOURCE 1 /* O_PATH */
#include "config/users/passwd.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define MAX_FILE_BYTES ((size_t)1 << 20)
#define MAX_ID         0x7fffffffU

enum { FIELDS = 7, NAME_BYTES = 128 };

/* One line of passwd (7 fields) or group (4), pointing into the file's text. */
struct record {
    const char *field[FIELDS];
    size_t len[FIELDS];
    int count;
};

/* One question: where it is looked for, who asks, where a failure goes. */
struct lookup {
    const struct prl_passwd_root *root;
    const char *option;
    struct prl_error *reterr;
};

/* Whether a layer hides what lower layers have at path's directory: 0, 1, or -EACCES where the
 * directory's mode keeps the mark from its owner. */
static int is_opaque(int root_fd, const char *path)
{
    char dir[64], link[32], value[2];
    const char *slash = strrchr(path, '/');

    if (!slash || (size_t)(slash - path) >= sizeof dir)
        return 0;
    memcpy(dir, path, (size_t)(slash - path));
    dir[slash - path] = '\0';
    _cleanup_close_ int fd =
        prl_sys_open_in_root(root_fd, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t len =
        getxattr(prl_sys_fd_path(fd, link), "user.overlay.opaque", value, sizeof value);
    if (len < 0 && errno == EACCES)
        return -EACCES;
    return len == 1 && value[0] == 'y';
}

/* Text of root/path, malloc'd; -ENOENT when it is not there, -ENODATA when the layers below are
 * hidden as well (overlayfs.rst: a whiteout, an opaque directory, a file above); never waits.
 */
static int read_below(const char *dir, const char *path, char **ret)
{
    struct stat st;
    char link[32];
    size_t len;
    _cleanup_close_ int root_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (root_fd < 0)
        return -errno;
    _cleanup_close_ int path_fd = prl_sys_open_in_root(root_fd, path, O_PATH | O_CLOEXEC);
    if (path_fd < 0) {
        int why = errno;
        int hidden = why == ENOENT ? is_opaque(root_fd, path) : why == ENOTDIR;
        if (hidden < 0)
            return hidden;
        return hidden ? -ENODATA : -why;
    }
    if (fstat(path_fd, &st) < 0)
        return -errno;
    if (S_ISCHR(st.st_mode) && st.st_rdev == 0)
        return -ENODATA;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if (st.st_size > (off_t)MAX_FILE_BYTES)
        return -EFBIG;
    _cleanup_close_ int fd =
        open(prl_sys_fd_path(path_fd, link), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return prl_io_read_fd(fd, MAX_FILE_BYTES, ret, &len);
}

/* The file of the top-most directory that has one; *ret is "" when none has. */
static int read_file(const struct lookup *look, const char *path, char **ret)
{
    for (const char *const *dir = look->root->dirs; *dir; dir++) {
        int r = read_below(*dir, path, ret);
        if (r >= 0)
            return 0;
        if (r == -ENODATA)
            break;
        if (r != -ENOENT) {
            const char *why = -r == EFBIG    ? "is larger than 1 MiB"
                              : -r == EINVAL ? "is not a plain file"
                                             : "cannot be read";

            return prl_failf(
                look->reterr, PRL_STAGE_OPTIONS, -r, look->option,
                "%.100s/%s %s, so no name can be looked up: write numbers, as in -u "
                "1000:1000",
                (*dir), path, why);
        }
    }
    *ret = strdup("");
    return *ret ? 0
                : prl_fail_with(look->reterr, PRL_STAGE_OPTIONS, ENOMEM, look->option, path);
}

/* The line at text → fields; returns the next line. */
static const char *next_record(const char *text, struct record *ret)
{
    const char *end = text + strcspn(text, "\n");

    *ret = (struct record){0};
    for (const char *at = text; at <= end && ret->count < FIELDS;) {
        size_t len = strcspn(at, ":\n");
        ret->field[ret->count] = at;
        ret->len[ret->count++] = len;
        at += len + 1;
    }
    return *end ? end + 1 : end;
}

/* Decimal number of len bytes, at most MAX_ID. */
static bool is_id(const char *text, size_t len, uint32_t *ret)
{
    uint64_t number = 0;

    if (len == 0 || len > 10)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        number = number * 10 + (unsigned)(text[i] - '0');
    }
    if (number <= MAX_ID)
        *ret = (uint32_t)number;
    return number <= MAX_ID;
}

static bool all_digits(const char *text)
{
    return *text && !text[strspn(text, "0123456789")];
}

/* The first record with this name (id NULL) or number in its third field. */
static bool find_record(const char *file, const char *name, const uint32_t *id,
                        struct record *ret)
{
    while (*file) {
        uint32_t number;
        file = next_record(file, ret);
        if (ret->count < 3 || !is_id(ret->field[2], ret->len[2], &number))
            continue;
        bool same =
            strlen(name) == ret->len[0] && memcmp(name, ret->field[0], ret->len[0]) == 0;
        if (id ? number == *id : same)
            return true;
    }
    return false;
}

/* name: who the files say it is (128 bytes), "" when they do not know the number. */
static int resolve_user(const struct lookup *look, const char *user, char *name,
                        struct prl_passwd_user *ret)
{
    _cleanup_free_ char *file = NULL;
    struct record record;
    struct prl_error unneeded; /* a number does without the file */
    bool number = all_digits(user);
    const struct lookup lax = {look->root, look->option, number ? &unneeded : look->reterr};

    if (number && !is_id(user, strlen(user), &ret->uid))
        return prl_failf(look->reterr, PRL_STAGE_OPTIONS, EINVAL, look->option,
                         "%.40s is no user id: the largest is %u", user, MAX_ID);
    int r = read_file(&lax, "etc/passwd", &file);
    if (r < 0)
        return number ? 0 : r;
    if (find_record(file, user, number ? &ret->uid : NULL, &record)) {
        is_id(record.field[2], record.len[2], &ret->uid);
        if (record.count > 3)
            is_id(record.field[3], record.len[3], &ret->gid);
        size_t len = record.count > 5 ? record.len[5] : 0;

        if (len > 0 && len < sizeof ret->home && record.field[5][0] == '/') {
            memcpy(ret->home, record.field[5], len);
            ret->home[len] = '\0';
        }
        snprintf(name, NAME_BYTES, "%.*s", (int)record.len[0], record.field[0]);
    } else if (!number) {
        return prl_failf(look->reterr, PRL_STAGE_OPTIONS, ESRCH, look->option,
                         "the image's /etc/passwd has no user \"%.60s\": use one it has, or a "
                         "number, as in -u 1000",
                         user);
    }
    return 0;
}

static int resolve_group(const struct lookup *look, const char *group, uint32_t *ret_gid)
{
    _cleanup_free_ char *file = NULL;
    struct record record;

    if (all_digits(group)) {
        if (is_id(group, strlen(group), ret_gid))
            return 0;
        return prl_failf(look->reterr, PRL_STAGE_OPTIONS, EINVAL, look->option,
                         "%.40s is no group id: the largest is %u", group, MAX_ID);
    }
    int r = read_file(look, "etc/group", &file);
    if (r < 0)
        return r;
    if (!find_record(file, group, NULL, &record))
        return prl_failf(look->reterr, PRL_STAGE_OPTIONS, ESRCH, look->option,
                         "the image's /etc/group has no group \"%.60s\": use one it has, or a "
                         "number",
                         group);
    is_id(record.field[2], record.len[2], ret_gid);
    return 0;
}

/* NAME among the members "a,b,c". */
static bool is_member(const struct record *group, const char *name)
{
    if (group->count <= 3)
        return false;
    const char *at = group->field[3], *end = at + group->len[3];

    while (at < end) {
        size_t len = 0;
        while (at + len < end && at[len] != ',')
            len++;
        if (len == strlen(name) && memcmp(at, name, len) == 0)
            return true;
        at += len + 1;
    }
    return false;
}

/* The groups that list the user, as initgroups(3) has it. */
static int resolve_groups(const struct lookup *look, const char *name,
                          struct prl_passwd_user *ret)
{
    _cleanup_free_ char *file = NULL;
    struct record record;
    uint32_t gid;
    int r = read_file(look, "etc/group", &file);

    if (r < 0)
        return r;
    for (const char *at = file; *at;) {
        at = next_record(at, &record);
        if (record.count < 3 || !is_id(record.field[2], record.len[2], &gid) ||
            !is_member(&record, name))
            continue;
        if (ret->groups_len == PRL_PASSWD_GROUPS)
            return prl_failf(look->reterr, PRL_STAGE_OPTIONS, E2BIG, look->option,
                             "%.60s is in more than %d groups of the image: write its group "
                             "too, as in -u %.60s:0",
                             name, PRL_PASSWD_GROUPS, name);
        ret->groups[ret->groups_len++] = gid;
    }
    return 0;
}

int prl_passwd_resolve(const struct prl_passwd_root *root, const char *text,
                       struct prl_passwd_user *ret, struct prl_error *reterr)
{
    const struct lookup look = {root, "--user", reterr};
    char user[NAME_BYTES], name[NAME_BYTES] = "";
    size_t len = strcspn(text, ":");
    const char *group = text[len] && text[len + 1] ? text + len + 1 : NULL;

    *ret = (struct prl_passwd_user){.home = "/"};
    if ((len == 0 && !group) || len >= sizeof user || (group && strchr(group, ':')))
        return prl_failf(
            reterr, PRL_STAGE_OPTIONS, EINVAL, look.option,
            "\"%.60s\" is not USER[:GROUP]: write names or numbers, as in -u nobody "
            "or -u 1000:1000",
            text);
    /* ":GROUP" is root's, "USER:" is USER: docker takes both. */
    snprintf(user, sizeof user, "%.*s", len ? (int)len : 1, len ? text : "0");
    int r = resolve_user(&look, user, name, ret);
    if (r < 0)
        return r;
    if (group)
        return resolve_group(&look, group, &ret->gid);
    return *name && root->groups ? resolve_groups(&look, name, ret) : 0;
}

int prl_passwd_group(const struct prl_passwd_root *root, const char *text, uint32_t *ret_gid,
                     struct prl_error *reterr)
{
    const struct lookup look = {root, "--group-add", reterr};

    if (!*text)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, look.option,
                         "a group is missing: write a name or a number");
    return resolve_group(&look, text, ret_gid);
}
