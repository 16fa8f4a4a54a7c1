/* file.h: the files of one log; for writer.c and reader.c.
 * In: records.  Out: `log`, and `log.1`, `log.2` … of what came before it.
 * Never: a file beyond its size by more than a record; a torn record where a disk is full. */
#pragma once

#include "container/log/writer.h"

int prl_log_file_open(struct prl_log *log);
/* The newest becomes `log.1`, and an empty one is begun; where that cannot be, it goes on. */
void prl_log_file_rotate(struct prl_log *log);
/* All of these records, or none.  false: there was no room. */
bool prl_log_file_write(struct prl_log *log, const char *records, size_t len);
/* So many bytes of output are kept nowhere. */
void prl_log_file_lost(struct prl_log *log, size_t payload);
/* "log", "log.1", … */
const char *prl_log_file_name(unsigned number, char name[16]);
