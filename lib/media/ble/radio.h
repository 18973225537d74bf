/* The way between two devices: what a scenario sets of it. Both devices are one metre apart at first.
 *
 * Signal in free space: -59 dBm at one metre, 6 dB less for each doubling; below RADIO_SENSITIVITY_DBM
 * nothing is heard, in whole dB, so that the range is 74 m. A packet that is lost goes again in the next
 * connection interval: loss makes a link slow, and only silence for the supervision time ends it. A relay
 * hears and speaks at either place: to both devices the other is one metre away, whatever the distance. */
#ifndef lib_media_ble_radio_h
#define lib_media_ble_radio_h

#include <stdbool.h>
#include <stdint.h>

#define RADIO_SENSITIVITY_DBM (-95)
#define RADIO_INTERVAL_US     30000u /* between two chances to send a packet again */
#define RADIO_LOSS_MAX        90     /* percent */
#define RADIO_TEXT            60

struct ble_radio {
    uint32_t distance_cm;
    uint8_t loss; /* percent of all packets */
    uint32_t delay_us;
    bool relay;
    bool jammed;  /* nothing gets through */
    uint8_t owed; /* of a lost packet, percent; what came so far counts */
};

extern const struct ble_radio ble_radio_near;

/* dBm */
int8_t ble_radio_signal(const struct ble_radio *r);
bool ble_radio_reaches(const struct ble_radio *r);
/* How much longer the next packet takes. */
uint64_t ble_radio_delay_us(struct ble_radio *r);
/* "<cm> <loss> <delay_us> <relay> <jammed>", as the runner hands it to whoever keeps the way. False, and
 * nothing changed, for anything else. */
bool ble_radio_read(const char *text, struct ble_radio *r);
void ble_radio_write(const struct ble_radio *r, char out[RADIO_TEXT]);

#endif
