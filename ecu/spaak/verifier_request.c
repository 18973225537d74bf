/* PP-03, vehicle side: 1 find a reason, 2 ask, 5 the VOS has said that a set will come; then as PP-02/3. Also
 * what owner pairing does with a set: looks for it, counts attempts with it, uses it.
 *
 * The reason is stored before anybody asks, and goes when a set is stored: a restart asks again. */
#include <stdio.h>

#include "ecu/spaak/spaak_internal.h"

#define REQUEST 32

/* PP-03/2 */
void verifiers_ask(struct spaak *s)
{
    static const struct request r = {SPAAK__V1__USE_CASE__USE_CASE_PP_03,
                                     SPAAK__V1__MESSAGE_TYPE__OP_SPAKE2_REQUEST, SPAAK_VOS, "PP-03/2"};
    uint8_t id[SPAAK_SET_ID], body[REQUEST];
    size_t len;
    Spaak__V1__OpSpake2Request m = SPAAK__V1__OP_SPAKE2_REQUEST__INIT;
    m.reason = verifiers_wanted(s);
    if (m.reason != VERIFIERS_MISSING &&
        env_store_get(s->env, SPAAK_VERIFIERS_BURNT, id, sizeof id, &len) == ERR_OK)
        m.burnt_set_id = (ProtobufCBinaryData){len, id};
    requester_stop(&s->verifiers);
    requester_begin(&s->verifiers);
    requester_send(&s->verifiers, &r, span_of(body, spaak__v1__op_spake2_request__pack(&m, body)));
}

enum err verifiers_on_answer(struct spaak *s, const struct spaak_message *m)
{
    enum err e = requester_check(&s->verifiers, &m->opened.header);
    if (!e && s->verifiers.request->type != SPAAK__V1__MESSAGE_TYPE__OP_SPAKE2_REQUEST)
        e = ERR_MSG_UNEXPECTED;
    if (e)
        return e;
    messages_trace_accept(s, m, "PP-03/5");
    if (m->opened.header.error) {
        requester_give_up(&s->verifiers, m->opened.header.error);
        return ERR_OK;
    }
    requester_stop(&s->verifiers);
    env_trace_state(s->env, "waits for verifiers");
    return ERR_OK;
}

enum err verifiers_start_pairing_mode(struct spaak *s)
{
    bool there = verifiers_are_stored(s);
    env_trace_step(s->env, "OP-02/4", there ? "verifiers are there" : "verifiers are missing: PP-03 first");
    if (there)
        return ERR_OK;
    enum err e = verifiers_wanted(s) ? ERR_OK : verifiers_store_wanted(s, VERIFIERS_MISSING);
    if (e)
        return e;
    env_trace_step(s->env, "PP-03/1", "verifiers are missing");
    verifiers_go_on(s);
    return ERR_OK;
}

enum err verifiers_burn(struct spaak *s)
{
    enum err e = verifiers_store_burnt(s);
    if (!e)
        env_trace_step(s->env, "PP-03/1", "deletes its verifiers: seven attempts have failed");
    return e;
}

enum err verifiers_begin_attempt(struct spaak *s)
{
    char text[32];
    uint8_t before = verifiers_attempts(s);
    if (!verifiers_are_stored(s))
        return ERR_VERIFIERS_MISSING;
    if (before >= SPAKE2P_ATTEMPTS_MAX)
        return ERR_DK_ATTEMPTS;
    enum err e = verifiers_store_attempts(s, (uint8_t)(before + 1));
    if (e)
        return e;
    snprintf(text, sizeof text, "counts attempt %d of %d", before + 1, SPAKE2P_ATTEMPTS_MAX);
    env_trace_step(s->env, "OP-03/3", text);
    return ERR_OK;
}

enum err verifiers_end_attempt(struct spaak *s, bool passed)
{
    if (!verifiers_are_stored(s))
        return ERR_VERIFIERS_MISSING;
    if (!passed && verifiers_attempts(s) < SPAKE2P_ATTEMPTS_MAX)
        return ERR_OK;
    enum err e = passed ? verifiers_store_used(s) : verifiers_burn(s);
    if (!e)
        verifiers_go_on(s);
    return e;
}
