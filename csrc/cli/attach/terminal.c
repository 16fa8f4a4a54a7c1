/* terminal.c: see terminal.h.
 * In, out: as there.  Never: as there.  Source: termios(3), ioctl_tty(2). */
#include "cli/attach/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
enum { FATAL_SIGNALS = sizeof fatal_signals / sizeof *fatal_signals };
static struct termios terminal_saved;
static struct sigaction fatal_saved[FATAL_SIGNALS];
static volatile sig_atomic_t terminal_is_raw;

static void restore(void)
{
    if (terminal_is_raw)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal_saved);
    terminal_is_raw = 0;
}

/* The handler is gone when it is entered (SA_RESETHAND): raising ends us as it should. */
static void on_fatal(int signal)
{
    restore();
    raise(signal);
}

static void apply_raw(void)
{
    struct termios raw = terminal_saved;
    cfmakeraw(&raw);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

void prl_terminal_raw(void)
{
    if (tcgetattr(STDIN_FILENO, &terminal_saved) < 0)
        return;
    struct sigaction action = {.sa_handler = on_fatal,
                               .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    for (int i = 0; i < FATAL_SIGNALS; i++)
        sigaction(fatal_signals[i], &action, &fatal_saved[i]);
    terminal_is_raw = 1;
    apply_raw();
}

void prl_terminal_raw_again(void)
{
    if (terminal_is_raw)
        apply_raw();
}

void prl_terminal_close(void)
{
    if (!terminal_is_raw)
        return;
    restore();
    for (int i = 0; i < FATAL_SIGNALS; i++)
        sigaction(fatal_signals[i], &fatal_saved[i], NULL);
}

uint32_t prl_terminal_size(void)
{
    static const int users[] = {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO};
    struct winsize size;
    for (int i = 0; i < 3; i++)
        if (ioctl(users[i], TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
            return (uint32_t)size.ws_row << 16 | size.ws_col;
    return 0;
}
