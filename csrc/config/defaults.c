/* defaults.c: see defaults.h.
 * In, out: as there.  Never: as there.
 *
 * DATA/cache/options begins with "SECONDS NANOSECONDS BYTES INODE" of the config.toml that it
 * was made of and a zero byte. */
#include "config/defaults.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { OPTIONS_MAX_BYTES = 64 * 1024, STAMP_LEN = 96 };

/* $XDG_CONFIG_HOME, else ~/.config; relative values count as unset (XDG base directories).
 * false: there is no such place. */
static bool find_file(char *path, size_t size)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int len = -1;
    if (base && *base == '/')
        len = snprintf(path, size, "%s/pyrootless/config.toml", base);
    else if (home && *home == '/')
        len = snprintf(path, size, "%s/.config/pyrootless/config.toml", home);
    return len > 0 && (size_t)len < size;
}

static int read_words(const char *data, char **ret, size_t *ret_len)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/cache/options", data);
    if (len < 0 || (size_t)len >= sizeof path)
        return -ENAMETOOLONG;
    return prl_io_read_file(AT_FDCWD, path, OPTIONS_MAX_BYTES, ret, ret_len);
}

int prl_defaults_load(const char *data, char **ret, size_t *ret_len, struct prl_error *reterr)
{
    char path[PATH_MAX], stamp[STAMP_LEN];
    struct stat st;
    size_t len = 0;
    *ret = NULL;
    *ret_len = 0;
    if (!find_file(path, sizeof path))
        return 0;
    if (stat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : prl_fail(reterr, PRL_STAGE_OPTIONS, "stat", path);
    _cleanup_free_ char *text = NULL;
    if (read_words(data, &text, &len) < 0)
        return 1;
    size_t stamp_len =
        1 + (size_t)snprintf(stamp, sizeof stamp, "%" PRId64 " %ld %" PRId64 " %" PRIu64,
                             (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                             (int64_t)st.st_size, (uint64_t)st.st_ino);
    if (len < stamp_len || memcmp(text, stamp, stamp_len) != 0 || text[len - 1])
        return 1;
    *ret_len = len - stamp_len;
    memmove(text, text + stamp_len, *ret_len);
    *ret = steal_ptr(&text);
    return 0;
}
