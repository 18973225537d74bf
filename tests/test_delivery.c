/* OP-01a at the VOS: who gets the deep link, in which order it is asked, and that nobody gets it twice. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/vos/vos.h"
#include "proto/init.pb-c.h"
#include "tests/check.h"
#include "tests/verifier_rig.h"

enum { PORT_INIT = 2 };

#define INSTALLED SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED
#define USED      SPAAK__V1__RESP_ENUM__RESP_ENUM_USED

/* What the VOS has answered last. */
struct said {
    enum err error;
    char id[80], link[200];
    bool has_status;
    Init__V1__VehicleStatus status;
    size_t vehicles;
    char first[40], last[40];
};

static struct server s;
static uint8_t set_id[RIG_SET_ID];

/* ---- asking ---- */

static struct said hear(const Init__V1__OpInitRequest *m)
{
    uint8_t bytes[600];
    struct said said = {.error = ERR_MSG_NO_ANSWER};
    s.b.sent_count = 0;
    node_on_bytes(&s.b.node, PORT_INIT, "tbe", span_of(bytes, init__v1__op_init_request__pack(m, bytes)));
    for (size_t i = 0; i < s.b.sent_count; i++) {
        if (s.b.sent[i].port != PORT_INIT)
            continue;
        cr_assert(eq(str, s.b.sent[i].address, "tbe"));
        Init__V1__OpInitResponse *r =
            init__v1__op_init_response__unpack(NULL, s.b.sent[i].len, s.b.sent[i].bytes);
        cr_assert(r && r->protocol_version == 1 && r->request_id == m->request_id &&
                  r->message_type == INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE);
        said.error = (enum err)r->error;
        snprintf(said.id, sizeof said.id, "%s", r->link_id);
        snprintf(said.link, sizeof said.link, "%s", r->deep_link);
        said.has_status = r->status != NULL;
        if (r->status)
            said.status = *r->status;
        said.vehicles = r->n_vehicles;
        snprintf(said.first, sizeof said.first, "%s", r->n_vehicles ? r->vehicles[0] : "");
        snprintf(said.last, sizeof said.last, "%s", r->n_vehicles ? r->vehicles[r->n_vehicles - 1] : "");
        init__v1__op_init_response__free_unpacked(r, NULL);
    }
    return said;
}

static Init__V1__OpInitRequest request(void)
{
    Init__V1__OpInitRequest m = INIT__V1__OP_INIT_REQUEST__INIT;
    m.protocol_version = 1;
    m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_REQUEST;
    m.request_id = 7;
    return m;
}

static struct said ask_by(Init__V1__Way way, const char *vehicle, const char *user, const char *client,
                          const char *key)
{
    Init__V1__PairingLink link = INIT__V1__PAIRING_LINK__INIT;
    Init__V1__OpInitRequest m = request();
    link.vehicle = (char *)vehicle;
    link.user = (char *)user;
    link.client = (char *)client;
    link.idempotency_key = (char *)key;
    link.way = way;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_LINK;
    m.link = &link;
    return hear(&m);
}

static struct said ask(const char *vehicle, const char *user, const char *client, const char *key)
{
    return ask_by(INIT__V1__WAY__WAY_APP, vehicle, user, client, key);
}

static enum err acknowledge(const char *id, const char *user, const char *client)
{
    Init__V1__LinkAcknowledge acknowledge = INIT__V1__LINK_ACKNOWLEDGE__INIT;
    Init__V1__OpInitRequest m = request();
    acknowledge.link_id = (char *)id;
    acknowledge.user = (char *)user;
    acknowledge.client = (char *)client;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_ACKNOWLEDGE;
    m.acknowledge = &acknowledge;
    return hear(&m).error;
}

static enum err release(const char *id, const char *user, const char *client)
{
    Init__V1__LinkRelease ask_ = INIT__V1__LINK_RELEASE__INIT;
    Init__V1__OpInitRequest m = request();
    ask_.link_id = (char *)id;
    ask_.user = (char *)user;
    ask_.client = (char *)client;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_RELEASE;
    m.release = &ask_;
    return hear(&m).error;
}

static enum err revoke(const char *id, const char *user, const char *client)
{
    Init__V1__LinkRevoke ask_ = INIT__V1__LINK_REVOKE__INIT;
    Init__V1__OpInitRequest m = request();
    ask_.link_id = (char *)id;
    ask_.user = (char *)user;
    ask_.client = (char *)client;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_REVOKE;
    m.revoke = &ask_;
    return hear(&m).error;
}

static struct said status(const char *vehicle, const char *user)
{
    Init__V1__StatusAsk ask_ = INIT__V1__STATUS_ASK__INIT;
    Init__V1__OpInitRequest m = request();
    ask_.vehicle = (char *)vehicle;
    ask_.user = (char *)user;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_STATUS;
    m.status = &ask_;
    return hear(&m);
}

static struct said vehicles(const char *user)
{
    Init__V1__VehiclesAsk ask_ = INIT__V1__VEHICLES_ASK__INIT;
    Init__V1__OpInitRequest m = request();
    ask_.user = (char *)user;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_VEHICLES;
    m.vehicles = &ask_;
    return hear(&m);
}

static enum err renew(const char *vehicle, const char *key)
{
    Init__V1__IdentityRenew renew = INIT__V1__IDENTITY_RENEW__INIT;
    Init__V1__OpInitRequest m = request();
    renew.vehicle = (char *)vehicle;
    renew.idempotency_key = (char *)key;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_RENEW;
    m.renew = &renew;
    return hear(&m).error;
}

/* ---- how far a vehicle has come ---- */

enum progress { KNOWN, PUSHED, PROVISIONED, OWNED, BURNT };

static void own(const char *user)
{
    struct call_value values[2] = {{.text = SERIAL}};
    unsigned number;
    cr_assert(component_call(&vos_class, "register-owner", &number));
    snprintf(values[1].text, sizeof values[1].text, "%s", user);
    node_on_call(&s.b.node, number, values);
}

static void push(const char *call)
{
    server_call(&s, call);
    bench_finish_works(&s.b);
    Spaak__V1__Spake2VerifierSet *set = server_pushed(&s);
    memcpy(set_id, set->set_id.data, RIG_SET_ID);
    spaak__v1__spake2_verifier_set__free_unpacked(set, NULL);
}

static void begin(enum progress progress)
{
    server_start(&s, true, NULL, NULL);
    if (progress >= PUSHED)
        push("push-verifiers");
    if (progress >= PROVISIONED)
        server_report(&s, span_of(set_id, RIG_SET_ID), INSTALLED);
    if (progress >= OWNED)
        own("anna");
    if (progress == BURNT)
        server_report(&s, span_of(set_id, RIG_SET_ID), USED);
}

static void password(char out[9])
{
    size_t len;
    memset(out, 0, 9);
    ASSERT_OK(bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/password", out, 8, &len));
    cr_assert(eq(sz, len, 8));
}

/* ---- */

Test(delivery, each_check_has_its_reason_and_its_step_in_the_order_of_the_use_case)
{
    static const struct {
        const char *name;
        enum progress progress;
        const char *vehicle, *user;
        enum err reason;
        const char *step;
    } rows[] = {
        {"no such vehicle, whoever asks", OWNED, "SPAAK00000009", "bert", ERR_ECU_UNKNOWN, "OP-01a/4"},
        {"not provisioned comes before the owner", PUSHED, SERIAL, "bert", ERR_NOT_PROVISIONED, "OP-01a/4"},
        {"nobody's vehicle", PROVISIONED, SERIAL, "anna", ERR_NOT_OWNER, "OP-01a/5"},
        {"another's vehicle", OWNED, SERIAL, "bert", ERR_NOT_OWNER, "OP-01a/5"},
        {"the owner comes before the set", BURNT, SERIAL, "ann", ERR_NOT_OWNER, "OP-01a/5"},
        {"used up", BURNT, SERIAL, "anna", ERR_VERIFIERS_BURNT, "OP-01a/6"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(rows[i].progress);
        size_t stores = bench_count(&s.b, TRACE_STORE, ERR_OK);
        struct said said = ask(rows[i].vehicle, rows[i].user, "app-1", "key-1");
        cr_expect(eq(int, said.error, rows[i].reason), "%s: %s", rows[i].name, err_name(said.error));
        cr_expect(eq(str, said.link, ""), "%s", rows[i].name);
        cr_expect(eq(str, said.id, ""), "%s", rows[i].name);
        const struct trace_event *reject = bench_last(&s.b, TRACE_REJECT);
        cr_assert(reject != NULL, "%s", rows[i].name);
        cr_expect(eq(str, (char *)reject->step, (char *)rows[i].step), "%s", rows[i].name);
        cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), stores), "%s", rows[i].name);
        server_stop(&s);
    }
}

Test(delivery, the_link_has_the_password_in_its_fragment_and_nowhere_else)
{
    char digits[9], whole[200];
    begin(OWNED);
    password(digits);
    struct said said = ask(SERIAL, "anna", "app-1", "key-1");
    cr_assert(eq(int, said.error, ERR_OK));
    snprintf(whole, sizeof whole, VOS_LINK_PAGE "#vehicle=" SERIAL "&id=%s&password=%s", said.id, digits);
    cr_expect(eq(str, said.link, whole));
    cr_expect(eq(int, strncmp(said.id, SERIAL "-", strlen(SERIAL "-")), 0));
    cr_expect(eq(sz, strlen(said.id), strlen(SERIAL) + 1 + 32));
    for (size_t i = 0; i < s.b.trace_count; i++) {
        cr_expect(strstr(s.b.trace[i].detail, digits) == NULL);
        cr_expect(strstr(s.b.trace[i].message, digits) == NULL);
    }
    server_stop(&s);
}

/* Before and after a restart at each moment: the first who asked has it, nobody else. */
Test(delivery, until_the_acknowledgement_the_same_app_gets_the_same_link)
{
    static const struct {
        const char *name, *user, *client, *key;
        enum err reason;
    } rows[] = {
        {"the same again", "anna", "app-1", "key-1", ERR_OK},
        {"another key", "anna", "app-1", "key-2", ERR_PASSWORD_PENDING},
        {"another phone", "anna", "app-2", "key-1", ERR_PASSWORD_PENDING},
        {"another user", "bert", "app-1", "key-1", ERR_NOT_OWNER},
    };
    begin(OWNED);
    struct said first = ask(SERIAL, "anna", "app-1", "key-1");
    cr_assert(eq(int, first.error, ERR_OK));
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        if (i % 2)
            server_restart(&s);
        struct said said = ask(SERIAL, rows[i / 2].user, rows[i / 2].client, rows[i / 2].key);
        cr_expect(eq(int, said.error, rows[i / 2].reason), "%s", rows[i / 2].name);
        cr_expect(eq(str, said.link, rows[i / 2].reason ? "" : first.link), "%s", rows[i / 2].name);
    }
    server_stop(&s);
}

Test(delivery, an_acknowledgement_counts_from_whom_it_was_handed_to)
{
    static const struct {
        const char *name, *user, *client;
        int change; /* which character of the id is another; -1: none */
        enum err reason;
    } rows[] = {
        {"another user", "bert", "app-1", -1, ERR_NOT_FOUND},
        {"another app", "anna", "app-2", -1, ERR_NOT_FOUND},
        {"another vehicle", "anna", "app-1", 12, ERR_NOT_FOUND},
        {"no hyphen", "anna", "app-1", 13, ERR_NOT_FOUND},
        {"another set", "anna", "app-1", 45, ERR_NOT_FOUND},
    };
    begin(OWNED);
    struct said said = ask(SERIAL, "anna", "app-1", "key-1");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char id[80];
        snprintf(id, sizeof id, "%s", said.id);
        if (rows[i].change >= 0)
            id[rows[i].change] = id[rows[i].change] == '0' ? '1' : '0';
        cr_expect(eq(int, acknowledge(id, rows[i].user, rows[i].client), rows[i].reason), "%s", rows[i].name);
        cr_expect(eq(int, ask(SERIAL, "anna", "app-1", "key-1").error, ERR_OK), "%s", rows[i].name);
    }
    for (size_t cut = 0; cut < 34; cut++)
        cr_expect(eq(int, acknowledge(said.id + strlen(said.id) - cut, "anna", "app-1"), ERR_NOT_FOUND));
    server_stop(&s);
}

Test(delivery, once_acknowledged_nobody_gets_it_again)
{
    begin(OWNED);
    struct said said = ask(SERIAL, "anna", "app-1", "key-1");
    for (int i = 0; i < 3; i++) { /* the answer may be lost: it comes again, also to the next life */
        size_t stores = bench_count(&s.b, TRACE_STORE, ERR_OK);
        cr_expect(eq(int, acknowledge(said.id, "anna", "app-1"), ERR_OK));
        cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), stores + (i == 0)));
        if (i == 1)
            server_restart(&s);
    }
    cr_expect(eq(int, ask(SERIAL, "anna", "app-1", "key-1").error, ERR_PASSWORD_DELIVERED));
    cr_expect(eq(int, ask(SERIAL, "anna", "app-2", "key-2").error, ERR_PASSWORD_DELIVERED));
    cr_expect(eq(int, ask(SERIAL, "bert", "app-2", "key-2").error, ERR_NOT_OWNER));
    server_stop(&s);
}

Test(delivery, a_new_set_has_a_password_that_nobody_has_yet)
{
    begin(OWNED);
    struct said old = ask(SERIAL, "anna", "app-1", "key-1");
    cr_assert(eq(int, acknowledge(old.id, "anna", "app-1"), ERR_OK));
    server_call(&s, "replace-verifiers");
    cr_expect(eq(int, ask(SERIAL, "anna", "app-2", "key-2").error, ERR_VERIFIERS_MISSING));
    bench_finish_works(&s.b);
    struct said new = ask(SERIAL, "anna", "app-2", "key-2");
    cr_expect(eq(int, new.error, ERR_OK));
    cr_expect(ne(str, new.id, old.id));
    cr_expect(eq(int, acknowledge(old.id, "anna", "app-1"), ERR_NOT_FOUND));
    cr_expect(eq(int, acknowledge(new.id, "anna", "app-2"), ERR_OK));
    server_stop(&s);
}

/* The record goes with its set; if one of another set stood there all the same, it would say nothing. */
Test(delivery, what_is_known_of_another_set_does_not_count)
{
    uint8_t record[400];
    size_t len;
    begin(OWNED);
    struct said old = ask(SERIAL, "anna", "app-1", "key-1");
    cr_assert(eq(int, acknowledge(old.id, "anna", "app-1"), ERR_OK));
    ASSERT_OK(store_get(s.b.node.store, VOS_DELIVERY_PREFIX SERIAL, record, sizeof record, &len));
    server_call(&s, "replace-verifiers");
    bench_finish_works(&s.b);
    uint8_t none[400];
    size_t none_len;
    cr_expect(eq(int, store_get(s.b.node.store, VOS_DELIVERY_PREFIX SERIAL, none, sizeof none, &none_len),
                 ERR_NOT_FOUND));
    ASSERT_OK(store_set(s.b.node.store, VOS_DELIVERY_PREFIX SERIAL, span_of(record, len)));
    cr_expect(eq(int, acknowledge(old.id, "anna", "app-1"), ERR_NOT_FOUND));
    cr_expect(eq(int, ask(SERIAL, "anna", "app-2", "key-2").error, ERR_OK));
    server_stop(&s);
}

/* ---- by mail, and what becomes of it ---- */

/* All steps that were traced, in their order. */
static void steps(char out[200])
{
    *out = '\0';
    for (size_t i = 0; i < s.b.trace_count; i++)
        if (s.b.trace[i].kind == TRACE_STEP && strncmp(s.b.trace[i].step, "OP-01", 5) == 0) {
            size_t len = strlen(out);
            snprintf(out + len, 200 - len, "%s ", s.b.trace[i].step);
        }
}

Test(delivery, each_way_has_its_steps)
{
    static const struct {
        Init__V1__Way way;
        enum err reason;
        const char *steps, *refused;
    } rows[] = {
        {INIT__V1__WAY__WAY_APP, ERR_OK, "OP-01a/4 OP-01a/5 OP-01a/6 OP-01a/7 OP-01a/10 ", "OP-01a/6"},
        {INIT__V1__WAY__WAY_MAIL, ERR_OK, "OP-01b/5 OP-01b/8 ", "OP-01b/5"},
        {INIT__V1__WAY__WAY_UNSPECIFIED, ERR_MSG_MALFORMED, "", NULL},
        {(Init__V1__Way)3, ERR_MSG_MALFORMED, "", NULL},
    };
    char done[200];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(OWNED);
        struct said said = ask_by(rows[i].way, SERIAL, "anna", "app-1", "key-1");
        cr_expect(eq(int, said.error, rows[i].reason), "%zu", i);
        if (!rows[i].reason) {
            server_restart(&s); /* the way is remembered */
            cr_expect(eq(int, acknowledge(said.id, "anna", "app-1"), ERR_OK), "%zu", i);
            cr_expect(
                eq(int, ask_by(rows[i].way, SERIAL, "anna", "app-1", "key-1").error, ERR_PASSWORD_DELIVERED));
            cr_expect(eq(str, (char *)bench_last(&s.b, TRACE_REJECT)->step, (char *)rows[i].refused));
        }
        steps(done);
        done[strlen(rows[i].steps)] = '\0'; /* those of the last, which was refused, come behind */
        cr_expect(eq(str, done, (char *)rows[i].steps), "%zu", i);
        server_stop(&s);
    }
}

Test(delivery, the_other_way_does_not_get_the_link_of_the_same_three)
{
    begin(OWNED);
    cr_expect(eq(int, ask_by(INIT__V1__WAY__WAY_MAIL, SERIAL, "anna", "app-1", "key-1").error, ERR_OK));
    cr_expect(eq(int, ask(SERIAL, "anna", "app-1", "key-1").error, ERR_PASSWORD_PENDING));
    server_stop(&s);
}

enum found { NOBODY, HANDED, ACKNOWLEDGED, REPLACED };

/* Of the link that app-1 of anna was given first. */
static struct said found(enum found what)
{
    begin(OWNED);
    struct said said = ask(SERIAL, "anna", "app-1", "key-1");
    cr_assert(eq(int, said.error, ERR_OK));
    if (what == NOBODY)
        cr_assert(eq(int, release(said.id, "anna", "app-1"), ERR_OK));
    if (what == ACKNOWLEDGED)
        cr_assert(eq(int, acknowledge(said.id, "anna", "app-1"), ERR_OK));
    if (what == REPLACED)
        server_call(&s, "replace-verifiers");
    return said;
}

static const struct {
    const char *name;
    enum found found;
    const char *user, *client;
    enum err released, revoked;
} fates[] = {
    {"handed out", HANDED, "anna", "app-1", ERR_OK, ERR_OK},
    {"to another app", HANDED, "anna", "app-2", ERR_NOT_FOUND, ERR_NOT_FOUND},
    {"to another user", HANDED, "bert", "app-1", ERR_NOT_FOUND, ERR_NOT_FOUND},
    {"delivered", ACKNOWLEDGED, "anna", "app-1", ERR_PASSWORD_DELIVERED, ERR_PASSWORD_DELIVERED},
    {"released before", NOBODY, "anna", "app-1", ERR_OK, ERR_NOT_FOUND},
    {"replaced before", REPLACED, "anna", "app-1", ERR_OK, ERR_OK},
};

Test(delivery, a_link_that_reached_nobody_is_released_by_whom_it_was_handed_to)
{
    for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
        struct said said = found(fates[i].found);
        for (int again = 0; again < 2; again++)
            cr_expect(eq(int, release(said.id, fates[i].user, fates[i].client), fates[i].released), "%s",
                      fates[i].name);
        if (fates[i].found == HANDED && !fates[i].released) {
            struct said next = ask(SERIAL, "anna", "app-2", "key-2");
            cr_expect(eq(int, next.error, ERR_OK), "%s", fates[i].name);
            cr_expect(eq(str, next.link, said.link), "nobody has had it");
            cr_expect(eq(int, release(said.id, "anna", "app-1"), ERR_NOT_FOUND), "it is another's");
        }
        server_stop(&s);
    }
}

Test(delivery, a_link_that_may_have_reached_somebody_is_burnt_once)
{
    for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
        struct said said = found(fates[i].found);
        size_t stores = bench_count(&s.b, TRACE_STORE, ERR_OK);
        cr_expect(eq(int, revoke(said.id, fates[i].user, fates[i].client), fates[i].revoked), "%s",
                  fates[i].name);
        bool burns = fates[i].found == HANDED && !fates[i].revoked;
        cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), stores + burns), "%s", fates[i].name);
        if (burns) {
            cr_expect(eq(int, ask(SERIAL, "anna", "app-1", "key-1").error, ERR_VERIFIERS_MISSING));
            cr_expect(eq(int, revoke(said.id, "anna", "app-1"), ERR_OK), "again");
            s.b.sent_count = 0;
            bench_finish_works(&s.b);
            Spaak__V1__Spake2VerifierSet *set = server_pushed(&s);
            cr_expect(ne(int, memcmp(set->set_id.data, set_id, RIG_SET_ID), 0), "the vehicle loses it, too");
            spaak__v1__spake2_verifier_set__free_unpacked(set, NULL);
            struct said next = ask(SERIAL, "anna", "app-1", "key-1");
            cr_expect(eq(int, next.error, ERR_OK));
            cr_expect(ne(str, next.link, said.link));
            cr_expect(eq(int, revoke(said.id, "anna", "app-1"), ERR_OK), "of a set that was");
            cr_expect(eq(int, acknowledge(next.id, "anna", "app-1"), ERR_OK), "and nothing happened");
        }
        server_stop(&s);
    }
}

Test(delivery, what_names_no_link_is_not_there)
{
    static const char *const ids[] = {"", "-", "SPAAK00000009-000102030405060708090a0b0c0d0e0f", SERIAL};
    begin(OWNED);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        cr_expect(eq(int, release(ids[i], "anna", "app-1"), ERR_NOT_FOUND), "%s", ids[i]);
        cr_expect(eq(int, revoke(ids[i], "anna", "app-1"), ERR_NOT_FOUND), "%s", ids[i]);
    }
    server_stop(&s);
}

Test(delivery, a_link_that_nobody_acknowledges_does_not_lock_the_owner_out)
{
    begin(OWNED);
    struct said first = ask(SERIAL, "anna", "app-1", "key-1");
    s.b.now_us += 899999000ull;
    cr_expect(eq(int, ask(SERIAL, "anna", "app-2", "key-2").error, ERR_PASSWORD_PENDING));
    s.b.now_us += 1000;
    server_restart(&s); /* since when is stored */
    cr_expect(eq(int, ask(SERIAL, "bert", "app-2", "key-2").error, ERR_NOT_OWNER));
    struct said same = ask(SERIAL, "anna", "app-1", "key-1");
    cr_expect(eq(str, same.link, first.link), "while nobody else has asked");
    size_t rejects = bench_count(&s.b, TRACE_REJECT, ERR_OK);
    cr_expect(eq(int, ask(SERIAL, "anna", "app-2", "key-2").error, ERR_VERIFIERS_MISSING));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_OK), rejects),
              "an input that stored was not refused");
    cr_expect(eq(str, (char *)bench_last(&s.b, TRACE_FAIL)->step, "OP-01a/6"));
    cr_expect(eq(int, acknowledge(first.id, "anna", "app-1"), ERR_NOT_FOUND));
    bench_finish_works(&s.b);
    struct said next = ask(SERIAL, "anna", "app-2", "key-2");
    cr_expect(eq(int, next.error, ERR_OK));
    cr_expect(ne(str, next.link, first.link));
    cr_expect(eq(int, ask(SERIAL, "anna", "app-1", "key-1").error, ERR_PASSWORD_PENDING));
    server_stop(&s);
}

/* ---- what an owner may know ---- */

Test(delivery, the_owner_hears_how_far_it_has_come)
{
    begin(PROVISIONED);
    cr_expect(eq(int, status(SERIAL, "anna").error, ERR_NOT_OWNER));
    cr_expect(eq(int, status("SPAAK00000009", "anna").error, ERR_ECU_UNKNOWN));
    cr_expect(eq(int, status("", "anna").error, ERR_MSG_MALFORMED));
    cr_expect(eq(int, status(SERIAL, "").error, ERR_MSG_MALFORMED));
    cr_expect(eq(int, status(SERIAL, "bert").has_status, false));
    own("anna");
    static const struct {
        const char *name;
        int verifiers, password, paired; /* enum numbers of proto/init.proto */
    } rows[] = {
        {"ready", 4, 1, 0},      {"handed out", 4, 2, 0}, {"delivered", 4, 3, 0}, {"a new one", 2, 1, 0},
        {"on its way", 3, 1, 0}, {"used", 5, 3, 0},       {"paired", 5, 3, 1},    {"retired", 1, 1, 0},
    };
    struct said said = {.error = ERR_OK};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i == 1)
            said = ask(SERIAL, "anna", "app-1", "key-1");
        else if (i == 2)
            cr_assert(eq(int, acknowledge(said.id, "anna", "app-1"), ERR_OK));
        else if (i == 3)
            server_call(&s, "replace-verifiers");
        else if (i == 4) {
            s.b.sent_count = 0;
            bench_finish_works(&s.b);
            Spaak__V1__Spake2VerifierSet *set = server_pushed(&s);
            memcpy(set_id, set->set_id.data, RIG_SET_ID);
            spaak__v1__spake2_verifier_set__free_unpacked(set, NULL);
        } else if (i == 5)
            server_report(&s, span_of(set_id, RIG_SET_ID), USED);
        else if (i == 6)
            server_pass(&s, 0x5A);
        else if (i == 7)
            cr_assert(eq(int, renew(SERIAL, "renewal-1"), ERR_OK));
        struct said now = status(SERIAL, "anna");
        cr_assert(now.has_status, "%s", rows[i].name);
        cr_expect(eq(int, now.status.provisioned, true), "%s", rows[i].name);
        cr_expect(eq(int, (int)now.status.identity, i == 7 ? 2 : 3), "%s", rows[i].name);
        cr_expect(eq(int, (int)now.status.verifiers, rows[i].verifiers), "%s", rows[i].name);
        cr_expect(eq(int, (int)now.status.password, rows[i].password), "%s", rows[i].name);
        cr_expect(eq(int, now.status.paired, rows[i].paired), "%s", rows[i].name);
    }
    server_stop(&s);
}

Test(delivery, a_user_hears_of_at_most_sixteen_vehicles_of_their_own)
{
    char key[40];
    begin(PROVISIONED);
    cr_expect(eq(sz, vehicles("anna").vehicles, 0));
    for (unsigned i = 20; i-- > 0;) {
        snprintf(key, sizeof key, VOS_OWNER_PREFIX "OTHER%08u", i);
        ASSERT_OK(store_set(s.b.node.store, key, span_of(i % 10 == 5 ? "bert" : "anna", 4)));
    }
    own("anna");
    struct said said = vehicles("anna");
    cr_expect(eq(sz, said.vehicles, 16));
    cr_expect(eq(str, said.first, "OTHER00000000"));
    cr_expect(eq(str, said.last, "OTHER00000017"));
    said = vehicles("bert");
    cr_expect(eq(sz, said.vehicles, 2));
    cr_expect(eq(str, said.first, "OTHER00000005"));
    cr_expect(eq(sz, vehicles("ann").vehicles, 0));
    cr_expect(eq(int, vehicles("").error, ERR_MSG_MALFORMED));
    server_stop(&s);
}

/* ---- another owner ---- */

enum held { NOBODY_HAS, HANDED_OUT, DELIVERED, RELEASED, HELD_USED };

static struct said held_by_anna(enum held held)
{
    begin(OWNED);
    struct said said = {.error = ERR_OK};
    if (held != NOBODY_HAS)
        said = ask(SERIAL, "anna", "app-1", "key-1");
    cr_assert(eq(int, said.error, ERR_OK));
    if (held == DELIVERED || held == HELD_USED)
        cr_assert(eq(int, acknowledge(said.id, "anna", "app-1"), ERR_OK));
    if (held == RELEASED)
        cr_assert(eq(int, release(said.id, "anna", "app-1"), ERR_OK));
    if (held == HELD_USED)
        server_report(&s, span_of(set_id, RIG_SET_ID), USED);
    s.b.sent_count = s.b.trace_count = 0;
    return said;
}

static bool traced_step(const char *step)
{
    bool found = false;
    for (size_t i = 0; i < s.b.trace_count; i++)
        found |= strcmp(s.b.trace[i].step, step) == 0;
    return found;
}

/* Before and after a kill: the record is gone, and the vehicle gets another set. */
static void expect_new_set(const char *name, const char *user, const char *old_link)
{
    uint8_t record[400];
    size_t len;
    cr_expect(eq(int, store_get(s.b.node.store, VOS_DELIVERY_PREFIX SERIAL, record, sizeof record, &len),
                 ERR_NOT_FOUND),
              "%s", name);
    cr_expect(eq(int, ask(SERIAL, user, "app-2", "key-2").error, ERR_VERIFIERS_MISSING), "%s", name);
    s.b.sent_count = 0;
    bench_finish_works(&s.b);
    Spaak__V1__Spake2VerifierSet *set = server_pushed(&s);
    cr_expect(ne(int, memcmp(set->set_id.data, set_id, RIG_SET_ID), 0), "%s", name);
    spaak__v1__spake2_verifier_set__free_unpacked(set, NULL);
    cr_expect(traced_step("PP-02/1") && traced_step("PP-02/2"), "%s", name);
    struct said next = ask(SERIAL, user, "app-2", "key-2");
    cr_expect(eq(int, next.error, ERR_OK), "%s", name);
    cr_expect(ne(str, next.link, (char *)old_link), "%s", name);
}

Test(delivery, with_another_owner_the_link_of_the_former_one_is_void)
{
    static const struct {
        const char *name;
        enum held held;
        const char *user;
        unsigned commits;
        bool burns;
        enum err next; /* to who is the owner then */
    } rows[] = {
        {"handed out", HANDED_OUT, "bert", 1, true, ERR_OK},
        {"delivered", DELIVERED, "bert", 1, true, ERR_OK},
        {"nobody has it", NOBODY_HAS, "bert", 1, false, ERR_OK},
        {"given back", RELEASED, "bert", 1, false, ERR_OK},
        {"used up", HELD_USED, "bert", 1, false, ERR_VERIFIERS_BURNT},
        {"the same owner, handed out", HANDED_OUT, "anna", 0, false, ERR_PASSWORD_PENDING},
        {"the same owner, delivered", DELIVERED, "anna", 0, false, ERR_PASSWORD_DELIVERED},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        const char *name = rows[i / 2].name;
        struct said said = held_by_anna(rows[i / 2].held);
        own(rows[i / 2].user);
        cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), rows[i / 2].commits), "%s", name);
        if (i % 2)
            server_restart(&s);
        if (rows[i / 2].burns) {
            expect_new_set(name, rows[i / 2].user, said.link);
            cr_expect(eq(int, acknowledge(said.id, "anna", "app-1"), ERR_NOT_FOUND), "%s", name);
        } else {
            cr_expect(eq(int, ask(SERIAL, rows[i / 2].user, "app-2", "key-2").error, rows[i / 2].next), "%s",
                      name);
            cr_expect(eq(sz, s.b.work_count, 0), "%s: no new set", name);
        }
        server_stop(&s);
    }
}

/* A new owner does not get the password that the old one knows. */
Test(delivery, a_new_owner_has_a_renewal_and_it_is_done_once_for_its_key)
{
    begin(OWNED);
    struct said said = ask(SERIAL, "anna", "app-1", "key-1");
    own("bert");
    cr_expect(eq(int, ask(SERIAL, "anna", "app-1", "key-1").error, ERR_NOT_OWNER));
    cr_expect(eq(int, ask(SERIAL, "bert", "app-2", "key-2").error, ERR_VERIFIERS_MISSING));
    cr_expect(eq(int, renew("SPAAK00000009", "renewal-1"), ERR_ECU_UNKNOWN));
    cr_expect(eq(int, renew("SPAAK00000001/x", "renewal-1"), ERR_ECU_UNKNOWN));
    size_t stores = bench_count(&s.b, TRACE_STORE, ERR_OK);
    cr_expect(eq(int, renew(SERIAL, "renewal-1"), ERR_OK));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), stores + 1));
    cr_expect(eq(int, renew(SERIAL, "renewal-1"), ERR_OK));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_STORE, ERR_OK), stores + 1), "not again");
    cr_expect(eq(int, ask(SERIAL, "bert", "app-2", "key-2").error, ERR_VERIFIERS_MISSING));
    cr_expect(eq(int, acknowledge(said.id, "anna", "app-1"), ERR_NOT_FOUND));
    server_stop(&s);
}

/* ---- what is no ask ---- */

Test(delivery, what_cannot_be_read_is_refused)
{
    static char longer[66];
    static const struct {
        const char *name, *vehicle, *user, *client, *key;
    } words[] = {
        {"no vehicle", "", "anna", "app-1", "key-1"},     {"no user", SERIAL, "", "app-1", "key-1"},
        {"no client", SERIAL, "anna", "", "key-1"},       {"no key", SERIAL, "anna", "app-1", ""},
        {"a blank", SERIAL, "an na", "app-1", "key-1"},   {"a line", SERIAL, "anna", "app-1\n", "key-1"},
        {"a long key", SERIAL, "anna", "app-1", longer},  {"a long user", SERIAL, longer, "app-1", "key-1"},
        {"a long vehicle", longer, "anna", "app-1", "k"},
    };
    memset(longer, 'a', sizeof longer - 1);
    begin(OWNED);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        cr_expect(eq(int, ask(words[i].vehicle, words[i].user, words[i].client, words[i].key).error,
                     ERR_MSG_MALFORMED),
                  "%s", words[i].name);
    Init__V1__OpInitRequest m = request();
    cr_expect(eq(int, hear(&m).error, ERR_MSG_MALFORMED), "nothing is asked");
    m.protocol_version = 2;
    cr_expect(eq(int, hear(&m).error, ERR_MSG_VERSION));
    m = request();
    m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE;
    cr_expect(eq(int, hear(&m).error, ERR_MSG_UNEXPECTED));
    m = request();
    m.request_id = 0;
    cr_expect(eq(int, hear(&m).error, ERR_MSG_NO_ANSWER), "no number to answer to");
    s.b.sent_count = 0;
    node_on_bytes(&s.b.node, PORT_INIT, "tbe", span_of("\x22\xFF", 2));
    cr_expect(eq(sz, s.b.sent_count, 0));
    cr_expect(eq(sz, bench_count(&s.b, TRACE_REJECT, ERR_MSG_MALFORMED), sizeof words / sizeof words[0] + 3));
    server_stop(&s);
}
