/* attack: fills pipes and sockets until there are no descriptors
 * verdict: OK MLE
 * outside: what the kernel keeps for it ends with it
 * limits: cpu=10s wall=60s memory=256M open_files=128 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char block[4096];

static void fill(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, block, sizeof block) > 0)
        ;
}

int main(void)
{
    int pair[2];
    memset(block, 1, sizeof block);
    while (pipe(pair) == 0) {
        fcntl(pair[1], F_SETPIPE_SZ, 1 << 20);
        fill(pair[1]);
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
            break;
        fill(pair[0]);
        fill(pair[1]);
    }
    return 0;
}
