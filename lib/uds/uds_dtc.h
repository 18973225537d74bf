/* Diagnostic trouble codes: how they are written, and how their status moves (ISO 14229-1, annex D).
 *
 * A code is three bytes: two bits for the letter (P, C, B, U), two for the first digit, three hex digits, and
 * the failure type. "B1A01-51" is 9A0151. A code is confirmed by its first failure: nothing here counts
 * cycles. */
#ifndef lib_uds_uds_dtc_h
#define lib_uds_uds_dtc_h

#include "lib/uds/uds.h"

#define UDS_DTC_TEXT         9 /* "B1A01-51" and its end */
#define UDS_DTC_ALL          0xFFFFFF
#define UDS_DTC_FORMAT_14229 0x01 /* DTCFormatIdentifier of 19 01 */

enum uds_dtc_status {
    UDS_DTC_FAILED = 0x01,
    UDS_DTC_FAILED_THIS_CYCLE = 0x02,
    UDS_DTC_PENDING = 0x04,
    UDS_DTC_CONFIRMED = 0x08,
    UDS_DTC_NOT_TESTED_SINCE_CLEAR = 0x10,
    UDS_DTC_FAILED_SINCE_CLEAR = 0x20,
    UDS_DTC_NOT_TESTED_THIS_CYCLE = 0x40,
    UDS_DTC_LAMP = 0x80,
};

void uds_dtc_text(uint32_t dtc, char out[UDS_DTC_TEXT]);
/* ERR_BAD_SYNTAX for what uds_dtc_text would not have written. */
enum err uds_dtc_parse(const char *text, uint32_t *dtc);

/* The status after its test failed or passed, after a clear, and at the begin of an operation cycle. Bits
 * that the ECU does not keep are for the caller to take away. */
uint8_t uds_dtc_failed(uint8_t status);
uint8_t uds_dtc_passed(uint8_t status);
uint8_t uds_dtc_cleared(void);
uint8_t uds_dtc_new_cycle(uint8_t status);

#endif
