#include "tests/phone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "the rig's phone: %s\n", what);
    abort();
}

static uint16_t status(const struct wr *answer)
{
    must(!answer->failed && answer->len >= 2, "no answer");
    uint16_t sw = (uint16_t)(answer->buf[answer->len - 2] << 8 | answer->buf[answer->len - 1]);
    must(sw == APDU_SW_OK || (sw & 0xFF00) == APDU_SW_MORE || answer->len == 2, "an error carries data");
    return sw;
}

static struct span from_hex(const char *hex, uint8_t out[APDU_COMMAND_MAX])
{
    long n = hex_decode(hex, strlen(hex), out, APDU_COMMAND_MAX);
    must(n >= 0, "not hex");
    return span_of(out, (size_t)n);
}

struct dk_step phone_step(struct rig *r, const char *hex)
{
    uint8_t in[APDU_COMMAND_MAX];
    return dk_device_input(&r->device, DK_CONTACTLESS, DK_TO_SELECTED, from_hex(hex, in));
}

uint16_t phone_send_over(struct rig *r, enum dk_link_id link, enum dk_to to, const char *hex)
{
    uint8_t in[APDU_COMMAND_MAX], answer[APDU_RESPONSE_MAX];
    struct wr w = wr_of(answer, sizeof answer);
    rig_phone_input_over(r, link, to, from_hex(hex, in), &w);
    return status(&w);
}

uint16_t phone_send(struct rig *r, const char *hex)
{
    return phone_send_over(r, DK_CONTACTLESS, DK_TO_SELECTED, hex);
}

/* REQUEST with parameters that are not derived yet; nobody derives. */
static void bring_to_deriving(struct rig *r)
{
    phone_send(r, SELECT_FRAMEWORK);
    must(phone_step(r, REQUEST_OK).what == DK_DERIVE && r->device.state == DK_DERIVING, "DERIVING");
}

void phone_bring_to(struct rig *r, enum dk_device_state state)
{
    uint8_t answer[APDU_RESPONSE_MAX];
    struct dk_device *d = &r->device;
    if (state == DK_DERIVING) {
        bring_to_deriving(r);
        return;
    }
    rig_phone_reset(r);
    struct vehicle_step s = vehicle_pairing_begin(&r->pairing, &r->pairing_config);
    for (size_t n = 0; d->state != state; n++) {
        must(n < 60 && s.what != VEHICLE_FAILED, dk_device_state_name(state));
        if (s.what == VEHICLE_SEND) {
            struct wr w = wr_of(answer, sizeof answer);
            rig_phone_input(r, s.apdu, &w);
            s = vehicle_pairing_input(&r->pairing, span_of(answer, w.len));
            continue;
        }
        if (s.what == VEHICLE_RESET_LINK) {
            rig_phone_reset(r);
            must(dk_device_create_key(d) == ERR_OK, "the key");
        }
        s = rig_pairing_proceed(r, &s);
    }
}

uint16_t phone_send_protected(struct rig *r, uint8_t ins, uint8_t p1, struct span plain)
{
    uint8_t out[APDU_COMMAND_MAX], answer[APDU_RESPONSE_MAX];
    struct channel vehicle = r->device.pairing.channel; /* both ends are equal between two commands */
    struct wr w = wr_of(out, sizeof out), a = wr_of(answer, sizeof answer);
    must(channel_wrap_command(r->crypto, &vehicle, ins, p1, 0, plain, &w) == ERR_OK, "no channel");
    rig_phone_input(r, span_of(out, w.len), &a);
    return status(&a);
}

uint16_t phone_write_block(struct rig *r, struct key_data_buffer *b)
{
    bool last = false;
    uint16_t sw = APDU_SW_OK;
    while (!last && sw == APDU_SW_OK) {
        struct span piece = key_data_piece(b, &last);
        sw = phone_send_protected(r, APDU_WRITE_DATA, last ? 0x80 : 0, piece);
    }
    return sw;
}

uint16_t phone_read_object(struct rig *r, uint16_t tag, const char *get_response)
{
    const uint8_t plain[2] = {(uint8_t)(tag >> 8), (uint8_t)tag};
    uint16_t sw = phone_send_protected(r, APDU_GET_DATA, 0, span_of(plain, sizeof plain));
    while ((sw & 0xFF00) == APDU_SW_MORE)
        sw = phone_send(r, get_response);
    return sw;
}

uint16_t phone_accept(struct rig *r)
{
    must(phone_read_object(r, 0x7F24, "84C0000000") == APDU_SW_OK, "[H]");
    return phone_send(r, "803C1002");
}
