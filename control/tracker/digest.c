/* SPDX-License-Identifier: Apache-2.0
 * SHA-256 by OpenSSL, for names and ids that must be the same every time. */
#include "control/tracker/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

bool
digest_sha256(const void *data, size_t len, unsigned char out[DIGEST_SIZE])
{
    return EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) == 1;
}

bool
digest_equal(
    const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE) == 0;
}
