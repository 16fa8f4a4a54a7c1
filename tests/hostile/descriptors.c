/* attack: looks for open descriptors from 3 to 1023
 * verdict: OK
 * outside: all were closed */
#include <fcntl.h>
#include <stdio.h>

int main(void)
{
    for (int fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0) {
            printf("through: descriptor %d\n", fd);
            return 1;
        }
    return 0;
}
