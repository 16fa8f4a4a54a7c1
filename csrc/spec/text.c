/* text.c: JSON text that grows; see text.h.
 * Source: RFC 8259; RFC 3629 for what is UTF-8. */
#include "spec/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_BYTES = 32 * 1024 };

static char *reserve(struct prl_spec_text *o, size_t len)
{
    if (o->len + len + 1 > o->room) {
        size_t room = o->room ? o->room : ROOM_BYTES;
        while (room < o->len + len + 1)
            room *= 2;
        char *larger = realloc(o->at, room);
        if (!larger) {
            o->no_memory = true;
            return NULL;
        }
        o->at = larger;
        o->room = room;
    }
    return o->at + o->len;
}

static void put(struct prl_spec_text *o, const char *bytes, size_t len)
{
    char *end = reserve(o, len);
    if (!end)
        return;
    memcpy(end, bytes, len);
    end[len] = '\0';
    o->len += len;
}

/* Bytes of the character at p, or 0: it is none. */
static size_t character(const unsigned char *p)
{
    uint32_t low = p[0] >= 0xF0 ? 0x10000 : p[0] >= 0xE0 ? 0x800 : 0x80;
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    uint32_t code = p[0] & (0xFFu >> (len + 1));
    if (len == 1)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    return code < low || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ? 0 : len;
}

/* Letters that stand for themselves, from p on. */
static size_t plain_run(const unsigned char *p)
{
    const unsigned char *begin = p;
    while (*p >= ' ' && *p < 0x7F && *p != '"' && *p != '\\')
        p++;
    return (size_t)(p - begin);
}

static char *put_letter(char *end, unsigned char letter)
{
    static const char letters[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *found = strchr(letters, letter);
    if (!found)
        return end + snprintf(end, 7, "\\u%04x", letter);
    *end++ = '\\';
    *end++ = names[found - letters];
    return end;
}

static void put_string(struct prl_spec_text *o, const char *text)
{
    char *end = reserve(o, 6 * strlen(text) + 2);
    if (!end)
        return;
    *end++ = '"';
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t len = plain_run(p);
        end = mempcpy(end, p, len);
        p += len;
        if (*p && *p < 0x7F) {
            end = put_letter(end, *p++);
        } else if (*p) {
            len = character(p);
            o->not_utf8 |= len == 0;
            len = len ? len : 1;
            end = mempcpy(end, p, len);
            p += len;
        }
    }
    *end++ = '"';
    *end = '\0';
    o->len = (size_t)(end - o->at);
}

static void put_key(struct prl_spec_text *o, const char *key)
{
    char last = o->len ? o->at[o->len - 1] : '[';
    if (last != '{' && last != '[')
        put(o, ",", 1);
    if (!key)
        return;
    put_string(o, key);
    put(o, ":", 1);
}

void prl_text_begin(struct prl_spec_text *o, const char *key, char bracket)
{
    put_key(o, key);
    put(o, &bracket, 1);
}

void prl_text_end(struct prl_spec_text *o, char bracket)
{
    put(o, &bracket, 1);
}

void prl_text_text(struct prl_spec_text *o, const char *key, const char *text)
{
    if (!text)
        return;
    put_key(o, key);
    put_string(o, text);
}

void prl_text_texts(struct prl_spec_text *o, const char *key, const char *const *texts)
{
    prl_text_begin(o, key, '[');
    for (size_t i = 0; texts && texts[i]; i++)
        prl_text_text(o, NULL, texts[i]);
    prl_text_end(o, ']');
}

static void put_number(struct prl_spec_text *o, const char *key, uint64_t number, bool negative)
{
    char digits[24], *begin = digits + sizeof digits;
    do {
        *--begin = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    if (negative)
        *--begin = '-';
    put_key(o, key);
    put(o, begin, (size_t)(digits + sizeof digits - begin));
}

void prl_text_number(struct prl_spec_text *o, const char *key, uint64_t number)
{
    put_number(o, key, number, false);
}

void prl_text_signed(struct prl_spec_text *o, const char *key, int64_t number)
{
    put_number(o, key, number < 0 ? -(uint64_t)number : (uint64_t)number, number < 0);
}

void prl_text_flag(struct prl_spec_text *o, const char *key, bool flag)
{
    put_key(o, key);
    put(o, flag ? "true" : "false", flag ? 4 : 5);
}

void prl_text_json(struct prl_spec_text *o, const char *key, const char *json)
{
    put_key(o, key);
    put(o, json, strlen(json));
}
