/* A tester on a bus, and ECUs on others: UDS over frames in virtual time, without a world. Whoever uses them
 * carries the frames and moves the time. */
#ifndef tests_tester_h
#define tests_tester_h

#include "lib/can/isotp.h"
#include "tests/uds_ecu.h"

#define TESTER_ECUS    3 /* 7A0, 7A1, 7A2 */
#define TESTER_ANSWERS 32
#define TESTER_MAX     2048

struct tester_answer {
    uint32_t id;
    size_t len;
    uint8_t bytes[TESTER_MAX];
    bool classic; /* all its frames */
};

struct tester {
    bool classic; /* knows no CAN FD */
    struct tester_channel {
        struct isotp tp;
        uint8_t rx[TESTER_MAX], tx[TESTER_MAX];
        bool saw_fd;
    } channels[TESTER_ECUS];
    struct bus_frame functional;
    bool functional_waits;
    struct tester_answer answers[TESTER_ANSWERS];
    size_t answered, read;
};

void tester_open(struct tester *t, bool classic);
/* Asks one ECU by its identifier, or with 7DF all; of those one single frame. */
void tester_ask(struct tester *t, uint32_t id, struct span pdu, uint64_t now_us);
void tester_input(struct tester *t, const struct bus_frame *f, uint64_t now_us);
/* The next frame to put on the bus. */
bool tester_output(struct tester *t, uint64_t now_us, struct bus_frame *f);
/* The next that nobody has read, or NULL. */
const struct tester_answer *tester_answer(struct tester *t);

/* The test ECU of tests/uds_ecu.h on a bus. */
struct tested_ecu {
    struct uds_ecu_bench uds;
    struct isotp tp;
    uint8_t rx[TESTER_MAX], tx[TESTER_MAX];
    uint64_t begun_us;
};

/* Switched on, default session. */
void tested_ecu_open(struct tested_ecu *e, struct crypto *c, uint32_t request_id);
void tested_ecu_input(struct tested_ecu *e, const struct bus_frame *f, uint64_t now_us);
bool tested_ecu_output(struct tested_ecu *e, uint64_t now_us, struct bus_frame *f);

#endif
