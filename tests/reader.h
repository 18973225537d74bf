/* A vehicle's end of a transaction, command by command and over any link, for what the real one does not do:
 * it goes on with a key that was terminated, stops where it likes, and shows what came. */
#ifndef tests_reader_h
#define tests_reader_h

#include "tests/pairing_rig.h"

struct reader {
    struct rig *rig;
    enum dk_link_id link;
    const struct p256_key *vehicle_key;
    struct transaction transaction;
    struct p256_key *ephemeral;
    struct channel channel;
    enum transaction_signer signer; /* of the answer to AUTH1; 0: neither */
    uint8_t cryptogram[CCC_KEY], kpersistent[TRANSACTION_KPERSISTENT];
    uint8_t data[CCC_BLOCK * 16]; /* of the last answer, in plaintext */
    size_t len;
};

/* The rig's own vehicle; change transaction.vehicle_id or vehicle_key for another. */
void reader_open(struct reader *v, struct rig *r, enum dk_link_id link);
void reader_close(struct reader *v);
/* A phone that was paired, with one near it and one over Bluetooth LE; and all of it again. */
struct rig *readers_open(struct reader *near, struct reader *far);
void readers_close(struct reader *near, struct reader *far);
/* Each gives the status word. AUTH1 opens the channel when it succeeds; with the key at the phone's entry 0.
 */
uint16_t reader_select(struct reader *v);
uint16_t reader_auth0(struct reader *v, uint8_t p1);
uint16_t reader_auth1(struct reader *v);
/* The plaintext: option byte and operations (exchange_put_...). */
uint16_t reader_exchange(struct reader *v, const struct wr *plain);
uint16_t reader_end(struct reader *v);
/* SELECT, AUTH0, AUTH1; false at the first that is not 9000. */
bool reader_authenticate(struct reader *v);
/* The cryptogram is that of this Kpersistent; then the channel is open. */
bool reader_fast(struct reader *v, const uint8_t kpersistent[TRANSACTION_KPERSISTENT]);

#endif
