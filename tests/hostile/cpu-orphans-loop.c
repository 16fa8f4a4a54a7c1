/* attack: leaves an orphan that computes for ever, and sleeps itself
 * verdict: TLE
 * outside: the clock has the orphan
 * limits: cpu=250ms wall=60s
 * holds: cpu-ms 250..400 */
#include <unistd.h>

int main(void)
{
    if (fork() == 0) {
        if (fork() != 0)
            _exit(0);
        setsid();
        for (;;)
            __asm__ volatile("");
    }
    for (;;)
        pause();
}
