/* own.h: ownership by attribute.  A variable owns what it names until it is handed on. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void prl_close_p(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
    *fd = -1;
}

static inline void prl_free_p(void *p)
{
    free(*(void **)p);
}

static inline void prl_closedir_p(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* Hand a descriptor on: its cleanup sees -1. */
static inline int steal_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static inline void *steal_ptr(void *p)
{
    void **pp = p, *taken = *pp;
    *pp = NULL;
    return taken;
}

#define _cleanup_close_    __attribute__((cleanup(prl_close_p)))
#define _cleanup_free_     __attribute__((cleanup(prl_free_p)))
#define _cleanup_closedir_ __attribute__((cleanup(prl_closedir_p)))
