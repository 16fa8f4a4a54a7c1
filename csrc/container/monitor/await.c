/* await.c: see await.h.
 * In: the control socket where there is one, else the lock of the running entry; the record.
 * Out: as there.  Never: as there. */
#include "container/monitor/await.h"

#include "base/error.h"
#include "base/own.h"
#include "container/monitor/record.h"
#include "container/monitor/socket.h"

#include <stdlib.h>
#include <string.h>

/* 1: the monitor told; 0: it has no socket, or hung up before it could. */
static int ask_monitor(const struct prl_dirs *dirs, const char *id, struct prl_status *ret)
{
    const struct prl_record_head head = {.kind = PRL_RECORD_WAIT};
    _cleanup_close_ int fd = prl_control_connect(dirs, id);
    _cleanup_free_ struct prl_record *record = malloc(sizeof *record);
    int passed;
    if (fd < 0 || !record || prl_record_send(fd, &head, NULL) < 0)
        return 0;
    while (prl_record_receive(fd, record, &passed) > 0) {
        prl_close_p(&passed);
        if (record->head.kind != PRL_RECORD_ENDED)
            continue;
        if (record->head.len == 0)
            return 0;
        memcpy(ret, record->bytes, sizeof *ret);
        return 1;
    }
    return 0;
}

int prl_container_wait(const struct prl_dirs *dirs, const char *text, struct prl_status *ret,
                       struct prl_error *reterr)
{
    struct prl_listed row = {0};
    struct prl_error gone;
    char id[sizeof row.id];
    int r = prl_state_look_up(dirs, text, &row, reterr);
    if (r < 0)
        return r;
    memcpy(id, row.id, sizeof id);
    bool running = row.running;
    int told = running ? ask_monitor(dirs, id, ret) : 0;
    if (running && !told)
        r = prl_state_await(dirs, id, reterr);
    if (r == 0 && !told)
        r = prl_state_read_end(row.directory, ret) < 0;
    /* What a killed monitor could not record the second look does. */
    free(row.directory);
    if (r <= 0)
        return r;
    if (prl_state_look_up(dirs, id, &row, &gone) == 0) {
        r = prl_state_read_end(row.directory, ret);
        free(row.directory);
        if (r == 0)
            return 0;
    }
    return prl_failf(reterr, PRL_STAGE_STATE, ENODATA, "wait",
                     "container %.12s has ended and is removed: how it ended was not recorded",
                     id);
}
