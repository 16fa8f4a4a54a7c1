// sources: csrc/config/life/policy.c
// sources: csrc/config/users/*.c
// sources: csrc/spec/**/*.c csrc/userns/*.c csrc/base/**/*.c csrc/config/*.c
// sources: csrc/config/options/*.c csrc/config/rootfs/*.c csrc/config/network/allow.c
// sources: csrc/config/network/facts.c csrc/config/network/helper.c
// sources: csrc/config/network/resolv.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* fuzz_template.c: a launch template of any bytes, on its way to config.json.
 * In: bytes (replay.h) as DATA/images/ID/config.json.  Out: an abort when a failure has no fit
 * record, or when what is written cannot be read again; sanitizers see the rest.
 * Never: a launch, a file outside one fresh directory in TMPDIR or /tmp. */
#include "config/merge.h"
#include "config/template.h"
#include "replay.h"
#include "spec/parse.h"

#include "base/own.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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
    struct prl_spec *spec = NULL, *again = NULL;
    struct prl_options options;
    struct prl_error error = {0};
    size_t len = 0;
    need(prl_options_parse(PRL_VERB_RUN, 1, words, &options, &error) == 0);
    need(prl_template_spec(t, &spec, &error) == 0);
    int r = prl_config_merge(spec, &options, &facts, &error);
    if (r == 0)
        r = prl_spec_write(spec, &json, &len, &error);
    prl_options_free(&options);
    if (r < 0)
        need_error(r, &error);
    else
        need(prl_spec_parse(json, len, &again, &error) == 0);
    prl_spec_free(spec);
    prl_spec_free(again);
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
    see_merge(&t);
    prl_template_free(&t);
    return 0;
}
