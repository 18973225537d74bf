/* Answers each request with what it was asked, and by whom; one of LONG_BODY bytes with as many of its own;
 * to /silent says nothing. Anybody may come, who has no certificate too. */
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "tests/web/web.h"

enum { PORT_COUNTER };

#define LONG_BODY 60000

struct shop {
    struct env *env;
    uint8_t out[HTTP_MESSAGE_MAX], body[LONG_BODY];
};

static const char *const callers[] = {"visitor", "", NULL};
static const struct port_spec ports[] = {{.name = "counter",
                                          .medium = "http",
                                          .end = PORT_LISTENS,
                                          .callers = callers,
                                          .name_of = http_message_name}};

static enum err shop_init(void *self, struct env *env, const struct component_args *args)
{
    (void)args;
    struct shop *s = self;
    s->env = env;
    memset(s->body, 's', sizeof s->body);
    return ERR_OK;
}

static void answer(struct shop *s, const char *address, const struct http_request *q)
{
    char body[400];
    struct wr w = wr_of(s->out, sizeof s->out);
    struct http_response r = {.status = 200};
    int len = snprintf(body, sizeof body, "%s %s %.*s %.*s", address, http_method_name(q->method),
                       (int)q->words[HTTP_WORD_PATH].len, (const char *)q->words[HTTP_WORD_PATH].p,
                       (int)(q->body.len < 200 ? q->body.len : 200), (const char *)q->body.p);
    r.lines[HTTP_LINE_TYPE] = span_of("text/plain", 10);
    r.body = q->body.len == LONG_BODY ? span_of(s->body, LONG_BODY) : span_of(body, (size_t)len);
    enum err e = http_response_write(&r, &w);
    if (!e)
        e = env_send_bytes(s->env, PORT_COUNTER, address, span_of(s->out, w.len));
    if (e)
        env_trace_reason(s->env, TRACE_REJECT, "WB-01/2", NULL, e, 0, address);
}

static void shop_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct shop *s = self;
    struct http_request q;
    (void)port;
    enum err e = http_request_read(bytes, HTTP_FROM_COMPONENT, &q);
    if (e) {
        env_trace_reason(s->env, TRACE_REJECT, "WB-01/2", NULL, e, 0, address);
        return;
    }
    env_trace_step(s->env, "WB-01/2", http_message_name(bytes));
    if (!span_is(q.words[HTTP_WORD_PATH], "/silent"))
        answer(s, address, &q);
}

const struct component_class shop_class = {
    .name = "shop",
    .place = PLACE_BACK_END,
    .size = sizeof(struct shop),
    .ports = ports,
    .port_count = 1,
    .message_max = HTTP_MESSAGE_MAX,
    .init = shop_init,
    .on_bytes = shop_on_bytes,
};
