/* attack: starts threads without end: they count as processes
 * verdict: OK
 * outside: no process of it is left and the next run is as fast as before
 * limits: cpu=5s procs=16 memory=512M stack=1M */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *stay(void *unused)
{
    (void)unused;
    for (;;)
        pause();
}

int main(void)
{
    int started = 1; /* the first one */
    pthread_t thread;
    while (started < 1000 && pthread_create(&thread, NULL, stay, NULL) == 0)
        started++;
    printf("%d threads\n", started);
    return started > 16;
}
