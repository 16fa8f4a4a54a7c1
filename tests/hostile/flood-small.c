/* attack: floods the reader with single bytes from many processes
 * verdict: OLE TLE
 * outside: the reader is not worn out
 * limits: cpu=10s wall=60s output=64K */
#include <unistd.h>

int main(void)
{
    for (int i = 0; i < 3; i++)
        fork();
    for (;;)
        write(1, "x", 1);
}
