// sources: csrc/config/life/policy.c
// sources: csrc/config/users/*.c
// sources: csrc/spec/**/*.c csrc/userns/*.c csrc/base/**/*.c csrc/config/*.c
// sources: csrc/config/options/*.c csrc/config/rootfs/*.c csrc/config/network/allow.c
// sources: csrc/config/network/facts.c csrc/config/network/helper.c
// sources: csrc/config/network/resolv.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* test_config_network.c: --network, --publish, --mac-address and the facts about helpers.
 * In: command lines, files of facts.  Out: exact annotations, exact errors.  Never: a launch.
 */
#include "config_fixture.h"

#include "base/process/helper.h"
#include "config/network/facts.h"

#include <sys/utsname.h>

/* Helpers as engine/network.py leaves them, true for this machine. */
static void make_facts_of(const char *chosen, const char *pastas_problem)
{
    static const char *const names[] = {"pasta", "slirp4netns"};
    char text[1024], found[64];
    struct utsname kernel;
    struct stat st;
    uname(&kernel);
    int n = snprintf(text, sizeof text,
                     "{\"version\":1,\"kernel\":\"%s\",\"chosen\":\"%s\","
                     "\"reason\":\"no luck\",\"helpers\":{",
                     kernel.release, chosen);
    for (size_t i = 0, some = 0; i < 2; i++)
        if (prl_helper_find(names[i], found) && stat(found, &st) == 0)
            n += snprintf(text + n, sizeof text - (size_t)n,
                          "%s\"%s\":{\"path\":\"%s\",\"stamp\":\"%lld.%09ld %lld\","
                          "\"gateway\":true,\"problem\":\"%s\"}",
                          some++ ? "," : "", names[i], found, (long long)st.st_mtim.tv_sec,
                          st.st_mtim.tv_nsec, (long long)st.st_size, i ? "" : pastas_problem);
    snprintf(text + n, sizeof text - (size_t)n, "}}");
    mkdir("store/data/cache", 0700);
    make_file("store/data/cache/network.json", text);
}

static void make_facts(const char *chosen)
{
    make_facts_of(chosen, "");
}

TEST(user_networks)
{
    char found[64];
    CHECK_BAD(RUN("--network=auto", "host"), ENOSYS, "--network", "none was tried");
    make_facts("");
    CHECK_BAD(RUN("-p", "80", "host"), ENOSYS, "--network", "no luck");
    CHECK_BAD(RUN("--network=none", "-p", "80", "host"), EINVAL, "--publish",
              "leave --network");
    CHECK_BAD(RUN("--network=host", "--mac-address=02:00:00:00:00:01", "host"), EINVAL,
              "--mac-address", "--network auto");
    if (!prl_helper_find("pasta", found))
        return; /* the rest is about its arguments */
    make_facts("pasta");
    CHECK_INT(RUN("-p", "127.0.0.1:8080:80", "-p", "5000-5002:6000-6002/udp", "host"), 0);
    CHECK_STR(note("network"), "\"pasta\"");
    CHECK_STR(note("network.ports"), "\"tcp 127.0.0.1 8080 80 1\\nudp * 5000 6000 3\"");
    CHECK_STR(note("network.gateway"), "\"1\"");
    CHECK_STR(at("/linux/namespaces"), OWN_NETWORK);
    CHECK_INT(RUN("--network=pasta:mtu=1400", "--mac-address=02:00:00:00:00:01", "host"), 0);
    CHECK_STR(note("network.mtu"), "\"1400\"");
    CHECK_STR(note("network.mac"), "\"02:00:00:00:00:01\"");
    CHECK_STR(note("network.ports"), "(none)");
    CHECK_BAD(RUN("-p", "8080:80", "-p", "127.0.0.1:8070-8080:70-80", "host"), EINVAL,
              "--publish", "published already");
}

/* What only pasta does, of a machine on which slirp4netns is the faster. */
TEST(what_is_published_takes_part_in_the_choice)
{
    char found[64];
    if (!prl_helper_find("pasta", found) || !prl_helper_find("slirp4netns", found))
        return;
    make_facts("slirp4netns");
    CHECK_INT(RUN("-p", "127.0.0.1:8080:80", "-p", "53:53/udp", "host"), 0);
    CHECK_STR(note("network"), "\"slirp4netns\"");
    CHECK_INT(RUN("-p", "8080:80", "-p", "[::1]:18082:82", "host"), 0);
    CHECK_STR(note("network"), "\"pasta\"");
    CHECK_INT(RUN("--network=auto", "-p", "127.0.0.1:53:53/udp", "host"), 0);
    CHECK_STR(note("network"), "\"pasta\"");
    CHECK_BAD(RUN("--network=slirp4netns", "-p", "[::1]:82:82", "host"), EINVAL, "--publish",
              "take --network pasta");
    make_facts_of("slirp4netns", "it stalls");
    CHECK_BAD(RUN("-p", "[::1]:82:82", "host"), EINVAL, "--publish", "slirp4netns publishes");
}

TEST(facts_of_another_kernel_are_none)
{
    struct prl_network_facts known;
    make_facts("pasta");
    CHECK_INT(prl_network_facts_load(facts.data_dir, &known), 0);
    make_file("store/data/cache/network.json", "{\"version\":1,\"kernel\":\"2.6.0\","
                                               "\"chosen\":\"pasta\",\"helpers\":{}}");
    CHECK_INT(prl_network_facts_load(facts.data_dir, &known), 1);
    make_file("store/data/cache/network.json", "{");
    CHECK_INT(prl_network_facts_load(facts.data_dir, &known), 1);
    CHECK_INT(prl_network_facts_load(NULL, &known), 1);
}
