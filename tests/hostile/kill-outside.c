/* attack: signals the judge by guessed numbers, its parent and its process group
 * verdict: OK
 * outside: nobody outside hears it */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    int port, guard, judge;
    char name[100];
    if (scanf("%d %99s %d %d", &port, name, &guard, &judge) != 4)
        return 2;
    signal(SIGTERM, SIG_IGN);
    for (int pid = 2; pid < 70000; pid++)
        if (pid != getpid() && kill(pid, SIGKILL) == 0)
            return 1;
    kill(guard, SIGKILL);
    kill(judge, SIGTERM);
    kill(getppid(), SIGTERM);
    kill(0, SIGTERM);
    return 0;
}
