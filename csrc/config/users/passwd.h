/* passwd.h: "-u USER[:GROUP]" → numbers and a home, out of the root file system's own files.
 * In: directories that make up the root, top-most first.  Out: ids and home.
 * Never: the host's passwd, a name service, a link that leads out of the root, a FIFO or
 * device, more than 1 MiB of a file (CVE-2024-9676). */
#pragma once

#include "prl.h"

struct prl_passwd_root {
    const char *const *dirs; /* absolute host paths, the one on top first; NULL-terminated */
    bool groups;             /* the groups that list the user are wanted too */
};

enum { PRL_PASSWD_GROUPS = 128 };

struct prl_passwd_user {
    uint32_t uid, gid;
    uint32_t
        groups[PRL_PASSWD_GROUPS]; /* whose members the files say it is; none with :GROUP */
    size_t groups_len;
    char home[512]; /* "/" when the files tell none */
};

/* text: "name", "1000", "name:group", "1000:1000".  A number need not be in the files (its
 * group is then 0); a name must.  Errors: PRL_STAGE_OPTIONS, syscall "--user". */
int prl_passwd_resolve(const struct prl_passwd_root *root, const char *text,
                       struct prl_passwd_user *ret, struct prl_error *reterr);
/* A group by name or number.  Errors: PRL_STAGE_OPTIONS, syscall "--group-add". */
int prl_passwd_group(const struct prl_passwd_root *root, const char *text, uint32_t *ret_gid,
                     struct prl_error *reterr);
