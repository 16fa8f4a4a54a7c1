/* recall.c: which starts can be made like one before, and what tells them apart.
 * In, out: see recall.h.  Never: a start of which something is not in the key.
 *
 * The key is everything that prl_config_merge is given beside the template: the engine's build,
 * the caller, the directories, the image's name, the options with their values in the order
 * given, and what of this machine they ask for (recall_facts.c).  The merge says itself when it
 * had to ask for more (prl_config_merge: 1). */
#include "cli/container.h"
#include "cli/request_options.h"

#include "base/error.h"
#include "base/own.h"

#include <string.h>

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

static bool write_args(struct prl_container *c)
{
    size_t room = 1;
    char **args = prl_request_options(c->request)->args;
    for (char **word = args; *word; word++)
        room += 2 * strlen(*word) + 3;
    char *at = c->recall.args = malloc(room);
    for (char **word = args; at && *word; word++) {
        if (word != args)
            *at++ = ',';
        at = add_json(at, *word);
    }
    c->recall.args_len = at ? (size_t)(at - c->recall.args) : 0;
    return at != NULL;
}

static struct prl_span key_of(const struct prl_container *c)
{
    return (struct prl_span){c->recall.key.bytes, c->recall.key.len};
}

static struct prl_flat_words words_of(const struct prl_container *c)
{
    return (struct prl_flat_words){.id = c->state.id,
                                   .name = c->state.name,
                                   .args = prl_request_options(c->request)->args,
                                   .args_json = {c->recall.args, c->recall.args_len}};
}

bool prl_recall(struct prl_container *c, const struct prl_template *template)
{
    c->recall.usable = prl_recall_describe(c, &c->recall.key) && write_args(c);
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

void prl_recall_keep(struct prl_container *c, const struct prl_template *template)
{
    const struct prl_flat_start start = {.words = words_of(c),
                                         .template = template,
                                         .json = c->json,
                                         .json_len = c->json_len,
                                         .parsed = c->brief,
                                         .parsed_len = c->brief_len,
                                         .spec = c->spec};
    /* The merge asked for itself: what it was told is what the key says, unless it changed. */
    struct prl_recall_key now;
    if (c->recall.usable && c->recall.repeatable && prl_recall_describe(c, &now) &&
        now.len == c->recall.key.len && memcmp(now.bytes, c->recall.key.bytes, now.len) == 0)
        prl_flat_keep(c->dirs, key_of(c), &start);
}

void prl_recall_free(struct prl_recall *recall)
{
    free(recall->args);
    prl_flat_close(&recall->flat);
    recall->args = NULL;
}
