/* attack: writes one file for ever
 * verdict: DLE
 * outside: the host's disk is as full as before
 * limits: cpu=10s wall=60s disk=8M inodes=256 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int main(void)
{
    static char block[65536];
    int fd = open("huge", O_CREAT | O_WRONLY, 0600);
    signal(SIGXFSZ, SIG_IGN);
    while (write(fd, block, sizeof block) > 0)
        ;
    return 0;
}
