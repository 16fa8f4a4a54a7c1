/* process.c: /process → struct prl_process.
 * In: the section, types and ranges already checked.  Out: arguments, environment, ids,
 * capabilities, limits.  Never: a search for the program, a name of a user.
 * Source: OCI runtime-spec config.md, "Process". */
#include "spec/parse.h"
#include "spec/parts.h"

#include <string.h>
#include <sys/resource.h>

enum { GROUPS_MAX = 65536 }; /* NGROUPS_MAX of the kernel */

static const struct {
    char name[20];
    int resource;
} rlimit_names[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", 10}, /* the same on every architecture; some C libraries hide the name */
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", 12},
    {"RLIMIT_NICE", 13},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", 14},
    {"RLIMIT_RTTIME", 15},
    {"RLIMIT_SIGPENDING", 11},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

const char prl_spec_cap_sets[PRL_CAP_SETS][12] = {
    [PRL_CAP_BOUNDING] = "bounding",   [PRL_CAP_EFFECTIVE] = "effective",
    [PRL_CAP_PERMITTED] = "permitted", [PRL_CAP_INHERITABLE] = "inheritable",
    [PRL_CAP_AMBIENT] = "ambient",
};

static int read_user(const struct prl_spec_reader *reader, yyjson_val *user,
                     struct prl_process *ret)
{
    yyjson_val *umask = yyjson_obj_get(user, "umask");
    ret->uid = (uint32_t)yyjson_get_uint(yyjson_obj_get(user, "uid"));
    ret->gid = (uint32_t)yyjson_get_uint(yyjson_obj_get(user, "gid"));
    ret->umask = umask ? (int)yyjson_get_uint(umask) : -1;
    yyjson_val *list = yyjson_obj_get(user, "additionalGids");
    uint32_t *gids;
    size_t i, max;
    yyjson_val *gid;
    if (yyjson_arr_size(list) > GROUPS_MAX)
        return prl_spec_fail(reader, "/process/user/additionalGids has %zu groups, at most %d",
                             yyjson_arr_size(list), GROUPS_MAX);
    int r = prl_spec_new_array(reader, yyjson_arr_size(list), sizeof *gids, &gids);
    if (r < 0)
        return r;
    yyjson_arr_foreach(list, i, max, gid)
    {
        gids[i] = (uint32_t)yyjson_get_uint(gid);
    }
    ret->additional_gids = gids;
    ret->additional_gids_len = yyjson_arr_size(list);
    return 0;
}

static int read_caps(const struct prl_spec_reader *reader, yyjson_val *caps,
                     struct prl_process *ret)
{
    for (int set = 0; set < PRL_CAP_SETS; set++) {
        size_t i, max;
        yyjson_val *name;
        yyjson_arr_foreach(yyjson_obj_get(caps, prl_spec_cap_sets[set]), i, max, name)
        {
            int bit = prl_spec_capability(yyjson_get_str(name));
            if (bit < 0)
                return prl_spec_fail(
                    reader, "/process/capabilities/%s/%zu is \"%s\", which is no capability",
                    prl_spec_cap_sets[set], i, prl_spec_show(yyjson_get_str(name)).text);
            ret->caps[set] |= 1ULL << bit;
        }
    }
    return 0;
}

const char *prl_spec_rlimit_name(int resource)
{
    for (size_t i = 0; i < sizeof rlimit_names / sizeof *rlimit_names; i++)
        if (rlimit_names[i].resource == resource)
            return rlimit_names[i].name;
    return "";
}

int prl_spec_rlimit(const char *name)
{
    for (size_t i = 0; i < sizeof rlimit_names / sizeof *rlimit_names; i++)
        if (strcmp(rlimit_names[i].name, name) == 0)
            return rlimit_names[i].resource;
    return -1;
}

static int read_rlimit(const struct prl_spec_reader *reader, yyjson_val *entry, size_t index,
                       struct prl_rlimit *ret)
{
    const char *name = yyjson_get_str(yyjson_obj_get(entry, "type"));
    ret->resource = prl_spec_rlimit(name);
    ret->soft = yyjson_get_uint(yyjson_obj_get(entry, "soft"));
    ret->hard = yyjson_get_uint(yyjson_obj_get(entry, "hard"));
    if (ret->resource < 0)
        return prl_spec_fail(reader, "/process/rlimits/%zu/type is \"%s\", which is no limit",
                             index, prl_spec_show(name).text);
    return 0;
}

static int read_rlimits(const struct prl_spec_reader *reader, yyjson_val *list,
                        struct prl_process *ret)
{
    struct prl_rlimit *rlimits;
    size_t i, max;
    yyjson_val *entry;
    uint32_t seen = 0;
    int r = prl_spec_new_array(reader, yyjson_arr_size(list), sizeof *rlimits, &rlimits);
    if (r < 0)
        return r;
    yyjson_arr_foreach(list, i, max, entry)
    {
        r = read_rlimit(reader, entry, i, &rlimits[i]);
        if (r < 0)
            return r;
        if (seen & (1u << rlimits[i].resource))
            return prl_spec_fail(reader, "/process/rlimits/%zu: %s is there twice", i,
                                 yyjson_get_str(yyjson_obj_get(entry, "type")));
        seen |= 1u << rlimits[i].resource;
    }
    ret->rlimits = rlimits;
    ret->rlimits_len = yyjson_arr_size(list);
    return 0;
}

int prl_spec_read_process(const struct prl_spec_reader *reader, yyjson_val *process,
                          struct prl_process *ret)
{
    yyjson_val *console = yyjson_obj_get(process, "consoleSize");
    yyjson_val *score = yyjson_obj_get(process, "oomScoreAdj");
    ret->terminal = yyjson_get_bool(yyjson_obj_get(process, "terminal"));
    if (ret->terminal) { /* config.md: consoleSize MUST be ignored without a terminal */
        ret->console_rows = (unsigned short)yyjson_get_uint(yyjson_obj_get(console, "height"));
        ret->console_columns =
            (unsigned short)yyjson_get_uint(yyjson_obj_get(console, "width"));
    }
    ret->no_new_privileges = yyjson_get_bool(yyjson_obj_get(process, "noNewPrivileges"));
    ret->has_oom_score_adj = score != NULL;
    ret->oom_score_adj = (int)yyjson_get_sint(score);
    int r = prl_spec_copy_text(reader, yyjson_obj_get(process, "cwd"), &ret->cwd);
    if (r == 0)
        r = prl_spec_copy_texts(reader, yyjson_obj_get(process, "args"), &ret->args);
    if (r == 0)
        r = prl_spec_copy_texts(reader, yyjson_obj_get(process, "env"), &ret->env);
    if (r == 0)
        r = read_user(reader, yyjson_obj_get(process, "user"), ret);
    if (r == 0)
        r = read_caps(reader, yyjson_obj_get(process, "capabilities"), ret);
    if (r == 0)
        r = read_rlimits(reader, yyjson_obj_get(process, "rlimits"), ret);
    return r;
}
