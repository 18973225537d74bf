#include "tests/vehicle_bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "ecu/spaak/spaak.h"
#include "tests/check.h"

static const struct component_args args = {.serial = SERIAL};

void vehicle_start(struct vehicle_bench *v, const struct history *history)
{
    memset(v, 0, sizeof *v);
    bench_prepare(&v->b, &spaak_class, test_crypto());
    test_equip(&spaak_class, SERIAL, v->b.node.store);
    ASSERT_OK(history_finish(test_crypto(), test_oem(TEST_NOW_S), SERIAL, TEST_NOW_S, v->b.node.store));
    ASSERT_OK(
        history_write(test_crypto(), test_oem(TEST_NOW_S), history, TEST_NOW_S * 1000, v->b.node.store));
    for (int i = 0; i < 2; i++) {
        struct isotp_config c = isotp_config_default(i ? 0x6B9 : 0x6B8, i ? 0x6B1 : 0x6B0);
        isotp_init(&v->ear[i], &c, v->ear_rx[i], MSG_MAX);
    }
    cr_assert(eq(int, bench_start(&v->b, &args), ERR_OK));
}

void vehicle_stop(struct vehicle_bench *v)
{
    bench_free(&v->b);
}

static void hear(struct vehicle_bench *v, struct span bytes)
{
    struct x509 ca;
    struct msg_opened m;
    const struct oem *o = test_oem(TEST_NOW_S);
    x509_parse(span_of(o->roles[OEM_ECU_CA].der, o->roles[OEM_ECU_CA].len), &ca);
    struct msg_policy p = {.crypto = test_crypto(),
                           .direction = MSG_REQUEST,
                           .signer = X509_ECU_IDENTITY,
                           .issuer = &ca,
                           .now_ms = TEST_NOW_S * 1000 + (int64_t)(v->b.now_us / 1000)};
    cr_assert(eq(int, msg_open(&p, bytes, &m), ERR_OK));
    v->last = m.header;
    memcpy(v->body, m.body.p, m.body.len);
    v->body_len = m.body.len;
    v->heard++;
}

/* Carries frames between the module and our two ears until nobody has more to say. */
static void carry(struct vehicle_bench *v, const uint8_t *down, size_t len, int channel)
{
    struct bus_frame f;
    struct isotp_event ev;
    if (down)
        isotp_send(&v->ear[channel], down, (uint32_t)len, 0);
    for (bool busy = true; busy;) {
        busy = false;
        for (int i = 0; i < 2; i++)
            while (isotp_output(&v->ear[i], 0, &f, &ev)) {
                busy = true;
                bench_frame(&v->b.node, 0, &f);
            }
        for (size_t s = 0; s < v->b.sent_count; s++)
            for (int i = 0; i < 2; i++) {
                busy = true;
                isotp_input(&v->ear[i], &v->b.sent[s].frame, 0, &ev);
                if (ev.kind == ISOTP_RECEIVED)
                    hear(v, ev.message);
            }
        v->b.sent_count = 0;
    }
}

void vehicle_tbm_says(struct vehicle_bench *v, uint8_t flags)
{
    struct bus_frame f = {.id = 0x3A0, .len = 8};
    f.data[0] = flags;
    f.data[1] = v->alive = (v->alive + 1) & 15;
    f.data[7] = matrix_checksum(0x3A0, f.data, 8);
    bench_frame(&v->b.node, 0, &f);
    carry(v, NULL, 0, 0);
}

void vehicle_answer_as(struct vehicle_bench *v, enum oem_role role, struct msg_header h, int type,
                       struct span body)
{
    uint8_t out[MSG_MAX];
    size_t len;
    const struct oem_identity *id = &test_oem(TEST_NOW_S)->roles[role];
    h.type = (Spaak__V1__MessageType)type;
    cr_assert(eq(
        int, msg_seal(test_crypto(), MSG_RESPONSE, &h, body, id->key, span_of(id->der, id->len), out, &len),
        ERR_OK));
    carry(v, out, len, role == OEM_GSDP);
}

void vehicle_listen(struct vehicle_bench *v)
{
    carry(v, NULL, 0, 0);
}

bool vehicle_stored(struct vehicle_bench *v, const char *key)
{
    uint8_t buf[ENV_VALUE_MAX];
    size_t len;
    return store_get(v->b.node.store, key, buf, sizeof buf, &len) == ERR_OK;
}
