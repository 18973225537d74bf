#include "lib/uds/uds_client.h"

#include <assert.h>
#include <string.h>

static const uint8_t keep_alive[] = {UDS_SID_TESTER_PRESENT, UDS_SUPPRESS};

struct uds_client_config uds_client_config_default(void)
{
    return (struct uds_client_config){
        .p2_ms = 150, .p2_star_ms = 5500, .pending_max_ms = 35000, .keep_alive_ms = 2000};
}

void uds_client_init(struct uds_client *c, const struct uds_client_config *cfg)
{
    assert(cfg->p2_ms && cfg->p2_star_ms >= cfg->p2_ms && cfg->pending_max_ms >= cfg->p2_star_ms);
    assert(cfg->keep_alive_ms);
    *c = (struct uds_client){.cfg = *cfg, .keep_alive_us = UDS_NEVER};
}

const char *uds_result_name(enum uds_result r)
{
    static const char *const names[] = {
        [UDS_RESULT_NONE] = "none",
        [UDS_RESULT_POSITIVE] = "positive",
        [UDS_RESULT_NEGATIVE] = "negative",
        [UDS_RESULT_SILENCE] = "silence",
        [UDS_RESULT_COLLECTED] = "collected",
        [UDS_RESULT_TIMEOUT] = "timeout",
        [UDS_RESULT_PENDING] = "pending too long",
        [UDS_RESULT_WRONG_ECHO] = "wrong echo",
        [UDS_RESULT_MALFORMED] = "malformed",
        [UDS_RESULT_STRAY] = "stray",
        [UDS_RESULT_LINK_FAILED] = "link failed",
    };
    return (size_t)r < sizeof names / sizeof names[0] ? names[r] : "reserved";
}

/* ---- asking ---- */

enum err uds_client_request(struct uds_client *c, enum uds_addressing a, struct span request)
{
    if (c->state != UDS_CLIENT_IDLE)
        return ERR_BUSY;
    if (request.len == 0 || (request.p[0] & UDS_POSITIVE))
        return ERR_BAD_ARGUMENT;
    c->state = UDS_CLIENT_ASKED;
    c->addressing = a;
    c->request = request;
    c->answers = 0;
    c->pending_count = 0;
    c->p2_end_us = c->p2_star_end_us = c->pending_end_us = UDS_NEVER;
    return ERR_OK;
}

void uds_client_abort(struct uds_client *c)
{
    c->state = UDS_CLIENT_IDLE;
    c->request = (struct span){0};
    c->arriving = 0; /* whatever had begun to arrive belonged to it */
}

bool uds_client_busy(const struct uds_client *c)
{
    return c->state != UDS_CLIENT_IDLE;
}

void uds_client_keep_alive(struct uds_client *c, bool wanted, uint64_t now_us)
{
    c->keep_alive_due = wanted;
    c->keep_alive_us = wanted ? now_us + c->cfg.keep_alive_ms * 1000ull : UDS_NEVER;
}

bool uds_client_take(struct uds_client *c, struct uds_client_out *out)
{
    if (c->keep_alive_due) {
        c->keep_alive_due = false;
        *out = (struct uds_client_out){UDS_FUNCTIONAL, span_of(keep_alive, sizeof keep_alive), false};
        return true;
    }
    if (c->state != UDS_CLIENT_ASKED)
        return false;
    c->state = UDS_CLIENT_LEAVING;
    *out = (struct uds_client_out){c->addressing, c->request, true};
    return true;
}

void uds_client_sent(struct uds_client *c, uint64_t now_us)
{
    if (c->state != UDS_CLIENT_LEAVING)
        return; /* answered, or given up, before its end was told */
    c->state = UDS_CLIENT_WAITING;
    c->p2_end_us = now_us + c->cfg.p2_ms * 1000ull;
}

/* ---- the end of a request ---- */

static void end(struct uds_client *c, enum uds_result result, struct uds_client_event *ev)
{
    *ev = (struct uds_client_event){.result = result, .answers = c->answers, .last = true};
    uds_client_abort(c);
}

void uds_client_send_failed(struct uds_client *c, struct uds_client_event *ev)
{
    *ev = (struct uds_client_event){0};
    if (c->state == UDS_CLIENT_LEAVING)
        end(c, UDS_RESULT_LINK_FAILED, ev);
}

static bool no_positive_wanted(const struct uds_client *c)
{
    return c->request.len >= 2 && uds_sid_has_subfunction(c->request.p[0]) &&
           (c->request.p[1] & UDS_SUPPRESS);
}

static enum uds_result result_of_silence(const struct uds_client *c)
{
    if (c->addressing == UDS_FUNCTIONAL)
        return UDS_RESULT_COLLECTED;
    return no_positive_wanted(c) && !c->pending_count ? UDS_RESULT_SILENCE : UDS_RESULT_TIMEOUT;
}

/* ---- answers ---- */

static void forget_pending(struct uds_client *c, uint32_t source)
{
    for (size_t i = 0; i < c->pending_count; i++)
        if (c->pending[i] == source)
            c->pending[i--] = c->pending[--c->pending_count];
}

/* 78 starts P2*client anew. */
static void note_pending(struct uds_client *c, uint32_t source, uint64_t now_us)
{
    forget_pending(c, source);
    if (c->pending_count < UDS_CLIENT_SOURCES)
        c->pending[c->pending_count++] = source;
    c->p2_star_end_us = now_us + c->cfg.p2_star_ms * 1000ull;
    if (c->pending_end_us == UDS_NEVER)
        c->pending_end_us = now_us + c->cfg.pending_max_ms * 1000ull;
}

/* An answer, good or bad, that the request was waiting for. */
static void answered(struct uds_client *c, uint32_t source, enum uds_result result, struct span pdu,
                     struct uds_client_event *ev)
{
    forget_pending(c, source);
    *ev = (struct uds_client_event){.result = result, .source = source, .answer = pdu};
    if (result == UDS_RESULT_NEGATIVE)
        ev->nrc = (enum uds_nrc)pdu.p[2];
    if (c->answers < UINT16_MAX)
        c->answers++;
    ev->last = c->addressing == UDS_PHYSICAL;
    if (ev->last)
        uds_client_abort(c);
}

void uds_client_receive(struct uds_client *c, uint32_t source, struct span pdu, bool arrived, uint64_t now_us,
                        struct uds_client_event *ev)
{
    bool waits = c->state == UDS_CLIENT_LEAVING || c->state == UDS_CLIENT_WAITING;
    enum uds_result result = waits ? uds_answer_check(c->request, pdu) : UDS_RESULT_STRAY;
    if (arrived && c->arriving)
        c->arriving--;
    *ev = (struct uds_client_event){0};
    if (result == UDS_RESULT_STRAY)
        *ev = (struct uds_client_event){.result = result, .source = source, .answer = pdu};
    else if (result == UDS_RESULT_NEGATIVE && pdu.p[2] == UDS_NRC_PENDING)
        note_pending(c, source, now_us);
    else
        answered(c, source, result, pdu, ev);
}

void uds_client_arrival_failed(struct uds_client *c, struct uds_client_event *ev)
{
    if (c->arriving)
        c->arriving--;
    *ev = (struct uds_client_event){0};
    if (c->state == UDS_CLIENT_WAITING && c->addressing == UDS_PHYSICAL)
        end(c, UDS_RESULT_LINK_FAILED, ev);
}

/* ---- time ---- */

/* What has begun to arrive is waited for by the transport. */
static uint64_t wait_end_us(const struct uds_client *c)
{
    if (c->state != UDS_CLIENT_WAITING || c->arriving)
        return UDS_NEVER;
    if (!c->pending_count)
        return c->p2_end_us;
    return c->p2_star_end_us < c->pending_end_us ? c->p2_star_end_us : c->pending_end_us;
}

uint64_t uds_client_due_us(const struct uds_client *c)
{
    uint64_t wait_us = wait_end_us(c);
    return wait_us < c->keep_alive_us ? wait_us : c->keep_alive_us;
}

void uds_client_arrival_begins(struct uds_client *c)
{
    c->arriving++;
}

void uds_client_tick(struct uds_client *c, uint64_t now_us, struct uds_client_event *ev)
{
    *ev = (struct uds_client_event){0};
    if (now_us >= c->keep_alive_us) {
        c->keep_alive_due = true;
        c->keep_alive_us = now_us + c->cfg.keep_alive_ms * 1000ull;
    }
    if (now_us < wait_end_us(c))
        return;
    bool endless = c->pending_count && now_us >= c->pending_end_us && c->addressing == UDS_PHYSICAL;
    end(c, endless ? UDS_RESULT_PENDING : result_of_silence(c), ev);
}
