/* The body controller on a bench: what a person does and what commands do, in words; what it says to the
 * byte; what it refuses; and that the judge would see a door that unlocks by itself. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ecu/bcm/bcm.h"
#include "lib/msg/cabin.h"
#include "sim/run/claims.h"
#include "tests/check.h"
#include "tests/support.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SERIAL   "SPAAK00000001"

static const struct component_args args = {.serial = SERIAL};
static struct bench b;
static uint8_t key[CMAC_KEY], alive, transaction[CABIN_TRANSACTION];
static struct bus_frame last_command, held;
static struct store_ops failing;

static void start(void)
{
    size_t len;
    bench_prepare(&b, &bcm_class, test_crypto());
    test_equip(&bcm_class, SERIAL, b.node.store);
    ASSERT_OK(store_get(b.node.store, "body-key", key, sizeof key, &len));
    ASSERT_OK(bench_start(&b, &args));
}

static void stop(void)
{
    bench_free(&b);
}

TestSuite(bcm, .init = start, .fini = stop);

static void cut_power(void)
{
    node_stop(&b.node);
    for (size_t i = 0; i < ENV_TIMERS; i++)
        b.due_us[i] = ENV_NEVER;
    ASSERT_OK(bench_start(&b, &args));
}

/* ---- what it says ---- */

static const struct bus_frame *last_frame(void)
{
    cr_assert(lt(sz, 0, b.sent_count));
    return &b.sent[b.sent_count - 1].frame;
}

static struct cabin_bcm_status status(void)
{
    struct cabin_heard heard = {0};
    struct cabin_bcm_status s = {0};
    ASSERT_OK(cabin_read_bcm_status(last_frame(), b.now_us, &heard, &s));
    return s;
}

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
    cr_assert(component_call(&bcm_class, name, &index));
    node_on_call(&b.node, index, &value);
}

static struct bus_frame command(enum cabin_order order)
{
    struct cabin_command m = {.order = order};
    struct bus_frame f;
    transaction[7]++;
    memcpy(m.transaction, transaction, sizeof transaction);
    memcpy(m.nonce, status().nonce, sizeof m.nonce);
    ASSERT_OK(cabin_write_command(test_crypto(), key, &m, &alive, &f));
    return f;
}

static void give(struct bus_frame f)
{
    last_command = f;
    bench_frame(&b.node, 0, &f);
}

/* A bench holds so many frames: only the last one is kept. */
static void pass(unsigned long ms)
{
    for (unsigned long part; ms; ms -= part) {
        part = ms < 1000 ? ms : 1000;
        b.sent[0].frame = *last_frame();
        b.sent_count = 1;
        bench_run_ms(&b, part);
    }
}

static const struct {
    const char *word, *call;
    uint64_t value;
} people[] = {
    {"on", "ignition", 1},      {"off", "ignition", 0},      {"fob", "fob", 1},
    {"nofob", "fob", 0},        {"press", "press-start", 0}, {"handle", "pull-handle", 0},
    {"close", "lock-doors", 0},
};

static void do_word(const char *word)
{
    for (size_t i = 0; i < COUNT(people); i++)
        if (strcmp(word, people[i].word) == 0) {
            call(people[i].call, people[i].value);
            return;
        }
    if (strcmp(word, "unlock") == 0)
        give(command(CABIN_UNLOCK));
    else if (strcmp(word, "lock") == 0)
        give(command(CABIN_LOCK));
    else if (strcmp(word, "start") == 0)
        give(command(CABIN_START));
    else if (strcmp(word, "again") == 0)
        give(last_command);
    else if (strcmp(word, "hold") == 0)
        held = command(CABIN_UNLOCK);
    else if (strcmp(word, "held") == 0)
        give(held);
    else if (strcmp(word, "cut") == 0)
        cut_power();
    else
        pass(strtoul(word, NULL, 10));
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

enum { IGNITION = 1, FOB = 2, LOCKED = 4, RUNS = 8, WAITS = 16 };

static const struct {
    const char *words, *ignition, *doors, *engine;
    uint8_t flags, taken;
    size_t unasked; /* refused: START_NOT_PRESSED */
} rows[] = {
    {"", "off", "locked", "off", LOCKED, 0, 0},
    /* people */
    {"on", "on", "locked", "off", IGNITION | LOCKED, 0, 0},
    {"on off", "off", "locked", "off", LOCKED, 0, 0},
    {"fob", "off", "locked", "off", FOB | LOCKED, 0, 0},
    {"fob nofob", "off", "locked", "off", LOCKED, 0, 0},
    {"handle", "off", "locked", "off", LOCKED, 0, 0},
    {"fob on handle press", "on", "locked", "off", IGNITION | FOB | LOCKED | WAITS, 0, 0},
    /* doors */
    {"unlock", "off", "unlocked", "off", 0, 1, 0},
    {"unlock lock", "off", "locked", "off", LOCKED, 2, 0},
    {"unlock handle", "off", "open", "off", 0, 1, 0},
    {"unlock 29900", "off", "unlocked", "off", 0, 1, 0},
    {"unlock 30000", "off", "locked", "off", LOCKED, 1, 0},
    {"unlock 20000 unlock 20000", "off", "unlocked", "off", 0, 2, 0},
    {"unlock handle 60000", "off", "open", "off", 0, 1, 0},
    {"unlock handle lock", "off", "open", "off", 0, 2, 0},
    {"unlock handle unlock 60000", "off", "open", "off", 0, 2, 0},
    {"unlock handle close", "off", "locked", "off", LOCKED, 1, 0},
    {"unlock close handle", "off", "locked", "off", LOCKED, 1, 0},
    /* start */
    {"start", "off", "locked", "off", LOCKED, 1, 1},
    {"press start", "on", "locked", "running", IGNITION | LOCKED | RUNS, 1, 0},
    {"start press", "off", "locked", "off", LOCKED | WAITS, 1, 1},
    {"press 29900 start", "on", "locked", "running", IGNITION | LOCKED | RUNS, 1, 0},
    {"press 30000 start", "off", "locked", "off", LOCKED, 1, 1},
    {"start 1 press", "off", "locked", "off", LOCKED | WAITS, 1, 1},
    {"start press start", "on", "locked", "running", IGNITION | LOCKED | RUNS, 2, 1},
    {"press start off press", "off", "locked", "off", LOCKED | WAITS, 1, 0},
    {"press close start", "off", "locked", "off", LOCKED, 1, 1},
    {"press off start press", "off", "locked", "off", LOCKED | WAITS, 1, 1},
    {"press 20000 press 20000 start", "on", "locked", "running", IGNITION | LOCKED | RUNS, 1, 0},
    {"press start press", "on", "locked", "running", IGNITION | LOCKED | RUNS, 1, 0},
    {"press start start off press", "off", "locked", "off", LOCKED | WAITS, 2, 0},
    {"on press off start", "off", "locked", "off", LOCKED, 1, 1},
    {"press unlock", "off", "unlocked", "off", WAITS, 1, 0},
    {"start unlock press", "off", "unlocked", "off", WAITS, 2, 1},
    {"press unlock start", "on", "unlocked", "running", IGNITION | RUNS, 2, 0},
    /* a loss of power */
    {"on fob cut", "off", "locked", "off", LOCKED, 0, 0},
    {"press start cut", "off", "locked", "off", LOCKED, 0, 0},
    {"press cut start", "off", "locked", "off", LOCKED, 1, 1},
    {"unlock cut", "off", "unlocked", "off", 0, 0, 0},
    {"unlock cut 29900", "off", "unlocked", "off", 0, 0, 0},
    {"unlock cut 30000", "off", "locked", "off", LOCKED, 0, 0},
    {"unlock handle cut 60000", "off", "open", "off", 0, 0, 0},
    {"unlock lock cut", "off", "locked", "off", LOCKED, 0, 0},
    /* a command comes again */
    {"unlock again", "off", "unlocked", "off", 0, 1, 0},
    {"unlock lock again", "off", "locked", "off", LOCKED, 2, 0},
    {"unlock close again", "off", "locked", "off", LOCKED, 1, 0},
    {"unlock close 2000 again", "off", "locked", "off", LOCKED, 1, 0},
    {"unlock close cut again", "off", "locked", "off", LOCKED, 0, 0},
    {"unlock handle lock close unlock again", "off", "unlocked", "off", 0, 3, 0},
    {"press start off press again", "off", "locked", "off", LOCKED | WAITS, 1, 0},
};

Test(bcm, words)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *words = rows[i].words;
        stop();
        start();
        play(words);
        struct cabin_bcm_status s = status();
        cr_expect(eq(str, (char *)shown("ignition"), (char *)rows[i].ignition), "%s", words);
        cr_expect(eq(str, (char *)shown("doors"), (char *)rows[i].doors), "%s", words);
        cr_expect(eq(str, (char *)shown("engine"), (char *)rows[i].engine), "%s", words);
        cr_expect(eq(u8, last_frame()->data[0], rows[i].flags), "%s", words);
        cr_expect(eq(u8, s.taken, rows[i].taken), "%s", words);
        size_t replays = strstr(words, "again") != NULL;
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_COMMAND_NONCE), replays), "%s", words);
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_START_NOT_PRESSED), rows[i].unasked), "%s", words);
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_OK), replays + rows[i].unasked), "%s", words);
    }
}

Test(bcm, settings_are_taken)
{
    static const uint64_t settings[] = {100, 200}; /* relock_ms, start_ms */
    const struct component_args quick = {.serial = SERIAL, .settings = settings};
    node_stop(&b.node);
    ASSERT_OK(bench_start(&b, &quick));
    play("unlock press 99");
    cr_expect(eq(str, (char *)shown("doors"), "unlocked"));
    play("1");
    cr_expect(eq(str, (char *)shown("doors"), "locked"));
    cr_expect(eq(u8, last_frame()->data[0], LOCKED | WAITS));
    play("100");
    cr_expect(eq(u8, last_frame()->data[0], LOCKED));
}

/* ---- BCM_Status ---- */

Test(bcm, status_is_cyclic_and_comes_at_once)
{
    const uint8_t first = last_frame()->data[1];
    b.sent_count = 0;
    bench_run_ms(&b, 1000);
    cr_assert(eq(sz, b.sent_count, 10), "every 100 ms");
    for (size_t i = 0; i < b.sent_count; i++) {
        const struct bus_frame *f = &b.sent[i].frame;
        cr_expect(eq(u32, f->id, 0x3B8));
        cr_expect(eq(u8, f->data[1], (uint8_t)(first + 1 + i)), "alive counter");
        cr_expect(eq(u8, f->data[7], matrix_checksum(0x3B8, f->data, 8)));
        cr_expect(eq(int, memcmp(f->data + 2, b.sent[0].frame.data + 2, CABIN_NONCE) != 0, i == 9),
                  "%zu: another nonce after a second", i);
    }
    static const char *const changes[] = {"on", "fob", "press", "off", "unlock", "handle", "close"};
    for (size_t i = 0; i < COUNT(changes); i++) {
        size_t before = b.sent_count;
        bench_run_ms(&b, 30);
        before = b.sent_count;
        play(changes[i]);
        cr_expect(eq(sz, b.sent_count, before + 1), "%s: at once", changes[i]);
    }
    b.sent_count = 0;
    bench_run_ms(&b, 99);
    cr_expect(eq(sz, b.sent_count, 0), "and the next a cycle later");
    bench_links(&b, LINK_DOWN);
    bench_run_ms(&b, 500);
    cr_expect(eq(sz, b.sent_count, 0), "not on a bus that is down");
    bench_links(&b, LINK_UP);
    cr_expect(eq(sz, b.sent_count, 1));
}

Test(bcm, each_command_and_each_life_has_a_nonce_of_its_own)
{
    static const char *const words[] = {"unlock", "lock", "start", "unlock handle", "lock", "cut", "cut"};
    struct cabin_bcm_status before = status();
    for (size_t i = 0; i < COUNT(words); i++) {
        play(words[i]);
        struct cabin_bcm_status s = status();
        cr_expect(ne(int, memcmp(s.nonce, before.nonce, CABIN_NONCE), 0), "%zu: %s", i, words[i]);
        before = s;
    }
    static const char *const others[] = {"on", "fob", "press", "off", "handle", "close", "900", "again"};
    for (size_t i = 0; i < COUNT(others); i++) {
        play(others[i]);
        cr_expect(eq(int, memcmp(status().nonce, before.nonce, CABIN_NONCE), 0), "%s", others[i]);
    }
}

/* "hold": the SpaaK Module makes a command, of the status heard last, and its frame is held back; "held": it
 * arrives. A life begins at 0 ms, its nonces are of 0, 1000, 2000 ms: each is good for 1500 ms, whatever it
 * was that kept the command. */
static const struct {
    const char *words, *doors;
    size_t refused;
} late[] = {
    {"hold held", "unlocked", 0},
    {"hold 1000 held", "unlocked", 0},
    {"hold 1499 held", "unlocked", 0},
    {"hold 1500 held", "locked", 1},
    {"hold 3898 held", "locked", 1},
    {"900 hold 599 held", "unlocked", 0},
    {"900 hold 600 held", "locked", 1},
    {"999 hold 1 held", "unlocked", 0},
    {"999 hold 500 held", "unlocked", 0},
    {"999 hold 501 held", "locked", 1},
    {"1000 hold 1499 held", "unlocked", 0},
    {"1000 hold 1500 held", "locked", 1},
    {"hold cut held", "locked", 1},
    /* of two, whichever comes first uses both nonces up */
    {"hold 1100 unlock close held", "locked", 1},
    {"hold 1100 held close held", "locked", 1},
    {"unlock close 900 hold 200 on held", "unlocked", 0},
    {"unlock close hold 1100 lock held", "locked", 1},
};

Test(bcm, a_command_is_obeyed_while_its_nonce_is_good)
{
    for (size_t i = 0; i < COUNT(late); i++) {
        stop();
        start();
        play(late[i].words);
        cr_expect(eq(str, (char *)shown("doors"), (char *)late[i].doors), "%s", late[i].words);
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_COMMAND_NONCE), late[i].refused), "%s",
                  late[i].words);
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_OK), late[i].refused), "%s", late[i].words);
    }
}

/* The timer of the status does not run: what is late is late all the same. */
Test(bcm, a_controller_that_hung_takes_nothing_old)
{
    play("hold");
    b.now_us += 1500000;
    play("held");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_COMMAND_NONCE), 1));
    cr_expect(eq(str, (char *)shown("doors"), "locked"));
}

/* ---- what it refuses ---- */

static const struct {
    const char *what;
    size_t at; /* this byte is changed */
    uint8_t flags, len;
    bool other_key;
    enum err reason;
} bad[] = {
    {"command", 0, BUS_FD | BUS_BRS, 24, false, ERR_COMMAND_MAC},
    {"counter", 1, BUS_FD | BUS_BRS, 24, false, ERR_COMMAND_MAC},
    {"transaction", 9, BUS_FD | BUS_BRS, 24, false, ERR_COMMAND_MAC},
    {"nonce", 10, BUS_FD | BUS_BRS, 24, false, ERR_COMMAND_MAC},
    {"zeros", 15, BUS_FD | BUS_BRS, 24, false, ERR_COMMAND_MAC},
    {"first byte of the MAC", 16, BUS_FD | BUS_BRS, 24, false, ERR_COMMAND_MAC},
    {"last byte of the MAC", 23, BUS_FD | BUS_BRS, 24, false, ERR_COMMAND_MAC},
    {"another key", 24, BUS_FD | BUS_BRS, 24, true, ERR_COMMAND_MAC},
    {"20 bytes", 24, BUS_FD | BUS_BRS, 20, false, ERR_BUS_LENGTH},
    {"32 bytes", 24, BUS_FD | BUS_BRS, 32, false, ERR_BUS_LENGTH},
    {"a classic frame", 24, 0, 8, false, ERR_BUS_LENGTH},
};

Test(bcm, refuses_what_is_not_a_command_and_changes_nothing)
{
    const struct cabin_bcm_status before = status();
    for (size_t i = 0; i < COUNT(bad); i++) {
        key[0] ^= bad[i].other_key;
        struct bus_frame f = command(CABIN_UNLOCK);
        key[0] ^= bad[i].other_key;
        f.data[bad[i].at] ^= 1;
        f.flags = bad[i].flags;
        f.len = bad[i].len;
        size_t sent = b.sent_count;
        b.trace_count = 0;
        give(f);
        cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, bad[i].reason), 1), "%s", bad[i].what);
        cr_expect(eq(sz, b.trace_count, 1), "%s: nothing else", bad[i].what);
        cr_expect(eq(str, b.trace[0].message, "SpaaK_BCM_Cmd"));
        cr_expect(eq(sz, b.sent_count, sent), "%s: nothing is said", bad[i].what);
    }
    bench_run_ms(&b, 100);
    cr_expect(eq(int, memcmp(status().nonce, before.nonce, CABIN_NONCE), 0));
    cr_expect(eq(u8, status().taken, 0));
    play("unlock");
    cr_expect(eq(str, (char *)shown("doors"), "unlocked"), "one that is right is still taken");
}

/* Two commands under one nonce, in whichever order: the first is taken. */
Test(bcm, of_two_under_one_nonce_one_is_taken)
{
    struct bus_frame unlock = command(CABIN_UNLOCK), begin = command(CABIN_START);
    play("press");
    give(begin);
    give(unlock);
    cr_expect(eq(str, (char *)shown("engine"), "running"));
    cr_expect(eq(str, (char *)shown("doors"), "locked"));
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_COMMAND_NONCE), 1));
    cr_expect(eq(u8, status().taken, 1));
}

/* A module that hangs: all is right but the counter. */
Test(bcm, a_counter_that_does_not_move_is_refused)
{
    play("unlock");
    alive--;
    play("lock");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_BUS_STALE_COUNTER), 1));
    cr_expect(eq(str, (char *)shown("doors"), "unlocked"));
    alive--;
    play("1000 lock");
    cr_expect(eq(str, (char *)shown("doors"), "locked"), "a second later it is another life");
}

Test(bcm, others_identifiers_are_not_looked_at)
{
    struct bus_frame f = command(CABIN_UNLOCK);
    f.id = 0x3C2;
    size_t traced = b.trace_count;
    give(f);
    cr_expect(eq(sz, b.trace_count, traced));
}

Test(bcm, without_its_key_it_takes_nothing)
{
    ASSERT_OK(store_set(b.node.store, "body-key", span_of(key, 15)));
    play("unlock");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_STORE_FAILED), 1));
    const struct store_put gone = {.key = "body-key"};
    ASSERT_OK(b.node.store->ops->apply(b.node.store, &gone, 1));
    play("unlock");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_NOT_FOUND), 1));
    cr_expect(eq(str, (char *)shown("doors"), "locked"));
}

/* ---- what it proves ---- */

static const struct {
    const char *words;
    struct cabin_answer answer;
} users[] = {
    {"", {false, false}},   {"on", {true, false}},         {"on fob", {true, true}},
    {"fob", {false, true}}, {"on fob off", {false, true}},
};

static const struct bus_frame *ask(const char *question)
{
    struct bus_frame f;
    ASSERT_OK(bus_frame_parse(question, &f));
    give(f);
    return last_frame();
}

Test(bcm, answers_a_challenge_at_once)
{
    const uint8_t challenge[CABIN_CHALLENGE] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < COUNT(users); i++) {
        struct cabin_answer got;
        stop();
        start();
        play(users[i].words);
        size_t sent = b.sent_count;
        const struct bus_frame *f = ask("3C1#0102030405060708");
        cr_assert(eq(sz, b.sent_count, sent + 1), "%s", users[i].words);
        ASSERT_OK(cabin_read_answer(test_crypto(), key, challenge, f, &got));
        cr_expect(eq(int, got.ignition, users[i].answer.ignition), "%s", users[i].words);
        cr_expect(eq(int, got.fob, users[i].answer.fob), "%s", users[i].words);
    }
}

Test(bcm, answers_nothing_else_and_nothing_without_its_key)
{
    size_t sent = b.sent_count;
    ask("3C1#01020304050607");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_BUS_LENGTH), 1));
    ask("3C1##50102030405060708");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_BUS_FLAGS), 1));
    ASSERT_OK(store_set(b.node.store, "body-key", span_of(key, 15)));
    ask("3C1#0102030405060708");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_STORE_FAILED), 1));
    cr_expect(eq(sz, b.sent_count, sent));
}

/* ---- a store that refuses ---- */

static enum err refuse_all(struct store *s, const struct store_put *puts, size_t n)
{
    (void)s, (void)puts, (void)n;
    return ERR_STORE_FAILED;
}

/* The command is used up all the same; the doors stay where they were. */
Test(bcm, latches_move_only_when_that_is_kept)
{
    const struct store_ops *good = b.node.store->ops;
    failing = *good;
    failing.apply = refuse_all;
    b.node.store->ops = &failing;
    play("unlock");
    cr_expect(eq(str, (char *)shown("doors"), "locked"));
    cr_expect(eq(sz, bench_count(&b, TRACE_FAIL, ERR_STORE_FAILED), 1));
    cr_expect(eq(sz, bench_count(&b, TRACE_CLAIM, ERR_OK), 0));
    play("again");
    cr_expect(eq(sz, bench_count(&b, TRACE_REJECT, ERR_COMMAND_NONCE), 1));
    b.node.store->ops = good;
    play("unlock");
    b.node.store->ops = &failing;
    play("30000");
    cr_expect(eq(str, (char *)shown("doors"), "unlocked"));
    b.node.store->ops = good;
    play("30000");
    cr_expect(eq(str, (char *)shown("doors"), "locked"), "what failed is tried again");
}

Test(bcm, a_torn_record_is_no_state_of_doors)
{
    ASSERT_OK(store_set(b.node.store, "doors", span_of("\3", 1)));
    node_stop(&b.node);
    cr_expect(eq(int, bench_start(&b, &args), ERR_RECORD_TORN));
}

/* ---- claims, and what the judge makes of them ---- */

static const struct claim_spec proofs[] = {{.name = "authenticated", .kind = CLAIM_EQUAL}, {.name = NULL}};
static const struct component_class prover = {.name = "prover", .claims = proofs};

static struct trace_event proof(const uint8_t id[CABIN_TRANSACTION])
{
    struct trace_event e = {.time_us = b.now_us, .kind = TRACE_CLAIM, .has_digest = true};
    char text[CABIN_TRANSACTION_TEXT];
    uint8_t digest[SHA256_SIZE];
    const struct span value = cabin_transaction_text(id, text);
    text_copy(e.component, sizeof e.component, "prover");
    text_copy(e.message, sizeof e.message, "authenticated");
    text_copy(e.peer, sizeof e.peer, SERIAL);
    crypto_sha256(test_crypto(), &value, 1, digest);
    memcpy(e.digest, digest, TRACE_DIGEST);
    return e;
}

/* "proof" stands in front of the command that it is for; "other": a proof of something else. */
static const struct {
    const char *words, *problem;
} judged[] = {
    {"proof unlock", NULL},
    {"unlock", "claims \"unlocked\" of " SERIAL " without a fresh \"authenticated\""},
    {"other unlock", "without a fresh \"authenticated\""},
    {"proof unlock unlock", "without a fresh \"authenticated\""},
    {"proof unlock close proof unlock", NULL},
    {"proof 1900 unlock", NULL},
    {"proof 2100 unlock", "without a fresh \"authenticated\""},
    {"press proof 1900 start", NULL},
    {"press proof 2100 start", "claims \"started\" of " SERIAL " without a fresh \"authenticated\""},
    {"press proof start", NULL},
    {"press start", "claims \"started\""},
    {"proof unlock press start", "claims \"started\""},
    {"lock", NULL},
};

static void play_and_judge(const char *words, char problem[CLAIM_PROBLEM])
{
    static struct scenario s = {
        .members = {{.name = "bcm", .class = &bcm_class}, {.name = "prover", .class = &prover}},
        .member_count = 2};
    struct claims c;
    size_t seen = b.trace_count;
    claims_begin(&c, &s);
    problem[0] = '\0';
    for (size_t n; *words; words += n + strspn(words + n, " ")) {
        char word[16];
        n = strcspn(words, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, words);
        bool proves = strcmp(word, "proof") == 0;
        if (proves || strcmp(word, "other") == 0) {
            uint8_t id[CABIN_TRANSACTION];
            memcpy(id, transaction, sizeof id);
            id[7] = (uint8_t)(id[7] + (proves ? 1 : 2));
            struct trace_event e = proof(id);
            claims_take(&c, &e, problem);
        } else {
            do_word(word);
        }
        for (; seen < b.trace_count; seen++)
            if (!problem[0])
                claims_take(&c, &b.trace[seen], problem);
    }
    claims_free(&c);
}

Test(bcm, the_judge_sees_a_door_that_nobody_authenticated)
{
    for (size_t i = 0; i < COUNT(judged); i++) {
        char problem[CLAIM_PROBLEM];
        stop();
        start();
        play_and_judge(judged[i].words, problem);
        cr_expect(judged[i].problem ? strstr(problem, judged[i].problem) != NULL : !problem[0], "%s: %s",
                  judged[i].words, problem);
    }
}

Test(bcm, steps_and_the_accepted_command_are_traced)
{
    play("on on");
    size_t steps = 0;
    for (size_t i = 0; i < b.trace_count; i++)
        steps += b.trace[i].kind == TRACE_STEP && strcmp(b.trace[i].step, "OP-02/1") == 0;
    cr_expect(eq(sz, steps, 1), "it goes on once");
    play("unlock");
    const struct trace_event *e = bench_last(&b, TRACE_ACCEPT);
    char id[CABIN_TRANSACTION_TEXT], want[96];
    cr_assert(e != NULL);
    cabin_transaction_text(transaction, id);
    snprintf(want, sizeof want, "command=unlock transaction=%s", id);
    cr_expect(eq(str, (char *)e->detail, want));
    cr_expect(eq(u32, e->length, 24));
}
