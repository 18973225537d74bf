/* What becomes of a registered key: KM-01/6 a server's word, KM-02/6 news of its end. Stored before it is
 * answered; a resumption is signed once, and the same word gets the same statement. */
#include <string.h>

#include "backend/kts/kts_internal.h"

static enum err sign_resumption(struct kts *k, const struct manage_ask *a, struct tracking_record *r)
{
    struct wr w = wr_of(r->resumption, sizeof r->resumption);
    struct attestation said = {.issued_s = a->issued_ms / 1000, .slot.len = (uint8_t)r->slot_len};
    memcpy(said.key_id, a->key_id, sizeof said.key_id);
    memcpy(said.vehicle_id, r->vehicle_id, sizeof said.vehicle_id);
    memcpy(said.slot.b, r->slot, r->slot_len);
    if (!r->slot_len)
        return ERR_OK; /* registered before slots were kept: the vehicle hears it from the VOS alone */
    enum err e = attestation_make(k->env->crypto, &said, ATTESTATION_RESUMED, k->key, &w);
    r->resumption_len = w.len;
    return e;
}

static enum err change(struct kts *k, const struct manage_ask *a, struct tracking_record *r)
{
    const int64_t before_ms = r->state_ms;
    const enum key_state before = r->state;
    enum err e = manage_record_change(r, a);
    if (e || (r->state == before && r->state_ms == before_ms))
        return e;
    if (r->state == KEY_ACTIVE)
        e = sign_resumption(k, a, r);
    if (!e)
        e = tracking_record_put(k->env, KTS_REGISTERED, a->key_id, r);
    if (!e)
        e = env_store_commit(k->env);
    return e;
}

static void tell(struct kts *k, const struct manage_ask *a, enum err e, const struct tracking_record *r)
{
    const char *step = a->event ? "KM-02/6" : "KM-01/6";
    if (e) {
        env_trace_reason(k->env, TRACE_REJECT, step, manage_ask_name(a), e, 0, NULL);
        return;
    }
    env_trace_step(k->env, step,
                   r->state == KEY_TERMINATED  ? "keeps the key as ended, and tracks it no more"
                   : r->state == KEY_SUSPENDED ? "keeps the key as suspended"
                                               : "keeps the key as active, and says so to its vehicle");
    if (r->sealed_len)
        manage_claim_record(k->env, KTS_CLAIM_KEY, KTS_CLAIM_STATE, a->key_id, r);
}

void kts_on_manage(struct kts *k, const char *caller, struct span bytes)
{
    struct tracking_memory memory;
    struct tracking_record r;
    struct manage_ask a;
    enum err e = manage_ask_read(bytes, &memory, &a);
    bool answered = a.number != 0;
    if (!e)
        e = tracking_record_get(k->env, KTS_REGISTERED, a.key_id, &r);
    if (!e)
        e = change(k, &a, &r);
    tell(k, &a, e, &r);
    if (!answered)
        return;
    struct manage_answer said = manage_answer_of(&a, e, &r);
    manage_answer_send(k->env, KTS_PORT_VOS, caller, &said);
}
