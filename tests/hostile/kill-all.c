/* attack: kills everything it can name, and then itself
 * verdict: SG
 * outside: only the box dies */
#include <signal.h>
#include <unistd.h>

int main(void)
{
    kill(1, SIGKILL);
    kill(0 - 1, SIGKILL);
    kill(1, SIGSTOP);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}
