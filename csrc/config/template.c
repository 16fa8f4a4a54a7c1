/* template.c: image name → launch template.
 * In: DATA/refs/NAME, a link to ../images/ID or to another NAME (an alias, one hop), or
 * "sha256:ID" itself, and DATA/images/ID/config.json.  Out: the template's bytes and a shared
 * flock on images/ID.  Never: changing the store; deciding with a
 * template that is of another form, broken, or older than the things of the host it was made
 * from: these are 1, "prepare it", like one that is not there. */
#include "config/template.h"
#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { TEMPLATE_MAX_BYTES = 4 << 20, STALE = 1 };

static const char FILE_NAME[] = "config.json";

static int refuse(const char *image, const char *why, struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_TEMPLATE, EINVAL, "image",
                     "\"%.96s\" is not the name of an image: %s", image, why);
}

/* "a/b%" → "a%2Fb%25": a name is one directory entry. */
static int encode_name(const char *image, char *buf, size_t size, struct prl_error *reterr)
{
    size_t n = 0;
    if (!image[0])
        return refuse(image, "it is empty", reterr);
    if (image[0] == '.' || image[0] == '-')
        return refuse(image, "it begins with \".\" or \"-\"", reterr);
    for (const char *p = image; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 127)
            return refuse("", "it contains a control character", reterr);
        const char *code = *p == '/' ? "%2F" : *p == '%' ? "%25" : NULL;
        if (n + 4 > size)
            return refuse(image, "it is too long", reterr);
        if (code)
            memcpy(buf + n, code, 3);
        else
            buf[n] = *p;
        n += code ? 3 : 1;
    }
    buf[n] = '\0';
    return 0;
}

/* "sha256:HEX", an image by the digest of its manifest → "images/HEX"; false: a name. */
static bool take_digest(const char *encoded, char *ret, size_t size)
{
    static const char prefix[] = "sha256:";
    const char *hex = encoded + sizeof prefix - 1;
    if (strncmp(encoded, prefix, sizeof prefix - 1) != 0 || strlen(hex) != 64 ||
        hex[strspn(hex, "0123456789abcdef")])
        return false;
    return snprintf(ret, size, "images/%s", hex) < (int)size;
}

/* What the link refs/NAME says.  STALE: there is no such link. */
static int read_name(int data_fd, const char *encoded, char *ret, size_t size)
{
    char ref[NAME_MAX + 8];
    snprintf(ref, sizeof ref, "refs/%s", encoded);
    ssize_t n = readlinkat(data_fd, ref, ret, size - 1);
    if (n < 0)
        return errno == ENOENT || errno == EINVAL || errno == ENOTDIR ? STALE : -errno;
    ret[n] = '\0';
    return 0;
}

/* A link to another entry of refs/: what a person types ("debian") → the full name. */
static bool is_alias(const char *target)
{
    return target[0] && target[0] != '.' && !strchr(target, '/') && strlen(target) <= NAME_MAX;
}

/* The directory a name leads to, as "images/ID", over one alias at most.  STALE: no such name,
 * or a link of another kind. */
static int resolve_name(int data_fd, const char *encoded, char *ret, size_t size)
{
    static const char prefix[] = "../images/";
    char alias[NAME_MAX + 1];
    if (take_digest(encoded, ret, size))
        return 0;
    int r = read_name(data_fd, encoded, ret, size);
    if (r == 0 && is_alias(ret)) {
        memcpy(alias, ret, strlen(ret) + 1);
        if (take_digest(alias, ret, size))
            return 0;
        r = read_name(data_fd, alias, ret, size);
    }
    if (r != 0)
        return r;
    if (strncmp(ret, prefix, sizeof prefix - 1) != 0 || strchr(ret + sizeof prefix - 1, '/') ||
        ret[sizeof prefix - 1] == '\0' || ret[sizeof prefix - 1] == '.')
        return STALE;
    memmove(ret, ret + 3, strlen(ret) - 2);
    return 0;
}

static bool take_number(const char **p, unsigned long long *ret)
{
    const char *begin = *p;
    for (*ret = 0; **p >= '0' && **p <= '9'; ++*p)
        if (__builtin_mul_overflow(*ret, 10ull, ret) ||
            __builtin_add_overflow(*ret, (unsigned long long)(**p - '0'), ret))
            return false;
    return *p > begin && *(*p)++ == ' ';
}

/* "MTIME_NS INODE PATH" up to `end`; "0 0 PATH": must not exist.  Without errno, which a child
 * may share. */
static bool is_source_fresh(const char *line, const char *end)
{
    unsigned long long mtime_ns, inode;
    char path[PATH_MAX];
    struct stat st;
    if (!take_number(&line, &mtime_ns) || !take_number(&line, &inode) || line >= end ||
        *line != '/' || (size_t)(end - line) >= sizeof path)
        return false;
    memcpy(path, line, (size_t)(end - line));
    path[end - line] = '\0';
    long r = prl_sys_raw(SYS_newfstatat,
                         PRL_RAW(AT_FDCWD, PRL_RAW_POINTER(path), PRL_RAW_POINTER(&st), 0));
    if (r < 0)
        return (r == -ENOENT || r == -ENOTDIR) && mtime_ns == 0 && inode == 0;
    return (unsigned long long)st.st_ino == inode &&
           (unsigned long long)st.st_mtim.tv_sec * 1000000000ULL +
                   (unsigned long long)st.st_mtim.tv_nsec ==
               mtime_ns;
}

static bool are_fresh(const char *text)
{
    while (*text) {
        const char *end = strchrnul(text, '\n');
        if (end > text && !is_source_fresh(text, end))
            return false;
        text = *end ? end + 1 : end;
    }
    return true;
}

static struct prl_template_identity identify(const struct stat *st)
{
    return (struct prl_template_identity){
        .device = st->st_dev,
        .inode = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
    };
}

/* Once for each template that was made. */
static int make_flat(const struct prl_dirs *dirs, struct prl_template *t)
{
    _cleanup_free_ char *json = NULL;
    struct stat st;
    size_t len;
    _cleanup_close_ int fd =
        openat(t->lock_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return errno == ENOENT ? STALE : -errno;
    const struct prl_template_identity identity = identify(&st);
    int r = prl_io_read_fd(fd, TEMPLATE_MAX_BYTES, &json, &len);
    if (r == -EFBIG || r == -EINVAL || r == -EISDIR)
        return STALE;
    if (r == 0)
        r = prl_flat_make(json, len, &identity, &t->flat);
    if (r == 0)
        prl_flat_keep(dirs, &t->flat);
    return r == -EINVAL ? STALE : r;
}

static int load(const struct prl_dirs *dirs, const char *encoded, struct prl_template *t)
{
    char path[PATH_MAX];
    int r = resolve_name(dirs->data_fd, encoded, path, sizeof path);
    if (r != 0)
        return r;
    /* The image's directory under a shared lock, which tells whoever removes images that this
     * one is used. */
    _cleanup_close_ int fd =
        openat(dirs->data_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? STALE : -errno;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return STALE; /* being removed.  Other failures: a file system without locks */
    t->lock_fd = steal_fd(&fd);
    struct stat st;
    if (fstatat(t->lock_fd, FILE_NAME, &st, 0) < 0)
        return errno == ENOENT ? STALE : -errno;
    const struct prl_template_identity identity = identify(&st);
    r = prl_flat_find(dirs, &identity, &t->flat) ? 0 : make_flat(dirs, t);
    if (r != 0)
        return r;
    const char *sources = prl_flat_sources(&t->flat);
    return sources && are_fresh(sources) ? 0 : STALE;
}

/* What became of it: nothing of it is kept when it is not good. */
static int conclude(const struct prl_dirs *dirs, const char *image, int r,
                    struct prl_template *t, struct prl_error *reterr)
{
    char encoded[NAME_MAX + 1];
    if (r == 0)
        return 0;
    prl_template_free(t);
    if (r == STALE || encode_name(image, encoded, sizeof encoded, reterr) < 0)
        return r;
    return prl_failf(reterr, PRL_STAGE_TEMPLATE, -r, "open",
                     "the launch template of \"%s\" cannot be read: %s/refs/%s: %s", image,
                     dirs->data, encoded, strerror(-r));
}

int prl_template_load(const struct prl_dirs *dirs, const char *image, struct prl_template *ret,
                      struct prl_error *reterr)
{
    char encoded[NAME_MAX + 1];
    struct prl_template t = {.lock_fd = -1};
    int r = encode_name(image, encoded, sizeof encoded, reterr);
    if (r < 0)
        return r;
    r = conclude(dirs, image, load(dirs, encoded, &t), &t, reterr);
    if (r == 0)
        *ret = t;
    return r;
}

int prl_template_spec(const struct prl_template *t, struct prl_spec **ret,
                      struct prl_error *reterr)
{
    int r = prl_flat_spec(&t->flat, ret);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_TEMPLATE, -r, "malloc", "template") : 0;
}

void prl_template_free(struct prl_template *t)
{
    prl_flat_close(&t->flat);
    prl_close_p(&t->lock_fd);
}
