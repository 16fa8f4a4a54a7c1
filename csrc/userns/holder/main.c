/* main.c: the holder: `pyrootless _holder DIR UIDS GIDS SECONDS`.
 * In: a directory, ids, how long to stay without a start.  Out: a user namespace with these
 * ids, for as long as this process lives. Never: a capability, once it listens; a byte read
 * from anybody; an answer; a container's file, mount, process or socket.  It may be killed at
 * any moment: a container that was started with its help keeps the namespace, and the next
 * start does without.
 *
 * It ends when nobody has connected for SECONDS, and at once when its socket or the directory
 * is removed. */
#include "userns/holder/main.h"
#include "userns/holder/keeper.h"

#include "base/io.h"
#include "base/own.h"
#include "base/process/pass.h"
#include "base/sys.h"
#include "userns/mapping.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { BACKLOG = 1024, LOOK_MS = 1000 };

struct holder {
    const char *dir;
    struct prl_holder_key key;
    unsigned long idle_seconds;
    int dir_fd, lock_fd, socket_fd, watch_fd;
    ino_t inode; /* of the socket's name */
};

/* Removes the sockets of dead holders and of other versions, which then end.  Returns how many
 * live; -EEXIST: one of them is the same as we. */
static int count_living(const struct holder *h)
{
    int living = 0;
    _cleanup_closedir_ DIR *dir = prl_io_list(h->dir_fd, ".");
    if (!dir)
        return -errno;
    size_t version = strcspn(h->key.name, "-") + 1;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0)
            continue;
        _cleanup_close_ int fd = prl_holder_connect(h->dir_fd, entry->d_name);
        bool lives = fd >= 0 || fd == -EAGAIN;
        if (!lives || strncmp(entry->d_name, h->key.name, version) != 0) {
            unlinkat(h->dir_fd, entry->d_name, 0);
        } else if (strcmp(entry->d_name, h->key.name) == 0)
            return -EEXIST;
        else
            living++;
    }
    return living;
}

static int enter_namespace(struct holder *h)
{
    struct prl_error error;
    static struct prl_idmap uids[PRL_IDMAP_ROWS], gids[PRL_IDMAP_ROWS];
    struct prl_mapping maps = {.uids = uids, .gids = gids};
    maps.uids_len = prl_ids_map(PRL_IDS_MAP_RANGE, geteuid(), &h->key.uids, uids);
    maps.gids_len = prl_ids_map(PRL_IDS_MAP_RANGE, getegid(), &h->key.gids, gids);
    int r = prl_mapping_enter(CLONE_NEWUSER, &maps, &error);
    if (r < 0)
        return r;
    /* What a namespace is kept with needs no power in it. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prl_sys_capset(0, 0, 0) < 0)
        return -errno;
    return 0;
}

/* The last step: whoever finds the socket may use the namespace. */
static int listen_there(struct holder *h)
{
    struct sockaddr_un address;
    int r = prl_pass_address(h->dir_fd, h->key.name, &address);
    if (r < 0)
        return r;
    h->socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->socket_fd < 0 || bind(h->socket_fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    struct stat st;
    if (fstatat(h->dir_fd, h->key.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    h->inode = st.st_ino;
    return listen(h->socket_fd, BACKLOG) < 0 ? -errno : 0;
}

/* -1: nobody tells; then the idle time alone ends us. */
static int watch_directory(const struct holder *h)
{
    char path[32];
    const uint32_t events = IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF;
    _cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0 || inotify_add_watch(fd, prl_sys_fd_path(h->dir_fd, path), events) < 0)
        return -1;
    return steal_fd(&fd);
}

/* Ours is still there under its name. */
static bool is_found(const struct holder *h)
{
    struct stat st;
    return fstatat(h->dir_fd, h->key.name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_ino == h->inode;
}

/* Whoever connected since the last look is gone already, or soon. */
static bool was_used(const struct holder *h)
{
    bool used = false;
    for (int fd; (fd = accept4(h->socket_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0; close(fd))
        used = true;
    return used;
}

static int become_holder(struct holder *h)
{
    struct stat st;
    if (mkdir(h->dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    h->dir_fd = open(h->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (h->dir_fd < 0 || fstat(h->dir_fd, &st) < 0)
        return -errno;
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return -EPERM;
    /* One process at a time makes a holder; a second one does not wait. */
    h->lock_fd = openat(h->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (h->lock_fd < 0 || flock(h->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    int r = count_living(h);
    if (r >= PRL_HOLDER_MOST)
        return -EBUSY;
    if (r >= 0)
        r = enter_namespace(h);
    if (r == 0)
        r = listen_there(h);
    if (r < 0)
        return r;
    h->watch_fd = watch_directory(h);
    return flock(h->lock_fd, LOCK_UN) < 0 ? -errno : 0;
}

int prl_holder_main(char **argv)
{
    static struct holder h;
    h.dir_fd = h.lock_fd = h.socket_fd = h.watch_fd = -1;
    for (int i = 0; i < 4; i++)
        if (!argv[i])
            return 125;
    h.dir = argv[0];
    h.idle_seconds = strtoul(argv[3], NULL, 10);
    umask(077);
    if (prl_holder_key_parse(argv[1], argv[2], &h.key) < 0 || become_holder(&h) < 0)
        return 125;
    /* A start wakes nobody: the backlog remembers it until the next look, and a look is taken
     * only once a second while there are starts. */
    const uint64_t idle_ns = h.idle_seconds * 1000000000ULL;
    uint64_t last_ns = prl_sys_now_ns();
    while (is_found(&h) && prl_sys_now_ns() - last_ns < idle_ns) {
        uint64_t left_ms = (idle_ns - (prl_sys_now_ns() - last_ns)) / 1000000 + 1;
        struct pollfd both[2] = {{.fd = h.socket_fd, .events = POLLIN},
                                 {.fd = h.watch_fd, .events = POLLIN}};
        (void)poll(both, 2, (int)left_ms);
        /* Until something happens in the directory. */
        _Alignas(struct inotify_event) char events[2048];
        struct pollfd one = {.fd = h.watch_fd, .events = POLLIN};
        if (poll(&one, 1, (both[0].revents ? LOOK_MS : 0)) > 0)
            while (read(h.watch_fd, events, sizeof events) > 0)
                ;
        if (was_used(&h))
            last_ns = prl_sys_now_ns();
    }
    if (is_found(&h) && flock(h.lock_fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(h.dir_fd, h.key.name, 0);
    return 0;
}
