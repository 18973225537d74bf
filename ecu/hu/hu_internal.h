#ifndef ecu_hu_hu_internal_h
#define ecu_hu_hu_internal_h

#include "ecu/hu/hu.h"
#include "lib/env/isotp_port.h"
#include "lib/msg/cabin.h"

enum { HU_PORT_INFOTAINMENT };
enum { HU_TIMER_KEYS, HU_TIMER_ANSWER, HU_TIMER_BCM, HU_TIMER_SPAAK, HU_TIMERS };
enum { HU_SETTING_ANSWER_MS };
enum { HU_SHOW_IGNITION, HU_SHOW_SCREEN, HU_SHOW_KEYS };

/* What it knows from BCM_Status: nothing before the first one, nor when they stay away. */
enum hu_ignition { HU_IGNITION_UNKNOWN, HU_IGNITION_OFF, HU_IGNITION_ON };

struct hu {
    struct env *env;
    uint64_t answer_us;
    enum hu_ignition ignition;
    bool under_way;      /* the screen leads a person through something that the SpaaK Module has not ended */
    bool spaak_is_heard; /* SpaaK_Status comes */
    struct cabin_spaak_status spaak;
    uint8_t alive; /* of PhoneKey_Req */
    uint8_t wish;  /* enum cabin_wish of the last one, until its outcome; 0: none */
    struct cabin_heard heard_bcm, heard_spaak, heard_notice;
    struct isotp_port keys;
    struct cabin_keys list; /* as it was shown last */
};

/* ---- screen.c: what a person reads ---- */

void screen_show(struct hu *h, const char *text);
void screen_show_ignition(struct hu *h);
/* `wish`: what it answers, 0 for nothing. */
void screen_show_notification(struct hu *h, const struct cabin_notification *n, uint8_t wish);
void screen_show_keys(struct hu *h, const struct cabin_keys *keys);
/* Does the SpaaK Module go on after this, so that more must come? */
bool screen_goes_on(enum cabin_notice what);

#endif
