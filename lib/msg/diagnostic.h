/* An ECU's diagnostics: a UDS server (lib/uds) on an ISO-TP channel of its component, and what it must not
 * forget in the component's store. What ECUs have in common stands here: sessions, subfunctions, the numbers
 * that name an ECU.
 *
 * A reset (11) ends the component's life as far as the bus can tell: for a boot time it hears and says
 * nothing (diagnostic_silent), and what it had in memory is gone (`down`).
 *
 * The component calls on_frame with every frame of the port and on_timer with every timer, first of all; then
 * it asks diagnostic_silent. */
#ifndef lib_msg_diagnostic_h
#define lib_msg_diagnostic_h

#include "lib/env/isotp_port.h"
#include "lib/uds/uds_serial.h"
#include "lib/uds/uds_server.h"

#define DIAGNOSTIC_STORED  "uds/stored" /* key of what the server keeps; the class declares it */
#define DIAGNOSTIC_BOOT_MS 200          /* a reset: from down to up again */

/* What names an ECU: F187, F18C, F190, F191, F195. */
struct diagnostic_identity {
    const char *part;     /* 10 characters */
    const char *letters;  /* before the digits of its serial number */
    const char *hardware; /* 4 */
    const char *software; /* 6 */
};

struct diagnostic_config {
    const struct uds_ecu *ecu; /* its `store` ends with diagnostic_store */
    void *owner;               /* the component: context of the table's handlers */
    struct diagnostic_identity identity;
    const char *vehicle; /* serial of its vehicle */
    unsigned port;
    unsigned timer_channel, timer_server; /* of the component, nobody else's */
    enum matrix_message request, answer;
    /* It went down: memory is lost, timers are stopped. It has booted. Both may be NULL. */
    void (*down)(void *owner);
    void (*up)(void *owner);
};

struct diagnostic {
    struct env *env;
    struct diagnostic_config cfg;
    char serial[UDS_SERIAL_LEN + 1], vin[UDS_VIN_LEN + 1];
    bool booting;
    uint64_t boot_end_us;
    struct isotp_port channel;
    struct uds_server server;
};

/* From what the store holds: for the component's init. ERR_STORE_FAILED when that is not what
 * diagnostic_store has written. */
enum err diagnostic_init(struct diagnostic *d, struct env *env, const struct diagnostic_config *cfg);
/* Wipes what is secret. */
void diagnostic_fini(struct diagnostic *d);
void diagnostic_on_frame(struct diagnostic *d, const struct bus_frame *f);
/* False: not one of its timers. */
bool diagnostic_on_timer(struct diagnostic *d, unsigned timer);
/* Fires what is due by now: for a component that looks at the server's state before a timer has come. */
void diagnostic_tick(struct diagnostic *d);
/* It is down or boots: the component says nothing and hears nothing. */
bool diagnostic_silent(const struct diagnostic *d);
/* Communication control (28): normal messages are off. */
bool diagnostic_tx_off(const struct diagnostic *d);
bool diagnostic_rx_off(const struct diagnostic *d);

/* Ends a request that a handler of the table answered with PENDING. ERR_NOT_FOUND: it has ended already. */
enum err diagnostic_done(struct diagnostic *d, uint32_t ticket, enum uds_nrc nrc, struct span info);
/* The test behind a trouble code has ended, by its place in the table. A store that refuses is traced. */
void diagnostic_report(struct diagnostic *d, size_t dtc, bool failed);

/* For uds_ecu.store, after the component's own puts: they and this are one transaction. False: none of it was
 * kept. */
bool diagnostic_store(struct diagnostic *d, const struct uds_stored *stored);
/* For uds_level.key: K at that key of the store. False when the plant gave none. */
bool diagnostic_key(struct diagnostic *d, const char *at, uint8_t k[UDS_SECRET]);
/* For uds_did.read_value: F186 and the numbers that name the ECU. */
enum uds_nrc diagnostic_read(const struct diagnostic *d, const struct uds_did *did, struct wr *out);
/* A value of did->len_min bytes, the text and zeros. */
void diagnostic_put_text(const struct uds_did *did, const char *text, struct wr *out);

/* ---- rows that ECUs share ---- */

enum { DIAGNOSTIC_DEFAULT, DIAGNOSTIC_EXTENDED, DIAGNOSTIC_SESSIONS };
#define DIAGNOSTIC_ALL         UDS_FREE_IN(UDS_IN_ALL)
#define DIAGNOSTIC_IN_EXTENDED UDS_FREE_IN(UDS_IN(DIAGNOSTIC_EXTENDED))

#define DIAGNOSTIC_LEVEL_WORKSHOP 0x01
#define DIAGNOSTIC_ATTEMPTS       3
#define DIAGNOSTIC_DELAY_MS       10000
#define DIAGNOSTIC_P2_MS          50
#define DIAGNOSTIC_P2_STAR_MS     5000
#define DIAGNOSTIC_S3_MS          5000
#define DIAGNOSTIC_PENDING_MS     30000
#define DIAGNOSTIC_RESET_MS       60
#define DIAGNOSTIC_DIDS_AT_ONCE   8
/* The bits of a trouble code's status that are kept: 01, 08, 10, 20. */
#define DIAGNOSTIC_DTC_AVAILABLE 0x39

extern const struct uds_session diagnostic_sessions[DIAGNOSTIC_SESSIONS];
extern const struct uds_subfunction diagnostic_enter[2], diagnostic_reset[2], diagnostic_reports[3],
    diagnostic_communication[2], diagnostic_present[1], diagnostic_dtc_switch[2],
    diagnostic_workshop_level[2];

/* Rows of 10 11 14 19 22 28 2E 3E 85 for an ECU of these two sessions. */
#define DIAGNOSTIC_SERVICES                                                                    \
    {UDS_SID_SESSION_CONTROL, {DIAGNOSTIC_ALL}, UDS_SUBFUNCTIONS(diagnostic_enter)},           \
        {UDS_SID_ECU_RESET, {DIAGNOSTIC_ALL}, UDS_SUBFUNCTIONS(diagnostic_reset)},             \
        {.sid = UDS_SID_CLEAR_DTCS, .access = {DIAGNOSTIC_ALL}},                               \
        {UDS_SID_READ_DTCS, {DIAGNOSTIC_ALL}, UDS_SUBFUNCTIONS(diagnostic_reports)},           \
        {.sid = UDS_SID_READ_DATA, .access = {DIAGNOSTIC_ALL}},                                \
        {UDS_SID_COMMUNICATION_CONTROL,                                                        \
         {DIAGNOSTIC_IN_EXTENDED},                                                             \
         UDS_SUBFUNCTIONS(diagnostic_communication)},                                          \
        {.sid = UDS_SID_WRITE_DATA, .access = {DIAGNOSTIC_IN_EXTENDED}},                       \
        {UDS_SID_TESTER_PRESENT, {DIAGNOSTIC_ALL}, UDS_SUBFUNCTIONS(diagnostic_present)},      \
    {                                                                                          \
        UDS_SID_DTC_SETTING, {DIAGNOSTIC_IN_EXTENDED}, UDS_SUBFUNCTIONS(diagnostic_dtc_switch) \
    }

/* Rows of F186 and of the numbers; `read` calls diagnostic_read. F190 is for an ECU whose VIN is not written.
 */
#define DIAGNOSTIC_DIDS(read)                                                               \
    {0xF186, 1, 1, {{DIAGNOSTIC_ALL}}, .read_value = (read)},                               \
        {0xF187, 10, 10, {{DIAGNOSTIC_ALL}}, .read_value = (read)},                         \
        {0xF18C, UDS_SERIAL_LEN, UDS_SERIAL_LEN, {{DIAGNOSTIC_ALL}}, .read_value = (read)}, \
        {0xF191, 4, 4, {{DIAGNOSTIC_ALL}}, .read_value = (read)},                           \
    {                                                                                       \
        0xF195, 6, 6, {{DIAGNOSTIC_ALL}}, .read_value = (read)                              \
    }
#define DIAGNOSTIC_VIN(read)                                                       \
    {                                                                              \
        0xF190, UDS_VIN_LEN, UDS_VIN_LEN, {{DIAGNOSTIC_ALL}}, .read_value = (read) \
    }

/* Times and bounds of a uds_ecu. */
#define DIAGNOSTIC_BOUNDS                                                               \
    .dtc_available = DIAGNOSTIC_DTC_AVAILABLE, .dids_at_once = DIAGNOSTIC_DIDS_AT_ONCE, \
    .s3_ms = DIAGNOSTIC_S3_MS, .pending_max_ms = DIAGNOSTIC_PENDING_MS, .reset_ms = DIAGNOSTIC_RESET_MS

#endif
