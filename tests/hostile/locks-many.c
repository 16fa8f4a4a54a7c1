/* attack: locks every second byte of a file, for which the kernel keeps a record each
 * verdict: TLE MLE
 * outside: others still lock theirs
 * limits: cpu=300ms wall=60s memory=64M */
#include <fcntl.h>
#include <unistd.h>

int main(void)
{
    int fd = open("own", O_CREAT | O_RDWR, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    for (;; lock.l_start += 2)
        if (fcntl(fd, F_SETLK, &lock) < 0)
            return 0;
}
