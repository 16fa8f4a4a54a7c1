// sources: csrc/userns/*.c csrc/base/**/*.c
/* test_ids.c: ranges of ids, the maps made of them, what files grant.
 * In: texts, files in a fresh directory below /tmp.  Out: exact ranges and rows.  Never: a map
 * written. */
#include "userns/ids.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static struct prl_ids ids;

/* "FIRST+COUNT FIRST+COUNT" */
static const char *ranges(void)
{
    static char text[4096];
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < ids.len; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%u+%u", i ? " " : "",
                              ids.ranges[i].first, ids.ranges[i].count);
    return text;
}

/* "INSIDE:HOST+COUNT …" */
static const char *map(enum prl_ids_map how, uint32_t own)
{
    static char text[4096];
    static struct prl_idmap rows[PRL_IDMAP_ROWS];
    size_t n = 0, len = prl_ids_map(how, own, &ids, rows);

    text[0] = '\0';
    for (size_t i = 0; i < len; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%u:%u+%u", i ? " " : "",
                              rows[i].container_id, rows[i].host_id, rows[i].size);
    return text;
}

TEST(parse)
{
    CHECK_INT(prl_ids_parse("100000 65536", 1000, &ids), 0);
    CHECK_STR(ranges(), "100000+65536");
    CHECK_INT(prl_ids_parse("300 5,100 10", 1000, &ids), 0);
    CHECK_STR(ranges(), "300+5 100+10");
    CHECK_INT((long)prl_ids_count(&ids), 15);
    CHECK_INT(prl_ids_parse("990 20", 1000, &ids), 0);
    CHECK_STR(ranges(), "990+10 1001+9");
    CHECK_INT(prl_ids_parse("100 10,95 20,100 10", 1000, &ids), 0);
    CHECK_STR(ranges(), "100+10 95+5 110+5");
    CHECK_INT(prl_ids_parse("1000 1", 1000, &ids), 0);
    CHECK_STR(ranges(), "");
    CHECK_INT(prl_ids_parse("1 0", 1000, &ids), 0);
    CHECK_STR(ranges(), "");
    CHECK_INT(prl_ids_parse("4294967294 1", 1000, &ids), 0);
    CHECK_STR(ranges(), "4294967294+1");
}

TEST(parse_refuses)
{
    static const char *const malformed[] = {"",     " ",     "1",     "1 ",    "1 2 ",
                                            "1,2",  "1 2,",  "1 2;3", "a 1",   "-1 2",
                                            "1 -2", "1 2 3", "+1 2",  "0x1 2", " 1 2"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        CHECK_INT(prl_ids_parse(malformed[i], 1000, &ids), -EINVAL);
    CHECK_INT(prl_ids_parse("4294967295 1", 1000, &ids), -ERANGE);
    CHECK_INT(prl_ids_parse("4294967290 6", 1000, &ids), -ERANGE);
    CHECK_INT(prl_ids_parse("1 99999999999", 1000, &ids), -ERANGE);
    CHECK_INT(prl_ids_parse("18446744073709551616 1", 1000, &ids), -EINVAL);
}

TEST(more_ranges_than_a_map_takes)
{
    ids.len = 0;
    for (unsigned i = 0; i < PRL_ID_RANGES; i++)
        CHECK_INT(prl_ids_add(&ids, 2 * i, 1), 0);
    CHECK_INT(prl_ids_add(&ids, 0, 1), 0); /* is there already */
    CHECK_INT(prl_ids_add(&ids, 5000, 1), -E2BIG);
}

TEST(map_of_a_range)
{
    CHECK_INT(prl_ids_parse("100000 65536", 1000, &ids), 0);
    CHECK_STR(map(PRL_IDS_MAP_RANGE, 1000), "0:1000+1 1:100000+65536");
    CHECK_INT(prl_ids_parse("300 5,100 10", 1000, &ids), 0);
    CHECK_STR(map(PRL_IDS_MAP_RANGE, 1000), "0:1000+1 1:300+5 6:100+10");
    ids.len = 0;
    CHECK_STR(map(PRL_IDS_MAP_RANGE, 1000), "0:1000+1");
}

TEST(map_that_keeps_the_id)
{
    CHECK_INT(prl_ids_parse("100000 65536", 1000, &ids), 0);
    CHECK_STR(map(PRL_IDS_MAP_KEEP, 1000), "1000:1000+1 0:100000+1000 1001:101000+64536");
    CHECK_INT(prl_ids_parse("100000 1000", 1000, &ids), 0);
    CHECK_STR(map(PRL_IDS_MAP_KEEP, 1000), "1000:1000+1 0:100000+1000");
    CHECK_INT(prl_ids_parse("100000 10", 1000, &ids), 0);
    CHECK_STR(map(PRL_IDS_MAP_KEEP, 1000), "1000:1000+1 0:100000+10");
    CHECK_INT(prl_ids_parse("100000 600,200000 600", 1000, &ids), 0);
    CHECK_STR(map(PRL_IDS_MAP_KEEP, 1000),
              "1000:1000+1 0:100000+600 600:200000+400 1001:200400+200");
    CHECK_INT(prl_ids_parse("100000 1000,200000 5", 1000, &ids), 0);
    CHECK_STR(map(PRL_IDS_MAP_KEEP, 1000), "1000:1000+1 0:100000+1000 1001:200000+5");
    CHECK_INT(prl_ids_parse("100000 5", 0, &ids), 0);
    CHECK_STR(map(PRL_IDS_MAP_KEEP, 0), "0:0+1 1:100000+5");
}

TEST(map_without_the_caller)
{
    CHECK_INT(prl_ids_parse("300 5,100 10", 1000, &ids), 0);
    CHECK_STR(map(PRL_IDS_MAP_NONE, 1000), "0:300+5 5:100+10");
}

static char subuid[64], space[64];

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file)
        abort();
    fputs(text, file);
    fclose(file);
}

/* What the file grants alice (1000) where the namespace has these ids. */
static const char *granted(const char *login, uint32_t user, const char *text,
                           const char *namespace_)
{
    const struct prl_ids_source source = {subuid, space, NULL, login, user, user};

    strcpy(subuid, "/tmp/prl-subuid-XXXXXX");
    strcpy(space, "/tmp/prl-space-XXXXXX");
    close(mkstemp(subuid));
    close(mkstemp(space));
    put(subuid, text);
    put(space, namespace_);
    int r = prl_ids_read(&source, &ids);
    unlink(subuid);
    unlink(space);
    return r == 0 ? ranges() : "(failed)";
}

#define INITIAL "         0          0 4294967295\n"

TEST(lines_of_the_file)
{
    CHECK_STR(granted("", 1000, "1000:100000:65536\n", INITIAL), "100000+65536");
    CHECK_STR(granted("prl-no-such", 1000, "prl-no-such:100000:65536", INITIAL),
              "100000+65536");
    CHECK_STR(granted("prl-no-such", 1000,
                      "bob:1:2\nprl-no-such:100:10\n1000:300:5\n1000:100:10\n", INITIAL),
              "100+10 300+5");
    CHECK_STR(granted("", 1000, "", INITIAL), "");
    CHECK_STR(granted("", 1000,
                      "1000\n1000:1\n1000:x:9\n1000:-1:5\n1000:5:0\n1000:7:1:1\n1000: 9:1\n"
                      "1000:4294967295:1\n1000:1:99999999999\n:5:5\n\n#\n1000:4294967290:5\n",
                      INITIAL),
              "4294967290+5");
}

TEST(the_namespace_we_are_in)
{
    CHECK_STR(granted("", 1000, "1000:50:100\n", "0 1000 1\n1 100000 99\n"), "50+50");
    CHECK_STR(granted("", 1000, "1000:100000:65536\n", "0 1000 1\n"), "");
    CHECK_STR(granted("", 0, "", "0 1000 1\n1 100000 65535\n"), "1+65535");
    CHECK_STR(granted("", 0, "", INITIAL), "");
    CHECK_STR(granted("", 0, "0:5:5\n", INITIAL), "5+5");
}

TEST(missing_files)
{
    const struct prl_ids_source source = {"/no/such", "/no/such", NULL, "", 1000, 1000};
    CHECK_INT(prl_ids_read(&source, &ids), 0);
    CHECK_STR(ranges(), "");
}

TEST(the_callers_own)
{
    struct prl_ids gids;
    CHECK_INT(prl_ids_granted(&ids, &gids), 0);
    for (size_t i = 0; i < ids.len; i++)
        CHECK(getuid() - ids.ranges[i].first >= ids.ranges[i].count);
}
