/* The message matrix as a DBC file. DBC names receivers on signals only, so every message has one: ISO-TP's
 * frame type, or the bytes of a frame whose layout is not settled. */
#include <string.h>

#include "lib/can/matrix.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct signal {
    uint16_t start, bits; /* start: the lowest bit, little-endian (Intel); of `big` the highest (Motorola) */
    const char *name;
    const char *values;  /* value table, or NULL */
    const char *comment; /* or NULL */
    bool big;
};

static const struct signal isotp_signal = {
    4,
    4,
    "IsoTpFrame",
    "0 \"single\" 1 \"first\" 2 \"consecutive\" 3 \"flow control\"",
    "High nibble of the first byte (ISO 15765-2): which frame of a message this is.",
    false};

static const struct signal bytes_signal = {0, 64, "Bytes", NULL, NULL, false};

#define CHECKSUM "XOR of the identifier's two bytes, of the seven bytes before this one, and of A5 (hex)."
#define YES_NO   "0 \"no\" 1 \"yes\""

/* What every frame of the cabin has (lib/msg/cabin.h). */
#define CABIN_SIGNALS(message)                                                                     \
    {message,                                                                                      \
     {.start = 8,                                                                                  \
      .bits = 8,                                                                                   \
      .name = "AliveCounter",                                                                      \
      .comment = "One more in each message, 0 after 255; a life of the sender begins anywhere."}}, \
    {                                                                                              \
        message,                                                                                   \
        {                                                                                          \
            .start = 56, .bits = 8, .name = "Checksum", .comment = CHECKSUM                        \
        }                                                                                          \
    }

/* TBM and readers count to 15. */
#define SECURED(message)                                                                                   \
    {message,                                                                                              \
     {.start = 8, .bits = 4, .name = "AliveCounter", .comment = "One more in each message, 0 after 15."}}, \
    {                                                                                                      \
        message,                                                                                           \
        {                                                                                                  \
            .start = 56, .bits = 8, .name = "Checksum", .comment = CHECKSUM                                \
        }                                                                                                  \
    }
#define READER(message)                                                          \
    {message, {.start = 0, .bits = 1, .name = "ReaderWorks", .values = YES_NO}}, \
        {message, {.start = 1, .bits = 1, .name = "FieldOn", .values = YES_NO}}, \
        {message, {.start = 2, .bits = 1, .name = "CardSelected", .values = YES_NO}}, SECURED(message)

static const struct {
    enum matrix_message message;
    struct signal signal;
} signals[] = {
    {MATRIX_TBM_STATUS, {.start = 0, .bits = 1, .name = "GsdpConnected", .values = YES_NO}},
    {MATRIX_TBM_STATUS, {.start = 1, .bits = 1, .name = "SpaakTopicSubscribed", .values = YES_NO}},
    SECURED(MATRIX_TBM_STATUS),
    {MATRIX_PHONE_KEY_REQ,
     {.start = 0,
      .bits = 8,
      .name = "Request",
      .values = "1 \"add phone\" 2 \"cancel\" 3 \"delete key\" 4 \"list keys\""}},
    {MATRIX_PHONE_KEY_REQ,
     {.start = 16, .bits = 8, .name = "KeyIndex", .comment = "Of 'delete key', from 1."}},
    {MATRIX_PHONE_KEY_REQ,
     {.start = 31,
      .bits = 32,
      .name = "KeyIdentity",
      .big = true,
      .comment = "Of 'delete key': as SpaaK_HU_Keys had it."}},
    CABIN_SIGNALS(MATRIX_PHONE_KEY_REQ),
    {MATRIX_HU_NTF,
     {.start = 0,
      .bits = 8,
      .name = "Notice",
      .values = "1 \"click link\" 2 \"put phone on pad\" 3 \"pairing\" 4 \"leave phone there\" 5 \"paired\" "
                "6 \"failed\" 7 \"cancelled\" 8 \"time over\" 9 \"key deleted\" 10 \"no verifiers yet\" "
                "11 \"fob or card key needed\" 12 \"key list follows\" 13 \"take card away\""}},
    {MATRIX_HU_NTF, {.start = 16, .bits = 8, .name = "KeyIndex"}},
    {MATRIX_HU_NTF,
     {.start = 31,
      .bits = 16,
      .name = "Reason",
      .big = true,
      .comment = "Of 'failed': a number of lib/base/err.h."}},
    CABIN_SIGNALS(MATRIX_HU_NTF),
    {MATRIX_SPAAK_STATUS, {.start = 0, .bits = 1, .name = "PairingMode", .values = YES_NO}},
    {MATRIX_SPAAK_STATUS, {.start = 1, .bits = 1, .name = "VerifiersThere", .values = YES_NO}},
    {MATRIX_SPAAK_STATUS, {.start = 2, .bits = 1, .name = "VehicleIdentityThere", .values = YES_NO}},
    {MATRIX_SPAAK_STATUS, {.start = 16, .bits = 8, .name = "ActiveKeys"}},
    CABIN_SIGNALS(MATRIX_SPAAK_STATUS),
    {MATRIX_BCM_STATUS, {.start = 0, .bits = 1, .name = "Ignition", .values = YES_NO}},
    {MATRIX_BCM_STATUS, {.start = 1, .bits = 1, .name = "FobInCar", .values = YES_NO}},
    {MATRIX_BCM_STATUS, {.start = 2, .bits = 1, .name = "DoorsLocked", .values = YES_NO}},
    {MATRIX_BCM_STATUS, {.start = 3, .bits = 1, .name = "EngineRunning", .values = YES_NO}},
    {MATRIX_BCM_STATUS, {.start = 4, .bits = 1, .name = "StartWaiting", .values = YES_NO}},
    {MATRIX_BCM_STATUS,
     {.start = 23,
      .bits = 32,
      .name = "Nonce",
      .big = true,
      .comment = "Another at each start and after each command that was taken."}},
    {MATRIX_BCM_STATUS, {.start = 48, .bits = 8, .name = "CommandsTaken"}},
    CABIN_SIGNALS(MATRIX_BCM_STATUS),
    {MATRIX_SPAAK_BCM_CMD,
     {.start = 0, .bits = 8, .name = "Command", .values = "1 \"unlock\" 2 \"lock\" 3 \"start\""}},
    {MATRIX_SPAAK_BCM_CMD, {.start = 8, .bits = 8, .name = "AliveCounter"}},
    {MATRIX_SPAAK_BCM_CMD, {.start = 23, .bits = 64, .name = "Transaction", .big = true}},
    {MATRIX_SPAAK_BCM_CMD, {.start = 87, .bits = 32, .name = "Nonce", .big = true}},
    {MATRIX_SPAAK_BCM_CMD,
     {.start = 135,
      .bits = 64,
      .name = "Mac",
      .big = true,
      .comment = "AES-128-CMAC over the identifier (2 bytes) and bytes 0 to 15, the first 8 bytes of it."}},
    {MATRIX_SPAAK_BCM_ASK, {.start = 7, .bits = 64, .name = "Challenge", .big = true}},
    {MATRIX_BCM_SPAAK_ANSWER, {.start = 0, .bits = 1, .name = "Ignition", .values = YES_NO}},
    {MATRIX_BCM_SPAAK_ANSWER, {.start = 1, .bits = 1, .name = "FobInCar", .values = YES_NO}},
    {MATRIX_BCM_SPAAK_ANSWER, {.start = 71, .bits = 64, .name = "Challenge", .big = true}},
    {MATRIX_BCM_SPAAK_ANSWER,
     {.start = 135,
      .bits = 64,
      .name = "Mac",
      .big = true,
      .comment = "As of SpaaK_BCM_Cmd, with its own identifier."}},
    READER(MATRIX_WCP_STATUS),
    READER(MATRIX_DOOR_STATUS),
};

/* Calls `each` for every signal of a message. */
static void signals_of(FILE *out, const struct matrix_row *r,
                       void (*each)(FILE *out, const struct matrix_row *r, const struct signal *s))
{
    size_t found = 0;
    for (size_t i = 0; i < COUNT(signals); i++)
        if (matrix_row(signals[i].message) == r) {
            each(out, r, &signals[i].signal);
            found++;
        }
    if (!found)
        each(out, r, r->kind == MATRIX_FRAME ? &bytes_signal : &isotp_signal);
}

static void write_signal(FILE *out, const struct matrix_row *r, const struct signal *s)
{
    unsigned long long max = s->bits == 64 ? ~0ull : (1ull << s->bits) - 1;
    const char *comma = "";
    fprintf(out, " SG_ %s : %u|%u@%d+ (1,0) [0|%llu] \"\" ", s->name, s->start, s->bits, !s->big, max);
    for (unsigned n = 0; n < MATRIX_NODES; n++)
        if (r->receivers & 1u << n) {
            fprintf(out, "%s%s", comma, matrix_node_name((enum matrix_node)(1u << n)));
            comma = ",";
        }
    fputc('\n', out);
}

static void write_message(FILE *out, const struct matrix_row *r)
{
    fprintf(out, "\nBO_ %u %s: %u %s\n", r->id, r->name, r->length, matrix_node_name(r->sender));
    signals_of(out, r, write_signal);
}

static void write_signal_comment(FILE *out, const struct matrix_row *r, const struct signal *s)
{
    if (s->comment)
        fprintf(out, "CM_ SG_ %u %s \"%s\";\n", r->id, s->name, s->comment);
}

/* Others tell a change with their next cyclic frame. */
static bool is_sent_at_once(const struct matrix_row *r)
{
    return r == matrix_row(MATRIX_TBM_STATUS) || r == matrix_row(MATRIX_BCM_STATUS);
}

static void write_comments(FILE *out, const struct matrix_row *r)
{
    const char *classic =
        r->formats == MATRIX_ANY_FORMAT ? " Classic frames too: answers are then classic." : "";
    if (r->kind == MATRIX_ISOTP)
        fprintf(
            out,
            "CM_ BO_ %u \"Carries ISO-TP (ISO 15765-2), messages of up to %u bytes; its frames have up to %u "
            "bytes, flow control and last frames fewer.%s\";\n",
            r->id, r->pdu_max, r->length, classic);
    if (r->kind == MATRIX_SINGLE)
        fprintf(
            out,
            "CM_ BO_ %u \"Single frames of ISO-TP (ISO 15765-2), messages of up to %u bytes to all who hear "
            "them.%s\";\n",
            r->id, r->pdu_max, classic);
    if (r->cycle_ms)
        fprintf(out, "CM_ BO_ %u \"Every %u ms%s.\";\n", r->id, r->cycle_ms,
                is_sent_at_once(r) ? ", and at once when a value changes" : "");
    signals_of(out, r, write_signal_comment);
}

static void write_definitions(FILE *out)
{
    fputs("BA_DEF_ \"BusType\" STRING ;\n"
          "BA_DEF_ BO_ \"GenMsgCycleTime\" INT 0 65535;\n"
          "BA_DEF_ BO_ \"VFrameFormat\" ENUM \"StandardCAN\",\"ExtendedCAN\",\"reserved\",\"reserved\","
          "\"reserved\",\"reserved\",\"reserved\",\"reserved\",\"reserved\",\"reserved\",\"reserved\","
          "\"reserved\",\"reserved\",\"reserved\",\"StandardCAN_FD\",\"ExtendedCAN_FD\";\n"
          "BA_DEF_ BO_ \"Segment\" STRING ;\n"
          "BA_DEF_DEF_ \"BusType\" \"CAN FD\";\n" /* some readers lose values with a space, and take this */
          "BA_DEF_DEF_ \"GenMsgCycleTime\" 0;\nBA_DEF_DEF_ \"VFrameFormat\" \"StandardCAN\";\n"
          "BA_DEF_DEF_ \"Segment\" \"\";\n"
          "BA_ \"BusType\" \"CAN FD\";\n",
          out);
}

static void write_attributes(FILE *out, const struct matrix_row *r)
{
    fprintf(out, "BA_ \"GenMsgCycleTime\" BO_ %u %u;\n", r->id, r->cycle_ms);
    fprintf(out, "BA_ \"VFrameFormat\" BO_ %u %d;\n", r->id, r->formats & MATRIX_FD ? 14 : 0);
    fprintf(out, "BA_ \"Segment\" BO_ %u \"%s\";\n", r->id, segment_name(r->from));
}

static void write_values(FILE *out, const struct matrix_row *r, const struct signal *s)
{
    if (s->values)
        fprintf(out, "VAL_ %u %s %s ;\n", r->id, s->name, s->values);
}

static void each_row(FILE *out, void (*write)(FILE *out, const struct matrix_row *r))
{
    for (size_t m = 0; m < MATRIX_MESSAGES; m++)
        write(out, matrix_row((enum matrix_message)m));
}

void matrix_write_dbc(FILE *out)
{
    fputs("VERSION \"\"\n\nNS_ :\n\nBS_:\n\nBU_:", out);
    for (unsigned n = 0; n < MATRIX_NODES; n++)
        fprintf(out, " %s", matrix_node_name((enum matrix_node)(1u << n)));
    fputc('\n', out);
    each_row(out, write_message);
    fputc('\n', out);
    each_row(out, write_comments);
    write_definitions(out);
    each_row(out, write_attributes);
    for (size_t m = 0; m < MATRIX_MESSAGES; m++)
        signals_of(out, matrix_row((enum matrix_message)m), write_values);
}
