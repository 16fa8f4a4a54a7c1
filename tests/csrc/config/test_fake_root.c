// sources: csrc/config/life/policy.c
// sources: csrc/config/users/*.c
// sources: csrc/spec/**/*.c csrc/userns/*.c csrc/base/**/*.c csrc/config/*.c
// sources: csrc/config/options/*.c csrc/config/rootfs/*.c csrc/config/network/allow.c
// sources: csrc/config/network/facts.c csrc/config/network/helper.c
// sources: csrc/config/network/resolv.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* test_config_fake_root.c: who gets a fake root, and what becomes of the map and the user.
 * In: command lines, the template's wish.  Out: exact JSON, exact errors.  Never: a launch. */
#include "config_fixture.h"

/* The template with further annotations: ",\"key\":\"value\"" each. */
static void add_notes(const char *notes)
{
    static char plain[sizeof template_json];
    if (!plain[0])
        memcpy(plain, template_json, sizeof plain);
    snprintf(template_json, sizeof template_json, "%.*s%s}}", (int)strlen(plain) - 2, plain,
             notes);
}

#define WISH ",\"io.pyrootless.fake-root\":\"remember\""
#define RANGE                                                                                  \
    ",\"io.pyrootless.ids.uids\":\"100000 65536\",\"io.pyrootless.ids.gids\":\"100000 65536\""

TEST(off_without_asking)
{
    add_notes("");
    CHECK_INT(RUN("-u", "33:44", "host"), 0);
    CHECK_STR(note("fake-root"), "(none)");
    CHECK_STR(at("/linux/uidMappings/0/containerID"), "33");
}

TEST(asked_for)
{
    add_notes("");
    CHECK_INT(RUN("--fake-root=remember", "host"), 0);
    CHECK_STR(note("fake-root"), "\"remember\"");
    CHECK_STR(note("fake-root.owners"), "\"WORK/store/data/c/owners\"");
    CHECK_STR(at("/process/capabilities/effective"), "[\"CAP_CHOWN\",\"CAP_KILL\"]");
    CHECK_INT(RUN("--fake-root=silent", "host"), 0);
    CHECK_STR(note("fake-root"), "\"silent\"");
    CHECK_STR(note("fake-root.owners"), "(none)");
}

TEST(the_user_is_a_claim_without_capabilities)
{
    add_notes("");
    CHECK_INT(RUN("--fake-root=remember", "-u", "33:44", "host"), 0);
    CHECK_STR(at("/linux/uidMappings/0/containerID"), "0");
    CHECK_STR(at("/linux/gidMappings/0/containerID"), "0");
    CHECK_STR(at("/process/user/uid"), "33");
    CHECK_STR(at("/process/user/gid"), "44");
    CHECK_STR(at("/process/capabilities/effective"), "[]");
    CHECK_STR(at("/process/capabilities/permitted"), "[]");
    CHECK_STR(at("/process/capabilities/bounding"), "[\"CAP_CHOWN\",\"CAP_KILL\"]");
}

TEST(the_template_wishes)
{
    add_notes(WISH);
    CHECK_INT(RUN("image"), 0);
    CHECK_STR(note("fake-root"), "\"remember\"");
    CHECK_INT(RUN("--read-only", "--security-opt=seccomp=unconfined", "image"), 0);
    CHECK_STR(note("fake-root"), "\"remember\"");
    CHECK_INT(RUN("--fake-root=off", "image"), 0);
    CHECK_STR(note("fake-root"), "(none)");
    CHECK_INT(RUN("--rootfs", "image", "sh"), 0);
    CHECK_STR(note("fake-root"), "(none)");
}

TEST(many_ids_need_none)
{
    add_notes(WISH RANGE);
    CHECK_INT(RUN("--userns=range", "image"), 0);
    CHECK_STR(note("fake-root"), "(none)");
    CHECK_INT(RUN("--userns=range", "--fake-root=off", "image"), 0);
    CHECK_BAD(RUN("--userns=range", "--fake-root=remember", "image"), EINVAL, "--fake-root",
              "leave --fake-root out, or take --userns=single");
    add_notes("");
}

TEST(unknown_modes)
{
    CHECK_BAD(RUN("--fake-root=never", "host"), EINVAL, "--fake-root", "is not understood");
    CHECK_BAD(RUN("--fake-root=Off", "host"), EINVAL, "--fake-root", "is not understood");
}
