/* file.c: see file.h.
 * In, out: as there.  Never: as there.
 *
 * `log.lost` tells how many bytes of output a full disk swallowed: that is its size, and it
 * takes no room, for nothing was ever written to it. */
#include "container/log/file.h"

#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

const char *prl_log_file_name(unsigned number, char name[16])
{
    if (number == 0)
        return "log";
    snprintf(name, 16, "log.%u", number);
    return name;
}

/* The record that a kill cut off ends here: the next one begins a line. */
static void end_torn(int fd, uint64_t *size)
{
    char last = '\n';
    if (*size > 0 && pread(fd, &last, 1, (off_t)*size - 1) == 1 && last != '\n')
        *size += write(fd, "\n", 1) == 1;
}

static int open_file(const struct prl_log *log, const char *name, int flags)
{
    return openat(log->dir_fd, name,
                  O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, (mode_t)0600);
}

int prl_log_file_open(struct prl_log *log)
{
    struct stat st;
    log->fd = open_file(log, "log", 0);
    if (log->fd < 0)
        return -errno;
    log->size = fstat(log->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    end_torn(log->fd, &log->size);
    if (fstatat(log->dir_fd, "log.lost", &st, AT_SYMLINK_NOFOLLOW) == 0)
        log->lost_ever = (uint64_t)st.st_size;
    return 0;
}

static void empty(struct prl_log *log)
{
    if (ftruncate(log->fd, 0) == 0)
        log->size = 0;
}

void prl_log_file_rotate(struct prl_log *log)
{
    char from[16], to[16];
    if (log->settings.max_files <= 1) {
        empty(log);
        return;
    }
    _cleanup_close_ int fd = open_file(log, "log.new", O_TRUNC);
    if (fd < 0)
        return;
    for (unsigned n = log->settings.max_files - 1; n > 0; n--)
        (void)renameat(log->dir_fd, prl_log_file_name(n - 1, from), log->dir_fd,
                       prl_log_file_name(n, to));
    if (renameat(log->dir_fd, "log.new", log->dir_fd, "log") < 0)
        return;
    close(log->fd);
    log->fd = steal_fd(&fd);
    log->size = 0;
}

void prl_log_file_lost(struct prl_log *log, size_t payload)
{
    log->lost += payload;
    log->lost_ever += payload;
    _cleanup_close_ int fd = openat(log->dir_fd, "log.lost",
                                    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, (mode_t)0600);
    if (fd >= 0)
        (void)!ftruncate(fd, (off_t)log->lost_ever);
}

bool prl_log_file_write(struct prl_log *log, const char *records, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(log->fd, records + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            (void)!ftruncate(log->fd, (off_t)log->size);
            return false;
        }
        done += (size_t)n;
    }
    log->size += len;
    return true;
}
