/* spec_annotations.c: io.pyrootless.* of /annotations → the parts of a launch that the runtime
 * specification has no word for.
 * In: texts.  Out: numbers, choices, paths.  Never: an annotation of somebody else: keys that
 * docs/reference/annotations.md does not have are left alone. */
#include "spec_parts.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define ROOTFS_LOWER    "io.pyrootless.rootfs.lower"
#define ROOTFS_UPPER    "io.pyrootless.rootfs.upper"
#define ROOTFS_DRIVER   "io.pyrootless.rootfs.driver"
#define FUSE_PROGRAM    "io.pyrootless.rootfs.fuse.program"
#define UPPER_PATH      "io.pyrootless.rootfs.upper.path"
#define UPPER_WORK      "io.pyrootless.rootfs.upper.work"
#define UPPER_VOLATILE  "io.pyrootless.rootfs.upper.volatile"
#define UPPER_SIZE      "io.pyrootless.rootfs.upper.size"
#define UPPER_INODES    "io.pyrootless.rootfs.upper.inodes"
#define SECCOMP_PROGRAM "io.pyrootless.seccomp.program"
#define SECCOMP_DIGEST  "io.pyrootless.seccomp.digest"
#define LANDLOCK        "io.pyrootless.landlock"
#define KEEP_GROUPS     "io.pyrootless.keep-groups"
#define LENT            "io.pyrootless.lent"
#define UNSEEN          "io.pyrootless.unseen"
#define KEYRING         "io.pyrootless.keyring"
#define HOLDER          "io.pyrootless.userns.holder"
#define FAKE_ROOT       "io.pyrootless.fake-root"
#define FAKE_OWNERS     "io.pyrootless.fake-root.owners"
#define LAUNCHER        "io.pyrootless.launcher"
#define INIT            "io.pyrootless.init"
#define VERIFY          "io.pyrootless.verify"
#define STOP_SIGNAL     "io.pyrootless.stop-signal"
#define WALL_LIMIT_NS   "io.pyrootless.wall-limit-ns"
#define CPU_LIMIT_NS    "io.pyrootless.cpu-limit-ns"

enum { LOWERS_MAX = 500 }; /* OVL_MAX_STACK of the kernel */

struct annotations {
    const struct prl_spec_reader *reader;
    yyjson_val *map;
};

static const char *get_text(const struct annotations *from, const char *key)
{
    return yyjson_get_str(yyjson_obj_get(from->map, key));
}

static int fail_value(const struct annotations *from, const char *key, const char *expected)
{
    return prl_spec_fail(from->reader, "/annotations/%s is \"%s\", expected %s", key,
                         prl_spec_show(get_text(from, key)).text, expected);
}

/* Decimal digits and nothing else; absent: *ret stays. */
static int read_number(const struct annotations *from, const char *key, uint64_t max,
                       uint64_t *ret)
{
    const char *text = get_text(from, key);
    char expected[64];
    uint64_t number = 0;
    bool good = text && *text;
    if (!text)
        return 0;
    snprintf(expected, sizeof expected, "a whole number from 0 to %" PRIu64, max);
    for (const char *p = text; good && *p; p++) {
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        good = digit <= 9 && number <= (max - digit % 10) / 10;
        number = number * 10 + digit;
    }
    if (!good)
        return fail_value(from, key, expected);
    *ret = number;
    return 0;
}

static int read_flag(const struct annotations *from, const char *key, bool *ret)
{
    const char *text = get_text(from, key);
    if (!text)
        return 0;
    if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
        return fail_value(from, key, "0 or 1");
    *ret = text[0] == '1';
    return 0;
}

static int read_path(const struct annotations *from, const char *key, const char **ret)
{
    const struct prl_spec_place root = {.up = NULL}, map = {.up = &root, .key = "annotations"},
                                place = {.up = &map, .key = key};
    int r = prl_spec_copy_text(from->reader, yyjson_obj_get(from->map, key), ret);
    if (r < 0 || !*ret)
        return r;
    return prl_spec_need_absolute(from->reader, &place, *ret);
}

/* One directory a line; *ret ends in NULL.  Its length; 0: no such annotation. */
static int read_lines(const struct annotations *from, const char *key, const char *const **ret)
{
    const char *text = get_text(from, key), **lines;
    int count = 1;
    if (!text)
        return 0;
    for (const char *p = text; *p; p++)
        count += *p == '\n';
    int r = prl_spec_new_array(from->reader, (size_t)count + 1, sizeof *lines, &lines);
    if (r < 0)
        return r;
    for (int i = 0; i < count; i++) {
        size_t len = strcspn(text, "\n");
        if (*text != '/')
            return fail_value(from, key, "absolute directories, one a line");
        lines[i] = prl_arena_strndup(from->reader->arena, text, len);
        if (!lines[i])
            return prl_spec_no_memory(from->reader);
        text += len + 1;
    }
    *ret = lines;
    return count;
}

static int read_lowers(const struct annotations *from, struct prl_rootfs *ret)
{
    int count = read_lines(from, ROOTFS_LOWER, &ret->lowers);
    if (count <= 0)
        return count;
    if (count > LOWERS_MAX)
        return prl_spec_fail(from->reader,
                             "/annotations/" ROOTFS_LOWER " has %d directories and the "
                             "kernel's overlay takes %d: make the image anew with fewer layers "
                             "(export a container of it, import that)",
                             count, LOWERS_MAX);
    ret->lowers_len = (size_t)count;
    ret->lowers_begin = prl_spec_lowers_begin(ret);
    return 0;
}

static int read_upper_kind(const struct annotations *from, struct prl_rootfs *ret)
{
    const char *text = get_text(from, ROOTFS_UPPER);
    ret->upper = PRL_UPPER_NONE;
    if (!text)
        return 0;
    if (strcmp(text, "tmpfs") == 0)
        ret->upper = PRL_UPPER_TMPFS;
    else if (strcmp(text, "disk") == 0)
        ret->upper = PRL_UPPER_DISK;
    else
        return fail_value(from, ROOTFS_UPPER, "tmpfs or disk");
    return 0;
}

static int read_driver(const struct annotations *from, struct prl_rootfs *ret)
{
    const char *text = get_text(from, ROOTFS_DRIVER);
    bool fuse = text && strcmp(text, "fuse-overlayfs") == 0;
    int r = read_path(from, FUSE_PROGRAM, &ret->fuse_program);
    if (r < 0)
        return r;
    if (text && !fuse && strcmp(text, "overlay") != 0)
        return fail_value(from, ROOTFS_DRIVER, "overlay or fuse-overlayfs");
    if (fuse != (ret->fuse_program != NULL))
        return prl_spec_fail(from->reader, "/annotations/%s %s", FUSE_PROGRAM,
                             fuse ? "must name the program of the driver fuse-overlayfs"
                                  : "needs the driver fuse-overlayfs");
    return 0;
}

static int fail_lonely(const struct annotations *from, const char *key, const char *needed)
{
    return prl_spec_fail(from->reader, "/annotations/%s needs %s", key, needed);
}

/* What belongs together must come together. */
static int check_rootfs(const struct annotations *from, const struct prl_rootfs *root)
{
    bool disk = root->upper == PRL_UPPER_DISK;
    if (root->upper != PRL_UPPER_NONE && root->lowers_len == 0)
        return fail_lonely(from, ROOTFS_UPPER, ROOTFS_LOWER);
    if (disk && (!root->upper_path || !root->work_path))
        return fail_lonely(from, ROOTFS_UPPER, UPPER_PATH " and " UPPER_WORK);
    if (!disk && root->upper_path)
        return fail_lonely(from, UPPER_PATH, ROOTFS_UPPER " \"disk\"");
    if (!disk && root->work_path)
        return fail_lonely(from, UPPER_WORK, ROOTFS_UPPER " \"disk\"");
    if (root->upper != PRL_UPPER_TMPFS && root->upper_size_bytes)
        return fail_lonely(from, UPPER_SIZE, ROOTFS_UPPER " \"tmpfs\"");
    if (root->upper != PRL_UPPER_TMPFS && root->upper_inodes)
        return fail_lonely(from, UPPER_INODES, ROOTFS_UPPER " \"tmpfs\"");
    if (root->upper == PRL_UPPER_NONE && root->fuse_program)
        return fail_lonely(from, FUSE_PROGRAM, ROOTFS_UPPER);
    if (root->upper == PRL_UPPER_NONE && root->lowers_len > 0)
        return fail_lonely(from, ROOTFS_LOWER, ROOTFS_UPPER);
    return 0;
}

static int read_rootfs(const struct annotations *from, struct prl_rootfs *ret)
{
    int r = read_lowers(from, ret);
    if (r == 0)
        r = read_upper_kind(from, ret);
    if (r == 0)
        r = read_path(from, UPPER_PATH, &ret->upper_path);
    if (r == 0)
        r = read_path(from, UPPER_WORK, &ret->work_path);
    if (r == 0)
        r = read_flag(from, UPPER_VOLATILE, &ret->upper_volatile);
    if (r == 0)
        r = read_number(from, UPPER_SIZE, UINT64_MAX, &ret->upper_size_bytes);
    if (r == 0)
        r = read_number(from, UPPER_INODES, UINT64_MAX, &ret->upper_inodes);
    if (r == 0)
        r = read_driver(from, ret);
    return r < 0 ? r : check_rootfs(from, ret);
}

static int read_seccomp(const struct annotations *from, struct prl_spec *ret)
{
    static const char hex[] = "0123456789abcdef";
    int r = read_path(from, SECCOMP_PROGRAM, &ret->seccomp_program);
    if (r == 0)
        r = prl_spec_copy_text(from->reader, yyjson_obj_get(from->map, SECCOMP_DIGEST),
                               &ret->seccomp_digest);
    if (r < 0)
        return r;
    const char *digest = ret->seccomp_digest;
    if (digest && (strncmp(digest, "sha256:", 7) != 0 || strlen(digest) != 7 + 64 ||
                   strspn(digest + 7, hex) != 64))
        return fail_value(from, SECCOMP_DIGEST, "sha256: and 64 hexadecimal digits");
    if (digest && !ret->seccomp_program)
        return fail_lonely(from, SECCOMP_DIGEST, SECCOMP_PROGRAM);
    if (ret->has_seccomp && !ret->seccomp_program)
        return prl_spec_fail(from->reader, "linux.seccomp needs a compiled program: run it "
                                           "through `pyrootless run --spec`");
    return 0;
}

static int read_keyring(const struct annotations *from, bool *ret)
{
    const char *text = get_text(from, KEYRING);
    *ret = !text || strcmp(text, "new") == 0;
    if (!*ret && strcmp(text, "inherit") != 0)
        return fail_value(from, KEYRING, "new or inherit");
    return 0;
}

static int read_fake_root(const struct annotations *from, struct prl_spec *ret)
{
    const char *text = get_text(from, FAKE_ROOT);
    ret->fake_root = PRL_FAKE_ROOT_OFF;
    if (text && strcmp(text, "remember") == 0)
        ret->fake_root = PRL_FAKE_ROOT_REMEMBER;
    else if (text && strcmp(text, "silent") == 0)
        ret->fake_root = PRL_FAKE_ROOT_SILENT;
    else if (text && strcmp(text, "off") != 0)
        return fail_value(from, FAKE_ROOT, "remember, silent or off");
    int r = read_path(from, FAKE_OWNERS, &ret->fake_root_owners);
    if (r == 0)
        r = read_path(from, HOLDER, &ret->holder);
    return r < 0 ? r : read_path(from, LAUNCHER, &ret->launcher);
}

static int read_stop_signal(const struct annotations *from, int *ret)
{
    uint64_t number = SIGTERM;
    int r = read_number(from, STOP_SIGNAL, 64, &number);
    if (r == 0 && number == 0)
        return fail_value(from, STOP_SIGNAL, "a whole number from 1 to 64");
    *ret = (int)number;
    return r;
}

int prl_spec_read_annotations(const struct prl_spec_reader *reader, yyjson_val *annotations,
                              struct prl_spec *ret)
{
    const struct annotations from = {.reader = reader, .map = annotations};
    int r = read_rootfs(&from, &ret->rootfs);
    if (r == 0)
        r = read_seccomp(&from, ret);
    if (r == 0)
        r = read_lines(&from, LENT, &ret->lent);
    if (r >= 0)
        r = read_lines(&from, UNSEEN, &ret->unseen);
    if (r >= 0)
        r = read_flag(&from, LANDLOCK, &ret->landlock);
    if (r == 0)
        r = read_flag(&from, KEEP_GROUPS, &ret->process.keep_groups);
    if (r == 0)
        r = read_keyring(&from, &ret->new_keyring);
    if (r == 0)
        r = read_flag(&from, INIT, &ret->init);
    if (r == 0)
        r = read_flag(&from, VERIFY, &ret->verify);
    if (r == 0)
        r = read_fake_root(&from, ret);
    if (r == 0)
        r = read_stop_signal(&from, &ret->stop_signal);
    if (r == 0)
        r = read_number(&from, WALL_LIMIT_NS, UINT64_MAX, &ret->wall_limit_ns);
    if (r == 0)
        r = read_number(&from, CPU_LIMIT_NS, UINT64_MAX, &ret->resources.cpu_time_ns);
    if (ret->resources.cpu_time_ns > 0)
        ret->resources.asked |= 1u << PRL_LIMIT_CPU_TIME;
    return r;
}
