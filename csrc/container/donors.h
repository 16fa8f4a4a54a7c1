/* donors.h: the containers whose volumes are taken by --volumes-from: donors.c. */
#pragma once

#include "config/request.h"
#include "container/state/record.h"

/* Those that the request names, running or not.  Errors: PRL_STAGE_STATE, ESRCH. */
int prl_donors_find(const struct prl_dirs *dirs, const struct prl_request *request,
                    struct prl_donor **ret, size_t *ret_len, struct prl_error *reterr);
void prl_donors_free(struct prl_donor *donors, size_t len);
