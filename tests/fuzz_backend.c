/* TBE and VOS under hostile bytes, whole components on a bench: what comes in at the call between them, from
 * either side, and what an app may send. Each input meets the same store and the same lives. */
#include <stdlib.h>
#include <string.h>

#include "backend/tbe/tbe.h"
#include "backend/vos/vos.h"
#include "lib/http/http_problem.h"
#include "lib/json/json.h"
#include "lib/token/token.h"
#include "proto/backend.pb-c.h"
#include "proto/init.pb-c.h"
#include "tests/fuzz_targets.h"
#include "tests/support.h"

#define SERIAL  "SPAAK00000001"
#define OWNER   "anna"
#define CLIENT  "installation-0001"
#define KEY     "idempotency-0001"
#define ADDRESS "phone/1"

static struct bench b;

static unsigned port_of(const char *name)
{
    const struct component_class *c = b.node.class;
    unsigned i = 0;
    while (i < c->port_count && strcmp(c->ports[i].name, name) != 0)
        i++;
    MUST(i < c->port_count);
    return i;
}

static void begin(const struct component_class *class, struct store *from)
{
    bench_prepare(&b, class, fuzz_crypto());
    if (from)
        MUST(store_copy(from, b.node.store) == ERR_OK);
    else
        test_equip(class, "", b.node.store);
}

static void go(void)
{
    MUST(bench_start(&b, &(struct component_args){.serial = ""}) == ERR_OK);
    b.sent_count = b.trace_count = 0;
}

/* What it has stored so far, for later lives. */
static struct store *keep(void)
{
    struct store *s = store_memory_new();
    MUST(store_copy(b.node.store, s) == ERR_OK);
    bench_free(&b);
    return s;
}

/* The one message that was sent at that port; NULL for none. */
static const struct bench_sent *only(unsigned port)
{
    const struct bench_sent *found = NULL;
    for (size_t i = 0; i < b.sent_count; i++)
        if (b.sent[i].port == port) {
            MUST(!found);
            found = &b.sent[i];
        }
    return found;
}

/* ---- the VOS ---- */

/* A vehicle of anna's with a verifier set. */
static struct store *vos_before(void)
{
    static struct store *kept;
    static uint8_t uuid[16] = {1};
    uint8_t record[200];
    unsigned number;
    struct call_value values[ENV_VALUES] = {{.text = SERIAL}, {.text = OWNER}};
    Backend__V1__VehicleRecord m = BACKEND__V1__VEHICLE_RECORD__INIT;
    if (kept)
        return kept;
    begin(&vos_class, NULL);
    m.state = BACKEND__V1__VEHICLE_RECORD__STATE__STATE_ACTIVE;
    m.drm_uuid = (ProtobufCBinaryData){sizeof uuid, uuid};
    size_t len = backend__v1__vehicle_record__pack(&m, record);
    MUST(store_set(b.node.store, VOS_ECU_PREFIX SERIAL, span_of("\1", 1)) == ERR_OK);
    MUST(store_set(b.node.store, VOS_VEHICLE_PREFIX SERIAL, span_of(record, len)) == ERR_OK);
    go();
    MUST(component_call(&vos_class, "register-owner", &number));
    node_on_call(&b.node, number, values);
    MUST(component_call(&vos_class, "replace-verifiers", &number));
    node_on_call(&b.node, number, values);
    bench_finish_works(&b);
    kept = keep();
    return kept;
}

/* Answered is what has a number, once and by it; a link is had by the owner only. */
static void check_vos(const Init__V1__OpInitRequest *q)
{
    const struct bench_sent *s = only(port_of("init"));
    MUST((s != NULL) == (q && q->request_id));
    if (!s)
        return;
    Init__V1__OpInitResponse *r = init__v1__op_init_response__unpack(NULL, s->len, s->bytes);
    MUST(r && r->request_id == q->request_id && r->protocol_version == 1);
    bool has_link = *r->deep_link != '\0';
    MUST(!has_link || (!r->error && q->ask_case == INIT__V1__OP_INIT_REQUEST__ASK_LINK &&
                       strcmp(q->link->user, OWNER) == 0 && strcmp(q->link->vehicle, SERIAL) == 0));
    MUST(has_link == (*r->link_id != '\0'));
    MUST(r->error || q->protocol_version == 1);
    init__v1__op_init_response__free_unpacked(r, NULL);
}

void fuzz_vos_init(const uint8_t *p, size_t len)
{
    struct store *before = vos_before();
    begin(&vos_class, before);
    go();
    Init__V1__OpInitRequest *q = init__v1__op_init_request__unpack(NULL, len, p);
    for (int i = 0; i < 2; i++) {
        b.sent_count = b.trace_count = 0;
        node_on_bytes(&b.node, port_of("init"), "tbe", span_of(p, len));
        if (b.node.dead)
            break;
        check_vos(q);
    }
    MUST(!b.node.dead);
    if (q)
        init__v1__op_init_request__free_unpacked(q, NULL);
    bench_free(&b);
}

void fuzz_vos_init_seeds(fuzz_emit *emit, void *arg)
{
    char serial[] = SERIAL, user[] = OWNER, client[] = CLIENT, key[] = KEY;
    char id[] = SERIAL "-000102030405060708090a0b0c0d0e0f";
    uint8_t out[300];
    Init__V1__PairingLink link = INIT__V1__PAIRING_LINK__INIT;
    Init__V1__LinkAcknowledge acknowledge = INIT__V1__LINK_ACKNOWLEDGE__INIT;
    Init__V1__IdentityRenew renew = INIT__V1__IDENTITY_RENEW__INIT;
    link.vehicle = renew.vehicle = serial;
    link.user = acknowledge.user = user;
    link.client = acknowledge.client = client;
    link.idempotency_key = renew.idempotency_key = key;
    acknowledge.link_id = id;
    for (unsigned i = 0; i < 4; i++) {
        Init__V1__OpInitRequest m = INIT__V1__OP_INIT_REQUEST__INIT;
        m.protocol_version = 1;
        m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_REQUEST;
        m.request_id = 7;
        m.ask_case = i == 0   ? INIT__V1__OP_INIT_REQUEST__ASK_LINK
                     : i == 1 ? INIT__V1__OP_INIT_REQUEST__ASK_ACKNOWLEDGE
                     : i == 2 ? INIT__V1__OP_INIT_REQUEST__ASK_RENEW
                              : INIT__V1__OP_INIT_REQUEST__ASK__NOT_SET;
        if (i == 0)
            m.link = &link;
        else if (i == 1)
            m.acknowledge = &acknowledge;
        else if (i == 2)
            m.renew = &renew;
        emit(arg, out, init__v1__op_init_request__pack(&m, out));
    }
}

/* ---- the TBE ---- */

static char tokens[2][TOKEN_MAX + 1]; /* of an app, of an operator */

static struct span text_of(const char *text)
{
    return span_of(text, strlen(text));
}

static struct span write_request(const char *path, const char *token, struct span body)
{
    static uint8_t out[HTTP_MESSAGE_MAX];
    static char authorization[TOKEN_MAX + 20];
    struct wr w = wr_of(out, sizeof out);
    struct http_request q = {.method = HTTP_POST, .body = body};
    snprintf(authorization, sizeof authorization, "Bearer %s", token);
    q.words[HTTP_WORD_PATH] = text_of(path);
    q.words[HTTP_WORD_AUTHORIZATION] = text_of(*token ? authorization : "");
    q.words[HTTP_WORD_IDEMPOTENCY_KEY] = text_of(KEY);
    q.words[HTTP_WORD_TYPE] = text_of(body.len ? "application/json" : "");
    MUST(http_request_write(&q, &w) == ERR_OK);
    return span_of(out, w.len);
}

static void sign_in(const char *port, const char *body, char out[TOKEN_MAX + 1])
{
    struct http_response r;
    const struct json_field fields[] = {{"access_token", 1, out, TOKEN_MAX + 1}};
    b.sent_count = 0;
    node_on_bytes(&b.node, port_of(port), ADDRESS, write_request("/v1/tokens", "", text_of(body)));
    bench_finish_works(&b);
    const struct bench_sent *s = only(port_of(port));
    MUST(s && http_response_read(span_of(s->bytes, s->len), &r) == ERR_OK);
    MUST(json_read(r.body, fields, 1, JSON_SKIP_OTHERS) == ERR_OK);
}

static struct store *tbe_before(void)
{
    static struct store *kept;
    if (kept)
        return kept;
    begin(&tbe_class, NULL);
    go();
    sign_in("app", "{\"user\":\"anna\",\"secret\":\"lake-and-lantern\",\"client\":\"" CLIENT "\"}",
            tokens[0]);
    sign_in("operator", "{\"user\":\"olga\",\"secret\":\"harbour-and-hinge\",\"client\":\"" CLIENT "\"}",
            tokens[1]);
    kept = keep();
    return kept;
}

/* An answer is of the form, and a refusal is a problem with a reason that we know. */
static void check_answer(const struct bench_sent *s)
{
    struct http_response r;
    enum err reason;
    char id[100], link[300];
    const struct json_field fields[] = {{"id", 1, id, sizeof id}, {"deep_link", 1, link, sizeof link}};
    MUST(http_response_read(span_of(s->bytes, s->len), &r) == ERR_OK);
    if (r.status >= 400)
        MUST(http_problem_reason(&r, &reason) == ERR_OK);
    else if (r.status == 201)
        MUST(json_read(r.body, fields, 2, JSON_REFUSE_OTHERS) == ERR_OK);
    else
        MUST(r.status == 200 || r.status == 204);
}

/* With a link, an acknowledgement and a renewal under way. */
static uint64_t begin_asking(void)
{
    struct store *before = tbe_before();
    uint64_t first = 0;
    begin(&tbe_class, before);
    go();
    for (unsigned i = 0; i < 3; i++) {
        static const char *const paths[] = {"/v1/pairing-passwords",
                                            "/v1/pairing-passwords/" SERIAL "-00/acknowledge",
                                            "/v1/vehicles/" SERIAL "/renew-identity"};
        b.sent_count = 0;
        node_on_bytes(
            &b.node, port_of(i == 2 ? "operator" : "app"), ADDRESS,
            write_request(paths[i], tokens[i == 2], text_of(i ? "" : "{\"vehicle\":\"" SERIAL "\"}")));
        const struct bench_sent *s = only(port_of("init"));
        MUST(s != NULL);
        Init__V1__OpInitRequest *q = init__v1__op_init_request__unpack(NULL, s->len, s->bytes);
        MUST(q != NULL);
        first = i ? first : q->request_id;
        init__v1__op_init_request__free_unpacked(q, NULL);
    }
    return first;
}

static size_t hear_vos(struct span bytes)
{
    b.sent_count = b.trace_count = 0;
    node_on_bytes(&b.node, port_of("init"), "", bytes);
    MUST(!b.node.dead && b.sent_count <= 1);
    if (b.sent_count)
        check_answer(&b.sent[0]);
    return b.sent_count;
}

/* As it came; then with the number of each request that waits, which is answered once. */
void fuzz_tbe_vos(const uint8_t *p, size_t len)
{
    static uint8_t out[2 * FUZZ_INPUT_MAX];
    uint64_t first = begin_asking();
    Init__V1__OpInitResponse *m = init__v1__op_init_response__unpack(NULL, len, p);
    bool waits = m && m->request_id - first < 3;
    MUST(hear_vos(span_of(p, len)) == 0 || waits);
    for (unsigned i = 0; m && i < 3 && !waits; i++) {
        m->request_id = first + i;
        size_t packed = init__v1__op_init_response__pack(m, out);
        size_t said = hear_vos(span_of(out, packed));
        MUST(said == 0 || hear_vos(span_of(out, packed)) == 0);
    }
    if (m)
        init__v1__op_init_response__free_unpacked(m, NULL);
    bench_free(&b);
}

void fuzz_tbe_vos_seeds(fuzz_emit *emit, void *arg)
{
    static char id[] = SERIAL "-000102030405060708090a0b0c0d0e0f", nothing[] = "";
    static char link[] = "https://pair.example/pair#vehicle=" SERIAL "&id=1&password=12345678";
    static const enum err errors[] = {ERR_OK, ERR_NOT_OWNER, ERR_PASSWORD_PENDING, ERR_STORE_FAILED};
    uint8_t out[300];
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        Init__V1__OpInitResponse m = INIT__V1__OP_INIT_RESPONSE__INIT;
        m.protocol_version = 1;
        m.message_type = INIT__V1__MESSAGE_TYPE__OP_INIT_RESPONSE;
        m.request_id = 7;
        m.error = (uint32_t)errors[i];
        m.link_id = errors[i] ? nothing : id;
        m.deep_link = errors[i] ? nothing : link;
        emit(arg, out, init__v1__op_init_response__pack(&m, out));
    }
}

/* One byte: a whole request at one of the hosts, or the body of one. What is no sign-in is answered or asked
 * on, once. */
void fuzz_tbe_request(const uint8_t *p, size_t len)
{
    struct store *before = tbe_before();
    unsigned how = len ? p[0] % 3 : 0;
    struct span rest = span_of(len ? p + 1 : p, len ? len - 1 : 0);
    begin(&tbe_class, before);
    go();
    unsigned port = port_of(how == 1 ? "operator" : "app");
    node_on_bytes(&b.node, port, ADDRESS,
                  how == 2 ? write_request("/v1/pairing-passwords", tokens[0], rest) : rest);
    MUST(!b.node.dead && b.sent_count + b.work_count == 1);
    if (b.sent_count && b.sent[0].port == port)
        check_answer(&b.sent[0]);
    else if (b.sent_count)
        MUST(b.sent[0].port == port_of("init"));
    bench_free(&b);
}

void fuzz_tbe_request_seeds(fuzz_emit *emit, void *arg)
{
    static const char *const bodies[] = {"{\"vehicle\":\"" SERIAL "\"}", "{\"vehicle\":1}", "[]",
                                         "{\"vehicle\":\"SPAAK\\u0030\"}"};
    uint8_t out[4096];
    tbe_before();
    for (unsigned i = 0; i < 3; i++) {
        static const char *const paths[] = {"/v1/pairing-passwords", "/v1/vehicles/" SERIAL "/renew-identity",
                                            "/v1/tokens"};
        struct span q = write_request(paths[i], tokens[i == 1], text_of(i ? "" : bodies[0]));
        out[0] = i == 1;
        memcpy(out + 1, q.p, q.len);
        emit(arg, out, q.len + 1);
    }
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        out[0] = 2;
        memcpy(out + 1, bodies[i], strlen(bodies[i]));
        emit(arg, out, strlen(bodies[i]) + 1);
    }
}
