// sources: csrc/base/**/*.c csrc/config/users/passwd.c

/* fuzz_passwd.c: -u and --group-add against an image's /etc/passwd and /etc/group.
 * In: bytes (replay.h): what is asked, a line feed, passwd, a zero byte, group.  Out: an abort
 * when a failure has no fit record or when an answer is no id the kernel could take; sanitizers
 * see the rest.  Never: a file outside one fresh directory in TMPDIR or /tmp. */
#include "config/users/passwd.h"
#include "replay.h"

#include "base/own.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ASKED_BYTES = 256, MAX_ID = 0x7fffffff };

static char base_path[256];
static int base_fd = -1;

static void remove_root(void)
{
    unlinkat(base_fd, "etc/passwd", 0);
    unlinkat(base_fd, "etc/group", 0);
    unlinkat(base_fd, "etc", AT_REMOVEDIR);
    rmdir(base_path);
}

static void make_root(void)
{
    const char *base = getenv("TMPDIR");
    if (base_fd >= 0)
        return;
    snprintf(base_path, sizeof base_path, "%s/fuzz-passwd-XXXXXX", base ? base : "/tmp");
    need(mkdtemp(base_path) != NULL);
    base_fd = open(base_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    need(base_fd >= 0 && mkdirat(base_fd, "etc", 0700) == 0);
    atexit(remove_root);
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    _cleanup_close_ int fd =
        openat(base_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

static void see_user(const struct prl_passwd_user *user)
{
    need(user->uid <= MAX_ID && user->gid <= MAX_ID && user->groups_len <= PRL_PASSWD_GROUPS);
    for (size_t i = 0; i < user->groups_len; i++)
        need(user->groups[i] <= MAX_ID);
    need(user->home[0] == '/' && memchr(user->home, '\0', sizeof user->home) != NULL);
    need(strchr(user->home, ':') == NULL && strchr(user->home, '\n') == NULL);
}

static void ask(const char *text)
{
    const char *directories[] = {base_path, NULL};
    const struct prl_passwd_root root = {directories, true};
    struct prl_passwd_user user;
    struct prl_error error = {0};
    uint32_t gid = 0;
    int r = prl_passwd_resolve(&root, text, &user, &error);
    if (r < 0)
        need_error(r, &error);
    else
        see_user(&user);
    memset(&error, 0, sizeof error);
    r = prl_passwd_group(&root, text, &gid, &error);
    if (r < 0)
        need_error(r, &error);
    else
        need(gid <= MAX_ID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[ASKED_BYTES];
    const uint8_t *line = memchr(data, '\n', size);
    size_t len = line ? (size_t)(line - data) : size;
    if (!line || len >= sizeof text || memchr(data, '\0', len))
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    data = line + 1;
    size -= len + 1;
    const uint8_t *zero = memchr(data, '\0', size);
    size_t first = zero ? (size_t)(zero - data) : size;
    make_root();
    write_file("etc/passwd", data, first);
    write_file("etc/group", zero ? zero + 1 : data, zero ? size - first - 1 : 0);
    ask(text);
    return 0;
}
