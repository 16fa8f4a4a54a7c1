// sources: csrc/config/life/policy.c
// sources: csrc/config/users/*.c
// sources: csrc/spec/**/*.c csrc/userns/*.c csrc/base/**/*.c csrc/config/*.c
// sources: csrc/config/options/*.c csrc/config/rootfs/*.c csrc/config/network/allow.c
// sources: csrc/config/network/facts.c csrc/config/network/helper.c
// sources: csrc/config/network/resolv.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* test_config_ids.c: --userns and --group-add: template + option → maps, groups, layers.
 * In: command lines.  Out: exact JSON, exact errors.  Never: a launch. */
#include "config_fixture.h"

#include "userns/mapping.h"

/* The fixture's template as that of `image`, with subordinate ids. */
static void grant(const char *image, const char *uids, const char *gids)
{
    char notes[1024], path[96];
    char *at;

    snprintf(template_json, sizeof template_json, TEMPLATE, work, work);
    at = strstr(template_json, "\"io.pyrootless.image\":\"host\",");
    size_t head = (size_t)(at - template_json);
    _cleanup_free_ char *rest = strdup(at + strlen("\"io.pyrootless.image\":\"host\","));
    snprintf(path, sizeof path, "%s/image", work);
    snprintf(notes, sizeof notes,
             "\"io.pyrootless.image\":\"%s\",\"io.pyrootless.ids.uids\":\"%s\","
             "\"io.pyrootless.ids.gids\":\"%s\",\"io.pyrootless.rootfs.lower.range\":"
             "\"%s/owners\\n%s\",",
             image, uids, gids, path, path);
    snprintf(template_json + head, sizeof template_json - head, "%s%s", notes, rest);
}

static void grant_usual(void)
{
    grant("debian", "100000 65536", "200000 65536");
}

/* "INSIDE:HOST+SIZE …" */
static const char *map(const char *pointer)
{
    static char text[512];
    yyjson_val *row;
    size_t i, max, n = 0;

    text[0] = '\0';
    yyjson_arr_foreach(yyjson_doc_ptr_get(doc, pointer), i, max, row)
    {
        n += (size_t)snprintf(
            text + n, sizeof text - n, "%s%llu:%llu+%llu", i ? " " : "",
            (unsigned long long)yyjson_get_uint(yyjson_obj_get(row, "containerID")),
            (unsigned long long)yyjson_get_uint(yyjson_obj_get(row, "hostID")),
            (unsigned long long)yyjson_get_uint(yyjson_obj_get(row, "size")));
    }
    return text;
}

#define UIDS map("/linux/uidMappings")
#define GIDS map("/linux/gidMappings")

TEST(single_is_what_host_gets)
{
    grant("host", "100000 65536", "200000 65536");
    CHECK_INT(RUN("host"), 0);
    CHECK_STR(UIDS, "0:5000+1");
    CHECK_STR(GIDS, "0:5001+1");
    CHECK_STR(note("userns"), "\"single\"");
    CHECK_STR(note("ids.uids"), "(none)");
    CHECK_STR(note("ids.gids"), "(none)");
    CHECK_STR(note("rootfs.lower.range"), "(none)");
    CHECK_STR(note("rootfs.lower"), "\"WORK/image\"");
    CHECK_INT(RUN("--userns=single", "-u", "alice", "host"), 0);
    CHECK_STR(UIDS, "1000:5000+1");
    CHECK_STR(at("/process/user"), "{\"uid\":1000,\"gid\":1001}");
}

TEST(range)
{
    grant_usual();
    CHECK_INT(RUN("--userns=range", "debian"), 0);
    CHECK_STR(UIDS, "0:5000+1 1:100000+65536");
    CHECK_STR(GIDS, "0:5001+1 1:200000+65536");
    CHECK_STR(note("userns"), "\"range\"");
    CHECK_STR(note("rootfs.lower"), "\"WORK/image/owners\\nWORK/image\"");
    CHECK_STR(note("rootfs.lower.range"), "(none)");
    CHECK_STR(note("ids.uids"), "(none)");
    CHECK_STR(at("/process/user"), "{\"uid\":0,\"gid\":0,\"additionalGids\":[0]}");
    CHECK_INT(RUN("--userns", "range", "-u", "alice", "debian"), 0);
    CHECK_STR(at("/process/user"), "{\"uid\":1000,\"gid\":1001,\"additionalGids\":[1001]}");
}

TEST(several_ranges_and_the_own_id_among_them)
{
    grant("debian", "300 5,4998 4", "200 10");
    CHECK_INT(RUN("--userns=range", "debian"), 0);
    CHECK_STR(UIDS, "0:5000+1 1:300+5 6:4998+2 8:5001+1");
    CHECK_STR(GIDS, "0:5001+1 1:200+10");
}

TEST(keep_id)
{
    grant_usual();
    CHECK_INT(RUN("--userns=keep-id", "debian"), 0);
    CHECK_STR(UIDS, "5000:5000+1 0:100000+5000 5001:105000+60536");
    CHECK_STR(GIDS, "5001:5001+1 0:200000+5001 5002:205001+60535");
    CHECK_STR(at("/process/user"), "{\"uid\":5000,\"gid\":5001,\"additionalGids\":[5001]}");
    CHECK_STR(note("userns"), "\"keep-id\"");
    CHECK_STR(note("rootfs.lower"), "\"WORK/image\"");
    CHECK_STR(at("/process/env/1"), "\"HOME=/\"");
    CHECK_INT(RUN("--userns=keep-id", "-u", "0", "debian"), 0);
    CHECK_STR(at("/process/user"), "{\"uid\":0,\"gid\":0,\"additionalGids\":[0]}");
    CHECK_INT(RUN("--userns=keep-id", "--group-add=7", "debian"), 0);
    CHECK_STR(at("/process/user/additionalGids"), "[5001,7]");
}

TEST(auto_takes_a_range_where_it_can_be)
{
    const char *best = prl_mapping_is_possible() ? "\"range\"" : "\"single\"";

    grant_usual();
    CHECK_INT(RUN("debian"), 0);
    CHECK_STR(note("userns"), best);
    CHECK_INT(RUN("--userns=auto", "debian"), 0);
    CHECK_STR(note("userns"), best);
    grant("debian", "100000 65534", "200000 65536");
    CHECK_INT(RUN("debian"), 0);
    CHECK_STR(note("userns"), "\"single\"");
    CHECK_STR(note("rootfs.lower"), "\"WORK/image\"");
    grant("debian", "100000 65535", "200000 60000,300000 5535");
    CHECK_INT(RUN("debian"), 0);
    CHECK_STR(note("userns"), best);
    CHECK_INT(RUN("--rootfs", "image", "/x"), 0);
    CHECK_STR(note("userns"), "\"single\"");
}

TEST(no_ids)
{
    snprintf(template_json, sizeof template_json, TEMPLATE, work, work);
    CHECK_INT(RUN("host"), 0);
    CHECK_STR(note("userns"), "\"single\"");
    CHECK_INT(RUN("--userns=range", "host"), -ERANGE);
    CHECK_INT(error.stage, PRL_STAGE_IDMAP);
    CHECK_STR(error.syscall, "--userns");
    CHECK_STR(error.subject, "range needs subordinate ids, and this user has none");
    CHECK_INT(RUN("--userns=keep-id", "host"), -ERANGE);
    CHECK_INT(RUN("--userns=nomap", "--rootfs", "image", "/x"), -ERANGE);
}

TEST(a_damaged_template)
{
    grant("debian", "100000 many", "200000 65536");
    CHECK_INT(RUN("debian"), -EINVAL);
    CHECK_INT(error.stage, PRL_STAGE_TEMPLATE);
}

TEST(ids_that_the_ranges_lack)
{
    grant("debian", "100 10", "100 10");
    CHECK_INT(RUN("--userns=range", "-u", "10:10", "debian"), 0);
    CHECK_INT(RUN("--userns=range", "-u", "11", "debian"), -ERANGE);
    CHECK_STR(error.subject,
              "the program's user 11 is none of the 11 that your subordinate ids make");
    CHECK_INT(RUN("--userns=range", "-u", "1:11", "debian"), -ERANGE);
    CHECK(strstr(error.subject, "group 11"));
    CHECK_INT(RUN("--userns=range", "--group-add=12", "debian"), -ERANGE);
    CHECK(strstr(error.subject, "group 12"));
}

TEST(nomap)
{
    grant_usual();
    CHECK_INT(RUN("--userns=nomap", "debian"), -EINVAL);
    CHECK(strstr(error.subject, "nomap cannot show an image of the store"));
    CHECK_INT(RUN("--userns=nomap", "--rootfs", "image:O", "/x"), -EINVAL);
    CHECK(strstr(error.subject, "add --ephemeral"));
    CHECK_INT(RUN("--userns=nomap", "--ephemeral", "--rootfs", "image:O", "/x"), 0);
    CHECK_INT(RUN("--userns=nomap", "--rootfs", "image", "/x"), 0);
    CHECK_STR(UIDS, "0:100000+65536");
    CHECK_STR(GIDS, "0:200000+65536");
    CHECK_STR(note("userns"), "\"nomap\"");
}

TEST(group_add)
{
    grant_usual();
    make_file("image/etc/group", "root:x:0:\nstaff:x:50:bob,alice\nwheel:x:60:alicia\n"
                                 "broken\nlast:x:70:alice");
    CHECK_INT(RUN("--userns=range", "-u", "alice", "debian"), 0);
    CHECK_STR(at("/process/user/additionalGids"), "[1001,50,70]");
    CHECK_INT(RUN("--userns=range", "-u", "1000", "debian"), 0);
    CHECK_STR(at("/process/user/additionalGids"), "[1001,50,70]");
    CHECK_INT(RUN("--userns=range", "-u", "alice:wheel", "debian"), 0);
    CHECK_STR(at("/process/user/additionalGids"), "[60]");
    CHECK_INT(RUN("--userns=range", "--group-add=wheel", "-u", "alice", "--group-add", "50",
                  "--group-add=9", "debian"),
              0);
    CHECK_STR(at("/process/user/additionalGids"), "[1001,50,70,60,9]");
    CHECK_INT(RUN("--userns=range", "--group-add=nothing", "debian"), -ESRCH);
    CHECK_STR(error.syscall, "--group-add");
    CHECK_INT(RUN("--userns=range", "--group-add=", "debian"), -EINVAL);
    CHECK_INT(RUN("--userns=single", "--group-add=50", "debian"), -EINVAL);
    CHECK(strstr(error.subject, "add --userns=range"));
    CHECK_INT(RUN("--userns=single", "--group-add=0", "debian"), 0);
    CHECK_STR(at("/process/user"), "{\"uid\":0,\"gid\":0}");
    unlink("image/etc/group");
}

TEST(refusals)
{
    grant_usual();
    CHECK_INT(RUN("--userns=hosts", "debian"), -EINVAL);
    CHECK_STR(error.syscall, "--userns");
    CHECK_STR(error.subject,
              "\"hosts\" is no map of ids: write auto, single, range, keep-id or "
              "nomap");
}
