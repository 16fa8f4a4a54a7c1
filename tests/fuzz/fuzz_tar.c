// sources: csrc/unpack/*.c csrc/userns/*.c csrc/base/**/*.c
// libs:

/* fuzz_tar.c: the unpacker against any bytes.
 * In: libFuzzer's bytes; with -DPRL_FUZZ_STANDALONE (for gcc) the files named on the command
 * line, each also with every single byte changed, once as it is and once with the checksum of
 * its block made right again.  Out: an abort when the result and the error record do not fit
 * together or when anything appears beside the layer; sanitizers see the rest.
 * Never: a path outside a fresh directory in TMPDIR or /tmp; run it as an ordinary user. */
#include "base/io.h"
#include "base/own.h"
#include "unpack/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 512, AT_CHECKSUM = 148, CHECKSUM_LEN = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
    if (!holds)
        abort();
}

/* The directory that holds nothing but the layer's own; made once. */
static char outer_path[256];

static int outer_fd(void)
{
    static int fd = -1;
    const char *base = getenv("TMPDIR");
    if (fd >= 0)
        return fd;
    snprintf(outer_path, sizeof outer_path, "%s/fuzz-tar-XXXXXX", base ? base : "/tmp");
    need(mkdtemp(outer_path) != NULL);
    fd = open(outer_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(fd >= 0);
    return fd;
}

/* Nothing but "layer" may be there. */
static void need_alone(int fd)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(again);
    need(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        need(entry->d_name[0] == '.' || strcmp(entry->d_name, "layer") == 0);
    closedir(dir);
}

static void need_error(int r, const struct prl_error *error)
{
    need(error->errnum == -r && error->stage == PRL_STAGE_LAYER);
    need(error->subject[0] && memchr(error->subject, '\0', sizeof error->subject));
    for (const char *p = error->subject; *p; p++)
        need((unsigned char)*p >= 0x20 && *p != 0x7F);
}

/* Fed in two pieces, so that what is gathered over pieces is tried too. */
static void unpack(int layer_fd, const uint8_t *data, size_t size)
{
    struct prl_error error = {0};
    struct prl_unpack *u = NULL;
    struct prl_unpack_summary summary;
    const struct prl_unpack_limits limits = {.entries = 1000, .size_bytes = 1 << 24};
    need(prl_unpack_new(layer_fd, &limits, &u, &error) == 0);
    size_t half = size / 2;
    int r = prl_unpack_feed(u, data, half, &error);
    if (r == 0)
        r = prl_unpack_feed(u, data + half, size - half, &error);
    if (r == 0)
        r = prl_unpack_end(u, &summary, &error);
    if (r == 0)
        r = prl_unpack_seal(u, &error);
    if (r < 0)
        need_error(r, &error);
    else
        need(summary.entries <= limits.entries && summary.size_bytes <= limits.size_bytes);
    prl_unpack_free(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int outer = outer_fd();
    need(mkdirat(outer, "layer", 0700) == 0);
    int layer = openat(outer, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(layer >= 0);
    unpack(layer, data, size);
    close(layer);
    need_alone(outer);
    need(prl_io_remove_tree(outer, "layer") == 0);
    return 0;
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

static void repair(uint8_t *block)
{
    unsigned sum = ' ' * CHECKSUM_LEN;
    for (unsigned i = 0; i < BLOCK; i++)
        sum += i >= AT_CHECKSUM && i < AT_CHECKSUM + CHECKSUM_LEN ? 0 : block[i];
    snprintf((char *)block + AT_CHECKSUM, CHECKSUM_LEN, "%06o", sum);
}

/* One byte changed.  Without a repair a header is refused for its checksum alone. */
static void try_change(uint8_t *data, size_t size, size_t at, uint8_t value)
{
    uint8_t saved[BLOCK], *block = data + at / BLOCK * BLOCK;
    memcpy(saved, block, BLOCK);
    data[at] = value;
    try_bytes(data, size);
    repair(block);
    try_bytes(data, size);
    memcpy(block, saved, BLOCK);
}

static void try_neighbours(uint8_t *data, size_t size)
{
    static const uint8_t values[] = {'\0', '/', '7', 0xFF};
    for (size_t at = 0; at < size; at++) {
        if (data[at] == 0 && at % 29 != 0) /* of the long rows of zeros some will do */
            continue;
        try_change(data, size, at, values[at % sizeof values]);
        if (at % 64 == 1)
            try_bytes(data, at);
    }
}

static int replay(const char *path)
{
    enum { LIMIT = 1 << 16 };
    FILE *file = fopen(path, "rbe");
    uint8_t *data = calloc(1, LIMIT);
    if (!file || !data) {
        fprintf(stderr, "fuzz_tar: %s: %s\n", path, strerror(errno));
        return 1;
    }
    size_t size = fread(data, 1, LIMIT - BLOCK, file);
    fclose(file);
    try_bytes(data, size);
    try_neighbours(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    rmdir(outer_path);
    printf("%d files\n", argc - 1);
    return failed;
}
#endif
