/* exec.c: the spec of a running container + options of `exec` → the same with another
 * program.
 * In: the spec that the container was started with.  Out: /process, and nothing else
 * changed but what --privileged lifts.  Never: a privilege that the container was not started
 * with. */
#include "config/exec.h"
#include "config/parts.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

#define SYS_ADMIN "CAP_SYS_ADMIN"

/* A container that may not mount has the host's tree beneath its root, where whoever may mount
 * would reach it (launch/steps/filesystem/rootfs.c): such a program must not come into it
 * later. */
static int apply_privileged(struct prl_merge *m, const char *text)
{
    if (strcmp(text, "true") == 0 &&
        !(m->spec->process.caps[PRL_CAP_BOUNDING] >> CAP_SYS_ADMIN & 1))
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

/* A container of one id has no other user, so this program becomes the user by claim, under a
 * fake root of its own where the container has none.  Root's claim has root's capabilities,
 * another's has none, whoever the first program was. */
static int claim_user(struct prl_merge *m)
{
    if (m->userns != PRL_USERNS_SINGLE || !prl_options_get(m->options, "user"))
        return 0;
    struct prl_spec *spec = m->spec;
    uint32_t own = spec->uid_maps[0].container_id;
    if (spec->fake_root != PRL_FAKE_ROOT_REMEMBER) {
        if (spec->process.uid == own && spec->process.gid == spec->gid_maps[0].container_id)
            return 0;
        if (own != 0) /* nobody in it may become another, not even by claim */
            return prl_config_bad(m, ERANGE, "--user",
                                  "the container has one id, which user %u took at its start: "
                                  "start it without -u, or with --userns=range",
                                  (unsigned)own);
        spec->fake_root = PRL_FAKE_ROOT_REMEMBER;
        spec->fake_root_owners = NULL; /* in memory */
    }
    if (spec->process.uid == 0 && !prl_options_flag(m->options, "privileged"))
        spec->process.caps[PRL_CAP_EFFECTIVE] = spec->process.caps[PRL_CAP_PERMITTED] =
            spec->process.caps[PRL_CAP_BOUNDING];
    prl_config_drop_caps_of_user(m);
    return 0;
}

static int apply_all(struct prl_merge *m)
{
    int r = 0;

    m->userns = kind_of_map(m);
    if (!m->options->args[0])
        return prl_config_bad(m, EINVAL, "PROGRAM",
                              "it is missing: write \"pyrootless exec [OPTION…] %.60s PROGRAM "
                              "[ARGUMENT…]\"",
                              m->options->image);
    prl_spec_take_program(m->spec, (const char *const *)m->options->args);
    for (size_t i = 0; r >= 0 && i < sizeof rows / sizeof *rows; i++)
        r = prl_config_apply_option(m, rows[i].name, rows[i].apply);
    if (r >= 0 && prl_options_flag(m->options, "privileged"))
        r = prl_config_capabilities(m);
    if (r >= 0)
        r = prl_config_added_groups(m);
    if (r >= 0)
        r = prl_config_primary_group(m);
    if (r >= 0)
        r = claim_user(m);
    if (m->userns == PRL_USERNS_SINGLE && m->spec->fake_root != PRL_FAKE_ROOT_REMEMBER)
        m->spec->process.additional_gids_len = 0; /* nobody can have one, and nobody claims */
    return r < 0 ? r : prl_config_home(m);
}

int prl_config_exec(struct prl_spec *spec, const struct prl_options *options,
                    const struct prl_config_facts *facts, struct prl_error *reterr)
{
    return prl_config_run(spec, options, facts, apply_all, reterr);
}
