// sources: csrc/spec/**/*.c csrc/base/**/*.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* test_spec_refusals.c: what prl_spec_parse refuses, and in which words.
 * In: a good document and one change of it.  Out: the exact sentence, or none.  Never: a file
 * opened, a container started. */
#include "spec_documents.h"

TEST(wrong_types_are_named)
{
    static const struct change changes[] = {
        {"\"-c\"", "7", "/process/args/1 is a number, expected a string"},
        {"[\"sh\",\"-c\",\"\"]", "\"sh\"", "/process/args is a string, expected an array"},
        {"\"cwd\":\"/work\"", "\"cwd\":null", "/process/cwd is null, expected a string"},
        {"\"terminal\":true", "\"terminal\":1",
         "/process/terminal is a number, expected true or false"},
        {"\"uid\":1", "\"uid\":\"1\"",
         "/process/user/uid is a string, expected a whole number"},
        {"\"uid\":1,", "", "/process/user/uid is missing"},
        {"\"uid\":1", "\"uid\":-1", "/process/user/uid is -1, expected 0 to 4294967294"},
        {"\"uid\":1", "\"uid\":4294967295",
         "/process/user/uid is 4294967295, expected 0 to 4294967294"},
        {"\"uid\":1", "\"uid\":4294967297",
         "/process/user/uid is 4294967297, expected 0 to 4294967294"},
        {"\"uid\":1", "\"uid\":1.5",
         "/process/user/uid is 1.5, expected a whole number from 0 to 4294967294"},
        {"\"uid\":1", "\"uid\":99999999999999999999",
         "/process/user/uid is 1e+20, expected a whole number from 0 to 4294967294"},
        {"\"umask\":63", "\"umask\":512", "/process/user/umask is 512, expected 0 to 511"},
        {"\"additionalGids\":[2,3]", "\"additionalGids\":[2,true]",
         "/process/user/additionalGids/1 is a boolean, expected a whole number"},
        {"-1000", "-1001", "/process/oomScoreAdj is -1001, expected -1000 to 1000"},
        {"-1000", "1001", "/process/oomScoreAdj is 1001, expected -1000 to 1000"},
        {"\"root\":{\"path\":\"/srv/root\",\"readonly\":true}", "\"root\":[]",
         "/root is an array, expected an object"},
        {"{\"type\":\"ipc\"}", "\"ipc\"",
         "/linux/namespaces/3 is a string, expected an object"},
        {"\"kernel/shmmax\":\"65536\"", "\"kernel/shmmax\":65536",
         "/linux/sysctl/kernel/shmmax is a number, expected a string"},
        {"\"org.example\":\"any\"", "\"org.example\":{}",
         "/annotations/org.example is an object, expected a string"},
        {"\"height\":25", "\"height\":65536",
         "/process/consoleSize/height is 65536, expected 0 to 65535"},
        {"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", "\"seccomp\":true",
         "/linux/seccomp is a boolean, expected an object"},
        {"\"size\":1}", "\"size\":0}",
         "/linux/uidMappings/0/size is 0, expected 1 to 4294967295"},
        {0},
    };
    CHECK(check_changes(good, changes));
}

TEST(missing_fields_are_named)
{
    static const struct change changes[] = {
        {"\"ociVersion\":\"1.0.0\",", "", "/ociVersion is missing"},
        {"\"path\":\"/r\"", "", "/root/path is missing"},
        {"\"root\":{\"path\":\"/r\"},", "", "/root is missing"},
        {"\"cwd\":\"/\"", "\"x\":1", "/process/cwd is missing"},
        {"\"args\":[\"true\"],", "", "/process/args is missing"},
        {"\"user\":{\"uid\":0,\"gid\":0},", "", "/process/user is missing"},
        {"\"process\"", "\"proces\"", "/process is missing"},
        {"\"linux\"", "\"Linux\"", "/linux is missing"},
        {"\"namespaces\"", "\"x\"", "/linux/namespaces is missing"},
        {"\"uidMappings\"", "\"x\"",
         "/linux/uidMappings is missing: a user namespace needs it"},
        {"\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}]",
         "\"gidMappings\":[]", "/linux/gidMappings is empty: a user namespace needs it"},
        {0},
    };
    CHECK(check_changes(least, changes));
}

TEST(what_cannot_be_honoured_is_refused)
{
#define ADD_LINUX(text)   "\"namespaces\"", text ",\"namespaces\""
#define ADD_PROCESS(text) "\"cwd\"", text ",\"cwd\""
#define ADD_ROOT(text)    "\"ociVersion\"", text ",\"ociVersion\""
#define LIMIT(name)       " is not supported: pyrootless cannot enforce it"
    static const struct change changes[] = {
        {ADD_ROOT("\"hooks\":{\"prestart\":[{\"path\":\"/x\"}]}"),
         "/hooks is not supported: pyrootless runs no programs of the host around a launch"},
        {ADD_ROOT("\"hooks\":{}"), NULL},
        {ADD_ROOT("\"vm\":{\"kernel\":{}}"),
         "/vm is not supported: pyrootless starts no machines"},
        {ADD_ROOT("\"windows\":{\"x\":1}"),
         "/windows is not supported: pyrootless runs on Linux"},
        {ADD_ROOT("\"solaris\":{\"x\":1}"),
         "/solaris is not supported: pyrootless runs on Linux"},
        {ADD_ROOT("\"zos\":{\"x\":1}"), "/zos is not supported: pyrootless runs on Linux"},
        {ADD_ROOT("\"freebsd\":{\"x\":1}"),
         "/freebsd is not supported: pyrootless runs on Linux"},
        {ADD_PROCESS("\"apparmorProfile\":\"p\""),
         "/process/apparmorProfile is not supported: "
         "pyrootless cannot load or enter an AppArmor "
         "profile"},
        {ADD_PROCESS("\"apparmorProfile\":\"\""), NULL},
        {ADD_PROCESS("\"selinuxLabel\":\"l\""),
         "/process/selinuxLabel is not supported: pyrootless cannot set SELinux labels"},
        {ADD_PROCESS("\"scheduler\":{\"policy\":\"SCHED_FIFO\"}"),
         "/process/scheduler is not supported: pyrootless does not set a scheduling policy"},
        {ADD_PROCESS("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\"}"),
         "/process/ioPriority is not supported: pyrootless does not set an I/O priority"},
        {ADD_PROCESS("\"execCPUAffinity\":{\"initial\":\"0\"}"),
         "/process/execCPUAffinity is not supported: pyrootless does not set the CPUs of a "
         "process"},
        {ADD_PROCESS("\"commandLine\":\"x\""),
         "/process/commandLine is not supported: it belongs to Windows; give args"},
        {"\"user\":{", "\"user\":{\"username\":\"u\",",
         "/process/user/username is not supported: it belongs to Windows; give uid and gid"},
        {ADD_LINUX("\"resources\":{\"memory\":{\"limit\":\"1g\"}}"),
         "/linux/resources/memory/limit is a string, expected a whole number"},
        {ADD_LINUX("\"resources\":{\"memory\":{\"swap\":9}}"),
         "/linux/resources/memory/swap needs a limit beside it: it is memory and swap "
         "together"},
        {ADD_LINUX("\"resources\":{\"memory\":{\"limit\":9,\"swap\":8}}"),
         "/linux/resources/memory/swap is less than the limit, and it is memory and swap "
         "together"},
        {ADD_LINUX("\"resources\":{\"memory\":{\"limit\":-1},\"pids\":{\"limit\":0}}"), NULL},
        {ADD_LINUX("\"resources\":{\"cpu\":{\"quota\":1}}"),
         "/linux/resources/cpu/quota is less than 1000, the least the kernel takes "
         "(microseconds)"},
        {ADD_LINUX("\"resources\":{\"cpu\":{\"cpus\":\"0-\"}}"),
         "/linux/resources/cpu/cpus is \"0-\", expected a list of processors as in 0-2,5"},
        {ADD_LINUX("\"resources\":{\"cpu\":{\"burst\":1}}"),
         "/linux/resources/cpu/burst" LIMIT()},
        {ADD_LINUX("\"resources\":{\"blockIO\":{\"weight\":1}}"),
         "/linux/resources/blockIO/weight" LIMIT()},
        {ADD_LINUX("\"resources\":{\"hugepageLimits\":[{}]}"),
         "/linux/resources/hugepageLimits" LIMIT()},
        {ADD_LINUX("\"resources\":{\"network\":{\"classID\":1}}"),
         "/linux/resources/network" LIMIT()},
        {ADD_LINUX("\"resources\":{\"rdma\":{\"d\":{}}}"), "/linux/resources/rdma" LIMIT()},
        {ADD_LINUX("\"resources\":{\"unified\":{\"io.max\":\"1\"}}"),
         "/linux/resources/unified" LIMIT()},
        {ADD_LINUX("\"resources\":{\"hugepageLimits\":[],\"unified\":{},\"devices\":[]}"),
         NULL},
        {ADD_LINUX("\"intelRdt\":{\"closID\":\"a\"}"), "/linux/intelRdt" LIMIT()},
        {ADD_LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_BIND\"}"), "/linux/memoryPolicy" LIMIT()},
        {ADD_LINUX("\"netDevices\":{\"eth0\":{}}"),
         "/linux/netDevices is not supported: a network device cannot be moved without "
         "privileges on the host"},
        {ADD_LINUX("\"timeOffsets\":{\"monotonic\":{\"secs\":1}}"),
         "/linux/timeOffsets is not supported: pyrootless cannot move the container's clocks"},
        {ADD_LINUX("\"mountLabel\":\"l\""),
         "/linux/mountLabel is not supported: pyrootless cannot set SELinux labels"},
        {ADD_LINUX("\"personality\":{\"domain\":\"LINUX32\"}"),
         "/linux/personality/domain is \"LINUX32\", which is not supported: only LINUX is"},
        {ADD_LINUX("\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"x\"]}"),
         "/linux/personality/flags is not supported: the runtime specification defines no "
         "flag"},
        {ADD_LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_KILL\"}"),
         "linux.seccomp needs a compiled program: run it through `pyrootless run --spec`"},
        {"{\"type\":\"pid\"}", "{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"}",
         "/linux/namespaces/2/path is not supported: joining a namespace by path is not "
         "possible yet"},
        {0},
    };
    CHECK(check_changes(least, changes));
}

TEST(process_values_are_checked)
{
    static const struct change changes[] = {
        {"\"1.2.0\"", "\"2.0.0\"", "/ociVersion is \"2.0.0\", expected 1.x.y"},
        {"\"1.2.0\"", "\"1.\"", "/ociVersion is \"1.\", expected 1.x.y"},
        {"\"1.2.0\"", "\"1.2.0x\"", "/ociVersion is \"1.2.0x\", expected 1.x.y"},
        {"\"1.2.0\"", "\"1.2.0-rc.1+b\"", NULL},
        {"\"/srv/root\"", "\"rootfs\"",
         "/root/path is \"rootfs\", expected an absolute path: put the bundle's directory in "
         "front"},
        {"[\"sh\",\"-c\",\"\"]", "[]", "/process/args is empty, expected a program"},
        {"[\"sh\",\"-c\",\"\"]", "[\"\"]", "/process/args/0 is empty, expected a program"},
        {"\"EMPTY=\"", "\"EMPTY\"", "/process/env/1 is \"EMPTY\", expected NAME=value"},
        {"\"EMPTY=\"", "\"=x\"", "/process/env/1 is \"=x\", expected NAME=value"},
        {"\"cwd\":\"/work\"", "\"cwd\":\"work\"",
         "/process/cwd is \"work\", expected an absolute path"},
        {"\"CAP_KILL\"", "\"CAP_NONE\"",
         "/process/capabilities/permitted/0 is \"CAP_NONE\", which is no capability"},
        {"\"CAP_KILL\"", "\"kill\"",
         "/process/capabilities/permitted/0 is \"kill\", which is no capability"},
        {"\"RLIMIT_NOFILE\"", "\"NOFILE\"",
         "/process/rlimits/0/type is \"NOFILE\", which is no limit"},
        {"\"hard\":18446744073709551615", "\"hard\":1023",
         "/process/rlimits/0: soft is above hard"},
        {"\"hard\":18446744073709551615", "\"hard\":18446744073709551616",
         "/process/rlimits/0/hard is 1.8446744073709552e+19, expected a whole number from 0 to "
         "18446744073709551615"},
        {"\"rlimits\":[", "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":1},",
         "/process/rlimits/1: RLIMIT_NOFILE is there twice"},
        {"\"hostname\":\"box\"",
         "\"hostname\":\"0123456789012345678901234567890123456789012345678901234567890123\"",
         NULL},
        {"\"hostname\":\"box\"",
         "\"hostname\":\"01234567890123456789012345678901234567890123456789012345678901234\"",
         "/hostname has 65 bytes, at most 64 are allowed"},
        {"\"hostname\":\"box\"", "\"hostname\":\"\"", NULL},
        {"{\"type\":\"uts\"},", "", "/hostname needs a \"uts\" namespace in /linux/namespaces"},
        {0},
    };
    CHECK(check_changes(good, changes));
}

TEST(ids_are_checked)
{
    static const struct change changes[] = {
        {"\"uid\":1,", "\"uid\":65537,",
         "/process/user/uid is 65537, which /linux/uidMappings lacks"},
        {"\"uid\":1,", "\"uid\":65536,", NULL},
        {"\"gid\":2,", "\"gid\":65536,",
         "/process/user/gid is 65536, which /linux/gidMappings lacks"},
        {"[2,3]", "[2,70000]",
         "/process/user/additionalGids/1 is 70000, which /linux/gidMappings lacks"},
        {"\"containerID\":1,", "\"containerID\":0,",
         "/linux/uidMappings/1 overlaps /linux/uidMappings/0"},
        {"\"hostID\":1000,", "\"hostID\":165535,",
         "/linux/uidMappings/1 overlaps /linux/uidMappings/0"},
        {"\"hostID\":1000,", "\"hostID\":165536,", NULL},
        {"\"hostID\":1000,", "\"hostID\":99999,", NULL},
        {"\"hostID\":1000,", "\"hostID\":4294967294,", NULL},
        {"\"size\":1}", "\"size\":4294967295}",
         "/linux/uidMappings/0 reaches beyond id 4294967294"},
        {0},
    };
    CHECK(check_changes(good, changes));
}

TEST(linux_values_are_checked)
{
    static const struct change changes[] = {
        {"{\"type\":\"ipc\"}", "{\"type\":\"net\"}",
         "/linux/namespaces/3/type is \"net\", which is no namespace"},
        {"{\"type\":\"ipc\"}", "{\"type\":\"pid\"}",
         "/linux/namespaces/3: \"pid\" is there twice"},
        {"{\"type\":\"user\"},", "",
         "/linux/namespaces has no \"user\": every container is made without privileges"},
        {"{\"type\":\"mount\"},", "",
         "/linux/namespaces has no \"mount\": the host's mounts must stay as they are"},
        {"{\"type\":\"pid\"},", "",
         "/linux/namespaces has no \"pid\": a container ends with its first process"},
        {"{\"type\":\"network\"},", "",
         "/linux/sysctl/net.ipv4.conf.eth0/1.rp_filter needs a \"network\" namespace"},
        {"{\"type\":\"ipc\"},", "", "/linux/sysctl/kernel/shmmax needs a \"ipc\" namespace"},
        {"\"kernel/shmmax\"", "\"../etc/passwd\"",
         "/linux/sysctl has the key \"../etc/passwd\", which names no sysctl"},
        {"\"kernel/shmmax\"", "\"kernel/../shmmax\"",
         "/linux/sysctl has the key \"kernel/../shmmax\", which names no sysctl"},
        {"\"kernel/shmmax\"", "\"/kernel\"",
         "/linux/sysctl has the key \"/kernel\", which names no sysctl"},
        {"\"kernel/shmmax\"", "\"kernel..shmmax\"",
         "/linux/sysctl has the key \"kernel..shmmax\", which names no sysctl"},
        {"\"kernel/shmmax\"", "\"kernel.\"",
         "/linux/sysctl has the key \"kernel.\", which names no sysctl"},
        {"\"kernel/shmmax\"", "\"\"", "/linux/sysctl has the key \"\", which names no sysctl"},
        {"\"/proc/kcore\"", "\"proc/kcore\"",
         "/linux/maskedPaths/0 is \"proc/kcore\", expected an absolute path"},
        {"\"/proc/kcore\"", "\"/proc/../etc\"",
         "/linux/maskedPaths/0 is \"/proc/../etc\": \"..\" is not allowed"},
        {"\"/proc/sys\"", "\"/./\"", "/linux/readonlyPaths/0 is the root itself"},
        {"\"rootfsPropagation\":\"rslave\"", "\"rootfsPropagation\":\"some\"",
         "/linux/rootfsPropagation is \"some\", expected private, shared, slave or unbindable"},
        {"\"rootfsPropagation\":\"rslave\"", "\"rootfsPropagation\":\"\"", NULL},
        {"\"type\":\"u\"", "\"type\":\"p\"",
         "/linux/devices/0/type is \"p\": a FIFO is not supported, let the program make it"},
        {"\"type\":\"u\"", "\"type\":\"\"",
         "/linux/devices/0/type is \"\", expected c, u or b"},
        {"\"type\":\"u\"", "\"type\":\"b\"",
         "/linux/devices/0/fileMode is 020666, which is another kind of file"},
        {"\"major\":10,", "", "/linux/devices/0/major is missing"},
        {"\"minor\":229", "\"minor\":1048576",
         "/linux/devices/0/minor is 1048576, expected 0 to 1048575"},
        {"\"/dev//fuse\"", "\"fuse\"",
         "/linux/devices/0/path is \"fuse\", expected an absolute path"},
        {0},
    };
    CHECK(check_changes(good, changes));
}

TEST(mount_values_are_checked)
{
#define NOT_SUPPORTED(word, why)                                                               \
    "/mounts/1/options/1 is \"" word "\", which is not supported: " why
#define WHOLE "it would change the file system for everybody who has it mounted"
    static const struct change changes[] = {
        {"\"//dev/./shm/\"", "\"dev/shm\"",
         "/mounts/1/destination is \"dev/shm\", expected an absolute path"},
        {"\"//dev/./shm/\"", "\"/dev/../shm\"",
         "/mounts/1/destination is \"/dev/../shm\": \"..\" is not allowed"},
        {"\"//dev/./shm/\"", "\"//.//\"",
         "/mounts/1/destination is the root itself: choose it with /root/path"},
        {"\"type\":\"tmpfs\",", "",
         "/mounts/1/type is missing, and no option says that this is a bind mount"},
        {"\"source\":\"/srv/data\",", "", "/mounts/2/source is missing: a bind mount needs it"},
        {"\"/srv/data\"", "\"data\"",
         "/mounts/2/source is \"data\", expected an absolute path"},
        {"\"rnosuid\"", "\"readonly\"",
         "/mounts/2/options/2 is \"readonly\", which is no option of a bind mount"},
        {"\"rnosuid\"", "\"rrw\"",
         "/mounts/2/options/2 is \"rrw\", which is not supported: flags of mounts below it can "
         "be added, not taken away"},
        {"\"rnosuid\"", "\"rdefaults\"",
         "/mounts/2/options/2 is \"rdefaults\", which is no option of a bind mount"},
        {"\"rnosuid\"", "\"rnorelatime\"", NULL},
        {"\"size=64k\"", "\"remount\"", NOT_SUPPORTED("remount", "each entry makes one mount")},
        {"\"size=64k\"", "\"tmpcopyup\"",
         NOT_SUPPORTED("tmpcopyup", "nothing is copied into a fresh tmpfs")},
        {"\"size=64k\"", "\"idmap\"",
         NOT_SUPPORTED("idmap", "the ids of a single mount cannot be mapped")},
        {"\"size=64k\"", "\"sync\"", NOT_SUPPORTED("sync", WHOLE)},
        {"\"size=64k\"", "\"\"", "/mounts/1/options/1 is empty"},
        {"\"size=64k\"", "\"ro,nosuid\"",
         "/mounts/1/options/1 is \"ro,nosuid\": each option must be an element of its own"},
        {"\"size=64k\"", "\"mpol=bind:0,2\"", NULL},
        {"\"type\":\"tmpfs\",", "\"type\":\"tmpfs\",\"uidMappings\":[{}],",
         "/mounts/1/uidMappings is not supported: the ids of a single mount cannot be mapped"},
        {0},
    };
    CHECK(check_changes(good, changes));
}

TEST(mount_data_has_a_limit)
{
    struct prl_error error;
    char option[4200];
    memset(option, 'x', sizeof option);
    memcpy(option, "\"a=", 3);
    option[1 + 4084] = '"'; /* with ",mode=1777" before and after: 4084 + 1 + 9 = 4094 */
    option[2 + 4084] = '\0';
    char *json = with(good, "\"size=64k\"", option);
    struct prl_spec *spec = parse(json, &error);
    CHECK_STR(spec ? "" : error.subject, "");
    CHECK_INT(strlen(spec->mounts[1].data), 4094);
    prl_spec_free(spec);
    free(json);
    memcpy(option + 1 + 4084, "xx\"", 4);
    json = with(good, "\"size=64k\"", option);
    CHECK(parse(json, &error) == NULL);
    CHECK_STR(error.subject, "/mounts/1/options have more than 4095 bytes");
    free(json);
}

TEST(annotation_values_are_checked)
{
#define A        "/annotations/io.pyrootless."
#define K(name)  "\"io.pyrootless." name "\":"
#define NUMBER64 ", expected a whole number from 0 to 18446744073709551615"
    static const struct change changes[] = {
        {"\"tmpfs\",\"io", "\"ram\",\"io", A "rootfs.upper is \"ram\", expected tmpfs or disk"},
        {"\"tmpfs\",\"io", "\"disk\",\"io",
         A "rootfs.upper needs io.pyrootless.rootfs.upper.path and "
           "io.pyrootless.rootfs.upper.work"},
        {K("rootfs.upper") "\"tmpfs\",", "",
         A "rootfs.upper.size needs io.pyrootless.rootfs.upper \"tmpfs\""},
        {K("landlock"), K("rootfs.upper.path") "\"/u\"," K("landlock"),
         A "rootfs.upper.path needs io.pyrootless.rootfs.upper \"disk\""},
        {K("landlock"), K("rootfs.upper.work") "\"/u\"," K("landlock"),
         A "rootfs.upper.work needs io.pyrootless.rootfs.upper \"disk\""},
        {K("landlock"), K("rootfs.driver") "\"vfs\"," K("landlock"),
         A "rootfs.driver is \"vfs\", expected overlay or fuse-overlayfs"},
        {K("landlock"), K("rootfs.driver") "\"fuse-overlayfs\"," K("landlock"),
         A "rootfs.fuse.program must name the program of the driver fuse-overlayfs"},
        {K("landlock"), K("rootfs.fuse.program") "\"/p\"," K("landlock"),
         A "rootfs.fuse.program needs the driver fuse-overlayfs"},
        {K("rootfs.lower"), "\"x\":", A "rootfs.upper needs io.pyrootless.rootfs.lower"},
        {"/layers/b\\n/layers/a", "/layers/b\\n",
         A "rootfs.lower is \"/layers/b?\", expected absolute directories, one a line"},
        {"/layers/b\\n/layers/a", "",
         A "rootfs.lower is \"\", expected absolute directories, one a line"},
        {"\"1048576\"", "\"1m\"", A "rootfs.upper.size is \"1m\"" NUMBER64},
        {"\"1048576\"", "\"\"", A "rootfs.upper.size is \"\"" NUMBER64},
        {"\"1048576\"", "\" 1\"", A "rootfs.upper.size is \" 1\"" NUMBER64},
        {"\"1048576\"", "\"-1\"", A "rootfs.upper.size is \"-1\"" NUMBER64},
        {"\"1048576\"", "\"18446744073709551616\"",
         A "rootfs.upper.size is \"18446744073709551616\"" NUMBER64},
        {"volatile\":\"1\"", "volatile\":\"yes\"",
         A "rootfs.upper.volatile is \"yes\", expected 0 or 1"},
        {"\"/cache/x.bpf\"", "\"x.bpf\"",
         A "seccomp.program is \"x.bpf\", expected an absolute path"},
        {"\"sha256:00", "\"sha256:0",
         A
         "seccomp.digest is "
         "\"sha256:0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\", expected "
         "sha256: and 64 hexadecimal digits"},
        {"\"sha256:00", "\"sha256:0G",
         A "seccomp.digest is "
           "\"sha256:0G112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\", "
           "expected sha256: and 64 hexadecimal digits"},
        {K("seccomp.program"),
         "\"x\":", A "seccomp.digest needs io.pyrootless.seccomp.program"},
        {"\"inherit\"", "\"old\"", A "keyring is \"old\", expected new or inherit"},
        {"signal\":\"2\"", "signal\":\"TERM\"",
         A "stop-signal is \"TERM\", expected a whole number from 0 to 64"},
        {"signal\":\"2\"", "signal\":\"65\"",
         A "stop-signal is \"65\", expected a whole number from 0 to 64"},
        {"signal\":\"2\"", "signal\":\"0\"",
         A "stop-signal is \"0\", expected a whole number from 1 to 64"},
        {"init\":\"1\"", "init\":\"2\"", A "init is \"2\", expected 0 or 1"},
        {0},
    };
    CHECK(check_changes(good, changes));
}

TEST(lower_needs_an_upper)
{
    static const char lower[] = "\"linux\":{";
    static const char added[] =
        "\"annotations\":{\"io.pyrootless.rootfs.lower\":\"/l\"},\"linux\":{";
    struct prl_error error;
    char *json = with(least, lower, added);
    CHECK(parse(json, &error) == NULL);
    CHECK_STR(error.subject, "/annotations/io.pyrootless.rootfs.lower needs "
                             "io.pyrootless.rootfs.upper");
    free(json);
}
