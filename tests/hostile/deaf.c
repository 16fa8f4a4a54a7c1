/* attack: ignores and blocks every signal there is, and computes
 * verdict: TLE
 * outside: it dies all the same
 * limits: cpu=300ms wall=60s
 * holds: cpu-ms ..600 */
#include <signal.h>

int main(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    for (;;)
        __asm__ volatile("");
}
