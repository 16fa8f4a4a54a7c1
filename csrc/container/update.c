/* update.c: see update.h.
 * In, out, never: as there. */
#include "container/update.h"

#include "base/error.h"
#include "base/own.h"
#include "limits/exports.h"
#include "spec/exports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_spec(const struct prl_listed *row, struct prl_spec **ret,
                     struct prl_error *reterr)
{
    _cleanup_free_ char *config = NULL;
    size_t len;
    int r = prl_state_read(row->directory, PRL_STATE_CONFIG, &config, &len);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "read", "%s/config.json", row->directory);
    r = prl_spec_read(config, len, ret, reterr);
    return r < 0 ? r : prl_spec_check(*ret, reterr);
}

static int write_spec(const struct prl_listed *row, int dir_fd, const struct prl_spec *spec,
                      struct prl_error *reterr)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r = prl_spec_write(spec, &text, &len, reterr);
    return r < 0 ? r : prl_state_replace_config(dir_fd, row->directory, text, len, reterr);
}

static int update_held(const struct prl_listed *row, int dir_fd, prl_update_fn change,
                       const void *asked, struct prl_error *reterr)
{
    struct prl_spec *spec = NULL;
    int r = read_spec(row, &spec, reterr);
    const struct prl_resources before = r < 0 ? (struct prl_resources){0} : spec->resources;
    if (r == 0)
        r = change(spec, asked, reterr);
    if (r == 0 && row->pid > 0 && row->life != PRL_LIFE_RESTARTING)
        r = prl_cgroups_update(spec, &before, reterr);
    if (r == 0)
        r = write_spec(row, dir_fd, spec, reterr);
    prl_spec_free(spec);
    return r;
}

int prl_container_update(const struct prl_dirs *dirs, const char *text, prl_update_fn change,
                         const void *asked, struct prl_error *reterr)
{
    struct prl_listed row = {0};
    int r = prl_state_look_up(dirs, text, &row, reterr);
    if (r < 0)
        return r;
    _cleanup_close_ int dir_fd = prl_state_hold(row.directory);
    if (dir_fd < 0)
        r = prl_failf(reterr, PRL_STAGE_STATE, ESRCH, "container", "No such container: %.80s",
                      text);
    else
        r = update_held(&row, dir_fd, change, asked, reterr);
    free(row.directory);
    return r;
}
