/* sha256.h: the digest of some bytes.
 * In: bytes.  Out: "sha256:" and 64 hexadecimal digits.  Never: a stream, a secret. */
#pragma once

#include <stddef.h>

enum { PRL_SHA256_TEXT = 7 + 64 + 1 };

void prl_sha256(const void *data, size_t len, char ret[PRL_SHA256_TEXT]);
