/* state_fixture.h: what the tests of the room "state" share: a store and a runtime directory of
 * their own below a fresh directory in /tmp.  In: nothing of the user's.  Out: `dirs`, `error`.
 * Never: the user's own store. */
#pragma once

#include "base/io.h"
#include "base/sys.h"
#include "check.h"
#include "container/state/entry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRANGER = 65534, NO_NAMESPACE = 50 };

__attribute__((unused)) static char top[64], data[96], session[96];
static struct prl_dirs dirs;
static struct prl_error error;

static inline void open_dirs(void)
{
    if (prl_dirs_open(data, &dirs, &error) < 0) {
        printf("  %s(%s)\n", error.syscall, error.subject);
        exit(99);
    }
}

static inline void fresh_below(const char *base, uid_t owner)
{
    snprintf(top, sizeof top, "%s/prl-state-XXXXXX", base);
    if (!mkdtemp(top))
        exit(99);
    snprintf(data, sizeof data, "%s/data", top);
    snprintf(session, sizeof session, "%s/run", top);
    if (mkdir(session, 0700) < 0 ||
        (owner && geteuid() == 0 &&
         (chown(top, owner, owner) < 0 || chown(session, owner, owner) < 0)))
        exit(99);
    setenv("XDG_RUNTIME_DIR", session, 1);
    unsetenv("PYROOTLESS_ROOT");
}

static inline void fresh(uid_t owner)
{
    fresh_below("/tmp", owner);
}

static inline void begin(void)
{
    fresh(0);
    open_dirs();
}

/* For tests that make thousands of directories: in memory where possible. */
static inline void begin_in_memory(void)
{
    fresh_below(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", 0);
    open_dirs();
}

static inline void end(void)
{
    prl_dirs_close(&dirs);
    prl_io_remove_tree(AT_FDCWD, top);
}

/* Entries of a directory below `top`; -1 when it is not there. */
static inline int count(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", top, name);
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    int n = 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static inline int mode_of(int dir_fd, const char *name)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
                                                               : (int)(st.st_mode & 07777);
}

static inline int create(const char *name, bool remove, bool ephemeral, struct prl_state *ret)
{
    struct prl_state_options options = {
        .name = name, .remove = remove, .ephemeral = ephemeral, .upper = !ephemeral};
    return prl_state_create(&dirs, &options, ret, &error);
}

/* Pretend that this process is the container. */
static inline int mark_begun(struct prl_state *state, pid_t pid)
{
    const struct prl_child child = {.pid = pid, .pidfd = -1, .terminal_fd = -1};
    return prl_state_write_child(state, &child, &error);
}

/* The monitor is killed: its locks fall, nothing else happens. */
static inline void die(struct prl_state *state)
{
    prl_state_close(state);
}

static inline void read_text(int dir_fd, const char *path, char *ret, size_t size)
{
    char *text = NULL;
    size_t len = 0;
    ret[0] = '\0';
    if (prl_io_read_file(dir_fd, path, size - 1, &text, &len) == 0)
        memcpy(ret, text, len + 1);
    free(text);
}

static inline int in_child(int (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(body());
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
