/* attack: makes its pipes as large as it can, and takes what the user may have of them
 * verdict: OK
 * outside: a pipe has the size it was made with
 * limits: cpu=5s wall=60s */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    int ends[2];
    if (pipe(ends) < 0)
        return 2;
    int size = fcntl(ends[0], F_GETPIPE_SZ);
    fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
    fcntl(ends[1], F_SETPIPE_SZ, 2 * size);
    if (fcntl(ends[0], F_GETPIPE_SZ) != size) {
        printf("through: F_SETPIPE_SZ\n");
        return 1;
    }
    return 0;
}
