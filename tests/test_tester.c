/* The tester at the end of the line: what it sends, what it makes of the answers, and that it may be killed
 * between any two frames. */
#include <stdio.h>

#include "sim/actors/tester/tester.h"
#include "tests/check.h"
#include "tests/tester_bench.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define BYTES    4096

static struct tester_bench bench;

static const char *anchor_key(unsigned slot)
{
    static const char *const keys[] = {"anchor/J", "anchor/J1", "anchor/J_PhysicalKey", "anchor/Z1",
                                       "anchor/ZZ2"};
    return keys[slot];
}

static size_t load(const char *key, uint8_t out[BYTES])
{
    size_t len;
    ASSERT_OK(store_get(bench.tester.node.store, key, out, BYTES, &len));
    return len;
}

/* ---- RP-01 to the byte ---- */

/* The first 48 bytes of a request in the form of the log. */
static void expect_request(size_t at, uint32_t id, const char *head, struct span rest)
{
    uint8_t pdu[BYTES];
    char want[2 * 48 + 8], hex[2 * 48 + 1];
    long n = hex_decode(head, strlen(head), pdu, sizeof pdu);
    cr_assert(ge(long, n, 0));
    if (rest.len)
        memcpy(pdu + n, rest.p, rest.len);
    size_t len = (size_t)n + rest.len;
    hex_encode(pdu, len < 48 ? len : 48, hex);
    snprintf(want, sizeof want, "%03X %s", id, hex);
    cr_expect(eq(str, bench.log[at], want), "request %zu", at);
}

static void expect_anchors(size_t at)
{
    uint8_t der[BYTES];
    for (unsigned slot = 0; slot < 5; slot++) {
        char head[16];
        snprintf(head, sizeof head, "31010303%02X", slot + 1);
        expect_request(at + slot, 0x7A0, head, span_of(der, load(anchor_key(slot), der)));
        snprintf(head, sizeof head, "2202%02X", 0x10 + slot);
        expect_request(at + 5 + slot, 0x7A0, head, (struct span){0});
    }
}

Test(tester, rp01_to_the_byte)
{
    uint8_t der[BYTES];
    char head[16];
    const struct span none = {0};
    tester_bench_open(&bench, 0);
    EXPECT_OK(tester_bench_call(&bench, "install-anchors", 1, 0, 0));
    cr_assert(tester_bench_until(&bench, "anchors=installed bench=1", 5000));
    size_t len = load("tester-eol/certificate", der);
    snprintf(head, sizeof head, "290100%04zX", len);
    expect_request(0, 0x7A2, "1003", none);
    expect_request(1, 0x7A2, "22F18C", none);
    expect_request(2, 0x7A2, head, span_of(der, len));
    cr_expect(eq(int, strncmp(bench.log[3], "7A2 29030040", 12), 0), "the proof differs each time");
    expect_request(4, 0x7A0, "22F18C0200", none);
    expect_request(5, 0x7A0, "1060", none);
    expect_request(6, 0x7A0, "2761", none);
    expect_request(7, 0x7A0, "2762BBD3E562EC60322C990EF8AC1BD5C0D8", none);
    expect_anchors(8);
    expect_request(18, 0x7A0, "310103054C4F434B", none);
    expect_request(19, 0x7A0, "1001", none);
    expect_request(20, 0x7A2, "2900", none);
    expect_request(21, 0x7A2, "1001", none);
    cr_expect(eq(sz, bench.logged, 22));
    cr_expect(eq(u8, bench.models[0].life, 2));
    tester_bench_close(&bench);
}

/* ---- frames ---- */

Test(tester, frames_to_the_byte)
{
    static const char *const want[] = {
        "7A2##5021003CCCCCCCCCC", "7A2##50322F18CCCCCCCCC", "7A2##51", /* the certificate's first frame */
    };
    tester_bench_open(&bench, 0);
    EXPECT_OK(tester_bench_call(&bench, "open-gate", 1, 0, 0));
    cr_assert(tester_bench_until(&bench, "gate=open bench=1", 1000));
    for (size_t i = 0; i < COUNT(want); i++)
        cr_expect(eq(int, strncmp(bench.frames[i], want[i], strlen(want[i])), 0), "%s", bench.frames[i]);
    for (unsigned i = 0; i < 5; i++)
        tester_bench_step(&bench);
    cr_expect(eq(str, bench.frames[bench.frame_count - 1], (char *)"7DF##5023E80CCCCCCCCCC"));
    EXPECT_OK(
        tester_bench_call(&bench, "uds", 1, 1, 0)); /* a TBM is not there: its silence changes nothing */
    cr_assert(tester_bench_until(&bench, "uds=timeout bench=1", 1000));
    size_t sent = bench.frame_count;
    for (unsigned i = 0; i < 6100; i++)
        tester_bench_step(&bench);
    cr_expect(eq(sz, bench.frame_count, sent + 3), "every 2 s");
    EXPECT_OK(tester_bench_call(&bench, "close-gate", 1, 0, 0));
    cr_assert(tester_bench_until(&bench, "closed=yes bench=1", 1000));
    for (unsigned i = 0; i < 100; i++)
        tester_bench_step(&bench);
    for (unsigned i = 0; i < ENV_TIMERS; i++)
        cr_expect(eq(u64, bench.tester.due_us[i], ENV_NEVER), "idle it waits for nothing: timer %u", i);
    cr_expect(not(bench.models[0].gate_open));
    tester_bench_close(&bench);
}

/* ---- what answers lead to ---- */

static const struct {
    const char *name, *request, *answer;
    unsigned times;
    enum err reason; /* OK: it is installed all the same */
    size_t retries;
} answers[] = {
    {"malformed", "3101030301", "7101030301", 0, ERR_DER_SYNTAX, 0},
    {"not a CA", "3101030302", "7101030302", 0, ERR_CERT_NOT_CA, 0},
    {"wrong slot", "3101030303", "7101030303", 0, ERR_ANCHOR_SLOT, 0},
    {"expired", "3101030304", "7101030304", 0, ERR_CERT_EXPIRED, 0},
    {"not yet valid", "3101030305", "7101030305", 0, ERR_CERT_NOT_YET_VALID, 0},
    {"chain", "3101030305", "7101030306", 0, ERR_CERT_SIGNATURE, 0},
    {"key type", "3101030305", "7101030307", 0, ERR_KEY_NOT_P256, 0},
    {"held", "3101030305", "7101030308", 0, ERR_ANCHOR_HELD, 0},
    {"a verdict of others", "3101030305", "7101030309", 0, ERR_UDS_ANSWER, 0},
    {"a verdict of two bytes", "3101030305", "710103030000", 0, ERR_UDS_ANSWER, 0},
    {"locked", "3101030301", "7F3122", 0, ERR_UDS_REFUSED, 0},
    {"certificate refused", "2901", "7F2950", 0, ERR_UDS_REFUSED, 0},
    {"proof refused", "2903", "7F2958", 0, ERR_UDS_REFUSED, 0},
    {"a short challenge", "2901", "6901110001AA0000", 0, ERR_UDS_ANSWER, 0},
    {"no plant session", "1060", "7F1022", 0, ERR_UDS_REFUSED, 0},
    {"wrong key", "2762", "7F2735", 0, ERR_UDS_REFUSED, 0},
    {"a short seed", "2761", "67611011", 0, ERR_UDS_ANSWER, 0},
    {"another fingerprint", "220212",
     "6202120000000000000000000000000000000000000000000000000000000000000000", 0, ERR_ANCHOR_HELD, 0},
    {"not to be locked", "31010305", "7F3122", 0, ERR_UDS_REFUSED, 0},
    {"a life of its own", "22F18C0200", "62F18C535041414B3030303030303031020004", 0, ERR_UDS_ANSWER, 0},
    {"a serial that is none", "22F18C0200", "62F18C412F423030303030303030303031020001", 0, ERR_UDS_ANSWER, 0},
    {"a serial with an end inside", "22F18C0200", "62F18C535041414B3030300030303031020001", 0, ERR_UDS_ANSWER,
     0},
    {"silence for ever", "22F18C0200", NULL, 0, ERR_UDS_NO_ANSWER, 3},
    {"silence once", "3101030303", NULL, 1, ERR_OK, 1},
    {"level lost once", "3101030303", "7F3133", 1, ERR_OK, 1},
    {"session lost once", "31010305", "7F317F", 1, ERR_OK, 1},
    {"busy for ever", "1060", "7F1021", 0, ERR_UDS_REFUSED, 3},
    {"another's answer once", "220210", "620211", 1, ERR_OK, 1},
    {"another's answer for ever", "220210", "620211", 0, ERR_UDS_ANSWER, 3},
    {"a delay", "2761", "7F2737", 3, ERR_OK, 0},
    {"a delay that does not end", "2761", "7F2737", 0, ERR_UDS_REFUSED, 0},
    {"open already", "2761", "676100000000000000000000000000000000", 0, ERR_UDS_REFUSED, 3},
    {"the gate is lost at the end", "2900", NULL, 1, ERR_OK, 0},
};

Test(tester, what_answers_lead_to)
{
    char keys[BYTES];
    for (size_t i = 0; i < COUNT(answers); i++) {
        tester_bench_open(&bench, 0);
        bench.swaps[0] = (struct swapped){
            .request = answers[i].request, .answer = answers[i].answer, .times = answers[i].times};
        EXPECT_OK(tester_bench_call(&bench, "install-anchors", 1, 0, 0));
        cr_expect(
            tester_bench_until(&bench, answers[i].reason ? "anchors=failed" : "anchors=installed", 60000),
            "%s", answers[i].name);
        const struct trace_event *fail = bench_last(&bench.tester, TRACE_FAIL);
        cr_expect(eq(str, (char *)err_name(fail ? (enum err)fail->reason : ERR_OK),
                     (char *)err_name(answers[i].reason)),
                  "%s", answers[i].name);
        cr_expect(eq(sz, bench_count(&bench.tester, TRACE_RETRY, ERR_OK), answers[i].retries), "%s",
                  answers[i].name);
        tester_bench_keys(&bench, keys, sizeof keys);
        cr_expect(eq(ptr, strstr(keys, "job/"), NULL), "%s: %s", answers[i].name, keys);
        cr_expect(eq(u8, bench.models[0].life, answers[i].reason ? 1 : 2), "%s", answers[i].name);
        tester_bench_close(&bench);
    }
}

/* Whatever it hears, a job comes to an end, and says which. */
Test(tester, noise, .timeout = 120)
{
    static const struct {
        const char *call, *note;
        uint8_t life;
    } jobs[] = {{"install-anchors", "anchors=", 1}, {"certify", "certify=ended", 2}};
    char keys[BYTES];
    size_t well = 0;
    for (uint32_t seed = 1; seed <= 400; seed++) {
        size_t k = seed % COUNT(jobs);
        tester_bench_open(&bench, 0);
        bench.settings[2] = 20;
        tester_bench_kill(&bench); /* with these settings */
        bench.models[0].life = jobs[k].life;
        bench.noise = seed;
        EXPECT_OK(tester_bench_call(&bench, jobs[k].call, 1, 0, 0));
        cr_expect(tester_bench_until(&bench, jobs[k].note, 200000), "%s, seed %u", jobs[k].call, seed);
        tester_bench_keys(&bench, keys, sizeof keys);
        cr_expect(not(strstr(keys, "job/") || strstr(keys, "module/")), "seed %u: %s", seed, keys);
        well += bench.models[0].life == jobs[k].life + 1;
        tester_bench_close(&bench);
    }
    cr_expect(lt(sz, 100, well), "some come through: %zu", well);
    cr_expect(lt(sz, well, 350), "and some do not: %zu", well);
}

/* ---- killed between any two frames ---- */

/* Runs a call, with the tester killed after so many steps; the steps it took, 0 when it did not end. */
static unsigned run_killed(const char *call, uint64_t made, const char *note, unsigned kill_at)
{
    unsigned steps = 0;
    bool anchors = strcmp(call, "install-anchors") == 0;
    EXPECT_OK(tester_bench_call(&bench, call, 1, made, 0));
    for (; steps < kill_at && !tester_bench_until(&bench, note, 1); steps++)
        ;
    if (kill_at != UINT32_MAX && steps == kill_at)
        tester_bench_kill(&bench);
    cr_assert(tester_bench_until(&bench, note, 30000), "%s killed after %u steps", call, kill_at);
    cr_expect(eq(u8, bench.models[0].life, anchors ? 2 : 3));
    return steps;
}

static void expect_killed_anywhere(const char *call, uint64_t made, const char *note, uint8_t life)
{
    char want[BYTES], keys[BYTES];
    uint8_t identity[X509_MAX];
    size_t len, issued;
    tester_bench_open(&bench, (unsigned)made);
    bench.models[0].life = life;
    unsigned steps = run_killed(call, made, note, UINT32_MAX);
    tester_bench_keys(&bench, want, sizeof want);
    tester_bench_close(&bench);
    cr_assert(lt(u32, 20, steps));
    for (unsigned at = 1; at < steps; at++) {
        tester_bench_open(&bench, (unsigned)made);
        bench.models[0].life = life;
        run_killed(call, made, note, at);
        tester_bench_keys(&bench, keys, sizeof keys);
        cr_expect(eq(str, keys, want), "killed after %u steps", at);
        cr_expect(le(u32, bench.models[0].keys_made, 1));
        issued = 0;
        for (unsigned i = 0; i < made; i++) {
            char key[64];
            snprintf(key, sizeof key, PKI_IDENTITY_PREFIX "SPAAK0000%04u", 1001 + i);
            issued += !store_get(bench.pki.node.store, key, identity, sizeof identity, &len);
        }
        cr_expect(eq(sz, issued, made), "killed after %u steps", at);
        tester_bench_close(&bench);
    }
}

Test(tester, rp01_killed_between_any_two_frames, .timeout = 120)
{
    expect_killed_anywhere("install-anchors", 0, "anchors=installed", 1);
}

Test(tester, rp02_killed_between_any_two_frames, .timeout = 120)
{
    expect_killed_anywhere("certify", 9, "certify=ended benches=1 made=9 refused=0", 2);
}

/* ---- batches ---- */

Test(tester, a_batch_over_three_benches)
{
    char keys[64 * 1024];
    tester_bench_open(&bench, 97);
    for (unsigned i = 0; i < 3; i++)
        bench.models[i].life = 2;
    EXPECT_OK(tester_bench_call(&bench, "certify", 3, 97, 3));
    cr_assert(tester_bench_until(&bench, "certify=ended benches=3 made=94 refused=3", 20000));
    cr_expect(eq(sz, bench_count(&bench.tester, TRACE_FAIL, ERR_CSR_SIGNATURE), 1));
    cr_expect(eq(sz, bench_count(&bench.tester, TRACE_FAIL, ERR_ECU_UNKNOWN), 1));
    cr_expect(eq(sz, bench_count(&bench.tester, TRACE_FAIL, ERR_CSR_ALREADY_ISSUED), 1));
    for (unsigned i = 0; i < 3; i++) {
        cr_expect(eq(u8, bench.models[i].life, 3));
        cr_expect(eq(u32, bench.models[i].keys_made, 1));
        cr_expect(eq(u32, bench.models[i].csrs_made, 1));
    }
    tester_bench_keys(&bench, keys, sizeof keys);
    cr_expect(eq(ptr, strstr(keys, "module/"), NULL));
    cr_expect(ne(ptr, strstr(keys, "report/SPAAK00000003"), NULL));
    tester_bench_close(&bench);
}

Test(tester, a_module_that_is_not_locked_gives_no_csr)
{
    tester_bench_open(&bench, 0);
    EXPECT_OK(tester_bench_call(&bench, "certify", 1, 0, 0));
    cr_assert(tester_bench_until(&bench, "certify=ended benches=0 made=0 refused=1", 20000));
    cr_expect(ge(sz, bench_count(&bench.tester, TRACE_FAIL, ERR_PLANT_OPEN), 1));
    cr_expect(eq(u32, bench.models[0].keys_made, 0));
    tester_bench_close(&bench);
}

Test(tester, a_batch_waits_for_the_pki_and_goes_on_when_asked)
{
    tester_bench_open(&bench, 3);
    bench.models[0].life = 2;
    bench.pki_away = true;
    EXPECT_OK(tester_bench_call(&bench, "certify", 1, 3, 0));
    cr_assert(tester_bench_until(&bench, "certify=stopped reason=PKI_UNREACHABLE", 20000));
    cr_expect(eq(sz, bench_count(&bench.tester, TRACE_RETRY, ERR_PKI_UNREACHABLE), 3));
    bench.pki_away = false;
    EXPECT_OK(tester_bench_call(&bench, "certify", 1, 9, 0));
    cr_assert(tester_bench_until(&bench, "certify=ended benches=1 made=3 refused=0", 20000),
              "the batch that was there");
    tester_bench_close(&bench);
}

/* One that never answers stops no other. */
Test(tester, a_bench_that_is_dead_is_named)
{
    char keys[BYTES];
    tester_bench_open(&bench, 0);
    for (unsigned i = 0; i < 3; i++)
        bench.models[i].life = 2;
    bench.models[1].dead = true;
    EXPECT_OK(tester_bench_call(&bench, "certify", 3, 0, 0));
    cr_assert(tester_bench_until(&bench, "certify=ended benches=2 made=0 refused=1", 60000));
    cr_expect(eq(sz, bench_count(&bench.tester, TRACE_FAIL, ERR_UDS_NO_ANSWER), 2),
              "the job, and the report");
    tester_bench_keys(&bench, keys, sizeof keys);
    cr_expect(ne(ptr, strstr(keys, "report/bench-2"), NULL), "%s", keys);
    cr_expect(eq(u8, bench.models[2].life, 3));
    tester_bench_close(&bench);
}

/* Certified already, before a batch: nothing is collected from it. */
Test(tester, a_module_that_is_done_is_left_alone)
{
    tester_bench_open(&bench, 0);
    bench.models[0].life = 3;
    EXPECT_OK(tester_bench_call(&bench, "certify", 1, 0, 0));
    cr_assert(tester_bench_until(&bench, "certify=ended benches=1 made=0 refused=0", 20000));
    cr_expect(eq(u32, bench.models[0].keys_made, 0));
    cr_expect(eq(sz, bench_count(&bench.tester, TRACE_SEND, ERR_OK), 0), "the PKI is not asked");
    tester_bench_close(&bench);
}

/* Whatever byte of the PKI's answer is another: a page that cannot be read is asked for again, a certificate
 * that is not the module's is not installed. */
Test(tester, an_answer_that_was_tampered_with, .timeout = 120)
{
    uint8_t der[X509_MAX], digest[SHA256_SIZE];
    size_t len, refused = 0, again = 0;
    for (size_t at = 1; at <= 380; at++) {
        tester_bench_open(&bench, 0);
        bench.models[0].life = 2;
        bench.flip_at = at;
        EXPECT_OK(tester_bench_call(&bench, "certify", 1, 0, 0));
        cr_assert(tester_bench_until(&bench, "certify=ended", 20000), "byte %zu", at);
        ASSERT_OK(
            store_get(bench.pki.node.store, PKI_IDENTITY_PREFIX "SPAAK00000001", der, sizeof der, &len));
        crypto_sha256(test_crypto(), &(struct span){der, len}, 1, digest);
        bool installed = bench.models[0].life == 3;
        cr_expect(eq(int, installed, memcmp(digest, bench.models[0].identity, sizeof digest) == 0),
                  "byte %zu", at);
        refused += !installed;
        again += bench_count(&bench.tester, TRACE_RETRY, ERR_OK) > 0;
        tester_bench_close(&bench);
    }
    cr_expect(lt(sz, 200, refused), "most of it is the certificate");
    cr_expect(lt(sz, 30, again), "the rest is the page");
}

/* ---- the other calls ---- */

static const struct {
    const char *call;
    uint64_t values[3];
    enum err e;
} refused[] = {
    {"install-anchors", {1}, ERR_BUSY},
    {"certify", {1, 0, 0}, ERR_BUSY},
    {"certify", {0, 0, 0}, ERR_BAD_ARGUMENT},
    {"certify", {0, 3, 4}, ERR_BAD_ARGUMENT},
    {"close-gate", {1}, ERR_BUSY},
};

Test(tester, a_bench_has_one_job_at_a_time)
{
    tester_bench_open(&bench, 0);
    EXPECT_OK(tester_bench_call(&bench, "install-anchors", 1, 0, 0));
    for (size_t i = 0; i < COUNT(refused); i++)
        EXPECT_ERR(tester_bench_call(&bench, refused[i].call, refused[i].values[0], refused[i].values[1],
                                     refused[i].values[2]),
                   refused[i].e);
    EXPECT_OK(tester_bench_call(&bench, "install-anchors", 2, 0, 0));
    cr_expect(tester_bench_until(&bench, "anchors=installed bench=1", 5000));
    cr_expect(tester_bench_until(&bench, "anchors=installed bench=2", 5000));
    tester_bench_close(&bench);
}

/* Who has not asked takes no part: no flow control to an answer that another tester waits for. */
Test(tester, what_others_ask_for_is_not_answered)
{
    struct bus_frame f;
    tester_bench_open(&bench, 0);
    ASSERT_OK(bus_frame_parse("7A8##5102062F190315350", &f));
    bench_frame(&bench.tester.node, 0, &f);
    ASSERT_OK(bus_frame_parse("7A8##50322F190CCCCCCCC", &f));
    bench_frame(&bench.tester.node, 0, &f);
    cr_expect(eq(sz, bench.tester.sent_count, 0));
    for (unsigned i = 0; i < ENV_TIMERS; i++)
        cr_expect(eq(u64, bench.tester.due_us[i], ENV_NEVER));
    tester_bench_close(&bench);
}
