/* Between the parts of a device (device.h). */
#ifndef lib_media_ble_parts_h
#define lib_media_ble_parts_h

#include "lib/media/ble/device.h"

/* ---- device.c: queues, news ---- */

bool ble_queue_put(struct ble_queue *q, struct span head, struct span body, uint64_t due_us);
struct ble_packet *ble_queue_take(struct ble_queue *q); /* the caller frees; NULL: empty */
void ble_queue_clear(struct ble_queue *q);
void ble_news(struct ble_device *d, const struct ble_address *of, enum ble_news verb,
              const struct ble_said *said);
void ble_link_news(struct ble_air *a, enum ble_news verb, const struct ble_said *said);
void ble_link_reason(struct ble_air *a, enum ble_news verb, uint8_t reason);
void ble_bytes(struct ble_air *a, struct span bytes);
void ble_random(struct ble_device *d, void *out, size_t len);
uint64_t ble_now_us(const struct ble_device *d);
uint64_t ble_in_ms(const struct ble_device *d, uint32_t ms);
/* A new key pair, with its random and confirm value. */
enum err ble_keys_make(struct ble_device *d, struct ble_keys *k);
void ble_keys_clear(struct ble_keys *k);

/* ---- air.c: frames, advertising, links that come and go ---- */

/* Sends a frame as the radio lets it. */
void ble_air_put(struct ble_air *a, enum ble_frame type, struct span head, struct span body);
enum err ble_air_take(struct ble_air *a, enum ble_frame type, struct span payload);
void ble_air_announce(struct ble_air *a);
/* A central tells whether it scans. */
void ble_air_listen(struct ble_air *a);
void ble_air_set_radio(struct ble_air *a, const struct ble_radio *r);
void ble_air_run(struct ble_air *a);
uint64_t ble_air_due_us(const struct ble_air *a);
void ble_air_clear(struct ble_air *a);
enum err ble_link_connect(struct ble_air *a, const struct ble_address *own);
/* Ends the link here, says `there` to the other end, and news "down `here`". */
void ble_link_drop(struct ble_air *a, uint8_t here, uint8_t there);

/* ---- cipher.c: what a link carries, in the clear or not ---- */

/* A PDU of L2CAP; waits while encryption begins. */
void ble_pdu_put(struct ble_air *a, uint16_t cid, struct span pdu);
enum err ble_cipher_take(struct ble_air *a, enum ble_frame type, struct span payload);
/* Begins, or answers, with this key. */
enum err ble_cipher_use(struct ble_air *a, const uint8_t ltk[BLE_KEY]);
enum err ble_cipher_refuse(struct ble_air *a);
void ble_cipher_run(struct ble_air *a);
void ble_cipher_clear(struct ble_link *l);

/* ---- l2cap.c, att.c, pairing.c: what comes on each channel; errors end the air ---- */

enum err ble_l2cap_take(struct ble_air *a, uint16_t cid, struct span pdu);
enum err ble_channel_open(struct ble_air *a, uint16_t spsm, uint16_t mtu);
enum err ble_channel_close(struct ble_air *a);
enum err ble_channel_send(struct ble_air *a, struct span sdu);
void ble_channel_clear(struct ble_channel *c);

enum err ble_att_take(struct ble_air *a, struct span pdu);
enum err ble_att_read(struct ble_air *a, const struct ble_uuid *uuid);
enum err ble_attribute_set(struct ble_device *d, const struct ble_said *said);

enum err ble_pairing_take(struct ble_air *a, struct span pdu);
enum err ble_pairing_begin(struct ble_air *a);
/* The link is encrypted with the key of a pairing: what follows it. */
void ble_pairing_encrypted(struct ble_air *a);
void ble_pairing_run(struct ble_air *a);
void ble_pairing_clear(struct ble_pairing *p);
struct ble_oob *ble_oob_of(struct ble_device *d, const struct ble_address *of);

#endif
