/* The words of ISO 14229-1 (UDS): services, negative response codes, sessions, and one readable line for a
 * message. What an ECU and a tester both need, and nothing of either.
 *
 * A message ("PDU") is what ISO-TP carries: a request begins with its service identifier, a positive answer
 * with that plus 40, a negative one is always the three bytes 7F, service, code. Numbers are big-endian. */
#ifndef lib_uds_uds_h
#define lib_uds_uds_h

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define UDS_NEVER UINT64_MAX

#define UDS_POSITIVE         0x40 /* added to the service in a positive answer; no request has this bit */
#define UDS_NEGATIVE         0x7F /* first byte of a negative answer */
#define UDS_NEGATIVE_LEN     3
#define UDS_SUPPRESS         0x80 /* suppressPosRspMsgIndicationBit of the subfunction byte */
#define UDS_SUBFUNCTION_MASK 0x7F

/* Services: number, name of the standard. */
#define UDS_SID_LIST(X)                                    \
    X(SESSION_CONTROL, 0x10, "DiagnosticSessionControl")   \
    X(ECU_RESET, 0x11, "ECUReset")                         \
    X(CLEAR_DTCS, 0x14, "ClearDiagnosticInformation")      \
    X(READ_DTCS, 0x19, "ReadDTCInformation")               \
    X(READ_DATA, 0x22, "ReadDataByIdentifier")             \
    X(SECURITY_ACCESS, 0x27, "SecurityAccess")             \
    X(COMMUNICATION_CONTROL, 0x28, "CommunicationControl") \
    X(AUTHENTICATION, 0x29, "Authentication")              \
    X(WRITE_DATA, 0x2E, "WriteDataByIdentifier")           \
    X(ROUTINE_CONTROL, 0x31, "RoutineControl")             \
    X(TESTER_PRESENT, 0x3E, "TesterPresent")               \
    X(DTC_SETTING, 0x85, "ControlDTCSetting")

enum uds_sid {
#define X(name, number, text) UDS_SID_##name = number,
    UDS_SID_LIST(X)
#undef X
};

/* Negative response codes: number, name of the standard, one sentence. UDS_OK is no code that travels: it
 * stands for a positive answer. */
#define UDS_NRC_LIST(X)                                                                                      \
    X(GENERAL_REJECT, 0x10, "generalReject", "the server refuses and has no better reason")                  \
    X(NO_SERVICE, 0x11, "serviceNotSupported", "the server has no such service")                             \
    X(NO_SUBFUNCTION, 0x12, "subFunctionNotSupported", "the service has no such subfunction here")           \
    X(LENGTH, 0x13, "incorrectMessageLengthOrInvalidFormat", "the request is too short, too long or askew")  \
    X(TOO_LONG, 0x14, "responseTooLong", "the answer would not fit the transport")                           \
    X(BUSY, 0x21, "busyRepeatRequest", "an earlier request has not ended: ask again")                        \
    X(CONDITIONS, 0x22, "conditionsNotCorrect", "the server is not in a state to do this")                   \
    X(SEQUENCE, 0x24, "requestSequenceError", "another request must come before this one")                   \
    X(OUT_OF_RANGE, 0x31, "requestOutOfRange", "an identifier or value that does not exist here")            \
    X(SECURITY, 0x33, "securityAccessDenied", "the security level is not open")                              \
    X(AUTHENTICATION, 0x34, "authenticationRequired", "the tester has not authenticated itself")             \
    X(INVALID_KEY, 0x35, "invalidKey", "the key does not answer the seed")                                   \
    X(ATTEMPTS, 0x36, "exceedNumberOfAttempts", "this wrong key was the last one allowed")                   \
    X(DELAY, 0x37, "requiredTimeDelayNotExpired", "no seed before the delay has ended")                      \
    X(CERT_TIME, 0x50, "certificateVerificationFailedInvalidTimePeriod", "the certificate is not valid now") \
    X(CERT_SIGNATURE, 0x51, "certificateVerificationFailedInvalidSignature",                                 \
      "the certificate's signature does not verify")                                                         \
    X(CERT_CHAIN, 0x52, "certificateVerificationFailedInvalidChainOfTrust",                                  \
      "no trust anchor stands above the certificate")                                                        \
    X(CERT_TYPE, 0x53, "certificateVerificationFailedInvalidType",                                           \
      "the certificate is not of the kind that is wanted")                                                   \
    X(CERT_FORMAT, 0x54, "certificateVerificationFailedInvalidFormat", "not a certificate")                  \
    X(CERT_CONTENT, 0x55, "certificateVerificationFailedInvalidContent",                                     \
      "the certificate says what it must not say")                                                           \
    X(CERT_SCOPE, 0x56, "certificateVerificationFailedInvalidScope",                                         \
      "the certificate is not for this server or role")                                                      \
    X(CERT_REVOKED, 0x57, "certificateVerificationFailedInvalidCertificate", "the certificate was revoked")  \
    X(OWNERSHIP, 0x58, "ownershipVerificationFailed", "the proof of ownership does not verify")              \
    X(CHALLENGE, 0x59, "challengeCalculationFailed", "the server could make no challenge")                   \
    X(ACCESS_RIGHTS, 0x5A, "settingAccessRightsFailed", "the rights could not be given")                     \
    X(SESSION_KEY, 0x5B, "sessionKeyCreationFailed", "no session key could be made")                         \
    X(CONFIGURATION, 0x5C, "configurationDataUsageFailed", "the configuration data could not be used")       \
    X(DEAUTHENTICATION, 0x5D, "deAuthenticationFailed", "the rights could not be taken back")                \
    X(PROGRAMMING, 0x72, "generalProgrammingFailure", "what was to be kept could not be stored")             \
    X(PENDING, 0x78, "requestCorrectlyReceivedResponsePending", "understood; the answer comes later")        \
    X(NO_SUBFUNCTION_IN_SESSION, 0x7E, "subFunctionNotSupportedInActiveSession",                             \
      "the subfunction belongs to another session")                                                          \
    X(NO_SERVICE_IN_SESSION, 0x7F, "serviceNotSupportedInActiveSession",                                     \
      "the service belongs to another session")

enum uds_nrc {
    UDS_OK = 0,
#define X(name, number, word, text) UDS_NRC_##name = number,
    UDS_NRC_LIST(X)
#undef X
};

enum uds_session_id {
    UDS_SESSION_DEFAULT = 0x01,
    UDS_SESSION_PROGRAMMING = 0x02,
    UDS_SESSION_EXTENDED = 0x03,
    UDS_SESSION_SAFETY = 0x04,
    UDS_SESSION_MAKER = 0x40,    /* to 5F */
    UDS_SESSION_SUPPLIER = 0x60, /* to 7E */
};

enum uds_reset { UDS_RESET_HARD = 0x01, UDS_RESET_KEY = 0x02, UDS_RESET_SOFT = 0x03 };
enum uds_routine_part { UDS_ROUTINE_START = 0x01, UDS_ROUTINE_STOP = 0x02, UDS_ROUTINE_RESULTS = 0x03 };
enum uds_dtc_report { UDS_DTCS_COUNT = 0x01, UDS_DTCS_BY_MASK = 0x02, UDS_DTCS_SUPPORTED = 0x0A };
enum uds_dtc_switch { UDS_DTCS_ON = 0x01, UDS_DTCS_OFF = 0x02 };
/* Subfunctions of 28: what is off of receiving (rx) and sending (tx). */
enum uds_communication { UDS_COMM_ON, UDS_COMM_TX_OFF, UDS_COMM_RX_OFF, UDS_COMM_OFF };
/* Subfunctions of 29 (2020 edition) that we have: certificates, one way. */
enum uds_authentication {
    UDS_AUTH_END = 0x00,
    UDS_AUTH_CERTIFICATE = 0x01,
    UDS_AUTH_PROOF = 0x03,
    UDS_AUTH_CONFIGURATION = 0x08,
};
/* authenticationReturnParameter, third byte of each answer to 29. */
enum uds_auth_return {
    UDS_AUTH_APCE = 0x02, /* exchange of certificates: the only way offered */
    UDS_AUTH_DEAUTHENTICATED = 0x10,
    UDS_AUTH_PROOF_NEEDED = 0x11,
    UDS_AUTH_COMPLETE = 0x12,
};

/* Who is meant: one ECU, or every one that hears it. */
enum uds_addressing { UDS_PHYSICAL, UDS_FUNCTIONAL };

/* False: byte 2 of the service is data, and bit 7 of it means nothing special. */
bool uds_sid_has_subfunction(uint8_t sid);
/* Names of the standard; "service" and "reserved" for what has none. */
const char *uds_sid_name(uint8_t sid);
const char *uds_nrc_name(enum uds_nrc nrc);
/* One sentence for people. */
const char *uds_nrc_text(enum uds_nrc nrc);
/* "default", "programming", "extended", "safety", "maker", "supplier", "reserved". */
const char *uds_session_name(uint8_t session);

/* One line for people, of any bytes: "ReadDataByIdentifier F190", "positive: ReadDataByIdentifier F190, 17
 * bytes", "negative: 31 requestOutOfRange (ReadDataByIdentifier)". Of seeds, keys, values and options it
 * gives the number of bytes only. */
#define UDS_LINE_MAX 256
void uds_describe(struct span pdu, char line[UDS_LINE_MAX]);

#endif
