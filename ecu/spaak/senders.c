/* The cyclic messages that the module hears: TBM_Status, WCP_Status of the pad, Door_Status of the door
 * handle. Each has an alive counter in byte 1 and a checksum in its last byte; what fails them is no sign of
 * life. */
#include "ecu/spaak/pairing.h"

#define TBM_LOST_CYCLES 5    /* TBM_Status missing this long: the TBM is gone */
#define SILENT_MS       2000 /* missing this long: a trouble code */

static const struct {
    enum matrix_message row;
    uint8_t length;
} senders[SPAAK_SENDERS] = {
    [SPAAK_SENDER_TBM] = {MATRIX_TBM_STATUS, TBM_STATUS_LENGTH},
    [SPAAK_SENDER_PAD] = {MATRIX_WCP_STATUS, READER_STATUS_LENGTH},
    [SPAAK_SENDER_DOOR] = {MATRIX_DOOR_STATUS, READER_STATUS_LENGTH},
};

void senders_wait(struct spaak *s, enum spaak_sender sender)
{
    env_timer_in(s->env, SPAAK_TIMER_SILENT + (unsigned)sender, SILENT_MS * 1000ull);
}

void senders_init(struct spaak *s)
{
    for (unsigned i = 0; i < SPAAK_SENDERS; i++) {
        s->alive[i] = -1;
        s->hearing[i] = SPAAK_NOT_JUDGED;
        senders_wait(s, (enum spaak_sender)i);
    }
}

static enum err check_status(const struct spaak *s, enum spaak_sender sender, const struct bus_frame *f)
{
    const uint8_t length = senders[sender].length;
    if (f->len != length || f->flags)
        return ERR_BUS_LENGTH;
    if (matrix_checksum(f->id, f->data, f->len) != f->data[length - 1])
        return ERR_BUS_CHECKSUM;
    if ((f->data[1] & 0x0F) == s->alive[sender])
        return ERR_BUS_STALE_COUNTER;
    return ERR_OK;
}

static void on_tbm_status(struct spaak *s, const struct bus_frame *f)
{
    const uint8_t both = TBM_STATUS_CONNECTED | TBM_STATUS_SUBSCRIBED;
    const struct matrix_row *row = matrix_row(MATRIX_TBM_STATUS);
    env_timer_in(s->env, SPAAK_TIMER_TBM, row->cycle_ms * 1000ull * TBM_LOST_CYCLES);
    spaak_set_tbm_ready(s, (f->data[0] & both) == both);
}

static void take(struct spaak *s, enum spaak_sender sender, const struct bus_frame *f)
{
    enum err e = check_status(s, sender, f);
    if (e) {
        env_trace_reason(s->env, TRACE_REJECT, NULL, matrix_row(senders[sender].row)->name, e, f->len, NULL);
        if (e == ERR_BUS_STALE_COUNTER && sender == SPAAK_SENDER_DOOR)
            presence_on_disputed(s, SPAAK_DOOR, f->data[0]);
        return;
    }
    s->alive[sender] = f->data[1] & 0x0F;
    s->hearing[sender] = SPAAK_HEARD;
    senders_wait(s, sender);
    trouble_on_sender(s, sender);
    if (sender == SPAAK_SENDER_TBM)
        on_tbm_status(s, f);
    else
        readers_on_status(s, sender == SPAAK_SENDER_PAD ? SPAAK_PAD : SPAAK_DOOR, f->data[0]);
}

void senders_on_frame(struct spaak *s, const struct bus_frame *f)
{
    for (unsigned i = 0; i < SPAAK_SENDERS; i++)
        if (f->id == matrix_row(senders[i].row)->id)
            take(s, (enum spaak_sender)i, f);
}

void senders_on_timer(struct spaak *s, enum spaak_sender sender)
{
    /* 28 has made us deaf: nobody's silence says anything */
    if (diagnostic_rx_off(&s->diagnostic)) {
        senders_wait(s, sender);
        return;
    }
    s->hearing[sender] = SPAAK_SILENT;
    trouble_on_sender(s, sender);
}
