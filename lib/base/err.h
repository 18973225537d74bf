/* Error numbers with names and a text. 0 is success; each layer has a range of its own, so a number
 * seen in a log says where it came from. Numbers travel in messages: one that is no longer used (108,
 * 110, 201, 411) is not given out again. The name is what scenarios and traces show as a reason. */
#ifndef lib_base_err_h
#define lib_base_err_h

#define ERR_LIST(X)                                                                             \
    /* base: 1..99 */                                                                           \
    X(OK, 0, "no error")                                                                        \
    X(TRUNCATED, 1, "input ends before the structure it announces")                             \
    X(TRAILING_BYTES, 2, "bytes left over after the structure")                                 \
    X(NO_SPACE, 3, "the destination buffer is too small")                                       \
    X(BAD_SYNTAX, 4, "the text does not follow its grammar")                                    \
    X(BAD_ARGUMENT, 5, "an argument is outside its range")                                      \
    X(NOT_FOUND, 6, "no such entry")                                                            \
    X(NO_MEMORY, 7, "out of memory")                                                            \
    X(BUSY, 8, "an earlier operation has not ended")                                            \
    X(INTERNAL, 9, "an internal assumption does not hold")                                      \
    X(RECORD_TORN, 10, "the stored record is damaged")                                          \
    X(RECORD_OLDER, 11, "the stored record is of an older form that is no longer read")         \
    X(RECORD_NEWER, 12, "the stored record is of a newer form")                                 \
    X(RECORD_FOREIGN, 13, "the stored record belongs to another device")                        \
    /* ISO-TP: 100..149 (ISO 15765-2, clause 9) */                                              \
    X(ISOTP_TIMEOUT_A, 100, "the bus did not take the frame in time (N_TIMEOUT_A)")             \
    X(ISOTP_TIMEOUT_BS, 101, "no flow control from the receiver in time (N_TIMEOUT_Bs)")        \
    X(ISOTP_TIMEOUT_CR, 102, "the next consecutive frame did not come in time (N_TIMEOUT_Cr)")  \
    X(ISOTP_WRONG_SN, 103, "a consecutive frame has the wrong sequence number (N_WRONG_SN)")    \
    X(ISOTP_INVALID_FS, 104, "flow control with a reserved flow status (N_INVALID_FS)")         \
    X(ISOTP_UNEXPECTED_PDU, 105, "a new message began before the last one ended (N_UNEXP_PDU)") \
    X(ISOTP_WFT_OVERRUN, 106, "more WAIT flow controls than allowed (N_WFT_OVRN)")              \
    X(ISOTP_BUFFER_OVERFLOW, 107, "the receiver has no room for the message (N_BUFFER_OVFLW)")  \
    X(ISOTP_BAD_PADDING, 109, "a padding byte differs from the agreed value")                   \
    /* bus: 150..199 */                                                                         \
    X(BUS_NOT_ALLOWED, 150, "no row of the message matrix lets this frame through here")        \
    X(BUS_LENGTH, 151, "the frame is longer than its row of the message matrix")                \
    X(BUS_RATE, 152, "the frame comes faster than its row of the message matrix")               \
    X(BUS_FLAGS, 153, "the frame format differs from its row of the message matrix")            \
    X(BUS_STALE_COUNTER, 154, "the alive counter of a cyclic message did not move")             \
    X(BUS_CHECKSUM, 155, "the checksum of a cyclic message is wrong")                           \
    X(BUS_GATE_CLOSED, 156, "the gateway's diagnostic gate is closed")                          \
    X(BUS_NO_REQUEST, 157, "no diagnostic request waits for this answer")                       \
    X(BUS_ROLE, 158, "the tester's role does not reach so far")                                 \
    /* PKI: 200..299 (RFC 5280, RFC 2986) */                                                    \
    X(DER_SYNTAX, 200, "not the DER that was expected")                                         \
    X(KEY_NOT_P256, 202, "the public key is not on curve P-256")                                \
    X(KEY_INVALID, 203, "the point is not on the curve")                                        \
    X(SIGNATURE_INVALID, 204, "the signature does not verify")                                  \
    X(CERT_EXPIRED, 205, "the certificate is past its validity")                                \
    X(CERT_NOT_YET_VALID, 206, "the certificate is not valid yet")                              \
    X(CERT_ISSUER_UNKNOWN, 207, "no trust anchor issued the certificate")                       \
    X(CERT_PURPOSE, 208, "the certificate is not made for this purpose")                        \
    X(CERT_PROFILE, 209, "the certificate breaks its profile")                                  \
    X(CERT_NOT_CA, 210, "the issuer is not a certification authority")                          \
    X(CERT_SIGNATURE, 211, "the issuer's signature on the certificate does not verify")         \
    X(CRYPTO_FAILED, 212, "the crypto library refused an operation")                            \
    X(CERT_KEY_MISMATCH, 213, "the certificate carries another public key")                     \
    X(CERT_SUBJECT_MISMATCH, 214, "the certificate names another subject")                      \
    /* messages: 300..399 */                                                                    \
    X(MSG_MALFORMED, 300, "not a well-formed message")                                          \
    X(MSG_VERSION, 301, "an unknown protocol version")                                          \
    X(MSG_SIGNER_NOT_BOUND, 302, "the signer's certificate belongs to another ECU")             \
    X(MSG_WRONG_ECU, 303, "the message is for another ECU")                                     \
    X(MSG_STALE, 304, "the time of issue is outside the freshness window")                      \
    X(MSG_REPLAYED, 305, "the message belongs to an exchange that has ended")                   \
    X(MSG_OUT_OF_ORDER, 306, "the sequence number is not the next one")                         \
    X(MSG_UNEXPECTED, 307, "a message of this type is not permitted in this state")             \
    X(MSG_WRONG_DIRECTION, 308, "a request where a response belongs, or the reverse")           \
    X(MSG_TOO_LONG, 309, "the message is longer than its limit")                                \
    X(MSG_WRONG_DRM_UUID, 310, "the drmUUID is not the one of this ECU")                        \
    X(MSG_NO_ANSWER, 311, "no answer after the last repetition")                                \
    /* use cases: 400..499 */                                                                   \
    X(ECU_UNKNOWN, 400, "the ECU is not registered")                                            \
    X(SUBJECT_ID_MISSING, 401, "no subject id was issued to this ECU")                          \
    X(CSR_SUBJECT_MISMATCH, 402, "the CSR names another subject than the one issued")           \
    X(CSR_KEY_NOT_P256, 403, "the CSR's key is not on curve P-256")                             \
    X(CSR_SIGNATURE, 404, "the CSR's self-signature does not verify")                           \
    X(CSR_MALFORMED, 405, "not a well-formed CSR")                                              \
    X(CSR_ALREADY_ISSUED, 406, "another key already has the certificate of this subject id")    \
    X(PKI_REFUSED, 407, "the certification authority refused to sign")                          \
    X(PKI_UNREACHABLE, 408, "the certification authority does not answer")                      \
    X(STATUS_MISMATCH, 409, "the reported certificate is not the one issued")                   \
    X(SUBJECT_ID_FORM, 410, "the subject id is not in the CCC form")                            \
    X(NOT_PROVISIONED, 412, "no drmUUID is stored for this ECU")                                \
    X(TRANSPORT_KEY_MISSING, 413, "the ECU has no transport key to seal a secret to")           \
    X(VERIFIERS_NOT_FOR_US, 414, "the verifier set is not sealed to our transport key")         \
    X(VERIFIERS_MALFORMED, 415, "the verifier set is not what it must be")                      \
    X(SUBJECT_OTHER_ECU, 416, "the subject id belongs to another ECU")                          \
    X(VERIFIERS_MISSING, 417, "there is no verifier set to pair with")                          \
    X(VERIFIERS_BURNT, 418, "the verifier set was used or its attempts are used up")            \
    X(ANCHOR_SLOT, 419, "the certificate belongs into another slot")                            \
    X(ANCHOR_HELD, 420, "the slot holds another certificate")                                   \
    X(PLANT_LOCKED, 421, "the plant has finished this and locked it")                           \
    X(PLANT_OPEN, 422, "the plant has not finished this module yet")                            \
    X(UDS_REFUSED, 423, "the ECU refused the diagnostic request")                               \
    X(UDS_NO_ANSWER, 424, "the ECU does not answer the diagnostic request")                     \
    X(UDS_ANSWER, 425, "the ECU answered the diagnostic request with something else")           \
    X(NOT_OWNER, 426, "the user is not the vehicle's owner")                                    \
    X(PASSWORD_DELIVERED, 427, "the pairing password was delivered before")                     \
    X(PASSWORD_PENDING, 428, "another app has the link and has not acknowledged it")            \
    X(VOS_UNREACHABLE, 429, "the VOS does not answer")                                          \
    X(COMMAND_MAC, 450, "the command's MAC is wrong")                                           \
    X(COMMAND_NONCE, 451, "the command answers a nonce that is no longer in force")             \
    X(IGNITION_OFF, 452, "the ignition is off")                                                 \
    X(FOB_AWAY, 453, "no key fob is in the car")                                                \
    X(BCM_SILENT, 454, "the body controller is silent")                                         \
    X(OWNER_KEY_HELD, 455, "the vehicle has an owner's key already")                            \
    X(IDENTITY_MISSING, 456, "the vehicle has no identity")                                     \
    X(USER_CANCELLED, 457, "the user cancelled it")                                             \
    X(START_NOT_PRESSED, 458, "start was authorised, and nobody waits for it")                  \
    X(LIST_CHANGED, 459, "the list of keys has another key there by now")                       \
    X(PAIRING_RESTARTS, 460, "the pairing began anew too often")                                \
    X(ANSWER_MAC, 465, "the body controller's answer has a wrong MAC")                          \
    X(KTS_UNREACHABLE, 470, "the key tracking server does not answer")                          \
    X(RECEIPT_PENDING, 471, "the key is registered, its receipt is not signed yet")             \
    X(KEY_REGISTERED, 472, "the key is registered with other data")                             \
    X(KEY_ENDED, 473, "the key has ended, for good")                                            \
    X(CARD_ANSWER, 480, "the card answers otherwise than a card key does")                      \
    X(CARD_OTHER_VEHICLE, 481, "the card key belongs to another vehicle")                       \
    X(CARD_PROOF, 482, "the card does not have the key of its certificate")                     \
    /* host and links: 500..599 */                                                              \
    X(LINK_DOWN, 500, "the link is down")                                                       \
    X(LINK_PEER_STALLED, 501, "the peer stopped reading")                                       \
    X(QUEUE_FULL, 502, "the waiting queue is full")                                             \
    X(STORE_FAILED, 503, "the store refused a transaction")                                     \
    X(SYSTEM, 504, "a system call failed")                                                      \
    X(KILLED, 505, "the component was killed")                                                  \
    X(TOPIC_NOT_ALLOWED, 506, "the component declares no such access to this topic")            \
    X(SETTING_RANGE, 508, "a setting is outside the bounds that the component declares")        \
    X(WORK_FAILED, 509, "the work could not be begun")                                          \
    X(LINK_NOT_ADMITTED, 510, "the peer did not prove that it may be here")                     \
    X(LINK_GREETING_LATE, 511, "the peer did not say in time who it is")                        \
    X(LINK_CROWDED, 512, "there is no room for another peer")                                   \
    X(LINK_OTHER_USER, 513, "the peer is another user of this machine")                         \
    X(LINK_NOT_OURS, 514, "the socket was not made by this run")                                \
    X(STORE_KEY_MISSING, 515, "the key that the store's secrets are sealed with was not given") \
    X(STORE_KEY_WRONG, 516, "the store's secrets are sealed with another key")                  \
    X(LINK_TWICE, 517, "a peer of this name is there already")                                  \
    X(HTTP_HOST, 520, "the door has no host of this name")                                      \
    X(HTTP_METHOD, 521, "the method is none of those that are taken here")                      \
    X(HTTP_RATE, 522, "more requests in a short time than the door lets in")                    \
    X(HTTP_GONE, 523, "the server was lost with the request in its hands")                      \
    X(HTTP_TYPE, 524, "the body is of another type than the one that is taken here")            \
    X(HTTP_KEY, 525, "the request needs an Idempotency-Key of its own")                         \
    X(DOOR_ANSWER, 529, "the door answered an attack otherwise than it must")                   \
    /* tokens: 530..549 (RFC 7519) */                                                           \
    X(TOKEN_MALFORMED, 530, "not a well-formed access token")                                   \
    X(TOKEN_ALGORITHM, 531, "the token is not signed with ES256")                               \
    X(TOKEN_KEY, 532, "no issuer that is trusted has this key")                                 \
    X(TOKEN_ISSUER, 533, "the token is from another issuer")                                    \
    X(TOKEN_AUDIENCE, 534, "the token is meant for somebody else")                              \
    X(TOKEN_NOT_YET_VALID, 535, "the token was issued in the future")                           \
    X(TOKEN_EXPIRED, 536, "the token has ended, or would live too long")                        \
    X(TOKEN_MISSING, 537, "the request has no access token")                                    \
    X(TOKEN_SCOPE, 538, "the token does not allow this")                                        \
    X(SIGN_IN, 540, "no user has this name and secret")                                         \
    X(SESSION_MISSING, 541, "nobody is signed in here, or not any more")                        \
    X(FORM_FORGED, 542, "the form was not made for this session")                               \
    X(FORM_FOREIGN, 543, "the form comes from another site")                                    \
    X(CONSENT_MISSING, 544, "the customer's consent was not given")                             \
    X(CONSENT_WRONG, 545, "the customer's code does not prove the consent")                     \
    /* mail: 550..559 */                                                                        \
    X(MAIL_UNREACHABLE, 550, "no mail server was reached")                                      \
    X(MAIL_REFUSED, 551, "the mail server refused the mail")                                    \
    X(MAIL_UNKNOWN, 552, "nobody knows whether the mail has left")                              \
    /* Digital Key: 600..699 (CCC-TS-101) */                                                    \
    X(DK_STATUS, 600, "the device answered with an error status")                               \
    X(DK_SPAKE_VERSION, 601, "no SPAKE2+ version in common")                                    \
    X(DK_APPLET_VERSION, 602, "no applet version in common")                                    \
    X(DK_EVIDENCE, 603, "the SPAKE2+ evidence is wrong: another password")                      \
    X(DK_POINT, 604, "a SPAKE2+ share is not a point of the curve")                             \
    X(DK_ATTEMPTS, 605, "the attempts for this password are used up")                           \
    X(DK_KEY_DATA, 606, "the key creation data are not what they must be")                      \
    X(DK_KEY_MISMATCH, 607, "the device key certificate differs from what was asked for")       \
    X(DK_ANSWER, 608, "an answer without what it must carry")                                   \
    X(DK_LINK_LOST, 610, "the link was lost in the middle of an exchange")                      \
    X(DK_TIMEOUT, 611, "it took too long")                                                      \
    X(DK_UNKNOWN_KEY, 612, "the vehicle does not know this key")                                \
    X(DK_ACCESS, 613, "this party may not reach that mailbox")                                  \
    X(DK_ATTESTATION, 614, "the attestation speaks of another key")                             \
    X(DK_NO_RECEIPT, 615, "the device has no key tracking receipt yet")                         \
    X(DK_TERMINATED, 616, "the key was terminated")                                             \
    X(DK_SUSPENDED, 617, "the key is suspended")                                                \
    X(DK_VALIDITY, 618, "the key is not valid at this time")                                    \
    X(DK_LINK_WEAK, 630, "the Bluetooth link is not encrypted as Digital Key wants it")         \
    X(DK_OOB, 631, "out-of-band pairing over Bluetooth has failed")                             \
    X(DK_BOND, 632, "Bluetooth keys came that no first approach has asked for")                 \
    X(DK_TOO_FAR, 633, "the phone is not near enough for what is wanted")                       \
    X(DK_REFUSALS, 634, "too many messages were refused on one Bluetooth link")

enum err {
#define X(name, number, text) ERR_##name = number,
    ERR_LIST(X)
#undef X
};

/* The name without prefix ("CERT_EXPIRED"), or "UNKNOWN". */
const char *err_name(enum err e);
/* One sentence for people. */
const char *err_text(enum err e);
/* The number of a name; ERR_NOT_FOUND when there is none (ask err_name_known first if that matters). */
enum err err_from_name(const char *name);
int err_name_known(const char *name);

#endif
