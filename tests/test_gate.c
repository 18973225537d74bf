/* The SGW's gate: who opens it, what crosses, what does not. Rows in the words of tests/gate_bench.h. */
#include "tests/check.h"
#include "tests/gate_bench.h"

static struct gate_bench bench;

struct row {
    const char *name, *steps;
};

static void play(const struct row *rows, size_t n, bool classic)
{
    for (size_t i = 0; i < n; i++) {
        gate_bench_open(&bench, classic);
        bool came_true = gate_bench_play(&bench, rows[i].steps);
        cr_expect(came_true, "%s: %s", rows[i].name, bench.why);
        gate_bench_close(&bench);
    }
}

#define PLAY(rows, classic) play(rows, sizeof rows / sizeof rows[0], classic)

#define SESSION "7A2 1003 > 5003003201F4; "
#define VIN     "62F19031535041414B3030303030303030303031"

static const struct row authentication[] = {
    {"closed", "7A0 22F190 > -; 7A2 220250 > 62025000; dropped BUS_GATE_CLOSED 1"},
    {"closed: all reaches the SGW only", "7DF 3E00 > 7AA 7E00; dropped BUS_GATE_CLOSED 1"},
    {"configuration in any session", "7A2 2908 > 690802; " SESSION "7A2 2908 > 690802"},
    {"certificates belong to session 03", "cert eol > 7F297E; 7A2 220250 > 62025000"},
    {"the gate opens", SESSION "cert eol > 6901110020*; proof good > 6903120000; 7A0 22F190 > " VIN
                               "; 7A1 22F190 > " VIN "; 7A2 2202500251 > 620250010251"
                               "01"},
    {"to a workshop", "open workshop; 7A0 22F190 > " VIN "; 7A2 2202500251 > 62025001025102"},
    {"proof without a challenge", SESSION "proof good > 7F2924"},
    {"wrong proof, then the right one", SESSION "cert eol > 69*; proof bad > 7F2958; proof good > 7F2924"},
    {"proof for another SGW", SESSION "cert eol > 69*; proof other > 7F2958; 7A2 220250 > 62025000"},
    {"proof too short", SESSION "cert eol > 69*; proof short > 7F2958"},
    {"proof with an ephemeral key", SESSION "cert eol > 69*; proof key > 7F295B; 7A2 220250 > 62025000"},
    {"expired", SESSION "cert expired > 7F2950"},
    {"not yet valid", SESSION "cert early > 7F2950"},
    {"a bit flipped", SESSION "cert flipped > 7F2951"},
    {"another chain", SESSION "cert other > 7F2952"},
    {"a CA as tester", SESSION "cert ca > 7F2953"},
    {"not DER", SESSION "cert garbage > 7F2954"},
    {"longer than a certificate", SESSION "cert long > 7F2954"},
    {"a certificate for something else", SESSION "cert usage > 7F2955"},
    {"unknown role", SESSION "cert role > 7F2956"},
    {"no role", SESSION "cert no-role > 7F2956"},
    {"revoked", SESSION "cert revoked > 7F2957"},
    {"longer than the message", SESSION "7A2 290100FFFF30000000 > 7F2913"},
    {"a configuration", SESSION "7A2 2901010001300000 > 7F295C"},
    {"a challenge of the tester's", SESSION "7A2 29010000013000015A > 7F295C"},
    {"other ways", SESSION "7A2 2902 > 7F2912; 7A2 2905 > 7F2912"},
    {"a refused certificate drops the challenge",
     SESSION "cert eol > 69*; cert expired > 7F2950; proof good > 7F2924"},
    {"an ECU behind it has no 29", "open; 7A0 2908 > 7F2911"},
    {"power", "open; cut; 7A2 220250 > 62025000; 7A0 3E00 > -"},
};

Test(gate, authentication)
{
    PLAY(authentication, false);
}

#define VIN_AND_OPEN "open; 7A0 3E00 > 7E00; "

static const struct row crossing[] = {
    {"29 00 closes", VIN_AND_OPEN "7A2 2900 > 690010; 7A0 3E00 > -; 7A2 220250 > 62025000"},
    {"10 01 closes", VIN_AND_OPEN "7A2 1001 > 5001003201F4; 7A0 3E00 > -"},
    {"10 03 again closes", VIN_AND_OPEN SESSION "7A0 3E00 > -"},
    {"S3 closes", VIN_AND_OPEN "wait 4700; 7A0 3E00 > 7E00; wait 400; 7A0 3E00 > -; 7A2 22F186 > 62F18601"},
    {"3E 80 to all holds it open", VIN_AND_OPEN "alive 60000; 7A0 3E00 > 7E00; 7A2 2202500252 > 62025001*"},
    {"a reset closes",
     VIN_AND_OPEN "7A2 1101 > 5101; wait 100; 7A0 3E00 > -; wait 300; 7A0 3E00 > -; 7A2 220250 "
                  "> 62025000"},
    {"a reset closes before it happens", VIN_AND_OPEN "7A2 1101 > 5101; D 7A0#023E00CCCCCCCCCC; clean"},
    {"what a tester has opened is not the next one's", "open; 7A0 1003 > 5003*; 7A0 22F186 > 62F18603; 7A2 "
                                                       "2900 > 690010; open workshop; 7A0 22F186 > 62F18601"},
    {"not even the same one's", "open; 7A0 1003 > 5003*; 7A2 2900 > 690010; open; 7A0 22F186 > 62F18601; 7A0 "
                                "1003 > 5003*; 7DF 3E80 > -; 7A0 "
                                "22F186 > 62F18603"},
    {"an undeclared identifier",
     VIN_AND_OPEN "dropped BUS_NOT_ALLOWED 0; D 7A3#023E00; clean; dropped BUS_NOT_ALLOWED 1; dtc DA2068 29"},
    {"a first frame to all", "open; D 7DF#1014010203040506; wait 100; clean"},
    {"a message that is too long", "open; D 7A0#1FFF010203040506; frame 7A8#32*; clean"},
    {"a single frame of length 0", "open; D 7A0#00CCCCCCCCCCCCCC; wait 100; clean"},
    {"10 03 to all: all answer, and the gate closes",
     "open; 7DF 1003 > 7A8 5003003201F4,7A9 5003003201F4,7AA 5003003201F4; 7A0 3E00 > -; 7A2 220250 > "
     "62025000"},
    {"a late answer after the gate has closed",
     "open; level; B 7A0 31010310; wait 60; 7A2 2900 > 7A8 7F3178,7AA 690010; "
     "wait 11500; dropped BUS_NO_REQUEST 3; 7A0 3E00 > -"},
    {"a pending answer while it is open",
     "open; level; B 7A0 31010310; alive 11500; 7A0 3E00 > 7A8 7F3178,7A8 7F3178,7A8 7F3178,7A8 "
     "7101031000,7A8 7E00; dropped BUS_NO_REQUEST 0"},
    {"a pending answer keeps its way open by itself",
     "open; level; B 7A0 31010310; wait 4000; 7A2 3E00 > 7E00,7A8 7F3178; wait 4000; 7A2 3E00 > 7E00,7A8 "
     "7F3178; "
     "wait 3500; 7A2 3E00 > 7E00,7A8 7F3178,7A8 7101031000"},
    {"S3 of the SGW stands still while a request arrives",
     "open; wait 4800; D 7A2##5100922F186F186F1; wait 500; D 7A2##52186F186CCCCCCCC; 7A0 3E00 > 7E00,7AA "
     "62F18603F18603F18603F18603"},
    {"a request cut after its first frame: S3 runs on",
     "open; 7A0 1003 > 5003*; wait 4000; 7A2 3E00 > 7E00; D 7A0#1014010203040506; frame 7A8#30*; wait 1100; "
     "7A2 3E00 > 7E00; "
     "7A0 "
     "22F186 > 62F18601"},
    {"nobody asked", "open; B 7A8#027E00; clean; dropped BUS_NO_REQUEST 1; T 7A9#027E00; clean"},
    {"an answer too late",
     "open; 7A0 3E00 > 7E00; alive 5900; D 7DF#023E80; B 7A8#027E00; frame 7A8#027E00*"},
    {"an answer too late, after a request to one", "open; 7A0 3E00 > 7E00; wait 3000; 7A2 3E00 > 7E00; wait "
                                                   "2900; B 7A8#027E00; frame 7A8#027E00*; wait 120; "
                                                   "B 7A8#027E00; clean; dropped BUS_NO_REQUEST 1"},
    {"a request to one ECU lets no other answer", "open; 7A0 3E00 > 7E00; T 7A9#027E00; clean"},
    {"a tester on another segment", "open; B 7A0#023E00; clean; dropped BUS_NOT_ALLOWED 1"},
    {"frames that were dropped, by segment", "7A2 220253 > 62025300000000000000000000000000000000; D 7A3#00; "
                                             "D 7A0#023E00; B 7A8#027E00; 7A2 220253 > "
                                             "62025300000001000000000000000000000002"},
};

Test(gate, crossing)
{
    PLAY(crossing, false);
}

/* A workshop reaches what it needs; the plant's session and level are not even asked for. */
static const struct row workshop[] = {
    {"reads", "open workshop; 7A0 22F190 > " VIN "; 7A0 190200 > 590239; 7A0 14FFFFFF > 54"},
    {"level 01", "open workshop; level; 7A0 2E0230012C > 6E0230"},
    {"no plant session",
     "open workshop; 7A0 1060 > -; 7A0 10E0 > -; dropped BUS_ROLE 2; 7A0 22F186 > 62F18601"},
    {"without an answer, too", "open workshop; 7A0 1083 > -; 7A0 22F186 > 62F18603; dropped BUS_ROLE 0"},
    {"no plant level", "open workshop; 7A0 2761 > -; 7A0 2762 > -; dropped BUS_ROLE 2"},
    {"not in a first frame either",
     "open workshop; D 7A0#1014276201020304; wait 50; clean; dropped BUS_ROLE 1"},
    {"nor by the escape",
     "open workshop; D 7A0##5000A27620102030405060708; wait 50; clean; dropped BUS_ROLE 1"},
    {"nor to all", "open workshop; 7DF 1060 > -; dropped BUS_ROLE 1"},
    {"no authentication of others", "open workshop; 7A0 2908 > -; dropped BUS_ROLE 1"},
    {"the end of line does", "open; 7A0 1060 > 5060003201F4; 7A0 2762 > 7F2713"},
    {"nothing is left of a role",
     "open; 7A2 2900 > 690010; 7A2 220251 > 62025100; open workshop; 7A2 220251 > 62025102; 7A0 1060 > -"},
};

Test(gate, workshop)
{
    PLAY(workshop, false);
}

/* An outside tester may have classic frames only. */
static const struct row classic[] = {
    {"opens",
     "open; 7A0 22F190 > " VIN "; 7A1 22F18CF190 > 62F18C*; 7A2 22F18C > 62F18C5347573030303030303030"
     "3031"},
    {"to all", "open; 7DF 3E00 > 7A8 7E00,7A9 7E00,7AA 7E00"},
    {"a long answer", "open; 7A0 220221 > 620221*; 7A0 3E00 > 7E00; dropped BUS_RATE 0"},
};

Test(gate, a_tester_without_can_fd)
{
    PLAY(classic, true);
}

static const struct row codes[] = {
    {"three wrong proofs",
     SESSION "cert eol > 69*; proof bad > 7F2958; cert eol > 69*; proof bad > 7F2958; dtc "
             "DA2168 10; cert eol > 69*; proof bad > 7F2958; dtc DA2168 29"},
    {"a right proof between them", SESSION
     "cert eol > 69*; proof bad > 7F2958; cert eol > 69*; proof bad > 7F2958; cert eol > 69*; proof good > "
     "6903120000; dtc DA2168 00; cert eol > 69*; proof bad > 7F2958; dtc DA2168 00"},
    {"it stays over a power cut, and is cleared",
     "D 7A3#00; dtc DA2068 29; cut; dtc DA2068 29; 7A2 14DA2068 > 54; dtc DA2068 10"},
    {"a closed gate is no trouble", "D 7A0#023E00; dtc DA2068 10"},
    {"85 02: nothing changes",
     SESSION "7A2 8502 > C502; D 7A3#00; dtc DA2068 10; 7A2 8501 > C501; D 7A3#00; dtc "
             "DA2068 29"},
    {"TBM silent", "dtc C19887 10; wait 2000; dtc C19887 29"},
    {"TBM there", "wait 1000; T 3A0#0300000000000000; dtc C19887 00; wait 1900; dtc C19887 00; wait 200; dtc "
                  "C19887 29; T 3A0#0300000000000000; dtc C19887 28"},
};

Test(gate, trouble_codes)
{
    PLAY(codes, false);
}

static const struct row tables[] = {
    {"numbers",
     "7A2 22F187 > 62F18734373131303030303033; 7A2 22F18C > 62F18C53475730303030303030303031; 7A2 22F190 "
     "> " VIN "; 7A2 22F191 > 62F19148573031; 7A2 22F195 > 62F195535730303031; 7A2 22F186 > 62F18601"},
    {"nothing of it is written", SESSION "7A2 2EF19031 > 7F2E31; 7A2 2E025001 > 7F2E31"},
    {"no 27, no 31", SESSION "7A2 2701 > 7F2711; 7A2 31010320 > 7F3111"},
    {"sessions", "7A2 1002 > 7F1012; 7A2 1060 > 7F1012; 7A2 8501 > 7F857F"},
    {"a reset: silent for its boot time",
     "7A2 1103 > 5103; wait 100; B 7A2 3E00 > -; wait 100; 7A2 3E00 > -; wait 10; 7A2 3E00 > 7E00"},
    {"a reset forgets what was dropped",
     "D 7A3#00; 7A2 220253 > 62025300000000000000000000000000000001; 7A2 1101 > 5101; wait 300; 7A2 220253 > "
     "62025300000000000000000000000000000000"},
    {"nobody's digest",
     "7A2 220252 > 6202520000000000000000000000000000000000000000000000000000000000000000"},
};

Test(gate, the_rest_of_the_table)
{
    PLAY(tables, false);
}

/* While it boots nothing crosses. */
Test(gate, a_gateway_that_boots_carries_nothing)
{
    gate_bench_open(&bench, false);
    cr_expect(gate_bench_play(&bench, "7A2 1101 > 5101; wait 70"), "%s", bench.why);
    struct bus_frame f;
    bus_frame_parse("3A0#0300000000000000", &f);
    bench_frame(&bench.sgw.node, SEGMENT_TELEMATICS, &f);
    cr_expect(eq(sz, bench.sgw.sent_count, 0));
    cr_expect(gate_bench_play(&bench, "wait 200"), "%s", bench.why);
    bench_frame(&bench.sgw.node, SEGMENT_TELEMATICS, &f);
    cr_expect(eq(sz, bench.sgw.sent_count, 1));
    bench.sgw.sent_count = 0;
    gate_bench_close(&bench);
}

static void take_away(const char *key)
{
    struct store_put gone = {.key = (char *)key, .value = {NULL, 0}};
    store_apply(bench.sgw.node.store, &gone, 1);
}

/* A timer may come late; the session has ended all the same. */
Test(gate, a_frame_that_comes_before_the_timer_finds_it_closed)
{
    struct bus_frame f;
    bus_frame_parse("7A0#023E00CCCCCCCCCC", &f);
    gate_bench_open(&bench, false);
    cr_assert(gate_bench_play(&bench, "open"), "%s", bench.why);
    bench.sgw.now_us += 5100000;
    bench_frame(&bench.sgw.node, SEGMENT_DIAGNOSTIC, &f);
    cr_assert(eq(sz, bench.sgw.sent_count, 2)); /* 10 81 to all, on the two segments of ECUs */
    for (size_t i = 0; i < 2; i++) {
        const struct bench_sent *s = &bench.sgw.sent[i];
        cr_expect(eq(u32, s->frame.id, 0x7DF));
        cr_expect(memcmp(s->frame.data, "\x02\x10\x81\xCC\xCC\xCC\xCC\xCC", 8) == 0);
    }
    cr_expect(eq(sz, bench_count(&bench.sgw, TRACE_DROP, ERR_BUS_GATE_CLOSED), 1));
    gate_bench_close(&bench);
}

/* Without J1 nobody's certificate is worth anything; without J that of J1 still is. */
Test(gate, anchors_that_are_missing)
{
    gate_bench_open(&bench, false);
    take_away("anchor/J");
    cr_expect(gate_bench_play(&bench, "open; 7A0 3E00 > 7E00"), "%s", bench.why);
    take_away("anchor/J1");
    cr_expect(gate_bench_play(&bench, SESSION "cert eol > 7F2952"), "%s", bench.why);
    gate_bench_close(&bench);
}

/* ---- floods ---- */

static size_t flood(struct gate_bench *g, const char *text, unsigned n, enum segment to)
{
    struct bus_frame f;
    size_t passed = 0;
    bus_frame_parse(text, &f);
    for (unsigned i = 0; i < n; i++) {
        bench_frame(&g->sgw.node, SEGMENT_DIAGNOSTIC, &f);
        for (size_t k = 0; k < g->sgw.sent_count; k++)
            passed += g->sgw.sent[k].port == to;
        g->sgw.sent_count = 0;
        g->sgw.trace_count = 0;
    }
    return passed;
}

/* Whoever has opened the gate and floods takes no more of the body segment than the rows of diagnostics
 * allow, and the frames of others pass as ever. */
Test(gate, a_flood_of_who_may_takes_its_rows_only)
{
    const struct matrix_row *one = matrix_row(MATRIX_UDS_SPAAK_REQ), *all = matrix_row(MATRIX_UDS_FUNCTIONAL);
    gate_bench_open(&bench, false);
    cr_assert(gate_bench_play(&bench, "open; wait 500"), "%s", bench.why);
    cr_expect(eq(sz, flood(&bench, "7A0#210102030405", 3000, SEGMENT_BODY), one->burst));
    cr_expect(eq(sz, flood(&bench, "7DF#023E80", 3000, SEGMENT_BODY), all->burst));
    bench_run_ms(&bench.sgw, 1000);
    cr_expect(eq(sz, flood(&bench, "7A0#210102030405", 3000, SEGMENT_BODY), one->burst));
    struct bus_frame f;
    bus_frame_parse("6B8##5300000CCCCCCCCCC", &f);
    bench_frame(&bench.sgw.node, SEGMENT_TELEMATICS, &f);
    cr_expect(eq(sz, bench.sgw.sent_count, 1), "the vehicle's own row has a bucket of its own");
    bench.sgw.sent_count = 0;
    cr_expect(gate_bench_play(&bench, "dtc DA2068 29"), "%s", bench.why);
    gate_bench_close(&bench);
}

/* The SGW's own server is flooded: what is above the rate does not reach it. */
Test(gate, a_flood_of_its_own_server)
{
    gate_bench_open(&bench, false);
    size_t answers = flood(&bench, "7A2#023E00", 3000, SEGMENT_DIAGNOSTIC);
    cr_expect(eq(sz, answers, matrix_row(MATRIX_UDS_SGW_REQ)->burst));
    cr_expect(gate_bench_play(&bench, "wait 1000; dtc DA2068 29; 7A2 220250 > 62025000"), "%s", bench.why);
    gate_bench_close(&bench);
}

/* ---- whatever comes ---- */

static uint32_t draw(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

/* Mostly frames that could mean something: identifiers of the matrix, lengths and types of ISO-TP. */
static struct bus_frame any_frame(uint32_t *state)
{
    static const uint32_t ids[] = {0x7A0, 0x7A1, 0x7A2, 0x7A3, 0x7A8, 0x7A9,
                                   0x7AA, 0x7DF, 0x6B0, 0x6B8, 0x3A0};
    static const uint8_t lengths[] = {0, 1, 2, 3, 4, 8, 8, 8, 8, 12, 64};
    static const uint8_t heads[] = {0x02, 0x10, 0x21, 0x30, 0x00, 0x03};
    static const uint8_t words[] = {0x10, 0x60, 0xE0, 0x27, 0x61, 0x3E, 0x29, 0x22, 0x08, 0x00};
    struct bus_frame f = {.id = ids[draw(state) % 11], .len = lengths[draw(state) % 11]};
    f.flags = f.len > 8 || draw(state) & 1 ? BUS_FD : 0;
    if (draw(state) % 16 == 0)
        f.flags |= BUS_EXTENDED;
    for (size_t i = 0; i < f.len; i++)
        f.data[i] = words[draw(state) % 10];
    f.data[0] = f.len ? heads[draw(state) % 6] : 0;
    return f;
}

/* Frames that leave on body and telematics; none may be of another identifier than these. */
static size_t crossed(struct gate_bench *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->sgw.sent_count; i++) {
        const struct bench_sent *s = &g->sgw.sent[i];
        if (s->port == SEGMENT_DIAGNOSTIC)
            continue;
        bool declared = !(s->frame.flags & BUS_EXTENDED) &&
                        ((s->port == SEGMENT_BODY && (s->frame.id == 0x7A0 || s->frame.id == 0x7DF)) ||
                         (s->port == SEGMENT_TELEMATICS && (s->frame.id == 0x7A1 || s->frame.id == 0x7DF)));
        cr_expect(declared, "%X on %u", s->frame.id, s->port);
        n++;
    }
    g->sgw.sent_count = g->sgw.trace_count = 0;
    return n;
}

static size_t pour(struct gate_bench *g, unsigned frames, uint32_t state)
{
    size_t n = 0;
    for (unsigned i = 0; i < frames; i++) {
        struct bus_frame f = any_frame(&state);
        bench_frame(&g->sgw.node, SEGMENT_DIAGNOSTIC, &f);
        n += crossed(g);
        if (i % 4 == 0)
            bench_run_ms(&g->sgw, 1);
        n += crossed(g);
    }
    return n;
}

Test(gate, whatever_comes_nothing_crosses_while_it_is_closed)
{
    gate_bench_open(&bench, false);
    cr_expect(eq(sz, pour(&bench, 20000, 1), 0));
    gate_bench_close(&bench);
}

Test(gate, whatever_comes_only_what_is_declared_crosses_while_it_is_open)
{
    gate_bench_open(&bench, false);
    cr_assert(gate_bench_play(&bench, "open"), "%s", bench.why);
    cr_expect(lt(sz, 100, pour(&bench, 2000, 2)));
    gate_bench_close(&bench);
}
