/* watching.c: what becomes of a container's output, and how its health is checked.
 * In: values of --log-driver, --log-opt and --health-….  Out: annotations.  Never: a look at
 * the host: what a driver needs is there or not when the container starts. */
#include "config/parts.h"

#include "config/options/exports.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

int prl_config_log_driver(struct prl_merge *m, const char *text)
{
    static const char known[][16] = {"json-file", "k8s-file", "none", "passthrough",
                                     "journald"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i]) == 0) {
            prl_config_note(m, "log.driver", text);
            return 0;
        }
    return prl_config_bad(
        m, EINVAL, "--log-driver",
        "\"%.40s\" is no log driver: write json-file (the default), k8s-file, "
        "journald, passthrough or none",
        text);
}

static int max_size(struct prl_merge *m, const char *text)
{
    uint64_t bytes = 0;
    int r = strcmp(text, "-1") == 0
                ? 0
                : prl_value_size("--log-opt max-size", text, &bytes, m->reterr);
    if (r >= 0)
        prl_config_note_number(m, "log.max-size", bytes);
    return r;
}

static int max_file(struct prl_merge *m, const char *text)
{
    int64_t files = 0;
    int r = prl_value_integer("--log-opt max-file", text, &files, m->reterr);
    if (r >= 0 && (files < 1 || files > 1000))
        return prl_config_bad(m, EINVAL, "--log-opt",
                              "max-file is %" PRId64 ": write a number from 1 to 1000, as in "
                              "max-size=10m and max-file=3",
                              files);
    if (r >= 0)
        prl_config_note_number(m, "log.max-file", (uint64_t)files);
    return r;
}

int prl_config_log_opt(struct prl_merge *m, const char *text)
{
    enum prl_log_driver driver = m->spec->log.driver;
    bool in_files = driver == PRL_LOG_JSON_FILE || driver == PRL_LOG_K8S_FILE;
    if (in_files && strncmp(text, "max-size=", 9) == 0)
        return max_size(m, text + 9);
    if (in_files && strncmp(text, "max-file=", 9) == 0)
        return max_file(m, text + 9);
    /* Whether a program may wait for its log: here it never has to. */
    if (strcmp(text, "mode=blocking") == 0 || strcmp(text, "mode=non-blocking") == 0)
        return 0;
    return prl_config_bad(m, EINVAL, "--log-opt",
                          "\"%.40s\" is no option of this log driver: json-file and k8s-file "
                          "have max-size=SIZE and max-file=NUMBER, the others have none",
                          text);
}

static const struct {
    const char *option, *note;
    uint64_t least_ns;
} times[] = {
    {"--health-interval", "health.interval-ns", 1000000},
    {"--health-timeout", "health.timeout-ns", 1000000},
    {"--health-start-period", "health.start-period-ns", 0},
    {"--health-start-interval", "health.start-interval-ns", 1000000},
};

/* 0 is the image's own. */
static int health_time(struct prl_merge *m, unsigned row, const char *text)
{
    uint64_t ns = 0;
    int r = prl_value_duration(times[row].option, text, &ns, m->reterr);
    if (r >= 0 && ns > 0 && ns < times[row].least_ns)
        return prl_config_bad(m, EINVAL, times[row].option,
                              "\"%.40s\" is too short: the least is 1ms", text);
    if (r >= 0 && ns > 0)
        prl_config_note_number(m, times[row].note, ns);
    return r;
}

int prl_config_health_interval(struct prl_merge *m, const char *text)
{
    return health_time(m, 0, text);
}

int prl_config_health_timeout(struct prl_merge *m, const char *text)
{
    return health_time(m, 1, text);
}

int prl_config_health_start_period(struct prl_merge *m, const char *text)
{
    return health_time(m, 2, text);
}

int prl_config_health_start_interval(struct prl_merge *m, const char *text)
{
    return health_time(m, 3, text);
}

int prl_config_health_retries(struct prl_merge *m, const char *text)
{
    int64_t retries = 0;
    int r = prl_value_integer("--health-retries", text, &retries, m->reterr);
    if (r >= 0 && (retries < 0 || retries > INT32_MAX))
        return prl_config_bad(m, EINVAL, "--health-retries",
                              "%" PRId64 " is no number of failures: write for example "
                              "--health-retries 3",
                              retries);
    if (r >= 0 && retries > 0)
        prl_config_note_number(m, "health.retries", (uint64_t)retries);
    return r;
}

static int set_test(struct prl_merge *m, const char *kind, const char *line)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *list = doc ? yyjson_mut_arr(doc) : NULL;
    bool made = list && yyjson_mut_arr_add_str(doc, list, kind) &&
                (!line || yyjson_mut_arr_add_str(doc, list, line));
    char *text = made ? yyjson_mut_val_write(list, 0, NULL) : NULL;
    if (text)
        prl_config_note(m, "health.test", text);
    free(text);
    yyjson_mut_doc_free(doc);
    return text ? 0 : prl_config_memory(m);
}

int prl_config_health_cmd(struct prl_merge *m, const char *text)
{
    return *text ? set_test(m, "CMD-SHELL", text) : 0;
}

int prl_config_no_healthcheck(struct prl_merge *m, const char *text)
{
    static const char others[][24] = {
        "health-cmd",          "health-interval",       "health-timeout",
        "health-start-period", "health-start-interval", "health-retries"};
    if (strcmp(text, "true") != 0)
        return 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (prl_options_get(m->options, others[i]))
            return prl_config_bad(m, EINVAL, "--no-healthcheck",
                                  "it cannot be used with --%s: leave one of them out",
                                  others[i]);
    return set_test(m, "NONE", NULL);
}
