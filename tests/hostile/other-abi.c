/* attack: makes calls by the numbers of 32-bit programs
 * verdict: OK
 * outside: they are no way round the filter */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int try(long number, long first)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        long answer = -1;
#ifdef __x86_64__
        __asm__ volatile("int $0x80" : "=a"(answer) : "a"(number), "b"(first), "c"(0), "d"(0));
#endif
        _exit(answer >= 0);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) != 0;
}

int main(void)
{
    int wrong = 0;
    if (try(310, 0x10000000) || try(359, 2) || try(26, 0)) /* unshare, socket, ptrace */
        wrong |= printf("through: a call of another ABI\n");
    return wrong != 0;
}
