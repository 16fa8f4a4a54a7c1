/* attack: executes a copy of itself that may not be read, which leaves perf's clock
 * verdict: TLE
 * outside: the time is seen by other means
 * limits: cpu=300ms wall=60s
 * holds: cpu-ms 300..600 */
#include <sys/stat.h>
#include <unistd.h>

int main(int count, char **args)
{
    if (count == 1) {
        chmod(args[0], 0111);
        execl(args[0], args[0], "again", (char *)0);
        return 1;
    }
    for (;;)
        __asm__ volatile("");
}
