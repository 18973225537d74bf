/* docs/api.json against the running TBE, with a VOS behind it: each answer that the file declares is seen,
 * none that it does not declare, and each is as the file says, to its headers. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tbe/tbe.h"
#include "backend/vos/vos.h"
#include "lib/http/http_problem.h"
#include "lib/media/http/http.h"
#include "lib/token/base64url.h"
#include "lib/token/token.h"
#include "proto/init.pb-c.h"
#include "tests/api_file.h"
#include "tests/check.h"
#include "tests/verifier_rig.h"

/* The path is described, the TBE has none of it yet. */
#define STATUS_IS_SERVED true

#define ADDRESS   "phone/1"
#define CLIENT    "installation-0001"
#define KEY       "idempotency-0001"
#define OTHER_KEY "idempotency-0002"
#define NO_LINK   SERIAL "-000102030405060708090a0b0c0d0e0f"
#define FOREIGN   "SPAAK00000009"
#define ASKS      200 /* more than wait for the VOS */
#define SIGN_INS  50  /* more than wait for their hash */

static json_t *file;
static struct bench t;
static struct server v;
static bool has_vos;
static char token[TOKEN_MAX + 1], link_id[80];

/* ---- the file ---- */

static const json_t *at(const json_t *thing, const char *name)
{
    return api_at(file, thing, name);
}

static struct api_spot find_operation(const char *id)
{
    struct api_spot p = api_operation(file, id);
    cr_assert(p.operation != NULL, "no operation %s", id);
    return p;
}

static void open_file(void)
{
    file = api_open();
    cr_assert(file != NULL);
}

static void close_file(void)
{
    json_decref(file);
}

TestSuite(api, .init = open_file, .fini = close_file, .timeout = 300);

/* ---- both servers ---- */

static unsigned port_of(const struct component_class *class, const char *name)
{
    unsigned i = 0;
    while (i < class->port_count && strcmp(class->ports[i].name, name) != 0)
        i++;
    cr_assert(lt(uint, i, class->port_count), "%s", name);
    return i;
}

static unsigned init_port(void)
{
    return port_of(&tbe_class, "init");
}

static void set(uint64_t settings[], const char *name, uint64_t value)
{
    size_t i = 0;
    while (tbe_class.settings[i].name && strcmp(tbe_class.settings[i].name, name) != 0)
        i++;
    cr_assert(tbe_class.settings[i].name != NULL, "%s", name);
    settings[i] = value;
}

static void start_tbe(uint64_t asks, uint64_t sign_ins)
{
    uint64_t settings[ENV_SETTINGS];
    for (size_t i = 0; tbe_class.settings[i].name; i++)
        settings[i] = tbe_class.settings[i].fallback;
    set(settings, "asks", asks);
    set(settings, "sign_ins", sign_ins);
    bench_prepare(&t, &tbe_class, test_crypto());
    ASSERT_OK(bench_start(&t, &(struct component_args){.serial = "", .settings = settings}));
}

static void own(const char *user)
{
    struct call_value values[2] = {{.text = SERIAL}};
    unsigned number;
    cr_assert(component_call(&vos_class, "register-owner", &number));
    snprintf(values[1].text, sizeof values[1].text, "%s", user);
    node_on_call(&v.b.node, number, values);
}

/* How far the vehicle has come. NOBODY: there is no VOS that answers. */
enum progress { NOBODY, KNOWN, OWNED_BY_BERT, OWNED, WANTED, USED, HANDED_OUT, DELIVERED };

static void start_vos(enum progress progress)
{
    uint8_t id[RIG_SET_ID];
    has_vos = progress != NOBODY;
    if (!has_vos)
        return;
    server_start(&v, true, NULL, NULL);
    server_call(&v, "push-verifiers");
    bench_finish_works(&v.b);
    if (progress == KNOWN)
        return;
    Spaak__V1__Spake2VerifierSet *s = server_pushed(&v);
    memcpy(id, s->set_id.data, sizeof id);
    spaak__v1__spake2_verifier_set__free_unpacked(s, NULL);
    server_report(&v, span_of(id, sizeof id), SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED);
    own(progress == OWNED_BY_BERT ? "bert" : "anna");
    if (progress == WANTED)
        server_call(&v, "replace-verifiers");
    if (progress == USED)
        server_report(&v, span_of(id, sizeof id), SPAAK__V1__RESP_ENUM__RESP_ENUM_USED);
}

static void stop(void)
{
    bench_free(&t);
    if (has_vos)
        server_stop(&v);
    has_vos = false;
}

/* ---- requests ---- */

/* A request as it should be, by operation; at another host it stands once more. */
struct base {
    const char *operation, *host, *path, *body;
    bool token, key;
};

static const struct base bases[] = {
    {"signIn", "app", "/v1/tokens",
     "{\"user\":\"anna\",\"secret\":\"lake-and-lantern\",\"client\":\"" CLIENT "\"}", false, false},
    {"signIn", "operator", "/v1/tokens",
     "{\"user\":\"olga\",\"secret\":\"harbour-and-hinge\",\"client\":\"" CLIENT "\"}", false, false},
    {"askPairingLink", "app", "/v1/pairing-passwords", "{\"vehicle\":\"*\"}", true, true},
    {"acknowledgePairingLink", "app", "/v1/pairing-passwords/*/acknowledge", NULL, true, false},
    {"readVehicleStatus", "app", "/v1/vehicles/*/status", NULL, true, false},
    {"renewIdentity", "operator", "/v1/vehicles/*/renew-identity", NULL, true, true},
};
#define BASES (sizeof bases / sizeof bases[0])

enum change {
    RIGHT,
    /* of the request */
    OTHER_METHOD,
    WRONG_SECRET,
    NO_KEY,
    BODY_LIST,
    BODY_UNWANTED,
    BODY_LONG,
    BODY_FORM,
    VEHICLE_LONG,
    VEHICLE_FOREIGN,
    PATH_OTHER,
    ANOTHER_KEY,
    /* of the token */
    NO_TOKEN,
    NO_JWT,
    HS256,
    UNKNOWN_KEY,
    FORGED,
    OTHER_ISSUER,
    OTHER_AUDIENCE,
    TOO_EARLY,
    ENDED,
    OTHER_SCOPE,
    /* of what goes on around */
    TOO_OFTEN,
    CROWDED,
    VOS_GONE,
    VOS_SILENT,
    TROUBLE
};

struct message {
    enum http_method method;
    char path[200], body[6000];
    const char *token, *key, *type;
};

static enum http_method method_of(const struct base *b)
{
    enum http_method m;
    char name[8] = "";
    const char *said = find_operation(b->operation).method;
    for (size_t i = 0; said[i] && i + 1 < sizeof name; i++)
        name[i] = (char)(said[i] - ('a' - 'A'));
    cr_assert(http_method_find(span_of(name, strlen(name)), &m), "%s", name);
    return m;
}

/* With the word in the star's place. */
static void fill(char *out, size_t cap, const char *form, const char *word)
{
    size_t before = strcspn(form, "*");
    snprintf(out, cap, "%.*s%s%s", (int)before, form, form[before] ? word : "",
             form[before] ? form + before + 1 : "");
}

static void put_vehicle(const struct base *b, struct message *m, const char *vehicle)
{
    bool is_link = strstr(b->path, "acknowledge") != NULL;
    fill(m->path, sizeof m->path, b->path, is_link && *link_id ? link_id : vehicle);
    fill(m->body, sizeof m->body, b->body ? b->body : "", vehicle);
}

static void change_body(struct message *m, enum change change)
{
    if (change == BODY_LIST)
        snprintf(m->body, sizeof m->body, "[]");
    if (change == BODY_UNWANTED)
        snprintf(m->body, sizeof m->body, "{}");
    if (change == BODY_LONG)
        snprintf(m->body, sizeof m->body, "{%4100s}", "");
    if (change == WRONG_SECRET)
        memcpy(strstr(m->body, "-and-"), "-or--", 5);
    m->type = !*m->body             ? NULL
              : change == BODY_FORM ? "application/x-www-form-urlencoded"
                                    : "application/json";
}

static void make_message(const struct base *b, enum change change, const char *vehicle, struct message *m)
{
    *m = (struct message){.method = method_of(b)};
    put_vehicle(b, m,
                change == VEHICLE_FOREIGN ? FOREIGN
                : change == VEHICLE_LONG  ? "SPAAK000000010000000000000000000001"
                : change == PATH_OTHER    ? "SPAAK~1"
                                          : vehicle);
    change_body(m, change);
    if (change == OTHER_METHOD)
        m->method = HTTP_DELETE;
    if (b->key && change != NO_KEY)
        m->key = change == ANOTHER_KEY ? OTHER_KEY : KEY;
    if (b->token && change != NO_TOKEN)
        m->token = token;
}

static struct span text_span(const char *text)
{
    return span_of(text, text ? strlen(text) : 0);
}

static void send_message(const char *host, const struct message *m)
{
    uint8_t out[8192];
    char authorization[TOKEN_MAX + 40] = "";
    struct wr w = wr_of(out, sizeof out);
    struct http_request q = {.method = m->method, .body = text_span(m->body)};
    if (m->token)
        snprintf(authorization, sizeof authorization, "Bearer %s", m->token);
    q.words[HTTP_WORD_PATH] = text_span(m->path);
    q.words[HTTP_WORD_AUTHORIZATION] = text_span(authorization);
    q.words[HTTP_WORD_IDEMPOTENCY_KEY] = text_span(m->key);
    q.words[HTTP_WORD_TYPE] = text_span(m->type);
    ASSERT_OK(http_request_write(&q, &w));
    t.sent_count = t.trace_count = 0;
    node_on_bytes(&t.node, port_of(&tbe_class, host), ADDRESS, span_of(out, w.len));
}

/* ---- between the servers ---- */

/* What the TBE has asked, to the VOS; and its answer back. */
static void pass_on(void)
{
    unsigned vos_init = port_of(&vos_class, "init");
    for (size_t i = 0; has_vos && i < t.sent_count; i++) {
        if (t.sent[i].port != init_port())
            continue;
        v.b.sent_count = 0;
        node_on_bytes(&v.b.node, vos_init, "tbe", span_of(t.sent[i].bytes, t.sent[i].len));
    }
    for (size_t i = 0, n = v.b.sent_count; has_vos && i < n; i++)
        if (v.b.sent[i].port == vos_init)
            node_on_bytes(&t.node, init_port(), "", span_of(v.b.sent[i].bytes, v.b.sent[i].len));
}

/* A VOS that has lost its store. */
static void answer_trouble(void)
{
    uint8_t out[100];
    Init__V1__OpInitResponse m = INIT__V1__OP_INIT_RESPONSE__INIT;
    for (size_t i = 0; i < t.sent_count; i++) {
        Init__V1__OpInitRequest *q =
            t.sent[i].port == init_port()
                ? init__v1__op_init_request__unpack(NULL, t.sent[i].len, t.sent[i].bytes)
                : NULL;
        if (!q)
            continue;
        m.protocol_version = 1;
        m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE;
        m.request_id = q->request_id;
        m.error = ERR_STORE_FAILED;
        init__v1__op_init_request__free_unpacked(q, NULL);
        node_on_bytes(&t.node, init_port(), "", span_of(out, init__v1__op_init_response__pack(&m, out)));
        return;
    }
}

/* The answer to a request of the app or the operator, of those that were sent since; NULL for none. */
static const struct bench_sent *find_answer(const char *host)
{
    const struct bench_sent *found = NULL;
    for (size_t i = 0; i < t.sent_count; i++)
        if (t.sent[i].port == port_of(&tbe_class, host)) {
            cr_expect(found == NULL, "one answer");
            found = &t.sent[i];
        }
    return found;
}

/* A message, what it comes to, and the answer. */
static const struct bench_sent *exchange(const struct base *b, enum change change, const char *vehicle)
{
    struct message m;
    make_message(b, change, vehicle, &m);
    send_message(b->host, &m);
    pass_on();
    if (t.work_count && change == TROUBLE)
        t.works[0].e = ERR_NO_MEMORY;
    bench_finish_works(&t);
    if (change == TROUBLE)
        answer_trouble();
    if (change == VOS_GONE)
        node_on_link(&t.node, init_port(), LINK_DOWN);
    if (change == VOS_SILENT)
        bench_run_ms(&t, 2500);
    return find_answer(b->host);
}

/* ---- tokens ---- */

static const struct base *base_of(const char *operation, const char *host)
{
    for (size_t i = 0; i < BASES; i++)
        if (strcmp(bases[i].operation, operation) == 0 && (!host || strcmp(bases[i].host, host) == 0))
            return &bases[i];
    cr_assert(false, "no request for %s", operation);
    abort();
}

static void sign_in(const char *host)
{
    struct http_response r;
    const struct bench_sent *s = exchange(base_of("signIn", host), RIGHT, "");
    cr_assert(s != NULL);
    ASSERT_OK(http_response_read(span_of(s->bytes, s->len), &r));
    json_t *body = json_loadb((const char *)r.body.p, r.body.len, 0, NULL);
    snprintf(token, sizeof token, "%s", api_text(body, "access_token"));
    cr_assert(ne(str, token, ""));
    json_decref(body);
}

/* Claims as those of the token, changed; signed with the TBE's own key or another. */
static void forge(const char *host, enum change change)
{
    uint8_t scalar[P256_SCALAR], header[200];
    size_t len;
    char kid[32];
    struct p256_key *own_key, *other;
    struct token_claims c = {
        .issued_s = TEST_NOW_S, .expires_s = TEST_NOW_S + 60, .id = "1", .client = CLIENT};
    bool is_app = (strcmp(host, "app") == 0) == (change != OTHER_AUDIENCE);
    long n = base64url_decode(span_of(token, strcspn(token, ".")), header, sizeof header - 1);
    cr_assert(lt(long, 0, n));
    header[n] = '\0';
    const char *at_kid = strstr((char *)header, "\"kid\":\"");
    snprintf(kid, sizeof kid, "%.*s", (int)strcspn(at_kid + 7, "\""), at_kid + 7);
    ASSERT_OK(bench_secret(&t, TBE_TOKEN_KEY, scalar, sizeof scalar, &len));
    ASSERT_OK(p256_from_private(test_crypto(), scalar, &own_key));
    ASSERT_OK(p256_generate(test_crypto(), &other));
    text_copy(c.issuer, sizeof c.issuer, change == OTHER_ISSUER ? "ebt" : TBE_ISSUER);
    text_copy(c.subject, sizeof c.subject, strcmp(host, "app") == 0 ? "anna" : "olga");
    text_copy(c.audience, sizeof c.audience, is_app ? TBE_AUDIENCE_APP : TBE_AUDIENCE_OPERATOR);
    text_copy(c.scope, sizeof c.scope,
              change == OTHER_SCOPE ? "sightseeing" : TBE_SCOPE_PAIRING " " TBE_SCOPE_RENEWAL);
    c.issued_s += change == TOO_EARLY ? 30 : change == ENDED ? -100 : 0;
    c.expires_s += change == ENDED ? -90 : 0;
    const struct token_key with = {change == UNKNOWN_KEY ? "tbe-0" : kid, change == FORGED ? other : own_key};
    ASSERT_OK(token_make(test_crypto(), &c, &with, token));
    p256_free(own_key);
    p256_free(other);
}

static void forge_hs256(void)
{
    char rest[TOKEN_MAX + 1];
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"tbe\"}";
    struct wr w = wr_of(token, TOKEN_MAX);
    snprintf(rest, sizeof rest, "%s", strchr(token, '.'));
    base64url_encode(text_span(header), &w);
    wr_copy(&w, rest, strlen(rest));
    token[w.len] = '\0';
}

static void prepare_token(const char *host, enum change change)
{
    sign_in(host);
    if (change == NO_JWT)
        snprintf(token, sizeof token, "x");
    else if (change == HS256)
        forge_hs256();
    else if (change >= UNKNOWN_KEY && change <= OTHER_SCOPE)
        forge(host, change);
}

/* ---- the answer, as the file has it ---- */

static void expect_headers(const struct http_response *r, const json_t *declared, const char *name)
{
    char why[SCHEMA_WHY] = "";
    json_t *h;
    const char *header;
    for (unsigned i = 0; i < HTTP_LINES; i++) {
        if (i == HTTP_LINE_TYPE || r->lines[i].len == 0)
            continue;
        const json_t *known = at(declared, http_lines[i].header);
        json_t *value = json_stringn((const char *)r->lines[i].p, r->lines[i].len);
        bool always = i == HTTP_LINE_CACHE_CONTROL || i == HTTP_LINE_TYPE_OPTIONS;
        cr_expect(known || always, "%s: nobody speaks of %s", name, http_lines[i].header);
        if (known)
            cr_expect(schema_fits(file, at(known, "schema"), value, why), "%s: %s", name, why);
        json_decref(value);
    }
    cr_expect(span_is(r->lines[HTTP_LINE_CACHE_CONTROL], "no-store"), "%s", name);
    cr_expect(span_is(r->lines[HTTP_LINE_TYPE_OPTIONS], "nosniff"), "%s", name);
    SCHEMA_EACH(declared, header, h)
    {
        const json_t *d = schema_follow(file, h);
        bool must = json_is_true(json_object_get(d, "required"));
        for (unsigned i = 0; i < HTTP_LINES; i++)
            if (strcmp(http_lines[i].header, header) == 0)
                cr_expect(r->lines[i].len || !must, "%s: %s lacks", name, header);
    }
}

static void expect_problem(const json_t *body, enum err reason, const char *name)
{
    char type[80];
    snprintf(type, sizeof type, "urn:spaaksim:reason:%s", err_name(reason));
    cr_expect(eq(str, (char *)api_text(body, "reason"), (char *)err_name(reason)), "%s", name);
    cr_expect(eq(str, (char *)api_text(body, "type"), type), "%s", name);
    cr_expect(eq(str, (char *)api_text(body, "title"), (char *)err_text(reason)), "%s", name);
}

static void expect_body(const struct http_response *r, const json_t *content, enum err reason,
                        const char *name)
{
    char why[SCHEMA_WHY] = "", type[60];
    snprintf(type, sizeof type, "%.*s", (int)r->lines[HTTP_LINE_TYPE].len,
             r->lines[HTTP_LINE_TYPE].len ? (const char *)r->lines[HTTP_LINE_TYPE].p : "");
    if (!content) {
        cr_expect(eq(sz, r->body.len, 0), "%s", name);
        cr_expect(eq(str, type, ""), "%s", name);
        return;
    }
    const json_t *media_type = json_object_get(content, type);
    json_t *body = json_loadb((const char *)r->body.p, r->body.len, JSON_REJECT_DUPLICATES, NULL);
    cr_expect(media_type && body, "%s: %s", name, type);
    if (media_type)
        cr_expect(schema_fits(file, at(media_type, "schema"), body, why), "%s: %s", name, why);
    if (reason)
        expect_problem(body, reason, name);
    if (*api_text(body, "id"))
        snprintf(link_id, sizeof link_id, "%s", api_text(body, "id"));
    json_decref(body);
}

/* Every "signIn 401 SIGN_IN", by whom: true once it was seen. */
static void note(json_t *all, const char *operation, const char *status, const char *reason, bool seen)
{
    char key[120];
    snprintf(key, sizeof key, "%s %s %s", operation, status, reason);
    if (seen)
        cr_expect(json_object_get(all, key) != NULL, "%s is not declared", key);
    json_object_set_new(all, key, json_boolean(seen));
}

static void expect_answer(json_t *all, const char *operation, const struct bench_sent *s, unsigned status,
                          enum err reason, const char *name)
{
    struct http_response r;
    char number[12];
    cr_expect(s != NULL, "%s: no answer", name);
    if (!s)
        return;
    ASSERT_OK(http_response_read(span_of(s->bytes, s->len), &r));
    cr_expect(eq(uint, r.status, status), "%s: %.*s", name, (int)r.body.len, (const char *)r.body.p);
    snprintf(number, sizeof number, "%u", r.status);
    const json_t *declared = at(json_object_get(find_operation(operation).operation, "responses"), number);
    cr_expect(declared != NULL, "%s: status %s is not declared", name, number);
    note(all, operation, number, reason ? err_name(reason) : "", true);
    expect_headers(&r, json_object_get(declared, "headers"), name);
    expect_body(&r, json_object_get(declared, "content"), reason, name);
}

/* ---- a named request for each answer ---- */

#define WITH_TOKEN      "askPairingLink acknowledgePairingLink readVehicleStatus renewIdentity"
#define ALL             "signIn " WITH_TOKEN
#define ASKING          "askPairingLink"
#define STATUS          "readVehicleStatus"
#define RENEWAL         "renewIdentity"
#define ACKNOWLEDGEMENT "acknowledgePairingLink"

static const struct row {
    const char *name, *operations;
    enum change change;
    enum progress progress;
    unsigned status;
    enum err reason;
} rows[] = {
    {"signed in", "signIn", RIGHT, NOBODY, 200, ERR_OK},
    {"the link", ASKING, RIGHT, OWNED, 201, ERR_OK},
    {"the link again", ASKING, RIGHT, HANDED_OUT, 201, ERR_OK},
    {"acknowledged", ACKNOWLEDGEMENT, RIGHT, HANDED_OUT, 204, ERR_OK},
    {"acknowledged again", ACKNOWLEDGEMENT, RIGHT, DELIVERED, 204, ERR_OK},
    {"the status", STATUS, RIGHT, OWNED, 200, ERR_OK},
    {"renewed", RENEWAL, RIGHT, OWNED, 204, ERR_OK},
    {"a list for an object", "signIn " ASKING, BODY_LIST, NOBODY, 400, ERR_MSG_MALFORMED},
    {"a body where none belongs", ACKNOWLEDGEMENT " " RENEWAL " " STATUS, BODY_UNWANTED, NOBODY, 400,
     ERR_MSG_MALFORMED},
    {"no key", ASKING " " RENEWAL, NO_KEY, NOBODY, 400, ERR_HTTP_KEY},
    {"another secret", "signIn", WRONG_SECRET, NOBODY, 401, ERR_SIGN_IN},
    {"no token", WITH_TOKEN, NO_TOKEN, NOBODY, 401, ERR_TOKEN_MISSING},
    {"no JWT", WITH_TOKEN, NO_JWT, NOBODY, 401, ERR_TOKEN_MALFORMED},
    {"HS256", WITH_TOKEN, HS256, NOBODY, 401, ERR_TOKEN_ALGORITHM},
    {"a key of nobody's", WITH_TOKEN, UNKNOWN_KEY, NOBODY, 401, ERR_TOKEN_KEY},
    {"signed by another", WITH_TOKEN, FORGED, NOBODY, 401, ERR_SIGNATURE_INVALID},
    {"another issuer", WITH_TOKEN, OTHER_ISSUER, NOBODY, 401, ERR_TOKEN_ISSUER},
    {"a token of the other host", WITH_TOKEN, OTHER_AUDIENCE, NOBODY, 401, ERR_TOKEN_AUDIENCE},
    {"a token of the future", WITH_TOKEN, TOO_EARLY, NOBODY, 401, ERR_TOKEN_NOT_YET_VALID},
    {"a token that has ended", WITH_TOKEN, ENDED, NOBODY, 401, ERR_TOKEN_EXPIRED},
    {"a token for something else", WITH_TOKEN, OTHER_SCOPE, NOBODY, 403, ERR_TOKEN_SCOPE},
    {"another's vehicle", ASKING " " STATUS, RIGHT, OWNED_BY_BERT, 403, ERR_NOT_OWNER},
    {"no vehicle of ours", ASKING " " STATUS " " RENEWAL, VEHICLE_FOREIGN, OWNED, 404, ERR_ECU_UNKNOWN},
    {"no serial", STATUS " " RENEWAL, PATH_OTHER, NOBODY, 404, ERR_NOT_FOUND},
    {"no link of this app", ACKNOWLEDGEMENT, RIGHT, OWNED, 404, ERR_NOT_FOUND},
    {"DELETE", ALL, OTHER_METHOD, NOBODY, 405, ERR_HTTP_METHOD},
    {"nothing provisioned", ASKING, RIGHT, KNOWN, 409, ERR_NOT_PROVISIONED},
    {"no set yet", ASKING, RIGHT, WANTED, 409, ERR_VERIFIERS_MISSING},
    {"a set that was used", ASKING, RIGHT, USED, 409, ERR_VERIFIERS_BURNT},
    {"another app has it", ASKING, ANOTHER_KEY, HANDED_OUT, 409, ERR_PASSWORD_PENDING},
    {"delivered", ASKING, RIGHT, DELIVERED, 409, ERR_PASSWORD_DELIVERED},
    {"a long body", "signIn " ASKING, BODY_LONG, NOBODY, 413, ERR_MSG_TOO_LONG},
    {"a long serial", ASKING, VEHICLE_LONG, NOBODY, 413, ERR_MSG_TOO_LONG},
    {"a form", "signIn " ASKING, BODY_FORM, NOBODY, 415, ERR_HTTP_TYPE},
    {"too often", ALL, TOO_OFTEN, NOBODY, 429, ERR_HTTP_RATE},
    {"trouble", ALL, TROUBLE, NOBODY, 500, ERR_INTERNAL},
    {"all places taken", ALL, CROWDED, NOBODY, 503, ERR_BUSY},
    {"the VOS is gone", WITH_TOKEN, VOS_GONE, NOBODY, 503, ERR_VOS_UNREACHABLE},
    {"the VOS is silent", WITH_TOKEN, VOS_SILENT, NOBODY, 504, ERR_MSG_NO_ANSWER},
};

/* So many that the last one finds no place, or comes too often; each of another vehicle. */
static const struct bench_sent *ask_often(const struct base *b, enum change change)
{
    struct message m;
    char vehicle[20];
    unsigned n = change == CROWDED ? (b->token ? 129 : 33) : 2;
    for (unsigned i = 0; i < n; i++) {
        snprintf(vehicle, sizeof vehicle, "SPAAK%08u", change == CROWDED ? i : 1);
        make_message(b, change, vehicle, &m);
        send_message(b->host, &m);
        t.work_count = 0; /* its hash takes longer than this test */
        cr_expect(i + 1 == n || find_answer(b->host) == NULL, "%u", i);
    }
    return find_answer(b->host);
}

static void bring_to(enum progress progress)
{
    *link_id = '\0';
    if (progress < HANDED_OUT)
        return;
    exchange(base_of(ASKING, NULL), RIGHT, SERIAL);
    const struct bench_sent *s = find_answer("app");
    struct http_response r;
    cr_assert(s && http_response_read(span_of(s->bytes, s->len), &r) == ERR_OK && r.status == 201);
    json_t *body = json_loadb((const char *)r.body.p, r.body.len, 0, NULL);
    snprintf(link_id, sizeof link_id, "%s", api_text(body, "id"));
    json_decref(body);
    if (progress == DELIVERED)
        cr_assert(exchange(base_of(ACKNOWLEDGEMENT, NULL), RIGHT, SERIAL) != NULL);
}

static void try(json_t *all, const struct row *row, const struct base *b)
{
    char name[120];
    bool often = row->change == TOO_OFTEN || row->change == CROWDED;
    snprintf(name, sizeof name, "%s at %s: %s", b->operation, b->host, row->name);
    start_vos(row->progress);
    /* one is the sign-in that gives the token */
    start_tbe(row->change == TOO_OFTEN ? 1 : ASKS, row->change == TOO_OFTEN && !b->token ? 1 : SIGN_INS);
    if (b->token)
        prepare_token(b->host, row->change);
    bring_to(row->progress);
    const struct bench_sent *s = often ? ask_often(b, row->change) : exchange(b, row->change, SERIAL);
    expect_answer(all, b->operation, s, row->status, row->reason, name);
    stop();
}

/* ---- what the file declares ---- */

static bool is_served(const char *operation)
{
    return STATUS_IS_SERVED || strcmp(operation, STATUS) != 0;
}

static void note_response(json_t *all, const char *operation, const char *status, const json_t *response)
{
    const json_t *by = json_object_get(json_object_get(response, "x-by"), "tbe");
    if (status[0] == '2')
        note(all, operation, status, "", false);
    for (size_t i = 0; i < json_array_size(by); i++)
        note(all, operation, status, json_string_value(json_array_get(by, i)), false);
}

static void note_declared(json_t *all)
{
    const char *path, *method, *status;
    json_t *item, *o, *response;
    SCHEMA_EACH(json_object_get(file, "paths"), path, item)
    SCHEMA_EACH(item, method, o)
    SCHEMA_EACH(json_object_get(o, "responses"), status, response)
    {
        if (is_served(api_text(o, "operationId")))
            note_response(all, api_text(o, "operationId"), status, schema_follow(file, response));
    }
}

static bool names(const char *list, const char *word)
{
    const char *found = strstr(list, word);
    return found && (found[strlen(word)] == '\0' || found[strlen(word)] == ' ');
}

Test(api, each_declared_answer_is_seen_and_no_other)
{
    json_t *all = json_object(), *seen;
    const char *key;
    note_declared(all);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t k = 0; k < BASES; k++)
            if (names(rows[i].operations, bases[k].operation) && is_served(bases[k].operation))
                try(all, &rows[i], &bases[k]);
    SCHEMA_EACH(all, key, seen)
    {
        cr_expect(eq(int, json_is_true(seen), 1), "%s is declared and was never seen", key);
    }
    cr_expect(lt(sz, 60, json_object_size(all)));
    json_decref(all);
}

/* ---- hosts ---- */

/* A path at the other host is none, and one that is not served yet is none either. */
Test(api, a_path_is_where_the_file_says_and_nowhere_else)
{
    static const char *const hosts[] = {"app", "operator"};
    for (size_t i = 0; i < 2 * BASES; i++) {
        struct base b = bases[i / 2];
        const json_t *servers = json_object_get(find_operation(b.operation).item, "servers");
        char url[120], name[2 * ENV_NAME_MAX + 16];
        b.host = hosts[i % 2];
        http_host_name("tbe", b.host, name);
        snprintf(url, sizeof url, "https://%s:{port}", name);
        bool declared = false;
        for (size_t k = 0; k < json_array_size(servers); k++)
            declared = declared || strcmp(api_text(json_array_get(servers, k), "url"), url) == 0;
        start_tbe(ASKS, SIGN_INS);
        const struct bench_sent *s = exchange(&b, NO_TOKEN, SERIAL);
        struct http_response r;
        enum err reason = ERR_OK;
        cr_assert(s && http_response_read(span_of(s->bytes, s->len), &r) == ERR_OK);
        bool none = http_problem_reason(&r, &reason) == ERR_OK && reason == ERR_NOT_FOUND;
        cr_expect(eq(int, none, !declared || !is_served(b.operation)), "%s at %s: %u %s", b.operation, b.host,
                  r.status, err_name(reason));
        stop();
    }
    if (!STATUS_IS_SERVED)
        fprintf(stderr, "SKIPPED: " STATUS ", which the TBE does not serve yet\n");
}
