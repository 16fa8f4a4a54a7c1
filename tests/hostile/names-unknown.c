/* attack: looks for files that are not there, each of which the kernel remembers
 * verdict: TLE MLE
 * outside: others find theirs as before
 * limits: cpu=300ms wall=60s memory=64M */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    char path[60];
    for (unsigned long i = 0;; i++) {
        snprintf(path, sizeof path, "/usr/share/%lx-%d", i, (int)getpid());
        access(path, F_OK);
        access(path + 10, F_OK);
    }
}
