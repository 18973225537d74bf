/* Trouble codes of the module, and routine 0310, which looks for the readers. */
#include "ecu/spaak/spaak_internal.h"

#define READER_TEST_MS 11000

const uint32_t trouble_codes[SPAAK_DTCS] = {
    [SPAAK_DTC_ANCHOR_MISSING] = 0x9A0051,    /* B1A00-51 */
    [SPAAK_DTC_IDENTITY_MISSING] = 0x9A0151,  /* B1A01-51 */
    [SPAAK_DTC_IDENTITY_EXPIRED] = 0x9A0156,  /* B1A01-56 */
    [SPAAK_DTC_VEHICLE_MISSING] = 0x9A0251,   /* B1A02-51 */
    [SPAAK_DTC_VEHICLE_EXPIRED] = 0x9A0256,   /* B1A02-56 */
    [SPAAK_DTC_VERIFIERS_MISSING] = 0x9A0355, /* B1A03-55 */
    [SPAAK_DTC_PAD_LOST] = 0xDA1087,          /* U1A10-87 */
    [SPAAK_DTC_DOOR_LOST] = 0xDA1187,         /* U1A11-87 */
    [SPAAK_DTC_TBM_SILENT] = 0xC19887,        /* U0198-87 */
};

static const enum spaak_dtc silent[SPAAK_SENDERS] = {
    [SPAAK_SENDER_TBM] = SPAAK_DTC_TBM_SILENT,
    [SPAAK_SENDER_PAD] = SPAAK_DTC_PAD_LOST,
    [SPAAK_SENDER_DOOR] = SPAAK_DTC_DOOR_LOST,
};

/* ---- tests ---- */

static bool anchor_is_missing(struct spaak *s)
{
    size_t slot = 0;
    while (slot < PLANT_SLOTS && plant_is_stored(s, plant_slot_key(slot)))
        slot++;
    return slot < PLANT_SLOTS;
}

/* What cannot be read is missing; what is missing has not expired. */
static void test_certificate(struct spaak *s, const char *key, enum spaak_dtc missing, enum spaak_dtc expired)
{
    uint8_t der[X509_MAX];
    struct x509 x;
    size_t len;
    bool there =
        !env_store_get(s->env, key, der, sizeof der, &len) && x509_parse(span_of(der, len), &x) == ERR_OK;
    diagnostic_report(&s->diagnostic, missing, !there);
    diagnostic_report(&s->diagnostic, expired,
                      there && x509_check_time(&x, env_wall_ms(s->env) / 1000) == ERR_CERT_EXPIRED);
}

void trouble_test(struct spaak *s)
{
    diagnostic_report(&s->diagnostic, SPAAK_DTC_ANCHOR_MISSING, anchor_is_missing(s));
    test_certificate(s, SPAAK_ECU_CERTIFICATE, SPAAK_DTC_IDENTITY_MISSING, SPAAK_DTC_IDENTITY_EXPIRED);
    test_certificate(s, SPAAK_VEHICLE_CERTIFICATE, SPAAK_DTC_VEHICLE_MISSING, SPAAK_DTC_VEHICLE_EXPIRED);
    diagnostic_report(&s->diagnostic, SPAAK_DTC_VERIFIERS_MISSING, !verifiers_are_stored(s));
    for (unsigned i = 0; i < SPAAK_SENDERS; i++)
        if (s->hearing[i] != SPAAK_NOT_JUDGED)
            diagnostic_report(&s->diagnostic, silent[i], s->hearing[i] == SPAAK_SILENT);
}

static uint8_t reader_bit(enum spaak_sender sender)
{
    return sender == SPAAK_SENDER_PAD ? 0x01 : sender == SPAAK_SENDER_DOOR ? 0x02 : 0x00;
}

void trouble_on_sender(struct spaak *s, enum spaak_sender sender)
{
    bool is_silent = s->hearing[sender] == SPAAK_SILENT;
    diagnostic_report(&s->diagnostic, silent[sender], is_silent);
    if (is_silent && s->routine.pending == SPAAK_RID_READERS)
        s->routine.readers_lost |= reader_bit(sender);
}

/* ---- 0310: a reader that is silent for 2 s of the 11 is lost ---- */

static enum uds_nrc begin_test(struct spaak *s, const struct uds_routine_call *call)
{
    if (diagnostic_rx_off(&s->diagnostic))
        return plant_refuse(s, UDS_NRC_CONDITIONS, "readerSelfTest", ERR_LINK_DOWN, "28 has made us deaf");
    s->routine.pending = call->routine->id;
    s->routine.ticket = call->ticket;
    s->routine.readers_lost = 0;
    senders_wait(s, SPAAK_SENDER_PAD);
    senders_wait(s, SPAAK_SENDER_DOOR);
    env_timer_in(s->env, SPAAK_TIMER_ROUTINE, READER_TEST_MS * 1000ull);
    return UDS_NRC_PENDING;
}

enum uds_nrc trouble_test_readers(void *spaak, const struct uds_routine_call *call, struct wr *out)
{
    struct spaak *s = spaak;
    if (call->part == UDS_ROUTINE_START)
        return begin_test(s, call);
    /* it runs inside its request, and whoever asks meanwhile is told to come again: nothing is left to stop
     */
    if (call->part == UDS_ROUTINE_STOP || !s->routine.readers_tested)
        return plant_refuse(s, UDS_NRC_SEQUENCE, "readerSelfTest", ERR_NOT_FOUND,
                            call->part == UDS_ROUTINE_STOP ? "it does not run" : "it has not run");
    wr_u8(out, s->routine.readers_lost);
    return UDS_OK;
}

void trouble_end_test(struct spaak *s)
{
    uint8_t lost = s->routine.readers_lost;
    s->routine.pending = 0;
    s->routine.readers_tested = true;
    env_trace_note(s->env, TRACE_NOTE,
                   lost == 0   ? "both readers are there"
                   : lost == 1 ? "the pad's reader is lost"
                   : lost == 2 ? "the door's reader is lost"
                               : "both readers are lost");
    diagnostic_done(&s->diagnostic, s->routine.ticket, UDS_OK, span_of(&lost, 1));
}
