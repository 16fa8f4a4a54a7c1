/* process.c: the program: arguments, environment, user, directory, limits, terminal.
 * In: option values, the image's entrypoint and cmd.  Out: /process.
 * Never: the host's users; the caller's environment beyond the names asked for. */
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "config/options/exports.h"
#include "config/users/passwd.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* Where NAME stands in the environment; NULL: nowhere. */
static const char **find_variable(struct prl_merge *m, const char *name, size_t len)
{
    const char **env = (const char **)(uintptr_t)m->spec->process.env;

    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return env;
    return NULL;
}

static int add_line(struct prl_merge *m, const char *text)
{
    const char **place = find_variable(m, text, strcspn(text, "="));

    if (place)
        *place = prl_config_copy(m, text);
    else
        prl_config_append(m, &m->spec->process.env, text);
    return m->failed;
}

int prl_config_env(struct prl_merge *m, const char *text)
{
    size_t len = strcspn(text, "=");

    if (len == 0)
        return prl_config_bad(m, EINVAL, "--env",
                              "\"%.60s\" has no name: write NAME=VALUE, or NAME to take the "
                              "caller's value",
                              text);
    if (text[len])
        return add_line(m, text);
    const char *value = getenv(text);
    if (!value) { /* asked for what the caller has not: it is not there inside either */
        const char **place = find_variable(m, text, len);
        for (; place && *place; place++)
            *place = place[1];
        return 0;
    }
    size_t size = len + strlen(value) + 2;
    _cleanup_free_ char *line = malloc(size);
    if (!line)
        return prl_config_memory(m);
    snprintf(line, size, "%s=%s", text, value);
    return add_line(m, line);
}

/* JSON text of an array of texts, each appended to args; false: it is something else. */
static bool append_json(struct prl_merge *m, const char *text)
{
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, strlen(text), 0, NULL, NULL);
    yyjson_arr_iter iter;
    yyjson_val *value;
    bool good = yyjson_is_arr(yyjson_doc_get_root(doc));

    yyjson_arr_iter_init(yyjson_doc_get_root(doc), &iter);
    while (good && (value = yyjson_arr_iter_next(&iter))) {
        const char *word = yyjson_get_str(value);
        good = word && strlen(word) == yyjson_get_len(value);
        if (good)
            prl_config_append(m, &m->spec->process.args, word);
    }
    yyjson_doc_free(doc);
    return good;
}

int prl_config_entrypoint(struct prl_merge *m, const char *text)
{
    m->spec->process.args = NULL;
    if (*text == '[') {
        if (!append_json(m, text))
            return prl_config_bad(m, EINVAL, "--entrypoint",
                                  "\"%.60s\" is not a JSON array of texts: write for example "
                                  "--entrypoint '[\"/bin/sh\",\"-c\"]'",
                                  text);
    } else if (*text) {
        prl_config_append(m, &m->spec->process.args, text);
    }
    return 0;
}

static int append_note(struct prl_merge *m, const char *name)
{
    const char *text = prl_config_note_get(m, name);

    if (!text || append_json(m, text))
        return 0;
    return prl_failf(m->reterr, PRL_STAGE_CONFIG, EINVAL, "template",
                     "/annotations/io.pyrootless.%s is not a JSON array of texts: prepare the "
                     "image again",
                     name);
}

/* docker's rule: --entrypoint replaces the image's and makes its cmd void; arguments replace
 * cmd. */
int prl_config_args(struct prl_merge *m)
{
    bool replaced = prl_options_get(m->options, "entrypoint") != NULL;
    struct prl_process *process = &m->spec->process;
    int r = 0;

    if (!replaced)
        process->args = NULL;
    if (!replaced)
        r = append_note(m, "image.entrypoint");
    if (r >= 0 && !replaced && !m->options->args[0])
        r = append_note(m, "image.cmd");
    if (r < 0)
        return r;
    for (char **word = m->options->args; *word; word++)
        prl_config_append(m, &process->args, *word);
    if (!process->args || !process->args[0])
        return prl_config_bad(m, EINVAL, "PROGRAM",
                              "nothing says which program to run: name one after %.100s, as in "
                              "\"pyrootless run %.60s /bin/sh\"",
                              m->options->image, m->options->image);
    prl_config_note_drop(m, "image.entrypoint");
    prl_config_note_drop(m, "image.cmd");
    return 0;
}

void prl_config_set_user(struct prl_merge *m, uint32_t uid, uint32_t gid)
{
    struct prl_process *process = &m->spec->process;

    process->uid = uid;
    process->gid = gid;
    process->umask = -1;
    process->additional_gids_len = 0;
}

int prl_config_user(struct prl_merge *m, const char *text)
{
    struct prl_passwd_user user;
    const char *const *dirs = prl_config_root_dirs(m);

    if (!dirs)
        return prl_config_memory(m);
    bool groups = m->userns != PRL_USERNS_SINGLE || prl_config_may_claim(m);
    struct prl_passwd_root root = {.dirs = dirs, .groups = groups};
    int r = prl_passwd_resolve(&root, text, &user, m->reterr);
    if (r < 0)
        return r;
    prl_config_set_user(m, user.uid, user.gid);
    snprintf(m->home, sizeof m->home, "%s", user.home);
    r = prl_config_primary_group(m);
    for (size_t i = 0; r == 0 && i < user.groups_len; i++)
        r = prl_config_add_gid(m, user.groups[i]);
    return r;
}

/* It is one of the others too, whoever chose the user: a set-group-id program could shed it
 * else (CVE-2022-36109). */
int prl_config_primary_group(struct prl_merge *m)
{
    const struct prl_process *process = &m->spec->process;
    return process->keep_groups ? 0 : prl_config_add_gid(m, process->gid);
}

/* The user an image names and lacks: an error here, where -u would have helped. */
int prl_config_image_user(struct prl_merge *m)
{
    const char *text = prl_config_note_get(m, "image.user");
    int r = 0;

    if (text && !prl_options_get(m->options, "user"))
        r = prl_config_user(m, text);
    prl_config_note_drop(m, "image.user");
    return r;
}

/* NAME, NAME=VALUE or a line of an --env-file, whatever came of it. */
static bool asked_for(struct prl_merge *m, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < m->options->values_len; i++) {
        const struct prl_option_value *value = &m->options->values[i];
        if (strcmp(value->option->name, "env") == 0 && strncmp(value->text, name, len) == 0 &&
            (value->text[len] == '=' || !value->text[len]))
            return true;
    }
    return false;
}

/* After the environment: HOME of -u (or of --rootfs's user 0), unless somebody set one: the
 * image, or the caller, of `run` also for a later `exec -u`. */
int prl_config_home(struct prl_merge *m)
{
    char line[sizeof m->home + 8];

    if (m->home_from_file || asked_for(m, "HOME")) {
        prl_config_note(m, "home", "given");
        return 0;
    }
    if (!m->home[0] || prl_config_note_get(m, "home"))
        return 0;
    snprintf(line, sizeof line, "HOME=%s", m->home);
    return add_line(m, line);
}

/* docker's: the container's host name, which with the host's network is the host's. */
void prl_config_hostname_variable(struct prl_merge *m)
{
    struct utsname host;
    const char *name = m->spec->hostname;
    char line[sizeof host.nodename + 16];

    if (asked_for(m, "HOSTNAME") || find_variable(m, "HOSTNAME", 8))
        return;
    if (!name && uname(&host) == 0)
        name = host.nodename;
    snprintf(line, sizeof line, "HOSTNAME=%s", name ? name : "");
    if (name)
        (void)add_line(m, line);
}

int prl_config_workdir(struct prl_merge *m, const char *text)
{
    _cleanup_free_ char *path = NULL;
    int r = prl_value_target("--workdir", text, &path, m->reterr);

    if (r < 0)
        return r;
    m->spec->process.cwd = prl_config_copy(m, path);
    return 0;
}

int prl_config_rlimit(struct prl_merge *m, const char *type, uint64_t soft, uint64_t hard)
{
    struct prl_process *process = &m->spec->process;
    const struct prl_rlimit row = {prl_spec_rlimit(type), soft, hard};
    struct prl_rlimit *all = (struct prl_rlimit *)(uintptr_t)process->rlimits;

    for (size_t i = 0; i < process->rlimits_len; i++)
        if (all[i].resource == row.resource) {
            all[i] = row;
            return 0;
        }
    all = prl_spec_grow(&m->reader, all, process->rlimits_len, sizeof *all);
    if (!all)
        return -ENOMEM;
    all[process->rlimits_len++] = row;
    process->rlimits = all;
    return 0;
}

int prl_config_ulimit(struct prl_merge *m, const char *text)
{
    struct prl_value_ulimit limit;

    if (strcmp(text, "host") == 0) {
        m->spec->process.rlimits_len = 0;
        return 0;
    }
    int r = prl_value_ulimit("--ulimit", text, &limit, m->reterr);
    return r < 0 ? r : prl_config_rlimit(m, limit.type, limit.soft, limit.hard);
}

int prl_config_terminal(struct prl_merge *m, const char *text)
{
    struct prl_process *process = &m->spec->process;

    process->terminal = strcmp(text, "true") == 0;
    if (!process->terminal)
        return 0;
    if (m->facts->rows && m->facts->columns) {
        process->console_rows = m->facts->rows;
        process->console_columns = m->facts->columns;
    }
    return find_variable(m, "TERM", 4) ? 0 : add_line(m, "TERM=xterm");
}
