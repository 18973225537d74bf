/* What the files of the NFC reader share. */
#ifndef ecu_wcp_wcp_internal_h
#define ecu_wcp_wcp_internal_h

#include "ecu/wcp/wcp.h"
#include "lib/ccc/apdu.h"
#include "lib/msg/reader_channel.h"

#define WCP_CARDS    8  /* in the field, like the medium */
#define WCP_ADDRESS  16 /* of a card, with its end */
#define WCP_RESET_MS 50 /* the field is off so long when a card does not answer */

enum { WCP_PORT_BODY, WCP_PORT_NFC, WCP_PORTS };
enum {
    WCP_TIMER_CHANNEL,
    WCP_TIMER_STATUS,
    WCP_TIMER_POLL,
    WCP_TIMER_CARD,
    WCP_TIMER_GAP,
    WCP_TIMER_IDLE,
    WCP_TIMERS
};
enum { WCP_SETTING_PLACE, WCP_SETTING_POLL_MS, WCP_SETTING_CARD_MS, WCP_SETTING_IDLE_MS };
enum { WCP_SHOW_FIELD, WCP_SHOW_CARD };

/* Whose AID is polled for. */
enum wcp_target { WCP_FRAMEWORK, WCP_APPLET, WCP_CARD_KEY, WCP_TARGETS };

/* What a card's answer to the SELECT has shown it to be. */
enum wcp_kind { WCP_KIND_UNKNOWN, WCP_KIND_OTHER, WCP_KIND_DEVICE };

/* Which answer of a card is awaited. */
enum wcp_awaits {
    WCP_AWAITS_NONE,
    WCP_AWAITS_SELECT,
    WCP_AWAITS_APDU,
    WCP_AWAITS_STALE /* to something that nobody waits for any more */
};

struct wcp_card {
    char address[WCP_ADDRESS];
    bool here;
    bool again; /* to be asked when the answer under way is there */
    bool mute;  /* its answer is overdue */
    bool told;  /* the trace has said why it is none of ours */
    enum wcp_kind kind;
    enum wcp_awaits awaits;
    uint64_t asked_us;
    uint8_t answer[READER_RESPONSE_MAX]; /* to SELECT, of a device */
    size_t answer_len;
};

enum wcp_field { WCP_FIELD_OFF, WCP_FIELD_GAP, WCP_FIELD_ON };

struct wcp {
    struct env *env;
    enum reader_place place;
    uint64_t poll_us, card_us, idle_us;
    struct reader_channel channel;
    uint8_t alive;
    bool nfc_up;
    enum wcp_field field;
    bool polling;   /* the field is on, or is to be when it can */
    bool owes_done; /* when the field is on */
    uint8_t number; /* of the POLL or REPOLL */
    uint8_t select[READER_COMMAND_MAX];
    size_t select_len;
    enum wcp_target target; /* whose AID it has */
    struct wcp_card cards[WCP_CARDS];
    struct wcp_card *selected;
    bool two; /* Digital Key devices, or more: nobody is served */
    struct {
        bool under_way, answered;
        uint8_t number;
        uint8_t response[READER_RESPONSE_MAX];
        size_t response_len;
    } apdu; /* the last one */
};

/* commands.c: what SpaaK asks, and what it is told. */
void commands_on_message(void *wcp, struct reader_channel *channel, struct span pdu);
void commands_on_failed(void *wcp, struct reader_channel *channel, bool received, enum err reason);
void commands_say(struct wcp *w, enum reader_type type, uint8_t number, struct span apdu);
void commands_refuse(struct wcp *w, uint8_t number, const char *command, enum err reason);
/* Nobody is served any more. */
void commands_lose(struct wcp *w, enum reader_loss loss);

/* field.c */
/* ERR_LINK_DOWN; else the field is on. */
enum err field_on(struct wcp *w);
void field_off(struct wcp *w);
/* Off now, on again after that time. */
void field_gap(struct wcp *w, uint64_t gap_us);
void field_on_gap_over(struct wcp *w);
void field_on_link(struct wcp *w, bool up);
/* SpaaK is gone. */
void field_on_idle(struct wcp *w);
/* After whatever may have changed what is shown. */
void field_show(struct wcp *w);

/* cards.c */
void cards_on_here(struct wcp *w, const char *address);
void cards_on_gone(struct wcp *w, const char *address);
void cards_on_answer(struct wcp *w, const char *address, struct span answer);
void cards_on_poll(struct wcp *w);
void cards_on_deadline(struct wcp *w);
/* All that are here are asked anew; none is selected. */
void cards_begin(struct wcp *w);
/* The field is off. */
void cards_leave(struct wcp *w);
/* And what comes under their addresses will be others. */
void cards_forget(struct wcp *w);
/* To the card that is selected (asserted). */
enum err cards_send(struct wcp *w, struct span apdu);
/* Of an AID that we poll for? */
bool cards_select_ok(struct span command, enum wcp_target *target);
extern const char *const cards_targets[WCP_TARGETS]; /* for people */

#endif
