/* config_fake_root.c: does this container get a fake root?
 * In: --fake-root, the template's wish, the map of ids.  Out: annotations.
 * Never: a fake root beside real ids: with a map of many the kernel does the work itself. */
#include "cli/config_merge.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPTION "--fake-root"

static bool known(const char *mode)
{
    return strcmp(mode, "remember") == 0 || strcmp(mode, "silent") == 0 ||
           strcmp(mode, "off") == 0;
}

/* Why there can be none; NULL: there can. */
static const char *obstacle(struct prl_merge *m)
{
    if (m->userns != PRL_USERNS_SINGLE)
        return "this container has many ids of its own (--userns), and the kernel changes "
               "owners for real: leave " OPTION " out, or take --userns=single";
    if (m->facts->uid == 0)
        return "the caller is root, who can change owners for real: leave " OPTION " out";
    return NULL;
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
static void drop_caps_of_user(struct prl_merge *m)
{
    yyjson_mut_val *process = prl_config_process(m);
    yyjson_mut_val *sets = prl_config_object(m, process, "capabilities");

    if (yyjson_mut_get_uint(yyjson_mut_obj_get(prl_config_object(m, process, "user"), "uid")) ==
        0)
        return;
    prl_config_clear(m, sets, "effective");
    prl_config_clear(m, sets, "permitted");
}

bool prl_config_remembers(struct prl_merge *m)
{
    const char *mode = prl_config_note_get(m, "fake-root");
    return mode && strcmp(mode, "remember") == 0;
}

int prl_config_fake_root(struct prl_merge *m)
{
    const char *asked = prl_options_get(m->options, "fake-root");
    const char *template =
        prl_options_flag(m->options, "rootfs") ? NULL : prl_config_note_get(m, "fake-root");
    const char *mode = asked ? asked : template ? template : "off", *why = obstacle(m);

    if (asked && !known(asked))
        return prl_config_bad(m, EINVAL, OPTION,
                              "\"%.40s\" is not understood: use remember, silent or off",
                              asked);
    if (asked && why && strcmp(asked, "off") != 0)
        return prl_config_bad(m, EINVAL, OPTION, "%s", why);
    if (why || strcmp(mode, "off") == 0) {
        prl_config_note_drop(m, "fake-root");
        return 0;
    }
    prl_config_note(m, "fake-root", mode);
    if (prl_config_remembers(m)) {
        note_owners(m);
        drop_caps_of_user(m);
    }
    return 0;
}
