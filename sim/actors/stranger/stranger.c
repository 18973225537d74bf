#include "sim/actors/stranger/stranger.h"

#include <stdio.h>
#include <string.h>

#include "sim/actors/stranger/attacks.h"

#define HOST        "app.tbe.example"
#define KNOCKED     "knocked=" /* begins the note that all is done */
#define PIECE       4096
#define HEARD       8192
#define PATIENCE_US 8000000u /* for an answer: the door's own limits are 2 to 5 s */
#define DRIP_US     300000u

enum phase { RESTING, ATTACKING, ASKING };
enum timer { TIMER_PATIENCE, TIMER_DRIP };

struct stranger {
    struct env *env;
    enum phase phase;
    char how[ENV_NAME_MAX];
    const struct attack *attack;
    unsigned index, wrong, number; /* attacks done and answered wrongly; connections so far */
    char tag[16];
    bool there; /* the connection is open */
    size_t dripped, heard_len;
    uint8_t heard[HEARD];
};

static const struct port_spec ports[] = {{.name = "door", .medium = "http", .end = PORT_ASKS, .raw = true}};
static const struct timer_spec timers[] = {
    [TIMER_PATIENCE] = {.name = "patience"}, [TIMER_DRIP] = {.name = "drip"}};

/* ---- connections ---- */

static void knock(struct stranger *s, enum phase phase, const char *host, const char *protocol,
                  const char *as)
{
    char opening[120];
    s->phase = phase;
    s->heard_len = s->dripped = 0;
    s->there = false;
    snprintf(s->tag, sizeof s->tag, "%u", ++s->number);
    snprintf(opening, sizeof opening, "open %s %s %s", host, protocol, as);
    env_timer_in(s->env, TIMER_PATIENCE, PATIENCE_US);
    if (env_tell(s->env, 0, s->tag, opening))
        env_timer_in(s->env, TIMER_PATIENCE, 0);
}

static void attack(struct stranger *s)
{
    const struct attack *a = s->attack;
    knock(s, ATTACKING, a->host ? a->host : HOST, a->text ? "http/1.1" : "h2", a->as ? a->as : "-");
}

static void send_all(struct stranger *s, struct span bytes)
{
    while (bytes.len) {
        size_t n = bytes.len < PIECE ? bytes.len : PIECE;
        if (env_send_bytes(s->env, 0, s->tag, span_of(bytes.p, n)))
            return; /* the answer will not come, and that is told */
        bytes = span_of(bytes.p + n, bytes.len - n);
    }
}

static void send_attack(struct stranger *s)
{
    static uint8_t bytes[ATTACK_MAX];
    struct wr w = wr_of(bytes, sizeof bytes);
    attack_write(s->attack, &w);
    send_all(s, span_of(bytes, w.len));
    if (s->attack->drip)
        env_timer_in(s->env, TIMER_DRIP, DRIP_US);
}

/* ---- what became of it ---- */

static void hang_up(struct stranger *s)
{
    env_timer_set(s->env, TIMER_PATIENCE, ENV_NEVER);
    env_timer_set(s->env, TIMER_DRIP, ENV_NEVER);
    env_tell(s->env, 0, s->tag, "close"); /* an error: the other end has */
    s->tag[0] = '\0';
}

/* "400", or one of "400|405". */
static bool is_expected(const char *answers, const char *answer)
{
    size_t len = strlen(answer);
    for (const char *at = answers; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, answer, len) == 0 && (at[len] == '\0' || at[len] == '|'))
            return true;
    return false;
}

static void tell_wrong(struct stranger *s, const char *what, const char *answer, const char *expected)
{
    char detail[160];
    snprintf(detail, sizeof detail, "%s %s: %s, not %s", what, s->attack->name, answer, expected);
    s->wrong++;
    env_trace_note(s->env, TRACE_NOTE, detail);
    env_trace_reason(s->env, TRACE_FAIL, NULL, s->attack->name, ERR_DOOR_ANSWER, 0, "");
}

static void next(struct stranger *s)
{
    char detail[60];
    s->attack = attack_at(s->how, s->index);
    if (s->attack) {
        attack(s);
        return;
    }
    s->phase = RESTING;
    snprintf(detail, sizeof detail, KNOCKED "%u wrong=%u", s->index, s->wrong);
    env_trace_note(s->env, TRACE_NOTE, detail);
}

static void attack_ended(struct stranger *s, const char *answer)
{
    char detail[100];
    hang_up(s);
    if (is_expected(s->attack->answer, answer)) {
        snprintf(detail, sizeof detail, "%s: %s", s->attack->name, answer);
        env_trace_note(s->env, TRACE_NOTE, detail);
    } else {
        tell_wrong(s, "upon", answer, s->attack->answer);
    }
    knock(s, ASKING, HOST, "http/1.1", "-");
}

static void honest_ended(struct stranger *s, const char *answer)
{
    static const char expected[] = "404";
    hang_up(s);
    if (strcmp(answer, expected) != 0)
        tell_wrong(s, "an honest request after", answer, expected);
    s->index++;
    next(s);
}

static void ended(struct stranger *s, const char *answer)
{
    if (s->phase == ATTACKING)
        attack_ended(s, answer);
    else if (s->phase == ASKING)
        honest_ended(s, answer);
}

/* ---- what comes in ---- */

static void on_news(void *self, unsigned port, const char *address, const char *news)
{
    static const char honest[] = "GET /honest HTTP/1.1\r\nHost: " HOST "\r\n\r\n";
    struct stranger *s = self;
    (void)port;
    if (strcmp(address, s->tag) != 0)
        return;
    s->there = strcmp(news, "open") == 0;
    if (!s->there)
        ended(s, news);
    else if (s->phase == ATTACKING)
        send_attack(s);
    else
        send_all(s, span_of(honest, sizeof honest - 1));
}

static void on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    static const struct attack plain = {.text = ""};
    struct stranger *s = self;
    (void)port;
    if (strcmp(address, s->tag) != 0)
        return;
    size_t n = bytes.len < HEARD - s->heard_len ? bytes.len : HEARD - s->heard_len;
    memcpy(s->heard + s->heard_len, bytes.p, n);
    s->heard_len += n;
    const char *answer =
        attack_answer(s->phase == ATTACKING ? s->attack : &plain, span_of(s->heard, s->heard_len));
    if (answer)
        ended(s, answer);
}

static void on_timer(void *self, unsigned timer)
{
    struct stranger *s = self;
    if (timer == TIMER_PATIENCE) {
        ended(s, "nothing");
        return;
    }
    char c = s->attack->drip[s->dripped];
    if (c && s->there && env_send_bytes(s->env, 0, s->tag, span_of(&c, 1)) == ERR_OK) {
        s->dripped++;
        env_timer_in(s->env, TIMER_DRIP, DRIP_US);
    }
}

/* ---- the call ---- */

static bool is_attack(const char *how)
{
    return attack_at(how, 0) != NULL;
}

static enum err call_knock(void *self, const struct call_value *values)
{
    struct stranger *s = self;
    if (s->phase != RESTING)
        return ERR_BUSY;
    text_copy(s->how, sizeof s->how, values[0].text);
    s->index = s->wrong = 0;
    next(s);
    return ERR_OK;
}

static const struct parameter_spec knock_parameters[] = {
    {.name = "how", .kind = PARAMETER_TEXT, .required = true, .check = is_attack, .form = "two-lengths"},
    {.name = NULL},
};
static const struct call_spec calls[] = {
    {"knock", "attacks the door by name, or http1, http2, all; an honest request follows each",
     knock_parameters, call_knock},
    {.name = NULL},
};
static const struct lasting_spec lasting[] = {{"knock", KNOCKED}, {.call = NULL}};

static enum err init(void *self, struct env *env, const struct component_args *args)
{
    struct stranger *s = self;
    (void)args;
    s->env = env;
    return ERR_OK;
}

const struct component_class stranger_class = {
    .name = "stranger",
    .place = PLACE_OUTSIDE,
    .size = sizeof(struct stranger),
    .message_max = PIECE,
    .ports = ports,
    .port_count = 1,
    .timers = timers,
    .timer_count = 2,
    .calls = calls,
    .lasting = lasting,
    .init = init,
    .on_bytes = on_bytes,
    .on_news = on_news,
    .on_timer = on_timer,
};
