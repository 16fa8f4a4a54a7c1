/* attack: fills shared anonymous memory
 * verdict: MLE
 * outside: it counts as private memory does
 * limits: cpu=10s wall=60s memory=64M */
#include <string.h>
#include <sys/mman.h>

int main(void)
{
    size_t size = 512ul << 20;
    char *block = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return 1;
    memset(block, 1, size);
    return 0;
}
