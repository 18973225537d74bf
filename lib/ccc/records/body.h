/* Inside lib/ccc/records: a body between our structures and protobuf-c's messages. protobuf-c gets all its
 * memory from an arena of the caller's. */
#ifndef lib_ccc_records_body_h
#define lib_ccc_records_body_h

#include "lib/ccc/mailbox.h"
#include "lib/ccc/op_message.h"
#include "lib/ccc/records/envelope.h"
#include "proto/dk_records.pb-c.h"

/* Over a buffer of the caller's; freed as a whole. */
struct body_arena {
    ProtobufCAllocator allocator;
    uint8_t *buf;
    size_t cap, used;
};
void body_arena_open(struct body_arena *a, void *buf, size_t cap);
void body_arena_wipe(struct body_arena *a);

/* Packs the message into an envelope. ERR_NO_SPACE: nothing was written. */
enum err body_seal(struct crypto *c, const struct envelope *e, const ProtobufCMessage *m, uint8_t *out,
                   size_t cap, size_t *len);
/* NULL when it is no such message or more than the arena holds. */
ProtobufCMessage *body_unpack(struct body_arena *a, const ProtobufCMessageDescriptor *of, struct span body);
/* The message is written as these very bytes. */
bool body_is(const ProtobufCMessage *m, struct span body);

/* Writing: borrowed, protobuf-c only reads what is packed. */
ProtobufCBinaryData body_bytes(const void *p, size_t len);
char *body_text(const char *s);
size_t body_versions(const struct op_versions *v, uint32_t out[OP_VERSIONS]);
struct body_key {
    Dk__V1__KeyPair pair;
    uint8_t public_key[P256_POINT], private_key[P256_SCALAR]; /* secret */
};
/* NULL: no key. */
void body_key_of(const struct p256_key *k, struct body_key *out);
/* The same when the public key is at hand: a key that was just made is slow to tell its own. */
void body_key_with_public(const struct p256_key *k, const uint8_t public_key[P256_POINT],
                          struct body_key *out);
void body_map_of(const struct mailbox_map *map, Dk__V1__KeyRecord__Map *out);

/* Reading: false when it does not fit. */
bool body_read_exact(const ProtobufCBinaryData *b, void *out, size_t len);
bool body_read_up_to(const ProtobufCBinaryData *b, void *out, size_t cap, size_t *len);
bool body_read_text(const char *s, char *out, size_t cap);
bool body_read_u8(uint32_t v, uint8_t *out);
bool body_read_u16(uint32_t v, uint16_t *out);
/* Kpersistent and the like: there or not. */
bool body_read_optional(const ProtobufCBinaryData *b, uint8_t *out, size_t len, bool *has);
/* NULL does not fit. The order of the areas is not looked at. */
bool body_read_map(const Dk__V1__KeyRecord__Map *m, struct mailbox_map *out);
bool body_read_versions(size_t n, const uint32_t *v, struct op_versions *out);
/* *out is NULL when there is none. ERR_RECORD_TORN, ERR_CRYPTO_FAILED. */
enum err body_read_key(struct crypto *c, const Dk__V1__KeyPair *pair, struct p256_key **out);
/* What is wrong with a record's content is that the record is torn. */
enum err body_reason(enum err e);

#endif
