/* The server's answers: which are sent, the queue in which they wait, and what begins when they have left. */
#include <assert.h>
#include <string.h>

#include "lib/uds/uds_server_internal.h"

/* The final answer always finds a place: others leave it free. */
#define QUEUE_PENDING (UDS_QUEUE - 1)
#define QUEUE_BUSY    (UDS_QUEUE - 2)

static void queue_negative(struct uds_server *s, uint8_t sid, enum uds_nrc nrc, bool final)
{
    assert(s->queued < UDS_QUEUE);
    s->queue[s->queued++] = (struct uds_queued){{UDS_NEGATIVE, sid, (uint8_t)nrc}, final};
}

void uds_say_pending(struct uds_server *s)
{
    if (s->queued >= QUEUE_PENDING)
        return;
    queue_negative(s, s->request.sid, UDS_NRC_PENDING, false);
    s->request.pending_said = true;
}

void uds_say_busy(struct uds_server *s, uint8_t sid)
{
    if (s->queued < QUEUE_BUSY)
        queue_negative(s, sid, UDS_NRC_BUSY, false);
}

bool uds_answer_is_silent(const struct uds_request *r, enum uds_nrc nrc)
{
    if (r->pending_said)
        return false;
    switch (nrc) {
    case UDS_OK:
        return r->suppressed;
    case UDS_NRC_NO_SERVICE:
    case UDS_NRC_NO_SUBFUNCTION:
    case UDS_NRC_OUT_OF_RANGE:
    case UDS_NRC_NO_SUBFUNCTION_IN_SESSION:
    case UDS_NRC_NO_SERVICE_IN_SESSION:
        return r->functional;
    default:
        return false;
    }
}

/* The request is over, and its answer, if any, has left. */
static void request_over(struct uds_server *s, uint64_t now_us)
{
    if (s->request.reset) {
        s->state = UDS_SERVER_RESETTING;
        s->reset_due_us = now_us + s->ecu->reset_ms * 1000ull;
        return;
    }
    s->state = UDS_SERVER_READY;
    if (s->session)
        s->s3_due_us = now_us + s->ecu->s3_ms * 1000ull;
}

void uds_conclude(struct uds_server *s, enum uds_nrc nrc, uint64_t now_us)
{
    assert(nrc != UDS_NRC_PENDING);
    if (uds_answer_is_silent(&s->request, nrc)) {
        request_over(s, now_us);
        return;
    }
    s->state = UDS_SERVER_ANSWERING;
    if (nrc) {
        queue_negative(s, s->request.sid, nrc, true);
        return;
    }
    assert(s->queued < UDS_QUEUE);
    s->queue[s->queued++] = (struct uds_queued){.final = true};
}

bool uds_server_take(struct uds_server *s, struct span *pdu)
{
    if (!s->queued || s->leaving)
        return false;
    const struct uds_queued *first = &s->queue[0];
    *pdu =
        first->negative[0] ? span_of(first->negative, UDS_NEGATIVE_LEN) : span_of(s->answer, s->answer_len);
    s->leaving = true;
    return true;
}

void uds_server_sent(struct uds_server *s, uint64_t now_us)
{
    assert(s->leaving && s->queued);
    bool final = s->queue[0].final;
    s->leaving = false;
    s->queued--;
    memmove(s->queue, s->queue + 1, s->queued * sizeof s->queue[0]);
    if (final)
        request_over(s, now_us);
}
