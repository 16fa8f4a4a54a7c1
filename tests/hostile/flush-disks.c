/* attack: makes the machine's disks write and forget
 * verdict: OK
 * outside: each such call is done at once, without effect
 * limits: cpu=5s wall=60s */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* A pipe cannot be flushed: the kernel, where it is asked, says so. */
static int asked(int fd)
{
    int wrong = 0;
    if (fsync(fd) < 0 || fdatasync(fd) < 0)
        wrong = printf("through: fsync\n");
    if (sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) < 0)
        wrong = printf("through: sync_file_range\n");
    if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        wrong = printf("through: POSIX_FADV_DONTNEED\n");
    if (syncfs(-1) < 0)
        wrong = printf("through: syncfs\n");
    if (msync((void *)4096, 4096, MS_SYNC) < 0)
        wrong = printf("through: msync\n");
    return wrong;
}

int main(void)
{
    int ends[2], usr = open("/usr/bin/env", O_RDONLY);
    if (pipe(ends) < 0 || usr < 0)
        return 2;
    for (int i = 0; i < 100000; i++)
        fsync(usr);
    return asked(ends[0]) != 0;
}
