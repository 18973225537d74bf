/* A tester's way to the ECUs of one vehicle: an ISO-TP channel to each, and one request at a time. Who has
 * not asked hears nothing: another tester may work on the same bus. */
#ifndef sim_actors_tester_connection_h
#define sim_actors_tester_connection_h

#include "lib/env/isotp_port.h"
#include "lib/uds/uds_client.h"

enum ecu { ECU_SGW, ECU_SPAAK, ECU_TBM, ECUS };

/* Timers: numbers that nobody else uses. */
struct connection_timers {
    unsigned channels; /* ECUS of them from here on */
    unsigned answer;   /* while a request is under way */
    unsigned alive;    /* of the keep-alive while none is; a run may be quiet meanwhile */
};

struct connection {
    struct env *env;
    unsigned port;
    struct connection_timers timers;
    struct isotp_port channels[ECUS];
    struct uds_client client;
    enum ecu asked;
    bool arriving, ended;
    struct uds_client_event end;
    uint8_t request[ISOTP_PORT_MAX];
    /* The request is over; another may begin. */
    void (*on_end)(void *owner, const struct uds_client_event *ev);
    void *owner;
};

void connection_init(struct connection *c, struct env *env, unsigned port,
                     const struct connection_timers *timers, uint32_t answer_ms);
/* Wipes what has gone through it. */
void connection_fini(struct connection *c);
/* Copies the request. ERR_BUSY, ERR_BAD_ARGUMENT for what is no request. */
enum err connection_ask(struct connection *c, enum ecu ecu, struct span request);
/* 3E 80 to all every 2 s from now on, or no more. */
void connection_keep_alive(struct connection *c, bool wanted);
bool connection_busy(const struct connection *c);
void connection_on_frame(struct connection *c, const struct bus_frame *f);
/* False: not one of its timers. */
bool connection_on_timer(struct connection *c, unsigned timer);

#endif
