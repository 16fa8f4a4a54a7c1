/* attack: waits where no signal is taken: the parent of a child by vfork that sleeps
 * verdict: ILE
 * outside: no process of it is left and the next run is as fast as before
 * limits: wall=1s */
#include <unistd.h>

int main(void)
{
    if (vfork() == 0)
        for (;;)
            pause();
    return 0;
}
