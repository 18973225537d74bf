/* Does an answer belong to a request? By service, by what it must echo, and by length. */
#include "lib/uds/uds_client.h"
#include "lib/uds/uds_dtc.h"

#define ANY_LENGTH UINT16_MAX

/* A positive answer: how many bytes after the service it echoes, and how long it is. */
static const struct form {
    uint8_t sid, echo;
    uint16_t len_min, len_max;
} forms[] = {
    {UDS_SID_SESSION_CONTROL, 1, 6, 6},
    {UDS_SID_ECU_RESET, 1, 2, 3},
    {UDS_SID_CLEAR_DTCS, 0, 1, 1},
    {UDS_SID_READ_DTCS, 1, 3, ANY_LENGTH},
    {UDS_SID_READ_DATA, 0, 4, ANY_LENGTH},
    {UDS_SID_SECURITY_ACCESS, 1, 2, ANY_LENGTH},
    {UDS_SID_COMMUNICATION_CONTROL, 1, 2, 2},
    {UDS_SID_AUTHENTICATION, 1, 3, ANY_LENGTH},
    {UDS_SID_WRITE_DATA, 2, 3, 3},
    {UDS_SID_ROUTINE_CONTROL, 3, 4, ANY_LENGTH},
    {UDS_SID_TESTER_PRESENT, 1, 2, 2},
    {UDS_SID_DTC_SETTING, 1, 2, 2},
};

static const struct form *form_of(uint8_t sid)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].sid == sid)
            return &forms[i];
    return NULL;
}

static bool echoes(const struct form *f, struct span request, struct span answer)
{
    for (size_t i = 1; i <= f->echo; i++) {
        bool masked = i == 1 && uds_sid_has_subfunction(f->sid);
        uint8_t asked = i < request.len ? request.p[i] : 0;
        if (answer.p[i] != (masked ? asked & UDS_SUBFUNCTION_MASK : asked))
            return false;
    }
    return true;
}

/* The first value is one that was asked for; where the next begins only the caller knows. */
static bool read_echoes(struct span request, struct span answer)
{
    for (size_t i = 1; i + 1 < request.len; i += 2)
        if (request.p[i] == answer.p[1] && request.p[i + 1] == answer.p[2])
            return true;
    return false;
}

/* 04, enableRapidPowerShutDown, is the one with a time. */
static bool reset_length(struct span answer)
{
    return answer.len == (answer.p[1] == 0x04 ? 3u : 2u);
}

static bool dtcs_length(struct span answer)
{
    if (answer.p[1] == UDS_DTCS_COUNT)
        return answer.len == 6;
    return (answer.p[1] != UDS_DTCS_BY_MASK && answer.p[1] != UDS_DTCS_SUPPORTED) || answer.len % 4 == 3;
}

/* An even subfunction is answered without anything, an odd one with a seed. */
static bool security_length(struct span answer)
{
    return answer.p[1] & 1 ? answer.len > 2 : answer.len == 2;
}

static bool authentication_length(struct span answer)
{
    struct rd r = rd_of(answer.p + 3, answer.len - 3);
    if (answer.p[1] == UDS_AUTH_CERTIFICATE) {
        rd_span(&r, rd_be16(&r));
        rd_span(&r, rd_be16(&r));
    } else if (answer.p[1] == UDS_AUTH_PROOF) {
        rd_span(&r, rd_be16(&r));
    } else if (answer.p[1] != UDS_AUTH_END && answer.p[1] != UDS_AUTH_CONFIGURATION) {
        return true;
    }
    return !r.failed && r.left == 0;
}

static bool length_allowed(const struct form *f, struct span answer)
{
    if (answer.len < f->len_min || answer.len > f->len_max)
        return false;
    switch (f->sid) {
    case UDS_SID_ECU_RESET:
        return reset_length(answer);
    case UDS_SID_READ_DTCS:
        return dtcs_length(answer);
    case UDS_SID_SECURITY_ACCESS:
        return security_length(answer);
    case UDS_SID_AUTHENTICATION:
        return authentication_length(answer);
    default:
        return true;
    }
}

static enum uds_result check_positive(struct span request, struct span answer)
{
    const struct form *f = form_of(request.p[0]);
    if (!f)
        return UDS_RESULT_POSITIVE; /* a service that we do not know: the caller's affair */
    if (answer.len < f->len_min)
        return UDS_RESULT_MALFORMED;
    bool same = f->sid == UDS_SID_READ_DATA ? read_echoes(request, answer) : echoes(f, request, answer);
    if (!same)
        return UDS_RESULT_WRONG_ECHO;
    return length_allowed(f, answer) ? UDS_RESULT_POSITIVE : UDS_RESULT_MALFORMED;
}

enum uds_result uds_answer_check(struct span request, struct span answer)
{
    if (request.len == 0 || answer.len == 0)
        return UDS_RESULT_STRAY;
    if (answer.p[0] == (request.p[0] | UDS_POSITIVE))
        return check_positive(request, answer);
    if (answer.p[0] != UDS_NEGATIVE || answer.len < 2 || answer.p[1] != request.p[0])
        return UDS_RESULT_STRAY;
    return answer.len == UDS_NEGATIVE_LEN && answer.p[2] ? UDS_RESULT_NEGATIVE : UDS_RESULT_MALFORMED;
}
