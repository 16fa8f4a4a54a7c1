// sources: csrc/config/life/policy.c
// sources: csrc/base/**/*.c csrc/config/options/allow.c csrc/config/options/names.c
// sources: csrc/config/options/network.c csrc/config/options/values.c csrc/network/*.c
// sources: csrc/spec/caps.c
/* test_values.c: the text of one option value → the value, and what is refused. */
#include "config/options/values.h"

#include "check.h"

#include <errno.h>

static struct prl_error error;

#define CHECK_SIZE(text, bytes)                                                                \
    do {                                                                                       \
        uint64_t got_ = 7;                                                                     \
        CHECK_INT(prl_value_size("--s", text, &got_, &error), 0);                              \
        CHECK(got_ == (uint64_t)(bytes));                                                      \
    } while (0)
#define CHECK_NS(text, ns)                                                                     \
    do {                                                                                       \
        uint64_t got_ = 7;                                                                     \
        CHECK_INT(prl_value_duration("--t", text, &got_, &error), 0);                          \
        CHECK_INT(got_, ns);                                                                   \
    } while (0)

TEST(sizes)
{
    CHECK_SIZE("0", 0);
    CHECK_SIZE("4096", 4096);
    CHECK_SIZE("512b", 512);
    CHECK_SIZE("512k", 512 << 10);
    CHECK_SIZE("64m", 64 << 20);
    CHECK_SIZE("64MB", 64 << 20);
    CHECK_SIZE("64MiB", 64 << 20);
    CHECK_SIZE("1G", 1 << 30);
    CHECK_SIZE("2t", 2LL << 40);
    CHECK_SIZE("0.5g", 512 << 20);
    CHECK_SIZE("1.5m", 1536 << 10);
    CHECK_SIZE("0.001953125g", 2 << 20);
    CHECK_SIZE("1.9", 1);
    CHECK_SIZE("0.999999999999t", 1099511626676);
    CHECK_SIZE("64 MB", 64 << 20);
    CHECK_SIZE("9223372036854775807", INT64_MAX);
}

TEST(bad_sizes)
{
    static const char *const bad[] = {
        "",         "m",    "-1",  "1.g", "1  m", "1 ", ".5m",
        "1.5.2",    "1. 5", "1mm", "1bb", "0x10", "1q", "9223372036854775808",
        "8388608t", "1miB2"};
    uint64_t bytes;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error.errnum = 0;
        CHECK_INT(prl_value_size("--s", bad[i], &bytes, &error), -EINVAL);
        CHECK_INT(error.stage, PRL_STAGE_OPTIONS);
        CHECK_STR(error.syscall, "--s");
        CHECK(strstr(error.subject, "--s=64m"));
    }
}

TEST(durations)
{
    CHECK_NS("0", 0);
    CHECK_NS("10", 10000000000);
    CHECK_NS("0.5", 500000000);
    CHECK_NS("1.000000001", 1000000001);
    CHECK_NS("0.0000000001", 0);
    CHECK_NS("250ms", 250000000);
    CHECK_NS("1.5ms", 1500000);
    CHECK_NS("3us", 3000);
    CHECK_NS("1m30s", 90000000000);
    CHECK_NS("1.5h", 5400000000000);
    CHECK_NS("2d", 172800000000000);
}

TEST(bad_durations)
{
    static const char *const bad[] = {"",     "s",   "-1",  "1.",  ".5",         "1x",
                                      "1m30", "1s ", "1e3", "inf", "9223372037", "9999999999h"};
    uint64_t ns;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(prl_value_duration("--t", bad[i], &ns, &error), -EINVAL);
}

TEST(integers_and_booleans)
{
    int64_t number;
    bool on;

    CHECK_INT(prl_value_integer("--n", "-12", &number, &error), 0);
    CHECK_INT(number, -12);
    CHECK_INT(prl_value_integer("--n", "12x", &number, &error), -EINVAL);
    CHECK_INT(prl_value_integer("--n", "-", &number, &error), -EINVAL);
    CHECK_INT(prl_value_integer("--n", "99999999999999999999", &number, &error), -EINVAL);
    CHECK_INT(prl_value_bool("--b", "TRUE", &on, &error), 0);
    CHECK(on);
    CHECK_INT(prl_value_bool("--b", "off", &on, &error), 0);
    CHECK(!on);
    CHECK_INT(prl_value_bool("--b", "", &on, &error), -EINVAL);
}

TEST(signals)
{
    static const struct {
        const char *text;
        int number;
    } good[] = {{"TERM", 15},  {"SIGTERM", 15},    {"sigkill", 9},  {"15", 15},   {"64", 64},
                {"RTMIN", 34}, {"SIGRTMIN+3", 37}, {"RTMAX-1", 63}, {"POLL", 29}, {"WINCH", 28},
                {"SYS", 31},   {"STKFLT", 16},     {"CHLD", 17}};
    static const char *const bad[] = {"",    "0",      "65",          "-9",
                                      "SIG", "TERMX",  "RTMIN+31",    "RTMAX-31",
                                      "9x",  "RTMIN+", "999999999999"};
    int number;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK_INT(prl_value_signal("--s", good[i].text, &number, &error), 0);
        CHECK_INT(number, good[i].number);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(prl_value_signal("--s", bad[i], &number, &error), -EINVAL);
}

TEST(names)
{
    char long_name[140];

    memset(long_name, 'a', sizeof long_name);
    long_name[129] = '\0';
    CHECK_INT(prl_value_name("--name", long_name, &error), -EINVAL);
    CHECK_INT(prl_value_hostname("-h", long_name, &error), -EINVAL);
    long_name[128] = '\0';
    CHECK_INT(prl_value_name("--name", long_name, &error), 0);
    CHECK_INT(prl_value_name("--name", "web-1_a.b", &error), 0);
    CHECK_INT(prl_value_name("--name", "..", &error), -EINVAL);
    CHECK_INT(prl_value_name("--name", "a/b", &error), -EINVAL);
    CHECK_INT(prl_value_name("--name", "", &error), -EINVAL);
    CHECK_INT(prl_value_hostname("-h", "db.example.org", &error), 0);
    CHECK_INT(prl_value_hostname("-h", "a\nb", &error), -EINVAL);
}

static int target(const char *text, const char *expected)
{
    char *got = NULL;
    int r = prl_value_target("-w", text, &got, &error);

    if (r == 0 && strcmp(got, expected) != 0)
        r = 1;
    free(got);
    return r;
}

TEST(targets)
{
    CHECK_INT(target("/", "/"), 0);
    CHECK_INT(target("//", "/"), 0);
    CHECK_INT(target("/a//b/./c/", "/a/b/c"), 0);
    CHECK_INT(target("/a...b/..c", "/a...b/..c"), 0);
    CHECK_INT(target("/a/../b", "/b"), 0);
    CHECK_INT(target("/a/b/./..//c/", "/a/c"), 0);
    CHECK_INT(target("/..", "/"), 0);
    CHECK_INT(target("/a/../../b/..", "/"), 0);
    CHECK_INT(target("/a/..b", "/a/..b"), 0);
    CHECK_INT(target("a/b", ""), -EINVAL);
    CHECK_INT(target("", ""), -EINVAL);
}

TEST(ulimits)
{
    struct prl_value_ulimit limit;

    CHECK_INT(prl_value_ulimit("--ulimit", "nofile=1024:4096", &limit, &error), 0);
    CHECK_STR(limit.type, "RLIMIT_NOFILE");
    CHECK_INT(limit.soft, 1024);
    CHECK_INT(limit.hard, 4096);
    CHECK_INT(prl_value_ulimit("--ulimit", "core=0", &limit, &error), 0);
    CHECK_INT(limit.hard, 0);
    CHECK_INT(prl_value_ulimit("--ulimit", "memlock=8:-1", &limit, &error), 0);
    CHECK(limit.hard == UINT64_MAX);
    CHECK_INT(prl_value_ulimit("--ulimit", "stack=unlimited", &limit, &error), 0);
    CHECK(limit.soft == UINT64_MAX);
    CHECK_INT(prl_value_ulimit("--ulimit", "nofile=9:8", &limit, &error), -EINVAL);
    CHECK_INT(prl_value_ulimit("--ulimit", "nofile", &limit, &error), -EINVAL);
    CHECK_INT(prl_value_ulimit("--ulimit", "nofile=", &limit, &error), -EINVAL);
    CHECK_INT(prl_value_ulimit("--ulimit", "nofile=1:", &limit, &error), -EINVAL);
    CHECK_INT(prl_value_ulimit("--ulimit", "nofile=1:2:3", &limit, &error), -EINVAL);
    CHECK_INT(prl_value_ulimit("--ulimit", "no=1", &limit, &error), -EINVAL);
    CHECK_INT(prl_value_ulimit("--ulimit", "nofiles=1", &limit, &error), -EINVAL);
}

TEST(hosts)
{
    struct prl_value_host host;

    CHECK_INT(prl_value_host("--add-host", "db:10.0.0.5", &host, &error), 0);
    CHECK_STR(host.name, "db");
    CHECK_STR(host.address, "10.0.0.5");
    CHECK_INT(prl_value_host("--add-host", "db=[fe80::1]", &host, &error), 0);
    CHECK_STR(host.address, "fe80::1");
    CHECK_INT(prl_value_host("--add-host", "db:::1", &host, &error), 0);
    CHECK_STR(host.address, "::1");
    CHECK_INT(prl_value_host("--add-host", "db", &host, &error), -EINVAL);
    CHECK_INT(prl_value_host("--add-host", "db:", &host, &error), -EINVAL);
    CHECK_INT(prl_value_host("--add-host", ":1.2.3.4", &host, &error), -EINVAL);
    CHECK_INT(prl_value_host("--add-host", "db:1.2.3", &host, &error), -EINVAL);
    CHECK_INT(prl_value_host("--add-host", "d b:1.2.3.4", &host, &error), -EINVAL);
    CHECK_INT(prl_value_host("--add-host", "db:host-gateway", &host, &error), 0);
    CHECK_STR(host.address, "host-gateway");
    CHECK_INT(prl_value_host("--add-host", "db:host-gateways", &host, &error), -EINVAL);
}

static struct prl_value_publish publish;

static int parse_publish(const char *text)
{
    publish = (struct prl_value_publish){0};
    return prl_value_publish("--publish", text, &publish, &error);
}

TEST(published_ports)
{
    CHECK_INT(parse_publish("80"), 0);
    CHECK_INT(publish.host, 0);
    CHECK_INT(publish.container, 80);
    CHECK_INT(publish.count, 1);
    CHECK(!publish.udp && publish.address[0] == '\0');
    CHECK_INT(parse_publish("8080:80/tcp"), 0);
    CHECK_INT(publish.host, 8080);
    CHECK(!publish.udp);
    CHECK_INT(parse_publish("127.0.0.1::53/udp"), 0);
    CHECK_STR(publish.address, "127.0.0.1");
    CHECK_INT(publish.host, 0);
    CHECK(publish.udp);
    CHECK_INT(parse_publish("[fe80::1]:5000-5009:6000-6009"), 0);
    CHECK_STR(publish.address, "fe80::1");
    CHECK_INT(publish.host, 5000);
    CHECK_INT(publish.container, 6000);
    CHECK_INT(publish.count, 10);
    CHECK_INT(parse_publish("65535:65535"), 0);
    CHECK_INT(publish.host, 65535);
}

TEST(bad_published_ports)
{
    static const char *const bad[] = {
        "",
        "x",
        "0",
        "65536",
        "80/sctp",
        "80/",
        "80:",
        ":",
        "9-8",
        "9-",
        "-9",
        "80:80:80:80",
        "[::1]:80",
        "[::1:1:80",
        "::1:80:80",
        "[1.2.3.4]:80:80",
        "a.b:80:80",
        "1:2-3",
        "8000-8001:80",
        " 80",
        "+80",
        "80 ",
        "[]:80:80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse_publish(bad[i]) != -EINVAL)
            CHECK_STR(bad[i], "was taken");
}

TEST(capabilities)
{
    uint64_t mask;

    CHECK_INT(prl_value_capability("--cap-add", "NET_ADMIN", &mask, &error), 0);
    CHECK_INT(mask, 1ULL << 12);
    CHECK_INT(prl_value_capability("--cap-add", "cap_checkpoint_restore", &mask, &error), 0);
    CHECK_INT(mask, 1ULL << 40);
    CHECK_INT(prl_value_capability("--cap-add", "all", &mask, &error), 0);
    CHECK_INT(mask, (1ULL << 41) - 1);
    CHECK_INT(prl_value_capability("--cap-add", "CAP_", &mask, &error), -EINVAL);
    CHECK_STR(prl_spec_capability_name(21), "CAP_SYS_ADMIN");
    CHECK(!prl_spec_capability_name(41));
}

TEST(detach_keys)
{
    unsigned char keys[PRL_VALUE_KEYS];

    CHECK_INT(prl_value_detach_keys("--k", "ctrl-p,ctrl-q", keys, &error), 2);
    CHECK_INT(keys[0], 16);
    CHECK_INT(keys[1], 17);
    CHECK_INT(prl_value_detach_keys("--k", "ctrl-],x", keys, &error), 2);
    CHECK_INT(keys[0], 29);
    CHECK_INT(keys[1], 'x');
    CHECK_INT(prl_value_detach_keys("--k", "", keys, &error), 0);
    CHECK_INT(prl_value_detach_keys("--k", "ctrl-p,", keys, &error), -EINVAL);
    CHECK_INT(prl_value_detach_keys("--k", "ctrl-1", keys, &error), -EINVAL);
    CHECK_INT(prl_value_detach_keys("--k", "esc", keys, &error), -EINVAL);
}

static int sysctl(const char *text, bool own_network)
{
    struct prl_value_sysctl got;

    return prl_value_sysctl("--sysctl", text, own_network, &got, &error);
}

TEST(sysctls)
{
    struct prl_value_sysctl got;

    CHECK_INT(prl_value_sysctl("--sysctl", "net.core.somaxconn=1024", true, &got, &error), 0);
    CHECK_INT(got.key_len, 18);
    CHECK_STR(got.value, "1024");
    CHECK_INT(sysctl("kernel.shm_rmid_forced=1", false), 0);
    CHECK_INT(sysctl("fs.mqueue.msg_max=20", false), 0);
    CHECK_INT(sysctl("net.core.somaxconn=1", false), -EINVAL);
    CHECK(strstr(error.subject, "--network host"));
    CHECK_INT(sysctl("kernel.msgmaxx=1", true), -EINVAL);
    CHECK_INT(sysctl("kernel.core_pattern=|/x", true), -EINVAL);
    CHECK_INT(sysctl("fs.mqueue.=1", true), -EINVAL);
    CHECK_INT(sysctl("net..x=1", true), -EINVAL);
    CHECK_INT(sysctl("net/../kernel=1", true), -EINVAL);
    CHECK_INT(sysctl("net.core.somaxconn", true), -EINVAL);
    CHECK_INT(sysctl("=1", true), -EINVAL);
}

static struct prl_value_allow allow;

static int allows(const char *text)
{
    return prl_value_allow("--allow-host", text, &allow, &error);
}

TEST(allowed_hosts)
{
    CHECK_INT(allows("Example.org:443"), 0);
    CHECK_STR(allow.host, "example.org");
    CHECK_INT(allow.bits, -1);
    CHECK_INT(allow.port, 443);
    CHECK_INT(allows("localhost"), 0);
    CHECK_INT(allow.port, 0);
    CHECK_INT(allows("example.org."), 0);
    CHECK_STR(allow.host, "example.org");
    CHECK_INT(allows("192.0.2.1"), 0);
    CHECK_INT(allow.bits, 32);
    CHECK_INT(allows("192.0.2.0/24:80"), 0);
    CHECK_STR(allow.host, "192.0.2.0");
    CHECK_INT(allow.bits, 24);
    CHECK_INT(allow.port, 80);
    CHECK_INT(allows("2001:db8::1"), 0);
    CHECK_INT(allow.bits, 128);
    CHECK_INT(allow.port, 0);
    CHECK_INT(allows("[2001:db8::]:443"), 0);
    CHECK_INT(allow.port, 443);
    CHECK_INT(allows("[2001:db8::/32]:65535"), 0);
    CHECK_STR(allow.host, "2001:db8::");
    CHECK_INT(allow.bits, 32);
    CHECK_INT(allows("0.0.0.0/0"), 0);
    CHECK_INT(allow.bits, 0);
}

TEST(bad_allowed_hosts)
{
    static const char *const bad[] = {"",
                                      ":80",
                                      "example.org:",
                                      "example.org:0",
                                      "example.org:65536",
                                      "example.org:x",
                                      "example.org:080",
                                      "192.0.2.1/33",
                                      "192.0.2.1/24",
                                      "192.0.2",
                                      "1.2.3.4.5",
                                      "[192.0.2.1",
                                      "[2001:db8::1]x",
                                      "[2001:db8::1]:0",
                                      "[example.org]:80",
                                      "a b",
                                      "a..b",
                                      "-a.b",
                                      "a/24",
                                      "*.example.org",
                                      "a.b/8:80",
                                      "192.0.2.1/",
                                      "http://a",
                                      "2001:db8::/129",
                                      "a\nb"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(allows(bad[i]), -EINVAL);
    CHECK_INT(allows("192.0.2.1/24"), -EINVAL);
    CHECK(strstr(error.subject, "beyond the prefix of 24"));
}
