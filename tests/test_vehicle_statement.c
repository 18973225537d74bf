/* What lies in KeyAtt: receipts, terminations and resumptions, true and false. */
#include "lib/ccc/exchange.h"
#include "tests/check.h"
#include "tests/pairing_rig.h"
#include "tests/support.h"

static struct rig *paired_to_phase_3(void)
{
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair_phase_2(r));
    ASSERT_OK(rig_phase_3(r));
    return r;
}

/* Signalling bitmap and slot bitmap, as the phone has them. */
static void expect_bits(struct rig *r, int signalling, int slots, const char *when)
{
    const uint8_t *p = rig_phone_mailbox(r);
    cr_expect(eq(int, p[0], signalling), "%s", when);
    cr_expect(eq(int, p[1], slots), "%s", when);
}

/* Puts a statement into KeyAtt and announces it, as the phone's framework would. */
static void announce(struct rig *r, const uint8_t *statement, size_t len)
{
    uint8_t *p = r->applet.keys[0].mailboxes.private_area;
    memset(p + mailbox_map_default.attestation, 0, mailbox_attestation_size(&mailbox_map_default));
    memcpy(p + mailbox_map_default.attestation, statement, len);
    p[0] |= MAILBOX_ATTESTATION;
}

struct forgery {
    const char *name;
    enum attestation_usage usage;
    bool by_device;     /* else by the key tracking server */
    bool by_other;      /* a key that is neither's */
    bool about_another; /* key */
    size_t oem;         /* bytes of VehiclePropDat */
    int issued_later_s; /* than now */
    enum err reason;
};

static void announce_signed(struct rig *r, const struct forgery *f)
{
    uint8_t buf[ATTESTATION_LONG], oem[ATTESTATION_OEM_MAX];
    struct wr w = wr_of(buf, sizeof buf);
    struct attestation a = vehicle_key_subject(&r->key);
    memset(oem, 0x0E, sizeof oem);
    if (f->usage == ATTESTATION_TERMINATED)
        a.oem = span_of(oem, f->oem);
    a.key_id[0] ^= f->about_another;
    a.issued_s = RIG_NOW_S + f->issued_later_s;
    ASSERT_OK(attestation_make(r->crypto, &a, f->usage,
                               f->by_other    ? r->j.key
                               : f->by_device ? r->applet.keys[0].device_key
                                              : r->kts.key,
                               &w));
    announce(r, buf, w.len);
}

static void expect_cleared(struct rig *r, const char *name)
{
    static const uint8_t zeros[MAILBOX_DEFAULT_PRIVATE];
    const uint8_t *p = r->applet.keys[0].mailboxes.private_area;
    cr_expect(eq(int, p[0] & MAILBOX_ATTESTATION, 0), "%s", name);
    cr_expect(memcmp(p + mailbox_map_default.attestation, zeros,
                     mailbox_attestation_size(&mailbox_map_default)) == 0,
              "%s", name);
}

static const struct forgery forgeries[] = {
    {.name = "receipt by another",
     .usage = ATTESTATION_RECEIPT,
     .by_other = true,
     .reason = ERR_SIGNATURE_INVALID},
    {.name = "receipt by the device",
     .usage = ATTESTATION_RECEIPT,
     .by_device = true,
     .reason = ERR_SIGNATURE_INVALID},
    {.name = "receipt for another key",
     .usage = ATTESTATION_RECEIPT,
     .about_another = true,
     .reason = ERR_DK_ATTESTATION},
    {.name = "termination by the server",
     .usage = ATTESTATION_TERMINATED,
     .oem = 4,
     .reason = ERR_SIGNATURE_INVALID},
    {.name = "termination of another key",
     .usage = ATTESTATION_TERMINATED,
     .by_device = true,
     .oem = 4,
     .about_another = true,
     .reason = ERR_DK_ATTESTATION},
    {.name = "resumption by the device",
     .usage = ATTESTATION_RESUMED,
     .by_device = true,
     .reason = ERR_SIGNATURE_INVALID},
    {.name = "the vehicle's word", .usage = ATTESTATION_VEHICLE_TERMINATES, .reason = ERR_CERT_PURPOSE},
};

/* It stands in nobody's way: the next receipt is taken. */
static void expect_refused_and_cleared(struct rig *r, enum err reason, const char *name)
{
    EXPECT_OK(rig_phase_4(r) == reason ? ERR_OK : ERR_INTERNAL, "%s", name);
    cr_expect(r->finish.ended.what == VEHICLE_FAILED && r->finish.ended.reason == reason, "%s: %s", name,
              err_name(r->finish.ended.reason));
    expect_cleared(r, name);
    cr_expect(not(r->key.tracked));
    cr_expect(eq(int, r->key.state, VEHICLE_KEY_ACTIVE), "%s", name);
    expect_bits(r, MAILBOX_SLOT_BITMAP_CHANGED, 0x01, name);
    ASSERT_OK(rig_track_key(r));
    EXPECT_OK(rig_phase_4(r), "%s", name);
    cr_expect(r->key.tracked, "%s", name);
}

Test(vehicle_statement, false_statements_are_erased_and_say_why)
{
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        struct rig *r = paired_to_phase_3();
        announce_signed(r, &forgeries[i]);
        expect_refused_and_cleared(r, forgeries[i].reason, forgeries[i].name);
        rig_free(r);
    }
}

Test(vehicle_statement, what_is_no_statement_is_erased)
{
    static const struct {
        const char *name, *bytes;
    } rows[] = {{"nothing", "00"},
                {"no TLV", "7F"},
                {"longer than any", "7F2B820300"},
                {"longer than the area", "7F2B820201"},
                {"no signature", "7F2B03410101AA"},
                {"a friend's package", "7F250341010100"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = paired_to_phase_3();
        HEX(bytes, rows[i].bytes);
        announce(r, bytes, bytes_len);
        expect_refused_and_cleared(r, ERR_MSG_MALFORMED, rows[i].name);
        rig_free(r);
    }
}

/* ---- termination by the device ---- */

static const struct forgery true_termination = {
    .usage = ATTESTATION_TERMINATED, .by_device = true, .oem = 40};

/* As a phone that terminated the key answers AUTH1: the same but the usage that is signed. */
static struct span sign_as_terminated(struct rig *r, const struct channel *theirs, uint8_t *buf, size_t cap)
{
    struct channel ch = *theirs;
    struct wr w = wr_of(buf, cap);
    uint8_t plain[CHANNEL_PLAIN_MAX], signature[SIGNATURE_SIZE];
    struct wr p = wr_of(plain, sizeof plain);
    const struct digital_key *k = &r->applet.keys[0];
    ASSERT_OK(transaction_sign(r->crypto, &r->applet.sessions[DK_CONTACTLESS].transaction,
                               TRANSACTION_TERMINATED, k->device_key, signature));
    wr_copy(&p, "\x4E\x08", 2);
    wr_copy(&p, k->creation.slot.b, 8);
    wr_copy(&p, "\x9E\x40", 2);
    wr_copy(&p, signature, sizeof signature);
    ch.counter = 0; /* the answer of AUTH1 is the first */
    ASSERT_OK(channel_wrap_response(r->crypto, &ch, span_of(plain, p.len), APDU_SW_OK, &w));
    return span_of(buf, w.len);
}

/* The answer of the phone, or of one that terminated its key. */
static struct span answer_of(struct rig *r, struct span command, bool terminated, uint8_t *buf, size_t cap)
{
    uint8_t honest[APDU_RESPONSE_MAX];
    struct wr w = wr_of(honest, sizeof honest);
    rig_phone_input(r, command, &w);
    if (terminated && command.p[1] == APDU_AUTH1)
        return sign_as_terminated(r, &r->applet.sessions[DK_CONTACTLESS].channel, buf, cap);
    memcpy(buf, honest, w.len);
    return span_of(buf, w.len);
}

static struct vehicle_step finish_with_terminated(struct rig *r, enum vehicle_phase phase)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_finish_begin(&r->finish, &r->finish_config, phase);
    while (!vehicle_step_over(&s))
        s = s.what == VEHICLE_SEND
                ? vehicle_finish_input(&r->finish, answer_of(r, s.apdu, true, answer, sizeof answer))
                : rig_finish_proceed(r, &s);
    return s;
}

static struct vehicle_step unlock_terminated(struct rig *r, uint8_t p1)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    rig_phone_reset(r);
    struct vehicle_step s =
        vehicle_transaction_begin(&r->unlock, &r->finish_config.transaction, p1, TRANSACTION_UNLOCK);
    while (s.what == VEHICLE_SEND)
        s = vehicle_transaction_input(&r->unlock, answer_of(r, s.apdu, true, answer, sizeof answer));
    return s;
}

Test(vehicle_statement, a_key_that_the_device_terminated)
{
    struct rig *r = rig_ready(test_crypto());
    uint8_t before[TRANSACTION_KPERSISTENT];
    ASSERT_OK(rig_pair(r));
    announce_signed(r, &true_termination);
    memcpy(before, r->key.kpersistent, sizeof before);
    struct vehicle_step s = unlock_terminated(r, 0);
    cr_assert(s.what == VEHICLE_FAILED);
    EXPECT_ERR(s.reason, ERR_DK_TERMINATED);
    cr_expect(r->unlock.key == &r->key, "and which one it is");
    cr_expect(memcmp(before, r->key.kpersistent, sizeof before) == 0);
    cr_expect(eq(int, r->key.state, VEHICLE_KEY_ACTIVE), "nothing is stored without its statement");

    size_t kpersistents = r->store.commits[VEHICLE_STORE_KPERSISTENT];
    s = finish_with_terminated(r, VEHICLE_TERMINATION);
    cr_expect(s.what == VEHICLE_DONE && r->finish.learnt == VEHICLE_LEARNT_TERMINATED);
    cr_expect(r->key.state == VEHICLE_KEY_TERMINATED && r->store.key.state == VEHICLE_KEY_TERMINATED);
    cr_expect(not(r->key.has_kpersistent));
    cr_expect(not(r->store.key.has_kpersistent));
    cr_expect(eq(sz, r->store.commits[VEHICLE_STORE_KPERSISTENT], kpersistents));
    expect_cleared(r, "taken");

    struct attestation a;
    size_t used;
    ASSERT_OK(attestation_open(r->crypto, span_of(r->store.statement, r->store.statement_len),
                               ATTESTATION_TERMINATED, r->key.device_pk, &a, &used));
    cr_expect(eq(sz, used, r->store.statement_len));
    cr_expect(eq(sz, a.oem.len, true_termination.oem));
    s = finish_with_terminated(r, VEHICLE_TERMINATION); /* there is none any more */
    cr_expect(s.what == VEHICLE_DONE && r->finish.learnt == VEHICLE_LEARNT_NOTHING);
    rig_free(r);
}

Test(vehicle_statement, other_phases_do_not_open_for_it)
{
    static const enum vehicle_phase phases[] = {VEHICLE_PHASE_3, VEHICLE_PHASE_4, VEHICLE_REFILL,
                                                VEHICLE_RESUMPTION};
    struct rig *r = rig_ready(test_crypto());
    ASSERT_OK(rig_pair(r));
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        struct vehicle_step s = finish_with_terminated(r, phases[i]);
        cr_expect(s.what == VEHICLE_FAILED && s.reason == ERR_DK_TERMINATED, "phase %d", (int)phases[i]);
    }
    rig_free(r);
}

/* No more than the signalling byte and KeyAtt is written while a key is terminated. */
static void note_writes(void *arg, bool command, struct span apdu)
{
    struct rig *r = arg;
    struct channel ch = r->applet.sessions[DK_CONTACTLESS].channel;
    struct apdu_command cmd;
    struct exchange_op op;
    enum exchange_option option;
    uint8_t plain[CCC_BLOCK * 16];
    size_t len;
    if (!command || apdu.p[1] != APDU_EXCHANGE || apdu_command_parse(apdu, &cmd) ||
        channel_unwrap_command(r->crypto, &ch, &cmd, plain, &len))
        return;
    struct rd in = rd_of(plain, len);
    ASSERT_OK(exchange_open(&in, &option));
    while (exchange_next(&in, &op) == ERR_OK)
        if (op.kind == EXCHANGE_WRITE || op.kind == EXCHANGE_SET)
            cr_expect(op.mailbox == MAILBOX_PRIVATE &&
                          ((op.offset == 0 && op.len == 1) || op.offset >= mailbox_map_default.attestation),
                      "%d bytes at %d", op.len, op.offset);
}

Test(vehicle_statement, a_long_termination_is_read_in_pieces)
{
    static const size_t sizes[] = {0, 100, 131, 132, 200, 380};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct forgery f = true_termination;
        struct rig *r = paired_to_phase_3(); /* slots are missing, and stay so */
        f.oem = sizes[i];
        announce_signed(r, &f);
        r->tap = note_writes;
        r->tap_arg = r;
        EXPECT_OK(rig_finish(r, VEHICLE_TERMINATION), "%zu bytes", sizes[i]);
        cr_expect(eq(int, r->finish.learnt, VEHICLE_LEARNT_TERMINATED), "%zu bytes", sizes[i]);
        expect_cleared(r, "taken");
        expect_bits(r, MAILBOX_SLOT_BITMAP_CHANGED, 0x01, "no slots for a terminated key");
        rig_free(r);
    }
}

Test(vehicle_statement, phase_4_may_find_a_termination)
{
    struct rig *r = paired_to_phase_3();
    announce_signed(r, &true_termination);
    ASSERT_OK(rig_phase_4(r));
    cr_expect(r->finish.ended.what == VEHICLE_DONE && r->finish.learnt == VEHICLE_LEARNT_TERMINATED);
    cr_expect(eq(int, r->key.state, VEHICLE_KEY_TERMINATED));
    expect_bits(r, MAILBOX_SLOT_BITMAP_CHANGED, 0x01, "no slots for a terminated key");
    rig_free(r);
}

/* ---- termination by the vehicle ---- */

Test(vehicle_statement, a_key_that_the_vehicle_terminates)
{
    struct rig *r = rig_ready(test_crypto());
    bool fast;
    struct attestation a, subject;
    uint32_t usage;
    size_t used, len;
    uint8_t vehicle_pk[P256_POINT];
    ASSERT_OK(rig_pair(r));
    EXPECT_ERR(rig_finish(r, VEHICLE_TERMINATE_KEY), ERR_BAD_ARGUMENT); /* the record does not say so */
    r->key.state = VEHICLE_KEY_TERMINATED;
    EXPECT_ERR(rig_unlock(r, true, false, &fast), ERR_DK_TERMINATED);
    EXPECT_ERR(rig_unlock(r, false, false, &fast), ERR_DK_TERMINATED);
    size_t kpersistents = r->store.commits[VEHICLE_STORE_KPERSISTENT];
    ASSERT_OK(rig_finish(r, VEHICLE_TERMINATE_KEY));
    cr_expect(eq(sz, r->store.commits[VEHICLE_STORE_KPERSISTENT], kpersistents));

    struct span told = span_of(r->applet.notification, r->applet.notification_len);
    p256_public(r->k.key, vehicle_pk);
    subject = vehicle_key_subject(&r->key);
    ASSERT_OK(attestation_peek(told, &usage, &len));
    cr_expect(eq(sz, len, told.len));
    ASSERT_OK(attestation_open(r->crypto, told, ATTESTATION_VEHICLE_TERMINATES, vehicle_pk, &a, &used));
    cr_expect(attestation_same_key(&a, &subject));

    announce_signed(r, &true_termination); /* the phone did it */
    struct vehicle_step s = finish_with_terminated(r, VEHICLE_TERMINATION);
    cr_expect(s.what == VEHICLE_DONE && r->finish.learnt == VEHICLE_LEARNT_TERMINATED);
    rig_free(r);
}

/* ---- resumption ---- */

Test(vehicle_statement, a_suspended_key_is_resumed_by_the_server_only)
{
    static const struct forgery resumed = {.usage = ATTESTATION_RESUMED};
    struct rig *r = rig_ready(test_crypto());
    bool fast;
    ASSERT_OK(rig_pair(r));
    vehicle_key_suspend(&r->key, RIG_NOW_S - 60);
    EXPECT_ERR(rig_unlock(r, true, false, &fast), ERR_DK_SUSPENDED);
    EXPECT_ERR(rig_unlock(r, false, false, &fast), ERR_DK_SUSPENDED);
    EXPECT_ERR(rig_phase_4(r), ERR_DK_SUSPENDED);
    EXPECT_ERR(rig_refill(r), ERR_DK_SUSPENDED);
    ASSERT_OK(rig_finish(r, VEHICLE_RESUMPTION)); /* nothing there */
    cr_expect(eq(int, r->key.state, VEHICLE_KEY_SUSPENDED));
    announce_signed(r, &resumed);
    r->store.refuses = VEHICLE_STORE_RESUMED;
    EXPECT_ERR(rig_finish(r, VEHICLE_RESUMPTION), ERR_STORE_FAILED);
    cr_expect(eq(int, r->key.state, VEHICLE_KEY_SUSPENDED));
    r->store.refuses = VEHICLE_SEND;
    ASSERT_OK(rig_finish(r, VEHICLE_RESUMPTION));
    cr_expect(eq(int, r->finish.learnt, VEHICLE_LEARNT_RESUMED));
    cr_expect(r->key.state == VEHICLE_KEY_ACTIVE && r->store.key.state == VEHICLE_KEY_ACTIVE);
    expect_cleared(r, "taken");
    ASSERT_OK(rig_unlock(r, false, false, &fast));
    rig_free(r);
}

/* The phone brings the resumption that it has kept. */
Test(vehicle_statement, an_old_resumption_undoes_no_later_suspension)
{
    static const struct {
        int suspended_later_s;
        enum err reason;
    } rows[] = {{-1, ERR_OK}, {0, ERR_MSG_STALE}, {1, ERR_MSG_STALE}};
    static const struct forgery resumed = {.usage = ATTESTATION_RESUMED};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = rig_ready(test_crypto());
        ASSERT_OK(rig_pair(r));
        vehicle_key_suspend(&r->key, RIG_NOW_S + rows[i].suspended_later_s);
        announce_signed(r, &resumed);
        EXPECT_ERR(rig_finish(r, VEHICLE_RESUMPTION), rows[i].reason);
        cr_expect(eq(int, r->key.state, rows[i].reason ? VEHICLE_KEY_SUSPENDED : VEHICLE_KEY_ACTIVE));
        expect_cleared(r, err_name(rows[i].reason));
        rig_free(r);
    }
}

/* Only an active key can be suspended; the server may say it again. */
Test(vehicle_statement, suspension)
{
    static const struct {
        enum vehicle_key_state before, after;
    } rows[] = {{VEHICLE_KEY_PENDING, VEHICLE_KEY_PENDING},
                {VEHICLE_KEY_ACTIVE, VEHICLE_KEY_SUSPENDED},
                {VEHICLE_KEY_SUSPENDED, VEHICLE_KEY_SUSPENDED},
                {VEHICLE_KEY_TERMINATED, VEHICLE_KEY_TERMINATED}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vehicle_key k = {.role = VEHICLE_KEY_OWNER, .state = rows[i].before};
        vehicle_key_suspend(&k, RIG_NOW_S);
        cr_expect(eq(int, k.state, rows[i].after));
        cr_expect(eq(i64, k.suspended_s, rows[i].after == VEHICLE_KEY_SUSPENDED ? RIG_NOW_S : 0));
    }
}

Test(vehicle_statement, what_is_terminated_or_pending_is_not_resumed)
{
    static const struct forgery resumed = {.usage = ATTESTATION_RESUMED};
    static const struct {
        enum vehicle_key_state state;
        enum vehicle_phase phase;
    } rows[] = {{VEHICLE_KEY_TERMINATED, VEHICLE_TERMINATION}, {VEHICLE_KEY_PENDING, VEHICLE_TERMINATION}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = paired_to_phase_3();
        r->key.state = rows[i].state;
        announce_signed(r, &resumed);
        EXPECT_ERR(rig_finish(r, rows[i].phase), ERR_MSG_UNEXPECTED);
        cr_expect(eq(int, r->key.state, rows[i].state));
        expect_cleared(r, "resumption");
        rig_free(r);
    }
}
