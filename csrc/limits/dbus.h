/* dbus.h: one call over a direct D-Bus connection, and the signal that tells its end.
 * In: values in the order of a signature.  Out: bytes, messages.
 * Never: a bus between; a descriptor passed; a wait beyond the connection's time limit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRL_DBUS_BODY_BYTES = 1024, PRL_DBUS_RETURN = 2, PRL_DBUS_ERROR, PRL_DBUS_SIGNAL };

/* The arguments of a call, in the form of the wire.  What does not fit makes the call fail. */
struct prl_dbus_body {
    uint8_t bytes[PRL_DBUS_BODY_BYTES];
    size_t len;
    bool overflow;
};

void prl_dbus_align(struct prl_dbus_body *body, size_t boundary);
void prl_dbus_put_u32(struct prl_dbus_body *body, uint32_t value);
void prl_dbus_put_text(struct prl_dbus_body *body, const char *text);
void prl_dbus_put_signature(struct prl_dbus_body *body, const char *signature);
/* An array's length goes where *begin points; elements are aligned to `boundary`. */
size_t prl_dbus_open_array(struct prl_dbus_body *body, size_t boundary);
void prl_dbus_close_array(struct prl_dbus_body *body, size_t at, size_t boundary);

struct prl_dbus_call {
    const char *path, *interface, *member, *signature;
    const struct prl_dbus_body *body;
};

/* A message that came: its kind, the member of a signal, and the text arguments of the body. */
struct prl_dbus_message {
    uint8_t kind;
    char member[64];
    uint8_t *body; /* malloc'd */
    size_t body_len;
};

/* A connected and authenticated socket; every wait ends after seconds.  -errno. */
int prl_dbus_connect(const char *socket_path, unsigned seconds);
int prl_dbus_send(int fd, const struct prl_dbus_call *call);
/* The next message, of any kind.  -errno; -EPROTO: it makes no sense. */
int prl_dbus_receive(int fd, struct prl_dbus_message *ret);
/* The text at *at of a body, and *at behind it; NULL: there is none. */
const char *prl_dbus_text(const struct prl_dbus_message *message, size_t *at);
void prl_dbus_message_free(struct prl_dbus_message *message);
