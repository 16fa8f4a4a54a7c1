/* barrier.c: the start barrier: process 1 of a prepared container, which waits for its program.
 * It has no C library. In: argv = "barrier", number of the socket (of a sandbox
 * "SOCKET,OUTCOME", which the init gets), number of the small init's descriptor if that is to
 * be process 1; one message on the socket (wish.h) with the standard streams. Out: the program
 * in its place, or a record on the socket that says why not. Never: a second request; a
 * container that outlives the other end of the socket; a magic link of /proc on the way to the
 * program, its interpreter or the working directory (exec.c says why); anything of the engine's
 * memory: it was executed from a sealed memory file like the init.
 *
 * Everything is set up when it begins: capabilities are gone, the filter is in force. */
#include "init/start.h"

#include "base/sys_abi.h"
#include "init/interpreter.h"
#include "init/wish.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
    STREAMS = 3,
    ROOM_BYTES = 8192, /* most requests; a larger one gets memory of its own */
    PATH_BYTES = 4096,
    FAILED = 127,
};

/* Not static in a function: its pages are touched before the request comes. */
static char room[ROOM_BYTES];

struct barrier {
    int socket_fd, init_fd; /* init_fd -1: the program itself is process 1 */
    const char *socket_number;
    struct prl_wish_head head;
    int streams[STREAMS];
    char *block;
};

static _Noreturn void leave(int code)
{
    for (;;)
        call(NR_EXIT, (ulong)code, 0, 0, 0);
}

static _Noreturn void fail(const struct barrier *g, unsigned stage, long error,
                           const char *const names[2])
{
    report(g->socket_fd, stage, error, names);
    leave(FAILED);
}

static long open_path(const char *path, ulong flags)
{
    const struct prl_open_how how = {.flags = flags | O_CLOEXEC,
                                     .resolve = PRL_RESOLVE_NO_MAGICLINKS};
    return call(NR_OPENAT2, (ulong)AT_FDCWD, (ulong)path, (ulong)&how, sizeof how);
}

/* The head, its descriptors, and as much of the block as came along. */
static long receive_head(struct barrier *g)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(STREAMS * sizeof(int))];
    } control;
    struct iovec parts[2] = {{&g->head, sizeof g->head}, {room, ROOM_BYTES}};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    long n = call(NR_RECVMSG, (ulong)g->socket_fd, (ulong)&message, MSG_CMSG_CLOEXEC, 0);
    if (n < (long)sizeof g->head)
        leave(0); /* nobody will ever wish anything */
    if (message.msg_flags & MSG_CTRUNC)
        fail(g, PRL_STAGE_TERMINAL, -EMFILE, (const char *[]){"recvmsg", "standard streams"});
    struct cmsghdr *cmsg = message.msg_controllen >= sizeof *cmsg ? &control.header : NULL;
    const int *came = cmsg ? (const int *)CMSG_DATA(cmsg) : NULL;
    for (int i = 0; i < STREAMS; i++)
        g->streams[i] = came && (g->head.streams >> i & 1) ? *came++ : -1;
    return n - (long)sizeof g->head;
}

static void receive(struct barrier *g)
{
    ulong got = (ulong)receive_head(g), size = g->head.size;
    g->block = room;
    if (size > ROOM_BYTES) {
        long memory = call6(NR_MMAP, (const ulong[6]){0, size, PROT_READ | PROT_WRITE,
                                                      MAP_PRIVATE | MAP_ANONYMOUS, ~0UL, 0});
        if (memory < 0 && memory > -PATH_BYTES)
            fail(g, PRL_STAGE_EXEC, memory, (const char *[]){"mmap", "arguments"});
        g->block = (char *)memory; /* NOLINT: an address from the kernel */
        memcpy(g->block, room, got);
    }
    while (got < size) {
        long n = call(NR_READ, (ulong)g->socket_fd, (ulong)(g->block + got), size - got, 0);
        if (n <= 0)
            leave(0);
        got += (ulong)n;
    }
}

/* Numbers become addresses, in place. */
static char **array_at(const struct barrier *g, uint32_t at)
{
    uint64_t *numbers = (uint64_t *)(void *)(g->block + at);
    for (uint64_t *n = numbers; *n; n++)
        *n += (uint64_t)(ulong)g->block;
    return (char **)numbers;
}

static void change_directory(const struct barrier *g)
{
    static char now[PATH_BYTES];
    const char *cwd = g->block + g->head.cwd_at;
    if (!g->head.cwd_at)
        return;
    long fd = open_path(cwd, O_PATH | O_DIRECTORY);
    long r = fd < 0 ? fd : call(NR_FCHDIR, (ulong)fd, 0, 0, 0);
    if (r < 0)
        fail(g, PRL_STAGE_FDS, r, (const char *[]){"chdir", cwd});
    /* The kernel writes "(unreachable)" before a directory that is not beneath "/". */
    r = call(NR_GETCWD, (ulong)now, sizeof now, 0, 0);
    if (r < 0 || now[0] != '/')
        fail(g, PRL_STAGE_FDS, r < 0 ? r : -EXDEV, (const char *[]){"getcwd", cwd});
}

/* Regular, executable, reached without magic links; 0 or why not. */
static long check_file(const char *path)
{
    struct stat st;
    long fd = open_path(path, O_PATH);
    if (fd < 0)
        return fd == -ELOOP ? -EACCES : fd;
    long r = call(NR_FSTAT, (ulong)fd, (ulong)&st, 0, 0);
    call(NR_CLOSE, (ulong)fd, 0, 0, 0);
    if (r < 0)
        return r;
    return S_ISREG(st.st_mode) && (st.st_mode & 0111) ? 0 : -EACCES;
}

/* The same for its interpreters; the kernel looks a relative name up from the working
 * directory. */
static long check_program(const char *path)
{
    static char head[PRL_INTERPRETER_BYTES + 1];
    for (int depth = 0; depth < PRL_INTERPRETER_DEPTH; depth++) {
        long r = check_file(path);
        if (r < 0)
            return r;
        long fd = open_path(path, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
            return 0; /* executable but not readable: the kernel alone sees what it is */
        long n = call(NR_READ, (ulong)fd, (ulong)head, PRL_INTERPRETER_BYTES, 0);
        call(NR_CLOSE, (ulong)fd, 0, 0, 0);
        path = prl_interpreter_of(head, n);
        if (!path)
            return 0;
    }
    return 0;
}

static const char *find_program(const struct barrier *g, const char *name)
{
    long worst = -ENOENT;
    for (char **p = array_at(g, g->head.programs_at); *p; p++) {
        long why = check_program(*p);
        if (why == 0)
            return *p;
        if (why != -ENOENT && why != -ENOTDIR)
            worst = why;
    }
    fail(g, PRL_STAGE_EXEC, worst, (const char *[]){"execve", name});
}

/* The init reports for its child, then closes the socket. */
static long execute_init(const struct barrier *g, const char *program, char **args, char **env)
{
    char **own = args - PRL_WISH_SPARE;
    own[0] = (char *)"init";
    own[1] = (char *)g->socket_number;
    own[2] = (char *)program;
    call(NR_FCNTL, (ulong)g->socket_fd, F_SETFD, 0, 0);
    return call6(NR_EXECVEAT, (const ulong[6]){(ulong)g->init_fd, (ulong) "", (ulong)own,
                                               (ulong)env, AT_EMPTY_PATH, 0});
}

__attribute__((used, noreturn)) void bare_main(long *stack)
{
    static const char *const nothing[2] = {"", ""};
    static struct barrier g; /* touched with the room */
    long argc = stack[0];
    char **argv = (char **)(stack + 1);
    if (argc < 2)
        leave(FAILED);
    g.socket_number = argv[1];
    g.socket_fd = number(argv[1]);
    g.init_fd = argc > 2 ? number(argv[2]) : -1;
    call(NR_FCNTL, (ulong)g.socket_fd, F_SETFD, FD_CLOEXEC, 0);
    if (g.init_fd >= 0)
        call(NR_FCNTL, (ulong)g.init_fd, F_SETFD, FD_CLOEXEC, 0);
    memset(room, 0, sizeof room);
    receive(&g);
    for (int i = 0; i < STREAMS; i++) {
        long r = g.streams[i] < 0 ? 0 : call(NR_DUP3, (ulong)g.streams[i], (ulong)i, 0, 0);
        if (r < 0)
            fail(&g, PRL_STAGE_TERMINAL, r, (const char *[]){"dup3", "standard streams"});
    }
    change_directory(&g);
    char **args = array_at(&g, g.head.args_at), **env = array_at(&g, g.head.env_at);
    const char *program = find_program(&g, args[0]);
    report(g.socket_fd, PRL_STAGE_NONE, 0, nothing); /* the marker: exec comes next */
    long r;
    if (g.init_fd >= 0)
        r = execute_init(&g, program, args, env);
    else
        r = call(NR_EXECVE, (ulong)(g.head.typed ? args[0] : program), (ulong)args, (ulong)env,
                 0);
    fail(&g, PRL_STAGE_EXEC, r, (const char *[]){"execve", program});
}
