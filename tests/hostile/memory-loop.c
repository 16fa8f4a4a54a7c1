/* attack: allocates and touches memory to the end
 * verdict: MLE
 * outside: its peak is about the limit
 * limits: cpu=10s wall=60s memory=64M
 * holds: memory-mib 60..110 */
#include <stdlib.h>
#include <string.h>

int main(void)
{
    for (;;) {
        char *block = malloc(1 << 20);
        if (block)
            memset(block, 1, 1 << 20);
    }
}
