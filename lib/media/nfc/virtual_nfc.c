/* NFC in virtual time: 106 kbit/s both ways. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/twin.h"
#include "lib/media/media.h"
#include "lib/media/nfc/nfc.h"

#define NS_PER_BYTE 84906u /* 9 bits at 106 kbit/s */
#define FRAME_US    300u   /* around each frame */

struct reader {
    struct virtual_port *port;
    bool field;
    uint32_t changes; /* of the field: what was told before one is void */
    unsigned cards_seen;
};

/* An asking port's end. */
struct card {
    struct virtual_port *port;
    struct reader *reader; /* before which it is, taken or not yet; NULL: nowhere */
    unsigned number;       /* at the reader */
    uint32_t visit;        /* counts comings and goings */
    uint32_t power;        /* and changes of the field: what was in the air before is void */
    bool here;             /* the reader has been told since the field is on */
    bool awaited;          /* a command has left the reader, its answer has not come */
    bool asked;            /* a command has come, its answer has not left */
};

/* What is in the air. */
struct air {
    struct card *card;
    uint32_t power;
    bool to_card;
    size_t len;
    uint8_t bytes[];
};

static void address_of(const struct card *c, char out[NFC_ADDRESS])
{
    snprintf(out, NFC_ADDRESS, "card%u", c->number);
}

/* The asking port that is the next card before the reader; NULL after the last. */
static struct card *next_card(struct reader *r, struct card *after)
{
    struct virtual *v = virtual_of(r->port);
    bool passed = !after;
    for (struct virtual_node *n = virtual_next(v, NULL); n; n = virtual_next(v, n))
        for (unsigned i = 0; i < virtual_class(n)->port_count; i++) {
            struct virtual_port *p = virtual_port(n, i);
            struct card *c = p->twin == &twin_nfc && virtual_port_spec(p)->end == PORT_ASKS ? p->link : NULL;
            if (c && passed && c->reader == r)
                return c;
            passed |= c && c == after;
        }
    return NULL;
}

static void later(struct card *c, void (*run)(struct virtual *, void *, uint64_t), uint32_t argument)
{
    struct virtual *v = virtual_of(c->port);
    virtual_push(v, virtual_now_us(v) + NFC_TOUCH_US, run, c, argument, 0);
}

/* ---- cards that come and go ---- */

/* Both ends hear of each other, once while the field is on. */
static void notice(struct card *c)
{
    char address[NFC_ADDRESS];
    if (!c->reader || !c->reader->field || c->here || !c->port->up)
        return;
    c->here = true;
    address_of(c, address);
    virtual_news(c->reader->port, address, "card-here");
    if (c->here)
        virtual_news(c->port, "", "field-on");
}

static unsigned cards_taken(struct reader *r)
{
    unsigned n = 0;
    for (struct card *c = next_card(r, NULL); c; c = next_card(r, c))
        n += c->port->up;
    return n;
}

/* The reader takes the card, when it is there. */
static void take_event(struct virtual *v, void *object, uint64_t visit)
{
    struct card *c = object;
    struct reader *r = c->reader;
    (void)v;
    if (c->visit != visit || !r || c->port->up || !r->port->up)
        return;
    if (cards_taken(r) == NFC_CARDS) {
        c->reader = NULL;
        virtual_link(c->port, LINK_DOWN);
        return;
    }
    c->number = ++r->cards_seen;
    virtual_link(c->port, LINK_UP);
    if (c->visit == visit)
        notice(c);
}

static void gone_event(struct virtual *v, void *object, uint64_t argument)
{
    struct card *c = object;
    (void)v;
    (void)argument;
    if (c->port->up)
        virtual_link(c->port, LINK_DOWN);
}

struct farewell {
    struct reader *reader;
    uint32_t changes;
    char address[NFC_ADDRESS];
};

static void farewell_event(struct virtual *v, void *object, uint64_t argument)
{
    struct farewell *f = object;
    (void)v;
    (void)argument;
    if (f->reader->changes == f->changes)
        virtual_news(f->reader->port, f->address, "card-gone");
    free(f);
}

static void leave(struct card *c)
{
    c->reader = NULL;
    c->visit++;
    c->power++;
    c->here = c->awaited = c->asked = false;
}

/* The card leaves; a reader that knows of it hears so a little later. */
static void take_away(struct card *c)
{
    struct virtual *v = virtual_of(c->port);
    struct farewell *f = c->here ? calloc(1, sizeof *f) : NULL;
    if (f) {
        f->reader = c->reader;
        f->changes = c->reader->changes;
        address_of(c, f->address);
        virtual_push(v, virtual_now_us(v) + NFC_TOUCH_US, farewell_event, f, 0, EVENT_OWNED);
    }
    leave(c);
}

static enum err open_card(struct card *c, const char *reader)
{
    struct virtual_port *p = c->port;
    struct virtual_node *n = virtual_find(virtual_of(p), reader);
    unsigned index;
    if (!n || !medium_reaches(virtual_class(p->node), virtual_group(p->node), virtual_port_spec(p),
                              virtual_class(n), virtual_group(n), &index))
        return ERR_NOT_FOUND;
    if (c->reader)
        return ERR_BUSY;
    c->reader = virtual_port(n, index)->link;
    c->visit++;
    later(c, take_event, c->visit);
    return ERR_OK;
}

/* ---- the field ---- */

static void field_on_event(struct virtual *v, void *object, uint64_t power)
{
    struct card *c = object;
    (void)v;
    if (c->power == power)
        notice(c);
}

static void field_off_event(struct virtual *v, void *object, uint64_t visit)
{
    struct card *c = object;
    (void)v;
    if (c->visit == visit && c->port->up)
        virtual_news(c->port, "", "field-off");
}

static void set_field(struct reader *r, bool on)
{
    r->field = on;
    r->changes++;
    for (struct card *c = next_card(r, NULL); c; c = next_card(r, c)) {
        if (on) {
            later(c, field_on_event, c->power);
            continue;
        }
        if (c->here)
            later(c, field_off_event, c->visit);
        c->power++;
        c->here = c->awaited = c->asked = false;
    }
}

static enum err nfc_tell(struct virtual_port *p, const char *address, const char *news)
{
    bool card = virtual_port_spec(p)->end == PORT_ASKS;
    struct reader *r = p->link;
    bool on = strcmp(news, "field-on") == 0;
    if (p->cut)
        return ERR_LINK_DOWN;
    if (card && strcmp(news, "open") == 0)
        return open_card(p->link, address);
    if (card && strcmp(news, "close") == 0) {
        take_away(p->link);
        later(p->link, gone_event, 0);
        return ERR_OK;
    }
    if (card || (!on && strcmp(news, "field-off") != 0))
        return ERR_BAD_ARGUMENT;
    if (r->field != on)
        set_field(r, on);
    return ERR_OK;
}

/* ---- APDUs ---- */

static void arrive(struct virtual *v, void *object, uint64_t argument)
{
    struct air *a = object;
    struct card *c = a->card;
    char address[NFC_ADDRESS];
    (void)v;
    (void)argument;
    if (c->power == a->power && c->reader && c->port->up) {
        address_of(c, address);
        c->asked |= a->to_card;
        c->awaited &= a->to_card;
        virtual_bytes(a->to_card ? c->port : c->reader->port, a->to_card ? "" : address,
                      span_of(a->bytes, a->len));
    }
    free(a);
}

uint64_t nfc_air_us(size_t len)
{
    return FRAME_US + len * NS_PER_BYTE / 1000;
}

static enum err fly(struct card *c, bool to_card, struct span bytes)
{
    struct virtual *v = virtual_of(c->port);
    struct air *a = malloc(sizeof *a + bytes.len);
    if (!a)
        return ERR_NO_MEMORY;
    *a = (struct air){.card = c, .power = c->power, .to_card = to_card, .len = bytes.len};
    memcpy(a->bytes, bytes.p, bytes.len);
    virtual_push(v, virtual_now_us(v) + nfc_air_us(bytes.len), arrive, a, 0, EVENT_OWNED);
    return ERR_OK;
}

static struct card *card_at(struct reader *r, const char *address)
{
    char own[NFC_ADDRESS];
    for (struct card *c = next_card(r, NULL); c; c = next_card(r, c)) {
        address_of(c, own);
        if (c->port->up && strcmp(own, address) == 0)
            return c;
    }
    return NULL;
}

static enum err nfc_send(struct virtual_port *p, const char *address, struct span bytes)
{
    bool is_card = virtual_port_spec(p)->end == PORT_ASKS;
    struct reader *r = is_card ? NULL : p->link;
    struct card *c = is_card ? p->link : r->field ? card_at(r, address) : NULL;
    if (bytes.len > NFC_APDU_MAX)
        return ERR_NO_SPACE;
    if (!c)
        return ERR_NOT_FOUND;
    if (is_card ? !c->asked : c->awaited)
        return is_card ? ERR_MSG_UNEXPECTED : ERR_BUSY;
    c->asked &= !is_card;
    c->awaited |= !is_card;
    return fly(c, !is_card, bytes);
}

/* ---- life ---- */

static enum err nfc_attach(struct virtual_port *p)
{
    struct reader *r = NULL;
    struct card *c = NULL;
    if (virtual_port_spec(p)->end == PORT_ASKS)
        c = p->link = calloc(1, sizeof *c);
    else
        r = p->link = calloc(1, sizeof *r);
    if (c)
        c->port = p;
    if (r)
        r->port = p;
    return p->link ? ERR_OK : ERR_NO_MEMORY;
}

/* A card's link comes with "open"; cards that are before the reader already are taken now. */
static void nfc_connect(struct virtual_port *p)
{
    struct reader *r = p->link;
    if (virtual_port_spec(p)->end == PORT_ASKS)
        return;
    virtual_link(p, LINK_UP);
    for (struct card *c = next_card(r, NULL); c; c = next_card(r, c))
        later(c, take_event, c->visit);
}

/* Those that wait to be taken go on waiting. */
static void lose_cards(struct reader *r)
{
    for (struct card *c = next_card(r, NULL), *next; c; c = next) {
        next = next_card(r, c);
        if (!c->port->up)
            continue;
        leave(c);
        later(c, gone_event, 0);
    }
}

static void nfc_disconnect(struct virtual_port *p)
{
    struct reader *r = p->link;
    if (virtual_port_spec(p)->end == PORT_ASKS) {
        take_away(p->link);
        return;
    }
    lose_cards(r);
    r->field = false;
    r->changes++;
    r->cards_seen = 0;
}

static void nfc_detach(struct virtual_port *p)
{
    free(p->link);
}

const struct twin twin_nfc = {
    .medium = &medium_nfc,
    .attach = nfc_attach,
    .detach = nfc_detach,
    .connect = nfc_connect,
    .disconnect = nfc_disconnect,
    .send = nfc_send,
    .tell = nfc_tell,
};
