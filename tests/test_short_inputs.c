/* Every input of up to two bytes into every parser of the Digital Key library, and every one of three as a
 * TLV. Each lies in memory of just its length, so that the sanitizers see a byte too far; how many are
 * accepted is known. */
#include <stdlib.h>

#include "lib/ccc/applet_message.h"
#include "lib/ccc/attestation.h"
#include "lib/ccc/dk_cert.h"
#include "lib/ccc/dk_message.h"
#include "lib/ccc/exchange.h"
#include "lib/ccc/key_data.h"
#include "lib/ccc/tlv.h"
#include "lib/pki/csr.h"
#include "lib/pki/der.h"
#include "tests/check.h"
#include "tests/support.h"

static bool take_tlvs(struct span in)
{
    return tlv_well_formed(in);
}

static bool peek_tlv(struct span in)
{
    uint16_t tag;
    size_t whole;
    return tlv_peek(in, &tag, &whole) == ERR_OK;
}

static bool find_tlv(struct span in)
{
    struct tlv t;
    return tlv_find_once(in, 0x5A, &t) == ERR_OK;
}

static bool parse_command(struct span in)
{
    struct apdu_command c;
    return apdu_command_parse(in, &c) == ERR_OK;
}

static bool parse_response(struct span in)
{
    struct span data;
    uint16_t sw;
    return apdu_response_parse(in, &data, &sw) == ERR_OK;
}

static bool parse_dk_message(struct span in)
{
    struct dk_message m;
    return dk_message_parse(in, &m) == ERR_OK;
}

static bool parse_exchange(struct span in)
{
    struct rd r = rd_of(in.p, in.len);
    enum exchange_option option;
    struct exchange_op op;
    return exchange_open(&r, &option) == ERR_OK && exchange_next(&r, &op) != ERR_MSG_MALFORMED;
}

static bool parse_integer(struct span in)
{
    struct rd r = rd_of(in.p, in.len);
    der_integer(&r);
    return !r.failed;
}

static bool parse_time(struct span in)
{
    struct rd r = rd_of(in.p, in.len);
    der_time(&r);
    return !r.failed;
}

static bool parse_sequence(struct span in)
{
    struct rd r = rd_of(in.p, in.len);
    der_enter(&r, DER_SEQUENCE);
    return !r.failed;
}

static bool parse_slot(struct span in)
{
    struct slot_id s;
    return slot_id_parse(in, &s) == ERR_OK;
}

static bool parse_versions(struct span in)
{
    struct op_versions v;
    return op_versions_parse(in, &v) == ERR_OK;
}

static bool add_piece(struct span in)
{
    static struct key_data_buffer b;
    memset(&b, 0, sizeof b);
    return key_data_add(&b, KEY_DATA_CREATION, in, false) == ERR_OK;
}

/* Those that accept nothing so short. */
static bool parse_long_ones(struct span in)
{
    union {
        struct op_select select;
        struct op_request request;
        struct endpoint_creation creation;
        struct mailbox_map map;
        struct device_config config;
        struct key_data key_data;
        struct applet_auth0 auth0;
        struct applet_auth0_answer answer0;
        struct applet_auth1_answer answer1;
        struct x509 cert;
        struct csr csr;
    } out;
    const uint8_t *a, *b;
    struct span receipt, bundle;
    struct crypto *c = test_crypto();
    return op_select_parse(in, &out.select) == ERR_OK || op_request_parse(in, &out.request) == ERR_OK ||
           op_share_parse(in, &a) == ERR_OK || op_evidence_parse(in, &a) == ERR_OK ||
           op_verify_parse(in, &a, &b) == ERR_OK || endpoint_creation_parse(in, &out.creation) == ERR_OK ||
           mailbox_map_parse(in, &out.map) == ERR_OK || device_config_parse(in, &out.config) == ERR_OK ||
           key_data_parse(in, &out.key_data) == ERR_OK || key_data_attestation(in).p != NULL ||
           applet_auth0_parse(in, &out.auth0) == ERR_OK ||
           applet_auth0_answer_parse(in, true, &out.answer0) == ERR_OK ||
           applet_auth1_answer_parse(in, &out.answer1) == ERR_OK || x509_parse(in, &out.cert) == ERR_OK ||
           csr_check(c, in, &out.csr) == ERR_OK || dk_cert_parse_extension(in, &out.creation) == ERR_OK ||
           receipt_split(in, &receipt, &bundle) == ERR_OK;
}

static const struct {
    const char *name;
    bool (*accepts)(struct span in);
    size_t of_0, of_1, of_2; /* how many of 1, 256, 65536 */
} parsers[] = {
    /* 248 first bytes are a whole tag; as a piece of a block each of these tags is unknown */
    {"TLVs", take_tlvs, 1, 0, 248},
    {"beginning of a TLV", peek_tlv, 0, 0, 248 * 128},
    {"TLV 5A", find_tlv, 0, 0, 1},
    {"command", parse_command, 0, 0, 0},
    {"response", parse_response, 0, 0, 65536},
    {"DK message", parse_dk_message, 0, 0, 0},
    {"EXCHANGE", parse_exchange, 0, 2, 0},
    {"INTEGER", parse_integer, 0, 0, 0},
    {"time", parse_time, 0, 0, 0},
    {"SEQUENCE", parse_sequence, 0, 0, 1},
    {"slot identifier", parse_slot, 0, 256, 65536},
    {"versions", parse_versions, 0, 0, 65536},
    {"piece of a block", add_piece, 0, 256, 65536 - 248},
    {"all others", parse_long_ones, 0, 0, 0},
};

static size_t accepted(bool (*accepts)(struct span in), size_t len)
{
    size_t n = 0, all = (size_t)1 << (8 * len);
    uint8_t *in = malloc(len);
    for (size_t value = 0; value < all; value++) {
        for (size_t i = 0; i < len; i++)
            in[i] = (uint8_t)(value >> (8 * i));
        n += accepts(span_of(in, len));
    }
    free(in);
    return n;
}

Test(short_inputs, of_up_to_two_bytes)
{
    for (size_t i = 0; i < sizeof parsers / sizeof parsers[0]; i++) {
        cr_expect(eq(sz, accepted(parsers[i].accepts, 0), parsers[i].of_0), "%s", parsers[i].name);
        cr_expect(eq(sz, accepted(parsers[i].accepts, 1), parsers[i].of_1), "%s", parsers[i].name);
        cr_expect(eq(sz, accepted(parsers[i].accepts, 2), parsers[i].of_2), "%s", parsers[i].name);
    }
}

/* One byte of tag, length 01 and any byte, or length 00 in two bytes; or two bytes of tag (8 first bytes,
 * seconds from 1F to 7F) and length 00. */
Test(short_inputs, tlvs_of_three_bytes)
{
    cr_expect(eq(sz, accepted(take_tlvs, 3), 248 * 256 + 248 + 8 * 97));
}
