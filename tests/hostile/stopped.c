/* attack: stops itself and its child
 * verdict: ILE
 * outside: it is ended long before the wall limit
 * limits: wall=120s
 * holds: wall-ms ..30000 */
#include <signal.h>
#include <unistd.h>

int main(void)
{
    fork();
    raise(SIGSTOP);
    return 0;
}
