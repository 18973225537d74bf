/* Two-ended links (lib/host/medium.h), the same table in both worlds: who may reach whom, and when an end is
 * up. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/door.h"
#include "lib/host/spawn.h"
#include "lib/media/mail/mail.h"
#include "lib/media/nfc/nfc.h"
#include "tests/check.h"
#include "tests/stage.h"

#define LIMIT_US 10000000u /* for what must come, in the process world */

/* Waits until the end has heard that, and nothing else. */
static void expect_log(struct end *e, const char *want, const char *what)
{
    uint64_t begun_us, now_us;
    stage_flush();
    stage_settle();
    stage_flush();
    stage_settle();
    if (stage.process) {
        sd_event_now(stage.event, CLOCK_MONOTONIC, &begun_us);
        for (now_us = begun_us; strcmp(e->log, want) != 0 && now_us < begun_us + LIMIT_US; stage_flush()) {
            sd_event_run(stage.event, 100000);
            sd_event_now(stage.event, CLOCK_MONOTONIC, &now_us);
        }
    }
    while (!stage.process && strcmp(e->log, want) != 0 &&
           virtual_step(stage.v, virtual_now_us(stage.v) + LIMIT_US))
        ;
    cr_expect(eq(str, e->log, (char *)want), "%s (%s world, %s)", what, stage.process ? "process" : "virtual",
              e->name);
}

/* ---- the table ---- */

enum act { START, KILL, CUT, HEAL, OPEN, CLOSE, FIELD_ON, FIELD_OFF, SEND, DOOR_DIES, DOOR_STARTS };

/* `who` does it, then `hears` has heard all that. A refusal stands in the log of who did it. */
struct step {
    enum act act;
    const char *who, *to, *text;
    const char *hears, *all;
};

#define STEPS 10
static const struct row {
    const char *name;
    unsigned port;
    struct step steps[STEPS];
} rows[] = {
    {.name = "call: up when the server has admitted",
     .steps = {{START, "a", .hears = "a", .all = ""}, {START, "server", .hears = "a", .all = "up"}}},
    {.name = "call: the server is there first",
     .steps = {{START, "server", .hears = "server", .all = "up"}, {START, "a", .hears = "a", .all = "up"}}},
    {.name = "call: the server dies and comes back",
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {KILL, "server", .hears = "a", .all = "up down"},
               {START, "server", .hears = "a", .all = "up down up"}}},
    {.name = "call: the server is cut off",
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {CUT, "server", .hears = "a", .all = "up down"},
               {HEAL, "server", .hears = "a", .all = "up down up"},
               {SEND, "a", "", "x", .hears = "server", .all = "up down up a=x"}}},
    {.name = "call: the asker is cut off",
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {CUT, "a", .hears = "a", .all = "up down"},
               {SEND, "a", "", "x", .hears = "a", .all = "up down !LINK_DOWN"},
               {HEAL, "a", .hears = "a", .all = "up down !LINK_DOWN up"},
               {SEND, "a", "", "y", .hears = "server", .all = "up a=y"}}},
    {.name = "call: the asker dies and comes back",
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {KILL, "a", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up up"},
               {SEND, "server", "a", "x", .hears = "a", .all = "up up =x"}}},
    {.name = "call: two askers, each with its own answers",
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {START, "b", .hears = "b", .all = "up"},
               {SEND, "a", "", "x", .hears = "server", .all = "up a=x"},
               {SEND, "b", "", "y", .hears = "server", .all = "up a=x b=y"},
               {SEND, "server", "b", "z", .hears = "b", .all = "up =z"},
               {KILL, "server", .hears = "b", .all = "up =z down"},
               {START, "server", .hears = "b", .all = "up =z down up"}}},
    {.name = "call: who is no caller is never up",
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "stranger", .hears = "stranger", .all = ""},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "server", "stranger", "x", .hears = "server", .all = "up !LINK_DOWN"},
               {SEND, "a", "", "x", .hears = "server", .all = "up !LINK_DOWN a=x"},
               {SEND, "server", "a", "y", .hears = "a", .all = "up =y"},
               {CUT, "server", .hears = "stranger", .all = ""}}},
    {.name = "nfc: up when the reader has taken the card",
     .port = PORT_PLATE,
     .steps = {{START, "a", .hears = "a", .all = ""},
               {OPEN, "a", "server", .hears = "a", .all = ""},
               {START, "server", .hears = "a", .all = "up"},
               {FIELD_ON, "server", .hears = "server", .all = "up card1:card-here"}}},
    {.name = "nfc: the reader dies and comes back",
     .port = PORT_PLATE,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = ""},
               {OPEN, "a", "server", .hears = "a", .all = "up"},
               {KILL, "server", .hears = "a", .all = "up down"},
               {OPEN, "a", "server", .hears = "a", .all = "up down"},
               {START, "server", .hears = "a", .all = "up down up"}}},
    {.name = "nfc: the reader is cut off",
     .port = PORT_PLATE,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = ""},
               {OPEN, "a", "server", .hears = "a", .all = "up"},
               {CUT, "server", .hears = "a", .all = "up down"},
               {OPEN, "a", "server", .hears = "a", .all = "up down"},
               {HEAL, "server", .hears = "a", .all = "up down up"},
               {FIELD_ON, "server", .hears = "server", .all = "up down up card1:card-here"}}},
    {.name = "nfc: the card is cut off",
     .port = PORT_PLATE,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = ""},
               {OPEN, "a", "server", .hears = "a", .all = "up"},
               {FIELD_ON, "server", .hears = "a", .all = "up :field-on"},
               {CUT, "a", .hears = "server", .all = "up card1:card-here card1:card-gone"},
               {OPEN, "a", "server", .hears = "a", .all = "up :field-on down !LINK_DOWN"},
               {HEAL, "a", .hears = "a", .all = "up :field-on down !LINK_DOWN"},
               {OPEN, "a", "server", .hears = "a", .all = "up :field-on down !LINK_DOWN up :field-on"}}},
    {.name = "nfc: the card dies in the field",
     .port = PORT_PLATE,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {FIELD_ON, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = ""},
               {OPEN, "a", "server", .hears = "server", .all = "up card1:card-here"},
               {KILL, "a", .hears = "server", .all = "up card1:card-here card1:card-gone"},
               {START, "a", .hears = "a", .all = "up :field-on"},
               {OPEN, "a", "server", .hears = "a", .all = "up :field-on up :field-on"}}},
    {.name = "nfc: taken away, and held there again",
     .port = PORT_PLATE,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {FIELD_ON, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = ""},
               {OPEN, "a", "server", .hears = "a", .all = "up :field-on"},
               {CLOSE, "a", .hears = "server", .all = "up card1:card-here card1:card-gone"},
               {OPEN, "a", "server", .hears = "a", .all = "up :field-on down up :field-on"}}},
    {.name = "nfc: the field goes off and on",
     .port = PORT_PLATE,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = ""},
               {OPEN, "a", "server", .hears = "a", .all = "up"},
               {FIELD_ON, "server", .hears = "a", .all = "up :field-on"},
               {FIELD_OFF, "server", .hears = "a", .all = "up :field-on :field-off"},
               {SEND, "server", "card1", "x", .hears = "server", .all = "up card1:card-here !NOT_FOUND"},
               {CLOSE, "a", .hears = "a", .all = "up :field-on :field-off down"},
               {FIELD_ON, "server", .hears = "server", .all = "up card1:card-here !NOT_FOUND"}}},
    {.name = "nfc: one command, one answer",
     .port = PORT_PLATE,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {FIELD_ON, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = ""},
               {OPEN, "a", "server", .hears = "server", .all = "up card1:card-here"},
               {SEND, "a", "", "y", .hears = "a", .all = "up :field-on !MSG_UNEXPECTED"},
               {SEND, "server", "card1", "x", .hears = "a", .all = "up :field-on !MSG_UNEXPECTED =x"},
               {SEND, "server", "card1", "x", .hears = "server", .all = "up card1:card-here !BUSY"},
               {SEND, "a", "", "y", .hears = "server", .all = "up card1:card-here !BUSY card1=y"},
               {SEND, "a", "", "y", .hears = "a", .all = "up :field-on !MSG_UNEXPECTED =x !MSG_UNEXPECTED"}}},
    {.name = "nfc: two cards",
     .port = PORT_PLATE,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {FIELD_ON, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = ""},
               {START, "b", .hears = "b", .all = ""},
               {OPEN, "a", "server", .hears = "a", .all = "up :field-on"},
               {OPEN, "b", "server", .hears = "b", .all = "up :field-on"},
               {SEND, "server", "card2", "x", .hears = "b", .all = "up :field-on =x"},
               {SEND, "b", "", "y", .hears = "server", .all = "up card1:card-here card2:card-here card2=y"},
               {OPEN, "b", "server", .hears = "b", .all = "up :field-on =x !BUSY"},
               {KILL, "server", .hears = "a", .all = "up :field-on down"}}},
    {.name = "nfc: who is no caller finds no reader",
     .port = PORT_PLATE,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {FIELD_ON, "server", .hears = "server", .all = "up"},
               {START, "stranger", .hears = "stranger", .all = ""},
               {OPEN, "stranger", "server", .hears = "stranger", .all = "!NOT_FOUND"},
               {START, "a", .hears = "a", .all = ""},
               {OPEN, "a", "nowhere", .hears = "a", .all = "!NOT_FOUND"},
               {OPEN, "a", "server", .hears = "server", .all = "up card1:card-here"}}},
    {.name = "http: a request and its answer",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t1", "x", .hears = "server", .all = "up a/1=x"},
               {SEND, "server", "a/1", "y", .hears = "a", .all = "up t1=y"},
               {SEND, "server", "a/1", "y", .hears = "server", .all = "up a/1=x !NOT_FOUND"},
               {SEND, "a", "", "z", .hears = "server", .all = "up a/1=x !NOT_FOUND a/2=z"},
               {SEND, "server", "a/2", "w", .hears = "a", .all = "up t1=y =w"}}},
    {.name = "http: two askers, answered in the other order",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {START, "b", .hears = "b", .all = "up"},
               {SEND, "a", "t", "x", .hears = "server", .all = "up a/1=x"},
               {SEND, "a", "t", "x2", .hears = "server", .all = "up a/1=x a/2=x2"},
               {SEND, "b", "t", "y", .hears = "server", .all = "up a/1=x a/2=x2 b/3=y"},
               {SEND, "server", "b/3", "for-b", .hears = "b", .all = "up t=for-b"},
               {SEND, "server", "a/2", "second", .hears = "a", .all = "up t=second"},
               {SEND, "server", "a/1", "first", .hears = "a", .all = "up t=second t=first"}}},
    {.name = "http: what waits for a server that starts",
     .port = PORT_WEB,
     .steps = {{START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "x", .hears = "server", .all = ""},
               {START, "server", .hears = "server", .all = "up a/1=x"},
               {SEND, "server", "a/1", "y", .hears = "a", .all = "up t=y"}}},
    {.name = "http: the server dies with a request in its hands",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "x", .hears = "server", .all = "up a/1=x"},
               {KILL, "server", .hears = "a", .all = "up t=502/HTTP_GONE"},
               {START, "server", .hears = "server", .all = "up a/1=x up"},
               {SEND, "a", "t", "y", .hears = "server", .all = "up a/1=x up a/1=y"}}},
    {.name = "http: the server is cut off",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "x", .hears = "server", .all = "up a/1=x"},
               {CUT, "server", .hears = "a", .all = "up t=502/HTTP_GONE"},
               {SEND, "server", "a/1", "y", .hears = "server", .all = "up a/1=x down !LINK_DOWN"},
               {HEAL, "server", .hears = "server", .all = "up a/1=x down !LINK_DOWN up"},
               {SEND, "a", "t", "z", .hears = "server", .all = "up a/1=x down !LINK_DOWN up a/2=z"}}},
    {.name = "http: nobody is there for too long",
     .port = PORT_WEB,
     .steps = {{START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "x", .hears = "a", .all = "up t=504/MSG_NO_ANSWER"},
               {START, "server", .hears = "server", .all = "up"},
               {SEND, "a", "t", "y", .hears = "server", .all = "up a/1=y"}}},
    {.name = "http: the server says nothing",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "x", .hears = "a", .all = "up t=504/MSG_NO_ANSWER"},
               {SEND, "server", "a/1", "y", .hears = "server", .all = "up a/1=x a/1:gone !NOT_FOUND"}}},
    {.name = "http: the asker is cut off",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "x", .hears = "server", .all = "up a/1=x"},
               {CUT, "a", .hears = "server", .all = "up a/1=x a/1:gone"},
               {SEND, "a", "t", "y", .hears = "a", .all = "up down !LINK_DOWN"},
               {HEAL, "a", .hears = "a", .all = "up down !LINK_DOWN up"},
               {SEND, "a", "t", "z", .hears = "server", .all = "up a/1=x a/1:gone a/2=z"}}},
    {.name = "http: the asker dies",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "x", .hears = "server", .all = "up a/1=x"},
               {KILL, "a", .hears = "server", .all = "up a/1=x a/1:gone"},
               {START, "a", .hears = "a", .all = "up up"},
               {SEND, "a", "t", "y", .hears = "server", .all = "up a/1=x a/1:gone a/2=y"}}},
    {.name = "http: who is no caller is never up",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "stranger", .hears = "stranger", .all = ""},
               {SEND, "stranger", "t", "x", .hears = "stranger", .all = "!LINK_DOWN"},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "y", .hears = "server", .all = "up a/1=y"}}},
    {.name = "http: the door dies between request and answer",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "x", .hears = "server", .all = "up a/1=x"},
               {DOOR_DIES, "server", .hears = "a", .all = "up t:no-answer"},
               {SEND, "server", "a/1", "y", .hears = "server", .all = "up a/1=x a/1:gone !NOT_FOUND"},
               {DOOR_STARTS, "server", .hears = "server", .all = "up a/1=x a/1:gone !NOT_FOUND"},
               {SEND, "a", "u", "z", .hears = "server", .all = "up a/1=x a/1:gone !NOT_FOUND a/2=z"},
               {SEND, "server", "a/2", "y", .hears = "a", .all = "up t:no-answer u=y"}}},
    {.name = "http: there is no door",
     .port = PORT_WEB,
     .steps = {{START, "server", .hears = "server", .all = "up"},
               {DOOR_DIES, "server", .hears = "server", .all = "up"},
               {START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "x", .hears = "a", .all = "up t:not-sent"},
               {DOOR_STARTS, "server", .hears = "server", .all = "up"},
               {SEND, "a", "t", "y", .hears = "server", .all = "up a/1=y"}}},
    {.name = "mail: is taken",
     .port = PORT_POST,
     .steps = {{START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t1", "driver@home.example", .hears = "a", .all = "up t1:sent"},
               {SEND, "a", "", "owner@home.example", .hears = "a", .all = "up t1:sent :sent"},
               {START, "stranger", .hears = "stranger", .all = "up"},
               {SEND, "stranger", "t", "owner@home.example", .hears = "stranger", .all = "up t:sent"}}},
    {.name = "mail: is refused, with the server's code",
     .port = PORT_POST,
     .steps = {{START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "550@refused.example", .hears = "a", .all = "up t:refused 550"},
               {SEND, "a", "t", "421@refused.example", .hears = "a", .all = "up t:refused 550 t:refused 421"},
               {SEND, "a", "u", "350@refused.example", .hears = "a",
                .all = "up t:refused 550 t:refused 421 u:sent"}}},
    {.name = "mail: what is no message",
     .port = PORT_POST,
     .steps = {{START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "Hello", .hears = "a", .all = "up t:refused 554"},
               {SEND, "a", "0123456789012345678901234567890123456789", "Hello", .hears = "a",
                .all = "up t:refused 554 !NO_SPACE"}}},
    {.name = "mail: waits for a postbox that starts again",
     .port = PORT_POST,
     .steps = {{START, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "driver@home.example", .hears = "a", .all = "up t:sent"},
               {DOOR_DIES, "a", .hears = "a", .all = "up t:sent"},
               {SEND, "a", "u", "driver@home.example", .hears = "a", .all = "up t:sent"},
               {DOOR_STARTS, "a", .hears = "a", .all = "up t:sent u:sent"}}},
    {.name = "mail: there is no postbox",
     .port = PORT_POST,
     .steps = {{START, "a", .hears = "a", .all = "up"},
               {DOOR_DIES, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "driver@home.example", .hears = "a", .all = "up t:refused 421"}}},
    {.name = "mail: the sender is cut off",
     .port = PORT_POST,
     .steps = {{START, "a", .hears = "a", .all = "up"},
               {DOOR_DIES, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "driver@home.example", .hears = "a", .all = "up"},
               {CUT, "a", .hears = "a", .all = "up down t:refused 421"},
               {SEND, "a", "u", "driver@home.example", .hears = "a",
                .all = "up down t:refused 421 !LINK_DOWN"},
               {DOOR_STARTS, "a", .hears = "a", .all = "up down t:refused 421 !LINK_DOWN"},
               {HEAL, "a", .hears = "a", .all = "up down t:refused 421 !LINK_DOWN up"},
               {SEND, "a", "v", "driver@home.example", .hears = "a",
                .all = "up down t:refused 421 !LINK_DOWN up v:sent"}}},
    {.name = "mail: the sender dies",
     .port = PORT_POST,
     .steps = {{START, "a", .hears = "a", .all = "up"},
               {DOOR_DIES, "a", .hears = "a", .all = "up"},
               {SEND, "a", "t", "driver@home.example", .hears = "a", .all = "up"},
               {KILL, "a", .hears = "a", .all = "up"},
               {DOOR_STARTS, "a", .hears = "a", .all = "up"},
               {START, "a", .hears = "a", .all = "up up"},
               {SEND, "a", "u", "driver@home.example", .hears = "a", .all = "up up u:sent"}}},
};

static enum err act(struct end *e, const struct step *s)
{
    switch (s->act) {
    case START:
        stage_start(e);
        break;
    case KILL:
        stage_kill(e);
        break;
    case CUT:
    case HEAL:
        stage_cut(e, s->act == CUT);
        break;
    case OPEN:
        return stage_tell(e, s->to, "open");
    case CLOSE:
        return stage_tell(e, "", "close");
    case FIELD_ON:
    case FIELD_OFF:
        return stage_tell(e, "", s->act == FIELD_ON ? "field-on" : "field-off");
    case DOOR_DIES:
    case DOOR_STARTS:
        stage_helper(s->act == DOOR_STARTS);
        break;
    case SEND:
        return stage_send(e, s->to, s->text);
    }
    return ERR_OK;
}

TestSuite(media, .timeout = 120);

Test(media, two_ended_links_in_both_worlds)
{
    char what[160];
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i / 2];
        if (!stage_can(i % 2, row->port))
            continue;
        stage_begin(i % 2, row->port, 2);
        for (size_t k = 0; k < STEPS && row->steps[k].who; k++) {
            const struct step *s = &row->steps[k];
            struct end *e = stage_find(s->who);
            enum err refusal = act(e, s);
            if (refusal)
                stage_say(e, "!", err_name(refusal), "", 0);
            snprintf(what, sizeof what, "%s, step %zu", row->name, k + 1);
            expect_log(stage_find(s->hears), s->all, what);
        }
        stage_finish();
    }
}

/* Dots, a character that is encoded: the transport changes nothing. */
Test(media, a_mail_is_kept_to_the_byte_in_both_worlds)
{
    uint8_t first[4096], second[4096];
    for (int process = 0; process < 2; process++) {
        if (!stage_can(process, PORT_POST))
            continue;
        stage_begin(process, PORT_POST, 1);
        stage_start(stage_find("a"));
        struct span one = stage_mail("driver@home.example", first);
        struct span two = stage_mail("o'neil+key@home.example", second);
        expect_log(stage_find("a"), "up", "a sender");
        ASSERT_OK(stage_send_bytes(stage_find("a"), "t", one));
        expect_log(stage_find("a"), "up t:sent", "is taken");
        cr_expect(stage_kept("0001.eml", one));
        stage_helper(false);
        stage_helper(true);
        ASSERT_OK(stage_send_bytes(stage_find("a"), "u", two));
        expect_log(stage_find("a"), "up t:sent u:sent", "is taken by the next life");
        cr_expect(stage_kept("0002.eml", two), "and put behind the first");
        stage_finish();
    }
}

/* Of the process world: what_is_told_is_the_server_s_last_word in test_postbox. */
Test(media, a_mail_in_the_hands_of_a_postbox_that_dies_is_unknown_and_kept)
{
    uint8_t message[4096];
    stage_begin(false, PORT_POST, 1);
    stage_start(stage_find("a"));
    expect_log(stage_find("a"), "up", "a sender");
    struct span one = stage_mail("driver@home.example", message);
    ASSERT_OK(stage_send_bytes(stage_find("a"), "t", one));
    while (!stage.kept_as[0] && virtual_step(stage.v, virtual_now_us(stage.v) + LIMIT_US))
        ;
    stage_helper(false);
    expect_log(stage_find("a"), "up t:unknown", "nobody can tell");
    cr_expect(stage_kept("0001.eml", one));
    stage_finish();
}

Test(media, a_sender_has_so_many_mails_under_way_in_both_worlds)
{
    for (int process = 0; process < 2; process++) {
        if (!stage_can(process, PORT_POST))
            continue;
        stage_begin(process, PORT_POST, 1);
        stage_start(stage_find("a"));
        expect_log(stage_find("a"), "up", "a sender");
        stage_helper(false);
        for (int i = 0; i < MAIL_UNDER_WAY; i++)
            ASSERT_OK(stage_send(stage_find("a"), "", "driver@home.example"));
        cr_expect(eq(int, stage_send(stage_find("a"), "", "driver@home.example"), ERR_BUSY));
        stage_finish();
    }
}

Test(media, the_ninth_card_is_told_no_in_both_worlds)
{
    for (int process = 0; process < 2; process++) {
        stage_begin(process, PORT_PLATE, NFC_CARDS + 1);
        stage_start(stage_find("server"));
        expect_log(stage_find("server"), "up", "a reader");
        for (size_t i = 2; i < stage.count; i++) {
            stage_start(&stage.ends[i]);
            stage_settle();
            ASSERT_OK(stage_tell(&stage.ends[i], "server", "open"));
            expect_log(&stage.ends[i], i < 2 + NFC_CARDS ? "up" : "down", "nine cards");
        }
        ASSERT_OK(stage_tell(stage_find("c"), "", "close"));
        expect_log(stage_find("c"), "up down", "one leaves");
        ASSERT_OK(stage_tell(stage_find("i"), "server", "open"));
        expect_log(stage_find("i"), "down up", "there is room again");
        stage_finish();
    }
}

/* ---- at the real socket of a call ---- */

static int knock(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/server.desk.call", stage.directory);
    int fd = link_connect_unix(path, SOCK_SEQPACKET);
    cr_assert(ge(int, fd, 0));
    return fd;
}

/* What an asker says first: its token, then its name. */
struct hello {
    uint8_t bytes[100];
    size_t len;
};

static struct hello hello_of(const char *name, const char *says)
{
    struct hello h = {.len = TOKEN_SIZE + strlen(says)};
    const struct token *t = token_ring_find(&stage_find(name)->ring, "desk", "server");
    cr_assert(t != NULL);
    memcpy(h.bytes, t->bytes, TOKEN_SIZE);
    memcpy(h.bytes + TOKEN_SIZE, says, strlen(says));
    return h;
}

/* Runs the loop until there is an answer: '+' admitted, '-' hung up. */
static char answer_of(int fd)
{
    uint8_t byte;
    for (int turns = 0; turns < 1000; turns++) {
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (n >= 0)
            return n == 1 && byte == 1 ? '+' : '-';
        sd_event_run(stage.event, 10000);
    }
    return '?';
}

static char greet(struct hello h)
{
    int fd = knock();
    cr_assert(eq(int, (int)send(fd, h.bytes, h.len, MSG_NOSIGNAL), (int)h.len));
    char answer = answer_of(fd);
    close(fd);
    stage_settle();
    return answer;
}

Test(media, a_call_is_admitted_by_token_and_name_together)
{
    stage_begin(true, PORT_DESK, 2);
    stage_start(stage_find("server"));
    stage_settle();
    cr_expect(eq(chr, greet(hello_of("a", "a")), '+'));
    cr_expect(eq(chr, greet(hello_of("b", "b")), '+'));
    cr_expect(eq(chr, greet(hello_of("a", "b")), '-'), "another's name");
    cr_expect(eq(chr, greet(hello_of("a", "stranger")), '-'), "a name that nobody admits");
    cr_expect(eq(chr, greet(hello_of("a", "")), '-'), "no name");
    cr_expect(eq(chr, greet(hello_of("a", "a,")), '-'), "more than a name");
    struct hello h = hello_of("a", "a");
    h.bytes[TOKEN_SIZE - 1] ^= 1;
    cr_expect(eq(chr, greet(h), '-'), "a token that differs in its last bit");
    h.len = 1;
    cr_expect(eq(chr, greet(h), '-'), "too short");
    cr_expect(token_ring_find(&stage_find("stranger")->ring, "desk", "server") == NULL);
    stage_finish();
}

#define IDLE 100

Test(media, idle_strangers_keep_no_caller_out)
{
    int strangers[2 * IDLE];
    stage_begin(true, PORT_DESK, 2);
    stage_start(stage_find("server"));
    stage_settle();
    for (int i = 0; i < IDLE; i++, stage_settle())
        strangers[i] = knock();
    stage_start(stage_find("a"));
    for (int i = IDLE; i < 2 * IDLE; i++)
        strangers[i] = knock();
    expect_log(stage_find("a"), "up", "among strangers");
    ASSERT_OK(stage_send(stage_find("a"), "", "x"));
    expect_log(stage_find("server"), "up a=x", "is heard");
    for (int i = 0; i < 2 * IDLE; i++)
        close(strangers[i]);
    stage_finish();
}

/* Who came first has had the longest time to say who it is. */
Test(media, the_oldest_stranger_gives_way)
{
    int strangers[DOOR_STRANGERS + 2];
    struct hello h;
    stage_begin(true, PORT_DESK, 2);
    stage_start(stage_find("server"));
    stage_settle();
    for (int i = 0; i < DOOR_STRANGERS + 2; i++, stage_settle())
        strangers[i] = knock();
    cr_expect(eq(chr, answer_of(strangers[0]), '-'));
    cr_expect(eq(chr, answer_of(strangers[1]), '-'));
    h = hello_of("a", "a");
    send(strangers[DOOR_STRANGERS], h.bytes, h.len, MSG_NOSIGNAL);
    cr_expect(eq(chr, answer_of(strangers[DOOR_STRANGERS]), '+'), "the last but one is still there");
    for (int i = 0; i < DOOR_STRANGERS + 2; i++)
        close(strangers[i]);
    stage_finish();
}

Test(media, who_does_not_greet_goes)
{
    uint64_t begun_us, now_us;
    stage_begin(true, PORT_DESK, 2);
    stage_start(stage_find("server"));
    stage_settle();
    int fd = knock();
    stage_settle();
    sd_event_now(stage.event, CLOCK_MONOTONIC, &begun_us);
    cr_expect(eq(chr, answer_of(fd), '-'));
    sd_event_now(stage.event, CLOCK_MONOTONIC, &now_us);
    cr_expect(ge(u64, now_us, begun_us + (DOOR_MS - 10) * 1000), "not before its time");
    close(fd);
    stage_finish();
}

/* Its path is another's now: the asker does not hand its token over. */
Test(media, a_socket_in_the_server_s_place_gets_no_greeting)
{
    char path[100], moved[110], word[100];
    int status;
    stage_begin(true, PORT_DESK, 2);
    snprintf(path, sizeof path, "%s/server.desk.call", stage.directory);
    snprintf(moved, sizeof moved, "%s.moved", path);
    cr_assert(eq(int, rename(path, moved), 0));
    pid_t squatter = fork(); /* who listens is known by its process */
    if (squatter == 0) {
        int fd = spawn_listen(path, SOCK_SEQPACKET), peer = -1;
        for (int i = 0; i < 3 && fd >= 0; i++) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            poll(&p, 1, 5000);
            peer = accept(fd, NULL, NULL);
            if (peer < 0 || recv(peer, word, sizeof word, 0) != 0)
                _exit(1);
        }
        _exit(fd < 0);
    }
    while (access(path, F_OK) != 0)
        ;
    stage_start(stage_find("a"));
    while (waitpid(squatter, &status, WNOHANG) == 0)
        sd_event_run(stage.event, 1000);
    cr_expect(eq(int, status, 0), "it connected three times and said nothing");
    cr_assert(eq(int, rename(moved, path), 0));
    stage_start(stage_find("server"));
    expect_log(stage_find("a"), "up", "the server is at its place again");
    stage_finish();
}
