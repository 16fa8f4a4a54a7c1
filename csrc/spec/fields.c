/* fields.c: the one table of known fields, and the check of a tree against it.
 * In: a JSON tree.  Out: 0, or "/process/args/2 is a number, expected a string".  Never: values
 * into prl_spec.  A field that is not in the table is ignored (runtime-spec, "Extensibility").
 * Source: OCI runtime-spec 1.3, config.md and config-linux.md; docs/spec-conformance.md says
 * the same in words. */
#include "spec/fields.h"

#include <inttypes.h>
#include <string.h>

#define ID_MAX       4294967294u /* the last one, (uid_t)-1, means "none" to the kernel */
#define NO_LIMIT     "pyrootless cannot enforce it"
#define NO_REALTIME  "real-time shares belong to the host's root"
#define NO_MOUNT_MAP "the ids of a single mount cannot be mapped"

/* Tables by number: a pointer in a row would keep all rows out of the read-only part. */
enum {
    NONE,
    ROOT_DIR,
    MOUNT,
    CONSOLE,
    USER,
    CAPABILITY,
    RLIMIT,
    PROCESS,
    NAMESPACE,
    IDMAP,
    DEVICE,
    MEMORY,
    CPU,
    PIDS,
    THROTTLE,
    IO,
    RESOURCE,
    PERSONALITY,
    LINUX,
};

static const struct prl_spec_field root_dir_fields[] = {
    {"path", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"readonly", PRL_SPEC_FLAG, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {.key = ""},
};

static const struct prl_spec_field mount_fields[] = {
    {"destination", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"type", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"source", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"options", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"uidMappings", PRL_SPEC_OBJECTS, PRL_SPEC_REFUSED, NONE, 0, 0, NO_MOUNT_MAP},
    {"gidMappings", PRL_SPEC_OBJECTS, PRL_SPEC_REFUSED, NONE, 0, 0, NO_MOUNT_MAP},
    {.key = ""},
};

static const struct prl_spec_field console_fields[] = {
    {"height", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, 65535, ""},
    {"width", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, 65535, ""},
    {.key = ""},
};

static const struct prl_spec_field user_fields[] = {
    {"uid", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, ID_MAX, ""},
    {"gid", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, ID_MAX, ""},
    {"umask", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, 0, 0777, ""},
    {"additionalGids", PRL_SPEC_NUMBERS, PRL_SPEC_OPTIONAL, NONE, 0, ID_MAX, ""},
    {"username", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "it belongs to Windows; give uid and gid"},
    {.key = ""},
};

static const struct prl_spec_field capability_fields[] = {
    {"bounding", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"effective", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"permitted", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"inheritable", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"ambient", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {.key = ""},
};

static const struct prl_spec_field rlimit_fields[] = {
    {"type", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"soft", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, UINT64_MAX, ""},
    {"hard", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, UINT64_MAX, ""},
    {.key = ""},
};

static const struct prl_spec_field process_fields[] = {
    {"terminal", PRL_SPEC_FLAG, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"consoleSize", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, CONSOLE, 0, 0, ""},
    {"cwd", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"env", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"args", PRL_SPEC_TEXTS, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"commandLine", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "it belongs to Windows; give args"},
    {"user", PRL_SPEC_OBJECT, PRL_SPEC_REQUIRED, USER, 0, 0, ""},
    {"capabilities", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, CAPABILITY, 0, 0, ""},
    {"rlimits", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, RLIMIT, 0, 0, ""},
    {"noNewPrivileges", PRL_SPEC_FLAG, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"oomScoreAdj", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, -1000, 1000, ""},
    {"apparmorProfile", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "pyrootless cannot load or enter an AppArmor profile"},
    {"selinuxLabel", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "pyrootless cannot set SELinux labels"},
    {"scheduler", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "pyrootless does not set a scheduling policy"},
    {"ioPriority", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "pyrootless does not set an I/O priority"},
    {"execCPUAffinity", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "pyrootless does not set the CPUs of a process"},
    {.key = ""},
};

static const struct prl_spec_field namespace_fields[] = {
    {"type", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"path", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "joining a namespace by path is not possible yet"},
    {.key = ""},
};

static const struct prl_spec_field idmap_fields[] = {
    {"containerID", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, ID_MAX, ""},
    {"hostID", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, ID_MAX, ""},
    {"size", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 1, UINT32_MAX, ""},
    {.key = ""},
};

static const struct prl_spec_field device_fields[] = {
    {"type", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"path", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"major", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, 0, 4095, ""},
    {"minor", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, 0, 1048575, ""},
    {"fileMode", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, 0, 0177777, ""},
    {"uid", PRL_SPEC_NUMBER, PRL_SPEC_IGNORED, NONE, 0, ID_MAX,
     "the node is the host's own, bind-mounted: its owner stays"},
    {"gid", PRL_SPEC_NUMBER, PRL_SPEC_IGNORED, NONE, 0, ID_MAX,
     "the node is the host's own, bind-mounted: its group stays"},
    {.key = ""},
};

static const struct prl_spec_field memory_fields[] = {
    {"limit", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, -1, INT64_MAX, ""},
    {"reservation", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, -1, INT64_MAX, ""},
    {"swap", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, -1, INT64_MAX, ""},
    {"kernel", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NONE, 0, 0,
     "the kernel counts its memory with the rest"},
    {"kernelTCP", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NONE, 0, 0,
     "the kernel counts its memory with the rest"},
    {"swappiness", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NONE, 0, 0,
     "control groups of version 2 have none"},
    {"disableOOMKiller", PRL_SPEC_FLAG, PRL_SPEC_IGNORED, NONE, 0, 0,
     "a container at its limit is ended, whatever this says"},
    {"useHierarchy", PRL_SPEC_FLAG, PRL_SPEC_IGNORED, NONE, 0, 0,
     "the kernel always counts what is below too"},
    {"checkBeforeUpdate", PRL_SPEC_FLAG, PRL_SPEC_IGNORED, NONE, 0, 0,
     "the limit is there before the first process is"},
    {.key = ""},
};

static const struct prl_spec_field cpu_fields[] = {
    {"shares", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, 0, 262144, ""},
    {"quota", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, -1, INT64_MAX / 1000, ""},
    {"period", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, 1000, 1000000, ""},
    {"cpus", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"burst", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {"realtimeRuntime", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NONE, 0, 0, NO_REALTIME},
    {"realtimePeriod", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NONE, 0, 0, NO_REALTIME},
    {"mems", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {"idle", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {.key = ""},
};

static const struct prl_spec_field pids_fields[] = {
    {"limit", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NONE, -1, 4194304, ""},
    {.key = ""},
};

static const struct prl_spec_field throttle_fields[] = {
    {"major", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, 4095, ""},
    {"minor", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 0, 1048575, ""},
    {"rate", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NONE, 1, INT64_MAX, ""},
    {.key = ""},
};

static const struct prl_spec_field io_fields[] = {
    {"throttleReadBpsDevice", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, THROTTLE, 0, 0, ""},
    {"throttleWriteBpsDevice", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, THROTTLE, 0, 0, ""},
    {"throttleReadIOPSDevice", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, THROTTLE, 0, 0, ""},
    {"throttleWriteIOPSDevice", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, THROTTLE, 0, 0, ""},
    {"weight", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {"leafWeight", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {"weightDevice", PRL_SPEC_OBJECTS, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {.key = ""},
};

static const struct prl_spec_field resource_fields[] = {
    {"devices", PRL_SPEC_OBJECTS, PRL_SPEC_IGNORED, NONE, 0, 0,
     "no device can be made in a user namespace: only those bind-mounted are there"},
    {"memory", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, MEMORY, 0, 0, ""},
    {"cpu", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, CPU, 0, 0, ""},
    {"pids", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, PIDS, 0, 0, ""},
    {"blockIO", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, IO, 0, 0, ""},
    {"hugepageLimits", PRL_SPEC_OBJECTS, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {"network", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {"rdma", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {"unified", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {.key = ""},
};

static const struct prl_spec_field personality_fields[] = {
    {"domain", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"flags", PRL_SPEC_TEXTS, PRL_SPEC_REFUSED, NONE, 0, 0,
     "the runtime specification defines no flag"},
    {.key = ""},
};

static const struct prl_spec_field linux_fields[] = {
    {"namespaces", PRL_SPEC_OBJECTS, PRL_SPEC_REQUIRED, NAMESPACE, 0, 0, ""},
    {"uidMappings", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, IDMAP, 0, 0, ""},
    {"gidMappings", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, IDMAP, 0, 0, ""},
    {"devices", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, DEVICE, 0, 0, ""},
    {"sysctl", PRL_SPEC_TEXT_MAP, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"maskedPaths", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"readonlyPaths", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"rootfsPropagation", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"seccomp", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"personality", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, PERSONALITY, 0, 0, ""},
    {"resources", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, RESOURCE, 0, 0, ""},
    {"cgroupsPath", PRL_SPEC_TEXT, PRL_SPEC_IGNORED, NONE, 0, 0,
     "the container's own group lies where control groups are delegated to the caller"},
    {"mountLabel", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "pyrootless cannot set SELinux labels"},
    {"timeOffsets", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "pyrootless cannot move the container's clocks"},
    {"intelRdt", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {"memoryPolicy", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, NO_LIMIT},
    {"netDevices", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "a network device cannot be moved without privileges on the host"},
    {.key = ""},
};

const struct prl_spec_field prl_spec_root_fields[] = {
    {"ociVersion", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NONE, 0, 0, ""},
    {"root", PRL_SPEC_OBJECT, PRL_SPEC_REQUIRED, ROOT_DIR, 0, 0, ""},
    {"mounts", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, MOUNT, 0, 0, ""},
    {"process", PRL_SPEC_OBJECT, PRL_SPEC_REQUIRED, PROCESS, 0, 0, ""},
    {"hostname", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"domainname", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"hooks", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0,
     "pyrootless runs no programs of the host around a launch"},
    {"annotations", PRL_SPEC_TEXT_MAP, PRL_SPEC_OPTIONAL, NONE, 0, 0, ""},
    {"linux", PRL_SPEC_OBJECT, PRL_SPEC_REQUIRED, LINUX, 0, 0, ""},
    {"freebsd", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, "pyrootless runs on Linux"},
    {"solaris", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, "pyrootless runs on Linux"},
    {"vm", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, "pyrootless starts no machines"},
    {"windows", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, "pyrootless runs on Linux"},
    {"zos", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NONE, 0, 0, "pyrootless runs on Linux"},
    {.key = ""},
};

static const struct prl_spec_field *const tables[] = {
    [ROOT_DIR] = root_dir_fields,
    [MOUNT] = mount_fields,
    [CONSOLE] = console_fields,
    [USER] = user_fields,
    [CAPABILITY] = capability_fields,
    [RLIMIT] = rlimit_fields,
    [PROCESS] = process_fields,
    [NAMESPACE] = namespace_fields,
    [IDMAP] = idmap_fields,
    [DEVICE] = device_fields,
    [MEMORY] = memory_fields,
    [CPU] = cpu_fields,
    [PIDS] = pids_fields,
    [THROTTLE] = throttle_fields,
    [IO] = io_fields,
    [RESOURCE] = resource_fields,
    [PERSONALITY] = personality_fields,
    [LINUX] = linux_fields,
};

const struct prl_spec_field *prl_spec_inner_fields(const struct prl_spec_field *field)
{
    return tables[field->inner];
}

static int fail_kind(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                     yyjson_val *value, const char *expected)
{
    return prl_spec_fail_at(reader, place, "is %s, expected %s", prl_spec_kind(value),
                            expected);
}

static int check_number(const struct prl_spec_reader *reader,
                        const struct prl_spec_place *place, const struct prl_spec_field *field,
                        yyjson_val *value)
{
    if (!yyjson_is_num(value))
        return fail_kind(reader, place, value, "a whole number");
    if (yyjson_is_real(value))
        return prl_spec_fail_at(
            reader, place, "is %.17g, expected a whole number from %" PRId64 " to %" PRIu64,
            yyjson_get_real(value), field->min, field->max);
    if (yyjson_is_sint(value) && yyjson_get_sint(value) < 0) {
        if (yyjson_get_sint(value) >= field->min)
            return 0;
        return prl_spec_fail_at(reader, place,
                                "is %" PRId64 ", expected %" PRId64 " to %" PRIu64,
                                yyjson_get_sint(value), field->min, field->max);
    }
    uint64_t number = yyjson_get_uint(value);
    if (number > field->max || (field->min > 0 && number < (uint64_t)field->min))
        return prl_spec_fail_at(reader, place,
                                "is %" PRIu64 ", expected %" PRId64 " to %" PRIu64, number,
                                field->min, field->max);
    return 0;
}

static int check_object(const struct prl_spec_reader *reader,
                        const struct prl_spec_place *place, const struct prl_spec_field *fields,
                        yyjson_val *object);

/* One element of an array, or one value of a map. */
static int check_element(const struct prl_spec_reader *reader,
                         const struct prl_spec_place *place, const struct prl_spec_field *field,
                         yyjson_val *value)
{
    switch (field->type) {
    case PRL_SPEC_NUMBERS:
        return check_number(reader, place, field, value);
    case PRL_SPEC_OBJECTS:
        if (!yyjson_is_obj(value))
            return fail_kind(reader, place, value, "an object");
        return check_object(reader, place, prl_spec_inner_fields(field), value);
    default:
        return yyjson_is_str(value) ? 0 : fail_kind(reader, place, value, "a string");
    }
}

static int check_array(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                       const struct prl_spec_field *field, yyjson_val *array)
{
    size_t i, max;
    yyjson_val *value;
    if (!yyjson_is_arr(array))
        return fail_kind(reader, place, array, "an array");
    yyjson_arr_foreach(array, i, max, value)
    {
        struct prl_spec_place inner = {.up = place, .index = i};
        int r = check_element(reader, &inner, field, value);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_map(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                     const struct prl_spec_field *field, yyjson_val *map)
{
    size_t i, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(map))
        return fail_kind(reader, place, map, "an object");
    yyjson_obj_foreach(map, i, max, key, value)
    {
        struct prl_spec_place inner = {.up = place, .key = yyjson_get_str(key)};
        int r = check_element(reader, &inner, field, value);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_value(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                       const struct prl_spec_field *field, yyjson_val *value)
{
    switch (field->type) {
    case PRL_SPEC_TEXT:
        return yyjson_is_str(value) ? 0 : fail_kind(reader, place, value, "a string");
    case PRL_SPEC_FLAG:
        return yyjson_is_bool(value) ? 0 : fail_kind(reader, place, value, "true or false");
    case PRL_SPEC_NUMBER:
        return check_number(reader, place, field, value);
    case PRL_SPEC_TEXTS:
    case PRL_SPEC_NUMBERS:
    case PRL_SPEC_OBJECTS:
        return check_array(reader, place, field, value);
    case PRL_SPEC_TEXT_MAP:
        return check_map(reader, place, field, value);
    case PRL_SPEC_OBJECT:
        break;
    }
    if (!yyjson_is_obj(value))
        return fail_kind(reader, place, value, "an object");
    return check_object(reader, place, prl_spec_inner_fields(field), value);
}

static bool is_empty(yyjson_val *value)
{
    return yyjson_is_ctn(value) ? unsafe_yyjson_get_len(value) == 0
                                : yyjson_is_str(value) && yyjson_get_len(value) == 0;
}

static const struct prl_spec_field *find_field(const struct prl_spec_field *fields,
                                               const char *key)
{
    for (const struct prl_spec_field *f = fields; *f->key; f++)
        if (strcmp(f->key, key) == 0)
            return f;
    return NULL;
}

/* fields NULL: an object of which nothing is read. */
static int check_object(const struct prl_spec_reader *reader,
                        const struct prl_spec_place *place, const struct prl_spec_field *fields,
                        yyjson_val *object)
{
    for (const struct prl_spec_field *f = fields; f && *f->key; f++) {
        struct prl_spec_place inner = {.up = place, .key = f->key};
        yyjson_val *value = yyjson_obj_get(object, f->key);
        int r = 0;
        if (!value && f->fate == PRL_SPEC_REQUIRED)
            r = prl_spec_fail_at(reader, &inner, "is missing");
        else if (value && f->fate == PRL_SPEC_REFUSED && !is_empty(value))
            r = prl_spec_fail_at(reader, &inner, "is not supported: %s", f->note);
        else if (value && f->fate != PRL_SPEC_REFUSED)
            r = check_value(reader, &inner, f, value);
        if (r < 0)
            return r;
    }
    /* Members that mean nothing here. */
    if (!(reader->keep && fields))
        return 0;
    size_t i, max;
    yyjson_val *key, *value;
    int r = 0;
    yyjson_obj_foreach(object, i, max, key, value)
    {
        const struct prl_spec_field *field = find_field(fields, yyjson_get_str(key));
        if (r == 0 &&
            (!field || field->fate == PRL_SPEC_IGNORED || field->fate == PRL_SPEC_REFUSED))
            r = prl_spec_keep(reader, place, yyjson_get_str(key), value);
    }
    return r;
}

int prl_spec_check_fields(const struct prl_spec_reader *reader, yyjson_val *root)
{
    struct prl_spec_place place = {.up = NULL};
    if (!yyjson_is_obj(root))
        return fail_kind(reader, &place, root, "an object");
    return check_object(reader, &place, prl_spec_root_fields, root);
}
