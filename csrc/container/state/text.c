/* text.c: what a container's directory says of it.
 * In: the directory.  Out: the text of config.json or status.json, or the open log.  Never: a
 * judgement about the text; a link; a text larger than any of ours. */
#include "base/io.h"
#include "base/own.h"
#include "base/span.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { CONFIG_MAX_BYTES = 4 * 1024 * 1024 };

int prl_state_open(const char *directory, enum prl_state_file file)
{
    static const char names[][16] = {[PRL_STATE_CONFIG] = "config.json",
                                     [PRL_STATE_STATUS] = "status.json",
                                     [PRL_STATE_HEALTH] = "health.json"};
    _cleanup_close_ int dir_fd = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int fd = dir_fd < 0 ? -1
                        : openat(dir_fd, names[file],
                                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int prl_state_read(const char *directory, enum prl_state_file file, char **ret, size_t *ret_len)
{
    _cleanup_close_ int fd = prl_state_open(directory, file);
    return fd < 0 ? fd : prl_io_read_fd(fd, CONFIG_MAX_BYTES, ret, ret_len);
}

bool prl_state_note(const char *config, size_t len, const char *key, char *buf, size_t size)
{
    struct prl_span value;
    if (!prl_span_find((struct prl_span){config, len}, "annotations", key, &value) ||
        value.len < 2 || value.len - 2 >= size || memchr(value.at, '\\', value.len))
        return false;
    memcpy(buf, value.at + 1, value.len - 2);
    buf[value.len - 2] = '\0';
    return true;
}

/* Mapped and not read: nine tenths are the filter's list, which is passed over.  Nobody
 * shortens the file: it is written once, and replaced as a whole. */
static int map_config(const char *path, struct prl_span *ret)
{
    struct stat st;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > CONFIG_MAX_BYTES)
        return -EINVAL;
    void *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (text == MAP_FAILED)
        return -errno;
    *ret = (struct prl_span){text, (size_t)st.st_size};
    return 0;
}

int prl_running_config(const struct prl_running *running, char **ret, struct prl_error *reterr)
{
    static const struct prl_span empty = {"{}", 2};
    char path[PATH_MAX];
    size_t brief_len;
    struct prl_span json, filter;
    snprintf(path, sizeof path, "%s/config.json", running->directory);
    int r = map_config(path, &json);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_STATE, -r, "open", path);
    bool found = prl_span_find(json, "linux", "seccomp", &filter);
    if (!found)
        filter = (struct prl_span){json.at, 0};
    *ret = prl_span_replace(json, filter, found ? empty : filter, &brief_len);
    munmap((void *)json.at, json.len);
    return *ret ? 0 : prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "config.json");
}
