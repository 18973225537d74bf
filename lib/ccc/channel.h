/* Secure messaging after SPAKE2+ (framework) and after AUTH1 or a fast AUTH0 (applet), both sides.
 *
 * GlobalPlatform SCP03 with 8-byte MACs. The two channels differ in what the MACs cover and where the counter
 * starts; the differences are the fields of struct channel_rules and nothing else. MAC first, then
 * decryption, then padding.
 *
 * Promises of the caller, asserted: no pointer is NULL. A channel that is closed, by whichever side's fault,
 * is no broken promise: ERR_LINK_DOWN. */
#ifndef lib_ccc_channel_h
#define lib_ccc_channel_h

#include "lib/ccc/apdu.h"
#include "lib/ccc/primitives.h"

#define CHANNEL_MAC       8
#define CHANNEL_PLAIN_MAX 239 /* data of one APDU before padding */

struct channel_rules {
    bool header_in_mac; /* C-MAC covers CLA INS P1 P2 Lc; R-MAC covers the status word */
    uint8_t first_counter;
    bool get_response_steps; /* GET RESPONSE counts and chains like a command with a MAC */
};
extern const struct channel_rules channel_framework; /* header and SW in the MAC, counter from 01 */
/* The same for a peer whose counter and chaining value rest at GET RESPONSE (which of the two is right: a
 * choice, docs/ccc.md). */
extern const struct channel_rules channel_framework_resting;
extern const struct channel_rules channel_applet; /* neither; counter from 00, used by the AUTH1 response */
/* After a fast transaction no AUTH1 response has used counter 00 (a choice, docs/ccc.md). */
extern const struct channel_rules channel_applet_fast;

struct channel {
    struct channel_rules rules;
    bool open;
    uint8_t kenc[CCC_KEY], kmac[CCC_KEY], krmac[CCC_KEY];
    uint8_t mcv[CCC_BLOCK]; /* MAC chaining value */
    uint16_t counter;       /* of the command under way; past FF the channel is over */
};

void channel_open(struct channel *ch, const struct channel_rules *rules, const uint8_t kenc[CCC_KEY],
                  const uint8_t kmac[CCC_KEY], const uint8_t krmac[CCC_KEY]);
/* Wipes the keys. */
void channel_close(struct channel *ch);

/* Vehicle: protects data (0..239 bytes) into a whole C-APDU; unwraps the answer's body, then counts on.
 * Device: the same the other way round. Any error but ERR_BAD_ARGUMENT closes the channel:
 * ERR_TRUNCATED, ERR_SIGNATURE_INVALID (MAC), ERR_MSG_MALFORMED (padding), ERR_MSG_OUT_OF_ORDER (counter used
 * up). */
enum err channel_wrap_command(struct crypto *c, struct channel *ch, uint8_t ins, uint8_t p1, uint8_t p2,
                              struct span data, struct wr *out);
enum err channel_unwrap_command(struct crypto *c, struct channel *ch, const struct apdu_command *cmd,
                                uint8_t plain[CCC_BLOCK * 16], size_t *len);
enum err channel_wrap_response(struct crypto *c, struct channel *ch, struct span data, uint16_t sw,
                               struct wr *out);
enum err channel_unwrap_response(struct crypto *c, struct channel *ch, struct span body, uint16_t sw,
                                 uint8_t plain[CCC_BLOCK * 16], size_t *len);
/* GET RESPONSE travels without data and without a MAC; both sides step the channel instead: MCV = CMAC(Kmac,
 * MCV). Under channel_framework_resting the next answer uses the counter of the last once more. */
enum err channel_continue(struct crypto *c, struct channel *ch);

#endif
