/* attack: sends its output's descriptor into a ring of sockets that nobody can reach
 * verdict: OK
 * outside: the reader of the output does not wait for ever
 * limits: wall=120s
 * holds: wall-ms ..30000 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_fd(int through, int fd)
{
    char byte = 0, room[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    sendmsg(through, &message, 0);
}

int main(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 1;
    send_fd(pair[0], 1);
    send_fd(pair[0], 2);
    send_fd(pair[0], pair[0]);
    send_fd(pair[1], pair[1]);
    return 0;
}
