/* GSDP: topics between vehicles and back-end services, on MQTT 3.1.1, QoS 1, sessions that outlive
 * connections. A class declares the topics that it reads and writes; from that come the host's own check and
 * the broker's rules.
 *
 * What a broker answers, in both worlds: a forbidden subscription is granted and stays silent, a forbidden
 * message is taken and dropped, overlapping subscriptions deliver once, 100 messages wait for a client that
 * is away, a broker that was killed has forgotten sessions and messages. */
#ifndef lib_media_gsdp_gsdp_h
#define lib_media_gsdp_gsdp_h

#include "lib/host/medium.h"

#define GSDP_TOPIC_MAX   96
#define GSDP_FILTER_MAX  64 /* a filter, with its end */
#define GSDP_FILTERS_MAX 4  /* subscriptions of one port */
#define GSDP_QUEUE_MAX   100

extern const struct medium medium_gsdp;

#endif
