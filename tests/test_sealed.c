/* What lies sealed in a store: bound to its key and its place, and sealed anew when the key is changed. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <sys/stat.h>

#include "backend/vos/vos.h"
#include "lib/msg/responder.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/support.h"

static const uint8_t other_key[SEALED_KEY] = {1, 2, 3};
static const uint8_t secret[] = "twelve bytes";

Test(sealed, a_value_opens_with_its_key_under_its_name_only)
{
    static const struct {
        const char *name, *stored_as;
        const uint8_t *key;
        size_t flip, cut; /* flip 0: none */
        enum err reason;
    } rows[] = {
        {.name = "as it is", .stored_as = "a/1", .key = test_store_key, .reason = ERR_OK},
        {.name = "another key", .stored_as = "a/1", .key = other_key, .reason = ERR_STORE_KEY_WRONG},
        {.name = "in another's place", .stored_as = "a/2", .key = test_store_key, .reason = ERR_RECORD_TORN},
        {.name = "nonce", .stored_as = "a/1", .key = test_store_key, .flip = 5, .reason = ERR_RECORD_TORN},
        {.name = "data", .stored_as = "a/1", .key = test_store_key, .flip = 17, .reason = ERR_RECORD_TORN},
        {.name = "tag", .stored_as = "a/1", .key = test_store_key, .flip = 44, .reason = ERR_RECORD_TORN},
        {.name = "word on the key",
         .stored_as = "a/1",
         .key = test_store_key,
         .flip = 1,
         .reason = ERR_STORE_KEY_WRONG},
        {.name = "a byte short",
         .stored_as = "a/1",
         .key = test_store_key,
         .cut = 1,
         .reason = ERR_RECORD_TORN},
        {.name = "no more than a head",
         .stored_as = "a/1",
         .key = test_store_key,
         .cut = 13,
         .reason = ERR_RECORD_TORN},
        {.name = "nothing", .stored_as = "a/1", .key = test_store_key, .cut = 45, .reason = ERR_RECORD_TORN},
    };
    uint8_t sealed[12 + SEALED_OVERHEAD], copy[sizeof sealed], out[12];
    ASSERT_OK(sealed_make(test_crypto(), test_store_key, "a/1", span_of(secret, 12), sealed));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memcpy(copy, sealed, sizeof copy);
        copy[rows[i].flip] ^= rows[i].flip != 0;
        memset(out, 0, sizeof out);
        enum err e = sealed_open(test_crypto(), rows[i].key, rows[i].stored_as,
                                 span_of(copy, sizeof copy - rows[i].cut), out);
        cr_expect(eq(int, e, rows[i].reason), "%s", rows[i].name);
        cr_expect(eq(int, memcmp(out, secret, 12) == 0, e == ERR_OK), "%s", rows[i].name);
    }
    copy[0] = 2;
    cr_expect(eq(int, sealed_open(test_crypto(), test_store_key, "a/1", span_of(copy, sizeof copy), out),
                 ERR_RECORD_TORN));
}

Test(sealed, the_same_value_never_lies_there_twice_the_same)
{
    uint8_t once[12 + SEALED_OVERHEAD], again[sizeof once];
    ASSERT_OK(sealed_make(test_crypto(), test_store_key, "a/1", span_of(secret, 12), once));
    ASSERT_OK(sealed_make(test_crypto(), test_store_key, "a/1", span_of(secret, 12), again));
    cr_expect(memcmp(once + 5, again + 5, 12) != 0, "the nonce");
    cr_expect(memcmp(once + 17, again + 17, 12) != 0, "the data");
}

/* ---- how long they may be ---- */

struct seen {
    struct span value;
    size_t entries;
};

static void expect_open(void *ctx, const char *key, struct span value)
{
    struct seen *s = ctx;
    s->entries++;
    cr_expect(span_equal(value, s->value), "%s", key);
}

/* As long as the class's other values, through every way that a value takes. */
Test(sealed, a_value_may_be_as_long_as_its_class_declares)
{
    static const char *const covered[] = {"a/", NULL};
    static const struct component_class plain = {.name = "plain", .sealed = covered};
    static const struct component_class roomy = {.name = "roomy", .sealed = covered, .value_max = 18432};
    static const struct {
        const char *name;
        const struct component_class *class;
        size_t len;
        enum err reason;
    } rows[] = {
        {"nothing", &plain, 0, ERR_OK},
        {"more than 512", &plain, 513, ERR_OK},
        {"all that a class has by itself", &plain, ENV_VALUE_MAX, ERR_OK},
        {"a byte more", &plain, ENV_VALUE_MAX + 1, ERR_NO_SPACE},
        {"all that a class asked for", &roomy, 18432, ERR_OK},
        {"a byte more than it asked for", &roomy, 18433, ERR_NO_SPACE},
    };
    static uint8_t value[18433], back[18433];
    crypto_random(test_crypto(), value, sizeof value);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct seal former = {test_crypto(), rows[i].class, test_store_key};
        const struct seal now = {test_crypto(), rows[i].class, other_key};
        struct seen seen = {.value = span_of(value, rows[i].len)};
        struct store *store = store_memory_new();
        struct seal_value v;
        size_t len, renewed;
        cr_expect(eq(int, seal_make(&former, "a/1", seen.value, &v), rows[i].reason), "%s", rows[i].name);
        cr_assert(eq(int, v.bytes != NULL, rows[i].reason == ERR_OK), "%s", rows[i].name);
        if (v.bytes) {
            ASSERT_OK(store_set(store, "a/1", span_of(v.bytes, v.len)));
            ASSERT_OK(seal_check(&now, test_store_key, store, &renewed));
            cr_expect(eq(sz, renewed, 1), "%s", rows[i].name);
            ASSERT_OK(seal_scan(&now, store, "a/", expect_open, &seen));
            cr_expect(eq(sz, seen.entries, 1), "%s", rows[i].name);
            ASSERT_OK(seal_get(&now, store, "a/1", back, sizeof back, &len));
            cr_expect(span_equal(span_of(back, len), seen.value), "%s", rows[i].name);
            if (rows[i].len)
                cr_expect(eq(int, seal_get(&now, store, "a/1", back, rows[i].len - 1, &len), ERR_NO_SPACE));
        }
        seal_value_free(&v);
        store_close(store);
    }
}

/* ---- a VOS and its key ---- */

static void copy_entry(void *ctx, const char *key, struct span value)
{
    ASSERT_OK(store_set(ctx, key, value));
}

static void expect_entry(void *ctx, const char *key, struct span value)
{
    uint8_t now[ENV_VALUE_MAX];
    size_t len;
    ASSERT_OK(store_get(ctx, key, now, sizeof now, &len));
    cr_expect(span_equal(span_of(now, len), value), "%s was overwritten", key);
}

static const char *const named[] = {VOS_VERIFIER_SECRETS "S/l", VOS_VERIFIER_SECRETS "S/w0"};

/* With the plant's entries and two secrets more. */
static void prepare(struct bench *b)
{
    bench_prepare(b, &vos_class, test_crypto());
    test_equip(&vos_class, "", b->node.store);
    const struct seal seal = {test_crypto(), &vos_class, test_store_key};
    for (size_t i = 0; i < 2; i++) {
        struct seal_value v;
        ASSERT_OK(seal_make(&seal, named[i], span_of(secret, 12), &v));
        ASSERT_OK(store_set(b->node.store, named[i], span_of(v.bytes, v.len)));
        seal_value_free(&v);
    }
}

static enum err start_with(struct bench *b, const uint8_t *key, const uint8_t *former)
{
    struct component_args args = {.serial = "", .store_key = key, .former_store_key = former};
    return node_start(&b->node, &args);
}

Test(sealed, what_the_plant_gives_lies_sealed_too)
{
    struct bench b;
    uint8_t stored[128];
    size_t len;
    bench_prepare(&b, &vos_class, test_crypto());
    test_equip(&vos_class, "", b.node.store);
    ASSERT_OK(store_get(b.node.store, RESPONDER_KEY, stored, sizeof stored, &len));
    cr_expect(eq(sz, len, P256_SCALAR + SEALED_OVERHEAD));
    cr_expect(sealed_names_key(test_crypto(), test_store_key, span_of(stored, len)));
    bench_free(&b);
}

Test(sealed, a_wrong_or_missing_key_ends_the_start_and_nothing_is_overwritten)
{
    static const struct {
        const char *name;
        const uint8_t *key, *former;
        bool torn, swapped;
        enum err reason;
    } rows[] = {
        {.name = "no key", .reason = ERR_STORE_KEY_MISSING},
        {.name = "the former one only", .former = test_store_key, .reason = ERR_STORE_KEY_MISSING},
        {.name = "another key", .key = other_key, .reason = ERR_STORE_KEY_WRONG},
        {.name = "two others", .key = other_key, .former = other_key, .reason = ERR_STORE_KEY_WRONG},
        {.name = "changed, and the last record is damaged",
         .key = other_key,
         .former = test_store_key,
         .torn = true,
         .reason = ERR_RECORD_TORN},
        {.name = "two records have changed places",
         .key = test_store_key,
         .swapped = true,
         .reason = ERR_RECORD_TORN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        uint8_t stored[2][128];
        size_t len[2];
        struct store *before = store_memory_new();
        prepare(&b);
        for (size_t k = 0; k < 2; k++)
            ASSERT_OK(store_get(b.node.store, named[k], stored[k], sizeof stored[k], &len[k]));
        stored[1][len[1] - 1] ^= rows[i].torn;
        ASSERT_OK(store_set(b.node.store, named[0], span_of(stored[rows[i].swapped], len[0])));
        ASSERT_OK(store_set(b.node.store, named[1], span_of(stored[!rows[i].swapped], len[1])));
        ASSERT_OK(store_scan(b.node.store, "", copy_entry, before));
        cr_expect(eq(int, start_with(&b, rows[i].key, rows[i].former), rows[i].reason), "%s", rows[i].name);
        ASSERT_OK(store_scan(before, "", expect_entry, b.node.store));
        store_close(before);
        bench_free(&b);
    }
}

Test(sealed, a_changed_key_seals_all_anew_and_the_former_may_go)
{
    struct bench b;
    uint8_t out[64];
    size_t len;
    prepare(&b);
    ASSERT_OK(start_with(&b, other_key, test_store_key));
    cr_expect(eq(str, (char *)bench_last(&b, TRACE_NOTE)->detail, "store key changed: 3 values sealed anew"));
    node_stop(&b.node);
    cr_expect(eq(int, start_with(&b, test_store_key, NULL), ERR_STORE_KEY_WRONG));
    node_stop(&b.node);
    size_t notes = bench_count(&b, TRACE_NOTE, ERR_OK);
    ASSERT_OK(start_with(&b, other_key, NULL));
    cr_expect(eq(sz, bench_count(&b, TRACE_NOTE, ERR_OK), notes), "nothing is left to change");
    for (size_t k = 0; k < 2; k++) {
        ASSERT_OK(bench_secret(&b, named[k], out, sizeof out, &len));
        cr_expect(span_equal(span_of(out, len), span_of(secret, 12)), "%s", named[k]);
    }
    node_stop(&b.node);
    ASSERT_OK(start_with(&b, other_key, test_store_key));
    cr_expect(eq(sz, bench_count(&b, TRACE_NOTE, ERR_OK), notes), "both again, nothing to change");
    bench_free(&b);
}

/* ---- the file that a process reads it from ---- */

static void write_file(const char *path, const char *text, size_t len, mode_t mode)
{
    FILE *f = fopen(path, "w");
    cr_assert(ne(ptr, f, NULL));
    cr_assert(eq(sz, fwrite(text, 1, len, f), len));
    fclose(f);
    cr_assert(eq(int, chmod(path, mode), 0));
}

Test(sealed, a_key_file_is_as_long_as_it_must_be_and_nobody_elses_to_read)
{
    static const struct {
        const char *name;
        size_t len;
        mode_t mode;
        bool refused;
    } rows[] = {
        {.name = "as the runner writes it", .len = 32, .mode = 0600, .refused = false},
        {.name = "a byte short", .len = 31, .mode = 0600, .refused = true},
        {.name = "a byte long", .len = 33, .mode = 0600, .refused = true},
        {.name = "the group may read it", .len = 32, .mode = 0640, .refused = true},
        {.name = "everybody may", .len = 32, .mode = 0604, .refused = true},
    };
    char directory[64], path[128], configuration[512], said[2000];
    launch_directory(directory);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(path, sizeof path, "%s/store.key", directory);
        write_file(path, "0123456789abcdef0123456789abcdef0", rows[i].len, rows[i].mode);
        int n = snprintf(configuration, sizeof configuration, "name=vos\nstore_key=%s\nno such line\n", path);
        snprintf(path, sizeof path, "%s/vos.conf", directory);
        write_file(path, configuration, (size_t)n, 0600);
        cr_expect(eq(int, launch_run(said, sizeof said, "%s/bin/vos %s 2>&1", launch_build(), path), 2));
        cr_expect(eq(int, strstr(said, "is no store key") != NULL, rows[i].refused), "%s: %s", rows[i].name,
                  said);
    }
    launch_remove(directory);
}
