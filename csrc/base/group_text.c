/* group_text.c: see group_text.h.
 * In, out, never: as there. */
#include "base/group_text.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

static int PRL_CHILD_SAFE write_one(int dir_fd, const struct prl_group_text *text)
{
    const size_t len = strlen(text->value);
    const long how = O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
    long fd = prl_sys_raw(SYS_openat, PRL_RAW(dir_fd, PRL_RAW_POINTER(text->name), how));
    if (fd < 0)
        return fd == -ENOENT && text->may_miss ? 0 : (int)fd;
    long written = prl_sys_raw(SYS_write, PRL_RAW(fd, PRL_RAW_POINTER(text->value), (long)len));
    prl_sys_raw(SYS_close, PRL_RAW(fd));
    return written < 0 ? (int)written : (size_t)written < len ? -EIO : 0;
}

int PRL_CHILD_SAFE prl_group_texts_write(int dir_fd, const struct prl_group_text *texts,
                                         size_t len, const struct prl_group_text **ret_failed)
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
