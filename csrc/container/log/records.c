/* records.c: the form of a log's records; see records.h.
 * In, out: as there.  Never: as there.
 * Source: moby's jsonlog.JSONLogs and its jsonmessage time; Kubernetes' CRI logging. */
#include "container/log/records.h"

#include <stdio.h>
#include <string.h>

/* --- out --- */

/* Lines that came together have the same time. */
struct shown_time {
    struct timespec time;
    bool trimmed;
    size_t len; /* 0: none was shown yet */
    char text[32];
};

static void show_time(struct shown_time *shown)
{
    struct tm parts;
    gmtime_r(&shown->time.tv_sec, &parts);
    size_t len = strftime(shown->text, sizeof shown->text, "%Y-%m-%dT%H:%M:%S", &parts);
    len += (size_t)snprintf(shown->text + len, sizeof shown->text - len, ".%09ld",
                            shown->time.tv_nsec);
    while (shown->trimmed && shown->text[len - 1] == '0')
        len--;
    len -= shown->text[len - 1] == '.';
    memcpy(shown->text + len, "Z", 2);
    shown->len = len + 1;
}

size_t prl_log_time(const struct timespec *time, bool trimmed, char out[32])
{
    static __thread struct shown_time shown;
    if (shown.len == 0 || shown.trimmed != trimmed || shown.time.tv_sec != time->tv_sec ||
        shown.time.tv_nsec != time->tv_nsec) {
        shown.time = *time;
        shown.trimmed = trimmed;
        show_time(&shown);
    }
    memcpy(out, shown.text, sizeof shown.text);
    return shown.len;
}

/* How many bytes the letter at p has, as UTF-8 alone allows; 0: it is none. */
static size_t letter(const unsigned char *p, size_t left)
{
    size_t len = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (len == 0 || len > left)
        return 0;
    unsigned char least = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char most = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* 1: as it is; 0: see put_other. */
static const unsigned char plain[256] = {
    [' '] = 1, ['!'] = 1,         ['#' ... '%'] = 1, ['\'' ... ';'] = 1,
    ['='] = 1, ['?' ... '['] = 1, [']' ... '~'] = 1, [0x7f] = 1,
};

static size_t put_escape(char *out, unsigned byte)
{
    static const char hex[] = "0123456789abcdef";
    const char text[] = {'\\', 'u', '0', '0', hex[byte >> 4 & 15], hex[byte & 15]};
    memcpy(out, text, sizeof text);
    return sizeof text;
}

/* One letter that does not stand for itself, or a byte that is none.  Returns how many bytes of
 * the text it took. */
static size_t put_other(const unsigned char *p, size_t left, char *out, size_t *out_len)
{
    static const unsigned char separators[] = {0xe2, 0x80};
    char *at = out + *out_len;
    size_t len = p[0] < 0x80 ? 1 : letter(p, left);
    if (p[0] == '\\' || p[0] == '"' || p[0] == '\n' || p[0] == '\r') {
        at[0] = '\\';
        at[1] = p[0] == '\n' ? 'n' : p[0] == '\r' ? 'r' : (char)p[0];
        *out_len += 2;
    } else if (p[0] < 0x80) {
        *out_len += put_escape(at, p[0]);
    } else if (len == 0) {
        memcpy(at, "\\ufffd", 6);
        *out_len += 6;
        return 1;
    } else if (memcmp(p, separators, 2) == 0 && (p[2] & 0xfe) == 0xa8) { /* U+2028, U+2029 */
        memcpy(at, p[2] & 1 ? "\\u2029" : "\\u2028", 6);
        *out_len += 6;
    } else {
        memcpy(at, p, len);
        *out_len += len;
    }
    return len;
}

static void put(char *out, size_t *len, const char *text, size_t text_len)
{
    memcpy(out + *len, text, text_len);
    *len += text_len;
}

size_t prl_log_escape(const char *bytes, size_t bytes_len, char *out)
{
    const unsigned char *p = (const unsigned char *)bytes, *end = p + bytes_len;
    size_t len = 0;
    while (p < end) {
        const unsigned char *run = p;
        while (p < end && plain[*p])
            p++;
        put(out, &len, (const char *)run, (size_t)(p - run));
        if (p < end)
            p += put_other(p, (size_t)(end - p), out, &len);
    }
    return len;
}

static size_t put_json(const struct prl_log_line *line, char *out)
{
    size_t len = 0;
    put(out, &len, "{\"log\":\"", 8);
    len += prl_log_escape(line->bytes, line->len, out + len);
    if (line->whole)
        put(out, &len, "\\n", 2);
    put(out, &len, "\",\"stream\":\"", 12);
    put(out, &len, line->stream == 2 ? "stderr" : "stdout", 6);
    put(out, &len, "\",\"time\":\"", 10);
    len += prl_log_time(&line->time, true, out + len);
    put(out, &len, "\"}\n", 3);
    return len;
}

static size_t put_cri(const struct prl_log_line *line, char *out)
{
    size_t len = prl_log_time(&line->time, false, out);
    put(out, &len, line->stream == 2 ? " stderr " : " stdout ", 8);
    put(out, &len, line->whole ? "F " : "P ", 2);
    put(out, &len, line->bytes, line->len);
    put(out, &len, "\n", 1);
    return len;
}

size_t prl_log_record(enum prl_log_driver driver, const struct prl_log_line *line, char *out)
{
    return driver == PRL_LOG_K8S_FILE ? put_cri(line, out) : put_json(line, out);
}

/* --- in --- */

static bool take_word(const char **at, const char *end, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(end - *at) < len || memcmp(*at, word, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool take_number(const char **at, const char *end, int digits, long *ret)
{
    for (*ret = 0; digits > 0; digits--, ++*at) {
        if (*at == end || **at < '0' || **at > '9')
            return false;
        *ret = *ret * 10 + (**at - '0');
    }
    return true;
}

/* ".123": nanoseconds. */
static long take_fraction(const char **at, const char *end)
{
    long ns = 0, digits = 0, unit = 100000000;
    if (!take_word(at, end, "."))
        return 0;
    for (; *at < end && **at >= '0' && **at <= '9' && digits < 9; digits++, ++*at, unit /= 10)
        ns += (**at - '0') * unit;
    return ns;
}

/* "Z", "+02:00": seconds east of Greenwich. */
static bool take_zone(const char **at, const char *end, long *ret)
{
    long hours, minutes;
    *ret = 0;
    if (take_word(at, end, "Z"))
        return true;
    bool west = take_word(at, end, "-");
    if (!(west || take_word(at, end, "+")) || !take_number(at, end, 2, &hours) ||
        !take_word(at, end, ":") || !take_number(at, end, 2, &minutes))
        return false;
    *ret = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* "2026-12-01T17:52:05", without its zone. */
static bool take_second(const char **at, const char *end, time_t *ret)
{
    long year, month, day, hour, minute, second;
    if (!take_number(at, end, 4, &year) || !take_word(at, end, "-") ||
        !take_number(at, end, 2, &month) || !take_word(at, end, "-") ||
        !take_number(at, end, 2, &day) || !take_word(at, end, "T") ||
        !take_number(at, end, 2, &hour) || !take_word(at, end, ":") ||
        !take_number(at, end, 2, &minute) || !take_word(at, end, ":") ||
        !take_number(at, end, 2, &second))
        return false;
    struct tm parts = {.tm_year = (int)year - 1900,
                       .tm_mon = (int)month - 1,
                       .tm_mday = (int)day,
                       .tm_hour = (int)hour,
                       .tm_min = (int)minute,
                       .tm_sec = (int)second};
    *ret = timegm(&parts);
    return true;
}

/* Most records have the second of the one before them, whose date need not be worked out. */
static bool take_time(const char **at, const char *end, struct timespec *ret)
{
    enum { SECOND_LEN = 19 };
    static __thread char last[SECOND_LEN];
    static __thread time_t last_second;
    const char *text = *at;
    long zone;
    if (end - text >= SECOND_LEN && memcmp(text, last, SECOND_LEN) == 0) {
        *at += SECOND_LEN;
        ret->tv_sec = last_second;
    } else if (take_second(at, end, &ret->tv_sec)) {
        memcpy(last, text, SECOND_LEN);
        last_second = ret->tv_sec;
    } else {
        return false;
    }
    ret->tv_nsec = take_fraction(at, end);
    if (!take_zone(at, end, &zone))
        return false;
    ret->tv_sec -= zone;
    return true;
}

static bool take_stream(const char **at, const char *end, int *ret)
{
    *ret = take_word(at, end, "stderr") ? 2 : 1;
    return *ret == 2 || take_word(at, end, "stdout");
}

/* Four hexadecimal digits; -1: they are none. */
static long hex4(const char *p, const char *end)
{
    long value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = p[i] >= '0' && p[i] <= '9'   ? p[i] - '0'
                    : p[i] >= 'a' && p[i] <= 'f' ? p[i] - 'a' + 10
                    : p[i] >= 'A' && p[i] <= 'F' ? p[i] - 'A' + 10
                                                 : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

static char *put_letter(char *out, long value)
{
    if (value < 0x80) {
        *out++ = (char)value;
    } else if (value < 0x800) {
        *out++ = (char)(0xc0 | value >> 6);
        *out++ = (char)(0x80 | (value & 0x3f));
    } else if (value < 0x10000) {
        *out++ = (char)(0xe0 | value >> 12);
        *out++ = (char)(0x80 | (value >> 6 & 0x3f));
        *out++ = (char)(0x80 | (value & 0x3f));
    } else {
        *out++ = (char)(0xf0 | value >> 18);
        *out++ = (char)(0x80 | (value >> 12 & 0x3f));
        *out++ = (char)(0x80 | (value >> 6 & 0x3f));
        *out++ = (char)(0x80 | (value & 0x3f));
    }
    return out;
}

/* What follows "\u"; a surrogate without its other half is U+FFFD. */
static char *put_unicode(char *out, const char **at, const char *end)
{
    long value = hex4(*at, end);
    if (value < 0) {
        *at = end - *at < 4 ? end : *at; /* a kill cut it off */
        return out;
    }
    *at += 4;
    if (value >= 0xd800 && value < 0xe000) {
        bool paired = value < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u';
        long low = paired ? hex4(*at + 2, end) : -1;
        paired = low >= 0xdc00 && low < 0xe000;
        *at += paired ? 6 : 0;
        value = paired ? 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
    }
    return put_letter(out, value);
}

/* The text of a string up to its closing quote, in place: it only gets shorter.  false: the
 * quote is missing, and *at is the end. */
static bool take_string(const char **at, const char *end, char **ret_end)
{
    static const char letters[] = "bfnrt", bytes[] = "\b\f\n\r\t";
    char *out = *ret_end;
    const char *p = *at;
    while (p < end && *p != '"') {
        const char *run = p;
        while (p < end && *p != '"' && *p != '\\')
            p++;
        memmove(out, run, (size_t)(p - run));
        out += p - run;
        if (p == end || *p == '"')
            break;
        if (++p == end)
            break;
        char escape = *p++;
        const char *named = escape ? strchr(letters, escape) : NULL;
        if (escape == 'u')
            out = put_unicode(out, &p, end);
        else
            *out++ = named ? bytes[named - letters] : escape;
    }
    *ret_end = out;
    *at = p < end ? p + 1 : end;
    return p < end;
}

/* {"k":"v",…}: to its closing brace, which no string of it hides. */
static bool take_object(const char **at, const char *end, struct prl_log_said *ret)
{
    bool quoted = false;
    ret->details = *at;
    for (int depth = 0; *at < end; ++*at) {
        if (quoted && **at == '\\')
            ++*at;
        else if (**at == '"')
            quoted = !quoted;
        else if (!quoted && **at == '{')
            depth++;
        else if (!quoted && **at == '}' && --depth == 0) {
            ret->details_len = (size_t)(++*at - ret->details);
            return true;
        }
    }
    return false;
}

static bool read_json(char *record, const char *end, struct prl_log_said *ret)
{
    const char *at = record;
    if (take_word(&at, end, "{\"stream\":")) /* an empty piece has no "log" */
        at = record + 1;
    else if (!take_word(&at, end, "{\"log\":\""))
        return false;
    else {
        char *text_end = ret->bytes = record + (at - record);
        bool whole = take_string(&at, end, &text_end);
        ret->len = (size_t)(text_end - ret->bytes);
        if (!whole || !take_word(&at, end, ",")) /* cut off by a kill */
            return true;
    }
    if (!take_word(&at, end, "\"stream\":\"") || !take_stream(&at, end, &ret->stream))
        return true;
    if (take_word(&at, end, "\",\"attrs\":") && !take_object(&at, end, ret))
        return true;
    (void)take_word(&at, end, "\"");
    ret->timed = take_word(&at, end, ",\"time\":\"") && take_time(&at, end, &ret->time);
    return true;
}

/* The end of the line is put back where it stood: the record's own. */
static bool read_cri(char *record, size_t len, bool ended, struct prl_log_said *ret)
{
    const char *at = record, *end = record + len;
    if (!take_time(&at, end, &ret->time) || !take_word(&at, end, " ") ||
        !take_stream(&at, end, &ret->stream) || !take_word(&at, end, " "))
        return false;
    bool whole = take_word(&at, end, "F");
    if ((!whole && !take_word(&at, end, "P")) || !take_word(&at, end, " "))
        return false;
    ret->timed = true;
    ret->bytes = record + (at - record);
    ret->len = (size_t)(end - at) + (whole && ended);
    if (ended)
        record[len] = '\n';
    return true;
}

void prl_log_read_record(char *record, size_t len, bool ended, struct prl_log_said *ret)
{
    const struct prl_log_said none = {.bytes = record, .stream = 1};
    *ret = none;
    if (read_json(record, record + len, ret))
        return;
    *ret = none;
    if (read_cri(record, len, ended, ret))
        return;
    *ret = none;
    ret->len = len + ended;
    if (ended)
        record[len] = '\n';
}
