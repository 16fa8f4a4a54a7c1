/* attack: computes in orphans of orphans
 * verdict: OK
 * outside: their time is billed
 * limits: cpu=10s wall=60s
 * burns: 500ms */
#include <time.h>
#include <unistd.h>

static void burn(long ms)
{
    struct timespec now;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < ms);
}

int main(void)
{
    int gone[2];
    char byte;
    if (pipe(gone) < 0)
        return 1;
    for (int i = 0; i < 5; i++)
        if (fork() == 0) {
            if (fork() == 0) {
                setsid();
                if (fork() == 0)
                    burn(100);
            }
            _exit(0);
        }
    close(gone[1]);
    return read(gone[0], &byte, 1) != 0; /* the end of the last of them */
}
