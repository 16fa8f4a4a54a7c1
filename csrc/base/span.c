/* span.c: where the value of a member is in JSON text.
 * In: text.  Out: a piece of it.  Never: a tree, reading past the end.
 *
 * The seccomp profile's list is four fifths of every config.json, and a launch does not look at
 * it: it loads the compiled filter.  So the list is carried on as text, and not parsed and
 * written again. */
#include "base/span.h"

#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *p, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
        c->p++;
}

static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->p == c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

/* Letters that mean something within a text, and outside of one. */
enum { IN_TEXT = 1, OUTSIDE = 2 };
static const unsigned char stops[256] = {
    ['"'] = IN_TEXT | OUTSIDE, ['\\'] = IN_TEXT, ['{'] = OUTSIDE, ['}'] = OUTSIDE,
    ['['] = OUTSIDE,           [']'] = OUTSIDE,  [','] = OUTSIDE,
};

static void go_on(struct cursor *c, unsigned char until)
{
    const char *p = c->p, *end = c->end;
    while (p < end && !(stops[(unsigned char)*p] & until))
        p++;
    c->p = p;
}

/* From behind the opening quote to behind the closing one. */
static bool skip_text(struct cursor *c)
{
    for (;; c->p++) {
        go_on(c, IN_TEXT);
        if (c->p == c->end)
            return false;
        if (*c->p == '"') {
            c->p++;
            return true;
        }
        if (++c->p == c->end) /* behind a backslash anything may stand */
            return false;
    }
}

/* One value of any kind: to its closing bracket, or to what ends a number or a word. */
static bool skip_value(struct cursor *c)
{
    size_t depth = 0;
    skip_space(c);
    for (const char *begin = c->p;;) {
        go_on(c, OUTSIDE);
        if (c->p == c->end)
            return false;
        char letter = *c->p;
        bool closes = letter == '}' || letter == ']';
        if (depth == 0 && (closes || letter == ','))
            return c->p > begin;
        c->p++;
        if (letter == '{' || letter == '[')
            depth++;
        if (letter == '"' && !skip_text(c))
            return false;
        if ((closes && --depth == 0) || (letter == '"' && depth == 0))
            return true;
    }
}

/* To the value of a member of the object that begins here. */
static bool go_to_member(struct cursor *c, const char *name)
{
    size_t len = strlen(name);
    bool more = take(c, '{');
    while (more && take(c, '"')) {
        const char *key = c->p;
        if (!skip_text(c))
            return false;
        bool found = (size_t)(c->p - key) == len + 1 && memcmp(key, name, len) == 0;
        if (!take(c, ':'))
            return false;
        skip_space(c);
        if (found)
            return true;
        if (!skip_value(c))
            return false;
        more = take(c, ',');
    }
    return false;
}

/* The outer value is not walked over before it is looked into: the inner one is most of it. */
bool prl_span_find(struct prl_span json, const char *outer, const char *inner,
                   struct prl_span *ret)
{
    struct cursor c = {json.at, json.at + json.len};
    if (!go_to_member(&c, outer) || !go_to_member(&c, inner))
        return false;
    const char *value = c.p;
    if (!skip_value(&c))
        return false;
    *ret = (struct prl_span){value, (size_t)(c.p - value)};
    return true;
}

char *prl_span_replace(struct prl_span json, struct prl_span old, struct prl_span text,
                       size_t *ret_len)
{
    size_t head = (size_t)(old.at - json.at), tail = json.len - head - old.len;
    char *out = malloc(head + text.len + tail + 1);
    if (!out)
        return NULL;
    memcpy(out, json.at, head);
    memcpy(out + head, text.at, text.len);
    memcpy(out + head + text.len, old.at + old.len, tail);
    *ret_len = head + text.len + tail;
    out[*ret_len] = '\0';
    return out;
}
