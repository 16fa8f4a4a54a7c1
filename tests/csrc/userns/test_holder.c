// sources: csrc/userns/**/*.c csrc/base/**/*.c
/* test_holder.c: which holder a launch shares, and what its ids are called in there.
 * In: maps.  Out: exact ranges, rows and names.  Never: a holder. */
#include "userns/holder/keeper.h"

#include "check.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

static struct prl_holder_key key;
static char text[PRL_HOLDER_MAP_BYTES];

/* Own user and own group need not have the same number. */
static struct prl_spec spec_of(const struct prl_idmap *rows, size_t len)
{
    static struct prl_idmap groups[8];
    for (size_t i = 0; i < len && i < sizeof groups / sizeof *groups; i++) {
        groups[i] = rows[i];
        if (rows[i].host_id == geteuid())
            groups[i].host_id = getegid();
    }
    return (struct prl_spec){
        .uid_maps = rows, .uid_maps_len = len, .gid_maps = groups, .gid_maps_len = len};
}

static const char *ranges(const struct prl_idmap *rows, size_t len)
{
    const struct prl_spec spec = spec_of(rows, len);
    if (prl_holder_key_of(&spec, &key) < 0)
        return "none";
    return prl_holder_ids_text(&key.uids, text, sizeof text) < 0 ? "empty" : text;
}

#define ROWS(...)                                                                              \
    (const struct prl_idmap[]){__VA_ARGS__},                                                   \
        sizeof((const struct prl_idmap[]){__VA_ARGS__}) / sizeof(struct prl_idmap)

TEST(the_set_of_ids_is_what_counts)
{
    uint32_t own = geteuid();
    CHECK_STR(ranges(ROWS({0, own, 1}, {1, 200000, 10})), "200000 10");
    CHECK_STR(ranges(ROWS({0, 200000, 4}, {4, own, 1}, {5, 200004, 6})), "200000 10");
    CHECK_STR(ranges(ROWS({0, 200005, 5}, {5, 200000, 5})), "200000 10");
    CHECK_STR(ranges(ROWS({0, 300000, 2}, {2, 200000, 5})), "200000 5,300000 2");
    CHECK_STR(ranges(ROWS({0, own, 1})), "empty");
}

TEST(the_same_ids_have_one_name)
{
    uint32_t own = geteuid();
    char name[PRL_HOLDER_NAME];
    ranges(ROWS({0, own, 1}, {1, 200000, 10}));
    memcpy(name, key.name, sizeof name);
    ranges(ROWS({0, 200000, 4}, {4, own, 1}, {5, 200004, 6}));
    CHECK_STR(key.name, name);
    CHECK_INT(prl_holder_key_parse("200000 10", "200000 10", &key), 0);
    CHECK_STR(key.name, name);
    CHECK_INT(prl_holder_key_parse("200000 10", "200000 11", &key), 0);
    CHECK(strcmp(key.name, name) != 0);
    CHECK_INT(prl_holder_key_parse("200000 11", "200000 10", &key), 0);
    CHECK(strcmp(key.name, name) != 0);
    CHECK(strncmp(name, "2-", 2) == 0 && strlen(name) == 18);
}

/* A namespace keeps the limits of its maker: another limit is another holder. */
TEST(a_limit_that_namespaces_keep_is_part_of_the_name)
{
    static const int counted[] = {RLIMIT_NPROC, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE,
                                  RLIMIT_MEMLOCK};
    char name[PRL_HOLDER_NAME];
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        struct rlimit before, now;
        CHECK_INT(getrlimit(counted[i], &before), 0);
        CHECK_INT(prl_holder_key_parse("200000 10", "200000 10", &key), 0);
        memcpy(name, key.name, sizeof name);
        now = before;
        now.rlim_cur = before.rlim_cur == RLIM_INFINITY ? 1000000 : before.rlim_cur - 1;
        CHECK_INT(setrlimit(counted[i], &now), 0);
        CHECK_INT(prl_holder_key_parse("200000 10", "200000 10", &key), 0);
        CHECK_INT(setrlimit(counted[i], &before), 0);
        CHECK(strcmp(key.name, name) != 0);
    }
}

static const char *map(uint32_t own, const char *ids, const struct prl_idmap *rows, size_t len)
{
    static char buf[PRL_HOLDER_MAP_BYTES];
    static struct prl_ids had;
    int r = prl_ids_parse(ids, own, &had);
    r = r < 0 ? r : prl_holder_map_text(rows, len, own, &had, buf);
    return r == 0 ? buf : r == -ERANGE ? "not there" : r == -ENOSPC ? "too long" : "?";
}

TEST(rows_are_named_as_the_holder_names_them)
{
    CHECK_STR(map(1000, "100000 65536", ROWS({0, 1000, 1}, {1, 100000, 65536})),
              "0 0 1\n1 1 65536\n");
    CHECK_STR(map(1000, "100000 65536",
                  ROWS({1000, 1000, 1}, {0, 100000, 1000}, {1001, 101000, 64536})),
              "1000 0 1\n0 1 1000\n1001 1001 64536\n");
    CHECK_STR(map(1000, "100000 65536", ROWS({0, 100000, 65536})), "0 1 65536\n");
    CHECK_STR(map(1000, "100 10,300 5", ROWS({0, 304, 1}, {1, 105, 2})), "0 15 1\n1 6 2\n");
}

/* The kernel takes no line that lies across two lines of the namespace above. */
TEST(a_row_across_two_ranges_becomes_two)
{
    CHECK_STR(map(5, "0 5,6 10", ROWS({0, 0, 16})), "0 1 5\n5 0 1\n6 6 10\n");
    CHECK_STR(map(1000, "100 10,110 5", ROWS({0, 105, 8})), "0 6 5\n5 11 3\n");
}

TEST(ids_that_are_not_there)
{
    CHECK_STR(map(1000, "100 10", ROWS({0, 100, 11})), "not there");
    CHECK_STR(map(1000, "100 10", ROWS({0, 99, 2})), "not there");
    CHECK_STR(map(1000, "100 10", NULL, 0), "not there");
}

TEST(more_lines_than_the_kernel_takes)
{
    static struct prl_idmap rows[PRL_IDMAP_ROWS];
    for (uint32_t i = 0; i < PRL_IDMAP_ROWS; i++)
        rows[i] = (struct prl_idmap){1000000 + i, 2000000 - i, 1};
    CHECK_STR(map(1000, "1900000 200000", rows, PRL_IDMAP_ROWS), "too long");
    CHECK(strlen(map(1000, "1900000 200000", rows, 100)) < PRL_HOLDER_MAP_BYTES);
}

TEST(a_text_of_ids_that_is_too_long)
{
    char small[13];
    CHECK_INT(prl_ids_parse("100000 65536", 1000, &key.uids), 0);
    CHECK_INT(prl_holder_ids_text(&key.uids, small, sizeof small), 0);
    CHECK_STR(small, "100000 65536");
    CHECK_INT(prl_holder_ids_text(&key.uids, small, sizeof small - 1), -ENOSPC);
}

TEST(nobody_is_found_where_there_is_nothing)
{
    CHECK_INT(prl_holder_find("/nonexistent/holder", "1-0"), -ENOENT);
    CHECK_INT(prl_holder_find("/proc/self", "ns"), -ENOTDIR);
    CHECK(prl_holder_find("/etc", "passwd") < 0); /* no socket */
}
