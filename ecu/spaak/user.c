/* OP-02/4: has whoever wishes to pair a key fob, with the ignition on? BCM_Status says so, too, but anybody
 * on the body segment can; so the body controller is asked with a challenge, and proves its answer. One of
 * the two frames may get lost: it is asked again with the same challenge. */
#include <openssl/crypto.h>

#include "ecu/spaak/pairing.h"

#define ANSWER_MS 100
#define ASKS      3

static void trace(struct spaak *s, enum trace_kind kind, enum matrix_message m, enum err e, size_t len)
{
    env_trace_reason(s->env, kind, NULL, matrix_row(m)->name, e, (uint32_t)len, NULL);
}

static void end(struct spaak *s, enum err e)
{
    user_forget(s);
    pairing_on_user(s, e);
}

static void say(struct spaak *s)
{
    struct bus_frame f;
    s->cabin.asked++;
    env_timer_in(s->env, SPAAK_TIMER_USER, ANSWER_MS * 1000);
    if (diagnostic_tx_off(&s->diagnostic))
        return;
    cabin_write_ask(s->cabin.challenge, &f);
    enum err e = env_send_frame(s->env, SPAAK_PORT_BODY, &f);
    if (e)
        trace(s, TRACE_FAIL, MATRIX_SPAAK_BCM_ASK, e, f.len);
}

void user_ask(struct spaak *s)
{
    if (s->cabin.asked)
        return; /* pressed twice */
    env_random(s->env, s->cabin.challenge, CABIN_CHALLENGE);
    say(s);
}

void user_forget(struct spaak *s)
{
    s->cabin.asked = 0;
    OPENSSL_cleanse(s->cabin.challenge, CABIN_CHALLENGE);
    env_timer_set(s->env, SPAAK_TIMER_USER, ENV_NEVER);
}

void user_on_timer(struct spaak *s)
{
    if (s->cabin.asked >= ASKS)
        end(s, ERR_BCM_SILENT);
    else if (s->cabin.asked)
        say(s);
}

static enum err read_answer(struct spaak *s, const struct bus_frame *f, struct cabin_answer *out)
{
    uint8_t key[CMAC_KEY];
    size_t len = 0;
    if (!s->cabin.asked)
        return ERR_MSG_UNEXPECTED;
    enum err e = env_store_get(s->env, SPAAK_BODY_KEY, key, sizeof key, &len);
    if (!e && len != sizeof key)
        e = ERR_STORE_FAILED;
    if (!e)
        e = cabin_read_answer(s->env->crypto, key, s->cabin.challenge, f, out);
    OPENSSL_cleanse(key, sizeof key);
    return e;
}

/* A false one ends nothing: the true one may come behind it. */
void user_on_frame(struct spaak *s, const struct bus_frame *f)
{
    struct cabin_answer a;
    enum err e = read_answer(s, f, &a);
    if (e)
        trace(s, TRACE_REJECT, MATRIX_BCM_SPAAK_ANSWER, e, f->len);
    else
        end(s, !a.ignition ? ERR_IGNITION_OFF : !a.fob ? ERR_FOB_AWAY : ERR_OK);
}
