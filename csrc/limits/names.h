/* names.h: the names of limits and of what enforces them.
 * In: numbers of prl.h, or names.  Out: the other.  Never: a choice.
 * In the annotation "limits.NAME", NAME is a limit and the value its enforcement. */
#pragma once

#include "prl.h"

/* "memory", "pids", …; the option is "--" and more or less the same. */
const char *prl_limit_name(unsigned limit);
/* The option that asks for it, as a person types it: "--memory". */
const char *prl_limit_option(unsigned limit);
/* "cgroup2", "watchdog", …; "" for PRL_BY_UNSET. */
const char *prl_enforcement_name(unsigned enforcement);
/* How exactly a limit is enforced, the value of "limits.NAME.exactness": "exact"; for weak
 * enforcement "late" (can be exceeded for a moment), "each" (parts of the container are counted
 * separately), "changeable" (a program can remove it) or "none". */
const char *prl_exactness_name(unsigned enforcement, bool weak);
/* PRL_BY_UNSET: no enforcement has this name. */
enum prl_enforcement prl_enforcement_find(const char *name);
/* The name of one controller in this version of control groups. */
const char *prl_controller_name(unsigned controller, bool version2);
/* All of a list with these separators. */
unsigned prl_controllers_parse(const char *text, const char *separators);
