/* attack: includes itself and complains each time
 * verdict: CE
 * outside: the compiler's output has a limit
 * limits: cpu=2s wall=60s memory=512M procs=64 disk=64M inodes=1024 output=64K
 * at: compile */
#pragma GCC warning                                                                            \
    "once more: there is much to complain about, and this line says so at length"
#if __INCLUDE_LEVEL__ < 190
#include "compile-flood.c"
#endif
int main(void)
{
    return 0;
}
