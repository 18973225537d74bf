/* Wireshark's ISO-TP dissector puts together the same messages: those of runs, from can.log, beside the bytes
 * that went over GSDP; and those of our engine, of sizes around the borders. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/can/isotp.h"
#include "tests/launch.h"

enum { MISSING = 77 };

/* What the dissector finds in the can.log of the folder; the test is skipped, aloud, where there is none. To
 * be freed. */
static char *dissected(const char *directory, const char *folder, const char *ids)
{
    char command[300], *text = NULL;
    size_t cap = 0;
    snprintf(command, sizeof command, "python3 scripts/isotp-by-tshark.py %s%s/can.log %s", directory, folder,
             ids);
    FILE *f = popen(command, "r");
    cr_assert(f != NULL);
    if (getdelim(&text, &cap, EOF, f) < 0)
        text[0] = '\0';
    int status = pclose(f), rc = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (rc == MISSING || rc == 127) {
        fprintf(
            stderr,
            "SKIPPED: Wireshark's dissector did not run: tshark is missing (scripts/setup.sh optional)\n");
        free(text);
        launch_remove(directory);
        cr_skip_test("tshark is missing");
    }
    cr_assert(eq(int, rc, 0));
    return text;
}

/* ---- runs ---- */

static unsigned lines_with(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *p = text; (p = strstr(p, part)); p++)
        n++;
    return n;
}

/* Lines of bytes.jsonl: what went over GSDP at the vehicle's end. */
static unsigned over_gsdp(char *bytes, const char *hex)
{
    unsigned n = 0;
    char *rest = strdup(bytes), *all = rest, wanted[8300];
    snprintf(wanted, sizeof wanted, "\"hex\":\"%s\"", hex ? hex : "");
    for (const char *line = launch_line(&rest); line; line = launch_line(&rest)) {
        char medium[16], from[32], to[32];
        launch_member(line, "medium", medium, sizeof medium);
        launch_member(line, "from", from, sizeof from);
        launch_member(line, "to", to, sizeof to);
        n += strcmp(medium, "gsdp") == 0 && (strcmp(from, "tbm") == 0 || strcmp(to, "tbm") == 0) &&
             (!hex || strstr(line, wanted));
    }
    free(all);
    return n;
}

static void compare_run(const char *directory)
{
    char *bytes = launch_file(directory, "run/bytes.jsonl"), *found = dissected(directory, "/run", "");
    cr_assert(bytes != NULL);
    char *rest = found;
    unsigned on_telematics = 0;
    for (char *line = launch_line(&rest); line; line = launch_line(&rest)) {
        char bus[20], id[12];
        static char hex[8200];
        cr_assert(eq(int, sscanf(line, "%19s %11s %8199s", bus, id, hex), 3), "%s", line);
        on_telematics += strcmp(bus, "telematics") == 0;
        cr_expect(ge(u32, over_gsdp(bytes, hex), 1), "%s %s: %.80s... did not go over GSDP", bus, id, hex);
    }
    cr_expect(lt(u32, 2, on_telematics));
    cr_expect(eq(u32, on_telematics, over_gsdp(bytes, NULL)), "all that went over GSDP");
    free(found);
    free(bytes);
}

static const struct {
    const char *arguments;
} runs[] = {
    {"pp01 --world virtual --seed 7"},
    {"pp02 --world virtual --seed 7"},
    {"pp02 --world process --can hub"},
};

Test(tshark, messages_of_runs, .timeout = 120)
{
    const char *build = getenv("SPAAKSIM_BUILD");
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        char directory[64], command[400];
        launch_directory(directory);
        snprintf(command, sizeof command, "%s/bin/spaaksim run %s --bytes --out %s/run >/dev/null 2>&1",
                 build ? build : "build", runs[i].arguments, directory);
        cr_assert(eq(int, system(command), 0), "%s", runs[i].arguments);
        compare_run(directory);
        launch_remove(directory);
    }
}

/* ---- the engine ---- */

#define SIZE_MAX_ 5000

static uint8_t payload[SIZE_MAX_], received[SIZE_MAX_];

static const struct {
    const char *bus;
    uint8_t tx_dl;
    bool pad;
} links[] = {{"classic", 8, false}, {"padded", 8, true}, {"fd", 64, true}, {"fd20", 20, true}};

static const uint32_t sizes[] = {1,  6,  7,   8,   9,   13,   18,   19,   61,       62,
                                 63, 64, 125, 126, 200, 4094, 4095, 4096, SIZE_MAX_};

static void log_frames(FILE *log, const char *bus, uint64_t *now_us, struct isotp *from, struct isotp *to)
{
    struct bus_frame f;
    struct isotp_event ev;
    char line[BUS_LOG_MAX];
    while (isotp_output(from, *now_us, &f, &ev)) {
        bus_log_print(*now_us, bus, &f, line);
        fprintf(log, "%s\n", line);
        isotp_input(to, &f, *now_us, &ev);
        *now_us += 100;
    }
}

static void log_message(FILE *log, size_t link, uint32_t size, uint64_t *now_us)
{
    struct isotp a, b;
    struct isotp_config ca = isotp_config_default(0x7E0, 0x7E8), cb = isotp_config_default(0x7E8, 0x7E0);
    ca.tx_dl = cb.tx_dl = links[link].tx_dl;
    ca.fd = cb.fd = ca.brs = cb.brs = links[link].tx_dl > 8;
    ca.pad = cb.pad = links[link].pad;
    isotp_init(&a, &ca, NULL, 0);
    isotp_init(&b, &cb, received, sizeof received);
    isotp_send(&a, payload, size, *now_us);
    while (isotp_sending(&a)) {
        log_frames(log, links[link].bus, now_us, &a, &b);
        log_frames(log, links[link].bus, now_us, &b, &a);
    }
}

static void write_log(const char *directory)
{
    char path[100];
    uint64_t now_us = 0;
    snprintf(path, sizeof path, "%s/can.log", directory);
    FILE *log = fopen(path, "w");
    cr_assert(log != NULL);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t l = 0; l < sizeof links / sizeof links[0]; l++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            log_message(log, l, sizes[s], &now_us);
    fclose(log);
}

/* Needs no Wireshark: the file that it is given holds each frame, with the kernel's header of 8 bytes. */
Test(tshark, a_capture_has_every_frame_of_its_bus)
{
    static const char log[] = "(0000000001.000002) body 123#1122\n"
                              "(0000000001.000003) other 124#11\n"
                              "(0000000001.000004) body 18DA0201##50102030405060708\n";
    static const char want[] = "d4c3b2a1020004000000000000000000ffff0000e3000000" /* pcap 2.4, SocketCAN */
                               "01000000020000000a0000000a000000"
                               "00000123020000001122"
                               "01000000040000001000000010000000"
                               "98da0201080500000102030405060708";
    char directory[64], command[300], path[100], hex[400] = "";
    uint8_t raw[200];
    launch_directory(directory);
    snprintf(path, sizeof path, "%s/can.log", directory);
    FILE *f = fopen(path, "w");
    cr_assert(f && fputs(log, f) >= 0 && fclose(f) == 0);
    snprintf(command, sizeof command, "python3 scripts/isotp-by-tshark.py --pcap body %s | cat", path);
    f = popen(command, "r");
    hex_encode(raw, fread(raw, 1, sizeof raw, f), hex);
    cr_expect(eq(int, pclose(f), 0));
    cr_expect(eq(str, hex, (char *)want));
    launch_remove(directory);
}

Test(tshark, messages_of_the_engine, .timeout = 120)
{
    char directory[64];
    static char hex[2 * SIZE_MAX_ + 1], line[2 * SIZE_MAX_ + 40];
    launch_directory(directory);
    write_log(directory);
    char *found = dissected(directory, "", "2016,2024");
    for (size_t l = 0; l < sizeof links / sizeof links[0]; l++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            hex_encode(payload, sizes[s], hex);
            snprintf(line, sizeof line, "%s 7E0 %s\n", links[l].bus, hex);
            cr_expect(eq(u32, lines_with(found, line), 1), "%s: %u bytes", links[l].bus, sizes[s]);
        }
    cr_expect(
        eq(u32, lines_with(found, "\n"), sizeof links / sizeof links[0] * (sizeof sizes / sizeof sizes[0])));
    free(found);
    launch_remove(directory);
}
