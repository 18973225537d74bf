/* NFC in virtual time: 106 kbit/s both ways. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/twin.h"
#include "lib/media/media.h"
#include "lib/media/nfc/nfc.h"

#define NS_PER_BYTE 84906u /* 9 bits at 106 kbit/s */
#define FRAME_US    300u   /* around each frame */
#define TOUCH_US    1000u  /* until a card that comes or goes is noticed */

struct reader {
    struct virtual_port *port;
    bool field;
    unsigned cards_seen;
};

/* An asking port's end. */
struct card {
    struct virtual_port *port;
    struct reader *reader; /* NULL: nowhere */
    unsigned number;       /* at the reader */
    uint32_t touch;        /* counts comings and goings: what was under way before is void */
    bool awaited;          /* a command has left, its answer has not come */
};

/* What is in the air. */
struct air {
    struct card *card;
    uint32_t touch;
    bool to_card;
    size_t len;
    uint8_t bytes[];
};

static void address_of(const struct card *c, char out[NFC_ADDRESS])
{
    snprintf(out, NFC_ADDRESS, "card%u", c->number);
}

static void tell_reader(struct card *c, const char *news)
{
    char address[NFC_ADDRESS];
    address_of(c, address);
    virtual_news(c->reader->port, address, news);
}

/* ---- cards that come and go ---- */

static void each_card(struct reader *r, void (*fn)(struct card *c))
{
    struct virtual *v = virtual_of(r->port);
    for (struct virtual_node *n = virtual_next(v, NULL); n; n = virtual_next(v, n))
        for (unsigned i = 0; i < virtual_class(n)->port_count; i++) {
            struct virtual_port *p = virtual_port(n, i);
            struct card *c = p->twin == &twin_nfc && virtual_port_spec(p)->end == PORT_ASKS ? p->link : NULL;
            if (c && c->reader == r)
                fn(c);
        }
}

static void touch_event(struct virtual *v, void *object, uint64_t touch)
{
    struct card *c = object;
    (void)v;
    if (c->touch != touch || !c->reader || !c->reader->port->up)
        return;
    c->number = ++c->reader->cards_seen;
    virtual_link(c->port, LINK_UP);
    if (!c->reader || !c->reader->field)
        return;
    tell_reader(c, "card-here");
    virtual_news(c->port, "", "field-on");
}

static void gone_event(struct virtual *v, void *object, uint64_t touch)
{
    struct card *c = object;
    (void)v;
    if (c->touch == touch && c->port->up)
        virtual_link(c->port, LINK_DOWN);
}

static void push(struct card *c, void (*run)(struct virtual *, void *, uint64_t))
{
    struct virtual *v = virtual_of(c->port);
    virtual_push(v, virtual_now_us(v) + TOUCH_US, run, c, c->touch, 0);
}

struct farewell {
    struct reader *reader;
    char address[NFC_ADDRESS];
};

static void farewell_event(struct virtual *v, void *object, uint64_t argument)
{
    struct farewell *f = object;
    (void)v;
    (void)argument;
    if (f->reader->port->up && f->reader->field)
        virtual_news(f->reader->port, f->address, "card-gone");
    free(f);
}

/* The card leaves; the reader hears of it a little later. */
static void take_away(struct card *c)
{
    struct reader *r = c->reader;
    struct farewell *f = r && c->port->up ? calloc(1, sizeof *f) : NULL;
    c->reader = NULL;
    c->touch++;
    c->awaited = false;
    if (!f)
        return;
    f->reader = r;
    address_of(c, f->address);
    struct virtual *v = virtual_of(c->port);
    virtual_push(v, virtual_now_us(v) + TOUCH_US, farewell_event, f, 0, EVENT_OWNED);
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
    c->touch++;
    push(c, touch_event);
    return ERR_OK;
}

/* ---- the field ---- */

static void field_on_event(struct virtual *v, void *object, uint64_t touch)
{
    struct card *c = object;
    (void)v;
    if (c->touch != touch || !c->port->up || !c->reader || !c->reader->field)
        return;
    tell_reader(c, "card-here");
    virtual_news(c->port, "", "field-on");
}

static void field_off_event(struct virtual *v, void *object, uint64_t touch)
{
    struct card *c = object;
    (void)v;
    if (c->touch == touch && c->port->up)
        virtual_news(c->port, "", "field-off");
}

static void card_field_on(struct card *c)
{
    push(c, field_on_event);
}

static void card_field_off(struct card *c)
{
    c->touch++;
    c->awaited = false;
    push(c, field_off_event);
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
        struct card *c = p->link;
        take_away(c);
        push(c, gone_event);
        return ERR_OK;
    }
    if (card || (!on && strcmp(news, "field-off") != 0))
        return ERR_BAD_ARGUMENT;
    if (r->field != on) {
        r->field = on;
        each_card(r, on ? card_field_on : card_field_off);
    }
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
    if (c->touch == a->touch && c->reader && c->port->up) {
        address_of(c, address);
        if (!a->to_card)
            c->awaited = false;
        virtual_bytes(a->to_card ? c->port : c->reader->port, a->to_card ? "" : address,
                      span_of(a->bytes, a->len));
    }
    free(a);
}

static enum err fly(struct card *c, bool to_card, struct span bytes)
{
    struct virtual *v = virtual_of(c->port);
    struct air *a = malloc(sizeof *a + bytes.len);
    if (!a)
        return ERR_NO_MEMORY;
    *a = (struct air){.card = c, .touch = c->touch, .to_card = to_card, .len = bytes.len};
    memcpy(a->bytes, bytes.p, bytes.len);
    virtual_push(v, virtual_now_us(v) + FRAME_US + bytes.len * NS_PER_BYTE / 1000, arrive, a, 0, EVENT_OWNED);
    return ERR_OK;
}

static struct card *card_at(struct reader *r, const char *address)
{
    struct virtual *v = virtual_of(r->port);
    char own[NFC_ADDRESS];
    for (struct virtual_node *n = virtual_next(v, NULL); n; n = virtual_next(v, n))
        for (unsigned i = 0; i < virtual_class(n)->port_count; i++) {
            struct virtual_port *p = virtual_port(n, i);
            struct card *c = p->twin == &twin_nfc && virtual_port_spec(p)->end == PORT_ASKS ? p->link : NULL;
            if (!c || c->reader != r || !p->up)
                continue;
            address_of(c, own);
            if (strcmp(own, address) == 0)
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
    if (is_card)
        return c->awaited && c->reader ? fly(c, false, bytes) : ERR_MSG_UNEXPECTED;
    if (c->awaited)
        return ERR_BUSY;
    c->awaited = true;
    return fly(c, true, bytes);
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

static void nfc_connect(struct virtual_port *p)
{
    if (virtual_port_spec(p)->end == PORT_LISTENS)
        virtual_link(p, LINK_UP); /* a card's link comes with "open" */
}

static void lose_reader(struct card *c)
{
    c->reader = NULL;
    c->touch++;
    c->awaited = false;
    push(c, gone_event);
}

static void nfc_disconnect(struct virtual_port *p)
{
    struct reader *r = p->link;
    if (virtual_port_spec(p)->end == PORT_ASKS) {
        take_away(p->link);
        return;
    }
    each_card(r, lose_reader);
    r->field = false;
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
