/* OP-01a with its faults, in virtual time: however it was disturbed, the phone holds the password that the
 * VOS had before anybody asked, and the VOS has marked that one as delivered. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/seal.h"
#include "proto/backend.pb-c.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/check.h"
#include "tests/support.h"

#define PASSWORD "verifier-secrets/SPAAK00000001/password"
#define DELIVERY "delivery/SPAAK00000001"

static void open_secret(const struct past *left, const char *component, const char *key, char out[20])
{
    unsigned n = 0;
    size_t len;
    while (strcmp(cast.classes[n]->name, component) != 0)
        n++;
    const struct seal seal = {
        .crypto = test_crypto(), .class = cast.classes[n], .key = left->plant.store_key};
    memset(out, 0, 20);
    ASSERT_OK(seal_get(&seal, past_store(left, component), key, out, 19, &len));
    cr_assert(eq(sz, len, 8));
}

static int delivery(const struct past *left)
{
    uint8_t bytes[400];
    size_t len;
    ASSERT_OK(store_get(past_store(left, "vos"), DELIVERY, bytes, sizeof bytes, &len));
    Backend__V1__DeliveryRecord *m = backend__v1__delivery_record__unpack(NULL, len, bytes);
    cr_assert(m != NULL);
    int state = (int)m->state;
    backend__v1__delivery_record__free_unpacked(m, NULL);
    return state;
}

/* The same seed in each run: so was the password that pp02 left. */
static void live(const struct scenario *s, char phones[20])
{
    struct past left = {.count = 0};
    struct run_options o = {.world = WORLD_VIRTUAL, .seed = 7, .quiet = true, .result = &left};
    struct run *r = calloc(1, sizeof *r);
    char vos[20];
    cr_assert(eq(int, world_run(r, s, &o), VERDICT_PASS), "%s", s->name);
    open_secret(&left, "vos", PASSWORD, vos);
    open_secret(&left, "phone", "link/password", phones);
    cr_expect(eq(str, phones, vos), "%s", s->name);
    cr_expect(eq(int, delivery(&left), BACKEND__V1__DELIVERY_RECORD__STATE__STATE_DELIVERED), "%s", s->name);
    for (size_t i = 0; i < left.count; i++)
        store_close(left.stores[i].store);
    plant_wipe(&left.plant);
    run_free(r);
    free(r);
}

Test(op01a, whoever_dies_the_owner_gets_the_one_password, .timeout = 120)
{
    static const char *const files[] = {"op01a", "op01a-answer-lost", "op01a-vos-killed", "op01a-tbe-killed",
                                        "op01a-phone-killed"};
    char first[20] = "", now[20], path[80];
    scenario_finder = scenario_find_quietly;
    size_t lived = 0;
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        struct scenario *s = NULL;
        size_t n = 0;
        snprintf(path, sizeof path, "scenarios/op01a/%s.yaml", files[f]);
        cr_assert(catalogue_load(path, &s, &n), "%s", path);
        for (size_t i = 0; i < n; i++, lived++) {
            live(&s[i], now);
            if (!*first)
                memcpy(first, now, sizeof first);
            cr_expect(eq(str, now, first), "%s: another password", s[i].name);
        }
        free(s);
    }
    cr_expect(eq(sz, lived, 32));
}
