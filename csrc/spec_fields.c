/* spec_fields.c: the one table of known fields, and the check of a tree against it.
 * In: a JSON tree.  Out: 0, or "/process/args/2 is a number, expected a string".  Never: values
 * into prl_spec.  A field that is not in the table is ignored (runtime-spec, "Extensibility").
 * Source: OCI runtime-spec 1.3, config.md and config-linux.md; docs/spec-conformance.md says
 * the same in words. */
#include "spec_fields.h"

#include <inttypes.h>
#include <string.h>

#define ID_MAX       4294967294u /* the last one, (uid_t)-1, means "none" to the kernel */
#define NO_LIMIT     "pyrootless cannot enforce it"
#define NO_REALTIME  "real-time shares belong to the host's root"
#define NO_MOUNT_MAP "the ids of a single mount cannot be mapped"

static const struct prl_spec_field root_dir_fields[] = {
    {"path", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"readonly", PRL_SPEC_FLAG, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {0},
};

static const struct prl_spec_field mount_fields[] = {
    {"destination", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"type", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"source", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"options", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"uidMappings", PRL_SPEC_OBJECTS, PRL_SPEC_REFUSED, NULL, 0, 0, NO_MOUNT_MAP},
    {"gidMappings", PRL_SPEC_OBJECTS, PRL_SPEC_REFUSED, NULL, 0, 0, NO_MOUNT_MAP},
    {0},
};

static const struct prl_spec_field console_fields[] = {
    {"height", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, 65535, NULL},
    {"width", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, 65535, NULL},
    {0},
};

static const struct prl_spec_field user_fields[] = {
    {"uid", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, ID_MAX, NULL},
    {"gid", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, ID_MAX, NULL},
    {"umask", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, 0, 0777, NULL},
    {"additionalGids", PRL_SPEC_NUMBERS, PRL_SPEC_OPTIONAL, NULL, 0, ID_MAX, NULL},
    {"username", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "it belongs to Windows; give uid and gid"},
    {0},
};

static const struct prl_spec_field capability_fields[] = {
    {"bounding", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"effective", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"permitted", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"inheritable", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"ambient", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {0},
};

static const struct prl_spec_field rlimit_fields[] = {
    {"type", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"soft", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, UINT64_MAX, NULL},
    {"hard", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, UINT64_MAX, NULL},
    {0},
};

static const struct prl_spec_field process_fields[] = {
    {"terminal", PRL_SPEC_FLAG, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"consoleSize", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, console_fields, 0, 0, NULL},
    {"cwd", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"env", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"args", PRL_SPEC_TEXTS, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"commandLine", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "it belongs to Windows; give args"},
    {"user", PRL_SPEC_OBJECT, PRL_SPEC_REQUIRED, user_fields, 0, 0, NULL},
    {"capabilities", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, capability_fields, 0, 0, NULL},
    {"rlimits", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, rlimit_fields, 0, 0, NULL},
    {"noNewPrivileges", PRL_SPEC_FLAG, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"oomScoreAdj", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, -1000, 1000, NULL},
    {"apparmorProfile", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "pyrootless cannot load or enter an AppArmor profile"},
    {"selinuxLabel", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "pyrootless cannot set SELinux labels"},
    {"scheduler", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "pyrootless does not set a scheduling policy"},
    {"ioPriority", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "pyrootless does not set an I/O priority"},
    {"execCPUAffinity", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "pyrootless does not set the CPUs of a process"},
    {0},
};

static const struct prl_spec_field namespace_fields[] = {
    {"type", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"path", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "joining a namespace by path is not possible yet"},
    {0},
};

static const struct prl_spec_field idmap_fields[] = {
    {"containerID", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, ID_MAX, NULL},
    {"hostID", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, ID_MAX, NULL},
    {"size", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 1, UINT32_MAX, NULL},
    {0},
};

static const struct prl_spec_field device_fields[] = {
    {"type", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"path", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"major", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, 0, 4095, NULL},
    {"minor", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, 0, 1048575, NULL},
    {"fileMode", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, 0, 0177777, NULL},
    {"uid", PRL_SPEC_NUMBER, PRL_SPEC_IGNORED, NULL, 0, ID_MAX,
     "the node is the host's own, bind-mounted: its owner stays"},
    {"gid", PRL_SPEC_NUMBER, PRL_SPEC_IGNORED, NULL, 0, ID_MAX,
     "the node is the host's own, bind-mounted: its group stays"},
    {0},
};

static const struct prl_spec_field memory_fields[] = {
    {"limit", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, -1, INT64_MAX, NULL},
    {"reservation", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, -1, INT64_MAX, NULL},
    {"swap", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, -1, INT64_MAX, NULL},
    {"kernel", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NULL, 0, 0,
     "the kernel counts its memory with the rest"},
    {"kernelTCP", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NULL, 0, 0,
     "the kernel counts its memory with the rest"},
    {"swappiness", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NULL, 0, 0,
     "control groups of version 2 have none"},
    {"disableOOMKiller", PRL_SPEC_FLAG, PRL_SPEC_IGNORED, NULL, 0, 0,
     "a container at its limit is ended, whatever this says"},
    {"useHierarchy", PRL_SPEC_FLAG, PRL_SPEC_IGNORED, NULL, 0, 0,
     "the kernel always counts what is below too"},
    {"checkBeforeUpdate", PRL_SPEC_FLAG, PRL_SPEC_IGNORED, NULL, 0, 0,
     "the limit is there before the first process is"},
    {0},
};

static const struct prl_spec_field cpu_fields[] = {
    {"shares", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, 0, 262144, NULL},
    {"quota", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, -1, INT64_MAX / 1000, NULL},
    {"period", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, 1000, 1000000, NULL},
    {"cpus", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"burst", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {"realtimeRuntime", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NULL, 0, 0, NO_REALTIME},
    {"realtimePeriod", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NULL, 0, 0, NO_REALTIME},
    {"mems", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {"idle", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {0},
};

static const struct prl_spec_field pids_fields[] = {
    {"limit", PRL_SPEC_NUMBER, PRL_SPEC_OPTIONAL, NULL, -1, 4194304, NULL},
    {0},
};

static const struct prl_spec_field throttle_fields[] = {
    {"major", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, 4095, NULL},
    {"minor", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 0, 1048575, NULL},
    {"rate", PRL_SPEC_NUMBER, PRL_SPEC_REQUIRED, NULL, 1, INT64_MAX, NULL},
    {0},
};

static const struct prl_spec_field io_fields[] = {
    {"throttleReadBpsDevice", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, throttle_fields, 0, 0, NULL},
    {"throttleWriteBpsDevice", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, throttle_fields, 0, 0,
     NULL},
    {"throttleReadIOPSDevice", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, throttle_fields, 0, 0,
     NULL},
    {"throttleWriteIOPSDevice", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, throttle_fields, 0, 0,
     NULL},
    {"weight", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {"leafWeight", PRL_SPEC_NUMBER, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {"weightDevice", PRL_SPEC_OBJECTS, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {0},
};

static const struct prl_spec_field resource_fields[] = {
    {"devices", PRL_SPEC_OBJECTS, PRL_SPEC_IGNORED, NULL, 0, 0,
     "no device can be made in a user namespace: only those bind-mounted are there"},
    {"memory", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, memory_fields, 0, 0, NULL},
    {"cpu", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, cpu_fields, 0, 0, NULL},
    {"pids", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, pids_fields, 0, 0, NULL},
    {"blockIO", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, io_fields, 0, 0, NULL},
    {"hugepageLimits", PRL_SPEC_OBJECTS, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {"network", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {"rdma", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {"unified", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {0},
};

static const struct prl_spec_field personality_fields[] = {
    {"domain", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"flags", PRL_SPEC_TEXTS, PRL_SPEC_REFUSED, NULL, 0, 0,
     "the runtime specification defines no flag"},
    {0},
};

static const struct prl_spec_field linux_fields[] = {
    {"namespaces", PRL_SPEC_OBJECTS, PRL_SPEC_REQUIRED, namespace_fields, 0, 0, NULL},
    {"uidMappings", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, idmap_fields, 0, 0, NULL},
    {"gidMappings", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, idmap_fields, 0, 0, NULL},
    {"devices", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, device_fields, 0, 0, NULL},
    {"sysctl", PRL_SPEC_TEXT_MAP, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"maskedPaths", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"readonlyPaths", PRL_SPEC_TEXTS, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"rootfsPropagation", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"seccomp", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"personality", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, personality_fields, 0, 0, NULL},
    {"resources", PRL_SPEC_OBJECT, PRL_SPEC_OPTIONAL, resource_fields, 0, 0, NULL},
    {"cgroupsPath", PRL_SPEC_TEXT, PRL_SPEC_IGNORED, NULL, 0, 0,
     "the container's own group lies where control groups are delegated to the caller"},
    {"mountLabel", PRL_SPEC_TEXT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "pyrootless cannot set SELinux labels"},
    {"timeOffsets", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "pyrootless cannot move the container's clocks"},
    {"intelRdt", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {"memoryPolicy", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, NO_LIMIT},
    {"netDevices", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "a network device cannot be moved without privileges on the host"},
    {0},
};

const struct prl_spec_field prl_spec_root_fields[] = {
    {"ociVersion", PRL_SPEC_TEXT, PRL_SPEC_REQUIRED, NULL, 0, 0, NULL},
    {"root", PRL_SPEC_OBJECT, PRL_SPEC_REQUIRED, root_dir_fields, 0, 0, NULL},
    {"mounts", PRL_SPEC_OBJECTS, PRL_SPEC_OPTIONAL, mount_fields, 0, 0, NULL},
    {"process", PRL_SPEC_OBJECT, PRL_SPEC_REQUIRED, process_fields, 0, 0, NULL},
    {"hostname", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"domainname", PRL_SPEC_TEXT, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"hooks", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0,
     "pyrootless runs no programs of the host around a launch"},
    {"annotations", PRL_SPEC_TEXT_MAP, PRL_SPEC_OPTIONAL, NULL, 0, 0, NULL},
    {"linux", PRL_SPEC_OBJECT, PRL_SPEC_REQUIRED, linux_fields, 0, 0, NULL},
    {"freebsd", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, "pyrootless runs on Linux"},
    {"solaris", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, "pyrootless runs on Linux"},
    {"vm", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, "pyrootless starts no machines"},
    {"windows", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, "pyrootless runs on Linux"},
    {"zos", PRL_SPEC_OBJECT, PRL_SPEC_REFUSED, NULL, 0, 0, "pyrootless runs on Linux"},
    {0},
};

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
        return check_object(reader, place, field->fields, value);
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
    return check_object(reader, place, field->fields, value);
}

static bool is_empty(yyjson_val *value)
{
    return yyjson_is_ctn(value) ? unsafe_yyjson_get_len(value) == 0
                                : yyjson_is_str(value) && yyjson_get_len(value) == 0;
}

/* fields NULL: an object of which nothing is read. */
static int check_object(const struct prl_spec_reader *reader,
                        const struct prl_spec_place *place, const struct prl_spec_field *fields,
                        yyjson_val *object)
{
    for (const struct prl_spec_field *f = fields; f && f->key; f++) {
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
    return 0;
}

int prl_spec_check_fields(const struct prl_spec_reader *reader, yyjson_val *root)
{
    struct prl_spec_place place = {.up = NULL};
    if (!yyjson_is_obj(root))
        return fail_kind(reader, &place, root, "an object");
    return check_object(reader, &place, prl_spec_root_fields, root);
}
