/* PP-03 on both benches: attempts that are counted over power cuts, sets that are burnt, and who asks whom
 * for another. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "backend/vos/vos.h"
#include "ecu/spaak/spaak.h"
#include "tests/check.h"
#include "tests/verifier_rig.h"

#define INSTALLED  SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED
#define USED       SPAAK__V1__RESP_ENUM__RESP_ENUM_USED
#define TERMINATED SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_OWNER_KEY_TERMINATED
#define USED_UP    SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_ATTEMPTS_USED_UP
#define MISSING    SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_MISSING

enum { FAILED, PASSED };

/* ---- the module ---- */

static const char *const of_a_set[] = {SPAAK_VERIFIERS_ID, SPAAK_VERIFIERS_W0, SPAAK_VERIFIERS_L,
                                       SPAAK_VERIFIERS_SCRYPT, NULL};

static void expect_set(struct vehicle_bench *v, bool there)
{
    for (const char *const *key = of_a_set; *key; key++)
        cr_expect(eq(int, vehicle_stored(v, *key), there), "%s", *key);
}

/* What the last request asks for. */
static void expect_request(struct vehicle_bench *v, int reason, uint8_t burnt)
{
    cr_assert(eq(int, (int)v->last.type, RIG_REQUEST));
    cr_expect(eq(int, (int)v->last.use_case, SPAAK__V1__USE_CASE__USE_CASE_PP_03));
    Spaak__V1__OpSpake2Request *m = spaak__v1__op_spake2_request__unpack(NULL, v->body_len, v->body);
    cr_expect(eq(int, (int)m->reason, reason));
    cr_assert(eq(sz, m->burnt_set_id.len, burnt ? 16 : 0));
    for (size_t i = 0; i < m->burnt_set_id.len; i++)
        cr_expect(eq(u8, m->burnt_set_id.data[i], burnt));
    spaak__v1__op_spake2_request__free_unpacked(m, NULL);
}

/* With set 7 in force, acknowledged. */
static void start_with_set(struct vehicle_bench *v)
{
    module_start(v);
    module_push(v, 7, SOUND, 0);
    module_answer(v, RIG_ACK, ERR_OK);
}

static const struct {
    const char *name;
    unsigned attempts, cut_every; /* power is lost after so many; 0: never */
    bool there;
} rows[] = {
    {.name = "none", .attempts = 0, .there = true},
    {.name = "six", .attempts = 6, .there = true},
    {.name = "six, each ended by a power cut", .attempts = 6, .cut_every = 1, .there = true},
    {.name = "seven", .attempts = 7, .there = false},
    {.name = "seven with power cuts between", .attempts = 7, .cut_every = 1, .there = false},
    {.name = "seven, two power cuts", .attempts = 7, .cut_every = 3, .there = false},
};

Test(attempts, seven_failures_delete_the_set_whatever_happens_between_them)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vehicle_bench v;
        start_with_set(&v);
        for (unsigned n = 1; n <= rows[i].attempts; n++) {
            module_call(&v, "pairing-attempt", FAILED);
            if (rows[i].cut_every && n % rows[i].cut_every == 0)
                module_power_cut(&v);
        }
        expect_set(&v, rows[i].there);
        cr_expect(eq(int, vehicle_stored(&v, SPAAK_VERIFIERS_WANTED), !rows[i].there), "%s", rows[i].name);
        if (!rows[i].there)
            expect_request(&v, USED_UP, 7);
        vehicle_stop(&v);
    }
}

/* The attempt is counted before VERIFY goes out: who cuts the power then has had it. */
Test(attempts, a_power_cut_in_the_seventh_attempt_deletes_the_set_at_the_next_start)
{
    struct vehicle_bench v;
    start_with_set(&v);
    for (int n = 0; n < 6; n++)
        module_call(&v, "pairing-attempt", FAILED);
    ASSERT_OK(store_set(v.b.node.store, SPAAK_VERIFIERS_ATTEMPTS, span_of("\7", 1)));
    module_power_cut(&v);
    expect_set(&v, false);
    expect_request(&v, USED_UP, 7);
    vehicle_stop(&v);
}

Test(attempts, there_is_no_eighth)
{
    struct vehicle_bench v;
    start_with_set(&v);
    for (int n = 0; n < 8; n++)
        module_call(&v, "pairing-attempt", FAILED);
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_VERIFIERS_MISSING), 1));
    module_call(&v, "pairing-attempt", PASSED);
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_VERIFIERS_MISSING), 2));
    vehicle_stop(&v);
}

Test(attempts, another_set_begins_at_none_and_the_same_set_does_not)
{
    struct vehicle_bench v;
    start_with_set(&v);
    for (int n = 0; n < 6; n++)
        module_call(&v, "pairing-attempt", FAILED);
    module_push(&v, 7, SOUND, 1);
    module_answer(&v, RIG_ACK, ERR_OK);
    module_call(&v, "pairing-attempt", FAILED);
    expect_set(&v, false);
    module_push(&v, 8, SOUND, 2);
    module_answer(&v, RIG_ACK, ERR_OK);
    for (int n = 0; n < 6; n++)
        module_call(&v, "pairing-attempt", FAILED);
    expect_set(&v, true);
    vehicle_stop(&v);
}

Test(attempts, a_set_that_was_deleted_does_not_come_back)
{
    struct vehicle_bench v;
    start_with_set(&v);
    for (int n = 0; n < 7; n++)
        module_call(&v, "pairing-attempt", FAILED);
    size_t stores = bench_count(&v.b, TRACE_STORE, ERR_OK);
    module_push(&v, 7, SOUND, 0);
    module_push(&v, 7, SOUND, 5);
    module_power_cut(&v);
    module_push(&v, 7, SOUND, 9);
    cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_VERIFIERS_BURNT), 3));
    cr_expect(eq(sz, bench_count(&v.b, TRACE_STORE, ERR_OK), stores));
    expect_set(&v, false);
    vehicle_stop(&v);
}

Test(attempts, a_set_that_has_served_is_deleted_and_reported_until_that_is_acknowledged)
{
    struct vehicle_bench v;
    start_with_set(&v);
    module_call(&v, "pairing-attempt", PASSED);
    expect_set(&v, false);
    module_power_cut(&v);
    cr_assert(eq(int, (int)v.last.type, RIG_STATUS));
    Spaak__V1__Spake2VerifierSetStatus *m =
        spaak__v1__spake2_verifier_set_status__unpack(NULL, v.body_len, v.body);
    cr_expect(eq(int, (int)m->status, USED));
    cr_expect(eq(u8, m->set_id.data[0], 7));
    spaak__v1__spake2_verifier_set_status__free_unpacked(m, NULL);
    module_answer(&v, RIG_ACK, ERR_OK);
    cr_expect(not(vehicle_stored(&v, SPAAK_VERIFIERS_USED)));
    cr_expect(not(vehicle_stored(&v, SPAAK_VERIFIERS_REPORTED)));
    size_t heard = v.heard;
    module_power_cut(&v);
    cr_expect(eq(sz, v.heard, heard), "nothing more to say");
    vehicle_stop(&v);
}

Test(pairing_mode, verifiers_that_are_there_are_not_asked_for)
{
    struct vehicle_bench v;
    start_with_set(&v);
    size_t heard = v.heard;
    module_call(&v, "start-pairing-mode", 0);
    cr_expect(eq(sz, v.heard, heard));
    vehicle_stop(&v);
}

Test(pairing_mode, what_is_missing_is_asked_for_until_it_comes)
{
    struct vehicle_bench v;
    module_start(&v);
    module_call(&v, "start-pairing-mode", 0);
    expect_request(&v, MISSING, 0);
    size_t heard = v.heard;
    module_power_cut(&v);
    cr_expect(eq(sz, v.heard, heard + 1));
    expect_request(&v, MISSING, 0);
    module_answer(&v, RIG_RESPONSE, ERR_OK);
    cr_expect(vehicle_stored(&v, SPAAK_VERIFIERS_WANTED), "an answer is no set");
    module_push(&v, 9, SOUND, 3);
    cr_expect(not(vehicle_stored(&v, SPAAK_VERIFIERS_WANTED)));
    cr_expect(eq(int, (int)v.last.type, RIG_STATUS));
    expect_set(&v, true);
    vehicle_stop(&v);
}

Test(pairing_mode, a_refusal_is_the_end_of_the_request_and_a_later_one_is_possible)
{
    struct vehicle_bench v;
    module_start(&v);
    module_call(&v, "start-pairing-mode", 0);
    module_answer(&v, RIG_RESPONSE, ERR_NOT_PROVISIONED);
    cr_expect(eq(sz, bench_count(&v.b, TRACE_FAIL, ERR_NOT_PROVISIONED), 1));
    size_t heard = v.heard;
    module_call(&v, "start-pairing-mode", 0);
    cr_expect(eq(sz, v.heard, heard + 1), "the user does not wait for the back-off");
    vehicle_stop(&v);
}

Test(pairing_mode, without_the_tbm_the_request_waits)
{
    struct vehicle_bench v;
    module_start(&v);
    vehicle_tbm_says(&v, 0);
    size_t heard = v.heard;
    module_call(&v, "start-pairing-mode", 0);
    cr_expect(eq(sz, v.heard, heard));
    vehicle_tbm_says(&v, READY);
    expect_request(&v, MISSING, 0);
    vehicle_stop(&v);
}

static const struct {
    const char *name;
    bool reports; /* else asks */
    int answer;
} answers[] = {
    {.name = "an acknowledgement for a request", .reports = false, .answer = RIG_ACK},
    {.name = "an answer for a report", .reports = true, .answer = RIG_RESPONSE},
};

Test(pairing_mode, an_answer_belongs_to_what_was_asked)
{
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct vehicle_bench v;
        module_start(&v);
        if (answers[i].reports)
            module_push(&v, 7, SOUND, 0);
        else
            module_call(&v, "start-pairing-mode", 0);
        struct msg_header h = v.last;
        h.use_case =
            answers[i].reports ? SPAAK__V1__USE_CASE__USE_CASE_PP_03 : SPAAK__V1__USE_CASE__USE_CASE_PP_02;
        vehicle_answer_as(&v, OEM_VOS, h, answers[i].answer, (struct span){NULL, 0});
        cr_expect(eq(sz, bench_count(&v.b, TRACE_REJECT, ERR_MSG_UNEXPECTED), 1), "%s", answers[i].name);
        cr_expect(not(vehicle_stored(&v, SPAAK_VERIFIERS_REPORTED)), "%s", answers[i].name);
        vehicle_stop(&v);
    }
}

/* ---- the VOS ---- */

static struct span last_id(struct server *s, uint8_t out[RIG_SET_ID])
{
    Spaak__V1__Spake2VerifierSet *m = server_pushed(s);
    memcpy(out, m->set_id.data, RIG_SET_ID);
    spaak__v1__spake2_verifier_set__free_unpacked(m, NULL);
    return span_of(out, RIG_SET_ID);
}

static void expect_secrets(struct server *s, bool there)
{
    static const char *const keys[] = {VOS_VERIFIER_SECRETS SERIAL "/w0", VOS_VERIFIER_SECRETS SERIAL "/l",
                                       VOS_VERIFIER_SECRETS SERIAL "/password"};
    for (size_t i = 0; i < 3; i++) {
        uint8_t out[128];
        size_t len;
        cr_expect(eq(int, store_get(s->b.node.store, keys[i], out, sizeof out, &len) == ERR_OK, there), "%s",
                  keys[i]);
    }
}

enum before { NOTHING, DERIVING, PUSHED, STORED, SERVED };

/* Brings the VOS there; the set's id. */
static struct span bring(struct server *s, enum before before, uint8_t id[RIG_SET_ID])
{
    struct span known = {NULL, 0};
    if (before > NOTHING)
        server_call(s, "push-verifiers");
    if (before > DERIVING) {
        bench_finish_works(&s->b);
        known = last_id(s, id);
    }
    if (before > PUSHED)
        server_report(s, known, INSTALLED);
    if (before > STORED)
        server_report(s, known, USED);
    return known;
}

static const struct {
    const char *name;
    enum before before;
    int reason;
    bool names_it, names_another;
    bool burns;     /* a work is handed out */
    bool same_soon; /* the set that is there is pushed again at once */
} requests[] = {
    {.name = "missing, none was made", .before = NOTHING, .reason = MISSING, .burns = true},
    {.name = "missing, one is being derived", .before = DERIVING, .reason = MISSING, .burns = false},
    {.name = "missing, one is on its way", .before = PUSHED, .reason = MISSING, .same_soon = true},
    {.name = "missing, though it was reported", .before = STORED, .reason = MISSING, .burns = true},
    {.name = "missing, the last has served", .before = SERVED, .reason = MISSING, .burns = true},
    {.name = "used up", .before = STORED, .reason = USED_UP, .names_it = true, .burns = true},
    {.name = "used up before its report came",
     .before = PUSHED,
     .reason = USED_UP,
     .names_it = true,
     .burns = true},
    {.name = "used up, an older set",
     .before = STORED,
     .reason = USED_UP,
     .names_another = true,
     .same_soon = true},
    {.name = "used up, an older set, the next on its way",
     .before = PUSHED,
     .reason = USED_UP,
     .names_another = true,
     .same_soon = true},
    {.name = "owner key terminated", .before = SERVED, .reason = TERMINATED, .names_it = true, .burns = true},
};

Test(vos_requests, what_a_request_burns_and_what_it_is_given)
{
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct server s;
        uint8_t id[RIG_SET_ID];
        static const uint8_t another[RIG_SET_ID] = {1};
        server_start(&s, true, NULL, NULL);
        struct span known = bring(&s, requests[i].before, id);
        size_t works = s.b.work_count;
        server_request(&s, (Spaak__V1__OpSpake2Request__Reason)requests[i].reason,
                       requests[i].names_it        ? known
                       : requests[i].names_another ? span_of(another, RIG_SET_ID)
                                                   : span_of(NULL, 0));
        cr_expect(eq(sz, s.b.work_count - works, requests[i].burns), "%s", requests[i].name);
        cr_assert(eq(sz, s.b.sent_count, 1u + requests[i].same_soon), "%s", requests[i].name);
        if (requests[i].burns)
            expect_secrets(&s, false);
        cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_OK), 0), "%s", requests[i].name);
        server_stop(&s);
    }
}

Test(vos_requests, what_cannot_be_given_is_refused_with_its_reason)
{
    static const struct {
        const char *name;
        bool transport_key, provisioned;
        size_t body; /* bytes of garbage; 0: a sound request */
        enum err reason;
        bool answered;
    } refusals[] = {
        {.name = "no drmUUID", .transport_key = true, .reason = ERR_NOT_PROVISIONED, .answered = true},
        {.name = "no identity yet",
         .provisioned = true,
         .reason = ERR_TRANSPORT_KEY_MISSING,
         .answered = true},
        {.name = "no reason",
         .transport_key = true,
         .provisioned = true,
         .body = 1,
         .reason = ERR_MSG_MALFORMED},
        {.name = "no message",
         .transport_key = true,
         .provisioned = true,
         .body = 9,
         .reason = ERR_MSG_MALFORMED},
    };
    static const uint8_t missing[] = {0x08, 0x03},
                         nothing[] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct server s;
        enum err error;
        server_start(&s, refusals[i].transport_key, NULL, NULL);
        size_t stores = bench_count(&s.b, TRACE_STORE, ERR_OK);
        struct span body = refusals[i].body == 1   ? span_of(NULL, 0)
                           : refusals[i].body == 9 ? span_of(nothing, sizeof nothing)
                                                   : span_of(missing, sizeof missing);
        server_hear(&s, RIG_REQUEST, SPAAK__V1__USE_CASE__USE_CASE_PP_03, refusals[i].provisioned, body);
        cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, refusals[i].reason), 1), "%s", refusals[i].name);
        cr_assert(eq(sz, s.b.sent_count, refusals[i].answered), "%s", refusals[i].name);
        if (refusals[i].answered) {
            cr_expect(eq(int, server_said(&s, &error), RIG_RESPONSE));
            cr_expect(eq(int, error, refusals[i].reason), "%s", refusals[i].name);
        }
        cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), stores), "%s", refusals[i].name);
        cr_expect(eq(sz, s.b.work_count, 0), "%s", refusals[i].name);
        server_stop(&s);
    }
}

Test(vos_requests, a_set_that_has_served_is_forgotten_with_its_password)
{
    struct server s;
    uint8_t id[RIG_SET_ID];
    server_start(&s, true, NULL, NULL);
    struct span known = bring(&s, STORED, id);
    expect_secrets(&s, true);
    server_report(&s, known, USED);
    cr_expect(eq(sz, s.b.sent_count, 1), "acknowledged");
    expect_secrets(&s, false);
    server_report(&s, known, USED);
    cr_expect(eq(sz, s.b.sent_count, 1), "acknowledged again");
    server_report(&s, known, INSTALLED);
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_STATUS_MISMATCH), 1), "what was used stays used");
    server_stop(&s);
}

Test(vos_requests, a_set_that_was_wanted_when_power_was_lost_is_derived_by_the_next_life)
{
    struct server s;
    server_start(&s, true, NULL, NULL);
    server_request(&s, MISSING, span_of(NULL, 0));
    server_restart(&s);
    cr_expect(eq(sz, s.b.work_count, 1));
    bench_finish_works(&s.b);
    uint8_t id[RIG_SET_ID];
    last_id(&s, id);
    expect_secrets(&s, true);
    server_stop(&s);
}

Test(vos_requests, renewing_burns_at_once_and_the_old_set_is_not_believed_any_more)
{
    struct server s;
    uint8_t old[RIG_SET_ID], now[RIG_SET_ID];
    server_start(&s, true, NULL, NULL);
    bring(&s, PUSHED, old);
    server_call(&s, "replace-verifiers");
    expect_secrets(&s, false);
    server_report(&s, span_of(old, RIG_SET_ID), INSTALLED);
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_STATUS_MISMATCH), 1));
    bench_finish_works(&s.b);
    struct span known = last_id(&s, now);
    cr_expect(memcmp(old, now, RIG_SET_ID) != 0);
    server_report(&s, known, INSTALLED);
    cr_expect(eq(sz, s.b.sent_count, 1));
    server_stop(&s);
}

Test(vos_requests, renewing_the_identity_retires_the_set_and_what_is_being_derived)
{
    struct server s;
    uint8_t id[RIG_SET_ID], stored[256];
    size_t len;
    server_start(&s, true, NULL, NULL);
    bring(&s, STORED, id);
    server_call(&s, "replace-verifiers");
    server_call(&s, "renew-vehicle-identity");
    s.b.sent_count = 0;
    bench_finish_works(&s.b);
    cr_expect(eq(sz, s.b.sent_count, 0), "there is no transport key to seal it to");
    expect_secrets(&s, false);
    cr_expect(eq(int, store_get(s.b.node.store, VOS_VERIFIERS_PREFIX SERIAL, stored, sizeof stored, &len),
                 ERR_NOT_FOUND));
    server_restart(&s);
    cr_expect(eq(sz, s.b.work_count, 0));
    server_stop(&s);
}
