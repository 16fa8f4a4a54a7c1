/* parse.c: argv → options, by the rows of the table.
 * In: argv after the verb.  Out: the values in the order given, the image, the rest.
 * Never: a file, a default, a meaning that is not in a row.
 *
 * Spelling is docker's: --name VALUE, --name=VALUE, -it, -eA=B, -e A=B, "--" ends the options,
 * and so does the image. */
#include "config/options/parse.h"

#include "base/error.h"
#include "base/own.h"
#include "config/options/values.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { OPTION_LEN = 64 }; /* "--name" for messages */

struct parser {
    int argc, at;
    char **argv;
    struct prl_options *options;
    size_t capacity;
    struct prl_error *reterr;
};

#define BAD(reterr, option, ...)                                                               \
    prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option, __VA_ARGS__)

/* docker's second names of an option, which its help does not list either. */
static const char aliases[][2][12] = {{"net", "network"}, {"dns-opt", "dns-option"}};

static const struct prl_option *find_name(unsigned verb, const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strncmp(aliases[i][0], name, len) == 0 && !aliases[i][0][len])
            return find_name(verb, aliases[i][1], strlen(aliases[i][1]));
    for (const struct prl_option *row = prl_option_table; *row->name; row++)
        if ((row->verbs & verb) && strncmp(row->name, name, len) == 0 && !row->name[len])
            return row;
    return NULL;
}

static const struct prl_option *find_letter(unsigned verb, char letter)
{
    for (const struct prl_option *row = prl_option_table; *row->name; row++)
        if ((row->verbs & verb) && row->letter == letter)
            return row;
    return NULL;
}

/* The options of the network, whose values have forms of their own.  1: none of them. */
static int check_network(const char *option, const char *text, struct prl_error *reterr)
{
    enum prl_value_network network;
    struct prl_value_publish publish;
    struct prl_value_host host;
    struct prl_value_allow allow;
    uint32_t mtu;

    if (strcmp(option, "--hostname") == 0 || strcmp(option, "--domainname") == 0)
        return prl_value_hostname(option, text, reterr);
    if (strcmp(option, "--add-host") == 0)
        return prl_value_host(option, text, &host, reterr);
    if (strcmp(option, "--network") == 0)
        return prl_value_network(option, text, &network, &mtu, reterr);
    if (strcmp(option, "--allow-host") == 0)
        return prl_value_allow(option, text, &allow, reterr);
    if (strcmp(option, "--publish") == 0)
        return prl_value_publish(option, text, &publish, reterr);
    if (strcmp(option, "--expose") == 0)
        return prl_value_expose(option, text, &publish, reterr);
    if (strcmp(option, "--dns") == 0)
        return prl_value_address(option, text, reterr);
    if (strcmp(option, "--dns-search") == 0 || strcmp(option, "--dns-option") == 0)
        return prl_value_word(option, text, reterr);
    if (strcmp(option, "--mac-address") == 0)
        return prl_value_mac(option, text, reterr);
    return 1;
}

/* Values whose form can be told from the text alone, beyond their kind. */
static int check_text(const char *option, const char *text, struct prl_error *reterr)
{
    unsigned char keys[PRL_VALUE_KEYS];
    struct prl_value_ulimit ulimit;
    uint64_t mask;
    int stream;
    int r = check_network(option, text, reterr);

    if (r <= 0)
        return r;
    if (strcmp(option, "--restart") == 0)
        return prl_value_restart(option, text, reterr);
    if (strcmp(option, "--name") == 0)
        return prl_value_name(option, text, reterr);
    if (strcmp(option, "--storage-opt") == 0 && strncmp(text, "size=", 5) != 0)
        return BAD(reterr, option,
                   "\"%.60s\" is of a driver that is not here: size=SIZE alone is understood",
                   text);
    if (strcmp(option, "--attach") == 0)
        return prl_value_stream(option, text, &stream, reterr);
    if (strcmp(option, "--detach-keys") == 0)
        return prl_value_detach_keys(option, text, keys, reterr);
    if (strcmp(option, "--ulimit") == 0 && strcmp(text, "host") != 0)
        return prl_value_ulimit(option, text, &ulimit, reterr);
    if (strcmp(option, "--cap-add") == 0 || strcmp(option, "--cap-drop") == 0)
        return prl_value_capability(option, text, &mask, reterr);
    return 0;
}

/* Numbers that may be below 0, and how far. */
static int64_t least_integer(const char *option)
{
    static const struct {
        char option[20];
        int64_t least;
    } rows[] = {{"--stop-timeout", -1},
                {"--pids-limit", -1},
                {"--cpu-quota", -1},
                {"--memory-swappiness", -1},
                {"--oom-score-adj", -1000}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].option, option) == 0)
            return rows[i].least;
    return 0;
}
static int check_integer(const char *option, const char *text, struct prl_error *reterr)
{
    int64_t number, least = least_integer(option);
    int r = prl_value_integer(option, text, &number, reterr);

    if (r < 0)
        return r;
    if (number < least)
        return BAD(reterr, option, "%lld is too small: the least is %lld", (long long)number,
                   (long long)least);
    return 0;
}

static int check_value(const struct prl_option *row, const char *text, struct prl_error *reterr)
{
    char option[OPTION_LEN];
    uint64_t number;
    int signal;

    snprintf(option, sizeof option, "--%s", row->name);
    switch (row->kind) {
    case PRL_KIND_FLAG:
        return 0;
    case PRL_KIND_TEXT:
        return check_text(option, text, reterr);
    case PRL_KIND_INTEGER:
        return check_integer(option, text, reterr);
    case PRL_KIND_SIZE:
        return prl_value_size(option, text, &number, reterr);
    case PRL_KIND_DURATION:
        return prl_value_duration(option, text, &number, reterr);
    case PRL_KIND_SIGNAL:
        return prl_value_signal(option, text, &signal, reterr);
    case PRL_KIND_PATH:
        return *text ? 0 : BAD(reterr, option, "the path is empty: write %s=FILE", option);
    }
    return 0;
}

/* docker's rule: an option that is given once is not given when its value is empty.  "" has a
 * meaning of its own for two; a path or a network is empty by mistake. */
static bool is_unset(const struct prl_option *row, const char *text)
{
    static const char others[][12] = {"entrypoint", "detach-keys", "network"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(row->name, others[i]) == 0)
            return false;
    return !*text && !row->repeat &&
           (row->kind == PRL_KIND_TEXT || row->kind == PRL_KIND_SIGNAL);
}

static void forget_values(struct prl_options *options, const struct prl_option *row)
{
    size_t kept = 0;

    for (size_t i = 0; i < options->values_len; i++)
        if (options->values[i].option != row)
            options->values[kept++] = options->values[i];
    options->values_len = kept;
}

static int add_value(struct parser *p, const struct prl_option *row, const char *text)
{
    struct prl_options *options = p->options;

    if (is_unset(row, text)) {
        forget_values(options, row);
        return 0;
    }
    /* docker shows names with a slash before them, and takes them so. */
    text += strcmp(row->name, "name") == 0 && *text == '/';
    if (options->values_len == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 16;
        void *larger = realloc(options->values, capacity * sizeof *options->values);
        if (!larger)
            return prl_fail_with(p->reterr, PRL_STAGE_OPTIONS, ENOMEM, "realloc", "options");
        options->values = larger;
        p->capacity = capacity;
    }
    char option[OPTION_LEN];
    snprintf(option, sizeof option, "--%s", row->name);
    int r = check_value(row, text, p->reterr);
    if (r >= 0)
        r = prl_option_neutral(option, text, p->reterr);
    if (r < 0)
        return r;
    options->values[options->values_len++] = (struct prl_option_value){row, text};
    if (strcmp(row->name, "help") == 0 && strcmp(text, "true") == 0)
        options->help = true;
    return 0;
}

/* A flag with "=VALUE" (text) or without (NULL). */
static int add_flag(struct parser *p, const struct prl_option *row, const char *text)
{
    char option[OPTION_LEN];
    bool on = true;

    snprintf(option, sizeof option, "--%s", row->name);
    if (text) {
        int r = prl_value_bool(option, text, &on, p->reterr);
        if (r < 0)
            return r;
    }
    return add_value(p, row, on ? "true" : "false");
}

/* The value of an option: attached (text), or the next argument (text NULL). */
static int add_option(struct parser *p, const struct prl_option *row, const char *text)
{
    char option[OPTION_LEN];

    if (row->kind == PRL_KIND_FLAG)
        return add_flag(p, row, text);
    if (!text && p->at < p->argc)
        text = p->argv[p->at++];
    snprintf(option, sizeof option, "--%s", row->name);
    if (!text)
        return BAD(p->reterr, option, "a value is missing: write %s=%s", option, row->metavar);
    return add_value(p, row, text);
}

static int fail_unknown(struct parser *p, const char *shown, const char *name)
{
    const char *near = prl_options_near(p->options->verb, name);
    const char *instead = prl_options_elsewhere(name);
    const char *verb = prl_verb_name(p->options->verb);
    if (instead)
        return BAD(p->reterr, shown, "docker and podman have it, and it is not here%s%s",
                   *instead ? ": " : " yet", instead);

    if (near)
        return BAD(p->reterr, shown,
                   "there is no such option: did you mean --%s? \"pyrootless %s --help\" lists "
                   "all",
                   near, verb);
    return BAD(p->reterr, shown, "there is no such option: \"pyrootless %s --help\" lists all",
               verb);
}

static int parse_long(struct parser *p, const char *argument)
{
    const char *name = argument + 2;
    size_t len = strcspn(name, "=");
    const struct prl_option *row = find_name(p->options->verb, name, len);

    if (!row) {
        char shown[OPTION_LEN];
        snprintf(shown, sizeof shown, "--%.*s", (int)(len < 60 ? len : 60), name);
        return fail_unknown(p, shown, shown + 2);
    }
    return add_option(p, row, name[len] ? name + len + 1 : NULL);
}

/* "-it", "-eA=B", "-e=A=B", "-e" "A=B". */
static int parse_letters(struct parser *p, const char *argument)
{
    for (const char *letter = argument + 1; *letter; letter++) {
        const struct prl_option *row = find_letter(p->options->verb, *letter);
        if (!row) {
            char shown[4] = {'-', *letter, 0};
            return fail_unknown(p, shown, argument + 1);
        }
        const char *rest = letter[1] == '=' ? letter + 2 : letter + 1;
        if (row->kind != PRL_KIND_FLAG)
            return add_option(p, row, letter[1] ? rest : NULL);
        if (letter[1] == '=')
            return add_flag(p, row, rest);
        int r = add_flag(p, row, NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Neither given already, nor given up. */
static bool wants_default_filter(const struct prl_options *options)
{
    bool unconfined = false;
    for (size_t i = 0; i < options->values_len; i++) {
        const struct prl_option_value *v = &options->values[i];
        if (strcmp(v->option->name, "security-opt") == 0 &&
            strncmp(v->text, "seccomp=", 8) == 0)
            unconfined = strcmp(v->text + 8, "unconfined") == 0;
    }
    return !unconfined && !prl_options_flag(options, "privileged") &&
           !prl_options_get(options, "seccomp-program");
}

/* Does this value of a native option need the engine? */
static bool value_needs_engine(const struct prl_options *options,
                               const struct prl_option_value *value)
{
    const char *name = value->option->name, *text = value->text;

    if (value->option->door == PRL_DOOR_ENGINE)
        return true;
    if (strcmp(name, "device") == 0) /* vendor.com/class=name */
        return *text != '/' && strchr(text, '=') && strchr(text, '/');
    if (!wants_default_filter(options))
        return false;
    if (strcmp(name, "cap-add") == 0) /* docker's profile opens calls by capability */
        return true;
    if (strcmp(name, "security-opt") != 0)
        return false;
    if (strncmp(text, "seccomp=", 8) == 0)
        return strcmp(text + 8, "unconfined") != 0 && strcmp(text + 8, "builtin") != 0;
    return strcmp(text, "nested-userns") == 0 || strcmp(text, "io-uring") == 0;
}

static bool is_restarted(const struct prl_options *o)
{
    const char *policy = prl_options_get(o, "restart");

    return policy && strcmp(policy, "no") != 0;
}

/* --attach of standard output or error. */
static bool shows_output(const struct prl_options *o)
{
    for (size_t i = 0; i < o->values_len; i++)
        if (strcmp(o->values[i].option->name, "attach") == 0 &&
            strcasecmp(o->values[i].text, "stdin") != 0)
            return true;
    return false;
}

/* What one option says about another. */
static int check_together(const struct prl_options *o, struct prl_error *reterr)
{
    bool ephemeral = prl_options_flag(o, "ephemeral");

    if (!ephemeral && prl_options_get(o, "ephemeral-size"))
        return BAD(reterr, "--ephemeral-size",
                   "it limits what --ephemeral keeps in memory: add --ephemeral");
    if (!ephemeral && prl_options_get(o, "ephemeral-inodes"))
        return BAD(reterr, "--ephemeral-inodes",
                   "it limits what --ephemeral keeps in memory: add --ephemeral");
    if (prl_options_get(o, "attach") && prl_options_flag(o, "detach"))
        return BAD(reterr, "--attach",
                   "with -d nothing is connected: leave one of the two out, or \"pyrootless "
                   "attach\" later");
    if (prl_options_flag(o, "tty") && prl_options_get(o, "attach") && !shows_output(o))
        return BAD(reterr, "--attach",
                   "a terminal is connected as a whole: name stdout too, or leave -t out");
    if (is_restarted(o) && (ephemeral || prl_options_flag(o, "rm")))
        return BAD(reterr, "--restart",
                   "conflicting options: cannot specify both --restart and %s",
                   ephemeral ? "--ephemeral" : "--rm");
    if (!prl_options_get(o, "spec"))
        return 0;
    for (size_t i = 0; i < o->values_len; i++) {
        const struct prl_option *row = o->values[i].option;
        bool about_life = strcmp(row->name, "name") == 0 || strcmp(row->name, "rm") == 0;
        if (strcmp(row->field, "-") != 0 && !about_life)
            return BAD(
                reterr, "--spec",
                "config.json is launched as it is, so --%s would have no effect: leave one "
                "of the two out",
                row->name);
    }
    return 0;
}

/* `run host -- ls`, as with other tools: no program has that name.  An image may have an
 * entrypoint that takes the word, as docker would hand it over. */
static bool is_separator(const struct prl_options *o, const char *word)
{
    bool no_entrypoint = o->verb == PRL_VERB_EXEC || prl_options_flag(o, "rootfs") ||
                         strcmp(o->image, "host") == 0;
    return no_entrypoint && !prl_options_get(o, "entrypoint") && strcmp(word, "--") == 0;
}

static int parse_words(struct parser *p)
{
    int r = 0;
    while (r >= 0 && !p->options->help && p->at < p->argc) {
        const char *argument = p->argv[p->at];
        if (argument[0] != '-' || !argument[1])
            break;
        p->at++;
        if (strcmp(argument, "--") == 0)
            break;
        r = argument[1] == '-' ? parse_long(p, argument) : parse_letters(p, argument);
    }
    return r;
}

static int take_rest(struct parser *p)
{
    struct prl_options *o = p->options;
    bool spec = prl_options_get(o, "spec") != NULL;

    if (spec && p->at < p->argc)
        return BAD(p->reterr, "--spec",
                   "config.json names the program itself, so \"%.80s\" is one word too many",
                   p->argv[p->at]);
    if (!spec) {
        const char *what = prl_options_flag(o, "rootfs") ? "DIRECTORY" : "IMAGE";
        bool program = o->verb & (PRL_VERB_RUN | PRL_VERB_CREATE | PRL_VERB_EXEC);
        what = o->verb == PRL_VERB_EXEC || !program ? "CONTAINER" : what;
        if (p->at == p->argc || !*p->argv[p->at])
            return BAD(p->reterr, what, "it is missing: write \"pyrootless %s [OPTION…] %s%s\"",
                       prl_verb_name(o->verb), what, program ? " [PROGRAM [ARGUMENT…]]" : "");
        o->image = p->argv[p->at++];
        /* They may follow it where no program comes, as docker has it. */
        int r = o->verb == PRL_VERB_LOGS ? parse_words(p) : 0;
        if (r < 0 || o->help)
            return r;
        if ((o->verb & (PRL_VERB_ATTACH | PRL_VERB_LOGS)) && p->at < p->argc)
            return BAD(p->reterr, what, "\"%.80s\" is one word too many", p->argv[p->at]);
        p->at += p->at < p->argc && is_separator(o, p->argv[p->at]);
    }
    o->args = p->argv + p->at;
    return prl_options_check(o, p->reterr);
}

int prl_options_check(struct prl_options *o, struct prl_error *reterr)
{
    for (size_t i = 0; i < o->values_len; i++)
        o->engine = o->engine || value_needs_engine(o, &o->values[i]);
    return check_together(o, reterr);
}

int prl_options_parse(unsigned verb, int argc, char **argv, struct prl_options *ret,
                      struct prl_error *reterr)
{
    struct parser p = {.argc = argc, .argv = argv, .options = ret, .reterr = reterr};

    *ret = (struct prl_options){.verb = verb, .args = argv + argc};
    int r = parse_words(&p);
    if (r >= 0 && !ret->help)
        r = take_rest(&p);
    if (r < 0)
        prl_options_free(ret);
    return r < 0 ? r : 0;
}

void prl_options_free(struct prl_options *options)
{
    free(options->values);
    options->values = NULL;
    options->values_len = 0;
}

void prl_options_hide(const struct prl_options *options)
{
    for (size_t i = 0; i < options->values_len; i++) {
        bool secret = strcmp(options->values[i].option->name, "env") == 0;
        const char *value = secret ? strchr(options->values[i].text, '=') : NULL;
        /* The text stands in argv, which is this process's to write. */
        if (value)
            memset((char *)(uintptr_t)value + 1, '*', strlen(value + 1));
    }
}

const char *prl_options_get(const struct prl_options *options, const char *name)
{
    for (size_t i = options->values_len; i-- > 0;)
        if (strcmp(options->values[i].option->name, name) == 0)
            return options->values[i].text;
    return NULL;
}

const char *prl_options_template(const struct prl_options *options)
{
    return prl_options_flag(options, "rootfs") ? "host" : options->image;
}

bool prl_options_flag(const struct prl_options *options, const char *name)
{
    const char *text = prl_options_get(options, name);

    return text && strcmp(text, "true") == 0;
}
