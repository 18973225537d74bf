/* Frames from a stranger to a device of Bluetooth LE, in both roles: steps of one byte and a frame, which is
 * sent as it is, a piece of what comes on a socket, or a word of its component. Another device stands at the
 * other end, so that pairings and encryption are reached; frames in between are the stranger's. */
#include <string.h>

#include "lib/media/ble/stream.h"
#include "tests/fuzz_targets.h"

#define TURNS 200
#define PIECE 0x22 /* a step: of what comes to a peripheral's socket; the next one, to a central's */

static struct both {
    struct ble_device devices[2]; /* peripheral, central */
    uint64_t now_us;
    struct {
        uint8_t to;
        size_t len;
        uint8_t bytes[BLE_HEADER + BLE_FRAME_MAX];
    } frames[64];
    struct ble_stream streams[2];
    size_t first, count;
    bool gone;
} both;

static void on_news(void *ctx, const char *address, const char *news)
{
    enum ble_news verb;
    struct ble_said said;
    char again[BLE_WORDS];
    struct ble_address a;
    (void)ctx;
    MUST(!*address || ble_address_read(address, &a) == ERR_OK);
    MUST(ble_news_read(news, &verb, &said) == ERR_OK);
    ble_news_write(verb, &said, again);
    MUST(strcmp(again, news) == 0);
}

static void on_bytes(void *ctx, const char *address, struct span bytes)
{
    const struct ble_device *d = ctx;
    (void)address;
    MUST(bytes.len <= BLE_MTU_MAX && (d->central || bytes.len <= d->mtu));
}

static void on_put(void *ctx, unsigned air, struct span frame)
{
    (void)air;
    MUST(frame.len >= BLE_HEADER && frame.len <= sizeof both.frames[0].bytes);
    if (both.count == 64)
        return;
    size_t at = (both.first + both.count++) % 64;
    both.frames[at].to = ctx == &both.devices[0];
    both.frames[at].len = frame.len;
    memcpy(both.frames[at].bytes, frame.p, frame.len);
}

static uint64_t on_now(void *ctx)
{
    (void)ctx;
    return both.now_us;
}

static void take(unsigned device, struct span frame)
{
    if (!both.gone && ble_device_take(&both.devices[device], 0, frame) != ERR_OK)
        both.gone = true;
}

/* Until nobody has anything to say. */
static void pump(void)
{
    for (unsigned turn = 0; turn < TURNS && !both.gone; turn++) {
        ble_device_run(&both.devices[0]);
        ble_device_run(&both.devices[1]);
        if (both.count == 0)
            return;
        size_t at = both.first;
        both.first = (both.first + 1) % 64;
        both.count--;
        take(both.frames[at].to, span_of(both.frames[at].bytes, both.frames[at].len));
    }
}

static void tell(unsigned device, const char *address, const char *words)
{
    (void)!ble_device_tell(&both.devices[device], address, words);
    pump();
}

#define V "00AA01000001/public"
#define P "4A1122334455/random"

static void begin(void)
{
    struct crypto *c = fuzz_crypto();
    unsigned air;
    both = (struct both){.now_us = 1};
    for (unsigned i = 0; i < 2; i++) {
        const struct ble_device_hooks hooks = {&both.devices[i], on_news, on_bytes, on_put, on_now, NULL};
        ble_device_init(&both.devices[i], i == 1, c, &hooks);
        MUST(ble_device_join(&both.devices[i], "other", &air) == ERR_OK && air == 0);
    }
    tell(0, "", "advertise " V " 0303F5FF");
    tell(0, "", "attribute FFF5 open 0080");
    tell(0, "", "listen 0080 512");
    tell(1, "", "identity F0F1F2F3F4F5/public 000102030405060708090A0B0C0D0E0F");
    tell(0, "", "oob-of " P " 000102030405060708090A0B0C0D0E0F 000102030405060708090A0B0C0D0E0F");
    tell(1, "", "scan");
}

static const struct {
    unsigned device;
    const char *address, *words;
} words[] = {
    {1, V, "connect " P},
    {1, V, "open 0080 512"},
    {1, V, "pair"},
    {0, "", "forget-oob " P},
    {1, "", "oob-of " V " 000102030405060708090A0B0C0D0E0F 000102030405060708090A0B0C0D0E0F"},
    {1, V, "encrypt 000102030405060708090A0B0C0D0E0F"},
    {0, P, "encrypt 000102030405060708090A0B0C0D0E0F"},
    {0, P, "no-key"},
    {1, V, "read FFF5"},
    {0, P, "disconnect 13"},
    {1, V, "disconnect 13"},
    {1, V, "close-channel"},
};
#define WORDS (sizeof words / sizeof words[0])

/* As it is read from a socket: so much as there is room for, and again. */
static void flow(unsigned device, struct span piece)
{
    struct ble_stream *s = &both.streams[device];
    while (piece.len && !both.gone) {
        size_t room = sizeof s->bytes - s->len, len = piece.len < room ? piece.len : room;
        MUST(room > 0 && ble_greeting_len(piece) >= BLE_HEADER);
        memcpy(s->bytes + s->len, piece.p, len);
        s->len += len;
        both.gone = ble_stream_take(s, &both.devices[device], 0) != ERR_OK;
        piece = span_of(piece.p + len, piece.len - len);
        pump();
    }
}

static void step(uint8_t what, struct span frame)
{
    static const uint8_t sdu[300];
    if (what < 2)
        take(what, frame);
    else if (what - 2u < WORDS)
        tell(words[what - 2].device, words[what - 2].address, words[what - 2].words);
    else if (what == 0x20)
        (void)!ble_device_send(&both.devices[1], V, span_of(sdu, sizeof sdu));
    else if (what == 0x21)
        both.now_us += 3000000;
    else if (what == PIECE || what == PIECE + 1)
        flow(what - PIECE, frame);
    pump();
}

void fuzz_ble(const uint8_t *p, size_t len)
{
    struct rd r = rd_of(p, len);
    begin();
    for (unsigned i = 0; i < 64 && r.left && !both.gone; i++) {
        uint8_t what = rd_u8(&r);
        size_t frame_len = what < 2 || what == PIECE || what == PIECE + 1 ? rd_u8(&r) : 0;
        struct span frame = rd_span(&r, frame_len < r.left ? frame_len : r.left);
        step(what, frame);
    }
    for (unsigned i = 0; i < 2; i++) {
        ble_device_part(&both.devices[i], 0);
        ble_device_run(&both.devices[i]);
        ble_device_reset(&both.devices[i]);
        MUST(ble_device_due_us(&both.devices[i]) == BLE_NEVER);
    }
}

void fuzz_ble_seeds(fuzz_emit *emit, void *arg)
{
    static const uint8_t pairs[] = {2, 3, 4, 0x20, 10, 12, 2, 7, 8, 3, 0x20, 13, 0x21};
    static const uint8_t no_key[] = {2, 3, 7, 9, 0x20, 11, 2, 6, 4};
    static const uint8_t listens[] = {2, 0, 4, BLE_LISTEN, 0, 1, 1};
    static const uint8_t data[] = {2,    3,    1, 14,   BLE_DATA, 0,    11,   1,    6,    0,   5,
                                   0x00, 0x16, 1, 0x02, 0x00,     0x40, 0x00, 0x0A, 0x00, 0x20};
    static const uint8_t pieces[] = {2, PIECE, 5, BLE_LISTEN, 0,     1, 1, BLE_LISTEN, PIECE,
                                     3, 0,     1, 0,          PIECE, 3, 9, 1,          2};
    emit(arg, pieces, sizeof pieces);
    emit(arg, pairs, sizeof pairs);
    emit(arg, no_key, sizeof no_key);
    emit(arg, listens, sizeof listens);
    emit(arg, data, sizeof data);
}
