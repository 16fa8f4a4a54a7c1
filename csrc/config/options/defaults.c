/* defaults.c: the user's own values for options that a command line does not give.
 * In: parsed options; words "NAME=VALUE", each ended by a zero byte, from config.toml.
 * Out: the options with those values added.  Never: a file, a value beside a given one. */
#include "config/options/parse.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct prl_option *find_row(unsigned verb, const char *word, size_t len)
{
    for (const struct prl_option *row = prl_option_table; *row->name; row++)
        if ((row->verbs & verb) && strncmp(row->name, word, len) == 0 && !row->name[len])
            return row;
    return NULL;
}

static bool is_given(const struct prl_options *o, size_t given, const char *name)
{
    for (size_t i = 0; i < given; i++)
        if (strcmp(o->values[i].option->name, name) == 0)
            return true;
    return false;
}

/* `host` and a directory keep a loopback alone.  Published ports and a list of destinations
 * bring a network along, which no default "none" takes away. */
static bool is_for_others(const struct prl_options *o, size_t given, const char *name,
                          const char *value)
{
    if (strcmp(name, "network") != 0)
        return false;
    bool open = is_given(o, given, "publish") || is_given(o, given, "publish-all") ||
                is_given(o, given, "allow-host");
    return prl_options_flag(o, "rootfs") || !o->image || strcmp(o->image, "host") == 0 ||
           (open && strcmp(value, "none") == 0);
}

static size_t count_words(const char *words, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += !words[i];
    return count;
}

int prl_options_default(struct prl_options *o, const char *words, size_t len,
                        struct prl_error *reterr)
{
    const size_t given = o->values_len, more = count_words(words, len);
    if (more == 0 || prl_options_get(o, "spec"))
        return 0;
    void *larger = realloc(o->values, (given + more) * sizeof *o->values);
    if (!larger)
        return prl_fail_with(reterr, PRL_STAGE_OPTIONS, ENOMEM, "realloc", "options");
    o->values = larger;
    for (const char *word = words; word < words + len; word += strlen(word) + 1) {
        const char *value = strchr(word, '=');
        const struct prl_option *row =
            value ? find_row(o->verb, word, (size_t)(value - word)) : NULL;
        if (!row)
            return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "config.toml",
                             "\"%.60s\" is no option of %s", word, prl_verb_name(o->verb));
        if (!is_given(o, given, row->name) && !is_for_others(o, given, row->name, value + 1))
            o->values[o->values_len++] = (struct prl_option_value){row, value + 1};
    }
    return prl_options_check(o, reterr);
}
