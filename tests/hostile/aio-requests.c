/* attack: takes all asynchronous requests of the machine (fs.aio-max-nr)
 * verdict: OK
 * outside: no context is made */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    unsigned long context;
    int wrong = 0;
    for (int i = 0; i < 4; i++) {
        context = 0;
        if (syscall(SYS_io_setup, 32768, &context) == 0)
            wrong = printf("through: io_setup\n");
    }
    context = 0;
    if (syscall(SYS_io_setup, 1, &context) == 0)
        wrong = printf("through: io_setup of one\n");
    return wrong != 0;
}
