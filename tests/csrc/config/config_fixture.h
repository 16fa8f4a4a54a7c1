/* config_fixture.h: what the tests of the merge share: a small template, a directory with
 * sources, one call from command line to JSON. In: command lines.  Out: JSON at a pointer.
 * Never: a launch. */
#pragma once

#include "config/merge.h"
#include "config/parts.h"

#include "base/own.h"
#include "check.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The namespaces of a container whose network is its own. */
#define OWN_NETWORK                                                                            \
    "[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},"      \
    "{\"type\":\"uts\"},{\"type\":\"user\"}]"

static const char TEMPLATE[] =
    "{\"ociVersion\":\"1.2.0\",\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0},"
    "\"args\":[\"/bin/sh\"],\"env\":[\"PATH=/bin\",\"HOME=/home\"],\"cwd\":\"/work\","
    "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"],\"inheritable\":[\"CAP_KILL\"]"
    "},"
    "\"noNewPrivileges\":true},\"root\":{\"path\":\"%s/image\",\"readonly\":false},"
    "\"mounts\":[{\"destination\":\"/usr\",\"type\":\"bind\",\"source\":\"/usr\",\"options\":"
    "[\"rbind\",\"rro\"]},{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
    "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
    "{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":"
    "[\"nosuid\",\"size=65536k\"]},{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":"
    "\"sysfs\",\"options\":[\"ro\"]}],\"linux\":{\"namespaces\":[{\"type\":\"user\"},{\"type\":"
    "\"network\"},{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"}"
    "],\"maskedPaths\":["
    "\"/proc/kcore\",\"/sys/firmware\"],\"readonlyPaths\":"
    "[\"/proc/sys\"],\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\"}},\"annotations\":{"
    "\"io.pyrootless.template.version\":\"2\",\"io.pyrootless.template.sources\":\"0 0 /x\","
    "\"io.pyrootless.image\":\"host\",\"io.pyrootless.image.entrypoint\":\"[\\\"/entry\\\"]\","
    "\"io.pyrootless.image.cmd\":\"[\\\"one\\\",\\\"two\\\"]\",\"io.pyrootless.rootfs.lower\":"
    "\"%s/image\",\"io.pyrootless.landlock\":\"1\",\"io.pyrootless.keyring\":\"inherit\","
    "\"io.pyrootless.seccomp.program\":\"/p.bpf\",\"io.pyrootless.seccomp.digest\":"
    "\"sha256:" ID "\"}}";

static char work[64], template_json[4096];
static struct prl_config_facts facts;
static struct prl_options options;
static struct prl_error error;
static yyjson_doc *doc;
static char *kept[48];

static void make_file(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", work, name);
    FILE *file = fopen(path, "we");
    if (!file)
        abort();
    fputs(text, file);
    fclose(file);
}

/* One work directory for the whole program, its tree the same for every test. */
__attribute__((constructor)) static void make_work(void)
{
    static const char *const dirs[] = {"image",         "image/etc", "src",   "a,b\"",
                                       "src2",          "src/deep",  "store", "store/data",
                                       "store/data/in", "store/run"};
    static char data[96], run[96], container[96];
    char path[256];

    strcpy(work, "/tmp/prl-config-XXXXXX");
    if (!mkdtemp(work) || chdir(work) < 0)
        abort();
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        snprintf(path, sizeof path, "%s/%s", work, dirs[i]);
        if (mkdir(path, 0755) < 0)
            abort();
    }
    make_file("image/etc/passwd", "root:x:0:0::/root:\nalice:x:1000:1001::/home/alice:\n");
    if (symlink("src", "link") < 0 || symlink("/dev/null", "null") < 0)
        abort();
    snprintf(template_json, sizeof template_json, TEMPLATE, work, work);
    snprintf(data, sizeof data, "%s/store/data", work);
    snprintf(run, sizeof run, "%s/store/run", work);
    snprintf(container, sizeof container, "%s/store/data/c", work);
    facts = (struct prl_config_facts){.id = ID,
                                      .container_dir = container,
                                      .data_dir = data,
                                      .runtime_dir = run,
                                      .uid = 5000,
                                      .gid = 5001};
}

__attribute__((destructor)) static void remove_work(void)
{
    static const char *const names[] = {"image/etc/passwd",
                                        "image/etc",
                                        "image",
                                        "src/deep",
                                        "src",
                                        "a,b\"",
                                        "src2",
                                        "store/data/in",
                                        "store/data/cache/network.json",
                                        "store/data/cache",
                                        "store/data",
                                        "store/run",
                                        "store",
                                        "link",
                                        "null",
                                        "env",
                                        "labels",
                                        "fifo",
                                        "p.bpf",
                                        ""};
    char path[256];

    yyjson_doc_free(doc);
    prl_options_free(&options);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", work, names[i]);
        remove(path);
    }
}

__attribute__((unused)) static int merge(char **argv)
{
    _cleanup_free_ char *json = NULL;
    struct prl_spec *spec = NULL;
    size_t len = 0;
    int argc = 0;

    for (; argv[argc]; argc++)
        kept[argc] = argv[argc];
    kept[argc] = NULL;
    yyjson_doc_free(doc);
    doc = NULL;
    prl_options_free(&options);
    memset(&error, 0, sizeof error);
    int r = prl_options_parse(PRL_VERB_RUN, argc, kept, &options, &error);
    if (r == 0)
        r = prl_spec_read(template_json, strlen(template_json), &spec, &error);
    if (r == 0)
        r = prl_config_merge(spec, &options, &facts, &error);
    if (r == 0)
        r = prl_spec_write(spec, &json, &len, &error);
    if (r == 0)
        doc = yyjson_read(json, len, 0);
    prl_spec_free(spec);
    return r;
}

#define RUN(...) merge((char *[]){__VA_ARGS__, NULL})

/* Compact JSON of what stands at a pointer, "(none)" without; WORK stands for the directory. */
__attribute__((unused)) static const char *at(const char *pointer)
{
    static char buf[4096];
    yyjson_val *value = yyjson_doc_ptr_get(doc, pointer);
    _cleanup_free_ char *text = value ? yyjson_val_write(value, 0, NULL) : NULL;
    char *out = buf;

    if (!text)
        return "(none)";
    for (const char *in = text; *in;) {
        if (strncmp(in, work, strlen(work)) == 0) {
            out += sprintf(out, "WORK");
            in += strlen(work);
        } else if (strncmp(in, "\\/", 2) == 0) {
            in++;
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
    return buf;
}

__attribute__((unused)) static const char *note(const char *name)
{
    char pointer[128];

    snprintf(pointer, sizeof pointer, "/annotations/io.pyrootless.%s", name);
    return at(pointer);
}

/* The mount on a target; at most the last counts, and there must be one only. */
__attribute__((unused)) static const char *mount_on(const char *target)
{
    yyjson_val *mounts = yyjson_doc_ptr_get(doc, "/mounts"), *mount;
    size_t i, max, found = SIZE_MAX;
    char pointer[32];

    yyjson_arr_foreach(mounts, i, max, mount)
    {
        if (!yyjson_equals_str(yyjson_obj_get(mount, "destination"), target))
            continue;
        if (found != SIZE_MAX)
            return "(twice)";
        found = i;
    }
    snprintf(pointer, sizeof pointer, "/mounts/%zu", found);
    return found == SIZE_MAX ? "(none)" : at(pointer);
}

__attribute__((unused)) static const char *mount_options(const char *target)
{
    static char buf[512];
    const char *text = strstr(mount_on(target), "\"options\":");

    snprintf(buf, sizeof buf, "%s", text ? text + 10 : "(none)");
    buf[strlen(buf) - 1] = '\0';
    return buf;
}

#define CHECK_BAD(call, errnum_, option, words)                                                \
    do {                                                                                       \
        CHECK_INT(call, -(errnum_));                                                           \
        CHECK_INT(error.stage, PRL_STAGE_OPTIONS);                                             \
        CHECK_STR(error.syscall, option);                                                      \
        CHECK_STR(strstr(error.subject, words) ? words : error.subject, words);                \
    } while (0)
