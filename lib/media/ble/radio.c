#include "lib/media/ble/radio.h"

#include <stdio.h>

#define AT_ONE_METRE_DBM (-59)
#define DOUBLING_DB      6
#define METRE_CM         100u
#define NEAREST_CM       10u /* nearer, nothing changes */
#define FURTHEST_CM      100000u

const struct ble_radio ble_radio_near = {.distance_cm = METRE_CM};

/* Between two doublings it falls in a straight line: within half a dB of the curve. */
int8_t ble_radio_signal(const struct ble_radio *r)
{
    uint32_t cm = r->relay ? METRE_CM : r->distance_cm, step = METRE_CM;
    int dbm = AT_ONE_METRE_DBM;
    if (cm < NEAREST_CM)
        cm = NEAREST_CM;
    if (cm > FURTHEST_CM)
        cm = FURTHEST_CM;
    for (; cm < step; step /= 2)
        dbm += DOUBLING_DB;
    for (; cm >= 2 * step; step *= 2)
        dbm -= DOUBLING_DB;
    return (int8_t)(dbm - (int)(DOUBLING_DB * (cm - step) / step));
}

bool ble_radio_reaches(const struct ble_radio *r)
{
    return !r->jammed && ble_radio_signal(r) >= RADIO_SENSITIVITY_DBM;
}

/* Losses come as evenly as their rate says: the same run loses the same packets. */
uint64_t ble_radio_delay_us(struct ble_radio *r)
{
    uint64_t us = r->delay_us;
    r->owed = (uint8_t)(r->owed + r->loss);
    for (; r->owed >= 100; r->owed = (uint8_t)(r->owed - 100 + r->loss))
        us += RADIO_INTERVAL_US;
    return us;
}

bool ble_radio_read(const char *text, struct ble_radio *r)
{
    unsigned cm, loss, delay_us, relay, jammed;
    int end = 0;
    if (sscanf(text, "%9u %3u %9u %1u %1u%n", &cm, &loss, &delay_us, &relay, &jammed, &end) != 5 ||
        text[end] != '\0' || loss > RADIO_LOSS_MAX || relay > 1 || jammed > 1)
        return false;
    *r = (struct ble_radio){cm, (uint8_t)loss, delay_us, relay, jammed, r->owed};
    return true;
}

void ble_radio_write(const struct ble_radio *r, char out[RADIO_TEXT])
{
    snprintf(out, RADIO_TEXT, "%u %u %u %u %u", r->distance_cm, r->loss, r->delay_us, r->relay, r->jammed);
}
