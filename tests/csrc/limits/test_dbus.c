// sources: csrc/base/io.c csrc/limits/dbus.c
/* test_dbus.c: D-Bus messages: the bytes that go out, and what is made of bytes that come in.
 * In: a socket pair, bytes written by hand after the specification.  Out: exact bytes, texts,
 * refusals.  Never: a bus.  A real systemd answers in tests/vm. */
#include "check.h"
#include "limits/dbus.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair[2];

static void begin(const void *bytes, size_t len)
{
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(write(pair[1], bytes, len), (long)len);
    CHECK_INT(shutdown(pair[1], SHUT_WR), 0);
}

static void end(void)
{
    close(pair[0]);
    close(pair[1]);
}

TEST(values_are_aligned)
{
    struct prl_dbus_body body = {.len = 0};
    prl_dbus_put_signature(&body, "u");
    prl_dbus_put_u32(&body, 7);
    prl_dbus_put_text(&body, "ab");
    size_t array = prl_dbus_open_array(&body, 8);
    prl_dbus_put_text(&body, "c");
    prl_dbus_close_array(&body, array, 8);
    static const uint8_t expected[] = "\1u\0\0\7\0\0\0\2\0\0\0ab\0\0\6\0\0\0\0\0\0\0\1\0\0\0c";
    CHECK(!body.overflow);
    CHECK_INT(body.len, sizeof expected);
    CHECK_INT(memcmp(body.bytes, expected, sizeof expected), 0);
}

TEST(an_empty_array_may_end_behind_its_alignment)
{
    struct prl_dbus_body body = {.len = 0};
    prl_dbus_close_array(&body, prl_dbus_open_array(&body, 8), 8);
    CHECK_INT(body.len, 8);
    CHECK_INT(memcmp(body.bytes, "\0\0\0\0\0\0\0\0", 8), 0);
}

TEST(what_does_not_fit_is_not_sent)
{
    struct prl_dbus_body body = {.len = 0};
    char text[PRL_DBUS_BODY_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    prl_dbus_put_text(&body, text);
    CHECK(body.overflow);
    const struct prl_dbus_call call = {"/p", "i.f", "M", "s", &body};
    CHECK_INT(prl_dbus_send(-1, &call), -E2BIG);
}

TEST(a_call_has_its_header)
{
    struct prl_dbus_body body = {.len = 0};
    uint8_t sent[128];
    static const uint8_t expected[] = "l\1\0\1\6\0\0\0\1\0\0\0\067\0\0\0"
                                      "\1\1o\0\2\0\0\0/p\0\0\0\0\0\0"
                                      "\2\1s\0\3\0\0\0i.f\0\0\0\0\0"
                                      "\3\1s\0\1\0\0\0M\0\0\0\0\0\0\0"
                                      "\10\1g\0\1s\0\0"
                                      "\1\0\0\0z";
    prl_dbus_put_text(&body, "z");
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(prl_dbus_send(pair[0], &(struct prl_dbus_call){"/p", "i.f", "M", "s", &body}), 0);
    CHECK_INT(read(pair[1], sent, sizeof sent), sizeof expected);
    CHECK_INT(memcmp(sent, expected, sizeof expected), 0);
    end();
}

TEST(a_signal_is_read)
{
    static const uint8_t bytes[] = "l\4\1\1\16\0\0\0\5\0\0\0\036\0\0\0"
                                   "\3\1s\0\3\0\0\0Job\0\0\0\0\0"
                                   "\5\1u\0\1\0\0\0"
                                   "\10\1g\0\1s\0\0"
                                   "\11\0\0\0\5\0\0\0abcde";
    struct prl_dbus_message message;
    size_t at = 4;
    begin(bytes, sizeof bytes);
    CHECK_INT(prl_dbus_receive(pair[0], &message), 0);
    CHECK_INT(message.kind, PRL_DBUS_SIGNAL);
    CHECK_STR(message.member, "Job");
    CHECK_STR(prl_dbus_text(&message, &at), "abcde");
    CHECK(prl_dbus_text(&message, &at) == NULL);
    prl_dbus_message_free(&message);
    CHECK_INT(prl_dbus_receive(pair[0], &message), -ECONNRESET);
    end();
}

static int receive(const void *bytes, size_t len)
{
    struct prl_dbus_message message = {.body = NULL};
    begin(bytes, len);
    int r = prl_dbus_receive(pair[0], &message);
    prl_dbus_message_free(&message);
    end();
    return r;
}
#define RECEIVE(text) receive(text, sizeof text - 1)

TEST(lengths_are_not_believed)
{
    /* the other byte order; a body and fields of 2 GiB; a text that is longer than its field */
    CHECK_INT(RECEIVE("B\4\1\1\0\0\0\0\5\0\0\0\0\0\0\0"), -EPROTO);
    CHECK_INT(RECEIVE("l\4\1\1\0\0\0\200\5\0\0\0\0\0\0\0"), -EPROTO);
    CHECK_INT(RECEIVE("l\4\1\1\0\0\0\0\5\0\0\0\0\0\0\200"), -EPROTO);
    CHECK_INT(RECEIVE("l\4\1\1\0\0\0\0\5\0\0\0\10\0\0\0\3\1s\0\377\377\0\0"), -EPROTO);
    CHECK_INT(RECEIVE("l\4\1\1\0\0\0\0\5\0\0\0\10\0\0\0\3\2ss\0\0\0\0"), -EPROTO);
    CHECK_INT(RECEIVE("l\4\1\1\1\0\0\0\5\0\0\0\0\0\0\0"), -ECONNRESET);
}

TEST(a_text_lies_in_the_body)
{
    uint8_t body[] = "\4\0\0\0abc";
    struct prl_dbus_message message = {.body = body, .body_len = 8};
    size_t at = 0;
    CHECK(prl_dbus_text(&message, &at) == NULL);
    body[0] = 3;
    CHECK_STR(prl_dbus_text(&message, &at), "abc");
    body[7] = 'd';
    at = 0;
    CHECK(prl_dbus_text(&message, &at) == NULL);
}
