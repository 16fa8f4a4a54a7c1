/* attack: fills sockets that nobody has accepted, which are no descriptors of anybody
 * verdict: MLE
 * outside: what the kernel keeps for it ends with it
 * limits: cpu=5s wall=60s memory=64M procs=8 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char block[32768];

int main(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memset(block, 1, sizeof block);
    memcpy(name.sun_path + 1, "queue", 5);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&name, sizeof name) < 0 || listen(listener, 4096) < 0)
        return 2;
    for (;;) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof name) < 0)
            return 0;
        while (write(fd, block, sizeof block) > 0)
            ;
        close(fd);
    }
}
