/* attack: types into the terminal of its caller
 * verdict: OK
 * outside: there is none, or it is refused */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int main(void)
{
    char letter = 'x', order = 2;
    int tty = open("/dev/tty", O_RDWR);
    int wrong = tty >= 0;
    for (int fd = 0; fd < 3; fd++)
        if (ioctl(fd, TIOCSTI, &letter) == 0 || ioctl(fd, TIOCLINUX, &order) == 0 ||
            ioctl(fd, TIOCSCTTY, 1) == 0)
            wrong = 1;
    if (wrong)
        puts("through: a terminal");
    return wrong;
}
