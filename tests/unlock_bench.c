#include "tests/unlock_bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/spaak/pairing.h"
#include "lib/host/seal.h"
#include "tests/check.h"
#include "tests/history.h"

#define SERIAL "SPAAK00000001"

static const struct component_args args = {.serial = SERIAL};
static const struct {
    uint32_t command, report;
} rows[READER_PLACES] = {{0x6C0, 0x6C8}, {0x6C1, 0x6C9}};

/* ---- the store that refuses ---- */

static struct unlock_bench *bench; /* one at a time */
static const struct store_ops *good;
static struct store_ops counting;

static enum err count_and_apply(struct store *s, const struct store_put *puts, size_t n)
{
    if (bench->refuse_at && --bench->refuse_at == 0)
        return ERR_STORE_FAILED;
    return good->apply(s, puts, n);
}

/* ---- what the store begins with ---- */

static void put_identity(struct unlock_bench *u)
{
    uint8_t scalar[P256_SCALAR];
    struct store *s = u->b.node.store;
    ASSERT_OK(p256_private(u->rig->k.key, scalar));
    ASSERT_OK(store_set(s, SPAAK_VEHICLE_KEY, span_of(scalar, sizeof scalar)));
    ASSERT_OK(store_set(s, SPAAK_VEHICLE_CERTIFICATE, span_of(u->rig->k.der, u->rig->k.len)));
}

static void put_record(struct unlock_bench *u)
{
    const struct seal seal = {test_crypto(), &spaak_class, test_store_key};
    const struct rig_store *r = &u->rig->store;
    struct seal_value v;
    ASSERT_OK(seal_make(&seal, r->name, span_of(r->record, r->record_len), &v));
    ASSERT_OK(store_set(u->b.node.store, r->name, span_of(v.bytes, v.len)));
    seal_value_free(&v);
}

/* The key tracking server is the one whose certificate the plant gives. */
static void use_tracking_key(struct rig *r)
{
    uint8_t scalar[P256_SCALAR];
    ASSERT_OK(p256_private(test_oem(TEST_NOW_S)->roles[OEM_ZZ2].key, scalar));
    p256_free(r->kts.key);
    ASSERT_OK(p256_from_private(r->crypto, scalar, &r->kts.key));
    p256_public(r->kts.key, r->kts_pk);
}

static void on_tell(struct bench *b, const char *address, const char *words)
{
    struct unlock_bench *u = (struct unlock_bench *)b;
    if (strcmp(words, "signal") == 0 && u->measures < sizeof u->measured / sizeof u->measured[0])
        text_copy(u->measured[u->measures++], sizeof u->measured[0], address);
}

static bool say_signals(struct unlock_bench *u)
{
    const bool any = u->measures > 0;
    char news[40];
    snprintf(news, sizeof news, "signal %d", u->signal_dbm);
    while (u->measures && u->signal_dbm)
        node_on_news(&u->b.node, 1 /* radio */, u->measured[--u->measures], news);
    u->measures = 0;
    return any;
}

struct unlock_bench *unlock_bench_new(bool tracked)
{
    struct unlock_bench *u = calloc(1, sizeof *u);
    size_t len;
    cr_assert(u != NULL);
    u->rig = rig_ready(test_crypto());
    use_tracking_key(u->rig);
    ASSERT_OK(rig_pair_phase_2(u->rig));
    ASSERT_OK(rig_phase_3(u->rig));
    if (tracked) {
        ASSERT_OK(rig_track_key(u->rig));
        ASSERT_OK(rig_phase_4(u->rig));
    }
    rig_phone_reset(u->rig);
    u->phone = -1;
    bench_prepare(&u->b, &spaak_class, test_crypto());
    u->b.on_tell = on_tell;
    u->signal_dbm = -59;
    test_equip(&spaak_class, SERIAL, u->b.node.store);
    ASSERT_OK(history_finish(test_crypto(), test_oem(TEST_NOW_S), SERIAL, TEST_NOW_S, u->b.node.store));
    put_identity(u);
    ASSERT_OK(store_get(u->b.node.store, SPAAK_BODY_KEY, u->body_key, sizeof u->body_key, &len));
    bench = u;
    good = u->b.node.store->ops;
    counting = *good;
    counting.apply = count_and_apply;
    return u;
}

static void start(struct unlock_bench *u)
{
    for (unsigned i = 0; i < READER_PLACES; i++) {
        struct isotp_config c = isotp_config_default(rows[i].report, rows[i].command);
        memset(&u->readers[i], 0, sizeof u->readers[i]);
        ASSERT_OK(isotp_init(&u->readers[i].tp, &c, u->readers[i].rx, sizeof u->readers[i].rx));
    }
    ASSERT_OK(bench_start(&u->b, &args));
    u->b.node.store->ops = &counting;
    u->bcm.locked = u->bcm_speaks = true;
    u->user = (struct cabin_answer){.ignition = true, .fob = true};
    unlock_pass(u, 100);
}

void unlock_bench_start(struct unlock_bench *u)
{
    if (u->rig->store.record_len)
        put_record(u);
    start(u);
}

void unlock_bench_restart(struct unlock_bench *u)
{
    struct store *left = store_memory_new();
    u->b.node.store->ops = good;
    ASSERT_OK(store_copy(u->b.node.store, left));
    bench_free(&u->b);
    bench_prepare(&u->b, &spaak_class, test_crypto());
    ASSERT_OK(store_copy(left, u->b.node.store));
    store_close(left);
    u->heard = (struct cabin_heard){0};
    rig_phone_reset(u->rig);
    start(u);
}

void unlock_bench_free(struct unlock_bench *u)
{
    u->b.node.store->ops = good;
    bench_free(&u->b);
    rig_free(u->rig);
    free(u);
}

/* ---- the readers ---- */

static void say(struct unlock_reader *r, const struct reader_report *report)
{
    cr_assert(lt(sz, r->waits, UNLOCK_WAITING));
    if (r->silent)
        return;
    struct wr w = wr_of(r->waiting[r->waits], sizeof r->waiting[0]);
    reader_report_put(&w, report);
    r->waiting_len[r->waits++] = w.len;
}

static void answer(struct unlock_bench *u, struct unlock_reader *r, enum reader_type type, uint8_t number,
                   struct span apdu)
{
    uint8_t out[READER_RESPONSE_MAX];
    struct wr w = wr_of(out, sizeof out);
    rig_phone_input(u->rig, apdu, &w);
    if (w.len)
        say(r, &(struct reader_report){.type = type, .number = number, .apdu = span_of(out, w.len)});
}

static void select_card(struct unlock_bench *u, struct unlock_reader *r)
{
    if (!r->field || !r->select_len || u->phone < 0 || &u->readers[u->phone] != r)
        return;
    r->selects++;
    answer(u, r, READER_SELECTED, r->polled, span_of(r->select, r->select_len));
}

static void on_poll(struct unlock_bench *u, struct unlock_reader *r, const struct reader_command *c)
{
    r->field = c->type != READER_OFF;
    r->select_len = 0;
    say(r, &(struct reader_report){.type = READER_DONE, .number = c->number});
    if (u->phone >= 0 && &u->readers[u->phone] == r)
        rig_phone_reset(u->rig);
    if (!r->field)
        return;
    r->polled = c->number;
    r->select_len = c->apdu.len;
    memcpy(r->select, c->apdu.p, c->apdu.len);
    select_card(u, r);
}

static void lift(struct unlock_bench *u)
{
    struct unlock_reader *r = u->phone >= 0 ? &u->readers[u->phone] : NULL;
    u->phone = -1;
    rig_phone_reset(u->rig);
    if (r && r->field)
        say(r, &(struct reader_report){.type = READER_LOST, .number = r->polled, .loss = READER_LOST_LIFTED});
}

static void on_command(struct unlock_bench *u, struct unlock_reader *r, struct span pdu)
{
    struct reader_command c;
    ASSERT_OK(reader_command_parse(pdu, &c, NULL));
    if (c.type != READER_APDU) {
        on_poll(u, r, &c);
        return;
    }
    r->apdus++;
    if (r->delay_ms)
        u->b.now_us += r->delay_ms * 1000ull;
    if (r->apdus == r->lifted_at)
        lift(u);
    else if (u->phone >= 0 && &u->readers[u->phone] == r)
        answer(u, r, READER_RESPONSE, c.number, c.apdu);
}

/* ---- the bus ---- */

static void on_order(struct unlock_bench *u, const struct bus_frame *f)
{
    struct cabin_command m;
    uint8_t nonce[1][CABIN_NONCE];
    const struct cabin_nonces nonces = {.list = nonce, .count = 1};
    memcpy(nonce, u->bcm.nonce, sizeof nonce);
    if (cabin_read_command(test_crypto(), u->body_key, &nonces, f, u->b.now_us, &u->heard, &m)) {
        u->refused++;
        return;
    }
    u->commands++;
    u->last = m;
    u->bcm.nonce[0]++;
    u->bcm.locked &= m.order != CABIN_UNLOCK;
    u->bcm.start &= m.order != CABIN_START;
    unlock_tell(u);
}

static void hear(struct unlock_bench *u, const struct bus_frame *f)
{
    struct isotp_event ev;
    if (f->id == 0x3C0 && !u->bcm_is_deaf)
        on_order(u, f);
    if (f->id == 0x3C1)
        u->asked = cabin_read_ask(f, u->challenge) == ERR_OK;
    if (f->id == 0x5A8 && f->data[0] < CABIN_NOTICES)
        u->notices[f->data[0]]++;
    for (size_t i = 0; i < READER_PLACES; i++) {
        isotp_input(&u->readers[i].tp, f, u->b.now_us, &ev);
        if (ev.kind == ISOTP_RECEIVED)
            on_command(u, &u->readers[i], ev.message);
    }
}

static bool speak(struct unlock_bench *u, struct unlock_reader *r)
{
    static uint8_t saying[READER_PLACES][READER_PDU_MAX];
    uint8_t *said = saying[r - u->readers];
    struct bus_frame f;
    struct isotp_event ev;
    bool spoke = false;
    if (r->waits && !isotp_sending(&r->tp)) {
        size_t len = r->waiting_len[0];
        memcpy(said, r->waiting[0], len);
        r->waits--;
        memmove(r->waiting, r->waiting[1], r->waits * sizeof r->waiting[0]);
        memmove(r->waiting_len, r->waiting_len + 1, r->waits * sizeof r->waiting_len[0]);
        ASSERT_OK(isotp_send(&r->tp, said, (uint32_t)len, u->b.now_us));
    }
    for (; isotp_output(&r->tp, u->b.now_us, &f, &ev); spoke = true)
        bench_frame(&u->b.node, 0, &f);
    return spoke;
}

static void hand_on(struct unlock_bench *u, const struct bench_sent *sent)
{
    const struct bench_sent copy = *sent;
    if (u->on_sdu)
        u->on_sdu(span_of(copy.bytes, copy.len));
}

/* Until nobody has more to say at this time. */
static void prove_user(struct unlock_bench *u)
{
    struct bus_frame f;
    bool asked = u->asked;
    u->asked = false;
    if (asked && !cabin_write_answer(test_crypto(), u->body_key, u->challenge, &u->user, &f))
        bench_frame(&u->b.node, 0, &f);
}

void unlock_carry(struct unlock_bench *u)
{
    for (bool busy = true; busy;) {
        busy = speak(u, &u->readers[READER_PAD]);
        busy |= speak(u, &u->readers[READER_DOOR]);
        for (size_t i = 0; i < u->b.sent_count; i++, busy = true) {
            if (!u->b.sent[i].is_frame) {
                hand_on(u, &u->b.sent[i]);
                continue;
            }
            const struct bus_frame f = u->b.sent[i].frame;
            hear(u, &f);
        }
        u->b.sent_count = 0;
        busy |= say_signals(u);
        busy |= u->asked;
        prove_user(u);
    }
}

static void send_status(struct unlock_bench *u)
{
    struct bus_frame f;
    if (!u->bcm_speaks)
        return;
    cabin_write_bcm_status(&u->bcm, &u->alive, &f);
    bench_frame(&u->b.node, 0, &f);
}

void unlock_tell(struct unlock_bench *u)
{
    send_status(u);
}

void unlock_pass(struct unlock_bench *u, unsigned ms)
{
    for (unsigned t = 0; t < ms; t += 100) {
        send_status(u);
        unlock_carry(u);
        bench_run_ms(&u->b, 100);
        unlock_carry(u);
    }
}

void unlock_lay(struct unlock_bench *u, int place)
{
    if (place != u->phone)
        lift(u);
    u->phone = place;
    if (place >= 0) {
        rig_phone_reset(u->rig);
        select_card(u, &u->readers[place]);
    }
    unlock_carry(u);
}

void unlock_wish(struct unlock_bench *u, enum cabin_wish wish, uint8_t key)
{
    const struct spaak_keys *keys = &((const struct spaak *)u->b.node.self)->keys;
    struct cabin_request r = {.wish = wish, .key = key};
    struct bus_frame f;
    if (key && key <= keys->count)
        memcpy(r.id, keys->list[key - 1].key_id, CABIN_KEY_ID);
    cabin_write_request(&r, &u->request_alive, &f);
    bench_frame(&u->b.node, 0, &f);
    unlock_carry(u);
}

void unlock_status(struct unlock_bench *u, enum reader_place place)
{
    const struct unlock_reader *r = &u->readers[place];
    bool card = r->field && u->phone == (int)place;
    struct bus_frame f = {.id = matrix_row(reader_row_status(place))->id, .len = READER_STATUS_LENGTH};
    f.data[0] = (uint8_t)(READER_STATUS_WORKS | (r->field ? READER_STATUS_FIELD : 0) |
                          (card ? READER_STATUS_CARD : 0));
    f.data[1] = u->status_alive = (u->status_alive + 1) & 0x0F;
    f.data[READER_STATUS_LENGTH - 1] = matrix_checksum(f.id, f.data, f.len);
    bench_frame(&u->b.node, 0, &f);
    unlock_carry(u);
}

void unlock_reset(struct unlock_bench *u, enum reader_place place)
{
    u->readers[place].field = false;
    u->readers[place].select_len = 0;
    rig_phone_reset(u->rig);
}

void unlock_forge(struct unlock_bench *u, enum reader_place place, const struct reader_report *r)
{
    say(&u->readers[place], r);
    unlock_carry(u);
}

/* ---- what came of it ---- */

struct vehicle_key unlock_record(struct unlock_bench *u)
{
    uint8_t record[VEHICLE_RECORD_MAX], key_id[ENDPOINT_KEY_ID];
    struct vehicle_key k = {0};
    const struct rig *r = u->rig;
    size_t len;
    if (bench_secret(&u->b, r->store.name, record, sizeof record, &len))
        return k;
    ASSERT_OK(vehicle_record_parse_name(r->store.name, key_id));
    ASSERT_OK(vehicle_record_load(test_crypto(), r->finish_config.transaction.vehicle_id, key_id,
                                  span_of(record, len), &k));
    p256_free(k.device_key);
    k.device_key = NULL;
    return k;
}

size_t unlock_steps(const struct unlock_bench *u, const char *step, const char *detail)
{
    size_t n = 0;
    for (size_t i = 0; i < u->b.trace_count; i++) {
        const struct trace_event *e = &u->b.trace[i];
        n += e->kind == TRACE_STEP && strcmp(e->step, step) == 0 && strstr(e->detail, detail) != NULL;
    }
    return n;
}

void unlock_forget(struct unlock_bench *u)
{
    u->b.trace_count = 0;
    u->commands = u->refused = 0;
    memset(u->notices, 0, sizeof u->notices);
    for (size_t i = 0; i < READER_PLACES; i++)
        u->readers[i].selects = u->readers[i].apdus = 0;
}
