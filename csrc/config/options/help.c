/* help.c: what the table says to a person: the help of a verb, and "did you mean …?".
 * In: the table, a verb, what was typed.  Out: text, or the name of an option.
 * Never: a word about an option that is not in its row. */
#include "config/options/parse.h"

#include <string.h>

enum { WIDTH = 96, HELP_COLUMN = 36, NAME_MAX_LEN = 32 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be changed, added, dropped or swapped with the next one to get from a
 * to b. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[3][NAME_MAX_LEN + 1], a_len = strlen(a), b_len = strlen(b);
    size_t *before = row[0], *last = row[1], *now = row[2];

    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            now[j] =
                least(last[j - 1] + (a[i - 1] != b[j - 1]), least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

const char *prl_options_near(unsigned verb, const char *typed)
{
    const char *best = NULL;
    size_t len = strlen(typed), best_distance = len / 3 + 1;

    if (len < 2 || len > NAME_MAX_LEN)
        return NULL;
    for (const struct prl_option *row = prl_option_table; *row->name; row++) {
        if (!(row->verbs & verb) || !*row->help)
            continue;
        /* A beginning ("--host") is as near as two slips. */
        size_t distance = edit_distance(typed, row->name);
        if (len >= 3 && strncmp(typed, row->name, len) == 0)
            distance = least(distance, 1);
        if (distance < best_distance || (distance == best_distance && !best)) {
            best = row->name;
            best_distance = distance;
        }
    }
    return best;
}

/* Options of docker and podman that are not here, and what does their work; a few others are
 * known by name alone. */
static const struct {
    char name[20], instead[112];
} elsewhere[] = {
    {"gidmap", "choose a map by --userns: single, range, keep-id, nomap"},
    {"http-proxy", "name the variables: -e HTTPS_PROXY"},
    {"ip", "addresses are the network helper's: --network"},
    {"ip6", "addresses are the network helper's: --network"},
    {"link", "share a network: --network container:NAME"},
    {"link-local-ip", "addresses are the network helper's: --network"},
    {"network-alias",
     "a container on no named network has no names there: --hostname, --add-host"},
    {"no-hosts", "entries are added by --add-host"},
    {"pod", "share a network: --network container:NAME"},
    {"secret", "share a file: -v FILE:TARGET:ro"},
    {"tls-verify", "list the host under insecure in registries.toml"},
    {"tz", "name the zone: -e TZ=Europe/Berlin"},
    {"uidmap", "choose a map by --userns: single, range, keep-id, nomap"},
    {"umask", ""},
    {"unsetenv", "set it empty: -e NAME="},
};

const char *prl_options_elsewhere(const char *typed)
{
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (strcmp(elsewhere[i].name, typed) == 0)
            return elsewhere[i].instead;
    return NULL;
}

/* Columns on the screen: bytes that do not continue a UTF-8 character. */
static size_t columns(const char *text, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* Words of text from column `at` on, wrapped at WIDTH, later lines indented to HELP_COLUMN. */
static void print_wrapped(const char *text, size_t at, FILE *out)
{
    while (*text) {
        size_t len = strcspn(text, " "), wide = columns(text, len);
        if (at > HELP_COLUMN && at + 1 + wide > WIDTH) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
        } else if (at > HELP_COLUMN) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", (int)len, text);
        at += wide;
        text += len + strspn(text + len, " ");
    }
    fputc('\n', out);
}

static void print_row(const struct prl_option *row, FILE *out)
{
    char left[128], letter[8] = "    ";

    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(left, sizeof left, "  %s--%s%s%s", letter, row->name, *row->metavar ? " " : "",
             row->metavar);
    size_t wide = columns(left, strlen(left));
    fputs(left, out);
    if (wide + 2 > HELP_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out, "%*s", (int)(HELP_COLUMN - wide), "");
    print_wrapped(row->help, HELP_COLUMN, out);
}

const char *prl_verb_name(unsigned verb)
{
    static const char names[][8] = {"run",   "exec",    "create", "attach",
                                    "wait",  "logs",    "start",  "restart",
                                    "pause", "unpause", "rename", "update"};
    size_t at = 0;
    while (verb > 1) {
        verb >>= 1;
        at++;
    }
    return names[at];
}

/* What a verb takes behind its options, and what it does with it. */
static const struct {
    unsigned verb;
    char words[40], text[216];
} usages[] = {
    {PRL_VERB_EXEC, "CONTAINER PROGRAM [ARGUMENT…]", "Run a program in a running container.\n"},
    {PRL_VERB_WAIT, "CONTAINER…",
     "Wait until containers have ended, and print their exit statuses, a line each.\n"},
    {PRL_VERB_ATTACH, "CONTAINER",
     "Connect to the streams of a running container with a monitor of its own (`run -d`, `run "
     "-t`, "
     "`start`):\nwhat it wrote last, what it writes, and what is typed.\n"},
    {PRL_VERB_LOGS, "CONTAINER", "Show what a container in the background has written.\n"},
    {PRL_VERB_PAUSE, "CONTAINER…",
     "Let no process of containers run, until `unpause`.  None of them can know.\n"},
    {PRL_VERB_UNPAUSE, "CONTAINER…", "Let the processes of paused containers go on.\n"},
    {PRL_VERB_RENAME, "CONTAINER NAME", "Give a container another name.\n"},
    {PRL_VERB_UPDATE, "CONTAINER…",
     "Change the limits of containers, at once where they run, or their restart policy.\n"},
    {PRL_VERB_RESTART, "CONTAINER…",
     "Stop containers, and start them again; one that does not run is started.\n"},
    {PRL_VERB_START, "CONTAINER…",
     "Start containers that `create` made, and run ended ones again with the files they "
     "wrote.\n"
     "They run in the background, and their output goes to their logs.\n"},
};

static void print_image_usage(unsigned verb, FILE *out)
{
    const char *name = prl_verb_name(verb);
    fprintf(out,
            "Usage: pyrootless %s [OPTION…] IMAGE [PROGRAM [ARGUMENT…]]\n"
            "       pyrootless %s [OPTION…] --rootfs DIRECTORY[:O] PROGRAM [ARGUMENT…]\n\n%s",
            name, name,
            verb == PRL_VERB_RUN
                ? "Run a program in a new container.  The image \"host\" is this machine's own "
                  "toolchain.\n"
                : "Make a container without starting it, and print its id.\n");
}

static void print_usage(unsigned verb, FILE *out)
{
    for (size_t i = 0; i < sizeof usages / sizeof *usages; i++)
        if (usages[i].verb == verb) {
            fprintf(out, "Usage: pyrootless %s [OPTION…] %s\n\n%s", prl_verb_name(verb),
                    usages[i].words, usages[i].text);
            return;
        }
    print_image_usage(verb, out);
}

void prl_options_print_help(unsigned verb, FILE *out)
{
    const char *group = "";

    print_usage(verb, out);
    for (const struct prl_option *row = prl_option_table; *row->name; row++) {
        if (!(row->verbs & verb) || !*row->help)
            continue;
        if (strcmp(group, row->group) != 0)
            fprintf(out, "\n%s:\n", row->group);
        group = row->group;
        print_row(row, out);
    }
}
