// sources: csrc/spec/**/*.c csrc/base/**/*.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* test_spec_write.c: struct prl_spec → config.json: read(write(s)) == s, for every field of
 * both tables and for specs that chance puts together. In: documents.  Out: the same text from
 * the second writing on, and every member in it.  Never: a launch.
 */
#include "spec/fields.h"
#include "spec/parts.h"
#include "spec_documents.h"

#include <yyjson.h>

static struct prl_error error;

static struct prl_spec *read_spec(const char *json)
{
    struct prl_spec *spec = NULL;
    memset(&error, 0, sizeof error);
    return prl_spec_read(json, strlen(json), &spec, &error) < 0 ? NULL : spec;
}

static char *write_spec(const struct prl_spec *spec)
{
    char *json = NULL;
    size_t len = 0;
    int r = prl_spec_write(spec, &json, &len, &error);
    if (r == 0 && strlen(json) != len)
        exit(1);
    return r < 0 ? NULL : json;
}

/* --- two specs are the same --- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_texts(const char *const *a, const char *const *b)
{
    size_t i = 0;
    if (!a || !b)
        return a == b;
    while (a[i] && same_text(a[i], b[i]))
        i++;
    return a[i] == b[i];
}

/* What is no pointer, of two that are alike in their pointers. */
#define SAME(a, b, field) (memcmp(&(a)->field, &(b)->field, sizeof(a)->field) == 0)

static bool same_process(const struct prl_process *a, const struct prl_process *b)
{
    return same_texts(a->args, b->args) && same_texts(a->env, b->env) &&
           same_text(a->cwd, b->cwd) && SAME(a, b, uid) && SAME(a, b, gid) &&
           SAME(a, b, additional_gids_len) &&
           memcmp(a->additional_gids, b->additional_gids,
                  a->additional_gids_len * sizeof *a->additional_gids) == 0 &&
           SAME(a, b, keep_groups) && SAME(a, b, umask) && SAME(a, b, caps) &&
           SAME(a, b, no_new_privileges) && SAME(a, b, rlimits_len) &&
           memcmp(a->rlimits, b->rlimits, a->rlimits_len * sizeof *a->rlimits) == 0 &&
           SAME(a, b, has_oom_score_adj) && SAME(a, b, oom_score_adj) && SAME(a, b, terminal) &&
           SAME(a, b, console_rows) && SAME(a, b, console_columns);
}

static bool same_rootfs(const struct prl_rootfs *a, const struct prl_rootfs *b)
{
    return same_text(a->path, b->path) && SAME(a, b, readonly) &&
           same_texts(a->lowers, b->lowers) && SAME(a, b, upper) && SAME(a, b, driver) &&
           same_text(a->upper_path, b->upper_path) && same_text(a->work_path, b->work_path) &&
           SAME(a, b, upper_volatile) && same_text(a->fuse_program, b->fuse_program) &&
           SAME(a, b, upper_size_bytes) && SAME(a, b, upper_inodes);
}

static bool same_network(const struct prl_network *a, const struct prl_network *b)
{
    bool same = SAME(a, b, helper) && same_text(a->program, b->program) &&
                SAME(a, b, ports_len) && same_text(a->mac, b->mac) && SAME(a, b, mtu) &&
                SAME(a, b, dns_forward) && SAME(a, b, gateway) &&
                same_text(a->allow, b->allow) && same_text(a->container, b->container);
    for (size_t i = 0; same && i < a->ports_len; i++)
        same = same_text(a->ports[i].address, b->ports[i].address) &&
               SAME(a, b, ports[i].host) && SAME(a, b, ports[i].container) &&
               SAME(a, b, ports[i].count) && SAME(a, b, ports[i].udp);
    return same;
}

static bool same_resources(const struct prl_resources *a, const struct prl_resources *b)
{
    bool same = SAME(a, b, best_effort) && SAME(a, b, memory_bytes) &&
                SAME(a, b, reservation_bytes) && SAME(a, b, swap_bytes) &&
                SAME(a, b, quota_us) && SAME(a, b, period_us) && SAME(a, b, shares) &&
                SAME(a, b, cpu_time_ns) && same_text(a->cpus, b->cpus) && SAME(a, b, pids) &&
                SAME(a, b, throttles_len) && SAME(a, b, held_by) && SAME(a, b, weak) &&
                SAME(a, b, cgroups_len);
    for (size_t i = 0; same && i < a->throttles_len; i++)
        same = SAME(a, b, throttles[i].kind) && SAME(a, b, throttles[i].major) &&
               SAME(a, b, throttles[i].minor) && SAME(a, b, throttles[i].rate);
    for (size_t i = 0; same && i < a->cgroups_len; i++)
        same = same_text(a->cgroups[i].path, b->cgroups[i].path) &&
               SAME(a, b, cgroups[i].controllers) && SAME(a, b, cgroups[i].version2);
    return same;
}

static bool same_mounts(const struct prl_spec *a, const struct prl_spec *b)
{
    bool same = SAME(a, b, mounts_len);
    for (size_t i = 0; same && i < a->mounts_len; i++) {
        const struct prl_mount *x = &a->mounts[i], *y = &b->mounts[i];
        same = same_text(x->source, y->source) && same_text(x->destination, y->destination) &&
               same_text(x->type, y->type) && same_text(x->data, y->data) &&
               SAME(x, y, attr_set) && SAME(x, y, attr_clear) &&
               SAME(x, y, attr_set_recursive) && SAME(x, y, propagation) && SAME(x, y, bind) &&
               SAME(x, y, recursive);
    }
    return same;
}

static bool same_lists(const struct prl_spec *a, const struct prl_spec *b)
{
    bool same = SAME(a, b, devices_len) && SAME(a, b, sysctls_len) && SAME(a, b, notes_len) &&
                SAME(a, b, extras_len) && SAME(a, b, uid_maps_len) && SAME(a, b, gid_maps_len);
    for (size_t i = 0; same && i < a->devices_len; i++)
        same = same_text(a->devices[i].path, b->devices[i].path) &&
               SAME(a, b, devices[i].type) && SAME(a, b, devices[i].major) &&
               SAME(a, b, devices[i].minor) && SAME(a, b, devices[i].mode);
    for (size_t i = 0; same && i < a->sysctls_len; i++)
        same = same_text(a->sysctls[i].key, b->sysctls[i].key) &&
               same_text(a->sysctls[i].path, b->sysctls[i].path) &&
               same_text(a->sysctls[i].value, b->sysctls[i].value);
    for (size_t i = 0; same && i < a->notes_len; i++)
        same = same_text(a->notes[i].key, b->notes[i].key) &&
               same_text(a->notes[i].value, b->notes[i].value);
    return same &&
           memcmp(a->uid_maps, b->uid_maps, a->uid_maps_len * sizeof *a->uid_maps) == 0 &&
           memcmp(a->gid_maps, b->gid_maps, a->gid_maps_len * sizeof *a->gid_maps) == 0;
}

/* In any order. */
static bool same_extras(const struct prl_spec *a, const struct prl_spec *b)
{
    size_t found = 0;
    for (size_t i = 0; i < a->extras_len; i++)
        for (size_t j = 0; j < b->extras_len; j++)
            found += same_text(a->extras[i].place, b->extras[j].place) &&
                     same_text(a->extras[i].key, b->extras[j].key) &&
                     same_text(a->extras[i].json, b->extras[j].json);
    return found == a->extras_len;
}

static bool same_specs(const struct prl_spec *a, const struct prl_spec *b)
{
    return same_process(&a->process, &b->process) && same_rootfs(&a->rootfs, &b->rootfs) &&
           same_network(&a->network, &b->network) &&
           same_resources(&a->resources, &b->resources) && same_mounts(a, b) &&
           same_lists(a, b) && same_extras(a, b) && same_text(a->hostname, b->hostname) &&
           same_text(a->domainname, b->domainname) && SAME(a, b, namespaces) &&
           same_text(a->holder, b->holder) && same_texts(a->lent, b->lent) &&
           same_texts(a->unseen, b->unseen) && same_texts(a->masked_paths, b->masked_paths) &&
           same_texts(a->readonly_paths, b->readonly_paths) && SAME(a, b, rootfs_propagation) &&
           SAME(a, b, personality) && SAME(a, b, has_seccomp) &&
           same_text(a->seccomp_json, b->seccomp_json) &&
           same_text(a->seccomp_program, b->seccomp_program) &&
           same_text(a->seccomp_digest, b->seccomp_digest) && SAME(a, b, landlock) &&
           SAME(a, b, new_keyring) && SAME(a, b, fake_root) &&
           same_text(a->fake_root_owners, b->fake_root_owners) &&
           same_text(a->launcher, b->launcher) && SAME(a, b, init) && SAME(a, b, verify) &&
           SAME(a, b, stop_signal) && SAME(a, b, wall_limit_ns) &&
           same_text(a->oci_version, b->oci_version);
}

/* NULL: the document is refused, or came back as another one. */
static char *there_and_back(const char *json)
{
    struct prl_spec *spec = read_spec(json);
    char *text = spec ? write_spec(spec) : NULL;
    struct prl_spec *again = text ? read_spec(text) : NULL;
    char *second = again ? write_spec(again) : NULL;
    bool same = second && strcmp(text, second) == 0 && same_specs(spec, again);
    if (!same)
        printf("  %s\n  %s\n  %s\n", error.subject, text ? text : "", second ? second : "");
    prl_spec_free(spec);
    prl_spec_free(again);
    free(second);
    if (!same)
        free(text);
    return same ? text : NULL;
}

TEST(documents_come_back)
{
    char *text = there_and_back(good);
    CHECK(text);
    free(text);
    text = there_and_back(least);
    CHECK(text);
    free(text);
}

/* --- every row of the table of fields --- */

/* A value that is no default, where a field takes no other than a few. */
static const struct {
    const char *path, *json;
} samples[] = {
    {"/ociVersion", "\"1.1.0-rc\""},
    {"/root/path", "\"/elsewhere\""},
    {"/mounts/0/destination", "\"/mnt\""},
    {"/mounts/0/type", "\"tmpfs\""},
    {"/mounts/0/options", "[\"nosuid\",\"ro\",\"size=1m\",\"mode=700\"]"},
    {"/process/cwd", "\"/tmp\""},
    {"/process/env", "[\"A=1\",\"B=\\u0001\\\"\\\\\\n\\u00e9\"]"},
    {"/process/capabilities/bounding", "[\"CAP_CHOWN\",\"CAP_KILL\"]"},
    {"/process/capabilities/effective", "[\"CAP_CHOWN\"]"},
    {"/process/capabilities/permitted", "[\"CAP_BPF\"]"},
    {"/process/capabilities/inheritable", "[\"CAP_KILL\"]"},
    {"/process/capabilities/ambient", "[\"CAP_SYS_ADMIN\"]"},
    {"/process/rlimits/0/type", "\"RLIMIT_CORE\""},
    {"/process/rlimits/0/hard", "18446744073709551615"},
    {"/linux/namespaces/0/type", "\"pid\""},
    {"/linux/devices/0/type", "\"b\""},
    {"/linux/devices/0/path", "\"/dev/x\""},
    {"/linux/devices/0/fileMode", "384"},
    {"/linux/sysctl", "{\"net/ipv4/conf/a.b/x\":\"1\",\"net.ipv4.y\":\"2\"}"},
    {"/linux/maskedPaths", "[\"/a\",\"/b c\"]"},
    {"/linux/readonlyPaths", "[\"/c\"]"},
    {"/linux/rootfsPropagation", "\"rshared\""},
    {"/linux/personality/domain", "\"LINUX\""},
    {"/linux/resources/cpu/cpus", "\"0-2,5\""},
    {"/linux/resources/devices", "[{\"allow\":false,\"access\":\"rwm\"}]"},
    {"/annotations", "{\"io.pyrootless.landlock\":\"1\",\"io.pyrootless.keyring\":\"new\","
                     "\"io.pyrootless.stop-signal\":\"3\",\"org.example.a\":\"b\"}"},
};

/* The document of every row: one element in each array of objects. */
static const char full[] =
    "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"/r\"},\"mounts\":[{\"destination\":\"/m\","
    "\"type\":\"tmpfs\"}],\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"true\"],"
    "\"cwd\":\"/\",\"terminal\":true,\"consoleSize\":{\"height\":1,\"width\":1},"
    "\"capabilities\":{},"
    "\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":9}]},\"linux\":{\"namespaces\":[{"
    "\"type\":\"user\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],"
    "\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],\"devices\":[{\"type\":"
    "\"c\","
    "\"path\":\"/dev/null\",\"major\":1,\"minor\":3}],\"personality\":{\"domain\":\"LINUX\"},"
    "\"resources\":{\"memory\":{},\"cpu\":{},\"pids\":{},\"blockIO\":{"
    "\"throttleReadBpsDevice\":[{\"major\":1,\"minor\":2,\"rate\":3}],"
    "\"throttleWriteBpsDevice\":[{\"major\":1,\"minor\":2,\"rate\":3}],"
    "\"throttleReadIOPSDevice\":[{\"major\":1,\"minor\":2,\"rate\":3}],"
    "\"throttleWriteIOPSDevice\":[{\"major\":1,\"minor\":2,\"rate\":3}]}}}}";

/* As JSON; "" for what is looked at by its members. */
static const char *sample(const struct prl_spec_field *field, const char *path)
{
    static char number[32];
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (strcmp(samples[i].path, path) == 0)
            return samples[i].json;
    if (field->fate == PRL_SPEC_REFUSED)
        return field->type == PRL_SPEC_TEXT     ? "\"\""
               : field->type == PRL_SPEC_OBJECT ? "{}"
                                                : "[]";
    snprintf(number, sizeof number, "%llu",
             (unsigned long long)(field->max < 7777 ? field->max : 7777));
    switch (field->type) {
    case PRL_SPEC_TEXT:
        return "\"a text\"";
    case PRL_SPEC_FLAG:
        return "true";
    case PRL_SPEC_NUMBER:
        return number;
    case PRL_SPEC_TEXTS:
        return "[\"one\",\"\",\"three\"]";
    case PRL_SPEC_NUMBERS:
        return "[3,1,2]";
    case PRL_SPEC_TEXT_MAP:
        return "{\"a\":\"b\"}";
    default:
        return prl_spec_inner_fields(field) ? "" : "{\"any\":[1,{\"deep\":null}]}";
    }
}

/* `full` with one value changed: does that value stand where it was put when all came back? */
static bool comes_back(const char *path, const char *value)
{
    yyjson_doc *whole = yyjson_read(full, strlen(full), 0),
               *one = yyjson_read(value, strlen(value), 0);
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(whole, NULL);
    bool set = yyjson_mut_doc_ptr_setn(doc, path, strlen(path),
                                       yyjson_val_mut_copy(doc, yyjson_doc_get_root(one)));
    char *json = yyjson_mut_write(doc, 0, NULL), *text = set ? there_and_back(json) : NULL;
    yyjson_doc *back = text ? yyjson_read(text, strlen(text), 0) : NULL;
    bool same = back && yyjson_equals(yyjson_doc_ptr_get(back, path), yyjson_doc_get_root(one));
    if (!same)
        printf("  %s %s did not come back\n", path, value);
    yyjson_doc_free(back);
    free(text);
    free(json);
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(one);
    yyjson_doc_free(whole);
    return same;
}

/* Rows whose value did not come back. */
static int lost_rows(const struct prl_spec_field *fields, const char *prefix, int *rows)
{
    int lost = 0;
    for (const struct prl_spec_field *f = fields; f && *f->key; f++) {
        char path[256], inner[260];
        snprintf(path, sizeof path, "%s/%s", prefix, f->key);
        const char *value = sample(f, path);
        snprintf(inner, sizeof inner, "%s%s", path, f->type == PRL_SPEC_OBJECTS ? "/0" : "");
        ++*rows;
        /* A number that is refused may not be there at all. */
        if (*value && !(f->fate == PRL_SPEC_REFUSED && f->type == PRL_SPEC_NUMBER))
            lost += !comes_back(path, value);
        lost += lost_rows(prl_spec_inner_fields(f), inner, rows);
    }
    return lost;
}

TEST(no_field_of_the_table_is_lost)
{
    int rows = 0;
    CHECK_INT(lost_rows(prl_spec_root_fields, "", &rows), 0);
    CHECK(rows > 100);
}

TEST(what_no_table_has_is_kept)
{
    CHECK(comes_back("/later", "[1,2.5,null,{\"a\":\"b\"}]"));
    CHECK(comes_back("/root/later", "true"));
    CHECK(comes_back("/mounts/0/later", "\"x\""));
    CHECK(comes_back("/process/user/later", "-3"));
    CHECK(comes_back("/linux/later", "{}"));
    CHECK(comes_back("/linux/resources/memory/later", "[]"));
    CHECK(comes_back("/linux/resources/blockIO/throttleReadIOPSDevice/0/later", "1"));
    CHECK(comes_back("/linux/seccomp", "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"x\":[1]}"));
    CHECK(comes_back("/linux/resources/memory/swap", "-1"));
}

/* --- every annotation --- */

static const struct {
    const char *name, *text;
} notes[] = {
    {"rootfs.lower", "/b\n/a"},
    {"rootfs.upper", "disk"},
    {"rootfs.upper.path", "/u"},
    {"rootfs.upper.work", "/w"},
    {"rootfs.upper.volatile", "1"},
    {"rootfs.upper.size", "18446744073709551615"},
    {"rootfs.upper.inodes", "7"},
    {"rootfs.driver", "overlay"},
    {"rootfs.driver", "fuse-overlayfs"},
    {"rootfs.fuse.program", "/f"},
    {"seccomp.program", "/p"},
    {"seccomp.digest",
     "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
    {"landlock", "1"},
    {"landlock", "0"},
    {"keyring", "new"},
    {"keyring", "inherit"},
    {"keep-groups", "1"},
    {"init", "1"},
    {"verify", "1"},
    {"stop-signal", "9"},
    {"wall-limit-ns", "1"},
    {"cpu-limit-ns", "2"},
    {"lent", "/x\n/y"},
    {"unseen", "/z"},
    {"fake-root", "silent"},
    {"fake-root", "remember"},
    {"fake-root.owners", "/o"},
    {"launcher", "/l"},
    {"userns.holder", "/h"},
    {"network", "pasta"},
    {"network", "slirp4netns"},
    {"network.program", "/n"},
    {"network.ports", "tcp * 8080 80 1\nudp ::1 9 10 3"},
    {"volumes", "named copy data /a b\nanonymous nocopy 0123456789 /c"},
    {"volumes.new", "data label a=b c\ndata option o=bind"},
    {"network.mtu", "1400"},
    {"network.mac", "02:00:00:00:00:01"},
    {"network.dns-forward", "1"},
    {"network.gateway", "1"},
    {"network.allow", "192.0.2.0/24 *\n192.0.2.1/32 80 example.org"},
    {"network.container", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
    {"limits", "best-effort"},
    {"limits.cgroups", "2 memory,pids /a/pyrootless-1\n1 cpu,cpuacct /b/pyrootless-1"},
    {"limits.memory", "cgroup2"},
    {"limits.memory.exactness", "exact"},
    {"limits.memory-swap", "none"},
    {"name", "of no row"},
};

/* With the enforcement that a word for its exactness belongs to. */
static bool note_comes_back(const char *name, const char *text)
{
    char path[128], json[512];
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *map = yyjson_mut_obj(doc);
    snprintf(path, sizeof path, "io.pyrootless.%s", name);
    yyjson_mut_obj_add_str(doc, map, path, text);
    if (strstr(name, ".exactness"))
        yyjson_mut_obj_add_str(doc, map, "io.pyrootless.limits.memory", "watchdog");
    char *value = yyjson_mut_val_write(map, 0, NULL);
    yyjson_mut_doc_free(doc);
    snprintf(json, sizeof json, "\"annotations\":%s,\"linux\":{\"names", value);
    char *whole = with(full, "\"linux\":{\"names", json), *back = there_and_back(whole);
    yyjson_doc *read = back ? yyjson_read(back, strlen(back), 0) : NULL;
    const char *got = yyjson_get_str(
        yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(read), "annotations"), path));
    bool same = got && strcmp(got, text) == 0;
    if (!same)
        printf("  %s \"%s\" came back as \"%s\"\n", name, text, got ? got : "(none)");
    yyjson_doc_free(read);
    free(back);
    free(whole);
    free(value);
    return same;
}

TEST(no_annotation_is_lost)
{
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        CHECK(note_comes_back(notes[i].name, notes[i].text));
    for (unsigned i = 0; i < PRL_LIMITS; i++) {
        char name[64];
        snprintf(name, sizeof name, "limits.%s.exactness", "memory");
        CHECK(note_comes_back(name, "late"));
    }
}

/* --- by chance --- */

static uint64_t state = 88172645463325252ull;

static unsigned chance(unsigned below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % below;
}

static const char *const words[] = {
    "ro",       "rw",         "nosuid",    "suid",         "nodev",
    "exec",     "noatime",    "relatime",  "strictatime",  "nostrictatime",
    "diratime", "nodiratime", "symfollow", "nosymfollow",  "rro",
    "rnosuid",  "rnodev",     "rnoexec",   "rnodiratime",  "rnosymfollow",
    "shared",   "rslave",     "private",   "runbindable",  "defaults",
    "size=1k",  "x",          "a=b,ro",    "c=,,rslave,d", "e=1,",
    "mode=7,x"};

/* Any mounts, any annotations, at any place of the document. */
static char *make_document(void)
{
    static char json[16384];
    char *end = json;
    end += sprintf(end, "{\"mounts\":[");
    for (unsigned i = 0, n = chance(5); i < n; i++) {
        bool bind = chance(3) == 0;
        end += sprintf(end,
                       "%s{\"destination\":\"/m%u\",\"type\":\"%s\",\"source\":\"/s\","
                       "\"options\":[",
                       i ? "," : "", i, bind ? "bind" : "tmpfs");
        for (unsigned j = 0, k = chance(6); j < k; j++)
            end += sprintf(end, "%s\"%s\"", j ? "," : "",
                           words[chance(bind ? 25 : sizeof words / sizeof *words)]);
        end += sprintf(end, "]}");
    }
    end += sprintf(end, "],\"annotations\":{");
    for (size_t i = 0, n = 0; i < sizeof notes / sizeof *notes; i++) {
        if (chance(2) || (i && strcmp(notes[i].name, notes[i - 1].name) == 0) ||
            strstr(notes[i].name, "cgroups") || strchr(notes[i].text, '\n'))
            continue;
        end += sprintf(end, "%s\"io.pyrootless.%s\":\"%s\"", n++ ? "," : "", notes[i].name,
                       notes[i].text);
    }
    sprintf(end, "},\"other\":%u,%s", chance(1000), least + 1);
    return json;
}

TEST(what_chance_makes_comes_back)
{
    for (int i = 0; i < 3000; i++) {
        char *text = there_and_back(make_document());
        CHECK(text);
        free(text);
    }
}

TEST(texts_that_are_no_json_are_errors)
{
    struct prl_spec *spec = read_spec(least);
    char *json;
    size_t len;
    const char *const args[] = {"tr\xff", NULL}, *const surrogate[] = {"\xed\xa0\x80", NULL};
    const char *const cut[] = {"\xe2\x82", NULL}, *const wide[] = {"\xf4\x90\x80\x80", NULL};
    const char *const *const bad[] = {args, surrogate, cut, wide};
    for (size_t i = 0; i < 4; i++) {
        spec->process.args = bad[i];
        CHECK_INT(prl_spec_write(spec, &json, &len, &error), -EILSEQ);
        CHECK(strstr(error.subject, "not UTF-8"));
    }
    char *large = malloc(PRL_SPEC_MAX_BYTES + 1);
    memset(large, 'a', PRL_SPEC_MAX_BYTES);
    large[PRL_SPEC_MAX_BYTES] = '\0';
    spec->process.args = (const char *const[]){large, NULL};
    CHECK_INT(prl_spec_write(spec, &json, &len, &error), -EINVAL);
    CHECK(strstr(error.subject, "at most 4194304 are read"));
    free(large);
    prl_spec_free(spec);
}
