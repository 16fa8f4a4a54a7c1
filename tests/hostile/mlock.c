/* attack: locks memory
 * verdict: OK
 * outside: refused */
#include <stdlib.h>
#include <sys/mman.h>

int main(void)
{
    size_t size = 8 << 20;
    return mlockall(MCL_CURRENT | MCL_FUTURE) == 0 || mlock(malloc(size), size) == 0;
}
