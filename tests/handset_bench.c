#include "tests/handset_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/token/base64url.h"

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "the handset's bench: %s\n", what);
    abort();
}

/* ---- what it showed and traced ---- */

static bool holds(struct span in, struct span secret)
{
    char hex[2 * 64 + 1];
    if (secret.len == 0 || secret.len > 64)
        return false;
    hex_encode(secret.p, secret.len, hex);
    return memmem(in.p, in.len, secret.p, secret.len) || memmem(in.p, in.len, hex, 2 * secret.len);
}

static void expect_silence_of(struct handset_bench *h, struct span secret)
{
    must(!holds(span_of(h->b.trace, h->b.trace_count * sizeof *h->b.trace), secret), "a secret is traced");
}

static void expect_silence_of_key(struct handset_bench *h, const struct dk_owned *o,
                                  const struct digital_key *k)
{
    uint8_t scalar[P256_SCALAR];
    must(p256_private(k->device_key, scalar) == ERR_OK, "the key");
    expect_silence_of(h, span_of(scalar, sizeof scalar));
    expect_silence_of(h, span_of(o->long_term_shared_secret, CCC_KEY));
    expect_silence_of(h, span_of(o->kble_intro, CCC_KEY));
    expect_silence_of(h, span_of(o->kble_oob_master, CCC_KEY));
    if (k->has_kpersistent)
        expect_silence_of(h, span_of(k->kpersistent, TRANSACTION_KPERSISTENT));
}

static void remember_shows(struct handset_bench *h)
{
    for (size_t i = 0; i < h->b.trace_count; i++)
        for (unsigned s = 0; s <= PHONE_SHOW_RADIO; s++)
            if (h->b.trace[i].kind == TRACE_SHOW && strcmp(h->b.trace[i].message, phone_class.shows[s]) == 0)
                text_copy(h->shown[s], sizeof h->shown[s], h->b.trace[i].detail);
}

void handset_expect_silence(struct handset_bench *h)
{
    struct handset *own = &handset_phone(h)->handset;
    expect_silence_of(h, span_of(RIG_PASSWORD, strlen(RIG_PASSWORD)));
    expect_silence_of(h, span_of(h->rig->prover.w0, P256_SCALAR));
    expect_silence_of(h, span_of(h->rig->prover.w1, P256_SCALAR));
    for (size_t i = 0; own->open && i < APPLET_KEYS; i++)
        if (own->applet.keys[i].device_key)
            expect_silence_of_key(h, &own->device.owned[i], &own->applet.keys[i]);
    remember_shows(h);
    h->b.trace_count = 0;
}

const char *handset_shown(struct handset_bench *h, const char *line)
{
    remember_shows(h);
    for (unsigned s = 0; s <= PHONE_SHOW_RADIO; s++)
        if (strcmp(phone_class.shows[s], line) == 0)
            return h->shown[s];
    return NULL;
}

/* ---- where it lies ---- */

struct phone *handset_phone(struct handset_bench *h)
{
    return h->b.node.self;
}

enum err handset_call(struct handset_bench *h, const char *name, uint64_t number, const char *text)
{
    struct call_value value = {.number = number};
    unsigned index;
    must(component_call(&phone_class, name, &index), name);
    snprintf(value.text, sizeof value.text, "%s", text ? text : "");
    const size_t before = h->b.trace_count;
    node_on_call(&h->b.node, index, &value);
    for (size_t i = before; i < h->b.trace_count; i++)
        if (h->b.trace[i].kind == TRACE_REJECT && strcmp(h->b.trace[i].message, name) == 0)
            return (enum err)h->b.trace[i].reason;
    return ERR_OK;
}

void handset_type_password(struct handset_bench *h)
{
    must(handset_call(h, "type-password", 0, RIG_PASSWORD) == ERR_OK, "the password");
}

void handset_field(struct handset_bench *h, bool on)
{
    node_on_news(&h->b.node, PHONE_PORT_NFC, "", on ? "field-on" : "field-off");
}

void handset_lay(struct handset_bench *h, const char *reader)
{
    h->reader = reader;
    must(handset_call(h, "place", 0, reader) == ERR_OK, reader);
    if (handset_phone(h)->handset.closing)
        node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_DOWN);
    node_on_link(&h->b.node, PHONE_PORT_NFC, LINK_UP);
    handset_field(h, true);
}

static void begin_life(struct handset_bench *h)
{
    h->lives++;
    must(bench_start(&h->b, &(struct component_args){.serial = ""}) == ERR_OK, "it does not start");
    h->b.sent_count = 0;
}

void handset_restart(struct handset_bench *h)
{
    remember_shows(h);
    node_stop(&h->b.node);
    h->b.work_count = 0;
    for (size_t i = 0; i < ENV_TIMERS; i++)
        h->b.due_us[i] = ENV_NEVER;
    begin_life(h);
    if (h->reader)
        handset_lay(h, h->reader);
}

/* ---- the vehicle's end ---- */

/* The last that it sent by its NFC port since then. */
static void take_answer(struct handset_bench *h, struct wr *answer)
{
    for (size_t i = 0; i < h->b.sent_count; i++)
        if (h->b.sent[i].port == PHONE_PORT_NFC)
            wr_copy(answer, h->b.sent[i].bytes, h->b.sent[i].len);
    h->b.sent_count = 0;
}

/* Its answer, with all that its store and scrypt take; none when it died on the way. */
static void input(void *arg, struct span apdu, struct wr *answer)
{
    struct handset_bench *h = arg;
    h->b.sent_count = 0;
    if (++h->apdus == h->dies_at) {
        h->fired = true;
        handset_restart(h);
        return;
    }
    node_on_bytes(&h->b.node, PHONE_PORT_NFC, "", apdu);
    bench_finish_works(&h->b);
    if (h->b.node.dead)
        handset_restart(h);
    else
        take_answer(h, answer);
    bench_run_ms(&h->b, 200); /* what it does by itself: loads its records anew */
    handset_expect_silence(h);
}

static void reset(void *arg)
{
    struct handset_bench *h = arg;
    handset_field(h, false);
    if (!h->b.node.dead)
        handset_field(h, true);
    if (h->b.node.dead)
        handset_restart(h);
    handset_expect_silence(h);
}

size_t handset_say(struct handset_bench *h, const char *hex, uint8_t answer[APDU_RESPONSE_MAX])
{
    uint8_t command[APDU_COMMAND_MAX];
    struct wr w = wr_of(answer, APDU_RESPONSE_MAX);
    long len = hex_decode(hex, strlen(hex), command, sizeof command);
    must(len >= 0, hex);
    input(h, span_of(command, (size_t)len), &w);
    return w.len;
}

uint16_t handset_status(struct handset_bench *h, const char *hex)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    size_t len = handset_say(h, hex, answer);
    if (len < 2)
        return 0;
    return (uint16_t)(answer[len - 2] << 8 | answer[len - 1]);
}

/* ---- phase 0 ---- */

static const struct bench_sent *last_ask(struct handset_bench *h)
{
    for (size_t i = h->b.sent_count; i-- > 0;)
        if (h->b.sent[i].port == PHONE_PORT_DEVICE)
            return &h->b.sent[i];
    must(false, "it has asked for nothing");
    return NULL;
}

struct ask {
    char vehicle_oem[40], identifier[X509_CN_MAX + 1];
    uint8_t public_key[P256_POINT];
};

static struct ask read_ask(const struct bench_sent *s)
{
    struct http_request q;
    struct ask a;
    char key[100];
    const struct json_field fields[] = {{"vehicle_oem", 1, a.vehicle_oem, sizeof a.vehicle_oem},
                                        {"identifier", 1, a.identifier, sizeof a.identifier},
                                        {"public_key", 1, key, sizeof key}};
    must(http_request_read(span_of(s->bytes, s->len), HTTP_FROM_COMPONENT, &q) == ERR_OK, "no request");
    must(q.method == HTTP_POST && span_is(q.words[HTTP_WORD_PATH], "/v1/instance-cas"), "another request");
    must(json_read(q.body, fields, 3, JSON_REFUSE_OTHERS) == ERR_OK, "another body");
    must(base64url_decode(span_of(key, strlen(key)), a.public_key, P256_POINT) == P256_POINT, "its key");
    return a;
}

static void certify(struct rig *r, const struct p256_key *signer, struct x509_template t,
                    struct rig_authority *out)
{
    uint8_t point[P256_POINT];
    p256_public(signer, point);
    t.issuer_public_key = point;
    t.not_before_s = RIG_NOW_S - 86400;
    t.not_after_s = RIG_NOW_S + 10 * 365 * 86400ll;
    must(x509_issue(r->crypto, &t, signer, out->der, &out->len) == ERR_OK, "a certificate");
}

static void put_certificate(struct wr *w, const char *name, const struct rig_authority *a)
{
    wr_copy(w, name, strlen(name));
    base64url_encode(span_of(a->der, a->len), w);
    wr_u8(w, '"');
}

static void answer_ask(struct handset_bench *h, const char *tag, struct span body)
{
    uint8_t out[4096];
    char to[96];
    struct wr w = wr_of(out, sizeof out);
    struct http_response r = {.status = 201, .body = body};
    const char *type = http_type_name(HTTP_TYPE_JSON);
    snprintf(to, sizeof to, "%s", tag);
    r.lines[HTTP_LINE_TYPE] = span_of(type, strlen(type));
    must(http_response_write(&r, &w) == ERR_OK, "the answer");
    node_on_bytes(&h->b.node, PHONE_PORT_DEVICE, to, span_of(out, w.len));
}

void handset_certify(struct handset_bench *h, enum handset_forgery how)
{
    struct rig *r = h->rig;
    const struct bench_sent *s = last_ask(h);
    struct ask a = read_ask(s);
    uint8_t other[P256_POINT], d[P256_POINT];
    char body[4000];
    struct wr w = wr_of(body, sizeof body);
    struct rig_authority e, f = r->f;
    p256_public(r->k.key, other);
    p256_public(r->d.key, d);
    certify(r, r->d.key,
            (struct x509_template){.profile = X509_INSTANCE_CA,
                                   .subject = how == HANDSET_OTHER_NAME ? "I.phonemaker.other" : a.identifier,
                                   .issuer = "Device OEM CA",
                                   .public_key = how == HANDSET_OTHER_KEY ? other : a.public_key},
            &e);
    if (how == HANDSET_OTHER_ROOT)
        certify(r, r->k.key,
                (struct x509_template){.profile = X509_DEVICE_CROSS,
                                       .subject = "Device OEM CA",
                                       .issuer = "Root J",
                                       .public_key = d},
                &f);
    put_certificate(&w, "{\"device_oem_certificate\":\"", &f);
    put_certificate(&w, ",\"instance_ca_certificate\":\"", &e);
    if (how != HANDSET_NO_JSON)
        wr_u8(&w, '}');
    must(!w.failed, "room for the body");
    answer_ask(h, s->address, span_of(body, w.len));
}

bool handset_certified(struct handset_bench *h)
{
    return handset_phone(h)->handset.device.partners[0].instance_ca_len != 0;
}

/* ---- lives ---- */

struct handset_bench *handset_bench_prepare(void)
{
    struct handset_bench *h = calloc(1, sizeof *h);
    must(h != NULL, "memory");
    h->rig = rig_new(test_crypto());
    bench_prepare(&h->b, &phone_class, test_crypto());
    h->b.wall_ms = RIG_NOW_S * 1000;
    h->store = spy_store_new(&h->b.node);
    must(store_set(h->b.node.store, PHONE_ROOT, span_of(h->rig->j.der, h->rig->j.len)) == ERR_OK, "[J]");
    h->store->commits = 0;
    h->rig->other_input = input;
    h->rig->other_reset = reset;
    h->rig->other_arg = h;
    return h;
}

struct handset_bench *handset_bench_new(void)
{
    struct handset_bench *h = handset_bench_prepare();
    h->lives++;
    must(bench_start(&h->b, &(struct component_args){.serial = ""}) == ERR_OK, "it does not start");
    handset_certify(h, HANDSET_HONEST);
    must(handset_certified(h), "phase 0");
    handset_lay(h, "wcp");
    return h;
}

void handset_bench_free(struct handset_bench *h)
{
    bench_free(&h->b);
    rig_free(h->rig);
    free(h);
}

/* ---- steps of a key's life ---- */

enum err handset_pair(struct rig *r)
{
    enum err e = rig_pair_phase_2(r);
    if (r->store.key.state == 0)
        return e;
    return rig_phase_3(r); /* the phone may have heard that its key was accepted; if not, phase 2 again */
}

enum err handset_track(struct rig *r)
{
    struct handset_bench *h = r->other_arg;
    struct handset *own = &handset_phone(h)->handset;
    uint8_t ephemeral[P256_POINT], sealed[RIG_RECEIPT_MAX];
    size_t len;
    unsigned i = 0;
    while (i < APPLET_KEYS && own->applet.keys[i].state != APPLET_KEY_ACTIVE)
        i++;
    if (i == APPLET_KEYS)
        return ERR_NOT_FOUND;
    enum err e = rig_make_receipt(r, &own->device, &own->device.owned[i], &own->applet.keys[i], ephemeral,
                                  sealed, &len);
    if (!e) { /* as a handler would, in one input */
        h->b.node.handling = true;
        e = handset_take_receipt(handset_phone(h), i, ephemeral, span_of(sealed, len));
        h->b.node.handling = false;
        store_txn_clear(&h->b.node.txn);
    }
    if (h->b.node.dead)
        handset_restart(h);
    bench_run_ms(&h->b, 200);
    handset_expect_silence(h);
    return e;
}

enum err handset_unlock(struct rig *r)
{
    bool fast;
    return rig_unlock(r, false, true, &fast);
}

enum err handset_unlock_fast(struct rig *r)
{
    bool fast;
    enum err e = rig_unlock(r, true, false, &fast);
    return e ? e : fast ? ERR_OK : ERR_DK_ANSWER;
}
