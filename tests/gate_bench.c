#include "tests/gate_bench.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ccc/signature.h"
#include "sgw/sgw.h"

#define SGW_SERIAL "SGW0000000001"
#define STEP_MAX   2400
#define SILENCE_MS 200
#define LONGEST_MS 12000 /* that a step waits for its answers */

static const struct component_args args = {.serial = "SPAAK00000001"};

/* ---- time and frames ---- */

/* An ECU answers a frame before the next one comes. */
static void ecu_hears(struct gate_bench *g, struct tested_ecu *e, enum segment s, const struct bus_frame *f)
{
    struct bus_frame answer;
    tested_ecu_input(e, f, g->sgw.now_us);
    while (tested_ecu_output(e, g->sgw.now_us, &answer))
        bench_frame(&g->sgw.node, s, &answer);
}

static bool take_sent(struct gate_bench *g)
{
    bool any = g->sgw.sent_count > 0;
    uint64_t now_us = g->sgw.now_us;
    static struct bench_sent sent[BENCH_SENT];
    size_t n = g->sgw.sent_count;
    assert(n <= sizeof sent / sizeof sent[0]);
    memcpy(sent, g->sgw.sent, n * sizeof sent[0]);
    g->sgw.sent_count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct bus_frame *f = &sent[i].frame;
        if (sent[i].port == SEGMENT_BODY) {
            ecu_hears(g, &g->body, SEGMENT_BODY, f);
        } else if (sent[i].port == SEGMENT_TELEMATICS) {
            ecu_hears(g, &g->telematics, SEGMENT_TELEMATICS, f);
        } else if (sent[i].port == SEGMENT_DIAGNOSTIC) {
            if (g->seen_count < GATE_FRAMES)
                g->seen[g->seen_count++] = *f;
            tester_input(&g->tester, f, now_us);
        }
    }
    return any;
}

static void settle(struct gate_bench *g)
{
    struct bus_frame f;
    for (bool more = true; more;) {
        more = take_sent(g);
        if (tester_output(&g->tester, g->sgw.now_us, &f)) {
            bench_frame(&g->sgw.node, SEGMENT_DIAGNOSTIC, &f);
            more = true;
        }
        if (tested_ecu_output(&g->body, g->sgw.now_us, &f)) {
            bench_frame(&g->sgw.node, SEGMENT_BODY, &f);
            more = true;
        }
        if (tested_ecu_output(&g->telematics, g->sgw.now_us, &f)) {
            bench_frame(&g->sgw.node, SEGMENT_TELEMATICS, &f);
            more = true;
        }
    }
}

static void run_ms(struct gate_bench *g, unsigned long ms)
{
    settle(g);
    while (ms-- > 0) {
        bench_run_ms(&g->sgw, 1);
        settle(g);
    }
}

/* ---- certificates ---- */

static size_t issue(struct gate_bench *g, enum x509_profile profile, const char *unit, int64_t begin_s,
                    const struct p256_key *issuer_key, uint8_t der[X509_MAX])
{
    uint8_t point[P256_POINT], issuer[P256_POINT];
    size_t len = 0;
    p256_free(g->key);
    enum err e = p256_generate(test_crypto(), &g->key);
    assert(!e);
    p256_public(g->key, point);
    p256_public(issuer_key, issuer);
    struct x509_template t = {.profile = profile,
                              .subject = "V.SPAAKSIM.EU.01.00010123456789AB",
                              .issuer = "spaaksim OEM Sub-CA J1",
                              .unit = unit,
                              .not_before_s = begin_s,
                              .not_after_s = begin_s + 86400,
                              .public_key = point,
                              .issuer_public_key = issuer};
    e = x509_issue(test_crypto(), &t, issuer_key, der, &len);
    assert(!e);
    (void)e;
    return len;
}

static void revoke(struct gate_bench *g, struct span der)
{
    char key[8 + 2 * SHA256_SIZE + 1] = "revoked/";
    uint8_t digest[SHA256_SIZE];
    crypto_sha256(test_crypto(), &der, 1, digest);
    hex_encode(digest, sizeof digest, key + strlen(key));
    store_set(g->sgw.node.store, key, span_of("\1", 1));
}

/* Those that a good issuer would not make. */
static size_t spoil(struct gate_bench *g, const char *kind, uint8_t der[X509_MAX + 8], size_t len)
{
    if (strcmp(kind, "garbage") == 0)
        return 3;
    if (strcmp(kind, "long") == 0)
        return X509_MAX + 8;
    if (strcmp(kind, "flipped") == 0)
        *(uint8_t *)memmem(der, len, "0123456789AB", 12) ^= 1;
    else if (strcmp(kind, "revoked") == 0)
        revoke(g, span_of(der, len));
    else
        assert(strcmp(kind, "eol") == 0);
    return len;
}

static size_t make_certificate(struct gate_bench *g, const char *kind, uint8_t der[X509_MAX + 8])
{
    const struct oem *o = test_oem(TEST_NOW_S);
    const struct p256_key *j1 = o->roles[OEM_J1].key;
    int64_t now_s = TEST_NOW_S - 10;
    if (strcmp(kind, "workshop") == 0)
        return issue(g, X509_TESTER, kind, now_s, j1, der);
    if (strcmp(kind, "expired") == 0)
        return issue(g, X509_TESTER, "eol", now_s - 90000, j1, der);
    if (strcmp(kind, "early") == 0)
        return issue(g, X509_TESTER, "eol", now_s + 9000, j1, der);
    if (strcmp(kind, "other") == 0)
        return issue(g, X509_TESTER, "eol", now_s, o->roles[OEM_Z1].key, der);
    if (strcmp(kind, "role") == 0)
        return issue(g, X509_TESTER, "plant", now_s, j1, der);
    if (strcmp(kind, "no-role") == 0)
        return issue(g, X509_TESTER, NULL, now_s, j1, der);
    if (strcmp(kind, "usage") == 0)
        return issue(g, X509_VEHICLE, "eol", now_s, j1, der);
    if (strcmp(kind, "ca") == 0) {
        memcpy(der, o->roles[OEM_J1].der, o->roles[OEM_J1].len);
        return o->roles[OEM_J1].len;
    }
    return spoil(g, kind, der, issue(g, X509_TESTER, "eol", now_s, j1, der));
}

static size_t certificate_request(struct gate_bench *g, const char *kind, uint8_t out[STEP_MAX])
{
    uint8_t der[X509_MAX + 8] = {0};
    struct wr w = wr_of(out, STEP_MAX);
    size_t len = make_certificate(g, kind, der);
    wr_be16(&w, 0x2901);
    wr_u8(&w, 0);
    wr_be16(&w, (uint16_t)len);
    wr_copy(&w, der, len);
    wr_be16(&w, 0);
    return w.len;
}

static size_t proof_request(struct gate_bench *g, const char *kind, uint8_t out[STEP_MAX])
{
    uint8_t text[11 + 32 + 13], proof[SIGNATURE_SIZE];
    struct wr w = wr_of(text, sizeof text);
    size_t len = strcmp(kind, "short") == 0 ? 63 : 64;
    wr_copy(&w, "spaaksim-29", 11);
    wr_copy(&w, g->challenge, sizeof g->challenge);
    wr_copy(&w, strcmp(kind, "other") == 0 ? "SGW0000000002" : SGW_SERIAL, 13);
    enum err e = g->key ? ERR_OK : p256_generate(test_crypto(), &g->key);
    assert(!e);
    e = signature_make(test_crypto(), span_of(text, sizeof text), g->key, proof);
    assert(!e);
    (void)e;
    proof[40] ^= strcmp(kind, "bad") == 0;
    w = wr_of(out, STEP_MAX);
    wr_be16(&w, 0x2903);
    wr_be16(&w, (uint16_t)len);
    wr_copy(&w, proof, len);
    wr_be16(&w, strcmp(kind, "key") == 0);
    if (strcmp(kind, "key") == 0)
        wr_u8(&w, 4);
    return w.len;
}

/* ---- steps ---- */

static bool wrong(struct gate_bench *g, const char *step, const char *what, struct span got)
{
    char hex[2 * 40 + 1];
    hex_encode(got.p, got.len < 40 ? got.len : 40, hex);
    snprintf(g->why, sizeof g->why, "\"%.200s\": %.80s %s", step, what, hex);
    return false;
}

static size_t count_answers(const char *want)
{
    size_t n = *want != '-';
    for (; *want; want++)
        n += *want == ',';
    return n;
}

/* "7A8 7E00", "62F190*" */
static bool answer_is(const char *want, size_t want_len, uint32_t id, const struct tester_answer *got)
{
    uint8_t head[TESTER_MAX];
    if (want_len > 4 && want[3] == ' ') {
        id = (uint32_t)strtoul(want, NULL, 16);
        want += 4;
        want_len -= 4;
    }
    bool open = want[want_len - 1] == '*';
    long n = hex_decode(want, want_len - open, head, sizeof head);
    assert(n >= 0);
    return got->id == id && (open ? got->len >= (size_t)n : got->len == (size_t)n) &&
           memcmp(head, got->bytes, (size_t)n) == 0;
}

/* All of these in any order, as ECUs answer; and no other. */
static bool check_answers(struct gate_bench *g, const char *step, uint32_t id, const char *want)
{
    size_t due = count_answers(want), found = 0;
    const struct tester_answer *a;
    for (unsigned long ms = 0; g->tester.answered < due && ms < LONGEST_MS; ms++)
        run_ms(g, 1);
    if (!due)
        run_ms(g, SILENCE_MS);
    while ((a = tester_answer(&g->tester))) {
        bool wanted = false;
        for (const char *w = want; due && !wanted; w = strchr(w, ',') + 1) {
            wanted = answer_is(w, strcspn(w, ","), id | 8, a);
            if (!strchr(w, ','))
                break;
        }
        if (!wanted)
            return wrong(g, step, "nobody awaited", span_of(a->bytes, a->len));
        if (a->classic != g->tester.classic)
            return wrong(g, step, "the wrong format has", span_of(a->bytes, a->len));
        if (a->len == 39 && a->bytes[0] == 0x69)
            memcpy(g->challenge, a->bytes + 5, sizeof g->challenge);
        found++;
    }
    return found == due || wrong(g, step, "an answer is missing", (struct span){0});
}

static bool ask(struct gate_bench *g, const char *step, uint32_t id, struct span pdu, const char *want)
{
    tester_ask(&g->tester, id, pdu, g->sgw.now_us);
    settle(g);
    return !want || check_answers(g, step, id, want);
}

static bool ask_hex(struct gate_bench *g, const char *step, uint32_t id, const char *hex, const char *want)
{
    uint8_t pdu[STEP_MAX];
    long n = hex_decode(hex, strlen(hex), pdu, sizeof pdu);
    assert(n >= 0);
    return ask(g, step, id, span_of(pdu, (size_t)n), want);
}

/* The one that has just come, or NULL. */
static const struct tester_answer *last_answer(struct gate_bench *g)
{
    const struct tester_answer *last = NULL, *a;
    while ((a = tester_answer(&g->tester)))
        last = a;
    return last;
}

static bool open_level(struct gate_bench *g, const char *step)
{
    uint8_t pdu[2 + UDS_KEY] = {0x27, 0x02};
    if (!ask_hex(g, step, 0x7A0, "1003", "5003*"))
        return false;
    tester_ask(&g->tester, 0x7A0, span_of("\x27\x01", 2), g->sgw.now_us);
    run_ms(g, 5);
    const struct tester_answer *a = last_answer(g);
    if (!a || a->len != 18)
        return wrong(g, step, "no seed", (struct span){0});
    uds_ecu_key(&g->body.uds, 0x01, a->bytes + 2, pdu + 2);
    return ask(g, step, 0x7A0, span_of(pdu, sizeof pdu), "6702");
}

static void stay_alive(struct gate_bench *g, unsigned long ms)
{
    for (unsigned long at = 0; at < ms; at += 2000) {
        tester_ask(&g->tester, 0x7DF, span_of("\x3E\x80", 2), g->sgw.now_us);
        run_ms(g, ms - at < 2000 ? ms - at : 2000);
    }
}

static bool check_dropped(struct gate_bench *g, const char *step, const char *reason, size_t n)
{
    uint32_t sum = 0;
    run_ms(g, 100);
    for (size_t i = 0; i < g->sgw.trace_count; i++)
        if (g->sgw.trace[i].kind == TRACE_DROP &&
            strcmp(err_name((enum err)g->sgw.trace[i].reason), reason) == 0)
            sum += g->sgw.trace[i].length;
    g->sgw.trace_count = 0;
    return sum == n || wrong(g, step, "dropped", span_of(&(uint8_t){(uint8_t)sum}, 1));
}

static bool check_dtc(struct gate_bench *g, const char *step, const char *code)
{
    char row[8 + 1];
    uint8_t bytes[4];
    snprintf(row, sizeof row, "%.6s%.2s", code, code + 7);
    hex_decode(row, 8, bytes, sizeof bytes);
    tester_ask(&g->tester, 0x7A2, span_of("\x19\x0A", 2), g->sgw.now_us);
    run_ms(g, 5);
    const struct tester_answer *a = last_answer(g);
    for (size_t at = 3; a && at + 4 <= a->len; at += 4)
        if (memcmp(a->bytes + at, bytes, 4) == 0)
            return true;
    return wrong(g, step, "its status is not so:", a ? span_of(a->bytes, a->len) : (struct span){0});
}

static bool check_frame(struct gate_bench *g, const char *step, const char *want)
{
    char text[BUS_TEXT_MAX];
    size_t len = strcspn(want, "*");
    if (g->seen_read == g->seen_count)
        return wrong(g, step, "no frame", (struct span){0});
    bus_frame_print(&g->seen[g->seen_read++], text);
    return strncmp(text, want, len) == 0 || wrong(g, step, text, (struct span){0});
}

static bool put_frame(struct gate_bench *g, enum segment s, const char *text)
{
    struct bus_frame f;
    enum err e = bus_frame_parse(text, &f);
    assert(!e);
    (void)e;
    g->seen_count = g->seen_read = 0;
    bench_frame(&g->sgw.node, s, &f);
    settle(g);
    return true;
}

static bool is(const char *step, const char *word)
{
    return strncmp(step, word, strlen(word)) == 0;
}

static bool open_gate(struct gate_bench *g, const char *role)
{
    char steps[160];
    snprintf(steps, sizeof steps, "7A2 1003 > 5003*; cert %s > 6901110020*; proof good > 6903120000",
             *role ? role : "eol");
    return gate_bench_play(g, steps);
}

static bool play_words(struct gate_bench *g, const char *whole, char *step, const char *want)
{
    uint8_t pdu[STEP_MAX];
    if (is(step, "cert "))
        return ask(g, whole, 0x7A2, span_of(pdu, certificate_request(g, step + 5, pdu)), want);
    if (is(step, "proof "))
        return ask(g, whole, 0x7A2, span_of(pdu, proof_request(g, step + 6, pdu)), want);
    if (is(step, "open"))
        return open_gate(g, step + 4 + (step[4] == ' '));
    if (is(step, "level"))
        return open_level(g, whole);
    if (is(step, "frame "))
        return check_frame(g, whole, step + 6);
    if (is(step, "clean"))
        return g->seen_read == g->seen_count || check_frame(g, whole, "nothing");
    if (is(step, "dropped ")) {
        char *n = strrchr(step, ' ');
        *n = '\0';
        return check_dropped(g, whole, step + 8, strtoul(n + 1, NULL, 10));
    }
    if (is(step, "dtc "))
        return check_dtc(g, whole, step + 4);
    if (is(step, "wait "))
        run_ms(g, strtoul(step + 5, NULL, 10));
    else if (is(step, "alive "))
        stay_alive(g, strtoul(step + 6, NULL, 10));
    else {
        assert(is(step, "cut"));
        node_stop(&g->sgw.node);
        for (size_t i = 0; i < ENV_TIMERS; i++)
            g->sgw.due_us[i] = ENV_NEVER;
        bench_start(&g->sgw, &args);
    }
    return true;
}

static bool play_step(struct gate_bench *g, char *step)
{
    char whole[STEP_MAX];
    char *want = strstr(step, " > ");
    text_copy(whole, sizeof whole, step);
    if (want) {
        *want = '\0';
        want += 3;
    }
    if (is(step, "B 7A") && step[5] == ' ')
        return ask_hex(g, whole, (uint32_t)strtoul(step + 2, NULL, 16), step + 6, NULL);
    if (is(step, "D "))
        return put_frame(g, SEGMENT_DIAGNOSTIC, step + 2);
    if (is(step, "B "))
        return put_frame(g, SEGMENT_BODY, step + 2);
    if (is(step, "T "))
        return put_frame(g, SEGMENT_TELEMATICS, step + 2);
    if (*step == '7')
        return ask_hex(g, whole, (uint32_t)strtoul(step, NULL, 16), step + 4, want);
    return play_words(g, whole, step, want);
}

bool gate_bench_play(struct gate_bench *g, const char *steps)
{
    char step[STEP_MAX];
    for (size_t n; *steps; steps += n + strspn(steps + n, "; ")) {
        n = strcspn(steps, ";");
        assert(n < sizeof step);
        memcpy(step, steps, n);
        step[n] = '\0';
        if (!play_step(g, step))
            return false;
    }
    return true;
}

void gate_bench_open(struct gate_bench *g, bool classic)
{
    memset(g, 0, sizeof *g);
    bench_prepare(&g->sgw, &sgw_class, test_crypto());
    test_equip(&sgw_class, args.serial, g->sgw.node.store);
    enum err e = bench_start(&g->sgw, &args);
    assert(!e);
    (void)e;
    tester_open(&g->tester, classic);
    tested_ecu_open(&g->body, test_crypto(), 0x7A0);
    tested_ecu_open(&g->telematics, test_crypto(), 0x7A1);
}

void gate_bench_close(struct gate_bench *g)
{
    bench_free(&g->sgw);
    p256_free(g->key);
}
