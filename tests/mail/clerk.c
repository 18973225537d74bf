/* Writes when told to, and shows what became of it. Each letter holds a link with a secret that the clerk
 * keeps, and that stands in no other record. */
#include <stdio.h>
#include <string.h>

#include "lib/mail/mail.h"
#include "tests/mail/post.h"

enum { PORT_POST };
enum { TIMER_PATIENCE };
enum { SHOW_DESK };

#define PATIENCE_US 5500000 /* longer than a postbox is waited for */
#define SECRET_SIZE 16

struct clerk {
    struct env *env;
    unsigned written, waiting;
};

static const struct port_spec ports[] = {{.name = "post", .medium = "mail", .name_of = mail_message_name}};
static const struct timer_spec timers[] = {{.name = "patience"}};
static const char *const shows[] = {"desk", NULL};
static const char *const keys[] = {"link/+", NULL};
static const char *const secrets[] = {"link/", NULL};

static enum err clerk_init(void *self, struct env *env, const struct component_args *args)
{
    (void)args;
    ((struct clerk *)self)->env = env;
    return ERR_OK;
}

/* Hex text, as it stands in the letter. */
static void draw_secret(struct clerk *c, char secret[2 * SECRET_SIZE + 1])
{
    uint8_t random[SECRET_SIZE];
    env_random(c->env, random, sizeof random);
    hex_encode(random, sizeof random, secret);
}

static enum err keep_secret(struct clerk *c, const char *secret)
{
    char key[24];
    snprintf(key, sizeof key, "link/%u", c->written);
    env_store_put(c->env, key, span_of(secret, 2 * SECRET_SIZE));
    return env_store_commit(c->env);
}

static enum err clerk_write(void *self, const struct call_value *values)
{
    struct clerk *c = self;
    static const char from[] = "desk@works.example";
    char tag[16], secret[2 * SECRET_SIZE + 1], text[300];
    uint8_t bytes[2000];
    struct wr w = wr_of(bytes, sizeof bytes);
    snprintf(tag, sizeof tag, "m%u", ++c->written);
    draw_secret(c, secret);
    snprintf(text, sizeof text, "Guten Tag,\n\n%s\n.\nhttps://works.example/open#%s\n", values[1].text,
             secret);
    struct mail m = {.date_s = env_wall_ms(c->env) / 1000,
                     .from = span_of(from, strlen(from)),
                     .to = span_of(values[0].text, strlen(values[0].text)),
                     .subject = span_of(values[1].text, strlen(values[1].text)),
                     .text = span_of(text, strlen(text))};
    env_random(c->env, m.id, sizeof m.id);
    enum err e = mail_write(&m, &w);
    if (e)
        return e;
    env_trace_step(c->env, "ML-01/1", tag);
    e = env_send_bytes(c->env, PORT_POST, tag, span_of(bytes, w.len));
    if (!e)
        e = keep_secret(c, secret);
    if (!e) {
        c->waiting++;
        env_timer_in(c->env, TIMER_PATIENCE, PATIENCE_US);
    }
    return e;
}

static void clerk_on_news(void *self, unsigned port, const char *address, const char *news)
{
    struct clerk *c = self;
    char line[ENV_TEXT_MAX];
    (void)port;
    snprintf(line, sizeof line, "%s %s", address, news);
    env_show(c->env, SHOW_DESK, line);
    env_trace_step(c->env, "ML-01/2", line);
    if (c->waiting && --c->waiting == 0)
        env_timer_set(c->env, TIMER_PATIENCE, ENV_NEVER);
}

static void clerk_on_timer(void *self, unsigned timer)
{
    struct clerk *c = self;
    (void)timer;
    env_show(c->env, SHOW_DESK, "gave up");
}

static const struct parameter_spec write_parameters[] = {
    {.name = "address", .kind = PARAMETER_TEXT, .required = true},
    {.name = "subject", .kind = PARAMETER_TEXT, .required = true},
    {.name = NULL}};
static const struct call_spec calls[] = {{"write", "writes a letter", write_parameters, clerk_write},
                                         {.name = NULL}};

const struct component_class clerk_class = {
    .name = "clerk",
    .place = PLACE_BACK_END,
    .size = sizeof(struct clerk),
    .stores = true,
    .keys = keys,
    .secrets = secrets,
    .ports = ports,
    .port_count = 1,
    .timers = timers,
    .timer_count = 1,
    .calls = calls,
    .shows = shows,
    .init = clerk_init,
    .on_news = clerk_on_news,
    .on_timer = clerk_on_timer,
};
