// sources: csrc/base/**/*.c csrc/fakeroot/owner.c csrc/fakeroot/table.c
/* Claims as bytes, and the table beside the attributes. */
#include "fakeroot/table.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(bytes_of_the_convention)
{
    /* protoc --encode, fields of {uid: 1000, gid: 5} and of {gid: 300} */
    static const unsigned char both[] = {0x08, 0xe8, 0x07, 0x10, 0x05};
    static const unsigned char group[] = {0x10, 0xac, 0x02};
    unsigned char buf[PRL_OWNER_BYTES];
    const struct prl_claim a = {.uid = 1000, .gid = 5}, b = {.gid = 300}, none = {0};
    CHECK_INT(prl_owner_encode(&a, buf), sizeof both);
    CHECK(memcmp(buf, both, sizeof both) == 0);
    CHECK_INT(prl_owner_encode(&b, buf), sizeof group);
    CHECK(memcmp(buf, group, sizeof group) == 0);
    CHECK_INT(prl_owner_encode(&none, buf), 0);
}

TEST(every_claim_comes_back)
{
    static const uint32_t ids[] = {0, 1, 127, 128, 65534, 1u << 31, UINT32_MAX - 1};
    enum { N = sizeof ids / sizeof *ids };
    unsigned char buf[PRL_OWNER_BYTES];
    for (int i = 0; i < N * N; i++) {
        const struct prl_claim claim = {.uid = ids[i / N], .gid = ids[i % N]};
        struct prl_claim back = {0};
        size_t len = prl_owner_encode(&claim, buf);
        CHECK(len <= sizeof buf);
        CHECK_INT(prl_owner_decode(buf, len, &back), 0);
        CHECK_INT(back.uid, claim.uid);
        CHECK_INT(back.gid, claim.gid);
    }
}

TEST(malformed_bytes_are_no_claim)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x08", 1},                                             /* no value */
        {"\x08\x80", 2},                                         /* cut short */
        {"\x0a\x01x", 3},                                        /* a text */
        {"\x08\xff\xff\xff\xff\x0f", 6},                         /* -1 */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12} /* endless */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct prl_claim claim;
        CHECK_INT(prl_owner_decode((const unsigned char *)rows[i].bytes, rows[i].len, &claim),
                  -EINVAL);
    }
}

TEST(fields_of_others_are_passed_over)
{
    struct prl_claim claim = {0};
    CHECK_INT(prl_owner_decode((const unsigned char *)"\x18\x07\x08\x21", 4, &claim), 0);
    CHECK_INT(claim.uid, 33);
}

TEST(devices)
{
    char buf[PRL_DEVICE_BYTES];
    const struct prl_claim tty = {.type = 'c', .major = 5, .minor = 1};
    struct prl_claim back = {0};
    CHECK_INT(prl_device_encode(&tty, buf), 5);
    CHECK_STR(buf, "c 5 1");
    CHECK_INT(prl_device_decode(buf, 5, &back), 0);
    CHECK_INT(back.type, 'c');
    CHECK_INT(back.major * 10 + back.minor, 51);
    static const char *const bad[] = {"", "c", "c 1", "p 1 2", "c 1 2 3", "c -1 x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(prl_device_decode(bad[i], strlen(bad[i]), &back), -EINVAL);
}

TEST(the_side_table_outlives_its_process)
{
    char directory[] = "/tmp/prl-side-XXXXXX", path[64];
    CHECK(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/owners", directory);
    struct prl_side *side = prl_side_open(path);
    CHECK(side && prl_side_empty(side));
    for (uint64_t i = 1; i <= 1000; i++) {
        const struct prl_side_key key = {.device = 0, .inode = i, .born_ns = i * 7};
        const struct prl_claim claim = {.uid = (uint32_t)i, .gid = 5};
        CHECK_INT(prl_side_put(side, &key, &claim), 0);
    }
    const struct prl_side_key first = {.inode = 1, .born_ns = 7};
    const struct prl_claim none = {0};
    CHECK_INT(prl_side_put(side, &first, &none), 0);
    prl_side_close(side);
    side = prl_side_open(path);
    struct prl_claim claim;
    CHECK(!prl_side_get(side, &first, &claim));
    CHECK(prl_side_get(side, &(struct prl_side_key){.inode = 1000, .born_ns = 7000}, &claim));
    CHECK_INT(claim.uid, 1000);
    /* the number is used again by a file that was born later */
    CHECK(!prl_side_get(side, &(struct prl_side_key){.inode = 1000, .born_ns = 7001}, &claim));
    prl_side_close(side);
    unlink(path);
    rmdir(directory);
}

/* Of the container's supervisor and of that of an `exec`. */
TEST(two_tables_of_one_file)
{
    char directory[] = "/tmp/prl-side-XXXXXX", path[64];
    const struct prl_side_key key = {.inode = 1, .born_ns = 7}, other = {.inode = 2};
    struct prl_claim claim = {.uid = 5, .gid = 6}, found;
    CHECK(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/owners", directory);
    struct prl_side *one = prl_side_open(path), *two = prl_side_open(path);
    CHECK(one && two && prl_side_empty(two));
    CHECK_INT(prl_side_put(one, &key, &claim), 0);
    CHECK(!prl_side_empty(two) && prl_side_get(two, &key, &found) && found.uid == 5);
    for (uint32_t i = 1; i <= 20000; i++) { /* another file takes the place, more than once */
        claim.uid = i;
        CHECK_INT(prl_side_put(two, &other, &claim), 0);
    }
    claim.uid = 9;
    CHECK_INT(prl_side_put(one, &key, &claim), 0);
    CHECK(prl_side_get(one, &other, &found) && found.uid == 20000);
    CHECK(!prl_side_empty(two) && prl_side_get(two, &key, &found) && found.uid == 9);
    prl_side_close(one);
    prl_side_close(two);
    one = prl_side_open(path);
    CHECK(one && prl_side_get(one, &key, &found) && found.uid == 9);
    prl_side_close(one);
    unlink(path);
    rmdir(directory);
}

TEST(a_damaged_line_is_passed_over)
{
    char path[] = "/tmp/prl-side-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "0 7 9 33 44\nnonsense\n0 8 9 3";
    CHECK(write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);
    struct prl_side *side = prl_side_open(path);
    struct prl_claim claim;
    CHECK(side && prl_side_get(side, &(struct prl_side_key){.inode = 7, .born_ns = 9}, &claim));
    CHECK_INT(claim.uid * 100 + claim.gid, 3344);
    CHECK(!prl_side_get(side, &(struct prl_side_key){.inode = 8, .born_ns = 9}, &claim));
    prl_side_close(side);
    unlink(path);
}

/* The length of a claims file after `changes` changes of one owner, and what it then says. */
static long length_after(uint32_t changes, uint32_t *ret_uid)
{
    char directory[] = "/tmp/prl-side-XXXXXX", path[64];
    const struct prl_side_key key = {.inode = 7, .born_ns = 9};
    struct prl_claim claim = {0};
    struct stat st;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/owners", directory);
    struct prl_side *side = prl_side_open(path);
    for (uint32_t i = 1; side && i <= changes; i++)
        if (prl_side_put(side, &key, &(struct prl_claim){.uid = i}) < 0)
            return -1;
    prl_side_close(side);
    side = prl_side_open(path);
    if (!side || !prl_side_get(side, &key, &claim) || stat(path, &st) < 0)
        return -1;
    *ret_uid = claim.uid;
    prl_side_close(side);
    unlink(path);
    return rmdir(directory) == 0 ? st.st_size : -1;
}

TEST(the_file_does_not_grow_with_the_changes)
{
    uint32_t uid = 0;
    long length = length_after(300000, &uid);
    CHECK(length > 0 && length < 100000);
    CHECK_INT(uid, 300000);
}

TEST(files_that_came_and_went_leave_no_entries)
{
    struct prl_side *side = prl_side_open(NULL);
    struct prl_claim claim;
    for (uint64_t i = 1; i <= (1u << 20) + 2; i++) {
        const struct prl_side_key key = {.inode = 12, .born_ns = i};
        CHECK_INT(prl_side_put(side, &key, &(struct prl_claim){.uid = 5}), 0);
        CHECK_INT(prl_side_put(side, &key, &(struct prl_claim){0}), 0);
    }
    CHECK(prl_side_empty(side));
    CHECK(!prl_side_get(side, &(struct prl_side_key){.inode = 12, .born_ns = 1}, &claim));
    prl_side_close(side);
}

TEST(a_claim_after_a_damaged_line_is_kept)
{
    char path[] = "/tmp/prl-side-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "0 7 9 33 44\n0 8 9 3";
    const struct prl_side_key key = {.inode = 5, .born_ns = 6};
    CHECK(write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);
    struct prl_side *side = prl_side_open(path);
    struct prl_claim claim;
    CHECK(side);
    CHECK_INT(prl_side_put(side, &key, &(struct prl_claim){.uid = 1, .gid = 2}), 0);
    prl_side_close(side);
    side = prl_side_open(path);
    CHECK(side && prl_side_get(side, &key, &claim));
    CHECK_INT(claim.uid * 100 + claim.gid, 102);
    CHECK(prl_side_get(side, &(struct prl_side_key){.inode = 7, .born_ns = 9}, &claim));
    CHECK(!prl_side_get(side, &(struct prl_side_key){.inode = 8, .born_ns = 9}, &claim));
    prl_side_close(side);
    unlink(path);
}
