// sources: csrc/base/sha256.c
/* test_sha256.c: digests.  In: texts.  Out: the examples of FIPS 180-4 and both ways to pad.
 * Source: FIPS 180-4 with its examples; for the other lengths: sha256sum(1). */
#include "base/sha256.h"
#include "check.h"

static char digest[PRL_SHA256_TEXT];

static const char *of(const char *text, size_t len)
{
    prl_sha256(text, len, digest);
    return digest;
}

TEST(examples_of_the_standard)
{
    CHECK_STR(of("abc", 3),
              "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_STR(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
              "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK_STR(of("", 0),
              "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(whole_blocks_and_many)
{
    static char many[1000000];
    memset(many, 'a', sizeof many);
    CHECK_STR(of(many, sizeof many),
              "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK_STR(of(many, 64),
              "sha256:ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
    CHECK_STR(of(many, 55),
              "sha256:9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
}
