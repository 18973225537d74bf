/* Bluetooth LE is played at the edge of a component: its radio is taken away, what the record says that it
 * heard is told to it, and what it tells goes nowhere. Keys are in no record. A pairing's are made up here,
 * since nobody else needs them: the link is played, too. Out-of-band data are drawn as the radio would draw
 * them, so that with a seed they are those of the record. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crypto/smp.h"
#include "lib/host/twin.h"
#include "lib/media/ble/parts.h"
#include "sim/replay/player.h"

#define DRAWS   64 /* of a radio, before out-of-band data, at most: nonces of links and pairings */
#define RENAMES 32

struct radio {
    struct player *player;
    size_t member;
    const struct twin *twin; /* that it has else */
    void *link;
    unsigned draws;
};

struct player_air {
    struct ble_device device; /* draws out-of-band data */
    struct radio radios[SCENARIO_MEMBERS];
    size_t next;  /* of the turns: what is still to be told */
    struct bond { /* made up: the other end has this identity key */
        char other[ENV_NAME_MAX];
        uint8_t irk[SMP_KEY];
    } bonds[SCENARIO_MEMBERS];
    struct rename { /* a private address that only such a key can have made */
        char recorded[BLE_ADDRESS_TEXT], now[BLE_ADDRESS_TEXT];
    } renames[RENAMES];
    size_t rename_count;
};

/* ---- a radio that is played ---- */

static void radio_connect(struct virtual_port *port)
{
    virtual_link(port, LINK_UP);
}

static void radio_disconnect(struct virtual_port *port)
{
    (void)port;
}

static void radio_detach(struct virtual_port *port)
{
    const struct radio *r = port->link;
    port->twin = r->twin;
    port->link = r->link;
    port->twin->detach(port);
}

/* The next that the record has of him; NULL: nothing more. */
static const struct record_item *next_of(const struct virtual_port *port, bool words)
{
    const struct radio *r = port->link;
    const struct player *p = r->player;
    size_t at = player_next_air(p, p->scenario->members[r->member].name, words);
    return at < p->record->count ? &p->record->items[at] : NULL;
}

/* What a radio does not take any more, it did not take in the record either. */
static enum err radio_send(struct virtual_port *port, const char *address, struct span bytes)
{
    const struct record_item *i = next_of(port, false);
    (void)address;
    (void)bytes;
    return i ? i->refused : ERR_OK;
}

static size_t verb_len(const char *words)
{
    return strcspn(words, " ");
}

static enum err radio_tell(struct virtual_port *port, const char *address, const char *words)
{
    const struct record_item *i = next_of(port, true);
    (void)address;
    bool same = i && verb_len(i->words) == verb_len(words) && strncmp(i->words, words, verb_len(words)) == 0;
    return same ? i->refused : ERR_OK;
}

static enum err radio_radio(struct virtual_port *port, const char *name, const char *text)
{
    (void)port;
    (void)name;
    (void)text;
    return ERR_OK;
}

static const struct twin played = {
    .medium = &medium_ble,
    .connect = radio_connect,
    .disconnect = radio_disconnect,
    .detach = radio_detach,
    .send = radio_send,
    .tell = radio_tell,
    .radio = radio_radio,
};

static struct virtual_port *port_of(const struct player *p, size_t member)
{
    unsigned port = 0;
    whose_radio(&p->scenario->members[member], &port);
    return virtual_port(virtual_find(p->v, p->scenario->members[member].name), port);
}

void air_begin(struct player *p)
{
    for (size_t i = 0; i < p->scenario->member_count; i++) {
        if (!whose_is_on_air(p, i))
            continue;
        if (!p->air && !(p->air = calloc(1, sizeof *p->air)))
            abort();
        struct virtual_port *port = port_of(p, i);
        p->air->radios[i] = (struct radio){.player = p, .member = i, .twin = port->twin, .link = port->link};
        port->twin = &played;
        port->link = &p->air->radios[i];
    }
}

/* ---- addresses ---- */

static const char *renamed(const struct player_air *a, const char *recorded)
{
    for (size_t i = 0; i < a->rename_count; i++)
        if (strcmp(a->renames[i].recorded, recorded) == 0)
            return a->renames[i].now;
    return recorded;
}

const char *air_recorded(const struct player *p, const char *address)
{
    for (size_t i = 0; p->air && i < p->air->rename_count; i++)
        if (strcmp(p->air->renames[i].now, address) == 0)
            return p->air->renames[i].recorded;
    return address;
}

/* Whose identity key was made up comes back by an address of that key. */
static void rename_link(struct player *p, const struct record_item *i)
{
    struct player_air *a = p->air;
    struct ble_address made = {.random = true};
    for (size_t k = 0; k < SCENARIO_MEMBERS; k++) {
        const struct bond *b = &a->bonds[k];
        if (strcmp(b->other, i->what) != 0 || a->rename_count == RENAMES ||
            strcmp(renamed(a, i->address), i->address) != 0 ||
            smp_private_address(p->compare.crypto, b->irk, made.octets))
            continue;
        struct rename *r = &a->renames[a->rename_count++];
        text_copy(r->recorded, sizeof r->recorded, i->address);
        ble_address_write(&made, r->now);
        return;
    }
}

static void keep_bond(struct player_air *a, const char *other, const uint8_t irk[SMP_KEY])
{
    size_t k = 0;
    while (k < SCENARIO_MEMBERS - 1 && a->bonds[k].other[0] && strcmp(a->bonds[k].other, other) != 0)
        k++;
    text_copy(a->bonds[k].other, sizeof a->bonds[k].other, other);
    memcpy(a->bonds[k].irk, irk, SMP_KEY);
}

/* ---- news ---- */

static bool is(const struct record_item *i, const char *verb)
{
    return verb_len(i->words) == strlen(verb) && strncmp(i->words, verb, strlen(verb)) == 0;
}

/* The next draw whose confirm value is the record's; of another seed, the next. */
static bool draw(struct player *p, struct radio *r, const struct ble_said *recorded, struct ble_keys *keys)
{
    char stream[ENV_NAME_MAX + 24];
    struct ble_device *d = &p->air->device;
    for (unsigned n = 1; n <= DRAWS; n++) {
        snprintf(stream, sizeof stream, BLE_STREAM, p->scenario->members[r->member].name, r->draws + n);
        d->crypto = virtual_crypto(p->v, stream);
        ble_keys_clear(keys);
        if (ble_keys_make(d, keys) == ERR_OK &&
            (!p->compare.exact || memcmp(keys->confirm, recorded->confirm, BLE_KEY) == 0)) {
            r->draws += n;
            return true;
        }
    }
    return false;
}

static void tell_oob(struct player *p, const struct player_turn *t, const char *words)
{
    struct radio *r = &p->air->radios[t->member];
    struct ble_keys keys = {.key = NULL};
    struct ble_said said;
    enum ble_news verb;
    char now[BLE_WORDS];
    if (ble_news_read(words, &verb, &said))
        return;
    if (!draw(p, r, &said, &keys))
        player_find(p, COMPARE_DIFFERENT, t->item, "hears oob",
                    "confirm value: that of the record is not of this seed");
    p->compare.roots |= !p->compare.exact && memcmp(keys.confirm, said.confirm, BLE_KEY) != 0;
    memcpy(said.confirm, keys.confirm, BLE_KEY);
    memcpy(said.key, keys.random, BLE_KEY);
    ble_keys_clear(&keys);
    ble_news_write(BLE_NEWS_OOB, &said, now);
    virtual_news(port_of(p, t->member), "", now);
    OPENSSL_cleanse(&said, sizeof said);
    OPENSSL_cleanse(now, sizeof now);
}

static void tell_news(struct player *p, const struct player_turn *t)
{
    const struct record_item *i = &p->record->items[t->item];
    struct virtual_port *port = port_of(p, t->member);
    uint8_t key[BLE_KEY];
    char words[BLE_WORDS];
    crypto_random(p->compare.crypto, key, sizeof key);
    if (ble_words_fill(i->words, true, key, words))
        return; /* checked when it was read */
    if (is(i, "oob")) {
        tell_oob(p, t, words);
        return;
    }
    if (is(i, "new-irk"))
        keep_bond(p->air, i->what, key);
    if (is(i, "up") && virtual_port_spec(port)->end == PORT_LISTENS)
        rename_link(p, i);
    virtual_news(port, renamed(p->air, i->address), words);
}

/* ---- playing ---- */

static bool is_of_air(const struct player_turn *t)
{
    return t->deed == DEED_SDU || t->deed == DEED_NEWS;
}

/* An event of its own: somebody under test may be about something else now. */
static void tell_next(void *ctx)
{
    struct player *p = ctx;
    struct player_air *a = p->air;
    while (!is_of_air(&p->turns[a->next]))
        a->next++;
    const struct player_turn *t = &p->turns[a->next++];
    const struct record_item *i = &p->record->items[t->item];
    if (t->deed == DEED_NEWS)
        tell_news(p, t);
    else
        virtual_bytes(port_of(p, t->member), renamed(a, i->address), i->bytes);
}

void air_play(struct player *p, const struct player_turn *t)
{
    (void)t; /* in turn */
    virtual_at(p->v, virtual_now_us(p->v), tell_next, p);
}
