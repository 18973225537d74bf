#include "lib/uds/uds.h"

#include <string.h>

bool uds_sid_has_subfunction(uint8_t sid)
{
    switch (sid) {
    case UDS_SID_CLEAR_DTCS:
    case UDS_SID_READ_DATA:
    case UDS_SID_WRITE_DATA:
        return false;
    default:
        return strcmp(uds_sid_name(sid), "service") != 0;
    }
}

const char *uds_sid_name(uint8_t sid)
{
    switch (sid) {
#define X(name, number, text) \
    case number:              \
        return text;
        UDS_SID_LIST(X)
#undef X
    default:
        return "service";
    }
}

const char *uds_nrc_name(enum uds_nrc nrc)
{
    switch (nrc) {
#define X(name, number, word, text) \
    case UDS_NRC_##name:            \
        return word;
        UDS_NRC_LIST(X)
#undef X
    case UDS_OK:
        return "positiveResponse";
    }
    return "reserved";
}

const char *uds_nrc_text(enum uds_nrc nrc)
{
    switch (nrc) {
#define X(name, number, word, text) \
    case UDS_NRC_##name:            \
        return text;
        UDS_NRC_LIST(X)
#undef X
    case UDS_OK:
        return "done";
    }
    return "a code that has no meaning";
}

const char *uds_session_name(uint8_t session)
{
    static const char *const low[] = {"reserved", "default", "programming", "extended", "safety"};
    if (session < sizeof low / sizeof low[0])
        return low[session];
    if (session >= UDS_SESSION_MAKER && session < UDS_SESSION_SUPPLIER)
        return "maker";
    return session >= UDS_SESSION_SUPPLIER && session <= 0x7E ? "supplier" : "reserved";
}
