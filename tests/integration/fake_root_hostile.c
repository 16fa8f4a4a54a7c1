/* fake_root_hostile.c: a program that wants more from the fake root than it gives.
 * In: the name of a trial.  Out: one line a result; it hangs or dies where the engine fails. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *result(long r)
{
    return r < 0 ? strerrorname_np(errno) : "0";
}

/* Addresses that are not there, at an edge, or read-only. */
static void pointers(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    memset(page, 'a', 4096);
    printf("path nowhere %s\n", result(syscall(SYS_chown, 8, 1, 1)));
    printf("path off the edge %s\n", result(syscall(SYS_chown, page + 4000, 1, 1)));
    strcpy(page + 4094, "/");
    printf("path at the edge %s\n", result(syscall(SYS_chown, page + 4094, 1, 1)));
    printf("stat into nowhere %s\n", result(syscall(SYS_stat, "/", 8)));
    printf("stat over the edge %s\n", result(syscall(SYS_stat, "/", page + 4000)));
    printf("stat into text %s\n", result(syscall(SYS_stat, "/", (void *)pointers)));
    printf("getresuid %s\n", result(syscall(SYS_getresuid, 8, 8, 8)));
    printf("setgroups %s\n", result(syscall(SYS_setgroups, 3, 8)));
    printf("setgroups many %s\n", result(syscall(SYS_setgroups, 65536, page)));
    printf("getgroups -1 %s\n", result(syscall(SYS_getgroups, -1, page)));
}

static void paths(void)
{
    char *text = malloc(1 << 20);
    memset(text, 'a', 1 << 20);
    text[(1 << 20) - 1] = '\0';
    printf("a million letters %s\n", result(chown(text, 1, 1)));
    text[300] = '\0';
    printf("a long name %s\n", result(chown(text, 1, 1)));
    printf("mknod of a long name %s\n", result(mknod(text, S_IFCHR | 0600, 0x103)));
    printf("nothing %s\n", result(chown("", 1, 1)));
    printf("nothing made %s\n", result(mknod("", S_IFCHR | 0600, 0x103)));
    printf("dot dot %s\n", result(mknod("/..", S_IFCHR | 0600, 0x103)));
    printf("no descriptor %s\n", result(fchown(77, 1, 1)));
    printf("flags %s\n", result(fchownat(AT_FDCWD, "/", 1, 1, 0x40000000)));
    symlink("loop", "/tmp/loop");
    printf("loop %s\n", result(chown("/tmp/loop", 1, 1)));
    printf("through a file %s\n", result(chown("/bin/busybox/x", 1, 1)));
    printf("process 1's root %s\n", result(chown("/proc/1/root/bin", 1, 1)));
}

/* The value that carries the ids cannot be written from inside. */
static void limit(void)
{
    struct rlimit forged = {0x70726c6900000001, RLIM_INFINITY}, seen;
    printf("setrlimit %s\n", result(setrlimit(RLIMIT_LOCKS, &forged)));
    printf("getrlimit %s\n", result(getrlimit(RLIMIT_LOCKS, &seen)));
    printf("unlimited %d\n", seen.rlim_cur == RLIM_INFINITY);
    printf("uid %d\n", (int)getuid());
}

static void one_of_many(int i)
{
    char name[32];
    struct stat st;
    snprintf(name, sizeof name, "/tmp/many-%d", i);
    if (setresuid(i + 1, i + 1, i + 1) < 0)
        _exit(1);
    for (int n = 0; n < 50; n++) {
        close(open(name, O_CREAT | O_WRONLY, 0600));
        if (stat(name, &st) < 0 || (int)st.st_uid != i + 1 || (int)getuid() != i + 1)
            _exit(2);
        unlink(name);
    }
    _exit(0);
}

static void many(void)
{
    int good = 0, status;
    for (int i = 0; i < 100; i++)
        if (fork() == 0)
            one_of_many(i);
    for (int i = 0; i < 100; i++)
        good += wait(&status) > 0 && status == 0;
    printf("good %d\n", good);
}

static char shared_path[PATH_MAX];
static volatile int swapping = 1;

static void *swap(void *unused)
{
    for (unsigned i = 0; swapping; i++)
        strcpy(shared_path, i % 2 ? "/tmp/mine" : "/etc/passwd");
    return unused;
}

/* The path changes while it is read, and the file behind a name too. */
static void race(void)
{
    pthread_t thread;
    struct stat st;
    close(open("/tmp/mine", O_CREAT | O_WRONLY, 0600));
    strcpy(shared_path, "/tmp/mine");
    pthread_create(&thread, NULL, swap, NULL);
    for (int i = 0; i < 500; i++) {
        (void)!chown(shared_path, 7, 7);
        (void)stat(shared_path, &st);
        unlink("/tmp/swapped");
        (void)!symlink(i % 2 ? "/etc" : "/tmp", "/tmp/swapped");
        (void)!chown("/tmp/swapped/passwd", 8, 8);
    }
    swapping = 0;
    pthread_join(thread, NULL);
    printf("done\n");
}

static void busy(void)
{
    struct stat st;
    for (;;) {
        (void)!chown("/tmp", 3, 3);
        stat("/tmp", &st);
    }
}

/* Processes die in the middle of calls that are being answered. */
static void killed(void)
{
    for (int i = 0; i < 200; i++) {
        pid_t pid = fork();
        if (pid == 0)
            busy();
        for (int spin = 0; spin < i * 50; spin++)
            (void)getppid();
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    printf("done %d\n", (int)getuid());
}

/* An access list: its owner, perhaps somebody else, the group, a mask, the others. */
static long list(int by, const char *name, unsigned who, unsigned end)
{
    struct {
        unsigned version;
        struct {
            unsigned short tag, bits;
            unsigned id;
        } of[5];
    } acl = {2, {{1, 6, -1}, {2, 4, who}, {4, 4, -1}, {16, 4, -1}, {32, 0, -1}}};
    struct {
        unsigned long value;
        unsigned size, flags;
    } at = {(unsigned long)&acl, end, 0};
    int fd = open("/tmp", O_RDONLY);
    if (by == 0)
        return syscall(SYS_setxattr, "/tmp", name, &acl, end, 0);
    if (by == 1)
        return syscall(SYS_lsetxattr, "/tmp", name, &acl, end, 0);
    if (by == 2)
        return syscall(SYS_fsetxattr, fd, name, &acl, end, 0);
    long r = syscall(463, AT_FDCWD, "/tmp", 0, name, &at, sizeof at);
    if (r < 0 && errno == ENOSYS)
        errno = EOPNOTSUPP; /* a kernel before 6.13 */
    return r;
}

static void lists(void)
{
    const char *access = "system.posix_acl_access", *other = "system.posix_acl_default";
    for (int by = 0; by < 4; by++)
        printf("%d %s\n", by, result(list(by, access, 5, 44)));
    printf("handed on %s\n", result(list(0, other, 5, 44)));
    printf("of root %s\n", result(list(0, access, 0, 44)));
    printf("cut %s\n", result(list(0, access, 5, 43)));
    printf("another %s\n", result(list(0, "user.posix_acl_access", 5, 44)));
    printf("no name %s\n", result(syscall(SYS_setxattr, "/tmp", (void *)1, "", 0, 0)));
    printf("no list %s\n", result(syscall(SYS_setxattr, "/tmp", access, (void *)1, 44, 0)));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } trials[] = {{"pointers", pointers}, {"paths", paths},   {"limit", limit}, {"many", many},
                  {"race", race},         {"killed", killed}, {"lists", lists}};
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        if (argc > 1 && strcmp(trials[i].name, argv[1]) == 0) {
            trials[i].run();
            return 0;
        }
    return 2;
}
