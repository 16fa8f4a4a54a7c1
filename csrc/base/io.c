/* io.c: whole reads and whole writes of regular files.
 * In: descriptors and names below them.  Out: 0 or -errno.  Never: waiting on a FIFO, reading
 * without a limit. */
#include "base/io.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Room for one byte more than is allowed, so that too much is noticed. */
static int read_to_end(int fd, size_t room, size_t max_bytes, char **ret, size_t *ret_len)
{
    size_t len = 0;
    _cleanup_free_ char *data = malloc(room + 1);
    while (data) {
        ssize_t n = read(fd, data + len, room - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        len += (size_t)n;
        if (len > max_bytes)
            return -EFBIG;
        if (n == 0) {
            data[len] = '\0';
            *ret = steal_ptr(&data);
            *ret_len = len;
            return 0;
        }
        if (len == room) {
            room *= 2;
            char *more = realloc(data, room + 1);
            if (!more)
                return -ENOMEM;
            data = more;
        }
    }
    return -ENOMEM;
}

int prl_io_read_stream(int fd, size_t max_bytes, char **ret, size_t *ret_len)
{
    return read_to_end(fd, max_bytes < 65536 ? max_bytes + 1 : 65536, max_bytes, ret, ret_len);
}

int prl_io_read_fd(int fd, size_t max_bytes, char **ret, size_t *ret_len)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if (st.st_size > 0 && (uintmax_t)st.st_size > max_bytes)
        return -EFBIG;
    if (st.st_size == 0) /* files of /proc say so */
        return prl_io_read_stream(fd, max_bytes, ret, ret_len);
    return read_to_end(fd, (size_t)st.st_size + 1, max_bytes, ret, ret_len);
}

int prl_io_read_file(int dir_fd, const char *path, size_t max_bytes, char **ret,
                     size_t *ret_len)
{
    _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    return prl_io_read_fd(fd, max_bytes, ret, ret_len);
}

ssize_t prl_io_read_text(int dir_fd, const char *path, char *buf, size_t size)
{
    _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
    buf[n > 0 ? n : 0] = '\0';
    return n;
}

DIR *prl_io_list(int dir_fd, const char *name)
{
    _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir)
        steal_fd(&fd);
    return dir;
}

int prl_io_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int prl_io_write_file(int dir_fd, const char *path, const void *data, size_t len, int flags,
                      mode_t mode)
{
    _cleanup_close_ int fd =
        openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | flags, mode);
    if (fd < 0)
        return -errno;
    return prl_io_write_all(fd, data, len);
}

char *prl_io_format(const char *format, ...)
{
    char *text = NULL;
    va_list values;
    va_start(values, format);
    int len = vasprintf(&text, format, values);
    va_end(values);
    return len < 0 ? NULL : text;
}
