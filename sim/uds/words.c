#include "sim/uds/words.h"

#include <stdlib.h>
#include <string.h>

#include "lib/uds/uds_dtc.h"
#include "sim/language/tree.h"

#define HEX_MAX (2 * DESK_PDU_MAX)
/* Codes that have failed, and not those that were never tested. */
#define NOTED                                                                           \
    (UDS_DTC_FAILED | UDS_DTC_FAILED_THIS_CYCLE | UDS_DTC_PENDING | UDS_DTC_CONFIRMED | \
     UDS_DTC_FAILED_SINCE_CLEAR)

/* ---- what is said ---- */

/* Hex that may be spread over several words. -1: it is none. */
static long read_hex(int count, char **words, uint8_t *out, size_t cap)
{
    char text[HEX_MAX + 1];
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        size_t len = strlen(words[i]);
        if (used + len > HEX_MAX)
            return -1;
        memcpy(text + used, words[i], len);
        used += len;
    }
    return hex_decode(text, used, out, cap);
}

struct form {
    const char *verb, *says, *is;
    uint8_t sid;
    int sub;           /* subfunction that the verb stands for; -1: none */
    size_t word_bytes; /* of the word that must follow; 0: none does */
    enum { REST_NONE, REST_MAY, REST_MUST, REST_MORE } rest; /* MORE: words like the first */
};

#define SUB_NONE (-1)
static const struct form forms[] = {
    {"read", "read F18C [0250 ...]", "a value for each identifier", UDS_SID_READ_DATA, SUB_NONE, 2,
     REST_MORE},
    {"write", "write 0243 003C", "an identifier and its new value", UDS_SID_WRITE_DATA, SUB_NONE, 2,
     REST_MUST},
    {"routine start", "routine start 0320 [HEX]", "a routine and its options", UDS_SID_ROUTINE_CONTROL,
     UDS_ROUTINE_START, 2, REST_MAY},
    {"routine stop", "routine stop 0320 [HEX]", "the same for its stop", UDS_SID_ROUTINE_CONTROL,
     UDS_ROUTINE_STOP, 2, REST_MAY},
    {"routine results", "routine results 0320 [HEX]", "and for its results", UDS_SID_ROUTINE_CONTROL,
     UDS_ROUTINE_RESULTS, 2, REST_MAY},
    {"session", "session 03", "01 default, 03 extended, 60 the plant's", UDS_SID_SESSION_CONTROL, SUB_NONE, 1,
     REST_NONE},
    {"reset", "reset 01", "01 hard, 02 key off and on, 03 soft", UDS_SID_ECU_RESET, SUB_NONE, 1, REST_NONE},
    {"dtc", "dtc", "all trouble codes that were noted", UDS_SID_READ_DTCS, UDS_DTCS_BY_MASK, 0, REST_NONE},
    {"clear", "clear", "forgets all trouble codes", UDS_SID_CLEAR_DTCS, SUB_NONE, 0, REST_NONE},
    {"present", "present", "the tester is still there", UDS_SID_TESTER_PRESENT, 0, 0, REST_NONE},
    {"raw", "raw 22F18C", "any request, in hex", 0, SUB_NONE, 0, REST_MUST},
};
#define FORMS (sizeof forms / sizeof forms[0])

/* How many of the words the verb is; 0: it is another. */
static int is_verb(const struct form *f, int count, char **words)
{
    const char *second = strchr(f->verb, ' ');
    size_t first = second ? (size_t)(second - f->verb) : strlen(f->verb);
    if (count < 1 || strlen(words[0]) != first || strncmp(words[0], f->verb, first) != 0)
        return 0;
    if (!second)
        return 1;
    return count > 1 && strcmp(words[1], second + 1) == 0 ? 2 : 0;
}

static void write_head(const struct form *f, struct wr *w)
{
    static const uint8_t all[] = {0xFF, 0xFF, 0xFF};
    if (f->sid)
        wr_u8(w, f->sid);
    if (f->sub >= 0)
        wr_u8(w, (uint8_t)f->sub);
    if (f->sid == UDS_SID_READ_DTCS)
        wr_u8(w, NOTED);
    if (f->sid == UDS_SID_CLEAR_DTCS)
        wr_copy(w, all, sizeof all);
}

static bool add_request(const struct form *f, int count, char **words, struct words_requests *out)
{
    const struct span *before = out->count ? &out->pdus[out->count - 1] : NULL;
    size_t at = before ? (size_t)(before->p + before->len - out->bytes) : 0, room = sizeof out->bytes - at;
    struct wr w = wr_of(out->bytes + at, room < DESK_PDU_MAX ? room : DESK_PDU_MAX);
    write_head(f, &w);
    if (f->word_bytes && (count < 1 || strlen(words[0]) != 2 * f->word_bytes))
        return false;
    long n = count ? read_hex(count, words, w.buf + w.len, w.cap - w.len) : 0;
    if (n < 0 || (f->rest == REST_MUST && (size_t)n <= f->word_bytes))
        return false;
    out->pdus[out->count++] = span_of(w.buf, w.len + (size_t)n);
    return true;
}

static bool read_form(const struct form *f, int count, char **words, struct words_requests *out)
{
    int most = f->word_bytes ? 1 : 0;
    if (f->rest == REST_NONE && count != most)
        return false;
    if (f->rest != REST_MORE)
        return add_request(f, count, words, out);
    if (count < 1 || count > WORDS_REQUESTS)
        return false;
    for (int i = 0; i < count; i++)
        if (!add_request(f, 1, words + i, out))
            return false;
    return true;
}

#define SAME_VERBS 4 /* of the same first word, at most */

static size_t first_len(const struct form *f)
{
    return strcspn(f->verb, " ");
}

/* The second words of verbs that begin so; how many. */
static size_t seconds_of(const char *word, const char *out[SAME_VERBS])
{
    size_t n = 0;
    for (const struct form *f = forms; f < forms + FORMS && n + 1 < SAME_VERBS; f++)
        if (f->verb[first_len(f)] && strlen(word) == first_len(f) &&
            strncmp(word, f->verb, first_len(f)) == 0)
            out[n++] = f->verb + first_len(f) + 1;
    out[n] = NULL;
    return n;
}

/* The first words; a verb of two is named once. */
static void list_verbs(char texts[FORMS][16], const char *out[FORMS + 1])
{
    size_t n = 0;
    for (const struct form *f = forms; f < forms + FORMS; f++) {
        snprintf(texts[n], 16, "%.*s", (int)first_len(f), f->verb);
        if (n && strcmp(texts[n], texts[n - 1]) == 0)
            continue;
        out[n] = texts[n];
        n++;
    }
    out[n] = NULL;
}

/* "routine 0320", "routine strat 0320" */
static void say_half(const char *first, const char *second, const char *const *seconds,
                     char problem[WORDS_PROBLEM])
{
    const char *meant = second ? text_closest(second, seconds) : NULL;
    size_t n;
    if (meant) {
        snprintf(problem, WORDS_PROBLEM, "unknown word \"%.20s %.40s\"; did you mean \"%s %s\"?", first,
                 second, first, meant);
        return;
    }
    snprintf(problem, WORDS_PROBLEM, "behind \"%s\" stands one of", first);
    for (; *seconds && (n = strlen(problem)) < WORDS_PROBLEM; seconds++)
        snprintf(problem + n, WORDS_PROBLEM - n, " %s", *seconds);
    for (const struct form *f = forms; f < forms + FORMS; f++)
        if (strncmp(f->verb, first, strlen(first)) == 0) {
            n = strlen(problem);
            snprintf(problem + n, WORDS_PROBLEM - n, "; write it like `%s`, all in hex", f->says);
            return;
        }
}

static void say_unknown(int count, char **words, char problem[WORDS_PROBLEM])
{
    char texts[FORMS][16];
    const char *verbs[FORMS + 1], *seconds[SAME_VERBS], *word = count ? words[0] : "";
    list_verbs(texts, verbs);
    const char *meant = text_closest(word, verbs);
    if (seconds_of(word, seconds)) {
        say_half(word, count > 1 ? words[1] : NULL, seconds, problem);
        return;
    }
    if (meant) {
        snprintf(problem, WORDS_PROBLEM, "unknown word \"%.60s\"; did you mean \"%s\"?", word, meant);
        return;
    }
    snprintf(problem, WORDS_PROBLEM, "\"%.60s\" is nothing to say to an ECU; there are", word);
    for (size_t i = 0, n; verbs[i] && (n = strlen(problem)) < WORDS_PROBLEM; i++)
        snprintf(problem + n, WORDS_PROBLEM - n, " %s", verbs[i]);
}

bool words_read(int count, char **words, struct words_requests *out, char problem[WORDS_PROBLEM])
{
    const struct form *f = forms;
    int used = 0;
    out->count = 0;
    while (f < forms + FORMS && !(used = is_verb(f, count, words)))
        f++;
    if (f == forms + FORMS) {
        say_unknown(count, words, problem);
        return false;
    }
    if (read_form(f, count - used, words + used, out))
        return true;
    snprintf(problem, WORDS_PROBLEM, "write it like `%s`, all in hex", f->says);
    return false;
}

void words_print_forms(FILE *out)
{
    for (size_t i = 0; i < FORMS; i++)
        fprintf(out, "  %-27s %s\n", forms[i].says, forms[i].is);
}

/* ---- what is answered ---- */

static size_t head_of(uint8_t sid)
{
    bool identifier = sid == UDS_SID_READ_DATA || sid == UDS_SID_WRITE_DATA || sid == UDS_SID_ROUTINE_CONTROL;
    return 1u + (uds_sid_has_subfunction(sid) ? 1u : 0u) + (identifier ? 2u : 0u);
}

static bool is_text(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.p[i] < 0x20 || value.p[i] > 0x7E)
            return false;
    return value.len > 1;
}

static void tell_value(struct span value, FILE *out)
{
    if (!value.len)
        return;
    fputs("  ", out);
    for (size_t i = 0; i < value.len; i++)
        fprintf(out, "%02X", value.p[i]);
    if (is_text(value))
        fprintf(out, "  \"%.*s\"", (int)value.len, (const char *)value.p);
    putc('\n', out);
}

static void tell_codes(struct rd r, FILE *out)
{
    char text[UDS_DTC_TEXT];
    if (r.left == 0)
        fputs("  no trouble codes\n", out);
    while (r.left >= 4) {
        uint32_t dtc = (uint32_t)rd_u8(&r) << 16;
        dtc |= rd_be16(&r);
        uint8_t status = rd_u8(&r);
        uds_dtc_text(dtc, text);
        fprintf(out, "  %s  %06X  status %02X%s%s\n", text, dtc, status,
                status & UDS_DTC_FAILED ? ", fails now" : "",
                status & UDS_DTC_CONFIRMED ? ", confirmed" : "");
    }
}

void words_tell(struct span answer, FILE *out)
{
    char line[UDS_LINE_MAX];
    uds_describe(answer, line);
    fprintf(out, "%s\n", line);
    if (answer.len == UDS_NEGATIVE_LEN && answer.p[0] == UDS_NEGATIVE) {
        fprintf(out, "  %s\n", uds_nrc_text((enum uds_nrc)answer.p[2]));
        return;
    }
    uint8_t sid = answer.len ? answer.p[0] & (uint8_t)~UDS_POSITIVE : 0;
    if (sid == UDS_SID_READ_DTCS && answer.len >= 3 && answer.p[1] != UDS_DTCS_COUNT)
        tell_codes(rd_of(answer.p + 3, answer.len - 3), out);
    else if (answer.len > head_of(sid))
        tell_value(span_of(answer.p + head_of(sid), answer.len - head_of(sid)), out);
}
