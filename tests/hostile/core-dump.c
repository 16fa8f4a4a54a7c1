/* attack: dies with much memory, so that its core would be large
 * verdict: SG
 * outside: no core is written, and no program of the host's gets one */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int main(void)
{
    struct rlimit core, none = {0, 0};
    getrlimit(RLIMIT_CORE, &core);
    rlim_t before = core.rlim_max;
    setrlimit(RLIMIT_CORE, &none); /* 0 lets a core through to a program, 1 does not */
    getrlimit(RLIMIT_CORE, &core);
    if (before > 1 || core.rlim_cur != before) {
        printf("through: RLIMIT_CORE is %ld\n", (long)core.rlim_cur);
        return 1;
    }
    char *block = malloc(100 << 20);
    memset(block, 1, 100 << 20);
    __asm__ volatile("" : : "r"(block) : "memory"); /* it is used */
    abort();
}
