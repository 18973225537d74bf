/* NFC over Unix stream sockets, both ends.
 *
 * Endpoints: a reader's is "reader:<descriptor>", with ";open=1" for any card; a card's is
 * "card:;<reader>=<socket>;<reader>=<socket>". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/door_event.h"
#include "lib/host/peer.h"
#include "lib/media/media.h"
#include "lib/media/nfc/nfc.h"

/* One connection: a card, seen from either end. */
struct contact {
    struct nfc_link *link;
    int fd; /* -1: free */
    unsigned number;
    bool awaited; /* a command has left (reader) or came (card), its answer has not gone the other way */
    bool stale;   /* the field went off meanwhile: an answer may still be under way */
    bool unseen;  /* in the field, the reader has yet to be told */
    bool here;    /* the reader has been told since the field is on */
    sd_event_source *io;
    uint8_t in[NFC_HEADER + NFC_APDU_MAX];
    size_t in_len;
    uint8_t *out; /* queued, not yet written */
    size_t out_len;
    sd_event_source *full; /* waits until the socket takes more */
};

struct nfc_link {
    struct link link;
    struct link_open o;
    bool reader, field, cut;
    bool up; /* a card's: the reader has taken it */
    unsigned cards_seen, ended;
    sd_event_source *accept; /* of a reader that takes any card; others have a door */
    struct door_event door;
    struct contact cards[NFC_CARDS]; /* a card's end uses the first */
};

static void address_of(const struct contact *c, char out[NFC_ADDRESS])
{
    if (c->link->reader)
        snprintf(out, NFC_ADDRESS, "card%u", c->number);
    else
        *out = '\0';
}

static void tell_news(struct contact *c, const char *news)
{
    char address[NFC_ADDRESS];
    address_of(c, address);
    c->link->o.hooks.on_news(c->link->o.hooks.ctx, address, news);
}

static void contact_close(struct contact *c)
{
    c->io = sd_event_source_disable_unref(c->io);
    c->full = sd_event_source_disable_unref(c->full);
    if (c->fd >= 0)
        close(c->fd);
    free(c->out);
    c->fd = -1;
    c->awaited = c->stale = c->unseen = c->here = false;
    c->in_len = c->out_len = 0;
    c->out = NULL;
    if (!c->link->reader)
        c->link->up = false;
}

/* The other end is gone, or does not keep to the form. */
static void part(struct contact *c)
{
    struct nfc_link *l = c->link;
    bool here = c->here;
    contact_close(c);
    if (here)
        tell_news(c, "card-gone");
    else if (!l->reader)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_DOWN);
}

/* ---- frames ---- */

static enum err queue_frame(struct contact *c, enum nfc_frame type, struct span payload)
{
    if (c->out_len > NFC_OUT_MAX)
        return ERR_LINK_PEER_STALLED;
    uint8_t *more = realloc(c->out, c->out_len + NFC_HEADER + payload.len);
    if (!more)
        return ERR_NO_MEMORY;
    c->out = more;
    struct wr w = wr_of(c->out + c->out_len, NFC_HEADER + payload.len);
    wr_u8(&w, (uint8_t)type);
    wr_be16(&w, (uint16_t)payload.len);
    wr_copy(&w, payload.p, payload.len);
    c->out_len += w.len;
    return ERR_OK;
}

/* ERR_LINK_DOWN: the card says that it goes; another error: the frame is nothing that this end may be sent.
 */
static enum err on_reader_frame(struct contact *c, enum nfc_frame type, struct span payload)
{
    struct nfc_link *l = c->link;
    char address[NFC_ADDRESS];
    address_of(c, address);
    if (type != NFC_APDU)
        return type == NFC_TAG_LOST ? ERR_LINK_DOWN : ERR_MSG_UNEXPECTED;
    if (!c->awaited) {
        bool crossed = c->stale; /* it met the end of the field on its way */
        c->stale = false;
        return crossed ? ERR_OK : ERR_MSG_UNEXPECTED;
    }
    c->awaited = c->stale = false;
    l->o.hooks.on_bytes(l->o.hooks.ctx, address, payload);
    return ERR_OK;
}

/* The first frame admits the card; a field that is off then is no news. */
static bool on_first_frame(struct contact *c, enum nfc_frame type)
{
    struct nfc_link *l = c->link;
    l->up = true;
    l->o.hooks.on_state(l->o.hooks.ctx, LINK_UP);
    return c->fd >= 0 && type != NFC_FIELD_OFF;
}

static enum err on_card_frame(struct contact *c, enum nfc_frame type, struct span payload)
{
    struct nfc_link *l = c->link;
    if (type != NFC_TAG_LOST && !l->up && !on_first_frame(c, type))
        return ERR_OK;
    if (type == NFC_APDU) {
        c->awaited = true;
        l->o.hooks.on_bytes(l->o.hooks.ctx, "", payload);
    } else if (type == NFC_FIELD_ON || type == NFC_FIELD_OFF) {
        c->awaited = false;
        tell_news(c, type == NFC_FIELD_ON ? "field-on" : "field-off");
    }
    return type == NFC_TAG_LOST ? ERR_LINK_DOWN : ERR_OK;
}

/* Takes whole frames from what has come; an error when the peer goes, or does not keep to the form. */
static enum err take_frames(struct contact *c)
{
    while (c->fd >= 0 && c->in_len >= NFC_HEADER) {
        size_t len = (size_t)c->in[1] << 8 | c->in[2];
        if (c->in[0] >= NFC_FRAMES || (c->in[0] != NFC_APDU && len))
            return ERR_MSG_MALFORMED;
        if (len > NFC_APDU_MAX)
            return ERR_MSG_TOO_LONG;
        if (c->in_len < NFC_HEADER + len)
            return ERR_OK;
        uint8_t frame[NFC_HEADER + NFC_APDU_MAX];
        memcpy(frame, c->in, NFC_HEADER + len);
        c->in_len -= NFC_HEADER + len;
        memmove(c->in, c->in + NFC_HEADER + len, c->in_len);
        struct span payload = {frame + NFC_HEADER, len};
        enum err e =
            (c->link->reader ? on_reader_frame : on_card_frame)(c, (enum nfc_frame)frame[0], payload);
        if (e)
            return e;
    }
    return ERR_OK;
}

/* Its component hears no more than that the card has gone: who plays the other end looks here. */
static void say_ended(struct contact *c, enum err reason)
{
    struct nfc_link *l = c->link;
    char address[NFC_ADDRESS];
    address_of(c, address);
    l->ended++;
    if ((l->ended & (l->ended - 1)) != 0)
        return;
    fprintf(stderr, "%s: the contact of %s with %s is ended: %s (%s), %u so far\n", l->o.name,
            l->o.spec->name, *address ? address : "a reader", err_text(reason), err_name(reason), l->ended);
    fflush(stderr);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct contact *c = ctx;
    (void)s;
    (void)revents;
    ssize_t len = recv(fd, c->in + c->in_len, sizeof c->in - c->in_len, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (len > 0)
        c->in_len += (size_t)len;
    enum err e = len > 0 ? take_frames(c) : ERR_LINK_DOWN;
    if (!e || c->fd != fd)
        return 0;
    if (e != ERR_LINK_DOWN)
        say_ended(c, e);
    part(c);
    return 0;
}

static bool contact_open(struct contact *c, int fd)
{
    c->fd = sd_event_add_io(c->link->o.event, &c->io, fd, EPOLLIN, on_io, c) >= 0 ? fd : -1;
    return c->fd >= 0;
}

/* ---- a reader ---- */

/* The reader may be in the middle of a handler: it hears of its cards in the loop's next turn. */
static int on_unseen(sd_event_source *s, void *ctx)
{
    struct nfc_link *l = ctx;
    (void)s;
    for (size_t i = 0; i < NFC_CARDS; i++) {
        struct contact *c = &l->cards[i];
        bool here = c->unseen && c->fd >= 0 && l->field;
        c->unseen = false;
        c->here |= here;
        if (here)
            tell_news(c, "card-here");
    }
    return 0;
}

static void say_field(struct contact *c)
{
    bool on = c->link->field;
    queue_frame(c, on ? NFC_FIELD_ON : NFC_FIELD_OFF, (struct span){NULL, 0});
    c->unseen = on;
    if (on)
        link_defer(c->link->o.event, on_unseen, c->link);
}

static bool take_card(struct nfc_link *l, int fd)
{
    struct contact *c = l->cards;
    while (c < l->cards + NFC_CARDS && c->fd >= 0)
        c++;
    if (c == l->cards + NFC_CARDS)
        return false;
    c->number = ++l->cards_seen;
    if (!contact_open(c, fd))
        return false;
    say_field(c);
    return true;
}

static int on_accept(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    (void)s;
    (void)revents;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer >= 0 && (!peer_same_user(peer) || !take_card(ctx, peer)))
        close(peer);
    return 0;
}

/* A greeting in a frame; a card says nothing after it before it is spoken to. */
static enum err judge(void *ctx, struct span said)
{
    const struct nfc_link *l = ctx;
    char name[ENV_NAME_MAX];
    if (said.len && said.p[0] != NFC_GREETING)
        return ERR_BAD_SYNTAX;
    if (said.len < NFC_HEADER)
        return ERR_TRUNCATED;
    size_t len = (size_t)said.p[1] << 8 | said.p[2];
    if (len <= TOKEN_SIZE || len >= TOKEN_SIZE + ENV_NAME_MAX || said.len > NFC_HEADER + len)
        return ERR_BAD_SYNTAX;
    if (said.len < NFC_HEADER + len)
        return ERR_TRUNCATED;
    return door_check(&l->o, span_of(said.p + NFC_HEADER, len), name);
}

static enum err admit(void *ctx, struct span said, int fd)
{
    (void)said;
    return take_card(ctx, fd) ? ERR_OK : ERR_LINK_CROWDED;
}

/* The door's line about it is not to wait for the next of the trace: whoever was refused looks for it now. */
static void on_refused(void *ctx, int fd, enum err reason)
{
    (void)ctx;
    (void)fd;
    (void)reason;
    fflush(stderr);
}

static void set_field(struct nfc_link *l, bool on)
{
    if (l->field == on)
        return;
    l->field = on;
    for (size_t i = 0; i < NFC_CARDS; i++) {
        struct contact *c = &l->cards[i];
        if (c->fd < 0)
            continue;
        c->stale |= c->awaited;
        c->awaited = c->here = false;
        say_field(c);
    }
}

/* ---- a card ---- */

/* Nothing to say before a reader that takes any card. */
static bool greet(const struct nfc_link *l, const char *reader, int fd)
{
    uint8_t frame[NFC_HEADER + TOKEN_SIZE + ENV_NAME_MAX] = {NFC_GREETING};
    size_t len = door_greeting(&l->o, reader, frame + NFC_HEADER);
    frame[2] = (uint8_t)len;
    bool said = !len || send(fd, frame, NFC_HEADER + len, MSG_NOSIGNAL) == (ssize_t)(NFC_HEADER + len);
    explicit_bzero(frame, sizeof frame);
    return said;
}

/* A reader of the run, or one that somebody outside of it plays: then only its user is known. */
static int reach(const struct nfc_link *l, const char *reader, const char *path)
{
    char option[sizeof NFC_FOREIGN + ENV_NAME_MAX], value[4];
    snprintf(option, sizeof option, NFC_FOREIGN "%s", reader);
    bool outside = link_option(l->o.endpoint, option, value, sizeof value);
    return link_connect_ours(&l->o, path, SOCK_STREAM, outside ? LINK_OUTSIDER : LINK_RUNNER);
}

static enum err open_card(struct nfc_link *l, const char *reader)
{
    char path[108];
    if (!link_option(l->o.endpoint, reader, path, sizeof path))
        return ERR_NOT_FOUND;
    if (l->cards[0].fd >= 0)
        return ERR_BUSY;
    int fd = reach(l, reader, path);
    if (fd < 0)
        return ERR_LINK_DOWN;
    if (!greet(l, reader, fd) || !contact_open(&l->cards[0], fd)) {
        close(fd);
        return ERR_SYSTEM;
    }
    return ERR_OK;
}

static int on_closed(sd_event_source *s, void *ctx)
{
    struct nfc_link *l = ctx;
    (void)s;
    l->o.hooks.on_state(l->o.hooks.ctx, LINK_DOWN);
    return 0;
}

static enum err nfc_tell(struct link *link, const char *address, const char *news)
{
    struct nfc_link *l = (struct nfc_link *)link;
    bool on = strcmp(news, "field-on") == 0;
    if (l->cut)
        return ERR_LINK_DOWN;
    if (l->reader && (on || strcmp(news, "field-off") == 0)) {
        set_field(l, on);
        return ERR_OK;
    }
    if (!l->reader && strcmp(news, "open") == 0)
        return open_card(l, address);
    if (l->reader || strcmp(news, "close") != 0)
        return ERR_BAD_ARGUMENT;
    if (l->up)
        link_defer(l->o.event, on_closed, l);
    contact_close(&l->cards[0]);
    return ERR_OK;
}

/* ---- the link ---- */

static struct contact *contact_of(struct nfc_link *l, const char *address)
{
    char own[NFC_ADDRESS];
    for (size_t i = 0; i < (l->reader ? NFC_CARDS : 1u); i++) {
        address_of(&l->cards[i], own);
        if (l->cards[i].fd >= 0 && strcmp(own, l->reader ? address : "") == 0)
            return &l->cards[i];
    }
    return NULL;
}

static enum err nfc_send(struct link *link, const char *address, struct span bytes)
{
    struct nfc_link *l = (struct nfc_link *)link;
    struct contact *c = l->reader && !l->field ? NULL : contact_of(l, address);
    if (bytes.len > NFC_APDU_MAX)
        return ERR_NO_SPACE;
    if (!c)
        return ERR_NOT_FOUND;
    if (c->awaited == l->reader)
        return l->reader ? ERR_BUSY : ERR_MSG_UNEXPECTED;
    enum err e = queue_frame(c, NFC_APDU, bytes);
    if (!e)
        c->awaited = l->reader;
    return e;
}

static void flush_contact(struct contact *c);

static int on_room(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
    struct contact *c = ctx;
    (void)s;
    (void)fd;
    (void)revents;
    flush_contact(c);
    return 0;
}

static void flush_contact(struct contact *c)
{
    ssize_t len = c->fd >= 0 && c->out_len ? send(c->fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (len > 0) {
        c->out_len -= (size_t)len;
        memmove(c->out, c->out + len, c->out_len);
    }
    if (c->out_len == 0)
        c->full = sd_event_source_disable_unref(c->full);
    else if (!c->full)
        sd_event_add_io(c->link->o.event, &c->full, c->fd, EPOLLOUT, on_room, c);
}

static void nfc_flush(struct link *link)
{
    struct nfc_link *l = (struct nfc_link *)link;
    for (size_t i = 0; i < NFC_CARDS; i++)
        if (l->cards[i].fd >= 0 && l->cards[i].out_len)
            flush_contact(&l->cards[i]);
}

static int on_first_turn(sd_event_source *s, void *ctx)
{
    struct nfc_link *l = ctx;
    (void)s;
    if (l->reader && !l->cut)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_UP);
    return 0;
}

/* Cards before a reader that is cut off wait to be taken. */
static void nfc_set_cut(struct link *link, bool cut)
{
    struct nfc_link *l = (struct nfc_link *)link;
    bool was = l->reader || l->up;
    l->cut = cut;
    l->field = false;
    l->cards_seen = 0;
    for (size_t i = 0; cut && i < NFC_CARDS; i++)
        contact_close(&l->cards[i]);
    if (l->accept)
        sd_event_source_set_enabled(l->accept, cut ? SD_EVENT_OFF : SD_EVENT_ON);
    else if (l->reader)
        door_event_shut(&l->door, cut);
    if (!cut)
        on_first_turn(NULL, l);
    else if (was)
        l->o.hooks.on_state(l->o.hooks.ctx, LINK_DOWN);
}

static void nfc_close(struct link *link)
{
    struct nfc_link *l = (struct nfc_link *)link;
    nfc_flush(link);
    for (size_t i = 0; i < NFC_CARDS; i++)
        contact_close(&l->cards[i]);
    door_event_close(&l->door);
    sd_event_source_disable_unref(l->accept);
    free(l);
}

static bool listen_at(struct nfc_link *l, int fd)
{
    const struct door_hooks hooks = {.ctx = l, .judge = judge, .admit = admit, .refuse = on_refused};
    char open[4];
    if (link_option(l->o.endpoint, "open", open, sizeof open))
        return sd_event_add_io(l->o.event, &l->accept, fd, EPOLLIN, on_accept, l) >= 0;
    return door_event_open(&l->door, &l->o, fd, &hooks);
}

static struct link *nfc_open(const struct link_open *o, const char **reason)
{
    static const struct link_ops ops = {
        .send = nfc_send, .tell = nfc_tell, .flush = nfc_flush, .set_cut = nfc_set_cut, .close = nfc_close};
    bool reader = strncmp(o->endpoint, "reader:", 7) == 0;
    struct nfc_link *l = calloc(1, sizeof *l);
    if (!l || (!reader && strncmp(o->endpoint, "card:", 5) != 0)) {
        *reason = "an NFC endpoint is reader:<descriptor> or card:;<reader>=<socket>";
        free(l);
        return NULL;
    }
    l->link.ops = &ops;
    l->o = *o;
    l->reader = reader;
    for (size_t i = 0; i < NFC_CARDS; i++)
        l->cards[i] = (struct contact){.link = l, .fd = -1};
    if (reader && !listen_at(l, atoi(o->endpoint + 7))) {
        *reason = "the reader's socket cannot be watched";
        nfc_close(&l->link);
        return NULL;
    }
    link_defer(o->event, on_first_turn, l);
    return &l->link;
}

const struct link_driver link_driver_nfc = {&medium_nfc, nfc_open};
