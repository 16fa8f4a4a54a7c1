// sources: csrc/config/life/policy.c
// sources: csrc/config/users/*.c
// sources: csrc/spec/**/*.c csrc/userns/*.c csrc/base/**/*.c csrc/config/*.c
// sources: csrc/config/options/*.c csrc/config/rootfs/*.c csrc/config/network/allow.c
// sources: csrc/config/network/facts.c csrc/config/network/helper.c
// sources: csrc/config/network/resolv.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* test_config_mounts.c: -v, --mount, --tmpfs, --device, --shm-size, --read-only → mounts, and
 * what of the engine stays out of reach. In: command lines.  Out: exact JSON, exact errors.
 * Never: a launch. */
#include "config_fixture.h"

TEST(volumes)
{
    CHECK_INT(RUN("-v", "./src:/a//b", "-v", "l/nk:/x", "host"), -EINVAL);
    CHECK_INT(RUN("-v", "./src:/a//b", "-v", "./link:/x:ro,z", "host"), 0);
    CHECK_STR(
        mount_on("/a/b"),
        "{\"destination\":\"/a/b\",\"type\":\"bind\",\"source\":\"WORK/src\",\"options\":["
        "\"rbind\",\"rprivate\",\"nosuid\",\"nodev\",\"rw\"]}");
    CHECK_STR(mount_on("/x"),
              "{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"WORK/src\",\"options\":["
              "\"rbind\",\"rprivate\",\"nosuid\",\"nodev\",\"ro\",\"rro\"]}");
    CHECK_INT(RUN("-v", "./src:/a:bind,ro,exec,suid,dev,rslave", "host"), 0);
    CHECK_STR(mount_options("/a"), "[\"bind\",\"rslave\",\"suid\",\"dev\",\"exec\",\"ro\"]");
    CHECK_INT(RUN("-v", "/dev/null:/n", "-v", "./null:/m", "host"), 0);
    CHECK_STR(mount_options("/m"), "[\"rbind\",\"rprivate\",\"nosuid\",\"rw\"]");
    CHECK_INT(RUN("-v", "./src:/usr", "host"), 0); /* the template's own goes */
    CHECK_STR(mount_options("/usr"), "[\"rbind\",\"rprivate\",\"nosuid\",\"nodev\",\"rw\"]");
}

TEST(volumes_of_the_store)
{
    CHECK_INT(RUN("-v", "data:/a//b", "-v", "d.2:/x:ro,nocopy,z", "host"), 0);
    CHECK_STR(mount_on("/a/b"), "{\"destination\":\"/a/b\",\"type\":\"bind\",\"source\":"
                                "\"WORK/store/data/volumes/data/_data\",\"options\":"
                                "[\"bind\",\"rprivate\",\"nosuid\",\"nodev\",\"rw\"]}");
    CHECK_STR(mount_options("/x"), "[\"bind\",\"rprivate\",\"nosuid\",\"nodev\",\"ro\"]");
    CHECK_STR(at("/annotations/io.pyrootless.volumes"),
              "\"named copy data /a/b\\nnamed nocopy d.2 /x\"");
    CHECK_STR(at("/annotations/io.pyrootless.lent"), "(none)");
    CHECK_INT(RUN("--mount",
                  "src=data,dst=/a,volume-nocopy,readonly,volume-label=a=b c,"
                  "volume-opt=o=bind",
                  "host"),
              0);
    CHECK_STR(mount_options("/a"), "[\"bind\",\"rprivate\",\"nosuid\",\"nodev\",\"ro\"]");
    CHECK_STR(at("/annotations/io.pyrootless.volumes"), "\"named nocopy data /a\"");
    CHECK_STR(at("/annotations/io.pyrootless.volumes.new"),
              "\"data label a=b c\\ndata option o=bind\"");
}

/* The same container and place have the same name: its 64 letters look like docker's. */
TEST(volumes_that_nobody_names)
{
    char first[256];

    CHECK_INT(RUN("-v", "/a", "host"), 0);
    snprintf(first, sizeof first, "%s", at("/annotations/io.pyrootless.volumes"));
    CHECK_INT(strlen(first), strlen("\"anonymous copy  /a\"") + 64);
    CHECK(strncmp(first, "\"anonymous copy ", 16) == 0);
    CHECK_INT(RUN("--mount", "type=volume,dst=/a", "host"), 0);
    CHECK_STR(at("/annotations/io.pyrootless.volumes"), first);
    CHECK_INT(RUN("-v", "/b", "host"), 0);
    CHECK(strncmp(at("/annotations/io.pyrootless.volumes") + 16, first + 16, 64) != 0);
    CHECK_INT(RUN("--ephemeral", "-v", "/a", "host"), 0); /* in memory, like all it writes */
    CHECK_STR(at("/annotations/io.pyrootless.volumes"), "(none)");
    CHECK_STR(mount_on("/a"), "(none)");
}

TEST(bad_volumes_of_the_store)
{
    CHECK_BAD(RUN("-v", "a:/a", "host"), EINVAL, "--volume", "invalid characters for a local");
    CHECK_BAD(RUN("-v", "a/b:/a", "host"), EINVAL, "--volume", "write ./a/b or the whole path");
    CHECK_BAD(RUN("-v", ".hidden:/a", "host"), EINVAL, "--volume", "invalid characters");
    CHECK_BAD(RUN("-v", "data:/", "host"), EINVAL, "--volume", "nothing can be mounted on");
    CHECK_BAD(RUN("-v", "/", "host"), EINVAL, "--volume", "nothing can be mounted on");
    CHECK_BAD(RUN("-v", "data:/proc/x", "host"), EINVAL, "--volume", "/proc is the kernel's");
    CHECK_BAD(RUN("-v", "data:/a", "-v", "data:/a", "host"), EINVAL, "--volume", "two options");
    CHECK_BAD(RUN("--mount", "src=data,dst=/a,volume-driver=nfs", "host"), EINVAL, "--mount",
              "the only one is local");
    CHECK_BAD(RUN("--mount", "src=data,dst=/a,volume-subpath=x", "host"), EINVAL, "--mount",
              "\"volume-subpath\" is not understood");
    CHECK_BAD(RUN("--mount", "dst=/a,volume-label=x", "host"), EINVAL, "--mount",
              "add src=NAME");
    CHECK_BAD(RUN("--mount", "src=data,dst=/a,volume-label=x\ny", "host"), EINVAL, "--mount",
              "line end");
}

TEST(volumes_come_parents_first)
{
    CHECK_INT(
        RUN("-v", "./src:/x/y/z", "--tmpfs=/q", "-v", "./src2:/x", "--tmpfs=/x/y", "host"), 0);
    CHECK_STR(at("/mounts/6/destination"), "\"/x\"");
    CHECK_STR(at("/mounts/7/destination"), "\"/q\"");
    CHECK_STR(at("/mounts/8/destination"), "\"/x/y\"");
    CHECK_STR(at("/mounts/9/destination"), "\"/x/y/z\"");
    CHECK_STR(at("/mounts/10"), "(none)");
}

TEST(bad_volumes)
{
    CHECK_BAD(RUN("-v", "./gone:/a", "host"), ENOENT, "--volume", "there is no ./gone");
    CHECK_BAD(RUN("-v", "a", "host"), EINVAL, "--volume", "SOURCE:]TARGET");
    CHECK_BAD(RUN("-v", "./src:/a:ro:x", "host"), EINVAL, "--volume", "SOURCE:]TARGET");
    CHECK_BAD(RUN("-v", "./src:a", "host"), EINVAL, "--volume", "begin with \"/\"");
    CHECK_BAD(RUN("-v", "./src:/", "host"), EINVAL, "--volume", "nothing can be mounted on");
    CHECK_BAD(RUN("-v", "./src:/proc/sys", "host"), EINVAL, "--volume",
              "/proc is the kernel's");
    CHECK_INT(RUN("-v", "./src:/process", "host"), 0);
    CHECK_BAD(RUN("-v", "./src:/a:U", "host"), EINVAL, "--volume", "who owns the files");
    CHECK_BAD(RUN("-v", "./src:/a:O", "host"), EINVAL, "--volume", "overlay on a volume");
    CHECK_BAD(RUN("-v", "./src:/a:fast", "host"), EINVAL, "--volume", "\"fast\" is no option");
    CHECK_BAD(RUN("-v", "./src:/a", "--tmpfs=/a/", "host"), EINVAL, "--tmpfs", "two options");
}

TEST(the_engine_stays_out_of_reach)
{
    char inside[128], beside[128];

    snprintf(inside, sizeof inside, "%s/store/data/in:/a", work);
    snprintf(beside, sizeof beside, "%s/store:/a", work);
    CHECK_BAD(RUN("-v", inside, "host"), EPERM, "--volume", "belongs to pyrootless itself");
    CHECK_BAD(RUN("-v", "./store/run:/a", "host"), EPERM, "--volume", "belongs to pyrootless");
    CHECK_BAD(RUN("--rootfs", "store/data/in", "sh"), EPERM, "--rootfs",
              "belongs to pyrootless");
    CHECK_INT(RUN("-v", beside, "host"), 0);
    CHECK_STR(at("/linux/maskedPaths"),
              "[\"/proc/kcore\",\"/sys/firmware\",\"/a/data\",\"/a/run\"]");
    CHECK_INT(RUN("-v", "./src:/a", "host"), 0); /* beside it, though the name begins alike */
    CHECK_STR(at("/linux/maskedPaths"), "[\"/proc/kcore\",\"/sys/firmware\"]");
    const char *data = facts.data_dir;
    facts.data_dir = "/tmp/none/src";
    CHECK_INT(RUN("--privileged", "-v", "/:/host", "host"), 0);
    CHECK_STR(at("/linux/maskedPaths/0"), "\"/host/tmp/none/src\"");
    char like[128];
    snprintf(like, sizeof like, "%s/sr", work);
    facts.data_dir = like; /* WORK/src is neither in it nor above it */
    CHECK_INT(RUN("-v", "./src:/a", "host"), 0);
    CHECK_STR(at("/linux/maskedPaths/2"), "(none)");
    facts.data_dir = "/usr/none/store"; /* the template's bind of /usr would show it */
    CHECK_INT(RUN("host"), 0);
    CHECK_STR(at("/linux/maskedPaths/2"), "\"/usr/none/store\"");
    facts.data_dir = data;
}

TEST(mount_option)
{
    CHECK_INT(
        RUN("--mount", "type=bind,src=./src,dst=/a,ro", "--mount",
            "type=bind,source=./src,target=/b,readonly,bind-recursive=writable", "--mount",
            "type=tmpfs,destination=/c,tmpfs-size=1m,tmpfs-mode=700,exec", "--mount",
            "type=bind,src=./src,dst=/d,bind-propagation=slave,bind-nonrecursive", "host"),
        0);
    CHECK_STR(mount_options("/a"),
              "[\"rbind\",\"rprivate\",\"nosuid\",\"nodev\",\"ro\",\"rro\"]");
    CHECK_STR(mount_options("/b"), "[\"rbind\",\"rprivate\",\"nosuid\",\"nodev\",\"ro\"]");
    CHECK_STR(mount_options("/c"),
              "[\"nosuid\",\"nodev\",\"exec\",\"rw\",\"size=1m\",\"mode=700\"]");
    CHECK_STR(mount_options("/d"), "[\"bind\",\"slave\",\"nosuid\",\"nodev\",\"rw\"]");
    CHECK_BAD(RUN("--mount=src=./src,dst=/a", "host"), EINVAL, "--mount", "invalid characters");
    CHECK_BAD(RUN("--mount=type=bind,dst=/a", "host"), EINVAL, "--mount", "add src=PATH");
    CHECK_BAD(RUN("--mount=type=bind,src=./src", "host"), EINVAL, "--mount", "add dst=");
    CHECK_BAD(RUN("--mount=type=tmpfs,src=x,dst=/a", "host"), EINVAL, "--mount", "no source");
    CHECK_BAD(RUN("--mount=type=bind,src=./src,dst=/a,what=1", "host"), EINVAL, "--mount",
              "\"what=1\" is not understood");
    CHECK_BAD(RUN("--mount=type=bind,src=./src,dst=/a,bind-propagation=up", "host"), EINVAL,
              "--mount", "bind-propagation=up");
}

TEST(mount_option_is_a_line_of_csv)
{
    CHECK_INT(RUN("--mount", "TYPE=Bind,Source=./src,TARGET=/a,ReadOnly", "--mount",
                  "type=bind,\"src=./a,b\"\"\",dst=/b,", "host"),
              0);
    CHECK_STR(mount_options("/a"),
              "[\"rbind\",\"rprivate\",\"nosuid\",\"nodev\",\"ro\",\"rro\"]");
    CHECK(strstr(mount_on("/b"), "/a,b\\\""));
    CHECK_BAD(RUN("--mount=type=bind,\"src=./src,dst=/a", "host"), EINVAL, "--mount",
              "a quote is not closed");
}

TEST(tmpfs_and_shm)
{
    CHECK_INT(
        RUN("--tmpfs=/a", "--tmpfs", "/b:size=64m,mode=1777,exec,ro", "--shm-size=1m", "host"),
        0);
    CHECK_STR(mount_on("/a"), "{\"destination\":\"/a\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
                              "\"options\":[\"nosuid\",\"nodev\",\"noexec\",\"rw\"]}");
    CHECK_STR(mount_options("/b"),
              "[\"nosuid\",\"nodev\",\"exec\",\"ro\",\"size=64m\",\"mode=1777\"]");
    CHECK_STR(mount_options("/dev/shm"), "[\"nosuid\",\"size=1048576\"]");
    CHECK_INT(RUN("--shm-size=0", "--tmpfs=/x/../y", "host"), 0); /* the default */
    CHECK_STR(mount_options("/dev/shm"), "[\"nosuid\",\"size=65536k\"]");
    CHECK(mount_on("/y"));
    CHECK_BAD(RUN("--tmpfs=/a:size=big", "host"), EINVAL, "--tmpfs",
              "\"size=big\" is no option");
    CHECK_BAD(RUN("--tmpfs=/a:lowerdir=/", "host"), EINVAL, "--tmpfs",
              "is no option of a tmpfs");
    CHECK_BAD(RUN("--tmpfs=a", "host"), EINVAL, "--tmpfs", "begin with \"/\"");
    CHECK_BAD(RUN("--tmpfs=/dev/shm", "--shm-size=1m", "host"), EINVAL, "--shm-size",
              "another option mounts /dev/shm");
}

TEST(read_only)
{
    CHECK_INT(RUN("--read-only", "--tmpfs=/run", "host"), 0);
    CHECK_STR(at("/root/readonly"), "true");
    CHECK_STR(mount_options("/tmp"), "[\"nosuid\",\"nodev\",\"rw\",\"mode=1777\"]");
    CHECK_STR(mount_options("/run"), "[\"nosuid\",\"nodev\",\"noexec\",\"rw\"]");
    CHECK_STR(mount_options("/var/tmp"), "[\"nosuid\",\"nodev\",\"rw\",\"mode=1777\"]");
    CHECK_INT(RUN("--read-only", "--read-only-tmpfs=false", "host"), 0);
    CHECK_STR(mount_on("/tmp"), "(none)");
    CHECK_INT(RUN("--read-only=false", "host"), 0);
    CHECK_STR(at("/root/readonly"), "false");
    CHECK_STR(mount_on("/tmp"), "(none)");
}

TEST(devices)
{
    CHECK_INT(RUN("--device=/dev/null:/dev/nil:rwm", "--device", "/dev/zero", "host"), 0);
    CHECK_STR(mount_on("/dev/nil"),
              "{\"destination\":\"/dev/nil\",\"type\":\"bind\",\"source\":\"/dev/null\","
              "\"options\":[\"bind\",\"rprivate\",\"nosuid\",\"noexec\",\"rw\"]}");
    CHECK(strstr(mount_on("/dev/zero"), "\"source\":\"/dev/zero\""));
    CHECK_BAD(RUN("--device=/dev/null:r", "host"), EINVAL, "--device", "cannot be held");
    CHECK_BAD(RUN("--device=/dev/null:x", "host"), EINVAL, "--device", "are no permissions");
    CHECK_BAD(RUN("--device=/tmp", "host"), EINVAL, "--device", "is not a device");
    CHECK_BAD(RUN("--device=/dev/gone", "host"), ENOENT, "--device", "there is no /dev/gone");
}
