/* interpreter.h: the "#!" line of a script.
 * In: the first bytes of a file, with room for one more.  Out: the interpreter's name, cut out
 * in place.  Never: a C library: the start barrier uses it too.  Source: execve(2). */
#pragma once

#include <stddef.h>

enum { PRL_INTERPRETER_BYTES = 256, PRL_INTERPRETER_DEPTH = 5 };

/* NULL: not a script. */
static inline char *prl_interpreter_of(char *head, long len)
{
    if (len < 3 || head[0] != '#' || head[1] != '!')
        return NULL;
    char *start = head + 2, *end = head + len;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    char *stop = start;
    while (stop < end && *stop && *stop != ' ' && *stop != '\t' && *stop != '\n')
        stop++;
    *stop = '\0';
    return *start ? start : NULL;
}
