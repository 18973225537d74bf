/* The worked example of docs/messages.md is what the code does. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/msg/msg.h"
#include "tests/support.h"

#define PAGE  "docs/messages.md"
#define PARTS 24

static struct part {
    char name[32];
    uint8_t bytes[MSG_MAX];
    size_t len;
} parts[PARTS];
static size_t part_count;

/* A name at the margin begins a part; what follows it, there and on the lines below, is its hex. */
static void read_line(char *line)
{
    char *rest = line, *word;
    bool named = line[0] != ' ';
    while ((word = strsep(&rest, " \n"))) {
        if (!*word)
            continue;
        if (named) {
            cr_assert(lt(sz, part_count, PARTS));
            text_copy(parts[part_count++].name, sizeof parts[0].name, word);
            named = false;
            continue;
        }
        struct part *p = &parts[part_count - 1];
        long n = hex_decode(word, strlen(word), p->bytes + p->len, sizeof p->bytes - p->len);
        cr_assert(lt(long, 0, n), "%s: %s", p->name, word);
        p->len += (size_t)n;
    }
}

static void read_page(void)
{
    char *line = NULL;
    size_t cap = 0;
    bool fenced = false, hex = false;
    FILE *f = fopen(PAGE, "re");
    cr_assert(f != NULL, PAGE);
    while (getline(&line, &cap, f) > 0) {
        if (strncmp(line, "```", 3) == 0) {
            fenced = !fenced;
            hex = strcmp(line, "```\n") == 0; /* code in a language says so */
        } else if (fenced && hex) {
            read_line(line);
        }
    }
    free(line);
    fclose(f);
}

static struct span part(const char *name)
{
    for (size_t i = 0; i < part_count; i++)
        if (strcmp(parts[i].name, name) == 0)
            return span_of(parts[i].bytes, parts[i].len);
    cr_fatal("%s has no %s", PAGE, name);
    return (struct span){NULL, 0};
}

/* All parts whose names begin so, in the page's order. */
static struct span joined(const char *prefix, uint8_t *out, size_t cap)
{
    struct wr w = wr_of(out, cap);
    for (size_t i = 0; i < part_count; i++)
        if (strncmp(parts[i].name, prefix, strlen(prefix)) == 0)
            wr_copy(&w, parts[i].bytes, parts[i].len);
    cr_assert(not(w.failed));
    return span_of(out, w.len);
}

static struct msg_policy policy(const struct x509 *issuer)
{
    return (struct msg_policy){.crypto = test_crypto(),
                               .direction = MSG_REQUEST,
                               .signer = X509_ECU_IDENTITY,
                               .issuer = issuer,
                               .now_ms = TEST_NOW_S * 1000};
}

static void open_example(struct msg_opened *m)
{
    struct x509 issuer;
    cr_assert(eq(int, x509_parse(part("issuer"), &issuer), ERR_OK));
    struct msg_policy p = policy(&issuer);
    cr_assert(eq(int, msg_open(&p, part("envelope"), m), ERR_OK));
}

Test(messages, the_example_is_accepted, .init = read_page)
{
    struct msg_opened m;
    open_example(&m);
    cr_expect(span_equal(m.body, part("signed.body")));
    cr_expect(eq(str, m.header.ecu_serial, "SPAAK00000001"));
    cr_expect(eq(int, m.header.type, SPAAK__V1__MESSAGE_TYPE__SPAKE2_VERIFIER_SET_STATUS));
    cr_expect(eq(i64, m.header.issued_at_ms, TEST_NOW_S * 1000));
}

/* The page's fields are the descriptor's, in its order, and with nothing between them the header. */
Test(messages, the_fields_make_up_the_header, .init = read_page)
{
    const ProtobufCMessageDescriptor *d = &spaak__v1__spaak_header__descriptor;
    uint8_t header[256];
    size_t at = 0;
    for (size_t i = 0; i < part_count && strncmp(parts[i].name, "header.", 7) == 0; i++, at++) {
        const ProtobufCFieldDescriptor *f = &d->fields[at];
        cr_expect(eq(str, parts[i].name + 7, (char *)f->name));
        cr_expect(eq(u32, parts[i].bytes[0] >> 3, f->id));
    }
    cr_expect(eq(sz, at, d->n_fields - 1), "all but `error`, which is 0 in a request");
    cr_expect(span_equal(joined("header.", header, sizeof header), part("signed.header")));
}

Test(messages, the_signature_covers_the_parts_as_listed, .init = read_page)
{
    uint8_t bytes[512], digest[SHA256_SIZE];
    struct p256_key *key;
    struct span to_sign = joined("signed.", bytes, sizeof bytes);
    cr_assert(eq(int, p256_from_public(test_crypto(), part("public_key").p, &key), ERR_OK));
    crypto_sha256(test_crypto(), &to_sign, 1, digest);
    cr_expect(span_equal(span_of(digest, sizeof digest), part("sha256")));
    cr_expect(eq(int, p256_verify(key, digest, part("signature")), ERR_OK));
    p256_free(key);
}

/* Sealed again with the page's key it has the page's bytes, but for the signature and its length. */
Test(messages, the_code_writes_the_example, .init = read_page)
{
    struct msg_opened m;
    struct p256_key *key;
    uint8_t sealed[MSG_MAX];
    size_t len;
    open_example(&m);
    cr_assert(eq(int, p256_from_private(test_crypto(), part("private_key").p, &key), ERR_OK));
    cr_assert(eq(
        int, msg_seal(test_crypto(), MSG_REQUEST, &m.header, m.body, key, part("certificate"), sealed, &len),
        ERR_OK));
    Spaak__V1__SpaakMessage *message = spaak__v1__spaak_message__unpack(NULL, len, sealed);
    cr_assert(message && message->request);
    const Spaak__V1__SpaakRequest *r = message->request;
    cr_expect(span_equal(span_of(message->body.data, message->body.len), part("signed.body")));
    cr_expect(span_equal(span_of(r->header.data, r->header.len), part("signed.header")));
    cr_expect(span_equal(span_of(r->certificate.data, r->certificate.len), part("certificate")));
    cr_expect(eq(sz, len - r->signature.len, part("envelope").len - part("signature").len));
    spaak__v1__spaak_message__free_unpacked(message, NULL);
    p256_free(key);
}
