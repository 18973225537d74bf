#include "lib/msg/requester.h"

#include <assert.h>
#include <string.h>

static bool in_exchange(const struct requester *r)
{
    return r->state == REQUESTER_BEGUN || r->state == REQUESTER_WAITS;
}

static void enter(struct requester *r, enum requester_state state)
{
    r->state = state;
    r->config.ops->on_state(r->config.owner, state);
}

static void timer_in_with_jitter(struct requester *r, uint64_t pause_us)
{
    const struct requester_config *c = &r->config;
    const uint64_t most_us = pause_us / 100 * REQUESTER_JITTER_PERCENT;
    uint16_t part;
    env_random(c->env, &part, sizeof part);
    env_timer_in(c->env, c->timer, pause_us + most_us * part / UINT16_MAX);
}

static void transmit(struct requester *r)
{
    const struct requester_config *c = &r->config;
    uint64_t pause_us = c->retry_us << r->attempts;
    r->attempts++;
    c->ops->transmit(c->owner, r->request->channel, span_of(r->packed, r->packed_len));
    timer_in_with_jitter(r, pause_us);
}

void requester_init(struct requester *r, const struct requester_config *config)
{
    const struct requester_ops *ops = config->ops;
    assert(config->env && config->peers && config->signer && config->timer < ENV_TIMERS);
    assert(ops->transmit && ops->reachable && ops->on_state && ops->resume);
    *r = (struct requester){.config = *config, .state = REQUESTER_IDLE};
}

void requester_begin(struct requester *r)
{
    assert(r->state == REQUESTER_IDLE);
    env_random(r->config.env, r->correlation, sizeof r->correlation);
    r->sequence = 0;
    r->request = NULL;
    r->state = REQUESTER_BEGUN;
}

static enum err seal(struct requester *r, struct span body, char detail[MSG_DESCRIPTION_MAX])
{
    struct env *env = r->config.env;
    const struct requester_signer *signer = r->config.signer;
    struct msg_header h = {.use_case = r->request->use_case, .type = r->request->type};
    h.sequence = r->sequence;
    h.issued_at_ms = env_wall_ms(env);
    memcpy(h.correlation, r->correlation, MSG_UUID);
    text_copy(h.ecu_serial, sizeof h.ecu_serial, signer->ecu_serial);
    h.has_drm_uuid = signer->drm_uuid != NULL;
    if (h.has_drm_uuid)
        memcpy(h.drm_uuid, signer->drm_uuid, MSG_UUID);
    msg_describe(&h, detail);
    return msg_seal(env->crypto, MSG_REQUEST, &h, body, signer->key, signer->certificate, r->packed,
                    &r->packed_len);
}

void requester_send(struct requester *r, const struct request *request, struct span body)
{
    char detail[MSG_DESCRIPTION_MAX];
    assert(in_exchange(r));
    r->request = request;
    r->sequence++;
    r->attempts = 0;
    enum err e = seal(r, body, detail);
    if (e) {
        requester_give_up(r, e);
        return;
    }
    env_trace_message(r->config.env, TRACE_SEND, request->step, msg_type_name(request->type),
                      r->config.peers[request->channel], span_of(r->packed, r->packed_len), detail);
    enter(r, REQUESTER_WAITS);
    transmit(r);
}

enum err requester_check(const struct requester *r, const struct msg_header *h)
{
    if (r->state != REQUESTER_WAITS || memcmp(h->correlation, r->correlation, MSG_UUID) != 0)
        return ERR_MSG_REPLAYED;
    if (h->sequence < r->sequence)
        return ERR_MSG_REPLAYED;
    return h->sequence > r->sequence ? ERR_MSG_OUT_OF_ORDER : ERR_OK;
}

void requester_give_up(struct requester *r, enum err reason)
{
    unsigned doubles = r->failures < REQUESTER_DOUBLES_MAX ? r->failures : REQUESTER_DOUBLES_MAX;
    assert(in_exchange(r) && reason != ERR_OK);
    r->failures++;
    env_trace_reason(r->config.env, TRACE_FAIL, r->request ? r->request->step : NULL, NULL, reason, 0,
                     "next attempt after a back-off");
    enter(r, REQUESTER_BACKS_OFF);
    timer_in_with_jitter(r, r->config.back_off_us << doubles);
}

void requester_stop(struct requester *r)
{
    r->state = REQUESTER_IDLE;
    r->failures = 0;
    env_timer_set(r->config.env, r->config.timer, ENV_NEVER);
}

static void repeat(struct requester *r)
{
    if (r->attempts >= REQUESTER_ATTEMPTS_MAX) {
        requester_give_up(r, ERR_MSG_NO_ANSWER);
        return;
    }
    env_trace_reason(r->config.env, TRACE_RETRY, r->request->step, NULL, ERR_MSG_NO_ANSWER, r->attempts,
                     NULL);
    transmit(r);
}

static void resume(struct requester *r)
{
    r->state = REQUESTER_IDLE;
    r->config.ops->resume(r->config.owner);
}

void requester_on_timer(struct requester *r)
{
    static void (*const due[REQUESTER_STATES])(struct requester *) = {
        [REQUESTER_WAITS] = repeat,
        [REQUESTER_BACKS_OFF] = resume,
    };
    const struct requester_config *c = &r->config;
    if (!due[r->state])
        return; /* stopped while the timer was on its way */
    if (c->ops->reachable(c->owner))
        due[r->state](r);
    else
        env_timer_in(c->env, c->timer, c->retry_us);
}
