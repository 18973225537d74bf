/* What the files of the Telematics Box Module share. */
#ifndef tbm_tbm_internal_h
#define tbm_tbm_internal_h

#include "lib/msg/diagnostic.h"
#include "lib/msg/msg.h"
#include "tbm/tbm.h"

#define TBM_KEY_LEVEL       "uds/level/01"            /* K of the plant */
#define TBM_KEY_CLIENT      "gsdp/client-key"         /* of the plant */
#define TBM_KEY_CERTIFICATE "gsdp/client-certificate" /* of the plant */
#define TBM_KEY_RETRY       "gsdp/retry-s"

enum { TBM_PORT_TELEMATICS, TBM_PORT_GSDP };
enum { TBM_SERVICE_VOS, TBM_SERVICE_GSDP, TBM_SERVICES };
/* The first timers are the services' channels. */
enum {
    TBM_TIMER_STATUS = TBM_SERVICES,
    TBM_TIMER_RETRY,
    TBM_TIMER_GSDP_LOST,
    TBM_TIMER_DIAGNOSTIC_CHANNEL,
    TBM_TIMER_DIAGNOSTIC
};

/* A message that waits; the payload follows the struct. */
struct held {
    struct held *next;
    size_t len;
    uint8_t bytes[];
};

struct queue {
    struct held *first, **last;
    size_t count;
};

struct service {
    struct isotp_port channel;
    char up_topic[64], down_topic[64];
    struct queue up, down;
};

struct tbm {
    struct env *env;
    char serial[MSG_SERIAL_MAX + 1];
    struct service services[TBM_SERVICES];
    struct diagnostic diagnostic;
    uint16_t retry_s; /* of what GSDP did not take */
    enum link_state gsdp;
    bool telematics_up;
    uint8_t alive;
};

/* Sends on what waits, both ways. */
void tbm_proceed(struct tbm *t);
/* It has gone down: what was in memory is lost. It is up again. */
void tbm_down(void *tbm);
void tbm_up(void *tbm);

/* diagnostics.c */
enum err tbm_diagnostics_init(struct tbm *t);
/* What the state of GSDP says about trouble codes. */
void tbm_diagnostics_on_gsdp(struct tbm *t);
void tbm_diagnostics_on_gsdp_lost(struct tbm *t);
/* Tests the client certificate. */
void tbm_diagnostics_test_certificate(struct tbm *t);

#endif
