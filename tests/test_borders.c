/* The whole life of a key with both stores in it: at every border, at either end, the store refuses, or power
 * goes before it or behind it; and before every APDU the phone begins a new life from what it last stored,
 * before every session the vehicle. What the two ends then do by their documents leads back to the same end.
 */
#include <criterion/parameterized.h>
#include <stdlib.h>

#include "tests/check.h"
#include "tests/keyring.h"
#include "tests/support.h"

#define TRIES 5

static const char *const fate_names[RIG_FATES] = {"stored", "refused", "power lost before",
                                                  "power lost behind"};

/* One disturbance in a life; at counts from 1, 0: none. */
struct trouble {
    enum rig_fate fate;
    size_t at;         /* which commit, of either side */
    size_t at_apdu;    /* before which APDU the phone begins anew */
    bool at_a_session; /* the vehicle begins anew, before each of them */
};

/* What there was in a life. */
struct counts {
    size_t commits, apdus, vehicles;
};

struct life {
    struct rig *rig;
    struct keyring stored; /* what the phone's store has */
    struct trouble trouble;
    struct counts n;
    bool fired;
    bool refused; /* a commit of the phone, just now */
};

/* ---- the phone's store ---- */

static void put(struct life *l, const struct dk_change *c)
{
    const struct dk_device *d = &l->rig->device;
    struct keyring_record *f = &l->stored.framework;
    if (c->framework)
        ASSERT_OK(dk_record_save_framework(d, f->bytes, sizeof f->bytes, &f->len));
    for (unsigned i = 0; i < APPLET_KEYS; i++) {
        struct keyring_record *k = &l->stored.keys[i];
        if (c->erase >> i & 1)
            k->len = 0;
        if (c->put >> i & 1)
            ASSERT_OK(dk_record_save_key(d, i, k->bytes, sizeof k->bytes, &k->len));
    }
}

static bool same_record(const struct keyring_record *a, const struct keyring_record *b)
{
    return span_equal(span_of(a->bytes, a->len), span_of(b->bytes, b->len));
}

/* A new life; what it saves is what it was loaded from. */
static void restart_phone(struct life *l)
{
    struct rig *r = l->rig;
    struct keyring *again = malloc(sizeof *again);
    dk_device_close(&r->device);
    applet_close(&r->applet);
    enum err e = keyring_load(&r->device, &r->applet, r->crypto, &l->stored);
    cr_assert(eq(int, (int)e, ERR_OK), "loaded at commit %zu, APDU %zu", l->n.commits, l->n.apdus);
    ASSERT_OK(keyring_save(&r->device, again));
    cr_assert(same_record(&again->framework, &l->stored.framework));
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        cr_assert(same_record(&again->keys[i], &l->stored.keys[i]));
    free(again);
}

/* What the phone would save now is what its store has. */
static void expect_as_stored(struct life *l)
{
    struct keyring *now = malloc(sizeof *now);
    ASSERT_OK(keyring_save(&l->rig->device, now));
    cr_expect(same_record(&now->framework, &l->stored.framework), "the framework, commit %zu", l->trouble.at);
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        cr_expect(same_record(&now->keys[i], &l->stored.keys[i]), "key %u, commit %zu", i, l->trouble.at);
    free(now);
}

static enum rig_fate decide(void *arg, const struct dk_change *phone)
{
    struct life *l = arg;
    bool here = ++l->n.commits == l->trouble.at;
    enum rig_fate fate = here ? l->trouble.fate : RIG_STORED;
    l->fired |= here;
    if (phone && (fate == RIG_STORED || fate == RIG_LOST_AFTER))
        put(l, phone);
    if (phone && (fate == RIG_LOST_BEFORE || fate == RIG_LOST_AFTER))
        restart_phone(l);
    l->refused |= phone && fate == RIG_REFUSED;
    return fate;
}

/* What the owner's own calls changed. */
static void sync(struct life *l)
{
    struct dk_change c = dk_device_changes(&l->rig->device);
    put(l, &c);
}

/* A refused commit left nothing behind. */
static void expect_refusal_undone(struct life *l)
{
    if (l->refused)
        expect_as_stored(l);
    l->refused = false;
}

static void with_each_apdu(void *arg, bool command, struct span apdu)
{
    struct life *l = arg;
    (void)apdu;
    expect_refusal_undone(l);
    sync(l); /* the owner asks after each step */
    if (!command || ++l->n.apdus != l->trouble.at_apdu)
        return;
    l->fired = true;
    restart_phone(l);
}

/* ---- the vehicle's ---- */

/* Between sessions: what it knows of the key is what the bytes in its store say; a terminated key has no
 * Kpersistent there. */
static void before_session(struct life *l)
{
    struct rig *r = l->rig;
    struct vehicle_key known = r->key;
    known.device_key = NULL;
    if (known.state == VEHICLE_KEY_TERMINATED) {
        known.has_kpersistent = false;
        memset(known.kpersistent, 0, sizeof known.kpersistent);
    }
    cr_assert(memcmp(&known, &r->store.key, sizeof known) == 0,
              "memory and store of the vehicle at commit %zu, APDU %zu", l->n.commits, l->n.apdus);
    if (known.state == 0 || !l->trouble.at_a_session)
        return;
    rig_vehicle_restart(r);
    l->n.vehicles++;
    l->fired = true;
}

/* ---- steps, tried again as docs/ccc.md says ---- */

static enum err pair(struct rig *r)
{
    enum err e = rig_pair_phase_2(r);
    if (r->store.key.state == 0)
        return e;
    return rig_phase_3(r); /* the device may have heard that its key was accepted; if not, phase 2 again */
}

static enum err read_mailbox(struct rig *r)
{
    bool fast;
    return rig_unlock(r, false, true, &fast);
}

static enum err unlock_fast(struct rig *r)
{
    bool fast;
    enum err e = rig_unlock(r, true, false, &fast);
    return e ? e : fast ? ERR_OK : ERR_DK_ANSWER;
}

static enum err terminate_by_vehicle(struct rig *r)
{
    enum err e = rig_finish(r, VEHICLE_TERMINATE_KEY);
    return e == ERR_DK_TERMINATED ? ERR_OK : e; /* it was heard, though its answer was not */
}

static enum err learn_termination(struct rig *r)
{
    enum err e = rig_finish(r, VEHICLE_TERMINATION);
    /* A phone that heard its last word has no key to answer with. */
    return r->store.commits[VEHICLE_STORE_TERMINATION] && rig_phone_keys(r) == 0 ? ERR_OK : e;
}

static struct digital_key *only_key(struct life *l)
{
    size_t n = 0;
    struct digital_key *found = NULL;
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        if (l->stored.keys[i].len) {
            found = &l->rig->applet.keys[i];
            n++;
        }
    cr_assert(eq(sz, n, 1), "keys in the phone's store");
    return found;
}

static void again(struct life *l, enum err (*step)(struct rig *r), const char *name)
{
    enum err e = ERR_OK;
    for (int i = 0; i < TRIES; i++) {
        before_session(l);
        e = step(l->rig);
        expect_refusal_undone(l);
        sync(l);
        if (!e)
            return;
    }
    cr_fatal("%s does not end well: %s; commit %zu %s, APDU %zu", name, err_name(e), l->trouble.at,
             fate_names[l->trouble.fate], l->trouble.at_apdu);
}

/* Handed out, and filled by the vehicle with an identifier of its own. */
static void share_a_slot(struct life *l)
{
    struct slot_id slot;
    unsigned entry;
    ASSERT_OK(dk_device_hand_out_slot(&l->rig->device, only_key(l), &slot, &entry));
    sync(l);
    l->rig->finish_config.offer.slots[entry].b[0] = 0x77;
    again(l, rig_refill, "refill");
}

static enum err resume(struct rig *r)
{
    return rig_finish(r, VEHICLE_RESUMPTION);
}

/* By the server at both ends, whose word that it is over comes through the phone. */
static void suspend_and_resume(struct life *l)
{
    struct rig *r = l->rig;
    uint8_t statement[ATTESTATION_MAX];
    struct wr w = wr_of(statement, sizeof statement);
    ASSERT_OK(dk_device_suspend(&r->device, only_key(l)));
    sync(l);
    EXPECT_ERR(read_mailbox(r), ERR_DK_STATUS);
    vehicle_key_suspend(&r->key, RIG_NOW_S);
    rig_store_key(r, &r->key);
    struct attestation a = vehicle_key_subject(&r->key);
    a.issued_s = RIG_NOW_S + 1;
    ASSERT_OK(attestation_make(r->crypto, &a, ATTESTATION_RESUMED, r->kts.key, &w));
    ASSERT_OK(dk_device_resume(&r->device, only_key(l), span_of(statement, w.len)));
    sync(l);
    again(l, resume, "resumption");
    again(l, read_mailbox, "unlock of a resumed key");
}

/* The vehicle came to each of its borders that a pairing and a resumption have. */
static void expect_commits(const struct rig_store *s)
{
    for (enum vehicle_do d = VEHICLE_STORE_KEY; d <= VEHICLE_STORE_RESUMED; d++)
        if (d != VEHICLE_STORE_TERMINATION)
            cr_expect(lt(sz, 0, s->commits[d]), "step %d", (int)d);
}

/* Both ends have the same of the key, and nothing is left over. */
static void expect_agreement(struct life *l)
{
    const struct vehicle_key *v = &l->rig->store.key;
    struct digital_key *k = only_key(l);
    const uint8_t *mailbox = k->mailboxes.private_area;
    cr_expect(k->state == APPLET_KEY_ACTIVE && v->state == VEHICLE_KEY_ACTIVE && v->tracked);
    cr_expect(eq(i64, v->suspended_s, RIG_NOW_S));
    cr_expect(memcmp(k->device_pk, v->device_pk, P256_POINT) == 0);
    cr_expect(memcmp(k->key_id, v->key_id, sizeof v->key_id) == 0);
    cr_expect(slot_id_equal(&k->creation.slot, &v->slot));
    cr_expect(k->has_kpersistent && v->has_kpersistent &&
              memcmp(k->kpersistent, v->kpersistent, TRANSACTION_KPERSISTENT) == 0);
    const struct dk_owned *o = dk_device_owned(&l->rig->device, k);
    cr_expect(memcmp(o->long_term_shared_secret, v->long_term_shared_secret, CCC_KEY) == 0);
    cr_expect(memcmp(o->kble_intro, v->kble_intro, CCC_KEY) == 0);
    cr_expect(memcmp(o->kble_oob_master, v->kble_oob_master, CCC_KEY) == 0);
    cr_expect(memcmp(&o->map, &v->map, offsetof(struct mailbox_map, token_len) + 1) == 0);
    cr_expect(eq(int, k->creation.options_1, v->options_1));
    cr_expect(eq(int, k->creation.options_2, v->options_2));
    cr_expect(eq(int, mailbox[1], 0xFF), "all slots are filled");
    cr_expect(eq(int, mailbox[0] & (MAILBOX_ATTESTATION | MAILBOX_SLOT_BITMAP_CHANGED), 0));
    cr_expect(eq(sz, l->rig->device.password_len, 0));
    cr_expect(l->rig->store.attempts == 0 && l->rig->store.verifier_erased);
}

static void end_key(struct life *l, bool by_vehicle)
{
    struct rig *r = l->rig;
    if (by_vehicle) {
        vehicle_key_terminate(&r->key);
        rig_store_key(r, &r->key);
        again(l, terminate_by_vehicle, "termination by the vehicle");
    } else {
        ASSERT_OK(dk_device_terminate(&r->device, only_key(l)));
        sync(l);
        bool fast;
        enum err e = rig_unlock(r, true, false, &fast);
        cr_assert(e == ERR_DK_TERMINATED || l->fired, "%s", err_name(e));
    }
    again(l, learn_termination, "the device's statement");
    cr_expect(eq(sz, rig_phone_keys(r), 0));
    for (unsigned i = 0; i < APPLET_KEYS; i++)
        cr_expect(eq(sz, l->stored.keys[i].len, 0));
    cr_expect(r->store.key.state == VEHICLE_KEY_TERMINATED && r->store.statement_len > 0);
}

/* ---- a life ---- */

struct plan {
    enum transaction_interface interface;
    bool attest_in_phase_3, by_vehicle;
};

static void live(struct life *l, const struct plan *p)
{
    const struct dk_change everything = {.framework = true};
    struct rig *r = l->rig = rig_new(test_crypto());
    r->interface = r->finish_config.transaction.interface = p->interface;
    r->attest_in_phase_3 = p->attest_in_phase_3;
    r->fate = decide;
    r->fate_arg = r->tap_arg = l;
    r->tap = with_each_apdu;
    rig_enter_password(r, true);
    put(l, &everything);
    again(l, pair, "pairing");
    again(l, rig_track_key, "key tracking");
    again(l, rig_phase_4, "phase 4");
    again(l, read_mailbox, "unlock");
    again(l, unlock_fast, "fast unlock");
    share_a_slot(l);
    suspend_and_resume(l);
    expect_agreement(l);
    expect_commits(&r->store);
    end_key(l, p->by_vehicle);
    rig_free(r);
}

static struct counts live_with(struct trouble t, const struct plan *p)
{
    struct life *l = calloc(1, sizeof *l);
    l->trouble = t;
    live(l, p);
    bool wanted = t.at || t.at_apdu || t.at_a_session;
    cr_expect(eq(int, l->fired, wanted), "commit %zu, APDU %zu", t.at, t.at_apdu);
    struct counts n = l->n;
    free(l);
    return n;
}

#define PLANS 3

static struct plan plans[PLANS] = {
    {TRANSACTION_CONTACTLESS, false, false},
    {TRANSACTION_CONTACTLESS, true, true},
    {TRANSACTION_BLE, false, true},
};

ParameterizedTestParameters(borders, every_commit_at_either_end)
{
    return cr_make_param_array(struct plan, plans, PLANS);
}

ParameterizedTest(struct plan *p, borders, every_commit_at_either_end)
{
    struct counts n = live_with((struct trouble){0}, p);
    cr_assert(ge(sz, n.commits, 25), "%zu", n.commits);
    for (size_t at = 1; at <= n.commits; at++)
        for (enum rig_fate f = RIG_REFUSED; f < RIG_FATES; f++)
            live_with((struct trouble){.fate = f, .at = at}, p);
}

ParameterizedTestParameters(borders, the_phone_begins_anew_before_every_apdu)
{
    return cr_make_param_array(struct plan, plans, PLANS);
}

ParameterizedTest(struct plan *p, borders, the_phone_begins_anew_before_every_apdu)
{
    struct counts n = live_with((struct trouble){0}, p);
    cr_assert(ge(sz, n.apdus, 60), "%zu", n.apdus);
    for (size_t i = 1; i <= n.apdus; i++)
        live_with((struct trouble){.at_apdu = i}, p);
}

ParameterizedTestParameters(borders, the_vehicle_begins_anew_before_every_session)
{
    return cr_make_param_array(struct plan, plans, PLANS);
}

ParameterizedTest(struct plan *p, borders, the_vehicle_begins_anew_before_every_session)
{
    struct counts n = live_with((struct trouble){.at_a_session = true}, p);
    cr_assert(ge(sz, n.vehicles, 6), "%zu", n.vehicles);
}
