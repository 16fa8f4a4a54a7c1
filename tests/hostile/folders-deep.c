/* attack: makes folders in folders without end
 * verdict: DLE
 * outside: clearing up takes no time
 * limits: cpu=10s wall=60s disk=64M inodes=10000 */
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    for (int i = 0; i < 100000; i++)
        if (mkdir("d", 0700) < 0 || chdir("d") < 0)
            return 0;
    return 1;
}
