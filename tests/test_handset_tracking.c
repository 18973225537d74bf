/* Key tracking, the phone's part: when it asks, what for, what it takes, and that it goes on asking. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "lib/token/base64url.h"
#include "tests/check.h"
#include "tests/handset_bench.h"

#define TRACKED PHONE_TRACKED "0"

static struct handset_bench *h;

static void start(void)
{
    h = handset_bench_new();
    handset_type_password(h);
    ASSERT_OK(rig_pair_phase_2(h->rig));
}

static void stop(void)
{
    handset_bench_free(h);
}

TestSuite(handset_tracking, .init = start, .fini = stop);

static const struct handset_tracking *state(void)
{
    return &handset_phone(h)->handset.tracking;
}

/* The link to the server comes anew: what is due is asked for. The request, or NULL. */
static const struct bench_sent *ask_anew(void)
{
    node_on_link(&h->b.node, PHONE_PORT_DEVICE, LINK_DOWN);
    h->b.sent_count = 0;
    node_on_link(&h->b.node, PHONE_PORT_DEVICE, LINK_UP);
    for (size_t i = 0; i < h->b.sent_count; i++)
        if (h->b.sent[i].port == PHONE_PORT_DEVICE && h->b.sent[i].address[0] == 'k') /* no state of a key */
            return &h->b.sent[i];
    return NULL;
}

static void hear(struct span bytes)
{
    char tag[16];
    snprintf(tag, sizeof tag, "k%u", state()->sent);
    node_on_bytes(&h->b.node, PHONE_PORT_DEVICE, tag, bytes);
}

static void refuse(unsigned status, enum err reason)
{
    uint8_t out[HTTP_PROBLEM_MAX];
    hear(span_of(out, http_problem_write(status, reason, NULL, out)));
}

static void put_text(struct wr *w, const char *text)
{
    wr_copy(w, text, strlen(text));
}

static void answer_with(const uint8_t ephemeral[P256_POINT], struct span sealed)
{
    uint8_t out[4096];
    char json[2048];
    struct wr w = wr_of(out, sizeof out), j = wr_of(json, sizeof json);
    const char *type = http_type_name(HTTP_TYPE_JSON);
    put_text(&j, "{\"ephemeral_public_key\":\"");
    base64url_encode(span_of(ephemeral, P256_POINT), &j);
    put_text(&j, "\",\"receipt\":\"");
    base64url_encode(sealed, &j);
    put_text(&j, "\"}");
    struct http_response r = {.status = 200, .body = span_of(json, j.len)};
    r.lines[HTTP_LINE_TYPE] = span_of(type, strlen(type));
    ASSERT_OK(http_response_write(&r, &w));
    hear(span_of(out, w.len));
}

/* The rig's key tracking server has signed it. */
static void answer(size_t spoilt)
{
    const struct handset *own = &handset_phone(h)->handset;
    uint8_t ephemeral[P256_POINT], sealed[RIG_RECEIPT_MAX];
    size_t len;
    ASSERT_OK(rig_make_receipt(h->rig, &own->device, &own->device.owned[0], &own->applet.keys[0], ephemeral,
                               sealed, &len));
    if (spoilt)
        sealed[spoilt] ^= 1;
    answer_with(ephemeral, span_of(sealed, len));
}

static bool is_tracked(void)
{
    uint8_t key_id[ENDPOINT_KEY_ID + 1];
    size_t len;
    return store_get(h->b.node.store, TRACKED, key_id, sizeof key_id, &len) == ERR_OK &&
           span_equal(span_of(key_id, len), span_of(h->rig->store.key.key_id, ENDPOINT_KEY_ID));
}

Test(handset_tracking, it_asks_when_the_vehicle_has_tried_the_key)
{
    cr_expect(ask_anew() == NULL, "phase 2 is not enough");
    cr_expect(not(state()->asks));
    ASSERT_OK(rig_phase_3(h->rig));
    cr_expect(state()->asks);
}

Test(handset_tracking, what_it_asks_for)
{
    const struct handset *own = &handset_phone(h)->handset;
    char oem[16], id[16], cert[1100], said[1400], enc[100], path[120], hex[2 * ENDPOINT_KEY_ID + 1];
    uint8_t bytes[1024], point[P256_POINT];
    const struct json_field fields[] = {{"vehicle_oem", 1, oem, sizeof oem},
                                        {"vehicle_identifier", 1, id, sizeof id},
                                        {"endpoint_certificate", 1, cert, sizeof cert},
                                        {"attestation", 1, said, sizeof said},
                                        {"encryption_public_key", 1, enc, sizeof enc}};
    struct http_request q;
    long len;
    ASSERT_OK(rig_phase_3(h->rig));
    const struct bench_sent *s = ask_anew();
    cr_assert(s != NULL);
    ASSERT_OK(http_request_read(span_of(s->bytes, s->len), HTTP_FROM_COMPONENT, &q));
    ASSERT_OK(json_read(q.body, fields, 5, JSON_REFUSE_OTHERS));
    hex_encode(own->applet.keys[0].key_id, ENDPOINT_KEY_ID, hex);
    snprintf(path, sizeof path, "/v1/keys/%s/tracking", hex);
    cr_expect(span_is(q.words[HTTP_WORD_PATH], path));
    cr_expect(eq(str, oem, (char *)"SPAAKSIM"));
    len = base64url_decode(span_of(id, strlen(id)), bytes, sizeof bytes);
    cr_expect(span_equal(span_of(bytes, (size_t)len),
                         span_of("\x00\x01\x01\x23\x45\x67\x89\xAB", TRANSACTION_VEHICLE_ID)));
    len = base64url_decode(span_of(cert, strlen(cert)), bytes, sizeof bytes);
    cr_expect(span_equal(span_of(bytes, (size_t)len),
                         span_of(own->applet.keys[0].certificate, own->applet.keys[0].certificate_len)));
    len = base64url_decode(span_of(said, strlen(said)), bytes, sizeof bytes);
    cr_expect(span_equal(span_of(bytes, (size_t)len),
                         span_of(own->device.owned[0].attestation, own->device.owned[0].attestation_len)));
    p256_public(own->device.enc_key, point);
    len = base64url_decode(span_of(enc, strlen(enc)), bytes, sizeof bytes);
    cr_expect(span_equal(span_of(bytes, (size_t)len), span_of(point, sizeof point)));
}

Test(handset_tracking, its_receipt_lies_in_the_mailbox_and_it_asks_no_more)
{
    ASSERT_OK(rig_phase_3(h->rig));
    EXPECT_ERR(rig_phase_4(h->rig), ERR_DK_NO_RECEIPT);
    cr_expect(not(is_tracked()));
    answer(0);
    cr_expect(is_tracked());
    cr_expect(not(state()->asks));
    cr_expect(not(state()->waits));
    cr_expect(ask_anew() == NULL);
    handset_restart(h);
    cr_expect(not(state()->asks), "nor in the next life");
    ASSERT_OK(rig_phase_4(h->rig));
    cr_expect(h->rig->store.key.tracked);
    cr_expect(eq(int, handset_call(h, "delete-key", 0, ""), ERR_OK));
    cr_expect(not(is_tracked()), "the mark goes with the key");
}

Test(handset_tracking, it_asks_a_few_times_in_a_row_then_after_a_pause)
{
    ASSERT_OK(rig_phase_3(h->rig));
    unsigned first = state()->sent;
    for (unsigned i = 1; i < 5; i++) {
        refuse(503, ERR_KTS_UNREACHABLE);
        cr_expect(not(state()->asks));
        cr_expect(state()->waits);
        bench_run_ms(&h->b, 499);
        cr_expect(eq(uint, state()->sent, first + i - 1));
        bench_run_ms(&h->b, 1);
        cr_expect(eq(uint, state()->sent, first + i));
    }
    refuse(504, ERR_MSG_NO_ANSWER);
    bench_run_ms(&h->b, 59999);
    cr_expect(eq(uint, state()->sent, first + 4));
    bench_run_ms(&h->b, 1);
    cr_expect(eq(uint, state()->sent, first + 5));
    bench_run_ms(&h->b, 6000); /* nobody says anything */
    cr_expect(state()->waits);
    bench_run_ms(&h->b, 500);
    cr_expect(eq(uint, state()->sent, first + 6));
    answer(0);
    cr_expect(is_tracked());
}

Test(handset_tracking, a_key_that_is_refused_is_asked_for_again_in_the_next_life)
{
    ASSERT_OK(rig_phase_3(h->rig));
    refuse(403, ERR_SIGNATURE_INVALID);
    cr_expect(eq(sz, bench_count(&h->b, TRACE_FAIL, ERR_SIGNATURE_INVALID), 1));
    bench_run_ms(&h->b, 120000);
    cr_expect(not(state()->asks));
    cr_expect(not(state()->waits));
    handset_restart(h);
    cr_expect(state()->asks);
    answer(0);
    cr_expect(is_tracked());
}

Test(handset_tracking, it_takes_nothing_that_is_not_sealed_to_it)
{
    static const char no_json[] = "Status: 200\r\nContent-Type: application/json\r\n\r\n{}";
    uint8_t point[P256_POINT] = {4};
    ASSERT_OK(rig_phase_3(h->rig));
    for (unsigned i = 0; i < 4; i++) {
        if (i == 0)
            answer(20);
        else if (i == 1)
            answer_with(point, span_of("short", 5));
        else if (i == 2)
            hear(span_of(no_json, sizeof no_json - 1));
        else
            hear(span_of("none", 4));
        cr_expect(not(is_tracked()), "%u", i);
        cr_expect(state()->waits, "%u", i);
        EXPECT_ERR(rig_phase_4(h->rig), ERR_DK_NO_RECEIPT);
        bench_run_ms(&h->b, 500);
    }
    answer(0);
    cr_expect(is_tracked());
    ASSERT_OK(rig_phase_4(h->rig));
}

/* Receipt and mark are in one commit: lost, or there, together. */
Test(handset_tracking, a_commit_that_is_refused_or_lost_means_asking_again)
{
    ASSERT_OK(rig_phase_3(h->rig));
    for (enum rig_fate f = RIG_REFUSED; f < RIG_FATES; f++) {
        h->store->at = h->store->commits + 1;
        h->store->fate = f;
        h->store->fired = false;
        answer(0);
        cr_assert(h->store->fired);
        if (h->b.node.dead)
            handset_restart(h);
        bench_run_ms(&h->b, 700);
        cr_expect(eq(int, is_tracked(), f == RIG_LOST_AFTER), "fate %d", (int)f);
        cr_expect(eq(int, state()->asks, f != RIG_LOST_AFTER), "fate %d", (int)f);
    }
    ASSERT_OK(rig_phase_4(h->rig));
}

Test(handset_tracking, a_forged_receipt_is_refused_and_erased_by_the_vehicle)
{
    ASSERT_OK(rig_phase_3(h->rig));
    cr_assert(eq(int, handset_call(h, "forge-receipt", 0, ""), ERR_OK));
    answer(0);
    EXPECT_ERR(rig_phase_4(h->rig), ERR_SIGNATURE_INVALID);
    EXPECT_ERR(rig_phase_4(h->rig), ERR_DK_NO_RECEIPT);
    cr_expect(not(h->rig->store.key.tracked));
}
