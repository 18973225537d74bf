/* What portal and hotline do: vehicles, a link by mail and what became of it, a call with the customer's
 * consent. The VOS and the mail server are the test's. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/check.h"
#include "tests/portal_bench.h"

#define PORTAL  SITE_PORTAL
#define HOTLINE SITE_HOTLINE
#define CAR     "/vehicles/" SITE_CAR
#define ONCE    "fffffffffff-0123456789abcdef" /* younger than whatever was begun */

static char anna[64], hugo[64];

static const char *const one[] = {SITE_CAR, NULL}, *const none[] = {NULL};

static void start(void)
{
    site_start();
    site_sign_in(PORTAL, "anna", SITE_ANNA, anna);
    cr_assert(eq(uint, said.status, 303));
    site_sign_in(HOTLINE, "hugo", SITE_HUGO, hugo);
    cr_assert(eq(uint, said.status, 303));
    site.trace_count = 0;
}

TestSuite(portal_mail, .init = start, .fini = site_stop);

/* Which steps of OP-01b were done, in order: "123". */
static const char *steps(void)
{
    static char done[32];
    size_t n = 0;
    for (size_t i = 0; i < site.trace_count && n < sizeof done - 1; i++)
        if (site.trace[i].kind == TRACE_STEP && strncmp(site.trace[i].step, "OP-01b/", 7) == 0)
            done[n++] = site.trace[i].step[7];
    done[n] = '\0';
    site.trace_count = 0;
    return done;
}

/* The step of the last refusal. */
static const char *refused_at(void)
{
    const struct trace_event *e = bench_last(&site, TRACE_REJECT);
    return e ? e->step : "";
}

/* The page of anna's vehicle, with what the VOS says of her vehicles. */
static void look(void)
{
    site_get(PORTAL, CAR, anna);
    site_vos_has(one);
}

/* The portal's form of that vehicle, up to what follows it; the number of what the VOS was asked for. */
static uint64_t send_form(const char *once)
{
    uint64_t asked = 0;
    char token[48], body[200];
    site_token(PORTAL, CAR, anna, CAR "/mail", token);
    snprintf(body, sizeof body, "csrf=%s&once=%s", token, once);
    site_post(PORTAL, CAR "/mail", anna, body);
    site_vos_has(one);
    cr_assert(eq(uint, said.status, 303), "%s", said.body);
    cr_expect(eq(str, said.lines[HTTP_LINE_LOCATION], CAR));
    cr_expect(le(uint, site_vos_asks(&asked), 1));
    return asked;
}

/* The VOS gives the link; the tag of the mail. */
static const char *mail_leaves(uint64_t asked)
{
    static char tag[96];
    site_vos_says(asked, ERR_OK, NULL, SITE_LINK);
    snprintf(tag, sizeof tag, "%s", site_mailed());
    cr_assert(ne(str, tag, ""));
    return tag;
}

static void post_office(const char *tag, const char *news)
{
    site.sent_count = 0;
    node_on_news(&site.node, SITE_MAIL, tag, news);
}

/* ---- vehicles ---- */

Test(portal_mail, the_list_has_a_link_for_each_vehicle)
{
    static const char *const two[] = {SITE_CAR, SITE_OTHER, NULL};
    site_get(PORTAL, "/vehicles", anna);
    site_vos_has(two);
    cr_expect(eq(uint, said.status, 200));
    cr_expect(strstr(said.body, "<a href=\"/vehicles/" SITE_CAR "\">" SITE_CAR "</a>") != NULL);
    cr_expect(strstr(said.body, "<a href=\"/vehicles/" SITE_OTHER "\">") != NULL);
    site_get(PORTAL, "/vehicles", anna);
    site_vos_has(none);
    cr_expect(eq(uint, said.status, 200));
    cr_expect(strstr(said.body, "No vehicle is registered for you.") != NULL);
    cr_expect(strstr(said.body, "<li>") == NULL);
}

Test(portal_mail, a_full_list_has_room)
{
    static char serials[16][33];
    const char *all[17] = {NULL};
    for (size_t i = 0; i < 16; i++) {
        snprintf(serials[i], sizeof serials[i], "SPAAK%027zu", i);
        all[i] = serials[i];
    }
    site_get(PORTAL, "/vehicles", anna);
    site_vos_has(all);
    cr_expect(eq(uint, said.status, 200));
    cr_expect(strstr(said.body, serials[15]) != NULL);
}

Test(portal_mail, what_the_VOS_says_is_no_markup)
{
    static const char *const hostile[] = {"<script>alert(1)</script>", "\"><b>", SITE_CAR, NULL};
    site_get(PORTAL, "/vehicles", anna);
    site_vos_has(hostile);
    cr_expect(eq(uint, said.status, 200));
    cr_expect(strstr(said.body, "<script") == NULL);
    cr_expect(strstr(said.body, "<b>") == NULL);
    cr_expect(strstr(said.body, SITE_CAR) != NULL);
}

/* Not there, another's, or nothing known of it: one page, to the byte. */
Test(portal_mail, anothers_vehicle_is_like_one_that_is_not_there)
{
    static char first[8192];
    static const char *const two[] = {SITE_CAR, NULL};
    site_get(PORTAL, "/vehicles/" SITE_OTHER, anna);
    site_vos_has(two);
    cr_expect(eq(uint, said.status, 404));
    cr_expect(eq(str, said.reason, "NOT_FOUND"));
    snprintf(first, sizeof first, "%s", said.body);
    site_get(PORTAL, "/vehicles/NEVER-MADE", anna);
    site_vos_has(two);
    cr_expect(eq(uint, said.status, 404));
    cr_expect(eq(str, said.body, first));
    site_get(PORTAL, "/no-such-page", anna);
    cr_expect(eq(str, said.body, first));
}

Test(portal_mail, a_vehicle_that_was_sold_meanwhile_gets_no_mail)
{
    uint64_t asked;
    char token[48], body[200];
    site_token(PORTAL, CAR, anna, CAR "/mail", token);
    snprintf(body, sizeof body, "csrf=%s&once=" ONCE, token);
    site_post(PORTAL, CAR "/mail", anna, body);
    site_vos_has(none);
    cr_expect(eq(uint, said.status, 404));
    cr_expect(eq(str, refused_at(), "OP-01b/3"));
    cr_expect(eq(str, steps(), "12"));
    cr_expect(eq(uint, site_vos_asks(&asked), 0));
}

Test(portal_mail, without_the_VOS_the_page_says_so)
{
    uint64_t asked;
    site_get(PORTAL, "/vehicles", anna);
    cr_expect(eq(uint, site_vos_asks(&asked), 1));
    bench_run_ms(&site, 2001);
    site_hear();
    cr_expect(eq(uint, said.status, 504));
    cr_expect(eq(str, said.reason, "MSG_NO_ANSWER"));
    node_on_link(&site.node, SITE_INIT, LINK_DOWN);
    site_get(PORTAL, "/vehicles", anna);
    cr_expect(eq(uint, said.status, 503));
    cr_expect(eq(str, said.reason, "VOS_UNREACHABLE"));
    cr_expect(eq(str, said.lines[HTTP_LINE_RETRY_AFTER], "1"));
}

/* ---- a mail, and what became of it ---- */

Test(portal_mail, the_page_says_where_the_link_goes)
{
    look();
    cr_expect(eq(uint, said.status, 200));
    cr_expect(eq(str, said.h1, "Vehicle " SITE_CAR));
    cr_expect(eq(str, said.outcome, "none"));
    cr_expect(strstr(said.body, "goes to anna@customer.example.") != NULL);
    cr_expect(eq(str, steps(), ""));
}

/* The page that is there already, and each that is asked for later, say the same. */
Test(portal_mail, each_outcome_is_told)
{
    static const struct {
        const char *name, *news, *outcome, *says;
    } rows[] = {
        {"taken", "sent", "sent", "was sent to anna@customer.example"},
        {"refused for good", "refused 550", "refused", "The mail server said 550."},
        {"nobody knows", "unknown", "unknown", "until your vehicle has been reached, it may still work"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char tag[96];
        const char *name = rows[i].name;
        snprintf(tag, sizeof tag, "%s", mail_leaves(send_form(ONCE)));
        site_get(PORTAL, CAR, anna);
        site_vos_has(one);
        cr_expect(eq(uint, said.status, 0), "%s: it waits", name);
        bench_run_ms(&site, 500);
        post_office(tag, rows[i].news);
        site_hear();
        cr_expect(eq(uint, said.status, 200), "%s", name);
        cr_expect(eq(str, said.outcome, (char *)rows[i].outcome), "%s: %s", name, said.body);
        cr_expect(strstr(said.body, rows[i].says) != NULL, "%s: %s", name, said.body);
        cr_expect(strstr(said.body, "pair.example") == NULL, "%s", name);
        cr_expect(strstr(said.body, "12345678") == NULL, "%s", name);
        cr_expect(eq(str, steps(), "123467"), "%s", name);
        look();
        cr_expect(eq(str, said.outcome, (char *)rows[i].outcome), "%s, later", name);
        site_stop();
        start();
    }
}

/* What the VOS does not give, with its reason and what to do. */
Test(portal_mail, a_failure_says_what_to_do_next)
{
    static const enum err reasons[] = {ERR_NOT_OWNER,       ERR_NOT_PROVISIONED,    ERR_VERIFIERS_MISSING,
                                       ERR_VERIFIERS_BURNT, ERR_PASSWORD_DELIVERED, ERR_PASSWORD_PENDING,
                                       ERR_ECU_UNKNOWN};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        char once[32];
        snprintf(once, sizeof once, ONCE "%zu", i);
        uint64_t asked = send_form(once);
        site_vos_says(asked, reasons[i], NULL, NULL);
        look();
        cr_expect(eq(uint, said.status, 200));
        cr_expect(eq(str, said.outcome, "failed"), "%s", err_name(reasons[i]));
        cr_expect(eq(str, said.reason, (char *)err_name(reasons[i])));
        cr_expect(strstr(said.body, "lease") != NULL, "%s: no advice", said.reason);
        cr_expect(strstr(said.body, "<form method=\"post\" action=\"" CAR "/mail\">") != NULL);
    }
}

Test(portal_mail, a_page_waits_two_seconds_and_no_longer)
{
    uint64_t asked = send_form(ONCE);
    (void)mail_leaves(asked);
    site_get(PORTAL, CAR, anna);
    site_vos_has(one);
    bench_run_ms(&site, 1999);
    site_hear();
    cr_expect(eq(uint, said.status, 0));
    bench_run_ms(&site, 1);
    site_hear();
    cr_expect(eq(uint, said.status, 200));
    cr_expect(eq(str, said.outcome, "under-way"));
    cr_expect(strstr(said.body, "<a href=\"" CAR "\">Look again</a>") != NULL);
    cr_expect(strstr(said.body, CAR "/mail") == NULL, "nothing to send meanwhile");
}

/* Reload, back, a second click: the same form is one mail. */
Test(portal_mail, the_same_form_again_sends_nothing)
{
    uint64_t asked = send_form(ONCE);
    char tag[96], token[48], body[200];
    snprintf(tag, sizeof tag, "%s", mail_leaves(asked));
    post_office(tag, "sent");
    cr_assert(eq(uint, site_vos_asks(&asked), 1)); /* the acknowledgement */
    site_vos_says(asked, ERR_OK, NULL, NULL);
    cr_expect(eq(str, steps(), "123467"));
    site_token(PORTAL, CAR, anna, CAR "/mail", token);
    snprintf(body, sizeof body, "csrf=%s&once=" ONCE, token);
    for (unsigned i = 0; i < 3; i++) {
        site_post(PORTAL, CAR "/mail", anna, body);
        site_vos_has(one);
        cr_expect(eq(uint, said.status, 303));
        cr_expect(eq(uint, site_vos_asks(&asked), 0), "%u", i);
        cr_expect(eq(str, site_mailed(), ""));
    }
    cr_expect(eq(str, steps(), "123123123"));
    snprintf(body, sizeof body, "csrf=%s&once=" ONCE "-another", token);
    site_post(PORTAL, CAR "/mail", anna, body);
    site_vos_has(one);
    cr_expect(eq(uint, site_vos_asks(&asked), 1), "another form is another mail");
}

static void post_mail(const char *token, const char *once)
{
    char body[200];
    snprintf(body, sizeof body, "csrf=%s&once=%s", token, once);
    site_post(PORTAL, CAR "/mail", anna, body);
}

/* Two forms were there, both have been sent and refused: the first, once more. */
Test(portal_mail, an_older_form_again_sends_nothing)
{
    char token[48], once[2][48], tag[96];
    uint64_t asked;
    for (unsigned i = 0; i < 2; i++) {
        look();
        snprintf(once[i], sizeof once[i], "%s", said.once);
        site_token(PORTAL, CAR, anna, CAR "/mail", token);
        bench_run_ms(&site, 5);
        post_mail(token, once[i]);
        site_vos_has(one);
        cr_expect(eq(uint, said.status, 303), "%u", i);
        cr_assert(eq(uint, site_vos_asks(&asked), 1), "%u", i);
        snprintf(tag, sizeof tag, "%s", mail_leaves(asked));
        post_office(tag, "refused 550");
        cr_assert(eq(uint, site_vos_asks(&asked), 1));
        site_vos_says(asked, ERR_OK, NULL, NULL);
    }
    post_mail(token, once[0]);
    site_vos_has(one);
    cr_expect(eq(uint, said.status, 303));
    cr_expect(eq(str, said.lines[HTTP_LINE_LOCATION], CAR));
    cr_expect(eq(uint, site_vos_asks(&asked), 0), "nothing new");
}

Test(portal_mail, a_form_has_its_time)
{
    static const char *const bad[] = {"0123456789abcdef", "-0123456789abcdef", "0123456789abc-0123456789",
                                      "19c000000-short", "XYZ-0123456789abcdef"};
    char token[48], once[48];
    uint64_t asked;
    look();
    snprintf(once, sizeof once, "%llx-", (unsigned long long)env_wall_ms(&site.node.env));
    cr_expect(eq(int, strncmp(said.once, once, strlen(once)), 0), "%s", said.once);
    cr_expect(eq(sz, strlen(said.once), strlen(once) + 22));
    site_token(PORTAL, CAR, anna, CAR "/mail", token);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        post_mail(token, bad[i]);
        cr_expect(eq(uint, said.status, 400), "%s", bad[i]);
        cr_expect(eq(str, said.reason, "MSG_MALFORMED"), "%s", bad[i]);
        cr_expect(eq(uint, site_vos_asks(&asked), 0), "%s", bad[i]);
    }
}

Test(portal_mail, two_at_once_are_one_too_many)
{
    char token[48], body[200];
    site_token(PORTAL, CAR, anna, CAR "/mail", token);
    (void)send_form(ONCE);
    snprintf(body, sizeof body, "csrf=%s&once=" ONCE "-another", token);
    site_post(PORTAL, CAR "/mail", anna, body);
    site_vos_has(one);
    cr_expect(eq(uint, said.status, 503));
    cr_expect(eq(str, said.reason, "BUSY"));
}

Test(portal_mail, who_is_gone_gets_nothing_and_leaves_nothing)
{
    uint64_t asked;
    for (unsigned i = 0; i < 200; i++) { /* more than there is room for */
        site_ask(&(struct site_ask){
            .port = PORTAL, .method = HTTP_GET, .path = "/vehicles", .cookie = anna, .address = "/9"});
        cr_assert(eq(uint, site_vos_asks(&asked), 1), "%u", i);
        node_on_news(&site.node, PORTAL, "/9", "gone");
        site_vos_says(asked, ERR_OK, one, NULL);
        cr_expect(eq(uint, said.status, 0));
        site.trace_count = 0;
    }
    look();
    cr_expect(eq(uint, said.status, 200));
}

/* While the VOS is silent: nobody takes the places of others. */
Test(portal_mail, too_many_pages_of_a_user_are_refused_and_of_others_none)
{
    char bert[64];
    unsigned waiting = 0;
    site_sign_in(PORTAL, "bert", SITE_BERT, bert);
    for (; waiting < 100; waiting++) {
        site_get(PORTAL, "/vehicles", anna);
        if (said.status)
            break;
    }
    cr_expect(eq(uint, waiting, 16));
    cr_expect(eq(uint, said.status, 503));
    cr_expect(eq(str, said.reason, "BUSY"));
    site_get(PORTAL, "/vehicles", bert);
    site_vos_has(one);
    cr_expect(eq(uint, said.status, 200));
    bench_run_ms(&site, 2001);
    look();
    cr_expect(eq(uint, said.status, 200));
}

/* One customer's look at a mailing that takes its time: four of them wait, nobody else does. */
Test(portal_mail, the_fifth_page_for_an_outcome_is_answered_at_once)
{
    char bert[64];
    site_sign_in(PORTAL, "bert", SITE_BERT, bert);
    (void)mail_leaves(send_form(ONCE));
    for (unsigned i = 0; i < 64; i++) {
        site_get(PORTAL, CAR, anna);
        site_vos_has(one);
        cr_expect(eq(uint, said.status, i < 4 ? 0 : 200), "%u", i);
        cr_expect(eq(str, said.outcome, i < 4 ? "" : "under-way"), "%u", i);
        cr_expect(eq(int, strstr(said.body, ">Look again</a>") != NULL, i >= 4), "%u", i);
    }
    site_get(PORTAL, CAR, bert);
    site_vos_has(one);
    cr_expect(eq(uint, said.status, 200));
    cr_expect(eq(str, said.outcome, "none"));
    site_get(HOTLINE, "/", NULL);
    cr_expect(eq(uint, said.status, 200));
    bench_run_ms(&site, 2001);
    site_get(PORTAL, CAR, anna);
    site_vos_has(one);
    cr_expect(eq(uint, said.status, 0), "those have gone: it may wait again");
}

/* ---- the hotline ---- */

static void call(const char *customer, const char *vehicle, const char *code, const char *consent,
                 const char *once)
{
    char token[48], body[400];
    site_token(HOTLINE, "/call", hugo, "/call", token);
    snprintf(body, sizeof body, "csrf=%s&once=%s&customer=%s&vehicle=%s&code=%s%s", token, once, customer,
             vehicle, code, consent);
    site_post(HOTLINE, "/call", hugo, body);
}

static const struct {
    const char *name, *customer, *vehicle, *code, *consent;
    unsigned hashes, status; /* status 0: the VOS is asked for the vehicles */
    const char *reason, *steps;
} calls[] = {
    {"without consent", "anna", SITE_CAR, SITE_CODE, "", 0, 403, "CONSENT_MISSING", "1"},
    {"an empty box", "anna", SITE_CAR, SITE_CODE, "&consent=", 0, 403, "CONSENT_MISSING", "1"},
    {"a box that says no", "anna", SITE_CAR, SITE_CODE, "&consent=no", 0, 403, "CONSENT_MISSING", "1"},
    {"a wrong code", "anna", SITE_CAR, "48210974", "&consent=yes", 1, 403, "CONSENT_WRONG", "1"},
    {"no code", "anna", SITE_CAR, "", "&consent=yes", 1, 403, "CONSENT_WRONG", "1"},
    {"another's code", "bert", SITE_CAR, SITE_CODE, "&consent=yes", 1, 403, "CONSENT_WRONG", "1"},
    {"the secret in place of the code", "anna", SITE_CAR, SITE_ANNA, "&consent=yes", 1, 403, "CONSENT_WRONG",
     "1"},
    {"a customer that nobody knows", "carl", SITE_CAR, SITE_CODE, "&consent=yes", 1, 403, "CONSENT_WRONG",
     "1"},
    {"an operator as customer", "hugo", SITE_CAR, SITE_HUGO, "&consent=yes", 1, 403, "CONSENT_WRONG", "1"},
    {"no vehicle that could be one", "anna", "%3Cb%3E", SITE_CODE, "&consent=yes", 0, 400, "MSG_MALFORMED",
     "1"},
    {"right", "anna", SITE_CAR, SITE_CODE, "&consent=yes", 1, 0, "", "12"},
};

Test(portal_mail, a_call_needs_consent_and_code)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        uint64_t asked;
        const char *name = calls[i].name;
        site.now_us += 61000000; /* past the allowance */
        call(calls[i].customer, calls[i].vehicle, calls[i].code, calls[i].consent, ONCE);
        cr_expect(eq(sz, site.work_count, calls[i].hashes), "%s", name);
        bench_finish_works(&site);
        site_hear();
        cr_expect(eq(uint, said.status, calls[i].status), "%s: %s", name, said.body);
        cr_expect(eq(str, said.reason, (char *)calls[i].reason), "%s", name);
        cr_expect(eq(uint, site_vos_asks(&asked), calls[i].status == 0), "%s", name);
        if (calls[i].status)
            cr_expect(eq(str, refused_at(), "OP-01b/2"), "%s", name);
        cr_expect(eq(str, steps(), (char *)calls[i].steps), "%s", name);
        cr_expect(strstr(said.body, SITE_CODE) == NULL, "%s", name);
        cr_expect(strstr(said.body, SITE_ANNA) == NULL, "%s", name);
    }
}

static void count_audits(void *ctx, const char *key, struct span value)
{
    (void)key;
    *(unsigned *)ctx += memmem(value.p, value.len, "code", 4) && memmem(value.p, value.len, "hugo", 4) &&
                        memmem(value.p, value.len, "anna", 4);
}

Test(portal_mail, a_wrong_code_has_an_entry)
{
    static const char *const customers[] = {"anna", "carl", "anna"};
    unsigned count = 0;
    for (unsigned i = 0; i < 3; i++) {
        call(customers[i], SITE_CAR, "00000000", "&consent=yes", ONCE);
        bench_finish_works(&site);
    }
    bench_run_ms(&site, 20);
    store_scan(site.node.store, TBE_AUDIT_PREFIX, count_audits, &count);
    cr_expect(eq(uint, count, 1));
}

/* Three codes of a customer in a minute, right ones too; of one that nobody knows as many. */
Test(portal_mail, codes_are_not_guessed)
{
    static const char *const customers[] = {"anna", "carl", "hugo", "dora"};
    for (size_t c = 0; c < 4; c++) {
        for (unsigned i = 0; i < 4; i++) {
            call(customers[c], SITE_CAR, "00000000", "&consent=yes", ONCE);
            bench_finish_works(&site);
            site_hear();
            cr_expect(eq(uint, said.status, i < 3 ? 403 : 429), "%s %u", customers[c], i);
            cr_expect(eq(str, said.reason, i < 3 ? "CONSENT_WRONG" : "HTTP_RATE"), "%s %u", customers[c], i);
            cr_expect(eq(str, said.lines[HTTP_LINE_RETRY_AFTER], i < 3 ? "" : "21"), "%s", customers[c]);
        }
        if (c % 2)
            site.now_us += 61000000; /* ten calls of an operator */
    }
    for (unsigned i = 0; i < 10; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%u", i);
        call(name, SITE_CAR, "00000000", "&consent=yes", ONCE);
        bench_finish_works(&site);
        site_hear();
        cr_expect(eq(str, said.reason, "CONSENT_WRONG"), "%u", i);
    }
    call("bert", SITE_CAR, "00000000", "&consent=yes", ONCE);
    cr_expect(eq(str, said.reason, "HTTP_RATE"), "ten calls of one operator");
}

/* OP-01b by telephone, from the form to the outcome. */
static const char *call_until_mail(void)
{
    uint64_t asked = 0;
    call("anna", SITE_CAR, SITE_CODE, "&consent=yes", ONCE);
    bench_finish_works(&site);
    site_vos_has(one);
    cr_assert(eq(uint, said.status, 303), "%s", said.body);
    cr_expect(eq(str, said.lines[HTTP_LINE_LOCATION], "/call/" SITE_CAR));
    cr_assert(eq(uint, site_vos_asks(&asked), 1));
    return mail_leaves(asked);
}

Test(portal_mail, the_operator_hears_the_outcome_and_nothing_else)
{
    char tag[96];
    snprintf(tag, sizeof tag, "%s", call_until_mail());
    site_get(HOTLINE, "/call/" SITE_CAR, hugo);
    cr_expect(eq(uint, said.status, 0));
    post_office(tag, "sent");
    site_hear();
    cr_expect(eq(uint, said.status, 200));
    cr_expect(eq(str, said.outcome, "sent"));
    cr_expect(strstr(said.body, "a***@customer.example") != NULL, "%s", said.body);
    cr_expect(strstr(said.body, "anna") == NULL);
    cr_expect(strstr(said.body, "12345678") == NULL);
    cr_expect(strstr(said.body, "pair.example") == NULL);
    cr_expect(strstr(said.body, "<form method=\"post\" action=\"/sign-out\">") != NULL);
    cr_expect(strstr(said.body, "/mail") == NULL);
    cr_expect(eq(str, steps(), "123467"));
    look(); /* and the customer, at the portal */
    cr_expect(eq(str, said.outcome, "sent"));
}

static void move(const char *address)
{
    struct call_value values[2] = {{.text = "anna"}};
    unsigned number;
    cr_assert(component_call(&tbe_class, "set-address", &number));
    snprintf(values[1].text, sizeof values[1].text, "%s", address);
    node_on_call(&site.node, number, values);
}

/* The address is changed before the mail leaves, and after it has left. */
Test(portal_mail, the_page_names_the_address_that_the_mail_went_to)
{
    uint64_t asked;
    char tag[96];
    call("anna", SITE_CAR, SITE_CODE, "&consent=yes", ONCE);
    bench_finish_works(&site);
    site_vos_has(one);
    cr_assert(eq(uint, site_vos_asks(&asked), 1));
    move("zoe@first.example");
    snprintf(tag, sizeof tag, "%s", mail_leaves(asked));
    move("mail@second.example");
    post_office(tag, "sent");
    look();
    cr_expect(strstr(said.body, "was sent to zoe@first.example.") != NULL, "%s", said.body);
    cr_expect(strstr(said.body, "goes to mail@second.example.") != NULL, "the next: %s", said.body);
    site_get(HOTLINE, "/call/" SITE_CAR, hugo);
    cr_expect(strstr(said.body, "was sent to z***@first.example.") != NULL, "%s", said.body);
    cr_expect(strstr(said.body, "second") == NULL);
}

/* What the customer began is no affair of the operator's. */
Test(portal_mail, an_operator_sees_no_mailing_of_the_portal)
{
    (void)send_form(ONCE);
    site_get(HOTLINE, "/call/" SITE_CAR, hugo);
    cr_expect(eq(uint, said.status, 404));
    cr_expect(eq(str, said.reason, "NOT_FOUND"));
}

/* For anna first, then for bert, whose it is now: whichever name comes first in a table. */
Test(portal_mail, an_operator_hears_of_the_last_customer_of_a_vehicle_only)
{
    static const struct {
        const char *name, *customers[2], *codes[2];
    } rows[] = {
        {"anna, then bert", {"anna", "bert"}, {SITE_CODE, SITE_CODE_BERT}},
        {"bert, then anna", {"bert", "anna"}, {SITE_CODE_BERT, SITE_CODE}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t asked;
        for (unsigned k = 0; k < 2; k++) {
            call(rows[i].customers[k], SITE_CAR, rows[i].codes[k], "&consent=yes", k ? ONCE "2" : ONCE);
            bench_finish_works(&site);
            site_vos_has(one);
            cr_assert(eq(uint, said.status, 303), "%s", rows[i].name);
            cr_assert(eq(uint, site_vos_asks(&asked), 1), "%s", rows[i].name);
            site_vos_says(asked, k ? ERR_VERIFIERS_MISSING : ERR_OK, NULL, k ? NULL : SITE_LINK);
            if (!k)
                post_office(site_mailed(), "sent");
            site.now_us += 1000000;
        }
        site_get(HOTLINE, "/call/" SITE_CAR, hugo);
        cr_expect(eq(str, said.outcome, "failed"), "%s", rows[i].name);
        cr_expect(eq(str, said.reason, "VERIFIERS_MISSING"), "%s", rows[i].name);
        site_stop();
        start();
    }
}

/* bert begins one himself after the call: neither his nor anna's earlier one is the operator's to hear. */
Test(portal_mail, what_the_customer_began_since_hides_the_call)
{
    uint64_t asked;
    char bert[64], token[48], body[200];
    for (unsigned k = 0; k < 2; k++) {
        call(k ? "bert" : "anna", SITE_CAR, k ? SITE_CODE_BERT : SITE_CODE, "&consent=yes", ONCE);
        bench_finish_works(&site);
        site_vos_has(one);
        cr_assert(eq(uint, site_vos_asks(&asked), 1));
        site_vos_says(asked, ERR_VERIFIERS_MISSING, NULL, NULL);
        site.now_us += 1000000;
    }
    site_sign_in(PORTAL, "bert", SITE_BERT, bert);
    site_token(PORTAL, CAR, bert, CAR "/mail", token);
    snprintf(body, sizeof body, "csrf=%s&once=" ONCE "-bert", token);
    site_post(PORTAL, CAR "/mail", bert, body);
    site_vos_has(one);
    cr_assert(eq(uint, said.status, 303));
    site_get(HOTLINE, "/call/" SITE_CAR, hugo);
    cr_expect(eq(uint, said.status, 404), "%s", said.body);
}

Test(portal_mail, a_call_for_anothers_vehicle_is_refused)
{
    uint64_t asked;
    call("anna", SITE_OTHER, SITE_CODE, "&consent=yes", ONCE);
    bench_finish_works(&site);
    site_vos_has(one);
    cr_expect(eq(uint, said.status, 403));
    cr_expect(eq(str, said.reason, "NOT_OWNER"));
    cr_expect(eq(str, refused_at(), "OP-01b/3"));
    cr_expect(eq(uint, site_vos_asks(&asked), 0));
    cr_expect(strstr(said.body, SITE_CAR) == NULL, "what else she owns is not said");
}

Test(portal_mail, who_is_gone_before_the_code_was_checked_began_nothing)
{
    uint64_t asked;
    char token[48], body[400];
    site_token(HOTLINE, "/call", hugo, "/call", token);
    snprintf(body, sizeof body,
             "csrf=%s&once=" ONCE "&customer=anna&vehicle=" SITE_CAR "&code=" SITE_CODE "&consent=yes",
             token);
    site_ask(&(struct site_ask){.port = HOTLINE,
                                .method = HTTP_POST,
                                .path = "/call",
                                .cookie = hugo,
                                .body = body,
                                .address = "/9"});
    node_on_news(&site.node, HOTLINE, "/9", "gone");
    bench_finish_works(&site);
    cr_expect(eq(uint, site_vos_asks(&asked), 0));
    cr_expect(eq(str, steps(), "1"));
}

Test(portal_mail, no_code_and_no_link_is_traced)
{
    (void)call_until_mail();
    for (size_t i = 0; i < site.trace_count; i++) {
        cr_expect(strstr(site.trace[i].detail, SITE_CODE) == NULL);
        cr_expect(strstr(site.trace[i].detail, "12345678") == NULL);
    }
}
