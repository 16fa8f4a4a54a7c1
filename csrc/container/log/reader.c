/* reader.c: see reader.h.
 * In, out: as there.  Never: as there.
 *
 * The writer renames: what was `log` is `log.1` afterwards.  An open file is followed to its
 * end by its inode; then the one that is a number younger comes. */
#include "container/log/reader.h"
#include "container/log/file.h"
#include "container/log/records.h"

#include "base/own.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum {
    BUFFER_BYTES = 1 << 18, /* more than the longest record */
    SHOWN_BYTES = 1 << 16,  /* about so much is shown at once */
    FRONT_BYTES = 1 << 15,
    TRIES = 100,
};

struct prl_log_reader {
    struct prl_log_query query;
    int dir_fd, fd;
    bool finishing, past;
    bool line_begun[2]; /* of a stream: its last record had no end of line */
    size_t start, len;  /* of what is not shown yet */
    char *buffer;       /* malloc'd */
    char *shown;        /* malloc'd: records of one stream with what is put in front */
    size_t shown_len;
    int shown_stream;
    bool has_next; /* a record of the other stream, which comes first the next time */
    struct prl_log_said next;
};

/* --- files --- */

static int open_number(const struct prl_log_reader *reader, unsigned number)
{
    char name[16];
    struct stat st;
    _cleanup_close_ int fd = openat(reader->dir_fd, prl_log_file_name(number, name),
                                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? steal_fd(&fd) : -EINVAL;
}

static bool has_number(const struct prl_log_reader *reader, const struct stat *mine,
                       unsigned number, bool *ret_there)
{
    char name[16];
    struct stat st;
    *ret_there =
        fstatat(reader->dir_fd, prl_log_file_name(number, name), &st, AT_SYMLINK_NOFOLLOW) == 0;
    return *ret_there && st.st_ino == mine->st_ino && st.st_dev == mine->st_dev;
}

/* The number of the open file; -1: it was removed. */
static int number_of(const struct prl_log_reader *reader, int fd)
{
    struct stat mine;
    unsigned missing = 0;
    if (fstat(fd, &mine) < 0)
        return -1;
    for (unsigned n = 0; n < PRL_LOG_FILES_MAX && missing < 2; n++) {
        bool there;
        if (has_number(reader, &mine, n, &there))
            return (int)n;
        missing = there ? 0 : missing + 1;
    }
    return -1;
}

/* The largest number there is; -1: there is no file.  A rotation under way leaves one out. */
static int oldest(const struct prl_log_reader *reader)
{
    int last = -1;
    unsigned missing = 0;
    for (unsigned n = 0; n < PRL_LOG_FILES_MAX && missing < 2; n++) {
        char name[16];
        struct stat st;
        bool there =
            fstatat(reader->dir_fd, prl_log_file_name(n, name), &st, AT_SYMLINK_NOFOLLOW) == 0;
        last = there ? (int)n : last;
        missing = there ? 0 : missing + 1;
    }
    return last;
}

/* What follows the open file.  A rotation meanwhile makes the numbers move: then once more.
 * -EAGAIN: it is the newest. */
static int open_next(const struct prl_log_reader *reader)
{
    for (int i = 0; i < TRIES; i++) {
        int number = number_of(reader, reader->fd);
        if (number == 0)
            return -EAGAIN;
        int wanted = number > 0 ? number - 1 : oldest(reader);
        if (wanted < 0) /* the container was removed */
            return -ENOENT;
        int fd = open_number(reader, (unsigned)wanted);
        if (fd >= 0 && number_of(reader, fd) == wanted)
            return fd;
        prl_close_p(&fd);
    }
    return -EAGAIN;
}

/* Rotated with one file: it was emptied. */
static void see_emptied(const struct prl_log_reader *reader)
{
    struct stat st;
    off_t at = lseek(reader->fd, 0, SEEK_CUR);
    if (fstat(reader->fd, &st) == 0 && at > st.st_size)
        (void)lseek(reader->fd, 0, SEEK_SET);
}

static ssize_t fill(struct prl_log_reader *reader)
{
    if (reader->start > 0)
        memmove(reader->buffer, reader->buffer + reader->start, reader->len);
    reader->start = 0;
    ssize_t n;
    do
        n = read(reader->fd, reader->buffer + reader->len, BUFFER_BYTES - reader->len);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        reader->len += (size_t)n;
    return n < 0 ? -errno : n;
}

/* 1: there is more in the buffer; 0: there is none at this time. */
static int more(struct prl_log_reader *reader)
{
    while (true) {
        see_emptied(reader);
        ssize_t n = fill(reader);
        if (n != 0)
            return n < 0 ? (int)n : 1;
        int next = open_next(reader);
        if (next < 0)
            return 0;
        n = fill(reader); /* what came before it was renamed */
        if (n != 0) {
            close(next);
            return n < 0 ? (int)n : 1;
        }
        close(reader->fd);
        reader->fd = next;
    }
}

/* --- the last lines --- */

/* Ends of lines in the open file, from its end back, until there are `wanted`.  Returns how
 * many were found; *ret_at: behind the last one that was. */
static int64_t count_back(int fd, int64_t wanted, char *block, off_t *ret_at)
{
    struct stat st;
    off_t at = fstat(fd, &st) == 0 ? st.st_size : 0, end = at;
    int64_t found = 0;
    char last = '\n';
    *ret_at = end;
    if (wanted == 0)
        return 0;
    if (end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n')
        found++; /* its end is still to come */
    while (at > 0) {
        off_t start = at > BUFFER_BYTES ? at - BUFFER_BYTES : 0;
        ssize_t n = pread(fd, block, (size_t)(at - start), start);
        for (ssize_t i = n - 1; i >= 0; i--) {
            if (block[i] != '\n')
                continue;
            if (found >= wanted) {
                *ret_at = start + i + 1;
                return found;
            }
            found++;
        }
        at = start;
    }
    *ret_at = 0;
    return found;
}

static int open_tail(struct prl_log_reader *reader, int first)
{
    int64_t missing = reader->query.tail;
    for (int n = 0; n <= first; n++) {
        off_t at = 0;
        int fd = open_number(reader, (unsigned)n);
        if (fd < 0)
            continue;
        prl_close_p(&reader->fd);
        reader->fd = fd;
        int64_t found = count_back(fd, missing, reader->buffer, &at);
        (void)lseek(fd, at, SEEK_SET);
        if (at > 0 || found >= missing)
            return 0;
        missing -= found;
    }
    return reader->fd < 0 ? -ENOENT : 0;
}

/* --- open, close --- */

static int open_files(struct prl_log_reader *reader, const char *directory)
{
    reader->dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (reader->dir_fd < 0)
        return -errno;
    int first = oldest(reader);
    if (first < 0)
        return -ENOENT;
    if (reader->query.tail >= 0)
        return open_tail(reader, first);
    for (int n = first; n >= 0 && reader->fd < 0; n--)
        reader->fd = open_number(reader, (unsigned)n);
    return reader->fd < 0 ? reader->fd : 0;
}

int prl_log_reader_open(const char *directory, const struct prl_log_query *query,
                        struct prl_log_reader **ret)
{
    struct prl_log_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return -ENOMEM;
    reader->query = *query;
    reader->dir_fd = reader->fd = -1;
    reader->buffer = malloc(BUFFER_BYTES + 1);
    reader->shown = malloc(BUFFER_BYTES + SHOWN_BYTES + FRONT_BYTES);
    int r = reader->buffer && reader->shown ? open_files(reader, directory) : -ENOMEM;
    if (r < 0)
        prl_log_reader_close(reader);
    else
        *ret = reader;
    return r < 0 ? r : 0;
}

void prl_log_reader_close(struct prl_log_reader *reader)
{
    if (!reader)
        return;
    prl_close_p(&reader->dir_fd);
    prl_close_p(&reader->fd);
    free(reader->buffer);
    free(reader->shown);
    free(reader);
}

uint64_t prl_log_lost(const char *directory)
{
    struct stat st;
    _cleanup_close_ int dir_fd = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool told = dir_fd >= 0 && fstatat(dir_fd, "log.lost", &st, AT_SYMLINK_NOFOLLOW) == 0;
    return told && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

void prl_log_reader_finish(struct prl_log_reader *reader)
{
    reader->finishing = true;
}

int prl_log_reader_watch(struct prl_log_reader *reader)
{
    char path[32];
    _cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    snprintf(path, sizeof path, "/proc/self/fd/%d", reader->dir_fd);
    if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* --- what is shown --- */

static int64_t ns_of(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static bool is_wanted(struct prl_log_reader *reader, const struct prl_log_said *said)
{
    const struct prl_log_query *query = &reader->query;
    if (said->timed && ns_of(&said->time) > query->until_ns)
        reader->past = true;
    if (said->timed && ns_of(&said->time) < query->since_ns)
        return false;
    return !reader->past && (said->stream == 2 ? query->err : query->out);
}

/* {"a":"1","b":"2"} → "a=1,b=2 ". */
static size_t put_details(const struct prl_log_said *said, char *out, size_t room)
{
    size_t len = 0;
    for (size_t i = 1; i + 1 < said->details_len && len + 2 < room; i++) {
        char letter = said->details[i];
        if (letter == '\\' && i + 2 < said->details_len)
            out[len++] = said->details[++i];
        else if (letter != '"')
            out[len++] = letter == ':' ? '=' : letter;
    }
    out[len++] = ' ';
    return len;
}

/* In front of a line, not of its later pieces. */
static size_t put_front(const struct prl_log_reader *reader, const struct prl_log_said *said,
                        char *out)
{
    size_t len = 0;
    if (reader->line_begun[said->stream - 1])
        return 0;
    if (reader->query.timestamps && said->timed) {
        len = prl_log_time(&said->time, false, out);
        out[len++] = ' ';
    }
    if (reader->query.details)
        len += put_details(said, out + len, FRONT_BYTES / 2);
    return len;
}

static void show(struct prl_log_reader *reader, const struct prl_log_said *said)
{
    char *out = reader->shown + reader->shown_len;
    size_t front = put_front(reader, said, out);
    memcpy(out + front, said->bytes, said->len);
    reader->shown_len += front + said->len;
    reader->shown_stream = said->stream;
    if (said->len > 0)
        reader->line_begun[said->stream - 1] = said->bytes[said->len - 1] != '\n';
}

/* The next record that has an end, or fills the buffer; with read_all also one that has none.
 * false: it is still to come. */
static bool take_record(struct prl_log_reader *reader, bool read_all)
{
    char *record = reader->buffer + reader->start;
    char *end = reader->len ? memchr(record, '\n', reader->len) : NULL;
    size_t len = end ? (size_t)(end - record) : reader->len;
    if (!end && reader->len < BUFFER_BYTES && (!read_all || len == 0))
        return false;
    prl_log_read_record(record, len, end != NULL, &reader->next);
    reader->has_next = true;
    reader->start += len + (end != NULL);
    reader->len -= len + (end != NULL);
    return true;
}

/* As much of one stream as the buffer has.  false: there is nothing. */
static bool show_some(struct prl_log_reader *reader, bool read_all)
{
    while (reader->shown_len <= SHOWN_BYTES &&
           (reader->has_next || take_record(reader, read_all))) {
        const struct prl_log_said *said = &reader->next;
        bool wanted = is_wanted(reader, said);
        if (wanted && reader->shown_len > 0 && reader->shown_stream != said->stream)
            return true;
        reader->has_next = false;
        if (wanted)
            show(reader, said);
    }
    return reader->shown_len > 0;
}

int prl_log_reader_next(struct prl_log_reader *reader, struct prl_log_text *ret)
{
    bool read_all = false;
    reader->shown_len = 0;
    while (!show_some(reader, read_all) && !reader->past) {
        int r = more(reader);
        if (r < 0)
            return r;
        if (r == 0 && (read_all || !reader->finishing))
            return 0;
        read_all = r == 0;
    }
    if (reader->shown_len == 0)
        return PRL_LOG_PAST;
    *ret = (struct prl_log_text){reader->shown_stream, reader->shown, reader->shown_len};
    return 1;
}
