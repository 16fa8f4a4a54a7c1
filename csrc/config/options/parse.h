/* parse.h: THE table of options, and argv → options.
 * In: argv after the verb.  Out: struct prl_options.  Never: opening a file, a meaning beside
 * the table. */
#pragma once

#include "prl.h"

#include <stdio.h>

enum prl_option_kind {
    PRL_KIND_FLAG, /* no value; --name=false is taken too */
    PRL_KIND_TEXT, /* any text */
    PRL_KIND_INTEGER,
    PRL_KIND_SIZE,     /* bytes: 64m, 1g, 512k, 4096 */
    PRL_KIND_DURATION, /* seconds, fractions and ms/s/m/h allowed */
    PRL_KIND_SIGNAL,   /* TERM, SIGTERM, 15 */
    PRL_KIND_PATH,
};

enum prl_option_door { PRL_DOOR_NATIVE, PRL_DOOR_ENGINE };
enum {
    PRL_VERB_RUN = 1,
    PRL_VERB_EXEC = 2,
    PRL_VERB_CREATE = 4,
    PRL_VERB_ATTACH = 8,
    PRL_VERB_WAIT = 16,
    PRL_VERB_LOGS = 32,
    PRL_VERB_START = 64,
    PRL_VERB_RESTART = 128,
    PRL_VERB_PAUSE = 256,
    PRL_VERB_UNPAUSE = 512,
    PRL_VERB_RENAME = 1024,
    PRL_VERB_UPDATE = 2048,
};
/* Its first word is a container's name, and no program follows. */
enum {
    PRL_VERBS_OF_NAMES = PRL_VERB_ATTACH | PRL_VERB_WAIT | PRL_VERB_START | PRL_VERB_RESTART |
                         PRL_VERB_PAUSE | PRL_VERB_UNPAUSE | PRL_VERB_RENAME | PRL_VERB_UPDATE,
};
const char *prl_verb_name(unsigned verb);

struct prl_option {
    char name[24]; /* without dashes */
    char letter;   /* 0: none */
    enum prl_option_kind kind;
    bool repeat;
    unsigned verbs;
    enum prl_option_door door;
    char field[44];   /* config.json field or annotation it reaches: "/process/env"; "-": the
                         launcher itself */
    char metavar[32]; /* "" for flags */
    char group[12];   /* heading of the help; rows of one group stand together */
    char help[224];   /* one line, starts with a small letter, no full stop; "": hidden */
};

extern const struct prl_option prl_option_table[]; /* ends with an empty name */

struct prl_option_value {
    const struct prl_option *option;
    const char *text; /* "true"/"false" for flags */
};

/* Pointers go into argv; free only `values`. */
struct prl_options {
    unsigned verb;
    struct prl_option_value *values; /* in the order given */
    size_t values_len;
    const char *image; /* or the first container; with --rootfs the directory as typed (DIR,
                          DIR:O); NULL with --spec */
    char **args;       /* NULL-terminated rest of argv */
    bool engine;       /* an option of the engine was used: hand argv to Python */
    bool help;         /* --help was asked for */
};

int prl_options_parse(unsigned verb, int argc, char **argv, struct prl_options *ret,
                      struct prl_error *reterr);
/* What options say about one another, and whether one of them needs the engine. */
int prl_options_check(struct prl_options *options, struct prl_error *reterr);
/* Add the user's own values, "NAME=VALUE" and a zero byte each, of options that were not given.
 * `words` outlives the options, and was checked when it was written. */
int prl_options_default(struct prl_options *options, const char *words, size_t len,
                        struct prl_error *reterr);
void prl_options_free(struct prl_options *options);
/* Last value of an option, NULL when not given. */
const char *prl_options_get(const struct prl_options *options, const char *name);
/* Last value of a flag; false when not given. */
bool prl_options_flag(const struct prl_options *options, const char *name);
/* Write "*" over the values of --env in argv, which every user of the machine can read as long
 * as this process lives.  Once nothing reads them any more. */
void prl_options_hide(const struct prl_options *options);
/* The image whose launch template is used: with --rootfs that of `host`. */
const char *prl_options_template(const struct prl_options *options);
/* The visible option of a verb that `typed` (without dashes) most likely means; NULL: none. */
const char *prl_options_near(unsigned verb, const char *typed);
/* An option of docker and podman that is not here: what does its work, "" when nothing does;
 * NULL: it is none. */
const char *prl_options_elsewhere(const char *typed);
/* neutral.c: an option that is taken with a few values only: is this one? */
int prl_option_neutral(const char *option, const char *text, struct prl_error *reterr);
void prl_options_print_help(unsigned verb, FILE *out);
