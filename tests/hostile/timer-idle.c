/* attack: wakes by a timer now and then and does nothing
 * verdict: ILE
 * outside: no process of it is left and the next run is as fast as before
 * limits: wall=1s */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static void nothing(int number)
{
    (void)number;
}

int main(void)
{
    struct itimerval often = {{0, 20000}, {0, 20000}};
    signal(SIGALRM, nothing);
    setitimer(ITIMER_REAL, &often, NULL);
    for (;;)
        pause();
}
