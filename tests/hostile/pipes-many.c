/* attack: takes the pages of pipes that all processes of the user share, and keeps them
 * verdict: MLE
 * outside: they are given back before its time is over
 * limits: cpu=5s wall=60s memory=256M idle=0s */
#include <unistd.h>

int main(void)
{
    int ends[2];
    for (int i = 0; i < 20; i++)
        if (fork() == 0)
            break;
    while (pipe(ends) == 0)
        close(ends[1]);
    for (;;)
        pause();
}
