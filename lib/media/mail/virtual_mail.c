/* Mail in virtual time: the postbox, and every message from its sending to the news of it. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/twin.h"
#include "lib/media/mail/mail.h"
#include "lib/media/media.h"

#define HOP_US  100u  /* between a component and the postbox */
#define TAKE_US 3000u /* that the postbox has it in its hands */

enum where {
    TO_BOX, /* has not reached the postbox, which may be dead */
    IN_HANDS,
    ANSWERED /* the news is on its way */
};

struct letter {
    struct letter *next;
    uint64_t id;
    enum where where;
    unsigned code; /* what is answered; 0: nobody knows */
    struct virtual_port *sender;
    char tag[MAIL_TAG_MAX];
    size_t len;
    uint8_t bytes[];
};

struct postbox {
    struct letter *first;
    uint64_t ids;
    unsigned kept;
    bool dead;
};

static struct postbox *postbox_of(struct virtual *v)
{
    return virtual_state(v, &twin_mail);
}

static struct letter *find(struct postbox *b, uint64_t id)
{
    struct letter *m = b->first;
    while (m && m->id != id)
        m = m->next;
    return m;
}

static void forget(struct postbox *b, struct letter *m)
{
    struct letter **at = &b->first;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    OPENSSL_cleanse(m->bytes, m->len);
    free(m);
}

static void later(struct virtual *v, void (*run)(struct virtual *, void *, uint64_t), struct letter *m,
                  uint64_t delay_us, unsigned flags)
{
    virtual_push(v, virtual_now_us(v) + delay_us, run, postbox_of(v), m->id, flags);
}

/* The letter is gone before its sender hears so: who hears may send again. */
static void tell(struct postbox *b, struct letter *m)
{
    struct virtual_port *sender = m->sender;
    char tag[MAIL_TAG_MAX], news[MAIL_NEWS_MAX] = "unknown";
    text_copy(tag, sizeof tag, m->tag);
    if (m->code)
        mail_news(m->code, news);
    forget(b, m);
    virtual_news(sender, tag, news);
}

static void answer_event(struct virtual *v, void *object, uint64_t id)
{
    struct letter *m = find(object, id);
    (void)v;
    if (m)
        tell(object, m);
}

static void answer(struct virtual *v, struct letter *m, unsigned code)
{
    m->where = ANSWERED;
    m->code = code;
    later(v, answer_event, m, HOP_US, 0);
}

static void taken_event(struct virtual *v, void *object, uint64_t id)
{
    struct letter *m = find(object, id);
    if (m && m->where == IN_HANDS)
        answer(v, m, 250);
}

static void reach_event(struct virtual *v, void *object, uint64_t id)
{
    struct postbox *b = object;
    struct letter *m = find(b, id);
    char name[MAIL_FILE_MAX];
    if (!m || m->where != TO_BOX || b->dead)
        return;
    unsigned code = mail_answer(span_of(m->bytes, m->len));
    if (code >= 400) {
        answer(v, m, code);
        return;
    }
    m->where = IN_HANDS;
    mail_file_name(++b->kept, name);
    virtual_keep(v, &medium_mail, name, span_of(m->bytes, m->len));
    later(v, taken_event, m, TAKE_US, 0);
}

static void given_up_event(struct virtual *v, void *object, uint64_t id)
{
    struct letter *m = find(object, id);
    if (m && m->where == TO_BOX)
        answer(v, m, MAIL_UNREACHED);
}

static void mail_alive(struct virtual *v, void *state, bool alive)
{
    struct postbox *b = state;
    b->dead = !alive;
    for (struct letter *m = b->first; m; m = m->next) {
        if (alive && m->where == TO_BOX)
            later(v, reach_event, m, HOP_US, 0);
        if (!alive && m->where == IN_HANDS)
            answer(v, m, 0);
    }
}

/* ---- ports ---- */

static size_t under_way(const struct virtual_port *p)
{
    size_t n = 0;
    for (const struct letter *m = postbox_of(virtual_of(p))->first; m; m = m->next)
        n += m->sender == p;
    return n;
}

static enum err take(struct virtual_port *p, const char *tag, struct span bytes, struct letter **out)
{
    struct postbox *b = postbox_of(virtual_of(p));
    if (!p->up)
        return ERR_LINK_DOWN;
    if (strlen(tag) >= MAIL_TAG_MAX)
        return ERR_NO_SPACE;
    if (under_way(p) == MAIL_UNDER_WAY)
        return ERR_BUSY;
    struct letter *m = calloc(1, sizeof *m + bytes.len);
    if (!m)
        return ERR_NO_MEMORY;
    m->id = ++b->ids;
    m->sender = p;
    text_copy(m->tag, sizeof m->tag, tag);
    m->len = bytes.len;
    memcpy(m->bytes, bytes.p, bytes.len);
    struct letter **end = &b->first;
    while (*end)
        end = &(*end)->next;
    *end = *out = m;
    return ERR_OK;
}

/* What is no message is not shown to the postbox, which may be dead. */
static enum err mail_send(struct virtual_port *p, const char *tag, struct span bytes)
{
    struct virtual *v = virtual_of(p);
    struct letter *m;
    enum err e = take(p, tag, bytes, &m);
    if (e)
        return e;
    if (!mail_is_one(bytes)) {
        answer(v, m, MAIL_NOT_TAKEN);
        return ERR_OK;
    }
    later(v, reach_event, m, HOP_US, 0);
    later(v, given_up_event, m, MAIL_SEND_MS * 1000ull, EVENT_IDLE);
    return ERR_OK;
}

static void mail_lose(struct virtual_port *p, const char *tag, struct span bytes)
{
    struct letter *m;
    if (take(p, tag, bytes, &m) == ERR_OK)
        answer(virtual_of(p), m, 0);
}

static enum err mail_attach(struct virtual_port *p)
{
    (void)p;
    return ERR_OK;
}

static void mail_connect(struct virtual_port *p)
{
    virtual_link(p, LINK_UP);
}

/* What is under way ends as far as it has come; the dead hear nothing. */
static void mail_disconnect(struct virtual_port *p)
{
    struct virtual *v = virtual_of(p);
    struct postbox *b = postbox_of(v);
    for (struct letter *m = b->first, *next; m; m = next) {
        next = m->next;
        if (m->sender != p)
            continue;
        if (!virtual_alive(p->node))
            forget(b, m);
        else if (m->where != ANSWERED)
            answer(v, m, m->where == TO_BOX ? MAIL_UNREACHED : 0);
    }
}

static void mail_close(void *state)
{
    struct postbox *b = state;
    while (b->first)
        forget(b, b->first);
}

const struct twin twin_mail = {
    .medium = &medium_mail,
    .helper = "postbox",
    .size = sizeof(struct postbox),
    .attach = mail_attach,
    .connect = mail_connect,
    .disconnect = mail_disconnect,
    .send = mail_send,
    .lose = mail_lose,
    .helper_alive = mail_alive,
    .close = mail_close,
};
