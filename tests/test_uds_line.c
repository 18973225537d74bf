/* A line of the desk in virtual time: what it puts on the segment, what it takes from it, and to what it is
 * deaf. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/uds/line.h"
#include "tests/check.h"

#define P2_MS     150
#define STEPS_MAX 14

/* A step is a word and what belongs to it:
 *
 *   ask HEX      it begins            ask! HEX     it is refused
 *   > FRAME      the next to be sent  > -          there is none
 *   < FRAME      is heard; no answer  < FRAME = HEX   is heard, and is this answer
 *   ms N         time passes          abandon      nobody waits any more
 *   busy, idle   it is so
 */
static const struct {
    const char *name, *ecu, *steps[STEPS_MAX];
} rows[] = {
    {"a short request and its answer",
     "sgw",
     {"ask 22F18C", "> 7A2##50322F18CCCCCCCCC", "> -", "busy", "< 7AA##50662F18C414243CC = 62F18C414243",
      "idle"}},
    {"what answers another service is somebody else's",
     "sgw",
     {"ask 22F18C", "> 7A2##50322F18CCCCCCCCC", "< 7AA##5027E00CCCCCCCCCC", "busy",
      "< 7AA##5037F2E31CCCCCCCC", "busy", "< 7AA##5037F2231CCCCCCCC = 7F2231", "idle"}},
    {"another identifier is somebody else's",
     "sgw",
     {"ask 3E00", "> 7A2##5023E00CCCCCCCCCC", "< 7A9##5027E00CCCCCCCCCC", "< 7DF##5027E00CCCCCCCCCC",
      "< 000007AA##5027E00CCCCCCCCCC", "busy", "< 7AA##5027E00CCCCCCCCCC = 7E00"}},
    {"78 passes through and lengthens the wait",
     "sgw",
     {"ask 3101030F", "> 7A2##5043101030FCCCCCC", "< 7AA##5037F3178CCCCCCCC = 7F3178", "ms 5000", "busy",
      "< 7AA##5047101030FCCCCCC = 7101030F", "idle"}},
    {"silence", "sgw", {"ask 3E00", "> 7A2##5023E00CCCCCCCCCC", "ms 149", "busy", "ms 2", "idle"}},
    {"a keep-alive waits for nothing", "sgw", {"ask 3E80", "> 7A2##5023E80CCCCCCCCCC", "idle"}},
    {"bit 7 waits for a refusal",
     "sgw",
     {"ask 1083", "> 7A2##5021083CCCCCCCCCC", "busy", "< 7AA##5037F1022CCCCCCCC = 7F1022", "idle"}},
    {"a first frame of the asked service gets flow control",
     "sgw",
     {"ask 22F190", "> 7A2##50322F190CCCCCCCC", "< 7AA#100962F190414243", "> 7A2##5300000CCCCCCCCCC"}},
    {"one of another service gets none",
     "sgw",
     {"ask 22F190", "> 7A2##50322F190CCCCCCCC", "< 7AA#1009590239DA0087", "> -", "busy"}},
    {"without a request none gets any",
     "sgw",
     {"< 7AA#100962F190414243", "> -", "< 7AA#2144454647CCCCCC", "< 7AA##50662F18C414243CC", "idle"}},
    {"nor while a longer request leaves",
     "sgw",
     {"ask "
      "2E0243000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F"
      "303132333435363738393A3B3C3D3E3F",
      "> 7A2##510432E0243000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20212223242526272829"
      "2A2B2C2D2E2F303132333435363738393A",
      "> -", "< 7AA#10096E0243000102", "> -", "< 7AA##5300000CCCCCCCCCC", "> 7A2##5213B3C3D3E3FCCCC",
      "busy"}},
    {"nobody lets a longer request go on: it ends",
     "sgw",
     {"ask "
      "2E0243000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F"
      "303132333435363738393A3B3C3D3E3F",
      "> 7A2##510432E0243000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20212223242526272829"
      "2A2B2C2D2E2F303132333435363738393A",
      "ms 999", "busy", "ms 2", "idle"}},
    {"who has left in the middle of a longer request takes it along",
     "sgw",
     {"ask "
      "2E0243000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F"
      "303132333435363738393A3B3C3D3E3F",
      "> 7A2##510432E0243000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20212223242526272829"
      "2A2B2C2D2E2F303132333435363738393A",
      "abandon", "idle", "< 7AA##5300000CCCCCCCCCC", "> -"}},
    {"who has left later leaves the answer's time: the next does not get it",
     "sgw",
     {"ask 22F18C", "> 7A2##50322F18CCCCCCCCC", "abandon", "busy", "ask! 22F18C",
      "< 7AA##50662F18C414243CC = 62F18C414243", "idle", "ask 22F18C"}},
    {"all are heard until the time is over",
     "all",
     {"ask 22F18C", "> 7DF##50322F18CCCCCCCCC", "< 7AA##50662F18C414243CC = 62F18C414243", "busy",
      "< 7A8##50662F18C444546CC = 62F18C444546", "ms 149", "busy", "ms 2", "idle"}},
    {"flow control to all who need it goes to each",
     "all",
     {"ask 22F18C", "> 7DF##50322F18CCCCCCCCC", "< 7A9#101062F18C544247", "> 7A1##5300000CCCCCCCCCC", "busy",
      "< 7A9#2130303030303030", "< 7A9#22303031CCCCCCCC = 62F18C54424730303030303030303031"}},
    {"what is no request", "sgw", {"ask! 62F18C", "ask! 7F2231", "idle", "> -"}},
};

static struct span read_hex(const char *text, uint8_t *out, size_t cap)
{
    return span_of(out, unhex(text, out, cap));
}

static void ask(struct desk_line *l, const char *hex, bool wanted, uint64_t now_us, const char *name)
{
    uint8_t request[200];
    enum err e = desk_line_ask(l, read_hex(hex, request, sizeof request), now_us);
    cr_expect(eq(int, e == ERR_OK, wanted), "%s: %s", name, hex);
}

static void hear(struct desk_line *l, const char *text, uint64_t now_us, const char *name)
{
    char frame[160];
    const char *wanted = strstr(text, " = ");
    struct bus_frame f;
    struct span answer = {0};
    snprintf(frame, sizeof frame, "%.*s", (int)(wanted ? wanted - text : (long)strlen(text)), text);
    cr_assert(zero(int, bus_frame_parse(frame, &f)), "%s: %s", name, frame);
    bool any = desk_line_input(l, &f, now_us, &answer);
    cr_expect(eq(int, any, wanted != NULL), "%s: %s", name, text);
    char hex[400] = "";
    if (any && wanted) {
        hex_encode(answer.p, answer.len, hex);
        cr_expect(zero(int, strcasecmp(hex, wanted + 3)), "%s: %s", name, hex);
    }
}

static void see(struct desk_line *l, const char *wanted, uint64_t now_us, const char *name)
{
    struct bus_frame f;
    char text[BUS_TEXT_MAX] = "-";
    if (desk_line_output(l, now_us, &f))
        bus_frame_print(&f, text);
    cr_expect(eq(str, text, (char *)wanted), "%s", name);
}

static uint64_t pass(struct desk_line *l, uint64_t now_us, unsigned ms)
{
    uint64_t until_us = now_us + ms * 1000ull;
    while (desk_line_due_us(l) <= until_us) {
        now_us = desk_line_due_us(l) > now_us ? desk_line_due_us(l) : now_us;
        desk_line_tick(l, now_us);
    }
    return until_us;
}

static uint64_t take_step(struct desk_line *l, const char *step, uint64_t now_us, const char *name)
{
    if (strncmp(step, "ask! ", 5) == 0)
        ask(l, step + 5, false, now_us, name);
    else if (strncmp(step, "ask ", 4) == 0)
        ask(l, step + 4, true, now_us, name);
    else if (step[0] == '>')
        see(l, step + 2, now_us, name);
    else if (step[0] == '<')
        hear(l, step + 2, now_us, name);
    else if (strncmp(step, "ms ", 3) == 0)
        return pass(l, now_us, (unsigned)atoi(step + 3));
    else if (strcmp(step, "abandon") == 0)
        desk_line_abandon(l);
    else
        cr_expect(eq(int, desk_line_busy(l), strcmp(step, "busy") == 0), "%s: %s", name, step);
    return now_us;
}

static const struct matrix_row *row_of(const char *ecu)
{
    char name[DESK_LINE_ECU];
    for (size_t i = 0; desk_ecu(i); i++) {
        desk_ecu_name(desk_ecu(i), name);
        if (strcmp(name, ecu) == 0)
            return desk_ecu(i);
    }
    return desk_all();
}

Test(uds_line, steps)
{
    static struct desk_line l;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t now_us = 5000000;
        cr_assert(desk_line_open(&l, row_of(rows[i].ecu), P2_MS));
        for (size_t k = 0; k < STEPS_MAX && rows[i].steps[k]; k++)
            now_us = take_step(&l, rows[i].steps[k], now_us, rows[i].name);
        desk_line_close(&l);
    }
}

Test(uds_line, a_request_does_not_outlive_its_end)
{
    static struct desk_line l;
    struct bus_frame f;
    struct span answer;
    uint8_t key[] = {0x27, 0x02, 1, 2, 3, 4};
    cr_assert(desk_line_open(&l, row_of("sgw"), P2_MS));
    cr_assert(zero(int, desk_line_ask(&l, span_of(key, sizeof key), 0)));
    cr_assert(desk_line_output(&l, 0, &f));
    cr_assert(zero(int, bus_frame_parse("7AA##5026702CCCCCCCCCC", &f)));
    cr_expect(desk_line_input(&l, &f, 1000, &answer));
    cr_expect(is_wiped(l.request, sizeof l.request));
    desk_line_close(&l);
}

Test(uds_line, to_all_goes_what_fits_one_frame)
{
    static struct desk_line l;
    uint8_t request[63] = {0x2E};
    cr_assert(desk_line_open(&l, row_of("all"), P2_MS));
    cr_expect(eq(int, desk_line_ask(&l, span_of(request, 63), 0), ERR_NO_SPACE));
    cr_expect(eq(int, desk_line_ask(&l, span_of(request, 62), 0), ERR_OK));
    desk_line_close(&l);
    cr_assert(desk_line_open(&l, row_of("sgw"), P2_MS));
    static uint8_t longest[DESK_PDU_MAX + 1] = {0x2E};
    cr_expect(eq(int, desk_line_ask(&l, span_of(longest, DESK_PDU_MAX + 1), 0), ERR_NO_SPACE));
    cr_expect(eq(int, desk_line_ask(&l, span_of(longest, 0), 0), ERR_BAD_ARGUMENT));
    cr_expect(eq(int, desk_line_ask(&l, span_of(longest, DESK_PDU_MAX), 0), ERR_OK));
    desk_line_close(&l);
}
