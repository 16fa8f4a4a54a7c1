// sources: csrc/container/log/writer.c csrc/container/log/file.c csrc/container/log/journal.c
// sources: csrc/container/log/records.c csrc/container/log/reader.c
/* test_log.c: a container's log: its records, its pieces, rotation, and the way back.
 * In: streams of bytes.  Out: the files, and what a reader says of them. */
#include "check.h"

#include "base/own.h"
#include "container/log/exports.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char place[64];

static int make_place(void)
{
    strcpy(place, "/tmp/prl-log-XXXXXX");
    return mkdtemp(place) ? open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static void remove_place(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", place);
    (void)!system(command);
}

static struct prl_log open_log(int dir_fd, struct prl_log_settings settings)
{
    static const struct prl_log_owner owner = {.id = "0123456789abcdef"};
    struct prl_log log;
    const char *what;
    if (prl_log_open(&log, dir_fd, &settings, &owner, &what) < 0)
        abort();
    return log;
}

static char *whole_file(const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", place, name);
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    if (file) {
        (void)!fread(text, 1, (1 << 20) - 1, file);
        fclose(file);
    }
    return text;
}

/* The text of each record, the time left out. */
static const char *without_times(const char *text)
{
    static char out[1 << 20];
    char *to = out;
    while (*text) {
        const char *time = strstr(text, ",\"time\":\"");
        if (!time)
            break;
        memcpy(to, text, (size_t)(time - text));
        to += time - text;
        text = strchr(time, '\n') + 1;
        *to++ = '\n';
    }
    strcpy(to, text);
    return out;
}

static const struct prl_log_query everything = {
    .since_ns = INT64_MIN, .until_ns = INT64_MAX, .tail = -1, .out = true, .err = true};

/* All that a query says, as "1:text" or "2:text" for each piece. */
static char *said(struct prl_log_query query, bool finish)
{
    struct prl_log_reader *reader;
    struct prl_log_text text;
    char *all = calloc(1, 8 << 20), *to = all;
    if (prl_log_reader_open(place, &query, &reader) < 0)
        return strcpy(all, "no log");
    if (finish)
        prl_log_reader_finish(reader);
    while (prl_log_reader_next(reader, &text) == 1) {
        to += sprintf(to, "%d:", text.stream);
        memcpy(to, text.bytes, text.len);
        to += text.len;
    }
    prl_log_reader_close(reader);
    return all;
}

TEST(records_are_dockers)
{
    _cleanup_close_ int dir_fd = make_place();
    struct prl_log log = open_log(dir_fd, (struct prl_log_settings){0});
    prl_log_write(&log, 1, "a\tb \"q\" \\ <&>\r\n", 15);
    prl_log_write(&log, 2, "\xff\xc3\xa9\xe2\x80\xa8\xed\xa0\x80\x7f\n", 11);
    prl_log_write(&log, 1, "begin", 5);
    prl_log_write(&log, 2, "\n", 1);
    prl_log_write(&log, 1, " and end\nrest", 13);
    prl_log_close(&log);
    _cleanup_free_ char *text = whole_file("log");
    CHECK(strstr(text, "Z\"}\n"));
    CHECK_STR(without_times(text),
              "{\"log\":\"a\\u0009b \\\"q\\\" \\\\ "
              "\\u003c\\u0026\\u003e\\r\\n\",\"stream\":\"stdout\"\n"
              "{\"log\":\"\\ufffd\xc3\xa9\\u2028\\ufffd\\ufffd\\ufffd\x7f\\n\",\"stream\":"
              "\"stderr\"\n"
              "{\"log\":\"\\n\",\"stream\":\"stderr\"\n"
              "{\"log\":\"begin and end\\n\",\"stream\":\"stdout\"\n"
              "{\"log\":\"rest\",\"stream\":\"stdout\"\n");
    _cleanup_free_ char *back = said(everything, true);
    CHECK_STR(back,
              "1:a\tb \"q\" \\ <&>\r\n2:\xef\xbf\xbd\xc3\xa9\xe2\x80\xa8\xef\xbf\xbd\xef\xbf"
              "\xbd\xef\xbf\xbd\x7f\n\n1:begin and end\nrest");
    remove_place();
}

TEST(kubernetes_records_keep_every_byte)
{
    _cleanup_close_ int dir_fd = make_place();
    struct prl_log log =
        open_log(dir_fd, (struct prl_log_settings){.driver = PRL_LOG_K8S_FILE});
    prl_log_write(&log, 1, "\xff one\n", 6);
    prl_log_write(&log, 2, "two", 3);
    prl_log_close(&log);
    _cleanup_free_ char *text = whole_file("log");
    CHECK(strstr(text, "Z stdout F \xff one\n") && strstr(text, "Z stderr P two\n"));
    _cleanup_free_ char *back = said(everything, true);
    CHECK_STR(back, "1:\xff one\n2:two");
    remove_place();
}

TEST(long_lines_are_cut_between_letters)
{
    static char line[40001];
    _cleanup_close_ int dir_fd = make_place();
    struct prl_log log = open_log(dir_fd, (struct prl_log_settings){0});
    memset(line, 'x', 40000);
    memcpy(line + 16383, "\xc3\xa9", 2); /* begins with the last byte of a piece */
    line[40000] = '\n';
    for (size_t at = 0; at < sizeof line; at += 1000) /* as a pipe hands it out */
        prl_log_write(&log, 1, line + at, sizeof line - at < 1000 ? sizeof line - at : 1000);
    prl_log_close(&log);
    _cleanup_free_ char *text = whole_file("log");
    CHECK(!strstr(text, "ufffd"));
    int records = 0;
    for (const char *p = text; *p; p++)
        records += *p == '\n';
    CHECK_INT(records, 3);
    CHECK_INT(strchr(text, '\n') - text, 16383 + (int)strlen("{\"log\":\"") +
                                             (int)strlen(strstr(text, "\",\"stream")) -
                                             (int)strlen(strchr(text, '\n')));
    struct prl_log_query query = everything;
    query.timestamps = true; /* in front of the line, not of its pieces */
    _cleanup_free_ char *back = said(query, true);
    CHECK_INT(strlen(back), 2 + 31 + 40001);
    CHECK(memcmp(back + 2 + 31, line, sizeof line) == 0);
    remove_place();
}

/* Exactly a piece: docker's second record of it is the end of the line alone. */
TEST(a_line_of_a_whole_piece)
{
    static char line[PRL_LOG_PIECE_BYTES + 1];
    _cleanup_close_ int dir_fd = make_place();
    struct prl_log log = open_log(dir_fd, (struct prl_log_settings){0});
    memset(line, 'y', PRL_LOG_PIECE_BYTES);
    line[PRL_LOG_PIECE_BYTES] = '\n';
    prl_log_write(&log, 1, line, sizeof line);
    prl_log_close(&log);
    _cleanup_free_ char *text = whole_file("log");
    CHECK(strncmp(strchr(text, '\n') + 1, "{\"log\":\"\\n\",", 12) == 0);
    _cleanup_free_ char *back = said(everything, true);
    CHECK_INT(strlen(back), 2 + sizeof line);
    remove_place();
}

TEST(rotation_keeps_so_many_files_and_no_line_twice)
{
    char line[32];
    _cleanup_close_ int dir_fd = make_place();
    struct prl_log log =
        open_log(dir_fd, (struct prl_log_settings){.max_bytes = 1000, .max_files = 3});
    struct stat st;
    struct prl_log_reader *reader;
    struct prl_log_text text;
    CHECK_INT(prl_log_reader_open(place, &everything, &reader), 0);
    unsigned seen = 0, total = 0;
    char *all = calloc(1, 1 << 16), *to = all;
    for (unsigned i = 0; i < 200; i++) {
        int n = snprintf(line, sizeof line, "line %u\n", i);
        prl_log_write(&log, 1 + i % 2, line, (size_t)n);
        total += (unsigned)n;
        while (i % 7 == 0 && prl_log_reader_next(reader, &text) == 1) { /* it follows */
            memcpy(to, text.bytes, text.len);
            to += text.len;
            seen += (unsigned)text.len;
        }
    }
    prl_log_close(&log);
    prl_log_reader_finish(reader);
    while (prl_log_reader_next(reader, &text) == 1) {
        memcpy(to, text.bytes, text.len);
        to += text.len;
        seen += (unsigned)text.len;
    }
    prl_log_reader_close(reader);
    CHECK_INT(seen, total);
    char *at = all;
    for (unsigned i = 0; i < 200; i++) {
        int n = snprintf(line, sizeof line, "line %u\n", i);
        CHECK(memcmp(at, line, (size_t)n) == 0);
        at += n;
    }
    free(all);
    CHECK(fstatat(dir_fd, "log.2", &st, 0) == 0 && st.st_size >= 1000 && st.st_size < 1100);
    CHECK(fstatat(dir_fd, "log.3", &st, 0) < 0 && fstatat(dir_fd, "log.new", &st, 0) < 0);
    struct prl_log_query last = everything;
    last.tail = 20; /* over the edge of two files */
    _cleanup_free_ char *back = said(last, true);
    CHECK(strncmp(back, "1:line 180\n2:line 181\n", 22) == 0);
    remove_place();
}

/* The limit of this process stands for a full disk: no record is torn, and the log says what is
 * missing. */
TEST(a_full_disk_tears_no_record_and_is_told)
{
    static char line[1001];
    struct rlimit before, small = {8192, 8192};
    _cleanup_close_ int dir_fd = make_place();
    struct prl_log log = open_log(dir_fd, (struct prl_log_settings){0});
    memset(line, 'z', 1000);
    line[1000] = '\n';
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 10; i++)
        prl_log_write(&log, 1, line, sizeof line);
    CHECK_INT(log.lost_ever, 3 * 1001);
    _cleanup_free_ char *torn = whole_file("log");
    CHECK(strlen(torn) < 8192 && torn[strlen(torn) - 1] == '\n');
    setrlimit(RLIMIT_FSIZE, &before);
    prl_log_write(&log, 2, "after\n", 6);
    prl_log_close(&log);
    CHECK_INT(prl_log_lost(place), 3 * 1001);
    struct prl_log_query errors = everything;
    errors.out = false;
    _cleanup_free_ char *back = said(errors, true);
    CHECK_STR(back, "2:pyrootless: 3003 bytes of output had no room\nafter\n");
    remove_place();
}

TEST(what_a_kill_cut_off_is_shown_and_ends_there)
{
    _cleanup_close_ int dir_fd = make_place();
    struct prl_log log = open_log(dir_fd, (struct prl_log_settings){0});
    prl_log_write(&log, 1, "whole\n", 6);
    (void)!write(log.fd, "{\"log\":\"cut \\u00", 16);
    _cleanup_free_ char *living = said(everything, false);
    CHECK_STR(living, "1:whole\n");
    _cleanup_free_ char *dead = said(everything, true);
    CHECK_STR(dead, "1:whole\n1:cut ");
    struct prl_log again = open_log(dir_fd, (struct prl_log_settings){0}); /* started again */
    prl_log_write(&again, 1, "next\n", 5);
    prl_log_close(&again);
    _cleanup_free_ char *both = said(everything, true);
    CHECK_STR(both, "1:whole\ncut next\n");
    prl_log_close(&log);
    remove_place();
}

TEST(bounds_in_time_and_attributes)
{
    static const char lines[] =
        "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"1\",\"b\":\"}\"},"
        "\"time\":\"2026-01-31T12:00:00.5Z\"}\n"
        "2026-01-31T14:00:01.25+02:00 stderr F two\n"
        "{\"log\":\"\\ud83d\\ude00 \\ud800 \\u0041\\n\",\"stream\":\"stdout\","
        "\"time\":\"2026-01-31T12:00:02Z\"}\n";
    _cleanup_close_ int dir_fd = make_place();
    _cleanup_close_ int fd = openat(dir_fd, "log", O_CREAT | O_WRONLY, 0600);
    (void)!write(fd, lines, sizeof lines - 1);
    struct prl_log_query query = everything;
    query.since_ns = 1769860801250000000;
    query.until_ns = 1769860801250000000;
    query.timestamps = query.details = true;
    _cleanup_free_ char *second = said(query, true);
    CHECK_STR(second, "2:2026-01-31T12:00:01.250000000Z  two\n");
    query.since_ns = INT64_MIN;
    query.until_ns = INT64_MAX;
    _cleanup_free_ char *all = said(query, true);
    CHECK_STR(all, "1:2026-01-31T12:00:00.500000000Z a=1,b=} one\n"
                   "2:2026-01-31T12:00:01.250000000Z  two\n"
                   "1:2026-01-31T12:00:02.000000000Z  \xf0\x9f\x98\x80 \xef\xbf\xbd A\n");
    remove_place();
}
