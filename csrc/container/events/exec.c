/* exec.c: what docker tells of a second program in a container; see journal.h.
 * In, out: as there.  Never: as there. */
#include "container/events/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char *note(const struct prl_spec *spec, const char *key)
{
    for (size_t i = 0; i < spec->notes_len; i++)
        if (strcmp(spec->notes[i].key, key) == 0)
            return spec->notes[i].value;
    return NULL;
}

static void make_id(char id[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[32] = {0};
    (void)!getrandom(bytes, sizeof bytes, 0);
    for (size_t i = 0; i < sizeof bytes; i++) {
        id[2 * i] = digits[bytes[i] >> 4];
        id[2 * i + 1] = digits[bytes[i] & 15];
    }
    id[64] = '\0';
}

/* "exec_start: sh -c true" */
static char *make_action(const char *word, const char *const *args)
{
    size_t len = strlen(word) + 2;
    for (const char *const *arg = args; *arg; arg++)
        len += strlen(*arg) + 1;
    char *action = malloc(len);
    if (!action)
        return NULL;
    char *to = stpcpy(action, word);
    for (const char *const *arg = args; *arg; arg++)
        to = stpcpy(stpcpy(to, arg == args ? ": " : " "), *arg);
    return action;
}

static void tell(const struct prl_dirs *dirs, const struct prl_told_exec *told, char *action,
                 const char *more)
{
    const struct prl_event event = {.type = "container",
                                    .action = action,
                                    .id = told->container,
                                    .attributes = told->attributes,
                                    .more = more};
    if (action && told->attributes)
        prl_journal_add(dirs, &event);
    free(action);
}

void prl_journal_exec(const struct prl_dirs *dirs, const char *container,
                      const struct prl_spec *spec, struct prl_told_exec *ret)
{
    char id[65];
    const char *name = note(spec, "io.pyrootless.name");
    *ret = (struct prl_told_exec){.container = container};
    if (!name)
        return;
    make_id(id);
    ret->attributes = prl_journal_attributes(spec, note(spec, "io.pyrootless.image"), name);
    if (ret->attributes)
        ret->attributes = prl_journal_attribute(ret->attributes, "execID", id);
    if (!ret->attributes)
        return;
    tell(dirs, ret, make_action("exec_create", spec->process.args), NULL);
    tell(dirs, ret, make_action("exec_start", spec->process.args), NULL);
}

void prl_journal_exec_end(const struct prl_dirs *dirs, struct prl_told_exec *told, int code)
{
    char more[40];
    snprintf(more, sizeof more, "\"exitCode\":\"%d\"", code);
    if (told->attributes)
        tell(dirs, told, strdup("exec_die"), more);
    free(told->attributes);
    told->attributes = NULL;
}
