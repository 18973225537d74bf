#include "ecu/bcm/nonces.h"

#include <string.h>

/* Unlike both that were: what answers one of those answers it no more. */
static void draw(struct bcm_nonces *n, struct env *env)
{
    uint8_t other[CABIN_NONCE];
    do
        env_random(env, other, sizeof other);
    while (memcmp(other, n->list[0], sizeof other) == 0 || memcmp(other, n->list[1], sizeof other) == 0);
    memcpy(n->list[1], n->list[0], sizeof other);
    memcpy(n->list[0], other, sizeof other);
    n->drawn_us[1] = n->drawn_us[0];
    n->drawn_us[0] = env_now_us(env);
}

void bcm_nonces_use_up(struct bcm_nonces *n, struct env *env)
{
    draw(n, env);
    n->count = 1;
}

void bcm_nonces_renew(struct bcm_nonces *n, struct env *env)
{
    if (env_now_us(env) - n->drawn_us[0] < BCM_NONCE_ANNOUNCED_US)
        return;
    draw(n, env);
    n->count = 2;
}

size_t bcm_nonces_good(const struct bcm_nonces *n, uint64_t now_us)
{
    size_t good = 0;
    while (good < n->count && now_us - n->drawn_us[good] < BCM_NONCE_GOOD_US)
        good++;
    return good;
}
