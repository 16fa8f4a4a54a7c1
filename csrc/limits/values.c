/* values.c: limits, written to the files of a control group of version 2.
 * In: an open group, texts.  Out: the files written.  Never: a limit's meaning. */
#include "limits/files.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int write_one(int dir_fd, const struct prl_group_text *text)
{
    const size_t len = strlen(text->value);
    _cleanup_close_ int fd = openat(dir_fd, text->name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT && text->may_miss ? 0 : -errno;
    ssize_t written = write(fd, text->value, len);
    return written < 0 ? -errno : (size_t)written < len ? -EIO : 0;
}

int prl_group_texts_write(int dir_fd, const struct prl_group_text *texts, size_t len,
                          const struct prl_group_text **ret_failed)
{
    for (size_t i = 0; i < len; i++) {
        int r = write_one(dir_fd, &texts[i]);
        if (r < 0) {
            *ret_failed = &texts[i];
            return r;
        }
    }
    return 0;
}
