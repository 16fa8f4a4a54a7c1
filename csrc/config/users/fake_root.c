/* fake_root.c: does this container get a fake root?
 * In: --fake-root, the template's default, the map of ids.  Out: annotations.
 * Never: a fake root beside real ids: with a map of many the kernel does the work itself. */
#include "config/parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPTION "--fake-root"

static bool known(const char *mode)
{
    return strcmp(mode, "remember") == 0 || strcmp(mode, "silent") == 0 ||
           strcmp(mode, "off") == 0;
}

static const char *choose_mode(struct prl_merge *m)
{
    const char *asked = prl_options_get(m->options, "fake-root");
    const char *template =
        prl_options_flag(m->options, "rootfs") ? NULL : prl_config_note_get(m, "fake-root");
    return asked ? asked : template ? template : "off";
}

/* A program of `exec` gets a fake root of its own where it needs one (exec.c). */
bool prl_config_may_claim(struct prl_merge *m)
{
    return m->userns == PRL_USERNS_SINGLE &&
           (m->facts->running_root || strcmp(choose_mode(m), "remember") == 0);
}

/* Claims that no file's attribute can hold. */
static void note_owners(struct prl_merge *m)
{
    char path[4096];

    if (!m->facts->container_dir)
        return;
    int n = snprintf(path, sizeof path, "%s/owners", m->facts->container_dir);
    if (n > 0 && (size_t)n < sizeof path)
        prl_config_note(m, "fake-root.owners", path);
}

/* With one id mapped, another user starts as root and becomes that user by the first calls the
 * fake root answers: without capabilities, as a real one would. */
void prl_config_drop_caps_of_user(struct prl_merge *m)
{
    struct prl_process *process = &m->spec->process;

    if (process->uid != 0)
        process->caps[PRL_CAP_EFFECTIVE] = process->caps[PRL_CAP_PERMITTED] = 0;
}

int prl_config_fake_root(struct prl_merge *m)
{
    const char *asked = prl_options_get(m->options, "fake-root");
    const char *mode = choose_mode(m);
    bool wanted = strcmp(mode, "off") != 0, many = m->userns != PRL_USERNS_SINGLE;

    if (asked && !known(asked))
        return prl_config_bad(m, EINVAL, OPTION,
                              "\"%.40s\" is not understood: use remember, silent or off",
                              asked);
    if (asked && many && wanted)
        return prl_config_bad(m, EINVAL, OPTION,
                              "this container has many ids of its own (--userns), and the "
                              "kernel changes owners for real: leave " OPTION
                              " out, or take --userns=single");
    if (many || !wanted) {
        m->spec->fake_root = PRL_FAKE_ROOT_OFF;
        return 0;
    }
    prl_config_note(m, "fake-root", mode);
    if (m->spec->fake_root == PRL_FAKE_ROOT_REMEMBER) {
        if (m->facts->launcher)
            prl_config_note(m, "launcher", m->facts->launcher);
        note_owners(m);
        prl_config_drop_caps_of_user(m);
    }
    return 0;
}
