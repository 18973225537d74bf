#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "ecu/spaak/manage.h"
#include "lib/ccc/records/vehicle_record.h"

static const char *const radio_callers[] = {"phone", NULL};
static const struct port_spec ports[] = {
    [SPAAK_PORT_BODY] = {.name = "body", .medium = "can", .segment = SEGMENT_BODY, .node = NODE_SPAAK},
    [SPAAK_PORT_RADIO] = {.name = "radio",
                          .medium = "ble",
                          .end = PORT_LISTENS,
                          .optional = true,
                          .callers = radio_callers,
                          .name_of = dk_message_name,
                          .names = dk_message_names},
};

static const struct timer_spec timers[] = {
    [SPAAK_VOS] = {"ISO-TP vos", false},
    [SPAAK_GSDP] = {"ISO-TP gsdp", false},
    [SPAAK_TIMER_PROVISIONING] = {"provisioning", false},
    [SPAAK_TIMER_VERIFIERS] = {"verifiers", false},
    [SPAAK_TIMER_TBM] = {"TBM_Status missing", true},
    [SPAAK_TIMER_SILENT + SPAAK_SENDER_TBM] = {"TBM silent", true},
    [SPAAK_TIMER_SILENT + SPAAK_SENDER_PAD] = {"reader of the pad silent", true},
    [SPAAK_TIMER_SILENT + SPAAK_SENDER_DOOR] = {"reader of the door silent", true},
    [SPAAK_TIMER_ROUTINE] = {"routine", false},
    [SPAAK_TIMER_READER + SPAAK_PAD] = {"ISO-TP pad", false},
    [SPAAK_TIMER_READER + SPAAK_DOOR] = {"ISO-TP door", false},
    [SPAAK_TIMER_ANSWER + SPAAK_PAD] = {"answer of the pad", false},
    [SPAAK_TIMER_ANSWER + SPAAK_DOOR] = {"answer of the door", false},
    [SPAAK_TIMER_PAIRING_MODE] = {"T_PairingModeTimeout", false},
    [SPAAK_TIMER_OWNER_PAIRING] = {"T_OwnerPairing", false},
    [SPAAK_TIMER_NEXT_PHASE] = {"Tveh-loop", false},
    [SPAAK_TIMER_LOOK] = {"look for a phone again", false},
    [SPAAK_TIMER_STATUS] = {"SpaaK_Status", true},
    [SPAAK_TIMER_BCM] = {"BCM_Status missing", true},
    [SPAAK_TIMER_KEYS] = {"ISO-TP keys", false},
    [SPAAK_TIMER_USER] = {"answer of the BCM", false},
    [SPAAK_TIMER_PASS_REPORT] = {"report of a pairing", false},
    [SPAAK_TIMER_MANAGE] = {"report of a key", false},
    [SPAAK_TIMER_LINK] = {"Bluetooth link 1", false},
    [SPAAK_TIMER_LINK + 1] = {"Bluetooth link 2", false},
    [SPAAK_TIMER_LINK + 2] = {"Bluetooth link 3", false},
    [SPAAK_TIMER_LINK + 3] = {"Bluetooth link 4", false},
    [SPAAK_TIMER_LINK + SPAAK_LINKS] = {"private address", true},
    [SPAAK_TIMER_NEAR] = {"how near a phone is", true},
    [SPAAK_TIMER_DIAGNOSTIC_CHANNEL] = {"ISO-TP UDS", false},
    [SPAAK_TIMER_DIAGNOSTIC] = {"UDS", false},
};

static const struct setting_spec settings[] = {
    [SPAAK_SETTING_RETRY_MS] = {.name = "retry_ms", .fallback = 500, .min = 1, .max = 3600000},
    [SPAAK_SETTING_BACK_OFF_MS] = {.name = "back_off_ms", .fallback = 60000, .min = 1, .max = 86400000},
    /* T_PairingModeTimeout, where diagnostics has set none (0230) */
    [SPAAK_SETTING_PAIRING_MODE_MS] = {.name = "pairing_mode_ms",
                                       .fallback = 300000,
                                       .min = 1,
                                       .max = 86400000},
    [SPAAK_SETTING_OWNER_PAIRING_MS] = {.name = "owner_pairing_ms",
                                        .fallback = 180000,
                                        .min = 1,
                                        .max = 86400000},
    /* TOVeh_kts, Tveh-loop */
    [SPAAK_SETTING_KTS_MS] = {.name = "kts_ms", .fallback = 60000, .min = 1, .max = 86400000},
    [SPAAK_SETTING_KTS_LOOP_MS] = {.name = "kts_loop_ms", .fallback = 1000, .min = 1, .max = 3600000},
    /* from a phone's first answer to the command; one that takes longer may be far away */
    [SPAAK_SETTING_UNLOCK_MS] = {.name = "unlock_ms", .fallback = 2000, .min = 1, .max = 60000},
    /* a key that is paired is valid for so long; 0: without end */
    [SPAAK_SETTING_KEY_S] = {.name = "key_s", .fallback = 0, .min = 0, .max = 1000000000},
    /* for a card key, when there is no fob */
    [SPAAK_SETTING_CARD_KEY_MS] = {.name = "card_key_ms", .fallback = 60000, .min = 1, .max = 3600000},
    /* unlock_ms over Bluetooth, where nobody holds the phone to a reader: three round trips at 30 ms each, a
     * packet lost in each, and a slow phone; a relay that adds more is refused */
    [SPAAK_SETTING_BLE_UNLOCK_MS] = {.name = "ble_unlock_ms", .fallback = 500, .min = 1, .max = 60000},
    /* dBm below 0 over Bluetooth: a phone that is heard more weakly is not asked; 127: whatever it is. In the
     * open 6 dB are a doubling of the distance, -59 dBm one metre, -65 two, -75 some six */
    [SPAAK_SETTING_BLE_UNLOCK_DBM] = {.name = "ble_unlock_dbm", .fallback = 75, .min = 1, .max = 127},
    [SPAAK_SETTING_BLE_START_DBM] = {.name = "ble_start_dbm", .fallback = 65, .min = 1, .max = 127},
    {.name = NULL},
};

static const struct claim_spec claims[] = {
    [SPAAK_CLAIM_K] = {.name = "K", .kind = CLAIM_EQUAL, .shared = true},
    [SPAAK_CLAIM_VERIFIERS] = {.name = "verifiers", .kind = CLAIM_EQUAL, .shared = true},
    [SPAAK_CLAIM_OWNER_KEY] = {.name = "owner-key", .kind = CLAIM_AT_MOST_ONE},
    [SPAAK_CLAIM_AUTHENTICATED] = {.name = "authenticated", .kind = CLAIM_EQUAL},
    [SPAAK_CLAIM_KEY] = {.name = "key", .kind = CLAIM_EQUAL, .shared = true},
    [SPAAK_CLAIM_CARD] = {.name = "card-admitted", .kind = CLAIM_ONLY_AFTER, .after = "card-proof"},
    [SPAAK_CLAIM_KEY_STATE] = {.name = "key-state", .kind = CLAIM_EQUAL},
    [SPAAK_CLAIM_BOND] = {.name = "bond", .kind = CLAIM_EQUAL},
    {.name = NULL},
};

static const struct plant_item plant[] = {
    {SPAAK_LEVEL_WORKSHOP, PLANT_LEVEL_WORKSHOP, "SPAAK"},
    {SPAAK_LEVEL_PLANT, PLANT_LEVEL_PLANT, "SPAAK"},
    {SPAAK_BODY_KEY, PLANT_BODY_KEY, NULL},
    {.key = NULL},
};

static const struct defect_spec defects[] = {
    {"identity", "foreign", DEFECT_FOREIGN, SPAAK_ECU_KEY, SPAAK_ECU_CERTIFICATE},
    {"pending_csr", "wrong-subject", DEFECT_CSR_OTHER_SUBJECT, SPAAK_PENDING_CSR, SPAAK_PENDING_KEY},
    {"pending_csr", "weak-key", DEFECT_CSR_WEAK_KEY, SPAAK_PENDING_CSR, SPAAK_PENDING_SUBJECT},
    {.name = NULL},
};

static const char *const secrets[] = {SPAAK_LEVEL_WORKSHOP,  SPAAK_LEVEL_PLANT,       SPAAK_ECU_KEY,
                                      SPAAK_PENDING_KEY,     SPAAK_PENDING_TRANSPORT, SPAAK_VEHICLE_KEY,
                                      SPAAK_TRANSPORT_KEY,   SPAAK_VERIFIERS_W0,      SPAAK_VERIFIERS_L,
                                      SPAAK_BODY_KEY,        SPAAK_TOKEN_KEY,         SPAAK_RADIO,
                                      VEHICLE_RECORD_PREFIX, SPAAK_BOND_PREFIX,       NULL};
static const char *const sealed[] = {VEHICLE_RECORD_PREFIX, SPAAK_BOND_PREFIX, SPAAK_RADIO, NULL};

static const char any_statement[] = SPAAK_STATEMENT_PREFIX "+", any_key[] = VEHICLE_RECORD_PREFIX "+",
                  any_bond[] = SPAAK_BOND_PREFIX "+", any_word[] = SPAAK_WORD_PREFIX "+",
                  any_report[] = SPAAK_REPORT_PREFIX "+";
static const char *const keys[] = {DIAGNOSTIC_STORED,
                                   SPAAK_PLANT_LIFE,
                                   SPAAK_VIN,
                                   SPAAK_PAIRING_TIMEOUT,
                                   SPAAK_ECU_KEY,
                                   SPAAK_ECU_CERTIFICATE,
                                   SPAAK_ANCHOR_J,
                                   SPAAK_ANCHOR_J1,
                                   SPAAK_ANCHOR_PHYSICAL_KEY,
                                   SPAAK_ANCHOR_Z1,
                                   SPAAK_ANCHOR_ZZ2,
                                   SPAAK_DRM_UUID,
                                   SPAAK_PENDING_SUBJECT,
                                   SPAAK_PENDING_KEY,
                                   SPAAK_PENDING_CSR,
                                   SPAAK_PENDING_TRANSPORT,
                                   SPAAK_VEHICLE_KEY,
                                   SPAAK_VEHICLE_CERTIFICATE,
                                   SPAAK_VEHICLE_ACKED,
                                   SPAAK_TRANSPORT_KEY,
                                   SPAAK_VERIFIERS_ID,
                                   SPAAK_VERIFIERS_W0,
                                   SPAAK_VERIFIERS_L,
                                   SPAAK_VERIFIERS_SCRYPT,
                                   SPAAK_VERIFIERS_LAST,
                                   SPAAK_VERIFIERS_REPORTED,
                                   SPAAK_VERIFIERS_ATTEMPTS,
                                   SPAAK_VERIFIERS_USED,
                                   SPAAK_VERIFIERS_BURNT,
                                   SPAAK_VERIFIERS_WANTED,
                                   SPAAK_LAST_RENEW,
                                   SPAAK_PAIRING_ON,
                                   SPAAK_UNREPORTED,
                                   SPAAK_SLOTS,
                                   SPAAK_TOKEN_KEY,
                                   SPAAK_RADIO,
                                   any_statement,
                                   any_word,
                                   any_report,
                                   SPAAK_BODY_KEY,
                                   any_key,
                                   any_bond,
                                   NULL};

static const struct parameter_spec no_parameters[] = {{.name = NULL}};
enum { ATTEMPT_FAILED, ATTEMPT_PASSED };
static const char *const attempt_outcomes[] = {
    [ATTEMPT_FAILED] = "failed", [ATTEMPT_PASSED] = "passed", NULL};

/* ---- the bus ---- */

static void on_channel(void *owner, struct isotp_port *channel, const struct isotp_event *ev)
{
    struct spaak *s = owner;
    switch (ev->kind) {
    case ISOTP_RECEIVED:
        messages_on_bytes(s, (enum spaak_channel)channel->timer, ev->message);
        break;
    case ISOTP_RX_FAILED:
    case ISOTP_TX_FAILED:
        env_trace_reason(s->env, TRACE_REJECT, NULL,
                         ev->kind == ISOTP_TX_FAILED ? channel->out->name : channel->in->name, ev->reason, 0,
                         NULL);
        break;
    case ISOTP_SENT:
    case ISOTP_NONE:
        break;
    }
}

static void begin_use_cases(struct spaak *s)
{
    if (!s->tbm_ready)
        return;
    if (!s->finished) {
        env_trace_reason(s->env, TRACE_HOLD, NULL, "SP-02 and PP-01", ERR_PLANT_OPEN, 0, NULL);
        return;
    }
    provisioning_on_tbm_ready(s);
    verifiers_on_tbm_ready(s);
    pass_report_on_tbm_ready(s);
    manage_on_tbm_ready(s);
}

void spaak_set_tbm_ready(struct spaak *s, bool ready)
{
    if (s->tbm_ready == ready)
        return;
    s->tbm_ready = ready;
    s->retest = true;
    env_trace_note(s->env, TRACE_NOTE, ready ? "TBM: connected to GSDP and subscribed" : "TBM: not ready");
    begin_use_cases(s);
}

/* What the input has set off beside what it was. */
static void settle(struct spaak *s)
{
    if (s->begins && !diagnostic_silent(&s->diagnostic)) {
        s->begins = false;
        cabin_begin(s);
        begin_use_cases(s);
    }
    if (!diagnostic_silent(&s->diagnostic))
        manage_settle(s);
    if (s->retest && !diagnostic_silent(&s->diagnostic)) {
        s->retest = false;
        trouble_test(s);
    }
}

static void on_frame(struct spaak *s, const struct bus_frame *f)
{
    diagnostic_on_frame(&s->diagnostic, f);
    if (diagnostic_silent(&s->diagnostic) || diagnostic_rx_off(&s->diagnostic))
        return;
    senders_on_frame(s, f);
    for (unsigned i = 0; i < SPAAK_CHANNELS; i++) {
        isotp_port_input(&s->channels[i], f);
        uplink_follow(s, (enum spaak_channel)i);
    }
    cabin_on_frame(s, f);
    readers_on_frame(s, f);
}

static void spaak_on_frame(void *self, unsigned port, const struct bus_frame *f)
{
    (void)port;
    on_frame(self, f);
    settle(self);
}

static void spaak_on_link(void *self, unsigned port, enum link_state state)
{
    if (port == SPAAK_PORT_RADIO)
        radio_on_link(self, state);
}

static void spaak_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct spaak *s = self;
    (void)port;
    if (!diagnostic_silent(&s->diagnostic))
        radio_on_news(s, address, news);
    settle(s);
}

static void spaak_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct spaak *s = self;
    (void)port;
    if (!diagnostic_silent(&s->diagnostic))
        radio_on_bytes(s, address, bytes);
    settle(s);
}

static void end_routine(struct spaak *s)
{
    if (s->routine.pending == SPAAK_RID_KEY)
        plant_end_key(s);
    else if (s->routine.pending == SPAAK_RID_READERS)
        trouble_end_test(s);
}

/* Timers of which there is one for each channel, sender or place; and those of pairing. */
static void on_timer_of_many(struct spaak *s, unsigned timer)
{
    if (timer < SPAAK_CHANNELS) {
        isotp_port_timer(&s->channels[timer]);
        uplink_follow(s, (enum spaak_channel)timer);
    } else if (timer < SPAAK_TIMER_ROUTINE)
        senders_on_timer(s, (enum spaak_sender)(timer - SPAAK_TIMER_SILENT));
    else if (timer < SPAAK_TIMER_ANSWER)
        readers_on_timer(s, (enum spaak_place)(timer - SPAAK_TIMER_READER));
    else if (timer < SPAAK_TIMER_PAIRING_MODE)
        readers_on_late(s, (enum spaak_place)(timer - SPAAK_TIMER_ANSWER));
    else if (timer < SPAAK_TIMER_LOOK)
        pairing_on_timer(s, timer);
    else if (timer < SPAAK_TIMER_PASS_REPORT)
        cabin_on_timer(s, timer);
    else if (timer >= SPAAK_TIMER_LINK && timer < SPAAK_TIMER_DIAGNOSTIC_CHANNEL)
        radio_on_timer(s, timer - SPAAK_TIMER_LINK);
}

static void on_timer(struct spaak *s, unsigned timer)
{
    if (diagnostic_on_timer(&s->diagnostic, timer) || diagnostic_silent(&s->diagnostic))
        return;
    switch (timer) {
    case SPAAK_TIMER_PROVISIONING:
        requester_on_timer(&s->provisioning.requester);
        break;
    case SPAAK_TIMER_VERIFIERS:
        requester_on_timer(&s->verifiers);
        break;
    case SPAAK_TIMER_PASS_REPORT:
        requester_on_timer(&s->pass_report);
        break;
    case SPAAK_TIMER_MANAGE:
        requester_on_timer(&s->manage.requester);
        break;
    case SPAAK_TIMER_USER:
        user_on_timer(s);
        break;
    case SPAAK_TIMER_LOOK:
        unlock_on_timer(s);
        break;
    case SPAAK_TIMER_TBM:
        spaak_set_tbm_ready(s, false);
        break;
    case SPAAK_TIMER_ROUTINE:
        end_routine(s);
        break;
    default:
        on_timer_of_many(s, timer);
        break;
    }
}

static void spaak_on_timer(void *self, unsigned timer)
{
    on_timer(self, timer);
    settle(self);
}

/* ---- calls: what head unit and phone will bring ---- */

static enum err may_pair(const struct spaak *s)
{
    if (diagnostic_silent(&s->diagnostic))
        return ERR_BUSY;
    return s->finished ? ERR_OK : ERR_PLANT_OPEN;
}

static enum err call_start_pairing_mode(void *self, const struct call_value *values)
{
    (void)values;
    enum err e = may_pair(self);
    if (!e)
        e = verifiers_start_pairing_mode(self);
    settle(self);
    return e;
}

static enum err call_pairing_attempt(void *self, const struct call_value *values)
{
    enum err e = may_pair(self);
    if (!e)
        e = verifiers_begin_attempt(self);
    if (!e)
        e = verifiers_end_attempt(self, values[0].number == ATTEMPT_PASSED);
    settle(self);
    return e;
}

static const struct parameter_spec attempt_parameters[] = {
    {.name = "outcome", .kind = PARAMETER_WORD, .required = true, .words = attempt_outcomes},
    {.name = NULL},
};

static const struct call_spec calls[] = {
    {"start-pairing-mode",
     "ignition on, \"add digital key\": verifiers are looked for, and asked for (PP-03)", no_parameters,
     call_start_pairing_mode},
    {"pairing-attempt", "a SPAKE2+ attempt of a phone, counted, that failed or passed", attempt_parameters,
     call_pairing_attempt},
    {.name = NULL},
};

/* ---- life ---- */

static void channels_init(struct spaak *s)
{
    static const enum matrix_message rows[SPAAK_CHANNELS][2] = {
        [SPAAK_VOS] = {MATRIX_SPAAK_VOS_UP, MATRIX_SPAAK_VOS_DOWN},
        [SPAAK_GSDP] = {MATRIX_SPAAK_GSDP_UP, MATRIX_SPAAK_GSDP_DOWN},
    };
    for (unsigned i = 0; i < SPAAK_CHANNELS; i++) {
        isotp_port_init(&s->channels[i], s->env, SPAAK_PORT_BODY, i, rows[i][0], rows[i][1]);
        s->channels[i].on_event = on_channel;
        s->channels[i].owner = s;
    }
}

/* What a module that the plant has finished begins with. */
static enum err begin_finished(struct spaak *s)
{
    enum err e = load_all(s);
    if (e)
        return e;
    s->finished = true;
    identity_claim(s);
    e = verifiers_load(s);
    if (e)
        return e;
    keys_load(s);
    cabin_begin(s);
    pairing_init(s);
    return ERR_OK;
}

static enum err begin(struct spaak *s)
{
    enum plant_life life = plant_life(s);
    channels_init(s);
    cabin_init(s);
    senders_init(s);
    provisioning_init(s);
    verifiers_init(s);
    pass_report_init(s);
    manage_init(s);
    enum err e = life == PLANT_UNREADABLE ? ERR_STORE_FAILED
                 : life == PLANT_DONE     ? begin_finished(s)
                                          : ERR_OK;
    if (!e && life != PLANT_DONE)
        plant_trace_life(s, life);
    if (!e)
        trouble_test(s);
    s->retest = false;
    return e;
}

/* All that was memory is gone. */
void spaak_down(void *spaak)
{
    struct spaak *s = spaak;
    for (unsigned timer = 0; timer < SPAAK_TIMER_DIAGNOSTIC_CHANNEL; timer++)
        env_timer_set(s->env, timer, ENV_NEVER);
    for (size_t i = 0; i < SPAAK_CHANNELS; i++)
        isotp_port_stop(&s->channels[i]);
    uplink_drop(s);
    isotp_port_stop(&s->cabin.keys);
    radio_stop(s);
    readers_fini(s);
    keys_close(s);
    s->pairing.state = PAIRING_OFF;
    load_nothing(s);
    OPENSSL_cleanse(&s->routine, sizeof s->routine);
    s->finished = s->begins = s->tbm_ready = false;
}

/* There is no process to end here: what cannot start says why, and answers testers only. */
void spaak_up(void *spaak)
{
    struct spaak *s = spaak;
    enum err e = begin(s);
    if (!e)
        return;
    s->finished = false;
    env_trace_reason(s->env, TRACE_FAIL, NULL, NULL, e, 0, "starts without its use cases");
    trouble_test(s);
}

static enum err spaak_init(void *self, struct env *env, const struct component_args *args)
{
    struct spaak *s = self;
    s->env = env;
    s->radio.oob_of = -1;
    s->retry_us = args->settings[SPAAK_SETTING_RETRY_MS] * 1000;
    s->back_off_us = args->settings[SPAAK_SETTING_BACK_OFF_MS] * 1000;
    s->pairing_mode_us = args->settings[SPAAK_SETTING_PAIRING_MODE_MS] * 1000;
    s->owner_pairing_us = args->settings[SPAAK_SETTING_OWNER_PAIRING_MS] * 1000;
    s->kts_us = args->settings[SPAAK_SETTING_KTS_MS] * 1000;
    s->unlock_us = args->settings[SPAAK_SETTING_UNLOCK_MS] * 1000;
    s->ble_unlock_us = args->settings[SPAAK_SETTING_BLE_UNLOCK_MS] * 1000;
    s->ble_dbm[CABIN_UNLOCK] = (uint8_t)args->settings[SPAAK_SETTING_BLE_UNLOCK_DBM];
    s->ble_dbm[CABIN_START] = (uint8_t)args->settings[SPAAK_SETTING_BLE_START_DBM];
    s->key_us = args->settings[SPAAK_SETTING_KEY_S] * 1000000;
    s->card_key_us = args->settings[SPAAK_SETTING_CARD_KEY_MS] * 1000;
    s->kts_loop_us = args->settings[SPAAK_SETTING_KTS_LOOP_MS] * 1000;
    text_copy(s->serial, sizeof s->serial, args->serial);
    enum err e = spaak_diagnostics_init(s);
    return e ? e : begin(s);
}

static void spaak_fini(void *self)
{
    struct spaak *s = self;
    p256_free(s->ecu_key);
    for (size_t i = 0; i < SPAAK_CHANNELS; i++)
        isotp_port_fini(&s->channels[i]);
    uplink_drop(s);
    isotp_port_fini(&s->cabin.keys);
    readers_fini(s);
    keys_close(s);
    diagnostic_fini(&s->diagnostic);
    OPENSSL_cleanse(s, sizeof *s);
}

const struct component_class spaak_class = {
    .name = "spaak",
    .place = PLACE_VEHICLE,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct spaak),
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .timers = timers,
    .timer_count = sizeof timers / sizeof timers[0],
    .settings = settings,
    .claims = claims,
    .calls = calls,
    .plant = plant,
    .defects = defects,
    .secrets = secrets,
    .sealed = sealed,
    .init = spaak_init,
    .fini = spaak_fini,
    .on_frame = spaak_on_frame,
    .on_link = spaak_on_link,
    .on_news = spaak_on_news,
    .on_bytes = spaak_on_bytes,
    .on_timer = spaak_on_timer,
};
