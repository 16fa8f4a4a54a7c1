/* attack: hides data in attributes of files
 * verdict: OK DLE
 * outside: they count, or are refused
 * limits: cpu=10s wall=60s disk=8M inodes=256 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

int main(void)
{
    static char value[32768];
    char name[40];
    long total = 0;
    int fd = open("file", O_CREAT | O_WRONLY, 0600);
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "user.%d", i);
        if (fsetxattr(fd, name, value, sizeof value, 0) < 0)
            break;
        total += sizeof value;
    }
    printf("%ld bytes\n", total);
    return total > 8 << 20;
}
