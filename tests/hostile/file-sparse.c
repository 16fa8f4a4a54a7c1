/* attack: makes a sparse file of 1 TiB, and reserves space
 * verdict: OK DLE
 * outside: the host's disk is as full as before
 * limits: cpu=10s wall=60s disk=8M inodes=256 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int main(void)
{
    int fd = open("sparse", O_CREAT | O_WRONLY, 0600);
    signal(SIGXFSZ, SIG_IGN);
    return ftruncate(fd, 1l << 40) == 0 || fallocate(fd, 0, 0, 1l << 30) == 0;
}
