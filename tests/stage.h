/* Two-ended links on a stage, in either world: a server, those who may call it, and a stranger. Process
 * world: the media's set-ups and drivers on real sockets, in one loop. Virtual world: their twins. */
#ifndef tests_stage_h
#define tests_stage_h

#include "lib/host/link.h"
#include "lib/host/setup.h"
#include "lib/host/virtual.h"
#include "lib/media/media.h"
#include "sim/plant/tls.h"

#define STAGE_ENDS 12

enum {
    PORT_DESK,
    PORT_PLATE,
    PORT_WEB,
    PORT_FAIR,
    PORT_POST,
    PORT_AIR,
    PORTS
}; /* call, nfc, http, http for everybody, mail, ble */

/* What an end heard, in words: "up down card1:card-here a=hello". On http a text is the body of a POST to
 * "/<text>" and of a response with status 200; another status stands for itself, with its reason:
 * "=504/MSG_NO_ANSWER". On mail a text is whom a message is to; one without "@" is sent as it is. */
struct end {
    const char *name;
    const struct component_class *class;
    char log[400];
    /* process world */
    struct link *link;
    char endpoint[2048];
    int listen_fd;
    struct token_ring ring;
    /* virtual world */
    struct virtual_node *node;
};

/* All ends on one medium in one world. */

struct stage {
    bool process;
    unsigned port;
    struct end ends[STAGE_ENDS];
    size_t count;
    char directory[64];
    sd_event *event;
    struct setup_instance instances[STAGE_ENDS];
    struct setup_world world;
    struct token_ring book;
    void *state;
    pid_t helper; /* 0: none, or none that runs */
    struct tls_identity authority;
    struct virtual *v;
    /* Takes what the server would hear on http; NULL: it stands in its log. */
    void (*on_request)(const char *address, struct span bytes);
    /* Takes what any end hears; NULL: it stands in its log. `sign`: '=' bytes, ':' news, '+' up, '-' down. */
    void (*on_heard)(struct end *e, const char *address, char sign, struct span what);
    struct span watched; /* the message of http that was heard last */
    uint8_t heard[4096];
    char kept_as[32]; /* what was kept last, virtual world */
    struct span kept;
    uint8_t kept_bytes[4096];
};

extern struct stage stage;

/* Is there what that needs? Said aloud when not; continuous integration has it. */
bool stage_can(bool process, unsigned port);
/* "server", "stranger", and askers "a" to "j". */
void stage_begin(bool process, unsigned port, size_t askers);
void stage_finish(void);
struct end *stage_find(const char *name);
/* Adds a word to what an end has heard. */
void stage_say(struct end *e, const char *who, const char *sign, const char *what, size_t len);

void stage_start(struct end *e);
void stage_kill(struct end *e);
void stage_cut(struct end *e, bool cut);
enum err stage_tell(struct end *e, const char *address, const char *news);
/* Of the medium that has distances: how far away the other is. */
enum err stage_radio(struct end *e, const char *name, const char *text);
enum err stage_send(struct end *e, const char *address, const char *text);
enum err stage_send_bytes(struct end *e, const char *address, struct span bytes);

/* The message that stage_send sends on mail to that address. */
struct span stage_mail(const char *to, uint8_t out[4096]);
/* Has the medium kept these bytes under that name? */
bool stage_kept(const char *file, struct span bytes);

/* The medium's helper dies, or starts again. */
void stage_helper(bool alive);

/* Writes what is queued; does all that is ready. What comes later is waited for by the test. */
void stage_flush(void);
void stage_settle(void);

#endif
