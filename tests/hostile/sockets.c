/* attack: opens sockets of every family, and knocks at the host's listeners
 * verdict: OK
 * outside: the listeners hear nothing */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int reach_abstract(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (len >= sizeof to.sun_path)
        return 0;
    memcpy(to.sun_path + 1, name, len);
    socklen_t size = (socklen_t)(__builtin_offsetof(struct sockaddr_un, sun_path) + 1 + len);
    return connect(fd, (struct sockaddr *)&to, size) == 0;
}

static int reach_tcp(const char *address, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, address, &to.sin_addr);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
}

int main(void)
{
    static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
    int port, wrong = 0;
    char name[100];
    if (scanf("%d %99s", &port, name) != 2)
        return 2;
    for (int family = 0; family < 64; family++)
        for (int i = 0; family != AF_UNIX && i < 4; i++)
            if (socket(family, kinds[i], 0) >= 0)
                wrong |= printf("through: family %d\n", family);
    if (reach_tcp("127.0.0.1", port) || reach_tcp("169.254.169.254", 80))
        wrong |= printf("through: TCP\n");
    if (reach_abstract(name))
        wrong |= printf("through: abstract socket\n");
    return wrong != 0;
}
