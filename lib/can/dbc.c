/* The message matrix as a DBC file. DBC names receivers on signals only, so every message has one: ISO-TP's
 * frame type, or the bytes of a frame whose layout is not settled. */
#include <string.h>

#include "lib/can/matrix.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct signal {
    uint16_t start, bits; /* little-endian (Intel) numbering */
    const char *name;
    const char *values;  /* value table, or NULL */
    const char *comment; /* or NULL */
};

static const struct signal isotp_signal = {
    4, 4, "IsoTpFrame", "0 \"single\" 1 \"first\" 2 \"consecutive\" 3 \"flow control\"",
    "High nibble of the first byte (ISO 15765-2): which frame of a message this is."};

static const struct signal bytes_signal = {0, 64, "Bytes", NULL, NULL};

/* Alive counter and checksum of a message of 8 bytes. */
#define SECURED(m)                                                                                        \
    {m, {8, 4, "AliveCounter", NULL, "One more in each message, 0 after 15."}},                           \
    {                                                                                                     \
        m,                                                                                                \
        {                                                                                                 \
            56, 8, "Checksum", NULL,                                                                      \
                "XOR of the identifier's two bytes, of the seven bytes before this one, and of A5 (hex)." \
        }                                                                                                 \
    }
#define READER(m)                                           \
    {m, {0, 1, "ReaderWorks", "0 \"no\" 1 \"yes\"", NULL}}, \
        {m, {1, 1, "FieldOn", "0 \"no\" 1 \"yes\"", NULL}}, \
        {m, {2, 1, "CardSelected", "0 \"no\" 1 \"yes\"", NULL}}, SECURED(m)

static const struct {
    enum matrix_message message;
    struct signal signal;
} signals[] = {
    {MATRIX_TBM_STATUS, {0, 1, "GsdpConnected", "0 \"no\" 1 \"yes\"", NULL}},
    {MATRIX_TBM_STATUS, {1, 1, "SpaakTopicSubscribed", "0 \"no\" 1 \"yes\"", NULL}},
    SECURED(MATRIX_TBM_STATUS),
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
    fprintf(out, " SG_ %s : %u|%u@1+ (1,0) [0|%llu] \"\" ", s->name, s->start, s->bits, max);
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
        fprintf(out, "CM_ BO_ %u \"Every %u ms, and at once when a value changes.\";\n", r->id, r->cycle_ms);
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
