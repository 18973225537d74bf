#include "lib/uds/uds_dtc.h"

#include <stdio.h>
#include <string.h>

static const char letters[] = "PCBU";

void uds_dtc_text(uint32_t dtc, char out[UDS_DTC_TEXT])
{
    unsigned code = dtc >> 8 & 0xFFFF;
    snprintf(out, UDS_DTC_TEXT, "%c%X%03X-%02X", letters[code >> 14], code >> 12 & 3u, code & 0xFFFu,
             dtc & 0xFFu);
}

/* -1 for what is no digit of base 16 as uds_dtc_text writes it. */
static int digit(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

enum err uds_dtc_parse(const char *text, uint32_t *dtc)
{
    static const char *const form = "L0000-00";
    const char *letter = text[0] ? strchr(letters, text[0]) : NULL;
    uint32_t code = letter ? (uint32_t)(letter - letters) : 0;
    if (!letter || strlen(text) != strlen(form) || text[5] != '-' || digit(text[1]) > 3)
        return ERR_BAD_SYNTAX;
    for (size_t i = 1; form[i]; i++) {
        int d = digit(text[i]);
        if (form[i] == '-')
            continue;
        if (d < 0)
            return ERR_BAD_SYNTAX;
        code = code << (i == 1 ? 2 : 4) | (uint32_t)d;
    }
    *dtc = code;
    return ERR_OK;
}

uint8_t uds_dtc_failed(uint8_t status)
{
    unsigned set = UDS_DTC_FAILED | UDS_DTC_FAILED_THIS_CYCLE | UDS_DTC_PENDING | UDS_DTC_CONFIRMED |
                   UDS_DTC_FAILED_SINCE_CLEAR;
    unsigned tested = UDS_DTC_NOT_TESTED_SINCE_CLEAR | UDS_DTC_NOT_TESTED_THIS_CYCLE;
    return (uint8_t)((status | set) & ~tested);
}

uint8_t uds_dtc_passed(uint8_t status)
{
    unsigned tested = UDS_DTC_NOT_TESTED_SINCE_CLEAR | UDS_DTC_NOT_TESTED_THIS_CYCLE;
    return (uint8_t)(status & ~(tested | UDS_DTC_FAILED));
}

uint8_t uds_dtc_cleared(void)
{
    return UDS_DTC_NOT_TESTED_SINCE_CLEAR | UDS_DTC_NOT_TESTED_THIS_CYCLE;
}

/* Pending falls with a whole cycle that was tested and did not fail. */
uint8_t uds_dtc_new_cycle(uint8_t status)
{
    bool good = !(status & (UDS_DTC_FAILED_THIS_CYCLE | UDS_DTC_NOT_TESTED_THIS_CYCLE));
    unsigned gone = UDS_DTC_FAILED_THIS_CYCLE | (good ? UDS_DTC_PENDING : 0u);
    return (uint8_t)((status & ~gone) | UDS_DTC_NOT_TESTED_THIS_CYCLE);
}
