/* spec_documents.h: two good config.json and the words to say what a change of them must give.
 * In: nothing.  Out: documents, a parse whose input is gone when it returns, rows of changes.
 * Never: a test. */
#pragma once

#include "base/error.h"
#include "check.h"
#include "spec/parse.h"

#include <errno.h>

static const char good[] =
    "{\"ociVersion\":\"1.2.0\","
    "\"root\":{\"path\":\"/srv/root\",\"readonly\":true},"
    "\"process\":{\"terminal\":true,\"consoleSize\":{\"height\":25,\"width\":80},"
    "\"user\":{\"uid\":1,\"gid\":2,\"umask\":63,\"additionalGids\":[2,3]},"
    "\"args\":[\"sh\",\"-c\",\"\"],\"env\":[\"PATH=/bin\",\"EMPTY=\"],\"cwd\":\"/work\","
    "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_BPF\"],\"effective\":[\"CAP_CHOWN\"],"
    "\"permitted\":[\"CAP_KILL\"],\"inheritable\":[],\"ambient\":[\"CAP_CHECKPOINT_RESTORE\"]},"
    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1024,\"hard\":18446744073709551615}],"
    "\"noNewPrivileges\":true,\"oomScoreAdj\":-1000},"
    "\"hostname\":\"box\",\"domainname\":\"example.test\","
    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
    "{\"destination\":\"//dev/./shm/\",\"type\":\"tmpfs\",\"options\":[\"nosuid\",\"size=64k\","
    "\"strictatime\",\"mode=1777\",\"ro\",\"rw\"]},"
    "{\"destination\":\"/data\",\"type\":\"none\",\"source\":\"/srv/"
    "data\",\"options\":[\"rbind\","
    "\"rro\",\"rnosuid\",\"rslave\",\"nosymfollow\"]}],"
    "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"},"
    "{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"user\"},{\"type\":\"cgroup\"}],"
    "\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1},"
    "{\"containerID\":1,\"hostID\":100000,\"size\":65536}],"
    "\"gidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"
    "\"devices\":[{\"type\":\"u\",\"path\":\"/dev//fuse\",\"major\":10,\"minor\":229,"
    "\"fileMode\":8630,\"uid\":0,\"gid\":0}],"
    "\"sysctl\":{\"net.ipv4.conf.eth0/1.rp_filter\":\"1\",\"kernel/shmmax\":\"65536\"},"
    "\"maskedPaths\":[\"/proc/kcore\",\"/sys//firmware/\"],\"readonlyPaths\":[\"/proc/sys\"],"
    "\"rootfsPropagation\":\"rslave\",\"cgroupsPath\":\"/"
    "x\",\"personality\":{\"domain\":\"LINUX\"},"
    "\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}],\"memory\":{}},"
    "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}},"
    "\"annotations\":{\"io.pyrootless.rootfs.lower\":\"/layers/b\\n/layers/a\","
    "\"io.pyrootless.rootfs.upper\":\"tmpfs\",\"io.pyrootless.rootfs.upper.size\":\"1048576\","
    "\"io.pyrootless.rootfs.upper.inodes\":\"100\",\"io.pyrootless.rootfs.upper.volatile\":"
    "\"1\","
    "\"io.pyrootless.seccomp.program\":\"/cache/"
    "x.bpf\",\"io.pyrootless.seccomp.digest\":\"sha256:"
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
    "\"io.pyrootless.landlock\":\"1\",\"io.pyrootless.keyring\":\"inherit\","
    "\"io.pyrootless.init\":\"1\",\"io.pyrootless.stop-signal\":\"2\","
    "\"io.pyrootless.wall-limit-ns\":\"18446744073709551615\",\"org.example\":\"any\"},"
    "\"unknown\":{\"deep\":[1,2.5,null]}}";

/* The least that is a launch. */
static const char least[] =
    "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"/r\"},"
    "\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"true\"],\"cwd\":\"/\"},"
    "\"linux\":{\"namespaces\":[{\"type\":\"user\"},{\"type\":\"mount\"},{\"type\":\"pid\"}],"
    "\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],"
    "\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}]}}";

/* Parse a copy that is gone before the result is looked at. */
static inline struct prl_spec *parse_bytes(const char *json, size_t len,
                                           struct prl_error *error)
{
    struct prl_spec *spec = NULL;
    char *copy = malloc(len ? len : 1);
    memcpy(copy, json, len);
    memset(error, 0, sizeof *error);
    int r = prl_spec_parse(copy, len, &spec, error);
    memset(copy, 0xA5, len);
    free(copy);
    if ((r < 0) != (spec == NULL) || r != -error->errnum) {
        printf("  result %d, errnum %d, spec %p do not fit\n", r, error->errnum, (void *)spec);
        exit(1);
    }
    return spec;
}

static inline struct prl_spec *parse(const char *json, struct prl_error *error)
{
    return parse_bytes(json, strlen(json), error);
}

/* `base` with the one place where `from` stands changed to `to`. */
static inline char *with(const char *base, const char *from, const char *to)
{
    const char *at = strstr(base, from);
    if (!at || strstr(at + 1, from)) {
        printf("  \"%s\" must stand once in the document\n", from);
        exit(1);
    }
    char *text = malloc(strlen(base) + strlen(to) + 1);
    sprintf(text, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
    return text;
}

struct change {
    const char *from, *to;
    const char *sentence; /* NULL: still good */
};

static inline bool check_changes(const char *base, const struct change *changes)
{
    bool all = true;
    for (const struct change *c = changes; c->from; c++) {
        struct prl_error error;
        char *json = with(base, c->from, c->to);
        struct prl_spec *spec = parse(json, &error);
        bool ok = spec ? !c->sentence : c->sentence && strcmp(error.subject, c->sentence) == 0;
        if (!spec && (error.errnum != EINVAL || error.stage != PRL_STAGE_CONFIG))
            ok = false;
        if (!ok)
            printf("  %s → %s\n    got      %s\n    expected %s\n", c->from, c->to,
                   spec ? "(no error)" : error.subject,
                   c->sentence ? c->sentence : "(no error)");
        all = all && ok;
        prl_spec_free(spec);
        free(json);
    }
    return all;
}
