/* The whole life before an owner comes (scenarios/life), with every component killed at every step of it:
 * each ends with the keys in the stores that the life without a kill leaves, with equal claims, and with
 * nothing that nobody will ever use. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pki/x509.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/check.h"

#define STEPS_MAX 64
#define KEYS_MAX  200
#define LIFE      "scenarios/life/life.yaml"

struct life {
    struct run *run;
    struct past *left; /* stores */
    struct past holder;
    char keys[KEYS_MAX][ENV_NAME_MAX + ENV_KEY_MAX + 2];
    size_t count;
};

/* ---- living ---- */

static void live(struct life *l, const struct scenario *s)
{
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 7, .quiet = true, .result = &l->holder};
    l->run = calloc(1, sizeof *l->run);
    cr_assert(l->run != NULL);
    l->left = &l->holder;
    world_run(l->run, s, &o);
}

static void forget(struct life *l)
{
    for (size_t i = 0; i < l->holder.count; i++)
        store_close(l->holder.stores[i].store);
    plant_wipe(&l->holder.plant);
    if (l->run)
        run_free(l->run);
    free(l->run);
}

/* What is expected after a kill: the last step, and what the stores hold. Steps may come twice on the way. */
static void expect_the_end_only(struct scenario *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->expect_count; i++)
        if (s->expects[i].kind == EXPECT_STATE || strcmp(s->expects[i].step, "PP-02/8") == 0)
            s->expects[kept++] = s->expects[i];
    s->expect_count = kept;
    s->never_count = 0;
}

static void kill_at(struct scenario *s, const char *component, const char *step)
{
    struct fault *f = &s->faults.faults[0];
    *f = (struct fault){.number = 1, .kind = FAULT_KILL, .delay_ms = 30};
    text_copy(f->component, sizeof f->component, component);
    text_copy(f->step, sizeof f->step, step);
    s->faults.count = 1;
    s->quiet_us = 3000000; /* what was lost with it comes again */
    expect_the_end_only(s);
}

/* ---- keys ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* What is drawn at random in a key counts as "#": sixteen hex digits and more that are no serial number. */
static void normalise(const char *key, char *out, size_t cap)
{
    size_t n = 0;
    while (*key && n + 1 < cap) {
        size_t run = 0;
        while (is_hex(key[run]))
            run++;
        if (run >= 16) {
            out[n++] = '#';
            key += run;
        } else {
            out[n++] = *key++;
        }
    }
    out[n] = '\0';
}

struct collecting {
    struct life *life;
    const char *member;
};

static void collect(void *ctx, const char *key, struct span value)
{
    struct collecting *c = ctx;
    char plain[ENV_KEY_MAX];
    (void)value;
    cr_assert(lt(sz, c->life->count, KEYS_MAX));
    normalise(key, plain, sizeof plain);
    snprintf(c->life->keys[c->life->count++], sizeof c->life->keys[0], "%s %s", c->member, plain);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void collect_all(struct life *l)
{
    for (size_t i = 0; i < l->left->count; i++) {
        struct collecting c = {l, l->left->stores[i].name};
        ASSERT_OK(store_scan(l->left->stores[i].store, "", collect, &c));
    }
    qsort(l->keys, l->count, sizeof l->keys[0], by_text);
}

/* The first key that one has and the other has not; "" when there is none. */
static const char *difference(const struct life *a, const struct life *b)
{
    size_t i = 0, k = 0;
    while (i < a->count || k < b->count) {
        int order = i == a->count ? 1 : k == b->count ? -1 : strcmp(a->keys[i], b->keys[k]);
        if (order)
            return order < 0 ? a->keys[i] : b->keys[k];
        i++, k++;
    }
    return "";
}

/* ---- nothing that nobody uses ---- */

static size_t value_of(const struct life *l, const char *member, const char *key, uint8_t out[ENV_VALUE_MAX])
{
    size_t len = 0;
    struct store *s = past_store(l->left, member);
    return s && store_get(s, key, out, ENV_VALUE_MAX, &len) == ERR_OK ? len : 0;
}

/* The identity that the PKI has issued is the one that the module has. */
static bool one_identity(const struct life *l)
{
    uint8_t a[ENV_VALUE_MAX], b[ENV_VALUE_MAX];
    size_t n = value_of(l, "pki", "identity/SPAAK00000001", a),
           m = value_of(l, "spaak", "ecu/certificate", b);
    return n && n == m && memcmp(a, b, n) == 0;
}

struct issued {
    struct span vehicle;
    size_t count, same;
};

static void count_issued(void *ctx, const char *key, struct span value)
{
    struct issued *i = ctx;
    (void)key;
    i->count++;
    i->same += span_equal(value, i->vehicle);
}

/* So is [K], and there is no other. */
static bool one_vehicle_certificate(const struct life *l)
{
    uint8_t k[ENV_VALUE_MAX];
    struct issued i = {.vehicle = span_of(k, value_of(l, "spaak", "vehicle/certificate", k))};
    return !store_scan(past_store(l->left, "pki"), "issued/", count_issued, &i) && i.count == 1 &&
           i.same == 1;
}

/* ---- the sweep ---- */

static struct scenario *load(void)
{
    struct scenario *s;
    struct tree_problem p = {0};
    size_t n;
    cr_assert(scenario_load(LIFE, &s, &n, &p), "%s", p.text);
    return s;
}

static size_t steps_of(const struct run *r, char out[STEPS_MAX][12])
{
    size_t n = 0;
    for (size_t i = 0; i < r->event_count; i++) {
        const char *step = r->events[i].step;
        bool known = !*step;
        for (size_t k = 0; k < n; k++)
            known |= strcmp(out[k], step) == 0;
        if (known)
            continue;
        cr_assert(lt(sz, n, STEPS_MAX));
        text_copy(out[n++], 12, step);
    }
    return n;
}

static void lives_on(const struct life *whole, const char *component, const char *step)
{
    struct life l = {0};
    struct scenario *s = load();
    kill_at(s, component, step);
    live(&l, s);
    cr_expect(eq(int, (int)l.run->verdict, VERDICT_PASS), "%s killed at %s: %s; %s; %s", component, step,
              l.run->failures[0], l.run->failures[1], l.run->failures[2]);
    if (l.run->verdict != VERDICT_PASS)
        goto out;
    collect_all(&l);
    cr_expect(eq(str, (char *)difference(whole, &l), ""), "%s killed at %s", component, step);
    cr_expect(one_identity(&l), "%s killed at %s", component, step);
    cr_expect(one_vehicle_certificate(&l), "%s killed at %s", component, step);
out:
    forget(&l);
    free(s);
}

TestSuite(life, .timeout = 600);

Test(life, whoever_is_killed_at_whatever_step)
{
    struct life whole = {0};
    struct scenario *s = load();
    char steps[STEPS_MAX][12];
    live(&whole, s);
    cr_assert(eq(int, (int)whole.run->verdict, VERDICT_PASS), "%s", whole.run->failures[0]);
    collect_all(&whole);
    cr_expect(one_identity(&whole));
    cr_expect(one_vehicle_certificate(&whole));
    size_t n = steps_of(whole.run, steps), lives = 0;
    for (size_t m = 0; m < s->member_count; m++)
        for (size_t i = 0; i < n; i++, lives++)
            lives_on(&whole, s->members[m].name, steps[i]);
    cr_expect(lt(sz, 35, n), "%zu steps", n);
    cr_expect(eq(sz, lives, n * s->member_count));
    forget(&whole);
    free(s);
}
