/* What a component said against what the record says it said: the fields in which they differ, and whether a
 * new random number explains it.
 *
 * Random numbers are points and nonces that each run draws anew; a point must be one on the curve to count as
 * such. What follows from them (evidence, cryptograms, signatures, ciphertexts, MACs) is explained only when
 * one of them has differed before. Once the record goes on with what follows from its own numbers, the
 * component must refuse it: from there nothing can be compared (`beyond`). Where the record is said to be of
 * the very seed, nothing is explained. */
#ifndef sim_replay_compare_h
#define sim_replay_compare_h

#include "lib/can/frame.h"
#include "lib/can/matrix.h"
#include "lib/crypto/p256.h"

#define COMPARE_TEXT    400
#define COMPARE_READERS 8
#define COMPARE_STREAMS 64
#define COMPARE_PDU     4200 /* longer ISO-TP messages are compared frame by frame */

enum compare_result { COMPARE_SAME, COMPARE_EXPLAINED, COMPARE_DIFFERENT };

/* One ISO-TP message while its frames come. */
struct compare_pdu {
    size_t len, have;
    uint8_t bytes[COMPARE_PDU];
};

struct compare_talk { /* with the cards of a reader */
    char reader[17];
    uint8_t cla, ins; /* of the last command; GET RESPONSE leaves them */
};

struct compare_stream { /* frames of an identifier on a bus */
    char bus[17];
    uint32_t id;
    bool differs; /* a frame of the message under way */
    struct compare_pdu recorded, got;
};

struct compare {
    struct crypto *crypto; /* for points; the caller's */
    bool exact;            /* nothing is explained */
    bool roots;            /* a random number has differed */
    bool keys;             /* the identity of a key has, in a list of keys */
    bool beyond;
    char why[COMPARE_TEXT]; /* beyond: since when, and why */
    struct compare_talk talks[COMPARE_READERS];
    struct compare_stream *streams[COMPARE_STREAMS];
    size_t stream_count;
};

/* *c is zeroed, crypto and exact are set. */
void compare_free(struct compare *c);

/* Each writes into out a sentence on the fields when they are not the same. */
enum compare_result compare_apdu(struct compare *c, const char *reader, bool command, struct span recorded,
                                 struct span got, char out[COMPARE_TEXT]);
enum compare_result compare_frame(struct compare *c, const char *bus, const struct bus_frame *recorded,
                                  const struct bus_frame *got, char out[COMPARE_TEXT]);
/* An SDU of Bluetooth LE that `who` has sent; what he has told his radio. */
enum compare_result compare_sdu(struct compare *c, const char *who, struct span recorded, struct span got,
                                char out[COMPARE_TEXT]);
enum compare_result compare_words(struct compare *c, const char *recorded, const char *got,
                                  char out[COMPARE_TEXT]);
/* But for an alive counter, a checksum and what else is drawn anew, are these frames the same? */
bool compare_frames_alike(const struct bus_frame *a, const struct bus_frame *b);

/* Of what is played from the record: sets `beyond` when it follows from the record's own random numbers. */
void compare_played_apdu(struct compare *c, const char *reader, bool command, struct span played);
void compare_played_frame(struct compare *c, const char *bus, const struct bus_frame *played);
/* To whom it comes. */
void compare_played_sdu(struct compare *c, const char *who, struct span played);
void compare_played_news(struct compare *c, const char *words);

/* What it is, for people: "answer to SPAKE2+ VERIFY", "WCP_Status on body". */
void compare_name_apdu(struct compare *c, const char *reader, bool command, struct span apdu,
                       char out[COMPARE_TEXT]);
void compare_name_sdu(struct compare *c, const char *who, struct span sdu, char out[COMPARE_TEXT]);
void compare_name_words(bool news, const char *words, char out[COMPARE_TEXT]);
void compare_name_frame(const char *bus, const struct bus_frame *f, char out[COMPARE_TEXT]);

/* signals.c: the fields of a frame, as `spaaksim dbc` has them. The first in which two of the same row differ
 * and that `pass` does not let pass; false: none. Values are numbers. */
struct signal_difference {
    char name[40];
    uint64_t a, b;
};
bool signals_differ(const struct bus_frame *a, const struct bus_frame *b, bool (*pass)(const char *name),
                    struct signal_difference *out);

/* Inside: shared by compare_apdu.c, compare_air.c, compare_frame.c and compare_message.c. */
enum compare_result compare_say(char out[COMPARE_TEXT], enum compare_result result, const char *what,
                                struct span a, struct span b);
enum compare_result compare_explain(char out[COMPARE_TEXT], const char *what, const char *why);
enum compare_result compare_fields(struct compare *c, struct compare_talk *t, bool command,
                                   struct span recorded, struct span got, char out[COMPARE_TEXT]);
enum compare_result compare_message(struct compare *c, const struct matrix_row *row, struct span recorded,
                                    struct span got, char out[COMPARE_TEXT]);
void compare_played_message(struct compare *c, const struct matrix_row *row, struct span played);
struct compare_talk *compare_talk_of(struct compare *c, const char *reader);
void compare_hear(struct compare_talk *t, bool command, struct span apdu);
void compare_end(struct compare *c, const char *why);
bool compare_follows(const struct compare_talk *t, bool command, struct span apdu);

#endif
