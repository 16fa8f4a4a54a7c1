/* spec_resources.c: /linux/resources → struct prl_resources, with the rungs that were chosen.
 * In: the section, types and ranges already checked; the annotations about limits.
 * Out: what is asked for, one bit a limit.  Never: a choice of a rung, a look at the machine.
 * Source: OCI runtime-spec config-linux.md: -1 (and 0 for a limit) means "without limit". */
#include "base/limits.h"
#include "spec_parts.h"

#include <stdio.h>
#include <string.h>

#define NOTE    "io.pyrootless.limits"
#define CGROUPS NOTE ".cgroups"

enum { CGROUPS_MAX = 16 };

/* A positive limit is asked for; absent, 0 and -1 are not. */
static bool take(yyjson_val *section, const char *key, uint64_t *ret)
{
    yyjson_val *value = yyjson_obj_get(section, key);
    if (!value || (yyjson_is_sint(value) && yyjson_get_sint(value) <= 0) ||
        yyjson_get_uint(value) == 0)
        return false;
    *ret = yyjson_get_uint(value);
    return true;
}

static void ask(struct prl_resources *ret, enum prl_limit limit, bool asked)
{
    if (asked)
        ret->asked |= 1u << limit;
}

static int read_memory(const struct prl_spec_reader *reader, yyjson_val *section,
                       struct prl_resources *ret)
{
    yyjson_val *swap = yyjson_obj_get(section, "swap");
    bool limited = take(section, "limit", &ret->memory_bytes);
    ask(ret, PRL_LIMIT_MEMORY, limited);
    ask(ret, PRL_LIMIT_RESERVATION, take(section, "reservation", &ret->reservation_bytes));
    if (swap && yyjson_is_sint(swap) && yyjson_get_sint(swap) == -1)
        ret->swap_bytes = UINT64_MAX;
    else
        ask(ret, PRL_LIMIT_SWAP, take(section, "swap", &ret->swap_bytes));
    if (ret->swap_bytes == 0)
        return 0;
    if (!limited)
        return prl_spec_fail(reader, "/linux/resources/memory/swap needs a limit beside it: it "
                                     "is memory and swap together");
    if (ret->swap_bytes < ret->memory_bytes)
        return prl_spec_fail(reader, "/linux/resources/memory/swap is less than the limit, and "
                                     "it is memory and swap together");
    return 0;
}

/* "0-2,5": rising numbers, no spaces. */
static bool is_cpu_list(const char *text)
{
    for (;;) {
        size_t len = strspn(text, "0123456789");
        if (len == 0 || len > 4)
            return false;
        text += len;
        if (*text == '-') {
            len = strspn(++text, "0123456789");
            if (len == 0 || len > 4)
                return false;
            text += len;
        }
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
}

static int read_cpu(const struct prl_spec_reader *reader, yyjson_val *section,
                    struct prl_resources *ret)
{
    ret->period_us = 100000;
    ask(ret, PRL_LIMIT_SHARES, take(section, "shares", &ret->shares));
    ask(ret, PRL_LIMIT_CPUS, take(section, "quota", &ret->quota_us));
    (void)take(section, "period", &ret->period_us);
    if (ret->quota_us && ret->quota_us < 1000)
        return prl_spec_fail(reader, "/linux/resources/cpu/quota is less than 1000, the least "
                                     "the kernel takes (microseconds)");
    yyjson_val *cpus = yyjson_obj_get(section, "cpus");
    if (yyjson_get_len(cpus) == 0)
        return 0;
    ask(ret, PRL_LIMIT_CPUSET, true);
    if (!is_cpu_list(yyjson_get_str(cpus)))
        return prl_spec_fail(reader,
                             "/linux/resources/cpu/cpus is \"%s\", expected a list of "
                             "processors as in 0-2,5",
                             prl_spec_show(yyjson_get_str(cpus)).text);
    return prl_spec_copy_text(reader, cpus, &ret->cpus);
}

static int read_throttles(const struct prl_spec_reader *reader, yyjson_val *section,
                          struct prl_resources *ret)
{
    static const char keys[PRL_THROTTLES][24] = {
        [PRL_THROTTLE_READ_BPS] = "throttleReadBpsDevice",
        [PRL_THROTTLE_WRITE_BPS] = "throttleWriteBpsDevice",
        [PRL_THROTTLE_READ_IOPS] = "throttleReadIOPSDevice",
        [PRL_THROTTLE_WRITE_IOPS] = "throttleWriteIOPSDevice",
    };
    size_t total = 0, n = 0, i, max;
    struct prl_throttle *rows;
    yyjson_val *entry;
    for (unsigned kind = 0; kind < PRL_THROTTLES; kind++)
        total += yyjson_arr_size(yyjson_obj_get(section, keys[kind]));
    int r = prl_spec_new_array(reader, total, sizeof *rows, &rows);
    if (r < 0)
        return r;
    for (unsigned kind = 0; kind < PRL_THROTTLES; kind++) {
        yyjson_arr_foreach(yyjson_obj_get(section, keys[kind]), i, max, entry)
        {
            rows[n++] = (struct prl_throttle){
                .kind = (enum prl_throttle_kind)kind,
                .major = (uint32_t)yyjson_get_uint(yyjson_obj_get(entry, "major")),
                .minor = (uint32_t)yyjson_get_uint(yyjson_obj_get(entry, "minor")),
                .rate = yyjson_get_uint(yyjson_obj_get(entry, "rate")),
            };
        }
    }
    ret->throttles = rows;
    ret->throttles_len = n;
    ask(ret, PRL_LIMIT_IO, n > 0);
    return 0;
}

/* One line "VERSION CONTROLLER[,CONTROLLER…] PATH". */
static bool read_cgroup(const struct prl_spec_reader *reader, const char *line, size_t len,
                        struct prl_cgroup *ret)
{
    char *text = prl_arena_strndup(reader->arena, line, len);
    char *path = text ? strstr(text, " /") : NULL;
    if (!path || (text[0] != '1' && text[0] != '2') || text[1] != ' ' || path < text + 2)
        return false;
    *path++ = '\0';
    *ret = (struct prl_cgroup){.path = path,
                               .controllers = prl_controllers_parse(text + 2, ","),
                               .version2 = text[0] == '2'};
    return ret->controllers != 0 && strstr(path, "/pyrootless-") != NULL &&
           strstr(path, "/../") == NULL;
}

static int read_cgroups(const struct prl_spec_reader *reader, yyjson_val *notes,
                        struct prl_resources *ret)
{
    const char *text = yyjson_get_str(yyjson_obj_get(notes, CGROUPS));
    struct prl_cgroup *rows;
    int r = text ? prl_spec_new_array(reader, CGROUPS_MAX, sizeof *rows, &rows) : 0;
    if (r < 0 || !text)
        return r;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (ret->cgroups_len == CGROUPS_MAX ||
            !read_cgroup(reader, line, len, &rows[ret->cgroups_len]))
            return prl_spec_fail(reader, "/annotations/" CGROUPS " has a line that is not "
                                         "VERSION CONTROLLERS PATH of a group of ours");
        ret->cgroups_len++;
        line += len + (line[len] == '\n');
    }
    ret->cgroups = rows;
    return 0;
}

static int read_rungs(const struct prl_spec_reader *reader, yyjson_val *notes,
                      struct prl_resources *ret)
{
    const char *how = yyjson_get_str(yyjson_obj_get(notes, NOTE));
    char key[64];
    ret->best_effort = how && strcmp(how, "best-effort") == 0;
    if (how && !ret->best_effort && strcmp(how, "strict") != 0)
        return prl_spec_fail(reader,
                             "/annotations/" NOTE " is \"%s\", expected strict or best-effort",
                             prl_spec_show(how).text);
    for (unsigned i = 0; i < PRL_LIMITS; i++) {
        snprintf(key, sizeof key, NOTE ".%s", prl_limit_name(i));
        const char *rung = yyjson_get_str(yyjson_obj_get(notes, key));
        if (!rung)
            continue;
        ret->rungs[i] = (uint8_t)prl_rung_find(rung);
        if (ret->rungs[i] == PRL_RUNG_UNSET)
            return prl_spec_fail(reader, "/annotations/%s is \"%s\", which is no rung", key,
                                 prl_spec_show(rung).text);
        if (i == PRL_LIMIT_STORAGE)
            ask(ret, PRL_LIMIT_STORAGE, true);
    }
    return 0;
}

/* The limit on processes is the program's: ours do not take from it. */
static void count_own(struct prl_spec *ret)
{
    struct prl_resources *to = &ret->resources;
    enum prl_network_helper helper = ret->network.helper;
    bool outside = helper == PRL_NETWORK_PASTA && ret->network.allow; /* passt stays there */
    to->pids_own = ret->init;
    to->nproc = to->pids + to->pids_own + (ret->fake_root == PRL_FAKE_ROOT_REMEMBER) +
                (helper != PRL_NETWORK_ALONE && !outside) + (ret->rootfs.fuse_program != NULL);
}

int prl_spec_read_resources(const struct prl_spec_reader *reader, yyjson_val *root,
                            struct prl_spec *ret)
{
    yyjson_val *section = yyjson_obj_get(yyjson_obj_get(root, "linux"), "resources");
    yyjson_val *notes = yyjson_obj_get(root, "annotations");
    struct prl_resources *to = &ret->resources;
    int r = read_memory(reader, yyjson_obj_get(section, "memory"), to);
    if (r == 0)
        r = read_cpu(reader, yyjson_obj_get(section, "cpu"), to);
    if (r == 0)
        r = read_throttles(reader, yyjson_obj_get(section, "blockIO"), to);
    if (r < 0)
        return r;
    ask(to, PRL_LIMIT_PIDS, take(yyjson_obj_get(section, "pids"), "limit", &to->pids));
    count_own(ret);
    r = read_rungs(reader, notes, to);
    return r < 0 ? r : read_cgroups(reader, notes, to);
}
