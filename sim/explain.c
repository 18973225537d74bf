/* explain: what a reason means, what it mostly comes from, where to look. One row for each reason of
 * lib/base/err.h; a test misses those that have none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "sim/commands.h"
#include "sim/explain.h"
#include "sim/language/tree.h"

static const struct explanation rows[] = {
    {ERR_TRUNCATED,
     "a length that promises more than there is; a cut or corrupted message; of AUTH1's answer also a "
     "channel with a wrong counter (its ICV damages the first block), or an answer without a MAC",
     "the bytes, with --bytes, at the event before; docs/apdu.md on the channels"},
    {ERR_TRAILING_BYTES, "a sender that appends something, or a length that is too small",
     "the bytes, with --bytes, at the event before"},
    {ERR_NO_SPACE,
     "a value or message that is longer than its class declares, or than what it is written into: a block of "
     "WRITE DATA, an answer of EXCHANGE",
     "value_max and message_max of the class; docs/limits.md; docs/apdu.md for the APDUs"},
    {ERR_BAD_SYNTAX, "a text that was typed or configured wrongly",
     "the line or file that is named beside it"},
    {ERR_BAD_ARGUMENT, "a word, a number or an address that the other side does not know",
     "the parameters in docs/play.md, the words in the medium's header"},
    {ERR_NOT_FOUND, "an entry of a store that was never written, or was deleted by an earlier step",
     "the store events before it; `given: after` when an earlier life should have written it"},
    {ERR_NO_MEMORY, "a machine that has none left, or a limit (ulimit -v)",
     "free -m; the limits of the shell"},
    {ERR_BUSY, "two requests at once where one at a time is served",
     "the event that began the first; components ask again by themselves, a call is to be made again"},
    {ERR_INTERNAL, "a mistake of ours", "the component's log; please report it with out/NAME"},
    {ERR_RECORD_TORN, "a store that was damaged, or changed by hand", "the store's file; a copy of it"},
    {ERR_RECORD_OLDER, "a store of a version that is no longer read", "the version that wrote it"},
    {ERR_RECORD_NEWER, "a store that a newer version wrote", "that version, or a fresh store"},
    {ERR_RECORD_FOREIGN, "a store of another device, or mixed of two", "which store belongs to which phone"},
    {ERR_ISOTP_TIMEOUT_A, "a bus that is flooded, off, or has nobody to acknowledge",
     "can.log before it; with a real interface: ip -details link show"},
    {ERR_ISOTP_TIMEOUT_BS, "a receiver that is dead, cut off, or not addressed by this identifier",
     "life and link events of the receiver; its flow control in can.log"},
    {ERR_ISOTP_TIMEOUT_CR, "a sender that died in the middle, or frames that were lost on the way",
     "life events of the sender; drop events of the gateway"},
    {ERR_ISOTP_WRONG_SN, "a lost, repeated or injected consecutive frame",
     "can.log: the sequence numbers of that identifier"},
    {ERR_ISOTP_INVALID_FS, "somebody else answers with this identifier, or another dialect of ISO-TP",
     "can.log: the flow control frame's first byte"},
    {ERR_ISOTP_UNEXPECTED_PDU, "a sender that began again; two senders with one identifier",
     "can.log: the two first frames and what lies between"},
    {ERR_ISOTP_WFT_OVERRUN, "a receiver that is busy for too long",
     "what the receiver does at that time; its N_WFTmax"},
    {ERR_ISOTP_BUFFER_OVERFLOW, "a message longer than the receiver takes",
     "docs/limits.md; the length in the first frame"},
    {ERR_ISOTP_BAD_PADDING, "another padding byte was agreed upon by the other end",
     "can.log: the last bytes of the frame"},
    {ERR_BUS_NOT_ALLOWED, "a frame that no row of the matrix has, or in a direction that it does not have",
     "docs/architecture.md on the matrix; `spaaksim dbc`"},
    {ERR_BUS_LENGTH, "a frame of somebody who does not follow the matrix", "can.log; `spaaksim dbc`"},
    {ERR_BUS_RATE, "a flood, or a sender that is faster than its row",
     "who sends it: can.log, the gateway's drop events"},
    {ERR_BUS_FLAGS, "a classic frame where the matrix has CAN FD, or the reverse", "can.log; `spaaksim dbc`"},
    {ERR_BUS_STALE_COUNTER, "a replayed cyclic message, or a sender that hangs",
     "can.log: the counter of that identifier"},
    {ERR_BUS_CHECKSUM, "a forged or damaged cyclic message",
     "can.log; the rule of the checksum in `spaaksim dbc`"},
    {ERR_BUS_GATE_CLOSED, "a tester that has not authenticated itself at the gateway, or not any more",
     "docs/uds.md: session 03, 29 01 and 29 03 at 7A2, then 3E 80 every 2 s"},
    {ERR_BUS_NO_REQUEST, "an ECU that answers too late, or speaks unasked with an identifier of diagnostics",
     "can.log: when its last request passed"},
    {ERR_BUS_ROLE, "a workshop's tester that asks for what belongs to the plant",
     "the OU of its certificate; docs/uds.md"},
    {ERR_DER_SYNTAX, "a damaged or forged certificate, CSR or signature",
     "openssl asn1parse on the bytes (--bytes); of a phone's certificates docs/apdu.md has the form"},
    {ERR_KEY_NOT_P256, "a key of another curve or kind", "openssl x509 -text, or openssl req -text"},
    {ERR_KEY_INVALID, "a forged or damaged public key", "who sent it, and what faults the scenario has"},
    {ERR_SIGNATURE_INVALID,
     "a message that was changed on the way, a signer with another key, another certificate; of an APDU's "
     "answer an R-MAC that does not fit: other session keys, another chaining value, SW in the applet's",
     "corrupt faults, rogue nodes and clients; docs/messages.md on what a signature covers, docs/apdu.md on "
     "session keys"},
    {ERR_CERT_EXPIRED, "a certificate that ended before the wall clock of the run",
     "its dates; `given` of the scenario"},
    {ERR_CERT_NOT_YET_VALID, "a wall clock that stands too early",
     "the certificate's dates; the clock of the machine"},
    {ERR_CERT_ISSUER_UNKNOWN, "a certificate of another PKI, or a trust anchor that was never provisioned",
     "the issuer's name; the plant's entries of the component's class"},
    {ERR_CERT_PURPOSE, "a certificate that is valid, but for something else",
     "key usage: openssl x509 -text"},
    {ERR_CERT_PROFILE, "an extension or a name that the profile does not allow",
     "openssl x509 -text beside the tables of docs/apdu.md (The certificates) and docs/architecture.md"},
    {ERR_CERT_NOT_CA, "a chain with an end entity in the middle, or one offered as an anchor",
     "basic constraints of each: openssl x509 -text"},
    {ERR_CERT_SIGNATURE, "a forged certificate, or an issuer of the same name with another key",
     "both keys: openssl verify"},
    {ERR_CRYPTO_FAILED, "a key that the library cannot use, or a damaged installation",
     "the component's log; openssl version -a"},
    {ERR_CERT_KEY_MISMATCH, "a certificate of another exchange, or of somebody else's key",
     "the digests of both in the trace; replayed responses"},
    {ERR_CERT_SUBJECT_MISMATCH, "a certificate of another vehicle", "the names in both; who answered"},
    {ERR_MSG_MALFORMED, "a message that was damaged on the way, or is of another version of proto/",
     "corrupt faults; the bytes with --bytes, and protoc --decode_raw"},
    {ERR_MSG_VERSION, "a peer of another version", "the version field of the envelope"},
    {ERR_MSG_SIGNER_NOT_BOUND, "an ECU that signs in another's name",
     "the signer's certificate; foreign-ecu in `given`"},
    {ERR_MSG_WRONG_ECU, "a message that was delivered to the wrong vehicle",
     "topics and routes; the account of the broker"},
    {ERR_MSG_STALE, "a message that waited too long, or clocks that differ",
     "how long a link was cut; the clocks of both"},
    {ERR_MSG_REPLAYED, "a message that was recorded and sent again, or delivered twice",
     "repeat faults, rogue nodes; the digest of the first in the trace"},
    {ERR_MSG_OUT_OF_ORDER, "a message was lost, repeated or overtaken",
     "the seq fields before it in the trace"},
    {ERR_MSG_UNEXPECTED, "a peer that is in another state: one end was restarted or gave up",
     "the state events of both ends"},
    {ERR_MSG_WRONG_DIRECTION, "a message that was reflected to its sender", "who sends it; rogue nodes"},
    {ERR_MSG_TOO_LONG, "a message longer than its limit", "docs/limits.md"},
    {ERR_MSG_WRONG_DRM_UUID, "an ECU that was exchanged, or a back end that knows another one",
     "the drmUUID in both stores; SP-02 of this vehicle"},
    {ERR_MSG_NO_ANSWER, "the other end is dead, cut off, or refuses without a word",
     "life and link events of the other end; refusals with the same message; the limit of the setting "
     "retries"},
    {ERR_ECU_UNKNOWN, "a vehicle that the VOS was not told of, or a module that is not on the PKI's list",
     "vehicles of the scenario; {vos: {ecu: absent}} in `given`; register-serials of the PKI"},
    {ERR_SUBJECT_ID_MISSING, "a CSR without PP-01/3 before it",
     "whether an earlier life wrote it; the VOS's store"},
    {ERR_CSR_SUBJECT_MISMATCH, "a CSR made for another subject id",
     "the names in both; the pending_csr defect"},
    {ERR_CSR_KEY_NOT_P256, "an ECU with a weak or foreign key generator",
     "openssl req -text; the pending_csr defect"},
    {ERR_CSR_SIGNATURE, "somebody asks for a certificate of a key that it does not hold",
     "who asks; corrupt faults"},
    {ERR_CSR_MALFORMED, "a damaged CSR", "openssl req -text on the bytes (--bytes)"},
    {ERR_CSR_ALREADY_ISSUED,
     "an ECU that lost its key after the certificate was issued, or two ECUs with one identity or serial",
     "the VOS's or PKI's store: which key has it; a kill between PP-01/8 and PP-01/15; "
     "renew-vehicle-identity makes a "
     "new one"},
    {ERR_PKI_REFUSED, "the certification authority found the request wrong, or does not know who asks",
     "the refusal in the trace of the PKI just before; docs/security.md on who may call it"},
    {ERR_PKI_UNREACHABLE, "the PKI is dead, cut off or too slow",
     "life and link events of the PKI; it repeats by itself"},
    {ERR_STATUS_MISMATCH, "the vehicle holds another certificate than the VOS issued last",
     "kills around PP-01/15; renewals that overtook each other"},
    {ERR_SUBJECT_ID_FORM, "a subject id that is not in the CCC form",
     "the message that carries it; docs/ccc.md"},
    {ERR_NOT_PROVISIONED, "SP-02 has not been done with this ECU",
     "`given: {after: sp02}`, or the tester's call"},
    {ERR_TRANSPORT_KEY_MISSING, "an ECU that was made without a transport key",
     "the plant's entries; `given`"},
    {ERR_VERIFIERS_NOT_FOR_US, "verifiers that were sealed for another ECU",
     "which vehicle they were sent to; foreign-ecu"},
    {ERR_VERIFIERS_MALFORMED, "a verifier set that was damaged or made by another version",
     "corrupt faults; docs/ccc.md"},
    {ERR_VERIFIERS_MISSING, "a pairing attempt before PP-02, or after its verifiers were used or deleted",
     "the vehicle's PP-02 and PP-03 steps before it; start-pairing-mode"},
    {ERR_VERIFIERS_BURNT, "a push that came after its set was deleted: late, or of a VOS that was not told",
     "the vehicle's PP-03/1 before it; PP-03/3 at the VOS"},
    {ERR_ANCHOR_SLOT, "two of the five anchors were mistaken for each other on the way to the module",
     "the slot in the request, the certificate's subject and extensions"},
    {ERR_ANCHOR_HELD, "a module that came over the bench before, or a second line with other authorities",
     "the fingerprints (DID 0210 to 0214) beside those of the line"},
    {ERR_PLANT_LOCKED, "a tester that comes back to a module that was finished: LOCK and DONE are for good",
     "DID 0200: 02 after LOCK, 03 after DONE"},
    {ERR_PLANT_OPEN, "a vehicle whose module has not come through the plant",
     "`given: {after: rp02}`, or `after: rp01` before RP-02; in play `tester provision`; DID 0200 and 0201 "
     "say what "
     "it lacks"},
    {ERR_UDS_REFUSED, "a session, a security level or a state that the request needs and the ECU is not in",
     "the negative response code beside it; docs/uds.md"},
    {ERR_UDS_NO_ANSWER, "a gate that is closed, an ECU that boots or is dead, a bus that is cut",
     "drop events of the gateway; life events of the ECU"},
    {ERR_UDS_ANSWER, "another tester on the same bus, or an ECU of another dialect",
     "can.log: the answer's first bytes"},
    {ERR_NOT_OWNER, "a vehicle that was sold, or one that nobody is registered for",
     "register-owner of the VOS; OP-01a/5"},
    {ERR_PASSWORD_DELIVERED, "a second phone, or an app that has lost what it had",
     "the delivery record; replace-verifiers makes a new password"},
    {ERR_PASSWORD_PENDING, "a second phone, or an app that has lost its Idempotency-Key",
     "the delivery record; replace-verifiers makes a new password"},
    {ERR_VOS_UNREACHABLE, "the VOS is down, or cut off from the door for apps",
     "life and link events of both; the app asks again with the same key"},
    {ERR_KTS_UNREACHABLE, "the key tracking server is down, cut off, or takes no part in the run",
     "life and link events of kts; the phone asks again"},
    {ERR_RECEIPT_PENDING, "a key tracking server that signs later (its setting sign_ms)",
     "the hold events of kts; the phone asks again"},
    {ERR_KEY_REGISTERED, "a key id that was tracked before with another [H] or encryption key",
     "the first request with that key id; a phone whose store is not its own"},
    {ERR_KEY_ENDED, "a key that a server, its phone, its vehicle or a new owner has ended",
     "the first KM-01 or KM-02 event of that key; a new pairing makes another"},
    {ERR_MAIL_UNREACHABLE, "the mail server is down, or the link to it is cut",
     "life and link events of the postbox; a mailing tries mail_tries times"},
    {ERR_MAIL_REFUSED, "an address that does not exist, or a mail server that has no time",
     "the code of the mail server in the detail; 4yz is tried again, 5yz is not"},
    {ERR_MAIL_UNKNOWN, "the mail server, or the sender, was lost when the mail had begun to leave",
     "life events of both; the link is being revoked, which the vehicle must hear; a new mailing sends a new "
     "one"},
    {ERR_SUBJECT_OTHER_ECU, "a vehicle asks with the subject id of another one",
     "the ECU serials in both requests; foreign-ecu"},
    {ERR_COMMAND_MAC, "a forged or changed command, or two ends with another key",
     "can.log: the frames of SpaaK_BCM_Cmd; were both stores equipped by one plant?"},
    {ERR_COMMAND_NONCE, "a replayed command, or one that crossed with another that was taken",
     "can.log: BCM_Status before it, bytes 2 to 5; the sender asks again with the new nonce"},
    {ERR_START_NOT_PRESSED, "the driver gave up, or somebody said in BCM_Status that start was pressed",
     "can.log: bit 4 of byte 0 of BCM_Status before the command; calls of the body controller"},
    {ERR_LIST_CHANGED, "a key was deleted or paired since the head unit showed the list, or it never did",
     "`hu show-keys`, then `hu delete-key` once more; SpaaK_HU_Keys (6D0) in can.log"},
    {ERR_PAIRING_RESTARTS, "the SpaaK Module lost power again and again while pairing mode was on",
     "life events of spaak; the user presses again"},
    {ERR_ANSWER_MAC, "somebody else answers in the body controller's name, or two ends with another key",
     "can.log: BCM_SpaaK_Answer (3C2) behind SpaaK_BCM_Ask (3C1); were both stores equipped by one plant?"},
    {ERR_IGNITION_OFF, "a wish at the head unit while the car sleeps, or a body controller that is silent",
     "`bcm ignition power=on`; BCM_Status in can.log, on both sides of the gateway"},
    {ERR_FOB_AWAY, "a wish to pair without a key fob in the car",
     "`bcm fob place=here`; BCM_SpaaK_Answer (3C2) in can.log"},
    {ERR_CARD_ANSWER, "a card of another make that answers our AID, or one that is taken away badly",
     "apdu.log: the last answer of the card"},
    {ERR_CARD_OTHER_VEHICLE, "a genuine card key, of another vehicle",
     "the certificate in apdu.log (READ BINARY): its subject is the vehicle's serial"},
    {ERR_CARD_PROOF, "a copied certificate without its key, or an answer that was heard before",
     "apdu.log: challenge and signature of INTERNAL AUTHENTICATE"},
    {ERR_BCM_SILENT, "the body controller is not in the run, or its frames do not arrive",
     "is bcm in `run`? BCM_Status in can.log"},
    {ERR_OWNER_KEY_HELD, "a second owner pairing while the first owner's key is in force",
     "`hu show-keys`, then `hu delete-key`"},
    {ERR_IDENTITY_MISSING, "pairing before PP-01, or a renewal in the middle of one",
     "`given: {after: pp02}`; vehicle/certificate in the module's store"},
    {ERR_USER_CANCELLED, "the user pressed cancel at the head unit", "the call `cancel` of hu"},
    {ERR_LINK_DOWN, "the link is cut, or its other end is not there",
     "link and life events before it; cut faults"},
    {ERR_LINK_PEER_STALLED, "the other end has stopped reading",
     "its log; is it stopped (SIGSTOP) or very busy?"},
    {ERR_QUEUE_FULL, "more waits for a link than the queue holds",
     "how long the link was away; docs/limits.md"},
    {ERR_STORE_FAILED, "a full disk, a limit on files, a damaged store",
     "df, ulimit -f; the component's log"},
    {ERR_LINK_NOT_ADMITTED,
     "somebody who is not of this run knocks at one of its sockets, or greets with another's name",
     "the log of who refused it; docs/security.md on tokens"},
    {ERR_LINK_GREETING_LATE, "a connection that says nothing", "the log of who refused it; docs/security.md"},
    {ERR_LINK_CROWDED, "more connections than a socket has room for",
     "the log of who refused it; who else connects"},
    {ERR_LINK_OTHER_USER, "another user of this machine reached a socket",
     "rights of the folders that sockets lie in"},
    {ERR_LINK_NOT_OURS, "somebody has put a socket of its own in the place of ours",
     "the run's folder in /tmp; other processes of this user"},
    {ERR_LINK_TWICE, "two devices that come by one token, or one that comes again while it is still there",
     "the log of who refused it; close the first connection before the second"},
    {ERR_STORE_KEY_MISSING, "a component that was started without the key of its secrets",
     "store_key in its configuration (lib/host/process.h)"},
    {ERR_STORE_KEY_WRONG, "a store of another run, or a key that was changed and the former one not given",
     "the store and the key that belong together; nothing was overwritten"},
    {ERR_HTTP_HOST, "a request by a name that no HTTP port of this run has",
     "the host in the request; names are <port>.<server>.example"},
    {ERR_HTTP_METHOD, "a method that the door or the server does not know", "lib/http/http.h lists them"},
    {ERR_HTTP_RATE, "a client that asks far more often than a vehicle or a person would",
     "who asks; docs/limits.md"},
    {ERR_HTTP_GONE, "the server died or was cut off with the request in its hands",
     "its life and link events; whether it had acted stands in its trace"},
    {ERR_HTTP_TYPE, "a client that sends a form or nothing where JSON belongs",
     "Content-Type of the request; docs/api.md"},
    {ERR_HTTP_KEY, "a client that does not say which of its requests this is",
     "Idempotency-Key of the request; docs/api.md"},
    {ERR_DOOR_ANSWER, "a setting of nginx, or another version of it",
     "the note before it; the attack in sim/actors/stranger"},
    {ERR_SYSTEM, "the system refused something", "the component's log"},
    {ERR_KILLED, "a kill of the scenario", "its faults; the component starts again by itself"},
    {ERR_TOPIC_NOT_ALLOWED, "a topic that the component's class does not declare",
     "topics of the class; docs/adding.md"},
    {ERR_SETTING_RANGE, "a setting outside its bounds", "the bounds, in the message of `spaaksim check`"},
    {ERR_WORK_FAILED, "a thread could not be started", "ulimit -u; free -m"},
    {ERR_TOKEN_MALFORMED, "something else in the place of a token, or a token of another form",
     "its parts: three, base64url, JSON; lib/token/token.h has the names"},
    {ERR_TOKEN_ALGORITHM, "a forged token (none, HS256 with a public key), or an issuer of another kind",
     "alg in its header"},
    {ERR_TOKEN_KEY, "an issuer whose key was replaced, or a foreign one", "kid in its header"},
    {ERR_TOKEN_ISSUER, "a token of another system", "iss in its claims"},
    {ERR_TOKEN_AUDIENCE, "a token for another service, carried on", "aud in its claims"},
    {ERR_TOKEN_NOT_YET_VALID, "clocks that are apart", "iat in its claims beside the clock of the checker"},
    {ERR_TOKEN_EXPIRED, "a client that did not ask for a new one in time",
     "exp in its claims beside the clock of the checker"},
    {ERR_TOKEN_MISSING, "a client that did not sign in", "Authorization of the request; docs/api.md"},
    {ERR_TOKEN_SCOPE, "a user who may do less than this", "scope in its claims; the users of tbe"},
    {ERR_SIGN_IN, "a wrong secret, or somebody who guesses", "how often it came; HTTP_RATE follows"},
    {ERR_SESSION_MISSING,
     "a session that ended: 15 minutes without a request, 8 hours, signed out or pushed out",
     "session/ in the store of tbe; docs/portal.md"},
    {ERR_FORM_FORGED, "a form of an earlier session, or one that another site made",
     "what the browser sent: cookie and csrf belong together; docs/portal.md"},
    {ERR_FORM_FOREIGN, "another site that lets the browser send a form to ours",
     "Origin and Sec-Fetch-Site of the request; docs/portal.md"},
    {ERR_CONSENT_MISSING, "an operator who did not tick that the customer agrees", "the form of the call"},
    {ERR_CONSENT_WRONG, "a wrong code, an unknown customer, or somebody who guesses",
     "how often it came; HTTP_RATE follows"},
    {ERR_DK_STATUS, "the device refused a command", "the status word, with `spaaksim apdu`"},
    {ERR_DK_SPAKE_VERSION, "device and vehicle speak other versions of SPAKE2+",
     "the versions in the SELECT response"},
    {ERR_DK_APPLET_VERSION, "device and vehicle speak other versions of the applet",
     "the versions in the SELECT response"},
    {ERR_DK_EVIDENCE, "a wrong pairing password, or verifiers of another one",
     "the password; which verifier set is in use"},
    {ERR_DK_POINT, "a forged or damaged share", "the APDUs, with `spaaksim apdu`"},
    {ERR_DK_ATTEMPTS, "seven wrong passwords", "new verifiers: PP-03"},
    {ERR_DK_KEY_DATA, "key creation data of another vehicle, or damaged ones",
     "the APDUs of phase 2; docs/ccc.md"},
    {ERR_DK_KEY_MISMATCH, "a device that made another key than it was asked for",
     "the attestation in the APDUs of phase 3"},
    {ERR_DK_ANSWER, "an answer without what it must carry", "the APDU, with `spaaksim apdu`"},
    {ERR_DK_LINK_LOST, "the phone was taken away", "field and link events before it; it begins again"},
    {ERR_DK_TIMEOUT,
     "a device that is too slow, or a user who was away; at doors and engine an answer that came too late, "
     "as through a relay",
     "the time between the APDUs; unlock_ms, over Bluetooth ble_unlock_ms, of the spaak"},
    {ERR_DK_UNKNOWN_KEY, "a key that was deleted, or is of another vehicle",
     "the key records of the vehicle"},
    {ERR_DK_ACCESS, "a mailbox that this party may not reach", "docs/ccc.md on mailboxes"},
    {ERR_DK_ATTESTATION, "an attestation of another key", "the certificates in the APDUs of phase 3"},
    {ERR_DK_NO_RECEIPT, "the key tracking server has not answered yet",
     "it is fetched later; the KTS's events"},
    {ERR_DK_TERMINATED, "a key that its owner, its device or the vehicle has ended", "new verifiers: PP-03"},
    {ERR_DK_SUSPENDED, "a key that was suspended and not yet resumed",
     "the KTS's events; the state of the key"},
    {ERR_DK_VALIDITY, "a key before its first or after its last day, or a clock that is wrong",
     "the validity in [H]; the clock of the vehicle"},
    {ERR_DK_LINK_WEAK, "a link in the clear, or with a short or unauthenticated key",
     "the radio's news of that link"},
    {ERR_DK_OOB, "out-of-band data of another device, changed on their way, or none",
     "First_Approach_RQ and _RS of that connection; who else is near"},
    {ERR_DK_BOND, "somebody who pairs without a first approach: its data would come from one end alone",
     "what came over the channel before the keys"},
    {ERR_DK_TOO_FAR, "its signal is weaker than the vehicle wants for the doors, or for the engine",
     "the distance; ble_unlock_dbm and ble_start_dbm of the spaak"},
    {ERR_DK_REFUSALS, "the other end says again and again what does not belong there",
     "the reasons of the messages that were refused before"},
};

const struct explanation *explain_find(enum err e)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].reason == e)
            return &rows[i];
    return NULL;
}

static const char *const names[] = {
#define X(name, number, text) #name,
    ERR_LIST(X)
#undef X
        NULL};

static const struct explanation *find_name(const char *upper)
{
    return err_name_known(upper) ? explain_find(err_from_name(upper)) : NULL;
}

/* As a message carries it: digits and nothing else. */
static const struct explanation *find_number(const char *digits)
{
    size_t len = strspn(digits, "0123456789");
    if (len == 0 || digits[len] != '\0')
        return NULL;
    unsigned long number = strtoul(digits, NULL, 10);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if ((unsigned long)rows[i].reason == number)
            return &rows[i];
    return NULL;
}

static bool explain_one(const char *name)
{
    char upper[40];
    text_copy(upper, sizeof upper, name);
    for (char *p = upper; *p; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p == '-' ? '_' : *p;
    const struct explanation *x = find_name(upper);
    if (!x)
        x = find_number(name);
    if (x) {
        printf("%s (%d): %s\n  mostly comes from: %s\n  look at:           %s\n", err_name(x->reason),
               (int)x->reason, err_text(x->reason), x->causes, x->look);
        return true;
    }
    const char *best = text_closest(upper, names);
    fprintf(stderr, "spaaksim: no reason \"%.40s\"%s%s%s; `spaaksim explain` names them all\n", name,
            best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
    return false;
}

int command_explain(int argc, char **argv)
{
    int rc = EXIT_PASSED;
    for (int i = 1; i < argc; i++)
        if (!explain_one(argv[i]))
            rc = EXIT_WRONG;
    for (size_t i = 1; argc == 1 && names[i]; i++)
        printf("%-24s %s\n", names[i], err_text(err_from_name(names[i])));
    return rc;
}
