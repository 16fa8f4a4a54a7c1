// sources: csrc/spec/**/*.c csrc/base/**/*.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* fuzz_spec.c: prl_spec_parse against any bytes.
 * In: bytes (replay.h).  Out: an abort when the result and the error record do not fit
 * together, when a text has no end, or when a path is not absolute; sanitizers see the rest.
 * Never: a launch. */
#include "base/sys.h"
#include "replay.h"
#include "spec/parse.h"

static volatile size_t seen; /* every byte is read, so that a sanitizer can object */

static void see_texts(const char *const *texts, size_t len)
{
    for (size_t i = 0; i < len; i++)
        seen += strlen(texts[i]);
    need(texts == NULL || texts[len] == NULL);
}

static size_t count(const char *const *texts)
{
    size_t len = 0;
    while (texts[len])
        len++;
    return len;
}

static void see_mount(const struct prl_mount *m)
{
    need(m->destination[0] == '/' && m->destination[1] != '\0');
    need(strstr(m->destination, "//") == NULL && strstr(m->destination, "/../") == NULL);
    need(!m->bind || (m->source[0] == '/' && m->data[0] == '\0'));
    need(!(m->attr_clear & MOUNT_ATTR__ATIME) ||
         (m->attr_clear & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME);
    seen += strlen(m->type) + strlen(m->data) + strlen(m->source ? m->source : "");
}

static void see_spec(const struct prl_spec *spec)
{
    need(spec->process.args[0] && spec->process.args[0][0]);
    need(spec->process.cwd[0] == '/' && spec->rootfs.path[0] == '/');
    need(spec->uid_maps_len > 0 && spec->gid_maps_len > 0);
    need(!spec->has_seccomp || spec->seccomp_program);
    need(spec->stop_signal >= 1 && spec->stop_signal <= 64);
    see_texts(spec->process.args, count(spec->process.args));
    see_texts(spec->process.env, count(spec->process.env));
    see_texts(spec->masked_paths, count(spec->masked_paths));
    see_texts(spec->readonly_paths, count(spec->readonly_paths));
    see_texts(spec->rootfs.lowers, spec->rootfs.lowers_len);
    for (size_t i = 0; i < spec->mounts_len; i++)
        see_mount(&spec->mounts[i]);
    for (size_t i = 0; i < spec->sysctls_len; i++)
        seen += strlen(spec->sysctls[i].path) + strlen(spec->sysctls[i].value);
    for (size_t i = 0; i < spec->devices_len; i++)
        need(spec->devices[i].path[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_error error = {0};
    struct prl_spec *spec = NULL;
    int r = prl_spec_parse((const char *)data, size, &spec, &error);
    if (r < 0) {
        need(spec == NULL && error.stage == PRL_STAGE_CONFIG);
        need_error(r, &error);
        return 0;
    }
    need(r == 0 && spec && error.errnum == 0);
    see_spec(spec);
    prl_spec_free(spec);
    return 0;
}
