/* replay.h: what the fuzz programs share: a judgement that aborts, and a main for compilers
 * without libFuzzer.
 * In: LLVMFuzzerTestOneInput of the program; with -DPRL_FUZZ_STANDALONE the files named on the
 * command line.  Out: each file tried as it is and with every single byte of it changed, left
 * out or doubled.  Never: an input of random bytes, which are libFuzzer's. */
#pragma once

#include "prl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void need(bool holds)
{
    if (!holds)
        abort();
}

/* A failure and its record fit together, and what is shown of it gives a terminal no orders. */
static inline void need_error(int r, const struct prl_error *error)
{
    char text[4096];
    need(error->errnum == -r && error->subject[0]);
    need(memchr(error->subject, '\0', sizeof error->subject) != NULL);
    need(memchr(error->syscall, '\0', sizeof error->syscall) != NULL);
    prl_error_format(error, text, sizeof text);
    for (const char *p = text; *p; p++)
        need((unsigned char)*p >= 0x20 ? *p != 0x7F : *p == '\n' || *p == '\t');
}

#ifdef PRL_FUZZ_STANDALONE
/* A copy of exactly the size, so that reading past its end is seen. */
static void try_bytes(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    need(copy != NULL);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void try_neighbours(uint8_t *data, size_t size)
{
    static const uint8_t others[] = {'\0', '"', '\\', '{', '[', '0', '-', '.', 0x80, 0xFF};
    uint8_t *changed = malloc(size + 1);
    need(changed != NULL);
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
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
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
