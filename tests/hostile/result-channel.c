/* attack: writes to and closes every descriptor, and those of the first process
 * verdict: RE
 * outside: the report is the first process's own
 * holds: exit-code 5..5 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    char path[64], fake[256];
    memset(fake, 0, sizeof fake);
    for (int fd = 0; fd < 256; fd++) {
        snprintf(path, sizeof path, "/proc/1/fd/%d", fd);
        int other = open(path, O_WRONLY | O_NONBLOCK);
        if (other >= 0)
            write(other, fake, sizeof fake);
    }
    for (int fd = 3; fd < 1024; fd++) {
        write(fd, fake, sizeof fake);
        close(fd);
    }
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    return 5;
}
