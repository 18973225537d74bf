/* OP-01b/4 to 8, the mailing's own life: 4 ask the VOS, 6 the mail begins to leave, 7 the user is told, and
 * then the VOS (which takes step 8).
 *
 *     asking -> leaving -> sent | refused | unknown | failed -> settled
 *        ^---------' refused for now
 *
 * Each arrow is a commit, and comes before what it announces. So after a kill: "asking" asks again with its
 * key and gets the same link, which has reached nobody; "leaving" means that somebody may have it; an outcome
 * is told to the VOS until it answers. */
#include <stdio.h>
#include <string.h>

#include "backend/tbe/mailing_internal.h"

#define SECOND_US   1000000u
#define PAUSE_MAX   5             /* doublings: 32 s */
#define NEWS_US     40000000      /* the medium promises news in 35 s */
#define DEEP_LINK   MAIL_LINE_MAX /* stays on one line */
#define TEMPORARILY 500           /* codes below it: for now */

/* ---- time ---- */

static void arm(struct tbe *t)
{
    uint64_t next_us = ENV_NEVER;
    for (size_t i = 0; i < MAILINGS_MAX; i++)
        if (t->mailings->all[i].used && t->mailings->all[i].due_us < next_us)
            next_us = t->mailings->all[i].due_us;
    env_timer_set(t->env, TBE_TIMER_MAILING, next_us);
}

static uint64_t pause_us(unsigned before)
{
    return (uint64_t)SECOND_US << (before < PAUSE_MAX ? before : PAUSE_MAX);
}

static void due_in(struct tbe *t, struct mailing *m, uint64_t delay_us)
{
    m->due_us = delay_us == ENV_NEVER ? ENV_NEVER : env_now_us(t->env) + delay_us;
    arm(t);
}

/* ---- in the store ---- */

enum err mailing_put_audit(struct tbe *t, const struct mailing_record *r, const char *what, enum err outcome)
{
    struct tbe_audit a = {
        .way = *r->operator_ ? TBE_WAY_OPERATOR : TBE_WAY_PORTAL, .what = what, .outcome = outcome};
    text_copy(a.user, sizeof a.user, r->user);
    text_copy(a.by, sizeof a.by, r->operator_);
    text_copy(a.vehicle, sizeof a.vehicle, r->vehicle);
    return tbe_audit_put(t, &a);
}

static enum err commit(struct tbe *t, const struct mailing_record *r)
{
    enum err e = mailing_record_put(t, r);
    return e ? e : env_store_commit(t->env);
}

/* The store has failed: what it holds is what is true; a later life goes on from there, and so do we. */
static void trouble(struct tbe *t, struct mailing *m, enum err e)
{
    env_trace_reason(t->env, TRACE_FAIL, NULL, "mailing", e, 0, m->r.vehicle);
    due_in(t, m, pause_us(PAUSE_MAX));
}

static void let_go(struct tbe *t, struct mailing *m)
{
    m->used = false;
    arm(t);
}

/* ---- outcomes ---- */

static enum err reason_of(const struct mailing_record *r)
{
    switch (r->state) {
    case MAILING_REFUSED:
        return ERR_MAIL_REFUSED;
    case MAILING_UNKNOWN:
        return ERR_MAIL_UNKNOWN;
    default:
        return r->reason;
    }
}

/* OP-01b/7 */
static void tell(struct tbe *t, const struct mailing_record *r)
{
    char what[ENV_TEXT_MAX];
    enum err e = reason_of(r);
    if (r->state == MAILING_SENT)
        env_trace_step(t->env, "OP-01b/7", "the mail was sent");
    else {
        snprintf(what, sizeof what, "the mailing came to nothing: %s", err_name(e));
        env_trace_step(t->env, "OP-01b/7", what);
        env_trace_reason(t->env, TRACE_FAIL, "OP-01b/7", NULL, e, r->code, r->vehicle);
    }
}

static enum err commit_outcome(struct tbe *t, const struct mailing_record *r)
{
    enum err e = mailing_record_put(t, r);
    if (!e)
        e = mailing_put_audit(t, r, "mailed", reason_of(r));
    return e ? e : env_store_commit(t->env);
}

/* What was changed in `r` becomes the mailing's outcome. */
static void end(struct tbe *t, struct mailing *m, struct mailing_record *r)
{
    char vehicle[MSG_SERIAL_MAX + 1];
    r->settled = r->state == MAILING_FAILED && !*r->link_id;
    enum err e = commit_outcome(t, r);
    if (e) {
        trouble(t, m, e);
        return;
    }
    m->r = *r;
    m->silent = 0;
    text_copy(vehicle, sizeof vehicle, r->vehicle);
    tell(t, r);
    if (r->settled)
        let_go(t, m);
    else
        mailing_go_on(t, m);
    tbe_portal_on_mailing(t, vehicle);
}

static void end_failed(struct tbe *t, struct mailing *m, enum err reason)
{
    struct mailing_record r = m->r;
    r.state = MAILING_FAILED;
    r.reason = reason;
    end(t, m, &r);
}

/* Nothing has left. Again after a pause, or never. code 0: no mail server was reached by us. */
static void put_off(struct tbe *t, struct mailing *m, unsigned code)
{
    struct mailing_record r = m->r;
    r.tries++;
    r.state = MAILING_ASKING;
    if (r.tries >= t->mail_tries) {
        r.state = code ? MAILING_REFUSED : MAILING_FAILED;
        r.code = code;
        r.reason = code ? ERR_OK : ERR_MAIL_UNREACHABLE;
        end(t, m, &r);
        return;
    }
    enum err e = commit(t, &r);
    if (e) {
        trouble(t, m, e);
        return;
    }
    m->r = r;
    env_trace_reason(t->env, TRACE_RETRY, "OP-01b/6", NULL, code ? ERR_MAIL_REFUSED : ERR_MAIL_UNREACHABLE,
                     code, r.vehicle);
    due_in(t, m, pause_us(r.tries - 1));
}

/* ---- the VOS ---- */

static void on_silence(struct tbe *t, struct mailing *m, enum err e)
{
    env_trace_reason(t->env, TRACE_RETRY, NULL, "mailing", e, 0, m->r.vehicle);
    due_in(t, m, t->vos_up ? pause_us(m->silent++) : ENV_NEVER);
}

static void ask(struct tbe *t, struct mailing *m, Init__V1__OpInitRequest *q)
{
    const struct tbe_asking about = {.ask = TBE_ASK_MAILING, .mailing = (size_t)(m - t->mailings->all)};
    if (!t->vos_up) {
        due_in(t, m, ENV_NEVER); /* until it is back */
        return;
    }
    enum err e = tbe_vos_ask(t, &about, q);
    if (e) {
        on_silence(t, m, e);
        return;
    }
    m->request_id = t->next_request_id;
    due_in(t, m, ENV_NEVER);
}

/* OP-01b/4 */
static void ask_link(struct tbe *t, struct mailing *m)
{
    char client[] = MAILING_CLIENT;
    Init__V1__PairingLink link = INIT__V1__PAIRING_LINK__INIT;
    Init__V1__OpInitRequest q = INIT__V1__OP_INIT_REQUEST__INIT;
    link.vehicle = m->r.vehicle;
    link.user = m->r.user;
    link.client = client;
    link.idempotency_key = m->r.key;
    link.way = INIT__V1__WAY__WAY_MAIL;
    q.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_LINK;
    q.link = &link;
    ask(t, m, &q);
    if (m->request_id)
        env_trace_step(t->env, "OP-01b/4", "asks the VOS");
}

/* What became of the link. The three are the same to the byte but for their place in the request. */
static void settle(struct tbe *t, struct mailing *m)
{
    char client[] = MAILING_CLIENT;
    Init__V1__LinkAcknowledge acknowledge = INIT__V1__LINK_ACKNOWLEDGE__INIT;
    Init__V1__LinkRelease release = INIT__V1__LINK_RELEASE__INIT;
    Init__V1__LinkRevoke revoke = INIT__V1__LINK_REVOKE__INIT;
    Init__V1__OpInitRequest q = INIT__V1__OP_INIT_REQUEST__INIT;
    acknowledge.link_id = release.link_id = revoke.link_id = m->r.link_id;
    acknowledge.user = release.user = revoke.user = m->r.user;
    acknowledge.client = release.client = revoke.client = client;
    if (m->r.state == MAILING_SENT) {
        q.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_ACKNOWLEDGE;
        q.acknowledge = &acknowledge;
    } else if (m->r.state == MAILING_UNKNOWN) {
        q.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_REVOKE;
        q.revoke = &revoke;
    } else {
        q.ask_case = INIT__V1__OP_INIT_REQUEST__ASK_RELEASE;
        q.release = &release;
    }
    ask(t, m, &q);
}

/* The address may have been changed since it was begun, or tried last. */
static void set_address(struct tbe *t, struct mailing_record *r)
{
    size_t user = tbe_user_find(r->user);
    if (user < TBE_USERS)
        tbe_address_of(t, user, r->address);
}

/* OP-01b/6: that it leaves, and where to, is stored before it does. */
static void send_mail(struct tbe *t, struct mailing *m, const char *link_id, const char *deep_link)
{
    struct mailing_record r = m->r;
    r.state = MAILING_LEAVING;
    text_copy(r.link_id, sizeof r.link_id, link_id);
    set_address(t, &r);
    enum err e = commit(t, &r);
    if (e) {
        trouble(t, m, e);
        return;
    }
    m->r = r;
    snprintf(m->tag, sizeof m->tag, "m%llu", (unsigned long long)++t->mailings->tags);
    e = mailing_letter_send(t, &m->r, deep_link, m->tag);
    if (e == ERR_LINK_DOWN || e == ERR_BUSY)
        put_off(t, m, 0);
    else if (e)
        end_failed(t, m, e);
    else {
        due_in(t, m, NEWS_US);
        env_trace_step(t->env, "OP-01b/6", "the mail leaves");
    }
}

static void take_link(struct tbe *t, struct mailing *m, enum err e, const Init__V1__OpInitResponse *a)
{
    if (!m->r.tries) /* one is taken for all tries */
        tbe_vehicle_judge(t, m->r.vehicle, e);
    if (!e && (!tbe_is_plain(a->link_id, TBE_ID - 1) || !tbe_is_plain(a->deep_link, DEEP_LINK)))
        e = ERR_INTERNAL;
    if (e)
        end_failed(t, m, e);
    else
        send_mail(t, m, a->link_id, a->deep_link);
}

/* The VOS has taken it, or the link is none any more. */
static bool is_settled(enum err e)
{
    return !e || e == ERR_NOT_FOUND || e == ERR_PASSWORD_DELIVERED;
}

static void take_settled(struct tbe *t, struct mailing *m, enum err e)
{
    struct mailing_record r = m->r;
    if (!is_settled(e)) {
        on_silence(t, m, e);
        return;
    }
    bool revoked = r.state == MAILING_SENT && e == ERR_NOT_FOUND;
    r.settled = true;
    if (revoked)
        r.state = MAILING_UNKNOWN;
    e = revoked ? commit_outcome(t, &r) : commit(t, &r);
    if (e) {
        trouble(t, m, e);
        return;
    }
    let_go(t, m);
    if (!revoked)
        return;
    tell(t, &r);
    tbe_portal_on_mailing(t, r.vehicle);
}

void tbe_mailing_on_answer(struct tbe *t, const struct tbe_asking *asked, enum err e,
                           const Init__V1__OpInitResponse *a)
{
    struct mailing *m = &t->mailings->all[asked->mailing];
    if (!m->used || m->request_id != asked->request_id)
        return;
    m->request_id = 0;
    if (!a) {
        on_silence(t, m, e);
        return;
    }
    m->silent = 0;
    if (m->r.state == MAILING_ASKING)
        take_link(t, m, e, a);
    else
        take_settled(t, m, e);
}

/* ---- the mail server ---- */

static void on_refused(struct tbe *t, struct mailing *m, unsigned code)
{
    struct mailing_record r = m->r;
    if (code < TEMPORARILY) {
        put_off(t, m, code);
        return;
    }
    r.state = MAILING_REFUSED;
    r.code = code;
    end(t, m, &r);
}

void mailing_on_unknown(struct tbe *t, struct mailing *m)
{
    struct mailing_record r = m->r;
    r.state = MAILING_UNKNOWN;
    end(t, m, &r);
}

void tbe_mailing_on_mail(struct tbe *t, const char *tag, const char *news)
{
    struct mailing *m = NULL;
    unsigned code;
    for (size_t i = 0; i < MAILINGS_MAX; i++) {
        struct mailing *one = &t->mailings->all[i];
        if (one->used && one->r.state == MAILING_LEAVING && strcmp(one->tag, tag) == 0)
            m = one;
    }
    if (!m)
        return; /* a mail that was repeated on its way has news of its own */
    if (strcmp(news, "sent") == 0) {
        struct mailing_record r = m->r;
        r.state = MAILING_SENT;
        end(t, m, &r);
    } else if (sscanf(news, "refused %3u", &code) == 1)
        on_refused(t, m, code);
    else
        mailing_on_unknown(t, m);
}

/* ---- time, and the VOS's return ---- */

void mailing_go_on(struct tbe *t, struct mailing *m)
{
    m->due_us = ENV_NEVER;
    if (m->r.state == MAILING_LEAVING)
        mailing_on_unknown(t, m);
    else if (m->r.state == MAILING_ASKING)
        ask_link(t, m);
    else
        settle(t, m);
}

void tbe_mailing_on_timer(struct tbe *t)
{
    uint64_t now_us = env_now_us(t->env);
    for (size_t i = 0; i < MAILINGS_MAX; i++)
        if (t->mailings->all[i].used && t->mailings->all[i].due_us <= now_us)
            mailing_go_on(t, &t->mailings->all[i]);
    arm(t);
}

void tbe_mailing_on_vos_up(struct tbe *t)
{
    for (size_t i = 0; i < MAILINGS_MAX; i++) {
        struct mailing *m = &t->mailings->all[i];
        if (m->used && !m->request_id && m->due_us == ENV_NEVER)
            mailing_go_on(t, m);
    }
}
