/* attack: executes itself for ever: no process grows old
 * verdict: TLE
 * outside: the clock goes on through every exec
 * limits: cpu=300ms wall=60s
 * holds: cpu-ms ..600 */
#include <unistd.h>

int main(int count, char **args)
{
    (void)count;
    execv("/proc/self/exe", args);
    return 1;
}
