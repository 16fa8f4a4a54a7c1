// sources: csrc/spec/**/*.c csrc/base/**/*.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* test_spec.c: config.json → struct prl_spec: values, defaults, and input that is no
 * config.json. In: documents and bytes.  Out: exact values and exact sentences.  Never: a file
 * opened, a container started. */
#include "base/sys.h"
#include "spec/parts.h"
#include "spec_documents.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/resource.h>

TEST(process_is_read)
{
    struct prl_error error;
    struct prl_spec *spec = parse(good, &error);
    CHECK_STR(spec ? "" : error.subject, "");
    const struct prl_process *p = &spec->process;
    CHECK_STR(p->args[0], "sh");
    CHECK_STR(p->args[2], "");
    CHECK(p->args[3] == NULL);
    CHECK_STR(p->env[1], "EMPTY=");
    CHECK(p->env[2] == NULL);
    CHECK_STR(p->cwd, "/work");
    CHECK_INT(p->uid, 1);
    CHECK_INT(p->gid, 2);
    CHECK_INT(p->umask, 077);
    CHECK_INT(p->additional_gids_len, 2);
    CHECK_INT(p->additional_gids[1], 3);
    CHECK_INT(p->caps[PRL_CAP_BOUNDING], 1LL << 0 | 1LL << 39);
    CHECK_INT(p->caps[PRL_CAP_EFFECTIVE], 1LL << 0);
    CHECK_INT(p->caps[PRL_CAP_PERMITTED], 1LL << 5);
    CHECK_INT(p->caps[PRL_CAP_INHERITABLE], 0);
    CHECK_INT(p->caps[PRL_CAP_AMBIENT], 1LL << 40);
    CHECK_INT(p->rlimits_len, 1);
    CHECK_INT(p->rlimits[0].resource, RLIMIT_NOFILE);
    CHECK_INT(p->rlimits[0].soft, 1024);
    CHECK(p->rlimits[0].hard == UINT64_MAX);
    CHECK(p->no_new_privileges && p->has_oom_score_adj && p->terminal);
    CHECK_INT(p->oom_score_adj, -1000);
    CHECK_INT(p->console_rows, 25);
    CHECK_INT(p->console_columns, 80);
    prl_spec_free(spec);
}

TEST(linux_section_is_read)
{
    struct prl_error error;
    struct prl_spec *spec = parse(good, &error);
    CHECK_STR(spec ? "" : error.subject, "");
    CHECK_STR(spec->hostname, "box");
    CHECK_STR(spec->domainname, "example.test");
    CHECK_INT(spec->namespaces, CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC |
                                    CLONE_NEWUTS | CLONE_NEWUSER | CLONE_NEWCGROUP);
    CHECK_INT(spec->uid_maps_len, 2);
    CHECK_INT(spec->uid_maps[1].container_id, 1);
    CHECK_INT(spec->uid_maps[1].host_id, 100000);
    CHECK_INT(spec->uid_maps[1].size, 65536);
    CHECK_INT(spec->gid_maps_len, 1);
    CHECK_INT(spec->devices_len, 1);
    CHECK_STR(spec->devices[0].path, "/dev/fuse");
    CHECK_INT(spec->devices[0].type, 'c');
    CHECK_INT(spec->devices[0].major, 10);
    CHECK_INT(spec->devices[0].minor, 229);
    CHECK_INT(spec->devices[0].mode, 0666);
    CHECK_INT(spec->sysctls_len, 2);
    CHECK_STR(spec->sysctls[0].path, "net/ipv4/conf/eth0.1/rp_filter");
    CHECK_STR(spec->sysctls[0].value, "1");
    CHECK_STR(spec->sysctls[1].path, "kernel/shmmax");
    CHECK_STR(spec->masked_paths[1], "/sys/firmware");
    CHECK(spec->masked_paths[2] == NULL);
    CHECK_STR(spec->readonly_paths[0], "/proc/sys");
    CHECK_INT(spec->rootfs_propagation, MS_SLAVE | MS_REC);
    CHECK(spec->has_seccomp);
    prl_spec_free(spec);
}

TEST(mounts_are_read)
{
    struct prl_error error;
    struct prl_spec *spec = parse(good, &error);
    CHECK_STR(spec ? "" : error.subject, "");
    CHECK_INT(spec->mounts_len, 3);
    const struct prl_mount *m = spec->mounts;
    CHECK_STR(m[0].type, "proc");
    CHECK_STR(m[0].source, "proc");
    CHECK_STR(m[0].data, "");
    CHECK(!m[0].bind);
    CHECK_STR(m[1].destination, "/dev/shm");
    CHECK(m[1].source == NULL);
    CHECK_STR(m[1].data, "size=64k,mode=1777");
    CHECK_INT(m[1].attr_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
    CHECK_INT(m[1].attr_clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME);
    CHECK(m[2].bind && m[2].recursive);
    CHECK_STR(m[2].type, "bind");
    CHECK_STR(m[2].source, "/srv/data");
    CHECK_INT(m[2].attr_set, MOUNT_ATTR_NOSYMFOLLOW);
    CHECK_INT(m[2].attr_set_recursive, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
    CHECK_INT(m[2].propagation, MS_SLAVE | MS_REC);
    prl_spec_free(spec);
}

TEST(annotations_are_read)
{
    struct prl_error error;
    struct prl_spec *spec = parse(good, &error);
    CHECK_STR(spec ? "" : error.subject, "");
    CHECK_STR(spec->rootfs.path, "/srv/root");
    CHECK(spec->rootfs.readonly && spec->rootfs.upper_volatile);
    CHECK_INT(spec->rootfs.lowers_len, 2);
    CHECK_STR(spec->rootfs.lowers[0], "/layers/b");
    CHECK_STR(spec->rootfs.lowers[1], "/layers/a");
    CHECK(spec->rootfs.lowers[2] == NULL);
    CHECK_INT(spec->rootfs.upper, PRL_UPPER_TMPFS);
    CHECK_INT(spec->rootfs.upper_size_bytes, 1048576);
    CHECK_INT(spec->rootfs.upper_inodes, 100);
    CHECK_STR(spec->seccomp_program, "/cache/x.bpf");
    CHECK_STR(spec->seccomp_digest,
              "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    CHECK(spec->landlock && spec->init && !spec->new_keyring);
    CHECK_INT(spec->stop_signal, SIGINT);
    CHECK(spec->wall_limit_ns == UINT64_MAX);
    prl_spec_free(spec);
}

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER  "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static size_t begin_of(size_t len, const char *const *lowers)
{
    const struct prl_rootfs root = {.lowers = lowers, .lowers_len = len};
    return prl_spec_lowers_begin(&root);
}

TEST(layers_of_one_store_are_named_from_where_they_lie)
{
    CHECK_INT(begin_of(2, (const char *[]){"/s/" DIGEST "/tree", "/s/" OTHER "/tree"}), 3);
    CHECK_INT(begin_of(2, (const char *[]){"/s/" DIGEST "/range-0a", "/s/" DIGEST "/tree"}), 3);
    CHECK_INT(begin_of(1, (const char *[]){"/home/me/root"}), 13);
    CHECK_INT(begin_of(0, NULL), 0);
}

TEST(other_layers_have_no_names)
{
    static const char *const pairs[][2] = {
        {"/home/me/a", "/home/me/b"},
        {"/s/" DIGEST "/tree", "/s/b"},
        {"/s/" DIGEST "/tree", "/t/" OTHER "/tree"},
        {"/s/" DIGEST "/tree", "/s/more/" OTHER "/tree"},
        {"/s/" DIGEST "/tree", "/s/" OTHER "/my:tree"},
        {"/s/" DIGEST "/tree", "/s/" OTHER "/My"},
        {"/s/" DIGEST "/tree", "/s/" OTHER "/"},
        {"/s/" DIGEST "/tree", "/s/" OTHER},
        {"/s/" DIGEST "/tree", "/s/0" OTHER "/tree"},
        {"/s/0" DIGEST "/tree", "/s/0" OTHER "/tree"},
        {DIGEST "/tree", OTHER "/tree"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        CHECK_INT(begin_of(2, pairs[i]), 0);
}

TEST(names_fit_into_the_page_of_options)
{
    const char *lowers[55];
    for (size_t i = 0; i < 55; i++)
        lowers[i] = "/s/" DIGEST "/tree";
    CHECK_INT(begin_of(54, lowers), 3);
    CHECK_INT(begin_of(55, lowers), 0);
}

TEST(defaults_are_those_of_the_specification)
{
    struct prl_error error;
    struct prl_spec *spec = parse(least, &error);
    CHECK_STR(spec ? "" : error.subject, "");
    CHECK_INT(spec->process.umask, -1);
    CHECK(!spec->process.terminal && !spec->process.has_oom_score_adj);
    CHECK(!spec->process.no_new_privileges);
    CHECK_INT(spec->process.console_rows, 0);
    CHECK(spec->process.env[0] == NULL && spec->masked_paths[0] == NULL);
    CHECK(spec->hostname == NULL && spec->domainname == NULL);
    CHECK_INT(spec->mounts_len + spec->devices_len + spec->sysctls_len, 0);
    CHECK_INT(spec->rootfs.upper, PRL_UPPER_NONE);
    CHECK_INT(spec->rootfs.lowers_len, 0);
    CHECK(!spec->rootfs.readonly && !spec->has_seccomp && !spec->landlock && !spec->init);
    CHECK(spec->seccomp_program == NULL && spec->new_keyring);
    CHECK_INT(spec->stop_signal, SIGTERM);
    CHECK_INT(spec->wall_limit_ns, 0);
    CHECK_INT(spec->rootfs_propagation, 0);
    prl_spec_free(spec);
    prl_spec_free(NULL);
}

TEST(console_size_needs_a_terminal)
{
    struct prl_error error;
    char *json = with(good, "\"terminal\":true,", "");
    struct prl_spec *spec = parse(json, &error);
    CHECK(spec);
    CHECK_INT(spec->process.console_rows, 0);
    prl_spec_free(spec);
    free(json);
}

TEST(later_mount_options_override)
{
    static const struct {
        const char *options;
        uint64_t set, clear;
    } rows[] = {
        {"\"ro\",\"rw\"", 0, MOUNT_ATTR_RDONLY},
        {"\"rw\",\"ro\"", MOUNT_ATTR_RDONLY, 0},
        {"\"noatime\",\"relatime\"", 0, MOUNT_ATTR__ATIME},
        {"\"relatime\",\"noatime\"", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
        {"\"strictatime\",\"nostrictatime\"", 0, MOUNT_ATTR__ATIME},
        {"\"nodiratime\",\"diratime\"", 0, MOUNT_ATTR_NODIRATIME},
        {"\"nosuid\",\"nodev\",\"noexec\"",
         MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0},
        {"\"suid\",\"dev\",\"exec\",\"symfollow\"", 0,
         MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW},
        {"\"defaults\",\"async\",\"loud\",\"silent\",\"norelatime\"", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct prl_error error;
        char mounts[256];
        snprintf(mounts, sizeof mounts,
                 "\"mounts\":[{\"destination\":\"/m\",\"type\":\"tmpfs\",\"options\":[%s]}],"
                 "\"linux\":{",
                 rows[i].options);
        char *json = with(least, "\"linux\":{", mounts);
        struct prl_spec *spec = parse(json, &error);
        CHECK_STR(spec ? "" : error.subject, "");
        CHECK_INT(spec->mounts[0].attr_set, rows[i].set);
        CHECK_INT(spec->mounts[0].attr_clear, rows[i].clear);
        prl_spec_free(spec);
        free(json);
    }
}

TEST(disk_upper_is_read)
{
    struct prl_error error;
    char *json = with(least, "\"linux\":{",
                      "\"annotations\":{\"io.pyrootless.rootfs.lower\":\"/l\","
                      "\"io.pyrootless.rootfs.upper\":\"disk\","
                      "\"io.pyrootless.rootfs.upper.path\":\"/u\","
                      "\"io.pyrootless.rootfs.upper.work\":\"/w\"},\"linux\":{");
    struct prl_spec *spec = parse(json, &error);
    CHECK_STR(spec ? "" : error.subject, "");
    CHECK_INT(spec->rootfs.upper, PRL_UPPER_DISK);
    CHECK_STR(spec->rootfs.upper_path, "/u");
    CHECK_STR(spec->rootfs.work_path, "/w");
    prl_spec_free(spec);
    free(json);
}

TEST(a_user_network_is_read)
{
    struct prl_error error;
    char *json = with(least, "\"linux\":{",
                      "\"annotations\":{\"io.pyrootless.network\":\"pasta\","
                      "\"io.pyrootless.network.program\":\"/usr/bin/pasta\","
                      "\"io.pyrootless.network.ports\":\"tcp * 8080 80 1\\nudp ::1 9 10 3\","
                      "\"io.pyrootless.network.mtu\":\"1400\","
                      "\"io.pyrootless.network.gateway\":\"1\"},\"linux\":{");
    char *whole = with(json, "\"namespaces\":[", "\"namespaces\":[{\"type\":\"network\"},");
    struct prl_spec *spec = parse(whole, &error);
    CHECK_STR(spec ? "" : error.subject, "");
    const struct prl_network *network = &spec->network;
    CHECK_INT(network->helper, PRL_NETWORK_PASTA);
    CHECK_STR(network->program, "/usr/bin/pasta");
    CHECK_INT(network->ports_len, 2);
    CHECK(!network->ports[0].udp && !network->ports[0].address);
    CHECK_INT(network->ports[0].host, 8080);
    CHECK_INT(network->ports[0].container, 80);
    CHECK(network->ports[1].udp);
    CHECK_STR(network->ports[1].address, "::1");
    CHECK_INT(network->ports[1].count, 3);
    CHECK_INT(network->mtu, 1400);
    CHECK(network->gateway && !network->dns_forward);
    prl_spec_free(spec);
    free(whole);
    free(json);
}

/* `notes` as annotations of a launch with, or without, a network namespace. */
static const char *network_sentence(const char *notes, bool namespaced)
{
    static char sentence[256];
    struct prl_error error;
    char text[512];
    snprintf(text, sizeof text, "\"annotations\":{%s},\"linux\":{", notes);
    char *json = with(least, "\"linux\":{", text);
    char *whole =
        with(json, "\"namespaces\":[",
             namespaced ? "\"namespaces\":[{\"type\":\"network\"}," : "\"namespaces\":[");
    struct prl_spec *spec = parse(whole, &error);
    snprintf(sentence, sizeof sentence, "%s", spec ? "" : error.subject);
    prl_spec_free(spec);
    free(whole);
    free(json);
    return sentence;
}

#define N     "\"io.pyrootless.network"
#define PASTA N "\":\"pasta\"," N ".program\":\"/p\""

TEST(bad_user_networks)
{
    static const char *const bad_ports[] = {"",
                                            "tcp",
                                            "tcp * 1 1",
                                            "tcp * 0 1 1",
                                            "tcp * 1 1 0",
                                            "sctp * 1 1 1",
                                            "tcp x 1 1 1",
                                            "tcp * 65535 1 2",
                                            "tcp * 1 65536 1",
                                            "tcp * 1 1 1 ",
                                            "tcp * 1 1 1\\n",
                                            "tcp  1 1 1",
                                            "tcp * +1 1 1"};
    char notes[256];
    CHECK_STR(network_sentence(PASTA, true), "");
    CHECK_STR(network_sentence(PASTA, false),
              "/annotations/io.pyrootless.network needs a new namespace of type network");
    CHECK(strstr(network_sentence(N "\":\"pasta\"", true), "need each other"));
    CHECK(strstr(network_sentence(N ".program\":\"/p\"", true), "need each other"));
    CHECK(strstr(network_sentence(N "\":\"vpn\"", true), "expected pasta or slirp4netns"));
    CHECK(strstr(network_sentence(N "\":\"pasta\"," N ".program\":\"p\"", true), "absolute"));
    CHECK(strstr(network_sentence(N ".ports\":\"tcp * 1 1 1\"", true), ".ports needs"));
    CHECK(strstr(network_sentence(PASTA "," N ".mtu\":\"67\"", true), "from 68 to 65521"));
    CHECK(strstr(network_sentence(PASTA "," N ".mac\":\"02-00\"", true), "six bytes"));
    CHECK(strstr(network_sentence(PASTA "," N ".gateway\":\"yes\"", true), "0 or 1"));
    for (size_t i = 0; i < sizeof bad_ports / sizeof *bad_ports; i++) {
        snprintf(notes, sizeof notes, PASTA "," N ".ports\":\"%s\"", bad_ports[i]);
        if (!strstr(network_sentence(notes, true), "HOST_PORT CONTAINER_PORT COUNT"))
            CHECK_STR(bad_ports[i], "was taken");
    }
}

TEST(networks_of_other_containers)
{
    static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char right[128], notes[256];
    snprintf(right, sizeof right, N ".container\":\"%s\"", id);
    CHECK_STR(network_sentence(right, true), "");
    CHECK(strstr(network_sentence(right, false), "needs a namespace of type network"));
    snprintf(notes, sizeof notes, PASTA ",%s", right);
    CHECK(strstr(network_sentence(notes, true), "does not go with"));
    CHECK(strstr(network_sentence(N ".container\":\"web\"", true), "64 hexadecimal digits"));
    snprintf(notes, sizeof notes, N ".container\":\"%.63sA\"", id);
    CHECK(strstr(network_sentence(notes, true), "64 hexadecimal digits"));
}

TEST(every_truncation_is_an_error)
{
    struct prl_error error;
    for (size_t len = 0; len < sizeof good - 1; len++) {
        CHECK(parse_bytes(good, len, &error) == NULL);
        CHECK_INT(error.errnum, EINVAL);
        CHECK_INT(error.stage, PRL_STAGE_CONFIG);
    }
    CHECK(parse_bytes(good, 100, &error) == NULL);
    CHECK_STR(error.subject,
              "config.json ends too early, at byte 100 of 100: unexpected end of "
              "data");
    CHECK(parse_bytes(good, 0, &error) == NULL);
    CHECK_STR(error.subject, "config.json is empty");
}

TEST(bad_bytes_are_errors)
{
    static const struct change changes[] = {
        {"\"true\"", "\"tr\\u0000ue\"", "/process/args/0 has a NUL byte in it"},
        {"\"ociVersion\"", "\"a\\u0000b\":1,\"ociVersion\"",
         "config.json has a key with a NUL byte in it"},
        {"\"cwd\":\"/\"", "\"cwd\":\"/\",\"cwd\":\"/tmp\"",
         "/process has the key \"cwd\" twice"},
        {"\"cwd\":\"/\"", "\"cwd\":\"/\",\"x\":[{\"a\":1,\"\\u0061\":2}]",
         "/process/x/0 has the key \"a\" twice"},
        {"\"true\"", "\"\\u001b[2J\\u0085\\n\"", NULL},
        {"\"cwd\":\"/\"", "\"cwd\":\"\\u001b[2J\\u0085\\n\"",
         "/process/cwd is \"?[2J???\", expected an absolute path"},
        {0},
    };
    CHECK(check_changes(least, changes));
}

TEST(invalid_utf8_is_an_error)
{
    struct prl_error error;
    char *json = with(least, "\"true\"", "\"tr\xff\"");
    CHECK(parse(json, &error) == NULL);
    CHECK_INT(strncmp(error.subject, "config.json is not valid JSON at byte ", 38), 0);
    free(json);
    json = with(least, "\"true\"", "\"\xed\xa0\x80\""); /* a surrogate */
    CHECK(parse(json, &error) == NULL);
    free(json);
    CHECK(parse_bytes(least, sizeof least, &error) == NULL); /* NUL after the document */
    CHECK_INT(error.errnum, EINVAL);
}

TEST(roots_that_are_no_object)
{
    struct prl_error error;
    CHECK(parse("[]", &error) == NULL);
    CHECK_STR(error.subject, "config.json is an array, expected an object");
    CHECK(parse("null", &error) == NULL);
    CHECK_STR(error.subject, "config.json is null, expected an object");
}

/* depth containers, arrays and objects in turn. */
static char *nest(size_t depth)
{
    char *json = malloc(depth * 6 + 2), *end = json;
    for (size_t i = 0; i < depth; i++)
        end += sprintf(end, "%s", i % 2 ? "[" : "{\"a\":");
    end += sprintf(end, "1");
    for (size_t i = depth; i-- > 0;)
        end += sprintf(end, "%s", i % 2 ? "]" : "}");
    return json;
}

TEST(deep_nesting_is_an_error)
{
    struct prl_error error;
    char *json = nest(64);
    CHECK(parse(json, &error) == NULL);
    CHECK_STR(error.subject, "/ociVersion is missing");
    free(json);
    json = nest(65);
    CHECK(parse(json, &error) == NULL);
    CHECK_STR(error.subject, "config.json is nested deeper than 64 levels");
    free(json);
    json = nest(10000);
    CHECK(parse(json, &error) == NULL);
    CHECK_STR(error.subject, "config.json is nested deeper than 64 levels");
    free(json);
}

TEST(large_input_is_an_error)
{
    struct prl_error error;
    size_t len = PRL_SPEC_MAX_BYTES;
    char *json = malloc(len + 1);
    memset(json, '[', len + 1);
    CHECK(parse_bytes(json, len + 1, &error) == NULL);
    CHECK_STR(error.subject, "config.json has 4194305 bytes, at most 4194304 are read");
    CHECK(parse_bytes(json, len, &error) == NULL);
    CHECK_INT(strncmp(error.subject, "config.json ends too early, at byte ", 36), 0);
    free(json);
}

TEST(many_keys_cost_no_square)
{
    struct prl_error error;
    enum { KEYS = 200000 };
    char *json = malloc(KEYS * 12 + 3), *end = json;
    for (int i = 0; i < KEYS; i++)
        end += sprintf(end, "%c\"%d\":0", i ? ',' : '{', i);
    strcpy(end, "}");
    CHECK(parse(json, &error) == NULL);
    CHECK_STR(error.subject, "/ociVersion is missing");
    free(json);
}

TEST(long_values_are_cut_in_sentences)
{
    struct prl_error error;
    char value[400] = "\"cwd\":\"";
    for (int i = 0; i < 150; i++)
        strcat(value, "\xc3\xa4");
    strcat(value, "\"");
    char *json = with(least, "\"cwd\":\"/\"", value);
    CHECK(parse(json, &error) == NULL);
    CHECK_INT(strncmp(error.subject, "/process/cwd is \"\xc3\xa4", 19), 0);
    CHECK(strstr(error.subject, "\xc3\xa4...\", expected an absolute path"));
    free(json);
}

TEST(capability_names)
{
    CHECK_INT(prl_spec_capability("CAP_CHOWN"), 0);
    CHECK_INT(prl_spec_capability("CAP_SYS_ADMIN"), 21);
    CHECK_INT(prl_spec_capability("CAP_CHECKPOINT_RESTORE"), 40);
    CHECK_INT(prl_spec_capability("cap_chown"), -1);
    CHECK_INT(prl_spec_capability(""), -1);
    CHECK(prl_spec_capability_name(41) == NULL);
    for (unsigned i = 0; i <= 40; i++)
        CHECK_INT(prl_spec_capability(prl_spec_capability_name(i)), i);
}
