/* PP-03, server side: 3 verify the vehicle's request, 4 answer it; then as PP-02 from its first step. The
 * reason says what the vehicle has lost. A request that comes again burns nothing: what it asked for is on
 * its way. */
#include "backend/vos/vos_internal.h"

/* *burnt: the set that the vehicle has deleted; len 0: it has none to name. */
static bool parse(struct span in, struct span *burnt, bool *terminated, uint8_t *memory, size_t cap)
{
    struct msg_arena arena;
    msg_arena_init(&arena, memory, cap);
    Spaak__V1__OpSpake2Request *m = spaak__v1__op_spake2_request__unpack(&arena.allocator, in.len, in.p);
    if (!m || (m->burnt_set_id.len != 0 && m->burnt_set_id.len != VOS_SET_ID))
        return false;
    *burnt = span_of(m->burnt_set_id.data, m->burnt_set_id.len);
    *terminated = m->reason == SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_OWNER_KEY_TERMINATED;
    switch (m->reason) {
    case SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_OWNER_KEY_TERMINATED:
    case SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_ATTEMPTS_USED_UP:
    case SPAAK__V1__OP_SPAKE2_REQUEST__REASON__REASON_MISSING:
        return true;
    default:
        return false;
    }
}

/* Is there a set that the vehicle can still take? */
static bool is_served(const struct verifiers *r, struct span burnt)
{
    bool other = burnt.len && !span_equal(burnt, span_of(r->set_id, VOS_SET_ID));
    switch (r->state) {
    case VERIFIERS_WANTED:
        return true;
    case VERIFIERS_PUSHED:
        return !burnt.len || other;
    case VERIFIERS_STORED:
        return other;
    default:
        return false;
    }
}

static void answer(struct vos *v, const struct msg_header *request, enum err error)
{
    struct response r = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_PP_03,
        .type = SPAAK__V1__MESSAGE_TYPE__OP_SPAKE2_RESPONSE,
        .ecu_serial = request->ecu_serial,
        .request = request,
        .error = error,
        .step = "PP-03/4",
    };
    responder_send(&v->responder, &r); /* GSDP down: the vehicle asks again */
}

void vos_refuse_verifiers(struct vos *v, const struct msg_opened *m, enum err reason)
{
    if (reason == ERR_NOT_PROVISIONED || reason == ERR_TRANSPORT_KEY_MISSING)
        answer(v, &m->header, reason);
}

static enum err serve_again(struct vos *v, const char *serial, const struct vehicle *vehicle)
{
    enum err e = record_put(v, serial, vehicle); /* the order of its requests */
    return e ? e : env_store_commit(v->env);
}

enum err vos_on_verifier_request(struct vos *v, const struct msg_opened *m, struct vehicle *vehicle)
{
    uint8_t memory[256];
    struct span burnt;
    struct verifiers r;
    const char *serial = m->header.ecu_serial;
    bool terminated;
    if (!parse(m->body, &burnt, &terminated, memory, sizeof memory))
        return ERR_MSG_MALFORMED;
    if (!vehicle->has_transport_key)
        return ERR_TRANSPORT_KEY_MISSING;
    enum err e = vos_verifiers_get(v, serial, &r);
    if (!e && terminated)
        e = vos_put_unpaired(v, serial);
    if (e)
        return e;
    bool served = is_served(&r, burnt);
    e = served ? serve_again(v, serial, vehicle) : vos_verifiers_want(v, serial, vehicle);
    if (e)
        return e;
    answer(v, &m->header, ERR_OK);
    return served ? vos_verifiers_go_on(v, serial, &r) : ERR_OK;
}
