/* recall_facts.c: the key of a start: what it is given, and what it asks of this machine.
 * In: a container's options.  Out: words.  Never: an answer by other means than the merge's
 * own; a question that is not in the key. */
#include "cli/container.h"
#include "cli/request_options.h"

#include "base/io.h"
#include "base/own.h"
#include "cli/config_needs.h"
#include "cli/passwd.h"
#include "prl_build.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* One word of the key, with its end; an absent one is not an empty one. */
static void add(struct prl_recall_key *key, const char *word)
{
    size_t len = word ? strlen(word) + 1 : 0;
    if (key->len + len + 1 > sizeof key->bytes) {
        key->overflow = true;
        return;
    }
    key->bytes[key->len++] = word ? '+' : '-';
    if (len)
        memcpy(key->bytes + key->len, word, len);
    key->len += len;
}

static void add_number(struct prl_recall_key *key, unsigned long long number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", number);
    add(key, text);
}

/* Where it leads to, and which device that is, if any; false: to nothing. */
static bool add_path(struct prl_recall_key *key, const char *typed)
{
    struct stat st;
    _cleanup_free_ char *real = realpath(typed, NULL);
    if (!real || stat(real, &st) < 0)
        return false;
    bool device = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
    add(key, real);
    add_number(key, st.st_mode & S_IFMT);
    add_number(key, device ? st.st_rdev : 0);
    return true;
}

/* An option that names no path of the host is left to the merge, as one that is wrong. */
static bool add_source(struct prl_recall_key *key, const char *name, const char *text)
{
    _cleanup_free_ char *source = prl_config_source(name, text);
    if (source)
        return add_path(key, source);
    add(key, NULL);
    return true;
}

/* A file's text, of lines that say all themselves: NAME alone would ask for the caller's.  What
 * is no file is read once, by the merge. */
static bool add_lines(struct prl_recall_key *key, const char *path)
{
    struct stat st;
    _cleanup_free_ char *text = NULL;
    size_t len;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
        prl_io_read_file(AT_FDCWD, path, sizeof key->bytes, &text, &len) < 0 ||
        strlen(text) != len)
        return false;
    for (const char *line = text; *line; line += *line == '\n') {
        const char *begin = line + strspn(line, " \t\v\f\r");
        size_t rest = strcspn(begin, "\n");
        if (*begin != '#' && rest > 0 && !memchr(begin, '=', rest))
            return false;
        line = begin + rest;
    }
    add(key, text);
    return true;
}

static bool add_user(struct prl_recall_key *key, const struct prl_passwd_root *root,
                     const char *text)
{
    struct prl_passwd_user user;
    struct prl_error ignored; /* the merge meets it again */
    if (prl_passwd_resolve(root, text, &user, &ignored) < 0)
        return false;
    add_number(key, user.uid);
    add_number(key, user.gid);
    add(key, user.home);
    for (size_t i = 0; i < user.groups_len; i++)
        add_number(key, user.groups[i]);
    return true;
}

/* A directory that is the root: where it is, and what the merge will look up in its files. */
static bool add_root(const struct prl_container *c, struct prl_recall_key *key)
{
    const struct prl_options *o = prl_request_options(c->request);
    _cleanup_free_ char *typed = prl_config_rootfs_path(o->image), *real = NULL;
    char own[32];
    if (!typed || !add_path(key, typed) || !(real = realpath(typed, NULL)))
        return false;
    const char *const dirs[] = {real, NULL};
    const struct prl_passwd_root root = {.dirs = dirs, .groups = true};
    snprintf(own, sizeof own, "%u:%u", (unsigned)geteuid(), (unsigned)getegid());
    if (!add_user(key, &root, "0") || !add_user(key, &root, own))
        return false;
    for (size_t i = 0; i < o->values_len; i++) {
        const char *name = o->values[i].option->name;
        struct prl_error ignored;
        uint32_t gid = 0;
        if (strcmp(name, "user") == 0 && !add_user(key, &root, o->values[i].text))
            return false;
        if (strcmp(name, "group-add") == 0 &&
            prl_passwd_group(&root, o->values[i].text, &gid, &ignored) < 0)
            return false;
        add_number(key, gid);
    }
    return true;
}

/* In the order given; the name's own text is not one of them.  *ret: all they need together. */
static bool add_options(struct prl_recall_key *key, const struct prl_options *options,
                        unsigned *ret)
{
    for (size_t i = 0; i < options->values_len; i++) {
        const struct prl_option_value *value = &options->values[i];
        const char *name = value->option->name;
        if (strcmp(value->option->field, "-") == 0) /* reaches no config.json */
            continue;
        unsigned needs = prl_config_needs(name, value->text);
        if (needs & PRL_NEEDS_MORE)
            return false;
        add(key, name);
        add(key, strcmp(name, "name") == 0 ? NULL : value->text);
        if ((needs & PRL_NEEDS_PATH) && !add_source(key, name, value->text))
            return false;
        if ((needs & PRL_NEEDS_LINES) && !add_lines(key, value->text))
            return false;
        if (needs & PRL_NEEDS_VARIABLE)
            add(key, getenv(value->text));
        *ret |= needs;
    }
    return true;
}

/* The controllers that hold all that is asked for; 0: an option's name alone does not tell. */
static unsigned wanted_controllers(const struct prl_options *options)
{
    unsigned all = 0;
    for (size_t i = 0; i < options->values_len; i++) {
        const char *name = options->values[i].option->name;
        unsigned one = prl_limits_controllers_of(name);
        if (one == 0 && (prl_config_needs(name, options->values[i].text) & PRL_NEEDS_GROUPS))
            return 0;
        all |= one;
    }
    return all;
}

/* What the plan of the limits is made of.  Where systemd could be asked for more, the groups
 * are made anew for each process, or there are enough. */
static bool add_groups(struct prl_container *c, struct prl_recall_key *key, bool all)
{
    struct prl_error ignored; /* the plan meets it again */
    const struct prl_cgroup_wish wish = {
        .hints_fd = c->dirs->runtime_fd,
        .controllers = wanted_controllers(prl_request_options(c->request)),
        .clock = prl_options_get(prl_request_options(c->request), "cpu-time")};
    if (all && prl_cgroup_look_apart(wish.clock, &c->host, &ignored) < 0)
        return false;
    if (c->host.sight == PRL_SIGHT_NONE && prl_cgroup_look_first(&wish, &c->host, &ignored) < 0)
        return false;
    /* Of the own group alone nothing else is used, and it may hand down more by and by. */
    bool own = c->host.sight == PRL_SIGHT_OWN && wish.controllers;
    add_number(key, c->host.sight);
    add_number(key, c->host.clock);
    add_number(key, c->host.stolen);
    add_number(key, c->host.open);
    add_number(key, c->host.sight == PRL_SIGHT_WHOLE && prl_cgroup_may_ask());
    for (size_t i = 0; i < c->host.len; i++) {
        add_number(key, c->host.bases[i].version2);
        add_number(key, c->host.bases[i].controllers & (own ? wish.controllers : ~0u));
        add(key, c->host.bases[i].path);
    }
    return true;
}

static bool add_network(struct prl_container *c, struct prl_recall_key *key)
{
    char text[512];
    if (!prl_config_network_facts(prl_request_options(c->request), c->dirs->data, text,
                                  sizeof text))
        return false;
    add(key, text);
    return true;
}

/* The other two of the engine's directories are canonical already. */
static bool add_scratch(struct prl_container *c, struct prl_recall_key *key)
{
    const char *scratch = prl_container_scratch(c);
    return !scratch || add_path(key, scratch);
}

/* Whose ids the template alone tells: those of `host` and of a map of one. */
static bool has_own_id(const struct prl_options *o)
{
    const char *userns = prl_options_get(o, "userns");
    return userns ? strcmp(userns, "single") == 0 : strcmp(o->image, "host") == 0;
}

static void add_given(const struct prl_container *c, struct prl_recall_key *key)
{
    const struct prl_options *o = prl_request_options(c->request);
    add(key, PRL_BUILD);
    add_number(key, geteuid());
    add_number(key, getegid());
    add(key, c->dirs->data);
    add(key, c->dirs->runtime);
    add(key, c->launcher);
    add(key, o->image);
    add(key, o->args[0] ? "args" : NULL);
    add_number(key, c->request->named);
}

bool prl_recall_describe(struct prl_container *c, struct prl_recall_key *ret)
{
    unsigned needs = 0;
    ret->len = 0;
    ret->overflow = false;
    const struct prl_options *o = prl_request_options(c->request);
    if (!o || !o->image)
        return false;
    add_given(c, ret);
    add_number(ret,
               has_own_id(prl_request_options(c->request)) ? 0 : 1 + prl_config_ids_here());
    if (prl_options_flag(prl_request_options(c->request), "tty")) {
        add_number(ret, c->request->window.ws_row);
        add_number(ret, c->request->window.ws_col);
    }
    return add_scratch(c, ret) && add_options(ret, prl_request_options(c->request), &needs) &&
           (!(needs & PRL_NEEDS_ROOT) || add_root(c, ret)) &&
           (!(needs & (PRL_NEEDS_GROUPS | PRL_NEEDS_HIERARCHIES)) ||
            add_groups(c, ret, needs & PRL_NEEDS_HIERARCHIES)) &&
           (!(needs & PRL_NEEDS_NETWORK) || add_network(c, ret)) && !ret->overflow;
}
