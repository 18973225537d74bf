#include <stdio.h>
#include <string.h>

#include "lib/ble/words.h"
#include "lib/ccc/dk_fields.h"
#include "sim/replay/compare.h"

/* ---- SDUs: DK messages ---- */

static bool is_command(const struct dk_message *m)
{
    return m->id == DK_APDU_RQ;
}

/* "answer to AUTH0" of what stands in a DK message. */
void compare_name_sdu(struct compare *c, const char *who, struct span sdu, char out[COMPARE_TEXT])
{
    struct dk_message m;
    char apdu[COMPARE_TEXT];
    const char *name = dk_message_name(sdu);
    text_copy(out, COMPARE_TEXT, name ? name : "SDU");
    if (!name || dk_message_parse(sdu, &m) || !dk_message_is_apdu(&m))
        return;
    compare_name_apdu(c, who, is_command(&m), m.data, apdu);
    snprintf(out, COMPARE_TEXT, "%s, %.300s", name, apdu);
}

static enum compare_result field(struct compare *c, const struct dk_field *a, const struct dk_field *b,
                                 char out[COMPARE_TEXT])
{
    if (span_equal(a->value, b->value))
        return COMPARE_SAME;
    if (c->exact || a->nature == DK_PLAIN || (a->nature == DK_SEALED && !c->roots))
        return compare_say(out, COMPARE_DIFFERENT, a->name, a->value, b->value);
    return compare_explain(out, a->name,
                           a->nature == DK_CLOCK    ? "of the phone's own clock"
                           : a->nature == DK_RANDOM ? "a new random number"
                                                    : "follows from a new random number");
}

/* The first that nothing explains is told, else the first that differs. What is sealed has its random number
 * behind it, so these are looked at first. */
static enum compare_result fields(struct compare *c, const struct dk_message *x, const struct dk_message *y,
                                  char out[COMPARE_TEXT])
{
    struct dk_field a[DK_FIELDS_MAX], b[DK_FIELDS_MAX];
    size_t n = dk_fields(x, a);
    enum compare_result all = COMPARE_SAME;
    if (!n || dk_fields(y, b) != n)
        return compare_say(out, COMPARE_DIFFERENT, "data", x->data, y->data);
    for (size_t i = 0; i < n; i++)
        c->roots |= !c->exact && a[i].nature == DK_RANDOM && !span_equal(a[i].value, b[i].value);
    for (size_t i = 0; i < n; i++) {
        char text[COMPARE_TEXT];
        enum compare_result r = field(c, &a[i], &b[i], text);
        if (r > all)
            text_copy(out, COMPARE_TEXT, text);
        all = r > all ? r : all;
    }
    return all;
}

/* Type, id and length stand before the data; NULL: these are the same. */
static const char *header(struct span a, struct span b, size_t *at)
{
    static const char *const names[DK_MESSAGE_HEADER] = {"message type", "message id", "length", "length"};
    for (*at = 0; *at < DK_MESSAGE_HEADER && *at < a.len && *at < b.len; ++*at)
        if (a.p[*at] != b.p[*at])
            return names[*at];
    return NULL;
}

enum compare_result compare_sdu(struct compare *c, const char *who, struct span recorded, struct span got,
                                char out[COMPARE_TEXT])
{
    struct dk_message x, y;
    size_t at;
    bool known = dk_message_parse(recorded, &x) == ERR_OK && dk_message_parse(got, &y) == ERR_OK;
    if (known && dk_message_is_apdu(&x))
        compare_hear(compare_talk_of(c, who), is_command(&x), x.data);
    if (span_equal(recorded, got))
        return COMPARE_SAME;
    const char *what = header(recorded, got, &at);
    if (what && (!known || at < 2))
        return compare_say(out, COMPARE_DIFFERENT, what, span_of(recorded.p + at, 1), span_of(got.p + at, 1));
    if (!known)
        return compare_say(out, COMPARE_DIFFERENT, "SDU", recorded, got);
    if (dk_message_is_apdu(&x))
        return compare_fields(c, compare_talk_of(c, who), is_command(&x), x.data, y.data, out);
    return fields(c, &x, &y, out);
}

static bool is_first_approach(const struct dk_message *m)
{
    return m->type == DK_SUPPLEMENTARY && (m->id == DK_FIRST_APPROACH_RQ || m->id == DK_FIRST_APPROACH_RS);
}

void compare_played_sdu(struct compare *c, const char *who, struct span played)
{
    struct dk_message m;
    char why[COMPARE_TEXT];
    if (dk_message_parse(played, &m))
        return;
    if (dk_message_is_apdu(&m))
        compare_played_apdu(c, who, is_command(&m), m.data);
    if (!c->roots || !is_first_approach(&m))
        return;
    snprintf(why, sizeof why,
             "the record goes on with %s, under keys of the key that was paired in it: nobody else has them",
             dk_message_name(played));
    compare_end(c, why);
}

/* ---- words ---- */

void compare_name_words(bool news, const char *words, char out[COMPARE_TEXT])
{
    snprintf(out, COMPARE_TEXT, "%s %.*s", news ? "hears" : "tells", (int)strcspn(words, " "), words);
}

static const char *name_of_letter(char letter)
{
    static const struct {
        char letter;
        const char *name;
    } names[] = {{'A', "address"}, {'C', "confirm value"}, {'V', "value"},  {'U', "attribute"},
                 {'P', "SPSM"},    {'B', "reason"},        {'N', "number"}, {'O', "who may read"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].letter == letter)
            return names[i].name;
    return "word";
}

/* Addresses and confirm values are made anew by each run. */
static enum compare_result word(struct compare *c, char letter, struct span a, struct span b,
                                char out[COMPARE_TEXT])
{
    const char *name = name_of_letter(letter);
    if (span_equal(a, b))
        return COMPARE_SAME;
    if (!c->exact && (letter == 'A' || letter == 'C')) {
        c->roots = true;
        return compare_explain(out, name, "a new random number");
    }
    snprintf(out, COMPARE_TEXT, "%s: %.*s in the record, now %.*s", name, (int)(a.len < 140 ? a.len : 140),
             a.p, (int)(b.len < 140 ? b.len : 140), b.p);
    return COMPARE_DIFFERENT;
}

static struct span next_word(const char **at)
{
    size_t len = strcspn(*at, " ");
    struct span w = span_of(*at, len);
    *at += len + ((*at)[len] == ' ');
    return w;
}

enum compare_result compare_words(struct compare *c, const char *recorded, const char *got,
                                  char out[COMPARE_TEXT])
{
    char verb[24];
    struct span x = next_word(&recorded), y = next_word(&got);
    enum compare_result all = COMPARE_SAME;
    if (!span_equal(x, y)) {
        snprintf(out, COMPARE_TEXT, "%.*s in the record, now %.*s", (int)x.len, x.p, (int)y.len, y.p);
        return COMPARE_DIFFERENT;
    }
    snprintf(verb, sizeof verb, "%.*s", (int)x.len, x.p);
    const char *form = ble_words_form(verb, false);
    for (const char *f = form ? form : ""; *f; f++) {
        char text[COMPARE_TEXT];
        x = next_word(&recorded);
        y = next_word(&got);
        enum compare_result r = word(c, *f, x, y, text);
        if (r > all)
            text_copy(out, COMPARE_TEXT, text);
        all = r > all ? r : all;
    }
    return all;
}

/* A passive advertisement says who the vehicle is by its address only. */
void compare_played_news(struct compare *c, const char *words)
{
    size_t len = strlen(words);
    if (!c->roots)
        return;
    if (strncmp(words, "heard ", 6) == 0 && len > 2 && strcmp(words + len - 2, " -") == 0)
        compare_end(
            c, "the record goes on with a vehicle that is known by its address, made of the record's own "
               "key: nobody else knows it");
    else if (strcmp(words, "key-wanted") == 0)
        compare_end(c, "the record goes on with a link under a bond of its own, which nobody else has");
}
