// sources: csrc/config/life/policy.c
// sources: csrc/config/users/*.c
// sources: csrc/spec/**/*.c csrc/userns/*.c csrc/base/**/*.c csrc/config/*.c
// sources: csrc/config/options/*.c csrc/config/rootfs/*.c csrc/config/network/allow.c
// sources: csrc/config/network/facts.c csrc/config/network/helper.c
// sources: csrc/config/network/resolv.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* test_config.c: options + template → config.json: every option's effect but those of mounts.
 * In: command lines.  Out: exact JSON, exact errors.  Never: a launch. */
#include "config_fixture.h"

TEST(defaults)
{
    CHECK_INT(RUN("host"), 0);
    CHECK_STR(at("/process/args"), "[\"/entry\",\"one\",\"two\"]");
    CHECK_STR(at("/process/env"), "[\"PATH=/bin\",\"HOME=/home\",\"HOSTNAME=0123456789ab\"]");
    CHECK_STR(at("/process/cwd"), "\"/work\"");
    CHECK_STR(at("/process/capabilities/bounding"), "[\"CAP_CHOWN\",\"CAP_KILL\"]");
    CHECK_STR(at("/process/capabilities/effective"), "[\"CAP_CHOWN\",\"CAP_KILL\"]");
    CHECK_STR(at("/process/capabilities/inheritable"), "[]");
    CHECK_STR(at("/process/capabilities/ambient"), "[]");
    CHECK_STR(at("/linux/uidMappings"), "[{\"containerID\":0,\"hostID\":5000,\"size\":1}]");
    CHECK_STR(at("/linux/gidMappings"), "[{\"containerID\":0,\"hostID\":5001,\"size\":1}]");
    CHECK_STR(at("/hostname"), "\"0123456789ab\"");
    CHECK_STR(note("id"), "\"" ID "\"");
    CHECK_STR(note("name"), "(none)");
    CHECK_STR(note("image"), "\"host\"");
    CHECK_STR(note("template.version"), "(none)");
    CHECK_STR(note("template.sources"), "(none)");
    CHECK_STR(note("image.cmd"), "(none)");
    CHECK_STR(note("rootfs.upper"), "\"disk\"");
    CHECK_STR(note("rootfs.upper.path"), "\"WORK/store/data/c/upper\"");
    CHECK_STR(note("rootfs.upper.work"), "\"WORK/store/data/c/work\"");
    CHECK_STR(note("rootfs.upper.volatile"), "\"0\"");
    CHECK_STR(note("landlock"), "\"1\"");
    CHECK_STR(note("keyring"), "\"inherit\"");
    CHECK_STR(mount_on("/etc/hostname"), "(none)");
}

TEST(arguments_follow_docker)
{
    CHECK_INT(RUN("host", "ls", "-l"), 0);
    CHECK_STR(at("/process/args"), "[\"/entry\",\"ls\",\"-l\"]");
    CHECK_INT(RUN("--entrypoint=/x", "host"), 0);
    CHECK_STR(at("/process/args"), "[\"/x\"]");
    CHECK_INT(RUN("--entrypoint=/x", "host", "y"), 0);
    CHECK_STR(at("/process/args"), "[\"/x\",\"y\"]");
    CHECK_INT(RUN("--entrypoint", "[\"/x\",\"-c\"]", "host", "y"), 0);
    CHECK_STR(at("/process/args"), "[\"/x\",\"-c\",\"y\"]");
    CHECK_INT(RUN("--entrypoint=", "host", "y"), 0);
    CHECK_STR(at("/process/args"), "[\"y\"]");
    CHECK_BAD(RUN("--entrypoint=", "host"), EINVAL, "PROGRAM", "which program to run");
    CHECK_BAD(RUN("--entrypoint=[1]", "host"), EINVAL, "--entrypoint", "JSON array");
}

TEST(environment)
{
    setenv("PRL_GIVEN", "from caller", 1);
    unsetenv("PRL_ABSENT");
    CHECK_INT(RUN("-e", "A=1", "-e", "PATH=/x", "-e", "PRL_GIVEN", "-ePRL_ABSENT", "-eA=2",
                  "-eE=", "host"),
              0);
    CHECK_STR(at("/process/env"),
              "[\"PATH=/x\",\"HOME=/home\",\"A=2\",\"PRL_GIVEN=from caller\",\"E=\","
              "\"HOSTNAME=0123456789ab\"]");
    unsetenv("HOME_ABSENT");
    CHECK_INT(RUN("-e", "A=1", "-e", "A", "host"), 0);
    CHECK_STR(at("/process/env"), "[\"PATH=/bin\",\"HOME=/home\",\"HOSTNAME=0123456789ab\"]");
    CHECK_BAD(RUN("-e=x", "-e", "=y", "host"), EINVAL, "--env", "has no name");
}

TEST(host_name_in_the_environment)
{
    char name[65], line[96];
    CHECK_INT(RUN("-h", "box", "host"), 0);
    CHECK_STR(at("/process/env/2"), "\"HOSTNAME=box\"");
    CHECK_INT(RUN("-h", "box", "-e", "HOSTNAME=mine", "host"), 0);
    CHECK_STR(at("/process/env/2"), "\"HOSTNAME=mine\"");
    CHECK_STR(at("/process/env/3"), "(none)");
    unsetenv("HOSTNAME");
    CHECK_INT(RUN("-e", "HOSTNAME", "host"), 0);
    CHECK_STR(at("/process/env/2"), "(none)");
    CHECK_INT(RUN("--network=host", "host"), 0);
    CHECK_INT(gethostname(name, sizeof name), 0);
    snprintf(line, sizeof line, "\"HOSTNAME=%s\"", name);
    CHECK_STR(at("/process/env/2"), line);
}

TEST(environment_files)
{
    setenv("PRL_GIVEN", "v", 1);
    unsetenv("PRL_ABSENT");
    make_file("env", "\xef\xbb\xbf"
                     "# comment\n\n  A= b \r\nPRL_GIVEN\nPRL_ABSENT\nQ=\"x\"\nB=1=2");
    CHECK_INT(RUN("-e", "Q=mine", "--env-file=env", "host"), 0);
    CHECK_STR(at("/process/env"), "[\"PATH=/bin\",\"HOME=/home\",\"A= b \",\"PRL_GIVEN=v\","
                                  "\"Q=mine\",\"B=1=2\",\"HOSTNAME=0123456789ab\"]");
    make_file("env", "A B=1\n");
    CHECK_BAD(RUN("--env-file=env", "host"), EINVAL, "--env-file", "white space");
    make_file("env", "=1\n");
    CHECK_BAD(RUN("--env-file=env", "host"), EINVAL, "--env-file", "no name before");
    CHECK_BAD(RUN("--env-file=gone", "host"), ENOENT, "--env-file", "gone cannot be opened");
    CHECK_BAD(RUN("--env-file=/dev/zero", "host"), EINVAL, "--env-file", "not a file of text");
    CHECK_BAD(RUN("--env-file=src", "host"), EINVAL, "--env-file", "not a file of text");
}

TEST(users)
{
    CHECK_INT(RUN("-u", "alice", "host"), 0);
    CHECK_STR(at("/process/user"), "{\"uid\":1000,\"gid\":1001}");
    CHECK_STR(at("/linux/uidMappings"), "[{\"containerID\":1000,\"hostID\":5000,\"size\":1}]");
    CHECK_STR(at("/linux/gidMappings"), "[{\"containerID\":1001,\"hostID\":5001,\"size\":1}]");
    CHECK_STR(at("/process/env"),
              "[\"PATH=/bin\",\"HOME=/home/alice\",\"HOSTNAME=0123456789ab\"]");
    CHECK_INT(RUN("-u", "7:8", "-e", "HOME=/mine", "host"), 0);
    CHECK_STR(at("/process/user"), "{\"uid\":7,\"gid\":8}");
    CHECK_STR(at("/process/env"), "[\"PATH=/bin\",\"HOME=/mine\",\"HOSTNAME=0123456789ab\"]");
    make_file("env", "HOME=/file\n");
    CHECK_INT(RUN("-u", "7", "--env-file=env", "host"), 0);
    CHECK_STR(at("/process/env"), "[\"PATH=/bin\",\"HOME=/file\",\"HOSTNAME=0123456789ab\"]");
    CHECK_BAD(RUN("-u", "bob", "host"), ESRCH, "--user", "has no user \"bob\"");
}

/* An annotation more in the template. */
static void put_note(const char *text)
{
    static const char mark[] = "\"annotations\":{";
    char *at = strstr(template_json, mark) + sizeof mark - 1;
    size_t rest = strlen(at) + 1, len = strlen(text);
    if (at + rest + len > template_json + sizeof template_json)
        exit(99);
    memmove(at + len, at, rest);
    memcpy(at, text, len);
}

TEST(a_user_the_image_names_and_lacks)
{
    put_note("\"io.pyrootless.image.user\":\"bob\",");
    CHECK_BAD(RUN("host"), ESRCH, "--user", "has no user \"bob\"");
    CHECK_INT(RUN("-u", "alice", "host"), 0);
    CHECK_STR(at("/process/user"), "{\"uid\":1000,\"gid\":1001}");
    CHECK_STR(note("image.user"), "(none)");
}

TEST(the_image_is_named_as_it_was_asked_for)
{
    CHECK_INT(RUN("debian:12"), 0);
    CHECK_STR(note("image"), "\"debian:12\"");
    CHECK_INT(RUN("sha256:00"), 0);
    CHECK_STR(note("image"), "\"host\""); /* what the template says */
}

TEST(storage_driver)
{
    CHECK_INT(RUN("host"), 0);
    CHECK_STR(note("rootfs.driver"), "(none)");
    CHECK_INT(RUN("--storage-driver=auto", "host"), 0);
    CHECK_STR(note("rootfs.driver"), "(none)");
    CHECK_INT(RUN("--storage-driver=overlay", "host"), 0);
    CHECK_STR(note("rootfs.driver"), "\"overlay\"");
    CHECK_STR(note("rootfs.fuse.program"), "(none)");
    CHECK_BAD(RUN("--storage-driver=vfs", "host"), EINVAL, "--storage-driver",
              "\"vfs\" is no driver: overlay, fuse-overlayfs or auto");
}

TEST(directory_terminal_and_limits)
{
    CHECK_INT(RUN("-w", "/a//b/", "--ulimit=nofile=5:6", "--ulimit", "nofile=7",
                  "--ulimit=core=-1", "host"),
              0);
    CHECK_STR(at("/process/cwd"), "\"/a/b\"");
    CHECK_STR(at("/process/rlimits"),
              "[{\"type\":\"RLIMIT_NOFILE\",\"soft\":7,\"hard\":7},{\"type\":\"RLIMIT_CORE\","
              "\"soft\":18446744073709551615,\"hard\":18446744073709551615}]");
    CHECK_BAD(RUN("-w", "a", "host"), EINVAL, "--workdir", "begin with \"/\"");
    facts.rows = 24;
    facts.columns = 80;
    CHECK_INT(RUN("-t", "host"), 0);
    CHECK_STR(at("/process/terminal"), "true");
    CHECK_STR(at("/process/consoleSize"), "{\"height\":24,\"width\":80}");
    CHECK_STR(at("/process/env/2"), "\"TERM=xterm\"");
    facts.rows = facts.columns = 0;
    CHECK_INT(RUN("-t", "-eTERM=vt100", "host"), 0);
    CHECK_STR(at("/process/env/2"), "\"TERM=vt100\"");
    CHECK_STR(at("/process/env/3"), "\"HOSTNAME=0123456789ab\"");
    CHECK_STR(at("/process/env/4"), "(none)");
    CHECK_STR(at("/process/consoleSize"), "(none)");
}

TEST(notes_of_the_launch)
{
    CHECK_INT(RUN("--init", "--stop-signal=INT", "--stop-timeout=3", "--timeout=1.5s",
                  "--name=n", "--rm", "host"),
              0);
    CHECK_STR(note("init"), "\"1\"");
    CHECK_STR(note("stop-signal"), "\"2\"");
    CHECK_STR(note("stop-timeout"), "\"3\"");
    CHECK_STR(note("wall-limit-ns"), "\"1500000000\"");
    CHECK_STR(note("name"), "\"n\"");
    CHECK_STR(note("rootfs.upper.volatile"), "\"1\"");
}

TEST(ephemeral)
{
    CHECK_INT(RUN("--ephemeral", "--ephemeral-size=64m", "--ephemeral-inodes=1000", "host"), 0);
    CHECK_STR(note("rootfs.upper"), "\"tmpfs\"");
    CHECK_STR(note("rootfs.upper.size"), "\"67108864\"");
    CHECK_STR(note("rootfs.upper.inodes"), "\"1000\"");
    CHECK_STR(note("rootfs.upper.path"), "(none)");
    CHECK_STR(mount_options("/etc/hosts"),
              "[\"bind\",\"rprivate\",\"nosuid\",\"nodev\",\"noexec\",\"ro\"]");
}

TEST(labels_and_annotations)
{
    make_file("labels", "x=file\nalone\n");
    CHECK_INT(RUN("-l", "a.b=1", "--label=flag", "-lx=line", "--label-file=labels",
                  "--annotation=org.example=v=w", "host"),
              0);
    CHECK_STR(note("label.a.b"), "\"1\"");
    CHECK_STR(note("label.flag"), "\"\"");
    CHECK_STR(note("label.x"), "\"line\"");
    CHECK_STR(note("label.alone"), "(none)"); /* as docker reads such a file */
    CHECK_STR(at("/annotations/org.example"), "\"v=w\"");
    CHECK_BAD(RUN("--annotation=x", "host"), EINVAL, "--annotation", "KEY=VALUE");
    CHECK_BAD(RUN("--annotation=io.pyrootless.landlock=0", "host"), EINVAL, "--annotation",
              "the engine's own");
    CHECK_BAD(RUN("--label==v", "host"), EINVAL, "--label", "KEY=VALUE");
}

TEST(namespaces_that_are_the_hosts)
{
    CHECK_INT(RUN("--ipc=private", "--uts=private", "--cgroupns=private", "host"), 0);
    const char *own = strdup(at("/linux/namespaces"));
    CHECK(strstr(own, "ipc") && strstr(own, "uts"));
    free((char *)own);
    CHECK_INT(RUN("--ipc=host", "--uts=host", "--cgroupns=host", "host"), 0);
    CHECK(!strstr(at("/linux/namespaces"), "ipc") && !strstr(at("/linux/namespaces"), "uts"));
    CHECK(!strstr(at("/linux/namespaces"), "cgroup"));
    CHECK_STR(at("/hostname"), "(none)");
    CHECK(strstr(at("/mounts"), "\"destination\":\"/dev/shm\",\"type\":\"bind\""));
    CHECK_INT(RUN("--ipc=none", "host"), 0);
    CHECK(!strstr(at("/mounts"), "/dev/shm"));
    CHECK_BAD(RUN("--ipc=container:web", "host"), EOPNOTSUPP, "--ipc", "pyrootless exec");
    CHECK_BAD(RUN("--ipc=all", "host"), EINVAL, "--ipc", "is not understood");
    CHECK_BAD(RUN("--ipc=host", "--shm-size=1m", "host"), EINVAL, "--shm-size", "the host's");
    CHECK_BAD(RUN("--uts=host", "-h", "x", "host"), EINVAL, "--uts", "cannot be changed");
    CHECK_BAD(RUN("--uts=all", "host"), EINVAL, "--uts", "is not understood");
    CHECK_BAD(RUN("--cgroupns=all", "host"), EINVAL, "--cgroupns", "is not understood");
    CHECK_INT(RUN("--domainname=example.org", "host"), 0);
    CHECK_STR(at("/domainname"), "\"example.org\"");
}

TEST(exposed_ports_and_scores)
{
    CHECK_INT(RUN("--expose=80-81/udp", "--expose", "443", "host"), 0);
    CHECK_STR(note("image.ports"), "\"80/udp\\n81/udp\\n443/tcp\"");
    CHECK_INT(RUN("--oom-score-adj=1000", "host"), 0);
    CHECK_STR(at("/process/oomScoreAdj"), "1000");
    CHECK_BAD(RUN("--oom-score-adj=1001", "host"), EINVAL, "--oom-score-adj", "-1000 to 1000");
    CHECK_BAD(RUN("--oom-score-adj=-1000", "host"), EPERM, "--oom-score-adj",
              "only the machine's root");
    CHECK_INT(RUN("--ephemeral", "--storage-opt=size=16m", "host"), 0);
    CHECK_STR(note("rootfs.upper.size"), "\"16777216\"");
}

TEST(networks)
{
    CHECK_INT(RUN("--network=none", "host"), 0);
    CHECK_STR(at("/linux/namespaces"), OWN_NETWORK);
    CHECK_INT(RUN("--network", "host", "host"), 0);
    CHECK_STR(at("/linux/namespaces"),
              "[{\"type\":\"pid\"},{\"type\":\"mount\"},"
              "{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"user\"}]");
    CHECK_STR(mount_on("/sys"),
              "{\"destination\":\"/sys\",\"type\":\"bind\",\"source\":\"/sys\",\"options\":["
              "\"rbind\",\"rprivate\",\"nosuid\",\"nodev\",\"noexec\",\"ro\",\"rro\"]}");
    CHECK_STR(at("/hostname"), "(none)");
    CHECK_STR(mount_on("/etc/hosts"), "(none)");
    CHECK_STR(mount_options("/etc/resolv.conf"),
              "[\"bind\",\"rprivate\",\"nosuid\",\"nodev\",\"noexec\",\"rw\"]");
    CHECK_INT(RUN("--network", "host", "-h", "box", "host"), 0);
    CHECK_STR(at("/hostname"), "\"box\"");
    /* A tree of one's own has none of the image's binds; the host's /sys is not the image's. */
    CHECK_INT(RUN("--network=host", "-v", "./src:/lent", "--rootfs", "image", "sh"), 0);
    CHECK_STR(mount_on("/usr"), "(none)");
    CHECK_STR(mount_options("/sys"), "[\"rbind\",\"rprivate\",\"nosuid\",\"nodev\","
                                     "\"noexec\",\"ro\",\"rro\"]");
    CHECK_STR(mount_options("/lent"), "[\"rbind\",\"rprivate\",\"nosuid\",\"nodev\",\"rw\"]");
    CHECK_INT(RUN("--sysctl=net.ipv4.ip_forward=1", "--sysctl", "kernel.sem=1 2", "host"), 0);
    CHECK_STR(at("/linux/sysctl"), "{\"net.ipv4.ip_forward\":\"1\",\"kernel.sem\":\"1 2\"}");
    CHECK_BAD(RUN("--network=host", "--sysctl=net.ipv4.ip_forward=1", "host"), EINVAL,
              "--sysctl", "--network host");
    CHECK_BAD(RUN("--sysctl=kernel.hostname=x", "host"), EINVAL, "--sysctl",
              "not the container's");
}

TEST(small_files)
{
    struct prl_config_file files[PRL_CONFIG_FILES];

    CHECK_INT(RUN("--dns=192.0.2.1", "--dns=fd00::53", "--dns-search=a.example",
                  "--dns-search=b.example", "--dns-option=ndots:2", "--rootfs", "image", "sh"),
              0);
    CHECK_STR(mount_options("/etc/resolv.conf"),
              "[\"bind\",\"rprivate\",\"nosuid\",\"nodev\",\"noexec\",\"rw\"]");
    CHECK_INT(prl_config_files(&options, &facts, files, &error), 1);
    CHECK_STR(files[0].name, "resolv.conf");
    CHECK_STR(files[0].content, "nameserver 192.0.2.1\nnameserver fd00::53\n"
                                "search a.example b.example\noptions ndots:2\n");
    free(files[0].content);
    CHECK_INT(RUN("--add-host=up:host-gateway", "host"), 0);
    CHECK_INT(prl_config_files(&options, &facts, files, &error), -EINVAL);
    CHECK(strstr(error.subject, "--network auto"));

    CHECK_INT(RUN("-h", "box", "--add-host=db:10.0.0.5", "--add-host", "six=[fe80::1]", "host"),
              0);
    CHECK_STR(mount_on("/etc/hosts"),
              "{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":"
              "\"WORK/store/data/c/hosts\",\"options\":[\"bind\",\"rprivate\",\"nosuid\","
              "\"nodev\",\"noexec\",\"rw\"]}");
    CHECK_STR(mount_options("/etc/hostname"),
              "[\"bind\",\"rprivate\",\"nosuid\",\"nodev\",\"noexec\",\"rw\"]");
    CHECK_INT(prl_config_files(&options, &facts, files, &error), 2);
    CHECK_STR(files[0].name, "hosts");
    CHECK_STR(files[0].content, "127.0.0.1\tlocalhost\n"
                                "::1\tlocalhost ip6-localhost ip6-loopback\n"
                                "fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n"
                                "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
                                "127.0.1.1\tbox\n10.0.0.5\tdb\nfe80::1\tsix\n");
    CHECK_STR(files[1].name, "hostname");
    CHECK_STR(files[1].content, "box\n");
    free(files[0].content);
    free(files[1].content);
    CHECK_INT(RUN("host"), 0);
    CHECK_INT(prl_config_files(&options, &facts, files, &error), 1);
    CHECK(strstr(files[0].content, "\n127.0.1.1\t0123456789ab\n"));
    free(files[0].content);
    CHECK_INT(RUN("--rootfs", "image", "sh"), 0); /* in place: nothing there is touched */
    CHECK_INT(prl_config_files(&options, &facts, files, &error), 0);
    CHECK_STR(mount_on("/etc/hosts"), "(none)");
}

TEST(capabilities)
{
    CHECK_INT(RUN("--cap-add=NET_ADMIN", "--cap-drop=chown", "host"), 0);
    CHECK_STR(at("/process/capabilities/permitted"), "[\"CAP_KILL\",\"CAP_NET_ADMIN\"]");
    CHECK_STR(note("landlock"), "\"1\"");
    CHECK_INT(RUN("--cap-drop=ALL", "--cap-add=SYS_ADMIN", "host"), 0);
    CHECK_STR(at("/process/capabilities/bounding"), "[\"CAP_SYS_ADMIN\"]");
    CHECK_STR(note("landlock"), "\"0\"");
    CHECK_INT(RUN("--cap-drop=all", "host"), 0);
    CHECK_STR(at("/process/capabilities/effective"), "[]");
    CHECK_INT(RUN("--cap-add=ALL", "--cap-drop=KILL", "host"), 0);
    CHECK_INT(yyjson_arr_size(yyjson_doc_ptr_get(doc, "/process/capabilities/bounding")), 40);
    CHECK_BAD(RUN("--cap-add=KILL", "--cap-drop=KILL", "host"), EINVAL, "--cap-drop",
              "CAP_KILL is both");
    CHECK_BAD(RUN("--cap-add=ALL", "--cap-drop=ALL", "host"), EINVAL, "--cap-drop",
              "ALL is both");
}

TEST(privileged)
{
    CHECK_INT(RUN("--privileged", "host"), 0);
    CHECK_INT(yyjson_arr_size(yyjson_doc_ptr_get(doc, "/process/capabilities/effective")), 41);
    CHECK_STR(at("/process/capabilities/inheritable"), "[]");
    CHECK_STR(at("/linux/maskedPaths"), "[]");
    CHECK_STR(at("/linux/readonlyPaths"), "[]");
    CHECK_STR(at("/linux/seccomp"), "(none)");
    CHECK_STR(note("seccomp.program"), "(none)");
    CHECK_STR(note("seccomp.digest"), "(none)");
    CHECK_STR(note("landlock"), "\"0\"");
    CHECK_STR(note("keyring"), "\"new\"");
    CHECK_INT(RUN("--privileged=false", "host"), 0);
    CHECK_STR(at("/process/capabilities/effective"), "[\"CAP_CHOWN\",\"CAP_KILL\"]");
}

TEST(security_options)
{
    CHECK_INT(RUN("--security-opt=seccomp=unconfined", "--security-opt=no-new-privileges=false",
                  "--security-opt", "landlock=off", "--security-opt=apparmor=unconfined",
                  "--security-opt", "mask=/a:/b", "--security-opt=unmask=/proc/*", "host"),
              0);
    CHECK_STR(at("/linux/seccomp"), "(none)");
    CHECK_STR(note("keyring"), "\"new\"");
    CHECK_STR(at("/process/noNewPrivileges"), "false");
    CHECK_STR(note("landlock"), "\"0\"");
    CHECK_STR(at("/linux/maskedPaths"), "[\"/sys/firmware\",\"/a\",\"/b\"]");
    CHECK_STR(at("/linux/readonlyPaths"), "[]");
    CHECK_INT(RUN("--security-opt=no-new-privileges:true", "--security-opt=unmask=ALL", "host"),
              0);
    CHECK_STR(at("/process/noNewPrivileges"), "true");
    CHECK_STR(at("/linux/maskedPaths"), "[]");
    CHECK_BAD(RUN("--security-opt=sandbox", "host"), EINVAL, "--security-opt",
              "not understood");
    CHECK_BAD(RUN("--security-opt=apparmor=mine", "host"), EINVAL, "--security-opt",
              "another security module");
    CHECK_BAD(RUN("--security-opt=landlock", "host"), EINVAL, "--security-opt",
              "not understood");
    CHECK_BAD(RUN("--security-opt=systempaths=x", "host"), EINVAL, "--security-opt",
              "systempaths=unconfined");
    CHECK_BAD(RUN("--security-opt=mask=a", "host"), EINVAL, "--security-opt",
              "begin with \"/\"");
    CHECK_BAD(RUN("--security-opt=unmask=proc", "host"), EINVAL, "--security-opt", "absolute");
    CHECK_BAD(RUN("--security-opt=seccomp=x.json", "host"), EINVAL, "--security-opt",
              "compiles");
}

TEST(compiled_programs)
{
    make_file("p.bpf", "");
    CHECK_INT(RUN("--seccomp-program=p.bpf", "--security-opt=nested-userns", "host"), 0);
    CHECK_STR(note("seccomp.program"), "\"WORK/p.bpf\"");
    CHECK_STR(note("seccomp.digest"), "(none)"); /* the name does not tell */
    CHECK_STR(note("landlock"), "\"0\"");
    CHECK_STR(note("keyring"), "\"new\"");
    CHECK_BAD(RUN("--seccomp-program=gone.bpf", "host"), ENOENT, "--seccomp-program",
              "gone.bpf");
    char name[80];
    snprintf(name, sizeof name, "%064d.bpf", 7);
    make_file(name, "");
    CHECK_INT(RUN("--seccomp-program", name, "host"), 0);
    unlink(name);
    CHECK_STR(note("seccomp.digest"),
              "\"sha256:00000000000000000000000000000000000000000000000000"
              "00000000000007\"");
}

TEST(own_root)
{
    CHECK_INT(RUN("--rootfs", "image", "sh", "-c"), 0);
    CHECK_STR(at("/root"), "{\"path\":\"WORK/image\",\"readonly\":false}");
    CHECK_STR(note("rootfs.lower"), "(none)");
    CHECK_STR(note("rootfs.upper"), "(none)");
    CHECK_STR(at("/process/args"), "[\"sh\",\"-c\"]");
    CHECK_STR(at("/process/cwd"), "\"/\"");
    CHECK_STR(at("/process/env"), "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                  "/sbin:/bin\",\"HOME=/root\",\"HOSTNAME=0123456789ab\"]");
    CHECK_STR(mount_on("/usr"), "(none)");
    CHECK(strstr(mount_on("/proc"), "\"type\":\"proc\""));
    CHECK_INT(RUN("--rootfs", "image:O", "sh"), 0);
    CHECK_STR(note("rootfs.lower"), "\"WORK/image\"");
    CHECK_STR(note("rootfs.upper"), "\"disk\"");
    CHECK_INT(RUN("--ephemeral", "-u", "alice", "--rootfs", "image", "sh"), 0);
    CHECK_STR(note("rootfs.lower"), "\"WORK/image\"");
    CHECK_STR(note("rootfs.upper"), "\"tmpfs\"");
    CHECK_STR(at("/process/user/uid"), "1000");
    CHECK_BAD(RUN("--rootfs", "gone", "sh"), ENOENT, "--rootfs", "there is no gone");
    CHECK_BAD(RUN("--rootfs", "image/etc/passwd", "sh"), ENOTDIR, "--rootfs",
              "not a directory");
    CHECK_BAD(RUN("--rootfs", "image"), EINVAL, "PROGRAM", "which program to run");
}

static int merge_template(const char *json)
{
    struct prl_spec *spec = NULL;
    int r = prl_spec_read(json, strlen(json), &spec, &error);

    if (r == 0)
        r = prl_config_merge(spec, &options, &facts, &error);
    prl_spec_free(spec);
    return r;
}

TEST(bad_templates)
{
    static char deep[20001];

    CHECK_INT(RUN("host", "ls"), 0);
    memset(deep, '[', 10000);
    memset(deep + 10000, ']', 10000);
    CHECK_INT(merge_template("{\"process\":"), -EINVAL);
    CHECK_INT(error.stage, PRL_STAGE_CONFIG);
    CHECK(strstr(error.subject, "config.json ends too early, at byte "));
    CHECK_INT(merge_template(""), -EINVAL);
    CHECK_INT(merge_template(deep), -EINVAL);
    CHECK(strstr(error.subject, "nested deeper than"));
    CHECK_INT(merge_template("{\"process\":[],\"mounts\":7,\"linux\":\"x\"}"), -EINVAL);
    char *entry = strstr(template_json, "[\\\"/entry\\\"]");
    memcpy(entry, "[1         ]", 12);
    CHECK_INT(merge_template(template_json), -EINVAL);
    CHECK(strstr(error.subject, "image.entrypoint is not a JSON array"));
}

/* The launcher takes care of these itself ("-"), the engine of its own; the rest is merged. */
TEST(every_row_of_the_table_has_an_effect)
{
    for (const struct prl_option *row = prl_option_table; *row->name; row++) {
        bool mine = row->door == PRL_DOOR_NATIVE && strcmp(row->field, "-") != 0;
        CHECK_STR(prl_config_applies(row->name) == mine ? "" : row->name, "");
    }
}
