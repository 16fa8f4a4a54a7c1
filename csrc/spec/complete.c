/* complete.c: a spec whose fields are all there → one that can be launched.
 * In: what was read, or merged.  Out: the fields that follow from others; or the first thing
 * that does not fit, in a sentence with its place in config.json.  Never: a look at the
 * machine.
 *
 * A launch template passes the reader alone: it has no program, no upper directory and no map
 * of ids yet. */
#include "spec/notes.h"

#include <linux/sched.h>
#include <string.h>

#define UPPER        "/annotations/" PRL_SPEC_NOTE "rootfs.upper"
#define NOTE_UPPER   PRL_SPEC_NOTE "rootfs.upper"
#define NOTE_LOWER   PRL_SPEC_NOTE "rootfs.lower"
#define FUSE_PROGRAM "/annotations/" PRL_SPEC_NOTE "rootfs.fuse.program"
#define NETWORK      PRL_SPEC_NOTE "network"
#define SECCOMP      PRL_SPEC_NOTE "seccomp"

enum {
    LOWERS_MAX = 500,   /* OVL_MAX_STACK of the kernel */
    NAME_MAX_BYTES = 64 /* __NEW_UTS_LEN */
};

/* --- process --- */

static int check_process(const struct prl_spec_reader *reader, const struct prl_process *p)
{
    const struct prl_spec_place root = {.up = NULL}, process = {.up = &root, .key = "process"},
                                cwd_place = {.up = &process, .key = "cwd"};
    if (!p->args || !p->args[0])
        return prl_spec_fail(reader, "/process/args is empty, expected a program");
    if (p->args[0][0] == '\0')
        return prl_spec_fail(reader, "/process/args/0 is empty, expected a program");
    int r = prl_spec_need_absolute(reader, &cwd_place, p->cwd);
    if (r < 0)
        return r;
    for (size_t i = 0; p->env && p->env[i]; i++) {
        const char *equals = strchr(p->env[i], '=');
        if (!equals || equals == p->env[i])
            return prl_spec_fail(reader, "/process/env/%zu is \"%s\", expected NAME=value", i,
                                 prl_spec_show(p->env[i]).text);
    }
    for (size_t i = 0; i < p->rlimits_len; i++)
        if (p->rlimits[i].soft > p->rlimits[i].hard)
            return prl_spec_fail(reader, "/process/rlimits/%zu: soft is above hard", i);
    return 0;
}

/* --- names and namespaces --- */

static int check_name(const struct prl_spec_reader *reader, const struct prl_spec *spec,
                      const char *key, const char *name)
{
    if (!name)
        return 0;
    if (strlen(name) > NAME_MAX_BYTES)
        return prl_spec_fail(reader, "/%s has %zu bytes, at most %d are allowed", key,
                             strlen(name), NAME_MAX_BYTES);
    if (!(spec->namespaces & CLONE_NEWUTS))
        return prl_spec_fail(reader, "/%s needs a \"uts\" namespace in /linux/namespaces", key);
    return 0;
}

/* --- the root --- */

static int complete_root(const struct prl_spec_reader *reader, struct prl_rootfs *root)
{
    bool fuse = root->driver == PRL_DRIVER_FUSE;
    root->lowers_len = 0;
    while (root->lowers && root->lowers[root->lowers_len])
        root->lowers_len++;
    if (root->lowers_len > LOWERS_MAX)
        return prl_spec_fail(
            reader,
            "/annotations/" NOTE_LOWER " has %zu directories and the "
            "kernel's overlay takes %d: make the image again with fewer layers "
            "(export a container of it, import that)",
            root->lowers_len, LOWERS_MAX);
    root->lowers_begin = prl_spec_lowers_begin(root);
    if (fuse != (root->fuse_program != NULL))
        return prl_spec_fail(reader, FUSE_PROGRAM " %s",
                             fuse ? "must name the program of the driver fuse-overlayfs"
                                  : "needs the driver fuse-overlayfs");
    if (fuse && root->upper == PRL_UPPER_NONE)
        return prl_spec_fail(reader, FUSE_PROGRAM " needs " NOTE_UPPER);
    /* What belongs together must come together. */
    bool disk = root->upper == PRL_UPPER_DISK, memory = root->upper == PRL_UPPER_TMPFS;
    const struct {
        bool wrong;
        char lonely[12], needed[84];
    } rows[] = {
        {root->upper != PRL_UPPER_NONE && root->lowers_len == 0, "", NOTE_LOWER},
        {disk && (!root->upper_path || !root->work_path), "",
         NOTE_UPPER ".path and " NOTE_UPPER ".work"},
        {!disk && root->upper_path, ".path", NOTE_UPPER " \"disk\""},
        {!disk && root->work_path, ".work", NOTE_UPPER " \"disk\""},
        {!memory && root->upper_size_bytes, ".size", NOTE_UPPER " \"tmpfs\""},
        {!memory && root->upper_inodes, ".inodes", NOTE_UPPER " \"tmpfs\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].wrong)
            return prl_spec_fail(reader, UPPER "%s needs %s", rows[i].lonely, rows[i].needed);
    if (root->upper == PRL_UPPER_NONE && root->lowers_len > 0)
        return prl_spec_fail(reader, "/annotations/" NOTE_LOWER " needs " NOTE_UPPER);
    return 0;
}

/* --- the network --- */

/* The network of another container comes with its user namespace, to which it belongs. */
static int check_network(const struct prl_spec_reader *reader, const struct prl_spec *spec)
{
    const struct prl_network *n = &spec->network;
    if (n->allow && (n->dns_forward || n->gateway))
        return prl_spec_fail(reader, "/annotations/" NETWORK ".allow does not go with " NETWORK
                                     ".dns-forward or " NETWORK ".gateway");
    if (n->container && (n->helper != PRL_NETWORK_ALONE || !(spec->namespaces & CLONE_NEWNET)))
        return prl_spec_fail(reader,
                             "/annotations/" NETWORK
                             ".container needs a namespace of type network, and does not "
                             "go with " NETWORK);
    /* What only a helper can do needs one, and a helper needs a namespace to work on. */
    const struct {
        bool said;
        char key[16];
    } rows[] = {
        {n->ports_len > 0, ".ports"},     {n->mtu > 0, ".mtu"},     {n->mac, ".mac"},
        {n->dns_forward, ".dns-forward"}, {n->gateway, ".gateway"}, {n->allow, ".allow"}};
    if ((n->helper != PRL_NETWORK_ALONE) != (n->program != NULL))
        return prl_spec_fail(reader, "/annotations/" NETWORK " and " NETWORK
                                     ".program need each other");
    if (n->helper != PRL_NETWORK_ALONE && !(spec->namespaces & CLONE_NEWNET))
        return prl_spec_fail(reader,
                             "/annotations/" NETWORK " needs a new namespace of type network");
    for (size_t i = 0; n->helper == PRL_NETWORK_ALONE && i < sizeof rows / sizeof *rows; i++)
        if (rows[i].said)
            return prl_spec_fail(reader, "/annotations/" NETWORK "%s needs " NETWORK,
                                 rows[i].key);
    return 0;
}

int prl_spec_complete(const struct prl_spec_reader *reader, struct prl_spec *spec)
{
    int r = check_process(reader, &spec->process);
    if (r == 0)
        r = prl_spec_check_linux(reader, spec);
    if (r == 0)
        r = prl_spec_check_mounts(reader, spec);
    if (r == 0)
        r = check_name(reader, spec, "hostname", spec->hostname);
    if (r == 0)
        r = check_name(reader, spec, "domainname", spec->domainname);
    if (r == 0)
        r = complete_root(reader, &spec->rootfs);
    if (r < 0)
        return r;
    if (spec->seccomp_digest && !spec->seccomp_program)
        return prl_spec_fail(reader,
                             "/annotations/" SECCOMP ".digest needs " SECCOMP ".program");
    if (spec->has_seccomp && !spec->seccomp_program)
        return prl_spec_fail(reader, "linux.seccomp needs a compiled program: run it "
                                     "through `pyrootless run --spec`");
    r = check_network(reader, spec);
    if (r == 0)
        r = prl_spec_check_resources(reader, &spec->resources);
    if (r == 0)
        r = prl_spec_check_ids(reader, spec);
    struct prl_resources *to = &spec->resources;
    const bool asked[PRL_LIMITS] = {
        [PRL_LIMIT_MEMORY] = to->memory_bytes,
        [PRL_LIMIT_SWAP] = to->swap_bytes && to->swap_bytes != UINT64_MAX,
        [PRL_LIMIT_RESERVATION] = to->reservation_bytes,
        [PRL_LIMIT_CPUS] = to->quota_us,
        [PRL_LIMIT_SHARES] = to->shares,
        [PRL_LIMIT_CPUSET] = to->cpus,
        [PRL_LIMIT_PIDS] = to->pids,
        [PRL_LIMIT_IO] = to->throttles_len,
        [PRL_LIMIT_STORAGE] = to->held_by[PRL_LIMIT_STORAGE],
        [PRL_LIMIT_CPU_TIME] = to->cpu_time_ns,
    };
    to->asked = 0;
    for (unsigned i = 0; i < PRL_LIMITS; i++)
        to->asked |= (unsigned)asked[i] << i;
    /* The limit on processes is the program's: ours do not take from it. */
    enum prl_network_helper helper = spec->network.helper;
    bool outside = helper == PRL_NETWORK_PASTA && spec->network.allow; /* passt stays there */
    to->pids_own = spec->init;
    to->nproc = to->pids + to->pids_own + (spec->fake_root == PRL_FAKE_ROOT_REMEMBER) +
                (helper != PRL_NETWORK_ALONE && !outside) + (spec->rootfs.fuse_program != NULL);
    return r;
}
