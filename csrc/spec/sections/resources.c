/* resources.c: /linux/resources → struct prl_resources; the control groups, as text too.
 * In: the section, types and ranges already checked; lines of control groups.
 * Out: numbers.  Never: a choice of what holds them, a look at the machine.
 * Source: OCI runtime-spec config-linux.md: -1 (and 0 for a limit) means "without limit". */
#include "limits/exports.h"
#include "spec/notes.h"

#include <stdio.h>
#include <string.h>

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

static void read_memory(yyjson_val *section, struct prl_resources *ret)
{
    yyjson_val *swap = yyjson_obj_get(section, "swap");
    (void)take(section, "limit", &ret->memory_bytes);
    (void)take(section, "reservation", &ret->reservation_bytes);
    if (swap && yyjson_is_sint(swap) && yyjson_get_sint(swap) == -1)
        ret->swap_bytes = UINT64_MAX;
    else
        (void)take(section, "swap", &ret->swap_bytes);
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
    yyjson_val *cpus = yyjson_obj_get(section, "cpus");
    ret->period_us = PRL_SPEC_PERIOD_US;
    (void)take(section, "shares", &ret->shares);
    (void)take(section, "quota", &ret->quota_us);
    (void)take(section, "period", &ret->period_us);
    return yyjson_get_len(cpus) == 0 ? 0 : prl_spec_copy_text(reader, cpus, &ret->cpus);
}

int prl_spec_check_resources(const struct prl_spec_reader *reader,
                             const struct prl_resources *r)
{
    if (r->swap_bytes && !r->memory_bytes)
        return prl_spec_fail(reader, "/linux/resources/memory/swap needs a limit beside it: it "
                                     "is memory and swap together");
    if (r->swap_bytes && r->swap_bytes < r->memory_bytes)
        return prl_spec_fail(reader, "/linux/resources/memory/swap is less than the limit, and "
                                     "it is memory and swap together");
    if (r->quota_us && r->quota_us < 1000)
        return prl_spec_fail(reader, "/linux/resources/cpu/quota is less than 1000, the least "
                                     "the kernel takes (microseconds)");
    if (r->cpus && !is_cpu_list(r->cpus))
        return prl_spec_fail(reader,
                             "/linux/resources/cpu/cpus is \"%s\", expected a list of "
                             "processors as in 0-2,5",
                             prl_spec_show(r->cpus).text);
    return 0;
}

const char prl_spec_throttles[PRL_THROTTLES][24] = {
    [PRL_THROTTLE_READ_BPS] = "throttleReadBpsDevice",
    [PRL_THROTTLE_WRITE_BPS] = "throttleWriteBpsDevice",
    [PRL_THROTTLE_READ_IOPS] = "throttleReadIOPSDevice",
    [PRL_THROTTLE_WRITE_IOPS] = "throttleWriteIOPSDevice",
};

static int read_throttles(const struct prl_spec_reader *reader, yyjson_val *section,
                          struct prl_resources *ret)
{
    size_t total = 0, n = 0, i, max;
    struct prl_throttle *rows;
    yyjson_val *entry;
    for (unsigned kind = 0; kind < PRL_THROTTLES; kind++)
        total += yyjson_arr_size(yyjson_obj_get(section, prl_spec_throttles[kind]));
    int r = prl_spec_new_array(reader, total, sizeof *rows, &rows);
    if (r < 0)
        return r;
    for (unsigned kind = 0; kind < PRL_THROTTLES; kind++) {
        yyjson_arr_foreach(yyjson_obj_get(section, prl_spec_throttles[kind]), i, max, entry)
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

int prl_spec_read_cgroups(const struct prl_spec_reader *reader, const struct prl_note *note,
                          struct prl_resources *ret)
{
    struct prl_cgroup *rows;
    int r = prl_spec_new_array(reader, CGROUPS_MAX, sizeof *rows, &rows);
    ret->cgroups_len = 0;
    for (const char *line = note->value; r == 0 && *line;) {
        size_t len = strcspn(line, "\n");
        if (ret->cgroups_len == CGROUPS_MAX ||
            !read_cgroup(reader, line, len, &rows[ret->cgroups_len]))
            return prl_spec_fail(reader,
                                 "/annotations/%s has a line that is not "
                                 "VERSION CONTROLLERS PATH of a group of ours",
                                 note->key);
        ret->cgroups_len++;
        line += len + (line[len] == '\n');
    }
    ret->cgroups = rows;
    return r;
}

char *prl_spec_show_cgroups(struct prl_arena *arena, const struct prl_resources *resources)
{
    char *text = prl_arena_strndup(arena, "", 0);
    for (size_t i = 0; text && i < resources->cgroups_len; i++) {
        const struct prl_cgroup *group = &resources->cgroups[i];
        char names[64] = "";
        for (unsigned bit = 1; bit <= PRL_CONTROL_OTHER; bit *= 2)
            if (group->controllers & bit)
                snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                         *names ? "," : "", prl_controller_name(bit, group->version2));
        text = prl_arena_printf(arena, "%s%s%c %s %s", text, i ? "\n" : "",
                                group->version2 ? '2' : '1', names, group->path);
    }
    return text;
}

int prl_spec_read_resources(const struct prl_spec_reader *reader, yyjson_val *root,
                            struct prl_spec *ret)
{
    yyjson_val *section = yyjson_obj_get(yyjson_obj_get(root, "linux"), "resources");
    struct prl_resources *to = &ret->resources;
    read_memory(yyjson_obj_get(section, "memory"), to);
    (void)take(yyjson_obj_get(section, "pids"), "limit", &to->pids);
    int r = read_cpu(reader, yyjson_obj_get(section, "cpu"), to);
    return r < 0 ? r : read_throttles(reader, yyjson_obj_get(section, "blockIO"), to);
}
