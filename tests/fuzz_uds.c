/* Both ends of diagnostics as sequences of steps: one byte that says what happens, the length of what
 * follows, and that. */
#include <string.h>

#include "lib/uds/uds_client.h"
#include "tests/fuzz_targets.h"
#include "tests/uds_ecu.h"

#define STEPS_MAX 60
#define MS        1000ull
#define START_US  1000000ull

struct uds_step {
    uint8_t what;
    struct span data;
};

static bool next_step(struct rd *in, struct uds_step *s)
{
    s->what = rd_u8(in);
    s->data = rd_span(in, rd_be16(in));
    return !in->failed;
}

static void put_step(struct wr *w, uint8_t what, const void *p, size_t len)
{
    wr_u8(w, what);
    wr_be16(w, (uint16_t)len);
    wr_copy(w, p, len);
}

static uint64_t ms_of(struct span data)
{
    struct rd r = rd_of(data.p, data.len);
    return rd_be16(&r);
}

/* ---- the server ---- */

enum {
    S_PHYSICAL,
    S_FUNCTIONAL,
    S_WAIT, /* milliseconds, 2 bytes */
    S_BEGINS,
    S_FAILED,
    S_RIGHT_KEY, /* for the seed that is out */
    S_CUT,
    S_REFUSE, /* the next commit */
    S_REPORT, /* trouble code, failed */
    S_KINDS,
};

struct server_run {
    struct uds_ecu_bench bench;
    struct span request; /* the last, for its answers */
    bool keyed;          /* a right key was sent since the last power-on */
    uint8_t key[2 + UDS_KEY];
};

static void must_hold(const struct server_run *r)
{
    const struct uds_server *s = &r->bench.server;
    if (r->bench.boot_us != UDS_NEVER)
        return;
    MUST(s->session < s->ecu->session_count && s->queued <= UDS_QUEUE && !s->leaving);
    MUST(!s->level || (s->session && r->keyed));
    MUST(!s->authenticated && s->answer_len <= UDS_ANSWER_MAX);
    MUST(s->state == UDS_SERVER_READY || s->state == UDS_SERVER_PENDING || s->state == UDS_SERVER_RESETTING);
    MUST(s->session || (!s->rx_off && !s->tx_off && !s->dtcs_off));
    MUST((s->state == UDS_SERVER_PENDING) <= (uds_server_due_us(s) != UDS_NEVER));
    for (size_t i = 0; i < s->ecu->level_count; i++)
        MUST(s->stored.failed[i] <= s->ecu->levels[i].attempts);
}

/* Each answer is a refusal of some service, or a right answer to what was asked. */
static void check_answers(struct server_run *r)
{
    const struct uds_ecu_answer *a;
    char line[UDS_LINE_MAX];
    while ((a = uds_ecu_answer(&r->bench))) {
        struct span answer = span_of(a->bytes, a->len);
        uds_describe(answer, line);
        MUST(answer.len > 0);
        if (answer.p[0] == UDS_NEGATIVE)
            MUST(answer.len == UDS_NEGATIVE_LEN &&
                 strcmp(uds_nrc_name((enum uds_nrc)answer.p[2]), "reserved") != 0);
        else
            MUST(uds_answer_check(r->request, answer) == UDS_RESULT_POSITIVE);
    }
}

static void server_request(struct server_run *r, enum uds_addressing a, struct span pdu)
{
    char line[UDS_LINE_MAX];
    uds_describe(pdu, line);
    if (r->bench.boot_us == UDS_NEVER && r->bench.server.state == UDS_SERVER_READY)
        r->request = pdu;
    uds_ecu_send(&r->bench, a, pdu);
}

static void server_right_key(struct server_run *r)
{
    const struct uds_server *s = &r->bench.server;
    if (r->bench.boot_us != UDS_NEVER || s->state != UDS_SERVER_READY || !s->seed.level)
        return;
    r->key[0] = UDS_SID_SECURITY_ACCESS;
    r->key[1] = (uint8_t)(s->seed.level + 1);
    uds_ecu_key(&r->bench, s->seed.level, s->seed.bytes, r->key + 2);
    r->keyed = true;
    server_request(r, UDS_PHYSICAL, span_of(r->key, sizeof r->key));
}

static void server_step(struct server_run *r, const struct uds_step *s)
{
    struct uds_ecu_bench *b = &r->bench;
    bool on = b->boot_us == UDS_NEVER;
    switch (s->what % S_KINDS) {
    case S_PHYSICAL:
        server_request(r, UDS_PHYSICAL, s->data);
        break;
    case S_FUNCTIONAL:
        server_request(r, UDS_FUNCTIONAL, s->data);
        break;
    case S_WAIT:
        uds_ecu_run_until(b, b->now_us + ms_of(s->data) * MS);
        break;
    case S_BEGINS:
        if (on)
            uds_server_arrival_begins(&b->server, s->data.len % 2 ? UDS_FUNCTIONAL : UDS_PHYSICAL, b->now_us);
        break;
    case S_FAILED:
        if (on)
            uds_server_arrival_failed(&b->server, s->data.len % 2 ? UDS_FUNCTIONAL : UDS_PHYSICAL, b->now_us);
        break;
    case S_RIGHT_KEY:
        server_right_key(r);
        break;
    case S_CUT:
        uds_ecu_cut(b);
        r->keyed = false;
        break;
    case S_REFUSE:
        b->refuse_at = b->commits + 1;
        break;
    default:
        if (on && s->data.len)
            (void)!uds_server_report(&b->server, s->data.p[0] % b->table->dtc_count, s->data.len % 2);
    }
}

void fuzz_uds_server(const uint8_t *p, size_t len)
{
    static struct server_run r;
    struct rd in = rd_of(p, len);
    struct uds_step step;
    uds_ecu_open(&r.bench, fuzz_crypto());
    uds_ecu_power_on(&r.bench);
    r.keyed = false;
    for (int i = 0; i < STEPS_MAX && next_step(&in, &step); i++) {
        server_step(&r, &step);
        check_answers(&r);
        must_hold(&r);
    }
    /* left alone for long enough it is back where it began */
    for (int i = 0; i < 8; i++) {
        uds_ecu_run_until(&r.bench, r.bench.now_us + 9000 * MS);
        check_answers(&r);
    }
    bool waits = r.bench.server.arriving[UDS_PHYSICAL] || r.bench.server.arriving[UDS_FUNCTIONAL];
    MUST(waits || (r.bench.server.session == 0 && r.bench.server.state == UDS_SERVER_READY));
}

static void put_ms(struct wr *w, uint16_t ms)
{
    const uint8_t b[] = {(uint8_t)(ms >> 8), (uint8_t)ms};
    put_step(w, S_WAIT, b, sizeof b);
}

void fuzz_uds_server_seeds(fuzz_emit *emit, void *arg)
{
    static const struct {
        const char *bytes;
        uint16_t len;
    } requests[] = {
        {"\x22\xF1\x86\xF1\x95", 5},
        {"\x22\x02\x21", 3},
        {"\x19\x02\x09", 3},
        {"\x14\xFF\xFF\xFF", 4},
        {"\x28\x03\x01", 3},
        {"\x85\x02", 2},
        {"\x2E\x02\x30\x01\x2C", 5},
        {"\x31\x01\x03\x10", 4},
        {"\x31\x01\x03\x01", 4},
        {"\x31\x01\x03\x03\x01\x30\x01", 7},
        {"\x11\x01", 2},
        {"\x3E\x80", 2},
        {"\x31\x01\x03\x05LOCK", 8},
        {"\x27\x01", 2},
        {"\x29\x08", 2},
    };
    static const char *const ways[] = {"\x10\x03\x27\x01", "\x10\x60\x27\x61"};
    uint8_t buf[128];
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        for (size_t way = 0; way < 2; way++) {
            struct wr w = wr_of(buf, sizeof buf);
            put_step(&w, S_PHYSICAL, ways[way], 2);
            put_step(&w, S_PHYSICAL, ways[way] + 2, 2);
            put_step(&w, S_RIGHT_KEY, "", 0);
            put_step(&w, S_BEGINS, "", 0);
            put_ms(&w, 4000);
            put_step(&w, i % 2 ? S_PHYSICAL : S_FUNCTIONAL, requests[i].bytes, requests[i].len);
            put_ms(&w, 100);
            put_step(&w, S_PHYSICAL, requests[i].bytes, requests[i].len);
            put_step(&w, S_REFUSE, "", 0);
            put_step(&w, S_REPORT, "\x02", 1);
            put_step(&w, S_CUT, "", 0);
            put_ms(&w, 400);
            emit(arg, buf, w.len);
        }
}

/* ---- the client ---- */

enum {
    C_REQUEST,
    C_FUNCTIONAL,
    C_ANSWER,
    C_OTHER,
    C_PIECES,
    C_WAIT,
    C_BEGINS,
    C_FAILED,
    C_UNSENT,
    C_ABORT,
    C_KINDS
};

struct client_run {
    struct uds_client client;
    uint64_t now_us;
    bool under_way; /* a request has no last event yet */
    struct span request;
};

static void client_event(struct client_run *r, const struct uds_client_event *ev)
{
    MUST(ev->result <= UDS_RESULT_LINK_FAILED);
    MUST(!ev->last || r->under_way);
    MUST(!ev->last || !uds_client_busy(&r->client));
    if (ev->last)
        r->under_way = false;
    if (ev->result == UDS_RESULT_POSITIVE || ev->result == UDS_RESULT_NEGATIVE)
        MUST(uds_answer_check(r->request, ev->answer) == ev->result && ev->nrc != UDS_NRC_PENDING);
}

static void client_run_until(struct client_run *r, uint64_t us)
{
    struct uds_client_event ev;
    for (int i = 0; uds_client_due_us(&r->client) <= us; i++) {
        MUST(i < 1000);
        uint64_t due_us = uds_client_due_us(&r->client);
        r->now_us = due_us > r->now_us ? due_us : r->now_us;
        uds_client_tick(&r->client, r->now_us, &ev);
        client_event(r, &ev);
    }
    r->now_us = us;
}

static void client_ask(struct client_run *r, enum uds_addressing a, struct span pdu)
{
    if (uds_client_request(&r->client, a, pdu))
        return;
    r->under_way = true;
    r->request = pdu;
}

static void client_take(struct client_run *r, bool sent)
{
    struct uds_client_event ev;
    struct uds_client_out out;
    while (uds_client_take(&r->client, &out)) {
        if (out.request && sent)
            uds_client_sent(&r->client, r->now_us);
        if (!out.request || sent)
            continue;
        uds_client_send_failed(&r->client, &ev);
        client_event(r, &ev);
    }
}

static void client_step(struct client_run *r, const struct uds_step *s)
{
    struct uds_client_event ev = {0};
    uint8_t what = s->what % C_KINDS;
    switch (what) {
    case C_REQUEST:
    case C_FUNCTIONAL:
        client_ask(r, what == C_REQUEST ? UDS_PHYSICAL : UDS_FUNCTIONAL, s->data);
        break;
    case C_ANSWER:
    case C_OTHER:
    case C_PIECES:
        uds_client_receive(&r->client, what, s->data, what == C_PIECES, r->now_us, &ev);
        break;
    case C_WAIT:
        client_run_until(r, r->now_us + ms_of(s->data) * MS);
        break;
    case C_BEGINS:
        uds_client_arrival_begins(&r->client);
        break;
    case C_FAILED:
        uds_client_arrival_failed(&r->client, &ev);
        break;
    case C_UNSENT:
        client_take(r, false);
        break;
    default:
        uds_client_abort(&r->client);
        r->under_way = false;
    }
    client_event(r, &ev);
    if (what != C_REQUEST && what != C_FUNCTIONAL)
        client_take(r, true);
}

void fuzz_uds_client(const uint8_t *p, size_t len)
{
    struct uds_client_config cfg = uds_client_config_default();
    struct client_run r = {.now_us = START_US};
    struct rd in = rd_of(p, len);
    struct uds_step step;
    uds_client_init(&r.client, &cfg);
    uds_client_keep_alive(&r.client, len % 2, r.now_us);
    for (int i = 0; i < STEPS_MAX && next_step(&in, &step); i++)
        client_step(&r, &step);
    /* every request comes to an end once nothing arrives any more */
    while (r.client.arriving)
        client_step(&r, &(struct uds_step){C_FAILED, {0}});
    client_take(&r, true);
    client_run_until(&r, r.now_us + 60000 * MS);
    MUST(!r.under_way && !uds_client_busy(&r.client));
}

void fuzz_uds_client_seeds(fuzz_emit *emit, void *arg)
{
    static const struct {
        const char *request, *answer;
        uint16_t request_len, answer_len;
    } talks[] = {
        {"\x10\x03", "\x50\x03\x00\x32\x01\xF4", 2, 6},
        {"\x22\xF1\x86", "\x62\xF1\x86\x01", 3, 4},
        {"\x29\x01", "\x69\x01\x11\x00\x02\xAA\xBB\x00\x00", 2, 9},
        {"\x19\x02\x09", "\x59\x02\x39\x9A\x00\x51\x29", 3, 7},
        {"\x31\x01\x03\x01", "\x71\x01\x03\x01\x00", 4, 5},
        {"\x27\x01", "\x67\x01\x55\x66", 2, 4},
    };
    uint8_t buf[200];
    for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
        const uint8_t pending[] = {UDS_NEGATIVE, (uint8_t)talks[i].request[0], UDS_NRC_PENDING};
        struct wr w = wr_of(buf, sizeof buf);
        for (int functional = 0; functional < 2; functional++) {
            put_step(&w, functional ? C_FUNCTIONAL : C_REQUEST, talks[i].request, talks[i].request_len);
            put_step(&w, C_WAIT, "\x00\x28", 2);
            put_step(&w, C_ANSWER, pending, sizeof pending);
            put_step(&w, C_OTHER, pending, sizeof pending);
            put_step(&w, C_BEGINS, "", 0);
            put_step(&w, C_WAIT, "\x10\x00", 2);
            put_step(&w, C_PIECES, talks[i].answer, talks[i].answer_len);
            put_step(&w, C_OTHER, talks[i].answer, talks[i].answer_len);
            put_step(&w, C_FAILED, "", 0);
        }
        emit(arg, buf, w.len);
    }
}
