// sources: csrc/spec*.c csrc/base/arena.c csrc/base/[el][ri][rm]*.c csrc/base/remedy.c
// libs: -lyyjson

/* fuzz_spec.c: prl_spec_parse against any bytes.
 * In: libFuzzer's bytes; with -DPRL_FUZZ_STANDALONE (for gcc) the files named on the command
 * line, each also with every single byte of it changed, left out or doubled.  Out: an abort
 * when the result and the error record do not fit together, when a text has no end, or when a
 * path is not absolute; sanitizers see the rest.  Never: a launch. */
#include "base/sys.h"
#include "spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t seen; /* every byte is read, so that a sanitizer can object */

static void need(bool holds)
{
    if (!holds)
        abort();
}

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
        need(spec == NULL && error.errnum == -r && error.stage == PRL_STAGE_CONFIG);
        need(error.subject[0] && memchr(error.subject, '\0', sizeof error.subject));
        for (const char *p = error.subject; *p; p++)
            need((unsigned char)*p >= 0x20 && *p != 0x7F);
        return 0;
    }
    need(r == 0 && spec && error.errnum == 0);
    see_spec(spec);
    prl_spec_free(spec);
    return 0;
}

#ifdef PRL_FUZZ_STANDALONE
/* A copy of exactly the size, so that reading past its end is seen. */
static void try_bytes(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void try_neighbours(uint8_t *data, size_t size)
{
    static const uint8_t others[] = {'\0', '"', '\\', '{', '[', '0', '-', '.', 0x80, 0xFF};
    uint8_t *changed = malloc(size + 1);
    if (!changed)
        abort();
    for (size_t at = 0; at < size; at++) {
        uint8_t saved = data[at];
        for (size_t i = 0; i < sizeof others; i++) {
            data[at] = others[i];
            try_bytes(data, size);
        }
        data[at] = saved;
        memcpy(changed, data, at);
        memcpy(changed + at, data + at + 1, size - at - 1);
        try_bytes(changed, size - 1);
        memcpy(changed + at + 1, data + at, size - at);
        changed[at] = saved;
        try_bytes(changed, size + 1);
        try_bytes(data, at);
    }
    free(changed);
}

static int replay(const char *path)
{
    enum { LIMIT = 1 << 20 };
    FILE *file = fopen(path, "rbe");
    uint8_t *data = malloc(LIMIT);
    if (!file || !data) {
        fprintf(stderr, "fuzz_spec: %s: %s\n", path, strerror(errno));
        return 1;
    }
    size_t size = fread(data, 1, LIMIT, file);
    fclose(file);
    try_bytes(data, size);
    if (size <= 4096)
        try_neighbours(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    printf("%d files\n", argc - 1);
    return failed;
}
#endif
