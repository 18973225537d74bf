/* Cryptography of Bluetooth LE against the sample data of the Core Specification (volume 3 part H, appendix
 * D; volume 6 part C, 1). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "lib/crypto/smp.h"
#include "tests/check.h"

#define U  "20b003d2f297be2c5e2c83a7e9f9a5b9eff49111acf4fddbcc0301480e359de6"
#define V  "55188b3d32f6bb9a900afcfbeed4e72a59cb9ac2f19d7cfb6b4fdd49f47fc5fd"
#define DH "ec0234a357c8ad05341010a60a397d9b99796b13b4f866f1868d34f373bfa698"
#define N1 "d5cb8454d177733effffb2ec712baeab"
#define N2 "a6e8e7cc25a75f6e216583f7ff3dc4cf"
#define A1 "0056123737bfce"
#define A2 "00a713702dcfc1"

static void octets(const char *hex, uint8_t *out, size_t len)
{
    cr_assert(eq(long, hex_decode(hex, strlen(hex), out, len), (long)len), "%s", hex);
}

Test(smp, confirm_value)
{
    struct crypto *c = crypto_new(NULL);
    uint8_t u[SMP_X], v[SMP_X], x[SMP_KEY], out[SMP_KEY];
    octets(U, u, sizeof u);
    octets(V, v, sizeof v);
    octets(N1, x, sizeof x);
    ASSERT_OK(smp_f4(c, u, v, x, 0, out));
    expect_hex(span_of(out, sizeof out), "f2c916f107a9bd1cf1eda1bea974872d", "D.2");
    ASSERT_OK(smp_f4(c, u, v, x, 1, out));
    cr_expect(ne(int, out[0], 0xf2), "z counts");
    crypto_free(c);
}

Test(smp, keys_and_check)
{
    struct crypto *c = crypto_new(NULL);
    uint8_t dh[SMP_X], n1[SMP_KEY], n2[SMP_KEY], a1[SMP_DEVICE], a2[SMP_DEVICE], mac[SMP_KEY], ltk[SMP_KEY];
    uint8_t r[SMP_KEY], out[SMP_KEY];
    const uint8_t io[SMP_IO] = {0x01, 0x01, 0x02};
    octets(DH, dh, sizeof dh);
    octets(N1, n1, sizeof n1);
    octets(N2, n2, sizeof n2);
    octets(A1, a1, sizeof a1);
    octets(A2, a2, sizeof a2);
    octets("12a3343bb453bb5408da42d20c2d0fc8", r, sizeof r);
    ASSERT_OK(smp_f5(c, dh, n1, n2, a1, a2, mac, ltk));
    expect_hex(span_of(mac, sizeof mac), "2965f176a1084a02fd3f6a20ce636e20", "D.3, MacKey");
    expect_hex(span_of(ltk, sizeof ltk), "6986791169d7cd23980522b594750a38", "D.3, LTK");
    ASSERT_OK(smp_f6(c, mac, n1, n2, r, io, a1, a2, out));
    expect_hex(span_of(out, sizeof out), "e3c473989cd0e8c5d26c0b09da958f61", "D.4");
    crypto_free(c);
}

Test(smp, private_addresses)
{
    static const struct {
        const char *address, *what;
        bool resolves;
    } rows[] = {
        {"7081940dfbaa", "D.7", true},
        {"7081940dfbab", "another hash", false},
        {"7081950dfbaa", "another prand", false},
        {"f081940dfbaa", "a static address", false},
        {"308194000000", "no resolvable one", false},
    };
    uint8_t irk[SMP_KEY], other[SMP_KEY] = {1}, address[6], hash[SMP_PRIVATE];
    struct crypto *c = crypto_new(NULL);
    octets("ec0234a357c8ad05341010a60a397d9b", irk, sizeof irk);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        octets(rows[i].address, address, sizeof address);
        cr_expect(eq(int, smp_resolves(c, irk, address), rows[i].resolves), "%s", rows[i].what);
    }
    octets("308194000000", address, sizeof address);
    ASSERT_OK(smp_ah(c, irk, address, hash));
    memcpy(address + 3, hash, sizeof hash);
    cr_expect(not(smp_resolves(c, irk, address)), "its hash is right, its kind is not");
    for (int i = 0; i < 20; i++) {
        ASSERT_OK(smp_private_address(c, irk, address));
        cr_expect(eq(int, address[0] >> 6, 1));
        cr_expect(smp_resolves(c, irk, address));
        cr_expect(not(smp_resolves(c, other, address)));
    }
    crypto_free(c);
}

/* The first encrypted packets of the sample: LL_START_ENC_RSP of the central, then of the peripheral. */
Test(smp, encrypted_packets)
{
    struct crypto *c = crypto_new(NULL);
    static const uint8_t start = 0x06;
    uint8_t ltk[SMP_KEY], skd[SMP_KEY], key[SMP_KEY], nonce[SMP_NONCE], out[1 + SMP_MIC], plain[1];
    octets("4c68384139f574d836bcf34e9dfb01bf", ltk, sizeof ltk);
    octets("0213243546576879acbdcedfe0f10213", skd, sizeof skd);
    ASSERT_OK(smp_e(c, ltk, skd, key));
    expect_hex(span_of(key, sizeof key), "99ad1b5226a37e3e058e3b8e27c2c666", "session key");
    octets("000000008024abdcbabebaafde", nonce, sizeof nonce);
    ASSERT_OK(smp_seal(c, key, nonce, 0x03, span_of(&start, 1), out));
    expect_hex(span_of(out, sizeof out), "9fcda7f448", "of the central");
    ASSERT_OK(smp_open(c, key, nonce, 0x03, span_of(out, sizeof out), plain));
    cr_expect(eq(int, plain[0], start));
    cr_expect(eq(int, smp_open(c, key, nonce, 0x02, span_of(out, sizeof out), plain), ERR_SIGNATURE_INVALID),
              "another kind");
    cr_expect(eq(int, smp_open(c, key, nonce, 0x03, span_of(out, SMP_MIC), plain), ERR_TRUNCATED));
    out[0] ^= 1;
    cr_expect(eq(int, smp_open(c, key, nonce, 0x03, span_of(out, sizeof out), plain), ERR_SIGNATURE_INVALID),
              "a bit of the text");
    out[0] ^= 1;
    nonce[0] ^= 1;
    cr_expect(eq(int, smp_open(c, key, nonce, 0x03, span_of(out, sizeof out), plain), ERR_SIGNATURE_INVALID),
              "another number");
    octets("000000000024abdcbabebaafde", nonce, sizeof nonce);
    ASSERT_OK(smp_seal(c, key, nonce, 0x03, span_of(&start, 1), out));
    expect_hex(span_of(out, sizeof out), "a34c13a415", "of the peripheral");
    crypto_free(c);
}
