// sources: csrc/base/**/*.c csrc/network/*.c csrc/spec/caps.c
// sources: csrc/config/options/allow.c csrc/config/options/help.c csrc/config/options/names.c
// sources: csrc/config/options/network.c csrc/config/options/neutral.c
// sources: csrc/config/options/parse.c csrc/config/options/table.c csrc/config/options/values.c
// sources: csrc/config/life/policy.c
/* test_options.c: argv → options: docker's spelling, errors that help, the table, the help. */
#include "config/options/parse.h"

#include "check.h"

#include <errno.h>

static struct prl_options got;
static struct prl_error error;

static char *kept[32]; /* the options point into argv */

static int parse(unsigned verb, char **argv)
{
    int argc = 0;

    for (; argv[argc]; argc++)
        kept[argc] = argv[argc];
    kept[argc] = NULL;
    prl_options_free(&got);
    memset(&error, 0, sizeof error);
    return prl_options_parse(verb, argc, kept, &got, &error);
}

#define RUN(...)  parse(PRL_VERB_RUN, (char *[]){__VA_ARGS__, NULL})
#define EXEC(...) parse(PRL_VERB_EXEC, (char *[]){__VA_ARGS__, NULL})
#define CHECK_BAD(call, option, words)                                                         \
    do {                                                                                       \
        CHECK_INT(call, -EINVAL);                                                              \
        CHECK_INT(error.stage, PRL_STAGE_OPTIONS);                                             \
        CHECK_STR(error.syscall, option);                                                      \
        CHECK_STR(strstr(error.subject, words) ? words : error.subject, words);                \
    } while (0)

TEST(image_and_arguments)
{
    CHECK_INT(RUN("host", "ls", "-l", "--name", "x"), 0);
    CHECK_STR(got.image, "host");
    CHECK_STR(got.args[0], "ls");
    CHECK_STR(got.args[3], "x");
    CHECK(!got.args[4]);
    CHECK_INT(got.values_len, 0);
    CHECK(!got.engine && !got.help);
}

TEST(spellings_of_a_value)
{
    CHECK_INT(RUN("--env", "A=1", "--env=B=2", "-e", "C=3", "-eD=4", "-e=E=5", "host"), 0);
    CHECK_INT(got.values_len, 5);
    CHECK_STR(got.values[0].text, "A=1");
    CHECK_STR(got.values[1].text, "B=2");
    CHECK_STR(got.values[2].text, "C=3");
    CHECK_STR(got.values[3].text, "D=4");
    CHECK_STR(got.values[4].text, "E=5");
    CHECK_STR(got.image, "host");
    CHECK_STR(prl_options_get(&got, "env"), "E=5");
    CHECK(!prl_options_get(&got, "name"));
}

TEST(bundled_letters)
{
    CHECK_INT(RUN("-itw", "/work", "host"), 0);
    CHECK(prl_options_flag(&got, "interactive") && prl_options_flag(&got, "tty"));
    CHECK_STR(prl_options_get(&got, "workdir"), "/work");
    CHECK_INT(RUN("-itw/tmp", "host"), 0);
    CHECK_STR(prl_options_get(&got, "workdir"), "/tmp");
    CHECK_INT(RUN("-i=false", "-t", "host"), 0);
    CHECK(!prl_options_flag(&got, "interactive") && prl_options_flag(&got, "tty"));
}

TEST(flags_take_booleans)
{
    CHECK_INT(RUN("--rm", "--rm=false", "--init=1", "host"), 0);
    CHECK(!prl_options_flag(&got, "rm"));
    CHECK(prl_options_flag(&got, "init"));
    CHECK_BAD(RUN("--rm=maybe", "host"), "--rm", "neither true nor false");
    /* a flag does not eat the next word */
    CHECK_INT(RUN("--rm", "false"), 0);
    CHECK_STR(got.image, "false");
}

TEST(double_dash_ends_the_options)
{
    CHECK_INT(RUN("--rm", "--", "host", "--rm=no"), 0);
    CHECK_STR(got.image, "host");
    CHECK_STR(got.args[0], "--rm=no");
    CHECK_INT(RUN("--name", "--", "host"), -EINVAL); /* "--" was taken as the name */
}

TEST(double_dash_after_what_has_no_entrypoint_is_no_program)
{
    CHECK_INT(RUN("host", "--", "ls", "--"), 0);
    CHECK_STR(got.args[0], "ls");
    CHECK_STR(got.args[1], "--");
    CHECK_INT(RUN("--rootfs", "/tree", "--", "ls"), 0);
    CHECK_STR(got.args[0], "ls");
    CHECK_INT(EXEC("web", "--", "ls"), 0);
    CHECK_STR(got.args[0], "ls");
    CHECK_INT(RUN("debian", "--", "ls"), 0); /* its entrypoint may want it */
    CHECK_STR(got.args[0], "--");
    CHECK_INT(RUN("--entrypoint=printf", "host", "--", "x"), 0);
    CHECK_STR(got.args[0], "--");
}

TEST(words_of_docker_that_are_not_here_have_a_sentence)
{
    CHECK_BAD(RUN("--link=web", "host"), "--link", "it is not here: share a network");
    CHECK_BAD(RUN("--restart=often", "host"), "--restart", "unknown policy");
    CHECK_BAD(RUN("--volume-driver", "x", "host"), "--volume-driver", "volume create --opt");
}

TEST(missing_things)
{
    CHECK_BAD(RUN("--name"), "--name", "write --name=NAME");
    CHECK_BAD(RUN("--rm"), "IMAGE", "pyrootless run");
    CHECK_BAD(RUN(""), "IMAGE", "it is missing");
    CHECK_BAD(RUN("--rootfs"), "DIRECTORY", "it is missing");
    CHECK_BAD(EXEC("-i"), "CONTAINER", "pyrootless exec");
}

TEST(unknown_options_name_their_neighbour)
{
    CHECK_BAD(RUN("--hostnme", "x", "host"), "--hostnme", "did you mean --hostname?");
    CHECK_BAD(RUN("--volumes=a:b", "host"), "--volumes", "did you mean --volume?");
    CHECK_BAD(RUN("--readonly", "host"), "--readonly", "did you mean --read-only?");
    CHECK_BAD(RUN("-name", "x", "host"), "-n", "did you mean --name?");
    CHECK_BAD(RUN("-Q", "host"), "-Q", "there is no such option: \"pyrootless run --help\"");
    CHECK_BAD(RUN("--frobnicate", "host"), "--frobnicate", "option: \"pyrootless");
    CHECK_BAD(EXEC("--volume=a:b", "c"), "--volume", "pyrootless exec --help");
    CHECK_STR(prl_options_near(PRL_VERB_RUN, "host"), "hostname");
    CHECK_STR(prl_options_near(PRL_VERB_RUN, "evn"), "env");
    CHECK(!prl_options_near(PRL_VERB_RUN, "seccomp-program"));
    CHECK(!prl_options_near(PRL_VERB_RUN, ""));
    CHECK(!prl_options_near(PRL_VERB_RUN, "a-name-that-is-longer-than-any-name-there-is"));
}

TEST(an_empty_value_is_none)
{
    CHECK_INT(RUN("-u", "bob", "-u", "", "-w", "", "--name=", "-h", "", "--stop-signal=", "-e",
                  "A=1", "host"),
              0);
    CHECK_INT(got.values_len, 1);
    CHECK(!prl_options_get(&got, "user"));
    CHECK_STR(prl_options_get(&got, "env"), "A=1");
    CHECK_INT(RUN("-u", "", "-u", "bob", "host"), 0);
    CHECK_STR(prl_options_get(&got, "user"), "bob");
    CHECK_INT(RUN("--entrypoint=", "--detach-keys=", "host"), 0);
    CHECK_INT(got.values_len, 2);
}

TEST(a_name_may_begin_with_a_slash)
{
    CHECK_INT(RUN("--name=/web", "host"), 0);
    CHECK_STR(prl_options_get(&got, "name"), "web");
    CHECK_BAD(RUN("--name=//web", "host"), "--name", "cannot be a container's name");
    CHECK_BAD(RUN("--name=/", "host"), "--name", "cannot be a container's name");
}

TEST(second_names)
{
    CHECK_INT(RUN("--net", "host", "--dns-opt=ndots:3", "host"), 0);
    CHECK_STR(prl_options_get(&got, "network"), "host");
    CHECK_STR(prl_options_get(&got, "dns-option"), "ndots:3");
    CHECK_BAD(RUN("--net=blue", "host"), "--network", "no network \"blue\"");
    CHECK_BAD(RUN("--networ=none", "host"), "--networ", "did you mean --network?");
    CHECK_BAD(RUN("--ne=none", "host"), "--ne", "there is no such option");
}

TEST(some_values_alone_change_nothing)
{
    CHECK_INT(RUN("--isolation=default", "--blkio-weight=0", "--kernel-memory=0",
                  "--pid=private", "--cpu-rt-period=0", "--cpu-rt-runtime=0",
                  "--memory-swappiness=-1", "--oom-kill-disable=false",
                  "--disable-content-trust",
                  "--cgroup-parent=", "--runtime=", "--cpuset-mems=0", "host"),
              0);
    CHECK_INT(RUN("--device-cgroup-rule=c 42:* rwm", "--device-cgroup-rule", "a *:* r",
                  "--blkio-weight-device=/dev/sda:0", "host"),
              0);
    static char bad[][12] = {"",       "c",        "c 1:3",     "x 1:3 r", "c 1:3 x",
                             "c 1: r", "c *1:3 r", "c 1:3 rw ", "c :3 r",  "c 1:3  r"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_BAD(RUN("--device-cgroup-rule", bad[i], "host"), "--device-cgroup-rule", "42:*");
    CHECK_BAD(RUN("--blkio-weight-device=/dev/sda:5", "host"), "--blkio-weight-device", "BFQ");
    CHECK_BAD(RUN("--isolation=hyperv", "host"), "--isolation", "are for Windows");
    CHECK_BAD(RUN("--blkio-weight=500", "host"), "--blkio-weight", "--device-read-bps");
    CHECK_BAD(RUN("--oom-kill-disable", "host"), "--oom-kill-disable", "hang for ever");
    CHECK_BAD(RUN("--pid=host", "host"), "--pid", "with its own PID namespace");
    CHECK_BAD(RUN("--cgroup-parent=/x", "host"), "--cgroup-parent", "pyrootless doctor cgroup");
    CHECK_BAD(RUN("--disable-content-trust=false", "host"), "--disable-content-trust",
              "@sha256");
    CHECK_BAD(RUN("--memory-swappiness=50", "host"), "--memory-swappiness", "--memory-swap");
    CHECK_BAD(RUN("--runtime=runc", "host"), "--runtime", "pyrootless itself");
    CHECK_BAD(RUN("--cpuset-mems=1", "host"), "--cpuset-mems", "memory nodes");
    CHECK_BAD(RUN("--kernel-memory=64m", "host"), "--kernel-memory", "--memory counts it");
}

TEST(streams_that_are_attached)
{
    CHECK_INT(RUN("-a", "stdin", "-a", "STDOUT", "--attach=stderr", "host"), 0);
    CHECK_BAD(RUN("-a", "all", "host"), "--attach", "no stream");
    CHECK_BAD(RUN("-a", "stdout", "-d", "host"), "--attach", "with -d nothing is connected");
    CHECK_BAD(RUN("-t", "-a", "stdin", "host"), "--attach", "as a whole");
    CHECK_INT(RUN("-t", "-a", "stdin", "-a", "stdout", "host"), 0);
}

TEST(values_are_checked_by_kind)
{
    CHECK_BAD(RUN("--shm-size=12q", "host"), "--shm-size", "as in --shm-size=64m");
    CHECK_BAD(RUN("--timeout=soon", "host"), "--timeout", "1m30s");
    CHECK_BAD(RUN("--stop-signal=WHAT", "host"), "--stop-signal", "--stop-signal=TERM");
    CHECK_BAD(RUN("--stop-timeout=-2", "host"), "--stop-timeout", "the least is -1");
    CHECK_BAD(RUN("--cidfile=", "host"), "--cidfile", "the path is empty");
    CHECK_BAD(RUN("--name=a/b", "host"), "--name", "cannot be a container's name");
    CHECK_BAD(RUN("--hostname=a b", "host"), "--hostname", "cannot be a host name");
    CHECK_BAD(RUN("--cap-add=FLY", "host"), "--cap-add", "capabilities(7)");
    CHECK_BAD(RUN("--ulimit=nofile=5:4", "host"), "--ulimit", "above its hard limit");
    CHECK_BAD(RUN("--network=", "host"), "--network", "none, host, pasta");
    CHECK_BAD(RUN("--network=blue", "host"), "--network", "no network \"blue\"");
    CHECK_BAD(RUN("--network=host:mtu=1500", "host"), "--network", "pasta:mtu=1500");
    CHECK_BAD(RUN("--network=pasta:mtu=67", "host"), "--network", "from 68 to 65521");
    CHECK_BAD(RUN("--network=container:", "host"), "--network", "container:web");
    CHECK_BAD(RUN("--network=container", "host"), "--network", "container:web");
    CHECK_BAD(RUN("--expose=0", "host"), "--expose", "--expose=80");
    CHECK_BAD(RUN("--expose=80/sctp", "host"), "--expose", "--expose=53/udp");
    CHECK_BAD(RUN("--expose=90-80", "host"), "--expose", "8000-8009");
    CHECK_BAD(RUN("--storage-opt=dm.size=1g", "host"), "--storage-opt", "size=SIZE alone");
    CHECK_BAD(RUN("--oom-score-adj=-1001", "host"), "--oom-score-adj", "the least is -1000");
    CHECK_BAD(RUN("-p", "80:0", "host"), "--publish", "CONTAINER_PORT");
    CHECK_BAD(RUN("--dns=ns.example", "host"), "--dns", "IPv4 or IPv6");
    CHECK_BAD(RUN("--dns-search=a b", "host"), "--dns-search", "one word");
    CHECK_BAD(RUN("--mac-address=01:00:00:00:00:00", "host"), "--mac-address", "02:00:00");
    CHECK_INT(RUN("--stop-timeout=-1", "--ulimit=host", "host"), 0);
}

TEST(options_that_need_each_other)
{
    CHECK_BAD(RUN("--ephemeral-size=1m", "host"), "--ephemeral-size", "add --ephemeral");
    CHECK_BAD(RUN("--ephemeral-inodes=9", "host"), "--ephemeral-inodes", "add --ephemeral");
    CHECK_INT(RUN("--ephemeral", "--ephemeral-size=1m", "host"), 0);
    CHECK_INT(RUN("--spec", "c.json", "--rm", "--pidfile=p", "--name=n"), 0);
    CHECK(!got.image);
    CHECK(!got.args[0]);
    CHECK_BAD(RUN("--spec", "c.json", "host"), "--spec", "one word too many");
    CHECK_BAD(RUN("--spec=c.json", "-v", "a:b"), "--spec", "--volume would have no effect");
}

TEST(the_engine_is_called_when_it_is_needed)
{
    CHECK_INT(RUN("--network=none", "--network=host", "host"), 0);
    CHECK(!got.engine);
    CHECK_INT(RUN("--network=auto", "--dns=1.1.1.1", "-p", "80", "host"), 0);
    CHECK(!got.engine); /* the launcher finds out whether the facts are there */
    CHECK_INT(RUN("--pull", "always", "host"), 0);
    CHECK(got.engine);
    CHECK_INT(RUN("--security-opt=seccomp=unconfined", "host"), 0);
    CHECK(!got.engine);
    CHECK_INT(RUN("--security-opt=seccomp=my.json", "host"), 0);
    CHECK(got.engine);
    CHECK_INT(RUN("--security-opt=nested-userns", "host"), 0);
    CHECK(got.engine);
    CHECK_INT(RUN("--security-opt", "io-uring", "host"), 0);
    CHECK(got.engine);
    CHECK_INT(RUN("--seccomp-program=/p", "--security-opt=io-uring", "host"), 0);
    CHECK(!got.engine);
}

TEST(help_stops_everything)
{
    CHECK_INT(RUN("--help", "--frobnicate"), 0);
    CHECK(got.help);
    CHECK_INT(RUN("host", "--help"), 0);
    CHECK(!got.help);
}

TEST(more_values_than_arguments)
{
    char letters[] = "-itititititititititititititititititititit";

    CHECK_INT(RUN(letters, "host"), 0);
    CHECK_INT(got.values_len, sizeof letters - 2);
    prl_options_free(&got);
}

TEST(rows_are_well_formed)
{
    for (const struct prl_option *row = prl_option_table; *row->name; row++) {
        size_t len = strlen(row->help);
        CHECK(strlen(row->name) < 22); /* "--name" has to fit into prl_error.syscall */
        CHECK(*row->field);
        CHECK((row->kind == PRL_KIND_FLAG) == (*row->metavar == '\0'));
        CHECK(len == 0 ||
              (row->help[len - 1] != '.' && !(row->help[0] >= 'A' && row->help[0] <= 'Z')));
        for (const struct prl_option *other = row + 1; *other->name; other++) {
            CHECK(strcmp(row->name, other->name) != 0 || !(row->verbs & other->verbs));
            CHECK(!row->letter || row->letter != other->letter || !(row->verbs & other->verbs));
        }
    }
}

static void check_help(unsigned verb, const char *first, const char *present,
                       const char *absent)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    prl_options_print_help(verb, out);
    fclose(out);
    CHECK(strncmp(text, first, strlen(first)) == 0);
    CHECK(strstr(text, present));
    CHECK(!strstr(text, absent));
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
        size_t columns = 0;
        for (size_t i = 0; line[i] != '\n'; i++)
            columns += ((unsigned char)line[i] & 0xc0) != 0x80;
        CHECK(columns <= 96);
        CHECK(columns == 0 || line[strcspn(line, "\n") - 1] != ' ');
    }
    free(text);
}

TEST(help_lists_the_verb)
{
    check_help(PRL_VERB_RUN, "Usage: pyrootless run [OPTION…] IMAGE", "\nSecurity:\n",
               "seccomp-program");
    check_help(PRL_VERB_RUN, "Usage", "\n  -h, --hostname NAME               host name",
               "\n\n\n");
    check_help(PRL_VERB_EXEC, "Usage: pyrootless exec", "  -e, --env NAME", "--volume");
}
