#include "lib/ccc/vehicle/vehicle_step.h"

#include <assert.h>

bool vehicle_step_over(const struct vehicle_step *s)
{
    return s->what == VEHICLE_DONE || s->what == VEHICLE_NO_RECEIPT || s->what == VEHICLE_FAILED;
}

struct vehicle_step vehicle_step_fault(const char *fault)
{
    assert(fault);
    return (struct vehicle_step){.what = VEHICLE_FAILED, .reason = ERR_BAD_ARGUMENT, .fault = fault};
}

void vehicle_step_message(struct wr *w, const struct vehicle_step *s)
{
    assert(w && s && s->what == VEHICLE_SEND);
    const struct dk_message m = {.type = s->type, .id = DK_APDU_RQ, .data = s->apdu};
    dk_message_put(w, &m);
}

enum err vehicle_message_answer(struct span sdu, enum dk_type type, struct span *apdu)
{
    assert(apdu);
    struct dk_message m;
    enum err e = dk_message_parse(sdu, &m);
    if (e)
        return e;
    if (m.type != type || m.id != DK_APDU_RS)
        return ERR_MSG_UNEXPECTED;
    *apdu = m.data;
    return ERR_OK;
}
