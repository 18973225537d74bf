/* A SpaaK Module on a bench, with two ears that hear its requests (VOS, GSDP) and answer in the servers'
 * names. */
#ifndef tests_vehicle_bench_h
#define tests_vehicle_bench_h

#include "lib/can/isotp.h"
#include "lib/msg/msg.h"
#include "tests/support.h"

#define SERIAL "SPAAK00000001"
#define READY  (TBM_STATUS_CONNECTED | TBM_STATUS_SUBSCRIBED)

struct vehicle_bench {
    struct bench b;
    struct msg_header last; /* of the last request heard */
    uint8_t body[MSG_MAX];
    size_t body_len, heard;
    struct isotp ear[2]; /* vos, gsdp */
    uint8_t ear_rx[2][MSG_MAX];
    uint8_t alive;
};

/* With the store that the plant and that much of PP-01 leave. */
void vehicle_start(struct vehicle_bench *v, const struct history *history);
void vehicle_stop(struct vehicle_bench *v);
/* TBM_Status with these flags. */
void vehicle_tbm_says(struct vehicle_bench *v, uint8_t flags);
/* A message sealed by that role, with the header's correlation, sequence and use case. */
void vehicle_answer_as(struct vehicle_bench *v, enum oem_role role, struct msg_header h, int type,
                       struct span body);
/* Hears what the module has to say. */
void vehicle_listen(struct vehicle_bench *v);
bool vehicle_stored(struct vehicle_bench *v, const char *key);

#endif
