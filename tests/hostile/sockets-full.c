/* attack: fills pairs of sockets in many processes
 * verdict: MLE
 * outside: what the kernel keeps for it ends with it
 * limits: cpu=5s wall=60s memory=64M */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char block[32768];

static void fill(void)
{
    int pair[2];
    while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0)
        for (int i = 0; i < 2; i++)
            while (write(pair[i], block, sizeof block) > 0)
                ;
    for (;;)
        pause();
}

int main(void)
{
    memset(block, 1, sizeof block);
    for (int i = 0; i < 12; i++)
        if (fork() == 0)
            fill();
    for (;;)
        pause();
}
