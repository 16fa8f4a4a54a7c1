/* write.c: struct prl_spec → config.json.
 * In: a spec.  Out: the text that prl_spec_read makes the same spec of, in the order of the
 * table of fields (fields.c).  Never: a field that is left out, a default that is not one
 * of the reader's; what belongs together is complete.c's. */
#include "spec/text.h"

#include "base/error.h"
#include "spec/notes.h"
#include "spec/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void end_object(struct prl_spec_text *o, const char *place)
{
    const struct prl_spec *spec = o->spec;
    for (size_t i = 0; i < spec->extras_len; i++)
        if (strcmp(spec->extras[i].place, place) == 0)
            prl_text_json(o, spec->extras[i].key, spec->extras[i].json);
    prl_text_end(o, '}');
}

/* Of an array: "/mounts/3". */
static void end_element(struct prl_spec_text *o, const char *array, size_t index)
{
    char place[64];
    if (o->spec->extras_len == 0) {
        prl_text_end(o, '}');
        return;
    }
    snprintf(place, sizeof place, "%s/%zu", array, index);
    end_object(o, place);
}

static bool is_ours(const char *word)
{
    struct prl_error ignored;
    const struct prl_spec_reader reader = {.reterr = &ignored};
    struct prl_mount scratch = {0};
    return !*word || prl_spec_mount_option(&reader, NULL, word, &scratch) != 1;
}

/* "size=64k,mode=1777" → words, each of which the reader gives to the file system again: one
 * that would mean something to it stays with the word before, in which it came. */
static void put_data(struct prl_spec_text *o, const char *data)
{
    char word[4096], next[4096];
    size_t len = strcspn(data, ",");
    while (*data) {
        for (; data[len]; len += strlen(next) + 1) {
            snprintf(next, sizeof next, "%.*s", (int)strcspn(data + len + 1, ","),
                     data + len + 1);
            if (!is_ours(next))
                break;
        }
        snprintf(word, sizeof word, "%.*s", (int)len, data);
        prl_text_text(o, NULL, word);
        data += len + (data[len] == ',');
        len = strcspn(data, ",");
    }
}

static void put_mounts(struct prl_spec_text *o, const struct prl_spec *spec)
{
    char word[16];
    prl_text_begin(o, "mounts", '[');
    for (size_t i = 0; i < spec->mounts_len; i++) {
        const struct prl_mount *mount = &spec->mounts[i];
        prl_text_begin(o, NULL, '{');
        prl_text_text(o, "destination", mount->destination);
        prl_text_text(o, "type", mount->type);
        prl_text_text(o, "source", mount->source);
        prl_text_begin(o, "options", '[');
        for (int r, at = 0; (r = prl_spec_mount_word(mount, (unsigned)at, word)) >= 0; at++)
            if (r > 0)
                prl_text_text(o, NULL, word);
        put_data(o, mount->data);
        prl_text_end(o, ']');
        end_element(o, "/mounts", i);
    }
    prl_text_end(o, ']');
}

static void put_capabilities(struct prl_spec_text *o, const struct prl_process *p)
{
    prl_text_begin(o, "capabilities", '{');
    for (int set = 0; set < PRL_CAP_SETS; set++) {
        prl_text_begin(o, prl_spec_cap_sets[set], '[');
        for (unsigned i = 0; i < PRL_SPEC_CAPABILITIES; i++)
            if (p->caps[set] >> i & 1)
                prl_text_text(o, NULL, prl_spec_capability_name(i));
        prl_text_end(o, ']');
    }
    end_object(o, "/process/capabilities");
}

static void put_process(struct prl_spec_text *o, const struct prl_process *p)
{
    prl_text_begin(o, "process", '{');
    prl_text_flag(o, "terminal", p->terminal);
    if (p->console_rows || p->console_columns) {
        prl_text_begin(o, "consoleSize", '{');
        prl_text_number(o, "height", p->console_rows);
        prl_text_number(o, "width", p->console_columns);
        end_object(o, "/process/consoleSize");
    }
    prl_text_text(o, "cwd", p->cwd);
    prl_text_texts(o, "env", p->env);
    prl_text_texts(o, "args", p->args);
    prl_text_begin(o, "user", '{');
    prl_text_number(o, "uid", p->uid);
    prl_text_number(o, "gid", p->gid);
    if (p->umask >= 0)
        prl_text_number(o, "umask", (uint64_t)p->umask);
    if (p->additional_gids_len) {
        prl_text_begin(o, "additionalGids", '[');
        for (size_t i = 0; i < p->additional_gids_len; i++)
            prl_text_number(o, NULL, p->additional_gids[i]);
        prl_text_end(o, ']');
    }
    end_object(o, "/process/user");
    put_capabilities(o, p);
    if (p->rlimits_len) {
        prl_text_begin(o, "rlimits", '[');
        for (size_t i = 0; i < p->rlimits_len; i++) {
            prl_text_begin(o, NULL, '{');
            prl_text_text(o, "type", prl_spec_rlimit_name(p->rlimits[i].resource));
            prl_text_number(o, "soft", p->rlimits[i].soft);
            prl_text_number(o, "hard", p->rlimits[i].hard);
            end_element(o, "/process/rlimits", i);
        }
        prl_text_end(o, ']');
    }
    prl_text_flag(o, "noNewPrivileges", p->no_new_privileges);
    if (p->has_oom_score_adj)
        prl_text_signed(o, "oomScoreAdj", p->oom_score_adj);
    end_object(o, "/process");
}

static void put_namespaces(struct prl_spec_text *o, uint64_t namespaces)
{
    const char *type;
    uint64_t flag;
    size_t element = 0;
    prl_text_begin(o, "namespaces", '[');
    for (size_t i = 0; (type = prl_spec_namespace(i, &flag)); i++) {
        if (!(namespaces & flag))
            continue;
        prl_text_begin(o, NULL, '{');
        prl_text_text(o, "type", type);
        end_element(o, "/linux/namespaces", element++);
    }
    prl_text_end(o, ']');
}

static void put_idmaps(struct prl_spec_text *o, const char *key, const struct prl_idmap *maps,
                       size_t len)
{
    char place[32];
    snprintf(place, sizeof place, "/linux/%s", key);
    if (!len)
        return;
    prl_text_begin(o, key, '[');
    for (size_t i = 0; i < len; i++) {
        prl_text_begin(o, NULL, '{');
        prl_text_number(o, "containerID", maps[i].container_id);
        prl_text_number(o, "hostID", maps[i].host_id);
        prl_text_number(o, "size", maps[i].size);
        end_element(o, place, i);
    }
    prl_text_end(o, ']');
}

static void put_devices(struct prl_spec_text *o, const struct prl_spec *spec)
{
    prl_text_begin(o, "devices", '[');
    for (size_t i = 0; i < spec->devices_len; i++) {
        const struct prl_device *device = &spec->devices[i];
        prl_text_begin(o, NULL, '{');
        prl_text_text(o, "type", device->type == 'b' ? "b" : "c");
        prl_text_text(o, "path", device->path);
        prl_text_number(o, "major", device->major);
        prl_text_number(o, "minor", device->minor);
        prl_text_number(o, "fileMode", device->mode);
        end_element(o, "/linux/devices", i);
    }
    prl_text_end(o, ']');
}

static void put_throttles(struct prl_spec_text *o, const struct prl_resources *r)
{
    char place[56];
    prl_text_begin(o, "blockIO", '{');
    for (unsigned kind = 0; kind < PRL_THROTTLES; kind++) {
        size_t element = 0, len = 0;
        for (size_t i = 0; i < r->throttles_len; i++)
            len += r->throttles[i].kind == kind;
        if (len == 0)
            continue;
        snprintf(place, sizeof place, "/linux/resources/blockIO/%s", prl_spec_throttles[kind]);
        prl_text_begin(o, prl_spec_throttles[kind], '[');
        for (size_t i = 0; i < r->throttles_len; i++) {
            if (r->throttles[i].kind != kind)
                continue;
            prl_text_begin(o, NULL, '{');
            prl_text_number(o, "major", r->throttles[i].major);
            prl_text_number(o, "minor", r->throttles[i].minor);
            prl_text_number(o, "rate", r->throttles[i].rate);
            end_element(o, place, element++);
        }
        prl_text_end(o, ']');
    }
    end_object(o, "/linux/resources/blockIO");
}

/* Does an extra member stand there, or below? */
static bool has_extra(const struct prl_spec *spec, const char *place)
{
    for (size_t i = 0; i < spec->extras_len; i++)
        if (strncmp(spec->extras[i].place, place, strlen(place)) == 0)
            return true;
    return false;
}

static void put_resources(struct prl_spec_text *o, const struct prl_resources *r)
{
    static const char place[] = "/linux/resources";
    bool extra = has_extra(o->spec, place);
    bool memory = r->memory_bytes || r->reservation_bytes || r->swap_bytes;
    bool cpu = r->shares || r->quota_us || r->period_us != PRL_SPEC_PERIOD_US || r->cpus;
    if (!extra && !memory && !cpu && !r->throttles_len && !r->pids)
        return;
    prl_text_begin(o, "resources", '{');
    if (memory || extra) {
        prl_text_begin(o, "memory", '{');
        if (r->memory_bytes)
            prl_text_number(o, "limit", r->memory_bytes);
        if (r->reservation_bytes)
            prl_text_number(o, "reservation", r->reservation_bytes);
        if (r->swap_bytes == UINT64_MAX)
            prl_text_signed(o, "swap", -1);
        else if (r->swap_bytes)
            prl_text_number(o, "swap", r->swap_bytes);
        end_object(o, "/linux/resources/memory");
    }
    if (cpu || extra) {
        prl_text_begin(o, "cpu", '{');
        if (r->shares)
            prl_text_number(o, "shares", r->shares);
        if (r->quota_us)
            prl_text_number(o, "quota", r->quota_us);
        if (r->quota_us || r->period_us != PRL_SPEC_PERIOD_US)
            prl_text_number(o, "period", r->period_us);
        prl_text_text(o, "cpus", r->cpus);
        end_object(o, "/linux/resources/cpu");
    }
    if (r->pids || has_extra(o->spec, "/linux/resources/pids")) {
        prl_text_begin(o, "pids", '{');
        if (r->pids)
            prl_text_number(o, "limit", r->pids);
        end_object(o, "/linux/resources/pids");
    }
    if (r->throttles_len || has_extra(o->spec, "/linux/resources/blockIO"))
        put_throttles(o, r);
    end_object(o, place);
}

static void put_linux(struct prl_spec_text *o, const struct prl_spec *spec)
{
    prl_text_begin(o, "linux", '{');
    put_namespaces(o, spec->namespaces);
    put_idmaps(o, "uidMappings", spec->uid_maps, spec->uid_maps_len);
    put_idmaps(o, "gidMappings", spec->gid_maps, spec->gid_maps_len);
    if (spec->devices_len)
        put_devices(o, spec);
    if (spec->sysctls_len) {
        prl_text_begin(o, "sysctl", '{');
        for (size_t i = 0; i < spec->sysctls_len; i++)
            prl_text_text(o, spec->sysctls[i].key, spec->sysctls[i].value);
        prl_text_end(o, '}');
    }
    prl_text_texts(o, "maskedPaths", spec->masked_paths);
    prl_text_texts(o, "readonlyPaths", spec->readonly_paths);
    if (spec->rootfs_propagation)
        prl_text_text(o, "rootfsPropagation",
                      prl_spec_propagation_word(spec->rootfs_propagation));
    if (spec->personality) {
        prl_text_begin(o, "personality", '{');
        prl_text_text(o, "domain", "LINUX");
        end_object(o, "/linux/personality");
    }
    put_resources(o, &spec->resources);
    if (spec->has_seccomp)
        prl_text_json(o, "seccomp", spec->seccomp_json ? spec->seccomp_json : "{}");
    end_object(o, "/linux");
}

static void put_note(void *data, const char *key, const char *text)
{
    prl_text_text(data, key, text);
}

static void put_all(struct prl_spec_text *o, const struct prl_spec *spec)
{
    prl_text_begin(o, NULL, '{');
    prl_text_text(o, "ociVersion", spec->oci_version);
    prl_text_begin(o, "root", '{');
    prl_text_text(o, "path", spec->rootfs.path);
    prl_text_flag(o, "readonly", spec->rootfs.readonly);
    end_object(o, "/root");
    put_mounts(o, spec);
    put_process(o, &spec->process);
    prl_text_text(o, "hostname", spec->hostname);
    prl_text_text(o, "domainname", spec->domainname);
    prl_text_begin(o, "annotations", '{');
    o->no_memory |= prl_spec_each_note(o->arena, spec, put_note, o) < 0;
    prl_text_end(o, '}');
    put_linux(o, spec);
    end_object(o, "");
}

int prl_spec_write(const struct prl_spec *spec, char **ret, size_t *ret_len,
                   struct prl_error *reterr)
{
    struct prl_spec_text o = {.spec = spec, .arena = prl_arena_new()};
    o.no_memory = !o.arena;
    if (o.arena)
        put_all(&o, spec);
    prl_arena_free(o.arena);
    *ret = NULL;
    if (!o.no_memory && !o.not_utf8 && o.len <= PRL_SPEC_MAX_BYTES) {
        *ret = o.at;
        *ret_len = o.len;
        return 0;
    }
    free(o.at);
    if (o.no_memory)
        return prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "config.json");
    if (o.not_utf8)
        return prl_failf(reterr, PRL_STAGE_CONFIG, EILSEQ, "config.json",
                         "an argument, a variable or a path is not UTF-8, which a container's "
                         "configuration cannot hold");
    return prl_failf(reterr, PRL_STAGE_CONFIG, EINVAL, "config.json",
                     "config.json has %zu bytes, at most %d are read", o.len,
                     PRL_SPEC_MAX_BYTES);
}
