/* keys.c: the keys that detach.
 * In: docker's notation, typed bytes.  Out: bytes for the container, "seen".  Never: losing or
 * reordering a byte of a sequence that was not completed. */
#include "cli/attach/keys.h"

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* One key of len bytes → its byte; -1 when it is none. */
static int key_byte(const char *text, size_t len)
{
    if (len == 1)
        return (unsigned char)text[0];
    if (len == 3 && memcmp(text, "DEL", 3) == 0)
        return 127;
    if (len != 6 || memcmp(text, "ctrl-", 5) != 0)
        return -1;
    int letter = toupper((unsigned char)text[5]);
    return letter >= '@' && letter <= '_' ? letter - '@' : -1;
}

int prl_attach_keys_parse(const char *text, struct prl_attach_keys *ret,
                          struct prl_error *reterr)
{
    *ret = (struct prl_attach_keys){0};
    for (const char *key = text; *text; key += strcspn(key, ",") + 1) {
        size_t len = strcspn(key, ",");
        int byte = key_byte(key, len);
        if (byte < 0)
            return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "--detach-keys",
                             "\"%.*s\" is not a key: write one character or ctrl-X (X: a-z @ "
                             "[ \\ ] ^ _), keys separated by commas, as in ctrl-p,ctrl-q",
                             len > 32 ? 32 : (int)len, key);
        if (ret->len == PRL_ATTACH_KEYS_MAX)
            return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "--detach-keys",
                             "more than %d keys", PRL_ATTACH_KEYS_MAX);
        ret->keys[ret->len++] = (unsigned char)byte;
        if (key[len] == '\0')
            break;
    }
    return 0;
}

/* The longest end of the held keys that begins the sequence anew. */
static size_t shorter_match(const struct prl_attach_keys *k)
{
    size_t n = k->held - 1;
    while (n > 0 && memcmp(k->keys, k->keys + k->held - n, n) != 0)
        n--;
    return n;
}

size_t prl_attach_keys_filter(void *data, char *bytes, size_t len)
{
    struct prl_attach_keys *k = data;
    size_t in = k->held, end = k->held + len, out = 0;
    if (k->len == 0)
        return len;
    if (len == 0) { /* the end: nothing can complete the sequence any more */
        memcpy(bytes, k->keys, k->held);
        k->held = 0;
        return in;
    }
    memmove(bytes + k->held, bytes, len); /* room for what was kept back */
    for (; in < end && !k->seen; in++) {
        char typed = bytes[in];
        while (k->held > 0 && (unsigned char)typed != k->keys[k->held]) {
            size_t match = shorter_match(k);
            memcpy(bytes + out, k->keys, k->held - match);
            out += k->held - match;
            k->held = match;
        }
        if ((unsigned char)typed == k->keys[k->held])
            k->held++;
        else
            bytes[out++] = typed;
        k->seen = k->held == k->len;
    }
    if (k->seen)
        k->held = 0;
    return out;
}
