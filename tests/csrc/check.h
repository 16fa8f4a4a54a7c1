/* check.h: the few words of a C test.  A test file is one program: it defines tests with
 * TEST(name) { … } and ends with nothing; main is here.  Output is one line a test ("ok NAME" /
 * "FAIL NAME file:line expression"); exit 1 on failure. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_test {
    const char *name;
    void (*run)(void);
    struct check_test *next;
};
static struct check_test *check_first, **check_tail = &check_first;
static int check_failures, check_failed_now;

#define TEST(name)                                                                             \
    static void test_##name(void);                                                             \
    __attribute__((constructor)) static void register_##name(void)                             \
    {                                                                                          \
        static struct check_test t = {#name, test_##name, NULL};                               \
        *check_tail = &t;                                                                      \
        check_tail = &t.next;                                                                  \
    }                                                                                          \
    static void test_##name(void)

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            printf("  %s:%d: %s\n", __FILE__, __LINE__, #condition);                           \
            check_failed_now = 1;                                                              \
            return;                                                                            \
        }                                                                                      \
    } while (0)
#define CHECK_INT(got, expected)                                                               \
    do {                                                                                       \
        long long g_ = (long long)(got), e_ = (long long)(expected);                           \
        if (g_ != e_) {                                                                        \
            printf("  %s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #got, g_, e_);  \
            check_failed_now = 1;                                                              \
            return;                                                                            \
        }                                                                                      \
    } while (0)
#define CHECK_STR(got, expected)                                                               \
    do {                                                                                       \
        const char *g_ = (got), *e_ = (expected);                                              \
        if (!g_ || !e_ || strcmp(g_, e_) != 0) {                                               \
            printf("  %s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #got,       \
                   g_ ? g_ : "(null)", e_ ? e_ : "(null)");                                    \
            check_failed_now = 1;                                                              \
            return;                                                                            \
        }                                                                                      \
    } while (0)

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct check_test *t = check_first; t; t = t->next) {
        if (argc > 1 && strcmp(argv[1], t->name) != 0)
            continue;
        check_failed_now = 0;
        t->run();
        check_failures += check_failed_now;
        printf("%s %s\n", check_failed_now ? "FAIL" : "ok", t->name);
    }
    return check_failures ? 1 : 0;
}
