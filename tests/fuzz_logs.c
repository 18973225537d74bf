/* Logs of a run, read back for a replay: what is taken is whole, and can be told to people and compared. */
#include <string.h>

#include "lib/ccc/dk_fields.h"
#include "lib/media/ble/ble.h"
#include "sim/replay/compare.h"
#include "sim/replay/record.h"
#include "tests/fuzz_targets.h"

#define EPOCH_US 1767225600000000ll

/* Each field lies behind the one before it, and all are the data. */
static void check_fields(struct span sdu)
{
    struct dk_message m;
    struct dk_field f[DK_FIELDS_MAX];
    char text[DK_TEXT_MAX], value[DK_VALUE_MAX];
    dk_fields_line(sdu, text);
    MUST(strlen(text) > 0 && strlen(text) < sizeof text);
    if (dk_message_parse(sdu, &m))
        return;
    size_t n = dk_fields(&m, f), sum = 0;
    for (size_t i = 0; i < n; i++) {
        MUST(f[i].value.p == m.data.p + sum);
        sum += f[i].value.len;
        dk_fields_describe(&m, &f[i], value);
    }
    MUST(n == 0 || sum == m.data.len);
}

static void check_sdu(struct compare *c, const struct record_item *i)
{
    char text[COMPARE_TEXT];
    uint8_t other[BLE_MTU_MAX];
    MUST(i->bytes.len > 0 && i->bytes.len <= sizeof other && *i->address);
    check_fields(i->bytes);
    compare_name_sdu(c, i->who, i->bytes, text);
    compare_played_sdu(c, i->who, i->bytes);
    MUST(compare_sdu(c, i->who, i->bytes, i->bytes, text) == COMPARE_SAME);
    memcpy(other, i->bytes.p, i->bytes.len);
    other[i->bytes.len / 2] ^= 1;
    MUST(compare_sdu(c, i->who, i->bytes, span_of(other, i->bytes.len), text) == COMPARE_DIFFERENT);
    MUST(*text);
}

/* No key stands in what is taken. */
static void check_words(struct compare *c, const struct record_item *i)
{
    static const uint8_t key[BLE_KEY] = {1, 2, 3};
    bool news = i->kind == RECORD_HEARS;
    char words[BLE_WORDS], again[BLE_WORDS], text[COMPARE_TEXT];
    MUST(ble_words_fill(i->words, news, key, words) == ERR_OK);
    ble_words_hide(words, news, again, sizeof again);
    MUST(strcmp(again, i->words) == 0);
    compare_name_words(news, i->words, text);
    MUST(news || compare_words(c, i->words, i->words, text) == COMPARE_SAME);
}

static void check_item(struct compare *c, const struct record_item *i)
{
    MUST(i->line && *i->who);
    if (i->kind == RECORD_LEAVES || i->kind == RECORD_REACHES)
        check_sdu(c, i);
    else if (i->kind == RECORD_TELLS || i->kind == RECORD_HEARS)
        check_words(c, i);
    else
        MUST(i->kind == RECORD_FRAME || (i->kind <= RECORD_ANSWER && i->bytes.len >= 2));
}

void fuzz_logs(const uint8_t *p, size_t len)
{
    struct record r = {0};
    struct compare c = {.crypto = fuzz_crypto(), .exact = true};
    char problem[RECORD_PROBLEM] = "";
    bool ok = record_read_bytes(&r, "fuzzed.log", span_of(p, len), EPOCH_US, problem);
    MUST(ok == !*problem && (!ok || r.count));
    if (ok)
        record_sort(&r);
    for (size_t i = 0; ok && i < r.count; i++) {
        check_item(&c, &r.items[i]);
        MUST(!i || r.items[i].time_us >= r.items[i - 1].time_us);
    }
    compare_free(&c);
    record_free(&r);
}

#define A " 4A1122334455/random "

void fuzz_logs_seeds(fuzz_emit *emit, void *arg)
{
    static const char *const texts[] = {
        "   1.000 ms  door card1 > 00a404000da000000809434343444b41763100\n   2.000 ms  door card1 < 9000\n",
        "(1767225600.000332) body 3B0#00\n(1767225600.000333) body 6C1##100112233\n",
        "   1.000 ms  phone spaak" A "> 030100020100\n   2.000 ms  spaak phone" A "< 030100020100\n",
        "   1.000 ms  phone spaak" A "> 05010017000000000000000100000000000000070000003201000a\n",
        "   1.000 ms  spaak phone" A "> 010b001300a404000da000000809434343444b41763100\n"
        "   1.500 ms  phone spaak" A "> 010c00065c0201009000\n",
        "   1.000 ms  phone - - tells scan\n   1.000 ms  phone spaak" A "hears heard -59 0303F5FF\n",
        "   1.000 ms  phone spaak" A "tries NOT_FOUND disconnect 13\n   1.000 ms  a b" A "tells encrypt *\n",
        "   1.000 ms  spaak phone" A "hears new-ltk 3 16 *\n   1.000 ms  spaak -" A "hears new-irk" A "*\n",
        "   1.000 ms  spaak - - hears oob 000102030405060708090A0B0C0D0E0F *\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        emit(arg, (const uint8_t *)texts[i], strlen(texts[i]));
}
