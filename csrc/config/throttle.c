/* throttle.c: limits of disks: options → /linux/resources/blockIO.
 * In: values of --io-max and --device-{read,write}-{bps,iops}.  Out: the spec.
 * Never: a path that is no disk taken for one.
 * Source: OCI runtime-spec config-linux.md, "Block IO"; cgroup-v2.rst, "io.max". */
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "config/options/exports.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* One of the four rates, by its option and by the kernel's word for it. */
struct throttle {
    char option[20], word[8];
    bool bytes;
};

static const struct throttle throttles[PRL_THROTTLES] = {
    [PRL_THROTTLE_READ_BPS] = {"--device-read-bps", "rbps", true},
    [PRL_THROTTLE_WRITE_BPS] = {"--device-write-bps", "wbps", true},
    [PRL_THROTTLE_READ_IOPS] = {"--device-read-iops", "riops", false},
    [PRL_THROTTLE_WRITE_IOPS] = {"--device-write-iops", "wiops", false},
};

static int read_rate(struct prl_merge *m, const char *option, bool bytes, const char *text,
                     uint64_t *ret)
{
    int64_t number = 0;
    int r = bytes ? prl_value_size(option, text, ret, m->reterr)
                  : prl_value_integer(option, text, &number, m->reterr);

    if (r < 0)
        return r;
    if (!bytes)
        *ret = number > 0 ? (uint64_t)number : 0;
    return *ret > 0 ? 0
                    : prl_config_bad(m, EINVAL, option, "a rate of 0 would stop it for ever");
}

static int find_disk(struct prl_merge *m, const char *option, const char *path,
                     dev_t *ret_number)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
        return prl_config_bad(m, ENODEV, option, "%.100s is no disk of this machine", path);
    *ret_number = st.st_rdev;
    return 0;
}

/* Behind those of its kind, which stand together in config.json. */
static int add_row(struct prl_merge *m, enum prl_throttle_kind kind, dev_t disk, uint64_t rate)
{
    struct prl_resources *r = &m->spec->resources;
    struct prl_throttle *rows =
        prl_spec_grow(&m->reader, r->throttles, r->throttles_len, sizeof *rows);
    size_t at = r->throttles_len;

    if (!rows)
        return -ENOMEM;
    for (; at > 0 && rows[at - 1].kind > kind; at--)
        rows[at] = rows[at - 1];
    rows[at] = (struct prl_throttle){kind, major(disk), minor(disk), rate};
    r->throttles = rows;
    r->throttles_len++;
    return 0;
}

int prl_config_throttle(struct prl_merge *m, const char *text)
{
    const char *colon = strrchr(text, ':');
    _cleanup_free_ char *path = colon ? strndup(text, (size_t)(colon - text)) : NULL;
    const struct throttle *how = throttles;
    uint64_t rate = 0;
    dev_t disk;

    while (strcmp(how->option + 2, m->option) != 0)
        how++;
    if (!path || !*path)
        return prl_config_bad(m, EINVAL, how->option,
                              "\"%.60s\" lacks its second part: write %s=/dev/sda:%s", text,
                              how->option, how->bytes ? "10m" : "1000");
    int r = read_rate(m, how->option, how->bytes, colon + 1, &rate);
    if (r == 0)
        r = find_disk(m, how->option, path, &disk);
    return r < 0 ? r : add_row(m, (enum prl_throttle_kind)(how - throttles), disk, rate);
}

/* --- all rates of a disk in one --- */

static int misread(struct prl_merge *m, const char *text)
{
    return prl_config_bad(m, EINVAL, "--io-max",
                          "\"%.60s\" is not understood: write "
                          "--io-max=/dev/sda:rbps=10m,wbps=5m,riops=1000,wiops=500, or some of "
                          "the four",
                          text);
}

/* "wbps=5m": the text ends where the item does. */
static int add_item(struct prl_merge *m, dev_t disk, char *item, const char *text)
{
    char *value = strchr(item, '=');
    uint64_t rate = 0;

    if (!value)
        return misread(m, text);
    *value++ = '\0';
    for (size_t i = 0; i < PRL_THROTTLES; i++) {
        if (strcmp(item, throttles[i].word) != 0)
            continue;
        int r = strcmp(value, "max") == 0
                    ? 0
                    : read_rate(m, "--io-max", throttles[i].bytes, value, &rate);
        return r < 0 || rate == 0 ? r : add_row(m, (enum prl_throttle_kind)i, disk, rate);
    }
    return misread(m, text);
}

int prl_config_io_max(struct prl_merge *m, const char *text)
{
    const char *colon = strrchr(text, ':');
    _cleanup_free_ char *path = colon ? strndup(text, (size_t)(colon - text)) : NULL;
    _cleanup_free_ char *items = path ? strdup(colon + 1) : NULL;
    char *rest = items;
    dev_t disk;

    if (!items || !*path || !*items)
        return misread(m, text);
    int r = find_disk(m, "--io-max", path, &disk);
    while (r == 0 && rest) {
        char *item = strsep(&rest, ",");
        r = add_item(m, disk, item, text);
    }
    return r;
}
