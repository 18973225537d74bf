/* A mosquitto as a run would have it, and clients on libmosquitto that speak MQTT 3.1.1. */
#ifndef tests_mqtt_h
#define tests_mqtt_h

#include <mosquitto.h>

#include "lib/media/gsdp/mosquitto.h"

#define MQTT_TURNS 2000 /* of 5 ms, for the broker to answer */

struct mqtt {
    struct mosquitto *m;
    int result;                      /* of CONNECT, -1 before it is known */
    unsigned confirmed;              /* subscriptions granted, messages taken */
    unsigned refused;                /* subscriptions */
    void (*hear)(const char *topic); /* NULL: is not listened to */
};

/* Starts it with rules and passwords for these; false when it is not installed. */
bool mqtt_broker_begin(const struct setup_instance *instances, size_t count);
void mqtt_broker_end(void);
/* Good until the next call. */
const char *mqtt_password(const struct setup_instance *who);

void mqtt_join(struct mqtt *c, const char *user, const char *password);
/* With the user and password that the run would give; must be taken. */
void mqtt_join_as(struct mqtt *c, const struct setup_instance *who);
/* By that user, and whatever it says of its id; may be refused. */
void mqtt_join_by_id(struct mqtt *c, const char *id, const struct setup_instance *who);
/* Listens from the first: what has waited comes with the answer. */
void mqtt_join_hearing(struct mqtt *c, const struct setup_instance *who, void (*hear)(const char *topic));
/* Sessions of those who join outlive their connections; false at first. */
extern bool mqtt_stay;
const struct broker *mqtt_broker(void);
void mqtt_leave(struct mqtt *c);
void mqtt_turn(struct mqtt *c);
/* Both wait for the broker's word. */
void mqtt_subscribe(struct mqtt *c, const char *filter);
/* False for a topic that libmosquitto does not send. */
bool mqtt_publish(struct mqtt *c, const char *topic);

#endif
