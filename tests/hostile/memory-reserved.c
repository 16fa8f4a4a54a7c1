/* attack: reserves 100 GiB and touches nothing
 * verdict: OK
 * outside: what is not used is no memory
 * limits: cpu=10s wall=60s memory=64M */
#include <stddef.h>
#include <sys/mman.h>

int main(void)
{
    mmap(NULL, 100ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
         -1, 0);
    return 0;
}
