/* Bluetooth LE, the same stories in both worlds: on the virtual twin and on real sockets. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ble/words.h"
#include "tests/check.h"
#include "tests/stage.h"

#define LIMIT_US 20000000u /* for what must come */
#define HEARD    64        /* that nobody has asked for yet, of one end */
#define NAMES    16

/* ---- what ends hear ---- */

struct heard {
    char text[2200]; /* "4A1122334455/random up", "=abc" of bytes, "+", "-" */
};

static struct ear {
    struct heard heard[HEARD];
    size_t count;
} ears[STAGE_ENDS];

static struct ear *ear_of(const struct end *e)
{
    return &ears[e - stage.ends];
}

static void on_heard(struct end *e, const char *address, char sign, struct span what)
{
    struct ear *ear = ear_of(e);
    cr_assert(lt(sz, ear->count, HEARD));
    char *out = ear->heard[ear->count++].text;
    if (sign == '+' || sign == '-')
        snprintf(out, 4, "%c", sign);
    else
        snprintf(out, sizeof ears->heard->text, "%s%s%s%.*s", address, *address ? " " : "",
                 sign == '=' ? "=" : "", (int)what.len, (const char *)what.p);
}

/* Takes the oldest; false when nothing has come in time. */
static bool hear(struct end *e, char *out, size_t cap)
{
    struct ear *ear = ear_of(e);
    uint64_t begun_us = 0, now_us = 0;
    if (stage.process)
        sd_event_now(stage.event, CLOCK_MONOTONIC, &begun_us);
    while (stage.process && !ear->count && now_us < begun_us + LIMIT_US) {
        stage_flush();
        sd_event_run(stage.event, 10000);
        sd_event_now(stage.event, CLOCK_MONOTONIC, &now_us);
    }
    while (!stage.process && !ear->count && virtual_step(stage.v, virtual_now_us(stage.v) + LIMIT_US))
        ;
    if (!ear->count)
        return false;
    text_copy(out, cap, ear->heard[0].text);
    memmove(ear->heard, ear->heard + 1, --ear->count * sizeof ear->heard[0]);
    return true;
}

/* ---- names of what nobody knows beforehand: "$c" ---- */

static char values[NAMES][80];

static char *value_of(char name)
{
    return values[(name - 'a') % NAMES];
}

/* "$c" in a text is the value that c got. */
static void fill_in(const char *text, char *out, size_t cap)
{
    size_t len = 0;
    for (; *text && len + 80 < cap; text++)
        if (*text == '$')
            len += (size_t)snprintf(out + len, cap - len, "%s", value_of(*++text));
        else
            out[len++] = *text;
    out[len] = '\0';
}

/* The same, but a name without value takes the word that stands there. */
static bool matches(const char *text, const char *want)
{
    for (; *want; want++) {
        char *value = *want == '$' ? value_of(*++want) : NULL;
        if (value && !*value)
            snprintf(value, sizeof values[0], "%.*s", (int)strcspn(text, " "), text);
        size_t len = value ? strlen(value) : 1;
        if (strncmp(text, value ? value : want, len) != 0 || len == 0)
            return false;
        text += len;
    }
    return *text == '\0';
}

/* ---- stories ---- */

#define V    "00AA01000001/public"
#define W    "55AA01000002/random"
#define P    "4A1122334455/random"
#define Q    "4B1122334455/random"
#define SPSM "D3B5A1309E234B3A8BE46B1EE5F980A3"
#define AD   "0201040303F5FF"

enum act { TELL, SEND, LONG, RADIO, START, KILL, CUT, HEAL };

/* `who` does it; `words` of a refusal begin with "!". Then each has heard that, and in the end nothing more.
 */
struct step {
    enum act act;
    const char *who, *to, *text, *refusal;
    struct {
        const char *who, *what;
    } hears[4];
};

#define S "server"
#define BEGIN                                                                                \
    {START, S, .hears = {{S, "+"}}}, {START, "a", .hears = {{"a", "+"}}},                    \
        {TELL, S, "", "advertise " V " " AD}, {TELL, S, "", "attribute " SPSM " open 0080"}, \
        {TELL, S, "", "listen 0080 2048"},                                                   \
    {                                                                                        \
        TELL, "a", "", "scan", .hears = { {"a", V " heard -59 " AD} }                        \
    }
#define CONNECT                                                               \
    {                                                                         \
        TELL, "a", V, "connect " P, .hears = { {"a", V " up"}, {S, P " up"} } \
    }
#define CHANNEL                                   \
    {                                             \
        TELL, "a", V, "open 0080 600", .hears = { \
            {S, P " channel 0080 600"},           \
            {"a", V " channel 0080 2048"}         \
        }                                         \
    }
#define DATA                                                                                       \
    {TELL, "a", "", "oob", .hears = {{"a", "oob $a =$b"}}},                                        \
        {TELL, S, "", "oob", .hears = {{S, "oob $c =$d"}}}, {TELL, "a", "", "oob-of " V " $c $d"}, \
    {                                                                                              \
        TELL, S, "", "oob-of " P " $a $b"                                                          \
    }
#define PAIR                              \
    {                                     \
        TELL, "a", V, "pair", .hears = {  \
            {"a", V " encrypted 4 16"},   \
            {S, P " encrypted 4 16"},     \
            {"a", V " new-ltk 3 16 =$e"}, \
            {S, P " new-ltk 3 16 =$e"}    \
        }                                 \
    }

#define STEPS 40
static const struct story {
    const char *name;
    bool virtual_only; /* takes long */
    struct step steps[STEPS];
} stories[] = {
    {"a channel in the clear",
     .steps = {BEGIN,
               CONNECT,
               {TELL, "a", V, "read " SPSM, .hears = {{"a", V " value " SPSM " 0080"}}},
               {TELL, "a", V, "read FFF7", .hears = {{"a", V " no-value FFF7 0A"}}},
               CHANNEL,
               {TELL, S, P, "security", .hears = {{S, P " security 1 0"}}},
               {SEND, "a", V, "hello", .hears = {{S, P " =hello"}}},
               {SEND, S, P, "there", .hears = {{"a", V " =there"}}},
               {LONG, "a", V, "2048", .hears = {{S, P " =*2048"}}},
               {LONG, S, P, "600", .hears = {{"a", V " =*600"}}},
               {LONG, S, P, "601", .refusal = "NO_SPACE"},
               {TELL, "a", V, "close-channel",
                .hears = {{"a", V " channel-closed 0080"}, {S, P " channel-closed 0080"}}},
               {SEND, "a", V, "x", .refusal = "MSG_UNEXPECTED"},
               CHANNEL,
               {SEND, "a", V, "again", .hears = {{S, P " =again"}}},
               {TELL, "a", V, "disconnect 13", .hears = {{"a", V " down 16"}, {S, P " down 13"}}},
               {SEND, "a", V, "x", .refusal = "NOT_FOUND"},
               CONNECT,
               {TELL, S, P, "disconnect 13", .hears = {{"a", V " down 13"}, {S, P " down 16"}}}}},
    {"paired with data both ways, and met again",
     .steps = {BEGIN,
               {TELL, S, "", "attribute FFF6 encrypted 0102"},
               {TELL, "a", "", "identity F0F1F2F3F4F5/public 000102030405060708090A0B0C0D0E0F"},
               CONNECT,
               CHANNEL,
               DATA,
               {TELL, "a", V, "read FFF6", .hears = {{"a", V " no-value FFF6 0F"}}},
               {TELL, "a", V, "pair",
                .hears = {{"a", V " encrypted 4 16"},
                          {S, P " encrypted 4 16"},
                          {"a", V " new-ltk 3 16 =$e"},
                          {S, P " new-irk F0F1F2F3F4F5/public =000102030405060708090A0B0C0D0E0F"}}},
               {TELL, S, P, "security", .hears = {{S, P " new-ltk 3 16 =$e"}, {S, P " security 4 16"}}},
               {SEND, "a", V, "sealed", .hears = {{S, P " =sealed"}}},
               {LONG, S, P, "600", .hears = {{"a", V " =*600"}}},
               {TELL, "a", V, "read FFF6", .hears = {{"a", V " value FFF6 0102"}}},
               {TELL, "a", V, "pair", .refusal = "MSG_UNEXPECTED"},
               {TELL, "a", V, "disconnect 13", .hears = {{"a", V " down 16"}, {S, P " down 13"}}},
               {TELL, "a", V, "connect " Q, .hears = {{"a", V " up"}, {S, Q " up"}}},
               {TELL, "a", V, "encrypt $e", .hears = {{S, Q " key-wanted"}}},
               {TELL, "a", V, "open 0080 512"},
               {TELL, S, Q, "encrypt $e",
                .hears = {{"a", V " encrypted 4 16"},
                          {S, Q " encrypted 4 16"},
                          {S, Q " channel 0080 512"},
                          {"a", V " channel 0080 2048"}}},
               {TELL, "a", V, "security", .hears = {{"a", V " security 4 16"}}},
               {SEND, S, Q, "welcome", .hears = {{"a", V " =welcome"}}}}},
    {"both have identities",
     .steps =
         {BEGIN,
          {TELL, "a", "", "identity F0F1F2F3F4F5/public 000102030405060708090A0B0C0D0E0F"},
          {TELL, S, "", "identity 00AA01000001/public 101112131415161718191A1B1C1D1E1F"},
          CONNECT,
          DATA,
          {TELL, "a", V, "pair",
           .hears = {{"a", V " encrypted 4 16"},
                     {S, P " encrypted 4 16"},
                     {"a", V " new-irk " V " =101112131415161718191A1B1C1D1E1F"},
                     {S, P " new-irk F0F1F2F3F4F5/public =000102030405060708090A0B0C0D0E0F"}}},
          {TELL, "a", V, "security",
           .hears = {{"a", V " new-ltk 3 16 =$e"}, {"a", V " security 4 16"}, {S, P " new-ltk 3 16 =$e"}}}}},
    {"the phone finds that the data are another's: the link drops",
     .steps = {BEGIN,
               CONNECT,
               CHANNEL,
               DATA,
               {TELL, S, "", "oob", .hears = {{S, "oob $f =$g"}}}, /* what the phone has is no longer so */
               {TELL, "a", V, "pair",
                .hears = {{"a", V " auth-failed 04"},
                          {S, P " auth-failed 04"},
                          {S, P " down 05"},
                          {"a", V " down 05"}}},
               {SEND, "a", V, "x", .refusal = "NOT_FOUND"}}},
    {"the vehicle finds it: the link stays open, in the clear",
     .steps = {BEGIN,
               CONNECT,
               CHANNEL,
               DATA,
               {TELL, "a", "", "oob", .hears = {{"a", "oob $f =$g"}}},
               {TELL, "a", V, "pair", .hears = {{S, P " auth-failed 04"}, {"a", V " auth-failed 04"}}},
               {SEND, "a", V, "in the clear", .hears = {{S, P " =in the clear"}}},
               {TELL, S, P, "security", .hears = {{S, P " security 1 0"}}},
               {TELL, S, P, "disconnect 13", .hears = {{S, P " down 16"}, {"a", V " down 13"}}}}},
    {"the random value is another's",
     .steps = {BEGIN,
               CONNECT,
               DATA,
               {TELL, S, "", "oob-of " P " $a 00000000000000000000000000000000"},
               {TELL, "a", V, "pair", .hears = {{S, P " auth-failed 04"}, {"a", V " auth-failed 04"}}},
               {TELL, "a", V, "security", .hears = {{"a", V " security 1 0"}}}}},
    {"data of one way, at the phone: as authenticated",
     .steps = {BEGIN, CONNECT, DATA, {TELL, S, "", "forget-oob " P}, PAIR}},
    {"data of one way, at the vehicle: as authenticated",
     .steps = {BEGIN, CONNECT, DATA, {TELL, "a", "", "forget-oob " V}, PAIR}},
    {"data of neither way",
     .steps = {BEGIN,
               CONNECT,
               {TELL, "a", V, "pair", .hears = {{S, P " auth-failed 03"}, {"a", V " auth-failed 03"}}},
               {TELL, "a", V, "security", .hears = {{"a", V " security 1 0"}}}}},
    {"data for another address do not count",
     .steps = {BEGIN,
               DATA,
               {TELL, "a", V, "connect " Q, .hears = {{"a", V " up"}, {S, Q " up"}}},
               {TELL, "a", "", "forget-oob " V},
               {TELL, "a", V, "pair", .hears = {{S, Q " auth-failed 03"}, {"a", V " auth-failed 03"}}}}},
    {"data are used up by a pairing",
     .steps = {BEGIN,
               CONNECT,
               DATA,
               PAIR,
               {TELL, "a", V, "disconnect 13", .hears = {{"a", V " down 16"}, {S, P " down 13"}}},
               CONNECT,
               {TELL, "a", V, "pair", .hears = {{S, P " auth-failed 04"}, {"a", V " auth-failed 04"}}}}},
    {"another key than the vehicle's",
     .steps = {BEGIN,
               CONNECT,
               CHANNEL,
               {TELL, "a", V, "encrypt 00112233445566778899AABBCCDDEEFF", .hears = {{S, P " key-wanted"}}},
               {TELL, S, P, "encrypt 00112233445566778899AABBCCDDEEFE",
                .hears = {{S, P " down 3D"}, {"a", V " down 3D"}}}}},
    {"no key",
     .steps = {BEGIN,
               CONNECT,
               CHANNEL,
               {TELL, "a", V, "encrypt 00112233445566778899AABBCCDDEEFF", .hears = {{S, P " key-wanted"}}},
               {SEND, "a", V, "waits"},
               {TELL, S, P, "no-key", .hears = {{"a", V " auth-failed 06"}, {S, P " =waits"}}},
               {SEND, S, P, "in the clear", .hears = {{"a", V " =in the clear"}}}}},
    {"the vehicle says nothing of a key", .virtual_only = true,
     .steps = {BEGIN,
               CONNECT,
               {TELL, "a", V, "encrypt 00112233445566778899AABBCCDDEEFF",
                .hears = {{S, P " key-wanted"}, {"a", V " auth-failed 06"}}}}},
    {"out of range, and back",
     .steps = {BEGIN,
               CONNECT,
               CHANNEL,
               {RADIO, S, "a", "800 0 0 0 0", .hears = {{"a", V " heard -77 " AD}}},
               {RADIO, S, "a", "20000 0 0 0 0"},
               {SEND, "a", V, "late"},
               {RADIO, S, "a", "100 0 0 0 0", .hears = {{"a", V " heard -59 " AD}, {S, P " =late"}}},
               {RADIO, S, "a", "20000 0 0 0 0"},
               {SEND, "a", V, "lost", .hears = {{S, P " down 08"}, {"a", V " down 08"}}},
               {TELL, "a", V, "connect " P, .hears = {{"a", V " down 3E"}}},
               {RADIO, S, "a", "100 0 0 0 0", .hears = {{"a", V " heard -59 " AD}}},
               CONNECT}},
    {"the band is dead",
     .steps = {BEGIN,
               CONNECT,
               {RADIO, S, "a", "100 0 0 0 1", .hears = {{S, P " down 08"}, {"a", V " down 08"}}},
               {TELL, S, "", "advertise " W " -"},
               {RADIO, S, "a", "100 0 0 0 0", .hears = {{"a", W " heard -59 -"}}}}},
    {"a relay, far away",
     .steps = {BEGIN,
               {RADIO, S, "a", "50000 0 20000 1 0", .hears = {{"a", V " heard -59 " AD}}},
               CONNECT,
               CHANNEL,
               {SEND, "a", V, "relayed", .hears = {{S, P " =relayed"}}}}},
    {"losses make it slow, and lose nothing",
     .steps = {BEGIN,
               CONNECT,
               CHANNEL,
               {RADIO, S, "a", "100 50 1000 0 0", .hears = {{"a", V " heard -59 " AD}}},
               {LONG, "a", V, "2048", .hears = {{S, P " =*2048"}}},
               {LONG, S, P, "600", .hears = {{"a", V " =*600"}}}}},
    {"the vehicle dies",
     .steps = {BEGIN,
               CONNECT,
               CHANNEL,
               {KILL, S, .hears = {{"a", V " down 08"}}},
               {TELL, "a", V, "connect " P, .refusal = "NOT_FOUND"},
               {START, S, .hears = {{S, "+"}}},
               {TELL, S, "", "advertise " W " " AD, .hears = {{"a", W " heard -59 " AD}}},
               {TELL, "a", W, "connect " P, .hears = {{"a", W " up"}, {S, P " up"}}},
               {TELL, "a", W, "open 0080 512", .hears = {{"a", W " no-channel 0080 2"}}}}},
    {"the phone dies", .steps = {BEGIN,
                                 CONNECT,
                                 CHANNEL,
                                 {KILL, "a", .hears = {{S, P " down 08"}}},
                                 {START, "a", .hears = {{"a", "+"}}},
                                 {TELL, "a", "", "scan", .hears = {{"a", V " heard -59 " AD}}},
                                 CONNECT}},
    {"adapters that go off forget",
     .steps = {BEGIN,
               CONNECT,
               {CUT, S, .hears = {{S, "-"}, {"a", V " down 08"}}},
               {TELL, S, "", "advertise " V " " AD, .refusal = "LINK_DOWN"},
               {HEAL, S, .hears = {{S, "+"}}},
               {TELL, S, "", "advertise " V " " AD, .hears = {{"a", V " heard -59 " AD}}},
               CONNECT,
               {CUT, "a", .hears = {{"a", "-"}, {S, P " down 08"}}},
               {HEAL, "a", .hears = {{"a", "+"}}},
               {TELL, "a", V, "connect " P, .refusal = "NOT_FOUND"},
               {TELL, "a", "", "scan", .hears = {{"a", V " heard -59 " AD}}},
               CONNECT}},
    {"an advertisement that is over",
     .steps = {BEGIN,
               {TELL, S, "", "advertise-off"},
               {TELL, "a", V, "connect " P, .hears = {{"a", V " down 3E"}}},
               {TELL, S, "", "advertise " W " " AD, .hears = {{"a", W " heard -59 " AD}}},
               {TELL, "a", "", "scan-off"},
               {TELL, "a", "", "scan", .hears = {{"a", W " heard -59 " AD}}},
               {TELL, "a", V, "connect " P, .refusal = "NOT_FOUND"},
               {TELL, "a", W, "connect " P, .hears = {{"a", W " up"}, {S, P " up"}}},
               {TELL, "a", W, "connect " P, .refusal = "BUSY"}}},
    {"two phones, and one that takes the other's address",
     .steps = {BEGIN,
               CONNECT,
               CHANNEL,
               {START, "b", .hears = {{"b", "+"}}},
               {TELL, "b", "", "scan", .hears = {{"b", V " heard -59 " AD}}},
               {TELL, "b", V, "connect " P, .hears = {{"b", V " down 3E"}}},
               {TELL, "b", V, "connect " Q, .hears = {{"b", V " up"}, {S, Q " up"}}},
               {TELL, "b", V, "open 0080 512",
                .hears = {{"b", V " channel 0080 2048"}, {S, Q " channel 0080 512"}}},
               {SEND, S, Q, "for b", .hears = {{"b", V " =for b"}}},
               {SEND, S, P, "for a", .hears = {{"a", V " =for a"}}},
               {TELL, "b", V, "disconnect 13", .hears = {{"b", V " down 16"}, {S, Q " down 13"}}},
               {SEND, "a", V, "still here", .hears = {{S, P " =still here"}}}}},
    {"words of no sense, or at the wrong time",
     .steps = {{START, S, .hears = {{S, "+"}}},
               {START, "a", .hears = {{"a", "+"}}},
               {TELL, S, "", "advertise", .refusal = "BAD_ARGUMENT"},
               {TELL, S, "", "advertise " V, .refusal = "BAD_ARGUMENT"},
               {TELL, S, "", "advertise 00aa01000001/public -", .refusal = "BAD_ARGUMENT"},
               {TELL, S, "",
                "advertise " V " 0201040303F5FF0201040303F5FF0201040303F5FF0201040303F5FF02010406",
                .refusal = "BAD_ARGUMENT"},
               {TELL, S, "", "scan", .refusal = "MSG_UNEXPECTED"},
               {TELL, S, P, "pair", .refusal = "MSG_UNEXPECTED"},
               {TELL, S, P, "no-key", .refusal = "NOT_FOUND"},
               {TELL, S, "", "listen 007F 512", .refusal = "BAD_ARGUMENT"},
               {TELL, S, "", "listen 0080 63", .refusal = "BAD_ARGUMENT"},
               {TELL, S, "", "listen 0080 2049", .refusal = "BAD_ARGUMENT"},
               {TELL, S, "", "attribute FFF open 00", .refusal = "BAD_ARGUMENT"},
               {TELL, S, "", "attribute FFF7 shut 00", .refusal = "BAD_ARGUMENT"},
               {TELL, S, P, "advertise-off", .refusal = "BAD_ARGUMENT"},
               {TELL, S, "", "advertise-off please", .refusal = "BAD_ARGUMENT"},
               {TELL, "a", "", "advertise " V " -", .refusal = "MSG_UNEXPECTED"},
               {TELL, "a", V, "connect " P, .refusal = "NOT_FOUND"},
               {TELL, "a", "nowhere", "connect " P, .refusal = "BAD_ARGUMENT"},
               {TELL, "a", "", "forget-oob " V, .refusal = "NOT_FOUND"},
               {TELL, "a", "", "open-sesame", .refusal = "BAD_ARGUMENT"},
               {TELL, S, "", "advertise " V " " AD},
               {TELL, "a", "", "scan", .hears = {{"a", V " heard -59 " AD}}},
               CONNECT,
               {TELL, "a", V, "close-channel", .refusal = "MSG_UNEXPECTED"},
               {SEND, "a", V, "x", .refusal = "MSG_UNEXPECTED"},
               {TELL, S, P, "encrypt 00112233445566778899AABBCCDDEEFF", .refusal = "MSG_UNEXPECTED"},
               {TELL, S, P, "no-key", .refusal = "MSG_UNEXPECTED"},
               {TELL, "a", V, "open 0080 4000", .refusal = "BAD_ARGUMENT"},
               {TELL, "a", V, "encrypt 0011", .refusal = "BAD_ARGUMENT"},
               {TELL, "a", V, "read " SPSM, .hears = {{"a", V " no-value " SPSM " 0A"}}}}},
    {"who is no caller hears nothing",
     .steps = {BEGIN,
               {START, "stranger", .hears = {{"stranger", "+"}}},
               {TELL, "stranger", "", "scan"},
               {TELL, S, "", "advertise " W " -", .hears = {{"a", W " heard -59 -"}}},
               {TELL, "stranger", W, "connect " Q, .refusal = "NOT_FOUND"}}},
};

/* ---- telling them ---- */

static enum err send_long(struct end *e, const char *to, size_t len)
{
    uint8_t *bytes = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)('A' + i % 26);
    enum err err = stage_send_bytes(e, to, span_of(bytes, len));
    free(bytes);
    return err;
}

static enum err act(const struct step *s, const char *text)
{
    struct end *e = stage_find(s->who);
    switch (s->act) {
    case TELL:
        return stage_tell(e, s->to, text);
    case SEND:
        return stage_send(e, s->to, text);
    case LONG:
        return send_long(e, s->to, strtoul(text, NULL, 10));
    case RADIO:
        return stage_radio(e, s->to, text);
    case START:
        stage_start(e);
        break;
    case KILL:
        stage_kill(e);
        break;
    case CUT:
    case HEAL:
        stage_cut(e, s->act == CUT);
    }
    return ERR_OK;
}

/* "=*2048": so many bytes of the alphabet. */
static bool heard_long(const char *text, const char *want)
{
    const char *star = strstr(want, "=*");
    if (!star || strncmp(text, want, (size_t)(star + 1 - want)) != 0)
        return false;
    const char *bytes = text + (star + 1 - want);
    size_t len = strtoul(star + 2, NULL, 10);
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != (char)('A' + i % 26))
            return false;
    return bytes[len] == '\0';
}

static void expect_heard(const char *who, const char *want, const char *where)
{
    char text[2200];
    bool heard = hear(stage_find(who), text, sizeof text);
    cr_assert(heard, "%s: %s has heard nothing; wanted \"%s\"", where, who, want);
    cr_assert(matches(text, want) || heard_long(text, want), "%s: %s has heard \"%s\"; wanted \"%s\"", where,
              who, text, want);
}

static void expect_silence(const char *where)
{
    for (int i = 0; i < 3; i++) {
        stage_flush();
        stage_settle();
    }
    for (size_t i = 0; i < stage.count; i++)
        cr_expect(eq(sz, ears[i].count, 0), "%s: %s has also heard \"%s\"", where, stage.ends[i].name,
                  ears[i].heard[0].text);
}

static void tell(const struct story *story, bool process)
{
    char where[160], text[300];
    memset(ears, 0, sizeof ears);
    memset(values, 0, sizeof values);
    stage_begin(process, PORT_AIR, 2);
    stage.on_heard = on_heard;
    for (size_t i = 0; i < STEPS && story->steps[i].who; i++) {
        const struct step *s = &story->steps[i];
        snprintf(where, sizeof where, "%s, step %zu (%s)", story->name, i + 1,
                 process ? "process" : "virtual");
        fill_in(s->text ? s->text : "", text, sizeof text);
        enum err e = act(s, text);
        cr_assert(eq(str, (char *)err_name(e), (char *)(s->refusal ? s->refusal : "OK")), "%s: %s", where,
                  text);
        for (size_t k = 0; k < 4 && s->hears[k].who; k++)
            expect_heard(s->hears[k].who, s->hears[k].what, where);
    }
    expect_silence(where);
    stage_finish();
}

TestSuite(ble, .timeout = 120);

Test(ble, the_same_stories_in_both_worlds)
{
    for (size_t i = 0; i < 2 * sizeof stories / sizeof stories[0]; i++)
        if (i % 2 == 0 || !stories[i / 2].virtual_only)
            tell(&stories[i / 2], i % 2);
}
