#include "tests/module_bench.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/spaak/spaak.h"
#include "lib/pki/ecu_identity.h"

#define REQUEST_ID 0x7A0
#define ANSWER_ID  0x7A8
#define LONGEST_MS 12000 /* that a step waits for its answers */
#define SETTLE_MS  3

static const struct component_args args = {.serial = MODULE_SERIAL};

/* ---- the store that refuses ---- */

static struct module_bench *bench; /* one at a time */
static const struct store_ops *good;
static struct store_ops counting;

static enum err count_and_apply(struct store *s, const struct store_put *puts, size_t n)
{
    bench->commits++;
    if (bench->commits == bench->refuse_at)
        return ERR_STORE_FAILED;
    bool cut = bench->commits == bench->cut_at;
    if (cut && !bench->cut_keeps) {
        bench->b.node.dead = true;
        return ERR_STORE_FAILED;
    }
    enum err e = good->apply(s, puts, n);
    if (cut)
        bench->b.node.dead = true;
    return e;
}

void module_count_commits(struct module_bench *m)
{
    m->commits = m->refuse_at = m->cut_at = 0;
}

/* ---- time and frames ---- */

static void carry(struct module_bench *m)
{
    struct bus_frame f;
    for (bool more = true; more;) {
        size_t n = m->b.sent_count;
        m->b.sent_count = 0;
        for (size_t i = 0; i < n; i++) {
            f = m->b.sent[i].frame;
            m->others += f.id != ANSWER_ID;
            tester_input(&m->tester, &f, m->b.now_us);
        }
        more = tester_output(&m->tester, m->b.now_us, &f);
        if (more)
            bench_frame(&m->b.node, 0, &f);
        more = more || m->b.sent_count;
    }
}

static void pass_ms(struct module_bench *m, unsigned long ms)
{
    carry(m);
    for (; ms > 0; ms--) {
        bench_run_ms(&m->b, 1);
        carry(m);
    }
}

/* ---- certificates ---- */

void module_blob(struct module_bench *m, const char *name, struct span bytes)
{
    size_t i = 0;
    while (i < m->blob_count && strcmp(m->blobs[i].name, name) != 0)
        i++;
    assert(i < MODULE_BLOBS && bytes.len <= sizeof m->blobs[i].bytes);
    m->blob_count = i == m->blob_count ? i + 1 : m->blob_count;
    text_copy(m->blobs[i].name, sizeof m->blobs[i].name, name);
    memcpy(m->blobs[i].bytes, bytes.p, bytes.len);
    m->blobs[i].len = bytes.len;
}

struct span module_bytes(struct module_bench *m, const char *name)
{
    enum oem_role role;
    for (size_t i = 0; i < m->blob_count; i++)
        if (strcmp(m->blobs[i].name, name) == 0)
            return span_of(m->blobs[i].bytes, m->blobs[i].len);
    if (!oem_role_find(name, &role))
        abort();
    const struct oem_identity *i = &test_oem(TEST_NOW_S)->roles[role];
    return span_of(i->der, i->len);
}

void module_certify(struct module_bench *m, int64_t now_s)
{
    const struct oem_identity *authority = &test_oem(TEST_NOW_S)->roles[OEM_ECU_CA];
    const struct tester_answer *a = module_ask(m, span_of("\x22\x02\x16", 3));
    uint8_t der[ECU_IDENTITY_MAX];
    struct x509 ca;
    size_t len;
    assert(a && a->len == 3 + P256_POINT);
    enum err e = x509_parse(span_of(authority->der, authority->len), &ca);
    if (!e)
        e = ecu_identity_issue(test_crypto(), &ca, authority->key, MODULE_SERIAL, a->bytes + 3, now_s, der,
                               &len);
    if (e)
        abort();
    module_blob(m, "identity", span_of(der, len));
}

/* ---- words into bytes ---- */

static size_t put_name(struct module_bench *m, const char *word, struct wr *out)
{
    char name[24];
    size_t n = strcspn(word, "}");
    assert(word[n] == '}' && n - 1 < sizeof name);
    memcpy(name, word + 1, n - 1);
    name[n - 1] = '\0';
    struct span bytes = module_bytes(m, name);
    wr_copy(out, bytes.p, bytes.len);
    return n + 1;
}

static struct span request_of(struct module_bench *m, const char *words, uint8_t buf[TESTER_MAX])
{
    struct wr out = wr_of(buf, TESTER_MAX);
    uint8_t bytes[TESTER_MAX];
    for (size_t n; *words; words += n + strspn(words + n, " ")) {
        if (*words == '{') {
            n = put_name(m, words, &out);
            continue;
        }
        n = strcspn(words, " {");
        long len = hex_decode(words, n, bytes, sizeof bytes);
        assert(len >= 0);
        wr_copy(&out, bytes, (size_t)len);
    }
    assert(!out.failed);
    return span_of(buf, out.len);
}

/* ---- answers ---- */

static bool wrong(struct module_bench *m, const char *step, const char *what, struct span got)
{
    char hex[2 * 40 + 1];
    hex_encode(got.p, got.len < 40 ? got.len : 40, hex);
    snprintf(m->why, sizeof m->why, "\"%.200s\": %s %s%s", step, what, hex, got.len > 40 ? "..." : "");
    return false;
}

static size_t count_answers(const char *want)
{
    size_t n = *want && *want != '-';
    for (; *want; want++)
        n += *want == ',';
    return n;
}

static bool answer_is(const char *want, size_t len, const struct tester_answer *got)
{
    uint8_t head[TESTER_MAX];
    bool open = want[len - 1] == '*';
    long n = hex_decode(want, len - open, head, sizeof head);
    assert(n >= 0);
    return (open ? got->len >= (size_t)n : got->len == (size_t)n) && memcmp(head, got->bytes, (size_t)n) == 0;
}

/* All of these in their order, and no other. */
static bool check_answers(struct module_bench *m, const char *step, const char *want)
{
    const struct tester_answer *a;
    for (size_t n; *want && *want != '-'; want += n + (want[n] == ',')) {
        n = strcspn(want, ",");
        a = tester_answer(&m->tester);
        if (!a)
            return wrong(m, step, "an answer did not come", (struct span){0});
        if (!answer_is(want, n, a))
            return wrong(m, step, "the answer was", span_of(a->bytes, a->len));
        if (a->classic != m->tester.classic)
            return wrong(m, step, "the wrong format has", span_of(a->bytes, a->len));
    }
    a = tester_answer(&m->tester);
    return !a || wrong(m, step, "nobody awaited", span_of(a->bytes, a->len));
}

static void await(struct module_bench *m, size_t n)
{
    carry(m);
    for (unsigned long ms = 0; ms < LONGEST_MS && m->tester.answered - m->tester.read < n; ms++)
        pass_ms(m, 1);
    pass_ms(m, SETTLE_MS);
}

const struct tester_answer *module_ask(struct module_bench *m, struct span pdu)
{
    const struct tester_answer *last = NULL, *a;
    tester_ask(&m->tester, REQUEST_ID, pdu, m->b.now_us);
    do {
        await(m, 1);
        last = NULL;
        while ((a = tester_answer(&m->tester)))
            last = a;
    } while (last && last->len == 3 && last->bytes[0] == 0x7F && last->bytes[2] == 0x78);
    return last;
}

/* ---- steps ---- */

static bool open_level(struct module_bench *m, const char *step, uint8_t level, bool right)
{
    static const uint8_t secret[UDS_SECRET]; /* the plant's M on a bench */
    uint8_t k[UDS_SECRET], pdu[2 + UDS_KEY] = {0x27, level};
    struct span serial = span_of(MODULE_SERIAL, strlen(MODULE_SERIAL));
    const struct tester_answer *a = module_ask(m, span_of(pdu, 2));
    if (!a || a->len != 2 + UDS_SEED)
        return wrong(m, step, "no seed", a ? span_of(a->bytes, a->len) : (struct span){0});
    pdu[1] = (uint8_t)(level + 1);
    enum err e = uds_security_ecu_key(test_crypto(), secret, level, serial, k);
    if (!e)
        e = uds_security_key(test_crypto(), k, level, a->bytes + 2, pdu + 2);
    assert(!e);
    (void)e;
    pdu[2] ^= !right;
    a = module_ask(m, span_of(pdu, sizeof pdu));
    return a && a->bytes[0] == (right ? 0x67 : 0x7F)
               ? true
               : wrong(m, step, "the key got", a ? span_of(a->bytes, a->len) : (struct span){0});
}

static void say(struct module_bench *m, enum matrix_message row, uint8_t *alive, uint8_t flags)
{
    struct bus_frame f = {.id = matrix_row(row)->id, .len = 8};
    f.data[0] = flags;
    f.data[1] = *alive = (*alive + 1) & 15;
    f.data[7] = matrix_checksum(f.id, f.data, 8);
    bench_frame(&m->b.node, 0, &f);
    carry(m);
}

static bool is(const char *step, const char *word)
{
    return strncmp(step, word, strlen(word)) == 0;
}

static bool play_words(struct module_bench *m, const char *step, const char *want)
{
    uint8_t buf[TESTER_MAX];
    if (is(step, "level "))
        return open_level(m, step, (uint8_t)strtoul(step + 6, NULL, 16), true);
    if (is(step, "wrong "))
        return open_level(m, step, (uint8_t)strtoul(step + 6, NULL, 16), false);
    if (is(step, "wait ")) {
        pass_ms(m, strtoul(step + 5, NULL, 10));
        return check_answers(m, step, want ? want : "-");
    }
    if (is(step, "B ")) {
        tester_ask(&m->tester, REQUEST_ID, request_of(m, step + 2, buf), m->b.now_us);
        carry(m);
    } else if (is(step, "tbm ")) {
        say(m, MATRIX_TBM_STATUS, &m->alive[0], (uint8_t)strtoul(step + 4, NULL, 16));
    } else if (is(step, "pad")) {
        say(m, MATRIX_WCP_STATUS, &m->alive[1], 0);
    } else if (is(step, "door")) {
        say(m, MATRIX_DOOR_STATUS, &m->alive[2], 0);
    } else {
        assert(is(step, "cut"));
        enum err e = module_boot(m);
        return !e || wrong(m, step, err_name(e), (struct span){0});
    }
    return true;
}

static bool play_step(struct module_bench *m, char *step)
{
    uint8_t buf[TESTER_MAX];
    char whole[TESTER_MAX];
    char *want = strstr(step, " > ");
    text_copy(whole, sizeof whole, step);
    if (want) {
        *want = '\0';
        want += 3;
    }
    bool all = is(step, "all ");
    if (!all && strspn(step, "0123456789ABCDEF") < 2)
        return play_words(m, step, want);
    assert(want);
    tester_ask(&m->tester, all ? 0x7DF : REQUEST_ID, request_of(m, step + 4 * all, buf), m->b.now_us);
    await(m, count_answers(want));
    return check_answers(m, whole, want);
}

bool module_play(struct module_bench *m, const char *steps)
{
    char step[TESTER_MAX];
    m->why[0] = '\0';
    for (size_t n; *steps; steps += n + strspn(steps + n, "; ")) {
        n = strcspn(steps, ";");
        assert(n < sizeof step);
        memcpy(step, steps, n);
        step[n] = '\0';
        if (!play_step(m, step))
            return false;
    }
    return true;
}

/* ---- what is not diagnostics ---- */

void module_message(struct module_bench *m, enum matrix_message row, struct span bytes)
{
    static struct isotp tp;
    static uint8_t rx[8];
    const struct matrix_row *r = matrix_row(row);
    struct isotp_config cfg = isotp_config_default(r->id, matrix_pair(r)->id);
    struct isotp_event ev;
    struct bus_frame f;
    isotp_init(&tp, &cfg, rx, sizeof rx);
    isotp_send(&tp, bytes.p, (uint32_t)bytes.len, 0);
    for (size_t seen = m->b.sent_count; isotp_sending(&tp);) {
        while (isotp_output(&tp, 0, &f, &ev))
            bench_frame(&m->b.node, 0, &f);
        if (seen == m->b.sent_count)
            break;
        for (; seen < m->b.sent_count; seen++)
            isotp_input(&tp, &m->b.sent[seen].frame, 0, &ev);
    }
}

struct span module_stored(struct module_bench *m, const char *key)
{
    static uint8_t values[4][ENV_VALUE_MAX];
    static unsigned next;
    uint8_t *value = values[next++ % 4];
    size_t len;
    if (store_get(m->b.node.store, key, value, ENV_VALUE_MAX, &len))
        return (struct span){NULL, 0};
    return span_of(value, len);
}

size_t module_steps(const struct module_bench *m, const char *step)
{
    size_t n = 0;
    for (size_t i = 0; i < m->b.trace_count; i++)
        n += m->b.trace[i].kind == TRACE_STEP && strcmp(m->b.trace[i].step, step) == 0;
    return n;
}

void module_expect_refusal(struct module_bench *m, const char *name, const char *request, enum err reason)
{
    module_count_commits(m);
    m->b.trace_count = 0;
    cr_expect(module_play(m, request), "%s: %s", name, m->why);
    cr_expect(eq(sz, bench_count(&m->b, TRACE_REJECT, reason), 1), "%s", name);
    cr_expect(eq(sz, bench_count(&m->b, TRACE_REJECT, ERR_OK), 1), "%s", name);
    cr_expect(eq(sz, bench_count(&m->b, TRACE_STEP, ERR_OK), 0), "%s", name);
    cr_expect(eq(u32, m->commits, 0), "%s", name);
}

/* ---- life ---- */

enum err module_boot(struct module_bench *m)
{
    if (m->b.node.self)
        node_stop(&m->b.node);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        m->b.due_us[i] = ENV_NEVER;
    m->b.sent_count = 0;
    tester_open(&m->tester, m->tester.classic);
    return bench_start(&m->b, &args);
}

struct module_bench *module_open(bool finished)
{
    static struct module_bench one;
    bench = &one;
    memset(bench, 0, sizeof *bench);
    bench_prepare(&bench->b, &spaak_class, test_crypto());
    test_equip(&spaak_class, MODULE_SERIAL, bench->b.node.store);
    if (finished &&
        history_finish(test_crypto(), test_oem(TEST_NOW_S), MODULE_SERIAL, TEST_NOW_S, bench->b.node.store))
        abort();
    good = bench->b.node.store->ops;
    counting = *good;
    counting.apply = count_and_apply;
    bench->b.node.store->ops = &counting;
    if (module_boot(bench))
        abort();
    return bench;
}

void module_close(struct module_bench *m)
{
    bench_free(&m->b);
}
