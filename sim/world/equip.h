/* The stores of a world when a run begins, for both worlds: what the life before left, what the plant gives,
 * and the scenario's defects. */
#ifndef sim_world_equip_h
#define sim_world_equip_h

#include "sim/world/past.h"

struct equipment {
    struct past *past; /* NULL: a first life */
    struct plant plant;
};

/* The past is lived now if need be. False and a failure in the run. */
bool equip_begin(struct run *r, struct crypto *c, int64_t now_ms, struct equipment *out);
/* Fills the stores of all members, and the run's store keys; `store` gives the store of a member. */
enum err equip_stores(struct run *r, struct equipment *e, struct crypto *c, int64_t now_ms,
                      struct store *(*store)(void *ctx, size_t member), void *ctx);
void equip_end(struct equipment *e);

#endif
