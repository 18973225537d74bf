/* A row of the matrix: for each command the phone is brought to the state anew, hears it, and then what that
 * state would have taken next. */
#include <stdio.h>
#include <string.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/exchange.h"
#include "sim/actors/skimmer/skimmer_parts.h"

#define CELLS_IN_NOTE 6
#define GARBAGE       24 /* bytes of something protected, one block and a MAC, without a channel */
#define TAG_NAME      0xD3

enum command {
    C_SELECT,
    C_REQUEST,
    C_VERIFY,
    C_WRITE,
    C_GET,
    C_RESPONSE,
    C_AUTH0,
    C_COMPLETE,
    C_ABORT,
    C_END,
    C_ACCEPT,
    /* of the applet */
    C_SELECT_APPLET,
    C_AUTH1,
    C_EXCHANGE,
    C_FLOW
};

static const enum command of_framework[] = {C_SELECT, C_REQUEST,  C_VERIFY, C_WRITE, C_GET,   C_RESPONSE,
                                            C_AUTH0,  C_COMPLETE, C_ABORT,  C_END,   C_ACCEPT};
static const enum command of_applet[] = {C_SELECT_APPLET, C_AUTH0, C_AUTH1, C_EXCHANGE, C_FLOW, C_GET};

static bool of_the_applet(const struct skimmer *s)
{
    return skimmer_job(s)->state >= SKIMMER_FRAMEWORK_STATES;
}

/* C_END, where it leads on, leaves the phone without a password to get there again. */
static size_t cells(const struct skimmer *s)
{
    const size_t all = sizeof of_framework / sizeof of_framework[0];
    if (of_the_applet(s))
        return sizeof of_applet / sizeof of_applet[0];
    return skimmer_job(s)->state == SKIMMER_READ ? all - 1 : all;
}

static enum command command(const struct skimmer *s)
{
    return of_the_applet(s) ? of_applet[s->cell] : of_framework[s->cell];
}

/* What leads on: the state that comes then has a row of its own. */
static bool leads_on(enum skimmer_state state, enum command c)
{
    static const struct {
        enum skimmer_state state;
        enum command command;
    } steps[] = {{SKIMMER_UNSELECTED, C_SELECT}, {SKIMMER_SELECTED, C_REQUEST},
                 {SKIMMER_REQUESTED, C_VERIFY},  {SKIMMER_WRITTEN, C_COMPLETE},
                 {SKIMMER_CREATING, C_SELECT},   {SKIMMER_READ, C_END},
                 {SKIMMER_READ, C_ACCEPT},       {SKIMMER_APPLET_SELECTED, C_AUTH0},
                 {SKIMMER_KEYED, C_AUTH1},       {SKIMMER_OPEN, C_FLOW},
                 {SKIMMER_OVER, C_AUTH0}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i].state == state && steps[i].command == c)
            return true;
    return false;
}

/* ---- APDUs ---- */

static void put_select(struct wr *w, const uint8_t aid[APDU_AID])
{
    const struct apdu_command c = {
        .cla = APDU_CLA_ISO, .ins = APDU_SELECT, .p1 = 0x04, .data = span_of(aid, APDU_AID), .has_le = true};
    apdu_command_put(w, &c);
}

static void put_flow(struct wr *w, uint8_t p1, uint8_t p2)
{
    const struct apdu_command c = {.cla = APDU_CLA_PLAIN, .ins = APDU_CONTROL_FLOW, .p1 = p1, .p2 = p2};
    apdu_command_put(w, &c);
}

/* Well-formed, and proves nothing. */
static void put_verify(struct wr *w)
{
    static const uint8_t y[P256_POINT] = {0x04}, m1[SPAKE2P_EVIDENCE];
    uint8_t data[APDU_DATA_MAX];
    struct wr d = wr_of(data, sizeof data);
    op_verify_put(&d, y, m1);
    const struct apdu_command c = {
        .cla = APDU_CLA_PLAIN, .ins = APDU_SPAKE2P_VERIFY, .data = span_of(data, d.len), .has_le = true};
    apdu_command_put(w, &c);
}

static void put_auth0(const struct skimmer *s, struct wr *w)
{
    uint8_t data[APDU_DATA_MAX];
    struct wr d = wr_of(data, sizeof data);
    struct transaction t = {.version = {0x01, 0x00}, .p2 = TRANSACTION_UNLOCK};
    p256_public(s->other, t.vehicle_epk);
    env_random(s->env, t.id, sizeof t.id);
    skimmer_vehicle_id(s, t.vehicle_id);
    applet_auth0_put(&d, &t);
    const struct apdu_command c = {.cla = APDU_CLA_PLAIN,
                                   .ins = APDU_AUTH0,
                                   .p2 = TRANSACTION_UNLOCK,
                                   .data = span_of(data, d.len),
                                   .has_le = true};
    apdu_command_put(w, &c);
}

static void put_auth1(struct wr *w)
{
    static const uint8_t data[2 + SIGNATURE_SIZE] = {APPLET_TAG_SIGNATURE, SIGNATURE_SIZE};
    const struct apdu_command c = {
        .cla = APDU_CLA_PLAIN, .ins = APDU_AUTH1, .data = span_of(data, sizeof data), .has_le = true};
    apdu_command_put(w, &c);
}

/* Under the channel, if there is one; it counts on only if the phone takes the command. */
static void put_protected(struct skimmer *s, struct wr *w, uint8_t ins, struct span plain)
{
    static const uint8_t garbage[GARBAGE] = {0x5A};
    const struct apdu_command c = {
        .cla = APDU_CLA_SECURE, .ins = ins, .data = span_of(garbage, sizeof garbage), .has_le = true};
    s->used = s->channel;
    if (!s->channel.open || channel_wrap_command(s->env->crypto, &s->used, ins, 0, 0, plain, w))
        apdu_command_put(w, &c);
}

/* [L] begins with 7F4A: a byte after the other. */
static void put_write(struct skimmer *s, struct wr *w, bool second)
{
    static const uint8_t begin[] = {0x7F, 0x4A}, attestation[] = {0x5F, 0x5A};
    const bool after = skimmer_job(s)->state >= SKIMMER_CREATING;
    put_protected(s, w, APDU_WRITE_DATA, span_of((after ? attestation : begin) + second, 1));
}

static void put_get(struct skimmer *s, struct wr *w)
{
    static const uint8_t name = TAG_NAME;
    put_protected(s, w, APDU_GET_DATA, span_of(&name, 1));
}

static void put_exchange(struct skimmer *s, struct wr *w)
{
    uint8_t plain[CHANNEL_PLAIN_MAX];
    struct wr p = wr_of(plain, sizeof plain);
    exchange_begin(&p, EXCHANGE_COMMIT);
    exchange_put_read(&p, MAILBOX_PRIVATE, 0, 2);
    put_protected(s, w, APDU_EXCHANGE, span_of(plain, p.len));
}

static void put_response(struct wr *w)
{
    const struct apdu_command c = {.cla = APDU_CLA_SECURE, .ins = APDU_GET_RESPONSE, .has_le = true};
    apdu_command_put(w, &c);
}

static void put_flow_of(struct wr *w, enum command c)
{
    static const uint8_t codes[][2] = {[C_COMPLETE] = {APDU_FLOW_CONTINUE, APDU_CONTINUE_KEY_DATA_COMPLETE},
                                       [C_ABORT] = {APDU_FLOW_ABORT, APDU_ABORT_NO_REASON},
                                       [C_END] = {APDU_FLOW_END, 0x10},
                                       [C_ACCEPT] = {APDU_FLOW_CONTINUE, APDU_CONTINUE_KEY_ACCEPTED},
                                       [C_FLOW] = {0x01, 0x00}};
    put_flow(w, codes[c][0], codes[c][1]);
}

static void put_command(struct skimmer *s, struct wr *w)
{
    const enum skimmer_state state = skimmer_job(s)->state;
    const enum command c = command(s);
    const bool own =
        (state == SKIMMER_REQUESTED && c == C_VERIFY) || (state == SKIMMER_KEYED && c == C_AUTH1);
    if (own)
        wr_copy(w, s->next.bytes, s->next.len);
    else if (c == C_SELECT || c == C_SELECT_APPLET)
        put_select(w, c == C_SELECT ? apdu_aid_framework : apdu_aid_applet);
    else if (c == C_REQUEST)
        skimmer_put_request(s, w);
    else if (c == C_VERIFY)
        put_verify(w);
    else if (c == C_WRITE)
        put_write(s, w, false);
    else if (c == C_GET)
        put_get(s, w);
    else if (c == C_RESPONSE)
        put_response(w);
    else if (c == C_AUTH0)
        put_auth0(s, w);
    else if (c == C_AUTH1)
        put_auth1(w);
    else if (c == C_EXCHANGE)
        put_exchange(s, w);
    else
        put_flow_of(w, c);
}

/* What the state takes next; false: nothing that could be asked. */
static bool put_follow(struct skimmer *s, struct wr *w)
{
    switch (skimmer_job(s)->state) {
    case SKIMMER_SELECTED:
        skimmer_put_request(s, w);
        return true;
    case SKIMMER_REQUESTED:
    case SKIMMER_KEYED:
        wr_copy(w, s->next.bytes, s->next.len);
        return true;
    case SKIMMER_SECURE1:
        put_write(s, w, command(s) == C_WRITE && s->sw == APDU_SW_OK);
        return true;
    case SKIMMER_WRITTEN:
        put_flow(w, APDU_FLOW_CONTINUE, APDU_CONTINUE_KEY_DATA_COMPLETE);
        return true;
    case SKIMMER_CREATING:
    case SKIMMER_SECURE2:
    case SKIMMER_READ:
        put_get(s, w);
        return true;
    case SKIMMER_APPLET_SELECTED:
    case SKIMMER_OVER:
        put_auth0(s, w);
        return true;
    case SKIMMER_OPEN:
        put_exchange(s, w);
        return true;
    default:
        return false;
    }
}

/* ---- reaching the state ---- */

static void say(struct skimmer *s, void (*put)(struct skimmer *s, struct wr *w), enum skimmer_awaits awaits)
{
    uint8_t apdu[APDU_COMMAND_MAX];
    struct wr w = wr_of(apdu, sizeof apdu);
    put(s, &w);
    skimmer_send(s, span_of(apdu, w.len), awaits);
}

static bool is_there(const struct skimmer *s, const struct vehicle_step *step)
{
    const bool sends = step->what == VEHICLE_SEND;
    const enum vehicle_pairing_state pairing = s->pairing.state;
    switch (skimmer_job(s)->state) {
    case SKIMMER_SELECTED:
        return sends && pairing == VP_REQUESTING;
    case SKIMMER_REQUESTED:
        return sends && pairing == VP_VERIFYING;
    case SKIMMER_SECURE1:
        return sends && pairing == VP_WRITING;
    case SKIMMER_WRITTEN:
        return sends && pairing == VP_COMPLETING;
    case SKIMMER_CREATING:
        return step->what == VEHICLE_RESET_LINK;
    case SKIMMER_SECURE2:
        return sends && pairing == VP_GETTING;
    case SKIMMER_READ:
        return sends && pairing == VP_ACCEPTING;
    case SKIMMER_APPLET_SELECTED:
        return sends && s->transaction.state == VT_AUTH0;
    case SKIMMER_KEYED:
        return sends && s->transaction.state == VT_AUTH1;
    case SKIMMER_OPEN:
        return step->what == VEHICLE_OPEN;
    default:
        return step->what == VEHICLE_DONE;
    }
}

/* The channel as it is before the protocol goes on. */
static void take_channel(struct skimmer *s)
{
    const struct spake2p_keys *keys = &s->pairing.keys;
    const enum skimmer_state state = skimmer_job(s)->state;
    channel_close(&s->channel);
    if (state == SKIMMER_SECURE1)
        channel_open(&s->channel, &channel_framework, keys->kenc, keys->kmac, keys->krmac);
    else if (state == SKIMMER_SECURE2)
        s->channel = s->before;
    else if (state == SKIMMER_WRITTEN || state == SKIMMER_CREATING || state == SKIMMER_READ)
        s->channel = s->pairing.channel;
    else if (state == SKIMMER_OPEN)
        s->channel = s->transaction.channel;
}

bool skimmer_sweep_reached(struct skimmer *s, const struct vehicle_step *step)
{
    if (!is_there(s, step))
        return false;
    if (step->what == VEHICLE_SEND) {
        memcpy(s->next.bytes, step->apdu.p, step->apdu.len);
        s->next.len = step->apdu.len;
    }
    take_channel(s);
    say(s, put_command, SKIMMER_CELL);
    return true;
}

void skimmer_sweep_contact(struct skimmer *s)
{
    const enum skimmer_state state = skimmer_job(s)->state;
    uint8_t apdu[APDU_COMMAND_MAX];
    struct wr w = wr_of(apdu, sizeof apdu);
    put_select(&w, apdu_aid_framework);
    if (s->follows)
        skimmer_send(s, span_of(apdu, w.len), SKIMMER_FOLLOW_SELECT);
    else if (state == SKIMMER_UNSELECTED)
        say(s, put_command, SKIMMER_CELL);
    else if (state == SKIMMER_NOT_READY)
        skimmer_send(s, span_of(apdu, w.len), SKIMMER_SELECT);
    else
        skimmer_drive_begin(s, of_the_applet(s));
}

void skimmer_sweep_over(struct skimmer *s, enum err reason)
{
    char text[ENV_TEXT_MAX];
    snprintf(text, sizeof text, "%s stopped: %s", skimmer_state_names[skimmer_job(s)->state],
             err_name(reason));
    skimmer_finish(s, "swept", text);
}

/* ---- a cell ---- */

/* The same state has it still, and needs no other contact. */
static void next_cell(struct skimmer *s, const char *left)
{
    const struct skimmer_job *job = skimmer_job(s);
    size_t len = strlen(s->row);
    if (!len)
        len = (size_t)snprintf(s->row, sizeof s->row, "%s", skimmer_state_names[job->state]);
    snprintf(s->row + len, sizeof s->row - len, " | %04X %s", s->sw, left);
    s->cell++;
    const bool last = s->cell == cells(s);
    if (last || s->cell % CELLS_IN_NOTE == 0) {
        env_trace_note(s->env, TRACE_NOTE, s->row);
        *s->row = '\0';
    }
    if (last) {
        s->cell = 0;
        channel_close(&s->channel);
        skimmer_finish(s, "swept", skimmer_state_names[job->state]);
    } else if (job->state == SKIMMER_PAIRED) {
        say(s, put_command, SKIMMER_CELL);
    } else {
        skimmer_field_gap(s);
    }
}

static bool follow_now(struct skimmer *s)
{
    uint8_t apdu[APDU_COMMAND_MAX];
    struct wr w = wr_of(apdu, sizeof apdu);
    if (!put_follow(s, &w))
        return false;
    skimmer_send(s, span_of(apdu, w.len), SKIMMER_FOLLOW);
    return true;
}

/* A key that is being made is there when the field comes back. */
static void follow(struct skimmer *s)
{
    const enum skimmer_state state = skimmer_job(s)->state;
    if (leads_on(state, command(s)) && s->sw == APDU_SW_OK)
        next_cell(s, "next");
    else if (state == SKIMMER_CREATING) {
        s->follows = true;
        skimmer_field_gap(s);
    } else if (!follow_now(s)) {
        next_cell(s, "-");
    }
}

/* The answer is one of this channel, if there is one. */
static bool belongs(struct skimmer *s, struct span data, uint16_t sw)
{
    uint8_t plain[CCC_BLOCK * 16];
    size_t len;
    return channel_unwrap_response(s->env->crypto, &s->used, data, sw, plain, &len) == ERR_OK;
}

static bool is_protected(enum command c)
{
    return c == C_WRITE || c == C_GET || c == C_EXCHANGE;
}

static void on_cell(struct skimmer *s, struct span data, uint16_t sw)
{
    s->sw = sw;
    if (sw == APDU_SW_OK && s->channel.open && is_protected(command(s)) && belongs(s, data, sw))
        s->channel = s->used;
    follow(s);
}

static void on_follow(struct skimmer *s, struct span data, uint16_t sw)
{
    bool kept = sw == APDU_SW_OK;
    const enum skimmer_state state = skimmer_job(s)->state;
    if (kept && s->channel.open && state != SKIMMER_WRITTEN)
        kept = belongs(s, data, sw);
    next_cell(s, kept ? "kept" : "drop");
}

void skimmer_sweep_on_answer(struct skimmer *s, enum skimmer_awaits awaited, struct span answer)
{
    struct span data;
    uint16_t sw;
    if (apdu_response_parse(answer, &data, &sw)) {
        skimmer_sweep_over(s, ERR_DK_ANSWER);
        return;
    }
    if (awaited == SKIMMER_SELECT) {
        say(s, put_command, SKIMMER_CELL);
    } else if (awaited == SKIMMER_FOLLOW_SELECT) {
        s->follows = false;
        follow_now(s);
    } else if (awaited == SKIMMER_CELL) {
        on_cell(s, data, sw);
    } else {
        on_follow(s, data, sw);
    }
}
