/* attack: watches who opens and reads files that boxes share read-only, and locks them
 * verdict: OK
 * outside: nothing is seen of others
 * limits: cpu=5s wall=60s */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CACHESTAT = 451, SETDELEG = 1040, NOWAIT = 8 };

static const char *places[] = {"/usr", "/usr/bin", "/usr/bin/env", "/usr/lib", "/", "/etc"};

static int watch(const char *place)
{
    char byte;
    struct iovec to = {&byte, 1};
    unsigned long range[2] = {0, 4096}, found[5];
    int wrong = 0, fd = open(place, O_RDONLY);
    if (fd < 0)
        return 0;
    if (fcntl(fd, F_NOTIFY, DN_ACCESS | DN_MODIFY | DN_CREATE | DN_MULTISHOT) == 0)
        wrong = printf("through: F_NOTIFY %s\n", place);
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
        wrong = printf("through: F_SETLEASE %s\n", place);
    if (fcntl(fd, SETDELEG, &(long[2]){0, 0}) == 0)
        wrong = printf("through: F_SETDELEG %s\n", place);
    if (syscall(CACHESTAT, fd, range, found, 0) == 0)
        wrong = printf("through: cachestat %s\n", place);
    if (preadv2(fd, &to, 1, 0, NOWAIT) >= 0)
        wrong = printf("through: RWF_NOWAIT %s\n", place);
    close(fd);
    return wrong;
}

/* The box's own, where it could succeed if the call were there. */
static int lease_of_its_own(void)
{
    int fd = open("own", O_CREAT | O_RDONLY, 0600);
    if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
        return printf("through: F_SETLEASE\n");
    return 0;
}

int main(void)
{
    int wrong = lease_of_its_own();
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
        wrong |= watch(places[i]);
    if (inotify_init() >= 0)
        wrong = printf("through: inotify\n");
    return wrong != 0;
}
