/* attack: computes for ever in eight threads
 * verdict: TLE
 * outside: the bill has all threads
 * limits: cpu=250ms wall=60s
 * holds: cpu-ms 250..400 */
#include <pthread.h>

static void *spin(void *unused)
{
    (void)unused;
    for (;;)
        __asm__ volatile("");
}

int main(void)
{
    pthread_t thread;
    for (int i = 0; i < 7; i++)
        pthread_create(&thread, 0, spin, 0);
    spin(0);
}
