/* security.c: capabilities, seccomp, Landlock, no_new_privs, masked and read-only paths.
 * In: --privileged, --cap-*, --security-opt, --seccomp-program.  Out: their places in
 * config.json. Never: compiling a profile; a capability in the inheritable or ambient set
 * (CVE-2022-29162). */
#include "config/parts.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "config/options/exports.h"

#include <ctype.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CAP_SYS_ADMIN_BIT (1ULL << 21)
#define OPTION            "--security-opt"

enum { SECTION_MAX_BYTES = 1024 * 1024 };

static void forget_seccomp(struct prl_merge *m)
{
    m->spec->has_seccomp = false;
    m->spec->seccomp_json = m->spec->seccomp_program = m->spec->seccomp_digest = NULL;
    m->spec->seccomp_bytes = NULL;
    m->spec->new_keyring = true; /* the default filter refuses keyring calls */
}

/* For a caller who is root the kernel's owner checks of /proc/sys pass inside too: it stays
 * read-only. */
static bool keeps_readonly(const struct prl_merge *m)
{
    return m->facts->uid == 0;
}

static void forget_masks(struct prl_merge *m)
{
    m->spec->masked_paths = NULL;
    if (!keeps_readonly(m))
        m->spec->readonly_paths = NULL;
}

int prl_config_privileged(struct prl_merge *m, const char *text)
{
    if (strcmp(text, "true") != 0)
        return 0;
    forget_masks(m);
    forget_seccomp(m);
    m->spec->landlock = false;
    return 0;
}

int prl_config_cap_add(struct prl_merge *m, const char *text)
{
    uint64_t mask = 0;
    int r = prl_value_capability("--cap-add", text, &mask, m->reterr);

    m->cap_add |= mask;
    return r;
}

int prl_config_cap_drop(struct prl_merge *m, const char *text)
{
    uint64_t mask = 0;
    int r = prl_value_capability("--cap-drop", text, &mask, m->reterr);

    m->cap_drop |= mask;
    return r;
}

/* docker's rule: ALL in --cap-add is the base, else ALL in --cap-drop is, else the template. */
int prl_config_capabilities(struct prl_merge *m)
{
    bool add_all = m->cap_add == PRL_VALUE_CAPS_ALL,
         drop_all = m->cap_drop == PRL_VALUE_CAPS_ALL;
    uint64_t caps, *sets = m->spec->process.caps;

    if (add_all && drop_all)
        return prl_config_bad(m, EINVAL, "--cap-drop",
                              "ALL is both added and dropped: leave one of the two out");
    if (!add_all && !drop_all && (m->cap_add & m->cap_drop))
        return prl_config_bad(
            m, EINVAL, "--cap-drop", "%s is both added and dropped: leave one of the two out",
            prl_spec_capability_name((unsigned)__builtin_ctzll(m->cap_add & m->cap_drop)));
    if (add_all || prl_options_flag(m->options, "privileged"))
        caps = PRL_VALUE_CAPS_ALL & ~m->cap_drop;
    else if (drop_all)
        caps = m->cap_add;
    else
        caps = (sets[PRL_CAP_BOUNDING] & ~m->cap_drop) | m->cap_add;
    sets[PRL_CAP_BOUNDING] = sets[PRL_CAP_EFFECTIVE] = sets[PRL_CAP_PERMITTED] = caps;
    sets[PRL_CAP_INHERITABLE] = sets[PRL_CAP_AMBIENT] = 0;
    /* Landlock forbids every mount, which is what CAP_SYS_ADMIN was asked for. */
    if (caps & CAP_SYS_ADMIN_BIT)
        m->spec->landlock = false;
    return 0;
}

int prl_config_seccomp_program(struct prl_merge *m, const char *text)
{
    _cleanup_free_ char *real = NULL;
    int r = prl_config_host_path(m, "--seccomp-program", text, &real);

    if (r < 0)
        return r;
    m->spec->seccomp_program = prl_config_copy(m, real);
    m->spec->seccomp_bytes = NULL; /* the template's */
    m->spec->new_keyring = true;   /* nobody said what this filter refuses */
    /* Program files are named by what is in them: …/HEX.bpf is sha256:HEX. */
    const char *base = strrchr(real, '/');
    char digest[80];
    size_t hex = 0;

    base = base ? base + 1 : real;
    while (isxdigit((unsigned char)base[hex]))
        hex++;
    m->spec->seccomp_digest = NULL;
    if (hex == 64 && strcmp(base + hex, ".bpf") == 0) {
        snprintf(digest, sizeof digest, "sha256:%.64s", base);
        prl_config_note(m, "seccomp.digest", digest);
    }
    /* The section a program was compiled from lies beside it; without one, the config.json
     * would describe another filter. */
    char path[PATH_MAX];
    _cleanup_free_ char *json = NULL;
    size_t len = strlen(real), json_len = 0;

    if (len < 4 || len + 2 > sizeof path || strcmp(real + len - 4, ".bpf") != 0)
        return 0;
    snprintf(path, sizeof path, "%.*s.json", (int)len - 4, real);
    if (prl_io_read_file(AT_FDCWD, path, SECTION_MAX_BYTES, &json, &json_len) < 0)
        return 0;
    yyjson_doc *doc = yyjson_read(json, json_len, 0);
    bool object = yyjson_is_obj(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    if (!object)
        return prl_config_bad(m, EINVAL, "--seccomp-program", "%s is not JSON", path);
    m->spec->has_seccomp = true;
    m->spec->seccomp_json = prl_config_copy(m, json);
    return 0;
}

static int mask_paths(struct prl_merge *m, const char *key, const char *value)
{
    _cleanup_free_ char *list = strdup(value);
    char *rest = NULL;

    (void)key;
    if (!list)
        return prl_config_memory(m);
    for (char *word = strtok_r(list, ":", &rest); word; word = strtok_r(NULL, ":", &rest)) {
        _cleanup_free_ char *clean = NULL;
        int r = prl_value_target(OPTION, word, &clean, m->reterr);
        if (r < 0)
            return r;
        prl_config_append(m, &m->spec->masked_paths, clean);
    }
    return 0;
}

static bool matches(const char *path, const void *pattern)
{
    return fnmatch(pattern, path, FNM_PATHNAME) == 0;
}

static int unmask_paths(struct prl_merge *m, const char *key, const char *value)
{
    _cleanup_free_ char *list = strdup(value);
    char *rest = NULL;

    (void)key;
    if (!list)
        return prl_config_memory(m);
    if (strcmp(list, "ALL") == 0 || strcmp(list, "all") == 0) {
        forget_masks(m);
        return 0;
    }
    for (char *word = strtok_r(list, ":", &rest); word; word = strtok_r(NULL, ":", &rest)) {
        if (*word != '/')
            return prl_config_bad(
                m, EINVAL, OPTION,
                "unmask=%.60s: write ALL or absolute paths with \":\" between", word);
        prl_config_drop(m->spec->masked_paths, matches, word);
        if (!keeps_readonly(m))
            prl_config_drop(m->spec->readonly_paths, matches, word);
    }
    return 0;
}

static int set_no_new_privileges(struct prl_merge *m, const char *key, const char *value)
{
    bool on = true;
    int r = *value ? prl_value_bool(OPTION, value, &on, m->reterr) : 0;

    (void)key;
    if (r < 0)
        return r;
    m->spec->process.no_new_privileges = on;
    return 0;
}

static int set_landlock(struct prl_merge *m, const char *key, const char *value)
{
    bool on = true;
    int r = prl_value_bool(OPTION, value, &on, m->reterr);

    (void)key;
    if (r < 0)
        return r;
    m->spec->landlock = on;
    return 0;
}

/* Fences of other security modules: there is none to take down, so only "off" can be meant. */
static int no_module(struct prl_merge *m, const char *key, const char *value)
{
    if (strcmp(value, "unconfined") == 0 || strcmp(value, "disable") == 0)
        return 0;
    return prl_config_bad(m, EINVAL, OPTION,
                          "%s=%.60s: no rule of another security module is put on a container: "
                          "leave it out",
                          key, value);
}

/* Compiled by the engine, which names the program by --seccomp-program. */
static int compiled(struct prl_merge *m, const char *key, const char *value)
{
    (void)value;
    if (!prl_options_get(m->options, "seccomp-program") &&
        !prl_options_flag(m->options, "privileged"))
        return prl_config_bad(m, EINVAL, OPTION,
                              "%.40s needs a filter that the engine compiles first", key);
    /* Landlock would forbid the mounts that a nested container lives from. */
    if (strcmp(key, "nested-userns") == 0)
        m->spec->landlock = false;
    return 0;
}

static int set_seccomp(struct prl_merge *m, const char *key, const char *value)
{
    if (strcmp(value, "unconfined") == 0)
        forget_seccomp(m);
    else if (strcmp(value, "builtin") != 0)
        return compiled(m, key, value);
    return 0;
}

static int set_system_paths(struct prl_merge *m, const char *key, const char *value)
{
    if (strcmp(value, "unconfined") != 0)
        return prl_config_bad(m, EINVAL, OPTION, "%s=%.60s: write %s=unconfined", key, value,
                              key);
    forget_masks(m);
    return 0;
}

static const struct {
    const char *key;
    bool takes_value, needs_value;
    int (*apply)(struct prl_merge *m, const char *key, const char *value);
} words[] = {
    {"apparmor", true, true, no_module},
    {"io-uring", false, false, compiled},
    {"label", true, true, no_module},
    {"landlock", true, true, set_landlock},
    {"mask", true, true, mask_paths},
    {"nested-userns", false, false, compiled},
    {"no-new-privileges", true, false, set_no_new_privileges},
    {"seccomp", true, true, set_seccomp},
    {"systempaths", true, true, set_system_paths},
    {"unmask", true, true, unmask_paths},
};

/* KEY, KEY=VALUE, or docker's older KEY:VALUE. */
int prl_config_security_opt(struct prl_merge *m, const char *text)
{
    size_t len = strcspn(text, "=:");
    const char *value = text + len + (text[len] != '\0');

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].key) != len || strncmp(words[i].key, text, len) != 0 ||
            (*value ? !words[i].takes_value : words[i].needs_value))
            continue;
        return words[i].apply(m, words[i].key, value);
    }
    return prl_config_bad(m, EINVAL, OPTION,
                          "\"%.60s\" is not understood: use seccomp=FILE|unconfined, "
                          "no-new-privileges, landlock=off, mask=, unmask=, nested-userns, "
                          "io-uring",
                          text);
}
