/* request.c: options of `run` → what is wanted of a container.
 * In: the words of a command line, parsed.  Out: struct prl_request.  Never: a look at the
 * host, but for the size of the caller's terminal. */
#include "config/options/request.h"
#include "config/merge.h"
#include "config/options/values.h"

#include <string.h>

static int resolve(const struct prl_request *request, char **ret_allow,
                   struct prl_error *reterr)
{
    return prl_config_allow_resolve(request->asked, ret_allow, reterr);
}

static int merge(const struct prl_request *request, const struct prl_config_facts *facts,
                 struct prl_spec *spec, struct prl_error *reterr)
{
    return prl_config_merge(spec, request->asked, facts, reterr);
}

static int files(const struct prl_request *request, const struct prl_config_facts *facts,
                 struct prl_config_file ret[PRL_CONFIG_FILES], struct prl_error *reterr)
{
    return prl_config_files(request->asked, facts, ret, reterr);
}

static const char *volumes_from(const struct prl_request *request, size_t index)
{
    const struct prl_options *o = request->asked;
    for (size_t i = 0; i < o->values_len; i++)
        if (strcmp(o->values[i].option->name, "volumes-from") == 0 && index-- == 0)
            return o->values[i].text;
    return NULL;
}

static const struct prl_request_words of_options = {resolve, merge, volumes_from, files};

const struct prl_options *prl_request_options(const struct prl_request *request)
{
    return request->words == &of_options ? request->asked : NULL;
}

static struct winsize window_of(const struct prl_options *o)
{
    struct winsize size = {0};
    if (prl_options_flag(o, "tty") && ioctl(0, TIOCGWINSZ, &size) < 0 &&
        ioctl(1, TIOCGWINSZ, &size) < 0)
        memset(&size, 0, sizeof size);
    return size;
}

/* What -v and --mount lend is known when they are merged: a volume is the engine's own. */
static bool lends(const struct prl_options *o)
{
    static const char lent[][8] = {"device", "rootfs", "spec"};
    const char *ipc = prl_options_get(o, "ipc");
    for (size_t i = 0; i < sizeof lent / sizeof *lent; i++)
        if (prl_options_get(o, lent[i]))
            return true;
    return ipc && strcmp(ipc, "host") == 0; /* /dev/shm */
}

/* --attach: what is named is connected, and nothing else. */
static void read_attach(const struct prl_options *o, struct prl_request *ret)
{
    for (size_t i = 0; i < o->values_len; i++) {
        struct prl_error unneeded; /* the parser has seen it */
        int stream;
        if (strcmp(o->values[i].option->name, "attach") == 0 &&
            prl_value_stream("--attach", o->values[i].text, &stream, &unneeded) == 0)
            ret->apart[stream] = false;
    }
    ret->interactive = ret->interactive && !ret->apart[0];
}

static const char *network_of(const struct prl_options *o)
{
    static const char prefix[] = "container:";
    const char *network = prl_options_get(o, "network");
    bool shared = network && strncmp(network, prefix, sizeof prefix - 1) == 0;
    return shared ? network + sizeof prefix - 1 : NULL;
}

void prl_request_read(const struct prl_options *o, struct prl_request *ret)
{
    const char *proxy = prl_options_get(o, "sig-proxy");
    bool chosen = prl_options_get(o, "attach") != NULL;
    const char *restart = prl_options_get(o, "restart");
    bool again = restart && strcmp(restart, "no") != 0;
    const char *driver = prl_options_get(o, "storage-driver");
    bool handed = prl_options_get(o, "spec") != NULL; /* --spec: config.json as it is */
    bool later = o->verb == PRL_VERB_CREATE; /* what is started later lies in the store */
    bool memory = handed || prl_options_flag(o, "ephemeral");
    bool ephemeral = memory && !later;
    bool remove = memory || prl_options_flag(o, "rm");
    /* Whoever leaves a container, or sits at its terminal, may speak of it later. */
    bool spoken_of =
        later || !remove || prl_options_flag(o, "detach") || prl_options_flag(o, "tty");
    *ret = (struct prl_request){
        .words = &of_options,
        .asked = o,
        .template = handed ? NULL : prl_options_template(o),
        .name = prl_options_get(o, "name"),
        .named = prl_options_get(o, "name") || (spoken_of && !handed),
        .remove = remove,
        .ephemeral = ephemeral,
        .lent = lends(o),
        .any_driver = !handed && (!driver || strcmp(driver, "auto") == 0),
        .network_of = network_of(o),
        .id_file = prl_options_get(o, "cidfile"),
        .pid_file = prl_options_get(o, "pidfile"),
        .window = window_of(o),
        .interactive = prl_options_flag(o, "interactive"),
        .apart = {chosen, chosen, chosen},
        .no_signals = proxy && strcmp(proxy, "false") == 0,
        .background = prl_options_flag(o, "detach"),
        .leaves = again,
        .restart = again ? restart : NULL,
        .detach_keys = prl_options_get(o, "detach-keys"),
    };
    if (chosen)
        read_attach(o, ret);
}
