/* The NFC reader on a bench: the SpaaK Module's end of the channel and the cards are the test's. Each row is
 * a script of steps in virtual milliseconds; what the reader sends either way is read in order, and nothing
 * may be left at its end. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/wcp/wcp.h"
#include "lib/can/isotp.h"
#include "lib/ccc/apdu.h"
#include "lib/msg/reader.h"
#include "tests/support.h"

enum { BODY, NFC };

#define FRAMEWORK "00A404000DA000000809434343444B46763100"
#define APPLET    "00A404000DA000000809434343444B41763100"
#define CARD_KEY  "00A404000BF0535041414B434152440100"
#define HELLO     "80030101BA9000"
#define READY     "5A0201005C020100D401029000" /* of the framework */
#define VERSIONS  "5C0201009000"               /* of the applet */
#define POLL      "> 0101" FRAMEWORK "; < 8401; "
#define SELECTED  POLL "card1 here; card1 > " FRAMEWORK "; card1 < " READY "; < 8101" READY "; "
#define GET       "80CA000000"
#define LONG_60                                                    \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

#define PDUS 32

struct shop {
    struct bench bench; /* first */
    struct node_host host;
    struct isotp tp; /* the SpaaK Module's end */
    uint8_t rx[512], tx[512];
    struct {
        char hex[2 * 300 + 1];
    } heard[PDUS]; /* by the SpaaK Module, not yet read by the script */
    size_t heard_count, seen /* of what the bench has sent */, cards_read;
    unsigned lose_out, lose_in; /* frames from and to the reader */
    bool field;                 /* as the medium was told */
    enum err told;              /* what the medium answers */
    unsigned place;
};

static struct shop shop;

static enum err tell(struct node *n, unsigned port, const char *address, const char *news)
{
    cr_assert(eq(uint, port, NFC));
    cr_assert(eq(str, (char *)address, ""));
    (void)n;
    if (shop.told)
        return shop.told;
    shop.field = strcmp(news, "field-on") == 0;
    cr_assert(shop.field || strcmp(news, "field-off") == 0);
    return ERR_OK;
}

static void open_shop(uint64_t place)
{
    static uint64_t settings[4];
    struct shop *s = &shop;
    memset(s, 0, sizeof *s);
    settings[0] = place;
    settings[1] = 100;
    settings[2] = 1000;
    settings[3] = 20000;
    bench_prepare(&s->bench, &wcp_class, test_crypto());
    s->host = *s->bench.node.host;
    s->host.tell = tell;
    s->bench.node.host = &s->host;
    s->place = (unsigned)place;
    const struct isotp_config cfg = isotp_config_default(0x6C0 + s->place, 0x6C8 + s->place);
    cr_assert(eq(int, isotp_init(&s->tp, &cfg, s->rx, sizeof s->rx), ERR_OK));
    cr_assert(eq(int, bench_start(&s->bench, &(struct component_args){.serial = "S1", .settings = settings}),
                 ERR_OK));
}

static void hear(struct shop *s, const struct isotp_event *ev)
{
    if (ev->kind != ISOTP_RECEIVED)
        return;
    cr_assert(lt(sz, s->heard_count, PDUS));
    char *hex = s->heard[s->heard_count++].hex;
    hex_encode(ev->message.p, ev->message.len, hex);
    for (; *hex; hex++)
        *hex = (char)(*hex >= 'a' ? *hex - 'a' + 'A' : *hex);
}

static void input(struct shop *s, const struct bus_frame *f)
{
    struct isotp_event ev;
    if (f->id != 0x6C8 + s->place || (s->lose_out && s->lose_out--))
        return;
    isotp_input(&s->tp, f, s->bench.now_us, &ev);
    hear(s, &ev);
}

/* Until nobody has anything more to say at this time. */
static void carry(struct shop *s)
{
    struct bus_frame f;
    struct isotp_event ev;
    for (bool more = true; more;) {
        more = false;
        for (; s->seen < s->bench.sent_count; s->seen++, more = true)
            if (s->bench.sent[s->seen].is_frame)
                input(s, &s->bench.sent[s->seen].frame);
        while (isotp_output(&s->tp, s->bench.now_us, &f, &ev)) {
            more = true;
            if (s->lose_in && s->lose_in--)
                continue;
            bench_frame(&s->bench.node, BODY, &f);
        }
        do
            isotp_expire(&s->tp, s->bench.now_us, &ev);
        while (ev.kind != ISOTP_NONE);
    }
}

static void pass_ms(struct shop *s, uint64_t ms)
{
    for (carry(s); ms > 0; ms--) {
        bench_run_ms(&s->bench, 1);
        carry(s);
    }
}

static const char *shown(const struct shop *s, const char *what)
{
    for (size_t i = s->bench.trace_count; i-- > 0;)
        if (s->bench.trace[i].kind == TRACE_SHOW && strcmp(s->bench.trace[i].message, what) == 0)
            return s->bench.trace[i].detail;
    return "";
}

/* ---- steps ---- */

static void ask(struct shop *s, const char *hex)
{
    long n = hex_decode(hex, strlen(hex), s->tx, sizeof s->tx);
    cr_assert(lt(int, 0, (int)n), "%s", hex);
    isotp_abort_send(&s->tp);
    cr_assert(eq(int, isotp_send(&s->tp, s->tx, (uint32_t)n, s->bench.now_us), ERR_OK));
    pass_ms(s, 2);
}

static void expect_heard(struct shop *s, const char *name, const char *hex)
{
    cr_assert(s->heard_count > 0, "%s: nothing came instead of %s", name, hex);
    cr_assert(eq(str, s->heard[0].hex, (char *)hex), "%s", name);
    memmove(s->heard, s->heard + 1, --s->heard_count * sizeof s->heard[0]);
}

static const struct bench_sent *next_to_card(struct shop *s)
{
    while (s->cards_read < s->bench.sent_count && s->bench.sent[s->cards_read].is_frame)
        s->cards_read++;
    return s->cards_read < s->bench.sent_count ? &s->bench.sent[s->cards_read++] : NULL;
}

static void expect_card(struct shop *s, const char *name, const char *card, const char *hex)
{
    uint8_t bytes[300];
    long n = hex_decode(hex, strlen(hex), bytes, sizeof bytes);
    const struct bench_sent *sent = next_to_card(s);
    cr_assert(sent != NULL, "%s: nothing to %s", name, card);
    cr_assert(eq(str, (char *)sent->address, (char *)card), "%s", name);
    cr_assert(span_equal(span_of(sent->bytes, sent->len), span_of(bytes, (size_t)n)), "%s: %s", name, hex);
}

static void answer(struct shop *s, const char *card, const char *hex)
{
    static uint8_t bytes[700];
    long n = hex_decode(hex, strlen(hex), bytes, sizeof bytes);
    cr_assert(le(int, 0, (int)n), "%s", hex);
    node_on_bytes(&s->bench.node, NFC, card, span_of(bytes, (size_t)n));
    pass_ms(s, 2);
}

static void link_nfc(struct shop *s, bool up)
{
    s->bench.up[NFC] = s->field = up && s->field;
    s->bench.up[NFC] = up;
    s->field = false;
    node_on_link(&s->bench.node, NFC, up ? LINK_UP : LINK_DOWN);
    pass_ms(s, 2);
}

/* Of two and three words. */
static void step(struct shop *s, const char *name, const char *text)
{
    char word[3][1100] = {"", "", ""};
    int n = sscanf(text, "%1099s %1099s %1099s", word[0], word[1], word[2]);
    cr_assert(lt(int, 1, n), "%s: %s", name, text);
    if (strcmp(word[0], ">") == 0)
        ask(s, word[1]);
    else if (strcmp(word[0], "<") == 0)
        expect_heard(s, name, word[1]);
    else if (strcmp(word[0], "wait") == 0)
        pass_ms(s, strtoul(word[1], NULL, 10));
    else if (strcmp(word[0], "nfc") == 0)
        link_nfc(s, strcmp(word[1], "up") == 0);
    else if (strcmp(word[0], "told") == 0)
        s->told = err_from_name(word[1]);
    else if (strcmp(word[0], "lose-out") == 0)
        s->lose_out = (unsigned)strtoul(word[1], NULL, 10);
    else if (strcmp(word[0], "lose-in") == 0)
        s->lose_in = (unsigned)strtoul(word[1], NULL, 10);
    else if (strcmp(word[0], "field") == 0) {
        cr_assert(eq(str, (char *)shown(s, "field"), word[1]), "%s", name);
        cr_assert(eq(int, s->field, strcmp(word[1], "on") == 0), "%s: the medium was told", name);
    } else if (strcmp(word[0], "shows") == 0)
        cr_assert(eq(str, (char *)shown(s, "card"), word[1]), "%s", name);
    else if (strcmp(word[1], ">") == 0)
        expect_card(s, name, word[0], word[2]);
    else if (strcmp(word[1], "<") == 0)
        answer(s, word[0], strcmp(word[2], "nothing") == 0 ? "" : word[2]);
    else {
        bool here = strcmp(word[1], "here") == 0;
        cr_assert(here || strcmp(word[1], "gone") == 0, "%s: %s", name, text);
        node_on_news(&s->bench.node, NFC, word[0], here ? "card-here" : "card-gone");
        pass_ms(s, 2);
    }
}

static void run_script(struct shop *s, const char *name, const char *text)
{
    static char one[1300];
    for (size_t n; *text; text += n + strspn(text + n, "; ")) {
        n = strcspn(text, ";");
        cr_assert(lt(sz, n, sizeof one));
        memcpy(one, text, n);
        one[n] = '\0';
        step(s, name, one);
    }
    cr_assert(eq(sz, s->heard_count, 0), "%s: %s was not expected", name, s->heard[0].hex);
    cr_assert(eq(ptr, (void *)next_to_card(s), NULL), "%s: a card was sent more", name);
}

static const struct {
    const char *name, *script;
} scripts[] = {
    {"poll, select, carry, off",
     "field off; " SELECTED "field on; shows here; > 0202" GET "; card1 > " GET
     "; card1 < 1122339000; < 82021122339000; > 0203" GET "; card1 > " GET "; card1 < 6985; < 82036985; > "
     "0404; < 8404; field off; shows none"},
    {"the applet", "> 0111" APPLET "; < 8411; card7 here; card7 > " APPLET "; card7 < " VERSIONS
                   "; < 8111" VERSIONS "; shows here"},
    {"a card before POLL is there when the field is",
     "> 0101" FRAMEWORK "; < 8401; card1 here; card1 > " FRAMEWORK "; card1 < " READY "; < 8101" READY},
    {"long answers come whole", SELECTED "> 0202" GET "; card1 > " GET "; card1 < " LONG_60 LONG_60 LONG_60
                                         "9000; < 8202" LONG_60 LONG_60 LONG_60 "9000"},
    {"long commands go whole",
     SELECTED "> 020280D40000B4" LONG_60 LONG_60 LONG_60 "; card1 > 80D40000B4" LONG_60 LONG_60 LONG_60
              "; card1 < 9000; < 82029000"},

    /* the card key */
    {"the card key", "> 0101" CARD_KEY "; < 8401; card1 here; card1 > " CARD_KEY "; card1 < " HELLO
                     "; < 8101" HELLO "; shows here; > 020200B0000000; card1 > 00B0000000; card1 < 6985; "
                     "< 82026985"},
    {"a phone is no card key",
     "> 0101" CARD_KEY "; < 8401; card1 here; card1 > " CARD_KEY "; card1 < 6A82; wait 100; card1 > " CARD_KEY
     "; card1 < " READY "; shows none; card2 here; card2 > " CARD_KEY "; card2 < " HELLO "; < 8101" HELLO
     "; shows here; wait 100; card1 > " CARD_KEY},
    {"a card key is no phone, and no second one",
     POLL "card1 here; card1 > " FRAMEWORK "; card1 < 6A82; card2 here; card2 > " FRAMEWORK "; card2 < " READY
          "; < 8101" READY "; wait 100; card1 > " FRAMEWORK "; card1 < " HELLO "; shows here"},
    {"two card keys: neither",
     "> 0101" CARD_KEY "; < 8401; card1 here; card1 > " CARD_KEY "; card2 here; card2 > " CARD_KEY
     "; card1 < " HELLO "; card2 < " HELLO "; < 830103; shows two"},
    {"from the card to the phone beside it",
     "> 0101" CARD_KEY "; < 8401; card1 here; card1 > " CARD_KEY "; card1 < " HELLO "; < 8101" HELLO
     "; > 0102" FRAMEWORK "; < 8402; card1 > " FRAMEWORK "; card1 < 6A82; card2 here; card2 > " FRAMEWORK
     "; card2 < " READY "; < 8102" READY "; shows here"},
    {"no SELECT of ours", "> 010100A404000BF0535041414B434152440200; < 85010005"},

    /* who is no Digital Key device */
    {"another card is asked again every 100 ms, and nothing forwarded",
     POLL "card1 here; card1 > " FRAMEWORK "; card1 < 6A82; wait 90; wait 10; card1 > " FRAMEWORK
          "; card1 < 6A82; wait 100; card1 > " FRAMEWORK "; card1 < " READY "; < 8101" READY "; wait 500"},
    {"an answer that is none of the framework's",
     POLL "card1 here; card1 > " FRAMEWORK "; card1 < " VERSIONS "; wait 100; card1 > " FRAMEWORK
          "; card1 < 9000; wait 100; card1 > " FRAMEWORK "; card1 < 90; shows none"},
    {"an answer that is none of the applet's",
     "> 0101" APPLET "; < 8401; card1 here; card1 > " APPLET "; card1 < 5C01019000; wait 100; card1 > " APPLET
     "; card1 < " LONG_60 "9000; shows none"},
    {"another card beside a phone disturbs nothing",
     POLL "card1 here; card1 > " FRAMEWORK "; card1 < 6A82; card2 here; card2 > " FRAMEWORK "; card2 < " READY
          "; < 8101" READY "; > 0202" GET "; card2 > " GET "; wait 100; card1 > " FRAMEWORK
          "; card1 < 6A82; card2 < 9000; < 82029000; card1 gone; wait 300; shows here"},
    {"a mute card beside a phone holds it up no longer than a poll",
     POLL "card1 here; card1 > " FRAMEWORK "; card2 here; card2 > " FRAMEWORK "; card2 < " READY
          "; shows none; wait 100; < 8101" READY "; wait 3000; shows here; field on"},
    {"a mute card alone is reset",
     POLL "card1 here; card1 > " FRAMEWORK "; wait 990; field on; wait 20; field off; wait 60; field on; "
          "card1 here; card1 > " FRAMEWORK "; card1 < " READY "; < 8101" READY},
    {"one that was mute is reset when the phone has gone",
     POLL "card1 here; card1 > " FRAMEWORK "; card2 here; card2 > " FRAMEWORK "; card2 < " READY
          "; wait 100; < 8101" READY "; wait 2000; card2 gone; < 830101; field off; wait 60; field on"},

    /* losses */
    {"lifted", SELECTED "card1 gone; < 830101; shows none; card2 here; card2 > " FRAMEWORK "; card2 < " READY
                        "; < 8101" READY},
    {"lifted in the middle of an APDU",
     SELECTED "> 0202" GET "; card1 > " GET "; card1 gone; < 830101; > 0203" GET "; < 85030006"},
    {"no answer to an APDU: reset, and selected anew",
     SELECTED "> 0202" GET "; card1 > " GET "; wait 990; wait 10; < 830102; field off; shows none; wait 60; "
              "field on; card1 here; card1 > " FRAMEWORK "; card1 < " READY "; < 8101" READY},
    {"an answer without a status word",
     SELECTED "> 0202" GET "; card1 > " GET "; card1 < 90; < 830102; field off; wait 60; field on"},
    {"an empty answer",
     SELECTED "> 0202" GET "; card1 > " GET "; card1 < nothing; < 830102; field off; wait 60; field on"},
    {"an answer that is too long",
     SELECTED "> 0202" GET "; card1 > " GET "; card1 < " LONG_60 LONG_60 LONG_60 LONG_60
              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA9000; < 830102; wait 60; field on"},
    {"the longest", SELECTED "> 0202" GET "; card1 > " GET "; card1 < " LONG_60 LONG_60 LONG_60 LONG_60
                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA9000; < 8202" LONG_60 LONG_60 LONG_60 LONG_60
                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA9000"},
    {"a card that speaks unasked is not heard", SELECTED "card1 < 9000; card2 < 9000; shows here"},

    /* two */
    {"a second phone: nobody is served until one is gone",
     SELECTED "card2 here; card2 > " FRAMEWORK "; card2 < " READY "; < 830103; shows two; > 0202" GET
              "; < 85020006; wait 1000; card1 gone; card2 > " FRAMEWORK "; card2 < " READY "; < 8101" READY
              "; shows here"},
    {"a second phone in the middle of an APDU: its answer is for nobody", SELECTED
     "> 0202" GET "; card1 > " GET "; card2 here; card2 > " FRAMEWORK "; card2 < " READY
     "; < 830103; card2 gone; card1 < 1234569000; card1 > " FRAMEWORK "; card1 < " READY "; < 8101" READY},
    {"and an answer that comes while there are two",
     SELECTED "> 0202" GET "; card1 > " GET "; card2 here; card2 > " FRAMEWORK "; card2 < " READY
              "; < 830103; card1 < 1234569000; shows two; card1 gone; card2 > " FRAMEWORK "; card2 < " READY
              "; < 8101" READY},
    {"POLL while there are two: LOST again",
     SELECTED "card2 here; card2 > " FRAMEWORK "; card2 < " READY "; < 830103; > 0102" FRAMEWORK
              "; < 8402; shows none; card1 > " FRAMEWORK "; card2 > " FRAMEWORK "; card2 < " READY
              "; card1 < " READY "; < 830203; shows two"},
    {"two at once: neither is forwarded", POLL
     "card1 here; card2 here; card1 > " FRAMEWORK "; card2 > " FRAMEWORK "; card1 < " READY "; card2 < " READY
     "; < 830103; shows two; card2 gone; card1 > " FRAMEWORK "; card1 < " READY "; < 8101" READY},
    {"three, then two, then one",
     POLL "card1 here; card2 here; card3 here; card1 > " FRAMEWORK "; card2 > " FRAMEWORK
          "; card3 > " FRAMEWORK "; card1 < " READY "; card2 < " READY "; < 830103; card3 < " READY
          "; card1 gone; shows two; card3 gone; shows none; card2 > " FRAMEWORK "; card2 < " READY
          "; < 8101" READY},
    {"both go", SELECTED "card2 here; card2 > " FRAMEWORK "; card2 < " READY
                         "; < 830103; card2 gone; card1 > " FRAMEWORK "; card1 gone; shows none"},

    /* REPOLL */
    {"a planned reset",
     SELECTED "> 03020064" FRAMEWORK "; field off; shows none; wait 90; field off; wait 10; "
              "< 8402; field on; card1 here; card1 > " FRAMEWORK "; card1 < " READY "; < 8102" READY},
    {"to the applet", SELECTED "> 03020032" APPLET "; wait 50; < 8402; card1 here; card1 > " APPLET
                               "; card1 < " VERSIONS "; < 8102" VERSIONS},
    {"from nothing", "> 03020032" APPLET "; field off; wait 50; < 8402; field on"},
    {"OFF in the gap", SELECTED "> 03020064" FRAMEWORK "; > 0403; < 8403; wait 200; field off"},
    {"POLL in the gap waits for its end",
     SELECTED "> 03020064" FRAMEWORK "; > 0103" FRAMEWORK "; field off; wait 100; < 8403; field on"},
    {"what is of before the gap is not heard",
     SELECTED "> 0202" GET "; card1 > " GET "; > 03030064" FRAMEWORK "; card1 < 9000; wait 100; < 8403"},

    /* refusals */
    {"an APDU without a card", POLL "> 0202" GET "; < 85020006"},
    {"an APDU without field", "> 0202" GET "; < 85020006"},
    {"one under way",
     SELECTED "> 0202" GET "; card1 > " GET "; > 020380CA00AA00; < 85030008; card1 < 9000; < "
              "82029000"},
    {"malformed", POLL "> 0502; < 8502012C; > 8402; < 85020134; > 01; < 85000001; > 040200; < 85020002; > "
                       "020280CA00; < 85020001; > 03020000" FRAMEWORK "; < 85020005; > 0302FFFF" FRAMEWORK
                       "; < 85020005; field on"},
    {"no C-APDU", SELECTED "> 020280CA00000511; < 85020001"},
    {"POLL that is no SELECT of ours",
     "> 010280CA000000; < 85020005; > 010300A404000DA00000080943434344FF46763100; < 85030005; > "
     "010400A404010DA000000809434343444B46763100; < 85040005; field off"},
    {"a refused POLL changes nothing", SELECTED "> 010280CA000000; < 85020005; shows here; field on"},

    /* frames that get lost, numbers that come again */
    {"a command is lost, and repeated",
     SELECTED "lose-in 1; > 0202" GET "; > 0202" GET "; card1 > " GET "; card1 < 9000; < 82029000"},
    {"an answer is lost: the card hears the command once", SELECTED
     "> 0202" GET "; card1 > " GET "; lose-out 1; card1 < 11229000; > 0202" GET "; < 820211229000; > "
     "0203" GET "; card1 > " GET "; card1 < 9000; < 82039000"},
    {"a repetition before the answer",
     SELECTED "> 0202" GET "; > 0202" GET "; card1 > " GET "; card1 < 9000; < 82029000"},
    {"a long answer loses its second frame, and is asked for again",
     SELECTED "> 0202" GET "; card1 > " GET "; lose-out 1; card1 < " LONG_60 LONG_60
              "9000; wait 1100; > 0202" GET "; < 8202" LONG_60 LONG_60 "9000"},
    {"a long command loses its first frame",
     SELECTED "lose-in 1; > 020280D40000B4" LONG_60 LONG_60 LONG_60
              "; wait 1100; > 020280D40000B4" LONG_60 LONG_60 LONG_60
              "; card1 > 80D40000B4" LONG_60 LONG_60 LONG_60 "; card1 < 9000; < 82029000"},
    {"SELECTED is lost: POLL again",
     POLL "card1 here; card1 > " FRAMEWORK "; lose-out 1; card1 < " READY "; > 0102" FRAMEWORK
          "; < 8402; card1 > " FRAMEWORK "; card1 < " READY "; < 8102" READY},

    /* SpaaK begins anew, or is gone */
    {"SpaaK begins anew in the middle of an APDU",
     SELECTED "> 0202" GET "; card1 > " GET "; > 0199" FRAMEWORK "; < 8499; card1 < 9000; card1 > " FRAMEWORK
              "; card1 < " READY "; < 8199" READY},
    {"and the card never answers that APDU",
     SELECTED "> 0202" GET "; card1 > " GET "; > 0199" FRAMEWORK
              "; < 8499; wait 1000; field off; wait 60; field on; card1 here; card1 > " FRAMEWORK
              "; card1 < " READY "; < 8199" READY},
    {"SpaaK begins anew while a long answer is under way to it",
     SELECTED "> 0202" GET "; card1 > " GET "; lose-out 1; card1 < " LONG_60 LONG_60 "9000; > 0199" FRAMEWORK
              "; < 8499; card1 > " FRAMEWORK "; card1 < " READY "; < 8199" READY "; wait 1500"},
    {"an APDU of before is not one of now",
     SELECTED "> 0202" GET "; card1 > " GET "; card1 < 9000; < 82029000; > 0103" FRAMEWORK
              "; < 8403; card1 > " FRAMEWORK "; > 0202" GET "; < 85020006"},
    {"another AID for the card that is here", SELECTED "> 0102" APPLET "; < 8402; shows none; card1 > " APPLET
                                                       "; card1 < " VERSIONS "; < 8102" VERSIONS},
    {"SpaaK is gone",
     SELECTED "wait 19980; field on; wait 20; field off; shows none; > 0202" GET "; < 85020006"},
    {"and is still gone when NFC goes and comes",
     SELECTED "wait 20000; field off; nfc down; nfc up; field off"},
    {"any command keeps the field",
     SELECTED "wait 15000; > 0202" GET "; card1 > " GET "; card1 < 9000; < 82029000; wait 15000; field on"},

    /* the reader */
    {"NFC goes and comes: polls by itself", SELECTED
     "> 0202" GET "; card1 > " GET "; nfc down; < 830104; field off; shows none; > 0203" GET
     "; < 85030006; nfc up; field on; card1 here; card1 > " FRAMEWORK "; card1 < " READY "; < 8101" READY},
    {"NFC goes while nobody is there", POLL "nfc down; < 830104; nfc up; field on"},
    {"NFC goes after OFF", POLL "> 0402; < 8402; nfc down; nfc up; field off"},
    {"POLL without NFC begins nothing", "nfc down; > 0101" FRAMEWORK "; < 850101F4; nfc up; field off"},
    {"REPOLL without NFC ends the polling too",
     POLL "nfc down; < 830104; > 03020032" FRAMEWORK "; < 850201F4; nfc up; wait 100; field off"},
    {"NFC goes in the gap: DONE comes when the field does",
     POLL "> 03020032" FRAMEWORK "; nfc down; < 830204; wait 100; nfc up; < 8402; field on"},
    {"the field cannot be made",
     "told SYSTEM; > 0101" FRAMEWORK "; < 830104; told OK; nfc down; < 830104; nfc "
     "up; < 8401; field on"},
    {"OFF without NFC", POLL "nfc down; < 830104; > 0402; < 8402; nfc up; field off"},
};

Test(wcp, carries_between_spaak_and_card)
{
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        for (uint64_t place = READER_PAD; place < READER_PLACES; place++) {
            open_shop(place);
            run_script(&shop, scripts[i].name, scripts[i].script);
            bench_free(&shop.bench);
        }
}

Test(wcp, says_once_why_a_card_is_none_of_ours)
{
    open_shop(READER_PAD);
    run_script(&shop, "once",
               POLL "card1 here; card1 > " FRAMEWORK "; card1 < 6A82; wait 100; card1 > " FRAMEWORK
                    "; card1 < 6985; card2 here; card2 > " FRAMEWORK "; card2 < 9000");
    size_t lines = 0;
    for (size_t i = 0; i < shop.bench.trace_count; i++)
        lines += strstr(shop.bench.trace[i].detail, "is no Digital Key device") != NULL;
    cr_expect(eq(sz, lines, 2), "one each");
    cr_expect(eq(str, shop.bench.trace[shop.bench.trace_count - 1].detail,
                 "card2 is no Digital Key device: NOT_FOUND"));
    bench_free(&shop.bench);
}

Test(wcp, traces_the_steps)
{
    open_shop(READER_PAD);
    run_script(&shop, "framework", SELECTED);
    cr_expect(eq(str, (char *)bench_last(&shop.bench, TRACE_STEP)->step, "OP-03/1"));
    run_script(&shop, "applet",
               "> 0102" APPLET "; < 8402; card1 > " APPLET "; card1 < " VERSIONS "; < 8102" VERSIONS);
    cr_expect(eq(str, (char *)bench_last(&shop.bench, TRACE_STEP)->step, "OP-04/1"));
    cr_expect(eq(sz, bench_count(&shop.bench, TRACE_STEP, ERR_OK), 2));
    bench_free(&shop.bench);
}

/* ---- the cyclic status ---- */

/* Flags of the last one; all of them are sound. */
static uint8_t check_status(const struct shop *s, size_t *count)
{
    uint32_t id = 0x3B0 + s->place;
    const struct bus_frame *last = NULL;
    *count = 0;
    for (size_t i = 0; i < s->bench.sent_count; i++) {
        const struct bus_frame *f = &s->bench.sent[i].frame;
        if (!s->bench.sent[i].is_frame || f->id != id)
            continue;
        cr_expect(eq(u8, f->len, 8));
        cr_expect(eq(u8, f->flags, 0));
        cr_expect(eq(u8, f->data[7], matrix_checksum(id, f->data, 8)));
        cr_expect(last == NULL || f->data[1] == ((last->data[1] + 1) & 15), "alive counter");
        last = f;
        ++*count;
    }
    return last ? last->data[0] : 0xFF;
}

Test(wcp, status_is_cyclic_and_tells_reader_field_and_card)
{
    static const struct {
        const char *script;
        uint8_t flags;
    } rows[] = {
        {"wait 600", 1},
        {POLL "wait 600", 3},
        {SELECTED "wait 600", 7},
        {SELECTED "card1 gone; < 830101; wait 600", 3},
        {SELECTED "> 0402; < 8402; wait 600", 1},
        {SELECTED "nfc down; < 830104; wait 600", 0},
        {"wait 9000", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (uint64_t place = 0; place < READER_PLACES; place++) {
            size_t count;
            open_shop(place);
            run_script(&shop, "status", rows[i].script);
            uint64_t cycles = shop.bench.now_us / 500000;
            cr_expect(eq(u8, check_status(&shop, &count), rows[i].flags), "row %zu", i);
            cr_expect(eq(sz, count, 1 + cycles), "row %zu: one when the bus is up, then every 500 ms", i);
            bench_free(&shop.bench);
        }
}

/* Another life's first counter is not the last one of the life before, as a rule. */
Test(wcp, each_life_begins_its_counter_anywhere)
{
    unsigned seen = 0;
    for (unsigned life = 0; life < 64; life++) {
        open_shop(READER_PAD);
        cr_assert(eq(u32, shop.bench.sent[0].frame.id, 0x3B0));
        cr_assert(lt(u8, shop.bench.sent[0].frame.data[1], 16));
        seen |= 1u << shop.bench.sent[0].frame.data[1];
        bench_free(&shop.bench);
    }
    cr_expect(__builtin_popcount(seen) > 4, "%04X", seen);
}

/* ---- its place ---- */

Test(wcp, the_other_places_commands_are_none_of_its)
{
    struct bus_frame f;
    for (uint64_t place = 0; place < READER_PLACES; place++) {
        open_shop(place);
        snprintf((char *)shop.tx, sizeof shop.tx, "%03X##500150101" FRAMEWORK "CC", 0x6C1 - (unsigned)place);
        cr_assert(eq(int, bus_frame_parse((char *)shop.tx, &f), ERR_OK), "%s", (char *)shop.tx);
        bench_frame(&shop.bench.node, BODY, &f);
        run_script(&shop, "other", "wait 10; field off");
        f.id = 0x6C0 + (uint32_t)place;
        bench_frame(&shop.bench.node, BODY, &f);
        run_script(&shop, "own", "wait 10; < 8401; field on");
        bench_free(&shop.bench);
    }
}
