/* OP-01b with its faults, in virtual time, by the mails that exist in the end: at most one of them has the
 * password in force, and the VOS says "delivered" when there is one, and only then. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/seal.h"
#include "lib/media/mail/mail.h"
#include "proto/backend.pb-c.h"
#include "sim/commands.h"
#include "sim/world/past.h"
#include "sim/world/world.h"
#include "tests/check.h"
#include "tests/launch.h"
#include "tests/support.h"

#define PASSWORD  "verifier-secrets/SPAAK00000001/password"
#define DELIVERY  "delivery/SPAAK00000001"
#define DIGITS    8
#define MAILS_MAX 8

struct end {
    char in_force[DIGITS + 1]; /* "" for no set */
    bool delivered;
    char mailed[MAILS_MAX][DIGITS + 1];
    size_t mail_count;
};

/* ---- what a run left ---- */

static void read_password(const struct past *left, char out[DIGITS + 1])
{
    unsigned n = 0;
    size_t len = 0;
    while (strcmp(cast.classes[n]->name, "vos") != 0)
        n++;
    const struct seal seal = {
        .crypto = test_crypto(), .class = cast.classes[n], .key = left->plant.store_key};
    memset(out, 0, DIGITS + 1);
    enum err e = seal_get(&seal, past_store(left, "vos"), PASSWORD, out, DIGITS, &len);
    if (e == ERR_NOT_FOUND)
        return;
    ASSERT_OK(e);
    cr_assert(eq(sz, len, DIGITS));
}

/* Of the set in force; a record of another set says nothing. */
static bool read_delivery(const struct past *left)
{
    uint8_t bytes[400];
    size_t len;
    if (store_get(past_store(left, "vos"), DELIVERY, bytes, sizeof bytes, &len) != ERR_OK)
        return false;
    Backend__V1__DeliveryRecord *m = backend__v1__delivery_record__unpack(NULL, len, bytes);
    cr_assert(m != NULL);
    bool delivered = m->state == BACKEND__V1__DELIVERY_RECORD__STATE__STATE_DELIVERED;
    backend__v1__delivery_record__free_unpacked(m, NULL);
    return delivered;
}

static void read_mails(const char *directory, struct end *end)
{
    char folder[128], name[MAIL_FILE_MAX];
    snprintf(folder, sizeof folder, "%s/mail/new", directory);
    for (end->mail_count = 0; end->mail_count < MAILS_MAX; end->mail_count++) {
        mail_file_name((unsigned)end->mail_count + 1, name);
        char *text = launch_file(folder, name), *at = text ? strstr(text, "&password=") : NULL;
        if (!text)
            return;
        cr_assert(at != NULL, "a mail without a link: %s", text);
        cr_assert(eq(sz, strspn(at + 10, "0123456789"), DIGITS));
        snprintf(end->mailed[end->mail_count], DIGITS + 1, "%.8s", at + 10);
        free(text);
    }
    cr_assert(false, "more mails than anybody asked for");
}

static bool contains(const char *directory, const char *file, const char *text)
{
    char *all = launch_file(directory, file);
    cr_assert(all != NULL, "%s", file);
    bool found = strstr(all, text) != NULL;
    free(all);
    return found;
}

/* The same seed in each run: so was the password that pp02 left. */
static void live(const struct scenario *s, const char *directory, struct end *end)
{
    struct past left = {.count = 0};
    struct run_options o = {
        .world = WORLD_VIRTUAL, .seed = 7, .quiet = true, .bytes = true, .out = directory, .result = &left};
    struct run *r = calloc(1, sizeof *r);
    *end = (struct end){.mail_count = 0};
    cr_assert(eq(int, world_run(r, s, &o), VERDICT_PASS), "%s", s->name);
    read_password(&left, end->in_force);
    end->delivered = read_delivery(&left);
    read_mails(directory, end);
    for (size_t i = 0; i < left.count; i++)
        store_close(left.stores[i].store);
    plant_wipe(&left.plant);
    run_free(r);
    free(r);
}

/* ---- what must hold ---- */

static void judge(const char *name, const char *directory, const struct end *end)
{
    size_t holders = 0;
    for (size_t i = 0; i < end->mail_count; i++) {
        holders += strcmp(end->mailed[i], end->in_force) == 0;
        for (size_t k = 0; k < i; k++)
            cr_expect(ne(str, (char *)end->mailed[i], (char *)end->mailed[k]), "%s: one password, two mails",
                      name);
        cr_expect(not(contains(directory, "trace.jsonl", end->mailed[i])), "%s", name);
        cr_expect(not(contains(directory, "bytes.jsonl", end->mailed[i])), "%s", name);
    }
    cr_expect(le(sz, holders, 1), "%s", name);
    cr_expect(eq(int, end->delivered, holders == 1), "%s: the VOS says %s, %zu mails have the password", name,
              end->delivered ? "delivered" : "undelivered", holders);
}

/* How many mails a file's runs may leave together, and whether in the end somebody has the password. */
static const struct {
    const char *file;
    size_t runs, mails;
    bool delivered;
} rows[] = {
    {"op01b", 1, 1, true},
    {"op01b-hotline", 1, 1, true},
    {"op01b-mail-refused", 1, 1, true},
    {"op01b-mail-later", 1, 1, true},
    {"op01b-mail-never", 1, 0, false},
    {"op01b-mail-unknown", 1, 1, true},
    {"op01b-mail-kept", 1, 2, true},
    {"op01b-tbe-killed", 8, 8, true},
    {"op01b-vos-killed", 8, 8, true},
    {"op01b-postbox-killed", 4, 4, true},
    {"op01b-sent-twice", 3, 3, true},
    {"op01b-session-lost", 1, 1, true},
    {"op01b-csrf", 4, 4, true},
    {"op01b-vos-down", 1, 1, true},
    {"op01b-no-consent", 3, 0, false},
    {"op01b-wrong-code", 2, 0, false},
    {"op01b-not-owner", 1, 0, false},
    {"op01b-hotline-not-owner", 1, 0, false},
    {"op01b-not-authorised", 2, 0, false},
    {"op01b-signed-out", 1, 0, false},
};

Test(op01b, the_vos_says_what_the_mails_say, .timeout = 240)
{
    char path[80], directory[64];
    struct end end;
    scenario_finder = scenario_find_quietly;
    for (size_t f = 0; f < sizeof rows / sizeof rows[0]; f++) {
        struct scenario *s = NULL;
        size_t n = 0, mails = 0;
        snprintf(path, sizeof path, "scenarios/op01b/%s.yaml", rows[f].file);
        cr_assert(catalogue_load(path, &s, &n), "%s", path);
        cr_expect(eq(sz, n, rows[f].runs), "%s", path);
        for (size_t i = 0; i < n; i++) {
            launch_directory(directory);
            live(&s[i], directory, &end);
            judge(s[i].name, directory, &end);
            cr_expect(eq(int, end.delivered, rows[f].delivered), "%s", s[i].name);
            mails += end.mail_count;
            launch_remove(directory);
        }
        cr_expect(eq(sz, mails, rows[f].mails), "%s", path);
        free(s);
    }
}
