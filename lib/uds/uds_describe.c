/* One readable line for a message: what it asks or answers, and of secrets and values no more than their
 * length. */
#include <stdio.h>
#include <string.h>

#include "lib/uds/uds.h"

#define WORD_MAX   60
#define DIDS_NAMED 8

static const char *reset_name(uint8_t sf)
{
    return sf == UDS_RESET_HARD   ? "hard"
           : sf == UDS_RESET_KEY  ? "keyOffOn"
           : sf == UDS_RESET_SOFT ? "soft"
                                  : "";
}

static const char *report_name(uint8_t sf)
{
    return sf == UDS_DTCS_COUNT       ? "count"
           : sf == UDS_DTCS_BY_MASK   ? "byMask"
           : sf == UDS_DTCS_SUPPORTED ? "supported"
                                      : "";
}

static const char *communication_name(uint8_t sf)
{
    static const char *const names[] = {"on", "txOff", "rxOff", "off"};
    return sf < sizeof names / sizeof names[0] ? names[sf] : "";
}

static const char *authentication_name(uint8_t sf)
{
    return sf == UDS_AUTH_END             ? "deAuthenticate"
           : sf == UDS_AUTH_CERTIFICATE   ? "verifyCertificateUnidirectional"
           : sf == UDS_AUTH_PROOF         ? "proofOfOwnership"
           : sf == UDS_AUTH_CONFIGURATION ? "authenticationConfiguration"
                                          : "";
}

static const char *part_name(uint8_t sf)
{
    static const char *const names[] = {"", "start", "stop", "results"};
    return sf < sizeof names / sizeof names[0] ? names[sf] : "";
}

static const char *subfunction_name(uint8_t sid, uint8_t sf)
{
    switch (sid) {
    case UDS_SID_SESSION_CONTROL:
        return uds_session_name(sf);
    case UDS_SID_ECU_RESET:
        return reset_name(sf);
    case UDS_SID_READ_DTCS:
        return report_name(sf);
    case UDS_SID_SECURITY_ACCESS:
        return sf & 1 ? "requestSeed" : "sendKey";
    case UDS_SID_COMMUNICATION_CONTROL:
        return communication_name(sf);
    case UDS_SID_AUTHENTICATION:
        return authentication_name(sf);
    case UDS_SID_ROUTINE_CONTROL:
        return part_name(sf);
    case UDS_SID_DTC_SETTING:
        return sf == UDS_DTCS_ON ? "on" : sf == UDS_DTCS_OFF ? "off" : "";
    default:
        return "";
    }
}

/* The identifiers that follow the service, and perhaps its subfunction, are taken from r. */
static void identifiers(uint8_t sid, bool answer, struct rd *r, char out[WORD_MAX])
{
    size_t at = 0, most = sid == UDS_SID_READ_DATA && !answer ? DIDS_NAMED : 1;
    out[0] = '\0';
    if (sid == UDS_SID_CLEAR_DTCS && r->left >= 3) {
        uint8_t high = rd_u8(r);
        snprintf(out, WORD_MAX, " %02X%04X", high, rd_be16(r));
        return;
    }
    if (sid != UDS_SID_READ_DATA && sid != UDS_SID_WRITE_DATA && sid != UDS_SID_ROUTINE_CONTROL)
        return;
    for (size_t i = 0; i < most && r->left >= 2; i++, at += 5)
        snprintf(out + at, WORD_MAX - at, " %04X", rd_be16(r));
}

static void describe_body(uint8_t sid, bool answer, struct rd *r, char line[UDS_LINE_MAX])
{
    char sub[WORD_MAX] = "", ids[WORD_MAX], rest[WORD_MAX] = "";
    bool quiet = false;
    if (uds_sid_has_subfunction(sid) && r->left) {
        uint8_t byte = rd_u8(r), sf = byte & UDS_SUBFUNCTION_MASK;
        const char *name = subfunction_name(sid, sf);
        snprintf(sub, sizeof sub, " %02X%s%s", sf, *name ? " " : "", name);
        quiet = !answer && (byte & UDS_SUPPRESS);
    }
    identifiers(sid, answer, r, ids);
    if (r->left)
        snprintf(rest, sizeof rest, ", %zu bytes", r->left);
    snprintf(line, UDS_LINE_MAX, "%s%s%s%s%s%s", answer ? "positive: " : "", uds_sid_name(sid), sub, ids,
             rest, quiet ? ", no positive answer wanted" : "");
}

static bool known(uint8_t sid)
{
    return strcmp(uds_sid_name(sid), "service") != 0;
}

static void describe_negative(struct span pdu, char line[UDS_LINE_MAX])
{
    const char *how = pdu.p[2] == UDS_NRC_PENDING ? "pending" : "negative";
    const char *nrc = uds_nrc_name((enum uds_nrc)pdu.p[2]);
    if (known(pdu.p[1]))
        snprintf(line, UDS_LINE_MAX, "%s: %02X %s (%s)", how, pdu.p[2], nrc, uds_sid_name(pdu.p[1]));
    else
        snprintf(line, UDS_LINE_MAX, "%s: %02X %s (service %02X)", how, pdu.p[2], nrc, pdu.p[1]);
}

void uds_describe(struct span pdu, char line[UDS_LINE_MAX])
{
    struct rd r = rd_of(pdu.p, pdu.len);
    uint8_t first = rd_u8(&r), sid = first & (uint8_t)~UDS_POSITIVE;
    if (r.failed)
        snprintf(line, UDS_LINE_MAX, "empty");
    else if (first == UDS_NEGATIVE && pdu.len == UDS_NEGATIVE_LEN)
        describe_negative(pdu, line);
    else if (first != UDS_NEGATIVE && known(sid))
        describe_body(sid, first & UDS_POSITIVE, &r, line);
    else
        snprintf(line, UDS_LINE_MAX, "%s %02X, %zu bytes", first & UDS_POSITIVE ? "answer" : "service", first,
                 r.left);
}
