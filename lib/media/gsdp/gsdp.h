/* GSDP: topics between vehicles and back-end services, on MQTT 3.1.1, QoS 1, sessions that outlive
 * connections. A class declares the topics that it reads and writes; from that come the host's own check and
 * the broker's rules.
 *
 * What a broker answers, in both worlds: a forbidden subscription is granted and stays silent, a forbidden
 * message is taken and dropped, overlapping subscriptions deliver once, 100 messages wait for a client that
 * is away, a broker that was killed has forgotten sessions and messages. A client is who its user is,
 * whatever id it claims; one that sends more than the longest message of this run's classes is cut off, and a
 * message longer than a client takes does not reach its component. */
#ifndef lib_media_gsdp_gsdp_h
#define lib_media_gsdp_gsdp_h

#include "lib/host/medium.h"

#define GSDP_TOPIC_MAX    96
#define GSDP_FILTER_MAX   64  /* a filter, with its end */
#define GSDP_FILTERS_MAX  4   /* subscriptions of one port */
#define GSDP_QUEUE_MAX    100 /* messages that wait for a client that is away, or does not acknowledge */
#define GSDP_INFLIGHT_MAX 100 /* sent to it and not acknowledged, beside those */

extern const struct medium medium_gsdp;

#endif
