/* attack: leaves a daemon that holds the output open
 * verdict: OK
 * outside: the verdict comes at the program's end
 * limits: wall=120s
 * holds: wall-ms ..30000 */
#include <unistd.h>

int main(void)
{
    if (fork() == 0) {
        setsid();
        sleep(600);
    }
    return 0;
}
