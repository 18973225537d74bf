/* OP-01b/4 to 8: a TBE and a VOS on benches, every message between them and to the mail server carried by
 * hand. Whatever is lost and whoever is killed, a mailing ends with an outcome that is true of the VOS's
 * store and of what was mailed. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/tbe/tbe_mailing.h"
#include "backend/vos/vos.h"
#include "proto/tbe_records.pb-c.h"
#include "tests/check.h"
#include "tests/verifier_rig.h"

enum { VOS_INIT = 2 };

#define INSTALLED       SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED
#define PASSWORD(state) INIT__V1__VEHICLE_STATUS__PASSWORD__PASSWORD_##state
#define HOPS_ALL        1000

static struct bench b;  /* the TBE */
static struct server s; /* the VOS */

/* ---- what was mailed ---- */

struct letter {
    char tag[40], to[80], from[80], subject[100], text[2000], link[200];
};
static struct letter letters[16];
static size_t letter_count;

static void copy(char *out, size_t cap, struct span text)
{
    snprintf(out, cap, "%.*s", (int)text.len, text.len ? (const char *)text.p : "");
}

static void take_letter(const struct bench_sent *sent)
{
    static uint8_t room[MAIL_ROOM];
    struct mail m;
    struct letter *l = &letters[letter_count++];
    cr_assert(le(sz, letter_count, 16));
    ASSERT_OK(mail_read(span_of(sent->bytes, sent->len), room, &m));
    copy(l->tag, sizeof l->tag, span_of(sent->address, strlen(sent->address)));
    copy(l->to, sizeof l->to, m.to);
    copy(l->from, sizeof l->from, m.from);
    copy(l->subject, sizeof l->subject, m.subject);
    copy(l->text, sizeof l->text, m.text);
    const char *link = strstr(l->text, "\nhttps://");
    cr_assert(link != NULL, "on a line of its own");
    snprintf(l->link, sizeof l->link, "%.*s", (int)strcspn(link + 1, "\n"), link + 1);
}

/* ---- the carrier ---- */

/* News for each letter in turn; NULL: none comes. `hops`: so many messages between TBE and VOS arrive. */
static const char *const *news;
static size_t news_count, news_next;
static unsigned hops;
static char asked[8000]; /* what the VOS heard, in words */

static const char *word_of(const struct bench_sent *sent)
{
    static const char *const words[] = {
        [4] = "link ", [5] = "acknowledge ", [7] = "release ", [8] = "revoke "};
    Init__V1__OpInitRequest *m = init__v1__op_init_request__unpack(NULL, sent->len, sent->bytes);
    cr_assert(m && (m->ask_case == 4 || m->ask_case == 5 || m->ask_case == 7 || m->ask_case == 8));
    const char *word = words[m->ask_case];
    if (m->ask_case == INIT__V1__OP_INIT_REQUEST__ASK_LINK) {
        cr_expect(eq(int, (int)m->link->way, INIT__V1__WAY__WAY_MAIL));
        cr_expect(eq(str, m->link->client, "mailing"));
        cr_expect(eq(sz, strlen(m->link->idempotency_key), 32));
    }
    init__v1__op_init_request__free_unpacked(m, NULL);
    return word;
}

static void to_vos(const struct bench_sent *sent)
{
    if (!hops)
        return;
    hops--;
    size_t len = strlen(asked);
    snprintf(asked + len, sizeof asked - len, "%s", word_of(sent));
    s.b.sent_count = 0;
    node_on_bytes(&s.b.node, VOS_INIT, "tbe", span_of(sent->bytes, sent->len));
    for (size_t i = 0; i < s.b.sent_count; i++)
        if (s.b.sent[i].port == VOS_INIT && hops) {
            hops--;
            node_on_bytes(&b.node, TBE_PORT_INIT, "", span_of(s.b.sent[i].bytes, s.b.sent[i].len));
        }
}

static void to_postbox(const struct bench_sent *sent)
{
    take_letter(sent);
    const char *what = news_next < news_count ? news[news_next++] : NULL;
    if (what)
        node_on_news(&b.node, TBE_PORT_MAIL, letters[letter_count - 1].tag, what);
}

/* Steps of OP-01b since the start, of each. */
static char steps[2][400];

static void note_steps(const struct bench *of, char out[400])
{
    for (size_t i = 0; i < of->trace_count; i++)
        if (of->trace[i].kind == TRACE_STEP && strncmp(of->trace[i].step, "OP-01", 5) == 0) {
            size_t len = strlen(out);
            snprintf(out + len, 400 - len, "%s ", of->trace[i].step);
        }
}

static void carry(void)
{
    static struct bench_sent sent;
    for (size_t i = 0; i < b.sent_count; i++) {
        sent = b.sent[i];
        if (sent.port == TBE_PORT_INIT)
            to_vos(&sent);
        else if (sent.port == TBE_PORT_MAIL)
            to_postbox(&sent);
    }
    note_steps(&b, steps[0]);
    note_steps(&s.b, steps[1]);
    b.sent_count = 0;
    b.trace_count = s.b.trace_count = 0;
}

static void pass_s(unsigned seconds)
{
    for (unsigned i = 0; i < 4 * seconds; i++) {
        bench_run_ms(&b, 250);
        s.b.now_us = b.now_us;
        carry();
    }
}

/* ---- the two ---- */

static struct tbe_mailing_ask wanted;
static enum err begun;

/* The portal asks within an input of its own. */
static void door_on_news(void *self, unsigned port, const char *address, const char *word)
{
    if (strcmp(word, "begin") == 0)
        begun = tbe_mailing_begin(self, &wanted);
    else
        tbe_class.on_news(self, port, address, word);
}

static struct component_class door;

static void start_tbe(const uint64_t *settings)
{
    for (size_t i = 0; i < ENV_TIMERS; i++)
        b.due_us[i] = ENV_NEVER;
    b.sent_count = b.trace_count = 0;
    ASSERT_OK(bench_start(&b, &(struct component_args){.serial = "", .settings = settings}));
}

static void kill_tbe(void)
{
    node_stop(&b.node);
    b.node.dead = false;
    start_tbe(NULL);
}

static void own(const char *vehicle, const char *user)
{
    struct call_value values[2];
    unsigned number;
    cr_assert(component_call(&vos_class, "register-owner", &number));
    snprintf(values[0].text, sizeof values[0].text, "%s", vehicle);
    snprintf(values[1].text, sizeof values[1].text, "%s", user);
    node_on_call(&s.b.node, number, values);
}

/* The vehicle takes the set that was made. */
static void take_set(void)
{
    uint8_t id[RIG_SET_ID];
    s.b.sent_count = 0;
    bench_finish_works(&s.b);
    Spaak__V1__Spake2VerifierSet *set = server_pushed(&s);
    memcpy(id, set->set_id.data, RIG_SET_ID);
    spaak__v1__spake2_verifier_set__free_unpacked(set, NULL);
    server_report(&s, span_of(id, RIG_SET_ID), INSTALLED);
}

static void start_with(const uint64_t *settings)
{
    server_start(&s, true, NULL, NULL);
    server_call(&s, "push-verifiers");
    take_set();
    own(SERIAL, "anna");
    door = tbe_class;
    door.on_news = door_on_news;
    bench_prepare(&b, &door, test_crypto());
    start_tbe(settings);
    letter_count = news_next = news_count = 0;
    *asked = *steps[0] = *steps[1] = '\0';
    hops = HOPS_ALL;
    wanted = (struct tbe_mailing_ask){.vehicle = SERIAL, .user = "anna", .operator_ = "", .once = "form-1"};
}

static void start(void)
{
    start_with(NULL);
}

static void stop(void)
{
    bench_free(&b);
    server_stop(&s);
}

TestSuite(mailing, .init = start, .fini = stop);

static void send_news(const char *const *list, size_t count)
{
    news = list;
    news_count = count;
    news_next = 0;
}

static int64_t now_ms(void)
{
    return env_wall_ms(&b.node.env);
}

static enum err begin(const char *once)
{
    wanted.once = once;
    wanted.issued_ms = now_ms();
    begun = ERR_INTERNAL;
    node_on_news(&b.node, TBE_PORT_MAIL, "", "begin");
    carry();
    carry();
    carry();
    return begun;
}

static struct tbe_mailing last(const char *user)
{
    struct tbe_mailing m;
    ASSERT_OK(tbe_mailing_get(b.node.self, SERIAL, user, &m));
    return m;
}

/* As the VOS tells the owner. */
static int password(void)
{
    uint8_t bytes[200];
    char user[] = "anna", vehicle[] = SERIAL;
    Init__V1__StatusAsk ask = INIT__V1__STATUS_ASK__INIT;
    Init__V1__OpInitRequest m = INIT__V1__OP_INIT_REQUEST__INIT;
    ask.user = user;
    ask.vehicle = vehicle;
    m.protocol_version = 1;
    m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_REQUEST;
    m.request_id = 5;
    m.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_STATUS;
    m.status = &ask;
    s.b.sent_count = 0;
    node_on_bytes(&s.b.node, VOS_INIT, "tbe", span_of(bytes, init__v1__op_init_request__pack(&m, bytes)));
    cr_assert(eq(sz, s.b.sent_count, 1));
    Init__V1__OpInitResponse *r =
        init__v1__op_init_response__unpack(NULL, s.b.sent[0].len, s.b.sent[0].bytes);
    cr_assert(r && !r->error && r->status);
    int state = (int)r->status->password;
    init__v1__op_init_response__free_unpacked(r, NULL);
    return state;
}

/* ---- news and outcomes ---- */

#define FIVE(word) word, word, word, word, word

static const struct {
    const char *name, *news[6];
    size_t count;
    enum tbe_mailing_state state;
    unsigned code;
    int password;
    size_t letters;
    const char *asked;
} outcomes[] = {
    {"taken", {"sent"}, 1, TBE_MAILING_SENT, 0, PASSWORD(DELIVERED), 1, "link acknowledge "},
    {"no such address",
     {"refused 550"},
     1,
     TBE_MAILING_REFUSED,
     550,
     PASSWORD(UNDELIVERED),
     1,
     "link release "},
    {"no message", {"refused 554"}, 1, TBE_MAILING_REFUSED, 554, PASSWORD(UNDELIVERED), 1, "link release "},
    {"full, then not",
     {"refused 452", "sent"},
     2,
     TBE_MAILING_SENT,
     0,
     PASSWORD(DELIVERED),
     2,
     "link link acknowledge "},
    {"full, then nobody",
     {"refused 452", "refused 550"},
     2,
     TBE_MAILING_REFUSED,
     550,
     PASSWORD(UNDELIVERED),
     2,
     "link link release "},
    {"away for too long",
     {FIVE("refused 421")},
     5,
     TBE_MAILING_REFUSED,
     421,
     PASSWORD(UNDELIVERED),
     5,
     "link link link link link release "},
    {"lost", {"unknown"}, 1, TBE_MAILING_UNKNOWN, 0, PASSWORD(UNDELIVERED), 1, "link revoke "},
    {"full, then lost",
     {"refused 452", "unknown"},
     2,
     TBE_MAILING_UNKNOWN,
     0,
     PASSWORD(UNDELIVERED),
     2,
     "link link revoke "},
    {"a word that we do not know",
     {"perhaps"},
     1,
     TBE_MAILING_UNKNOWN,
     0,
     PASSWORD(UNDELIVERED),
     1,
     "link revoke "},
    {"no news at all", {NULL}, 1, TBE_MAILING_UNKNOWN, 0, PASSWORD(UNDELIVERED), 1, "link revoke "},
};

Test(mailing_outcomes, each_news_has_its_outcome)
{
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        start();
        send_news(outcomes[i].news, outcomes[i].count);
        cr_assert(eq(int, begin("form-1"), ERR_OK), "%s", outcomes[i].name);
        pass_s(40);
        struct tbe_mailing m = last("anna");
        cr_expect(eq(int, m.state, outcomes[i].state), "%s", outcomes[i].name);
        cr_expect(eq(uint, m.code, outcomes[i].code), "%s", outcomes[i].name);
        cr_expect(eq(int, password(), outcomes[i].password), "%s", outcomes[i].name);
        cr_expect(eq(sz, letter_count, outcomes[i].letters), "%s", outcomes[i].name);
        cr_expect(eq(str, asked, (char *)outcomes[i].asked), "%s", outcomes[i].name);
        for (size_t k = 1; k < letter_count; k++)
            cr_expect(eq(str, letters[k].link, letters[0].link), "the same until it has left");
        cr_expect(eq(u64, b.due_us[TBE_TIMER_MAILING], ENV_NEVER), "%s: nothing more to do",
                  outcomes[i].name);
        stop();
    }
}

Test(mailing, each_step_stands_where_it_is_done)
{
    static const char *const sent[] = {"sent"};
    send_news(sent, 1);
    begin("form-1");
    cr_expect(eq(str, steps[0], "OP-01b/4 OP-01b/6 OP-01b/7 "));
    cr_expect(eq(str, steps[1], "OP-01b/5 OP-01b/8 "));
}

/* How long it waits before each try: 1, 2, 4, 8 s. */
Test(mailing, a_mail_that_is_refused_for_now_is_tried_again_later_and_later)
{
    static const char *const full[] = {FIVE("refused 452")};
    static const unsigned at_s[] = {1, 3, 7, 15};
    send_news(full, 5);
    uint64_t begin_us = b.now_us;
    begin("form-1");
    for (size_t i = 0; i < 4; i++) {
        cr_expect(eq(u64, b.due_us[TBE_TIMER_MAILING], begin_us + at_s[i] * 1000000ull), "%zu", i);
        cr_expect(eq(int, last("anna").state, TBE_MAILING_UNDER_WAY));
        bench_run_ms(&b, (b.due_us[TBE_TIMER_MAILING] - b.now_us) / 1000);
        carry();
        carry();
    }
    cr_expect(eq(int, last("anna").state, TBE_MAILING_REFUSED));
}

/* ---- kills ---- */

/* Of the four messages between the two the n-th and all after it are lost, and then one of them dies. */
static void lose_and_kill(unsigned n, const char *const *what, bool tbe_dies)
{
    hops = n;
    send_news(what, 1);
    cr_assert(eq(int, begin("form-1"), ERR_OK));
    if (tbe_dies)
        kill_tbe();
    else {
        server_restart(&s);
        node_on_link(&b.node, TBE_PORT_INIT, LINK_DOWN);
        node_on_link(&b.node, TBE_PORT_INIT, LINK_UP);
    }
    hops = HOPS_ALL;
    send_news(what, 1);
    pass_s(20);
}

/* A new mailing after an unknown one sends another password, and never the old one. */
static void expect_another_password(const char *name)
{
    static const char *const sent[] = {"sent"};
    size_t before = letter_count;
    take_set();
    send_news(sent, 1);
    cr_expect(eq(int, begin("form-2"), ERR_OK), "%s", name);
    cr_assert(eq(sz, letter_count, before + 1), "%s", name);
    for (size_t i = 0; i < before; i++)
        cr_expect(ne(str, letters[i].link, letters[before].link), "%s", name);
    cr_expect(eq(int, last("anna").state, TBE_MAILING_SENT), "%s", name);
    cr_expect(eq(int, password(), PASSWORD(DELIVERED)), "%s", name);
}

Test(mailing_kills, whatever_is_lost_and_whoever_dies_the_outcome_is_true)
{
    static const struct {
        const char *news[1];
        enum tbe_mailing_state state;
        int password;
    } rows[] = {{{"sent"}, TBE_MAILING_SENT, PASSWORD(DELIVERED)},
                {{"refused 550"}, TBE_MAILING_REFUSED, PASSWORD(UNDELIVERED)},
                {{"unknown"}, TBE_MAILING_UNKNOWN, PASSWORD(UNDELIVERED)}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (unsigned n = 0; n <= 4; n++)
            for (int tbe_dies = 0; tbe_dies < 2; tbe_dies++) {
                char name[60];
                snprintf(name, sizeof name, "%s, %u arrive, %s dies", rows[i].news[0], n,
                         tbe_dies ? "tbe" : "vos");
                start();
                lose_and_kill(n, rows[i].news, tbe_dies);
                cr_expect(eq(int, last("anna").state, rows[i].state), "%s", name);
                cr_expect(eq(int, password(), rows[i].password), "%s", name);
                cr_expect(eq(sz, letter_count, 1), "%s", name);
                cr_expect(eq(u64, b.due_us[TBE_TIMER_MAILING], ENV_NEVER), "%s", name);
                if (rows[i].state == TBE_MAILING_UNKNOWN)
                    expect_another_password(name);
                stop();
            }
}

/* The mail has begun to leave, or was about to: its sender does not know what became of it. */
Test(mailing_kills, a_sender_that_dies_before_the_news_has_the_link_revoked)
{
    static const char *const none[] = {NULL};
    for (int vos_is_away = 0; vos_is_away < 2; vos_is_away++) {
        start();
        send_news(none, 1);
        begin("form-1");
        cr_expect(eq(sz, letter_count, 1));
        cr_expect(eq(int, password(), PASSWORD(HANDED_OUT)));
        hops = vos_is_away ? 0 : HOPS_ALL;
        kill_tbe();
        cr_expect(eq(int, last("anna").state, TBE_MAILING_UNKNOWN));
        node_on_news(&b.node, TBE_PORT_MAIL, letters[0].tag, "sent");
        cr_expect(eq(int, last("anna").state, TBE_MAILING_UNKNOWN), "news of a former life");
        carry();
        if (vos_is_away) {
            cr_expect(eq(int, begin("form-2"), ERR_BUSY), "not before the link is void");
            cr_expect(eq(int, password(), PASSWORD(HANDED_OUT)));
        }
        hops = HOPS_ALL;
        pass_s(8);
        cr_expect(eq(int, password(), PASSWORD(UNDELIVERED)));
        expect_another_password("killed");
        stop();
    }
}

/* An app took its place, for nobody had acknowledged the link for so long. */
Test(mailing, a_mail_whose_link_was_revoked_meanwhile_ends_unknown)
{
    static const char *const sent[] = {"sent"};
    hops = 2;
    send_news(sent, 1);
    begin("form-1");
    cr_expect(eq(int, last("anna").state, TBE_MAILING_SENT));
    server_call(&s, "replace-verifiers");
    hops = HOPS_ALL;
    pass_s(8);
    cr_expect(eq(int, last("anna").state, TBE_MAILING_UNKNOWN));
    cr_expect(eq(int, password(), PASSWORD(UNDELIVERED)));
}

/* The second of a mail that was repeated on its way. */
Test(mailing, the_first_news_of_a_mail_counts)
{
    static const char *const sent[] = {"sent"};
    send_news(sent, 1);
    begin("form-1");
    node_on_news(&b.node, TBE_PORT_MAIL, letters[0].tag, "unknown");
    node_on_news(&b.node, TBE_PORT_MAIL, "m1", "unknown");
    pass_s(1);
    cr_expect(eq(int, last("anna").state, TBE_MAILING_SENT));
    cr_expect(eq(str, asked, "link acknowledge "));
}

/* ---- what the TBE's store has ---- */

struct tally {
    unsigned mailings, audits, others;
    const char *secret;
    bool found;
    uint64_t newest;
    char what[40], way[20], by[20], user[20];
    unsigned outcome;
};

static void count_one(void *ctx, const char *key, struct span value)
{
    struct tally *t = ctx;
    if (t->secret && memmem(value.p, value.len, t->secret, strlen(t->secret)))
        t->found = true;
    t->mailings += strncmp(key, TBE_MAILING_PREFIX, strlen(TBE_MAILING_PREFIX)) == 0;
    if (strncmp(key, TBE_AUDIT_PREFIX, strlen(TBE_AUDIT_PREFIX)) != 0)
        return;
    t->audits++;
    TbeRecords__V1__AuditRecord *m = tbe_records__v1__audit_record__unpack(NULL, value.len, value.p);
    cr_assert(m != NULL);
    if (m->number > t->newest) {
        t->newest = m->number;
        snprintf(t->what, sizeof t->what, "%s", m->what);
        snprintf(t->way, sizeof t->way, "%s", m->way);
        snprintf(t->by, sizeof t->by, "%s", m->by);
        snprintf(t->user, sizeof t->user, "%s", m->user);
        t->outcome = m->outcome;
    }
    tbe_records__v1__audit_record__free_unpacked(m, NULL);
}

static struct tally count_all(const char *secret)
{
    struct tally t = {.secret = secret};
    store_scan(b.node.store, "", count_one, &t);
    return t;
}

/* ---- who may begin one, and when ---- */

Test(mailing, the_same_form_begins_nothing_new_and_two_do_not_run_at_a_time)
{
    static const char *const news_[] = {NULL, "refused 550", "sent"};
    send_news(news_, 3);
    cr_expect(eq(int, begin("form-1"), ERR_OK));
    cr_expect(eq(int, begin("form-1"), ERR_OK), "the same again");
    cr_expect(eq(int, begin("form-2"), ERR_BUSY));
    cr_expect(eq(sz, letter_count, 1));
    node_on_news(&b.node, TBE_PORT_MAIL, letters[0].tag, "refused 550");
    carry();
    cr_expect(eq(int, begin("form-1"), ERR_OK), "and when it is over");
    cr_expect(eq(sz, letter_count, 1));
    cr_expect(eq(int, begin("form-2"), ERR_OK));
    cr_expect(eq(sz, letter_count, 2));
    cr_expect(eq(str, last("anna").once, "form-2"));
    cr_expect(eq(str, letters[0].link, letters[1].link), "nobody has had it");
}

static const struct {
    const char *name;
    int64_t issued_ms; /* since the last was begun */
    int64_t clock_ms;  /* the wall clock since then */
    size_t letters;
} ages[] = {
    {"made before", -1, 5000, 0},
    {"made long before", -3600000, 5000, 0},
    {"made in the same millisecond", 0, 5000, 1},
    {"made after", 1, 5000, 1},
    {"made before, by a clock that was set back since", -5000, -1000, 1},
};

/* It would be sent another time, after another form has come to its end. */
Test(mailing_ages, a_form_that_was_made_before_the_last_mailing_begins_nothing)
{
    static const char *const gone[] = {"refused 550", "refused 550"};
    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        start();
        send_news(gone, 2);
        ASSERT_OK(begin("form-2"));
        struct tbe_mailing before = last("anna");
        cr_expect(eq(i64, before.asked_ms, now_ms()));
        b.wall_ms += ages[i].clock_ms;
        wanted.once = "form-1";
        wanted.issued_ms = before.asked_ms + ages[i].issued_ms;
        begun = ERR_INTERNAL;
        node_on_news(&b.node, TBE_PORT_MAIL, "", "begin");
        carry();
        carry();
        cr_expect(eq(int, begun, ERR_OK), "%s", ages[i].name);
        cr_expect(eq(sz, letter_count, 1 + ages[i].letters), "%s", ages[i].name);
        cr_expect(eq(str, last("anna").once, ages[i].letters ? "form-1" : "form-2"), "%s", ages[i].name);
        stop();
    }
}

Test(mailing, what_is_no_ask_begins_nothing)
{
    static char long_word[TBE_WORD + 2];
    static const struct {
        const char *name;
        struct tbe_mailing_ask ask;
        enum err reason;
    } rows[] = {
        {"no vehicle", {"", "anna", "", "form-1", 0}, ERR_MSG_MALFORMED},
        {"a path", {"../" SERIAL, "anna", "", "form-1", 0}, ERR_MSG_MALFORMED},
        {"a long vehicle", {"SPAAK0000000100000000000000000000", "anna", "", "form-1", 0}, ERR_MSG_MALFORMED},
        {"no form", {SERIAL, "anna", "", "", 0}, ERR_MSG_MALFORMED},
        {"a long form", {SERIAL, "anna", "", long_word, 0}, ERR_MSG_MALFORMED},
        {"a line in the operator", {SERIAL, "anna", "olga\n", "form-1", 0}, ERR_MSG_MALFORMED},
        {"nobody", {SERIAL, "carl", "", "form-1", 0}, ERR_NOT_FOUND},
        {"no name", {SERIAL, "", "", "form-1", 0}, ERR_NOT_FOUND},
    };
    memset(long_word, 'a', sizeof long_word - 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wanted = rows[i].ask;
        cr_expect(eq(int, begin(rows[i].ask.once), rows[i].reason), "%s", rows[i].name);
    }
    struct tbe_mailing none;
    ASSERT_OK(tbe_mailing_get(b.node.self, rows[2].ask.vehicle, long_word, &none));
    cr_expect(eq(int, none.state, TBE_MAILING_NONE));
    wanted = (struct tbe_mailing_ask){SERIAL, "anna", "", "form-1", 0};
    node_on_link(&b.node, TBE_PORT_INIT, LINK_DOWN);
    cr_expect(eq(int, begin("form-1"), ERR_VOS_UNREACHABLE));
    cr_expect(eq(int, last("anna").state, TBE_MAILING_NONE));
    cr_expect(eq(uint, count_all(NULL).audits, 0));
    cr_expect(eq(str, asked, ""));
}

/* Its owner's mailing is not touched. */
Test(mailing, who_is_not_the_owner_hears_so)
{
    static const char *const sent[] = {"sent"};
    send_news(sent, 1);
    begin("form-1");
    wanted.user = "bert";
    cr_expect(eq(int, begin("form-9"), ERR_OK));
    pass_s(1);
    cr_expect(eq(int, last("bert").state, TBE_MAILING_FAILED));
    cr_expect(eq(int, last("bert").reason, ERR_NOT_OWNER));
    cr_expect(eq(int, last("anna").state, TBE_MAILING_SENT));
    cr_expect(eq(str, last("anna").once, "form-1"));
    cr_expect(eq(sz, letter_count, 1));
    wanted.user = "anna";
    cr_expect(eq(int, begin("form-2"), ERR_OK));
    cr_expect(eq(int, last("anna").state, TBE_MAILING_FAILED));
    cr_expect(eq(int, last("anna").reason, ERR_PASSWORD_DELIVERED));
    cr_expect(eq(int, password(), PASSWORD(DELIVERED)));
}

Test(mailing_limits, each_vehicle_has_its_allowance, .fini = stop)
{
    const uint64_t settings[] = {900, 5, 60, 2000, 2, 5};
    static const char *const gone[] = {FIVE("refused 550")};
    char serial[20], once[20];
    start_with(settings);
    send_news(gone, 5);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(once, sizeof once, "form-%u", i);
        cr_expect(eq(int, begin(once), ERR_OK));
    }
    cr_expect(eq(int, begin("form-3"), ERR_HTTP_RATE));
    cr_expect(eq(int, begin("form-1"), ERR_OK), "the same form asks nothing");
    wanted.user = "bert";
    cr_expect(eq(int, begin("form-3"), ERR_HTTP_RATE), "whoever asks");
    wanted.user = "anna";
    b.now_us += 60000000;
    /* Of a hundred others at most the few that share a place in the table wait; none is pushed out. */
    unsigned waiting = 0;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(serial, sizeof serial, "OTHER%08u", i);
        wanted.vehicle = serial;
        waiting += begin("form-4") == ERR_HTTP_RATE;
    }
    cr_expect(le(uint, waiting, 5));
    wanted.vehicle = SERIAL;
    cr_expect(eq(int, begin("form-5"), ERR_OK));
}

Test(mailing_limits, a_strangers_mailings_take_nothing_from_the_owner, .fini = stop)
{
    const uint64_t settings[] = {900, 5, 60, 2000, 2, 5};
    static const char *const sent[] = {"sent"};
    char once[20];
    start_with(settings);
    wanted.user = "bert";
    for (unsigned i = 0; i < 10; i++) {
        snprintf(once, sizeof once, "form-%u", i);
        cr_expect(eq(int, begin(once), ERR_OK), "%u", i);
        cr_expect(eq(int, last("bert").reason, ERR_NOT_OWNER), "%u", i);
    }
    wanted.user = "anna";
    send_news(sent, 1);
    cr_expect(eq(int, begin("form-11"), ERR_OK));
    cr_expect(eq(int, begin("form-12"), ERR_OK));
    cr_expect(eq(int, begin("form-13"), ERR_HTTP_RATE), "the owner's own");
}

/* ---- the mail server is away ---- */

Test(mailing, without_a_mail_server_it_fails_and_nobody_has_the_link)
{
    b.up[TBE_PORT_MAIL] = false;
    node_on_link(&b.node, TBE_PORT_MAIL, LINK_DOWN);
    begin("form-1");
    cr_expect(eq(int, last("anna").state, TBE_MAILING_UNDER_WAY));
    pass_s(16);
    cr_expect(eq(int, last("anna").state, TBE_MAILING_FAILED));
    cr_expect(eq(int, last("anna").reason, ERR_MAIL_UNREACHABLE));
    cr_expect(eq(int, password(), PASSWORD(UNDELIVERED)));
    cr_expect(eq(str, asked, "link link link link link release "));
    cr_expect(eq(sz, letter_count, 0));
}

/* ---- what the user gets ---- */

static void set_address(const char *user, const char *address)
{
    struct call_value values[2];
    unsigned number;
    cr_assert(component_call(&tbe_class, "set-address", &number));
    snprintf(values[0].text, sizeof values[0].text, "%s", user);
    snprintf(values[1].text, sizeof values[1].text, "%s", address);
    node_on_call(&b.node, number, values);
}

Test(mailing, the_letter_has_the_link_and_no_name)
{
    static const char *const sent[] = {"sent"};
    char digits[9] = "";
    size_t len;
    ASSERT_OK(bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/password", digits, 8, &len));
    send_news(sent, 1);
    wanted.operator_ = "olga";
    begin("form-1");
    const struct letter *l = &letters[0];
    cr_assert(eq(sz, letter_count, 1));
    cr_expect(eq(str, l->from, TBE_MAIL_FROM));
    cr_expect(eq(str, l->to, "anna@customer.example"));
    cr_expect(strstr(l->text, "olga") == NULL && strstr(l->subject, "olga") == NULL);
    cr_expect(strstr(l->link, "#vehicle=" SERIAL "&id=") != NULL, "%s", l->link);
    cr_expect(eq(str, l->link + strlen(l->link) - 8, digits));
    cr_expect(strstr(l->text, "counts once") != NULL);
    cr_expect(strstr(l->text, "did not ask for it? Then please do not open the link, delete this mail,\n"
                              "and change your secret for the portal") != NULL);
    cr_expect(strstr(l->text, "void") == NULL, "nobody can do that for them");
    for (const char *c = l->text; *c; c++)
        cr_expect(strchr("\n", *c) || (*c >= ' ' && *c <= '~'), "plain");
}

Test(mailing, an_address_is_changed_and_kept)
{
    static const char *const sent[] = {"sent"};
    char address[MAIL_ADDRESS_MAX + 1], masked[MAIL_ADDRESS_MAX + 1];
    size_t stores = bench_count(&b, TRACE_STORE, ERR_OK);
    set_address("anna", "anna.k@home.example");
    set_address("anna", "no address");
    set_address("carl", "carl@home.example");
    cr_expect(eq(sz, bench_count(&b, TRACE_STORE, ERR_OK), stores + 1));
    kill_tbe();
    send_news(sent, 1);
    begin("form-1");
    cr_expect(eq(str, letters[0].to, "anna.k@home.example"));
    tbe_address_of(b.node.self, tbe_user_find("bert"), address);
    cr_expect(eq(str, address, "bert@customer.example"));
    tbe_address_mask(address, masked);
    cr_expect(eq(str, masked, "b***@customer.example"));
    tbe_address_mask("@x", masked);
    cr_expect(eq(str, masked, "***"));
}

/* ---- the store ---- */

Test(mailing, the_trail_says_who_asked_and_what_came_of_it_and_no_secret_is_stored)
{
    static const char *const gone[] = {"refused 550"};
    char digits[9] = "";
    size_t len;
    ASSERT_OK(bench_secret(&s.b, VOS_VERIFIER_SECRETS SERIAL "/password", digits, 8, &len));
    wanted.operator_ = "olga";
    send_news((const char *const[]){NULL}, 1);
    begin("form-1");
    struct tally t = count_all(digits);
    cr_expect(eq(u64, t.newest, 1));
    cr_expect(eq(str, t.what, "mailing"));
    cr_expect(eq(str, t.user, "anna"));
    cr_expect(eq(str, t.way, "operator"));
    cr_expect(eq(str, t.by, "olga"));
    cr_expect(eq(int, t.found, false));
    node_on_news(&b.node, TBE_PORT_MAIL, letters[0].tag, gone[0]);
    carry();
    t = count_all(digits);
    cr_expect(eq(u64, t.newest, 2));
    cr_expect(eq(str, t.what, "mailed"));
    cr_expect(eq(uint, t.outcome, ERR_MAIL_REFUSED));
    cr_expect(eq(int, t.found, false));
    cr_expect(eq(uint, t.mailings, 1));
}

Test(mailing_store, neither_mailings_nor_the_trail_grow, .fini = stop)
{
    const uint64_t settings[] = {900, 5, 60, 2000, 100000, 5};
    char serial[20];
    start_with(settings);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(serial, sizeof serial, "OTHER%08u", i);
        wanted.vehicle = serial;
        cr_assert(eq(int, begin("form-1"), ERR_OK), "%u", i);
        b.now_us += 1000000;
    }
    struct tally t = count_all(NULL);
    cr_expect(eq(uint, t.mailings, 16), "of one user");
    cr_expect(eq(uint, t.audits, TBE_AUDIT_MAX));
    cr_expect(eq(u64, t.newest, 302),
              "300 begun; what came of them in one, and when that was out of the ring anew");
    struct tbe_mailing m;
    ASSERT_OK(tbe_mailing_get(b.node.self, "OTHER00000284", "anna", &m));
    cr_expect(eq(int, m.reason, ERR_ECU_UNKNOWN), "the newest stay");
    kill_tbe();
    begin("form-2");
    cr_expect(eq(u64, count_all(NULL).newest, 303), "counts on in the next life");
}
