/* memory_file.h: a file in memory that can be executed, and sealed.  See memory_file.c. */
#pragma once

#include <stdbool.h>

/* Close-on-exec; -1 and errno. */
int prl_memory_file_open(const char *name);
/* From here on nobody can change it, whatever descriptor he has.  -1 and errno. */
int prl_memory_file_seal(int fd);
bool prl_memory_file_is_sealed(int fd);
