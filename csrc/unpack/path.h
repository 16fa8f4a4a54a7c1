/* path.h: names of an archive → paths below the layer's root.
 * In: a name as the archive has it.  Out: the cleaned path; a spelling for lists or messages.
 * Never: a path that leaves the root. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum { PRL_UNPACK_SHOWN = 160 };

/* Without ".", "..", "//" and "/" at either end; "" is the root.  Returns the length,
 * -EBADMSG when ".." leads out, -ENAMETOOLONG. */
int prl_unpack_path_clean(const char *raw, char ret[PATH_MAX]);
/* dir "/" name into ret; -ENAMETOOLONG. */
int prl_unpack_path_join(const char *dir, const char *name, char ret[PATH_MAX]);
/* "%" and control bytes as %XX; returns the length of what is in ret. */
size_t prl_unpack_path_encode(const char *path, char ret[3 * PATH_MAX]);
/* What fits a message: control bytes as "?", a long beginning as "..."; returns buf. */
const char *prl_unpack_path_show(const char *path, char buf[PRL_UNPACK_SHOWN]);
