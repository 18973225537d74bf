#include "tests/isotp_player.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX 70000

#define WRONG(p, ...)                                                \
    do {                                                             \
        char text_[400];                                             \
        snprintf(text_, sizeof text_, __VA_ARGS__);                  \
        cr_assert(false, "%s: \"%s\": %s", p->name, p->line, text_); \
    } while (0)

static void keep(struct isotp_player *p, const struct isotp_event *ev)
{
    if (ev->kind == ISOTP_NONE)
        return;
    if (p->count == ISOTP_PLAYER_EVENTS)
        WRONG(p, "too many events");
    size_t i = p->count++;
    p->events[i] = *ev;
    if (ev->kind == ISOTP_RECEIVED) {
        p->received_len[i] = (uint32_t)ev->message.len;
        p->received_ok[i] = memcmp(ev->message.p, p->payload, ev->message.len) == 0;
    }
}

static void expire(struct isotp_player *p)
{
    struct isotp_event ev;
    do {
        isotp_expire(&p->tp, p->now_us, &ev);
        keep(p, &ev);
    } while (ev.kind != ISOTP_NONE);
}

/* ---- what the engine sends ---- */

static void next_out(struct isotp_player *p, struct bus_frame *f)
{
    struct isotp_event ev;
    char text[BUS_TEXT_MAX];
    if (!isotp_output(&p->tp, p->now_us, f, &ev))
        WRONG(p, "nothing is sent");
    keep(p, &ev);
    bus_frame_print(f, text);
    if (!bus_frame_valid(f))
        WRONG(p, "no such frame: %s", text);
}

static void expect_out(struct isotp_player *p, const char *want)
{
    struct bus_frame f;
    char text[BUS_TEXT_MAX];
    next_out(p, &f);
    bus_frame_print(&f, text);
    const char *star = strchr(want, '*');
    size_t len = star ? (size_t)(star - want) : strlen(want) + 1;
    if (strncmp(text, want, len) != 0 || (star && star[1] == '/' && f.len != atoi(star + 2)))
        WRONG(p, "sent %s", text);
}

/* Everything of a consecutive frame follows from what was sent before it. */
static void expect_consecutive(struct isotp_player *p)
{
    struct bus_frame f;
    char text[BUS_TEXT_MAX];
    uint32_t done = p->tp.tx.done, left = p->tp.tx.len - done;
    uint8_t sn = p->tp.tx.sn, pad = p->tp.cfg.pad_byte;
    size_t at = p->tp.cfg.address_byte ? 1 : 0, room = p->tp.cfg.tx_dl - at - 1u;
    size_t n = left < room ? left : room;
    next_out(p, &f);
    bus_frame_print(&f, text);
    bool ok = f.data[at] == (0x20 | sn) && f.len > at + n &&
              memcmp(f.data + at + 1, p->payload + done, n) == 0 &&
              (f.len == bus_fd_length(at + 1 + n) || (p->tp.cfg.pad && f.len == 8));
    for (size_t k = at + 1 + n; ok && k < f.len; k++)
        ok = f.data[k] == pad;
    if (!ok)
        WRONG(p, "sent %s", text);
}

static void expect_consecutives(struct isotp_player *p, const char *count)
{
    bool all = strcmp(count, "all") == 0;
    for (int k = atoi(count); all ? isotp_sending(&p->tp) : k > 0; k--)
        expect_consecutive(p);
}

static void expect_quiet(struct isotp_player *p)
{
    struct bus_frame f;
    struct isotp_event ev;
    char text[BUS_TEXT_MAX];
    if (!isotp_output(&p->tp, p->now_us, &f, &ev))
        return;
    bus_frame_print(&f, text);
    WRONG(p, "sent %s", text);
}

static void expect_event(struct isotp_player *p, enum isotp_event_kind kind, const char *detail)
{
    if (p->first == p->count)
        WRONG(p, "no event");
    const struct isotp_event *ev = &p->events[p->first++];
    if (ev->kind != kind)
        WRONG(p, "event %d, %s", (int)ev->kind, err_name(ev->reason));
    if (kind == ISOTP_RECEIVED) {
        if (p->received_len[p->first - 1] != (uint32_t)atoi(detail) || !p->received_ok[p->first - 1])
            WRONG(p, "%u bytes, %s", p->received_len[p->first - 1],
                  p->received_ok[p->first - 1] ? "right" : "wrong");
    } else if (*detail && strcmp(err_name(ev->reason), detail) != 0) {
        WRONG(p, "%s", err_name(ev->reason));
    }
}

/* ---- what the peer sends ---- */

static void arrives(struct isotp_player *p, const struct bus_frame *f)
{
    struct isotp_event ev;
    isotp_input(&p->tp, f, p->now_us, &ev);
    keep(p, &ev);
}

static void arrives_text(struct isotp_player *p, const char *text)
{
    struct bus_frame f;
    if (bus_frame_parse(text, &f))
        WRONG(p, "no such frame");
    arrives(p, &f);
}

static struct bus_frame peer_frame(const struct isotp_player *p)
{
    return (struct bus_frame){
        .id = p->tp.cfg.rx_id, .flags = p->peer.dl > 8 ? BUS_FD | BUS_BRS : 0, .len = p->peer.dl};
}

/* The rest of the frame from byte `at` on: bytes of the message, then padding; FD frames end at a DLC step.
 */
static void peer_fill(struct isotp_player *p, struct bus_frame *f, size_t at)
{
    uint32_t left = p->peer.len - p->peer.done;
    size_t room = f->len - at, n = left < room ? left : room;
    memcpy(f->data + at, p->payload + p->peer.done, n);
    p->peer.done += (uint32_t)n;
    f->len = bus_fd_length(at + n < 8 ? 8 : at + n);
    memset(f->data + at + n, p->tp.cfg.pad_byte, f->len - at - n);
    arrives(p, f);
}

static void peer_first(struct isotp_player *p)
{
    struct bus_frame f = peer_frame(p);
    bool escape = p->peer.len > 4095;
    struct wr w = wr_of(f.data, 6);
    wr_be16(&w, (uint16_t)(0x1000 | (escape ? 0 : p->peer.len)));
    if (escape)
        wr_be32(&w, p->peer.len);
    p->peer.done = 0;
    p->peer.sn = 1;
    peer_fill(p, &f, w.len);
}

static void peer_next(struct isotp_player *p, const char *count)
{
    bool all = strcmp(count, "all") == 0;
    for (int k = atoi(count); (all || k > 0) && p->peer.done < p->peer.len; k--) {
        struct bus_frame f = peer_frame(p);
        f.data[0] = 0x20 | p->peer.sn;
        p->peer.sn = (p->peer.sn + 1) & 15;
        peer_fill(p, &f, 1);
    }
}

static void peer_message(struct isotp_player *p, const char *len, const char *dl)
{
    p->peer.len = (uint32_t)atoi(len);
    p->peer.dl = (uint8_t)atoi(dl);
}

/* ---- the script ---- */

static void begin_send(struct isotp_player *p, const char *len, enum err want)
{
    enum err e = isotp_send(&p->tp, p->payload, (uint32_t)atoi(len), p->now_us);
    if (e != want)
        WRONG(p, "%s", err_name(e));
}

static void pass(struct isotp_player *p, uint64_t us)
{
    p->now_us += us;
    expire(p);
}

void isotp_player_until(struct isotp_player *p, double ms)
{
    uint64_t us = (uint64_t)(ms * 1000 + 0.5);
    if (us > p->now_us)
        pass(p, us - p->now_us);
}

static bool given(struct isotp_player *p, const char *verb, const char *a, const char *b)
{
    if (strcmp(verb, "send") == 0)
        begin_send(p, a, ERR_OK);
    else if (strcmp(verb, "refused") == 0)
        begin_send(p, a, ERR_BAD_ARGUMENT);
    else if (strcmp(verb, "in") == 0)
        arrives_text(p, a);
    else if (strcmp(verb, "message") == 0)
        peer_message(p, a, b);
    else if (strcmp(verb, "first") == 0)
        peer_first(p);
    else if (strcmp(verb, "next") == 0)
        peer_next(p, a);
    else if (strcmp(verb, "ms") == 0 || strcmp(verb, "us") == 0)
        pass(p, (uint64_t)atoll(a) * (verb[0] == 'm' ? 1000 : 1));
    else if (strcmp(verb, "busy") == 0 || strcmp(verb, "free") == 0)
        isotp_set_receiver_busy(&p->tp, verb[0] == 'b', p->now_us);
    else
        return false;
    return true;
}

static bool expected(struct isotp_player *p, const char *verb, const char *a)
{
    static const struct {
        const char *verb;
        enum isotp_event_kind kind;
    } events[] = {{"received", ISOTP_RECEIVED},
                  {"sent", ISOTP_SENT},
                  {"rxfail", ISOTP_RX_FAILED},
                  {"txfail", ISOTP_TX_FAILED}};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (strcmp(verb, events[i].verb) == 0) {
            expect_event(p, events[i].kind, a);
            return true;
        }
    if (strcmp(verb, "out") == 0)
        expect_out(p, a);
    else if (strcmp(verb, "cf") == 0)
        expect_consecutives(p, a);
    else if (strcmp(verb, "quiet") == 0)
        expect_quiet(p);
    else if (strcmp(verb, "nothing") != 0)
        return false;
    else if (p->first != p->count)
        WRONG(p, "an event is waiting: %s", err_name(p->events[p->first].reason));
    return true;
}

void isotp_player_line(struct isotp_player *p, const char *line)
{
    char verb[16] = "", a[BUS_TEXT_MAX] = "", b[16] = "";
    p->line = line;
    sscanf(line, "%15s %143s %15s", verb, a, b);
    if (!given(p, verb, a, b) && !expected(p, verb, a))
        WRONG(p, "unknown line");
    if (p->first == p->count)
        p->first = p->count = 0;
}

void isotp_player_open(struct isotp_player *p, const char *name, const struct isotp_config *cfg,
                       uint32_t rx_cap)
{
    *p =
        (struct isotp_player){.rx = malloc(rx_cap), .payload = malloc(PAYLOAD_MAX), .name = name ? name : ""};
    for (size_t i = 0; i < PAYLOAD_MAX; i++)
        p->payload[i] = (uint8_t)i;
    p->line = "configuration";
    if (isotp_init(&p->tp, cfg, p->rx, rx_cap))
        WRONG(p, "refused");
}

void isotp_player_close(struct isotp_player *p)
{
    if (p->first != p->count)
        WRONG(p, "an event was not expected: kind %d, %s", (int)p->events[p->first].kind,
              err_name(p->events[p->first].reason));
    free(p->rx);
    free(p->payload);
}

void isotp_play(const struct isotp_config *cfg, uint32_t rx_cap, const char *const *lines)
{
    struct isotp_player p;
    isotp_player_open(&p, NULL, cfg, rx_cap);
    for (; *lines; lines++)
        isotp_player_line(&p, *lines);
    isotp_player_close(&p);
}

struct isotp_config isotp_given_config(const struct isotp_given *g)
{
    struct isotp_config c =
        g->extended_ids ? isotp_config_default(0x18DA0201, 0x18DA0102) : isotp_config_default(0x11, 0x10);
    c.fd = g->tx_dl || g->fd_8;
    c.brs = false;
    c.tx_dl = g->tx_dl ? g->tx_dl : 8;
    c.extended_ids = g->extended_ids;
    c.address_byte = g->address_byte;
    c.tx_address = c.rx_address = 5;
    c.rx_padding = g->rx_padding;
    c.pad = g->padded;
    if (g->pad_byte)
        c.pad_byte = g->pad_byte;
    c.block_size = g->block_size;
    c.st_min = g->st_min;
    c.tx_wait_max = g->tx_wait_max;
    c.n_bs_ms = g->n_bs_ms ? g->n_bs_ms : 1000;
    c.n_cr_ms = g->n_cr_ms ? g->n_cr_ms : 1000;
    return c;
}

void isotp_player_lines(struct isotp_player *p, const char *text)
{
    char line[BUS_TEXT_MAX + 16];
    while (text && *text) {
        const char *end = strstr(text, "; ");
        size_t len = end ? (size_t)(end - text) : strlen(text);
        snprintf(line, sizeof line, "%.*s", (int)len, text);
        isotp_player_line(p, line);
        text += len + (end ? 2 : 0);
    }
}

void isotp_play_row(const struct isotp_row *r)
{
    struct isotp_player p;
    struct isotp_config c = isotp_given_config(&r->given);
    isotp_player_open(&p, r->source, &c, r->given.buffer ? r->given.buffer : 5000);
    for (const struct isotp_step *s = r->steps; s < r->steps + ISOTP_STEPS_MAX && (s->when || s->then); s++) {
        isotp_player_until(&p, s->ms);
        isotp_player_lines(&p, s->when);
        isotp_player_lines(&p, s->then);
    }
    isotp_player_close(&p);
}
