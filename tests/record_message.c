/* Prints the worked example of docs/messages.md: one request, cut into its parts, each as a name and hex. The
 * key is of this example only. Another seed or OpenSSL gives other bytes, as good; tests/test_messages.c
 * holds those that stand in the document against the code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/seeded.h"
#include "lib/msg/msg.h"
#include "tests/support.h"

#define SERIAL  "SPAAK00000001"
#define SEED    1
#define COLUMNS 32 /* bytes on a line */

static void part(const char *name, struct span s)
{
    printf("%-27s", name);
    for (size_t i = 0; i < s.len; i++)
        printf("%s%02x", i && i % COLUMNS == 0 ? "\n                           " : "", s.p[i]);
    printf("%s\n", s.len ? "" : "-");
}

static void must(enum err e, const char *what)
{
    if (!e)
        return;
    fprintf(stderr, "%s: %s\n", what, err_name(e));
    _Exit(1);
}

/* One line for each field, as the header holds them: tag, then a varint or a length and bytes. */
static void header_fields(struct span header)
{
    const ProtobufCMessageDescriptor *d = &spaak__v1__spaak_header__descriptor;
    struct rd r = rd_of(header.p, header.len);
    while (r.left) {
        char name[64];
        const uint8_t *start = r.p;
        uint8_t tag = rd_u8(&r);
        const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(d, tag >> 3);
        if ((tag & 7) == 2)
            rd_span(&r, rd_u8(&r));
        else
            while (rd_u8(&r) & 0x80)
                ;
        snprintf(name, sizeof name, "header.%s", f ? f->name : "?");
        part(name, span_of(start, (size_t)(r.p - start)));
    }
}

static void length(const char *name, size_t n)
{
    uint8_t be[4];
    struct wr w = wr_of(be, sizeof be);
    wr_be32(&w, (uint32_t)n);
    part(name, span_of(be, sizeof be));
}

static void signed_bytes(struct crypto *c, struct span body, struct span header)
{
    static const char tag[] = "spaak.v1.request";
    uint8_t digest[SHA256_SIZE], lengths[2][4];
    struct wr w = wr_of(lengths, sizeof lengths);
    wr_be32(&w, (uint32_t)body.len);
    wr_be32(&w, (uint32_t)header.len);
    const struct span parts[] = {span_of(tag, strlen(tag)), span_of(lengths[0], 4), body,
                                 span_of(lengths[1], 4), header};
    crypto_sha256(c, parts, sizeof parts / sizeof parts[0], digest);
    part("signed.tag", parts[0]);
    length("signed.body_length", body.len);
    part("signed.body", body);
    length("signed.header_length", header.len);
    part("signed.header", header);
    part("sha256", span_of(digest, sizeof digest));
}

static struct span span_from(ProtobufCBinaryData b)
{
    return span_of(b.data, b.len);
}

static void print_all(struct crypto *c, const struct oem *oem, const struct oem_identity *ecu,
                      struct span envelope)
{
    Spaak__V1__SpaakMessage *m = spaak__v1__spaak_message__unpack(NULL, envelope.len, envelope.p);
    uint8_t scalar[P256_SCALAR], point[P256_POINT];
    if (!m || !m->request)
        _Exit(1);
    must(p256_private(ecu->key, scalar), "the key");
    p256_public(ecu->key, point);
    header_fields(span_from(m->request->header));
    signed_bytes(c, span_from(m->body), span_from(m->request->header));
    part("signature", span_from(m->request->signature));
    part("private_key", span_of(scalar, sizeof scalar));
    part("public_key", span_of(point, sizeof point));
    part("certificate", span_from(m->request->certificate));
    part("issuer", span_of(oem->roles[OEM_ECU_CA].der, oem->roles[OEM_ECU_CA].len));
    part("envelope", envelope);
    spaak__v1__spaak_message__free_unpacked(m, NULL);
}

int main(void)
{
    uint8_t body[4 + MSG_UUID] = {0x08, SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED, 0x12, MSG_UUID};
    struct seeded_stream stream;
    struct seeded_context context;
    struct oem oem;
    struct oem_identity ecu;
    struct oem_options options = {.now_s = TEST_NOW_S};
    uint8_t envelope[MSG_MAX];
    size_t len;
    seeded_stream_init(&stream, SEED, "docs/messages.md");
    seeded_use(&stream);
    if (!seeded_context_open(&context))
        return 1;
    struct crypto *c = crypto_new(context.openssl);
    struct msg_header h = {.use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_02,
                           .type = SPAAK__V1__MESSAGE_TYPE__SPAKE2_VERIFIER_SET_STATUS,
                           .ecu_serial = SERIAL,
                           .has_drm_uuid = true,
                           .sequence = 1,
                           .issued_at_ms = TEST_NOW_S * 1000};
    seeded_stream_draw(&stream, body + 4, MSG_UUID); /* the set_id of a Spake2VerifierSetStatus */
    seeded_stream_draw(&stream, h.drm_uuid, sizeof h.drm_uuid);
    seeded_stream_draw(&stream, h.correlation, sizeof h.correlation);
    must(oem_make(c, &options, &oem), "the authorities");
    must(oem_make_ecu(c, &oem, SERIAL, TEST_NOW_S, &ecu), "the module's identity");
    must(msg_seal(c, MSG_REQUEST, &h, span_of(body, sizeof body), ecu.key, span_of(ecu.der, ecu.len),
                  envelope, &len),
         "the envelope");
    print_all(c, &oem, &ecu, span_of(envelope, len));
    oem_identity_free(&ecu);
    oem_free(&oem);
    crypto_free(c);
    seeded_context_close(&context);
    return 0;
}
