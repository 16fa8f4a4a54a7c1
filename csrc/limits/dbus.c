/* dbus.c: D-Bus messages over a direct connection; see dbus.h.
 * In: values.  Out: bytes on a socket, and what came back.
 * Never: a message larger than a limit; a length that is believed without being checked.
 * Source: D-Bus specification 0.43, "Marshaling", "Message Protocol", "Authentication". */
#include "limits/dbus.h"

#include "base/io.h"
#include "base/own.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

enum {
    METHOD_CALL = 1,
    FIELD_PATH = 1,
    FIELD_INTERFACE,
    FIELD_MEMBER,
    FIELD_SIGNATURE = 8,
    FIXED_BYTES = 16,
    MESSAGE_MAX_BYTES = 1 << 20,
    STRUCT_BOUNDARY = 8,
    LINE_BYTES = 256,
};

static const char byte_order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 'l' : 'B';

static void put(struct prl_dbus_body *body, const void *data, size_t len)
{
    if (len > sizeof body->bytes - body->len) {
        body->overflow = true;
        return;
    }
    memcpy(body->bytes + body->len, data, len);
    body->len += len;
}

void prl_dbus_align(struct prl_dbus_body *body, size_t boundary)
{
    static const uint8_t zeros[STRUCT_BOUNDARY];
    put(body, zeros, (boundary - body->len % boundary) % boundary);
}

void prl_dbus_put_u32(struct prl_dbus_body *body, uint32_t value)
{
    prl_dbus_align(body, sizeof value);
    put(body, &value, sizeof value);
}

void prl_dbus_put_text(struct prl_dbus_body *body, const char *text)
{
    prl_dbus_put_u32(body, (uint32_t)strlen(text));
    put(body, text, strlen(text) + 1);
}

void prl_dbus_put_signature(struct prl_dbus_body *body, const char *signature)
{
    uint8_t len = (uint8_t)strlen(signature);
    put(body, &len, 1);
    put(body, signature, len + 1u);
}

size_t prl_dbus_open_array(struct prl_dbus_body *body, size_t boundary)
{
    prl_dbus_put_u32(body, 0);
    size_t at = body->len - sizeof(uint32_t);
    prl_dbus_align(body, boundary);
    return at;
}

/* The length leaves out what aligns the first element. */
void prl_dbus_close_array(struct prl_dbus_body *body, size_t at, size_t boundary)
{
    size_t begin = at + sizeof(uint32_t);
    begin += (boundary - begin % boundary) % boundary;
    uint32_t len = (uint32_t)(body->len - begin);
    if (!body->overflow)
        memcpy(body->bytes + at, &len, sizeof len);
}

/* --- connection --- */

/* "\0AUTH EXTERNAL HEX" of the uid's digits; the kernel tells the other side who we are. */
static int authenticate(int fd)
{
    char uid[24], line[LINE_BYTES] = "";
    int len = snprintf(uid, sizeof uid, "%u", (unsigned)geteuid());
    int n = 1 + snprintf(line + 1, sizeof line - 1, "AUTH EXTERNAL ");
    for (int i = 0; i < len; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, "%02x", (unsigned char)uid[i]);
    n += snprintf(line + n, sizeof line - (size_t)n, "\r\n");
    int r = prl_io_write_all(fd, line, (size_t)n);
    for (n = 0; r == 0 && (n < 2 || line[n - 1] != '\n'); n++) {
        if (n == LINE_BYTES - 1)
            return -EPROTO;
        ssize_t got = recv(fd, line + n, 1, 0);
        if (got != 1)
            return got < 0 ? -errno : -EPROTO;
    }
    if (r < 0 || strncmp(line, "OK ", 3) != 0)
        return r < 0 ? r : -EACCES;
    return prl_io_write_all(fd, "BEGIN\r\n", 7);
}

int prl_dbus_connect(const char *socket_path, unsigned seconds)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval limit = {.tv_sec = seconds};
    if (strlen(socket_path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    int r = authenticate(fd);
    return r < 0 ? r : steal_fd(&fd);
}

/* --- messages out --- */

static void put_field(struct prl_dbus_body *head, uint8_t code, const char *kind,
                      const char *text)
{
    prl_dbus_align(head, STRUCT_BOUNDARY);
    put(head, &code, 1);
    prl_dbus_put_signature(head, kind);
    if (*kind == 'g')
        prl_dbus_put_signature(head, text);
    else
        prl_dbus_put_text(head, text);
}

int prl_dbus_send(int fd, const struct prl_dbus_call *call)
{
    const uint8_t fixed[4] = {(uint8_t)byte_order, METHOD_CALL, 0, 1};
    struct prl_dbus_body head = {.len = 0};
    put(&head, fixed, sizeof fixed);
    prl_dbus_put_u32(&head, (uint32_t)call->body->len);
    prl_dbus_put_u32(&head, 1); /* serial: it is the only call */
    size_t fields = prl_dbus_open_array(&head, STRUCT_BOUNDARY);
    put_field(&head, FIELD_PATH, "o", call->path);
    put_field(&head, FIELD_INTERFACE, "s", call->interface);
    put_field(&head, FIELD_MEMBER, "s", call->member);
    put_field(&head, FIELD_SIGNATURE, "g", call->signature);
    prl_dbus_close_array(&head, fields, STRUCT_BOUNDARY);
    prl_dbus_align(&head, STRUCT_BOUNDARY);
    if (head.overflow || call->body->overflow)
        return -E2BIG;
    int r = prl_io_write_all(fd, head.bytes, head.len);
    return r < 0 ? r : prl_io_write_all(fd, call->body->bytes, call->body->len);
}

/* --- messages in --- */

static int receive_all(int fd, void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = recv(fd, (char *)data + done, len - done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ECONNRESET;
        done += (size_t)n;
    }
    return 0;
}

static uint32_t u32_at(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* The member, from an array of fields: code, signature "s", text, each at a multiple of 8. The
 * other fields are skipped by their kind: texts (o, s), a signature (g), a number (u). */
static int find_member(const uint8_t *fields, size_t len, char *ret, size_t size)
{
    ret[0] = '\0';
    for (size_t at = 0; at + 8 <= len; at = (at + 7) & ~(size_t)7) {
        uint8_t code = fields[at];
        char kind = (char)fields[at + 2];
        bool text = kind == 's' || kind == 'o';
        if (fields[at + 1] != 1 || !(text || kind == 'g' || kind == 'u'))
            return -EPROTO;
        size_t value = kind == 'g' ? 1u + fields[at + 4] + 1 : 4;
        if (text)
            value += (size_t)u32_at(fields + at + 4) + 1;
        if (value > len - at - 4)
            return -EPROTO;
        if (text && code == FIELD_MEMBER && value - 5 < size)
            memcpy(ret, fields + at + 8, value - 4);
        at += 4 + value;
    }
    return 0;
}

int prl_dbus_receive(int fd, struct prl_dbus_message *ret)
{
    uint8_t fixed[FIXED_BYTES];
    int r = receive_all(fd, fixed, sizeof fixed);
    if (r < 0)
        return r;
    size_t body_len = u32_at(fixed + 4), fields_len = u32_at(fixed + 12);
    if (fixed[0] != (uint8_t)byte_order || body_len > MESSAGE_MAX_BYTES ||
        fields_len > MESSAGE_MAX_BYTES)
        return -EPROTO;
    size_t head_len = (fields_len + 7) & ~(size_t)7;
    *ret = (struct prl_dbus_message){.kind = fixed[1], .body_len = body_len};
    _cleanup_free_ uint8_t *rest = malloc(head_len + body_len + 1);
    if (!rest)
        return -ENOMEM;
    r = receive_all(fd, rest, head_len + body_len);
    if (r == 0)
        r = find_member(rest, fields_len, ret->member, sizeof ret->member);
    if (r < 0)
        return r;
    memmove(rest, rest + head_len, body_len);
    rest[body_len] = '\0';
    ret->body = steal_ptr(&rest);
    return 0;
}

const char *prl_dbus_text(const struct prl_dbus_message *message, size_t *at)
{
    size_t begin = (*at + 3) & ~(size_t)3;
    if (begin + 5 > message->body_len)
        return NULL;
    size_t len = u32_at(message->body + begin);
    if (len > message->body_len - begin - 5 || message->body[begin + 4 + len] != '\0')
        return NULL;
    *at = begin + 4 + len + 1;
    return (const char *)message->body + begin + 4;
}

void prl_dbus_message_free(struct prl_dbus_message *message)
{
    free(message->body);
    message->body = NULL;
}
