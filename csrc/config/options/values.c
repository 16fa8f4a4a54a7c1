/* values.c: numbers, sizes, durations, names and paths out of one option value.
 * In: option and text.  Out: the value.  Never: a file, a default, another option. */
#include "config/options/values.h"

#include "base/error.h"
#include "base/own.h"
#include "config/life/exports.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define BAD(option, ...) prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option, __VA_ARGS__)

static bool one_of(const char *text, const char words[][8])
{
    for (; **words; words++)
        if (strcasecmp(text, *words) == 0)
            return true;
    return false;
}

int prl_value_bool(const char *option, const char *text, bool *ret, struct prl_error *reterr)
{
    static const char yes[][8] = {"true", "1", "t", "yes", "on", ""};
    static const char no[][8] = {"false", "0", "f", "no", "off", ""};

    if (!one_of(text, yes) && !one_of(text, no))
        return BAD(option, "\"%.60s\" is neither true nor false: write %s=true or %s=false",
                   text, option, option);
    *ret = one_of(text, yes);
    return 0;
}

/* Decimal digits at *text → *ret, *text after them.  False: no digit, or more than max. */
static bool take_number(const char **text, uint64_t max, uint64_t *ret)
{
    const char *at = *text;
    uint64_t number = 0;

    if (!isdigit((unsigned char)*at))
        return false;
    for (; isdigit((unsigned char)*at); at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (number > (max - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *text = at;
    *ret = number;
    return true;
}

int prl_value_integer(const char *option, const char *text, int64_t *ret,
                      struct prl_error *reterr)
{
    const char *at = text + (*text == '-');
    uint64_t number;

    if (!take_number(&at, INT64_MAX, &number) || *at)
        return BAD(option, "\"%.60s\" is not a whole number: write for example %s=100", text,
                   option);
    *ret = *text == '-' ? -(int64_t)number : (int64_t)number;
    return 0;
}

/* ".5" at *text → where its digits begin, *text after them. */
static bool take_fraction(const char **text, const char **ret)
{
    *ret = *text + 1;
    *text = *ret + strspn(*ret, "0123456789");
    return *text > *ret;
}

/* As much of `unit` as the digits after a point say, without what is less than one. */
static uint64_t part_of(const char *digits, uint64_t unit)
{
    uint64_t numerator = 0, denominator = 1;

    for (; isdigit((unsigned char)*digits) && denominator < 1000000000; digits++) {
        numerator = numerator * 10 + (unsigned)(*digits - '0');
        denominator *= 10;
    }
    /* Two halves: a unit has up to 50 bits and the numerator 30. */
    return unit / denominator * numerator + unit % denominator * numerator / denominator;
}

int prl_value_size(const char *option, const char *text, uint64_t *ret_bytes,
                   struct prl_error *reterr)
{
    static const char units[] = "bkmgtp";
    const char *at = text, *unit = units, *fraction = "";
    uint64_t number;

    bool good = take_number(&at, INT64_MAX, &number);
    if (good && *at == '.')
        good = take_fraction(&at, &fraction);
    at += good && *at == ' ' && at[1];
    if (good && *at) {
        unit = strchr(units, tolower((unsigned char)*at));
        good = unit != NULL;
        at += good;
        if (good && unit > units && (strcasecmp(at, "b") == 0 || strcasecmp(at, "ib") == 0))
            at += strlen(at);
    }
    if (!good || *at)
        return BAD(
            option,
            "\"%.60s\" is not a size: write a number of bytes, or one with k, m, g or t, "
            "as in %s=64m",
            text, option);
    unsigned shift = 10 * (unsigned)(unit - units);
    if (number > (uint64_t)INT64_MAX >> shift)
        return BAD(option, "%.60s is more bytes than a file can have: write for example %s=64m",
                   text, option);
    *ret_bytes = (number << shift) + part_of(fraction, 1ULL << shift);
    return 0;
}

/* The unit at *at in nanoseconds, *at after it; 0: none known. */
static uint64_t take_unit(const char **at)
{
    static const struct {
        char name[4];
        uint64_t ns;
    } units[] = {
        {"ms", 1000000},    {"us", 1000},         {"s", 1000000000},
        {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(*at, units[i].name, len) == 0) {
            *at += len;
            return units[i].ns;
        }
    }
    return 0;
}

/* One "1.5h" at *at, added to *total_ns.  A bare number is seconds and must be all of text. */
static bool take_duration(const char **at, const char *text, uint64_t *total_ns)
{
    bool first = *at == text;
    uint64_t whole, fraction_scaled = 0, scale = 1000000000;

    if (!take_number(at, INT64_MAX, &whole))
        return false;
    if (**at == '.') {
        if (!isdigit((unsigned char)*++*at))
            return false;
        for (; isdigit((unsigned char)**at); ++*at) {
            scale /= 10;
            fraction_scaled += scale * (unsigned)(**at - '0');
        }
    }
    uint64_t unit = **at ? take_unit(at) : (first ? 1000000000 : 0);
    if (!unit || whole > (uint64_t)INT64_MAX / unit)
        return false;
    /* The fraction is below one unit: two halves keep the product below 2^64. */
    uint64_t ns = whole * unit + (unit >= 1000000000 ? unit / 1000000000 * fraction_scaled
                                                     : fraction_scaled / (1000000000 / unit));
    if (ns > (uint64_t)INT64_MAX - *total_ns)
        return false;
    *total_ns += ns;
    return true;
}

int prl_value_duration(const char *option, const char *text, uint64_t *ret_ns,
                       struct prl_error *reterr)
{
    const char *at = text;
    uint64_t total_ns = 0;
    bool good;

    do {
        good = take_duration(&at, text, &total_ns);
    } while (good && *at);
    if (!good)
        return BAD(option,
                   "\"%.60s\" is not a duration: write seconds (%s=10, %s=0.5) or use "
                   "ms, s, m, h, as in 1m30s",
                   text, option, option);
    *ret_ns = total_ns;
    return 0;
}

static bool only_of(const char *text, const char *extra)
{
    if (!isalnum((unsigned char)*text))
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr(extra, *text))
            return false;
    return true;
}

int prl_value_name(const char *option, const char *text, struct prl_error *reterr)
{
    if (!only_of(text, "_.-") || strlen(text) > 128)
        return BAD(option,
                   "\"%.60s\" cannot be a container's name: use letters, digits, \"_\", "
                   "\".\" and \"-\", a letter or digit first, at most 128",
                   text);
    return 0;
}

int prl_value_hostname(const char *option, const char *text, struct prl_error *reterr)
{
    if (!only_of(text, "_.-") || strlen(text) > 64)
        return BAD(option,
                   "\"%.60s\" cannot be a host name: use letters, digits, \".\" and "
                   "\"-\", a letter or digit first, at most 64",
                   text);
    return 0;
}

int prl_value_target(const char *option, const char *text, char **ret, struct prl_error *reterr)
{
    if (*text != '/')
        return BAD(option,
                   "\"%.100s\" is not a path in the container: it has to begin with "
                   "\"/\", as in /work",
                   text);
    _cleanup_free_ char *clean = malloc(strlen(text) + 2);
    if (!clean)
        return prl_fail_with(reterr, PRL_STAGE_OPTIONS, ENOMEM, option, text);
    char *end = clean;
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, "/");
        if (len == 2 && memcmp(at, "..", 2) == 0) {
            while (end > clean && *--end != '/')
                continue;
        } else if (len > 0 && !(len == 1 && *at == '.')) {
            *end++ = '/';
            end = (char *)memcpy(end, at, len) + len;
        }
        at += len + (at[len] == '/');
    }
    if (end == clean)
        *end++ = '/';
    *end = '\0';
    *ret = steal_ptr(&clean);
    return 0;
}

int prl_value_host(const char *option, const char *text, struct prl_value_host *ret,
                   struct prl_error *reterr)
{
    unsigned char binary[16];
    size_t name_len = strcspn(text, ":=");
    const char *address = text + name_len + (text[name_len] != '\0');
    size_t len = strlen(address);

    if (len > 1 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    }
    if (name_len == 0 || name_len >= sizeof ret->name || len == 0 || len >= sizeof ret->address)
        return BAD(option, "\"%.60s\" is not NAME:ADDRESS: write for example %s=db:10.0.0.5",
                   text, option);
    *ret = (struct prl_value_host){0};
    memcpy(ret->name, text, name_len);
    memcpy(ret->address, address, len);
    if (strcmp(ret->address, "host-gateway") != 0 &&
        inet_pton(AF_INET, ret->address, binary) != 1 &&
        inet_pton(AF_INET6, ret->address, binary) != 1)
        return BAD(option,
                   "\"%.60s\" is not an IPv4 or IPv6 address: write for example "
                   "%s=db:10.0.0.5",
                   ret->address, option);
    return prl_value_hostname(option, ret->name, reterr);
}

int prl_value_stream(const char *option, const char *text, int *ret, struct prl_error *reterr)
{
    static const char names[][8] = {"stdin", "stdout", "stderr"};

    for (int fd = 0; fd < 3; fd++)
        if (strcasecmp(text, names[fd]) == 0) {
            *ret = fd;
            return 0;
        }
    return BAD(option, "\"%.40s\" is no stream: write stdin, stdout or stderr", text);
}

/* One key of --detach-keys; 0: not a key. */
static unsigned char one_key(const char *text, size_t len)
{
    if (len == 1 && isalpha((unsigned char)*text))
        return (unsigned char)*text;
    if (len != 6 || strncmp(text, "ctrl-", 5) != 0)
        return 0;
    int key = tolower((unsigned char)text[5]);
    if (key >= 'a' && key <= 'z')
        return (unsigned char)(key - 'a' + 1);
    const char *special = strchr("[\\]^_", key);
    return key && special ? (unsigned char)(key - '[' + 27) : 0;
}

int prl_value_detach_keys(const char *option, const char *text,
                          unsigned char ret_keys[PRL_VALUE_KEYS], struct prl_error *reterr)
{
    int count = 0;

    for (const char *at = text; *at;) {
        size_t len = strcspn(at, ",");
        unsigned char key = one_key(at, len);
        if (!key || count == PRL_VALUE_KEYS || (at[len] && !at[len + 1]))
            return BAD(option,
                       "\"%.60s\" is not a list of keys: write letters or ctrl-LETTER "
                       "with commas between, as in ctrl-p,ctrl-q",
                       text);
        ret_keys[count++] = key;
        at += len + (at[len] == ',');
    }
    return count;
}

int prl_value_restart(const char *option, const char *text, struct prl_error *reterr)
{
    struct prl_policy policy;
    const char *wrong;

    if (prl_policy_parse(text, &policy, &wrong) < 0)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option,
                         "invalid restart policy \"%.40s\": %s", text, wrong);
    return 0;
}
