/* config_driver.c: who puts the layers together: the kernel's overlay or fuse-overlayfs.
 * In: --storage-driver; a config.json whose overlay the kernel refused.  Out: the annotations
 * rootfs.driver and rootfs.fuse.program.  Never: a copy of the layers; a driver other than the
 * one asked for. */
#include "cli/config_merge.h"

#include "base/error.h"
#include "base/helper.h"

#include <errno.h>
#include <string.h>

static int find_program(struct prl_merge *m, char path[64])
{
    if (prl_helper_find("fuse-overlayfs", path))
        return 0;
    return prl_config_bad(m, ENOPKG, "--storage-driver",
                          "fuse-overlayfs is not installed (package fuse-overlayfs)");
}

int prl_config_storage_driver(struct prl_merge *m)
{
    const char *text = prl_options_get(m->options, "storage-driver");
    char path[64];
    bool fuse = text && strcmp(text, "fuse-overlayfs") == 0;

    prl_config_note_drop(m, "rootfs.driver");
    prl_config_note_drop(m, "rootfs.fuse.program");
    if (text && !fuse && strcmp(text, "overlay") != 0 && strcmp(text, "auto") != 0)
        return prl_config_bad(m, EINVAL, "--storage-driver",
                              "\"%.60s\" is no driver: overlay, fuse-overlayfs or auto", text);
    if (!prl_config_note_get(m, "rootfs.upper"))
        return 0; /* a directory as it is: nothing to put together */
    if (text && strcmp(text, "overlay") == 0)
        prl_config_note(m, "rootfs.driver", text);
    if (!fuse)
        return 0;
    int r = find_program(m, path);
    if (r < 0)
        return r;
    prl_config_note(m, "rootfs.driver", text);
    prl_config_note(m, "rootfs.fuse.program", path);
    return 0;
}

/* Exactly the failure of that one mount, in the ways a kernel says that it will not do it:
 * EPERM (before 5.11, or a security module), ENODEV (no overlay), EINVAL (not this upper). */
static bool is_refusal(const struct prl_error *error)
{
    return error->stage == PRL_STAGE_ROOTFS && strcmp(error->syscall, "mount") == 0 &&
           strcmp(error->subject, "overlay") == 0 &&
           (error->errnum == EPERM || error->errnum == ENODEV || error->errnum == EINVAL);
}

bool prl_config_may_fall_back(const struct prl_error *error)
{
    char path[64];
    return is_refusal(error) && prl_helper_find("fuse-overlayfs", path);
}

int prl_config_fall_back(const char *json, size_t len, char **ret_json, size_t *ret_len,
                         struct prl_error *reterr)
{
    struct prl_merge m = {.reterr = reterr};
    char path[64];
    int r = find_program(&m, path);
    yyjson_doc *read = r < 0 ? NULL : yyjson_read(json, len, 0);
    m.doc = read ? yyjson_doc_mut_copy(read, NULL) : NULL;
    yyjson_doc_free(read);
    if (r == 0 && !m.doc)
        return prl_config_memory(&m);
    if (r < 0)
        return r;
    m.root = yyjson_mut_doc_get_root(m.doc);
    prl_config_note(&m, "rootfs.driver", "fuse-overlayfs");
    prl_config_note(&m, "rootfs.fuse.program", path);
    *ret_json = m.no_memory ? NULL : yyjson_mut_write(m.doc, 0, ret_len);
    yyjson_mut_doc_free(m.doc);
    return *ret_json ? 0 : prl_config_memory(&m);
}
