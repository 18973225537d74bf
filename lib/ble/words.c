#include "lib/ble/words.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    const char *verb, *form;
};

static const struct word tells[BLE_TELLS] = {
#define X(name, verb, form) {verb, form},
    BLE_TELL_LIST(X)
#undef X
};
static const struct word newses[BLE_NEWSES] = {
#define X(name, verb, form) {verb, form},
    BLE_NEWS_LIST(X)
#undef X
};

/* ---- addresses ---- */

bool ble_address_equal(const struct ble_address *a, const struct ble_address *b)
{
    return a->random == b->random && memcmp(a->octets, b->octets, sizeof a->octets) == 0;
}

static void upper(char *text)
{
    for (; *text; text++)
        if (*text >= 'a' && *text <= 'f')
            *text = (char)(*text - 'a' + 'A');
}

void ble_address_write(const struct ble_address *a, char out[BLE_ADDRESS_TEXT])
{
    hex_encode(a->octets, sizeof a->octets, out);
    upper(out);
    strcat(out, a->random ? "/random" : "/public");
}

/* Of one spelling only: an address names a link. */
enum err ble_address_read(const char *text, struct ble_address *out)
{
    struct ble_address a = {.random = true};
    char again[BLE_ADDRESS_TEXT];
    if (strlen(text) != BLE_ADDRESS_TEXT - 1 || hex_decode(text, 12, a.octets, sizeof a.octets) != 6)
        return ERR_BAD_ARGUMENT;
    a.random = strcmp(text + 12, "/random") == 0;
    ble_address_write(&a, again);
    if (strcmp(again, text) != 0)
        return ERR_BAD_ARGUMENT;
    *out = a;
    return ERR_OK;
}

/* ---- reading ---- */

static bool read_octets(const char *text, uint8_t *out, size_t len)
{
    return strlen(text) == 2 * len && hex_decode(text, 2 * len, out, len) == (long)len;
}

static bool read_number(const char *text, long min, long max, long *out)
{
    char *end;
    *out = strtol(text, &end, 10);
    return *text && strlen(text) <= 6 && *end == '\0' && *out >= min && *out <= max;
}

static bool read_value(const char *text, struct ble_said *out)
{
    if (strcmp(text, "-") == 0) {
        out->value_len = 0;
        return true;
    }
    long len = *text ? hex_decode(text, strlen(text), out->value, sizeof out->value) : -1;
    out->value_len = len > 0 ? (size_t)len : 0;
    return len > 0;
}

static bool read_uuid(const char *text, struct ble_uuid *out)
{
    out->len = strlen(text) / 2;
    return (out->len == 2 || out->len == 16) && read_octets(text, out->octets, out->len);
}

static bool read_two(const char *text, uint16_t *out)
{
    uint8_t two[2];
    bool ok = read_octets(text, two, sizeof two);
    *out = (uint16_t)(ok ? two[0] << 8 | two[1] : 0);
    return ok;
}

static bool read_small(char letter, const char *text, struct ble_said *out)
{
    long n = 0;
    bool ok = letter == 'S'   ? read_number(text, INT8_MIN, INT8_MAX, &n)
              : letter == 'L' ? read_number(text, 0, UINT8_MAX, &n)
                              : read_number(text, 0, UINT16_MAX, &n);
    if (letter == 'S')
        out->signal = (int8_t)n;
    else if (letter == 'L')
        out->level = (uint8_t)n;
    else
        out->number = (uint16_t)n;
    return ok;
}

/* One word behind the verb, by its letter of the form. */
static bool read_word(char letter, const char *text, bool news, struct ble_said *out)
{
    if (news && (letter == 'R' || letter == 'K') && *text++ != '=')
        return false;
    switch (letter) {
    case 'A':
        return ble_address_read(text, &out->address) == ERR_OK;
    case 'C':
        return read_octets(text, out->confirm, BLE_KEY);
    case 'R':
    case 'K':
        return read_octets(text, out->key, BLE_KEY);
    case 'U':
        return read_uuid(text, &out->uuid);
    case 'V':
        return read_value(text, out);
    case 'P':
        return read_two(text, &out->spsm);
    case 'B':
        return read_octets(text, &out->reason, 1);
    case 'O':
        out->encrypted = strcmp(text, "encrypted") == 0;
        return out->encrypted || strcmp(text, "open") == 0;
    default:
        return read_small(letter, text, out);
    }
}

static enum err words_read(const struct word *list, size_t count, const char *words, bool news,
                           unsigned *verb, struct ble_said *out)
{
    struct ble_said said = {0};
    char copy[BLE_WORDS], *next = copy;
    bool ok = strlen(words) < sizeof copy;
    text_copy(copy, sizeof copy, words);
    const char *first = strsep(&next, " ");
    unsigned i = 0;
    while (i < count && strcmp(list[i].verb, first) != 0)
        i++;
    ok = ok && i < count;
    for (const char *f = ok ? list[i].form : ""; ok && *f; f++)
        ok = next && read_word(*f, strsep(&next, " "), news, &said);
    ok = ok && !next;
    if (ok) {
        *verb = i;
        *out = said;
    }
    explicit_bzero(copy, sizeof copy);
    explicit_bzero(&said, sizeof said);
    return ok ? ERR_OK : ERR_BAD_ARGUMENT;
}

enum err ble_tell_read(const char *words, enum ble_tell *verb, struct ble_said *out)
{
    unsigned i;
    enum err e = words_read(tells, BLE_TELLS, words, false, &i, out);
    if (!e)
        *verb = (enum ble_tell)i;
    return e;
}

enum err ble_news_read(const char *words, enum ble_news *verb, struct ble_said *out)
{
    unsigned i;
    enum err e = words_read(newses, BLE_NEWSES, words, true, &i, out);
    if (!e)
        *verb = (enum ble_news)i;
    return e;
}

/* ---- writing ---- */

static void write_octets(const uint8_t *p, size_t len, char *out)
{
    hex_encode(p, len, out);
    upper(out);
    if (len == 0)
        strcpy(out, "-");
}

static void write_word(char letter, const struct ble_said *said, char out[BLE_WORDS])
{
    const uint8_t two[] = {(uint8_t)(said->spsm >> 8), (uint8_t)said->spsm};
    if (letter == 'A')
        ble_address_write(&said->address, out);
    else if (letter == 'C')
        write_octets(said->confirm, BLE_KEY, out);
    else if (letter == 'R' || letter == 'K')
        write_octets(said->key, BLE_KEY, out);
    else if (letter == 'U')
        write_octets(said->uuid.octets, said->uuid.len, out);
    else if (letter == 'V')
        write_octets(said->value, said->value_len, out);
    else if (letter == 'P')
        write_octets(two, sizeof two, out);
    else if (letter == 'B')
        write_octets(&said->reason, 1, out);
    else if (letter == 'O')
        strcpy(out, said->encrypted ? "encrypted" : "open");
    else
        snprintf(out, BLE_WORDS, "%d",
                 letter == 'S'   ? said->signal
                 : letter == 'L' ? said->level
                                 : said->number);
}

/* Where it ends now. There is room for every word of a form. */
static size_t append(char out[BLE_WORDS], size_t len, const char *text)
{
    const size_t n = strlen(text);
    assert(len + n < BLE_WORDS);
    memcpy(out + len, text, n + 1);
    return len + n;
}

static void words_write(const struct word *w, const struct ble_said *said, bool news, char out[BLE_WORDS])
{
    char text[BLE_WORDS];
    size_t len = append(out, 0, w->verb);
    for (const char *f = w->form; *f; f++) {
        write_word(*f, said, text);
        len = append(out, len, news && (*f == 'R' || *f == 'K') ? " =" : " ");
        len = append(out, len, text);
    }
    explicit_bzero(text, sizeof text);
}

void ble_tell_write(enum ble_tell verb, const struct ble_said *said, char out[BLE_WORDS])
{
    words_write(&tells[verb], said, false, out);
}

void ble_news_write(enum ble_news verb, const struct ble_said *said, char out[BLE_WORDS])
{
    words_write(&newses[verb], said, true, out);
}

/* ---- secrets ---- */

static const struct word *word_of(const char *verb, size_t len, bool news)
{
    const struct word *list = news ? newses : tells;
    for (unsigned i = 0; i < (news ? BLE_NEWSES : (unsigned)BLE_TELLS); i++)
        if (strlen(list[i].verb) == len && memcmp(list[i].verb, verb, len) == 0)
            return &list[i];
    return NULL;
}

const char *ble_words_form(const char *verb, bool news)
{
    const struct word *w = word_of(verb, strlen(verb), news);
    return w ? w->form : NULL;
}

/* What is a confirm value elsewhere is a key behind these. */
static bool is_secret(const struct word *w, char letter, bool news)
{
    bool keyed = !news && (w == &tells[BLE_TELL_ENCRYPT] || w == &tells[BLE_TELL_IDENTITY]);
    return letter == 'R' || letter == 'K' || (letter == 'C' && keyed);
}

/* Word by word, each secret as `secret`, or each BLE_HIDDEN, if there is a key to put there. */
static bool words_change(const char *words, bool news, const char *secret, char *out, size_t cap)
{
    const char *at = words + strcspn(words, " ");
    const struct word *w = word_of(words, (size_t)(at - words), news);
    size_t used = (size_t)(at - words);
    if (!w || used >= cap)
        return false;
    memcpy(out, words, used);
    out[used] = '\0';
    for (const char *f = w->form; *f; f++) {
        if (*at != ' ')
            return false;
        size_t len = strcspn(++at, " ");
        bool hides = is_secret(w, *f, news);
        int n = snprintf(out + used, cap - used, " %.*s", (int)(hides ? strlen(secret) : len),
                         hides ? secret : at);
        used += n < 0 ? cap : (size_t)n;
        if (used >= cap)
            return false;
        at += len;
    }
    return *at == '\0';
}

void ble_words_hide(const char *words, bool news, char *out, size_t cap)
{
    if (!words_change(words, news, BLE_HIDDEN, out, cap))
        text_copy(out, cap, "?");
}

enum err ble_words_fill(const char *shown, bool news, const uint8_t key[BLE_KEY], char out[BLE_WORDS])
{
    char secret[2 * BLE_KEY + 2] = "=", hidden[BLE_WORDS];
    union {
        enum ble_tell tell;
        enum ble_news news;
    } verb;
    struct ble_said said;
    hex_encode(key, BLE_KEY, secret + 1);
    upper(secret);
    bool ok = strlen(shown) < BLE_WORDS && words_change(shown, news, BLE_HIDDEN, hidden, sizeof hidden) &&
              strcmp(hidden, shown) == 0 &&
              words_change(shown, news, news ? secret : secret + 1, out, BLE_WORDS);
    if (ok)
        ok = (news ? ble_news_read(out, &verb.news, &said) : ble_tell_read(out, &verb.tell, &said)) == ERR_OK;
    explicit_bzero(&said, sizeof said);
    explicit_bzero(secret, sizeof secret);
    return ok ? ERR_OK : ERR_BAD_ARGUMENT;
}
