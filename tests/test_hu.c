/* The head unit on a bench: what it asks to the byte, what it shows, when it gives up, what it does not
 * believe; and together with gateway and body controller. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/hu/hu.h"
#include "lib/can/isotp.h"
#include "lib/msg/cabin.h"
#include "tests/check.h"
#include "tests/support.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct component_args args = {.serial = "SPAAK00000001"};
static struct bench b;
static uint8_t alive_bcm, alive_spaak, alive_notice;

static void start(void)
{
    bench_prepare(&b, &hu_class, test_crypto());
    ASSERT_OK(bench_start(&b, &args));
}

static void stop(void)
{
    bench_free(&b);
}

TestSuite(hu, .init = start, .fini = stop);

static const char *shown(const char *what)
{
    for (size_t i = b.trace_count; i-- > 0;)
        if (b.trace[i].kind == TRACE_SHOW && strcmp(b.trace[i].message, what) == 0)
            return b.trace[i].detail;
    return "";
}

/* ---- words ---- */

static void call(const char *name, uint64_t number)
{
    const struct call_value value = {.number = number};
    unsigned index;
    cr_assert(component_call(&hu_class, name, &index));
    node_on_call(&b.node, index, &value);
}

static void give(struct bus_frame f)
{
    bench_frame(&b.node, 0, &f);
}

static void give_bcm(bool ignition)
{
    const struct cabin_bcm_status s = {.ignition = ignition, .locked = true};
    struct bus_frame f;
    cabin_write_bcm_status(&s, &alive_bcm, &f);
    give(f);
}

static void give_spaak(bool pairing, uint8_t keys)
{
    const struct cabin_spaak_status s = {
        .pairing = pairing, .verifiers = true, .identity = true, .keys = keys};
    struct bus_frame f;
    cabin_write_spaak_status(&s, &alive_spaak, &f);
    give(f);
}

static void give_notice(unsigned what, uint8_t key, uint16_t reason)
{
    const struct cabin_notification n = {.what = (enum cabin_notice)what, .key = key, .reason = reason};
    struct bus_frame f;
    cabin_write_notification(&n, &alive_notice, &f);
    give(f);
}

static void give_keys(struct span message)
{
    static uint8_t rx[8];
    struct isotp tp;
    struct isotp_config cfg = isotp_config_default(0x6D0, 0x6D8);
    struct isotp_event ev;
    struct bus_frame f;
    isotp_init(&tp, &cfg, rx, sizeof rx);
    ASSERT_OK(isotp_send(&tp, message.p, (uint32_t)message.len, 0));
    for (size_t seen = b.sent_count; isotp_sending(&tp);) {
        while (isotp_output(&tp, 0, &f, &ev))
            give(f);
        cr_assert(not(isotp_sending(&tp) && seen == b.sent_count), "no flow control");
        for (; seen < b.sent_count; seen++)
            isotp_input(&tp, &b.sent[seen].frame, 0, &ev);
    }
}

static void give_list(size_t count, const char *name)
{
    static const enum cabin_key_state states[] = {CABIN_KEY_ACTIVE, CABIN_KEY_PENDING, CABIN_KEY_SUSPENDED,
                                                  CABIN_KEY_TERMINATED};
    struct cabin_keys k = {.count = count};
    uint8_t buf[CABIN_KEYS_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    for (size_t i = 0; i < count; i++) {
        k.keys[i] = (struct cabin_key){
            .index = (uint8_t)(i + 1), .state = states[i % 4], .id = {0xA0, 0, 0, (uint8_t)(i + 1)}};
        snprintf(k.keys[i].name, sizeof k.keys[i].name, "%s", name);
    }
    cabin_write_keys(&k, &w);
    give_keys(span_of(buf, w.len));
}

static void do_word(const char *word)
{
    if (strcmp(word, "on") == 0 || strcmp(word, "off") == 0)
        give_bcm(strcmp(word, "on") == 0);
    else if (strcmp(word, "spaak") == 0)
        give_spaak(false, 1);
    else if (strcmp(word, "pairs") == 0)
        give_spaak(true, 0);
    else if (strcmp(word, "over") == 0)
        give_spaak(false, 0);
    else if (strcmp(word, "add") == 0)
        call("add-key", 0);
    else if (strcmp(word, "cancel") == 0)
        call("cancel", 0);
    else if (strcmp(word, "delete") == 0)
        call("delete-key", 3);
    else if (strcmp(word, "three") == 0)
        give_list(3, "A");
    else if (strcmp(word, "list") == 0)
        call("show-keys", 0);
    else if (strcmp(word, "keys") == 0)
        give_list(1, "Anna's phone");
    else if (word[0] == 'n')
        give_notice((unsigned)strtoul(word + 1, NULL, 10), 0, 0);
    else
        bench_run_ms(&b, strtoul(word, NULL, 10));
}

static void play(const char *words)
{
    char word[16];
    for (size_t n; *words; words += n + strspn(words + n, " ")) {
        n = strcspn(words, " ");
        cr_assert(lt(sz, n, sizeof word));
        memcpy(word, words, n);
        word[n] = '\0';
        do_word(word);
    }
}

#define THREE "1 A (active), 2 A (pending), 3 A (suspended)"
static const struct {
    const char *words, *ignition, *screen, *keys;
    size_t sent, rejected;
} rows[] = {
    {"", "unknown", "off", "", 0, 0},
    /* ignition */
    {"on", "on", "ready", "", 0, 0},
    {"off", "off", "off", "", 0, 0},
    {"on off", "off", "off", "", 0, 0},
    {"on 499", "on", "ready", "", 0, 0},
    {"on 500", "unknown", "off", "", 0, 0},
    {"on 400 on 400", "on", "ready", "", 0, 0},
    /* what is asked, and when it is not */
    {"add", "unknown", "switch the ignition on first", "", 0, 1},
    {"off add", "off", "switch the ignition on first", "", 0, 1},
    {"off cancel delete list", "off", "switch the ignition on first", "", 0, 3},
    {"on 500 add", "unknown", "switch the ignition on first", "", 0, 1},
    {"off add on", "on", "ready", "", 0, 1},
    {"on add", "on", "one moment", "", 1, 0},
    {"on add 400 on 400 on 400 on 400 on 399", "on", "one moment", "", 1, 0},
    {"on add 400 on 400 on 400 on 400 on 400", "on", "no answer", "", 1, 0},
    {"on cancel 400 on 400 on 400 on 400 on 400", "on", "no answer", "", 1, 0},
    {"on add 2000", "unknown", "no answer", "", 1, 0},
    {"on add add", "on", "one moment", "", 2, 0},
    {"on add 400 on add 400 on 400 on 400 on 400 on 400 add", "on", "one moment", "", 3, 0},
    /* answers */
    {"on add n1", "on", "click the link in your phone and follow its app", "", 1, 0},
    {"on add n1 2000 on", "on", "click the link in your phone and follow its app", "", 1, 0},
    {"on add n2", "on", "put the phone on the charging pad", "", 1, 0},
    {"on add n3", "on", "pairing: leave the phone where it is", "", 1, 0},
    {"on add n4", "on", "almost done: leave the phone on the pad, or put it back", "", 1, 0},
    {"on add n1 n2 n3 n4 n5", "on", "paired: your phone is a key", "", 1, 0},
    {"on add n6", "on", "pairing failed", "", 1, 0},
    {"on add n1 cancel n7", "on", "cancelled", "", 2, 0},
    {"on add n8", "on", "time is over: begin again", "", 1, 0},
    {"on three delete n9", "on", "key deleted", THREE, 1, 0},
    {"on three delete n6", "on", "no key was deleted", THREE, 1, 0},
    {"on three delete n11 n6", "on", "no key was deleted", THREE, 1, 0},
    {"on three delete n6 n6", "on", "pairing failed", THREE, 1, 0},
    {"on three delete n9 n6", "on", "pairing failed", THREE, 1, 0},
    {"on three delete add n6", "on", "pairing failed", THREE, 2, 0},
    {"on three add delete n6", "on", "no key was deleted", THREE, 2, 0},
    {"on list n6", "on", "no list of keys", "", 1, 0},
    {"on three delete n11", "on", "bring a key fob, or put your card key on the charging pad", THREE, 1, 0},
    {"on delete", "on", "look at the list of keys first", "", 0, 1},
    {"on keys delete", "on", "look at the list of keys first", "1 Anna's phone (active)", 0, 1},
    {"on add n10", "on", "the car is being prepared, please wait", "", 1, 0},
    {"on add n11", "on", "bring a key fob, or put your card key on the charging pad", "", 1, 0},
    {"on add n13", "on", "take the card away, click the link in your phone and follow its app", "", 1, 0},
    {"on add n14", "on", "pairing over Bluetooth: keep the phone in the car", "", 1, 0},
    {"on add n14 n15", "on", "almost done: keep the phone in the car, Bluetooth on", "", 1, 0},
    {"on spaak add n14 2500 on", "on", "ready", "", 1, 0},
    {"on add n11 off", "off", "bring a key fob, or put your card key on the charging pad", "", 1, 0},
    {"on spaak add n11 2500 on", "on", "ready", "", 1, 0},
    {"on add n11 add", "on", "one moment", "", 2, 0},
    {"on add n11 add n1", "on", "click the link in your phone and follow its app", "", 2, 0},
    {"on add n1 off", "off", "click the link in your phone and follow its app", "", 1, 0},
    {"on add n1 off n7", "off", "cancelled", "", 1, 0},
    {"on add n1 off cancel", "off", "one moment", "", 2, 0},
    {"on add n1 off cancel n7", "off", "cancelled", "", 2, 0},
    {"on add n1 off add", "off", "switch the ignition on first", "", 1, 1},
    {"on add n5 off cancel", "off", "switch the ignition on first", "", 1, 1},
    {"on add n5 off", "off", "off", "", 1, 0},
    {"n2", "unknown", "put the phone on the charging pad", "", 0, 0},
    /* the list */
    {"on list n12", "on", "the keys are being read", "", 1, 0},
    {"on list n12 2000", "unknown", "no answer", "", 1, 0},
    {"on list n12 keys", "on", "1 key", "1 Anna's phone (active)", 1, 0},
    {"on list keys 2000", "unknown", "off", "1 Anna's phone (active)", 1, 0},
    {"keys", "unknown", "1 key", "1 Anna's phone (active)", 0, 0},
    /* the word of the end of a pairing gets lost */
    {"on add pairs n3 spaak", "on", "paired: your phone is a key", "", 1, 0},
    {"on add pairs n3 over", "on", "pairing has ended", "", 1, 0},
    {"on add pairs n3 pairs", "on", "pairing: leave the phone where it is", "", 1, 0},
    {"on add pairs n3 n6 over", "on", "pairing failed", "", 1, 0},
    {"on spaak add over n1", "on", "click the link in your phone and follow its app", "", 1, 0},
    /* the module falls silent */
    {"on spaak add n2 2499", "unknown", "put the phone on the charging pad", "", 1, 0},
    {"on spaak add n2 2500", "unknown", "no answer", "", 1, 0},
    {"on spaak add n2 2000 spaak 2000", "unknown", "put the phone on the charging pad", "", 1, 0},
    {"on spaak add n5 2500 on", "on", "ready", "", 1, 0},
};

static size_t requests_sent(void)
{
    size_t n = 0;
    for (size_t i = 0; i < b.sent_count; i++)
        n += b.sent[i].frame.id == 0x5A0;
    return n;
}

Test(hu, words)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *words = rows[i].words;
        stop();
        start();
        play(words);
        cr_expect(eq(str, (char *)shown("ignition"), (char *)rows[i].ignition), "%s", words);
        cr_expect(eq(str, (char *)shown("screen"), (char *)rows[i].screen), "%s", words);
        cr_expect(eq(str, (char *)shown("keys"), (char *)rows[i].keys), "%s", words);
        cr_expect(eq(sz, requests_sent(), rows[i].sent), "%s", words);
        size_t off = bench_count(&b, TRACE_REJECT, ERR_IGNITION_OFF);
        size_t unlisted = bench_count(&b, TRACE_REJECT, ERR_LIST_CHANGED);
        cr_expect(eq(sz, off + unlisted, rows[i].rejected), "%s", words);
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_OK), rows[i].rejected), "%s", words);
    }
}

/* ---- what it asks ---- */

static const struct {
    const char *word;
    struct cabin_request request;
} wishes[] = {
    {"add", {.wish = CABIN_ADD_PHONE}},
    {"cancel", {.wish = CABIN_CANCEL}},
    {"delete", {CABIN_DELETE_KEY, 3, {0xA0, 0, 0, 3}}},
    {"list", {.wish = CABIN_LIST_KEYS}},
};

Test(hu, asks_once_for_each_press)
{
    struct cabin_heard heard = {0};
    play("on three");
    for (size_t i = 0; i < COUNT(wishes); i++) {
        struct cabin_request got;
        b.sent_count = 0;
        play(wishes[i].word);
        cr_assert(eq(sz, b.sent_count, 1), "%s", wishes[i].word);
        ASSERT_OK(cabin_read_request(&b.sent[0].frame, b.now_us, &heard, &got));
        cr_expect(eq(int, got.wish, wishes[i].request.wish));
        cr_expect(eq(u8, got.key, wishes[i].request.key));
        cr_expect(eq(int, memcmp(got.id, wishes[i].request.id, CABIN_KEY_ID), 0));
        play("5000 on");
        cr_expect(eq(sz, b.sent_count, 1), "nothing is repeated");
    }
}

static size_t traced(const char *step)
{
    size_t at = 0;
    for (size_t i = 0; i < b.trace_count; i++)
        if (b.trace[i].kind == TRACE_STEP && strcmp(b.trace[i].step, step) == 0)
            at = at ? SIZE_MAX : i;
    return at;
}

Test(hu, steps_stand_in_order_and_only_where_they_are_done)
{
    play("add on cancel list delete");
    cr_expect(eq(sz, bench_count(&b, TRACE_STEP, ERR_OK), 0));
    play("add");
    cr_expect(eq(sz, bench_count(&b, TRACE_STEP, ERR_OK), 2));
    cr_expect(lt(sz, traced("OP-02/2"), traced("OP-02/3")));
    cr_expect(ne(sz, traced("OP-02/3"), SIZE_MAX), "once");
}

Test(hu, a_segment_that_is_down_gives_no_answer)
{
    play("on");
    bench_links(&b, LINK_DOWN);
    play("add");
    cr_expect(eq(sz, b.sent_count, 0));
    cr_expect(eq(str, (char *)shown("screen"), "one moment"));
    play("2000");
    cr_expect(eq(str, (char *)shown("screen"), "no answer"));
}

Test(hu, the_setting_is_taken)
{
    static const uint64_t settings[] = {50};
    const struct component_args quick = {.serial = "SPAAK00000001", .settings = settings};
    node_stop(&b.node);
    ASSERT_OK(bench_start(&b, &quick));
    play("on add 49");
    cr_expect(eq(str, (char *)shown("screen"), "one moment"));
    play("1");
    cr_expect(eq(str, (char *)shown("screen"), "no answer"));
}

/* ---- what it shows ---- */

static const struct {
    unsigned what;
    uint8_t key;
    uint16_t reason;
    const char *screen;
} notices[] = {
    {CABIN_FAILED, 0, ERR_DK_EVIDENCE, "pairing failed: the SPAKE2+ evidence is wrong: another password"},
    {CABIN_FAILED, 0, ERR_DK_TIMEOUT, "pairing failed: it took too long"},
    {CABIN_FAILED, 0, 65535, "pairing failed: an error number that nobody defined"},
    {CABIN_KEY_DELETED, 3, 0, "key 3 deleted"},
};

Test(hu, reasons_and_keys_stand_on_the_screen)
{
    for (size_t i = 0; i < COUNT(notices); i++) {
        give_notice(notices[i].what, notices[i].key, notices[i].reason);
        cr_expect(eq(str, (char *)shown("screen"), (char *)notices[i].screen));
    }
}

#define NAME_48 "a name that has exactly forty-eight bytes, so it"
static const struct {
    size_t count;
    const char *name, *keys, *screen;
} lists[] = {
    {0, "", "none", "0 keys"},
    {1, "", "1 (active)", "1 key"},
    {4, "A", "1 A (active), 2 A (pending), 3 A (suspended), 4 A (terminated)", "4 keys"},
    {5, "Bert", "1 Bert (active), 2 Bert (pending), 3 Bert (suspended), 4 Bert (terminated), 5 Bert (active)",
     "5 keys"},
    {6, "Bert", "1 Bert (active), 2 Bert (pending), 3 Bert (suspended), 4 Bert (terminated), 2 more",
     "6 keys"},
    {2, NAME_48, "1 " NAME_48 " (active), 1 more", "2 keys"},
    {16, NAME_48, "1 " NAME_48 " (active), 15 more", "16 keys"},
    {1, "J\xC3\xBCrgen", "1 J\xC3\xBCrgen (active)", "1 key"},
};

Test(hu, whole_keys_stand_in_the_line_as_many_as_it_holds)
{
    for (size_t i = 0; i < COUNT(lists); i++) {
        stop();
        start();
        give_list(lists[i].count, lists[i].name);
        cr_expect(eq(str, (char *)shown("keys"), (char *)lists[i].keys));
        cr_expect(eq(str, (char *)shown("screen"), (char *)lists[i].screen));
    }
}

Test(hu, what_the_module_says_of_itself_is_noted_when_it_changes)
{
    play("spaak 500 spaak 500 spaak");
    cr_expect(eq(sz, bench_count(&b, TRACE_NOTE, ERR_OK), 1));
    cr_expect(eq(str, (char *)bench_last(&b, TRACE_NOTE)->detail,
                 "SpaaK Module: pairing=no verifiers=yes identity=yes keys=1"));
    play("2500");
    cr_expect(eq(str, (char *)bench_last(&b, TRACE_NOTE)->detail, "SpaaK Module: silent"));
    play("spaak");
    cr_expect(eq(sz, bench_count(&b, TRACE_NOTE, ERR_OK), 3));
}

/* ---- what it does not believe ---- */

static const struct {
    const char *frame, *message;
    enum err reason;
} forged[] = {
    {"3B8#0100000000000000", "BCM_Status", ERR_BUS_CHECKSUM},
    {"3B8#01", "BCM_Status", ERR_BUS_LENGTH},
    {"3B8##50100000000000000", "BCM_Status", ERR_BUS_FLAGS},
    {"3A8#0700000000000000", "SpaaK_Status", ERR_BUS_CHECKSUM},
    {"3A8#R8", "SpaaK_Status", ERR_BUS_FLAGS},
    {"5A8#0500000000000000", "HU_NTF", ERR_BUS_CHECKSUM},
    {"5A8#05", "HU_NTF", ERR_BUS_LENGTH},
    {"5A8#0000000000000008", "HU_NTF", ERR_MSG_MALFORMED},
    {"5A8#1000000000000018", "HU_NTF", ERR_MSG_MALFORMED},
    {"6D0##50111CCCCCCCCCCCC", "SpaaK_HU_Keys", ERR_MSG_MALFORMED},
    {"6D0##5020001CCCCCCCCCC", "SpaaK_HU_Keys", ERR_TRAILING_BYTES},
    {"6D0##5020100CCCCCCCCCC", "SpaaK_HU_Keys", ERR_TRUNCATED},
    {"6D0##500080100010000000000CCCC", "SpaaK_HU_Keys", ERR_MSG_MALFORMED},
};

Test(hu, refuses_and_shows_nothing)
{
    for (size_t i = 0; i < COUNT(forged); i++) {
        struct bus_frame f;
        ASSERT_OK(bus_frame_parse(forged[i].frame, &f));
        b.trace_count = 0;
        give(f);
        const struct trace_event *e = bench_last(&b, TRACE_REJECT);
        cr_assert(e != NULL, "%s", forged[i].frame);
        cr_expect(eq(str, (char *)e->message, (char *)forged[i].message), "%s", forged[i].frame);
        cr_expect(eq(int, e->reason, forged[i].reason), "%s: %s", forged[i].frame, err_name(e->reason));
        cr_expect(eq(sz, b.trace_count, 1), "%s: nothing else", forged[i].frame);
    }
}

Test(hu, a_frame_that_comes_again_is_refused)
{
    static const char *const words[] = {"on", "spaak", "n2"};
    for (size_t i = 0; i < COUNT(words); i++) {
        play(words[i]);
        alive_bcm--, alive_spaak--, alive_notice--;
        play(i == 0 ? "off" : words[i]);
        alive_bcm++, alive_spaak++, alive_notice++;
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_BUS_STALE_COUNTER), i + 1), "%s", words[i]);
    }
    cr_expect(eq(str, (char *)shown("ignition"), "on"));
}
