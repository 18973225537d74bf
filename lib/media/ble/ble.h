/* Bluetooth LE: who listens is a peripheral (a vehicle), who asks a central (a phone). A port is an adapter:
 * its link is up while the component is there and not cut; cut, or dead, it forgets all that it was told.
 *
 * A device is named by its address, as text "4A1122334455/random" or "/public", most significant byte first;
 * so is a link, by the address under which its other end is on the air. Bytes are SDUs of the one channel of
 * a link: ERR_NOT_FOUND without link, ERR_MSG_UNEXPECTED without channel, ERR_NO_SPACE beyond the other
 * end's MTU, ERR_QUEUE_FULL while BLE_SDUS wait for credits.
 *
 * Below, T is told by env_tell(port, T's address, words), N is heard by on_news. Octets are hex, most
 * significant first (the stack of Linux has them reversed). What stands behind '=' in news is secret and
 * stands in no record. lib/ble/words.h reads and writes all of them. Words that do not fit the state:
 * ERR_MSG_UNEXPECTED; no such link: ERR_NOT_FOUND; ill-formed: ERR_BAD_ARGUMENT; too many: ERR_NO_SPACE.
 *
 * Either end, address "":
 *   T "identity ADDRESS IRK"      given to the other end when a pairing ends; without it, none is
 *   T "oob"                       N "oob CONFIRM =RANDOM": a new key pair; only the last one counts. It lasts
 *                                 until the next one, or the end of a pairing that used it
 *   T "oob-of ADDRESS CONFIRM RANDOM"  the other end's, by its address on the link; N none. One each address
 *   T "forget-oob ADDRESS"        ERR_NOT_FOUND: there was none
 * A peripheral, address "":
 *   T "advertise ADDRESS AD"      AD of 0 to 31 octets, "-" for none; goes on, links or not; again: replaces
 *   T "advertise-off"
 *   T "attribute UUID open|encrypted VALUE"  4 or 32 digits; in place of an earlier value of it
 *   T "listen SPSM MTU"           0080 to 00FF, MTU 64 to BLE_MTU_MAX in decimal; channels to it are taken
 *   T "signal" to a link's address  N "signal SIGNAL": how strong the other end is heard there now, in dBm
 * A central:
 *   T "scan" to "", "scan-off"    N "heard SIGNAL AD" of the advertiser's address, SIGNAL in dBm; once for an
 *                                 advertisement, and again when it or the signal changes
 *   T "connect OWN"               OWN is its own address on the link. N "up" or "down REASON"
 *   T "read UUID"                 N "value UUID VALUE" or "no-value UUID ERROR" (of ATT: 0A no such
 * attribute, 0F needs encryption). One at a time: ERR_BUSY T "open SPSM MTU"             N "channel SPSM MTU"
 * or "no-channel SPSM RESULT" (2: nobody listens) T "pair"                      N "encrypted", or
 * "auth-failed" Either end of a link, by the other's address: N "up"                        connected;
 * nothing is encrypted yet T "disconnect REASON"         13: the user ended it. N "down 16" here, "down
 * REASON" there N "down REASON"               08 out of range for BLE_SUPERVISION_MS, 13, 16, 3D a wrong key,
 * 3E nobody answered; the channel is gone, too. 05: it was dropped after "auth-failed" N "channel SPSM MTU"
 * open, also on a link in the clear, and it survives encryption and its failure. MTU: the longest SDU that
 * the other end takes, decimal T "close-channel"             N "channel-closed SPSM" at both ends T
 * "security"                  N "security LEVEL SIZE": 1 0 in the clear, 4 16 encrypted with an authenticated
 * key T "encrypt LTK"               a central begins so, on a link in the clear; a peripheral answers N
 *                                 "key-wanted" so within BLE_KEY_MS, or by T "no-key"; then the central hears
 *                                 "auth-failed 06" and the link stays in the clear
 *   N "encrypted LEVEL SIZE"
 *   N "new-ltk KIND SIZE =LTK"    after a pairing; KIND 3: P-256, authenticated
 *   N "new-irk ADDRESS =IRK"      before it, if the other end has one; its identity address
 *   N "auth-failed REASON"        of SMP: 04 the out-of-band data are another's, 03 neither end has any,
 *                                 0B the exchange was changed, 08 no answer in BLE_PAIRING_MS; 06: no key
 *
 * Three things that a component must know of pairing, as of the stack of Linux:
 *   1. The other end finds that its copy of our data is wrong: both hear "auth-failed"; a peripheral that is
 *      told so by the air drops the link, a central that is told so leaves that to its component.
 *   2. This end finds it: the link and its channel stay, IN THE CLEAR. The component must disconnect.
 *   3. One end alone has the other's data: it succeeds as authenticated all the same. A component that has
 *      not had both ways must refuse the "new-ltk": disconnect, and store nothing.
 * Whether a private address belongs to an IRK is the component's to find out: lib/crypto/smp.h.
 *
 * The way between two devices (lib/media/ble/radio.h) is the scenario's to set. What a fault loses is lost
 * behind the radio: nobody hears of it. In the process world it is docs/air-ble.md, to the byte. */
#ifndef lib_media_ble_ble_h
#define lib_media_ble_ble_h

#include "lib/host/medium.h"

#define BLE_AIRS           64 /* other devices, of one device */
#define BLE_AD_MAX         31 /* octets of an advertisement */
#define BLE_ATTRIBUTES     8  /* of a peripheral */
#define BLE_OOBS           8  /* devices whose out-of-band data are kept */
#define BLE_MTU_MIN        64 /* octets of an SDU */
#define BLE_MTU_MAX        2048
#define BLE_SDUS           8    /* that wait for credits */
#define BLE_CONNECT_MS     2000 /* until a central gives up: "down 3E" */
#define BLE_CONNECT_GAP_MS 10   /* from one link to the next of the same two */
#define BLE_ON_WAY         512  /* frames each way that wait for the radio, of 303 octets at most */
#define BLE_SUPERVISION_MS 2000
#define BLE_PAIRING_MS     30000
#define BLE_KEY_MS         5000 /* for "encrypt" or "no-key"; then as "no-key" */
#define BLE_FOREIGN        "*"  /* in a central's endpoint, before a peripheral that somebody outside plays */

extern const struct medium medium_ble;

#endif
