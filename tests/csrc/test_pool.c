// sources: csrc/base/pool.c
/* test_pool.c: pieces of lent room.
 * In: sizes, orders of giving back.  Out: where a piece lies, and what is used again. */
#include "base/pool.h"
#include "check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static char room[1024];

static bool lies_in_room(const void *piece)
{
    return (const char *)piece >= room && (const char *)piece < room + sizeof room;
}

TEST(nobody_lent)
{
    char *piece = prl_pool_alloc(100);
    CHECK(piece && !lies_in_room(piece));
    memset(piece, 1, 100);
    piece = prl_pool_resize(piece, 100, 5000);
    CHECK(piece && piece[99] == 1);
    prl_pool_free(piece);
}

TEST(the_last_piece_is_used_again)
{
    prl_pool_lend(room, sizeof room);
    void *first = prl_pool_alloc(10), *second = prl_pool_alloc(10);
    CHECK(lies_in_room(first) && lies_in_room(second) && first != second);
    CHECK_INT((uintptr_t)first % 16, 0);
    CHECK_INT((uintptr_t)second % 16, 0);
    prl_pool_free(second);
    CHECK(prl_pool_alloc(20) == second);
}

TEST(a_piece_in_the_middle_waits_for_those_behind_it)
{
    prl_pool_lend(room, sizeof room);
    void *first = prl_pool_alloc(10), *second = prl_pool_alloc(10), *third = prl_pool_alloc(10);
    prl_pool_free(first);
    prl_pool_free(second);
    void *fourth = prl_pool_alloc(10);
    CHECK(fourth > third);
    prl_pool_free(fourth);
    prl_pool_free(third);
    CHECK(prl_pool_alloc(10) == first);
}

TEST(the_last_piece_grows_where_it_is_and_another_moves)
{
    prl_pool_lend(room, sizeof room);
    char *first = prl_pool_alloc(10);
    memset(first, 7, 10);
    CHECK(prl_pool_resize(first, 10, 100) == first);
    char *second = prl_pool_alloc(10);
    char *moved = prl_pool_resize(first, 100, 200);
    CHECK(moved > second && moved[9] == 7);
    prl_pool_free(moved);
    prl_pool_free(second);
    CHECK(prl_pool_alloc(10) == first); /* it was given back when it moved */
}

TEST(what_does_not_fit_is_no_piece_of_the_room)
{
    prl_pool_lend(room, sizeof room);
    char *first = prl_pool_alloc(512), *large = prl_pool_alloc(1024);
    CHECK(lies_in_room(first) && large && !lies_in_room(large));
    char *grown = prl_pool_resize(first, 512, 4096);
    CHECK(grown && !lies_in_room(grown));
    prl_pool_free(grown);
    prl_pool_free(large);
    CHECK(prl_pool_alloc(16) == first);
}

TEST(a_text_and_what_was_never_there_lie_in_the_room)
{
    prl_pool_lend(room, sizeof room);
    char *text = prl_pool_print("%s/%d", "of", 2);
    CHECK(lies_in_room(text));
    CHECK_STR(text, "of/2");
    CHECK(lies_in_room(prl_pool_resize(NULL, 0, 16)));
}
