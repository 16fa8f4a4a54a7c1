/* attack: fills the disk with a file that has no name any more
 * verdict: OK DLE
 * outside: the blocks are those of the box
 * limits: cpu=10s wall=60s disk=8M inodes=256 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int main(void)
{
    static char block[65536];
    long total = 0, n;
    int fd = open("gone", O_CREAT | O_WRONLY, 0600);
    unlink("gone");
    signal(SIGXFSZ, SIG_IGN);
    while ((n = write(fd, block, sizeof block)) > 0)
        total += n;
    return total > 8 << 20;
}
