/* attack: makes the kernel compile filters and enlarge buffers for its sockets
 * verdict: OK
 * outside: filters are refused, buffers stay as they are
 * limits: cpu=5s wall=60s */
#include <linux/filter.h>
#include <stdio.h>
#include <sys/socket.h>

static int size_of(int fd, int option)
{
    int size = 0;
    socklen_t len = sizeof size;
    getsockopt(fd, SOL_SOCKET, option, &size, &len);
    return size;
}

int main(void)
{
    static const int buffers[] = {SO_SNDBUF, SO_RCVBUF, SO_SNDBUFFORCE, SO_RCVBUFFORCE};
    struct sock_filter all = {BPF_RET, 0, 0, 0xffff};
    struct sock_fprog filter = {1, &all};
    int pair[2], wrong = 0, most = 1 << 30;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 2;
    for (unsigned i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        int reads =
            buffers[i] == SO_SNDBUF || buffers[i] == SO_SNDBUFFORCE ? SO_SNDBUF : SO_RCVBUF;
        int before = size_of(pair[0], reads);
        setsockopt(pair[0], SOL_SOCKET, buffers[i], &most, sizeof most);
        if (size_of(pair[0], reads) != before)
            wrong = printf("through: option %d\n", buffers[i]);
    }
    if (setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0)
        wrong = printf("through: SO_ATTACH_FILTER\n");
    return wrong != 0;
}
