#include "tests/tester_bench.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/signature.h"
#include "lib/uds/uds_security.h"
#include "sim/actors/tester/tester.h"

#define SERIAL_FORM       "SPAAK%08u"
#define TESTER_PLANT_PORT 3
#define PKI_PLANT_PORT    1

static const uint8_t secret[UDS_SECRET] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t seed[UDS_SEED] = {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

/* ---- the SGW ---- */

static bool starts(struct span pdu, const char *hex)
{
    uint8_t head[16];
    long n = hex_decode(hex, strlen(hex), head, sizeof head);
    return n >= 0 && pdu.len >= (size_t)n && memcmp(pdu.p, head, (size_t)n) == 0;
}

static void put_hex(struct wr *w, const char *hex)
{
    uint8_t bytes[64];
    long n = hex_decode(hex, strlen(hex), bytes, sizeof bytes);
    assert(n >= 0);
    wr_copy(w, bytes, (size_t)n);
}

static void put_negative(struct wr *w, uint8_t sid, uint8_t nrc)
{
    wr_u8(w, 0x7F);
    wr_u8(w, sid);
    wr_u8(w, nrc);
}

static void challenge_of(uint8_t out[32])
{
    for (unsigned i = 0; i < 32; i++)
        out[i] = (uint8_t)(0xC0 + i);
}

static void take_certificate(struct model *m, struct span pdu, struct wr *out)
{
    struct rd r = rd_of(pdu.p + 3, pdu.len - 3);
    struct x509 cert;
    uint8_t challenge[32];
    struct span der = rd_span(&r, rd_be16(&r));
    bool ok = pdu.p[2] == 0 && rd_be16(&r) == 0 && !r.failed && !r.left && x509_parse(der, &cert) == ERR_OK;
    p256_free(m->claimed);
    m->claimed = NULL;
    if (!ok || p256_from_public(test_crypto(), cert.public_key, &m->claimed)) {
        put_negative(out, 0x29, 0x54);
        return;
    }
    challenge_of(challenge);
    put_hex(out, "6901110020");
    wr_copy(out, challenge, sizeof challenge);
    put_hex(out, "0000");
}

static void take_proof(struct model *m, struct span pdu, struct wr *out)
{
    uint8_t text[11 + 32 + 13];
    memcpy(text, "spaaksim-29", 11);
    challenge_of(text + 11);
    memcpy(text + 43, m->sgw_serial, 13);
    bool ok = m->claimed && pdu.len == 2 + 2 + 64 + 2 &&
              signature_check(test_crypto(), span_of(text, sizeof text), m->claimed, pdu.p + 4) == ERR_OK;
    if (!ok) {
        put_negative(out, 0x29, 0x58);
        return;
    }
    m->gate_open = true;
    m->proofs++;
    put_hex(out, "6903120000");
}

static void ask_sgw(struct model *m, struct span pdu, struct wr *out)
{
    if (starts(pdu, "1003")) {
        m->gate_open = false;
        put_hex(out, "5003003201F4");
    } else if (starts(pdu, "1001")) {
        m->gate_open = false;
        put_hex(out, "5001003201F4");
    } else if (starts(pdu, "22F18C")) {
        put_hex(out, "62F18C");
        wr_copy(out, m->sgw_serial, 13);
    } else if (starts(pdu, "2901")) {
        take_certificate(m, pdu, out);
    } else if (starts(pdu, "2903")) {
        take_proof(m, pdu, out);
    } else if (starts(pdu, "2900")) {
        m->gate_open = false;
        put_hex(out, "690010");
    } else {
        put_negative(out, pdu.p[0], 0x11);
    }
}

/* ---- the module ---- */

static bool key_is_right(const struct model *m, const uint8_t *key)
{
    uint8_t k[UDS_SECRET], want[UDS_KEY];
    enum err e = uds_security_ecu_key(test_crypto(), secret, 0x61, span_of(m->serial, 13), k);
    if (!e)
        e = uds_security_key(test_crypto(), k, 0x61, seed, want);
    return !e && memcmp(key, want, sizeof want) == 0;
}

static void unlock(struct model *m, struct span pdu, struct wr *out)
{
    if (m->session != 0x60) {
        put_negative(out, 0x27, 0x7F);
    } else if (pdu.p[1] == 0x61) {
        put_hex(out, "6761");
        wr_copy(out, seed, sizeof seed);
    } else if (pdu.len == 18 && key_is_right(m, pdu.p + 2)) {
        m->level = 0x61;
        put_hex(out, "6762");
    } else {
        put_negative(out, 0x27, 0x35);
    }
}

static void read_data(struct model *m, struct span pdu, struct wr *out)
{
    if (starts(pdu, "22F18C0200")) {
        put_hex(out, "62F18C");
        wr_copy(out, m->serial, 13);
        put_hex(out, "0200");
        wr_u8(out, m->life);
        return;
    }
    wr_u8(out, 0x62);
    wr_copy(out, pdu.p + 1, 2);
    wr_copy(out, starts(pdu, "220215") ? m->identity : m->anchors[(pdu.p[2] - 0x10) % 5], SHA256_SIZE);
}

static void digest_of(struct span der, uint8_t out[SHA256_SIZE])
{
    crypto_sha256(test_crypto(), &der, 1, out);
}

static void make_csr(struct model *m)
{
    enum err e = csr_create(test_crypto(), m->serial, m->key, m->csr, &m->csr_len);
    assert(!e);
    (void)e;
    m->csrs_made++;
}

static void make_key(struct model *m, struct wr *out)
{
    bool had = m->key != NULL;
    if (!had && p256_generate(test_crypto(), &m->key))
        abort();
    m->keys_made += !had;
    put_hex(out, "71010301");
    wr_u8(out, had);
}

/* Of two certificates in a row, the first. */
static size_t length_of_first(struct span der)
{
    return der.len > 4 && der.p[1] == 0x82 ? 4u + (size_t)der.p[2] * 256 + der.p[3] : 0;
}

static void install_identity(struct model *m, struct span ders, struct wr *out)
{
    struct x509 cert, ca;
    uint8_t ours[P256_POINT];
    size_t n = length_of_first(ders);
    bool ok = n && n < ders.len && !x509_parse(span_of(ders.p, n), &cert) &&
              !x509_parse(span_of(ders.p + n, ders.len - n), &ca) && m->key;
    if (ok)
        p256_public(m->key, ours);
    ok = ok && memcmp(ours, cert.public_key, P256_POINT) == 0;
    if (ok)
        digest_of(cert.der, m->identity);
    put_hex(out, "71010304");
    wr_u8(out, ok ? 0 : 1);
}

static void close_plant(struct model *m, struct span pdu, struct wr *out)
{
    bool lock = starts(pdu, "310103054C4F434B");
    uint8_t was = m->life;
    put_hex(out, "71010305");
    wr_u8(out, lock && was >= 2);
    m->life = lock ? (was < 2 ? 2 : was) : 3;
    if (!lock)
        m->session = m->level = 1;
}

static void run_routine(struct model *m, struct span pdu, struct wr *out)
{
    if (m->session != 0x60 || m->level != 0x61) {
        put_negative(out, 0x31, m->session == 0x60 ? 0x33 : 0x7F);
    } else if (starts(pdu, "31010303") && m->life == 1) {
        digest_of(span_of(pdu.p + 5, pdu.len - 5), m->anchors[(pdu.p[4] - 1) % 5]);
        put_hex(out, "7101030300");
    } else if (starts(pdu, "31010301")) {
        make_key(m, out);
    } else if (starts(pdu, "31010302")) {
        make_csr(m);
        put_hex(out, "7101030200");
    } else if (starts(pdu, "31030302")) {
        put_hex(out, "7103030200");
        wr_copy(out, m->csr, m->csr_len);
    } else if (starts(pdu, "31010304")) {
        install_identity(m, span_of(pdu.p + 4, pdu.len - 4), out);
    } else if (starts(pdu, "31010305")) {
        close_plant(m, pdu, out);
    } else {
        put_negative(out, 0x31, 0x22);
    }
}

static void ask_module(struct model *m, struct span pdu, struct wr *out)
{
    switch (pdu.p[0]) {
    case 0x10:
        if (pdu.p[1] == 0x60 && m->life == 3) {
            put_negative(out, 0x10, 0x22);
            return;
        }
        m->session = pdu.p[1];
        m->level = 0;
        wr_u8(out, 0x50);
        wr_u8(out, pdu.p[1]);
        put_hex(out, "003201F4");
        return;
    case 0x22:
        read_data(m, pdu, out);
        return;
    case 0x27:
        unlock(m, pdu, out);
        return;
    case 0x31:
        run_routine(m, pdu, out);
        return;
    default:
        put_negative(out, pdu.p[0], 0x11);
    }
}

/* ---- what stands in for an answer ---- */

/* True: `out` has it, or nothing. */
static bool swapped(struct tester_bench *m, unsigned bench, struct span pdu, struct wr *out)
{
    for (size_t i = 0; i < TESTER_BENCH_SWAPS; i++) {
        struct swapped *s = &m->swaps[i];
        if (!s->request || s->bench != bench || !starts(pdu, s->request))
            continue;
        if (s->answer)
            put_hex(out, s->answer);
        if (s->times && --s->times == 0)
            s->request = NULL;
        return true;
    }
    return false;
}

static uint32_t draw(struct tester_bench *m)
{
    m->noise = m->noise * 1664525u + 1013904223u;
    return m->noise >> 8;
}

static void spoil(struct tester_bench *m, struct wr *out)
{
    if (!m->noise || !out->len || draw(m) % 16)
        return;
    size_t at = draw(m) % out->len;
    if (draw(m) % 2)
        out->len = at;
    else
        out->buf[at] ^= (uint8_t)(1 + draw(m) % 255);
}

static void log_request(struct tester_bench *m, uint32_t id, struct span pdu)
{
    char hex[2 * 48 + 1];
    hex_encode(pdu.p, pdu.len < 48 ? pdu.len : 48, hex);
    if (m->logged < TESTER_BENCH_LOG)
        snprintf(m->log[m->logged++], sizeof m->log[0], "%03X %s", id, hex);
}

static void on_request(struct tester_bench *m, unsigned bench, struct model_channel *c, struct span pdu)
{
    struct model *model = &m->models[bench];
    struct wr out = wr_of(c->tx, sizeof c->tx);
    log_request(m, c->tp.cfg.rx_id, pdu);
    if (!swapped(m, bench, pdu, &out)) {
        if (c == &model->sgw)
            ask_sgw(model, pdu, &out);
        else
            ask_module(model, pdu, &out);
    }
    assert(!out.failed);
    spoil(m, &out);
    if (out.len)
        isotp_send(&c->tp, c->tx, (uint32_t)out.len, m->tester.now_us);
}

/* ---- frames ---- */

static void input(struct tester_bench *m, unsigned bench, const struct bus_frame *f)
{
    struct model *model = &m->models[bench];
    struct isotp_event ev;
    if (m->frame_count < 64)
        bus_frame_print(f, m->frames[m->frame_count++]);
    isotp_input(&model->sgw.tp, f, m->tester.now_us, &ev);
    if (ev.kind == ISOTP_RECEIVED)
        on_request(m, bench, &model->sgw, ev.message);
    if (!model->gate_open || model->dead)
        return;
    isotp_input(&model->module.tp, f, m->tester.now_us, &ev);
    if (ev.kind == ISOTP_RECEIVED)
        on_request(m, bench, &model->module, ev.message);
}

static void output(struct tester_bench *m, unsigned bench, struct model_channel *c)
{
    struct bus_frame f;
    struct isotp_event ev;
    isotp_expire(&c->tp, m->tester.now_us, &ev);
    if (isotp_output(&c->tp, m->tester.now_us, &f, &ev))
        bench_frame(&m->tester.node, bench, &f);
}

static void to_pki(struct tester_bench *m, const struct bench_sent *s)
{
    m->pki.sent_count = m->pki.trace_count = 0;
    if (m->pki_away)
        return;
    node_on_bytes(&m->pki.node, PKI_PLANT_PORT, "tester", span_of(s->bytes, s->len));
    for (size_t i = 0; i < m->pki.sent_count; i++) {
        if (m->flip_at && m->flip_at <= m->pki.sent[i].len)
            m->pki.sent[i].bytes[m->flip_at - 1] ^= 0x21;
        m->flip_at = 0;
        node_on_bytes(&m->tester.node, TESTER_PLANT_PORT, "",
                      span_of(m->pki.sent[i].bytes, m->pki.sent[i].len));
    }
}

static void collect_sent(struct tester_bench *m)
{
    for (size_t i = 0; i < m->tester.sent_count; i++) {
        m->queue[m->tail] = m->tester.sent[i];
        m->tail = (m->tail + 1) % TESTER_BENCH_QUEUE;
        assert(m->tail != m->head);
    }
    m->tester.sent_count = 0;
}

void tester_bench_step(struct tester_bench *m)
{
    collect_sent(m);
    if (m->head != m->tail) {
        const struct bench_sent *s = &m->queue[m->head];
        m->head = (m->head + 1) % TESTER_BENCH_QUEUE;
        if (s->is_frame)
            input(m, s->port, &s->frame);
        else
            to_pki(m, s);
    }
    for (unsigned i = 0; i < TESTER_BENCH_VEHICLES; i++) {
        output(m, i, &m->models[i].sgw);
        output(m, i, &m->models[i].module);
    }
    bench_run_ms(&m->tester, 1);
}

static bool has_note(const struct tester_bench *m, const char *note)
{
    for (size_t i = 0; i < m->tester.trace_count; i++)
        if (m->tester.trace[i].kind == TRACE_NOTE &&
            strncmp(m->tester.trace[i].detail, note, strlen(note)) == 0)
            return true;
    return false;
}

bool tester_bench_until(struct tester_bench *m, const char *note, unsigned long ms)
{
    for (; !has_note(m, note) && ms > 0; ms--)
        tester_bench_step(m);
    return has_note(m, note);
}

/* ---- life ---- */

static void open_channel(struct model_channel *c, uint32_t request)
{
    struct isotp_config cfg = isotp_config_default(request | 8, request);
    enum err e = isotp_init(&c->tp, &cfg, c->rx, sizeof c->rx);
    assert(!e);
    (void)e;
}

static void start_tester(struct tester_bench *m)
{
    const struct component_args args = {.serial = "", .settings = m->settings};
    enum err e = bench_start(&m->tester, &args);
    assert(!e);
    (void)e;
}

void tester_bench_kill(struct tester_bench *m)
{
    node_stop(&m->tester.node);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        m->tester.due_us[i] = ENV_NEVER;
    m->tester.sent_count = 0;
    m->head = m->tail;
    start_tester(m);
}

void tester_bench_open(struct tester_bench *m, unsigned made)
{
    memset(m, 0, sizeof *m);
    for (unsigned i = 0; i < TESTER_BENCH_VEHICLES; i++) {
        struct model *model = &m->models[i];
        open_channel(&model->sgw, 0x7A2);
        open_channel(&model->module, 0x7A0);
        snprintf(model->serial, sizeof model->serial, SERIAL_FORM, i + 1);
        snprintf(model->sgw_serial, sizeof model->sgw_serial, "SGW%010u", i + 1);
        model->session = model->life = 1;
    }
    line_pki(&m->pki, "SPAAK00000001", TESTER_BENCH_VEHICLES);
    const struct call_value listed[2] = {{.text = "SPAAK00001001"}, {.number = made}};
    unsigned call;
    if (made && component_call(&pki_class, "register-serials", &call))
        node_on_call(&m->pki.node, call, listed);
    bench_prepare(&m->tester, &tester_class, test_crypto());
    test_equip(&tester_class, "", m->tester.node.store);
    store_set(m->tester.node.store, TESTER_SECRET, span_of(secret, sizeof secret));
    memcpy(m->settings, (const uint64_t[]){500, 500, 3, 1000}, sizeof m->settings);
    start_tester(m);
}

void tester_bench_close(struct tester_bench *m)
{
    for (unsigned i = 0; i < TESTER_BENCH_VEHICLES; i++) {
        p256_free(m->models[i].key);
        p256_free(m->models[i].claimed);
    }
    bench_free(&m->tester);
    bench_free(&m->pki);
}

enum err tester_bench_call(struct tester_bench *m, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    const struct call_value values[ENV_VALUES] = {
        {.number = a}, {.number = b}, {.number = c, .text = "22F190"}};
    unsigned call;
    bool known = component_call(&tester_class, name, &call);
    assert(known);
    (void)known;
    size_t before = bench_count(&m->tester, TRACE_REJECT, ERR_OK);
    node_on_call(&m->tester.node, call, values);
    const struct trace_event *e = bench_last(&m->tester, TRACE_REJECT);
    return bench_count(&m->tester, TRACE_REJECT, ERR_OK) > before ? (enum err)e->reason : ERR_OK;
}

struct key_list {
    char *out;
    size_t cap;
};

static void add_key(void *ctx, const char *key, struct span value)
{
    struct key_list *l = ctx;
    size_t used = strlen(l->out);
    (void)value;
    snprintf(l->out + used, l->cap - used, "%s%s", used ? " " : "", key);
}

void tester_bench_keys(struct tester_bench *m, char *out, size_t cap)
{
    struct key_list l = {out, cap};
    out[0] = '\0';
    store_scan(m->tester.node.store, "", add_key, &l);
}
