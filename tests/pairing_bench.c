#include "tests/pairing_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/spaak/spaak.h"
#include "lib/ccc/apdu.h"
#include "lib/host/seal.h"
#include "tests/history.h"
#include "tests/rig_parts.h"

#define COMMANDS 0x6C0
#define REPORTS  0x6C8

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "the bench of pairing: %s\n", what);
    abort();
}

/* ---- its store ---- */

static void put(struct pairing_bench *p, const char *key, const void *bytes, size_t len)
{
    must(store_set(p->spy.inner, key, span_of(bytes, len)) == ERR_OK, key);
}

static void put_identity(struct pairing_bench *p)
{
    struct rig *r = p->rig;
    uint8_t scalar[P256_SCALAR], scrypt[SPAKE2P_SALT + 4];
    struct wr w = wr_of(scrypt, sizeof scrypt);
    must(p256_private(r->k.key, scalar) == ERR_OK, "the key of the vehicle");
    put(p, SPAAK_ANCHOR_J, r->j.der, r->j.len);
    put(p, SPAAK_ANCHOR_J1, r->j1.der, r->j1.len);
    put(p, SPAAK_VEHICLE_KEY, scalar, sizeof scalar);
    put(p, SPAAK_VEHICLE_CERTIFICATE, r->k.der, r->k.len);
    put(p, SPAAK_VEHICLE_ACKED, "\1", 1);
    wr_copy(&w, r->pairing_config.scrypt.salt, SPAKE2P_SALT);
    wr_be32(&w, r->pairing_config.scrypt.n);
    put(p, SPAAK_VERIFIERS_ID, PAIRING_VERIFIER, 16);
    put(p, SPAAK_VERIFIERS_W0, r->verifier.w0, P256_SCALAR);
    put(p, SPAAK_VERIFIERS_L, r->verifier.l, P256_POINT);
    put(p, SPAAK_VERIFIERS_SCRYPT, scrypt, w.len);
    put(p, SPAAK_VERIFIERS_REPORTED, "\1", 1);
}

static void make_store(struct pairing_bench *p)
{
    p->spy = spy_store_before(store_memory_new(), &p->b.node);
    test_equip(&spaak_class, PAIRING_SERIAL, p->spy.inner);
    must(history_finish(test_crypto(), test_oem(TEST_NOW_S), PAIRING_SERIAL, TEST_NOW_S, p->spy.inner) ==
             ERR_OK,
         "the plant");
    put_identity(p);
}

void pairing_put_ended(struct pairing_bench *p, unsigned slot, char name[VEHICLE_RECORD_NAME_MAX])
{
    const struct seal seal = {test_crypto(), &spaak_class, test_store_key};
    struct vehicle_key k = {.role = VEHICLE_KEY_OWNER,
                            .state = VEHICLE_KEY_TERMINATED,
                            .map = mailbox_map_default,
                            .slot = {.b = {[7] = (uint8_t)slot}, .len = 8}};
    struct p256_key *device;
    struct seal_value v;
    uint8_t record[VEHICLE_RECORD_MAX];
    size_t len;
    memcpy(k.vehicle_id, p->rig->finish_config.transaction.vehicle_id, sizeof k.vehicle_id);
    must(p256_generate(test_crypto(), &device) == ERR_OK, "a key");
    p256_public(device, k.device_pk);
    p256_free(device);
    x509_key_id(test_crypto(), k.device_pk, k.key_id);
    must(vehicle_record_save(test_crypto(), &k, record, sizeof record, &len) == ERR_OK, "a record");
    vehicle_record_name(k.key_id, name);
    must(seal_make(&seal, name, span_of(record, len), &v) == ERR_OK, "a seal");
    put(p, name, v.bytes, v.len);
    seal_value_free(&v);
}

/* ---- the reader ---- */

static void say(struct pairing_bench *p, enum reader_type type, uint8_t number, struct span apdu)
{
    pairing_report(p, &(struct reader_report){.type = type, .number = number, .apdu = apdu});
}

static void to_phone(struct pairing_bench *p, struct span command)
{
    struct wr w = wr_of(p->answer, sizeof p->answer);
    if (p->card)
        card_chip_input(p->card, command, &w);
    else
        rig_phone_input(p->rig, command, &w);
    p->answer_len = w.len;
}

/* A device answers 9000; what else answers is asked again later. */
static void try_select(struct pairing_bench *p)
{
    if (!p->polls || p->selected || !p->here || p->b.now_us < p->off_until_us)
        return;
    to_phone(p, span_of(p->select, p->select_len));
    p->selected = p->answer_len > 2 && p->answer[p->answer_len - 2] == 0x90;
    if (p->selected)
        say(p, READER_SELECTED, p->polled, span_of(p->answer, p->answer_len));
}

static void poll(struct pairing_bench *p, const struct reader_command *c)
{
    p->polls_heard++;
    p->polls = true;
    p->selected = false;
    p->polled = c->number;
    memcpy(p->select, c->apdu.p, c->apdu.len);
    p->select_len = c->apdu.len;
    p->off_until_us = p->b.now_us + c->gap_ms * 1000ull;
    if (c->type == READER_REPOLL && p->here)
        rig_reset_field(p->rig);
    say(p, READER_DONE, c->number, (struct span){NULL, 0});
}

static void lose_phone(struct pairing_bench *p)
{
    p->here = p->selected = false;
    rig_phone_reset(p->rig);
    pairing_report(
        p, &(struct reader_report){.type = READER_LOST, .number = p->polled, .loss = READER_LOST_LIFTED});
}

static void make_trouble(struct pairing_bench *p, const struct reader_command *c)
{
    p->troubled = true;
    if (p->trouble == PAIRING_LIFTED)
        lose_phone(p);
    else if (p->trouble == PAIRING_REFUSED)
        pairing_report(
            p, &(struct reader_report){.type = READER_REFUSED, .number = c->number, .reason = p->refusal});
    /* LOST_WORD: the phone has heard it, and the answer gets lost on the bus */
}

static void send_apdu(struct pairing_bench *p, const struct reader_command *c)
{
    if (!p->selected) {
        pairing_report(
            p, &(struct reader_report){.type = READER_REFUSED, .number = c->number, .reason = ERR_NOT_FOUND});
        return;
    }
    bool again = c->number == p->last_number && p->last_len;
    bool here = !again && p->trouble && !p->troubled && p->apdus == p->trouble_at;
    p->last_number = c->number;
    p->last_len = c->apdu.len;
    if (!again) {
        p->apdus++;
        memcpy(p->last_apdu, c->apdu.p, c->apdu.len);
        p->last_apdu_len = c->apdu.len;
        if (!here || p->trouble == PAIRING_LOST_WORD)
            to_phone(p, c->apdu);
    }
    if (here)
        make_trouble(p, c);
    else
        say(p, READER_RESPONSE, c->number, span_of(p->answer, p->answer_len));
}

static void on_command(struct pairing_bench *p, struct span pdu)
{
    struct reader_command c;
    uint8_t number;
    must(reader_command_parse(pdu, &c, &number) == ERR_OK, "a command that no reader understands");
    if (c.type == READER_APDU) {
        send_apdu(p, &c);
        return;
    }
    p->last_len = 0;
    if (c.type != READER_OFF) {
        poll(p, &c);
        return;
    }
    p->offs_heard++;
    p->polls = p->selected = false;
    if (p->here)
        rig_phone_reset(p->rig);
    say(p, READER_DONE, c.number, (struct span){NULL, 0});
}

void pairing_report(struct pairing_bench *p, const struct reader_report *r)
{
    struct wr w = wr_of(p->queue[p->queued].bytes, READER_PDU_MAX);
    must(p->queued < PAIRING_QUEUE, "too many reports");
    reader_report_put(&w, r);
    p->queue[p->queued++].len = w.len;
    pairing_carry(p);
}

void pairing_reader_status(struct pairing_bench *p, uint8_t flags)
{
    const struct matrix_row *row = matrix_row(reader_row_status(READER_PAD));
    struct bus_frame f = {.id = row->id, .len = READER_STATUS_LENGTH};
    f.data[0] = flags;
    f.data[1] = p->alive = (p->alive + 1) & 0x0F;
    f.data[READER_STATUS_LENGTH - 1] = matrix_checksum(row->id, f.data, READER_STATUS_LENGTH);
    bench_frame(&p->b.node, 0, &f);
    pairing_carry(p);
}

/* ---- the bus ---- */

static void hear(struct pairing_bench *p, const struct bus_frame *f)
{
    struct cabin_notification n;
    p->commands += f->id == matrix_row(MATRIX_SPAAK_BCM_CMD)->id;
    if (f->id != matrix_row(MATRIX_HU_NTF)->id)
        return;
    must(cabin_read_notification(f, p->b.now_us, &p->heard, &n) == ERR_OK, "HU_NTF");
    must(p->notice_count < PAIRING_NOTICES, "too many notices");
    p->notices[p->notice_count++] = n;
}

static void answer_ask(struct pairing_bench *p, const struct bus_frame *f)
{
    if (f->id != matrix_row(MATRIX_SPAAK_BCM_ASK)->id)
        return;
    must(cabin_read_ask(f, p->challenge) == ERR_OK, "SpaaK_BCM_Ask");
    p->asks++;
    if (!p->bcm_is_mute && p->answer_count < PAIRING_QUEUE)
        p->answers[p->answer_count++] = pairing_answer(p, p->challenge, p->user.ignition, p->user.fob);
}

/* One frame from the module; what it completes is obeyed when all frames have been heard. */
static bool take(struct pairing_bench *p, const struct bus_frame *f, uint8_t *pdu, size_t *len)
{
    struct isotp_event ev;
    hear(p, f);
    answer_ask(p, f);
    if (f->id != COMMANDS || p->mute)
        return false;
    isotp_input(&p->tp, f, p->b.now_us, &ev);
    if (ev.kind != ISOTP_RECEIVED)
        return false;
    memcpy(pdu, ev.message.p, ev.message.len);
    *len = ev.message.len;
    return true;
}

static void send_frames(struct pairing_bench *p)
{
    struct bus_frame f;
    struct isotp_event ev;
    while (isotp_output(&p->tp, p->b.now_us, &f, &ev))
        bench_frame(&p->b.node, 0, &f);
}

static void send_report(struct pairing_bench *p)
{
    isotp_send(&p->tp, p->queue[0].bytes, (uint32_t)p->queue[0].len, p->b.now_us);
    p->queued--;
    memmove(&p->queue[0], &p->queue[1], p->queued * sizeof p->queue[0]);
    send_frames(p);
}

static void hear_all(struct pairing_bench *p)
{
    uint8_t pdu[READER_PDU_MAX];
    for (size_t i = 0; i < p->b.sent_count; i++) {
        size_t len = 0;
        bool whole = take(p, &p->b.sent[i].frame, pdu, &len);
        send_frames(p);
        if (whole)
            on_command(p, span_of(pdu, len));
    }
    p->b.sent_count = 0;
    p->b.trace_count = 0;
}

void pairing_carry(struct pairing_bench *p)
{
    if (p->carrying)
        return;
    p->carrying = true;
    while (p->b.sent_count || p->queued || p->answer_count) {
        hear_all(p);
        while (p->answer_count)
            bench_frame(&p->b.node, 0, &p->answers[--p->answer_count]);
        if (p->queued)
            send_report(p);
    }
    p->b.trace_count = 0;
    p->carrying = false;
}

void pairing_run_ms(struct pairing_bench *p, unsigned ms)
{
    for (unsigned i = 0; i < ms; i += 50) {
        bench_run_ms(&p->b, 50);
        pairing_carry(p);
        if (i % 500 == 0 && !p->mute)
            pairing_reader_status(p, (uint8_t)(READER_STATUS_WORKS | (p->polls ? READER_STATUS_FIELD : 0) |
                                               (p->selected ? READER_STATUS_CARD : 0)));
        if (i % 100 == 0)
            try_select(p);
        pairing_carry(p);
    }
}

/* ---- people ---- */

void pairing_bcm(struct pairing_bench *p, const struct cabin_bcm_status *s)
{
    struct bus_frame f;
    p->user = (struct cabin_answer){.ignition = s->ignition, .fob = s->fob};
    cabin_write_bcm_status(s, &p->bcm_alive, &f);
    bench_frame(&p->b.node, 0, &f);
    pairing_carry(p);
}

void pairing_bcm_says(struct pairing_bench *p, bool ignition, bool fob)
{
    pairing_bcm(p, &(struct cabin_bcm_status){.ignition = ignition, .fob = fob});
}

struct bus_frame pairing_answer(struct pairing_bench *p, const uint8_t challenge[CABIN_CHALLENGE],
                                bool ignition, bool fob)
{
    const struct cabin_answer a = {ignition, fob};
    uint8_t key[CMAC_KEY];
    size_t len;
    struct bus_frame f;
    must(store_get(p->spy.inner, SPAAK_BODY_KEY, key, sizeof key, &len) == ERR_OK, "the body key");
    must(cabin_write_answer(test_crypto(), key, challenge, &a, &f) == ERR_OK, "BCM_SpaaK_Answer");
    return f;
}

void pairing_wish(struct pairing_bench *p, enum cabin_wish wish)
{
    struct bus_frame f;
    cabin_write_request(&(struct cabin_request){.wish = wish}, &p->hu_alive, &f);
    bench_frame(&p->b.node, 0, &f);
    pairing_carry(p);
}

void pairing_place(struct pairing_bench *p)
{
    p->here = true;
}

void pairing_lift(struct pairing_bench *p)
{
    bool told = p->selected;
    p->here = p->selected = false;
    rig_phone_reset(p->rig);
    if (told)
        lose_phone(p);
}

/* ---- life ---- */

static void start(struct pairing_bench *p)
{
    bench_prepare(&p->b, &spaak_class, test_crypto());
    store_close(p->b.node.store);
    p->b.node.store = &p->spy.store;
    must(bench_start(&p->b, &(struct component_args){.serial = PAIRING_SERIAL}) == ERR_OK, "the start");
    memset(&p->heard, 0, sizeof p->heard);
    pairing_carry(p);
}

void pairing_open(struct pairing_bench *p)
{
    const struct isotp_config cfg = isotp_config_default(REPORTS, COMMANDS);
    memset(p, 0, sizeof *p);
    p->rig = rig_ready(test_crypto());
    make_store(p);
    must(isotp_init(&p->tp, &cfg, p->rx, sizeof p->rx) == ERR_OK, "ISO-TP");
    start(p);
}

void pairing_close(struct pairing_bench *p)
{
    bench_free(&p->b);
    store_close(p->spy.inner);
    rig_free(p->rig);
}

void pairing_restart(struct pairing_bench *p)
{
    bench_free(&p->b);
    start(p);
}

bool pairing_is_dead(const struct pairing_bench *p)
{
    return p->b.node.dead;
}

/* ---- what came of it ---- */

enum cabin_notice pairing_said(const struct pairing_bench *p)
{
    return p->notice_count ? p->notices[p->notice_count - 1].what : (enum cabin_notice)0;
}

bool pairing_stored(struct pairing_bench *p, const char *key)
{
    uint8_t buf[ENV_VALUE_MAX];
    size_t len;
    return store_get(p->spy.inner, key, buf, sizeof buf, &len) == ERR_OK;
}

static const char *compare(const struct vehicle_key *k, const struct rig *r, size_t i)
{
    const struct digital_key *phone = &r->applet.keys[i];
    const struct dk_owned *owned = &r->device.owned[i];
    if (k->state != VEHICLE_KEY_ACTIVE || k->role != VEHICLE_KEY_OWNER)
        return "the record is not active";
    if (phone->state != APPLET_KEY_ACTIVE)
        return "the phone's key is not active";
    if (memcmp(phone->device_pk, k->device_pk, P256_POINT) != 0)
        return "another key";
    if (!k->has_kpersistent || memcmp(k->kpersistent, phone->kpersistent, TRANSACTION_KPERSISTENT) != 0)
        return "another Kpersistent";
    return memcmp(k->kble_intro, owned->kble_intro, CCC_KEY) ||
                   memcmp(k->long_term_shared_secret, owned->long_term_shared_secret, CCC_KEY)
               ? "other secrets of the pairing"
               : NULL;
}

const char *pairing_fault(struct pairing_bench *p)
{
    struct rig *r = p->rig;
    char name[VEHICLE_RECORD_NAME_MAX];
    uint8_t record[VEHICLE_RECORD_MAX];
    const uint8_t *key_id;
    size_t len, i = 0;
    struct vehicle_key k = {0};
    while (i < APPLET_KEYS && r->applet.keys[i].state != APPLET_KEY_ACTIVE)
        i++;
    if (i == APPLET_KEYS)
        return "the phone has no key";
    key_id = r->applet.keys[i].key_id;
    vehicle_record_name(key_id, name);
    if (bench_secret(&p->b, name, record, sizeof record, &len))
        return "the vehicle has no record of it";
    if (vehicle_record_load(test_crypto(), r->finish_config.transaction.vehicle_id, key_id,
                            span_of(record, len), &k))
        return "the record cannot be read";
    const char *fault = compare(&k, r, i);
    vehicle_key_close(&k);
    return fault;
}
