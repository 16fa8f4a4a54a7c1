// sources: csrc/template.c csrc/cli/conf*.c csrc/cli/[ophv][ape]*.c csrc/spec*.c csrc/base/*.c
// libs: -lyyjson

/* fuzz_template.c: a launch template of any bytes, on its way to config.json.
 * In: bytes (replay.h) as DATA/images/ID/config.json.  Out: an abort when a failure has no fit
 * record, when the place of the filter is another one than a JSON reader sees, or when what is
 * written back is no JSON although the template was; sanitizers see the rest.
 * Never: a launch, a file outside one fresh directory in TMPDIR or /tmp. */
#include "cli/config.h"
#include "replay.h"
#include "template.h"

#include "base/own.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char base_path[256];
static struct prl_dirs dirs = {.data = base_path, .data_fd = -1, .runtime_fd = -1};

static void remove_store(void)
{
    unlinkat(dirs.data_fd, "images/" ID "/config.json", 0);
    unlinkat(dirs.data_fd, "images/" ID, AT_REMOVEDIR);
    unlinkat(dirs.data_fd, "images", AT_REMOVEDIR);
    rmdir(base_path);
}

static void make_store(void)
{
    const char *base = getenv("TMPDIR");
    if (dirs.data_fd >= 0)
        return;
    snprintf(base_path, sizeof base_path, "%s/fuzz-template-XXXXXX", base ? base : "/tmp");
    need(mkdtemp(base_path) != NULL);
    dirs.data_fd = open(base_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    need(dirs.data_fd >= 0 && mkdirat(dirs.data_fd, "images", 0700) == 0);
    need(mkdirat(dirs.data_fd, "images/" ID, 0700) == 0);
    atexit(remove_store);
}

static void write_template(const uint8_t *data, size_t size)
{
    _cleanup_close_ int fd = openat(dirs.data_fd, "images/" ID "/config.json",
                                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

/* The filter is cut out as text: a JSON reader must see the same value in the same place. */
static void see_place(const struct prl_template *t)
{
    yyjson_doc *whole = yyjson_read(t->json, t->len, YYJSON_READ_NOFLAG);
    yyjson_doc *brief = yyjson_read(t->brief, t->brief_len, YYJSON_READ_NOFLAG);
    need(t->filter.len == 0 ||
         (t->filter.at >= t->json && t->filter.at + t->filter.len <= t->json + t->len));
    if (whole && t->filter.len) {
        yyjson_val *seen =
            yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(whole), "linux"), "seccomp");
        yyjson_doc *piece = yyjson_read(t->filter.at, t->filter.len, YYJSON_READ_NOFLAG);
        need(brief && piece);
        if (!memchr(t->json, '\\', t->len)) /* names are compared as they are written */
            need(seen && yyjson_equals(seen, yyjson_doc_get_root(piece)));
        yyjson_doc_free(piece);
    }
    yyjson_doc_free(brief);
    yyjson_doc_free(whole);
}

static void see_merge(const struct prl_template *t)
{
    static const struct prl_config_facts facts = {.id = ID,
                                                  .container_dir = "/nowhere/c",
                                                  .data_dir = "/nowhere",
                                                  .runtime_dir = "/nowhere/run",
                                                  .launcher = "/nowhere/launcher",
                                                  .uid = 5000,
                                                  .gid = 5001};
    char word[] = "x", *words[] = {word, NULL};
    _cleanup_free_ char *json = NULL;
    struct prl_options options;
    struct prl_error error = {0};
    size_t len = 0;
    need(prl_options_parse(PRL_VERB_RUN, 1, words, &options, &error) == 0);
    int r = prl_config_merge(t->brief, t->brief_len, &options, &facts, &json, &len, &error);
    prl_options_free(&options);
    if (r < 0) {
        need_error(r, &error);
        return;
    }
    yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
    need(doc != NULL);
    yyjson_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_template t = {.lock_fd = -1};
    struct prl_error error = {0};
    make_store();
    write_template(data, size);
    int r = prl_template_load(&dirs, "sha256:" ID, &t, &error);
    if (r < 0)
        need_error(r, &error);
    if (r != 0)
        return 0;
    see_place(&t);
    see_merge(&t);
    prl_template_free(&t);
    return 0;
}
