/* attack: crashes and makes forbidden calls without end, each a line in some log
 * verdict: TLE
 * outside: a good program runs as before
 * limits: cpu=300ms wall=60s procs=8 */
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    for (int i = 0;; i++) {
        if (fork() == 0) {
            if (i & 1)
                *(volatile int *)8 = 0;
            umount2("/", 0);
            _exit(0);
        }
        wait(NULL);
    }
}
