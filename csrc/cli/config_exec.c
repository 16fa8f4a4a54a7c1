/* config_exec.c: the config.json of a running container + options of `exec` → the same with
 * another program.
 * In: config.json as the container was started with it.  Out: /process, and nothing else
 * changed but what --privileged lifts.  Never: a privilege that the container was not started
 * with. */
#include "cli/config_exec.h"
#include "cli/config_merge.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

#define SYS_ADMIN "CAP_SYS_ADMIN"

static bool was_given(struct prl_merge *m, const char *capability)
{
    yyjson_mut_val *sets = prl_config_object(m, prl_config_process(m), "capabilities");
    yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(prl_config_array(m, sets, "bounding"));
    yyjson_mut_val *name;

    while ((name = yyjson_mut_arr_iter_next(&iter)))
        if (yyjson_mut_is_str(name) && strcmp(yyjson_mut_get_str(name), capability) == 0)
            return true;
    return false;
}

/* A container that may not mount has the host's tree beneath its root, where whoever may mount
 * would reach it (steps/rootfs.c): such a program must not come into it later. */
static int apply_privileged(struct prl_merge *m, const char *text)
{
    if (strcmp(text, "true") == 0 && !was_given(m, SYS_ADMIN))
        return prl_config_bad(m, EPERM, "--privileged",
                              "the container was started without " SYS_ADMIN
                              ", so nothing in it may have that: start it with "
                              "\"pyrootless run --privileged\"");
    return prl_config_privileged(m, text);
}

static const struct {
    const char *name;
    prl_config_apply apply;
} rows[] = {
    {"privileged", apply_privileged}, {"user", prl_config_user},
    {"workdir", prl_config_workdir},  {"env-file", prl_config_env_file},
    {"env", prl_config_env},          {"tty", prl_config_terminal},
};

static enum prl_userns kind_of_map(struct prl_merge *m)
{
    const char *text = prl_config_note_get(m, "userns");

    if (text && strcmp(text, "range") == 0)
        return PRL_USERNS_RANGE;
    if (text && strcmp(text, "keep-id") == 0)
        return PRL_USERNS_KEEP_ID;
    return text && strcmp(text, "nomap") == 0 ? PRL_USERNS_NOMAP : PRL_USERNS_SINGLE;
}

/* What belonged to the first program alone; prl_spec_take_program knows the same.  Its init
 * stays: a program that joins gets none, and the limit on processes is counted with it. */
static void forget_program(struct prl_merge *m)
{
    yyjson_mut_val *process = prl_config_process(m);

    prl_config_clear(m, process, "args");
    yyjson_mut_obj_remove_key(process, "consoleSize");
    prl_config_set(m, process, "terminal", yyjson_mut_bool(m->doc, false));
    prl_config_note_drop(m, "wall-limit-ns");
    prl_config_note_drop(m, "verify"); /* it reads a launch back */
}

static int take_program(struct prl_merge *m)
{
    yyjson_mut_val *args = prl_config_array(m, prl_config_process(m), "args");

    if (!m->options->args[0])
        return prl_config_bad(m, EINVAL, "PROGRAM",
                              "it is missing: write \"pyrootless exec [OPTION…] %.60s PROGRAM "
                              "[ARGUMENT…]\"",
                              m->options->image);
    for (char **word = m->options->args; *word; word++)
        prl_config_append(m, args, *word);
    return 0;
}

static uint64_t id_of(struct prl_merge *m, const char *key)
{
    yyjson_mut_val *user = prl_config_object(m, prl_config_process(m), "user");
    return yyjson_mut_get_uint(yyjson_mut_obj_get(user, key));
}

/* The one id of a container's map. */
static uint64_t only_id(struct prl_merge *m, const char *key)
{
    yyjson_mut_val *map =
        yyjson_mut_arr_get_first(prl_config_array(m, prl_config_linux(m), key));
    return yyjson_mut_get_uint(yyjson_mut_obj_get(map, "containerID"));
}

static void restore_caps(struct prl_merge *m)
{
    yyjson_mut_val *sets = prl_config_object(m, prl_config_process(m), "capabilities");
    yyjson_mut_val *bounding = prl_config_array(m, sets, "bounding");

    prl_config_set(m, sets, "effective", yyjson_mut_val_mut_copy(m->doc, bounding));
    prl_config_set(m, sets, "permitted", yyjson_mut_val_mut_copy(m->doc, bounding));
}

/* A container of one id has no other user, so this program becomes the user by claim, under a
 * fake root of its own where the container has none.  Root's claim has root's capabilities,
 * another's has none, whoever the first program was. */
static int claim_user(struct prl_merge *m)
{
    if (m->userns != PRL_USERNS_SINGLE || !prl_options_get(m->options, "user"))
        return 0;
    uint64_t uid = id_of(m, "uid"), own = only_id(m, "uidMappings");
    if (!prl_config_remembers(m)) {
        if (uid == own && id_of(m, "gid") == only_id(m, "gidMappings"))
            return 0;
        if (own != 0) /* nobody in it may become another, not even by claim */
            return prl_config_bad(m, ERANGE, "--user",
                                  "the container has one id, which user %u took at its start: "
                                  "start it without -u, or with --userns=range",
                                  (unsigned)own);
        prl_config_note(m, "fake-root", "remember");
        prl_config_note_drop(m, "fake-root.owners"); /* in memory */
    }
    if (uid == 0 && !prl_options_flag(m->options, "privileged"))
        restore_caps(m);
    prl_config_drop_caps_of_user(m);
    return 0;
}

static int apply_all(struct prl_merge *m)
{
    int r = 0;

    m->userns = kind_of_map(m);
    forget_program(m);
    for (size_t i = 0; r >= 0 && i < sizeof rows / sizeof *rows; i++)
        r = prl_config_apply_option(m, rows[i].name, rows[i].apply);
    if (r >= 0 && prl_options_flag(m->options, "privileged"))
        r = prl_config_capabilities(m);
    if (r >= 0)
        r = claim_user(m);
    if (r >= 0)
        r = prl_config_home(m);
    if (r >= 0)
        r = take_program(m);
    if (r < 0)
        return r;
    return m->no_memory ? prl_config_memory(m) : 0;
}

int prl_config_exec(const char *json, const struct prl_options *options,
                    const struct prl_config_facts *facts, char **ret_json,
                    struct prl_error *reterr)
{
    struct prl_merge m = {.options = options, .facts = facts, .reterr = reterr};
    size_t len;
    int r = prl_config_open(&m, json, strlen(json));

    if (r >= 0)
        r = apply_all(&m);
    return prl_config_close(&m, r, ret_json, &len);
}
