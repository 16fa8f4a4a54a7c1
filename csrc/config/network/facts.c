/* facts.c: read the facts about the network helpers; see facts.h.
 * In, out: as there.  Never: trust in a file of another kernel, or of helpers that have changed
 * since. */
#include "config/network/facts.h"

#include "base/io.h"
#include "base/own.h"
#include "base/process/helper.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <yyjson.h>

enum { FACTS_VERSION = 1, FACTS_MAX_BYTES = 64 * 1024 };

/* Is the helper that is installed the one the facts speak of?  Its path goes to ret. */
static bool is_same(yyjson_val *helpers, const char *name, char ret[256])
{
    char found[64], stamp[64];
    struct stat st;
    yyjson_val *helper = yyjson_obj_get(helpers, name);
    const char *path = yyjson_get_str(yyjson_obj_get(helper, "path"));
    const char *known = yyjson_get_str(yyjson_obj_get(helper, "stamp"));
    ret[0] = '\0';
    if (!prl_helper_find(name, found))
        return path == NULL;
    if (!path || !known || strcmp(path, found) != 0 || stat(path, &st) < 0)
        return false;
    snprintf(stamp, sizeof stamp, "%lld.%09ld %lld", (long long)st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec, (long long)st.st_size);
    snprintf(ret, 256, "%s", path);
    return strcmp(known, stamp) == 0;
}

static void copy_text(yyjson_val *object, const char *key, char *ret, size_t size)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    snprintf(ret, size, "%s", text ? text : "");
}

static bool works(yyjson_val *helpers, const char *name, const char *path)
{
    const char *problem =
        yyjson_get_str(yyjson_obj_get(yyjson_obj_get(helpers, name), "problem"));
    return *path && !(problem && *problem);
}

static int read_facts(yyjson_val *root, struct prl_network_facts *ret)
{
    struct utsname kernel;
    yyjson_val *helpers = yyjson_obj_get(root, "helpers");
    const char *release = yyjson_get_str(yyjson_obj_get(root, "kernel"));
    *ret = (struct prl_network_facts){0};
    if (yyjson_get_int(yyjson_obj_get(root, "version")) != FACTS_VERSION || !release ||
        uname(&kernel) < 0 || strcmp(release, kernel.release) != 0)
        return 1;
    if (!is_same(helpers, "pasta", ret->pasta) || !is_same(helpers, "slirp4netns", ret->slirp))
        return 1;
    ret->pasta_gateway =
        yyjson_get_bool(yyjson_obj_get(yyjson_obj_get(helpers, "pasta"), "gateway"));
    ret->pasta_works = works(helpers, "pasta", ret->pasta);
    ret->slirp_works = works(helpers, "slirp4netns", ret->slirp);
    copy_text(root, "chosen", ret->chosen, sizeof ret->chosen);
    copy_text(root, "reason", ret->reason, sizeof ret->reason);
    return 0;
}

int prl_network_facts_load(const char *data_dir, struct prl_network_facts *ret)
{
    char path[PATH_MAX];
    _cleanup_free_ char *json = NULL;
    size_t len;
    int n = data_dir ? snprintf(path, sizeof path, "%s/cache/network.json", data_dir) : -1;
    if (n < 0 || n >= PATH_MAX ||
        prl_io_read_file(AT_FDCWD, path, FACTS_MAX_BYTES, &json, &len) < 0)
        return 1;
    yyjson_doc *doc = yyjson_read(json, len, 0);
    int r = doc ? read_facts(yyjson_doc_get_root(doc), ret) : 1;
    yyjson_doc_free(doc);
    return r;
}

bool prl_network_facts_missing(const struct prl_options *options, const char *data_dir)
{
    struct prl_network_facts facts;
    enum prl_value_network kind = prl_config_network_kind(options);
    if (kind <= PRL_VALUE_NETWORK_HOST)
        return false;
    if (prl_network_facts_load(data_dir, &facts) != 0)
        return true;
    return kind == PRL_VALUE_NETWORK_AUTO && !facts.chosen[0];
}
