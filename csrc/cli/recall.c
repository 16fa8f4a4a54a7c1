/* recall.c: which starts can be made like one before, and what tells them apart.
 * In, out: see recall.h.  Never: a start of which something is not in the key.
 *
 * The key is everything that prl_config_merge is given beside the template: the engine's build,
 * the caller, the directories, the image's name, the options with their values in the order
 * given.  An option is understood when its row in config.c says that its effect depends on its
 * text alone; the merge says itself when it had to ask the machine (prl_config_merge: 1). Which
 * ids there are the template tells, and two facts, which are asked for the key too. */
#include "cli/container.h"

#include "base/error.h"
#include "base/own.h"
#include "cli/config_needs.h"
#include "prl_build.h"

#include <stdio.h>
#include <string.h>

/* One word of the key, with its end; an absent one is not an empty one. */
static void add(struct prl_recall *key, const char *word)
{
    size_t len = word ? strlen(word) + 1 : 0;
    if (key->key_len + len + 1 > sizeof key->key) {
        key->overflow = true;
        return;
    }
    key->key[key->key_len++] = word ? '+' : '-';
    if (len)
        memcpy(key->key + key->key_len, word, len);
    key->key_len += len;
}

static void add_number(struct prl_recall *key, unsigned number)
{
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    add(key, text);
}

/* In the order given; the name's own text is not one of them. */
static bool add_options(struct prl_recall *key, const struct prl_options *options,
                        bool *ret_limits)
{
    for (size_t i = 0; i < options->values_len; i++) {
        const struct prl_option_value *value = &options->values[i];
        const char *name = value->option->name;
        if (strcmp(value->option->field, "-") == 0) /* reaches no config.json */
            continue;
        enum prl_config_needs needs = prl_config_needs(name, value->text);
        if (needs == PRL_NEEDS_MORE)
            return false;
        *ret_limits |= needs == PRL_NEEDS_GROUPS;
        add(key, name);
        add(key, strcmp(name, "name") == 0 ? NULL : value->text);
    }
    return true;
}

/* JSON text of a word as the merge writes it; NULL: a letter that is left to the merge. */
static char *add_json(char *at, const char *word)
{
    *at++ = '"';
    for (; *word; word++) {
        unsigned char letter = (unsigned char)*word;
        if (letter >= 127 || (letter < ' ' && letter != '\n' && letter != '\t'))
            return NULL;
        if (letter == '"' || letter == '\\' || letter < ' ')
            *at++ = '\\';
        *at++ = letter == '\n' ? 'n' : letter == '\t' ? 't' : *word;
    }
    *at++ = '"';
    return at;
}

/* What the plan of the limits is made of.  Where systemd could be asked for more, the groups
 * are made anew for each process, or there are enough. */
static bool add_groups(struct prl_container *c)
{
    struct prl_recall *key = &c->recall;
    struct prl_error ignored; /* the plan meets it again */
    bool clock = prl_options_get(c->options, "cpu-time") != NULL;
    if (prl_cgroup_look_first(clock, &c->host, &ignored) < 0)
        return false;
    key->sight = c->host.sight;
    add_number(key, c->host.sight);
    add_number(key, c->host.clock);
    add_number(key, c->host.sight == PRL_SIGHT_WHOLE && prl_cgroup_may_ask());
    for (size_t i = 0; i < c->host.len; i++) {
        add_number(key, c->host.bases[i].version2);
        add_number(key, c->host.bases[i].controllers);
        add(key, c->host.bases[i].path);
    }
    return true;
}

static bool write_args(struct prl_container *c)
{
    size_t room = 1;
    for (char **word = c->options->args; *word; word++)
        room += 2 * strlen(*word) + 3;
    char *at = c->recall.args = malloc(room);
    for (char **word = c->options->args; at && *word; word++) {
        if (word != c->options->args)
            *at++ = ',';
        at = add_json(at, *word);
    }
    c->recall.args_len = at ? (size_t)(at - c->recall.args) : 0;
    return at != NULL;
}

/* Whose ids the template alone tells: those of `host` and of a map of one. */
static bool has_own_id(const struct prl_options *o)
{
    const char *userns = prl_options_get(o, "userns");
    return userns ? strcmp(userns, "single") == 0 : strcmp(o->image, "host") == 0;
}

static bool describe(struct prl_container *c, const struct prl_options *o)
{
    struct prl_recall *key = &c->recall;
    bool limits = false;
    if (prl_options_flag(o, "tty") || !o->image)
        return false; /* the terminal's size */
    key->ids = has_own_id(o) ? 0 : 1 + prl_config_ids_here();
    add(key, PRL_BUILD);
    add_number(key, key->ids);
    add_number(key, (unsigned)geteuid());
    add_number(key, (unsigned)getegid());
    add(key, c->dirs->data);
    add(key, c->dirs->runtime);
    add(key, prl_container_scratch(c));
    add(key, c->launcher);
    add(key, o->image);
    add(key, o->args[0] ? "args" : NULL);
    return add_options(key, o, &limits) && (!limits || add_groups(c)) && !key->overflow &&
           write_args(c);
}

static struct prl_span key_of(const struct prl_container *c)
{
    return (struct prl_span){c->recall.key, c->recall.key_len};
}

static struct prl_flat_words words_of(const struct prl_container *c)
{
    return (struct prl_flat_words){.id = c->state.id,
                                   .name = c->state.name,
                                   .args = c->options->args,
                                   .args_json = {c->recall.args, c->recall.args_len}};
}

bool prl_recall(struct prl_container *c, const struct prl_template *template)
{
    c->recall.key_len = 0;
    c->recall.usable = describe(c, c->options);
    return c->recall.usable && prl_flat_find(c->dirs, key_of(c), template, &c->recall.flat);
}

int prl_recall_spec(struct prl_container *c, struct prl_error *reterr)
{
    const struct prl_flat_words words = words_of(c);
    return prl_flat_spec(&c->recall.flat, &words, &c->spec, reterr);
}

int prl_recall_write(const struct prl_container *c, struct prl_error *reterr)
{
    struct iovec pieces[PRL_FLAT_PIECES];
    const struct prl_flat_words words = words_of(c);
    int count = prl_flat_text(&c->recall.flat, &words, pieces);
    return prl_state_write_pieces(&c->state, pieces, count, reterr);
}

int prl_recall_text(struct prl_container *c, struct prl_error *reterr)
{
    struct iovec pieces[PRL_FLAT_PIECES];
    const struct prl_flat_words words = words_of(c);
    int count = prl_flat_text(&c->recall.flat, &words, pieces);
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += pieces[i].iov_len;
    char *at = c->json = malloc(len + 1);
    if (!at)
        return prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "config.json");
    for (int i = 0; i < count; i++)
        at = (char *)memcpy(at, pieces[i].iov_base, pieces[i].iov_len) + pieces[i].iov_len;
    *at = '\0';
    c->json_len = len;
    return 0;
}

void prl_recall_keep(const struct prl_container *c, const struct prl_template *template)
{
    const struct prl_flat_start start = {.words = words_of(c),
                                         .template = template,
                                         .json = c->json,
                                         .json_len = c->json_len,
                                         .parsed = c->brief,
                                         .parsed_len = c->brief_len,
                                         .spec = c->spec};
    /* The merge asked for itself: what it was told is what the key says, unless it changed. */
    bool same = c->recall.ids == 0 || c->recall.ids == 1 + prl_config_ids_here();
    same = same && c->recall.sight == c->host.sight;
    if (same && c->recall.usable && c->recall.repeatable)
        prl_flat_keep(c->dirs, key_of(c), &start);
}

void prl_recall_free(struct prl_recall *recall)
{
    free(recall->args);
    prl_flat_close(&recall->flat);
    recall->args = NULL;
}
