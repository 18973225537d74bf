/* Figures of one process: virtual world, an idle day, ISO-TP engine, memory. Each line is one JSON object
 * with the floor that was measured in the same run. Placement: pinned to one core by scripts/bench.sh. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/gsdp/gsdp.h"
#include "backend/pki/pki.h"
#include "backend/vos/vos.h"
#include "ecu/spaak/spaak.h"
#include "lib/can/isotp.h"
#include "lib/host/virtual.h"
#include "lib/media/media.h"
#include "sgw/sgw.h"
#include "sim/plant/plant.h"
#include "tbm/tbm.h"
#include "tests/figures.h"
#include "tests/support.h"

/* Operations of one PP-01 flow with SP-02 before it, for a vehicle that the servers have not met:
 *   keygen  1  vehicle identity (PP-01/8)
 *   sign   10  eight messages, the CSR (9), [K] (12)
 *   verify 15  eight messages, the CSR (11), [K] by J1 and J1 by J (14), this ECU's identity certificate at
 * GSDP and at the VOS, the signers' certificates of GSDP and VOS at the vehicle */
enum { FLOW_KEYGEN = 1, FLOW_SIGN = 10, FLOW_VERIFY = 15 };

static double flow_floor_s(const struct p256_costs *c)
{
    return FLOW_KEYGEN * c->keygen + FLOW_SIGN * c->sign + FLOW_VERIFY * c->verify;
}

/* ---- a fleet in the virtual world ---- */

struct fleet {
    struct virtual *v;
    size_t vehicles, done;
    char (*serials)[16];
    char (*names)[3][16];
    struct component_args *args;
    struct component_args server_args;
    FILE *can_log; /* NULL: nobody listens to the buses */
    size_t log_bytes;
};

static void on_trace(void *ctx, const struct trace_event *e)
{
    struct fleet *f = ctx;
    f->done += e->kind == TRACE_STATE && strcmp(e->detail, "done") == 0;
}

static void on_frame(void *ctx, uint64_t now_us, const char *bus, const struct bus_frame *frame)
{
    struct fleet *f = ctx;
    char line[BUS_LOG_MAX];
    bus_log_print(VIRTUAL_EPOCH_MS * 1000ull + now_us, bus, frame, line);
    int n = fprintf(f->can_log, "%s\n", line);
    if (n < 0)
        exit(1);
    f->log_bytes += (size_t)n;
}

static void equip(struct fleet *f, struct plant_shift *shift, const struct component_class *class,
                  const char *serial, const char *stream, struct virtual_node *n)
{
    shift->crypto = virtual_crypto(f->v, stream);
    if (plant_equip(shift, class, serial, true, NULL, 0, virtual_store(n)))
        exit(1);
}

static struct virtual_node *add_server(struct fleet *f, const struct component_class *class)
{
    return virtual_add(f->v, class, class->name, 0, &f->server_args);
}

static void add_vehicle(struct fleet *f, struct plant_shift *shift, size_t i)
{
    static const struct component_class *const classes[] = {&sgw_class, &tbm_class, &spaak_class};
    f->args[i] = (struct component_args){.serial = f->serials[i]};
    for (size_t k = 0; k < 3; k++) {
        snprintf(f->names[i][k], 16, "%s%zu", classes[k]->name, i % 1000000);
        struct virtual_node *n = virtual_add(f->v, classes[k], f->names[i][k], (unsigned)i + 1, &f->args[i]);
        if (k == 2) {
            equip(f, shift, classes[k], f->serials[i], f->serials[i], n);
            if (history_finish(shift->crypto, &shift->oem, f->serials[i], shift->now_s, virtual_store(n)))
                exit(1);
        }
        if (virtual_start(n))
            exit(1);
    }
}

static void fleet_make(struct fleet *f, size_t vehicles, FILE *can_log)
{
    struct oem_options options = {.now_s = VIRTUAL_EPOCH_MS / 1000};
    struct plant_shift shift = {.now_s = options.now_s};
    *f = (struct fleet){
        .vehicles = vehicles, .server_args = {.serial = "", .store_key = test_store_key}, .can_log = can_log};
    memcpy(shift.store_key, test_store_key, sizeof shift.store_key);
    const struct virtual_options o = {
        .seed = 1,
        .twins = media_twins,
        .hooks = {.ctx = f, .on_trace = on_trace, .on_frame = can_log ? on_frame : NULL},
    };
    f->v = virtual_new(&o);
    f->serials = calloc(vehicles + 1, sizeof *f->serials);
    f->names = calloc(vehicles, sizeof *f->names);
    f->args = calloc(vehicles, sizeof *f->args);
    const char **serials = calloc(vehicles + 1, sizeof *serials);
    for (size_t i = 0; i < vehicles; i++) {
        snprintf(f->serials[i], 16, "SPAAK%08zu", i % 100000000);
        serials[i] = f->serials[i];
    }
    shift.serials = serials;
    oem_make(virtual_crypto(f->v, "world"), &options, &shift.oem);
    static const struct component_class *const servers[] = {&pki_class, &vos_class, &gsdp_class};
    for (size_t i = 0; i < 3; i++) {
        struct virtual_node *n = add_server(f, servers[i]);
        equip(f, &shift, servers[i], "", "servers", n);
        if (virtual_start(n))
            exit(1);
    }
    for (size_t i = 0; i < vehicles; i++)
        add_vehicle(f, &shift, i);
    free(serials);
    oem_free(&shift.oem);
}

static void fleet_run(struct fleet *f)
{
    while (f->done < f->vehicles && virtual_step(f->v, 600000000))
        ;
    if (f->done != f->vehicles) {
        fprintf(stderr, "only %zu of %zu vehicles finished\n", f->done, f->vehicles);
        exit(1);
    }
}

static void fleet_free(struct fleet *f)
{
    virtual_free(f->v);
    free(f->serials);
    free(f->names);
    free(f->args);
}

static void bench_virtual(const struct p256_costs *c)
{
    double best = 1e9;
    for (int round = 0; round < 3; round++) {
        struct fleet f;
        fleet_make(&f, 200, NULL);
        double t = cpu_s();
        fleet_run(&f);
        t = (cpu_s() - t) / 200;
        best = t < best ? t : best;
        fleet_free(&f);
    }
    figure_report("virtual_pp01_flows", 1 / best, "flows/s on one core", 1 / flow_floor_s(c),
                  "its P-256 operations alone: 1 keygen, 10 sign, 15 verify", 0.5);
}

static void bench_memory(void)
{
    struct fleet f;
    malloc_trim(0);
    size_t before = figure_resident_bytes();
    fleet_make(&f, 1000, NULL);
    fleet_run(&f);
    double each = (double)(figure_resident_bytes() - before) / 1000;
    fleet_free(&f);
    figure_report("virtual_memory_per_vehicle", each, "bytes resident at 1000 vehicles", 65536,
                  "the limit, 64 kB", 1);
}

/* ---- an idle day of one vehicle ---- */

#define DAY_S 86400u

struct idle_day {
    double took_s; /* wall: writing counts */
    uint64_t events;
    size_t log_bytes;
};

/* PP-01 is done; from then on only heartbeats and keep-alives. The log is opened on a file that has no name.
 */
static struct idle_day idle_day(bool log)
{
    struct fleet f;
    FILE *can_log = log ? tmpfile() : NULL;
    if (log && !can_log)
        exit(1);
    fleet_make(&f, 1, can_log);
    fleet_run(&f);
    struct idle_day d = {.events = virtual_events(f.v), .log_bytes = f.log_bytes};
    uint64_t end_us = virtual_now_us(f.v) + DAY_S * 1000000ull;
    double t = wall_s();
    while (virtual_step(f.v, end_us))
        ;
    if (log && fclose(can_log) != 0)
        exit(1);
    d.took_s = wall_s() - t;
    d.events = virtual_events(f.v) - d.events;
    d.log_bytes = f.log_bytes - d.log_bytes;
    fleet_free(&f);
    return d;
}

/* The same bytes, in pieces of 64 kB. */
static double write_s(size_t bytes)
{
    static char piece[65536];
    FILE *out = tmpfile();
    if (!out)
        exit(1);
    double t = wall_s();
    for (size_t done = 0; done < bytes; done += sizeof piece)
        if (fwrite(piece, sizeof piece, 1, out) != 1)
            exit(1);
    fclose(out);
    return wall_s() - t;
}

/* What no simulation of these events can avoid: a frame written as bytes and read again, each time. */
static double frames_s(uint64_t events)
{
    struct bus_frame f = {.id = 0x123, .flags = BUS_FD, .len = 8};
    uint8_t bytes[80];
    double t = wall_s();
    for (uint64_t i = 0; i < events; i++) {
        struct wr w = wr_of(bytes, sizeof bytes);
        bus_frame_write(&w, &f);
        struct rd r = rd_of(bytes, w.len);
        if (bus_frame_read(&r, &f) != ERR_OK)
            exit(1);
    }
    return wall_s() - t;
}

static void bench_idle_day(void)
{
    struct idle_day silent = idle_day(false), logged = idle_day(true);
    figure_report("virtual_idle_day", DAY_S / silent.took_s, "virtual s/s on one core",
                  DAY_S / frames_s(silent.events), "a frame encoded and decoded per event", 0);
    figure_report("virtual_idle_day_can_log", DAY_S / logged.took_s, "virtual s/s on one core",
                  DAY_S / (silent.took_s + write_s(logged.log_bytes)),
                  "the same day without a log, and its bytes written", 0);
}

/* ---- ISO-TP alone ---- */

static void bench_isotp(void)
{
    static uint8_t data[1024], rx_a[8], rx_b[1024];
    static struct bus_frame f;
    struct isotp a, b;
    struct isotp_event ev;
    struct isotp_config ca = isotp_config_default(1, 2), cb = isotp_config_default(2, 1);
    const int n = 2000000;
    size_t frames = 0, received = 0;
    isotp_init(&a, &ca, rx_a, sizeof rx_a);
    isotp_init(&b, &cb, rx_b, sizeof rx_b);
    double t = cpu_s();
    for (int i = 0; i < n; i++) {
        data[0] = (uint8_t)i;
        isotp_send(&a, data, sizeof data, 0);
        while (isotp_output(&a, 0, &f, &ev)) {
            frames++;
            isotp_input(&b, &f, 0, &ev);
            received += ev.kind == ISOTP_RECEIVED;
            if (isotp_output(&b, 0, &f, &ev)) {
                frames++;
                isotp_input(&a, &f, 0, &ev);
            }
        }
    }
    t = (cpu_s() - t) / n;
    if (received != (size_t)n || rx_b[0] != (uint8_t)(n - 1))
        exit(1);
    /* the same frames copied once, no protocol */
    static struct bus_frame from[18], to[18];
    double m = cpu_s();
    for (int i = 0; i < n; i++) {
        for (size_t k = 0; k < 18; k++) {
            memcpy(&to[k], &from[k], sizeof to[k]);
            __asm__ volatile("" : : "r"(&to[k]) : "memory");
        }
    }
    m = (cpu_s() - m) / n;
    figure_report("isotp_transfers_1kB", 1 / t, "transfers/s in one process", 1e6, "the goal, 1,000,000", 1);
    figure_report("isotp_transfers_1kB_to_memcpy", 1 / t, "transfers/s in one process", 1 / m,
                  "memcpy of the same 18 frames", 0);
}

int main(void)
{
    struct p256_costs c = measure_p256();
    bench_isotp();
    bench_virtual(&c);
    bench_idle_day();
    bench_memory();
    return 0;
}
