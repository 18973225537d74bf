/* Asks when it is told to, and shows what became of it. */
#include <stdio.h>
#include <string.h>

#include "lib/http/http_problem.h"
#include "tests/web/web.h"

enum { PORT_COUNTER };
enum { TIMER_PATIENCE };
enum { SHOW_SCREEN };

#define PATIENCE_US 5500000

#define LONG_BODY 60000

struct visitor {
    struct env *env;
    unsigned asked, waiting;
    uint8_t out[HTTP_MESSAGE_MAX], body[LONG_BODY];
};

static const struct port_spec ports[] = {
    {.name = "counter", .medium = "http", .end = PORT_ASKS, .server = "shop", .name_of = http_message_name}};
static const struct timer_spec timers[] = {{.name = "patience"}};
static const char *const shows[] = {"screen", NULL};

static enum err visitor_init(void *self, struct env *env, const struct component_args *args)
{
    (void)args;
    struct visitor *v = self;
    v->env = env;
    memset(v->body, 'v', sizeof v->body);
    return ERR_OK;
}

static enum err visitor_ask(void *self, const struct call_value *values)
{
    struct visitor *v = self;
    char tag[16];
    struct wr w = wr_of(v->out, sizeof v->out);
    struct http_request q = {.method = HTTP_POST, .body = span_of("please", 6)};
    if (strcmp(values[0].text, "/long") == 0)
        q.body = span_of(v->body, LONG_BODY);
    q.words[HTTP_WORD_PATH] = span_of(values[0].text, strlen(values[0].text));
    q.words[HTTP_WORD_TYPE] = span_of("text/plain", 10);
    enum err e = http_request_write(&q, &w);
    if (e)
        return e;
    snprintf(tag, sizeof tag, "q%u", ++v->asked);
    env_trace_step(v->env, "WB-01/1", tag);
    e = env_send_bytes(v->env, PORT_COUNTER, tag, span_of(v->out, w.len));
    if (!e) {
        v->waiting++;
        env_timer_in(v->env, TIMER_PATIENCE, PATIENCE_US);
    }
    return e;
}

static void show(struct visitor *v, const char *tag, const char *text, size_t len)
{
    char line[ENV_TEXT_MAX];
    snprintf(line, sizeof line, "%s %.*s", tag, (int)len, text);
    env_show(v->env, SHOW_SCREEN, line);
    env_trace_step(v->env, "WB-01/3", tag);
    if (v->waiting && --v->waiting == 0)
        env_timer_set(v->env, TIMER_PATIENCE, ENV_NEVER);
}

static void visitor_on_bytes(void *self, unsigned port, const char *address, struct span bytes)
{
    struct visitor *v = self;
    struct http_response r;
    enum err reason;
    (void)port;
    enum err e = http_response_read(bytes, &r);
    if (e)
        env_trace_reason(v->env, TRACE_REJECT, "WB-01/3", NULL, e, 0, address);
    else if (http_problem_reason(&r, &reason) == ERR_OK)
        show(v, address, err_name(reason), strlen(err_name(reason)));
    else if (r.body.len == LONG_BODY && r.body.p[LONG_BODY - 1] == 's')
        show(v, address, "long", 4);
    else
        show(v, address, (const char *)r.body.p, r.body.len);
}

static void visitor_on_news(void *self, unsigned port, const char *address, const char *news)
{
    (void)port;
    show(self, address, news, strlen(news));
}

static void visitor_on_timer(void *self, unsigned timer)
{
    struct visitor *v = self;
    (void)timer;
    env_show(v->env, SHOW_SCREEN, "gave up");
}

static const struct parameter_spec ask_parameters[] = {
    {.name = "path", .kind = PARAMETER_TEXT, .required = true}, {.name = NULL}};
static const struct call_spec calls[] = {{"ask", "asks the shop", ask_parameters, visitor_ask},
                                         {.name = NULL}};

const struct component_class visitor_class = {
    .name = "visitor",
    .place = PLACE_BACK_END,
    .size = sizeof(struct visitor),
    .ports = ports,
    .port_count = 1,
    .message_max = HTTP_MESSAGE_MAX,
    .timers = timers,
    .timer_count = 1,
    .calls = calls,
    .shows = shows,
    .init = visitor_init,
    .on_bytes = visitor_on_bytes,
    .on_news = visitor_on_news,
    .on_timer = visitor_on_timer,
};
