/* moment.c: a point in time as people write it.
 * In: the text of an option's value, the time now.  Out: nanoseconds since 1970.  Never: a time
 * zone but the one that was written, or else this process's own.
 * Source: docker's timetypes.GetTimestamp. */
#include "config/options/values.h"

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

enum { NS = 1000000000 };

/* `digits` of them, not more and not less; -1. */
static int take(const char **at, int digits)
{
    int value = 0;
    for (; digits > 0; digits--, ++*at) {
        if (!isdigit((unsigned char)**at))
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

/* ".25" → nanoseconds; what is finer is left out. */
static int64_t take_fraction(const char **at)
{
    int64_t ns = 0, unit = NS / 10;
    if (**at != '.' || !isdigit((unsigned char)(*at)[1]))
        return 0;
    for (++*at; isdigit((unsigned char)**at); ++*at, unit /= 10)
        ns += unit * (**at - '0');
    return ns;
}

/* "Z", "+02:00", "": the zone is this process's own. */
static bool take_zone(const char **at, bool *ret_own, int *ret_east)
{
    *ret_own = **at == '\0';
    *ret_east = 0;
    if (*ret_own)
        return true;
    if (**at == 'Z' || **at == 'z') {
        ++*at;
        return **at == '\0';
    }
    if (**at != '+' && **at != '-')
        return false;
    int sign = *(*at)++ == '-' ? -1 : 1, hours = take(at, 2);
    int minutes = hours >= 0 && **at == ':' && ++*at ? take(at, 2) : -1;
    *ret_east = sign * (hours * 3600 + minutes * 60);
    return minutes >= 0 && **at == '\0';
}

/* The parts behind the day, as many as there are. */
static bool take_clock(const char **at, struct tm *parts)
{
    int *const fields[] = {&parts->tm_hour, &parts->tm_min, &parts->tm_sec};
    if (**at != 'T' && **at != ' ')
        return true;
    for (int i = 0; i < 3; i++) {
        if (i > 0 && **at != ':')
            return true;
        ++*at;
        *fields[i] = take(at, 2);
        if (*fields[i] < 0)
            return false;
    }
    return true;
}

static bool read_date(const char *text, int64_t *ret_ns)
{
    struct tm parts = {.tm_isdst = -1};
    bool own;
    int east;
    parts.tm_year = take(&text, 4) - 1900;
    parts.tm_mon = *text == '-' && ++text ? take(&text, 2) - 1 : -2;
    parts.tm_mday = parts.tm_mon >= 0 && *text == '-' && ++text ? take(&text, 2) : -1;
    if (parts.tm_year < 0 || parts.tm_mon > 11 || parts.tm_mday < 1 || parts.tm_mday > 31 ||
        !take_clock(&text, &parts))
        return false;
    int64_t ns = take_fraction(&text);
    if (!take_zone(&text, &own, &east))
        return false;
    int64_t seconds = own ? mktime(&parts) : timegm(&parts) - east;
    *ret_ns = seconds * NS + ns;
    return true;
}

/* "1136073600.000000001" */
static bool read_unix(const char *text, int64_t *ret_ns)
{
    int64_t seconds = 0;
    bool good = isdigit((unsigned char)*text);
    for (; isdigit((unsigned char)*text) && seconds < INT64_MAX / NS / 10; text++)
        seconds = seconds * 10 + (*text - '0');
    *ret_ns = seconds * NS + take_fraction(&text);
    return good && *text == '\0';
}

int prl_value_moment(const char *option, const char *text, int64_t *ret_ns,
                     struct prl_error *reterr)
{
    struct timespec now;
    struct prl_error ignored;
    uint64_t ago_ns;
    if (read_unix(text, ret_ns) || read_date(text, ret_ns))
        return 0;
    bool later = text[0] == '-';
    if (prl_value_duration(option, text + later, &ago_ns, &ignored) < 0)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option,
                         "\"%.60s\" is no time: write %s=2026-01-31T12:00:00, seconds since "
                         "1970, or how long ago, as in %s=1h30m",
                         text, option, option);
    clock_gettime(CLOCK_REALTIME, &now);
    *ret_ns = (int64_t)now.tv_sec * NS + now.tv_nsec + (later ? 1 : -1) * (int64_t)ago_ns;
    return 0;
}
