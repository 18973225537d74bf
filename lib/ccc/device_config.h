/* Device configuration (tag 7F4E, table 5-14): radios of the vehicle, what AUTH1 returns from the mailboxes,
 * how sharing works. Spans point into the parsed bytes. */
#ifndef lib_ccc_device_config_h
#define lib_ccc_device_config_h

#include "lib/ccc/op_message.h"

/* Part of a mailbox; len 0: none. */
struct mailbox_part {
    uint16_t offset;
    uint8_t len;
};

#define DEVICE_CONFIG_BLE_ADDRESS 6
/* 7F52. Kble_oob and Kble_intro, when given, replace the values derived by SPAKE2+ (a choice, docs/ccc.md).
 */
struct device_config_ble {
    bool present;
    uint8_t irk[CCC_KEY];                       /* D0 */
    uint8_t address[DEVICE_CONFIG_BLE_ADDRESS]; /* D1 */
    uint8_t flag;                               /* D2: 00 (a choice, docs/ccc.md) */
    const uint8_t *kble_oob, *kble_intro;       /* D3, D4: 16 bytes or NULL */
    const uint8_t *kble_oob_master_online;      /* D5 */
};

/* 7F60. Where friends' slot identifiers and tokens come from (values of DA: a choice, docs/ccc.md). */
enum device_config_source {
    DEVICE_CONFIG_FROM_VEHICLE = 0x00,
    DEVICE_CONFIG_TOKEN_ONLINE = 0x01,
    DEVICE_CONFIG_SLOT_ONLINE = 0x03
};
struct device_config_sharing {
    bool present;
    uint8_t source;           /* DA */
    uint8_t max_attestations; /* DD: offline attestations, 1..16 */
};

struct device_config {
    struct op_versions versions;                           /* 5B: of SPAKE2+; n = 0: not given */
    struct span vehicle_info;                              /* 59: UTF-8 */
    struct mailbox_part auth1_confidential, auth1_private; /* 4A, 4B */
    bool sharing_password;                                 /* D7 */
    uint8_t sharing_password_len;                          /* D8 */
    struct span profiles;                                  /* D9: one byte per entitlement */
    bool nfc, uwb;                                         /* 7F49 */
    struct device_config_ble ble;
    struct device_config_sharing sharing;
    struct span oem; /* 7F2A */
};

/* The value of 7F4E. Parse errors as in op_message.h; unknown tags are skipped. */
void device_config_put(struct wr *w, const struct device_config *d);
enum err device_config_parse(struct span value, struct device_config *out);

#endif
