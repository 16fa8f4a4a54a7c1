/* owner.h: a claim on a file, and its form in extended attributes.
 * In: bytes of anybody's.  Out: numbers, or -EINVAL.  Never: a system call.
 *
 * user.rootlesscontainers is the rootlesscontainers convention: a protobuf message of two
 * numbers, 1: uid, 2: gid; a field that is left out is 0.  user.pyrootless.device is our own:
 * "c MAJOR MINOR" or "b MAJOR MINOR". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRL_OWNER_XATTR  "user.rootlesscontainers"
#define PRL_DEVICE_XATTR "user.pyrootless.device"

struct prl_claim {
    uint32_t uid, gid;
    char type; /* 'c' or 'b': the empty file stands for a device; 0: none */
    uint32_t major, minor;
};

enum { PRL_OWNER_BYTES = 12, PRL_DEVICE_BYTES = 32 };

/* Returns the length, at most PRL_OWNER_BYTES. */
size_t prl_owner_encode(const struct prl_claim *claim, unsigned char buf[PRL_OWNER_BYTES]);
int prl_owner_decode(const unsigned char *bytes, size_t len, struct prl_claim *ret);
size_t prl_device_encode(const struct prl_claim *claim, char buf[PRL_DEVICE_BYTES]);
int prl_device_decode(const char *bytes, size_t len, struct prl_claim *ret);
