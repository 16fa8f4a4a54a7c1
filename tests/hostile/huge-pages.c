/* attack: takes the machine's huge pages, merges pages with those of others, pages files out
 * verdict: OK
 * outside: all are refused
 * limits: cpu=5s wall=60s */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { HUGE_1G = 30 << 26, MERGE = 67, PAGEOUT = 21 };

int main(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, wrong = 0;
    if (mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED)
        wrong = printf("through: MAP_HUGETLB\n");
    if (mmap(NULL, 1 << 30, PROT_READ, flags | HUGE_1G, -1, 0) != MAP_FAILED)
        wrong = printf("through: MAP_HUGE_1GB\n");
    void *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (madvise(own, 4096, MADV_MERGEABLE) == 0)
        wrong = printf("through: MADV_MERGEABLE\n");
    if (madvise(own, 4096, PAGEOUT) == 0)
        wrong = printf("through: MADV_PAGEOUT\n");
    if (prctl(MERGE, 1, 0, 0, 0) == 0)
        wrong = printf("through: PR_SET_MEMORY_MERGE\n");
    if (open("/dev/hugepages", O_RDONLY) >= 0)
        wrong = printf("through: /dev/hugepages\n");
    return wrong != 0;
}
