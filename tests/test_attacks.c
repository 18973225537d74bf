/* Runs under attack, by a process of the same user (docs/security.md): nobody without a token is let in, who
 * belongs here comes back at once, and nothing grows. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sched.h>
#include <signal.h>

#include "tests/siege.h"

#define GROWTH_KB 16384

static struct siege siege;

static void tear_down(void)
{
    siege_end(&siege);
}

TestSuite(attacks, .fini = tear_down, .timeout = 120);

static void expect_no_growth(const char *what)
{
    const char *name;
#ifdef __SANITIZE_ADDRESS__
    (void)name;
    fprintf(stderr, "SKIPPED: memory under %s is not measured in a sanitized build\n", what);
#else
    long kb = siege_grown(&siege, &name);
    cr_expect(le(long, kb, GROWTH_KB), "%s grew by %ld kB under %s", name, kb, what);
#endif
}

/* Everything that can, starts again while the attack goes on, and PP-01 runs again from end to end. */
#define PP01_AGAIN                                                                                     \
    "kill vos; start vos; kill pki; start pki; kill tbm; start tbm; kill sgw; start sgw; kill spaak; " \
    "start spaak; run 300 ms; vos renew-vehicle-identity; run 20 ms"

static const struct {
    const char *what;
    struct {
        attack *how;
        const char *socket;
    } attacks[4];
} rows[] = {
    {"an attack on the hub", {{attack_hub, "can.sock"}}},
    {"an attack on the PKI", {{attack_call, "pki.pki.call"}}},
    {"an attack on the broker", {{attack_broker, "gsdp.sock"}}},
    {"an attack on all of them",
     {{attack_hub, "can.sock"}, {attack_call, "pki.pki.call"}, {attack_broker, "gsdp.sock"}}},
};

static void withstand(size_t row)
{
    const char *what = rows[row].what;
    siege_begin(&siege, "bin/spaaksim", "pp01", "PP-01/19  spaak");
    siege_weigh(&siege);
    cr_assert(ge(sz, siege.process_count, 8));
    for (size_t i = 0; i < 4 && rows[row].attacks[i].how; i++)
        siege_attack(&siege, rows[row].attacks[i].how, rows[row].attacks[i].socket);
    siege_do(&siege, PP01_AGAIN, "PP-01/19  spaak");
    expect_no_growth(what);
    siege_relieve(&siege);
    cr_expect(eq(int, siege_finish(&siege), 0), "%s: %s", what, siege.run.text);
    cr_expect(eq(u32, siege.score->gained, 0), "%s: somebody was let in", what);
    cr_expect(eq(sz, siege_count(&siege, "\"step\":\"PP-01/12\"", "\"component\":\"pki\""), 2),
              "%s: a certificate for each of the two identities, and no other", what);
    cr_expect(le(sz, siege_most_retries(&siege), 1), "%s: two attempts at most", what);
}

Test(attacks, on_the_hub)
{
    withstand(0);
}

Test(attacks, on_the_pki)
{
    withstand(1);
}

Test(attacks, on_the_broker)
{
    withstand(2);
}

Test(attacks, on_all_of_them)
{
    withstand(3);
}

Test(attacks, on_a_card_reader)
{
    siege_begin(&siege, "tests/cards/bin/spaaksim", "tests/cards/cards-exchange.yaml", "nfc up");
    siege_weigh(&siege);
    siege_attack(&siege, attack_nfc, "pad.nfc");
    siege_do(&siege, "token touch reader=pad; run 20 ms", "CD-01/7");
    expect_no_growth("an attack on the reader");
    siege_relieve(&siege);
    cr_expect(eq(int, siege_finish(&siege), 0), "%s", siege.run.text);
    cr_expect(eq(u32, siege.score->gained, 0));
    cr_expect(eq(sz, siege_count(&siege, "\"step\":\"CD-01/7\"", ""), 1));
}
