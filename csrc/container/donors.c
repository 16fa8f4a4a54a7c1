/* donors.c: --volumes-from CONTAINER[:ro|rw]: what another container has mounted.
 * In: its name.  Out: its spec, out of its config.json.  Never: a change of it; whether it
 * runs.
 */
#include "container/donors.h"

#include "base/error.h"
#include "base/own.h"
#include "spec/exports.h"

#include <string.h>

static int load(const struct prl_dirs *dirs, const char *name, struct prl_spec **ret,
                struct prl_error *reterr)
{
    struct prl_listed row;
    _cleanup_free_ char *json = NULL;
    size_t len;
    int r = prl_state_look_up(dirs, name, &row, reterr);
    if (r < 0)
        return r;
    r = prl_state_read(row.directory, PRL_STATE_CONFIG, &json, &len);
    free(row.directory);
    return r < 0 ? prl_failf(reterr, PRL_STAGE_STATE, -r, "read",
                             "cannot read the configuration of container %.80s: %s", name,
                             strerror(-r))
                 : prl_spec_read(json, len, ret, reterr);
}

/* "NAME", "NAME:ro", "NAME:rw"; "z" says nothing here. */
static int split(char *text, bool *ret_readonly, struct prl_error *reterr)
{
    char *mode = strchr(text, ':');
    *ret_readonly = false;
    if (!mode)
        return 0;
    *mode++ = '\0';
    *ret_readonly = strcmp(mode, "ro") == 0;
    if (*ret_readonly || strcmp(mode, "rw") == 0 || strcmp(mode, "z") == 0 ||
        strcmp(mode, "Z") == 0)
        return 0;
    return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "--volumes-from",
                     "\"%.40s\" is no mode: write CONTAINER, CONTAINER:ro or CONTAINER:rw",
                     mode);
}

static int add(const struct prl_dirs *dirs, const char *text, struct prl_donor *ret,
               struct prl_error *reterr)
{
    _cleanup_free_ char *name = strdup(text);
    if (!name)
        return prl_fail_with(reterr, PRL_STAGE_OPTIONS, ENOMEM, "malloc", "--volumes-from");
    int r = split(name, &ret->readonly, reterr);
    return r < 0 ? r : load(dirs, name, &ret->spec, reterr);
}

int prl_donors_find(const struct prl_dirs *dirs, const struct prl_request *request,
                    struct prl_donor **ret, size_t *ret_len, struct prl_error *reterr)
{
    const char *text;
    size_t len = 0;
    int r = 0;
    while (request->words->volumes_from(request, len))
        len++;
    *ret = len ? calloc(len, sizeof **ret) : NULL;
    *ret_len = *ret ? len : 0;
    if (len && !*ret)
        return prl_fail_with(reterr, PRL_STAGE_OPTIONS, ENOMEM, "malloc", "--volumes-from");
    for (size_t i = 0; r >= 0 && (text = request->words->volumes_from(request, i)); i++)
        r = add(dirs, text, &(*ret)[i], reterr);
    return r < 0 ? r : 0;
}

void prl_donors_free(struct prl_donor *donors, size_t len)
{
    for (size_t i = 0; i < len; i++)
        prl_spec_free(donors[i].spec);
    free(donors);
}
