/* name.h: the form of a name that a person gives: a container's, a volume's.
 * In: a text.  Out: whether it has the form.  Never: who has it.
 * Source: docker, names.RestrictedNamePattern: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
#pragma once

#include <stdbool.h>
#include <string.h>

#define PRL_NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static inline bool prl_name_has_form(const char *name, size_t max)
{
    size_t len = strlen(name);
    return len >= 2 && len <= max && strspn(name, PRL_NAME_LETTERS) > 0 &&
           strspn(name, PRL_NAME_LETTERS "_.-") == len;
}
