// sources: csrc/base/span.c
/* test_span.c: a member's value found in JSON text.
 * In: texts, whole and broken, on a page that ends where they end.  Out: the piece, or
 * "not found"; the text with another piece. */
#include "check.h"

#include "base/span.h"

#include <stdlib.h>
#include <string.h>

/* The text in a block of its own size: a read past its end is the sanitizer's to find. */
static const char *find(const char *json)
{
    static char found[64];
    size_t len = strlen(json);
    char *copy = malloc(len ? len : 1);
    memcpy(copy, json, len);
    struct prl_span value;
    bool there = prl_span_find((struct prl_span){copy, len}, "linux", "seccomp", &value);
    if (there)
        snprintf(found, sizeof found, "%.*s", (int)value.len, value.at);
    free(copy);
    return there ? found : "(none)";
}

TEST(values_of_every_kind)
{
    CHECK_STR(find("{\"linux\":{\"seccomp\":{\"a\":[1,{}]}}}"), "{\"a\":[1,{}]}");
    CHECK_STR(find("{\"a\":[],\"linux\":{\"b\":{},\"seccomp\":[1,2],\"c\":1}}"), "[1,2]");
    CHECK_STR(find(" { \"linux\" :\n{ \"seccomp\" :\ttrue } } "), "true ");
    CHECK_STR(find("{\"linux\":{\"seccomp\":12,\"b\":3}}"), "12");
    CHECK_STR(find("{\"linux\":{\"seccomp\":\"}\\\"]\\\\\"}}"), "\"}\\\"]\\\\\"");
    CHECK_STR(find("{\"x\":\"{\\\"linux\\\":1\",\"linux\":{\"seccomp\":null}}"), "null");
}

TEST(what_is_not_there)
{
    CHECK_STR(find(""), "(none)");
    CHECK_STR(find("{}"), "(none)");
    CHECK_STR(find("[]"), "(none)");
    CHECK_STR(find("{\"seccomp\":{}}"), "(none)");
    CHECK_STR(find("{\"linux\":[\"seccomp\"]}"), "(none)");
    CHECK_STR(find("{\"linux\":{\"seccomps\":{}}}"), "(none)");
    CHECK_STR(find("{\"linux\":{\"a\":{\"seccomp\":1}}}"), "(none)");
    CHECK_STR(find("{\"linu\\u0078\":{\"seccomp\":1}}"), "(none)");
}

TEST(every_beginning_of_a_text_is_survived)
{
    static const char json[] =
        "{\"a\":\"\\\\\",\"linux\":{\"b\":[{}],\"seccomp\":{\"c\":[\"]\"]}}}";
    char cut[sizeof json];
    for (size_t len = 0; len + 3 < sizeof json; len++) {
        memcpy(cut, json, len);
        cut[len] = '\0';
        CHECK_STR(find(cut), "(none)");
    }
    CHECK_STR(find(json), "{\"c\":[\"]\"]}");
}

TEST(a_piece_is_replaced)
{
    static const char json[] = "{\"linux\":{\"seccomp\":{\"a\":1},\"b\":2}}";
    struct prl_span value;
    size_t len;
    CHECK(prl_span_find((struct prl_span){json, strlen(json)}, "linux", "seccomp", &value));
    char *out = prl_span_replace((struct prl_span){json, strlen(json)}, value,
                                 (struct prl_span){"{}", 2}, &len);
    CHECK_STR(out, "{\"linux\":{\"seccomp\":{},\"b\":2}}");
    CHECK_INT(len, strlen(out));
    free(out);
}
