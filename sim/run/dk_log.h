/* The log of Bluetooth LE: what each end hears and says at its radio's edge, in the order in which it does.
 * An SDU has a line when it leaves one end, and another when it reaches the other: what the air loses has the
 * first only. An SDU stands there as its component has it, also on an encrypted link, as an APDU does in
 * apdu.log: what is secret in it is sealed by the Digital Key's own keys. Of what makes links, keys are
 * hidden (lib/ble/words.h).
 *
 *     12.345 ms  spaak phone 54B1AD56BBD3/random > 010b0013...      leaves the SpaaK Module
 *     13.891 ms  phone spaak 44D3EB31D262/random < 010b0013...      reaches the phone
 *     20.000 ms  phone spaak 44D3EB31D262/random tells open 0080 512
 *     20.000 ms  phone spaak 44D3EB31D262/random tries NOT_FOUND open 0080 512     told, and not taken
 *     24.120 ms  phone spaak 44D3EB31D262/random hears channel 0080 512
 *
 * Time, whose line it is, who is at the other end ("-": nobody, or not known), the address by which that end
 * is known on the link ("-": its own radio). */
#ifndef sim_run_dk_log_h
#define sim_run_dk_log_h

#include "lib/ble/words.h"
#include "lib/host/node.h"

#define DK_LOG_AIRS 64
#define DK_LOG_LEAD 200 /* characters, before hex and words, with their end */

/* Whose are the addresses? */
struct dk_log {
    struct dk_log_air {
        char address[BLE_ADDRESS_TEXT], name[ENV_NAME_MAX];
    } airs[DK_LOG_AIRS];
    size_t next; /* the oldest gives way */
};

enum dk_log_kind { DK_LOG_LEAVES, DK_LOG_REACHES, DK_LOG_TELLS, DK_LOG_HEARS };

/* A line, read back. */
struct dk_log_line {
    uint64_t time_us;
    char who[ENV_NAME_MAX], other[ENV_NAME_MAX];
    char address[BLE_ADDRESS_TEXT]; /* "": its own radio */
    enum dk_log_kind kind;
    enum err refused; /* TELLS */
    const char *rest; /* of the line: words, or hex, which is not looked at */
};

/* NULL, or why it is none. *out is whole only then. */
const char *dk_log_read(const char *line, struct dk_log_line *out);
/* Could it be one, by its form? */
bool dk_log_is_line(const char *line);

/* What stands before the hex of an SDU, or the words; learns addresses from words that were told. */
void dk_log_lead(struct dk_log *l, const struct tap_event *e, char out[DK_LOG_LEAD]);

#endif
