/* offer.h: what would hold the limits of a container; see offer.c. */
#pragma once

#include "limits/groups.h"

/* ret->held_by and ret->weak of each limit but the storage's; prl_limits_plan_free() it. */
int prl_offer_enforcement(struct prl_limits_plan *ret, struct prl_error *reterr);
