/* fuse.c: the server of a FUSE root file system.
 * In: the descriptor of the mount, layers, upper.  Out: fuse-overlayfs running beside the
 * launcher: in the container's user namespace, so that owners are what the container sees, and
 * in the host's process namespace, out of its reach.  Never: a path of the host in its command
 * line; any descriptor of ours beyond its own; waiting for it here.
 *
 * What ends it is the mount: when the container's mount namespace goes, however that comes, the
 * kernel closes the connection after the last write was carried out.  A parent-death signal
 * would end it before those writes, so it has none.
 *
 * Its directories are named by descriptor: 3 is the mount, 4 and up the layers, upper, work. An
 * upper in memory lies in a tmpfs of the server's own mount namespace and goes with it.
 * Source: fuse-overlayfs(1), libfuse's lib/mount.c ("/dev/fd/N" is a mount made already). */
#include "launch/serve/parent.h"

#include "base/arena.h"
#include "base/own.h"
#include "base/process/helper.h"
#include "launch/steps/exports.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { STACK_BYTES = 128 * 1024, SAFE_FD = 10, FUSE_FD = 3, LAYERS_FD = 4, CAP_BITS = 64 };

/* Shared with the new process until it executes the server. */
struct server {
    const struct prl_setup *setup;
    const char **argv;
    const char *upper, *work;
    int namespace_fd, fuse_fd, complaint_fd, null_fd;
    struct prl_error error; /* why it never executed; errnum 0: it did */
};

/* --- in the new process: raw calls, since it shares the memory of a program with threads ---
 */

static int PRL_CHILD_SAFE fail_here(struct server *v, const char *syscall, const char *subject)
{
    return prl_fail(&v->error, PRL_STAGE_ROOTFS, syscall, subject);
}

/* Root of the container where it has one; the capabilities are kept over the exec where not. */
static int PRL_CHILD_SAFE enter_namespace(struct server *v)
{
    uint64_t effective, permitted;
    if (setns(v->namespace_fd, CLONE_NEWUSER) < 0)
        return fail_here(v, "setns", "user namespace of the container");
    if (syscall(SYS_setresgid, 0, 0, 0) == 0 && syscall(SYS_setresuid, 0, 0, 0) == 0)
        return 0;
    if (prl_sys_capget(&effective, &permitted) < 0 ||
        prl_sys_capset(effective, permitted, permitted) < 0)
        return fail_here(v, "capset", "capabilities of fuse-overlayfs");
    for (int bit = 0; bit < CAP_BITS; bit++)
        if (permitted >> bit & 1)
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0);
    return 0;
}

/* 0, 1: nothing; 2: what it complains of; 3: the mount; all others closed. */
static int PRL_CHILD_SAFE arrange_descriptors(struct server *v)
{
    int null = fcntl(v->null_fd, F_DUPFD, SAFE_FD), fuse = fcntl(v->fuse_fd, F_DUPFD, SAFE_FD),
        complaint = fcntl(v->complaint_fd, F_DUPFD, SAFE_FD);
    if (null < 0 || fuse < 0 || complaint < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
        dup2(complaint, 2) < 0 || dup2(fuse, FUSE_FD) < 0)
        return fail_here(v, "dup2", "descriptors of fuse-overlayfs");
    if (prl_sys_close_range(LAYERS_FD, UINT_MAX) < 0)
        return fail_here(v, "close_range", "descriptors of fuse-overlayfs");
    return 0;
}

/* Inherited, and in order: the command line has their numbers. */
static int PRL_CHILD_SAFE open_next(struct server *v, int dir_fd, const char *path, int number)
{
    int fd = openat(dir_fd, path, O_PATH | O_DIRECTORY);
    if (fd == number)
        return 0;
    errno = fd < 0 ? errno : EBADF;
    return fail_here(v, "open", path);
}

static int PRL_CHILD_SAFE open_directories(struct server *v)
{
    const struct prl_rootfs *root = &v->setup->spec->rootfs;
    int number = LAYERS_FD;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (size_t i = 0; i < root->lowers_len; i++) {
        int r = open_next(v, AT_FDCWD, root->lowers[i], number++);
        if (r < 0)
            return r;
    }
    if (root->upper == PRL_UPPER_TMPFS) {
        const char *stage = v->setup->spec->rootfs.path;
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
            return fail_here(v, "unshare", "mount namespace of fuse-overlayfs");
        if (mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, v->setup->tmpfs_data) < 0)
            return fail_here(v, "mount", "tmpfs for the upper directory");
        if (chdir(stage) < 0 || mkdir("upper", 0755) < 0 || mkdir("work", 0755) < 0)
            return fail_here(v, "mkdir", "upper directory on tmpfs");
        int r = open_next(v, AT_FDCWD, "upper", number);
        return r < 0 ? r : open_next(v, AT_FDCWD, "work", number + 1);
    }
    int r = open_next(v, AT_FDCWD, root->upper_path, number);
    return r < 0 ? r : open_next(v, AT_FDCWD, root->work_path, number + 1);
}

static int PRL_CHILD_SAFE execute(struct server *v)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                              NULL};
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_IGN); /* nobody reads its complaints once the container runs */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail_here(v, "prctl", "PR_SET_NO_NEW_PRIVS");
    if (chdir("/") < 0)
        return fail_here(v, "chdir", "/");
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(v->argv[0], (char *const *)v->argv, (char *const *)environment);
    return fail_here(v, "execve", v->argv[0]);
}

static int PRL_CHILD_SAFE server_main(void *data)
{
    struct server *v = data;
    umask(0);
    int r = enter_namespace(v);
    if (r == 0)
        r = arrange_descriptors(v);
    if (r == 0)
        r = open_directories(v);
    if (r == 0)
        execute(v);
    return 127;
}

/* --- in the launcher --- */

/* "lowerdir=/proc/self/fd/4:…,upperdir=…,workdir=…" */
static char *directories_option(const struct prl_rootfs *root, struct prl_arena *arena)
{
    enum { NAME_BYTES = sizeof ":/proc/self/fd/123456" };
    size_t size = (root->lowers_len + 2) * NAME_BYTES + 64;
    char *text = prl_arena_alloc(arena, size);
    size_t used = 0;
    int number = LAYERS_FD;
    if (!text)
        return NULL;
    for (size_t i = 0; i < root->lowers_len; i++)
        used += (size_t)snprintf(text + used, size - used, "%s/proc/self/fd/%d",
                                 i ? ":" : "lowerdir=", number++);
    snprintf(text + used, size - used, ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d%s",
             number, number + 1, root->upper_volatile ? ",volatile" : "");
    return text;
}

static int open_channels(struct server *v, pid_t pid, int *ret_complaint_fd,
                         struct prl_error *reterr)
{
    char path[40];
    int pair[2];
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    v->namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (v->namespace_fd < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", path);
    v->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (v->null_fd < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", "/dev/null");
    /* Full or unread, it stops nobody. */
    if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "pipe2", "fuse-overlayfs");
    *ret_complaint_fd = pair[0];
    v->complaint_fd = pair[1];
    return 0;
}

static int prepare_server(struct server *v, struct prl_arena *arena, struct prl_error *reterr)
{
    const struct prl_rootfs *root = &v->setup->spec->rootfs;
    v->argv = prl_arena_alloc(arena, 6 * sizeof *v->argv);
    char *directories = directories_option(root, arena);
    if (!v->argv || !directories)
        return prl_fail_with(reterr, PRL_STAGE_ROOTFS, ENOMEM, "malloc", "fuse-overlayfs");
    v->argv[0] = root->fuse_program;
    v->argv[1] = "-f";
    v->argv[2] = "-o";
    v->argv[3] = directories;
    v->argv[4] = "/dev/fd/3";
    return 0;
}

int prl_serve_fuse(struct prl_setup *setup, struct prl_child *child, int fuse_fd,
                   struct prl_error *reterr)
{
    struct server v = {.setup = setup, .fuse_fd = fuse_fd};
    struct prl_arena *arena = prl_arena_new();
    v.namespace_fd = v.complaint_fd = v.null_fd = -1;
    int r = arena ? prepare_server(&v, arena, reterr)
                  : prl_fail_with(reterr, PRL_STAGE_ROOTFS, ENOMEM, "malloc", "fuse-overlayfs");
    if (r == 0)
        r = open_channels(&v, child->pid, &setup->complaint_fd, reterr);
    if (r == 0) {
        pid_t pid = prl_sys_clone_shared(STACK_BYTES, server_main, &v);
        r = pid < 0 ? prl_fail(reterr, PRL_STAGE_ROOTFS, "clone3", "fuse-overlayfs") : 0;
        if (pid > 0)
            child->helper = pid;
        if (pid > 0 && v.error.errnum) {
            *reterr = v.error;
            r = -v.error.errnum;
        }
    }
    prl_close_p(&v.namespace_fd);
    prl_close_p(&v.null_fd);
    prl_close_p(&v.complaint_fd);
    prl_arena_free(arena);
    return r;
}

void prl_serve_fuse_complaint(int complaint_fd, struct prl_error *reterr)
{
    char text[2048];
    bool its_own = reterr->stage == PRL_STAGE_ROOTFS && strcmp(reterr->syscall, "open") == 0 &&
                   strcmp(reterr->subject, PRL_FUSE_NAME) == 0;
    ssize_t n = its_own && complaint_fd >= 0 ? read(complaint_fd, text, sizeof text - 1) : 0;
    if (n <= 0)
        return;
    text[n] = '\0';
    prl_fail_with(reterr, PRL_STAGE_ROOTFS, reterr->errnum, PRL_FUSE_NAME,
                  prl_helper_last_line(text));
}
