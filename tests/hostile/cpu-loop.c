/* attack: computes for ever
 * verdict: TLE
 * outside: the time on the bill is that of the limit
 * limits: cpu=250ms wall=60s
 * holds: cpu-ms 250..400 */
int main(void)
{
    for (;;)
        __asm__ volatile("");
}
