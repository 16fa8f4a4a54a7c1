// sources: csrc/base/**/*.c csrc/cli/attach/keys.c
/* test_attach_keys.c: docker's notation of the keys that detach, and what goes through while
 * they are typed. */
#include "check.h"

#include "cli/attach/keys.h"

#include <errno.h>

static bool keys_are(const char *text, const char *expected, size_t len)
{
    struct prl_attach_keys keys;
    struct prl_error error = {0};
    return prl_attach_keys_parse(text, &keys, &error) == 0 && keys.len == len &&
           memcmp(keys.keys, expected, len) == 0;
}

TEST(keys_are_parsed)
{
    CHECK(keys_are("ctrl-p,ctrl-q", "\x10\x11", 2));
    CHECK(keys_are("ctrl-a,x", "\x01x", 2));
    CHECK(keys_are("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", "\0\x1b\x1c\x1d\x1e\x1f", 6));
    CHECK(keys_are("ctrl-Z,DEL,~", "\x1a\x7f~", 3));
    CHECK(keys_are("", "", 0));
}

TEST(bad_keys_are_named)
{
    static const char *const bad[] = {
        "ctrl-", "ctrl-1", "ctrl-pp", "ab",
        "a,",    "a,,b",   ",",       "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct prl_attach_keys keys;
        struct prl_error error = {0};
        CHECK_INT(prl_attach_keys_parse(bad[i], &keys, &error), -EINVAL);
        CHECK_INT(error.stage, PRL_STAGE_OPTIONS);
        CHECK_STR(error.syscall, "--detach-keys");
    }
}

/* Types `typed` one byte at a time, or all at once; returns what went through. */
static const char *typed_through(const char *sequence, const char *typed, bool single,
                                 bool *ret_seen)
{
    static char through[128];
    struct prl_attach_keys keys;
    struct prl_error error;
    size_t total = 0, len = strlen(typed), step = single ? 1 : len;
    (void)prl_attach_keys_parse(sequence, &keys, &error);
    for (size_t i = 0; i < len && !keys.seen; i += step) {
        char bytes[128];
        memcpy(bytes, typed + i, step);
        size_t n = prl_attach_keys_filter(&keys, bytes, step);
        memcpy(through + total, bytes, n);
        total += n;
    }
    *ret_seen = keys.seen;
    if (!keys.seen) {
        char rest[PRL_ATTACH_KEYS_MAX];
        size_t n = prl_attach_keys_filter(&keys, rest, 0);
        memcpy(through + total, rest, n);
        total += n;
    }
    through[total] = '\0';
    return through;
}

TEST(incomplete_sequences_go_through)
{
    static const struct {
        const char *sequence, *typed, *through;
        bool seen;
    } rows[] = {
        {"a,b", "xayb", "xayb", false},      {"a,b", "xabz", "x", true},
        {"a,b", "aab", "a", true},           {"a,b", "a", "a", false},
        {"a,a,b", "aaab", "a", true},        {"a,b,a,c", "ababac", "ab", true},
        {"a,b,a,c", "abab", "abab", false},  {"x", "x", "", true},
        {"", "anything", "anything", false}, {"a,b,c", "ababcab", "ab", true},
    };
    for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        bool seen;
        const char *through =
            typed_through(rows[i / 2].sequence, rows[i / 2].typed, i % 2, &seen);
        CHECK_STR(through, rows[i / 2].through);
        CHECK_INT(seen, rows[i / 2].seen);
    }
}
