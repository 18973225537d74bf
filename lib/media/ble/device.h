/* A device of Bluetooth LE without I/O: one adapter with all its links, the same code at both ends and in
 * both worlds (ble_link.c, virtual_ble.c). What it is told comes in by words and SDUs, what others send by
 * frames; it never calls the component but from ble_device_run, and draws randomness only there and in
 * ble_device_take.
 *
 * An air is the way to one other device, there as long as both adapters are on; the peripheral's end keeps
 * it: distance, losses, delay and silence act there, on frames of both directions. */
#ifndef lib_media_ble_device_h
#define lib_media_ble_device_h

#include "lib/ble/words.h"
#include "lib/crypto/smp.h"
#include "lib/media/ble/ble.h"
#include "lib/media/ble/frames.h"
#include "lib/media/ble/radio.h"

#define BLE_NEVER UINT64_MAX

/* The stream of the nth draw of somebody's radio in virtual time: name, n from 1. */
#define BLE_STREAM "ble %s %u"

struct ble_device_hooks {
    void *ctx;
    void (*news)(void *ctx, const char *address, const char *news);
    void (*bytes)(void *ctx, const char *address, struct span bytes);
    /* Whole frames for the other end of an air; the bytes are borrowed. */
    void (*put)(void *ctx, unsigned air, struct span frame);
    uint64_t (*now_us)(void *ctx);
    void (*before_random)(void *ctx); /* NULL: nothing to do */
};

/* ---- parts of a device; who uses one needs none of it ---- */

struct ble_upcall { /* what the component is to hear */
    struct ble_upcall *next;
    bool is_bytes;
    char address[BLE_ADDRESS_TEXT];
    size_t len;
    uint8_t data[];
};

struct ble_packet { /* a frame on its way, or what waits behind encryption */
    struct ble_packet *next;
    uint64_t due_us;
    size_t len;
    uint8_t bytes[];
};

struct ble_queue {
    struct ble_packet *first, **last; /* last NULL: empty */
    size_t count;
};

struct ble_oob { /* another's data */
    bool used;
    struct ble_address of;
    uint8_t confirm[BLE_KEY], random[BLE_KEY];
};

struct ble_attribute {
    struct ble_uuid uuid;
    bool encrypted;
    uint8_t value[BLE_VALUE_MAX];
    size_t len;
};

struct ble_keys {              /* one's own for one pairing */
    struct p256_key *key;      /* NULL: none */
    uint8_t point[P256_POINT]; /* its public half */
    uint8_t random[BLE_KEY], confirm[BLE_KEY];
};

enum ble_pairing_state {
    PAIRING_NONE,
    PAIRING_RESPONSE, /* central: asked, the answer is to come */
    PAIRING_KEY,      /* the other's public key is to come */
    PAIRING_RANDOM,   /* its nonce */
    PAIRING_CHECK,    /* its DHKey check */
    PAIRING_ENCRYPT,  /* done but for the encryption */
    PAIRING_IDENTITY, /* encrypted; its IRK is to come */
    PAIRING_ADDRESS,  /* its identity address */
    PAIRING_STATES
};

struct ble_pairing {
    enum ble_pairing_state state;
    uint64_t due_us;
    struct ble_keys own;
    bool has_data, other_has; /* the other's data are here; ours are there, by its word */
    uint8_t other_confirm[BLE_KEY], other_random[BLE_KEY];
    uint8_t own_io[SMP_IO], other_io[SMP_IO];
    bool gives, takes; /* identities */
    uint8_t other_key[P256_POINT], dh[SMP_X], own_nonce[BLE_KEY], other_nonce[BLE_KEY];
    uint8_t mac_key[BLE_KEY], ltk[BLE_KEY], irk[BLE_KEY];
};

enum ble_cipher_state {
    CIPHER_OFF,
    CIPHER_TO_ASK,    /* central: has a key */
    CIPHER_ASKED,     /* central: LL_ENC_REQ sent */
    CIPHER_ANSWERED,  /* central: LL_ENC_RSP came */
    CIPHER_KEY,       /* peripheral: asked, the component's key is to come */
    CIPHER_TO_ANSWER, /* peripheral: has a key */
    CIPHER_STARTING,  /* LL_START_ENC_RSP is to come */
    CIPHER_ON,
    CIPHER_STATES
};

struct ble_cipher {
    enum ble_cipher_state state;
    uint64_t due_us;
    uint8_t ltk[BLE_KEY], key[SMP_KEY], skd[SMP_KEY], iv[8];
    bool seals, opens;       /* what is sent, what comes */
    uint64_t sealed, opened; /* packets */
};

enum ble_channel_state { CHANNEL_CLOSED, CHANNEL_OPENING, CHANNEL_OPEN, CHANNEL_CLOSING, CHANNEL_STATES };

struct ble_channel {
    enum ble_channel_state state;
    uint16_t spsm, own_mtu, mtu, mps; /* mtu and mps: what the other end takes */
    uint16_t other_cid;
    uint16_t credits; /* that we have; the other end gets one back for each PDU */
    struct ble_queue sdus;
    size_t sent; /* of the first of them, with its length */
    uint8_t in[BLE_MTU_MAX];
    size_t in_len, in_whole;
    bool in_begun;
};

enum ble_link_state { BLE_UNLINKED, BLE_CALLING, BLE_LINKED, BLE_LINK_STATES };

struct ble_link {
    enum ble_link_state state;
    uint8_t number;
    struct ble_address own, other;
    uint64_t due_us; /* of a call */
    bool reading;
    struct ble_uuid read;
    struct ble_channel channel;
    struct ble_pairing pairing;
    struct ble_cipher cipher;
    struct ble_queue held; /* PDUs that wait for the encryption */
};

struct ble_air {
    struct ble_device *device;
    bool there, listens; /* peripheral: the central scans */
    bool unsaid;         /* central: it scans, and has not said so here */
    char name[ENV_NAME_MAX];
    struct ble_radio radio;
    struct ble_queue out, in; /* peripheral: frames on their way */
    uint64_t out_us, in_us;   /* when the last of them is there */
    uint64_t silent_us;       /* since then nothing gets through; BLE_NEVER: all does */
    bool told_lost;           /* silent for so long that the other end was told */
    bool crowded;             /* more was to be on its way than there is room for: the link is lost */
    uint64_t connect_us;      /* the next link is there not before */
    bool heard;               /* central: an advertisement, of this device */
    struct ble_address advertiser;
    struct ble_link link;
};

/* What the scenario says of the way to one other, kept over airs. */
struct ble_place {
    char name[ENV_NAME_MAX]; /* "" free */
    struct ble_radio radio;
};

struct ble_device {
    bool central, scans, advertises, oob_wanted;
    struct ble_device_hooks hooks;
    struct crypto *crypto;
    struct ble_address address; /* advertised */
    uint8_t ad[BLE_AD_MAX];
    size_t ad_len;
    struct ble_attribute attributes[BLE_ATTRIBUTES];
    size_t attribute_count;
    uint16_t spsm, mtu; /* 0: no channels are taken */
    bool has_identity;
    struct ble_address identity;
    uint8_t irk[BLE_KEY];
    struct ble_keys keys;
    struct ble_oob oobs[BLE_OOBS];
    struct ble_air airs[BLE_AIRS];
    struct ble_place places[BLE_AIRS];
    struct ble_upcall *upcalls, **last_upcall;
};

/* ---- what links and twins call ---- */

/* The crypto context stays the caller's. */
void ble_device_init(struct ble_device *d, bool central, struct crypto *crypto,
                     const struct ble_device_hooks *hooks);
/* The adapter goes off: all airs, all that it was told and all that was to be heard are gone, secrets wiped.
 * What the scenario has set of the way stays. Also frees a device. */
void ble_device_reset(struct ble_device *d);

enum err ble_device_tell(struct ble_device *d, const char *address, const char *words);
enum err ble_device_send(struct ble_device *d, const char *address, struct span bytes);
/* The way to the other of that name is so, also when it comes later. ERR_BAD_ARGUMENT. */
enum err ble_device_radio(struct ble_device *d, const char *name, const char *text);

/* An air is there, its other end is so called; ERR_LINK_CROWDED. */
enum err ble_device_join(struct ble_device *d, const char *name, unsigned *air);
/* It is gone, and with it the link. */
void ble_device_part(struct ble_device *d, unsigned air);
/* A whole frame has come. An error: it was none that may come so, and the air is to be ended. */
enum err ble_device_take(struct ble_device *d, unsigned air, struct span frame);

/* When to call ble_device_run next; BLE_NEVER. */
uint64_t ble_device_due_us(const struct ble_device *d);
/* Does all that is due and tells the component; may be reset from inside. */
void ble_device_run(struct ble_device *d);

#endif
