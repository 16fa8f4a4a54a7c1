/* attack: spreads memory over children, each of them below the limit
 * verdict: MLE
 * outside: the limit is that of all together
 * limits: cpu=10s wall=3s memory=64M */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    for (int i = 0; i < 12; i++)
        if (fork() == 0) {
            char *block = malloc(20 << 20);
            memset(block, 1, 20 << 20);
            __asm__ volatile("" : : "r"(block) : "memory"); /* it is used */
            break;
        }
    for (;;)
        pause();
}
