/* The sending end in the process world: a connection for each message, and a thread (mail_sender.h), which
 * nobody waits for. What is told of a message is decided here, by how far it has come and by the clock. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/host/link.h"
#include "lib/media/curl_loop.h"
#include "lib/media/mail/mail.h"
#include "lib/media/mail/mail_ends.h"
#include "lib/media/mail/mail_sender.h"
#include "lib/media/media.h"

struct letter {
    struct letter *next;
    struct mail_link *link;
    struct mail_sender *sender; /* NULL: it has not begun, or is over */
    bool flushed;               /* it may leave */
    bool leaving;               /* its text may be at the server */
    bool told;                  /* its component has heard of it; the sender is still there */
    const char *over;           /* what is told of it; NULL: it is under way */
    uint64_t due_us;            /* patience ends; UINT64_MAX: it has */
    char tag[MAIL_TAG_MAX], news[MAIL_NEWS_MAX];
    size_t len;
    uint8_t bytes[];
};

struct mail_link {
    struct link link;
    struct link_open o;
    struct mail_limits limits;
    struct mail_way way;
    bool cut, up;
    sd_event_source *teller; /* fires in the loop's next turn */
    sd_event_source *further, *clock;
    size_t count, senders; /* letters not told, threads */
    struct letter *first;
};

static void count_under_way(const struct mail_link *l)
{
    if (l->o.tally)
        atomic_store(&l->o.tally->under_way, (uint32_t)l->count);
}

/* Whose thread is over. */
static void forget(struct letter *m)
{
    struct letter **at = &m->link->first;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    OPENSSL_cleanse(m, sizeof *m + m->len);
    free(m);
}

/* ---- what became of it ---- */

/* The letter counts no more before its component hears so: who hears may send again. */
static void tell(struct letter *m)
{
    struct mail_link *l = m->link;
    char tag[MAIL_TAG_MAX], news[MAIL_NEWS_MAX];
    text_copy(tag, sizeof tag, m->tag);
    text_copy(news, sizeof news, m->over);
    m->told = true;
    l->count--;
    count_under_way(l);
    if (!m->sender)
        forget(m);
    l->o.hooks.on_news(l->o.hooks.ctx, tag, news);
}

static int on_over(sd_event_source *source, void *ctx)
{
    struct mail_link *l = ctx;
    struct letter *m;
    (void)source;
    do {
        m = l->first;
        while (m && (!m->over || m->told))
            m = m->next;
        if (m)
            tell(m);
    } while (m);
    return 0;
}

static void end(struct letter *m, const char *news)
{
    m->over = news;
    sd_event_source_set_enabled(m->link->teller, SD_EVENT_ONESHOT);
}

static void end_with_code(struct letter *m, unsigned code)
{
    mail_news(code, m->news);
    end(m, m->news);
}

/* By the last word of the server's. */
static void end_by(struct letter *m, const struct mail_progress *p)
{
    if (p->stage == MAIL_LEAVING)
        end(m, "unknown");
    else if (p->stage == MAIL_ANSWERED && p->code == 250)
        end_with_code(m, 250);
    else
        end_with_code(m, p->code >= 400 && p->code < 600 ? p->code : MAIL_UNREACHED);
}

static void end_unanswered(struct letter *m)
{
    struct mail_progress p = {.stage = MAIL_TALKING};
    if (m->sender)
        p = mail_sender_look(m->sender);
    end_by(m, &p);
}

/* ---- the senders ---- */

/* Not the loop's, whose turn may have begun a while ago. */
static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void be_patient(struct letter *m, unsigned ms)
{
    m->due_us = now_us() + ms * 1000ull;
}

static void hang_up(struct letter *m)
{
    m->due_us = UINT64_MAX;
    mail_sender_stop(m->sender);
}

static void log_end(const struct letter *m, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", m->link->o.name, m->link->o.spec->name, why);
}

static void begin(struct letter *m)
{
    uint8_t room[MAIL_ROOM];
    struct mail_link *l = m->link;
    struct span text = span_of(m->bytes, m->len);
    struct mail mail;
    if (mail_read(text, room, &mail)) {
        end_with_code(m, MAIL_NOT_TAKEN);
    } else {
        m->sender = mail_sender_new(&l->way, &mail, text);
        l->senders += m->sender != NULL;
        be_patient(m, l->limits.send_ms);
        if (!m->sender)
            end_with_code(m, MAIL_UNREACHED);
    }
    OPENSSL_cleanse(room, sizeof room);
}

/* Whose news is told makes room for who waits. */
static void make_room(struct mail_link *l)
{
    for (struct letter *m = l->first; m; m = m->next)
        if (m->sender && m->over)
            hang_up(m);
}

static void begin_waiting(struct mail_link *l)
{
    for (struct letter *m = l->first; m; m = m->next) {
        if (!m->flushed || m->sender || m->over)
            continue;
        if (l->senders == MAIL_UNDER_WAY) {
            make_room(l);
            return;
        }
        begin(m);
    }
}

static void look_further(struct letter *m, const struct mail_progress *p)
{
    const struct mail_limits *limits = &m->link->limits;
    if (p->over || p->stage == MAIL_ANSWERED) {
        end_by(m, p);
        be_patient(m, limits->quit_ms);
    } else if (p->stage == MAIL_LEAVING && !m->leaving) {
        m->leaving = true;
        be_patient(m, limits->answer_ms);
    } else if (m->due_us <= now_us()) {
        log_end(m, "the server is too slow");
        end_by(m, p);
        hang_up(m);
    }
}

static void let_go(struct letter *m)
{
    mail_sender_free(m->sender);
    m->sender = NULL;
    m->link->senders--;
    if (m->told)
        forget(m);
}

static void follow(struct letter *m)
{
    struct mail_progress p = mail_sender_look(m->sender);
    if (!m->over)
        look_further(m, &p);
    else if (m->due_us <= now_us())
        hang_up(m);
    if (!p.over)
        return;
    if (m->over && strcmp(m->over, "sent") != 0 && m->due_us != UINT64_MAX)
        log_end(m, p.why);
    let_go(m);
}

static void arm(struct mail_link *l)
{
    uint64_t next_us = UINT64_MAX;
    for (const struct letter *m = l->first; m; m = m->next)
        if (m->sender && m->due_us < next_us)
            next_us = m->due_us;
    sd_event_source_set_time(l->clock, next_us);
    sd_event_source_set_enabled(l->clock, next_us == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void follow_all(struct mail_link *l)
{
    for (struct letter *m = l->first, *next; m; m = next) {
        next = m->next;
        if (m->sender)
            follow(m);
    }
    begin_waiting(l);
    arm(l);
}

static int on_further(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
    uint64_t times;
    (void)source;
    (void)revents;
    if (read(fd, &times, sizeof times) < 0 && errno != EAGAIN)
        return -errno;
    follow_all(ctx);
    return 0;
}

static int on_clock(sd_event_source *source, uint64_t at_us, void *ctx)
{
    (void)source;
    (void)at_us;
    follow_all(ctx);
    return 0;
}

/* ---- the link ---- */

static enum err take(struct mail_link *l, const char *tag, struct span bytes, struct letter **out)
{
    if (!l->up)
        return ERR_LINK_DOWN;
    if (strlen(tag) >= MAIL_TAG_MAX)
        return ERR_NO_SPACE;
    if (l->count == MAIL_UNDER_WAY)
        return ERR_BUSY;
    struct letter *m = calloc(1, sizeof *m + bytes.len);
    if (!m)
        return ERR_NO_MEMORY;
    m->link = l;
    text_copy(m->tag, sizeof m->tag, tag);
    m->len = bytes.len;
    memcpy(m->bytes, bytes.p, bytes.len);
    struct letter **at = &l->first;
    while (*at)
        at = &(*at)->next;
    *at = *out = m;
    l->count++;
    count_under_way(l);
    return ERR_OK;
}

static enum err mail_send(struct link *link, const char *tag, struct span bytes)
{
    struct letter *m;
    return take((struct mail_link *)link, tag, bytes, &m);
}

static void mail_lose(struct link *link, const char *tag, struct span bytes)
{
    struct letter *m;
    if (take((struct mail_link *)link, tag, bytes, &m) == ERR_OK)
        end(m, "unknown");
}

static void mail_flush(struct link *link)
{
    struct mail_link *l = (struct mail_link *)link;
    bool waiting = false;
    for (struct letter *m = l->first; m; m = m->next) {
        waiting = waiting || !m->flushed;
        m->flushed = true;
    }
    if (!waiting)
        return;
    begin_waiting(l);
    arm(l);
}

static void mail_set_cut(struct link *link, bool cut)
{
    struct mail_link *l = (struct mail_link *)link;
    bool was = l->up;
    l->cut = cut;
    l->up = !cut;
    for (struct letter *m = l->first; cut && m; m = m->next) {
        if (!m->over)
            end_unanswered(m);
        if (m->sender)
            hang_up(m);
    }
    if (was != l->up)
        l->o.hooks.on_state(l->o.hooks.ctx, l->up ? LINK_UP : LINK_DOWN);
}

static int on_first_turn(sd_event_source *source, void *ctx)
{
    struct mail_link *l = ctx;
    (void)source;
    if (!l->cut)
        mail_set_cut(&l->link, false);
    return 0;
}

/* All hang up before the first is waited for. */
static void mail_close(struct link *link)
{
    struct mail_link *l = (struct mail_link *)link;
    for (struct letter *m = l->first; m; m = m->next)
        if (m->sender)
            hang_up(m);
    for (struct letter *m = l->first, *next; m; m = next) {
        next = m->next;
        mail_sender_free(m->sender);
        forget(m);
    }
    l->count = 0;
    count_under_way(l);
    sd_event_source_disable_unref(l->teller);
    sd_event_source_disable_unref(l->further);
    sd_event_source_disable_unref(l->clock);
    if (l->way.wake_fd >= 0)
        close(l->way.wake_fd);
    free(l);
}

static bool make_sources(struct mail_link *l)
{
    sd_event *event = l->o.event;
    l->way.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return l->way.wake_fd >= 0 && sd_event_add_defer(event, &l->teller, on_over, l) >= 0 &&
           sd_event_source_set_enabled(l->teller, SD_EVENT_OFF) >= 0 &&
           sd_event_add_io(event, &l->further, l->way.wake_fd, EPOLLIN, on_further, l) >= 0 &&
           sd_event_add_time(event, &l->clock, CLOCK_MONOTONIC, UINT64_MAX, 1, on_clock, l) >= 0 &&
           sd_event_source_set_enabled(l->clock, SD_EVENT_OFF) >= 0;
}

static bool configure(struct mail_link *l)
{
    const char *e = l->o.endpoint;
    l->way.o = &l->o;
    l->way.wake_fd = -1;
    if (strncmp(e, MAIL_OWN, strlen(MAIL_OWN)) == 0)
        l->way.socket = e + strlen(MAIL_OWN);
    else if (strncmp(e, MAIL_SERVER, strlen(MAIL_SERVER)) == 0)
        l->way.url = e + strlen(MAIL_SERVER);
    return l->way.socket || l->way.url;
}

struct link *mail_link_open(const struct link_open *o, const struct mail_limits *limits, const char **reason)
{
    static const struct link_ops ops = {.send = mail_send,
                                        .lose = mail_lose,
                                        .flush = mail_flush,
                                        .set_cut = mail_set_cut,
                                        .close = mail_close};
    struct mail_link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->link.ops = &ops;
    l->o = *o;
    l->limits = *limits;
    *reason = "a mail endpoint is " MAIL_OWN "<socket> or " MAIL_SERVER "<url>";
    if (configure(l) && make_sources(l) && curl_load(reason)) {
        link_defer(o->event, on_first_turn, l);
        return &l->link;
    }
    mail_close(&l->link);
    return NULL;
}

static struct link *mail_open(const struct link_open *o, const char **reason)
{
    static const struct mail_limits limits = {MAIL_SEND_MS, MAIL_ANSWER_MS, MAIL_QUIT_MS};
    return mail_link_open(o, &limits, reason);
}

const struct link_driver link_driver_mail = {&medium_mail, mail_open};
