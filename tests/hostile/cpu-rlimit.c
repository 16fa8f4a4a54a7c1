/* attack: takes processor time from itself, and ends by a signal that says nothing of it
 * verdict: TLE
 * outside: every limit of processor time is told as one
 * limits: cpu=1200ms wall=60s
 * holds: cpu-ms 1200..2000 */
#include <sys/resource.h>

int main(void)
{
    setrlimit(RLIMIT_CPU, &(struct rlimit){1, 1});
    for (;;)
        ;
}
