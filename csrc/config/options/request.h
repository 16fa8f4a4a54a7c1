/* request.h: the request of a command line.  See request.c. */
#pragma once

#include "config/options/parse.h"
#include "config/request.h"

/* options outlive it. */
void prl_request_read(const struct prl_options *options, struct prl_request *ret);
/* The command line it was made of; NULL: it was made of something else. */
const struct prl_options *prl_request_options(const struct prl_request *request);
