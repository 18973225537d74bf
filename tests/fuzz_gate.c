/* The SGW's gate under hostile frames: one byte that says on which segment, or what else happens, the length
 * of what follows, and that. What may cross is told here once more, and simpler than the gateway does. */
#include <stdlib.h>
#include <string.h>

#include "lib/can/isotp.h"
#include "lib/ccc/signature.h"
#include "lib/env/env.h"
#include "lib/host/store.h"
#include "lib/msg/diagnostic.h"
#include "sgw/sgw.h"
#include "sim/plant/oem.h"
#include "tests/fuzz_targets.h"

#define STEPS_MAX 80
#define SGW_ID    0x7A2u
#define NOW_S     1767225600ll
#define BYTES_MAX 2048

enum {
    G_BODY,
    G_TELEMATICS,
    G_INFOTAINMENT,
    G_DIAGNOSTIC, /* these four: flags, identifier in two bytes, data */
    G_ASK,        /* a whole message to the SGW's server */
    G_PROVE_EOL,
    G_PROVE_WORKSHOP,
    G_WAIT, /* milliseconds, 2 bytes */
    G_CUT,
    G_KINDS,
};

struct gate_run {
    struct env env; /* first */
    void *sgw;
    struct store *store;
    uint64_t now_us, due_us[8];
    struct isotp tester;
    uint8_t rx[BYTES_MAX], tx[BYTES_MAX], challenge[32];
    uint8_t answer; /* first byte of the last answer of the SGW's server */
    /* what may be: nothing crosses before a proof, and a workshop's tester is told from the plant's */
    bool proved, workshop_only;
    bool asked; /* a request has crossed since power was on: answers may */
    bool shown_open;
};

static struct gate_run *run_of(struct env *env)
{
    return (struct gate_run *)env;
}

/* ---- what crosses ---- */

/* Does a message of the plant's alone begin with this frame: its session, its level? */
static bool plants_own(const struct bus_frame *f)
{
    size_t at = f->data[0] >> 4 == 1 ? (f->data[0] & 15 || f->data[1] ? 2 : 6) : f->data[0] ? 1 : 2;
    if (f->data[0] >> 4 > 1 || f->len < at + 2)
        return false;
    uint8_t sid = f->data[at], sub = f->data[at + 1] & UDS_SUBFUNCTION_MASK;
    return (sid == UDS_SID_SESSION_CONTROL && sub >= UDS_SESSION_SAFETY) ||
           (sid == UDS_SID_SECURITY_ACCESS && sub > 2);
}

static void check_request(struct gate_run *r, const struct bus_frame *f)
{
    MUST(r->proved);
    MUST(!r->workshop_only || !plants_own(f));
    r->asked = true;
}

static void check_answer(struct gate_run *r, unsigned port, const struct bus_frame *f)
{
    struct isotp_event ev;
    MUST(port == SEGMENT_DIAGNOSTIC);
    if (f->id != SGW_ID + 8)
        MUST(r->asked);
    else
        isotp_input(&r->tester, f, r->now_us, &ev);
    if (f->id != SGW_ID + 8 || ev.kind != ISOTP_RECEIVED)
        return;
    r->answer = ev.message.p[0];
    if (r->answer == 0x69 && ev.message.len == 39)
        memcpy(r->challenge, ev.message.p + 5, sizeof r->challenge);
    /* another session, a reset, or its own word ends it */
    if (r->answer == 0x50 || r->answer == 0x51 || (r->answer == 0x69 && ev.message.p[1] == 0))
        r->proved = false;
}

static enum err on_send(struct env *env, unsigned port, const struct bus_frame *f)
{
    const struct matrix_row *row = matrix_find(f->id);
    MUST(row && !(f->flags & (BUS_EXTENDED | BUS_REMOTE)) && f->len && f->len <= row->length);
    MUST(row->to & SEGMENT_SET(port));
    if (row->sender == NODE_TESTER)
        check_request(run_of(env), f);
    else if (row->receivers & NODE_TESTER)
        check_answer(run_of(env), port, f);
    return ERR_OK;
}

/* ---- the rest of an env ---- */

static uint64_t on_now(struct env *env)
{
    return run_of(env)->now_us;
}

static int64_t on_wall(struct env *env)
{
    return NOW_S * 1000 + (int64_t)(run_of(env)->now_us / 1000);
}

static void on_timer_set(struct env *env, unsigned timer, uint64_t at_us)
{
    MUST(timer < 8);
    run_of(env)->due_us[timer] = at_us;
}

static enum err on_get(struct env *env, const char *key, void *buf, size_t cap, size_t *len)
{
    return store_get(run_of(env)->store, key, buf, cap, len);
}

static enum err on_put(struct env *env, const char *key, struct span value)
{
    return store_set(run_of(env)->store, key, value);
}

static enum err on_commit(struct env *env)
{
    (void)env;
    return ERR_OK;
}

static void on_trace(struct env *env, struct trace_event *e)
{
    (void)env, (void)e;
}

static void on_show(struct env *env, unsigned show, const char *text)
{
    (void)show;
    run_of(env)->shown_open = strcmp(text, "closed") != 0;
    MUST(run_of(env)->shown_open <= run_of(env)->proved);
}

static const struct env_ops ops = {.now_us = on_now,
                                   .wall_ms = on_wall,
                                   .timer_set = on_timer_set,
                                   .send_frame = on_send,
                                   .store_get = on_get,
                                   .store_put = on_put,
                                   .store_commit = on_commit,
                                   .trace = on_trace,
                                   .show = on_show};

/* ---- steps ---- */

static void power_on(struct gate_run *r)
{
    static const struct component_args args = {.serial = "SPAAK00000001"};
    memset(r->sgw, 0, sgw_class.size);
    for (size_t i = 0; i < 8; i++)
        r->due_us[i] = ENV_NEVER;
    r->proved = r->asked = r->shown_open = false;
    MUST(sgw_class.init(r->sgw, &r->env, &args) == ERR_OK);
    for (unsigned p = 0; p < SEGMENTS; p++)
        sgw_class.on_link(r->sgw, p, LINK_UP);
}

static void cut(struct gate_run *r)
{
    sgw_class.fini(r->sgw);
    power_on(r);
}

static void wait_ms(struct gate_run *r, unsigned ms)
{
    uint64_t end_us = r->now_us + ms * 1000ull;
    for (int turns = 0; turns < 10000; turns++) {
        size_t next = 0;
        for (size_t i = 1; i < 8; i++)
            next = r->due_us[i] < r->due_us[next] ? i : next;
        if (r->due_us[next] > end_us)
            break;
        r->now_us = r->due_us[next] > r->now_us ? r->due_us[next] : r->now_us;
        r->due_us[next] = ENV_NEVER;
        sgw_class.on_timer(r->sgw, (unsigned)next);
        MUST(turns < 9999);
    }
    r->now_us = end_us;
}

static void tester_again(struct gate_run *r)
{
    struct isotp_config c = isotp_config_default(SGW_ID, SGW_ID + 8);
    isotp_init(&r->tester, &c, r->rx, sizeof r->rx);
}

static void ask(struct gate_run *r, struct span pdu)
{
    struct isotp_event ev;
    struct bus_frame f;
    tester_again(r);
    if (pdu.len > sizeof r->tx || pdu.len == 0)
        return;
    memcpy(r->tx, pdu.p, pdu.len);
    isotp_send(&r->tester, r->tx, (uint32_t)pdu.len, r->now_us);
    for (int frames = 0; frames < 64 && isotp_output(&r->tester, r->now_us, &f, &ev); frames++)
        sgw_class.on_frame(r->sgw, SEGMENT_DIAGNOSTIC, &f);
    wait_ms(r, 5);
}

static const struct oem *authorities(void)
{
    static struct oem made;
    static bool done;
    struct oem_options options = {.now_s = NOW_S};
    if (!done && oem_make(fuzz_crypto(), &options, &made))
        abort();
    done = true;
    return &made;
}

static void prove(struct gate_run *r, enum oem_role role)
{
    const struct oem_identity *id = &authorities()->roles[role];
    uint8_t pdu[X509_MAX + 8], text[11 + 32 + 13], proof[SIGNATURE_SIZE];
    struct wr w = wr_of(pdu, sizeof pdu);
    ask(r, span_of("\x10\x03", 2));
    wr_be16(&w, 0x2901);
    wr_u8(&w, 0);
    wr_be16(&w, (uint16_t)id->len);
    wr_copy(&w, id->der, id->len);
    wr_be16(&w, 0);
    r->answer = 0;
    ask(r, span_of(pdu, w.len));
    if (r->answer != 0x69)
        return;
    w = wr_of(text, sizeof text);
    wr_copy(&w, "spaaksim-29", 11);
    wr_copy(&w, r->challenge, sizeof r->challenge);
    wr_copy(&w, "SGW0000000001", 13);
    MUST(signature_make(fuzz_crypto(), span_of(text, w.len), id->key, proof) == ERR_OK);
    w = wr_of(pdu, sizeof pdu);
    wr_be32(&w, 0x29030040);
    wr_copy(&w, proof, sizeof proof);
    wr_be16(&w, 0);
    bool before = r->proved;
    r->proved = true; /* the gate opens while the answer is made */
    r->workshop_only = role == OEM_TESTER_WORKSHOP;
    r->answer = 0;
    ask(r, span_of(pdu, w.len));
    if (r->answer != 0x69)
        r->proved = before;
}

static void frame(struct gate_run *r, unsigned port, struct span data)
{
    struct bus_frame f = {0};
    struct rd in = rd_of(data.p, data.len);
    uint8_t flags = rd_u8(&in);
    f.id = rd_be16(&in) & 0x7FF;
    if (in.failed)
        return;
    f.flags = flags & (BUS_FD | BUS_EXTENDED | BUS_REMOTE | BUS_BRS);
    size_t most = f.flags & BUS_FD ? BUS_FD_MAX : 8, left = data.len - 3;
    f.len = (uint8_t)(left < most ? left : most);
    memcpy(f.data, data.p + 3, f.len);
    sgw_class.on_frame(r->sgw, port, &f);
}

static void step(struct gate_run *r, uint8_t what, struct span data)
{
    struct rd in = rd_of(data.p, data.len);
    switch (what % G_KINDS) {
    case G_ASK:
        ask(r, data);
        break;
    case G_PROVE_EOL:
        prove(r, OEM_TESTER_EOL);
        break;
    case G_PROVE_WORKSHOP:
        prove(r, OEM_TESTER_WORKSHOP);
        break;
    case G_WAIT:
        wait_ms(r, rd_be16(&in) % 20000);
        break;
    case G_CUT:
        cut(r);
        break;
    default:
        frame(r, what % G_KINDS, data);
        break;
    }
}

void fuzz_gate(const uint8_t *p, size_t len)
{
    static struct gate_run r;
    const struct oem *o = authorities();
    struct rd in = rd_of(p, len);
    memset(&r, 0, sizeof r);
    r.env = (struct env){.ops = &ops, .crypto = fuzz_crypto(), .name = "sgw"};
    r.sgw = malloc(sgw_class.size);
    r.store = store_memory_new();
    if (!r.sgw || !r.store)
        abort();
    store_set(r.store, "anchor/J", span_of(o->roles[OEM_J].der, o->roles[OEM_J].len));
    store_set(r.store, "anchor/J1", span_of(o->roles[OEM_J1].der, o->roles[OEM_J1].len));
    tester_again(&r);
    power_on(&r);
    for (int i = 0; i < STEPS_MAX; i++) {
        uint8_t what = rd_u8(&in);
        struct span data = rd_span(&in, rd_be16(&in));
        if (in.failed)
            break;
        step(&r, what, data);
    }
    /* left alone it closes: S3, and what hangs in the transport */
    wait_ms(&r, 20000);
    MUST(!r.shown_open);
    sgw_class.fini(r.sgw);
    store_close(r.store);
    free(r.sgw);
}

/* ---- seeds ---- */

static void put(struct wr *w, uint8_t what, const char *bytes, size_t len)
{
    wr_u8(w, what);
    wr_be16(w, (uint16_t)len);
    wr_copy(w, bytes, len);
}
#define PUT(w, what, text) put(w, what, text, sizeof(text) - 1)

void fuzz_gate_seeds(fuzz_emit *emit, void *arg)
{
    static const uint8_t openers[] = {G_WAIT, G_PROVE_EOL, G_PROVE_WORKSHOP};
    uint8_t buf[512];
    for (size_t i = 0; i < sizeof openers; i++)
        for (size_t end = 0; end < 4; end++) {
            struct wr w = wr_of(buf, sizeof buf);
            PUT(&w, openers[i], "\0\x10");
            PUT(&w, G_DIAGNOSTIC, "\0\x07\xA0\x02\x10\x60\xCC\xCC\xCC\xCC\xCC");
            PUT(&w, G_DIAGNOSTIC, "\0\x07\xA0\x03\x22\xF1\x8C\xCC\xCC\xCC\xCC");
            PUT(&w, G_BODY, "\0\x07\xA8\x03\x7F\x22\x78\xCC\xCC\xCC\xCC");
            PUT(&w, G_DIAGNOSTIC, "\0\x07\xDF\x02\x3E\x80\xCC\xCC\xCC\xCC\xCC");
            PUT(&w, G_DIAGNOSTIC, "\0\x07\xA1\x10\x0B\x22\x02\x40\x02\x41\xF1");
            PUT(&w, G_TELEMATICS, "\0\x07\xA9\x30\0\0\xCC\xCC\xCC\xCC\xCC");
            PUT(&w, G_BODY, "\0\x06\xB0\x10\x20\x01\x02\x03\x04\x05\x06");
            PUT(&w, G_TELEMATICS, "\0\x03\xA0\x03\x01\0\0\0\0\0\xA5");
            if (end == 1)
                PUT(&w, G_ASK, "\x29\0");
            else if (end == 2)
                PUT(&w, G_WAIT, "\x1F\x40");
            else if (end == 3)
                PUT(&w, G_CUT, "");
            PUT(&w, G_BODY, "\0\x07\xA8\x06\x62\xF1\x86\x01\xCC\xCC\xCC");
            PUT(&w, G_DIAGNOSTIC, "\0\x07\xA0\x02\x27\x61\xCC\xCC\xCC\xCC\xCC");
            emit(arg, buf, w.len);
        }
}
