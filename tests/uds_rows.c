#include "tests/uds_rows.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MAX   2400
#define LONGEST_US 60000000ull /* that a step waits for its answers */

struct player {
    struct uds_ecu_bench *b;
    uint8_t seed[UDS_SEED];
    const char *step; /* for what went wrong */
    char *why;
};

static bool wrong(struct player *p, const char *what, struct span got)
{
    char hex[2 * 40 + 1];
    hex_encode(got.p, got.len < 40 ? got.len : 40, hex);
    snprintf(p->why, UDS_ROW_WHY, "\"%s\": %s %s%s", p->step, what, hex, got.len > 40 ? "..." : "");
    return false;
}

/* ---- words into bytes ---- */

static void put_word(struct player *p, const char *word, size_t len, struct wr *out)
{
    uint8_t bytes[UDS_ANSWER_MAX], key[UDS_KEY] = {0};
    struct span text = span_of(word, len);
    if (span_is(text, "K"))
        uds_ecu_key(p->b, (uint8_t)((out->buf[1] & UDS_SUBFUNCTION_MASK) - 1), p->seed, key);
    if (span_is(text, "K") || span_is(text, "BAD")) {
        wr_copy(out, key, sizeof key);
        return;
    }
    long n = hex_decode(word, len, bytes, sizeof bytes);
    assert(n >= 0);
    wr_copy(out, bytes, (size_t)n);
}

static struct span request_of(struct player *p, const char *words, uint8_t buf[STEP_MAX])
{
    struct wr out = wr_of(buf, STEP_MAX);
    for (size_t n; *words; words += n + strspn(words + n, " ")) {
        n = strcspn(words, " ");
        put_word(p, words, n, &out);
    }
    assert(!out.failed);
    return span_of(buf, out.len);
}

/* "6701 S", "62F18601", "*" */
static bool answer_is(struct player *p, const char *want, size_t want_len, const struct uds_ecu_answer *got)
{
    uint8_t head[UDS_ANSWER_MAX];
    size_t head_len = strcspn(want, " ,");
    struct span end, bytes = span_of(got->bytes, got->len);
    bool seed = want[want_len - 1] == 'S', zeros = want[want_len - 1] == 'Z';
    if (*want == '*')
        return true;
    long n = hex_decode(want, head_len < want_len ? head_len : want_len, head, sizeof head);
    assert(n > 0);
    if (got->len < (size_t)n || memcmp(got->bytes, head, (size_t)n) != 0)
        return false;
    end = span_of(bytes.p + n, bytes.len - (size_t)n);
    if (!seed && !zeros)
        return end.len == 0;
    if (end.len != UDS_SEED || uds_security_seed_is_zero(end.p) != zeros ||
        memcmp(p->seed, end.p, UDS_SEED) == 0)
        return false;
    memcpy(p->seed, end.p, UDS_SEED);
    return true;
}

/* All of these, and nothing else. "-": none. */
static bool check_answers(struct player *p, const char *want)
{
    const struct uds_ecu_answer *got;
    for (size_t n; *want && *want != '-'; want += n + (want[n] == ',')) {
        n = strcspn(want, ",");
        got = uds_ecu_answer(p->b);
        if (!got)
            return wrong(p, "an answer did not come", (struct span){0});
        if (!answer_is(p, want, n, got))
            return wrong(p, "the answer was", span_of(got->bytes, got->len));
    }
    got = uds_ecu_answer(p->b);
    return !got || wrong(p, "nobody awaited", span_of(got->bytes, got->len));
}

static size_t count_answers(const char *want)
{
    size_t n = *want && *want != '-';
    for (; *want; want++)
        n += *want == ',';
    return n;
}

/* ---- steps ---- */

static bool send(struct player *p, enum uds_addressing a, const char *words, const char *want)
{
    uint8_t buf[STEP_MAX];
    uds_ecu_send(p->b, a, request_of(p, words, buf));
    if (!want)
        return true;
    uds_ecu_run_for_answers(p->b, count_answers(want), LONGEST_US);
    return check_answers(p, want);
}

static bool play_step(struct player *p, char *step)
{
    char *want = strstr(step, " > ");
    p->step = step;
    char whole[STEP_MAX];
    text_copy(whole, sizeof whole, step);
    p->step = whole;
    if (want) {
        *want = '\0';
        want += 3;
    }
    if (step[1] == ' ' && (*step == 'P' || *step == 'F'))
        return send(p, *step == 'P' ? UDS_PHYSICAL : UDS_FUNCTIONAL, step + 2, want ? want : "-");
    if (strncmp(step, "B ", 2) == 0)
        return send(p, UDS_PHYSICAL, step + 2, NULL);
    if (strncmp(step, "wait ", 5) == 0) {
        uds_ecu_run_until(p->b, p->b->now_us + strtoul(step + 5, NULL, 10) * 1000ull);
        return check_answers(p, want ? want : "-");
    }
    assert(strcmp(step, "cut") == 0);
    uds_ecu_cut(p->b);
    return true;
}

static bool play(struct player *p, const char *steps)
{
    char step[STEP_MAX];
    for (size_t n; *steps; steps += n + strspn(steps + n, "; ")) {
        n = strcspn(steps, ";");
        assert(n < sizeof step);
        memcpy(step, steps, n);
        step[n] = '\0';
        if (!play_step(p, step))
            return false;
    }
    return check_answers(p, "-");
}

bool uds_row_steps(struct uds_ecu_bench *b, const char *steps, char why[UDS_ROW_WHY])
{
    struct player p = {.b = b, .step = "at the end", .why = why};
    why[0] = '\0';
    return play(&p, steps);
}

void uds_row_begin(struct uds_ecu_bench *b, enum uds_row_state state)
{
    static const char *const ways[] = {
        [UDS_ROW_DEFAULT] = "",
        [UDS_ROW_EXTENDED] = "P 1003 > *",
        [UDS_ROW_WORKSHOP] = "P 1003 > *; P 2701 > 6701 S; P 2702 K > 6702",
        [UDS_ROW_PLANT] = "P 1060 > *",
        [UDS_ROW_PLANT_OPEN] = "P 1060 > *; P 2761 > 6761 S; P 2762 K > 6762",
        [UDS_ROW_LOCKED_OPEN] = "P 1060 > *; P 2761 > 6761 S; P 2762 K > 6762",
        [UDS_ROW_FINISHED] = "",
    };
    char why[UDS_ROW_WHY];
    if (state == UDS_ROW_LOCKED_OPEN)
        b->kept.life = UDS_ECU_LOCKED;
    if (state == UDS_ROW_FINISHED)
        b->kept.life = UDS_ECU_FINISHED;
    uds_ecu_power_on(b);
    bool there = uds_row_steps(b, ways[state], why);
    assert(there);
    (void)there;
    b->commits = 0;
}

bool uds_row_play(struct uds_ecu_bench *b, enum uds_row_state state, const char *steps, char why[UDS_ROW_WHY])
{
    uds_row_begin(b, state);
    return uds_row_steps(b, steps, why);
}
