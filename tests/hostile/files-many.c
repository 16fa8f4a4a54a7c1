/* attack: makes empty files without end
 * verdict: DLE
 * outside: clearing up takes no time
 * limits: cpu=10s wall=60s disk=8M inodes=256 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    char name[300];
    for (int i = 0; i < 1000000; i++) {
        snprintf(name, sizeof name, "%0250d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            return 0;
        close(fd);
    }
    return 1;
}
