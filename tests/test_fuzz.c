/* A short, repeatable run of every fuzz target: its seeds as they are, then changed a little. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdlib.h>

#include "tests/fuzz_targets.h"

#define SEEDS_MAX 400

struct seeds {
    struct {
        uint8_t *p;
        size_t len;
    } s[SEEDS_MAX];
    size_t n;
};

static void collect(void *arg, const uint8_t *p, size_t len)
{
    struct seeds *s = arg;
    if (s->n == SEEDS_MAX || len > FUZZ_INPUT_MAX)
        return;
    s->s[s->n].p = malloc(len ? len : 1);
    memcpy(s->s[s->n].p, p, len);
    s->s[s->n++].len = len;
}

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Some bytes changed, some taken out, some doubled, some from another seed. */
static size_t mutate(const struct seeds *s, uint64_t *state, uint8_t out[FUZZ_INPUT_MAX])
{
    size_t i = draw(state) % s->n, len = s->s[i].len;
    memcpy(out, s->s[i].p, len);
    for (uint64_t n = 1 + draw(state) % 4; n && len; n--) {
        size_t at = draw(state) % len, run = 1 + draw(state) % 8, other = draw(state) % s->n;
        switch (draw(state) % 5) {
        case 0:
            out[at] ^= (uint8_t)(1u << draw(state) % 8);
            break;
        case 1:
            out[at] = (uint8_t)draw(state);
            break;
        case 2:
            len = at;
            break;
        case 3:
            run = run < len - at ? run : len - at;
            memmove(out + at, out + at + run, len - at - run);
            len -= run;
            break;
        default:
            run = s->s[other].len < FUZZ_INPUT_MAX - at ? s->s[other].len : FUZZ_INPUT_MAX - at;
            memcpy(out + at, s->s[other].p, run);
            len = at + run > len ? at + run : len;
        }
    }
    return len;
}

ParameterizedTestParameters(fuzz, every_target)
{
    static size_t indices[32];
    for (size_t i = 0; i < fuzz_target_count; i++)
        indices[i] = i;
    return cr_make_param_array(size_t, indices, fuzz_target_count);
}

ParameterizedTest(size_t *index, fuzz, every_target)
{
    const struct fuzz_target *t = &fuzz_targets[*index];
    static struct seeds s;
    static uint8_t in[FUZZ_INPUT_MAX];
    uint64_t state = 0x5EED + *index;
    s.n = 0;
    t->seed(collect, &s);
    cr_assert(lt(sz, 0, s.n), "%s has no seed", t->name);
    for (size_t i = 0; i < s.n; i++)
        t->run(s.s[i].p, s.s[i].len);
    static const char slow_ones[] = "device vehicle_pairing vehicle_finish vos_init tbe_vos tbe_request keys";
    bool slow = strstr(slow_ones, t->name) != NULL;
    for (int i = 0; i < (slow ? 1000 : 10000); i++)
        t->run(in, mutate(&s, &state, in));
    for (size_t i = 0; i < s.n; i++)
        free(s.s[i].p);
}
