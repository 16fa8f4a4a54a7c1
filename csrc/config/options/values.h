/* values.h: the text of one option value → the value.
 * In: the option as the user knows it ("--timeout") and what was typed.  Out: numbers, names,
 * clean paths.  Never: a file, the network, another option's value.
 * Every failure is PRL_STAGE_OPTIONS, syscall = option, subject = a sentence with a right
 * example. */
#pragma once

#include "prl.h"
#include "spec/exports.h"

int prl_value_bool(const char *option, const char *text, bool *ret, struct prl_error *reterr);
int prl_value_integer(const char *option, const char *text, int64_t *ret,
                      struct prl_error *reterr);
/* "4096", "64m", "1GiB", "0.5g", "1.5 MB": powers of 1024, at most INT64_MAX. */
int prl_value_size(const char *option, const char *text, uint64_t *ret_bytes,
                   struct prl_error *reterr);
/* "2", "0.5", "1m30s", "250ms": at most INT64_MAX nanoseconds. */
int prl_value_duration(const char *option, const char *text, uint64_t *ret_ns,
                       struct prl_error *reterr);
/* moment.c: "2026-01-31T12:00:00Z", "1136073600.5", "10m" (ago): nanoseconds since 1970. */
int prl_value_moment(const char *option, const char *text, int64_t *ret_ns,
                     struct prl_error *reterr);
/* "TERM", "SIGTERM", "15", "RTMIN+3" (the kernel's numbers: RTMIN is 34, RTMAX 64). */
int prl_value_signal(const char *option, const char *text, int *ret_signal,
                     struct prl_error *reterr);

/* When a container is started again: see config/policy.h. */
int prl_value_restart(const char *option, const char *text, struct prl_error *reterr);

/* A name for a container: letters, digits, "_", ".", "-"; at most 128. */
int prl_value_name(const char *option, const char *text, struct prl_error *reterr);
/* A host name: letters, digits, ".", "-", "_"; at most 64. */
int prl_value_hostname(const char *option, const char *text, struct prl_error *reterr);
/* An absolute path in the container, made normal by its text alone ("//", "." and a last "/"
 * go, ".." takes the name before it away). *ret is malloc'd. */
int prl_value_target(const char *option, const char *text, char **ret,
                     struct prl_error *reterr);

/* "nofile=1024:4096", "nofile=unlimited": RLIM_INFINITY is UINT64_MAX. */
struct prl_value_ulimit {
    const char *type; /* "RLIMIT_NOFILE" */
    uint64_t soft, hard;
};
int prl_value_ulimit(const char *option, const char *text, struct prl_value_ulimit *ret,
                     struct prl_error *reterr);

/* network.c: "[[ADDRESS:][HOST]:]CONTAINER[/tcp|udp]", each a port or a range. */
struct prl_value_publish {
    char address[46]; /* IPv4 or IPv6 without brackets; "": every address */
    uint16_t host;    /* first port; 0: a free one for each */
    uint16_t container, count;
    bool udp;
};
int prl_value_publish(const char *option, const char *text, struct prl_value_publish *ret,
                      struct prl_error *reterr);
/* "80", "80-82/udp": a range of ports; host is 0. */
int prl_value_expose(const char *option, const char *text, struct prl_value_publish *ret,
                     struct prl_error *reterr);
/* "none", "container:web", "pasta:mtu=1500": which network, and its MTU (0: not given). */
enum prl_value_network {
    PRL_VALUE_NETWORK_NONE,
    PRL_VALUE_NETWORK_CONTAINER, /* of another container: its name or id follows the colon */
    PRL_VALUE_NETWORK_HOST,
    PRL_VALUE_NETWORK_PASTA,
    PRL_VALUE_NETWORK_SLIRP,
    PRL_VALUE_NETWORK_AUTO,
};
int prl_value_network(const char *option, const char *text, enum prl_value_network *ret,
                      uint32_t *ret_mtu, struct prl_error *reterr);
/* allow.c: a destination of --allow-host: "example.org:443", "192.0.2.0/24",
 * "[2001:db8::1]:80". */
struct prl_value_allow {
    char host[254]; /* a name in lower case, or an address without brackets */
    int bits;       /* of an address that count; -1: host is a name */
    uint16_t port;  /* 0: all */
};
int prl_value_allow(const char *option, const char *text, struct prl_value_allow *ret,
                    struct prl_error *reterr);
/* An IPv4 or IPv6 address. */
int prl_value_address(const char *option, const char *text, struct prl_error *reterr);
/* A word for resolv.conf: no white space, no control character. */
int prl_value_word(const char *option, const char *text, struct prl_error *reterr);
int prl_value_mac(const char *option, const char *text, struct prl_error *reterr);

/* "name:1.2.3.4", "name=[::1]": name and address without brackets; the address host-gateway
 * stays that word. */
struct prl_value_host {
    char name[65];
    char address[46];
};
int prl_value_host(const char *option, const char *text, struct prl_value_host *ret,
                   struct prl_error *reterr);

/* "NET_ADMIN", "cap_net_admin" → its bit; "ALL" → PRL_VALUE_CAPS_ALL. */
#define PRL_VALUE_CAPS_ALL ((1ULL << PRL_SPEC_CAPABILITIES) - 1)
int prl_value_capability(const char *option, const char *text, uint64_t *ret_mask,
                         struct prl_error *reterr);

/* "stdin", "STDOUT", "stderr" → its descriptor. */
int prl_value_stream(const char *option, const char *text, int *ret, struct prl_error *reterr);

/* "ctrl-p,ctrl-q" → the bytes a terminal sends; "" → none (detaching switched off). */
enum { PRL_VALUE_KEYS = 16 };
int prl_value_detach_keys(const char *option, const char *text,
                          unsigned char ret_keys[PRL_VALUE_KEYS], struct prl_error *reterr);

/* A sysctl of a namespace the container owns: "net.core.somaxconn=1024".  *ret_value points
 * into text, *ret_key_len is the length of the key. */
struct prl_value_sysctl {
    const char *value;
    size_t key_len;
};
int prl_value_sysctl(const char *option, const char *text, bool own_network,
                     struct prl_value_sysctl *ret, struct prl_error *reterr);
