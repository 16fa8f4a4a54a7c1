// sources: csrc/config/life/policy.c
// sources: csrc/config/users/*.c
// sources: csrc/spec/**/*.c csrc/userns/*.c csrc/base/**/*.c csrc/config/*.c
// sources: csrc/config/options/*.c csrc/config/rootfs/*.c csrc/config/network/allow.c
// sources: csrc/config/network/facts.c csrc/config/network/helper.c
// sources: csrc/config/network/resolv.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* fuzz_options.c: a command line, and what becomes of it: options → config.json → spec.
 * In: bytes (replay.h): the words of a command line, each ended by a zero byte.  Out: an abort
 * when a failure has no fit record, when the merge writes what the next reader calls no JSON,
 * or when a value of the table lies outside the command line; sanitizers see the rest.
 * Never: a launch, a file that is written, more of the machine than /dev/null. */
#include "config/merge.h"
#include "replay.h"
#include "spec/parse.h"

#include "base/own.h"

#include <unistd.h>

enum { WORDS = 32, TEXT_BYTES = 4096 };

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char template_json[] =
    "{\"ociVersion\":\"1.2.0\",\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0},"
    "\"args\":[\"/bin/sh\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/\",\"capabilities\":{"
    "\"bounding\":[\"CAP_CHOWN\"]},\"noNewPrivileges\":true},\"root\":{\"path\":\"/\"},"
    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
    "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}],"
    "\"linux\":{\"namespaces\":[{\"type\":\"user\"},{\"type\":\"mount\"},{\"type\":\"network\"}"
    ",{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"}],\"maskedPaths\":[\"/proc/"
    "kcore\"],\"seccomp\":{}},\"annotations\":{"
    "\"io.pyrootless.image\":\"x\",\"io.pyrootless.image.cmd\":\"[\\\"one\\\"]\","
    "\"io.pyrootless.rootfs.lower\":\"/\",\"io.pyrootless.landlock\":\"1\","
    "\"io.pyrootless.seccomp.program\":\"/p.bpf\",\"io.pyrootless.seccomp.digest\":"
    "\"sha256:" ID "\"}}";

/* Options that read what they name would make the outcome this machine's. */
static bool is_about_files(const char *word)
{
    static const char *const parts[] = {"-file", "--rootfs", "/proc", "/sys", "/dev"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(word, parts[i]))
            return true;
    return false;
}

static int cut_words(char *text, size_t size, char **words)
{
    int n = 0;
    for (size_t at = 0; at < size && n < WORDS; at += strlen(text + at) + 1)
        words[n++] = text + at;
    words[n] = NULL;
    return n;
}

static void see_merge(const struct prl_options *options)
{
    static const struct prl_config_facts facts = {.id = ID,
                                                  .container_dir = "/nowhere/c",
                                                  .data_dir = "/nowhere",
                                                  .runtime_dir = "/nowhere/run",
                                                  .launcher = "/nowhere/launcher",
                                                  .uid = 5000,
                                                  .gid = 5001};
    _cleanup_free_ char *json = NULL;
    struct prl_spec *spec = NULL, *again = NULL;
    struct prl_error error = {0};
    size_t len = 0;
    need(prl_spec_read(template_json, sizeof template_json - 1, &spec, &error) == 0);
    int r = prl_config_merge(spec, options, &facts, &error);
    if (r == 0)
        r = prl_spec_write(spec, &json, &len, &error);
    if (r < 0)
        need_error(r, &error);
    else
        need(prl_spec_parse(json, len, &again, &error) == 0);
    prl_spec_free(spec);
    prl_spec_free(again);
}

static void see_options(const struct prl_options *o, const char *text, size_t size)
{
    for (size_t i = 0; i < o->values_len; i++) {
        const char *at = o->values[i].text;
        bool constant = strcmp(at, "true") == 0 || strcmp(at, "false") == 0;
        need(constant || (at >= text && at < text + size));
    }
    need(o->image || o->help || prl_options_get(o, "spec"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned verbs[] = {PRL_VERB_RUN, PRL_VERB_EXEC, PRL_VERB_CREATE};
    char text[TEXT_BYTES + 1], *words[WORDS + 1];
    struct prl_options options;
    struct prl_error error = {0};
    if (size < 2 || size > TEXT_BYTES)
        return 0;
    unsigned verb = verbs[data[0] % 3];
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    int n = cut_words(text, size - 1, words);
    bool files = false;
    for (int i = 0; i < n; i++)
        files = files || is_about_files(words[i]);
    int r = prl_options_parse(verb, n, words, &options, &error);
    if (r < 0) {
        need(error.stage == PRL_STAGE_OPTIONS);
        need_error(r, &error);
        return 0;
    }
    see_options(&options, text, size);
    if (verb == PRL_VERB_RUN && !files && !options.help && !options.engine && options.image)
        see_merge(&options);
    prl_options_free(&options);
    return 0;
}
