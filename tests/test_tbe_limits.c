/* How often the TBE may be asked, by whom and of what; and its audit trail. */
#include "proto/tbe_records.pb-c.h"
#include "tests/tbe_bench.h"

TestSuite(tbe_rates, .init = start, .fini = stop);

/* ---- rates ---- */

Test(tbe_rates, who_signs_in_too_often_waits_and_others_do_not)
{
    b.now_us += 60000000; /* those of the start are forgotten */
    for (int i = 0; i < 5; i++) {
        sign_in(APP, ANNA);
        cr_expect(eq(uint, said.status, 200), "%d", i);
    }
    ask(&(struct ask){APP, HTTP_POST, .path = "/v1/tokens", .body = ANNA});
    cr_expect(eq(uint, said.status, 429));
    cr_expect(eq(int, said.reason, ERR_HTTP_RATE));
    cr_expect(eq(str, said.retry, "13"), "a fifth of a minute, rounded up");
    cr_expect(eq(sz, b.work_count, 0), "nothing is hashed for it");
    sign_in(APP, "{\"user\":\"bert\",\"secret\":\"field-and-feather\",\"client\":\"" CLIENT "\"}");
    cr_expect(eq(uint, said.status, 200));
    b.now_us += 12000000;
    sign_in(APP, ANNA);
    cr_expect(eq(uint, said.status, 200), "one is free again");
    ask(&(struct ask){APP, HTTP_POST, .path = "/v1/tokens", .body = ANNA});
    cr_expect(eq(uint, said.status, 429), "and no more");
}

/* Whether a name is known, or at home there, does not show in how often it is let through, nor for how long
 * it is not; and one name takes nothing from another. */
Test(tbe_rates, the_allowance_of_sign_ins_does_not_tell_who_is_known)
{
    static const struct {
        unsigned port;
        const char *name;
    } rows[] = {{APP, "bert"},      {APP, "carl"},      {APP, "dora"},      {APP, "hugo"},
                {OPERATOR, "carl"}, {OPERATOR, "bert"}, {OPERATOR, "olga"}, {APP, "olga"}};
    b.now_us += 60000000;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (unsigned k = 0; k < 7; k++) {
            char body[120];
            snprintf(body, sizeof body, "{\"user\":\"%s\",\"secret\":\"x\",\"client\":\"" CLIENT "\"}",
                     rows[i].name);
            ask(&(struct ask){rows[i].port, HTTP_POST, .path = "/v1/tokens", .body = body});
            cr_expect(eq(uint, said.status, k < 5 ? 0 : 429), "%s %u", rows[i].name, k);
            cr_expect(eq(str, said.retry, k < 5 ? "" : "13"), "%s %u", rows[i].name, k);
            bench_finish_works(&b);
        }
}

Test(tbe_limits, who_asks_too_often_waits, .fini = stop)
{
    const uint64_t settings[] = {900, 5, 3, 2000, 30, 5};
    start_with(settings);
    for (int i = 0; i < 3; i++) {
        ask_link(anna);
        cr_expect(eq(uint, said.status, 0), "%d", i);
    }
    ask_link(anna);
    cr_expect(eq(uint, said.status, 429));
    cr_expect(eq(str, said.retry, "21"));
    ask(&(struct ask){OPERATOR, HTTP_POST, .path = RENEW, olga, KEY});
    cr_expect(eq(uint, said.status, 0), "another user");
    b.now_us += 20000000;
    ask_link(anna);
    cr_expect(eq(uint, said.status, 0));
}

static void ask_of(const char *token, const char *vehicle)
{
    char body[80];
    snprintf(body, sizeof body, "{\"vehicle\":\"%s\"}", vehicle);
    ask(&(struct ask){APP, HTTP_POST, .path = ASK, token, KEY, body});
}

/* Whoever asks. Names of vehicles that are none do not reach the allowance of one that is. */
Test(tbe_limits, each_vehicle_has_its_allowance, .fini = stop)
{
    const uint64_t settings[] = {900, 5, 100000, 2000, 2, 5};
    char bert[TOKEN_MAX + 1], serial[20];
    start_with(settings);
    token_of(APP, "{\"user\":\"bert\",\"secret\":\"field-and-feather\",\"client\":\"" CLIENT "\"}", bert);
    ask_of(anna, "SPAAK00000001");
    ask_of(bert, "SPAAK00000001");
    cr_expect(eq(uint, said.status, 0));
    ask_of(anna, "SPAAK00000001");
    cr_expect(eq(uint, said.status, 429));
    cr_expect(eq(int, said.reason, ERR_HTTP_RATE));
    cr_expect(eq(str, said.retry, "31"));
    ask(&(struct ask){APP, HTTP_POST, .path = ACK, anna});
    cr_expect(eq(uint, said.status, 0), "an acknowledgement is no ask");
    for (unsigned i = 0; i < 40; i++) {
        snprintf(serial, sizeof serial, "OTHER%08u", i);
        ask_of(bert, serial);
    }
    ask_of(anna, "SPAAK00000001");
    cr_expect(eq(uint, said.status, 429), "forty others have not pushed it out");
    b.now_us += 30000000;
    ask_of(anna, "SPAAK00000001");
    cr_expect(eq(uint, said.status, 0));
}

/* What a stranger asks is given back, when the VOS has said that they are one. */
Test(tbe_limits, a_strangers_asks_take_nothing_from_the_owner, .fini = stop)
{
    const uint64_t settings[] = {900, 5, 100000, 2000, 2, 5};
    static const struct {
        enum err answer;
        bool given_back;
    } rows[] = {{ERR_NOT_OWNER, true},
                {ERR_ECU_UNKNOWN, true},
                {ERR_PASSWORD_PENDING, false},
                {ERR_VERIFIERS_MISSING, false}};
    char bert[TOKEN_MAX + 1];
    start_with(settings);
    token_of(APP, "{\"user\":\"bert\",\"secret\":\"field-and-feather\",\"client\":\"" CLIENT "\"}", bert);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        b.now_us += 60000000;
        for (unsigned k = 0; k < (rows[i].given_back ? 20 : 2); k++) {
            ask_of(bert, "SPAAK00000001");
            cr_assert(eq(uint, said.status, 0), "%s %u", err_name(rows[i].answer), k);
            vos_says(asked_number(), rows[i].answer, NULL);
        }
        for (unsigned k = 0; k < 3; k++) {
            ask_of(anna, "SPAAK00000001");
            bool waits = !rows[i].given_back || k == 2;
            cr_expect(eq(uint, said.status, waits ? 429 : 0), "%s %u", err_name(rows[i].answer), k);
        }
    }
}

/* ---- who asked for what ---- */

static void expect_count(unsigned number, const char *what, const char *vehicle, unsigned count,
                         int64_t since_s, enum err outcome)
{
    char key[40];
    uint8_t stored[400];
    size_t len;
    snprintf(key, sizeof key, TBE_AUDIT_PREFIX "%03u", number);
    ASSERT_OK(store_get(b.node.store, key, stored, sizeof stored, &len));
    TbeRecords__V1__AuditRecord *m = tbe_records__v1__audit_record__unpack(NULL, len, stored);
    cr_assert(m != NULL);
    cr_expect(eq(str, m->what, (char *)what));
    cr_expect(eq(str, m->vehicle, (char *)vehicle), "%s", what);
    cr_expect(eq(uint, m->count, count), "%s", what);
    cr_expect(eq(i64, m->since_s, since_s), "%s", what);
    cr_expect(eq(i64, m->at_s, env_wall_ms(&b.node.env) / 1000), "%s", what);
    cr_expect(eq(uint, m->outcome, outcome), "%s", what);
    tbe_records__v1__audit_record__free_unpacked(m, NULL);
}

static bool has_audit(unsigned number)
{
    char key[40];
    uint8_t stored[400];
    size_t len;
    snprintf(key, sizeof key, TBE_AUDIT_PREFIX "%03u", number);
    return store_get(b.node.store, key, stored, sizeof stored, &len) == ERR_OK;
}

/* What is made up, by turns with what is another's: one entry of each, and what was before is still there. */
Test(tbe_limits, who_makes_up_ids_erases_no_entry, .fini = stop)
{
    const uint64_t settings[] = {900, 5, 100000, 2000, 100000, 5};
    char path[160], vehicle[20];
    start_with(settings);
    ask_link(anna);
    vos_says(asked_number(), ERR_PASSWORD_PENDING, NULL);
    bench_run_ms(&b, 20);
    int64_t since_s = env_wall_ms(&b.node.env) / 1000;
    for (unsigned i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "/v1/pairing-passwords/OTHER%08u-%032u/acknowledge", i, i);
        ask(&(struct ask){APP, HTTP_POST, .path = path, anna});
        vos_says(asked_number(), ERR_NOT_FOUND, NULL);
        snprintf(vehicle, sizeof vehicle, "OTHER%08u", i);
        ask_of(anna, vehicle);
        vos_says(asked_number(), ERR_ECU_UNKNOWN, NULL);
        ask_of(anna, "SPAAK00000002");
        vos_says(asked_number(), ERR_NOT_OWNER, NULL);
        bench_run_ms(&b, 20);
        b.trace_count = 0;
    }
    cr_expect(has_audit(1) && !has_audit(5));
    expect_count(2, "acknowledgement", "", 300, since_s, ERR_NOT_FOUND);
    expect_count(3, "link", "", 300, since_s, ERR_ECU_UNKNOWN);
    expect_count(4, "link", "SPAAK00000002", 300, since_s, ERR_NOT_OWNER);
}

/* Nobody's has none. */
Test(tbe_rates, a_failed_sign_in_has_an_entry)
{
    int64_t now_s = env_wall_ms(&b.node.env) / 1000 + 60;
    b.now_us += 60000000;
    for (unsigned i = 0; i < 3; i++) {
        sign_in(APP, "{\"user\":\"anna\",\"secret\":\"x\",\"client\":\"" CLIENT "\"}");
        sign_in(APP, "{\"user\":\"carl\",\"secret\":\"x\",\"client\":\"" CLIENT "\"}");
        cr_expect(eq(uint, said.status, 401));
    }
    sign_in(OPERATOR, "{\"user\":\"olga\",\"secret\":\"x\",\"client\":\"" CLIENT "\"}");
    bench_run_ms(&b, 20);
    expect_count(1, "sign-in", "", 3, now_s, ERR_SIGN_IN);
    expect_count(2, "sign-in", "", 1, now_s, ERR_SIGN_IN);
    cr_expect(not(has_audit(3)));
}

static void expect_audit(unsigned number, const char *what, const char *way, enum err outcome)
{
    char key[40];
    uint8_t stored[400];
    size_t len;
    snprintf(key, sizeof key, TBE_AUDIT_PREFIX "%03u", number);
    ASSERT_OK(store_get(b.node.store, key, stored, sizeof stored, &len));
    TbeRecords__V1__AuditRecord *m = tbe_records__v1__audit_record__unpack(NULL, len, stored);
    cr_assert(m != NULL);
    cr_expect(eq(u64, m->number, number));
    cr_expect(eq(i64, m->at_s, TEST_NOW_S));
    cr_expect(eq(str, m->what, (char *)what));
    cr_expect(eq(str, m->way, (char *)way));
    cr_expect(eq(str, m->user, (char *)(strcmp(way, "app") == 0 ? "anna" : "olga")));
    cr_expect(eq(str, m->by, CLIENT));
    cr_expect(eq(str, m->vehicle, "SPAAK00000001"));
    cr_expect(eq(uint, m->outcome, outcome));
    tbe_records__v1__audit_record__free_unpacked(m, NULL);
}

/* In an input of its own: one that was refused has stored nothing. */
Test(tbe_rates, what_was_asked_and_what_came_of_it_is_kept)
{
    size_t stores = bench_count(&b, TRACE_STORE, ERR_OK);
    ask_link(anna);
    vos_says(asked_number(), ERR_PASSWORD_PENDING, NULL);
    ask(&(struct ask){APP, HTTP_POST, .path = ACK, anna});
    vos_says(asked_number(), ERR_OK, NULL);
    ask(&(struct ask){OPERATOR, HTTP_POST, .path = RENEW, olga, KEY});
    node_on_link(&b.node, INIT, LINK_DOWN);
    cr_expect(eq(sz, bench_count(&b, TRACE_STORE, ERR_OK), stores));
    bench_run_ms(&b, 20);
    cr_expect(eq(sz, bench_count(&b, TRACE_STORE, ERR_OK), stores + 1));
    expect_audit(1, "link", "app", ERR_PASSWORD_PENDING);
    expect_audit(2, "acknowledgement", "app", ERR_OK);
    expect_audit(3, "renewal", "operator", ERR_VOS_UNREACHABLE);
}
