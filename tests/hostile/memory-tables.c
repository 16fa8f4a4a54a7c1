/* attack: touches one byte in each 2 MiB of a huge reservation: page tables without pages
 * verdict: MLE
 * outside: the tables count as its memory
 * limits: cpu=10s wall=60s memory=64M */
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
    size_t size = 1ul << 40, step = 2ul << 20;
    volatile char *block =
        mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED)
        return 1;
    madvise((void *)block, size, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < size; at += step)
        (void)block[at];
    return pause(); /* without a group only a look sees them, and there is no peak of them */
}
