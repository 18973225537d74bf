/* What a component says of itself. All that runner, worlds, judge, broker rules and checks know of it stands
 * in its class, in its own folder; nobody keeps a list beside it.
 *
 * Tables end with an entry whose name is NULL, unless a count stands beside them; a table that is not there
 * (NULL) is empty. Texts and tables live as long as the program. */
#ifndef lib_env_component_h
#define lib_env_component_h

#include "lib/can/matrix.h"

#define ENV_NAME_MAX 32 /* name of an instance with its end: "spaak", "door", "v0007.spaak" */
#define ENV_PORTS    8  /* at most, per component */
#define ENV_TIMERS   48
#define ENV_SETTINGS 12
#define ENV_VALUES   8 /* parameters of a call */
#define ENV_SHOWS    8
#define ENV_TEXT_MAX 96 /* a line that is shown, with its end */
#define ENV_VALUE_TEXT \
    176 /* a text parameter, with its end: a CAN FD frame of 64 bytes as candump writes it has 138 */
#define ENV_KEY_MAX   96   /* store key, characters */
#define ENV_STORE_KEY 32   /* bytes of the key that secrets are sealed with */
#define ENV_VALUE_MAX 2048 /* store value and message of a class that asks for no more, bytes */

struct env;
struct bus_frame;

enum link_state {
    LINK_DOWN,
    LINK_UP,
    LINK_SUBSCRIBED /* a medium with topics: every subscription of this port is confirmed */
};

/* ---- where it stands ---- */

enum place {
    PLACE_VEHICLE,  /* once per vehicle, or several times under other names: knows its serial */
    PLACE_BACK_END, /* once for all vehicles */
    PLACE_OUTSIDE   /* not the OEM's: phones, testers, attackers */
};

/* ---- ports ---- */

enum port_end {
    PORT_SHARED, /* a bus, a broker: no two ends */
    PORT_ASKS,   /* the end that connects */
    PORT_LISTENS /* the end that is connected to */
};

/* One link of a component. A link that must be there fails the run when it does not come; an optional one is
 * waited for only when its other end takes part. */
struct port_spec {
    const char *name;   /* also the link's name in scenarios: "body", "gsdp", "pki" */
    const char *medium; /* a row of the table of media: "can", "gsdp", "call", "nfc" */
    enum port_end end;
    bool optional;
    bool confidential; /* what passes has secrets of others than the component's store: its bytes stand in no
                          record, only how many they are */
    bool raw;          /* http, ASKS: a stranger who keeps to nothing; its bytes go as they are */
    bool waits;        /* opened when all other links of the run are up: a vehicle wakes after its back end */
    const char *server; /* ASKS: class of the other end, which has a port of the same name; NULL: env_tell
                           says where to */
    const char *const *callers; /* LISTENS: classes that may connect, NULL at the end; NULL: none */
    enum segment segment;       /* can */
    unsigned
        bench; /* can: of which vehicle's segments: 0 of its own, else of the vehicle with that number, at
                  whose bench it stands; without that vehicle the link stays down and is not waited for */
    enum matrix_node node;                       /* can: whose messages to receive; 0 = all */
    const char *(*name_of)(struct span payload); /* message name for faults; NULL: messages have none */
    const char *const *names; /* all that name_of gives, NULL at the end, of a port whose messages are not
                                 those of the protocol; NULL: they are */
};

/* Topics of a medium that has them. The broker's rules, in both worlds, and the host's own check are made
 * from these. "{serial}" stands for the vehicle's serial, "+" for one level. */
enum topic_access { TOPIC_READ = 1, TOPIC_WRITE = 2 };
struct topic_rule {
    const char *filter; /* "spaak/{serial}/up/+" */
    enum topic_access access;
};

/* ---- what it can be told ---- */

/* A number that scenarios may set; `min` to `max`, both included. */
struct setting_spec {
    const char *name; /* "retry_ms" */
    uint64_t fallback, min, max;
};

struct timer_spec {
    const char *name;
    bool cyclic; /* of a cyclic message, or its watchdog: a run may be quiet while it is pending */
};

enum parameter_kind {
    PARAMETER_NUMBER,
    PARAMETER_DURATION, /* in microseconds */
    PARAMETER_TEXT,
    PARAMETER_WORD,    /* one of `words`; number is its index */
    PARAMETER_VEHICLE, /* text is the serial of a vehicle in the run; the first one when left out */
    PARAMETER_READER   /* text is the name of one in the run before whom cards can be laid */
};

struct parameter_spec {
    const char *name;
    enum parameter_kind kind;
    bool required;
    uint64_t fallback, min, max; /* NUMBER, DURATION */
    const char *const *words;    /* WORD, NULL at the end */
    bool (*check)(const char *); /* TEXT: is it of the right form; NULL: any is */
    const char *form;            /* TEXT: an example, for the message when it is not */
};

struct call_value {
    uint64_t number;
    char text[ENV_VALUE_TEXT];
};

/* What a person, a scenario or a cockpit may ask of a component. */
struct call_spec {
    const char *name;  /* "renew-vehicle-identity" */
    const char *title; /* one line for people */
    const struct parameter_spec *parameters;
    /* values in the order of the parameters. An error is traced as a refusal. */
    enum err (*run)(void *self, const struct call_value *values);
};

/* A call that is not done when its `run` returns, but when the component traces a NOTE whose detail begins
 * so. A run waits for that, and fails without it. */
struct lasting_spec {
    const char *call, *done;
};

/* Two calls of a person's, between which what was put somewhere is away: random faults make them, once the
 * scenario has made `back`, and with its values. */
struct upset_spec {
    const char *away, *back; /* "lift", "place" */
};

/* A call that asks for nothing more while the component has a link over the air: its first value is that
 * word. */
struct linked_spec {
    const char *call, *word; /* "bluetooth", "on" */
};

/* ---- what it lets others see ---- */

enum claim_kind {
    CLAIM_EQUAL,       /* all who claim it for a subject hold the same value; judged when the run is quiet */
    CLAIM_AT_MOST_ONE, /* at most one holds it for a subject; judged at each claim */
    CLAIM_ONLY_AFTER /* each needs a claim `after` for the same subject and value before it, which it uses up;
                        judged at each claim. What another class claimed counts although it died since */
};

/* What a component holds to be true, of a subject: ("K", serial) = digest of the certificate. */
struct claim_spec {
    const char *name;
    enum claim_kind kind;
    bool shared;        /* EQUAL: a component of another class must claim it too */
    const char *after;  /* ONLY_AFTER: name of the claim that must come first */
    uint64_t within_us; /* ONLY_AFTER: and so long before it at most; 0: whenever */
};

/* ---- what it begins with ---- */

/* What the plant puts into a store before the component's first life. */
enum plant_kind {
    PLANT_KEY,         /* the private key of `of`, 32 bytes */
    PLANT_CERTIFICATE, /* its certificate, DER */
    PLANT_VEHICLES,    /* an entry for each vehicle of the run: key followed by the serial */
    PLANT_CLIENT_KEY,  /* the private key of this ECU as client of a server, by the serial of diagnostics */
    PLANT_CLIENT_CERTIFICATE, /* its certificate, DER */
    PLANT_LEVEL_WORKSHOP,     /* K of this ECU for security level 01 of UDS, 16 bytes */
    PLANT_LEVEL_PLANT,        /* K for level 61 */
    PLANT_TESTER_SECRET,      /* M, from which a tester derives every K; in no ECU */
    /* The private key and [K] of another vehicle of the make, whose subject id is `of`: out of a wreck, say
     */
    PLANT_VEHICLE_KEY,
    PLANT_VEHICLE_CERTIFICATE,
    PLANT_CARD_KEY, /* the private key of a card key of the vehicle, or of the run's first for who has none */
    PLANT_CARD_CERTIFICATE, /* its certificate, DER */
    PLANT_BODY_KEY /* of this vehicle's commands to its body controller, 16 bytes: the same in all its ECUs */
};
struct plant_item {
    const char *key;
    enum plant_kind kind;
    /* KEY, CERTIFICATE: an authority of sim/plant. CARD: the one that certifies it. CLIENT, LEVEL: the
     * letters of its serial number in diagnostics (lib/uds/uds_serial.h). */
    const char *of;
};

/* What no honest life leaves behind, and a scenario can ask for: {name: value}. */
enum defect_kind {
    DEFECT_ABSENT,  /* the plant's entry is not made */
    DEFECT_FOREIGN, /* the private key at `key` and the identity certificate at `with` are those of another
                       ECU, validly certified */
    DEFECT_EXPIRED, /* the certificate ended yesterday */
    DEFECT_CSR_OTHER_SUBJECT,  /* the CSR at `key` names another subject; signed with the key at `with` */
    DEFECT_CSR_WEAK_KEY,       /* the CSR at `key` has a key on P-224 */
    DEFECT_CARD_OTHER_VEHICLE, /* key at `key` and certificate at `with` are those of another vehicle's card
                                */
    DEFECT_CARD_EXPIRED,       /* they are a card's whose certificate ended yesterday */
    DEFECT_CARD_FORGED,        /* the card has signed its certificate itself, in the authority's name */
    DEFECT_CARD_OTHER_KEY,     /* the key at `key` is not the certificate's: who copied a card has no other */
    DEFECT_STORE_KEY /* no defect, but nothing that a life does: the key of what is sealed was changed,
                        and both are handed in */
};
struct defect_spec {
    const char *name, *value;
    enum defect_kind kind;
    const char *key, *with;
};

/* An entry of its store that somebody outside needs who plays another component (sim/run/external.h). */
struct handout_spec {
    const char *to;  /* the class that is played */
    const char *key; /* a filter like those of keys: "verifier-secrets/+/password" */
};

/* ---- work that takes long ---- */

/* A pure function on bytes: no randomness, no state, no clock. Runs in a thread of its own in the process
 * world, and takes `virtual_us` in the other. */
struct work_spec {
    const char *name;
    enum err (*run)(struct span in, uint8_t *out, size_t cap, size_t *len);
    uint64_t virtual_us;
    size_t result_max; /* bytes; wiped after the result was handed over, like the input */
};

/* ---- the class ---- */

/* What the world tells a component at start, beside its store. */
struct component_args {
    const char *serial; /* of its vehicle; "" for who has none */
    const uint64_t
        *settings; /* in the order of the class; from the caller of node_start, NULL for the defaults */
    /* For the host, of a class that seals: ENV_STORE_KEY bytes that lie in no store. The former key is there
     * for a change: what was sealed with it is sealed anew before init; NULL: there is none. */
    const uint8_t *store_key, *former_store_key;
};

struct component_class {
    const char *name; /* also of its folder and its program */
    enum place place;
    size_t size;             /* of the instance; zeroed before init */
    bool stores;             /* keeps something over a restart */
    const char *const *keys; /* all that its store may hold beside what the plant puts there, as filters like
                                those of topics: "vehicle/{serial}", "issued/+"; NULL: not said */
    size_t value_max, message_max; /* longest store value, longest message, bytes; 0: ENV_VALUE_MAX */
    const struct port_spec *ports;
    size_t port_count;
    const struct timer_spec *timers;
    size_t timer_count;
    const struct setting_spec *settings;
    const char *own_setting;         /* that no two of a vehicle may have the same: a place. NULL: none */
    const struct topic_rule *topics; /* ends with a NULL filter */
    const struct call_spec *calls;
    const struct lasting_spec *lasting; /* calls that take time; ends with a NULL call */
    const struct upset_spec *upset;     /* NULL: none */
    const struct linked_spec *linked;   /* NULL: none */
    const char *const *shows;           /* lines of its screen, lamps, doors; traced when they change */
    const struct claim_spec *claims;
    const char *const *secrets;     /* beginnings of store keys whose values stand in no record */
    const char *const *sealed;      /* of those whose values lie sealed in its store; get, put and scan see
                                       them open. NULL: none */
    const struct plant_item *plant; /* ends with a NULL key */
    const struct defect_spec *defects;
    const struct handout_spec *handouts; /* ends with a NULL key; NULL: none */
    const struct work_spec *works;

    /* Any handler but init may be NULL. init may read the store, subscribe and set timers; links come up
     * later, by on_link. */
    enum err (*init)(void *self, struct env *env, const struct component_args *args);
    void (*fini)(void *self);
    void (*on_frame)(void *self, unsigned port, const struct bus_frame *f);
    /* address: the topic, or who is at the other end of a connection; "" where there is but one. Borrowed,
     * like the bytes. */
    void (*on_bytes)(void *self, unsigned port, const char *address, struct span bytes);
    void (*on_link)(void *self, unsigned port, enum link_state state);
    /* What a medium tells beside bytes, in words of its own: "card-here", "field-off". What stands behind a
     * "=" in them is secret, and in no trace. */
    void (*on_news)(void *self, unsigned port, const char *address, const char *news);
    void (*on_timer)(void *self, unsigned timer);
    /* The result of a work, in the order in which works were handed out. */
    void (*on_work)(void *self, unsigned work, enum err e, struct span result);
};

/* Index of an entry by its name; false when there is none. */
bool component_port(const struct component_class *class, const char *name, unsigned *out);
bool component_call(const struct component_class *class, const char *name, unsigned *out);
/* How many entries; 0 for no table. */
size_t component_settings(const struct component_class *class);
size_t component_parameters(const struct call_spec *call);
/* May the topic be reached so by an instance of that vehicle? */
bool component_topic(const struct component_class *class, const char *serial, enum topic_access access,
                     const char *topic);
/* May its store hold an entry of that key? `serials`: of the vehicles that there are, NULL at the end; NULL:
 * whichever. */
bool component_key(const struct component_class *class, const char *const *serials, const char *key);
static inline size_t component_value_max(const struct component_class *class)
{
    return class->value_max ? class->value_max : ENV_VALUE_MAX;
}
static inline size_t component_message_max(const struct component_class *class)
{
    return class->message_max ? class->message_max : ENV_VALUE_MAX;
}

#endif
